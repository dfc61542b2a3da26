/* tests/core/decode_fixture.h: schemas, records and rows in a few words, for the tests of the decoders. */
#ifndef HR_TESTS_DECODE_FIXTURE_H
#define HR_TESTS_DECODE_FIXTURE_H

#include "check.h"
#include "core/decode/decode.h"

typedef struct fixture_column {
    const char *name;
    hr_kind kind;
    const char *source; /* NULL: the key of the same name */
    bool not_null, has_default;
} fixture_column;

static inline hr_type fixture_type(hr_kind kind)
{
    static const char *const labels[] = {"new", "paid", "sent"};
    static const hr_type element = {.kind = HR_INT4, .typmod = -1, .scale = -1, .max_chars = -1, .name = "integer"};
    hr_type type = {.kind = kind, .typmod = -1, .scale = -1, .max_chars = -1, .name = hr_type_table[kind]->name, .delimiter = ','};

    if (kind == HR_DECIMAL) {
        type.precision = 12;
        type.scale = 2;
        type.name = "numeric(12,2)";
    }
    if (kind == HR_ENUM) {
        type.labels = labels;
        type.label_count = 3;
        type.name = "state";
    }
    if (kind == HR_ARRAY) {
        type.element = &element;
        type.name = "integer[]";
    }
    return type;
}

static inline hr_schema *fixture_schema(const fixture_column *columns, size_t count)
{
    hr_schema *schema;
    hr_error error;

    if (hr_schema_new(&schema, &error) != HR_OK)
        abort();
    for (size_t i = 0; i < count; i++) {
        hr_type type = fixture_type(columns[i].kind);
        int32_t index = 0;

        if (hr_schema_add(schema, columns[i].name, &type, columns[i].not_null, columns[i].has_default, &index, &error) != HR_OK)
            abort();
        if (columns[i].source != NULL && hr_schema_map(schema, index, columns[i].source, &error) != HR_OK)
            abort();
    }
    return schema;
}

/* A decoder with its batch. */
typedef struct fixture {
    hr_schema *schema;
    hr_decoder *decoder;
    hr_batch *batch;
    hr_error error;
} fixture;

/* Takes over the schema. */
static inline void fixture_open(fixture *f, const char *format, hr_schema *schema, const hr_decode_options *options)
{
    memset(f, 0, sizeof(*f));
    f->schema = schema;
    if (hr_decoder_new(hr_format_find(format), schema, options, &f->decoder, &f->error) != HR_OK) {
        fprintf(stderr, "hr_decoder_new: %s\n", f->error.message);
        abort();
    }
    if (hr_batch_new(schema, &f->batch, &f->error) != HR_OK)
        abort();
}

static inline void fixture_close(fixture *f)
{
    hr_decoder_free(f->decoder);
    hr_batch_free(f->batch);
    hr_schema_release(f->schema);
    memset(f, 0, sizeof(*f));
}

/* Decode n bytes, from memory of exactly that size, so that the sanitizer sees every byte too many. f->error.value is made safe. */
static inline int fixture_decode_n(fixture *f, const char *text, size_t n)
{
    char *copy = malloc(n ? n : 1);
    hr_record record = {.data = copy, .len = n, .offset = 42, .timestamp = HR_NO_TIMESTAMP};
    int rc;

    memcpy(copy, text, n);
    hr_error_clear(&f->error);
    rc = hr_decoder_decode(f->decoder, &record, f->batch, &f->error);
    if (f->error.value != NULL && f->error.value >= copy && f->error.value <= copy + n)
        f->error.value = text + (f->error.value - copy);
    free(copy);
    return rc;
}

static inline int fixture_decode(fixture *f, const char *text)
{
    return fixture_decode_n(f, text, strlen(text));
}

/* The value as text, "<null>" for null; valid until the fourth call after. */
static inline const char *fixture_value(const fixture *f, const char *column, int64_t row)
{
    static hr_buffer texts[4];
    static int turn;
    hr_buffer *text = &texts[turn++ & 3];
    int32_t index = hr_schema_find(f->schema, column);
    const hr_column *values = &f->batch->columns[index];

    if (hr_column_is_null(values, row))
        return "<null>";
    text->size = 0;
    if (hr_type_ops_of(values->type)->write_text(values->type, values, row, text, NULL) != HR_OK ||
        hr_buffer_append(text, "", 1, NULL) != HR_OK)
        abort();
    return (const char *)text->data;
}

/* Every column has as many rows as the batch, and its last offset is where its bytes end. */
static inline bool fixture_consistent(const hr_batch *batch)
{
    for (int32_t i = 0; i < batch->schema->count; i++) {
        const hr_column *column = &batch->columns[i];
        int64_t nulls = 0;

        if (column->length != batch->length)
            return false;
        for (int64_t row = 0; row < column->length; row++)
            nulls += hr_column_is_null(column, row);
        if (nulls != column->null_count)
            return false;
        if (column->offsets != NULL && column->child == NULL && (size_t)column->offsets[column->length] != column->bytes.size)
            return false;
        if (column->offsets != NULL && column->child != NULL && column->offsets[column->length] != column->child->length)
            return false;
    }
    return true;
}

#define CHECK_VALUE(f, column, row, want)                                                      \
    do {                                                                                       \
        const char *got_ = fixture_value((f), (column), (row));                                \
        CHECK(strcmp(got_, (want)) == 0, "%s is \"%s\", want \"%s\"", (column), got_, (want)); \
    } while (0)

#endif
