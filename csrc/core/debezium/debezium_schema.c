/* csrc/core/debezium/debezium_schema.c: reading a Connect schema: {"type":"struct","fields":[{"type":"int64","name":"...","field":"at"},
 * ...]}. */
#include "debezium_schema.h"

#include "core/json/json_tree.h"

/* The field of a struct, or NULL. */
static const hr_json_tree *hr_connect_field(const hr_json_tree *fields, const char *name)
{
    for (const hr_json_tree *field = fields->first; field != NULL; field = field->next)
        if (strcmp(hr_json_tree_text(field, "field"), name) == 0)
            return field;
    return NULL;
}

static hr_change_field hr_connect_form(const hr_json_tree *field)
{
    hr_change_field out = {HR_FORM_PLAIN, false, 0};
    const char *type = hr_json_tree_text(field, "type"), *name = hr_json_tree_text(field, "name");
    const hr_json_tree *parameters = hr_json_tree_get(field, "parameters");
    int64_t number;

    if (strcmp(type, "array") == 0) {
        out = hr_connect_form(hr_json_tree_get(field, "items"));
        out.array = true;
        return out;
    }
    if (!hr_change_form_of(name, strlen(name), strcmp(type, "string") == 0, &out) && strcmp(type, "bytes") == 0)
        out.form = HR_FORM_BYTES;
    if (out.form == HR_FORM_DECIMAL)
        out.number = hr_json_tree_number(parameters, "scale", -100000, 100000, &number) ? (int32_t)number : HR_SCALE_UNKNOWN;
    if (out.form == HR_FORM_BITS)
        out.number = hr_json_tree_number(parameters, "length", 1, 100000000, &number) ? (int32_t)number : 0;
    return out;
}

static int hr_connect_read(hr_arena *arena, const hr_schema *schema, const char *text, size_t n, hr_change_field *out, hr_error *error)
{
    hr_json_tree *root;
    const hr_json_tree *fields, *after;

    HR_RETURN_NOT_OK(hr_json_tree_read(arena, text, n, &root, error));
    fields = hr_json_tree_get(root, "fields");
    if (fields == NULL || fields->token != HR_TOKEN_ARRAY)
        return hr_error_data(error, HR_REASON_MALFORMED, text, n, "the message's \"schema\" is no Kafka Connect schema of a struct");
    after = hr_connect_field(fields, "after");
    if (after != NULL && hr_connect_field(fields, "op") != NULL && hr_json_tree_get(after, "fields") != NULL)
        fields = hr_json_tree_get(after, "fields");
    for (int32_t i = 0; i < schema->count; i++) {
        const hr_column_def *def = &schema->columns[i];
        const hr_json_tree *field = NULL;

        out[i] = (hr_change_field){0};
        if (def->from == HR_FROM_PATH && def->depth == 1)
            field = hr_connect_field(fields, def->path[0]);
        if (field != NULL)
            out[i] = hr_connect_form(field);
    }
    return HR_OK;
}

int hr_connect_schema_forms(const hr_schema *schema, const char *text, size_t n, hr_change_field *out, hr_error *error)
{
    hr_arena arena;
    int rc;

    hr_arena_init(&arena, 16384);
    rc = hr_connect_read(&arena, schema, text, n, out, error);
    hr_arena_free(&arena);
    if (rc == HR_EDATA && error != NULL) {
        error->value = text; /* what the reader blamed lay in the arena, or is a part of it */
        error->value_len = n;
        error->offset = -1;
    }
    return rc;
}
