/* csrc/core/window/dictionary.c: strings in segments, found through open addressing. The hash is XXH3 (xxhash.com). */
#include "dictionary.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

void hr_dictionary_init(hr_dictionary *dictionary, uint64_t seed)
{
    memset(dictionary, 0, sizeof(*dictionary));
    dictionary->fill = UINT32_MAX;
    dictionary->seed = seed;
}

void hr_dictionary_free(hr_dictionary *dictionary)
{
    for (uint32_t i = 0; i < dictionary->segment_count; i++)
        hr_free(dictionary->segments[i]);
    hr_free(dictionary->segments);
    hr_free((void *)dictionary->at);
    hr_free(dictionary->slots);
    hr_dictionary_init(dictionary, dictionary->seed);
}

const uint8_t *hr_dictionary_get(const hr_dictionary *dictionary, uint32_t number, size_t *n)
{
    const uint8_t *p = dictionary->at[number];
    size_t length = 0;
    int shift = 0;

    for (; *p & 0x80; shift += 7)
        length |= (size_t)(*p++ & 0x7f) << shift;
    *n = length | (size_t)*p++ << shift;
    return p;
}

static inline uint32_t hr_dictionary_slot(uint64_t hash, uint32_t slots)
{
    return (uint32_t)((hash >> 32) * slots >> 32);
}

/* The slot of these bytes, or the free one where they belong. */
static uint32_t hr_dictionary_find(const hr_dictionary *dictionary, const void *bytes, size_t n, uint64_t hash)
{
    uint32_t slot = hr_dictionary_slot(hash, dictionary->slot_count);

    while (dictionary->slots[slot] != 0) {
        size_t length;
        const uint8_t *there = hr_dictionary_get(dictionary, dictionary->slots[slot] - 1, &length);

        if (length == n && memcmp(there, bytes, n) == 0)
            break;
        slot = slot + 1 < dictionary->slot_count ? slot + 1 : 0;
    }
    return slot;
}

/* Room for one more string's number and slot. */
static int hr_dictionary_reserve(hr_dictionary *dictionary, hr_error *error)
{
    uint64_t slots = dictionary->slot_count;
    uint32_t *grown;

    if (dictionary->count == dictionary->capacity) {
        uint64_t capacity = dictionary->capacity ? (uint64_t)dictionary->capacity + dictionary->capacity / 2 : 64;
        const uint8_t **at = capacity < UINT32_MAX ? hr_realloc((void *)dictionary->at, (size_t)capacity * sizeof(*at)) : NULL;

        if (at == NULL)
            return hr_error_nomem(error);
        dictionary->at = at;
        dictionary->capacity = (uint32_t)capacity;
    }
    if (((uint64_t)dictionary->count + 1) * 8 <= slots * 7)
        return HR_OK;
    if (slots == 0)
        slots = 96;
    else
        slots = (slots & (slots - 1)) == 0 ? slots + slots / 2 : slots / 3 * 4;
    grown = slots < UINT32_MAX ? hr_calloc((size_t)slots, sizeof(*grown)) : NULL;
    if (grown == NULL)
        return hr_error_nomem(error);
    for (uint32_t i = 0; i < dictionary->slot_count; i++) {
        size_t n;
        const uint8_t *bytes;
        uint32_t slot;

        if (dictionary->slots[i] == 0)
            continue;
        bytes = hr_dictionary_get(dictionary, dictionary->slots[i] - 1, &n);
        slot = hr_dictionary_slot(XXH3_64bits_withSeed(bytes, n, dictionary->seed), (uint32_t)slots);
        while (grown[slot] != 0)
            slot = slot + 1 < slots ? slot + 1 : 0;
        grown[slot] = dictionary->slots[i];
    }
    hr_free(dictionary->slots);
    dictionary->slots = grown;
    dictionary->slot_count = (uint32_t)slots;
    return HR_OK;
}

/* `size` bytes in a segment, or NULL. A string of more than a quarter of a segment has one to itself, put before the one being filled. */
static uint8_t *hr_dictionary_room(hr_dictionary *dictionary, size_t size)
{
    bool alone = size > HR_DICTIONARY_SEGMENT / 4;
    size_t bytes = alone ? size : HR_DICTIONARY_SEGMENT;
    uint8_t *segment;

    if (!alone && dictionary->fill != UINT32_MAX && size <= HR_DICTIONARY_SEGMENT - dictionary->fill) {
        segment = dictionary->segments[dictionary->segment_count - 1] + dictionary->fill;
        dictionary->fill += (uint32_t)size;
        return segment;
    }
    if (dictionary->segment_count == dictionary->segment_capacity) {
        uint32_t capacity = dictionary->segment_capacity ? dictionary->segment_capacity * 2 : 16;
        uint8_t **segments = hr_realloc(dictionary->segments, capacity * sizeof(*segments));

        if (segments == NULL)
            return NULL;
        dictionary->segments = segments;
        dictionary->segment_capacity = capacity;
    }
    segment = hr_malloc(bytes);
    if (segment == NULL)
        return NULL;
    dictionary->segment_bytes += bytes;
    dictionary->segments[dictionary->segment_count++] = segment;
    if (!alone) {
        dictionary->fill = (uint32_t)size;
    } else if (dictionary->fill != UINT32_MAX) { /* the one being filled stays the last */
        uint8_t *filled = dictionary->segments[dictionary->segment_count - 2];

        dictionary->segments[dictionary->segment_count - 2] = segment;
        dictionary->segments[dictionary->segment_count - 1] = filled;
    }
    return segment;
}

int hr_dictionary_intern(hr_dictionary *dictionary, const void *bytes, size_t n, uint32_t *number, hr_error *error)
{
    uint64_t hash = XXH3_64bits_withSeed(bytes, n, dictionary->seed);
    uint32_t slot;
    uint8_t *room;
    size_t head = 1;

    if (HR_LIKELY(dictionary->slot_count > 0)) {
        slot = hr_dictionary_find(dictionary, bytes, n, hash);
        if (HR_LIKELY(dictionary->slots[slot] != 0)) {
            *number = dictionary->slots[slot] - 1;
            return HR_OK;
        }
    }
    HR_RETURN_NOT_OK(hr_dictionary_reserve(dictionary, error));
    slot = hr_dictionary_find(dictionary, bytes, n, hash);
    for (size_t rest = n; rest >= 0x80; rest >>= 7)
        head++;
    room = hr_dictionary_room(dictionary, head + n);
    if (room == NULL)
        return hr_error_nomem(error);
    dictionary->at[dictionary->count] = room;
    for (size_t rest = n; head > 0; head--, rest >>= 7)
        *room++ = (uint8_t)((rest & 0x7f) | (head > 1 ? 0x80 : 0));
    if (n > 0)
        memcpy(room, bytes, n);
    dictionary->slots[slot] = ++dictionary->count;
    *number = dictionary->count - 1;
    return HR_OK;
}

size_t hr_dictionary_memory(const hr_dictionary *dictionary)
{
    return dictionary->segment_bytes + dictionary->segment_capacity * sizeof(*dictionary->segments) +
           dictionary->capacity * sizeof(*dictionary->at) + dictionary->slot_count * sizeof(*dictionary->slots);
}
