/* tests/core/test_type_bool.c: boolean, with the spellings of the server's boolin. */
#include "type_check.h"

int main(void)
{
    static const char *const yes[] = {"t", "tr", "tru", "true", "TRUE", "y", "ye", "Yes", "on", "ON", "1", " t ", "\ttrue\n"};
    static const char *const no[] = {"f", "fa", "fal", "fals", "false", "n", "No", "of", "off", "oFF", "0", "  0"};
    static const char *const neither[] = {"", " ", "o", "2", "01", "10", "truee", "onn", "offf", "yess", "tf", "null", "t t", "-1", "1.0"};

    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        VALUE("boolean", yes[i], "t", "01");
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        VALUE("boolean", no[i], "f", "00");
    for (size_t i = 0; i < sizeof(neither) / sizeof(neither[0]); i++)
        REFUSED("boolean", neither[i], HR_REASON_TYPE, NULL);
    REFUSED("boolean", "maybe", HR_REASON_TYPE, "invalid boolean \"maybe\"");
    REFUSED("boolean", "", HR_REASON_TYPE, "an empty string is not a valid boolean");

    VALUE_OF("bool", HR_TOKEN_TRUE, "true", "t", "01");
    VALUE_OF("bool", HR_TOKEN_FALSE, "false", "f", "00");
    VALUE_OF("bool", HR_TOKEN_NUMBER, "1", "t", "01");
    VALUE_OF("bool", HR_TOKEN_STRING, "on", "t", "01");
    REFUSED_OF("bool", HR_TOKEN_NUMBER, "2", HR_REASON_TYPE, NULL);
    REFUSED_OF("bool", HR_TOKEN_OBJECT, "{}", HR_REASON_TYPE, NULL);
    type_refused_named(__LINE__, "bool", HR_TOKEN_TEXT, "t\0", 2, HR_REASON_TYPE, NULL);
    INT64("bool", 1, "t");
    INT64("bool", 0, "f");
    INT64_REFUSED("bool", 2, HR_REASON_TYPE);
    FLOAT64("bool", 1.0, "t");
    FLOAT64_REFUSED("bool", 0.5, HR_REASON_TYPE);

    FIELD("bool", "01", "t");
    FIELD("bool", "00", "f");
    FIELD("bool", "", NULL);
    FIELD("bool", "0001", NULL);
    return TYPE_DONE();
}
