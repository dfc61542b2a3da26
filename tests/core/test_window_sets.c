/* tests/core/test_window_sets.c: sets of values, dictionaries and sketches: exactness, bytes a value, error. */
#include <math.h>

#include "check.h"
#include "core/generate/generate.h"
#include "core/window/dictionary.h"
#include "core/window/hll.h"
#include "faults.h"

#define MILLION 1000000u

/* At most 16 bytes a distinct value at every size from a thousand to a million, for numbers of 64 and of 32 bits. */
static void test_bytes(void)
{
    for (int wide = 0; wide < 2; wide++) {
        hr_value_set set;

        hr_value_set_init(&set, wide != 0);
        for (uint32_t i = 0; i < MILLION; i++) {
            uint64_t value = wide ? hr_mix64(i) : i * 3u;

            CHECK(hr_value_set_reserve(&set, 1, 0, 42, NULL) == HR_OK);
            hr_value_set_add(&set, value, 42);
            if (i >= 1000 && hr_value_set_memory(&set) > (size_t)(i + 1) * (wide ? 14 : 7))
                CHECK(false, "%zu bytes for %u values", hr_value_set_memory(&set), i + 1);
        }
        CHECK(set.count == MILLION);
        printf("%d bits: %.1f bytes a value at a million\n", wide ? 64 : 32, (double)hr_value_set_memory(&set) / MILLION);
        hr_value_set_free(&set);
    }
}

/* Against a plain array of flags: adding, asking, walking, merging, new numbers, all forms; failing memory changes nothing. */
static void test_exact(uint32_t values, bool wide, uint64_t universe, uint64_t seed)
{
    static bool there[70000], other[70000];
    hr_random random = {seed};
    hr_value_set a, b;
    uint64_t at = 0, value;
    uint32_t count = 0, walked = 0;

    memset(there, 0, sizeof(there));
    memset(other, 0, sizeof(other));
    hr_value_set_init(&a, wide);
    hr_value_set_init(&b, wide);
    for (uint32_t i = 0; i < values * 2; i++) {
        uint32_t v = hr_random_below(&random, values);

        hr_fault_arm(1, false);
        if (hr_value_set_reserve(&a, 1, universe, seed, NULL) != HR_OK) {
            hr_fault_arm(0, false);
            CHECK(a.count == count && hr_value_set_has(&a, v, seed) == there[v]);
            CHECK(hr_value_set_reserve(&a, 1, universe, seed, NULL) == HR_OK);
        }
        hr_fault_arm(0, false);
        hr_value_set_add(&a, v, seed);
        count += !there[v];
        there[v] = true;
        if (i % 3 == 0) {
            v = hr_random_below(&random, values);
            CHECK(hr_value_set_reserve(&b, 1, universe, seed, NULL) == HR_OK);
            hr_value_set_add(&b, v, seed);
            other[v] = true;
        }
        CHECK(a.count == count);
    }
    for (uint32_t v = 0; v < values; v++)
        CHECK(hr_value_set_has(&a, v, seed) == there[v]);
    CHECK(hr_value_set_reserve(&a, b.count, universe, seed, NULL) == HR_OK);
    hr_value_set_merge(&a, &b, seed);
    while (hr_value_set_next(&a, &at, &value)) {
        CHECK(value < values && (there[value] || other[value]));
        walked++;
    }
    CHECK(walked == a.count);
    if (!wide) { /* every value to half of it: the order stays */
        uint32_t *rank = malloc(values * sizeof(*rank)), *scratch = malloc((hr_value_set_memory(&a) + 8)), kept = 0;

        for (uint32_t v = 0; v < values; v++) {
            rank[v] = kept;
            kept += there[v] || other[v];
        }
        count = a.count;
        hr_value_set_remap(&a, rank, scratch, seed);
        CHECK(a.count == count && count == kept);
        for (uint32_t v = 0; v < kept; v++)
            CHECK(hr_value_set_has(&a, v, seed));
        free(rank);
        free(scratch);
    }
    hr_value_set_free(&a);
    hr_value_set_free(&b);
}

static void test_dictionary(void)
{
    hr_dictionary d;
    char text[40000];
    uint32_t number;
    size_t n;

    memset(text, 'x', sizeof(text));
    hr_dictionary_init(&d, 7);
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 20000; i++) {
            size_t length = i % 1000 == 7 ? 20000 + i / 1000 : i % 40;
            int rc;

            snprintf(text, 12, "%011u", i);
            text[11] = 'x';
            hr_fault_arm(1, false);
            rc = hr_dictionary_intern(&d, text, 11 + length, &number, NULL);
            hr_fault_arm(0, false);
            if (rc != HR_OK)
                CHECK(round == 0 && d.count == i && hr_dictionary_intern(&d, text, 11 + length, &number, NULL) == HR_OK);
            CHECK(number == i);
        }
    }
    for (uint32_t i = 0; i < d.count; i += 13) {
        const uint8_t *bytes = hr_dictionary_get(&d, i, &n);

        CHECK(hr_dictionary_intern(&d, bytes, n, &number, NULL) == HR_OK && number == i);
    }
    CHECK(hr_dictionary_intern(&d, "", 0, &number, NULL) == HR_OK && number == d.count - 1);
    hr_dictionary_free(&d);
}

/* Over many seeds the error has no bias, and a standard deviation of at most what is promised. */
static void test_error(int precision, int64_t n, int seeds)
{
    double sum = 0, squares = 0, promised = 1.04 / sqrt((double)(1 << precision));

    for (int seed = 0; seed < seeds; seed++) {
        hr_hll whole, half[2];
        double error;

        hr_hll_init(&whole, precision);
        hr_hll_init(&half[0], precision);
        hr_hll_init(&half[1], precision);
        for (int64_t i = 0; i < n; i++) {
            uint64_t hash = hr_hll_hash_number((uint64_t)(seed * INT64_C(1000000007) + i));

            CHECK(hr_hll_reserve(&whole, hash, NULL) == HR_OK && hr_hll_reserve(&half[i & 1], hash, NULL) == HR_OK);
            hr_hll_add(&whole, hash);
            hr_hll_add(&whole, hash);
            hr_hll_add(&half[i & 1], hash);
        }
        CHECK(hr_hll_reserve_merge(&half[0], &half[1], NULL, NULL) == HR_OK);
        hr_hll_merge(&half[0], &half[1]);
        CHECK(half[0].dense == whole.dense && hr_hll_estimate(&half[0]) == hr_hll_estimate(&whole));
        error = (double)(hr_hll_estimate(&whole) - n) / (double)n;
        sum += error;
        squares += error * error;
        hr_hll_free(&whole);
        hr_hll_free(&half[0]);
        hr_hll_free(&half[1]);
    }
    sum /= seeds;
    squares = sqrt(squares / seeds);
    /* the deviation of a deviation over so many seeds is a part of 1 in sqrt(2 seeds): four of them */
    CHECK(squares < promised * (1 + 4 / sqrt(2.0 * seeds)), "p %d, n %d: %.4f, promised %.4f", precision, (int)n, squares, promised);
    CHECK(fabs(sum) < promised * 4 / sqrt((double)seeds) + 0.002, "p %d, n %d: bias %.4f", precision, (int)n, sum);
}

/* A bitmap grows with the dictionary that numbers its values. */
static void test_bitmap_growth(void)
{
    hr_value_set set;

    hr_value_set_init(&set, false);
    for (uint32_t v = 0; v < 5000; v++) {
        CHECK(hr_value_set_reserve(&set, 1, 5000, 7, NULL) == HR_OK);
        hr_value_set_add(&set, v, 7);
    }
    CHECK(set.form == HR_SET_BITMAP && hr_value_set_has_room(&set, 5000) && !hr_value_set_has_room(&set, 70000));
    hr_fault_arm(1, false);
    CHECK(hr_value_set_reserve(&set, 1, 70000, 7, NULL) == HR_ENOMEM && set.count == 5000 && hr_value_set_has(&set, 4999, 7));
    hr_fault_arm(0, false);
    CHECK(hr_value_set_reserve(&set, 1, 70000, 7, NULL) == HR_OK && hr_value_set_has_room(&set, 70000));
    CHECK(!hr_value_set_has(&set, 69999, 7));
    hr_value_set_add(&set, 69999, 7);
    for (uint32_t v = 0; v < 70000; v++)
        CHECK(hr_value_set_has(&set, v, 7) == (v < 5000 || v == 69999));
    CHECK(set.count == 5001);
    hr_value_set_free(&set);
}

/* A sketch of the numbers [from, to), of precision 4: two tokens, then registers. */
static hr_hll small_sketch(uint64_t from, uint64_t to)
{
    hr_hll sketch;

    hr_hll_init(&sketch, 4);
    for (uint64_t i = from; i < to; i++) {
        CHECK(hr_hll_reserve(&sketch, hr_hll_hash_number(i), NULL) == HR_OK);
        hr_hll_add(&sketch, hr_hll_hash_number(i));
    }
    return sketch;
}

/* Tokens and registers, merged in any order, are what one sketch of all would be; without memory nothing changes. */
static void test_merge(void)
{
    for (uint64_t n = 0; n < 5; n++)
        for (uint64_t from = 0; from < 5; from++)
            for (uint64_t to = from; to < 5; to++)
                for (uint64_t one = 0; one <= 5; one++) {
                    uint64_t hash = hr_hll_hash_number(one);
                    hr_hll a = small_sketch(0, n), b = small_sketch(from, to), whole = small_sketch(0, n);
                    int rc;

                    for (uint64_t i = from; i < to; i++) {
                        CHECK(hr_hll_reserve(&whole, hr_hll_hash_number(i), NULL) == HR_OK);
                        hr_hll_add(&whole, hr_hll_hash_number(i));
                    }
                    if (one < 5) { /* and a value after it */
                        CHECK(hr_hll_reserve(&whole, hash, NULL) == HR_OK);
                        hr_hll_add(&whole, hash);
                    }
                    hr_fault_arm(1, false);
                    rc = hr_hll_reserve_merge(&a, &b, one < 5 ? &hash : NULL, NULL);
                    hr_fault_arm(0, false);
                    if (rc != HR_OK) {
                        CHECK(rc == HR_ENOMEM && !a.dense && a.in.tokens.count == n);
                        CHECK(hr_hll_reserve_merge(&a, &b, one < 5 ? &hash : NULL, NULL) == HR_OK);
                    }
                    hr_hll_merge(&a, &b);
                    if (one < 5)
                        hr_hll_add(&a, hash);
                    CHECK(a.dense == whole.dense && hr_hll_estimate(&a) == hr_hll_estimate(&whole));
                    CHECK(!a.dense || memcmp(a.in.registers, whole.in.registers, 16) == 0);
                    hr_hll_free(&a);
                    hr_hll_free(&b);
                    hr_hll_free(&whole);
                }
}

/* Registers at their lowest and highest: nothing seen, and so much that it is beyond counting. */
static void test_extreme_registers(void)
{
    static const char text[] = "abc";
    hr_hll sketch = small_sketch(0, 0);
    uint64_t number;
    int64_t half;

    CHECK(hr_hll_make_dense(&sketch, NULL) == HR_OK && hr_hll_make_dense(&sketch, NULL) == HR_OK);
    CHECK(hr_hll_estimate(&sketch) == 0 && hr_hll_memory(&sketch) == 16);
    for (uint64_t i = 0; i < 8; i++)
        hr_hll_add(&sketch, i << 60); /* no bit set after the index */
    half = hr_hll_estimate(&sketch);
    CHECK(half > 0 && half < 100 && sketch.in.registers[0] == hr_hll_highest(4), "%lld", (long long)half);
    for (uint64_t i = 8; i < 15; i++)
        hr_hll_add(&sketch, i << 60);
    hr_hll_add(&sketch, UINT64_C(15) << 60 | 1);
    CHECK(hr_hll_estimate(&sketch) > INT64_C(1) << 50, "%lld", (long long)hr_hll_estimate(&sketch));
    hr_hll_add(&sketch, UINT64_C(15) << 60);
    CHECK(hr_hll_estimate(&sketch) == INT64_MAX);
    hr_hll_free(&sketch);
    memcpy(&number, "abcdefgh", 8);
    CHECK(hr_hll_hash_bytes("abcdefgh", 8) == hr_hll_hash_number(number) && hr_hll_hash_bytes(text, 3) == UINT64_C(0x78af5f94892f3950));
}

int main(void)
{
    test_bitmap_growth();
    test_merge();
    test_extreme_registers();
    test_bytes();
    for (uint64_t seed = 0; seed < 6; seed++) {
        test_exact(3, seed % 2 == 0, 0, seed);
        test_exact(40, seed % 2 == 0, 0, seed);
        test_exact(5000, seed % 2 == 0, 0, seed);
        test_exact(5000, false, 5000, seed); /* becomes a bitmap */
        test_exact(3000, false, 65000, seed);
    }
    test_dictionary();
    test_error(14, 1000, 20); /* tokens */
    test_error(14, 20000, 60);
    test_error(10, 700, 100);
    test_error(10, 30000, 100);
    test_error(4, 200, 200);
    test_error(12, 12000, 100);
    return CHECK_DONE();
}
