/* csrc/core/types/civil.h: the calendar. Days since 1970-01-01 of the proleptic Gregorian calendar, which is PostgreSQL's, and back.
 *
 * Years are astronomical: 0 is 1 BC, -43 is 44 BC. All functions are total over the ranges given and keep no state.
 */
#ifndef HR_CORE_CIVIL_H
#define HR_CORE_CIVIL_H

#include <stdbool.h>
#include <stdint.h>

#define HR_SECONDS_PER_DAY INT64_C(86400)
#define HR_MICROS_PER_SECOND INT64_C(1000000)
#define HR_MICROS_PER_MINUTE INT64_C(60000000)
#define HR_MICROS_PER_HOUR INT64_C(3600000000)
#define HR_MICROS_PER_DAY INT64_C(86400000000)
#define HR_DAYS_TO_2000 10957 /* PostgreSQL counts from 2000-01-01 */
#define HR_MICROS_TO_2000 (HR_DAYS_TO_2000 * HR_MICROS_PER_DAY)

/* Every function below accepts the years after HR_CIVIL_MIN_YEAR up to HR_CIVIL_MAX_YEAR: more than int64 microseconds and than
 * PostgreSQL's dates can reach. */
#define HR_CIVIL_MIN_YEAR (-400000) /* a multiple of 400 */
#define HR_CIVIL_MAX_YEAR 6000000
#define HR_CIVIL_EPOCH INT64_C(146816162) /* days from 1 January of the year HR_CIVIL_MIN_YEAR + 1 to 1970-01-01 */

typedef struct hr_civil {
    int32_t year; /* astronomical */
    int32_t month, day;
} hr_civil;

/* Days of the year before month m (1..12) in a common year. */
extern const uint16_t hr_civil_days_before[13];

static inline bool hr_civil_is_leap(int32_t year)
{
    return (year & 3) == 0 && (year % 25 != 0 || (year & 15) == 0);
}

static inline int32_t hr_civil_month_days(int32_t year, int32_t month)
{
    return month == 2 ? 28 + hr_civil_is_leap(year) : 30 + ((month ^ (month >> 3)) & 1);
}

/* Days from 1970-01-01 to a date; month is 1..12, day counts on beyond the month's end. */
static inline int64_t hr_civil_days(int32_t year, int32_t month, int32_t day)
{
    uint32_t before = (uint32_t)(year - 1 - HR_CIVIL_MIN_YEAR); /* whole years of the range: never negative, so divisions round down */
    int64_t days = (int64_t)before * 365 + before / 4 - before / 100 + before / 400;

    return days + hr_civil_days_before[month] + (month > 2 && hr_civil_is_leap(year)) + day - 1 - HR_CIVIL_EPOCH;
}

/* The date of a day; days must lie in the years above. */
hr_civil hr_civil_from_days(int64_t days);

/* 0 = Monday ... 6 = Sunday. */
static inline int32_t hr_civil_weekday(int64_t days)
{
    int32_t rest = (int32_t)((days + 3) % 7); /* 1970-01-01 was a Thursday */

    return rest < 0 ? rest + 7 : rest;
}

/* The ISO 8601 week (1..53) that holds the day, and the year it belongs to. */
void hr_civil_iso_week(int64_t days, int32_t *year, int32_t *week);

/* Rounded towards minus infinity; divisor > 0. */
static inline int64_t hr_floor_div(int64_t dividend, int64_t divisor)
{
    int64_t quotient = dividend / divisor;

    return quotient - (dividend % divisor < 0);
}

#endif
