/* csrc/core/schema.c: building a schema, and where its columns take their values from. */
#include "schema.h"

int hr_schema_new(hr_schema **out, hr_error *error)
{
    hr_schema *schema = hr_calloc(1, sizeof(*schema));

    *out = NULL;
    if (schema == NULL)
        return hr_error_nomem(error);
    schema->refs = 1;
    hr_arena_init(&schema->arena, 4096);
    *out = schema;
    return HR_OK;
}

hr_schema *hr_schema_retain(hr_schema *schema)
{
    __atomic_add_fetch(&schema->refs, 1, __ATOMIC_RELAXED);
    return schema;
}

void hr_schema_release(hr_schema *schema)
{
    if (schema == NULL || __atomic_sub_fetch(&schema->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    hr_arena_free(&schema->arena);
    hr_free(schema->columns);
    hr_free(schema);
}

int32_t hr_schema_find(const hr_schema *schema, const char *name)
{
    for (int32_t i = 0; i < schema->count; i++)
        if (strcmp(schema->columns[i].name, name) == 0)
            return i;
    return -1;
}

int hr_schema_default_bit(const hr_schema *schema, int32_t column)
{
    int bit = 0;

    if (!schema->columns[column].has_default)
        return -1;
    for (int32_t i = 0; i < column; i++)
        bit += schema->columns[i].has_default;
    return bit;
}

/* Make the column take the one key `key` (n bytes). On HR_ENOMEM the column is unchanged. */
static int hr_schema_set_path(hr_schema *schema, hr_column_def *def, const char **keys, const size_t *lens, int32_t depth, hr_error *error)
{
    const char **path = hr_arena_alloc(&schema->arena, sizeof(*path) * (size_t)depth);
    size_t *path_len = hr_arena_alloc(&schema->arena, sizeof(*path_len) * (size_t)depth);

    if (path == NULL || path_len == NULL)
        return hr_error_nomem(error);
    for (int32_t i = 0; i < depth; i++) {
        path[i] = hr_arena_copy(&schema->arena, keys[i], lens[i]);
        if (path[i] == NULL)
            return hr_error_nomem(error);
        path_len[i] = lens[i];
    }
    def->from = HR_FROM_PATH;
    def->depth = depth;
    def->path = path;
    def->path_len = path_len;
    return HR_OK;
}

int hr_schema_add(hr_schema *schema, const char *name, const hr_type *type, bool not_null, bool has_default, int32_t *index,
                  hr_error *error)
{
    hr_column_def def = {0};
    size_t len = strlen(name);

    if (hr_schema_find(schema, name) >= 0)
        return hr_error_set(error, HR_EUSAGE, "column \"%s\" is named twice", name);
    if (has_default && schema->default_count == 64)
        return hr_error_set(error, HR_EUSAGE, "column \"%s\" is the 65th with a default; 64 are supported: map it or drop the default",
                            name);
    if (schema->count == schema->capacity) {
        int32_t capacity = schema->capacity ? schema->capacity * 2 : 16;
        hr_column_def *columns = hr_realloc(schema->columns, sizeof(*columns) * (size_t)capacity);
        if (columns == NULL)
            return hr_error_nomem(error);
        schema->columns = columns;
        schema->capacity = capacity;
    }
    def.name = hr_arena_copy(&schema->arena, name, len);
    if (def.name == NULL)
        return hr_error_nomem(error);
    def.type = *type;
    def.not_null = not_null;
    def.has_default = has_default;
    HR_RETURN_NOT_OK(hr_schema_set_path(schema, &def, &name, &len, 1, error));
    schema->columns[schema->count] = def;
    if (index != NULL)
        *index = schema->count;
    schema->count++;
    schema->default_count += has_default;
    return HR_OK;
}

/* Split "a.b\.c" into keys, unescaping in place in `text`. Returns HR_EUSAGE for an empty key or more than 32 of them. */
static int hr_schema_split_path(char *text, const char **keys, size_t *lens, int32_t *depth, hr_error *error)
{
    char *read = text, *write = text, *start = text;

    *depth = 0;
    for (;;) {
        if (*read == '\\' && (read[1] == '.' || read[1] == '\\')) {
            *write++ = read[1];
            read += 2;
            continue;
        }
        if (*read == '.' || *read == '\0') {
            if (write == start)
                return hr_error_set(error, HR_EUSAGE, "a path has an empty key: write it as key.key.key, a dot in a key as \\.");
            if (*depth == 32)
                return hr_error_set(error, HR_EUSAGE, "a path has more than 32 keys");
            keys[*depth] = start;
            lens[(*depth)++] = (size_t)(write - start);
            if (*read == '\0')
                return HR_OK;
            read++;
            start = write;
            continue;
        }
        *write++ = *read++;
    }
}

int hr_schema_map(hr_schema *schema, int32_t column, const char *source, hr_error *error)
{
    static const struct {
        const char *name;
        hr_from from;
    } specials[] = {
        {"$rest", HR_FROM_REST},
        {"$raw", HR_FROM_RAW},
        {"$key", HR_FROM_KEY},
        {"$topic", HR_FROM_TOPIC},
        {"$partition", HR_FROM_PARTITION},
        {"$offset", HR_FROM_OFFSET},
        {"$timestamp", HR_FROM_TIMESTAMP},
        {"$op", HR_FROM_OP},
        {"$lsn", HR_FROM_LSN},
        {"$txid", HR_FROM_TXID},
        {"$source_ts", HR_FROM_SOURCE_TS},
        {"$snapshot", HR_FROM_SNAPSHOT},
        {"$table", HR_FROM_TABLE},
        {"$unchanged", HR_FROM_UNCHANGED},
    };
    hr_column_def *def;
    const char *keys[32];
    size_t lens[32];
    int32_t depth;
    char *text;

    if (column < 0 || column >= schema->count)
        return hr_error_set(error, HR_EUSAGE, "there is no column %d", (int)column);
    def = &schema->columns[column];
    if (source[0] == '$') {
        for (size_t i = 0; i < sizeof(specials) / sizeof(specials[0]); i++) {
            if (strcmp(source, specials[i].name) != 0)
                continue;
            if (specials[i].from == HR_FROM_REST && def->type.kind != HR_JSON && def->type.kind != HR_JSONB)
                return hr_error_set(error, HR_EUSAGE, "column \"%s\" is %s: $rest needs a json or jsonb column", def->name, def->type.name);
            def->from = specials[i].from;
            def->depth = 0;
            return HR_OK;
        }
        return hr_error_set(error, HR_EUSAGE,
                            "\"%s\" is not a source: use a key, a path, $rest $raw $key $topic $partition $offset $timestamp, or for "
                            "change events $op $lsn $txid $source_ts $snapshot $table $unchanged",
                            source);
    }
    text = hr_arena_copy(&schema->arena, source, strlen(source));
    if (text == NULL)
        return hr_error_nomem(error);
    HR_RETURN_NOT_OK(hr_schema_split_path(text, keys, lens, &depth, error));
    return hr_schema_set_path(schema, def, keys, lens, depth, error);
}
