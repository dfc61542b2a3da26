/* csrc/core/window/keys.c: a hash table of rows. */
#include "keys.h"

#include "core/take.h"
#include "value.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

int hr_window_keys_init(hr_window_keys *keys, hr_schema *schema, const int32_t *columns, uint64_t seed, hr_error *error)
{
    memset(keys, 0, sizeof(*keys));
    keys->columns = columns;
    keys->seed = seed;
    return schema->count > 0 ? hr_batch_new(schema, &keys->rows, error) : HR_OK;
}

void hr_window_keys_free(hr_window_keys *keys)
{
    hr_batch_free(keys->rows);
    hr_free(keys->slots);
    keys->rows = NULL;
    keys->slots = NULL;
}

int hr_window_copy_value(const hr_column *from, int64_t row, hr_column *to, hr_error *error)
{
    const hr_type_ops *ops = hr_type_ops_of(from->type);
    const char *bytes;
    size_t n;

    if (hr_column_is_null(from, row))
        return hr_column_append_null(to, error);
    switch (ops->storage) {
    case HR_STORE_BITS: return hr_column_append_bool(to, hr_column_get_bool(from, row), error);
    case HR_STORE_FIXED:
        HR_RETURN_NOT_OK(hr_column_reserve(to, 1, error));
        memcpy(to->values + (size_t)to->length * (size_t)ops->width, from->values + (size_t)row * (size_t)ops->width, (size_t)ops->width);
        hr_column_finish(to);
        return HR_OK;
    default: bytes = hr_column_get_bytes(from, row, &n); return hr_column_append_bytes(to, bytes, n, error);
    }
}

static inline const hr_column *hr_keys_column(const hr_batch *rows, const int32_t *columns, int32_t i)
{
    return &rows->columns[columns != NULL ? columns[i] : i];
}

static uint64_t hr_keys_hash(const hr_window_keys *keys, const hr_batch *rows, const int32_t *columns, int64_t row)
{
    uint64_t hash = keys->seed;

    for (int32_t i = 0; i < keys->rows->schema->count; i++) {
        const hr_column *column = hr_keys_column(rows, columns, i);

        if (hr_column_is_null(column, row)) {
            hash = XXH3_64bits_withSeed(NULL, 0, hash + 1);
        } else if (hr_value_form_of(column->type) == HR_VALUE_NUMBER) {
            uint64_t value = hr_value_number(column, row);

            hash = XXH3_64bits_withSeed(&value, sizeof(value), hash);
        } else {
            size_t n;
            const void *bytes = hr_value_bytes(column, row, &n);

            hash = XXH3_64bits_withSeed(bytes, n, hash);
        }
    }
    return hash;
}

static bool hr_keys_equal(const hr_window_keys *keys, uint32_t key, const hr_batch *rows, const int32_t *columns, int64_t row)
{
    for (int32_t i = 0; i < keys->rows->schema->count; i++) {
        const hr_column *a = &keys->rows->columns[i], *b = hr_keys_column(rows, columns, i);
        bool null = hr_column_is_null(a, key);

        if (null != hr_column_is_null(b, row))
            return false;
        if (null)
            continue;
        if (hr_value_form_of(a->type) == HR_VALUE_NUMBER) {
            if (hr_value_number(a, key) != hr_value_number(b, row))
                return false;
        } else {
            size_t n, m;
            const void *x = hr_value_bytes(a, key, &n), *y = hr_value_bytes(b, row, &m);

            if (n != m || memcmp(x, y, n) != 0)
                return false;
        }
    }
    return true;
}

/* Slots for `count` keys, filled with those there are. NULL when memory runs out. */
static uint32_t *hr_keys_slots(const hr_window_keys *keys, const hr_batch *rows, uint64_t count, uint32_t *slot_count)
{
    uint64_t slots = 64;
    uint32_t *made;

    while (count * 4 > slots * 3)
        slots *= 2;
    made = slots <= UINT32_C(1) << 31 ? hr_calloc((size_t)slots, sizeof(*made)) : NULL;
    if (made == NULL)
        return NULL;
    *slot_count = (uint32_t)slots;
    for (int64_t row = 0; row < rows->length; row++) {
        uint32_t slot = (uint32_t)hr_keys_hash(keys, rows, NULL, row) & (*slot_count - 1);

        while (made[slot] != 0)
            slot = (slot + 1) & (*slot_count - 1);
        made[slot] = (uint32_t)row + 1;
    }
    return made;
}

static int hr_keys_intern(hr_window_keys *keys, const hr_batch *rows, const int32_t *columns, int64_t row, uint32_t *key, hr_error *error)
{
    uint64_t hash;
    uint32_t slot;
    int rc = HR_OK;

    *key = 0;
    if (keys->rows == NULL)
        return HR_OK;
    if (((uint64_t)keys->rows->length + 1) * 4 > (uint64_t)keys->slot_count * 3) {
        uint32_t slot_count = 0;
        uint32_t *slots = hr_keys_slots(keys, keys->rows, (uint64_t)keys->rows->length * 2 + 1, &slot_count);

        if (slots == NULL)
            return hr_error_nomem(error);
        hr_free(keys->slots);
        keys->slots = slots;
        keys->slot_count = slot_count;
    }
    hash = hr_keys_hash(keys, rows, columns, row);
    for (slot = (uint32_t)hash & (keys->slot_count - 1); keys->slots[slot] != 0; slot = (slot + 1) & (keys->slot_count - 1)) {
        if (hr_keys_equal(keys, keys->slots[slot] - 1, rows, columns, row)) {
            *key = keys->slots[slot] - 1;
            return HR_OK;
        }
    }
    for (int32_t i = 0; rc == HR_OK && i < keys->rows->schema->count; i++)
        rc = hr_window_copy_value(hr_keys_column(rows, columns, i), row, &keys->rows->columns[i], error);
    if (rc != HR_OK) {
        hr_batch_truncate(keys->rows, keys->rows->length);
        return rc;
    }
    *key = (uint32_t)keys->rows->length++;
    keys->slots[slot] = *key + 1;
    return HR_OK;
}

int hr_window_keys_intern(hr_window_keys *keys, const hr_batch *rows, int64_t row, uint32_t *key, hr_error *error)
{
    return hr_keys_intern(keys, rows, keys->columns, row, key, error);
}

int hr_window_keys_intern_own(hr_window_keys *keys, const hr_batch *rows, int64_t row, uint32_t *key, hr_error *error)
{
    return hr_keys_intern(keys, rows, NULL, row, key, error);
}

int hr_window_keys_collect(hr_window_keys *keys, const uint64_t *used, uint32_t **rank, hr_error *error)
{
    size_t count = (size_t)keys->rows->length;
    uint32_t *live = hr_calloc(count + 1, sizeof(*live)), *slots = NULL, slot_count = 0;
    hr_batch *rows = NULL;
    uint32_t kept = 0;

    *rank = hr_malloc((count + 1) * sizeof(**rank));
    if (live != NULL && *rank != NULL) {
        for (size_t i = 0; i < count; i++) {
            (*rank)[i] = kept;
            if (used[i >> 6] >> (i & 63) & 1)
                live[kept++] = (uint32_t)i;
        }
        if (hr_batch_take(keys->rows, live, kept, &rows, NULL) == HR_OK)
            slots = hr_keys_slots(keys, rows, (uint64_t)kept + 1, &slot_count);
    }
    hr_free(live);
    if (slots == NULL) {
        hr_batch_free(rows);
        hr_free(*rank);
        *rank = NULL;
        return hr_error_nomem(error);
    }
    hr_batch_free(keys->rows);
    hr_free(keys->slots);
    keys->rows = rows;
    keys->slots = slots;
    keys->slot_count = slot_count;
    return HR_OK;
}

size_t hr_window_keys_memory(const hr_window_keys *keys)
{
    return keys->rows != NULL ? hr_batch_memory(keys->rows) + keys->slot_count * sizeof(*keys->slots) : 0;
}
