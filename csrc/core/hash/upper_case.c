/* csrc/core/hash/upper_case.c: UPPER(), eight ASCII letters at a time, other characters by a table. */
#include "upper_case.h"

#include "core/utf8.h"
#include "upper_table.h"

const char *hr_upper_unicode(void)
{
    return HR_UPPER_UNICODE;
}

uint32_t hr_upper_code(uint32_t code)
{
    uint32_t page = code / 64;

    if (page >= HR_UPPER_PAGES)
        return code;
    return (code & 0xff0000) | ((code + hr_upper_delta[hr_upper_page[page]][code % 64]) & 0xffff);
}

static inline bool hr_ascii_eight(uint64_t x)
{
    return (x & HR_EVERY_BYTE * 0x80) == 0;
}

/* Decode one character at s (n >= 1 bytes): its length, or 0 when it is none. */
static inline size_t hr_upper_decode(const unsigned char *s, size_t n, uint32_t *code)
{
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    if (s[0] < 0xe0) {
        if (n < 2 || (s[1] & 0xc0) != 0x80)
            return 0;
        *code = (uint32_t)(s[0] & 0x1f) << 6 | (s[1] & 0x3f);
        return 2;
    }
    if (s[0] < 0xf0) {
        if (n < 3 || (s[1] & 0xc0) != 0x80 || (s[2] & 0xc0) != 0x80)
            return 0;
        *code = (uint32_t)(s[0] & 0x0f) << 12 | (uint32_t)(s[1] & 0x3f) << 6 | (s[2] & 0x3f);
        return *code >= 0x800 ? 3 : 0;
    }
    if (n < 4 || (s[1] & 0xc0) != 0x80 || (s[2] & 0xc0) != 0x80 || (s[3] & 0xc0) != 0x80)
        return 0;
    *code = (uint32_t)(s[0] & 0x07) << 18 | (uint32_t)(s[1] & 0x3f) << 12 | (uint32_t)(s[2] & 0x3f) << 6 | (s[3] & 0x3f);
    return *code >= 0x10000 && *code <= 0x10ffff ? 4 : 0;
}

/* From the first character that is not ASCII on. */
static size_t hr_upper_mixed(char *to, const char *s, size_t n)
{
    char *start = to;
    uint64_t eight;

    for (size_t i = 0; i < n;) {
        uint32_t code, upper;
        size_t length;

        if ((unsigned char)s[i] < 0x80) {
            if (n - i >= 8 && (memcpy(&eight, s + i, 8), hr_ascii_eight(eight))) {
                eight = hr_upper_eight(eight);
                memcpy(to, &eight, 8);
                to += 8;
                i += 8;
                continue;
            }
            *to++ = s[i] >= 'a' && s[i] <= 'z' ? (char)(s[i] - 32) : s[i];
            i++;
            continue;
        }
        length = hr_upper_decode((const unsigned char *)s + i, n - i, &code);
        if (length == 0) {
            *to++ = s[i++];
            continue;
        }
        upper = hr_upper_code(code);
        if (upper == code) {
            memcpy(to, s + i, length);
            to += length;
        } else {
            to += hr_utf8_put(to, upper);
        }
        i += length;
    }
    return (size_t)(to - start);
}

size_t hr_upper_case(char *to, const char *s, size_t n)
{
    uint64_t x = 0;
    size_t i = 0;

    for (; n - i >= 8; i += 8) {
        memcpy(&x, s + i, 8);
        if (!hr_ascii_eight(x))
            return i + hr_upper_mixed(to + i, s + i, n - i);
        x = hr_upper_eight(x);
        memcpy(to + i, &x, 8);
    }
    return i + hr_upper_mixed(to + i, s + i, n - i);
}
