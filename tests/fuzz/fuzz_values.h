/* tests/fuzz/fuzz_values.h: every type there is, by number, for the targets that read single values. */
#ifndef HR_TESTS_FUZZ_VALUES_H
#define HR_TESTS_FUZZ_VALUES_H

#include "core/decode/decode.h"
#include "core/json/json_scan.h"
#include "fuzz.h"

/* Seeds name types by their place here: new ones go to the end. */
static const char *const fuzz_type_names[] = {
    "boolean",
    "smallint",
    "integer",
    "bigint",
    "real",
    "double precision",
    "numeric(12,2)",
    "numeric(18,18)",
    "numeric(38,10)",
    "numeric(20)",
    "numeric",
    "numeric(5,-2)",
    "numeric(3,6)",
    "numeric(60,20)",
    "text",
    "varchar",
    "varchar(5)",
    "char(5)",
    "bytea",
    "date",
    "time",
    "time(3)",
    "timestamp",
    "timestamp(0)",
    "timestamptz",
    "timestamptz(3)",
    "interval",
    "interval(2)",
    "interval year to month",
    "interval day to second(0)",
    "interval hour",
    "uuid",
    "json",
    "jsonb",
    "mood",
    "inet",
    "boolean[]",
    "smallint[]",
    "integer[]",
    "bigint[]",
    "real[]",
    "double precision[]",
    "numeric(10,2)[]",
    "numeric[]",
    "text[]",
    "varchar(5)[]",
    "char(5)[]",
    "bytea[]",
    "date[]",
    "time[]",
    "timestamp[]",
    "timestamptz[]",
    "interval[]",
    "uuid[]",
    "json[]",
    "jsonb[]",
    "mood[]",
    "inet[]",
};
#define FUZZ_TYPES (sizeof(fuzz_type_names) / sizeof(fuzz_type_names[0]))

static const char *const fuzz_labels[] = {"", "\"q\"", "Very Happy", "a,b", "happy", "it's", "null", "ok", "sad", "{x}", "\xc3\xbc"};

/* Type number `which`, counted round. All kinds of hr_type_table are among them. */
static inline const hr_type *fuzz_type(unsigned which)
{
    static hr_type types[FUZZ_TYPES];
    static hr_arena arena;
    uint32_t kinds = 0;

    if (types[0].name != NULL)
        return &types[which % FUZZ_TYPES];
    hr_arena_init(&arena, 0);
    for (size_t i = 0; i < FUZZ_TYPES; i++) {
        FUZZ_REQUIRE(hr_type_from_name(fuzz_type_names[i], &arena, &types[i], NULL) == HR_OK);
        if (strncmp(fuzz_type_names[i], "mood", 4) == 0) {
            hr_type *mood = types[i].kind == HR_ARRAY ? (hr_type *)(uintptr_t)types[i].element : &types[i];
            mood->kind = HR_ENUM;
            mood->oid = 70001; /* as the catalog would give it */
            mood->labels = fuzz_labels;
            mood->label_count = (int32_t)(sizeof(fuzz_labels) / sizeof(fuzz_labels[0]));
        }
        kinds |= UINT32_C(1) << types[i].kind;
    }
    FUZZ_REQUIRE(kinds == (UINT32_C(1) << HR_KIND_COUNT) - 1);
    return &types[which % FUZZ_TYPES];
}

static inline bool fuzz_is_jsonb(const hr_type *type)
{
    return type->kind == HR_JSONB || (type->kind == HR_ARRAY && type->element->kind == HR_JSONB);
}

/* Only the server writes the binary form of a type that only it knows. */
static inline bool fuzz_has_binary(const hr_type *type)
{
    return type->kind != HR_OTHER && (type->kind != HR_ARRAY || type->element->kind != HR_OTHER);
}

/* The token under which the JSON decoder hands the JSON text *s, *n to a column of the type; strings lose their quotes. HR_TOKEN_NULL
 * when it would not: for null, for what is no JSON, and for strings with escapes, whose text is made elsewhere. */
static inline hr_token fuzz_json_token(const hr_type *type, const char **s, size_t *n)
{
    const char *end = *s + *n, *p = hr_json_skip_space(*s, end), *after;
    hr_json_scan scan = {*s, end, true, NULL};
    hr_token token = HR_TOKEN_NULL;
    bool escaped = false;

    if (p == end || !hr_utf8_validate(*s, *n, NULL))
        return HR_TOKEN_NULL;
    after = hr_json_skip_value(&scan, p, 0, &token, &escaped);
    if (after == NULL || hr_json_skip_space(after, end) != end)
        return HR_TOKEN_NULL;
    *s = p;
    *n = (size_t)(after - p);
    if (token != HR_TOKEN_STRING || type->kind == HR_JSON || type->kind == HR_JSONB)
        return token;
    *s += 1;
    *n -= 2;
    return escaped ? HR_TOKEN_NULL : token;
}

#endif
