/* csrc/io/load/ledger.c: the statements behind offsets and receipts. */
#include "ledger.h"

#include <inttypes.h>
#include <stdio.h>

#include "io/json_text.h"

/* The SQL of a vault is long, and a replay of dead letters only wants that of the job's last run: older receipts let go of it. */
static const char HR_SQL_BEGIN[] =
    "WITH older AS (UPDATE headrace.receipts SET settings = settings - 'vault' WHERE job = $2 AND target = $3 AND settings ? 'vault'"
    " AND state <> 'running' AND (source LIKE 'dead letters of %' OR $5 NOT LIKE 'dead letters of %'))"
    " INSERT INTO headrace.receipts (run_id, job, target, mode, source, settings, state) VALUES ($1, $2, $3, $4, $5, $6::jsonb, 'running')";

/* Waits for a batch that is just being committed, by a worker that is overtaken or whose connection was lost, so that the next statement
 * sees it. Sorted like HR_SQL_TAKE. */
static const char HR_SQL_LOCK[] =
    "SELECT 1 FROM headrace.offsets o JOIN unnest($2::text[], $3::int[]) AS t(topic, partition)"
    " ON o.topic = t.topic AND o.partition = t.partition WHERE o.job = $1 ORDER BY o.topic, o.partition FOR UPDATE OF o";

static const char HR_SQL_INTERRUPT[] =
    "UPDATE headrace.receipts r SET state = 'interrupted', finished_at = now(), error = 'the worker ended without a word; '"
    " || 'headrace.receipt_lanes says what it had committed', read = l.read, loaded = l.loaded, rejected = l.rejected, skipped = l.skipped,"
    " bytes = l.bytes "
    "FROM (SELECT o.run_id, coalesce(sum(x.read), 0) AS read, coalesce(sum(x.loaded), 0) AS loaded, coalesce(sum(x.rejected), 0) AS "
    "rejected,"
    "  coalesce(sum(x.skipped), 0) AS skipped, coalesce(sum(x.bytes), 0) AS bytes"
    "  FROM (SELECT DISTINCT f.run_id FROM headrace.offsets f JOIN unnest($2::text[], $3::int[]) AS t(topic, partition)"
    "        ON f.topic = t.topic AND f.partition = t.partition WHERE f.job = $1) o"
    "  LEFT JOIN headrace.receipt_lanes x ON x.run_id = o.run_id GROUP BY o.run_id) l "
    "WHERE r.run_id = l.run_id AND r.state = 'running' AND r.run_id <> $4::uuid";

/* Sorted, so that two takers lock in the same order. */
static const char HR_SQL_TAKE[] =
    "INSERT INTO headrace.offsets AS o (job, topic, partition, next_offset, generation, run_id) "
    "SELECT $1, t.topic, t.partition, t.first, 1, $5::uuid FROM unnest($2::text[], $3::int[], $4::bigint[]) AS t(topic, partition, first)"
    " ORDER BY t.topic, t.partition "
    "ON CONFLICT (job, topic, partition) DO UPDATE SET generation = o.generation + 1, run_id = excluded.run_id, updated_at = now() "
    "RETURNING o.topic, o.partition, o.next_offset, o.generation";

/* Run for every batch. */
static const hr_pg_statement HR_SQL_ADVANCE = {1, "headrace_advance",
    "WITH p AS (SELECT * FROM unnest($3::text[], $4::int[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], "
    "$10::bigint[],"
    "  $11::bigint[], $12::bigint[]) AS p(topic, partition, old, new, generation, read, loaded, rejected, skipped, bytes)),"
    " moved AS (UPDATE headrace.offsets o SET next_offset = p.new, updated_at = now() FROM p WHERE o.job = $1 AND o.topic = p.topic"
    "  AND o.partition = p.partition AND o.next_offset = p.old AND o.generation = p.generation AND o.run_id = $2::uuid RETURNING 1),"
    " lanes AS (INSERT INTO headrace.receipt_lanes AS r (run_id, topic, partition, offset_from, offset_to, read, loaded, rejected, "
    "skipped, bytes)"
    "  SELECT $2::uuid, topic, partition, old, new, read, loaded, rejected, skipped, bytes FROM p"
    "  ON CONFLICT (run_id, topic, partition) DO UPDATE SET offset_to = excluded.offset_to, read = r.read + excluded.read,"
    "  loaded = r.loaded + excluded.loaded, rejected = r.rejected + excluded.rejected, skipped = r.skipped + excluded.skipped,"
    "  bytes = r.bytes + excluded.bytes),"
    " tables AS (INSERT INTO headrace.receipt_tables AS t (run_id, worker, relation, row_count)"
    "  SELECT $2::uuid, $13::int, relation, row_count FROM unnest($14::text[], $15::bigint[]) AS u(relation, row_count)"
    "  ON CONFLICT (run_id, worker, relation) DO UPDATE SET row_count = t.row_count + excluded.row_count) "
    "SELECT count(*) FROM moved"};

/* A generation above ours is of an earlier question whose answer was lost: the run is ours alone. */
static const char HR_SQL_RESOLVE[] =
    "UPDATE headrace.offsets o SET generation = o.generation + 1, updated_at = now() FROM unnest($3::text[], $4::int[], $5::bigint[])"
    " AS p(topic, partition, generation) WHERE o.job = $1 AND o.run_id = $2::uuid AND o.topic = p.topic AND o.partition = p.partition"
    " AND o.generation >= p.generation RETURNING o.topic, o.partition, o.next_offset, o.generation";

/* The counts are those of the lanes, added to batch by batch. A success is written only when they are the worker's ($3 to $6). */
static const char HR_SQL_FINISH[] =
    "WITH l AS (SELECT coalesce(sum(read), 0)::bigint AS read, coalesce(sum(loaded), 0)::bigint AS loaded,"
    "  coalesce(sum(rejected), 0)::bigint AS rejected, coalesce(sum(skipped), 0)::bigint AS skipped,"
    "  coalesce(sum(bytes), 0)::bigint AS bytes FROM headrace.receipt_lanes WHERE run_id = $1::uuid),"
    " c AS (SELECT (read, loaded, rejected, skipped) = ($3::bigint, $4::bigint, $5::bigint, $6::bigint) AS same FROM l),"
    " u AS (UPDATE headrace.receipts r SET state = $2::text, finished_at = now(), read = l.read, loaded = l.loaded,"
    "  rejected = l.rejected, skipped = l.skipped, bytes = l.bytes, seconds = $7, error = $8, detail = $9::jsonb FROM l, c"
    "  WHERE r.run_id = $1::uuid AND (c.same OR $2::text <> 'succeeded')) "
    "SELECT c.same, l.read FROM l, c";

/* An array literal being written for a text parameter: {a,b,c}. */
typedef struct hr_array {
    hr_buffer text;
    int rc; /* the first failure; checked once at the end */
} hr_array;

static void hr_array_put(hr_array *array, const char *bytes, size_t n)
{
    if (array->rc == HR_OK)
        array->rc = hr_buffer_append(&array->text, bytes, n, NULL);
}

static void hr_array_separate(hr_array *array)
{
    hr_array_put(array, array->text.size == 0 ? "{" : ",", 1);
}

static void hr_array_int(hr_array *array, int64_t value)
{
    char text[32];
    int n = snprintf(text, sizeof(text), "%" PRId64, value);

    hr_array_separate(array);
    hr_array_put(array, text, (size_t)n);
}

static void hr_array_text(hr_array *array, const char *value)
{
    hr_array_separate(array);
    hr_array_put(array, "\"", 1);
    for (; *value != '\0'; value++) {
        if (*value == '"' || *value == '\\')
            hr_array_put(array, "\\", 1);
        hr_array_put(array, value, 1);
    }
    hr_array_put(array, "\"", 1);
}

/* Close all arrays; HR_ENOMEM when any of them ran out of memory. */
static int hr_arrays_close(hr_array *arrays, int count, hr_error *error)
{
    for (int i = 0; i < count; i++) {
        if (arrays[i].text.size == 0)
            hr_array_put(&arrays[i], "{", 1);
        hr_array_put(&arrays[i], "}", 2); /* with its NUL */
        if (arrays[i].rc != HR_OK)
            return hr_error_nomem(error);
    }
    return HR_OK;
}

static void hr_arrays_free(hr_array *arrays, int count)
{
    for (int i = 0; i < count; i++)
        hr_buffer_free(&arrays[i].text);
}

#define HR_TEXT_OF(array) ((const char *)(array).text.data)

/* The settings that decide how records become rows, as JSON text to be freed with free(); NULL when memory runs out. None is a secret. */
static char *hr_ledger_settings(const hr_load_config *config)
{
    static const char *const names[] = {"format", "csv",     "debezium", "avro",   "mode",      "key",
                                        "map",    "unknown", "tombstones", "partition", "vault"};
    json_t *settings = json_object();
    char *text;
    int bad = settings == NULL;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !bad; i++) {
        json_t *value = json_object_get(config->root, names[i]);
        if (value != NULL && !json_is_null(value))
            bad |= json_object_set(settings, names[i], value);
    }
    text = bad ? NULL : hr_json_text_of(settings, JSON_COMPACT);
    json_decref(settings);
    return text;
}

/* Open the receipt (state running). */
static int hr_ledger_begin(hr_pg *pg, const hr_load_config *config, const char *target, hr_error *error)
{
    char *settings = hr_ledger_settings(config);
    const char *values[] = {config->run_id, config->job, target, hr_mode_name(config->mode), config->source_text, settings};
    int rc = settings != NULL ? hr_pg_query(pg, HR_SQL_BEGIN, 6, values, NULL, error) : hr_error_nomem(error);

    hr_free(settings);
    return rc;
}

/* Put what the server returned (topic, partition, next, generation) into the holds. Returns how many it knew. */
static int32_t hr_ledger_read_holds(const PGresult *rows, hr_hold *holds, int32_t count)
{
    int32_t known = 0;

    for (int r = 0; r < PQntuples(rows); r++) {
        int32_t partition = (int32_t)strtol(PQgetvalue(rows, r, 1), NULL, 10);

        for (int32_t i = 0; i < count; i++) {
            if (holds[i].partition != partition || strcmp(holds[i].topic, PQgetvalue(rows, r, 0)) != 0)
                continue;
            holds[i].next = strtoll(PQgetvalue(rows, r, 2), NULL, 10);
            holds[i].generation = strtoll(PQgetvalue(rows, r, 3), NULL, 10);
            known++;
            break;
        }
    }
    return known;
}

int hr_ledger_take(hr_pg *pg, const hr_load_config *config, const char *target, hr_lanes *lanes, hr_hold *holds, hr_error *error)
{
    hr_array arrays[3] = {{{0}, 0}};
    PGresult *rows = NULL;
    int32_t known = 0;
    int rc;

    for (int32_t i = 0; i < lanes->count; i++) {
        holds[i].topic = lanes->lanes[i].topic;
        holds[i].partition = lanes->lanes[i].partition;
        hr_array_text(&arrays[0], lanes->lanes[i].topic);
        hr_array_int(&arrays[1], lanes->lanes[i].partition);
        hr_array_int(&arrays[2], lanes->lanes[i].begin);
    }
    rc = hr_arrays_close(arrays, 3, error);
    if (rc == HR_OK)
        rc = hr_pg_exec(pg, "BEGIN", NULL, error);
    if (rc == HR_OK) {
        const char *values[] = {config->offsets_key, HR_TEXT_OF(arrays[0]), HR_TEXT_OF(arrays[1]), config->run_id};
        rc = hr_pg_query(pg, HR_SQL_LOCK, 3, values, NULL, error);
        if (rc == HR_OK)
            rc = hr_pg_query(pg, HR_SQL_INTERRUPT, 4, values, NULL, error);
    }
    if (rc == HR_OK)
        rc = hr_ledger_begin(pg, config, target, error);
    if (rc == HR_OK) {
        const char *values[] = {config->offsets_key, HR_TEXT_OF(arrays[0]), HR_TEXT_OF(arrays[1]), HR_TEXT_OF(arrays[2]), config->run_id};
        rc = hr_pg_query(pg, HR_SQL_TAKE, 5, values, &rows, error);
    }
    if (rc == HR_OK)
        known = hr_ledger_read_holds(rows, holds, lanes->count);
    PQclear(rows);
    hr_arrays_free(arrays, 3);
    if (rc == HR_OK && known != lanes->count)
        rc = hr_error_set(error, HR_ESCHEMA, "headrace.offsets returned %d of %d lanes: is a trigger on it?", (int)known,
                          (int)lanes->count);
    if (rc == HR_OK)
        rc = hr_pg_exec(pg, "COMMIT", NULL, error);
    if (rc != HR_OK) {
        if (!hr_pg_lost(pg))
            hr_pg_exec(pg, "ROLLBACK", NULL, NULL); /* the first error is the one to report */
        return rc;
    }
    for (int32_t i = 0; i < lanes->count; i++)
        lanes->lanes[i].next = holds[i].next;
    return HR_OK;
}

int hr_ledger_advance(hr_pg *pg, const hr_load_config *config, const hr_hold *holds, const hr_work *work, int32_t worker,
                      const hr_relation_count *relations, int32_t relation_count, hr_error *error)
{
    enum { TOPIC, PARTITION, OLD, NEW, GENERATION, READ, LOADED, REJECTED, SKIPPED, BYTES, RELATION, ROWS, ARRAYS };
    hr_array arrays[ARRAYS] = {{{0}, 0}};
    char worker_text[16];
    PGresult *rows = NULL;
    int64_t expected = 0, moved = 0;
    int rc;

    for (int32_t i = 0; i < work->lane_count; i++) {
        const hr_tally *tally = &work->tallies[i];

        if (tally->read != tally->loaded + tally->rejected + tally->skipped)
            return hr_error_set(error, HR_EBALANCE,
                                "%s partition %d: read %" PRId64 " is not loaded %" PRId64 " + rejected %" PRId64 " + skipped %" PRId64
                                "; the batch is rolled back. This is a defect of Headrace: please report it",
                                holds[i].topic, (int)holds[i].partition, tally->read, tally->loaded, tally->rejected, tally->skipped);
        if (work->next[i] == HR_OFFSET_UNKNOWN)
            continue;
        expected++;
        hr_array_text(&arrays[TOPIC], holds[i].topic);
        hr_array_int(&arrays[PARTITION], holds[i].partition);
        hr_array_int(&arrays[OLD], holds[i].next);
        hr_array_int(&arrays[NEW], work->next[i]);
        hr_array_int(&arrays[GENERATION], holds[i].generation);
        hr_array_int(&arrays[READ], tally->read);
        hr_array_int(&arrays[LOADED], tally->loaded);
        hr_array_int(&arrays[REJECTED], tally->rejected);
        hr_array_int(&arrays[SKIPPED], tally->skipped);
        hr_array_int(&arrays[BYTES], tally->bytes);
    }
    for (int32_t i = 0; i < relation_count; i++) {
        hr_array_text(&arrays[RELATION], relations[i].relation);
        hr_array_int(&arrays[ROWS], relations[i].rows);
    }
    snprintf(worker_text, sizeof(worker_text), "%d", (int)worker);
    rc = hr_arrays_close(arrays, ARRAYS, error);
    if (rc == HR_OK) {
        const char *values[] = {config->offsets_key,
                                config->run_id,
                                HR_TEXT_OF(arrays[TOPIC]),
                                HR_TEXT_OF(arrays[PARTITION]),
                                HR_TEXT_OF(arrays[OLD]),
                                HR_TEXT_OF(arrays[NEW]),
                                HR_TEXT_OF(arrays[GENERATION]),
                                HR_TEXT_OF(arrays[READ]),
                                HR_TEXT_OF(arrays[LOADED]),
                                HR_TEXT_OF(arrays[REJECTED]),
                                HR_TEXT_OF(arrays[SKIPPED]),
                                HR_TEXT_OF(arrays[BYTES]),
                                worker_text,
                                HR_TEXT_OF(arrays[RELATION]),
                                HR_TEXT_OF(arrays[ROWS])};
        rc = hr_pg_execute(pg, &HR_SQL_ADVANCE, 15, values, &rows, error);
    }
    if (rc == HR_OK)
        moved = strtoll(PQgetvalue(rows, 0, 0), NULL, 10);
    PQclear(rows);
    hr_arrays_free(arrays, ARRAYS);
    HR_RETURN_NOT_OK(rc);
    if (moved != expected)
        return hr_error_set(error, HR_EFENCED,
                            "another worker took job \"%s\" over (%" PRId64 " of %" PRId64 " partitions are still ours): this "
                            "batch is rolled back and this worker stops; nothing is lost, the other one goes on",
                            config->job, moved, expected);
    return HR_OK;
}

/* The server has crashed and came back without its last commits, which had not reached its disk. */
static int hr_ledger_rolled_back(const hr_load_config *config, const hr_hold *hold, int64_t had, hr_error *error)
{
    return hr_error_set(error, HR_ESERVER,
                        "PostgreSQL came back without its last commits: job \"%s\" had written %s partition %d up to %" PRId64
                        ", the database knows %" PRId64 ". The rows have gone with their offsets, so the next run loads them again and "
                        "nothing is missing; the receipt counts what is there",
                        config->job, hold->topic, (int)hold->partition, had, hold->next);
}

int hr_ledger_resolve(hr_pg *pg, const hr_load_config *config, hr_hold *holds, const int64_t *next, int32_t count, bool *landed,
                      hr_error *error)
{
    hr_array arrays[3] = {{{0}, 0}};
    int64_t *old = hr_calloc((size_t)count + 1, sizeof(*old));
    PGresult *rows = NULL;
    int32_t known = 0, moved = 0, here = 0;
    int rc = old != NULL ? HR_OK : hr_error_nomem(error);

    /* All lanes this worker holds, not only those that moved: the generation of every one must stay in step. */
    for (int32_t i = 0; i < count && rc == HR_OK; i++) {
        old[i] = holds[i].next;
        hr_array_text(&arrays[0], holds[i].topic);
        hr_array_int(&arrays[1], holds[i].partition);
        hr_array_int(&arrays[2], holds[i].generation);
    }
    if (rc == HR_OK)
        rc = hr_arrays_close(arrays, 3, error);
    if (rc == HR_OK) {
        const char *values[] = {config->offsets_key, config->run_id, HR_TEXT_OF(arrays[0]), HR_TEXT_OF(arrays[1]), HR_TEXT_OF(arrays[2])};
        rc = hr_pg_query(pg, HR_SQL_RESOLVE, 5, values, &rows, error);
    }
    if (rc == HR_OK) {
        known = hr_ledger_read_holds(rows, holds, count);
        if (known != count)
            rc = hr_error_set(error, HR_EFENCED, "another worker took job \"%s\" over while the connection was lost; this worker stops",
                              config->job);
    }
    for (int32_t i = 0; i < count && rc == HR_OK; i++) {
        if (holds[i].next < old[i])
            rc = hr_ledger_rolled_back(config, &holds[i], old[i], error);
        if (rc != HR_OK || next[i] == HR_OFFSET_UNKNOWN || next[i] == old[i])
            continue;
        moved++;
        here += holds[i].next == next[i];
        if (holds[i].next != next[i] && holds[i].next != old[i])
            rc = hr_error_set(error, HR_EFENCED,
                              "the offset of job \"%s\", %s partition %d, was changed by somebody else; this worker stops", config->job,
                              holds[i].topic, (int)holds[i].partition);
    }
    if (rc == HR_OK && here != 0 && here != moved)
        rc = hr_error_set(error, HR_EFENCED, "the offsets of job \"%s\" were changed by somebody else; this worker stops", config->job);
    *landed = moved > 0 && here == moved;
    PQclear(rows);
    hr_arrays_free(arrays, 3);
    hr_free(old);
    return rc;
}

/* Close the receipt with this state. *same: its lanes add up to `total`; a success is written only then. */
static int hr_ledger_close(hr_pg *pg, const hr_load_config *config, const char *state, const hr_tally *total, double seconds,
                           const char *message, const char *detail, bool *same, int64_t *read, hr_error *error)
{
    const int64_t counts[4] = {total->read, total->loaded, total->rejected, total->skipped};
    char numbers[4][24], seconds_text[32];
    PGresult *rows = NULL;

    for (int i = 0; i < 4; i++)
        snprintf(numbers[i], sizeof(numbers[i]), "%" PRId64, counts[i]);
    snprintf(seconds_text, sizeof(seconds_text), "%.3f", seconds);
    const char *values[] = {config->run_id, state,        numbers[0], numbers[1], numbers[2],
                            numbers[3],     seconds_text, message,    detail};
    HR_RETURN_NOT_OK(hr_pg_query(pg, HR_SQL_FINISH, 9, values, &rows, error));
    *same = strcmp(PQgetvalue(rows, 0, 0), "t") == 0;
    *read = strtoll(PQgetvalue(rows, 0, 1), NULL, 10);
    PQclear(rows);
    return HR_OK;
}

int hr_ledger_finish(hr_pg *pg, const hr_load_config *config, const hr_tally *total, double seconds, const hr_error *failure,
                     const char *detail, hr_error *error)
{
    const char *state = failure == NULL ? "succeeded" : failure->code == HR_ECANCELLED ? "cancelled" : "failed";
    hr_error local, *why = error != NULL ? error : &local;
    int64_t read;
    bool same;

    HR_RETURN_NOT_OK(
        hr_ledger_close(pg, config, state, total, seconds, failure != NULL ? failure->message : NULL, detail, &same, &read, error));
    if (failure == NULL && !same) {
        hr_error_set(why, HR_ESERVER,
                     "the receipt in the database counts %" PRId64 " records read, this run has %" PRId64 ": PostgreSQL came back from a "
                     "crash without its last commits. The rows have gone with their offsets, so the next run loads them again and nothing "
                     "is missing",
                     read, total->read);
        HR_RETURN_NOT_OK(hr_ledger_close(pg, config, "failed", total, seconds, why->message, detail, &same, &read, NULL));
        return HR_ESERVER;
    }
    if (config->one_off && (failure == NULL || config->commit_at_end)) {
        const char *key[] = {config->offsets_key, config->run_id};
        return hr_pg_query(pg, "DELETE FROM headrace.offsets WHERE job = $1 AND run_id = $2::uuid", 2, key, NULL, error);
    }
    return HR_OK;
}
