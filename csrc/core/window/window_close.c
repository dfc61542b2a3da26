/* csrc/core/window/window_close.c: closing windows, and their rows. */
#include "value.h"
#include "windows.h"

#define HR_RESULT_BYTES 256               /* what a row of results takes, about */
#define HR_SESSION_PART INT64_C(60000000) /* sessions that have been open longer are sent in parts; or longer than their gap */

/* ---- order ---- */

static int hr_windows_compare(const hr_windows *windows, int32_t a, int32_t b)
{
    const hr_window *x = &windows->windows[a], *y = &windows->windows[b];

    if (x->end != y->end)
        return x->end < y->end ? -1 : 1;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    if (x->spec != y->spec)
        return x->spec < y->spec ? -1 : 1;
    return 0;
}

static int hr_keys_compare(const hr_windows *windows, uint32_t a, uint32_t b)
{
    for (int32_t i = 0; a != b && i < windows->key_schema->count; i++) {
        int order = hr_value_compare(&windows->keys.rows->columns[i], a, b);

        if (order != 0)
            return order;
    }
    return 0;
}

/* Sessions that begin and end together stand in the order of their keys. */
static int hr_windows_compare_entries(const hr_windows *windows, int32_t a, int32_t b, bool groups)
{
    int order;

    if (groups)
        return hr_keys_compare(windows, hr_group_at(windows, a)->key, hr_group_at(windows, b)->key);
    order = hr_windows_compare(windows, a, b);
    if (order == 0 && windows->plans[windows->windows[a].spec].spec.kind == HR_WINDOW_SESSION)
        order = hr_keys_compare(windows, windows->windows[a].key, windows->windows[b].key);
    return order;
}

static void hr_sift(const hr_windows *windows, int32_t *list, int32_t at, int32_t count, bool groups)
{
    int32_t moved = list[at];

    for (;;) {
        int32_t child = 2 * at + 1;

        if (child >= count)
            break;
        if (child + 1 < count && hr_windows_compare_entries(windows, list[child], list[child + 1], groups) < 0)
            child++;
        if (hr_windows_compare_entries(windows, moved, list[child], groups) >= 0)
            break;
        list[at] = list[child];
        at = child;
    }
    list[at] = moved;
}

void hr_windows_sort(const hr_windows *windows, int32_t *list, int32_t count, bool groups)
{
    for (int32_t i = count / 2 - 1; i >= 0; i--)
        hr_sift(windows, list, i, count, groups);
    for (int32_t i = count - 1; i > 0; i--) {
        int32_t last = list[i];

        list[i] = list[0];
        list[0] = last;
        hr_sift(windows, list, 0, i, groups);
    }
}

/* ---- rows ---- */

/* One row of a group. On failure the columns may be longer than the batch: the caller truncates. */
static int hr_result_row(const hr_windows *windows, const hr_group *group, bool final, hr_batch *results, hr_error *error)
{
    const hr_window *window = &windows->windows[group->window];
    const hr_plan *plan = &windows->plans[window->spec];
    hr_column *column = results->columns;

    if (windows->options.name_windows)
        HR_RETURN_NOT_OK(hr_column_append_bytes(column++, plan->spec.name, strlen(plan->spec.name), error));
    HR_RETURN_NOT_OK(hr_column_append_int64(column++, window->start, error));
    HR_RETURN_NOT_OK(hr_column_append_int64(column++, window->end, error));
    for (int32_t i = 0; i < windows->key_schema->count; i++)
        HR_RETURN_NOT_OK(hr_window_copy_value(&windows->keys.rows->columns[i], group->key, column++, error));
    for (int32_t i = 0; i < windows->options.aggregate_count; i++) {
        const hr_aggregate *aggregate = &windows->aggregates[i];

        HR_RETURN_NOT_OK(aggregate->ops->result(aggregate, hr_group_state(group, aggregate), column++, error));
    }
    if (windows->options.early)
        HR_RETURN_NOT_OK(hr_column_append_bool(column++, final, error));
    return HR_OK;
}

/* All rows of a window, in the order of keys: all or none. `changed`: only of groups that changed since their last early row. */
static int hr_result_rows(hr_windows *windows, int32_t index, bool final, bool changed, hr_batch *results, hr_error *error)
{
    int64_t before = results->length;
    int32_t count = 0, *list;
    int rc = HR_OK;

    for (int32_t g = windows->windows[index].groups; g >= 0; g = hr_group_at(windows, g)->next)
        count++;
    list = hr_malloc((size_t)count * sizeof(*list) + 1);
    if (list == NULL)
        return hr_error_nomem(error);
    count = 0;
    for (int32_t g = windows->windows[index].groups; g >= 0; g = hr_group_at(windows, g)->next)
        if (!changed || hr_group_at(windows, g)->changed)
            list[count++] = g;
    hr_windows_sort(windows, list, count, true);
    for (int32_t i = 0; rc == HR_OK && i < count; i++) {
        rc = hr_result_row(windows, hr_group_at(windows, list[i]), final, results, error);
        if (rc == HR_OK)
            results->length++;
    }
    if (rc != HR_OK)
        hr_batch_truncate(results, before);
    for (int32_t i = 0; rc == HR_OK && i < count; i++)
        hr_group_at(windows, list[i])->changed = false;
    hr_free(list);
    return rc;
}

/* ---- closing ---- */

int hr_windows_purge(hr_windows *windows, hr_error *error)
{
    int32_t *due, count;

    if (!windows->replaying)
        return HR_OK;
    for (int32_t i = 0; i < windows->lane_count; i++) {
        hr_lane *lane = &windows->lanes[i];

        if (lane->position < lane->replay_until)
            return HR_OK;
        HR_RETURN_NOT_OK(hr_windows_replay_events(windows, lane, lane->position, error));
    }
    HR_RETURN_NOT_OK(hr_windows_due(windows, windows->closed, &due, &count, error));
    for (int32_t i = 0; i < count; i++)
        hr_window_forget(windows, due[i]);
    hr_free(due);
    windows->replaying = false;
    windows->epoch = windows->resumed_epoch;
    hr_windows_forget_slots(windows);
    return HR_OK;
}

/* What the watermark allows to close: INT64_MIN for nothing. */
static int64_t hr_windows_closable(hr_windows *windows, bool all)
{
    int64_t watermark = hr_windows_watermark(windows);

    if (all)
        return INT64_MAX;
    return watermark > windows->closed ? watermark : windows->closed;
}

/* After everything was closed, what still comes is late. */
static void hr_windows_end(hr_windows *windows)
{
    for (int32_t i = 0; i < windows->lane_count; i++)
        windows->lanes[i].floor = INT64_MAX;
}

/* About how many bytes a window gives. */
static size_t hr_window_bytes(const hr_windows *windows, int32_t index, bool partial)
{
    size_t bytes = 0;

    for (int32_t g = windows->windows[index].groups; g >= 0; g = hr_group_at(windows, g)->next) {
        bytes += HR_RESULT_BYTES;
        for (int32_t i = 0; partial && i < windows->options.aggregate_count; i++) {
            const hr_aggregate *aggregate = &windows->aggregates[i];

            if (aggregate->ops->memory != NULL)
                bytes += aggregate->ops->memory(aggregate, hr_group_state(hr_group_at(windows, g), aggregate));
        }
    }
    return bytes;
}

/* How many of these windows, in their order, to close now: `most` bytes of them, and those that end with the last one. */
static int32_t hr_windows_some(const hr_windows *windows, const int32_t *due, int32_t count, size_t most, bool partial)
{
    size_t bytes = 0;

    for (int32_t i = 0; most != SIZE_MAX && i < count; i++) {
        if (i > 0 && bytes >= most && windows->windows[due[i]].end != windows->windows[due[i - 1]].end)
            return i;
        bytes += hr_window_bytes(windows, due[i], partial);
    }
    return count;
}

/* The first `some` of `count` windows are all that is closed by now. */
static int64_t hr_windows_until(const hr_windows *windows, const int32_t *due, int32_t some, int32_t count, int64_t until)
{
    int64_t end;

    if (some == count)
        return until;
    end = windows->windows[due[some - 1]].end;
    return end > windows->closed ? end : windows->closed;
}

/* All windows are closed, a part of them now, up to `until`: what comes later is late for these, though no watermark has come so far. */
static int hr_windows_end_some(hr_windows *windows, int64_t until, hr_error *error)
{
    for (int32_t i = 0; i < windows->lane_count; i++)
        HR_RETURN_NOT_OK(hr_windows_raise(windows, windows->lanes[i].id, until, error));
    return HR_OK;
}

int hr_windows_close_some(hr_windows *windows, bool all, size_t most, bool *more, hr_batch *results, hr_error *error)
{
    int64_t until;
    int32_t *due, count, some, done = 0;
    int rc = HR_OK;

    *more = false;
    if (results->schema != windows->results)
        return hr_error_set(error, HR_EUSAGE, "windows: the batch for results was made for another schema");
    HR_RETURN_NOT_OK(hr_windows_purge(windows, error));
    if (windows->replaying && !all)
        return HR_OK;
    until = hr_windows_closable(windows, all);
    HR_RETURN_NOT_OK(hr_windows_due(windows, until, &due, &count, error));
    hr_windows_sort(windows, due, count, false);
    some = hr_windows_some(windows, due, count, most, false);
    until = hr_windows_until(windows, due, some, count, until);
    if (all && some < count)
        rc = hr_windows_end_some(windows, until, error);
    for (; rc == HR_OK && done < some; done += rc == HR_OK) {
        int64_t before = results->length;

        rc = hr_result_rows(windows, due[done], true, false, results, error);
        if (rc == HR_OK) {
            windows->result_rows += results->length - before;
            hr_window_forget(windows, due[done]);
        }
    }
    for (int32_t i = done; i < count; i++)
        hr_windows_put_back(windows, due[i]);
    hr_free(due);
    if (count > 0)
        hr_windows_forget_slots(windows);
    if (rc != HR_OK)
        return rc;
    *more = some < count;
    windows->closed = until;
    if (all && !*more)
        hr_windows_end(windows);
    hr_windows_collect(windows);
    return HR_OK;
}

int hr_windows_close(hr_windows *windows, bool all, hr_batch *results, hr_error *error)
{
    bool more;

    return hr_windows_close_some(windows, all, SIZE_MAX, &more, results, error);
}

/* ---- for a second stage ---- */

void hr_windows_forget_sessions(hr_windows *windows)
{
    for (int32_t i = 0; i < windows->window_count; i++)
        if (windows->windows[i].spec >= 0 && windows->plans[windows->windows[i].spec].spec.kind == HR_WINDOW_SESSION)
            hr_window_forget(windows, i);
}

static bool hr_window_is_open_session(const hr_windows *windows, int32_t index, int64_t until)
{
    const hr_window *window = &windows->windows[index];

    return window->spec >= 0 && window->end > until && windows->plans[window->spec].spec.kind == HR_WINDOW_SESSION;
}

/* What is still open after `until` begins not before this: a session that is open may touch one that was sent by another worker. */
static int64_t hr_windows_sendable(const hr_windows *windows, int64_t until)
{
    int64_t lowest = until;

    for (int32_t i = 0; i < windows->window_count; i++)
        if (hr_window_is_open_session(windows, i, until) && windows->windows[i].start < lowest)
            lowest = windows->windows[i].start;
    return lowest;
}

/* Whether it is time to send open sessions in parts: one of them has been open for so long that others wait for it. Parts touch, so that
 * the second stage makes one of them; but numbers of different values do not add then. One lane: the parts are noted with its position. */
static bool hr_windows_part_sessions(const hr_windows *windows, int64_t until)
{
    bool part = false;

    if (windows->lane_count != 1)
        return false;
    for (int32_t i = 0; windows->options.keyed && i < windows->options.aggregate_count; i++)
        if (hr_aggregate_is_set(&windows->aggregates[i]))
            return false;
    for (int32_t i = 0; !part && i < windows->window_count; i++) {
        if (hr_window_is_open_session(windows, i, until)) {
            int64_t gap = windows->plans[windows->windows[i].spec].spec.gap;

            part = windows->windows[i].start < hr_time_minus(until, gap < HR_SESSION_PART ? gap : HR_SESSION_PART);
        }
    }
    return part;
}

/* All open sessions behind the windows that are due, and a note that they are sent. */
static int hr_windows_add_parts(hr_windows *windows, int64_t until, int32_t **due, int32_t *count, hr_error *error)
{
    hr_lane *lane = &windows->lanes[0];
    hr_lane_event event = {.offset = lane->position, .epoch = windows->epoch, .kind = HR_LANE_SENT};
    int32_t *grown = hr_realloc(*due, (size_t)windows->window_open * sizeof(**due) + 1);

    if (grown == NULL)
        return hr_error_nomem(error);
    *due = grown;
    HR_RETURN_NOT_OK(hr_lane_note(lane, &event, error));
    for (int32_t i = 0; i < windows->window_count; i++)
        if (hr_window_is_open_session(windows, i, until))
            (*due)[(*count)++] = i;
    return HR_OK;
}

/* Send these windows; sendable: nothing that is still to be sent begins before. */
static int hr_windows_send(hr_windows *windows, const int32_t *list, int32_t count, int64_t sendable, hr_buffer *out, hr_error *error)
{
    int64_t sent = windows->sent;
    int rc;

    if (count == 0 && sendable <= sent)
        return HR_OK;
    windows->sent = sendable > sent ? sendable : sent;
    rc = hr_windows_write(windows, list, count, true, true, out, error);
    if (rc != HR_OK)
        windows->sent = sent;
    return rc;
}

int hr_windows_close_partial_some(hr_windows *windows, bool all, size_t most, bool *more, hr_buffer *out, hr_error *error)
{
    int64_t until;
    int32_t *due, ended, count, some;
    bool parts = false;
    int rc = HR_OK;

    *more = false;
    HR_RETURN_NOT_OK(hr_windows_purge(windows, error));
    if (windows->replaying && !all)
        return HR_OK;
    until = hr_windows_closable(windows, all);
    HR_RETURN_NOT_OK(hr_windows_due(windows, until, &due, &count, error));
    hr_windows_sort(windows, due, count, false);
    ended = count;
    some = hr_windows_some(windows, due, count, most, true);
    until = hr_windows_until(windows, due, some, count, until);
    if (all && some < count)
        rc = hr_windows_end_some(windows, until, error);
    if (rc == HR_OK && some == count && hr_windows_part_sessions(windows, until)) {
        rc = hr_windows_add_parts(windows, until, &due, &count, error);
        parts = rc == HR_OK;
        some = count;
    }
    if (rc == HR_OK)
        rc = hr_windows_send(windows, due, some, parts ? until : hr_windows_sendable(windows, until), out, error);
    if (rc != HR_OK && parts) { /* they are in the heap still, and were not sent */
        windows->lanes[0].event_count--;
        windows->lanes[0].event_at = windows->lanes[0].event_count;
    }
    for (int32_t i = 0; rc == HR_OK && i < some; i++)
        hr_window_forget(windows, due[i]);
    for (int32_t i = rc == HR_OK ? some : 0; i < ended; i++)
        hr_windows_put_back(windows, due[i]);
    hr_free(due);
    HR_RETURN_NOT_OK(rc);
    *more = some < count;
    windows->closed = until;
    if (count > 0)
        hr_windows_forget_slots(windows);
    if (all && !*more)
        hr_windows_end(windows);
    hr_windows_collect(windows);
    return HR_OK;
}

int hr_windows_close_partial(hr_windows *windows, bool all, hr_buffer *out, hr_error *error)
{
    bool more;

    return hr_windows_close_partial_some(windows, all, SIZE_MAX, &more, out, error);
}

int hr_windows_early(hr_windows *windows, hr_batch *results, hr_error *error)
{
    int64_t before = results->length;
    int32_t *open, count = 0;
    int rc = HR_OK;

    if (!windows->options.early || results->schema != windows->results)
        return hr_error_set(error, HR_EUSAGE, "windows: early rows were not asked for when the windows were made");
    HR_RETURN_NOT_OK(hr_windows_purge(windows, error));
    if (windows->replaying)
        return HR_OK;
    open = hr_malloc((size_t)windows->window_open * sizeof(*open) + 1);
    if (open == NULL)
        return hr_error_nomem(error);
    for (int32_t i = 0; i < windows->window_count; i++)
        if (windows->windows[i].spec >= 0)
            open[count++] = i;
    hr_windows_sort(windows, open, count, false);
    for (int32_t i = 0; rc == HR_OK && i < count; i++)
        rc = hr_result_rows(windows, open[i], false, true, results, error);
    hr_free(open);
    windows->result_rows += results->length - before;
    return rc;
}
