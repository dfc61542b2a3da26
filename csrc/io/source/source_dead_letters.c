/* csrc/io/source/source_dead_letters.c: rejected records once more, in the order they were rejected, page by page.
 *
 * Settings: "dsn" of the database that keeps them, "from_job" (whose), and optionally "reason" and "ids". The records carry their own
 * topic, partition and offset; the lane's offset is the dead letter's id.
 */
#include <inttypes.h>
#include <stdio.h>

#include "core/bytes.h"
#include "io/postgres.h"
#include "source.h"

#define HR_PAGE 5000

static const char HR_SQL_PAGE[] =
    "SELECT id, topic, partition, \"offset\", coalesce(line, 0), raw, key, (extract(epoch FROM record_timestamp) * 1000000)::bigint, "
    "header "
    "FROM headrace.dead_letters WHERE job = $1 AND replayed_at IS NULL AND id >= $2::bigint AND id <= $3::bigint"
    " AND ($4::text IS NULL OR reason = $4) AND ($5::bigint[] IS NULL OR id = ANY ($5::bigint[])) ORDER BY id LIMIT $6::bigint";

struct hr_source {
    hr_pg *pg;
    const char *job, *reason;
    hr_buffer ids; /* array literal; empty = all */
    int64_t next, end;
    bool done;
    hr_arena texts; /* topics and headers, which must outlive the chunks */
    const char *topic, *header;
};

typedef struct hr_letters_chunk {
    hr_arena arena;
    hr_position position;
} hr_letters_chunk;

static int hr_source_letters_plan(const json_t *config, int32_t want, const atomic_bool *cancel, hr_lanes *out, hr_error *error)
{
    (void)want;
    (void)cancel;
    memset(out, 0, sizeof(*out));
    if (!json_is_string(json_object_get(config, "dsn")) || !json_is_string(json_object_get(config, "from_job")))
        return hr_error_set(error, HR_EUSAGE, "source: settings \"dsn\" and \"from_job\" must be given");
    return hr_lanes_single("dead_letters", out, error);
}

static void hr_source_letters_close(hr_source *source)
{
    hr_pg_close(source->pg);
    hr_buffer_free(&source->ids);
    hr_arena_free(&source->texts);
    hr_free(source);
}

/* Letters that come in while we replay, our own among them, are not for this run. */
static int hr_source_letters_last(hr_source *source, hr_error *error)
{
    PGresult *rows = NULL;

    HR_RETURN_NOT_OK(hr_pg_exec(source->pg, "SELECT coalesce(max(id), 0) FROM headrace.dead_letters", &rows, error));
    source->end = strtoll(PQgetvalue(rows, 0, 0), NULL, 10);
    PQclear(rows);
    return HR_OK;
}

static int hr_source_letters_open(const json_t *config, const hr_lane *lanes, int32_t count, const atomic_bool *cancel, hr_source **out,
                                  hr_error *error)
{
    hr_source *source = hr_calloc(1, sizeof(*source));
    const json_t *ids = json_object_get(config, "ids");
    int rc;

    (void)count;
    *out = NULL;
    if (source == NULL)
        return hr_error_nomem(error);
    hr_arena_init(&source->texts, 4096);
    source->job = json_string_value(json_object_get(config, "from_job"));
    source->reason = json_string_value(json_object_get(config, "reason"));
    source->next = lanes[0].next;
    rc = hr_pg_open(json_string_value(json_object_get(config, "dsn")), "headrace", cancel, &source->pg, error);
    for (size_t i = 0; rc == HR_OK && i < json_array_size(ids); i++)
        rc = hr_sql(&source->ids, error, "%s%" JSON_INTEGER_FORMAT, i ? "," : "{", json_integer_value(json_array_get(ids, i)));
    if (rc == HR_OK && source->ids.size > 0)
        rc = hr_buffer_append(&source->ids, "}", 2, error);
    if (rc == HR_OK)
        rc = hr_source_letters_last(source, error);
    if (rc != HR_OK) {
        hr_source_letters_close(source);
        return rc;
    }
    *out = source;
    return HR_OK;
}

/* "\x0102" as bytes in the arena. */
static char *hr_letters_bytes(hr_arena *arena, const PGresult *rows, int row, int column, size_t *n)
{
    const char *hex = PQgetvalue(rows, row, column);
    char *bytes;

    *n = (size_t)(PQgetlength(rows, row, column) - 2) / 2;
    bytes = hr_arena_alloc(arena, *n + 1);
    for (size_t i = 0; bytes != NULL && i < *n; i++)
        bytes[i] = (char)(hr_hex_value(hex[2 + 2 * i]) << 4 | hr_hex_value(hex[3 + 2 * i]));
    return bytes;
}

/* A text that lives as long as the source; records in a row mostly share it. NULL when memory runs out. */
static const char *hr_letters_text(hr_source *source, const char **last, const char *text)
{
    if (*last == NULL || strcmp(*last, text) != 0)
        *last = hr_arena_copy(&source->texts, text, strlen(text));
    return *last;
}

static int hr_letters_record(hr_source *source, hr_arena *arena, const PGresult *rows, int row, hr_record *record, hr_error *error)
{
    memset(record, 0, sizeof(*record));
    record->id = strtoll(PQgetvalue(rows, row, 0), NULL, 10);
    record->topic = hr_letters_text(source, &source->topic, PQgetvalue(rows, row, 1));
    record->partition = (int32_t)strtol(PQgetvalue(rows, row, 2), NULL, 10);
    record->offset = strtoll(PQgetvalue(rows, row, 3), NULL, 10);
    record->line = strtoll(PQgetvalue(rows, row, 4), NULL, 10);
    record->timestamp = PQgetisnull(rows, row, 7) ? HR_NO_TIMESTAMP : strtoll(PQgetvalue(rows, row, 7), NULL, 10);
    if (record->topic == NULL)
        return hr_error_nomem(error);
    if (!PQgetisnull(rows, row, 5) && (record->data = hr_letters_bytes(arena, rows, row, 5, &record->len)) == NULL)
        return hr_error_nomem(error);
    if (!PQgetisnull(rows, row, 6) && (record->key = hr_letters_bytes(arena, rows, row, 6, &record->key_len)) == NULL)
        return hr_error_nomem(error);
    if (!PQgetisnull(rows, row, 8) && (record->header = hr_letters_text(source, &source->header, PQgetvalue(rows, row, 8))) == NULL)
        return hr_error_nomem(error);
    return HR_OK;
}

static void hr_source_letters_release(hr_source *source, hr_chunk *chunk)
{
    hr_letters_chunk *own = chunk->owner;

    (void)source;
    if (own == NULL)
        return;
    hr_arena_free(&own->arena);
    hr_free(own);
    chunk->owner = NULL;
}

static int hr_source_letters_fetch(hr_source *source, int32_t timeout_ms, int64_t max_records, hr_chunk *out, hr_error *error)
{
    hr_letters_chunk *own;
    PGresult *rows = NULL;
    char next[24], end[24], limit[24];
    int rc;

    (void)timeout_ms;
    memset(out, 0, sizeof(*out));
    out->finished = source->done;
    if (source->done)
        return HR_OK;
    own = hr_calloc(1, sizeof(*own));
    if (own == NULL)
        return hr_error_nomem(error);
    out->owner = own;
    hr_arena_init(&own->arena, 0);
    snprintf(next, sizeof(next), "%" PRId64, source->next);
    snprintf(end, sizeof(end), "%" PRId64, source->end);
    snprintf(limit, sizeof(limit), "%" PRId64, max_records < HR_PAGE ? max_records : HR_PAGE);
    const char *values[] = {source->job, next, end, source->reason, source->ids.size > 0 ? (const char *)source->ids.data : NULL, limit};
    rc = hr_pg_query(source->pg, HR_SQL_PAGE, 6, values, &rows, error);
    if (rc == HR_OK) {
        out->records = hr_arena_alloc(&own->arena, sizeof(*out->records) * ((size_t)PQntuples(rows) + 1));
        rc = out->records != NULL ? HR_OK : hr_error_nomem(error);
    }
    for (int i = 0; rc == HR_OK && i < PQntuples(rows); i++) {
        rc = hr_letters_record(source, &own->arena, rows, i, &out->records[i], error);
        out->count += rc == HR_OK;
    }
    source->done = rc == HR_OK && PQntuples(rows) == 0;
    PQclear(rows);
    if (rc != HR_OK) {
        hr_source_letters_release(source, out);
        return rc;
    }
    if (out->count > 0) {
        source->next = out->records[out->count - 1].id + 1;
        own->position = (hr_position){0, source->next, 0};
        out->positions = &own->position;
        out->position_count = 1;
    }
    out->finished = source->done;
    return HR_OK;
}

const hr_source_ops hr_source_dead_letters = {
    .kind = "dead_letters",
    .plan = hr_source_letters_plan,
    .open = hr_source_letters_open,
    .fetch = hr_source_letters_fetch,
    .release = hr_source_letters_release,
    .close = hr_source_letters_close,
};
