/* tests/fuzz/fuzz_csv.c: any bytes as a CSV file: the first record names the columns, the rest are rows. */
#include "fuzz_schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static hr_decoder *decoder;
    static hr_batch *batch;
    const char *text = (const char *)data;
    const hr_format *csv = hr_format_find("csv");
    bool named = false;
    hr_error error;

    if (decoder == NULL) {
        hr_decode_options options = {.has_header = true, .null = "NULL"};
        hr_schema *schema = fuzz_schema();
        FUZZ_REQUIRE(hr_decoder_new(csv, schema, &options, &decoder, NULL) == HR_OK && hr_batch_new(schema, &batch, NULL) == HR_OK);
        FUZZ_REQUIRE(hr_decoder_header(decoder, "a,b,c", 5, NULL) == HR_OK);
        hr_schema_release(schema);
    }
    for (size_t at = 0; at < size;) {
        size_t body = 0, part = 0, length = csv->frame(&decoder->options, text + at, size - at, true, &body);
        FUZZ_REQUIRE(length > 0 && body <= length && at + length <= size);
        /* cut off before its end, a record is never taken for a whole one of another length */
        size_t early = csv->frame(&decoder->options, text + at, length - 1, false, &part);
        FUZZ_REQUIRE(early == 0 || early == length);
        if (!named) {
            int rc = hr_decoder_header(decoder, text + at, body, &error);
            FUZZ_REQUIRE(rc == HR_OK || rc == HR_EUSAGE || rc == HR_ENOMEM);
            named = true;
        } else {
            fuzz_decode(decoder, batch, text + at, body);
        }
        at += length;
    }
    return 0;
}
