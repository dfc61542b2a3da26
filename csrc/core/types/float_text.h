/* csrc/core/types/float_text.h: float4 and float8 from and to text, exactly and without locales.
 *
 * Reading rounds once, to nearest even, whatever the number of digits. Writing gives the shortest digits that read back to the same
 * number, in the server's form (extra_float_digits 1): 100000, 1e+20, 1e-05, NaN, Infinity.
 */
#ifndef HR_CORE_FLOAT_TEXT_H
#define HR_CORE_FLOAT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum hr_float_syntax {
    HR_FLOAT_OK,
    HR_FLOAT_INVALID, /* not a number */
    HR_FLOAT_RANGE    /* overflows, or is not zero but would become zero: an error on the server, too */
} hr_float_syntax;

/* Read s[0..n), which must be all of the number but for white space around it. What the server accepts: decimal and hexadecimal
 * numbers, inf, infinity, nan, in any case, with a sign. *value is set for HR_FLOAT_OK only. */
hr_float_syntax hr_float8_parse(const char *s, size_t n, double *value);
hr_float_syntax hr_float4_parse(const char *s, size_t n, float *value);

#define HR_FLOAT_TEXT 32 /* room that every value fits in */
/* Write the number to `to` and return its length. No terminator. */
size_t hr_float8_print(char *to, double value);
size_t hr_float4_print(char *to, float value);

#endif
