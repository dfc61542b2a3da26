/* csrc/core/window/lane.c: a lane's watermark and its vote. */
#include "lane.h"

int64_t hr_lane_watermark(const hr_lane *lane, int64_t lateness)
{
    int64_t watermark = lane->high == HR_NO_WATERMARK || lateness == HR_WINDOW_ALL ? HR_NO_WATERMARK : hr_time_minus(lane->high, lateness);

    return watermark > lane->floor ? watermark : lane->floor;
}

/* A lane that was raised to a watermark is as good as one that has shown this watermark plus the lateness: what a sparse lane brings must
 * not be held, and late in the end, because others have gone on without it. */
bool hr_lane_jumps(const hr_lane *lane, int64_t time, int64_t lateness, int64_t jump)
{
    int64_t shown = lane->floor == HR_NO_WATERMARK ? HR_NO_WATERMARK : hr_time_plus(lane->floor, lateness);

    if (jump == HR_WINDOW_JUMP_OFF)
        return false;
    if (lane->high > shown)
        shown = lane->high;
    return shown == HR_NO_WATERMARK || time > hr_time_plus(shown, jump);
}

int64_t hr_lane_bound(const hr_lane *lane, int64_t jump)
{
    int64_t median = INT64_MAX;

    /* the smallest time that is not below half of them; there are few */
    for (int32_t i = 0; i < lane->held_count; i++) {
        int32_t below = 0;

        for (int32_t k = 0; k < lane->held_count; k++)
            below += lane->held[k].time <= lane->held[i].time;
        if (below * 2 >= lane->held_count && lane->held[i].time < median)
            median = lane->held[i].time;
    }
    return hr_time_plus(median, jump);
}

int hr_lane_note(hr_lane *lane, const hr_lane_event *event, hr_error *error)
{
    if (lane->event_count == lane->event_capacity) {
        int32_t capacity = lane->event_capacity ? lane->event_capacity * 2 : 4;
        hr_lane_event *events = hr_realloc(lane->events, (size_t)capacity * sizeof(*events));

        if (events == NULL)
            return hr_error_nomem(error);
        lane->events = events;
        lane->event_capacity = capacity;
    }
    lane->events[lane->event_count++] = *event;
    lane->event_at = lane->event_count;
    return HR_OK;
}

void hr_lane_free(hr_lane *lane)
{
    for (int32_t i = 0; i < lane->held_count; i++)
        hr_batch_free(lane->held[i].row);
    hr_free(lane->held);
    hr_free(lane->events);
    lane->held = NULL;
    lane->events = NULL;
    lane->held_count = lane->event_count = lane->event_capacity = 0;
}
