/* tests/fuzz/fuzz_settings.c: any text as settings: the verdict and the values of jansson's own reader. */
#include <jansson.h>

#include "fuzz.h"
#include "io/json_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *exact = malloc(size + (size == 0)); /* so that a byte read behind it is found */
    json_t *ours, *theirs;
    hr_error error;
    int rc;

    FUZZ_REQUIRE(exact != NULL);
    if (size > 0)
        memcpy(exact, data, size);
    hr_error_clear(&error);
    rc = hr_json_object_read(exact, size, "it", &ours, &error);
    theirs = json_loadb(exact, size, JSON_REJECT_DUPLICATES, NULL);
    FUZZ_REQUIRE((rc == HR_OK) == (ours != NULL));
    if (rc == HR_OK)
        FUZZ_AGREE(json_equal(ours, theirs), "other values than jansson's");
    else /* what we do not take although jansson does: arrays, numbers too small, deep nesting, a NUL after a literal */
        FUZZ_AGREE(!json_is_object(theirs) || strstr(error.message, "out of range") != NULL || strstr(error.message, "too deep") != NULL ||
                       memchr(exact, '\0', size) != NULL,
                   "%s", error.message);
    json_decref(ours);
    json_decref(theirs);
    free(exact);
    return 0;
}
