/* csrc/core/types/type_uuid.c: uuid. */
#include "type_common.h"

#define HR_UUID_BYTES 16

/* 0..15 for hex digits, 16 for everything else: one look-up a digit, and one test for all of them. */
static const uint8_t hr_uuid_hex[256] = {
#define X 16
    X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,  X,  X,  X,  X,  X,  X, X, X, X, X, X, X, X, X, /* 0x00 */
    X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, 0, 1,  2,  3,  4,  5,  6,  7, 8, 9, X, X, X, X, X, X, /* 0x20 */
    X, 10, 11, 12, 13, 14, 15, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, /* 0x40 */
    X, 10, 11, 12, 13, 14, 15, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, /* 0x60 */
    X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,  X,  X,  X,  X,  X,  X, X, X, X, X, X, X, X, X, /* 0x80 */
    X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,  X,  X,  X,  X,  X,  X, X, X, X, X, X, X, X, X, /* 0xa0 */
    X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,  X,  X,  X,  X,  X,  X, X, X, X, X, X, X, X, X, /* 0xc0 */
    X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,  X,  X,  X,  X,  X,  X, X, X, X, X, X, X, X, X, /* 0xe0 */
#undef X
};

/* The form that nearly all uuids have: 8-4-4-4-12 digits with hyphens between, at fixed places. */
static inline bool hr_uuid_scan_plain(const char *s, size_t n, uint8_t value[HR_UUID_BYTES])
{
    static const uint8_t places[HR_UUID_BYTES] = {0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34};
    unsigned bad = 0;

    if (n != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-')
        return false;
    for (int i = 0; i < HR_UUID_BYTES; i++) {
        unsigned high = hr_uuid_hex[(unsigned char)s[places[i]]], low = hr_uuid_hex[(unsigned char)s[places[i] + 1]];
        bad |= high | low;
        value[i] = (uint8_t)(high << 4 | low);
    }
    return bad < 16;
}

/* The server's rule: 32 hex digits, a hyphen allowed after every group of four, braces around. Nothing else, no white space. */
static bool hr_uuid_scan(const char *s, size_t n, uint8_t value[HR_UUID_BYTES])
{
    unsigned bad = 0;
    size_t at = 0;

    if (n >= 2 && s[0] == '{') {
        if (s[n - 1] != '}')
            return false;
        s++;
        n -= 2;
    }
    for (size_t i = 0; i < HR_UUID_BYTES; i++) {
        unsigned high, low;

        if (n - at < 2)
            return false;
        high = hr_uuid_hex[(unsigned char)s[at]];
        low = hr_uuid_hex[(unsigned char)s[at + 1]];
        bad |= high | low;
        value[i] = (uint8_t)(high << 4 | low);
        at += 2;
        if ((i & 1) == 1 && i + 1 < HR_UUID_BYTES && at < n && s[at] == '-')
            at++;
    }
    return at == n && bad < 16;
}

static int hr_uuid_parse(const hr_type *type, hr_token token, const char *s, size_t n, hr_column *out, hr_error *error)
{
    uint8_t value[HR_UUID_BYTES];

    if (HR_UNLIKELY(hr_token_is_native(token)))
        return hr_type_parse_number_token(hr_uuid_parse, type, token, s, out, error);
    if (token == HR_TOKEN_BYTES && n == HR_UUID_BYTES) /* no text of a uuid is so short */
        return hr_column_append_16(out, (const uint8_t *)s, error);
    if (HR_UNLIKELY(!hr_uuid_scan_plain(s, n, value) && !hr_uuid_scan(s, n, value)))
        return hr_type_invalid("uuid", s, n, error);
    return hr_column_append_16(out, value, error);
}

static int hr_uuid_write_binary(const hr_type *type, const hr_column *column, int64_t row, hr_buffer *out, hr_error *error)
{
    (void)type;
    return hr_write_field_bytes(out, column->values + (size_t)row * HR_UUID_BYTES, HR_UUID_BYTES, error);
}

static int hr_uuid_read_binary(const hr_type *type, const uint8_t *bytes, int32_t n, hr_column *out, hr_error *error)
{
    if (n != HR_UUID_BYTES)
        return hr_type_bad_field(type, n, error);
    return hr_column_append_16(out, bytes, error);
}

static int hr_uuid_write_text(const hr_type *type, const hr_column *column, int64_t row, hr_buffer *out, hr_error *error)
{
    static const char hex[] = "0123456789abcdef";
    const uint8_t *value = column->values + (size_t)row * HR_UUID_BYTES;
    uint8_t *to;

    (void)type;
    HR_RETURN_NOT_OK(hr_buffer_reserve(out, 36, error));
    to = out->data + out->size;
    for (int i = 0; i < HR_UUID_BYTES; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *to++ = '-';
        *to++ = (uint8_t)hex[value[i] >> 4];
        *to++ = (uint8_t)hex[value[i] & 15];
    }
    out->size += 36;
    return HR_OK;
}

extern const hr_type_ops hr_type_uuid;
const hr_type_ops hr_type_uuid = {
    .kind = HR_UUID,
    .storage = HR_STORE_FIXED,
    .width = HR_UUID_BYTES,
    .oid = 2950,
    .array_oid = 2951,
    .name = "uuid",
    .arrow_format = "w:16",
    .parse = hr_uuid_parse,
    .write_binary = hr_uuid_write_binary,
    .read_binary = hr_uuid_read_binary,
    .write_text = hr_uuid_write_text,
};
