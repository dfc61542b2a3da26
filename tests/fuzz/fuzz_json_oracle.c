/* tests/fuzz/fuzz_json_oracle.c: any bytes as a JSON record, through the decoder and through jansson: the same verdict, the same values
 * at every path, the same rest. */
#include "fuzz.h"
#include "json_oracle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static fixture f;
    char *exact = fuzz_exact(data, size);

    if (f.decoder == NULL)
        fixture_open(&f, "json", fixture_schema(columns, COUNT(columns)), NULL);
    compare_verdicts(exact, size);
    compare_record(&f, exact, size);
    free(exact);
    FUZZ_REQUIRE(check_failed == 0);
    return 0;
}
