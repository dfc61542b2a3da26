/* csrc/io/kafka/pace.h: how to send so many records a second, evenly. */
#ifndef HR_IO_PACE_H
#define HR_IO_PACE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define HR_PACE_NAP_MS 20
#define HR_PACE_LOOK 1024 /* records between two looks at the clock when there is no rate to keep */

/* Records between two looks at the clock: fewer when a rate (0: none) is to be kept evenly. */
static inline int64_t hr_pace_stride(double rate)
{
    double stride = rate > 0 ? rate * HR_PACE_NAP_MS / 1000 : HR_PACE_LOOK;

    return stride < 1 ? 1 : stride > HR_PACE_LOOK ? HR_PACE_LOOK : (int64_t)stride;
}

/* Whether `done` records after so many milliseconds are not more than the rate allows. */
static inline bool hr_pace_due(double rate, int64_t done, int64_t elapsed_ms)
{
    return rate <= 0 || (double)done <= (double)elapsed_ms / 1000 * rate;
}

static inline void hr_pace_nap(void)
{
    struct timespec nap = {.tv_nsec = HR_PACE_NAP_MS * 1000000L};

    nanosleep(&nap, NULL);
}

#endif
