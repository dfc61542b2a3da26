/* tests/core/value.h: one column of a type given by name, and single values through it. */
#ifndef HR_TESTS_VALUE_H
#define HR_TESTS_VALUE_H

#include "check.h"
#include "core/batch.h"
#include "faults.h"

typedef struct value_column {
    hr_arena arena;
    hr_type type;
    hr_column column;
    hr_buffer text;
    hr_error error;
} value_column;

/* Make an empty column of the type; ends the program when the name is no type. */
static inline void value_open(value_column *value, const char *type_name)
{
    memset(value, 0, sizeof(*value));
    hr_arena_init(&value->arena, 0);
    if (hr_type_from_name(type_name, &value->arena, &value->type, &value->error) != HR_OK ||
        hr_column_init(&value->column, &value->type, &value->error) != HR_OK) {
        fprintf(stderr, "%s: %s\n", type_name, value->error.message);
        exit(2);
    }
}

static inline void value_close(value_column *value)
{
    hr_column_free(&value->column);
    hr_buffer_free(&value->text);
    hr_arena_free(&value->arena);
}

/* Parse the n bytes s, from a block of just that size so that reading past it is seen. */
static inline int value_parse_n(value_column *value, hr_token token, const char *s, size_t n)
{
    char *copy = malloc(n + (n == 0));
    int rc;

    if (copy == NULL)
        exit(2);
    memcpy(copy, s, n);
    hr_error_clear(&value->error);
    rc = hr_type_ops_of(&value->type)->parse(&value->type, token, copy, n, &value->column, &value->error);
    free(copy);
    return rc;
}

static inline int value_parse(value_column *value, hr_token token, const char *s)
{
    return value_parse_n(value, token, s, strlen(s));
}

/* The text of a row, NUL-terminated. */
static inline const char *value_text(value_column *value, int64_t row)
{
    value->text.size = 0;
    if (hr_type_ops_of(&value->type)->write_text(&value->type, &value->column, row, &value->text, &value->error) != HR_OK ||
        hr_buffer_append(&value->text, "", 1, &value->error) != HR_OK)
        exit(2);
    return (const char *)value->text.data;
}

/* Parse, and want this text back; through the binary form too. */
static inline void value_gives_token(int line, const char *type_name, hr_token token, const char *s, const char *want)
{
    value_column value;
    hr_buffer field = {0};
    int rc;

    value_open(&value, type_name);
    rc = value_parse(&value, token, s);
    CHECK(rc == HR_OK, "line %d: %s '%s': %s", line, type_name, s, value.error.message);
    if (rc == HR_OK) {
        CHECK(strcmp(value_text(&value, 0), want) == 0, "line %d: %s '%s': got '%s' want '%s'", line, type_name, s,
              value_text(&value, 0), want);
        if (value.type.kind != HR_ARRAY || value.type.element->kind != HR_OTHER) {
            const hr_type_ops *ops = hr_type_ops_of(&value.type);
            CHECK(ops->write_binary(&value.type, &value.column, 0, &field, &value.error) == HR_OK, "line %d", line);
            CHECK(ops->read_binary(&value.type, field.data + 4, (int32_t)field.size - 4, &value.column, &value.error) == HR_OK,
                  "line %d: %s", line, value.error.message);
            CHECK(value.column.length == 2 && strcmp(value_text(&value, 1), want) == 0, "line %d: binary of %s '%s'", line, type_name, s);
        }
    }
    hr_buffer_free(&field);
    value_close(&value);
}

/* Parse, and want a reject with this reason; `part` must be in the message. */
static inline void value_rejects_token(int line, const char *type_name, hr_token token, const char *s, hr_reason reason, const char *part)
{
    value_column value;
    int rc;

    value_open(&value, type_name);
    rc = value_parse(&value, token, s);
    CHECK(rc == HR_EDATA && value.error.code == HR_EDATA, "line %d: %s '%s' was accepted as '%s'", line, type_name, s,
          rc == HR_OK ? value_text(&value, 0) : "");
    CHECK(value.error.reason == reason, "line %d: %s '%s': reason %s: %s", line, type_name, s, hr_reason_name(value.error.reason),
          value.error.message);
    CHECK(strstr(value.error.message, part) != NULL, "line %d: %s '%s': '%s' is not in '%s'", line, type_name, s, part,
          value.error.message);
    CHECK(value.column.length == 0, "line %d: a reject left a row", line);
    value_close(&value);
}

#define GIVES(type_name, s, want) value_gives_token(__LINE__, type_name, HR_TOKEN_TEXT, s, want)
#define REJECTS(type_name, s, reason, part) value_rejects_token(__LINE__, type_name, HR_TOKEN_TEXT, s, reason, part)

/* Parse with the n-th allocation failing, for every n until none fails: HR_ENOMEM and no row, then the value. Written out as well. */
static inline void value_faults(const char *type_name, hr_token token, const char *s)
{
    bool done = false;

    for (int n = 1; !done && n < 100; n++) {
        value_column value;
        hr_buffer out = {0};
        const hr_type_ops *ops;
        int rc;
        value_open(&value, type_name);
        ops = hr_type_ops_of(&value.type);
        hr_fault_arm(n, n % 2 == 0);
        rc = ops->parse(&value.type, token, s, strlen(s), &value.column, &value.error);
        if (rc == HR_OK)
            rc = ops->write_binary(&value.type, &value.column, 0, &out, &value.error);
        if (rc == HR_OK)
            rc = ops->read_binary(&value.type, out.data + 4, (int32_t)out.size - 4, &value.column, &value.error);
        if (rc == HR_OK)
            rc = ops->write_text(&value.type, &value.column, 0, &out, &value.error);
        done = !hr_fault_fired();
        hr_fault_arm(0, false);
        CHECK(done ? rc == HR_OK : rc == HR_ENOMEM, "%s '%s', failing allocation %d: %d %s", type_name, s, n, rc, value.error.message);
        if (rc == HR_ENOMEM)
            CHECK(value.error.code == HR_ENOMEM && value.error.retriable);
        if (value.column.length == 0 && value.column.child != NULL)
            CHECK(value.column.child->length == 0, "%s: elements left behind", type_name);
        hr_buffer_free(&out);
        value_close(&value);
    }
    CHECK(done);
}

#endif
