/* tests/core/test_limits.c: the far ends that the tests of each concept leave out: sums that overflow in their last step, zones beyond
 * the clock's range, Arrow structs that do not hold together. The wanted texts are the server's. */
#include <sys/stat.h>

#include "core/arrow/arrow.h"
#include "core/partition/partition.h"
#include "core/types/timezone.h"
#include "value.h"
#include "zone_file.h"

static void test_intervals(void)
{
    static const char *const too_large[] = {"2147483647 weeks",
                                            "2147483647 days 0.9 weeks",
                                            "0.9 weeks 2147483647 days",
                                            "2562047789:00:00",
                                            "2562047788:00:55",
                                            "4294967296:30.5",
                                            "768614336404564651-1",
                                            "178956970-11",
                                            "P178956971-1-1",
                                            "P9999999999-01-01",
                                            "P2147483648D",
                                            "PT9999999999999999H",
                                            "99999999999999999999 days"};
    static const char *const wrong[] = {"1:2:3:4", "1:2:3.5.5", "1:2-3", "-1:2-3", "1 1-2", "1-2 4 5", "1 year 1 year", "-P1D"};

    for (size_t i = 0; i < sizeof(too_large) / sizeof(too_large[0]); i++)
        REJECTS("interval", too_large[i], HR_REASON_RANGE, "");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        REJECTS("interval", wrong[i], HR_REASON_TYPE, "");
    GIVES("interval", "2147483640 days 0.9 weeks", "2147483646 days 07:12:00");
    GIVES("interval", "2147483647.9 days", "2147483647 days 21:36:00");
    GIVES("interval", "P99999999", "10007 years 3 mons 99 days");
    GIVES("interval", "PT999999", "100:40:39");
    GIVES("interval", "P00000101T000001.5", "1 mon 1 day 00:00:01");
    GIVES("interval", "1-2 3", "1 year 2 mons 00:00:03");
}

/* A number that is in memory already, given to types that only read text. */
static void test_numbers_in_memory(void)
{
    static const int64_t five = 5;
    value_column value;

    value_open(&value, "jsonb");
    CHECK(value_parse_n(&value, HR_TOKEN_INT64, (const char *)&five, sizeof(five)) == HR_OK, "%s", value.error.message);
    CHECK(strcmp(value_text(&value, 0), "5") == 0);
    value_close(&value);
    value_open(&value, "int[]");
    CHECK(value_parse_n(&value, HR_TOKEN_INT64, (const char *)&five, sizeof(five)) == HR_EDATA && value.error.reason == HR_REASON_TYPE);
    CHECK(value.column.length == 0 && strstr(value.error.message, "a number cannot be read as") != NULL, "%s", value.error.message);
    value_close(&value);
    GIVES("real", "0", "0");
    GIVES("real", "-0.0", "-0");
    GIVES("numeric(40,0)", "12.5e1", "125");
    GIVES("numeric(2,0)", "9.95", "10");
    GIVES("time", "2026-01-01 04:05:06", "04:05:06");
    REJECTS("time", "2026-01-01", HR_REASON_TYPE, "");
    REJECTS("time", "20260101 040506", HR_REASON_TYPE, "");
}

/* Times whose period, or whose local time, is beyond 64 bits of microseconds. */
static void test_periods_at_the_end(const char *folder)
{
    static const char *const zones[] = {"East", "West", NULL};
    hr_period_unit unit;
    hr_timezone *zone;
    hr_period period;
    hr_error error;

    zone_write_rule(folder, "East", 14 * 3600, "<+14>-14");
    zone_write_rule(folder, "West", -12 * 3600, "<-12>12");
    for (int i = 0; zones[i] != NULL; i++) {
        CHECK(hr_timezone_load(zones[i], folder, &zone, &error) == HR_OK, "%s", error.message);
        for (unit = HR_PERIOD_WEEK; unit <= HR_PERIOD_MONTH; unit++) {
            CHECK(hr_period_of(unit, zone, INT64_MAX - 1, &period, &error) == HR_EDATA && error.reason == HR_REASON_RANGE);
            CHECK(hr_period_of(unit, zone, INT64_MIN + 1, &period, &error) == HR_EDATA && error.reason == HR_REASON_RANGE);
            CHECK(strstr(error.message, "too far from today") != NULL, "%s", error.message);
        }
        hr_timezone_free(zone);
    }
}

/* The day of 24 hours less one: a zone that jumps over midnight itself has a period that starts where the one before ends. */
static void test_a_midnight_that_does_not_exist(const char *folder)
{
    static const zone_change changes[] = {{86400 * 3, 7200}, {86400 * 30, 0}};
    zone_bytes bytes;
    hr_timezone *zone;
    hr_period before, after;
    hr_error error;

    zone_make(&bytes, '2', 0, changes, 2, "<+00>0");
    zone_write(folder, "Jump", bytes.data, bytes.n);
    CHECK(hr_timezone_load("Jump", folder, &zone, &error) == HR_OK, "%s", error.message);
    for (int64_t second = 86400 * 2; second < 86400 * 33; second += 1800) {
        CHECK(hr_period_of(HR_PERIOD_DAY, zone, second * 1000000, &before, &error) == HR_OK, "%s", error.message);
        CHECK(before.lower <= second * 1000000 && second * 1000000 < before.upper, "%lld", (long long)second);
        CHECK(hr_period_of(HR_PERIOD_DAY, zone, before.upper, &after, &error) == HR_OK && after.lower == before.upper, "%lld",
              (long long)second);
    }
    hr_timezone_free(zone);
}

/* Folders of time zones that cannot be read. */
static void test_zones_that_cannot_be_read(const char *folder)
{
    char path[128], deep[5000];
    hr_timezone *zone = NULL;
    hr_error error;

    snprintf(path, sizeof(path), "%s/Loop", folder);
    CHECK(symlink("Loop", path) == 0);
    CHECK(hr_timezone_load("Loop", folder, &zone, &error) == HR_EUSAGE && zone == NULL);
    CHECK(strstr(error.message, "cannot be opened") != NULL && strstr(error.message, "Loop") != NULL, "%s", error.message);
    memset(deep, 'x', sizeof(deep) - 1);
    deep[sizeof(deep) - 1] = '\0';
    CHECK(hr_timezone_load("Loop", deep, &zone, &error) == HR_EUSAGE && zone == NULL, "%s", error.message);
}

static void release_nothing(struct ArrowArray *array)
{
    array->release = NULL;
}

static void release_no_schema(struct ArrowSchema *schema)
{
    schema->release = NULL;
}

/* A batch of one column from hand-made structs; the outcome. */
static int import(struct ArrowSchema *field, struct ArrowArray *values, hr_error *error)
{
    struct ArrowSchema *fields[] = {field};
    struct ArrowArray *children[] = {values};
    const void *none[] = {NULL};
    struct ArrowSchema schema = {.format = "+s", .name = "", .n_children = 1, .children = fields, .release = release_no_schema};
    struct ArrowArray array = {
        .length = values->length, .n_buffers = 1, .buffers = none, .n_children = 1, .children = children, .release = release_nothing};
    hr_schema *read = NULL;
    hr_batch *batch = NULL;
    int rc = hr_arrow_import_schema(&schema, &read, error);

    if (rc == HR_OK)
        rc = hr_batch_new(read, &batch, error);
    if (rc == HR_OK)
        rc = hr_arrow_import_batch(&schema, &array, batch, error);
    CHECK(rc == HR_OK || batch == NULL || batch->length == 0);
    hr_batch_free(batch);
    hr_schema_release(read);
    return rc;
}

static void test_arrow_that_does_not_fit(void)
{
    static const int32_t numbers[] = {1, 2}, starts[] = {0, 1, 2};
    const void *two[] = {NULL, numbers}, *list[] = {NULL, starts}, *one[] = {NULL, NULL};
    struct ArrowSchema item = {.format = "i", .name = "item", .flags = 2, .release = release_no_schema};
    struct ArrowSchema *items[] = {&item};
    struct ArrowSchema field = {.format = "i", .name = "c", .flags = 2, .release = release_no_schema};
    struct ArrowSchema lists = {.format = "+l", .name = "c", .n_children = 1, .children = items, .flags = 2, .release = release_no_schema};
    struct ArrowArray values = {.length = 2, .n_buffers = 2, .buffers = two, .release = release_nothing};
    struct ArrowArray *children[] = {&values};
    struct ArrowArray outer = {
        .length = 2, .n_buffers = 2, .buffers = list, .n_children = 1, .children = children, .release = release_nothing};
    hr_error error;

    CHECK(import(&field, &values, &error) == HR_OK, "%s", error.message);
    values.n_buffers = 1;
    CHECK(import(&field, &values, &error) == HR_EUSAGE && strstr(error.message, "does not fit its schema") != NULL);
    values.n_buffers = 2;
    values.buffers = NULL;
    CHECK(import(&field, &values, &error) == HR_EUSAGE && strstr(error.message, "does not fit its schema") != NULL);
    values.buffers = one;
    CHECK(import(&field, &values, &error) == HR_EUSAGE && strstr(error.message, "has no values") != NULL);
    values.buffers = two;
    values.offset = -1;
    CHECK(import(&field, &values, &error) == HR_EUSAGE && strstr(error.message, "does not fit its schema") != NULL);
    values.offset = 0;
    CHECK(import(&lists, &outer, &error) == HR_OK, "%s", error.message);
    outer.n_children = 0;
    CHECK(import(&lists, &outer, &error) == HR_EUSAGE && strstr(error.message, "has no child") != NULL);
    outer.n_children = 1;
    values.release = NULL;
    CHECK(import(&lists, &outer, &error) == HR_EUSAGE && strstr(error.message, "released") != NULL);
    values.release = release_nothing;
    lists.n_children = 0;
    CHECK(import(&lists, &outer, &error) == HR_EUSAGE && strstr(error.message, "has one child") != NULL);
    lists.n_children = 1;
    lists.format = "+w:-1";
    CHECK(import(&lists, &outer, &error) == HR_EUSAGE && strstr(error.message, "not an Arrow format") != NULL);
}

static void test_errors(void)
{
    hr_error_clear(NULL);
    CHECK(strcmp(hr_code_name(HR_OK), "ok") == 0);
    for (int code = HR_ENOMEM; code <= HR_EIO; code++)
        CHECK(hr_code_name((hr_code)code)[0] != '\0' && strcmp(hr_code_name((hr_code)code), "ok") != 0, "%d", code);
}

int main(void)
{
    static const char *const names[] = {"East", "West", "Jump", "Loop", NULL};
    char folder[64];

    zone_folder(folder);
    test_intervals();
    test_numbers_in_memory();
    test_periods_at_the_end(folder);
    test_a_midnight_that_does_not_exist(folder);
    test_zones_that_cannot_be_read(folder);
    test_arrow_that_does_not_fit();
    test_errors();
    zone_remove(folder, names);
    return CHECK_DONE();
}
