/* csrc/io/window/window_job.h: what the threads of a window job have in common. */
#ifndef HR_IO_WINDOW_JOB_H
#define HR_IO_WINDOW_JOB_H

#include <pthread.h>
#include <stdatomic.h>

#include "io/source/source.h"
#include "window_config.h"

/* What was done. frames = counted + late + malformed + future + tombstones + what the held ones became more. */
typedef struct hr_window_counts {
    int64_t frames, counted, late, malformed, future, tombstones;
    int64_t replayed; /* read again after a restart, and in none of the above */
    int64_t bytes;
    int64_t results, early, windows; /* rows of closed windows, early rows, closed windows */
    int64_t commits;
} hr_window_counts;

/* One partition, as far as this run has committed it. */
typedef struct hr_window_report {
    bool taken; /* by a worker of this run */
    int64_t from, to;
    int64_t held_before, held;
    hr_window_counts counts;
} hr_window_report;

/* What a worker's shares look like now, for the progress line. */
typedef struct hr_window_now {
    int64_t watermark; /* the lowest; HR_NO_WATERMARK */
    int64_t lag;       /* frames that are there and not read; -1 unknown */
    int64_t open_windows, groups, memory, held, replaying, shares;
} hr_window_now;

typedef struct hr_window_job {
    hr_window_config config;
    hr_lanes lanes;     /* of the source topic, in order of partition: lane i is partition i */
    bool merges;        /* several partitions: there is a second stage */
    atomic_bool cancel; /* stop now, committing nothing more */
    atomic_bool stop;   /* commit what is in hand, then stop */
    atomic_llong budget;
    int64_t deadline_ms;       /* 0 none */
    atomic_int *done;          /* of each partition, and of the second stage behind them: as far as this run goes */
    pthread_mutex_t lock;      /* guards the rest */
    hr_window_report *reports; /* as many as done */
    hr_window_counts counts;
} hr_window_job;

void hr_window_counts_add(hr_window_counts *to, const hr_window_counts *more);

#endif
