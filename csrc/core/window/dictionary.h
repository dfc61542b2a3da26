/* csrc/core/window/dictionary.h: byte strings, each stored once and known by a 32-bit number.
 *
 * Numbers count up from 0 in the order of first sight, so that sets of them can be bitmaps. Strings stand in segments that never move.
 */
#ifndef HR_CORE_DICTIONARY_H
#define HR_CORE_DICTIONARY_H

#include "core/arena.h"

typedef struct hr_dictionary {
    uint8_t **segments; /* HR_DICTIONARY_SEGMENT bytes each; a longer string has one of its own */
    uint32_t segment_count, segment_capacity;
    uint32_t fill;        /* bytes used in the last segment; UINT32_MAX when it takes no more */
    size_t segment_bytes; /* allocated in segments */
    const uint8_t **at;   /* of each number: its length (a varint), then its bytes */
    uint32_t count, capacity;
    uint32_t *slots; /* number + 1, 0 free */
    uint32_t slot_count;
    uint64_t seed;
} hr_dictionary;

#define HR_DICTIONARY_SEGMENT 65536u

void hr_dictionary_init(hr_dictionary *dictionary, uint64_t seed);
void hr_dictionary_free(hr_dictionary *dictionary);
/* The number of bytes[0..n), which is new when they are. HR_ENOMEM (also when there are 2^32 - 2 strings): nothing is changed. */
int hr_dictionary_intern(hr_dictionary *dictionary, const void *bytes, size_t n, uint32_t *number, hr_error *error);
/* The bytes of a number. */
const uint8_t *hr_dictionary_get(const hr_dictionary *dictionary, uint32_t number, size_t *n);
size_t hr_dictionary_memory(const hr_dictionary *dictionary);

#endif
