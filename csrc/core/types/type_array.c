/* csrc/core/types/type_array.c: one-dimensional arrays, from JSON arrays and from the server's array literals '{a,"b c",NULL}'.
 *
 * Elements go through the functions of their own type. Refused, because an Arrow list cannot hold them: arrays of arrays, and lower bounds
 * other than 1. The bytes buffer of a list column is free by nature (its values live in the child); here it is the scratch in which
 * escaped elements are unescaped.
 */
#include "core/json/json_scan.h"
#include "type_common.h"

#define HR_ARRAY_HEAD 20 /* bytes before the first element of a binary array with one dimension */

/* ---- messages ---- */

static int hr_array_invalid(const hr_type *type, const char *s, size_t n, const char *why, hr_error *error)
{
    char excerpt[HR_EXCERPT_SIZE];

    return hr_error_data(error, HR_REASON_TYPE, s, n, "invalid %s \"%s\": %s", hr_type_label(type), hr_utf8_excerpt(excerpt, s, n), why);
}

static int hr_array_nested(const hr_type *type, const char *s, size_t n, hr_error *error)
{
    return hr_array_invalid(type, s, n, "arrays of arrays cannot be loaded: make the column jsonb, or give one dimension", error);
}

/* ---- elements ---- */

static bool hr_array_element_is_json(const hr_type *type)
{
    return type->element->kind == HR_JSON || type->element->kind == HR_JSONB;
}

static int hr_array_element(const hr_type *type, hr_token token, const char *s, size_t n, hr_column *child, hr_error *error)
{
    return hr_type_ops_of(type->element)->parse(type->element, token, s, n, child, error);
}

/* ---- JSON: [1, "a", null] ---- */

/* Append one element of a JSON array: the value at p, which ends before `end`. */
static int hr_array_json_element(const hr_type *type, hr_token token, bool escaped, const char *p, const char *end, hr_column *out,
                                 hr_error *error)
{
    size_t n = (size_t)(end - p);

    if (token == HR_TOKEN_NULL)
        return hr_column_append_null(out->child, error);
    if (token == HR_TOKEN_ARRAY)
        return hr_array_nested(type, p, n, error);
    if (token != HR_TOKEN_STRING || hr_array_element_is_json(type))
        return hr_array_element(type, token, p, n, out->child, error);
    if (escaped) {
        out->bytes.size = 0;
        HR_RETURN_NOT_OK(hr_json_unescape(p + 1, n - 2, true, &out->bytes, error));
        p = (const char *)out->bytes.data; /* NULL when nothing is left, and then n is 0 */
        return hr_array_element(type, token, p != NULL ? p : "", out->bytes.size, out->child, error);
    }
    return hr_array_element(type, token, p + 1, n - 2, out->child, error);
}

/* Append the elements of the JSON array s[0..n) to the child. */
static int hr_array_parse_json(const hr_type *type, const char *s, size_t n, hr_column *out, hr_error *error)
{
    const char *p, *end = s + n;
    hr_json_scan scan = {s, end, true, error};

    p = hr_json_skip_space(s, end);
    if (p == end || *p != '[')
        return hr_array_invalid(type, s, n, "it is not a JSON array", error);
    p = hr_json_skip_space(p + 1, end);
    for (bool first = true; !(first && p < end && *p == ']'); first = false) {
        hr_token token = HR_TOKEN_NULL;
        bool escaped = false;
        const char *start = hr_json_skip_space(p, end);
        if (start == end)
            return hr_array_invalid(type, s, n, "it ends inside the array", error);
        p = hr_json_skip_value(&scan, start, 1, &token, &escaped);
        if (p == NULL)
            return HR_EDATA;
        HR_RETURN_NOT_OK(hr_array_json_element(type, token, escaped, start, p, out, error));
        p = hr_json_skip_space(p, end);
        if (p == end || (*p != ',' && *p != ']'))
            return hr_array_invalid(type, s, n, "a comma or the closing bracket is missing", error);
        if (*p == ']')
            break;
        p++;
    }
    p = hr_json_skip_space(p + 1, end);
    return p == end ? HR_OK : hr_array_invalid(type, s, n, "something follows the closing bracket", error);
}

/* ---- the server's literal: {1,"a b",NULL} ---- */

/* An element of a literal as it stands between delimiters. */
typedef struct hr_array_item {
    const char *start, *end; /* without the quotes, and without white space around when unquoted */
    bool quoted, escaped;
} hr_array_item;

static const char *hr_array_skip_space(const char *p, const char *end)
{
    while (p < end && hr_is_space(*p))
        p++;
    return p;
}

/* Find the element at p. Returns the byte after it and the white space behind it, or NULL with *why filled. */
static const char *hr_array_find_item(const char *p, const char *end, char delimiter, hr_array_item *item, const char **why)
{
    memset(item, 0, sizeof(*item));
    item->start = item->end = p;
    if (p < end && *p == '"') {
        item->quoted = true;
        item->start = ++p;
        while (p < end && *p != '"') {
            if (*p == '\\') {
                item->escaped = true;
                if (++p == end)
                    break;
            }
            p++;
        }
        if (p == end) {
            *why = "a closing quote is missing";
            return NULL;
        }
        item->end = p;
        p = hr_array_skip_space(p + 1, end);
        if (p < end && *p != delimiter && *p != '}') {
            *why = "after a quoted element comes a delimiter or the closing brace";
            return NULL;
        }
        return p;
    }
    while (p < end && *p != delimiter && *p != '}') {
        if (*p == '"' || *p == '{') {
            *why = *p == '"' ? "a quote stands inside an unquoted element" : "a brace stands inside an unquoted element";
            return NULL;
        }
        if (*p == '\\') {
            item->escaped = true;
            if (++p == end)
                break;
            item->end = p + 1; /* an escaped space is no space around */
        } else if (!hr_is_space(*p)) {
            item->end = p + 1;
        }
        p++;
    }
    if (p == end) {
        *why = "the closing brace is missing";
        return NULL;
    }
    if (item->end == item->start) {
        *why = "an element is empty: write \"\" for an empty text, NULL for nothing";
        return NULL;
    }
    return p;
}

/* Append one found element to the child. */
static int hr_array_literal_element(const hr_type *type, const hr_array_item *item, hr_column *out, hr_error *error)
{
    size_t n = (size_t)(item->end - item->start);

    if (!item->quoted && !item->escaped && hr_is_word(item->start, n, "null"))
        return hr_column_append_null(out->child, error);
    if (!item->escaped)
        return hr_array_element(type, HR_TOKEN_TEXT, item->start, n, out->child, error);
    out->bytes.size = 0;
    HR_RETURN_NOT_OK(hr_buffer_reserve(&out->bytes, n, error));
    for (const char *p = item->start; p < item->end; p++) {
        p += *p == '\\';
        out->bytes.data[out->bytes.size++] = (uint8_t)*p;
    }
    return hr_array_element(type, HR_TOKEN_TEXT, (const char *)out->bytes.data, out->bytes.size, out->child, error);
}

/* Append the elements of a literal to the child. */
static int hr_array_parse_literal(const hr_type *type, const char *s, size_t n, hr_column *out, hr_error *error)
{
    const char *end = s + n, *p = hr_array_skip_space(s, end), *why = NULL;
    char delimiter = type->delimiter != '\0' ? type->delimiter : ',';

    if (p < end && *p == '[')
        return hr_array_invalid(type, s, n, "bounds before an array, as in [0:2]={...}, cannot be kept: leave them out", error);
    if (p == end || *p != '{')
        return hr_array_invalid(type, s, n, "it must start with a brace, as in {a,b}", error);
    p = hr_array_skip_space(p + 1, end);
    for (bool first = true; !(first && p < end && *p == '}'); first = false) {
        hr_array_item item;
        p = hr_array_skip_space(p, end);
        if (p < end && *p == '{')
            return hr_array_nested(type, s, n, error);
        p = hr_array_find_item(p, end, delimiter, &item, &why);
        if (p == NULL)
            return hr_array_invalid(type, s, n, why, error);
        HR_RETURN_NOT_OK(hr_array_literal_element(type, &item, out, error));
        if (p == end)
            return hr_array_invalid(type, s, n, "the closing brace is missing", error);
        if (*p == '}')
            break;
        p++;
    }
    p = hr_array_skip_space(p + 1, end);
    return p == end ? HR_OK : hr_array_invalid(type, s, n, "something follows the closing brace", error);
}

/* ---- the functions of the type ---- */

static int hr_array_parse(const hr_type *type, hr_token token, const char *s, size_t n, hr_column *out, hr_error *error)
{
    int64_t elements = out->child->length;
    int rc;

    if (hr_token_is_native(token))
        return hr_error_data(error, HR_REASON_TYPE, NULL, 0, "a number cannot be read as %s", hr_type_label(type));
    if (token == HR_TOKEN_ARRAY)
        rc = hr_array_parse_json(type, s, n, out, error);
    else if (token == HR_TOKEN_STRING || token == HR_TOKEN_TEXT || token == HR_TOKEN_BYTES)
        rc = hr_array_parse_literal(type, s, n, out, error);
    else
        rc = hr_array_invalid(type, s, n, "it is not a JSON array", error);
    if (rc == HR_OK)
        rc = hr_column_append_list(out, error);
    if (rc != HR_OK)
        hr_column_truncate(out->child, elements);
    return rc;
}

static uint32_t hr_array_element_oid(const hr_type *type)
{
    return type->element->oid != 0 ? type->element->oid : hr_type_ops_of(type->element)->oid;
}

/* The bounds of a row's elements in the child. */
static void hr_array_span(const hr_column *column, int64_t row, int64_t *from, int64_t *to)
{
    *from = column->offsets[row];
    *to = column->offsets[row + 1];
}

static int hr_array_write_binary(const hr_type *type, const hr_column *column, int64_t row, hr_buffer *out, hr_error *error)
{
    const hr_column *child = column->child;
    size_t start = out->size;
    bool has_null = false;
    int64_t from, to;
    uint8_t *head;
    int rc;

    if (hr_array_element_oid(type) == 0)
        return hr_error_set(error, HR_EUSAGE, "%s cannot be written in binary: the type of its elements is not known; use the text format",
                            hr_type_label(type));
    hr_array_span(column, row, &from, &to);
    for (int64_t i = from; i < to && !has_null; i++)
        has_null = hr_column_is_null(child, i);
    head = hr_write_field(out, from == to ? 12 : HR_ARRAY_HEAD, error);
    if (head == NULL)
        return HR_ENOMEM;
    hr_store_be32(head, from == to ? 0 : 1); /* dimensions: an empty array has none */
    hr_store_be32(head + 4, has_null);
    hr_store_be32(head + 8, hr_array_element_oid(type));
    if (from == to)
        return HR_OK;
    hr_store_be32(head + 12, (uint32_t)(to - from));
    hr_store_be32(head + 16, 1); /* the lower bound */
    for (int64_t i = from; i < to; i++) {
        rc = hr_column_is_null(child, i) ? hr_write_field_header(out, -1, error)
                                         : hr_type_ops_of(type->element)->write_binary(type->element, child, i, out, error);
        if (rc != HR_OK) {
            out->size = start;
            return rc;
        }
    }
    if (out->size - start - HR_FIELD_HEADER > INT32_MAX) {
        out->size = start;
        return hr_error_nomem(error);
    }
    hr_store_be32(out->data + start, (uint32_t)(out->size - start - HR_FIELD_HEADER));
    return HR_OK;
}

/* Append the elements of a binary array that has been checked up to its first element. */
static int hr_array_read_elements(const hr_type *type, const uint8_t *bytes, size_t n, int32_t count, hr_column *child, hr_error *error)
{
    size_t at = 0;

    for (int32_t i = 0; i < count; i++) {
        int32_t length;
        if (n - at < 4)
            return hr_type_bad_field(type, (int32_t)n + HR_ARRAY_HEAD, error);
        length = (int32_t)hr_load_be32(bytes + at);
        at += 4;
        if (length == -1) {
            HR_RETURN_NOT_OK(hr_column_append_null(child, error));
            continue;
        }
        if (length < 0 || n - at < (size_t)length)
            return hr_type_bad_field(type, (int32_t)n + HR_ARRAY_HEAD, error);
        HR_RETURN_NOT_OK(hr_type_ops_of(type->element)->read_binary(type->element, bytes + at, length, child, error));
        at += (size_t)length;
    }
    return at == n ? HR_OK : hr_type_bad_field(type, (int32_t)n + HR_ARRAY_HEAD, error);
}

static int hr_array_read_binary(const hr_type *type, const uint8_t *bytes, int32_t n, hr_column *out, hr_error *error)
{
    int64_t elements = out->child->length;
    int32_t dimensions, count;
    int rc;

    if (n < 12)
        return hr_type_bad_field(type, n, error);
    dimensions = (int32_t)hr_load_be32(bytes);
    if (hr_load_be32(bytes + 8) != hr_array_element_oid(type))
        return hr_error_data(error, HR_REASON_TYPE, NULL, 0,
                             "a COPY BINARY field holds an array of type %u where %s has elements of type %u",
                             (unsigned)hr_load_be32(bytes + 8), hr_type_label(type), (unsigned)hr_array_element_oid(type));
    if (dimensions == 0 && n == 12)
        return hr_column_append_list(out, error);
    if (dimensions > 1)
        return hr_error_data(error, HR_REASON_TYPE, NULL, 0, "%s with %d dimensions cannot be kept: only arrays of one dimension can",
                             hr_type_label(type), (int)dimensions);
    if (dimensions != 1 || n < HR_ARRAY_HEAD)
        return hr_type_bad_field(type, n, error);
    count = (int32_t)hr_load_be32(bytes + 12);
    if (hr_load_be32(bytes + 16) != 1)
        return hr_error_data(error, HR_REASON_TYPE, NULL, 0, "%s that starts at index %d cannot be kept: only arrays from 1 on can",
                             hr_type_label(type), (int)(int32_t)hr_load_be32(bytes + 16));
    if (count < 0)
        return hr_type_bad_field(type, n, error);
    rc = hr_array_read_elements(type, bytes + HR_ARRAY_HEAD, (size_t)n - HR_ARRAY_HEAD, count, out->child, error);
    if (rc == HR_OK)
        rc = hr_column_append_list(out, error);
    if (rc != HR_OK)
        hr_column_truncate(out->child, elements);
    return rc;
}

/* Put quotes round the element that was written from `start` on, where the server does: when it is empty, reads NULL, or holds a
 * character with a meaning. Quotes and backslashes inside get a backslash. */
static int hr_array_quote(hr_buffer *out, size_t start, char delimiter, hr_error *error)
{
    const char *text = (const char *)out->data + start;
    size_t n = out->size - start, escapes = 0;
    bool quote = n == 0 || hr_is_word(text, n, "null");
    uint8_t *from, *to;

    for (size_t i = 0; i < n; i++) {
        bool escape = text[i] == '"' || text[i] == '\\';
        escapes += escape;
        quote = quote || escape || text[i] == '{' || text[i] == '}' || text[i] == delimiter || hr_is_space(text[i]);
    }
    if (!quote)
        return HR_OK;
    HR_RETURN_NOT_OK(hr_buffer_reserve(out, escapes + 2, error));
    from = out->data + out->size;
    out->size += escapes + 2;
    to = out->data + out->size;
    *--to = '"';
    for (; n > 0; n--) { /* from the end, in place */
        *--to = *--from;
        if (*to == '"' || *to == '\\')
            *--to = '\\';
    }
    *--to = '"';
    return HR_OK;
}

/* Append one element of the text form, with the brace or delimiter before it. */
static int hr_array_write_element(const hr_type *type, const hr_column *child, int64_t i, char before, char delimiter, hr_buffer *out,
                                  hr_error *error)
{
    size_t start;

    HR_RETURN_NOT_OK(hr_buffer_append(out, &before, 1, error));
    if (hr_column_is_null(child, i))
        return hr_buffer_append(out, "NULL", 4, error);
    start = out->size;
    HR_RETURN_NOT_OK(hr_type_ops_of(type->element)->write_text(type->element, child, i, out, error));
    return hr_array_quote(out, start, delimiter, error);
}

static int hr_array_write_text(const hr_type *type, const hr_column *column, int64_t row, hr_buffer *out, hr_error *error)
{
    char delimiter = type->delimiter != '\0' ? type->delimiter : ',';
    size_t start = out->size;
    int64_t from, to;
    int rc = HR_OK;

    hr_array_span(column, row, &from, &to);
    if (from == to)
        return hr_buffer_append(out, "{}", 2, error);
    for (int64_t i = from; i < to && rc == HR_OK; i++)
        rc = hr_array_write_element(type, column->child, i, i == from ? '{' : delimiter, delimiter, out, error);
    if (rc == HR_OK)
        rc = hr_buffer_append(out, "}", 1, error);
    if (rc != HR_OK)
        out->size = start;
    return rc;
}

extern const hr_type_ops hr_type_array;
const hr_type_ops hr_type_array = {
    .kind = HR_ARRAY,
    .storage = HR_STORE_LIST,
    .name = "array",
    .parse = hr_array_parse,
    .write_binary = hr_array_write_binary,
    .read_binary = hr_array_read_binary,
    .write_text = hr_array_write_text,
};
