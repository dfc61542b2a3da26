/* csrc/core/window/keys.h: the different keys (values of the columns `by`), each stored once and known by a number. */
#ifndef HR_CORE_KEYS_H
#define HR_CORE_KEYS_H

#include "core/batch.h"

typedef struct hr_window_keys {
    hr_batch *rows;         /* row i is key i; NULL when there are no key columns: then there is one key, 0 */
    const int32_t *columns; /* in the rows that are added; the caller's */
    uint32_t *slots;        /* key + 1, 0 free; a power of two, at most 3/4 full */
    uint32_t slot_count;
    uint64_t seed;
} hr_window_keys;

/* The schema (retained) has the key's columns. */
int hr_window_keys_init(hr_window_keys *keys, hr_schema *schema, const int32_t *columns, uint64_t seed, hr_error *error);
void hr_window_keys_free(hr_window_keys *keys);
/* The number of the key of a row; nulls are equal to each other. HR_ENOMEM leaves the keys as they were. */
int hr_window_keys_intern(hr_window_keys *keys, const hr_batch *rows, int64_t row, uint32_t *key, hr_error *error);
/* The key in row `row` of a batch of the keys' own schema. */
int hr_window_keys_intern_own(hr_window_keys *keys, const hr_batch *rows, int64_t row, uint32_t *key, hr_error *error);
/* Keep the keys whose bit is set; *rank (for the caller to free) maps old numbers to new ones. On failure nothing is changed. */
int hr_window_keys_collect(hr_window_keys *keys, const uint64_t *used, uint32_t **rank, hr_error *error);
size_t hr_window_keys_memory(const hr_window_keys *keys);
/* Append one value of a column to another of the same type. */
int hr_window_copy_value(const hr_column *from, int64_t row, hr_column *to, hr_error *error);

static inline uint32_t hr_window_keys_count(const hr_window_keys *keys)
{
    return keys->rows != NULL ? (uint32_t)keys->rows->length : 1;
}

#endif
