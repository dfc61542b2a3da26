/* csrc/core/hash/upper_case.h: UPPER() as PostgreSQL's builtin provider does it (collation pg_c_utf8): Unicode simple case mapping. */
#ifndef HR_CORE_UPPER_CASE_H
#define HR_CORE_UPPER_CASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes that the upper case of n bytes may take (some characters of two bytes become three), and that may be written over. */
#define HR_UPPER_ROOM(n) ((n) + (n) / 2 + 8)

/* Write the upper case of the UTF-8 text s[0..n) to `to`, which has room for HR_UPPER_ROOM(n), and return its length. Bytes that are no
 * UTF-8 stay as they are. The two must not overlap. */
size_t hr_upper_case(char *to, const char *s, size_t n);

/* ---- ASCII, inline ---- */

#define HR_EVERY_BYTE UINT64_C(0x0101010101010101)

/* Eight bytes below 0x80 with a..z made A..Z: a carry into the top bit tells where a byte is at least 'a', another where it is beyond 'z'.
 */
static inline uint64_t hr_upper_eight(uint64_t x)
{
    uint64_t from_a = x + HR_EVERY_BYTE * (0x80 - 'a'), beyond_z = x + HR_EVERY_BYTE * (0x7f - 'z');

    return x - ((from_a & ~beyond_z & HR_EVERY_BYTE * 0x80) >> 2);
}

/* The upper case of n bytes that are all ASCII; writes exactly n bytes. */
static inline void hr_upper_ascii(char *to, const char *s, size_t n)
{
    uint64_t x = 0;
    uint32_t head, tail;

    if (n >= 8) {
        for (size_t i = 0; i + 8 < n; i += 8) {
            memcpy(&x, s + i, 8);
            x = hr_upper_eight(x);
            memcpy(to + i, &x, 8);
        }
        memcpy(&x, s + n - 8, 8); /* the last eight, some of them for the second time */
        x = hr_upper_eight(x);
        memcpy(to + n - 8, &x, 8);
    } else if (n >= 4) {
        memcpy(&head, s, 4);
        memcpy(&tail, s + n - 4, 4);
        x = hr_upper_eight((uint64_t)head << 32 | tail);
        head = (uint32_t)(x >> 32);
        tail = (uint32_t)x;
        memcpy(to, &head, 4);
        memcpy(to + n - 4, &tail, 4);
    } else {
        for (size_t i = 0; i < n; i++)
            to[i] = s[i] >= 'a' && s[i] <= 'z' ? (char)(s[i] - 32) : s[i];
    }
}

/* Whether all n bytes are ASCII. */
static inline bool hr_is_ascii(const void *bytes, size_t n)
{
    const uint8_t *s = bytes;
    uint8_t all = 0;

    for (size_t i = 0; i < n; i++) /* compilers make vectors of it */
        all |= s[i];
    return all < 0x80;
}

/* The upper case of one character; itself when it has none. */
uint32_t hr_upper_code(uint32_t code);

/* The version of Unicode whose mapping this is. */
const char *hr_upper_unicode(void);

#endif
