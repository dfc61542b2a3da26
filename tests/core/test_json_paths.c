/* tests/core/test_json_paths.c: every case of json_cases.h wherever a value can stand in a record: under a key that no column takes, in a
 * column of every kind, at the end of a path, beside one, inside arrays, in $rest, as a key, as the record itself. What is JSON is never
 * called malformed, what is not is never loaded, and jansson says the same but for the cases that are listed with the reason. */
#include <jansson.h>

#include "core/utf8.h"
#include "decode_fixture.h"
#include "json_cases.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Where jansson judges otherwise than RFC 8259 and we do. */
static const struct {
    const char *name, *why;
} differences_listed[] = {
    {"i_number_overflows_double", "jansson keeps numbers as doubles"},
    {"i_number_overflows_double_below", "jansson keeps numbers as doubles"},
    {"i_number_exponent_of_nine_digits", "jansson keeps numbers as doubles"},
    {"y_string_nul_escape_in_key", "jansson's keys end at a NUL"},
    {"y_string_nul_escape", "the same, where the case stands as a key"},
};
static bool differences_seen[COUNT(differences_listed)];

static bool is_good(const json_case *c)
{
    return c->reason == HR_REASON_NONE || strncmp(c->name, "y_", 2) == 0;
}

/* The value alone, without the white space around it. */
static void trimmed(const json_case *c, const char **text, size_t *n)
{
    *text = c->text;
    *n = c->len;
    while (*n > 0 && strchr(" \t\r\n", **text) != NULL) {
        (*text)++;
        (*n)--;
    }
    while (*n > 0 && strchr(" \t\r\n", (*text)[*n - 1]) != NULL)
        (*n)--;
}

/* Nothing, and two values with a comma between: no value, but in brackets a list. */
static bool is_list_inside(const json_case *c)
{
    const char *text;
    size_t n;

    trimmed(c, &text, &n);
    return n == 0 || strcmp(c->name, "n_number_comma_decimals") == 0;
}

static size_t put(char *document, const char *before, const json_case *c, const char *after)
{
    size_t n = strlen(before), m = strlen(after);

    memcpy(document, before, n);
    memcpy(document + n, c->text, c->len);
    memcpy(document + n + c->len, after, m);
    document[n + c->len + m] = '\0';
    return n + c->len + m;
}

static void ask_jansson(const json_case *c, const char *document, size_t n)
{
    json_error_t why;
    json_t *value;
    bool good;

    if (n > 0 && memchr(document, '\0', n) != NULL) /* jansson overlooks a NUL byte behind a literal; JSON has none anywhere */
        return;
    value = json_loadb(document, n, JSON_ALLOW_NUL | JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &why);
    good = value != NULL;
    json_decref(value);
    for (size_t i = 0; i < COUNT(differences_listed) && good != is_good(c); i++) {
        if (strcmp(differences_listed[i].name, c->name) == 0) {
            differences_seen[i] = true;
            return;
        }
    }
    CHECK(good == is_good(c), "%s: jansson says %d of %.*s: %s", c->name, good, (int)n, document, why.text);
}

/* Decode the document three times: what the decoder remembers of the first must not matter. Returns the last verdict. */
static int decode(fixture *f, const json_case *c, const char *document, size_t n)
{
    int rc = HR_OK;

    for (int i = 0; i < 3; i++) {
        int64_t rows = f->batch->length;
        int again = fixture_decode_n(f, document, n);
        CHECK(i == 0 || again == rc, "%s: %d, then %d: %s", c->name, rc, again, f->error.message);
        rc = again;
        CHECK(f->batch->length == rows + (rc == HR_OK), "%s", c->name);
    }
    CHECK(rc == HR_OK || rc == HR_EDATA, "%s: %d %s", c->name, rc, f->error.message);
    if (!is_good(c)) {
        hr_reason reason = f->error.reason;
        CHECK(rc == HR_EDATA, "%s was loaded: %.*s", c->name, (int)n, document);
        CHECK(reason == HR_REASON_MALFORMED || reason == HR_REASON_ENCODING, "%s: %s: %s", c->name, hr_reason_name(reason),
              f->error.message);
    } else if (rc == HR_EDATA) {
        CHECK(f->error.reason != HR_REASON_MALFORMED, "%s is JSON: %.*s: %s", c->name, (int)n, document, f->error.message);
        CHECK(f->error.reason != HR_REASON_ENCODING || c->reason == HR_REASON_ENCODING, "%s: %s", c->name, f->error.message);
    }
    return rc;
}

/* ---- where no column takes it ---- */

static void test_ignored(const json_case *c)
{
    static const fixture_column columns[] = {{"id", HR_INT4, NULL, false, false}, {"b", HR_INT4, "a.b", false, false}};
    static const char *const places[][2] = {
        {"{\"spare\":", "}"},
        {"{\"id\":1,\"spare\":", "}"},
        {"{\"spare\":", ",\"id\":1}"},
        {"{ \"spare\" : ", " , \"id\" : 1 } "},
        {"{\"a\":{\"x\":", "}}"},
        {"{\"a\":{\"b\":7,\"x\":", "},\"id\":1}"},
        {"{\"spare\":[", "]}"},
        {"{\"spare\":[[1,2],", ",3],\"id\":1}"},
        {"{\"spare\":{\"k\":", "},\"id\":1}"},
        {"{\"a_key_that_is_longer_than_sixteen_bytes\":", ",\"and_so_is_this_one_thirty_two_or_more_bytes\":1}"},
    };
    char document[1024];
    fixture f;

    fixture_open(&f, "json", fixture_schema(columns, COUNT(columns)), NULL);
    for (size_t i = 0; i < COUNT(places); i++) {
        size_t n = put(document, places[i][0], c, places[i][1]);
        if (is_list_inside(c) && strchr(places[i][0], '[') != NULL)
            continue;
        ask_jansson(c, document, n);
        if (is_good(c))
            CHECK(decode(&f, c, document, n) == HR_OK, "%s under a key that no column takes: %s", c->name, f.error.message);
        else
            decode(&f, c, document, n);
    }
    fixture_close(&f);
}

/* A string as a key. */
static void test_as_a_key(const json_case *c)
{
    static const fixture_column columns[] = {{"id", HR_INT4, NULL, false, false}, {"rest", HR_JSON, "$rest", false, false}};
    char document[1024];
    fixture f;
    size_t n;

    if (c->len == 0 || c->text[0] != '"')
        return;
    fixture_open(&f, "json", fixture_schema(columns, COUNT(columns)), NULL);
    n = put(document, "{\"id\":1,", c, ":2}");
    ask_jansson(c, document, n);
    if (is_good(c))
        CHECK(decode(&f, c, document, n) == HR_OK, "%s as a key: %s", c->name, f.error.message);
    else
        decode(&f, c, document, n);
    fixture_close(&f);
}

/* The record itself: an object, or no record. */
static void test_as_a_record(const json_case *c)
{
    static const fixture_column columns[] = {{"in_no_case", HR_INT4, NULL, false, false}};
    const char *text;
    fixture f;
    size_t n;
    int rc;

    trimmed(c, &text, &n);
    fixture_open(&f, "json", fixture_schema(columns, COUNT(columns)), NULL);
    rc = fixture_decode_n(&f, c->text, c->len);
    CHECK((rc == HR_OK) == (is_good(c) && n > 0 && *text == '{'), "%s: %d %s", c->name, rc, f.error.message);
    CHECK(rc == HR_OK || f.error.reason == HR_REASON_MALFORMED || f.error.reason == HR_REASON_ENCODING, "%s: %s", c->name,
          hr_reason_name(f.error.reason));
    fixture_close(&f);
}

/* ---- where a column takes it ---- */

/* json keeps the text; text columns get a string's own text, and the JSON text of everything else. */
static void check_value(fixture *f, const json_case *c, hr_kind kind, const char *text, size_t n)
{
    const hr_column *column = &f->batch->columns[0];
    int64_t row = f->batch->length - 1;
    size_t got_len = 0;
    const char *got;
    json_t *string;

    if (n == 4 && memcmp(text, "null", 4) == 0) {
        CHECK(hr_column_is_null(column, row), "%s", c->name);
        return;
    }
    CHECK(!hr_column_is_null(column, row), "%s", c->name);
    if (kind != HR_JSON && kind != HR_TEXT)
        return;
    got = hr_column_get_bytes(column, row, &got_len);
    if (kind == HR_JSON || *text != '"') {
        CHECK(got_len == n && memcmp(got, text, n) == 0, "%s: %.*s", c->name, (int)got_len, got);
        return;
    }
    string = json_loadb(text, n, JSON_DECODE_ANY, NULL);
    CHECK(string != NULL && got_len == json_string_length(string) && memcmp(got, json_string_value(string), got_len) == 0, "%s: %.*s",
          c->name, (int)got_len, got);
    json_decref(string);
}

static void test_in_a_column(const json_case *c, hr_kind kind)
{
    const fixture_column columns[] = {{"v", kind, NULL, false, false},
                                      {"id", HR_INT4, NULL, false, false},
                                      {"deep", kind, "a.b", false, false},
                                      {"rest", HR_JSON, "$rest", false, false}};
    static const char *const places[][2] = {
        {"{\"v\":", "}"},
        {"{\"id\":1,\"v\":", "}"},
        {"{\"v\":", ",\"id\":1}"},
        {"{ \"v\" :\t", "\n}"},
        {"{\"v\":1,\"v\":", "}"},
        {"{\"a\":{\"b\":", "}}"},
        {"{\"a\":{\"x\":1,\"b\":", "},\"id\":1}"},
        {"{\"v\":[", "]}"},
        {"{\"v\":[1,", "],\"id\":1}"},
        {"{\"v\":{\"k\":", "}}"},
        {"{\"unknown\":", ",\"id\":1}"},
    };
    char document[1024];
    const char *text;
    size_t n, length;
    fixture f;

    trimmed(c, &text, &n);
    fixture_open(&f, "json", fixture_schema(columns, COUNT(columns)), NULL);
    for (size_t i = 0; i < COUNT(places); i++) {
        if (is_list_inside(c) && strchr(places[i][0], '[') != NULL)
            continue;
        length = put(document, places[i][0], c, places[i][1]);
        int rc = decode(&f, c, document, length);
        if (rc == HR_OK && i <= 4)
            check_value(&f, c, kind, text, n);
        if (is_good(c) && (i == 10 || kind == HR_JSON || (kind == HR_TEXT && c->reason == HR_REASON_NONE)))
            CHECK(rc == HR_OK, "%s in %s: %s", c->name, hr_type_table[kind]->name, f.error.message);
    }
    fixture_close(&f);
}

static void test_case(const json_case *c)
{
    test_ignored(c);
    test_as_a_key(c);
    test_as_a_record(c);
    for (int kind = 0; kind < HR_KIND_COUNT; kind++)
        test_in_a_column(c, (hr_kind)kind);
}

/* Nesting: 1,000 deep with the record itself, whatever the place; deeper is a reject of its own reason, and 100,000 are no crash. */
static void test_nesting(void)
{
    static const fixture_column columns[] = {{"id", HR_INT4, NULL, false, false}, {"v", HR_JSON, NULL, false, false}};
    static const int depths[] = {1, 500, HR_MAX_DEPTH - 1, HR_MAX_DEPTH, 100000};
    static const char *const keys[] = {"{\"spare\":", "{\"v\":"}, *const opens[] = {"[", "{\"\":"};
    fixture f;

    fixture_open(&f, "json", fixture_schema(columns, COUNT(columns)), NULL);
    for (size_t i = 0; i < COUNT(depths); i++) {
        for (int form = 0; form < 8; form++) {
            bool closed = form & 4;
            hr_buffer text = {0};
            int rc;
            hr_buffer_append(&text, keys[form & 1], strlen(keys[form & 1]), NULL);
            for (int k = 0; k < depths[i]; k++)
                hr_buffer_append(&text, opens[form >> 1 & 1], strlen(opens[form >> 1 & 1]), NULL);
            hr_buffer_append(&text, "1", 1, NULL);
            for (int k = 0; k < depths[i] && closed; k++)
                hr_buffer_append(&text, form & 2 ? "}" : "]", 1, NULL);
            hr_buffer_append(&text, "}", closed, NULL);
            rc = fixture_decode_n(&f, (const char *)text.data, text.size);
            if (depths[i] < HR_MAX_DEPTH)
                CHECK((rc == HR_OK) == closed && (closed || f.error.reason == HR_REASON_MALFORMED), "%d: %s", depths[i], f.error.message);
            else
                CHECK(rc == HR_EDATA && f.error.reason == HR_REASON_DEPTH, "%d deep: %d %s", depths[i], rc, f.error.message);
            hr_buffer_free(&text);
        }
    }
    fixture_close(&f);
}

int main(void)
{
    int classes[3] = {0, 0, 0};

    for (size_t i = 0; i < JSON_CASE_COUNT; i++)
        test_case(&json_cases[i]);
    for (size_t i = 0; i < JSON_UTF8_CASE_COUNT; i++)
        test_case(&json_utf8_cases[i]);
    test_nesting();
    for (size_t i = 0; i < JSON_CASE_COUNT; i++)
        classes[json_cases[i].name[0] == 'y' ? 0 : json_cases[i].name[0] == 'n' ? 1 : 2]++;
    CHECK(classes[0] >= 95 && classes[1] >= 188 && classes[2] + (int)JSON_UTF8_CASE_COUNT >= 35, "%d, %d and %d cases", classes[0],
          classes[1], classes[2]);
    for (size_t i = 0; i < COUNT(differences_listed); i++)
        CHECK(differences_seen[i], "%s: jansson agrees now; it was listed because %s", differences_listed[i].name,
              differences_listed[i].why);
    return CHECK_DONE();
}
