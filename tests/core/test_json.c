/* tests/core/test_json.c: the JSON scanner alone: conformance, strings, numbers, depth, escapes. */
#include "core/json/json_scan.h"

#include "check.h"
#include "faults.h"
#include "json_cases.h"

/* From memory of exactly n bytes: a byte read too many is seen by the sanitizer. */
static int check_exact(const char *text, size_t n, bool nul, hr_error *error)
{
    char *copy = malloc(n ? n : 1);
    int rc;

    memcpy(copy, text, n);
    hr_error_clear(error);
    rc = hr_json_check(copy, n, nul, error);
    free(copy);
    return rc;
}

static void test_conformance(void)
{
    hr_error error;

    CHECK(JSON_CASE_COUNT >= 150, "%zu cases", JSON_CASE_COUNT);
    for (size_t i = 0; i < JSON_CASE_COUNT; i++) {
        const json_case *c = &json_cases[i];
        int rc = check_exact(c->text, c->len, false, &error);

        CHECK((rc == HR_OK) == (c->reason == HR_REASON_NONE), "%s: rc %d %s", c->name, rc, error.message);
        CHECK(rc == HR_OK || error.reason == c->reason, "%s: reason %s: %s", c->name, hr_reason_name(error.reason), error.message);
        CHECK(rc == HR_OK || (error.offset >= 0 && error.offset <= (int64_t)c->len), "%s: offset %lld", c->name, (long long)error.offset);
        CHECK(rc == HR_OK || error.message[0] != '\0', "%s", c->name);
        CHECK(hr_json_check(c->text, c->len, false, NULL) == rc, "%s without an error object", c->name);
    }
}

/* Every case again inside other text, so that it meets the 16-byte steps at every distance from its end. */
static void test_conformance_padded(void)
{
    static const char spaces[] = "                                        ";
    char text[512];
    hr_error error;

    for (size_t i = 0; i < JSON_CASE_COUNT; i++) {
        const json_case *c = &json_cases[i];
        if (c->len == 0)
            continue;
        for (int before = 0; before <= 17; before += 1) {
            for (int after = 0; after <= 34; after += 17) {
                int n = snprintf(text, sizeof(text), "%.*s", before, spaces);
                memcpy(text + n, c->text, c->len);
                n += (int)c->len;
                n += snprintf(text + n, sizeof(text) - (size_t)n, "%.*s", after, spaces);
                int rc = check_exact(text, (size_t)n, false, &error);
                bool good = c->reason == HR_REASON_NONE;
                CHECK((rc == HR_OK) == good, "%s with %d and %d spaces: %s", c->name, before, after, error.message);
            }
        }
    }
}

static void test_nul_escape(void)
{
    hr_error error;

    CHECK(check_exact("\"\\u0000\"", 8, true, &error) == HR_OK, "%s", error.message);
    CHECK(check_exact("{\"\\u0000\":\"\\u0000\"}", 19, true, &error) == HR_OK, "%s", error.message);
    CHECK(check_exact("\"\\ud800\"", 8, true, &error) == HR_EDATA, "a lone surrogate is never right");
}

static void test_offsets(void)
{
    static const struct {
        const char *text;
        int64_t offset;
    } cases[] = {
        {"", 0}, {"   ", 3}, {"{\"a\":1}x", 7}, {"{\"a\":tru}", 5}, {"[1,2", 4}, {"[1,,2]", 3}, {"{\"a\":01}", 5}, {"{\"a\":1.}", 7},
        {"[\"\\q\"]", 3}, {"[\"a\nb\"]", 3}, {"{\"a\" 1}", 5}, {"{1:2}", 1}, {"[\"\\u12\"]", 2},
    };
    hr_error error;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int rc = check_exact(cases[i].text, strlen(cases[i].text), false, &error);
        CHECK(rc == HR_EDATA && error.offset == cases[i].offset, "%s: offset %lld, want %lld (%s)", cases[i].text, (long long)error.offset,
              (long long)cases[i].offset, error.message);
    }
}

/* `open` n times, then `inside`, then `close` n times. */
static char *nest(const char *open, const char *inside, const char *close, size_t n, size_t *len)
{
    size_t a = strlen(open), b = strlen(inside), c = strlen(close);
    char *text = malloc(n * (a + c) + b + 1), *p = text;

    for (size_t i = 0; i < n; i++, p += a)
        memcpy(p, open, a);
    memcpy(p, inside, b);
    p += b;
    for (size_t i = 0; i < n; i++, p += c)
        memcpy(p, close, c);
    *len = (size_t)(p - text);
    return text;
}

static void test_depth(void)
{
    static const struct {
        const char *open, *inside, *close;
    } shapes[] = {{"[", "", "]"}, {"{\"a\":", "1", "}"}, {"[{\"k\":", "[]", "}]"},
                  {"[", "", ""},  {"{\"a\":", "", ""},   {"[1,[2],", "3", "]"}};
    hr_error error;
    size_t len;
    char *text;

    for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++) {
        size_t sizes[] = {10000, 1000000};
        for (size_t i = 0; i < 2; i++) {
            text = nest(shapes[s].open, shapes[s].inside, shapes[s].close, sizes[i], &len);
            CHECK(hr_json_check(text, len, false, &error) == HR_EDATA && error.reason == HR_REASON_DEPTH, "%s", error.message);
            free(text);
        }
    }
    for (size_t s = 0; s < 2; s++) {
        text = nest(shapes[s].open, shapes[s].inside, shapes[s].close, HR_MAX_DEPTH, &len);
        CHECK(hr_json_check(text, len, false, &error) == HR_OK, "%s", error.message);
        free(text);
        text = nest(shapes[s].open, shapes[s].inside, shapes[s].close, HR_MAX_DEPTH + 1, &len);
        CHECK(hr_json_check(text, len, false, &error) == HR_EDATA && error.reason == HR_REASON_DEPTH, "%s", error.message);
        free(text);
        /* objects and arrays at every level, wrongly closed at the innermost and at the outermost */
        text = nest(shapes[s].open, shapes[s].inside, shapes[s].close, 500, &len);
        text[len - 1] = s == 0 ? '}' : ']';
        CHECK(hr_json_check(text, len, false, &error) == HR_EDATA && error.reason == HR_REASON_MALFORMED, "%s", error.message);
        text[len - 1] = s == 0 ? ']' : '}';
        text[len - 500] = s == 0 ? '}' : ']';
        CHECK(hr_json_check(text, len, false, &error) == HR_EDATA && error.reason == HR_REASON_MALFORMED, "%s", error.message);
        free(text);
    }
    text = nest("[{\"k\":", "[]", "}]", 499, &len);
    CHECK(hr_json_check(text, len, false, &error) == HR_OK, "%s", error.message);
    free(text);
}

/* A byte that ends a string's plain run, at every place of strings of every length up to four steps. */
static void test_find_special(void)
{
    char *text;

    for (size_t n = 0; n <= 70; n++) {
        text = malloc(n ? n : 1);
        for (size_t i = 0; i < n; i++)
            text[i] = (char)(' ' + 2 + i % 200); /* no quote; includes bytes above 0x7f, and 0x7f */
        for (size_t i = 0; i < n; i++)
            if (text[i] == '\\' || text[i] == '"')
                text[i] = 'x';
        for (size_t from = 0; from <= n; from++)
            CHECK(hr_json_find_special(text, text + from, text + n) == text + n, "%zu from %zu", n, from);
        for (size_t at = 0; at < n; at++) {
            static const char specials[] = {'"', '\\', '\n', '\0', 0x1f};
            char saved = text[at];
            text[at] = specials[at % 5];
            for (size_t from = 0; from <= at; from++)
                CHECK(hr_json_find_special(text, text + from, text + n) == text + at, "%zu at %zu from %zu", n, at, from);
            if (at + 1 <= n)
                CHECK(hr_json_find_special(text, text + at + 1, text + n) == text + n, "%zu after %zu", n, at);
            text[at] = saved;
        }
        free(text);
    }
}

static void test_nondigits(void)
{
#if HR_JSON_MASK16
    char text[16];

    for (int c = 0; c < 256; c++) {
        for (unsigned at = 0; at < 16; at++) {
            memset(text, '5', sizeof(text));
            text[at] = (char)c;
            text[(at + 7) & 15] = 'x';
            unsigned want = 1u << ((at + 7) & 15) | (unsigned)!(c >= '0' && c <= '9') << at;
            CHECK(hr_json_nondigits16(text) == want, "byte %d at %u: %x", c, at, hr_json_nondigits16(text));
        }
    }
#endif
}

static void test_numbers(void)
{
    static const char *const tails[] = {"", ".5", ".123456789012345678", "e5", "E-12", ".25e+3"};
    static const char *const broken[] = {".", ".e1", "e", "e+", "x", "..1", ".1.", "-", "e1e", "+"};
    char text[128];
    hr_error error;

    for (int digits = 1; digits <= 40; digits++) {
        for (int sign = 0; sign < 2; sign++) {
            for (int pad = 0; pad <= 20; pad += 20) {
                for (size_t t = 0; t < sizeof(tails) / sizeof(tails[0]); t++) {
                    int n = snprintf(text, sizeof(text), "%s%.*s%s%*s", sign ? "-" : "", digits, "1029384756102938475610293847561029384756",
                                     tails[t], pad, "");
                    CHECK(check_exact(text, (size_t)n, false, &error) == HR_OK, "%s: %s", text, error.message);
                    n = snprintf(text, sizeof(text), "%s0%.*s%s%*s", sign ? "-" : "", digits, "1029384756102938475610293847561029384756",
                                 tails[t], pad, "");
                    CHECK(check_exact(text, (size_t)n, false, &error) == HR_EDATA, "%s", text);
                }
                for (size_t t = 0; t < sizeof(broken) / sizeof(broken[0]); t++) {
                    int n = snprintf(text, sizeof(text), "%s%.*s%s%*s", sign ? "-" : "", digits, "1029384756102938475610293847561029384756",
                                     broken[t], pad, "");
                    CHECK(check_exact(text, (size_t)n, false, &error) == HR_EDATA, "%s", text);
                }
            }
        }
    }
}

static void test_unescape(void)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"", ""},
        {"plain", "plain"},
        {"\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t"},
        {"a\\nb", "a\nb"},
        {"\\u0041\\u00e9\\u20ac", "A\xc3\xa9\xe2\x82\xac"},
        {"\\u00E9\\u20AC", "\xc3\xa9\xe2\x82\xac"},
        {"\\ud83d\\ude00!", "\xf0\x9f\x98\x80!"},
        {"\\udbff\\udfff", "\xf4\x8f\xbf\xbf"},
        {"\\u0001\\u007f\\u0080\\u07ff\\u0800\\uffff", "\x01\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf"},
        {"0123456789abcdef\\t0123456789abcdef", "0123456789abcdef\t0123456789abcdef"},
        {"\\\\u0041", "\\u0041"},
    };
    static const char *const broken[] = {"\\", "a\\", "\\u", "\\u12", "\\ud83d", "\\ud83d\\u0041", "\\ude00", "\\uzzzz", "\\ud83dxxxxxx"};
    hr_buffer out = {0};
    hr_error error;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        out.size = 0;
        CHECK(hr_buffer_append(&out, "<", 1, NULL) == HR_OK);
        CHECK(hr_json_unescape(cases[i].in, strlen(cases[i].in), false, &out, &error) == HR_OK, "%s", error.message);
        CHECK_TEXT(out.data + 1, out.size - 1, cases[i].out);
        hr_buffer_free(&out); /* the next one starts with no room at all */
    }
    CHECK(hr_json_unescape("a\\u0000b", 8, true, &out, &error) == HR_OK && out.size == 3 && memcmp(out.data, "a\0b", 3) == 0);
    CHECK(hr_json_unescape("a\\u0000b", 8, false, &out, &error) == HR_EDATA && error.reason == HR_REASON_ENCODING && out.size == 3);
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
        CHECK(hr_json_unescape(broken[i], strlen(broken[i]), false, &out, &error) == HR_EDATA && out.size == 3, "%s", broken[i]);
    hr_buffer_free(&out);
    hr_fault_arm(1, false);
    CHECK(hr_json_unescape("a\\n", 3, false, &out, &error) == HR_ENOMEM && out.size == 0);
    hr_fault_arm(0, false);
    hr_buffer_free(&out);
}

/* The pieces the array type walks with. */
static void test_skip_value(void)
{
    static const struct {
        const char *text;
        size_t length;
        hr_token token;
        bool escaped;
    } cases[] = {
        {"\"a\\n\",", 5, HR_TOKEN_STRING, true}, {"\"a\",", 3, HR_TOKEN_STRING, false}, {"12,", 2, HR_TOKEN_NUMBER, false},
        {"-1.5e3]", 6, HR_TOKEN_NUMBER, false},  {"true]", 4, HR_TOKEN_TRUE, false},     {"false", 5, HR_TOKEN_FALSE, false},
        {"null,", 4, HR_TOKEN_NULL, false},      {"[1,[2]],", 7, HR_TOKEN_ARRAY, false}, {"{\"a\":\"\\n\"},", 10, HR_TOKEN_OBJECT, false},
    };
    hr_error error;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        hr_json_scan scan = {cases[i].text, cases[i].text + strlen(cases[i].text), false, &error};
        hr_token token = HR_TOKEN_ABSENT;
        bool escaped = true;
        const char *after = hr_json_skip_value(&scan, cases[i].text, 0, &token, &escaped);
        CHECK(after == cases[i].text + cases[i].length && token == cases[i].token && escaped == cases[i].escaped, "%s", cases[i].text);
    }
}

int main(void)
{
    test_conformance();
    test_conformance_padded();
    test_nul_escape();
    test_offsets();
    test_depth();
    test_find_special();
    test_nondigits();
    test_numbers();
    test_unescape();
    test_skip_value();
    return CHECK_DONE();
}
