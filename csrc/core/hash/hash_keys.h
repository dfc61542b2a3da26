/* csrc/core/hash/hash_keys.h: hash keys and hash diffs of the rows of a batch. */
#ifndef HR_CORE_HASH_KEYS_H
#define HR_CORE_HASH_KEYS_H

#include "core/batch.h"
#include "core/types/timezone.h"
#include "recipe.h"

typedef enum hr_hash_use {
    HR_HASH_KEY = 0, /* null when every column is null */
    HR_HASH_DIFF     /* never null */
} hr_hash_use;

typedef struct hr_hash_options {
    const hr_recipe *recipe; /* NULL: the first of hr_recipes */
    hr_hash_use use;
    bool alone; /* one column, hashed as it is and not as a list of one: null stays null, and a text like the null text is none */
    bool hex;   /* lower-case hex text instead of bytes */
    const hr_timezone *zone; /* of timestamptz; NULL = UTC. Must outlive the hasher */
    const hr_digest *digest; /* NULL: the best of the recipe's kind on this processor */
} hr_hash_options;

/* Hashes rows of batches that have the schema it was made for. Not thread-safe: one for each thread. */
typedef struct hr_hasher hr_hasher;

/* A hasher of these columns (indexes in the schema), in this order: a caller who makes a hash diff sorts them by name first.
 * HR_EUSAGE when there are none, when `alone` is asked of several, or the digest is of another kind than the recipe's. */
int hr_hasher_new(const hr_schema *schema, const int32_t *columns, int32_t count, const hr_hash_options *options, hr_hasher **out,
                  hr_error *error);
void hr_hasher_free(hr_hasher *hasher); /* NULL is fine */

/* Make room for the hashes of so many rows at once; only saves time. */
int hr_hasher_reserve(const hr_hasher *hasher, int64_t rows, hr_column *out, hr_error *error);

/* Append the hashes of the rows [from, to) to `out`, a bytea column (text when hex). On failure `out` is as it was. */
int hr_hasher_run(hr_hasher *hasher, const hr_batch *batch, int64_t from, int64_t to, hr_column *out, hr_error *error);

#endif
