/* tests/core/test_debezium.c: change events in every shape, and every form of value. */
#include "core/debezium/debezium.h"
#include "decode_fixture.h"
#include "faults.h"

#define SOURCE                                                                                                                             \
    "\"source\":{\"version\":\"3.7.0.Final\",\"connector\":\"postgresql\",\"name\":\"shop\",\"ts_ms\":1767323045123,\"snapshot\":"         \
    "\"false\","                                                                                                                           \
    "\"db\":\"shop\",\"sequence\":\"[\\\"1\\\",\\\"2\\\"]\",\"ts_us\":1767323045123456,\"ts_ns\":1767323045123456000,\"schema\":"          \
    "\"public\","                                                                                                                          \
    "\"table\":\"items\",\"txId\":742,\"lsn\":26788656,\"xmin\":null},\"transaction\":null"
#define EVENT(op, before, after)                                                                                                           \
    "{\"before\":" before ",\"after\":" after "," SOURCE ",\"op\":\"" op "\",\"ts_ms\":1767323045999,\"ts_us\":1,\"ts_ns\":2}"

/* A schema from the SQL names of types; "name type" with an exclamation mark behind NOT NULL columns, a star behind the key's. */
static hr_schema *items_schema(const char *const *columns, size_t count)
{
    hr_schema *schema;
    hr_error error;

    if (hr_schema_new(&schema, &error) != HR_OK)
        abort();
    for (size_t i = 0; i < count; i += 3) {
        hr_type type;
        char name[64];
        size_t n = strcspn(columns[i], "!*");
        int32_t index = 0;

        snprintf(name, sizeof(name), "%.*s", (int)n, columns[i]);
        if (hr_type_from_name(columns[i + 1], &schema->arena, &type, &error) != HR_OK ||
            hr_schema_add(schema, name, &type, columns[i][n] != '\0', false, &index, &error) != HR_OK)
            abort();
        schema->columns[index].in_key = columns[i][n] == '*';
        if (columns[i + 2] != NULL && hr_schema_map(schema, index, columns[i + 2], &error) != HR_OK)
            abort();
    }
    return schema;
}

static const char *const items[] = {
    "id*",  "bigint",    NULL,        "name!", "text",   NULL,     "price",     "numeric(12,2)", NULL,
    "at",   "timestamp", NULL,        "doc",   "jsonb",  NULL,     "op",        "text",          "$op",
    "lsn",  "bigint",    "$lsn",      "txid",  "bigint", "$txid",  "made",      "timestamptz",   "$source_ts",
    "snap", "boolean",   "$snapshot", "tab",   "text",   "$table", "unchanged", "text[]",        "$unchanged",
};

static void open_items(fixture *f, const hr_decode_options *options)
{
    fixture_open(f, "debezium", items_schema(items, sizeof(items) / sizeof(items[0])), options);
}

/* Decode a record with its key, both from memory of exactly their sizes. */
static int decode_keyed(fixture *f, const char *key, const char *text)
{
    size_t n = strlen(text), key_len = key != NULL ? strlen(key) : 0;
    char *copy = malloc(n + 1), *key_copy = malloc(key_len + 1);
    hr_record record = {.len = n, .offset = 42, .timestamp = HR_NO_TIMESTAMP, .key_len = key_len};
    int rc;

    if (copy == NULL || key_copy == NULL)
        abort();
    copy = realloc(memcpy(copy, text, n), n ? n : 1);
    if (key != NULL)
        key_copy = realloc(memcpy(key_copy, key, key_len), key_len ? key_len : 1);
    record.data = copy;
    record.key = key != NULL ? key_copy : NULL;
    hr_error_clear(&f->error);
    rc = hr_decoder_decode(f->decoder, &record, f->batch, &f->error);
    f->error.value = NULL;
    free(copy);
    free(key_copy);
    return rc;
}

#define CHECK_ROW(f, key, text)                                                                                                            \
    do {                                                                                                                                   \
        int rc_ = decode_keyed((f), (key), (text));                                                                                        \
        CHECK(rc_ == HR_OK, "%d: %s", rc_, (f)->error.message);                                                                            \
        CHECK(fixture_consistent((f)->batch), "the batch is inconsistent");                                                                \
    } while (0)
#define CHECK_REFUSED(f, key, text, why)                                                                                                   \
    do {                                                                                                                                   \
        int64_t rows_ = (f)->batch->length;                                                                                                \
        int rc_ = decode_keyed((f), (key), (text));                                                                                        \
        CHECK(rc_ == HR_EDATA && (f)->error.reason == (why), "%d %s: %s", rc_, hr_reason_name((f)->error.reason), (f)->error.message);     \
        CHECK((f)->batch->length == rows_ && fixture_consistent((f)->batch), "the batch has changed");                                     \
    } while (0)

static void test_envelope(void)
{
    fixture f;
    int64_t row = 0;

    open_items(&f, NULL);
    CHECK_ROW(&f, "{\"id\":1}",
              EVENT("c", "null",
                    "{\"id\":1,\"name\":\"a\\\"b\",\"price\":\"12.50\",\"at\":1767323045123456,\"doc\":\"{\\\"k\\\": [1, \\\"x\\\"]}\"}"));
    CHECK_VALUE(&f, "id", row, "1");
    CHECK_VALUE(&f, "name", row, "a\"b");
    CHECK_VALUE(&f, "price", row, "12.50");
    CHECK_VALUE(&f, "at", row, "2026-01-02 03:04:05.123456");
    CHECK_VALUE(&f, "doc", row, "{\"k\": [1, \"x\"]}");
    CHECK_VALUE(&f, "op", row, "c");
    CHECK_VALUE(&f, "lsn", row, "26788656");
    CHECK_VALUE(&f, "txid", row, "742");
    CHECK_VALUE(&f, "made", row, "2026-01-02 03:04:05.123456+00");
    CHECK_VALUE(&f, "snap", row, "f");
    CHECK_VALUE(&f, "tab", row, "public.items");
    CHECK_VALUE(&f, "unchanged", row, "{}");
    row++;
    CHECK_ROW(&f, "{\"id\":1}",
              EVENT("u", "null",
                    "{\"id\":1,\"name\":\"__debezium_unavailable_value\",\"price\":null,\"at\":-1,"
                    "\"doc\":\"__debezium_unavailable_value\"}"));
    CHECK_VALUE(&f, "name", row, "<null>");
    CHECK_VALUE(&f, "price", row, "<null>");
    CHECK_VALUE(&f, "at", row, "1969-12-31 23:59:59.999999");
    CHECK_VALUE(&f, "doc", row, "<null>");
    CHECK_VALUE(&f, "op", row, "u");
    CHECK_VALUE(&f, "unchanged", row, "{name,doc}");
    row++;
    CHECK_ROW(&f, "{\"id\":7}", EVENT("d", "{\"id\":1,\"name\":\"\",\"price\":null,\"at\":0,\"doc\":null}", "null"));
    CHECK_VALUE(&f, "id", row, "7"); /* the key is trusted, not the row before */
    CHECK_VALUE(&f, "name", row, "<null>");
    CHECK_VALUE(&f, "at", row, "<null>");
    CHECK_VALUE(&f, "op", row, "d");
    row++;
    CHECK_ROW(&f, NULL, EVENT("d", "{\"id\":9,\"name\":\"\",\"price\":null,\"at\":0,\"doc\":null}", "null"));
    CHECK_VALUE(&f, "id", row, "9");
    CHECK_VALUE(&f, "name", row, "<null>");
    row++;
    CHECK_ROW(&f, "Struct{id=5}", EVENT("d", "{\"id\":5,\"name\":\"x\"}", "null"));
    CHECK_VALUE(&f, "id", row, "5");
    row++;
    CHECK_ROW(&f, NULL, "{" SOURCE ",\"op\":\"t\"}");
    CHECK_VALUE(&f, "id", row, "<null>");
    CHECK_VALUE(&f, "op", row, "t");
    CHECK_VALUE(&f, "tab", row, "public.items");
    row++;
    CHECK_ROW(&f, NULL,
              "{\"op\":\"r\",\"source\":{\"snapshot\":\"last\",\"ts_ms\":5,\"table\":\"t\\u00e9\",\"lsn\":null},\"after\":{\"name\":\"n\","
              "\"id\":2}}");
    CHECK_VALUE(&f, "snap", row, "t");
    CHECK_VALUE(&f, "made", row, "1970-01-01 00:00:00.005+00");
    CHECK_VALUE(&f, "tab", row, "t\xc3\xa9");
    CHECK_VALUE(&f, "lsn", row, "<null>");
    row++;
    CHECK_ROW(&f, NULL, "{\"op\":\"r\",\"source\":{\"ts_ns\":1767323045123456789},\"after\":{\"name\":\"n\",\"id\":2}}");
    CHECK_VALUE(&f, "made", row, "2026-01-02 03:04:05.123456+00");
    CHECK_VALUE(&f, "snap", row, "t");
    CHECK_VALUE(&f, "tab", row, "<null>");
    fixture_close(&f);
}

static void test_refused_events(void)
{
    fixture f;

    open_items(&f, NULL);
    CHECK_REFUSED(&f, NULL, "", HR_REASON_MALFORMED);
    CHECK_REFUSED(&f, NULL, "[1]", HR_REASON_MALFORMED);
    CHECK_REFUSED(&f, NULL, " null ", HR_REASON_MALFORMED);
    CHECK_REFUSED(&f, NULL, "null", HR_REASON_TOMBSTONE);
    CHECK_REFUSED(&f, NULL, "{\"schema\":null,\"payload\":null}", HR_REASON_TOMBSTONE);
    CHECK_REFUSED(&f, NULL, "{\"schema\":null,\"payload\":3}", HR_REASON_MALFORMED);
    CHECK_REFUSED(&f, NULL, EVENT("c", "null", "{\"id\":1,\"name\":\"x\"}") "x", HR_REASON_MALFORMED);
    CHECK_REFUSED(&f, NULL, "{\"op\":\"c\",\"after\":{\"id\":1,", HR_REASON_MALFORMED);
    CHECK_REFUSED(&f, NULL, EVENT("c", "null", "{\"id\":1,\"name\":\"\xff\"}"), HR_REASON_ENCODING);
    CHECK_REFUSED(&f, NULL, EVENT("c", "null", "null"), HR_REASON_MALFORMED);
    CHECK_REFUSED(&f, NULL, EVENT("z", "null", "{\"id\":1,\"name\":\"x\"}"), HR_REASON_MALFORMED);
    CHECK_REFUSED(&f, NULL, "{\"op\":\"m\"," SOURCE ",\"message\":{\"prefix\":\"p\",\"content\":\"AA==\"}}", HR_REASON_OPERATION);
    CHECK_REFUSED(&f, NULL, "{\"ts_ms\":1767323045123}", HR_REASON_OPERATION);
    CHECK_REFUSED(&f, NULL, "{\"status\":\"BEGIN\",\"id\":\"571\",\"event_count\":null,\"data_collections\":null,\"ts_ms\":1}",
                  HR_REASON_OPERATION);
    CHECK_REFUSED(&f, NULL, "{}", HR_REASON_NULL);
    CHECK_REFUSED(&f, NULL, "{\"a\" 1}", HR_REASON_MALFORMED);
    CHECK_REFUSED(&f, NULL, "{\"a\"", HR_REASON_MALFORMED);
    CHECK_REFUSED(&f, NULL, "{\"a", HR_REASON_MALFORMED);
    CHECK_REFUSED(&f, NULL, "{1:2}", HR_REASON_MALFORMED);
    CHECK_REFUSED(&f, NULL, "{\"a\":1 \"b\":2}", HR_REASON_MALFORMED);
    CHECK_REFUSED(&f, NULL, "{\"status\":\"OPEN\",\"id\":\"571\"}", HR_REASON_NULL); /* not Debezium's: a row without a name */
    CHECK_REFUSED(&f, "{\"id\":1]", EVENT("d", "{\"id\":1}", "null"), HR_REASON_MALFORMED);
    CHECK(f.error.offset == -1, "%lld is in the key", (long long)f.error.offset);
    CHECK_REFUSED(&f, NULL, EVENT("c", "null", "{\"id\":1,\"name\":tru}"), HR_REASON_MALFORMED);
    CHECK_REFUSED(&f, NULL, EVENT("d", "null", "null"), HR_REASON_MALFORMED);
    CHECK_REFUSED(&f, "{\"id\":", EVENT("d", "null", "null"), HR_REASON_MALFORMED);
    CHECK_REFUSED(&f, NULL, EVENT("c", "null", "{\"id\":1,\"name\":null}"), HR_REASON_NULL);
    CHECK_REFUSED(&f, NULL, EVENT("c", "null", "{\"id\":\"x\",\"name\":\"n\"}"), HR_REASON_TYPE);
    CHECK(f.error.column == 0, "column %d", f.error.column);
    CHECK_REFUSED(&f, NULL, EVENT("c", "null", "{\"id\":1,\"name\":\"n\",\"price\":\"BOI=\"}"), HR_REASON_TYPE);
    CHECK(f.error.column == 2, "column %d", f.error.column);
    CHECK_REFUSED(&f, NULL, EVENT("c", "null", "{\"id\":1,\"name\":\"n\",\"doc\":\"{\"}"), HR_REASON_TYPE);
    fixture_close(&f);
}

static void test_plain_table(void)
{
    static const char *const columns[] = {"id*", "bigint", NULL, "name!", "text", NULL};
    fixture f;

    fixture_open(&f, "debezium", items_schema(columns, 6), NULL);
    CHECK_ROW(&f, NULL, EVENT("u", "null", "{\"id\":1,\"name\":\"x\",\"new\":5}"));
    CHECK_REFUSED(&f, "{\"id\":1}", EVENT("d", "{\"id\":1,\"name\":\"\"}", "null"), HR_REASON_OPERATION);
    CHECK_REFUSED(&f, NULL, "{" SOURCE ",\"op\":\"t\"}", HR_REASON_OPERATION);
    CHECK_REFUSED(&f, NULL, EVENT("u", "null", "{\"id\":1,\"name\":\"__debezium_unavailable_value\"}"), HR_REASON_OPERATION);
    CHECK(f.error.column == 1, "column %d", f.error.column);
    fixture_close(&f);
}

static void test_unknown(void)
{
    static const char *const columns[] = {"id*", "bigint", NULL, "name", "text", NULL, "op", "text", "$op"};
    static const char *const keeping[] = {"id*", "bigint", NULL, "rest", "jsonb", "$rest", "op", "text", "$op"};
    hr_schema *schema = items_schema(columns, 9);
    fixture f;

    schema->unknown = HR_UNKNOWN_REJECT;
    fixture_open(&f, "debezium", schema, NULL);
    CHECK_ROW(&f, NULL, EVENT("c", "null", "{\"id\":1,\"name\":\"x\"}"));
    CHECK_REFUSED(&f, NULL, EVENT("c", "null", "{\"id\":1,\"name\":\"x\",\"new\":5}"), HR_REASON_UNKNOWN_KEY);
    CHECK(strstr(f.error.message, "\"new\"") != NULL, "%s", f.error.message);
    CHECK_ROW(&f, NULL, "{\"id\":1,\"name\":\"x\",\"__op\":\"u\",\"__deleted\":\"false\"}");
    CHECK_REFUSED(&f, NULL, "{\"id\":1,\"name\":\"x\",\"__op\":\"u\",\"new\":3}", HR_REASON_UNKNOWN_KEY);
    CHECK_ROW(&f, "{\"id\":3,\"other\":4}", EVENT("d", "null", "null"));
    fixture_close(&f);
    fixture_open(&f, "debezium", items_schema(keeping, 9), NULL);
    CHECK_ROW(&f, NULL, EVENT("c", "null", "{\"id\":1,\"name\":\"x\",\"new\":5}"));
    CHECK_VALUE(&f, "rest", 0, "{\"new\": 5, \"name\": \"x\"}");
    CHECK_ROW(&f, NULL, "{\"id\":1,\"name\":\"x\",\"__op\":\"u\",\"__deleted\":\"false\"}");
    CHECK_VALUE(&f, "rest", 1, "{\"name\": \"x\"}");
    CHECK_VALUE(&f, "op", 1, "u");
    CHECK_ROW(&f, "{\"id\":3,\"other\":4}", EVENT("d", "null", "null"));
    CHECK_VALUE(&f, "rest", 2, "<null>");
    fixture_close(&f);
}

static void test_flat(void)
{
    fixture f;

    open_items(&f, NULL);
    CHECK_ROW(&f, NULL,
              "{\"id\":3,\"name\":\"n\",\"price\":\"1\",\"at\":0,\"doc\":\"[]\",\"__op\":\"u\",\"__source_lsn\":77,\"__source_ts_ms\":1000,"
              "\"__txId\":5,\"__table\":\"items\",\"__deleted\":\"false\"}");
    CHECK_VALUE(&f, "id", 0, "3");
    CHECK_VALUE(&f, "price", 0, "1.00");
    CHECK_VALUE(&f, "op", 0, "u");
    CHECK_VALUE(&f, "lsn", 0, "77");
    CHECK_VALUE(&f, "txid", 0, "5");
    CHECK_VALUE(&f, "tab", 0, "items");
    CHECK_VALUE(&f, "made", 0, "1970-01-01 00:00:01+00");
    CHECK_ROW(&f, "{\"id\":3}", "{\"id\":3,\"name\":\"\",\"price\":null,\"at\":0,\"doc\":null,\"__deleted\":\"true\"}");
    CHECK_VALUE(&f, "op", 1, "d");
    CHECK_VALUE(&f, "name", 1, "<null>");
    CHECK_ROW(&f, NULL, "{\"id\":4,\"name\":\"\",\"__op\":\"d\",\"__deleted\":\"true\"}");
    CHECK_VALUE(&f, "id", 2, "4");
    CHECK_VALUE(&f, "name", 2, "<null>");
    CHECK_ROW(&f, NULL, "{\"id\":4,\"name\":\"plain\"}");
    CHECK_VALUE(&f, "op", 3, "<null>");
    CHECK_ROW(&f, NULL, "{\"schema\":null,\"payload\":{\"id\":4,\"name\":\"wrapped\",\"__op\":\"r\"}}");
    CHECK_VALUE(&f, "name", 4, "wrapped");
    CHECK_VALUE(&f, "snap", 4, "t");
    CHECK_ROW(&f, NULL, "{\"id\":6,\"name\":\"gone\",\"__op\":\"t\"}");
    CHECK_VALUE(&f, "op", 5, "t");
    CHECK_VALUE(&f, "name", 5, "<null>");
    CHECK_ROW(&f, NULL, "{\"payload\":" EVENT("c", "null", "{\"id\":5,\"name\":\"first\"}") ",\"schema\":null}");
    CHECK_VALUE(&f, "name", 6, "first");
    fixture_close(&f);
}

/* Values without a schema: column type, option, JSON value -> text or reason. */
static void check_form(const char *type, const hr_decode_options *options, const char *value, const char *want)
{
    const char *columns[] = {"v", type, NULL, "u", "text[]", "$unchanged"};
    char text[8192];
    fixture f;
    int rc;

    fixture_open(&f, "debezium", items_schema(columns, 6), options);
    snprintf(text, sizeof(text), "{\"before\":null,\"after\":{\"v\":%s},\"source\":{},\"op\":\"c\"}", value);
    rc = decode_keyed(&f, NULL, text);
    if (want[0] == '!') {
        CHECK(rc == HR_EDATA && strcmp(hr_reason_name(f.error.reason), want + 1) == 0 && f.error.column == 0, "%s %s: %d %s %s", type,
              value, rc, hr_reason_name(f.error.reason), f.error.message);
    } else {
        CHECK(rc == HR_OK, "%s %s: %s", type, value, f.error.message);
        if (rc == HR_OK)
            CHECK(strcmp(fixture_value(&f, "v", 0), want) == 0, "%s %s is %s, want %s", type, value, fixture_value(&f, "v", 0), want);
    }
    CHECK(fixture_consistent(f.batch), "inconsistent");
    fixture_close(&f);
}

static void test_forms(void)
{
    static const hr_decode_options base64 = {.change_decimal = HR_DECIMAL_AS_BASE64};
    static const hr_decode_options millis = {.change_time = HR_TIMES_MILLIS}, nanos = {.change_time = HR_TIMES_NANOS};
    static const hr_decode_options adaptive = {.change_time = HR_TIMES_ADAPTIVE_TIMESTAMPS}, micros = {.change_time = HR_TIMES_MICROS};
    static const hr_decode_options hex = {.change_binary = HR_BINARY_HEX}, marker = {.change_marker = "???"};

    check_form("numeric(12,2)", NULL, "\"99.99\"", "99.99");
    check_form("numeric(12,2)", NULL, "99.99", "99.99");
    check_form("numeric", NULL, "1.2345678901234568E29", "123456789012345680000000000000");
    check_form("numeric", NULL, "\"NaN\"", "NaN");
    check_form("numeric(6,2)", NULL, "\"NAN\"", "NaN");
    check_form("numeric", NULL, "\"POSITIVE_INFINITY\"", "Infinity");
    check_form("numeric(12,2)", NULL, "\"BOI=\"", "!type");
    check_form("numeric(12,2)", &base64, "\"BOI=\"", "12.50");
    check_form("numeric(12,2)", &base64, "\"AA==\"", "0.00");
    check_form("numeric(12,2)", &base64, "\"/w==\"", "-0.01");
    check_form("numeric(12,2)", &base64, "\"gA==\"", "-1.28");
    check_form("numeric(12,2)", &base64, "\"\"", "!type");
    check_form("numeric(12,2)", &base64, "\"B!I=\"", "!type");
    check_form("numeric(12,2)", &base64, "\"BOJ=\"", "!type");
    check_form("numeric(3,2)", &base64, "\"BOI=\"", "!range");
    check_form("numeric(12,2)", &base64, "12.5", "12.50");
    check_form("numeric(40,0)", &base64, "\"AP////////////////////8=\"", "340282366920938463463374607431768211455");
    check_form("numeric(40,0)", &base64, "\"gAAAAAAAAAAAAAAAAAAAAA==\"", "-170141183460469231731687303715884105728");
    check_form("numeric", &base64, "\"BOI=\"", "!type");
    check_form("numeric", NULL, "{\"scale\":3,\"value\":\"BOI=\"}", "1.250");
    check_form("numeric", NULL, "{\"value\":\"BOI=\",\"scale\":-2}", "125000");
    check_form("numeric", NULL, "{\"scale\":0,\"value\":\"AA==\"}", "0");
    check_form("numeric", NULL, "{\"scale\":5,\"value\":\"/w==\"}", "-0.00001");
    check_form("numeric", NULL, "{\"scale\":99999,\"value\":\"/w==\"}", "!range");
    check_form("numeric", NULL, "{\"scale\":1}", "!type");
    check_form("numeric", NULL, "{\"scale\":1.5,\"value\":\"/w==\"}", "!type");
    check_form("numeric[]", NULL, "[\"1.5\",null,{\"scale\":1,\"value\":\"Dw==\"}]", "{1.5,NULL,1.5}");
    check_form("numeric(4,1)[]", &base64, "[\"Dw==\",\"8Q==\"]", "{1.5,-1.5}");
    check_form("date", NULL, "20455", "2026-01-02");
    check_form("date", NULL, "\"2026-01-02Z\"", "2026-01-02");
    check_form("date", NULL, "\"2026-01-02\"", "2026-01-02");
    check_form("date", NULL, "2146033979", "infinity");
    check_form("date", NULL, "-2147472691", "-infinity");
    check_form("date", NULL, "\"-0043-03-15Z\"", "0044-03-15 BC");
    check_form("date", NULL, "\"0000-03-15Z\"", "0001-03-15 BC");
    check_form("date", NULL, "\"-4294967395-03-15Z\"", "!range"); /* not the year 100: 32 bits do not hold this one */
    check_form("date", NULL, "\"+12026-01-02Z\"", "12026-01-02");
    check_form("date", NULL, "\"+5877611-06-21Z\"", "infinity");
    check_form("date[]", NULL, "[20455,null,\"2026-01-03Z\"]", "{2026-01-02,NULL,2026-01-03}");
    check_form("timestamp", NULL, "1767323045123456", "2026-01-02 03:04:05.123456");
    check_form("timestamp", &millis, "1767323045123", "2026-01-02 03:04:05.123");
    check_form("timestamp", &nanos, "1767323045123456789", "2026-01-02 03:04:05.123457");
    check_form("timestamp", NULL, "\"2026-01-02T03:04:05.123456Z\"", "2026-01-02 03:04:05.123456");
    check_form("timestamp", NULL, "9223372036825200000", "infinity");
    check_form("timestamp", NULL, "-9223372036832400000", "-infinity");
    check_form("timestamp", &nanos, "9223372036854775807", "infinity");
    check_form("timestamp", &nanos, "-9223372036854775808", "-infinity");
    check_form("timestamp", &millis, "9223372036825200000", "infinity");
    check_form("timestamp(3)", NULL, "1767323045123", "2026-01-02 03:04:05.123");
    check_form("timestamp(4)", NULL, "1767323045123456", "2026-01-02 03:04:05.1235");
    check_form("time(3)", NULL, "1001", "00:00:01.001");
    check_form("time(3)", &adaptive, "1001000", "00:00:01.001");
    check_form("timestamp(3)", &adaptive, "1767323045123", "2026-01-02 03:04:05.123");
    check_form("timestamp(3)", &micros, "1767323045123000", "2026-01-02 03:04:05.123");
    check_form("timestamp", NULL, "9223372036854775807", "infinity");
    check_form("timestamp[]", &millis, "[1767323045123]", "{\"2026-01-02 03:04:05.123\"}");
    check_form("timestamptz", NULL, "\"2026-01-02T01:04:05.123456Z\"", "2026-01-02 01:04:05.123456+00");
    check_form("timestamptz", NULL, "\"+292278994-08-16T23:00:00Z\"", "infinity");
    check_form("timestamptz", NULL, "\"-292275055-05-16T23:00:00Z\"", "-infinity");
    check_form("timestamptz", NULL, "\"-0043-03-15T01:02:03Z\"", "0044-03-15 01:02:03+00 BC");
    check_form("timestamptz", NULL, "\"Tuesday\"", "!type");
    check_form("time", NULL, "3600000000", "01:00:00");
    check_form("time", &millis, "3600001", "01:00:00.001");
    check_form("time", NULL, "\"03:04:05.5Z\"", "03:04:05.5");
    check_form("timetz", NULL, "\"03:04:05Z\"", "03:04:05Z");
    check_form("interval", NULL, "93600000000", "26:00:00");
    check_form("interval", &millis, "93600000000", "26:00:00");
    check_form("interval", NULL, "\"P0Y0M1DT2H0M0S\"", "1 day 02:00:00");
    check_form("bytea", NULL, "\"AP8=\"", "\\x00ff");
    check_form("bytea", NULL, "\"_-8\"", "\\xffef");
    check_form("bytea", NULL, "\"A\"", "!type");
    check_form("bytea", NULL, "\"AP8=AP8=\"", "!type");
    check_form("bytea", &hex, "\"00ff\"", "\\x00ff");
    check_form("bytea", &hex, "\"0fg0\"", "!type");
    check_form("bytea", &hex, "\"00f\"", "!type");
    check_form("bytea", NULL, "12", "!type");
    check_form("bytea[]", NULL, "[\"AP8=\",null]", "{\"\\\\x00ff\",NULL}");
    check_form("jsonb", NULL, "\"{\\\"a\\\": \\\"b\\\"}\"", "{\"a\": \"b\"}");
    check_form("jsonb", NULL, "\"null\"", "null");
    check_form("jsonb", NULL, "{\"a\":1}", "{\"a\": 1}");
    check_form("jsonb[]", NULL, "[\"{\\\"a\\\": \\\"b\\\"}\",\"1\"]", "{\"{\\\"a\\\": \\\"b\\\"}\",1}");
    check_form("text[]", NULL, "[\"x\",null,\"y z\"]", "{x,NULL,\"y z\"}");
    check_form("uuid", NULL, "\"00112233-4455-6677-8899-aabbccddeeff\"", "00112233-4455-6677-8899-aabbccddeeff");
    check_form("bit(1)", NULL, "true", "1");
    check_form("bit(10)", NULL, "\"BQI=\"", "1000000101");
    check_form("bit(10)", NULL, "\"BQIA\"", "!range");
    check_form("bit varying(5)", NULL, "\"BQ==\"", "!type");
    check_form("point", NULL, "{\"x\":1.5,\"y\":-2,\"wkb\":\"AA==\",\"srid\":null}", "(1.5,-2)");
    check_form("point", NULL, "{\"x\":1.5}", "!type");
    check_form("money", NULL, "{\"scale\":2,\"value\":\"BOI=\"}", "12.50");
    check_form("numeric[]", NULL, "[[1]]", "!type");
    check_form("numeric[]", NULL, "5", "!type");
    check_form("timestamp", NULL, "99999999999999999999", "!range");
    check_form("timestamp", NULL, "9999999999999999999", "!range");
    check_form("timestamp", NULL, "1767323045123456.6", "2026-01-02 03:04:05.123457");
    check_form("timestamp", NULL, "\"-12-03-15T00:00:00\"", "!type");
    check_form("timestamp", NULL, "\"2026-01-02T03:04:05\\u005a\"", "2026-01-02 03:04:05");
    check_form("interval", NULL, "9223372036854775807", "!range");
    check_form("boolean", NULL, "true", "t");
    check_form("double precision", NULL, "\"NaN\"", "NaN");
    /* unchanged TOAST values */
    check_form("text", NULL, "\"__debezium_unavailable_value\"", "<null>");
    check_form("text", &marker, "\"???\"", "<null>");
    check_form("text", &marker, "\"__debezium_unavailable_value\"", "__debezium_unavailable_value");
    check_form("bytea", NULL, "\"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==\"", "<null>");
    check_form("bytea", &hex, "\"5f5f646562657a69756d5f756e617661696c61626c655f76616c7565\"", "<null>");
    check_form("text[]", NULL, "[\"__debezium_unavailable_value\"]", "<null>");
    check_form("integer[]", NULL, "[95,95,100,101,98,101,122,105,117,109,95,117,110,97,118,97,105,108,97,98,108,101,95,118,97,108,117,101]",
               "<null>");
    check_form("integer[]", NULL, "[95,95]", "{95,95}");
    check_form("uuid[]", &marker, "[\"0d1b08c3-4858-3975-9fb0-c1c6ec1d2ac9\"]", "{0d1b08c3-4858-3975-9fb0-c1c6ec1d2ac9}");
}

#define FIELD(type, rest, name) "{\"type\":\"" type "\",\"optional\":true," rest "\"field\":\"" name "\"}"
#define ROW_FIELDS                                                                                                                         \
    FIELD("int64", "", "id")                                                                                                               \
    "," FIELD(                                                                                                                             \
        "bytes", "\"name\":\"org.apache.kafka.connect.data.Decimal\",\"version\":1,\"parameters\":{\"scale\":\"3\"},",                     \
        "price") "," FIELD("int64", "\"name\":\"io.debezium.time.Timestamp\",\"version\":1,",                                              \
                           "at") "," FIELD("bytes", "\"name\":\"io.debezium.data.Bits\",\"version\":1,\"parameters\":{\"length\":\"4\"},", \
                                           "flags") "," FIELD("string", "\"name\":\"io.debezium.time.IsoDate\",\"version\":1,",            \
                                                              "day") "," FIELD("int64",                                                    \
                                                                               "\"name\":\"io.debezium.time.NanoTime\",\"version\":1,",    \
                                                                               "tod") "," FIELD("bytes", "",                               \
                                                                                                "raw") ",{\"type\":\"array\",\"items\":{"  \
                                                                                                       "\"type\":\"int32\",\"optional\":"  \
                                                                                                       "true,\"name\":\"io.debezium.time." \
                                                                                                       "Date\"},\"optional\":true,"        \
                                                                                                       "\"field\":\"days\"}"
#define ROW_SCHEMA(name)                                                                                                                   \
    "{\"type\":\"struct\",\"fields\":[" ROW_FIELDS "],\"optional\":true,\"name\":\"shop.Value\",\"field\":\"" name "\"}"
#define ENVELOPE_SCHEMA                                                                                                                    \
    "{\"type\":\"struct\",\"fields\":[" ROW_SCHEMA("before") "," ROW_SCHEMA(                                                               \
        "after") ",{\"type\":\"string\",\"optional\":false,"                                                                               \
                 "\"field\":\"op\"}],\"optional\":false,\"name\":\"shop.Envelope\",\"version\":2}"

static void test_embedded_schema(void)
{
    static const char *const columns[] = {
        "id*", "bigint", NULL,   "price", "numeric(12,2)", NULL,    "at", NULL,   NULL,     "flags", "text", NULL,   "day", "date",
        NULL,  "tod",    "time", NULL,    "raw",           "bytea", NULL, "days", "date[]", NULL,    "op",   "text", "$op",
    };
    const char *own[sizeof(columns) / sizeof(columns[0])];
    const hr_decode_options options = {.change_binary = HR_BINARY_HEX}; /* speaks for messages without a schema only */
    fixture f;

    memcpy(own, columns, sizeof(columns));
    own[7] = "timestamp";
    fixture_open(&f, "debezium", items_schema(own, sizeof(own) / sizeof(own[0])), &options);
    for (int64_t row = 0; row < 3; row++) {
        CHECK_ROW(&f, NULL,
                  "{\"schema\":" ENVELOPE_SCHEMA ",\"payload\":" EVENT("c", "null",
                                                                       "{\"id\":1,\"price\":\"BOI=\",\"at\":1767323045123,\"flags\":\"BQ=="
                                                                       "\",\"day\":\"2026-01-02Z\",\"tod\":1000000,\"raw\":\"AP8=\","
                                                                       "\"days\":[20455]}") "}");
        CHECK_VALUE(&f, "price", row, "1.25");
        CHECK_VALUE(&f, "at", row, "2026-01-02 03:04:05.123");
        CHECK_VALUE(&f, "flags", row, "0101");
        CHECK_VALUE(&f, "day", row, "2026-01-02");
        CHECK_VALUE(&f, "tod", row, "00:00:00.001");
        CHECK_VALUE(&f, "raw", row, "\\x00ff");
        CHECK_VALUE(&f, "days", row, "{2026-01-02}");
    }
    /* without a schema the options hold again */
    CHECK_ROW(&f, NULL, EVENT("c", "null", "{\"id\":1,\"price\":\"1.25\",\"at\":1767323045123000,\"raw\":\"00ff\"}"));
    CHECK_VALUE(&f, "at", 3, "2026-01-02 03:04:05.123");
    CHECK_VALUE(&f, "raw", 3, "\\x00ff");
    /* a flat row with its schema, and a key with one */
    CHECK_ROW(&f, NULL, "{\"schema\":" ROW_SCHEMA("x") ",\"payload\":{\"id\":1,\"price\":\"BOI=\",\"at\":1767323045123,\"__op\":\"u\"}}");
    CHECK_VALUE(&f, "price", 4, "1.25");
    CHECK_VALUE(&f, "op", 4, "u");
    CHECK_ROW(&f,
              "{\"schema\":{\"type\":\"struct\",\"fields\":[" FIELD("int64", "", "id") "," FIELD(
                  "int64", "\"name\":\"io.debezium.time.MicroTimestamp\",", "at") "]},\"payload\":{\"id\":8,\"at\":1767323045123456}}",
              "{\"schema\":" ENVELOPE_SCHEMA ",\"payload\":" EVENT("d", "{\"id\":8,\"price\":\"AA==\",\"at\":0}", "null") "}");
    CHECK_VALUE(&f, "id", 5, "8");
    CHECK_VALUE(&f, "at", 5, "2026-01-02 03:04:05.123456");
    CHECK_VALUE(&f, "price", 5, "<null>");
    /* the same head, something else behind it */
    CHECK_REFUSED(&f, NULL, "{\"schema\":" ENVELOPE_SCHEMA ",\"payload\":{\"id\":}}", HR_REASON_MALFORMED);
    CHECK_REFUSED(&f, NULL, "{\"schema\":" ENVELOPE_SCHEMA ",\"payload\":{\"id\":1}", HR_REASON_MALFORMED);
    CHECK_REFUSED(&f, NULL, "{\"schema\":" ENVELOPE_SCHEMA ",\"payload\":{\"id\":1}}}", HR_REASON_MALFORMED);
    CHECK_REFUSED(&f, NULL, "{\"schema\":" ENVELOPE_SCHEMA ",\"payload\":null}", HR_REASON_TOMBSTONE);
    CHECK_REFUSED(&f, NULL, "{\"schema\":{\"type\":\"int32\"},\"payload\":{\"id\":1}}", HR_REASON_MALFORMED);
    /* more schemas than are remembered */
    for (int i = 0; i < 20; i++) {
        char text[1024];

        snprintf(text, sizeof(text),
                 "{\"schema\":{\"type\":\"struct\",\"fields\":[{\"type\":\"int64\",\"name\":\"io.debezium.time.%s\",\"field\":\"at\"}],"
                 "\"version\":%d},\"payload\":{\"id\":%d,\"at\":1000000}}",
                 i % 2 ? "Timestamp" : "MicroTimestamp", i, i);
        CHECK_ROW(&f, NULL, text);
        CHECK_VALUE(&f, "at", f.batch->length - 1, i % 2 ? "1970-01-01 00:16:40" : "1970-01-01 00:00:01");
    }
    fixture_close(&f);
}

/* What a schema says may make a value thousands of times longer than the message is: it is refused. */
static void test_growth(void)
{
    static const char *const columns[] = {"flags", "text", NULL, "prices", "numeric[]", NULL};
    const size_t elements = 4000;
    char *text = malloc(1024 + 8 * elements);
    size_t used;
    fixture f;

    fixture_open(&f, "debezium", items_schema(columns, sizeof(columns) / sizeof(columns[0])), NULL);
    for (int length = 10; length <= 100000000; length *= 10) {
        snprintf(text, 1024,
                 "{\"schema\":{\"type\":\"struct\",\"fields\":[{\"type\":\"bytes\",\"name\":\"io.debezium.data.Bits\",\"parameters\":"
                 "{\"length\":\"%d\"},\"field\":\"flags\"}]},\"payload\":{\"flags\":\"BQ==\"}}",
                 length);
        if (length <= 10000)
            CHECK_ROW(&f, NULL, text);
        else
            CHECK_REFUSED(&f, NULL, text, HR_REASON_RANGE);
    }
    used = (size_t)snprintf(text, 1024,
                            "{\"schema\":{\"type\":\"struct\",\"fields\":[{\"type\":\"array\",\"items\":{\"type\":\"bytes\","
                            "\"name\":\"org.apache.kafka.connect.data.Decimal\",\"parameters\":{\"scale\":\"-16000\"}},"
                            "\"field\":\"prices\"}]},\"payload\":{\"prices\":[");
    for (size_t i = 0; i < elements; i++)
        used += (size_t)snprintf(text + used, 16, "%s\"AQ==\"", i > 0 ? "," : "");
    snprintf(text + used, 16, "]}}");
    CHECK_REFUSED(&f, NULL, text, HR_REASON_RANGE);
    free(text);
    fixture_close(&f);
}

/* What is known of eight schemas, a delete that goes by the oldest, and a key that is none but brings a ninth. */
static void test_key_without_payload(void)
{
    static const char *const columns[] = {"id*", "bigint", NULL, "day", "date", NULL, "op", "text", "$op"};
    char text[1024];
    fixture f;

    fixture_open(&f, "debezium", items_schema(columns, sizeof(columns) / sizeof(columns[0])), NULL);
    for (int i = 0; i < 8; i++) {
        snprintf(text, sizeof(text), "{\"schema\":{\"type\":\"struct\",\"version\":%d,\"fields\":[]},\"payload\":%s}", i,
                 EVENT("c", "null", "{\"id\":1,\"day\":20455}"));
        CHECK_ROW(&f, NULL, text);
    }
    snprintf(text, sizeof(text), "{\"schema\":{\"type\":\"struct\",\"version\":0,\"fields\":[]},\"payload\":%s}",
             EVENT("d", "{\"id\":2,\"day\":20455}", "null"));
    CHECK_ROW(&f, "{\"schema\":{\"fields\":[]},\"payload\":1}", text);
    CHECK_VALUE(&f, "op", 8, "d");
    fixture_close(&f);
}

static void test_reserved_elsewhere(void)
{
    static const char *const columns[] = {"op", "text", "$op"};
    hr_schema *schema = items_schema(columns, 3);
    hr_decoder *decoder;
    hr_error error;

    CHECK(hr_decoder_new(hr_format_find("json"), schema, NULL, &decoder, &error) == HR_EUSAGE, "json has no \"$op\"");
    CHECK(decoder == NULL, "a decoder was made");
    hr_schema_release(schema);
}

/* Random numbers of every length against long division done here, in decimal. */
static void test_decimals(void)
{
    uint32_t seed = 7;
    hr_arena arena;

    hr_arena_init(&arena, 0);
    for (int round = 0; round < 400; round++) {
        uint8_t bytes[60], positive[61] = {0};
        size_t n = 1 + (size_t)(round % 60);
        char digits[200], want[260];
        int count = 0, scale = round % 7;
        const char *text;
        size_t length, used = 0;
        bool negative;

        for (size_t i = 0; i < n; i++) {
            seed = seed * 1664525u + 1013904223u;
            bytes[i] = (uint8_t)(seed >> 24);
        }
        negative = bytes[0] >= 0x80;
        for (size_t i = 0; i < n; i++)
            positive[i + 1] = negative ? (uint8_t)~bytes[i] : bytes[i];
        for (size_t i = n + 1; negative && i-- > 0;)
            if (++positive[i] != 0)
                break;
        for (;;) {
            unsigned rest = 0, any = 0;

            for (size_t i = 0; i <= n; i++) {
                unsigned part = rest << 8 | positive[i];
                positive[i] = (uint8_t)(part / 10);
                rest = part % 10;
                any |= positive[i];
            }
            digits[count++] = (char)('0' + rest);
            if (any == 0 && count > scale)
                break;
        }
        if (negative)
            want[used++] = '-';
        for (int i = count - 1; i >= 0; i--) {
            want[used++] = digits[i];
            if (i == scale && scale > 0)
                want[used++] = '.';
        }
        CHECK(hr_change_decimal_text(&arena, bytes, n, scale, &text, &length, NULL) == HR_OK, "refused");
        CHECK(length == used && memcmp(text, want, used) == 0, "%.*s, want %.*s", (int)length, text, (int)used, want);
        hr_arena_reset(&arena);
    }
    hr_arena_free(&arena);
}

static void test_without_memory(void)
{
    const char *texts[] = {
        EVENT(
            "c", "null",
            "{\"id\":1,\"name\":\"a\\\"b\",\"price\":{\"scale\":2,\"value\":\"BOI=\"},\"at\":0,\"doc\":\"__debezium_unavailable_value\"}"),
        "{\"schema\":" ENVELOPE_SCHEMA ",\"payload\":" EVENT("u", "null", "{\"id\":1,\"name\":\"n\",\"price\":\"BOI=\"}") "}",
        EVENT("d", "{\"id\":1}", "null"),
        "{\"id\":1,\"name\":\"x\",\"__op\":\"u\",\"__source_ts_ms\":5}",
    };

    for (size_t t = 0; t < sizeof(texts) / sizeof(texts[0]); t++) {
        bool fired = true;

        for (int n = 1; fired; n++) {
            hr_schema *schema = items_schema(items, sizeof(items) / sizeof(items[0]));
            hr_decoder *decoder = NULL;
            hr_batch *batch = NULL;
            hr_record record = {.data = texts[t], .len = strlen(texts[t]), .key = "{\"id\":1}", .key_len = 8, .timestamp = HR_NO_TIMESTAMP};
            hr_error error;
            int rc;

            hr_fault_arm(n, false);
            rc = hr_decoder_new(hr_format_find("debezium"), schema, NULL, &decoder, &error);
            if (rc == HR_OK)
                rc = hr_batch_new(schema, &batch, &error);
            for (int row = 0; row < 2 && rc == HR_OK; row++) {
                rc = hr_decoder_decode(decoder, &record, batch, &error);
                CHECK(batch->length == row + (rc == HR_OK) && fixture_consistent(batch), "the batch has changed");
            }
            fired = hr_fault_fired();
            hr_fault_arm(0, false);
            CHECK(rc == (fired ? HR_ENOMEM : HR_OK), "rc %d: %s", rc, error.message);
            if (fired && batch != NULL) { /* and afterwards it works */
                rc = hr_decoder_decode(decoder, &record, batch, &error);
                CHECK(rc == HR_OK, "%s", error.message);
            }
            hr_decoder_free(decoder);
            hr_batch_free(batch);
            hr_schema_release(schema);
        }
    }
}

/* What the job says of a column's unit holds where the message says none. */
static void test_own_units(void)
{
    static const struct {
        const char *type;
        hr_time_unit unit;
        const char *value, *want;
    } cases[] = {
        {"timestamp", HR_UNIT_MS, "1767323045123", "2026-01-02 03:04:05.123"},
        {"timestamp", HR_UNIT_US, "1767323045123456", "2026-01-02 03:04:05.123456"},
        {"timestamp", HR_UNIT_NS, "1767323045123456000", "2026-01-02 03:04:05.123456"},
        {"timestamp", HR_UNIT_S, "1767323045", "2026-01-02 03:04:05"},
        {"timestamp", HR_UNIT_DAYS, "20455", "2026-01-02 00:00:00"},
        {"date", HR_UNIT_DAYS, "20455", "2026-01-02"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *columns[] = {"v", cases[i].type, NULL};
        hr_schema *schema = items_schema(columns, 3);
        char text[256];
        fixture f;

        schema->columns[0].type.unit = cases[i].unit;
        fixture_open(&f, "debezium", schema, NULL);
        snprintf(text, sizeof(text), "{\"after\":{\"v\":%s},\"op\":\"c\"}", cases[i].value);
        CHECK_ROW(&f, NULL, text);
        CHECK_VALUE(&f, "v", 0, cases[i].want);
        fixture_close(&f);
    }
}

/* Times and marks in "source" as other versions and other hands write them; names that JSON and arrays must quote. */
static void test_source_forms(void)
{
    static const char *const columns[] = {"v\"\\\n", "text",    NULL,        "made", "timestamptz", "$source_ts",
                                          "snap",    "boolean", "$snapshot", "lost", "text[]",      "$unchanged"};
    static const struct {
        const char *source, *made, *snap;
    } cases[] = {
        {"{\"ts_ms\":1000,\"snapshot\":true}", "1970-01-01 00:00:01+00", "t"},
        {"{\"ts_ms\":-1000,\"snapshot\":false}", "1969-12-31 23:59:59+00", "f"},
        {"{\"ts_ns\":7000}", "1970-01-01 00:00:00.000007+00", "f"},
        {"{\"ts_ns\":500}", "1970-01-01 00:00:00+00", "f"},
        {"{\"ts_ns\":-500}", "1970-01-01 00:00:00+00", "f"},
        {"{\"ts_ns\":-7000}", "1969-12-31 23:59:59.999993+00", "f"},
        {"null", "<null>", "f"},
    };
    fixture f;

    fixture_open(&f, "debezium", items_schema(columns, sizeof(columns) / sizeof(columns[0])), NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[256];

        snprintf(text, sizeof(text), "{\"after\":{\"v\\\"\\\\\\n\":\"__debezium_unavailable_value\"},\"source\":%s,\"op\":\"u\"}",
                 cases[i].source);
        CHECK_ROW(&f, NULL, text);
        CHECK_VALUE(&f, "made", (int64_t)i, cases[i].made);
        CHECK_VALUE(&f, "snap", (int64_t)i, cases[i].snap);
        CHECK_VALUE(&f, "lost", (int64_t)i, "{\"v\\\"\\\\\n\"}");
    }
    CHECK_REFUSED(&f, NULL, "{\"after\":{},\"source\":{\"ts_ms\":1.5},\"op\":\"u\"}", HR_REASON_TYPE);
    fixture_close(&f);
}

/* A schema of one field for one column: what the two disagree about, and decimals beyond numeric. */
static void test_schema_against_column(void)
{
    static const char *const flags[] = {"flags", "bit(10)", NULL}, *const prices[] = {"price", "numeric", NULL};
    const size_t most = 90000;
    char *text = malloc(most + 1024), *at;
    fixture f;

    fixture_open(&f, "debezium", items_schema(flags, 3), NULL);
    CHECK_REFUSED(&f, NULL,
                  "{\"schema\":{\"type\":\"struct\",\"fields\":[{\"type\":\"bytes\",\"name\":\"io.debezium.data.Bits\",\"parameters\":"
                  "{\"length\":\"4\"},\"field\":\"flags\"}]},\"payload\":{\"flags\":\"BQ==\"}}",
                  HR_REASON_RANGE);
    fixture_close(&f);
    fixture_open(&f, "debezium", items_schema(prices, 3), NULL);
    CHECK_ROW(&f, NULL,
              "{\"schema\":{\"type\":\"struct\",\"fields\":[{\"type\":\"bytes\",\"name\":\"org.apache.kafka.connect.data.Decimal\","
              "\"parameters\":{\"scale\":\"2\"},\"field\":\"price\"}]},\"payload\":{\"price\":{\"scale\":1,\"value\":\"Dw==\"}}}");
    CHECK_VALUE(&f, "price", 0, "1.5");
    at = text + snprintf(text, most, "{\"op\":\"c\",\"after\":{\"price\":{\"scale\":0,\"value\":\"");
    memset(at, 'A', most);
    memcpy(at + most, "\"}}}", 5);
    CHECK_REFUSED(&f, NULL, text, HR_REASON_RANGE);
    fixture_close(&f);
    free(text);
}

/* A table that has a column of the name that a heartbeat has. */
static void test_no_heartbeat(void)
{
    static const char *const columns[] = {"ts_ms", "bigint", NULL};
    fixture f;

    fixture_open(&f, "debezium", items_schema(columns, 3), NULL);
    CHECK_ROW(&f, NULL, "{\"ts_ms\":17}");
    CHECK_VALUE(&f, "ts_ms", 0, "17");
    fixture_close(&f);
}

int main(void)
{
    test_no_heartbeat();
    test_own_units();
    test_source_forms();
    test_schema_against_column();
    test_envelope();
    test_refused_events();
    test_plain_table();
    test_unknown();
    test_flat();
    test_forms();
    test_embedded_schema();
    test_growth();
    test_key_without_payload();
    test_reserved_elsewhere();
    test_decimals();
    test_without_memory();
    return CHECK_DONE();
}
