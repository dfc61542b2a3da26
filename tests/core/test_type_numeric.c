/* tests/core/test_type_numeric.c: numeric in both of its forms, 128-bit integers and text. Expected values are PostgreSQL 18's. */
#include "type_check.h"

/* Both kinds read the same grammar: each value goes into numeric(38,6) (an integer inside) and numeric(50,6) (text inside). */
static void both(int line, const char *s, const char *want)
{
    type_value_named(line, "numeric(38,6)", HR_TOKEN_TEXT, s, strlen(s), want, NULL);
    type_value_named(line, "numeric(50,6)", HR_TOKEN_TEXT, s, strlen(s), want, NULL);
}

static void both_refused(int line, const char *s, hr_reason reason)
{
    type_refused_named(line, "numeric(38,6)", HR_TOKEN_TEXT, s, strlen(s), reason, NULL);
    type_refused_named(line, "numeric(50,6)", HR_TOKEN_TEXT, s, strlen(s), reason, NULL);
    if (reason == HR_REASON_TYPE)
        type_refused_named(line, "numeric", HR_TOKEN_TEXT, s, strlen(s), reason, NULL);
}

static void test_grammar(void)
{
    static const char *const bad[] = {
        "", " ", ".", "-", "+", "--1", "- 1", "1 2", "1e", "1e+", "e5", ".e5", "1.2.3", "12a", "1,5", "_1", "1_", "1__0", "1._5",
        "1_.5", "1e_1", "1e1_", "0x", "0xg", "0x1.5", "0b2", "0o8", "0x1_", "0x1__0", "+nan", "-nan", "nanx", "infin", "in",
        "Infinityx", "true", "{}", "0x1e5p1", "1e5.5", "١",
    };

    both(__LINE__, "0", "0.000000");
    both(__LINE__, "-0.00", "0.000000");
    both(__LINE__, "1.50", "1.500000");
    both(__LINE__, "-1.5", "-1.500000");
    both(__LINE__, "+.5", "0.500000");
    both(__LINE__, "1.", "1.000000");
    both(__LINE__, " \t12.5\n ", "12.500000");
    both(__LINE__, "1e3", "1000.000000");
    both(__LINE__, "1E+3", "1000.000000");
    both(__LINE__, "125e-2", "1.250000");
    both(__LINE__, "1_000.000_5", "1000.000500");
    both(__LINE__, "1_0.5_5e1_0", "105500000000.000000");
    both(__LINE__, "0x1F", "31.000000");
    both(__LINE__, "-0X_ff", "-255.000000");
    both(__LINE__, "0b101", "5.000000");
    both(__LINE__, "0o777", "511.000000");
    both(__LINE__, "0x0", "0.000000");
    both(__LINE__, "-0x00", "0.000000");
    both(__LINE__, "0xffffffffffffffffffff", "1208925819614629174706175.000000");
    both(__LINE__, "000000000000000000000000000000000000000000000000012", "12.000000");
    both(__LINE__, "0e1073741823", "0.000000");
    both(__LINE__, "1e-1073741823", "0.000000");
    both(__LINE__, "NaN", "NaN");
    both(__LINE__, " nan ", "NaN");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        both_refused(__LINE__, bad[i], HR_REASON_TYPE);
    both_refused(__LINE__, "0e1073741824", HR_REASON_RANGE);
    both_refused(__LINE__, "1e99999999999999999999999999", HR_REASON_RANGE);
    both_refused(__LINE__, "1e-99999999999999999999999999", HR_REASON_RANGE);
    both_refused(__LINE__, "Infinity", HR_REASON_RANGE);
    both_refused(__LINE__, "-inf", HR_REASON_RANGE);
    both_refused(__LINE__, "1e1073741823", HR_REASON_RANGE);
    both_refused(__LINE__, "0xffffffffffffffffffffffffffffffffffffffffffffffff", HR_REASON_RANGE);
    type_refused_named(__LINE__, "numeric(38,6)", HR_TOKEN_TEXT, "1\0", 2, HR_REASON_TYPE, NULL);
    REFUSED("numeric(12,2)", "12a", HR_REASON_TYPE, "invalid number \"12a\"");
    REFUSED("numeric", "", HR_REASON_TYPE, "an empty string is not a valid number");
}

static void test_rounding(void)
{
    both(__LINE__, "0.0000004", "0.000000");
    both(__LINE__, "0.0000005", "0.000001");
    both(__LINE__, "-0.0000005", "-0.000001");
    both(__LINE__, "-0.0000004999999999999999999999999999999999999999999999", "0.000000");
    both(__LINE__, "1.2345675", "1.234568");
    both(__LINE__, "1.23456749999", "1.234567");
    both(__LINE__, "99999.9999995", "100000.000000");
    both(__LINE__, "12345678901234567.1234565", "12345678901234567.123457");
    both(__LINE__, "0.000000999999999", "0.000001");
    VALUE("numeric(5,2)", "999.994", "999.99", NULL);
    REFUSED("numeric(5,2)", "999.995", HR_REASON_RANGE, "value 999.995 is out of range for numeric(5,2): it must round to less than 10^3");
    REFUSED("numeric(5,2)", "-1000", HR_REASON_RANGE, NULL);
    VALUE("numeric(1,0)", "9.4", "9", NULL);
    VALUE("numeric(1,0)", "0.5", "1", NULL);
    VALUE("numeric(1,0)", "0.4999", "0", NULL);
    REFUSED("numeric(1,0)", "9.5", HR_REASON_RANGE, NULL);
    VALUE("numeric(3,3)", "0.9994", "0.999", NULL);
    REFUSED("numeric(3,3)", "0.9995", HR_REASON_RANGE, NULL);
    REFUSED("numeric(3,3)", "1", HR_REASON_RANGE, NULL);
    VALUE("numeric(3,-2)", "1250", "1300", NULL);
    VALUE("numeric(3,-2)", "-1250", "-1300", NULL);
    VALUE("numeric(3,-2)", "49", "0", NULL);
    VALUE("numeric(3,-2)", "50", "100", NULL);
    VALUE("numeric(3,-2)", "-49.9", "0", NULL);
    VALUE("numeric(3,-2)", "99949", "99900", NULL);
    REFUSED("numeric(3,-2)", "99950", HR_REASON_RANGE, "value 99950 is out of range for numeric(3,-2): it must round to less than 10^5");
    VALUE("numeric(2,4)", "0.00994", "0.0099", NULL);
    REFUSED("numeric(2,4)", "0.00995", HR_REASON_RANGE, "value 0.00995 is out of range for numeric(2,4): it must round to less than 10^-2");
    REFUSED("numeric(2,4)", "0.01", HR_REASON_RANGE, NULL);
    VALUE("numeric(1,3)", "0.0005", "0.001", NULL);
}

static void test_decimal_limits(void)
{
    char nines[40], text[64];

    memset(nines, '9', 38);
    nines[38] = '\0';
    VALUE("numeric(38,0)", nines, nines, "000a0009000000000063270f270f270f270f270f270f270f270f270f");
    VALUE("numeric(38,0)", "-99999999999999999999999999999999999999", "-99999999999999999999999999999999999999",
          "000a0009400000000063270f270f270f270f270f270f270f270f270f");
    REFUSED("numeric(38,0)", "100000000000000000000000000000000000000", HR_REASON_RANGE, NULL);
    REFUSED("numeric(38,0)", "99999999999999999999999999999999999999.5", HR_REASON_RANGE, NULL);
    VALUE("numeric(38,0)", "1e37", "10000000000000000000000000000000000000", "0001000900000000000a");
    REFUSED("numeric(38,0)", "1e38", HR_REASON_RANGE, NULL);
    snprintf(text, sizeof(text), "0.%s", nines);
    VALUE("numeric(38,38)", text, text, NULL);
    snprintf(text, sizeof(text), "-0.%s", nines);
    VALUE("numeric(38,38)", text, text, NULL);
    VALUE("numeric(38,38)", "0.00000000000000000000000000000000000001", "0.00000000000000000000000000000000000001", "0001fff6000000260064");
    VALUE("numeric(37,3)", "9999999999999999999999999999999999.999", "9999999999999999999999999999999999.999", NULL);
    VALUE("numeric(37,35)", "99.99999999999999999999999999999999999", "99.99999999999999999999999999999999999", NULL);
    VALUE("numeric(18,4)", "99999999999999.9999", "99999999999999.9999", NULL);
    VALUE("numeric(18,0)", "999999999999999999", "999999999999999999", NULL);
    VALUE("numeric(19,0)", "9999999999999999999", "9999999999999999999", NULL);
    VALUE("numeric(20,19)", "-9.2233720368547758085", "-9.2233720368547758085", NULL);
    VALUE("numeric(38,19)", "1", "1.0000000000000000000", NULL);
    VALUE("numeric(38,20)", "18446744073709551.615", "18446744073709551.61500000000000000000", NULL);
    VALUE("numeric(21,20)", "1", "1.00000000000000000000", NULL);
}

static void test_decimal_binary(void)
{
    VALUE("numeric(12,2)", "0", "0.00", "0000000000000002");
    VALUE("numeric(12,2)", "0.01", "0.01", "0001ffff000000020064");
    VALUE("numeric(12,2)", "123.45", "123.45", "0002000000000002007b1194");
    VALUE("numeric(12,2)", "-123.40", "-123.40", "0002000040000002007b0fa0");
    VALUE("numeric(12,2)", "10000", "10000.00", "00010001000000020001");
    VALUE("numeric(12,2)", "100000000.00", "100000000.00", "00010002000000020001");
    VALUE("numeric(12,4)", "0.0001", "0.0001", "0001ffff000000040001");
    VALUE("numeric(12,5)", "0.00001", "0.00001", "0001fffe0000000503e8");
    VALUE("numeric(12,0)", "99990001", "99990001", "0002000100000000270f0001");
    VALUE("numeric(12,2)", "NaN", "NaN", "00000000c0000000");
    VALUE("numeric(12,1)", "5.5", "5.5", "00020000000000010005" "1388");
    FIELD("numeric(12,2)", "0002000000000002007b1194", "123.45");
    FIELD("numeric(12,2)", "0002000000000003007b119e", "123.45"); /* .451: a third digit, rounded */
    FIELD("numeric(12,2)", "0002000000000003007b11c6", "123.46"); /* .455 */
    FIELD("numeric(12,2)", "00010001000000000001", "10000.00");
    FIELD("numeric(12,2)", "0003000000000000000000000000", "0.00"); /* zeros that the server would have left out */
    FIELD("numeric(12,2)", "00010006000000000001", NULL);           /* 10^24 */
    FIELD("numeric(12,2)", "00017fff000000000001", NULL);
    FIELD("numeric(12,2)", "00018000000000000001", "0.00"); /* 10^-131072 with no digit shown */
    FIELD("numeric(12,2)", "00000000c0000000", "NaN");
    FIELD("numeric(12,2)", "00000000d0000020", NULL);
    FIELD("numeric(12,2)", "00000000f0000020", NULL);
    FIELD("numeric(12,2)", "0001000000000002", NULL);         /* a digit is missing */
    FIELD("numeric(12,2)", "00010000000000020001" "0001", NULL); /* one too many */
    FIELD("numeric(12,2)", "00010000000000022710", NULL);     /* 10000 is no digit */
    FIELD("numeric(12,2)", "00010000123400020001", NULL);     /* no such sign */
    FIELD("numeric(12,2)", "00010000000040000001", NULL);     /* no such scale */
    FIELD("numeric(12,2)", "", NULL);
    FIELD("numeric(38,10)", "00050004000000000001" "0002000300040005", "10002000300040005.0000000000");
    FIELD("numeric(38,38)", "0001fff6000000260064", "0.00000000000000000000000000000000000001");
}

static void test_decimal_storage(void)
{
    hr_type type = type_named(__LINE__, "numeric(12,2)");
    hr_column column;
    hr_error error;
    hr_decimal128 value;

    CHECK(type.kind == HR_DECIMAL);
    CHECK(hr_column_init(&column, &type, &error) == HR_OK);
    CHECK(hr_type_ops_of(&type)->parse(&type, HR_TOKEN_NUMBER, "-1.5", 4, &column, &error) == HR_OK);
    value = hr_column_get_decimal(&column, 0);
    CHECK((int64_t)value.low == -150 && value.high == -1);
    CHECK(hr_type_ops_of(&type)->parse(&type, HR_TOKEN_STRING, "NaN", 3, &column, &error) == HR_OK);
    value = hr_column_get_decimal(&column, 1);
    CHECK(value.low == HR_DECIMAL_NAN_LOW && value.high == HR_DECIMAL_NAN_HIGH);
    hr_column_free(&column);
}

static void test_unbounded(void)
{
    static char digits[140000], want[140010];
    hr_type type;

    VALUE("numeric", "1.50", "1.50", "000200000000000200011388");
    VALUE("numeric", "1e3", "1000", "00010000000000" "0003e8");
    VALUE("numeric", "10000", "10000", "00010001000000000001");
    VALUE("numeric", "0", "0", "0000000000000000");
    VALUE("numeric", "-0.00", "0.00", "0000000000000002");
    VALUE("numeric", "-0", "0", NULL);
    VALUE("numeric", "0.0001", "0.0001", "0001ffff000000040001");
    VALUE("numeric", "0.00000001", "0.00000001", "0001fffe000000080001");
    VALUE("numeric", "-12345.678", "-12345.678", "000300014000000300010929" "1a7c");
    VALUE("numeric", "99990000.00010000", "99990000.00010000", "00030001000000" "08270f00000001");
    VALUE("numeric", "00.10", "0.10", NULL);
    VALUE("numeric", "007", "7", NULL);
    VALUE("numeric", "5.", "5", NULL);
    VALUE("numeric", ".5", "0.5", NULL);
    VALUE("numeric", "-12345e-7", "-0.0012345", NULL);
    VALUE("numeric", "12e-1", "1.2", NULL);
    VALUE("numeric", "1.50e1", "15.0", NULL);
    VALUE("numeric", "0e-5", "0.00000", NULL);
    VALUE("numeric", "0e99999", "0", NULL);
    VALUE("numeric", "NaN", "NaN", "00000000c0000000");
    VALUE("numeric", "inf", "Infinity", "00000000d0000020");
    VALUE("numeric", "-Infinity", "-Infinity", "00000000f0000020");
    VALUE("numeric", "0xffffffffffffffffffffffffffffffffffff", "22300745198530623141535718272648361505980415", NULL);

    /* 400 digits on either side */
    memset(digits, '1', 400);
    digits[400] = '.';
    memset(digits + 401, '2', 400);
    digits[801] = '\0';
    VALUE("numeric", digits, digits, NULL);
    VALUE_OF("numeric", HR_TOKEN_NUMBER, digits, digits, NULL);

    /* the server's limits: 131072 digits before the point, 16383 after it */
    memset(digits, '9', 131072);
    digits[131072] = '\0';
    VALUE("numeric", digits, digits, NULL);
    memcpy(digits + 131072, "9", 2);
    REFUSED("numeric", digits, HR_REASON_RANGE, NULL);
    memset(want, '0', 131072);
    want[0] = '1';
    want[131072] = '\0';
    VALUE("numeric", "1e131071", want, NULL);
    REFUSED("numeric", "1e131072", HR_REASON_RANGE,
            "value 1e131072 is out of range for numeric: at most 131072 digits before the point and 16383 after it");
    memset(want, '0', 2 + 16383);
    want[1] = '.';
    want[16384] = '1';
    want[16385] = '\0';
    VALUE("numeric", "1e-16383", want, NULL);
    REFUSED("numeric", "1e-16384", HR_REASON_RANGE, NULL);
    REFUSED("numeric", "0e-16384", HR_REASON_RANGE, NULL);
    want[502] = '\0';
    VALUE("numeric(1000,500)", "1e-16384", want, NULL); /* rounded away before it can be too long */
    digits[0] = '0';
    digits[1] = 'x';
    memset(digits + 2, 'f', 120000);
    digits[120002] = '\0';
    REFUSED("numeric", digits, HR_REASON_RANGE, NULL);
    digits[2] = '_';
    REFUSED("numeric", digits, HR_REASON_RANGE, NULL);

    /* infinity came with 14; hex and underscores with 16 */
    type = type_named(__LINE__, "numeric");
    type.server_version = 130000;
    type_refused(__LINE__, &type, HR_TOKEN_TEXT, "Infinity", 8, HR_REASON_TYPE, NULL);
    type_value(__LINE__, &type, HR_TOKEN_TEXT, "NaN", 3, "NaN", NULL);
    type_refused(__LINE__, &type, HR_TOKEN_TEXT, "0x1f", 4, HR_REASON_TYPE, NULL);
    type_refused(__LINE__, &type, HR_TOKEN_TEXT, "1_0", 3, HR_REASON_TYPE, NULL);
    type_refused(__LINE__, &type, HR_TOKEN_TEXT, "1e1_0", 5, HR_REASON_TYPE, NULL);
}

static void test_unbounded_fields(void)
{
    FIELD("numeric", "0002000000000002007b1194", "123.45");
    FIELD("numeric", "0002000000000001007b1194", "123.4"); /* the scale hides a digit: cut off, as the server does */
    FIELD("numeric", "00010000400000000000", "0");
    FIELD("numeric", "0001ffff400000000001", "0"); /* -0.0001 with nothing shown has no sign */
    FIELD("numeric", "00010002000000000001", "100000000");
    FIELD("numeric", "0001fffe000000080001", "0.00000001");
    FIELD("numeric", "00020002000000000000" "0007", "70000");
    FIELD("numeric", "00000000d0000020", "Infinity");
    FIELD("numeric", "00000000f0000000", "-Infinity");
    FIELD("numeric", "00000000c0000000", "NaN");
    FIELD("numeric", "00010000000000022710", NULL);
    FIELD("numeric", "000100000000", NULL);
    FIELD("numeric", "ffff0000000000000001", NULL);
}

static void test_tokens(void)
{
    VALUE_OF("numeric(12,2)", HR_TOKEN_NUMBER, "1.005", "1.01", NULL);
    VALUE_OF("numeric(12,2)", HR_TOKEN_STRING, " 7 ", "7.00", NULL);
    REFUSED_OF("numeric(12,2)", HR_TOKEN_TRUE, "true", HR_REASON_TYPE, NULL);
    REFUSED_OF("numeric", HR_TOKEN_OBJECT, "{}", HR_REASON_TYPE, NULL);
    INT64("numeric(12,2)", -12, "-12.00");
    INT64_REFUSED("numeric(12,2)", INT64_MIN, HR_REASON_RANGE);
    INT64("numeric(38,2)", INT64_MIN, "-9223372036854775808.00");
    INT64("numeric", INT64_MAX, "9223372036854775807");
    FLOAT64("numeric", 0.1, "0.1");
    FLOAT64("numeric", 1e20, "100000000000000000000");
    FLOAT64("numeric(12,2)", 1e-5, "0.00");
}

/* All numbers of up to five digits with every place of the point: the fast and the slow road give the same. */
static void test_roads(void)
{
    hr_type type = type_named(__LINE__, "numeric(9,3)");
    const hr_type_ops *ops = hr_type_ops_of(&type);
    hr_column column;
    hr_buffer out = {0};
    hr_error error;
    long wrong = 0;

    CHECK(hr_column_init(&column, &type, &error) == HR_OK);
    for (long number = 0; number < 100000; number += 7) {
        for (int after = 0; after <= 3; after++) {
            char plain[32], other[32], want[32];
            long scale = after == 0 ? 1 : after == 1 ? 10 : after == 2 ? 100 : 1000;
            int n = after == 0 ? snprintf(plain, sizeof(plain), "-%ld", number)
                               : snprintf(plain, sizeof(plain), "-%ld.%0*ld", number / scale, after, number % scale);
            int m = snprintf(other, sizeof(other), " %se0", plain);
            long thousandths = number * (1000 / scale);

            snprintf(want, sizeof(want), "%s%ld.%03ld", thousandths != 0 ? "-" : "", thousandths / 1000, thousandths % 1000);
            hr_column_truncate(&column, 0);
            wrong += ops->parse(&type, HR_TOKEN_NUMBER, plain, (size_t)n, &column, &error) != HR_OK;
            wrong += ops->parse(&type, HR_TOKEN_STRING, other, (size_t)m, &column, &error) != HR_OK;
            for (int row = 0; row < 2 && column.length == 2; row++) {
                out.size = 0;
                wrong += ops->write_text(&type, &column, row, &out, &error) != HR_OK || out.size != strlen(want) ||
                         memcmp(out.data, want, out.size) != 0;
            }
        }
    }
    CHECK(wrong == 0, "%ld", wrong);
    hr_buffer_free(&out);
    hr_column_free(&column);
}

int main(void)
{
    test_grammar();
    test_rounding();
    test_decimal_limits();
    test_decimal_binary();
    test_decimal_storage();
    test_unbounded();
    test_unbounded_fields();
    test_tokens();
    test_roads();
    return TYPE_DONE();
}
