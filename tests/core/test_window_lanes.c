/* tests/core/test_window_lanes.c: what a worker of one lane needs: watermarks raised from outside, frames that are held, numbers for a
 * second stage.
 */
#include "window_fixture.h"

#include "faults.h"

static const window_settings minutes = {.unit = HR_WINDOW_MINUTE, .lateness = 60 * S, .jump = HR_WINDOW_JUMP_OFF};

/* A lane that brings nothing is raised: its windows close, and what it brings later is late. */
static void test_raise(void)
{
    window_fixture f;

    window_open(&f, minutes);
    CHECK(window_row(&f, 3, 10, 1, 0) == HR_OK && window_row(&f, 3, 70, 2, 0) == HR_OK);
    window_expect(&f, false, "");
    CHECK(hr_windows_raise(f.windows, 3, 60 * S, &f.error) == HR_OK);
    window_expect(&f, false, "0-60:1 ");
    CHECK(hr_windows_raise(f.windows, 3, 30 * S, &f.error) == HR_OK); /* never back */
    CHECK(hr_windows_raise(f.windows, 3, 120 * S, &f.error) == HR_OK);
    window_expect(&f, false, "60-120:1 ");
    CHECK(window_row(&f, 3, 110, 3, 0) == HR_OK && window_row(&f, 3, 121, 4, 0) == HR_OK);
    window_verdicts(&f, "3/2:late ");
    window_expect(&f, true, "120-180:1 ");
    window_close(&f);
}

/* Reading again decides the same, with a raise before the first row and between others. */
static void test_raise_again(void)
{
    static const int64_t times[] = {200, 130, 190, 100, 300, 185, 250};
    window_fixture f, g;
    hr_buffer first = {0}, last = {0};
    int64_t epoch;

    window_open(&f, minutes);
    CHECK(hr_windows_lane(f.windows, 0, NULL) == HR_OK);
    CHECK(hr_windows_save(f.windows, false, &first, &epoch, NULL) == HR_OK);
    CHECK(hr_windows_raise(f.windows, 0, 120 * S, NULL) == HR_OK);
    for (int i = 0; i < 7; i++) {
        CHECK(window_row(&f, 0, times[i], i, 0) == HR_OK);
        if (i == 2)
            CHECK(hr_windows_raise(f.windows, 0, 180 * S, NULL) == HR_OK);
    }
    CHECK(hr_windows_save(f.windows, false, &last, &epoch, NULL) == HR_OK);
    window_verdicts(&f, "3:late 5:late ");
    window_open(&g, minutes);
    CHECK(hr_windows_load(g.windows, first.data, first.size, &g.error) == HR_OK, "%s", g.error.message);
    CHECK(hr_windows_resume(g.windows, last.data, last.size, &g.error) == HR_OK, "%s", g.error.message);
    CHECK(hr_windows_raise(g.windows, 0, 1000 * S, NULL) == HR_OK); /* not while rows are read again */
    for (int i = 0; i < 7; i++)
        CHECK(window_row(&g, 0, times[i], i, 0) == HR_OK);
    {
        size_t count;
        const hr_window_settled *settled = hr_windows_settled(g.windows, &count);

        CHECK(count == 2 && settled[0].offset == 3 && settled[1].offset == 5 && settled[0].replayed && settled[1].replayed);
    }
    hr_windows_settled_clear(g.windows);
    hr_batch_clear(f.results);
    CHECK(hr_windows_close(f.windows, true, f.results, NULL) == HR_OK);
    {
        char want[512];

        window_text(&f, want, sizeof(want));
        window_expect(&g, true, want);
    }
    hr_buffer_free(&first);
    hr_buffer_free(&last);
    window_close(&f);
    window_close(&g);
}

/* A frame that was held before a restart, and refused after it, is reported: it was not before. */
static void test_held_over_a_restart(void)
{
    window_settings settings = minutes;
    window_fixture f, g;
    hr_buffer first = {0}, last = {0};
    int64_t epoch;

    settings.jump = 60 * S;
    settings.votes = 2;
    window_open(&f, settings);
    CHECK(hr_windows_lane(f.windows, 0, NULL) == HR_OK);
    CHECK(hr_windows_save(f.windows, false, &first, &epoch, NULL) == HR_OK);
    CHECK(window_row(&f, 0, 10, 1, 0) == HR_OK && window_row(&f, 0, 11, 1, 0) == HR_OK && window_row(&f, 0, 9000, 1, 0) == HR_OK);
    CHECK(hr_windows_held(f.windows, 0, 0) == 2 && hr_windows_held(f.windows, 0, 1) == INT64_MIN);
    CHECK(hr_windows_held(f.windows, 7, 0) == INT64_MIN && hr_windows_held(f.windows, 0, -1) == INT64_MIN);
    CHECK(hr_windows_save(f.windows, false, &last, &epoch, NULL) == HR_OK);
    window_open(&g, settings);
    CHECK(hr_windows_load(g.windows, first.data, first.size, &g.error) == HR_OK);
    CHECK(hr_windows_resume(g.windows, last.data, last.size, &g.error) == HR_OK);
    CHECK(window_row(&g, 0, 10, 1, 0) == HR_OK && window_row(&g, 0, 11, 1, 0) == HR_OK && window_row(&g, 0, 9000, 1, 0) == HR_OK);
    hr_windows_settled_clear(g.windows);
    CHECK(window_row(&g, 0, 12, 2, 0) == HR_OK && window_row(&g, 0, 13, 3, 0) == HR_OK);
    {
        size_t count;
        const hr_window_settled *settled = hr_windows_settled(g.windows, &count);

        CHECK(count == 1 && settled[0].verdict == HR_VERDICT_FUTURE && settled[0].offset == 2, "%d", (int)count);
        CHECK(count == 1 && !settled[0].replayed);
    }
    hr_buffer_free(&first);
    hr_buffer_free(&last);
    window_close(&f);
    window_close(&g);
}

/* Windows with the fixture's rows, keyed, for either stage. */
static hr_windows *keyed(window_fixture *f, bool second)
{
    hr_window_spec spec = {"minute", HR_WINDOW_TUMBLING, HR_WINDOW_MINUTE, 1, 0, 0, 0};
    const char *function = second ? "count" : "distinct", *sketch = second ? "count" : "distinct_hll";
    hr_window_aggregate aggregates[] = {{"users", function, hr_schema_find(f->schema, "id"), 0},
                                        {"names", function, hr_schema_find(f->schema, "name"), 0},
                                        {"about", sketch, hr_schema_find(f->schema, "id"), second ? 0 : 12},
                                        {"sum", "sum", hr_schema_find(f->schema, "number"), 0}};
    hr_window_options options = {.specs = &spec,
                                 .spec_count = 1,
                                 .aggregates = aggregates,
                                 .aggregate_count = 4,
                                 .lateness = 60 * S,
                                 .jump = HR_WINDOW_JUMP_OFF,
                                 .keyed = true};
    hr_windows *windows = NULL;

    CHECK(hr_windows_new(f->schema, &options, &windows, &f->error) == HR_OK, "%s", f->error.message);
    return windows;
}

/* Users of two lanes that have none in common: the second stage adds numbers, and the partial is small. */
static void test_keyed(void)
{
    window_fixture f;
    hr_windows *first[2], *second;
    hr_batch *results = NULL;
    hr_buffer partial = {0};
    int64_t done;

    window_open(&f, minutes);
    second = keyed(&f, true);
    CHECK(hr_batch_new(hr_windows_schema(second), &results, NULL) == HR_OK);
    for (int32_t lane = 0; lane < 2; lane++)
        CHECK(hr_windows_lane(second, lane, NULL) == HR_OK);
    for (int32_t lane = 0; lane < 2; lane++) {
        first[lane] = keyed(&f, false);
        hr_batch_clear(f.rows);
        for (int i = 0; i < 1000; i++)
            window_make_row(&f, 30, 2 * (i % 500) + lane, 0);
        CHECK(hr_windows_add(first[lane], lane, f.rows, 0, 1000, NULL, &done, NULL) == HR_OK);
        partial.size = 0;
        CHECK(hr_windows_close_partial(first[lane], true, &partial, NULL) == HR_OK);
        CHECK(partial.size < 400, "%zu bytes", partial.size);
        CHECK(hr_windows_absorb(second, partial.data, partial.size, &f.error) == HR_OK, "%s", f.error.message);
        CHECK(hr_windows_close(second, false, results, NULL) == HR_OK);
        CHECK(results->length == lane);
    }
    CHECK(results->length == 1);
    CHECK(hr_column_get_int64(&results->columns[2], 0) == 1000);
    CHECK(hr_column_get_int64(&results->columns[3], 0) == 1000);
    CHECK(hr_column_get_int64(&results->columns[4], 0) > 950 && hr_column_get_int64(&results->columns[4], 0) < 1050);
    CHECK(hr_column_get_int64(&results->columns[5], 0) == 2 * (499 * 500 * 2) + 1000);
    for (int32_t lane = 0; lane < 2; lane++)
        hr_windows_free(first[lane]);
    hr_windows_free(second);
    hr_batch_free(results);
    hr_buffer_free(&partial);
    window_close(&f);
}

static const hr_window_spec session_specs[] = {{"minute", HR_WINDOW_TUMBLING, HR_WINDOW_MINUTE, 1, 0, 0, 0},
                                               {"session", HR_WINDOW_SESSION, HR_WINDOW_FIXED, 0, 0, 30 * S, 0}};
static const window_settings sessions = {
    .lateness = 0, .jump = HR_WINDOW_JUMP_OFF, .aggregate = "count", .of = "*", .by = "key", .specs = session_specs, .spec_count = 2};

/* Send what the first stage closes to the second one. */
static void send_partial(window_fixture *first, window_fixture *second, bool all)
{
    hr_buffer partial = {0};

    CHECK(hr_windows_close_partial(first->windows, all, &partial, &first->error) == HR_OK, "%s", first->error.message);
    if (partial.size > 0)
        CHECK(hr_windows_absorb(second->windows, partial.data, partial.size, &second->error) == HR_OK, "%s", second->error.message);
    hr_buffer_free(&partial);
}

/* Somebody who never goes away: a row every ten seconds, for ever. Others' windows do not wait for the end of that, and the session is
 * whole in the end. */
static void test_endless_session(void)
{
    window_fixture first, second;
    char got[4096];

    window_open(&first, sessions);
    window_open(&second, sessions);
    CHECK(hr_windows_lane(first.windows, 0, NULL) == HR_OK && hr_windows_lane(second.windows, 0, NULL) == HR_OK);
    hr_batch_clear(second.results);
    for (int64_t at = 0; at < 600; at += 10) {
        CHECK(window_row(&first, 0, at, 1, 1) == HR_OK);
        if (at == 100 || at == 300)
            CHECK(window_row(&first, 0, at, 2, 2) == HR_OK);
        send_partial(&first, &second, false);
        CHECK(hr_windows_close(second.windows, false, second.results, NULL) == HR_OK);
    }
    window_text(&second, got, sizeof(got));
    CHECK(strstr(got, "minute/420-480:key1@6 ") != NULL, "%s", got);
    CHECK(strstr(got, "session/100-130:key2@1 ") != NULL && strstr(got, "session/300-330:key2@1 ") != NULL, "%s", got);
    CHECK(strstr(got, "session/0-") == NULL, "%s", got);
    hr_batch_clear(second.results);
    send_partial(&first, &second, true);
    CHECK(hr_windows_close(second.windows, true, second.results, NULL) == HR_OK);
    window_text(&second, got, sizeof(got));
    CHECK(strstr(got, "session/0-620:key1@60 ") != NULL, "%s", got);
    window_close(&first);
    window_close(&second);
}

/* A part of a session that was sent is not sent again when its rows are read again after a restart. */
static void test_endless_session_over_a_restart(void)
{
    int tried = 0;

    for (int64_t cut = 0; cut < 60; cut += 7) {
        window_fixture first, again, second;
        hr_buffer base = {0}, last = {0};
        char got[4096];
        int64_t epoch;

        window_open(&first, sessions);
        window_open(&again, sessions);
        window_open(&second, sessions);
        CHECK(hr_windows_lane(first.windows, 0, NULL) == HR_OK && hr_windows_lane(second.windows, 0, NULL) == HR_OK);
        for (int64_t i = 0; i < 60; i++) {
            CHECK(window_row(&first, 0, 10 * i, 1, 1) == HR_OK);
            send_partial(&first, &second, false);
            if (i == cut)
                CHECK(hr_windows_save(first.windows, false, &base, &epoch, NULL) == HR_OK);
        }
        CHECK(hr_windows_save(first.windows, false, &last, &epoch, NULL) == HR_OK);
        if (hr_windows_oldest_epoch(first.windows) < 1) /* a window is older than the cut: not a base to begin from */
            goto next;
        tried++;
        CHECK(hr_windows_load(again.windows, base.data, base.size, &again.error) == HR_OK, "%s", again.error.message);
        CHECK(hr_windows_resume(again.windows, last.data, last.size, &again.error) == HR_OK, "%s", again.error.message);
        for (int64_t i = cut + 1; i < 60; i++)
            CHECK(window_row(&again, 0, 10 * i, 1, 1) == HR_OK);
        send_partial(&again, &second, true);
        hr_batch_clear(second.results);
        CHECK(hr_windows_close(second.windows, true, second.results, NULL) == HR_OK);
        window_text(&second, got, sizeof(got));
        CHECK(strstr(got, "session/0-620:key1@60 ") != NULL, "cut %d: %s", (int)cut, got);
    next:
        hr_buffer_free(&base);
        hr_buffer_free(&last);
        window_close(&first);
        window_close(&again);
        window_close(&second);
    }
    CHECK(tried > 3, "%d", tried);
}

/* A close of many windows in pieces gives what one close gives; those that end together stay together. */
static void test_close_in_pieces(void)
{
    for (int stage = 1; stage <= 2; stage++) {
        window_fixture whole, some, second;
        char want[8192], got[8192];
        bool more = true;
        int pieces = 0;

        window_open(&whole, sessions);
        window_open(&some, sessions);
        window_open(&second, sessions);
        CHECK(hr_windows_lane(second.windows, 0, NULL) == HR_OK);
        for (int64_t at = 0; at < 1800; at += 45)
            CHECK(window_row(&whole, 0, at, 1, at % 3) == HR_OK && window_row(&some, 0, at, 1, at % 3) == HR_OK);
        CHECK(hr_windows_close(whole.windows, true, whole.results, NULL) == HR_OK);
        for (hr_batch_clear(some.results); more && pieces < 100; pieces++) {
            hr_buffer partial = {0};
            int64_t before = some.results->length;

            if (stage == 1) {
                CHECK(hr_windows_close_some(some.windows, true, 1000, &more, some.results, NULL) == HR_OK);
                CHECK(some.results->length > before && some.results->length - before < 10);
            } else {
                CHECK(hr_windows_close_partial_some(some.windows, true, 1000, &more, &partial, NULL) == HR_OK);
                CHECK(hr_windows_absorb(second.windows, partial.data, partial.size, NULL) == HR_OK);
                CHECK(hr_windows_close(second.windows, false, second.results, NULL) == HR_OK);
            }
            hr_buffer_free(&partial);
        }
        if (stage == 2)
            CHECK(hr_windows_close(second.windows, true, second.results, NULL) == HR_OK);
        CHECK(pieces > 5 && pieces < 100, "%d", pieces);
        window_text(&whole, want, sizeof(want));
        window_text(stage == 1 ? &some : &second, got, sizeof(got));
        CHECK(strcmp(want, got) == 0, "got %s want %s", got, want);
        window_close(&whole);
        window_close(&some);
        window_close(&second);
    }
}

/* Without memory, a raise changes nothing. */
static void test_faults(void)
{
    for (long n = 1;; n++) {
        window_fixture f;
        int rc;
        bool fired;

        window_open(&f, minutes);
        CHECK(window_row(&f, 0, 10, 1, 0) == HR_OK);
        hr_fault_arm(n, false);
        rc = hr_windows_raise(f.windows, 0, 60 * S, &f.error);
        fired = hr_fault_fired();
        hr_fault_arm(0, false);
        CHECK(fired ? rc == HR_ENOMEM : rc == HR_OK);
        window_expect(&f, false, fired ? "" : "0-60:1 ");
        window_close(&f);
        if (!fired)
            break;
    }
}

/* What is said of a lane, by its place and by its number; a lane that is dropped takes what it held with it, and holds nothing back. */
static void test_stats(void)
{
    window_settings settings = minutes;
    hr_window_lane_stats by_place, stats;
    hr_window_stats all;
    window_fixture f;

    settings.jump = 60 * S;
    settings.votes = 2;
    window_open(&f, settings);
    CHECK(window_row(&f, 5, 100, 1, 0) == HR_OK && window_row(&f, 5, 101, 1, 0) == HR_OK && window_row(&f, 9, 130, 2, 0) == HR_OK);
    CHECK(window_row(&f, 9, 131, 2, 0) == HR_OK && window_row(&f, 5, 5000, 3, 0) == HR_OK && window_row(&f, 5, INT64_MIN, 4, 0) == HR_OK);
    CHECK(window_row(&f, 5, 20, 5, 0) == HR_OK);
    CHECK(hr_windows_lane_find(f.windows, 5, &stats) && !hr_windows_lane_find(f.windows, 6, &stats));
    hr_windows_lane_stats(f.windows, 0, &by_place);
    CHECK(memcmp(&by_place, &stats, sizeof(stats)) == 0);
    CHECK(stats.lane == 5 && !stats.idle && stats.position == 5 && stats.high == 101 * S && stats.watermark == 41 * S);
    CHECK(stats.rows == 5 && stats.untimed == 1 && stats.late == 0 && stats.held == 1, "%d held, %d late", (int)stats.held,
          (int)stats.late);
    CHECK(hr_windows_reached(f.windows) == 41 * S);
    hr_windows_stats(f.windows, &all);
    CHECK(all.watermark == 41 * S && all.lanes == 2 && all.rows == 7 && all.untimed == 1);
    window_expect(&f, false, "");
    hr_windows_drop_lane(f.windows, 6); /* not known */
    hr_windows_drop_lane(f.windows, 5);
    CHECK(!hr_windows_lane_find(f.windows, 5, &stats) && hr_windows_lane_find(f.windows, 9, &stats) && stats.watermark == 71 * S);
    CHECK(hr_windows_position(f.windows, 5) == INT64_MIN && hr_windows_reached(f.windows) == 71 * S);
    window_expect(&f, false, "0-60:1 ");
    CHECK(hr_windows_idle(f.windows, 9, NULL) == HR_OK && hr_windows_lane_find(f.windows, 9, &stats) && stats.idle);
    window_expect(&f, true, "60-120:1 120-180:1 ");
    window_close(&f);
}

/* Rows that were to be read again and are gone: said so, the windows go on. A lane that comes after windows were closed begins there. */
static void test_reach(void)
{
    window_fixture f, g;
    hr_buffer first = {0}, last = {0};
    int64_t epoch;

    window_open(&f, minutes);
    CHECK(hr_windows_lane(f.windows, 0, NULL) == HR_OK);
    CHECK(hr_windows_save(f.windows, false, &first, &epoch, NULL) == HR_OK);
    for (int64_t at = 0; at < 300; at += 30)
        CHECK(window_row(&f, 0, at, at, 0) == HR_OK);
    CHECK(hr_windows_save(f.windows, false, &last, &epoch, NULL) == HR_OK);
    window_open(&g, minutes);
    CHECK(hr_windows_load(g.windows, first.data, first.size, &g.error) == HR_OK, "%s", g.error.message);
    CHECK(hr_windows_resume(g.windows, last.data, last.size, &g.error) == HR_OK, "%s", g.error.message);
    CHECK(window_row(&g, 0, 0, 0, 0) == HR_OK && window_row(&g, 0, 30, 30, 0) == HR_OK);
    window_expect(&g, false, ""); /* as long as rows are read again nothing is closed, and nothing saved */
    hr_buffer_free(&first);
    CHECK(hr_windows_close_partial(g.windows, false, &first, &g.error) == HR_OK && first.size == 0, "%s", g.error.message);
    CHECK(hr_windows_save(g.windows, true, &first, &epoch, &g.error) == HR_EUSAGE && first.size == 0, "%s", g.error.message);
    CHECK(hr_windows_reach(g.windows, 0, &g.error) == HR_OK && hr_windows_reach(g.windows, 77, &g.error) == HR_OK);
    CHECK(hr_windows_position(g.windows, 0) == 10);
    window_expect(&g, false, "");
    CHECK(window_row(&g, 0, 120, 1, 0) == HR_OK);
    window_expect(&g, false, "0-60:2 ");
    CHECK(hr_windows_save(g.windows, true, &first, &epoch, &g.error) == HR_OK, "%s", g.error.message);
    CHECK(hr_windows_load(g.windows, first.data, first.size, &g.error) == HR_EUSAGE, "these are not fresh");
    CHECK(window_row(&g, 4, 59, 1, 0) == HR_OK && window_row(&g, 4, 60 * 60, 1, 0) == HR_OK);
    CHECK(window_verdicts(&g, "4/0:late ") == 0);
    hr_buffer_free(&first);
    hr_buffer_free(&last);
    window_close(&f);
    window_close(&g);
}

/* A partial that comes after its windows were closed: its rows are counted as late, and change nothing. */
static void test_late_partial(void)
{
    window_fixture first, again, second;
    hr_buffer partial = {0}, late = {0};
    hr_window_stats stats;

    window_open(&first, minutes);
    window_open(&again, minutes);
    window_open(&second, minutes);
    CHECK(window_row(&first, 0, 10, 1, 0) == HR_OK && window_row(&first, 0, 200, 2, 0) == HR_OK);
    CHECK(window_row(&again, 1, 20, 3, 0) == HR_OK && window_row(&again, 1, 30, 4, 0) == HR_OK &&
          window_row(&again, 1, 210, 5, 0) == HR_OK);
    CHECK(hr_windows_close_partial(first.windows, true, &partial, NULL) == HR_OK);
    CHECK(hr_windows_close_partial(again.windows, true, &late, NULL) == HR_OK);
    CHECK(hr_windows_absorb(second.windows, partial.data, partial.size, &second.error) == HR_OK, "%s", second.error.message);
    window_expect(&second, true, "0-60:1 180-240:1 ");
    CHECK(hr_windows_absorb(second.windows, late.data, late.size, &second.error) == HR_OK, "%s", second.error.message);
    hr_windows_stats(second.windows, &stats);
    CHECK(stats.late == 3 && stats.open_windows == 0, "%lld late", (long long)stats.late);
    window_expect(&second, true, "");
    hr_buffer_free(&partial);
    hr_buffer_free(&late);
    window_close(&first);
    window_close(&again);
    window_close(&second);
}

int main(void)
{
    test_late_partial();
    test_stats();
    test_reach();
    test_raise();
    test_raise_again();
    test_held_over_a_restart();
    test_keyed();
    test_endless_session();
    test_endless_session_over_a_restart();
    test_close_in_pieces();
    test_faults();
    return CHECK_DONE();
}
