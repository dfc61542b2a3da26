/* csrc/core/types/type_integer.c: smallint, integer, bigint. */
#include "type_common.h"

typedef enum hr_integer_syntax { HR_INTEGER_OK, HR_INTEGER_INVALID, HR_INTEGER_TOO_BIG } hr_integer_syntax;

/* Hex, octal, binary and underscores came with PostgreSQL 16. */
static bool hr_integer_modern(const hr_type *type)
{
    return type->server_version == 0 || type->server_version >= 160000;
}

/* The whole grammar of the server's integers: white space around, a sign, 0x/0o/0b, single underscores between digits. Digits that
 * int64 cannot hold give HR_INTEGER_TOO_BIG. */
static hr_integer_syntax hr_integer_scan(const char *s, size_t n, bool modern, int64_t *value)
{
    bool negative = false, too_big = false, seen = false, prefixed = false;
    unsigned base = 10;
    uint64_t total = 0, limit;

    hr_trim(&s, &n);
    if (n > 0 && (*s == '-' || *s == '+')) {
        negative = *s == '-';
        s++;
        n--;
    }
    if (n >= 2 && s[0] == '0' && modern) {
        char letter = hr_to_lower(s[1]);
        base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 10;
        prefixed = base != 10;
        s += prefixed ? 2 : 0;
        n -= prefixed ? 2 : 0;
    }
    limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    for (size_t i = 0; i < n; i++) {
        int digit;

        if (s[i] == '_') {
            /* never first in a decimal number, never last, never twice */
            if (!modern || (i == 0 && !prefixed) || i + 1 == n || s[i + 1] == '_')
                return HR_INTEGER_INVALID;
            continue;
        }
        digit = hr_hex_value(s[i]);
        if (digit < 0 || (unsigned)digit >= base)
            return HR_INTEGER_INVALID;
        seen = true;
        if (total > (limit - (unsigned)digit) / base)
            too_big = true;
        else
            total = total * base + (unsigned)digit;
    }
    if (!seen)
        return HR_INTEGER_INVALID;
    if (too_big)
        return HR_INTEGER_TOO_BIG;
    *value = negative ? (int64_t)(0 - total) : (int64_t)total;
    return HR_INTEGER_OK;
}

static int hr_integer_out_of_range(const hr_type *type, const char *s, size_t n, int64_t low, int64_t high, hr_error *error)
{
    char excerpt[HR_EXCERPT_SIZE];

    return hr_error_data(error, HR_REASON_RANGE, s, n, "value %s is out of range for %s (%lld to %lld)", hr_utf8_excerpt(excerpt, s, n),
                         hr_type_label(type), (long long)low, (long long)high);
}

/* Everything that is not plain digits within the limits; also makes the errors. */
static int hr_integer_parse_slow(const hr_type *type, hr_token token, const char *s, size_t n, int64_t low, int64_t high, int64_t *value,
                                 hr_error *error)
{
    hr_integer_syntax syntax;

    if (token == HR_TOKEN_INT64) {
        char text[HR_INT64_TEXT];

        *value = hr_token_int64(s);
        if (*value >= low && *value <= high)
            return HR_OK;
        hr_integer_out_of_range(type, text, hr_print_int64(text, *value), low, high, error);
        if (error != NULL) {
            error->value = NULL; /* not a pointer to our stack */
            error->value_len = 0;
        }
        return HR_EDATA;
    }
    syntax = hr_integer_scan(s, n, hr_integer_modern(type), value);
    if (syntax == HR_INTEGER_INVALID)
        return hr_type_invalid("integer", s, n, error);
    if (syntax == HR_INTEGER_TOO_BIG || *value < low || *value > high)
        return hr_integer_out_of_range(type, s, n, low, high, error);
    return HR_OK;
}

/* The four functions of one integer type. */
#define HR_INTEGER_TYPE(kind_name, ctype, bits, low, high, append, get)                                                              \
    static int hr_##kind_name##_parse(const hr_type *type, hr_token token, const char *s, size_t n, hr_column *out, hr_error *error) \
    {                                                                                                                                \
        int64_t value;                                                                                                               \
                                                                                                                                     \
        if (HR_UNLIKELY(token == HR_TOKEN_FLOAT64))                                                                                  \
            return hr_type_parse_number_token(hr_##kind_name##_parse, type, token, s, out, error);                                   \
        if (HR_UNLIKELY(token == HR_TOKEN_INT64 || !hr_parse_plain_int64(s, n, &value) || value < (low) || value > (high)))          \
            HR_RETURN_NOT_OK(hr_integer_parse_slow(type, token, s, n, (low), (high), &value, error));                                \
        return append(out, (ctype)value, error);                                                                                     \
    }                                                                                                                                \
    static int hr_##kind_name##_write_binary(const hr_type *type, const hr_column *column, int64_t row, hr_buffer *out,              \
                                             hr_error *error)                                                                        \
    {                                                                                                                                \
        (void)type;                                                                                                                  \
        return hr_write_field_##bits(out, (uint##bits##_t)get(column, row), error);                                                  \
    }                                                                                                                                \
    static int hr_##kind_name##_read_binary(const hr_type *type, const uint8_t *bytes, int32_t n, hr_column *out, hr_error *error)   \
    {                                                                                                                                \
        if (n != (int32_t)sizeof(ctype))                                                                                             \
            return hr_type_bad_field(type, n, error);                                                                                \
        return append(out, (ctype)hr_load_be##bits(bytes), error);                                                                   \
    }                                                                                                                                \
    static int hr_##kind_name##_write_text(const hr_type *type, const hr_column *column, int64_t row, hr_buffer *out,                \
                                           hr_error *error)                                                                          \
    {                                                                                                                                \
        (void)type;                                                                                                                  \
        HR_RETURN_NOT_OK(hr_buffer_reserve(out, HR_INT64_TEXT, error));                                                              \
        out->size += hr_print_int64((char *)out->data + out->size, get(column, row));                                                \
        return HR_OK;                                                                                                                \
    }

HR_INTEGER_TYPE(int2, int16_t, 16, INT16_MIN, INT16_MAX, hr_column_append_int16, hr_column_get_int16)
HR_INTEGER_TYPE(int4, int32_t, 32, INT32_MIN, INT32_MAX, hr_column_append_int32, hr_column_get_int32)
HR_INTEGER_TYPE(int8, int64_t, 64, INT64_MIN, INT64_MAX, hr_column_append_int64, hr_column_get_int64)

#define HR_INTEGER_OPS(kind_name, KIND, bytes, type_oid, type_array_oid, sql_name, arrow) \
    extern const hr_type_ops hr_type_##kind_name;                                         \
    const hr_type_ops hr_type_##kind_name = {                                             \
        .kind = KIND,                                                                     \
        .storage = HR_STORE_FIXED,                                                        \
        .width = bytes,                                                                   \
        .oid = type_oid,                                                                  \
        .array_oid = type_array_oid,                                                      \
        .name = sql_name,                                                                 \
        .arrow_format = arrow,                                                            \
        .parse = hr_##kind_name##_parse,                                                  \
        .write_binary = hr_##kind_name##_write_binary,                                    \
        .read_binary = hr_##kind_name##_read_binary,                                      \
        .write_text = hr_##kind_name##_write_text,                                        \
    }

HR_INTEGER_OPS(int2, HR_INT2, 2, 21, 1005, "smallint", "s");
HR_INTEGER_OPS(int4, HR_INT4, 4, 23, 1007, "integer", "i");
HR_INTEGER_OPS(int8, HR_INT8, 8, 20, 1016, "bigint", "l");
