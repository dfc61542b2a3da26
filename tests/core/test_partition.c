/* tests/core/test_partition.c: bounds and names of periods, routing of rows, streams. */
#include "core/partition/partition.h"

#include "core/types/civil.h"
#include "value.h"
#include "zone_file.h"

#define DAY HR_MICROS_PER_DAY

static char folder[64];

static int64_t at(int year, int month, int day, int hour, int minute)
{
    return ((hr_civil_days(year, month, day) * 24 + hour) * 60 + minute) * HR_MICROS_PER_MINUTE;
}

/* ---- periods ---- */

/* The ISO week by the rule of the standard, walking day by day: independent of csrc/core/types/civil.c. */
typedef struct walk {
    int year, month, day, weekday; /* weekday 1 = Monday ... 7 */
    int day_of_year;
    int64_t days; /* since 1970 */
} walk;

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static void walk_on(walk *date)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    date->days++;
    date->weekday = date->weekday % 7 + 1;
    date->day_of_year++;
    if (date->day < lengths[date->month - 1] + (date->month == 2 && is_leap(date->year))) {
        date->day++;
        return;
    }
    date->day = 1;
    if (++date->month == 13) {
        date->month = 1;
        date->year++;
        date->day_of_year = 1;
    }
}

/* Week 1 is the one with 4 January: number = (day of year - weekday + 10) / 7, 0 and 53 corrected by the length of the year. */
static void iso_week(const walk *date, int *year, int *week)
{
    int number = (date->day_of_year - date->weekday + 10) / 7;
    int january = ((date->weekday - date->day_of_year) % 7 + 7) % 7 + 1; /* the weekday of 1 January */

    *year = date->year;
    if (number == 0) {
        int length = is_leap(date->year - 1) ? 366 : 365;
        int last = ((january - 1 - length % 7) % 7 + 7) % 7 + 1; /* 1 January of the year before */
        *year = date->year - 1;
        number = last == 4 || (last == 3 && length == 366) ? 53 : 52;
    } else if (number == 53 && !(january == 4 || (january == 3 && is_leap(date->year)))) {
        *year = date->year + 1;
        number = 1;
    }
    *week = number;
}

static void test_all_days(void)
{
    walk date = {1900, 1, 1, 1, 1, 0}; /* a Monday */
    long wrong = 0, days = 0;

    date.days = -25567;
    for (; date.year <= 2200; walk_on(&date), days++) {
        char name[HR_PERIOD_NAME_SIZE], want[64];
        int year, week;
        hr_period period;
        hr_error error;
        int64_t moment = date.days * DAY + (days * 7919 % 86400) * 1000000 + days % 1000000;

        iso_week(&date, &year, &week);
        wrong += hr_period_of(HR_PERIOD_WEEK, NULL, moment, &period, &error) != HR_OK;
        wrong += period.lower != (date.days - date.weekday + 1) * DAY || period.upper != period.lower + 7 * DAY;
        hr_period_suffix(HR_PERIOD_WEEK, NULL, &period, name);
        snprintf(want, sizeof(want), "%04dw%02d", year, week);
        wrong += strcmp(name, want) != 0;
        hr_period_value(HR_PERIOD_WEEK, NULL, &period, name);
        snprintf(want, sizeof(want), "%04d-W%02d", year, week);
        wrong += strcmp(name, want) != 0;
        wrong += hr_period_of(HR_PERIOD_DAY, NULL, moment, &period, &error) != HR_OK;
        wrong += period.lower != date.days * DAY || period.upper != period.lower + DAY;
        hr_period_suffix(HR_PERIOD_DAY, NULL, &period, name);
        snprintf(want, sizeof(want), "%04d%02d%02d", date.year, date.month, date.day);
        wrong += strcmp(name, want) != 0;
        hr_period_value(HR_PERIOD_DAY, NULL, &period, name);
        snprintf(want, sizeof(want), "%04d-%02d-%02d", date.year, date.month, date.day);
        wrong += strcmp(name, want) != 0;
        wrong += hr_period_of(HR_PERIOD_MONTH, NULL, moment, &period, &error) != HR_OK;
        wrong += period.lower != (date.days - date.day + 1) * DAY || (period.upper - period.lower) / DAY < date.day;
        hr_period_suffix(HR_PERIOD_MONTH, NULL, &period, name);
        snprintf(want, sizeof(want), "%04dm%02d", date.year, date.month);
        wrong += strcmp(name, want) != 0;
        hr_period_value(HR_PERIOD_MONTH, NULL, &period, name);
        snprintf(want, sizeof(want), "%04d-%02d", date.year, date.month);
        wrong += strcmp(name, want) != 0;
        if (wrong != 0 && wrong < 20)
            fprintf(stderr, "%04d-%02d-%02d: wrong\n", date.year, date.month, date.day);
    }
    CHECK(days == 109938 && wrong == 0, "%ld days, %ld wrong", days, wrong);
}

static void check_period(int line, hr_period_unit unit, const hr_timezone *zone, int64_t moment, int64_t lower, int64_t upper,
                         const char *suffix, const char *value)
{
    char name[HR_PERIOD_NAME_SIZE];
    hr_period period = {0, 0};
    hr_error error;

    CHECK(hr_period_of(unit, zone, moment, &period, &error) == HR_OK, "line %d: %s", line, error.message);
    CHECK(period.lower == lower && period.upper == upper, "line %d: %lld %lld", line, (long long)period.lower, (long long)period.upper);
    hr_period_suffix(unit, zone, &period, name);
    CHECK(strcmp(name, suffix) == 0, "line %d: %s", line, name);
    hr_period_value(unit, zone, &period, name);
    CHECK(strcmp(name, value) == 0, "line %d: %s", line, name);
}
#define PERIOD(...) check_period(__LINE__, __VA_ARGS__)

static void test_edges(void)
{
    hr_period_unit unit;
    hr_period period;
    hr_error error;

    PERIOD(HR_PERIOD_WEEK, NULL, at(2020, 12, 31, 0, 0), at(2020, 12, 28, 0, 0), at(2021, 1, 4, 0, 0), "2020w53", "2020-W53");
    PERIOD(HR_PERIOD_WEEK, NULL, at(2021, 1, 3, 23, 59), at(2020, 12, 28, 0, 0), at(2021, 1, 4, 0, 0), "2020w53", "2020-W53");
    PERIOD(HR_PERIOD_WEEK, NULL, at(2024, 12, 30, 0, 0), at(2024, 12, 30, 0, 0), at(2025, 1, 6, 0, 0), "2025w01", "2025-W01");
    PERIOD(HR_PERIOD_WEEK, NULL, at(2026, 11, 21, 10, 0), at(2026, 11, 16, 0, 0), at(2026, 11, 23, 0, 0), "2026w47", "2026-W47");
    PERIOD(HR_PERIOD_DAY, NULL, -1, -DAY, 0, "19691231", "1969-12-31");
    PERIOD(HR_PERIOD_MONTH, NULL, at(2024, 2, 29, 23, 59), at(2024, 2, 1, 0, 0), at(2024, 3, 1, 0, 0), "2024m02", "2024-02");
    PERIOD(HR_PERIOD_DAY, NULL, at(-43, 3, 15, 12, 0), at(-43, 3, 15, 0, 0), at(-43, 3, 16, 0, 0), "bc00440315", "bc0044-03-15");
    PERIOD(HR_PERIOD_WEEK, NULL, at(-43, 3, 15, 12, 0), at(-43, 3, 11, 0, 0), at(-43, 3, 18, 0, 0), "bc0044w11", "bc0044-W11");
    PERIOD(HR_PERIOD_MONTH, NULL, at(0, 12, 31, 0, 0), at(0, 12, 1, 0, 0), at(1, 1, 1, 0, 0), "bc0001m12", "bc0001-12");
    PERIOD(HR_PERIOD_DAY, NULL, at(12026, 11, 21, 0, 0), at(12026, 11, 21, 0, 0), at(12026, 11, 22, 0, 0), "120261121", "12026-11-21");
    PERIOD(HR_PERIOD_DAY, NULL, at(294247, 1, 9, 0, 0), at(294247, 1, 9, 0, 0), at(294247, 1, 10, 0, 0), "2942470109", "294247-01-09");
    for (unit = HR_PERIOD_WEEK; unit <= HR_PERIOD_MONTH; unit++) {
        CHECK(hr_period_of(unit, NULL, INT64_MAX, &period, &error) == HR_EDATA && error.reason == HR_REASON_RANGE);
        CHECK(hr_period_of(unit, NULL, INT64_MIN, &period, &error) == HR_EDATA && strstr(error.message, "infinite") != NULL);
        CHECK(hr_period_of(unit, NULL, INT64_MAX - 1, &period, &error) == HR_EDATA && error.reason == HR_REASON_RANGE);
        CHECK(hr_period_of(unit, NULL, INT64_MIN + 1, &period, NULL) == HR_EDATA);
    }
    CHECK(hr_period_unit_from_name("week", &unit, &error) == HR_OK && unit == HR_PERIOD_WEEK);
    CHECK(hr_period_unit_from_name("day", &unit, &error) == HR_OK && unit == HR_PERIOD_DAY);
    CHECK(hr_period_unit_from_name("month", &unit, &error) == HR_OK && unit == HR_PERIOD_MONTH);
    CHECK(hr_period_unit_from_name("hour", &unit, &error) == HR_EUSAGE && strstr(error.message, "week, day or month") != NULL);
    CHECK(hr_period_unit_from_name("", &unit, NULL) == HR_EUSAGE);
}

static hr_timezone *load_rule(int32_t standard, const char *rule)
{
    hr_timezone *zone = NULL;
    hr_error error;

    zone_write_rule(folder, "rule", standard, rule);
    if (hr_timezone_load("rule", folder, &zone, &error) != HR_OK) {
        fprintf(stderr, "%s\n", error.message);
        exit(2);
    }
    return zone;
}

/* A clock that goes back over midnight: what is before the second one is of the day, week or month before. */
static void test_back_over_midnight(void)
{
    hr_timezone *zone = load_rule(-10800, "AAA3BBB,M10.3.0/0,M2.3.0/0:30"); /* on Sunday, February 16th of 2025 */
    hr_timezone *month = load_rule(-10800, "AAA3BBB,J300/0,J60/0:30");      /* on March 1st */
    hr_period period;

    PERIOD(HR_PERIOD_DAY, zone, at(2025, 2, 16, 2, 15), at(2025, 2, 15, 2, 0), at(2025, 2, 16, 3, 0), "20250215", "2025-02-15");
    PERIOD(HR_PERIOD_DAY, zone, at(2025, 2, 16, 3, 15), at(2025, 2, 16, 3, 0), at(2025, 2, 17, 3, 0), "20250216", "2025-02-16");
    PERIOD(HR_PERIOD_MONTH, month, at(2025, 3, 1, 2, 15), at(2025, 2, 1, 2, 0), at(2025, 3, 1, 3, 0), "2025m02", "2025-02");
    CHECK(hr_period_of(HR_PERIOD_DAY, zone, INT64_MIN + 1, &period, NULL) == HR_EDATA);
    hr_timezone_free(zone);
    hr_timezone_free(month);
}

/* Every moment of two years lies in its period, periods lie side by side, and names differ between neighbours. */
static void check_tiling(const hr_timezone *zone, const char *rule)
{
    for (hr_period_unit unit = HR_PERIOD_WEEK; unit <= HR_PERIOD_MONTH; unit++) {
        hr_period period, next;
        char name[HR_PERIOD_NAME_SIZE], next_name[HR_PERIOD_NAME_SIZE];
        int64_t moment = at(2025, 12, 25, 0, 0);
        hr_error error;
        long wrong = 0;

        wrong += hr_period_of(unit, zone, moment, &period, &error) != HR_OK;
        for (; moment < at(2028, 1, 5, 0, 0); moment += 10 * HR_MICROS_PER_MINUTE) {
            wrong += hr_period_of(unit, zone, moment, &next, &error) != HR_OK;
            wrong += !(moment >= next.lower && moment < next.upper);
            if (next.lower != period.lower) {
                hr_period_suffix(unit, zone, &period, name);
                hr_period_suffix(unit, zone, &next, next_name);
                wrong += next.lower != period.upper || strcmp(name, next_name) == 0;
                wrong += hr_period_of(unit, zone, next.lower - 1, &period, &error) != HR_OK || period.upper != next.lower;
                period = next;
            }
        }
        CHECK(wrong == 0, "%s, unit %d: %ld wrong", rule, (int)unit, wrong);
    }
}

/* The server's answers to date_trunc(unit, moment, zone), but where it starts a period after the moment. */
static void test_zones(void)
{
    static const char *const rules[] = {"CET-1CEST,M3.5.0,M10.5.0/3", "EET-2EEST,M3.5.0/0,M10.5.0/0", "CST5CDT,M3.2.0/0,M11.1.0/1",
                                        "<-03>3<-02>,M11.1.0/0,M2.3.0/0", "<+14>-14", "<-11>11", "<+0545>-5:45",
                                        "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "AAA-1BBB-2,M3.5.0/23:30,M10.5.0/0:30"};
    static const zone_change apia[] = {{1325239200, 50400}};
    zone_bytes bytes;
    hr_timezone *zone;
    hr_error error;

    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        zone = load_rule(3600, rules[i]);
        check_tiling(zone, rules[i]);
        hr_timezone_free(zone);
    }
    zone = load_rule(3600, rules[0]); /* Warsaw: the week of the change has an hour less */
    PERIOD(HR_PERIOD_WEEK, zone, at(2026, 3, 22, 23, 0), at(2026, 3, 22, 23, 0), at(2026, 3, 29, 22, 0), "2026w13", "2026-W13");
    PERIOD(HR_PERIOD_WEEK, zone, at(2026, 3, 22, 22, 59), at(2026, 3, 15, 23, 0), at(2026, 3, 22, 23, 0), "2026w12", "2026-W12");
    PERIOD(HR_PERIOD_DAY, zone, at(2026, 10, 25, 1, 0), at(2026, 10, 24, 22, 0), at(2026, 10, 25, 23, 0), "20261025", "2026-10-25");
    PERIOD(HR_PERIOD_MONTH, zone, at(2025, 12, 31, 23, 0), at(2025, 12, 31, 23, 0), at(2026, 1, 31, 23, 0), "2026m01", "2026-01");
    hr_timezone_free(zone);
    zone = load_rule(-10800, rules[3]); /* as Sao Paulo had it: Sunday 1 November 2026 starts at 01:00 */
    PERIOD(HR_PERIOD_DAY, zone, at(2026, 11, 1, 3, 0), at(2026, 11, 1, 3, 0), at(2026, 11, 2, 2, 0), "20261101", "2026-11-01");
    PERIOD(HR_PERIOD_DAY, zone, at(2026, 11, 1, 2, 59), at(2026, 10, 31, 3, 0), at(2026, 11, 1, 3, 0), "20261031", "2026-10-31");
    PERIOD(HR_PERIOD_MONTH, zone, at(2026, 11, 1, 3, 0), at(2026, 11, 1, 3, 0), at(2026, 12, 1, 2, 0), "2026m11", "2026-11");
    PERIOD(HR_PERIOD_DAY, zone, at(2026, 2, 15, 1, 59), at(2026, 2, 14, 2, 0), at(2026, 2, 15, 3, 0), "20260214", "2026-02-14");
    PERIOD(HR_PERIOD_DAY, zone, at(2026, 2, 15, 2, 30), at(2026, 2, 14, 2, 0), at(2026, 2, 15, 3, 0), "20260214", "2026-02-14");
    hr_timezone_free(zone);
    zone = load_rule(7200, rules[1]); /* Beirut */
    PERIOD(HR_PERIOD_DAY, zone, at(2026, 3, 28, 22, 0), at(2026, 3, 28, 22, 0), at(2026, 3, 29, 21, 0), "20260329", "2026-03-29");
    hr_timezone_free(zone);
    zone = load_rule(-18000, rules[2]); /* Havana: 00:00 to 01:00 comes twice; the first time still belongs to the day before */
    PERIOD(HR_PERIOD_DAY, zone, at(2026, 11, 1, 4, 30), at(2026, 10, 31, 4, 0), at(2026, 11, 1, 5, 0), "20261031", "2026-10-31");
    PERIOD(HR_PERIOD_MONTH, zone, at(2026, 11, 1, 4, 30), at(2026, 10, 1, 4, 0), at(2026, 11, 1, 5, 0), "2026m10", "2026-10");
    PERIOD(HR_PERIOD_DAY, zone, at(2026, 11, 1, 5, 0), at(2026, 11, 1, 5, 0), at(2026, 11, 2, 5, 0), "20261101", "2026-11-01");
    hr_timezone_free(zone);
    zone_make(&bytes, '2', -36000, apia, 1, "<+14>-14"); /* Apia left out 30 December 2011 */
    zone_write(folder, "rule", bytes.data, bytes.n);
    CHECK(hr_timezone_load("rule", folder, &zone, &error) == HR_OK);
    PERIOD(HR_PERIOD_DAY, zone, at(2011, 12, 30, 9, 59), at(2011, 12, 29, 10, 0), at(2011, 12, 30, 10, 0), "20111229", "2011-12-29");
    PERIOD(HR_PERIOD_DAY, zone, at(2011, 12, 30, 10, 0), at(2011, 12, 30, 10, 0), at(2011, 12, 31, 10, 0), "20111231", "2011-12-31");
    hr_timezone_free(zone);
}

/* ---- routing ---- */

/* A batch of one column and the values given as text; "" is null. */
static hr_batch *make_batch(const char *type_name, const char *const *values, int count)
{
    hr_schema *schema;
    hr_batch *batch;
    hr_type type;
    hr_error error;
    int rc = hr_schema_new(&schema, &error);

    if (rc == HR_OK)
        rc = hr_type_from_name(type_name, &schema->arena, &type, &error);
    if (rc == HR_OK)
        rc = hr_schema_add(schema, "t", &type, false, false, NULL, &error);
    if (rc == HR_OK)
        rc = hr_batch_new(schema, &batch, &error);
    for (int i = 0; i < count && rc == HR_OK; i++, batch->length++) {
        hr_column *column = &batch->columns[0];
        rc = values[i][0] == '\0' ? hr_column_append_null(column, &error)
                                  : hr_type_ops_of(column->type)
                                        ->parse(column->type, HR_TOKEN_TEXT, values[i], strlen(values[i]), column, &error);
    }
    if (rc != HR_OK) {
        fprintf(stderr, "%s\n", error.message);
        exit(2);
    }
    hr_schema_release(schema);
    return batch;
}

static void check_route(int line, const char *type_name, const hr_leaf *leaves, int leaf_count, const char *const *values,
                        const int32_t *want, int count)
{
    int32_t ids[64];
    hr_batch *batch = make_batch(type_name, values, count);

    hr_route(batch, 0, leaves, leaf_count, ids);
    for (int i = 0; i < count; i++)
        CHECK(ids[i] == want[i], "line %d: %s %s: leaf %d, want %d", line, type_name, values[i], ids[i], want[i]);
    hr_batch_free(batch);
}

/* Rows of a leaf side by side within each stretch, none lost, the order kept within a leaf. */
static void test_gather(void)
{
    static const int32_t ids[] = {1, 0, 1, -2, 0, 2, 1, -1, 2, 0, 0};
    static const uint32_t rows[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 10};
    static const uint32_t whole[] = {1, 4, 10, 0, 2, 6, 5, 8, 3, 7};
    static const uint32_t fours[] = {1, 0, 2, 3, 4, 6, 5, 7, 10, 8};
    int64_t counts[4];
    uint32_t out[10];

    hr_route_gather(ids, 3, rows, 10, 1000, counts, out);
    CHECK(memcmp(out, whole, sizeof(whole)) == 0);
    hr_route_gather(ids, 3, rows, 10, 4, counts, out);
    CHECK(memcmp(out, fours, sizeof(fours)) == 0);
    hr_route_gather(ids, 3, rows, 10, 1, counts, out);
    CHECK(memcmp(out, rows, sizeof(rows)) == 0);
    hr_route_gather(ids, 3, rows, 0, 4, counts, out);
}

static void test_route(void)
{
    const hr_leaf gaps[] = {{at(2026, 11, 9, 0, 0), at(2026, 11, 16, 0, 0), 7},
                            {at(2026, 11, 16, 0, 0), at(2026, 11, 23, 0, 0), 5},
                            {at(2026, 11, 30, 0, 0), at(2026, 12, 7, 0, 0), 9}};
    const hr_leaf open[] = {{INT64_MIN, at(2026, 1, 1, 0, 0), 1}, {at(2026, 1, 1, 0, 0), at(2027, 1, 1, 0, 0), 2},
                            {at(2027, 1, 1, 0, 0), INT64_MAX, 3}};
    static const char *const stamps[] = {"2026-11-16 00:00:00", "2026-11-15 23:59:59.999999", "", "2026-11-22 23:59:59.999999",
                                         "2026-11-23 00:00:00", "2026-11-30 00:00:00", "2026-11-08 23:59:59", "2026-12-07 00:00:00",
                                         "infinity", "-infinity", "2026-11-20 00:00:00"};
    static const int32_t in_gaps[] = {5, 7, HR_LEAF_NULL, 5, HR_LEAF_MISSING, 9, HR_LEAF_MISSING, HR_LEAF_MISSING,
                                      HR_LEAF_MISSING, HR_LEAF_MISSING, 5};
    static const int32_t in_open[] = {2, 2, HR_LEAF_NULL, 2, 2, 2, 2, 2, 3, 1, 2};
    static const int32_t in_none[] = {-1, -1, HR_LEAF_NULL, -1, -1, -1, -1, -1, -1, -1, -1};
    static const char *const dates[] = {"2026-11-16", "2026-11-15", "", "2026-11-23", "infinity", "-infinity", "5874897-12-31",
                                        "4714-11-24 BC", "2025-12-31", "2027-01-01", "294247-01-09", "294248-01-01"};
    static const int32_t dates_in_gaps[] = {5, 7, HR_LEAF_NULL, -1, -1, -1, -1, -1, -1, -1, -1, -1};
    static const int32_t dates_in_open[] = {2, 2, HR_LEAF_NULL, 2, 3, 1, 3, 1, 1, 3, 3, 3};

    check_route(__LINE__, "timestamp", gaps, 3, stamps, in_gaps, 11);
    check_route(__LINE__, "timestamptz", gaps, 3, stamps, in_gaps, 11);
    check_route(__LINE__, "timestamptz", open, 3, stamps, in_open, 11);
    check_route(__LINE__, "timestamptz", NULL, 0, stamps, in_none, 11);
    check_route(__LINE__, "timestamptz", open + 2, 1, stamps + 8, (const int32_t[]){3, -1, -1}, 3);
    check_route(__LINE__, "date", gaps, 3, dates, dates_in_gaps, 12);
    check_route(__LINE__, "date", open, 3, dates, dates_in_open, 12);
}

/* Many leaves and random values, against a linear search. */
static void test_route_many(void)
{
    enum { LEAVES = 500, ROWS = 20000 };
    static hr_leaf leaves[LEAVES];
    static int32_t ids[ROWS];
    hr_batch *batch = make_batch("timestamptz", NULL, 0);
    int64_t bound = -1000;
    hr_error error;
    long wrong = 0;

    srand(2);
    for (int i = 0; i < LEAVES; i++) {
        leaves[i].lower = bound += rand() % 4 ? 0 : rand() % 50;
        leaves[i].upper = bound += 1 + rand() % 20;
        leaves[i].id = 1000 - i;
    }
    for (int i = 0; i < ROWS; i++, batch->length++)
        if (i % 97 == 0)
            hr_column_append_null(&batch->columns[0], &error);
        else
            hr_column_append_int64(&batch->columns[0], -1100 + rand() % ((int)bound + 1300), &error);
    hr_route(batch, 0, leaves, LEAVES, ids);
    for (int i = 0; i < ROWS; i++) {
        int64_t value = hr_column_get_int64(&batch->columns[0], i);
        int32_t want = hr_column_is_null(&batch->columns[0], i) ? HR_LEAF_NULL : HR_LEAF_MISSING;
        for (int k = 0; k < LEAVES && want == HR_LEAF_MISSING; k++)
            if (value >= leaves[k].lower && value < leaves[k].upper)
                want = leaves[k].id;
        wrong += ids[i] != want;
    }
    CHECK(wrong == 0, "%ld wrong", wrong);
    hr_batch_free(batch);
}

/* ---- streams ---- */

/* All that hr_streams_build promises, from the definition. */
static void check_streams(const hr_streams *streams, const hr_batch *batch, const int32_t *ids, int want_count)
{
    uint8_t *seen = calloc((size_t)batch->length + 1, 1);
    int64_t total = 0;
    long wrong = 0;

    CHECK(streams->count == want_count, "%d streams, want %d", streams->count, want_count);
    for (int32_t i = 0; i < streams->count; i++) {
        const hr_stream *stream = &streams->streams[i];
        wrong += stream->count <= 0;
        if (i > 0) {
            const hr_stream *before = stream - 1;
            wrong += before->leaf > stream->leaf || (before->leaf == stream->leaf && before->absent >= stream->absent);
        }
        for (int64_t k = 0; k < stream->count; k++) {
            uint32_t row = stream->rows[k];
            wrong += row >= batch->length || seen[row]++;
            wrong += k > 0 && row <= stream->rows[k - 1];
            wrong += (ids != NULL ? ids[row] : 0) != stream->leaf;
            wrong += (batch->absent != NULL ? batch->absent[row] : 0) != stream->absent;
        }
        total += stream->count;
    }
    CHECK(wrong == 0 && total == batch->length, "%ld wrong, %lld of %lld rows", wrong, (long long)total, (long long)batch->length);
    free(seen);
}

static void test_streams(void)
{
    enum { ROWS = 30000 };
    static int32_t ids[ROWS];
    static uint64_t absent[ROWS];
    hr_batch *batch = make_batch("date", NULL, 0);
    hr_streams streams = {0};
    hr_error error;

    CHECK(hr_streams_build(&streams, batch, NULL, &error) == HR_OK);
    check_streams(&streams, batch, NULL, 0);
    batch->length = ROWS;
    CHECK(hr_streams_build(&streams, batch, NULL, &error) == HR_OK);
    check_streams(&streams, batch, NULL, 1);
    for (int i = 0; i < ROWS; i++)
        ids[i] = i / 3; /* 10,000 leaves in order */
    CHECK(hr_streams_build(&streams, batch, ids, &error) == HR_OK);
    check_streams(&streams, batch, ids, 10000);
    for (int i = 0; i < ROWS; i++)
        ids[i] = (int)((int64_t)i * 7919 % 10000) - 2; /* without order, HR_LEAF_NULL and HR_LEAF_MISSING among them */
    CHECK(hr_streams_build(&streams, batch, ids, &error) == HR_OK);
    check_streams(&streams, batch, ids, 10000);
    CHECK(streams.streams[0].leaf == HR_LEAF_NULL && streams.streams[1].leaf == HR_LEAF_MISSING);
    batch->absent = absent;
    for (int i = 0; i < ROWS; i++) {
        ids[i] = 4 - i % 5;
        absent[i] = i % 3 == 0 ? UINT64_MAX : (uint64_t)(i % 3);
    }
    CHECK(hr_streams_build(&streams, batch, ids, &error) == HR_OK);
    check_streams(&streams, batch, ids, 15);
    CHECK(hr_streams_build(&streams, batch, NULL, &error) == HR_OK);
    check_streams(&streams, batch, NULL, 3);
    batch->length = 7; /* smaller again, memory kept */
    CHECK(hr_streams_build(&streams, batch, ids, &error) == HR_OK);
    check_streams(&streams, batch, ids, 7);
    for (int i = 0; i < ROWS; i++) {
        ids[i] = INT32_MIN + i % 2;
        absent[i] = 0;
    }
    batch->length = ROWS;
    CHECK(hr_streams_build(&streams, batch, ids, &error) == HR_OK);
    check_streams(&streams, batch, ids, 2);
    batch->absent = NULL;
    hr_streams_free(&streams);
    CHECK(streams.rows == NULL && streams.count == 0);
    hr_streams_free(&streams);
    hr_batch_free(batch);
}

static void test_streams_faults(void)
{
    enum { ROWS = 500 };
    static int32_t ids[2 * ROWS];
    hr_batch *batch = make_batch("date", NULL, 0);
    bool done = false;

    for (int i = 0; i < 2 * ROWS; i++)
        ids[i] = i % 300;
    for (int n = 1; !done && n < 100; n++) {
        hr_streams streams = {0};
        hr_error error;
        int rc;
        hr_fault_arm(n, n % 2 == 0);
        batch->length = 10;
        rc = hr_streams_build(&streams, batch, ids, &error);
        CHECK(rc == HR_OK || (rc == HR_ENOMEM && streams.count == 0));
        batch->length = 2 * ROWS;
        rc = hr_streams_build(&streams, batch, ids, &error);
        CHECK(rc == HR_OK || (rc == HR_ENOMEM && streams.count == 0));
        done = !hr_fault_fired();
        hr_fault_arm(0, false);
        batch->length = ROWS;
        CHECK(hr_streams_build(&streams, batch, ids, &error) == HR_OK); /* it works again when there is memory again */
        check_streams(&streams, batch, ids, 300);
        hr_streams_free(&streams);
    }
    CHECK(done);
    hr_batch_free(batch);
}

int main(void)
{
    static const char *const files[] = {"rule", NULL};

    zone_folder(folder);
    test_all_days();
    test_edges();
    test_zones();
    test_back_over_midnight();
    test_route();
    test_gather();
    test_route_many();
    test_streams();
    test_streams_faults();
    zone_remove(folder, files);
    return CHECK_DONE();
}
