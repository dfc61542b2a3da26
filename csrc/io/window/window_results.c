/* csrc/io/window/window_results.c: rows of windows as JSON objects. */
#include "window_results.h"

#include <stdio.h>

enum { WINDOW, START, END, BY }; /* columns of results */

static int hr_result_put(hr_buffer *out, const char *text, hr_error *error)
{
    return hr_buffer_append(out, text, strlen(text), error);
}

/* A JSON string. Bytes above ASCII are UTF-8 already. */
static int hr_result_put_string(hr_buffer *out, const uint8_t *text, size_t n, hr_error *error)
{
    HR_RETURN_NOT_OK(hr_result_put(out, "\"", error));
    for (size_t i = 0; i < n; i++) {
        char escape[8];

        if (text[i] >= 0x20 && text[i] != '"' && text[i] != '\\') {
            HR_RETURN_NOT_OK(hr_buffer_append(out, text + i, 1, error));
            continue;
        }
        if (text[i] < 0x20)
            snprintf(escape, sizeof(escape), "\\u%04x", text[i]);
        else
            snprintf(escape, sizeof(escape), "\\%c", text[i]);
        HR_RETURN_NOT_OK(hr_result_put(out, escape, error));
    }
    return hr_result_put(out, "\"", error);
}

/* The server's "2026-11-21 10:00:00+00" as "2026-11-21T10:00:00Z"; anything else (BC) stays. */
static void hr_result_iso(hr_buffer *text)
{
    char *s = (char *)text->data, *space = memchr(s, ' ', text->size);

    if (space == NULL || text->size < 4 || memcmp(s + text->size - 3, "+00", 3) != 0)
        return;
    *space = 'T';
    text->size -= 2;
    s[text->size - 1] = 'Z';
}

/* The value's text, in writer->text. */
static int hr_result_text(hr_window_writer *writer, const hr_column *column, int64_t row, hr_error *error)
{
    writer->text.size = 0;
    HR_RETURN_NOT_OK(hr_type_ops_of(column->type)->write_text(column->type, column, row, &writer->text, error));
    if (column->type->kind == HR_TIMESTAMPTZ)
        hr_result_iso(&writer->text);
    return HR_OK;
}

static bool hr_result_is_number(hr_kind kind)
{
    switch (kind) {
    case HR_INT2:
    case HR_INT4:
    case HR_INT8:
    case HR_FLOAT4:
    case HR_FLOAT8:
    case HR_DECIMAL:
    case HR_NUMERIC: return true;
    default: return false;
    }
}

static int hr_result_put_value(hr_window_writer *writer, const hr_column *column, int64_t row, hr_error *error)
{
    uint8_t last;

    if (hr_column_is_null(column, row))
        return hr_result_put(&writer->value, "null", error);
    if (column->type->kind == HR_BOOL)
        return hr_result_put(&writer->value, hr_column_get_bool(column, row) ? "true" : "false", error);
    HR_RETURN_NOT_OK(hr_result_text(writer, column, row, error));
    last = writer->text.size > 0 ? writer->text.data[writer->text.size - 1] : 0;
    if (hr_result_is_number(column->type->kind) && last >= '0' && last <= '9') /* NaN and Infinity are no JSON numbers */
        return hr_buffer_append(&writer->value, writer->text.data, writer->text.size, error);
    return hr_result_put_string(&writer->value, writer->text.data, writer->text.size, error);
}

/* A value as part of the key: no "/" is in it, and the text "null" is told from null. */
static int hr_result_put_key(hr_window_writer *writer, const hr_column *column, int64_t row, hr_error *error)
{
    const uint8_t *text;
    size_t n, done = 0;

    HR_RETURN_NOT_OK(hr_result_put(&writer->key, "/", error));
    if (hr_column_is_null(column, row))
        return hr_result_put(&writer->key, "null", error);
    HR_RETURN_NOT_OK(hr_result_text(writer, column, row, error));
    text = writer->text.data;
    n = writer->text.size;
    if (n == 4 && memcmp(text, "null", 4) == 0)
        return hr_result_put(&writer->key, "%6Eull", error);
    for (size_t i = 0; i < n; i++) {
        if (HR_LIKELY(text[i] != '/' && text[i] != '%'))
            continue;
        HR_RETURN_NOT_OK(hr_buffer_append(&writer->key, text + done, i - done, error));
        HR_RETURN_NOT_OK(hr_result_put(&writer->key, text[i] == '/' ? "%2F" : "%25", error));
        done = i + 1;
    }
    return n > done ? hr_buffer_append(&writer->key, text + done, n - done, error) : HR_OK;
}

/* The kind of windows as part of the key: kinds are the job's own, and those with a "/" ("10m/1m") are known. */
static int hr_result_put_kind(hr_window_writer *writer, const hr_column *column, int64_t row, hr_error *error)
{
    HR_RETURN_NOT_OK(hr_result_put(&writer->key, "/", error));
    HR_RETURN_NOT_OK(hr_result_text(writer, column, row, error));
    return hr_buffer_append(&writer->key, writer->text.data, writer->text.size, error);
}

int hr_window_result_make(hr_window_writer *writer, const hr_batch *results, int64_t row, int32_t by_count, bool named,
                          hr_window_result *out, hr_error *error)
{
    writer->key.size = writer->value.size = 0;
    for (int32_t i = 0; i < results->schema->count; i++) {
        const char *name = results->schema->columns[i].name;

        HR_RETURN_NOT_OK(hr_result_put(&writer->value, i == 0 ? "{" : ",", error));
        HR_RETURN_NOT_OK(hr_result_put_string(&writer->value, (const uint8_t *)name, strlen(name), error));
        HR_RETURN_NOT_OK(hr_result_put(&writer->value, ":", error));
        HR_RETURN_NOT_OK(hr_result_put_value(writer, &results->columns[i], row, error));
    }
    HR_RETURN_NOT_OK(hr_result_put(&writer->value, "}", error));
    HR_RETURN_NOT_OK(hr_result_text(writer, &results->columns[START], row, error));
    HR_RETURN_NOT_OK(hr_buffer_append(&writer->key, writer->text.data, writer->text.size, error));
    if (named)
        HR_RETURN_NOT_OK(hr_result_put_kind(writer, &results->columns[WINDOW], row, error));
    for (int32_t i = 0; i < by_count; i++)
        HR_RETURN_NOT_OK(hr_result_put_key(writer, &results->columns[BY + i], row, error));
    *out = (hr_window_result){writer->key.data, writer->value.data, writer->key.size, writer->value.size};
    return HR_OK;
}

void hr_window_writer_free(hr_window_writer *writer)
{
    hr_buffer_free(&writer->key);
    hr_buffer_free(&writer->value);
    hr_buffer_free(&writer->text);
}

bool hr_window_result_is_final(const hr_batch *results, int64_t row)
{
    return hr_column_get_bool(&results->columns[results->schema->count - 1], row);
}

bool hr_window_result_is_next(const hr_batch *results, int64_t row)
{
    size_t n, before_n;
    const char *name, *before;

    if (row == 0 || hr_column_get_int64(&results->columns[START], row) != hr_column_get_int64(&results->columns[START], row - 1) ||
        hr_column_get_int64(&results->columns[END], row) != hr_column_get_int64(&results->columns[END], row - 1))
        return true;
    name = hr_column_get_bytes(&results->columns[WINDOW], row, &n);
    before = hr_column_get_bytes(&results->columns[WINDOW], row - 1, &before_n);
    return n != before_n || memcmp(name, before, n) != 0;
}
