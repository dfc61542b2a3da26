/* csrc/core/batch.c: life, growth and roll-back of columns and batches. */
#include "batch.h"

#define HR_COLUMN_FIRST_ROWS 64

int hr_column_init(hr_column *column, const hr_type *type, hr_error *error)
{
    memset(column, 0, sizeof(*column));
    column->type = type;
    if (hr_type_ops_of(type)->storage == HR_STORE_LIST) {
        column->child = hr_calloc(1, sizeof(*column->child));
        if (column->child == NULL)
            return hr_error_nomem(error);
        return hr_column_init(column->child, type->element, error);
    }
    return HR_OK;
}

void hr_column_unlend(hr_column *column)
{
    const hr_type *type = column->type;

    if (!column->lent)
        return;
    memset(column, 0, sizeof(*column));
    column->type = type; /* lists are never lent: there is no child */
}

void hr_column_free(hr_column *column)
{
    hr_column_unlend(column);
    if (column->child != NULL) {
        hr_column_free(column->child);
        hr_free(column->child);
    }
    hr_free(column->validity);
    hr_free(column->values);
    hr_free(column->offsets);
    hr_buffer_free(&column->bytes);
    memset(column, 0, sizeof(*column));
}

/* Grow one block to `size` bytes. On failure it is unchanged. */
static int hr_grow(void **block, size_t size, hr_error *error)
{
    void *grown = hr_realloc(*block, size);

    if (grown == NULL)
        return hr_error_nomem(error);
    *block = grown;
    return HR_OK;
}

/* The same for bits, which are set one by one: new bytes are zero. */
static int hr_grow_bits(uint8_t **block, size_t old_rows, size_t rows, hr_error *error)
{
    size_t old_size = (old_rows + 7) / 8, size = (rows + 7) / 8;

    HR_RETURN_NOT_OK(hr_grow((void **)block, size, error));
    memset(*block + old_size, 0, size - old_size);
    return HR_OK;
}

/* Blocks may already be larger than `capacity` says after an earlier failure half-way: harmless, they are grown again. */
int hr_column_reserve_slow(hr_column *column, int64_t more, hr_error *error)
{
    const hr_type_ops *ops = hr_type_ops_of(column->type);
    int64_t capacity = column->capacity ? column->capacity : HR_COLUMN_FIRST_ROWS;
    size_t old_rows = (size_t)column->capacity;

    if (column->lent && column->length > 0)
        return hr_error_set(error, HR_EUSAGE, "rows cannot be added to a column whose memory belongs to another library");
    if (column->lent) {
        hr_column_unlend(column);
        capacity = HR_COLUMN_FIRST_ROWS;
        old_rows = 0;
    }
    if (more > INT32_MAX - column->length)
        return hr_error_nomem(error);
    while (capacity - column->length < more)
        capacity *= 2;
    if (column->validity != NULL)
        HR_RETURN_NOT_OK(hr_grow_bits(&column->validity, old_rows, (size_t)capacity, error));
    switch (ops->storage) {
    case HR_STORE_BITS: HR_RETURN_NOT_OK(hr_grow_bits(&column->values, old_rows, (size_t)capacity, error)); break;
    case HR_STORE_FIXED: HR_RETURN_NOT_OK(hr_grow((void **)&column->values, (size_t)capacity * (size_t)ops->width, error)); break;
    case HR_STORE_BYTES:
    case HR_STORE_LIST:
        HR_RETURN_NOT_OK(hr_grow((void **)&column->offsets, ((size_t)capacity + 1) * sizeof(int32_t), error));
        if (old_rows == 0)
            column->offsets[0] = 0;
        break;
    }
    column->capacity = capacity;
    return HR_OK;
}

int hr_column_make_validity(hr_column *column, hr_error *error)
{
    size_t bytes = ((size_t)column->capacity + 7) / 8;

    column->validity = hr_calloc(bytes ? bytes : 1, 1);
    if (column->validity == NULL)
        return hr_error_nomem(error);
    memset(column->validity, 0xff, (size_t)column->length / 8);
    for (int64_t i = column->length / 8 * 8; i < column->length; i++)
        column->validity[i >> 3] |= (uint8_t)(1u << (i & 7));
    return HR_OK;
}

int hr_column_append_null(hr_column *column, hr_error *error)
{
    const hr_type_ops *ops = hr_type_ops_of(column->type);
    int64_t row = column->length;

    HR_RETURN_NOT_OK(hr_column_reserve(column, 1, error));
    if (column->validity == NULL)
        HR_RETURN_NOT_OK(hr_column_make_validity(column, error));
    switch (ops->storage) {
    case HR_STORE_BITS: column->values[row >> 3] = (uint8_t)(column->values[row >> 3] & ~(1u << (row & 7))); break;
    case HR_STORE_FIXED: memset(column->values + (size_t)row * (size_t)ops->width, 0, (size_t)ops->width); break;
    case HR_STORE_BYTES:
    case HR_STORE_LIST: column->offsets[row + 1] = column->offsets[row]; break;
    }
    column->validity[row >> 3] = (uint8_t)(column->validity[row >> 3] & ~(1u << (row & 7)));
    column->length++;
    column->null_count++;
    return HR_OK;
}

void hr_column_truncate(hr_column *column, int64_t length)
{
    if (length > column->length)
        length = column->length; /* what lies behind the last offset is not ours to read */
    if (column->child != NULL)
        hr_column_truncate(column->child, column->offsets != NULL ? column->offsets[length] : 0);
    if (column->offsets != NULL)
        column->bytes.size = column->child == NULL ? (size_t)column->offsets[length] : 0;
    if (column->length <= length)
        return;
    if (length == 0)
        column->null_count = 0;
    else
        for (int64_t i = length; i < column->length; i++)
            column->null_count -= hr_column_is_null(column, i);
    column->length = length;
    if (column->lent)
        column->capacity = length; /* no room behind the last row is ours */
}

int hr_batch_new(hr_schema *schema, hr_batch **out, hr_error *error)
{
    hr_batch *batch = hr_calloc(1, sizeof(*batch));
    int rc = HR_OK;

    *out = NULL;
    if (batch == NULL)
        return hr_error_nomem(error);
    batch->schema = hr_schema_retain(schema);
    batch->columns = hr_calloc((size_t)schema->count + 1, sizeof(*batch->columns));
    if (batch->columns == NULL) {
        hr_batch_free(batch);
        return hr_error_nomem(error);
    }
    for (int32_t i = 0; i < schema->count && rc == HR_OK; i++)
        rc = hr_column_init(&batch->columns[i], &schema->columns[i].type, error);
    if (rc != HR_OK) {
        hr_batch_free(batch);
        return rc;
    }
    *out = batch;
    return HR_OK;
}

void hr_batch_free(hr_batch *batch)
{
    if (batch == NULL)
        return;
    if (batch->columns != NULL)
        for (int32_t i = batch->borrowed; i < batch->schema->count; i++)
            hr_column_free(&batch->columns[i]);
    hr_free(batch->columns);
    if (batch->borrowed == 0)
        hr_free(batch->absent);
    hr_schema_release(batch->schema);
    if (batch->lender != NULL)
        batch->give_back(batch->lender);
    hr_free(batch);
}

void hr_batch_truncate(hr_batch *batch, int64_t length)
{
    for (int32_t i = 0; i < batch->schema->count; i++)
        hr_column_truncate(&batch->columns[i], length);
    if (batch->length > length)
        batch->length = length;
}

void hr_batch_clear(hr_batch *batch)
{
    hr_batch_truncate(batch, 0);
}

int hr_batch_reserve_absent(hr_batch *batch, hr_error *error)
{
    if (batch->length < batch->absent_capacity)
        return HR_OK;
    int64_t capacity = batch->absent_capacity ? batch->absent_capacity * 2 : HR_COLUMN_FIRST_ROWS;
    uint64_t *absent = hr_realloc(batch->absent, (size_t)capacity * sizeof(*absent));
    if (absent == NULL)
        return hr_error_nomem(error);
    batch->absent = absent;
    batch->absent_capacity = capacity;
    return HR_OK;
}

static size_t hr_column_memory(const hr_column *column)
{
    const hr_type_ops *ops = hr_type_ops_of(column->type);
    size_t rows = (size_t)column->capacity;
    size_t total = column->bytes.capacity + (column->validity ? rows / 8 : 0);

    if (column->offsets != NULL)
        total += (rows + 1) * sizeof(int32_t);
    if (column->values != NULL)
        total += ops->storage == HR_STORE_BITS ? rows / 8 : rows * (size_t)ops->width;
    if (column->child != NULL)
        total += hr_column_memory(column->child);
    return total;
}

size_t hr_batch_memory(const hr_batch *batch)
{
    size_t total = sizeof(*batch) + (size_t)batch->absent_capacity * sizeof(*batch->absent);

    for (int32_t i = 0; i < batch->schema->count; i++)
        total += hr_column_memory(&batch->columns[i]);
    return total;
}
