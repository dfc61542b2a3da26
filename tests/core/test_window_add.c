/* tests/core/test_window_add.c: rows into windows: kinds, lateness, votes, idle lanes. */
#include "window_fixture.h"

/* Unique users a minute, one lane. */
static void test_minutes(void)
{
    window_fixture f;

    window_open(&f, (window_settings){.unit = HR_WINDOW_MINUTE, .lateness = 60 * S, .jump = HR_WINDOW_JUMP_OFF});
    window_row(&f, 0, 10, 1, 0);
    window_row(&f, 0, 20, 2, 0);
    window_row(&f, 0, 59, 1, 0);
    window_row(&f, 0, 60, 1, 0);
    window_expect(&f, false, "");
    window_row(&f, 0, 119, 3, 0);
    window_expect(&f, false, "");
    window_row(&f, 0, 120, 3, 0);
    window_expect(&f, false, "0-60:2 ");
    window_row(&f, 0, 59, 9, 0); /* late */
    window_row(&f, 0, 60, 9, 0);
    CHECK(window_verdicts(&f, "6:late ") == 0);
    window_expect(&f, true, "60-120:3 120-180:1 ");
    window_close(&f);
}

/* An idle lane holds nothing back; what it brings later is late where others have closed. */
static void test_idle(void)
{
    window_fixture f;

    window_open(&f, (window_settings){.unit = HR_WINDOW_MINUTE, .lateness = 0, .jump = HR_WINDOW_JUMP_OFF});
    CHECK(hr_windows_lane(f.windows, 1, NULL) == HR_OK);
    window_row(&f, 0, 10, 1, 0);
    window_row(&f, 0, 130, 1, 0);
    window_expect(&f, false, ""); /* lane 1 may still bring anything */
    window_row(&f, 1, 30, 2, 0);
    window_expect(&f, false, "");
    CHECK(hr_windows_idle(f.windows, 1, NULL) == HR_OK);
    window_expect(&f, false, "0-60:2 ");
    window_row(&f, 1, 59, 3, 0);
    window_row(&f, 1, 125, 3, 0);
    CHECK(window_verdicts(&f, "1/1:late ") == 0);
    window_row(&f, 0, 300, 1, 0);
    window_expect(&f, false, ""); /* lane 1 counts again, and is at 125 */
    window_expect(&f, true, "120-180:2 300-360:1 ");
    window_close(&f);
}

/* One frame from far ahead waits and is refused; a real jump is believed after eight. */
static void test_jumps(void)
{
    window_fixture f;

    window_open(&f, (window_settings){.unit = HR_WINDOW_MINUTE, .lateness = 0, .jump = 60 * S, .votes = 3});
    window_row(&f, 0, 5, 1, 0);
    window_row(&f, 0, 6, 2, 0);
    CHECK(window_verdicts(&f, "0:held 1:held ") == 0);
    window_row(&f, 0, 7, 3, 0); /* the first three are the lane's beginning */
    CHECK(window_verdicts(&f, "2:held ") == 0);
    window_row(&f, 0, 250000000000, 4, 0);
    window_row(&f, 0, 8, 1, 0);
    window_row(&f, 0, 9, 1, 0);
    CHECK(window_verdicts(&f, "3:held ") == 0);
    window_row(&f, 0, 59, 1, 0);
    CHECK(window_verdicts(&f, "3:future ") == 0);
    window_row(&f, 0, 1000, 1, 0);
    window_row(&f, 0, 1001, 2, 0);
    window_row(&f, 0, 50, 9, 0); /* a straggler votes against */
    window_expect(&f, false, "");
    window_row(&f, 0, 1002, 3, 0);
    CHECK(window_verdicts(&f, "7:held 8:held 10:held ") == 0);
    window_expect(&f, false, "0-60:4 ");
    window_expect(&f, true, "960-1020:3 ");
    window_row(&f, 0, 1003, 3, 0);
    CHECK(window_verdicts(&f, "11:late ") == 0);
    window_close(&f);
}

/* Minute, hour and sliding at once; a row that is late for one counts in the others; early rows only of what changed. */
static void test_many(void)
{
    static const hr_window_spec specs[] = {{.name = "minute", .unit = HR_WINDOW_MINUTE, .size = 1},
                                           {.name = "hour", .unit = HR_WINDOW_HOUR, .size = 1},
                                           {.name = "two", .kind = HR_WINDOW_SLIDING, .size = 120 * S, .every = 60 * S}};
    window_fixture f;
    char text[1024];
    size_t count;

    window_open(&f,
                (window_settings){.specs = specs, .spec_count = 3, .lateness = 0, .jump = HR_WINDOW_JUMP_OFF, .early = true, .by = "key"});
    window_row(&f, 0, 30, 1, 1);
    window_row(&f, 0, 90, 2, 1);
    window_row(&f, 0, 31, 3, 2);
    CHECK(hr_windows_settled(f.windows, &count)[0].missed == 1 && count == 1);
    CHECK(window_verdicts(&f, "2:late ") == 0);
    hr_batch_clear(f.results);
    CHECK(hr_windows_early(f.windows, f.results, &f.error) == HR_OK, "%s", f.error.message);
    window_text(&f, text, sizeof(text));
    CHECK(strcmp(text,
                 "two/-60-60:key1@1? minute/0-60:key1@1? two/0-120:key1@2? two/0-120:key2@1? minute/60-120:key1@1? two/60-180:key1@1? "
                 "hour/0-3600:key1@2? hour/0-3600:key2@1? ") == 0,
          "%s", text);
    window_row(&f, 0, 119, 2, 2);
    hr_batch_clear(f.results);
    CHECK(hr_windows_early(f.windows, f.results, &f.error) == HR_OK);
    window_text(&f, text, sizeof(text));
    CHECK(strcmp(text, "two/0-120:key2@2? minute/60-120:key2@1? two/60-180:key2@1? hour/0-3600:key2@2? ") == 0, "%s", text);
    window_expect(&f, false, "two/-60-60:key1@1 minute/0-60:key1@1 ");
    window_close(&f);
}

/* Null and infinite times, offsets seen before, and numbers of closed windows' strings that are collected. */
static void test_edges(void)
{
    window_fixture f;
    hr_window_stats stats;
    int64_t done;

    window_open(&f, (window_settings){.size = 60 * S, .lateness = 0, .jump = HR_WINDOW_JUMP_OFF, .of = "name", .by = "key"});
    window_row(&f, 0, INT64_MIN, 1, 0);
    window_row(&f, 0, INT64_MAX, 1, 0);
    CHECK(window_verdicts(&f, "0:untimed 1:nowindow ") == 0);
    hr_batch_clear(f.rows);
    window_make_row(&f, 1, 1, 1);
    CHECK(hr_windows_add(f.windows, 0, f.rows, 0, 1, &(int64_t){1}, &done, NULL) == HR_OK && done == 1);
    CHECK(hr_windows_position(f.windows, 0) == 2);
    window_expect(&f, true, "");
    window_close(&f);

    window_open(&f, (window_settings){.size = 60 * S, .lateness = 0, .jump = HR_WINDOW_JUMP_OFF, .of = "name", .by = "key"});
    for (int64_t i = 0; i < 300000; i += 1000) {
        hr_batch_clear(f.rows);
        for (int64_t k = i; k < i + 1000; k++)
            window_make_row(&f, k / 100, k, k);
        CHECK(hr_windows_add(f.windows, 0, f.rows, 0, 1000, NULL, &done, &f.error) == HR_OK);
        hr_batch_clear(f.results);
        CHECK(hr_windows_close(f.windows, false, f.results, &f.error) == HR_OK);
        for (int64_t row = 0; row < f.results->length; row++)
            CHECK(hr_column_get_int64(&f.results->columns[3], row) == 1);
    }
    hr_windows_stats(f.windows, &stats);
    CHECK(stats.memory < 30 << 20, "%zu bytes for a minute of 6000 users", stats.memory);
    CHECK(stats.rows == 300000 && stats.results == 300000 - stats.groups && stats.open_windows <= 2);
    window_close(&f);
}

/* One row at this very microsecond. */
static void row_at(window_fixture *f, int64_t micros)
{
    int64_t done;

    hr_batch_clear(f->rows);
    window_make_row(f, 1, 1, 1);
    memcpy(f->rows->columns[0].values, &micros, sizeof(micros));
    CHECK(hr_windows_add(f->windows, 0, f->rows, 0, 1, NULL, &done, &f->error) == HR_OK && done == 1, "%s", f->error.message);
}

/* Where a window would leave 64 bits there is none; the rows after it are counted. */
static void test_ends_of_time(void)
{
    static const window_settings kinds[] = {{.size = 60 * S, .lateness = HR_WINDOW_ALL},
                                            {.unit = HR_WINDOW_YEAR, .lateness = HR_WINDOW_ALL},
                                            {.kind = HR_WINDOW_SESSION, .gap = 60 * S, .lateness = HR_WINDOW_ALL}};
    static const char *const want[] = {"0-60:1 ", "0-31536000:1 ", "1-61:1 "};

    for (size_t i = 0; i < 3; i++) {
        window_fixture f;

        window_open(&f, kinds[i]);
        row_at(&f, INT64_MAX - 1);
        row_at(&f, INT64_MIN + 1);
        row_at(&f, S);
        row_at(&f, INT64_MAX - S);
        CHECK(window_verdicts(&f, "0:nowindow 1:nowindow 3:nowindow ") == 0);
        window_expect(&f, true, want[i]);
        window_close(&f);
    }
}

/* Sessions that grow together: what is kept of those that are gone stays bounded. */
static void test_growing_together(void)
{
    window_fixture f;
    hr_window_stats stats;

    window_open(&f, (window_settings){.kind = HR_WINDOW_SESSION, .gap = 60 * S, .lateness = HR_WINDOW_ALL});
    for (int64_t i = 0; i < 2000; i++) {
        window_row(&f, 0, i * 100, i, 0);
        window_row(&f, 0, i * 100 + 100, i, 0);
        window_row(&f, 0, i * 100 + 50, i, 0); /* joins the two */
    }
    hr_windows_stats(f.windows, &stats);
    CHECK(stats.open_windows == 1 && stats.groups == 1 && stats.memory < 60000, "%zu bytes for one session", stats.memory);
    window_expect(&f, true, "0-200060:2000 ");
    window_close(&f);
}

/* Keys of sessions that are over are forgotten, and their numbers go to others. */
static void test_session_keys(void)
{
    window_fixture f;
    hr_window_stats stats;
    int64_t done, closed = 0;

    window_open(&f, (window_settings){.kind = HR_WINDOW_SESSION, .gap = 2 * S, .lateness = 0, .jump = HR_WINDOW_JUMP_OFF, .by = "key"});
    for (int64_t i = 0; i < 150000; i += 1000) {
        hr_batch_clear(f.rows);
        for (int64_t k = i; k < i + 1000; k++)
            window_make_row(&f, k / 100, k, k);
        CHECK(hr_windows_add(f.windows, 0, f.rows, 0, 1000, NULL, &done, &f.error) == HR_OK);
        hr_batch_clear(f.results);
        CHECK(hr_windows_close(f.windows, false, f.results, &f.error) == HR_OK);
        for (int64_t row = 0; row < f.results->length; row++, closed++) {
            char want[32];
            size_t n;
            const char *key = hr_column_get_bytes(&f.results->columns[2], row, &n);
            int64_t number = 0;

            for (size_t c = 3; c < n; c++)
                number = number * 10 + (key[c] - '0');
            snprintf(want, sizeof(want), "key%" PRId64, number);
            CHECK(strlen(want) == n && memcmp(want, key, n) == 0);
            CHECK(hr_column_get_int64(&f.results->columns[0], row) == number / 100 * S &&
                  hr_column_get_int64(&f.results->columns[3], row) == 1);
        }
    }
    hr_windows_stats(f.windows, &stats);
    CHECK(stats.results == closed && closed > 149000 && stats.memory < 2 << 20, "%zu bytes", stats.memory);
    window_close(&f);
}

int main(void)
{
    test_ends_of_time();
    test_growing_together();
    test_session_keys();
    test_minutes();
    test_idle();
    test_jumps();
    test_many();
    test_edges();
    return CHECK_DONE();
}
