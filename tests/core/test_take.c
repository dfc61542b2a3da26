/* tests/core/test_take.c: gathering rows of every layout, nulls and defaults with them; and that no failing allocation hurts. */
#include "check.h"
#include "core/decode/decode.h"
#include "core/take.h"
#include "faults.h"

static const char *const types[] = {"bool", "int", "numeric(10,2)", "text", "uuid", "interval", "int[]", "text[]"};
#define TYPES ((int32_t)(sizeof(types) / sizeof(types[0])))

/* Rows i = 0..n-1; every third value is null, every fifth record does not name the column with the default. */
static hr_batch *make_batch(int n)
{
    char record[512];
    hr_schema *schema = NULL;
    hr_decoder *decoder = NULL;
    hr_batch *batch = NULL;
    hr_error error;

    if (hr_schema_new(&schema, &error) != HR_OK)
        exit(2);
    for (int32_t i = 0; i < TYPES; i++) {
        char name[16];
        hr_type type;

        snprintf(name, sizeof(name), "c%d", (int)i);
        if (hr_type_from_name(types[i], &schema->arena, &type, &error) != HR_OK ||
            hr_schema_add(schema, name, &type, false, i == 1, NULL, &error) != HR_OK)
            exit(2);
    }
    if (hr_decoder_new(hr_format_find("json"), schema, NULL, &decoder, &error) != HR_OK || hr_batch_new(schema, &batch, &error) != HR_OK)
        exit(2);
    for (int i = 0; i < n; i++) {
        hr_record one = {.data = record, .timestamp = HR_NO_TIMESTAMP, .topic = ""};

        if (i % 3 == 0)
            snprintf(record, sizeof(record), "{\"c1\":null,\"c0\":null}");
        else
            snprintf(record, sizeof(record),
                     "{\"c0\":%s,%s\"c2\":%d.25,\"c3\":\"text %d\",\"c4\":\"00000000-0000-0000-0000-%012d\",\"c5\":\"%d days\","
                     "\"c6\":[%d,null,%d],\"c7\":[\"a%d\"]}",
                     i % 2 ? "true" : "false", i % 5 ? "\"c1\":7," : "", i, i, i, i, i, i + 1, i);
        one.len = strlen(record);
        if (hr_decoder_decode(decoder, &one, batch, &error) != HR_OK) {
            fprintf(stderr, "%s: %s\n", record, error.message);
            exit(2);
        }
    }
    hr_decoder_free(decoder);
    hr_schema_release(schema);
    return batch;
}

/* Row `a` of one batch and row `b` of the other are the same. */
static bool same_row(const hr_batch *one, int64_t a, const hr_batch *two, int64_t b)
{
    bool same = (one->absent == NULL) == (two->absent == NULL) && (one->absent == NULL || one->absent[a] == two->absent[b]);

    for (int32_t c = 0; c < one->schema->count; c++) {
        const hr_type *type = &one->schema->columns[c].type;
        bool null = hr_column_is_null(&one->columns[c], a);
        hr_buffer left = {0}, right = {0};

        same = same && null == hr_column_is_null(&two->columns[c], b);
        if (same && !null) {
            same = hr_type_ops_of(type)->write_text(type, &one->columns[c], a, &left, NULL) == HR_OK &&
                   hr_type_ops_of(type)->write_text(type, &two->columns[c], b, &right, NULL) == HR_OK && left.size == right.size &&
                   memcmp(left.data, right.data, left.size) == 0;
        }
        hr_buffer_free(&left);
        hr_buffer_free(&right);
    }
    return same;
}

static void check_take(const hr_batch *batch, const uint32_t *rows, int64_t n)
{
    hr_batch *taken = NULL;
    hr_error error;

    CHECK(hr_batch_take(batch, rows, n, &taken, &error) == HR_OK);
    if (taken == NULL)
        return;
    CHECK(taken->length == n && taken->schema == batch->schema);
    for (int32_t c = 0; c < batch->schema->count; c++) {
        int64_t nulls = 0;

        for (int64_t i = 0; i < n; i++)
            nulls += hr_column_is_null(&batch->columns[c], rows[i]);
        CHECK(taken->columns[c].length == n && taken->columns[c].null_count == nulls, "column %d", (int)c);
    }
    for (int64_t i = 0; i < n; i++)
        CHECK(same_row(batch, rows[i], taken, i), "row %d", (int)rows[i]);
    hr_batch_free(taken);
}

static void test_orders(const hr_batch *batch, int n)
{
    uint32_t *rows = malloc((size_t)n * sizeof(*rows));

    if (rows == NULL)
        exit(2);
    for (int i = 0; i < n; i++)
        rows[i] = (uint32_t)i;
    check_take(batch, rows, n);
    check_take(batch, rows, 0);
    check_take(batch, rows + n - 1, 1);
    for (int i = 0; i < n; i++)
        rows[i] = (uint32_t)(n - 1 - i);
    check_take(batch, rows, n);
    for (int i = 0; i < n; i++)
        rows[i] = (uint32_t)(i * 7 % n);
    check_take(batch, rows, n);
    for (int i = 0; i < n; i++)
        rows[i] = 4; /* the same row again and again */
    check_take(batch, rows, n);
    free(rows);
}

/* Without nulls no validity is made. */
static void test_no_nulls(const hr_batch *batch)
{
    static const uint32_t rows[] = {1, 2, 4};
    hr_batch *taken = NULL;

    CHECK(hr_batch_take(batch, rows, 3, &taken, NULL) == HR_OK);
    CHECK(taken != NULL && taken->columns[3].validity == NULL);
    hr_batch_free(taken);
}

static void test_faults(const hr_batch *batch)
{
    static const uint32_t rows[] = {1, 0, 2, 5, 5, 3, 7};
    bool fired = true;

    for (long n = 1; fired; n++) {
        hr_batch *taken = (hr_batch *)1;
        hr_error error;
        int rc;

        hr_fault_arm(n, false);
        rc = hr_batch_take(batch, rows, 7, &taken, &error);
        fired = hr_fault_fired();
        hr_fault_arm(0, false);
        CHECK(rc == (fired ? HR_ENOMEM : HR_OK) && (taken == NULL) == fired, "allocation %ld", n);
        hr_batch_free(taken);
    }
    check_take(batch, rows, 7);
}

int main(void)
{
    hr_batch *batch = make_batch(300);

    test_orders(batch, 300);
    test_no_nulls(batch);
    test_faults(batch);
    hr_batch_free(batch);
    return CHECK_DONE();
}
