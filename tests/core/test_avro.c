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

int main(void)
{
    test_events();
    test_broken_bodies();
    test_broken_schemas();
    test_broken_schema_once();
    test_json_growth();
    test_without_memory();
    return CHECK_DONE();
}
