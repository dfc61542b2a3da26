/* csrc/core/avro/avro_read.c: Avro's binary form, value by value. */
#include "avro.h"
#include "core/bytes.h"
#include "core/types/float_text.h"
#include "core/json/json_scan.h"
#include "core/utf8.h"

bool hr_avro_fail(hr_avro_reader *reader, hr_reason reason, const char *what)
{
    reader->rc = hr_error_data(reader->error, reason, NULL, 0, "%s", what);
    return false;
}

/* A value begins: not too deep, and not too many of them. */
static bool hr_avro_enter(hr_avro_reader *reader, int depth)
{
    if (HR_UNLIKELY(depth > HR_AVRO_DEPTH))
        return hr_avro_fail(reader, HR_REASON_DEPTH, "values are nested deeper than 200 in the Avro body");
    if (HR_UNLIKELY(reader->steps-- == 0)) {
        reader->steps = 0;
        return hr_avro_fail(reader, HR_REASON_MALFORMED, "the Avro body has far more values than bytes");
    }
    return true;
}

static bool hr_avro_nomem(hr_avro_reader *reader)
{
    reader->rc = hr_error_nomem(reader->error);
    return false;
}

bool hr_avro_long(hr_avro_reader *reader, int64_t *value)
{
    uint64_t bits = 0;

    for (int shift = 0; shift < 64; shift += 7) {
        uint8_t byte;

        if (HR_UNLIKELY(reader->at == reader->end))
            return hr_avro_fail(reader, HR_REASON_MALFORMED, "the Avro body ends inside a number");
        byte = (uint8_t)*reader->at++;
        if (shift == 63 && byte > 1)
            break;
        bits |= (uint64_t)(byte & 0x7f) << shift;
        if (HR_LIKELY(byte < 0x80)) {
            *value = (int64_t)(bits >> 1) ^ -(int64_t)(bits & 1);
            return true;
        }
    }
    return hr_avro_fail(reader, HR_REASON_MALFORMED, "a number in the Avro body is longer than 64 bits");
}

bool hr_avro_int(hr_avro_reader *reader, int64_t *value)
{
    if (!hr_avro_long(reader, value))
        return false;
    if (*value < INT32_MIN || *value > INT32_MAX)
        return hr_avro_fail(reader, HR_REASON_MALFORMED, "an int in the Avro body is longer than 32 bits");
    return true;
}

bool hr_avro_length(hr_avro_reader *reader, size_t *n)
{
    int64_t length = 0;

    if (!hr_avro_long(reader, &length))
        return false;
    if (length < 0 || length > reader->end - reader->at)
        return hr_avro_fail(reader, HR_REASON_MALFORMED, "a string in the Avro body is longer than the body");
    *n = (size_t)length;
    return true;
}

bool hr_avro_take(hr_avro_reader *reader, size_t n, const char **bytes)
{
    if (n > (size_t)(reader->end - reader->at))
        return hr_avro_fail(reader, HR_REASON_MALFORMED, "the Avro body ends inside a value");
    *bytes = reader->at;
    reader->at += n;
    return true;
}

bool hr_avro_string(hr_avro_reader *reader, const char **s, size_t *n)
{
    return hr_avro_length(reader, n) && hr_avro_take(reader, *n, s);
}

bool hr_avro_double(hr_avro_reader *reader, double *value)
{
    const char *bytes = NULL;
    uint64_t bits = 0;

    if (!hr_avro_take(reader, 8, &bytes))
        return false;
    for (int i = 7; i >= 0; i--)
        bits = bits << 8 | (uint8_t)bytes[i];
    memcpy(value, &bits, sizeof(*value));
    return true;
}

bool hr_avro_float(hr_avro_reader *reader, float *value)
{
    const char *bytes = NULL;
    uint32_t bits = 0;

    if (!hr_avro_take(reader, 4, &bytes))
        return false;
    for (int i = 3; i >= 0; i--)
        bits = bits << 8 | (uint8_t)bytes[i];
    memcpy(value, &bits, sizeof(*value));
    return true;
}

bool hr_avro_boolean(hr_avro_reader *reader, bool *value)
{
    const char *byte = NULL;

    if (!hr_avro_take(reader, 1, &byte))
        return false;
    if ((uint8_t)*byte > 1)
        return hr_avro_fail(reader, HR_REASON_MALFORMED, "a boolean in the Avro body is neither 0 nor 1");
    *value = *byte == 1;
    return true;
}

bool hr_avro_index(hr_avro_reader *reader, int32_t count, const char *what, int32_t *index)
{
    int64_t value = 0;

    if (!hr_avro_long(reader, &value))
        return false;
    if (value < 0 || value >= count) {
        reader->rc = hr_error_data(reader->error, HR_REASON_MALFORMED, NULL, 0, "the Avro body has %s number %lld, of %d in its schema",
                                   what, (long long)value, (int)count);
        return false;
    }
    *index = (int32_t)value;
    return true;
}

/* The next block of an array or map: how many items it has, 0 at the end; *bytes is its length, or -1 when it is not said. */
static bool hr_avro_block(hr_avro_reader *reader, int64_t *count, int64_t *bytes)
{
    *bytes = -1;
    if (!hr_avro_long(reader, count))
        return false;
    if (*count < 0) {
        if (*count == INT64_MIN || !hr_avro_long(reader, bytes))
            return *count == INT64_MIN ? hr_avro_fail(reader, HR_REASON_MALFORMED, "an array in the Avro body is too long") : false;
        *count = -*count;
        if (*bytes < 0 || *bytes > reader->end - reader->at)
            return hr_avro_fail(reader, HR_REASON_MALFORMED, "an array in the Avro body is longer than the body");
    }
    if (*count > reader->end - reader->at && (uint64_t)*count > reader->steps)
        return hr_avro_fail(reader, HR_REASON_MALFORMED, "an array in the Avro body has more items than the body has bytes");
    return true;
}

static bool hr_avro_skip_items(hr_avro_reader *reader, const hr_avro_type *type, int depth)
{
    int64_t count = 0, bytes = -1;
    const char *start = NULL;
    size_t n = 0;

    for (;;) {
        if (!hr_avro_block(reader, &count, &bytes))
            return false;
        if (count == 0)
            return true;
        if (bytes >= 0) {
            reader->at += bytes;
            continue;
        }
        for (; count > 0; count--) {
            if (type->kind == HR_AVRO_MAP && !hr_avro_string(reader, &start, &n))
                return false;
            if (!hr_avro_skip(reader, type->children[0], depth + 1))
                return false;
        }
    }
}

bool hr_avro_skip(hr_avro_reader *reader, const hr_avro_type *type, int depth)
{
    const char *bytes = NULL;
    int64_t number = 0;
    int32_t index = 0;
    size_t n = 0;
    bool flag = false;

    if (!hr_avro_enter(reader, depth))
        return false;
    switch (type->kind) {
    case HR_AVRO_NULL: return true;
    case HR_AVRO_BOOLEAN: return hr_avro_boolean(reader, &flag);
    case HR_AVRO_INT: return hr_avro_int(reader, &number);
    case HR_AVRO_LONG: return hr_avro_long(reader, &number);
    case HR_AVRO_FLOAT: return hr_avro_take(reader, 4, &bytes);
    case HR_AVRO_DOUBLE: return hr_avro_take(reader, 8, &bytes);
    case HR_AVRO_BYTES:
    case HR_AVRO_STRING: return hr_avro_string(reader, &bytes, &n);
    case HR_AVRO_FIXED: return hr_avro_take(reader, (size_t)type->size, &bytes);
    case HR_AVRO_ENUM: return hr_avro_index(reader, type->count, "the symbol", &index);
    case HR_AVRO_ARRAY:
    case HR_AVRO_MAP: return hr_avro_skip_items(reader, type, depth);
    case HR_AVRO_UNION:
        return hr_avro_index(reader, type->count, "the union's branch", &index) && hr_avro_skip(reader, type->children[index], depth + 1);
    case HR_AVRO_RECORD:
        for (int32_t i = 0; i < type->count; i++)
            if (!hr_avro_skip(reader, type->children[i], depth + 1))
                return false;
        return true;
    }
    return false;
}

/* ---- as JSON ---- */

static bool hr_avro_put(hr_avro_reader *reader, hr_buffer *out, const char *s, size_t n)
{
    if (HR_UNLIKELY(n > reader->json))
        return hr_avro_fail(reader, HR_REASON_RANGE, "the value is many times larger as JSON than the whole Avro body");
    reader->json -= n;
    return hr_buffer_append(out, s, n, NULL) == HR_OK ? true : hr_avro_nomem(reader);
}

/* A JSON string of text that must be UTF-8. */
static bool hr_avro_put_string(hr_avro_reader *reader, hr_buffer *out, const char *s, size_t n)
{
    size_t from = 0;

    if (!hr_json_is_ascii(s, n) && !hr_utf8_validate(s, n, NULL))
        return hr_avro_fail(reader, HR_REASON_ENCODING, "a string in the Avro body is not UTF-8");
    if (!hr_avro_put(reader, out, "\"", 1))
        return false;
    for (size_t i = 0; i <= n; i++) {
        char escape[6] = {'\\', 0, '0', '0', 0, 0};
        size_t length = 2;

        if (i < n && (uint8_t)s[i] >= 0x20 && s[i] != '"' && s[i] != '\\')
            continue;
        if (!hr_avro_put(reader, out, s + from, i - from))
            return false;
        if (i == n)
            break;
        from = i + 1;
        escape[1] = s[i];
        if ((uint8_t)s[i] < 0x20) {
            escape[1] = 'u';
            escape[4] = "0123456789abcdef"[(uint8_t)s[i] >> 4];
            escape[5] = "0123456789abcdef"[(uint8_t)s[i] & 15];
            length = 6;
        }
        if (!hr_avro_put(reader, out, escape, length))
            return false;
    }
    return hr_avro_put(reader, out, "\"", 1);
}

static bool hr_avro_put_bytes(hr_avro_reader *reader, const hr_avro_type *type, bool raw, hr_arena *arena, hr_buffer *out, const char *s,
                              size_t n)
{
    const char *text;
    size_t length;

    if (type->form.form == HR_FORM_DECIMAL && !raw && n > 0) {
        reader->rc = hr_change_decimal_text(arena, (const uint8_t *)s, n, type->form.number, &text, &length, reader->error);
        return reader->rc == HR_OK && hr_avro_put(reader, out, text, length);
    }
    if (hr_buffer_reserve(out, n / 3 * 4 + 8, NULL) != HR_OK)
        return hr_avro_nomem(reader);
    out->data[out->size++] = '"';
    out->size += hr_base64_encode((const uint8_t *)s, n, (char *)out->data + out->size);
    out->data[out->size++] = '"';
    return true;
}

/* A float's or double's shortest digits; what JSON has no number for becomes a string. */
static bool hr_avro_put_double(hr_avro_reader *reader, hr_buffer *out, const char *text, size_t n)
{
    bool word = n == 0 || !(hr_is_digit(text[n - 1]));

    return (!word || hr_avro_put(reader, out, "\"", 1)) && hr_avro_put(reader, out, text, n) &&
           (!word || hr_avro_put(reader, out, "\"", 1));
}

static bool hr_avro_json_items(hr_avro_reader *reader, const hr_avro_type *type, bool raw, int depth, hr_arena *arena, hr_buffer *out)
{
    const bool map = type->kind == HR_AVRO_MAP;
    int64_t count = 0, bytes = -1;
    bool first = true;

    if (!hr_avro_put(reader, out, map ? "{" : "[", 1))
        return false;
    for (;;) {
        if (!hr_avro_block(reader, &count, &bytes))
            return false;
        if (count == 0)
            return hr_avro_put(reader, out, map ? "}" : "]", 1);
        for (; count > 0; count--, first = false) {
            const char *s = NULL;
            size_t n = 0;

            if (!first && !hr_avro_put(reader, out, ",", 1))
                return false;
            if (map && !(hr_avro_string(reader, &s, &n) && hr_avro_put_string(reader, out, s, n) && hr_avro_put(reader, out, ":", 1)))
                return false;
            if (!hr_avro_json(reader, type->children[0], raw, depth + 1, arena, out))
                return false;
        }
    }
}

bool hr_avro_json(hr_avro_reader *reader, const hr_avro_type *type, bool raw, int depth, hr_arena *arena, hr_buffer *out)
{
    char text[HR_FLOAT_TEXT > HR_INT64_TEXT ? HR_FLOAT_TEXT : HR_INT64_TEXT];
    const char *s = NULL;
    int64_t number = 0;
    int32_t index = 0;
    double wide = 0;
    float narrow = 0;
    size_t n = 0;
    bool flag = false;

    if (!hr_avro_enter(reader, depth))
        return false;
    switch (type->kind) {
    case HR_AVRO_NULL: return hr_avro_put(reader, out, "null", 4);
    case HR_AVRO_BOOLEAN: return hr_avro_boolean(reader, &flag) && hr_avro_put(reader, out, flag ? "true" : "false", flag ? 4 : 5);
    case HR_AVRO_INT: return hr_avro_int(reader, &number) && hr_avro_put(reader, out, text, hr_print_int64(text, number));
    case HR_AVRO_LONG: return hr_avro_long(reader, &number) && hr_avro_put(reader, out, text, hr_print_int64(text, number));
    case HR_AVRO_FLOAT: return hr_avro_float(reader, &narrow) && hr_avro_put_double(reader, out, text, hr_float4_print(text, narrow));
    case HR_AVRO_DOUBLE: return hr_avro_double(reader, &wide) && hr_avro_put_double(reader, out, text, hr_float8_print(text, wide));
    case HR_AVRO_BYTES: return hr_avro_string(reader, &s, &n) && hr_avro_put_bytes(reader, type, raw, arena, out, s, n);
    case HR_AVRO_FIXED:
        return hr_avro_take(reader, (size_t)type->size, &s) && hr_avro_put_bytes(reader, type, raw, arena, out, s, (size_t)type->size);
    case HR_AVRO_STRING: return hr_avro_string(reader, &s, &n) && hr_avro_put_string(reader, out, s, n);
    case HR_AVRO_ENUM:
        return hr_avro_index(reader, type->count, "the symbol", &index) &&
               hr_avro_put_string(reader, out, type->names[index], strlen(type->names[index]));
    case HR_AVRO_ARRAY:
    case HR_AVRO_MAP: return hr_avro_json_items(reader, type, raw, depth, arena, out);
    case HR_AVRO_UNION:
        return hr_avro_index(reader, type->count, "the union's branch", &index) &&
               hr_avro_json(reader, type->children[index], raw, depth + 1, arena, out);
    case HR_AVRO_RECORD:
        for (int32_t i = 0; i < type->count; i++)
            if (!hr_avro_put(reader, out, i > 0 ? "," : "{", 1) ||
                !hr_avro_put_string(reader, out, type->names[i], strlen(type->names[i])) || !hr_avro_put(reader, out, ":", 1) ||
                !hr_avro_json(reader, type->children[i], raw, depth + 1, arena, out))
                return false;
        return hr_avro_put(reader, out, type->count > 0 ? "}" : "{}", type->count > 0 ? 1 : 2);
    }
    return false;
}
