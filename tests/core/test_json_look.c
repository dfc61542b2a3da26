/* tests/core/test_json_look.c: a decoder that looks its records over (core/json/json_index.h) against one that never does: the same
 * verdicts, the same words, the same values. A decoder looks a record over when much of the one before was in containers that nobody
 * wanted. */
#include "core/generate/generate.h"
#include "core/json/json_index.h"
#include "decode_fixture.h"
#include "faults.h"

static const fixture_column some[] = {
    {"uid", HR_INT8, NULL, false, false}, {"ts", HR_INT8, NULL, false, false}, {"note", HR_TEXT, NULL, false, false}};
/* Paths into containers, whole containers, one that is both, and the rest. */
static const fixture_column paths[] = {
    {"uid", HR_INT8, NULL, false, false},      {"code", HR_TEXT, "geo.code", false, false},
    {"geo", HR_JSON, NULL, false, false},      {"of", HR_JSON, "device.path.of", false, false},
    {"campaign", HR_JSON, NULL, false, false}, {"status", HR_JSON, "campaign.status", false, false},
    {"rest", HR_JSON, "$rest", false, false},
};

/* More keys of the outermost object than are looked for at once. */
static const fixture_column many[] = {
    {"uid", HR_INT8, NULL, false, false},  {"ts", HR_INT8, NULL, false, false},         {"note", HR_TEXT, NULL, false, false},
    {"type", HR_TEXT, NULL, false, false}, {"code", HR_TEXT, "geo.code", false, false}, {"campaign", HR_JSON, NULL, false, false},
    {"a", HR_TEXT, NULL, false, false},    {"b", HR_TEXT, NULL, false, false},          {"c", HR_TEXT, NULL, false, false},
    {"d", HR_TEXT, NULL, false, false},    {"e", HR_TEXT, NULL, false, false},
};

static hr_decode_options look; /* how the decoder that looks does it */

static const char wide[] = "{\"uid\":1,\"x\":[\"a container that nobody wants and that is most of the record, so that the next one is "
                           "looked over before it is read\"]}";

/* What a decoder made of a record, as far as it can be compared: both hold one row, or none. */
static bool same_rows(const fixture *a, const fixture *b)
{
    if (a->batch->length != b->batch->length || !fixture_consistent(a->batch))
        return false;
    for (int32_t i = 0; i < a->schema->count && a->batch->length > 0; i++) {
        const hr_column *x = &a->batch->columns[i], *y = &b->batch->columns[i];
        size_t fixed = x->type->kind == HR_INT8 ? 8 : 0;

        if (hr_column_is_null(x, 0) != hr_column_is_null(y, 0))
            return false;
        if (!hr_column_is_null(x, 0) && fixed > 0 && memcmp(x->values, y->values, fixed) != 0)
            return false;
        if (fixed == 0 &&
            (x->bytes.size != y->bytes.size || (x->bytes.size > 0 && memcmp(x->bytes.data, y->bytes.data, x->bytes.size) != 0)))
            return false;
    }
    return true;
}

static void check_record(fixture *looks, fixture *never, const char *text, size_t n)
{
    int rc, want;

    hr_batch_clear(looks->batch);
    hr_batch_clear(never->batch);
    CHECK(fixture_decode(looks, wide) == HR_OK && fixture_decode(never, "{\"uid\":1}") == HR_OK);
    hr_batch_clear(looks->batch);
    hr_batch_clear(never->batch);
    rc = fixture_decode_n(looks, text, n);
    want = fixture_decode_n(never, text, n);
    CHECK(rc == want, "%d, not %d: %.*s", rc, want, (int)n, text);
    CHECK(same_rows(looks, never), "%.*s", (int)n, text);
    if (rc != HR_OK)
        CHECK(looks->error.reason == never->error.reason && looks->error.offset == never->error.offset &&
                  strcmp(looks->error.message, never->error.message) == 0,
              "%s, not %s", looks->error.message, never->error.message);
}

static void test_frames(const fixture_column *columns, size_t count)
{
    static const char letters[] = "{}[]:,\"\\ 0123456789-+.eEtrufalsn\t\nx\x80\xc3\xa9\x01";
    fixture looks, never;
    hr_random random = {77};
    hr_buffer out = {0};
    hr_generator g;
    hr_generated about;

    fixture_open(&looks, "json", fixture_schema(columns, count), &look);
    fixture_open(&never, "json", fixture_schema(columns, count), NULL);
    CHECK(hr_generator_init(&g, "frames", HR_GENERATE_JSON, NULL) == HR_OK);
    CHECK(hr_generator_set(&g, "malformed", 100000, NULL) == HR_OK && hr_generator_set(&g, "size", 800, NULL) == HR_OK);
    for (int64_t i = 0; i < 600; i++) {
        out.size = 0;
        CHECK(hr_generator_record(&g, i, &out, &about, NULL) == HR_OK);
        check_record(&looks, &never, (char *)out.data, out.size);
        for (int round = 0; round < 6; round++) {
            size_t at = hr_random_below(&random, (uint32_t)out.size);
            uint8_t was = out.data[at];

            out.data[at] = (uint8_t)letters[hr_random_below(&random, sizeof(letters) - 1)];
            check_record(&looks, &never, (char *)out.data, out.size);
            out.data[at] = was;
        }
    }
    hr_buffer_free(&out);
    fixture_close(&looks);
    fixture_close(&never);
}

/* Keys that come twice, with other values each time; members after white space; a container where a path expects one, and does not. */
static void test_order(void)
{
    static const char *const members[] = {"\"geo\":{\"code\":\"x\",\"y\":[1]}",
                                          "\"geo\":[1,[2]]",
                                          "\"geo\":7",
                                          "\"device\":{\"path\":{\"of\":[{}]}}",
                                          "\"device\": { }",
                                          "\"campaign\":{\"status\":{\"a\":1}}",
                                          "\"campaign\":null",
                                          "\"other\":[{},[]]",
                                          "\"other\" : {\"of\":{}}"};
    fixture looks, never;
    hr_random random = {3};

    fixture_open(&looks, "json", fixture_schema(paths, sizeof(paths) / sizeof(paths[0])), &look);
    fixture_open(&never, "json", fixture_schema(paths, sizeof(paths) / sizeof(paths[0])), NULL);
    for (int i = 0; i < 4000; i++) {
        char text[1024];
        size_t n = (size_t)snprintf(text, sizeof(text), "{\"pad\":\"%0*d\"", 200 + i % 70, 0);

        for (uint32_t k = hr_random_below(&random, 9); k > 0; k--)
            n += (size_t)snprintf(text + n, sizeof(text) - n, ",%s", members[hr_random_below(&random, 9)]);
        n += (size_t)snprintf(text + n, sizeof(text) - n, "}");
        check_record(&looks, &never, text, n);
    }
    fixture_close(&looks);
    fixture_close(&never);
}

/* Names shorter and longer than eight bytes, alike at the beginning, with characters that are written as escapes, or none at all; with and
 * without escapes, twice, with white space around them, and as the last bytes of a record. */
static void test_names(void)
{
    static const fixture_column names[] = {
        {"", HR_TEXT, NULL, false, false},          {"seventy", HR_TEXT, NULL, false, false}, {"eightyyy", HR_TEXT, NULL, false, false},
        {"eightyyyy", HR_TEXT, NULL, false, false}, {"q\"\\", HR_TEXT, NULL, false, false},   {"\xc3\xa9", HR_TEXT, NULL, false, false},
        {"a", HR_INT8, NULL, false, false},         {"sub", HR_INT8, "path.b", false, false},
    };
    static const char *const spelled[] = {
        "",           "seventy",       "eightyyy",        "eightyyyy",       "q\\\"\\\\",       "\xc3\xa9", "a",
        "path",       "\\u0073eventy", "sevent\\u0079",   "eightyyy\\u0079", "eightyy\\u0079y", "\\u00e9",  "\\u0061",
        "p\\u0061th", "seventyy",      "sevent",          "eighty",          "eightyyyyy",      "aa",       "b",
        "q\\\"",      "\\\\",          "eightyyy\\u007a", "x\\ny",
    };
    static const char *const values[] = {"1",    "22",      "\"text\"",      "null", "{\"b\":3}", "[1,{\"a\":2}]",
                                         "true", "\"\\n\"", "{\"b\" : -4 }", "-5"};
    static const char *const spaces[] = {"", "", "", " ", "\n\t"};
    hr_random random = {5};

    for (size_t columns = sizeof(names) / sizeof(names[0]); columns > 0; columns -= columns > 2 ? 2 : 1) {
        fixture looks, never;

        fixture_open(&looks, "json", fixture_schema(names, columns), &look);
        fixture_open(&never, "json", fixture_schema(names, columns), NULL);
        for (int i = 0; i < 6000; i++) {
            char text[1400];
            size_t n = (size_t)snprintf(text, sizeof(text), "%s{ \"pad\":[\"%0*d\"]", spaces[hr_random_below(&random, 5)], 200 + i % 70, 0);

            for (uint32_t k = hr_random_below(&random, 9); k > 0; k--)
                n += (size_t)snprintf(
                    text + n, sizeof(text) - n, "%s,%s\"%s\"%s:%s%s", spaces[hr_random_below(&random, 5)],
                    spaces[hr_random_below(&random, 5)], spelled[hr_random_below(&random, sizeof(spelled) / sizeof(spelled[0]))],
                    spaces[hr_random_below(&random, 5)], spaces[hr_random_below(&random, 5)], values[hr_random_below(&random, 10)]);
            n += (size_t)snprintf(text + n, sizeof(text) - n, "%s}%s", spaces[hr_random_below(&random, 5)],
                                  spaces[hr_random_below(&random, 5)]);
            check_record(&looks, &never, text, n);
        }
        fixture_close(&looks);
        fixture_close(&never);
    }
}

/* Names with quotes and backslashes in them, where a record has the same bytes with another meaning. */
static void test_names_like_text(void)
{
    static const fixture_column names[] = {
        {"uid", HR_INT8, NULL, false, false}, {"a\\", HR_TEXT, NULL, false, false}, {"b\":\"c", HR_TEXT, NULL, false, false}};
    static const char *const members[] = {"\"a\\\"b\":1", "\"a\\\"\":1", "\"b\":\"c\",\"d\":2", "\"a\\\\\":3", "\"b\\\":\\\"c\":4"};
    fixture looks, never;

    fixture_open(&looks, "json", fixture_schema(names, 3), &look);
    fixture_open(&never, "json", fixture_schema(names, 3), NULL);
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        char text[600];
        int n = snprintf(text, sizeof(text), "{\"uid\":7,\"x\":[\"%0300d\"],%s,\"ts\":\"later\"}", 0, members[i]);

        check_record(&looks, &never, text, (size_t)n);
    }
    fixture_close(&looks);
    fixture_close(&never);
}

/* Without memory for the look the record is read without. */
static void test_memory(void)
{
    char text[600];
    int n = snprintf(text, sizeof(text), "{\"uid\":7,\"x\":[\"%0400d\"],\"ts\":9}", 0);

    for (long failing = 1;; failing++) {
        hr_schema *schema = fixture_schema(some, 3);
        fixture f;
        bool fired;
        int rc;

        fixture_open(&f, "json", schema, NULL);
        CHECK(fixture_decode(&f, wide) == HR_OK);
        hr_batch_clear(f.batch);
        hr_fault_arm(failing, false);
        rc = fixture_decode_n(&f, text, (size_t)n);
        fired = hr_fault_fired();
        hr_fault_arm(0, false);
        CHECK(rc == HR_OK || rc == HR_ENOMEM);
        if (rc == HR_OK) {
            CHECK_VALUE(&f, "uid", 0, "7");
            CHECK_VALUE(&f, "ts", 0, "9");
        }
        fixture_close(&f);
        if (!fired)
            break;
    }
}

static void test_looks(void)
{
    test_frames(some, 3);
    test_frames(paths, sizeof(paths) / sizeof(paths[0]));
    test_frames(many, sizeof(many) / sizeof(many[0]));
    test_order();
    test_names();
    test_names_like_text();
}

/* A processor that has one way has the simpler ones too: all are tested, and what is done where there is none. */
int main(void)
{
    for (const hr_json_looker *const *at = hr_json_looker_all(); *at != NULL; at++) {
        look.look = (*at)->name;
        CHECK((hr_json_looker_find(look.look) != NULL) == (*at)->supported());
        test_looks();
    }
    look.look = "none";
    test_looks();
    test_memory();
    return CHECK_DONE();
}
