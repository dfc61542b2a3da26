/* csrc/core/window/float_sum.h: the exact sum of doubles, rounded once, so that it does not depend on their order.
 *
 * The sum is kept as a fixed-point number: chunk i counts units of 2^(32 i - 1074). Each chunk is a signed 64-bit number of which an
 * addition uses 32 bits, so carries have to be carried on only once in 2^30 additions. Only the chunks between the lowest and the highest
 * used are kept: values of like size need 3 to 5 of them, all doubles 67.
 */
#ifndef HR_CORE_FLOAT_SUM_H
#define HR_CORE_FLOAT_SUM_H

#include "wire.h"

#define HR_FLOAT_SUM_CHUNKS 68 /* 2098 bits of all doubles, and 32 for the carries of 2^63 additions */
#define HR_FLOAT_SUM_NAN 1u
#define HR_FLOAT_SUM_PLUS 2u /* an infinity was added */
#define HR_FLOAT_SUM_MINUS 4u

typedef struct hr_float_sum {
    int64_t *chunks;  /* [low, low + count), owned; NULL at first */
    uint32_t pending; /* additions since the carries were carried on */
    uint8_t low, count;
    uint8_t special;
    bool any; /* a value was added */
} hr_float_sum;

/* All zero is an empty sum. */
void hr_float_sum_free(hr_float_sum *sum);
/* Make room for a value; hr_float_sum_add of it then cannot fail. */
int hr_float_sum_reserve(hr_float_sum *sum, double value, hr_error *error);
void hr_float_sum_add(hr_float_sum *sum, double value);
int hr_float_sum_reserve_merge(hr_float_sum *sum, const hr_float_sum *other, hr_error *error);
void hr_float_sum_merge(hr_float_sum *sum, const hr_float_sum *other);
/* The sum, rounded to the nearest double, halves to even. */
double hr_float_sum_value(const hr_float_sum *sum);
int hr_float_sum_save(const hr_float_sum *sum, hr_buffer *out, hr_error *error);
int hr_float_sum_load(hr_float_sum *sum, hr_wire *in, hr_error *error);
size_t hr_float_sum_memory(const hr_float_sum *sum);

#endif
