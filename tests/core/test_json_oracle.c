/* tests/core/test_json_oracle.c: the decoder against jansson: the same verdicts, the same values, on documents made and broken at
 * random from fixed seeds. */
#include "core/json_scan.h"
#include "core/utf8.h"

#include <jansson.h>

#include "decode_fixture.h"
#include "json_cases.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static uint64_t random_state = 20260101;

static unsigned random_below(unsigned n)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(random_state >> 33) % n;
}

/* What jansson says: 1 good, 0 bad, -1 when it stops for a limit of its own that JSON does not have. */
static int jansson_verdict(const char *text, size_t n)
{
    json_error_t error;
    json_t *value = json_loadb(text, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);

    if (value != NULL) {
        json_decref(value);
        return 1;
    }
    switch (json_error_code(&error)) {
    case json_error_numeric_overflow:
    case json_error_null_byte_in_key:
    case json_error_stack_overflow:
        return -1;
    default:
        return 0;
    }
}

static bool our_verdict(const char *text, size_t n, hr_error *error)
{
    hr_error_clear(error);
    return hr_utf8_validate(text, n, NULL) && hr_json_check(text, n, true, error) == HR_OK;
}

static int agreed, undecided;

static void compare_verdicts(const char *text, size_t n)
{
    hr_error error;
    bool ours = our_verdict(text, n, &error);
    int theirs = jansson_verdict(text, n);

    if (n > 0 && memchr(text, '\0', n) != NULL) { /* jansson overlooks a NUL byte after a literal; JSON has none anywhere */
        CHECK(!ours, "%.*s holds a NUL byte", (int)n, text);
        return;
    }
    if (theirs < 0 || error.reason == HR_REASON_DEPTH) {
        undecided++;
        return;
    }
    agreed++;
    CHECK(ours == (theirs == 1), "%.*s: we say %d (%s), jansson %d", (int)n, text, ours, error.message, theirs);
}

static void test_cases(void)
{
    for (size_t i = 0; i < JSON_CASE_COUNT; i++)
        compare_verdicts(json_cases[i].text, json_cases[i].len);
}

/* ---- documents made at random ---- */

static const char *const known_keys[] = {"id", "name", "a_key_longer_than_sixteen_bytes", "customer", "address", "city", "n", "odd\\u0041"};
static const char *const strings[] = {"", "x", "plain text", "a text that is longer than sixteen bytes", "\\n\\\"\\\\\\/", "\\u0041\\u00e9",
                                      "\\ud83d\\ude00", "\xc5\xbc\xc3\xb3\xc5\x82w", "\xf0\x9f\x98\x80", "0123456789abcde\\t", "{[,:]}"};
static const char *const numbers[] = {"0", "-0", "1", "12345678", "123456789012", "-9223372036854775808", "0.5", "-1.25", "1e5", "1.5E-3",
                                      "1234567.12345678", "100000000000000.25"};
static const char *const gaps[] = {"", "", "", " ", "\n  ", "\t", "                 "};

static void put(hr_buffer *out, const char *text)
{
    if (hr_buffer_append(out, text, strlen(text), NULL) != HR_OK)
        abort();
}

static void put_gap(hr_buffer *out, unsigned style)
{
    put(out, style < 3 ? gaps[style * 3] : gaps[random_below(COUNT(gaps))]);
}

static void put_value(hr_buffer *out, int depth, unsigned style);

static void put_object(hr_buffer *out, int depth, unsigned style)
{
    unsigned members = random_below(7);

    put(out, "{");
    for (unsigned i = 0; i < members; i++) {
        char other[32];
        put(out, i > 0 ? "," : "");
        put_gap(out, style);
        put(out, "\"");
        if (random_below(3) > 0) {
            put(out, known_keys[random_below(COUNT(known_keys))]);
        } else if (random_below(8) == 0) {
            put(out, random_below(2) ? "\\u0069d" : "cit\\u0079");
        } else {
            snprintf(other, sizeof(other), "unknown%u", random_below(200));
            put(out, other);
        }
        put(out, "\"");
        put_gap(out, style == 1 ? 0 : style);
        put(out, ":");
        put_gap(out, style);
        put_value(out, depth + 1, style);
    }
    put_gap(out, style);
    put(out, "}");
}

static void put_value(hr_buffer *out, int depth, unsigned style)
{
    unsigned kind = random_below(depth < 5 ? 9 : 6);

    if (kind <= 1) {
        put(out, "\"");
        put(out, strings[random_below(COUNT(strings))]);
        put(out, "\"");
    } else if (kind <= 3) {
        put(out, numbers[random_below(COUNT(numbers))]);
    } else if (kind <= 5) {
        static const char *const literals[] = {"null", "true", "false"};
        put(out, literals[random_below(3)]);
    } else if (kind == 6) {
        unsigned members = random_below(4);
        put(out, "[");
        for (unsigned i = 0; i < members; i++) {
            put(out, i > 0 ? "," : "");
            put_gap(out, style);
            put_value(out, depth + 1, style);
        }
        put(out, "]");
    } else {
        put_object(out, depth, style);
    }
}

/* ---- values ---- */

/* The schema: whole values, paths, both at once, and the rest. */
static const fixture_column columns[] = {
    {"id", HR_TEXT, NULL, false, false},
    {"name", HR_JSON, NULL, false, false},
    {"a_key_longer_than_sixteen_bytes", HR_TEXT, NULL, false, false},
    {"city", HR_TEXT, "customer.address.city", false, false},
    {"city_twin", HR_TEXT, "customer.address.city", false, false},
    {"customer_id", HR_TEXT, "customer.id", false, false},
    {"name_n", HR_TEXT, "name.n", false, false},
    {"odd", HR_TEXT, "oddA", false, false},
    {"rest", HR_JSON, "$rest", false, false},
};

static bool same_text(fixture *f, const hr_field *field, const char *want, size_t n)
{
    bool same;

    f->decoder->text.size = 0;
    if (hr_json_unescape(field->data, field->len, true, &f->decoder->text, NULL) != HR_OK)
        return false;
    same = f->decoder->text.size == n && (n == 0 || memcmp(f->decoder->text.data, want, n) == 0);
    return same && (memchr(field->data, '\\', field->len) != NULL) == ((field->flags & HR_FIELD_ESCAPED) != 0);
}

/* Whether the field is the value jansson found. */
static bool same_value(fixture *f, const hr_field *field, const json_t *want)
{
    json_t *again;
    bool same;

    switch (json_typeof(want)) {
    case JSON_NULL:
        return field->token == HR_TOKEN_NULL;
    case JSON_TRUE:
        return field->token == HR_TOKEN_TRUE;
    case JSON_FALSE:
        return field->token == HR_TOKEN_FALSE;
    case JSON_STRING:
        return field->token == HR_TOKEN_STRING && same_text(f, field, json_string_value(want), json_string_length(want));
    case JSON_INTEGER:
    case JSON_REAL:
    case JSON_OBJECT:
    case JSON_ARRAY:
        again = json_loadb(field->data, field->len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        same = again != NULL && json_equal(again, (json_t *)(uintptr_t)want);
        same = same && (json_is_number(want) ? field->token == HR_TOKEN_NUMBER
                                             : field->token == (json_is_object(want) ? HR_TOKEN_OBJECT : HR_TOKEN_ARRAY));
        json_decref(again);
        return same;
    }
    return false;
}

/* The value at the column's path: NULL when absent; json_null when a null is on the way. */
static json_t *at_path(json_t *record, const hr_column_def *def)
{
    json_t *value = record;

    for (int32_t i = 0; i < def->depth; i++) {
        if (json_is_null(value))
            return value;
        value = json_is_object(value) ? json_object_get(value, def->path[i]) : NULL;
        if (value == NULL)
            return NULL;
    }
    return value;
}

static void drop_path(json_t *record, const hr_column_def *def)
{
    json_t *value = record;

    for (int32_t i = 0; i + 1 < def->depth && value != NULL; i++)
        value = json_object_get(value, def->path[i]);
    if (json_is_object(value))
        json_object_del(value, def->path[def->depth - 1]);
}

static void compare_record(fixture *f, const char *text, size_t n)
{
    json_error_t why;
    json_t *record = NULL;
    hr_record source = {.data = text, .len = n, .timestamp = HR_NO_TIMESTAMP};
    hr_field *fields = f->decoder->fields;
    int rc;

    if (n > 0 && memchr(text, '\0', n) != NULL) /* see compare_verdicts */
        return;
    record = json_loadb(text, n, JSON_ALLOW_NUL, &why);
    memset(fields, 0, sizeof(*fields) * COUNT(columns));
    hr_error_clear(&f->error);
    rc = f->decoder->format->fields(f->decoder, &source, fields, &f->error);
    if (record == NULL && (json_error_code(&why) == json_error_numeric_overflow || json_error_code(&why) == json_error_null_byte_in_key)) {
        undecided++;
        return;
    }
    agreed++;
    CHECK((rc == HR_OK) == json_is_object(record), "%.*s: %s; jansson %s", (int)n, text, f->error.message, why.text);
    if (rc == HR_OK && json_is_object(record)) {
        for (int32_t i = 0; i < f->schema->count; i++) {
            const hr_column_def *def = &f->schema->columns[i];
            json_t *want = at_path(record, def);
            if (def->from != HR_FROM_PATH)
                continue;
            if (want == NULL)
                CHECK(fields[i].token == HR_TOKEN_ABSENT, "%s of %.*s", def->name, (int)n, text);
            else
                CHECK(same_value(f, &fields[i], want), "%s of %.*s", def->name, (int)n, text);
        }
        /* deeper paths first would not matter: a path is dropped from what is left */
        for (int32_t i = 0; i < f->schema->count; i++)
            if (f->schema->columns[i].from == HR_FROM_PATH)
                drop_path(record, &f->schema->columns[i]);
        CHECK(same_value(f, &fields[8], record), "rest of %.*s is %.*s", (int)n, text, (int)fields[8].len, fields[8].data);
    }
    json_decref(record);
}

static void test_documents(void)
{
    hr_buffer text = {0};
    fixture f;

    fixture_open(&f, "json", fixture_schema(columns, COUNT(columns)), NULL);
    for (int round = 0; round < 20000; round++) {
        unsigned style = random_below(4);
        text.size = 0;
        put_gap(&text, style);
        put_object(&text, 0, style);
        put_gap(&text, style);
        char *exact = malloc(text.size);
        memcpy(exact, text.data, text.size);
        compare_verdicts(exact, text.size);
        compare_record(&f, exact, text.size);
        free(exact);
    }
    fixture_close(&f);
    hr_buffer_free(&text);
}

/* ---- documents broken at random ---- */

static size_t damage(char *text, size_t n, size_t room)
{
    static const char *const pieces[] = {"\"", "\\", "{", "}", "[", "]", ",", ":", "0", "-", ".", "e", "1e9", "null", "true", "\n", " ",
                                         "a", "\\u00", "\\ud800", "\\ud83d\\ude00", "\\u0000", "\x01", "\x7f", "\x80", "\xc3",
                                         "\xed\xa0\x80", "\xf4\x90\x80\x80"};
    size_t at = n > 0 ? random_below((unsigned)n) : 0, length;
    const char *piece;

    switch (random_below(6)) {
    case 0: /* one byte becomes another */
        if (n > 0)
            text[at] = (char)random_below(256);
        return n;
    case 1: /* some bytes go */
        length = 1 + random_below(3);
        length = length < n - at ? length : n - at;
        memmove(text + at, text + at + length, n - at - length);
        return n - length;
    case 2: /* the end goes */
        return at;
    case 3: /* a part comes twice */
        length = random_below(12);
        length = length < n - at ? length : n - at;
        if (n + length > room)
            return n;
        memmove(text + at + length, text + at, n - at);
        return n + length;
    default: /* something comes in */
        piece = pieces[random_below(COUNT(pieces))];
        length = strlen(piece);
        if (n + length > room)
            return n;
        memmove(text + at + length, text + at, n - at);
        memcpy(text + at, piece, length);
        return n + length;
    }
}

static void test_damaged(void)
{
    hr_buffer text = {0};
    char broken[8192];
    fixture f;

    fixture_open(&f, "json", fixture_schema(columns, COUNT(columns)), NULL);
    for (int round = 0; round < 60000; round++) {
        unsigned style = random_below(4), times = 1 + random_below(3);
        size_t n;

        text.size = 0;
        if (random_below(4) == 0) {
            const json_case *c = &json_cases[random_below(JSON_CASE_COUNT)];
            if (hr_buffer_append(&text, c->text, c->len, NULL) != HR_OK)
                abort();
        } else {
            put_object(&text, 2, style);
        }
        if (text.size > sizeof(broken) - 256)
            continue;
        n = text.size;
        if (n > 0)
            memcpy(broken, text.data, n);
        for (unsigned i = 0; i < times; i++)
            n = damage(broken, n, sizeof(broken));
        char *exact = malloc(n ? n : 1);
        memcpy(exact, broken, n);
        compare_verdicts(exact, n);
        compare_record(&f, exact, n);

        hr_record record = {.data = exact, .len = n, .timestamp = HR_NO_TIMESTAMP};
        int64_t rows = f.batch->length;
        int rc = hr_decoder_decode(f.decoder, &record, f.batch, &f.error);
        CHECK((rc == HR_OK || rc == HR_EDATA) && f.batch->length == rows + (rc == HR_OK), "%d", rc);
        if (round % 512 == 0) {
            CHECK(fixture_consistent(f.batch));
            hr_batch_clear(f.batch);
        }
        free(exact);
    }
    fixture_close(&f);
    hr_buffer_free(&text);
}

int main(void)
{
    test_cases();
    test_documents();
    test_damaged();
    printf("agreed on %d documents, %d left to jansson's own limits\n", agreed, undecided);
    CHECK(agreed > 50000 && undecided < agreed / 10);
    return CHECK_DONE();
}
