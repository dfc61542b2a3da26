/* csrc/core/bytes.h: the small tools of everybody who reads or writes values byte by byte: network order, COPY fields, digits.
 *
 * All of it is inline, portable (memcpy instead of casts) and free of locales. The compilers turn the stores and loads into one
 * instruction each.
 */
#ifndef HR_CORE_BYTES_H
#define HR_CORE_BYTES_H

#include "arena.h"

/* ---- network byte order ---- */

static inline void hr_store_be16(uint8_t *to, uint16_t value)
{
    to[0] = (uint8_t)(value >> 8);
    to[1] = (uint8_t)value;
}

static inline void hr_store_be32(uint8_t *to, uint32_t value)
{
    to[0] = (uint8_t)(value >> 24);
    to[1] = (uint8_t)(value >> 16);
    to[2] = (uint8_t)(value >> 8);
    to[3] = (uint8_t)value;
}

static inline void hr_store_be64(uint8_t *to, uint64_t value)
{
    to[0] = (uint8_t)(value >> 56);
    to[1] = (uint8_t)(value >> 48);
    to[2] = (uint8_t)(value >> 40);
    to[3] = (uint8_t)(value >> 32);
    to[4] = (uint8_t)(value >> 24);
    to[5] = (uint8_t)(value >> 16);
    to[6] = (uint8_t)(value >> 8);
    to[7] = (uint8_t)value;
}

static inline uint16_t hr_load_be16(const uint8_t *from)
{
    return (uint16_t)((unsigned)from[0] << 8 | from[1]);
}

static inline uint32_t hr_load_be32(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static inline uint64_t hr_load_be64(const uint8_t *from)
{
    return (uint64_t)hr_load_be32(from) << 32 | hr_load_be32(from + 4);
}

/* ---- COPY BINARY fields: int32 length in network order, then the bytes ---- */

#define HR_FIELD_HEADER 4

/* Append the length word alone; -1 is the null field. */
static inline int hr_write_field_header(hr_buffer *out, int32_t length, hr_error *error)
{
    HR_RETURN_NOT_OK(hr_buffer_reserve(out, HR_FIELD_HEADER, error));
    hr_store_be32(out->data + out->size, (uint32_t)length);
    out->size += HR_FIELD_HEADER;
    return HR_OK;
}

/* Append a field of `length` bytes and return where they go: the caller fills all of them. NULL when memory runs out. */
static inline uint8_t *hr_write_field(hr_buffer *out, int32_t length, hr_error *error)
{
    uint8_t *at;

    if (HR_UNLIKELY(hr_buffer_reserve(out, HR_FIELD_HEADER + (size_t)length, error) != HR_OK))
        return NULL;
    at = out->data + out->size;
    hr_store_be32(at, (uint32_t)length);
    out->size += HR_FIELD_HEADER + (size_t)length;
    return at + HR_FIELD_HEADER;
}

static inline int hr_write_field_16(hr_buffer *out, uint16_t value, hr_error *error)
{
    uint8_t *at = hr_write_field(out, 2, error);

    if (HR_UNLIKELY(at == NULL))
        return HR_ENOMEM;
    hr_store_be16(at, value);
    return HR_OK;
}

static inline int hr_write_field_32(hr_buffer *out, uint32_t value, hr_error *error)
{
    uint8_t *at = hr_write_field(out, 4, error);

    if (HR_UNLIKELY(at == NULL))
        return HR_ENOMEM;
    hr_store_be32(at, value);
    return HR_OK;
}

static inline int hr_write_field_64(hr_buffer *out, uint64_t value, hr_error *error)
{
    uint8_t *at = hr_write_field(out, 8, error);

    if (HR_UNLIKELY(at == NULL))
        return HR_ENOMEM;
    hr_store_be64(at, value);
    return HR_OK;
}

static inline int hr_write_field_bytes(hr_buffer *out, const void *bytes, int32_t n, hr_error *error)
{
    uint8_t *at = hr_write_field(out, n, error);

    if (HR_UNLIKELY(at == NULL))
        return HR_ENOMEM;
    if (n > 0)
        memcpy(at, bytes, (size_t)n);
    return HR_OK;
}

/* ---- characters, as the server's C-locale isspace, isdigit, tolower see them ---- */

static inline bool hr_is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static inline bool hr_is_digit(char c)
{
    return (unsigned char)(c - '0') <= 9;
}

static inline char hr_to_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* 0..15, or -1 when c is no hex digit. */
static inline int hr_hex_value(char c)
{
    if (hr_is_digit(c))
        return c - '0';
    c = hr_to_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Whether s[0..n) is the lower-case ASCII word, in any case. */
static inline bool hr_is_word(const char *s, size_t n, const char *word)
{
    for (size_t i = 0; i < n; i++)
        if (word[i] == '\0' || hr_to_lower(s[i]) != word[i])
            return false;
    return word[n] == '\0';
}

/* Drop the server's white space from both ends. */
static inline void hr_trim(const char **s, size_t *n)
{
    while (*n > 0 && hr_is_space(**s)) {
        (*s)++;
        (*n)--;
    }
    while (*n > 0 && hr_is_space((*s)[*n - 1]))
        (*n)--;
}

/* ---- integers as text ---- */

#define HR_INT64_TEXT 20 /* characters of the longest int64 and uint64, without a terminator */

/* Write the decimal digits of value to `to` (room for HR_INT64_TEXT) and return how many. No terminator. */
static inline size_t hr_print_uint64(char *to, uint64_t value)
{
    char digits[HR_INT64_TEXT];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    memcpy(to, digits + at, sizeof(digits) - at);
    return sizeof(digits) - at;
}

static inline size_t hr_print_int64(char *to, int64_t value)
{
    if (value >= 0)
        return hr_print_uint64(to, (uint64_t)value);
    to[0] = '-';
    return 1 + hr_print_uint64(to + 1, 0 - (uint64_t)value);
}

/* Write exactly `width` digits, zeros in front ("07"). The caller knows that value fits. */
static inline void hr_print_padded(char *to, uint32_t value, int width)
{
    for (int i = width - 1; i >= 0; i--) {
        to[i] = (char)('0' + value % 10);
        value /= 10;
    }
}

/* Whether s[0..8) are eight decimal digits, and if so their number: three multiplications instead of eight steps. */
static inline bool hr_parse_eight_digits(const char *s, uint32_t *value)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t word;

    memcpy(&word, s, sizeof(word));
    if (((word & UINT64_C(0xf0f0f0f0f0f0f0f0)) | (((word + UINT64_C(0x0606060606060606)) & UINT64_C(0xf0f0f0f0f0f0f0f0)) >> 4)) !=
        UINT64_C(0x3333333333333333))
        return false;
    word = (word & UINT64_C(0x0f0f0f0f0f0f0f0f)) * 2561 >> 8;     /* pairs: tens * 10 + ones */
    word = (word & UINT64_C(0x00ff00ff00ff00ff)) * 6553601 >> 16; /* fours */
    *value = (uint32_t)((word & UINT64_C(0x0000ffff0000ffff)) * UINT64_C(42949672960001) >> 32);
    return true;
#else
    uint32_t total = 0;

    for (int i = 0; i < 8; i++) {
        if (!hr_is_digit(s[i]))
            return false;
        total = total * 10 + (uint32_t)(s[i] - '0');
    }
    *value = total;
    return true;
#endif
}

/* The fast way in for an integer: an optional '-' and 1 to 18 digits, nothing else. False says "not of this plain form": the caller
 * then takes its slow and exact path; *value is untouched. */
static inline bool hr_parse_plain_int64(const char *s, size_t n, int64_t *value)
{
    bool negative = n > 0 && s[0] == '-';
    int64_t total = 0;

    s += negative;
    n -= negative;
    if (n - 1 > 17) /* n == 0 wraps round */
        return false;
    for (; n >= 8; s += 8, n -= 8) {
        uint32_t eight;
        if (!hr_parse_eight_digits(s, &eight))
            return false;
        total = total * 100000000 + eight;
    }
    for (size_t i = 0; i < n; i++) {
        unsigned digit = (unsigned char)(s[i] - '0');
        if (digit > 9)
            return false;
        total = total * 10 + (int64_t)digit;
    }
    *value = negative ? -total : total;
    return true;
}

#endif
