/* tests/core/test_utf8.c: UTF-8 validation against the definition itself, for every code point and many broken forms. */
#include "core/utf8.h"

#include "check.h"

/* The definition, written the slow way: decode, then ask whether re-encoding gives the same bytes. */
static bool oracle(const unsigned char *s, size_t n)
{
    size_t i = 0;

    while (i < n) {
        size_t length = s[i] < 0x80 ? 1 : (s[i] & 0xe0) == 0xc0 ? 2 : (s[i] & 0xf0) == 0xe0 ? 3 : (s[i] & 0xf8) == 0xf0 ? 4 : 0;
        uint32_t code;
        char again[4];

        if (length == 0 || length > n - i)
            return false;
        code = length == 1 ? s[i] : s[i] & (0x7fu >> length);
        for (size_t k = 1; k < length; k++) {
            if ((s[i + k] & 0xc0) != 0x80)
                return false;
            code = code << 6 | (s[i + k] & 0x3f);
        }
        if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
            return false;
        if (hr_utf8_put(again, code) != length || memcmp(again, s + i, length) != 0)
            return false;
        i += length;
    }
    return true;
}

static void test_code_points(void)
{
    long wrong = 0;

    for (uint32_t code = 0; code <= 0x10ffff; code++) {
        char text[4];
        size_t n;

        if (code >= 0xd800 && code <= 0xdfff)
            continue;
        n = hr_utf8_put(text, code);
        wrong += !hr_utf8_validate(text, n, NULL) || hr_utf8_length(text, n) != 1 || (n > 1 && hr_utf8_validate(text, n - 1, NULL));
    }
    CHECK(wrong == 0, "%ld code points", wrong);
}

/* All sequences of up to three bytes, and four-byte ones around the edges, as the oracle says. */
static void test_short_sequences(void)
{
    static const unsigned char edges[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff};
    long wrong = 0;

    for (uint32_t v = 0; v < 0x1000000; v++) {
        unsigned char s[3] = {(unsigned char)(v >> 16), (unsigned char)(v >> 8), (unsigned char)v};
        wrong += hr_utf8_validate((const char *)s, 3, NULL) != oracle(s, 3);
        if (s[0] == 0)
            wrong += hr_utf8_validate((const char *)s + 1, 2, NULL) != oracle(s + 1, 2);
    }
    for (unsigned lead = 0; lead < 256; lead++)
        for (size_t a = 0; a < sizeof(edges); a++)
            for (size_t b = 0; b < sizeof(edges); b++)
                for (size_t c = 0; c < sizeof(edges); c++) {
                    unsigned char s[4] = {(unsigned char)lead, edges[a], edges[b], edges[c]};
                    wrong += hr_utf8_validate((const char *)s, 4, NULL) != oracle(s, 4);
                }
    CHECK(wrong == 0, "%ld sequences", wrong);
}

/* One broken or cut character at every place of ASCII texts of all lengths around the step sizes. */
static void test_positions(void)
{
    char text[80];
    size_t bad = 99;

    for (size_t n = 1; n <= sizeof(text); n++) {
        for (size_t at = 0; at < n; at++) {
            memset(text, 'a', sizeof(text));
            text[at] = (char)0xff;
            if (hr_utf8_validate(text, n, &bad) || bad != at) {
                CHECK(false, "length %zu, broken at %zu, said %zu", n, at, bad);
                return;
            }
            text[at] = (char)0xc3;
            if (at + 1 < n)
                text[at + 1] = (char)0xa9;
            if (hr_utf8_validate(text, n, &bad) != (at + 1 < n)) {
                CHECK(false, "length %zu, two bytes at %zu", n, at);
                return;
            }
        }
    }
    CHECK(hr_utf8_validate("", 0, NULL));
    CHECK(hr_utf8_validate("a\0b", 3, NULL));
}

static void test_counting(void)
{
    const char *text = "za\xc5\xbc\xc3\xb3\xc5\x82\xc4\x87 \xe2\x82\xac \xf0\x9f\x98\x80!";
    size_t n = strlen(text);

    CHECK(hr_utf8_length(text, n) == 11, "%zu", hr_utf8_length(text, n));
    CHECK(hr_utf8_offset(text, n, 0) == 0);
    CHECK(hr_utf8_offset(text, n, 3) == 4, "%zu", hr_utf8_offset(text, n, 3));
    CHECK(hr_utf8_offset(text, n, 10) == n - 1);
    CHECK(hr_utf8_offset(text, n, 11) == n);
    CHECK(hr_utf8_offset(text, n, 1000) == n);
    CHECK(hr_utf8_length("", 0) == 0);
}

static void test_excerpts(void)
{
    char out[HR_EXCERPT_SIZE] = "", text[300];

    hr_utf8_excerpt(out, "12a", 3);
    CHECK_TEXT(out, strlen(out), "12a");
    hr_utf8_excerpt(out, "a\nb\0c\xff", 6);
    CHECK_TEXT(out, strlen(out), "a\\x0ab\\x00c\\xff");
    hr_utf8_excerpt(out, "", 0);
    CHECK_TEXT(out, strlen(out), "");
    for (size_t n = 0; n < sizeof(text); n++) {
        size_t length;
        memset(text, 'x', sizeof(text));
        for (size_t i = 0; i + 1 < n; i += 2)
            memcpy(text + i, "\xc3\xa9", 2);
        hr_utf8_excerpt(out, text, n);
        length = strlen(out);
        if (length >= HR_EXCERPT_SIZE || !hr_utf8_validate(out, length, NULL)) {
            CHECK(false, "excerpt of %zu bytes", n);
            return;
        }
    }
    CHECK(strstr(out, "\xc3\xa9...") != NULL, "%s", out);
}

int main(void)
{
    test_code_points();
    test_short_sequences();
    test_positions();
    test_counting();
    test_excerpts();
    return CHECK_DONE();
}
