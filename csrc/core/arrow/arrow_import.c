/* csrc/core/arrow/arrow_import.c: the rows of an Arrow struct array into a batch.
 *
 * Columns meet by name: a batch column takes the Arrow column called like its key (its own name, unless it was mapped to another key).
 */
#include "arrow_field.h"

/* One import at work. */
typedef struct hr_arrow_import {
    hr_arena arena;
    hr_buffer text;
    hr_arrow_field *fields;           /* one for each batch column; unused where arrays[i] is NULL */
    const struct ArrowArray **arrays; /* for each batch column */
} hr_arrow_import;

static void hr_arrow_import_close(hr_arrow_import *import, int32_t count)
{
    if (import->fields != NULL)
        for (int32_t i = 0; i < count; i++)
            hr_arrow_field_close(&import->fields[i]);
    hr_buffer_free(&import->text);
    hr_arena_free(&import->arena);
}

/* How many buffers a layout has at least. */
static int64_t hr_arrow_buffer_count(hr_arrow_code code)
{
    switch (code) {
    case HR_ARROW_NULL: return 0;
    case HR_ARROW_FIXED_LIST: return 1;
    case HR_ARROW_BYTES:
    case HR_ARROW_LARGE_BYTES:
    case HR_ARROW_VIEWS: return 3;
    default: return 2;
    }
}

int hr_arrow_field_check(const hr_arrow_field *field, const struct ArrowArray *array, const char *name, hr_error *error)
{
    int64_t buffers = hr_arrow_buffer_count(field->code);

    if (array == NULL || array->release == NULL)
        return hr_error_set(error, HR_EUSAGE, "column \"%s\": the Arrow array was released before it was read", name);
    if (array->length < 0 || array->offset < 0 || array->n_buffers < buffers || (buffers > 0 && array->buffers == NULL))
        return hr_error_set(error, HR_EUSAGE, "column \"%s\": the Arrow array does not fit its schema (%lld buffers, %lld expected)", name,
                            (long long)array->n_buffers, (long long)buffers);
    if (buffers > 1 && array->length > 0 && array->buffers[1] == NULL)
        return hr_error_set(error, HR_EUSAGE, "column \"%s\": the Arrow array has no values", name);
    if (field->dictionary != NULL)
        return hr_arrow_field_check(field->dictionary, array->dictionary, name, error);
    if (field->item != NULL) {
        if (array->n_children != 1 || array->children == NULL)
            return hr_error_set(error, HR_EUSAGE, "column \"%s\": the Arrow list has no child", name);
        return hr_arrow_field_check(field->item, array->children[0], name, error);
    }
    return HR_OK;
}

/* The key under which a batch column looks for its Arrow column, or NULL when it takes none. */
static const char *hr_arrow_key(const hr_column_def *def)
{
    if (def->from == HR_FROM_NOTHING)
        return NULL;
    return def->from == HR_FROM_PATH && def->depth == 1 ? def->path[0] : def->name;
}

/* The child called name: -1 for none, -2 for more than one. */
static int64_t hr_arrow_child(const struct ArrowSchema *schema, const char *name)
{
    int64_t found = -1;

    for (int64_t i = 0; i < schema->n_children; i++) {
        if (schema->children[i]->name == NULL || strcmp(schema->children[i]->name, name) != 0)
            continue;
        if (found >= 0)
            return -2;
        found = i;
    }
    return found;
}

/* With unknown=reject every Arrow column must be wanted by somebody. */
static int hr_arrow_check_unknown(const struct ArrowSchema *in, const hr_schema *schema, hr_error *error)
{
    for (int64_t i = 0; i < in->n_children && schema->unknown == HR_UNKNOWN_REJECT; i++) {
        const char *name = in->children[i]->name != NULL ? in->children[i]->name : "";
        bool wanted = false;
        for (int32_t k = 0; k < schema->count && !wanted; k++) {
            const char *key = hr_arrow_key(&schema->columns[k]);
            wanted = key != NULL && strcmp(key, name) == 0;
        }
        if (!wanted)
            return hr_error_set(error, HR_EUSAGE, "no column takes the Arrow column \"%s\": drop it, or do not ask for unknown=reject",
                                name);
    }
    return HR_OK;
}

/* Find and check the Arrow column of every batch column. */
static int hr_arrow_import_open(hr_arrow_import *import, const struct ArrowSchema *in, const struct ArrowArray *array, hr_batch *batch,
                                hr_error *error)
{
    const hr_schema *schema = batch->schema;
    size_t count = (size_t)schema->count + 1;

    if (in->format == NULL || strcmp(in->format, "+s") != 0 || array->release == NULL || array->n_children != in->n_children ||
        array->n_buffers < 1 || array->buffers == NULL || array->length < 0 || array->offset < 0)
        return hr_error_set(error, HR_EUSAGE, "this is not a table: an Arrow struct array and its own schema were expected");
    HR_RETURN_NOT_OK(hr_arrow_check_unknown(in, schema, error));
    import->fields = hr_arena_alloc(&import->arena, sizeof(*import->fields) * count);
    import->arrays = hr_arena_alloc(&import->arena, sizeof(*import->arrays) * count);
    if (import->fields == NULL || import->arrays == NULL) {
        import->fields = NULL;
        return hr_error_nomem(error);
    }
    memset(import->fields, 0, sizeof(*import->fields) * count);
    for (int32_t i = 0; i < schema->count; i++) {
        const hr_column_def *def = &schema->columns[i];
        const char *key = hr_arrow_key(def);
        int64_t at = key != NULL ? hr_arrow_child(in, key) : -1;

        import->arrays[i] = NULL;
        if (at == -2)
            return hr_error_set(error, HR_EUSAGE, "two Arrow columns are called \"%s\": rename one", key);
        if (at < 0 && def->not_null && !def->has_default && key != NULL)
            return hr_error_set(error, HR_EUSAGE, "column \"%s\" is NOT NULL, but there is no Arrow column \"%s\"", def->name, key);
        if (at < 0)
            continue;
        HR_RETURN_NOT_OK(hr_arrow_field_open(in->children[at], key, &import->arena, &import->fields[i], error));
        HR_RETURN_NOT_OK(hr_arrow_field_check(&import->fields[i], array->children[at], key, error));
        if (array->children[at]->length - array->offset < array->length) /* none of them is negative, but their sum may be too large */
            return hr_error_set(error, HR_EUSAGE, "column \"%s\": the Arrow array is shorter than its table", key);
        import->arrays[i] = array->children[at];
    }
    return HR_OK;
}

/* One column: all rows of the array. *row is where it stopped. */
static int hr_arrow_import_column(hr_arrow_import *import, int32_t index, const struct ArrowArray *in, hr_batch *batch, int64_t *row,
                                  hr_error *error)
{
    const hr_column_def *def = &batch->schema->columns[index];
    const uint8_t *rows_valid = in->null_count != 0 ? in->buffers[0] : NULL;
    const struct ArrowArray *array = import->arrays[index];
    hr_column *column = &batch->columns[index];

    HR_RETURN_NOT_OK(hr_column_reserve(column, in->length, error));
    for (*row = 0; *row < in->length; (*row)++) {
        int64_t at = in->offset + *row;
        bool is_null = array == NULL || (rows_valid != NULL && !((rows_valid[at >> 3] >> (at & 7)) & 1));

        if (!is_null && def->not_null)
            HR_RETURN_NOT_OK(hr_arrow_field_is_null(&import->fields[index], array, at, &is_null, error));
        if (is_null && array != NULL && def->not_null)
            return hr_error_data(error, HR_REASON_NULL, NULL, 0, "column \"%s\" is NOT NULL, but the Arrow column has a null for it",
                                 def->name);
        if (is_null)
            HR_RETURN_NOT_OK(hr_column_append_null(column, error));
        else
            HR_RETURN_NOT_OK(hr_arrow_field_append(&import->fields[index], array, at, column, &import->text, error));
    }
    return HR_OK;
}

/* The same without a copy, if that can be. Rows of the table that are null as a whole are only known to the copy. */
static bool hr_arrow_import_lent(hr_arrow_import *import, int32_t index, const struct ArrowArray *in, hr_batch *batch)
{
    const struct ArrowArray *array = import->arrays[index];

    if (array == NULL || (in->null_count != 0 && in->buffers[0] != NULL))
        return false;
    return hr_arrow_lend_column(&import->fields[index], array, in->offset, in->length, batch->schema->columns[index].not_null,
                                &batch->columns[index]);
}

/* The new rows' absent words: the columns with a default that have no Arrow column. */
static int hr_arrow_import_absent(hr_arrow_import *import, int64_t rows, hr_batch *batch, hr_error *error)
{
    uint64_t absent = 0;

    for (int32_t i = 0; i < batch->schema->count; i++)
        if (import->arrays[i] == NULL && batch->schema->columns[i].has_default)
            absent |= UINT64_C(1) << hr_schema_default_bit(batch->schema, i);
    for (int64_t i = 0; i < rows; i++) {
        HR_RETURN_NOT_OK(hr_batch_reserve_absent(batch, error));
        batch->absent[batch->length++] = absent;
    }
    return HR_OK;
}

/* Everything or nothing: on failure the batch is as it was. error->row counts in `in`; error->value is only set when it points into it. */
int hr_arrow_import_batch(const struct ArrowSchema *schema, const struct ArrowArray *in, hr_batch *batch, hr_error *error)
{
    return hr_arrow_import_rows(schema, in, batch, NULL, error);
}

int hr_arrow_import_rows(const struct ArrowSchema *schema, const struct ArrowArray *in, hr_batch *batch, bool *any_lent, hr_error *error)
{
    hr_arrow_import import = {0};
    const int64_t before = batch->length;
    int64_t row = -1;
    int32_t column = 0;
    int rc;

    hr_arena_init(&import.arena, 0);
    rc = hr_arrow_import_open(&import, schema, in, batch, error);
    for (; rc == HR_OK && column < batch->schema->count; column++) {
        if (any_lent != NULL && hr_arrow_import_lent(&import, column, in, batch)) {
            *any_lent = true;
            continue;
        }
        rc = hr_arrow_import_column(&import, column, in, batch, &row, error);
        if (rc != HR_OK && error != NULL && rc != HR_ENOMEM) {
            error->row = row;
            error->column = column;
            if (import.fields[column].code != HR_ARROW_BYTES && import.fields[column].code != HR_ARROW_LARGE_BYTES) {
                error->value = NULL; /* it was in our scratch */
                error->value_len = 0;
            }
        }
    }
    if (rc == HR_OK && batch->schema->default_count > 0)
        rc = hr_arrow_import_absent(&import, in->length, batch, error);
    else if (rc == HR_OK)
        batch->length += in->length;
    if (rc != HR_OK) {
        hr_batch_truncate(batch, before);
        for (int32_t i = 0; any_lent != NULL && i < batch->schema->count; i++)
            hr_column_unlend(&batch->columns[i]);
    }
    hr_arrow_import_close(&import, batch->schema->count);
    return rc;
}
