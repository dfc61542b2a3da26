/* csrc/core/types/type_interval.c: interval columns. */
#include "datetime.h"
#include "interval_text.h"
#include "type_common.h"

#define HR_INTERVAL_FULL_PRECISION 0xffff
#define HR_SERVER_WITH_INFINITE_INTERVALS 170000

static const hr_interval hr_interval_infinity = {INT32_MAX, INT32_MAX, INT64_MAX};
static const hr_interval hr_interval_minus_infinity = {INT32_MIN, INT32_MIN, INT64_MIN};

static int hr_interval_sign_of_infinity(hr_interval value)
{
    if (value.months == INT32_MAX && value.days == INT32_MAX && value.micros == INT64_MAX)
        return 1;
    return value.months == INT32_MIN && value.days == INT32_MIN && value.micros == INT64_MIN ? -1 : 0;
}

static bool hr_interval_can_be_infinite(const hr_type *type)
{
    return type->server_version == 0 || type->server_version >= HR_SERVER_WITH_INFINITE_INTERVALS;
}

/* The fields of "interval year to month" and its like: the upper half of the typmod. */
static int hr_interval_fields(const hr_type *type)
{
    int fields = type->typmod >= 0 ? type->typmod >> 16 & HR_INTERVAL_ALL : 0;

    return fields != 0 ? fields : HR_INTERVAL_ALL;
}

/* Decimals of a second to keep, -1 for all. */
static int hr_interval_precision(const hr_type *type)
{
    if (type->typmod < 0)
        return type->scale;
    return (type->typmod & 0xffff) == HR_INTERVAL_FULL_PRECISION ? -1 : type->typmod & 0xffff;
}

/* Cut what is finer than the column's last field, then round to its precision, as the server does. False when that overflows. */
static bool hr_interval_fit(const hr_type *type, hr_interval *value)
{
    static const int64_t half_steps[] = {500000, 50000, 5000, 500, 50, 5};
    int fields = hr_interval_fields(type), precision = hr_interval_precision(type);

    if (fields != HR_INTERVAL_ALL && !(fields & HR_INTERVAL_SECOND)) {
        if (fields & HR_INTERVAL_MINUTE) {
            value->micros -= value->micros % HR_MICROS_PER_MINUTE;
        } else if (fields & HR_INTERVAL_HOUR) {
            value->micros -= value->micros % HR_MICROS_PER_HOUR;
        } else {
            value->micros = 0;
            if (!(fields & HR_INTERVAL_DAY)) {
                value->days = 0;
                if (!(fields & HR_INTERVAL_MONTH))
                    value->months -= value->months % 12;
            }
        }
    }
    if (precision >= 0 && precision < 6) {
        int64_t edge = half_steps[precision];
        if (value->micros >= 0 ? value->micros > INT64_MAX - edge : value->micros < INT64_MIN + edge)
            return false;
        value->micros = hr_micros_round(value->micros, precision);
    }
    return true;
}

/* Append a finite value. */
static int hr_interval_append(const hr_type *type, hr_interval value, const char *s, size_t n, hr_column *out, hr_error *error)
{
    char excerpt[HR_EXCERPT_SIZE];

    if (!hr_interval_fit(type, &value))
        return hr_error_data(error, HR_REASON_RANGE, s, n, "%s out of range%s%s%s: its time cannot be rounded within 64 bits",
                             hr_type_label(type), n ? " \"" : "", n ? hr_utf8_excerpt(excerpt, s, n) : "", n ? "\"" : "");
    if (hr_interval_sign_of_infinity(value) != 0 && hr_interval_can_be_infinite(type))
        return hr_error_data(error, HR_REASON_RANGE, s, n, "%s out of range: the server keeps this value for infinity",
                             hr_type_label(type));
    return hr_column_append_interval(out, value, error);
}

static int hr_interval_parse(const hr_type *type, hr_token token, const char *s, size_t n, hr_column *out, hr_error *error)
{
    hr_interval value = {0, 0, 0};
    int infinite;

    if (HR_UNLIKELY(hr_time_number_applies(type, token, s, n))) {
        bool native = hr_token_is_native(token);
        int64_t number;
        HR_RETURN_NOT_OK(hr_time_number_read(type, token, s, n, &number, error));
        if (type->unit == HR_UNIT_DAYS) {
            if (number < INT32_MIN || number > INT32_MAX)
                return hr_error_data(error, HR_REASON_RANGE, native ? NULL : s, native ? 0 : n, "%s out of range: days are a 32-bit number",
                                     hr_type_label(type));
            value.days = (int32_t)number;
        } else {
            value.micros = number;
        }
        return hr_interval_append(type, value, native ? NULL : s, native ? 0 : n, out, error);
    }
    HR_RETURN_NOT_OK(hr_interval_scan(type, hr_interval_fields(type), s, n, &value, &infinite, error));
    if (infinite == 0)
        return hr_interval_append(type, value, s, n, out, error);
    if (!hr_interval_can_be_infinite(type))
        return hr_error_data(error, HR_REASON_RANGE, s, n, "an infinite %s needs PostgreSQL 17 or newer", hr_type_label(type));
    return hr_column_append_interval(out, infinite > 0 ? hr_interval_infinity : hr_interval_minus_infinity, error);
}

static int hr_interval_write_binary(const hr_type *type, const hr_column *column, int64_t row, hr_buffer *out, hr_error *error)
{
    hr_interval value = hr_column_get_interval(column, row);
    uint8_t *to = hr_write_field(out, 16, error);

    (void)type;
    if (HR_UNLIKELY(to == NULL))
        return HR_ENOMEM;
    hr_store_be64(to, (uint64_t)value.micros);
    hr_store_be32(to + 8, (uint32_t)value.days);
    hr_store_be32(to + 12, (uint32_t)value.months);
    return HR_OK;
}

static int hr_interval_read_binary(const hr_type *type, const uint8_t *bytes, int32_t n, hr_column *out, hr_error *error)
{
    hr_interval value;

    if (n != 16)
        return hr_type_bad_field(type, n, error);
    value.micros = (int64_t)hr_load_be64(bytes);
    value.days = (int32_t)hr_load_be32(bytes + 8);
    value.months = (int32_t)hr_load_be32(bytes + 12);
    return hr_column_append_interval(out, value, error);
}

static int hr_interval_write_text(const hr_type *type, const hr_column *column, int64_t row, hr_buffer *out, hr_error *error)
{
    hr_interval value = hr_column_get_interval(column, row);
    int infinite = hr_interval_can_be_infinite(type) ? hr_interval_sign_of_infinity(value) : 0;

    if (infinite != 0)
        return hr_buffer_append(out, infinite > 0 ? "infinity" : "-infinity", infinite > 0 ? 8 : 9, error);
    HR_RETURN_NOT_OK(hr_buffer_reserve(out, HR_INTERVAL_TEXT, error));
    out->size += hr_interval_print((char *)out->data + out->size, value);
    return HR_OK;
}

extern const hr_type_ops hr_type_interval;
const hr_type_ops hr_type_interval = {
    .kind = HR_INTERVAL,
    .storage = HR_STORE_FIXED,
    .width = 16,
    .oid = 1186,
    .array_oid = 1187,
    .name = "interval",
    .arrow_format = "tin",
    .parse = hr_interval_parse,
    .write_binary = hr_interval_write_binary,
    .read_binary = hr_interval_read_binary,
    .write_text = hr_interval_write_text,
};
