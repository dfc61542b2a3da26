/* tests/fuzz/fuzz_debezium.c: any bytes as a change event in JSON, with a key before the first zero byte if there is one. */
#include "core/debezium/debezium.h"
#include "fuzz.h"

/* Columns of all kinds whose values have forms of their own, and all reserved sources. */
static hr_schema *events_schema(void)
{
    static const char *const columns[][3] = {
        {"id", "bigint", NULL},
        {"n", "numeric(12,2)", NULL},
        {"free", "numeric", NULL},
        {"day", "date", NULL},
        {"clock", "time(3)", NULL},
        {"at", "timestamp", NULL},
        {"tz", "timestamptz", NULL},
        {"span", "interval", NULL},
        {"raw", "bytea", NULL},
        {"doc", "jsonb", NULL},
        {"bits", "bit(10)", NULL},
        {"place", "point", NULL},
        {"list", "numeric(8,3)[]", NULL},
        {"days", "date[]", NULL},
        {"t", "text", NULL},
        {"op", "text", "$op"},
        {"lsn", "bigint", "$lsn"},
        {"ts", "timestamptz", "$source_ts"},
        {"snap", "boolean", "$snapshot"},
        {"tab", "text", "$table"},
        {"same", "text[]", "$unchanged"},
        {"rest", "jsonb", "$rest"},
    };
    hr_schema *schema;

    FUZZ_REQUIRE(hr_schema_new(&schema, NULL) == HR_OK);
    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
        hr_type type;
        int32_t index;

        FUZZ_REQUIRE(hr_type_from_name(columns[i][1], &schema->arena, &type, NULL) == HR_OK);
        FUZZ_REQUIRE(hr_schema_add(schema, columns[i][0], &type, i == 0, false, &index, NULL) == HR_OK);
        if (columns[i][2] != NULL)
            FUZZ_REQUIRE(hr_schema_map(schema, index, columns[i][2], NULL) == HR_OK);
    }
    return schema;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const hr_decode_options base64 = {.change_decimal = HR_DECIMAL_AS_BASE64, .change_binary = HR_BINARY_HEX};
    static hr_decoder *decoders[2];
    static hr_batch *batches[2];
    const uint8_t *zero = size > 0 ? memchr(data, '\0', size) : NULL;
    hr_record record = {.data = (const char *)data, .len = size, .timestamp = HR_NO_TIMESTAMP};

    for (int i = 0; i < 2 && decoders[1] == NULL; i++) {
        hr_schema *schema = events_schema();
        FUZZ_REQUIRE(hr_decoder_new(hr_format_find("debezium"), schema, i ? &base64 : NULL, &decoders[i], NULL) == HR_OK);
        FUZZ_REQUIRE(hr_batch_new(schema, &batches[i], NULL) == HR_OK);
        hr_schema_release(schema);
    }
    if (zero != NULL) {
        record.key = (const char *)data;
        record.key_len = (size_t)(zero - data);
        record.data = (const char *)zero + 1;
        record.len = size - record.key_len - 1;
    }
    for (int i = 0; i < 2; i++) {
        hr_error error;
        int rc;

        hr_error_clear(&error);
        rc = hr_decoder_decode(decoders[i], &record, batches[i], &error);
        FUZZ_REQUIRE(rc == HR_OK || (rc == HR_EDATA && error.reason != HR_REASON_NONE && error.message[0] != '\0'));
        FUZZ_REQUIRE(error.offset >= -1 && error.offset <= (int64_t)record.len);
        FUZZ_REQUIRE(batches[i]->length == (rc == HR_OK));
        for (int32_t c = 0; c < batches[i]->schema->count; c++)
            FUZZ_REQUIRE(batches[i]->columns[c].length == batches[i]->length);
        hr_batch_clear(batches[i]);
    }
    return 0;
}
