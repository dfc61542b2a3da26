/* tests/fuzz/fuzz_names.c: any text as the name of a type, as the place a column comes from, and as the name of a time zone. */
#include "core/schema.h"
#include "core/types/timezone.h"
#include "fuzz.h"

/* A type's name, as given back, is the name of the same type. */
static void type_name(const char *name)
{
    hr_arena arena;
    hr_type type, again;
    hr_error error;
    int rc;

    hr_arena_init(&arena, 0);
    rc = hr_type_from_name(name, &arena, &type, &error);
    FUZZ_REQUIRE(rc == HR_OK || (rc == HR_EUSAGE && error.message[0] != '\0'));
    if (rc == HR_OK) {
        FUZZ_REQUIRE(type.kind >= 0 && type.kind < HR_KIND_COUNT && type.name != NULL);
        FUZZ_REQUIRE((type.kind == HR_ARRAY) == (type.element != NULL));
        FUZZ_AGREE(hr_type_from_name(type.name, &arena, &again, &error) == HR_OK, "%s: %s", type.name, error.message);
        FUZZ_AGREE(again.kind == type.kind && again.oid == type.oid && again.typmod == type.typmod && again.precision == type.precision &&
                       again.scale == type.scale && again.max_chars == type.max_chars && strcmp(again.name, type.name) == 0,
                   "%s is called %s, and then %s", name, type.name, again.name);
    }
    hr_arena_free(&arena);
}

static void column_source(const char *source)
{
    hr_schema *schema;
    hr_type json = {.kind = HR_JSON, .typmod = -1, .scale = -1, .max_chars = -1, .name = "json"};
    hr_error error;
    int32_t column;
    int rc;

    FUZZ_REQUIRE(hr_schema_new(&schema, NULL) == HR_OK);
    FUZZ_REQUIRE(hr_schema_add(schema, "c", &json, false, false, &column, NULL) == HR_OK);
    rc = hr_schema_map(schema, column, source, &error);
    FUZZ_REQUIRE(rc == HR_OK || (rc == HR_EUSAGE && error.message[0] != '\0'));
    if (rc == HR_OK && schema->columns[0].from == HR_FROM_PATH) {
        size_t total = 0;
        FUZZ_REQUIRE(schema->columns[0].depth >= 1);
        for (int32_t i = 0; i < schema->columns[0].depth; i++) {
            FUZZ_REQUIRE(strlen(schema->columns[0].path[i]) == schema->columns[0].path_len[i]);
            total += schema->columns[0].path_len[i] + 1;
        }
        FUZZ_REQUIRE(total <= strlen(source) + 1);
    }
    hr_schema_release(schema);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    hr_timezone *zone;
    hr_error error;

    FUZZ_REQUIRE(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    type_name(text);
    column_source(text);
    if (hr_timezone_load(text, "/usr/share/zoneinfo", &zone, &error) == HR_OK) {
        FUZZ_REQUIRE(strstr(text, "..") == NULL && text[0] != '/');
        hr_timezone_free(zone);
    }
    free(text);
    return 0;
}
