/* tests/core/test_type_bytea.c: bytea and uuid. */
#include "type_check.h"

static void test_bytea(void)
{
    char all[256], hex[2 + 512 + 1] = "\\x";

    VALUE("bytea", "\\xDEadbeef", "\\xdeadbeef", "deadbeef");
    VALUE("bytea", "\\x", "\\x", "");
    VALUE("bytea", "", "\\x", "");
    VALUE("bytea", "\\x de ad\n\tbe\ref ", "\\xdeadbeef", NULL);
    VALUE("bytea", "abc", "\\x616263", NULL);
    VALUE("bytea", "a\\\\b\\001\\377", "\\x615c6201ff", NULL);
    VALUE("bytea", "za\xc5\xbc", "\\x7a61c5bc", NULL);
    VALUE("bytea", "x00", "\\x783030", NULL);
    REFUSED("bytea", "\\xd", HR_REASON_TYPE,
            "invalid bytea \"\\xd\": half a byte (an odd number of hexadecimal digits) at position 2");
    REFUSED("bytea", "\\xd e", HR_REASON_TYPE, "invalid bytea \"\\xd e\": no hexadecimal digit at position 3");
    REFUSED("bytea", "\\xzz", HR_REASON_TYPE, NULL);
    REFUSED("bytea", "\\xde\vad", HR_REASON_TYPE, NULL); /* of white space only space, tab, newline, return */
    REFUSED("bytea", "\\Xde", HR_REASON_TYPE, NULL);
    REFUSED("bytea", "\\400", HR_REASON_TYPE, NULL);
    REFUSED("bytea", "\\08", HR_REASON_TYPE, NULL);
    REFUSED("bytea", "\\", HR_REASON_TYPE, NULL);
    REFUSED("bytea", "abc\\1", HR_REASON_TYPE,
            "invalid bytea \"abc\\1\": a backslash that starts neither \\\\ nor \\ooo at position 3");
    REFUSED("bytea", "\xff", HR_REASON_ENCODING, NULL);
    type_refused_named(__LINE__, "bytea", HR_TOKEN_STRING, "a\0", 2, HR_REASON_ENCODING, NULL);
    /* bytes from a binary format are the value itself */
    for (int i = 0; i < 256; i++) {
        all[i] = (char)i;
        snprintf(hex + 2 + 2 * i, 3, "%02x", i);
    }
    type_value_named(__LINE__, "bytea", HR_TOKEN_BYTES, all, sizeof(all), hex, hex + 2);
    type_value_named(__LINE__, "bytea", HR_TOKEN_BYTES, "\\x00", 4, "\\x5c783030", NULL);
    VALUE("bytea", hex, hex, hex + 2);
    INT64("bytea", 12, "\\x3132");
}

static void test_uuid(void)
{
    static const char plain[] = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", hex[] = "a0eebc999c0b4ef8bb6d6bb9bd380a11";
    static const char *const good[] = {plain, hex, "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}",
                                       "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11", "{a0eebc999c0b4ef8bb6d6bb9bd380a11}"};
    static const char *const bad[] = {
        "", "{", "{}", " a0eebc999c0b4ef8bb6d6bb9bd380a11", "a0eebc999c0b4ef8bb6d6bb9bd380a11 ", "a0eebc999c0b4ef8bb6d6bb9bd380a11-",
        "-a0eebc999c0b4ef8bb6d6bb9bd380a11", "{a0eebc999c0b4ef8bb6d6bb9bd380a11", "a0eebc999c0b4ef8bb6d6bb9bd380a11}",
        "a0eebc99--9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc999c0b4ef8bb6d6bb9bd380a1", "a0eebc999c0b4ef8bb6d6bb9bd380a111",
        "a0-eebc999c0b4ef8bb6d6bb9bd380a11", "g0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1g",
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1\xff", "1234567890123456",
    };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        VALUE("uuid", good[i], plain, hex);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        REFUSED("uuid", bad[i], HR_REASON_TYPE, NULL);
    REFUSED("uuid", "not-a-uuid", HR_REASON_TYPE, "invalid uuid \"not-a-uuid\"");
    type_value_named(__LINE__, "uuid", HR_TOKEN_BYTES, "\0\1\2\3\4\5\6\7\x8\x9\xa\xb\xc\xd\xe\xff", 16,
                     "00010203-0405-0607-0809-0a0b0c0d0eff", NULL);
    VALUE_OF("uuid", HR_TOKEN_BYTES, hex, plain, NULL);
    REFUSED_OF("uuid", HR_TOKEN_NUMBER, "1", HR_REASON_TYPE, NULL);
    INT64_REFUSED("uuid", 1, HR_REASON_TYPE);
    FIELD("uuid", hex, plain);
    FIELD("uuid", "a0ee", NULL);
}

int main(void)
{
    test_bytea();
    test_uuid();
    return TYPE_DONE();
}
