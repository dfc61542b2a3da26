/* tests/fuzz/fuzz_json.c: any bytes as a JSON record, as JSON text, and as JSON lines. */
#include "core/json/json_scan.h"
#include "core/utf8.h"
#include "fuzz_schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static hr_decoder *decoder, *bare;
    static hr_batch *batch, *bare_batch;
    const char *text = (const char *)data;
    const hr_format *json = hr_format_find("json");
    size_t body = 0;
    hr_error error;

    if (decoder == NULL) {
        hr_schema *schema = fuzz_schema(), *none;
        FUZZ_REQUIRE(hr_decoder_new(json, schema, NULL, &decoder, NULL) == HR_OK && hr_batch_new(schema, &batch, NULL) == HR_OK);
        FUZZ_REQUIRE(hr_schema_new(&none, NULL) == HR_OK);
        FUZZ_REQUIRE(hr_decoder_new(json, none, NULL, &bare, NULL) == HR_OK && hr_batch_new(none, &bare_batch, NULL) == HR_OK);
        hr_schema_release(schema);
        hr_schema_release(none);
    }
    /* A decoder that wants no column accepts what the checker accepts, when it is an object. */
    size_t start = (size_t)(hr_json_skip_space(text, text + size) - text);
    bool good = hr_utf8_validate(text, size, NULL) && hr_json_check(text, size, true, &error) == HR_OK;
    FUZZ_REQUIRE((fuzz_decode(bare, bare_batch, text, size) == HR_OK) == (good && text[start] == '{'));
    if (fuzz_decode(decoder, batch, text, size) == HR_OK)
        FUZZ_REQUIRE(good);
    for (size_t at = 0; at < size;) {
        size_t length = json->frame(&decoder->options, text + at, size - at, true, &body);
        FUZZ_REQUIRE(length > 0 && body <= length && at + length <= size);
        fuzz_decode(decoder, batch, text + at, body);
        at += length;
    }
    return 0;
}
