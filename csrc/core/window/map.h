/* csrc/core/window/map.h: a hash table from (int32, int64) to an index, with removal. */
#ifndef HR_CORE_MAP_H
#define HR_CORE_MAP_H

#include "core/arena.h"

typedef struct hr_map_slot {
    int64_t b;
    int32_t a;
    int32_t value; /* -1: free */
} hr_map_slot;

typedef struct hr_map {
    hr_map_slot *slots; /* a power of two of them, at most 3/4 full; owned */
    uint32_t capacity, count;
    uint64_t seed;
} hr_map;

/* All zero but for the seed is an empty map. */
void hr_map_free(hr_map *map);
/* Room for `more` entries, so that hr_map_put cannot fail. HR_ENOMEM leaves the map as it was. */
int hr_map_reserve(hr_map *map, uint32_t more, hr_error *error);
/* -1 when there is none. */
int32_t hr_map_get(const hr_map *map, int32_t a, int64_t b);
/* Add an entry, or change its value (>= 0). */
void hr_map_put(hr_map *map, int32_t a, int64_t b, int32_t value);
void hr_map_remove(hr_map *map, int32_t a, int64_t b);

static inline size_t hr_map_memory(const hr_map *map)
{
    return map->capacity * sizeof(hr_map_slot);
}

#endif
