/* csrc/io/load/leaves.c: reading, routing to, and making partitions. */
#include "leaves.h"

#include <stdio.h>

#define HR_MICROS_PER_DAY INT64_C(86400000000)

/* Rows may be sent straight to a partition when that comes to the same as sending them to the parent: no privilege, row security, statement
 * trigger, default or identity of the partition's own stands in the way. */
static const char HR_SQL_LEAVES[] =
    "SELECT n.nspname, c.relname, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname),"
    " pg_catalog.has_table_privilege(c.oid, 'INSERT') AND c.relkind IN ('r', 'p') AND NOT c.relrowsecurity"
    " AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal AND g.tgenabled <> 'D'"
    "  AND (g.tgtype & 5) = 4)"
    " AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a"
    "  JOIN pg_catalog.pg_attribute b ON b.attrelid = c.oid AND b.attname = a.attname AND NOT b.attisdropped"
    "  LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
    "  LEFT JOIN pg_catalog.pg_attrdef e ON e.adrelid = b.attrelid AND e.adnum = b.attnum"
    "  WHERE a.attrelid = i.inhparent AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''"
    "  AND (a.attidentity <> b.attidentity OR pg_catalog.pg_get_expr(d.adbin, d.adrelid)"
    "       IS DISTINCT FROM pg_catalog.pg_get_expr(e.adbin, e.adrelid))),"
    " m[1], m[2] "
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
    hr_free(leaves->blocked);
    hr_free(leaves->ids);
    leaves->blocked = NULL;
    leaves->ids = NULL;
}

void hr_leaves_forget(hr_leaves *leaves)
{
    leaves->stale = true;
}

/* A bound as the server prints it: MINVALUE, MAXVALUE or a quoted literal of the column's type. */
static int hr_leaves_bound(const hr_type *type, const char *text, int64_t *out, hr_error *error)
{
    hr_column column;
    size_t n = strlen(text);
    hr_error why;
    int rc;

    if (strcmp(text, "MINVALUE") == 0 || strcmp(text, "MAXVALUE") == 0) {
        *out = text[1] == 'I' ? INT64_MIN : INT64_MAX;
        return HR_OK;
    }
    if (n < 2 || text[0] != '\'' || text[n - 1] != '\'')
        return hr_error_set(error, HR_ESCHEMA, "a partition's bound cannot be read: %s", text);
    HR_RETURN_NOT_OK(hr_column_init(&column, type, error));
    rc = hr_type_ops_of(type)->parse(type, HR_TOKEN_TEXT, text + 1, n - 2, &column, &why);
    if (rc == HR_EDATA && why.reason == HR_REASON_RANGE) { /* the server's time goes on a little after ours has ended */
        *out = INT64_MAX;
        rc = HR_OK;
    } else if (rc == HR_EDATA) {
        rc = hr_error_set(error, HR_ESCHEMA, "a partition's bound cannot be read: %s", text);
    } else if (rc != HR_OK) {
        rc = hr_error_nomem(error);
    } else if (type->kind == HR_DATE) {
        *out = hr_micros_of_days(hr_column_get_int32(&column, 0));
    } else {
        *out = hr_column_get_int64(&column, 0);
    }
    if (rc == HR_OK && *out == INT64_MAX)
        *out = INT64_MAX - 1; /* 'infinity' is a bound like any other: MAXVALUE alone lies beyond it */
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
    leaves->stale = true;
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
        table->direct = PQgetvalue(rows, i, 3)[0] == 't' && !target->through_parent;
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
    leaves->stale = false;
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

/* Note that no partition can be made in [lower, upper). */
static int hr_leaves_block(hr_leaves *leaves, int64_t lower, int64_t upper, hr_error *error)
{
    for (int32_t i = 0; i < leaves->blocked_count; i++) {
        hr_period *other = &leaves->blocked[i];

        if (other->upper < lower || upper < other->lower)
            continue;
        other->lower = other->lower < lower ? other->lower : lower;
        other->upper = other->upper > upper ? other->upper : upper;
        return HR_OK;
    }
    if (leaves->blocked_count == leaves->blocked_capacity) {
        int32_t capacity = leaves->blocked_capacity ? leaves->blocked_capacity * 2 : 16;
        hr_period *blocked = hr_realloc(leaves->blocked, sizeof(*blocked) * (size_t)capacity);
        if (blocked == NULL)
            return hr_error_nomem(error);
        leaves->blocked = blocked;
        leaves->blocked_capacity = capacity;
    }
    leaves->blocked[leaves->blocked_count++] = (hr_period){lower, upper};
    return HR_OK;
}

static bool hr_leaves_is_blocked(const hr_leaves *leaves, int64_t micros)
{
    for (int32_t i = 0; i < leaves->blocked_count; i++)
        if (leaves->blocked[i].lower <= micros && micros < leaves->blocked[i].upper)
            return true;
    return false;
}

/* Whether one of the partitions has this name already, for another part of the period. */
static bool hr_leaves_has_name(const hr_leaves *leaves, const hr_target *target, const char *name)
{
    for (int32_t i = 0; i < leaves->count; i++)
        if (strcmp(leaves->tables[i].name, name) == 0 && strcmp(leaves->tables[i].schema_name, target->schema_name) == 0)
            return true;
    return false;
}

/* The new partition's name: table_period, or table_period_2 and so on when the period is in pieces. */
static int hr_leaves_name(const hr_leaves *leaves, const hr_target *target, const char *suffix, char name[64], hr_error *error)
{
    int n = snprintf(name, 64, "%s_%s", target->table_name, suffix);

    for (int piece = 2; n < 64 && hr_leaves_has_name(leaves, target, name); piece++)
        n = snprintf(name, 64, "%s_%s_%d", target->table_name, suffix, piece);
    if (n >= 64)
        return hr_error_set(error, HR_ESCHEMA,
                            "the name of partition %s_%s would be longer than PostgreSQL's 63 bytes: make the partition "
                            "yourself under a shorter name",
                            target->table_name, suffix);
    return HR_OK;
}

/* The statements that make one partition. Made beside the parent and attached, because ATTACH lets other loads go on, where
 * CREATE TABLE ... PARTITION OF would wait for them and hold up every reader. */
static int hr_leaves_create_sql(const hr_target *target, const char *name, const hr_period *period, hr_buffer *sql, hr_error *error)
{
    const hr_type *type = &target->schema->columns[target->partition_column].type;

    sql->size = 0;
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
    return hr_sql(sql, error, "); RELEASE SAVEPOINT headrace_partition");
}

/* Whether the refusal is about this one period, so that its rows are the server's to judge and the load goes on: */
static bool hr_leaves_is_local(const char *state)
{
    return strcmp(state, "23514") == 0 || /* the DEFAULT partition holds rows of the period */
           strcmp(state, "42P07") == 0 || /* a table of that name exists and is no partition (any more): it may have been detached */
           strcmp(state, "42P17") == 0;   /* the bounds overlap a partition that is being detached */
}

/* Make the partition for [period), under the table's lock and a savepoint. */
static int hr_leaves_make(hr_leaves *leaves, hr_pg *pg, const hr_target *target, const char *suffix, const hr_period *period,
                          hr_buffer *sql, hr_error *error)
{
    hr_error local, *why = error != NULL ? error : &local;
    char name[64], reason[HR_ERROR_MESSAGE_SIZE], state[6];
    int rc;

    HR_RETURN_NOT_OK(hr_leaves_name(leaves, target, suffix, name, why));
    HR_RETURN_NOT_OK(hr_leaves_create_sql(target, name, period, sql, why));
    rc = hr_pg_exec(pg, (const char *)sql->data, NULL, why);
    leaves->made += rc == HR_OK;
    if (rc != HR_ESERVER || hr_pg_lost(pg) || why->retriable)
        return rc;
    if (hr_leaves_is_local(why->sqlstate)) {
        HR_RETURN_NOT_OK(hr_leaves_block(leaves, period->lower, period->upper, why));
        return hr_pg_exec(pg, "ROLLBACK TO SAVEPOINT headrace_partition; RELEASE SAVEPOINT headrace_partition", NULL, why);
    }
    snprintf(reason, sizeof(reason), "%s", why->message);
    snprintf(state, sizeof(state), "%s", why->sqlstate);
    rc = hr_error_set(why, HR_ESCHEMA, "partition %s of %s is missing and cannot be made: %.600s", name, target->display, reason);
    snprintf(why->sqlstate, sizeof(why->sqlstate), "%s", state);
    return rc;
}

/* Make the partition for `micros`, one maker at a time for a table. Under the lock the catalog is read again: another load may have made
 * it. Afterwards the leaves have it, or its period is blocked. */
static int hr_leaves_create(hr_leaves *leaves, hr_pg *pg, const hr_target *target, int64_t micros, hr_error *error)
{
    const hr_load_config *config = leaves->config;
    /* date and timestamp columns hold local time already: their weeks are weeks of the calendar they are in */
    const hr_timezone *zone = target->schema->columns[target->partition_column].type.kind == HR_TIMESTAMPTZ ? config->zone : NULL;
    char suffix[HR_PERIOD_NAME_SIZE];
    hr_period period;
    hr_buffer sql = {0};
    int rc;

    if (hr_period_of(config->unit, zone, micros, &period, NULL) != HR_OK) /* at the end of time */
        return micros > 0 ? hr_leaves_block(leaves, micros, INT64_MAX, error) : hr_leaves_block(leaves, INT64_MIN, micros + 1, error);
    hr_period_suffix(config->unit, zone, &period, suffix);
    rc = hr_sql(&sql, error, "SAVEPOINT headrace_partition; SELECT pg_catalog.pg_advisory_xact_lock(%u, %u)", 0x68656164u /* "head" */,
                (unsigned)(target->oid & 0x7fffffffu));
    if (rc == HR_OK)
        rc = hr_pg_exec(pg, (const char *)sql.data, NULL, error);
    if (rc == HR_OK)
        rc = hr_leaves_read(leaves, pg, target, error);
    for (int32_t i = 0; i < leaves->count && rc == HR_OK; i++)
        if (leaves->ranges[i].lower <= micros && micros < leaves->ranges[i].upper) {
            rc = hr_pg_exec(pg, "RELEASE SAVEPOINT headrace_partition", NULL, error);
            goto done;
        }
    hr_leaves_gap(leaves, micros, &period);
    if (rc == HR_OK)
        rc = hr_leaves_make(leaves, pg, target, suffix, &period, &sql, error);
    if (rc == HR_OK)
        rc = hr_leaves_read(leaves, pg, target, error);
done:
    hr_buffer_free(&sql);
    return rc;
}

/* Whether a partition may still be made for this row, which has none. */
static bool hr_leaves_wanted(const hr_leaves *leaves, const hr_target *target, const hr_batch *batch, int64_t row, int64_t *micros)
{
    return leaves->ids[row] == HR_LEAF_MISSING && leaves->config->create_partitions && leaves->made < leaves->config->max_new_partitions &&
           hr_leaves_value(batch, target->partition_column, row, micros) && !hr_leaves_is_blocked(leaves, *micros);
}

/* Make what the batch's rows from `row` on miss. Returns HR_OK with rows still missing when no more may be made. */
static int hr_leaves_create_missing(hr_leaves *leaves, hr_pg *pg, const hr_target *target, const hr_batch *batch, int64_t row,
                                    hr_error *error)
{
    int64_t micros;

    for (; row < batch->length; row++) {
        if (!hr_leaves_wanted(leaves, target, batch, row, &micros))
            continue;
        HR_RETURN_NOT_OK(hr_leaves_create(leaves, pg, target, micros, error));
        if (!hr_leaves_is_blocked(leaves, micros))
            hr_route(batch, target->partition_column, leaves->ranges, leaves->count, leaves->ids);
    }
    return HR_OK;
}

int hr_leaves_route(hr_leaves *leaves, hr_pg *pg, const hr_target *target, const hr_batch *batch, hr_error *error)
{
    int64_t row = 0, micros;
    bool own;
    int rc;

    if (batch->length > leaves->id_capacity) {
        int32_t *ids = hr_realloc(leaves->ids, sizeof(*ids) * (size_t)batch->length);
        if (ids == NULL)
            return hr_error_nomem(error);
        leaves->ids = ids;
        leaves->id_capacity = batch->length;
    }
    if (leaves->stale)
        HR_RETURN_NOT_OK(hr_leaves_read(leaves, pg, target, error));
    hr_route(batch, target->partition_column, leaves->ranges, leaves->count, leaves->ids);
    while (row < batch->length && !hr_leaves_wanted(leaves, target, batch, row, &micros))
        row++;
    if (row == batch->length)
        return HR_OK;
    own = PQtransactionStatus(pg->conn) == PQTRANS_IDLE;
    if (own)
        HR_RETURN_NOT_OK(hr_pg_exec(pg, "BEGIN", NULL, error));
    rc = hr_leaves_create_missing(leaves, pg, target, batch, row, error);
    if (rc == HR_OK && own)
        rc = hr_pg_exec(pg, "COMMIT", NULL, error);
    if (rc == HR_OK)
        return HR_OK;
    hr_leaves_forget(leaves);
    if (own && !hr_pg_lost(pg))
        hr_pg_exec(pg, "ROLLBACK", NULL, NULL); /* the error to report is the first */
    return rc;
}
