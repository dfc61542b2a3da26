/* tests/fuzz/fuzz_load_config.c: any text as the settings of a load: refused with words, or what the header promises. */
#include "core/partition/partition.h"
#include "fuzz.h"
#include "io/load/load_config.h"

static void bind(hr_load_config *config)
{
    hr_schema *schema;
    hr_type type = {.kind = HR_TEXT, .typmod = -1, .scale = -1, .max_chars = -1, .name = "text"};
    hr_error error;

    FUZZ_REQUIRE(hr_schema_new(&schema, NULL) == HR_OK && hr_schema_add(schema, "a", &type, false, false, NULL, NULL) == HR_OK);
    FUZZ_AGREE(hr_load_config_bind(config, schema, &error) == HR_OK, "%s", error.message);
    FUZZ_REQUIRE(json_object_get(config->source, "columns") != NULL && json_object_get(config->source, "format") != NULL);
    hr_schema_release(schema);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    hr_load_config config;
    hr_error error;
    int rc;

    FUZZ_REQUIRE(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    if (strstr(text, "zoneinfo") == NULL) { /* no files but the system's zones */
        hr_error_clear(&error);
        rc = hr_load_config_parse(text, &config, &error);
        FUZZ_AGREE(rc == HR_OK || (rc == HR_EUSAGE && error.message[0] != '\0'), "%d", rc);
        if (rc == HR_OK) {
            FUZZ_REQUIRE(config.job != NULL && config.run_id != NULL && config.table != NULL && config.dsn != NULL);
            FUZZ_REQUIRE(config.source_ops != NULL && config.format != NULL && hr_mode_name(config.mode) != NULL);
            FUZZ_REQUIRE(config.batch_records > 0 && config.batch_bytes >= 1024 && config.workers >= 0 && config.linger_ms > 0);
            FUZZ_REQUIRE(config.decode.delimiter != config.decode.quote && config.max_records > 0 && config.max_seconds >= 0);
            FUZZ_REQUIRE(hr_utf8_validate(config.offsets_key, strlen(config.offsets_key), NULL));
            bind(&config);
        }
        hr_load_config_free(&config);
    }
    free(text);
    return 0;
}
