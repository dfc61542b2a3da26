/* csrc/core/window/window_add.c: rows come in: the vote of their lane, the windows they are late for, the groups they count in. */
#include "windows.h"

#include "core/partition/route.h"
#include "core/take.h"

#define HR_WINDOW_PIECE 8192 /* rows whose values are prepared at once */

/* ---- a group's aggregates ---- */

static inline const hr_column *hr_aggregate_column(const hr_aggregate *aggregate, const hr_batch *rows)
{
    return aggregate->column >= 0 ? &rows->columns[aggregate->column] : NULL;
}

int hr_group_reserve(const hr_windows *windows, hr_group *group, const hr_batch *rows, int64_t row, hr_error *error)
{
    for (int32_t i = 0; i < windows->options.aggregate_count; i++) {
        const hr_aggregate *aggregate = &windows->aggregates[i];

        if (aggregate->ops->reserve != NULL)
            HR_RETURN_NOT_OK(
                aggregate->ops->reserve(aggregate, hr_group_state(group, aggregate), hr_aggregate_column(aggregate, rows), row, error));
    }
    return HR_OK;
}

int hr_group_reserve_merge(const hr_windows *windows, hr_group *group, const hr_group *from, const hr_batch *rows, int64_t row,
                           hr_error *error)
{
    for (int32_t i = 0; i < windows->options.aggregate_count; i++) {
        const hr_aggregate *aggregate = &windows->aggregates[i];

        if (aggregate->ops->reserve_merge != NULL)
            HR_RETURN_NOT_OK(aggregate->ops->reserve_merge(aggregate, hr_group_state(group, aggregate), hr_group_state(from, aggregate),
                                                           rows != NULL ? hr_aggregate_column(aggregate, rows) : NULL, row, error));
    }
    return HR_OK;
}

void hr_group_merge(const hr_windows *windows, hr_group *group, const hr_group *from)
{
    for (int32_t i = 0; i < windows->options.aggregate_count; i++) {
        const hr_aggregate *aggregate = &windows->aggregates[i];

        aggregate->ops->merge(aggregate, hr_group_state(group, aggregate), hr_group_state(from, aggregate));
    }
    group->rows = hr_time_plus(group->rows, from->rows);
    group->changed = true;
}

static int hr_windows_prepare(hr_windows *windows, const hr_batch *rows, int64_t lower, int64_t upper, hr_error *error)
{
    for (int32_t i = 0; i < windows->options.aggregate_count; i++) {
        hr_aggregate *aggregate = &windows->aggregates[i];

        if (aggregate->ops->prepare != NULL)
            HR_RETURN_NOT_OK(aggregate->ops->prepare(aggregate, hr_aggregate_column(aggregate, rows), lower, upper, error));
    }
    return HR_OK;
}

/* ---- lanes ---- */

hr_lane *hr_windows_find_lane(const hr_windows *windows, int32_t id)
{
    for (int32_t i = 0; i < windows->lane_count; i++)
        if (windows->lanes[i].id == id)
            return &windows->lanes[i];
    return NULL;
}

/* A new lane begins at the watermark that was reached without it. */
int hr_windows_make_lane(hr_windows *windows, int32_t id, hr_lane **out, hr_error *error)
{
    hr_lane *lane = hr_windows_find_lane(windows, id);

    *out = lane;
    if (lane != NULL)
        return HR_OK;
    if (windows->lane_count == windows->lane_capacity) {
        int32_t capacity = windows->lane_capacity ? windows->lane_capacity * 2 : 8;
        hr_lane *lanes = hr_realloc(windows->lanes, (size_t)capacity * sizeof(*lanes));

        if (lanes == NULL)
            return hr_error_nomem(error);
        windows->lanes = lanes;
        windows->lane_capacity = capacity;
    }
    lane = &windows->lanes[windows->lane_count];
    *lane = (hr_lane){.id = id, .position = INT64_MIN, .high = HR_NO_WATERMARK, .floor = windows->closed};
    lane->replay_until = lane->at = INT64_MIN;
    lane->held = hr_malloc((size_t)windows->options.votes * sizeof(*lane->held));
    if (lane->held == NULL)
        return hr_error_nomem(error);
    if (windows->closed != HR_NO_WATERMARK) {
        hr_lane_event event = {.offset = INT64_MIN, .floor = windows->closed, .epoch = windows->epoch, .kind = HR_LANE_FLOOR};
        int rc = hr_lane_note(lane, &event, error);

        if (rc != HR_OK) {
            hr_lane_free(lane);
            return rc;
        }
    }
    windows->lane_count++;
    *out = lane;
    return HR_OK;
}

int hr_windows_lane(hr_windows *windows, int32_t lane, hr_error *error)
{
    hr_lane *made;

    return hr_windows_make_lane(windows, lane, &made, error);
}

int hr_windows_idle(hr_windows *windows, int32_t lane, hr_error *error)
{
    hr_lane *found;

    HR_RETURN_NOT_OK(hr_windows_make_lane(windows, lane, &found, error));
    found->idle = true;
    return HR_OK;
}

int hr_windows_raise(hr_windows *windows, int32_t lane, int64_t watermark, hr_error *error)
{
    hr_lane *found;
    hr_lane_event *last;

    HR_RETURN_NOT_OK(hr_windows_make_lane(windows, lane, &found, error));
    if (found->position < found->replay_until || watermark <= hr_lane_watermark(found, windows->options.lateness))
        return HR_OK;
    last = found->event_count > 0 ? &found->events[found->event_count - 1] : NULL;
    if (last != NULL && last->kind == HR_LANE_FLOOR && last->offset == found->position) {
        last->floor = watermark; /* of two raises between the same rows the later one says all */
        last->epoch = windows->epoch;
    } else {
        hr_lane_event event = {.offset = found->position, .floor = watermark, .epoch = windows->epoch, .kind = HR_LANE_FLOOR};

        HR_RETURN_NOT_OK(hr_lane_note(found, &event, error));
    }
    found->floor = watermark;
    return HR_OK;
}

int hr_windows_reach(hr_windows *windows, int32_t lane, hr_error *error)
{
    hr_lane *found = hr_windows_find_lane(windows, lane);

    if (found != NULL && found->position < found->replay_until)
        found->position = found->replay_until;
    return hr_windows_purge(windows, error);
}

void hr_windows_drop_lane(hr_windows *windows, int32_t lane)
{
    hr_lane *found = hr_windows_find_lane(windows, lane);

    if (found == NULL)
        return;
    hr_lane_free(found);
    *found = windows->lanes[--windows->lane_count];
}

int64_t hr_windows_position(const hr_windows *windows, int32_t lane)
{
    const hr_lane *found = hr_windows_find_lane(windows, lane);

    return found != NULL ? found->position : INT64_MIN;
}

int64_t hr_windows_held(const hr_windows *windows, int32_t lane, int32_t i)
{
    const hr_lane *found = hr_windows_find_lane(windows, lane);

    return found != NULL && i >= 0 && i < found->held_count ? found->held[i].offset : INT64_MIN;
}

int64_t hr_windows_watermark(const hr_windows *windows)
{
    int64_t lowest = INT64_MAX;
    bool any = false;

    for (int32_t i = 0; i < windows->lane_count; i++) {
        int64_t watermark = hr_lane_watermark(&windows->lanes[i], windows->options.lateness);

        if (hr_lane_is_idle(&windows->lanes[i]))
            continue;
        any = true;
        lowest = watermark < lowest ? watermark : lowest;
    }
    return any ? lowest : windows->closed;
}

/* ---- verdicts ---- */

/* Room for one more verdict. */
static int hr_settled_reserve(hr_windows *windows, hr_error *error)
{
    size_t capacity = windows->settled_capacity ? windows->settled_capacity * 2 : 64;
    hr_window_settled *settled;

    if (HR_LIKELY(windows->settled_count < windows->settled_capacity))
        return HR_OK;
    settled = hr_realloc(windows->settled, capacity * sizeof(*settled));
    if (settled == NULL)
        return hr_error_nomem(error);
    windows->settled = settled;
    windows->settled_capacity = capacity;
    return HR_OK;
}

static void hr_windows_tell(hr_windows *windows, hr_lane *lane, int64_t offset, hr_window_verdict verdict, uint32_t missed)
{
    windows->settled[windows->settled_count++] = (hr_window_settled){
        .offset = offset, .lane = lane->id, .verdict = (uint8_t)verdict, .replayed = lane->at < lane->replay_until, .missed = missed};
    if (verdict == HR_VERDICT_FUTURE)
        lane->future++;
    if (verdict == HR_VERDICT_NO_TIME || verdict == HR_VERDICT_NO_WINDOW)
        lane->untimed++;
}

/* ---- one row into the windows ---- */

/* A target in window `index`, unless reading again has come to a window that was closed before the restart. */
static int hr_target_window(hr_windows *windows, int32_t spec, int32_t slot, const hr_batch *rows, int64_t row, uint32_t key,
                            hr_error *error)
{
    hr_plan *plan = &windows->plans[spec];
    hr_target *target = &windows->targets[windows->target_count];
    int rc;

    *target = (hr_target){.group = -1, .merge = -1};
    if (plan->windows[slot] < 0)
        HR_RETURN_NOT_OK(hr_window_get(windows, spec, plan->slot.starts[slot], plan->slot.ends[slot], &plan->windows[slot], error));
    rc = hr_group_get(windows, plan->windows[slot], key, &target->group, error);
    if (rc != HR_OK) {
        hr_window_discard_empty(windows, plan->windows[slot]);
        return rc;
    }
    rc = hr_group_reserve(windows, hr_group_at(windows, target->group), rows, row, error);
    if (rc != HR_OK) {
        hr_group_discard_empty(windows, target->group);
        return rc;
    }
    windows->target_count++;
    return HR_OK;
}

/* The windows of one tumbling or sliding spec. *late: all of them are closed for the lane. */
static int hr_target_spec(hr_windows *windows, int32_t spec, int64_t watermark, const hr_batch *rows, int64_t row, uint32_t key, bool *late,
                          hr_error *error)
{
    const hr_plan *plan = &windows->plans[spec];

    *late = true;
    for (int32_t i = 0; i < plan->slot.count; i++) {
        if (plan->slot.ends[i] <= watermark)
            continue;
        *late = false;
        if (HR_LIKELY(plan->slot.ends[i] > windows->closed))
            HR_RETURN_NOT_OK(hr_target_window(windows, spec, i, rows, row, key, error));
    }
    return HR_OK;
}

/* Have the slot of every spec at hand. False when the row has no window. */
static bool hr_windows_slots(hr_windows *windows, int64_t time)
{
    for (int32_t i = 0; i < windows->options.spec_count; i++) {
        hr_plan *plan = &windows->plans[i];

        if (plan->spec.kind == HR_WINDOW_SESSION) {
            if (time <= INT64_MIN + 1 || time > INT64_MAX - 2 * plan->spec.gap)
                return false;
            continue;
        }
        if (HR_LIKELY(time >= plan->slot.lower && time < plan->slot.upper))
            continue;
        if (!hr_window_slot_of(&plan->spec, windows->zone, time, &plan->slot)) {
            plan->slot.lower = INT64_MAX;
            plan->slot.upper = INT64_MIN;
            return false;
        }
        for (int32_t k = 0; k < plan->slot.count; k++)
            plan->windows[k] = -1;
    }
    return true;
}

/* Count a row of the lane in its windows. Afterwards nothing can fail any more, and the lane's high has moved; on failure nothing has
 * changed. Room for a verdict must have been made. */
static int hr_windows_count(hr_windows *windows, hr_lane *lane, const hr_batch *rows, int64_t row, int64_t time, int64_t offset,
                            hr_error *error)
{
    int64_t watermark = hr_lane_watermark(lane, windows->options.lateness);
    uint32_t missed = 0, key = 0;
    int rc = HR_OK;

    if (!hr_windows_slots(windows, time)) {
        hr_windows_tell(windows, lane, offset, HR_VERDICT_NO_WINDOW, 0);
        return HR_OK;
    }
    if (windows->keys.rows != NULL)
        HR_RETURN_NOT_OK(hr_window_keys_intern(&windows->keys, rows, row, &key, error));
    windows->target_count = 0;
    for (int32_t i = 0; rc == HR_OK && i < windows->options.spec_count; i++) {
        bool late = false;

        if (windows->plans[i].spec.kind != HR_WINDOW_SESSION) {
            rc = hr_target_spec(windows, i, watermark, rows, row, key, &late, error);
        } else if (time < watermark) {
            late = true;
        } else {
            rc = hr_session_prepare(windows, i, key, time, rows, row, &windows->targets[windows->target_count], error);
            windows->target_count += rc == HR_OK;
        }
        missed |= (uint32_t)late << i;
    }
    if (HR_UNLIKELY(rc != HR_OK)) {
        while (windows->target_count > 0)
            hr_group_discard_empty(windows, windows->targets[--windows->target_count].group);
        return rc;
    }
    for (int32_t t = 0; t < windows->target_count; t++) {
        const hr_target *target = &windows->targets[t];
        hr_group *group = hr_group_at(windows, target->group);

        for (int32_t i = 0; i < windows->options.aggregate_count; i++) {
            const hr_aggregate *aggregate = &windows->aggregates[i];

            aggregate->ops->add(aggregate, hr_group_state(group, aggregate), hr_aggregate_column(aggregate, rows), row);
        }
        group->rows++;
        group->changed = true;
        if (windows->plans[windows->windows[group->window].spec].spec.kind == HR_WINDOW_SESSION)
            hr_session_commit(windows, target);
    }
    if (HR_UNLIKELY(missed != 0)) {
        lane->late++;
        for (int32_t i = 0; i < windows->options.spec_count; i++)
            lane->late_by_spec[i] += missed >> i & 1;
        hr_windows_tell(windows, lane, offset, HR_VERDICT_LATE, missed);
    }
    if (time > lane->high)
        lane->high = time;
    return HR_OK;
}

/* ---- the vote ---- */

/* The held row is done with. */
static void hr_held_remove(hr_lane *lane, int32_t i)
{
    hr_batch_free(lane->held[i].row);
    lane->held_count--;
    memmove(&lane->held[i], &lane->held[i + 1], (size_t)(lane->held_count - i) * sizeof(*lane->held));
}

/* The vote is won: rows up to lane->bound count, in their order. On failure the rest is still held, and goes on when tried again. */
static int hr_held_confirm(hr_windows *windows, hr_lane *lane, hr_error *error)
{
    lane->won = true;
    for (int32_t i = 0; i < lane->held_count;) {
        const hr_lane_held *held = &lane->held[i];

        if (held->time > lane->bound) {
            i++;
            continue;
        }
        windows->unprepared = true;
        HR_RETURN_NOT_OK(hr_settled_reserve(windows, error));
        HR_RETURN_NOT_OK(hr_windows_prepare(windows, held->row, 0, 1, error));
        HR_RETURN_NOT_OK(hr_windows_count(windows, lane, held->row, 0, held->time, held->offset, error));
        hr_held_remove(lane, i);
    }
    lane->won = false;
    lane->behind = 0;
    return HR_OK;
}

/* The vote is lost. */
static int hr_held_refuse(hr_windows *windows, hr_lane *lane, hr_error *error)
{
    while (lane->held_count > 0) {
        HR_RETURN_NOT_OK(hr_settled_reserve(windows, error));
        hr_windows_tell(windows, lane, lane->held[0].offset, HR_VERDICT_FUTURE, 0);
        hr_held_remove(lane, 0);
    }
    lane->behind = 0;
    return HR_OK;
}

static int hr_held_add(hr_windows *windows, hr_lane *lane, const hr_batch *rows, int64_t row, int64_t time, int64_t offset, hr_error *error)
{
    uint32_t index = (uint32_t)row;
    hr_batch *copy;

    HR_RETURN_NOT_OK(hr_settled_reserve(windows, error));
    HR_RETURN_NOT_OK(hr_batch_take(rows, &index, 1, &copy, error));
    lane->held[lane->held_count++] = (hr_lane_held){offset, time, copy};
    hr_windows_tell(windows, lane, offset, HR_VERDICT_HELD, 0);
    return HR_OK;
}

static int hr_lane_settle(hr_windows *windows, hr_lane *lane, hr_error *error)
{
    if (lane->won)
        HR_RETURN_NOT_OK(hr_held_confirm(windows, lane, error));
    if (lane->held_count <= lane->behind)
        return hr_held_refuse(windows, lane, error);
    lane->bound = INT64_MAX;
    return hr_held_confirm(windows, lane, error);
}

int hr_windows_settle(hr_windows *windows, int32_t lane, hr_error *error)
{
    for (int32_t i = 0; i < windows->lane_count; i++) {
        hr_lane *each = &windows->lanes[i];

        if ((lane >= 0 && each->id != lane) || each->held_count == 0 || each->position < each->replay_until)
            continue;
        HR_RETURN_NOT_OK(
            hr_lane_note(each, &(hr_lane_event){.offset = each->position, .epoch = windows->epoch, .kind = HR_LANE_SETTLE}, error));
        each->at = each->position;
        HR_RETURN_NOT_OK(hr_lane_settle(windows, each, error));
    }
    return HR_OK;
}

int hr_windows_replay_events(hr_windows *windows, hr_lane *lane, int64_t offset, hr_error *error)
{
    while (lane->event_at < lane->event_count && lane->events[lane->event_at].offset <= offset) {
        const hr_lane_event *event = &lane->events[lane->event_at];

        if (event->kind == HR_LANE_SETTLE) {
            int64_t at = lane->at;
            int rc;

            lane->at = INT64_MIN; /* what it decided was told then */
            rc = hr_lane_settle(windows, lane, error);
            lane->at = at;
            HR_RETURN_NOT_OK(rc);
        }
        if (event->kind == HR_LANE_FLOOR && event->floor > lane->floor)
            lane->floor = event->floor;
        if (event->kind == HR_LANE_SENT)
            hr_windows_forget_sessions(windows);
        lane->event_at++;
    }
    return HR_OK;
}

/* ---- adding ---- */

/* The row's time in microseconds. False when it is null. */
static bool hr_row_time(const hr_column *column, int64_t row, int64_t *time)
{
    if (HR_UNLIKELY(hr_column_is_null(column, row)))
        return false;
    *time = column->type->kind == HR_DATE ? hr_micros_of_days(hr_column_get_int32(column, row)) : hr_column_get_int64(column, row);
    return true;
}

/* The lane brings rows again: it must not open what was closed without it. */
static int hr_lane_wake(hr_windows *windows, hr_lane *lane, int64_t offset, hr_error *error)
{
    if (offset >= lane->replay_until && windows->closed > hr_lane_watermark(lane, windows->options.lateness)) {
        hr_lane_event event = {.offset = offset, .floor = windows->closed, .epoch = windows->epoch, .kind = HR_LANE_FLOOR};

        HR_RETURN_NOT_OK(hr_lane_note(lane, &event, error));
        lane->floor = windows->closed;
    }
    lane->idle = false;
    lane->idle_then = lane->idle_then && offset < lane->replay_until;
    return HR_OK;
}

/* One row. On failure it has had no effect, though a vote may have been counted out. */
static int hr_windows_add_row(hr_windows *windows, hr_lane *lane, const hr_batch *rows, int64_t row, int64_t upper, int64_t offset,
                              hr_error *error)
{
    int64_t time = 0;
    bool timed = hr_row_time(&rows->columns[windows->options.time], row, &time);

    if (HR_UNLIKELY(lane->event_at < lane->event_count))
        HR_RETURN_NOT_OK(hr_windows_replay_events(windows, lane, offset, error));
    if (HR_UNLIKELY(lane->idle || lane->idle_then) && (lane->idle || offset >= lane->replay_until))
        HR_RETURN_NOT_OK(hr_lane_wake(windows, lane, offset, error));
    HR_RETURN_NOT_OK(hr_settled_reserve(windows, error));
    if (HR_UNLIKELY(!timed || time == INT64_MIN || time == INT64_MAX)) {
        hr_windows_tell(windows, lane, offset, timed ? HR_VERDICT_NO_WINDOW : HR_VERDICT_NO_TIME, 0);
        return HR_OK;
    }
    if (HR_UNLIKELY(hr_lane_jumps(lane, time, windows->options.lateness, windows->options.jump)))
        return hr_held_add(windows, lane, rows, row, time, offset, error);
    if (HR_UNLIKELY(lane->held_count > 0) && lane->behind + 1 >= windows->options.votes)
        HR_RETURN_NOT_OK(hr_held_refuse(windows, lane, error));
    HR_RETURN_NOT_OK(hr_settled_reserve(windows, error));
    if (HR_UNLIKELY(windows->unprepared)) {
        HR_RETURN_NOT_OK(hr_windows_prepare(windows, rows, row, upper, error));
        windows->unprepared = false;
    }
    HR_RETURN_NOT_OK(hr_windows_count(windows, lane, rows, row, time, offset, error));
    lane->behind += lane->held_count > 0;
    return HR_OK;
}

/* A vote is won as soon as enough rows are held; what memory did not suffice for is made up for before the next row. */
static int hr_windows_count_votes(hr_windows *windows, hr_lane *lane, hr_error *error)
{
    if (HR_LIKELY(lane->held_count < windows->options.votes && !lane->won))
        return HR_OK;
    if (!lane->won)
        lane->bound = hr_lane_bound(lane, windows->options.jump);
    return hr_held_confirm(windows, lane, error);
}

/* Rows of one piece. */
static int hr_windows_add_piece(hr_windows *windows, hr_lane *lane, const hr_batch *rows, int64_t lower, int64_t upper,
                                const int64_t *offsets, int64_t *done, hr_error *error)
{
    HR_RETURN_NOT_OK(hr_windows_count_votes(windows, lane, error));
    HR_RETURN_NOT_OK(hr_windows_prepare(windows, rows, lower, upper, error));
    windows->unprepared = false;
    for (int64_t row = lower; row < upper; row++) {
        int64_t offset = offsets != NULL ? offsets[row] : lane->position == INT64_MIN ? 0 : lane->position;

        if (HR_LIKELY(offset >= lane->position)) { /* not seen before */
            lane->at = offset;
            HR_RETURN_NOT_OK(hr_windows_add_row(windows, lane, rows, row, upper, offset, error));
            lane->position = offset + 1;
            lane->rows++;
        }
        *done = row + 1;
        HR_RETURN_NOT_OK(hr_windows_count_votes(windows, lane, error));
    }
    return HR_OK;
}

int hr_windows_add(hr_windows *windows, int32_t lane, const hr_batch *rows, int64_t lower, int64_t upper, const int64_t *offsets,
                   int64_t *done, hr_error *error)
{
    hr_lane *found;

    *done = lower;
    if (rows->schema != windows->schema)
        return hr_error_set(error, HR_EUSAGE, "windows: the rows have another schema than the windows were made for");
    HR_RETURN_NOT_OK(hr_windows_make_lane(windows, lane, &found, error));
    while (lower < upper) {
        int64_t until = upper - lower > HR_WINDOW_PIECE ? lower + HR_WINDOW_PIECE : upper;

        HR_RETURN_NOT_OK(hr_windows_add_piece(windows, found, rows, lower, until, offsets, done, error));
        lower = until;
    }
    return HR_OK;
}
