/* csrc/core/types/numeric_text.c: the text of numerics: grammar, rounding, output form. */
#include "numeric_text.h"

#include "core/bytes.h"
#include "type_common.h"

/* ---- grammar ---- */

static hr_numeric_class hr_numeric_special(const char *s, size_t n, int32_t server_version)
{
    bool negative = n > 0 && *s == '-';
    bool sign = negative || (n > 0 && *s == '+');

    if (hr_is_word(s, n, "nan"))
        return HR_NUMERIC_NAN;
    if (server_version != 0 && server_version < 140000) /* infinite numerics came with 14 */
        return HR_NUMERIC_INVALID;
    s += sign;
    n -= sign;
    if (hr_is_word(s, n, "infinity") || hr_is_word(s, n, "inf"))
        return negative ? HR_NUMERIC_MINUS_INFINITY : HR_NUMERIC_INFINITY;
    return HR_NUMERIC_INVALID;
}

/* The digits after "0x": s[0..n) with single underscores, also before the first digit. */
static void hr_numeric_scan_radix(const char *s, size_t n, hr_numeric_parts *parts)
{
    parts->class = HR_NUMERIC_INVALID;
    for (size_t i = 0; i < n; i++) {
        int digit = hr_hex_value(s[i]);

        if (s[i] == '_' && i + 1 < n && s[i + 1] != '_')
            continue;
        if (digit < 0 || (unsigned)digit >= parts->base)
            return;
    }
    if (n == 0)
        return;
    parts->class = HR_NUMERIC_RADIX;
    parts->digits = s;
    parts->end = s + n;
}

void hr_numeric_scan(const char *s, size_t n, int32_t server_version, hr_numeric_parts *parts)
{
    bool modern = server_version == 0 || server_version >= 160000; /* hex and underscores came with 16 */
    bool point = false;
    const char *start, *end;
    int64_t after_point = 0;

    memset(parts, 0, sizeof(*parts));
    parts->class = HR_NUMERIC_INVALID;
    parts->base = 10;
    hr_trim(&s, &n);
    start = s;
    end = s + n;
    if (s < end && (*s == '-' || *s == '+'))
        parts->negative = *s++ == '-';
    if (s == end)
        return;
    if (!hr_is_digit(*s) && *s != '.') {
        parts->class = hr_numeric_special(start, n, server_version);
        return;
    }
    if (modern && *s == '0' && end - s >= 2) {
        char letter = hr_to_lower(s[1]);

        parts->base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 10;
        if (parts->base != 10) {
            hr_numeric_scan_radix(s + 2, (size_t)(end - s) - 2, parts);
            return;
        }
    }
    if (*s == '.') {
        point = true;
        s++;
        if (s == end || !hr_is_digit(*s))
            return;
    }
    for (; s < end; s++) {
        if (hr_is_digit(*s)) {
            if (parts->count == 0 && *s != '0')
                parts->digits = s;
            parts->count += parts->digits != NULL;
            after_point += point;
        } else if (*s == '.') {
            if (point || (s + 1 < end && s[1] == '_'))
                return;
            point = true;
        } else if (*s == '_') {
            if (!modern || s + 1 == end || !hr_is_digit(s[1]))
                return;
        } else {
            break;
        }
    }
    parts->end = s;
    parts->exponent = -after_point;
    if (s < end && (*s == 'e' || *s == 'E')) {
        bool negative = false;
        int64_t exponent = 0;

        s++;
        if (s < end && (*s == '-' || *s == '+'))
            negative = *s++ == '-';
        if (s == end || !hr_is_digit(*s))
            return;
        for (; s < end; s++) {
            if (hr_is_digit(*s)) {
                if (exponent <= INT32_MAX)
                    exponent = exponent * 10 + (*s - '0');
            } else if (!modern || *s != '_' || s + 1 == end || !hr_is_digit(s[1])) {
                return;
            }
        }
        if (exponent > INT32_MAX / 2) { /* the server's own limit, which it applies even to 0e9999999999 */
            parts->class = HR_NUMERIC_RANGE;
            return;
        }
        parts->exponent += negative ? -exponent : exponent;
    }
    if (s != end)
        return;
    parts->scale = parts->exponent < 0 ? -parts->exponent : 0;
    parts->class = HR_NUMERIC_NUMBER;
}

/* Quadratic, on words of nine decimal digits: such literals are short. */
int hr_numeric_radix_text(const hr_numeric_parts *parts, hr_buffer *out, hr_error *error)
{
    const size_t most = HR_NUMERIC_MAX_WHOLE / 9 + 2;
    size_t digits = 0, count = 0;
    uint32_t *words;
    char *to;
    unsigned shift = parts->base == 16 ? 4 : parts->base == 8 ? 3 : 1;

    for (const char *p = parts->digits; p < parts->end; p++)
        digits += *p != '_' && (digits > 0 || *p != '0');
    if (digits * shift > (size_t)HR_NUMERIC_MAX_WHOLE * 10 / 3)
        return HR_EDATA;
    words = hr_malloc((digits * shift / 29 + 2) * sizeof(*words)); /* a word takes more than 29 bits */
    if (words == NULL)
        return hr_error_nomem(error);
    for (const char *p = parts->digits; p < parts->end;) {
        uint64_t carry = 0;
        unsigned bits = 0;

        /* up to 28 bits at once */
        for (; p < parts->end && bits + shift <= 28; p++) {
            if (*p == '_')
                continue;
            carry = carry << shift | (unsigned)hr_hex_value(*p);
            bits += shift;
        }
        for (size_t i = 0; i < count; i++) {
            carry += (uint64_t)words[i] << bits;
            words[i] = (uint32_t)(carry % 1000000000);
            carry /= 1000000000;
        }
        if (carry != 0)
            words[count++] = (uint32_t)carry;
    }
    if (count > most) {
        hr_free(words);
        return HR_EDATA;
    }
    if (hr_buffer_reserve(out, count * 9 + 2, error) != HR_OK) {
        hr_free(words);
        return HR_ENOMEM;
    }
    to = (char *)out->data;
    if (parts->negative)
        *to++ = '-';
    *to = '0'; /* stays when there is no word */
    to += count == 0;
    for (size_t i = count; i-- > 0;) {
        if (i + 1 == count) {
            to += hr_print_uint64(to, words[i]);
        } else {
            hr_print_padded(to, words[i], 9);
            to += 9;
        }
    }
    out->size = (size_t)(to - (char *)out->data);
    hr_free(words);
    return HR_OK;
}

/* ---- limits ---- */

int hr_numeric_out_of_range(const hr_type *type, const char *s, size_t n, hr_error *error)
{
    char excerpt[HR_EXCERPT_SIZE];

    hr_utf8_excerpt(excerpt, s, n);
    if (type->precision > 0)
        return hr_error_data(error, HR_REASON_RANGE, s, n, "value %s is out of range for %s: it must round to less than 10^%d", excerpt,
                             hr_type_label(type), type->precision - type->scale);
    return hr_error_data(error, HR_REASON_RANGE, s, n,
                         "value %s is out of range for %s: at most %d digits before the point and %d after it", excerpt,
                         hr_type_label(type), HR_NUMERIC_MAX_WHOLE, HR_NUMERIC_MAX_SCALE);
}

bool hr_numeric_json_fits(const char *s, size_t n)
{
    hr_numeric_parts parts;

    hr_numeric_scan(s, n, 0, &parts);
    if (parts.class != HR_NUMERIC_NUMBER || parts.scale > HR_NUMERIC_MAX_SCALE)
        return false;
    return parts.count == 0 || parts.count + parts.exponent <= HR_NUMERIC_MAX_WHOLE;
}

/* ---- output form ---- */

size_t hr_numeric_emit_size(const hr_numeric_parts *parts, int64_t scale)
{
    int64_t kept = parts->count > 0 ? hr_numeric_kept(parts, scale) : 0; /* 0e99999999 has no digits, whatever its exponent says */

    /* sign, carry, point, and a zero before the point */
    return (size_t)((kept > 0 ? kept : 0) + (scale > 0 ? scale : -scale) + 4);
}

size_t hr_numeric_emit(const hr_numeric_parts *parts, int64_t scale, int64_t precision, char *to)
{
    int64_t kept = parts->count > 0 ? hr_numeric_kept(parts, scale) : 0;
    int64_t after = scale > 0 ? scale : 0;
    char *first = to + 1 + (parts->negative ? 1 : 0); /* room for a sign and a carry */
    char *p = first, *end;
    const char *from = parts->digits;
    bool up = false, zero = true;

    /* zeros in front, so that there is a digit before the point */
    for (int64_t i = kept > 0 ? kept : 0; i < after + 1; i++)
        *p++ = '0';
    for (int64_t i = 0; i < kept; i++) {
        while (from < parts->end && !hr_is_digit(*from))
            from++;
        *p++ = from < parts->end ? *from++ : '0';
    }
    end = p;
    if (parts->count > 0 && kept >= 0 && kept < parts->count) { /* half away from zero: the first dropped digit decides */
        while (!hr_is_digit(*from))
            from++;
        up = *from >= '5';
    }
    if (up) {
        const char *lead = end - kept;

        while (p > lead && p[-1] == '9')
            *--p = '0';
        kept += p == lead; /* all nines, or no digit at all: one digit more */
        if (p > first)
            p[-1]++;
        else
            *--first = '1';
    }
    if (precision > 0 && kept > precision)
        return 0;
    for (p = first; p < end && zero; p++)
        zero = *p == '0';
    if (parts->negative && !zero)
        *--first = '-';
    if (scale > 0) {
        memmove(end - scale + 1, end - scale, (size_t)scale);
        end[-scale] = '.';
        end++;
    } else if (!zero) {
        memset(end, '0', (size_t)-scale);
        end += -scale;
    }
    memmove(to, first, (size_t)(end - first));
    return (size_t)(end - first);
}

/* ---- COPY BINARY ---- */

bool hr_numeric_field_read(const uint8_t *bytes, int32_t n, hr_numeric_field *field)
{
    if (n < HR_NUMERIC_FIELD_HEADER)
        return false;
    field->count = hr_load_be16(bytes);
    field->weight = (int16_t)hr_load_be16(bytes + 2);
    field->sign = hr_load_be16(bytes + 4);
    field->scale = hr_load_be16(bytes + 6);
    field->digits = bytes + HR_NUMERIC_FIELD_HEADER;
    if (n != HR_NUMERIC_FIELD_HEADER + 2 * field->count)
        return false;
    switch (field->sign) {
    case 0:
    case HR_NUMERIC_SIGN_NEGATIVE:
        break;
    case HR_NUMERIC_SIGN_NAN:
    case HR_NUMERIC_SIGN_INFINITY:
    case HR_NUMERIC_SIGN_MINUS_INFINITY:
        return true;
    default:
        return false;
    }
    if (field->scale > HR_NUMERIC_MAX_SCALE)
        return false;
    for (int32_t i = 0; i < field->count; i++)
        if (hr_load_be16(field->digits + 2 * i) >= 10000)
            return false;
    return true;
}

size_t hr_numeric_field_text_size(const hr_numeric_field *field)
{
    /* sign, whole digits (a zero at least), point, digits after it */
    return 2 + (size_t)(field->weight >= 0 ? field->weight + 1 : 1) * 4 + (size_t)field->scale;
}

/* Four digits of the group whose lowest digit has the weight 10000^group. */
static void hr_numeric_group_digits(const hr_numeric_field *field, int32_t group, char to[4])
{
    int32_t i = field->weight - group;

    hr_print_padded(to, i >= 0 && i < field->count ? hr_load_be16(field->digits + 2 * i) : 0, 4);
}

size_t hr_numeric_field_text(const hr_numeric_field *field, char *to)
{
    char *first = to + 1, *p = first, *digit;
    bool zero = true;

    switch (field->sign) {
    case HR_NUMERIC_SIGN_NAN: memcpy(to, "NaN", 3); return 3;
    case HR_NUMERIC_SIGN_INFINITY: memcpy(to, "Infinity", 8); return 8;
    case HR_NUMERIC_SIGN_MINUS_INFINITY: memcpy(to, "-Infinity", 9); return 9;
    default: break;
    }
    for (int32_t group = field->weight; group >= 0; group--, p += 4)
        hr_numeric_group_digits(field, group, p);
    if (p == first)
        *p++ = '0';
    while (p - first > 1 && *first == '0')
        first++;
    if (field->scale > 0) {
        *p++ = '.';
        for (int32_t i = 0; i < field->scale; i += 4) {
            char four[4];
            int32_t n = field->scale - i < 4 ? field->scale - i : 4;

            hr_numeric_group_digits(field, -1 - i / 4, four);
            memcpy(p, four, (size_t)n);
            p += n;
        }
    }
    for (digit = first; digit < p && zero; digit++)
        zero = *digit == '0' || *digit == '.';
    if (field->sign == HR_NUMERIC_SIGN_NEGATIVE && !zero)
        *--first = '-';
    memmove(to, first, (size_t)(p - first));
    return (size_t)(p - first);
}
