/* csrc/core/types/datetime.h: dates and times as text and as numbers, apart from any column.
 *
 * Read are the forms of ISO 8601 that the server reads too, and the server's own output:
 *   dates       2026-11-21, 20261121, 0044-03-15 BC, years of up to 7 digits; infinity, -infinity, epoch
 *   times       10:00, 10:00:00, 10:00:00.123456 with a fraction of any length, 1000, 100000, 24:00:00, 23:59:60
 *   together    joined by T or by spaces
 *   offsets     Z, UTC, +03, +0300, +03:00, +03:00:00, with spaces before them or none
 * Not read are names of zones and of months, 12-hour times, two-digit years, and now, today, tomorrow, yesterday: their meaning depends on
 * when or where they are read.
 */
#ifndef HR_CORE_DATETIME_H
#define HR_CORE_DATETIME_H

#include "civil.h"
#include "type.h"

typedef enum hr_datetime_kind {
    HR_DATETIME_FINITE = 0,
    HR_DATETIME_EPOCH, /* 1970-01-01 00:00:00 UTC */
    HR_DATETIME_INFINITY,
    HR_DATETIME_MINUS_INFINITY
} hr_datetime_kind;

typedef struct hr_datetime {
    hr_datetime_kind kind;
    bool has_date, has_time, has_zone;
    hr_civil date;
    int64_t time;   /* microseconds of the day, 0..HR_MICROS_PER_DAY */
    int32_t offset; /* seconds east of UTC */
} hr_datetime;

/* Read s[0..n). `type` is the column's and decides what must be there: a time for HR_TIME, a date for the others. HR_EDATA with reason
 * type (not of these forms) or range (a field beyond its limit, a day that its month has not). */
int hr_datetime_scan(const hr_type *type, const char *s, size_t n, hr_datetime *out, hr_error *error);

/* Microseconds, 0..1000000, of a fraction of a second given by its n digits: rounded as the server rounds, through a double. */
int64_t hr_fraction_micros(const char *digits, size_t n);
/* The double nearest to <digits> * 10^-scale; digits after HR_DECIMAL_DIGITS are not looked at. Free of locales. */
#define HR_DECIMAL_DIGITS 256
double hr_decimal_double(const char *digits, size_t n, int scale);

#define HR_DATETIME_TEXT 48
/* Print in the server's form and return the length. A date without its era: hr_print_era comes at the very end. */
size_t hr_print_date(char *to, hr_civil date);
size_t hr_print_era(char *to, hr_civil date);
/* "10:00:00.123"; micros 0..HR_MICROS_PER_DAY. */
size_t hr_print_time(char *to, int64_t micros);
/* ".123" for 123000, nothing for 0; micros 0..999999. */
size_t hr_print_fraction(char *to, uint32_t micros);

/* ---- numbers, by the column's unit ---- */

/* Whether s[0..n) is a number as JSON writes it and the column's unit says how to read it: then it is read by the functions below. */
bool hr_time_number_applies(const hr_type *type, hr_token token, const char *s, size_t n);

/* The number in microseconds, or in days when type->unit is HR_UNIT_DAYS. Decimal fractions and exponents are exact, what is finer than a
 * microsecond is rounded to the nearest (halves to even); days must be whole. HR_EDATA (range) when the result leaves int64; HR_EDATA
 * (type) when the column has no unit. For HR_TOKEN_INT64 and HR_TOKEN_FLOAT64 s points at the value. */
int hr_time_number_read(const hr_type *type, hr_token token, const char *s, size_t n, int64_t *value, hr_error *error);

/* Round to `precision` decimals of a second (0..6; others leave it), halves away from zero. */
int64_t hr_micros_round(int64_t micros, int precision);

#endif
