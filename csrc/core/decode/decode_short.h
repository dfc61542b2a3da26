/* csrc/core/decode/decode_short.h: from the text of a value to its column, with short ways for the commonest types.
 *
 * decode.c calls hr_decode_plain when all fields are known. A format may call it earlier, as soon as it has found a field, and mark the
 * field HR_FIELD_DONE: then the processor turns text into values while it waits for the bytes of the next field.
 *
 * The short ways give what the type's own parse function would give, or return false and leave the value to it. What makes them short:
 * they know where the record ends, so that 8 or 16 bytes can be taken at once without a loop whose length the processor has to guess.
 */
#ifndef HR_CORE_DECODE_SHORT_H
#define HR_CORE_DECODE_SHORT_H

#include "core/batch.h"
#include "decode.h"
#include "core/json/json_scan.h"

#if defined(__GNUC__)
#define HR_ALWAYS_INLINE static inline __attribute__((always_inline)) /* the compilers' own judgement costs a tenth here */
#else
#define HR_ALWAYS_INLINE static inline
#endif

/* How a column's values are made. All but the last are short cuts for what hr_type_ops.parse would do. */
typedef enum hr_decode_road {
    HR_ROAD_PARSE = 0,
    HR_ROAD_INT4,
    HR_ROAD_INT8,
    HR_ROAD_DECIMAL, /* numeric(p,s) of at most 18 digits */
    HR_ROAD_TEXT,    /* text without a limit: the record's encoding has been checked */
    HR_ROAD_JSON,    /* parse, but strings keep their quotes and escapes */
    HR_ROAD_METADATA /* from around the record */
} hr_decode_road;

/* What decode.c needs to know of a column for every record, close together. */
typedef struct hr_decode_step {
    int (*parse)(const hr_type *type, hr_token token, const char *s, size_t n, struct hr_column *out, hr_error *error);
    const hr_type *type;
    uint64_t absent_bit; /* the bit of the column's default, or 0 */
    hr_decode_road road;
    hr_from from;
    bool required;       /* NOT NULL, and loaded */
} hr_decode_step;

/* s[0..n) when it is 1 to 8 decimal digits; the 8 bytes at s must be readable. */
static inline bool hr_short_digits(const char *s, size_t n, uint64_t *value)
{
#if HR_JSON_SWAR
    const uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f), over = UINT64_C(0x7676767676767676), pairs = UINT64_C(0x000000ff000000ff);
    uint64_t word;

    if (n - 1 >= 8)
        return false;
    word = (hr_json_load8(s) ^ UINT64_C(0x3030303030303030)) << (64 - 8 * n); /* leading zeros come in from below */
    if ((((word & low) + over) | word) & ~low)                                 /* a byte above 9 */
        return false;
    word = word * 10 + (word >> 8);                                           /* two digits in each of bytes 0, 2, 4, 6 */
    *value = ((word & pairs) * (100 + (UINT64_C(1000000) << 32)) + ((word >> 16) & pairs) * (1 + (UINT64_C(10000) << 32))) >> 32;
    return true;
#else
    (void)s;
    (void)n;
    (void)value;
    return false;
#endif
}

/* An integer of up to 8 digits without a sign; `end` is where the readable bytes end. */
static inline bool hr_short_integer(const char *s, size_t n, const char *end, int64_t *value)
{
    uint64_t digits;

    if (HR_UNLIKELY(end - s < 8) || HR_UNLIKELY(!hr_short_digits(s, n, &digits)))
        return false;
    *value = (int64_t)digits;
    return true;
}

/* A number of up to 8 digits before and up to 8 after its point, without a sign, that fits numeric(precision, scale) as it is, with
 * precision <= 18. *value is the number times 10^scale. */
static inline bool hr_short_decimal(const char *s, size_t n, const char *end, int precision, int scale, int64_t *value)
{
#if HR_JSON_MASK16
    static const int64_t powers[19] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, 10000000000,
                                       100000000000, 1000000000000, 10000000000000, 100000000000000, 1000000000000000,
                                       10000000000000000, 100000000000000000, 1000000000000000000};
    uint64_t whole, part = 0;
    unsigned point;
    int after = 0;

    if (HR_UNLIKELY(end - s < 24 || n - 1 >= 16))
        return false;
    point = (unsigned)__builtin_ctz(hr_json_nondigits16(s) | 1u << n);
    if (point != n) {
        after = (int)(n - point) - 1;
        if (s[point] != '.' || after > scale || !hr_short_digits(s + point + 1, (size_t)after, &part))
            return false;
    }
    if (HR_UNLIKELY((int)point > precision - scale) || !hr_short_digits(s, point, &whole))
        return false;
    *value = (int64_t)whole * powers[scale] + (int64_t)part * powers[scale - after];
    return true;
#else
    (void)s;
    (void)n;
    (void)end;
    (void)precision;
    (void)scale;
    (void)value;
    return false;
#endif
}

/* Append checked text. Short texts are copied in steps of 16 bytes where that many are readable. The column is unchanged on failure. */
static inline int hr_short_text(hr_column *column, const char *s, size_t n, const char *end, hr_error *error)
{
    uint8_t *to;

    HR_RETURN_NOT_OK(hr_column_reserve(column, 1, error));
    if (HR_UNLIKELY(n > (size_t)INT32_MAX - column->bytes.size))
        return hr_error_nomem(error);
    HR_RETURN_NOT_OK(hr_buffer_reserve(&column->bytes, n + 32, error));
    to = column->bytes.data + column->bytes.size;
    if (HR_LIKELY(n <= 32 && end - s >= 32)) {
        memcpy(to, s, 16);
        if (n > 16)
            memcpy(to + 16, s + 16, 16);
    } else {
        memcpy(to, s, n);
    }
    column->bytes.size += n;
    column->offsets[column->length + 1] = (int32_t)column->bytes.size;
    hr_column_finish(column);
    return HR_OK;
}

/* Append the value whose text is s[0..n), without escapes; `end` is where the readable bytes end. For road HR_ROAD_JSON the quotes of a
 * string must stand around s. On failure the column is as before, but for what hr_column_truncate undoes. */
HR_ALWAYS_INLINE int hr_decode_plain(const hr_decode_step *step, hr_token token, const char *s, size_t n, const char *end,
                                     hr_column *column, hr_error *error)
{
    int64_t value;

    switch (step->road) {
    case HR_ROAD_INT4:
        if (HR_LIKELY(hr_short_integer(s, n, end, &value)))
            return hr_column_append_int32(column, (int32_t)value, error);
        break;
    case HR_ROAD_INT8:
        if (HR_LIKELY(hr_short_integer(s, n, end, &value)))
            return hr_column_append_int64(column, value, error);
        break;
    case HR_ROAD_DECIMAL:
        if (HR_LIKELY(hr_short_decimal(s, n, end, step->type->precision, step->type->scale, &value)))
            return hr_column_append_decimal(column, (hr_decimal128){(uint64_t)value, 0}, error);
        break;
    case HR_ROAD_TEXT:
        return hr_short_text(column, s, n, end, error);
    case HR_ROAD_JSON:
        if (token == HR_TOKEN_STRING) {
            s -= 1;
            n += 2;
        }
        break;
    case HR_ROAD_PARSE:
    case HR_ROAD_METADATA:
        break;
    }
    return step->parse(step->type, token, s, n, column, error);
}

#endif
