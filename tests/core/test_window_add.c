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

int main(void)
{
    test_minutes();
    return CHECK_DONE();
}
