/* csrc/core/hash/key_text.h: CAST(value AS text), trimmed and in upper case where the recipe says so. */
#ifndef HR_CORE_KEY_TEXT_H
#define HR_CORE_KEY_TEXT_H

#include "core/batch.h"
#include "core/types/timezone.h"
#include "recipe.h"
#include "upper_case.h"

/* What turning values into text needs besides them. */
typedef struct hr_key_text {
    const hr_recipe *recipe;
    const hr_timezone *zone; /* of timestamptz: the session's TimeZone. NULL = UTC */
    hr_buffer scratch;       /* freed by the owner of this struct */
} hr_key_text;

/* Bytes that every hr_key_text_append leaves free behind the value: for a separator, a null text, and a message's padding. */
#define HR_KEY_TEXT_ROOM 256

/* Append the text of row's value, which is not null, to *out. On HR_ENOMEM (and HR_EDATA from a value that has no text) *out has the size
 * it had. */
int hr_key_text_append(hr_key_text *text, const hr_column *column, int64_t row, hr_buffer *out, hr_error *error);

/* ---- the two kinds of values that most keys are made of, inline ---- */

#define HR_KEY_INT_ROOM 32 /* bytes that hr_key_print_int may write over */

/* The eight digits of value < 10^8, the first in the lowest byte: halves, then quarters, then single digits, side by side. */
static inline uint64_t hr_key_eight_digits(uint32_t value)
{
    uint64_t fours = (uint64_t)(value / 10000) | (uint64_t)(value % 10000) << 32;
    uint64_t hundreds = (fours * 10486 >> 20) & UINT64_C(0x0000007f0000007f);
    uint64_t twos = hundreds | (fours - hundreds * 100) << 16;
    uint64_t tens = (twos * 103 >> 10) & UINT64_C(0x000f000f000f000f);

    return (tens | (twos - tens * 10) << 8) | UINT64_C(0x3030303030303030);
}

static inline void hr_key_store_digits(char *to, uint64_t digits)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    memcpy(to, &digits, 8);
#else
    for (int i = 0; i < 8; i++)
        to[i] = (char)(digits >> (8 * i));
#endif
}

/* Decimal digits of value < 10^8. For each count of binary digits the table has 2^32 times the larger count of decimal ones, less the first
 * number that has so many: the sum's upper half is the answer, and carries where the number is large enough. */
static inline int hr_key_count_digits(uint32_t value)
{
#define HR_KEY_DIGITS(count, power) ((UINT64_C(count) << 32) - (power))
    static const uint64_t table[27] = {
        HR_KEY_DIGITS(1, 0),        HR_KEY_DIGITS(1, 0),        HR_KEY_DIGITS(1, 0),       HR_KEY_DIGITS(2, 10),
        HR_KEY_DIGITS(2, 10),       HR_KEY_DIGITS(2, 10),       HR_KEY_DIGITS(3, 100),     HR_KEY_DIGITS(3, 100),
        HR_KEY_DIGITS(3, 100),      HR_KEY_DIGITS(4, 1000),     HR_KEY_DIGITS(4, 1000),    HR_KEY_DIGITS(4, 1000),
        HR_KEY_DIGITS(4, 1000),     HR_KEY_DIGITS(5, 10000),    HR_KEY_DIGITS(5, 10000),   HR_KEY_DIGITS(5, 10000),
        HR_KEY_DIGITS(6, 100000),   HR_KEY_DIGITS(6, 100000),   HR_KEY_DIGITS(6, 100000),  HR_KEY_DIGITS(7, 1000000),
        HR_KEY_DIGITS(7, 1000000),  HR_KEY_DIGITS(7, 1000000),  HR_KEY_DIGITS(7, 1000000), HR_KEY_DIGITS(8, 10000000),
        HR_KEY_DIGITS(8, 10000000), HR_KEY_DIGITS(8, 10000000), HR_KEY_DIGITS(8, 10000000)};
#undef HR_KEY_DIGITS

    return (int)((value + table[31 - __builtin_clz(value | 1)]) >> 32);
}

/* Write the decimal digits of value to `to` and return how many. How many is not found out from the digits: what is written behind the
 * number need not wait for them. */
static inline size_t hr_key_print_int(char *to, int64_t value)
{
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value, low[2];
    char *start = to;
    int parts = 0, count;

    if (value < 0)
        *to++ = '-';
    for (; HR_UNLIKELY(rest >= 100000000); rest /= 100000000)
        low[parts++] = rest % 100000000;
    count = hr_key_count_digits((uint32_t)rest);
    hr_key_store_digits(to, hr_key_eight_digits((uint32_t)rest) >> (64 - 8 * count));
    to += count;
    while (parts > 0) {
        hr_key_store_digits(to, hr_key_eight_digits((uint32_t)low[--parts]));
        to += 8;
    }
    return (size_t)(to - start);
}

/* TRIM(): spaces, and nothing else, at both ends. */
static inline void hr_key_trim(const char **s, size_t *n)
{
    while (*n > 0 && **s == ' ') {
        (*s)++;
        (*n)--;
    }
    while (*n > 0 && (*s)[*n - 1] == ' ')
        (*n)--;
}

/* Append s[0..n) as the recipe wants it. */
static inline int hr_key_put(const hr_recipe *recipe, const char *s, size_t n, hr_buffer *out, hr_error *error)
{
    if (recipe->trim)
        hr_key_trim(&s, &n);
    HR_RETURN_NOT_OK(hr_buffer_reserve(out, HR_UPPER_ROOM(n) + HR_KEY_TEXT_ROOM, error));
    if (recipe->upper) {
        out->size += hr_upper_case((char *)out->data + out->size, s, n);
    } else {
        if (n > 0)
            memcpy(out->data + out->size, s, n);
        out->size += n;
    }
    return HR_OK;
}

static inline int hr_key_put_int(int64_t value, hr_buffer *out, hr_error *error)
{
    HR_RETURN_NOT_OK(hr_buffer_reserve(out, HR_KEY_INT_ROOM + HR_KEY_TEXT_ROOM, error));
    out->size += hr_key_print_int((char *)out->data + out->size, value);
    return HR_OK;
}

#endif
