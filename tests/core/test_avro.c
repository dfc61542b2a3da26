/* tests/core/test_avro.c: Avro under the sanitizers: change events, broken bodies, broken schemas, and without memory.
 * tests/python/test_avro.py compares with another library. */
#include "core/avro/avro.h"
#include "decode_fixture.h"
#include "faults.h"

#define VALUE                                                                                                                              \
    "{\"type\":\"record\",\"name\":\"Value\",\"fields\":[{\"name\":\"id\",\"type\":\"int\"},{\"name\":\"name\",\"type\":[\"null\","        \
    "\"string\"]},{\"name\":\"price\",\"type\":[\"null\",{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":9,\"scale\":2}]},"  \
    "{\"name\":\"at\",\"type\":{\"type\":\"long\",\"connect.name\":\"io.debezium.time.MicroTimestamp\"}},"                                 \
    "{\"name\":\"list\",\"type\":{\"type\":\"array\",\"items\":[\"null\",\"long\"]}}]}"
#define ENVELOPE                                                                                                                           \
    "{\"type\":\"record\",\"name\":\"Envelope\",\"fields\":[{\"name\":\"before\",\"type\":[\"null\"," VALUE "]},"                          \
    "{\"name\":\"after\",\"type\":[\"null\",\"Value\"]},{\"name\":\"source\",\"type\":{\"type\":\"record\",\"name\":\"Source\","           \
    "\"fields\":["                                                                                                                         \
    "{\"name\":\"version\",\"type\":\"string\"},{\"name\":\"ts_ms\",\"type\":\"long\"},{\"name\":\"table\",\"type\":\"string\"},"          \
    "{\"name\":\"lsn\",\"type\":[\"null\",\"long\"]}]}},{\"name\":\"op\",\"type\":\"string\"}]}"
#define KEY "{\"type\":\"record\",\"name\":\"Key\",\"fields\":[{\"name\":\"id\",\"type\":\"int\"}]}"

static int find(void *context, int32_t id, const char **text, size_t *n, hr_error *error)
{
    (void)context;
    if (id != 1 && id != 2)
        return hr_error_data(error, HR_REASON_MALFORMED, NULL, 0, "no schema %d", (int)id);
    *text = id == 1 ? ENVELOPE : KEY;
    *n = strlen(*text);
    return HR_OK;
}

static const hr_avro_schemas schemas = {NULL, find};

/* before: null; after: id 5, name "abc", price 12.50, at 1 s, list [1, null]; source: "3", 1000, "t", lsn 77; op c */
static const char created[] = "\0\0\0\0\1"
                              "\0"
                              "\2"
                              "\x0a"
                              "\2\6abc"
                              "\2\4\x04\xe2"
                              "\x80\x89\x7a"
                              "\4\2\2\0\0"
                              "\2"
                              "3"
                              "\xd0\x0f"
                              "\2t"
                              "\2\x9a\1"
                              "\2c";
/* before: id 6, no name, no price, at 0, list []; after: null; op d */
static const char deleted[] = "\0\0\0\0\1"
                              "\2"
                              "\x0c"
                              "\0"
                              "\0"
                              "\0"
                              "\0"
                              "\0"
                              "\2"
                              "3"
                              "\xd0\x0f"
                              "\2t"
                              "\0"
                              "\2d";
static const char key[] = "\0\0\0\0\2\x0e";

static const fixture_column columns[] = {
    {"id", HR_INT8, NULL, true, false},       {"name", HR_TEXT, NULL, true, false},       {"price", HR_DECIMAL, NULL, false, false},
    {"at", HR_TIMESTAMP, NULL, false, false}, {"list", HR_ARRAY, NULL, false, false},     {"op", HR_TEXT, "$op", false, false},
    {"lsn", HR_INT8, "$lsn", false, false},   {"table", HR_TEXT, "$table", false, false},
};

static int decode(fixture *f, const char *value, size_t n, const char *its_key, size_t key_len)
{
    char *copy = malloc(n + 1), *key_copy = malloc(key_len + 1);
    hr_record record = {.len = n, .key_len = key_len, .timestamp = HR_NO_TIMESTAMP};
    int rc;

    if (copy == NULL || key_copy == NULL)
        abort();
    copy = realloc(memcpy(copy, value, n), n ? n : 1); /* exactly as long, so that the sanitizer sees every byte too many */
    record.data = copy;
    record.key = its_key != NULL ? memcpy(key_copy, its_key, key_len) : NULL;
    hr_error_clear(&f->error);
    rc = hr_decoder_decode(f->decoder, &record, f->batch, &f->error);
    f->error.value = NULL;
    free(copy);
    free(key_copy);
    return rc;
}

static void open_events(fixture *f)
{
    const hr_decode_options options = {.avro_schemas = &schemas};

    hr_schema *schema = fixture_schema(columns, sizeof(columns) / sizeof(columns[0]));

    schema->columns[0].in_key = true;
    fixture_open(f, "debezium-avro", schema, &options);
}

static void test_events(void)
{
    fixture f;

    open_events(&f);
    CHECK(decode(&f, created, sizeof(created) - 1, NULL, 0) == HR_OK, "%s", f.error.message);
    CHECK_VALUE(&f, "id", 0, "5");
    CHECK_VALUE(&f, "name", 0, "abc");
    CHECK_VALUE(&f, "price", 0, "12.50");
    CHECK_VALUE(&f, "at", 0, "1970-01-01 00:00:01");
    CHECK_VALUE(&f, "list", 0, "{1,NULL}");
    CHECK_VALUE(&f, "op", 0, "c");
    CHECK_VALUE(&f, "lsn", 0, "77");
    CHECK_VALUE(&f, "table", 0, "t");
    CHECK(decode(&f, deleted, sizeof(deleted) - 1, key, sizeof(key) - 1) == HR_OK, "%s", f.error.message);
    CHECK_VALUE(&f, "id", 1, "7"); /* the message's key is trusted */
    CHECK_VALUE(&f, "name", 1, "<null>");
    CHECK_VALUE(&f, "op", 1, "d");
    CHECK(decode(&f, deleted, sizeof(deleted) - 1, NULL, 0) == HR_OK, "%s", f.error.message);
    CHECK_VALUE(&f, "id", 2, "6");
    CHECK_VALUE(&f, "at", 2, "<null>");
    CHECK(fixture_consistent(f.batch), "inconsistent");
    fixture_close(&f);
}

/* Cut everywhere, and changed everywhere: a row or a reject, never anything else. */
static void test_broken_bodies(void)
{
    uint32_t seed = 11;
    fixture f;

    open_events(&f);
    for (size_t n = 0; n < sizeof(created) - 1; n++)
        CHECK(decode(&f, created, n, NULL, 0) == HR_EDATA, "%zu bytes were enough", n);
    for (int round = 0; round < 20000; round++) {
        char bytes[sizeof(created)];
        int rc;

        memcpy(bytes, created, sizeof(created));
        for (int i = 0; i <= round % 3; i++) {
            seed = seed * 1664525u + 1013904223u;
            bytes[5 + (seed >> 8) % (sizeof(created) - 6)] = (char)(seed >> 24);
        }
        rc = decode(&f, bytes, sizeof(created) - 1, key, sizeof(key) - 1);
        CHECK(rc == HR_OK || rc == HR_EDATA, "%d %s", rc, f.error.message);
    }
    CHECK(fixture_consistent(f.batch), "inconsistent");
    fixture_close(&f);
}

static void test_broken_schemas(void)
{
    static const char whole[] = ENVELOPE;
    uint32_t seed = 3;
    hr_avro_type *type;
    hr_error error;
    hr_arena arena;

    hr_arena_init(&arena, 0);
    CHECK(hr_avro_schema_read(&arena, whole, sizeof(whole) - 1, &type, &error) == HR_OK, "%s", error.message);
    for (size_t n = 0; n < sizeof(whole) - 1; n++)
        CHECK(hr_avro_schema_read(&arena, whole, n, &type, &error) == HR_EDATA, "%zu bytes were enough", n);
    for (int round = 0; round < 5000; round++) {
        char text[sizeof(whole)];
        int rc;

        memcpy(text, whole, sizeof(whole));
        for (int i = 0; i <= round % 3; i++) {
            seed = seed * 1664525u + 1013904223u;
            text[(seed >> 8) % (sizeof(whole) - 1)] = "\"{}[],:abnulstring"[(seed >> 3) % 18];
        }
        rc = hr_avro_schema_read(&arena, text, sizeof(whole) - 1, &type, &error);
        CHECK(rc == HR_OK || rc == HR_EDATA, "%d", rc);
        hr_arena_reset(&arena);
    }
    hr_arena_free(&arena);
}

static int asked;

static int find_broken(void *context, int32_t id, const char **text, size_t *n, hr_error *error)
{
    (void)context;
    (void)error;
    asked++;
    *text = id == 1 ? "{\"type\":\"record\",\"name\":\"V\",\"fields\":[{\"name\":\"id\"}]}" : KEY;
    *n = strlen(*text);
    return HR_OK;
}

/* A schema that cannot be used is read once, and every message is told why. */
static void test_broken_schema_once(void)
{
    static const hr_avro_schemas broken = {NULL, find_broken};
    const hr_decode_options options = {.avro_schemas = &broken};
    hr_schema *schema = fixture_schema(columns, 1);
    char first[HR_ERROR_MESSAGE_SIZE] = "";
    fixture f;

    fixture_open(&f, "avro", schema, &options);
    for (int i = 0; i < 5; i++) {
        CHECK(decode(&f, "\0\0\0\0\1\2", 6, NULL, 0) == HR_EDATA && f.error.reason == HR_REASON_MALFORMED, "%s", f.error.message);
        if (i == 0)
            snprintf(first, sizeof(first), "%s", f.error.message);
        CHECK(strcmp(first, f.error.message) == 0, "%s, then %s", first, f.error.message);
        CHECK(decode(&f, "\0\0\0\0\2\2", 6, NULL, 0) == HR_OK, "%s", f.error.message);
    }
    CHECK(asked == 2, "asked %d times", asked);
    fixture_close(&f);
}

/* Records of no bytes whose fields have long names: four bytes of a body that are 20 MB of JSON. */
static void test_json_growth(void)
{
    static const fixture_column whole[] = {{"list", HR_JSONB, NULL, false, false}};
    char name[2001], text[2600];
    const hr_decode_options options = {.avro_schema = text};
    fixture f;

    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    snprintf(text, sizeof(text),
             "{\"type\":\"record\",\"name\":\"V\",\"fields\":[{\"name\":\"list\",\"type\":{\"type\":\"array\",\"items\":{\"type\":"
             "\"record\",\"name\":\"E\",\"fields\":[{\"name\":\"%s\",\"type\":\"null\"}]}}}]}",
             name);
    fixture_open(&f, "avro", fixture_schema(whole, 1), &options);
    CHECK(decode(&f, "\xc8\1\0", 3, NULL, 0) == HR_OK, "100 of them: %s", f.error.message);
    CHECK(decode(&f, "\xa0\x9c\1\0", 4, NULL, 0) == HR_EDATA && f.error.reason == HR_REASON_RANGE, "10,000: %s", f.error.message);
    fixture_close(&f);
}

static void test_without_memory(void)
{
    const hr_decode_options options = {.avro_schemas = &schemas};
    bool fired = true;

    for (long n = 1; fired; n++) {
        hr_schema *schema = fixture_schema(columns, sizeof(columns) / sizeof(columns[0]));
        const hr_record records[] = {
            {.data = created, .len = sizeof(created) - 1, .timestamp = HR_NO_TIMESTAMP},
            {.data = deleted, .len = sizeof(deleted) - 1, .key = key, .key_len = sizeof(key) - 1, .timestamp = HR_NO_TIMESTAMP},
        };
        hr_decoder *decoder = NULL;
        hr_batch *batch = NULL;
        hr_error error;
        int rc;

        hr_fault_arm(n, false);
        rc = hr_decoder_new(hr_format_find("debezium-avro"), schema, &options, &decoder, &error);
        if (rc == HR_OK)
            rc = hr_batch_new(schema, &batch, &error);
        for (int row = 0; row < 2 && rc == HR_OK; row++) {
            rc = hr_decoder_decode(decoder, &records[row], batch, &error);
            CHECK(batch->length == row + (rc == HR_OK) && fixture_consistent(batch), "the batch has changed");
        }
        fired = hr_fault_fired();
        hr_fault_arm(0, false);
        CHECK(rc == (fired ? HR_ENOMEM : HR_OK), "rc %d: %s", rc, error.message);
        if (fired && batch != NULL)
            CHECK(hr_decoder_decode(decoder, &records[0], batch, &error) == HR_OK, "%s", error.message);
        hr_decoder_free(decoder);
        hr_batch_free(batch);
        hr_schema_release(schema);
    }
}

#define EVERY                                                                                                                              \
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"b\",\"type\":\"boolean\"},{\"name\":\"i\",\"type\":\"int\"},"             \
    "{\"name\":\"l\",\"type\":\"long\"},{\"name\":\"f\",\"type\":\"float\"},{\"name\":\"d\",\"type\":{\"type\":{\"type\":\"double\"}}},"   \
    "{\"name\":\"y\",\"type\":\"bytes\"},{\"name\":\"s\",\"type\":\"string\"},"                                                            \
    "{\"name\":\"x\",\"type\":{\"type\":\"fixed\",\"name\":\"X\",\"size\":2}},"                                                            \
    "{\"name\":\"e\",\"type\":{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\"]}},"                                              \
    "{\"name\":\"a\",\"type\":{\"type\":\"array\",\"items\":\"int\"}},{\"name\":\"m\",\"type\":{\"type\":\"map\",\"values\":\"string\"}}," \
    "{\"name\":\"u\",\"type\":[\"null\",\"string\"]},"                                                                                     \
    "{\"name\":\"c\",\"type\":{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":4,\"scale\":2}},"                              \
    "{\"name\":\"g\",\"type\":{\"type\":\"fixed\",\"name\":\"G\",\"size\":2,\"logicalType\":\"decimal\",\"precision\":4,\"scale\":2}}]}"
/* true, -1, 300, 1.5, 0.25, 2 bytes, a"<newline>, "hi", B, [1, 2] with its length, {"k": "v"}, "z", 1.25, 1.25 */
#define EVERY_BODY "\1\1\xd8\4\0\0\xc0\x3f\0\0\0\0\0\0\xd0\x3f\4\xff\0\6a\"\nhi\2\3\4\2\4\0\2\2k\2v\0\2\2z\2\x7d\0\x7d"

/* A value of every kind: as JSON for a column, passed over in another place, and cut everywhere. */
static void test_every_kind(void)
{
    static const fixture_column taken[] = {{"all", HR_JSON, NULL, false, false}, {"last", HR_INT8, NULL, false, false}};
    static const char body[] = EVERY_BODY EVERY_BODY "\0\0\0\0\0\0\xd0\x3f\x0e";
    const hr_decode_options options = {.avro_schema = "{\"type\":\"record\",\"name\":\"V\",\"fields\":[{\"name\":\"all\",\"type\":" EVERY
                                                      "},{\"name\":\"none\",\"type\":\"R\"},{\"name\":\"real\",\"type\":\"double\"},"
                                                      "{\"name\":\"last\",\"type\":\"long\"}]}"};
    static const fixture_column real[] = {{"real", HR_FLOAT8, NULL, false, false}};
    fixture f;

    fixture_open(&f, "avro", fixture_schema(taken, 2), &options);
    CHECK(decode(&f, body, sizeof(body) - 1, NULL, 0) == HR_OK, "%s", f.error.message);
    CHECK_VALUE(&f, "all", 0,
                "{\"b\":true,\"i\":-1,\"l\":300,\"f\":1.5,\"d\":0.25,\"y\":\"/wA=\",\"s\":\"a\\\"\\u000a\",\"x\":\"aGk=\",\"e\":\"B\","
                "\"a\":[1,2],\"m\":{\"k\":\"v\"},\"u\":\"z\",\"c\":1.25,\"g\":1.25}");
    CHECK_VALUE(&f, "last", 0, "7");
    for (size_t n = 0; n < sizeof(body) - 1; n++)
        CHECK(decode(&f, body, n, NULL, 0) == HR_EDATA && f.error.reason == HR_REASON_MALFORMED, "%zu bytes were enough", n);
    fixture_close(&f);
    fixture_open(&f, "avro", fixture_schema(real, 1), &options);
    CHECK(decode(&f, body, sizeof(body) - 1, NULL, 0) == HR_OK, "%s", f.error.message);
    CHECK_VALUE(&f, "real", 0, "0.25");
    for (size_t n = 0; n < sizeof(body) - 1; n++)
        CHECK(decode(&f, body, n, NULL, 0) == HR_EDATA && f.error.reason == HR_REASON_MALFORMED, "%zu bytes were enough", n);
    fixture_close(&f);
}

/* One message under one schema: HR_OK, or HR_EDATA with this reason and words. */
static void one(int line, const char *schema, hr_kind kind, const char *source, const char *body, size_t n, hr_reason reason,
                const char *want)
{
    const fixture_column column[] = {{"v", kind, source, false, false}};
    const hr_decode_options options = {.avro_schema = schema};
    fixture f;
    int rc;

    fixture_open(&f, "avro", fixture_schema(column, 1), &options);
    rc = decode(&f, body, n, NULL, 0);
    if (reason == HR_REASON_NONE) {
        CHECK(rc == HR_OK, "line %d: %s", line, f.error.message);
        if (rc == HR_OK)
            CHECK(strcmp(fixture_value(&f, "v", 0), want) == 0, "line %d: got %s", line, fixture_value(&f, "v", 0));
    } else {
        CHECK(rc == HR_EDATA && f.error.reason == reason, "line %d: %d, reason %d", line, rc, (int)f.error.reason);
        CHECK(strstr(f.error.message, want) != NULL, "line %d: %s", line, f.error.message);
    }
    fixture_close(&f);
}

#define FIELD(type) "{\"type\":\"record\",\"name\":\"V\",\"fields\":[{\"name\":\"v\",\"type\":" type "}]}"
#define OTHER(type) "{\"type\":\"record\",\"name\":\"V\",\"fields\":[{\"name\":\"w\",\"type\":" type "}]}"
#define DURATION "{\"type\":\"fixed\",\"name\":\"D\",\"size\":12,\"logicalType\":\"duration\"}"
#define NESTED "{\"type\":\"record\",\"name\":\"N\",\"fields\":[{\"name\":\"next\",\"type\":[\"null\",\"N\"]}]}"
#define EMPTY                                                                                                                              \
    "{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"Z\",\"fields\":[{\"name\":\"p\",\"type\":\"null\"},"                    \
    "{\"name\":\"q\",\"type\":\"null\"}]}}"
#define UNLIKE "[\"null\",{\"type\":\"int\",\"logicalType\":\"date\"},\"int\"]"
#define NULL_LAST "[{\"type\":\"int\",\"logicalType\":\"date\"},\"null\"]"
#define BRANCHES "[\"null\",{\"type\":\"record\",\"name\":\"B\",\"fields\":[{\"name\":\"b\",\"type\":\"int\"}]},\"int\"]"

static void test_single_values(void)
{
    char deep[301];

    one(__LINE__, FIELD(DURATION), HR_INTERVAL, NULL, "\1\0\0\0\2\0\0\0\xbc\x0b\0\0", 12, HR_REASON_NONE, "1 mon 2 days 00:00:03.004");
    one(__LINE__, FIELD(DURATION), HR_INTERVAL, NULL, "\1\0\0\0\2\0\0\0\xbc\x0b\0", 11, HR_REASON_MALFORMED, "ends inside a value");
    one(__LINE__, FIELD("\"boolean\""), HR_BOOL, NULL, "\2", 1, HR_REASON_MALFORMED, "neither 0 nor 1");
    one(__LINE__, FIELD("\"boolean\""), HR_BOOL, NULL, "", 0, HR_REASON_MALFORMED, "ends inside a value");
    one(__LINE__, FIELD("\"double\""), HR_FLOAT8, NULL, "\0", 1, HR_REASON_MALFORMED, "ends inside a value");
    one(__LINE__, FIELD("\"float\""), HR_FLOAT4, NULL, "\0\0\xc0\x7f", 4, HR_REASON_NONE, "NaN");
    one(__LINE__, FIELD("{\"type\":\"array\",\"items\":\"float\"}"), HR_JSON, NULL, "\2\0\0\xc0\x7f\0", 6, HR_REASON_NONE, "[\"NaN\"]");
    one(__LINE__, FIELD(UNLIKE), HR_DATE, NULL, "\2\2", 2, HR_REASON_NONE, "1970-01-02");
    one(__LINE__, FIELD(UNLIKE), HR_DATE, NULL, "\4\2", 2, HR_REASON_TYPE, "different logical types");
    one(__LINE__, FIELD(NULL_LAST), HR_DATE, NULL, "\0\2", 2, HR_REASON_NONE, "1970-01-02");
    one(__LINE__, FIELD(NULL_LAST), HR_DATE, NULL, "\2", 1, HR_REASON_NONE, "<null>");
    one(__LINE__, FIELD(BRANCHES), HR_INT8, "v.b", "\2\2", 2, HR_REASON_NONE, "1");
    one(__LINE__, FIELD(BRANCHES), HR_INT8, "v.b", "\4\2", 2, HR_REASON_NONE, "<null>"); /* an int has no field b */
    one(__LINE__, FIELD("{\"type\":\"array\",\"items\":\"int\"}"), HR_INT8, "v.b", "\2\2\0", 3, HR_REASON_NONE, "<null>");
    one(__LINE__, FIELD("{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":9,\"scale\":2}"), HR_JSON, NULL, "\0", 1,
        HR_REASON_TYPE, "");
    memset(deep, 2, sizeof(deep));
    deep[300] = 0;
    one(__LINE__, FIELD(NESTED), HR_JSON, NULL, deep, sizeof(deep), HR_REASON_DEPTH, "nested deeper than 200");
    one(__LINE__, OTHER(NESTED), HR_JSON, NULL, deep, sizeof(deep), HR_REASON_DEPTH, "nested deeper than 200");
    one(__LINE__, FIELD(NESTED), HR_JSON, NULL, deep + 299, 2, HR_REASON_NONE, "{\"next\":{\"next\":null}}");
    one(__LINE__, FIELD(EMPTY), HR_JSON, NULL, "\xc0\xa9\7\0", 4, HR_REASON_MALFORMED, "far more values than bytes");
    one(__LINE__, OTHER(EMPTY), HR_JSON, NULL, "\xc0\xa9\7\0", 4, HR_REASON_MALFORMED, "far more values than bytes");
    one(__LINE__, FIELD("{\"type\":\"map\",\"values\":\"int\"}"), HR_JSON, NULL, "\2\2\xff\2\0", 5, HR_REASON_ENCODING, "not UTF-8");
}

/* Schemas that say something impossible. */
static void test_impossible_schemas(void)
{
    static const char *const texts[][2] = {
        {"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[1]}", "an enum's symbol is no string"},
        {"[\"null\",[\"int\"]]", "a union stands right in a union"},
        {"[]", "a union has no branches"},
        {"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[]}", "an enum has no symbols"},
        {"{\"type\":\"fixed\",\"name\":\"F\"}", "a fixed type has no size"},
        {"{\"kind\":\"int\"}", "neither a name nor an object with"},
    };
    char deep[205 * 9 + 6];
    hr_avro_type *type;
    hr_error error;
    hr_arena arena;
    size_t n = 0;

    hr_arena_init(&arena, 0);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        CHECK(hr_avro_schema_read(&arena, texts[i][0], strlen(texts[i][0]), &type, &error) == HR_EDATA, "%s", texts[i][0]);
        CHECK(strstr(error.message, texts[i][1]) != NULL, "%s", error.message);
    }
    for (int i = 0; i < 205; i++, n += 8)
        memcpy(deep + n, "{\"type\":", 8);
    memcpy(deep + n, "\"int\"", 5);
    memset(deep + n + 5, '}', 205);
    n += 5 + 205;
    CHECK(hr_avro_schema_read(&arena, deep, n, &type, &error) == HR_EDATA, "%s", error.message);
    hr_arena_free(&arena);
}

static int find_any(void *context, int32_t id, const char **text, size_t *n, hr_error *error)
{
    (void)context;
    (void)id;
    (void)error;
    *text = KEY;
    *n = strlen(*text);
    return HR_OK;
}

/* More schemas than are kept: each is still the right one. None, or one of an impossible number, is refused. */
static void test_many_schemas(void)
{
    static const hr_avro_schemas any = {NULL, find_any};
    const hr_decode_options options = {.avro_schemas = &any}, nothing = {.avro_schema = NULL};
    hr_decoder *decoder = NULL;
    fixture f;

    fixture_open(&f, "avro", fixture_schema(columns, 1), &options);
    for (int id = 0; id < 600; id++) {
        const char body[] = {0, 0, 0, (char)(id >> 8), (char)id, 2};

        CHECK(decode(&f, body, sizeof(body), NULL, 0) == HR_OK, "%s", f.error.message);
    }
    CHECK(f.batch->length == 600 && fixture_consistent(f.batch));
    CHECK(decode(&f, "\0\xff\xff\xff\xff\2", 6, NULL, 0) == HR_EDATA && strstr(f.error.message, "schema number -1") != NULL, "%s",
          f.error.message);
    CHECK(hr_decoder_new(hr_format_find("avro"), f.schema, &nothing, &decoder, &f.error) == HR_EUSAGE && decoder == NULL);
    CHECK(strstr(f.error.message, "schema registry") != NULL, "%s", f.error.message);
    fixture_close(&f);
}

/* An event under one schema, without the message's key. */
static void event(int line, const char *schema, const char *body, size_t n, const char *id, const char *op, const char *words)
{
    static const fixture_column taken[] = {
        {"id", HR_INT8, NULL, true, false}, {"op", HR_TEXT, "$op", false, false}, {"lsn", HR_INT8, "$lsn", false, false}};
    const hr_decode_options options = {.avro_schema = schema};
    hr_schema *to = fixture_schema(taken, 3);
    fixture f;
    int rc;

    to->columns[0].in_key = true;
    fixture_open(&f, "debezium-avro", to, &options);
    rc = decode(&f, body, n, NULL, 0);
    if (words != NULL) {
        CHECK(rc == HR_EDATA && f.error.reason == HR_REASON_MALFORMED && strstr(f.error.message, words) != NULL, "line %d: %d %s", line, rc,
              f.error.message);
    } else {
        CHECK(rc == HR_OK, "line %d: %s", line, f.error.message);
        if (rc == HR_OK) {
            CHECK(strcmp(fixture_value(&f, "id", 0), id) == 0, "line %d: %s", line, fixture_value(&f, "id", 0));
            CHECK(strcmp(fixture_value(&f, "op", 0), op) == 0, "line %d: %s", line, fixture_value(&f, "op", 0));
        }
    }
    fixture_close(&f);
}

#define ROW "{\"type\":\"record\",\"name\":\"T\",\"fields\":[{\"name\":\"id\",\"type\":\"int\"}]}"
#define SOURCE "[\"null\",{\"type\":\"record\",\"name\":\"S\",\"fields\":[{\"name\":\"lsn\",\"type\":\"long\"}]}]"
#define EVENT                                                                                                                              \
    "{\"type\":\"record\",\"name\":\"Envelope\",\"fields\":[{\"name\":\"before\",\"type\":[\"null\"," ROW "]},"                            \
    "{\"name\":\"after\",\"type\":[\"null\",\"T\"]},{\"name\":\"source\",\"type\":" SOURCE "},"                                            \
    "{\"name\":\"op\",\"type\":[\"null\",\"string\"]}]}"
#define SURE                                                                                                                               \
    "{\"type\":\"record\",\"name\":\"Envelope\",\"fields\":[{\"name\":\"after\",\"type\":" ROW "},{\"name\":\"op\",\"type\":\"string\"}]}"
#define FLAT(type)                                                                                                                         \
    "{\"type\":\"record\",\"name\":\"T\",\"fields\":[{\"name\":\"id\",\"type\":\"int\"},{\"name\":\"__deleted\",\"type\":\"" type "\"}]}"

/* Events that lack a part, and the forms in which a part may come. */
static void test_event_forms(void)
{
    event(__LINE__, EVENT, "\0\2\4\0\2\2c", 7, "2", "c", NULL);
    event(__LINE__, EVENT, "\0\2\4\2\x0e\2\2c", 8, "2", "c", NULL); /* a source */
    event(__LINE__, EVENT, "\0\2\4\0\0", 5, NULL, NULL, "says no operation");
    event(__LINE__, EVENT, "\0\0\0\2\2u", 6, NULL, NULL, "of operation \"u\" has no \"after\"");
    event(__LINE__, EVENT, "\0\0\0\2\2d", 6, NULL, NULL, "neither a message key nor the row before");
    event(__LINE__, EVENT, "\2\6\0\0\2\2d", 7, "3", "d", NULL);
    event(__LINE__, EVENT, "\0\0\0\2\2x", 6, NULL, NULL, "operation is \"x\"");
    event(__LINE__, SURE, "\x0a\2r", 3, "5", "r", NULL);
    event(__LINE__, FLAT("string"), "\2\x08true", 6, "1", "d", NULL);
    event(__LINE__, FLAT("boolean"), "\2\1", 2, "1", "d", NULL);
    event(__LINE__, FLAT("boolean"), "\2\0", 2, "1", "<null>", NULL);
}

/* Fields that no column takes, together in one. */
static void test_rest(void)
{
    static const fixture_column taken[] = {{"id", HR_INT8, NULL, true, false}, {"rest", HR_JSON, "$rest", false, false}};
    const hr_decode_options options = {
        .avro_schema =
            "{\"type\":\"record\",\"name\":\"V\",\"fields\":[{\"name\":\"a\",\"type\":\"int\"},{\"name\":\"id\",\"type\":\"int\"},"
            "{\"name\":\"b\",\"type\":\"string\"},{\"name\":\"c\",\"type\":\"null\"}]}"};
    fixture f;

    fixture_open(&f, "avro", fixture_schema(taken, 2), &options);
    CHECK(decode(&f, "\2\4\2x", 4, NULL, 0) == HR_OK, "%s", f.error.message);
    CHECK_VALUE(&f, "rest", 0, "{\"a\":1,\"b\":\"x\",\"c\":null}");
    fixture_close(&f);
}

int main(void)
{
    test_every_kind();
    test_single_values();
    test_impossible_schemas();
    test_many_schemas();
    test_event_forms();
    test_rest();
    test_events();
    test_broken_bodies();
    test_broken_schemas();
    test_broken_schema_once();
    test_json_growth();
    test_without_memory();
    return CHECK_DONE();
}
