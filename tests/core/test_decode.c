/* tests/core/test_decode.c: records into rows: JSON documents against schemas, metadata, roll-back, memory that runs out. */
#include "decode_fixture.h"
#include "faults.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const fixture_column purchase[] = {
    {"id", HR_INT8, NULL, true, false},
    {"customer_id", HR_INT4, NULL, true, false},
    {"amount", HR_DECIMAL, NULL, true, false},
    {"currency", HR_TEXT, NULL, false, false},
    {"paid", HR_BOOL, NULL, false, false},
    {"status", HR_TEXT, NULL, true, true},
    {"score", HR_FLOAT8, NULL, false, true},
    {"extra", HR_JSONB, NULL, false, false},
};

#define EXPECT_ROW(f, text)                                                                  \
    do {                                                                                     \
        int64_t before_ = (f)->batch->length;                                                \
        CHECK(fixture_decode((f), (text)) == HR_OK, "%s: %s", (text), (f)->error.message);   \
        CHECK((f)->batch->length == before_ + 1 && fixture_consistent((f)->batch));          \
    } while (0)

#define EXPECT_REJECT(f, text, why)                                                                                       \
    do {                                                                                                                  \
        int64_t before_ = (f)->batch->length;                                                                             \
        CHECK(fixture_decode((f), (text)) == HR_EDATA, "%s", (text));                                                     \
        CHECK((f)->error.reason == (why), "%s: %s, %s", (text), hr_reason_name((f)->error.reason), (f)->error.message);   \
        CHECK((f)->error.message[0] != '\0');                                                                             \
        CHECK((f)->batch->length == before_ && fixture_consistent((f)->batch), "%s", (text));                             \
    } while (0)

static void test_values(void)
{
    fixture f;

    fixture_open(&f, "json", fixture_schema(purchase, COUNT(purchase)), NULL);
    EXPECT_ROW(&f, "{\"id\":1,\"customer_id\":7,\"amount\":12.50,\"currency\":\"EUR\",\"paid\":true,\"status\":\"new\",\"score\":0.5,"
                   "\"extra\":{\"a\":[1,2]}}");
    CHECK_VALUE(&f, "id", 0, "1");
    CHECK_VALUE(&f, "amount", 0, "12.50");
    CHECK_VALUE(&f, "currency", 0, "EUR");
    CHECK_VALUE(&f, "paid", 0, "t");
    CHECK_VALUE(&f, "score", 0, "0.5");
    CHECK(f.batch->absent[0] == 0);

    /* any order, any white space, values as strings and as their own kind, escapes in keys and values, unknown keys */
    EXPECT_ROW(&f, " { \"extra\" : \"\\u0041\" , \"zzz\":[{\"id\":9}],\"amount\":\"3\",\n\"\\u0069d\":\"-9223372036854775808\"\t,"
                   "\"customer_id\":\"8\",\"paid\":\"no\",\"currency\":17.50,\"status\":\"\",\"score\":\"1e3\"}\r\n");
    CHECK_VALUE(&f, "id", 1, "-9223372036854775808");
    CHECK_VALUE(&f, "customer_id", 1, "8");
    CHECK_VALUE(&f, "amount", 1, "3.00");
    CHECK_VALUE(&f, "currency", 1, "17.50");
    CHECK_VALUE(&f, "paid", 1, "f");
    CHECK_VALUE(&f, "status", 1, "");
    CHECK_VALUE(&f, "score", 1, "1000");

    /* all kinds of values into text */
    EXPECT_ROW(&f, "{\"id\":1,\"customer_id\":1,\"amount\":1,\"currency\":{\"a\": [1, \"x\\n\"]}}");
    CHECK_VALUE(&f, "currency", 2, "{\"a\": [1, \"x\\n\"]}");
    EXPECT_ROW(&f, "{\"id\":1,\"customer_id\":1,\"amount\":1,\"currency\":true}");
    CHECK_VALUE(&f, "currency", 3, "true");
    EXPECT_ROW(&f, "{\"id\":1,\"customer_id\":1,\"amount\":1,\"currency\":\"a\\\"\\u00e9\\ud83d\\ude00\\n\"}");
    CHECK_VALUE(&f, "currency", 4, "a\"\xc3\xa9\xf0\x9f\x98\x80\n");
    EXPECT_ROW(&f, "{\"id\":1,\"customer_id\":1,\"amount\":1,\"currency\":\"\xc5\xbc\xc3\xb3\xc5\x82w\"}");
    CHECK_VALUE(&f, "currency", 5, "\xc5\xbc\xc3\xb3\xc5\x82w");

    /* the last of two equal keys */
    EXPECT_ROW(&f, "{\"id\":1,\"id\":2,\"customer_id\":null,\"customer_id\":3,\"amount\":1,\"currency\":\"a\",\"currency\":null}");
    CHECK_VALUE(&f, "id", 6, "2");
    CHECK_VALUE(&f, "customer_id", 6, "3");
    CHECK_VALUE(&f, "currency", 6, "<null>");
    EXPECT_REJECT(&f, "{\"id\":1,\"customer_id\":3,\"amount\":1,\"id\":null}", HR_REASON_NULL);
    fixture_close(&f);
}

/* Values go to their columns while the record is still being read; nothing may be seen of that. */
static void test_order_of_errors(void)
{
    hr_batch *other;
    fixture f;

    fixture_open(&f, "json", fixture_schema(purchase, COUNT(purchase)), NULL);
    EXPECT_REJECT(&f, "{\"id\":\"x\",\"customer_id\":7,\"amount\":1", HR_REASON_MALFORMED);
    EXPECT_REJECT(&f, "{\"id\":1,\"customer_id\":7,\"amount\":\"y\"}x", HR_REASON_MALFORMED);
    EXPECT_REJECT(&f, "{\"customer_id\":\"z\",\"id\":\"y\"}", HR_REASON_TYPE); /* the schema's order decides which is told */
    CHECK(f.error.column == 0 && f.error.offset == 25, "%d %lld", (int)f.error.column, (long long)f.error.offset);
    /* of equal keys only the last counts, whatever the first was */
    EXPECT_ROW(&f, "{\"id\":\"x\",\"id\":2,\"customer_id\":99999999999,\"customer_id\":7,\"amount\":null,\"amount\":1,"
                   "\"extra\":1,\"extra\":[2]}");
    CHECK_VALUE(&f, "id", 0, "2");
    CHECK_VALUE(&f, "extra", 0, "[2]");
    EXPECT_REJECT(&f, "{\"id\":1,\"customer_id\":7,\"amount\":1,\"id\":\"x\"}", HR_REASON_TYPE);
    CHECK_TEXT(f.error.value, f.error.value_len, "x");
    EXPECT_REJECT(&f, "{\"id\":1,\"customer_id\":7,\"amount\":1,\"id\":\"\\u0078\"}", HR_REASON_TYPE);
    EXPECT_REJECT(&f, "{\"id\":1,\"customer_id\":7,\"amount\":1,\"id\":null}", HR_REASON_NULL);
    EXPECT_ROW(&f, "{\"currency\":\"first\",\"id\":1,\"customer_id\":7,\"amount\":1,\"currency\":\"a\\u0062c\",\"id\":3,\"id\":4}");
    CHECK_VALUE(&f, "id", 1, "4");
    CHECK_VALUE(&f, "currency", 1, "abc");
    EXPECT_ROW(&f, "{\"currency\":\"first\",\"id\":1,\"customer_id\":7,\"amount\":1,\"currency\":{\"a\":1},\"status\":\"s\"}");
    CHECK_VALUE(&f, "currency", 2, "{\"a\":1}");

    /* one decoder, two batches in turn */
    CHECK(hr_batch_new(f.schema, &other, &f.error) == HR_OK);
    for (int i = 0; i < 10; i++) {
        hr_batch *swap = f.batch;
        f.batch = other;
        other = swap;
        EXPECT_ROW(&f, "{\"id\":1,\"customer_id\":7,\"amount\":1,\"currency\":\"EUR\"}");
        CHECK(fixture_consistent(other));
    }
    CHECK(f.batch->length + other->length == 13);
    hr_batch_free(other);
    fixture_close(&f);
}

static void test_integers(void)
{
    static const struct {
        const char *text, *int4, *int8; /* NULL: a reject */
    } cases[] = {
        {"0", "0", "0"}, {"1", "1", "1"}, {"-1", "-1", "-1"}, {"-0", "0", "0"}, {"12", "12", "12"}, {"1234567", "1234567", "1234567"},
        {"12345678", "12345678", "12345678"}, {"99999999", "99999999", "99999999"}, {"123456789", "123456789", "123456789"},
        {"2147483647", "2147483647", "2147483647"}, {"-2147483648", "-2147483648", "-2147483648"},
        {"2147483648", NULL, "2147483648"}, {"9223372036854775807", NULL, "9223372036854775807"},
        {"9223372036854775808", NULL, NULL}, {"1.0", NULL, NULL}, {"1e3", NULL, NULL}, {"1.5", NULL, NULL}, {"true", NULL, NULL},
        {"\"\"", NULL, NULL}, {"\"12345678\"", "12345678", "12345678"}, {"\" 7 \"", "7", "7"}, {"\"1 2\"", NULL, NULL},
        {"\"\\u0031\\u0032\"", "12", "12"}, {"[1]", NULL, NULL}, {"{}", NULL, NULL}, {"\"1a\"", NULL, NULL}, {"\"a1\"", NULL, NULL},
        {"\":;<=>?@\"", NULL, NULL}, {"\"//////\"", NULL, NULL}, {"\"00000012\"", "12", "12"}, {"\"\xc3\xa9\"", NULL, NULL},
    };
    static const fixture_column columns[] = {{"a", HR_INT4, NULL, false, false}, {"b", HR_INT8, NULL, false, false}};
    char text[256];
    fixture f;

    fixture_open(&f, "json", fixture_schema(columns, 2), NULL);
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (int pad = 0; pad <= 30; pad += 15) { /* near the record's end, and far from it */
            hr_batch_clear(f.batch);
            snprintf(text, sizeof(text), "{\"a\":%s%*s}", cases[i].text, pad, "");
            CHECK((fixture_decode(&f, text) == HR_OK) == (cases[i].int4 != NULL), "%s: %s", text, f.error.message);
            if (cases[i].int4 != NULL)
                CHECK_VALUE(&f, "a", 0, cases[i].int4);
            hr_batch_clear(f.batch);
            snprintf(text, sizeof(text), "{\"b\":%s%*s}", cases[i].text, pad, "");
            CHECK((fixture_decode(&f, text) == HR_OK) == (cases[i].int8 != NULL), "%s: %s", text, f.error.message);
            if (cases[i].int8 != NULL)
                CHECK_VALUE(&f, "b", 0, cases[i].int8);
        }
    }
    /* every number of digits */
    for (int n = 1; n <= 19; n++) {
        char digits[20];
        snprintf(digits, sizeof(digits), "%.*s", n, "9182736450918273645");
        snprintf(text, sizeof(text), "{\"b\":%s,\"c\":\"padding padding\"}", digits);
        hr_batch_clear(f.batch);
        EXPECT_ROW(&f, text);
        CHECK_VALUE(&f, "b", 0, digits);
    }
    fixture_close(&f);
}

/* Values have a short way when enough of the record follows them. Both ways must agree, on any text. */
static void test_short_ways(void)
{
    static const fixture_column columns[] = {
        {"i", HR_INT4, NULL, false, false}, {"b", HR_INT8, NULL, false, false}, {"d", HR_DECIMAL, NULL, false, false},
        {"t", HR_TEXT, NULL, false, false}};
    static const char *const numbers[] = {
        "0", "1.5", "12345678", "12345678.9", "0.5", "0.05", "0.005", "1234567890", "1234567890.12", "12345678901", "99999999.99", "1e2",
        "1.5e1", "-1", "-1.25", "1.50", "1.500", "1234567.1", "9999999999.99", "12345678.12345678", "00.5", "1.2.3", "1..2", ".5", "5.",
        "1,5", "1 5", "+1", "1.-5", "1.5 ", " 1.5", "NaN", "", ".", "12345678901234567890", "1.23456789", "123456789.1"};
    char text[512];
    unsigned seed = 7;
    fixture f;

    fixture_open(&f, "json", fixture_schema(columns, COUNT(columns)), NULL);
    for (int round = 0; round < 6000; round++) {
        char value[48];
        const char *column = columns[round & 3].name;
        int rc[2];
        char got[2][64];
        hr_reason reason[2];

        if ((size_t)round < 4 * COUNT(numbers)) {
            snprintf(value, sizeof(value), "%s", numbers[round / 4]);
        } else {
            static const char alphabet[] = "0123456789012345678901234567890.-e x/:";
            int n;
            seed = seed * 1103515245u + 12345u;
            n = (int)((seed >> 16) % 40);
            for (int i = 0; i < n; i++) {
                seed = seed * 1103515245u + 12345u;
                value[i] = alphabet[(seed >> 16) % (n < 20 ? sizeof(alphabet) - 1 : 10)];
            }
            if (n > 3 && (seed & 3) != 0)
                value[n / 2] = '.';
            value[n] = '\0';
        }
        for (int way = 0; way < 2; way++) {
            snprintf(text, sizeof(text), "{\"%s\":\"%s\"%*s}", column, value, way ? 64 : 0, "");
            hr_batch_clear(f.batch);
            rc[way] = fixture_decode(&f, text);
            reason[way] = f.error.reason;
            snprintf(got[way], sizeof(got[way]), "%s", rc[way] == HR_OK ? fixture_value(&f, column, 0) : "");
        }
        CHECK(rc[0] == rc[1] && reason[0] == reason[1], "%s: %d and %d", text, rc[0], rc[1]);
        CHECK(strcmp(got[0], got[1]) == 0, "%s: \"%s\" and \"%s\"", text, got[0], got[1]);
    }
    fixture_close(&f);
}

static void test_null_and_absent(void)
{
    fixture f;

    fixture_open(&f, "json", fixture_schema(purchase, COUNT(purchase)), NULL);
    /* absent: the default's bit; null: null, default or not */
    EXPECT_ROW(&f, "{\"id\":1,\"customer_id\":1,\"amount\":1}");
    CHECK(f.batch->absent[0] == 3, "%llu", (unsigned long long)f.batch->absent[0]);
    CHECK_VALUE(&f, "status", 0, "<null>");
    CHECK_VALUE(&f, "extra", 0, "<null>");
    EXPECT_ROW(&f, "{\"id\":1,\"customer_id\":1,\"amount\":1,\"status\":\"x\",\"score\":null,\"extra\":null}");
    CHECK(f.batch->absent[1] == 0);
    CHECK_VALUE(&f, "score", 1, "<null>");
    CHECK_VALUE(&f, "extra", 1, "<null>");
    EXPECT_ROW(&f, "{\"id\":1,\"customer_id\":1,\"amount\":1,\"score\":2}");
    CHECK(f.batch->absent[2] == 1);

    EXPECT_REJECT(&f, "{\"id\":null,\"customer_id\":1,\"amount\":1}", HR_REASON_NULL);
    CHECK(f.error.column == 0 && f.error.offset == 6 && strstr(f.error.message, "null for column") != NULL, "%s", f.error.message);
    EXPECT_REJECT(&f, "{\"id\":1,\"amount\":1}", HR_REASON_NULL);
    CHECK(f.error.column == 1 && f.error.offset == -1 && strstr(f.error.message, "missing") != NULL, "%s", f.error.message);
    EXPECT_REJECT(&f, "{\"id\":1,\"customer_id\":1,\"amount\":1,\"status\":null}", HR_REASON_NULL);
    EXPECT_REJECT(&f, "{}", HR_REASON_NULL);
    fixture_close(&f);
}

static void test_rejects(void)
{
    fixture f;

    fixture_open(&f, "json", fixture_schema(purchase, COUNT(purchase)), NULL);
    EXPECT_REJECT(&f, "", HR_REASON_MALFORMED);
    EXPECT_REJECT(&f, "  \n", HR_REASON_MALFORMED);
    EXPECT_REJECT(&f, "[]", HR_REASON_MALFORMED);
    EXPECT_REJECT(&f, "1", HR_REASON_MALFORMED);
    EXPECT_REJECT(&f, "\"{}\"", HR_REASON_MALFORMED);
    EXPECT_REJECT(&f, "null", HR_REASON_MALFORMED);
    EXPECT_REJECT(&f, "{\"id\":1} {\"id\":2}", HR_REASON_MALFORMED);
    CHECK(f.error.offset == 9, "%lld", (long long)f.error.offset);
    EXPECT_REJECT(&f, "\xef\xbb\xbf{\"id\":1}", HR_REASON_MALFORMED);
    CHECK(strstr(f.error.message, "byte order mark") != NULL, "%s", f.error.message);
    EXPECT_REJECT(&f, "{\"id\":1,\"customer_id\":7,\"amount\":12.50,\"currency\":\"\xff\"}", HR_REASON_ENCODING);
    CHECK(f.error.offset == 51, "%lld", (long long)f.error.offset);
    EXPECT_REJECT(&f, "{\"ignored\xc0\x80\":1}", HR_REASON_ENCODING);
    EXPECT_REJECT(&f, "{\"id\":1,\"customer_id\":7,\"amount\":12.50,\"currency\":\"a\\u0000b\"}", HR_REASON_ENCODING);
    CHECK(f.error.column == 3 && f.error.offset == 51, "%d %lld", (int)f.error.column, (long long)f.error.offset);
    EXPECT_REJECT(&f, "{\"id\":1,\"customer_id\":7,\"amount\":12.50,\"extra\":\"a\\u0000b\"}", HR_REASON_ENCODING);
    EXPECT_REJECT(&f, "{\"ignored\":\"\\ud800\"}", HR_REASON_ENCODING);
    EXPECT_ROW(&f, "{\"id\":1,\"customer_id\":7,\"amount\":12.50,\"ignored\":\"a\\u0000b\"}");

    EXPECT_REJECT(&f, "{\"id\":1,\"customer_id\":7,\"amount\":\"abc\"}", HR_REASON_TYPE);
    CHECK(f.error.column == 2 && f.error.offset == 34, "%d %lld", (int)f.error.column, (long long)f.error.offset);
    CHECK_TEXT(f.error.value, f.error.value_len, "abc");
    EXPECT_REJECT(&f, "{\"id\":1,\"customer_id\":2147483648,\"amount\":1}", HR_REASON_RANGE);
    CHECK(f.error.column == 1);
    CHECK_TEXT(f.error.value, f.error.value_len, "2147483648");
    EXPECT_REJECT(&f, "{\"id\":1,\"customer_id\":1,\"amount\":12345678901}", HR_REASON_RANGE);
    EXPECT_REJECT(&f, "{\"id\":1,\"customer_id\":1,\"amount\":1,\"paid\":\"\\u006daybe\"}", HR_REASON_TYPE);
    CHECK_TEXT(f.error.value, f.error.value_len, "\\u006daybe");
    /* the very last column fails: all the others are taken back */
    EXPECT_REJECT(&f, "{\"id\":1,\"customer_id\":1,\"amount\":1,\"currency\":\"EUR\",\"paid\":true,\"status\":\"a\","
                      "\"score\":\"x\"}", HR_REASON_TYPE);
    CHECK(f.batch->length == 1);
    EXPECT_ROW(&f, "{\"id\":2,\"customer_id\":7,\"amount\":2,\"currency\":\"PLN\"}");
    CHECK_VALUE(&f, "currency", 1, "PLN");
    CHECK_VALUE(&f, "currency", 0, "<null>");

    /* without an error object */
    hr_record record = {.data = "{\"id\":x}", .len = 8, .timestamp = HR_NO_TIMESTAMP};
    CHECK(hr_decoder_decode(f.decoder, &record, f.batch, NULL) == HR_EDATA);
    record.data = "{\"id\":\"x\"}";
    record.len = 10;
    CHECK(hr_decoder_decode(f.decoder, &record, f.batch, NULL) == HR_EDATA && f.batch->length == 2);
    record.data = NULL;
    CHECK(hr_decoder_decode(f.decoder, &record, f.batch, &f.error) == HR_EDATA && f.error.reason == HR_REASON_TOMBSTONE);
    fixture_close(&f);
}

static void test_json_columns(void)
{
    static const fixture_column columns[] = {
        {"j", HR_JSON, NULL, false, false}, {"b", HR_JSONB, NULL, false, false}, {"a", HR_ARRAY, NULL, false, false},
        {"e", HR_ENUM, NULL, false, false}};
    fixture f;

    fixture_open(&f, "json", fixture_schema(columns, COUNT(columns)), NULL);
    EXPECT_ROW(&f, "{\"j\":\"a\\u0062\\n\",\"b\":\"x\",\"a\":[1,null,3],\"e\":\"paid\"}");
    CHECK_VALUE(&f, "j", 0, "\"a\\u0062\\n\"");
    CHECK_VALUE(&f, "b", 0, "\"x\"");
    CHECK_VALUE(&f, "a", 0, "{1,NULL,3}");
    CHECK_VALUE(&f, "e", 0, "paid");
    EXPECT_ROW(&f, "{\"j\":{\"k\":  1},\"b\":true,\"a\":\"{4,5}\"}");
    CHECK_VALUE(&f, "j", 1, "{\"k\":  1}");
    CHECK_VALUE(&f, "b", 1, "true");
    CHECK_VALUE(&f, "a", 1, "{4,5}");
    EXPECT_ROW(&f, "{\"j\":\"\\u0000\",\"b\":null}");
    CHECK_VALUE(&f, "j", 2, "\"\\u0000\"");
    CHECK_VALUE(&f, "b", 2, "<null>");
    EXPECT_REJECT(&f, "{\"a\":[1,\"x\"]}", HR_REASON_TYPE);
    EXPECT_REJECT(&f, "{\"a\":[1,2],\"e\":\"lost\"}", HR_REASON_TYPE);
    fixture_close(&f);
}

static const fixture_column nested[] = {
    {"city", HR_TEXT, "customer.address.city", false, false},
    {"customer_name", HR_TEXT, "customer.name", false, true},
    {"zip", HR_TEXT, "customer.address.zip", false, false},
    {"dotted", HR_TEXT, "a\\.b", false, false},
    {"id", HR_INT8, NULL, false, false},
};

static void test_paths(void)
{
    fixture f;

    fixture_open(&f, "json", fixture_schema(nested, COUNT(nested)), NULL);
    EXPECT_ROW(&f, "{\"id\":1,\"customer\":{\"name\":\"Eve\",\"address\":{\"city\":\"Oslo\",\"zip\":\"01\"}},"
                   "\"a.b\":\"d\",\"a\":{\"b\":\"no\"}}");
    CHECK_VALUE(&f, "city", 0, "Oslo");
    CHECK_VALUE(&f, "zip", 0, "01");
    CHECK_VALUE(&f, "customer_name", 0, "Eve");
    CHECK_VALUE(&f, "dotted", 0, "d");
    CHECK(f.batch->absent[0] == 0);
    /* a null on the way is null, anything else that is no object is absent */
    EXPECT_ROW(&f, "{\"customer\":null}");
    CHECK_VALUE(&f, "city", 1, "<null>");
    CHECK(f.batch->absent[1] == 0);
    EXPECT_ROW(&f, "{\"customer\":\"Eve\"}");
    CHECK(f.batch->absent[2] == 1);
    EXPECT_ROW(&f, "{\"customer\":[{\"name\":\"Eve\"}]}");
    CHECK(f.batch->absent[3] == 1);
    EXPECT_ROW(&f, "{\"customer\":{\"address\":null,\"name\":\"x\"}}");
    CHECK_VALUE(&f, "city", 4, "<null>");
    CHECK_VALUE(&f, "customer_name", 4, "x");
    EXPECT_ROW(&f, "{\"customer\":{ }}");
    CHECK(f.batch->absent[5] == 1);
    /* the last of two equal keys, as a whole */
    EXPECT_ROW(&f, "{\"customer\":{\"name\":\"Eve\",\"address\":{\"city\":\"Oslo\"}},\"customer\":{\"address\":{\"zip\":\"9\"}}}");
    CHECK_VALUE(&f, "city", 6, "<null>");
    CHECK_VALUE(&f, "zip", 6, "9");
    CHECK_VALUE(&f, "customer_name", 6, "<null>");
    EXPECT_ROW(&f, "{\"customer\":{\"name\":\"Eve\",\"address\":{\"city\":\"Oslo\"},\"address\":7}}");
    CHECK_VALUE(&f, "city", 7, "<null>");
    CHECK_VALUE(&f, "customer_name", 7, "Eve");
    EXPECT_REJECT(&f, "{\"customer\":{\"name\":\"Eve\",\"address\":{\"city\":\"Oslo\",}}}", HR_REASON_MALFORMED);
    EXPECT_REJECT(&f, "{\"customer\":{\"name\":\"Eve\"", HR_REASON_MALFORMED);
    fixture_close(&f);
}

static void test_path_and_whole(void)
{
    static const fixture_column columns[] = {
        {"customer", HR_JSON, NULL, false, false}, {"city", HR_TEXT, "customer.address.city", false, false},
        {"city_too", HR_TEXT, "customer.address.city", false, false}, {"rest", HR_JSON, "$rest", true, false}};
    fixture f;

    fixture_open(&f, "json", fixture_schema(columns, COUNT(columns)), NULL);
    EXPECT_ROW(&f, "{\"x\":1,\"customer\": {\"address\": {\"city\":\"Oslo\"}, \"n\":1} }");
    CHECK_VALUE(&f, "customer", 0, "{\"address\": {\"city\":\"Oslo\"}, \"n\":1}");
    CHECK_VALUE(&f, "city", 0, "Oslo");
    CHECK_VALUE(&f, "city_too", 0, "Oslo");
    CHECK_VALUE(&f, "rest", 0, "{\"x\":1}");
    EXPECT_ROW(&f, "{\"customer\":\"Eve\"}");
    CHECK_VALUE(&f, "customer", 1, "\"Eve\"");
    CHECK_VALUE(&f, "city", 1, "<null>");
    CHECK_VALUE(&f, "rest", 1, "{}");
    fixture_close(&f);
}

static void test_rest(void)
{
    static const fixture_column columns[] = {
        {"id", HR_INT4, NULL, false, false}, {"city", HR_TEXT, "customer.address.city", false, false},
        {"rest", HR_JSON, "$rest", true, false}, {"rest_b", HR_JSONB, "$rest", false, false}};
    static const struct {
        const char *record, *rest;
    } cases[] = {
        {"{}", "{}"},
        {"{\"id\":1}", "{}"},
        {"{\"a\":1}", "{\"a\":1}"},
        {"{ \"a\" : 1.50 , \"id\" : 2 , \"b\" : [ 1, {} ] }", "{\"a\" : 1.50,\"b\" : [ 1, {} ]}"},
        {"{\"a\":1,\"id\":2,\"b\":\"x\\n\",\"c\":null}", "{\"a\":1,\"b\":\"x\\n\",\"c\":null}"},
        {"{\"customer\":{\"address\":{\"city\":\"Oslo\"}}}", "{\"customer\":{\"address\":{}}}"},
        {"{\"customer\":{\"address\":{\"city\":\"Oslo\",\"zip\":1},\"n\":2},\"z\":3}",
         "{\"customer\":{\"address\":{\"zip\":1},\"n\":2},\"z\":3}"},
        {"{\"z\":3,\"customer\":{\"n\":2,\"address\":{\"zip\":1,\"city\":\"Oslo\",\"y\":0}}}",
         "{\"z\":3,\"customer\":{\"n\":2,\"address\":{\"zip\":1,\"y\":0}}}"},
        {"{\"customer\":5}", "{\"customer\":5}"},
        {"{\"customer\":null}", "{\"customer\":null}"},
        {"{\"customer\":{}}", "{\"customer\":{}}"},
        {"{\"customer\":{\"address\":[]}}", "{\"customer\":{\"address\":[]}}"},
        {"{\"cust\\u006fmer\":{\"address\":{\"city\":\"x\"}},\"\\u0069d\":4,\"\\u0061\":5}",
         "{\"cust\\u006fmer\":{\"address\":{}},\"\\u0061\":5}"},
        {"{\"a\":1,\"a\":2}", "{\"a\":1,\"a\":2}"},
    };
    hr_schema *schema;
    hr_decoder *decoder;
    hr_error error;
    fixture f;

    fixture_open(&f, "json", fixture_schema(columns, COUNT(columns)), NULL);
    for (int again = 0; again < 2; again++) { /* the second time the unknown keys are remembered */
        hr_batch_clear(f.batch);
        for (size_t i = 0; i < COUNT(cases); i++) {
            EXPECT_ROW(&f, cases[i].record);
            CHECK_VALUE(&f, "rest", (int64_t)i, cases[i].rest);
        }
    }
    EXPECT_REJECT(&f, "{\"a\":\"\\u0000\"}", HR_REASON_ENCODING);
    fixture_close(&f);

    schema = fixture_schema(columns, COUNT(columns));
    schema->unknown = HR_UNKNOWN_REJECT;
    CHECK(hr_decoder_new(hr_format_find("json"), schema, NULL, &decoder, &error) == HR_EUSAGE && decoder == NULL, "%s", error.message);
    hr_schema_release(schema);
}

static void test_unknown_reject(void)
{
    static const fixture_column columns[] = {
        {"id", HR_INT4, NULL, false, false}, {"city", HR_TEXT, "customer.address.city", false, false},
        {"note", HR_JSON, NULL, false, false}, {"inside", HR_TEXT, "note.text", false, false}};
    hr_schema *schema = fixture_schema(columns, COUNT(columns));
    fixture f;

    schema->unknown = HR_UNKNOWN_REJECT;
    fixture_open(&f, "json", schema, NULL);
    EXPECT_ROW(&f, "{\"id\":1,\"customer\":{\"address\":{\"city\":\"Oslo\"}},\"note\":{\"any\":1,\"text\":\"t\"}}");
    CHECK_VALUE(&f, "inside", 0, "t");
    EXPECT_REJECT(&f, "{\"id\":1,\"ID\":2}", HR_REASON_UNKNOWN_KEY);
    CHECK_TEXT(f.error.value, f.error.value_len, "ID");
    CHECK(f.error.offset == 8 && f.error.column == -1);
    EXPECT_REJECT(&f, "{\"id\":1,\"ID\":2}", HR_REASON_UNKNOWN_KEY);
    EXPECT_REJECT(&f, "{\"customer\":{\"name\":2}}", HR_REASON_UNKNOWN_KEY);
    CHECK_TEXT(f.error.value, f.error.value_len, "name");
    EXPECT_REJECT(&f, "{\"customer\":{\"address\":{\"\\u0063ity\":\"x\",\"\\u0043ity\":2}}}", HR_REASON_UNKNOWN_KEY);
    CHECK_TEXT(f.error.value, f.error.value_len, "\\u0043ity");
    EXPECT_ROW(&f, "{\"customer\":5}");
    fixture_close(&f);
}

/* Predictions must only ever change the speed. */
static void test_key_orders(void)
{
    static const char *const keys[] = {"id", "customer_id", "amount", "currency", "a_rather_long_key_of_a_record", "u", "status"};
    static const char *const gaps[] = {"", " ", "\n    ", "                                  "};
    static const fixture_column columns[] = {
        {"id", HR_INT4, NULL, false, false}, {"customer_id", HR_INT4, NULL, false, false}, {"amount", HR_INT4, NULL, false, false},
        {"currency", HR_INT4, NULL, false, false}, {"a_rather_long_key_of_a_record", HR_INT4, NULL, false, false},
        {"status", HR_INT4, NULL, false, false}};
    unsigned seed = 12345;
    char text[2048];
    fixture f;

    fixture_open(&f, "json", fixture_schema(columns, COUNT(columns)), NULL);
    for (int round = 0; round < 3000; round++) {
        int order[COUNT(keys)], expect[COUNT(keys)], n;
        for (size_t i = 0; i < COUNT(keys); i++)
            order[i] = (int)i;
        if (round % 7 == 0) /* long runs of one order, then another */
            seed = seed * 1103515245u + 12345u;
        unsigned shuffle = seed;
        for (size_t i = COUNT(keys) - 1; i > 0; i--) {
            shuffle = shuffle * 1103515245u + 12345u;
            size_t j = (shuffle >> 16) % (i + 1);
            int swap = order[i];
            order[i] = order[j];
            order[j] = swap;
        }
        n = snprintf(text, sizeof(text), "{");
        for (size_t i = 0; i < COUNT(keys); i++) {
            int key = order[i];
            bool missing = (shuffle >> (8 + i)) % 5 == 0;
            expect[key] = missing ? -1 : round * 10 + key;
            if (missing)
                continue;
            n += snprintf(text + n, sizeof(text) - (size_t)n, "%s%s\"%s\"%s:%s%d", n > 1 ? "," : "", gaps[(shuffle >> 4) & 3], keys[key],
                          gaps[(shuffle >> 6) & 1], gaps[(shuffle >> 7) & 3], expect[key]);
        }
        snprintf(text + n, sizeof(text) - (size_t)n, "%s}", gaps[(shuffle >> 9) & 3]);
        hr_batch_clear(f.batch);
        EXPECT_ROW(&f, text);
        for (size_t i = 0; i < COUNT(columns); i++) {
            int key = i < 5 ? (int)i : 6;
            char want[16];
            snprintf(want, sizeof(want), "%d", expect[key]);
            CHECK_VALUE(&f, columns[i].name, 0, expect[key] < 0 ? "<null>" : want);
        }
    }
    /* more unknown keys than are remembered, and one that is too long */
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 300; i++) {
            snprintf(text, sizeof(text), "{\"k%d\":%d,\"id\":%d,\"%0200d\":1,\"amount\":5}", i, i, i, i);
            hr_batch_clear(f.batch);
            EXPECT_ROW(&f, text);
            CHECK(hr_column_get_int32(&f.batch->columns[0], 0) == i && hr_column_get_int32(&f.batch->columns[2], 0) == 5);
        }
    }
    fixture_close(&f);
}

/* Keys that are hard to write, and a schema without columns of the record. */
static void test_odd_keys(void)
{
    static const fixture_column columns[] = {
        {"quote\"d", HR_INT4, NULL, false, false}, {"back\\slash", HR_INT4, NULL, false, false}, {"tab\t", HR_INT4, NULL, false, false},
        {"\xc5\xbc\xc3\xb3\xc5\x82w", HR_INT4, NULL, false, false}, {" ", HR_INT4, NULL, false, false}};
    static const fixture_column none[] = {{"offset", HR_INT8, "$offset", true, false}};
    fixture f;

    fixture_open(&f, "json", fixture_schema(columns, COUNT(columns)), NULL);
    for (int i = 0; i < 3; i++) {
        hr_batch_clear(f.batch);
        EXPECT_ROW(&f, "{\"quote\\\"d\":1,\"back\\\\slash\":2,\"tab\\t\":3,\"\xc5\xbc\xc3\xb3\\u0142w\":4,\" \":5}");
        for (int c = 0; c < 5; c++)
            CHECK(hr_column_get_int32(&f.batch->columns[c], 0) == c + 1, "column %d", c);
    }
    EXPECT_ROW(&f, "{\"\xc5\xbc\xc3\xb3\xc5\x82w\":4}");
    CHECK(hr_column_get_int32(&f.batch->columns[3], 1) == 4);
    fixture_close(&f);

    fixture_open(&f, "json", fixture_schema(none, 1), NULL);
    EXPECT_ROW(&f, "{\"a\":1}");
    CHECK_VALUE(&f, "offset", 0, "42");
    fixture_close(&f);
}

static void test_metadata(void)
{
    static const fixture_column columns[] = {
        {"v", HR_INT4, NULL, false, false},            {"topic", HR_TEXT, "$topic", false, false},
        {"part", HR_INT4, "$partition", false, false}, {"off", HR_INT8, "$offset", false, false},
        {"at", HR_TIMESTAMPTZ, "$timestamp", false, false}, {"at_number", HR_INT8, "$timestamp", false, false},
        {"key", HR_TEXT, "$key", false, false},        {"key_bytes", HR_BYTEA, "$key", false, false},
        {"raw", HR_TEXT, "$raw", true, false},         {"raw_json", HR_JSON, "$raw", true, false},
        {"off_text", HR_TEXT, "$offset", false, false}, {"key_number", HR_INT4, "$key", false, true},
        {"raw_bytes", HR_BYTEA, "$raw", false, false}};
    fixture f;
    hr_record record = {.data = "{\"v\": 1}", .len = 8, .offset = 9876543210, .timestamp = 1767225600123456, .key = "17", .key_len = 2,
                        .topic = "purchases", .partition = 3};

    fixture_open(&f, "json", fixture_schema(columns, COUNT(columns)), NULL);
    CHECK(hr_decoder_decode(f.decoder, &record, f.batch, &f.error) == HR_OK, "%s", f.error.message);
    CHECK_VALUE(&f, "topic", 0, "purchases");
    CHECK_VALUE(&f, "part", 0, "3");
    CHECK_VALUE(&f, "off", 0, "9876543210");
    CHECK_VALUE(&f, "off_text", 0, "9876543210");
    CHECK_VALUE(&f, "at", 0, "2026-01-01 00:00:00.123456+00");
    CHECK_VALUE(&f, "at_number", 0, "1767225600123456");
    CHECK_VALUE(&f, "key", 0, "17");
    CHECK_VALUE(&f, "key_number", 0, "17");
    CHECK_VALUE(&f, "key_bytes", 0, "\\x3137");
    CHECK_VALUE(&f, "raw", 0, "{\"v\": 1}");
    CHECK_VALUE(&f, "raw_json", 0, "{\"v\": 1}");
    CHECK_VALUE(&f, "raw_bytes", 0, "\\x7b2276223a20317d");
    /* none of them known */
    record.key = NULL;
    record.timestamp = HR_NO_TIMESTAMP;
    record.topic = NULL;
    CHECK(hr_decoder_decode(f.decoder, &record, f.batch, &f.error) == HR_OK, "%s", f.error.message);
    CHECK_VALUE(&f, "topic", 1, "<null>");
    CHECK_VALUE(&f, "at", 1, "<null>");
    CHECK_VALUE(&f, "key", 1, "<null>");
    CHECK_VALUE(&f, "key_number", 1, "<null>");
    CHECK(f.batch->absent[1] == 0, "null, not absent");
    /* keys that text cannot hold */
    record.key = "\xff";
    record.key_len = 1;
    CHECK(hr_decoder_decode(f.decoder, &record, f.batch, &f.error) == HR_EDATA && f.error.reason == HR_REASON_ENCODING);
    CHECK(f.error.column == 6 && f.error.offset == -1 && f.error.value_len == 1 && fixture_consistent(f.batch));
    record.key = "a\0b";
    record.key_len = 3;
    CHECK(hr_decoder_decode(f.decoder, &record, f.batch, &f.error) == HR_EDATA && f.error.reason == HR_REASON_ENCODING);
    record.key = "x";
    record.key_len = 1;
    CHECK(hr_decoder_decode(f.decoder, &record, f.batch, &f.error) == HR_EDATA && f.error.reason == HR_REASON_TYPE && f.error.column == 11);
    CHECK(f.batch->length == 2 && fixture_consistent(f.batch));
    record.key = "";
    record.key_len = 0;
    CHECK(hr_decoder_decode(f.decoder, &record, f.batch, &f.error) == HR_EDATA && f.error.column == 11, "an empty key is no integer");
    fixture_close(&f);
}

static void test_depth(void)
{
    static const fixture_column columns[] = {{"j", HR_JSON, NULL, false, false}, {"p", HR_TEXT, "x.y.z", false, false}};
    static const char *const heads[] = {"{\"j\":", "{\"ignored\":", "{\"x\":", "{\"x\":{\"y\":", "{\"x\":{\"y\":{\"w\":", ""};
    fixture f;

    fixture_open(&f, "json", fixture_schema(columns, COUNT(columns)), NULL);
    for (size_t h = 0; h < COUNT(heads); h++) {
        for (size_t n = 10000; n <= 1000000; n *= 100) {
            size_t head = strlen(heads[h]);
            char *text = malloc(head + 5 * n);
            memcpy(text, heads[h], head);
            for (size_t i = 0; i < n; i++)
                memcpy(text + head + 5 * i, i & 1 ? "{\"a\":" : "{\"x\":", 5);
            CHECK(fixture_decode_n(&f, text, head + 5 * n) == HR_EDATA && f.error.reason == HR_REASON_DEPTH, "%s", f.error.message);
            free(text);
        }
    }
    for (int levels = HR_MAX_DEPTH - 1; levels <= HR_MAX_DEPTH; levels++) { /* the record is the first level */
        char *text = malloc((size_t)levels * 2 + 6);
        memcpy(text, "{\"j\":", 5);
        memset(text + 5, '[', (size_t)levels);
        memset(text + 5 + levels, ']', (size_t)levels);
        text[5 + 2 * levels] = '}';
        CHECK((fixture_decode_n(&f, text, (size_t)levels * 2 + 6) == HR_OK) == (levels < HR_MAX_DEPTH), "%d: %s", levels, f.error.message);
        free(text);
    }
    fixture_close(&f);
}

static void test_long_values(void)
{
    static const fixture_column columns[] = {{"t", HR_TEXT, NULL, false, false}, {"rest", HR_JSON, "$rest", false, false}};
    size_t n = 16u << 20;
    char *text = malloc(2 * n + 64);
    fixture f;
    size_t len;

    fixture_open(&f, "json", fixture_schema(columns, COUNT(columns)), NULL);
    len = (size_t)snprintf(text, 64, "{\"t\":\"");
    memset(text + len, 'x', n);
    text[len + n / 2] = '\\';
    text[len + n / 2 + 1] = 'n';
    len += n;
    memcpy(text + len, "\",\"u\":\"", 7);
    len += 7;
    memset(text + len, 'y', n);
    len += n;
    memcpy(text + len, "\"}", 2);
    len += 2;
    CHECK(fixture_decode_n(&f, text, len) == HR_OK, "%s", f.error.message);
    CHECK(f.batch->columns[0].bytes.size == n - 1 && f.batch->columns[1].bytes.size == n + 8);
    CHECK(fixture_decode_n(&f, text, len - 1) == HR_EDATA && f.error.reason == HR_REASON_MALFORMED && f.error.offset == (int64_t)len - 1);
    CHECK(f.batch->length == 1 && fixture_consistent(f.batch));
    hr_record record = {.data = text, .len = HR_MAX_RECORD + 1}; /* refused before a byte is read */
    CHECK(hr_decoder_decode(f.decoder, &record, f.batch, &f.error) == HR_EDATA && f.error.reason == HR_REASON_RANGE);
    free(text);
    fixture_close(&f);
}

/* Any allocation may fail: the batch keeps its rows, and the next try succeeds. */
static void test_memory(void)
{
    static const char *const records[] = {
        "{\"id\":1,\"customer\":{\"address\":{\"city\":\"O\\u0073lo\",\"zip\":1},\"n\":2},\"unknown\":[1,2,3]}",
        "{\"id\":2,\"\\u0063ustomer\":null,\"unknown_too\":\"a longer text to make the buffers grow a longer text to make them grow\"}",
        "{\"id\":3}",
    };
    static const fixture_column columns[] = {
        {"id", HR_INT4, NULL, true, false}, {"city", HR_TEXT, "customer.address.city", false, true},
        {"off", HR_TEXT, "$offset", false, false}, {"rest", HR_JSON, "$rest", false, false}};
    bool fired = true;

    for (int forever = 0; forever < 2; forever++) {
        fired = true;
        for (long n = 1; fired; n++) {
            hr_schema *schema = fixture_schema(columns, COUNT(columns));
            hr_decoder *decoder = NULL;
            hr_batch *batch = NULL;
            hr_error error;
            int64_t rows = 0, lost = 0;

            hr_error_clear(&error);
            hr_fault_arm(n, forever);
            int rc = hr_decoder_new(hr_format_find("json"), schema, NULL, &decoder, &error);
            CHECK((rc == HR_OK) == (decoder != NULL));
            if (rc == HR_OK)
                rc = hr_batch_new(schema, &batch, &error);
            CHECK(rc == HR_OK || (rc == HR_ENOMEM && error.code == HR_ENOMEM), "%d", rc);
            for (int round = 0; rc == HR_OK && round < 100; round++) {
                hr_record record = {.data = records[round % 3], .len = strlen(records[round % 3]), .timestamp = HR_NO_TIMESTAMP};
                int failed = hr_decoder_decode(decoder, &record, batch, &error);
                CHECK(failed == HR_OK || failed == HR_ENOMEM, "%d %s", failed, error.message);
                rows += failed == HR_OK;
                CHECK(batch->length == rows && fixture_consistent(batch));
                if (failed != HR_OK) {
                    lost++;
                    hr_fault_arm(0, false);
                }
            }
            fired = hr_fault_fired() || lost > 0 || rc != HR_OK;
            hr_fault_arm(0, false);
            CHECK(rc != HR_OK || (lost <= 1 && rows + lost == 100));
            hr_decoder_free(decoder);
            hr_batch_free(batch);
            hr_schema_release(schema);
        }
    }
}

static void test_usage(void)
{
    static const fixture_column columns[] = {{"id", HR_INT4, NULL, true, false}};
    hr_schema *other = fixture_schema(columns, 1);
    hr_record record = {.data = "{\"id\":1}", .len = 8, .timestamp = HR_NO_TIMESTAMP};
    hr_batch *batch;
    fixture f;

    CHECK(hr_format_find("json") != NULL && hr_format_find("csv") != NULL && hr_format_find("xml") == NULL);
    fixture_open(&f, "json", fixture_schema(columns, 1), NULL);
    CHECK(hr_batch_new(other, &batch, &f.error) == HR_OK);
    CHECK(hr_decoder_decode(f.decoder, &record, batch, &f.error) == HR_EUSAGE);
    CHECK(hr_decoder_header(f.decoder, "id", 2, &f.error) == HR_EUSAGE);
    hr_batch_free(batch);
    hr_schema_release(other);
    hr_decoder_free(NULL);
    fixture_close(&f);
}

static void test_frame(void)
{
    const hr_format *json = hr_format_find("json");
    hr_decode_options options = {0};
    size_t body = 99;

    CHECK(json->frame(&options, "{}\n{}", 5, false, &body) == 3 && body == 2);
    CHECK(json->frame(&options, "{}\r\n{}", 6, false, &body) == 4 && body == 2);
    CHECK(json->frame(&options, "{}", 2, false, &body) == 0);
    CHECK(json->frame(&options, "{}", 2, true, &body) == 2 && body == 2);
    CHECK(json->frame(&options, "{}\r", 3, true, &body) == 3 && body == 2);
    CHECK(json->frame(&options, "\n", 1, false, &body) == 1 && body == 0);
    CHECK(json->frame(&options, "\r\n", 2, false, &body) == 2 && body == 0);
    CHECK(json->frame(&options, "", 0, false, &body) == 0);
    CHECK(json->frame(&options, "", 0, true, &body) == 0 && body == 0);
    CHECK(json->frame(&options, "a\rb\n", 4, false, &body) == 4 && body == 3);
}

int main(void)
{
    test_values();
    test_order_of_errors();
    test_integers();
    test_short_ways();
    test_null_and_absent();
    test_rejects();
    test_json_columns();
    test_paths();
    test_path_and_whole();
    test_rest();
    test_unknown_reject();
    test_key_orders();
    test_odd_keys();
    test_metadata();
    test_depth();
    test_long_values();
    test_memory();
    test_usage();
    test_frame();
    return CHECK_DONE();
}
