/* csrc/core/utf8.h: is it UTF-8, how many characters, and how to show a value in a message. */
#ifndef HR_CORE_UTF8_H
#define HR_CORE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True when s[0..n) is UTF-8 as RFC 3629 and the server define it: no overlong forms, no surrogates, nothing above U+10FFFF, nothing
 * cut off. NUL counts as an ordinary character here. When false and `bad` is not NULL, *bad is the offset of the first byte of the
 * first broken character. */
bool hr_utf8_validate(const char *s, size_t n, size_t *bad);

/* Characters (code points) in valid UTF-8. */
size_t hr_utf8_length(const char *s, size_t n);

/* The byte offset at which the character number `chars` (counted from 0) of valid UTF-8 starts; n when there are no more than that. */
size_t hr_utf8_offset(const char *s, size_t n, size_t chars);

/* Write the code point as 1 to 4 bytes and return how many. It must be a scalar value: no surrogate, at most 0x10FFFF. */
static inline size_t hr_utf8_put(char *to, uint32_t code)
{
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (char)(0xc0 | code >> 6);
        to[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        to[0] = (char)(0xe0 | code >> 12);
        to[1] = (char)(0x80 | (code >> 6 & 0x3f));
        to[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    to[0] = (char)(0xf0 | code >> 18);
    to[1] = (char)(0x80 | (code >> 12 & 0x3f));
    to[2] = (char)(0x80 | (code >> 6 & 0x3f));
    to[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

#define HR_EXCERPT_SIZE 72
/* A value as a person may read it in an error message: valid UTF-8 as it is, control characters and broken bytes as \xNN, and
 * "..." where it was cut to fit. Returns `out`. */
const char *hr_utf8_excerpt(char out[HR_EXCERPT_SIZE], const char *s, size_t n);

#endif
