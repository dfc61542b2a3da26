/* csrc/core/window/window_close.c: closing windows, and their rows. */
#include "value.h"
#include "windows.h"

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

int hr_windows_close(hr_windows *windows, bool all, hr_batch *results, hr_error *error)
{
    int64_t until;
    int32_t *due, count, done = 0;
    int rc = HR_OK;

    if (results->schema != windows->results)
        return hr_error_set(error, HR_EUSAGE, "windows: the batch for results was made for another schema");
    HR_RETURN_NOT_OK(hr_windows_purge(windows, error));
    if (windows->replaying && !all)
        return HR_OK;
    until = hr_windows_closable(windows, all);
    HR_RETURN_NOT_OK(hr_windows_due(windows, until, &due, &count, error));
    hr_windows_sort(windows, due, count, false);
    for (; rc == HR_OK && done < count; done += rc == HR_OK) {
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
    windows->closed = until;
    if (all)
        hr_windows_end(windows);
    hr_windows_collect(windows);
    return HR_OK;
}

/* What is still open after `until` begins not before this: a session that is open may touch one that was sent by another worker. */
static int64_t hr_windows_sendable(const hr_windows *windows, int64_t until)
{
    int64_t lowest = until;

    for (int32_t i = 0; i < windows->window_count; i++) {
        const hr_window *window = &windows->windows[i];

        if (window->spec >= 0 && window->end > until && window->start < lowest &&
            windows->plans[window->spec].spec.kind == HR_WINDOW_SESSION)
            lowest = window->start;
    }
    return lowest;
}

int hr_windows_close_partial(hr_windows *windows, bool all, hr_buffer *out, hr_error *error)
{
    int64_t until, sendable, sent = windows->sent;
    int32_t *due, count;
    int rc = HR_OK;

    HR_RETURN_NOT_OK(hr_windows_purge(windows, error));
    if (windows->replaying && !all)
        return HR_OK;
    until = hr_windows_closable(windows, all);
    HR_RETURN_NOT_OK(hr_windows_due(windows, until, &due, &count, error));
    hr_windows_sort(windows, due, count, false);
    sendable = hr_windows_sendable(windows, until);
    if (count > 0 || sendable > sent) {
        windows->sent = sendable > sent ? sendable : sent;
        rc = hr_windows_write(windows, due, count, true, true, out, error);
        if (rc != HR_OK)
            windows->sent = sent;
    }
    for (int32_t i = 0; i < count; i++) {
        if (rc == HR_OK)
            hr_window_forget(windows, due[i]);
        else
            hr_windows_put_back(windows, due[i]);
    }
    hr_free(due);
    HR_RETURN_NOT_OK(rc);
    windows->closed = until;
    if (count > 0)
        hr_windows_forget_slots(windows);
    if (all)
        hr_windows_end(windows);
    hr_windows_collect(windows);
    return HR_OK;
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
