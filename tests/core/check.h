/* tests/core/check.h: what a C test needs. Each test_*.c is one program; CHECK prints where and what, CHECK_DONE() counts. */
#ifndef HR_TESTS_CHECK_H
#define HR_TESTS_CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_passed, check_failed;

#define CHECK(condition, ...)                                                     \
    do {                                                                          \
        if (condition) {                                                          \
            check_passed++;                                                       \
        } else {                                                                  \
            check_failed++;                                                       \
            fprintf(stderr, "%s:%d: %s:", __FILE__, __LINE__, #condition);        \
            fprintf(stderr, " " __VA_ARGS__);                                     \
            fprintf(stderr, "\n");                                                \
        }                                                                         \
    } while (0)

/* Equal text of known length, printed when not. */
#define CHECK_TEXT(got, got_len, want)                                                                            \
    CHECK((size_t)(got_len) == strlen(want) && memcmp((got), (want), strlen(want)) == 0, "got \"%.*s\" want \"%s\"", \
          (int)(got_len), (const char *)(got), (want))

/* The last line of main(): prints the count, gives the exit code; no check at all is a failure. */
#define CHECK_DONE()                                                                    \
    (printf("%s: %d checks passed, %d failed\n", __FILE__, check_passed, check_failed), \
     (check_failed > 0 || check_passed == 0) ? 1 : 0)

#endif
