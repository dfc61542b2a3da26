/* tests/fuzz/fuzz_json_look.c: any bytes as a record that is looked over before it is read, against the reader that looks at nothing: the
 * same verdict, the same words, the same fields. */
#include "core/json/json_index.h"
#include "core/utf8.h"
#include "core/decode/decode.h"
#include "fuzz.h"

/* So many spaces before a record make it long enough for a look. */
#define BEFORE HR_JSON_INDEX_LEAST
#define COLUMNS 4

static const char wide[] =
    "{\"x\":[\"a container that nobody wants and that is most of the record, so that the next one is looked over\"]}";

typedef struct reader {
    hr_decoder *decoder;
    hr_batch *batch;
    hr_error error;
} reader;

/* With a column for what no other takes, or without: then what nobody wants is jumped over. */
static void open_reader(reader *r, size_t count)
{
    static const char *const columns[][3] = {
        {"a", "bigint", NULL}, {"b", "text", "b.c"}, {"d", "json", "d.e.f"}, {"rest", "json", "$rest"}};
    hr_schema *schema;

    FUZZ_REQUIRE(hr_schema_new(&schema, NULL) == HR_OK);
    for (size_t i = 0; i < count; i++) {
        int32_t column;
        hr_type type;

        FUZZ_REQUIRE(hr_type_from_name(columns[i][1], &schema->arena, &type, NULL) == HR_OK);
        FUZZ_REQUIRE(hr_schema_add(schema, columns[i][0], &type, false, false, &column, NULL) == HR_OK);
        FUZZ_REQUIRE(columns[i][2] == NULL || hr_schema_map(schema, column, columns[i][2], NULL) == HR_OK);
    }
    FUZZ_REQUIRE(hr_decoder_new(hr_format_find("json"), schema, NULL, &r->decoder, NULL) == HR_OK);
    FUZZ_REQUIRE(hr_batch_new(schema, &r->batch, NULL) == HR_OK);
    hr_schema_release(schema);
}

static int read_record(reader *r, const char *text, size_t n)
{
    hr_record record = {.data = text, .len = n, .timestamp = HR_NO_TIMESTAMP};

    hr_batch_clear(r->batch);
    hr_error_clear(&r->error);
    return hr_decoder_decode(r->decoder, &record, r->batch, &r->error);
}

static bool same_value(const hr_column *x, const hr_column *y)
{
    if (hr_column_is_null(x, 0) || hr_column_is_null(y, 0))
        return hr_column_is_null(x, 0) == hr_column_is_null(y, 0);
    if (x->offsets == NULL)
        return hr_column_get_int64(x, 0) == hr_column_get_int64(y, 0);
    return fuzz_same(&x->bytes, &y->bytes);
}

/* Both readers, of so many columns, on the same record. */
static void compare(const char *text, size_t n, int columns)
{
    static reader readers[COLUMNS + 1][2];
    reader *looks = &readers[columns][0], *never = &readers[columns][1];
    int rc, want;

    if (looks->decoder == NULL) {
        open_reader(looks, (size_t)columns);
        open_reader(never, (size_t)columns);
    }
    FUZZ_REQUIRE(read_record(looks, wide, sizeof(wide) - 1) == HR_OK && read_record(never, "{}", 2) == HR_OK);
    rc = read_record(looks, text, n);
    want = read_record(never, text, n);
    FUZZ_AGREE(rc == want, "%d, not %d: %s", rc, want, looks->error.message);
    FUZZ_REQUIRE(rc == HR_OK || (looks->error.offset == never->error.offset && strcmp(looks->error.message, never->error.message) == 0));
    FUZZ_REQUIRE(looks->batch->length == never->batch->length);
    for (int i = 0; i < columns && rc == HR_OK; i++)
        FUZZ_REQUIRE(same_value(&looks->batch->columns[i], &never->batch->columns[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static hr_json_index index;
    char *exact = fuzz_exact(data, size), *spaced = malloc(BEFORE + size);
    size_t start = (size_t)(hr_json_skip_space(exact, exact + size) - exact);
    hr_json_scan scan = {exact, exact + size, true, NULL};
    bool sound =
        start < size && exact[start] == '{' && hr_utf8_validate(exact, size, NULL) && hr_json_check(exact, size, true, NULL) == HR_OK;

    for (const hr_json_looker *const *at = hr_json_looker_all(); *at != NULL && size <= HR_JSON_INDEX_MOST; at++) {
        if (!(*at)->supported())
            continue;
        if ((*at)->look(&scan, &index)) {
            FUZZ_REQUIRE(sound);
            FUZZ_REQUIRE(index.blocks == size / 64 + 1);
            for (uint32_t i = 0; i < index.blocks; i++)
                for (uint64_t left = index.keys[i]; left != 0; left &= left - 1) {
                    size_t quote = (size_t)i * 64 + (size_t)__builtin_ctzll(left);
                    FUZZ_REQUIRE(quote < size && exact[quote] == '"' && (index.kept[i] & left & -left) != 0);
                }
        } else if (sound) { /* only what is deeper or wider than a look can hold */
            size_t open = 0;
            for (size_t i = 0; i < size; i++)
                open += exact[i] == '{' || exact[i] == '[';
            FUZZ_REQUIRE(open > 62);
        }
    }
    FUZZ_REQUIRE(spaced != NULL);
    memset(spaced, ' ', BEFORE);
    if (size > 0)
        memcpy(spaced + BEFORE, data, size);
    compare(spaced, BEFORE + size, COLUMNS);
    compare(spaced, BEFORE + size, COLUMNS - 1);
    free(exact);
    free(spaced);
    return 0;
}
