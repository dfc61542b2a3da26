/* csrc/core/partition/partition.c: weeks, days and months: their bounds and their names.
 *
 * Periods start at local midnight, as PostgreSQL's date_trunc(unit, moment, zone) has it, and lie side by side without gap: where
 * midnight does not exist the period starts when the clock has jumped; where the clock went back over midnight, it starts at the second
 * midnight, and the hour before the clock went back still belongs to the period before (date_trunc answers a start after the moment there).
 *
 * Years before 1 AD are named as the server counts them: "bc0044w11", "bc0044-03-15".
 */
#include <stdio.h>
#include <string.h>

#include "core/types/civil.h"
#include "partition.h"

int hr_period_unit_from_name(const char *name, hr_period_unit *unit, hr_error *error)
{
    static const char *const names[] = {[HR_PERIOD_WEEK] = "week", [HR_PERIOD_DAY] = "day", [HR_PERIOD_MONTH] = "month"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(name, names[i]) == 0) {
            *unit = (hr_period_unit)i;
            return HR_OK;
        }
    return hr_error_set(error, HR_EUSAGE, "\"%.80s\" is not a period of partitions: use week, day or month", name);
}

/* The first day of the period that holds a day. */
static int64_t hr_period_first_day(hr_period_unit unit, int64_t day)
{
    hr_civil date;

    switch (unit) {
    case HR_PERIOD_DAY:
        return day;
    case HR_PERIOD_WEEK:
        return day - hr_civil_weekday(day);
    case HR_PERIOD_MONTH:
        break;
    }
    date = hr_civil_from_days(day);
    return hr_civil_days(date.year, date.month, 1);
}

/* The first day of the period after the one that starts on a day. */
static int64_t hr_period_next_day(hr_period_unit unit, int64_t first)
{
    return hr_period_first_day(unit, first + (unit == HR_PERIOD_DAY ? 1 : unit == HR_PERIOD_WEEK ? 7 : 31));
}

/* When a local day begins. False when that leaves int64; its two ends are infinity and no moments. */
static bool hr_period_midnight(const hr_timezone *zone, int64_t day, int64_t *micros)
{
    int64_t local;

    if (__builtin_mul_overflow(day, HR_MICROS_PER_DAY, &local))
        return false;
    *micros = hr_timezone_to_utc(zone, local);
    return *micros != INT64_MIN && *micros != INT64_MAX;
}

static int hr_period_range(hr_error *error)
{
    return hr_error_data(error, HR_REASON_RANGE, NULL, 0,
                         "the time lies too far from today for a partition: its bounds leave 64 bits of microseconds");
}

int hr_period_of(hr_period_unit unit, const hr_timezone *zone, int64_t micros, hr_period *out, hr_error *error)
{
    int64_t local, first, next;

    if (micros == INT64_MIN || micros == INT64_MAX)
        return hr_error_data(error, HR_REASON_RANGE, NULL, 0, "an infinite time belongs to no %s",
                             unit == HR_PERIOD_WEEK ? "week" : unit == HR_PERIOD_DAY ? "day" : "month");
    if (__builtin_add_overflow(micros, hr_timezone_offset(zone, micros) * HR_MICROS_PER_SECOND, &local))
        return hr_period_range(error);
    first = hr_period_first_day(unit, hr_floor_div(local, HR_MICROS_PER_DAY));
    next = hr_period_next_day(unit, first);
    if (!hr_period_midnight(zone, first, &out->lower) || !hr_period_midnight(zone, next, &out->upper))
        return hr_period_range(error);
    while (micros < out->lower) { /* the clock went back over midnight, and this is the first time round */
        out->upper = out->lower;
        first = hr_period_first_day(unit, first - 1);
        if (!hr_period_midnight(zone, first, &out->lower))
            return hr_period_range(error);
    }
    while (micros >= out->upper) {
        out->lower = out->upper;
        next = hr_period_next_day(unit, next);
        if (!hr_period_midnight(zone, next, &out->upper))
            return hr_period_range(error);
    }
    return HR_OK;
}

/* The local day on which a period starts. */
static int64_t hr_period_day(const hr_timezone *zone, const hr_period *period)
{
    int64_t local = period->lower;

    if (__builtin_add_overflow(local, hr_timezone_offset(zone, local) * HR_MICROS_PER_SECOND, &local))
        local = period->lower;
    return hr_floor_div(local, HR_MICROS_PER_DAY);
}

/* "2026", "bc0044": the year as the server counts it, without a sign that a table's name could not have. */
static void hr_period_year(int32_t year, char out[16])
{
    snprintf(out, 16, "%s%04d", year > 0 ? "" : "bc", (int)(year > 0 ? year : 1 - year));
}

/* "2026-W47" in a path, "2026w47" in the name of a table. */
static void hr_period_name(hr_period_unit unit, const hr_timezone *zone, const hr_period *period, bool path, char out[HR_PERIOD_NAME_SIZE])
{
    int64_t day = hr_period_day(zone, period);
    hr_civil date = hr_civil_from_days(day);
    int32_t year, week;
    char text[16];

    switch (unit) {
    case HR_PERIOD_WEEK:
        hr_civil_iso_week(day, &year, &week);
        hr_period_year(year, text);
        snprintf(out, HR_PERIOD_NAME_SIZE, path ? "%.11s-W%02d" : "%.11sw%02d", text, (int)(week % 100));
        return;
    case HR_PERIOD_DAY:
        hr_period_year(date.year, text);
        snprintf(out, HR_PERIOD_NAME_SIZE, path ? "%.11s-%02d-%02d" : "%.11s%02d%02d", text, (int)(date.month % 100),
                 (int)(date.day % 100));
        return;
    case HR_PERIOD_MONTH:
        hr_period_year(date.year, text);
        snprintf(out, HR_PERIOD_NAME_SIZE, path ? "%.11s-%02d" : "%.11sm%02d", text, (int)(date.month % 100));
        return;
    }
}

void hr_period_suffix(hr_period_unit unit, const hr_timezone *zone, const hr_period *period, char out[HR_PERIOD_NAME_SIZE])
{
    hr_period_name(unit, zone, period, false, out);
}

void hr_period_value(hr_period_unit unit, const hr_timezone *zone, const hr_period *period, char out[HR_PERIOD_NAME_SIZE])
{
    hr_period_name(unit, zone, period, true, out);
}
