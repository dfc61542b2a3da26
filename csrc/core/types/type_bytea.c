/* csrc/core/types/type_bytea.c: bytea, from the hex and the escape form. */
#include "type_common.h"

static int hr_bytea_bad(const char *s, size_t n, size_t at, const char *what, hr_error *error)
{
    char excerpt[HR_EXCERPT_SIZE];

    return hr_error_data(error, HR_REASON_TYPE, s, n, "invalid bytea \"%s\": %s at position %zu", hr_utf8_excerpt(excerpt, s, n), what, at);
}

/* "\x" and pairs of hex digits, with white space between pairs. Writes to `to`; *length is how many. */
static int hr_bytea_from_hex(const char *s, size_t n, char *to, size_t *length, hr_error *error)
{
    size_t i = 2, used = 0;

    while (i < n) {
        int high, low;

        if (s[i] == ' ' || s[i] == '\n' || s[i] == '\t' || s[i] == '\r') {
            i++;
            continue;
        }
        high = hr_hex_value(s[i]);
        if (high < 0)
            return hr_bytea_bad(s, n, i, "no hexadecimal digit", error);
        if (i + 1 == n)
            return hr_bytea_bad(s, n, i, "half a byte (an odd number of hexadecimal digits)", error);
        low = hr_hex_value(s[i + 1]);
        if (low < 0)
            return hr_bytea_bad(s, n, i + 1, "no hexadecimal digit", error);
        to[used++] = (char)(high << 4 | low);
        i += 2;
    }
    *length = used;
    return HR_OK;
}

/* Plain bytes, "\\" for a backslash and "\ooo" for the byte with that octal number. */
static int hr_bytea_from_escape(const char *s, size_t n, char *to, size_t *length, hr_error *error)
{
    size_t i = 0, used = 0;

    while (i < n) {
        if (s[i] != '\\') {
            to[used++] = s[i++];
        } else if (n - i >= 2 && s[i + 1] == '\\') {
            to[used++] = '\\';
            i += 2;
        } else if (n - i >= 4 && s[i + 1] >= '0' && s[i + 1] <= '3' && s[i + 2] >= '0' && s[i + 2] <= '7' && s[i + 3] >= '0' &&
                   s[i + 3] <= '7') {
            to[used++] = (char)((s[i + 1] - '0') << 6 | (s[i + 2] - '0') << 3 | (s[i + 3] - '0'));
            i += 4;
        } else {
            return hr_bytea_bad(s, n, i, "a backslash that starts neither \\\\ nor \\ooo", error);
        }
    }
    *length = used;
    return HR_OK;
}

static int hr_bytea_parse(const hr_type *type, hr_token token, const char *s, size_t n, hr_column *out, hr_error *error)
{
    size_t length = 0;
    char *to;

    if (token == HR_TOKEN_BYTES)
        return hr_column_append_bytes(out, s, n, error);
    if (HR_UNLIKELY(hr_token_is_native(token)))
        return hr_type_parse_number_token(hr_bytea_parse, type, token, s, out, error);
    HR_RETURN_NOT_OK(hr_type_check_text(type, token, s, n, error));
    to = hr_column_begin_bytes(out, n, error); /* neither form grows */
    if (HR_UNLIKELY(to == NULL))
        return HR_ENOMEM;
    if (n >= 2 && s[0] == '\\' && s[1] == 'x')
        HR_RETURN_NOT_OK(hr_bytea_from_hex(s, n, to, &length, error));
    else
        HR_RETURN_NOT_OK(hr_bytea_from_escape(s, n, to, &length, error));
    hr_column_commit_bytes(out, length);
    return HR_OK;
}

static int hr_bytea_read_binary(const hr_type *type, const uint8_t *bytes, int32_t n, hr_column *out, hr_error *error)
{
    (void)type;
    return hr_column_append_bytes(out, bytes, (size_t)n, error);
}

static int hr_bytea_write_text(const hr_type *type, const hr_column *column, int64_t row, hr_buffer *out, hr_error *error)
{
    static const char hex[] = "0123456789abcdef";
    size_t n;
    const char *s = hr_column_get_bytes(column, row, &n);
    uint8_t *to;

    (void)type;
    HR_RETURN_NOT_OK(hr_buffer_reserve(out, 2 + 2 * n, error));
    to = out->data + out->size;
    *to++ = '\\';
    *to++ = 'x';
    for (size_t i = 0; i < n; i++) {
        *to++ = (uint8_t)hex[(unsigned char)s[i] >> 4];
        *to++ = (uint8_t)hex[(unsigned char)s[i] & 15];
    }
    out->size += 2 + 2 * n;
    return HR_OK;
}

extern const hr_type_ops hr_type_bytea;
const hr_type_ops hr_type_bytea = {
    .kind = HR_BYTEA,
    .storage = HR_STORE_BYTES,
    .oid = 17,
    .array_oid = 1001,
    .name = "bytea",
    .arrow_format = "z",
    .parse = hr_bytea_parse,
    .write_binary = hr_type_write_stored_field,
    .read_binary = hr_bytea_read_binary,
    .write_text = hr_bytea_write_text,
};
