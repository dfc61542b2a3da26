/* csrc/core/window/map.c: open addressing, linear probing; removal moves later entries back, so there are no tombstones. */
#include "map.h"

static inline uint32_t hr_map_hash(const hr_map *map, int32_t a, int64_t b)
{
    uint64_t hash = ((uint64_t)b ^ map->seed) * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)(uint32_t)a * UINT64_C(0xc2b2ae3d27d4eb4f);

    hash ^= hash >> 32;
    hash *= UINT64_C(0xd6e8feb86659fd93);
    return (uint32_t)(hash >> 32);
}

void hr_map_free(hr_map *map)
{
    hr_free(map->slots);
    map->slots = NULL;
    map->capacity = map->count = 0;
}

/* The slot of the entry, or the free one where it belongs. */
static uint32_t hr_map_find(const hr_map *map, int32_t a, int64_t b)
{
    uint32_t mask = map->capacity - 1, slot = hr_map_hash(map, a, b) & mask;

    while (map->slots[slot].value >= 0 && (map->slots[slot].a != a || map->slots[slot].b != b))
        slot = (slot + 1) & mask;
    return slot;
}

int hr_map_reserve(hr_map *map, uint32_t more, hr_error *error)
{
    uint64_t capacity = map->capacity ? map->capacity : 16;
    hr_map grown = *map;

    while (((uint64_t)map->count + more) * 4 > capacity * 3)
        capacity *= 2;
    if (capacity == map->capacity)
        return HR_OK;
    if (capacity > UINT32_C(1) << 31)
        return hr_error_nomem(error);
    grown.slots = hr_malloc((size_t)capacity * sizeof(*grown.slots));
    if (grown.slots == NULL)
        return hr_error_nomem(error);
    grown.capacity = (uint32_t)capacity;
    grown.count = 0;
    for (uint32_t i = 0; i < grown.capacity; i++)
        grown.slots[i] = (hr_map_slot){0, 0, -1};
    for (uint32_t i = 0; i < map->capacity; i++)
        if (map->slots[i].value >= 0)
            hr_map_put(&grown, map->slots[i].a, map->slots[i].b, map->slots[i].value);
    hr_free(map->slots);
    *map = grown;
    return HR_OK;
}

int32_t hr_map_get(const hr_map *map, int32_t a, int64_t b)
{
    return map->count == 0 ? -1 : map->slots[hr_map_find(map, a, b)].value;
}

void hr_map_put(hr_map *map, int32_t a, int64_t b, int32_t value)
{
    uint32_t slot = hr_map_find(map, a, b);

    map->count += map->slots[slot].value < 0;
    map->slots[slot] = (hr_map_slot){b, a, value};
}

void hr_map_remove(hr_map *map, int32_t a, int64_t b)
{
    uint32_t mask = map->capacity - 1, hole, slot;

    if (map->count == 0)
        return;
    hole = hr_map_find(map, a, b);
    if (map->slots[hole].value < 0)
        return;
    map->count--;
    for (slot = (hole + 1) & mask; map->slots[slot].value >= 0; slot = (slot + 1) & mask) {
        uint32_t home = hr_map_hash(map, map->slots[slot].a, map->slots[slot].b) & mask;

        if (((slot - home) & mask) >= ((slot - hole) & mask)) { /* it may stand in the hole without being lost */
            map->slots[hole] = map->slots[slot];
            hole = slot;
        }
    }
    map->slots[hole].value = -1;
}
