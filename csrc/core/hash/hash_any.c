/* csrc/core/hash/hash_any.c: rows of any types and lengths to messages, row by row. */
#include "hash_chunk.h"

/* Append a separator or a null text: there is room for a word. */
static inline void hr_hash_put(hr_hasher *hasher, const char word[HR_HASH_WORD], size_t n)
{
    memcpy(hasher->bytes.data + hasher->bytes.size, word, HR_HASH_WORD);
    hasher->bytes.size += n;
}

/* Append the text of a row to the messages. *filled says whether any column has a value that is not null for the recipe. */
static int hr_hash_text(hr_hasher *hasher, const hr_batch *batch, int64_t row, bool *filled, hr_error *error)
{
    hr_buffer *bytes = &hasher->bytes;

    *filled = false;
    for (int32_t i = 0; i < hasher->count; i++) {
        const hr_column *column = &batch->columns[hasher->columns[i]];
        size_t start, n;

        HR_RETURN_NOT_OK(hr_buffer_reserve(bytes, HR_KEY_TEXT_ROOM, error));
        if (i > 0)
            hr_hash_put(hasher, hasher->separator, hasher->separator_len);
        if (hr_column_is_null(column, row)) {
            hr_hash_put(hasher, hasher->null_text, hasher->null_len);
            continue;
        }
        start = bytes->size;
        HR_RETURN_NOT_OK(hr_key_text_append(&hasher->text, column, row, bytes, error));
        n = bytes->size - start;
        *filled |= hr_hash_is_value(hasher, bytes->data + start, n);
        if (n == 0 && hasher->text.recipe->empty_is_null)
            hr_hash_put(hasher, hasher->null_text, hasher->null_len);
    }
    return HR_OK;
}

int hr_hash_any(hr_hasher *hasher, const hr_batch *batch, int64_t from, int64_t to, int64_t *end, hr_error *error)
{
    hr_buffer *bytes = &hasher->bytes;
    int64_t row = from;

    for (; row < to && hasher->rows < HR_HASH_ROWS && bytes->size < HR_HASH_BYTES; row++) {
        const size_t start = bytes->size;
        bool filled, is_null;
        int rc = hr_hash_text(hasher, batch, row, &filled, error);

        if (rc == HR_OK)
            rc = hr_buffer_reserve(bytes, 3 * HR_DIGEST_BLOCK, error);
        if (rc != HR_OK) {
            if (error != NULL)
                error->row = row;
            return rc;
        }
        is_null = hr_hash_is_null(hasher, filled);
        hasher->is_null[hasher->rows++] = is_null;
        if (is_null)
            bytes->size = start;
        else
            bytes->size = start + hr_hash_message(hasher, start, bytes->size - start) * HR_DIGEST_BLOCK;
    }
    *end = row;
    return HR_OK;
}
