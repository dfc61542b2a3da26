/* csrc/core/arrow/arrow_schema.c: a schema as an ArrowSchema.
 *
 * The SQL type rides along as the field's metadata "headrace.type"; uuid and json say what they are by the canonical extensions
 * arrow.uuid and arrow.json, so that others understand them too.
 */
#include "arrow.h"

#include <stdio.h>

/* What one exported ArrowSchema owns: everything in one block of its own, so that a moved child stays whole. */
typedef struct hr_arrow_field {
    struct ArrowSchema *children;
    struct ArrowSchema **children_ptr;
    char *text; /* format, name and metadata */
} hr_arrow_field;

static void hr_arrow_schema_release(struct ArrowSchema *schema)
{
    hr_arrow_field *field = schema->private_data;

    for (int64_t i = 0; i < schema->n_children; i++)
        if (field->children[i].release != NULL)
            field->children[i].release(&field->children[i]);
    hr_free(field->children);
    hr_free(field->children_ptr);
    hr_free(field->text);
    hr_free(field);
    schema->release = NULL;
}

/* Append one key and value in the interface's encoding: native int32 lengths. */
static int hr_arrow_metadata_add(hr_buffer *out, const char *key, const char *value, hr_error *error)
{
    int32_t key_len = (int32_t)strlen(key), value_len = (int32_t)strlen(value);

    HR_RETURN_NOT_OK(hr_buffer_append(out, &key_len, sizeof(key_len), error));
    HR_RETURN_NOT_OK(hr_buffer_append(out, key, (size_t)key_len, error));
    HR_RETURN_NOT_OK(hr_buffer_append(out, &value_len, sizeof(value_len), error));
    return hr_buffer_append(out, value, (size_t)value_len, error);
}

/* The metadata of a field of this type; nothing when it has no name. */
static int hr_arrow_metadata(const hr_type *type, hr_buffer *out, hr_error *error)
{
    const char *extension = NULL;
    int32_t count;

    if (type->kind == HR_UUID)
        extension = "arrow.uuid";
    else if (type->kind == HR_JSON || type->kind == HR_JSONB)
        extension = "arrow.json";
    count = (type->name != NULL) + 2 * (extension != NULL);
    if (count == 0)
        return HR_OK;
    HR_RETURN_NOT_OK(hr_buffer_append(out, &count, sizeof(count), error));
    if (extension != NULL) {
        HR_RETURN_NOT_OK(hr_arrow_metadata_add(out, "ARROW:extension:name", extension, error));
        HR_RETURN_NOT_OK(hr_arrow_metadata_add(out, "ARROW:extension:metadata", "", error));
    }
    if (type->name != NULL)
        HR_RETURN_NOT_OK(hr_arrow_metadata_add(out, "headrace.type", type->name, error));
    return HR_OK;
}

/* The format string of a type, in `room` when it must be made. */
static const char *hr_arrow_format_of(const hr_type *type, char *room, size_t room_size)
{
    switch (type->kind) {
    case HR_DECIMAL:
        snprintf(room, room_size, "d:%d,%d", (int)type->precision, (int)type->scale);
        return room;
    case HR_ARRAY: return "+l";
    default: return hr_type_ops_of(type)->arrow_format;
    }
}

/* Allocate what a schema with these children owns and hang it on *out. On HR_ENOMEM nothing is left to release. */
static int hr_arrow_field_init(struct ArrowSchema *out, const char *format, const char *name, const hr_buffer *metadata, int64_t children,
                               hr_error *error)
{
    size_t format_size = strlen(format) + 1, name_size = strlen(name) + 1;
    hr_arrow_field *field = hr_calloc(1, sizeof(*field));

    memset(out, 0, sizeof(*out));
    if (field == NULL)
        return hr_error_nomem(error);
    field->text = hr_malloc(format_size + name_size + metadata->size);
    field->children = hr_calloc((size_t)children + 1, sizeof(*field->children));
    field->children_ptr = hr_calloc((size_t)children + 1, sizeof(struct ArrowSchema *));
    if (field->text == NULL || field->children == NULL || field->children_ptr == NULL) {
        hr_free(field->text);
        hr_free(field->children);
        hr_free(field->children_ptr);
        hr_free(field);
        return hr_error_nomem(error);
    }
    /* The metadata comes first: its lengths are aligned there. */
    if (metadata->size > 0)
        memcpy(field->text, metadata->data, metadata->size);
    memcpy(field->text + metadata->size, format, format_size);
    memcpy(field->text + metadata->size + format_size, name, name_size);
    for (int64_t i = 0; i < children; i++)
        field->children_ptr[i] = &field->children[i];
    out->metadata = metadata->size > 0 ? field->text : NULL;
    out->format = field->text + metadata->size;
    out->name = field->text + metadata->size + format_size;
    out->n_children = children;
    out->children = field->children_ptr;
    out->private_data = field;
    out->release = hr_arrow_schema_release;
    return HR_OK;
}

/* Fill *out with one field. On failure nothing is left to release. */
static int hr_arrow_export_field(const hr_type *type, const char *name, bool not_null, struct ArrowSchema *out, hr_error *error)
{
    char room[32];
    hr_buffer metadata = {0};
    int rc = hr_arrow_metadata(type, &metadata, error);

    memset(out, 0, sizeof(*out));
    if (rc == HR_OK)
        rc = hr_arrow_field_init(out, hr_arrow_format_of(type, room, sizeof(room)), name, &metadata, type->kind == HR_ARRAY, error);
    hr_buffer_free(&metadata);
    if (rc != HR_OK)
        return rc;
    out->flags = not_null ? 0 : ARROW_FLAG_NULLABLE;
    if (type->kind == HR_ARRAY)
        rc = hr_arrow_export_field(type->element, "item", false, out->children[0], error);
    if (rc != HR_OK)
        out->release(out);
    return rc;
}

int hr_arrow_export_schema(const hr_schema *schema, struct ArrowSchema *out, hr_error *error)
{
    const hr_buffer nothing = {0};

    HR_RETURN_NOT_OK(hr_arrow_field_init(out, "+s", "", &nothing, schema->count, error));
    for (int32_t i = 0; i < schema->count; i++) {
        const hr_column_def *def = &schema->columns[i];
        int rc = hr_arrow_export_field(&def->type, def->name, def->not_null, out->children[i], error);
        if (rc != HR_OK) {
            out->release(out);
            return rc;
        }
    }
    return HR_OK;
}
