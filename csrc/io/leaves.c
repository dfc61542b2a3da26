/* csrc/io/leaves.c: reading, routing to, and making partitions. */
#include "io/leaves.h"

#include <stdio.h>

#define HR_MICROS_PER_DAY INT64_C(86400000000)

static const char HR_SQL_LEAVES[] =
    "SELECT n.nspname, c.relname, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname),"
    " pg_catalog.has_table_privilege(c.oid, 'INSERT') AND c.relkind IN ('r', 'p'), m[1], m[2] "
    "FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid JOIN pg_catalog.pg_namespace n ON n.oid = "
    "c.relnamespace"
    " CROSS JOIN LATERAL pg_catalog.regexp_match(pg_catalog.pg_get_expr(c.relpartbound, c.oid), '^FOR VALUES FROM \\((.*)\\) TO "
    "\\((.*)\\)$') m "
    "WHERE i.inhparent = $1::pg_catalog.oid AND m IS NOT NULL AND pg_catalog.to_jsonb(i) ->> 'inhdetachpending' IS DISTINCT FROM 'true'";

void hr_leaves_init(hr_leaves *leaves, const hr_load_config *config)
{
    memset(leaves, 0, sizeof(*leaves));
    leaves->config = config;
    hr_arena_init(&leaves->arena, 16384);
}

void hr_leaves_free(hr_leaves *leaves)
{
    hr_arena_free(&leaves->arena);
    hr_free(leaves->ids);
    leaves->ids = NULL;
}

/* A bound as the server prints it: MINVALUE, MAXVALUE or a quoted literal of the column's type. */
static int hr_leaves_bound(const hr_type *type, const char *text, int64_t *out, hr_error *error)
{
    hr_column column;
    size_t n = strlen(text);
    int rc;

    if (strcmp(text, "MINVALUE") == 0 || strcmp(text, "MAXVALUE") == 0) {
        *out = text[1] == 'I' ? INT64_MIN : INT64_MAX;
        return HR_OK;
    }
    if (n < 2 || text[0] != '\'' || text[n - 1] != '\'')
        return hr_error_set(error, HR_ESCHEMA, "a partition's bound cannot be read: %s", text);
    rc = hr_column_init(&column, type, error);
    if (rc == HR_OK)
        rc = hr_type_ops_of(type)->parse(type, HR_TOKEN_TEXT, text + 1, n - 2, &column, error);
    if (rc == HR_EDATA)
        rc = hr_error_set(error, HR_ESCHEMA, "a partition's bound cannot be read: %s", text);
    if (rc == HR_OK && type->kind != HR_DATE)
        *out = hr_column_get_int64(&column, 0);
    if (rc == HR_OK && type->kind == HR_DATE) {
        int32_t days = hr_column_get_int32(&column, 0);
        *out = hr_micros_of_days(days);
    }
    hr_column_free(&column);
    return rc;
}

static int hr_leaf_compare(const void *a, const void *b)
{
    int64_t x = ((const hr_leaf *)a)->lower, y = ((const hr_leaf *)b)->lower;
    return x < y ? -1 : x > y;
}

int hr_leaves_read(hr_leaves *leaves, hr_pg *pg, const hr_target *target, hr_error *error)
{
    const hr_type *type = &target->schema->columns[target->partition_column].type;
    char oid[16];
    const char *values[] = {oid};
    PGresult *rows;
    int rc = HR_OK;

    snprintf(oid, sizeof(oid), "%u", (unsigned)target->oid);
    HR_RETURN_NOT_OK(hr_pg_query(pg, HR_SQL_LEAVES, 1, values, &rows, error));
    hr_arena_reset(&leaves->arena);
    leaves->count = PQntuples(rows);
    leaves->ranges = hr_arena_alloc(&leaves->arena, sizeof(*leaves->ranges) * ((size_t)leaves->count + 1));
    leaves->tables = hr_arena_alloc(&leaves->arena, sizeof(*leaves->tables) * ((size_t)leaves->count + 1));
    if (leaves->ranges == NULL || leaves->tables == NULL)
        rc = hr_error_nomem(error);
    for (int i = 0; i < leaves->count && rc == HR_OK; i++) {
        hr_leaf_table *table = &leaves->tables[i];

        table->schema_name = hr_arena_copy(&leaves->arena, PQgetvalue(rows, i, 0), (size_t)PQgetlength(rows, i, 0));
        table->name = hr_arena_copy(&leaves->arena, PQgetvalue(rows, i, 1), (size_t)PQgetlength(rows, i, 1));
        table->quoted = hr_arena_copy(&leaves->arena, PQgetvalue(rows, i, 2), (size_t)PQgetlength(rows, i, 2));
        table->direct = PQgetvalue(rows, i, 3)[0] == 't';
        leaves->ranges[i].id = i;
        if (table->schema_name == NULL || table->name == NULL || table->quoted == NULL)
            rc = hr_error_nomem(error);
        if (rc == HR_OK)
            rc = hr_leaves_bound(type, PQgetvalue(rows, i, 4), &leaves->ranges[i].lower, error);
        if (rc == HR_OK)
            rc = hr_leaves_bound(type, PQgetvalue(rows, i, 5), &leaves->ranges[i].upper, error);
    }
    PQclear(rows);
    if (rc != HR_OK) {
        leaves->count = 0;
        return rc;
    }
    qsort(leaves->ranges, (size_t)leaves->count, sizeof(*leaves->ranges), hr_leaf_compare);
    return HR_OK;
}

const char *hr_leaves_table(const hr_leaves *leaves, const hr_target *target, int32_t id)
{
    if (id < 0 || !leaves->tables[id].direct)
        return target->quoted;
    return leaves->tables[id].quoted;
}

/* The value of the partition column as microseconds; false for null and the infinities, which no period holds. */
static bool hr_leaves_value(const hr_batch *batch, int32_t column, int64_t row, int64_t *micros)
{
    const hr_column *values = &batch->columns[column];

    if (hr_column_is_null(values, row))
        return false;
    if (values->type->kind == HR_DATE) {
        int32_t days = hr_column_get_int32(values, row);
        *micros = hr_micros_of_days(days);
    } else {
        *micros = hr_column_get_int64(values, row);
    }
    return *micros != HR_TIMESTAMP_INFINITY && *micros != HR_TIMESTAMP_MINUS_INFINITY;
}

/* Append the literal of a bound in the column's own type. */
static int hr_leaves_literal(const hr_type *type, int64_t micros, hr_buffer *sql, hr_error *error)
{
    hr_column column;
    int rc;

    if (micros == INT64_MIN || micros == INT64_MAX)
        return hr_sql(sql, error, micros == INT64_MIN ? "MINVALUE" : "MAXVALUE");
    rc = hr_column_init(&column, type, error);
    if (rc == HR_OK && type->kind == HR_DATE)
        rc = hr_column_append_int32(&column, (int32_t)(micros / HR_MICROS_PER_DAY), error);
    else if (rc == HR_OK)
        rc = hr_column_append_int64(&column, micros, error);
    if (rc == HR_OK)
        rc = hr_buffer_append(sql, "'", 1, error);
    if (rc == HR_OK)
        rc = hr_type_ops_of(type)->write_text(type, &column, 0, sql, error);
    if (rc == HR_OK)
        rc = hr_buffer_append(sql, "'", 1, error);
    hr_column_free(&column);
    return rc;
}

/* The part of the period around `micros` that no existing partition covers. */
static void hr_leaves_gap(const hr_leaves *leaves, int64_t micros, hr_period *period)
{
    for (int32_t i = 0; i < leaves->count; i++) {
        if (leaves->ranges[i].upper <= micros && leaves->ranges[i].upper > period->lower)
            period->lower = leaves->ranges[i].upper;
        if (leaves->ranges[i].lower > micros && leaves->ranges[i].lower < period->upper)
            period->upper = leaves->ranges[i].lower;
    }
}

/* The statements that make one partition. Made beside the parent and attached, because ATTACH lets other loads go on, where
 * CREATE TABLE ... PARTITION OF would wait for them and hold up every reader. */
static int hr_leaves_create_sql(const hr_target *target, const char *suffix, const hr_period *period, hr_buffer *sql, hr_error *error)
{
    const hr_type *type = &target->schema->columns[target->partition_column].type;
    char name[64];
    int n = snprintf(name, sizeof(name), "%s_%s", target->table_name, suffix);

    if (n >= (int)sizeof(name))
        return hr_error_set(error, HR_ESCHEMA,
                            "the name of partition %s_%s would be longer than PostgreSQL's 63 bytes: make the partition "
                            "yourself under a shorter name",
                            target->table_name, suffix);
    HR_RETURN_NOT_OK(hr_sql(sql, error, "CREATE TABLE "));
    HR_RETURN_NOT_OK(hr_pg_quote_table(sql, target->schema_name, name, error));
    HR_RETURN_NOT_OK(hr_sql(sql, error,
                            " (LIKE %s INCLUDING ALL EXCLUDING INDEXES EXCLUDING IDENTITY EXCLUDING STATISTICS); "
                            "ALTER TABLE %s ATTACH PARTITION ",
                            target->quoted, target->quoted));
    HR_RETURN_NOT_OK(hr_pg_quote_table(sql, target->schema_name, name, error));
    HR_RETURN_NOT_OK(hr_sql(sql, error, " FOR VALUES FROM ("));
    HR_RETURN_NOT_OK(hr_leaves_literal(type, period->lower, sql, error));
    HR_RETURN_NOT_OK(hr_sql(sql, error, ") TO ("));
    HR_RETURN_NOT_OK(hr_leaves_literal(type, period->upper, sql, error));
    return hr_sql(sql, error, ")");
}

/* Make the partition for `micros`, one maker at a time for a table. Under the lock the catalog is read again: another load may have made
 * it. */
static int hr_leaves_create(hr_leaves *leaves, hr_pg *pg, const hr_target *target, int64_t micros, hr_error *error)
{
    const hr_load_config *config = leaves->config;
    /* date and timestamp columns hold local time already: their weeks are weeks of the calendar they are in */
    const hr_timezone *zone = target->schema->columns[target->partition_column].type.kind == HR_TIMESTAMPTZ ? config->zone : NULL;
    char suffix[HR_PERIOD_NAME_SIZE];
    hr_period period;
    hr_buffer sql = {0};
    int rc;

    if (hr_period_of(config->unit, zone, micros, &period, NULL) != HR_OK)
        return HR_OK; /* at the end of time: the row goes through the parent, and the server says what it thinks of it */
    hr_period_suffix(config->unit, zone, &period, suffix);
    rc = hr_sql(&sql, error, "SAVEPOINT headrace_partition; SELECT pg_catalog.pg_advisory_xact_lock(%u, %u)", 0x68656164u /* "head" */,
                (unsigned)(target->oid & 0x7fffffffu));
    if (rc == HR_OK)
        rc = hr_pg_exec(pg, (const char *)sql.data, NULL, error);
    if (rc == HR_OK)
        rc = hr_leaves_read(leaves, pg, target, error);
    for (int32_t i = 0; i < leaves->count && rc == HR_OK; i++)
        if (leaves->ranges[i].lower <= micros && micros < leaves->ranges[i].upper)
            goto done;
    hr_leaves_gap(leaves, micros, &period);
    sql.size = 0;
    if (rc == HR_OK)
        rc = hr_leaves_create_sql(target, suffix, &period, &sql, error);
    if (rc == HR_OK) {
        rc = hr_pg_exec(pg, (const char *)sql.data, NULL, error);
        leaves->made += rc == HR_OK;
    }
    if (rc == HR_ESERVER && error != NULL && strcmp(error->sqlstate, "23514") == 0) {
        leaves->default_blocks = true;
        rc = hr_pg_exec(pg, "ROLLBACK TO SAVEPOINT headrace_partition", NULL, error);
    } else if (rc == HR_ESERVER && error != NULL && !hr_pg_lost(pg) && !error->retriable) {
        char why[HR_ERROR_MESSAGE_SIZE];
        char state[6];
        snprintf(why, sizeof(why), "%s", error->message);
        snprintf(state, sizeof(state), "%s", error->sqlstate);
        rc = hr_error_set(error, HR_ESCHEMA, "partition %s_%s of %s is missing and cannot be made: %.600s", target->table_name, suffix,
                          target->display, why);
        snprintf(error->sqlstate, sizeof(error->sqlstate), "%s", state);
    }
    if (rc == HR_OK)
        rc = hr_leaves_read(leaves, pg, target, error);
done:
    hr_buffer_free(&sql);
    return rc;
}

/* Make what the batch's rows miss. Returns HR_OK with rows still missing when no more may be made. */
static int hr_leaves_create_missing(hr_leaves *leaves, hr_pg *pg, const hr_target *target, const hr_batch *batch, hr_error *error)
{
    for (int64_t row = 0; row < batch->length; row++) {
        int64_t micros;

        if (leaves->ids[row] != HR_LEAF_MISSING || leaves->default_blocks || leaves->made >= leaves->config->max_new_partitions ||
            !hr_leaves_value(batch, target->partition_column, row, &micros))
            continue;
        HR_RETURN_NOT_OK(hr_leaves_create(leaves, pg, target, micros, error));
        hr_route(batch, target->partition_column, leaves->ranges, leaves->count, leaves->ids);
    }
    return HR_OK;
}

int hr_leaves_route(hr_leaves *leaves, hr_pg *pg, const hr_target *target, const hr_batch *batch, hr_error *error)
{
    bool missing = false, own;
    int rc;

    if (batch->length > leaves->id_capacity) {
        int32_t *ids = hr_realloc(leaves->ids, sizeof(*ids) * (size_t)batch->length);
        if (ids == NULL)
            return hr_error_nomem(error);
        leaves->ids = ids;
        leaves->id_capacity = batch->length;
    }
    hr_route(batch, target->partition_column, leaves->ranges, leaves->count, leaves->ids);
    for (int64_t row = 0; row < batch->length && !missing; row++)
        missing = leaves->ids[row] == HR_LEAF_MISSING;
    if (!missing || !leaves->config->create_partitions || leaves->default_blocks || leaves->made >= leaves->config->max_new_partitions)
        return HR_OK;
    own = PQtransactionStatus(pg->conn) == PQTRANS_IDLE;
    if (own)
        HR_RETURN_NOT_OK(hr_pg_exec(pg, "BEGIN", NULL, error));
    rc = hr_leaves_create_missing(leaves, pg, target, batch, error);
    if (!own)
        return rc;
    if (rc == HR_OK)
        return hr_pg_exec(pg, "COMMIT", NULL, error);
    if (!hr_pg_lost(pg))
        hr_pg_exec(pg, "ROLLBACK", NULL, NULL); /* the error to report is the first */
    return rc;
}
