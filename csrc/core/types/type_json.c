/* csrc/core/types/type_json.c: json and jsonb, kept as the text that came.
 *
 * What the JSON decoder hands over has been checked as JSON. json keeps any such text; jsonb refuses what the server's jsonb cannot hold:
 * \u0000, lone surrogates, numbers outside numeric.
 */
#include "core/json/json_scan.h"
#include "jsonb_text.h"
#include "numeric_text.h"
#include "type_common.h"

#define HR_JSONB_VERSION 1 /* the first byte of a jsonb field in COPY BINARY */

/* Check text that did not come from the JSON decoder as a value. Not being JSON is here a matter of the value's type: the record around
 * it was read well. */
static int hr_json_check_text(const hr_type *type, const char *s, size_t n, bool allow_nul_escape, hr_error *error)
{
    hr_error inner;
    int rc = hr_json_check(s, n, allow_nul_escape, &inner);

    if (rc != HR_OK && error != NULL) {
        hr_error_data(error, inner.reason == HR_REASON_MALFORMED ? HR_REASON_TYPE : inner.reason, s, n, "invalid %s: %.900s",
                      hr_type_label(type), inner.message);
        error->offset = inner.offset;
    }
    return rc;
}

static bool hr_json_is_checked(hr_token token)
{
    return token == HR_TOKEN_NUMBER || token == HR_TOKEN_TRUE || token == HR_TOKEN_FALSE || token == HR_TOKEN_OBJECT ||
           token == HR_TOKEN_ARRAY;
}

static int hr_json_parse(const hr_type *type, hr_token token, const char *s, size_t n, hr_column *out, hr_error *error)
{
    if (HR_UNLIKELY(hr_token_is_native(token)))
        return hr_type_parse_number_token(hr_json_parse, type, token, s, out, error);
    if (!hr_json_is_checked(token)) {
        HR_RETURN_NOT_OK(hr_type_check_text(type, token, s, n, error));
        HR_RETURN_NOT_OK(hr_json_check_text(type, s, n, true, error));
    }
    return hr_column_append_bytes(out, s, n, error);
}

/* The end of the number that starts at p, and whether it needs a look: only exponents and very long numbers can be out of range. */
static const char *hr_json_number_end(const char *p, const char *end, bool *look)
{
    const char *start = p;

    *look = false;
    for (; p < end && (hr_is_digit(*p) || *p == '.' || *p == '-' || *p == '+' || *p == 'e' || *p == 'E'); p++)
        *look |= *p == 'e' || *p == 'E';
    *look |= p - start > HR_NUMERIC_MAX_SCALE;
    return p;
}

/* All numbers of a checked JSON text must fit numeric. */
static int hr_jsonb_check_numbers(const hr_type *type, const char *s, size_t n, hr_error *error)
{
    const char *p = s, *end = s + n;

    while (p < end) {
        if (*p == '"') {
            for (p++; p < end && *p != '"'; p++)
                p += *p == '\\';
            p++;
        } else if (hr_is_digit(*p)) {
            const char *start = p;
            bool look;

            p = hr_json_number_end(p, end, &look);
            if (HR_UNLIKELY(look) && !hr_numeric_json_fits(start, (size_t)(p - start))) {
                char excerpt[HR_EXCERPT_SIZE];
                hr_error_data(error, HR_REASON_RANGE, s, n, "the number %s is out of range for %s",
                              hr_utf8_excerpt(excerpt, start, (size_t)(p - start)), hr_type_label(type));
                return HR_EDATA;
            }
        } else {
            p++;
        }
    }
    return HR_OK;
}

static int hr_jsonb_parse(const hr_type *type, hr_token token, const char *s, size_t n, hr_column *out, hr_error *error)
{
    if (HR_UNLIKELY(hr_token_is_native(token)))
        return hr_type_parse_number_token(hr_jsonb_parse, type, token, s, out, error);
    if (!hr_json_is_checked(token)) {
        HR_RETURN_NOT_OK(hr_type_check_text(type, token, s, n, error));
        HR_RETURN_NOT_OK(hr_json_check_text(type, s, n, false, error));
    } else if (n > 0 && memchr(s, '\\', n) != NULL) {
        HR_RETURN_NOT_OK(hr_json_check_text(type, s, n, false, error)); /* it was checked as json, which may hold \u0000 */
    }
    HR_RETURN_NOT_OK(hr_jsonb_check_numbers(type, s, n, error));
    return hr_column_append_bytes(out, s, n, error);
}

static int hr_json_read_binary(const hr_type *type, const uint8_t *bytes, int32_t n, hr_column *out, hr_error *error)
{
    HR_RETURN_NOT_OK(hr_type_check_text(type, HR_TOKEN_BYTES, (const char *)bytes, (size_t)n, error));
    return hr_column_append_bytes(out, bytes, (size_t)n, error);
}

static int hr_jsonb_write_binary(const hr_type *type, const hr_column *column, int64_t row, hr_buffer *out, hr_error *error)
{
    size_t n;
    const char *s = hr_column_get_bytes(column, row, &n);
    uint8_t *to;

    (void)type;
    if (n >= INT32_MAX) /* no room for the version byte */
        return hr_error_nomem(error);
    to = hr_write_field(out, (int32_t)n + 1, error);
    if (HR_UNLIKELY(to == NULL))
        return HR_ENOMEM;
    to[0] = HR_JSONB_VERSION;
    memcpy(to + 1, s, n);
    return HR_OK;
}

static int hr_jsonb_read_binary(const hr_type *type, const uint8_t *bytes, int32_t n, hr_column *out, hr_error *error)
{
    if (n < 1 || bytes[0] != HR_JSONB_VERSION)
        return hr_type_bad_field(type, n, error);
    return hr_json_read_binary(type, bytes + 1, n - 1, out, error);
}

static int hr_jsonb_write_text(const hr_type *type, const hr_column *column, int64_t row, hr_buffer *out, hr_error *error)
{
    size_t n;
    const char *s = hr_column_get_bytes(column, row, &n);

    (void)type;
    return hr_jsonb_canonical(s, n, out, error);
}

extern const hr_type_ops hr_type_json, hr_type_jsonb;

const hr_type_ops hr_type_json = {
    .kind = HR_JSON,
    .storage = HR_STORE_BYTES,
    .oid = 114,
    .array_oid = 199,
    .name = "json",
    .arrow_format = "u",
    .parse = hr_json_parse,
    .write_binary = hr_type_write_stored_field,
    .read_binary = hr_json_read_binary,
    .write_text = hr_type_write_stored_text,
};

const hr_type_ops hr_type_jsonb = {
    .kind = HR_JSONB,
    .storage = HR_STORE_BYTES,
    .oid = 3802,
    .array_oid = 3807,
    .name = "jsonb",
    .arrow_format = "u",
    .parse = hr_jsonb_parse,
    .write_binary = hr_jsonb_write_binary,
    .read_binary = hr_jsonb_read_binary,
    .write_text = hr_jsonb_write_text,
};
