/* csrc/core/widen.c: a batch with one column more. */
#include "widen.h"

int hr_type_copy(const hr_type *from, hr_arena *arena, hr_type *to, hr_error *error)
{
    hr_type copy = *from;

    if (from->name != NULL && (copy.name = hr_arena_copy(arena, from->name, strlen(from->name))) == NULL)
        return hr_error_nomem(error);
    if (from->labels != NULL) {
        const char **labels = hr_arena_alloc(arena, sizeof(*labels) * ((size_t)from->label_count + 1));

        if (labels == NULL)
            return hr_error_nomem(error);
        for (int32_t i = 0; i < from->label_count; i++)
            if ((labels[i] = hr_arena_copy(arena, from->labels[i], strlen(from->labels[i]))) == NULL)
                return hr_error_nomem(error);
        copy.labels = labels;
    }
    if (from->element != NULL) {
        hr_type *element = hr_arena_alloc(arena, sizeof(*element));

        if (element == NULL)
            return hr_error_nomem(error);
        HR_RETURN_NOT_OK(hr_type_copy(from->element, arena, element, error));
        copy.element = element;
    }
    *to = copy;
    return HR_OK;
}

/* A schema of the same columns and one more. */
static int hr_schema_widen(const hr_schema *schema, const char *name, const hr_type *type, hr_schema **out, hr_error *error)
{
    hr_schema *wide = NULL;
    hr_type copy;
    int rc = hr_schema_new(&wide, error);

    *out = NULL;
    for (int32_t i = 0; i < schema->count && rc == HR_OK; i++) {
        const hr_column_def *def = &schema->columns[i];

        rc = hr_type_copy(&def->type, &wide->arena, &copy, error);
        if (rc == HR_OK)
            rc = hr_schema_add(wide, def->name, &copy, def->not_null, def->has_default, NULL, error);
    }
    if (rc == HR_OK)
        rc = hr_type_copy(type, &wide->arena, &copy, error);
    if (rc == HR_OK)
        rc = hr_schema_add(wide, name, &copy, false, false, NULL, error);
    if (rc != HR_OK) {
        hr_schema_release(wide);
        return rc;
    }
    *out = wide;
    return HR_OK;
}

int hr_batch_widen(const hr_batch *batch, const char *name, const hr_type *type, hr_batch **out, hr_error *error)
{
    const int32_t count = batch->schema->count;
    hr_schema *schema;
    int rc;

    *out = NULL;
    if (hr_schema_find(batch->schema, name) >= 0)
        return hr_error_set(error, HR_EUSAGE, "the batch has a column \"%s\" already: give the new one another name", name);
    HR_RETURN_NOT_OK(hr_schema_widen(batch->schema, name, type, &schema, error));
    rc = hr_batch_new(schema, out, error);
    hr_schema_release(schema);
    if (rc != HR_OK)
        return rc;
    for (int32_t i = 0; i < count; i++) {
        hr_column_free(&(*out)->columns[i]);
        (*out)->columns[i] = batch->columns[i];
        (*out)->columns[i].type = &(*out)->schema->columns[i].type;
    }
    (*out)->borrowed = count;
    (*out)->absent = batch->absent;
    (*out)->absent_capacity = batch->absent_capacity;
    (*out)->length = batch->length;
    return HR_OK;
}
