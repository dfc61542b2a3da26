/* csrc/core/debezium/debezium.c: the format "debezium": change events as JSON, in all the shapes in which they travel.
 *
 *   envelope   {"before": .., "after": {..}, "source": {..}, "op": "u", "ts_ms": ..}
 *   wrapped    {"schema": {..}, "payload": <any of the others>}, as Connect's JSON converter writes it when schemas are enabled
 *   flat       the row itself with fields like "__op" beside it, as ExtractNewRecordState leaves it
 *
 * The event is walked over once to find its parts, then the row among them is read by the decoder "json", which knows the schema's paths.
 */
#include "debezium.h"
#include "debezium_schema.h"
#include "core/json/json_member.h"
#include "core/utf8.h"

#define HR_CONNECT_SCHEMAS 8 /* remembered; a topic has one, or a few while its table changes */

extern const hr_format hr_format_json, hr_format_debezium;

/* A schema that came in messages, and what it says. */
typedef struct hr_known_schema {
    char *text;
    size_t len;
    hr_change_field *forms;
} hr_known_schema;

typedef struct hr_debezium {
    hr_change_rules rules;
    hr_format row_format;     /* json, allowed to have columns of reserved sources */
    hr_schema lenient_schema; /* a copy that ignores unknown keys: keys of messages, and flat rows, have fields that no column takes */
    hr_decoder *strict, *lenient;
    hr_known_schema known[HR_CONNECT_SCHEMAS];
    int32_t known_count, known_next;
    hr_buffer head; /* the last record up to the value of "payload", when it was wrapped: the next one begins alike */
    const hr_change_field *head_forms;
    hr_buffer flat; /* a flat row without the fields that are not of the row */
    bool wants_source, has_rest;
} hr_debezium;

/* An event's parts: what is not there is HR_TOKEN_ABSENT. */
typedef struct hr_event {
    hr_field schema, payload, before, after, source, op, message, status, id, event_count, collections, ts_ms;
    hr_field deleted;
    hr_change flat; /* the fields beside a flat row */
    hr_field flat_op;
    bool has_flat;
    int32_t count; /* members */
    const char *start, *end;
} hr_event;

/* ---- opening ---- */

static void hr_debezium_close(hr_decoder *decoder)
{
    hr_debezium *state = decoder->state;

    if (state == NULL)
        return;
    hr_decoder_free(state->strict);
    hr_decoder_free(state->lenient);
    for (int32_t i = 0; i < state->known_count; i++) {
        hr_free(state->known[i].text);
        hr_free(state->known[i].forms);
    }
    hr_buffer_free(&state->head);
    hr_buffer_free(&state->flat);
    hr_change_rules_free(&state->rules);
    hr_free(state);
    decoder->state = NULL;
}

static int hr_debezium_open(hr_decoder *decoder, hr_error *error)
{
    hr_debezium *state = hr_calloc(1, sizeof(*state));
    int rc;

    if (state == NULL)
        return hr_error_nomem(error);
    decoder->state = state;
    state->row_format = hr_format_json;
    state->row_format.changes = true;
    state->lenient_schema = *decoder->schema; /* what it points to belongs to the decoder's schema, which lives longer */
    state->lenient_schema.refs = 1;
    state->lenient_schema.unknown = HR_UNKNOWN_IGNORE;
    for (int32_t i = 0; i < decoder->schema->count; i++) {
        hr_from from = decoder->schema->columns[i].from;
        state->wants_source |= from >= HR_FROM_LSN && from <= HR_FROM_TABLE;
        state->has_rest |= from == HR_FROM_REST;
    }
    rc = hr_change_rules_init(&state->rules, decoder, error);
    if (rc == HR_OK)
        rc = hr_decoder_new(&state->row_format, decoder->schema, NULL, &state->strict, error);
    if (rc == HR_OK)
        rc = hr_decoder_new(&state->row_format, &state->lenient_schema, NULL, &state->lenient, error);
    if (rc != HR_OK)
        hr_debezium_close(decoder);
    return rc;
}

/* ---- schemas in messages ---- */

/* What the schema text says; NULL with *rc set when it is none, or memory ran out. */
static const hr_change_field *hr_debezium_forms(hr_decoder *decoder, const hr_field *text, int *rc, hr_error *error)
{
    hr_debezium *state = decoder->state;
    hr_known_schema fresh = {0}, *slot;

    for (int32_t i = 0; i < state->known_count; i++)
        if (state->known[i].len == text->len && memcmp(state->known[i].text, text->data, text->len) == 0)
            return state->known[i].forms;
    fresh.len = text->len;
    fresh.text = hr_malloc(text->len);
    fresh.forms = hr_calloc((size_t)decoder->schema->count + 1, sizeof(*fresh.forms));
    *rc = fresh.text == NULL || fresh.forms == NULL ? hr_error_nomem(error) : HR_OK;
    if (*rc == HR_OK)
        *rc = hr_connect_schema_forms(decoder->schema, text->data, text->len, fresh.forms, error);
    if (*rc != HR_OK) {
        hr_free(fresh.text);
        hr_free(fresh.forms);
        return NULL;
    }
    memcpy(fresh.text, text->data, text->len);
    if (state->known_count < HR_CONNECT_SCHEMAS) {
        slot = &state->known[state->known_count++];
    } else {
        slot = &state->known[state->known_next++ % HR_CONNECT_SCHEMAS];
        hr_free(slot->text);
        hr_free(slot->forms);
        state->rules.fresh = true; /* the new forms may lie where the old ones did */
        state->head.size = 0;
    }
    *slot = fresh;
    return fresh.forms;
}

/* ---- taking an event apart ---- */

/* A field beside a flat row: the SMT adds "__" and, for those of "source", "source_". */
static bool hr_debezium_flat_member(hr_event *event, const hr_json_member *member)
{
    const struct {
        const char *name;
        hr_field *to;
    } fields[] = {
        {"__op", &event->flat_op},
        {"__deleted", &event->deleted},
        {"__lsn", &event->flat.lsn},
        {"__source_lsn", &event->flat.lsn},
        {"__txId", &event->flat.txid},
        {"__source_txId", &event->flat.txid},
        {"__source_ts_us", &event->flat.ts_us},
        {"__source_ts_ms", &event->flat.ts_ms},
        {"__source_ts_ns", &event->flat.ts_ns},
        {"__snapshot", &event->flat.snapshot},
        {"__source_snapshot", &event->flat.snapshot},
        {"__schema", &event->flat.schema},
        {"__source_schema", &event->flat.schema},
        {"__table", &event->flat.table},
        {"__source_table", &event->flat.table},
    };

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (!hr_json_member_is(member, fields[i].name, strlen(fields[i].name)))
            continue;
        *fields[i].to = member->value;
        event->has_flat = true;
        return true;
    }
    return false;
}

static void hr_debezium_member(hr_event *event, const hr_json_member *member)
{
    const struct {
        const char *name;
        hr_field *to;
    } fields[] = {
        {"before", &event->before},
        {"after", &event->after},
        {"source", &event->source},
        {"op", &event->op},
        {"schema", &event->schema},
        {"payload", &event->payload},
        {"ts_ms", &event->ts_ms},
        {"message", &event->message},
        {"status", &event->status},
        {"id", &event->id},
        {"event_count", &event->event_count},
        {"data_collections", &event->collections},
    };

    if (member->name_len > 2 && member->name[0] == '_' && member->name[1] == '_') {
        hr_debezium_flat_member(event, member);
        return;
    }
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (hr_json_member_is(member, fields[i].name, strlen(fields[i].name)))
            *fields[i].to = member->value;
}

/* Take the object at p apart. The byte after it, or NULL with scan->error filled. */
static const char *hr_debezium_read(const hr_json_scan *scan, const char *p, int depth, hr_event *event)
{
    hr_json_members members = {.scan = scan, .depth = depth, .at = p};
    hr_json_member member;
    int more;

    memset(event, 0, sizeof(*event));
    event->start = p;
    while ((more = hr_json_members_next(&members, &member)) > 0) {
        event->count++;
        hr_debezium_member(event, &member);
    }
    event->end = members.at;
    return more == 0 ? members.at : NULL;
}

static bool hr_debezium_is_wrapper(const hr_event *event)
{
    return event->count == 2 && event->schema.token != HR_TOKEN_ABSENT && event->payload.token != HR_TOKEN_ABSENT &&
           (event->schema.token == HR_TOKEN_OBJECT || event->schema.token == HR_TOKEN_NULL);
}

static bool hr_debezium_is_envelope(const hr_event *event)
{
    return event->op.token == HR_TOKEN_STRING && event->op.len <= 1 &&
           (event->source.token == HR_TOKEN_OBJECT || event->before.token != HR_TOKEN_ABSENT || event->after.token != HR_TOKEN_ABSENT);
}

/* Messages of Debezium that are about no row: a heartbeat ({"ts_ms": ..}), and where transactions begin and end. */
static const char *hr_debezium_foreign(const hr_schema *schema, const hr_event *event)
{
    const hr_field *status = &event->status;
    int32_t known = (event->ts_ms.token != 0) + (status->token != 0) + (event->id.token != 0) + (event->event_count.token != 0) +
                    (event->collections.token != 0);

    if (event->count != known)
        return NULL;
    if (event->count == 1 && event->ts_ms.token == HR_TOKEN_NUMBER) {
        for (int32_t i = 0; i < schema->count; i++)
            if (schema->columns[i].from == HR_FROM_PATH && strcmp(schema->columns[i].path[0], "ts_ms") == 0)
                return NULL;
        return "this is a heartbeat of Debezium, no change of a row";
    }
    if (status->token == HR_TOKEN_STRING && event->id.token == HR_TOKEN_STRING &&
        ((status->len == 5 && memcmp(status->data, "BEGIN", 5) == 0) || (status->len == 3 && memcmp(status->data, "END", 3) == 0)))
        return "this tells where a transaction begins or ends, it is no change of a row";
    return NULL;
}

/* ---- the row ---- */

/* Read the object text[0..n) of the record, or of its key, by the schema's paths. */
static int hr_debezium_walk(hr_debezium *state, hr_decoder *inner, const hr_record *record, const char *text, size_t n, hr_field *fields,
                            hr_error *error)
{
    hr_record part = *record;
    int rc;

    part.data = text;
    part.len = n;
    rc = state->row_format.fields(inner, &part, fields, error);
    if (rc != HR_EDATA || error == NULL)
        return rc;
    if (error->reason == HR_REASON_UNKNOWN_KEY) {
        char excerpt[HR_EXCERPT_SIZE];
        const char *value = error->value;
        size_t length = error->value_len;

        hr_error_data(error, HR_REASON_UNKNOWN_KEY, value, length, "the row has a field that no column takes: \"%s\"",
                      hr_utf8_excerpt(excerpt, value, length));
        if (value >= record->data && value <= record->data + record->len)
            error->offset = value - 1 - record->data;
    } else if (error->offset >= 0 && text >= record->data && text <= record->data + record->len) {
        error->offset += text - record->data;
    } else {
        error->offset = -1; /* in the key, or in a copy */
    }
    return rc;
}

/* Values that stand outside the record must not be read by decode.c's short ways, which look at bytes beyond them. */
static void hr_debezium_mark_outside(const hr_schema *schema, hr_field *fields)
{
    for (int32_t i = 0; i < schema->count; i++)
        if (fields[i].token > HR_TOKEN_NULL)
            fields[i].flags |= HR_FIELD_OUTSIDE;
}

/* A delete: the message's key tells the row. *found: there is a key, and it is an object. */
static int hr_debezium_key(hr_decoder *decoder, const hr_record *record, hr_field *fields, const hr_change_field **forms, bool *found,
                           hr_error *error)
{
    hr_debezium *state = decoder->state;
    hr_json_scan scan = {.allow_nul_escape = true};
    const char *p;
    hr_event event;
    hr_field key;
    int rc = HR_OK;

    *found = false;
    *forms = NULL;
    if (record->key == NULL)
        return HR_OK;
    scan.start = record->key;
    scan.end = record->key + record->key_len;
    p = hr_json_skip_space(scan.start, scan.end);
    if (p == scan.end || *p != '{')
        return HR_OK;
    if (hr_debezium_read(&scan, p, 1, &event) == NULL || hr_json_skip_space(event.end, scan.end) != scan.end)
        return hr_error_data(error, HR_REASON_MALFORMED, record->key, record->key_len, "the message key is broken JSON");
    key = (hr_field){.data = event.start, .len = (uint32_t)(event.end - event.start)};
    if (hr_debezium_is_wrapper(&event)) {
        /* Nothing is learned from a key that is not taken: what is learned may take the place of the forms that the caller has. */
        if (event.payload.token != HR_TOKEN_OBJECT)
            return HR_OK;
        if (event.schema.token == HR_TOKEN_OBJECT)
            *forms = hr_debezium_forms(decoder, &event.schema, &rc, error);
        HR_RETURN_NOT_OK(rc);
        key = event.payload;
    }
    HR_RETURN_NOT_OK(hr_debezium_walk(state, state->lenient, record, key.data, key.len, fields, error));
    hr_debezium_mark_outside(decoder->schema, fields);
    *found = true;
    return HR_OK;
}

/* A delete's fields: those of the key, else those of `row`, which may be absent. */
static int hr_debezium_delete(hr_decoder *decoder, const hr_record *record, const hr_field *row, hr_field *fields,
                              const hr_change_field **forms, hr_error *error)
{
    hr_debezium *state = decoder->state;
    const hr_change_field *key_forms;
    bool found;

    HR_RETURN_NOT_OK(hr_debezium_key(decoder, record, fields, &key_forms, &found, error));
    if (found) {
        *forms = key_forms;
    } else if (row->token == HR_TOKEN_OBJECT) {
        HR_RETURN_NOT_OK(hr_debezium_walk(state, state->lenient, record, row->data, row->len, fields, error));
    } else {
        return hr_error_data(error, HR_REASON_MALFORMED, NULL, 0,
                             "a delete with neither a message key nor the row before: which row is it?");
    }
    hr_change_keep_key(&state->rules, !found, fields);
    return HR_OK;
}

/* A flat row: without the fields beside it when unknown keys matter. */
static int hr_debezium_flat_row(hr_decoder *decoder, const hr_record *record, const hr_event *event, hr_field *fields, hr_error *error)
{
    hr_debezium *state = decoder->state;
    const hr_schema *schema = decoder->schema;
    const hr_json_scan scan = {event->start, event->end, true, error};
    hr_json_members members = {.scan = &scan, .depth = 1, .at = event->start};
    hr_json_member member;
    hr_event beside;

    if (!event->has_flat)
        return hr_debezium_walk(state, state->strict, record, event->start, (size_t)(event->end - event->start), fields, error);
    if (schema->unknown == HR_UNKNOWN_IGNORE && !state->has_rest)
        return hr_debezium_walk(state, state->lenient, record, event->start, (size_t)(event->end - event->start), fields, error);
    state->flat.size = 0;
    HR_RETURN_NOT_OK(hr_buffer_append(&state->flat, "{", 1, error));
    while (hr_json_members_next(&members, &member) > 0) {
        bool wanted = !hr_debezium_flat_member(&beside, &member);

        for (int32_t i = 0; i < schema->count && !wanted; i++)
            wanted = schema->columns[i].from == HR_FROM_PATH &&
                     hr_json_member_is(&member, schema->columns[i].path[0], schema->columns[i].path_len[0]);
        if (!wanted)
            continue;
        if (state->flat.size > 1)
            HR_RETURN_NOT_OK(hr_buffer_append(&state->flat, ",", 1, error));
        HR_RETURN_NOT_OK(hr_buffer_append(&state->flat, member.start, (size_t)(member.end - member.start), error));
    }
    HR_RETURN_NOT_OK(hr_buffer_append(&state->flat, "}", 1, error));
    HR_RETURN_NOT_OK(hr_debezium_walk(state, state->strict, record, (const char *)state->flat.data, state->flat.size, fields, error));
    hr_debezium_mark_outside(schema, fields);
    return HR_OK;
}

/* ---- the event ---- */

/* What "source" says. */
static int hr_debezium_source(const hr_json_scan *scan, const hr_field *source, int depth, hr_change *change)
{
    hr_json_members members = {.scan = scan, .depth = depth, .at = source->data};
    hr_json_member member;

    if (source->token != HR_TOKEN_OBJECT)
        return HR_OK;
    while (hr_json_members_next(&members, &member) > 0) {
        if (HR_MEMBER_IS(&member, "lsn"))
            change->lsn = member.value;
        else if (HR_MEMBER_IS(&member, "txId"))
            change->txid = member.value;
        else if (HR_MEMBER_IS(&member, "ts_us"))
            change->ts_us = member.value;
        else if (HR_MEMBER_IS(&member, "ts_ms"))
            change->ts_ms = member.value;
        else if (HR_MEMBER_IS(&member, "ts_ns"))
            change->ts_ns = member.value;
        else if (HR_MEMBER_IS(&member, "snapshot"))
            change->snapshot = member.value;
        else if (HR_MEMBER_IS(&member, "schema"))
            change->schema = member.value;
        else if (HR_MEMBER_IS(&member, "table"))
            change->table = member.value;
    }
    return HR_OK;
}

static int hr_debezium_envelope(hr_decoder *decoder, const hr_record *record, const hr_event *event, const hr_change_field *forms,
                                hr_field *fields, hr_error *error)
{
    hr_debezium *state = decoder->state;
    const hr_json_scan scan = {record->data, record->data + record->len, true, error};
    hr_change change = {0};

    HR_RETURN_NOT_OK(hr_change_set_op(&state->rules, event->op.data, event->op.len, &change, error));
    if (state->wants_source)
        HR_RETURN_NOT_OK(hr_debezium_source(&scan, &event->source, 1, &change));
    switch (change.op) {
    case 'd': HR_RETURN_NOT_OK(hr_debezium_delete(decoder, record, &event->before, fields, &forms, error)); break;
    case 't': hr_change_keep_key(&state->rules, false, fields); break;
    default:
        if (event->after.token != HR_TOKEN_OBJECT)
            return hr_error_data(error, HR_REASON_MALFORMED, event->after.data, event->after.len,
                                 "the change event of operation \"%c\" has no object \"after\"", change.op);
        HR_RETURN_NOT_OK(hr_debezium_walk(state, state->strict, record, event->after.data, event->after.len, fields, error));
    }
    return hr_change_finish(&state->rules, &change, forms, fields, error);
}

static int hr_debezium_flat(hr_decoder *decoder, const hr_record *record, const hr_event *event, const hr_change_field *forms,
                            hr_field *fields, hr_error *error)
{
    hr_debezium *state = decoder->state;
    hr_change change = event->flat;
    hr_field row = {.data = event->start, .len = (uint32_t)(event->end - event->start), .token = HR_TOKEN_OBJECT};
    const char *foreign = event->has_flat ? NULL : hr_debezium_foreign(decoder->schema, event);
    bool deleted = event->deleted.token == HR_TOKEN_TRUE ||
                   (event->deleted.token == HR_TOKEN_STRING && event->deleted.len == 4 && memcmp(event->deleted.data, "true", 4) == 0);

    if (foreign != NULL)
        return hr_error_data(error, HR_REASON_OPERATION, row.data, row.len, "%s", foreign);
    if (event->flat_op.token == HR_TOKEN_STRING)
        HR_RETURN_NOT_OK(hr_change_set_op(&state->rules, event->flat_op.data, event->flat_op.len, &change, error));
    else if (deleted)
        HR_RETURN_NOT_OK(hr_change_set_op(&state->rules, "d", 1, &change, error));
    if (deleted || change.op == 'd')
        HR_RETURN_NOT_OK(hr_debezium_delete(decoder, record, &row, fields, &forms, error));
    else if (change.op == 't')
        hr_change_keep_key(&state->rules, false, fields);
    else
        HR_RETURN_NOT_OK(hr_debezium_flat_row(decoder, record, event, fields, error));
    return hr_change_finish(&state->rules, &change, forms, fields, error);
}

/* The record's top: where the event begins. The way for a wrapper that begins like the last one is short: its schema is not read again.
 * *event is what is inside. */
static int hr_debezium_top(hr_decoder *decoder, const hr_json_scan *scan, hr_event *event, const hr_change_field **forms, hr_error *error)
{
    hr_debezium *state = decoder->state;
    const char *p = hr_json_skip_space(scan->start, scan->end), *after;
    size_t n = (size_t)(scan->end - scan->start);
    int rc = HR_OK;

    *forms = NULL;
    if (state->head.size > 0 && n > state->head.size && memcmp(scan->start, state->head.data, state->head.size) == 0 &&
        scan->start[state->head.size] == '{') {
        after = hr_debezium_read(scan, scan->start + state->head.size, 2, event);
        if (after == NULL)
            return HR_EDATA;
        after = hr_json_skip_space(after, scan->end);
        if (after < scan->end && *after == '}' && hr_json_skip_space(after + 1, scan->end) == scan->end) {
            *forms = state->head_forms;
            return HR_OK;
        }
    }
    if (scan->end - p == 4 && memcmp(p, "null", 4) == 0)
        return hr_error_data(error, HR_REASON_TOMBSTONE, NULL, 0, "the message is a tombstone (null)");
    if (p == scan->end || *p != '{') {
        hr_json_fail(scan, p, HR_REASON_MALFORMED, "a change event must be one JSON object");
        return HR_EDATA;
    }
    after = hr_debezium_read(scan, p, 1, event);
    if (after == NULL)
        return HR_EDATA;
    after = hr_json_skip_space(after, scan->end);
    if (after < scan->end) {
        hr_json_fail(scan, after, HR_REASON_MALFORMED, "more text follows the record's object");
        return HR_EDATA;
    }
    if (!hr_debezium_is_wrapper(event))
        return HR_OK;
    if (event->payload.token == HR_TOKEN_NULL)
        return hr_error_data(error, HR_REASON_TOMBSTONE, NULL, 0, "the message is a tombstone (its payload is null)");
    if (event->payload.token != HR_TOKEN_OBJECT)
        return hr_error_data(error, HR_REASON_MALFORMED, event->payload.data, event->payload.len, "the message's payload is no object");
    if (event->schema.token == HR_TOKEN_OBJECT) {
        bool first = event->schema.data < event->payload.data;
        size_t head = (size_t)(event->payload.data - scan->start);

        *forms = hr_debezium_forms(decoder, &event->schema, &rc, error);
        HR_RETURN_NOT_OK(rc);
        state->head.size = 0;
        if (first)
            HR_RETURN_NOT_OK(hr_buffer_append(&state->head, scan->start, head, error));
        state->head_forms = *forms;
    }
    return hr_debezium_read(scan, event->payload.data, 2, event) != NULL ? HR_OK : HR_EDATA;
}

static int hr_debezium_fields(hr_decoder *decoder, const hr_record *record, hr_field *fields, hr_error *error)
{
    const hr_json_scan scan = {record->data, record->data + record->len, true, error};
    const hr_change_field *forms;
    hr_event event;
    size_t bad = 0;

    if (!hr_json_is_ascii(record->data, record->len) && !hr_utf8_validate(record->data, record->len, &bad)) {
        hr_json_fail(&scan, record->data + bad, HR_REASON_ENCODING, "the record is not UTF-8");
        return HR_EDATA;
    }
    HR_RETURN_NOT_OK(hr_debezium_top(decoder, &scan, &event, &forms, error));
    if (hr_debezium_is_envelope(&event))
        return hr_debezium_envelope(decoder, record, &event, forms, fields, error);
    return hr_debezium_flat(decoder, record, &event, forms, fields, error);
}

static size_t hr_debezium_frame(const hr_decode_options *options, const char *buf, size_t len, bool at_end, size_t *body)
{
    return hr_format_json.frame(options, buf, len, at_end, body);
}

const hr_format hr_format_debezium = {
    .name = "debezium",
    .open = hr_debezium_open,
    .close = hr_debezium_close,
    .fields = hr_debezium_fields,
    .frame = hr_debezium_frame,
    .changes = true,
};
