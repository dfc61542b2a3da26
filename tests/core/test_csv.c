/* tests/core/test_csv.c: CSV: framing, quotes, nulls, headers, and what is refused. */
#include "decode_fixture.h"
#include "faults.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const fixture_column three[] = {
    {"id", HR_INT4, NULL, true, false}, {"name", HR_TEXT, NULL, false, false}, {"note", HR_TEXT, NULL, false, true}};

/* One record into (id, name, note). */
static void test_fields(void)
{
    static const struct {
        const char *text, *id, *name, *note;
    } cases[] = {
        {"1,a,b", "1", "a", "b"},
        {"1,a,b\n", "1", "a", "b"},
        {"1,a,b\r\n", "1", "a", "b"},
        {"1,a,b\r", "1", "a", "b"},
        {"1,,", "1", "<null>", "<null>"},
        {"1,\"\",\"\"", "1", "", ""},
        {"\"1\",\"a\",\"b\"", "1", "a", "b"},
        {"1,\"a,b\",\"c\nd\"", "1", "a,b", "c\nd"},
        {"1,\"a\r\nb\",\"\n\"", "1", "a\r\nb", "\n"},
        {"1,\"a\"\"b\",\"\"\"\"", "1", "a\"b", "\""},
        {"1,\"\"\"a\"\"\",\"\"\"\"\"\"", "1", "\"a\"", "\"\""},
        {"1, a , b ", "1", " a ", " b "},
        {" 1 ,a,b", "1", "a", "b"},
        {"1,a b,c\td", "1", "a b", "c\td"},
        {"1,\xc5\xbc\xc3\xb3\xc5\x82w,\xf0\x9f\x98\x80", "1", "\xc5\xbc\xc3\xb3\xc5\x82w", "\xf0\x9f\x98\x80"},
        {"1,a\\nb,\\N", "1", "a\\nb", "\\N"},
        {"1,'a','b'", "1", "'a'", "'b'"},
        {"1,0123456789abcdef,0123456789abcdef0123456789abcdef", "1", "0123456789abcdef", "0123456789abcdef0123456789abcdef"},
        {"1,\"0123456789abcdef,0123456789\"\"abcdef\",x", "1", "0123456789abcdef,0123456789\"abcdef", "x"},
        {"12345678,NULL,null", "12345678", "NULL", "null"},
    };
    fixture f;

    fixture_open(&f, "csv", fixture_schema(three, COUNT(three)), NULL);
    for (size_t i = 0; i < COUNT(cases); i++) {
        CHECK(fixture_decode(&f, cases[i].text) == HR_OK, "%s: %s", cases[i].text, f.error.message);
        CHECK_VALUE(&f, "id", (int64_t)i, cases[i].id);
        CHECK_VALUE(&f, "name", (int64_t)i, cases[i].name);
        CHECK_VALUE(&f, "note", (int64_t)i, cases[i].note);
        CHECK(f.batch->absent[i] == 0 && fixture_consistent(f.batch));
    }
    fixture_close(&f);
}

static void test_rejects(void)
{
    static const struct {
        const char *text;
        hr_reason reason;
        int64_t offset;
        const char *says;
    } cases[] = {
        {"1,a", HR_REASON_MALFORMED, 3, "too few fields: 2, where 3"},
        {"", HR_REASON_MALFORMED, 0, "too few fields: 1"},
        {"1,a,b,c", HR_REASON_MALFORMED, 6, "too many fields"},
        {"1,a,b,", HR_REASON_MALFORMED, 6, "too many fields"},
        {"1,a,\"b", HR_REASON_MALFORMED, 4, "does not end"},
        {"1,a,\"", HR_REASON_MALFORMED, 4, "does not end"},
        {"1,a,\"b\"\"", HR_REASON_MALFORMED, 4, "does not end"},
        {"1,\"a\nb,c", HR_REASON_MALFORMED, 2, "does not end"},
        {"1,a\"b,c", HR_REASON_MALFORMED, 3, "unquoted field"},
        {"1,a\",c", HR_REASON_MALFORMED, 3, "unquoted field"},
        {"1, \"a\",c", HR_REASON_MALFORMED, 3, "unquoted field"},
        {"1,\"a\"b,c", HR_REASON_MALFORMED, 5, "follows a closing quote"},
        {"1,\"a\" ,c", HR_REASON_MALFORMED, 5, "follows a closing quote"},
        {"1,\"a\"\n,c", HR_REASON_MALFORMED, 5, "follows a closing quote"},
        {"1,a\nb,c", HR_REASON_MALFORMED, 3, "line break"},
        {"1,a\rb,c", HR_REASON_MALFORMED, 3, "line break"},
        {"1,a,b\n\n", HR_REASON_MALFORMED, 5, "line break"},
        {"1,\xff,b", HR_REASON_ENCODING, 2, "UTF-8"},
        {"x,a,b", HR_REASON_TYPE, 0, "integer"},
        {"\"x\"\"y\",a,b", HR_REASON_TYPE, 1, "x\"y"},
        {",a,b", HR_REASON_NULL, 0, "NOT NULL"},
        {"\"\",a,b", HR_REASON_TYPE, 1, "integer"},
        {"2147483648,a,b", HR_REASON_RANGE, 0, "out of range"},
        {"\xef\xbb\xbf" "1,a,b", HR_REASON_TYPE, 0, "integer"},
    };
    fixture f;

    fixture_open(&f, "csv", fixture_schema(three, COUNT(three)), NULL);
    for (size_t i = 0; i < COUNT(cases); i++) {
        CHECK(fixture_decode(&f, cases[i].text) == HR_EDATA, "%s", cases[i].text);
        CHECK(f.error.reason == cases[i].reason && f.error.offset == cases[i].offset, "%s: %s at %lld: %s", cases[i].text,
              hr_reason_name(f.error.reason), (long long)f.error.offset, f.error.message);
        CHECK(strstr(f.error.message, cases[i].says) != NULL, "%s: %s", cases[i].text, f.error.message);
        CHECK(f.batch->length == 0 && fixture_consistent(f.batch));
        hr_record record = {.data = cases[i].text, .len = strlen(cases[i].text), .timestamp = HR_NO_TIMESTAMP};
        CHECK(hr_decoder_decode(f.decoder, &record, f.batch, NULL) == HR_EDATA, "without an error object");
    }
    CHECK(fixture_decode_n(&f, "1,a\0b,c", 7) == HR_EDATA && f.error.reason == HR_REASON_ENCODING && f.error.offset == 3);
    fixture_close(&f);
}

static void test_options(void)
{
    static const char bad[][2] = {{',', ','}, {'\n', '"'}, {';', '\r'}, {(char)0xe9, '"'}};
    hr_decode_options options = {.delimiter = ';', .quote = '\'', .null = "NULL"};
    hr_schema *schema = fixture_schema(three, COUNT(three));
    hr_decoder *decoder;
    hr_error error;
    fixture f;

    fixture_open(&f, "csv", fixture_schema(three, COUNT(three)), &options);
    CHECK(fixture_decode(&f, "1;NULL;'NULL'") == HR_OK, "%s", f.error.message);
    CHECK_VALUE(&f, "name", 0, "<null>");
    CHECK_VALUE(&f, "note", 0, "NULL");
    CHECK(fixture_decode(&f, "2;;'it''s \"; fine'") == HR_OK, "%s", f.error.message);
    CHECK_VALUE(&f, "name", 1, "");
    CHECK_VALUE(&f, "note", 1, "it's \"; fine");
    CHECK(fixture_decode(&f, "3;a,b;\"c\"") == HR_OK, "%s", f.error.message);
    CHECK_VALUE(&f, "name", 2, "a,b");
    CHECK_VALUE(&f, "note", 2, "\"c\"");
    fixture_close(&f);

    for (size_t i = 0; i < COUNT(bad); i++) {
        hr_decode_options wrong = {.delimiter = bad[i][0], .quote = bad[i][1]};
        CHECK(hr_decoder_new(hr_format_find("csv"), schema, &wrong, &decoder, &error) == HR_EUSAGE && decoder == NULL, "%zu", i);
    }
    static const char *const nulls[] = {"a,b", "\"", "\n", "x\r"};
    for (size_t i = 0; i < COUNT(nulls); i++) {
        hr_decode_options wrong = {.null = nulls[i]};
        CHECK(hr_decoder_new(hr_format_find("csv"), schema, &wrong, &decoder, &error) == HR_EUSAGE && decoder == NULL, "%zu", i);
    }
    hr_schema_release(schema);
}

static void test_header(void)
{
    static const fixture_column columns[] = {
        {"id", HR_INT4, NULL, true, false},        {"name", HR_TEXT, NULL, false, false},
        {"state", HR_TEXT, NULL, true, true},      {"city", HR_TEXT, "address.city", false, false},
        {"name_again", HR_TEXT, "name", false, false}, {"rest", HR_JSON, "$rest", false, false},
        {"line", HR_INT8, "$offset", false, false}};
    hr_decode_options options = {.has_header = true};
    hr_error *e;
    fixture f;

    fixture_open(&f, "csv", fixture_schema(columns, COUNT(columns)), &options);
    e = &f.error;
    CHECK(fixture_decode(&f, "1,2") == HR_EUSAGE, "the header comes first");
#define HEADER(text) hr_decoder_header(f.decoder, (text), strlen(text), e)
    CHECK(HEADER("name,id") == HR_OK, "%s", e->message);
    CHECK(fixture_decode(&f, "Eve,1") == HR_OK, "%s", e->message);
    CHECK_VALUE(&f, "id", 0, "1");
    CHECK_VALUE(&f, "name", 0, "Eve");
    CHECK_VALUE(&f, "name_again", 0, "Eve");
    CHECK_VALUE(&f, "state", 0, "<null>");
    CHECK_VALUE(&f, "rest", 0, "{}");
    CHECK_VALUE(&f, "line", 0, "42");
    CHECK(f.batch->absent[0] == 1);

    /* another file, another order, more columns; names quoted, a byte order mark, CRLF */
    CHECK(HEADER("\xef\xbb\xbf\"extra \"\"one\"\"\",\"id\",address.city,\"ta\tb\",state\r\n") == HR_OK, "%s", e->message);
    CHECK(fixture_decode(&f, "\"a \"\"b\"\" \\ \x01\",2,Oslo,,new") == HR_OK, "%s", e->message);
    CHECK_VALUE(&f, "id", 1, "2");
    CHECK_VALUE(&f, "city", 1, "Oslo");
    CHECK_VALUE(&f, "state", 1, "new");
    CHECK_VALUE(&f, "rest", 1, "{\"extra \\\"one\\\"\":\"a \\\"b\\\" \\\\ \\u0001\",\"ta\\u0009b\":null}");
    CHECK(f.batch->absent[1] == 0);
    CHECK(fixture_decode(&f, "a,2,Oslo,") == HR_EDATA && strstr(e->message, "4, where 5") != NULL, "%s", e->message);
    CHECK(fixture_decode(&f, "a,2,Oslo,,") == HR_EDATA && e->reason == HR_REASON_NULL && e->column == 2, "a null is no missing value");

    /* refused; the names learned before stay */
    CHECK(HEADER("id,name,id") == HR_EUSAGE && strstr(e->message, "twice") != NULL, "%s", e->message);
    CHECK(HEADER("name,state") == HR_EUSAGE && strstr(e->message, "\"id\"") != NULL, "%s", e->message);
    CHECK(HEADER("id,\"name") == HR_EUSAGE && strstr(e->message, "does not end") != NULL, "%s", e->message);
    CHECK(HEADER("id,na\"me") == HR_EUSAGE, "%s", e->message);
    CHECK(HEADER("id,\xff") == HR_EUSAGE, "%s", e->message);
    CHECK(HEADER("") == HR_EUSAGE, "%s", e->message);
    CHECK(hr_decoder_header(f.decoder, "id,a\0b", 6, e) == HR_EUSAGE, "%s", e->message);
    CHECK(hr_decoder_header(f.decoder, "id,\"name", 8, NULL) == HR_EUSAGE);
    CHECK(fixture_decode(&f, "a,3,Oslo,,old") == HR_OK, "%s", e->message);
    CHECK_VALUE(&f, "id", 2, "3");
    char *many = malloc(60000);
    size_t n = (size_t)snprintf(many, 60000, "id");
    for (int i = 0; i < 11000; i++)
        n += (size_t)snprintf(many + n, 60000 - n, ",%x", i);
    CHECK(hr_decoder_header(f.decoder, many, n, e) == HR_EUSAGE && strstr(e->message, "more than") != NULL, "%s", e->message);
    free(many);
    fixture_close(&f);

    hr_schema *strict = fixture_schema(columns, 5);
    strict->unknown = HR_UNKNOWN_REJECT;
    fixture_open(&f, "csv", strict, &options);
    e = &f.error;
    CHECK(HEADER("id,name,surprise") == HR_EUSAGE && strstr(e->message, "surprise") != NULL, "%s", e->message);
    CHECK(HEADER("id,name,address.city") == HR_OK, "%s", e->message);
    fixture_close(&f);
#undef HEADER
}

static void test_given_names(void)
{
    static const char *const names[] = {"note", "id"}, *const wrong[] = {"note"};
    hr_decode_options options = {.header = names, .header_count = 2};
    hr_schema *schema = fixture_schema(three, COUNT(three));
    hr_decoder *decoder;
    hr_error error;
    fixture f;

    fixture_open(&f, "csv", fixture_schema(three, COUNT(three)), &options);
    CHECK(fixture_decode(&f, "x,5") == HR_OK, "%s", f.error.message);
    CHECK_VALUE(&f, "id", 0, "5");
    CHECK_VALUE(&f, "note", 0, "x");
    CHECK_VALUE(&f, "name", 0, "<null>");
    fixture_close(&f);
    options.header = wrong;
    options.header_count = 1;
    CHECK(hr_decoder_new(hr_format_find("csv"), schema, &options, &decoder, &error) == HR_EUSAGE && decoder == NULL);
    hr_schema_release(schema);
}

static void test_byte_order_mark(void)
{
    hr_record record = {.data = "\xef\xbb\xbf\"1\",a,b", .len = 10, .offset = 0, .line = 1, .timestamp = HR_NO_TIMESTAMP};
    fixture f;

    fixture_open(&f, "csv", fixture_schema(three, COUNT(three)), NULL);
    CHECK(hr_decoder_decode(f.decoder, &record, f.batch, &f.error) == HR_OK, "%s", f.error.message);
    CHECK_VALUE(&f, "id", 0, "1");
    record.line = 2;
    record.offset = 10;
    CHECK(hr_decoder_decode(f.decoder, &record, f.batch, &f.error) == HR_EDATA);
    fixture_close(&f);
}

static void test_types(void)
{
    static const fixture_column columns[] = {
        {"j", HR_JSONB, NULL, false, false}, {"d", HR_DECIMAL, NULL, false, false}, {"b", HR_BOOL, NULL, false, false},
        {"a", HR_ARRAY, NULL, false, false}};
    fixture f;

    fixture_open(&f, "csv", fixture_schema(columns, COUNT(columns)), NULL);
    CHECK(fixture_decode(&f, "\"{\"\"a\"\": [1]}\",1.5,t,\"{1,2}\"") == HR_OK, "%s", f.error.message);
    CHECK_VALUE(&f, "j", 0, "{\"a\": [1]}");
    CHECK_VALUE(&f, "d", 0, "1.50");
    CHECK_VALUE(&f, "b", 0, "t");
    CHECK_VALUE(&f, "a", 0, "{1,2}");
    CHECK(fixture_decode(&f, "{a:1},1,t,{}") == HR_EDATA && f.error.column == 0, "%s", f.error.message);
    fixture_close(&f);
}

/* Cut a text into records and join their bodies with '|': with all of it at once, and with one more byte at a time. */
static void frames(const char *text, size_t n, char *out, size_t size, bool slowly)
{
    const hr_format *csv = hr_format_find("csv");
    hr_decode_options options = {0};
    size_t at = 0, used = 0, written = 0;

    out[0] = '\0';
    while (at < n) {
        size_t body = 0, length = 0;
        for (used = slowly ? 1 : n - at; length == 0; used++) {
            char *copy = malloc(used);
            memcpy(copy, text + at, used);
            length = csv->frame(&options, copy, used, at + used == n, &body);
            free(copy);
            if (at + used == n && length == 0) {
                snprintf(out, size, "no record at %zu", at);
                return;
            }
        }
        written += (size_t)snprintf(out + written, size - written, "%.*s|", (int)body, text + at);
        at += length;
    }
}

static void test_frame(void)
{
    static const struct {
        const char *text, *bodies;
    } cases[] = {
        {"a,b\nc,d\n", "a,b|c,d|"},
        {"a,b\r\nc,d\r\n", "a,b|c,d|"},
        {"a,b\rc,d\r", "a,b|c,d|"},
        {"a,b\nc,d", "a,b|c,d|"},
        {"a\n\nb\n", "a||b|"},
        {"a\r\n\r\nb\n", "a||b|"},
        {"a\r\rb", "a||b|"},
        {"\n", "|"},
        {"\"a\nb\",c\nd", "\"a\nb\",c|d|"},
        {"\"a\r\nb\"\r\nd\r\n", "\"a\r\nb\"|d|"},
        {"\"a\"\"\nb\"\nd", "\"a\"\"\nb\"|d|"},
        {"\"\"\"\"\nd", "\"\"\"\"|d|"},
        {"\"\"\nd", "\"\"|d|"},
        {"a,\"\n\",\"\n\"\nd\n", "a,\"\n\",\"\n\"|d|"},
        {"a\"b\nc\n", "a\"b|c|"},               /* a stray quote opens nothing */
        {"\"a\"b\"\nc\n", "\"a\"b\"|c|"},       /* text after a closing quote */
        {"\"a\" \"\nc\n", "\"a\" \"|c|"},
        {"a,\"b\nc\nd\n", "a,\"b\nc\nd\n|"},    /* never closed: all the rest */
        {"\xef\xbb\xbf\"a\nb\"\nc", "\xef\xbb\xbf\"a\nb\"|c|"},
        {"0123456789abcdef0123456789abcdef,\"0123456789\nabcdef\"\nx", "0123456789abcdef0123456789abcdef,\"0123456789\nabcdef\"|x|"},
    };
    char out[512];

    for (size_t i = 0; i < COUNT(cases); i++) {
        for (int slowly = 0; slowly < 2; slowly++) {
            frames(cases[i].text, strlen(cases[i].text), out, sizeof(out), slowly);
            CHECK(strcmp(out, cases[i].bodies) == 0, "%s -> %s, want %s", cases[i].text, out, cases[i].bodies);
        }
    }
}

/* Random tables written by the rules come back as they were; broken ones never crash, and never leave half a row. */
static void test_random(void)
{
    static const char alphabet[] = "ab,\"\n\r x;\\'1";
    unsigned seed = 99;
    char cells[3][24], text[512], damaged[512];
    const hr_format *csv = hr_format_find("csv");
    static const fixture_column columns[] = {
        {"a", HR_TEXT, NULL, false, false}, {"b", HR_TEXT, NULL, false, false}, {"c", HR_TEXT, NULL, false, false}};
    hr_decode_options options = {0};
    fixture f;

    fixture_open(&f, "csv", fixture_schema(columns, 3), NULL);
    for (int round = 0; round < 30000; round++) {
        size_t n = 0, body = 0;
        for (int c = 0; c < 3; c++) {
            bool special = false;
            size_t len;
            seed = seed * 1103515245u + 12345u;
            len = (seed >> 16) % 23;
            for (size_t i = 0; i < len; i++) {
                seed = seed * 1103515245u + 12345u;
                cells[c][i] = alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
                special = special || strchr(",\"\n\r", cells[c][i]) != NULL;
            }
            cells[c][len] = '\0';
            if (c > 0)
                text[n++] = ',';
            if (special || (seed >> 5) % 3 == 0) {
                text[n++] = '"';
                for (size_t i = 0; i < len; i++) {
                    if (cells[c][i] == '"')
                        text[n++] = '"';
                    text[n++] = cells[c][i];
                }
                text[n++] = '"';
            } else {
                memcpy(text + n, cells[c], len);
                n += len;
                if (len == 0)
                    snprintf(cells[c], sizeof(cells[c]), "<null>");
            }
        }
        hr_batch_clear(f.batch);
        CHECK(csv->frame(&options, text, n, true, &body) == n && body == n);
        CHECK(fixture_decode_n(&f, text, n) == HR_OK, "%.*s: %s", (int)n, text, f.error.message);
        if (f.batch->length == 1) {
            CHECK_VALUE(&f, "a", 0, cells[0]);
            CHECK_VALUE(&f, "b", 0, cells[1]);
            CHECK_VALUE(&f, "c", 0, cells[2]);
        }
        memcpy(damaged, text, n);
        for (int i = 0; i < 2 && n > 0; i++) {
            seed = seed * 1103515245u + 12345u;
            damaged[(seed >> 8) % n] = alphabet[(seed >> 20) % (sizeof(alphabet) - 1)];
        }
        int64_t rows = f.batch->length;
        int rc = fixture_decode_n(&f, damaged, n);
        CHECK((rc == HR_OK || rc == HR_EDATA) && f.batch->length == rows + (rc == HR_OK) && fixture_consistent(f.batch));
        for (size_t at = 0; at < n;) {
            size_t length = csv->frame(&options, damaged + at, n - at, true, &body);
            CHECK(length > 0 && body <= length && at + length <= n);
            if (length == 0)
                break;
            at += length;
        }
    }
    fixture_close(&f);
}

static void test_memory(void)
{
    static const char *const records[] = {"1,\"a\"\"b\",extra", "2,,\"ex\"\"tra\"",
                                          "3,a longer text that makes buffers grow,and more of it"};
    static const fixture_column columns[] = {
        {"id", HR_INT4, NULL, true, false}, {"name", HR_TEXT, NULL, false, false}, {"rest", HR_JSON, "$rest", false, false}};
    static const char *const names[] = {"id", "name", "x"};
    bool fired = true;

    for (long n = 1; fired; n++) {
        hr_schema *schema = fixture_schema(columns, COUNT(columns));
        hr_decode_options options = {.header = names, .header_count = 3, .null = ""};
        hr_decoder *decoder = NULL;
        hr_batch *batch = NULL;
        hr_error error;
        int64_t rows = 0;
        int failures = 0;

        hr_fault_arm(n, false);
        int rc = hr_decoder_new(hr_format_find("csv"), schema, &options, &decoder, &error);
        if (rc == HR_OK)
            rc = hr_batch_new(schema, &batch, &error);
        CHECK(rc == HR_OK || rc == HR_ENOMEM, "%d", rc);
        for (int round = 0; rc == HR_OK && round < 100; round++) {
            hr_record record = {.data = records[round % 3], .len = strlen(records[round % 3]), .timestamp = HR_NO_TIMESTAMP};
            int failed = hr_decoder_decode(decoder, &record, batch, &error);
            CHECK(failed == HR_OK || failed == HR_ENOMEM, "%d %s", failed, error.message);
            rows += failed == HR_OK;
            failures += failed != HR_OK;
            CHECK(batch->length == rows && fixture_consistent(batch));
            if (round == 50) {
                failed = hr_decoder_header(decoder, "x,\"id\",name", 11, &error);
                CHECK(failed == HR_OK || failed == HR_ENOMEM, "%s", error.message);
                failures += failed != HR_OK;
                if (failed == HR_OK)
                    CHECK(hr_decoder_header(decoder, "id,name,x", 9, &error) == HR_OK || hr_fault_fired());
                hr_decoder_header(decoder, "id,name,x", 9, &error);
            }
        }
        fired = hr_fault_fired();
        hr_fault_arm(0, false);
        CHECK(rc != HR_OK || rows + failures >= 100);
        hr_decoder_free(decoder);
        hr_batch_free(batch);
        hr_schema_release(schema);
    }
}

int main(void)
{
    test_fields();
    test_rejects();
    test_options();
    test_header();
    test_given_names();
    test_byte_order_mark();
    test_types();
    test_frame();
    test_random();
    test_memory();
    return CHECK_DONE();
}
