/* csrc/core/types/type_text.c: text, varchar(n), char(n), and the types that only the server understands (kept as text). */
#include "type_common.h"

static int hr_text_parse(const hr_type *type, hr_token token, const char *s, size_t n, hr_column *out, hr_error *error)
{
    if (HR_UNLIKELY(hr_token_is_native(token)))
        return hr_type_parse_number_token(hr_text_parse, type, token, s, out, error);
    HR_RETURN_NOT_OK(hr_type_check_text(type, token, s, n, error));
    return hr_column_append_bytes(out, s, n, error);
}

/* How many bytes of s[0..n) a type of max_chars characters keeps: all, or those before the excess when that is nothing but spaces (as
 * the server cuts it). SIZE_MAX and HR_EDATA's message when it is more than that. */
static size_t hr_text_fit(const hr_type *type, const char *s, size_t n, hr_error *error)
{
    size_t limit = (size_t)type->max_chars, cut;

    if (type->max_chars < 0 || n <= limit)
        return n;
    cut = hr_utf8_offset(s, n, limit);
    for (size_t i = cut; i < n; i++) {
        if (s[i] != ' ') {
            hr_error_data(error, HR_REASON_RANGE, s, n, "text of %zu characters is too long for %s", hr_utf8_length(s, n),
                          hr_type_label(type));
            return SIZE_MAX;
        }
    }
    return cut;
}

static int hr_varchar_parse(const hr_type *type, hr_token token, const char *s, size_t n, hr_column *out, hr_error *error)
{
    size_t keep;

    if (HR_UNLIKELY(hr_token_is_native(token)))
        return hr_type_parse_number_token(hr_varchar_parse, type, token, s, out, error);
    HR_RETURN_NOT_OK(hr_type_check_text(type, token, s, n, error));
    keep = hr_text_fit(type, s, n, error);
    if (HR_UNLIKELY(keep == SIZE_MAX))
        return HR_EDATA;
    return hr_column_append_bytes(out, s, keep, error);
}

/* char(n): filled up with spaces to n characters. */
static int hr_bpchar_parse(const hr_type *type, hr_token token, const char *s, size_t n, hr_column *out, hr_error *error)
{
    size_t keep, chars, pad;
    char *to;

    if (HR_UNLIKELY(hr_token_is_native(token)))
        return hr_type_parse_number_token(hr_bpchar_parse, type, token, s, out, error);
    HR_RETURN_NOT_OK(hr_type_check_text(type, token, s, n, error));
    keep = hr_text_fit(type, s, n, error);
    if (HR_UNLIKELY(keep == SIZE_MAX))
        return HR_EDATA;
    chars = type->max_chars < 0 ? 0 : hr_utf8_length(s, keep);
    pad = type->max_chars < 0 || chars > (size_t)type->max_chars ? 0 : (size_t)type->max_chars - chars;
    to = hr_column_begin_bytes(out, keep + pad, error);
    if (HR_UNLIKELY(to == NULL))
        return HR_ENOMEM;
    if (keep > 0)
        memcpy(to, s, keep);
    memset(to + keep, ' ', pad);
    hr_column_commit_bytes(out, keep + pad);
    return HR_OK;
}

/* The server sends what it holds: only the encoding is looked at, since the client may have asked for another. */
static int hr_text_read_binary(const hr_type *type, const uint8_t *bytes, int32_t n, hr_column *out, hr_error *error)
{
    HR_RETURN_NOT_OK(hr_type_check_text(type, HR_TOKEN_BYTES, (const char *)bytes, (size_t)n, error));
    return hr_column_append_bytes(out, bytes, (size_t)n, error);
}

/* No one but the server knows the binary form of such a type; hr_copy_format_for() chooses COPY text for it. */
static int hr_other_write_binary(const hr_type *type, const hr_column *column, int64_t row, hr_buffer *out, hr_error *error)
{
    (void)column;
    (void)row;
    (void)out;
    return hr_error_set(error, HR_EUSAGE, "a column of type %s cannot be sent in binary: use COPY's text format", hr_type_label(type));
}

static int hr_other_read_binary(const hr_type *type, const uint8_t *bytes, int32_t n, hr_column *out, hr_error *error)
{
    (void)bytes;
    (void)n;
    (void)out;
    return hr_error_set(error, HR_EUSAGE, "a column of type %s cannot be read in binary: cast it to text in the query",
                        hr_type_label(type));
}

#define HR_TEXT_OPS(ops_name, KIND, type_oid, type_array_oid, sql_name, parse_function, write_function, read_function) \
    extern const hr_type_ops ops_name;                                                                                 \
    const hr_type_ops ops_name = {                                                                                     \
        .kind = KIND,                                                                                                  \
        .storage = HR_STORE_BYTES,                                                                                     \
        .oid = type_oid,                                                                                               \
        .array_oid = type_array_oid,                                                                                   \
        .name = sql_name,                                                                                              \
        .arrow_format = "u",                                                                                           \
        .parse = parse_function,                                                                                       \
        .write_binary = write_function,                                                                                \
        .read_binary = read_function,                                                                                  \
        .write_text = hr_type_write_stored_text,                                                                       \
    }

HR_TEXT_OPS(hr_type_text, HR_TEXT, 25, 1009, "text", hr_text_parse, hr_type_write_stored_field, hr_text_read_binary);
HR_TEXT_OPS(hr_type_varchar, HR_VARCHAR, 1043, 1015, "character varying", hr_varchar_parse, hr_type_write_stored_field,
            hr_text_read_binary);
HR_TEXT_OPS(hr_type_bpchar, HR_BPCHAR, 1042, 1014, "character", hr_bpchar_parse, hr_type_write_stored_field, hr_text_read_binary);
HR_TEXT_OPS(hr_type_other, HR_OTHER, 0, 0, "other", hr_text_parse, hr_other_write_binary, hr_other_read_binary);
