/* csrc/core/window/value_set.c: the three forms of a set, and the ways between them. */
#include "value_set.h"

#if defined(__GNUC__)
#define HR_INLINE static inline __attribute__((always_inline))
#else
#define HR_INLINE static inline
#endif

/* Every bit of the result's upper half depends on every bit of the value. */
static inline uint64_t hr_set_hash(uint64_t value, uint64_t seed)
{
    value = (value ^ seed) * UINT64_C(0x9e3779b97f4a7c15);
    value ^= value >> 32;
    value *= UINT64_C(0xd6e8feb86659fd93);
    return value ^ (value >> 32);
}

static inline uint32_t hr_set_slot(uint64_t hash, uint32_t capacity)
{
    return (uint32_t)((hash >> 32) * capacity >> 32);
}

/* The functions below are made twice by the compiler, for 32 and for 64 bits. */
HR_INLINE uint64_t hr_set_get(const void *slots, uint32_t i, bool wide)
{
    return wide ? ((const uint64_t *)slots)[i] : ((const uint32_t *)slots)[i];
}

HR_INLINE void hr_set_put(void *slots, uint32_t i, uint64_t value, bool wide)
{
    if (wide)
        ((uint64_t *)slots)[i] = value;
    else
        ((uint32_t *)slots)[i] = (uint32_t)value;
}

/* The slot that holds the value, or the free one where it belongs. There is a free slot. */
HR_INLINE uint32_t hr_set_find(const void *slots, uint32_t capacity, uint64_t value, uint64_t seed, bool wide)
{
    uint32_t i = hr_set_slot(hr_set_hash(value, seed), capacity);

    for (;;) {
        uint64_t there = hr_set_get(slots, i, wide);

        if (there == value || there == 0)
            return i;
        i = i + 1 < capacity ? i + 1 : 0;
    }
}

HR_INLINE void hr_set_add_hash(hr_value_set *set, uint64_t value, uint64_t seed, bool wide)
{
    uint32_t i;

    if (HR_UNLIKELY(value == 0)) {
        set->count += !set->zero;
        set->zero = true;
        return;
    }
    i = hr_set_find(set->in.slots, set->capacity, value, seed, wide);
    if (hr_set_get(set->in.slots, i, wide) == 0) {
        hr_set_put(set->in.slots, i, value, wide);
        set->count++;
    }
}

HR_INLINE void hr_set_add_few(hr_value_set *set, uint64_t value, bool wide)
{
    for (uint32_t i = 0; i < set->count; i++)
        if (hr_set_get(&set->in, i, wide) == value)
            return;
    hr_set_put(&set->in, set->count++, value, wide);
}

void hr_value_set_init(hr_value_set *set, bool wide)
{
    memset(set, 0, sizeof(*set));
    set->wide = wide;
}

void hr_value_set_free(hr_value_set *set)
{
    if (set->form != HR_SET_FEW)
        hr_free(set->in.slots);
    hr_value_set_init(set, set->wide);
}

void hr_value_set_add(hr_value_set *set, uint64_t value, uint64_t seed)
{
    if (set->form == HR_SET_HASH) {
        if (set->wide)
            hr_set_add_hash(set, value, seed, true);
        else
            hr_set_add_hash(set, value, seed, false);
    } else if (set->form == HR_SET_BITMAP) {
        uint64_t *word = (uint64_t *)set->in.slots + (value >> 6), bit = UINT64_C(1) << (value & 63);

        set->count += (*word & bit) == 0;
        *word |= bit;
    } else if (set->wide) {
        hr_set_add_few(set, value, true);
    } else {
        hr_set_add_few(set, value, false);
    }
}

bool hr_value_set_has(const hr_value_set *set, uint64_t value, uint64_t seed)
{
    switch (set->form) {
    case HR_SET_FEW:
        for (uint32_t i = 0; i < set->count; i++)
            if (hr_set_get(&set->in, i, set->wide) == value)
                return true;
        return false;
    case HR_SET_HASH:
        if (value == 0)
            return set->zero;
        return hr_set_get(set->in.slots, hr_set_find(set->in.slots, set->capacity, value, seed, set->wide), set->wide) == value;
    default: return (value >> 6) < set->capacity && (((const uint64_t *)set->in.slots)[value >> 6] >> (value & 63) & 1) != 0;
    }
}

bool hr_value_set_next(const hr_value_set *set, uint64_t *at, uint64_t *value)
{
    switch (set->form) {
    case HR_SET_FEW:
        if (*at >= set->count)
            return false;
        *value = hr_set_get(&set->in, (uint32_t)(*at)++, set->wide);
        return true;
    case HR_SET_HASH:
        while (*at < set->capacity) {
            *value = hr_set_get(set->in.slots, (uint32_t)(*at)++, set->wide);
            if (*value != 0)
                return true;
        }
        *value = 0;
        return set->zero && (*at)++ == set->capacity;
    default:
        while (*at < (uint64_t)set->capacity * 64) {
            uint64_t word = ((const uint64_t *)set->in.slots)[*at >> 6] >> (*at & 63);

            if (word == 0) {
                *at = (*at | 63) + 1;
                continue;
            }
            *at += (unsigned)__builtin_ctzll(word);
            *value = (*at)++;
            return true;
        }
        return false;
    }
}

/* Put all values into new slots or words, and let go of the old ones. Cannot fail. */
static void hr_set_move(hr_value_set *set, hr_set_form form, uint32_t capacity, void *slots, uint64_t seed)
{
    hr_value_set grown = {.capacity = capacity, .form = (uint8_t)form, .wide = set->wide, .in.slots = slots};
    uint64_t at = 0, value;

    while (hr_value_set_next(set, &at, &value))
        hr_value_set_add(&grown, value, seed);
    hr_value_set_free(set);
    *set = grown;
}

/* 8, 12, 16, 24, 32, 48...: the next number of slots. */
static uint64_t hr_set_next_capacity(uint64_t capacity)
{
    if (capacity < 8)
        return 8;
    return (capacity & (capacity - 1)) == 0 ? capacity + capacity / 2 : capacity / 3 * 4;
}

int hr_value_set_reserve(hr_value_set *set, uint32_t more, uint64_t universe, uint64_t seed, hr_error *error)
{
    uint64_t need = (uint64_t)set->count + more, capacity = set->form == HR_SET_HASH ? set->capacity : 0, words;
    size_t width = set->wide ? 8 : 4;
    void *slots;

    if (set->form == HR_SET_FEW && need * width <= sizeof(set->in))
        return HR_OK;
    if (set->form == HR_SET_BITMAP) {
        words = universe / 64 + 1;
        if (words <= set->capacity)
            return HR_OK;
        words += words / 4;
        slots = words <= UINT32_MAX ? hr_realloc(set->in.slots, (size_t)words * 8) : NULL;
        if (slots == NULL)
            return hr_error_nomem(error);
        memset((uint64_t *)slots + set->capacity, 0, ((size_t)words - set->capacity) * 8);
        set->in.slots = slots;
        set->capacity = (uint32_t)words;
        return HR_OK;
    }
    while (capacity * 7 < need * 8)
        capacity = hr_set_next_capacity(capacity);
    if (set->form == HR_SET_HASH && capacity == set->capacity)
        return HR_OK;
    words = universe / 64 + 1;
    words += words / 4;
    if (!set->wide && universe != 0 && words * 8 < capacity * width && words <= UINT32_MAX) {
        slots = hr_calloc((size_t)words, 8);
        if (slots == NULL)
            return hr_error_nomem(error);
        hr_set_move(set, HR_SET_BITMAP, (uint32_t)words, slots, seed);
        return HR_OK;
    }
    slots = capacity < UINT32_MAX ? hr_calloc((size_t)capacity, width) : NULL;
    if (slots == NULL)
        return hr_error_nomem(error);
    hr_set_move(set, HR_SET_HASH, (uint32_t)capacity, slots, seed);
    return HR_OK;
}

void hr_value_set_merge(hr_value_set *set, const hr_value_set *other, uint64_t seed)
{
    uint64_t at = 0, value;

    while (hr_value_set_next(other, &at, &value))
        hr_value_set_add(set, value, seed);
}

void hr_value_set_remap(hr_value_set *set, const uint32_t *rank, uint32_t *scratch, uint64_t seed)
{
    uint64_t at = 0, value;
    uint32_t count = 0;

    if (set->form == HR_SET_FEW) {
        for (uint32_t i = 0; i < set->count; i++)
            set->in.few32[i] = rank[set->in.few32[i]];
    } else if (set->form == HR_SET_BITMAP) { /* upwards: a rank's bit is below all that are still to be read */
        uint64_t *words = set->in.slots;

        while (hr_value_set_next(set, &at, &value)) {
            words[value >> 6] &= ~(UINT64_C(1) << (value & 63));
            words[rank[value] >> 6] |= UINT64_C(1) << (rank[value] & 63);
        }
    } else {
        while (hr_value_set_next(set, &at, &value))
            scratch[count++] = rank[value];
        memset(set->in.slots, 0, (size_t)set->capacity * 4);
        set->count = 0;
        set->zero = false;
        for (uint32_t i = 0; i < count; i++)
            hr_value_set_add(set, scratch[i], seed);
    }
}

size_t hr_value_set_memory(const hr_value_set *set)
{
    switch (set->form) {
    case HR_SET_FEW: return 0;
    case HR_SET_HASH: return (size_t)set->capacity * (set->wide ? 8 : 4);
    default: return (size_t)set->capacity * 8;
    }
}
