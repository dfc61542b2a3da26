/* csrc/core/window/table.c: open windows and their groups: making, finding, forgetting; the heap of ends; collecting what is not used. */
#include "windows.h"

void hr_windows_forget_slots(hr_windows *windows)
{
    for (int32_t i = 0; i < windows->options.spec_count; i++) {
        windows->plans[i].slot.lower = INT64_MAX;
        windows->plans[i].slot.upper = INT64_MIN;
    }
}

/* ---- the heap of ends ---- */

static bool hr_due_before(const hr_due *a, const hr_due *b)
{
    return a->end < b->end;
}

static void hr_heap_push(hr_windows *windows, hr_due due)
{
    hr_due *heap = windows->heap;
    int32_t at = windows->heap_count++;

    while (at > 0 && hr_due_before(&due, &heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = due;
}

static hr_due hr_heap_pop(hr_windows *windows)
{
    hr_due *heap = windows->heap, top = heap[0], last = heap[--windows->heap_count];
    int32_t at = 0;

    for (;;) {
        int32_t child = 2 * at + 1;

        if (child >= windows->heap_count)
            break;
        if (child + 1 < windows->heap_count && hr_due_before(&heap[child + 1], &heap[child]))
            child++;
        if (!hr_due_before(&heap[child], &last))
            break;
        heap[at] = heap[child];
        at = child;
    }
    if (windows->heap_count > 0)
        heap[at] = last;
    return top;
}

/* Entries of windows that are gone are dropped when there are more of them than of others, so that the heap is bounded by what is open. */
static int hr_heap_reserve(hr_windows *windows, hr_error *error)
{
    int32_t capacity = windows->heap_capacity ? windows->heap_capacity * 2 : 64, kept = 0, count;
    hr_due *heap;

    if (windows->heap_count < windows->heap_capacity)
        return HR_OK;
    if (windows->heap_count > 2 * windows->window_open + 32) {
        count = windows->heap_count;
        windows->heap_count = 0;
        for (int32_t i = 0; i < count; i++) {
            hr_due due = windows->heap[i];

            if (windows->windows[due.window].generation == due.generation)
                windows->heap[kept++] = due;
        }
        for (int32_t i = 0; i < kept; i++)
            hr_heap_push(windows, windows->heap[i]);
        return HR_OK;
    }
    if (windows->heap_capacity > INT32_MAX / 2)
        return hr_error_nomem(error);
    heap = hr_realloc(windows->heap, (size_t)capacity * sizeof(*heap));
    if (heap == NULL)
        return hr_error_nomem(error);
    windows->heap = heap;
    windows->heap_capacity = capacity;
    return HR_OK;
}

void hr_windows_put_back(hr_windows *windows, int32_t window)
{
    const hr_window *entry = &windows->windows[window];

    hr_heap_push(windows, (hr_due){entry->end, window, entry->generation});
}

int hr_windows_due(hr_windows *windows, int64_t until, int32_t **due, int32_t *count, hr_error *error)
{
    *count = 0;
    *due = NULL;
    if (windows->heap_count == 0 || windows->heap[0].end > until)
        return HR_OK;
    *due = hr_malloc((size_t)windows->window_open * sizeof(**due) + 1);
    if (*due == NULL)
        return hr_error_nomem(error);
    while (windows->heap_count > 0 && windows->heap[0].end <= until) {
        hr_due top = hr_heap_pop(windows);
        const hr_window *window = &windows->windows[top.window];

        if (window->generation != top.generation)
            continue;
        if (window->end > top.end) /* the session has grown */
            hr_heap_push(windows, (hr_due){window->end, top.window, top.generation});
        else
            (*due)[(*count)++] = top.window;
    }
    return HR_OK;
}

/* ---- windows ---- */

int hr_window_new(hr_windows *windows, int32_t spec, int64_t start, int64_t end, int32_t *index, hr_error *error)
{
    hr_window *window;
    uint32_t generation;

    HR_RETURN_NOT_OK(hr_heap_reserve(windows, error));
    if (windows->window_free < 0 && windows->window_count == windows->window_capacity) {
        int32_t capacity = windows->window_capacity ? windows->window_capacity * 2 : 32;
        hr_window *grown;

        if (windows->window_capacity > INT32_MAX / 2)
            return hr_error_nomem(error);
        grown = hr_realloc(windows->windows, (size_t)capacity * sizeof(*grown));
        if (grown == NULL)
            return hr_error_nomem(error);
        windows->windows = grown;
        windows->window_capacity = capacity;
    }
    if (windows->window_free >= 0) {
        *index = windows->window_free;
        windows->window_free = windows->windows[*index].next;
        generation = windows->windows[*index].generation;
    } else {
        *index = windows->window_count++;
        generation = 0;
    }
    window = &windows->windows[*index];
    *window =
        (hr_window){.start = start, .end = end, .epoch = windows->epoch, .spec = spec, .groups = -1, .next = -1, .generation = generation};
    windows->window_open++;
    hr_windows_put_back(windows, *index);
    return HR_OK;
}

int hr_window_get(hr_windows *windows, int32_t spec, int64_t start, int64_t end, int32_t *index, hr_error *error)
{
    *index = hr_map_get(&windows->by_start, spec, start);
    if (*index >= 0)
        return HR_OK;
    HR_RETURN_NOT_OK(hr_map_reserve(&windows->by_start, 1, error));
    HR_RETURN_NOT_OK(hr_window_new(windows, spec, start, end, index, error));
    hr_map_put(&windows->by_start, spec, start, *index);
    return HR_OK;
}

void hr_window_forget(hr_windows *windows, int32_t index)
{
    hr_window *window = &windows->windows[index];

    if (windows->plans[window->spec].spec.kind == HR_WINDOW_SESSION)
        hr_session_unlink(windows, index);
    else
        hr_map_remove(&windows->by_start, window->spec, window->start);
    while (window->groups >= 0)
        hr_group_forget(windows, window->groups);
    window->spec = -1;
    window->generation++;
    window->next = windows->window_free;
    windows->window_free = index;
    windows->window_open--;
}

void hr_window_discard_empty(hr_windows *windows, int32_t index)
{
    if (windows->windows[index].groups >= 0)
        return;
    hr_window_forget(windows, index);
    hr_windows_forget_slots(windows);
}

/* ---- groups ---- */

/* One more slab of free groups. */
static int hr_groups_grow(hr_windows *windows, hr_error *error)
{
    uint8_t *slab;

    if (windows->slab_count == windows->slab_capacity) {
        int32_t capacity = windows->slab_capacity ? windows->slab_capacity * 2 : 16;
        uint8_t **slabs;

        if (capacity > INT32_MAX / HR_GROUPS_A_SLAB)
            return hr_error_nomem(error);
        slabs = hr_realloc(windows->slabs, (size_t)capacity * sizeof(*slabs));
        if (slabs == NULL)
            return hr_error_nomem(error);
        windows->slabs = slabs;
        windows->slab_capacity = capacity;
    }
    slab = hr_malloc(HR_GROUPS_A_SLAB * windows->block);
    if (slab == NULL)
        return hr_error_nomem(error);
    windows->slabs[windows->slab_count++] = slab;
    for (int32_t i = windows->slab_count * HR_GROUPS_A_SLAB - 1; i >= (windows->slab_count - 1) * HR_GROUPS_A_SLAB; i--) {
        hr_group *group = hr_group_at(windows, i);

        *group = (hr_group){.window = -1, .next = windows->group_free};
        windows->group_free = i;
    }
    return HR_OK;
}

int hr_group_get(hr_windows *windows, int32_t window, uint32_t key, int32_t *index, hr_error *error)
{
    bool keyed = windows->keys.rows != NULL && windows->plans[windows->windows[window].spec].spec.kind != HR_WINDOW_SESSION;
    hr_group *group;

    *index = keyed ? hr_map_get(&windows->by_key, window, key) : windows->windows[window].groups;
    if (*index >= 0)
        return HR_OK;
    if (windows->group_free < 0)
        HR_RETURN_NOT_OK(hr_groups_grow(windows, error));
    if (keyed)
        HR_RETURN_NOT_OK(hr_map_reserve(&windows->by_key, 1, error));
    *index = windows->group_free;
    group = hr_group_at(windows, *index);
    windows->group_free = group->next;
    *group = (hr_group){.window = window, .next = windows->windows[window].groups, .key = key};
    windows->windows[window].groups = *index;
    windows->group_open++;
    for (int32_t i = 0; i < windows->options.aggregate_count; i++)
        windows->aggregates[i].ops->init(&windows->aggregates[i], hr_group_state(group, &windows->aggregates[i]));
    if (keyed)
        hr_map_put(&windows->by_key, window, key, *index);
    return HR_OK;
}

void hr_group_forget(hr_windows *windows, int32_t index)
{
    hr_group *group = hr_group_at(windows, index);
    int32_t *link = &windows->windows[group->window].groups;

    while (*link != index) /* forgotten windows and failed rows begin with the first */
        link = &hr_group_at(windows, *link)->next;
    *link = group->next;
    if (windows->keys.rows != NULL)
        hr_map_remove(&windows->by_key, group->window, group->key);
    for (int32_t i = 0; i < windows->options.aggregate_count; i++)
        if (windows->aggregates[i].ops->free != NULL)
            windows->aggregates[i].ops->free(&windows->aggregates[i], hr_group_state(group, &windows->aggregates[i]));
    group->window = -1;
    group->next = windows->group_free;
    windows->group_free = index;
    windows->group_open--;
}

void hr_group_discard_empty(hr_windows *windows, int32_t index)
{
    const hr_group *group = hr_group_at(windows, index);
    int32_t window = group->window;

    if (window < 0 || group->rows > 0)
        return;
    hr_group_forget(windows, index);
    hr_window_discard_empty(windows, window);
}

/* ---- collecting ---- */

uint64_t *hr_windows_mark(const hr_windows *windows, int32_t aggregate)
{
    const hr_aggregate *of = aggregate >= 0 ? &windows->aggregates[aggregate] : NULL;
    uint64_t *bits = hr_calloc((of != NULL ? of->dictionary.count : hr_window_keys_count(&windows->keys)) / 64 + 1, sizeof(*bits));

    for (int32_t i = 0; bits != NULL && i < windows->slab_count * HR_GROUPS_A_SLAB; i++) {
        const hr_group *group = hr_group_at(windows, i);

        if (group->window < 0)
            continue;
        if (of != NULL)
            of->ops->mark(of, hr_group_state(group, of), bits);
        else
            bits[group->key >> 6] |= UINT64_C(1) << (group->key & 63);
    }
    return bits;
}

static uint32_t hr_count_bits(const uint64_t *bits, uint32_t count)
{
    uint32_t set = 0;

    for (uint32_t i = 0; i <= count / 64; i++)
        set += (uint32_t)__builtin_popcountll(bits[i]);
    return set;
}

/* Keep the strings whose bit is set, and give the sets their new numbers. Everything that can fail comes first. */
static void hr_collect_strings(hr_windows *windows, hr_aggregate *aggregate, const uint64_t *bits)
{
    hr_dictionary kept;
    uint32_t *rank = hr_malloc((size_t)aggregate->dictionary.count * sizeof(*rank)), number = 0;
    size_t most = 8;
    uint64_t *scratch;
    int rc = HR_OK;

    for (int32_t i = 0; i < windows->slab_count * HR_GROUPS_A_SLAB; i++) {
        const hr_group *group = hr_group_at(windows, i);
        size_t memory = group->window >= 0 ? aggregate->ops->memory(aggregate, hr_group_state(group, aggregate)) : 0;

        most = memory > most ? memory : most;
    }
    scratch = hr_malloc(most);
    hr_dictionary_init(&kept, aggregate->dictionary.seed);
    if (rank == NULL || scratch == NULL)
        rc = HR_ENOMEM;
    for (uint32_t i = 0; rc == HR_OK && i < aggregate->dictionary.count; i++) {
        rank[i] = number;
        if (bits[i >> 6] >> (i & 63) & 1) {
            size_t n;
            const uint8_t *bytes = hr_dictionary_get(&aggregate->dictionary, i, &n);

            rc = hr_dictionary_intern(&kept, bytes, n, &number, NULL);
            number++;
        }
    }
    if (rc == HR_OK) {
        for (int32_t i = 0; i < windows->slab_count * HR_GROUPS_A_SLAB; i++) {
            const hr_group *group = hr_group_at(windows, i);

            if (group->window >= 0)
                aggregate->ops->remap(aggregate, hr_group_state(group, aggregate), rank, scratch);
        }
        hr_dictionary_free(&aggregate->dictionary);
        aggregate->dictionary = kept;
    } else {
        hr_dictionary_free(&kept);
    }
    hr_free(rank);
    hr_free(scratch);
}

/* Give groups and lists of sessions the keys' new numbers. The maps have room for as many entries as they had. */
static void hr_collect_keys(hr_windows *windows, const uint64_t *bits)
{
    hr_map by_start = {.seed = windows->by_start.seed}, by_key = {.seed = windows->by_key.seed};
    uint32_t *rank = NULL;

    if (hr_map_reserve(&by_start, windows->by_start.count, NULL) != HR_OK ||
        hr_map_reserve(&by_key, windows->by_key.count, NULL) != HR_OK ||
        hr_window_keys_collect(&windows->keys, bits, &rank, NULL) != HR_OK) {
        hr_map_free(&by_start);
        hr_map_free(&by_key);
        return;
    }
    for (uint32_t i = 0; i < windows->by_start.capacity; i++) {
        hr_map_slot slot = windows->by_start.slots[i];

        if (slot.value < 0)
            continue;
        if (windows->plans[slot.a].spec.kind == HR_WINDOW_SESSION)
            slot.b = rank[slot.b];
        hr_map_put(&by_start, slot.a, slot.b, slot.value);
    }
    for (uint32_t i = 0; i < windows->by_key.capacity; i++) {
        hr_map_slot slot = windows->by_key.slots[i];

        if (slot.value >= 0)
            hr_map_put(&by_key, slot.a, rank[slot.b], slot.value);
    }
    for (int32_t i = 0; i < windows->slab_count * HR_GROUPS_A_SLAB; i++) {
        hr_group *group = hr_group_at(windows, i);

        if (group->window >= 0) {
            group->key = rank[group->key];
            windows->windows[group->window].key = group->key;
        }
    }
    hr_map_free(&windows->by_start);
    hr_map_free(&windows->by_key);
    windows->by_start = by_start;
    windows->by_key = by_key;
    hr_free(rank);
}

/* A look costs as much as there is; it is taken when there is twice as much as was in use at the last. */
static uint32_t hr_collect_next(uint32_t live)
{
    return live > UINT32_MAX / 2 ? UINT32_MAX : live < 32768 ? 65536 : live * 2;
}

void hr_windows_collect(hr_windows *windows)
{
    for (int32_t i = -1; i < windows->options.aggregate_count; i++) {
        hr_aggregate *aggregate = i >= 0 ? &windows->aggregates[i] : NULL;
        uint32_t count = aggregate != NULL ? aggregate->dictionary.count : hr_window_keys_count(&windows->keys), live;
        uint32_t *collect_at = aggregate != NULL ? &aggregate->collect_at : &windows->keys_collect_at;
        uint64_t *bits;

        if (count < *collect_at)
            continue;
        bits = hr_windows_mark(windows, i);
        if (bits == NULL)
            continue;
        live = hr_count_bits(bits, count);
        if (live <= count / 4 * 3 && aggregate != NULL)
            hr_collect_strings(windows, aggregate, bits);
        else if (live <= count / 4 * 3)
            hr_collect_keys(windows, bits);
        *collect_at = hr_collect_next(live);
        hr_free(bits);
    }
}
