/* tests/core/test_window_values.c: every type as a key of windows and in every aggregate: what is equal, what comes first, what is refused;
 * the same at once, after a restart, and in two stages.
 */
#include "core/window/window.h"

#include "faults.h"
#include "rows.h"

static const char *const types[] = {
    "timestamptz", "boolean", "smallint", "integer", "bigint", "real", "double precision",       "numeric(12,2)",
    "numeric",     "text",    "char(5)",  "bytea",   "uuid",   "date", "time without time zone", "shop.status",
    "interval",    "jsonb",   "integer[]"};
enum { AT, FLAG, SMALL, NUMBER, BIG, REAL, DOUBLE, EXACT, FREE, TEXT, FIXED, BYTES, ID, DAY, CLOCK, MARK, SPAN, TREE, LIST };

#define UUID "00000000-0000-0000-0000-00000000000"
static const char *const rows[][19] = {
    {"1970-01-01 00:00:01+00", "t", "5", "70000", "9000000000", "-0", "NaN", "NaN", "1.50", "b", "ab", "\\x01", UUID "2", "1970-01-02",
     "00:00:02", "paid", "1 day", "1", "{1}"},
    {"1970-01-01 00:00:02+00", "f", "-3", "-5", "-9000000000", "NaN", "-0", "-1.25", "1.5", "a", "ab   ", "\\x0102", UUID "1", "1969-12-31",
     "00:00:01", "new", "1 day", "1", "{1}"},
    {"1970-01-01 00:00:03+00", "t", "5", "70000", "9000000000", "0", "-0", "4.00", "200.0", "b", "b", "\\x01", UUID "2", "1970-01-02",
     "00:00:02", "paid", "1 day", "1", "{1}"},
    {"1970-01-01 00:00:04+00", NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL},
    {"1970-01-01 00:00:05+00", "f", "7", "9", "7", "-2.5", "-2.5", "5.00", "1", "", "b", "\\x", UUID "1", "1970-01-03", "23:59:59.999999",
     "new", "1 day", "1", "{1}"},
};

static hr_batch *made;

static void make_rows(void)
{
    static const char *const labels[] = {"new", "paid"};
    hr_schema *schema;
    hr_error error;

    CHECK(hr_schema_new(&schema, &error) == HR_OK);
    for (int i = AT; i <= LIST; i++) {
        char name[16];
        hr_type type;

        snprintf(name, sizeof(name), "c%d", i);
        CHECK(hr_type_from_name(types[i], &schema->arena, &type, &error) == HR_OK, "%s", error.message);
        if (i == MARK) {
            type.kind = HR_ENUM;
            type.labels = labels;
            type.label_count = 2;
        }
        CHECK(hr_schema_add(schema, name, &type, false, false, NULL, &error) == HR_OK, "%s", error.message);
    }
    CHECK(hr_batch_new(schema, &made, &error) == HR_OK);
    hr_schema_release(schema);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        add_row(made, rows[i]);
}

static int open_windows(const char *function, int column, int by, hr_windows **out, hr_error *error)
{
    static const hr_window_spec minute = {.unit = HR_WINDOW_MINUTE, .size = 1};
    const hr_window_aggregate aggregate = {
        .name = "result", .function = function, .column = column, .precision = strcmp(function, "distinct_hll") == 0 ? 4 : 0};
    const hr_window_options options = {.specs = &minute,
                                       .spec_count = 1,
                                       .by = &by,
                                       .by_count = by >= 0,
                                       .aggregates = &aggregate,
                                       .aggregate_count = 1,
                                       .lateness = HR_WINDOW_ALL};

    return hr_windows_new(made->schema, &options, out, error);
}

static void add(hr_windows *windows, int64_t row)
{
    hr_error error;
    int64_t done;

    CHECK(hr_windows_add(windows, 0, made, row, row + 1, NULL, &done, &error) == HR_OK && done == row + 1, "%s", error.message);
}

/* What the windows give, as "key=result " of each row; without a key "result ". */
static void close_windows(int line, hr_windows *windows, const char *want)
{
    int32_t first = 2, last = hr_windows_schema(windows)->count;
    hr_buffer text = {0};
    hr_batch *out;
    hr_error error;
    int rc;

    CHECK(hr_batch_new(hr_windows_schema(windows), &out, &error) == HR_OK);
    rc = hr_windows_close(windows, true, out, &error);
    CHECK(rc == HR_OK, "line %d: %s", line, error.message);
    for (int64_t row = 0; row < out->length; row++)
        for (int32_t i = first; i < last; i++) {
            const hr_column *column = &out->columns[i];

            if (hr_column_is_null(column, row))
                CHECK(hr_buffer_append(&text, "null", 4, NULL) == HR_OK);
            else
                CHECK(hr_type_ops_of(column->type)->write_text(column->type, column, row, &text, NULL) == HR_OK);
            CHECK(hr_buffer_append(&text, i + 1 < last ? "=" : " ", 1, NULL) == HR_OK);
        }
    CHECK(text.size == strlen(want) && memcmp(text.data, want, text.size) == 0, "line %d: got \"%.*s\" want \"%s\"", line, (int)text.size,
          (const char *)text.data, want);
    hr_buffer_free(&text);
    hr_batch_free(out);
    hr_windows_free(windows);
}

/* At once; with a restart after every row; rows in turn to two workers, whose partials are put together. */
static void expect(int line, const char *function, int column, int by, const char *want)
{
    hr_windows *windows, *workers[2];
    hr_error error;
    int64_t epoch;

    CHECK(open_windows(function, column, by, &windows, &error) == HR_OK, "line %d: %s", line, error.message);
    for (int64_t row = 0; row < made->length; row++)
        add(windows, row);
    close_windows(line, windows, want);

    CHECK(open_windows(function, column, by, &windows, NULL) == HR_OK);
    for (int64_t row = 0; row < made->length; row++) {
        hr_buffer state = {0};
        hr_windows *next;

        add(windows, row);
        CHECK(hr_windows_save(windows, true, &state, &epoch, &error) == HR_OK, "line %d: %s", line, error.message);
        CHECK(open_windows(function, column, by, &next, NULL) == HR_OK);
        CHECK(hr_windows_load(next, state.data, state.size, &error) == HR_OK, "line %d: %s", line, error.message);
        hr_buffer_free(&state);
        hr_windows_free(windows);
        windows = next;
    }
    close_windows(line, windows, want);

    CHECK(open_windows(function, column, by, &windows, NULL) == HR_OK);
    for (int i = 0; i < 2; i++) {
        hr_buffer partial = {0};

        CHECK(open_windows(function, column, by, &workers[i], NULL) == HR_OK);
        for (int64_t row = i; row < made->length; row += 2)
            add(workers[i], row);
        CHECK(hr_windows_close_partial(workers[i], true, &partial, &error) == HR_OK, "line %d: %s", line, error.message);
        CHECK(hr_windows_absorb(windows, partial.data, partial.size, &error) == HR_OK, "line %d: %s", line, error.message);
        hr_buffer_free(&partial);
        hr_windows_free(workers[i]);
    }
    close_windows(line, windows, want);
}

/* Equal values are one key, whatever they are spelt like; keys come in order, NaN above all numbers, null last. */
static void test_keys(void)
{
    expect(__LINE__, "count", -1, -1, "5 ");
    expect(__LINE__, "count", -1, FLAG, "f=2 t=2 null=1 ");
    expect(__LINE__, "count", -1, SMALL, "-3=1 5=2 7=1 null=1 ");
    expect(__LINE__, "count", -1, NUMBER, "-5=1 9=1 70000=2 null=1 ");
    expect(__LINE__, "count", -1, BIG, "-9000000000=1 7=1 9000000000=2 null=1 ");
    expect(__LINE__, "count", -1, EXACT, "-1.25=1 4.00=1 5.00=1 NaN=1 null=1 ");
    expect(__LINE__, "count", -1, REAL, "-2.5=1 -0=2 NaN=1 null=1 ");
    expect(__LINE__, "count", -1, DOUBLE, "-2.5=1 -0=2 NaN=1 null=1 ");
    expect(__LINE__, "count", -1, FREE, "1=1 1.50=2 200.0=1 null=1 ");
    expect(__LINE__, "count", -1, FIXED, "ab   =2 b    =2 null=1 ");
    expect(__LINE__, "count", -1, TEXT, "=1 a=1 b=2 null=1 ");
    expect(__LINE__, "count", -1, BYTES, "\\x=1 \\x01=2 \\x0102=1 null=1 ");
    expect(__LINE__, "count", -1, ID, UUID "1=2 " UUID "2=2 null=1 ");
    expect(__LINE__, "count", -1, DAY, "1969-12-31=1 1970-01-02=2 1970-01-03=1 null=1 ");
    expect(__LINE__, "count", -1, CLOCK, "00:00:01=1 00:00:02=2 23:59:59.999999=1 null=1 ");
    expect(__LINE__, "count", -1, MARK, "new=2 paid=2 null=1 ");
    expect(__LINE__, "count", TEXT, -1, "4 ");
}

/* What is equal counts once. */
static void test_distinct(void)
{
    static const struct {
        int column, count;
    } want[] = {{FLAG, 2}, {SMALL, 3}, {NUMBER, 3}, {BIG, 3}, {REAL, 3}, {DOUBLE, 3}, {EXACT, 4}, {FREE, 3},
                {TEXT, 3}, {FIXED, 2}, {BYTES, 3},  {ID, 2},  {DAY, 3},  {CLOCK, 3},  {MARK, 2},  {AT, 5}};

    expect(__LINE__, "distinct_hll", TEXT, -1, "3 "); /* registers: the hashes are fixed for ever, and so is what they come to */
    expect(__LINE__, "distinct_hll", NUMBER, -1, "3 ");
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        char text[16];

        snprintf(text, sizeof(text), "%d ", want[i].count);
        expect(__LINE__, "distinct", want[i].column, -1, text);
        if (want[i].count <= 2) /* as many as a sketch of precision 4 holds exactly */
            expect(__LINE__, "distinct_hll", want[i].column, -1, text);
    }
}

static void test_extremes(void)
{
    static const struct {
        int column;
        const char *least, *most;
    } want[] = {
        {SMALL, "-3 ", "7 "},
        {NUMBER, "-5 ", "70000 "},
        {BIG, "-9000000000 ", "9000000000 "},
        {REAL, "-2.5 ", "NaN "},
        {DOUBLE, "-2.5 ", "NaN "},
        {EXACT, "-1.25 ", "NaN "},
        {DAY, "1969-12-31 ", "1970-01-03 "},
        {CLOCK, "00:00:01 ", "23:59:59.999999 "},
        {AT, "1970-01-01 00:00:01+00 ", "1970-01-01 00:00:05+00 "},
    };

    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        expect(__LINE__, "min", want[i].column, -1, want[i].least);
        expect(__LINE__, "max", want[i].column, -1, want[i].most);
    }
    expect(__LINE__, "min", SMALL, MARK, "new=-3 paid=5 null=null ");
}

static void test_sums(void)
{
    expect(__LINE__, "sum", SMALL, -1, "14 ");
    expect(__LINE__, "sum", NUMBER, -1, "140004 ");
    expect(__LINE__, "sum", BIG, -1, "9000000007 ");
    expect(__LINE__, "sum", REAL, -1, "NaN ");
    expect(__LINE__, "sum", DOUBLE, MARK, "new=-2.5 paid=NaN null=null ");
    expect(__LINE__, "sum", EXACT, -1, "NaN ");
    expect(__LINE__, "sum", EXACT, MARK, "new=3.75 paid=NaN null=null ");
}

/* Types that have no such key or aggregate. */
static void test_refused(void)
{
    static const struct {
        const char *function;
        int column, by;
        const char *words;
    } want[] = {
        {"distinct", SPAN, -1, "cast the column to text"},
        {"distinct", LIST, -1, "cast the column to text"},
        {"distinct_hll", TREE, -1, "cast the column to text"},
        {"min", FLAG, -1, "numbers, dates or times"},
        {"max", TEXT, -1, "numbers, dates or times"},
        {"sum", DAY, -1, "integers, numeric"},
        {"sum", FREE, -1, "integers, numeric"},
        {"count", -1, SPAN, "cannot be a key"},
        {"count", -1, TREE, "cannot be a key"},
        {"count", -1, LIST, "cannot be a key"},
        {"sum", -1, -1, "no column number -1"},
    };

    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        hr_windows *windows;
        hr_error error;

        CHECK(open_windows(want[i].function, want[i].column, want[i].by, &windows, &error) == HR_EUSAGE, "number %d", (int)i);
        CHECK(strstr(error.message, want[i].words) != NULL, "number %d: %s", (int)i, error.message);
    }
}

/* Making windows whose key has labels, and rows of another schema. */
static void test_enum_faults(void)
{
    static const char *const other[] = {"timestamptz", NULL};
    hr_batch *foreign = make_batch(other);
    hr_windows *windows;
    hr_error error;
    int64_t done;
    bool more;
    int rc;

    for (long n = 1, fired = 1; fired; n++) {
        hr_fault_arm(n, false);
        rc = open_windows("distinct", MARK, MARK, &windows, &error);
        fired = hr_fault_fired();
        hr_fault_arm(0, false);
        CHECK(rc == (fired ? HR_ENOMEM : HR_OK));
        if (rc != HR_OK)
            continue;
        CHECK(hr_windows_add(windows, 0, foreign, 0, 0, NULL, &done, &error) == HR_EUSAGE);
        CHECK(hr_windows_close_some(windows, true, 1, &more, foreign, &error) == HR_EUSAGE && !more);
        CHECK(hr_windows_early(windows, foreign, &error) == HR_EUSAGE);
        hr_windows_free(windows);
    }
    hr_batch_free(foreign);
}

int main(void)
{
    make_rows();
    test_keys();
    test_distinct();
    test_extremes();
    test_sums();
    test_refused();
    test_enum_faults();
    hr_batch_free(made);
    return CHECK_DONE();
}
