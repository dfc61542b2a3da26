/* csrc/core/debezium/debezium_value.c: values in Debezium's forms, made into what the types read. */
#include "core/bytes.h"
#include "core/types/datetime.h"
#include "debezium.h"
#include "core/json/json_member.h"
#include "core/utf8.h"

/* More digits than any numeric holds: what is longer is refused before it costs time. */
#define HR_DECIMAL_BYTES 61500
#define HR_DECIMAL_SCALE 16383
/* What a schema says of a value may make it much longer than it is in the message: so many bits more than it brings (Debezium fills up with
 * zeros itself), and so many times the length of an array, beside a mebibyte. */
#define HR_BITS_ADDED 65536
#define HR_ARRAY_GROWTH 64
#define HR_ARRAY_ADDED ((size_t)1 << 20)

/* ---- base64 ---- */

static inline int hr_base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

bool hr_base64_decode(const char *s, size_t n, uint8_t *to, size_t *length)
{
    uint32_t word = 0;
    size_t used = 0, digits;

    if (n > 0 && n % 4 == 0 && s[n - 1] == '=')
        n -= s[n - 2] == '=' ? 2 : 1;
    for (digits = 0; digits < n; digits++) {
        int value = hr_base64_value(s[digits]);

        if (value < 0)
            return false;
        word = word << 6 | (uint32_t)value;
        if (digits % 4 == 3) {
            to[used++] = (uint8_t)(word >> 16);
            to[used++] = (uint8_t)(word >> 8);
            to[used++] = (uint8_t)word;
            word = 0;
        }
    }
    /* What is left over must be zero: other bits would mean that something has been cut off. */
    if (n % 4 == 1 || (n % 4 == 2 && (word & 0xf) != 0) || (n % 4 == 3 && (word & 0x3) != 0))
        return false;
    if (n % 4 >= 2)
        to[used++] = (uint8_t)(n % 4 == 2 ? word >> 4 : word >> 10);
    if (n % 4 == 3)
        to[used++] = (uint8_t)(word >> 2);
    *length = used;
    return true;
}

size_t hr_base64_encode(const uint8_t *bytes, size_t n, char *to)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t used = 0;

    for (size_t i = 0; i < n; i += 3) {
        uint32_t word = (uint32_t)bytes[i] << 16 | (i + 1 < n ? (uint32_t)bytes[i + 1] << 8 : 0u) | (i + 2 < n ? bytes[i + 2] : 0u);

        for (size_t k = 0; k < 4; k++)
            to[used++] = i + k <= n ? alphabet[word >> (18 - 6 * k) & 63] : '=';
    }
    return used;
}

/* ---- decimals ---- */

/* The digits of the natural number in `limbs` (count of them, the highest first, destroyed), without leading zeros, ending before `end`:
 * where they begin. */
static char *hr_decimal_digits(uint32_t *limbs, size_t count, char *end)
{
    size_t first = 0;

    for (;;) {
        uint64_t rest = 0;

        while (first < count && limbs[first] == 0)
            first++;
        if (count - first <= 2) {
            char digits[HR_INT64_TEXT];
            size_t n;

            for (size_t i = first; i < count; i++)
                rest = rest << 32 | limbs[i];
            n = hr_print_uint64(digits, rest);
            memcpy(end - n, digits, n);
            return end - n;
        }
        for (size_t i = first; i < count; i++) {
            uint64_t part = rest << 32 | limbs[i];
            limbs[i] = (uint32_t)(part / 1000000000);
            rest = part % 1000000000;
        }
        end -= 9;
        hr_print_padded(end, (uint32_t)rest, 9);
    }
}

int hr_change_decimal_text(hr_arena *arena, const uint8_t *bytes, size_t n, int32_t scale, const char **text, size_t *length,
                           hr_error *error)
{
    bool negative = n > 0 && (bytes[0] & 0x80) != 0;
    size_t digits, used = 0, whole, count = (n + 3) / 4;
    size_t room;
    uint32_t *work;
    char *to, *end, *first;

    if (n > HR_DECIMAL_BYTES || scale > HR_DECIMAL_SCALE || scale < -HR_DECIMAL_SCALE)
        return hr_error_data(error, HR_REASON_RANGE, NULL, 0, "a decimal of %zu bytes with scale %d is beyond what numeric holds", n,
                             (int)scale);
    room = n * 5 / 2 + 32 + (size_t)(scale < 0 ? -scale : scale); /* 2.41 digits a byte, a point, a sign, zeros */
    work = hr_arena_alloc(arena, 4 * count + 4);
    to = hr_arena_alloc(arena, 2 * room);
    if (work == NULL || to == NULL)
        return hr_error_nomem(error);
    memset(work, negative ? 0xff : 0, 4 * count + 4);
    for (size_t i = 0; i < n; i++) {
        size_t at = n - 1 - i; /* from the lowest byte up */
        uint32_t *limb = &work[count - 1 - i / 4];
        *limb = (*limb & ~(UINT32_C(0xff) << 8 * (i % 4))) | (uint32_t)bytes[at] << 8 * (i % 4);
    }
    for (size_t i = count, carry = 1; negative && i-- > 0;) { /* the two's complement */
        work[i] = ~work[i] + (uint32_t)carry;
        carry = carry && work[i] == 0;
    }
    end = to + 2 * room;
    first = hr_decimal_digits(work, count, end);
    digits = (size_t)(end - first);
    if (negative)
        to[used++] = '-';
    if (scale <= 0) {
        memmove(to + used, first, digits);
        used += digits;
        if (first[0] != '0' || digits > 1) {
            memset(to + used, '0', (size_t)-scale);
            used += (size_t)-scale;
        }
    } else {
        whole = digits > (size_t)scale ? digits - (size_t)scale : 0;
        if (whole == 0)
            to[used++] = '0';
        memmove(to + used, first, whole);
        used += whole;
        to[used++] = '.';
        memset(to + used, '0', whole == 0 ? (size_t)scale - digits : 0);
        used += whole == 0 ? (size_t)scale - digits : 0;
        memmove(to + used, first + whole, digits - whole);
        used += digits - whole;
    }
    *text = to;
    *length = used;
    return HR_OK;
}

/* ---- one value ---- */

static int hr_change_bad(const hr_field *field, hr_reason reason, const char *what, hr_error *error)
{
    char excerpt[HR_EXCERPT_SIZE];

    return hr_error_data(error, reason, field->data, field->len, "\"%s\": %s", hr_utf8_excerpt(excerpt, field->data, field->len), what);
}

/* The text of a string field without escapes. It may be in the arena. */
static int hr_change_text(hr_arena *arena, const hr_field *field, const char **s, size_t *n, hr_error *error)
{
    hr_buffer text = {0};

    *s = field->data;
    *n = field->len;
    if (!(field->flags & HR_FIELD_ESCAPED))
        return HR_OK;
    text.data = hr_arena_alloc(arena, (size_t)field->len + 1);
    text.capacity = (size_t)field->len + 1; /* it never grows: an escape is longer than what it stands for */
    if (text.data == NULL)
        return hr_error_nomem(error);
    HR_RETURN_NOT_OK(hr_json_unescape(field->data, field->len, true, &text, error));
    *s = (const char *)text.data;
    *n = text.size;
    return HR_OK;
}

/* The bytes that a field stands for: those of Avro as they are, those of JSON from base64, or from hexadecimal digits. */
static int hr_change_bytes(const hr_change_rules *rules, const hr_field *field, bool hex, const uint8_t **bytes, size_t *n, hr_error *error)
{
    hr_arena *arena = &rules->decoder->scratch;
    const char *s;
    uint8_t *to;
    size_t length;

    if (field->token == HR_TOKEN_BYTES) {
        *bytes = (const uint8_t *)field->data;
        *n = field->len;
        return HR_OK;
    }
    if (field->token != HR_TOKEN_STRING)
        return hr_change_bad(field, HR_REASON_TYPE, "bytes must come as a string", error);
    HR_RETURN_NOT_OK(hr_change_text(arena, field, &s, &length, error));
    to = hr_arena_alloc(arena, length + 4);
    if (to == NULL)
        return hr_error_nomem(error);
    *bytes = to;
    if (!hex)
        return hr_base64_decode(s, length, to, n) ? HR_OK : hr_change_bad(field, HR_REASON_TYPE, "this is not base64", error);
    for (size_t i = 0; i < length; i++)
        if (hr_hex_value(s[i]) < 0 || length % 2 != 0)
            return hr_change_bad(field, HR_REASON_TYPE, "these are not pairs of hexadecimal digits", error);
    for (size_t i = 0; i + 1 < length; i += 2)
        to[i / 2] = (uint8_t)(hr_hex_value(s[i]) << 4 | hr_hex_value(s[i + 1]));
    *n = length / 2;
    return HR_OK;
}

static void hr_change_set(hr_field *field, hr_token token, const char *s, size_t n)
{
    field->data = s;
    field->len = (uint32_t)n;
    field->token = (uint8_t)token;
    field->flags = HR_FIELD_OUTSIDE;
}

static int hr_change_decimal(const hr_change_rules *rules, int32_t scale, hr_field *field, hr_error *error)
{
    const uint8_t *bytes;
    const char *text;
    size_t n, length;
    int rc;

    if (scale == HR_SCALE_UNKNOWN)
        return hr_change_bad(field, HR_REASON_TYPE, "the scale of this decimal is in no schema and not in the column's type", error);
    HR_RETURN_NOT_OK(hr_change_bytes(rules, field, false, &bytes, &n, error));
    if (n == 0)
        return hr_change_bad(field, HR_REASON_TYPE, "a decimal needs at least one byte", error);
    rc = hr_change_decimal_text(&rules->decoder->scratch, bytes, n, scale, &text, &length, error);
    if (rc == HR_EDATA && error != NULL) {
        error->value = field->data;
        error->value_len = field->len;
    }
    if (rc == HR_OK)
        hr_change_set(field, HR_TOKEN_NUMBER, text, length);
    return rc;
}

/* The member of that name of the object s[0..n), whose syntax has been checked; false when there is none. */
static bool hr_change_member(const char *s, size_t n, const char *name, hr_field *out)
{
    const hr_json_scan scan = {.start = s, .end = s + n, .allow_nul_escape = true};
    hr_json_members members = {.scan = &scan, .depth = 1, .at = s};
    hr_json_member member;
    bool found = false;

    *out = (hr_field){0};
    while (hr_json_members_next(&members, &member) > 0) {
        if (!hr_json_member_is(&member, name, strlen(name)))
            continue;
        *out = member.value;
        found = true;
    }
    return found;
}

/* {"scale": 3, "value": "BhY+Zlvr"} */
static int hr_change_variable_decimal(const hr_change_rules *rules, hr_field *field, hr_error *error)
{
    static const char *const what = "a decimal of variable scale is an object with \"scale\" and \"value\"";
    hr_field scale, value, whole = *field;
    int64_t number;
    int rc;

    if (field->token != HR_TOKEN_OBJECT || !hr_change_member(field->data, field->len, "scale", &scale) ||
        !hr_change_member(field->data, field->len, "value", &value) || scale.token != HR_TOKEN_NUMBER || value.token != HR_TOKEN_STRING ||
        !hr_parse_plain_int64(scale.data, scale.len, &number))
        return hr_change_bad(field, HR_REASON_TYPE, what, error);
    if (number < -HR_DECIMAL_SCALE || number > HR_DECIMAL_SCALE)
        return hr_change_bad(field, HR_REASON_RANGE, "its scale is beyond what numeric holds", error);
    rc = hr_change_decimal(rules, (int32_t)number, &value, error);
    if (rc == HR_EDATA && error != NULL) {
        error->value = whole.data;
        error->value_len = whole.len;
    }
    if (rc == HR_OK)
        *field = value;
    return rc;
}

/* {"x": 1.0, "y": 2.0, "wkb": "..", "srid": null} as the server writes a point. */
static int hr_change_point(const hr_change_rules *rules, hr_field *field, hr_error *error)
{
    hr_field x, y;
    char *to;

    if (field->token != HR_TOKEN_OBJECT || !hr_change_member(field->data, field->len, "x", &x) ||
        !hr_change_member(field->data, field->len, "y", &y) || x.token != HR_TOKEN_NUMBER || y.token != HR_TOKEN_NUMBER)
        return hr_change_bad(field, HR_REASON_TYPE, "a point is an object with the numbers \"x\" and \"y\"", error);
    to = hr_arena_alloc(&rules->decoder->scratch, (size_t)x.len + y.len + 3);
    if (to == NULL)
        return hr_error_nomem(error);
    to[0] = '(';
    memcpy(to + 1, x.data, x.len);
    to[1 + x.len] = ',';
    memcpy(to + 2 + x.len, y.data, y.len);
    to[2 + x.len + y.len] = ')';
    hr_change_set(field, HR_TOKEN_TEXT, to, (size_t)x.len + y.len + 3);
    return HR_OK;
}

/* The length of bit(n), from the type's name; 0 for bit varying, whose values may be shorter: Debezium does not tell how long they are. */
static int32_t hr_change_bit_count(const hr_type *type)
{
    int32_t count = 0;

    if (strncmp(type->name, "bit(", 4) != 0)
        return strcmp(type->name, "bit") == 0 ? 1 : 0;
    for (const char *p = type->name + 4; hr_is_digit(*p) && count < 100000000; p++)
        count = count * 10 + (*p - '0');
    return count;
}

/* Whether the column is of type bit or bit varying. */
static bool hr_change_is_bit(const hr_type *type)
{
    return type->kind == HR_OTHER && strncmp(type->name, "bit", 3) == 0 &&
           (type->name[3] == '\0' || type->name[3] == '(' || strncmp(type->name + 3, " varying", 8) == 0);
}

/* bit(n): the first byte has the last eight characters, its lowest bit the last one. */
static int hr_change_bits(const hr_change_rules *rules, const hr_type *type, int32_t count, hr_field *field, hr_error *error)
{
    const uint8_t *bytes;
    char *to;
    size_t n;

    if (count <= 0)
        count = hr_change_bit_count(type);
    if (hr_change_is_bit(type) && hr_change_bit_count(type) != 0 && count != hr_change_bit_count(type))
        return hr_change_bad(field, HR_REASON_RANGE, "the message has another number of bits than the column", error);
    if (count <= 0 || (hr_change_is_bit(type) && hr_change_bit_count(type) == 0))
        return hr_change_bad(field, HR_REASON_TYPE,
                             "the message does not tell how many bits these are (bit varying cannot be loaded from it)", error);
    HR_RETURN_NOT_OK(hr_change_bytes(rules, field, false, &bytes, &n, error));
    if (n > ((size_t)count + 7) / 8)
        return hr_change_bad(field, HR_REASON_RANGE, "there are more bytes than the bits need", error);
    if ((size_t)count > 8 * n + HR_BITS_ADDED)
        return hr_change_bad(field, HR_REASON_RANGE, "there are far fewer bytes than the bits need", error);
    to = hr_arena_alloc(&rules->decoder->scratch, (size_t)count + 1);
    if (to == NULL)
        return hr_error_nomem(error);
    for (int32_t i = 0; i < count; i++)
        to[count - 1 - i] = (size_t)(i / 8) < n && (bytes[i / 8] >> (i % 8) & 1) ? '1' : '0';
    hr_change_set(field, HR_TOKEN_TEXT, to, (size_t)count);
    return HR_OK;
}

/* ---- dates and times ---- */

static bool hr_change_is_time(hr_kind kind)
{
    return kind == HR_DATE || kind == HR_TIMESTAMP || kind == HR_TIMESTAMPTZ;
}

/* 1 for the number that stands for infinity in that form, -1 for minus infinity, else 0. */
static int hr_change_infinite_number(uint8_t form, int64_t value)
{
    switch (form) {
    case HR_FORM_DAYS:
        if (value == 2146033979 || value == -2147472692) /* +5877611-06-21; older versions wrote its year with a minus */
            return 1;
        return value == -2147472691 ? -1 : 0;
    case HR_FORM_MILLIS:
        if (value == INT64_C(9223372036825200000) || value == INT64_C(9223372036825200))
            return 1;
        return value == INT64_C(-9223372036832400000) || value == INT64_C(-9223372036832400) ? -1 : 0;
    case HR_FORM_MICROS:
        if (value == INT64_C(9223372036825200000) || value == INT64_MAX)
            return 1;
        return value == INT64_C(-9223372036832400000) || value == INT64_MIN ? -1 : 0;
    case HR_FORM_NANOS: return value == INT64_MAX ? 1 : value == INT64_MIN ? -1 : 0;
    default: return 0;
    }
}

static bool hr_change_integer(const hr_field *field, int64_t *value)
{
    bool negative;
    uint64_t total = 0;

    if (field->token == HR_TOKEN_INT64) {
        memcpy(value, field->data, sizeof(*value));
        return true;
    }
    if (field->token != HR_TOKEN_NUMBER || field->len == 0)
        return false;
    negative = field->data[0] == '-';
    if (field->len - negative > 19)
        return false;
    for (size_t i = negative; i < field->len; i++) {
        if (!hr_is_digit(field->data[i]))
            return false;
        total = total * 10 + (uint64_t)(field->data[i] - '0');
    }
    if (total > (uint64_t)INT64_MAX + negative)
        return false;
    *value = negative ? (int64_t)(0 - total) : (int64_t)total;
    return true;
}

/* A date or time as text. Java writes years beyond four digits with a sign, years before Christ with a minus (0000 is 1 BC), and Debezium's
 * dates end in Z: the server's forms are others. */
static int hr_change_iso(const hr_change_rules *rules, const hr_type *type, hr_field *field, hr_error *error)
{
    static const char *const ends[][2] = {{"+5877611-06-21", "-5877611-06-22"},
                                          {"+292278994-08-16T23:00:00", "-292275055-05-16T23:00:00"},
                                          {"+294247-01-10T04:00:25.2", "-290308-12-21T19:59:27.6"}};
    const char *s = field->data;
    size_t n = field->len, digits, year = 0, used;
    char *to;

    if (field->flags & HR_FIELD_ESCAPED)
        return HR_OK; /* no form of a date needs them: its type refuses it, or reads it */
    if (type->kind == HR_DATE && n > 8 && s[n - 1] == 'Z' && memchr(s, 'T', n) == NULL)
        n--;
    for (size_t i = 0; hr_change_is_time(type->kind) && i < sizeof(ends) / sizeof(ends[0]); i++)
        for (int minus = 0; minus < 2; minus++) {
            size_t length = strlen(ends[i][minus]);
            if (n >= length && n <= length + 8 && memcmp(s, ends[i][minus], length) == 0) {
                hr_change_set(field, HR_TOKEN_TEXT, minus ? "-infinity" : "infinity", minus ? 9 : 8);
                return HR_OK;
            }
        }
    if (!hr_change_is_time(type->kind) || n < 10 || (s[0] != '+' && s[0] != '-' && memcmp(s, "0000-", 5) != 0)) {
        if (n != field->len)
            hr_change_set(field, HR_TOKEN_TEXT, s, n);
        return HR_OK;
    }
    digits = s[0] == '+' || s[0] == '-';
    for (used = digits; used < n && hr_is_digit(s[used]) && used < 10 + digits; used++)
        year = year * 10 + (size_t)(s[used] - '0');
    if (used < digits + 4 || used == n || s[used] != '-')
        return HR_OK;
    to = hr_arena_alloc(&rules->decoder->scratch, n + 24);
    if (to == NULL)
        return hr_error_nomem(error);
    if (s[0] == '+') {
        hr_change_set(field, HR_TOKEN_TEXT, s + 1, n - 1);
        return HR_OK;
    }
    year += 1; /* the year before 1 is 1 BC to people and the server, 0 to ISO 8601 */
    digits = year < 10000 ? 4 : hr_print_uint64(to, year);
    if (year < 10000)
        hr_print_padded(to, (uint32_t)year, 4);
    memcpy(to + digits, s + used, n - used);
    memcpy(to + digits + n - used, " BC", 3);
    hr_change_set(field, HR_TOKEN_TEXT, to, digits + n - used + 3);
    return HR_OK;
}

/* A column that holds a date, a time or an interval. Its number's unit is in the type that hr_change_finish has chosen. */
static int hr_change_time(const hr_change_rules *rules, const hr_type *type, uint8_t form, hr_field *field, hr_error *error)
{
    int64_t value;

    if (field->token == HR_TOKEN_STRING || field->token == HR_TOKEN_TEXT)
        return hr_change_iso(rules, type, field, error);
    if (field->token == HR_TOKEN_NUMBER && field->len < 10)
        return HR_OK;
    if (type->kind == HR_INTERVAL && hr_change_integer(field, &value) && (value == INT64_MAX || value == INT64_MIN))
        return hr_change_bad(field, HR_REASON_RANGE, "the interval was too long for Debezium's 64 bits: this is not its value", error);
    if (hr_change_is_time(type->kind) && hr_change_integer(field, &value)) {
        int infinite = hr_change_infinite_number(form, value);
        if (infinite != 0)
            hr_change_set(field, HR_TOKEN_TEXT, infinite < 0 ? "-infinity" : "infinity", infinite < 0 ? 9 : 8);
    }
    return HR_OK;
}

/* ---- numbers that are words ---- */

/* Debezium's names of what no number says, in numerics that come as strings. */
static void hr_change_special_number(hr_field *field)
{
    static const char *const names[][2] = {{"NAN", "NaN"}, {"POSITIVE_INFINITY", "Infinity"}, {"NEGATIVE_INFINITY", "-Infinity"}};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (field->len == strlen(names[i][0]) && memcmp(field->data, names[i][0], field->len) == 0)
            hr_change_set(field, HR_TOKEN_TEXT, names[i][1], strlen(names[i][1]));
}

/* ---- arrays ---- */

/* Append one converted element to the array literal. */
static int hr_change_append_element(hr_arena *arena, const hr_field *field, hr_buffer *out, hr_error *error)
{
    const char *s = field->data;
    size_t n = field->len;

    if (field->token == HR_TOKEN_NULL)
        return hr_buffer_append(out, "NULL", 4, error);
    if (field->token == HR_TOKEN_STRING)
        HR_RETURN_NOT_OK(hr_change_text(arena, field, &s, &n, error));
    HR_RETURN_NOT_OK(hr_buffer_reserve(out, 2 * n + 8, error));
    out->data[out->size++] = '"';
    if (field->token == HR_TOKEN_BYTES) {
        memcpy(out->data + out->size, "\\\\x", 3);
        out->size += 3;
    }
    for (size_t i = 0; i < n; i++) {
        if (field->token == HR_TOKEN_BYTES) {
            out->data[out->size++] = (uint8_t) "0123456789abcdef"[(uint8_t)s[i] >> 4];
            out->data[out->size++] = (uint8_t) "0123456789abcdef"[(uint8_t)s[i] & 15];
            continue;
        }
        if (s[i] == '"' || s[i] == '\\')
            out->data[out->size++] = '\\';
        out->data[out->size++] = (uint8_t)s[i];
    }
    out->data[out->size++] = '"';
    return HR_OK;
}

/* Fill `out` with the literal of the array whose JSON text the field has. */
static int hr_change_fill_array(const hr_change_rules *rules, const hr_type *type, hr_change_field form, const hr_field *field,
                                hr_buffer *out, hr_error *error)
{
    hr_json_scan scan = {field->data, field->data + field->len, true, error};
    const char *p = hr_json_skip_space(scan.start + 1, scan.end);
    char delimiter = type->delimiter != '\0' ? type->delimiter : ',';

    HR_RETURN_NOT_OK(hr_buffer_append(out, "{", 1, error));
    while (p < scan.end && *p != ']') {
        hr_token token = HR_TOKEN_NULL;
        bool escaped = false, quoted;
        hr_field element;
        const char *after = hr_json_skip_value(&scan, p, 2, &token, &escaped);

        if (after == NULL)
            return HR_EDATA;
        if (token == HR_TOKEN_ARRAY)
            return hr_change_bad(field, HR_REASON_TYPE, "arrays of arrays cannot be loaded: make the column jsonb, or give one dimension",
                                 error);
        quoted = token == HR_TOKEN_STRING;
        hr_change_set(&element, token, p + quoted, (size_t)(after - p) - 2 * (size_t)quoted);
        element.flags = escaped ? HR_FIELD_ESCAPED : 0;
        if (token != HR_TOKEN_NULL)
            HR_RETURN_NOT_OK(hr_change_convert(rules, type->element, form, &element, error));
        if (out->size > 1)
            HR_RETURN_NOT_OK(hr_buffer_append(out, &delimiter, 1, error));
        HR_RETURN_NOT_OK(hr_change_append_element(&rules->decoder->scratch, &element, out, error));
        if (out->size > HR_ARRAY_ADDED + HR_ARRAY_GROWTH * (size_t)field->len)
            return hr_change_bad(field, HR_REASON_RANGE, "the array's values are many times longer than the message says them", error);
        p = hr_json_skip_space(after, scan.end);
        if (p < scan.end && *p == ',')
            p = hr_json_skip_space(p + 1, scan.end);
    }
    return hr_buffer_append(out, "}", 1, error);
}

/* An array whose elements have a form of their own, as the server's literal. Others are read as JSON by their type. */
static int hr_change_array(const hr_change_rules *rules, const hr_type *type, hr_change_field form, hr_field *field, hr_error *error)
{
    hr_buffer out = {0};
    char *copy;
    int rc;

    if (field->token != HR_TOKEN_ARRAY)
        return HR_OK;
    switch (type->element->kind) {
    case HR_DECIMAL:
    case HR_NUMERIC:
    case HR_BYTEA:
    case HR_DATE:
    case HR_TIME:
    case HR_TIMESTAMP:
    case HR_TIMESTAMPTZ:
    case HR_INTERVAL:
    case HR_JSON:
    case HR_JSONB: break;
    default:
        if (form.form <= HR_FORM_PLAIN)
            return HR_OK;
    }
    form.array = false; /* from here on it is the elements' */
    rc = hr_change_fill_array(rules, type, form, field, &out, error);
    if (rc == HR_OK) {
        copy = hr_arena_copy(&rules->decoder->scratch, (const char *)out.data, out.size);
        if (copy == NULL)
            rc = hr_error_nomem(error);
        else
            hr_change_set(field, HR_TOKEN_TEXT, copy, out.size);
    }
    hr_buffer_free(&out);
    return rc;
}

/* ---- all together ---- */

int hr_change_convert(const hr_change_rules *rules, const hr_type *type, hr_change_field form, hr_field *field, hr_error *error)
{
    if (type->kind == HR_ARRAY)
        return hr_change_array(rules, type, form, field, error);
    if (form.array)
        return HR_OK; /* an array for a column that is none, such as jsonb */
    switch ((hr_change_form)form.form) {
    case HR_FORM_DECIMAL:
        if (field->token == HR_TOKEN_OBJECT)
            return hr_change_variable_decimal(rules, field, error);
        return field->token == HR_TOKEN_STRING || field->token == HR_TOKEN_BYTES ? hr_change_decimal(rules, form.number, field, error)
                                                                                 : HR_OK;
    case HR_FORM_VARIABLE_DECIMAL: return hr_change_variable_decimal(rules, field, error);
    case HR_FORM_BITS: return hr_change_bits(rules, type, form.number, field, error);
    case HR_FORM_POINT: return hr_change_point(rules, field, error);
    default: break;
    }
    switch (type->kind) {
    case HR_DECIMAL:
    case HR_NUMERIC:
        if (field->token == HR_TOKEN_OBJECT)
            return hr_change_variable_decimal(rules, field, error);
        if (field->token == HR_TOKEN_STRING)
            hr_change_special_number(field);
        return HR_OK;
    case HR_BYTEA:
        if (field->token != HR_TOKEN_BYTES) {
            bool hex = form.form != HR_FORM_BYTES && rules->decoder->options.change_binary == HR_BINARY_HEX;
            const uint8_t *bytes;
            size_t n;

            HR_RETURN_NOT_OK(hr_change_bytes(rules, field, hex, &bytes, &n, error));
            hr_change_set(field, HR_TOKEN_BYTES, (const char *)bytes, n);
        }
        return HR_OK;
    case HR_DATE:
    case HR_TIME:
    case HR_TIMESTAMP:
    case HR_TIMESTAMPTZ:
    case HR_INTERVAL: return hr_change_time(rules, type, form.form, field, error);
    case HR_OTHER:
        if (hr_change_is_bit(type)) {
            if (field->token == HR_TOKEN_STRING || field->token == HR_TOKEN_BYTES)
                return hr_change_bits(rules, type, 0, field, error);
            if (field->token == HR_TOKEN_TRUE || field->token == HR_TOKEN_FALSE)
                hr_change_set(field, HR_TOKEN_TEXT, field->token == HR_TOKEN_TRUE ? "1" : "0", 1);
        } else if (field->token == HR_TOKEN_OBJECT && strcmp(type->name, "point") == 0) {
            return hr_change_point(rules, field, error);
        } else if (field->token == HR_TOKEN_OBJECT && strcmp(type->name, "money") == 0) {
            return hr_change_variable_decimal(rules, field, error);
        }
        return HR_OK;
    default: return HR_OK;
    }
}
