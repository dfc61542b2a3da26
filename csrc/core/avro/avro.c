/* csrc/core/avro/avro.c: the formats "avro" (a record's fields are the row's) and "debezium-avro" (change events). */
#include "avro.h"

#include <stdio.h>

#include "core/bytes.h"
#include "core/types/float_text.h"
#include "core/json/json_scan.h"
#include "core/utf8.h"

#define HR_AVRO_HEAD 5                 /* the zero byte and the schema's number */
#define HR_AVRO_PROGRAMS 256           /* compiled schemas kept; with more they are compiled again */
#define HR_AVRO_STEPS ((size_t)65536)  /* values that may be looked at, beside 16 for each byte */
#define HR_AVRO_JSON ((size_t)1 << 20) /* bytes of JSON that may be written, beside 64 for each byte */

extern const hr_format hr_format_avro, hr_format_debezium_avro;

typedef struct hr_avro_known {
    int32_t id;
    hr_avro_role role;
    hr_avro_program program;
    const char *why; /* the schema cannot be used, and this is what was said; NULL: it can */
    hr_arena arena;
} hr_avro_known;

typedef struct hr_avro {
    hr_change_rules rules;
    hr_avro_role role;
    hr_avro_known **known;
    int32_t known_count;
    hr_field *before; /* the row before the change */
    hr_field meta[HR_META_COUNT];
    hr_buffer json;
    int32_t rest; /* the column that takes $rest, or -1 */
} hr_avro;

/* One record being read. */
typedef struct hr_avro_run {
    hr_avro_reader reader;
    hr_avro *state;
    hr_decoder *decoder;
    const hr_avro_program *program;
    hr_field *fields;
} hr_avro_run;

/* ---- programs ---- */

static void hr_avro_forget(hr_avro *state)
{
    for (int32_t i = 0; i < state->known_count; i++) {
        hr_arena_free(&state->known[i]->arena);
        hr_free(state->known[i]);
    }
    state->known_count = 0;
    state->rules.fresh = true; /* new forms may lie where old ones did */
}

static void hr_avro_close(hr_decoder *decoder)
{
    hr_avro *state = decoder->state;

    if (state == NULL)
        return;
    hr_avro_forget(state);
    hr_free(state->known);
    hr_free(state->before);
    hr_buffer_free(&state->json);
    hr_change_rules_free(&state->rules);
    hr_free(state);
    decoder->state = NULL;
}

static int hr_avro_open_role(hr_decoder *decoder, hr_avro_role role, hr_error *error)
{
    hr_avro *state;
    int rc;

    if (decoder->options.avro_schema == NULL && decoder->options.avro_schemas == NULL)
        return hr_error_set(error, HR_EUSAGE, "Avro needs the schemas of its messages: name the schema registry, or the one schema");
    state = hr_calloc(1, sizeof(*state));
    if (state == NULL)
        return hr_error_nomem(error);
    decoder->state = state;
    state->role = role;
    state->rest = -1;
    for (int32_t i = 0; i < decoder->schema->count; i++)
        if (decoder->schema->columns[i].from == HR_FROM_REST)
            state->rest = i;
    state->known = hr_calloc(HR_AVRO_PROGRAMS, sizeof(*state->known));
    state->before = hr_calloc((size_t)decoder->schema->count + 1, sizeof(*state->before));
    rc = state->known == NULL || state->before == NULL ? hr_error_nomem(error) : hr_change_rules_init(&state->rules, decoder, error);
    state->rules.plain = role == HR_AVRO_PLAIN;
    if (rc != HR_OK)
        hr_avro_close(decoder);
    return rc;
}

static int hr_avro_open(hr_decoder *decoder, hr_error *error)
{
    return hr_avro_open_role(decoder, HR_AVRO_PLAIN, error);
}

static int hr_avro_open_event(hr_decoder *decoder, hr_error *error)
{
    return hr_avro_open_role(decoder, HR_AVRO_EVENT, error);
}

/* Read and compile the schema text. */
static int hr_avro_compile_text(hr_decoder *decoder, const char *text, size_t n, hr_avro_known *known, hr_error *error)
{
    hr_avro_type *type;

    HR_RETURN_NOT_OK(hr_avro_schema_read(&known->arena, text, n, &type, error));
    return hr_avro_compile(&known->arena, decoder->schema, type, known->role, &known->program, error);
}

/* The same; of a schema that cannot be used it is kept why, so that not every message reads it again. */
static int hr_avro_learn(hr_decoder *decoder, const char *text, size_t n, hr_avro_known *known, hr_error *error)
{
    hr_error local;
    hr_error *said = error != NULL ? error : &local;
    int rc = hr_avro_compile_text(decoder, text, n, known, said);

    if (rc != HR_EDATA)
        return rc;
    said->value = NULL; /* it lies in the arena */
    said->value_len = 0;
    hr_arena_reset(&known->arena);
    known->why = hr_arena_copy(&known->arena, said->message, strlen(said->message) + 1);
    return known->why != NULL ? HR_OK : hr_error_nomem(error);
}

static int hr_avro_program_or_why(const hr_avro_known *known, const hr_avro_program **out, hr_error *error)
{
    *out = &known->program;
    return known->why == NULL ? HR_OK : hr_error_data(error, HR_REASON_MALFORMED, NULL, 0, "%s", known->why);
}

/* The program for the writer's schema of that number (-1: the one that the job names). */
static int hr_avro_program_of(hr_decoder *decoder, int32_t id, hr_avro_role role, const hr_avro_program **out, hr_error *error)
{
    hr_avro *state = decoder->state;
    const hr_avro_schemas *schemas = decoder->options.avro_schemas;
    const char *text = decoder->options.avro_schema;
    size_t n = text != NULL ? strlen(text) : 0;
    hr_avro_known *known;
    int rc;

    for (int32_t i = 0; i < state->known_count; i++) {
        if (state->known[i]->id == id && state->known[i]->role == role)
            return hr_avro_program_or_why(state->known[i], out, error);
    }
    if (id >= 0)
        HR_RETURN_NOT_OK(schemas->find(schemas->context, id, &text, &n, error));
    if (state->known_count == HR_AVRO_PROGRAMS)
        hr_avro_forget(state);
    known = hr_calloc(1, sizeof(*known));
    if (known == NULL)
        return hr_error_nomem(error);
    known->id = id;
    known->role = role;
    hr_arena_init(&known->arena, 8192);
    rc = hr_avro_learn(decoder, text, n, known, error);
    if (rc != HR_OK) {
        hr_arena_free(&known->arena);
        hr_free(known);
        return rc;
    }
    state->known[state->known_count++] = known;
    return hr_avro_program_or_why(known, out, error);
}

/* ---- values ---- */

static bool hr_avro_nomem_run(hr_avro_run *run)
{
    run->reader.rc = hr_error_nomem(run->reader.error);
    return false;
}

/* Say which column the failure just reported was about. */
static bool hr_avro_blame(hr_avro_run *run, const hr_avro_plan *plan, const char *value, size_t n)
{
    hr_error *error = run->reader.error;

    if (error != NULL && run->reader.rc == HR_EDATA) {
        error->column = plan->taker_count > 0 ? plan->takers[0] : -1;
        error->value = value;
        error->value_len = n;
    }
    return false;
}

/* A string's field. It is checked here, for decode.c's short way for text does not. */
static bool hr_avro_read_string(hr_avro_run *run, const hr_avro_plan *plan, hr_field *out)
{
    const char *s = NULL;
    size_t n = 0;

    if (!hr_avro_string(&run->reader, &s, &n))
        return false;
    if (!hr_json_is_ascii(s, n) && !hr_utf8_validate(s, n, NULL)) {
        hr_avro_fail(&run->reader, HR_REASON_ENCODING, "a string in the Avro body is not UTF-8");
        return hr_avro_blame(run, plan, s, n);
    }
    if (n > 0 && memchr(s, '\0', n) != NULL) {
        hr_avro_fail(&run->reader, HR_REASON_ENCODING, "a string in the Avro body holds the character U+0000 (NUL)");
        return hr_avro_blame(run, plan, s, n);
    }
    *out = (hr_field){.data = s, .len = (uint32_t)n, .token = HR_TOKEN_STRING};
    return true;
}

/* A copy of n bytes of text as a field. */
static bool hr_avro_text_field(hr_avro_run *run, const char *text, size_t n, hr_token token, hr_field *out)
{
    char *copy = hr_arena_copy(&run->decoder->scratch, text, n);

    if (copy == NULL)
        return hr_avro_nomem_run(run);
    *out = (hr_field){.data = copy, .len = (uint32_t)n, .token = (uint8_t)token, .flags = HR_FIELD_OUTSIDE};
    return true;
}

/* An int or long: as the number itself for a column, as digits for what stands beside the row. */
static bool hr_avro_read_number(hr_avro_run *run, const hr_avro_plan *plan, hr_field *out)
{
    char digits[HR_INT64_TEXT];
    int64_t value = 0, *copy;

    if (!(plan->type->kind == HR_AVRO_INT ? hr_avro_int(&run->reader, &value) : hr_avro_long(&run->reader, &value)))
        return false;
    if (plan->meta >= 0)
        return hr_avro_text_field(run, digits, hr_print_int64(digits, value), HR_TOKEN_NUMBER, out);
    copy = hr_arena_alloc(&run->decoder->scratch, sizeof(*copy));
    if (copy == NULL)
        return hr_avro_nomem_run(run);
    *copy = value;
    *out = (hr_field){.data = (const char *)copy, .len = sizeof(*copy), .token = HR_TOKEN_INT64, .flags = HR_FIELD_OUTSIDE};
    return true;
}

/* Months, days and milliseconds, each 4 bytes with the lowest first. */
static bool hr_avro_duration(hr_avro_run *run, const char *bytes, hr_field *out)
{
    uint32_t parts[3];
    char text[64];
    int n;

    for (int i = 0; i < 3; i++)
        parts[i] = (uint32_t)(uint8_t)bytes[4 * i] | (uint32_t)(uint8_t)bytes[4 * i + 1] << 8 | (uint32_t)(uint8_t)bytes[4 * i + 2] << 16 |
                   (uint32_t)(uint8_t)bytes[4 * i + 3] << 24;
    n = snprintf(text, sizeof(text), "P%uM%uDT%u.%03uS", parts[0], parts[1], parts[2] / 1000, parts[2] % 1000);
    return hr_avro_text_field(run, text, (size_t)n, HR_TOKEN_TEXT, out);
}

/* The field of a value without parts. */
static bool hr_avro_read_scalar(hr_avro_run *run, const hr_avro_plan *plan, hr_field *out)
{
    const hr_avro_type *type = plan->type;
    char text[HR_FLOAT_TEXT];
    const char *bytes = NULL;
    double wide = 0, *copy;
    float narrow = 0;
    int32_t index = 0;
    size_t n = (size_t)type->size;
    bool flag = false;

    switch (type->kind) {
    case HR_AVRO_NULL: *out = (hr_field){.token = HR_TOKEN_NULL}; return true;
    case HR_AVRO_BOOLEAN:
        if (!hr_avro_boolean(&run->reader, &flag))
            return false;
        *out = (hr_field){.data = flag ? "true" : "false", .len = flag ? 4 : 5, .flags = HR_FIELD_OUTSIDE};
        out->token = flag ? HR_TOKEN_TRUE : HR_TOKEN_FALSE;
        return true;
    case HR_AVRO_INT:
    case HR_AVRO_LONG: return hr_avro_read_number(run, plan, out);
    case HR_AVRO_FLOAT: /* its own shortest digits: those of the double would say more than the float knows */
        return hr_avro_float(&run->reader, &narrow) && hr_avro_text_field(run, text, hr_float4_print(text, narrow), HR_TOKEN_TEXT, out);
    case HR_AVRO_DOUBLE:
        copy = hr_arena_alloc(&run->decoder->scratch, sizeof(*copy));
        if (copy == NULL)
            return hr_avro_nomem_run(run);
        if (!hr_avro_double(&run->reader, &wide))
            return false;
        *copy = wide;
        *out = (hr_field){.data = (const char *)copy, .len = sizeof(*copy), .token = HR_TOKEN_FLOAT64, .flags = HR_FIELD_OUTSIDE};
        return true;
    case HR_AVRO_STRING: return hr_avro_read_string(run, plan, out);
    case HR_AVRO_ENUM:
        return hr_avro_index(&run->reader, type->count, "the symbol", &index) &&
               hr_avro_text_field(run, type->names[index], strlen(type->names[index]), HR_TOKEN_STRING, out);
    case HR_AVRO_BYTES:
        if (!hr_avro_string(&run->reader, &bytes, &n))
            return false;
        break;
    default: /* fixed */
        if (!hr_avro_take(&run->reader, n, &bytes))
            return false;
        if (type->duration)
            return hr_avro_duration(run, bytes, out);
    }
    *out = (hr_field){.data = bytes, .len = (uint32_t)n, .token = HR_TOKEN_BYTES, .flags = HR_FIELD_OUTSIDE};
    return true;
}

/* A record, array or map as a whole, as JSON, for one column. */
static bool hr_avro_read_whole(hr_avro_run *run, const hr_avro_plan *plan, int32_t column, int depth, hr_field *out)
{
    const hr_avro_type *type = plan->type;
    bool raw = run->decoder->schema->columns[column].type.kind == HR_ARRAY || type->form.form != HR_FORM_PLAIN;
    hr_buffer *json = &run->state->json;

    json->size = 0;
    return hr_avro_json(&run->reader, type, raw, depth, &run->decoder->scratch, json) &&
           hr_avro_text_field(run, (const char *)json->data, json->size, type->kind == HR_AVRO_ARRAY ? HR_TOKEN_ARRAY : HR_TOKEN_OBJECT,
                              out);
}

/* Give a value's field to those who take it. */
static bool hr_avro_give(hr_avro_run *run, const hr_avro_plan *plan, const hr_field *value)
{
    hr_field *to = plan->before ? run->state->before : run->fields;

    for (int32_t i = 0; i < plan->taker_count; i++) {
        to[plan->takers[i]] = *value;
        if (value->token != HR_TOKEN_NULL && !plan->before && !run->program->forms[plan->takers[i]].array &&
            run->program->forms[plan->takers[i]].form != plan->type->form.form) {
            hr_avro_fail(&run->reader, HR_REASON_TYPE, "the branches of the field's union are of different logical types");
            return hr_avro_blame(run, plan, NULL, 0);
        }
    }
    if (value->token == HR_TOKEN_NULL)
        for (int32_t i = 0; i < plan->below_count; i++)
            to[plan->below[i]].token = HR_TOKEN_NULL;
    if (plan->meta >= 0)
        run->state->meta[plan->meta] = *value;
    return true;
}

static bool hr_avro_add_rest(hr_avro_run *run, const char *name, const hr_avro_type *type, int depth)
{
    hr_buffer *rest = &run->decoder->rest;
    size_t n = strlen(name);

    if (hr_buffer_reserve(rest, n + 4, NULL) != HR_OK)
        return hr_avro_nomem_run(run);
    if (rest->size > 1)
        rest->data[rest->size++] = ',';
    rest->data[rest->size++] = '"'; /* names are letters, digits and _: hr_avro_schema_read lets no others in */
    memcpy(rest->data + rest->size, name, n);
    rest->size += n;
    rest->data[rest->size++] = '"';
    rest->data[rest->size++] = ':';
    return hr_avro_json(&run->reader, type, false, depth, &run->decoder->scratch, rest);
}

static bool hr_avro_walk(hr_avro_run *run, const hr_avro_plan *plan, int depth);

/* A record: as a whole for some columns, its fields for others. */
static bool hr_avro_walk_record(hr_avro_run *run, const hr_avro_plan *plan, int depth)
{
    const char *start = run->reader.at;
    hr_field whole = {0};

    for (int32_t i = 0; i < plan->taker_count; i++) {
        run->reader.at = start;
        if (!hr_avro_read_whole(run, plan, plan->takers[i], depth, &whole))
            return hr_avro_blame(run, plan, NULL, 0);
        (plan->before ? run->state->before : run->fields)[plan->takers[i]] = whole;
    }
    if (plan->meta >= 0)
        run->state->meta[plan->meta] = (hr_field){.token = HR_TOKEN_OBJECT};
    if (plan->taker_count > 0) {
        if (!plan->inner)
            return true;
        run->reader.at = start;
    }
    for (int32_t i = 0; i < plan->type->count; i++) {
        bool ok;

        if (plan->parts[i] != NULL)
            ok = hr_avro_walk(run, plan->parts[i], depth + 1);
        else if (plan->rest && strncmp(plan->type->names[i], "__", 2) != 0)
            ok = hr_avro_add_rest(run, plan->type->names[i], plan->type->children[i], depth + 1);
        else
            ok = hr_avro_skip(&run->reader, plan->type->children[i], depth + 1);
        if (!ok)
            return false;
    }
    return true;
}

/* A value with a plan. Recursion follows paths and unions, so it is no deeper than they are. */
static bool hr_avro_walk(hr_avro_run *run, const hr_avro_plan *plan, int depth)
{
    const hr_avro_type *type = plan->type;
    const char *start = run->reader.at;
    hr_field value = {0};
    int32_t index = 0;

    switch (type->kind) {
    case HR_AVRO_UNION:
        if (!hr_avro_index(&run->reader, type->count, "the union's branch", &index))
            return hr_avro_blame(run, plan, NULL, 0);
        if (plan->parts[index] == NULL)
            return hr_avro_skip(&run->reader, type->children[index], depth + 1);
        if (plan->meta >= 0 && type->children[index]->kind != HR_AVRO_NULL)
            run->state->meta[plan->meta] = (hr_field){.token = HR_TOKEN_OBJECT};
        return hr_avro_walk(run, plan->parts[index], depth + 1);
    case HR_AVRO_RECORD: return hr_avro_walk_record(run, plan, depth);
    case HR_AVRO_ARRAY:
    case HR_AVRO_MAP:
        if (plan->taker_count == 0)
            return hr_avro_skip(&run->reader, type, depth);
        for (int32_t i = 0; i < plan->taker_count; i++) {
            run->reader.at = start;
            if (!hr_avro_read_whole(run, plan, plan->takers[i], depth, &value))
                return hr_avro_blame(run, plan, NULL, 0);
            (plan->before ? run->state->before : run->fields)[plan->takers[i]] = value;
        }
        return true;
    default: return hr_avro_read_scalar(run, plan, &value) && hr_avro_give(run, plan, &value);
    }
}

/* ---- records ---- */

/* The message's schema and body. */
static int hr_avro_head(const hr_decoder *decoder, const char *data, size_t n, const char *what, int32_t *id, hr_error *error)
{
    *id = -1;
    if (decoder->options.avro_schema != NULL)
        return HR_OK;
    if (n < HR_AVRO_HEAD || data[0] != 0)
        return hr_error_data(error, HR_REASON_MALFORMED, NULL, 0,
                             "the %s does not begin with a zero byte and the 4 bytes of a schema's number (Confluent's wire format)", what);
    *id = (int32_t)hr_load_be32((const uint8_t *)data + 1);
    if (*id < 0)
        return hr_error_data(error, HR_REASON_MALFORMED, NULL, 0, "the %s names schema number %d; there is no such", what, (int)*id);
    return HR_OK;
}

/* Read data[0..n) into fields. */
static int hr_avro_run_program(hr_decoder *decoder, const char *data, size_t n, const char *what, hr_avro_role role, hr_field *fields,
                               const hr_avro_program **out, hr_error *error)
{
    hr_avro *state = decoder->state;
    hr_avro_run run = {.state = state, .decoder = decoder, .fields = fields};
    int32_t id;

    HR_RETURN_NOT_OK(hr_avro_head(decoder, data, n, what, &id, error));
    HR_RETURN_NOT_OK(hr_avro_program_of(decoder, id, role, out, error));
    run.program = *out;
    run.reader.at = data + (id >= 0 ? HR_AVRO_HEAD : 0);
    run.reader.end = data + n;
    run.reader.steps = HR_AVRO_STEPS + 16 * n;
    run.reader.json = HR_AVRO_JSON + 64 * n;
    run.reader.error = error;
    if (!hr_avro_walk(&run, run.program->root, 0)) {
        if (run.reader.rc == HR_EDATA && error != NULL)
            error->offset = role == HR_AVRO_KEY ? -1 : run.reader.at - data;
        return run.reader.rc;
    }
    if (run.reader.at != run.reader.end) {
        hr_error_data(error, HR_REASON_MALFORMED, NULL, 0, "%zu bytes follow the Avro body of the %s",
                      (size_t)(run.reader.end - run.reader.at), what);
        if (error != NULL)
            error->offset = role == HR_AVRO_KEY ? -1 : run.reader.at - data;
        return HR_EDATA;
    }
    return HR_OK;
}

/* Run the record's program, with what $rest and unknown fields need around it. */
static int hr_avro_run_row(hr_decoder *decoder, const hr_record *record, hr_field *fields, const hr_avro_program **program, hr_error *error)
{
    hr_avro *state = decoder->state;
    int rc;

    memset(state->meta, 0, sizeof(state->meta));
    memset(state->before, 0, ((size_t)decoder->schema->count + 1) * sizeof(*state->before));
    if (state->rest >= 0) {
        decoder->rest.size = 0;
        HR_RETURN_NOT_OK(hr_buffer_append(&decoder->rest, "{", 1, error));
    }
    rc = hr_avro_run_program(decoder, record->data, record->len, "message", state->role, fields, program, error);
    HR_RETURN_NOT_OK(rc);
    if (decoder->schema->unknown == HR_UNKNOWN_REJECT && (*program)->unknown != NULL)
        return hr_error_data(error, HR_REASON_UNKNOWN_KEY, (*program)->unknown, strlen((*program)->unknown),
                             "the message's schema has a field that no column takes: \"%s\"", (*program)->unknown);
    if (state->rest >= 0) {
        HR_RETURN_NOT_OK(hr_buffer_append(&decoder->rest, "}", 1, error));
        fields[state->rest] = (hr_field){.data = (const char *)decoder->rest.data, .len = (uint32_t)decoder->rest.size};
        fields[state->rest].token = HR_TOKEN_OBJECT;
        fields[state->rest].flags = HR_FIELD_OUTSIDE;
    }
    return HR_OK;
}

static int hr_avro_fields(hr_decoder *decoder, const hr_record *record, hr_field *fields, hr_error *error)
{
    static const hr_change none;
    hr_avro *state = decoder->state;
    const hr_avro_program *program;

    HR_RETURN_NOT_OK(hr_avro_run_row(decoder, record, fields, &program, error));
    return hr_change_finish(&state->rules, &none, program->forms, fields, error);
}

/* A delete: the row's key is in the message's key, else in the row before. */
static int hr_avro_delete(hr_decoder *decoder, const hr_record *record, hr_field *fields, const hr_avro_program **program, hr_error *error)
{
    hr_avro *state = decoder->state;
    size_t size = ((size_t)decoder->schema->count + 1) * sizeof(*fields);
    bool keyed = record->key != NULL && decoder->options.avro_schema == NULL && record->key_len >= HR_AVRO_HEAD && record->key[0] == 0;

    if (keyed) {
        memset(fields, 0, size);
        HR_RETURN_NOT_OK(hr_avro_run_program(decoder, record->key, record->key_len, "message key", HR_AVRO_KEY, fields, program, error));
    } else if ((*program)->envelope) {
        if (state->meta[HR_META_BEFORE].token != HR_TOKEN_OBJECT)
            return hr_error_data(error, HR_REASON_MALFORMED, NULL, 0,
                                 "a delete with neither a message key nor the row before: which row is it?");
        memcpy(fields, state->before, size);
    }
    for (int32_t i = 0; i < decoder->schema->count; i++)
        if (keyed && fields[i].token > HR_TOKEN_NULL)
            fields[i].flags |= HR_FIELD_OUTSIDE;
    hr_change_keep_key(&state->rules, !keyed, fields);
    return HR_OK;
}

static int hr_avro_event_fields(hr_decoder *decoder, const hr_record *record, hr_field *fields, hr_error *error)
{
    hr_avro *state = decoder->state;
    const hr_field *meta = state->meta, *deleted = &meta[HR_META_DELETED];
    const hr_avro_program *program;
    hr_change change = {0};

    HR_RETURN_NOT_OK(hr_avro_run_row(decoder, record, fields, &program, error));
    change.lsn = meta[HR_META_LSN];
    change.txid = meta[HR_META_TXID];
    change.ts_us = meta[HR_META_TS_US];
    change.ts_ms = meta[HR_META_TS_MS];
    change.ts_ns = meta[HR_META_TS_NS];
    change.snapshot = meta[HR_META_SNAPSHOT];
    change.schema = meta[HR_META_SCHEMA];
    change.table = meta[HR_META_TABLE];
    if (meta[HR_META_OP].token == HR_TOKEN_STRING)
        HR_RETURN_NOT_OK(hr_change_set_op(&state->rules, meta[HR_META_OP].data, meta[HR_META_OP].len, &change, error));
    else if (deleted->token == HR_TOKEN_TRUE ||
             (deleted->token == HR_TOKEN_STRING && deleted->len == 4 && memcmp(deleted->data, "true", 4) == 0))
        HR_RETURN_NOT_OK(hr_change_set_op(&state->rules, "d", 1, &change, error));
    if (program->envelope && change.op == 0)
        return hr_error_data(error, HR_REASON_MALFORMED, NULL, 0, "the change event says no operation");
    if (change.op == 'd') {
        HR_RETURN_NOT_OK(hr_avro_delete(decoder, record, fields, &program, error));
    } else if (change.op == 't') {
        memset(fields, 0, ((size_t)decoder->schema->count + 1) * sizeof(*fields));
        hr_change_keep_key(&state->rules, false, fields);
    } else if (program->envelope && meta[HR_META_AFTER].token != HR_TOKEN_OBJECT) {
        return hr_error_data(error, HR_REASON_MALFORMED, NULL, 0, "the change event of operation \"%c\" has no \"after\"", change.op);
    }
    return hr_change_finish(&state->rules, &change, program->forms, fields, error);
}

const hr_format hr_format_avro = {
    .name = "avro",
    .open = hr_avro_open,
    .close = hr_avro_close,
    .fields = hr_avro_fields,
};

const hr_format hr_format_debezium_avro = {
    .name = "debezium-avro",
    .open = hr_avro_open_event,
    .close = hr_avro_close,
    .fields = hr_avro_event_fields,
    .changes = true,
};
