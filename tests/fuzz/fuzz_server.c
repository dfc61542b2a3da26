/* tests/fuzz/fuzz_server.c: decode, encode, PostgreSQL: what a load makes of a document against what the server's own input makes of it.
 *
 * HEADRACE_FUZZ_DSN names a database of its own (python -m tests.fuzz makes one). Byte 0 chooses the column; byte 1 how the rest becomes a
 * document: as a JSON string, as a JSON value, or as the members of an object with any columns. Documents are sent by the hundred: what
 * Headrace decodes goes by COPY BINARY into one table, json_populate_record() fills another, and the rows must be equal byte for byte. What
 * Headrace refuses the server must refuse as well, but for the differences of docs/types.md (documented() below); nothing the server
 * refuses may be loaded. An input that fails is kept; run alone (the program with its name) it is sent alone.
 */
#include <regex.h>

#include "core/bytes.h"
#include "core/copy/copy.h"
#include "core/types/jsonb_text.h"
#include "fuzz_values.h"
#include "io/load/target.h"

#define BATCH 400

typedef struct server_case {
    hr_buffer input, document;
    int32_t column; /* -1: several */
    bool loaded;
    hr_error error; /* why not */
} server_case;

static server_case cases[BATCH];
static int case_count, case_limit = BATCH;
static hr_pg *pg;
static hr_target *target;
static hr_decoder *decoder;
static hr_batch *batch;
static regex_t date_form, timestamp_form, time_form, interval_form, last_year_form, compact_form;

int LLVMFuzzerInitialize(int *count, char ***arguments);

/* ---- the database ---- */

static const char *const setup =
    "DROP SCHEMA IF EXISTS fuzz CASCADE; CREATE SCHEMA fuzz; SET search_path = fuzz, public; SET synchronous_commit = off;"
    "CREATE TYPE mood AS ENUM ('', '\"q\"', 'Very Happy', 'a,b', 'happy', 'it''s', 'null', 'ok', 'sad', '{x}', '\xc3\xbc');"
    "CREATE DOMAIN money2 AS numeric(10,2); CREATE DOMAIN day AS timestamptz(0); CREATE DOMAIN word AS varchar(8);";

static const char *const oracle =
    "CREATE UNLOGGED TABLE theirs (LIKE ours); CREATE UNLOGGED TABLE cases (id int, document text);"
    "CREATE UNLOGGED TABLE refused (id int, state text, message text);"
    "CREATE FUNCTION ask() RETURNS void LANGUAGE plpgsql AS $$ DECLARE c record; said text; BEGIN"
    " FOR c IN SELECT * FROM cases LOOP BEGIN"
    "  INSERT INTO theirs SELECT p.* FROM json_populate_record(NULL::theirs, c.document::json) p;"
    " EXCEPTION WHEN OTHERS THEN GET STACKED DIAGNOSTICS said = MESSAGE_TEXT; INSERT INTO refused VALUES (c.id, SQLSTATE, said); END;"
    " END LOOP; END $$";

static void statement(const char *sql)
{
    hr_error error;

    FUZZ_AGREE(hr_pg_exec(pg, sql, NULL, &error) == HR_OK, "%s", error.message);
}

/* A COPY BINARY stream being walked row by row; the first field of a row is its id. */
typedef struct server_rows {
    hr_buffer bytes;
    size_t at;
} server_rows;

/* All rows of a query as COPY BINARY, ready to be walked from their first. */
static void fetch(const char *query, server_rows *rows)
{
    hr_error error;
    char *bytes;
    int n;

    rows->bytes.size = 0;
    FUZZ_AGREE(hr_pg_copy_begin(pg, query, &error) == HR_OK, "%s", error.message);
    for (;;) {
        FUZZ_AGREE(hr_pg_copy_get(pg, 120000, &bytes, &n, &error) == HR_OK && n != 0, "%s", error.message);
        if (n < 0)
            break;
        FUZZ_REQUIRE(hr_buffer_append(&rows->bytes, bytes, (size_t)n, NULL) == HR_OK);
        PQfreemem(bytes);
    }
    rows->at = 19;
}

typedef struct server_field {
    const uint8_t *bytes; /* NULL: null */
    int32_t n;
} server_field;

/* The next row's fields, when its id is this one. */
static bool next_row(server_rows *rows, int32_t id, server_field *fields, int32_t count)
{
    const uint8_t *p = rows->bytes.data + rows->at;

    if (rows->at + 2 > rows->bytes.size || hr_load_be16(p) != (uint16_t)count || (int32_t)hr_load_be32(p + 6) != id)
        return false;
    p += 2;
    for (int32_t i = 0; i < count; i++) {
        fields[i].n = (int32_t)hr_load_be32(p);
        fields[i].bytes = fields[i].n < 0 ? NULL : p + 4;
        p += 4 + (fields[i].n > 0 ? fields[i].n : 0);
    }
    rows->at = (size_t)(p - rows->bytes.data);
    return true;
}

/* ---- the forms that are promised ---- */

typedef struct form {
    char name[32];
    char *pattern;
} form;

static void append(hr_buffer *out, const char *text, size_t n)
{
    FUZZ_REQUIRE(hr_buffer_append(out, text, n, NULL) == HR_OK);
}

/* A pattern in POSIX's words, with the patterns that it names. */
static char *spell(const char *pattern, const form *forms, int count)
{
    hr_buffer out = {0};

    for (const char *p = pattern; *p != '\0' && *p != '\n';) {
        bool found = false;
        if (strncmp(p, "(?:", 3) == 0) {
            append(&out, "(", 1);
            p += 3;
            continue;
        }
        if (*p == '\\' && (p[1] == 'd' || p[1] == 's')) {
            const char *range = p[1] == 'd' ? "[0-9]" : "[[:space:]]";
            append(&out, range, strlen(range));
            p += 2;
            continue;
        }
        for (int i = 0; i < count && *p == '<' && !found; i++) {
            size_t n = strlen(forms[i].name);
            found = strncmp(p + 1, forms[i].name, n) == 0 && p[n + 1] == '>';
            if (found) {
                append(&out, forms[i].pattern, strlen(forms[i].pattern));
                p += n + 2;
            }
        }
        if (!found)
            append(&out, p++, 1);
    }
    append(&out, "", 1);
    return (char *)out.data;
}

static void compile(regex_t *to, const form *forms, int count, const char *name)
{
    for (int i = 0; i < count; i++) {
        hr_buffer whole = {0};
        if (strcmp(forms[i].name, name) != 0)
            continue;
        append(&whole, "^(", 2);
        append(&whole, forms[i].pattern, strlen(forms[i].pattern));
        append(&whole, ")$", 3);
        FUZZ_AGREE(regcomp(to, (char *)whole.data, REG_EXTENDED | REG_ICASE | REG_NOSUB) == 0, "%s: %s", name, (char *)whole.data);
        hr_buffer_free(&whole);
        return;
    }
    FUZZ_AGREE(false, "%s has no pattern", name);
}

static void read_forms(void)
{
    FILE *file = fopen(FUZZ_FORMS, "r");
    form forms[40];
    char line[1024];
    int count = 0;

    FUZZ_AGREE(file != NULL, "%s", FUZZ_FORMS);
    while (fgets(line, sizeof(line), file) != NULL) {
        char *split = strstr(line, " = ");
        if (line[0] == '#' || split == NULL)
            continue;
        FUZZ_REQUIRE(count < 40 && split - line < 32);
        snprintf(forms[count].name, sizeof(forms[count].name), "%.*s", (int)(split - line), line);
        forms[count].pattern = spell(split + 3, forms, count);
        count++;
    }
    fclose(file);
    compile(&date_form, forms, count, "date");
    compile(&timestamp_form, forms, count, "timestamp");
    compile(&time_form, forms, count, "time");
    compile(&interval_form, forms, count, "interval");
    compile(&last_year_form, forms, count, "last_year");
    compile(&compact_form, forms, count, "compact");
    for (int i = 0; i < count; i++)
        free(forms[i].pattern);
}

/* Whether docs/types.md says that we refuse this though the server takes it. */
static bool documented(const server_case *c)
{
    const hr_type *type = c->error.column > 0 ? &target->schema->columns[c->error.column].type : NULL;
    const char *words = c->error.message, *first = strchr(words, '"'), *last = strrchr(words, '"');
    const hr_type *element;
    char value[HR_ERROR_MESSAGE_SIZE] = "";
    const regex_t *form;

    if (type == NULL)
        return false;
    element = type->kind == HR_ARRAY ? type->element : type;
    if (strstr(words, "arrays of arrays cannot be loaded") != NULL || strstr(words, "bounds before an array") != NULL)
        return type->kind == HR_ARRAY;
    if (c->error.reason == HR_REASON_ENCODING) /* half a pair, in a place the server does not read */
        return strstr(words, "surrogate") != NULL && (element->kind == HR_JSON || c->column < 0);
    if (element->kind < HR_DATE || element->kind > HR_INTERVAL)
        return false;
    if (strstr(words, "a number needs a unit") != NULL)
        return true;
    if (first != NULL && last > first) {
        while (hr_is_space(*++first))
            ;
        while (last > first && hr_is_space(last[-1]))
            last--;
        snprintf(value, sizeof(value), "%.*s", (int)(last - first), first);
    }
    form = element->kind == HR_DATE       ? &date_form
           : element->kind == HR_TIME     ? &time_form
           : element->kind == HR_INTERVAL ? &interval_form
                                          : &timestamp_form;
    if (regexec(form, value, 0, NULL, 0) != 0)
        return element->kind != HR_INTERVAL || c->error.reason == HR_REASON_TYPE;
    if (c->error.reason == HR_REASON_RANGE && element->kind != HR_INTERVAL)
        return regexec(&last_year_form, value, 0, NULL, 0) == 0 || regexec(&compact_form, value, 0, NULL, 0) == 0;
    return strstr(words, "means another moment") != NULL || strstr(words, "names of time zones") != NULL ||
           strstr(words, "24 hours") != NULL;
}

/* ---- comparing ---- */

/* Say what is wrong, keep the input, and end: libFuzzer would keep the wrong one, the last of the batch. */
static void differs(int which, const char *what, const char *ours, const char *theirs)
{
    const server_case *c = &cases[which];
    const char *folder = getenv("HEADRACE_FUZZ_FAILED");
    uint64_t name = UINT64_C(14695981039346656037);
    char path[512];
    FILE *file;

    fprintf(stderr, "server differs: %s\n  document %.*s\n  ours   %.300s\n  server %.300s\n", what, (int)c->document.size,
            (char *)c->document.data, ours, theirs);
    for (size_t i = 0; i < c->input.size; i++)
        name = (name ^ c->input.data[i]) * UINT64_C(1099511628211);
    snprintf(path, sizeof(path), "%s/server-%016llx", folder != NULL ? folder : ".", (unsigned long long)name);
    file = fopen(path, "wb");
    if (file != NULL && fwrite(c->input.data, 1, c->input.size, file) == c->input.size && fclose(file) == 0)
        fprintf(stderr, "Test unit written to %s\n", path);
    fflush(NULL);
    _exit(77);
}

static void shown(const server_field *field, char to[130])
{
    snprintf(to, 130, "%s", field->bytes == NULL ? "null" : "");
    for (int32_t i = 0; i < field->n && i < 60; i++)
        snprintf(to + 2 * i, 130 - 2 * (size_t)i, "%02x", field->bytes[i]);
}

/* Whether two fields hold NaN in the same places, and else the same bytes: `width` bytes a number, from `at` on every `step` bytes. */
static bool same_floats(const server_field *a, const server_field *b, int32_t width, int32_t at)
{
    for (int32_t i = 0; i < at && i < a->n; i++)
        if (a->bytes[i] != b->bytes[i])
            return false;
    while (at < a->n) {
        uint64_t x, y, top;
        if (at >= 20) { /* in an array a length goes before */
            if (memcmp(a->bytes + at, b->bytes + at, 4) != 0)
                return false;
            at += 4;
            if (hr_load_be32(a->bytes + at - 4) == UINT32_MAX)
                continue;
        }
        x = width == 4 ? (uint64_t)hr_load_be32(a->bytes + at) << 32 : hr_load_be64(a->bytes + at);
        y = width == 4 ? (uint64_t)hr_load_be32(b->bytes + at) << 32 : hr_load_be64(b->bytes + at);
        top = width == 4 ? UINT64_C(0x7f80000000000000) : UINT64_C(0x7ff0000000000000);
        if (x != y && !((x & INT64_MAX) > top && (y & INT64_MAX) > top))
            return false;
        at += width;
    }
    return true;
}

/* json keeps its text here, and there its strings are written anew: the same value is enough. */
static bool same_json(const server_field *a, const server_field *b)
{
    static hr_buffer one, two;

    one.size = two.size = 0;
    if (hr_jsonb_canonical((const char *)a->bytes, (size_t)a->n, &one, NULL) != HR_OK ||
        hr_jsonb_canonical((const char *)b->bytes, (size_t)b->n, &two, NULL) != HR_OK)
        return true; /* json can say what jsonb cannot */
    return fuzz_same(&one, &two);
}

static bool same_field(const hr_type *type, const server_field *a, const server_field *b)
{
    const hr_kind kind = type->kind == HR_ARRAY ? type->element->kind : type->kind;

    if (a->bytes == NULL || b->bytes == NULL)
        return a->bytes == b->bytes;
    if (kind == HR_JSON && type->kind == HR_ARRAY)
        return a->n >= 12 && b->n >= 12 && memcmp(a->bytes, b->bytes, 12) == 0;
    if (kind == HR_JSON)
        return same_json(a, b);
    if (a->n == b->n && memcmp(a->bytes, b->bytes, (size_t)a->n) == 0)
        return true;
    if ((kind == HR_FLOAT4 || kind == HR_FLOAT8) && a->n == b->n)
        return same_floats(a, b, kind == HR_FLOAT4 ? 4 : 8, type->kind == HR_ARRAY ? 20 : 0);
    return false;
}

static void compare(int which, const server_field *ours, const server_field *theirs)
{
    char a[130], b[130];

    for (int32_t i = 0; i < target->schema->count; i++) {
        const hr_column_def *def = &target->schema->columns[i];
        if (same_field(&def->type, &ours[i], &theirs[i]))
            continue;
        shown(&ours[i], a);
        shown(&theirs[i], b);
        differs(which, def->type.name, a, b);
    }
}

/* Send the batch; when the server refuses our bytes, find out which row it was. */
static void load_ours(void)
{
    static int32_t columns[256];
    static hr_buffer bytes;
    hr_error error;
    int64_t count = 0;
    int rc;

    for (int32_t i = 0; i < target->schema->count; i++)
        columns[i] = i;
    bytes.size = 0;
    FUZZ_REQUIRE(hr_copy_binary.header(&bytes, NULL) == HR_OK);
    for (int64_t i = 0; i < batch->length; i++) {
        uint32_t row = (uint32_t)i;
        FUZZ_REQUIRE(hr_copy_binary.rows(batch, columns, target->schema->count, &row, 1, &bytes, &error) == HR_OK);
    }
    FUZZ_REQUIRE(hr_copy_binary.trailer(&bytes, NULL) == HR_OK);
    FUZZ_AGREE(hr_pg_copy_begin(pg, "COPY ours FROM STDIN (FORMAT binary)", &error) == HR_OK, "%s", error.message);
    rc = hr_pg_copy_put(pg, bytes.data, bytes.size, &error);
    if (rc == HR_OK)
        rc = hr_pg_copy_end(pg, &count, &error);
    if (rc != HR_OK) {
        const char *line = strstr(error.message, "line ");
        int64_t row = line != NULL ? strtoll(line + 5, NULL, 10) - 1 : 0;
        row = row >= 0 && row < batch->length ? row : 0;
        differs(hr_column_get_int32(&batch->columns[0], row), "the server refuses what we send", "", error.message);
    }
    FUZZ_REQUIRE(count == batch->length);
}

static void put_case(hr_buffer *out, int id)
{
    char head[24];
    int n = snprintf(head, sizeof(head), "%d\t", id);

    append(out, head, (size_t)n);
    for (size_t i = 0; i < cases[id].document.size; i++) {
        char c = (char)cases[id].document.data[i];
        if (c == '\\' || c == '\n' || c == '\r' || c == '\t')
            append(out, "\\", 1);
        append(out, c == '\n' ? "n" : c == '\r' ? "r" : c == '\t' ? "t" : &c, 1);
    }
    append(out, "\n", 1);
}

static void judge(int id, const server_field *ours, const server_field *theirs, const char *state, const char *message)
{
    const server_case *c = &cases[id];

    if (c->loaded && theirs != NULL) {
        compare(id, ours, theirs);
    } else if (c->loaded) {
        /* json_populate_record refuses a whole document for one \u0000 in it */
        if (memmem(c->document.data, c->document.size, "\\u0000", 6) == NULL)
            differs(id, "loaded, and the server refuses it", state, message);
    } else if (theirs != NULL && !documented(c)) {
        differs(id, "refused, and the server takes it", c->error.message, hr_reason_name(c->error.reason));
    }
}

static void flush(void)
{
    static server_rows ours, theirs;
    static hr_buffer text;
    static server_field a[256], b[256];
    const int32_t columns = target->schema->count;
    PGresult *refused;
    hr_error error;
    int64_t rows = 0;
    int next = 0;

    if (case_count == 0)
        return;
    statement("TRUNCATE ours, theirs, cases, refused");
    load_ours();
    text.size = 0;
    for (int i = 0; i < case_count; i++)
        put_case(&text, i);
    FUZZ_AGREE(hr_pg_copy_begin(pg, "COPY cases FROM STDIN", &error) == HR_OK, "%s", error.message);
    FUZZ_AGREE(hr_pg_copy_put(pg, text.data, text.size, &error) == HR_OK, "%s", error.message);
    FUZZ_AGREE(hr_pg_copy_end(pg, &rows, &error) == HR_OK && rows == case_count, "%s", error.message);
    statement("SELECT ask()");
    fetch("COPY (TABLE ours ORDER BY id) TO STDOUT (FORMAT binary)", &ours);
    fetch("COPY (TABLE theirs ORDER BY id) TO STDOUT (FORMAT binary)", &theirs);
    FUZZ_AGREE(hr_pg_exec(pg, "SELECT id, state, message FROM refused ORDER BY id", &refused, &error) == HR_OK, "%s", error.message);
    for (int i = 0; i < case_count; i++) {
        bool mine = next_row(&ours, i, a, columns), other = next_row(&theirs, i, b, columns);
        const char *state = "", *message = "";
        FUZZ_REQUIRE(mine == cases[i].loaded);
        if (!other) {
            FUZZ_AGREE(next < PQntuples(refused) && strtol(PQgetvalue(refused, next, 0), NULL, 10) == i, "case %d has no answer", i);
            state = PQgetvalue(refused, next, 1);
            message = PQgetvalue(refused, next++, 2);
        }
        judge(i, mine ? a : NULL, other ? b : NULL, state, message);
    }
    PQclear(refused);
    for (int i = 0; i < case_count; i++)
        cases[i].input.size = cases[i].document.size = 0;
    hr_batch_clear(batch);
    case_count = 0;
}

/* ---- documents ---- */

/* The rest of the document after the id, or false when the input makes none that both sides must read alike. */
static bool make_document(server_case *c, fuzz_input *in)
{
    static const char hex[] = "0123456789abcdef";
    unsigned column = fuzz_byte(in), how = fuzz_byte(in) % 3;
    const char *text = (const char *)in->at;
    size_t n = fuzz_left(in);
    char head[64];

    c->column = how == 2 ? -1 : 1 + (int32_t)(column % (unsigned)(target->schema->count - 1));
    if (!hr_utf8_validate(text, n, NULL) || (n > 0 && memchr(text, '\0', n) != NULL))
        return false;
    snprintf(head, sizeof(head), "{\"id\":%d", case_count);
    append(&c->document, head, strlen(head));
    if (how != 2)
        append(&c->document, head, (size_t)snprintf(head, sizeof(head), ",\"%s\":", target->schema->columns[c->column].name));
    if (how == 0) {
        append(&c->document, "\"", 1);
        for (size_t i = 0; i < n; i++) {
            const unsigned char byte = (unsigned char)text[i];
            if (byte < 0x20 || byte == 0x7f) {
                append(&c->document, "\\u00", 4);
                append(&c->document, &hex[byte >> 4], 1);
                append(&c->document, &hex[byte & 15], 1);
                continue;
            }
            if (byte == '"' || byte == '\\')
                append(&c->document, "\\", 1);
            append(&c->document, &text[i], 1);
        }
        append(&c->document, "\"", 1);
    } else {
        if (how == 1 && hr_json_check(text, n, true, NULL) != HR_OK && memmem(text, n, "\\ud", 3) == NULL)
            return false;
        if (how == 2 && (n == 0 || memmem(text, n, "d\"", 2) != NULL || memmem(text, n, "\\u006", 5) != NULL)) /* the id stays ours */
            return false;
        append(&c->document, ",", how == 2);
        append(&c->document, text, n);
    }
    append(&c->document, "}", 1);
    if (how == 1) /* one value, and not the end of one and the beginning of others */
        return memchr(text, '\n', n) == NULL && (hr_json_check(text, n, true, NULL) == HR_OK || memmem(text, n, "\":", 2) == NULL);
    return true;
}

int LLVMFuzzerInitialize(int *count, char ***arguments)
{
    const char *dsn = getenv("HEADRACE_FUZZ_DSN");
    static const char settings[] =
        "{\"job\":\"fuzz\",\"run_id\":\"r\",\"source\":{\"kind\":\"stdin\"},\"target\":{\"table\":\"fuzz.ours\"}}";
    hr_buffer sql = {0};
    hr_load_config config;
    hr_error error;

    for (int i = 1; i < *count; i++) /* a file to be run alone */
        if ((*arguments)[i][0] != '-' && access((*arguments)[i], R_OK) == 0 && strstr((*arguments)[i], "server-") != NULL)
            case_limit = 1;
    if (dsn == NULL) {
        fprintf(stderr, "HEADRACE_FUZZ_DSN is not set: a database whose schema \"fuzz\" may be dropped\n");
        exit(2);
    }
    read_forms();
    FUZZ_AGREE(hr_pg_open(dsn, "headrace fuzz", NULL, &pg, &error) == HR_OK, "%s", error.message);
    append(&sql, setup, strlen(setup));
    FUZZ_REQUIRE(hr_sql(&sql, NULL, "CREATE UNLOGGED TABLE ours (id int NOT NULL") == HR_OK);
    for (size_t i = 0; i < FUZZ_TYPES; i++)
        if (strncmp(fuzz_type_names[i], "inet", 4) != 0) /* only the server reads it */
            FUZZ_REQUIRE(hr_sql(&sql, NULL, ", c%zu %s", i, fuzz_type_names[i]) == HR_OK);
    FUZZ_REQUIRE(hr_sql(&sql, NULL, ", m money2, day day, word word);%s", oracle) == HR_OK);
    append(&sql, "", 1);
    statement((const char *)sql.data);
    hr_buffer_free(&sql);
    FUZZ_AGREE(hr_load_config_parse(settings, &config, &error) == HR_OK, "%s", error.message);
    FUZZ_AGREE(hr_target_describe(pg, &config, 0, &target, &error) == HR_OK, "%s", error.message);
    hr_load_config_free(&config);
    FUZZ_AGREE(target->copy == &hr_copy_binary && target->schema->count < 256, "the table does not go by binary COPY");
    statement("SET search_path = fuzz, public");
    FUZZ_REQUIRE(hr_decoder_new(hr_format_find("json"), target->schema, NULL, &decoder, NULL) == HR_OK);
    FUZZ_REQUIRE(hr_batch_new(target->schema, &batch, NULL) == HR_OK);
    atexit(flush);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    server_case *c = &cases[case_count];
    fuzz_input in = {data, data + size};
    hr_record record = {.timestamp = HR_NO_TIMESTAMP};
    int rc;

    c->input.size = c->document.size = 0;
    if (!make_document(c, &in))
        return 0;
    FUZZ_REQUIRE(hr_buffer_append(&c->input, data, size, NULL) == HR_OK);
    record.data = (const char *)c->document.data;
    record.len = c->document.size;
    hr_error_clear(&c->error);
    rc = hr_decoder_decode(decoder, &record, batch, &c->error);
    FUZZ_AGREE(rc == HR_OK || rc == HR_EDATA, "%d", rc);
    c->loaded = rc == HR_OK;
    c->error.value = NULL;
    if (rc == HR_EDATA && c->error.reason == HR_REASON_MALFORMED)
        return 0; /* not JSON to us: fuzz_json_oracle.c asks whether that is right */
    if (c->loaded && hr_column_get_int32(&batch->columns[0], batch->length - 1) != case_count) {
        hr_batch_truncate(batch, batch->length - 1); /* the input gave another id after all */
        return 0;
    }
    if (++case_count >= case_limit)
        flush();
    return 0;
}
