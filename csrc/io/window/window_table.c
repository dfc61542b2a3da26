/* csrc/io/window/window_table.c: the table of results. */
#include "window_table.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define HR_TABLE_TRIES 20     /* to reach a server that has gone away: about a minute */
#define HR_TABLE_PAUSE_MS 200 /* before the first; then longer */
#define HR_TABLE_LONGER 4     /* times two, so often */
#define HR_TABLE_SLICE_MS 100 /* a pause looks this often whether it was cancelled */

struct hr_window_table {
    const hr_window_config *config;
    const atomic_bool *cancel;
    hr_pg *pg;
    hr_buffer name;   /* quoted */
    hr_buffer insert; /* the statement; $1 are the rows */
    hr_buffer create;
    hr_buffer rows;
};

/* "schema.table" or "table", quoted. */
static int hr_window_table_name(const char *text, hr_buffer *out, hr_error *error)
{
    const char *dot = strchr(text, '.');
    char schema[256];

    if (dot == NULL)
        return hr_pg_quote_ident(out, text, error);
    if (dot == text || dot[1] == '\0' || (size_t)(dot - text) >= sizeof(schema))
        return hr_error_set(error, HR_EUSAGE, "\"%.200s\" is no name of a table: write schema.table", text);
    memcpy(schema, text, (size_t)(dot - text));
    schema[dot - text] = '\0';
    return hr_pg_quote_table(out, schema, dot + 1, error);
}

/* Columns of the key: window, window_start, and those of the job's. */
static bool hr_window_table_is_key(const hr_window_config *config, int32_t i)
{
    return i < 2 || (i >= 3 && i < 3 + config->options.by_count);
}

static int hr_window_table_list(const hr_window_config *config, const hr_schema *results, bool keys_only, hr_buffer *out, hr_error *error)
{
    bool first = true;

    for (int32_t i = 0; i < results->count; i++) {
        if (keys_only && !hr_window_table_is_key(config, i))
            continue;
        if (!first)
            HR_RETURN_NOT_OK(hr_sql(out, error, ", "));
        first = false;
        HR_RETURN_NOT_OK(hr_pg_quote_ident(out, results->columns[i].name, error));
    }
    return HR_OK;
}

static int hr_window_table_typed(const hr_schema *results, bool not_null, hr_buffer *out, hr_error *error)
{
    for (int32_t i = 0; i < results->count; i++) {
        HR_RETURN_NOT_OK(hr_sql(out, error, i > 0 ? ", " : ""));
        HR_RETURN_NOT_OK(hr_pg_quote_ident(out, results->columns[i].name, error));
        HR_RETURN_NOT_OK(
            hr_sql(out, error, " %s%s", results->columns[i].type.name, not_null && (i < 3 || i == results->count - 1) ? " NOT NULL" : ""));
    }
    return HR_OK;
}

static int hr_window_table_statements(hr_window_table *table, const hr_schema *results, hr_error *error)
{
    const hr_window_config *config = table->config;
    hr_buffer *insert = &table->insert, *create = &table->create;
    const char *name;
    bool first = true;

    HR_RETURN_NOT_OK(hr_window_table_name(config->table, &table->name, error));
    HR_RETURN_NOT_OK(hr_buffer_append(&table->name, "", 1, error));
    name = (const char *)table->name.data;
    HR_RETURN_NOT_OK(hr_sql(insert, error, "INSERT INTO %s AS t (", name));
    HR_RETURN_NOT_OK(hr_window_table_list(config, results, false, insert, error));
    HR_RETURN_NOT_OK(hr_sql(insert, error, ") SELECT "));
    HR_RETURN_NOT_OK(hr_window_table_list(config, results, false, insert, error));
    HR_RETURN_NOT_OK(hr_sql(insert, error, " FROM jsonb_to_recordset($1::jsonb) AS r("));
    HR_RETURN_NOT_OK(hr_window_table_typed(results, false, insert, error));
    HR_RETURN_NOT_OK(hr_sql(insert, error, ") ON CONFLICT ("));
    HR_RETURN_NOT_OK(hr_window_table_list(config, results, true, insert, error));
    HR_RETURN_NOT_OK(hr_sql(insert, error, ") DO UPDATE SET "));
    for (int32_t i = 0; i < results->count; i++) {
        if (hr_window_table_is_key(config, i))
            continue;
        HR_RETURN_NOT_OK(hr_sql(insert, error, first ? "" : ", "));
        first = false;
        HR_RETURN_NOT_OK(hr_pg_quote_ident(insert, results->columns[i].name, error));
        HR_RETURN_NOT_OK(hr_sql(insert, error, " = excluded."));
        HR_RETURN_NOT_OK(hr_pg_quote_ident(insert, results->columns[i].name, error));
    }
    /* what is final stays so: an early row must not come over it */
    HR_RETURN_NOT_OK(hr_sql(insert, error, " WHERE NOT t.final OR excluded.final"));
    HR_RETURN_NOT_OK(hr_buffer_append(insert, "", 1, error));
    HR_RETURN_NOT_OK(hr_sql(create, error, "CREATE TABLE IF NOT EXISTS %s (", name));
    HR_RETURN_NOT_OK(hr_window_table_typed(results, true, create, error));
    HR_RETURN_NOT_OK(hr_sql(create, error, ", UNIQUE NULLS NOT DISTINCT ("));
    HR_RETURN_NOT_OK(hr_window_table_list(config, results, true, create, error));
    HR_RETURN_NOT_OK(hr_sql(create, error, "))"));
    return hr_buffer_append(create, "", 1, error);
}

static int hr_window_table_connect(hr_window_table *table, hr_error *error)
{
    if (table->pg != NULL)
        return HR_OK;
    HR_RETURN_NOT_OK(hr_pg_open(table->config->table_dsn, "headrace window", table->cancel, &table->pg, error));
    return hr_pg_commit_synchronously(table->pg, error); /* the rows are not written again once Kafka has the results */
}

/* Make the table. Several workers do so at once, which IF NOT EXISTS alone does not allow for: one after the other, by a lock that the end
 * of the implicit transaction of both statements gives back. */
static int hr_window_table_create(hr_window_table *table, hr_error *error)
{
    hr_buffer sql = {0};
    int rc = hr_sql(&sql, error, "SELECT pg_catalog.pg_advisory_xact_lock(%u, %u); %s", 0x68656164u /* "head" */, 0x77696e64u /* "wind" */,
                    (const char *)table->create.data);

    if (rc == HR_OK)
        rc = hr_buffer_append(&sql, "", 1, error);
    if (rc == HR_OK)
        rc = hr_pg_exec(table->pg, (const char *)sql.data, NULL, error);
    hr_buffer_free(&sql);
    return rc;
}

/* Have the server plan the insert: a table without the key, with other columns or types, or that is not ours to write is noticed now. */
static int hr_window_table_try(hr_window_table *table, hr_error *error)
{
    static const char *const nothing = "[]";
    const char *name = (const char *)table->name.data;
    hr_buffer sql = {0};
    hr_error why;
    int rc = hr_sql(&sql, error, "EXPLAIN %s", (const char *)table->insert.data);

    if (rc == HR_OK)
        rc = hr_buffer_append(&sql, "", 1, error);
    if (rc == HR_OK)
        rc = hr_pg_query(table->pg, (const char *)sql.data, 1, &nothing, NULL, error);
    hr_buffer_free(&sql);
    if (rc != HR_ESERVER || error == NULL || strncmp(error->sqlstate, "42", 2) != 0 || strcmp(error->sqlstate, "42501") == 0)
        return rc;
    why = *error;
    if (strcmp(why.sqlstate, "42P10") == 0)
        return hr_error_set(
            error, HR_ESCHEMA,
            "table %s has no unique key of a window, which says what a row that comes again replaces; it is part of: %.600s", name,
            (const char *)table->create.data);
    return hr_error_set(error, HR_ESCHEMA, "table %s does not fit the results (%.200s); this would: %.600s", name, why.message,
                        (const char *)table->create.data);
}

/* Make the table, or see that it is there. */
static int hr_window_table_check(hr_window_table *table, hr_error *error)
{
    const char *name = (const char *)table->name.data;
    PGresult *result = NULL;
    bool there;
    int rc;

    HR_RETURN_NOT_OK(hr_window_table_connect(table, error));
    if (table->config->table_create)
        HR_RETURN_NOT_OK(hr_window_table_create(table, error));
    rc = hr_pg_query(table->pg, "SELECT to_regclass($1) IS NOT NULL", 1, &name, &result, error);
    HR_RETURN_NOT_OK(rc);
    there = PQntuples(result) == 1 && strcmp(PQgetvalue(result, 0, 0), "t") == 0;
    PQclear(result);
    if (there)
        return hr_window_table_try(table, error);
    return hr_error_set(error, HR_ESCHEMA, "there is no table %s for the results; make it (--create-table does) with: %.600s", name,
                        (const char *)table->create.data);
}

int hr_window_table_open(const hr_window_config *config, const hr_schema *results, const atomic_bool *cancel, hr_window_table **out,
                         hr_error *error)
{
    hr_window_table *table = hr_calloc(1, sizeof(*table));
    int rc;

    *out = NULL;
    if (table == NULL)
        return hr_error_nomem(error);
    table->config = config;
    table->cancel = cancel;
    rc = hr_window_table_statements(table, results, error);
    if (rc == HR_OK)
        rc = hr_window_table_check(table, error);
    if (rc != HR_OK) {
        hr_window_table_close(table);
        return rc;
    }
    *out = table;
    return HR_OK;
}

/* Before the next try. */
static void hr_window_table_pause(const hr_window_table *table, int tries)
{
    int64_t ms = HR_TABLE_PAUSE_MS << (tries < HR_TABLE_LONGER ? tries : HR_TABLE_LONGER);

    for (; ms > 0 && !atomic_load(table->cancel); ms -= HR_TABLE_SLICE_MS)
        nanosleep(&(struct timespec){.tv_nsec = HR_TABLE_SLICE_MS * 1000000L}, NULL);
}

/* The piece in table->rows. A server that was restarted comes back. */
static int hr_window_table_send(hr_window_table *table, hr_error *error)
{
    const char *values[] = {(const char *)table->rows.data};

    for (int tries = 0;; tries++) {
        int rc = hr_window_table_connect(table, error);
        bool lost;

        if (rc == HR_OK)
            rc = hr_pg_query(table->pg, (const char *)table->insert.data, 1, values, NULL, error);
        if (rc == HR_OK)
            return HR_OK;
        lost = table->pg != NULL ? hr_pg_lost(table->pg) : rc == HR_ESERVER && error->retriable;
        if (!lost || tries >= HR_TABLE_TRIES || atomic_load(table->cancel))
            return rc;
        hr_pg_close(table->pg);
        table->pg = NULL;
        hr_window_table_pause(table, tries);
    }
}

/* Where the piece that begins at `from` ends: behind as many rows as fit, one at least. */
static size_t hr_window_table_cut(const hr_buffer *rows, size_t from, size_t most)
{
    size_t at = from;

    while (at < rows->size) {
        const uint8_t *line = memchr(rows->data + at, '\n', rows->size - at);
        size_t next = line != NULL ? (size_t)(line - rows->data) + 1 : rows->size;

        if (at > from && next - from > most)
            break;
        at = next;
    }
    return at;
}

int hr_window_table_write(hr_window_table *table, const hr_buffer *rows, hr_error *error)
{
    for (size_t from = 0, next; from < rows->size; from = next) {
        size_t n;

        next = hr_window_table_cut(rows, from, (size_t)table->config->table_bytes);
        n = next - from - (next < rows->size ? 2 : 0); /* without ",\n" */
        table->rows.size = 0;
        HR_RETURN_NOT_OK(hr_buffer_append(&table->rows, "[", 1, error));
        HR_RETURN_NOT_OK(hr_buffer_append(&table->rows, rows->data + from, n, error));
        HR_RETURN_NOT_OK(hr_buffer_append(&table->rows, "]", 2, error));
        HR_RETURN_NOT_OK(hr_window_table_send(table, error));
    }
    return HR_OK;
}

void hr_window_table_close(hr_window_table *table)
{
    if (table == NULL)
        return;
    hr_pg_close(table->pg);
    hr_buffer_free(&table->name);
    hr_buffer_free(&table->insert);
    hr_buffer_free(&table->create);
    hr_buffer_free(&table->rows);
    hr_free(table);
}
