/* csrc/core/window/window.c: making and freeing hr_windows, and its metrics. */
#include "windows.h"

#include <stdio.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* A type whose name and labels live in the arena. */
static int hr_window_copy_type(hr_arena *arena, const hr_type *type, hr_type *out, hr_error *error)
{
    const char **labels;

    *out = *type;
    out->name = hr_arena_copy(arena, type->name, strlen(type->name));
    if (out->name == NULL)
        return hr_error_nomem(error);
    if (type->kind != HR_ENUM || type->label_count == 0)
        return HR_OK;
    labels = hr_arena_alloc(arena, (size_t)type->label_count * sizeof(*labels));
    if (labels == NULL)
        return hr_error_nomem(error);
    for (int32_t i = 0; i < type->label_count; i++) {
        labels[i] = hr_arena_copy(arena, type->labels[i], strlen(type->labels[i]));
        if (labels[i] == NULL)
            return hr_error_nomem(error);
    }
    out->labels = labels;
    return HR_OK;
}

/* Add a column of a copied type to a schema of our own. */
static int hr_window_add_column(hr_schema *schema, const char *name, const hr_type *type, hr_error *error)
{
    hr_type copy;

    HR_RETURN_NOT_OK(hr_window_copy_type(&schema->arena, type, &copy, error));
    return hr_schema_add(schema, name, &copy, false, false, NULL, error);
}

static int hr_window_add_named(hr_schema *schema, const char *name, const char *type_name, hr_error *error)
{
    hr_type type;

    HR_RETURN_NOT_OK(hr_type_from_name(type_name, &schema->arena, &type, error));
    return hr_schema_add(schema, name, &type, false, false, NULL, error);
}

/* ---- checking and copying the options ---- */

static int hr_windows_check_column(const hr_windows *windows, int32_t column, const char *what, hr_error *error)
{
    if (column < 0 || column >= windows->schema->count)
        return hr_error_set(error, HR_EUSAGE, "windows: there is no column number %d for %s", (int)column, what);
    return HR_OK;
}

static int hr_windows_copy_specs(hr_windows *windows, const hr_window_options *options, hr_error *error)
{
    if (options->spec_count < 1 || options->spec_count > HR_WINDOW_SPECS)
        return hr_error_set(error, HR_EUSAGE, "give 1 to %d kinds of windows, not %d", HR_WINDOW_SPECS, (int)options->spec_count);
    windows->plans = hr_calloc((size_t)options->spec_count, sizeof(*windows->plans));
    if (windows->plans == NULL)
        return hr_error_nomem(error);
    for (int32_t i = 0; i < options->spec_count; i++) {
        hr_plan *plan = &windows->plans[i];
        size_t overlap;

        HR_RETURN_NOT_OK(hr_window_spec_check(&options->specs[i], error));
        plan->spec = options->specs[i];
        plan->spec.name = hr_arena_copy(&windows->arena, plan->spec.name != NULL ? plan->spec.name : "",
                                        plan->spec.name != NULL ? strlen(plan->spec.name) : 0);
        overlap = (size_t)hr_window_overlap(&plan->spec) + 1;
        plan->slot.starts = hr_arena_alloc(&windows->arena, overlap * sizeof(int64_t));
        plan->slot.ends = hr_arena_alloc(&windows->arena, overlap * sizeof(int64_t));
        plan->windows = hr_arena_alloc(&windows->arena, overlap * sizeof(int32_t));
        if (plan->spec.name == NULL || plan->slot.starts == NULL || plan->slot.ends == NULL || plan->windows == NULL)
            return hr_error_nomem(error);
        plan->slot.count = 0;
    }
    hr_windows_forget_slots(windows);
    return HR_OK;
}

static int hr_windows_copy_aggregates(hr_windows *windows, const hr_window_options *options, char (*types)[64], hr_error *error)
{
    size_t at = (sizeof(hr_group) + 15) & ~(size_t)15;

    for (int32_t i = 0; i < options->aggregate_count; i++) {
        const hr_window_aggregate *from = &options->aggregates[i];
        hr_aggregate *aggregate = &windows->aggregates[i];

        hr_dictionary_init(&aggregate->dictionary, options->seed);
        aggregate->ops = hr_aggregate_find(from->function);
        if (aggregate->ops == NULL)
            return hr_error_set(error, HR_EUSAGE, "there is no aggregate \"%.40s\": use count, distinct, distinct_hll, sum, min or max",
                                from->function);
        aggregate->column = from->column;
        aggregate->precision = from->precision;
        aggregate->seed = options->seed;
        aggregate->collect_at = 65536;
        if (from->column >= 0 || aggregate->ops->needs_column) {
            HR_RETURN_NOT_OK(hr_windows_check_column(windows, from->column, from->function, error));
            aggregate->type = &windows->schema->columns[from->column].type;
        }
        HR_RETURN_NOT_OK(aggregate->ops->open(aggregate, types[i], error));
        aggregate->offset = at;
        at += (aggregate->ops->size + 15) & ~(size_t)15;
    }
    windows->block = at;
    return HR_OK;
}

/* The schemas of keys, of results and of the columns that count. */
static int hr_windows_make_schemas(hr_windows *windows, const hr_window_options *options, char (*types)[64], hr_error *error)
{
    const hr_column_def *rows = windows->schema->columns;
    const char *time = rows[options->time].type.kind == HR_TIMESTAMPTZ ? "timestamptz" : "timestamp";
    bool *wanted = hr_arena_alloc(&windows->arena, (size_t)windows->schema->count);

    windows->used_columns = hr_arena_alloc(&windows->arena, (size_t)windows->schema->count * sizeof(int32_t));
    if (wanted == NULL || windows->used_columns == NULL)
        return hr_error_nomem(error);
    memset(wanted, 0, (size_t)windows->schema->count);
    wanted[options->time] = true;
    HR_RETURN_NOT_OK(hr_schema_new(&windows->results, error));
    HR_RETURN_NOT_OK(hr_schema_new(&windows->key_schema, error));
    HR_RETURN_NOT_OK(hr_schema_new(&windows->used, error));
    if (options->name_windows)
        HR_RETURN_NOT_OK(hr_window_add_named(windows->results, "window", "text", error));
    HR_RETURN_NOT_OK(hr_window_add_named(windows->results, "window_start", time, error));
    HR_RETURN_NOT_OK(hr_window_add_named(windows->results, "window_end", time, error));
    for (int32_t i = 0; i < options->by_count; i++) {
        const hr_column_def *column = &rows[options->by[i]];

        wanted[options->by[i]] = true;
        HR_RETURN_NOT_OK(hr_window_add_column(windows->key_schema, column->name, &column->type, error));
        HR_RETURN_NOT_OK(hr_window_add_column(windows->results, column->name, &column->type, error));
    }
    for (int32_t i = 0; i < options->aggregate_count; i++) {
        const hr_aggregate *aggregate = &windows->aggregates[i];

        if (aggregate->column >= 0)
            wanted[aggregate->column] = true;
        HR_RETURN_NOT_OK(types[i][0] != '\0' ? hr_window_add_named(windows->results, options->aggregates[i].name, types[i], error)
                                             : hr_window_add_column(windows->results, options->aggregates[i].name, aggregate->type, error));
    }
    if (options->early)
        HR_RETURN_NOT_OK(hr_window_add_named(windows->results, "final", "boolean", error));
    for (int32_t i = 0; i < windows->schema->count; i++) {
        if (!wanted[i])
            continue;
        windows->used_columns[windows->used->count] = i;
        HR_RETURN_NOT_OK(hr_window_add_column(windows->used, rows[i].name, &rows[i].type, error));
    }
    return HR_OK;
}

/* Two hr_windows can read each other's states when these texts are the same. */
static int hr_windows_fingerprint(hr_windows *windows, hr_error *error)
{
    hr_buffer text = {0};
    const hr_window_options *options = &windows->options;
    int64_t numbers[] = {
        1, options->lateness, options->jump, options->votes, options->spec_count, options->by_count, options->aggregate_count};
    int rc = hr_buffer_append(&text, numbers, sizeof(numbers), error);

    for (int32_t i = 0; rc == HR_OK && i < options->spec_count; i++) {
        const hr_window_spec *spec = &windows->plans[i].spec;
        int64_t form[] = {spec->kind, spec->unit, spec->size, spec->every, spec->gap, spec->origin};

        rc = hr_buffer_append(&text, form, sizeof(form), error);
    }
    for (int32_t i = 0; rc == HR_OK && i < options->aggregate_count; i++) {
        const hr_aggregate *aggregate = &windows->aggregates[i];

        const char *name = options->keyed && hr_aggregate_is_set(aggregate) ? "count" : aggregate->ops->name;
        int32_t precision = options->keyed ? 0 : aggregate->precision;

        rc = hr_buffer_append(&text, name, strlen(name) + 1, error);
        if (rc == HR_OK && aggregate->column >= 0)
            rc = hr_buffer_append(&text, windows->schema->columns[aggregate->column].name,
                                  strlen(windows->schema->columns[aggregate->column].name) + 1, error);
        if (rc == HR_OK)
            rc = hr_buffer_append(&text, &precision, sizeof(precision), error);
    }
    for (int32_t i = 0; rc == HR_OK && i < windows->used->count; i++) {
        const hr_column_def *column = &windows->used->columns[i];

        rc = hr_buffer_append(&text, column->name, strlen(column->name) + 1, error);
        if (rc == HR_OK)
            rc = hr_buffer_append(&text, column->type.name, strlen(column->type.name) + 1, error);
    }
    for (int32_t i = 0; rc == HR_OK && i < options->by_count; i++) {
        const char *name = windows->key_schema->columns[i].name;

        rc = hr_buffer_append(&text, name, strlen(name) + 1, error);
    }
    if (rc == HR_OK)
        rc = hr_buffer_append(&text, hr_timezone_name(windows->zone), strlen(hr_timezone_name(windows->zone)), error);
    if (rc == HR_OK)
        windows->fingerprint = XXH3_64bits(text.data, text.size);
    hr_buffer_free(&text);
    return rc;
}

static int hr_windows_open(hr_windows *windows, const hr_window_options *options, hr_error *error)
{
    char(*types)[64] = hr_arena_alloc(&windows->arena, (size_t)(options->aggregate_count + 1) * sizeof(*types));
    int32_t *by = hr_arena_alloc(&windows->arena, (size_t)(options->by_count + 1) * sizeof(*by));
    size_t targets = 0;
    hr_kind kind;

    windows->aggregates = hr_arena_alloc(&windows->arena, (size_t)(options->aggregate_count + 1) * sizeof(*windows->aggregates));
    if (types == NULL || by == NULL || windows->aggregates == NULL)
        return hr_error_nomem(error);
    memset(windows->aggregates, 0, (size_t)(options->aggregate_count + 1) * sizeof(*windows->aggregates));
    windows->options.aggregate_count = options->aggregate_count;
    HR_RETURN_NOT_OK(hr_windows_check_column(windows, options->time, "the time", error));
    kind = windows->schema->columns[options->time].type.kind;
    if (kind != HR_DATE && kind != HR_TIMESTAMP && kind != HR_TIMESTAMPTZ)
        return hr_error_set(error, HR_EUSAGE, "column \"%s\" is %s: windows need a date, timestamp or timestamptz",
                            windows->schema->columns[options->time].name, windows->schema->columns[options->time].type.name);
    if (options->lateness < 0 || options->jump < 0 || options->votes < 0 || options->votes > 1000)
        return hr_error_set(error, HR_EUSAGE, "windows: lateness and jump must not be negative, votes be up to 1000");
    windows->zone = kind == HR_TIMESTAMPTZ ? options->zone : NULL;
    if (options->aggregate_count < 1)
        return hr_error_set(error, HR_EUSAGE, "windows: name at least one aggregate, such as distinct or count");
    for (int32_t i = 0; i < options->by_count; i++) {
        by[i] = options->by[i];
        HR_RETURN_NOT_OK(hr_windows_check_column(windows, by[i], "the key", error));
        if (hr_type_ops_of(&windows->schema->columns[by[i]].type)->storage == HR_STORE_LIST ||
            windows->schema->columns[by[i]].type.kind == HR_JSON || windows->schema->columns[by[i]].type.kind == HR_JSONB ||
            windows->schema->columns[by[i]].type.kind == HR_INTERVAL || windows->schema->columns[by[i]].type.kind == HR_OTHER)
            return hr_error_set(error, HR_EUSAGE, "column \"%s\" is %s and cannot be a key of windows: cast it to text",
                                windows->schema->columns[by[i]].name, windows->schema->columns[by[i]].type.name);
    }
    HR_RETURN_NOT_OK(hr_windows_copy_specs(windows, options, error));
    HR_RETURN_NOT_OK(hr_windows_copy_aggregates(windows, options, types, error));
    HR_RETURN_NOT_OK(hr_windows_make_schemas(windows, options, types, error));
    windows->options = *options;
    windows->options.specs = NULL;
    windows->options.aggregates = NULL;
    windows->options.by = by;
    windows->options.votes = options->votes > 0 ? options->votes : HR_WINDOW_VOTES;
    if (options->lateness == HR_WINDOW_ALL)
        windows->options.jump = HR_WINDOW_JUMP_OFF;
    else if (windows->options.jump < options->lateness)
        windows->options.jump = options->lateness;
    for (int32_t i = 0; i < options->spec_count; i++)
        targets += (size_t)hr_window_overlap(&windows->plans[i].spec) + 1;
    windows->targets = hr_arena_alloc(&windows->arena, targets * sizeof(*windows->targets));
    if (windows->targets == NULL)
        return hr_error_nomem(error);
    windows->by_start.seed = windows->by_key.seed = options->seed;
    windows->keys_collect_at = 65536;
    HR_RETURN_NOT_OK(hr_window_keys_init(&windows->keys, windows->key_schema, by, options->seed, error));
    return hr_windows_fingerprint(windows, error);
}

int hr_windows_new(hr_schema *schema, const hr_window_options *options, hr_windows **out, hr_error *error)
{
    hr_windows *windows = hr_calloc(1, sizeof(*windows));
    int rc;

    *out = NULL;
    if (windows == NULL)
        return hr_error_nomem(error);
    hr_arena_init(&windows->arena, 4096);
    windows->schema = hr_schema_retain(schema);
    windows->closed = windows->sent = HR_NO_WATERMARK;
    windows->window_free = windows->group_free = -1;
    rc = hr_windows_open(windows, options, error);
    if (rc != HR_OK) {
        hr_windows_free(windows);
        return rc;
    }
    *out = windows;
    return HR_OK;
}

void hr_windows_free(hr_windows *windows)
{
    if (windows == NULL)
        return;
    for (int32_t i = 0; i < windows->window_count; i++)
        if (windows->windows[i].spec >= 0)
            hr_window_forget(windows, i);
    for (int32_t i = 0; i < windows->slab_count; i++)
        hr_free(windows->slabs[i]);
    for (int32_t i = 0; windows->aggregates != NULL && i < windows->options.aggregate_count; i++)
        hr_aggregate_close(&windows->aggregates[i]);
    for (int32_t i = 0; i < windows->lane_count; i++)
        hr_lane_free(&windows->lanes[i]);
    hr_free(windows->lanes);
    hr_free(windows->slabs);
    hr_free(windows->windows);
    hr_free(windows->heap);
    hr_free(windows->settled);
    hr_free(windows->plans);
    hr_map_free(&windows->by_start);
    hr_map_free(&windows->by_key);
    hr_window_keys_free(&windows->keys);
    hr_schema_release(windows->results);
    hr_schema_release(windows->key_schema);
    hr_schema_release(windows->used);
    hr_schema_release(windows->schema);
    hr_arena_free(&windows->arena);
    hr_free(windows);
}

hr_schema *hr_windows_schema(const hr_windows *windows)
{
    return windows->results;
}

const hr_window_settled *hr_windows_settled(const hr_windows *windows, size_t *count)
{
    *count = windows->settled_count;
    return windows->settled;
}

void hr_windows_settled_clear(hr_windows *windows)
{
    windows->settled_count = 0;
}

/* ---- metrics ---- */

void hr_windows_lane_stats(const hr_windows *windows, int32_t i, hr_window_lane_stats *out)
{
    const hr_lane *lane = &windows->lanes[i];

    *out = (hr_window_lane_stats){.lane = lane->id,
                                  .idle = hr_lane_is_idle(lane),
                                  .position = lane->position,
                                  .high = lane->high,
                                  .watermark = hr_lane_watermark(lane, windows->options.lateness),
                                  .rows = lane->rows,
                                  .late = lane->late,
                                  .future = lane->future,
                                  .untimed = lane->untimed,
                                  .held = lane->held_count};
    memcpy(out->late_by_spec, lane->late_by_spec, sizeof(out->late_by_spec));
}

static size_t hr_windows_memory(const hr_windows *windows)
{
    size_t memory = sizeof(*windows) + (size_t)windows->window_capacity * sizeof(*windows->windows) +
                    (size_t)windows->slab_count * HR_GROUPS_A_SLAB * windows->block + hr_map_memory(&windows->by_start) +
                    hr_map_memory(&windows->by_key) + hr_window_keys_memory(&windows->keys) +
                    (size_t)windows->heap_capacity * sizeof(*windows->heap);

    for (int32_t i = 0; i < windows->options.aggregate_count; i++) {
        const hr_aggregate *aggregate = &windows->aggregates[i];

        memory += hr_dictionary_memory(&aggregate->dictionary) + (size_t)aggregate->value_capacity * sizeof(*aggregate->values);
        for (int32_t k = 0; aggregate->ops->memory != NULL && k < windows->slab_count * HR_GROUPS_A_SLAB; k++)
            if (hr_group_at(windows, k)->window >= 0)
                memory += aggregate->ops->memory(aggregate, hr_group_state(hr_group_at(windows, k), aggregate));
    }
    return memory;
}

void hr_windows_stats(const hr_windows *windows, hr_window_stats *out)
{
    *out = (hr_window_stats){.watermark = hr_windows_watermark(windows),
                             .closed = windows->closed,
                             .results = windows->result_rows,
                             .open_windows = windows->window_open,
                             .groups = windows->group_open,
                             .memory = hr_windows_memory(windows),
                             .lanes = windows->lane_count};
    for (int32_t i = 0; i < windows->lane_count; i++) {
        out->rows += windows->lanes[i].rows;
        out->late += windows->lanes[i].late;
        out->future += windows->lanes[i].future;
        out->untimed += windows->lanes[i].untimed;
    }
}

int64_t hr_windows_reached(const hr_windows *windows)
{
    return hr_windows_watermark(windows);
}

bool hr_windows_lane_find(const hr_windows *windows, int32_t lane, hr_window_lane_stats *out)
{
    for (int32_t i = 0; i < windows->lane_count; i++) {
        if (windows->lanes[i].id != lane)
            continue;
        hr_windows_lane_stats(windows, i, out);
        return true;
    }
    return false;
}
