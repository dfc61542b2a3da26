/* csrc/core/row_set.h: two streams of rows, in any order, compared by hashes: what is left is what differs.
 *
 * Rows go in one by one, from either side, as the hash of their key and the hash of the whole. A row that has met its like is forgotten, so
 * the set only holds what is still waiting. When that would be more than the limit, the set gives half of the keys up for a later pass over
 * both streams, as often as needed: memory is bounded whatever the size of the tables.
 */
#ifndef HR_CORE_ROW_SET_H
#define HR_CORE_ROW_SET_H

#include "error.h"

typedef struct hr_hash128 {
    uint64_t low, high;
} hr_hash128;

typedef enum hr_row_state {
    HR_ROW_NONE = 0,
    HR_ROW_LEFT,      /* only the left side has the key */
    HR_ROW_RIGHT,     /* only the right side */
    HR_ROW_DIFFERENT, /* both have it, with other values */
    HR_ROW_REPEATED   /* one side has it twice */
} hr_row_state;

typedef struct hr_row_entry {
    hr_hash128 key, row;
} hr_row_entry;

typedef struct hr_row_set {
    hr_row_entry *entries;
    uint8_t *states;
    size_t capacity, count;      /* capacity is a power of two, or 0 */
    size_t limit;                /* bytes */
    uint64_t remainder, divisor; /* keys of this pass: high % divisor == remainder; divisor is a power of two */
    struct {
        uint64_t remainder, divisor;
    } later[64]; /* passes still to come */
    int later_count;
} hr_row_set;

/* An empty set that holds at most `limit` bytes (never less than some thousand rows). */
void hr_row_set_init(hr_row_set *set, size_t limit);
void hr_row_set_free(hr_row_set *set);

/* A row from a side, HR_ROW_LEFT or HR_ROW_RIGHT. HR_ENOMEM leaves the set as it was. */
int hr_row_set_put(hr_row_set *set, hr_row_state side, hr_hash128 key, hr_hash128 row, hr_error *error);

/* After both streams have ended: the next entry that is left, from *at = 0 on; false after the last. */
bool hr_row_set_next(const hr_row_set *set, size_t *at, hr_row_state *state, hr_hash128 *key);

/* Make the set ready for the next pass over both streams; false when there is none. */
bool hr_row_set_again(hr_row_set *set);

#endif
