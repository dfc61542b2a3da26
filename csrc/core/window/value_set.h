/* csrc/core/window/value_set.h: a set of numbers of 32 or 64 bits, for exact distinct counts.
 *
 * Up to 16 bytes of values stand inline; then open addressing with linear probing, grown in steps of a half or a third when 7/8 full; a
 * set of 32-bit numbers that is dense becomes a bitmap. A slot of 0 is free, so the value 0 is a flag. Slots are in the order of the hash's
 * high bits (a multiplication instead of a mask), so that growing and merging walk through memory in order.
 */
#ifndef HR_CORE_VALUE_SET_H
#define HR_CORE_VALUE_SET_H

#include "core/arena.h"

typedef enum hr_set_form { HR_SET_FEW = 0, HR_SET_HASH, HR_SET_BITMAP } hr_set_form;

typedef struct hr_value_set {
    uint32_t count;    /* values, 0 included */
    uint32_t capacity; /* hash: slots; bitmap: words of 64 bits */
    uint8_t form;
    bool wide; /* 64 bits */
    bool zero; /* 0 is in the set (not used by bitmaps) */
    union {
        uint32_t few32[4];
        uint64_t few64[2];
        void *slots; /* owned */
    } in;
} hr_value_set;

/* An empty set; allocates nothing. */
void hr_value_set_init(hr_value_set *set, bool wide);
void hr_value_set_free(hr_value_set *set);
/* Make room for `more` values, so that adding them cannot fail. `universe` bounds the values of a 32-bit set (they are below it), 0 when
 * there is no bound: dense sets become bitmaps of that many bits. HR_ENOMEM leaves the set as it was. */
int hr_value_set_reserve(hr_value_set *set, uint32_t more, uint64_t universe, uint64_t seed, hr_error *error);
/* Add a value for which there is room. */
void hr_value_set_add(hr_value_set *set, uint64_t value, uint64_t seed);
bool hr_value_set_has(const hr_value_set *set, uint64_t value, uint64_t seed);
/* Add all of another set's values; room must have been made for as many as the other has. */
void hr_value_set_merge(hr_value_set *set, const hr_value_set *other, uint64_t seed);
/* Walk through the values: start with *at = 0; false when there are no more. */
bool hr_value_set_next(const hr_value_set *set, uint64_t *at, uint64_t *value);
/* Replace each value of a 32-bit set by rank[value], which must keep their order and never be above the value. `scratch` has room for
 * `capacity` numbers. Allocates nothing. */
void hr_value_set_remap(hr_value_set *set, const uint32_t *rank, uint32_t *scratch, uint64_t seed);
/* Bytes beside the struct itself. */
size_t hr_value_set_memory(const hr_value_set *set);

/* Whether one more value fits without asking. */
static inline bool hr_value_set_has_room(const hr_value_set *set, uint64_t universe)
{
    switch (set->form) {
    case HR_SET_FEW: return set->count < (set->wide ? 2u : 4u);
    case HR_SET_HASH: return (uint64_t)set->count * 8 < (uint64_t)set->capacity * 7;
    default: return universe != 0 && universe <= (uint64_t)set->capacity * 64;
    }
}

#endif
