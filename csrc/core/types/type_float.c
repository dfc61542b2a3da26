/* csrc/core/types/type_float.c: real and double precision. */
#include <math.h>

#include "float_text.h"
#include "type_common.h"

static int hr_float_out_of_range(const hr_type *type, const char *s, size_t n, hr_error *error)
{
    char excerpt[HR_EXCERPT_SIZE];

    return hr_error_data(error, HR_REASON_RANGE, s, n, "value %s is out of range for %s: its size must be between %s",
                         hr_utf8_excerpt(excerpt, s, n), hr_type_label(type),
                         type->kind == HR_FLOAT4 ? "1e-45 and 3.4e+38" : "5e-324 and 1.7e+308");
}

static int hr_float8_parse_value(const hr_type *type, hr_token token, const char *s, size_t n, hr_column *out, hr_error *error)
{
    double value = 0;

    if (HR_UNLIKELY(hr_token_is_native(token))) {
        value = token == HR_TOKEN_INT64 ? (double)hr_token_int64(s) : hr_token_float64(s);
        return hr_column_append_double(out, value, error);
    }
    switch (hr_float8_parse(s, n, &value)) {
    case HR_FLOAT_OK: break;
    case HR_FLOAT_INVALID: return hr_type_invalid("number", s, n, error);
    case HR_FLOAT_RANGE: return hr_float_out_of_range(type, s, n, error);
    }
    return hr_column_append_double(out, value, error);
}

static int hr_float4_parse_value(const hr_type *type, hr_token token, const char *s, size_t n, hr_column *out, hr_error *error)
{
    float value = 0;

    if (HR_UNLIKELY(token == HR_TOKEN_INT64))
        return hr_column_append_float(out, (float)hr_token_int64(s), error);
    if (HR_UNLIKELY(token == HR_TOKEN_FLOAT64)) {
        double wide = hr_token_float64(s);

        value = (float)wide; /* C rounds once, to nearest even; what overflows becomes infinite */
        if ((isinf(value) && !isinf(wide)) || (value == 0 && wide != 0)) {
            char text[HR_FLOAT_TEXT];

            hr_float_out_of_range(type, text, hr_float8_print(text, wide), error);
            if (error != NULL) {
                error->value = NULL; /* not a pointer to our stack */
                error->value_len = 0;
            }
            return HR_EDATA;
        }
        return hr_column_append_float(out, value, error);
    }
    switch (hr_float4_parse(s, n, &value)) {
    case HR_FLOAT_OK: break;
    case HR_FLOAT_INVALID: return hr_type_invalid("number", s, n, error);
    case HR_FLOAT_RANGE: return hr_float_out_of_range(type, s, n, error);
    }
    return hr_column_append_float(out, value, error);
}

static int hr_float8_write_binary(const hr_type *type, const hr_column *column, int64_t row, hr_buffer *out, hr_error *error)
{
    double value = hr_column_get_double(column, row);
    uint64_t bits;

    (void)type;
    memcpy(&bits, &value, sizeof(bits));
    return hr_write_field_64(out, bits, error);
}

static int hr_float4_write_binary(const hr_type *type, const hr_column *column, int64_t row, hr_buffer *out, hr_error *error)
{
    float value = hr_column_get_float(column, row);
    uint32_t bits;

    (void)type;
    memcpy(&bits, &value, sizeof(bits));
    return hr_write_field_32(out, bits, error);
}

static int hr_float8_read_binary(const hr_type *type, const uint8_t *bytes, int32_t n, hr_column *out, hr_error *error)
{
    uint64_t bits;
    double value;

    if (n != 8)
        return hr_type_bad_field(type, n, error);
    bits = hr_load_be64(bytes);
    memcpy(&value, &bits, sizeof(value));
    return hr_column_append_double(out, value, error);
}

static int hr_float4_read_binary(const hr_type *type, const uint8_t *bytes, int32_t n, hr_column *out, hr_error *error)
{
    uint32_t bits;
    float value;

    if (n != 4)
        return hr_type_bad_field(type, n, error);
    bits = hr_load_be32(bytes);
    memcpy(&value, &bits, sizeof(value));
    return hr_column_append_float(out, value, error);
}

static int hr_float8_write_text(const hr_type *type, const hr_column *column, int64_t row, hr_buffer *out, hr_error *error)
{
    (void)type;
    HR_RETURN_NOT_OK(hr_buffer_reserve(out, HR_FLOAT_TEXT, error));
    out->size += hr_float8_print((char *)out->data + out->size, hr_column_get_double(column, row));
    return HR_OK;
}

static int hr_float4_write_text(const hr_type *type, const hr_column *column, int64_t row, hr_buffer *out, hr_error *error)
{
    (void)type;
    HR_RETURN_NOT_OK(hr_buffer_reserve(out, HR_FLOAT_TEXT, error));
    out->size += hr_float4_print((char *)out->data + out->size, hr_column_get_float(column, row));
    return HR_OK;
}

extern const hr_type_ops hr_type_float4, hr_type_float8;

const hr_type_ops hr_type_float4 = {
    .kind = HR_FLOAT4,
    .storage = HR_STORE_FIXED,
    .width = 4,
    .oid = 700,
    .array_oid = 1021,
    .name = "real",
    .arrow_format = "f",
    .parse = hr_float4_parse_value,
    .write_binary = hr_float4_write_binary,
    .read_binary = hr_float4_read_binary,
    .write_text = hr_float4_write_text,
};

const hr_type_ops hr_type_float8 = {
    .kind = HR_FLOAT8,
    .storage = HR_STORE_FIXED,
    .width = 8,
    .oid = 701,
    .array_oid = 1022,
    .name = "double precision",
    .arrow_format = "g",
    .parse = hr_float8_parse_value,
    .write_binary = hr_float8_write_binary,
    .read_binary = hr_float8_read_binary,
    .write_text = hr_float8_write_text,
};
