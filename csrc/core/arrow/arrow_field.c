/* csrc/core/arrow/arrow_field.c: format strings of the Arrow C data interface, and the SQL type that holds each. */
#include "arrow_field.h"

#include <stdio.h>

#define HR_ARROW_MAX_DEPTH 8 /* lists and dictionaries within each other: a column needs three, and the stack is finite */

const char *hr_arrow_metadata_find(const char *metadata, const char *key, size_t *n)
{
    size_t key_size = strlen(key);
    int32_t pairs, size;

    if (metadata == NULL)
        return NULL;
    memcpy(&pairs, metadata, sizeof(pairs));
    metadata += sizeof(pairs);
    for (int32_t i = 0; i < pairs; i++) {
        bool found;
        memcpy(&size, metadata, sizeof(size));
        metadata += sizeof(size);
        found = (size_t)size == key_size && memcmp(metadata, key, key_size) == 0;
        metadata += size;
        memcpy(&size, metadata, sizeof(size));
        metadata += sizeof(size);
        if (found) {
            *n = (size_t)size;
            return metadata;
        }
        metadata += size;
    }
    return NULL;
}

static bool hr_arrow_metadata_is(const char *metadata, const char *key, const char *value)
{
    size_t n = 0;
    const char *found = hr_arrow_metadata_find(metadata, key, &n);

    return found != NULL && n == strlen(value) && memcmp(found, value, n) == 0;
}

/* The formats that need no reading: layout and type. */
static const struct {
    const char *format;
    hr_arrow_code code;
    bool text;
    const char *type;
} hr_arrow_plain[] = {
    {"n", HR_ARROW_NULL, false, "text"},
    {"b", HR_ARROW_BOOL, false, "boolean"},
    {"c", HR_ARROW_INT8, false, "smallint"},
    {"C", HR_ARROW_UINT8, false, "smallint"},
    {"s", HR_ARROW_INT16, false, "smallint"},
    {"S", HR_ARROW_UINT16, false, "integer"},
    {"i", HR_ARROW_INT32, false, "integer"},
    {"I", HR_ARROW_UINT32, false, "bigint"},
    {"l", HR_ARROW_INT64, false, "bigint"},
    {"L", HR_ARROW_UINT64, false, "numeric(20,0)"},
    {"f", HR_ARROW_FLOAT, false, "real"},
    {"g", HR_ARROW_DOUBLE, false, "double precision"},
    {"u", HR_ARROW_BYTES, true, "text"},
    {"U", HR_ARROW_LARGE_BYTES, true, "text"},
    {"vu", HR_ARROW_VIEWS, true, "text"},
    {"z", HR_ARROW_BYTES, false, "bytea"},
    {"Z", HR_ARROW_LARGE_BYTES, false, "bytea"},
    {"vz", HR_ARROW_VIEWS, false, "bytea"},
    {"tdD", HR_ARROW_DATE_DAYS, false, "date"},
    {"tdm", HR_ARROW_DATE_MILLIS, false, "date"},
    {"tiM", HR_ARROW_MONTHS, false, "interval"},
    {"tiD", HR_ARROW_DAYS_MILLIS, false, "interval"},
    {"tin", HR_ARROW_MONTHS_DAYS_NANOS, false, "interval"},
};

/* What people call the formats that are refused. */
static const struct {
    const char *prefix;
    const char *what;
} hr_arrow_refused[] = {
    {"e", "16-bit floats: cast the column to float32"},
    {"+s", "structs: flatten them into columns, or make them JSON text"},
    {"+m", "maps: make them JSON text"},
    {"+u", "unions: split them into columns"},
    {"+r", "run-end encoded arrays: decode them"},
    {"+v", "list views: cast the column to a list"},
};

/* A number after `at`; moves it on. False when there is none or it is too large to be one of a format string. */
static bool hr_arrow_number(const char **at, int32_t *value)
{
    const char *p = *at;
    bool negative = *p == '-';
    int32_t total = 0;

    p += negative;
    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (total > 100000000)
            return false;
        total = total * 10 + (*p - '0');
    }
    *value = negative ? -total : total;
    *at = p;
    return true;
}

/* "d:precision,scale[,bits]". */
static bool hr_arrow_read_decimal(const char *format, hr_arrow_field *out)
{
    const char *at = format + 2;
    int32_t bits = 128;

    if (!hr_arrow_number(&at, &out->precision) || *at++ != ',' || !hr_arrow_number(&at, &out->scale))
        return false;
    if (*at == ',') {
        at++;
        if (!hr_arrow_number(&at, &bits))
            return false;
    }
    if (*at != '\0' || (bits != 32 && bits != 64 && bits != 128 && bits != 256))
        return false;
    if (out->precision < 1 || out->precision > 76 || out->scale < -1000 || out->scale > 1000)
        return false;
    out->code = HR_ARROW_DECIMAL;
    out->width = bits / 8;
    return true;
}

static hr_time_unit hr_arrow_unit(char letter)
{
    switch (letter) {
    case 's': return HR_UNIT_S;
    case 'm': return HR_UNIT_MS;
    case 'u': return HR_UNIT_US;
    case 'n': return HR_UNIT_NS;
    default: return HR_UNIT_NONE;
    }
}

/* "tts" time, "tsu:zone" timestamp, "tDn" duration: layout into *out, the type's name into *type. */
static bool hr_arrow_read_time(const char *format, hr_arrow_field *out, const char **type)
{
    size_t size = strlen(format);

    if (size < 3)
        return false;
    out->unit = hr_arrow_unit(format[2]);
    if (out->unit == HR_UNIT_NONE)
        return false;
    if (format[1] == 't' && size == 3) {
        out->code = out->unit == HR_UNIT_S || out->unit == HR_UNIT_MS ? HR_ARROW_TIME_32 : HR_ARROW_TIME_64;
        *type = "time without time zone";
        return true;
    }
    if (format[1] == 'D' && size == 3) {
        out->code = HR_ARROW_DURATION;
        *type = "interval";
        return true;
    }
    if (format[1] == 's' && size >= 4 && format[3] == ':') {
        out->code = HR_ARROW_TIMESTAMP;
        *type = format[4] != '\0' ? "timestamp with time zone" : "timestamp without time zone";
        return true;
    }
    return false;
}

static int hr_arrow_open_at(const struct ArrowSchema *schema, const char *name, int depth, hr_arena *arena, hr_arrow_field *out,
                            hr_error *error);

/* "+l", "+L", "+w:n": the list and its item. */
static int hr_arrow_open_list(const struct ArrowSchema *schema, const char *name, int depth, hr_arena *arena, hr_arrow_field *out,
                              hr_error *error)
{
    const char *at = schema->format + 3;
    char type_name[256];

    out->code = schema->format[1] == 'l' ? HR_ARROW_LIST : schema->format[1] == 'L' ? HR_ARROW_LARGE_LIST : HR_ARROW_FIXED_LIST;
    if (out->code == HR_ARROW_FIXED_LIST && (!hr_arrow_number(&at, &out->width) || out->width < 0))
        return hr_error_set(error, HR_EUSAGE, "column \"%s\": \"%s\" is not an Arrow format", name, schema->format);
    if (schema->n_children != 1 || schema->children == NULL || schema->children[0] == NULL)
        return hr_error_set(error, HR_EUSAGE, "column \"%s\": an Arrow list has one child, this one has %lld", name,
                            (long long)schema->n_children);
    out->item = hr_arena_alloc(arena, sizeof(*out->item));
    if (out->item == NULL)
        return hr_error_nomem(error);
    HR_RETURN_NOT_OK(hr_arrow_open_at(schema->children[0], name, depth + 1, arena, out->item, error));
    if (out->item->type.kind == HR_ARRAY)
        return hr_error_set(error, HR_EUSAGE,
                            "column \"%s\" holds lists of lists: only one-dimensional lists are read; flatten it or make it JSON", name);
    snprintf(type_name, sizeof(type_name), "%s[]", out->item->type.name);
    return hr_type_from_name(type_name, arena, &out->type, error);
}

/* The field without its dictionary. */
static int hr_arrow_open_plain(const struct ArrowSchema *schema, const char *name, int depth, hr_arena *arena, hr_arrow_field *out,
                               hr_error *error)
{
    const char *format = schema->format;
    const char *type = NULL;
    char room[48];

    for (size_t i = 0; i < sizeof(hr_arrow_plain) / sizeof(hr_arrow_plain[0]); i++) {
        if (strcmp(format, hr_arrow_plain[i].format) != 0)
            continue;
        out->code = hr_arrow_plain[i].code;
        out->text = hr_arrow_plain[i].text;
        type = hr_arrow_plain[i].type;
        if (out->text && hr_arrow_metadata_is(schema->metadata, "ARROW:extension:name", "arrow.json"))
            type = "json";
        return hr_type_from_name(type, arena, &out->type, error);
    }
    if (format[0] == '+' && (strcmp(format, "+l") == 0 || strcmp(format, "+L") == 0 || strncmp(format, "+w:", 3) == 0))
        return hr_arrow_open_list(schema, name, depth, arena, out, error);
    if (strncmp(format, "d:", 2) == 0 && hr_arrow_read_decimal(format, out)) {
        snprintf(room, sizeof(room), "numeric(%d,%d)", (int)out->precision, (int)out->scale);
        return hr_type_from_name(room, arena, &out->type, error);
    }
    if (strncmp(format, "w:", 2) == 0) {
        const char *at = format + 2;
        if (hr_arrow_number(&at, &out->width) && *at == '\0' && out->width >= 0) {
            out->code = HR_ARROW_FIXED_BYTES;
            type = out->width == 16 && hr_arrow_metadata_is(schema->metadata, "ARROW:extension:name", "arrow.uuid") ? "uuid" : "bytea";
            return hr_type_from_name(type, arena, &out->type, error);
        }
    }
    if (format[0] == 't' && hr_arrow_read_time(format, out, &type))
        return hr_type_from_name(type, arena, &out->type, error);
    for (size_t i = 0; i < sizeof(hr_arrow_refused) / sizeof(hr_arrow_refused[0]); i++)
        if (strncmp(format, hr_arrow_refused[i].prefix, strlen(hr_arrow_refused[i].prefix)) == 0)
            return hr_error_set(error, HR_EUSAGE, "column \"%s\" holds Arrow %s", name, hr_arrow_refused[i].what);
    return hr_error_set(error, HR_EUSAGE, "column \"%s\" has the Arrow format \"%s\", which is not known here: cast it to a common type",
                        name, format);
}

static int hr_arrow_open_at(const struct ArrowSchema *schema, const char *name, int depth, hr_arena *arena, hr_arrow_field *out,
                            hr_error *error)
{
    memset(out, 0, sizeof(*out));
    if (depth > HR_ARROW_MAX_DEPTH)
        return hr_error_set(error, HR_EUSAGE, "column \"%s\" is nested deeper than a column can be: flatten it or make it JSON", name);
    HR_RETURN_NOT_OK(hr_arrow_open_plain(schema, name, depth, arena, out, error));
    if (schema->dictionary == NULL)
        return HR_OK;
    if (out->code < HR_ARROW_INT8 || out->code > HR_ARROW_UINT64)
        return hr_error_set(error, HR_EUSAGE, "column \"%s\": an Arrow dictionary's index must be an integer, not \"%s\"", name,
                            schema->format);
    out->dictionary = hr_arena_alloc(arena, sizeof(*out->dictionary));
    if (out->dictionary == NULL)
        return hr_error_nomem(error);
    HR_RETURN_NOT_OK(hr_arrow_open_at(schema->dictionary, name, depth + 1, arena, out->dictionary, error));
    out->type = out->dictionary->type;
    return HR_OK;
}

int hr_arrow_field_open(const struct ArrowSchema *schema, const char *name, hr_arena *arena, hr_arrow_field *out, hr_error *error)
{
    return hr_arrow_open_at(schema, name, 0, arena, out, error);
}

void hr_arrow_field_close(hr_arrow_field *field)
{
    if (field == NULL)
        return;
    hr_arrow_field_close(field->item);
    hr_arrow_field_close(field->dictionary);
    if (field->scratch_ready)
        hr_column_free(&field->scratch);
    field->scratch_ready = false;
}

/* The types whose values live as text in a batch. */
static bool hr_arrow_is_textual(hr_kind kind)
{
    switch (kind) {
    case HR_NUMERIC:
    case HR_TEXT:
    case HR_VARCHAR:
    case HR_BPCHAR:
    case HR_JSON:
    case HR_JSONB:
    case HR_ENUM:
    case HR_OTHER: return true;
    default: return false;
    }
}

/* Whether a column that says by its metadata that it is `claimed` still has the layout for it: tools keep the metadata when they cast. */
static bool hr_arrow_claim_holds(const hr_type *claimed, const hr_type *natural)
{
    if (claimed->kind == HR_ARRAY)
        return natural->kind == HR_ARRAY && hr_arrow_claim_holds(claimed->element, natural->element);
    if (natural->kind == HR_TEXT || natural->kind == HR_JSON)
        return hr_arrow_is_textual(claimed->kind);
    if (natural->kind == HR_DECIMAL && claimed->kind == HR_DECIMAL)
        return claimed->precision == natural->precision && claimed->scale == natural->scale;
    return claimed->kind == natural->kind;
}

/* The type of one child: what it claims, when that holds, else what its format says. */
static int hr_arrow_import_type(const struct ArrowSchema *child, hr_arena *arena, hr_type *out, hr_error *error)
{
    hr_arrow_field field;
    hr_type claimed;
    size_t n = 0;
    const char *claim = hr_arrow_metadata_find(child->metadata, "headrace.type", &n);

    HR_RETURN_NOT_OK(hr_arrow_field_open(child, child->name != NULL ? child->name : "", arena, &field, error));
    *out = field.type;
    if (claim == NULL || memchr(claim, '\0', n) != NULL)
        return HR_OK;
    claim = hr_arena_copy(arena, claim, n);
    if (claim == NULL)
        return hr_error_nomem(error);
    switch (hr_type_from_name(claim, arena, &claimed, error)) {
    case HR_OK:
        if (hr_arrow_claim_holds(&claimed, &field.type))
            *out = claimed;
        return HR_OK;
    case HR_ENOMEM: return HR_ENOMEM;
    default: return HR_OK; /* not a name of ours: the format decides */
    }
}

int hr_arrow_import_schema(const struct ArrowSchema *in, hr_schema **out, hr_error *error)
{
    hr_schema *schema;
    int rc = HR_OK;

    *out = NULL;
    if (in->release == NULL || in->format == NULL || strcmp(in->format, "+s") != 0)
        return hr_error_set(error, HR_EUSAGE, "this is not a table: an Arrow struct was expected, not \"%s\"",
                            in->release != NULL && in->format != NULL ? in->format : "a released schema");
    HR_RETURN_NOT_OK(hr_schema_new(&schema, error));
    for (int64_t i = 0; i < in->n_children && rc == HR_OK; i++) {
        const struct ArrowSchema *child = in->children[i];
        hr_type type;
        rc = hr_arrow_import_type(child, &schema->arena, &type, error);
        if (rc == HR_OK)
            rc = hr_schema_add(schema, child->name != NULL ? child->name : "", &type, !(child->flags & ARROW_FLAG_NULLABLE), false, NULL,
                               error);
    }
    if (rc != HR_OK) {
        hr_schema_release(schema);
        return rc;
    }
    hr_error_clear(error);
    *out = schema;
    return HR_OK;
}
