/* csrc/core/types/type_enum.c: enumerated types, as their labels. */
#include "type_common.h"

static int hr_enum_compare(const char *s, size_t n, const char *label)
{
    size_t length = strlen(label);
    int order = memcmp(s, label, n < length ? n : length);

    return order != 0 ? order : n < length ? -1 : n > length;
}

static bool hr_enum_has(const hr_type *type, const char *s, size_t n)
{
    int32_t low = 0, high = type->label_count;

    if (n == 0) /* memcmp wants a pointer, and a CSV field of no bytes may have none */
        s = "";
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        int order = hr_enum_compare(s, n, type->labels[middle]);

        if (order == 0)
            return true;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

static int hr_enum_parse(const hr_type *type, hr_token token, const char *s, size_t n, hr_column *out, hr_error *error)
{
    char excerpt[HR_EXCERPT_SIZE];

    if (HR_UNLIKELY(hr_token_is_native(token)))
        return hr_type_parse_number_token(hr_enum_parse, type, token, s, out, error);
    if (HR_UNLIKELY(!hr_enum_has(type, s, n)))
        return hr_error_data(error, HR_REASON_TYPE, s, n, "\"%s\" is not one of the %d labels of enum %s", hr_utf8_excerpt(excerpt, s, n),
                             (int)type->label_count, hr_type_label(type));
    return hr_column_append_bytes(out, s, n, error);
}

/* What the server sends is a label; one that it got after the schema was read must not be lost either. */
static int hr_enum_read_binary(const hr_type *type, const uint8_t *bytes, int32_t n, hr_column *out, hr_error *error)
{
    HR_RETURN_NOT_OK(hr_type_check_text(type, HR_TOKEN_BYTES, (const char *)bytes, (size_t)n, error));
    return hr_column_append_bytes(out, bytes, (size_t)n, error);
}

extern const hr_type_ops hr_type_enum;
const hr_type_ops hr_type_enum = {
    .kind = HR_ENUM,
    .storage = HR_STORE_BYTES,
    .name = "enum",
    .arrow_format = "u",
    .parse = hr_enum_parse,
    .write_binary = hr_type_write_stored_field,
    .read_binary = hr_enum_read_binary,
    .write_text = hr_type_write_stored_text,
};
