/* csrc/core/types/type_bool.c: boolean. */
#include "type_common.h"

/* The spellings of boolin: any unique prefix of true, false, yes, no, on, off in any case, and 1 and 0. */
static int hr_bool_value(const char *s, size_t n)
{
    static const struct {
        const char *word;
        size_t length, shortest;
        int value;
    } words[] = {{"true", 4, 1, 1}, {"false", 5, 1, 0}, {"yes", 3, 1, 1}, {"no", 2, 1, 0},
                 {"on", 2, 2, 1},   {"off", 3, 2, 0},   {"1", 1, 1, 1},   {"0", 1, 1, 0}};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t same = 0;

        if (n < words[i].shortest || n > words[i].length)
            continue;
        while (same < n && hr_to_lower(s[same]) == words[i].word[same])
            same++;
        if (same == n)
            return words[i].value;
    }
    return -1;
}

static int hr_bool_parse(const hr_type *type, hr_token token, const char *s, size_t n, hr_column *out, hr_error *error)
{
    const char *text = s;
    size_t length = n;
    int value;

    if (HR_LIKELY(token == HR_TOKEN_TRUE || token == HR_TOKEN_FALSE))
        return hr_column_append_bool(out, token == HR_TOKEN_TRUE, error);
    if (HR_UNLIKELY(hr_token_is_native(token)))
        return hr_type_parse_number_token(hr_bool_parse, type, token, s, out, error);
    hr_trim(&text, &length);
    value = hr_bool_value(text, length);
    if (HR_UNLIKELY(value < 0))
        return hr_type_invalid("boolean", s, n, error);
    return hr_column_append_bool(out, value == 1, error);
}

static int hr_bool_write_binary(const hr_type *type, const hr_column *column, int64_t row, hr_buffer *out, hr_error *error)
{
    uint8_t value = hr_column_get_bool(column, row);

    (void)type;
    return hr_write_field_bytes(out, &value, 1, error);
}

static int hr_bool_read_binary(const hr_type *type, const uint8_t *bytes, int32_t n, hr_column *out, hr_error *error)
{
    if (n != 1)
        return hr_type_bad_field(type, n, error);
    return hr_column_append_bool(out, bytes[0] != 0, error);
}

static int hr_bool_write_text(const hr_type *type, const hr_column *column, int64_t row, hr_buffer *out, hr_error *error)
{
    (void)type;
    return hr_buffer_append(out, hr_column_get_bool(column, row) ? "t" : "f", 1, error);
}

extern const hr_type_ops hr_type_bool;
const hr_type_ops hr_type_bool = {
    .kind = HR_BOOL,
    .storage = HR_STORE_BITS,
    .oid = 16,
    .array_oid = 1000,
    .name = "boolean",
    .arrow_format = "b",
    .parse = hr_bool_parse,
    .write_binary = hr_bool_write_binary,
    .read_binary = hr_bool_read_binary,
    .write_text = hr_bool_write_text,
};
