/* tests/fuzz/fuzz_utf8.c: any bytes: is it UTF-8, how long, shown how; against a plain reader that goes byte by byte. */
#include "core/json/json_scan.h"
#include "fuzz.h"

/* The length of the character at s, 0 when it is broken: RFC 3629's table. */
static size_t character(const uint8_t *s, size_t n)
{
    unsigned first = s[0], low = 0x80, high = 0xbf;
    size_t size = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;

    if (size == 0 || size > n)
        return 0;
    low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : low;
    high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : high;
    for (size_t i = 1; i < size; i++, low = 0x80, high = 0xbf)
        if (s[i] < low || s[i] > high)
            return 0;
    return size;
}

static void compare(const char *text, size_t n)
{
    size_t at = 0, chars = 0, bad = SIZE_MAX, step = 1;
    char excerpt[HR_EXCERPT_SIZE];
    bool good, ascii = true;

    for (size_t i = 0; i < n; i++)
        ascii = ascii && (unsigned char)text[i] < 0x80;
    FUZZ_REQUIRE(hr_json_is_ascii(text, n) == ascii);
    for (; at < n && step > 0; at += step, chars += step > 0)
        step = character((const uint8_t *)text + at, n - at);
    good = hr_utf8_validate(text, n, &bad);
    FUZZ_REQUIRE(good == (step > 0 || n == 0));
    FUZZ_REQUIRE(hr_utf8_validate(text, n, NULL) == good);
    FUZZ_REQUIRE(good || bad == at);
    if (good) {
        FUZZ_REQUIRE(hr_utf8_length(text, n) == chars);
        at = 0;
        for (size_t i = 0; i <= chars; i++) {
            FUZZ_REQUIRE(hr_utf8_offset(text, n, i) == at);
            at += at < n ? character((const uint8_t *)text + at, n - at) : 0;
        }
        FUZZ_REQUIRE(hr_utf8_offset(text, n, chars + 1) == n);
    }
    hr_utf8_excerpt(excerpt, text, n);
    FUZZ_REQUIRE(memchr(excerpt, '\0', sizeof(excerpt)) != NULL && hr_utf8_validate(excerpt, strlen(excerpt), NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* every distance from the 16-byte steps */
    for (size_t skip = 0; skip < 17 && skip <= size; skip += size > 64 ? 5 : 1) {
        char *exact = fuzz_exact(data + skip, size - skip);
        compare(exact, size - skip);
        free(exact);
    }
    return 0;
}
