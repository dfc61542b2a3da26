/* tests/core/test_type_float.c: real and double precision. The expected texts are PostgreSQL 18's; reading is compared with the C library's
 * strtod and strtof (in the C locale), which round correctly. */
#include <errno.h>
#include <locale.h>
#include <math.h>

#include "core/types/float_text.h"
#include "type_check.h"

static void test_float8(void)
{
    VALUE("double precision", "1.5", "1.5", "3ff8000000000000");
    VALUE("float8", "-0", "-0", "8000000000000000");
    VALUE("float8", "0", "0", "0000000000000000");
    VALUE("float8", "1e23", "9.999999999999999e+22", NULL);
    VALUE("float8", "1e22", "1e+22", NULL);
    VALUE("float8", "5e-324", "5e-324", "0000000000000001");
    VALUE("float8", "4e-324", "5e-324", NULL);
    VALUE("float8", "9007199254740993", "9.007199254740992e+15", NULL);
    VALUE("float8", "1e15", "1e+15", NULL);
    VALUE("float8", "1e14", "100000000000000", NULL);
    VALUE("float8", "123456789012345678", "1.2345678901234568e+17", NULL);
    VALUE("float8", "1e-5", "1e-05", NULL);
    VALUE("float8", "1e-4", "0.0001", NULL);
    VALUE("float8", "0.00012345", "0.00012345", NULL);
    VALUE("float8", "100000", "100000", NULL);
    VALUE("float8", "5.684341886080802e-14", "5.684341886080802e-14", "3d30000000000000"); /* 2^-44: nearer below, shorter above */
    VALUE("float8", "2.2250738585072014e-308", "2.2250738585072014e-308", "0010000000000000");
    VALUE("float8", "1.7976931348623157e308", "1.7976931348623157e+308", "7fefffffffffffff");
    VALUE("float8", "6.189700196426902e+26", "6.189700196426902e+26", NULL);
    VALUE("float8", "0.30000000000000004", "0.30000000000000004", NULL);
    VALUE("float8", "0e-400", "0", NULL);
    VALUE("float8", " +.5 ", "0.5", NULL);
    VALUE("float8", "1.", "1", NULL);
    VALUE("float8", "nan", "NaN", "7ff8000000000000");
    VALUE("float8", "-NaN", "NaN", "7ff8000000000000");
    VALUE("float8", "nan(12_a)", "NaN", NULL);
    VALUE("float8", "inf", "Infinity", "7ff0000000000000");
    VALUE("float8", "+Infinity", "Infinity", NULL);
    VALUE("float8", "-iNFINITY", "-Infinity", "fff0000000000000");
    VALUE("float8", "0x1A.8p1", "53", NULL);
    VALUE("float8", "0x.8", "0.5", NULL);
    VALUE("float8", "0x1p-1074", "5e-324", NULL);
    VALUE("float8", "0x1.fffffffffffff7fffp1023", "1.7976931348623157e+308", NULL);
    VALUE("float8", "0x0000000000000000000000000000001p0", "1", NULL);
    VALUE("float8", "0x10000000000000000000000000000000", "2.1267647932558654e+37", NULL);
    VALUE("float8", "0x0p99999999999999999999", "0", NULL);
    VALUE("float8", "0e99999999999999999999", "0", NULL);
    REFUSED("float8", "1e309", HR_REASON_RANGE, NULL);
    REFUSED("float8", "-1.8e308", HR_REASON_RANGE, NULL);
    REFUSED("float8", "1e-400", HR_REASON_RANGE,
            "value 1e-400 is out of range for double precision: its size must be between 5e-324 and 1.7e+308");
    REFUSED("float8", "2e-324", HR_REASON_RANGE, NULL);
    REFUSED("float8", "1e99999999999999999999", HR_REASON_RANGE, NULL);
    REFUSED("float8", "1e-99999999999999999999", HR_REASON_RANGE, NULL);
    REFUSED("float8", "0x1p-1075", HR_REASON_RANGE, NULL);
    REFUSED("float8", "0x1p1024", HR_REASON_RANGE, NULL);
    REFUSED("float8", "0x1.fffffffffffff8p1023", HR_REASON_RANGE, NULL);
    static const char *const bad[] = {
        "", " ", ".", "-", "+-1", "1e", "1e+", "e5", "1_0", "1,5", "0x", "0x.", "0x1p", "0xp1", "1d5", "nan(", "nan(-)", "nano",
        "infin", "1 2", "--1", "1e5.5", "1.2.3", "0x1.2.3", "{}", "true", "٣", "1e5x",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        REFUSED("float8", bad[i], HR_REASON_TYPE, NULL);
        REFUSED("float4", bad[i], HR_REASON_TYPE, NULL);
    }
    REFUSED("float8", "abc", HR_REASON_TYPE, "invalid number \"abc\"");
}

static void test_float4(void)
{
    VALUE("real", "1.5", "1.5", "3fc00000");
    VALUE("real", "1e6", "1e+06", NULL);
    VALUE("real", "100000", "100000", NULL);
    VALUE("real", "1234567", "1.234567e+06", NULL);
    VALUE("real", "1e-5", "1e-05", NULL);
    VALUE("real", "16777216", "1.6777216e+07", NULL);
    VALUE("real", "33554432", "3.3554432e+07", NULL);
    VALUE("real", "8589934592", "8.589935e+09", NULL);
    VALUE("real", "1e-45", "1e-45", "00000001");
    VALUE("real", "3.4028235e38", "3.4028235e+38", "7f7fffff");
    VALUE("real", "0.1", "0.1", "3dcccccd");
    VALUE("real", "-NaN", "NaN", "7fc00000");
    VALUE("real", "-inf", "-Infinity", "ff800000");
    /* rounded once: through a double this would become 16777216 */
    VALUE("real", "16777217.0000000001", "1.6777218e+07", NULL);
    REFUSED("real", "3.4028236e38", HR_REASON_RANGE, NULL);
    REFUSED("real", "7e-46", HR_REASON_RANGE, "value 7e-46 is out of range for real: its size must be between 1e-45 and 3.4e+38");
    VALUE_OF("real", HR_TOKEN_NUMBER, "2.5", "2.5", NULL);
    INT64("real", 16777217, "1.6777216e+07");
    FLOAT64("real", 0.1, "0.1");
    FLOAT64("real", (double)INFINITY, "Infinity");
    FLOAT64("real", (double)NAN, "NaN");
    FLOAT64_REFUSED("real", 1e39, HR_REASON_RANGE);
    FLOAT64_REFUSED("real", -1e-50, HR_REASON_RANGE);
    INT64("float8", INT64_MAX, "9.223372036854776e+18");
    FLOAT64("float8", 0.1, "0.1");
    FIELD("real", "3fc00000", "1.5");
    FIELD("real", "3fc0", NULL);
    FIELD("float8", "3fc00000", NULL);
    FIELD("float8", "7ff8000000000005", "NaN");
}

/* Compare both readers with the C library's on one text. */
static long differ(const char *text)
{
    double value = 0, want;
    float value4 = 0, want4;
    hr_float_syntax got;
    bool range;
    long wrong = 0;

    errno = 0;
    want = strtod(text, NULL);
    range = errno == ERANGE && (want == 0 || isinf(want));
    got = hr_float8_parse(text, strlen(text), &value);
    wrong += got != (range ? HR_FLOAT_RANGE : HR_FLOAT_OK) || (!range && memcmp(&value, &want, sizeof(want)) != 0);
    errno = 0;
    want4 = strtof(text, NULL);
    range = errno == ERANGE && (want4 == 0 || isinf(want4));
    got = hr_float4_parse(text, strlen(text), &value4);
    wrong += got != (range ? HR_FLOAT_RANGE : HR_FLOAT_OK) || (!range && memcmp(&value4, &want4, sizeof(want4)) != 0);
    if (wrong > 0)
        fprintf(stderr, "  %.100s\n", text);
    return wrong;
}

static uint64_t random_state = 88172645463325252u;

static uint64_t random64(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void test_against_library(void)
{
    char text[2048], printed[HR_FLOAT_TEXT];
    long wrong = 0, long_ones = 0;

    for (int i = 0; i < 60000; i++) {
        uint64_t bits = random64();
        uint32_t bits4 = (uint32_t)random64();
        double value, back = 0;
        float value4, back4 = 0;
        size_t n;

        /* printed and read back: the same bits */
        memcpy(&value, &bits, sizeof(value));
        memcpy(&value4, &bits4, sizeof(value4));
        if (isfinite(value)) {
            n = hr_float8_print(printed, value);
            wrong += n > HR_FLOAT_TEXT || hr_float8_parse(printed, n, &back) != HR_FLOAT_OK || memcmp(&back, &value, sizeof(value)) != 0;
            size_t digits = 0;
            for (size_t k = 0; k < n && printed[k] != 'e'; k++)
                digits += hr_is_digit(printed[k]);
            long_ones += digits > 17 + 5; /* zeros in front, as in 0.0001 */
        }
        if (isfinite(value4)) {
            n = hr_float4_print(printed, value4);
            wrong += n > HR_FLOAT_TEXT || hr_float4_parse(printed, n, &back4) != HR_FLOAT_OK || memcmp(&back4, &value4,
                    sizeof(value4)) != 0;
        }
        /* random digits, exponents near and far */
        snprintf(text, sizeof(text), "%llu.%llue%d", (unsigned long long)(random64() >> (random64() % 60)),
                 (unsigned long long)(random64() >> (random64() % 60)), (int)(random64() % 700) - 350);
        wrong += differ(text);
        snprintf(text, sizeof(text), "%.*e", (int)(random64() % 40), isfinite(value) ? value : 1.0);
        wrong += differ(text);
    }
    CHECK(wrong == 0, "%ld of the random numbers", wrong);
    CHECK(long_ones == 0, "%ld longer than 17 digits", long_ones);
}

/* Halfway between neighbours, exactly and one digit beyond: the digits of 1.5 units in the last place written out by the C library. */
static void test_halfway(void)
{
    char text[2400];
    long wrong = 0;

    for (int i = 0; i < 3000; i++) {
        uint64_t bits = random64() >> 1;
        double low, high;
        long double half;
        size_t n;

        memcpy(&low, &bits, sizeof(low));
        high = nextafter(low, HUGE_VAL);
        if (!isfinite(low) || !isfinite(high) || low < 1e-290)
            continue;
        half = ((long double)low + (long double)high) / 2; /* exact where long double has more bits; else a neighbour, also fine */
        snprintf(text, sizeof(text), "%.1100Le", half);
        wrong += differ(text);
        n = (size_t)(strchr(text, 'e') - text);
        memmove(text + n + 1, text + n, strlen(text + n) + 1);
        text[n] = '1';
        wrong += differ(text);
    }
    CHECK(wrong == 0, "%ld halfway numbers", wrong);
    memset(text, '0', 2000);
    memcpy(text, "9007199254740993.", 17);
    text[2000] = '\0';
    wrong += differ(text);
    text[1999] = '1';
    wrong += differ(text);
    CHECK(wrong == 0);
}

/* Numbers of few digits print as they are; and no locale can change the point. */
static void test_short_and_locale(void)
{
    static const char *const locales[] = {"de_DE.UTF-8", "pl_PL.UTF-8", "fr_FR.UTF-8"};
    char text[64], printed[HR_FLOAT_TEXT];
    long wrong = 0;
    double value = 0;
    float value4 = 0;

    for (int i = 0; i < 20000; i++) {
        unsigned whole = (unsigned)(random64() % 100000), part = (unsigned)(random64() % 999999) * 10 + 1;
        size_t n, m;

        n = (size_t)snprintf(text, sizeof(text), "%u.%07u", whole, part);
        wrong += hr_float8_parse(text, n, &value) != HR_FLOAT_OK;
        m = hr_float8_print(printed, value);
        wrong += m != n || memcmp(text, printed, n) != 0;
        n = (size_t)snprintf(text, sizeof(text), "%u.%u", whole % 1000, part % 1000 / 10 * 10 + 1);
        wrong += hr_float4_parse(text, n, &value4) != HR_FLOAT_OK;
        m = hr_float4_print(printed, value4);
        wrong += m != n || memcmp(text, printed, n) != 0;
    }
    CHECK(wrong == 0, "%ld short numbers changed", wrong);
    for (size_t i = 0; i < sizeof(locales) / sizeof(locales[0]); i++)
        if (setlocale(LC_ALL, locales[i]) != NULL)
            break;
    CHECK(hr_float8_parse("1.25", 4, &value) == HR_FLOAT_OK && value == 1.25);
    CHECK(hr_float8_print(printed, 1.25) == 4 && memcmp(printed, "1.25", 4) == 0);
    setlocale(LC_ALL, "C");
}

int main(void)
{
    test_float8();
    test_float4();
    test_against_library();
    test_halfway();
    test_short_and_locale();
    return TYPE_DONE();
}
