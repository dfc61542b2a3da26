/* csrc/core/window/session.c: sessions of one key lie apart: a list, the latest first. */
#include "windows.h"

/* The link in the key's list that leads to the first session which does not lie wholly after [.., until). NULL when the key has no list.
 * The list's head is in the map, so the link to it is *head. */
static int32_t *hr_session_find(hr_windows *windows, int32_t *head, int64_t until)
{
    int32_t *link = head;

    while (*link >= 0 && windows->windows[*link].start >= until)
        link = &windows->windows[*link].next;
    return link;
}

/* Put the window into the list before what the link leads to. Room in the map must have been made. */
static void hr_session_link(hr_windows *windows, int32_t index, int32_t head)
{
    hr_window *window = &windows->windows[index];
    int32_t first = head, *link = hr_session_find(windows, &first, window->start);

    window->next = *link;
    *link = index;
    hr_map_put(&windows->by_start, window->spec, window->key, first);
}

void hr_session_unlink(hr_windows *windows, int32_t index)
{
    const hr_window *window = &windows->windows[index];
    int32_t head = hr_map_get(&windows->by_start, window->spec, window->key), *link = &head;

    while (*link >= 0 && *link != index)
        link = &windows->windows[*link].next;
    if (*link < 0)
        return;
    *link = window->next;
    if (head < 0)
        hr_map_remove(&windows->by_start, window->spec, window->key);
    else
        hr_map_put(&windows->by_start, window->spec, window->key, head);
}

/* A new session of one row. */
static int hr_session_open(hr_windows *windows, int32_t spec, uint32_t key, int64_t time, int32_t head, const hr_batch *rows, int64_t row,
                           hr_target *target, hr_error *error)
{
    int32_t index;
    int rc;

    HR_RETURN_NOT_OK(hr_map_reserve(&windows->by_start, 1, error));
    HR_RETURN_NOT_OK(hr_window_new(windows, spec, time, time + windows->plans[spec].spec.gap, &index, error));
    windows->windows[index].key = key;
    hr_session_link(windows, index, head);
    rc = hr_group_get(windows, index, key, &target->group, error);
    if (rc != HR_OK) {
        hr_window_discard_empty(windows, index);
        return rc;
    }
    rc = hr_group_reserve(windows, hr_group_at(windows, target->group), rows, row, error);
    if (rc != HR_OK)
        hr_group_discard_empty(windows, target->group);
    return rc;
}

int hr_session_prepare(hr_windows *windows, int32_t spec, uint32_t key, int64_t time, const hr_batch *rows, int64_t row, hr_target *target,
                       hr_error *error)
{
    int32_t head = hr_map_get(&windows->by_start, spec, key), first = head, later, earlier;

    *target = (hr_target){.group = -1, .merge = -1, .time = time};
    later = *hr_session_find(windows, &first, time + windows->plans[spec].spec.gap);
    if (later < 0 || windows->windows[later].end <= time)
        return hr_session_open(windows, spec, key, time, head, rows, row, target, error);
    target->group = windows->windows[later].groups;
    earlier = windows->windows[later].next;
    if (earlier < 0 || windows->windows[earlier].end <= time)
        return hr_group_reserve(windows, hr_group_at(windows, target->group), rows, row, error);
    target->merge = earlier;
    return hr_group_reserve_merge(windows, hr_group_at(windows, target->group), hr_group_at(windows, windows->windows[earlier].groups),
                                  rows, row, error);
}

/* `from` becomes part of the group's window. */
static void hr_session_join(hr_windows *windows, hr_group *group, int32_t from)
{
    hr_window *window = &windows->windows[group->window], *other = &windows->windows[from];

    hr_group_merge(windows, group, hr_group_at(windows, other->groups));
    window->start = other->start < window->start ? other->start : window->start;
    window->end = other->end > window->end ? other->end : window->end;
    window->epoch = other->epoch < window->epoch ? other->epoch : window->epoch;
    hr_window_forget(windows, from);
}

void hr_session_commit(hr_windows *windows, const hr_target *target)
{
    hr_group *group = hr_group_at(windows, target->group);
    hr_window *window = &windows->windows[group->window];
    int64_t end = target->time + windows->plans[window->spec].spec.gap;

    if (target->merge >= 0)
        hr_session_join(windows, group, target->merge);
    if (target->time < window->start)
        window->start = target->time;
    if (end > window->end)
        window->end = end;
}

int hr_session_insert(hr_windows *windows, int32_t index, hr_error *error)
{
    hr_window *window = &windows->windows[index];
    int rc = hr_map_reserve(&windows->by_start, 1, error);

    while (rc == HR_OK) {
        int32_t first = hr_map_get(&windows->by_start, window->spec, window->key);
        int32_t touched = *hr_session_find(windows, &first, window->end);
        hr_group *group = hr_group_at(windows, window->groups);

        if (touched < 0 || windows->windows[touched].end <= window->start)
            break;
        rc = hr_group_reserve_merge(windows, group, hr_group_at(windows, windows->windows[touched].groups), NULL, 0, error);
        if (rc == HR_OK)
            hr_session_join(windows, group, touched);
    }
    if (rc == HR_OK)
        hr_session_link(windows, index, hr_map_get(&windows->by_start, window->spec, window->key));
    return rc;
}
