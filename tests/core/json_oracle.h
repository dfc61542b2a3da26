/* tests/core/json_oracle.h: one document through the decoder and through jansson: the same verdict, the same values. Shared by
 * test_json_oracle.c and the fuzz target json_oracle. */
#ifndef HR_TESTS_JSON_ORACLE_H
#define HR_TESTS_JSON_ORACLE_H

#include <jansson.h>

#include "core/json/json_scan.h"
#include "core/utf8.h"
#include "decode_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* What jansson says: 1 good, 0 bad, -1 when it stops for a limit of its own that JSON does not have. */
static int jansson_verdict(const char *text, size_t n)
{
    json_error_t error;
    json_t *value = json_loadb(text, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);

    if (value != NULL) {
        json_decref(value);
        return 1;
    }
    switch (json_error_code(&error)) {
    case json_error_numeric_overflow:
    case json_error_null_byte_in_key:
    case json_error_stack_overflow: return -1;
    default: return 0;
    }
}

static bool our_verdict(const char *text, size_t n, hr_error *error)
{
    hr_error_clear(error);
    return hr_utf8_validate(text, n, NULL) && hr_json_check(text, n, true, error) == HR_OK;
}

static int agreed, undecided;

static void compare_verdicts(const char *text, size_t n)
{
    hr_error error;
    bool ours = our_verdict(text, n, &error);
    int theirs = jansson_verdict(text, n);

    if (n > 0 && memchr(text, '\0', n) != NULL) { /* jansson overlooks a NUL byte after a literal; JSON has none anywhere */
        CHECK(!ours, "%.*s holds a NUL byte", (int)n, text);
        return;
    }
    if (theirs < 0 || error.reason == HR_REASON_DEPTH) {
        undecided++;
        return;
    }
    agreed++;
    CHECK(ours == (theirs == 1), "%.*s: we say %d (%s), jansson %d", (int)n, text, ours, error.message, theirs);
}

/* ---- values ---- */

/* The schema: whole values, paths, both at once, and the rest. */
static const fixture_column columns[] = {
    {"id", HR_TEXT, NULL, false, false},
    {"name", HR_JSON, NULL, false, false},
    {"a_key_longer_than_sixteen_bytes", HR_TEXT, NULL, false, false},
    {"city", HR_TEXT, "customer.address.city", false, false},
    {"city_twin", HR_TEXT, "customer.address.city", false, false},
    {"customer_id", HR_TEXT, "customer.id", false, false},
    {"name_n", HR_TEXT, "name.n", false, false},
    {"odd", HR_TEXT, "oddA", false, false},
    {"rest", HR_JSON, "$rest", false, false},
};

static bool same_text(fixture *f, const hr_field *field, const char *want, size_t n)
{
    bool same;

    f->decoder->text.size = 0;
    if (hr_json_unescape(field->data, field->len, true, &f->decoder->text, NULL) != HR_OK)
        return false;
    same = f->decoder->text.size == n && (n == 0 || memcmp(f->decoder->text.data, want, n) == 0);
    return same && (memchr(field->data, '\\', field->len) != NULL) == ((field->flags & HR_FIELD_ESCAPED) != 0);
}

/* Whether the field is the value jansson found. */
static bool same_value(fixture *f, const hr_field *field, const json_t *want)
{
    json_t *again;
    bool same;

    switch (json_typeof(want)) {
    case JSON_NULL: return field->token == HR_TOKEN_NULL;
    case JSON_TRUE: return field->token == HR_TOKEN_TRUE;
    case JSON_FALSE: return field->token == HR_TOKEN_FALSE;
    case JSON_STRING: return field->token == HR_TOKEN_STRING && same_text(f, field, json_string_value(want), json_string_length(want));
    case JSON_INTEGER:
    case JSON_REAL:
    case JSON_OBJECT:
    case JSON_ARRAY:
        again = json_loadb(field->data, field->len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        same = again != NULL && json_equal(again, (json_t *)(uintptr_t)want);
        same = same && (json_is_number(want) ? field->token == HR_TOKEN_NUMBER
                                             : field->token == (json_is_object(want) ? HR_TOKEN_OBJECT : HR_TOKEN_ARRAY));
        json_decref(again);
        return same;
    }
    return false;
}

/* The value at the column's path: NULL when absent; json_null when a null is on the way. */
static json_t *at_path(json_t *record, const hr_column_def *def)
{
    json_t *value = record;

    for (int32_t i = 0; i < def->depth; i++) {
        if (json_is_null(value))
            return value;
        value = json_is_object(value) ? json_object_get(value, def->path[i]) : NULL;
        if (value == NULL)
            return NULL;
    }
    return value;
}

static void drop_path(json_t *record, const hr_column_def *def)
{
    json_t *value = record;

    for (int32_t i = 0; i + 1 < def->depth && value != NULL; i++)
        value = json_object_get(value, def->path[i]);
    if (json_is_object(value))
        json_object_del(value, def->path[def->depth - 1]);
}

static void compare_record(fixture *f, const char *text, size_t n)
{
    json_error_t why;
    json_t *record = NULL;
    hr_record source = {.data = text, .len = n, .timestamp = HR_NO_TIMESTAMP};
    hr_field *fields = f->decoder->fields;
    int rc;

    if (n > 0 && memchr(text, '\0', n) != NULL) /* see compare_verdicts */
        return;
    record = json_loadb(text, n, JSON_ALLOW_NUL, &why);
    memset(fields, 0, sizeof(*fields) * COUNT(columns));
    hr_error_clear(&f->error);
    rc = f->decoder->format->fields(f->decoder, &source, fields, &f->error);
    if (record == NULL && (json_error_code(&why) == json_error_numeric_overflow || json_error_code(&why) == json_error_null_byte_in_key)) {
        undecided++;
        return;
    }
    agreed++;
    CHECK((rc == HR_OK) == json_is_object(record), "%.*s: %s; jansson %s", (int)n, text, f->error.message, why.text);
    if (rc == HR_OK && json_is_object(record)) {
        for (int32_t i = 0; i < f->schema->count; i++) {
            const hr_column_def *def = &f->schema->columns[i];
            json_t *want = at_path(record, def);
            if (def->from != HR_FROM_PATH)
                continue;
            if (want == NULL)
                CHECK(fields[i].token == HR_TOKEN_ABSENT, "%s of %.*s", def->name, (int)n, text);
            else
                CHECK(same_value(f, &fields[i], want), "%s of %.*s", def->name, (int)n, text);
        }
        /* deeper paths first would not matter: a path is dropped from what is left */
        for (int32_t i = 0; i < f->schema->count; i++)
            if (f->schema->columns[i].from == HR_FROM_PATH)
                drop_path(record, &f->schema->columns[i]);
        CHECK(same_value(f, &fields[8], record), "rest of %.*s is %.*s", (int)n, text, (int)fields[8].len, fields[8].data);
    }
    json_decref(record);
}

#endif
