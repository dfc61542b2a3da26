/* tests/core/test_arrow_values.c: foreign Arrow arrays of every layout, built by hand, into columns. */
#include "arrow_rows.h"

static void release_schema(struct ArrowSchema *schema)
{
    schema->release = NULL;
}

static void release_array(struct ArrowArray *array)
{
    array->release = NULL;
}

/* A table of one column "x" around hand-made structs, imported into a column of `type` (NULL: of the type its schema says).
 * Returns the code; the column as COPY text, or the type's name for the import of the schema, is left in `result`. */
static char result[4096], result_type[128];

static int import_one(struct ArrowSchema *field, struct ArrowArray *values, const char *type, hr_error *error)
{
    struct ArrowSchema *fields[] = {field};
    struct ArrowArray *columns[] = {values};
    const void *validity[] = {NULL};
    struct ArrowSchema schema = {.format = "+s", .name = "", .n_children = 1, .children = fields, .release = release_schema};
    struct ArrowArray array = {.length = values->length, .n_buffers = 1, .buffers = validity, .n_children = 1, .children = columns,
                               .release = release_array};
    hr_schema *read = NULL;
    hr_batch *batch;
    int rc;

    field->name = "x";
    if (field->release == NULL)
        field->release = release_schema;
    values->release = release_array;
    result[0] = result_type[0] = '\0';
    if (type == NULL) {
        rc = hr_arrow_import_schema(&schema, &read, error);
        if (rc != HR_OK)
            return rc;
        snprintf(result_type, sizeof(result_type), "%s", read->columns[0].type.name);
    } else {
        hr_type made;
        if (hr_schema_new(&read, NULL) != HR_OK || hr_type_from_name(type, &read->arena, &made, NULL) != HR_OK ||
            hr_schema_add(read, "x", &made, false, false, NULL, NULL) != HR_OK)
            abort();
    }
    if (hr_batch_new(read, &batch, NULL) != HR_OK)
        abort();
    hr_schema_release(read);
    rc = hr_arrow_import_batch(&schema, &array, batch, error);
    CHECK(batch->length == (rc == HR_OK ? array.length : 0) && batch->columns[0].length == batch->length);
    if (rc == HR_OK)
        snprintf(result, sizeof(result), "%s", text_of(batch, 0, batch->length));
    hr_batch_free(batch);
    return rc;
}

/* A fixed-width array of `n` values with an optional validity byte. */
static int import_fixed(const char *format, const void *values, int64_t n, const uint8_t *validity, const char *type, hr_error *error)
{
    const void *buffers[] = {validity, values};
    struct ArrowSchema field = {.format = format, .flags = ARROW_FLAG_NULLABLE};
    struct ArrowArray array = {.length = n, .null_count = validity != NULL ? -1 : 0, .n_buffers = 2, .buffers = buffers};

    return import_one(&field, &array, type, error);
}

#define IMPORT(format, ctype, type, want_type, want, ...)                                                                              \
    do {                                                                                                                              \
        const ctype values_[] = {__VA_ARGS__};                                                                                        \
        hr_error error_;                                                                                                              \
        int rc_ = import_fixed(format, values_, (int64_t)(sizeof(values_) / sizeof(values_[0])), NULL, type, &error_);                \
        CHECK(rc_ == HR_OK && strcmp(result, want) == 0, "%s: %s%s", format, result, rc_ == HR_OK ? "" : error_.message);             \
        CHECK(strcmp(result_type, want_type) == 0, "%s: %s", format, result_type);                                                    \
    } while (0)
#define REFUSE(format, ctype, type, want_row, ...)                                                                                    \
    do {                                                                                                                              \
        const ctype values_[] = {__VA_ARGS__};                                                                                        \
        hr_error error_;                                                                                                              \
        int rc_ = import_fixed(format, values_, (int64_t)(sizeof(values_) / sizeof(values_[0])), NULL, type, &error_);                \
        CHECK(rc_ == HR_EDATA && error_.row == (want_row) && error_.column == 0 && error_.message[0] != '\0', \
              "%s into %s: %d, row %d, %s",                                                                                               \
              format, type != NULL ? type : "its own", rc_, (int)error_.row, rc_ == HR_OK ? result : error_.message);                 \
    } while (0)

static void test_import_numbers(void)
{
    IMPORT("c", int8_t, NULL, "smallint", "-128\n127\n", INT8_MIN, INT8_MAX);
    IMPORT("C", uint8_t, NULL, "smallint", "0\n255\n", 0, UINT8_MAX);
    IMPORT("s", int16_t, NULL, "smallint", "-32768\n32767\n", INT16_MIN, INT16_MAX);
    IMPORT("S", uint16_t, NULL, "integer", "0\n65535\n", 0, UINT16_MAX);
    IMPORT("i", int32_t, NULL, "integer", "-2147483648\n2147483647\n", INT32_MIN, INT32_MAX);
    IMPORT("I", uint32_t, NULL, "bigint", "0\n4294967295\n", 0, UINT32_MAX);
    IMPORT("l", int64_t, NULL, "bigint", "-9223372036854775808\n9223372036854775807\n", INT64_MIN, INT64_MAX);
    IMPORT("L", uint64_t, NULL, "numeric(20,0)", "0\n18446744073709551615\n", 0, UINT64_MAX);
    IMPORT("f", float, NULL, "real", "1.5\n0.1\n", 1.5f, 0.1f);
    IMPORT("g", double, NULL, "double precision", "1.5\n0.1\n1e+300\n", 1.5, 0.1, 1e300);
    IMPORT("b", uint8_t, "boolean", "", "t\n", 1);
    IMPORT("b", uint8_t, "jsonb", "", "true\n", 1);
    /* Into other types: as the server would read the number. */
    IMPORT("l", int64_t, "smallint", "", "-32768\n", -32768);
    IMPORT("l", int64_t, "numeric(5,2)", "", "999.00\n", 999);
    IMPORT("l", int64_t, "numeric", "", "-5\n", -5);
    IMPORT("L", uint64_t, "bigint", "", "9223372036854775807\n", INT64_MAX);
    IMPORT("i", int32_t, "double precision", "", "7\n", 7);
    IMPORT("i", int32_t, "text", "", "7\n", 7);
    IMPORT("f", float, "double precision", "", "1.5\n", 1.5f);
    IMPORT("g", double, "real", "", "0.1\n", 0.1);
    IMPORT("g", double, "numeric", "", "0.1\n", 0.1);
    REFUSE("l", int64_t, "smallint", 1, 1, 32768);
    REFUSE("l", int64_t, "integer", 2, 1, 2, INT64_MIN);
    REFUSE("L", uint64_t, "bigint", 0, (uint64_t)INT64_MAX + 1);
    REFUSE("l", int64_t, "numeric(5,2)", 0, 1000);
    REFUSE("g", double, "real", 0, 1e300);
    REFUSE("i", int32_t, "uuid", 0, 1);

    uint8_t validity = 0x15; /* rows 0, 2, 4 */
    int32_t values[] = {1, 2, 3, 4, 5};
    hr_error error;
    CHECK(import_fixed("i", values, 5, &validity, NULL, &error) == HR_OK && strcmp(result, "1\n\\N\n3\n\\N\n5\n") == 0, "%s", result);
    CHECK(import_fixed("i", NULL, 0, NULL, NULL, &error) == HR_OK);
    CHECK(import_fixed("i", NULL, 1, NULL, NULL, &error) == HR_EUSAGE);
}

static void test_import_decimals(void)
{
    typedef struct {
        uint64_t part[4];
    } wide;
    hr_decimal128 small[] = {{12345, 0}, {(uint64_t)-12345, -1}, {0, 0}};
    hr_decimal128 nan = {HR_DECIMAL_NAN_LOW, HR_DECIMAL_NAN_HIGH}, big = {UINT64_C(0x098a224000000000), INT64_C(0x4b3b4ca85a86c47a)};
    hr_error error;

    CHECK(import_fixed("d:7,2", small, 3, NULL, NULL, &error) == HR_OK && strcmp(result, "123.45\n-123.45\n0.00\n") == 0, "%s", result);
    CHECK(strcmp(result_type, "numeric(7,2)") == 0);
    CHECK(import_fixed("d:7,2", small, 3, NULL, "numeric(9,3)", &error) == HR_OK && strcmp(result, "123.450\n-123.450\n0.000\n") == 0);
    CHECK(import_fixed("d:7,2", small, 3, NULL, "numeric(7,1)", &error) == HR_OK && strcmp(result, "123.5\n-123.5\n0.0\n") == 0, "%s",
          result);
    CHECK(import_fixed("d:7,2", small, 3, NULL, "numeric", &error) == HR_OK && strcmp(result, "123.45\n-123.45\n0.00\n") == 0);
    CHECK(import_fixed("d:7,2", small, 3, NULL, "bigint", &error) == HR_EDATA); /* "123.45" is no bigint */
    CHECK(import_fixed("d:7,2", small, 3, NULL, "double precision", &error) == HR_OK && strcmp(result, "123.45\n-123.45\n0\n") == 0, "%s",
          result);
    CHECK(import_fixed("d:7,-3", small, 3, NULL, NULL, &error) == HR_OK && strcmp(result, "12345000\n-12345000\n0\n") == 0, "%s", result);
    CHECK(import_fixed("d:7,7", small, 3, NULL, NULL, &error) == HR_OK && strcmp(result, "0.0012345\n-0.0012345\n0.0000000\n") == 0, "%s",
          result);
    CHECK(import_fixed("d:4,2", small, 3, NULL, NULL, &error) == HR_EDATA && error.row == 0); /* more digits than its own type says */
    CHECK(import_fixed("d:5,2", &nan, 1, NULL, NULL, &error) == HR_EDATA);                     /* never our NaN */
    CHECK(import_fixed("d:38,0", &big, 1, NULL, NULL, &error) == HR_EDATA);                    /* 10^38 */
    big.low--;
    CHECK(import_fixed("d:38,0", &big, 1, NULL, NULL, &error) == HR_OK && strcmp(result, "99999999999999999999999999999999999999\n") == 0);

    IMPORT("d:9,2,32", int32_t, NULL, "numeric(9,2)", "-123.45\n", -12345);
    IMPORT("d:19,3,64", int64_t, NULL, "numeric(19,3)", "-9223372036854775.808\n", INT64_MIN);
    wide widest[] = {{{UINT64_MAX, UINT64_MAX, UINT64_MAX, INT64_MAX}}, {{0, 0, 0, UINT64_C(1) << 63}}, {{5, 0, 0, 0}}};
    CHECK(import_fixed("d:76,0,256", widest + 2, 1, NULL, NULL, &error) == HR_OK && strcmp(result, "5\n") == 0 &&
          strcmp(result_type, "numeric(76,0)") == 0);
    CHECK(import_fixed("d:76,0,256", widest, 2, NULL, "numeric", &error) == HR_OK);
    CHECK(strcmp(result, "57896044618658097711785492504343953926634992332820282019728792003956564819967\n"
                         "-57896044618658097711785492504343953926634992332820282019728792003956564819968\n") == 0, "%s", result);
    static const char *const bad[] = {"d:", "d:5", "d:5,", "d:5,2,", "d:5,2,100", "d:0,0", "d:77,0", "d:5,2x", "d:99999999999,1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK(import_fixed(bad[i], small, 1, NULL, NULL, &error) == HR_EUSAGE && strstr(error.message, "\"x\"") != NULL, "%s", bad[i]);
}

static void test_import_times(void)
{
    IMPORT("tdD", int32_t, NULL, "date", "1970-01-02\n1969-12-31\n", 1, -1);
    IMPORT("tdm", int64_t, NULL, "date", "1970-01-01\n1970-01-02\n1969-12-31\n1969-12-31\n", 86399999, 86400000, -1, -86400000);
    IMPORT("tts", int32_t, NULL, "time without time zone", "00:00:01\n24:00:00\n", 1, 86400);
    IMPORT("ttm", int32_t, NULL, "time without time zone", "00:00:00.001\n", 1);
    IMPORT("ttu", int64_t, NULL, "time without time zone", "00:00:00.000001\n", 1);
    IMPORT("ttn", int64_t, NULL, "time without time zone", "00:00:00.000001\n00:00:00\n00:00:00.000002\n", 1000, 500, 1500);
    IMPORT("tss:", int64_t, NULL, "timestamp without time zone", "1970-01-01 00:00:01\n", 1);
    IMPORT("tsm:", int64_t, NULL, "timestamp without time zone", "1969-12-31 23:59:59.999\n", -1);
    IMPORT("tsu:UTC", int64_t, NULL, "timestamp with time zone", "1970-01-01 00:00:00.000001+00\n", 1);
    IMPORT("tsn:Europe/Warsaw", int64_t, NULL, "timestamp with time zone",
           "1969-12-31 23:59:59.999999+00\n1970-01-01 00:00:00+00\n1969-12-31 23:59:59.999998+00\n1969-12-31 23:59:59.999999+00\n", -1000,
               -500, -1500,
           -501);
    IMPORT("tDs", int64_t, NULL, "interval", "00:00:05\n", 5);
    IMPORT("tDm", int64_t, NULL, "interval", "-00:00:00.005\n", -5);
    IMPORT("tDu", int64_t, NULL, "interval", "00:00:00.000005\n", 5);
    IMPORT("tDn", int64_t, NULL, "interval", "00:00:00.000005\n", 5000);
    IMPORT("tiM", int32_t, NULL, "interval", "1 year 2 mons\n", 14);
    struct {
        int32_t days, millis;
    } day_time = {3, -1500};
    struct {
        int32_t months, days;
        int64_t nanos;
    } month_day = {1, -2, INT64_C(3000001500)};
    hr_error error;
    CHECK(import_fixed("tiD", &day_time, 1, NULL, NULL, &error) == HR_OK && strcmp(result, "3 days -00:00:01.5\n") == 0, "%s", result);
    CHECK(import_fixed("tin", &month_day, 1, NULL, NULL, &error) == HR_OK && strcmp(result, "1 mon -2 days +00:00:03.000002\n") == 0, "%s",
          result);

    /* Into the other kinds of time, and rounded to the column's precision. */
    IMPORT("tdD", int32_t, "timestamp", "", "1970-01-02 00:00:00\n", 1);
    IMPORT("tss:", int64_t, "date", "", "1970-01-02\n", 86400);
    IMPORT("tsu:", int64_t, "timestamptz", "", "1970-01-01 00:00:01+00\n", 1000000);
    IMPORT("tsu:UTC", int64_t, "timestamp(3)", "", "1970-01-01 00:00:01.235\n", 1234567);
    IMPORT("tsu:", int64_t, "text", "", "1970-01-01 00:00:01.234567\n", 1234567);
    IMPORT("ttu", int64_t, "time(0)", "", "00:00:01\n", 1234567);
    IMPORT("tDs", int64_t, "interval(0)", "", "00:00:05\n", 5);

    REFUSE("tdD", int32_t, NULL, 1, 0, INT32_MAX);
    REFUSE("tdD", int32_t, NULL, 0, INT32_MIN);
    REFUSE("tdm", int64_t, NULL, 0, INT64_MAX);
    REFUSE("tts", int32_t, NULL, 0, 86401);
    REFUSE("tts", int32_t, NULL, 0, -1);
    REFUSE("tss:", int64_t, NULL, 0, INT64_MAX);
    REFUSE("tsu:", int64_t, NULL, 1, 0, INT64_MAX);
    REFUSE("tsu:UTC", int64_t, NULL, 0, INT64_MIN);
    REFUSE("tDs", int64_t, NULL, 0, INT64_MAX);
    static const char *const bad[] = {"t", "tt", "ttx", "tts1", "ts", "tss", "tsx:", "tD", "tDx", "tdx", "ti", "tiX"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK(import_fixed(bad[i], &month_day, 1, NULL, NULL, &error) == HR_EUSAGE, "%s", bad[i]);
}

static void test_import_bytes(void)
{
    static const char data[] = "\xff\xff" "abc" "h\xc3\xa9" "a long string of more than twelve bytes";
    const int32_t offsets32[] = {2, 5, 5, 8, 47};
    const int64_t offsets64[] = {2, 5, 5, 8, 47};
    const uint8_t validity = 0x1d; /* with offset 0: row 1 is null */
    hr_error error;

    for (int large = 0; large < 2; large++) {
        const void *buffers[] = {&validity, large ? (const void *)offsets64 : (const void *)offsets32, data};
        struct ArrowSchema field = {.format = large ? "U" : "u", .flags = ARROW_FLAG_NULLABLE};
        struct ArrowArray array = {.length = 4, .null_count = 1, .n_buffers = 3, .buffers = buffers};
        CHECK(import_one(&field, &array, NULL, &error) == HR_OK && strcmp(result_type, "text") == 0);
        CHECK(strcmp(result, "abc\n\\N\nh\xc3\xa9\na long string of more than twelve bytes\n") == 0, "%s", result);
        CHECK(import_one(&field, &array, "varchar(3)", &error) == HR_EDATA && error.row == 3 && error.reason == HR_REASON_RANGE);
        array.offset = 2;
        array.length = 1;
        CHECK(import_one(&field, &array, "varchar(3)", &error) == HR_OK && strcmp(result, "h\xc3\xa9\n") == 0);
        array.offset = 0;
        field.format = large ? "Z" : "z";
        CHECK(import_one(&field, &array, NULL, &error) == HR_OK && strcmp(result_type, "bytea") == 0 && strcmp(result,
                                                                                                               "\\\\x616263\n") == 0);
        CHECK(import_one(&field, &array, "text", &error) == HR_EDATA && error.reason == HR_REASON_TYPE && strstr(error.message,
                                                                                                                 "cast") != NULL);
    }

    /* Bytes that are no text, and text that is a number. */
    const int32_t whole[] = {0, 2}, number[] = {0, 2}, backwards[] = {2, 1}, negative[] = {-5, 2};
    const void *buffers[] = {NULL, whole, data};
    struct ArrowSchema field = {.format = "u", .flags = ARROW_FLAG_NULLABLE};
    struct ArrowArray array = {.length = 1, .n_buffers = 3, .buffers = buffers};
    CHECK(import_one(&field, &array, NULL, &error) == HR_EDATA && error.reason == HR_REASON_ENCODING && error.row == 0);
    buffers[2] = "\0x";
    CHECK(import_one(&field, &array, NULL, &error) == HR_EDATA && error.reason == HR_REASON_ENCODING);
    buffers[1] = number;
    buffers[2] = "42";
    CHECK(import_one(&field, &array, "integer", &error) == HR_OK && strcmp(result, "42\n") == 0);
    CHECK(import_one(&field, &array, "json", &error) == HR_OK && strcmp(result, "42\n") == 0);
    CHECK(import_one(&field, &array, "boolean", &error) == HR_EDATA && error.value_len == 2);
    buffers[1] = backwards;
    CHECK(import_one(&field, &array, NULL, &error) == HR_EUSAGE && strstr(error.message, "damaged") != NULL);
    buffers[1] = negative;
    CHECK(import_one(&field, &array, NULL, &error) == HR_EUSAGE);
    const int32_t nothing[] = {0, 0};
    buffers[1] = nothing;
    buffers[2] = NULL;
    CHECK(import_one(&field, &array, NULL, &error) == HR_OK && strcmp(result, "\n") == 0);
    buffers[1] = whole;
    CHECK(import_one(&field, &array, NULL, &error) == HR_EUSAGE);

    /* Fixed width, with and without a meaning. */
    static const uint8_t uuid[] = "\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff";
    CHECK(import_fixed("w:2", uuid, 2, NULL, NULL, &error) == HR_OK && strcmp(result, "\\\\x0011\n\\\\x2233\n") == 0 &&
          strcmp(result_type, "bytea") == 0);
    CHECK(import_fixed("w:16", uuid, 1, NULL, "uuid", &error) == HR_OK && strcmp(result, "00112233-4455-6677-8899-aabbccddeeff\n") == 0);
    CHECK(import_fixed("w:15", uuid, 1, NULL, "uuid", &error) == HR_EDATA);
    CHECK(import_fixed("w:x", uuid, 1, NULL, NULL, &error) == HR_EUSAGE && import_fixed("w:", uuid, 1, NULL, NULL, &error) == HR_EUSAGE);
}

static void test_import_views(void)
{
    static const char first[] = "..the first buffer holds this", second[] = "and the second one has this";
    uint8_t views[4][16] = {{0}};
    const int64_t sizes[] = {29, 27};
    const uint8_t validity = 0x7;
    const void *buffers[] = {&validity, views, first, second, sizes};
    struct ArrowSchema field = {.format = "vu", .flags = ARROW_FLAG_NULLABLE};
    struct ArrowArray array = {.length = 4, .null_count = 1, .n_buffers = 5, .buffers = buffers};
    hr_error error;
    const int32_t values[][3] = {{27, 0, 2}, {27, 1, 0}};

    views[0][0] = 12;
    memcpy(views[0] + 4, "twelve bytes", 12);
    for (int i = 0; i < 2; i++) {
        memcpy(views[i + 1], &values[i][0], 4);
        memcpy(views[i + 1] + 8, &values[i][1], 4);
        memcpy(views[i + 1] + 12, &values[i][2], 4);
    }
    CHECK(import_one(&field, &array, NULL, &error) == HR_OK && strcmp(result_type, "text") == 0, "%s", error.message);
    CHECK(strcmp(result, "twelve bytes\nthe first buffer holds this\nand the second one has this\n\\N\n") == 0, "%s", result);
    array.offset = 2;
    array.length = 1;
    CHECK(import_one(&field, &array, NULL, &error) == HR_OK && strcmp(result, "and the second one has this\n") == 0);
    field.format = "vz";
    array.offset = 0;
    views[0][0] = 0;
    CHECK(import_one(&field, &array, NULL, &error) == HR_OK && strcmp(result, "\\\\x\n") == 0 && strcmp(result_type, "bytea") == 0);
    memcpy(views[0], &(int32_t){13}, 4); /* a view into a buffer that is not there */
    memcpy(views[0] + 8, &(int32_t){2}, 4);
    CHECK(import_one(&field, &array, NULL, &error) == HR_EUSAGE && strstr(error.message, "damaged") != NULL);
    memcpy(views[0] + 8, &(int32_t){1}, 4); /* beyond the end of one that is */
    memcpy(views[0] + 12, &(int32_t){15}, 4);
    CHECK(import_one(&field, &array, NULL, &error) == HR_EUSAGE && strstr(error.message, "damaged") != NULL);
    memcpy(views[0] + 12, &(int32_t){INT32_MAX}, 4);
    CHECK(import_one(&field, &array, NULL, &error) == HR_EUSAGE && strstr(error.message, "damaged") != NULL);
    memcpy(views[0] + 12, &(int32_t){14}, 4);
    CHECK(import_one(&field, &array, NULL, &error) == HR_OK, "%s", error.message);
    memcpy(views[0], &(int32_t){-1}, 4);
    CHECK(import_one(&field, &array, NULL, &error) == HR_EUSAGE);
}

static void test_import_dictionary(void)
{
    static const char data[] = "redgreenblue";
    const int32_t offsets[] = {0, 3, 8, 12};
    const uint8_t valid_values = 0x5, valid_indices = 0xef;
    int8_t indices[] = {2, 0, 1, 2, 1, 0};
    const void *value_buffers[] = {&valid_values, offsets, data}, *buffers[] = {&valid_indices, indices};
    struct ArrowSchema values_field = {.format = "u", .release = release_schema};
    struct ArrowSchema field = {.format = "c", .flags = ARROW_FLAG_NULLABLE, .dictionary = &values_field};
    struct ArrowArray values = {.length = 3, .null_count = 1, .n_buffers = 3, .buffers = value_buffers, .release = release_array};
    struct ArrowArray array = {.length = 6, .null_count = 1, .n_buffers = 2, .buffers = buffers, .dictionary = &values};
    hr_error error;

    CHECK(import_one(&field, &array, NULL, &error) == HR_OK && strcmp(result_type, "text") == 0);
    CHECK(strcmp(result, "blue\nred\n\\N\nblue\n\\N\nred\n") == 0, "%s", result);
    array.offset = 3;
    array.length = 3;
    CHECK(import_one(&field, &array, "varchar(4)", &error) == HR_OK && strcmp(result, "blue\n\\N\nred\n") == 0, "%s", result);
    indices[3] = 3;
    CHECK(import_one(&field, &array, NULL, &error) == HR_EUSAGE && strstr(error.message, "no entry 3") != NULL);
    indices[3] = -1;
    CHECK(import_one(&field, &array, NULL, &error) == HR_EUSAGE);
    indices[3] = 0;
    array.dictionary = NULL;
    CHECK(import_one(&field, &array, NULL, &error) == HR_EUSAGE);
    array.dictionary = &values;
    field.format = "g";
    CHECK(import_one(&field, &array, NULL, &error) == HR_EUSAGE && strstr(error.message, "dictionary") != NULL);
}

static void test_import_lists(void)
{
    const int32_t elements[] = {10, 11, 12, 13, 14, 15};
    const uint8_t valid_elements = 0x3b, valid_rows = 0xd; /* element 2 and row 1 are null */
    const int32_t offsets32[] = {0, 2, 2, 2, 5};
    const int64_t offsets64[] = {0, 2, 2, 2, 5};
    const void *element_buffers[] = {&valid_elements, elements}, *buffers[] = {&valid_rows, offsets32};
    struct ArrowSchema item = {.format = "i", .name = "item", .flags = ARROW_FLAG_NULLABLE, .release = release_schema}, *items[] = {&item};
    struct ArrowSchema field = {.format = "+l", .flags = ARROW_FLAG_NULLABLE, .n_children = 1, .children = items};
    struct ArrowArray child = {.length = 6, .null_count = 1, .n_buffers = 2, .buffers = element_buffers, .release = release_array},
        *children[] = {&child};
    struct ArrowArray array = {.length = 4, .null_count = 1, .n_buffers = 2, .buffers = buffers, .n_children = 1, .children = children};
    hr_error error;

    for (int large = 0; large < 2; large++) {
        buffers[1] = large ? (const void *)offsets64 : (const void *)offsets32;
        field.format = large ? "+L" : "+l";
        array.offset = 0;
        array.length = 4;
        CHECK(import_one(&field, &array, NULL, &error) == HR_OK && strcmp(result_type, "integer[]") == 0);
        CHECK(strcmp(result, "{10,11}\n\\N\n{}\n{NULL,13,14}\n") == 0, "%s", result);
        CHECK(import_one(&field, &array, "bigint[]", &error) == HR_OK && strcmp(result, "{10,11}\n\\N\n{}\n{NULL,13,14}\n") == 0);
        CHECK(import_one(&field, &array, "text[]", &error) == HR_OK && strcmp(result, "{10,11}\n\\N\n{}\n{NULL,13,14}\n") == 0);
        CHECK(import_one(&field, &array, "text", &error) == HR_OK && strcmp(result, "{10,11}\n\\N\n{}\n{NULL,13,14}\n") == 0);
        CHECK(import_one(&field, &array, "uuid[]", &error) == HR_EDATA && error.row == 0);
        array.offset = 2;
        array.length = 2;
        CHECK(import_one(&field, &array, NULL, &error) == HR_OK && strcmp(result, "{}\n{NULL,13,14}\n") == 0, "%s", result);
    }
    child.offset = 1; /* the child is a slice of its own */
    child.length = 5;
    CHECK(import_one(&field, &array, NULL, &error) == HR_OK && strcmp(result, "{}\n{13,14,15}\n") == 0, "%s", result);
    child.length = 4; /* the last list goes beyond it */
    CHECK(import_one(&field, &array, NULL, &error) == HR_EUSAGE && strstr(error.message, "damaged") != NULL);
    child.offset = 0;
    child.length = 6;

    const void *fixed[] = {NULL};
    field.format = "+w:2";
    array.buffers = fixed;
    array.n_buffers = 1;
    array.null_count = 0;
    array.offset = 1;
    CHECK(import_one(&field, &array, NULL, &error) == HR_OK && strcmp(result, "{NULL,13}\n{14,15}\n") == 0, "%s", result);
    array.length = 3;
    CHECK(import_one(&field, &array, NULL, &error) == HR_EUSAGE); /* six elements are three lists */
    field.format = "+w:";
    CHECK(import_one(&field, &array, NULL, &error) == HR_EUSAGE);
    field.format = "+l";
    item.format = "+l";
    item.n_children = 1;
    item.children = &(struct ArrowSchema *){&(struct ArrowSchema){.format = "i", .release = release_schema}};
    CHECK(import_one(&field, &array, NULL, &error) == HR_EUSAGE && strstr(error.message, "one-dimensional") != NULL, "%s", error.message);
}

/* Formats that are refused say what to do; unknown ones say so. */
static void test_import_refused(void)
{
    static const struct {
        const char *format, *word;
    } cases[] = {{"e", "float32"}, {"+s", "struct"}, {"+m", "map"}, {"+ud:0,1", "union"}, {"+us:0", "union"}, {"+r", "run-end"}, {"+vl",
                                                                                                                                  "view"},
                 {"?", "?"},       {"", "not known"}};
    hr_error error;
    double value = 1;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK(import_fixed(cases[i].format, &value, 1, NULL, NULL, &error) == HR_EUSAGE && strstr(error.message, cases[i].word) != NULL,
              "%s: %s",
              cases[i].format, error.message);
        CHECK(import_fixed(cases[i].format, &value, 1, NULL, "text", &error) == HR_EUSAGE && error.fatal);
    }
    struct ArrowSchema field = {.format = "n", .flags = ARROW_FLAG_NULLABLE};
    struct ArrowArray array = {.length = 2, .null_count = 2};
    CHECK(import_one(&field, &array, NULL, &error) == HR_OK && strcmp(result, "\\N\n\\N\n") == 0 && strcmp(result_type, "text") == 0);
    CHECK(import_one(&field, &array, "integer[]", &error) == HR_OK && strcmp(result, "\\N\n\\N\n") == 0);

    struct ArrowSchema not_a_table = {.format = "i", .name = "", .release = release_schema}, gone = {.format = "+s"};
    hr_schema *schema;
    CHECK(hr_arrow_import_schema(&not_a_table, &schema, &error) == HR_EUSAGE && schema == NULL);
    CHECK(hr_arrow_import_schema(&gone, &schema, &error) == HR_EUSAGE && schema == NULL);
}

/* The type a field claims counts as long as its layout still fits. */
static void test_claims(void)
{
    static const struct {
        const char *format, *claim, *want;
    } cases[] = {
        {"u", "jsonb", "jsonb"},       {"u", "varchar(7)", "character varying(7)"}, {"u", "numeric", "numeric"}, {"u", "shop.status",
                                                                                                                  "shop.status"},
        {"u", "integer", "text"},      {"i", "bigint", "integer"},                  {"i", "integer", "integer"}, {"l", "nonsense(",
                                                                                                                  "bigint"},
        {"d:5,2", "numeric(5,2)", "numeric(5,2)"}, {"d:6,2", "numeric(5,2)", "numeric(6,2)"}, {"tsu:", "timestamp(3)",
                                                                                               "timestamp(3) without time zone"},
        {"tsu:UTC", "timestamp(3)", "timestamp with time zone"}, {"z", "text", "bytea"}, {"u", "", "text"},
    };
    hr_error error;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        hr_buffer metadata = {0};
        int32_t one = 1, key = 13, n = (int32_t)strlen(cases[i].claim);
        struct ArrowSchema field = {.format = cases[i].format, .flags = ARROW_FLAG_NULLABLE};
        struct ArrowArray array = {.length = 0, .n_buffers = 3, .buffers = (const void *[]){NULL, NULL, NULL}};
        if (hr_buffer_append(&metadata, &one, 4, NULL) != HR_OK || hr_buffer_append(&metadata, &key, 4, NULL) != HR_OK ||
            hr_buffer_append(&metadata, "headrace.type", 13, NULL) != HR_OK || hr_buffer_append(&metadata, &n, 4, NULL) != HR_OK ||
            hr_buffer_append(&metadata, cases[i].claim, (size_t)n, NULL) != HR_OK)
            abort();
        field.metadata = (const char *)metadata.data;
        CHECK(import_one(&field, &array, NULL, &error) == HR_OK && strcmp(result_type, cases[i].want) == 0, "%s, %s: %s", cases[i].format,
              cases[i].claim, result_type);
        hr_buffer_free(&metadata);
    }
}

int main(void)
{
    test_import_numbers();
    test_import_decimals();
    test_import_times();
    test_import_bytes();
    test_import_views();
    test_import_dictionary();
    test_import_lists();
    test_import_refused();
    test_claims();
    return CHECK_DONE();
}
