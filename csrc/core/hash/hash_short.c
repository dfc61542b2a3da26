/* csrc/core/hash/hash_short.c: rows of integers and short texts to messages, column by column.
 *
 * Every row of the chunk has a place of the same size. Nothing that is done for one row waits for another, and the loops are small: a
 * processor works at several rows at once, and that is half of the speed. The places are zero at first, and what is written over the end
 * of a value is zero, too: padding is then one byte and the length.
 */
#include "hash_chunk.h"

#define HR_SHORT_MOST 1024 /* bytes of a row's place; longer rows are for hash_any.c */

bool hr_hash_short_knows(hr_kind kind)
{
    return kind == HR_INT2 || kind == HR_INT4 || kind == HR_INT8 || kind == HR_TEXT || kind == HR_VARCHAR;
}

/* The most bytes that a value of this column can come to in the rows [from, to). *ascii says whether its texts are all ASCII. */
static size_t hr_short_most(const hr_hasher *hasher, const hr_column *column, int64_t from, int64_t to, bool *ascii)
{
    const int32_t *offsets = column->offsets;
    int32_t longest = 0;
    size_t most;

    *ascii = true;
    switch (column->type->kind) {
    case HR_INT2: most = 6; break;
    case HR_INT4: most = 11; break;
    case HR_INT8: most = 20; break;
    default:
        for (int64_t row = from; row < to; row++)
            longest = offsets[row + 1] - offsets[row] > longest ? offsets[row + 1] - offsets[row] : longest;
        most = (size_t)longest;
        if (most > HR_SHORT_MOST)
            return most; /* too long anyway: do not look at its bytes */
        *ascii = column->bytes.data == NULL || hr_is_ascii(column->bytes.data + offsets[from], (size_t)(offsets[to] - offsets[from]));
        if (!*ascii && hasher->text.recipe->upper)
            most += most / 2; /* some letters of two bytes become three */
    }
    return most > hasher->null_len ? most : hasher->null_len;
}

/* What the loops below need again and again, out of the reach of the bytes they write: so that compilers keep it in registers. */
typedef struct hr_short_loop {
    uint64_t separator, null_text; /* as they lie in memory */
    size_t separator_len, null_len;
    size_t size;             /* of a place */
    size_t n;                /* rows */
    const uint8_t *validity; /* of the column; NULL = no nulls */
    int64_t from;
} hr_short_loop;

static hr_short_loop hr_short_loop_of(const hr_hasher *hasher, const hr_column *column, int64_t from, size_t n, size_t size, bool first)
{
    hr_short_loop loop = {.separator_len = first ? 0 : hasher->separator_len,
                          .null_len = hasher->null_len,
                          .size = size,
                          .n = n,
                          .validity = column->null_count > 0 ? column->validity : NULL,
                          .from = from};

    if (!first)
        memcpy(&loop.separator, hasher->separator, HR_HASH_WORD);
    memcpy(&loop.null_text, hasher->null_text, HR_HASH_WORD);
    return loop;
}

static inline bool hr_short_is_null(const hr_short_loop *loop, size_t i)
{
    size_t row = (size_t)loop->from + i;

    return loop->validity != NULL && !((loop->validity[row >> 3] >> (row & 7)) & 1);
}

/* A column of integers of `width` bytes. */
static inline __attribute__((always_inline)) void hr_short_ints(hr_hasher *hasher, const hr_column *column, const hr_short_loop *given,
                                                                size_t width)
{
    const hr_short_loop loop = *given;
    const uint8_t *value = column->values + (size_t)loop.from * width;
    uint32_t *lengths = hasher->length;
    uint8_t *filled = hasher->filled;

    for (size_t i = 0; i < loop.n; i++, value += width) {
        uint8_t *place = hasher->bytes.data + i * loop.size, *at = place + lengths[i];
        int64_t number = 0;

        memcpy(at, &loop.separator, HR_HASH_WORD);
        at += loop.separator_len;
        if (hr_short_is_null(&loop, i)) {
            memcpy(at, &loop.null_text, HR_HASH_WORD);
            lengths[i] = (uint32_t)(at - place + (ptrdiff_t)loop.null_len);
            continue;
        }
        if (width == 2) {
            int16_t narrow;
            memcpy(&narrow, value, 2);
            number = narrow;
        } else if (width == 4) {
            int32_t narrow;
            memcpy(&narrow, value, 4);
            number = narrow;
        } else {
            memcpy(&number, value, 8);
        }
        filled[i] = 1;
        lengths[i] = (uint32_t)(at - place) + (uint32_t)hr_key_print_int((char *)at, number);
    }
}

/* A column of texts, copied as `upper` and `ascii` say. */
static inline __attribute__((always_inline)) void hr_short_texts(hr_hasher *hasher, const hr_column *column, const hr_short_loop *given,
                                                                 bool upper, bool ascii)
{
    const hr_short_loop loop = *given;
    const bool trim = hasher->text.recipe->trim, empty_is_null = hasher->text.recipe->empty_is_null;
    const int32_t *offsets = column->offsets + loop.from;
    const char *text = column->bytes.data == NULL ? "" : (const char *)column->bytes.data;
    uint32_t *lengths = hasher->length;
    uint8_t *filled = hasher->filled;

    for (size_t i = 0; i < loop.n; i++) {
        uint8_t *place = hasher->bytes.data + i * loop.size, *at = place + lengths[i];
        const char *s = text + offsets[i];
        size_t n = (size_t)(offsets[i + 1] - offsets[i]);

        memcpy(at, &loop.separator, HR_HASH_WORD);
        at += loop.separator_len;
        if (hr_short_is_null(&loop, i)) {
            memcpy(at, &loop.null_text, HR_HASH_WORD);
            lengths[i] = (uint32_t)(at - place + (ptrdiff_t)loop.null_len);
            continue;
        }
        if (trim)
            hr_key_trim(&s, &n);
        if (upper && ascii)
            hr_upper_ascii((char *)at, s, n);
        else if (upper)
            n = hr_upper_case((char *)at, s, n);
        else if (n > 0)
            memcpy(at, s, n);
        filled[i] |= hr_hash_is_value(hasher, at, n);
        if (HR_UNLIKELY(n == 0) && empty_is_null) {
            memcpy(at, &loop.null_text, HR_HASH_WORD);
            n = loop.null_len;
        }
        lengths[i] = (uint32_t)(at - place) + (uint32_t)n;
    }
}

/* Any column that hr_hash_short_knows; one loop for each case, so that nothing is decided row by row. */
static void hr_short_column(hr_hasher *hasher, const hr_column *column, const hr_short_loop *loop, bool ascii)
{
    switch (column->type->kind) {
    case HR_INT2: hr_short_ints(hasher, column, loop, 2); break;
    case HR_INT4: hr_short_ints(hasher, column, loop, 4); break;
    case HR_INT8: hr_short_ints(hasher, column, loop, 8); break;
    default:
        if (!hasher->text.recipe->upper)
            hr_short_texts(hasher, column, loop, false, ascii);
        else if (ascii)
            hr_short_texts(hasher, column, loop, true, true);
        else
            hr_short_texts(hasher, column, loop, true, false);
    }
}

/* The messages are complete but for the byte behind them and their length. All of one block, and none null: the usual keys. */
static void hr_short_whole(hr_hasher *hasher, size_t n)
{
    const hr_digest_kind kind = hasher->digest->kind;
    const uint32_t *lengths = hasher->length;
    uint8_t *place = hasher->bytes.data;

    for (size_t i = 0; i < n; i++, place += HR_DIGEST_BLOCK) {
        place[lengths[i]] = 0x80;
        hr_message_length(place + HR_DIGEST_BLOCK - 8, lengths[i], kind);
    }
    hasher->whole = true;
    hasher->message_count = n;
}

/* The others. */
static void hr_short_messages(hr_hasher *hasher, size_t n, size_t size, bool can_be_null)
{
    const hr_digest_kind kind = hasher->digest->kind;
    uint8_t *place = hasher->bytes.data;
    size_t count = 0;

    for (size_t i = 0; i < n; i++, place += size) {
        size_t length = hasher->length[i], blocks = hr_message_blocks(length);

        hasher->is_null[i] = can_be_null && !hasher->filled[i];
        if (hasher->is_null[i])
            continue;
        place[length] = 0x80;
        hr_message_length(place + blocks * HR_DIGEST_BLOCK - 8, length, kind);
        hasher->messages[count] = (hr_message){i * size, (uint32_t)count, (uint32_t)blocks};
        count++;
    }
    hasher->message_count = count;
}

int hr_hash_short(hr_hasher *hasher, const hr_batch *batch, int64_t from, int64_t to, int64_t *end, hr_error *error)
{
    size_t n = (size_t)(to - from < HR_HASH_ROWS ? to - from : HR_HASH_ROWS), size = 0;
    bool can_be_null;

    *end = from;
    for (int32_t c = 0; c < hasher->count; c++) {
        size +=
            hasher->separator_len + hr_short_most(hasher, &batch->columns[hasher->columns[c]], from, from + (int64_t)n, &hasher->ascii[c]);
        if (size > HR_SHORT_MOST)
            return HR_OK;
    }
    size = hr_message_blocks(size) * HR_DIGEST_BLOCK; /* at least 9 bytes more: HR_HASH_WORD are written over */
    HR_RETURN_NOT_OK(hr_buffer_reserve(&hasher->bytes, n * size, error));
    memset(hasher->bytes.data, 0, n * size);
    memset(hasher->filled, 0, n);
    memset(hasher->length, 0, n * sizeof(hasher->length[0]));
    for (int32_t c = 0; c < hasher->count; c++) {
        const hr_column *column = &batch->columns[hasher->columns[c]];
        const hr_short_loop loop = hr_short_loop_of(hasher, column, from, n, size, c == 0);

        hr_short_column(hasher, column, &loop, hasher->ascii[c]);
    }
    can_be_null = hr_hash_is_null(hasher, false);
    if (size == HR_DIGEST_BLOCK && (!can_be_null || memchr(hasher->filled, 0, n) == NULL))
        hr_short_whole(hasher, n);
    else
        hr_short_messages(hasher, n, size, can_be_null);
    hasher->rows = n;
    *end = from + (int64_t)n;
    return HR_OK;
}
