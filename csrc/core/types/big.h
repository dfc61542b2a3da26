/* csrc/core/types/big.h: natural numbers of up to 3000 bits on the stack, for the rare floats that 128 bits cannot decide. */
#ifndef HR_CORE_BIG_H
#define HR_CORE_BIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The largest number made by float_text.c has 800 decimal digits (2658 bits), times 2^64 while a quotient is taken. */
#define HR_BIG_LIMBS 96

typedef struct hr_big {
    int count; /* limbs used; the highest is not zero */
    uint32_t limb[HR_BIG_LIMBS];
} hr_big;

void hr_big_set(hr_big *a, uint64_t value);
int hr_big_bits(const hr_big *a); /* 0 for zero */
int hr_big_compare(const hr_big *a, const hr_big *b);
/* a = a * factor + addend */
void hr_big_multiply_add(hr_big *a, uint32_t factor, uint32_t addend);
void hr_big_multiply_pow5(hr_big *a, unsigned exponent);
void hr_big_shift_left(hr_big *a, unsigned bits);
/* a + b > c, which is not zero */
bool hr_big_sum_exceeds(const hr_big *a, const hr_big *b, const hr_big *c);
/* The quotient a / b, a becoming the remainder. The caller guarantees a < b * 2^32 and that b has its highest bit set in its highest
 * limb (hr_big_normalize_shift), which makes the quotient's estimate off by a few at most. */
uint32_t hr_big_divide(hr_big *a, const hr_big *b);
/* Bits to shift b left so that hr_big_divide may be used; shift the other numbers of the fraction alike. */
unsigned hr_big_normalize_shift(const hr_big *b);

#endif
