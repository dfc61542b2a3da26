/* tests/core/rows.h: small batches from text and back to text, for tests that need some rows. */
#ifndef HR_TESTS_ROWS_H
#define HR_TESTS_ROWS_H

#include "check.h"
#include "core/copy/copy.h"

/* A batch with columns c0, c1... of these types (NULL ends them). */
static inline hr_batch *make_batch(const char *const *types)
{
    hr_schema *schema;
    hr_batch *batch;
    hr_type type;
    char name[32];

    if (hr_schema_new(&schema, NULL) != HR_OK)
        abort();
    for (int i = 0; types[i] != NULL; i++) {
        snprintf(name, sizeof(name), "c%d", i);
        if (hr_type_from_name(types[i], &schema->arena, &type, NULL) != HR_OK ||
            hr_schema_add(schema, name, &type, false, false, NULL, NULL) != HR_OK)
            abort();
    }
    if (hr_batch_new(schema, &batch, NULL) != HR_OK)
        abort();
    hr_schema_release(schema);
    return batch;
}

/* Append one row of values as text; NULL is null. */
static inline void add_row(hr_batch *batch, const char *const *values)
{
    hr_error error;

    for (int32_t i = 0; i < batch->schema->count; i++) {
        hr_column *column = &batch->columns[i];
        const hr_type_ops *ops = hr_type_ops_of(column->type);
        int rc = values[i] == NULL ? hr_column_append_null(column, &error)
                                   : ops->parse(column->type, HR_TOKEN_TEXT, values[i], strlen(values[i]), column, &error);
        if (rc != HR_OK) {
            fprintf(stderr, "%s: %s\n", values[i], error.message);
            abort();
        }
    }
    batch->length++;
}

/* Rows from..to as COPY text. The last two results stay valid. */
static inline const char *text_of(const hr_batch *batch, int64_t from, int64_t to)
{
    static hr_buffer out[2];
    static int turn;
    int32_t columns[64];
    hr_buffer *buffer = &out[turn++ % 2];

    buffer->size = 0;
    for (int32_t i = 0; i < 64; i++)
        columns[i] = i;
    for (int64_t i = from; i < to; i++)
        if (hr_copy_text.rows(batch, columns, batch->schema->count, &(uint32_t){(uint32_t)i}, 1, buffer, NULL) != HR_OK)
            abort();
    if (hr_buffer_append(buffer, "", 1, NULL) != HR_OK)
        abort();
    return (const char *)buffer->data;
}

#endif
