/* csrc/core/window/hll.c: tokens, registers and the estimate. */
#include "hll.h"

#include <math.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define HR_HLL_TOKEN_BITS 26 /* of the hash; 6 more say how many zeros follow */
#define HR_HLL_TOKEN_SEED 0

uint64_t hr_hll_hash_number(uint64_t value)
{
    return XXH3_64bits(&value, sizeof(value));
}

uint64_t hr_hll_hash_bytes(const void *bytes, size_t n)
{
    return XXH3_64bits(bytes, n);
}

void hr_hll_init(hr_hll *sketch, int precision)
{
    memset(sketch, 0, sizeof(*sketch));
    sketch->precision = (uint8_t)precision;
    hr_value_set_init(&sketch->in.tokens, false);
}

void hr_hll_free(hr_hll *sketch)
{
    if (sketch->dense)
        hr_free(sketch->in.registers);
    else
        hr_value_set_free(&sketch->in.tokens);
    hr_hll_init(sketch, sketch->precision);
}

/* One more than the zeros before the first one, from the top of the `bits` low bits of x: 1 to bits + 1. */
static inline uint32_t hr_hll_rank(uint64_t x, int bits)
{
    x <<= 64 - bits;
    return x == 0 ? (uint32_t)bits + 1 : (uint32_t)__builtin_clzll(x) + 1;
}

/* 0 is no token, as the rank is never 0: free slots of the set stay apart. */
static inline uint32_t hr_hll_token(uint64_t hash)
{
    return (uint32_t)(hash >> (64 - HR_HLL_TOKEN_BITS)) << 6 | hr_hll_rank(hash, 64 - HR_HLL_TOKEN_BITS);
}

bool hr_hll_token_is_sound(uint32_t token)
{
    return (token & 63) >= 1 && (token & 63) <= 64 - HR_HLL_TOKEN_BITS + 1;
}

static inline void hr_hll_raise(uint8_t *registers, uint32_t index, uint32_t rank)
{
    if (registers[index] < rank)
        registers[index] = (uint8_t)rank;
}

/* A token says of the hash all that a register of up to 26 bits of index needs. */
static void hr_hll_raise_token(uint8_t *registers, int precision, uint32_t token)
{
    uint32_t top = token >> 6;
    int rest = HR_HLL_TOKEN_BITS - precision;
    uint32_t below = top & ((UINT32_C(1) << rest) - 1);
    uint32_t rank = below != 0 ? hr_hll_rank(below, rest) : (uint32_t)rest + (token & 63);

    hr_hll_raise(registers, top >> rest, rank);
}

/* From tokens to registers. */
int hr_hll_make_dense(hr_hll *sketch, hr_error *error)
{
    uint8_t *registers;
    uint64_t at = 0, token;

    if (sketch->dense)
        return HR_OK;
    registers = hr_calloc((size_t)1 << sketch->precision, 1);
    if (registers == NULL)
        return hr_error_nomem(error);
    while (hr_value_set_next(&sketch->in.tokens, &at, &token))
        hr_hll_raise_token(registers, sketch->precision, (uint32_t)token);
    hr_value_set_free(&sketch->in.tokens);
    sketch->in.registers = registers;
    sketch->dense = true;
    return HR_OK;
}

/* How many tokens are kept before there are registers. */
static uint32_t hr_hll_sparse_limit(const hr_hll *sketch)
{
    return (UINT32_C(1) << sketch->precision) / 8;
}

/* There are registers exactly when there have been more different tokens than the limit: never for a value seen before. */
int hr_hll_reserve(hr_hll *sketch, uint64_t hash, hr_error *error)
{
    if (sketch->dense)
        return HR_OK;
    if (HR_UNLIKELY(sketch->in.tokens.count >= hr_hll_sparse_limit(sketch)) &&
        !hr_value_set_has(&sketch->in.tokens, hr_hll_token(hash), HR_HLL_TOKEN_SEED))
        return hr_hll_make_dense(sketch, error);
    if (HR_LIKELY(hr_value_set_has_room(&sketch->in.tokens, 0)))
        return HR_OK;
    return hr_value_set_reserve(&sketch->in.tokens, 1, 0, HR_HLL_TOKEN_SEED, error);
}

void hr_hll_add(hr_hll *sketch, uint64_t hash)
{
    if (sketch->dense)
        hr_hll_raise(sketch->in.registers, (uint32_t)(hash >> (64 - sketch->precision)), hr_hll_rank(hash, 64 - sketch->precision));
    else
        hr_value_set_add(&sketch->in.tokens, hr_hll_token(hash), HR_HLL_TOKEN_SEED);
}

/* The form of the union depends on the union alone: registers when it has more tokens than the limit. */
int hr_hll_reserve_merge(hr_hll *sketch, const hr_hll *other, const uint64_t *hash, hr_error *error)
{
    const hr_value_set *tokens = &sketch->in.tokens;
    uint32_t together, more;

    if (sketch->dense)
        return HR_OK;
    if (other->dense)
        return hr_hll_make_dense(sketch, error);
    more = other->in.tokens.count + (hash != NULL);
    if (tokens->count + more > hr_hll_sparse_limit(sketch)) {
        uint64_t at = 0, token;

        together = tokens->count;
        while (hr_value_set_next(&other->in.tokens, &at, &token))
            together += !hr_value_set_has(tokens, token, HR_HLL_TOKEN_SEED);
        if (hash != NULL)
            together += !hr_value_set_has(tokens, hr_hll_token(*hash), HR_HLL_TOKEN_SEED) &&
                        !hr_value_set_has(&other->in.tokens, hr_hll_token(*hash), HR_HLL_TOKEN_SEED);
        if (together > hr_hll_sparse_limit(sketch))
            return hr_hll_make_dense(sketch, error);
    }
    return hr_value_set_reserve(&sketch->in.tokens, more, 0, HR_HLL_TOKEN_SEED, error);
}

void hr_hll_merge(hr_hll *sketch, const hr_hll *other)
{
    uint64_t at = 0, token;

    if (!sketch->dense) {
        hr_value_set_merge(&sketch->in.tokens, &other->in.tokens, HR_HLL_TOKEN_SEED);
    } else if (other->dense) {
        for (size_t i = 0; i < (size_t)1 << sketch->precision; i++)
            if (sketch->in.registers[i] < other->in.registers[i])
                sketch->in.registers[i] = other->in.registers[i];
    } else {
        while (hr_value_set_next(&other->in.tokens, &at, &token))
            hr_hll_raise_token(sketch->in.registers, sketch->precision, (uint32_t)token);
    }
}

/* Ertl's sigma: x + sum over k >= 1 of x^(2^k) * 2^(k-1). */
static double hr_hll_sigma(double x)
{
    double y = 1, z = x, before;

    if (x >= 1)
        return INFINITY;
    do {
        x *= x;
        before = z;
        z += x * y;
        y += y;
    } while (z > before);
    return z;
}

/* Ertl's tau: (1 - x - sum over k >= 1 of (1 - x^(2^-k))^2 * 2^-k) / 3. */
static double hr_hll_tau(double x)
{
    double y = 1, z = 1 - x, before;

    if (x <= 0 || x >= 1)
        return 0;
    do {
        x = sqrt(x);
        before = z;
        y *= 0.5;
        z -= (1 - x) * (1 - x) * y;
    } while (z < before);
    return z / 3;
}

int64_t hr_hll_estimate(const hr_hll *sketch)
{
    int bits = 64 - sketch->precision;
    double m = (double)((size_t)1 << sketch->precision), z;
    int64_t counts[66] = {0};

    if (!sketch->dense) /* two values share a token with a chance of 1 in 2^27 */
        return sketch->in.tokens.count;
    for (size_t i = 0; i < (size_t)1 << sketch->precision; i++)
        counts[sketch->in.registers[i]]++;
    z = m * hr_hll_tau(1 - (double)counts[bits + 1] / m);
    for (int k = bits; k >= 1; k--)
        z = 0.5 * (z + (double)counts[k]);
    z += m * hr_hll_sigma((double)counts[0] / m);
    z = m * m / (2 * M_LN2 * z) / (1 + 1.079 / m); /* the last is the original paper's, for the few registers of low precisions */
    return z < 9e18 ? llround(z) : INT64_MAX;
}

size_t hr_hll_memory(const hr_hll *sketch)
{
    return sketch->dense ? (size_t)1 << sketch->precision : hr_value_set_memory(&sketch->in.tokens);
}
