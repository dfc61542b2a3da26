/* csrc/io/source/source_postgres.c: the rows of a query in any PostgreSQL database, as CSV records that name their columns.
 *
 * Settings: "dsn", and "query" or "table"; "columns" of the target (load_config.c puts them there), of which those that the query has are
 * asked for. One lane; its offset is the count of rows, which means something only within the run (a query has no order of its own).
 */
#include "io/postgres.h"
#include "source.h"

struct hr_source {
    hr_pg *pg;
    hr_buffer sql;
    char *header;
    int64_t next;
    bool done;
};

/* A chunk owns the rows as libpq handed them out. */
typedef struct hr_postgres_chunk {
    hr_position position;
    int64_t count;
    hr_record *records;
} hr_postgres_chunk;

static int hr_source_postgres_plan(const json_t *config, int32_t want, const atomic_bool *cancel, hr_lanes *out, hr_error *error)
{
    (void)want;
    (void)cancel;
    memset(out, 0, sizeof(*out));
    if (!json_is_string(json_object_get(config, "dsn")))
        return hr_error_set(error, HR_EUSAGE, "source: setting \"dsn\" is missing");
    if (!json_is_string(json_object_get(config, "query")) == !json_is_string(json_object_get(config, "table")))
        return hr_error_set(error, HR_EUSAGE, "source: give either \"query\" or \"table\"");
    return hr_lanes_single("query", out, error);
}

static void hr_source_postgres_close(hr_source *source)
{
    hr_pg_close(source->pg);
    hr_buffer_free(&source->sql);
    hr_free(source->header);
    hr_free(source);
}

/* "SELECT * FROM (query) q", or the table. A trailing semicolon is a habit, not an error. */
static int hr_source_postgres_relation(const json_t *config, hr_buffer *sql, hr_error *error)
{
    const char *query = json_string_value(json_object_get(config, "query")), *table = json_string_value(json_object_get(config, "table"));
    size_t n;

    if (query == NULL)
        return hr_sql(sql, error, "%s", table); /* the user's spelling, read by the server as in any statement */
    n = strlen(query);
    while (n > 0 && (query[n - 1] == ';' || query[n - 1] == ' ' || query[n - 1] == '\n' || query[n - 1] == '\t'))
        n--;
    return hr_sql(sql, error, "(%.*s\n) AS headrace_query", (int)n, query);
}

/* Whether the target takes a column of this name from the query. */
static bool hr_source_postgres_wanted(const json_t *config, const char *name)
{
    size_t i;
    json_t *column;

    json_array_foreach(json_object_get(config, "columns"), i, column)
    {
        const char *source = json_string_value(json_object_get(column, "source"));
        if (source != NULL && strcmp(source, name) == 0)
            return true;
    }
    return false;
}

/* Append a CSV field, quoted. */
static int hr_source_postgres_csv(hr_buffer *out, const char *name, hr_error *error)
{
    return hr_pg_quote_ident(out, name, error); /* the two quote alike: "..." with the quote doubled */
}

/* Ask which columns there are; write the COPY and the header of those that are wanted. */
static int hr_source_postgres_prepare(hr_source *source, const json_t *config, hr_error *error)
{
    hr_buffer probe = {0}, header = {0};
    PGresult *rows = NULL;
    int taken = 0;
    int rc = hr_sql(&probe, error, "SELECT * FROM ");

    if (rc == HR_OK)
        rc = hr_source_postgres_relation(config, &probe, error);
    if (rc == HR_OK)
        rc = hr_sql(&probe, error, " LIMIT 0");
    if (rc == HR_OK)
        rc = hr_pg_exec(source->pg, (const char *)probe.data, &rows, error);
    if (rc == HR_OK)
        rc = hr_sql(&source->sql, error, "COPY (SELECT ");
    for (int i = 0; rc == HR_OK && i < PQnfields(rows); i++) {
        const char *name = PQfname(rows, i);

        if (!hr_source_postgres_wanted(config, name))
            continue;
        if (taken++ > 0) {
            rc = hr_sql(&source->sql, error, ", ");
            if (rc == HR_OK)
                rc = hr_sql(&header, error, ",");
        }
        if (rc == HR_OK)
            rc = hr_pg_quote_ident(&source->sql, name, error);
        if (rc == HR_OK)
            rc = hr_source_postgres_csv(&header, name, error);
    }
    PQclear(rows);
    if (rc == HR_OK && taken == 0)
        rc = hr_error_set(error, HR_EUSAGE, "the query has no column that the target has: name them alike, or map them");
    if (rc == HR_OK)
        rc = hr_sql(&source->sql, error, " FROM ");
    if (rc == HR_OK)
        rc = hr_source_postgres_relation(config, &source->sql, error);
    /* FORCE_QUOTE *: an empty string is "", a null is nothing. */
    if (rc == HR_OK)
        rc = hr_sql(&source->sql, error, ") TO STDOUT (FORMAT csv, FORCE_QUOTE *)");
    if (rc == HR_OK)
        rc = hr_buffer_append(&header, "", 1, error);
    hr_buffer_free(&probe);
    if (rc != HR_OK) {
        hr_buffer_free(&header);
        return rc;
    }
    source->header = (char *)header.data;
    return HR_OK;
}

static int hr_source_postgres_open(const json_t *config, const hr_lane *lanes, int32_t count, const atomic_bool *cancel, hr_source **out,
                                   hr_error *error)
{
    hr_source *source = hr_calloc(1, sizeof(*source));
    int rc;

    (void)lanes;
    (void)count;
    *out = NULL;
    if (source == NULL)
        return hr_error_nomem(error);
    rc = hr_pg_open(json_string_value(json_object_get(config, "dsn")), "headrace", cancel, &source->pg, error);
    if (rc == HR_OK)
        rc = hr_pg_exec(source->pg, "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY", NULL, error);
    if (rc == HR_OK)
        rc = hr_source_postgres_prepare(source, config, error);
    if (rc == HR_OK)
        rc = hr_pg_copy_begin(source->pg, (const char *)source->sql.data, error);
    if (rc != HR_OK) {
        hr_source_postgres_close(source);
        return rc;
    }
    *out = source;
    return HR_OK;
}

static void hr_source_postgres_release(hr_source *source, hr_chunk *chunk)
{
    hr_postgres_chunk *own = chunk->owner;

    (void)source;
    if (own == NULL)
        return;
    for (int64_t i = 0; i < own->count; i++)
        PQfreemem((char *)(uintptr_t)own->records[i].data);
    hr_free(own->records);
    hr_free(own);
    chunk->owner = NULL;
}

static int hr_source_postgres_fetch(hr_source *source, int32_t timeout_ms, int64_t max_records, hr_chunk *out, hr_error *error)
{
    int64_t limit = max_records < 1000 ? max_records : 1000;
    hr_postgres_chunk *own;
    int rc = HR_OK;

    memset(out, 0, sizeof(*out));
    out->finished = source->done;
    if (source->done)
        return HR_OK;
    own = hr_calloc(1, sizeof(*own));
    if (own == NULL)
        return hr_error_nomem(error);
    out->owner = own;
    own->records = hr_calloc((size_t)limit, sizeof(*own->records));
    if (own->records == NULL)
        rc = hr_error_nomem(error);
    while (rc == HR_OK && own->count < limit && !source->done) {
        char *bytes;
        int n;

        /* only the first is waited for: what is there need not wait */
        rc = hr_pg_copy_get(source->pg, own->count == 0 ? timeout_ms : 0, &bytes, &n, error);
        if (rc == HR_OK && n < 0)
            source->done = true;
        if (rc != HR_OK || n <= 0)
            break;
        while (n > 0 && (bytes[n - 1] == '\n' || bytes[n - 1] == '\r'))
            n--;
        own->records[own->count++] = (hr_record){.data = bytes,
                                                 .len = (size_t)n,
                                                 .offset = source->next++,
                                                 .timestamp = HR_NO_TIMESTAMP,
                                                 .topic = "query",
                                                 .header = source->header};
    }
    if (rc != HR_OK) {
        hr_source_postgres_release(source, out);
        return rc;
    }
    own->position = (hr_position){0, source->next, 0};
    out->records = own->records;
    out->count = own->count;
    out->positions = &own->position;
    out->position_count = 1;
    out->finished = source->done;
    return HR_OK;
}

const hr_source_ops hr_source_postgres = {
    .kind = "postgres",
    .plan = hr_source_postgres_plan,
    .open = hr_source_postgres_open,
    .fetch = hr_source_postgres_fetch,
    .release = hr_source_postgres_release,
    .close = hr_source_postgres_close,
};
