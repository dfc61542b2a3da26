/* csrc/io/load/report.c: receipts and plans as JSON. */
#include "report.h"

#include <inttypes.h>
#include <stdio.h>

#include "io/json_text.h"
#include "leaves.h"

/* jansson reports running out of memory by NULL or -1; one flag collects it, and the document is thrown away. */
typedef struct hr_json {
    bool failed;
} hr_json;

static void hr_json_set(hr_json *state, json_t *object, const char *key, json_t *value)
{
    if (value == NULL || json_object_set_new(object, key, value) != 0) /* which lets go of the value in any case */
        state->failed = true;
}

static void hr_json_append(hr_json *state, json_t *array, json_t *value)
{
    if (value == NULL || json_array_append_new(array, value) != 0)
        state->failed = true;
}

/* A text that may be no valid UTF-8 (it is ours or the server's, so this is rare): then null. */
static json_t *hr_json_text(const char *text)
{
    json_t *value = text != NULL ? json_string(text) : json_null();
    return value != NULL ? value : json_null();
}

/* Write the document and let it go. */
static int hr_json_finish(hr_json *state, json_t *root, char **out, hr_error *error)
{
    *out = state->failed ? NULL : hr_json_text_of(root, JSON_COMPACT);
    json_decref(root);
    return *out != NULL ? HR_OK : hr_error_nomem(error);
}

/* Relation -> rows, over all workers. */
static json_t *hr_report_tables(hr_json *state, hr_worker *workers, int32_t count)
{
    json_t *tables = json_object();

    for (int32_t w = 0; w < count; w++) {
        const char *name;
        json_t *rows;
        json_object_foreach(workers[w].relations, name, rows)
            hr_json_set(state, tables, name, json_integer(json_integer_value(json_object_get(tables, name)) + json_integer_value(rows)));
    }
    return tables;
}

static json_t *hr_report_reasons(hr_json *state, hr_worker *workers, int32_t count)
{
    json_t *reasons = json_object();

    for (int reason = 1; reason < HR_REASON_COUNT; reason++) {
        int64_t n = 0;
        for (int32_t w = 0; w < count; w++)
            n += workers[w].reasons[reason];
        if (n > 0)
            hr_json_set(state, reasons, hr_reason_name((hr_reason)reason), json_integer(n));
    }
    return reasons;
}

/* {"topic/partition": records that were deleted before they could be read} */
static json_t *hr_report_lost(hr_json *state, const hr_worker *workers, int32_t count)
{
    json_t *lost = json_object();

    for (int32_t w = 0; w < count; w++) {
        for (int32_t i = 0; i < workers[w].lane_count; i++) {
            char key[600];

            if (workers[w].tallies[i].lost == 0)
                continue;
            snprintf(key, sizeof(key), "%s/%d", workers[w].holds[i].topic, (int)workers[w].holds[i].partition);
            hr_json_set(state, lost, key, json_integer(workers[w].tallies[i].lost));
        }
    }
    return lost;
}

int hr_report_detail(hr_worker *workers, int32_t count, char **out, hr_error *error)
{
    hr_json state = {false};
    json_t *root = json_object();

    hr_json_set(&state, root, "tables", hr_report_tables(&state, workers, count));
    hr_json_set(&state, root, "rejects", hr_report_reasons(&state, workers, count));
    hr_json_set(&state, root, "lost", hr_report_lost(&state, workers, count));
    return hr_json_finish(&state, root, out, error);
}

static void hr_report_tally(hr_json *state, json_t *object, const hr_tally *tally)
{
    hr_json_set(state, object, "read", json_integer(tally->read));
    hr_json_set(state, object, "loaded", json_integer(tally->loaded));
    hr_json_set(state, object, "rejected", json_integer(tally->rejected));
    hr_json_set(state, object, "skipped", json_integer(tally->skipped));
    hr_json_set(state, object, "bytes", json_integer(tally->bytes));
    hr_json_set(state, object, "lost", json_integer(tally->lost));
}

static json_t *hr_report_time(time_t at)
{
    struct tm utc;
    char text[32];

    gmtime_r(&at, &utc);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
    return json_string(text);
}

static json_t *hr_report_error(hr_json *state, const hr_error *failure)
{
    json_t *object;

    if (failure == NULL)
        return json_null();
    object = json_object();
    hr_json_set(state, object, "code", json_string(hr_code_name(failure->code)));
    hr_json_set(state, object, "message", hr_json_text(failure->message));
    hr_json_set(state, object, "retriable", json_boolean(failure->retriable));
    hr_json_set(state, object, "fatal", json_boolean(failure->fatal));
    hr_json_set(state, object, "sqlstate", failure->sqlstate[0] != '\0' ? json_string(failure->sqlstate) : json_null());
    return object;
}

int hr_report_receipt(const hr_load_config *config, const hr_target *target, hr_worker *workers, int32_t count, time_t started_at,
                      double seconds, const hr_error *failure, char **out, hr_error *error)
{
    const char *state_name = failure == NULL ? "succeeded" : failure->code == HR_ECANCELLED ? "cancelled" : "failed";
    hr_json state = {false};
    hr_tally total = {0};
    json_t *root = json_object(), *offsets = json_array();

    for (int32_t w = 0; w < count; w++) {
        for (int32_t i = 0; i < workers[w].lane_count; i++) {
            const hr_tally *tally = &workers[w].tallies[i];
            json_t *lane = json_object();

            hr_json_set(&state, lane, "topic", hr_json_text(workers[w].holds[i].topic));
            hr_json_set(&state, lane, "partition", json_integer(workers[w].holds[i].partition));
            hr_json_set(&state, lane, "from", json_integer(workers[w].from[i]));
            hr_json_set(&state, lane, "to", json_integer(workers[w].holds[i].next));
            hr_report_tally(&state, lane, tally);
            hr_json_append(&state, offsets, lane);
            total.read += tally->read;
            total.loaded += tally->loaded;
            total.rejected += tally->rejected;
            total.skipped += tally->skipped;
            total.bytes += tally->bytes;
            total.lost += tally->lost;
        }
    }
    hr_json_set(&state, root, "run_id", json_string(config->run_id));
    hr_json_set(&state, root, "job", json_string(config->job));
    hr_json_set(&state, root, "target", hr_json_text(target != NULL ? target->display : config->table));
    hr_json_set(&state, root, "mode", json_string(hr_mode_name(config->mode)));
    hr_json_set(&state, root, "source", json_string(config->source_text));
    hr_json_set(&state, root, "state", json_string(state_name));
    hr_report_tally(&state, root, &total);
    hr_json_set(&state, root, "seconds", json_real(seconds));
    hr_json_set(&state, root, "started_at", hr_report_time(started_at));
    hr_json_set(&state, root, "finished_at", hr_report_time(time(NULL)));
    hr_json_set(&state, root, "offsets", offsets);
    hr_json_set(&state, root, "tables", hr_report_tables(&state, workers, count));
    hr_json_set(&state, root, "rejects", hr_report_reasons(&state, workers, count));
    hr_json_set(&state, root, "error", hr_report_error(&state, failure));
    HR_RETURN_NOT_OK(hr_json_finish(&state, root, out, error));
    if (total.read != total.loaded + total.rejected + total.skipped)
        return hr_error_set(error, HR_EBALANCE, "the receipt of run %s does not balance", config->run_id);
    return HR_OK;
}

/* Where a column takes its value from, as hr_schema_map would be told. */
static json_t *hr_report_from(const hr_column_def *def)
{
    static const char *const names[] = {"", "$rest", "$raw", "$key", "$topic", "$partition", "$offset", "$timestamp", NULL,
                                        "$op", "$lsn", "$txid", "$source_ts", "$snapshot", "$table", "$unchanged"};
    char path[512];
    size_t used = 0;

    if (def->from != HR_FROM_PATH)
        return names[def->from] != NULL ? json_string(names[def->from]) : json_null();
    for (int32_t i = 0; i < def->depth && used < sizeof(path); i++)
        used += (size_t)snprintf(path + used, sizeof(path) - used, "%s%s", i ? "." : "", def->path[i]);
    return hr_json_text(path); /* null when it was cut in the middle of a character */
}

static json_t *hr_report_target(hr_json *state, const hr_target *target, int32_t leaf_count)
{
    json_t *object = json_object(), *columns = json_array(), *key = json_array();
    const hr_schema *schema = target->schema;

    for (int32_t i = 0; i < schema->count; i++) {
        const hr_column_def *def = &schema->columns[i];
        json_t *column = json_object();

        hr_json_set(state, column, "name", hr_json_text(def->name));
        hr_json_set(state, column, "type", hr_json_text(def->type.name));
        hr_json_set(state, column, "not_null", json_boolean(def->not_null));
        hr_json_set(state, column, "has_default", json_boolean(def->has_default));
        hr_json_set(state, column, "from", hr_report_from(def));
        hr_json_append(state, columns, column);
    }
    for (int32_t i = 0; i < target->key_count; i++)
        hr_json_append(state, key, hr_json_text(schema->columns[target->key[i]].name));
    hr_json_set(state, object, "table", hr_json_text(target->display));
    hr_json_set(state, object, "columns", columns);
    hr_json_set(state, object, "key", key);
    hr_json_set(state, object, "partition_column",
                hr_json_text(target->partition_column >= 0 ? schema->columns[target->partition_column].name : NULL));
    hr_json_set(state, object, "partitions", json_integer(leaf_count));
    hr_json_set(state, object, "copy_format", json_string(target->copy->name));
    return object;
}

/* What a careful person would want to know before the run. */
static json_t *hr_report_warnings(hr_json *state, const hr_load_config *config, const hr_target *target, const hr_leaves *leaves)
{
    json_t *warnings = json_array();
    char text[400];

    for (int32_t i = 0; i < target->schema->count; i++) {
        const hr_column_def *def = &target->schema->columns[i];
        if (def->type.kind != HR_OTHER)
            continue;
        snprintf(text, sizeof(text), "column \"%s\" is %s: rows go as text through the server's own input, slower than binary", def->name,
                 def->type.name);
        hr_json_append(state, warnings, hr_json_text(text));
    }
    for (int32_t i = 0; i < leaves->count; i++) {
        if (leaves->tables[i].direct || target->through_parent)
            continue;
        snprintf(text, sizeof(text), "this role may not insert into partition %s directly: rows go through the parent, slower",
                 leaves->tables[i].quoted);
        hr_json_append(state, warnings, hr_json_text(text));
    }
    if (target->partitioned && target->partition_column < 0)
        hr_json_append(state, warnings,
                       json_string("the table is not partitioned by range of one date or timestamp column: the server routes the rows"));
    if (config->mode == HR_MODE_APPEND && target->key_count > 0)
        hr_json_append(state, warnings, json_string("mode=append: a record whose primary key is there already becomes a reject"));
    return warnings;
}

/* next_offset of every lane that has one, as an object "topic/partition" -> offset. */
static int hr_report_stored(hr_pg *pg, const hr_load_config *config, hr_json *state, json_t **out, hr_error *error)
{
    const char *values[] = {config->job};
    PGresult *rows = NULL;
    bool there;

    *out = json_object();
    HR_RETURN_NOT_OK(hr_pg_exec(pg, "SELECT pg_catalog.to_regclass('headrace.offsets') IS NOT NULL", &rows, error));
    there = PQgetvalue(rows, 0, 0)[0] == 't';
    PQclear(rows);
    if (!there)
        return HR_OK;
    HR_RETURN_NOT_OK(
        hr_pg_query(pg, "SELECT topic || '/' || partition, next_offset FROM headrace.offsets WHERE job = $1", 1, values, &rows, error));
    for (int i = 0; i < PQntuples(rows); i++)
        hr_json_set(state, *out, PQgetvalue(rows, i, 0), json_integer(strtoll(PQgetvalue(rows, i, 1), NULL, 10)));
    PQclear(rows);
    return HR_OK;
}

int hr_report_plan(hr_pg *pg, const hr_load_config *config, const hr_target *target, const hr_lanes *lanes, char **out, hr_error *error)
{
    hr_json state = {false};
    json_t *root = json_object(), *array = json_array(), *stored = NULL;
    hr_leaves leaves;
    int rc = HR_OK;

    hr_leaves_init(&leaves, config);
    if (target->partition_column >= 0)
        rc = hr_leaves_read(&leaves, pg, target, error);
    if (rc == HR_OK)
        rc = hr_report_stored(pg, config, &state, &stored, error);
    for (int32_t i = 0; i < lanes->count && rc == HR_OK; i++) {
        const hr_lane *lane = &lanes->lanes[i];
        json_t *object = json_object(), *next;
        char key[600];

        snprintf(key, sizeof(key), "%s/%d", lane->topic, (int)lane->partition);
        next = json_object_get(stored, key);
        int64_t from = next != NULL ? json_integer_value(next) : lane->begin;
        hr_json_set(&state, object, "topic", hr_json_text(lane->topic));
        hr_json_set(&state, object, "partition", json_integer(lane->partition));
        hr_json_set(&state, object, "stored", next != NULL ? json_integer(json_integer_value(next)) : json_null());
        hr_json_set(&state, object, "from", json_integer(from));
        hr_json_set(&state, object, "to", lane->end != INT64_MAX ? json_integer(lane->end) : json_null());
        hr_json_set(&state, object, "lag", lane->end != INT64_MAX ? json_integer(lane->end > from ? lane->end - from : 0) : json_null());
        hr_json_append(&state, array, object);
    }
    hr_json_set(&state, root, "job", json_string(config->job));
    hr_json_set(&state, root, "mode", json_string(hr_mode_name(config->mode)));
    hr_json_set(&state, root, "source", json_string(config->source_text));
    hr_json_set(&state, root, "server_version", json_integer(pg->server_version));
    hr_json_set(&state, root, "target", hr_report_target(&state, target, leaves.count));
    hr_json_set(&state, root, "lanes", array);
    hr_json_set(&state, root, "warnings", hr_report_warnings(&state, config, target, &leaves));
    hr_leaves_free(&leaves);
    json_decref(stored);
    if (rc != HR_OK) {
        json_decref(root);
        return rc;
    }
    return hr_json_finish(&state, root, out, error);
}
