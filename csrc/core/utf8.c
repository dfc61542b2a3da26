/* csrc/core/utf8.c: exact UTF-8 validation with a fast road for ASCII, counting, and excerpts for messages. */
#include "utf8.h"

#include <string.h>

#define HR_HIGH_BITS UINT64_C(0x8080808080808080)

static inline uint64_t hr_load_native64(const char *s)
{
    uint64_t word;

    memcpy(&word, s, sizeof(word));
    return word;
}

/* How many bytes from s on are ASCII, at least in whole steps: the caller looks at the next byte itself. 32 bytes a step, then 8. */
static inline size_t hr_utf8_skip_ascii(const char *s, size_t n)
{
    size_t i = 0;

    for (; n - i >= 32; i += 32) {
        uint64_t any = hr_load_native64(s + i) | hr_load_native64(s + i + 8) | hr_load_native64(s + i + 16) | hr_load_native64(s + i + 24);
        if (any & HR_HIGH_BITS)
            break;
    }
    for (; n - i >= 8; i += 8)
        if (hr_load_native64(s + i) & HR_HIGH_BITS)
            break;
    return i;
}

static inline bool hr_is_continuation(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

/* The length of the character that starts at s (n > 0), or 0 when it is broken or cut off. Table 3-7 of the Unicode standard: the
 * second byte alone decides about overlongs, surrogates and the upper end. */
static inline size_t hr_utf8_char(const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s;
    unsigned char lead = p[0];

    if (lead < 0x80)
        return 1;
    if (lead < 0xc2)
        return 0;
    if (lead < 0xe0)
        return n >= 2 && hr_is_continuation(p[1]) ? 2 : 0;
    if (lead < 0xf0) {
        if (n < 3 || !hr_is_continuation(p[1]) || !hr_is_continuation(p[2]))
            return 0;
        if ((lead == 0xe0 && p[1] < 0xa0) || (lead == 0xed && p[1] > 0x9f))
            return 0;
        return 3;
    }
    if (lead > 0xf4 || n < 4 || !hr_is_continuation(p[1]) || !hr_is_continuation(p[2]) || !hr_is_continuation(p[3]))
        return 0;
    if ((lead == 0xf0 && p[1] < 0x90) || (lead == 0xf4 && p[1] > 0x8f))
        return 0;
    return 4;
}

bool hr_utf8_validate(const char *s, size_t n, size_t *bad)
{
    size_t i = 0;

    while (i < n) {
        size_t length;

        if ((unsigned char)s[i] < 0x80) {
            i += hr_utf8_skip_ascii(s + i, n - i);
            while (i < n && (unsigned char)s[i] < 0x80)
                i++;
            continue;
        }
        length = hr_utf8_char(s + i, n - i);
        if (length == 0) {
            if (bad != NULL)
                *bad = i;
            return false;
        }
        i += length;
    }
    return true;
}

size_t hr_utf8_length(const char *s, size_t n)
{
    size_t count = 0;

    /* every byte but the continuations starts a character; a loop that compilers turn into vector code */
    for (size_t i = 0; i < n; i++)
        count += (signed char)s[i] > (signed char)-65;
    return count;
}

size_t hr_utf8_offset(const char *s, size_t n, size_t chars)
{
    for (size_t i = 0; i < n; i++)
        if (!hr_is_continuation((unsigned char)s[i]) && chars-- == 0)
            return i;
    return n;
}

const char *hr_utf8_excerpt(char out[HR_EXCERPT_SIZE], const char *s, size_t n)
{
    static const char hex[] = "0123456789abcdef";
    size_t used = 0, i = 0;

    while (i < n) {
        size_t length = hr_utf8_char(s + i, n - i);
        bool plain = length > 1 || (length == 1 && (unsigned char)s[i] >= 0x20 && s[i] != 0x7f);
        size_t need = plain ? length : 4;

        /* room for this one, "..." and the terminator */
        if (used + need + 4 > HR_EXCERPT_SIZE) {
            memcpy(out + used, "...", 3);
            used += 3;
            break;
        }
        if (plain) {
            memcpy(out + used, s + i, length);
            i += length;
        } else {
            unsigned char byte = (unsigned char)s[i];
            out[used] = '\\';
            out[used + 1] = 'x';
            out[used + 2] = hex[byte >> 4];
            out[used + 3] = hex[byte & 15];
            i++;
        }
        used += need;
    }
    out[used] = '\0';
    return out;
}
