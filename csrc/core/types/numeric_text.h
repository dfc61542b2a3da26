/* csrc/core/types/numeric_text.h: the grammar of the server's numeric, and its rounding, on digits as they stand in the text.
 *
 * Shared by type_decimal.c (128-bit integers) and type_numeric.c (text of any length). No value ever passes through a double.
 */
#ifndef HR_CORE_NUMERIC_TEXT_H
#define HR_CORE_NUMERIC_TEXT_H

#include "type.h"

#define HR_NUMERIC_MAX_WHOLE 131072 /* digits before the point that the server can hold */
#define HR_NUMERIC_MAX_SCALE 16383  /* and after it */

typedef enum hr_numeric_class {
    HR_NUMERIC_INVALID, /* not a numeric at all */
    HR_NUMERIC_RANGE,   /* an exponent beyond everything */
    HR_NUMERIC_NUMBER,
    HR_NUMERIC_RADIX, /* 0x, 0o, 0b: hr_numeric_radix_text() turns it into decimal digits */
    HR_NUMERIC_NAN,
    HR_NUMERIC_INFINITY,
    HR_NUMERIC_MINUS_INFINITY
} hr_numeric_class;

/* A number taken apart. Its digits stand at [digits, end), among points and underscores, the first of them not 0. */
typedef struct hr_numeric_parts {
    hr_numeric_class class;
    bool negative;
    unsigned base; /* HR_NUMERIC_RADIX: 16, 8 or 2; else 10 */
    const char *digits, *end;
    int64_t count;    /* digits there; 0 for zero */
    int64_t exponent; /* of ten, of the last digit */
    int64_t scale;    /* digits after the point that the server keeps when the type has no scale of its own */
} hr_numeric_parts;

/* Take s[0..n) apart as numeric_in of this server version (0: the newest) does. */
void hr_numeric_scan(const char *s, size_t n, int32_t server_version, hr_numeric_parts *parts);

/* The decimal digits of an HR_NUMERIC_RADIX number, with its sign, appended to an empty *out (the caller frees it). HR_EDATA without a
 * message when there are more than HR_NUMERIC_MAX_WHOLE of them; HR_ENOMEM. */
int hr_numeric_radix_text(const hr_numeric_parts *parts, hr_buffer *out, hr_error *error);

/* How many digits of parts a type of this scale keeps (may be negative, or more than there are: zeros follow). */
static inline int64_t hr_numeric_kept(const hr_numeric_parts *parts, int64_t scale)
{
    return parts->count + parts->exponent + scale;
}

/* HR_EDATA (range) for a number that numeric(precision, scale), or numeric itself, cannot hold. */
int hr_numeric_out_of_range(const hr_type *type, const char *s, size_t n, hr_error *error);

/* Whether a JSON number (its syntax already checked) fits into the server's numeric: jsonb holds no others. */
bool hr_numeric_json_fits(const char *s, size_t n);

/* The most characters that hr_numeric_emit writes for these parts. */
size_t hr_numeric_emit_size(const hr_numeric_parts *parts, int64_t scale);
/* Write parts, rounded half away from zero to `scale` digits after the point (negative: before it), in the server's output form.
 * precision > 0 limits the digits. Returns the length, or 0 when the number is too large. The caller has checked that
 * hr_numeric_kept() is at most HR_NUMERIC_MAX_WHOLE + HR_NUMERIC_MAX_SCALE. */
size_t hr_numeric_emit(const hr_numeric_parts *parts, int64_t scale, int64_t precision, char *to);

/* ---- the COPY BINARY form: digits of base 10000 ---- */

#define HR_NUMERIC_FIELD_HEADER 8
#define HR_NUMERIC_SIGN_NEGATIVE 0x4000u
#define HR_NUMERIC_SIGN_NAN 0xc000u
#define HR_NUMERIC_SIGN_INFINITY 0xd000u
#define HR_NUMERIC_SIGN_MINUS_INFINITY 0xf000u

/* The header of a field, checked: the lengths fit, the sign is one of the five, all digits are below 10000. */
typedef struct hr_numeric_field {
    int32_t count;
    int32_t weight;
    unsigned sign;
    int32_t scale;
    const uint8_t *digits; /* count times two bytes */
} hr_numeric_field;
bool hr_numeric_field_read(const uint8_t *bytes, int32_t n, hr_numeric_field *field);

/* The most characters that hr_numeric_field_text writes. */
size_t hr_numeric_field_text_size(const hr_numeric_field *field);
/* Write the field in the server's output form and return the length. */
size_t hr_numeric_field_text(const hr_numeric_field *field, char *to);

#endif
