/* csrc/core/batch.h: columns of decoded records in Arrow layout. */
#ifndef HR_CORE_BATCH_H
#define HR_CORE_BATCH_H

#include "schema.h"

/* One column being filled, or full. The buffers are Arrow's (type.h has the layouts).
 * validity is NULL until the first null; then one bit a row, 1 = valid. */
typedef struct hr_column {
    const hr_type *type; /* owned by the schema */
    int64_t length;
    int64_t null_count;
    int64_t capacity;  /* rows that validity/values/offsets have room for */
    uint8_t *validity;
    uint8_t *values;   /* HR_STORE_BITS, HR_STORE_FIXED */
    int32_t *offsets;  /* HR_STORE_BYTES, HR_STORE_LIST: length + 1 */
    hr_buffer bytes;   /* HR_STORE_BYTES: the data */
    struct hr_column *child; /* HR_STORE_LIST */
    bool lent; /* the buffers belong to the batch's lender: they are read, and neither written nor freed */
} hr_column;

typedef struct hr_batch {
    hr_schema *schema; /* retained */
    int64_t length;
    hr_column *columns; /* schema->count of them */
    int32_t borrowed;   /* the first so many columns, and absent, belong to another batch that outlives this one (widen.h); usually 0 */
    /* One word a row, when the schema has columns with defaults: bit i set = the i-th such column was absent from the record and
     * the server's default applies (its value in the column is null). NULL when there are none. */
    uint64_t *absent;
    int64_t absent_capacity;
    void *lender; /* whose buffers the columns marked `lent` are; given back once, when the batch is freed */
    void (*give_back)(void *lender);
} hr_batch;

/* Column life. init allocates nothing for rows. */
int hr_column_init(hr_column *column, const hr_type *type, hr_error *error);
void hr_column_free(hr_column *column);
/* Forget lent buffers: the column is empty, and its own again. Nothing else when it was its own. */
void hr_column_unlend(hr_column *column);
/* Make room for `more` rows (not for their bytes). */
int hr_column_reserve_slow(hr_column *column, int64_t more, hr_error *error);
/* Drop all rows from `length` on, in the child and the bytes as well: the way back after a row failed half-way. */
void hr_column_truncate(hr_column *column, int64_t length);
int hr_column_append_null(hr_column *column, hr_error *error);
/* Called after the first null: allocate validity and mark all rows so far valid. */
int hr_column_make_validity(hr_column *column, hr_error *error);

static inline int hr_column_reserve(hr_column *column, int64_t more, hr_error *error)
{
    if (HR_LIKELY(column->capacity - column->length >= more))
        return HR_OK;
    return hr_column_reserve_slow(column, more, error);
}

static inline bool hr_column_is_null(const hr_column *column, int64_t row)
{
    return column->validity != NULL && !((column->validity[row >> 3] >> (row & 7)) & 1);
}

/* Mark the row just written (index length) valid and count it. Room must have been reserved. */
static inline void hr_column_finish(hr_column *column)
{
    if (column->validity != NULL)
        column->validity[column->length >> 3] |= (uint8_t)(1u << (column->length & 7));
    column->length++;
}

#define HR_COLUMN_APPENDER(suffix, ctype)                                                             \
    static inline int hr_column_append_##suffix(hr_column *column, ctype value, hr_error *error)      \
    {                                                                                                 \
        HR_RETURN_NOT_OK(hr_column_reserve(column, 1, error));                                        \
        memcpy(column->values + (size_t)column->length * sizeof(ctype), &value, sizeof(ctype));       \
        hr_column_finish(column);                                                                     \
        return HR_OK;                                                                                 \
    }                                                                                                 \
    static inline ctype hr_column_get_##suffix(const hr_column *column, int64_t row)                  \
    {                                                                                                 \
        ctype value;                                                                                  \
        memcpy(&value, column->values + (size_t)row * sizeof(ctype), sizeof(ctype));                  \
        return value;                                                                                 \
    }
HR_COLUMN_APPENDER(int16, int16_t)
HR_COLUMN_APPENDER(int32, int32_t)
HR_COLUMN_APPENDER(int64, int64_t)
HR_COLUMN_APPENDER(float, float)
HR_COLUMN_APPENDER(double, double)
HR_COLUMN_APPENDER(decimal, hr_decimal128)
HR_COLUMN_APPENDER(interval, hr_interval)
#undef HR_COLUMN_APPENDER

static inline int hr_column_append_bool(hr_column *column, bool value, hr_error *error)
{
    HR_RETURN_NOT_OK(hr_column_reserve(column, 1, error));
    uint8_t mask = (uint8_t)(1u << (column->length & 7));
    uint8_t *byte = &column->values[column->length >> 3];
    *byte = value ? (uint8_t)(*byte | mask) : (uint8_t)(*byte & ~mask);
    hr_column_finish(column);
    return HR_OK;
}

static inline bool hr_column_get_bool(const hr_column *column, int64_t row)
{
    return (column->values[row >> 3] >> (row & 7)) & 1;
}

/* 16 raw bytes (uuid). */
static inline int hr_column_append_16(hr_column *column, const uint8_t value[16], hr_error *error)
{
    HR_RETURN_NOT_OK(hr_column_reserve(column, 1, error));
    memcpy(column->values + (size_t)column->length * 16, value, 16);
    hr_column_finish(column);
    return HR_OK;
}

/* n bytes. HR_ENOMEM when the column's bytes would pass 2 GiB (a batch is far smaller). */
static inline int hr_column_append_bytes(hr_column *column, const void *value, size_t n, hr_error *error)
{
    HR_RETURN_NOT_OK(hr_column_reserve(column, 1, error));
    if (HR_UNLIKELY(n > (size_t)INT32_MAX - column->bytes.size))
        return hr_error_nomem(error);
    HR_RETURN_NOT_OK(hr_buffer_append(&column->bytes, value, n, error));
    column->offsets[column->length + 1] = (int32_t)column->bytes.size;
    hr_column_finish(column);
    return HR_OK;
}

static inline const char *hr_column_get_bytes(const hr_column *column, int64_t row, size_t *n)
{
    *n = (size_t)(column->offsets[row + 1] - column->offsets[row]);
    /* a column of nothing but empty values owns no bytes, and not even 0 may be added to NULL */
    return HR_UNLIKELY(column->bytes.data == NULL) ? "" : (const char *)column->bytes.data + column->offsets[row];
}

/* A list: append its elements to column->child first, then call this. */
static inline int hr_column_append_list(hr_column *column, hr_error *error)
{
    HR_RETURN_NOT_OK(hr_column_reserve(column, 1, error));
    if (HR_UNLIKELY(column->child->length > INT32_MAX))
        return hr_error_nomem(error);
    column->offsets[column->length + 1] = (int32_t)column->child->length;
    hr_column_finish(column);
    return HR_OK;
}

/* An empty batch of this schema, which it retains. */
int hr_batch_new(hr_schema *schema, hr_batch **out, hr_error *error);
void hr_batch_free(hr_batch *batch); /* NULL is fine */
/* Forget the rows, keep the memory. */
void hr_batch_clear(hr_batch *batch);
/* Drop all rows from `length` on. */
void hr_batch_truncate(hr_batch *batch, int64_t length);
/* Make room for the absent word of one more row; called by decoders when schema->default_count > 0. */
int hr_batch_reserve_absent(hr_batch *batch, hr_error *error);
/* Bytes held by the batch, for memory accounting. */
size_t hr_batch_memory(const hr_batch *batch);

#endif
