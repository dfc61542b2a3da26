/* csrc/io/load/worker.h: one share of the lanes, worked on by two threads: one fetches and decodes, one writes. A few works go round
 * between them, so memory is bounded and fetching, decoding and COPY overlap.
 */
#ifndef HR_IO_WORKER_H
#define HR_IO_WORKER_H

#include <pthread.h>
#include <time.h>

#include "writer.h"

#define HR_WORKER_WORKS 2 /* one being decoded, one being written; a third would cost half as much memory again and hides no more */

/* What the workers of a load have in common. */
typedef struct hr_shared {
    const hr_load_config *config;
    atomic_bool cancel;     /* roll back and stop now */
    atomic_bool stop;       /* finish what is in hand, then stop */
    atomic_llong budget;    /* records that may still be fetched (limits.max_records) and that nobody is fetching now */
    atomic_llong in_flight; /* records that fetches under way may bring; what they do not use goes back to the budget */
    int64_t deadline_ms;    /* monotonic; 0 none */
} hr_shared;

typedef struct hr_worker {
    hr_shared *shared;
    int32_t index;
    hr_lane *lanes; /* this worker's share; topics belong to the load */
    hr_hold *holds;
    int32_t lane_count;
    int64_t *from;        /* per lane: where the run began */
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    hr_work *works[HR_WORKER_WORKS];
    hr_work *free_works[HR_WORKER_WORKS];
    hr_work *queue[HR_WORKER_WORKS];
    int32_t free_count, queue_count;
    bool fetch_done, write_done;
    hr_target *target; /* the newest; retained */
    hr_tally *tallies; /* per lane: committed (or, with commit=end, written) */
    int64_t reasons[HR_REASON_COUNT];
    json_t *relations; /* object: relation -> rows */
    hr_error error;    /* the first of either thread; code HR_OK when none */
    bool committed;    /* commit=end: the run's transaction */
    hr_source *source;
    pthread_t fetcher, writer;
    bool fetcher_started, writer_started;
} hr_worker;

/* Prepare and start. lanes and holds are borrowed; both must outlive the worker. On failure nothing runs. */
int hr_worker_start(hr_worker *worker, hr_shared *shared, int32_t index, hr_lane *lanes, hr_hold *holds, int32_t lane_count,
                    hr_target *target, hr_error *error);
/* Wake the threads so that they see cancel or stop. */
void hr_worker_wake(hr_worker *worker);
/* Wait for both threads. */
void hr_worker_join(hr_worker *worker);
void hr_worker_free(hr_worker *worker);

int64_t hr_monotonic_ms(void);
/* A condition whose waits go by the monotonic clock: the wall clock may be set back, and a wait by it would last as much longer. */
void hr_condition_init(pthread_cond_t *condition);
/* The end of a wait of so many milliseconds on such a condition. */
struct timespec hr_condition_until(int timeout_ms);

#endif
