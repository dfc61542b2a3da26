/* csrc/core/types/type_common.c: what the type_*.c files share. */
#include "type_common.h"

#include "float_text.h"

const char *hr_type_label(const hr_type *type)
{
    return type->name != NULL ? type->name : hr_type_ops_of(type)->name;
}

int hr_type_invalid(const char *what, const char *s, size_t n, hr_error *error)
{
    char excerpt[HR_EXCERPT_SIZE];

    if (n == 0)
        return hr_error_data(error, HR_REASON_TYPE, s, n, "an empty string is not a valid %s", what);
    return hr_error_data(error, HR_REASON_TYPE, s, n, "invalid %s \"%s\"", what, hr_utf8_excerpt(excerpt, s, n));
}

int hr_type_bad_field(const hr_type *type, int32_t n, hr_error *error)
{
    return hr_error_data(error, HR_REASON_TYPE, NULL, 0, "a COPY BINARY field of %d bytes is not a valid %s", (int)n, hr_type_label(type));
}

int hr_type_check_text(const hr_type *type, hr_token token, const char *s, size_t n, hr_error *error)
{
    size_t bad;

    if ((token == HR_TOKEN_TEXT || token == HR_TOKEN_BYTES) && HR_UNLIKELY(!hr_utf8_validate(s, n, &bad))) {
        hr_error_data(error, HR_REASON_ENCODING, s, n, "byte 0x%02x at position %zu is not valid UTF-8 in a value for %s",
                      (unsigned)(unsigned char)s[bad], bad, hr_type_label(type));
        return HR_EDATA;
    }
    if (n > 0 && HR_UNLIKELY(memchr(s, '\0', n) != NULL))
        return hr_error_data(error, HR_REASON_ENCODING, s, n, "%s cannot hold the character U+0000 (NUL)", hr_type_label(type));
    return HR_OK;
}

int hr_type_parse_number_token(hr_parse_function parse, const hr_type *type, hr_token token, const char *s, hr_column *out,
                               hr_error *error)
{
    char text[HR_FLOAT_TEXT > HR_INT64_TEXT ? HR_FLOAT_TEXT : HR_INT64_TEXT];
    size_t n = token == HR_TOKEN_INT64 ? hr_print_int64(text, hr_token_int64(s)) : hr_float8_print(text, hr_token_float64(s));
    int rc = parse(type, HR_TOKEN_TEXT, text, n, out, error);

    /* the message quotes the number; a pointer to our stack must not leave */
    if (rc != HR_OK && error != NULL) {
        error->value = NULL;
        error->value_len = 0;
    }
    return rc;
}

int hr_type_write_stored_field(const hr_type *type, const hr_column *column, int64_t row, hr_buffer *out, hr_error *error)
{
    size_t n;
    const char *s = hr_column_get_bytes(column, row, &n);

    (void)type;
    return hr_write_field_bytes(out, s, (int32_t)n, error);
}

int hr_type_write_stored_text(const hr_type *type, const hr_column *column, int64_t row, hr_buffer *out, hr_error *error)
{
    size_t n;
    const char *s = hr_column_get_bytes(column, row, &n);

    (void)type;
    return hr_buffer_append(out, s, n, error);
}
