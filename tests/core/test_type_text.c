/* tests/core/test_type_text.c: text, varchar(n), char(n) and types kept as text for the server. */
#include "type_check.h"

static void test_text(void)
{
    VALUE("text", "", "", "");
    VALUE("text", "za\xc5\xbc\xc3\xb3\xc5\x82\xc4\x87", "za\xc5\xbc\xc3\xb3\xc5\x82\xc4\x87", "7a61c5bcc3b3c582c487");
    VALUE("text", " a\tb\n ", " a\tb\n ", NULL);
    VALUE_OF("text", HR_TOKEN_NUMBER, "1.50", "1.50", NULL);
    VALUE_OF("text", HR_TOKEN_TRUE, "true", "true", NULL);
    VALUE_OF("text", HR_TOKEN_OBJECT, "{ \"a\" : 1 }", "{ \"a\" : 1 }", NULL);
    VALUE_OF("text", HR_TOKEN_ARRAY, "[1, 2]", "[1, 2]", NULL);
    VALUE_OF("text", HR_TOKEN_BYTES, "abc", "abc", NULL);
    INT64("text", -7, "-7");
    FLOAT64("text", 1e20, "1e+20");
    REFUSED("text", "ab\xff", HR_REASON_ENCODING, "byte 0xff at position 2 is not valid UTF-8 in a value for text");
    REFUSED("text", "\xc0\x80", HR_REASON_ENCODING, NULL);
    REFUSED("text", "\xed\xa0\x80", HR_REASON_ENCODING, NULL);
    REFUSED("text", "\xf4\x90\x80\x80", HR_REASON_ENCODING, NULL);
    REFUSED("text", "abc\xe2\x82", HR_REASON_ENCODING, NULL);
    REFUSED_OF("text", HR_TOKEN_BYTES, "\xff", HR_REASON_ENCODING, NULL);
    type_refused_named(__LINE__, "text", HR_TOKEN_TEXT, "a\0b", 3, HR_REASON_ENCODING, "text cannot hold the character U+0000 (NUL)");
    type_refused_named(__LINE__, "text", HR_TOKEN_STRING, "a\0b", 3, HR_REASON_ENCODING, NULL);
    FIELD("text", "6162", "ab");
    FIELD("text", "", "");
    FIELD("text", "ff", NULL);
    FIELD("text", "610062", NULL);
}

static void test_varchar(void)
{
    VALUE("varchar(3)", "abc", "abc", "616263");
    VALUE("varchar(3)", "", "", "");
    VALUE("varchar(3)", "za\xc5\xbc", "za\xc5\xbc", NULL);
    VALUE("varchar(3)", "abc     ", "abc", "616263"); /* only spaces are too much: cut off */
    VALUE("varchar(3)", "ab  ", "ab ", NULL);
    VALUE("varchar(3)", "za\xc5\xbc  ", "za\xc5\xbc", NULL);
    VALUE("varchar(1)", "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80", NULL);
    VALUE("varchar", "any length at all", "any length at all", NULL);
    REFUSED("varchar(3)", "abcd", HR_REASON_RANGE, "text of 4 characters is too long for character varying(3)");
    REFUSED("varchar(3)", "abc d", HR_REASON_RANGE, NULL);
    REFUSED("varchar(3)", "za\xc5\xbc\xc3\xb3", HR_REASON_RANGE, "text of 4 characters is too long for character varying(3)");
    REFUSED("varchar(3)", "abc\t", HR_REASON_RANGE, NULL);
    REFUSED("varchar(3)", "a\xff", HR_REASON_ENCODING, NULL);
    INT64("varchar(3)", 123, "123");
    INT64_REFUSED("varchar(3)", 1234, HR_REASON_RANGE);
}

static void test_char(void)
{
    VALUE("char(3)", "ab", "ab ", "616220");
    VALUE("char(3)", "", "   ", "202020");
    VALUE("char(3)", "abc", "abc", NULL);
    VALUE("char(3)", "ab    ", "ab ", NULL);
    VALUE("char(3)", "\xc5\xbc", "\xc5\xbc  ", "c5bc2020");
    VALUE("char", "x", "x", NULL);
    VALUE("char", "", " ", NULL);
    VALUE("bpchar", "ab  ", "ab  ", NULL);
    VALUE("bpchar", "", "", NULL);
    REFUSED("char(3)", "abcd", HR_REASON_RANGE, "text of 4 characters is too long for character(3)");
    REFUSED("char", "xy", HR_REASON_RANGE, NULL);
    INT64("char(5)", 12, "12   ");
}

static void test_other(void)
{
    hr_type type = type_named(__LINE__, "inet");
    hr_column column;
    hr_buffer out = {0};
    hr_error error;

    CHECK(type.kind == HR_OTHER);
    VALUE("inet", "10.0.0.1/8", "10.0.0.1/8", NULL);
    VALUE("shop.money", "", "", NULL);
    REFUSED("inet", "\xff", HR_REASON_ENCODING, NULL);
    CHECK(hr_column_init(&column, &type, &error) == HR_OK);
    CHECK(hr_type_ops_of(&type)->parse(&type, HR_TOKEN_STRING, "x", 1, &column, &error) == HR_OK);
    CHECK(hr_type_ops_of(&type)->write_binary(&type, &column, 0, &out, &error) == HR_EUSAGE && out.size == 0);
    CHECK_TEXT(error.message, strlen(error.message), "a column of type inet cannot be sent in binary: use COPY's text format");
    CHECK(hr_type_ops_of(&type)->read_binary(&type, (const uint8_t *)"x", 1, &column, &error) == HR_EUSAGE && column.length == 1);
    hr_column_free(&column);
}

int main(void)
{
    test_text();
    test_varchar();
    test_char();
    test_other();
    return TYPE_DONE();
}
