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
    bool taken;     /* by a worker of this run */
    bool stale;     /* a snapshot is due: a run does not end before */
    int32_t losses; /* in a row */
    int64_t from, to;
    int64_t held_before, held;
    hr_window_counts counts;
    const char *lost_why; /* frames that the topic has not any more were accepted as lost; NULL: none */
    int64_t lost, lost_from, lost_to;
} hr_window_report;

/* What a worker's shares look like now, for the progress line. */
typedef struct hr_window_now {
    int64_t watermark; /* the lowest; HR_NO_WATERMARK */
    int64_t lag;       /* frames that are there and not read; -1 unknown */
    int64_t open_windows, groups, memory, held, replaying, shares;
} hr_window_now;

/* What is known of a share, as it was committed in the transaction of its results, in the metadata of the group's offset: facts that stay
 * true, whichever process has found them out. docs/windows.md (Rounds). */
typedef struct hr_window_word {
    bool known;
    int64_t offset, watermark;
    bool idle;        /* nothing is waited for from this partition */
    bool closed;      /* its input is over for good */
    int64_t round;    /* the last round that it has answered; the second stage: that is over */
    int64_t round_at; /* the first stage: how far it was then; the second stage: the last round that was opened */
    int64_t alive;    /* written by a process that goes on for ever: a number that grows while it lives; 0: by another one */
} hr_window_word;

typedef struct hr_window_job {
    hr_window_config config;
    hr_lanes lanes;     /* of the source topic, in order of partition: lane i is partition i */
    bool merges;        /* several partitions: there is a second stage */
    atomic_bool cancel; /* stop now, committing nothing more */
    atomic_bool stop;   /* commit what is in hand, then stop */
    atomic_llong budget;
    atomic_llong transaction_bytes; /* about as many go into one; fewer when it took too long */
    int64_t deadline_ms;            /* 0 none */
    int64_t message_bytes;          /* a message may have, as the producer's settings say */
    int64_t letter_bytes;           /* a dead letter may have, as its topic's settings say, too */
    int64_t batch_bytes;            /* messages that are sent together may have; 0: as the producer's settings say */
    atomic_llong *ends;             /* of each partition: where the run ends; grows when other processes come */
    atomic_int ends_version;        /* counts up when ends have grown */
    atomic_int *owned;              /* of each partition, and of the second stage behind them: shares of this process's workers */
    pthread_mutex_t lock;           /* guards the rest */
    hr_window_report *reports;      /* as many as owned */
    hr_window_word *words;          /* likewise */
    int64_t words_ms;               /* when the brokers were last asked for those of shares that are not ours */
    bool words_asked;               /* they have answered once */
    bool asking;                    /* a worker is asking for words, or ends, right now */
    int64_t round;                  /* the last round that our ends are good for */
    int64_t opened;                 /* the last one that this process has opened */
    int64_t need;                   /* the round that has to be over for this run; 0: not known yet */
    int64_t alive, alive_at; /* a process that goes on for ever has the second stage: its last number, and the end of the partials then */
    hr_window_counts counts;
} hr_window_job;

/* HR_EUSAGE: the topic has other partitions than the job began with. */
int hr_window_job_grown(const hr_window_job *job, int32_t had, int32_t has, hr_error *error);
void hr_window_counts_add(hr_window_counts *to, const hr_window_counts *more);

#endif
