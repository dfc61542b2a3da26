/* csrc/core/types/type.c: the table of types, and types by name and by oid. */
#include "type.h"

#include <stdio.h>

#include "core/bytes.h"

extern const hr_type_ops hr_type_bool, hr_type_int2, hr_type_int4, hr_type_int8, hr_type_float4, hr_type_float8, hr_type_decimal,
    hr_type_numeric, hr_type_text, hr_type_varchar, hr_type_bpchar, hr_type_bytea, hr_type_date, hr_type_time, hr_type_timestamp,
    hr_type_timestamptz, hr_type_interval, hr_type_uuid, hr_type_json, hr_type_jsonb, hr_type_enum, hr_type_array, hr_type_other;

const hr_type_ops *const hr_type_table[HR_KIND_COUNT] = {
    [HR_BOOL] = &hr_type_bool,           [HR_INT2] = &hr_type_int2,
    [HR_INT4] = &hr_type_int4,           [HR_INT8] = &hr_type_int8,
    [HR_FLOAT4] = &hr_type_float4,       [HR_FLOAT8] = &hr_type_float8,
    [HR_DECIMAL] = &hr_type_decimal,     [HR_NUMERIC] = &hr_type_numeric,
    [HR_TEXT] = &hr_type_text,           [HR_VARCHAR] = &hr_type_varchar,
    [HR_BPCHAR] = &hr_type_bpchar,       [HR_BYTEA] = &hr_type_bytea,
    [HR_DATE] = &hr_type_date,           [HR_TIME] = &hr_type_time,
    [HR_TIMESTAMP] = &hr_type_timestamp, [HR_TIMESTAMPTZ] = &hr_type_timestamptz,
    [HR_INTERVAL] = &hr_type_interval,   [HR_UUID] = &hr_type_uuid,
    [HR_JSON] = &hr_type_json,           [HR_JSONB] = &hr_type_jsonb,
    [HR_ENUM] = &hr_type_enum,           [HR_ARRAY] = &hr_type_array,
    [HR_OTHER] = &hr_type_other,
};

/* ---- modifiers ---- */

#define HR_MAX_CHARS 10485760 /* the server's limit for varchar(n) and char(n) */
#define HR_MAX_PRECISION 1000
#define HR_MAX_TIME_PRECISION 6
#define HR_INTERVAL_FULL_RANGE 0x7fff
#define HR_INTERVAL_FULL_PRECISION 0xffff

/* The intervals with fields, as typmods number them (bit of each field: month 1, year 2, day 3, hour 10, minute 11, second 12). */
static const struct hr_interval_fields {
    const char *words;
    int32_t mask;
} hr_interval_fields[] = {
    {"year", 1 << 2},
    {"month", 1 << 1},
    {"day", 1 << 3},
    {"hour", 1 << 10},
    {"minute", 1 << 11},
    {"second", 1 << 12},
    {"year to month", 1 << 2 | 1 << 1},
    {"day to hour", 1 << 3 | 1 << 10},
    {"day to minute", 1 << 3 | 1 << 10 | 1 << 11},
    {"day to second", 1 << 3 | 1 << 10 | 1 << 11 | 1 << 12},
    {"hour to minute", 1 << 10 | 1 << 11},
    {"hour to second", 1 << 10 | 1 << 11 | 1 << 12},
    {"minute to second", 1 << 11 | 1 << 12},
};
#define HR_INTERVAL_FIELDS_COUNT (sizeof(hr_interval_fields) / sizeof(hr_interval_fields[0]))

static void hr_type_init(hr_type *type, hr_kind kind)
{
    memset(type, 0, sizeof(*type));
    type->kind = kind;
    type->oid = hr_type_table[kind]->oid;
    type->typmod = -1;
    type->scale = kind == HR_TIME || kind == HR_TIMESTAMP || kind == HR_TIMESTAMPTZ || kind == HR_INTERVAL ? -1 : 0;
    type->max_chars = -1;
}

/* Take the typmod apart into precision, scale and max_chars; numeric(p,s) that fits 128 bits becomes HR_DECIMAL. */
static void hr_type_apply_typmod(hr_type *type, int32_t typmod)
{
    type->typmod = typmod;
    if (typmod < 0)
        return;
    switch (type->kind) {
    case HR_NUMERIC:
    case HR_DECIMAL:
        if (typmod < 4)
            return;
        type->precision = (int16_t)((typmod - 4) >> 16 & 0xffff);
        type->scale = (int16_t)((((typmod - 4) & 0x7ff) ^ 1024) - 1024); /* eleven bits with a sign */
        type->kind = type->precision >= 1 && type->precision <= 38 && type->scale >= 0 && type->scale <= type->precision ? HR_DECIMAL
                                                                                                                       : HR_NUMERIC;
        break;
    case HR_VARCHAR:
    case HR_BPCHAR:
        if (typmod >= 4)
            type->max_chars = typmod - 4;
        break;
    case HR_TIME:
    case HR_TIMESTAMP:
    case HR_TIMESTAMPTZ: type->scale = (int16_t)typmod; break;
    case HR_INTERVAL:
        if ((typmod & 0xffff) != HR_INTERVAL_FULL_PRECISION)
            type->scale = (int16_t)(typmod & 0xffff);
        break;
    default: break;
    }
}

/* Write the type's name as format_type() does. */
static void hr_type_format(const hr_type *type, char *to, size_t size)
{
    const char *name = hr_type_table[type->kind]->name, *fields = "";
    char precision[16] = "";

    switch (type->kind) {
    case HR_DECIMAL:
    case HR_NUMERIC:
        if (type->precision > 0)
            snprintf(to, size, "numeric(%d,%d)", type->precision, type->scale);
        else
            snprintf(to, size, "numeric");
        return;
    case HR_VARCHAR:
    case HR_BPCHAR:
        if (type->max_chars >= 0)
            snprintf(to, size, "%s(%d)", name, (int)type->max_chars);
        else
            snprintf(to, size, "%s", type->kind == HR_BPCHAR ? "bpchar" : name); /* "character" alone would mean one */
        return;
    case HR_TIME:
    case HR_TIMESTAMP:
    case HR_TIMESTAMPTZ:
        if (type->scale >= 0)
            snprintf(precision, sizeof(precision), "(%d)", type->scale);
        snprintf(to, size, "%s%s %s time zone", type->kind == HR_TIME ? "time" : "timestamp", precision,
                 type->kind == HR_TIMESTAMPTZ ? "with" : "without");
        return;
    case HR_INTERVAL:
        for (size_t i = 0; type->typmod >= 0 && i < HR_INTERVAL_FIELDS_COUNT; i++)
            if ((type->typmod >> 16 & HR_INTERVAL_FULL_RANGE) == hr_interval_fields[i].mask)
                fields = hr_interval_fields[i].words;
        if (type->scale >= 0)
            snprintf(precision, sizeof(precision), "(%d)", type->scale);
        snprintf(to, size, "interval%s%s%s", *fields != '\0' ? " " : "", fields, precision);
        return;
    default: snprintf(to, size, "%s", name); return;
    }
}

/* The longest is "timestamp(6) without time zone" or "interval minute to second(6)". */
#define HR_TYPE_NAME_SIZE 64

/* Give a built-in type its own name, in the arena. */
static int hr_type_name_it(hr_type *type, hr_arena *arena, hr_error *error)
{
    char name[HR_TYPE_NAME_SIZE];

    hr_type_format(type, name, sizeof(name));
    type->name = hr_arena_copy(arena, name, strlen(name));
    return type->name != NULL ? HR_OK : hr_error_nomem(error);
}

/* Make *type an array of `element`, which is copied into the arena. */
static int hr_type_make_array(hr_type *type, const hr_type *element, hr_arena *arena, hr_error *error)
{
    size_t n = strlen(element->name);
    hr_type *copy = hr_arena_alloc(arena, sizeof(*copy));
    char *name = hr_arena_alloc(arena, n + 3);

    if (copy == NULL || name == NULL)
        return hr_error_nomem(error);
    *copy = *element;
    memcpy(name, element->name, n);
    memcpy(name + n, "[]", 3);
    hr_type_init(type, HR_ARRAY);
    type->oid = hr_type_table[element->kind]->array_oid;
    type->typmod = element->typmod;
    type->element = copy;
    type->name = name;
    type->delimiter = strcmp(element->name, "box") == 0 ? ';' : ','; /* the only built-in type with another */
    return HR_OK;
}

/* ---- by oid ---- */

int hr_type_from_oid(uint32_t oid, int32_t typmod, const char *name, hr_arena *arena, hr_type *type, hr_error *error)
{
    hr_type element;

    hr_type_init(type, HR_OTHER);
    type->oid = oid;
    for (int kind = 0; oid != 0 && kind < HR_KIND_COUNT; kind++) {
        if (kind == HR_DECIMAL) /* numeric, which becomes HR_DECIMAL by its typmod */
            continue;
        if (hr_type_table[kind]->oid == oid) {
            hr_type_init(type, (hr_kind)kind);
            break;
        }
        if (hr_type_table[kind]->array_oid == oid) {
            hr_type_init(&element, (hr_kind)kind);
            hr_type_apply_typmod(&element, typmod);
            HR_RETURN_NOT_OK(hr_type_name_it(&element, arena, error));
            HR_RETURN_NOT_OK(hr_type_make_array(type, &element, arena, error));
            break;
        }
    }
    hr_type_apply_typmod(type, typmod);
    if (name == NULL)
        return type->name != NULL ? HR_OK : hr_type_name_it(type, arena, error);
    type->name = hr_arena_copy(arena, name, strlen(name));
    return type->name != NULL ? HR_OK : hr_error_nomem(error);
}

/* ---- by name ---- */

/* The names of SQL and of pg_catalog, lower case, single spaces, without modifiers. `chars` is the length of a char(n) that gives none. */
static const struct hr_type_alias {
    const char *words;
    hr_kind kind;
    int32_t chars;
} hr_type_aliases[] = {
    {"bool", HR_BOOL, -1},
    {"boolean", HR_BOOL, -1},
    {"smallint", HR_INT2, -1},
    {"int2", HR_INT2, -1},
    {"integer", HR_INT4, -1},
    {"int", HR_INT4, -1},
    {"int4", HR_INT4, -1},
    {"bigint", HR_INT8, -1},
    {"int8", HR_INT8, -1},
    {"real", HR_FLOAT4, -1},
    {"float4", HR_FLOAT4, -1},
    {"double precision", HR_FLOAT8, -1},
    {"float8", HR_FLOAT8, -1},
    {"float", HR_FLOAT8, -1},
    {"numeric", HR_NUMERIC, -1},
    {"decimal", HR_NUMERIC, -1},
    {"dec", HR_NUMERIC, -1},
    {"text", HR_TEXT, -1},
    {"varchar", HR_VARCHAR, -1},
    {"character varying", HR_VARCHAR, -1},
    {"char varying", HR_VARCHAR, -1},
    {"national character varying", HR_VARCHAR, -1},
    {"national char varying", HR_VARCHAR, -1},
    {"nchar varying", HR_VARCHAR, -1},
    {"bpchar", HR_BPCHAR, -1},
    {"character", HR_BPCHAR, 1},
    {"char", HR_BPCHAR, 1},
    {"national character", HR_BPCHAR, 1},
    {"national char", HR_BPCHAR, 1},
    {"nchar", HR_BPCHAR, 1},
    {"bytea", HR_BYTEA, -1},
    {"date", HR_DATE, -1},
    {"time", HR_TIME, -1},
    {"time without time zone", HR_TIME, -1},
    {"timestamp", HR_TIMESTAMP, -1},
    {"timestamp without time zone", HR_TIMESTAMP, -1},
    {"timestamptz", HR_TIMESTAMPTZ, -1},
    {"timestamp with time zone", HR_TIMESTAMPTZ, -1},
    {"interval", HR_INTERVAL, -1},
    {"uuid", HR_UUID, -1},
    {"json", HR_JSON, -1},
    {"jsonb", HR_JSONB, -1},
};

/* A type name taken apart. */
typedef struct hr_type_name {
    char words[HR_TYPE_NAME_SIZE]; /* lower case, single spaces, no modifiers; "" when it cannot be a name we know */
    const char *base;              /* the text before [] */
    size_t base_length;
    int arguments; /* numbers in parentheses; -1 when there is something else in them */
    size_t before; /* how much of words stood before the parentheses */
    int32_t argument[2];
    bool array;
} hr_type_name;

static int hr_type_bad_name(const char *name, const char *what, hr_error *error)
{
    return hr_error_set(error, HR_EUSAGE, "\"%.200s\" is not a type: %s", name, what);
}

/* Read "(12,2)" between its parentheses. Anything but one or two numbers gives arguments = -1. */
static void hr_type_scan_arguments(const char *s, size_t n, hr_type_name *out)
{
    out->arguments = 0;
    for (;;) {
        const char *comma = n > 0 ? memchr(s, ',', n) : NULL;
        const char *part = s;
        size_t length = comma != NULL ? (size_t)(comma - s) : n;
        int64_t value;

        hr_trim(&part, &length);
        if (out->arguments == 2 || !hr_parse_plain_int64(part, length, &value) || value < INT32_MIN || value > INT32_MAX) {
            out->arguments = -1;
            return;
        }
        out->argument[out->arguments++] = (int32_t)value;
        if (comma == NULL)
            return;
        n -= (size_t)(comma + 1 - s);
        s = comma + 1;
    }
}

/* Cut "[]", "[3]" and the word "array" off the end. */
static int hr_type_scan_array(const char *name, hr_type_name *out, hr_error *error)
{
    const char *s = out->base;
    size_t n = out->base_length;

    while (n > 0 && s[n - 1] == ']') {
        n--;
        while (n > 0 && (hr_is_digit(s[n - 1]) || hr_is_space(s[n - 1])))
            n--;
        if (n == 0 || s[n - 1] != '[')
            return hr_type_bad_name(name, "its brackets do not match", error);
        n--;
        hr_trim(&s, &n);
        out->array = true;
    }
    if (n > 5 && hr_is_space(s[n - 6]) && hr_is_word(s + n - 5, 5, "array")) {
        n -= 5;
        hr_trim(&s, &n);
        out->array = true;
    }
    if (n == 0)
        return hr_type_bad_name(name, "it is empty", error);
    out->base = s;
    out->base_length = n;
    return HR_OK;
}

static int hr_type_scan_name(const char *name, hr_type_name *out, hr_error *error)
{
    size_t used = 0, open = 0, groups = 0;
    bool quoted = false, space = false, known = true;
    int depth = 0;

    memset(out, 0, sizeof(*out));
    out->base = name;
    out->base_length = strlen(name);
    hr_trim(&out->base, &out->base_length);
    HR_RETURN_NOT_OK(hr_type_scan_array(name, out, error));
    for (size_t i = 0; i < out->base_length; i++) {
        char c = out->base[i];

        if (c == '"') {
            quoted = !quoted;
            known = false; /* "char" is not char: whoever quotes a name means a type of the database */
        } else if (quoted) {
            continue;
        } else if (c == '(') {
            open = i + 1;
            known = known && depth == 0 && groups++ == 0;
            out->before = used;
            depth++;
        } else if (c == ')') {
            if (--depth < 0)
                break;
            if (depth == 0 && groups == 1)
                hr_type_scan_arguments(out->base + open, i - open, out);
            space = true;
        } else if (depth > 0) {
            continue;
        } else if (c == '[' || c == ']') {
            return hr_type_bad_name(name, "its brackets do not match", error);
        } else if (hr_is_space(c)) {
            space = true;
        } else if (used + 3 > sizeof(out->words)) {
            known = false;
        } else {
            if (space && used > 0)
                out->words[used++] = ' ';
            space = false;
            out->words[used++] = hr_to_lower(c);
        }
    }
    if (quoted)
        return hr_type_bad_name(name, "a quote is not closed", error);
    if (depth != 0)
        return hr_type_bad_name(name, "its parentheses do not match", error);
    if (!known)
        out->words[0] = '\0';
    if (strncmp(out->words, "pg_catalog.", 11) == 0) {
        memmove(out->words, out->words + 11, strlen(out->words + 11) + 1);
        out->before -= out->before >= 11 ? 11 : 0;
    }
    return HR_OK;
}

/* "interval", or "interval" and fields: the mask of its fields, 0 when it is no interval. */
static int32_t hr_type_interval_mask(const char *words)
{
    if (strcmp(words, "interval") == 0)
        return HR_INTERVAL_FULL_RANGE;
    if (strncmp(words, "interval ", 9) == 0)
        for (size_t i = 0; i < HR_INTERVAL_FIELDS_COUNT; i++)
            if (strcmp(words + 9, hr_interval_fields[i].words) == 0)
                return hr_interval_fields[i].mask;
    return 0;
}

/* The kind's modifiers as a typmod; *type may change its kind (float(n), numeric(p,s)). */
static int hr_type_modify(const char *name, const hr_type_name *parsed, const struct hr_type_alias *alias, int32_t interval, hr_type *type,
                          hr_error *error)
{
    int32_t first = parsed->argument[0], second = parsed->arguments == 2 ? parsed->argument[1] : 0, typmod = -1;

    if (parsed->arguments != 0 && (strstr(parsed->words, " time zone") != NULL ? parsed->before != strcspn(parsed->words, " ")
                                                                              : parsed->before != strlen(parsed->words)))
        return hr_type_bad_name(name, "the modifiers in parentheses stand in the wrong place", error);
    if (parsed->arguments < 0)
        return hr_type_bad_name(name, "the modifiers in parentheses must be one or two numbers", error);
    switch (type->kind) {
    case HR_NUMERIC:
        if (parsed->arguments > 0) {
            if (first < 1 || first > HR_MAX_PRECISION || second < -HR_MAX_PRECISION || second > HR_MAX_PRECISION)
                return hr_type_bad_name(name, "numeric(p,s) needs a p from 1 to 1000 and an s from -1000 to 1000", error);
            typmod = (first << 16 | (second & 0x7ff)) + 4;
        }
        hr_type_apply_typmod(type, typmod);
        return HR_OK;
    case HR_VARCHAR:
    case HR_BPCHAR:
        if (parsed->arguments == 2 || (parsed->arguments == 1 && (first < 1 || first > HR_MAX_CHARS)))
            return hr_type_bad_name(name, "the length must be one number from 1 to 10485760", error);
        if (parsed->arguments == 1 || alias->chars > 0)
            typmod = (parsed->arguments == 1 ? first : alias->chars) + 4;
        hr_type_apply_typmod(type, typmod);
        return HR_OK;
    case HR_TIME:
    case HR_TIMESTAMP:
    case HR_TIMESTAMPTZ:
    case HR_INTERVAL:
        if (parsed->arguments == 2 || first < 0)
            return hr_type_bad_name(name, "the precision must be one number from 0 to 6", error);
        if (first > HR_MAX_TIME_PRECISION) /* the server warns and does the same */
            first = HR_MAX_TIME_PRECISION;
        if (type->kind == HR_INTERVAL && parsed->arguments == 1 && !(interval >> 12 & 1))
            return hr_type_bad_name(name, "only an interval with seconds has a precision", error);
        if (type->kind == HR_INTERVAL && (parsed->arguments == 1 || interval != HR_INTERVAL_FULL_RANGE))
            typmod = interval << 16 | (parsed->arguments == 1 ? first : HR_INTERVAL_FULL_PRECISION);
        else if (parsed->arguments == 1)
            typmod = first;
        hr_type_apply_typmod(type, typmod);
        return HR_OK;
    case HR_FLOAT8:
        if (parsed->arguments == 1 && strcmp(alias->words, "float") == 0) {
            if (first < 1 || first > 53)
                return hr_type_bad_name(name, "the precision of float must be from 1 to 53 bits", error);
            hr_type_init(type, first <= 24 ? HR_FLOAT4 : HR_FLOAT8);
            return HR_OK;
        }
        break;
    default: break;
    }
    if (parsed->arguments > 0)
        return hr_type_bad_name(name, "this type takes no modifiers", error);
    return HR_OK;
}

int hr_type_from_name(const char *name, hr_arena *arena, hr_type *type, hr_error *error)
{
    static const struct hr_type_alias interval_alias = {"interval", HR_INTERVAL, -1};
    const struct hr_type_alias *alias = NULL;
    hr_type_name parsed;
    hr_type element;
    int32_t interval;

    HR_RETURN_NOT_OK(hr_type_scan_name(name, &parsed, error));
    interval = hr_type_interval_mask(parsed.words);
    if (interval != 0)
        alias = &interval_alias;
    for (size_t i = 0; alias == NULL && i < sizeof(hr_type_aliases) / sizeof(hr_type_aliases[0]); i++)
        if (strcmp(parsed.words, hr_type_aliases[i].words) == 0)
            alias = &hr_type_aliases[i];
    hr_type_init(&element, alias != NULL ? alias->kind : HR_OTHER);
    if (alias != NULL) {
        HR_RETURN_NOT_OK(hr_type_modify(name, &parsed, alias, interval, &element, error));
        HR_RETURN_NOT_OK(hr_type_name_it(&element, arena, error));
    } else {
        element.name = hr_arena_copy(arena, parsed.base, parsed.base_length);
        if (element.name == NULL)
            return hr_error_nomem(error);
    }
    if (parsed.array)
        return hr_type_make_array(type, &element, arena, error);
    *type = element;
    return HR_OK;
}
