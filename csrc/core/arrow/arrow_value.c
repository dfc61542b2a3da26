/* csrc/core/arrow/arrow_value.c: one element of an Arrow array into a column.
 *
 * Values go straight into a column of their own kind, after a check of its range. Into any other type they go as their text, through
 * that type's parse: so every conversion is the one the type family defines, and its errors are its own.
 */
#include "arrow_field.h"
#include "core/bytes.h"

#include <inttypes.h>
#include <stdio.h>

#define HR_ARROW_DATE_MIN INT32_C(-2440588)                       /* 4714-11-24 BC */
#define HR_ARROW_DATE_END INT32_C(2145042906)                     /* one past 5874897-12-31 */
#define HR_ARROW_TIMESTAMP_MIN INT64_C(-210866803200000000)       /* 4714-11-24 BC */
#define HR_ARROW_DAY_MICROS INT64_C(86400000000)

/* A pointer to element i (offset included) of a buffer of fixed-width values. */
static const uint8_t *hr_arrow_at(const struct ArrowArray *array, int buffer, int64_t i, size_t width)
{
    return (const uint8_t *)array->buffers[buffer] + (size_t)(array->offset + i) * width;
}

#define HR_ARROW_LOADER(name, ctype)                                                          \
    static ctype hr_arrow_##name(const struct ArrowArray *array, int buffer, int64_t i)       \
    {                                                                                         \
        ctype value;                                                                          \
        memcpy(&value, hr_arrow_at(array, buffer, i, sizeof(value)), sizeof(value));          \
        return value;                                                                         \
    }
HR_ARROW_LOADER(int16, int16_t)
HR_ARROW_LOADER(uint16, uint16_t)
HR_ARROW_LOADER(int32, int32_t)
HR_ARROW_LOADER(uint32, uint32_t)
HR_ARROW_LOADER(int64, int64_t)
HR_ARROW_LOADER(float, float)
HR_ARROW_LOADER(double, double)
#undef HR_ARROW_LOADER

/* An integer of any width. For uint64 the bits are returned as they are. */
static int64_t hr_arrow_integer(hr_arrow_code code, const struct ArrowArray *array, int64_t i)
{
    switch (code) {
    case HR_ARROW_INT8: return (int8_t)*hr_arrow_at(array, 1, i, 1);
    case HR_ARROW_UINT8: return *hr_arrow_at(array, 1, i, 1);
    case HR_ARROW_INT16: return hr_arrow_int16(array, 1, i);
    case HR_ARROW_UINT16: return hr_arrow_uint16(array, 1, i);
    case HR_ARROW_INT32: return hr_arrow_int32(array, 1, i);
    case HR_ARROW_UINT32: return hr_arrow_uint32(array, 1, i);
    default: return hr_arrow_int64(array, 1, i);
    }
}

static int hr_arrow_out_of_range(const hr_column *out, const char *what, hr_error *error)
{
    return hr_error_data(error, HR_REASON_RANGE, NULL, 0, "%s is out of range for type %s", what,
                         out->type->name != NULL ? out->type->name : hr_type_ops_of(out->type)->name);
}

/* Append text, of the given token, through the column's own parse. */
static int hr_arrow_parse(hr_token token, const char *text, size_t n, hr_column *out, hr_error *error)
{
    return hr_type_ops_of(out->type)->parse(out->type, token, text, n, out, error);
}

/* Append the one value in the field's scratch column to `out`, as text. The scratch is emptied. */
static int hr_arrow_through_text(hr_arrow_field *field, hr_token token, hr_column *out, hr_buffer *text, hr_error *error)
{
    const hr_column *from = &field->scratch;
    int rc;

    text->size = 0;
    rc = hr_type_ops_of(from->type)->write_text(from->type, from, 0, text, error);
    hr_column_truncate(&field->scratch, 0);
    if (rc != HR_OK)
        return rc;
    return hr_arrow_parse(token, (const char *)text->data, text->size, out, error);
}

/* The column where a value is put in its own type before it becomes text. */
static int hr_arrow_scratch(hr_arrow_field *field, hr_column **out, hr_error *error)
{
    if (!field->scratch_ready) {
        HR_RETURN_NOT_OK(hr_column_init(&field->scratch, &field->type, error));
        field->scratch_ready = true;
    }
    *out = &field->scratch;
    return HR_OK;
}

static int hr_arrow_append_integer(hr_arrow_code code, const struct ArrowArray *array, int64_t i, hr_column *out, hr_error *error)
{
    int64_t value = hr_arrow_integer(code, array, i);
    bool unsigned_top = code == HR_ARROW_UINT64 && value < 0;
    char digits[HR_INT64_TEXT];
    size_t n;

    if (!unsigned_top) {
        switch (out->type->kind) {
        case HR_INT2:
            if (value == (int16_t)value)
                return hr_column_append_int16(out, (int16_t)value, error);
            break;
        case HR_INT4:
            if (value == (int32_t)value)
                return hr_column_append_int32(out, (int32_t)value, error);
            break;
        case HR_INT8: return hr_column_append_int64(out, value, error);
        default: break;
        }
    }
    n = unsigned_top ? hr_print_uint64(digits, (uint64_t)value) : hr_print_int64(digits, value);
    return hr_arrow_parse(HR_TOKEN_NUMBER, digits, n, out, error);
}

static int hr_arrow_append_float(hr_arrow_field *field, const struct ArrowArray *array, int64_t i, hr_column *out, hr_buffer *text,
                                 hr_error *error)
{
    double value = field->code == HR_ARROW_FLOAT ? (double)hr_arrow_float(array, 1, i) : hr_arrow_double(array, 1, i);
    hr_column *scratch;

    if (out->type->kind == HR_FLOAT8)
        return hr_column_append_double(out, value, error);
    if (out->type->kind == HR_FLOAT4 && field->code == HR_ARROW_FLOAT)
        return hr_column_append_float(out, (float)value, error);
    HR_RETURN_NOT_OK(hr_arrow_scratch(field, &scratch, error));
    if (field->code == HR_ARROW_FLOAT)
        HR_RETURN_NOT_OK(hr_column_append_float(scratch, (float)value, error));
    else
        HR_RETURN_NOT_OK(hr_column_append_double(scratch, value, error));
    return hr_arrow_through_text(field, value - value == 0 ? HR_TOKEN_NUMBER : HR_TOKEN_TEXT, out, text, error);
}

/* The digits of a little-endian two's complement number of `width` bytes (at most 32), with `scale` of them after the point. */
static int hr_arrow_decimal_text(const uint8_t *bytes, int32_t width, int32_t scale, hr_buffer *text, hr_error *error)
{
    uint32_t limbs[8] = {0}; /* lowest first */
    char digits[96];         /* lowest first: 2^255 has 77 */
    int32_t limb_count = width / 4, count = 0, shown;
    bool negative = (bytes[width - 1] & 0x80) != 0, zero;
    uint64_t carry = 1;

    for (int32_t i = 0; i < limb_count; i++) {
        memcpy(&limbs[i], bytes + i * 4, 4);
        if (negative) {
            carry += (uint32_t)~limbs[i];
            limbs[i] = (uint32_t)carry;
            carry >>= 32;
        }
    }
    do {
        uint64_t rest = 0;
        zero = true;
        for (int32_t i = limb_count - 1; i >= 0; i--) {
            rest = rest << 32 | limbs[i];
            limbs[i] = (uint32_t)(rest / 10);
            rest %= 10;
            zero = zero && limbs[i] == 0;
        }
        digits[count++] = (char)('0' + rest);
    } while (!zero);

    text->size = 0;
    shown = count > scale ? count : scale + 1; /* at least one digit before the point */
    HR_RETURN_NOT_OK(hr_buffer_reserve(text, (size_t)shown + (scale < 0 ? (size_t)-scale : 0) + 2, error));
    if (negative)
        text->data[text->size++] = '-';
    for (int32_t i = shown - 1; i >= 0; i--) {
        text->data[text->size++] = (uint8_t)(i < count ? digits[i] : '0');
        if (i == scale && scale > 0)
            text->data[text->size++] = '.';
    }
    for (int32_t i = scale; i < 0 && !(count == 1 && digits[0] == '0'); i++)
        text->data[text->size++] = '0';
    return HR_OK;
}

/* Whether the magnitude is below 10^precision (at most 38). */
static bool hr_arrow_decimal_fits(hr_decimal128 value, int16_t precision)
{
    __extension__ typedef unsigned __int128 wide;
    wide magnitude = (wide)(uint64_t)value.high << 64 | value.low, limit = 1;

    if (value.high < 0)
        magnitude = 0 - magnitude;
    if (precision > 19) {
        limit = UINT64_C(10000000000000000000);
        precision = (int16_t)(precision - 19);
    }
    for (int16_t i = 0; i < precision; i++)
        limit *= 10;
    return magnitude < limit;
}

static int hr_arrow_append_decimal(hr_arrow_field *field, const struct ArrowArray *array, int64_t i, hr_column *out, hr_buffer *text,
                                   hr_error *error)
{
    const uint8_t *bytes = hr_arrow_at(array, 1, i, (size_t)field->width);
    const hr_type *to = out->type;
    hr_decimal128 value;

    if (to->kind == HR_DECIMAL && field->width == 16 && to->scale == field->scale) {
        memcpy(&value, bytes, sizeof(value));
        /* A value beyond the precision takes the long way and its error: it must not pass for our NaN, or reach the server. */
        if (hr_arrow_decimal_fits(value, to->precision))
            return hr_column_append_decimal(out, value, error);
    }
    HR_RETURN_NOT_OK(hr_arrow_decimal_text(bytes, field->width, field->scale, text, error));
    return hr_arrow_parse(HR_TOKEN_NUMBER, (const char *)text->data, text->size, out, error);
}

/* Whether a view's bytes lie within its buffer: the last buffer tells how long the ones with the bytes are. */
static bool hr_arrow_view_fits(const struct ArrowArray *array, int32_t index, int32_t offset, int32_t size)
{
    const uint8_t *lengths = array->buffers[array->n_buffers - 1];
    int64_t length;

    if (lengths == NULL || array->buffers[2 + index] == NULL)
        return false;
    memcpy(&length, lengths + (size_t)index * 8, sizeof(length));
    return (int64_t)offset + size <= length;
}

/* Where the bytes of a string or binary element are. HR_EUSAGE when its offsets or its view point nowhere. */
static int hr_arrow_bytes(const hr_arrow_field *field, const struct ArrowArray *array, int64_t i, const char **bytes, size_t *n,
                          hr_error *error)
{
    int64_t begin, end;

    if (field->code == HR_ARROW_FIXED_BYTES) {
        *bytes = (const char *)hr_arrow_at(array, 1, i, (size_t)field->width);
        *n = (size_t)field->width;
        return HR_OK;
    }
    if (field->code == HR_ARROW_VIEWS) {
        const uint8_t *view = hr_arrow_at(array, 1, i, 16);
        int32_t size, index, offset;
        memcpy(&size, view, 4);
        memcpy(&index, view + 8, 4);
        memcpy(&offset, view + 12, 4);
        *n = (size_t)size;
        *bytes = (const char *)view + 4;
        if (size >= 0 && size <= 12)
            return HR_OK;
        if (size < 0 || index < 0 || index >= array->n_buffers - 3 || offset < 0 || !hr_arrow_view_fits(array, index, offset, size))
            return hr_error_set(error, HR_EUSAGE, "an Arrow string view points outside its buffers: the array is damaged");
        *bytes = (const char *)array->buffers[2 + index] + offset;
        return HR_OK;
    }
    if (field->code == HR_ARROW_BYTES) {
        begin = hr_arrow_int32(array, 1, i);
        end = hr_arrow_int32(array, 1, i + 1);
    } else {
        begin = hr_arrow_int64(array, 1, i);
        end = hr_arrow_int64(array, 1, i + 1);
    }
    if (begin < 0 || end < begin || (end > begin && array->buffers[2] == NULL))
        return hr_error_set(error, HR_EUSAGE, "an Arrow string has an offset before its own start: the array is damaged");
    *n = (size_t)(end - begin);
    *bytes = *n > 0 ? (const char *)array->buffers[2] + begin : "";
    return HR_OK;
}

static int hr_arrow_append_bytes(hr_arrow_field *field, const struct ArrowArray *array, int64_t i, hr_column *out, hr_error *error)
{
    const char *bytes = "";
    size_t n = 0;

    HR_RETURN_NOT_OK(hr_arrow_bytes(field, array, i, &bytes, &n, error));
    if (field->text)
        return hr_arrow_parse(HR_TOKEN_TEXT, bytes, n, out, error);
    if (out->type->kind == HR_BYTEA)
        return hr_column_append_bytes(out, bytes, n, error);
    if (out->type->kind == HR_UUID && n == 16) {
        uint8_t uuid[16];
        memcpy(uuid, bytes, sizeof(uuid));
        return hr_column_append_16(out, uuid, error);
    }
    return hr_error_data(error, HR_REASON_TYPE, bytes, n, "%zu raw bytes cannot become %s: cast the Arrow column to string first", n,
                         out->type->name != NULL ? out->type->name : hr_type_ops_of(out->type)->name);
}

/* Nanoseconds to microseconds as the server rounds: to the nearest, halves to the even one. */
static int64_t hr_arrow_round_nanos(int64_t nanos)
{
    int64_t micros = nanos / 1000, rest = nanos % 1000;

    if (rest < 0) {
        rest += 1000;
        micros--;
    }
    return micros + (rest > 500 || (rest == 500 && (micros & 1)));
}

/* `value` of `unit` in microseconds; false when they do not fit. */
static bool hr_arrow_micros(int64_t value, hr_time_unit unit, int64_t *micros)
{
    switch (unit) {
    case HR_UNIT_S: return !__builtin_mul_overflow(value, INT64_C(1000000), micros);
    case HR_UNIT_MS: return !__builtin_mul_overflow(value, INT64_C(1000), micros);
    case HR_UNIT_NS: *micros = hr_arrow_round_nanos(value); return true;
    default: *micros = value; return true;
    }
}

static int hr_arrow_read_date(const hr_arrow_field *field, const struct ArrowArray *array, int64_t i, int32_t *days)
{
    int64_t value;

    if (field->code == HR_ARROW_DATE_DAYS) {
        value = hr_arrow_int32(array, 1, i);
    } else {
        int64_t millis = hr_arrow_int64(array, 1, i);
        value = millis / 86400000 - (millis % 86400000 < 0);
    }
    if (value < HR_ARROW_DATE_MIN || value >= HR_ARROW_DATE_END)
        return HR_EDATA;
    *days = (int32_t)value;
    return HR_OK;
}

/* Time of day and timestamps. */
static int hr_arrow_read_micros(const hr_arrow_field *field, const struct ArrowArray *array, int64_t i, int64_t *micros)
{
    int64_t value = field->code == HR_ARROW_TIME_32 ? hr_arrow_int32(array, 1, i) : hr_arrow_int64(array, 1, i);

    if (!hr_arrow_micros(value, field->unit, micros))
        return HR_EDATA;
    if (field->code == HR_ARROW_TIMESTAMP)
        return *micros < HR_ARROW_TIMESTAMP_MIN || *micros == HR_TIMESTAMP_INFINITY ? HR_EDATA : HR_OK;
    return *micros < 0 || *micros > HR_ARROW_DAY_MICROS ? HR_EDATA : HR_OK;
}

static int hr_arrow_read_interval(const hr_arrow_field *field, const struct ArrowArray *array, int64_t i, hr_interval *interval)
{
    const uint8_t *at;
    int32_t millis;
    int64_t nanos;

    memset(interval, 0, sizeof(*interval));
    switch (field->code) {
    case HR_ARROW_MONTHS: interval->months = hr_arrow_int32(array, 1, i); return HR_OK;
    case HR_ARROW_DAYS_MILLIS:
        at = hr_arrow_at(array, 1, i, 8);
        memcpy(&interval->days, at, 4);
        memcpy(&millis, at + 4, 4);
        interval->micros = (int64_t)millis * 1000;
        return HR_OK;
    case HR_ARROW_MONTHS_DAYS_NANOS:
        at = hr_arrow_at(array, 1, i, 16);
        memcpy(&interval->months, at, 4);
        memcpy(&interval->days, at + 4, 4);
        memcpy(&nanos, at + 8, 8);
        interval->micros = hr_arrow_round_nanos(nanos);
        return HR_OK;
    default: return hr_arrow_micros(hr_arrow_int64(array, 1, i), field->unit, &interval->micros) ? HR_OK : HR_EDATA;
    }
}

bool hr_arrow_same_time(const hr_arrow_field *field, const hr_type *to)
{
    return to->kind == field->type.kind && (to->scale < 0 || to->scale >= 6 || to->kind == HR_DATE) &&
           (to->kind != HR_INTERVAL || to->typmod < 0);
}

static int hr_arrow_append_time(hr_arrow_field *field, const struct ArrowArray *array, int64_t i, hr_column *out, hr_buffer *text,
                                hr_error *error)
{
    bool direct = hr_arrow_same_time(field, out->type);
    hr_column *to = out;
    hr_interval interval;
    int64_t micros;
    int32_t days;

    if (!direct)
        HR_RETURN_NOT_OK(hr_arrow_scratch(field, &to, error));
    switch (field->type.kind) {
    case HR_DATE:
        if (hr_arrow_read_date(field, array, i, &days) != HR_OK)
            return hr_arrow_out_of_range(to, "the date", error);
        HR_RETURN_NOT_OK(hr_column_append_int32(to, days, error));
        break;
    case HR_INTERVAL:
        if (hr_arrow_read_interval(field, array, i, &interval) != HR_OK)
            return hr_arrow_out_of_range(to, "the duration", error);
        HR_RETURN_NOT_OK(hr_column_append_interval(to, interval, error));
        break;
    default:
        if (hr_arrow_read_micros(field, array, i, &micros) != HR_OK)
            return hr_arrow_out_of_range(to, field->code == HR_ARROW_TIMESTAMP ? "the timestamp" : "the time", error);
        HR_RETURN_NOT_OK(hr_column_append_int64(to, micros, error));
        break;
    }
    return direct ? HR_OK : hr_arrow_through_text(field, HR_TOKEN_TEXT, out, text, error);
}

/* A list into an array column, element by element; into any other column as the text of the array. */
static int hr_arrow_append_list(hr_arrow_field *field, const struct ArrowArray *array, int64_t i, hr_column *out, hr_buffer *text,
                                hr_error *error)
{
    const struct ArrowArray *child = array->children[0];
    int64_t begin, end, length;
    hr_column *to = out;
    int rc = HR_OK;

    if (field->code == HR_ARROW_LIST) {
        begin = hr_arrow_int32(array, 1, i);
        end = hr_arrow_int32(array, 1, i + 1);
    } else if (field->code == HR_ARROW_LARGE_LIST) {
        begin = hr_arrow_int64(array, 1, i);
        end = hr_arrow_int64(array, 1, i + 1);
    } else {
        begin = (array->offset + i) * field->width;
        end = begin + field->width;
    }
    if (begin < 0 || end < begin || end > child->length)
        return hr_error_set(error, HR_EUSAGE, "an Arrow list has offsets outside its child: the array is damaged");
    if (out->type->kind != HR_ARRAY)
        HR_RETURN_NOT_OK(hr_arrow_scratch(field, &to, error));
    length = to->length;
    for (int64_t k = begin; k < end && rc == HR_OK; k++)
        rc = hr_arrow_field_append(field->item, child, k, to->child, text, error);
    if (rc == HR_OK)
        rc = hr_column_append_list(to, error);
    if (rc != HR_OK) {
        hr_column_truncate(to, length);
        return rc;
    }
    return to == out ? HR_OK : hr_arrow_through_text(field, HR_TOKEN_TEXT, out, text, error);
}

static bool hr_arrow_bit(const void *bits, int64_t i)
{
    return (((const uint8_t *)bits)[i >> 3] >> (i & 7)) & 1;
}

bool hr_arrow_values_fit(const hr_arrow_field *field, const struct ArrowArray *array, int64_t from, int64_t n, const hr_type *to)
{
    const uint8_t *valid = array->null_count != 0 ? array->buffers[0] : NULL;
    bool fits = true;

    if (field->code != HR_ARROW_DECIMAL && field->code != HR_ARROW_DATE_DAYS && field->code != HR_ARROW_TIME_64 &&
        field->code != HR_ARROW_TIMESTAMP)
        return true;
    for (int64_t i = from; i < from + n && fits; i++) {
        int64_t micros;
        int32_t days;

        if (valid != NULL && !hr_arrow_bit(valid, array->offset + i))
            continue;
        if (field->code == HR_ARROW_DECIMAL) {
            hr_decimal128 value;
            memcpy(&value, hr_arrow_at(array, 1, i, sizeof(value)), sizeof(value));
            fits = hr_arrow_decimal_fits(value, to->precision);
        } else if (field->code == HR_ARROW_DATE_DAYS) {
            fits = hr_arrow_read_date(field, array, i, &days) == HR_OK;
        } else {
            fits = hr_arrow_read_micros(field, array, i, &micros) == HR_OK;
        }
    }
    return fits;
}

/* Where in the dictionary element i is. */
static int hr_arrow_dictionary_index(const hr_arrow_field *field, const struct ArrowArray *array, int64_t i, int64_t *index,
                                     hr_error *error)
{
    *index = hr_arrow_integer(field->code, array, i);
    if (*index < 0 || *index >= array->dictionary->length)
        return hr_error_set(error, HR_EUSAGE, "an Arrow dictionary has no entry %lld: the array is damaged", (long long)*index);
    return HR_OK;
}

int hr_arrow_field_is_null(const hr_arrow_field *field, const struct ArrowArray *array, int64_t i, bool *is_null, hr_error *error)
{
    int64_t index;

    *is_null = field->code == HR_ARROW_NULL ||
               (array->null_count != 0 && array->buffers[0] != NULL && !hr_arrow_bit(array->buffers[0], array->offset + i));
    if (*is_null || field->dictionary == NULL)
        return HR_OK;
    HR_RETURN_NOT_OK(hr_arrow_dictionary_index(field, array, i, &index, error));
    return hr_arrow_field_is_null(field->dictionary, array->dictionary, index, is_null, error);
}

int hr_arrow_field_append(hr_arrow_field *field, const struct ArrowArray *array, int64_t i, hr_column *out, hr_buffer *text,
                          hr_error *error)
{
    bool flag;

    HR_RETURN_NOT_OK(hr_arrow_field_is_null(field, array, i, &flag, error));
    if (flag)
        return hr_column_append_null(out, error);
    if (field->dictionary != NULL) {
        int64_t index = 0;
        HR_RETURN_NOT_OK(hr_arrow_dictionary_index(field, array, i, &index, error));
        return hr_arrow_field_append(field->dictionary, array->dictionary, index, out, text, error);
    }
    switch (field->code) {
    case HR_ARROW_NULL: break; /* was null above */
    case HR_ARROW_BOOL:
        flag = hr_arrow_bit(array->buffers[1], array->offset + i);
        if (out->type->kind == HR_BOOL)
            return hr_column_append_bool(out, flag, error);
        return flag ? hr_arrow_parse(HR_TOKEN_TRUE, "true", 4, out, error) : hr_arrow_parse(HR_TOKEN_FALSE, "false", 5, out, error);
    case HR_ARROW_INT8:
    case HR_ARROW_UINT8:
    case HR_ARROW_INT16:
    case HR_ARROW_UINT16:
    case HR_ARROW_INT32:
    case HR_ARROW_UINT32:
    case HR_ARROW_INT64:
    case HR_ARROW_UINT64: return hr_arrow_append_integer(field->code, array, i, out, error);
    case HR_ARROW_FLOAT:
    case HR_ARROW_DOUBLE: return hr_arrow_append_float(field, array, i, out, text, error);
    case HR_ARROW_DECIMAL: return hr_arrow_append_decimal(field, array, i, out, text, error);
    case HR_ARROW_BYTES:
    case HR_ARROW_LARGE_BYTES:
    case HR_ARROW_VIEWS:
    case HR_ARROW_FIXED_BYTES: return hr_arrow_append_bytes(field, array, i, out, error);
    case HR_ARROW_DATE_DAYS:
    case HR_ARROW_DATE_MILLIS:
    case HR_ARROW_TIME_32:
    case HR_ARROW_TIME_64:
    case HR_ARROW_TIMESTAMP:
    case HR_ARROW_DURATION:
    case HR_ARROW_MONTHS:
    case HR_ARROW_DAYS_MILLIS:
    case HR_ARROW_MONTHS_DAYS_NANOS: return hr_arrow_append_time(field, array, i, out, text, error);
    case HR_ARROW_LIST:
    case HR_ARROW_LARGE_LIST:
    case HR_ARROW_FIXED_LIST: return hr_arrow_append_list(field, array, i, out, text, error);
    }
    return hr_error_set(error, HR_EUSAGE, "an Arrow field of an unknown layout");
}
