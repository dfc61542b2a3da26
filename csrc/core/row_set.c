/* csrc/core/row_set.c: an open hash table of rows that wait for their like. */
#include "row_set.h"

#include <string.h>

#include "alloc.h"

#define HR_ROW_LEAST 1024 /* slots at first */
#define HR_ROW_BYTES (sizeof(hr_row_entry) + 1)

void hr_row_set_init(hr_row_set *set, size_t limit)
{
    memset(set, 0, sizeof(*set));
    set->limit = limit < 4 * HR_ROW_LEAST * HR_ROW_BYTES ? 4 * HR_ROW_LEAST * HR_ROW_BYTES : limit;
    set->divisor = 1;
}

void hr_row_set_free(hr_row_set *set)
{
    hr_free(set->entries);
    hr_free(set->states);
    memset(set, 0, sizeof(*set));
}

static inline bool hr_row_equal(hr_hash128 a, hr_hash128 b)
{
    return a.low == b.low && a.high == b.high;
}

/* The slot of the key, or the free one where it would go. */
static size_t hr_row_find(const hr_row_set *set, hr_hash128 key)
{
    size_t mask = set->capacity - 1, at = (size_t)key.low & mask;

    while (set->states[at] != HR_ROW_NONE && !hr_row_equal(set->entries[at].key, key))
        at = (at + 1) & mask;
    return at;
}

/* Take the entry out and close the gap, so that no search ends too early. */
static void hr_row_remove(hr_row_set *set, size_t hole)
{
    size_t mask = set->capacity - 1;

    for (size_t at = (hole + 1) & mask; set->states[at] != HR_ROW_NONE; at = (at + 1) & mask) {
        size_t home = (size_t)set->entries[at].key.low & mask;

        if (((at - home) & mask) < ((at - hole) & mask))
            continue; /* it stands between its home and the hole already */
        set->entries[hole] = set->entries[at];
        set->states[hole] = set->states[at];
        hole = at;
    }
    set->states[hole] = HR_ROW_NONE;
    set->count--;
}

/* Half of the keys wait for a later pass. */
static void hr_row_split(hr_row_set *set)
{
    set->later[set->later_count].remainder = set->remainder + set->divisor;
    set->later[set->later_count++].divisor = set->divisor * 2;
    set->divisor *= 2;
    for (size_t at = 0; at < set->capacity;) {
        bool mine = set->states[at] == HR_ROW_NONE || (set->entries[at].key.high & (set->divisor - 1)) == set->remainder;

        if (mine)
            at++;
        else
            hr_row_remove(set, at); /* another may have moved here: look again */
    }
}

static int hr_row_grow(hr_row_set *set, hr_error *error)
{
    size_t capacity = set->capacity > 0 ? set->capacity * 2 : HR_ROW_LEAST;
    hr_row_set old = *set;

    set->entries = hr_malloc(capacity * sizeof(*set->entries));
    set->states = hr_calloc(capacity, 1);
    if (set->entries == NULL || set->states == NULL) {
        hr_free(set->entries);
        hr_free(set->states);
        *set = old;
        return hr_error_nomem(error);
    }
    set->capacity = capacity;
    for (size_t at = 0; at < old.capacity; at++) {
        size_t to;

        if (old.states[at] == HR_ROW_NONE)
            continue;
        to = hr_row_find(set, old.entries[at].key);
        set->entries[to] = old.entries[at];
        set->states[to] = old.states[at];
    }
    hr_free(old.entries);
    hr_free(old.states);
    return HR_OK;
}

/* Make room for one more: more memory, or fewer keys. While a table grows, the old and the new one are there. */
static int hr_row_reserve(hr_row_set *set, hr_error *error)
{
    while (set->count + 1 > set->capacity - set->capacity / 4) {
        if (set->capacity * 3 * HR_ROW_BYTES <= set->limit || set->capacity == 0 ||
            set->later_count == (int)(sizeof(set->later) / sizeof(set->later[0])))
            return hr_row_grow(set, error);
        hr_row_split(set);
    }
    return HR_OK;
}

int hr_row_set_put(hr_row_set *set, hr_row_state side, hr_hash128 key, hr_hash128 row, hr_error *error)
{
    size_t at;

    if ((key.high & (set->divisor - 1)) != set->remainder)
        return HR_OK;
    HR_RETURN_NOT_OK(hr_row_reserve(set, error));
    if ((key.high & (set->divisor - 1)) != set->remainder)
        return HR_OK;
    at = hr_row_find(set, key);
    switch ((hr_row_state)set->states[at]) {
    case HR_ROW_NONE:
        set->entries[at] = (hr_row_entry){key, row};
        set->states[at] = (uint8_t)side;
        set->count++;
        break;
    case HR_ROW_LEFT:
    case HR_ROW_RIGHT:
        if (set->states[at] == (uint8_t)side)
            set->states[at] = HR_ROW_REPEATED;
        else if (hr_row_equal(set->entries[at].row, row))
            hr_row_remove(set, at);
        else
            set->states[at] = HR_ROW_DIFFERENT;
        break;
    case HR_ROW_DIFFERENT:
    case HR_ROW_REPEATED: set->states[at] = HR_ROW_REPEATED; break;
    }
    return HR_OK;
}

bool hr_row_set_next(const hr_row_set *set, size_t *at, hr_row_state *state, hr_hash128 *key)
{
    while (*at < set->capacity && set->states[*at] == HR_ROW_NONE)
        (*at)++;
    if (*at >= set->capacity)
        return false;
    *state = (hr_row_state)set->states[*at];
    *key = set->entries[*at].key;
    (*at)++;
    return true;
}

bool hr_row_set_again(hr_row_set *set)
{
    if (set->later_count == 0)
        return false;
    set->later_count--;
    set->remainder = set->later[set->later_count].remainder;
    set->divisor = set->later[set->later_count].divisor;
    set->count = 0;
    if (set->capacity > 0)
        memset(set->states, 0, set->capacity);
    return true;
}
