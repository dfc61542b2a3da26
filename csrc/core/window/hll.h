/* csrc/core/window/hll.h: HyperLogLog: how many distinct values, from 2^p bytes or less.
 *
 * As long as there are few values the sketch is a set of 32-bit tokens (26 bits of the hash and the run of zeros after them), which
 * is as good as exact; beyond 2^p / 8 tokens it becomes 2^p registers of a byte. The estimate is Ertl's improved raw estimator (Otmar Ertl,
 * "New cardinality estimation algorithms for HyperLogLog sketches", 2017), unbiased over the whole range without tables. Standard error of
 * the registers: 1.04 / sqrt(2^p). The sketch depends on the set of values only, not on their order.
 */
#ifndef HR_CORE_HLL_H
#define HR_CORE_HLL_H

#include "value_set.h"

#define HR_HLL_MIN_PRECISION 4
#define HR_HLL_MAX_PRECISION 18

typedef struct hr_hll {
    uint8_t precision;
    bool dense;
    union {
        hr_value_set tokens;
        uint8_t *registers; /* 2^precision, owned */
    } in;
} hr_hll;

void hr_hll_init(hr_hll *sketch, int precision);
void hr_hll_free(hr_hll *sketch);
/* Make room for this value, by its 64-bit hash. HR_ENOMEM leaves the sketch as it was. */
int hr_hll_reserve(hr_hll *sketch, uint64_t hash, hr_error *error);
/* Add the value for which room was made. */
void hr_hll_add(hr_hll *sketch, uint64_t hash);
/* The union of two sketches of the same precision, in two steps of which only the first can fail (then `sketch` is as it was). It makes
 * room for one more value, too, when hash is not NULL. */
int hr_hll_reserve_merge(hr_hll *sketch, const hr_hll *other, const uint64_t *hash, hr_error *error);
void hr_hll_merge(hr_hll *sketch, const hr_hll *other);
int64_t hr_hll_estimate(const hr_hll *sketch);
size_t hr_hll_memory(const hr_hll *sketch);
/* The hashes are fixed for ever: sketches of different machines and versions are merged. */
uint64_t hr_hll_hash_number(uint64_t value);
uint64_t hr_hll_hash_bytes(const void *bytes, size_t n);
/* For loading: from tokens to registers; whether a number can be a token. */
int hr_hll_make_dense(hr_hll *sketch, hr_error *error);
bool hr_hll_token_is_sound(uint32_t token);
/* The highest value that a register of this precision can have. */
static inline int hr_hll_highest(int precision)
{
    return 64 - precision + 1;
}

#endif
