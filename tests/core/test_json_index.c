/* tests/core/test_json_index.c: each way to look over a whole record against the scalar reader, on sound, damaged and random texts. */
#include "core/generate/generate.h"
#include "core/json/json_index.h"
#include "core/utf8.h"
#include "faults.h"
#include "json_cases.h"

#include "check.h"

static const hr_json_looker *looker;
static hr_json_index looked;

typedef struct shape {
    int depth;       /* of the deepest container, the outermost is 1 */
    bool keys_right; /* `looked` has the outermost object's keys, and no others */
    bool kept_right; /* and the bytes outside strings, with each string's first quote */
} shape;

static bool bit_of(const uint64_t *bits, size_t i)
{
    return (bits[i >> 6] >> (i & 63) & 1) != 0;
}

/* The containers of a sound text, and whether `looked` is right about it. */
static shape shape_of(const char *s, size_t n)
{
    shape found = {0, looked.blocks == n / 64 + 1, true};
    bool in_string = false, key = false;
    int depth = 0;

    for (size_t i = 0; i < n; i++) {
        bool inside = in_string, escape = in_string && s[i] == '\\', space = s[i] == ' ' || s[i] == '\t' || s[i] == '\n' || s[i] == '\r';
        bool wanted = !inside && s[i] == '"' && depth == 1 && key, kept = bit_of(looked.kept, i);

        found.keys_right = found.keys_right && bit_of(looked.keys, i) == wanted;
        found.kept_right = found.kept_right && (inside ? !kept : kept || space);
        if (s[i] == '"')
            in_string = !in_string;
        if (escape) {
            i++;
            found.keys_right = found.keys_right && !bit_of(looked.keys, i);
            found.kept_right = found.kept_right && !bit_of(looked.kept, i);
        }
        if (inside || s[i] == '"' || space)
            continue;
        if (s[i] == '{' || s[i] == '[') {
            depth++;
            found.depth = depth > found.depth ? depth : found.depth;
        }
        depth -= s[i] == '}' || s[i] == ']';
        key = s[i] == '{' || s[i] == ',';
    }
    for (size_t i = n; i < (size_t)looked.blocks * 64; i++)
        found.keys_right = found.keys_right && !bit_of(looked.keys, i);
    return found;
}

/* All look at a copy of exactly that size. What the scalar reader refuses is never proved sound. What it takes is, when it is an object
 * and neither too deep nor too wide for a look. */
static void check_text(const char *text, size_t n)
{
    char *copy = malloc(n ? n : 1);
    const char *first;
    hr_json_scan scan;
    bool sound, proved;

    memcpy(copy, text, n);
    scan = (hr_json_scan){copy, copy + n, true, NULL};
    first = hr_json_skip_space(copy, copy + n);
    sound = first < copy + n && *first == '{' && hr_utf8_validate(copy, n, NULL) && hr_json_check(copy, n, true, NULL) == HR_OK;
    proved = looker->look(&scan, &looked);
    if (!sound) {
        CHECK(!proved, "%s: %zu bytes: %.*s", looker->name, n, (int)n, text);
    } else {
        shape of = shape_of(copy, n);

        if (of.depth <= 62)
            CHECK(proved, "%s: %zu bytes: %.*s", looker->name, n, (int)n, text);
        if (proved)
            CHECK(of.keys_right && of.kept_right, "%s: %zu bytes: %.*s", looker->name, n, (int)n, text);
    }
    free(copy);
}

static const char *const texts[] = {
    "{}",
    " { } ",
    "{\"a\":1}",
    "{\"a\":1,}",
    "{,}",
    "{\"a\"}",
    "{\"a\",\"b\":1}",
    "{\"a\":1 \"b\":2}",
    "{\"a\":1,2}",
    "{\"a\":1,\"b\"}",
    "{\"a\"::1}",
    "{\"a\":}",
    "{\"a\":[]}",
    "{\"a\":[1,]}",
    "{\"a\":[,1]}",
    "{\"a\":[\"b\":1]}",
    "{\"a\":[\"b\",\"c\":1]}",
    "{\"a\":[1,{}]}",
    "{\"a\":[1}]",
    "{\"a\":{\"b\":[}}]",
    "{}{}",
    "{},",
    "{},{}",
    "{},\"a\":{}",
    "{} x",
    "{}}",
    "[]]",
    "[]",
    "[{}]",
    "{\"a\":01}",
    "{\"a\":-}",
    "{\"a\":1.}",
    "{\"a\":1e}",
    "{\"a\":1.5e-7}",
    "{\"a\":tru}",
    "{\"a\":truex}",
    "{\"a\":nullnull}",
    "{\"a\":12\"b\"}",
    "{\"a\":\"b\"12}",
    "{\"a\":\"b\"\"c\"}",
    "{\"a\":\"\\u00e4\\ud83d\\ude00\\\"\"}",
    "{\"a\":\"\\ud83d\"}",
    "{\"a\":\"\\x\"}",
    "{\"a\":\\\"b\"}",
    "{\"a\":\\\"}",
    "{\"a\":[\\\",\\\"]}",
    "{\"a\":\"b\":\"c\"}",
    "{\"a\":1:2}",
    "{\"a\":{}:{}}",
    "{\"a\":\"b\"{}}",
    "{\"a\":1{}}",
    "{\"a\":{}1}",
    "{\"a\":[]\"b\"}",
    "{\"a\":\"b\nc\"}",
    "{\"a\" :\t1 ,\n\"b\"\r: [ 1 , 2 ] }",
    "{\"a\":\"b",
    "{\"a\":\"b\\",
    "{\"a\":\"b\\\\\"}",
    "{\"\\\"\":\"\\\\\\\"\"}",
    "{\"a\":[[[[]]],{\"b\":{}}]}",
    "{\"a\":1\x01}",
    "{\"a\":\"\xc3\xa9\"}",
    "{\"a\":\xc3\xa9}",
    "{\"a\":\"\xc3\"}",
    "{\"a\":\"\xed\xa0\x80\"}",
    "{\"a\":\"\xf4\x90\x80\x80\"}",
    "{\"a\":\"\xf0\x9f\x98\x80\"}",
    "{\"a\":\"\xf0\x9f\x98\"}",
    "{\"a\":\"\xe6\x9d\xb1\xe4\xba\xac\"}",
    "{\"a\":\"\x7f\"}",
    "{\x0c\"a\":1}",
    "{'a':1}",
    "{\"a\":NaN}",
    "{\"a\":+1}",
    "{\"a\":.5}",
    "{\"a\":-.5}",
    "{\"a\":1,\"a\":[]}",
    "{\"a\":[1 2]}",
    "{\"a\":true false}",
    "{\"a\":{\"b\":1]}",
    "{\"a\":[\"b\"}",
    "{:1}",
    "{\"a\":-01}",
    "{\"a\":-0}",
    "{\"a\":-0.0e+00}",
    "{\"a\":00}",
    "{\"a\":1e5.3}",
    "{\"a\":1.2.3}",
    "{\"a\":1e2e3}",
    "{\"a\":1-2}",
    "{\"a\":1e+-2}",
    "{\"a\":1e--2}",
    "{\"a\":--1}",
    "{\"a\":-+1}",
    "{\"a\":1E}",
    "{\"a\":true1}",
    "{\"a\":true-1}",
    "{\"a\":truee5}",
    "{\"a\":falsefalse}",
    "{\"a\":nul}",
    "{\"a\":fals}",
    "{\"a\":false}",
    "{\"a\":[true,false,null]}",
    "{\"a\":null,\"b\":true}",
    "{\"a\":tr ue}",
    "{\"a\":1 .5}",
    "{\"a\":1. 5}",
    "{\"a\":- 1}",
    "{\"a\":1e 5}",
    "{\"a\":1 , \"b\":2}",
    "{\"a\":1\t}",
    "{\"a\":123456789012345678901234567890.5E+10}",
    "{\"a\":{}\"b\":1}",
    "{\"a\":{},\"b\":[],\"c\":1}",
    "{\"a\":[{},[]]}",
    "{\"a\":[{},\"b\":1]}",
    "{\"a\":{\"b\":{}},\"c\"}",
    "{\"a\":{\"b\":{}},[]}",
    "{\"a\":{\"b\":{}},\"c\":[[],{}],\"d\":0}",
    "{\"a\":[[],\"b\"],\"b\":\"c\"}",
    "{{}}",
    "{[]}",
    "{1}",
    "{true}",
    "{\"a\":{1:2}}",
    "{\"a\":[}]}",
    "{\"a\":\"\\u0000\"}",
    "{\"a\":\"\\u00g0\"}",
    "{\"a\":\"\\ude00\"}",
    "{\"a\\u0062\":1}",
    "\xef\xbb\xbf{}",
    "{\"a\":1}\n",
    "{\"a\":1}\n\n{}",
    "",
    "{\"a\":0e0}",
    "{\"a\":01e0}",
    "{\"a\":t}",
    "{\"a\":e5}",
    "{\"a\":E5}",
    "{\"a\":1E5}",
    "{\"a\":1e05}",
    "{\"a\":[0,0]}",
    "{\"a\":[-,0]}",
    "{",
    "}",
    "{\"",
    "{\"a\":\x01"
    "1}",
    "{\"a\"\x01:1}",
    "{\"a\":1,\x01\"b\":1}",
    "{\x02\"a\":1}",
    "{\"a\":1}\x0b",
    "{\"a\":[\x08"
    "1]}",
    "{\"a\":\x1f"
    "1}",
};

/* Each text at every place of a block, after white space and inside a longer one. */
static void test_texts(void)
{
    char text[512];

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        size_t n = strlen(texts[i]);

        for (size_t shift = 0; shift < 130; shift++) {
            memset(text, ' ', shift);
            memcpy(text + shift, texts[i], n);
            check_text(text, shift + n);
            memcpy(text, "{\"x\":\"", 6);
            memset(text + 6, 'y', shift);
            memcpy(text + 6 + shift, "\",\"z\":", 6);
            memcpy(text + 12 + shift, texts[i], n);
            text[12 + shift + n] = '}';
            check_text(text, 13 + shift + n);
            /* bones before it: numbers, so that all bones move as well */
            memcpy(text, "{\"x\":1", 6);
            memset(text + 6, '2', shift);
            memcpy(text + 6 + shift, ",\"z\":", 5);
            memcpy(text + 11 + shift, texts[i], n);
            text[11 + shift + n] = '}';
            check_text(text, 12 + shift + n);
        }
    }
}

/* The tables of test_json.c. */
static void test_cases(void)
{
    for (size_t i = 0; i < JSON_CASE_COUNT; i++)
        check_text(json_cases[i].text, json_cases[i].len);
    for (size_t i = 0; i < JSON_UTF8_CASE_COUNT; i++)
        check_text(json_utf8_cases[i].text, json_utf8_cases[i].len);
}

/* Every sequence of three bytes, and many of four, as the inside of a string, over the border of two blocks and at the end of one. */
static void test_utf8(void)
{
    static const unsigned char edges[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0,
                                          0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff, '"',  '\\'};
    enum { N = sizeof(edges) };
    char text[256];

    for (size_t number = 0; number < N * N * N * N; number++) {
        size_t lead = 6 + number % 61, n;

        memcpy(text, "{\"a\":\"", 6);
        memset(text + 6, 'x', lead);
        n = 6 + lead;
        for (size_t i = 0, rest = number; i < 4; i++, rest /= N)
            text[n++] = (char)edges[rest % N];
        memcpy(text + n, "\"}", 2);
        check_text(text, n + 2);
    }
}

/* Frames, and frames in which some bytes were changed, left out or doubled. */
static void test_frames(void)
{
    static const char letters[] = "{}[]:,\"\\ 0123456789-+.eEtrufalsn\t\nx\x80\xc3\xa9\x01";
    hr_random random = {5};
    hr_buffer out = {0};
    hr_generator g;
    hr_generated about;

    CHECK(hr_generator_init(&g, "frames", HR_GENERATE_JSON, NULL) == HR_OK);
    CHECK(hr_generator_set(&g, "malformed", 100000, NULL) == HR_OK && hr_generator_set(&g, "size", 700, NULL) == HR_OK);
    for (int64_t i = 0; i < 1500; i++) {
        out.size = 0;
        CHECK(hr_generator_record(&g, i, &out, &about, NULL) == HR_OK);
        check_text((char *)out.data, out.size);
        for (int round = 0; round < 20; round++) {
            size_t n = out.size, at = hr_random_below(&random, (uint32_t)n);
            char text[4096];

            memcpy(text, out.data, n);
            switch (hr_random_below(&random, 4)) {
            case 0:
                memmove(text + at, text + at + 1, n - at - 1);
                n--;
                break;
            case 1:
                memmove(text + at + 1, text + at, n - at);
                n++;
                break;
            case 2: n = at; break;
            default: text[at] = letters[hr_random_below(&random, sizeof(letters) - 1)]; break;
            }
            check_text(text, n);
        }
    }
    hr_buffer_free(&out);
}

/* Random texts of the pieces of JSON: more of them are sound than one would think. */
static void test_random(void)
{
    static const char *const pieces[] = {
        "{",        "}",       "[", "]", ":",  ",",  "\"a\"", "1",     "true",    " ",  "\"a\":", "{}",           "[]", "{\"a\":1}",
        "\"\\\"\"", ",\"a\":", "0", "-", ".5", "e1", "null",  "false", "-0.1E-2", ",1", ",\"b\"", "\"\xc3\xa9\"", "\n"};
    const uint32_t count = sizeof(pieces) / sizeof(pieces[0]);
    hr_random random = {11};

    for (int i = 0; i < 400000; i++) {
        char text[256];
        size_t n = 5;

        memcpy(text, "{\"a\":", 5);
        for (uint32_t k = hr_random_below(&random, i % 8 ? 9 : 20); k > 0; k--) {
            const char *piece = pieces[hr_random_below(&random, count)];

            memcpy(text + n, piece, strlen(piece));
            n += strlen(piece);
        }
        text[n++] = '}';
        check_text(text, n);
    }
}

static void put(hr_buffer *out, const char *text)
{
    CHECK(hr_buffer_append(out, text, strlen(text), NULL) == HR_OK);
}

/* Sound values made at random, with white space or without, some of them damaged. */
static void put_value(hr_buffer *out, hr_random *random, int depth, bool spaced)
{
    static const char *const plain[] = {"0",
                                        "-12.5e+3",
                                        "123456789",
                                        "true",
                                        "false",
                                        "null",
                                        "\"\"",
                                        "\"a\\\\\"",
                                        "\"{[,:]}\"",
                                        "\"\xe6\x9d\xb1 x\"",
                                        "\"a longer text, with a comma\"",
                                        "1e9",
                                        "-0",
                                        "0.25"};
    uint32_t members = hr_random_below(random, 5), kind = hr_random_below(random, depth > 7 ? 1 : 3);

    put(out, spaced && hr_random_below(random, 3) == 0 ? " \n" : "");
    if (kind == 0) {
        put(out, plain[hr_random_below(random, sizeof(plain) / sizeof(plain[0]))]);
    } else {
        put(out, kind == 1 ? "{" : "[");
        for (uint32_t i = 0; i < members; i++) {
            put(out, i > 0 ? "," : "");
            put(out, spaced && hr_random_below(random, 3) == 0 ? "\t" : "");
            if (kind == 1)
                put(out, hr_random_below(random, 2) ? "\"key\":" : spaced ? "\"k\" : " : "\"another key\":");
            put_value(out, random, depth + 1, spaced);
        }
        put(out, kind == 1 ? "}" : "]");
    }
    put(out, spaced && hr_random_below(random, 3) == 0 ? "\r " : "");
}

static void test_values(void)
{
    static const char letters[] = "{}[]:,\" 01-.et\\";
    hr_random random = {23};
    hr_buffer out = {0};

    for (int i = 0; i < 30000; i++) {
        bool spaced = i % 2 == 0;

        out.size = 0;
        put(&out, "{\"first\":");
        put_value(&out, &random, 1, spaced);
        put(&out, ",\"second\":[");
        put_value(&out, &random, 1, spaced);
        put(&out, "]}");
        if (out.size > HR_JSON_INDEX_MOST)
            continue;
        check_text((char *)out.data, out.size);
        for (int k = 0; k < 4; k++) {
            size_t at = hr_random_below(&random, (uint32_t)out.size);
            uint8_t was = out.data[at];

            out.data[at] = (uint8_t)letters[hr_random_below(&random, sizeof(letters) - 1)];
            check_text((char *)out.data, out.size);
            out.data[at] = was;
        }
    }
    hr_buffer_free(&out);
}

/* As deep as a look goes, as deep as is read, and deeper; brackets and braces. */
static void test_depth(void)
{
    static char text[8192];

    for (int depth = 1; depth<1010; depth += depth> 80 && depth < 980 ? 50 : 1) {
        for (int kind = 0; kind < 2; kind++) {
            size_t n = 0;

            for (int i = 0; i < depth; i++) {
                memcpy(text + n, i == 0 || kind == 0 ? "{\"a\":" : "[", i == 0 || kind == 0 ? 5 : 1);
                n += i == 0 || kind == 0 ? 5 : 1;
            }
            text[n++] = '1';
            for (int i = depth; i-- > 0;)
                text[n++] = i == 0 || kind == 0 ? '}' : ']';
            check_text(text, n);
            text[n - 1] = ']';
            check_text(text, n);
        }
    }
}

/* Many containers side by side, up to the longest text. */
static void test_wide(void)
{
    static char text[HR_JSON_INDEX_MOST];

    for (size_t count = 1; count < 2000; count += count < 70 || (count > 950 && count < 1030) ? 1 : 40) {
        for (int kind = 0; kind < 2; kind++) {
            size_t n = 0;

            text[n++] = '{';
            for (size_t i = 0; i < count; i++) {
                memcpy(text + n, kind == 0 ? ",\"a\":[]" : ",\"b\":{\"c\":1}", kind == 0 ? 7 : 12);
                n += kind == 0 ? 7 : 12;
            }
            text[n++] = '}';
            memmove(text + 1, text + 2, n - 2); /* without the first comma */
            check_text(text, n - 1);
        }
    }
    for (size_t count = 1; count < 400; count++) { /* commas of one array, with another container before or behind them */
        size_t n = 0;

        memcpy(text, "{\"a\":[[]", 8);
        for (n = 8; n < 8 + 2 * count; n += 2)
            memcpy(text + n, ",1", 2);
        memcpy(text + n, ",{}]}", 5);
        check_text(text, n + 5);
        text[n - 1] = '"'; /* a key where a value is */
        memcpy(text + n, "b\":1]}", 6);
        check_text(text, n + 6);
    }
    memset(text, ' ', sizeof(text));
    memcpy(text, "{\"a\":[{}],\"b\":\"", 15);
    memset(text + 15, 'x', sizeof(text) - 40);
    text[sizeof(text) - 20] = '"';
    text[sizeof(text) - 1] = '}';
    check_text(text, sizeof(text));
}

int main(void)
{
    CHECK(true); /* a machine that has no such way reads all by the scalar one */
    for (const hr_json_looker *const *at = hr_json_looker_all(); *at != NULL; at++) {
        looker = *at;
        if (!looker->supported())
            continue;
        test_cases();
        test_texts();
        test_utf8();
        test_frames();
        test_random();
        test_values();
        test_depth();
        test_wide();
    }
    return CHECK_DONE();
}
