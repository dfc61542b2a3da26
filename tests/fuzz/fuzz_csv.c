/* tests/fuzz/fuzz_csv.c: any bytes as a CSV file, against a reader that goes byte by byte.
 *
 * Byte 0 chooses the dialect (delimiter, quote, the text of null, with a header line or without), byte 1 where a record is cut off. */
#include "csv_twin.h"
#include "fuzz_schema.h"

/* Four text columns called as a header line may call them, and what no column takes. */
static hr_schema *text_schema(void)
{
    static const char *const names[] = {"a", "b", "c", "d", "rest"};
    hr_schema *schema;
    int32_t column;

    FUZZ_REQUIRE(hr_schema_new(&schema, NULL) == HR_OK);
    for (int i = 0; i < 5; i++) {
        hr_type type = {.kind = i < 4 ? HR_TEXT : HR_JSON, .typmod = -1, .scale = -1, .max_chars = -1, .name = i < 4 ? "text" : "json"};
        FUZZ_REQUIRE(hr_schema_add(schema, names[i], &type, false, false, &column, NULL) == HR_OK);
    }
    FUZZ_REQUIRE(hr_schema_map(schema, 4, "$rest", NULL) == HR_OK);
    return schema;
}

/* The decoder's row of a record without header, against the twin's fields. */
static void compare_row(const hr_batch *batch, const csv_twin *twin, const char *null)
{
    for (int32_t i = 0; i < 4; i++) {
        const csv_twin_field *field = &twin->fields[i];
        size_t n = 0;
        const char *text;

        bool null_field = !field->quoted && field->n == strlen(null) && memcmp(field->text, null, field->n) == 0;
        FUZZ_AGREE(hr_column_is_null(&batch->columns[i], batch->length - 1) == null_field, "field %d", (int)i);
        if (null_field)
            continue;
        text = hr_column_get_bytes(&batch->columns[i], batch->length - 1, &n);
        FUZZ_AGREE(n == field->n && memcmp(text, field->text, n) == 0, "field %d: \"%.*s\" and \"%.*s\"", (int)i, (int)n, text,
                   (int)field->n, field->text);
    }
}

static void read_file(const char *text, size_t size, const hr_decode_options *options, size_t cut, hr_schema *schema)
{
    const hr_format *csv = hr_format_find("csv");
    bool named = !options->has_header, plain = schema->count == 5;
    hr_decoder *decoder;
    hr_batch *batch;
    hr_error error;
    int64_t line = 1;

    if (hr_decoder_new(csv, schema, options, &decoder, &error) != HR_OK)
        return;
    FUZZ_REQUIRE(hr_batch_new(schema, &batch, NULL) == HR_OK);
    for (size_t at = 0; at < size; line++) {
        size_t body = 0, part = 0, twin_body = 0, length = csv->frame(options, text + at, size - at, true, &body), early;
        FUZZ_REQUIRE(length > 0 && body <= length && at + length <= size);
        FUZZ_REQUIRE(csv_twin_frame(options->delimiter, options->quote, text + at, size - at, &twin_body) == length && twin_body == body);
        /* cut off before its end, a record is never taken for a whole one of another length */
        early = csv->frame(options, text + at, cut % length, false, &part);
        FUZZ_REQUIRE(early == 0 || (early == length && part == body));
        early = csv->frame(options, text + at, length - 1, false, &part);
        FUZZ_REQUIRE(early == 0 || early == length);
        if (!named) {
            int rc = hr_decoder_header(decoder, text + at, body, &error);
            FUZZ_REQUIRE(rc == HR_OK || rc == HR_EUSAGE);
            if (rc != HR_OK)
                break;
            named = true;
        } else {
            int rc = fuzz_decode(decoder, batch, text + at, body);
            if (plain && !options->has_header && !(at == 0 && body >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)) {
                csv_twin twin;
                bool good = csv_twin_read(&twin, options->delimiter, options->quote, text + at, body) && twin.count == 4 &&
                            hr_utf8_validate(text + at, body, NULL) && (body == 0 || memchr(text + at, '\0', body) == NULL);
                FUZZ_AGREE((rc == HR_OK) == good, "%.*s", (int)body, text + at);
                if (good && batch->length > 0)
                    compare_row(batch, &twin, options->null);
                csv_twin_free(&twin);
            }
        }
        at += length;
    }
    hr_batch_free(batch);
    hr_decoder_free(decoder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char delimiters[] = ",;\t|x:", quotes[] = "\"'`";
    static const char *const nulls[] = {"", "NULL", "\\N", "-"}, *const header[] = {"a", "b", "c", "d"};
    static hr_schema *wide, *texts;
    fuzz_input in = {data, data + size};
    unsigned dialect = fuzz_byte(&in), cut = fuzz_byte(&in);
    hr_decode_options options = {.delimiter = delimiters[dialect % 6], .quote = quotes[dialect / 6 % 3], .null = nulls[dialect / 18 % 4]};
    char *exact = fuzz_exact(in.at, fuzz_left(&in));

    if (wide == NULL) {
        wide = fuzz_schema();
        texts = text_schema();
    }
    options.has_header = dialect / 72 % 2 == 1;
    if (!options.has_header) {
        options.header = header;
        options.header_count = 4;
    }
    read_file(exact, fuzz_left(&in), &options, cut, dialect / 144 % 2 ? wide : texts);
    free(exact);
    return 0;
}
