/* csrc/core/dedupe.c: a hash table of rows, open addressing, linear probing. The hash is XXH3 (xxhash.com). */
#include "dedupe.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

/* The bytes of one value that decide equality. */
static const void *hr_dedupe_bytes(const hr_column *column, int64_t row, size_t *n, uint8_t *bit)
{
    const hr_type_ops *ops = hr_type_ops_of(column->type);

    switch (ops->storage) {
    case HR_STORE_BITS:
        *bit = hr_column_get_bool(column, row);
        *n = 1;
        return bit;
    case HR_STORE_FIXED: *n = (size_t)ops->width; return column->values + (size_t)row * (size_t)ops->width;
    case HR_STORE_BYTES: return hr_column_get_bytes(column, row, n);
    case HR_STORE_LIST: break;
    }
    *n = 0; /* lists: all hash alike and none is equal, see hr_dedupe_equal */
    return bit;
}

static bool hr_dedupe_has_null(const hr_batch *batch, const int32_t *columns, int32_t count, int64_t row)
{
    for (int32_t i = 0; i < count; i++)
        if (hr_column_is_null(&batch->columns[columns[i]], row) || batch->columns[columns[i]].child != NULL)
            return true;
    return false;
}

static uint64_t hr_dedupe_hash(const hr_batch *batch, const int32_t *columns, int32_t count, int64_t row)
{
    uint64_t hash = 0;

    for (int32_t i = 0; i < count; i++) {
        uint8_t bit;
        size_t n;
        const void *bytes = hr_dedupe_bytes(&batch->columns[columns[i]], row, &n, &bit);
        hash = XXH3_64bits_withSeed(bytes, n, hash);
    }
    return hash;
}

static bool hr_dedupe_equal(const hr_batch *batch, const int32_t *columns, int32_t count, int64_t a, int64_t b)
{
    for (int32_t i = 0; i < count; i++) {
        uint8_t bit_a, bit_b;
        size_t n, m;
        const void *x = hr_dedupe_bytes(&batch->columns[columns[i]], a, &n, &bit_a);
        const void *y = hr_dedupe_bytes(&batch->columns[columns[i]], b, &m, &bit_b);
        if (n != m || memcmp(x, y, n) != 0)
            return false;
    }
    return true;
}

/* Room for `rows` rows. */
static int hr_dedupe_reserve(hr_dedupe *dedupe, int64_t rows, hr_error *error)
{
    size_t slots = 64;

    if (rows > dedupe->row_capacity) {
        uint32_t *grown = hr_realloc(dedupe->rows, sizeof(*grown) * (size_t)rows);
        if (grown == NULL)
            return hr_error_nomem(error);
        dedupe->rows = grown;
        dedupe->row_capacity = rows;
    }
    while (slots < (size_t)rows * 2)
        slots *= 2;
    if (slots > dedupe->slot_count) {
        uint32_t *grown = hr_realloc(dedupe->slots, sizeof(*grown) * slots);
        if (grown == NULL)
            return hr_error_nomem(error);
        dedupe->slots = grown;
        dedupe->slot_count = slots;
    }
    memset(dedupe->slots, 0, sizeof(*dedupe->slots) * dedupe->slot_count);
    return HR_OK;
}

int hr_dedupe_last(hr_dedupe *dedupe, const hr_batch *batch, const int32_t *columns, int32_t count, int64_t lower, int64_t upper,
                   hr_error *error)
{
    size_t mask;
    int64_t kept;

    dedupe->count = 0;
    HR_RETURN_NOT_OK(hr_dedupe_reserve(dedupe, upper - lower, error));
    mask = dedupe->slot_count - 1;
    kept = upper - lower;
    /* From the end: the first seen of a key is its last, and the answer fills from the back. */
    for (int64_t row = upper - 1; row >= lower; row--) {
        if (!hr_dedupe_has_null(batch, columns, count, row)) {
            size_t slot = (size_t)hr_dedupe_hash(batch, columns, count, row) & mask;
            while (dedupe->slots[slot] != 0 && !hr_dedupe_equal(batch, columns, count, (int64_t)dedupe->slots[slot] - 1, row))
                slot = (slot + 1) & mask;
            if (dedupe->slots[slot] != 0)
                continue;
            dedupe->slots[slot] = (uint32_t)row + 1;
        }
        dedupe->rows[--kept] = (uint32_t)row;
    }
    dedupe->count = upper - lower - kept;
    if (dedupe->count > 0) /* without rows there may be no memory yet */
        memmove(dedupe->rows, dedupe->rows + kept, sizeof(*dedupe->rows) * (size_t)dedupe->count);
    return HR_OK;
}

void hr_dedupe_free(hr_dedupe *dedupe)
{
    hr_free(dedupe->slots);
    hr_free(dedupe->rows);
    memset(dedupe, 0, sizeof(*dedupe));
}
