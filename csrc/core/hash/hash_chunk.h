/* csrc/core/hash/hash_chunk.h: a hasher at work: some hundred rows as messages. Between hash_keys.c, hash_short.c and hash_any.c. */
#ifndef HR_CORE_HASH_CHUNK_H
#define HR_CORE_HASH_CHUNK_H

#include "hash_keys.h"
#include "key_text.h"

#define HR_HASH_ROWS 128           /* of a chunk, */
#define HR_HASH_BYTES (256 * 1024) /* which ends earlier when it has come to so many bytes */
#define HR_HASH_WORD 8             /* bytes of the longest separator and null text: they are copied as one word */

struct hr_hasher {
    hr_key_text text; /* with the recipe and the zone */
    const hr_digest *digest;
    hr_hash_use use;
    bool alone;
    bool hex;
    bool all_short; /* hash_short.c knows all the kinds */
    int32_t count;
    int32_t *columns;
    bool *ascii; /* hash_short.c: the column's texts in this chunk are all ASCII */
    char separator[HR_HASH_WORD], null_text[HR_HASH_WORD];
    size_t separator_len, null_len;
    hr_buffer bytes; /* the chunk's messages, each from a multiple of HR_DIGEST_BLOCK on */
    size_t rows, message_count;
    bool whole; /* every row is a message of one block, and they lie one behind the other: `messages` and `is_null` are not filled */
    bool is_null[HR_HASH_ROWS]; /* the hash of the chunk's row is null */
    hr_message messages[HR_HASH_ROWS];
    uint32_t length[HR_HASH_ROWS];                 /* hash_short.c: bytes of each row so far */
    uint8_t filled[HR_HASH_ROWS];                  /* hash_short.c: the row has a value that is not null for the recipe */
    uint8_t digests[HR_HASH_ROWS * HR_DIGEST_MAX]; /* for hex */
};

/* Make messages of the rows [from, to) as long as they fit into a chunk; *end is where that was (at least from + 1). Any types, any
 * lengths, row by row. */
int hr_hash_any(hr_hasher *hasher, const hr_batch *batch, int64_t from, int64_t to, int64_t *end, hr_error *error);

/* The same, column by column, for integers and text when no row is long; *end == from when some are: then it is a case for hr_hash_any. */
int hr_hash_short(hr_hasher *hasher, const hr_batch *batch, int64_t from, int64_t to, int64_t *end, hr_error *error);
bool hr_hash_short_knows(hr_kind kind);

/* Pad the n bytes at `start` and note them as the next message. There are HR_DIGEST_BLOCK * 2 bytes of room behind them. Returns how many
 * blocks it has. */
static inline size_t hr_hash_message(hr_hasher *hasher, size_t start, size_t n)
{
    size_t blocks = 1;

    /* A jump and not a calculation: it can be foreseen, and the next row need not wait until the length of this one is known. */
    if (HR_UNLIKELY(n >= HR_DIGEST_BLOCK - 8))
        blocks = hr_message_blocks(n);
    hr_message_pad(hasher->bytes.data + start, n, blocks, hasher->digest->kind);
    hasher->messages[hasher->message_count] = (hr_message){start, (uint32_t)hasher->message_count, (uint32_t)blocks};
    hasher->message_count++;
    return blocks;
}

/* Whether the hash of a row is null. */
static inline bool hr_hash_is_null(const hr_hasher *hasher, bool filled)
{
    return !filled && (hasher->use == HR_HASH_KEY || hasher->alone);
}

/* Whether a text of n bytes counts as a value: an empty one, and one like the null text in a list, are nulls for some recipes:
 * NULLIF(UPPER(TRIM(x)), ''), and NULLIF(joined, '^^||^^'). */
static inline bool hr_hash_is_value(const hr_hasher *hasher, const uint8_t *text, size_t n)
{
    if (!hasher->text.recipe->empty_is_null)
        return true;
    return n != 0 && (hasher->alone || n != hasher->null_len || memcmp(text, hasher->null_text, n) != 0);
}

#endif
