/* csrc/core/avro/avro_plan.c: a writer's schema compiled against the columns.
 *
 * A plan follows the paths of the columns into the schema. The same named type may stand in many places (an envelope's "before" and "after"
 * are of one type), so plans are made per place, and only where a path leads; everything else stays the schema's own node, to be skipped.
 */
#include "avro.h"

typedef struct hr_avro_compiler {
    hr_arena *arena;
    const hr_schema *schema;
    hr_avro_program *program;
    hr_error *error;
} hr_avro_compiler;

static int hr_avro_plan_make(hr_avro_compiler *compiler, const hr_avro_type *type, const int32_t *columns, int32_t count, int32_t depth,
                             bool before, hr_avro_plan **out);

static hr_avro_plan *hr_avro_plan_new(hr_avro_compiler *compiler, const hr_avro_type *type, int32_t columns)
{
    hr_avro_plan *plan = hr_arena_alloc(compiler->arena, sizeof(*plan));
    size_t room = ((size_t)columns + 1) * sizeof(int32_t), parts = ((size_t)type->count + 1) * sizeof(hr_avro_plan *);

    if (plan == NULL)
        return NULL;
    memset(plan, 0, sizeof(*plan));
    plan->type = type;
    plan->meta = -1;
    plan->takers = hr_arena_alloc(compiler->arena, room);
    plan->below = hr_arena_alloc(compiler->arena, room);
    plan->parts = hr_arena_alloc(compiler->arena, parts);
    if (plan->takers == NULL || plan->below == NULL || plan->parts == NULL)
        return NULL;
    memset(plan->parts, 0, parts);
    return plan;
}

/* The form of a column's values: that of the type, or of the items of an array, or of the first branch that is no null. */
static hr_change_field hr_avro_form(const hr_avro_type *type, int depth)
{
    hr_change_field form = type->form;

    if (type->kind == HR_AVRO_UNION) {
        for (int32_t i = 0; i < type->count && depth < HR_AVRO_DEPTH; i++)
            if (type->children[i]->kind != HR_AVRO_NULL)
                return hr_avro_form(type->children[i], depth + 1);
    } else if (type->kind == HR_AVRO_ARRAY && depth < HR_AVRO_DEPTH) {
        form = hr_avro_form(type->children[0], depth + 1);
        form.array = true;
    }
    return form;
}

/* The parts of a record: the columns whose path goes on with a field's name go with the field. */
static int hr_avro_plan_record(hr_avro_compiler *compiler, hr_avro_plan *plan, int32_t depth, bool before)
{
    const hr_schema *schema = compiler->schema;
    int32_t *columns = hr_arena_alloc(compiler->arena, ((size_t)plan->below_count + 1) * sizeof(*columns));

    if (columns == NULL)
        return hr_error_nomem(compiler->error);
    for (int32_t field = 0; field < plan->type->count; field++) {
        const char *name = plan->type->names[field];
        int32_t count = 0;

        for (int32_t i = 0; i < plan->below_count; i++) {
            const hr_column_def *def = &schema->columns[plan->below[i]];
            if (strlen(name) == def->path_len[depth] && memcmp(name, def->path[depth], def->path_len[depth]) == 0)
                columns[count++] = plan->below[i];
        }
        if (count == 0)
            continue;
        plan->inner = true;
        HR_RETURN_NOT_OK(hr_avro_plan_make(compiler, plan->type->children[field], columns, count, depth + 1, before, &plan->parts[field]));
    }
    return HR_OK;
}

/* The plan for a value at which the paths of these columns have been followed for `depth` keys. */
static int hr_avro_plan_make(hr_avro_compiler *compiler, const hr_avro_type *type, const int32_t *columns, int32_t count, int32_t depth,
                             bool before, hr_avro_plan **out)
{
    hr_avro_plan *plan = hr_avro_plan_new(compiler, type, count);

    if (plan == NULL)
        return hr_error_nomem(compiler->error);
    *out = plan;
    plan->before = before;
    for (int32_t i = 0; i < count; i++) {
        if (compiler->schema->columns[columns[i]].depth == depth)
            plan->takers[plan->taker_count++] = columns[i];
        else
            plan->below[plan->below_count++] = columns[i];
    }
    if (type->kind == HR_AVRO_RECORD && plan->below_count > 0)
        HR_RETURN_NOT_OK(hr_avro_plan_record(compiler, plan, depth, before));
    for (int32_t i = 0; type->kind == HR_AVRO_UNION && i < type->count; i++) {
        plan->inner = true;
        HR_RETURN_NOT_OK(hr_avro_plan_make(compiler, type->children[i], columns, count, depth, before, &plan->parts[i]));
    }
    for (int32_t i = 0; !before && i < plan->taker_count; i++) /* after the branches: a union's word holds, not that of its last one */
        compiler->program->forms[plan->takers[i]] = hr_avro_form(type, 0);
    return HR_OK;
}

/* The row's plan: all columns that take a path. `rest` and unknown fields are the row's matter as well. */
static int hr_avro_plan_row(hr_avro_compiler *compiler, const hr_avro_type *type, bool before, hr_avro_plan **out)
{
    const hr_schema *schema = compiler->schema;
    int32_t *columns = hr_arena_alloc(compiler->arena, ((size_t)schema->count + 1) * sizeof(*columns));
    int32_t count = 0;

    if (columns == NULL)
        return hr_error_nomem(compiler->error);
    for (int32_t i = 0; i < schema->count; i++)
        if (schema->columns[i].from == HR_FROM_PATH)
            columns[count++] = i;
    return hr_avro_plan_make(compiler, type, columns, count, 0, before, out);
}

/* Mark the record below a row's plan (through its union) as the one whose other fields are unknown, or the rest. */
static void hr_avro_plan_rest(hr_avro_compiler *compiler, hr_avro_plan *plan, bool event)
{
    bool rest = false;

    for (int32_t i = 0; i < compiler->schema->count; i++)
        rest |= compiler->schema->columns[i].from == HR_FROM_REST;
    for (int32_t i = 0; plan->type->kind == HR_AVRO_UNION && i < plan->type->count; i++)
        if (plan->parts[i] != NULL)
            hr_avro_plan_rest(compiler, plan->parts[i], event);
    if (plan->type->kind != HR_AVRO_RECORD)
        return;
    plan->rest = rest;
    for (int32_t i = 0; i < plan->type->count; i++)
        if (plan->parts[i] == NULL && !(event && strncmp(plan->type->names[i], "__", 2) == 0))
            compiler->program->unknown = plan->type->names[i];
}

static int32_t hr_avro_field(const hr_avro_type *type, const char *name)
{
    for (int32_t i = 0; type->kind == HR_AVRO_RECORD && i < type->count; i++)
        if (strcmp(type->names[i], name) == 0)
            return i;
    return -1;
}

/* Let a value be one of what an event has beside the row, whichever branch of a union it is. */
static int hr_avro_plan_meta(hr_avro_compiler *compiler, const hr_avro_type *type, hr_avro_meta meta, hr_avro_plan **slot)
{
    if (*slot == NULL)
        *slot = hr_avro_plan_new(compiler, type, 0);
    if (*slot == NULL)
        return hr_error_nomem(compiler->error);
    (*slot)->meta = (int32_t)meta;
    for (int32_t i = 0; type->kind == HR_AVRO_UNION && i < type->count; i++) {
        (*slot)->inner = true;
        HR_RETURN_NOT_OK(hr_avro_plan_meta(compiler, type->children[i], meta, &(*slot)->parts[i]));
    }
    return HR_OK;
}

typedef struct hr_avro_meta_name {
    const char *name;
    hr_avro_meta meta;
} hr_avro_meta_name;

/* Those of the record's fields that have such names. */
static int hr_avro_plan_metas(hr_avro_compiler *compiler, hr_avro_plan *plan, const hr_avro_meta_name *names, size_t count)
{
    for (size_t n = 0; n < count; n++) {
        int32_t i = hr_avro_field(plan->type, names[n].name);

        if (i < 0)
            continue;
        plan->inner = true;
        HR_RETURN_NOT_OK(hr_avro_plan_meta(compiler, plan->type->children[i], names[n].meta, &plan->parts[i]));
    }
    return HR_OK;
}

/* "source", a record or a union with one. */
static int hr_avro_plan_source(hr_avro_compiler *compiler, const hr_avro_type *type, hr_avro_plan **slot)
{
    static const hr_avro_meta_name names[] = {
        {"lsn", HR_META_LSN},     {"txId", HR_META_TXID},         {"ts_us", HR_META_TS_US},   {"ts_ms", HR_META_TS_MS},
        {"ts_ns", HR_META_TS_NS}, {"snapshot", HR_META_SNAPSHOT}, {"schema", HR_META_SCHEMA}, {"table", HR_META_TABLE},
    };

    *slot = hr_avro_plan_new(compiler, type, 0);
    if (*slot == NULL)
        return hr_error_nomem(compiler->error);
    for (int32_t i = 0; type->kind == HR_AVRO_UNION && i < type->count; i++) {
        (*slot)->inner = true;
        HR_RETURN_NOT_OK(hr_avro_plan_source(compiler, type->children[i], &(*slot)->parts[i]));
    }
    return hr_avro_plan_metas(compiler, *slot, names, sizeof(names) / sizeof(names[0]));
}

static int hr_avro_compile_envelope(hr_avro_compiler *compiler, const hr_avro_type *type, hr_avro_program *out)
{
    static const hr_avro_meta_name names[] = {{"op", HR_META_OP}};
    int32_t after = hr_avro_field(type, "after"), before = hr_avro_field(type, "before"), source = hr_avro_field(type, "source");

    out->root = hr_avro_plan_new(compiler, type, 0);
    if (out->root == NULL)
        return hr_error_nomem(compiler->error);
    HR_RETURN_NOT_OK(hr_avro_plan_metas(compiler, out->root, names, 1));
    HR_RETURN_NOT_OK(hr_avro_plan_row(compiler, type->children[after], false, &out->root->parts[after]));
    hr_avro_plan_rest(compiler, out->root->parts[after], false);
    out->root->parts[after]->meta = HR_META_AFTER;
    if (before >= 0) {
        HR_RETURN_NOT_OK(hr_avro_plan_row(compiler, type->children[before], true, &out->root->parts[before]));
        out->root->parts[before]->meta = HR_META_BEFORE;
    }
    if (source >= 0)
        HR_RETURN_NOT_OK(hr_avro_plan_source(compiler, type->children[source], &out->root->parts[source]));
    return HR_OK;
}

int hr_avro_compile(hr_arena *arena, const hr_schema *schema, const hr_avro_type *type, hr_avro_role role, hr_avro_program *out,
                    hr_error *error)
{
    static const hr_avro_meta_name flat[] = {
        {"__op", HR_META_OP},
        {"__deleted", HR_META_DELETED},
        {"__lsn", HR_META_LSN},
        {"__source_lsn", HR_META_LSN},
        {"__txId", HR_META_TXID},
        {"__source_txId", HR_META_TXID},
        {"__source_ts_us", HR_META_TS_US},
        {"__source_ts_ms", HR_META_TS_MS},
        {"__source_ts_ns", HR_META_TS_NS},
        {"__snapshot", HR_META_SNAPSHOT},
        {"__source_snapshot", HR_META_SNAPSHOT},
        {"__schema", HR_META_SCHEMA},
        {"__source_schema", HR_META_SCHEMA},
        {"__table", HR_META_TABLE},
        {"__source_table", HR_META_TABLE},
    };
    hr_avro_compiler compiler = {arena, schema, out, error};

    memset(out, 0, sizeof(*out));
    out->forms = hr_arena_alloc(arena, ((size_t)schema->count + 1) * sizeof(*out->forms));
    if (out->forms == NULL)
        return hr_error_nomem(error);
    for (int32_t i = 0; i < schema->count; i++)
        out->forms[i] = (hr_change_field){HR_FORM_PLAIN, false, 0};
    if (type->kind != HR_AVRO_RECORD)
        return hr_error_data(error, HR_REASON_MALFORMED, NULL, 0, "the Avro schema is not of a record: its values have no fields");
    out->envelope = role == HR_AVRO_EVENT && hr_avro_field(type, "op") >= 0 && hr_avro_field(type, "after") >= 0;
    if (out->envelope)
        return hr_avro_compile_envelope(&compiler, type, out);
    HR_RETURN_NOT_OK(hr_avro_plan_row(&compiler, type, false, &out->root));
    if (role == HR_AVRO_EVENT)
        HR_RETURN_NOT_OK(hr_avro_plan_metas(&compiler, out->root, flat, sizeof(flat) / sizeof(flat[0])));
    if (role != HR_AVRO_KEY)
        hr_avro_plan_rest(&compiler, out->root, role == HR_AVRO_EVENT);
    return HR_OK;
}
