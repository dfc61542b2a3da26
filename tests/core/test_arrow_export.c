/* tests/core/test_arrow_export.c: batches as Arrow C data, by walking the structs. */
#include "arrow_rows.h"
#include "faults.h"

static int released;

static void count_release(void *owner)
{
    released++;
    CHECK(owner == &released);
}

/* ---- export ---- */

/* The metadata value of a key, or "". */
static const char *metadata_of(const struct ArrowSchema *schema, const char *key)
{
    static char value[128];
    const char *at = schema->metadata;
    int32_t pairs, n;

    value[0] = '\0';
    if (at == NULL)
        return value;
    memcpy(&pairs, at, 4);
    at += 4;
    for (int32_t i = 0; i < pairs; i++) {
        memcpy(&n, at, 4);
        bool hit = (size_t)n == strlen(key) && memcmp(at + 4, key, (size_t)n) == 0;
        at += 4 + n;
        memcpy(&n, at, 4);
        if (hit)
            snprintf(value, sizeof(value), "%.*s", (int)n, at + 4);
        at += 4 + n;
    }
    return value;
}

static void test_export_schema(void)
{
    hr_batch *batch = make_batch(all_types);
    struct ArrowSchema schema, moved;
    hr_error error;

    batch->schema->columns[2].not_null = true;
    CHECK(hr_arrow_export_schema(batch->schema, &schema, &error) == HR_OK);
    CHECK(strcmp(schema.format, "+s") == 0 && schema.n_children == (int64_t)COLUMNS && schema.dictionary == NULL && schema.release != NULL);
    for (size_t i = 0; i < COLUMNS; i++) {
        const struct ArrowSchema *child = schema.children[i];
        char name[16];
        snprintf(name, sizeof(name), "c%zu", i);
        CHECK(strcmp(child->name, name) == 0 && strcmp(child->format, all_formats[i]) == 0, "%s: %s", child->name, child->format);
        CHECK(child->flags == (i == 2 ? 0 : ARROW_FLAG_NULLABLE));
        CHECK(strcmp(metadata_of(child, "headrace.type"), all_types[i]) == 0, "%s", metadata_of(child, "headrace.type"));
        const char *extension = i == 14 ? "arrow.uuid" : i == 15 || i == 16 ? "arrow.json" : "";
        CHECK(strcmp(metadata_of(child, "ARROW:extension:name"), extension) == 0);
        CHECK(child->n_children == (i >= 20) && child->dictionary == NULL);
    }
    CHECK(strcmp(schema.children[20]->children[0]->format, "i") == 0 && strcmp(schema.children[20]->children[0]->name, "item") == 0);
    CHECK(schema.children[20]->children[0]->flags == ARROW_FLAG_NULLABLE);
    CHECK(strcmp(schema.children[22]->children[0]->format, "w:16") == 0);
    CHECK(strcmp(metadata_of(schema.children[22]->children[0], "ARROW:extension:name"), "arrow.uuid") == 0);
    /* A child moved out outlives its parent, with its own child. */
    moved = *schema.children[21];
    schema.children[21]->release = NULL;
    schema.release(&schema);
    CHECK(schema.release == NULL);
    CHECK(strcmp(moved.format, "+l") == 0 && strcmp(moved.name, "c21") == 0 && strcmp(moved.children[0]->format, "u") == 0);
    CHECK(strcmp(metadata_of(&moved, "headrace.type"), "text[]") == 0);
    moved.release(&moved);
    CHECK(moved.release == NULL);
    hr_batch_free(batch);
}

static void test_export_batch(void)
{
    hr_batch *batch = all_batch();
    struct ArrowArray array, moved;
    hr_error error;

    released = 0;
    CHECK(hr_arrow_export_batch(batch, count_release, &released, &array, &error) == HR_OK);
    CHECK(array.length == 12 && array.null_count == 0 && array.offset == 0 && array.n_buffers == 1 && array.buffers[0] == NULL);
    CHECK(array.n_children == (int64_t)COLUMNS && array.dictionary == NULL);
    for (size_t i = 0; i < COLUMNS; i++) {
        const struct ArrowArray *child = array.children[i];
        const hr_column *column = &batch->columns[i];
        hr_storage storage = hr_type_ops_of(column->type)->storage;
        CHECK(child->length == 12 && child->null_count == 4 && child->offset == 0 && child->dictionary == NULL && child->release != NULL);
        CHECK(child->n_buffers == (storage == HR_STORE_BYTES ? 3 : 2) && child->n_children == (storage == HR_STORE_LIST));
        CHECK(child->buffers[0] == column->validity);
        if (storage == HR_STORE_BYTES)
            CHECK(child->buffers[1] == column->offsets && child->buffers[2] == column->bytes.data);
        else if (storage == HR_STORE_LIST)
            CHECK(child->buffers[1] == column->offsets && child->children[0]->length == column->child->length);
        else
            CHECK((child->buffers[1] == column->values) == (column->type->kind != HR_INTERVAL));
        for (int64_t k = 0; k < child->n_buffers; k++)
            CHECK((uintptr_t)child->buffers[k] % 8 == 0);
    }
    struct {
        int32_t months, days;
        int64_t nanos;
    } interval;
    memcpy(&interval, array.children[19]->buffers[1], sizeof(interval));
    CHECK(interval.months == 1 && interval.days == -2 && interval.nanos == 500000000);
    /* The batch is given back when the last array goes: here a child moved out, and a grandchild out of that. */
    moved = *array.children[21];
    array.children[21]->release = NULL;
    array.release(&array);
    CHECK(array.release == NULL && released == 0);
    array = *moved.children[0];
    moved.children[0]->release = NULL;
    moved.release(&moved);
    CHECK(released == 0 && array.length == batch->columns[21].child->length);
    array.release(&array);
    CHECK(released == 1);
    hr_batch_free(batch);
}

/* No nulls: no validity. No rows: buffers all the same. */
static void test_export_empty(void)
{
    hr_batch *batch = make_batch(all_types);
    struct ArrowArray array;
    hr_error error;

    released = 0;
    CHECK(hr_arrow_export_batch(batch, count_release, &released, &array, &error) == HR_OK && array.length == 0);
    for (int64_t i = 0; i < array.n_children; i++) {
        const struct ArrowArray *child = array.children[i];
        CHECK(child->length == 0 && child->null_count == 0 && child->buffers[0] == NULL);
        for (int64_t k = 1; k < child->n_buffers; k++)
            CHECK(child->buffers[k] != NULL && (uintptr_t)child->buffers[k] % 8 == 0);
        if (child->n_buffers == 3 || child->n_children == 1)
            CHECK(*(const int32_t *)child->buffers[1] == 0);
    }
    array.release(&array);
    CHECK(released == 1);
    hr_batch_free(batch);

    batch = make_batch((const char *const[]){"integer", NULL});
    CHECK(hr_column_append_null(&batch->columns[0], &error) == HR_OK);
    hr_column_truncate(&batch->columns[0], 0);
    add_row(batch, (const char *const[]){"5"});
    CHECK(hr_arrow_export_batch(batch, NULL, NULL, &array, &error) == HR_OK);
    CHECK(array.children[0]->null_count == 0 && array.children[0]->buffers[0] == NULL);
    array.release(&array);
    hr_batch_free(batch);

    batch = make_batch((const char *const[]){NULL}); /* no columns at all */
    batch->length = 3;
    CHECK(hr_arrow_export_batch(batch, NULL, NULL, &array, &error) == HR_OK && array.n_children == 0 && array.length == 3);
    array.release(&array);
    hr_batch_free(batch);
}

/* What Arrow cannot say is refused with row and column, and the owner keeps the batch. */
static void test_export_refusals(void)
{
    static const struct {
        const char *type, *fine, *refused, *word;
    } cases[] = {
        {"date", "2026-01-01", "infinity", "date"},
        {"date", "2026-01-01", "-infinity", "date"},
        {"timestamp", "2026-01-01 00:00:00", "infinity", "timestamp"},
        {"timestamptz", "2026-01-01 00:00:00+00", "-infinity", "timestamp"},
        {"numeric(5,2)", "1.5", "NaN", "NaN"},
        {"interval", "2562047:47:16", "2562047:47:17", "interval"},
        {"interval", "-2562047:47:16", "-2562047:47:17", "interval"},
    };
    struct ArrowArray array;
    struct ArrowArrayStream stream;
    hr_error error;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        hr_batch *batch = make_batch((const char *const[]){"integer", cases[i].type, NULL});
        released = 0;
        add_row(batch, (const char *const[]){"1", cases[i].fine});
        add_row(batch, (const char *const[]){"1", NULL});
        CHECK(hr_arrow_export_batch(batch, count_release, &released, &array, &error) == HR_OK, "%s: %s", cases[i].fine, error.message);
        array.release(&array);
        CHECK(released == 1);
        add_row(batch, (const char *const[]){"1", cases[i].refused});
        CHECK(hr_arrow_export_batch(batch, count_release, &released, &array, &error) == HR_EDATA && array.release == NULL);
        CHECK(error.row == 2 && error.column == 1 && strstr(error.message, "\"c1\"") != NULL && strstr(error.message,
                                                                                                       cases[i].word) != NULL,
              "%s", error.message);
        CHECK(hr_arrow_export_stream(batch, count_release, &released, &stream, &error) == HR_EDATA && stream.release == NULL);
        CHECK(hr_arrow_export_batch(batch, count_release, &released, &array, NULL) == HR_EDATA && released == 1);
        hr_batch_free(batch);
    }
    /* In an array the row is the array's, not the element's. */
    hr_batch *batch = make_batch((const char *const[]){"date[]", NULL});
    add_row(batch, (const char *const[]){"{2026-01-01,2026-01-02,NULL}"});
    add_row(batch, (const char *const[]){NULL});
    add_row(batch, (const char *const[]){"{}"});
    add_row(batch, (const char *const[]){"{2026-01-01,infinity}"});
    CHECK(hr_arrow_export_batch(batch, count_release, &released, &array, &error) == HR_EDATA && error.row == 3 && error.column == 0);
    hr_batch_free(batch);
}

static void test_export_stream(void)
{
    hr_batch *batch = all_batch();
    struct ArrowArrayStream stream;
    struct ArrowSchema schema, again;
    struct ArrowArray array, end;
    hr_error error;

    released = 0;
    CHECK(hr_arrow_export_stream(batch, count_release, &released, &stream, &error) == HR_OK);
    CHECK(stream.get_last_error(&stream) == NULL);
    CHECK(stream.get_schema(&stream, &schema) == 0 && stream.get_schema(&stream, &again) == 0 && again.n_children == (int64_t)COLUMNS);
    CHECK(stream.get_next(&stream, &array) == 0 && array.release != NULL && array.length == 12);
    CHECK(stream.get_next(&stream, &end) == 0 && end.release == NULL);
    stream.release(&stream);
    CHECK(stream.release == NULL && released == 0 && array.children[0]->length == 12);
    array.release(&array);
    CHECK(released == 1);
    schema.release(&schema);
    again.release(&again);
    /* Released before anybody fetched. */
    CHECK(hr_arrow_export_stream(batch, count_release, &released, &stream, &error) == HR_OK);
    stream.release(&stream);
    CHECK(released == 2);
    hr_batch_free(batch);
}

static void test_export_faults(void)
{
    hr_batch *batch = all_batch();
    bool fired = true;

    for (long n = 1; fired; n++) {
        struct ArrowArrayStream stream = {0};
        struct ArrowSchema schema;
        hr_error error;
        released = 0;
        hr_fault_arm(n, false);
        int rc = hr_arrow_export_schema(batch->schema, &schema, &error);
        CHECK(rc == (hr_fault_fired() ? HR_ENOMEM : HR_OK));
        if (rc == HR_OK)
            schema.release(&schema);
        else
            CHECK(schema.release == NULL);
        bool before = hr_fault_fired();
        rc = hr_arrow_export_stream(batch, count_release, &released, &stream, &error);
        CHECK(rc == (hr_fault_fired() && !before ? HR_ENOMEM : HR_OK) && released == 0);
        if (rc == HR_OK) {
            before = hr_fault_fired();
            int failed = stream.get_schema(&stream, &schema);
            CHECK((failed != 0) == (hr_fault_fired() && !before) && (failed == 0 || stream.get_last_error(&stream) != NULL));
            if (failed == 0)
                schema.release(&schema);
            stream.release(&stream);
        }
        fired = hr_fault_fired();
        hr_fault_arm(0, false);
        CHECK(released == (rc == HR_OK));
    }
    hr_batch_free(batch);
}

int main(void)
{
    test_export_schema();
    test_export_batch();
    test_export_empty();
    test_export_refusals();
    test_export_stream();
    test_export_faults();
    return CHECK_DONE();
}
