/* csrc/core/take.c: gathering rows, column by column. */
#include "take.h"

/* Bits: one by one. */
static int hr_take_bits(const hr_column *column, const uint32_t *rows, int64_t n, hr_column *out, hr_error *error)
{
    for (int64_t i = 0; i < n; i++)
        HR_RETURN_NOT_OK(hr_column_is_null(column, rows[i]) ? hr_column_append_null(out, error)
                                                            : hr_column_append_bool(out, hr_column_get_bool(column, rows[i]), error));
    return HR_OK;
}

/* Fixed widths: room is reserved, so a row is one memcpy. */
static int hr_take_fixed(const hr_column *column, const uint32_t *rows, int64_t n, hr_column *out, hr_error *error)
{
    size_t width = (size_t)hr_type_ops_of(column->type)->width;

    for (int64_t i = 0; i < n; i++) {
        if (hr_column_is_null(column, rows[i])) {
            HR_RETURN_NOT_OK(hr_column_append_null(out, error));
            continue;
        }
        memcpy(out->values + (size_t)out->length * width, column->values + (size_t)rows[i] * width, width);
        hr_column_finish(out);
    }
    return HR_OK;
}

static int hr_take_bytes(const hr_column *column, const uint32_t *rows, int64_t n, hr_column *out, hr_error *error)
{
    for (int64_t i = 0; i < n; i++) {
        const char *bytes;
        size_t size;

        if (hr_column_is_null(column, rows[i])) {
            HR_RETURN_NOT_OK(hr_column_append_null(out, error));
            continue;
        }
        bytes = hr_column_get_bytes(column, rows[i], &size);
        HR_RETURN_NOT_OK(hr_column_append_bytes(out, bytes, size, error));
    }
    return HR_OK;
}

/* A list's elements stand side by side in the child: a row is a run of child rows. Lists hold no lists, so this goes one level deep. */
static int hr_take_list(const hr_column *column, const uint32_t *rows, int64_t n, hr_column *out, hr_error *error)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t run[64];
        int32_t at, end;

        if (hr_column_is_null(column, rows[i])) {
            HR_RETURN_NOT_OK(hr_column_append_null(out, error));
            continue;
        }
        at = column->offsets[rows[i]];
        end = column->offsets[rows[i] + 1];
        while (at < end) {
            int32_t count = end - at < 64 ? end - at : 64;

            for (int32_t k = 0; k < count; k++)
                run[k] = (uint32_t)(at + k);
            HR_RETURN_NOT_OK(hr_column_take(column->child, run, count, out->child, error));
            at += count;
        }
        HR_RETURN_NOT_OK(hr_column_append_list(out, error));
    }
    return HR_OK;
}

int hr_column_take(const hr_column *column, const uint32_t *rows, int64_t n, hr_column *out, hr_error *error)
{
    HR_RETURN_NOT_OK(hr_column_reserve(out, n, error));
    switch (hr_type_ops_of(column->type)->storage) {
    case HR_STORE_BITS: return hr_take_bits(column, rows, n, out, error);
    case HR_STORE_FIXED: return hr_take_fixed(column, rows, n, out, error);
    case HR_STORE_BYTES: return hr_take_bytes(column, rows, n, out, error);
    case HR_STORE_LIST: return hr_take_list(column, rows, n, out, error);
    }
    return HR_OK;
}

int hr_batch_take(const hr_batch *batch, const uint32_t *rows, int64_t n, hr_batch **out, hr_error *error)
{
    hr_batch *taken;
    int rc;

    *out = NULL;
    rc = hr_batch_new(batch->schema, &taken, error);
    for (int32_t i = 0; rc == HR_OK && i < batch->schema->count; i++)
        rc = hr_column_take(&batch->columns[i], rows, n, &taken->columns[i], error);
    for (int64_t i = 0; rc == HR_OK && batch->absent != NULL && i < n; i++) {
        rc = hr_batch_reserve_absent(taken, error);
        if (rc == HR_OK)
            taken->absent[taken->length++] = batch->absent[rows[i]];
    }
    if (rc != HR_OK) {
        hr_batch_free(taken);
        return rc;
    }
    taken->length = n;
    *out = taken;
    return HR_OK;
}
