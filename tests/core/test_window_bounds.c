/* tests/core/test_window_bounds.c: which window a time lies in: clocks that change, the ends of time, and settings that cannot be. */
#include "core/window/bounds.h"

#include "core/types/civil.h"
#include "window_fixture.h"
#include "zone_file.h"

static char folder[64];

static int64_t utc(int month, int day, int hour, int minute)
{
    return ((hr_civil_days(2025, month, day) * 24 + hour) * 60 + minute) * HR_MICROS_PER_MINUTE;
}

static hr_timezone *zone_of(int32_t standard, const char *rule)
{
    hr_timezone *zone;
    hr_error error;

    zone_write_rule(folder, "rule", standard, rule);
    if (hr_timezone_load("rule", folder, &zone, &error) != HR_OK) {
        fprintf(stderr, "%s: %s\n", rule, error.message);
        exit(2);
    }
    return zone;
}

/* The one window of a time is [start, end), and that of its first and last microsecond as well. */
static void check_window(int line, hr_window_unit unit, const hr_timezone *zone, int64_t time, int64_t start, int64_t end)
{
    const hr_window_spec spec = {.unit = unit, .size = 1};
    const int64_t times[] = {time, start, end - 1};
    int64_t starts[2], ends[2];
    hr_window_slot slot = {.starts = starts, .ends = ends};

    for (int i = 0; i < 3; i++) {
        CHECK(hr_window_slot_of(&spec, zone, times[i], &slot) && slot.count == 1, "line %d", line);
        CHECK(starts[0] == start && ends[0] == end, "line %d: %lld to %lld, want %lld to %lld", line, (long long)starts[0],
              (long long)ends[0], (long long)start, (long long)end);
        CHECK(slot.lower == start && slot.upper == end, "line %d: %lld to %lld", line, (long long)slot.lower, (long long)slot.upper);
    }
}

/* Where the clock changes inside an hour, the change ends one window and begins the next. */
static void test_hours(void)
{
    hr_timezone *half = zone_of(37800, "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"); /* back at 2:00 of April 6th, to 1:30 */
    hr_timezone *between = zone_of(3600, "AAA-1BBB,M3.5.0/2:30,M10.5.0/3:30");  /* on at 2:30 of March 30th, to 3:30 */

    check_window(__LINE__, HR_WINDOW_HOUR, half, utc(4, 5, 14, 45), utc(4, 5, 14, 0), utc(4, 5, 15, 0));   /* 1:45, the first time */
    check_window(__LINE__, HR_WINDOW_HOUR, half, utc(4, 5, 15, 15), utc(4, 5, 15, 0), utc(4, 5, 15, 30));  /* 1:45, the second time */
    check_window(__LINE__, HR_WINDOW_HOUR, half, utc(4, 5, 15, 45), utc(4, 5, 15, 30), utc(4, 5, 16, 30)); /* 2:15 */
    check_window(__LINE__, HR_WINDOW_MINUTE, half, utc(4, 5, 15, 0), utc(4, 5, 15, 0), utc(4, 5, 15, 1));
    check_window(__LINE__, HR_WINDOW_HOUR, between, utc(3, 30, 1, 10), utc(3, 30, 1, 0), utc(3, 30, 1, 30)); /* 2:10 */
    check_window(__LINE__, HR_WINDOW_HOUR, between, utc(3, 30, 1, 40), utc(3, 30, 1, 30), utc(3, 30, 2, 0)); /* 3:40 */
    check_window(__LINE__, HR_WINDOW_HOUR, NULL, utc(3, 30, 1, 40), utc(3, 30, 1, 0), utc(3, 30, 2, 0));
    hr_timezone_free(half);
    hr_timezone_free(between);
}

/* A clock that goes back over midnight: the day begins at the second one. Weeks, months and years likewise. */
static void test_days(void)
{
    hr_timezone *zone = zone_of(-10800, "AAA3BBB,M10.3.0/0,M2.3.0/0:30"); /* back at 0:30 of February 16th; on over midnight in October */

    check_window(__LINE__, HR_WINDOW_DAY, zone, utc(2, 16, 2, 15), utc(2, 15, 2, 0), utc(2, 16, 3, 0)); /* 0:15, the first time */
    check_window(__LINE__, HR_WINDOW_DAY, zone, utc(2, 16, 2, 45), utc(2, 15, 2, 0), utc(2, 16, 3, 0)); /* 23:45 */
    check_window(__LINE__, HR_WINDOW_DAY, zone, utc(2, 16, 3, 15), utc(2, 16, 3, 0), utc(2, 17, 3, 0)); /* 0:15, the second time */
    check_window(__LINE__, HR_WINDOW_DAY, zone, utc(10, 19, 12, 0), utc(10, 19, 3, 0), utc(10, 20, 2, 0));
    check_window(__LINE__, HR_WINDOW_WEEK, zone, utc(2, 16, 12, 0), utc(2, 10, 2, 0), utc(2, 17, 3, 0));
    check_window(__LINE__, HR_WINDOW_MONTH, zone, utc(2, 16, 12, 0), utc(2, 1, 2, 0), utc(3, 1, 3, 0));
    check_window(__LINE__, HR_WINDOW_YEAR, zone, utc(2, 16, 12, 0), utc(1, 1, 2, 0), utc(1, 1, 2, 0) + 365 * HR_MICROS_PER_DAY);
    hr_timezone_free(zone);
}

/* A clock that goes on over midnight: days lie side by side, and each moment is in its own. */
static void test_days_without_midnight(void)
{
    static const char *const rules[] = {"AAA3BBB,M10.3.0/23:30,M2.3.0/0", "AAA3BBB,M10.3.0/0,M2.3.0/0", "AAA3BBB-20,M10.3.0/12,M2.3.0/12"};

    for (int i = 0; i < 3; i++) {
        hr_timezone *zone = zone_of(-10800, rules[i]);
        const hr_window_spec spec = {.unit = HR_WINDOW_DAY, .size = 1};
        int64_t starts[2], ends[2], before = 0;
        hr_window_slot slot = {.starts = starts, .ends = ends};

        for (int64_t time = utc(10, 16, 0, 0); time < utc(10, 23, 0, 0); time += 5 * HR_MICROS_PER_MINUTE) {
            CHECK(hr_window_slot_of(&spec, zone, time, &slot) && slot.count == 1 && starts[0] <= time && time < ends[0]);
            CHECK(before == 0 || starts[0] == before || ends[0] == before, "%s: a gap", rules[i]);
            before = ends[0];
            if (starts[0] > utc(10, 16, 4, 0)) {
                int64_t start = starts[0];

                CHECK(hr_window_slot_of(&spec, zone, start - 1, &slot) && ends[0] == start, "%s", rules[i]);
            }
        }
        hr_timezone_free(zone);
    }
}

/* Near the ends of 64 bits there is a window that holds the time, or none; infinity has none. */
static void test_ends_of_time(void)
{
    static const hr_window_spec specs[] = {
        {.unit = HR_WINDOW_MINUTE, .size = 1},
        {.unit = HR_WINDOW_HOUR, .size = 1},
        {.unit = HR_WINDOW_DAY, .size = 1},
        {.unit = HR_WINDOW_WEEK, .size = 3},
        {.unit = HR_WINDOW_MONTH, .size = 7, .every = 2, .kind = HR_WINDOW_SLIDING},
        {.unit = HR_WINDOW_YEAR, .size = 100000},
        {.unit = HR_WINDOW_FIXED, .size = 77 * S, .origin = 5},
        {.unit = HR_WINDOW_FIXED, .size = 60 * S, .every = 7 * S, .kind = HR_WINDOW_SLIDING},
    };
    static const int64_t steps[] = {0, 1, S, 30 * S, 3000 * S, 80000 * S, 86400 * 20 * S, 86400 * 400 * S, 86400 * INT64_C(40000000) * S};
    hr_timezone *zones[] = {NULL, zone_of(37800, "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"), zone_of(-10800, "AAA3BBB,M10.3.0/0,M2.3.0/0:30")};
    int found = 0, none = 0;

    for (size_t z = 0; z < 3; z++)
        for (size_t k = 0; k < sizeof(specs) / sizeof(specs[0]); k++)
            for (size_t i = 0; i < 2 * sizeof(steps) / sizeof(steps[0]); i++) {
                int64_t time = i % 2 ? INT64_MIN + steps[i / 2] : INT64_MAX - steps[i / 2];
                int64_t starts[16], ends[16];
                hr_window_slot slot = {.starts = starts, .ends = ends};

                CHECK(hr_window_overlap(&specs[k]) < 16);
                if (!hr_window_slot_of(&specs[k], zones[z], time, &slot)) {
                    none++;
                    continue;
                }
                found++;
                CHECK(i > 1 && slot.count > 0 && slot.lower <= time && time < slot.upper);
                for (int32_t n = 0; n < slot.count; n++)
                    CHECK(starts[n] <= time && time < ends[n] && starts[n] <= slot.lower && slot.upper <= ends[n]);
            }
    CHECK(found > 50 && none > 50, "%d and %d", found, none);
    hr_timezone_free(zones[1]);
    hr_timezone_free(zones[2]);
}

/* Every setting that cannot be is refused, with words that name it. */
static void test_refused(void)
{
    static const struct {
        hr_window_spec spec;
        const char *words;
    } specs[] = {
        {{.kind = HR_WINDOW_SESSION, .gap = 0}, "gap"},
        {{.kind = HR_WINDOW_SESSION, .gap = INT64_MAX}, "gap"},
        {{.size = 0}, "size of a window"},
        {{.size = INT64_MAX}, "size of a window"},
        {{.kind = HR_WINDOW_SLIDING, .size = 2}, "must move"},
        {{.kind = HR_WINDOW_SLIDING, .size = 2, .every = 3}, "must move"},
        {{.kind = HR_WINDOW_SLIDING, .size = 5000, .every = 1}, "more than 1024 windows"},
        {{.unit = HR_WINDOW_MINUTE, .size = 5}, "several minutes"},
        {{.unit = HR_WINDOW_DAY, .size = 100001}, "100001 days is too long"},
    };
    hr_window_unit unit;
    hr_error error;

    for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
        CHECK(hr_window_spec_check(&specs[i].spec, &error) == HR_EUSAGE, "number %d", (int)i);
        CHECK(strstr(error.message, specs[i].words) != NULL, "%s", error.message);
    }
    CHECK(hr_window_unit_from_name("week", &unit, &error) == HR_OK && unit == HR_WINDOW_WEEK);
    CHECK(hr_window_unit_from_name("fortnight", &unit, &error) == HR_EUSAGE && strstr(error.message, "fortnight") != NULL);
}

/* The settings of hr_windows_new, one wrong in turn. */
static void test_options_refused(void)
{
    static const hr_window_spec minute = {.unit = HR_WINDOW_MINUTE, .size = 1};
    static const hr_window_aggregate ids = {.name = "result", .function = "distinct", .column = 1};
    static const int32_t there = 3, none = 99;
    const hr_window_options good = {
        .specs = &minute, .spec_count = 1, .by = &there, .by_count = 1, .aggregates = &ids, .aggregate_count = 1};
    hr_schema *schema = window_schema();

    for (int i = 0; i < 12; i++) {
        static const char *const words[] = {"number 77 for the time",  "is bigint",     "must not be negative",
                                            "must not be negative",    "votes",         "at least one aggregate",
                                            "number 99 for the key",   "1 to 16 kinds", "1 to 16 kinds",
                                            "no aggregate \"median\"", "needs numbers", "from 4 to 18"};
        hr_window_aggregate other = ids;
        hr_window_options options = good;
        hr_windows *windows;
        hr_error error;

        options.aggregates = &other;
        switch (i) {
        case 0: options.time = 77; break;
        case 1: options.time = 1; break;
        case 2: options.lateness = -1; break;
        case 3: options.jump = -1; break;
        case 4: options.votes = 1001; break;
        case 5: options.aggregate_count = 0; break;
        case 6: options.by = &none; break;
        case 7: options.spec_count = 0; break;
        case 8: options.spec_count = HR_WINDOW_SPECS + 1; break;
        case 9: other.function = "median"; break;
        case 10:
            other.function = "max";
            other.column = 2;
            break;
        default:
            other.function = "distinct_hll";
            other.precision = 19;
            break;
        }
        CHECK(hr_windows_new(schema, &options, &windows, &error) == HR_EUSAGE && windows == NULL, "number %d", i);
        CHECK(strstr(error.message, words[i]) != NULL, "number %d: %s", i, error.message);
    }
    hr_schema_release(schema);
}

int main(void)
{
    static const char *const names[] = {"rule", NULL};

    zone_folder(folder);
    test_hours();
    test_days();
    test_days_without_midnight();
    test_ends_of_time();
    test_refused();
    test_options_refused();
    zone_remove(folder, names);
    return CHECK_DONE();
}
