/* csrc/core/json/json_index_parts.h: what the ways to look over a record (json_index.h) have in common. */
#ifndef HR_CORE_JSON_INDEX_PARTS_H
#define HR_CORE_JSON_INDEX_PARTS_H

#include "json_index.h"

/* Escapes, from block to block of 64 bytes. */
typedef struct hr_json_escapes {
    uint64_t escaped;  /* the first byte is escaped by the one before */
    uint64_t bad;      /* not zero: an escape was not sound */
    const char *until; /* backslashes before this are part of an escape that was checked; at first the start of the text */
} hr_json_escapes;

/* Which bytes of a block are escaped by a backslash before them, and whether the escapes that begin in the block are sound. */
static __attribute__((noinline, unused)) uint64_t hr_json_index_escapes(const hr_json_scan *scan, const char *block, uint64_t backslashes,
                                                                        hr_json_escapes *state)
{
    uint64_t escaped = state->escaped, left = backslashes & ~state->escaped;

    state->escaped = 0;
    while (left != 0) {
        unsigned at = (unsigned)__builtin_ctzll(left);
        const char *p = block + at;

        if (p >= state->until) {
            state->until = hr_json_skip_escape(scan, p);
            if (state->until == NULL) {
                state->until = scan->start;
                state->bad = 1;
            }
        }
        left &= left - 1;
        if (at == 63) {
            state->escaped = 1;
        } else {
            escaped |= UINT64_C(2) << at;
            left &= ~(UINT64_C(2) << at);
        }
    }
    return escaped;
}

/* UTF-8, after Keiser and Lemire ("Validating UTF-8 in less than one instruction per byte"): three look-ups, by the high and the low half
 * of a byte and by the high half of the next, tell of each pair of bytes which of eight mistakes it can be; those that all three name it
 * is. Continuations that belong to leads two and three bytes before are no mistake: they are TWO alone. */
enum {
    HR_UTF8_SHORT = 1,
    HR_UTF8_LONG = 2,
    HR_UTF8_OVER3 = 4,
    HR_UTF8_LARGE = 8,
    HR_UTF8_SURROGATE = 16,
    HR_UTF8_OVER2 = 32,
    HR_UTF8_LARGE4 = 64,
    HR_UTF8_OVER4 = 64,
    HR_UTF8_TWO = 128,
    HR_UTF8_CARRY = HR_UTF8_SHORT | HR_UTF8_LONG | HR_UTF8_TWO,
    HR_UTF8_ABOVE = HR_UTF8_CARRY | HR_UTF8_LARGE | HR_UTF8_LARGE4
};
static const uint8_t hr_utf8_high1[16] = {HR_UTF8_LONG,
                                          HR_UTF8_LONG,
                                          HR_UTF8_LONG,
                                          HR_UTF8_LONG,
                                          HR_UTF8_LONG,
                                          HR_UTF8_LONG,
                                          HR_UTF8_LONG,
                                          HR_UTF8_LONG,
                                          HR_UTF8_TWO,
                                          HR_UTF8_TWO,
                                          HR_UTF8_TWO,
                                          HR_UTF8_TWO,
                                          HR_UTF8_SHORT | HR_UTF8_OVER2,
                                          HR_UTF8_SHORT,
                                          HR_UTF8_SHORT | HR_UTF8_OVER3 | HR_UTF8_SURROGATE,
                                          HR_UTF8_SHORT | HR_UTF8_LARGE | HR_UTF8_LARGE4 | HR_UTF8_OVER4};
static const uint8_t hr_utf8_low1[16] = {HR_UTF8_CARRY | HR_UTF8_OVER3 | HR_UTF8_OVER2 | HR_UTF8_OVER4,
                                         HR_UTF8_CARRY | HR_UTF8_OVER2,
                                         HR_UTF8_CARRY,
                                         HR_UTF8_CARRY,
                                         HR_UTF8_CARRY | HR_UTF8_LARGE,
                                         HR_UTF8_ABOVE,
                                         HR_UTF8_ABOVE,
                                         HR_UTF8_ABOVE,
                                         HR_UTF8_ABOVE,
                                         HR_UTF8_ABOVE,
                                         HR_UTF8_ABOVE,
                                         HR_UTF8_ABOVE,
                                         HR_UTF8_ABOVE,
                                         HR_UTF8_ABOVE | HR_UTF8_SURROGATE,
                                         HR_UTF8_ABOVE,
                                         HR_UTF8_ABOVE};
static const uint8_t hr_utf8_high2[16] = {HR_UTF8_SHORT,
                                          HR_UTF8_SHORT,
                                          HR_UTF8_SHORT,
                                          HR_UTF8_SHORT,
                                          HR_UTF8_SHORT,
                                          HR_UTF8_SHORT,
                                          HR_UTF8_SHORT,
                                          HR_UTF8_SHORT,
                                          HR_UTF8_LONG | HR_UTF8_OVER2 | HR_UTF8_TWO | HR_UTF8_OVER3 | HR_UTF8_LARGE4 | HR_UTF8_OVER4,
                                          HR_UTF8_LONG | HR_UTF8_OVER2 | HR_UTF8_TWO | HR_UTF8_OVER3 | HR_UTF8_LARGE,
                                          HR_UTF8_LONG | HR_UTF8_OVER2 | HR_UTF8_TWO | HR_UTF8_SURROGATE | HR_UTF8_LARGE,
                                          HR_UTF8_LONG | HR_UTF8_OVER2 | HR_UTF8_TWO | HR_UTF8_SURROGATE | HR_UTF8_LARGE,
                                          HR_UTF8_SHORT,
                                          HR_UTF8_SHORT,
                                          HR_UTF8_SHORT,
                                          HR_UTF8_SHORT};

/* The 64 bytes of a block with the 3 before it, at `room`, where the text begins or ends among them: spaces stand for what is not there. */
static inline const char *hr_json_index_edge(const hr_json_scan *scan, const char *block, char room[3 + 64])
{
    const char *from = block - scan->start >= 3 ? block - 3 : scan->start, *to = scan->end - block >= 64 ? block + 64 : scan->end;

    if (block - from == 3 && to - block == 64)
        return block;
    memset(room, ' ', 3 + 64);
    memcpy(room + 3 - (block - from), from, (size_t)(to - from));
    return room + 3;
}

#endif
