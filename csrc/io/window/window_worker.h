/* csrc/io/window/window_worker.h: a thread of a window job: a member of its consumer group, with the shares that the group gives it. */
#ifndef HR_IO_WINDOW_WORKER_H
#define HR_IO_WINDOW_WORKER_H

#include "window_flow.h"
#include "window_group.h"

typedef struct hr_window_worker {
    hr_window_job *job;
    int32_t index;
    pthread_t thread;
    bool started;
    hr_group group;
    hr_kafka_client *admin;
    hr_kafka_client *ends; /* asks where partitions end, uncommitted frames included; NULL until it is needed */
    int32_t *asked;        /* work space of that: partitions, */
    int64_t *latest;       /* and their ends */
    hr_decoder *decoder;
    hr_window_table *table;
    hr_flow **flows;       /* of each partition, and of the second stage; NULL: not ours */
    int64_t *retry_ms;     /* when a share that was lost may be taken again */
    hr_source *frames;     /* all our partitions of the topic; NULL: none */
    hr_source *partials;   /* the second stage's input */
    int32_t *frame_lanes;  /* share of each lane of `frames` */
    hr_window_word *words; /* the last answer of the group */
    bool reopen;           /* the shares have changed: so must the sources */
    int64_t looked_ms, told_ms, round_ms, grown_ms;
    int losses;        /* times in a row that the source has lost what was to be read */
    int ends_version;  /* of the job, that the sources have been opened with */
    hr_window_now now; /* guarded by job->lock */
    hr_error error;
} hr_window_worker;

/* Start the thread. On failure nothing runs. */
int hr_window_worker_start(hr_window_worker *worker, hr_window_job *job, int32_t index, hr_error *error);
/* Wait for its end; error.code says how it went. */
void hr_window_worker_join(hr_window_worker *worker);

/* window_watch.c: have worker->ends. */
int hr_window_worker_ends(hr_window_worker *worker, hr_error *error);
/* window_watch.c: once in a while: the lag, partitions that fall idle in a job that goes on for ever, and what the progress line shows. */
int hr_window_worker_watch(hr_window_worker *worker, hr_error *error);
/* Where the run ends for this partition. */
static inline int64_t hr_window_worker_limit(const hr_window_job *job, int32_t partition)
{
    return job->config.forever ? INT64_MAX : atomic_load(&job->ends[partition]);
}

#endif
