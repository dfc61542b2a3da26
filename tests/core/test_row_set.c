/* tests/core/test_row_set.c: what is left of two streams, against a slow comparison; within the memory it may have. */
#include "core/row_set.h"
#include "check.h"
#include "faults.h"

#include <stdbool.h>

#define KEYS 20000

/* A key's and a row's hash, evenly spread. */
static hr_hash128 spread(uint64_t number)
{
    hr_hash128 hash;

    number = (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
    number ^= number >> 31;
    hash.low = number * UINT64_C(0xbf58476d1ce4e5b9);
    hash.high = (hash.low ^ (hash.low >> 29)) * UINT64_C(0x94d049bb133111eb);
    return hash;
}

/* Who has the key, and how. */
static hr_row_state fate(uint64_t key)
{
    return key % 100 == 1   ? HR_ROW_LEFT
           : key % 100 == 2 ? HR_ROW_RIGHT
           : key % 100 == 3 ? HR_ROW_DIFFERENT
           : key % 100 == 4 ? HR_ROW_REPEATED
                            : HR_ROW_NONE;
}

/* Both streams, one from the front, one from the back. */
static int feed(hr_row_set *set, uint64_t keys, hr_error *error)
{
    for (uint64_t i = 0; i < keys; i++) {
        uint64_t left = i, right = keys - 1 - i;

        if (fate(left) != HR_ROW_RIGHT)
            HR_RETURN_NOT_OK(hr_row_set_put(set, HR_ROW_LEFT, spread(left), spread(left + 7), error));
        if (fate(left) == HR_ROW_REPEATED)
            HR_RETURN_NOT_OK(hr_row_set_put(set, HR_ROW_LEFT, spread(left), spread(left + 7), error));
        if (fate(right) == HR_ROW_NONE || fate(right) == HR_ROW_RIGHT)
            HR_RETURN_NOT_OK(hr_row_set_put(set, HR_ROW_RIGHT, spread(right), spread(right + 7), error));
        if (fate(right) == HR_ROW_DIFFERENT)
            HR_RETURN_NOT_OK(hr_row_set_put(set, HR_ROW_RIGHT, spread(right), spread(right + 8), error));
    }
    return HR_OK;
}

static void test_limit(size_t limit, int at_least)
{
    static uint8_t seen[KEYS];
    int counts[5] = {0}, passes = 0;
    hr_row_set set;
    hr_row_state state;
    hr_hash128 key;
    bool again;

    memset(seen, 0, sizeof(seen));
    hr_row_set_init(&set, limit);
    do {
        size_t at = 0;

        CHECK(feed(&set, KEYS, NULL) == HR_OK);
        while (hr_row_set_next(&set, &at, &state, &key)) {
            counts[state]++;
            for (uint64_t i = 1; i < KEYS; i++) {
                if (i % 100 > 4 || spread(i).low != key.low)
                    continue;
                CHECK(fate(i) == state && seen[i] == 0, "key %d", (int)i);
                seen[i] = 1;
            }
        }
        passes++;
        CHECK(set.capacity * 41 <= limit || set.capacity <= 4096, "%d slots", (int)set.capacity);
        again = hr_row_set_again(&set);
    } while (again);
    for (int i = HR_ROW_LEFT; i <= HR_ROW_REPEATED; i++)
        CHECK(counts[i] == KEYS / 100, "%d: %d", i, counts[i]);
    CHECK(passes >= at_least, "%d passes", passes);
    hr_row_set_free(&set);
}

static void test_faults(void)
{
    bool fired = true;

    for (long n = 1; fired; n++) {
        hr_row_set set;
        size_t at = 0, left = 0;
        hr_row_state state;
        hr_hash128 key;
        int rc;

        hr_row_set_init(&set, (size_t)1 << 20);
        hr_fault_arm(n, false);
        rc = feed(&set, 3000, NULL);
        fired = hr_fault_fired();
        hr_fault_arm(0, false);
        CHECK(rc == (fired ? HR_ENOMEM : HR_OK));
        while (hr_row_set_next(&set, &at, &state, &key))
            left++;
        CHECK(left == set.count);
        hr_row_set_free(&set);
    }
}

/* A third row under a key that has two unlike ones: it has been repeated. */
static void test_third(void)
{
    for (int same = 0; same < 2; same++) {
        hr_row_set set;
        hr_row_state state;
        hr_hash128 key;
        size_t at = 0;

        hr_row_set_init(&set, (size_t)1 << 20);
        CHECK(hr_row_set_put(&set, HR_ROW_LEFT, spread(1), spread(7), NULL) == HR_OK);
        CHECK(hr_row_set_put(&set, HR_ROW_RIGHT, spread(1), spread(8), NULL) == HR_OK);
        CHECK(hr_row_set_put(&set, same ? HR_ROW_LEFT : HR_ROW_RIGHT, spread(1), spread(9), NULL) == HR_OK);
        CHECK(hr_row_set_put(&set, HR_ROW_LEFT, spread(1), spread(7), NULL) == HR_OK);
        CHECK(hr_row_set_next(&set, &at, &state, &key) && state == HR_ROW_REPEATED && !hr_row_set_next(&set, &at, &state, &key));
        hr_row_set_free(&set);
    }
}

int main(void)
{
    test_third();
    test_limit((size_t)1 << 30, 1);
    test_limit((size_t)1 << 20, 1);
    test_limit((size_t)1 << 18, 2);
    test_limit(1, 4);
    test_faults();
    return CHECK_DONE();
}
