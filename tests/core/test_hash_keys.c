/* tests/core/test_hash_keys.c: rows to hashes: both ways to make messages, every kernel, slices, nulls, the texts of integers, upper case,
 * the widened batch, and that no failing allocation hurts.
 */
#include "check.h"
#include "core/decode/decode.h"
#include "core/hash/hash_keys.h"
#include "core/hash/key_text.h"
#include "core/widen.h"
#include "faults.h"
#include "zone_file.h"

#define ROWS 700

static hr_schema *make_schema(void)
{
    static const char *const types[] = {"integer", "text", "bigint", "boolean", "char(6)", "numeric(10,2)", "text[]", "timestamptz[]"};
    hr_schema *schema;
    hr_error error;

    if (hr_schema_new(&schema, &error) != HR_OK)
        exit(2);
    for (int i = 0; i < 8; i++) {
        char name[2] = {(char)('a' + i), 0};
        hr_type type;

        if (hr_type_from_name(types[i], &schema->arena, &type, &error) != HR_OK ||
            hr_schema_add(schema, name, &type, false, i == 2, NULL, &error) != HR_OK)
            exit(2);
    }
    return schema;
}

/* Rows with nulls, spaces, letters beyond ASCII; with a width above 0, a text of that length in every 50th row. */
static hr_batch *make_batch(size_t width)
{
    hr_schema *schema = make_schema();
    hr_decoder *decoder;
    hr_batch *batch;
    hr_error error;
    char *record = malloc(width + 400), *wide = malloc(width + 1);

    if (record == NULL || wide == NULL || hr_decoder_new(hr_format_find("json"), schema, NULL, &decoder, &error) != HR_OK ||
        hr_batch_new(schema, &batch, &error) != HR_OK)
        exit(2);
    memset(wide, 'w', width);
    wide[width] = '\0';
    for (int i = 0; i < ROWS; i++) {
        static const char *const texts[] = {
            "\"\"", "\" \"", "null", "\"^^\"", "\" ab c \"", "\"\xc4\x85z\xc9\x90\"", "\"twenty characters !!\""};
        hr_record one = {.data = record, .timestamp = HR_NO_TIMESTAMP, .topic = ""};
        char text[64];

        snprintf(text, sizeof(text), "%s", texts[i % 7]);
        snprintf(record, width + 400,
                 "{\"a\":%s%d,\"b\":%s%s%s,\"c\":%s,\"d\":%s,\"e\":\"x%d\",\"f\":%d.5,\"g\":[\"p\",null],\"h\":[\"2026-01-01T00:00:00Z\"]}",
                 i % 3 ? "-" : "", i, i % 50 == 1 && width > 0 ? "\"" : text, i % 50 == 1 ? wide : "", i % 50 == 1 && width > 0 ? "\"" : "",
                 i % 11 ? "12345678901" : "null", i % 2 ? "true" : "null", i, i);
        one.len = strlen(record);
        if (hr_decoder_decode(decoder, &one, batch, &error) != HR_OK) {
            fprintf(stderr, "%s: %s\n", record, error.message);
            exit(2);
        }
    }
    hr_decoder_free(decoder);
    hr_schema_release(schema);
    free(record);
    free(wide);
    return batch;
}

static hr_column *new_column(const hr_type *type)
{
    hr_column *column = calloc(1, sizeof(*column));

    if (column == NULL || hr_column_init(column, type, NULL) != HR_OK)
        exit(2);
    return column;
}

static void free_column(hr_column *column)
{
    hr_column_free(column);
    free(column);
}

static const hr_type bytea = {.kind = HR_BYTEA, .oid = 17, .typmod = -1, .name = "bytea"};

static bool same_columns(const hr_column *one, const hr_column *two)
{
    if (one->length != two->length || one->null_count != two->null_count)
        return false;
    for (int64_t i = 0; i < one->length; i++) {
        size_t n, m;
        const char *s = hr_column_get_bytes(one, i, &n), *t = hr_column_get_bytes(two, i, &m);

        if (hr_column_is_null(one, i) != hr_column_is_null(two, i) || n != m || memcmp(s, t, n) != 0)
            return false;
    }
    return true;
}

/* Hash all rows in slices of so many rows; the caller frees. */
static hr_column *hash(const hr_batch *batch, const int32_t *columns, int32_t count, const hr_hash_options *options, int64_t slice)
{
    hr_column *out = new_column(&bytea);
    hr_hasher *hasher;
    hr_error error;

    CHECK(hr_hasher_new(batch->schema, columns, count, options, &hasher, &error) == HR_OK);
    for (int64_t row = 0; row < batch->length; row += slice)
        CHECK(hr_hasher_run(hasher, batch, row, row + slice < batch->length ? row + slice : batch->length, out, &error) == HR_OK);
    hr_hasher_free(hasher);
    return out;
}

/* What one row hashes to by the scalar functions, from the text that key_text.c makes of each value. */
static void check_row(const hr_batch *batch, const int32_t *columns, int32_t count, const hr_recipe *recipe, int64_t row,
                      const hr_column *found)
{
    hr_key_text text = {.recipe = recipe};
    hr_buffer joined = {0};
    uint8_t want[HR_DIGEST_MAX];
    bool filled = false;
    const char *got;
    size_t n;

    for (int32_t i = 0; i < count; i++) {
        const hr_column *column = &batch->columns[columns[i]];
        hr_buffer one = {0};

        if (i > 0)
            hr_buffer_append(&joined, recipe->separator, strlen(recipe->separator), NULL);
        if (!hr_column_is_null(column, row) && hr_key_text_append(&text, column, row, &one, NULL) != HR_OK)
            exit(2);
        if (hr_column_is_null(column, row) || (one.size == 0 && recipe->empty_is_null)) {
            hr_buffer_append(&joined, recipe->null_text, strlen(recipe->null_text), NULL);
        } else {
            hr_buffer_append(&joined, one.data, one.size, NULL);
            filled = filled || !recipe->empty_is_null || one.size != 2 || memcmp(one.data, "^^", 2) != 0;
        }
        hr_buffer_free(&one);
    }
    CHECK(hr_column_is_null(found, row) == !filled, "row %d of %s", (int)row, recipe->name);
    got = hr_column_get_bytes(found, row, &n);
    if (recipe->digest == HR_MD5)
        hr_md5(joined.data, joined.size, want);
    else
        hr_sha256(joined.data, joined.size, want);
    CHECK(!filled || memcmp(got, want, n) == 0, "row %d of %s: \"%.*s\"", (int)row, recipe->name, (int)joined.size, (char *)joined.data);
    hr_buffer_free(&joined);
    hr_buffer_free(&text.scratch);
}

/* Short rows, long rows, other types; every recipe, every kernel, slices of several sizes. */
static void test_rows(void)
{
    static const size_t widths[] = {0, 40, 900, 1100, 300000};
    static const int32_t sets[][8] = {{0, 1}, {1}, {2, 1, 0}, {0, 1, 2, 3, 4, 5, 6, 7}};
    static const int32_t counts[] = {2, 1, 3, 8};

    for (size_t w = 0; w < 5; w++) {
        hr_batch *batch = make_batch(widths[w]);

        for (int set = 0; set < 4; set++)
            for (const hr_recipe *recipe = hr_recipes; recipe->name != NULL; recipe++) {
                hr_hash_options options = {.recipe = recipe};
                hr_column *whole = hash(batch, sets[set], counts[set], &options, ROWS);

                for (int64_t row = 0; row<ROWS; row += widths[w]> 10000 ? 50 : 1)
                    check_row(batch, sets[set], counts[set], recipe, row + (widths[w] > 10000), whole);
                for (const hr_digest *const *at = hr_digest_all(recipe->digest); *at != NULL; at++)
                    if ((*at)->supported()) {
                        hr_column *other;

                        options.digest = *at;
                        other = hash(batch, sets[set], counts[set], &options, (*at)->lanes == 1 ? 1 : 333);
                        CHECK(same_columns(whole, other), "%s by %s", recipe->name, (*at)->name);
                        free_column(other);
                    }
                free_column(whole);
            }
        hr_batch_free(batch);
    }
}

static void test_hex(void)
{
    static const hr_type text = {.kind = HR_TEXT, .oid = 25, .typmod = -1, .max_chars = -1, .name = "text"};
    const int32_t columns[] = {0, 1};
    hr_batch *batch = make_batch(0);
    hr_hash_options options = {.hex = true};
    hr_column *out = new_column(&text), *bytes;
    hr_hasher *hasher;
    size_t n, m;

    CHECK(hr_hasher_new(batch->schema, columns, 2, &options, &hasher, NULL) == HR_OK);
    CHECK(hr_hasher_reserve(hasher, ROWS, out, NULL) == HR_OK);
    CHECK(hr_hasher_run(hasher, batch, 0, ROWS, out, NULL) == HR_OK);
    hr_hasher_free(hasher);
    options.hex = false;
    bytes = hash(batch, columns, 2, &options, ROWS);
    for (int64_t i = 0; i < ROWS; i++) {
        const char *hex = hr_column_get_bytes(out, i, &n);
        const uint8_t *raw = (const uint8_t *)hr_column_get_bytes(bytes, i, &m);
        char want[33] = "";

        for (size_t k = 0; k < m; k++)
            snprintf(want + 2 * k, 3, "%02x", raw[k]);
        CHECK(n == 2 * m && memcmp(hex, want, n) == 0, "row %d", (int)i);
    }
    free_column(out);
    free_column(bytes);
    hr_batch_free(batch);
}

static void test_wrong_questions(void)
{
    const int32_t columns[] = {0, 99};
    hr_schema *schema = make_schema();
    hr_hash_options options = {0};
    hr_hasher *hasher;
    hr_error error;

    CHECK(hr_hasher_new(schema, columns, 0, &options, &hasher, &error) == HR_EUSAGE && hasher == NULL);
    CHECK(hr_hasher_new(schema, columns, 2, &options, &hasher, &error) == HR_EUSAGE && hasher == NULL);
    options.digest = hr_digest_best(HR_SHA256);
    CHECK(hr_hasher_new(schema, columns, 1, &options, &hasher, &error) == HR_EUSAGE && hasher == NULL);
    options = (hr_hash_options){.alone = true};
    CHECK(hr_hasher_new(schema, columns, 2, &options, &hasher, &error) == HR_EUSAGE && hasher == NULL);
    hr_hasher_free(NULL);
    hr_schema_release(schema);
}

static void test_integers(void)
{
    char got[HR_KEY_INT_ROOM], want[32];
    int64_t value = 1;

    for (int i = 0; i < 64; i++, value = (int64_t)((uint64_t)value * 2))
        for (int64_t d = -2; d <= 2; d++) {
            int64_t x = (int64_t)((uint64_t)value + (uint64_t)d);
            size_t n = hr_key_print_int(got, x);

            snprintf(want, sizeof(want), "%lld", (long long)x);
            CHECK(n == strlen(want) && memcmp(got, want, n) == 0, "%s", want);
        }
    value = 1;
    for (int i = 0; i < 19; i++, value = (int64_t)((uint64_t)value * 10))
        for (int64_t d = -2; d <= 2; d++) {
            size_t n = hr_key_print_int(got, value + d);

            snprintf(want, sizeof(want), "%lld", (long long)(value + d));
            CHECK(n == strlen(want) && memcmp(got, want, n) == 0, "%s", want);
        }
}

/* Exactly the bytes that are there are read, and none beyond the room written; broken UTF-8 stays as it is. */
static void test_upper_case(void)
{
    static const char *const pairs[][2] = {
        {"", ""},
        {"a", "A"},
        {"z{`@[", "Z{`@["},
        {"abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"},
        {"\xc5\xbc\xc3\xb3\xc5\x82\xc4\x87", "\xc5\xbb\xc3\x93\xc5\x81\xc4\x86"}, /* zolc with its accents */
        {"\xc9\x90", "\xe2\xb1\xaf"},                                             /* two bytes become three */
        {"\xc4\xb1", "I"},                                                        /* and one */
        {"\xc3\x9f", "\xc3\x9f"},                                                 /* sharp s has no simple upper case */
        {"\xf0\x90\x90\xa8", "\xf0\x90\x90\x80"},
        {"\xff\xc3", "\xff\xc3"},
        {"a\xc3", "A\xc3"},
        {"\xe2\x82", "\xe2\x82"},
        {"\xed\xa0\x80g", "\xed\xa0\x80G"},
        {"\xf4\x90\x80\x80", "\xf4\x90\x80\x80"},
        {"\xc0\xa1x", "\xc0\xa1X"},
        {"12345678\xc3\xa4"
         "abcdefgh",
         "12345678\xc3\x84"
         "ABCDEFGH"},
    };

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        size_t n = strlen(pairs[i][0]);
        char *from = malloc(n + 1), *to = malloc(HR_UPPER_ROOM(n));

        if (from == NULL || to == NULL)
            exit(2);
        memcpy(from, pairs[i][0], n);
        CHECK_TEXT(to, hr_upper_case(to, from, n), pairs[i][1]);
        free(from);
        free(to);
    }
    for (size_t n = 0; n < 40; n++) { /* a block of exactly n bytes */
        char *from = malloc(n + (n == 0)), *to = malloc(n + (n == 0));

        if (from == NULL || to == NULL)
            exit(2);
        memset(from, 'q', n);
        hr_upper_ascii(to, from, n);
        for (size_t k = 0; k < n; k++)
            CHECK(to[k] == 'Q');
        free(from);
        free(to);
    }
    CHECK(hr_upper_code(0x10ffff) == 0x10ffff && hr_upper_code(0x1e943) == 0x1e921 && hr_upper_code('~') == '~');
    CHECK(strlen(hr_upper_unicode()) > 0);
}

/* The widened batch borrows, keeps defaults, and survives the schema it came from. */
static void test_widen(void)
{
    hr_batch *batch = make_batch(0), *wide, *wider;
    hr_error error;
    size_t n;

    CHECK(hr_batch_widen(batch, "b", &bytea, &wide, &error) == HR_EUSAGE && wide == NULL);
    CHECK(hr_batch_widen(batch, "k", &bytea, &wide, &error) == HR_OK);
    CHECK(wide->length == batch->length && wide->schema->count == 9 && wide->borrowed == 8 && wide->absent == batch->absent);
    CHECK(strcmp(wide->schema->columns[6].type.name, "text[]") == 0 && wide->schema->columns[6].type.element->kind == HR_TEXT);
    CHECK(wide->schema->columns[6].type.element != batch->schema->columns[6].type.element);
    CHECK(wide->schema->columns[2].has_default && hr_schema_default_bit(wide->schema, 2) == 0);
    for (int64_t i = 0; i < wide->length; i++)
        CHECK(hr_column_append_bytes(&wide->columns[8], "key", 3, &error) == HR_OK);
    CHECK(hr_batch_widen(wide, "l", &bytea, &wider, &error) == HR_OK && wider->borrowed == 9);
    CHECK(memcmp(hr_column_get_bytes(&wider->columns[8], 5, &n), "key", 3) == 0 && n == 3);
    hr_batch_free(wider);
    hr_batch_free(wide);
    CHECK(batch->columns[1].length == ROWS);
    hr_batch_free(batch);
}

/* A separator, or a text for null, that no message has room for. */
static void test_long_words(void)
{
    const int32_t columns[] = {0, 1};
    hr_schema *schema = make_schema();
    hr_hasher *hasher = NULL;
    hr_error error;
    char word[4096];

    memset(word, '|', sizeof(word) - 1);
    word[sizeof(word) - 1] = '\0';
    for (int i = 0; i < 2; i++) {
        hr_recipe recipe = *hr_recipe_named("automate_dv");
        const hr_hash_options options = {.recipe = &recipe};

        if (i == 0)
            recipe.separator = word;
        else
            recipe.null_text = word;
        CHECK(hr_hasher_new(schema, columns, 2, &options, &hasher, &error) == HR_EUSAGE && strstr(error.message, "separator") != NULL);
    }
    hr_schema_release(schema);
}

/* Values whose text the short way never makes, one by one. */
static void test_texts(void)
{
    static const struct {
        const char *type, *value, *want;
    } cases[] = {{"smallint", "-32768", "-32768"},
                 {"smallint", "7", "7"},
                 {"timestamptz", "-infinity", "-INFINITY"},
                 {"timestamptz", "infinity", "INFINITY"},
                 {"timestamptz", "1970-01-01 00:00:01+00", "1970-01-01 01:00:01+01"}};
    static const char *const names[] = {"rule", NULL};
    hr_timezone *zone;
    hr_error error;
    char folder[64];

    zone_folder(folder);
    zone_write_rule(folder, "rule", 3600, "AAA-1");
    CHECK(hr_timezone_load("rule", folder, &zone, &error) == HR_OK, "%s", error.message);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        hr_key_text text = {.recipe = hr_recipe_named("automate_dv"), .zone = zone};
        hr_arena arena;
        hr_column column;
        hr_buffer out = {0};
        hr_type type;

        hr_arena_init(&arena, 0);
        CHECK(hr_type_from_name(cases[i].type, &arena, &type, &error) == HR_OK && hr_column_init(&column, &type, &error) == HR_OK);
        CHECK(hr_type_ops_of(&type)->parse(&type, HR_TOKEN_TEXT, cases[i].value, strlen(cases[i].value), &column, &error) == HR_OK);
        CHECK(hr_key_text_append(&text, &column, 0, &out, &error) == HR_OK, "%s", error.message);
        CHECK_TEXT(out.data, out.size, cases[i].want);
        hr_buffer_free(&out);
        hr_buffer_free(&text.scratch);
        hr_column_free(&column);
        hr_arena_free(&arena);
    }
    hr_timezone_free(zone);
    zone_remove(folder, names);
}

/* The labels of an enum are the copy's own. */
static void test_widen_enum(void)
{
    hr_schema *schema = make_schema();
    hr_type type = schema->columns[1].type;
    hr_batch *batch, *wide = NULL;
    char names[2][4] = {"new", "old"};
    const char *labels[] = {names[0], names[1]};
    hr_error error;

    type.kind = HR_ENUM;
    type.labels = labels;
    type.label_count = 2;
    CHECK(hr_schema_add(schema, "mark", &type, false, false, NULL, &error) == HR_OK && hr_batch_new(schema, &batch, &error) == HR_OK);
    for (long n = 1, rc = HR_ENOMEM; rc != HR_OK; n++) {
        hr_fault_arm(n, false);
        rc = hr_batch_widen(batch, "k", &bytea, &wide, NULL);
        hr_fault_arm(0, false);
        CHECK(rc == HR_OK || (rc == HR_ENOMEM && wide == NULL));
    }
    names[0][0] = 'x';
    CHECK(wide->schema->columns[8].type.label_count == 2 && strcmp(wide->schema->columns[8].type.labels[0], "new") == 0);
    hr_batch_free(wide);
    hr_batch_free(batch);
    hr_schema_release(schema);
}

/* Every allocation fails once: nothing leaks, and the column is as it was. */
static void test_failing_allocations(void)
{
    const int32_t columns[] = {0, 1, 5, 6};
    hr_batch *batch = make_batch(2000);

    for (int way = 0; way < 2; way++) {
        long n = 1;

        for (;; n++) {
            hr_hash_options options = {.recipe = hr_recipe_named("automate_dv")};
            hr_column *out = new_column(&bytea);
            hr_hasher *hasher = NULL;
            hr_batch *wide = NULL;
            bool fired;
            int rc;

            CHECK(hr_column_append_bytes(out, "before", 6, NULL) == HR_OK);
            hr_fault_arm(n, false);
            rc = hr_hasher_new(batch->schema, columns, way == 0 ? 2 : 4, &options, &hasher, NULL);
            if (rc == HR_OK)
                rc = hr_batch_widen(batch, "k", &bytea, &wide, NULL);
            if (rc == HR_OK)
                rc = hr_hasher_run(hasher, batch, 0, ROWS, out, NULL);
            fired = hr_fault_fired();
            hr_fault_arm(0, false);
            CHECK(fired == (rc == HR_ENOMEM), "allocation %ld", n);
            CHECK(out->length == (fired ? 1 : ROWS + 1) && out->offsets[1] == 6 && out->null_count == (fired ? 0 : out->null_count));
            CHECK(!fired || out->bytes.size == 6);
            if (fired && hasher != NULL) /* and it works again */
                CHECK(hr_hasher_run(hasher, batch, 0, ROWS, out, NULL) == HR_OK && out->length == ROWS + 1);
            hr_hasher_free(hasher);
            hr_batch_free(wide);
            free_column(out);
            if (!fired)
                break;
        }
        CHECK(n > 5);
    }
    hr_batch_free(batch);
}

int main(void)
{
    test_integers();
    test_upper_case();
    test_wrong_questions();
    test_rows();
    test_hex();
    test_widen();
    test_texts();
    test_long_words();
    test_widen_enum();
    test_failing_allocations();
    return CHECK_DONE();
}
