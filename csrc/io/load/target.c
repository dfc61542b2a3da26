/* csrc/io/load/target.c: reading a table's definition from the catalog. */
#include "target.h"

#include <stdio.h>

/* Columns with domains resolved to their base types, and what arrays are made of. $1 = the table's oid. */
static const char HR_SQL_COLUMNS[] =
    "WITH RECURSIVE base(attnum, oid, typmod, not_null) AS ("
    " SELECT a.attnum, a.atttypid, a.atttypmod, a.attnotnull FROM pg_catalog.pg_attribute a"
    " WHERE a.attrelid = $1::pg_catalog.oid AND a.attnum > 0 AND NOT a.attisdropped"
    " UNION ALL"
    " SELECT b.attnum, t.typbasetype, CASE WHEN t.typtypmod <> -1 THEN t.typtypmod ELSE b.typmod END, b.not_null OR t.typnotnull"
    " FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.oid WHERE t.typtype = 'd')"
    "SELECT a.attname, t.oid, b.typmod, pg_catalog.format_type(t.oid, b.typmod), b.not_null,"
    " a.atthasdef OR a.attidentity <> '', a.attidentity = 'a' OR a.attgenerated <> '', t.typtype,"
    " e.oid, e.typtype, pg_catalog.format_type(e.oid, b.typmod), e.typdelim "
    "FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.oid AND t.typtype <> 'd'"
    " JOIN pg_catalog.pg_attribute a ON a.attrelid = $1::pg_catalog.oid AND a.attnum = b.attnum"
    " LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem AND e.typarray = t.oid "
    "ORDER BY a.attnum";

static const char HR_SQL_TABLE[] =
    "SELECT c.oid, n.nspname, c.relname, c.relkind, p.partstrat, p.partnatts, pa.attname,"
    " EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal AND g.tgenabled <> 'D'"
    "         AND (g.tgtype & 1) = 0 AND (g.tgtype & 4) = 4),"
    " pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname),"
    " pg_catalog.has_table_privilege(c.oid, 'INSERT'), current_user, pg_catalog.row_security_active(c.oid) "
    "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " LEFT JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = c.oid"
    " LEFT JOIN pg_catalog.pg_attribute pa ON pa.attrelid = c.oid AND p.partnatts = 1 AND p.partattrs[0] = pa.attnum AND pa.attnum > 0 "
    "WHERE c.oid = pg_catalog.to_regclass($1)";

static const char HR_SQL_ENUM_LABELS[] = "SELECT enumlabel FROM pg_catalog.pg_enum WHERE enumtypid = $1::pg_catalog.oid "
                                         "ORDER BY enumlabel COLLATE \"C\"";

static const char HR_SQL_PRIMARY_KEY[] =
    "SELECT a.attname FROM pg_catalog.pg_index i CROSS JOIN LATERAL pg_catalog.unnest(i.indkey) WITH ORDINALITY k(attnum, place)"
    " JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum "
    "WHERE i.indrelid = $1::pg_catalog.oid AND i.indisprimary ORDER BY k.place";

/* Whether ON CONFLICT can infer a unique index from exactly these columns ($2: an array of names). */
static const char HR_SQL_UNIQUE[] =
    "SELECT 1 FROM pg_catalog.pg_index i WHERE i.indrelid = $1::pg_catalog.oid AND i.indisunique AND i.indisvalid AND i.indimmediate"
    " AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indnkeyatts = pg_catalog.cardinality($2::pg_catalog.text[])"
    " AND NOT EXISTS (SELECT FROM pg_catalog.generate_series(0, i.indnkeyatts - 1) s"
    "  JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[s]"
    "  WHERE a.attname <> ALL ($2::pg_catalog.text[])) LIMIT 1";

/* Run for every batch: $1 is the table's quoted name, $2 its oid. xmin changes with every change of a row of pg_class: a partition's name,
 * schema, bounds and privileges are all there. */
static const hr_pg_statement HR_SQL_FINGERPRINT = {
    0, "headrace_fingerprint",
    "SELECT CASE WHEN pg_catalog.to_regclass($1) = $2::pg_catalog.oid THEN"
    " (SELECT pg_catalog.md5(pg_catalog.string_agg(pg_catalog.concat_ws(',', a.attnum, a.attname, a.atttypid, a.atttypmod,"
    " a.attnotnull, a.atthasdef, a.attidentity, a.attgenerated, t.typbasetype, t.typtypmod, t.typnotnull,"
    " (SELECT pg_catalog.string_agg(l.enumlabel, ',' ORDER BY l.enumsortorder) FROM pg_catalog.pg_enum l"
    "  WHERE l.enumtypid IN (t.oid, t.typbasetype, t.typelem))), ';' ORDER BY a.attnum))"
    " FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid"
    " WHERE a.attrelid = $2 AND a.attnum > 0 AND NOT a.attisdropped) END,"
    " (SELECT pg_catalog.md5(pg_catalog.string_agg(pg_catalog.concat_ws(',', i.inhrelid, c.xmin,"
    " pg_catalog.to_jsonb(i) ->> 'inhdetachpending'), ';' ORDER BY i.inhrelid))"
    " FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = $2)"};

int hr_target_fingerprint_sql(hr_pg *pg, hr_buffer *sql, const hr_target *target, hr_error *error)
{
    HR_RETURN_NOT_OK(hr_pg_prepare(pg, &HR_SQL_FINGERPRINT, error));
    HR_RETURN_NOT_OK(hr_sql(sql, error, "EXECUTE %s(", HR_SQL_FINGERPRINT.name));
    HR_RETURN_NOT_OK(hr_pg_quote_literal(sql, target->quoted, error));
    return hr_sql(sql, error, ", %u)", (unsigned)target->oid);
}

hr_target *hr_target_retain(hr_target *target)
{
    __atomic_add_fetch(&target->refs, 1, __ATOMIC_RELAXED);
    return target;
}

void hr_target_release(hr_target *target)
{
    if (target == NULL || __atomic_sub_fetch(&target->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    hr_schema_release(target->schema);
    hr_arena_free(&target->arena);
    hr_free(target);
}

/* A copy of a result's field in the target's arena; NULL when memory runs out. */
static char *hr_target_copy(hr_target *target, const PGresult *rows, int row, int column)
{
    return hr_arena_copy(&target->arena, PQgetvalue(rows, row, column), (size_t)PQgetlength(rows, row, column));
}

static bool hr_is_true(const PGresult *rows, int row, int column)
{
    return !PQgetisnull(rows, row, column) && PQgetvalue(rows, row, column)[0] == 't';
}

/* Give an enum type its labels, sorted. */
static int hr_target_labels(hr_pg *pg, hr_target *target, hr_type *type, hr_error *error)
{
    char oid[16];
    const char *values[] = {oid};
    PGresult *rows;
    const char **labels;

    snprintf(oid, sizeof(oid), "%u", (unsigned)type->oid);
    HR_RETURN_NOT_OK(hr_pg_query(pg, HR_SQL_ENUM_LABELS, 1, values, &rows, error));
    labels = hr_arena_alloc(&target->schema->arena, sizeof(*labels) * ((size_t)PQntuples(rows) + 1));
    for (int i = 0; labels != NULL && i < PQntuples(rows); i++) {
        labels[i] = hr_arena_copy(&target->schema->arena, PQgetvalue(rows, i, 0), (size_t)PQgetlength(rows, i, 0));
        if (labels[i] == NULL)
            labels = NULL;
    }
    type->labels = labels;
    type->label_count = PQntuples(rows);
    PQclear(rows);
    return labels != NULL ? HR_OK : hr_error_nomem(error);
}

/* A scalar type from catalog columns: oid, typtype, name. */
static int hr_target_scalar(hr_pg *pg, hr_target *target, uint32_t oid, char typtype, int32_t typmod, const char *name, hr_type *type,
                            hr_error *error)
{
    HR_RETURN_NOT_OK(hr_type_from_oid(oid, typmod, name, &target->schema->arena, type, error));
    type->server_version = pg->server_version;
    if (typtype != 'e')
        return HR_OK;
    type->kind = HR_ENUM;
    type->oid = oid;
    return hr_target_labels(pg, target, type, error);
}

/* The type of column `row` of HR_SQL_COLUMNS. */
static int hr_target_type(hr_pg *pg, hr_target *target, const PGresult *rows, int row, hr_type *type, hr_error *error)
{
    uint32_t oid = (uint32_t)strtoul(PQgetvalue(rows, row, 1), NULL, 10);
    int32_t typmod = (int32_t)strtol(PQgetvalue(rows, row, 2), NULL, 10);
    hr_type *element;

    if (PQgetisnull(rows, row, 8))
        return hr_target_scalar(pg, target, oid, PQgetvalue(rows, row, 7)[0], typmod, PQgetvalue(rows, row, 3), type, error);
    element = hr_arena_alloc(&target->schema->arena, sizeof(*element));
    if (element == NULL)
        return hr_error_nomem(error);
    HR_RETURN_NOT_OK(hr_target_scalar(pg, target, (uint32_t)strtoul(PQgetvalue(rows, row, 8), NULL, 10), PQgetvalue(rows, row, 9)[0],
                                      typmod, PQgetvalue(rows, row, 10), element, error));
    HR_RETURN_NOT_OK(hr_type_from_oid(oid, typmod, PQgetvalue(rows, row, 3), &target->schema->arena, type, error));
    type->kind = HR_ARRAY;
    type->oid = oid;
    type->element = element;
    type->delimiter = PQgetvalue(rows, row, 11)[0];
    type->server_version = pg->server_version;
    return HR_OK;
}

static int hr_target_columns(hr_pg *pg, hr_target *target, hr_error *error)
{
    char oid[16];
    const char *values[] = {oid};
    PGresult *rows;
    int rc = HR_OK;

    snprintf(oid, sizeof(oid), "%u", (unsigned)target->oid);
    HR_RETURN_NOT_OK(hr_pg_query(pg, HR_SQL_COLUMNS, 1, values, &rows, error));
    for (int i = 0; i < PQntuples(rows) && rc == HR_OK; i++) {
        hr_type type;
        int32_t index;
        bool never = hr_is_true(rows, i, 6);

        rc = hr_target_type(pg, target, rows, i, &type, error);
        if (rc == HR_OK)
            rc = hr_schema_add(target->schema, PQgetvalue(rows, i, 0), &type, hr_is_true(rows, i, 4) && !never,
                               hr_is_true(rows, i, 5) && !never, &index, error);
        if (rc == HR_OK && never)
            target->schema->columns[index].from = HR_FROM_NOTHING;
    }
    PQclear(rows);
    if (rc == HR_OK && target->schema->count == 0)
        rc = hr_error_set(error, HR_ESCHEMA, "table %s has no columns", target->display);
    return rc;
}

/* Apply the job's "map": column -> "path" | {"path", "unit"} | null (never loaded). */
static int hr_target_map(hr_target *target, const json_t *map, hr_error *error)
{
    static const char *const units[] = {"none", "s", "ms", "us", "ns", "days"};
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)map, name, value)
    {
        int32_t index = hr_schema_find(target->schema, name);
        const json_t *path = json_is_object(value) ? json_object_get(value, "path") : value;
        const json_t *unit = json_is_object(value) ? json_object_get(value, "unit") : NULL;
        hr_column_def *def;

        if (index < 0)
            return hr_error_set(error, HR_EUSAGE, "map names column \"%s\", which table %s does not have", name, target->display);
        def = &target->schema->columns[index];
        if (json_is_null(value)) {
            def->from = HR_FROM_NOTHING;
            if (def->has_default)
                target->schema->default_count--;
            def->has_default = false;
            def->not_null = false; /* the server's default, or the server's refusal */
            continue;
        }
        if (path != NULL && !json_is_string(path))
            return hr_error_set(error, HR_EUSAGE, "map of column \"%s\": the path must be a string", name);
        if (path != NULL)
            HR_RETURN_NOT_OK(hr_schema_map(target->schema, index, json_string_value(path), error));
        if (unit == NULL)
            continue;
        for (size_t i = 1; json_is_string(unit) && i < sizeof(units) / sizeof(units[0]); i++)
            if (strcmp(units[i], json_string_value(unit)) == 0)
                def->type.unit = (hr_time_unit)i;
        if (def->type.unit == HR_UNIT_NONE)
            return hr_error_set(error, HR_EUSAGE, "map of column \"%s\": unit must be one of s, ms, us, ns, days", name);
    }
    return HR_OK;
}

/* The array literal {"a","b"} of names, for a text[] parameter. */
static int hr_target_names_literal(const hr_target *target, hr_buffer *out, hr_error *error)
{
    for (int32_t i = 0; i < target->key_count; i++) {
        HR_RETURN_NOT_OK(hr_buffer_append(out, i ? "," : "{", 1, error));
        HR_RETURN_NOT_OK(hr_buffer_append(out, "\"", 1, error));
        for (const char *c = target->schema->columns[target->key[i]].name; *c != '\0'; c++) {
            if (*c == '"' || *c == '\\')
                HR_RETURN_NOT_OK(hr_buffer_append(out, "\\", 1, error));
            HR_RETURN_NOT_OK(hr_buffer_append(out, c, 1, error));
        }
        HR_RETURN_NOT_OK(hr_buffer_append(out, "\"", 1, error));
    }
    return hr_buffer_append(out, "}", 2, error);
}

/* Upsert needs a unique index on exactly the key. */
static int hr_target_check_unique(hr_pg *pg, const hr_target *target, hr_error *error)
{
    hr_buffer names = {0};
    char oid[16];
    PGresult *rows = NULL;
    int rc = hr_target_names_literal(target, &names, error);

    snprintf(oid, sizeof(oid), "%u", (unsigned)target->oid);
    if (rc == HR_OK) {
        const char *values[] = {oid, (const char *)names.data};
        rc = hr_pg_query(pg, HR_SQL_UNIQUE, 2, values, &rows, error);
    }
    if (rc == HR_OK && PQntuples(rows) == 0)
        rc = hr_error_set(error, HR_ESCHEMA,
                          "upsert into %s needs a primary key or unique index on exactly the key columns %s; "
                          "make one, or use mode=replace, which deletes and inserts by key without an index",
                          target->display, (const char *)names.data);
    PQclear(rows);
    hr_buffer_free(&names);
    return rc;
}

/* The key's columns: the job's, or the primary key. Marks them in the schema. */
static int hr_target_key(hr_pg *pg, const hr_load_config *config, hr_target *target, hr_error *error)
{
    char oid[16];
    const char *values[] = {oid};
    PGresult *rows;
    int32_t *key, count;
    int rc = HR_OK;

    snprintf(oid, sizeof(oid), "%u", (unsigned)target->oid);
    HR_RETURN_NOT_OK(hr_pg_query(pg, HR_SQL_PRIMARY_KEY, 1, values, &rows, error));
    count = config->key != NULL ? (int32_t)json_array_size(config->key) : PQntuples(rows);
    key = hr_arena_alloc(&target->arena, sizeof(*key) * ((size_t)count + 1));
    if (key == NULL)
        rc = hr_error_nomem(error);
    for (int32_t i = 0; i < count && rc == HR_OK; i++) {
        const char *name = config->key != NULL ? json_string_value(json_array_get(config->key, (size_t)i)) : PQgetvalue(rows, i, 0);

        key[i] = hr_schema_find(target->schema, name);
        if (key[i] < 0)
            rc = hr_error_set(error, HR_EUSAGE, "key column \"%s\" is not a column of %s", name, target->display);
        else
            target->schema->columns[key[i]].in_key = true;
    }
    PQclear(rows);
    HR_RETURN_NOT_OK(rc);
    target->key = key;
    target->key_count = count;
    if (config->mode == HR_MODE_APPEND || config->mode == HR_MODE_VAULT)
        return HR_OK;
    if (count == 0)
        return hr_error_set(error, HR_ESCHEMA, "mode=%s needs a key: table %s has no primary key and the job names none",
                            hr_mode_name(config->mode), target->display);
    for (int32_t i = 0; i < count; i++)
        if (target->schema->columns[key[i]].from == HR_FROM_NOTHING)
            return hr_error_set(error, HR_ESCHEMA,
                                "mode=%s: key column \"%s\" of %s is generated by the server, so records cannot name rows",
                                hr_mode_name(config->mode), target->schema->columns[key[i]].name, target->display);
    return config->mode == HR_MODE_UPSERT ? hr_target_check_unique(pg, target, error) : HR_OK;
}

/* Name, kind and partitioning from HR_SQL_TABLE; the partition column's name in *column (in the arena, NULL when not ours to route). */
static int hr_target_table(hr_pg *pg, const hr_load_config *config, hr_target *target, const char **column, hr_error *error)
{
    const char *values[] = {config->table};
    hr_buffer quoted = {0};
    PGresult *rows;
    char kind;
    int rc;

    *column = NULL;
    HR_RETURN_NOT_OK(hr_pg_query(pg, HR_SQL_TABLE, 1, values, &rows, error));
    if (PQntuples(rows) == 0) {
        PQclear(rows);
        return hr_error_set(error, HR_ESCHEMA,
                            "there is no table %s in database \"%s\": create it first, its definition is what a load follows",
                            config->table, PQdb(pg->conn));
    }
    target->oid = (uint32_t)strtoul(PQgetvalue(rows, 0, 0), NULL, 10);
    target->schema_name = hr_target_copy(target, rows, 0, 1);
    target->table_name = hr_target_copy(target, rows, 0, 2);
    target->display = hr_target_copy(target, rows, 0, 8);
    target->partitioned = !PQgetisnull(rows, 0, 4);
    kind = PQgetvalue(rows, 0, 3)[0];
    /* statement triggers and row security are the parent's: rows that go straight to a partition would pass them by */
    target->through_parent = hr_is_true(rows, 0, 7) || hr_is_true(rows, 0, 11);
    if (target->partitioned && PQgetvalue(rows, 0, 4)[0] == 'r' && !PQgetisnull(rows, 0, 6))
        *column = hr_target_copy(target, rows, 0, 6);
    rc = target->schema_name && target->table_name && target->display ? HR_OK : hr_error_nomem(error);
    if (rc == HR_OK && kind != 'r' && kind != 'p')
        rc = hr_error_set(error, HR_ESCHEMA, "%s is not a table", target->display);
    if (rc == HR_OK && !hr_is_true(rows, 0, 9))
        rc = hr_error_set(error, HR_ESCHEMA, "role \"%s\" may not insert into %s: GRANT INSERT ON %s TO it", PQgetvalue(rows, 0, 10),
                          target->display, target->display);
    if (rc == HR_OK && config->mode == HR_MODE_APPEND && hr_is_true(rows, 0, 11))
        rc = hr_error_set(error, HR_ESCHEMA,
                          "row security applies to role \"%s\" on %s, where PostgreSQL allows no COPY: load with mode \"upsert\" or "
                          "\"replace\", or as a role that has BYPASSRLS",
                          PQgetvalue(rows, 0, 10), target->display);
    PQclear(rows);
    if (rc == HR_OK)
        rc = hr_pg_quote_table(&quoted, target->schema_name, target->table_name, error);
    if (rc == HR_OK) {
        target->quoted = hr_arena_copy(&target->arena, (const char *)quoted.data, quoted.size);
        rc = target->quoted != NULL ? HR_OK : hr_error_nomem(error);
    }
    hr_buffer_free(&quoted);
    return rc;
}

/* The fingerprint first, the columns after it: an ALTER in between makes the first transaction read everything again. */
static int hr_target_fingerprint(hr_pg *pg, hr_target *target, hr_error *error)
{
    hr_buffer sql = {0};
    PGresult *rows = NULL;
    int rc = hr_target_fingerprint_sql(pg, &sql, target, error);

    if (rc == HR_OK)
        rc = hr_pg_exec(pg, (const char *)sql.data, &rows, error);
    if (rc == HR_OK)
        snprintf(target->fingerprint, sizeof(target->fingerprint), "%s", PQgetvalue(rows, 0, 0));
    PQclear(rows);
    hr_buffer_free(&sql);
    return rc;
}

/* Find the column that we route by; the job may name it, to be told when it is not the table's. */
static int hr_target_partition(const hr_load_config *config, hr_target *target, const char *column, hr_error *error)
{
    target->partition_column = -1;
    if (config->partition_column != NULL && (column == NULL || strcmp(column, config->partition_column) != 0))
        return hr_error_set(error, HR_ESCHEMA, "table %s is not partitioned by range of column \"%s\"", target->display,
                            config->partition_column);
    if (column == NULL)
        return HR_OK;
    int32_t index = hr_schema_find(target->schema, column);
    if (index >= 0) {
        const hr_column_def *def = &target->schema->columns[index];
        hr_kind kind = def->type.kind;
        if ((kind == HR_DATE || kind == HR_TIMESTAMP || kind == HR_TIMESTAMPTZ) && def->from != HR_FROM_NOTHING && !def->has_default)
            target->partition_column = index;
    }
    return HR_OK;
}

int hr_target_describe(hr_pg *pg, const hr_load_config *config, int32_t epoch, hr_target **out, hr_error *error)
{
    hr_target *target = hr_calloc(1, sizeof(*target));
    const char *column = NULL;
    int rc;

    *out = NULL;
    if (target == NULL)
        return hr_error_nomem(error);
    target->refs = 1;
    target->epoch = epoch;
    hr_arena_init(&target->arena, 4096);
    rc = hr_schema_new(&target->schema, error);
    if (rc == HR_OK)
        rc = hr_target_table(pg, config, target, &column, error);
    if (rc == HR_OK)
        rc = hr_target_fingerprint(pg, target, error);
    if (rc == HR_OK)
        rc = hr_target_columns(pg, target, error);
    if (rc == HR_OK && config->map != NULL)
        rc = hr_target_map(target, config->map, error);
    if (rc == HR_OK)
        rc = hr_target_key(pg, config, target, error);
    if (rc == HR_OK)
        rc = hr_target_partition(config, target, column, error);
    if (rc != HR_OK) {
        hr_target_release(target);
        return rc;
    }
    target->schema->unknown = config->unknown;
    target->copy = hr_copy_format_for(target->schema);
    *out = target;
    return HR_OK;
}
