/* csrc/io/source/source.h: where records come from.
 *
 * A source is one row of hr_sources (source.c) and one file, source_<kind>.c. Every source is made of lanes: a lane is a (topic, partition)
 * with ordered offsets. For Kafka that is what it says; a file is a topic whose partitions are byte ranges and whose offsets are
 * byte offsets. So one protocol (headrace.offsets) makes both exactly-once.
 *
 * Life: plan() once for the run, in the coordinating thread, finds the lanes and their ends. The lanes are shared out among workers; each
 * worker calls open() with its share and the offsets to start from, then fetch() in its fetching thread. Chunks are released later,
 * possibly from another thread and in any order, after their rows are committed. plan() and open() look at `cancel` in every wait, and the
 * source may go on looking at it as long as it lives: raised, it makes every call return HR_ECANCELLED soon.
 */
#ifndef HR_IO_SOURCE_H
#define HR_IO_SOURCE_H

#include <jansson.h>
#include <stdatomic.h>

#include "core/decode/decode.h"

#define HR_OFFSET_UNKNOWN (-1)

typedef struct hr_lane {
    char *topic; /* Kafka topic; for a file its identity "file:<path>#<fingerprint>", owned by the lane */
    int32_t partition;
    int64_t begin;         /* the first offset there is: where a job without a stored offset starts, by the source's own start setting */
    int64_t end;           /* one past the last offset of this run; INT64_MAX when the run has no end */
    int64_t next;          /* set by the coordinator before open(): where to start */
    int64_t backlog_bytes; /* what is there to read, for progress; -1 unknown */
} hr_lane;

typedef struct hr_lanes {
    hr_lane *lanes;
    int32_t count;
} hr_lanes;
void hr_lanes_free(hr_lanes *lanes);
/* The one lane of a source that has no parts, from 0 without an end, of unknown size; its topic is a copy. *out is empty on failure. */
int hr_lanes_single(const char *topic, hr_lanes *out, hr_error *error);

typedef struct hr_position {
    int32_t lane; /* index in the worker's share */
    int64_t next; /* everything before this offset has been handed out (or can never arrive: compacted, control records) */
    int64_t lost; /* of these offsets, how many were passed over because the source has deleted them since */
} hr_position;

/* Records in the order of their lanes' offsets; lanes may be interleaved. */
typedef struct hr_chunk {
    hr_record *records;
    int64_t count;
    hr_position *positions; /* the lanes that moved, after the last record of the chunk */
    int32_t position_count;
    bool finished;            /* every lane of this worker has reached its end */
    const char *header;       /* CSV: a header line read for this chunk, to be checked even when no record follows it; NULL when none */
    const char *header_topic; /* the file it heads */
    void *owner;              /* the source's own */
} hr_chunk;

typedef struct hr_source hr_source; /* each source's own struct */

typedef struct hr_source_ops {
    const char *kind; /* "kafka", "file", "stdin", "postgres", "dead_letters" */
    /* The lanes of this run and their ends. `config` is the "source" object of the job; `want` how many lanes would be
     * good where the source can choose (byte ranges of a file). HR_EUSAGE for settings that cannot be. */
    int (*plan)(const json_t *config, int32_t want, const atomic_bool *cancel, hr_lanes *out, hr_error *error);
    /* Start reading lanes[0..count) at their `next`. */
    int (*open)(const json_t *config, const hr_lane *lanes, int32_t count, const atomic_bool *cancel, hr_source **out, hr_error *error);
    /* Wait up to timeout_ms for records. HR_OK with count 0 when none came in time. Never returns records at or after a lane's end.
     * At most max_records. */
    int (*fetch)(hr_source *source, int32_t timeout_ms, int64_t max_records, hr_chunk *out, hr_error *error);
    /* The line of a record in its file, for its reject: too costly to know for every record. Any thread. NULL: record->line is right. */
    int (*line)(hr_source *source, const hr_record *record, int64_t *line, hr_error *error);
    /* Give the chunk's memory back. Any thread. */
    void (*release)(hr_source *source, hr_chunk *chunk);
    /* Tell the outside world how far this job is, where there is such a place (Kafka group offsets: a courtesy for lag monitors;
     * failure is not an error). NULL when there is none. */
    void (*committed)(hr_source *source, const hr_position *positions, int32_t count);
    void (*close)(hr_source *source);
} hr_source_ops;

/* NULL-terminated table; the row of this kind, or NULL. */
extern const hr_source_ops *const hr_sources[];
const hr_source_ops *hr_source_find(const char *kind);

#endif
