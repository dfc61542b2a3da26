/* csrc/core/window/bounds.c: windows of fixed length, and those of the calendar.
 *
 * Days, weeks, months and years begin at local midnight under the rule of csrc/core/partition/partition.c: where midnight does not exist,
 * when the clock has jumped; where it comes twice, at the second. They are counted (days since 1970, months since year 0...), so that
 * windows of several and sliding ones are arithmetic. Minutes and hours are those of the local clock at the moment itself, and end where a
 * change of the clock cuts them.
 */
#include "bounds.h"

#include "core/types/civil.h"

#define HR_BOUNDS_MOST 100000 /* units of the calendar that a window may be long */

static const char *const unit_names[] = {
    [HR_WINDOW_MINUTE] = "minute", [HR_WINDOW_HOUR] = "hour",   [HR_WINDOW_DAY] = "day",
    [HR_WINDOW_WEEK] = "week",     [HR_WINDOW_MONTH] = "month", [HR_WINDOW_YEAR] = "year",
};

int hr_window_unit_from_name(const char *name, hr_window_unit *unit, hr_error *error)
{
    for (size_t i = 1; i < sizeof(unit_names) / sizeof(unit_names[0]); i++)
        if (strcmp(name, unit_names[i]) == 0) {
            *unit = (hr_window_unit)i;
            return HR_OK;
        }
    return hr_error_set(error, HR_EUSAGE, "\"%.80s\" is no unit of windows: use minute, hour, day, week, month or year", name);
}

static int64_t hr_window_step(const hr_window_spec *spec)
{
    return spec->kind == HR_WINDOW_SLIDING ? spec->every : spec->size;
}

int hr_window_spec_check(const hr_window_spec *spec, hr_error *error)
{
    if (spec->kind == HR_WINDOW_SESSION) {
        if (spec->gap <= 0 || spec->gap > INT64_MAX / 4)
            return hr_error_set(error, HR_EUSAGE, "the gap that ends a session must be more than nothing");
        return HR_OK;
    }
    if (spec->size <= 0 || spec->size > INT64_MAX / 4)
        return hr_error_set(error, HR_EUSAGE, "the size of a window must be more than nothing");
    if (spec->kind == HR_WINDOW_SLIDING && (spec->every <= 0 || spec->every > spec->size))
        return hr_error_set(error, HR_EUSAGE,
                            "a sliding window must move by more than nothing and at most by its size, or times would be "
                            "in no window");
    if ((spec->size - 1) / hr_window_step(spec) + 1 > HR_WINDOW_OVERLAP)
        return hr_error_set(error, HR_EUSAGE, "each time would be in more than %d windows: let them move by more, or be shorter",
                            HR_WINDOW_OVERLAP);
    if ((spec->unit == HR_WINDOW_MINUTE || spec->unit == HR_WINDOW_HOUR) && (spec->size != 1 || spec->kind == HR_WINDOW_SLIDING))
        return hr_error_set(error, HR_EUSAGE, "windows of several %ss, or sliding ones, are given as a duration, not as a unit",
                            unit_names[spec->unit]);
    if (spec->unit != HR_WINDOW_FIXED && spec->size > HR_BOUNDS_MOST)
        return hr_error_set(error, HR_EUSAGE, "a window of %lld %ss is too long: %d is the most", (long long)spec->size,
                            unit_names[spec->unit], HR_BOUNDS_MOST);
    return HR_OK;
}

int32_t hr_window_overlap(const hr_window_spec *spec)
{
    return spec->kind == HR_WINDOW_SESSION ? 0 : (int32_t)((spec->size - 1) / hr_window_step(spec) + 1);
}

/* ---- calendar units, counted ---- */

static int64_t hr_bounds_ordinal(hr_window_unit unit, int64_t day)
{
    hr_civil date;

    if (unit == HR_WINDOW_DAY)
        return day;
    if (unit == HR_WINDOW_WEEK)
        return hr_floor_div(day + 3, 7);
    date = hr_civil_from_days(day);
    return unit == HR_WINDOW_MONTH ? (int64_t)date.year * 12 + date.month - 1 : date.year;
}

static int64_t hr_bounds_first_day(hr_window_unit unit, int64_t ordinal)
{
    int64_t year;

    if (unit == HR_WINDOW_DAY)
        return ordinal;
    if (unit == HR_WINDOW_WEEK)
        return ordinal * 7 - 3;
    if (unit == HR_WINDOW_YEAR)
        return hr_civil_days((int32_t)ordinal, 1, 1);
    year = hr_floor_div(ordinal, 12);
    return hr_civil_days((int32_t)year, (int32_t)(ordinal - year * 12) + 1, 1);
}

/* When unit number `ordinal` begins. False when that leaves int64; its ends are infinity and no moments. */
static bool hr_bounds_begin(hr_window_unit unit, const hr_timezone *zone, int64_t ordinal, int64_t *micros)
{
    int64_t local;

    if (__builtin_mul_overflow(hr_bounds_first_day(unit, ordinal), HR_MICROS_PER_DAY, &local))
        return false;
    *micros = hr_timezone_to_utc(zone, local);
    return *micros != INT64_MIN && *micros != INT64_MAX;
}

/* The local clock at a moment. */
static bool hr_bounds_local(const hr_timezone *zone, int64_t time, int64_t *offset, int64_t *local)
{
    *offset = hr_timezone_offset(zone, time) * HR_MICROS_PER_SECOND;
    return !__builtin_add_overflow(time, *offset, local);
}

/* The number of the unit that holds a time. */
static bool hr_bounds_number(hr_window_unit unit, const hr_timezone *zone, int64_t time, int64_t *ordinal)
{
    int64_t offset, local, begin;

    if (!hr_bounds_local(zone, time, &offset, &local))
        return false;
    *ordinal = hr_bounds_ordinal(unit, hr_floor_div(local, HR_MICROS_PER_DAY));
    for (;;) { /* the clock went back over midnight, and this is the first time round */
        if (!hr_bounds_begin(unit, zone, *ordinal, &begin))
            return false;
        if (begin <= time)
            break;
        --*ordinal;
    }
    for (;;) {
        if (!hr_bounds_begin(unit, zone, *ordinal + 1, &begin))
            return false;
        if (begin > time)
            return true;
        ++*ordinal;
    }
}

/* ---- minutes and hours ---- */

/* The first second after `same` and up to `other` in which the clock's offset is no more that at `same`; or, backwards in time, the first
 * second in which it is already. There is one change of the clock between the two. */
static int64_t hr_bounds_change(const hr_timezone *zone, int64_t same, int64_t other)
{
    int64_t a = hr_floor_div(same, HR_MICROS_PER_SECOND), b = hr_floor_div(other, HR_MICROS_PER_SECOND);
    int32_t offset = hr_timezone_offset(zone, same);

    while (a - b > 1 || b - a > 1) {
        int64_t middle = a + (b - a) / 2;

        if (hr_timezone_offset(zone, middle * HR_MICROS_PER_SECOND) == offset)
            a = middle;
        else
            b = middle;
    }
    return (a > b ? a : b) * HR_MICROS_PER_SECOND;
}

/* The minute or hour of the local clock that holds a time. */
static bool hr_bounds_clock(const hr_timezone *zone, int64_t length, int64_t time, int64_t *start, int64_t *end)
{
    int64_t offset, local;

    if (!hr_bounds_local(zone, time, &offset, &local))
        return false;
    if (__builtin_mul_overflow(hr_floor_div(local, length), length, &local)) /* it begins before all that 64 bits hold */
        return false;
    if (__builtin_sub_overflow(local, offset, start) || __builtin_add_overflow(*start, length, end))
        return false;
    if (zone == NULL)
        return true;
    if (hr_timezone_offset(zone, *start) * HR_MICROS_PER_SECOND != offset)
        *start = hr_bounds_change(zone, time, *start);
    if (hr_timezone_offset(zone, *end - 1) * HR_MICROS_PER_SECOND != offset)
        *end = hr_bounds_change(zone, time, *end - 1);
    return true;
}

/* ---- slots ---- */

/* Add [start, end) to the slot of `time` when it holds it, and narrow the slot to the times for which the answer is the same. */
static bool hr_bounds_take(hr_window_slot *slot, int64_t time, int64_t start, int64_t end)
{
    if (end <= time) {
        if (end > slot->lower)
            slot->lower = end;
        return false;
    }
    if (start > slot->lower)
        slot->lower = start;
    if (end < slot->upper)
        slot->upper = end;
    slot->starts[slot->count] = start;
    slot->ends[slot->count++] = end;
    return true;
}

static bool hr_bounds_fixed(const hr_window_spec *spec, int64_t time, hr_window_slot *slot)
{
    int64_t step = hr_window_step(spec);
    __int128 since = (__int128)time - spec->origin, number = since / step, start, end;

    number -= since % step < 0;
    start = number * step + spec->origin;
    end = start + step;
    slot->upper = end > INT64_MAX ? INT64_MAX : (int64_t)end;
    for (int32_t i = 0; i <= hr_window_overlap(spec); i++, start -= step) {
        end = start + spec->size;
        if (end <= time) {
            if (end > slot->lower)
                slot->lower = (int64_t)end;
            return true;
        }
        if (start <= INT64_MIN || end >= INT64_MAX || !hr_bounds_take(slot, time, (int64_t)start, (int64_t)end))
            return false;
    }
    return true;
}

static bool hr_bounds_calendar(const hr_window_spec *spec, const hr_timezone *zone, int64_t time, hr_window_slot *slot)
{
    int64_t step = hr_window_step(spec), number, start, end;

    if (!hr_bounds_number(spec->unit, zone, time, &number))
        return false;
    number = hr_floor_div(number, step) * step;
    if (!hr_bounds_begin(spec->unit, zone, number + step, &slot->upper))
        return false;
    for (int32_t i = 0; i <= hr_window_overlap(spec); i++, number -= step) {
        if (!hr_bounds_begin(spec->unit, zone, number, &start) || !hr_bounds_begin(spec->unit, zone, number + spec->size, &end))
            return false;
        if (!hr_bounds_take(slot, time, start, end))
            return true;
    }
    return true;
}

bool hr_window_slot_of(const hr_window_spec *spec, const hr_timezone *zone, int64_t time, hr_window_slot *slot)
{
    slot->count = 0;
    slot->lower = INT64_MIN;
    slot->upper = INT64_MAX;
    if (time == INT64_MIN || time == INT64_MAX)
        return false;
    if (spec->unit == HR_WINDOW_FIXED)
        return hr_bounds_fixed(spec, time, slot);
    if (spec->unit == HR_WINDOW_MINUTE || spec->unit == HR_WINDOW_HOUR) {
        int64_t start, end;

        return hr_bounds_clock(zone, spec->unit == HR_WINDOW_MINUTE ? HR_MICROS_PER_MINUTE : HR_MICROS_PER_HOUR, time, &start, &end) &&
               hr_bounds_take(slot, time, start, end);
    }
    return hr_bounds_calendar(spec, zone, time, slot);
}
