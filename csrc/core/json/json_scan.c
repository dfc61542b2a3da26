/* csrc/core/json/json_scan.c: skipping JSON values, and hr_json_check. */
#include "json_scan.h"

#include <stdio.h>

#include "core/utf8.h"

const char *hr_json_fail(const hr_json_scan *scan, const char *p, hr_reason reason, const char *what)
{
    char found[32];

    if (scan->error == NULL)
        return NULL;
    if (p >= scan->end)
        snprintf(found, sizeof(found), "the end");
    else if ((unsigned char)*p > ' ' && (unsigned char)*p < 0x7f)
        snprintf(found, sizeof(found), "%c", *p);
    else
        snprintf(found, sizeof(found), "byte 0x%02x", (unsigned)(unsigned char)*p);
    hr_error_data(scan->error, reason, NULL, 0, "%s, at byte %zu: found %s", what, (size_t)(p - scan->start), found);
    scan->error->offset = p - scan->start;
    return NULL;
}

/* The value of four hexadecimal digits at p, or -1. */
static int32_t hr_json_hex4(const char *p, const char *end)
{
    int32_t value = 0;

    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int32_t digit;
        if (c >= '0' && c <= '9')
            digit = c - '0';
        else if (c >= 'a' && c <= 'f')
            digit = c - 'a' + 10;
        else if (c >= 'A' && c <= 'F')
            digit = c - 'A' + 10;
        else
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static bool hr_json_is_high(int32_t unit)
{
    return unit >= 0xd800 && unit <= 0xdbff;
}

static bool hr_json_is_low(int32_t unit)
{
    return unit >= 0xdc00 && unit <= 0xdfff;
}

const char *hr_json_skip_escape(const hr_json_scan *scan, const char *p)
{
    int32_t unit, low;

    if (scan->end - p < 2)
        return hr_json_fail(scan, scan->end, HR_REASON_MALFORMED, "a string does not end");
    switch (p[1]) {
    case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't':
        return p + 2;
    case 'u':
        break;
    default:
        return hr_json_fail(scan, p + 1, HR_REASON_MALFORMED, "a backslash in a string must be followed by one of \"\\/bfnrtu");
    }
    unit = hr_json_hex4(p + 2, scan->end);
    if (unit < 0)
        return hr_json_fail(scan, p, HR_REASON_MALFORMED, "\\u must be followed by four hexadecimal digits");
    if (unit == 0 && !scan->allow_nul_escape)
        return hr_json_fail(scan, p, HR_REASON_ENCODING, "\\u0000 cannot be stored in text or jsonb");
    if (hr_json_is_low(unit))
        return hr_json_fail(scan, p, HR_REASON_ENCODING, "a low surrogate stands without its high surrogate");
    if (!hr_json_is_high(unit))
        return p + 6;
    low = scan->end - p >= 12 && p[6] == '\\' && p[7] == 'u' ? hr_json_hex4(p + 8, scan->end) : -1;
    if (!hr_json_is_low(low))
        return hr_json_fail(scan, p, HR_REASON_ENCODING, "a high surrogate stands without its low surrogate");
    return p + 12;
}

const char *hr_json_skip_string_slow(const hr_json_scan *scan, const char *p, bool *escaped)
{
    for (;;) {
        p = hr_json_find_special(scan->start, p, scan->end);
        if (p >= scan->end)
            return hr_json_fail(scan, p, HR_REASON_MALFORMED, "a string does not end");
        if (*p == '"')
            return p + 1;
        if (*p != '\\')
            return hr_json_fail(scan, p, HR_REASON_MALFORMED, "a control character stands in a string unescaped");
        *escaped = true;
        p = hr_json_skip_escape(scan, p);
        if (p == NULL)
            return NULL;
    }
}

static const char *hr_json_skip_digits(const char *p, const char *end)
{
#if HR_JSON_MASK16
    for (; end - p >= 16; p += 16) {
        unsigned others = hr_json_nondigits16(p);
        if (others != 0)
            return p + __builtin_ctz(others);
    }
#endif
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

const char *hr_json_skip_number_slow(const hr_json_scan *scan, const char *p)
{
    const char *end = scan->end, *digits;

    if (p < end && *p == '-')
        p++;
    digits = p;
    p = hr_json_skip_digits(p, end);
    if (p == digits)
        return hr_json_fail(scan, p, HR_REASON_MALFORMED, "a number needs a digit here");
    if (*digits == '0' && p - digits > 1)
        return hr_json_fail(scan, digits, HR_REASON_MALFORMED, "a number must not start with a needless zero");
    if (p < end && *p == '.') {
        digits = ++p;
        p = hr_json_skip_digits(p, end);
        if (p == digits)
            return hr_json_fail(scan, p, HR_REASON_MALFORMED, "a number needs a digit after its point");
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        digits = p;
        p = hr_json_skip_digits(p, end);
        if (p == digits)
            return hr_json_fail(scan, p, HR_REASON_MALFORMED, "a number needs a digit in its exponent");
    }
    return p;
}

/* p is at the first byte of what should be a value and is neither container nor string nor number. */
static const char *hr_json_skip_literal(const hr_json_scan *scan, const char *p, hr_token *token)
{
    size_t left = (size_t)(scan->end - p);

    if (left >= 4 && memcmp(p, "true", 4) == 0) {
        *token = HR_TOKEN_TRUE;
        return p + 4;
    }
    if (left >= 5 && memcmp(p, "false", 5) == 0) {
        *token = HR_TOKEN_FALSE;
        return p + 5;
    }
    if (left >= 4 && memcmp(p, "null", 4) == 0) {
        *token = HR_TOKEN_NULL;
        return p + 4;
    }
    return hr_json_fail(scan, p, HR_REASON_MALFORMED, "a value is expected (object, array, string, number, true, false, null)");
}

/* A value that is no container. */
static inline const char *hr_json_skip_scalar(const hr_json_scan *scan, const char *p, hr_token *token, bool *escaped)
{
    if (HR_UNLIKELY(p >= scan->end))
        return hr_json_fail(scan, p, HR_REASON_MALFORMED, "a value is expected");
    switch (*p) {
    case '"':
        *token = HR_TOKEN_STRING;
        return hr_json_skip_string(scan, p + 1, escaped);
    case '-': case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9':
        *token = HR_TOKEN_NUMBER;
        return hr_json_skip_number_slow(scan, p);
    default:
        return hr_json_skip_literal(scan, p, token);
    }
}

/* From a key of an object to the first byte of its value. */
static inline const char *hr_json_skip_key(const hr_json_scan *scan, const char *p)
{
    bool escaped = false;

    if (p >= scan->end || *p != '"')
        return hr_json_fail(scan, p, HR_REASON_MALFORMED, "a key in double quotes is expected");
    p = hr_json_skip_string(scan, p + 1, &escaped);
    if (p == NULL)
        return NULL;
    p = hr_json_skip_space(p, scan->end);
    if (p >= scan->end || *p != ':')
        return hr_json_fail(scan, p, HR_REASON_MALFORMED, "a key must be followed by ':'");
    return hr_json_skip_space(p + 1, scan->end);
}

/* A loop with one bit a level instead of recursion: a million '[' cost no stack. */
const char *hr_json_skip_container(const hr_json_scan *scan, const char *p, int depth)
{
    uint64_t is_object[(HR_MAX_DEPTH + 63) / 64];
    const char *end = scan->end;
    int level = 0;
    bool object, escaped = false;
    hr_token token;

open:
    if (depth + level >= HR_MAX_DEPTH)
        return hr_json_fail(scan, p, HR_REASON_DEPTH, "nested too deep (1000 levels are read)");
    object = *p == '{';
    if ((level & 63) == 0)
        is_object[level >> 6] = 0;
    is_object[level >> 6] &= ~(UINT64_C(1) << (level & 63));
    is_object[level >> 6] |= (uint64_t)object << (level & 63);
    level++;
    p = hr_json_skip_space(p + 1, end);
    if (p < end && *p == (object ? '}' : ']'))
        goto close;
member:
    if (object) {
        p = hr_json_skip_key(scan, p);
        if (p == NULL)
            return NULL;
    }
    if (p < end && (*p == '{' || *p == '['))
        goto open;
    p = hr_json_skip_scalar(scan, p, &token, &escaped);
    if (p == NULL)
        return NULL;
after:
    p = hr_json_skip_space(p, end);
    if (p < end && *p == ',') {
        p = hr_json_skip_space(p + 1, end);
        goto member;
    }
    if (p >= end || *p != (object ? '}' : ']'))
        return hr_json_fail(scan, p, HR_REASON_MALFORMED, object ? "',' or '}' is expected" : "',' or ']' is expected");
close:
    p++;
    level--;
    if (level == 0)
        return p;
    object = (is_object[(level - 1) >> 6] >> ((level - 1) & 63)) & 1;
    goto after;
}

const char *hr_json_skip_value(const hr_json_scan *scan, const char *p, int depth, hr_token *token, bool *escaped)
{
    *escaped = false;
    if (p < scan->end && (*p == '{' || *p == '[')) {
        *token = *p == '{' ? HR_TOKEN_OBJECT : HR_TOKEN_ARRAY;
        return hr_json_skip_container(scan, p, depth);
    }
    return hr_json_skip_scalar(scan, p, token, escaped);
}

int hr_json_check(const char *s, size_t n, bool allow_nul_escape, hr_error *error)
{
    hr_json_scan scan = {s, s + n, allow_nul_escape, error};
    hr_token token = HR_TOKEN_ABSENT;
    bool escaped;
    const char *p;

    if (n == 0) {
        hr_error_data(error, HR_REASON_MALFORMED, NULL, 0, "JSON text is expected, this is empty");
        if (error != NULL)
            error->offset = 0;
        return HR_EDATA;
    }
    p = hr_json_skip_value(&scan, hr_json_skip_space(s, scan.end), 0, &token, &escaped);
    if (p == NULL)
        return HR_EDATA;
    p = hr_json_skip_space(p, scan.end);
    if (p < scan.end) {
        hr_json_fail(&scan, p, HR_REASON_MALFORMED, "more text follows the JSON value");
        return HR_EDATA;
    }
    return HR_OK;
}

/* The character of the \u escape at p (checked by a skip function before, checked again here so that no misuse reads past end).
 * Returns the byte after it, or NULL. */
static const char *hr_json_read_unicode(const char *p, const char *end, uint32_t *c)
{
    int32_t unit = hr_json_hex4(p + 2, end), low;

    if (unit < 0 || hr_json_is_low(unit))
        return NULL;
    *c = (uint32_t)unit;
    if (!hr_json_is_high(unit))
        return p + 6;
    low = end - p >= 12 && p[6] == '\\' && p[7] == 'u' ? hr_json_hex4(p + 8, end) : -1;
    if (!hr_json_is_low(low))
        return NULL;
    *c = 0x10000u + (((uint32_t)unit - 0xd800u) << 10) + ((uint32_t)low - 0xdc00u);
    return p + 12;
}

/* An escape is never shorter than what it stands for, so n bytes of room are enough. */
int hr_json_unescape(const char *s, size_t n, bool allow_nul, hr_buffer *out, hr_error *error)
{
    const char *p = s, *end = s + n;
    size_t before = out->size;

    HR_RETURN_NOT_OK(hr_buffer_reserve(out, n, error));
    while (p < end) {
        const char *next = memchr(p, '\\', (size_t)(end - p));
        uint32_t c = 0;

        if (next == NULL)
            next = end;
        memcpy(out->data + out->size, p, (size_t)(next - p));
        out->size += (size_t)(next - p);
        if (next == end)
            break;
        p = next;
        if (end - p >= 2 && p[1] == 'u') {
            p = hr_json_read_unicode(p, end, &c);
        } else if (end - p >= 2) {
            switch (p[1]) {
            case 'b': c = '\b'; break;
            case 'f': c = '\f'; break;
            case 'n': c = '\n'; break;
            case 'r': c = '\r'; break;
            case 't': c = '\t'; break;
            default: c = (unsigned char)p[1]; break;
            }
            p += 2;
        } else {
            p = NULL;
        }
        if (p == NULL) {
            out->size = before;
            return hr_error_data(error, HR_REASON_MALFORMED, s, n, "a string holds a broken escape");
        }
        if (c == 0 && !allow_nul) {
            out->size = before;
            return hr_error_data(error, HR_REASON_ENCODING, s, n, "\\u0000 cannot be stored in text");
        }
        out->size += hr_utf8_put((char *)out->data + out->size, c);
    }
    return HR_OK;
}
