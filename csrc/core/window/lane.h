/* csrc/core/window/lane.h: the time of one lane: its high, its watermark, and the vote on frames that jump ahead.
 *
 * What a lane decides depends on its rows in order of offset, and on its events: floors (it came back from being idle), closed votes, and
 * sessions that were sent to the second stage though they go on, each with the offset at which it happened. Events are saved, so that
 * reading again decides the same.
 */
#ifndef HR_CORE_LANE_H
#define HR_CORE_LANE_H

#include "window.h"
#include "wire.h"

typedef struct hr_lane_held {
    int64_t offset, time;
    hr_batch *row; /* owned */
} hr_lane_held;

typedef enum hr_lane_event_kind { HR_LANE_FLOOR = 0, HR_LANE_SETTLE, HR_LANE_SENT } hr_lane_event_kind;

typedef struct hr_lane_event {
    int64_t offset; /* it happened before the row of this offset; INT64_MIN: before all */
    int64_t floor;
    int64_t epoch;
    uint8_t kind;
} hr_lane_event;

typedef struct hr_lane {
    int32_t id;
    bool idle;
    bool idle_then;       /* at the restart it was idle: so it is when it has been read again up to there */
    int64_t position;     /* the next offset; INT64_MIN before the first row */
    int64_t high;         /* HR_NO_WATERMARK before the first vote */
    int64_t floor;        /* the watermark is not below */
    int64_t replay_until; /* rows before this offset were read before a restart */
    int64_t at;           /* the row that verdicts come from now: a held row's may come long after it, and after a restart */
    int32_t held_count;
    bool won; /* the vote is won, and held rows up to `bound` are being counted: memory may have run out on the way */
    int64_t bound;
    int32_t behind;     /* rows since the first held one that were not held */
    hr_lane_held *held; /* room for `votes` */
    hr_lane_event *events;
    int32_t event_count, event_capacity;
    int32_t event_at; /* while rows are read again: the first event that has not happened yet */
    int64_t rows, late, future, untimed;
    int64_t late_by_spec[HR_WINDOW_SPECS];
} hr_lane;

/* high - lateness, but not below the floor; HR_NO_WATERMARK when there is none. */
int64_t hr_lane_watermark(const hr_lane *lane, int64_t lateness);
/* Whether a row at `time` must be held: it is more than `jump` ahead of the high, and of floor + lateness. */
bool hr_lane_jumps(const hr_lane *lane, int64_t time, int64_t lateness, int64_t jump);
/* The lower median of the held times, plus the jump: rows up to there are confirmed when the vote is won. */
int64_t hr_lane_bound(const hr_lane *lane, int64_t jump);
/* Note an event that has happened, to be saved. HR_ENOMEM changes nothing. */
int hr_lane_note(hr_lane *lane, const hr_lane_event *event, hr_error *error);
void hr_lane_free(hr_lane *lane);

/* Idle, as far as the watermark goes. */
static inline bool hr_lane_is_idle(const hr_lane *lane)
{
    return lane->idle || (lane->idle_then && lane->position >= lane->replay_until);
}

/* a + b, b >= 0, and a - b, kept within int64. */
static inline int64_t hr_time_plus(int64_t a, int64_t b)
{
    int64_t sum;

    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static inline int64_t hr_time_minus(int64_t a, int64_t b)
{
    int64_t difference;

    return __builtin_sub_overflow(a, b, &difference) ? INT64_MIN : difference;
}

#endif
