/* tests/fuzz/fuzz_scan.c: the steps that take 8 or 16 bytes at once, against loops that take one. */
#include "core/bytes.h"
#include "core/decode/decode_short.h"
#include "core/json/json_scan.h"
#include "fuzz.h"

static bool plain_digits(const char *s, size_t n, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        *value = *value * 10 + (uint64_t)(s[i] - '0');
    }
    return n > 0;
}

static void digits(const char *s, size_t n, const char *end)
{
    uint64_t want = 0, got = 0;
    int64_t whole = 0;
    bool good = n <= 18 && plain_digits(s, n, &want), negative = n > 0 && *s == '-';

    if (end - s >= 8 && n <= 9)
        FUZZ_REQUIRE(hr_short_digits(s, n, &got) == (good && n <= 8 && HR_JSON_SWAR) && (!good || n > 8 || !HR_JSON_SWAR || got == want));
    if (hr_short_integer(s, n, end, &whole))
        FUZZ_REQUIRE(good && whole == (int64_t)want);
    good = n - negative <= 18 && plain_digits(s + negative, n - negative, &want);
    FUZZ_REQUIRE(hr_parse_plain_int64(s, n, &whole) == good);
    FUZZ_REQUIRE(!good || whole == (negative ? -(int64_t)want : (int64_t)want));
    if (n >= 8) {
        uint32_t eight = 0;
        good = plain_digits(s, 8, &want);
        FUZZ_REQUIRE(hr_parse_eight_digits(s, &eight) == good && (!good || eight == want));
    }
}

/* d.d as numeric(precision, scale), when the short way takes it */
static void decimal(const char *s, size_t n, const char *end, int precision, int scale)
{
    const char *point = memchr(s, '.', n);
    size_t before = point != NULL ? (size_t)(point - s) : n, after = point != NULL ? n - before - 1 : 0;
    uint64_t whole = 0, part = 0;
    int64_t value = 0;

    if (!hr_short_decimal(s, n, end, precision, scale, &value))
        return;
    FUZZ_REQUIRE(plain_digits(s, before, &whole) && (point == NULL || plain_digits(point + 1, after, &part)));
    FUZZ_REQUIRE((int)after <= scale && (int)before <= precision - scale);
    for (int i = 0; i < scale; i++)
        whole *= 10;
    for (int i = (int)after; i < scale; i++)
        part *= 10;
    FUZZ_REQUIRE(value == (int64_t)(whole + part));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *exact = fuzz_exact(data, size);
    const char *end = exact + size;

    for (const char *p = exact; p <= end; p++) {
        const char *special = p, *space = p;
        while (special < end && *special != '"' && *special != '\\' && (unsigned char)*special >= 0x20)
            special++;
        FUZZ_REQUIRE(hr_json_find_special(exact, p, end) == special);
        while (space < end && strchr(" \t\r\n", *space) != NULL && *space != '\0')
            space++;
        FUZZ_REQUIRE(hr_json_skip_space(p, end) == space);
#if HR_JSON_MASK16
        if (end - p >= 16) {
            unsigned mask = 0;
            for (int i = 0; i < 16; i++)
                mask |= (unsigned)(p[i] < '0' || p[i] > '9') << i;
            FUZZ_REQUIRE(hr_json_nondigits16(p) == mask);
        }
#endif
        for (size_t n = 0; n <= 20 && n <= (size_t)(end - p); n++) {
            digits(p, n, end);
            decimal(p, n, end, 12, 2);
            decimal(p, n, end, 18, 9);
            decimal(p, n, end, 5, 0);
            decimal(p, n, end, 18, 18);
        }
    }
    free(exact);
    return 0;
}
