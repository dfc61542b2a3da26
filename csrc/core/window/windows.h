/* csrc/core/window/windows.h: the inside of hr_windows, for the files of this folder.
 *
 * A group is one key in one window: a block of aggregate states. A window is an interval of one spec with the list of its groups; a session
 * is a window with one group. Both live in tables of their own, are known by index and reused. Open windows stand in a heap by their end;
 * an entry whose generation is not the window's any more is void, and one whose end is too early (the session grew) is put back.
 */
#ifndef HR_CORE_WINDOWS_H
#define HR_CORE_WINDOWS_H

#include "aggregate.h"
#include "bounds.h"
#include "keys.h"
#include "lane.h"
#include "map.h"

typedef struct hr_group {
    int32_t window; /* -1: free */
    int32_t next;   /* in the window's list, or in the free list; -1 ends both */
    uint32_t key;
    bool changed; /* since its last early row */
    int64_t rows;
} hr_group;

typedef struct hr_window {
    int64_t start, end;
    int64_t epoch;
    int32_t spec;   /* -1: free */
    int32_t groups; /* the first */
    int32_t next;   /* sessions: the key's next; free ones: the next free */
    uint32_t generation;
    uint32_t key; /* sessions */
} hr_window;

typedef struct hr_due {
    int64_t end;
    int32_t window;
    uint32_t generation;
} hr_due;

/* What a spec needs from row to row. */
typedef struct hr_plan {
    hr_window_spec spec;
    hr_window_slot slot; /* of the row before; lower > upper: none */
    int32_t *windows;    /* of the slot, as far as they are known: -1 */
} hr_plan;

/* A row's way into one group, prepared so that it cannot fail any more. */
typedef struct hr_target {
    int32_t group;
    int32_t merge; /* sessions: the window that becomes part of the group's; -1 none */
    int64_t time;
} hr_target;

#define HR_GROUPS_A_SLAB 256

struct hr_windows {
    hr_schema *schema; /* of the rows, retained */
    hr_schema *used;   /* of the columns that count (time, key, aggregates), in their order in the rows: what held rows are saved as */
    int32_t *used_columns;
    hr_schema *results; /* retained */
    hr_schema *key_schema;
    hr_arena arena; /* what options point to */
    hr_window_options options;
    const hr_timezone *zone; /* NULL for local times */
    hr_plan *plans;
    hr_aggregate *aggregates;
    size_t block;         /* bytes of a group: hr_group and its states */
    uint64_t fingerprint; /* of the options that states depend on */

    hr_lane *lanes;
    int32_t lane_count, lane_capacity;
    int64_t closed; /* windows that end by then are closed */
    int64_t epoch;
    int64_t sent;          /* what is still to be sent to a second stage begins after that */
    int64_t resumed_epoch; /* of the mark that reading again leads to */
    bool replaying;        /* windows that end by `closed` may come up again, and are dropped */

    hr_window *windows;
    int32_t window_count, window_capacity, window_free, window_open;
    hr_map by_start; /* (spec, start) to window; sessions: (spec, key) to the first of a list */
    uint8_t **slabs;
    int32_t slab_count, slab_capacity, group_free;
    int64_t group_open;
    hr_map by_key; /* (window, key) to group, when there are key columns */
    hr_window_keys keys;
    uint32_t keys_collect_at;
    hr_due *heap;
    int32_t heap_count, heap_capacity;

    bool unprepared;    /* a held row's values stand where those of the rows being added were */
    hr_target *targets; /* of the row being added; room for all that it can have */
    int32_t target_count;
    hr_window_settled *settled;
    size_t settled_count, settled_capacity;
    int64_t result_rows;
};

/* ---- window.c ---- */

static inline hr_group *hr_group_at(const hr_windows *windows, int32_t index)
{
    return (hr_group *)(void *)(windows->slabs[index / HR_GROUPS_A_SLAB] + (size_t)(index % HR_GROUPS_A_SLAB) * windows->block);
}

static inline void *hr_group_state(const hr_group *group, const hr_aggregate *aggregate)
{
    return (uint8_t *)(uintptr_t)group + aggregate->offset;
}

/* ---- table.c: windows and groups come and go ---- */

/* A window that is not in the maps. HR_ENOMEM: nothing is changed. */
int hr_window_new(hr_windows *windows, int32_t spec, int64_t start, int64_t end, int32_t *index, hr_error *error);
/* The window of a tumbling or sliding spec, made when it is not there. */
int hr_window_get(hr_windows *windows, int32_t spec, int64_t start, int64_t end, int32_t *index, hr_error *error);
/* The group of a key in a window, made when it is not there. */
int hr_group_get(hr_windows *windows, int32_t window, uint32_t key, int32_t *index, hr_error *error);
/* Forget a group, or a window with all its groups. */
void hr_group_forget(hr_windows *windows, int32_t index);
void hr_window_forget(hr_windows *windows, int32_t index);
/* Let go of a group that a failed row has made, and of its window. */
void hr_group_discard_empty(hr_windows *windows, int32_t index);
void hr_window_discard_empty(hr_windows *windows, int32_t index);
/* The windows that end by `until`, taken out of the heap: room for them is in *due (for the caller to free), *count of them. */
int hr_windows_due(hr_windows *windows, int64_t until, int32_t **due, int32_t *count, hr_error *error);
void hr_windows_put_back(hr_windows *windows, int32_t window);
/* Forget what the rows before know of windows. */
void hr_windows_forget_slots(hr_windows *windows);
/* Collect numbers of keys and strings that no group uses any more. Without memory it is left for later. */
void hr_windows_collect(hr_windows *windows);
/* A bit for each number of an aggregate's dictionary, or of the keys (-1), that is in use; NULL when memory runs out. For the caller to
 * free. */
uint64_t *hr_windows_mark(const hr_windows *windows, int32_t aggregate);

/* ---- session.c ---- */

/* Prepare adding a row to the sessions of its key. */
int hr_session_prepare(hr_windows *windows, int32_t spec, uint32_t key, int64_t time, const hr_batch *rows, int64_t row, hr_target *target,
                       hr_error *error);
/* The part that cannot fail: the group's window holds the time now, and what it has come to touch is merged into it. */
void hr_session_commit(hr_windows *windows, const hr_target *target);
/* Put a whole session (from a saved state) among its key's: `index` is in no list yet; what it touches is merged into it. On failure it is
 * in no list, and may have taken over some of what it touches. */
int hr_session_insert(hr_windows *windows, int32_t index, hr_error *error);
void hr_session_unlink(hr_windows *windows, int32_t index);

/* ---- window_add.c ---- */

/* All aggregates have room for the row. */
int hr_group_reserve(const hr_windows *windows, hr_group *group, const hr_batch *rows, int64_t row, hr_error *error);
int hr_group_reserve_merge(const hr_windows *windows, hr_group *group, const hr_group *from, const hr_batch *rows, int64_t row,
                           hr_error *error);
void hr_group_merge(const hr_windows *windows, hr_group *group, const hr_group *from);
/* NULL when it is not known. */
hr_lane *hr_windows_find_lane(const hr_windows *windows, int32_t id);
int hr_windows_make_lane(hr_windows *windows, int32_t id, hr_lane **out, hr_error *error);
/* Let the events of a lane that is read again happen up to this offset. */
int hr_windows_replay_events(hr_windows *windows, hr_lane *lane, int64_t offset, hr_error *error);
/* The lowest watermark of the lanes that are not idle. */
int64_t hr_windows_watermark(const hr_windows *windows);

/* ---- window_save.c, window_close.c ---- */

/* Drop, without output, the windows that were closed before a restart and that reading again has made anew. Nothing while lanes are still
 * read again. */
int hr_windows_purge(hr_windows *windows, hr_error *error);
/* Forget all open sessions: what they held has been sent. */
void hr_windows_forget_sessions(hr_windows *windows);
/* Append the saved form of these windows; `partial`: for a second stage. On failure `out` is as before. */
int hr_windows_write(const hr_windows *windows, const int32_t *list, int32_t count, bool with_windows, bool partial, hr_buffer *out,
                     hr_error *error);
/* Sort window indices by end, start, spec; groups of one window by key. In place, in bounded memory. */
void hr_windows_sort(const hr_windows *windows, int32_t *list, int32_t count, bool groups);

#endif
