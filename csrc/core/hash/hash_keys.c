/* csrc/core/hash/hash_keys.c: rows to messages, some hundred at a time, and their digests into a column. */
#include "hash_chunk.h"

int hr_hasher_new(const hr_schema *schema, const int32_t *columns, int32_t count, const hr_hash_options *options, hr_hasher **out,
                  hr_error *error)
{
    const hr_recipe *recipe = options->recipe != NULL ? options->recipe : &hr_recipes[0];
    hr_hasher *hasher;

    *out = NULL;
    if (count < 1)
        return hr_error_set(error, HR_EUSAGE, "a hash needs at least one column");
    if (options->alone && count > 1)
        return hr_error_set(error, HR_EUSAGE, "one column can be hashed alone, %d were given", (int)count);
    if (options->digest != NULL && options->digest->kind != recipe->digest)
        return hr_error_set(error, HR_EUSAGE, "the recipe %s wants another digest than %s", recipe->name, options->digest->name);
    for (int32_t i = 0; i < count; i++)
        if (columns[i] < 0 || columns[i] >= schema->count)
            return hr_error_set(error, HR_EUSAGE, "there is no column %d in a schema of %d", (int)columns[i], (int)schema->count);
    if (strlen(recipe->separator) > HR_HASH_WORD || strlen(recipe->null_text) > HR_HASH_WORD)
        return hr_error_set(error, HR_EUSAGE, "the recipe %s has a separator or null text of more than %d bytes", recipe->name,
                            HR_HASH_WORD);
    hasher = hr_calloc(1, sizeof(*hasher));
    if (hasher == NULL)
        return hr_error_nomem(error);
    hasher->columns = hr_malloc((size_t)count * sizeof(*columns));
    hasher->ascii = hr_malloc((size_t)count * sizeof(*hasher->ascii));
    if (hasher->columns == NULL || hasher->ascii == NULL) {
        hr_hasher_free(hasher);
        return hr_error_nomem(error);
    }
    memcpy(hasher->columns, columns, (size_t)count * sizeof(*columns));
    hasher->count = count;
    hasher->text.recipe = recipe;
    hasher->text.zone = options->zone;
    hasher->digest = options->digest != NULL ? options->digest : hr_digest_best(recipe->digest);
    hasher->use = options->use;
    hasher->alone = options->alone;
    hasher->hex = options->hex;
    hasher->separator_len = strlen(recipe->separator);
    hasher->null_len = strlen(recipe->null_text);
    memcpy(hasher->separator, recipe->separator, hasher->separator_len); /* at most HR_HASH_WORD: checked above */
    memcpy(hasher->null_text, recipe->null_text, hasher->null_len);
    hasher->all_short = true;
    for (int32_t i = 0; i < count; i++)
        hasher->all_short = hasher->all_short && hr_hash_short_knows(schema->columns[columns[i]].type.kind);
    *out = hasher;
    return HR_OK;
}

void hr_hasher_free(hr_hasher *hasher)
{
    if (hasher == NULL)
        return;
    hr_buffer_free(&hasher->bytes);
    hr_buffer_free(&hasher->text.scratch);
    hr_free(hasher->columns);
    hr_free(hasher->ascii);
    hr_free(hasher);
}

static void hr_hash_hex(const uint8_t *from, size_t n, uint8_t *to)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        to[2 * i] = (uint8_t)digits[from[i] >> 4];
        to[2 * i + 1] = (uint8_t)digits[from[i] & 15];
    }
}

/* Append the chunk's rows, some of them null, to the column: their bytes are there already, from `end` on. */
static int hr_hash_rows(const hr_hasher *hasher, hr_column *out, int32_t end, int32_t width, hr_error *error)
{
    for (size_t i = 0; i < hasher->rows; i++) {
        if (!hasher->whole && hasher->is_null[i]) {
            HR_RETURN_NOT_OK(hr_column_append_null(out, error));
            continue;
        }
        end += width;
        out->offsets[out->length + 1] = end;
        hr_column_finish(out);
    }
    return HR_OK;
}

/* Append the chunk's hashes to the column. */
static int hr_hash_flush(hr_hasher *hasher, hr_column *out, hr_error *error)
{
    const hr_digest *digest = hasher->digest;
    const size_t width = digest->size << hasher->hex, size = hasher->message_count * width;
    int32_t end;
    uint8_t *to;

    HR_RETURN_NOT_OK(hr_column_reserve(out, (int64_t)hasher->rows, error));
    if (size > (size_t)INT32_MAX - out->bytes.size)
        return hr_error_set(error, HR_EUSAGE, "the hashes of more than %d rows do not fit into one column: hash smaller batches",
                            (int)(INT32_MAX / width));
    HR_RETURN_NOT_OK(hr_buffer_reserve(&out->bytes, size + 1, error));
    to = hasher->hex ? hasher->digests : out->bytes.data + out->bytes.size;
    if (hasher->whole)
        digest->singles(digest, hasher->bytes.data, HR_DIGEST_BLOCK, hasher->message_count, to);
    else
        digest->run(digest, hasher->bytes.data, hasher->messages, hasher->message_count, to);
    if (hasher->hex)
        hr_hash_hex(hasher->digests, hasher->message_count * digest->size, out->bytes.data + out->bytes.size);
    end = (int32_t)out->bytes.size;
    out->bytes.size += size;
    if (hasher->message_count == hasher->rows && out->validity == NULL) {
        for (size_t i = 0; i < hasher->rows; i++)
            out->offsets[(size_t)out->length + 1 + i] = end += (int32_t)width;
        out->length += (int64_t)hasher->rows;
    } else {
        HR_RETURN_NOT_OK(hr_hash_rows(hasher, out, end, (int32_t)width, error));
    }
    return HR_OK;
}

int hr_hasher_reserve(const hr_hasher *hasher, int64_t rows, hr_column *out, hr_error *error)
{
    const int64_t width = (int64_t)(hasher->digest->size << hasher->hex);

    HR_RETURN_NOT_OK(hr_column_reserve(out, rows, error));
    if (rows >= (INT32_MAX - (int64_t)out->bytes.size) / width)
        return HR_OK; /* too many, or nearly: whether they are will be seen when the nulls are known */
    return hr_buffer_reserve(&out->bytes, (size_t)(rows * width) + 1, error);
}

int hr_hasher_run(hr_hasher *hasher, const hr_batch *batch, int64_t from, int64_t to, hr_column *out, hr_error *error)
{
    const int64_t before = out->length;
    int rc = HR_OK;

    while (rc == HR_OK && from < to) {
        int64_t end = from;

        hasher->rows = hasher->message_count = hasher->bytes.size = 0;
        hasher->whole = false;
        if (hasher->all_short)
            rc = hr_hash_short(hasher, batch, from, to, &end, error);
        if (rc == HR_OK && end == from)
            rc = hr_hash_any(hasher, batch, from, to, &end, error);
        if (rc == HR_OK)
            rc = hr_hash_flush(hasher, out, error);
        from = end;
    }
    if (rc != HR_OK)
        hr_column_truncate(out, before);
    return rc;
}
