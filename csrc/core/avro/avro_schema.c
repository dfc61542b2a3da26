/* csrc/core/avro/avro_schema.c: reading Avro schemas. */
#include "avro.h"
#include "core/bytes.h"
#include "core/json/json_tree.h"

typedef struct hr_avro_names {
    hr_arena *arena;
    hr_avro_type *first; /* all named types so far */
    hr_error *error;
} hr_avro_names;

static int hr_avro_type_of(hr_avro_names *names, const hr_json_tree *tree, const char *space, int depth, hr_avro_type **out);

static int hr_avro_bad(const hr_avro_names *names, const char *what, const char *name)
{
    return hr_error_data(names->error, HR_REASON_MALFORMED, NULL, 0, "the Avro schema cannot be used: %s \"%.200s\"", what, name);
}

/* A new type, or NULL when memory runs out. */
static hr_avro_type *hr_avro_new(hr_avro_names *names, hr_avro_kind kind)
{
    hr_avro_type *type = hr_arena_alloc(names->arena, sizeof(*type));

    if (type == NULL) {
        hr_error_nomem(names->error);
        return NULL;
    }
    memset(type, 0, sizeof(*type));
    type->kind = kind;
    type->form.form = HR_FORM_PLAIN;
    return type;
}

/* `name` in full: with the namespace, unless it has dots. *space becomes the namespace of what it encloses. NULL when memory runs out. */
static const char *hr_avro_full_name(hr_avro_names *names, const char *name, const char *own_space, const char **space)
{
    const char *dot = strrchr(name, '.');
    size_t n;
    char *full;

    if (dot != NULL) {
        *space = hr_arena_copy(names->arena, name, (size_t)(dot - name));
        return *space != NULL ? name : NULL;
    }
    if (*own_space != '\0')
        *space = own_space;
    n = strlen(*space);
    if (n == 0)
        return name;
    full = hr_arena_alloc(names->arena, n + strlen(name) + 2);
    if (full == NULL)
        return NULL;
    memcpy(full, *space, n);
    full[n] = '.';
    memcpy(full + n + 1, name, strlen(name) + 1);
    return full;
}

/* Letters, digits and underscores. */
static bool hr_avro_is_name(const char *name)
{
    if (*name == '\0' || hr_is_digit(*name))
        return false;
    for (; *name != '\0'; name++)
        if (!hr_is_digit(*name) && *name != '_' && !(hr_to_lower(*name) >= 'a' && hr_to_lower(*name) <= 'z'))
            return false;
    return true;
}

static bool hr_avro_primitive(const char *name, hr_avro_kind *kind)
{
    static const char *const names[] = {"null", "boolean", "int", "long", "float", "double", "bytes", "string"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], name) == 0) {
            *kind = (hr_avro_kind)i;
            return true;
        }
    }
    return false;
}

/* A type by its name alone. */
static int hr_avro_by_name(hr_avro_names *names, const char *name, const char *space, hr_avro_type **out)
{
    const char *inner = space;
    const char *full = hr_avro_full_name(names, name, "", &inner);
    hr_avro_kind kind;

    if (full == NULL)
        return hr_error_nomem(names->error);
    if (hr_avro_primitive(name, &kind)) {
        *out = hr_avro_new(names, kind);
        return *out != NULL ? HR_OK : HR_ENOMEM;
    }
    for (hr_avro_type *type = names->first; type != NULL; type = type->next) {
        if (strcmp(type->name, full) == 0 || strcmp(type->name, name) == 0) {
            *out = type;
            return HR_OK;
        }
    }
    return hr_avro_bad(names, "it names a type that it does not define,", name);
}

/* What the attributes of a type say about its values. */
static void hr_avro_logical(const hr_json_tree *tree, hr_avro_type *type)
{
    static const struct {
        const char *name;
        hr_avro_kind kind;
        uint8_t form;
    } logicals[] = {
        {"date", HR_AVRO_INT, HR_FORM_DAYS},
        {"time-millis", HR_AVRO_INT, HR_FORM_MILLIS},
        {"time-micros", HR_AVRO_LONG, HR_FORM_MICROS},
        {"timestamp-millis", HR_AVRO_LONG, HR_FORM_MILLIS},
        {"timestamp-micros", HR_AVRO_LONG, HR_FORM_MICROS},
        {"timestamp-nanos", HR_AVRO_LONG, HR_FORM_NANOS},
        {"local-timestamp-millis", HR_AVRO_LONG, HR_FORM_MILLIS},
        {"local-timestamp-micros", HR_AVRO_LONG, HR_FORM_MICROS},
        {"local-timestamp-nanos", HR_AVRO_LONG, HR_FORM_NANOS},
        {"decimal", HR_AVRO_BYTES, HR_FORM_DECIMAL},
        {"decimal", HR_AVRO_FIXED, HR_FORM_DECIMAL},
    };
    const char *logical = hr_json_tree_text(tree, "logicalType"), *connect = hr_json_tree_text(tree, "connect.name");
    const hr_json_tree *parameters = hr_json_tree_get(tree, "connect.parameters");
    int64_t number = 0;

    for (size_t i = 0; i < sizeof(logicals) / sizeof(logicals[0]); i++)
        if (type->kind == logicals[i].kind && strcmp(logical, logicals[i].name) == 0)
            type->form.form = logicals[i].form;
    if (type->form.form == HR_FORM_PLAIN)
        hr_change_form_of(connect, strlen(connect), type->kind == HR_AVRO_STRING, &type->form);
    if (type->form.form == HR_FORM_PLAIN && (type->kind == HR_AVRO_BYTES || type->kind == HR_AVRO_FIXED))
        type->form.form = HR_FORM_BYTES;
    if (type->form.form == HR_FORM_DECIMAL && (hr_json_tree_number(tree, "scale", -100000, 100000, &number) ||
                                               hr_json_tree_number(parameters, "scale", -100000, 100000, &number)))
        type->form.number = (int32_t)number; /* else 0, as Avro says */
    if (type->form.form == HR_FORM_BITS)
        type->form.number = hr_json_tree_number(parameters, "length", 1, 100000000, &number) ? (int32_t)number : 0;
    type->duration = type->kind == HR_AVRO_FIXED && type->size == 12 && strcmp(logical, "duration") == 0;
}

/* Room for `count` children and names. */
static int hr_avro_children(hr_avro_names *names, hr_avro_type *type, int32_t count)
{
    size_t n = (size_t)count + 1;

    type->count = count;
    type->children = hr_arena_alloc(names->arena, n * sizeof(*type->children));
    type->names = hr_arena_alloc(names->arena, n * sizeof(*type->names));
    if (type->children == NULL || type->names == NULL)
        return hr_error_nomem(names->error);
    memset(type->children, 0, n * sizeof(*type->children));
    return HR_OK;
}

/* record, enum, fixed: they have names, and may be named again later, or within themselves. */
static int hr_avro_named(hr_avro_names *names, const hr_json_tree *tree, hr_avro_kind kind, const char *space, int depth,
                         hr_avro_type **out)
{
    const char *name = hr_json_tree_text(tree, "name");
    const hr_json_tree *list = hr_json_tree_get(tree, kind == HR_AVRO_RECORD ? "fields" : "symbols");
    hr_avro_type *type = hr_avro_new(names, kind);
    int64_t size = 0;
    int32_t i = 0;

    if (type == NULL)
        return HR_ENOMEM;
    if (*name == '\0')
        return hr_avro_bad(names, "a record, enum or fixed type has no name:", hr_json_tree_text(tree, "type"));
    type->name = hr_avro_full_name(names, name, hr_json_tree_text(tree, "namespace"), &space);
    if (type->name == NULL)
        return hr_error_nomem(names->error);
    type->next = names->first;
    names->first = type;
    *out = type;
    if (kind == HR_AVRO_FIXED) {
        if (!hr_json_tree_number(tree, "size", 0, INT32_MAX, &size))
            return hr_avro_bad(names, "a fixed type has no size:", name);
        type->size = (int32_t)size;
        hr_avro_logical(tree, type);
        return HR_OK;
    }
    if (list == NULL || list->token != HR_TOKEN_ARRAY || (kind == HR_AVRO_ENUM && list->count == 0))
        return hr_avro_bad(names, kind == HR_AVRO_RECORD ? "a record has no fields:" : "an enum has no symbols:", name);
    HR_RETURN_NOT_OK(hr_avro_children(names, type, list->count));
    hr_avro_logical(tree, type);
    for (const hr_json_tree *item = list->first; item != NULL; item = item->next, i++) {
        if (kind == HR_AVRO_ENUM) {
            if (item->token != HR_TOKEN_STRING)
                return hr_avro_bad(names, "an enum's symbol is no string:", name);
            type->names[i] = item->text;
            continue;
        }
        type->names[i] = hr_json_tree_text(item, "name");
        if (!hr_avro_is_name(type->names[i]) || hr_json_tree_get(item, "type") == NULL)
            return hr_avro_bad(names, "a record has a field without a type, or without a name of letters, digits and _:", name);
        HR_RETURN_NOT_OK(hr_avro_type_of(names, hr_json_tree_get(item, "type"), space, depth + 1, &type->children[i]));
    }
    return HR_OK;
}

static int hr_avro_union(hr_avro_names *names, const hr_json_tree *tree, const char *space, int depth, hr_avro_type **out)
{
    hr_avro_type *type = hr_avro_new(names, HR_AVRO_UNION);
    int32_t i = 0;

    if (type == NULL)
        return HR_ENOMEM;
    *out = type;
    if (tree->count == 0)
        return hr_avro_bad(names, "a union has no branches", "");
    HR_RETURN_NOT_OK(hr_avro_children(names, type, tree->count));
    for (const hr_json_tree *branch = tree->first; branch != NULL; branch = branch->next) {
        if (branch->token == HR_TOKEN_ARRAY)
            return hr_avro_bad(names, "a union stands right in a union", "");
        HR_RETURN_NOT_OK(hr_avro_type_of(names, branch, space, depth + 1, &type->children[i++]));
    }
    return HR_OK;
}

static int hr_avro_type_of(hr_avro_names *names, const hr_json_tree *tree, const char *space, int depth, hr_avro_type **out)
{
    const hr_json_tree *inner = tree;
    hr_avro_kind kind = HR_AVRO_NULL;
    const char *word;
    bool array;

    if (depth > HR_AVRO_DEPTH)
        return hr_avro_bad(names, "it is nested too deep", "");
    if (tree->token == HR_TOKEN_ARRAY)
        return hr_avro_union(names, tree, space, depth, out);
    if (tree->token == HR_TOKEN_STRING)
        return hr_avro_by_name(names, tree->text, space, out);
    if (tree->token == HR_TOKEN_OBJECT)
        inner = hr_json_tree_get(tree, "type");
    if (tree->token != HR_TOKEN_OBJECT || inner == NULL)
        return hr_avro_bad(names, "a type is neither a name nor an object with \"type\"", "");
    if (inner->token != HR_TOKEN_STRING) /* {"type": {..}} and {"type": [..]} */
        return hr_avro_type_of(names, inner, space, depth + 1, out);
    word = inner->text;
    if (strcmp(word, "record") == 0 || strcmp(word, "error") == 0)
        return hr_avro_named(names, tree, HR_AVRO_RECORD, space, depth, out);
    if (strcmp(word, "enum") == 0)
        return hr_avro_named(names, tree, HR_AVRO_ENUM, space, depth, out);
    if (strcmp(word, "fixed") == 0)
        return hr_avro_named(names, tree, HR_AVRO_FIXED, space, depth, out);
    array = strcmp(word, "array") == 0;
    if (array || strcmp(word, "map") == 0) {
        inner = hr_json_tree_get(tree, array ? "items" : "values");
        *out = hr_avro_new(names, array ? HR_AVRO_ARRAY : HR_AVRO_MAP);
        if (*out == NULL)
            return HR_ENOMEM;
        if (inner == NULL)
            return hr_avro_bad(names, "it does not say of what there is an", word);
        HR_RETURN_NOT_OK(hr_avro_children(names, *out, 1));
        return hr_avro_type_of(names, inner, space, depth + 1, &(*out)->children[0]);
    }
    if (!hr_avro_primitive(word, &kind))
        return hr_avro_by_name(names, word, space, out);
    *out = hr_avro_new(names, kind);
    if (*out == NULL)
        return HR_ENOMEM;
    hr_avro_logical(tree, *out);
    return HR_OK;
}

int hr_avro_schema_read(hr_arena *arena, const char *text, size_t n, hr_avro_type **out, hr_error *error)
{
    hr_avro_names names = {.arena = arena, .error = error};
    hr_json_tree *tree;
    int rc = hr_json_tree_read(arena, text, n, &tree, error);

    if (rc == HR_EDATA && error != NULL) {
        char why[400];

        memcpy(why, error->message, sizeof(why) - 1);
        why[sizeof(why) - 1] = '\0';
        return hr_error_data(error, HR_REASON_MALFORMED, NULL, 0, "the Avro schema is no JSON: %s", why);
    }
    HR_RETURN_NOT_OK(rc);
    return hr_avro_type_of(&names, tree, "", 0, out);
}
