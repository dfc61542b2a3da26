/* csrc/core/window/float_sum.c: fixed-point chunks of 32 bits with room for carries. */
#include "float_sum.h"

#include <math.h>

#define HR_FLOAT_SUM_PENDING (UINT32_C(1) << 30)

void hr_float_sum_free(hr_float_sum *sum)
{
    hr_free(sum->chunks);
    memset(sum, 0, sizeof(*sum));
}

/* Take a finite double apart: |value| = mantissa * 2^(position - 1074). */
static void hr_float_split(double value, uint64_t *mantissa, unsigned *position, bool *negative)
{
    uint64_t bits;
    unsigned exponent;

    memcpy(&bits, &value, sizeof(bits));
    exponent = (unsigned)(bits >> 52) & 0x7ff;
    *negative = bits >> 63 != 0;
    *mantissa = bits & ((UINT64_C(1) << 52) - 1);
    if (exponent != 0)
        *mantissa |= UINT64_C(1) << 52;
    *position = exponent != 0 ? exponent - 1 : 0;
}

/* Have chunks [low, high). */
static int hr_float_sum_span(hr_float_sum *sum, unsigned low, unsigned high, hr_error *error)
{
    unsigned old_low = sum->low, old_high = sum->low + sum->count;
    int64_t *chunks;

    if (sum->count > 0 && low >= old_low && high <= old_high)
        return HR_OK;
    if (sum->count > 0) {
        low = low < old_low ? low : old_low;
        high = high > old_high ? high : old_high;
    }
    chunks = hr_calloc(high - low, sizeof(*chunks));
    if (chunks == NULL)
        return hr_error_nomem(error);
    if (sum->count > 0)
        memcpy(chunks + (old_low - low), sum->chunks, sum->count * sizeof(*chunks));
    hr_free(sum->chunks);
    sum->chunks = chunks;
    sum->low = (uint8_t)low;
    sum->count = (uint8_t)(high - low);
    return HR_OK;
}

/* Carry on: all chunks but the last end in [0, 2^32). The last one must have room, which hr_float_sum_settle makes. */
static void hr_float_sum_carry(int64_t *chunks, unsigned count)
{
    for (unsigned i = 0; i + 1 < count; i++) {
        int64_t carry = chunks[i] >> 32; /* rounds down: gcc and clang shift arithmetically */

        chunks[i] -= carry * (INT64_C(1) << 32);
        chunks[i + 1] += carry;
    }
}

/* Before 2^30 additions have passed, carry on, with a chunk more at the top when the last one has grown. */
static int hr_float_sum_settle(hr_float_sum *sum, hr_error *error)
{
    unsigned high = sum->low + sum->count;

    if (sum->count == 0)
        return HR_OK;
    if (high < HR_FLOAT_SUM_CHUNKS)
        HR_RETURN_NOT_OK(hr_float_sum_span(sum, sum->low, high + 1, error));
    hr_float_sum_carry(sum->chunks, sum->count);
    sum->pending = 1;
    return HR_OK;
}

int hr_float_sum_reserve(hr_float_sum *sum, double value, hr_error *error)
{
    uint64_t mantissa;
    unsigned position;
    bool negative;

    if (!isfinite(value) || value == 0)
        return HR_OK;
    if (HR_UNLIKELY(sum->pending >= HR_FLOAT_SUM_PENDING))
        HR_RETURN_NOT_OK(hr_float_sum_settle(sum, error));
    hr_float_split(value, &mantissa, &position, &negative);
    return hr_float_sum_span(sum, position >> 5, (position >> 5) + 3, error);
}

void hr_float_sum_add(hr_float_sum *sum, double value)
{
    uint64_t mantissa;
    unsigned position;
    bool negative;
    unsigned __int128 shifted;
    int64_t *chunk;

    sum->any = true;
    if (HR_UNLIKELY(!isfinite(value))) {
        sum->special |= (uint8_t)(isnan(value) ? HR_FLOAT_SUM_NAN : value > 0 ? HR_FLOAT_SUM_PLUS : HR_FLOAT_SUM_MINUS);
        return;
    }
    if (value == 0)
        return;
    hr_float_split(value, &mantissa, &position, &negative);
    shifted = (unsigned __int128)mantissa << (position & 31);
    chunk = sum->chunks + ((position >> 5) - sum->low);
    for (int i = 0; i < 3; i++, shifted >>= 32) {
        int64_t part = (int64_t)(shifted & UINT32_MAX);

        chunk[i] += negative ? -part : part;
    }
    sum->pending++;
}

/* After the carries were carried on, the chunks of `sum` are below 2^33; those of `other` are below 2^62 + 2^33. */
int hr_float_sum_reserve_merge(hr_float_sum *sum, const hr_float_sum *other, hr_error *error)
{
    if (other->count == 0)
        return HR_OK;
    HR_RETURN_NOT_OK(hr_float_sum_settle(sum, error));
    return hr_float_sum_span(sum, other->low, other->low + other->count, error);
}

void hr_float_sum_merge(hr_float_sum *sum, const hr_float_sum *other)
{
    sum->any = sum->any || other->any;
    sum->special |= other->special;
    for (unsigned i = 0; i < other->count; i++)
        sum->chunks[other->low - sum->low + i] += other->chunks[i];
    sum->pending += other->pending;
}

/* 64 bits of the number from bit `at` on, which may lie below its first chunk. Chunks are in [0, 2^32). */
static uint64_t hr_float_sum_bits(const int64_t *chunks, int count, int at)
{
    int first = at >= 0 ? at / 32 : -((31 - at) / 32);
    unsigned __int128 bits = 0;

    for (int i = 2; i >= 0; i--)
        bits = bits << 32 | (first + i >= 0 && first + i < count ? (uint64_t)chunks[first + i] : 0);
    return (uint64_t)(bits >> (at - 32 * first));
}

/* Whether any bit below `at` is set. */
static bool hr_float_sum_any_below(const int64_t *chunks, int at)
{
    for (int i = 0; 32 * i < at; i++) {
        uint64_t chunk = (uint64_t)chunks[i];

        if (at - 32 * i < 32)
            chunk &= (UINT64_C(1) << (at - 32 * i)) - 1;
        if (chunk != 0)
            return true;
    }
    return false;
}

double hr_float_sum_value(const hr_float_sum *sum)
{
    int64_t chunks[HR_FLOAT_SUM_CHUNKS + 2] = {0};
    int count = sum->count + 2, top, highest, kept_bits, at;
    bool negative;
    uint64_t kept;
    double value;

    if ((sum->special & HR_FLOAT_SUM_NAN) || sum->special == (HR_FLOAT_SUM_PLUS | HR_FLOAT_SUM_MINUS))
        return NAN;
    if (sum->special != 0)
        return sum->special & HR_FLOAT_SUM_PLUS ? INFINITY : -INFINITY;
    if (sum->count == 0)
        return 0;
    memcpy(chunks, sum->chunks, sum->count * sizeof(*chunks));
    hr_float_sum_carry(chunks, (unsigned)count);
    negative = chunks[count - 1] < 0;
    if (negative) {
        for (int i = 0; i < count; i++)
            chunks[i] = -chunks[i];
        hr_float_sum_carry(chunks, (unsigned)count);
    }
    for (top = count; top > 0 && chunks[top - 1] == 0; top--)
        ;
    if (top == 0)
        return 0;
    /* 53 bits are kept; near the smallest doubles fewer, and there nothing stands below them */
    highest = 32 * (sum->low + top - 1) + 63 - __builtin_clzll((uint64_t)chunks[top - 1]);
    kept_bits = highest < 52 ? highest + 1 : 53;
    at = highest - kept_bits + 1 - 32 * sum->low;
    kept = hr_float_sum_bits(chunks, count, at) & ((UINT64_C(1) << kept_bits) - 1);
    if ((hr_float_sum_bits(chunks, count, at - 1) & 1) && ((kept & 1) || hr_float_sum_any_below(chunks, at - 1)))
        kept++;
    value = ldexp((double)kept, highest - kept_bits + 1 - 1074);
    return negative ? -value : value;
}

int hr_float_sum_save(const hr_float_sum *sum, hr_buffer *out, hr_error *error)
{
    int64_t chunks[HR_FLOAT_SUM_CHUNKS + 1] = {0};
    unsigned count = sum->count;

    if (count > 0) {
        memcpy(chunks, sum->chunks, count * sizeof(*chunks));
        count += sum->low + count < HR_FLOAT_SUM_CHUNKS;
        hr_float_sum_carry(chunks, count);
    }
    HR_RETURN_NOT_OK(hr_wire_put_u8(out, (uint8_t)(sum->special | (sum->any ? 8u : 0u)), error));
    HR_RETURN_NOT_OK(hr_wire_put_u8(out, sum->low, error));
    HR_RETURN_NOT_OK(hr_wire_put_u8(out, (uint8_t)count, error));
    for (unsigned i = 0; i < count; i++)
        HR_RETURN_NOT_OK(hr_wire_put_i64(out, chunks[i], error));
    return HR_OK;
}

int hr_float_sum_load(hr_float_sum *sum, hr_wire *in, hr_error *error)
{
    uint8_t flags, low, count;

    if (!hr_wire_u8(in, &flags) || flags > 15 || !hr_wire_u8(in, &low) || !hr_wire_u8(in, &count) ||
        (unsigned)low + count > HR_FLOAT_SUM_CHUNKS)
        return hr_wire_damaged("a sum of floats", error);
    sum->special = flags & 7;
    sum->any = (flags & 8) != 0;
    if (count == 0)
        return HR_OK;
    HR_RETURN_NOT_OK(hr_float_sum_span(sum, low, (unsigned)low + count, error));
    sum->pending = 1;
    for (unsigned i = 0; i < count; i++)
        if (!hr_wire_i64(in, &sum->chunks[i]) || sum->chunks[i] < -(INT64_C(1) << 33) || sum->chunks[i] > INT64_C(1) << 33)
            return hr_wire_damaged("a sum of floats", error);
    return HR_OK;
}

size_t hr_float_sum_memory(const hr_float_sum *sum)
{
    return sum->count * sizeof(*sum->chunks);
}
