/* tests/core/test_arrow_lend.c: columns that an Arrow array lends to a batch: which, whose, and never one that a copy would refuse. */
#include "arrow_rows.h"
#include "core/take.h"
#include "faults.h"

static int releases;

static void count_release(void *owner)
{
    (void)owner;
    releases++;
}

static bool lendable(const char *type)
{
    static const char *const copied[] = {"character", "json", "numeric", "interval", "integer[]", "text[]", "uuid[]"};

    for (size_t i = 0; i < sizeof(copied) / sizeof(copied[0]); i++)
        if (strcmp(type, "numeric(12,2)") != 0 && strncmp(type, copied[i], strlen(copied[i])) == 0)
            return false;
    return true;
}

/* Every type, whole and cut in both ways: the same rows as a copy, the buffers of the array where they can be, and one release. */
static void test_every_type(void)
{
    hr_batch *batch = all_batch();
    struct ArrowSchema schema;
    hr_schema *read;
    hr_error error;

    CHECK(hr_arrow_export_schema(batch->schema, &schema, &error) == HR_OK);
    CHECK(hr_arrow_import_schema(&schema, &read, &error) == HR_OK, "%s", error.message);
    for (int64_t from = 0; from <= 12; from++) {
        for (int64_t to = from; to <= 12; to++) {
            for (int parent = 0; parent < 2; parent++) {
                struct ArrowArray array;
                hr_batch *back;

                CHECK(hr_arrow_export_batch(batch, count_release, NULL, &array, &error) == HR_OK);
                CHECK(hr_batch_new(read, &back, &error) == HR_OK);
                for (int64_t i = 0; i < array.n_children; i++) {
                    array.children[i]->offset = parent ? 0 : from;
                    array.children[i]->length = parent ? 12 : to - from;
                    array.children[i]->null_count = -1;
                }
                array.offset = parent ? from : 0;
                array.length = to - from;
                releases = 0;
                CHECK(hr_arrow_adopt_batch(&schema, &array, back, &error) == HR_OK, "%s", error.message);
                CHECK(strcmp(text_of(back, 0, to - from), text_of(batch, from, to)) == 0);
                for (int32_t i = 0; i < back->schema->count; i++) {
                    const char *type = back->schema->columns[i].type.name;
                    bool bytes = back->columns[i].offsets != NULL;
                    bool whole = from == 0 || (from == 8 && !bytes); /* validity is read by the byte */
                    CHECK(back->columns[i].lent == (lendable(type) && whole && to > from), "%s [%d, %d)", type, (int)from, (int)to);
                    if (back->columns[i].lent && from == 0)
                        CHECK(back->columns[i].values == batch->columns[i].values &&
                                  back->columns[i].offsets == batch->columns[i].offsets &&
                                  back->columns[i].bytes.data == batch->columns[i].bytes.data,
                              "%s", type);
                }
                CHECK((array.release == NULL) == (back->lender != NULL) && releases == 0);
                hr_batch_free(back);
                if (array.release != NULL)
                    array.release(&array);
                CHECK(releases == 1, "%d releases", releases);
            }
        }
    }
    hr_schema_release(read);
    schema.release(&schema);
    hr_batch_free(batch);
}

/* An array of one column, made by hand, whose buffers end with their last value: ASan sees a byte that is read too far. */
typedef struct hand_made {
    struct ArrowSchema schema, field, *fields[1];
    struct ArrowArray array, column, *columns[1];
    const void *rows[1], *buffers[3];
} hand_made;

static void schema_done(struct ArrowSchema *schema)
{
    schema->release = NULL;
}

static void array_done(struct ArrowArray *array)
{
    releases++;
    array->release = NULL;
}

static void make_hand(hand_made *made, const char *format, int64_t rows, const uint8_t *valid, const void *values, const void *bytes)
{
    memset(made, 0, sizeof(*made));
    made->fields[0] = &made->field;
    made->columns[0] = &made->column;
    made->buffers[0] = valid;
    made->buffers[1] = values;
    made->buffers[2] = bytes;
    made->schema = (struct ArrowSchema){.format = "+s", .name = "", .n_children = 1, .children = made->fields, .release = schema_done};
    made->field = (struct ArrowSchema){.format = format, .name = "x", .flags = ARROW_FLAG_NULLABLE, .release = schema_done};
    made->array = (struct ArrowArray){
        .length = rows, .n_buffers = 1, .n_children = 1, .buffers = made->rows, .children = made->columns, .release = array_done};
    made->column = (struct ArrowArray){.length = rows,
                                       .null_count = valid != NULL ? -1 : 0,
                                       .n_buffers = strchr("uz", format[0]) ? 3 : 2,
                                       .buffers = made->buffers,
                                       .release = array_done};
}

/* A batch of one column x; the schema goes with it. */
static hr_batch *one_column(const char *type_name, bool not_null)
{
    hr_schema *schema;
    hr_batch *batch;
    hr_type type;
    int32_t index;

    if (hr_schema_new(&schema, NULL) != HR_OK || hr_type_from_name(type_name, &schema->arena, &type, NULL) != HR_OK ||
        hr_schema_add(schema, "x", &type, not_null, false, &index, NULL) != HR_OK || hr_batch_new(schema, &batch, NULL) != HR_OK)
        abort();
    hr_schema_release(schema);
    return batch;
}

static void *exactly(const void *from, size_t n)
{
    void *block = malloc(n > 0 ? n : 1);

    if (block == NULL)
        abort();
    memcpy(block, from, n);
    return block;
}

/* Work on lent rows: text, take (which copies), and rows that are added. */
static void test_reading(void)
{
    static const int32_t offsets[] = {0, 1, 3, 3, 6};
    void *values = exactly(offsets, sizeof(offsets)), *bytes = exactly("a\xc3\xa9xyz", 6), *valid = exactly("\x0b", 1);
    hr_batch *batch = one_column("text", false), *taken;
    const uint32_t rows[] = {3, 2, 0};
    hand_made made;
    hr_error error;

    make_hand(&made, "u", 4, valid, values, bytes);
    releases = 0;
    CHECK(hr_arrow_adopt_batch(&made.schema, &made.array, batch, &error) == HR_OK && batch->lender != NULL, "%s", error.message);
    CHECK(batch->columns[0].null_count == 1 && batch->columns[0].validity == valid);
    CHECK(strcmp(text_of(batch, 0, 4), "a\n\xc3\xa9\n\\N\nxyz\n") == 0, "%s", text_of(batch, 0, 4));
    CHECK(hr_batch_memory(batch) > 6);
    CHECK(hr_batch_take(batch, rows, 3, &taken, &error) == HR_OK && !taken->columns[0].lent);
    CHECK(strcmp(text_of(taken, 0, 3), "xyz\n\\N\na\n") == 0);
    hr_batch_free(taken);

    CHECK(hr_column_append_bytes(&batch->columns[0], "no", 2, &error) == HR_EUSAGE && strstr(error.message, "another library") != NULL);
    CHECK(hr_column_append_null(&batch->columns[0], &error) == HR_EUSAGE && batch->columns[0].length == 4);
    hr_batch_truncate(batch, 2);
    CHECK(hr_column_append_bytes(&batch->columns[0], "no", 2, &error) == HR_EUSAGE && strcmp(text_of(batch, 0, 2), "a\n\xc3\xa9\n") == 0);
    hr_batch_clear(batch);
    CHECK(hr_column_append_bytes(&batch->columns[0], "own", 3, &error) == HR_OK && !batch->columns[0].lent && releases == 0);
    batch->length = 1;
    CHECK(strcmp(text_of(batch, 0, 1), "own\n") == 0 && memcmp(bytes, "a\xc3\xa9xyz", 6) == 0);
    hr_batch_free(batch);
    CHECK(releases == 1);
    free(values);
    free(bytes);
    free(valid);
}

/* Into a batch that has rows, all is copied. */
static void test_second_array(void)
{
    static const int64_t numbers[] = {1, -2};
    hr_batch *batch = one_column("bigint", true);
    hand_made made;
    hr_error error;

    make_hand(&made, "l", 2, NULL, numbers, NULL);
    releases = 0;
    CHECK(hr_column_append_int64(&batch->columns[0], 7, &error) == HR_OK);
    batch->length = 1;
    CHECK(hr_arrow_adopt_batch(&made.schema, &made.array, batch, &error) == HR_OK && batch->lender == NULL && made.array.release != NULL);
    CHECK(strcmp(text_of(batch, 0, 3), "7\n1\n-2\n") == 0);
    hr_batch_free(batch);
    batch = one_column("bigint", true);
    CHECK(hr_arrow_adopt_batch(&made.schema, &made.array, batch, &error) == HR_OK && batch->lender != NULL && made.array.release == NULL);
    make_hand(&made, "l", 2, NULL, numbers, NULL);
    CHECK(hr_arrow_adopt_batch(&made.schema, &made.array, batch, &error) == HR_EUSAGE &&
          made.array.release != NULL); /* not over lent rows */
    CHECK(strcmp(text_of(batch, 0, 2), "1\n-2\n") == 0);
    hr_batch_free(batch);
    CHECK(releases == 1);
}

/* What is laid out alike but is no value of the type: what a copy says of it, and the array stays the caller's. */
static void test_refused(void)
{
    static const int32_t some[] = {0, 1, 2}, backward[] = {0, 2, 1}, split[] = {0, 1, 2}, negative[] = {0, 1, -1};
    static const int32_t days[] = {0, INT32_MAX};
    static const int64_t never[] = {0, INT64_MIN}, late[] = {0, INT64_C(86400000001)};
    static const uint64_t wide[] = {1, 0, UINT64_C(10000), 0}; /* 100.00 does not fit numeric(4,2) */
    static const uint8_t first_only = 1;
    const struct {
        const char *format, *type;
        const void *values, *bytes;
        const uint8_t *valid;
        bool not_null;
        int code;
    } bad[] = {
        {"u", "text", some, "a\0", NULL, false, HR_EDATA},        {"u", "text", some, "a\xff", NULL, false, HR_EDATA},
        {"u", "text", split, "\xc3\xa9", NULL, false, HR_EDATA},  {"u", "text", backward, "ab", NULL, false, HR_EUSAGE},
        {"z", "bytea", negative, "ab", NULL, false, HR_EUSAGE},   {"z", "bytea", some, NULL, NULL, false, HR_EUSAGE},
        {"tdD", "date", days, NULL, NULL, false, HR_EDATA},       {"tsu:", "timestamp", never, NULL, NULL, false, HR_EDATA},
        {"ttu", "time", late, NULL, NULL, false, HR_EDATA},       {"d:4,2", "numeric(4,2)", wide, NULL, NULL, false, HR_EDATA},
        {"l", "bigint", late, NULL, &first_only, true, HR_EDATA},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        hr_batch *batch = one_column(bad[i].type, bad[i].not_null);
        hand_made made;
        hr_error error;

        make_hand(&made, bad[i].format, 2, bad[i].valid, bad[i].values, bad[i].bytes);
        CHECK(hr_arrow_adopt_batch(&made.schema, &made.array, batch, &error) == bad[i].code, "case %zu", i);
        CHECK(made.array.release != NULL && batch->lender == NULL && batch->length == 0 && batch->columns[0].length == 0, "case %zu", i);
        hr_batch_free(batch);
        if (bad[i].code != HR_EDATA || bad[i].not_null)
            continue;
        /* the same value, null: nobody looks at it, but for bytes, of which one cannot know */
        batch = one_column(bad[i].type, false);
        make_hand(&made, bad[i].format, 2, &first_only, bad[i].values, bad[i].bytes);
        CHECK(hr_arrow_adopt_batch(&made.schema, &made.array, batch, &error) == (i == 2 ? HR_EDATA : HR_OK), "case %zu", i);
        CHECK((batch->lender != NULL) == (bad[i].bytes == NULL), "case %zu", i);
        hr_batch_free(batch);
    }
}

/* Values that stand askew in memory are copied. */
static void test_unaligned(void)
{
    static const int64_t numbers[] = {1, -2};
    char *block = malloc(sizeof(numbers) + 1);
    hr_batch *batch = one_column("bigint", true);
    hand_made made;
    hr_error error;

    if (block == NULL)
        abort();
    memcpy(block + 1, numbers, sizeof(numbers));
    make_hand(&made, "l", 2, NULL, block + 1, NULL);
    CHECK(hr_arrow_adopt_batch(&made.schema, &made.array, batch, &error) == HR_OK && batch->lender == NULL && made.array.release != NULL);
    CHECK(strcmp(text_of(batch, 0, 2), "1\n-2\n") == 0);
    hr_batch_free(batch);
    free(block);
}

/* Each allocation fails once: the batch is empty, the array the caller's, nothing leaks, and the next try succeeds. */
static void test_faults(void)
{
    hr_batch *batch = all_batch();
    struct ArrowSchema schema;
    hr_schema *read;
    hr_error error;
    bool fired = true;

    CHECK(hr_arrow_export_schema(batch->schema, &schema, &error) == HR_OK && hr_arrow_import_schema(&schema, &read, &error) == HR_OK);
    for (long n = 1; fired; n++) {
        struct ArrowArray array;
        hr_batch *back;

        CHECK(hr_arrow_export_batch(batch, NULL, NULL, &array, &error) == HR_OK && hr_batch_new(read, &back, &error) == HR_OK);
        hr_fault_arm(n, false);
        int rc = hr_arrow_adopt_batch(&schema, &array, back, &error);
        fired = hr_fault_fired();
        hr_fault_arm(0, false);
        CHECK(rc == (fired ? HR_ENOMEM : HR_OK), "allocation %ld: %s", n, error.message);
        if (fired) {
            CHECK(back->length == 0 && back->lender == NULL && array.release != NULL);
            for (int32_t i = 0; i < read->count; i++)
                CHECK(back->columns[i].length == 0 && !back->columns[i].lent);
            CHECK(hr_arrow_adopt_batch(&schema, &array, back, &error) == HR_OK);
        }
        CHECK(strcmp(text_of(back, 0, 12), text_of(batch, 0, 12)) == 0 && array.release == NULL);
        hr_batch_free(back);
    }
    hr_schema_release(read);
    schema.release(&schema);
    hr_batch_free(batch);
}

int main(void)
{
    test_every_type();
    test_reading();
    test_second_array();
    test_refused();
    test_unaligned();
    test_faults();
    return CHECK_DONE();
}
