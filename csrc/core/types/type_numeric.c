/* csrc/core/types/type_numeric.c: numeric of any size, kept as text in the server's output form. */
#include "numeric_text.h"
#include "type_common.h"

/* Text that is already the output form: -?whole[.digits] without a superfluous zero in front, and not a negative zero. */
static bool hr_numeric_is_canonical(const char *s, size_t n)
{
    size_t i = n > 0 && *s == '-', start = i, point = n;
    bool zero = true;

    if (n > 1000 || i == n || !hr_is_digit(s[i]))
        return false;
    for (; i < n; i++) {
        if (hr_is_digit(s[i]))
            zero = zero && s[i] == '0';
        else if (s[i] == '.' && point == n)
            point = i;
        else
            return false;
    }
    if (point == n - 1 || (zero && start == 1))
        return false;
    return s[start] != '0' || point == start + 1 || n == start + 1;
}

static int hr_numeric_append(hr_column *out, const char *text, hr_error *error)
{
    return hr_column_append_bytes(out, text, strlen(text), error);
}

/* A number in parts: check it against the type, write it rounded. `s` is the value as it came, for messages. */
static int hr_numeric_append_parts(const hr_type *type, const hr_numeric_parts *parts, const char *s, size_t n, hr_column *out,
                                   hr_error *error)
{
    bool bounded = type->precision > 0;
    int64_t scale = bounded ? type->scale : parts->scale;
    int64_t kept = parts->count > 0 ? hr_numeric_kept(parts, scale) : 0;
    size_t length;
    char *to;

    if (bounded ? kept > type->precision : (scale > HR_NUMERIC_MAX_SCALE || kept - scale > HR_NUMERIC_MAX_WHOLE))
        return hr_numeric_out_of_range(type, s, n, error);
    to = hr_column_begin_bytes(out, hr_numeric_emit_size(parts, scale), error);
    if (to == NULL)
        return HR_ENOMEM;
    length = hr_numeric_emit(parts, scale, type->precision, to);
    if (length == 0)
        return hr_numeric_out_of_range(type, s, n, error);
    hr_column_commit_bytes(out, length);
    return HR_OK;
}

static int hr_numeric_append_radix(const hr_type *type, const hr_numeric_parts *radix, const char *s, size_t n, hr_column *out,
                                   hr_error *error)
{
    hr_numeric_parts parts;
    hr_buffer text = {0};
    int rc = hr_numeric_radix_text(radix, &text, error);

    if (rc == HR_OK) {
        hr_numeric_scan((const char *)text.data, text.size, 0, &parts);
        rc = hr_numeric_append_parts(type, &parts, s, n, out, error);
    } else if (rc == HR_EDATA) {
        rc = hr_numeric_out_of_range(type, s, n, error);
    }
    hr_buffer_free(&text);
    return rc;
}

static int hr_numeric_parse(const hr_type *type, hr_token token, const char *s, size_t n, hr_column *out, hr_error *error)
{
    hr_numeric_parts parts;

    if (HR_UNLIKELY(hr_token_is_native(token)))
        return hr_type_parse_number_token(hr_numeric_parse, type, token, s, out, error);
    if (HR_LIKELY(type->precision == 0 && hr_numeric_is_canonical(s, n)))
        return hr_column_append_bytes(out, s, n, error);
    hr_numeric_scan(s, n, type->server_version, &parts);
    switch (parts.class) {
    case HR_NUMERIC_NUMBER: return hr_numeric_append_parts(type, &parts, s, n, out, error);
    case HR_NUMERIC_RADIX: return hr_numeric_append_radix(type, &parts, s, n, out, error);
    case HR_NUMERIC_NAN: return hr_numeric_append(out, "NaN", error);
    case HR_NUMERIC_INFINITY:
    case HR_NUMERIC_MINUS_INFINITY:
        if (type->precision > 0)
            return hr_numeric_out_of_range(type, s, n, error);
        return hr_numeric_append(out, parts.class == HR_NUMERIC_INFINITY ? "Infinity" : "-Infinity", error);
    case HR_NUMERIC_RANGE: return hr_numeric_out_of_range(type, s, n, error);
    case HR_NUMERIC_INVALID: break;
    }
    return hr_type_invalid("number", s, n, error);
}

/* Store the eight bytes that every field starts with. */
static void hr_numeric_store_header(uint8_t *to, size_t count, int32_t weight, unsigned sign, size_t scale)
{
    hr_store_be16(to, (uint16_t)count);
    hr_store_be16(to + 2, (uint16_t)weight);
    hr_store_be16(to + 4, (uint16_t)sign);
    hr_store_be16(to + 6, (uint16_t)scale);
}

static int hr_numeric_write_special(unsigned sign, hr_buffer *out, hr_error *error)
{
    uint8_t *to = hr_write_field(out, HR_NUMERIC_FIELD_HEADER, error);

    if (to == NULL)
        return HR_ENOMEM;
    /* the server itself sends its infinities with a scale of 32, a by-product of how it marks them; nobody reads it */
    hr_numeric_store_header(to, 0, 0, sign, sign == HR_NUMERIC_SIGN_NAN ? 0 : 32);
    return HR_OK;
}

/* The stored text has one form only, so that the groups of four digits can be cut without looking for surprises. */
static int hr_numeric_write_binary(const hr_type *type, const hr_column *column, int64_t row, hr_buffer *out, hr_error *error)
{
    size_t n, whole, scale = 0, count = 0, start = out->size;
    const char *s = hr_column_get_bytes(column, row, &n), *point;
    uint8_t *header, *to;
    int32_t weight, group;
    bool negative = s[0] == '-';

    (void)type;
    if (s[0] == 'N')
        return hr_numeric_write_special(HR_NUMERIC_SIGN_NAN, out, error);
    if (s[negative] == 'I')
        return hr_numeric_write_special(negative ? HR_NUMERIC_SIGN_MINUS_INFINITY : HR_NUMERIC_SIGN_INFINITY, out, error);
    s += negative;
    n -= negative;
    point = memchr(s, '.', n);
    whole = point != NULL ? (size_t)(point - s) : n;
    if (point != NULL)
        scale = n - whole - 1;
    HR_RETURN_NOT_OK(hr_buffer_reserve(out, HR_FIELD_HEADER + HR_NUMERIC_FIELD_HEADER + 2 * (whole / 4 + scale / 4 + 2), error));
    header = out->data + start;
    to = header + HR_FIELD_HEADER + HR_NUMERIC_FIELD_HEADER;
    weight = group = (int32_t)((whole + 3) / 4) - 1;
    for (size_t i = 0, size = whole - (size_t)group * 4; i < n; size = 4, group--) {
        unsigned value = 0;

        i += i == whole; /* step over the point */
        for (size_t k = 0; k < size; k++, i++)
            value = value * 10 + (i < n ? (unsigned)(s[i] - '0') : 0);
        if (count == 0 && value == 0) {
            weight = group - 1; /* nothing but zeros so far */
            continue;
        }
        hr_store_be16(to + 2 * count, (uint16_t)value);
        count++;
    }
    while (count > 0 && to[2 * count - 2] == 0 && to[2 * count - 1] == 0)
        count--;
    if (count == 0)
        weight = 0;
    hr_store_be32(header, (uint32_t)(HR_NUMERIC_FIELD_HEADER + 2 * count));
    hr_numeric_store_header(header + HR_FIELD_HEADER, count, weight, negative ? HR_NUMERIC_SIGN_NEGATIVE : 0, scale);
    out->size = start + HR_FIELD_HEADER + HR_NUMERIC_FIELD_HEADER + 2 * count;
    return HR_OK;
}

static int hr_numeric_read_binary(const hr_type *type, const uint8_t *bytes, int32_t n, hr_column *out, hr_error *error)
{
    hr_numeric_field field;
    char *to;

    if (!hr_numeric_field_read(bytes, n, &field))
        return hr_type_bad_field(type, n, error);
    to = hr_column_begin_bytes(out, hr_numeric_field_text_size(&field), error);
    if (to == NULL)
        return HR_ENOMEM;
    hr_column_commit_bytes(out, hr_numeric_field_text(&field, to));
    return HR_OK;
}

extern const hr_type_ops hr_type_numeric;
const hr_type_ops hr_type_numeric = {
    .kind = HR_NUMERIC,
    .storage = HR_STORE_BYTES,
    .oid = 1700,
    .array_oid = 1231,
    .name = "numeric",
    .arrow_format = "u",
    .parse = hr_numeric_parse,
    .write_binary = hr_numeric_write_binary,
    .read_binary = hr_numeric_read_binary,
    .write_text = hr_type_write_stored_text,
};
