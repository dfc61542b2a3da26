/* tests/core/test_type_json.c: json and jsonb. Expected texts of jsonb are PostgreSQL 18's. */
#include "core/types/jsonb_text.h"
#include "type_check.h"

static void test_json(void)
{
    static const char *const good[] = {
        "{}", "[1 ,2]", " {\"a\" : {\"b\":[null,true,false,1.50e3]}} ", "\"a\"", "1", "-0", "null", "\"\\u0000\"", "1e999999",
        "{\"a\":1,\"a\":2}",
    };
    static const char *const bad[] = {"", " ", "nul", "{\"a\":1,}", "[1", "01", "'a'", "{a:1}", "1 2", "\"a", "\"\t\"", "NaN", "-", "[1]]"};

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        VALUE("json", good[i], good[i], NULL);
        VALUE_OF("json", HR_TOKEN_STRING, good[i], good[i], NULL);
        VALUE_OF("json", HR_TOKEN_BYTES, good[i], good[i], NULL);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        REFUSED("json", bad[i], HR_REASON_TYPE, NULL);
        REFUSED("jsonb", bad[i], HR_REASON_TYPE, NULL);
        REFUSED_OF("jsonb", HR_TOKEN_STRING, bad[i], HR_REASON_TYPE, NULL);
    }
    VALUE_OF("json", HR_TOKEN_OBJECT, "{ \"b\":1}", "{ \"b\":1}", "7b202262223a317d");
    VALUE_OF("json", HR_TOKEN_TRUE, "true", "true", NULL);
    VALUE_OF("json", HR_TOKEN_NUMBER, "1.50", "1.50", NULL);
    INT64("json", 5, "5");
    FLOAT64("json", 0.5, "0.5");
    FLOAT64_REFUSED("json", (double)__builtin_inff(), HR_REASON_TYPE);
    REFUSED("json", "\"\xff\"", HR_REASON_ENCODING, NULL);
    type_refused_named(__LINE__, "json", HR_TOKEN_TEXT, "\"a\0\"", 4, HR_REASON_ENCODING, NULL);
    FIELD("json", "7b7d", "{}");
    FIELD("json", "22ff22", NULL);
}

static void test_jsonb(void)
{
    VALUE("jsonb", "{\"b\":1,\"aa\":2,\"a\":3,\"a\":4,\"\":[]}", "{\"\": [], \"a\": 4, \"b\": 1, \"aa\": 2}", NULL);
    VALUE("jsonb", " [ 1 , \"x\" ,{}, [ ] ,null,true , false] ", "[1, \"x\", {}, [], null, true, false]", NULL);
    VALUE("jsonb", "\"\\u0041\\/\\u00e9\\u007f\\u0001\\t\\n\\\\\\\"\\b\\f\\r\"", "\"A/\xc3\xa9\x7f\\u0001\\t\\n\\\\\\\"\\b\\f\\r\"", NULL);
    VALUE("jsonb", "\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\"", NULL);
    VALUE("jsonb", "{\"\\u0062\":1,\"b\":2}", "{\"b\": 2}", NULL);
    VALUE("jsonb", "{\"z\":[{\"b\":2,\"a\":1}]}", "{\"z\": [{\"a\": 1, \"b\": 2}]}", NULL);
    VALUE("jsonb", "-0", "0", NULL);
    VALUE("jsonb", "-0.0", "0.0", NULL);
    VALUE("jsonb", "1.50", "1.50", NULL);
    VALUE("jsonb", "1E+3", "1000", NULL);
    VALUE("jsonb", "1E-2", "0.01", NULL);
    VALUE("jsonb", "\"1e999999 \\\\\"", "\"1e999999 \\\\\"", NULL);
    VALUE("jsonb", "{\"1e999999\":\"\\\"2e999999\"}", "{\"1e999999\": \"\\\"2e999999\"}", NULL);
    VALUE("jsonb", "{}", "{}", "017b7d");
    VALUE_OF("jsonb", HR_TOKEN_OBJECT, "{\"k\\t\":1}", "{\"k\\t\": 1}", NULL);
    REFUSED("jsonb", "\"\\u0000\"", HR_REASON_ENCODING, NULL);
    REFUSED("jsonb", "\"\\ud800\"", HR_REASON_ENCODING, NULL);
    REFUSED_OF("jsonb", HR_TOKEN_OBJECT, "{\"a\":\"\\u0000\"}", HR_REASON_ENCODING, NULL);
    REFUSED_OF("jsonb", HR_TOKEN_OBJECT, "{\"\\u0000\":1}", HR_REASON_ENCODING, NULL);
    REFUSED("jsonb", "1e200000", HR_REASON_RANGE, "the number 1e200000 is out of range for jsonb");
    REFUSED_OF("jsonb", HR_TOKEN_ARRAY, "[1,[2,{\"a\":1e-16384}]]", HR_REASON_RANGE, NULL);
    REFUSED_OF("jsonb", HR_TOKEN_NUMBER, "-1e131072", HR_REASON_RANGE, NULL);
    FIELD("jsonb", "017b7d", "{}");
    FIELD("jsonb", "027b7d", NULL);
    FIELD("jsonb", "", NULL);
    FIELD("jsonb", "01ff", NULL);
}

/* Deep, wide, and too large. */
static void test_canonical(void)
{
    static char text[70000];
    hr_buffer out = {0};
    hr_error error;
    size_t n = 0;

    for (int i = 0; i < 1000; i++)
        text[n++] = '[';
    for (int i = 0; i < 1000; i++)
        text[n++] = ']';
    CHECK(hr_jsonb_canonical(text, n, &out, &error) == HR_OK && out.size == n && memcmp(out.data, text, n) == 0);
    /* 3000 members in falling order come out rising */
    out.size = n = 0;
    text[n++] = '{';
    for (int i = 2999; i >= 0; i--)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s\"%04d\":%d", i == 2999 ? "" : ",", i, i);
    text[n++] = '}';
    CHECK(hr_jsonb_canonical(text, n, &out, &error) == HR_OK);
    CHECK(out.size > 40 && memcmp(out.data, "{\"0000\": 0, \"0001\": 1, \"0002\": 2, ", 34) == 0);
    CHECK(memcmp(out.data + out.size - 14, " \"2999\": 2999}", 14) == 0);
    /* 22 kB of short exponents would be 300 MB of digits */
    out.size = n = 0;
    text[n++] = '[';
    for (int i = 0; i < 2500; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s1e131071", i == 0 ? "" : ",");
    text[n++] = ']';
    CHECK(hr_buffer_append(&out, "kept", 4, &error) == HR_OK);
    CHECK(hr_jsonb_canonical(text, n, &out, &error) == HR_EDATA && error.reason == HR_REASON_RANGE && out.size == 4);
    /* a column can be filled with anything from outside: never trusted */
    CHECK(hr_jsonb_canonical("{\"a\"", 4, &out, &error) == HR_EDATA && out.size == 4);
    CHECK(hr_jsonb_canonical("", 0, &out, &error) == HR_EDATA && out.size == 4);
    CHECK(hr_jsonb_canonical("[100e-889012345101]", 19, &out, &error) == HR_EDATA && error.reason == HR_REASON_RANGE && out.size == 4);
    CHECK(hr_jsonb_canonical("[1e-11111111]", 13, &out, &error) == HR_EDATA && error.reason == HR_REASON_RANGE && out.size == 4);
    /* zero is zero, whatever its exponent */
    out.size = 0;
    CHECK(hr_jsonb_canonical("[0e57007898,-0E+1073741823,0.0]", 31, &out, &error) == HR_OK, "%s", error.message);
    CHECK_TEXT(out.data, out.size, "[0, 0, 0.0]");
    hr_buffer_free(&out);
}

int main(void)
{
    test_json();
    test_jsonb();
    test_canonical();
    return TYPE_DONE();
}
