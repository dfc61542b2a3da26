/* csrc/core/window/value.h: values as numbers or bytes that are equal when the values are, for distinct counts and keys. */
#ifndef HR_CORE_VALUE_H
#define HR_CORE_VALUE_H

#include "core/batch.h"

typedef enum hr_value_form {
    HR_VALUE_NONE = 0, /* no equality that bytes could show: json, interval, lists */
    HR_VALUE_NUMBER,   /* hr_value_number */
    HR_VALUE_BYTES     /* hr_value_bytes */
} hr_value_form;

hr_value_form hr_value_form_of(const hr_type *type);
/* The value of a row that is not null, as 64 bits: -0.0 is 0.0, NaN is NaN, float4 and float8 agree. */
uint64_t hr_value_number(const hr_column *column, int64_t row);
/* The same as bytes; blanks at the end of char(n) and zeros at the end of numeric fractions are left out. */
const void *hr_value_bytes(const hr_column *column, int64_t row, size_t *n);
/* Order of two rows of one column: nulls last, numbers by value, else by bytes. */
int hr_value_compare(const hr_column *column, int64_t a, int64_t b);

/* The signed number of 192 bits that sums are made in. */
typedef struct hr_wide {
    uint64_t low, middle;
    int64_t high;
} hr_wide;

static inline void hr_wide_add(hr_wide *sum, uint64_t low, uint64_t middle, int64_t high)
{
    unsigned __int128 part = (unsigned __int128)sum->low + low;

    sum->low = (uint64_t)part;
    part = (part >> 64) + sum->middle + middle;
    sum->middle = (uint64_t)part;
    sum->high = (int64_t)((uint64_t)sum->high + (uint64_t)high + (uint64_t)(part >> 64));
}

#endif
