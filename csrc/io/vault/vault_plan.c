/* csrc/io/vault/vault_plan.c: reading the setting "vault". It is made by python/headrace/vault, so errors here are for those who write one.
 */
#include "vault_plan.h"

static int hr_vault_text(const json_t *object, const char *name, const char **out, hr_error *error)
{
    const json_t *value = json_object_get(object, name);

    *out = json_string_value(value);
    return *out != NULL ? HR_OK : hr_error_set(error, HR_EUSAGE, "vault: setting \"%s\" must be a text", name);
}

static int hr_vault_list(const json_t *object, const char *name, const json_t **out, hr_error *error)
{
    *out = json_object_get(object, name);
    return json_is_array(*out) ? HR_OK : hr_error_set(error, HR_EUSAGE, "vault: setting \"%s\" must be a list", name);
}

static int hr_vault_find_column(const hr_schema *schema, const char *name, int32_t *out, hr_error *error)
{
    *out = name != NULL ? hr_schema_find(schema, name) : -1;
    if (*out >= 0)
        return HR_OK;
    return hr_error_set(error, HR_EUSAGE, "vault: the staging table has no column \"%s\": make it again from the mapping",
                        name != NULL ? name : "(no text)");
}

/* The columns that a list of names means. */
static int hr_vault_columns(hr_vault_settings *out, const hr_schema *schema, const json_t *object, const char *name,
                            const int32_t **columns, int32_t *count, hr_error *error)
{
    const json_t *list;
    int32_t *found;

    HR_RETURN_NOT_OK(hr_vault_list(object, name, &list, error));
    *count = (int32_t)json_array_size(list);
    found = hr_arena_alloc(&out->arena, sizeof(*found) * ((size_t)*count + 1));
    if (found == NULL)
        return hr_error_nomem(error);
    for (int32_t i = 0; i < *count; i++)
        HR_RETURN_NOT_OK(hr_vault_find_column(schema, json_string_value(json_array_get(list, (size_t)i)), &found[i], error));
    *columns = found;
    return HR_OK;
}

static int32_t hr_vault_hash_named(const hr_vault_plan *plan, const char *name)
{
    for (int32_t i = 0; name != NULL && i < plan->hash_count; i++)
        if (strcmp(plan->hashes[i].name, name) == 0)
            return i;
    return -1;
}

static int hr_vault_read_hashes(hr_vault_settings *out, const hr_schema *schema, const json_t *root, hr_error *error)
{
    const json_t *list;
    hr_vault_hash *hashes;
    int32_t count;

    HR_RETURN_NOT_OK(hr_vault_list(root, "hashes", &list, error));
    count = (int32_t)json_array_size(list);
    hashes = hr_arena_alloc(&out->arena, sizeof(*hashes) * ((size_t)count + 1));
    if (hashes == NULL)
        return hr_error_nomem(error);
    for (int32_t i = 0; i < count; i++) {
        const json_t *object = json_array_get(list, (size_t)i);

        hashes[i] = (hr_vault_hash){.diff = json_is_true(json_object_get(object, "diff")),
                                    .of_deletes = json_is_true(json_object_get(object, "of_deletes")),
                                    .whole = json_is_true(json_object_get(object, "whole"))};
        HR_RETURN_NOT_OK(hr_vault_text(object, "name", &hashes[i].name, error));
        HR_RETURN_NOT_OK(hr_vault_columns(out, schema, object, "columns", &hashes[i].columns, &hashes[i].count, error));
    }
    out->plan.hashes = hashes;
    out->plan.hash_count = count;
    return HR_OK;
}

/* A column of the widened batch: of the events, the rank, or a hash. */
static int hr_vault_wide_column(const hr_vault_plan *plan, const hr_schema *schema, const char *name, int32_t *out, hr_error *error)
{
    int32_t hash = hr_vault_hash_named(plan, name);

    if (hash >= 0) {
        *out = schema->count + 1 + hash;
        return HR_OK;
    }
    if (name != NULL && strcmp(name, HR_VAULT_RANK) == 0) {
        *out = schema->count;
        return HR_OK;
    }
    return hr_vault_find_column(schema, name, out, error);
}

static int hr_vault_read_step(hr_vault_settings *out, const hr_schema *schema, const json_t *object, hr_vault_step *step, hr_error *error)
{
    static const char *const kinds[] = {"keys", "events", "history"};
    const char *kind, *hash;
    const json_t *list;
    int32_t *columns;
    size_t i = 0;

    HR_RETURN_NOT_OK(hr_vault_text(object, "kind", &kind, error));
    HR_RETURN_NOT_OK(hr_vault_text(object, "table", &step->table, error));
    HR_RETURN_NOT_OK(hr_vault_text(object, "stage", &step->stage, error));
    HR_RETURN_NOT_OK(hr_vault_text(object, "merge", &step->merge, error));
    HR_RETURN_NOT_OK(hr_vault_text(object, "hash", &hash, error));
    HR_RETURN_NOT_OK(hr_vault_list(object, "columns", &list, error));
    while (i < 3 && strcmp(kind, kinds[i]) != 0)
        i++;
    step->relation.kind = (hr_vault_kind)i;
    step->slow = step->merge;
    if (step->relation.kind == HR_VAULT_HISTORY)
        HR_RETURN_NOT_OK(hr_vault_text(object, "slow", &step->slow, error));
    step->relation.hash = hr_vault_hash_named(&out->plan, hash);
    if (i == 3 || step->relation.hash < 0)
        return hr_error_set(error, HR_EUSAGE, "vault: relation %s has kind \"%s\" and hash \"%s\"", step->table, kind, hash);
    step->direct = json_string_value(json_object_get(object, "direct"));
    step->column_count = (int32_t)json_array_size(list);
    columns = hr_arena_alloc(&out->arena, sizeof(*columns) * ((size_t)step->column_count + 1));
    if (columns == NULL)
        return hr_error_nomem(error);
    for (int32_t k = 0; k < step->column_count; k++)
        HR_RETURN_NOT_OK(hr_vault_wide_column(&out->plan, schema, json_string_value(json_array_get(list, (size_t)k)), &columns[k], error));
    columns[step->column_count] = schema->count + 1 + out->plan.hash_count;
    step->columns = columns;
    return HR_OK;
}

static int hr_vault_read_steps(hr_vault_settings *out, const hr_schema *schema, const json_t *root, hr_error *error)
{
    const json_t *list;

    HR_RETURN_NOT_OK(hr_vault_list(root, "relations", &list, error));
    out->step_count = (int32_t)json_array_size(list);
    out->steps = hr_arena_alloc(&out->arena, sizeof(*out->steps) * ((size_t)out->step_count + 1));
    if (out->steps == NULL)
        return hr_error_nomem(error);
    for (int32_t i = 0; i < out->step_count; i++)
        HR_RETURN_NOT_OK(hr_vault_read_step(out, schema, json_array_get(list, (size_t)i), &out->steps[i], error));
    return HR_OK;
}

/* How to ask what the vault has of the batch's keys. */
static int hr_vault_read_known(hr_vault_settings *out, const hr_schema *schema, const json_t *root, hr_error *error)
{
    const json_t *known = json_object_get(root, "known");

    HR_RETURN_NOT_OK(hr_vault_text(root, "source", &out->plan.source, error));
    HR_RETURN_NOT_OK(hr_vault_text(known, "stage", &out->known_stage, error));
    HR_RETURN_NOT_OK(hr_vault_text(known, "clear", &out->known_clear, error));
    HR_RETURN_NOT_OK(hr_vault_text(known, "query", &out->known_query, error));
    HR_RETURN_NOT_OK(hr_vault_text(known, "direct", &out->direct_query, error));
    out->known_columns[0] = schema->count + 1 + out->plan.identity;
    out->known_columns[1] = out->plan.lsn;
    out->known_columns[2] = schema->count;
    return HR_OK;
}

static int hr_vault_read_rest(hr_vault_settings *out, const hr_schema *schema, const json_t *root, hr_error *error)
{
    const json_t *gaps = json_object_get(root, "gaps"), *late = json_object_get(root, "late"), *list;

    HR_RETURN_NOT_OK(hr_vault_text(root, "begin", &out->begin, error));
    HR_RETURN_NOT_OK(hr_vault_read_known(out, schema, root, error));
    if (json_is_object(gaps)) {
        HR_RETURN_NOT_OK(hr_vault_columns(out, schema, gaps, "columns", &out->gap_columns, &out->gap_count, error));
        HR_RETURN_NOT_OK(hr_vault_text(gaps, "stage", &out->gap_stage, error));
        HR_RETURN_NOT_OK(hr_vault_text(gaps, "query", &out->gap_query, error));
        HR_RETURN_NOT_OK(hr_vault_text(gaps, "sizes", &out->gap_sizes, error));
    }
    HR_RETURN_NOT_OK(hr_vault_text(late, "last", &out->last, error));
    HR_RETURN_NOT_OK(hr_vault_text(late, "find", &out->find, error));
    HR_RETURN_NOT_OK(hr_vault_list(late, "repair", &list, error));
    out->repair_count = (int32_t)json_array_size(list);
    out->repairs = hr_arena_alloc(&out->arena, sizeof(*out->repairs) * ((size_t)out->repair_count + 1));
    if (out->repairs == NULL)
        return hr_error_nomem(error);
    for (int32_t i = 0; i < out->repair_count; i++) {
        out->repairs[i] = json_string_value(json_array_get(list, (size_t)i));
        if (out->repairs[i] == NULL)
            return hr_error_set(error, HR_EUSAGE, "vault: every repair must be a statement");
    }
    return HR_OK;
}

static int hr_vault_recipe(const json_t *root, const char *name, const hr_recipe **out, hr_error *error)
{
    const char *recipe;

    HR_RETURN_NOT_OK(hr_vault_text(root, name, &recipe, error));
    *out = hr_recipe_named(recipe);
    return *out != NULL ? HR_OK : hr_error_set(error, HR_EUSAGE, "vault: there is no recipe \"%s\"", recipe);
}

int hr_vault_settings_read(const hr_load_config *config, const hr_schema *schema, hr_vault_settings *out, hr_error *error)
{
    const json_t *root = config->vault;
    const char *name;

    memset(out, 0, sizeof(*out));
    hr_arena_init(&out->arena, 4096);
    HR_RETURN_NOT_OK(hr_vault_recipe(root, "recipe", &out->plan.recipe, error));
    HR_RETURN_NOT_OK(hr_vault_recipe(root, "diff_recipe", &out->plan.diff_recipe, error));
    out->plan.zone = config->zone;
    HR_RETURN_NOT_OK(hr_vault_text(root, "op", &name, error));
    HR_RETURN_NOT_OK(hr_vault_find_column(schema, name, &out->plan.op, error));
    HR_RETURN_NOT_OK(hr_vault_text(root, "lsn", &name, error));
    HR_RETURN_NOT_OK(hr_vault_find_column(schema, name, &out->plan.lsn, error));
    HR_RETURN_NOT_OK(hr_vault_text(root, "unchanged", &name, error));
    HR_RETURN_NOT_OK(hr_vault_find_column(schema, name, &out->plan.unchanged, error));
    if (schema->columns[out->plan.op].type.kind != HR_TEXT || schema->columns[out->plan.lsn].type.kind != HR_INT8 ||
        schema->columns[out->plan.unchanged].type.kind != HR_ARRAY || schema->columns[out->plan.unchanged].type.element->kind != HR_TEXT)
        return hr_error_set(
            error, HR_ESCHEMA,
            "vault: in the staging table, op must be text, lsn bigint and unchanged text[]: make it again from the mapping");
    HR_RETURN_NOT_OK(hr_vault_columns(out, schema, root, "key", &out->plan.key, &out->plan.key_count, error));
    HR_RETURN_NOT_OK(hr_vault_read_hashes(out, schema, root, error));
    HR_RETURN_NOT_OK(hr_vault_text(root, "identity", &name, error));
    out->plan.identity = hr_vault_hash_named(&out->plan, name);
    if (out->plan.identity < 0)
        return hr_error_set(error, HR_EUSAGE, "vault: identity \"%s\" is no hash of the plan", name);
    HR_RETURN_NOT_OK(hr_vault_read_steps(out, schema, root, error));
    return hr_vault_read_rest(out, schema, root, error);
}

void hr_vault_settings_free(hr_vault_settings *settings)
{
    hr_arena_free(&settings->arena);
    memset(settings, 0, sizeof(*settings));
}
