/* tests/core/type_check.h: one line a value for the tests of types.
 *
 * VALUE parses a text into a column of the named type and expects the server's output form and, unless NULL, the COPY BINARY bytes in hex;
 * it reads those bytes back, and repeats everything with each allocation failing in turn. REFUSED expects a rejected value.
 */
#ifndef HR_TESTS_TYPE_CHECK_H
#define HR_TESTS_TYPE_CHECK_H

#include "core/batch.h"
#include "core/bytes.h"

#include "check.h"
#include "faults.h"

static hr_arena type_arena; /* of the types; freed by TYPE_DONE */

#define TYPE_DONE() (hr_arena_free(&type_arena), CHECK_DONE())

static inline hr_type type_named(int line, const char *name)
{
    hr_type type;
    hr_error error;
    int rc;

    if (type_arena.chunk_size == 0)
        hr_arena_init(&type_arena, 0);
    rc = hr_type_from_name(name, &type_arena, &type, &error);
    CHECK(rc == HR_OK, "line %d: %s: %s", line, name, rc == HR_OK ? "" : error.message);
    if (rc != HR_OK)
        exit(1);
    return type;
}

static inline void type_hex(const hr_buffer *buffer, size_t from, hr_buffer *hex)
{
    static const char digits[] = "0123456789abcdef";

    hex->size = 0;
    for (size_t i = from; i < buffer->size; i++) {
        hr_buffer_append(hex, &digits[buffer->data[i] >> 4], 1, NULL);
        hr_buffer_append(hex, &digits[buffer->data[i] & 15], 1, NULL);
    }
}

/* Every allocation of parse, write_text and write_binary fails once: HR_ENOMEM, and nothing has changed. */
static inline void type_faults(int line, const hr_type *type, hr_token token, const char *s, size_t n)
{
    const hr_type_ops *ops = hr_type_ops_of(type);
    hr_column column;
    hr_buffer out = {0};
    hr_error error;
    int rc;

    CHECK(hr_column_init(&column, type, &error) == HR_OK);
    for (long i = 1; i < 1000; i++) {
        hr_fault_arm(i, false);
        rc = ops->parse(type, token, s, n, &column, &error);
        hr_fault_arm(0, false);
        if (rc == HR_OK)
            break;
        if (rc != HR_ENOMEM || column.length != 0 || column.bytes.size != 0) {
            CHECK(false, "line %d: parse after failed allocation %ld: %d", line, i, rc);
            break;
        }
    }
    for (int verb = 0; verb < 2; verb++) {
        int (*write)(const hr_type *, const hr_column *, int64_t, hr_buffer *, hr_error *) = verb ? ops->write_binary : ops->write_text;

        if (type->kind == HR_OTHER && verb == 1)
            continue;
        for (long i = 1; i < 1000; i++) {
            out.size = 0;
            hr_fault_arm(i, false);
            rc = write(type, &column, 0, &out, &error);
            hr_fault_arm(0, false);
            if (rc == HR_OK)
                break;
            if (rc != HR_ENOMEM || out.size != 0) {
                CHECK(false, "line %d: write after failed allocation %ld: %d", line, i, rc);
                break;
            }
        }
        hr_buffer_free(&out);
    }
    hr_column_free(&column);
}

static inline void type_value(int line, const hr_type *type, hr_token token, const char *s, size_t n, const char *want,
                              const char *want_hex)
{
    const hr_type_ops *ops = hr_type_ops_of(type);
    hr_column column;
    hr_buffer text = {0}, field = {0}, hex = {0}, again = {0};
    hr_error error;
    char *exact = malloc(n > 0 ? n : 1); /* so that a read past the end is seen */
    int rc;

    hr_error_clear(&error);
    if (n > 0)
        memcpy(exact, s, n);
    CHECK(hr_column_init(&column, type, &error) == HR_OK);
    CHECK(hr_column_append_null(&column, &error) == HR_OK);
    rc = ops->parse(type, token, exact, n, &column, &error);
    CHECK(rc == HR_OK, "line %d: %s \"%.80s\": %s", line, type->name, s, error.message);
    if (rc == HR_OK) {
        CHECK(column.length == 2 && column.null_count == 1 && !hr_column_is_null(&column, 1), "line %d", line);
        CHECK(ops->write_text(type, &column, 1, &text, &error) == HR_OK, "line %d: %s", line, error.message);
        CHECK(text.size == strlen(want) && (text.size == 0 || memcmp(text.data, want, text.size) == 0),
              "line %d: %s \"%.80s\" got \"%.*s\" want \"%.200s\"",
              line, type->name, s, (int)(text.size < 200 ? text.size : 200), (char *)text.data, want);
        if (type->kind != HR_OTHER) {
            CHECK(ops->write_binary(type, &column, 1, &field, &error) == HR_OK, "line %d: %s", line, error.message);
            CHECK(field.size >= 4 && hr_load_be32(field.data) == field.size - 4, "line %d: length word", line);
            type_hex(&field, 4, &hex);
            if (want_hex != NULL)
                CHECK(hex.size == strlen(want_hex) && (hex.size == 0 || memcmp(hex.data, want_hex, hex.size) == 0),
                      "line %d: %s \"%.80s\" got %.*s want %s", line, type->name, s, (int)hex.size, (char *)hex.data, want_hex);
            uint8_t *bytes = malloc(field.size);
            memcpy(bytes, field.data + 4, field.size - 4);
            rc = ops->read_binary(type, bytes, (int32_t)(field.size - 4), &column, &error);
            free(bytes);
            CHECK(rc == HR_OK, "line %d: read_binary: %s", line, error.message);
            CHECK(ops->write_text(type, &column, 2, &again, &error) == HR_OK && again.size == text.size &&
                      (text.size == 0 || memcmp(again.data, text.data, text.size) == 0),
                  "line %d: not the same after the way through binary: \"%.*s\"", line, (int)again.size, (char *)again.data);
            again.size = 0;
            CHECK(ops->write_binary(type, &column, 2, &again, &error) == HR_OK && again.size == field.size &&
                      memcmp(again.data, field.data, field.size) == 0,
                  "line %d: binary form not the same twice", line);
        }
        type_faults(line, type, token, exact, n);
    }
    hr_column_free(&column);
    hr_buffer_free(&text);
    hr_buffer_free(&field);
    hr_buffer_free(&hex);
    hr_buffer_free(&again);
    free(exact);
}

static inline void type_refused(int line, const hr_type *type, hr_token token, const char *s, size_t n, hr_reason reason,
                                const char *message)
{
    hr_column column;
    hr_error error;
    char *exact = malloc(n > 0 ? n : 1);
    int rc;

    hr_error_clear(&error);
    if (n > 0)
        memcpy(exact, s, n);
    CHECK(hr_column_init(&column, type, &error) == HR_OK);
    rc = hr_type_ops_of(type)->parse(type, token, exact, n, &column, &error);
    CHECK(rc == HR_EDATA && error.code == HR_EDATA && error.reason == reason, "line %d: %s \"%.80s\": rc %d, reason %s, %s", line,
          type->name, s,
          rc, hr_reason_name(error.reason), error.message);
    CHECK(column.length == 0 && column.bytes.size == 0, "line %d: the column changed", line);
    if (message != NULL)
        CHECK_TEXT(error.message, strlen(error.message), message);
    CHECK(error.value == NULL || error.value == exact, "line %d: the value points elsewhere", line);
    CHECK(hr_type_ops_of(type)->parse(type, token, exact, n, &column, NULL) == HR_EDATA, "line %d: without an error object", line);
    hr_column_free(&column);
    free(exact);
}

/* The type by name, the value from a C string, as text from outside JSON. */
static inline void type_value_named(int line, const char *name, hr_token token, const char *s, size_t n, const char *want, const char *hex)
{
    hr_type type = type_named(line, name);
    type_value(line, &type, token, s, n, want, hex);
}

static inline void type_refused_named(int line, const char *name, hr_token token, const char *s, size_t n, hr_reason reason,
                                      const char *message)
{
    hr_type type = type_named(line, name);
    type_refused(line, &type, token, s, n, reason, message);
}

#define VALUE(name, s, want, hex) type_value_named(__LINE__, (name), HR_TOKEN_TEXT, (s), strlen(s), (want), (hex))
#define VALUE_OF(name, token, s, want, hex) type_value_named(__LINE__, (name), (token), (s), strlen(s), (want), (hex))
#define REFUSED(name, s, reason, message) type_refused_named(__LINE__, (name), HR_TOKEN_TEXT, (s), strlen(s), (reason), (message))
#define REFUSED_OF(name, token, s, reason, message) type_refused_named(__LINE__, (name), (token), (s), strlen(s), (reason), (message))

/* Values that come as numbers in memory. */
static inline void type_int64(int line, const char *name, int64_t value, const char *want)
{
    type_value_named(line, name, HR_TOKEN_INT64, (const char *)&value, sizeof(value), want, NULL);
}

static inline void type_int64_refused(int line, const char *name, int64_t value, hr_reason reason)
{
    type_refused_named(line, name, HR_TOKEN_INT64, (const char *)&value, sizeof(value), reason, NULL);
}

static inline void type_float64(int line, const char *name, double value, const char *want)
{
    type_value_named(line, name, HR_TOKEN_FLOAT64, (const char *)&value, sizeof(value), want, NULL);
}

static inline void type_float64_refused(int line, const char *name, double value, hr_reason reason)
{
    type_refused_named(line, name, HR_TOKEN_FLOAT64, (const char *)&value, sizeof(value), reason, NULL);
}
#define INT64(name, value, want) type_int64(__LINE__, (name), (value), (want))
#define INT64_REFUSED(name, value, reason) type_int64_refused(__LINE__, (name), (value), (reason))
#define FLOAT64(name, value, want) type_float64(__LINE__, (name), (value), (want))
#define FLOAT64_REFUSED(name, value, reason) type_float64_refused(__LINE__, (name), (value), (reason))

/* A COPY BINARY field, given in hex, that read_binary must take (and print as `want`) or refuse (want NULL). */
static inline void type_field(int line, const char *name, const char *hex, const char *want)
{
    hr_type type = type_named(line, name);
    size_t n = strlen(hex) / 2;
    uint8_t *bytes = malloc(n > 0 ? n : 1);
    hr_column column;
    hr_buffer text = {0};
    hr_error error;
    int rc;

    hr_error_clear(&error);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)(hr_hex_value(hex[2 * i]) << 4 | hr_hex_value(hex[2 * i + 1]));
    CHECK(hr_column_init(&column, &type, &error) == HR_OK);
    rc = hr_type_ops_of(&type)->read_binary(&type, bytes, (int32_t)n, &column, &error);
    if (want == NULL) {
        CHECK(rc == HR_EDATA && error.message[0] != '\0' && column.length == 0 && column.bytes.size == 0, "line %d: %s %s: %d", line,
              name, hex, rc);
    } else {
        CHECK(rc == HR_OK, "line %d: %s %s: %s", line, name, hex, error.message);
        if (rc == HR_OK) {
            CHECK(hr_type_ops_of(&type)->write_text(&type, &column, 0, &text, &error) == HR_OK, "line %d", line);
            CHECK(text.size == strlen(want) && (text.size == 0 || memcmp(text.data, want, text.size) == 0),
                  "line %d: got \"%.*s\" want \"%s\"", line,
                  (int)text.size, (char *)text.data, want);
        }
    }
    hr_buffer_free(&text);
    hr_column_free(&column);
    free(bytes);
}
#define FIELD(name, hex, want) type_field(__LINE__, (name), (hex), (want))

#endif
