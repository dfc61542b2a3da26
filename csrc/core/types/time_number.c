/* csrc/core/types/time_number.c: numbers that are dates, times or durations, by the unit of their column. */
#include <math.h>

#include "datetime.h"
#include "type_common.h"

/* A decimal number: digits * 10^exponent. */
typedef struct hr_decimal_number {
    unsigned __int128 digits;
    int64_t exponent;
    bool negative;
    bool more; /* further digits that are not all zero were left out */
} hr_decimal_number;

#define HR_NUMBER_DIGITS 36 /* kept exactly; 128 bits hold 38 */

/* Read [-+]digits[.digits][e[-+]digits] in full. False when s[0..n) is anything else. */
static bool hr_number_scan(const char *s, size_t n, hr_decimal_number *out)
{
    const char *p = s, *end = s + n;
    int kept = 0;
    size_t digits = 0;

    memset(out, 0, sizeof(*out));
    if (p < end && (*p == '-' || *p == '+'))
        out->negative = *p++ == '-';
    for (bool point = false; p < end; p++) {
        if (*p == '.' && !point) {
            point = true;
            continue;
        }
        if (!hr_is_digit(*p))
            break;
        digits++;
        if (kept < HR_NUMBER_DIGITS) {
            out->digits = out->digits * 10 + (unsigned)(*p - '0');
            kept += out->digits != 0;
            out->exponent -= point;
        } else {
            out->more |= *p != '0';
            out->exponent += !point;
        }
    }
    if (digits == 0)
        return false;
    if (p < end && (*p == 'e' || *p == 'E')) {
        bool down = false;
        int64_t exponent = 0;
        p++;
        if (p < end && (*p == '-' || *p == '+'))
            down = *p++ == '-';
        if (p == end)
            return false;
        for (; p < end && hr_is_digit(*p); p++)
            exponent = exponent < 1000000 ? exponent * 10 + (*p - '0') : exponent;
        out->exponent += down ? -exponent : exponent;
    }
    return p == end;
}

/* What a number in the column's unit must be multiplied with to be in microseconds, as a power of ten. */
static int hr_unit_exponent(hr_time_unit unit)
{
    switch (unit) {
    case HR_UNIT_S: return 6;
    case HR_UNIT_MS: return 3;
    case HR_UNIT_NS: return -3;
    case HR_UNIT_NONE:
    case HR_UNIT_US:
    case HR_UNIT_DAYS: break;
    }
    return 0;
}

static int hr_number_range(const hr_type *type, const char *s, size_t n, hr_error *error)
{
    static const char *const names[] = {"", "seconds", "milliseconds", "microseconds", "nanoseconds", "days"};
    char excerpt[HR_EXCERPT_SIZE];

    return hr_error_data(error, HR_REASON_RANGE, s, n, "%s out of range: %s %s are beyond 64 bits of microseconds", hr_type_label(type),
                         hr_utf8_excerpt(excerpt, s, n), names[type->unit]);
}

/* Round digits / 10^drop to the nearest integer, halves to even. drop > 0. */
static unsigned __int128 hr_number_shrink(unsigned __int128 digits, int64_t drop, bool more)
{
    unsigned __int128 power = 1, half, rest, whole;

    if (drop > 38)
        return 0; /* digits < 10^38: less than half of 10^39 */
    for (int64_t i = 0; i < drop; i++)
        power *= 10;
    whole = digits / power;
    rest = digits % power;
    half = power / 2;
    if (rest > half || (rest == half && (more || (whole & 1))))
        whole++;
    return whole;
}

static int hr_number_text(const hr_type *type, const char *s, size_t n, int64_t *value, hr_error *error)
{
    hr_decimal_number number;
    char excerpt[HR_EXCERPT_SIZE];
    unsigned __int128 limit = (unsigned __int128)INT64_MAX;

    if (!hr_number_scan(s, n, &number))
        return hr_error_data(error, HR_REASON_TYPE, s, n, "\"%s\" is not a number that %s can be read from", hr_utf8_excerpt(excerpt, s, n),
                             hr_type_label(type));
    number.exponent += hr_unit_exponent(type->unit);
    if (type->unit == HR_UNIT_DAYS) {
        while (number.exponent < 0 && number.digits % 10 == 0 && number.digits != 0) {
            number.digits /= 10;
            number.exponent++;
        }
        if ((number.exponent < 0 && number.digits != 0) || number.more)
            return hr_error_data(error, HR_REASON_TYPE, s, n, "%s must be a whole number: the column counts days",
                                 hr_utf8_excerpt(excerpt, s, n));
    }
    if (number.exponent < 0)
        number.digits = hr_number_shrink(number.digits, -number.exponent, number.more);
    for (; number.exponent > 0 && number.digits != 0; number.exponent--) {
        if (number.digits > limit / 10)
            return hr_number_range(type, s, n, error);
        number.digits *= 10;
    }
    if (number.digits > limit)
        return hr_number_range(type, s, n, error);
    *value = number.negative ? -(int64_t)number.digits : (int64_t)number.digits;
    return HR_OK;
}

static int hr_number_int64(const hr_type *type, int64_t number, int64_t *value, hr_error *error)
{
    int64_t factor = type->unit == HR_UNIT_S ? 1000000 : type->unit == HR_UNIT_MS ? 1000 : 1;

    if (type->unit == HR_UNIT_NS) {
        int64_t whole = hr_floor_div(number, 1000), rest = number - whole * 1000;
        *value = whole + (rest > 500 || (rest == 500 && (whole & 1)));
        return HR_OK;
    }
    if (__builtin_mul_overflow(number, factor, value)) {
        char text[HR_INT64_TEXT];
        size_t length = hr_print_int64(text, number);
        hr_number_range(type, text, length, error);
        if (error != NULL) { /* a pointer to our stack must not leave */
            error->value = NULL;
            error->value_len = 0;
        }
        return HR_EDATA;
    }
    return HR_OK;
}

static int hr_number_float64(const hr_type *type, double number, int64_t *value, hr_error *error)
{
    static const double factors[] = {1, 1e6, 1e3, 1, 1e-3, 1};
    double scaled = type->unit == HR_UNIT_NS ? number / 1000.0 : number * factors[type->unit];

    if (!(scaled >= -9223372036854775808.0 && scaled < 9223372036854775808.0)) /* NaN too */
        return hr_error_data(error, HR_REASON_RANGE, NULL, 0, "%s out of range: %g is beyond 64 bits of microseconds",
                             hr_type_label(type), number);
    if (type->unit == HR_UNIT_DAYS && scaled != rint(scaled))
        return hr_error_data(error, HR_REASON_TYPE, NULL, 0, "%g must be a whole number: the column counts days", number);
    *value = (int64_t)rint(scaled);
    return HR_OK;
}

bool hr_time_number_applies(const hr_type *type, hr_token token, const char *s, size_t n)
{
    hr_decimal_number number;

    if (token == HR_TOKEN_NUMBER || hr_token_is_native(token))
        return true;
    if (HR_LIKELY(type->unit == HR_UNIT_NONE) || (token != HR_TOKEN_TEXT && token != HR_TOKEN_STRING))
        return false;
    hr_trim(&s, &n);
    return hr_number_scan(s, n, &number);
}

int hr_time_number_read(const hr_type *type, hr_token token, const char *s, size_t n, int64_t *value, hr_error *error)
{
    int64_t plain;

    if (type->unit == HR_UNIT_NONE) {
        bool native = hr_token_is_native(token);
        return hr_error_data(error, HR_REASON_TYPE, native ? NULL : s, native ? 0 : n,
                             "%s: a number needs a unit: map the column with unit %s", hr_type_label(type),
                             type->kind == HR_DATE ? "days, s, ms, us or ns" : "s, ms, us or ns");
    }
    if (token == HR_TOKEN_INT64)
        return hr_number_int64(type, hr_token_int64(s), value, error);
    if (token == HR_TOKEN_FLOAT64)
        return hr_number_float64(type, hr_token_float64(s), value, error);
    hr_trim(&s, &n);
    if (HR_LIKELY(hr_parse_plain_int64(s, n, &plain)) && hr_number_int64(type, plain, value, NULL) == HR_OK)
        return HR_OK;
    return hr_number_text(type, s, n, value, error);
}
