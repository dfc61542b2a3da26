/* csrc/core/debezium/debezium_rules.c: the row of a change event made fit for decode.c, whatever the event came as. */
#include "core/bytes.h"
#include "debezium.h"
#include "core/decode/decode_short.h"
#include "core/hash/digest.h"
#include "core/utf8.h"

#define HR_CHANGE_MARKER "__debezium_unavailable_value"

/* ---- compiling ---- */

/* Close the spelling that began at `start` of rules->markers. */
static void hr_change_end_spelling(hr_change_rules *rules, size_t start)
{
    rules->spelling_at[rules->spelling_count] = start;
    rules->spelling_len[rules->spelling_count++] = rules->markers.size - start;
}

static int hr_change_add_text(hr_change_rules *rules, const char *before, const char *text, size_t n, const char *after, hr_error *error)
{
    HR_RETURN_NOT_OK(hr_buffer_append(&rules->markers, before, strlen(before), error));
    HR_RETURN_NOT_OK(hr_buffer_append(&rules->markers, text, n, error));
    return hr_buffer_append(&rules->markers, after, strlen(after), error);
}

static int hr_change_add_base64(hr_change_rules *rules, const uint8_t *bytes, size_t n, hr_error *error)
{
    HR_RETURN_NOT_OK(hr_buffer_reserve(&rules->markers, n / 3 * 4 + 4, error));
    rules->markers.size += hr_base64_encode(bytes, n, (char *)rules->markers.data + rules->markers.size);
    return HR_OK;
}

/* The placeholder as columns of other types get it: bytea in base64 and hexadecimal, text[], bytea[], integer[], uuid[], hstore. */
static int hr_change_spell_marker(hr_change_rules *rules, hr_error *error)
{
    const uint8_t *marker = (const uint8_t *)rules->marker;
    size_t n = rules->marker_len, start = 0;
    hr_buffer *out = &rules->markers;
    uint8_t digest[16];
    char number[8];

    HR_RETURN_NOT_OK(hr_change_add_base64(rules, marker, n, error));
    hr_change_end_spelling(rules, start);
    start = out->size;
    for (size_t i = 0; i < n; i++) {
        const char pair[2] = {"0123456789abcdef"[marker[i] >> 4], "0123456789abcdef"[marker[i] & 15]};
        HR_RETURN_NOT_OK(hr_buffer_append(out, pair, 2, error));
    }
    hr_change_end_spelling(rules, start);
    start = out->size;
    HR_RETURN_NOT_OK(hr_change_add_text(rules, "[\"", rules->marker, n, "\"]", error));
    hr_change_end_spelling(rules, start);
    start = out->size;
    HR_RETURN_NOT_OK(hr_change_add_text(rules, "{\"", rules->marker, n, "\":\"", error));
    HR_RETURN_NOT_OK(hr_change_add_text(rules, "", rules->marker, n, "\"}", error));
    hr_change_end_spelling(rules, start);
    start = out->size;
    HR_RETURN_NOT_OK(hr_buffer_append(out, "[\"", 2, error));
    HR_RETURN_NOT_OK(hr_change_add_base64(rules, marker, n, error));
    HR_RETURN_NOT_OK(hr_buffer_append(out, "\"]", 2, error));
    hr_change_end_spelling(rules, start);
    start = out->size;
    for (size_t i = 0; i < n; i++) {
        HR_RETURN_NOT_OK(hr_buffer_append(out, i > 0 ? "," : "[", 1, error));
        HR_RETURN_NOT_OK(hr_buffer_append(out, number, hr_print_int64(number, (int8_t)marker[i]), error));
    }
    HR_RETURN_NOT_OK(hr_buffer_append(out, "]", 1, error));
    hr_change_end_spelling(rules, start);
    start = out->size;
    hr_md5(marker, n, digest);
    digest[6] = (uint8_t)((digest[6] & 0x0f) | 0x30); /* a uuid made from a name, of version 3 */
    digest[8] = (uint8_t)((digest[8] & 0x3f) | 0x80);
    HR_RETURN_NOT_OK(hr_buffer_append(out, "[\"", 2, error));
    for (size_t i = 0; i < sizeof(digest); i++) {
        const char pair[3] = {"0123456789abcdef"[digest[i] >> 4], "0123456789abcdef"[digest[i] & 15], '-'};
        HR_RETURN_NOT_OK(hr_buffer_append(out, pair, i == 3 || i == 5 || i == 7 || i == 9 ? 3 : 2, error));
    }
    HR_RETURN_NOT_OK(hr_buffer_append(out, "\"]", 2, error));
    hr_change_end_spelling(rules, start);
    return HR_OK;
}

/* What numbers in a column of times count. */
static uint8_t hr_change_time_form(const hr_type *type, hr_times_form times)
{
    bool coarse = type->scale >= 0 && type->scale <= 3;

    switch (times) {
    case HR_TIMES_MILLIS: return HR_FORM_MILLIS;
    case HR_TIMES_MICROS: return HR_FORM_MICROS;
    case HR_TIMES_NANOS: return HR_FORM_NANOS;
    case HR_TIMES_ADAPTIVE_TIMESTAMPS: return coarse && type->kind != HR_TIME ? HR_FORM_MILLIS : HR_FORM_MICROS;
    case HR_TIMES_ADAPTIVE: break;
    }
    return coarse ? HR_FORM_MILLIS : HR_FORM_MICROS;
}

/* What holds for values of this type when the message has no schema. */
static hr_change_field hr_change_default(const hr_type *type, const hr_decode_options *options)
{
    hr_change_field form = {HR_FORM_UNKNOWN, false, 0};

    switch (type->kind) {
    case HR_DECIMAL:
    case HR_NUMERIC:
        if (options->change_decimal == HR_DECIMAL_AS_BASE64) {
            form.form = HR_FORM_DECIMAL;
            form.number = type->precision > 0 ? type->scale : HR_SCALE_UNKNOWN;
        }
        break;
    case HR_OTHER:
        if (options->change_decimal == HR_DECIMAL_AS_BASE64 && strcmp(type->name, "money") == 0) {
            form.form = HR_FORM_DECIMAL;
            form.number = 2; /* Debezium's money.fraction.digits, unless somebody changed it */
        }
        break;
    case HR_DATE: form.form = HR_FORM_DAYS; break;
    case HR_INTERVAL: form.form = HR_FORM_MICROS; break;
    case HR_TIME:
    case HR_TIMESTAMP:
    case HR_TIMESTAMPTZ: form.form = hr_change_time_form(type, options->change_time); break;
    case HR_ARRAY:
        form = hr_change_default(type->element, options);
        form.array = true;
        break;
    default: break;
    }
    return form;
}

static bool hr_change_has_unit(const hr_type *type)
{
    return type->kind >= HR_DATE && type->kind <= HR_INTERVAL;
}

int hr_change_rules_init(hr_change_rules *rules, hr_decoder *decoder, hr_error *error)
{
    const hr_schema *schema = decoder->schema;
    size_t count = (size_t)schema->count + 1;

    memset(rules, 0, sizeof(*rules));
    rules->decoder = decoder;
    rules->marker = decoder->options.change_marker != NULL ? decoder->options.change_marker : HR_CHANGE_MARKER;
    rules->marker_len = strlen(rules->marker);
    rules->types = hr_arena_alloc(&decoder->options_arena, 2 * count * sizeof(*rules->types));
    rules->defaults = hr_arena_alloc(&decoder->options_arena, count * sizeof(*rules->defaults));
    rules->current = hr_arena_alloc(&decoder->options_arena, count * sizeof(*rules->current));
    if (rules->types == NULL || rules->defaults == NULL || rules->current == NULL)
        return hr_error_nomem(error);
    for (int32_t i = 0; i < schema->count; i++) {
        const hr_column_def *def = &schema->columns[i];
        hr_type *type = &rules->types[2 * i], *element = type + 1;

        rules->takes_op |= def->from == HR_FROM_OP;
        rules->takes_unchanged |= def->from == HR_FROM_UNCHANGED;
        rules->has_key |= def->in_key;
        rules->defaults[i] = hr_change_default(&def->type, &decoder->options);
        *type = def->type;
        if (def->type.kind == HR_ARRAY) {
            *element = *def->type.element;
            type->element = element;
        }
        if (def->from >= HR_FROM_OP)
            decoder->steps[i].road = HR_ROAD_PARSE; /* its values stand outside the record */
        if (def->from != HR_FROM_PATH)
            continue;
        if (hr_change_has_unit(type) || (type->kind == HR_ARRAY && hr_change_has_unit(element)))
            decoder->steps[i].type = type;
        if (type->kind == HR_JSON || type->kind == HR_JSONB)
            decoder->steps[i].road = HR_ROAD_PARSE; /* a document comes as a string */
    }
    HR_RETURN_NOT_OK(hr_change_spell_marker(rules, error));
    rules->applied = NULL;
    rules->fresh = true;
    return HR_OK;
}

void hr_change_rules_free(hr_change_rules *rules)
{
    hr_buffer_free(&rules->markers);
    hr_buffer_free(&rules->names);
}

/* ---- forms ---- */

static hr_time_unit hr_change_unit(const hr_type *type, uint8_t form)
{
    switch (form) {
    case HR_FORM_DAYS: return type->kind == HR_TIME ? HR_UNIT_NONE : HR_UNIT_DAYS;
    case HR_FORM_MILLIS: return HR_UNIT_MS;
    case HR_FORM_MICROS: return HR_UNIT_US;
    case HR_FORM_NANOS: return HR_UNIT_NS;
    default: return HR_UNIT_NONE;
    }
}

/* The form that goes with a unit that the job itself names for a column. */
static uint8_t hr_change_form_of_unit(hr_time_unit unit)
{
    switch (unit) {
    case HR_UNIT_DAYS: return HR_FORM_DAYS;
    case HR_UNIT_MS: return HR_FORM_MILLIS;
    case HR_UNIT_US: return HR_FORM_MICROS;
    case HR_UNIT_NS: return HR_FORM_NANOS;
    default: return HR_FORM_PLAIN;
    }
}

/* Make these forms the current ones: what the message's schema says, else what holds without one. */
static void hr_change_apply(hr_change_rules *rules, const hr_change_field *forms)
{
    const hr_schema *schema = rules->decoder->schema;

    for (int32_t i = 0; i < schema->count; i++) {
        hr_type *type = &rules->types[2 * i], *unit_of = type->kind == HR_ARRAY ? type + 1 : type;
        hr_time_unit own = type->kind == HR_ARRAY ? HR_UNIT_NONE : schema->columns[i].type.unit;
        hr_change_field form = rules->defaults[i];

        if (forms != NULL && forms[i].form != HR_FORM_UNKNOWN)
            form = forms[i];
        else if (own != HR_UNIT_NONE)
            form.form = hr_change_form_of_unit(own);
        rules->current[i] = form;
        if (hr_change_has_unit(unit_of)) {
            unit_of->unit = hr_change_unit(unit_of, form.form);
            if (unit_of->unit == HR_UNIT_NONE)
                unit_of->unit = own;
        }
    }
    rules->applied = forms;
    rules->fresh = false;
}

bool hr_change_form_of(const char *name, size_t n, bool text, hr_change_field *out)
{
    static const struct {
        const char *name;
        uint8_t form;
    } forms[] = {
        {"org.apache.kafka.connect.data.Decimal", HR_FORM_DECIMAL},
        {"org.apache.kafka.connect.data.Date", HR_FORM_DAYS},
        {"org.apache.kafka.connect.data.Time", HR_FORM_MILLIS},
        {"org.apache.kafka.connect.data.Timestamp", HR_FORM_MILLIS},
        {"io.debezium.data.VariableScaleDecimal", HR_FORM_VARIABLE_DECIMAL},
        {"io.debezium.data.Bits", HR_FORM_BITS},
        {"io.debezium.data.geometry.Point", HR_FORM_POINT},
        {"io.debezium.time.Date", HR_FORM_DAYS},
        {"io.debezium.time.Time", HR_FORM_MILLIS},
        {"io.debezium.time.MicroTime", HR_FORM_MICROS},
        {"io.debezium.time.NanoTime", HR_FORM_NANOS},
        {"io.debezium.time.Timestamp", HR_FORM_MILLIS},
        {"io.debezium.time.MicroTimestamp", HR_FORM_MICROS},
        {"io.debezium.time.NanoTimestamp", HR_FORM_NANOS},
        {"io.debezium.time.MicroDuration", HR_FORM_MICROS},
        {"io.debezium.time.NanoDuration", HR_FORM_NANOS},
    };

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]) && !text; i++) {
        if (strlen(forms[i].name) == n && memcmp(forms[i].name, name, n) == 0) {
            out->form = forms[i].form;
            return true;
        }
    }
    return false;
}

/* ---- the operation ---- */

int hr_change_set_op(const hr_change_rules *rules, const char *s, size_t n, hr_change *change, hr_error *error)
{
    char excerpt[HR_EXCERPT_SIZE];

    if (n != 1 || strchr("crudtm", s[0]) == NULL)
        return hr_error_data(error, HR_REASON_MALFORMED, s, n, "the change event's operation is \"%s\"; c, r, u, d, t and m are known",
                             hr_utf8_excerpt(excerpt, s, n));
    change->op = s[0];
    if (s[0] == 'm')
        return hr_error_data(error, HR_REASON_OPERATION, s, n, "a logical message (pg_logical_emit_message) is no change of a row");
    if (s[0] == 't' && !rules->takes_op)
        return hr_error_data(error, HR_REASON_OPERATION, s, n,
                             "a TRUNCATE is no row, and none is removed here: a column that takes \"$op\" would keep it as an event");
    if (s[0] == 'd' && !rules->takes_op)
        return hr_error_data(error, HR_REASON_OPERATION, s, n,
                             "a delete is no row, and none is removed here: a column that takes \"$op\" would keep it as an event");
    return HR_OK;
}

void hr_change_keep_key(const hr_change_rules *rules, bool whole, hr_field *fields)
{
    const hr_schema *schema = rules->decoder->schema;

    for (int32_t i = 0; i < schema->count; i++) {
        const hr_column_def *def = &schema->columns[i];
        bool kept = fields[i].token != HR_TOKEN_ABSENT && def->from == HR_FROM_PATH && (!whole || !rules->has_key || def->in_key);

        if (!kept && (def->from == HR_FROM_PATH || def->from == HR_FROM_REST))
            fields[i] = (hr_field){.token = HR_TOKEN_NULL, .flags = HR_FIELD_EXEMPT};
    }
}

/* ---- values and reserved sources ---- */

/* Whether the value stands for one that did not change and was therefore not logged. */
static bool hr_change_is_marker(const hr_change_rules *rules, const hr_type *type, const hr_field *field)
{
    bool plain = field->token == HR_TOKEN_STRING || field->token == HR_TOKEN_BYTES;

    if (plain && field->len == rules->marker_len && memcmp(field->data, rules->marker, rules->marker_len) == 0)
        return true;
    if (field->token != HR_TOKEN_ARRAY && field->token != HR_TOKEN_OBJECT && type->kind != HR_BYTEA)
        return false;
    for (int32_t i = 0; i < rules->spelling_count; i++)
        if (field->len == rules->spelling_len[i] && memcmp(field->data, rules->markers.data + rules->spelling_at[i], field->len) == 0)
            return true;
    return false;
}

/* The column's value is not told: note its name. */
static int hr_change_unchanged(hr_change_rules *rules, int32_t column, hr_field *field, hr_error *error)
{
    const char *name = rules->decoder->schema->columns[column].name;
    hr_buffer *out = &rules->names;
    char escape[8];

    if (!rules->takes_unchanged)
        return hr_error_data(error, HR_REASON_OPERATION, field->data, field->len,
                             "the event does not tell the value of \"%s\", which did not change (TOAST): set the table's REPLICA IDENTITY "
                             "to FULL, or give a column the source \"$unchanged\"",
                             name);
    HR_RETURN_NOT_OK(hr_buffer_append(out, out->size > 1 ? ",\"" : "\"", out->size > 1 ? 2 : 1, error));
    for (const char *c = name; *c != '\0'; c++) {
        size_t n = 1;

        escape[0] = *c;
        if (*c == '"' || *c == '\\') {
            escape[0] = '\\';
            escape[1] = *c;
            n = 2;
        } else if ((unsigned char)*c < 0x20) {
            memcpy(escape, "\\u00", 4);
            escape[4] = "0123456789abcdef"[(unsigned char)*c >> 4];
            escape[5] = "0123456789abcdef"[(unsigned char)*c & 15];
            n = 6;
        }
        HR_RETURN_NOT_OK(hr_buffer_append(out, escape, n, error));
    }
    *field = (hr_field){.token = HR_TOKEN_NULL, .flags = HR_FIELD_EXEMPT};
    return hr_buffer_append(out, "\"", 1, error);
}

/* Microseconds from the finest of the three times that an event may have; as digits in the scratch arena. */
static int hr_change_source_ts(hr_change_rules *rules, const hr_change *change, hr_field *field, hr_error *error)
{
    const hr_field *from = &change->ts_us;
    const char *zeros = "";
    size_t cut = 0;
    bool negative;
    char *to;

    if (from->token <= HR_TOKEN_NULL) {
        from = change->ts_ns.token > HR_TOKEN_NULL ? &change->ts_ns : &change->ts_ms;
        cut = from == &change->ts_ns ? 3 : 0;
        zeros = cut > 0 ? "" : "000";
    }
    if (from->token <= HR_TOKEN_NULL) {
        field->token = HR_TOKEN_NULL;
        return HR_OK;
    }
    *field = *from;
    if (from == &change->ts_us)
        return HR_OK;
    negative = from->len > 0 && from->data[0] == '-';
    for (size_t i = negative; i < from->len; i++)
        if (!hr_is_digit(from->data[i]))
            return hr_error_data(error, HR_REASON_TYPE, from->data, from->len, "the event's time is no whole number");
    if (from->len - negative <= cut) {
        *field = (hr_field){.data = "0", .len = 1, .token = HR_TOKEN_NUMBER};
        return HR_OK;
    }
    to = hr_arena_alloc(&rules->decoder->scratch, (size_t)from->len + 4);
    if (to == NULL)
        return hr_error_nomem(error);
    memcpy(to, from->data, from->len - cut);
    memcpy(to + from->len - cut, zeros, strlen(zeros));
    field->data = to;
    field->len = (uint32_t)(from->len - cut + strlen(zeros));
    return HR_OK;
}

/* schema.table; null when the event names no table. */
static int hr_change_table(hr_change_rules *rules, const hr_change *change, hr_field *field, hr_error *error)
{
    const hr_field *schema = &change->schema, *table = &change->table;
    bool both = schema->token == HR_TOKEN_STRING;
    char *to;

    field->token = HR_TOKEN_NULL;
    if (table->token != HR_TOKEN_STRING)
        return HR_OK;
    to = hr_arena_alloc(&rules->decoder->scratch, (size_t)schema->len + table->len + 1);
    if (to == NULL)
        return hr_error_nomem(error);
    if (both) {
        memcpy(to, schema->data, schema->len);
        to[schema->len] = '.';
    }
    memcpy(to + (both ? (size_t)schema->len + 1 : 0), table->data, table->len);
    *field = (hr_field){.data = to, .len = (both ? schema->len + 1 : 0) + table->len, .token = HR_TOKEN_STRING};
    field->flags = (uint8_t)(table->flags | (both ? schema->flags : 0));
    return HR_OK;
}

/* The row was read by a snapshot: "true", "first", "last", "incremental", ...; Debezium writes "false", or nothing, for all others. */
static void hr_change_snapshot(const hr_change *change, hr_field *field)
{
    const hr_field *from = &change->snapshot;
    bool snapshot = change->op == 'r';

    if (from->token == HR_TOKEN_STRING)
        snapshot = from->len != 5 || memcmp(from->data, "false", 5) != 0;
    else if (from->token == HR_TOKEN_TRUE || from->token == HR_TOKEN_FALSE)
        snapshot = from->token == HR_TOKEN_TRUE;
    *field = (hr_field){.data = snapshot ? "true" : "false", .len = snapshot ? 4 : 5, .token = snapshot ? HR_TOKEN_TRUE : HR_TOKEN_FALSE};
}

/* Fill the field of a column with a reserved source. */
static int hr_change_reserved(hr_change_rules *rules, const hr_change *change, hr_from from, hr_field *field, hr_error *error)
{
    switch (from) {
    case HR_FROM_OP:
        *field = (hr_field){.token = HR_TOKEN_NULL};
        if (change->op != 0) {
            char *to = hr_arena_alloc(&rules->decoder->scratch, 1);
            if (to == NULL)
                return hr_error_nomem(error);
            to[0] = change->op;
            *field = (hr_field){.data = to, .len = 1, .token = HR_TOKEN_STRING};
        }
        return HR_OK;
    case HR_FROM_LSN:
    case HR_FROM_TXID:
        *field = from == HR_FROM_LSN ? change->lsn : change->txid;
        if (field->token == HR_TOKEN_ABSENT)
            field->token = HR_TOKEN_NULL;
        return HR_OK;
    case HR_FROM_SOURCE_TS: return hr_change_source_ts(rules, change, field, error);
    case HR_FROM_SNAPSHOT: hr_change_snapshot(change, field); return HR_OK;
    case HR_FROM_TABLE: return hr_change_table(rules, change, field, error);
    case HR_FROM_UNCHANGED:
        HR_RETURN_NOT_OK(hr_buffer_append(&rules->names, "]", 1, error));
        *field = (hr_field){.data = (const char *)rules->names.data, .len = (uint32_t)rules->names.size, .token = HR_TOKEN_ARRAY};
        return HR_OK;
    default: return HR_OK;
    }
}

int hr_change_finish(hr_change_rules *rules, const hr_change *change, const hr_change_field *forms, hr_field *fields, hr_error *error)
{
    const hr_schema *schema = rules->decoder->schema;

    if (HR_UNLIKELY(rules->fresh || forms != rules->applied))
        hr_change_apply(rules, forms);
    rules->names.size = 0;
    HR_RETURN_NOT_OK(hr_buffer_append(&rules->names, "[", 1, error));
    for (int32_t i = 0; i < schema->count; i++) {
        const hr_column_def *def = &schema->columns[i];
        int rc;

        if (def->from != HR_FROM_PATH || fields[i].token <= HR_TOKEN_NULL)
            continue;
        if (!rules->plain && HR_UNLIKELY(hr_change_is_marker(rules, &def->type, &fields[i])))
            rc = hr_change_unchanged(rules, i, &fields[i], error);
        else
            rc = hr_change_convert(rules, &rules->types[2 * i], rules->current[i], &fields[i], error);
        if (HR_UNLIKELY(rc != HR_OK)) {
            if (rc == HR_EDATA && error != NULL)
                error->column = i;
            return rc;
        }
    }
    for (int32_t i = 0; i < schema->count; i++)
        if (schema->columns[i].from >= HR_FROM_OP)
            HR_RETURN_NOT_OK(hr_change_reserved(rules, change, schema->columns[i].from, &fields[i], error));
    return HR_OK;
}
