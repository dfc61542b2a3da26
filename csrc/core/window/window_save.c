/* csrc/core/window/window_save.c: states as bytes.
 *
 *     "HRWINDOW", version, flags, fingerprint of the options, closed, epoch, result rows, lanes;
 *     with windows: keys, dictionaries, windows with their groups' states;
 *     XXH3 of all that.
 * Only keys and strings that these windows use are written; groups name them by their rank among those.
 */
#include "windows.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "save.h"

/* One value as COPY BINARY has it: a length in network order, or -1 for null. */
static int hr_save_value(const hr_column *column, int64_t row, hr_buffer *out, hr_error *error)
{
    static const uint8_t null[4] = {0xff, 0xff, 0xff, 0xff};

    if (hr_column_is_null(column, row))
        return hr_buffer_append(out, null, sizeof(null), error);
    return hr_type_ops_of(column->type)->write_binary(column->type, column, row, out, error);
}

static int hr_save_held(const hr_windows *windows, const hr_lane_held *held, hr_buffer *out, hr_error *error)
{
    HR_RETURN_NOT_OK(hr_wire_put_i64(out, held->offset, error));
    HR_RETURN_NOT_OK(hr_wire_put_i64(out, held->time, error));
    for (int32_t i = 0; i < windows->used->count; i++)
        HR_RETURN_NOT_OK(hr_save_value(&held->row->columns[windows->used_columns[i]], 0, out, error));
    return HR_OK;
}

/* In a partial, a lane's watermark is what all that is still to be sent lies after. */
static int hr_save_lane(const hr_windows *windows, const hr_lane *lane, bool partial, hr_buffer *out, hr_error *error)
{
    int64_t numbers[] = {lane->id,
                         lane->position,
                         partial ? HR_NO_WATERMARK : lane->high,
                         partial ? windows->sent : lane->floor,
                         lane->rows,
                         lane->late,
                         lane->future,
                         lane->untimed,
                         partial ? 0 : lane->behind,
                         !partial && hr_lane_is_idle(lane)};
    int32_t held = partial ? 0 : lane->held_count, events = partial ? 0 : lane->event_count;

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        HR_RETURN_NOT_OK(hr_wire_put_i64(out, numbers[i], error));
    for (int32_t i = 0; i < windows->options.spec_count; i++)
        HR_RETURN_NOT_OK(hr_wire_put_i64(out, lane->late_by_spec[i], error));
    HR_RETURN_NOT_OK(hr_wire_put_varint(out, (uint64_t)held, error));
    for (int32_t i = 0; i < held; i++)
        HR_RETURN_NOT_OK(hr_save_held(windows, &lane->held[i], out, error));
    HR_RETURN_NOT_OK(hr_wire_put_varint(out, (uint64_t)events, error));
    for (int32_t i = 0; i < events; i++) {
        const hr_lane_event *event = &lane->events[i];

        HR_RETURN_NOT_OK(hr_wire_put_i64(out, event->offset, error));
        HR_RETURN_NOT_OK(hr_wire_put_i64(out, event->floor, error));
        HR_RETURN_NOT_OK(hr_wire_put_i64(out, event->epoch, error));
        HR_RETURN_NOT_OK(hr_wire_put_u8(out, event->kind, error));
    }
    return HR_OK;
}

/* ---- windows ---- */

/* Which keys (-1) or strings of an aggregate the windows use, as a rank for each (of those that are used), and how many. */
static int hr_save_rank(const hr_windows *windows, const int32_t *list, int32_t count, int32_t aggregate, uint32_t **rank, uint32_t *used,
                        hr_error *error)
{
    const hr_aggregate *of = aggregate >= 0 ? &windows->aggregates[aggregate] : NULL;
    uint32_t all = of != NULL ? of->dictionary.count : hr_window_keys_count(&windows->keys);
    uint64_t *bits = hr_calloc(all / 64 + 1, sizeof(*bits));

    *used = 0;
    *rank = hr_malloc(((size_t)all + 1) * sizeof(**rank));
    if (bits == NULL || *rank == NULL) {
        hr_free(bits);
        return hr_error_nomem(error);
    }
    for (int32_t i = 0; i < count; i++) {
        for (int32_t g = windows->windows[list[i]].groups; g >= 0; g = hr_group_at(windows, g)->next) {
            const hr_group *group = hr_group_at(windows, g);

            if (of != NULL)
                of->ops->mark(of, hr_group_state(group, of), bits);
            else
                bits[group->key >> 6] |= UINT64_C(1) << (group->key & 63);
        }
    }
    for (uint32_t i = 0; i < all; i++) {
        bool is = (bits[i >> 6] >> (i & 63) & 1) != 0;

        (*rank)[i] = is ? (*used)++ : UINT32_MAX;
    }
    hr_free(bits);
    return HR_OK;
}

static int hr_save_keys(const hr_windows *windows, const uint32_t *rank, uint32_t used, hr_buffer *out, hr_error *error)
{
    HR_RETURN_NOT_OK(hr_wire_put_varint(out, used, error));
    for (uint32_t key = 0; key < hr_window_keys_count(&windows->keys); key++) {
        if (rank[key] == UINT32_MAX)
            continue;
        for (int32_t i = 0; i < windows->key_schema->count; i++)
            HR_RETURN_NOT_OK(hr_save_value(&windows->keys.rows->columns[i], key, out, error));
    }
    return HR_OK;
}

static int hr_save_strings(const hr_aggregate *aggregate, const uint32_t *rank, uint32_t used, hr_buffer *out, hr_error *error)
{
    HR_RETURN_NOT_OK(hr_wire_put_varint(out, used, error));
    for (uint32_t i = 0; i < aggregate->dictionary.count; i++) {
        size_t n;
        const uint8_t *bytes = hr_dictionary_get(&aggregate->dictionary, i, &n);

        if (rank[i] != UINT32_MAX)
            HR_RETURN_NOT_OK(hr_wire_put_bytes(out, bytes, n, error));
    }
    return HR_OK;
}

/* Whether a partial holds only the aggregate's number. */
static bool hr_save_as_number(const hr_windows *windows, const hr_aggregate *aggregate, bool partial)
{
    return partial && windows->options.keyed && hr_aggregate_is_set(aggregate);
}

/* A distinct count as the state of count, with which it adds. */
static int hr_save_number(const hr_aggregate *aggregate, const void *state, hr_buffer *out, hr_error *error)
{
    static const hr_type bigint = {.kind = HR_INT8, .typmod = -1, .scale = -1, .max_chars = -1, .name = "bigint"};
    hr_column column;
    int rc = hr_column_init(&column, &bigint, error);

    if (rc == HR_OK)
        rc = aggregate->ops->result(aggregate, state, &column, error);
    if (rc == HR_OK)
        rc = hr_wire_put_i64(out, hr_column_get_int64(&column, 0), error);
    hr_column_free(&column);
    return rc;
}

static int hr_save_window(const hr_windows *windows, int32_t index, uint32_t *const *ranks, bool partial, hr_buffer *out, hr_error *error)
{
    const hr_window *window = &windows->windows[index];
    uint64_t groups = 0;

    for (int32_t g = window->groups; g >= 0; g = hr_group_at(windows, g)->next)
        groups++;
    HR_RETURN_NOT_OK(hr_wire_put_varint(out, (uint64_t)window->spec, error));
    HR_RETURN_NOT_OK(hr_wire_put_i64(out, window->start, error));
    HR_RETURN_NOT_OK(hr_wire_put_i64(out, window->end, error));
    HR_RETURN_NOT_OK(hr_wire_put_i64(out, window->epoch, error));
    HR_RETURN_NOT_OK(hr_wire_put_varint(out, groups, error));
    for (int32_t g = window->groups; g >= 0; g = hr_group_at(windows, g)->next) {
        const hr_group *group = hr_group_at(windows, g);

        HR_RETURN_NOT_OK(hr_wire_put_varint(out, ranks[0][group->key], error));
        HR_RETURN_NOT_OK(hr_wire_put_varint(out, (uint64_t)group->rows, error));
        for (int32_t i = 0; i < windows->options.aggregate_count; i++) {
            const hr_aggregate *aggregate = &windows->aggregates[i];

            if (hr_save_as_number(windows, aggregate, partial))
                HR_RETURN_NOT_OK(hr_save_number(aggregate, hr_group_state(group, aggregate), out, error));
            else
                HR_RETURN_NOT_OK(aggregate->ops->save(aggregate, hr_group_state(group, aggregate), ranks[i + 1], out, error));
        }
    }
    return HR_OK;
}

/* Keys, dictionaries, windows. ranks[0] is of the keys, ranks[i + 1] of aggregate i. */
static int hr_save_windows(const hr_windows *windows, const int32_t *list, int32_t count, uint32_t **ranks, bool partial, hr_buffer *out,
                           hr_error *error)
{
    uint32_t used;

    HR_RETURN_NOT_OK(hr_save_rank(windows, list, count, -1, &ranks[0], &used, error));
    HR_RETURN_NOT_OK(hr_save_keys(windows, ranks[0], used, out, error));
    for (int32_t i = 0; i < windows->options.aggregate_count; i++) {
        if (!windows->aggregates[i].interns || hr_save_as_number(windows, &windows->aggregates[i], partial))
            continue;
        HR_RETURN_NOT_OK(hr_save_rank(windows, list, count, i, &ranks[i + 1], &used, error));
        HR_RETURN_NOT_OK(hr_save_strings(&windows->aggregates[i], ranks[i + 1], used, out, error));
    }
    HR_RETURN_NOT_OK(hr_wire_put_varint(out, (uint64_t)count, error));
    for (int32_t i = 0; i < count; i++)
        HR_RETURN_NOT_OK(hr_save_window(windows, list[i], ranks, partial, out, error));
    return HR_OK;
}

static int hr_write_all(const hr_windows *windows, const int32_t *list, int32_t count, uint8_t flags, uint32_t **ranks, hr_buffer *out,
                        hr_error *error)
{
    size_t before = out->size;

    HR_RETURN_NOT_OK(hr_buffer_append(out, HR_SAVE_MAGIC, HR_SAVE_MAGIC_SIZE, error));
    HR_RETURN_NOT_OK(hr_wire_put_u8(out, HR_SAVE_VERSION, error));
    HR_RETURN_NOT_OK(hr_wire_put_u8(out, flags, error));
    HR_RETURN_NOT_OK(hr_wire_put_u64(out, windows->fingerprint, error));
    HR_RETURN_NOT_OK(hr_wire_put_i64(out, windows->closed, error));
    HR_RETURN_NOT_OK(hr_wire_put_i64(out, windows->epoch + 1, error));
    HR_RETURN_NOT_OK(hr_wire_put_i64(out, windows->result_rows, error));
    HR_RETURN_NOT_OK(hr_wire_put_varint(out, (uint64_t)windows->lane_count, error));
    for (int32_t i = 0; i < windows->lane_count; i++)
        HR_RETURN_NOT_OK(hr_save_lane(windows, &windows->lanes[i], (flags & HR_SAVE_PARTIAL) != 0, out, error));
    if (flags & HR_SAVE_WINDOWS)
        HR_RETURN_NOT_OK(hr_save_windows(windows, list, count, ranks, (flags & HR_SAVE_PARTIAL) != 0, out, error));
    return hr_wire_put_u64(out, XXH3_64bits(out->data + before, out->size - before), error);
}

int hr_windows_write(const hr_windows *windows, const int32_t *list, int32_t count, bool with_windows, bool partial, hr_buffer *out,
                     hr_error *error)
{
    uint8_t flags = (uint8_t)((with_windows ? HR_SAVE_WINDOWS : 0) | (partial ? HR_SAVE_PARTIAL : 0));
    size_t before = out->size;
    uint32_t **ranks = hr_calloc((size_t)windows->options.aggregate_count + 1, sizeof(*ranks));
    int rc = ranks != NULL ? hr_write_all(windows, list, count, flags, ranks, out, error) : hr_error_nomem(error);

    for (int32_t i = 0; ranks != NULL && i <= windows->options.aggregate_count; i++)
        hr_free(ranks[i]);
    hr_free(ranks);
    if (rc != HR_OK)
        out->size = before;
    return rc;
}

int hr_windows_save(hr_windows *windows, bool with_windows, hr_buffer *out, int64_t *epoch, hr_error *error)
{
    int32_t *list, count = 0;
    int rc;

    HR_RETURN_NOT_OK(hr_windows_purge(windows, error));
    if (windows->replaying)
        return hr_error_set(error, HR_EUSAGE, "windows: the state can be saved when all rows before the restart have been read again");
    list = hr_malloc((size_t)windows->window_open * sizeof(*list) + 1);
    if (list == NULL)
        return hr_error_nomem(error);
    for (int32_t i = 0; with_windows && i < windows->window_count; i++)
        if (windows->windows[i].spec >= 0)
            list[count++] = i;
    hr_windows_sort(windows, list, count, false);
    rc = hr_windows_write(windows, list, count, with_windows, false, out, error);
    hr_free(list);
    if (rc == HR_OK)
        *epoch = ++windows->epoch;
    return rc;
}

int64_t hr_windows_oldest_epoch(const hr_windows *windows)
{
    int64_t oldest = windows->epoch;

    for (int32_t i = 0; i < windows->window_count; i++)
        if (windows->windows[i].spec >= 0 && windows->windows[i].epoch < oldest)
            oldest = windows->windows[i].epoch;
    return oldest;
}

void hr_windows_forget(hr_windows *windows, int64_t epoch)
{
    for (int32_t i = 0; i < windows->lane_count; i++) {
        hr_lane *lane = &windows->lanes[i];
        int32_t kept = 0, at = 0;

        for (int32_t k = 0; k < lane->event_count; k++) {
            if (lane->events[k].epoch < epoch && k < lane->event_at)
                continue;
            at += k < lane->event_at;
            lane->events[kept++] = lane->events[k];
        }
        lane->event_count = kept;
        lane->event_at = at;
    }
}
