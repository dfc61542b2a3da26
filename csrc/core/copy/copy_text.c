/* csrc/core/copy/copy_text.c: rows of a batch as COPY ... (FORMAT text), and the choice between the two formats.
 *
 * Text is the way of the types that only the server's own input function can read. Values are written by their type in the server's
 * output form and escaped here: backslash, newline, carriage return, tab, and backspace, form feed, vertical tab as the server does.
 */
#include "copy.h"

/* The letter after the backslash, 0 for bytes that need none. Bytes of a multi-byte UTF-8 character are never among them. */
static inline uint8_t hr_copy_escape_of(uint8_t byte)
{
    switch (byte) {
    case '\\': return '\\';
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    case '\b': return 'b';
    case '\f': return 'f';
    case '\v': return 'v';
    default: return 0;
    }
}

/* Escape what was appended to `out` from `start` on, in place, from the back. On HR_ENOMEM nothing is changed. */
static int hr_copy_escape(hr_buffer *out, size_t start, hr_error *error)
{
    size_t more = 0;

    for (size_t i = start; i < out->size; i++)
        more += (out->data[i] == '\\' || (out->data[i] < ' ' && hr_copy_escape_of(out->data[i]) != 0));
    if (HR_LIKELY(more == 0))
        return HR_OK;
    HR_RETURN_NOT_OK(hr_buffer_reserve(out, more, error));
    size_t to = out->size + more;
    for (size_t from = out->size; from > start && to > from; from--) {
        uint8_t byte = out->data[from - 1];
        uint8_t escape = hr_copy_escape_of(byte);
        out->data[--to] = escape != 0 ? escape : byte;
        if (escape != 0)
            out->data[--to] = '\\';
    }
    out->size += more;
    return HR_OK;
}

static int hr_copy_text_field(const hr_column *column, int64_t row, hr_buffer *out, hr_error *error)
{
    size_t start = out->size;

    if (hr_column_is_null(column, row))
        return hr_buffer_append(out, "\\N", 2, error);
    HR_RETURN_NOT_OK(hr_type_ops_of(column->type)->write_text(column->type, column, row, out, error));
    return hr_copy_escape(out, start, error);
}

/* copy.h's rows(). On failure out->size is back where it was. */
static int hr_copy_text_rows(const hr_batch *batch, const int32_t *columns, int32_t column_count, const uint32_t *rows, int64_t n,
                             hr_buffer *out, hr_error *error)
{
    size_t start = out->size;

    for (int64_t i = 0; i < n; i++) {
        int32_t failed = -1;
        int rc = HR_OK;
        for (int32_t c = 0; c < column_count && rc == HR_OK; c++) {
            rc = c > 0 ? hr_buffer_append(out, "\t", 1, error) : HR_OK;
            failed = columns[c];
            if (rc == HR_OK)
                rc = hr_copy_text_field(&batch->columns[columns[c]], rows[i], out, error);
        }
        if (rc == HR_OK)
            rc = hr_buffer_append(out, "\n", 1, error);
        if (rc != HR_OK) {
            out->size = start;
            if (error != NULL) {
                error->row = rows[i];
                error->column = failed;
            }
            return rc;
        }
    }
    return HR_OK;
}

/* The text format has neither header nor trailer: the end of the COPY message stream ends it. */
static int hr_copy_text_nothing(hr_buffer *out, hr_error *error)
{
    (void)out;
    (void)error;
    return HR_OK;
}

const hr_copy_format hr_copy_text = {
    .name = "text",
    .options = "FORMAT text",
    .header = hr_copy_text_nothing,
    .rows = hr_copy_text_rows,
    .trailer = hr_copy_text_nothing,
};

const hr_copy_format *hr_copy_format_for(const hr_schema *schema)
{
    for (int32_t i = 0; i < schema->count; i++) {
        const hr_type *type = &schema->columns[i].type;
        if (schema->columns[i].from == HR_FROM_NOTHING) /* always null: a generated tsvector must not slow the others down */
            continue;
        while (type->kind == HR_ARRAY && type->element != NULL)
            type = type->element;
        if (type->kind == HR_OTHER)
            return &hr_copy_text;
    }
    return &hr_copy_binary;
}
