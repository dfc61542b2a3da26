/* tests/core/test_type_enum.c: enum labels. */
#include "type_check.h"

int main(void)
{
    static const char *const labels[] = {"", "a", "a b", "ab", "new", "paid", "za\xc5\xbc"};
    hr_type type = type_named(__LINE__, "shop.status");
    hr_type none;

    type.kind = HR_ENUM;
    type.labels = labels;
    type.label_count = 7;
    for (int i = 0; i < 7; i++) {
        type_value(__LINE__, &type, HR_TOKEN_TEXT, labels[i], strlen(labels[i]), labels[i], NULL);
        type_value(__LINE__, &type, HR_TOKEN_STRING, labels[i], strlen(labels[i]), labels[i], NULL);
    }
    type_value(__LINE__, &type, HR_TOKEN_STRING, "paid", 4, "paid", "70616964");
    type_refused(__LINE__, &type, HR_TOKEN_STRING, "sold", 4, HR_REASON_TYPE, "\"sold\" is not one of the 7 labels of enum shop.status");
    static const char *const bad[] = {"A", "a ", " a", "b", "ab ", "ne", "news", "paid\xff", "\xff", "zz", "a  b"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        type_refused(__LINE__, &type, HR_TOKEN_TEXT, bad[i], strlen(bad[i]), HR_REASON_TYPE, NULL);
    type_refused(__LINE__, &type, HR_TOKEN_STRING, "a\0", 2, HR_REASON_TYPE, NULL);
    none = type;
    none.labels = NULL;
    none.label_count = 0;
    type_refused(__LINE__, &none, HR_TOKEN_STRING, "a", 1, HR_REASON_TYPE, NULL);
    return TYPE_DONE();
}
