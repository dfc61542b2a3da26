/* csrc/core/types/type_decimal.c: numeric(p,s) with 1 <= p <= 38 and 0 <= s <= p, as 128-bit integers (Arrow's decimal128).
 *
 * The stored number is the value times 10^s. Amounts and quantities have at most 18 digits and stay in 64 bits all the way; the road
 * for everything else walks over the digits once and is exact for any length.
 */
#include "numeric_text.h"
#include "type_common.h"

typedef unsigned __int128 hr_u128;

#define HR_DECIMAL_GROUPS 11 /* of four digits: 38 digits that straddle the point */

static const uint64_t hr_pow10_64[20] = {
    UINT64_C(1), UINT64_C(10), UINT64_C(100), UINT64_C(1000), UINT64_C(10000), UINT64_C(100000), UINT64_C(1000000), UINT64_C(10000000),
    UINT64_C(100000000), UINT64_C(1000000000), UINT64_C(10000000000), UINT64_C(100000000000), UINT64_C(1000000000000),
    UINT64_C(10000000000000), UINT64_C(100000000000000), UINT64_C(1000000000000000), UINT64_C(10000000000000000),
    UINT64_C(100000000000000000), UINT64_C(1000000000000000000), UINT64_C(10000000000000000000)};

/* 10^n for n <= 38. */
static hr_u128 hr_decimal_pow10(int n)
{
    return n <= 19 ? hr_pow10_64[n] : (hr_u128)hr_pow10_64[19] * hr_pow10_64[n - 19];
}

static hr_decimal128 hr_decimal_pack(hr_u128 magnitude, bool negative)
{
    hr_u128 value = negative ? 0 - magnitude : magnitude;
    hr_decimal128 packed = {(uint64_t)value, (int64_t)(uint64_t)(value >> 64)};

    return packed;
}

static bool hr_decimal_is_nan(hr_decimal128 value)
{
    return value.low == HR_DECIMAL_NAN_LOW && value.high == HR_DECIMAL_NAN_HIGH;
}

static hr_u128 hr_decimal_unpack(hr_decimal128 value, bool *negative)
{
    hr_u128 bits = (hr_u128)(uint64_t)value.high << 64 | value.low;

    *negative = value.high < 0;
    return *negative ? 0 - bits : bits;
}

/* ---- text ---- */

/* The fast road: -?digits[.digits] with at most 18 digits, none of them cut off by the scale, and a result that fits. False sends the
 * value to the slow road. */
static inline bool hr_decimal_parse_plain(const hr_type *type, const char *s, size_t n, hr_decimal128 *value)
{
    bool negative = n > 0 && *s == '-';
    const char *p = s + negative, *end = s + n;
    uint64_t digits = 0;
    int missing = type->scale, room;

    if (HR_UNLIKELY((size_t)(end - p) - 1 > 18 || !hr_is_digit(*p))) /* empty, or more than 18 digits and a point */
        return false;
    for (; p < end && hr_is_digit(*p); p++)
        digits = digits * 10 + (unsigned)(*p - '0');
    if (p < end) {
        if (*p++ != '.')
            return false;
        missing -= (int)(end - p);
        for (; p < end; p++) {
            if (!hr_is_digit(*p))
                return false;
            digits = digits * 10 + (unsigned)(*p - '0');
        }
        if (missing < 0)
            return false;
    }
    room = type->precision - missing; /* digits * 10^missing < 10^precision */
    if (room < 19 && (room < 0 || digits >= hr_pow10_64[room]))
        return false;
    if (HR_LIKELY(type->precision <= 18)) {
        int64_t small = (int64_t)(digits * hr_pow10_64[missing]);
        small = negative ? -small : small;
        value->low = (uint64_t)small;
        value->high = small < 0 ? -1 : 0;
    } else {
        *value = hr_decimal_pack(digits * hr_decimal_pow10(missing), negative);
    }
    return true;
}

/* Round the parts half away from zero to the type's scale. False when more than its precision remains. */
static bool hr_decimal_from_parts(const hr_type *type, const hr_numeric_parts *parts, hr_decimal128 *value)
{
    int64_t kept = parts->count > 0 ? hr_numeric_kept(parts, type->scale) : 0;
    hr_u128 magnitude = 0;
    const char *p = parts->digits;

    if (kept > type->precision)
        return false;
    for (int64_t i = 0; i < kept; i++) {
        while (p < parts->end && !hr_is_digit(*p))
            p++;
        magnitude = magnitude * 10 + (p < parts->end ? (unsigned)(*p++ - '0') : 0);
    }
    if (kept >= 0 && kept < parts->count) { /* the first digit that is cut off decides */
        while (!hr_is_digit(*p))
            p++;
        magnitude += *p >= '5';
    }
    if (magnitude >= hr_decimal_pow10(type->precision)) /* 99.995 became 100.00 */
        return false;
    *value = hr_decimal_pack(magnitude, parts->negative);
    return true;
}

static int hr_decimal_parse_slow(const hr_type *type, const char *s, size_t n, hr_decimal128 *value, hr_error *error)
{
    hr_numeric_parts parts;
    hr_buffer text = {0};
    bool fits = false;
    int rc = HR_OK;

    hr_numeric_scan(s, n, type->server_version, &parts);
    switch (parts.class) {
    case HR_NUMERIC_NUMBER: fits = hr_decimal_from_parts(type, &parts, value); break;
    case HR_NUMERIC_NAN:
        value->low = HR_DECIMAL_NAN_LOW;
        value->high = HR_DECIMAL_NAN_HIGH;
        return HR_OK;
    case HR_NUMERIC_RADIX:
        rc = hr_numeric_radix_text(&parts, &text, error);
        if (rc == HR_OK) {
            hr_numeric_scan((const char *)text.data, text.size, 0, &parts);
            fits = hr_decimal_from_parts(type, &parts, value);
        }
        hr_buffer_free(&text);
        if (rc == HR_ENOMEM)
            return rc;
        break;
    case HR_NUMERIC_INFINITY:
    case HR_NUMERIC_MINUS_INFINITY:
    case HR_NUMERIC_RANGE: break;
    case HR_NUMERIC_INVALID: return hr_type_invalid("number", s, n, error);
    }
    return fits ? HR_OK : hr_numeric_out_of_range(type, s, n, error);
}

static int hr_decimal_parse(const hr_type *type, hr_token token, const char *s, size_t n, hr_column *out, hr_error *error)
{
    hr_decimal128 value;

    if (HR_UNLIKELY(hr_token_is_native(token)))
        return hr_type_parse_number_token(hr_decimal_parse, type, token, s, out, error);
    if (HR_UNLIKELY(!hr_decimal_parse_plain(type, s, n, &value)))
        HR_RETURN_NOT_OK(hr_decimal_parse_slow(type, s, n, &value, error));
    return hr_column_append_decimal(out, value, error);
}

/* Sign, 38 digits, point, and a zero in front of it. */
#define HR_DECIMAL_TEXT 41

static int hr_decimal_write_text(const hr_type *type, const hr_column *column, int64_t row, hr_buffer *out, hr_error *error)
{
    hr_decimal128 value = hr_column_get_decimal(column, row);
    char text[HR_DECIMAL_TEXT], *p = text + sizeof(text);
    bool negative;
    hr_u128 rest;

    if (hr_decimal_is_nan(value))
        return hr_buffer_append(out, "NaN", 3, error);
    rest = hr_decimal_unpack(value, &negative);
    /* from the right, until the value is used up and there is a digit before the point */
    for (int written = 0; rest != 0 || written <= type->scale; written++) {
        if (written == type->scale && type->scale > 0)
            *--p = '.';
        if (rest >> 64 == 0) {
            *--p = (char)('0' + (uint64_t)rest % 10);
            rest = (uint64_t)rest / 10;
        } else {
            *--p = (char)('0' + (int)(rest % 10));
            rest /= 10;
        }
    }
    if (negative)
        *--p = '-';
    return hr_buffer_append(out, p, (size_t)(text + sizeof(text) - p), error);
}

/* ---- COPY BINARY ---- */

/* Cut a number into groups of four digits, lowest first. Returns how many. */
static inline int hr_decimal_groups64(uint64_t value, uint16_t *groups)
{
    int count = 0;

    while (value != 0) {
        groups[count++] = (uint16_t)(value % 10000);
        value /= 10000;
    }
    return count;
}

static int hr_decimal_groups128(hr_u128 value, uint16_t *groups)
{
    int count = 0;

    /* 16 digits at a time, so that the 128-bit divisions are few */
    while (value >> 64 != 0) {
        hr_u128 next = value / UINT64_C(10000000000000000);
        uint64_t low = (uint64_t)(value - next * UINT64_C(10000000000000000));
        for (int i = 0; i < 4; i++, low /= 10000)
            groups[count++] = (uint16_t)(low % 10000);
        value = next;
    }
    return count + hr_decimal_groups64((uint64_t)value, groups + count);
}

static int hr_decimal_write_binary(const hr_type *type, const hr_column *column, int64_t row, hr_buffer *out, hr_error *error)
{
    hr_decimal128 value = hr_column_get_decimal(column, row);
    uint16_t groups[HR_DECIMAL_GROUPS + 1];
    int scale = type->scale, below = (scale + 3) / 4, beyond = below * 4 - scale; /* digits that fill up the lowest group */
    int low = 0, high, count;
    bool negative;
    hr_u128 magnitude = hr_decimal_unpack(value, &negative);
    unsigned sign = negative ? HR_NUMERIC_SIGN_NEGATIVE : 0;
    uint8_t *to;

    if (HR_LIKELY(magnitude <= UINT64_MAX / 1000)) {
        high = hr_decimal_groups64((uint64_t)magnitude * hr_pow10_64[beyond], groups);
    } else if (hr_decimal_is_nan(value)) {
        high = 0;
        sign = HR_NUMERIC_SIGN_NAN;
        scale = 0;
    } else if (beyond == 0) {
        high = hr_decimal_groups128(magnitude, groups);
    } else {
        /* times 10^beyond could pass 128 bits: take the lowest, partial group off first */
        hr_u128 rest = magnitude / hr_pow10_64[4 - beyond];
        groups[0] = (uint16_t)((uint64_t)(magnitude - rest * hr_pow10_64[4 - beyond]) * hr_pow10_64[beyond]);
        high = 1 + hr_decimal_groups128(rest, groups + 1);
    }
    while (low < high && groups[low] == 0)
        low++;
    count = high - low;
    to = hr_write_field(out, HR_NUMERIC_FIELD_HEADER + 2 * count, error);
    if (HR_UNLIKELY(to == NULL))
        return HR_ENOMEM;
    hr_store_be16(to, (uint16_t)count);
    hr_store_be16(to + 2, (uint16_t)(count > 0 ? high - 1 - below : 0));
    hr_store_be16(to + 4, (uint16_t)sign);
    hr_store_be16(to + 6, (uint16_t)scale);
    to += HR_NUMERIC_FIELD_HEADER;
    for (int i = high - 1; i >= low; i--, to += 2)
        hr_store_be16(to, groups[i]);
    return HR_OK;
}

/* Any field: through the text, which rounds and refuses as the parser does. */
static int hr_decimal_read_slow(const hr_type *type, const hr_numeric_field *field, hr_column *out, hr_error *error)
{
    char text[HR_NUMERIC_MAX_SCALE + 64]; /* weight 12 at most: 52 digits before the point */
    hr_decimal128 value;
    int rc;

    if (field->sign <= HR_NUMERIC_SIGN_NEGATIVE && field->weight > 12)
        return hr_error_data(error, HR_REASON_RANGE, NULL, 0, "a number of %d digits is out of range for %s", (int)(field->weight + 1) * 4,
                             hr_type_label(type));
    rc = hr_decimal_parse_slow(type, text, hr_numeric_field_text(field, text), &value, error);
    if (rc != HR_OK) {
        if (error != NULL) {
            error->value = NULL; /* not a pointer to our stack */
            error->value_len = 0;
        }
        return rc;
    }
    return hr_column_append_decimal(out, value, error);
}

static int hr_decimal_read_binary(const hr_type *type, const uint8_t *bytes, int32_t n, hr_column *out, hr_error *error)
{
    hr_numeric_field field;

    if (!hr_numeric_field_read(bytes, n, &field))
        return hr_type_bad_field(type, n, error);
    if (HR_LIKELY(field.count <= 4 && field.sign <= HR_NUMERIC_SIGN_NEGATIVE)) {
        /* the digits as a whole number, times a power of ten that must not cut anything off */
        int64_t power = 4 * ((int64_t)field.weight - field.count + 1) + type->scale;
        uint64_t whole = 0;
        bool negative = field.sign == HR_NUMERIC_SIGN_NEGATIVE;

        for (int32_t i = 0; i < field.count; i++)
            whole = whole * 10000 + hr_load_be16(field.digits + 2 * i);
        if (whole == 0)
            return hr_column_append_decimal(out, hr_decimal_pack(0, false), error);
        if (power >= 0 && power <= type->precision && whole < hr_decimal_pow10((int)(type->precision - power)))
            return hr_column_append_decimal(out, hr_decimal_pack(whole * hr_decimal_pow10((int)power), negative), error);
        if (power < 0 && power > -19 && whole % hr_pow10_64[-power] == 0 &&
            whole / hr_pow10_64[-power] < hr_decimal_pow10(type->precision))
            return hr_column_append_decimal(out, hr_decimal_pack(whole / hr_pow10_64[-power], negative), error);
    }
    return hr_decimal_read_slow(type, &field, out, error);
}

extern const hr_type_ops hr_type_decimal;
const hr_type_ops hr_type_decimal = {
    .kind = HR_DECIMAL,
    .storage = HR_STORE_FIXED,
    .width = 16,
    .oid = 1700,
    .array_oid = 1231,
    .name = "numeric",
    .arrow_format = NULL, /* "d:12,2" */
    .parse = hr_decimal_parse,
    .write_binary = hr_decimal_write_binary,
    .read_binary = hr_decimal_read_binary,
    .write_text = hr_decimal_write_text,
};
