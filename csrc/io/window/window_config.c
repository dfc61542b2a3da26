/* csrc/io/window/window_config.c: reading the settings of a window job. */
#include "window_config.h"

#include <stdio.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "io/json_text.h"

#define HR_WINDOW_JOB_NAME 200

/* Settings are made by headrace/_window_topic.py, which has checked what people write; jansson's words are good enough for the rest. */
static int hr_window_unpacked(int rc, const json_error_t *where, const char *what, hr_error *error)
{
    if (rc == 0)
        return HR_OK;
    if (json_error_code(where) == json_error_out_of_memory)
        return hr_error_nomem(error);
    return hr_error_set(error, HR_EUSAGE, "the window job's setting %s: %s", what, where->text);
}

/* ---- columns ---- */

static int hr_window_config_unit(const char *text, hr_time_unit *unit, hr_error *error)
{
    static const char *const names[] = {"s", "ms", "us", "ns"};
    static const hr_time_unit units[] = {HR_UNIT_S, HR_UNIT_MS, HR_UNIT_US, HR_UNIT_NS};

    *unit = HR_UNIT_NONE;
    if (text == NULL)
        return HR_OK;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i]) == 0) {
            *unit = units[i];
            return HR_OK;
        }
    }
    return hr_error_set(error, HR_EUSAGE, "the unit of times \"%.20s\" is not known: use s, ms, us or ns, or none for text", text);
}

static int hr_window_config_columns(const json_t *list, hr_schema *schema, hr_error *error)
{
    size_t i;
    json_t *each;

    json_array_foreach((json_t *)(uintptr_t)list, i, each)
    {
        const char *name, *type_name, *path = NULL, *unit = NULL;
        int not_null = 0;
        int32_t column;
        hr_type type;
        json_error_t where;

        HR_RETURN_NOT_OK(hr_window_unpacked(json_unpack_ex(each, &where, 0, "{s:s, s:s, s?s, s?s, s?b}", "name", &name, "type", &type_name,
                                                           "path", &path, "unit", &unit, "not_null", &not_null),
                                            &where, "\"columns\"", error));
        HR_RETURN_NOT_OK(hr_type_from_name(type_name, &schema->arena, &type, error));
        HR_RETURN_NOT_OK(hr_window_config_unit(unit, &type.unit, error));
        HR_RETURN_NOT_OK(hr_schema_add(schema, name, &type, not_null != 0, false, &column, error));
        if (path != NULL)
            HR_RETURN_NOT_OK(hr_schema_map(schema, column, path, error));
    }
    return HR_OK;
}

/* The column's number; HR_EUSAGE when there is none. */
static int hr_window_config_column(const hr_window_config *config, const char *name, int32_t *column, hr_error *error)
{
    *column = hr_schema_find(config->schema, name);
    if (*column < 0)
        return hr_error_set(error, HR_EUSAGE, "the window job names no column \"%s\"", name);
    return HR_OK;
}

/* ---- windows and aggregates ---- */

static int hr_window_config_specs(const json_t *list, hr_window_config *out, hr_error *error)
{
    static const char *const kinds[] = {"tumbling", "sliding", "session"};
    size_t i, count = json_array_size(list);
    json_t *each;

    if (count < 1 || count > HR_WINDOW_SPECS)
        return hr_error_set(error, HR_EUSAGE, "give 1 to %d kinds of windows, not %zu", HR_WINDOW_SPECS, count);
    json_array_foreach((json_t *)(uintptr_t)list, i, each)
    {
        hr_window_spec *spec = &out->specs[i];
        const char *kind, *unit = NULL;
        json_int_t size = 0, every = 0, gap = 0, origin = 0;
        json_error_t where;

        HR_RETURN_NOT_OK(
            hr_window_unpacked(json_unpack_ex(each, &where, 0, "{s:s, s:s, s?s, s?I, s?I, s?I, s?I}", "name", &spec->name, "kind", &kind,
                                              "unit", &unit, "size", &size, "every", &every, "gap", &gap, "origin", &origin),
                               &where, "\"windows\"", error));
        for (int k = 0; k < 3; k++)
            if (strcmp(kind, kinds[k]) == 0)
                spec->kind = (hr_window_kind)k;
        if (unit != NULL)
            HR_RETURN_NOT_OK(hr_window_unit_from_name(unit, &spec->unit, error));
        spec->size = size;
        spec->every = every;
        spec->gap = gap;
        spec->origin = origin;
        for (size_t k = 0; k < i; k++)
            if (strcmp(out->specs[k].name, spec->name) == 0)
                return hr_error_set(error, HR_EUSAGE, "two kinds of windows are called \"%s\"", spec->name);
    }
    out->options.specs = out->specs;
    out->options.spec_count = (int32_t)count;
    return HR_OK;
}

/* Whether partitions can send each other numbers of different values. Not of sessions: a long one is sent in parts, and the same value may
 * be in two of them. */
static bool hr_window_config_adds(const hr_window_config *config, const json_t *aggregates)
{
    size_t i;
    json_t *each;
    bool session = false, sets = false;

    for (int32_t k = 0; k < config->options.spec_count; k++)
        session = session || config->specs[k].kind == HR_WINDOW_SESSION;
    json_array_foreach((json_t *)(uintptr_t)aggregates, i, each)
    {
        const char *function = json_string_value(json_object_get(each, "function"));

        sets = sets || (function != NULL && strncmp(function, "distinct", 8) == 0);
    }
    return config->keyed && !(session && sets);
}

/* The second stage of a keyed job adds up numbers. */
static hr_window_aggregate hr_window_config_merged(const hr_window_config *config, hr_window_aggregate aggregate)
{
    if (config->options.keyed && strncmp(aggregate.function, "distinct", 8) == 0) {
        aggregate.function = "count";
        aggregate.precision = 0;
    }
    return aggregate;
}

static int hr_window_config_aggregates(const json_t *list, hr_window_config *out, hr_error *error)
{
    size_t i, count = json_array_size(list);
    json_t *each;

    out->aggregates = hr_calloc(count + 1, sizeof(*out->aggregates));
    out->merged = hr_calloc(count + 1, sizeof(*out->merged));
    if (out->aggregates == NULL || out->merged == NULL)
        return hr_error_nomem(error);
    json_array_foreach((json_t *)(uintptr_t)list, i, each)
    {
        hr_window_aggregate *aggregate = &out->aggregates[i];
        const char *column = NULL;
        int precision = 0;
        json_error_t where;

        HR_RETURN_NOT_OK(hr_window_unpacked(json_unpack_ex(each, &where, 0, "{s:s, s:s, s?s, s?i}", "name", &aggregate->name, "function",
                                                           &aggregate->function, "column", &column, "precision", &precision),
                                            &where, "\"aggregates\"", error));
        aggregate->precision = precision;
        aggregate->column = -1;
        if (column != NULL)
            HR_RETURN_NOT_OK(hr_window_config_column(out, column, &aggregate->column, error));
        out->merged[i] = hr_window_config_merged(out, *aggregate);
    }
    out->options.aggregates = out->aggregates;
    out->options.aggregate_count = (int32_t)count;
    return HR_OK;
}

static int hr_window_config_by(const json_t *list, hr_window_config *out, hr_error *error)
{
    size_t i, count = json_array_size(list);
    json_t *each;

    out->by = hr_calloc(count + 1, sizeof(*out->by));
    if (out->by == NULL)
        return hr_error_nomem(error);
    json_array_foreach((json_t *)(uintptr_t)list, i, each)
        HR_RETURN_NOT_OK(hr_window_config_column(out, json_string_value(each) != NULL ? json_string_value(each) : "", &out->by[i], error));
    out->options.by = out->by;
    out->options.by_count = (int32_t)count;
    return HR_OK;
}

/* ---- the whole ---- */

/* A name made of the job's, kept in config->names; the buffer has room for all. */
static const char *hr_window_config_name(hr_window_config *config, const char *before, const char *after)
{
    char *at = (char *)config->names.data + config->names.size;
    int n = snprintf(at, config->names.capacity - config->names.size, "%s%s%s", before, config->job, after);

    config->names.size += (size_t)n + 1;
    return at;
}

static int hr_window_config_names(hr_window_config *out, hr_error *error)
{
    const char *group = json_string_value(json_object_get(out->root, "group"));
    size_t n = strlen(out->job);

    if (n == 0 || n > HR_WINDOW_JOB_NAME || strspn(out->job, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != n)
        return hr_error_set(error, HR_EUSAGE,
                            "a window job's name is part of topics' names: up to %d letters, digits, dots, dashes and underscores",
                            HR_WINDOW_JOB_NAME);
    HR_RETURN_NOT_OK(hr_buffer_reserve(&out->names, 4 * (n + 32), error));
    out->state = hr_window_config_name(out, "", "-state");
    out->partials = hr_window_config_name(out, "", "-partials");
    out->group = group != NULL ? group : hr_window_config_name(out, "headrace.window.", "");
    return HR_OK;
}

/* What must not change between two runs of a job. */
static int hr_window_config_fingerprint(hr_window_config *out, hr_error *error)
{
    static const char *const names[] = {"columns", "time", "by", "aggregates", "windows", "zone", "keyed", "jump_us", "lateness_us"};
    hr_buffer text = {0};
    int rc = HR_OK;

    for (size_t i = 0; rc == HR_OK && i < sizeof(names) / sizeof(names[0]); i++) {
        json_t *value = json_object_get(out->root, names[i]);
        char *words = value != NULL ? hr_json_text_of(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) : NULL;

        if (value == NULL)
            continue;
        rc = words != NULL ? hr_buffer_append(&text, words, strlen(words) + 1, error) : hr_error_nomem(error);
        hr_free(words);
    }
    if (rc == HR_OK)
        rc = hr_buffer_append(&text, out->topic, strlen(out->topic), error);
    if (rc == HR_OK)
        out->fingerprint = XXH3_64bits(text.data, text.size);
    hr_buffer_free(&text);
    return rc;
}

static int hr_window_config_source(hr_window_config *out, hr_error *error)
{
    const char *until, *isolation;

    out->source = json_object_get(out->root, "source");
    out->kafka = json_object_get(out->source, "config");
    out->topic = json_string_value(json_object_get(out->source, "topic"));
    until = json_string_value(json_object_get(out->source, "until"));
    out->forever = until != NULL && strcmp(until, "forever") == 0;
    if (out->topic == NULL || out->topic[0] == '\0')
        return hr_error_set(error, HR_EUSAGE, "the window job's setting \"source\" names no topic");
    if (strcmp(out->topic, out->to) == 0 || (out->late != NULL && strcmp(out->topic, out->late) == 0))
        return hr_error_set(error, HR_EUSAGE, "topic \"%s\" cannot be read from and written to by one job", out->topic);
    if (out->late != NULL && strcmp(out->late, out->to) == 0)
        return hr_error_set(error, HR_EUSAGE, "results and late frames cannot go to one topic, \"%s\"", out->to);
    for (int i = 0; i < 3; i++) {
        const char *topic = i == 0 ? out->topic : i == 1 ? out->to : out->late;

        if (topic != NULL && (strcmp(topic, out->state) == 0 || strcmp(topic, out->partials) == 0))
            return hr_error_set(error, HR_EUSAGE, "topic \"%s\" is the job's own: give it, or the job, another name", topic);
    }
    isolation = json_string_value(json_object_get(out->kafka, "isolation.level"));
    if (isolation != NULL && strcmp(isolation, "read_committed") != 0)
        return hr_error_set(error, HR_EUSAGE,
                            "isolation.level is \"%s\": a window job reads what is committed only (read_committed), its state above all",
                            isolation);
    return HR_OK;
}

int hr_window_config_parse(const char *text, hr_window_config *out, hr_error *error)
{
    json_error_t where;
    json_t *columns, *by, *aggregates, *windows, *table = NULL;
    const char *time, *zone = "UTC", *zoneinfo = NULL, *lost;
    json_int_t lateness = HR_WINDOW_LATENESS, jump = HR_WINDOW_LATENESS, early = 0, records = 0;
    json_int_t idle = 10000, commit = 1000, snapshot = INT64_C(256) << 20, often = 3600000, transaction = 64 << 20, table_bytes = 8 << 20;
    int keyed = 0, close_all = 0, create = 0, workers = 1;

    memset(out, 0, sizeof(*out));
    HR_RETURN_NOT_OK(hr_json_object_read(text, strlen(text), "the window job's settings", &out->root, error));
    HR_RETURN_NOT_OK(
        hr_window_unpacked(json_unpack_ex(out->root, &where, 0, "{s:s, s:s, s:s, s?s, s?s, s:o, s:s, s:o, s:o, s:o, s?s, s?s, s?o}", "job",
                                          &out->job, "run_id", &out->run_id, "to", &out->to, "late", &out->late, "instance", &out->instance,
                                          "columns", &columns, "time", &time, "by", &by, "aggregates", &aggregates, "windows", &windows,
                                          "zone", &zone, "zoneinfo", &zoneinfo, "table", &table),
                           &where, "object", error));
    HR_RETURN_NOT_OK(hr_window_unpacked(
        json_unpack_ex(out->root, &where, 0, "{s?I, s?I, s?I, s?b, s?b, s?I, s?I, s?I, s?I, s?I, s?i, s?I, s?F}", "lateness_us", &lateness,
                       "jump_us", &jump, "early_us", &early, "keyed", &keyed, "close_all", &close_all, "idle_ms", &idle, "commit_ms",
                       &commit, "snapshot_bytes", &snapshot, "snapshot_ms", &often, "transaction_bytes", &transaction, "workers", &workers,
                       "max_records", &records, "max_seconds", &out->max_seconds),
        &where, "object", error));
    if (table != NULL && !json_is_null(table))
        HR_RETURN_NOT_OK(hr_window_unpacked(json_unpack_ex(table, &where, 0, "{s:s, s:s, s?b, s?I}", "name", &out->table, "dsn",
                                                           &out->table_dsn, "create", &create, "bytes", &table_bytes),
                                            &where, "\"table\"", error));
    lost = json_string_value(json_object_get(out->root, "lost_offsets"));
    out->lost_accept = lost != NULL && strcmp(lost, "earliest") == 0;
    if (lost != NULL && !out->lost_accept && strcmp(lost, "fail") != 0)
        return hr_error_set(error, HR_EUSAGE, "lost_offsets is \"%.20s\": write fail or earliest", lost);
    if (workers < 1 || workers > 64 || idle < 0 || commit < 1 || snapshot < 0 || often < 1 || transaction < 1 || table_bytes < 1 ||
        records < 0 || early < 0 || !(out->max_seconds >= 0))
        return hr_error_set(error, HR_EUSAGE, "the window job's settings: 1 to 64 workers, and no negative times and counts");
    out->keyed = keyed != 0;
    out->close_all = close_all != 0;
    out->table_create = create != 0;
    out->early_ms = early / 1000;
    out->idle_ms = idle;
    out->commit_ms = commit;
    out->snapshot_bytes = snapshot;
    out->snapshot_ms = often;
    out->transaction_bytes = transaction;
    out->table_bytes = table_bytes;
    out->workers = workers;
    out->max_records = records > 0 ? records : INT64_MAX;
    if (out->max_seconds > 1e9)
        out->max_seconds = 1e9;
    HR_RETURN_NOT_OK(hr_window_config_names(out, error));
    HR_RETURN_NOT_OK(hr_window_config_source(out, error));
    if (out->close_all && out->forever)
        return hr_error_set(error, HR_EUSAGE, "input that goes on for ever is never over: close_all needs an end");
    HR_RETURN_NOT_OK(hr_schema_new(&out->schema, error));
    HR_RETURN_NOT_OK(hr_window_config_columns(columns, out->schema, error));
    HR_RETURN_NOT_OK(hr_window_config_column(out, time, &out->options.time, error));
    HR_RETURN_NOT_OK(hr_window_config_by(by, out, error));
    HR_RETURN_NOT_OK(hr_window_config_specs(windows, out, error));
    out->options.keyed = hr_window_config_adds(out, aggregates);
    HR_RETURN_NOT_OK(hr_window_config_aggregates(aggregates, out, error));
    HR_RETURN_NOT_OK(hr_timezone_load(zone, zoneinfo, &out->zone, error));
    out->options.zone = out->zone;
    out->options.lateness = lateness;
    out->options.jump = jump < 0 ? HR_WINDOW_JUMP_OFF : jump;
    out->options.name_windows = true;
    out->options.early = true;
    out->options.seed = XXH3_64bits(out->run_id, strlen(out->run_id));
    return hr_window_config_fingerprint(out, error);
}

int hr_window_config_windows(const hr_window_config *config, bool merge, hr_windows **out, hr_error *error)
{
    hr_window_options options = config->options;

    if (merge)
        options.aggregates = config->merged;
    return hr_windows_new(config->schema, &options, out, error);
}

void hr_window_config_free(hr_window_config *config)
{
    hr_schema_release(config->schema);
    hr_timezone_free(config->zone);
    hr_free(config->aggregates);
    hr_free(config->merged);
    hr_free(config->by);
    hr_buffer_free(&config->names);
    json_decref(config->root);
    memset(config, 0, sizeof(*config));
}
