/* tests/fuzz/fuzz_jsonb.c: any bytes as JSON in the server's jsonb form: itself a fixed point, and the same value to jansson. */
#include <jansson.h>

#include "core/json/json_scan.h"
#include "core/types/jsonb_text.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static hr_buffer once, twice;
    char *exact = fuzz_exact(data, size);
    hr_error error;
    int rc;

    once.size = 0;
    twice.size = 0;
    hr_error_clear(&error);
    if (!hr_utf8_validate(exact, size, NULL)) { /* whoever calls has checked that */
        free(exact);
        return 0;
    }
    rc = hr_jsonb_canonical(exact, size, &once, &error);
    FUZZ_REQUIRE(rc == HR_OK || rc == HR_EDATA);
    FUZZ_REQUIRE(rc == HR_OK || (once.size == 0 && error.reason != HR_REASON_NONE));
    if (rc == HR_OK) {
        FUZZ_REQUIRE(hr_json_check(exact, size, false, NULL) == HR_OK);
        FUZZ_REQUIRE(hr_utf8_validate((const char *)once.data, once.size, NULL));
        FUZZ_REQUIRE(hr_jsonb_canonical((const char *)once.data, once.size, &twice, &error) == HR_OK && fuzz_same(&once, &twice));
        if (once.size < 100000) {
            const size_t flags = JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL;
            json_t *a = json_loadb(exact, size, flags, NULL), *b = json_loadb((const char *)once.data, once.size, flags, NULL);
            FUZZ_AGREE(a == NULL || b == NULL || json_equal(a, b), "%.*s", (int)once.size, (char *)once.data);
            json_decref(a);
            json_decref(b);
        }
    }
    free(exact);
    return 0;
}
