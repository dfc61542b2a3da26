/* A clock of a process's own, for LD_PRELOAD: what clock_gettime says of the wall clock is HEADRACE_CLOCK_AHEAD seconds ahead of the
 * kernel's, as if the machine's clock were set back right after each look at it; the monotonic clock goes HEADRACE_CLOCK_TIMES as fast. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long ahead;
static double times = 1;
static struct timespec begun;

__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("HEADRACE_CLOCK_AHEAD");

    if (text != NULL)
        ahead = strtol(text, NULL, 10);
    text = getenv("HEADRACE_CLOCK_TIMES");
    if (text != NULL)
        times = strtod(text, NULL);
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &begun);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    long rc = syscall(SYS_clock_gettime, clock, now);

    if (rc == 0 && clock == CLOCK_REALTIME)
        now->tv_sec += ahead;
    if (rc == 0 && clock == CLOCK_MONOTONIC && times != 1) {
        double passed = (double)(now->tv_sec - begun.tv_sec) + (double)(now->tv_nsec - begun.tv_nsec) / 1e9;
        double shown = (double)begun.tv_sec + (double)begun.tv_nsec / 1e9 + passed * times;

        now->tv_sec = (time_t)shown;
        now->tv_nsec = (long)((shown - (double)now->tv_sec) * 1e9);
    }
    return (int)rc;
}
