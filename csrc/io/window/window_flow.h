/* csrc/io/window/window_flow.h: a share of a window job: one partition's windows, their state, and the producer that publishes them.
 *
 * A share belongs to its partition and moves with it. Who takes it over opens the producer of its name, which fences whoever had it, reads
 * the state that this one committed last, and goes on from there. Everything that a share gives (results or partial states, dead letters,
 * its new state, its offset) goes out in one transaction. The share after the last partition is the second stage: it absorbs the partial
 * states of the others. Not for several threads.
 */
#ifndef HR_IO_WINDOW_FLOW_H
#define HR_IO_WINDOW_FLOW_H

#include "window_job.h"
#include "window_results.h"
#include "window_state.h"
#include "window_table.h"

/* Pieces of a lane's partial that are on their way. */
typedef struct hr_flow_parts {
    hr_buffer bytes;
    int32_t next; /* the piece that must come */
} hr_flow_parts;

typedef struct hr_flow {
    hr_window_job *job;
    int32_t partition; /* job->lanes.count: the second stage */
    bool merge;
    const char *topic; /* of its input */
    int32_t source_partition;
    hr_transaction *transaction;
    hr_windows *windows;
    hr_window_state state;
    int64_t next;    /* the next offset of the input */
    int64_t read;    /* bytes read since it was taken over */
    bool fresh;      /* it has no state yet */
    bool dirty;      /* something to publish though no frame has come */
    bool more;       /* windows that are due wait for the next transaction: this one is full */
    bool ending;     /* every window is being output, in as many transactions as it takes */
    bool idle;       /* in a job that goes on for ever: nothing comes, and the other partitions need not wait for it */
    bool last_word;  /* the next transaction tells the second stage that state.round is done with here */
    bool owned;      /* it is counted in job->owned */
    bool known;      /* what the group knows of it has been asked for */
    bool gap;        /* frames of before that open windows would be read again from are lost: a snapshot is due, that does without them */
    bool unverified; /* the source has not shown yet that the last frame is still the one that was read */
    int64_t latest;  /* one past the last offset that is there; -1 unknown */
    int64_t committed_ms, moved_ms, early_ms;
    int64_t rows_before, late_before, future_before, untimed_before; /* of the lane, at the last commit */
    int32_t held_before;
    hr_window_counts pending; /* since the last commit */
    hr_outbox outbox;
    hr_batch *rows, *results;
    int64_t *offsets;          /* of rows */
    const hr_record **records; /* of the chunk: those of this share */
    int64_t record_count, record_capacity;
    hr_window_writer writer;
    hr_buffer table_early, table_final; /* rows for the table, as JSON */
    hr_buffer scratch;
    hr_flow_parts *parts; /* of each lane; second stage */
} hr_flow;

/* Take the share over. `admin` is a reader. HR_EUSAGE when its state belongs to other settings. */
int hr_flow_open(hr_window_job *job, hr_kafka_client *admin, int32_t partition, hr_flow **out, hr_error *error);
void hr_flow_close(hr_flow *flow); /* NULL is fine; what is not committed is forgotten */

/* The topic has other frames than before: forget what was open, and begin at `begin`; what is older than the watermark is late. */
int hr_flow_begin_anew(hr_flow *flow, int64_t begin, hr_error *error);

/* Whether its rows are still being read again. */
static inline bool hr_flow_replays(const hr_flow *flow)
{
    return flow->next < flow->state.position;
}

/* Whether it would have to begin to read again so far back that the topic may not keep that for long: a snapshot is due. */
bool hr_flow_is_stale(const hr_flow *flow);

/* Note a record of the next chunk; it stays valid until hr_flow_take. */
int hr_flow_note(hr_flow *flow, const hr_record *record, hr_error *error);
/* Take the noted records in: frames into the windows, partials into the second stage. */
int hr_flow_take(hr_flow *flow, hr_decoder *decoder, hr_error *error);
/* Nothing before `next` is to come any more. */
int hr_flow_pass(hr_flow *flow, int64_t next, hr_error *error);
/* Close what can be closed (`all`: everything, the input is over) into the outbox, as much as a transaction holds. */
int hr_flow_emit(hr_flow *flow, bool all, hr_error *error);
/* Publish, in several transactions when there is much. Nothing while rows are read again. *lost: the share belongs to somebody else now, or
 * its transaction took too long: it must be closed, and may be taken again. HR_EKAFKA (retriable) when that happens again and again. */
int hr_flow_commit(hr_flow *flow, rd_kafka_t *member, hr_window_table *table, bool *lost, hr_error *error);
/* Its lane's watermark; the second stage's: that of all. */
int64_t hr_flow_watermark(const hr_flow *flow);
/* window_round.c: what others shall know of it, committed with its offset. */
void hr_flow_word(const hr_flow *flow, hr_window_word *out);

/* window_frames.c: the noted records as frames. */
int hr_flow_take_frames(hr_flow *flow, hr_decoder *decoder, hr_error *error);
/* Take in all verdicts so far: count, bury what counts nowhere, and let go of frames that are held no more. */
int hr_flow_settle_all(hr_flow *flow, hr_error *error);
/* After reading again: keep those frames that the windows hold. They are others than before when some were lost that were to be read again:
 * frames that had been decided upon are held once more then, without their bytes. */
int hr_flow_match_held(hr_flow *flow, hr_error *error);
/* window_merge.c: send the first stage's partial; take such in. */
int hr_flow_send_partial(hr_flow *flow, const hr_buffer *bytes, bool closed_all, hr_error *error);
int hr_flow_send_last_word(hr_flow *flow, hr_error *error);
int hr_flow_take_partials(hr_flow *flow, hr_error *error);
/* Whether no partial is half there. */
bool hr_flow_is_whole(const hr_flow *flow);

#endif
