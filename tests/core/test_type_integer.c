/* tests/core/test_type_integer.c: smallint, integer and bigint, with the grammar of PostgreSQL 16 and of those before. */
#include "type_check.h"

static const char *const names[] = {"smallint", "integer", "bigint"};

static void test_syntax(void)
{
    static const struct {
        const char *text, *want;
    } good[] = {{"0", "0"},         {"-0", "0"},          {"+5", "5"},       {"007", "7"},      {" 12 ", "12"},       {"\t-3\n", "-3"},
                {"1_000", "1000"},  {"1_2_3", "123"},     {"0x1F", "31"},    {"0X1f", "31"},    {"-0x10", "-16"},     {"+0xa", "10"},
                {"0b101", "5"},     {"0B1", "1"},         {"0o17", "15"},    {"0O7", "7"},      {"0x_1F", "31"},      {"0b_1_0", "2"},
                {"0x7fff", "32767"}, {"-0x8000", "-32768"}, {"00012345", "12345"}, {"000000000000000000000000012", "12"}};
    static const char *const bad[] = {
        "", " ", "-", "+", "--1", "+-1", "1 2", "1e3", "1.0", "1.", ".5", "12a", "a", "0x", "0b2", "0o8", "0xg", "_1", "1_", "1__2",
        "0x1_", "0x__1", "- 1", "0_x1", "NaN", "Infinity", "١", "1,000", "true", "{}", "99999999999999999999x", "12345678a",
        "1234567 8", "1234567:", "1234567/",
    };

    for (size_t t = 0; t < 3; t++) {
        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
            VALUE(names[t], good[i].text, good[i].want, NULL);
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
            REFUSED(names[t], bad[i], HR_REASON_TYPE, NULL);
        type_refused_named(__LINE__, names[t], HR_TOKEN_TEXT, "1\0", 2, HR_REASON_TYPE, NULL);
        REFUSED(names[t], "99999999999999999999999999999999999999", HR_REASON_RANGE, NULL);
        REFUSED(names[t], "0xffffffffffffffffffffffffffff", HR_REASON_RANGE, NULL);
    }
    REFUSED("integer", "12a", HR_REASON_TYPE, "invalid integer \"12a\"");
    REFUSED("integer", "", HR_REASON_TYPE, "an empty string is not a valid integer");
}

static void test_limits(void)
{
    VALUE("smallint", "32767", "32767", "7fff");
    VALUE("smallint", "-32768", "-32768", "8000");
    VALUE("smallint", "-1", "-1", "ffff");
    REFUSED("smallint", "32768", HR_REASON_RANGE, NULL);
    REFUSED("smallint", "-32769", HR_REASON_RANGE, NULL);
    REFUSED("smallint", "70000", HR_REASON_RANGE, "value 70000 is out of range for smallint (-32768 to 32767)");
    REFUSED("smallint", "0x8000", HR_REASON_RANGE, NULL);
    VALUE("integer", "2147483647", "2147483647", "7fffffff");
    VALUE("integer", "-2147483648", "-2147483648", "80000000");
    VALUE("integer", "258", "258", "00000102");
    REFUSED("integer", "2147483648", HR_REASON_RANGE, "value 2147483648 is out of range for integer (-2147483648 to 2147483647)");
    REFUSED("integer", "-2147483649", HR_REASON_RANGE, NULL);
    VALUE("bigint", "9223372036854775807", "9223372036854775807", "7fffffffffffffff");
    VALUE("bigint", "-9223372036854775808", "-9223372036854775808", "8000000000000000");
    VALUE("bigint", "0x7fffffffffffffff", "9223372036854775807", NULL);
    VALUE("bigint", "-0x8000000000000000", "-9223372036854775808", NULL);
    VALUE("bigint", "123456789012345678", "123456789012345678", NULL);
    VALUE("bigint", "1234567890123456789", "1234567890123456789", NULL);
    VALUE("bigint", "-99999999", "-99999999", NULL);
    VALUE("bigint", "1234567890123456", "1234567890123456", NULL);
    REFUSED("bigint", "9223372036854775808", HR_REASON_RANGE, NULL);
    REFUSED("bigint", "-9223372036854775809", HR_REASON_RANGE, NULL);
    REFUSED("bigint", "0x8000000000000000", HR_REASON_RANGE, NULL);
    REFUSED("bigint", "18446744073709551616", HR_REASON_RANGE, NULL);
}

static void test_tokens(void)
{
    VALUE_OF("integer", HR_TOKEN_NUMBER, "-12", "-12", "fffffff4");
    VALUE_OF("integer", HR_TOKEN_STRING, "0x1f", "31", NULL);
    VALUE_OF("integer", HR_TOKEN_BYTES, "77", "77", NULL);
    REFUSED_OF("integer", HR_TOKEN_NUMBER, "1.0", HR_REASON_TYPE, "invalid integer \"1.0\"");
    REFUSED_OF("integer", HR_TOKEN_NUMBER, "1e3", HR_REASON_TYPE, NULL);
    REFUSED_OF("integer", HR_TOKEN_TRUE, "true", HR_REASON_TYPE, NULL);
    REFUSED_OF("integer", HR_TOKEN_ARRAY, "[1]", HR_REASON_TYPE, NULL);
    INT64("smallint", -32768, "-32768");
    INT64_REFUSED("smallint", 32768, HR_REASON_RANGE);
    INT64("integer", INT32_MAX, "2147483647");
    INT64_REFUSED("integer", INT64_MIN, HR_REASON_RANGE);
    INT64("bigint", INT64_MIN, "-9223372036854775808");
    FLOAT64("bigint", 12.0, "12");
    FLOAT64("bigint", -0.0, "0");
    FLOAT64_REFUSED("bigint", 12.5, HR_REASON_TYPE);
    FLOAT64_REFUSED("bigint", 1e18, HR_REASON_TYPE); /* "1e+18", which the server refuses as well */
}

/* Before 16 there was neither hex nor underscore. */
static void test_old_server(void)
{
    hr_type type = type_named(__LINE__, "integer");

    type.server_version = 150013;
    type_value(__LINE__, &type, HR_TOKEN_TEXT, "12", 2, "12", NULL);
    type_refused(__LINE__, &type, HR_TOKEN_TEXT, "0x1f", 4, HR_REASON_TYPE, NULL);
    type_refused(__LINE__, &type, HR_TOKEN_TEXT, "1_000", 5, HR_REASON_TYPE, NULL);
    type.server_version = 160000;
    type_value(__LINE__, &type, HR_TOKEN_TEXT, "0x1f", 4, "31", NULL);
}

static void test_fields(void)
{
    FIELD("smallint", "fffe", "-2");
    FIELD("smallint", "fffffffe", NULL);
    FIELD("integer", "0000", NULL);
    FIELD("integer", "", NULL);
    FIELD("bigint", "00000000", NULL);
    FIELD("bigint", "0000000000000100", "256");
}

/* The helpers of bytes.h on their own. */
static void test_helpers(void)
{
    char text[HR_INT64_TEXT];
    uint32_t eight = 0;
    int64_t value = 5;
    long wrong = 0;

    CHECK(hr_print_uint64(text, UINT64_MAX) == 20 && memcmp(text, "18446744073709551615", 20) == 0);
    CHECK(hr_print_int64(text, INT64_MIN) == 20 && memcmp(text, "-9223372036854775808", 20) == 0);
    CHECK(hr_print_int64(text, 0) == 1 && text[0] == '0');
    hr_print_padded(text, 7, 2);
    CHECK(memcmp(text, "07", 2) == 0);
    for (unsigned place = 0; place < 8; place++) {
        for (unsigned c = 0; c < 256; c++) {
            memcpy(text, "12345678", 8);
            text[place] = (char)c;
            wrong += hr_parse_eight_digits(text, &eight) != (c >= '0' && c <= '9');
        }
    }
    CHECK(wrong == 0, "%ld bytes taken or refused wrongly", wrong);
    CHECK(hr_parse_eight_digits("00000000", &eight) && eight == 0);
    CHECK(hr_parse_eight_digits("12345678", &eight) && eight == 12345678);
    CHECK(hr_parse_eight_digits("99999999", &eight) && eight == 99999999);
    CHECK(!hr_parse_plain_int64("", 0, &value) && !hr_parse_plain_int64("-", 1, &value) && value == 5);
    CHECK(!hr_parse_plain_int64("1234567890123456789", 19, &value) && value == 5);
    CHECK(hr_parse_plain_int64("-999999999999999999", 19, &value) && value == -INT64_C(999999999999999999));
}

int main(void)
{
    test_syntax();
    test_limits();
    test_tokens();
    test_old_server();
    test_fields();
    test_helpers();
    return TYPE_DONE();
}
