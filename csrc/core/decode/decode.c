/* csrc/core/decode/decode.c: the formats, and the way from fields to values that all formats of fields share. */
#include "decode.h"

#include <stdio.h>

#include "decode_short.h"
#include "core/json/json_scan.h"
#include "core/utf8.h"

#define HR_DECODER_KEEP ((size_t)4 << 20) /* of each buffer, by hr_decoder_trim */

extern const hr_format hr_format_json, hr_format_csv, hr_format_debezium, hr_format_avro, hr_format_debezium_avro;

const hr_format *const hr_formats[] = {
    &hr_format_json, &hr_format_csv, &hr_format_debezium, &hr_format_avro, &hr_format_debezium_avro, NULL,
};

const hr_format *hr_format_find(const char *name)
{
    for (int i = 0; hr_formats[i] != NULL; i++)
        if (strcmp(hr_formats[i]->name, name) == 0)
            return hr_formats[i];
    return NULL;
}

/* Copy what options point to into the decoder's arena. On failure hr_decoder_free still works. */
static int hr_decoder_copy_options(hr_decoder *decoder, const hr_decode_options *options, hr_error *error)
{
    const char **header;

    if (options == NULL)
        return HR_OK;
    decoder->options = *options;
    decoder->options.header = NULL;
    if (options->change_marker != NULL) {
        decoder->options.change_marker = hr_arena_copy(&decoder->options_arena, options->change_marker, strlen(options->change_marker));
        if (decoder->options.change_marker == NULL)
            return hr_error_nomem(error);
    }
    if (options->avro_schema != NULL) {
        decoder->options.avro_schema = hr_arena_copy(&decoder->options_arena, options->avro_schema, strlen(options->avro_schema));
        if (decoder->options.avro_schema == NULL)
            return hr_error_nomem(error);
    }
    if (options->null != NULL) {
        decoder->options.null = hr_arena_copy(&decoder->options_arena, options->null, strlen(options->null));
        if (decoder->options.null == NULL)
            return hr_error_nomem(error);
    }
    if (options->header == NULL)
        return HR_OK;
    header = hr_arena_alloc(&decoder->options_arena, sizeof(*header) * ((size_t)options->header_count + 1));
    if (header == NULL)
        return hr_error_nomem(error);
    for (int32_t i = 0; i < options->header_count; i++) {
        header[i] = hr_arena_copy(&decoder->options_arena, options->header[i], strlen(options->header[i]));
        if (header[i] == NULL)
            return hr_error_nomem(error);
    }
    decoder->options.header = header;
    return HR_OK;
}

static hr_decode_road hr_decode_road_of(const hr_column_def *def)
{
    if (def->from >= HR_FROM_RAW && def->from <= HR_FROM_TIMESTAMP)
        return HR_ROAD_METADATA;
    switch (def->type.kind) {
    case HR_INT4:
        return HR_ROAD_INT4;
    case HR_INT8:
        return HR_ROAD_INT8;
    case HR_DECIMAL:
        return def->type.precision <= 18 ? HR_ROAD_DECIMAL : HR_ROAD_PARSE;
    case HR_TEXT:
        return HR_ROAD_TEXT;
    case HR_VARCHAR:
        return def->type.max_chars < 0 ? HR_ROAD_TEXT : HR_ROAD_PARSE;
    case HR_JSON:
    case HR_JSONB:
        return HR_ROAD_JSON;
    default:
        return HR_ROAD_PARSE;
    }
}

static int hr_decoder_make_steps(hr_decoder *decoder, const hr_format *format, hr_error *error)
{
    const hr_schema *schema = decoder->schema;
    uint64_t bit = 1;
    bool rest = false;

    for (int32_t i = 0; i < schema->count; i++) {
        const hr_column_def *def = &schema->columns[i];
        hr_decode_step *step = &decoder->steps[i];

        if (def->from >= HR_FROM_OP && !format->changes)
            return hr_error_set(error, HR_EUSAGE, "column \"%s\" takes what only change events have; the format \"%s\" has none", def->name,
                                format->name);
        step->parse = hr_type_ops_of(&def->type)->parse;
        step->type = &def->type;
        step->from = def->from;
        step->road = hr_decode_road_of(def);
        step->required = def->not_null && def->from != HR_FROM_NOTHING;
        if (def->from == HR_FROM_TIMESTAMP || def->from == HR_FROM_SOURCE_TS) {
            /* the unit of this number is known, whatever the job says of other numbers */
            hr_type *type = hr_arena_alloc(&decoder->options_arena, sizeof(*type));
            if (type == NULL)
                return hr_error_nomem(error);
            *type = def->type;
            type->unit = HR_UNIT_US;
            step->type = type;
        }
        if (def->has_default) {
            step->absent_bit = bit;
            bit <<= 1;
        }
        rest = rest || def->from == HR_FROM_REST;
    }
    if (rest && schema->unknown == HR_UNKNOWN_REJECT)
        return hr_error_set(error, HR_EUSAGE,
                            "unknown keys cannot be both rejected and kept: drop the $rest column or let unknown keys pass");
    return HR_OK;
}

int hr_decoder_new(const hr_format *format, hr_schema *schema, const hr_decode_options *options, hr_decoder **out, hr_error *error)
{
    hr_decoder *decoder = hr_calloc(1, sizeof(*decoder));
    int rc;

    *out = NULL;
    if (decoder == NULL)
        return hr_error_nomem(error);
    hr_arena_init(&decoder->options_arena, 1024);
    hr_arena_init(&decoder->scratch, 0);
    decoder->schema = hr_schema_retain(schema);
    decoder->fields = hr_calloc((size_t)schema->count + 1, sizeof(*decoder->fields));
    decoder->steps = hr_calloc((size_t)schema->count + 1, sizeof(*decoder->steps));
    rc = decoder->fields == NULL || decoder->steps == NULL ? hr_error_nomem(error) : HR_OK;
    if (rc == HR_OK)
        rc = hr_decoder_copy_options(decoder, options, error);
    if (rc == HR_OK)
        rc = hr_decoder_make_steps(decoder, format, error);
    if (rc == HR_OK) {
        rc = format->open(decoder, error);
        if (rc == HR_OK)
            decoder->format = format; /* from here on close is owed */
    }
    if (rc != HR_OK) {
        hr_decoder_free(decoder);
        return rc;
    }
    *out = decoder;
    return HR_OK;
}

void hr_decoder_free(hr_decoder *decoder)
{
    if (decoder == NULL)
        return;
    if (decoder->format != NULL)
        decoder->format->close(decoder);
    hr_free(decoder->fields);
    hr_free(decoder->steps);
    hr_buffer_free(&decoder->text);
    hr_buffer_free(&decoder->rest);
    hr_arena_free(&decoder->options_arena);
    hr_arena_free(&decoder->scratch);
    hr_schema_release(decoder->schema);
    hr_free(decoder);
}

void hr_decoder_trim(hr_decoder *decoder)
{
    if (decoder->text.capacity > HR_DECODER_KEEP)
        hr_buffer_free(&decoder->text);
    if (decoder->rest.capacity > HR_DECODER_KEEP)
        hr_buffer_free(&decoder->rest);
}

/* A field of text from the record's surroundings, which no format has checked. */
static int hr_decode_outside_text(const hr_decode_step *step, const char *s, size_t n, const char *what, hr_field *field, hr_error *error)
{
    if (s == NULL) {
        field->token = HR_TOKEN_NULL;
        return HR_OK;
    }
    if (n > HR_MAX_RECORD)
        return hr_error_data(error, HR_REASON_RANGE, NULL, 0, "the record's %s has %zu bytes; 1 GiB can be stored", what, n);
    field->data = s;
    field->len = (uint32_t)n;
    if (step->type->kind == HR_BYTEA) {
        field->token = HR_TOKEN_BYTES;
        return HR_OK;
    }
    field->token = HR_TOKEN_TEXT;
    if (!hr_utf8_validate(s, n, NULL))
        return hr_error_data(error, HR_REASON_ENCODING, s, n, "the record's %s is not UTF-8 (a bytea column could hold it)", what);
    if (n > 0 && memchr(s, '\0', n) != NULL)
        return hr_error_data(error, HR_REASON_ENCODING, s, n, "the record's %s holds a NUL byte (a bytea column could hold it)", what);
    return HR_OK;
}

/* A number from the record's surroundings, as digits in the scratch arena: every type reads a number's digits. */
static int hr_decode_outside_number(hr_decoder *decoder, int64_t value, hr_field *field, hr_error *error)
{
    char *digits = hr_arena_alloc(&decoder->scratch, 24);

    if (digits == NULL)
        return hr_error_nomem(error);
    field->data = digits;
    field->len = (uint32_t)snprintf(digits, 24, "%lld", (long long)value);
    field->token = HR_TOKEN_NUMBER;
    return HR_OK;
}

/* Fill the field of a column that takes its value from around the record. */
static int hr_decode_metadata(hr_decoder *decoder, const hr_decode_step *step, const hr_record *record, hr_field *field, hr_error *error)
{
    switch (step->from) {
    case HR_FROM_RAW:
        return hr_decode_outside_text(step, record->data, record->len, "text", field, error);
    case HR_FROM_KEY:
        return hr_decode_outside_text(step, record->key, record->key_len, "key", field, error);
    case HR_FROM_TOPIC:
        return hr_decode_outside_text(step, record->topic, record->topic != NULL ? strlen(record->topic) : 0, "topic", field, error);
    case HR_FROM_PARTITION:
        return hr_decode_outside_number(decoder, record->partition, field, error);
    case HR_FROM_OFFSET:
        return hr_decode_outside_number(decoder, record->offset, field, error);
    case HR_FROM_TIMESTAMP:
        if (record->timestamp != HR_NO_TIMESTAMP)
            return hr_decode_outside_number(decoder, record->timestamp, field, error);
        field->token = HR_TOKEN_NULL;
        return HR_OK;
    default:
        break;
    }
    return HR_OK;
}

/* A CSV field's text with its doubled quotes made single. The buffer is the decoder's `text`. */
static int hr_decode_undouble(hr_decoder *decoder, const hr_field *field, hr_error *error)
{
    char quote = decoder->options.quote != 0 ? decoder->options.quote : '"';
    const char *p = field->data, *end = p + field->len;
    hr_buffer *text = &decoder->text;

    HR_RETURN_NOT_OK(hr_buffer_reserve(text, field->len, error));
    while (p < end) {
        const char *next = memchr(p, quote, (size_t)(end - p));
        size_t n = next != NULL ? (size_t)(next + 1 - p) : (size_t)(end - p);

        memcpy(text->data + text->size, p, n);
        text->size += n;
        p += n;
        if (next != NULL && p < end && *p == quote)
            p++;
    }
    return HR_OK;
}

/* Append the column's null for a field that is null or absent, or say why not. */
static int hr_decode_null(const hr_decode_step *step, const hr_field *field, const char *name, hr_column *column, uint64_t *absent,
                          hr_error *error)
{
    if (field->token == HR_TOKEN_ABSENT && step->absent_bit != 0) {
        *absent |= step->absent_bit;
        return hr_column_append_null(column, error);
    }
    if (HR_LIKELY(!step->required) || (field->flags & HR_FIELD_EXEMPT))
        return hr_column_append_null(column, error);
    if (field->token == HR_TOKEN_NULL)
        return hr_error_data(error, HR_REASON_NULL, field->data, field->len, "null for column \"%s\", which is NOT NULL", name);
    return hr_error_data(error, HR_REASON_NULL, field->data, field->len,
                         "the value is missing for column \"%s\", which is NOT NULL and has no default", name);
}

/* Say where in the record the condemned field stands. */
static void hr_decode_blame(const hr_record *record, const hr_field *field, int32_t column, hr_error *error)
{
    if (error == NULL)
        return;
    error->column = column;
    error->value = field->data;
    error->value_len = field->data != NULL ? field->len : 0;
    error->offset = -1;
    if (field->data >= record->data && field->data <= record->data + record->len && field->data != NULL)
        error->offset = field->data - record->data;
}

/* A field that holds escapes (JSON) or doubled quotes (CSV). */
static int hr_decode_escaped(hr_decoder *decoder, const hr_decode_step *step, const hr_field *field, hr_column *column, hr_error *error)
{
    hr_buffer *text = &decoder->text;

    text->size = 0;
    if (field->token == HR_TOKEN_STRING)
        HR_RETURN_NOT_OK(hr_json_unescape(field->data, field->len, false, text, error));
    else
        HR_RETURN_NOT_OK(hr_decode_undouble(decoder, field, error));
    return step->parse(step->type, (hr_token)field->token, (const char *)text->data, text->size, column, error);
}

/* Turn one field that is neither null nor absent into the next value of its column; `end` is the record's end. On failure the column is
 * as before, but for what hr_column_truncate undoes. */
static int hr_decode_value(hr_decoder *decoder, const hr_decode_step *step, const hr_field *field, const char *end, hr_column *column,
                           hr_error *error)
{
    if (HR_UNLIKELY(field->flags & HR_FIELD_ESCAPED) && (step->road != HR_ROAD_JSON || field->token != HR_TOKEN_STRING))
        return hr_decode_escaped(decoder, step, field, column, error);
    if (HR_UNLIKELY(field->flags & HR_FIELD_OUTSIDE))
        return step->parse(step->type, (hr_token)field->token, field->data, field->len, column, error);
    return hr_decode_plain(step, (hr_token)field->token, field->data, field->len, end, column, error);
}

/* A field the record does not give: from around it, null or absent. */
static int hr_decode_without(hr_decoder *decoder, const hr_record *record, int32_t i, hr_column *column, uint64_t *absent, hr_error *error)
{
    const hr_decode_step *step = &decoder->steps[i];
    hr_field *field = &decoder->fields[i];

    if (step->road == HR_ROAD_METADATA) {
        HR_RETURN_NOT_OK(hr_decode_metadata(decoder, step, record, field, error));
        if (field->token != HR_TOKEN_NULL)
            return step->parse(step->type, (hr_token)field->token, field->data, field->len, column, error);
    }
    return hr_decode_null(step, field, decoder->schema->columns[i].name, column, absent, error);
}

/* Append as one row the fields that the format has not appended itself. Fields are left as the next record needs them, all zero; on failure
 * that is the caller's to do. */
static int hr_decode_row(hr_decoder *decoder, const hr_record *record, hr_batch *batch, hr_error *error)
{
    const char *const end = record->data + record->len;
    const hr_decode_step *step = decoder->steps, *const last = step + decoder->schema->count;
    hr_field *field = decoder->fields;
    hr_column *column = batch->columns;
    uint64_t absent = 0;

    for (; step < last; step++, field++, column++) {
        int rc;

        if (HR_LIKELY(field->flags & HR_FIELD_DONE)) {
            *field = (hr_field){0};
            continue;
        }
        if (HR_UNLIKELY(column->length > batch->length)) /* the value of an equal key before this one */
            hr_column_truncate(column, batch->length);
        if (field->token > HR_TOKEN_NULL)
            rc = hr_decode_value(decoder, step, field, end, column, error);
        else
            rc = hr_decode_without(decoder, record, (int32_t)(step - decoder->steps), column, &absent, error);
        if (HR_UNLIKELY(rc != HR_OK)) {
            if (rc == HR_EDATA)
                hr_decode_blame(record, field, (int32_t)(step - decoder->steps), error);
            return rc;
        }
        *field = (hr_field){0};
    }
    if (decoder->schema->default_count > 0)
        batch->absent[batch->length] = absent;
    return HR_OK;
}

int hr_decoder_decode(hr_decoder *decoder, const hr_record *record, hr_batch *batch, hr_error *error)
{
    int rc;

    if (batch->schema != decoder->schema)
        return hr_error_set(error, HR_EUSAGE, "the batch was made for another schema than the decoder");
    if (HR_UNLIKELY(record->data == NULL))
        return hr_error_data(error, HR_REASON_TOMBSTONE, NULL, 0, "the record has no value (a tombstone)");
    if (HR_UNLIKELY(record->len > HR_MAX_RECORD))
        return hr_error_data(error, HR_REASON_RANGE, NULL, 0, "the record has %zu bytes; 1 GiB can be read", record->len);
    if (decoder->scratch.head != NULL)
        hr_arena_reset(&decoder->scratch);
    if (decoder->format->decode != NULL)
        return decoder->format->decode(decoder, record, batch, error);
    if (decoder->schema->default_count > 0)
        HR_RETURN_NOT_OK(hr_batch_reserve_absent(batch, error));
    decoder->batch = batch;
    rc = decoder->format->fields(decoder, record, decoder->fields, error);
    decoder->batch = NULL;
    if (HR_LIKELY(rc == HR_OK))
        rc = hr_decode_row(decoder, record, batch, error);
    if (HR_LIKELY(rc == HR_OK)) {
        batch->length++;
    } else {
        hr_batch_truncate(batch, batch->length);
        memset(decoder->fields, 0, (size_t)decoder->schema->count * sizeof(*decoder->fields));
    }
    return rc;
}

int hr_decoder_header(hr_decoder *decoder, const char *line, size_t n, hr_error *error)
{
    if (decoder->format->header == NULL)
        return hr_error_set(error, HR_EUSAGE, "the format \"%s\" has no header line", decoder->format->name);
    return decoder->format->header(decoder, line, n, error);
}
