/* csrc/core/window/window.h: event-time windows over batches of rows. docs/windows.md has the rules; this is the interface.
 *
 * A worker's loop:
 *     hr_windows_add      rows of one lane, in the order of its offsets; says of each row what became of it
 *     hr_windows_close    result rows of the windows that the watermark has passed
 *     hr_windows_save     what a restart needs, in the transaction of those results
 * One hr_windows belongs to one thread. Nothing here knows a clock or a server.
 */
#ifndef HR_CORE_WINDOW_H
#define HR_CORE_WINDOW_H

#include "core/batch.h"
#include "core/types/timezone.h"

typedef enum hr_window_kind { HR_WINDOW_TUMBLING = 0, HR_WINDOW_SLIDING, HR_WINDOW_SESSION } hr_window_kind;

typedef enum hr_window_unit {
    HR_WINDOW_FIXED = 0, /* size, every and gap are microseconds */
    HR_WINDOW_MINUTE,    /* of the local clock; size 1 */
    HR_WINDOW_HOUR,      /* of the local clock; size 1 */
    HR_WINDOW_DAY,       /* from here on size and every count units */
    HR_WINDOW_WEEK,
    HR_WINDOW_MONTH,
    HR_WINDOW_YEAR
} hr_window_unit;

typedef struct hr_window_spec {
    const char *name; /* in the result column "window", when there is one */
    hr_window_kind kind;
    hr_window_unit unit;
    int64_t size;   /* tumbling, sliding */
    int64_t every;  /* sliding; size / every windows hold a record, HR_WINDOW_OVERLAP at most */
    int64_t gap;    /* session, microseconds */
    int64_t origin; /* HR_WINDOW_FIXED: microseconds since 1970 at which a window starts */
} hr_window_spec;

#define HR_WINDOW_OVERLAP 1024
#define HR_WINDOW_SPECS 16

typedef struct hr_window_aggregate {
    const char *name;     /* of the result column */
    const char *function; /* of hr_aggregates: "count", "distinct", "distinct_hll", "sum", "min", "max" */
    int32_t column;       /* in the rows; -1 for count of rows */
    int32_t precision;    /* distinct_hll: 4 to 18; 0 is 14 */
} hr_window_aggregate;

#define HR_WINDOW_ALL INT64_MAX /* lateness: nothing is late, windows close when told to */
#define HR_WINDOW_JUMP_OFF INT64_MAX
#define HR_WINDOW_LATENESS INT64_C(3600000000)
#define HR_WINDOW_VOTES 8

typedef struct hr_window_options {
    const hr_window_spec *specs;
    int32_t spec_count;
    const hr_timezone *zone; /* borrowed; NULL is UTC. Ignored for date and timestamp, which are local already */
    int32_t time;            /* column: date, timestamp or timestamptz */
    const int32_t *by;       /* columns of the key */
    int32_t by_count;
    const hr_window_aggregate *aggregates;
    int32_t aggregate_count;
    int64_t lateness;  /* microseconds, or HR_WINDOW_ALL */
    int64_t jump;      /* microseconds, or HR_WINDOW_JUMP_OFF; raised to the lateness */
    int32_t votes;     /* 0: HR_WINDOW_VOTES */
    bool name_windows; /* results have the column "window" */
    bool early;        /* results have the column "final" */
    bool keyed;        /* no value that is counted lies in two lanes: partials hold numbers, not sets. The second stage has count where
                          the first has distinct or distinct_hll */
    uint64_t seed;     /* of the hash tables; results do not depend on it. Against ids chosen to collide */
} hr_window_options;

/* What became of a row. */
typedef enum hr_window_verdict {
    HR_VERDICT_COUNTED = 0,
    HR_VERDICT_HELD,     /* waits for the lane's vote: hr_windows_settled will tell */
    HR_VERDICT_LATE,     /* late for at least one spec: hr_window_settled.missed says which, as bits */
    HR_VERDICT_FUTURE,   /* too far ahead, and the lane disagreed */
    HR_VERDICT_NO_TIME,  /* its time is null */
    HR_VERDICT_NO_WINDOW /* its time is infinite, or its window would leave 64 bits of microseconds */
} hr_window_verdict;

/* A verdict that is not HR_VERDICT_COUNTED. */
typedef struct hr_window_settled {
    int64_t offset;
    int32_t lane;
    uint8_t verdict;
    bool replayed;   /* decided before the restart: not to be reported again */
    uint32_t missed; /* HR_VERDICT_LATE: bit i = late for spec i */
} hr_window_settled;

/* "minute", "hour", "day", "week", "month", "year"; HR_EUSAGE otherwise. */
int hr_window_unit_from_name(const char *name, hr_window_unit *unit, hr_error *error);

typedef struct hr_windows hr_windows;

/* `schema` is that of the rows, retained. Options are copied deeply, but for the zone. HR_EUSAGE says what cannot be. */
int hr_windows_new(hr_schema *schema, const hr_window_options *options, hr_windows **out, hr_error *error);
void hr_windows_free(hr_windows *windows); /* NULL is fine */

/* Add rows [lower, upper) of a lane. offsets[row] ascend within the lane; NULL: counted up from the lane's position. *done is the first
 * row that was not added: `upper`, or with HR_ENOMEM a row that has had no effect, so that the rest can be added later. Verdicts of these
 * rows and of rows held before are appended to the list of hr_windows_settled. A lane is made by its first mention. */
int hr_windows_add(hr_windows *windows, int32_t lane, const hr_batch *rows, int64_t lower, int64_t upper, const int64_t *offsets,
                   int64_t *done, hr_error *error);
/* Close the votes on held rows: of one lane, or of all (-1). When the input is over for good: at the end of a run that will be continued,
 * held rows stay held, and are saved. */
int hr_windows_settle(hr_windows *windows, int32_t lane, hr_error *error);
/* The lane counts in the minimum from now on, though it has brought nothing yet: name all lanes before the first row. */
int hr_windows_lane(hr_windows *windows, int32_t lane, hr_error *error);
/* The lane holds the watermark no more until it brings a row. Its held rows stay held. */
int hr_windows_idle(hr_windows *windows, int32_t lane, hr_error *error);
/* Raise the lane's watermark to this, at least: for a lane that brings nothing while others, of which these windows know nothing, go on.
 * What it brings later and is older is late. Noted with the lane's position, so that reading again decides the same; nothing happens while
 * its rows are read again. */
int hr_windows_raise(hr_windows *windows, int32_t lane, int64_t watermark, hr_error *error);
/* The lane belongs to another worker now: forgotten, with its held rows. */
void hr_windows_drop_lane(hr_windows *windows, int32_t lane);

/* The offset of the i-th row that is held in the lane, in order; INT64_MIN when there are no more. */
int64_t hr_windows_held(const hr_windows *windows, int32_t lane, int32_t i);

/* The verdicts so far other than COUNTED, in order; *count of them. They stay until hr_windows_settled_clear. */
const hr_window_settled *hr_windows_settled(const hr_windows *windows, size_t *count);
void hr_windows_settled_clear(hr_windows *windows);

/* The columns of results: ["window" text,] "window_start", "window_end", the key's columns, the aggregates [, "final" boolean]. */
hr_schema *hr_windows_schema(const hr_windows *windows);
/* Append the result rows of windows that the watermark has passed to `results` (a batch of hr_windows_schema), in order of end, start, spec
 * and key, and forget these windows. `all`: of every window, at the end of bounded input. HR_ENOMEM, or HR_EDATA (range) when a sum fits no
 * column: results hold the rows of the windows closed before; the others are still open. */
int hr_windows_close(hr_windows *windows, bool all, hr_batch *results, hr_error *error);
/* As hr_windows_close, but about `most` bytes of results at once, so that they fit into a transaction: *more says that the rest is due
 * still. Windows that end together are closed together, whatever they hold. */
int hr_windows_close_some(hr_windows *windows, bool all, size_t most, bool *more, hr_batch *results, hr_error *error);
/* Append a row with final = false for every open window that changed since its last row. HR_EUSAGE without options.early. */
int hr_windows_early(hr_windows *windows, hr_batch *results, hr_error *error);

/* ---- restarts ---- */

/* Append a snapshot (with windows) or a mark (without). Every save begins a new epoch, *epoch: windows opened after it have it. Both are
 * refused by hr_windows_load under other options or another version (HR_EUSAGE). HR_EUSAGE also while rows are still read again after
 * hr_windows_resume. On failure `out` is as before. */
int hr_windows_save(hr_windows *windows, bool with_windows, hr_buffer *out, int64_t *epoch, hr_error *error);
/* The epoch of the oldest open window, or the current one: the mark of that epoch is where reading again has to start. */
int64_t hr_windows_oldest_epoch(const hr_windows *windows);
/* Floors and closed votes of lanes before this epoch's mark are no longer wanted in later marks. */
void hr_windows_forget(hr_windows *windows, int64_t epoch);
/* Into fresh windows of the same options: become what was saved. HR_EDATA (malformed) for bytes that are no such thing. On failure only
 * hr_windows_free is allowed. */
int hr_windows_load(hr_windows *windows, const void *bytes, size_t n, hr_error *error);
/* After load: go on as the later mark (or snapshot) says: rows before its positions are read again. As hr_windows_load. */
int hr_windows_resume(hr_windows *windows, const void *bytes, size_t n, hr_error *error);
/* After resume: rows of the lane that were to be read again and have not come will not come (the topic has lost them). When no other lane
 * waits for its own, all is as it was: what happened after the last row (a vote that was closed) has happened again. HR_ENOMEM: call again.
 */
int hr_windows_reach(hr_windows *windows, int32_t lane, hr_error *error);
/* The next offset to add to the lane; INT64_MIN for a lane that is not known, or that has brought nothing. */
int64_t hr_windows_position(const hr_windows *windows, int32_t lane);

/* ---- two stages ---- */

/* As hr_windows_close, but as bytes for hr_windows_absorb of a second stage. Nothing is appended when no window closes and the watermark
 * did not move. Sessions that go on for long are sent in parts, which the second stage puts together: else nobody's windows could be
 * closed there before these sessions have come to their end. */
int hr_windows_close_partial(hr_windows *windows, bool all, hr_buffer *out, hr_error *error);
/* The same, about `most` bytes at once; see hr_windows_close_some. */
int hr_windows_close_partial_some(hr_windows *windows, bool all, size_t most, bool *more, hr_buffer *out, hr_error *error);
/* Merge a partial into the open windows, and take over its lanes' watermarks. Windows that are closed here already are left out, and their
 * rows are counted as late. HR_EDATA (malformed) for bytes that are no such thing. On failure only hr_windows_free is allowed: start again
 * from the last save. */
int hr_windows_absorb(hr_windows *windows, const void *bytes, size_t n, hr_error *error);

/* ---- metrics ---- */

#define HR_NO_WATERMARK INT64_MIN /* no row yet */
typedef struct hr_window_lane_stats {
    int32_t lane;
    bool idle;
    int64_t position, high, watermark;
    int64_t rows, late, future, untimed; /* late: rows late for at least one spec */
    int64_t late_by_spec[HR_WINDOW_SPECS];
    int32_t held;
} hr_window_lane_stats;

typedef struct hr_window_stats {
    int64_t watermark; /* reached by the lanes; windows are closed up to `closed` */
    int64_t closed;
    int64_t rows, late, future, untimed, results;
    int64_t open_windows, groups; /* a group: one key in one window */
    size_t memory;                /* bytes of windows, states, keys and dictionaries */
    int32_t lanes;
} hr_window_stats;

void hr_windows_stats(const hr_windows *windows, hr_window_stats *out); /* looks at every group: not for every commit */
/* stats.watermark, and the lane of this number (false: there is none), at once. */
int64_t hr_windows_reached(const hr_windows *windows);
bool hr_windows_lane_find(const hr_windows *windows, int32_t lane, hr_window_lane_stats *out);
/* Of the i-th lane, 0 <= i < stats.lanes. */
void hr_windows_lane_stats(const hr_windows *windows, int32_t i, hr_window_lane_stats *out);

#endif
