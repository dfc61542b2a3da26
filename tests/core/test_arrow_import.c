/* tests/core/test_arrow_import.c: Arrow tables into batches: our own back, and into the columns of a target. */
#include "arrow_rows.h"
#include "faults.h"

/* Out and in again: types by their metadata, all values, whole and sliced in both ways. */
static void test_round_trip(void)
{
    hr_batch *batch = all_batch(), *back;
    struct ArrowSchema schema;
    struct ArrowArray array;
    hr_schema *read;
    hr_error error;

    CHECK(hr_arrow_export_schema(batch->schema, &schema, &error) == HR_OK);
    CHECK(hr_arrow_export_batch(batch, NULL, NULL, &array, &error) == HR_OK);
    CHECK(hr_arrow_import_schema(&schema, &read, &error) == HR_OK, "%s", error.message);
    CHECK(read->count == (int32_t)COLUMNS);
    for (int32_t i = 0; i < read->count; i++) {
        const hr_type *want = &batch->schema->columns[i].type, *got = &read->columns[i].type;
        CHECK(got->kind == want->kind && strcmp(got->name, want->name) == 0 && got->precision == want->precision &&
              got->scale == want->scale &&
              got->max_chars == want->max_chars, "%s became %s", want->name, got->name);
        CHECK(!read->columns[i].not_null);
    }
    CHECK(hr_batch_new(read, &back, &error) == HR_OK);
    hr_schema_release(read);
    for (int round = 0; round < 2; round++)
        CHECK(hr_arrow_import_batch(&schema, &array, back, &error) == HR_OK, "%s", error.message);
    CHECK(back->length == 24 && strcmp(text_of(back, 0, 12), text_of(batch, 0, 12)) == 0);
    CHECK(strcmp(text_of(back, 12, 24), text_of(batch, 0, 12)) == 0);
    for (int64_t from = 0; from <= 12; from++) {
        for (int64_t to = from; to <= 12; to++) {
            hr_batch_clear(back);
            array.offset = from; /* the parent cut */
            array.length = to - from;
            CHECK(hr_arrow_import_batch(&schema, &array, back, &error) == HR_OK && strcmp(text_of(back, 0, to - from), text_of(batch, from,
                                                                                                                               to)) == 0);
            hr_batch_clear(back);
            array.offset = 0; /* each child cut */
            for (int64_t i = 0; i < array.n_children; i++) {
                array.children[i]->offset = from;
                array.children[i]->length = to - from;
                array.children[i]->null_count = -1;
            }
            CHECK(hr_arrow_import_batch(&schema, &array, back, &error) == HR_OK && strcmp(text_of(back, 0, to - from), text_of(batch, from,
                                                                                                                               to)) == 0);
            for (int64_t i = 0; i < array.n_children; i++) {
                array.children[i]->offset = 0;
                array.children[i]->length = 12;
            }
        }
    }
    array.release(&array);
    schema.release(&schema);
    hr_batch_free(batch);
    hr_batch_free(back);
}

/* A schema whose columns are (name, type, not null, default, source). */
typedef struct column_spec {
    const char *name, *type, *source;
    bool not_null, has_default;
} column_spec;

static hr_batch *target_batch(const column_spec *columns, int count)
{
    hr_schema *schema;
    hr_batch *batch;
    hr_type type;
    int32_t index;

    if (hr_schema_new(&schema, NULL) != HR_OK)
        abort();
    for (int i = 0; i < count; i++)
        if (hr_type_from_name(columns[i].type, &schema->arena, &type, NULL) != HR_OK ||
            hr_schema_add(schema, columns[i].name, &type, columns[i].not_null, columns[i].has_default, &index, NULL) != HR_OK ||
            (columns[i].source != NULL && hr_schema_map(schema, index, columns[i].source, NULL) != HR_OK))
            abort();
    if (hr_batch_new(schema, &batch, NULL) != HR_OK)
        abort();
    hr_schema_release(schema);
    return batch;
}

static void test_import_by_name(void)
{
    hr_batch *from = make_batch((const char *const[]){"integer", "text", "integer", NULL});
    struct ArrowSchema schema;
    struct ArrowArray array;
    hr_error error;

    add_row(from, (const char *const[]){"1", "a", "10"});
    add_row(from, (const char *const[]){"2", "b", NULL});
    CHECK(hr_arrow_export_schema(from->schema, &schema, &error) == HR_OK && hr_arrow_export_batch(from, NULL, NULL, &array,
                                                                                                  &error) == HR_OK);

    /* Other order, other types, another key, a default, a column nobody fills. */
    const column_spec good[] = {{"c1", "varchar(3)", NULL, true, false}, {"n", "bigint", "c0", true, false}, {"d", "integer", NULL, true,
                                                                                                              true},
                                {"c2", "numeric", NULL, false, true}, {"e", "text", NULL, false, false}};
    hr_batch *batch = target_batch(good, 5);
    CHECK(hr_arrow_import_batch(&schema, &array, batch, &error) == HR_OK, "%s", error.message);
    CHECK(hr_arrow_import_batch(&schema, &array, batch, &error) == HR_OK && batch->length == 4);
    CHECK(strcmp(text_of(batch, 2, 4), "a\t1\t\\N\t10\t\\N\nb\t2\t\\N\t\\N\t\\N\n") == 0, "%s", text_of(batch, 2, 4));
    for (int i = 0; i < 4; i++)
        CHECK(batch->absent[i] == 1); /* d is absent; c2 is there, even where it is null */
    batch->schema->unknown = HR_UNKNOWN_REJECT;
    CHECK(hr_arrow_import_batch(&schema, &array, batch, &error) == HR_OK && batch->length == 6);
    hr_batch_free(batch);

    static const struct {
        column_spec column;
        int code;
        int64_t row;
        const char *word;
    } bad[] = {
        {{"c9", "integer", NULL, true, false}, HR_EUSAGE, -1, "c9"},
        {{"c2", "integer", NULL, true, false}, HR_EDATA, 1, "NOT NULL"},
        {{"c2", "integer", NULL, true, true}, HR_EDATA, 1, "NOT NULL"},
        {{"c1", "integer", NULL, false, false}, HR_EDATA, 0, "a"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const column_spec columns[] = {{"c0", "integer", NULL, false, false}, bad[i].column};
        batch = target_batch(columns, 2);
        int rc = hr_arrow_import_batch(&schema, &array, batch, &error);
        CHECK(rc == bad[i].code && strstr(error.message, bad[i].word) != NULL, "case %zu: %d %s", i, rc, error.message);
        CHECK(rc != HR_EDATA || (error.row == bad[i].row && error.column == 1));
        CHECK(batch->length == 0 && batch->columns[0].length == 0 && batch->columns[1].length == 0);
        hr_batch_free(batch);
    }
    batch = target_batch(good, 1);
    batch->schema->unknown = HR_UNKNOWN_REJECT;
    CHECK(hr_arrow_import_batch(&schema, &array, batch, &error) == HR_EUSAGE && strstr(error.message, "\"c0\"") != NULL, "%s",
          error.message);
    batch->schema->unknown = HR_UNKNOWN_IGNORE;

    /* Damage: released, uneven, named twice. */
    array.children[1]->length = 1;
    CHECK(hr_arrow_import_batch(&schema, &array, batch, &error) == HR_EUSAGE && strstr(error.message, "shorter") != NULL);
    array.offset = 3; /* offset and length whose sum no number holds */
    array.length = INT64_MAX - 1;
    CHECK(hr_arrow_import_batch(&schema, &array, batch, &error) == HR_EUSAGE && strstr(error.message, "shorter") != NULL);
    array.offset = 0;
    array.length = 2;
    array.children[1]->length = 2;
    array.length = -1;
    CHECK(hr_arrow_import_batch(&schema, &array, batch, &error) == HR_EUSAGE && batch->length == 0, "%lld rows", (long long)batch->length);
    array.length = 2;
    array.offset = -1;
    CHECK(hr_arrow_import_batch(&schema, &array, batch, &error) == HR_EUSAGE);
    array.offset = 0;
    array.n_children = 2;
    CHECK(hr_arrow_import_batch(&schema, &array, batch, &error) == HR_EUSAGE);
    array.n_children = 3;
    const char *name = schema.children[2]->name;
    schema.children[2]->name = "c1";
    CHECK(hr_arrow_import_batch(&schema, &array, batch, &error) == HR_EUSAGE && strstr(error.message, "two") != NULL);
    schema.children[2]->name = name;
    void (*release)(struct ArrowArray *) = array.children[1]->release;
    array.children[1]->release = NULL;
    CHECK(hr_arrow_import_batch(&schema, &array, batch, &error) == HR_EUSAGE && strstr(error.message, "released") != NULL);
    array.children[1]->release = release;

    /* A row that is null as a whole. */
    const uint8_t rows_valid = 2;
    const void *validity[] = {&rows_valid}, **buffers = array.buffers;
    hr_batch *loose = target_batch((const column_spec[]){{"c1", "text", NULL, false, false}}, 1);
    array.buffers = validity;
    array.null_count = 1;
    CHECK(hr_arrow_import_batch(&schema, &array, loose, &error) == HR_OK && strcmp(text_of(loose, 0, 2), "\\N\nb\n") == 0);
    CHECK(hr_arrow_import_batch(&schema, &array, batch, &error) == HR_EDATA && error.row == 0);
    array.buffers = buffers;
    hr_batch_free(loose);
    hr_batch_free(batch);
    array.release(&array);
    schema.release(&schema);
    hr_batch_free(from);
}

/* Each allocation of an import fails once: nothing was added, nothing leaks, and the next try succeeds. */
static void test_import_faults(void)
{
    hr_batch *batch = all_batch();
    struct ArrowSchema schema;
    struct ArrowArray array;
    hr_error error;
    bool fired = true;

    CHECK(hr_arrow_export_schema(batch->schema, &schema, &error) == HR_OK && hr_arrow_export_batch(batch, NULL, NULL, &array,
                                                                                                   &error) == HR_OK);
    for (long n = 1; fired; n++) {
        hr_schema *read;
        hr_batch *back = NULL;
        hr_fault_arm(n, false);
        int rc = hr_arrow_import_schema(&schema, &read, &error);
        fired = hr_fault_fired();
        if (rc != HR_OK) {
            CHECK(rc == HR_ENOMEM && fired && read == NULL);
            continue;
        }
        hr_fault_arm(0, false);
        if (hr_batch_new(read, &back, NULL) != HR_OK)
            abort();
        hr_schema_release(read);
        if (fired) { /* a failure that did no harm */
            hr_batch_free(back);
            continue;
        }
        hr_batch_free(back);
    }
    fired = true;
    for (long n = 1; fired; n++) {
        hr_batch *back;
        /* Other types than the array's, so that values go through text as well. */
        const column_spec columns[] = {{"c2", "text", NULL, false, true}, {"c20", "text[]", NULL, false, false}, {"c13", "text", NULL,
                                                                                                                  false, false},
                                       {"c17", "numeric", NULL, false, false}, {"c6", "text", NULL, false, false}, {"z", "text", NULL,
                                                                                                                    false, true}};
        back = target_batch(columns, 6);
        hr_fault_arm(n, false);
        int rc = hr_arrow_import_batch(&schema, &array, back, &error);
        fired = hr_fault_fired();
        hr_fault_arm(0, false);
        CHECK(rc == (fired ? HR_ENOMEM : HR_OK), "allocation %ld: %s", n, error.message);
        for (int i = 0; i < 6; i++)
            CHECK(back->columns[i].length == (fired ? 0 : 12));
        if (fired)
            CHECK(hr_arrow_import_batch(&schema, &array, back, &error) == HR_OK && back->length == 12);
        hr_batch_free(back);
    }
    array.release(&array);
    schema.release(&schema);
    hr_batch_free(batch);
}

static void no_release(struct ArrowSchema *schema)
{
    schema->release = NULL;
}

/* Lists and dictionaries within each other, however many: an error, not the end of the stack. */
static void test_nesting(void)
{
    static struct ArrowSchema nodes[300000], *children[300000];
    const size_t count = sizeof(nodes) / sizeof(nodes[0]);
    struct ArrowSchema *column = &nodes[0];
    struct ArrowSchema table = {.format = "+s", .name = "", .n_children = 1, .children = &column, .release = no_release};
    hr_schema *schema;
    hr_error error;

    for (int kind = 0; kind < 3; kind++) {
        for (size_t i = 0; i < count; i++) {
            bool list = kind == 0 || (kind == 2 && i % 2 == 0);
            nodes[i] = (struct ArrowSchema){.format = i + 1 == count ? "i" : list ? "+l" : "i", .name = "x", .release = no_release};
            if (i + 1 == count)
                continue;
            children[i] = &nodes[i + 1];
            if (list) {
                nodes[i].n_children = 1;
                nodes[i].children = &children[i];
            } else {
                nodes[i].dictionary = &nodes[i + 1];
            }
        }
        CHECK(hr_arrow_import_schema(&table, &schema, &error) == HR_EUSAGE && schema == NULL, "%s", error.message);
        CHECK(strstr(error.message, "nested deeper") != NULL, "%s", error.message);
    }
}

int main(void)
{
    test_round_trip();
    test_import_by_name();
    test_nesting();
    test_import_faults();
    return CHECK_DONE();
}
