/* tests/fuzz/fuzz_avro.c: a schema, a zero byte and a body; or, when the schema is empty, a body of a schema with everything in it. */
#include "core/avro/avro.h"
#include "fuzz.h"

static const char everything[] =
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":[\"null\",\"long\"]},{\"name\":\"b\",\"type\":{"
    "\"type\":\"map\",\"values\":[\"null\",\"R\",\"bytes\"]}},{\"name\":\"c\",\"type\":{\"type\":\"array\",\"items\":{\"type\":"
    "\"bytes\",\"logicalType\":\"decimal\",\"scale\":2}}},{\"name\":\"d\",\"type\":\"string\"},{\"name\":\"e\",\"type\":{\"type\":"
    "\"enum\",\"name\":\"E\",\"symbols\":[\"x\",\"y\"]}},{\"name\":\"f\",\"type\":\"double\"},{\"name\":\"g\",\"type\":\"float\"}]}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const columns[][2] = {{"a", "timestamp"}, {"b", "jsonb"}, {"c", "numeric(9,2)[]"},
                                             {"d", "text"},      {"e", "text"},  {"f", "double precision"},
                                             {"g", "real"},      {"op", "text"}};
    const uint8_t *zero = size > 0 ? memchr(data, '\0', size) : NULL;
    char text[1024];
    hr_decode_options options = {.avro_schema = everything};
    hr_record record = {.data = (const char *)data, .len = size, .timestamp = HR_NO_TIMESTAMP};
    hr_schema *schema;

    if (zero != NULL && zero - data < (long)sizeof(text)) {
        if (zero > data) {
            memcpy(text, data, (size_t)(zero - data) + 1);
            options.avro_schema = text;
        }
        record.data = (const char *)zero + 1;
        record.len = size - (size_t)(zero - data) - 1;
    }
    FUZZ_REQUIRE(hr_schema_new(&schema, NULL) == HR_OK);
    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
        hr_type type;
        int32_t index;

        FUZZ_REQUIRE(hr_type_from_name(columns[i][1], &schema->arena, &type, NULL) == HR_OK);
        type.unit = i == 0 ? HR_UNIT_US : HR_UNIT_NONE;
        FUZZ_REQUIRE(hr_schema_add(schema, columns[i][0], &type, false, false, &index, NULL) == HR_OK);
    }
    for (int event = 0; event < 2; event++) {
        hr_decoder *decoder;
        hr_batch *batch;
        hr_error error;
        int rc;

        FUZZ_REQUIRE(hr_decoder_new(hr_format_find(event ? "debezium-avro" : "avro"), schema, &options, &decoder, NULL) == HR_OK);
        FUZZ_REQUIRE(hr_batch_new(schema, &batch, NULL) == HR_OK);
        hr_error_clear(&error);
        rc = hr_decoder_decode(decoder, &record, batch, &error);
        FUZZ_REQUIRE(rc == HR_OK || (rc == HR_EDATA && error.reason != HR_REASON_NONE && error.message[0] != '\0'));
        FUZZ_REQUIRE(batch->length == (rc == HR_OK));
        hr_decoder_free(decoder);
        hr_batch_free(batch);
    }
    hr_schema_release(schema);
    return 0;
}
