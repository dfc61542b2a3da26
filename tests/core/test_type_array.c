/* tests/core/test_type_array.c: arrays from JSON and from literals, as text and in binary. The wanted texts are the server's. */
#include "value.h"

#define JSON(type_name, s, want) value_gives_token(__LINE__, type_name, HR_TOKEN_ARRAY, s, want)
#define JSON_REJECTS(type_name, s, reason, part) value_rejects_token(__LINE__, type_name, HR_TOKEN_ARRAY, s, reason, part)

static void test_json(void)
{
    JSON("integer[]", "[1,2,3]", "{1,2,3}");
    JSON("integer[]", "[]", "{}");
    JSON("integer[]", " [ ] ", "{}");
    JSON("integer[]", " [ 1 , null , \"3\" ] ", "{1,NULL,3}");
    JSON("bigint[]", "[9223372036854775807]", "{9223372036854775807}");
    JSON("text[]", "[1,true,null,\"a\\\"b\",{\"a\": 1},\"NULL\",\"\"]", "{1,true,NULL,\"a\\\"b\",\"{\\\"a\\\": 1}\",\"NULL\",\"\"}");
    JSON("text[]", "[\"\\u00e9\\ud83d\\ude00\\n\", \"x\"]", "{\"\xc3\xa9\xf0\x9f\x98\x80\n\",x}");
    JSON("text[]", "[\"\\\\\",\"}\",\"{\",\",\",\" \",\"nUlL\",\"nulls\"]", "{\"\\\\\",\"}\",\"{\",\",\",\" \",\"nUlL\",nulls}");
    JSON("boolean[]", "[true,\"f\",0]", "{t,f,f}");
    JSON("date[]", "[\"2026-11-21\",\"infinity\"]", "{2026-11-21,infinity}");
    JSON("timestamptz[]", "[\"2026-11-21T10:00:00Z\"]", "{\"2026-11-21 10:00:00+00\"}");
    JSON("numeric(10,2)[]", "[1.005,-2]", "{1.01,-2.00}");
    JSON("uuid[]", "[\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\"]", "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}");
    JSON("json[]", "[\"a\",{\"x\" : 1}, 1.50]", "{\"\\\"a\\\"\",\"{\\\"x\\\" : 1}\",1.50}");
    JSON("interval[]", "[\"1 day\",null]", "{\"1 day\",NULL}");
    JSON_REJECTS("text[]", "[[\"a\"]]", HR_REASON_TYPE, "arrays of arrays");
    JSON_REJECTS("integer[]", "[1,[2]]", HR_REASON_TYPE, "arrays of arrays");
    JSON_REJECTS("json[]", "[[1,2]]", HR_REASON_TYPE, "arrays of arrays"); /* the server makes two dimensions of it */
    JSON_REJECTS("integer[]", "[1,\"x\"]", HR_REASON_TYPE, "x");
    JSON_REJECTS("integer[]", "[1,3000000000]", HR_REASON_RANGE, "");
    JSON_REJECTS("text[]", "[\"a\\u0000b\"]", HR_REASON_ENCODING, "");
    JSON_REJECTS("date[]", "[20261121]", HR_REASON_TYPE, "a number needs a unit");
    /* the decoder hands over checked text only; still nothing breaks on other text */
    JSON_REJECTS("integer[]", "", HR_REASON_TYPE, "not a JSON array");
    JSON_REJECTS("integer[]", "[", HR_REASON_TYPE, "ends inside");
    JSON_REJECTS("integer[]", "[1", HR_REASON_TYPE, "closing bracket is missing");
    JSON_REJECTS("integer[]", "[1,", HR_REASON_TYPE, "ends inside");
    JSON_REJECTS("integer[]", "[1 2]", HR_REASON_TYPE, "comma");
    JSON_REJECTS("integer[]", "[1,]", HR_REASON_MALFORMED, "");
    JSON_REJECTS("integer[]", "[1]]", HR_REASON_TYPE, "something follows");
    JSON_REJECTS("text[]", "[\"a", HR_REASON_MALFORMED, "");
    value_rejects_token(__LINE__, "text[]", HR_TOKEN_OBJECT, "{\"a\":1}", HR_REASON_TYPE, "not a JSON array");
    value_rejects_token(__LINE__, "text[]", HR_TOKEN_NUMBER, "5", HR_REASON_TYPE, "not a JSON array");
    value_rejects_token(__LINE__, "text[]", HR_TOKEN_TRUE, "true", HR_REASON_TYPE, "not a JSON array");
}

static void test_literal(void)
{
    GIVES("text[]", "{a,\"b c\",NULL}", "{a,\"b c\",NULL}");
    GIVES("text[]", "{a, b c ,\"d e\"}", "{a,\"b c\",\"d e\"}");
    GIVES("text[]", "{}", "{}");
    GIVES("text[]", " { } ", "{}");
    GIVES("text[]", "{null,\"null\",NuLl}", "{NULL,\"null\",NULL}");
    GIVES("text[]", "{nu\\ll}", "{\"null\"}");
    GIVES("text[]", "{a\\ }", "{\"a \"}");
    GIVES("text[]", "{\\ a}", "{\" a\"}");
    GIVES("text[]", "{ a\\ b }", "{\"a b\"}");
    GIVES("text[]", "{ \\  }", "{\" \"}");
    GIVES("text[]", "{\"a\\\"b\",\"c\\\\d\"}", "{\"a\\\"b\",\"c\\\\d\"}");
    GIVES("text[]", "{a\\\"b}", "{\"a\\\"b\"}");
    GIVES("text[]", "{ \"x\" , y }", "{x,y}");
    GIVES("text[]", "{\\n}", "{n}");
    GIVES("text[]", "{\t\n a\t}", "{a}");
    GIVES("text[]", "{\"\"}", "{\"\"}");
    GIVES("text[]", "{a\vb}", "{\"a\vb\"}");
    GIVES("text[]", "{\\}}", "{\"}\"}");
    GIVES("text[]", "{\"{a,b}\"}", "{\"{a,b}\"}");
    GIVES("integer[]", "{ 1 , NULL, \"3\" }", "{1,NULL,3}");
    GIVES("date[]", "{2026-11-21,epoch}", "{2026-11-21,1970-01-01}");
    GIVES("timestamp[]", "{\"2026-11-21 10:00:00\",2026-11-21 11:00:00}", "{\"2026-11-21 10:00:00\",\"2026-11-21 11:00:00\"}");
    GIVES("bytea[]", "{\"\\\\x00ff\"}", "{\"\\\\x00ff\"}");
    value_gives_token(__LINE__, "text[]", HR_TOKEN_STRING, "{a,b}", "{a,b}"); /* a JSON string for an array column */
    REJECTS("text[]", "", HR_REASON_TYPE, "must start with a brace");
    REJECTS("text[]", "a,b", HR_REASON_TYPE, "must start with a brace");
    REJECTS("text[]", "{", HR_REASON_TYPE, "closing brace is missing");
    REJECTS("text[]", "{a", HR_REASON_TYPE, "closing brace is missing");
    REJECTS("text[]", "{a,", HR_REASON_TYPE, "closing brace is missing");
    REJECTS("text[]", "{a\\", HR_REASON_TYPE, "closing brace is missing");
    REJECTS("text[]", "{\"", HR_REASON_TYPE, "closing quote");
    REJECTS("text[]", "{\"a\\", HR_REASON_TYPE, "closing quote");
    REJECTS("text[]", "{\"a\"", HR_REASON_TYPE, "closing brace is missing");
    REJECTS("text[]", "{a,,b}", HR_REASON_TYPE, "an element is empty");
    REJECTS("text[]", "{,}", HR_REASON_TYPE, "an element is empty");
    REJECTS("text[]", "{a,}", HR_REASON_TYPE, "an element is empty");
    REJECTS("text[]", "{\"a\"b}", HR_REASON_TYPE, "after a quoted element");
    REJECTS("text[]", "{a\"b\"}", HR_REASON_TYPE, "a quote stands inside");
    REJECTS("text[]", "{a{b}", HR_REASON_TYPE, "a brace stands inside");
    REJECTS("text[]", "{a}x", HR_REASON_TYPE, "something follows");
    REJECTS("text[]", "{{a},{b}}", HR_REASON_TYPE, "arrays of arrays");
    REJECTS("text[]", "{a,{b}}", HR_REASON_TYPE, "arrays of arrays");
    REJECTS("text[]", "[0:1]={a,b}", HR_REASON_TYPE, "bounds before an array");
    REJECTS("integer[]", "{1,x}", HR_REASON_TYPE, "x");
    REJECTS("integer[]", "{1,\"\"}", HR_REASON_TYPE, "");
}

/* A type with its own delimiter that only the server can read. */
static void test_other(void)
{
    static const char *const texts[] = {"{(1,1),(0,0);(3,3),(2,2)}", "{NULL;\"a;b\"}"};
    hr_type box = {.kind = HR_OTHER, .typmod = -1, .name = "box"};
    hr_type type = {.kind = HR_ARRAY, .typmod = -1, .name = "box[]", .element = &box, .delimiter = ';'};
    const hr_type_ops *ops = hr_type_ops_of(&type);
    hr_column column;
    hr_buffer out = {0};
    hr_error error;

    CHECK(hr_column_init(&column, &type, &error) == HR_OK);
    for (int i = 0; i < 2; i++) {
        out.size = 0;
        CHECK(ops->parse(&type, HR_TOKEN_TEXT, texts[i], strlen(texts[i]), &column, &error) == HR_OK, "%s", error.message);
        CHECK(ops->write_text(&type, &column, i, &out, &error) == HR_OK);
        CHECK_TEXT(out.data, out.size, texts[i]);
    }
    CHECK(column.child->length == 4 && column.child->null_count == 1);
    out.size = 5;
    CHECK(ops->write_binary(&type, &column, 0, &out, &error) == HR_EUSAGE && out.size == 5, "%s", error.message);
    box.oid = 603; /* known by number, still not in binary */
    CHECK(ops->write_binary(&type, &column, 0, &out, &error) == HR_EUSAGE && out.size == 5, "%s", error.message);
    hr_column_free(&column);
    hr_buffer_free(&out);
}

/* A failed array takes its elements back, and the rows around it stay. */
static void test_rows(void)
{
    value_column value;

    value_open(&value, "text[]");
    CHECK(value_parse(&value, HR_TOKEN_ARRAY, "[\"a\",null]") == HR_OK);
    CHECK(value_parse(&value, HR_TOKEN_ARRAY, "[\"b\",\"c\",[]]") == HR_EDATA);
    CHECK(value_parse(&value, HR_TOKEN_TEXT, "{\"d\\\"\",e,{}}") == HR_EDATA);
    CHECK(value.column.length == 1 && value.column.child->length == 2 && value.column.child->null_count == 1);
    CHECK(hr_column_append_null(&value.column, &value.error) == HR_OK);
    CHECK(value_parse(&value, HR_TOKEN_ARRAY, "[]") == HR_OK && value_parse(&value, HR_TOKEN_TEXT, "{\"\\\\\"}") == HR_OK);
    CHECK(strcmp(value_text(&value, 0), "{a,NULL}") == 0 && strcmp(value_text(&value, 2), "{}") == 0);
    CHECK(strcmp(value_text(&value, 3), "{\"\\\\\"}") == 0);
    hr_column_truncate(&value.column, 1);
    CHECK(value.column.child->length == 2);
    value_close(&value);
}

#define BE32(x) (uint8_t)((uint32_t)(x) >> 24), (uint8_t)((uint32_t)(x) >> 16), (uint8_t)((uint32_t)(x) >> 8), (uint8_t)(x)

static void test_binary(void)
{
    static const uint8_t want[] = {BE32(40), BE32(1), BE32(1), BE32(23), BE32(3), BE32(1), BE32(4), BE32(7), BE32(-1), BE32(4), BE32(-2)};
    static const uint8_t empty[] = {BE32(12), BE32(0), BE32(0), BE32(25)};
    static const struct {
        uint8_t bytes[40];
        int32_t n;
        const char *part;
    } bad[] = {
        {{BE32(1)}, 4, "4 bytes"},
        {{BE32(1), BE32(0), BE32(23)}, 12, "12 bytes"},
        {{BE32(0), BE32(0), BE32(23), BE32(0)}, 16, "16 bytes"},
        {{BE32(1), BE32(0), BE32(25), BE32(0), BE32(1)}, 20, "elements of type 23"},
        {{BE32(2), BE32(0), BE32(23), BE32(1), BE32(1), BE32(1), BE32(1), BE32(4), BE32(1)}, 36, "2 dimensions"},
        {{BE32(1), BE32(0), BE32(23), BE32(1), BE32(0), BE32(4), BE32(1)}, 28, "starts at index 0"},
        {{BE32(1), BE32(0), BE32(23), BE32(-1), BE32(1)}, 20, "20 bytes"},
        {{BE32(1), BE32(0), BE32(23), BE32(1000000000), BE32(1), BE32(4), BE32(1)}, 28, "28 bytes"},
        {{BE32(1), BE32(0), BE32(23), BE32(1), BE32(1), BE32(5), BE32(1)}, 28, "28 bytes"},
        {{BE32(1), BE32(0), BE32(23), BE32(1), BE32(1), BE32(-2), BE32(1)}, 28, "28 bytes"},
        {{BE32(1), BE32(0), BE32(23), BE32(1), BE32(1), BE32(4), BE32(1), 0}, 29, "29 bytes"},
        {{BE32(1), BE32(0), BE32(23), BE32(2), BE32(1), BE32(4), BE32(1), BE32(3), 0, 0, 0}, 35, "3 bytes"},
        {{BE32(-1), BE32(0), BE32(23)}, 12, "12 bytes"},
    };
    value_column value;
    hr_buffer out = {0};

    value_open(&value, "integer[]");
    CHECK(value_parse(&value, HR_TOKEN_ARRAY, "[7,null,-2]") == HR_OK);
    CHECK(hr_type_ops_of(&value.type)->write_binary(&value.type, &value.column, 0, &out, &value.error) == HR_OK);
    CHECK(out.size == sizeof(want) && memcmp(out.data, want, sizeof(want)) == 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int rc = hr_type_ops_of(&value.type)->read_binary(&value.type, bad[i].bytes, bad[i].n, &value.column, &value.error);
        CHECK(rc == HR_EDATA && strstr(value.error.message, bad[i].part) != NULL, "case %zu: %d %s", i, rc, value.error.message);
        CHECK(value.column.length == 1 && value.column.child->length == 3, "case %zu", i);
    }
    value_close(&value);
    out.size = 0;
    value_open(&value, "text[]");
    CHECK(value_parse(&value, HR_TOKEN_TEXT, "{}") == HR_OK);
    CHECK(hr_type_ops_of(&value.type)->write_binary(&value.type, &value.column, 0, &out, &value.error) == HR_OK);
    CHECK(out.size == sizeof(empty) && memcmp(out.data, empty, sizeof(empty)) == 0);
    value_close(&value);
    hr_buffer_free(&out);
}

/* Texts of literal characters in any order: a reject, or a value whose text reads back as the same text. */
static void test_noise(void)
{
    static const char alphabet[] = "{}{},,\"\"\\ab NULL\t[]:;";
    value_column value;
    char text[40], copy[400];
    long accepted = 0;

    value_open(&value, "text[]");
    srand(11);
    for (int i = 0; i < 300000; i++) {
        size_t n = (size_t)rand() % 14;
        for (size_t j = 0; j < n; j++)
            text[j] = alphabet[(size_t)rand() % (sizeof(alphabet) - 1)];
        if (n > 1) {
            text[0] = i % 3 == 2 ? '[' : '{';
            text[n - 1] = i % 3 == 2 ? ']' : '}';
        }
        hr_column_truncate(&value.column, 0);
        if (value_parse_n(&value, i % 3 == 2 ? HR_TOKEN_ARRAY : HR_TOKEN_TEXT, text, n) != HR_OK)
            continue;
        accepted++;
        snprintf(copy, sizeof(copy), "%s", value_text(&value, 0));
        CHECK(value_parse(&value, HR_TOKEN_TEXT, copy) == HR_OK && strcmp(value_text(&value, 1), copy) == 0, "'%.*s' gave %s",
              (int)n, text, copy);
    }
    CHECK(accepted > 10000, "%ld accepted", accepted);
    value_close(&value);
}

int main(void)
{
    test_json();
    test_literal();
    test_other();
    test_rows();
    test_binary();
    test_noise();
    value_faults("text[]", HR_TOKEN_ARRAY, "[\"a\\\"b\",null,\"a text that is so long that it does not fit the first block\",\"\"]");
    value_faults("integer[]", HR_TOKEN_TEXT, "{1,NULL,\"3\\4\"}");
    return CHECK_DONE();
}
