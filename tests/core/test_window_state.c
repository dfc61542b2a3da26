/* tests/core/test_window_state.c: snapshots, marks and partials: a run that was cut off and goes on gives what a run in one piece gives. */
#include "core/generate/generate.h"
#include "faults.h"
#include "window_fixture.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define LANES 3
#define ROWS 400 /* of a lane */

typedef struct row {
    int64_t at, id, key;
} row;

static row rows[LANES][ROWS];

/* Times go up with disorder, lateness and jumps; each lane at its own pace. */
static void make_rows(hr_random *random)
{
    for (int lane = 0; lane < LANES; lane++) {
        int64_t at = 1000;

        for (int i = 0; i < ROWS; i++) {
            at += (int64_t)hr_random_below(random, 12);
            if (hr_random_below(random, 80) == 0)
                at += 2000; /* a real jump */
            rows[lane][i].at = at - (int64_t)hr_random_below(random, hr_random_below(random, 6) == 0 ? 600 : 20);
            if (hr_random_below(random, 60) == 0)
                rows[lane][i].at += 1000000; /* a wild one */
            rows[lane][i].id = (int64_t)hr_random_below(random, 50);
            rows[lane][i].key = (int64_t)hr_random_below(random, 3);
        }
    }
}

typedef struct results {
    char *text[20000];
    int count;
} results;

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Close what can be closed, and remember its rows. */
static void collect(window_fixture *f, bool all, results *out)
{
    static char text[1 << 20];

    hr_batch_clear(f->results);
    CHECK(hr_windows_close(f->windows, all, f->results, &f->error) == HR_OK, "%s", f->error.message);
    window_text(f, text, sizeof(text));
    for (char *p = text, *end; (end = strchr(p, ' ')) != NULL; p = end + 1) {
        *end = '\0';
        out->text[out->count++] = strdup(p);
    }
}

static void clear(results *r)
{
    while (r->count > 0)
        free(r->text[--r->count]);
}

static bool same(results *a, results *b)
{
    bool equal = a->count == b->count;

    qsort(a->text, (size_t)a->count, sizeof(*a->text), compare_text);
    qsort(b->text, (size_t)b->count, sizeof(*b->text), compare_text);
    for (int i = 0; equal && i < a->count; i++)
        equal = strcmp(a->text[i], b->text[i]) == 0;
    return equal;
}

static void feed(window_fixture *f, int lane, int64_t offset)
{
    const row *r = &rows[lane][offset];

    if (window_row(f, lane, r->at, r->id, r->key) != HR_OK)
        fprintf(stderr, "%s\n", f->error.message);
}

static const window_settings kinds[] = {
    {.size = 60 * S, .lateness = 120 * S, .jump = 300 * S},
    {.size = 60 * S, .lateness = 30 * S, .jump = 300 * S, .of = "name", .by = "key"},
    {.kind = HR_WINDOW_SLIDING, .size = 90 * S, .every = 20 * S, .lateness = 60 * S, .jump = 300 * S, .aggregate = "sum", .of = "real"},
    {.kind = HR_WINDOW_SESSION, .gap = 15 * S, .lateness = 60 * S, .jump = 300 * S, .of = "name", .by = "key"},
    {.kind = HR_WINDOW_SESSION, .gap = 7 * S, .lateness = 20 * S, .jump = HR_WINDOW_JUMP_OFF, .aggregate = "distinct_hll"},
    {.unit = HR_WINDOW_HOUR, .lateness = 0, .jump = 1000 * S, .aggregate = "sum", .of = "exact", .by = "key"},
    {.unit = HR_WINDOW_MINUTE, .lateness = 60 * S, .jump = 300 * S, .aggregate = "max", .of = "real", .votes = 3},
    {.unit = HR_WINDOW_MINUTE, .lateness = 60 * S, .jump = 300 * S, .aggregate = "count", .of = "*"},
    {.unit = HR_WINDOW_MINUTE, .lateness = 60 * S, .jump = 300 * S, .aggregate = "min", .of = "number", .by = "key"},
};

/* One run that is saved now and then, killed after some save, and gone on with; the other goes on without. */
/* A sum over the verdicts that are to be reported, in any order. */
static uint64_t verdicts(const hr_windows *windows)
{
    size_t count;
    const hr_window_settled *settled = hr_windows_settled(windows, &count);
    uint64_t sum = 0;

    for (size_t i = 0; i < count; i++) {
        uint64_t one =
            (uint64_t)settled[i].offset * 31 + (uint64_t)settled[i].lane * 7 + settled[i].verdict + (uint64_t)settled[i].missed * 1009;

        if (!settled[i].replayed)
            sum += one * UINT64_C(0x9e3779b97f4a7c15);
    }
    return sum;
}

static void test_restart(uint64_t seed, const window_settings *settings)
{
    static results whole, cut;
    hr_random random = {seed};
    window_fixture f, g;
    int64_t next[LANES] = {0}, saved_next[LANES], base_epoch = 0, last_epoch = 0;
    hr_buffer snapshot = {0}, last = {0}, marks[64] = {{0}};
    int64_t epochs[64];
    int mark_count = 0, kill_at = 150 + (int)hr_random_below(&random, LANES * ROWS - 200), fed = 0;
    bool with_snapshot = hr_random_below(&random, 2) == 0, saved = false;
    hr_window_stats before, after;

    make_rows(&random);
    window_open(&f, *settings);
    f.settings.seed = seed;
    for (int lane = 0; lane < LANES; lane++)
        CHECK(hr_windows_lane(f.windows, lane, NULL) == HR_OK);
    while (fed < LANES * ROWS) {
        int lane = (int)hr_random_below(&random, LANES);

        if (next[lane] == ROWS)
            continue;
        feed(&f, lane, next[lane]++);
        fed++;
        if (hr_random_below(&random, 50) == 0)
            CHECK(hr_windows_idle(f.windows, (int32_t)hr_random_below(&random, LANES), NULL) == HR_OK);
        if (hr_random_below(&random, 100) == 0)
            CHECK(hr_windows_settle(f.windows, -1, NULL) == HR_OK);
        if (hr_random_below(&random, 10) == 0)
            collect(&f, false, &whole);
        if (mark_count < 60 && hr_random_below(&random, 30) == 0) { /* as a worker: results, then the mark that says so */
            hr_buffer mark = {0};

            collect(&f, false, &whole);
            if (with_snapshot && (mark_count == 0 || hr_random_below(&random, 4) == 0)) {
                snapshot.size = 0;
                CHECK(hr_windows_save(f.windows, true, &snapshot, &base_epoch, &f.error) == HR_OK, "%s", f.error.message);
            }
            CHECK(hr_windows_save(f.windows, false, &mark, &epochs[mark_count], &f.error) == HR_OK);
            hr_windows_forget(f.windows, with_snapshot ? base_epoch : hr_windows_oldest_epoch(f.windows));
            marks[mark_count++] = mark;
            last = mark;
            last_epoch = hr_windows_oldest_epoch(f.windows);
            memcpy(saved_next, next, sizeof(next));
            saved = true;
            if (fed >= kill_at)
                break;
            clear(&whole);
        }
    }
    clear(&whole);
    if (!saved)
        exit(1);
    if (fed == LANES * ROWS) /* the last mark was before: what came after it is read again and must come out again */
        collect(&f, false, &whole);

    /* the other run */
    window_open(&g, *settings);
    if (with_snapshot) {
        CHECK(hr_windows_load(g.windows, snapshot.data, snapshot.size, &g.error) == HR_OK, "%s", g.error.message);
    } else {
        for (int i = 0; i < mark_count; i++)
            if (epochs[i] == last_epoch)
                CHECK(hr_windows_load(g.windows, marks[i].data, marks[i].size, &g.error) == HR_OK, "%s", g.error.message);
        if (last_epoch == 0) /* windows as old as the run: everything is read again */
            for (int lane = 0; lane < LANES; lane++)
                CHECK(hr_windows_lane(g.windows, lane, NULL) == HR_OK);
    }
    CHECK(hr_windows_resume(g.windows, last.data, last.size, &g.error) == HR_OK, "%s", g.error.message);
    for (bool more = true; more;) {
        more = false;
        for (int lane = 0; lane < LANES; lane++) {
            int64_t position = hr_windows_position(g.windows, lane);

            position = position == INT64_MIN ? 0 : position;
            if (position < saved_next[lane]) {
                more = true;
                if (hr_random_below(&random, 2) == 0)
                    feed(&g, lane, position);
            }
        }
        if (hr_random_below(&random, 20) == 0)
            collect(&g, false, &cut);
    }
    {
        size_t count;
        const hr_window_settled *settled = hr_windows_settled(g.windows, &count);

        for (size_t i = 0; i < count; i++)
            CHECK(settled[i].replayed);
        hr_windows_settled_clear(g.windows);
    }
    CHECK(cut.count == 0, "%d results before the mark came out again: %s", cut.count, cut.text[0]);
    collect(&g, false, &cut);
    CHECK(cut.count == 0, "seed %d: %d results before the mark came out again: %s", (int)seed, cut.count, cut.text[0]);
    clear(&cut);

    /* both go on */
    if (fed < LANES * ROWS) {
        hr_windows_stats(f.windows, &before);
        hr_windows_stats(g.windows, &after);
        CHECK(before.rows == after.rows && before.late == after.late && before.future == after.future && before.closed == after.closed &&
                  before.results == after.results,
              "rows %d %d late %d %d future %d %d", (int)before.rows, (int)after.rows, (int)before.late, (int)after.late,
              (int)before.future, (int)after.future);
        hr_windows_settled_clear(f.windows);
        for (int lane = 0; lane < LANES; lane++) {
            for (int64_t i = saved_next[lane]; i < ROWS; i++)
                feed(&f, lane, i);
            for (int64_t i = saved_next[LANES - 1 - lane]; i < ROWS; i++)
                feed(&g, LANES - 1 - lane, i);
        }
        CHECK(hr_windows_settle(f.windows, -1, NULL) == HR_OK && hr_windows_settle(g.windows, -1, NULL) == HR_OK);
        CHECK(verdicts(f.windows) == verdicts(g.windows), "seed %d: other verdicts after the restart", (int)seed);
        collect(&f, true, &whole);
        collect(&g, true, &cut);
        CHECK(same(&whole, &cut), "seed %d: %d and %d results", (int)seed, whole.count, cut.count);
    }
    clear(&whole);
    clear(&cut);
    for (int i = 0; i < mark_count; i++)
        hr_buffer_free(&marks[i]);
    hr_buffer_free(&snapshot);
    window_close(&f);
    window_close(&g);
}

/* A row that was held when the run was cut off, and is decided on only afterwards, is told about: by the next row, or at the end. */
static void test_held_over_a_restart(bool snapshot, bool vote)
{
    window_settings settings = {.size = 60 * S, .lateness = 10 * S, .jump = 100 * S, .votes = 2};
    window_fixture f, g;
    hr_buffer state = {0};
    int64_t epoch;

    window_open(&f, settings);
    window_open(&g, settings);
    for (int64_t at = 0; at < 2; at++)
        window_row(&f, 0, at, 1, 1);
    window_row(&f, 0, 900, 1, 1);
    window_row(&f, 0, 5, 1, 1);
    CHECK(hr_windows_save(f.windows, snapshot, &state, &epoch, NULL) == HR_OK);
    if (snapshot)
        CHECK(hr_windows_load(g.windows, state.data, state.size, &g.error) == HR_OK, "%s", g.error.message);
    CHECK(hr_windows_resume(g.windows, state.data, state.size, &g.error) == HR_OK, "%s", g.error.message);
    if (!snapshot) {
        window_row(&g, 0, 0, 1, 1);
        window_row(&g, 0, 1, 1, 1);
        window_row(&g, 0, 900, 1, 1);
        window_row(&g, 0, 5, 1, 1);
        CHECK(window_verdicts(&g, "0:held(again) 1:held(again) 2:held(again) ") == 0);
    }
    if (vote)
        window_row(&g, 0, 6, 1, 1);
    else
        CHECK(hr_windows_settle(g.windows, -1, NULL) == HR_OK);
    CHECK(window_verdicts(&g, "2:future ") == 0);
    hr_buffer_free(&state);
    window_close(&f);
    window_close(&g);
}

/* Each lane with a worker of its own, and a second stage, against one worker for all. */
static void test_two_stages(uint64_t seed, const window_settings *settings)
{
    static results whole, merged;
    hr_random random = {seed};
    window_fixture one, second, first[LANES];
    int64_t next[LANES] = {0};
    int fed = 0;

    make_rows(&random);
    window_open(&one, *settings);
    window_open(&second, *settings);
    for (int lane = 0; lane < LANES; lane++) {
        window_settings other = *settings;

        other.seed = seed + (uint64_t)lane;
        window_open(&first[lane], other);
        CHECK(hr_windows_lane(one.windows, lane, NULL) == HR_OK && hr_windows_lane(second.windows, lane, NULL) == HR_OK &&
              hr_windows_lane(first[lane].windows, lane, NULL) == HR_OK);
    }
    while (fed < LANES * ROWS) {
        int lane = (int)hr_random_below(&random, LANES);
        bool end;

        if (next[lane] == ROWS)
            continue;
        feed(&one, lane, next[lane]);
        feed(&first[lane], lane, next[lane]++);
        fed++;
        end = next[lane] == ROWS;
        if (end)
            CHECK(hr_windows_settle(first[lane].windows, -1, NULL) == HR_OK);
        if (end || hr_random_below(&random, 20) == 0) {
            hr_buffer partial = {0};

            CHECK(hr_windows_close_partial(first[lane].windows, end, &partial, NULL) == HR_OK);
            if (partial.size > 0)
                CHECK(hr_windows_absorb(second.windows, partial.data, partial.size, &second.error) == HR_OK, "%s", second.error.message);
            hr_buffer_free(&partial);
            collect(&second, false, &merged);
        }
    }
    CHECK(hr_windows_settle(one.windows, -1, NULL) == HR_OK);
    collect(&one, true, &whole);
    collect(&second, true, &merged);
    CHECK(same(&whole, &merged), "seed %d: %d and %d results, %s %s", (int)seed, whole.count, merged.count, whole.text[0], merged.text[0]);
    clear(&whole);
    clear(&merged);
    for (int lane = 0; lane < LANES; lane++)
        window_close(&first[lane]);
    window_close(&one);
    window_close(&second);
}

/* A state that was altered is refused, or makes other windows, but nothing worse. */
static void test_hostile(const window_settings *settings, bool partial)
{
    hr_random random = {99};
    window_fixture f;
    hr_buffer state = {0};
    int64_t epoch;
    int refused = 0;

    make_rows(&random);
    window_open(&f, *settings);
    for (int i = 0; i < 60; i++)
        for (int lane = 0; lane < 2; lane++)
            feed(&f, lane, i);
    CHECK((partial ? hr_windows_close_partial(f.windows, true, &state, NULL) : hr_windows_save(f.windows, true, &state, &epoch, NULL)) ==
          HR_OK);
    for (int round = 0; round < 3000; round++) {
        size_t n = state.size;
        uint8_t *bytes = malloc(n);
        hr_windows *fresh;
        uint64_t sum;
        int rc;

        memcpy(bytes, state.data, n);
        if (round % 3 == 0)
            n = 8 + hr_random_below(&random, (uint32_t)n - 7);
        for (uint32_t k = hr_random_below(&random, 3); k < 3 && n > 40; k++)
            bytes[26 + hr_random_below(&random, (uint32_t)n - 34)] =
                (uint8_t)(hr_random_below(&random, 3) == 0 ? 0xff : hr_random_next(&random));
        sum = XXH3_64bits(bytes, n - 8);
        for (int i = 0; i < 8; i++)
            bytes[n - 8 + (size_t)i] = (uint8_t)(sum >> (8 * i));
        CHECK(window_make(&f, &fresh) == HR_OK);
        rc = partial ? hr_windows_absorb(fresh, bytes, n, &f.error) : hr_windows_load(fresh, bytes, n, &f.error);
        refused += rc != HR_OK;
        CHECK(rc == HR_OK || rc == HR_EDATA || rc == HR_EUSAGE || rc == HR_ENOMEM, "%d", rc);
        if (rc == HR_OK) {
            hr_window_stats stats;

            rc = hr_windows_resume(fresh, bytes, n, &f.error);
            hr_windows_stats(fresh, &stats);
            hr_batch_clear(f.results);
            if (hr_windows_schema(fresh) != f.results->schema) {
                hr_batch *out;

                CHECK(hr_batch_new(hr_windows_schema(fresh), &out, NULL) == HR_OK);
                rc = hr_windows_close(fresh, true, out, &f.error);
                CHECK(rc == HR_OK || rc == HR_EDATA, "%s", f.error.message);
                hr_batch_free(out);
            }
        }
        hr_windows_free(fresh);
        free(bytes);
    }
    CHECK(refused > 1000, "%d", refused);
    hr_buffer_free(&state);
    window_close(&f);
}

/* Other settings, other versions, other bytes. */
static void test_refused(void)
{
    window_settings settings = kinds[0];
    window_fixture f, g;
    hr_buffer state = {0};
    int64_t epoch;
    uint64_t sum;

    window_open(&f, settings);
    window_row(&f, 0, 1, 1, 1);
    CHECK(hr_windows_save(f.windows, true, &state, &epoch, NULL) == HR_OK && epoch == 1);
    settings.lateness++;
    window_open(&g, settings);
    CHECK(hr_windows_load(g.windows, state.data, state.size, &g.error) == HR_EUSAGE && strstr(g.error.message, "settings") != NULL);
    window_close(&g);
    window_open(&g, kinds[0]);
    state.data[20] ^= 1;
    CHECK(hr_windows_load(g.windows, state.data, state.size, &g.error) == HR_EDATA && strstr(g.error.message, "checksum") != NULL);
    CHECK(hr_windows_load(g.windows, "", 0, &g.error) == HR_EDATA);
    window_close(&g);
    window_open(&g, kinds[0]);
    state.data[20] ^= 1;
    CHECK(hr_windows_absorb(g.windows, state.data, state.size, &g.error) == HR_EUSAGE && strstr(g.error.message, "close_partial") != NULL);
    window_close(&g);
    window_open(&g, kinds[0]);
    CHECK(hr_buffer_append(&state, "behind its end", 8, NULL) == HR_OK);
    memset(state.data + state.size - 16, 0, 8); /* where the sum was */
    sum = XXH3_64bits(state.data, state.size - 8);
    for (int i = 0; i < 8; i++)
        state.data[state.size - 8 + (size_t)i] = (uint8_t)(sum >> (8 * i));
    CHECK(hr_windows_load(g.windows, state.data, state.size, &g.error) == HR_EDATA && strstr(g.error.message, "more follows") != NULL, "%s",
          g.error.message);
    window_close(&g);
    hr_buffer_free(&state);
    window_close(&f);
}

/* Whatever allocation fails, the state is as before: saved bytes do not change, and trying again gives the same. */
static void test_faults(const window_settings *settings)
{
    static results whole, broken;
    hr_random random = {7};
    window_fixture f, g;
    bool done = false;

    make_rows(&random);
    window_open(&f, *settings);
    for (int i = 0; i < 100; i++)
        for (int lane = 0; lane < 2; lane++)
            feed(&f, lane, i);
    collect(&f, false, &whole);
    CHECK(hr_windows_settle(f.windows, -1, NULL) == HR_OK);
    collect(&f, true, &whole);
    window_open(&g, *settings);
    g.settings.seed = 0;
    hr_batch_clear(g.rows);
    for (int n = 1, i = 0, lane = 0; i < 100;) { /* every row fails at its first allocation, its second... and then goes in */
        int64_t rows_done = 0;
        int rc;

        hr_batch_clear(g.rows);
        window_make_row(&g, rows[lane][i].at, rows[lane][i].id, rows[lane][i].key);
        hr_fault_arm(n, false);
        rc = hr_windows_add(g.windows, lane, g.rows, 0, 1, &(int64_t){i}, &rows_done, &g.error);
        done = !hr_fault_fired();
        hr_fault_arm(0, false);
        CHECK(rc == HR_OK || rc == HR_ENOMEM);
        n++;
        if (rc == HR_OK || rows_done == 1 || done) {
            n = 1;
            lane ^= 1;
            i += lane == 0;
        }
    }
    for (int n = 1, rc = HR_ENOMEM; rc != HR_OK; n++) {
        hr_buffer state = {0}, again = {0};
        int64_t epoch, other;

        CHECK(hr_windows_save(g.windows, true, &state, &epoch, NULL) == HR_OK);
        hr_fault_arm(n, false);
        rc = hr_windows_save(g.windows, true, &again, &other, NULL);
        hr_fault_arm(0, false);
        CHECK(rc == HR_OK || (rc == HR_ENOMEM && again.size == 0));
        if (rc == HR_OK)
            CHECK(again.size == state.size);
        for (int m = 1, loaded = HR_ENOMEM; n == 1 && loaded != HR_OK; m++) {
            hr_windows *fresh;

            CHECK(window_make(&g, &fresh) == HR_OK);
            hr_fault_arm(m, false);
            loaded = hr_windows_load(fresh, state.data, state.size, NULL);
            hr_fault_arm(0, false);
            CHECK(loaded == HR_OK || loaded == HR_ENOMEM);
            hr_windows_free(fresh);
        }
        hr_buffer_free(&state);
        hr_buffer_free(&again);
    }
    for (int n = 1, rc = HR_ENOMEM; rc != HR_OK; n++) {
        int64_t before;

        hr_batch_clear(g.results);
        before = g.results->length;
        hr_fault_arm(n, false);
        rc = n % 2 == 0 ? hr_windows_settle(g.windows, -1, NULL) : hr_windows_close(g.windows, false, g.results, NULL);
        hr_fault_arm(0, false);
        CHECK(rc == HR_OK || rc == HR_ENOMEM);
        (void)before;
        if (g.results->length > 0) { /* rows that came out before the failure */
            static char text[1 << 20];

            window_text(&g, text, sizeof(text));
            for (char *p = text, *end; (end = strchr(p, ' ')) != NULL; p = end + 1) {
                *end = '\0';
                broken.text[broken.count++] = strdup(p);
            }
        }
        if (n % 2 == 0)
            rc = HR_ENOMEM;
        if (n > 2000)
            break;
    }
    CHECK(hr_windows_settle(g.windows, -1, NULL) == HR_OK);
    collect(&g, true, &broken);
    CHECK(same(&whole, &broken), "%d and %d", whole.count, broken.count);
    clear(&whole);
    clear(&broken);
    window_close(&f);
    window_close(&g);
    for (int n = 1, rc = HR_ENOMEM; rc != HR_OK; n++) {
        hr_windows *windows;

        f.schema = window_schema();
        f.settings = *settings;
        hr_fault_arm(n, false);
        rc = window_make(&f, &windows);
        hr_fault_arm(0, false);
        CHECK(rc == HR_OK || rc == HR_ENOMEM);
        hr_windows_free(windows);
        hr_schema_release(f.schema);
    }
}

int main(void)
{
    for (int i = 0; i < 4; i++)
        test_held_over_a_restart(i & 1, i >> 1);
    for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
        for (uint64_t seed = 1; seed <= 12; seed++) {
            test_restart(seed * 31 + k, &kinds[k]);
            test_two_stages(seed * 17 + k, &kinds[k]);
        }
        test_hostile(&kinds[k], false);
        test_hostile(&kinds[k], true);
        test_faults(&kinds[k]);
    }
    test_refused();
    return CHECK_DONE();
}
