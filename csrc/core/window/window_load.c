/* csrc/core/window/window_load.c: states from bytes, which may be damaged or made up: every count is held against what can follow. */
#include "windows.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/bytes.h"
#include "save.h"

typedef struct hr_saved {
    hr_wire in;
    uint8_t flags;
    int64_t closed, epoch, result_rows;
    uint64_t lanes;
} hr_saved;

/* A count of rows that adds up with others. */
static bool hr_load_rows(hr_wire *in, int64_t *rows)
{
    return hr_wire_i64(in, rows) && *rows >= 0 && *rows <= INT64_C(1) << 56;
}

/* Check the frame and read the head. */
static int hr_load_head(const hr_windows *windows, const void *bytes, size_t n, hr_saved *saved, hr_error *error)
{
    hr_wire *in = &saved->in, tail;
    uint64_t sum, fingerprint;
    uint8_t version;

    *in = (hr_wire){bytes, (const uint8_t *)bytes + n};
    if (n < HR_SAVE_MAGIC_SIZE + 8 || memcmp(bytes, HR_SAVE_MAGIC, HR_SAVE_MAGIC_SIZE) != 0)
        return hr_wire_damaged("these bytes are no state of windows", error);
    in->p += HR_SAVE_MAGIC_SIZE;
    in->end -= 8;
    tail = (hr_wire){in->end, in->end + 8};
    if (!hr_wire_u64(&tail, &sum) || sum != XXH3_64bits(bytes, n - 8))
        return hr_wire_damaged("the checksum differs", error);
    if (!hr_wire_u8(in, &version) || version != HR_SAVE_VERSION)
        return hr_error_set(error, HR_EUSAGE, "the saved state of the windows was written by another version of Headrace");
    if (!hr_wire_u8(in, &saved->flags) || saved->flags > (HR_SAVE_WINDOWS | HR_SAVE_PARTIAL) || !hr_wire_u64(in, &fingerprint))
        return hr_wire_damaged("its head", error);
    if (fingerprint != windows->fingerprint)
        return hr_error_set(error, HR_EUSAGE,
                            "the saved state belongs to windows with other settings (sizes, zone, lateness, keys, "
                            "aggregates): go on with those, or start anew under another name");
    if (!hr_wire_i64(in, &saved->closed) || !hr_wire_i64(in, &saved->epoch) || saved->epoch < 0 || !hr_load_rows(in, &saved->result_rows) ||
        !hr_wire_count(in, 64, &saved->lanes) || saved->lanes > INT32_MAX)
        return hr_wire_damaged("its head", error);
    return HR_OK;
}

/* Append one value to the column, as hr_save_value wrote it. */
static int hr_load_value(hr_wire *in, hr_column *column, hr_error *error)
{
    int32_t n;

    if (in->end - in->p < 4)
        return hr_wire_damaged("a value", error);
    n = (int32_t)hr_load_be32(in->p);
    in->p += 4;
    if (n == -1)
        return hr_column_append_null(column, error);
    if (n < 0 || n > in->end - in->p)
        return hr_wire_damaged("a value", error);
    in->p += n;
    return hr_type_ops_of(column->type)->read_binary(column->type, in->p - n, n, column, error);
}

static int hr_load_held(const hr_windows *windows, hr_wire *in, hr_lane_held *held, hr_error *error)
{
    int rc = HR_OK;

    if (!hr_wire_i64(in, &held->offset) || !hr_wire_i64(in, &held->time))
        return hr_wire_damaged("a held row", error);
    HR_RETURN_NOT_OK(hr_batch_new(windows->schema, &held->row, error));
    for (int32_t i = 0, used = 0; rc == HR_OK && i < windows->schema->count; i++) {
        bool is = used < windows->used->count && windows->used_columns[used] == i;

        rc = is ? hr_load_value(in, &held->row->columns[i], error) : hr_column_append_null(&held->row->columns[i], error);
        used += is;
    }
    if (rc == HR_OK && windows->schema->default_count > 0) {
        rc = hr_batch_reserve_absent(held->row, error);
        if (rc == HR_OK)
            held->row->absent[0] = 0;
    }
    if (rc != HR_OK)
        hr_batch_free(held->row);
    else
        held->row->length = 1;
    return rc;
}

/* A lane that is not known yet, without a past. */
static int hr_load_make_lane(hr_windows *windows, int32_t id, hr_lane **lane, hr_error *error)
{
    int64_t closed = windows->closed;
    int rc;

    windows->closed = HR_NO_WATERMARK; /* its floors are in its events */
    rc = hr_windows_make_lane(windows, id, lane, error);
    windows->closed = closed;
    return rc;
}

/* Read a lane into one of its own, for the caller to free. */
static int hr_load_lane(const hr_windows *windows, hr_wire *in, hr_lane *lane, hr_error *error)
{
    int64_t id, behind, idle;
    uint64_t count;

    memset(lane, 0, sizeof(*lane));
    lane->replay_until = lane->at = INT64_MIN;
    if (!hr_wire_i64(in, &id) || id < INT32_MIN || id > INT32_MAX || !hr_wire_i64(in, &lane->position) || !hr_wire_i64(in, &lane->high) ||
        !hr_wire_i64(in, &lane->floor) || !hr_load_rows(in, &lane->rows) || !hr_load_rows(in, &lane->late) ||
        !hr_load_rows(in, &lane->future) || !hr_load_rows(in, &lane->untimed) || !hr_wire_i64(in, &behind) || behind < 0 ||
        behind > windows->options.votes || !hr_wire_i64(in, &idle) || idle < 0 || idle > 1)
        return hr_wire_damaged("a lane", error);
    lane->id = (int32_t)id;
    lane->behind = (int32_t)behind;
    lane->idle = idle != 0;
    for (int32_t i = 0; i < windows->options.spec_count; i++)
        if (!hr_load_rows(in, &lane->late_by_spec[i]))
            return hr_wire_damaged("a lane", error);
    if (!hr_wire_count(in, 16, &count) || count > (uint64_t)windows->options.votes)
        return hr_wire_damaged("a lane's held rows", error);
    lane->held = hr_malloc((size_t)windows->options.votes * sizeof(*lane->held));
    if (lane->held == NULL)
        return hr_error_nomem(error);
    for (uint64_t i = 0; i < count; i++) {
        HR_RETURN_NOT_OK(hr_load_held(windows, in, &lane->held[i], error));
        lane->held_count++;
    }
    if (!hr_wire_count(in, 25, &count) || count > INT32_MAX)
        return hr_wire_damaged("a lane's events", error);
    for (uint64_t i = 0; i < count; i++) {
        hr_lane_event event;

        if (!hr_wire_i64(in, &event.offset) || !hr_wire_i64(in, &event.floor) || !hr_wire_i64(in, &event.epoch) ||
            !hr_wire_u8(in, &event.kind) || event.kind > HR_LANE_SENT)
            return hr_wire_damaged("a lane's event", error);
        HR_RETURN_NOT_OK(hr_lane_note(lane, &event, error));
    }
    return HR_OK;
}

/* ---- windows ---- */

/* Numbers of keys here for those in the state. */
static int hr_load_keys(hr_windows *windows, hr_wire *in, uint32_t **map, uint64_t *count, hr_error *error)
{
    hr_batch *row = NULL;
    int rc = HR_OK;

    if (windows->keys.rows != NULL ? !hr_wire_count(in, 4, count) : !hr_wire_varint(in, count) || *count > 1)
        return hr_wire_damaged("its keys", error);
    *map = hr_malloc((size_t)(*count + 1) * sizeof(**map));
    if (*map == NULL)
        return hr_error_nomem(error);
    if (windows->keys.rows == NULL) {
        (*map)[0] = 0;
        return HR_OK;
    }
    HR_RETURN_NOT_OK(hr_batch_new(windows->key_schema, &row, error));
    for (uint64_t i = 0; rc == HR_OK && i < *count; i++) {
        hr_batch_clear(row);
        for (int32_t k = 0; rc == HR_OK && k < windows->key_schema->count; k++)
            rc = hr_load_value(in, &row->columns[k], error);
        row->length = 1;
        if (rc == HR_OK)
            rc = hr_window_keys_intern_own(&windows->keys, row, 0, &(*map)[i], error);
    }
    hr_batch_free(row);
    return rc;
}

static int hr_load_strings(hr_aggregate *aggregate, hr_wire *in, hr_error *error)
{
    uint64_t count;

    if (!hr_wire_count(in, 1, &count))
        return hr_wire_damaged("its strings", error);
    aggregate->map = hr_malloc((size_t)(count + 1) * sizeof(*aggregate->map));
    if (aggregate->map == NULL)
        return hr_error_nomem(error);
    aggregate->map_count = count;
    for (uint64_t i = 0; i < count; i++) {
        const uint8_t *bytes;
        size_t n;

        if (!hr_wire_bytes(in, &bytes, &n))
            return hr_wire_damaged("a string", error);
        HR_RETURN_NOT_OK(hr_dictionary_intern(&aggregate->dictionary, bytes, n, &aggregate->map[i], error));
    }
    return HR_OK;
}

static int hr_load_states(const hr_windows *windows, hr_wire *in, hr_group *group, hr_error *error)
{
    for (int32_t i = 0; i < windows->options.aggregate_count; i++) {
        const hr_aggregate *aggregate = &windows->aggregates[i];

        HR_RETURN_NOT_OK(aggregate->ops->load(aggregate, hr_group_state(group, aggregate), in, error));
    }
    return HR_OK;
}

static void hr_load_free_states(const hr_windows *windows, hr_group *group)
{
    for (int32_t i = 0; i < windows->options.aggregate_count; i++)
        if (windows->aggregates[i].ops->free != NULL)
            windows->aggregates[i].ops->free(&windows->aggregates[i], hr_group_state(group, &windows->aggregates[i]));
}

/* Read a group's states into `scratch`, a block of its own, and merge them into the group (-1: nowhere). */
static int hr_load_group(hr_windows *windows, hr_wire *in, hr_group *scratch, int32_t index, int64_t rows, hr_error *error)
{
    int rc;

    memset(scratch, 0, windows->block);
    for (int32_t i = 0; i < windows->options.aggregate_count; i++)
        windows->aggregates[i].ops->init(&windows->aggregates[i], hr_group_state(scratch, &windows->aggregates[i]));
    rc = hr_load_states(windows, in, scratch, error);
    scratch->rows = rows;
    if (rc == HR_OK && index >= 0) {
        hr_group *group = hr_group_at(windows, index);

        rc = hr_group_reserve_merge(windows, group, scratch, NULL, 0, error);
        if (rc == HR_OK)
            hr_group_merge(windows, group, scratch);
    }
    hr_load_free_states(windows, scratch);
    return rc;
}

/* Whether the spec has such a window. */
static bool hr_load_window_is_sound(hr_windows *windows, int32_t spec, int64_t start, int64_t end)
{
    hr_plan *plan = &windows->plans[spec];

    if (plan->spec.kind == HR_WINDOW_SESSION)
        return start > INT64_MIN + 1 && end <= INT64_MAX - plan->spec.gap && end > start &&
               (uint64_t)end - (uint64_t)start >= (uint64_t)plan->spec.gap;
    hr_windows_forget_slots(windows);
    return hr_window_slot_of(&plan->spec, windows->zone, start, &plan->slot) && plan->slot.count > 0 && plan->slot.starts[0] == start &&
           plan->slot.ends[0] == end;
}

/* Where a saved group goes: its group's index, or -1 when its window is closed here. */
static int hr_load_place(hr_windows *windows, int32_t spec, int64_t start, int64_t end, int64_t epoch, uint32_t key, int32_t *index,
                         hr_error *error)
{
    int32_t window;
    int rc;

    *index = -1;
    if (end <= windows->closed && !windows->replaying)
        return HR_OK;
    if (windows->plans[spec].spec.kind == HR_WINDOW_SESSION)
        rc = hr_window_new(windows, spec, start, end, &window, error);
    else
        rc = hr_window_get(windows, spec, start, end, &window, error);
    HR_RETURN_NOT_OK(rc);
    windows->windows[window].key = key;
    if (epoch < windows->windows[window].epoch)
        windows->windows[window].epoch = epoch;
    rc = hr_group_get(windows, window, key, index, error);
    if (rc != HR_OK)
        hr_window_discard_empty(windows, window);
    return rc;
}

static int hr_load_window(hr_windows *windows, hr_wire *in, const uint32_t *keys, uint64_t key_count, hr_group *scratch, bool partial,
                          int64_t *late, hr_error *error)
{
    uint64_t spec, groups, key, rows;
    int64_t start, end, epoch;
    int rc = HR_OK;

    if (!hr_wire_varint(in, &spec) || spec >= (uint64_t)windows->options.spec_count || !hr_wire_i64(in, &start) || !hr_wire_i64(in, &end) ||
        !hr_wire_i64(in, &epoch) || epoch < 0 || !hr_wire_count(in, 2, &groups))
        return hr_wire_damaged("a window", error);
    if (!hr_load_window_is_sound(windows, (int32_t)spec, start, end) ||
        (windows->plans[spec].spec.kind == HR_WINDOW_SESSION && groups != 1))
        return hr_wire_damaged("a window that cannot be (or the time zone has changed)", error);
    if (partial)
        epoch = INT64_MAX; /* the first stage's: it says nothing here */
    for (uint64_t g = 0; rc == HR_OK && g < groups; g++) {
        int32_t index;

        if (!hr_wire_varint(in, &key) || key >= key_count || !hr_wire_varint(in, &rows) || rows == 0 || rows > INT64_C(1) << 56)
            return hr_wire_damaged("a group", error);
        HR_RETURN_NOT_OK(hr_load_place(windows, (int32_t)spec, start, end, epoch, keys[key], &index, error));
        rc = hr_load_group(windows, in, scratch, index, (int64_t)rows, error);
        if (index < 0)
            *late += (int64_t)rows;
        else if (rc == HR_OK && windows->plans[spec].spec.kind == HR_WINDOW_SESSION)
            rc = hr_session_insert(windows, hr_group_at(windows, index)->window, error);
    }
    return rc;
}

/* Keys, dictionaries, windows. *late: rows of windows that are closed here. */
static int hr_load_windows(hr_windows *windows, hr_wire *in, bool partial, int64_t *late, hr_error *error)
{
    uint32_t *keys = NULL;
    uint64_t key_count = 0, count = 0;
    hr_group *scratch = hr_malloc(windows->block);
    int rc = scratch != NULL ? hr_load_keys(windows, in, &keys, &key_count, error) : hr_error_nomem(error);

    *late = 0;
    for (int32_t i = 0; rc == HR_OK && i < windows->options.aggregate_count; i++)
        if (windows->aggregates[i].interns)
            rc = hr_load_strings(&windows->aggregates[i], in, error);
    if (rc == HR_OK && !hr_wire_count(in, 26, &count))
        rc = hr_wire_damaged("its windows", error);
    for (uint64_t i = 0; rc == HR_OK && i < count; i++)
        rc = hr_load_window(windows, in, keys, key_count, scratch, partial, late, error);
    if (rc == HR_OK && in->p != in->end)
        rc = hr_wire_damaged("more follows its end", error);
    for (int32_t i = 0; i < windows->options.aggregate_count; i++) {
        hr_free(windows->aggregates[i].map);
        windows->aggregates[i].map = NULL;
        windows->aggregates[i].map_count = 0;
    }
    hr_windows_forget_slots(windows);
    hr_free(keys);
    hr_free(scratch);
    return rc;
}

/* ---- the three ways ---- */

int hr_windows_load(hr_windows *windows, const void *bytes, size_t n, hr_error *error)
{
    hr_saved saved;
    int64_t late;

    HR_RETURN_NOT_OK(hr_load_head(windows, bytes, n, &saved, error));
    if (windows->lane_count > 0 || windows->window_open > 0 || (saved.flags & HR_SAVE_PARTIAL))
        return hr_error_set(error, HR_EUSAGE, "windows: a state is loaded into fresh windows, and must be no partial");
    for (uint64_t i = 0; i < saved.lanes; i++) {
        hr_lane read, *lane;
        int rc = hr_load_lane(windows, &saved.in, &read, error);

        if (rc == HR_OK && hr_windows_find_lane(windows, read.id) != NULL)
            rc = hr_wire_damaged("a lane comes twice", error);
        if (rc == HR_OK)
            rc = hr_load_make_lane(windows, read.id, &lane, error);
        if (rc != HR_OK) {
            hr_lane_free(&read);
            return rc;
        }
        hr_lane_free(lane);
        *lane = read;
        lane->event_count = lane->event_at = 0; /* they have happened */
    }
    windows->epoch = saved.epoch;
    windows->result_rows = saved.result_rows;
    if (saved.flags & HR_SAVE_WINDOWS)
        HR_RETURN_NOT_OK(hr_load_windows(windows, &saved.in, false, &late, error));
    else if (saved.in.p != saved.in.end)
        return hr_wire_damaged("more follows its end", error);
    windows->closed = saved.closed;
    return HR_OK;
}

int hr_windows_resume(hr_windows *windows, const void *bytes, size_t n, hr_error *error)
{
    hr_saved saved;

    HR_RETURN_NOT_OK(hr_load_head(windows, bytes, n, &saved, error));
    if (saved.epoch < windows->epoch || (saved.flags & HR_SAVE_PARTIAL))
        return hr_error_set(error, HR_EUSAGE, "windows: the mark to go on to must be later than the state that was loaded");
    for (uint64_t i = 0; i < saved.lanes; i++) {
        hr_lane read, *lane;
        int32_t kept = 0;
        int rc = hr_load_lane(windows, &saved.in, &read, error);

        if (rc == HR_OK)
            rc = hr_load_make_lane(windows, read.id, &lane, error);
        if (rc == HR_OK) { /* what happened to the lane after the state that was loaded is to happen again */
            for (int32_t k = 0; k < read.event_count; k++)
                if (read.events[k].epoch >= windows->epoch)
                    read.events[kept++] = read.events[k];
            hr_free(lane->events);
            lane->events = read.events;
            lane->event_count = kept;
            lane->event_capacity = read.event_capacity;
            lane->event_at = 0;
            lane->replay_until = read.position;
            lane->idle = false;
            lane->idle_then = read.idle;
            read.events = NULL;
        }
        hr_lane_free(&read);
        HR_RETURN_NOT_OK(rc);
    }
    if (saved.closed > windows->closed)
        windows->closed = saved.closed;
    windows->resumed_epoch = saved.epoch;
    windows->result_rows = saved.result_rows;
    windows->replaying = true;
    return HR_OK;
}

int hr_windows_absorb(hr_windows *windows, const void *bytes, size_t n, hr_error *error)
{
    hr_saved saved;
    int32_t first = 0;
    int64_t late;

    HR_RETURN_NOT_OK(hr_load_head(windows, bytes, n, &saved, error));
    if ((saved.flags & (HR_SAVE_PARTIAL | HR_SAVE_WINDOWS)) != (HR_SAVE_PARTIAL | HR_SAVE_WINDOWS))
        return hr_error_set(error, HR_EUSAGE, "windows: a second stage absorbs what hr_windows_close_partial wrote");
    for (uint64_t i = 0; i < saved.lanes; i++) {
        hr_lane read, *lane;
        int rc = hr_load_lane(windows, &saved.in, &read, error);

        if (rc == HR_OK)
            rc = hr_windows_make_lane(windows, read.id, &lane, error);
        if (rc == HR_OK) {
            lane->floor = read.floor > lane->floor ? read.floor : lane->floor;
            lane->idle = false;
            lane->rows = read.rows;
            lane->late = read.late;
            lane->future = read.future;
            lane->untimed = read.untimed;
            memcpy(lane->late_by_spec, read.late_by_spec, sizeof(lane->late_by_spec));
            first = lane->id;
        }
        hr_lane_free(&read);
        HR_RETURN_NOT_OK(rc);
    }
    HR_RETURN_NOT_OK(hr_load_windows(windows, &saved.in, true, &late, error));
    if (late > 0 && saved.lanes > 0)
        hr_windows_find_lane(windows, first)->late += late;
    return HR_OK;
}
