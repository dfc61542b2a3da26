/* csrc/core/types/big.c: natural numbers of a fixed maximal size. Nothing here allocates; the callers stay within HR_BIG_LIMBS. */
#include "big.h"

#include <string.h>

void hr_big_set(hr_big *a, uint64_t value)
{
    a->limb[0] = (uint32_t)value;
    a->limb[1] = (uint32_t)(value >> 32);
    a->count = a->limb[1] != 0 ? 2 : a->limb[0] != 0;
}

static inline int hr_limb_bits(uint32_t limb)
{
    int bits = 0;

    while (limb != 0) {
        bits++;
        limb >>= 1;
    }
    return bits;
}

int hr_big_bits(const hr_big *a)
{
    return a->count == 0 ? 0 : (a->count - 1) * 32 + hr_limb_bits(a->limb[a->count - 1]);
}

int hr_big_compare(const hr_big *a, const hr_big *b)
{
    if (a->count != b->count)
        return a->count < b->count ? -1 : 1;
    for (int i = a->count - 1; i >= 0; i--)
        if (a->limb[i] != b->limb[i])
            return a->limb[i] < b->limb[i] ? -1 : 1;
    return 0;
}

void hr_big_multiply_add(hr_big *a, uint32_t factor, uint32_t addend)
{
    uint64_t carry = addend;

    for (int i = 0; i < a->count; i++) {
        carry += (uint64_t)a->limb[i] * factor;
        a->limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry != 0)
        a->limb[a->count++] = (uint32_t)carry;
}

void hr_big_multiply_pow5(hr_big *a, unsigned exponent)
{
    static const uint32_t small[13] = {1,     5,      25,      125,     625,      3125,     15625,
                                       78125, 390625, 1953125, 9765625, 48828125, 244140625};

    for (; exponent >= 13; exponent -= 13)
        hr_big_multiply_add(a, 1220703125u, 0); /* 5^13, the largest below 2^32 */
    if (exponent > 0)
        hr_big_multiply_add(a, small[exponent], 0);
}

void hr_big_shift_left(hr_big *a, unsigned bits)
{
    unsigned limbs = bits / 32, rest = bits % 32;

    if (a->count == 0)
        return;
    if (rest != 0) {
        uint32_t carry = 0;
        for (int i = 0; i < a->count; i++) {
            uint32_t next = a->limb[i] >> (32 - rest);
            a->limb[i] = a->limb[i] << rest | carry;
            carry = next;
        }
        if (carry != 0)
            a->limb[a->count++] = carry;
    }
    if (limbs != 0) {
        memmove(a->limb + limbs, a->limb, (size_t)a->count * sizeof(uint32_t));
        memset(a->limb, 0, (size_t)limbs * sizeof(uint32_t));
        a->count += (int)limbs;
    }
}

bool hr_big_sum_exceeds(const hr_big *a, const hr_big *b, const hr_big *c)
{
    uint64_t carry = 0, top;
    bool greater = false; /* so far, from the low limbs up */
    int n = c->count;

    if (a->count > n || b->count > n)
        return true;
    /* nearly always the highest limbs decide, whatever is carried into them */
    top = (uint64_t)(a->count == n ? a->limb[n - 1] : 0) + (b->count == n ? b->limb[n - 1] : 0);
    if (top + 1 < c->limb[n - 1])
        return false;
    if (top > c->limb[n - 1])
        return true;
    for (int i = 0; i < n; i++) {
        carry += (uint64_t)(i < a->count ? a->limb[i] : 0) + (i < b->count ? b->limb[i] : 0);
        if ((uint32_t)carry != c->limb[i])
            greater = (uint32_t)carry > c->limb[i];
        carry >>= 32;
    }
    return greater || carry != 0;
}

/* a -= b * factor; the result must not be negative. */
static void hr_big_subtract_product(hr_big *a, const hr_big *b, uint32_t factor)
{
    uint64_t carry = 0;

    for (int i = 0; i < a->count; i++) {
        uint32_t old = a->limb[i];
        carry += i < b->count ? (uint64_t)b->limb[i] * factor : 0;
        a->limb[i] = old - (uint32_t)carry;
        carry = (carry >> 32) + (old < (uint32_t)carry);
    }
    while (a->count > 0 && a->limb[a->count - 1] == 0)
        a->count--;
}

uint32_t hr_big_divide(hr_big *a, const hr_big *b)
{
    uint64_t top;
    uint32_t quotient = 0;

    if (a->count < b->count)
        return 0;
    /* from below: the highest limbs of a over the highest limb of b rounded up */
    top = a->count > b->count ? (uint64_t)a->limb[b->count] << 32 : 0;
    top |= a->limb[b->count - 1];
    quotient = (uint32_t)(top / ((uint64_t)b->limb[b->count - 1] + 1));
    if (quotient != 0)
        hr_big_subtract_product(a, b, quotient);
    while (hr_big_compare(a, b) >= 0) {
        hr_big_subtract_product(a, b, 1);
        quotient++;
    }
    return quotient;
}

unsigned hr_big_normalize_shift(const hr_big *b)
{
    return (unsigned)(32 - hr_limb_bits(b->limb[b->count - 1]));
}
