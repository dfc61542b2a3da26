/* tests/core/test_copy.c: batches as COPY bytes and back. The golden bytes are written by hand from the PostgreSQL manual. */
#include "faults.h"
#include "rows.h"

static const int32_t identity[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27,
                                   28, 29};
static const uint32_t rows[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19};

static bool equal(const hr_buffer *got, const char *want, size_t n)
{
    if (got->size == n && memcmp(got->data, want, n) == 0)
        return true;
    for (size_t i = 0; i < got->size || i < n; i++)
        if (i >= got->size || i >= n || got->data[i] != (uint8_t)want[i]) {
            fprintf(stderr, "first difference at byte %zu; %zu bytes, %zu wanted\n", i, got->size, n);
            break;
        }
    return false;
}

#define CHECK_BYTES(buffer, want) CHECK(equal(&(buffer), (want), sizeof(want) - 1))

/* All bytes of a batch as a whole binary stream. */
static hr_buffer stream_of(const hr_batch *batch)
{
    hr_buffer out = {0};

    CHECK(hr_copy_binary.header(&out, NULL) == HR_OK);
    CHECK(hr_copy_binary.rows(batch, identity, batch->schema->count, rows, batch->length, &out, NULL) == HR_OK);
    CHECK(hr_copy_binary.trailer(&out, NULL) == HR_OK);
    return out;
}

/* ---- writing ---- */

static const char *const golden_types[] = {"boolean", "smallint", "integer", "bigint", "real", "double precision", "text", "varchar(5)",
                                           "character(3)", "bytea", "date", "time", "timestamp", "timestamptz", "uuid", "json", "jsonb",
                                               NULL};

static void test_binary_golden(void)
{
    static const char *const values[] = {"t", "-2", "65536", "-1", "1.5", "-2.5", "h\xc3\xa9", "", "ab", "\\x00ff", "2000-01-02",
                                         "00:00:01",
                                         "2000-01-01 00:00:00.000002", "1999-12-31 23:59:59.999999+00",
                                             "00112233-4455-6677-8899-aabbccddeeff",
                                         "{\"a\": 1}", "[]"};
    static const char *const nulls[sizeof(values) / sizeof(values[0])];
    hr_batch *batch = make_batch(golden_types);
    hr_buffer out = {0};
    hr_error error;

    add_row(batch, values);
    add_row(batch, nulls);
    CHECK(hr_copy_binary.header(&out, &error) == HR_OK);
    CHECK_BYTES(out, "PGCOPY\n\xff\r\n\0" "\0\0\0\0" "\0\0\0\0");
    out.size = 0;
    CHECK(hr_copy_binary.rows(batch, identity, 17, rows, 1, &out, &error) == HR_OK);
    CHECK_BYTES(out, "\0\x11"
                     "\0\0\0\x01" "\x01"
                     "\0\0\0\x02" "\xff\xfe"
                     "\0\0\0\x04" "\0\x01\0\0"
                     "\0\0\0\x08" "\xff\xff\xff\xff\xff\xff\xff\xff"
                     "\0\0\0\x04" "\x3f\xc0\0\0"
                     "\0\0\0\x08" "\xc0\x04\0\0\0\0\0\0"
                     "\0\0\0\x03" "h\xc3\xa9"
                     "\0\0\0\0"
                     "\0\0\0\x03" "ab "
                     "\0\0\0\x02" "\0\xff"
                     "\0\0\0\x04" "\0\0\0\x01"
                     "\0\0\0\x08" "\0\0\0\0\0\x0f\x42\x40"
                     "\0\0\0\x08" "\0\0\0\0\0\0\0\x02"
                     "\0\0\0\x08" "\xff\xff\xff\xff\xff\xff\xff\xff"
                     "\0\0\0\x10" "\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff"
                     "\0\0\0\x08" "{\"a\": 1}"
                     "\0\0\0\x03" "\x01[]");
    out.size = 0;
    CHECK(hr_copy_binary.rows(batch, identity, 17, rows + 1, 1, &out, &error) == HR_OK);
    CHECK(out.size == 2 + 17 * 4);
    for (size_t i = 2; i < out.size; i++)
        CHECK(out.data[i] == 0xff);
    /* Columns and rows in any order, twice too. */
    out.size = 0;
    CHECK(hr_copy_binary.rows(batch, (int32_t[]){6, 1}, 2, (uint32_t[]){1, 0, 0}, 3, &out, &error) == HR_OK);
    CHECK_BYTES(out, "\0\2\xff\xff\xff\xff\xff\xff\xff\xff"
                     "\0\2\0\0\0\3h\xc3\xa9\0\0\0\2\xff\xfe"
                     "\0\2\0\0\0\3h\xc3\xa9\0\0\0\2\xff\xfe");
    out.size = 0;
    CHECK(hr_copy_binary.rows(batch, identity, 0, rows, 2, &out, &error) == HR_OK);
    CHECK_BYTES(out, "\0\0\0\0");
    out.size = 0;
    CHECK(hr_copy_binary.rows(batch, identity, 17, rows, 0, &out, &error) == HR_OK && out.size == 0);
    CHECK(hr_copy_binary.trailer(&out, &error) == HR_OK);
    CHECK_BYTES(out, "\xff\xff");
    CHECK(hr_copy_binary.rows(batch, identity, 40000, rows, 1, &out, &error) == HR_EUSAGE && out.size == 2);
    hr_buffer_free(&out);
    hr_batch_free(batch);
}

/* The kinds that go through their type, and the values with a meaning of their own. */
static void test_binary_called(void)
{
    static const char *const types[] = {"numeric(12,2)", "interval", "integer[]", "numeric", "date", "timestamptz", NULL};
    static const char *const values[] = {"-12345.60", "1 mon 2 days 00:00:03", "{7,NULL}", "1e5", "infinity", "-infinity"};
    hr_batch *batch = make_batch(types);
    hr_buffer out = {0};
    hr_error error;

    add_row(batch, values);
    CHECK(hr_copy_binary.rows(batch, identity, 6, rows, 1, &out, &error) == HR_OK);
    CHECK_BYTES(out, "\0\6"
                     "\0\0\0\x0e" "\0\3\0\1\x40\0\0\2" "\0\1\x09\x29\x17\x70"
                     "\0\0\0\x10" "\0\0\0\0\0\x2d\xc6\xc0\0\0\0\2\0\0\0\1"
                     "\0\0\0\x20" "\0\0\0\1\0\0\0\1\0\0\0\x17\0\0\0\2\0\0\0\1" "\0\0\0\4\0\0\0\7" "\xff\xff\xff\xff"
                     "\0\0\0\x0a" "\0\1\0\1\0\0\0\0\0\x0a"
                     "\0\0\0\x04" "\x7f\xff\xff\xff"
                     "\0\0\0\x08" "\x80\0\0\0\0\0\0\0");
    hr_buffer_free(&out);
    hr_batch_free(batch);
}

/* More columns than the op codes on the stack, wide values in between, rows over many reallocations. */
static void test_binary_wide(void)
{
    enum { WIDE = 200 };
    const char *types[WIDE + 1] = {0};
    const char *values[WIDE];
    int32_t columns[WIDE];
    char *long_text = malloc(100001);
    hr_buffer out = {0};
    hr_error error;
    size_t at = 0, good = 0;

    if (long_text == NULL)
        abort();
    memset(long_text, 'x', 100000);
    long_text[100000] = '\0';
    for (int i = 0; i < WIDE; i++) {
        types[i] = i % 3 == 0 ? "uuid" : i % 3 == 1 ? "text" : "numeric(5,1)";
        values[i] = i % 3 == 0 ? "00112233-4455-6677-8899-aabbccddeeff" : i % 3 == 1 ? (i % 33 == 1 ? long_text : "short") : "1.5";
        columns[i] = i;
    }
    hr_batch *batch = make_batch(types);
    for (int i = 0; i < 10; i++)
        add_row(batch, values);
    CHECK(hr_copy_binary.rows(batch, columns, WIDE, rows, 10, &out, &error) == HR_OK);
    for (int row = 0; row < 10; row++) {
        CHECK(out.data[at] == 0 && out.data[at + 1] == WIDE);
        at += 2;
        for (int i = 0; i < WIDE; i++) {
            size_t n = (size_t)out.data[at] << 24 | (size_t)out.data[at + 1] << 16 | (size_t)out.data[at + 2] << 8 | out.data[at + 3];
            at += 4;
            good += i % 3 == 0 ? n == 16 && out.data[at + 15] == 0xff
                               : i % 3 == 1 ? n == strlen(values[i]) && memcmp(out.data + at, values[i], n) == 0 : n == 12;
            at += n;
        }
    }
    CHECK(good == 10 * WIDE && at == out.size);
    hr_buffer_free(&out);
    hr_batch_free(batch);
    free(long_text);
}

static void test_text(void)
{
    static const char *const types[] = {"text", "integer", "bytea", "timestamptz", "text[]", "point", NULL};
    static const char *const values[] = {"a\tb\\c\nd\re\bf\fg\vh\x01\xc3\xa9", "-5", "\\x0a", "2026-01-02 03:04:05.5+00",
                                         "{\"x\ty\",NULL}", "(1,2)"};
    static const char *const second[] = {"\\.", NULL, "", "infinity", "{}", NULL};
    hr_batch *batch = make_batch(types);
    hr_buffer out = {0};
    hr_error error;

    add_row(batch, values);
    add_row(batch, second);
    CHECK(hr_copy_text.header(&out, &error) == HR_OK && out.size == 0);
    CHECK(hr_copy_text.rows(batch, identity, 6, rows, 2, &out, &error) == HR_OK);
    CHECK_BYTES(out, "a\\tb\\\\c\\nd\\re\\bf\\fg\\vh\x01\xc3\xa9\t-5\t\\\\x0a\t2026-01-02 03:04:05.5+00\t{\"x\\ty\",NULL}\t(1,2)\n"
                     "\\\\.\t\\N\t\\\\x\tinfinity\t{}\t\\N\n");
    CHECK(hr_copy_text.trailer(&out, &error) == HR_OK);
    out.size = 0;
    CHECK(hr_copy_text.rows(batch, (int32_t[]){1, 0}, 2, (uint32_t[]){1}, 1, &out, &error) == HR_OK);
    CHECK_BYTES(out, "\\N\t\\\\.\n");
    out.size = 0;
    CHECK(hr_copy_text.rows(batch, identity, 0, rows, 2, &out, &error) == HR_OK);
    CHECK_BYTES(out, "\n\n");
    hr_buffer_free(&out);
    hr_batch_free(batch);
}

static void test_format_for(void)
{
    hr_batch *binary = make_batch((const char *const[]){"text", "integer[]", "numeric", NULL});
    hr_batch *text = make_batch((const char *const[]){"text", "point", NULL});
    hr_batch *array = make_batch((const char *const[]){"point[]", NULL});

    CHECK(hr_copy_format_for(binary->schema) == &hr_copy_binary);
    CHECK(hr_copy_format_for(text->schema) == &hr_copy_text);
    CHECK(hr_copy_format_for(array->schema) == &hr_copy_text);
    text->schema->columns[1].from = HR_FROM_NOTHING; /* a generated column is never sent */
    CHECK(hr_copy_format_for(text->schema) == &hr_copy_binary);
    CHECK(strcmp(hr_copy_binary.options, "FORMAT binary") == 0 && strcmp(hr_copy_text.options, "FORMAT text") == 0);
    hr_batch_free(binary);
    hr_batch_free(text);
    hr_batch_free(array);
}

/* A type that cannot be written in binary: the row and column are told, the buffer is as it was. */
static void test_failures(void)
{
    hr_batch *batch = make_batch((const char *const[]){"integer", "point", NULL});
    hr_buffer out = {0};
    hr_error error;

    add_row(batch, (const char *const[]){"1", NULL});
    add_row(batch, (const char *const[]){"2", "(1,2)"});
    CHECK(hr_buffer_append(&out, "before", 6, &error) == HR_OK);
    int rc = hr_copy_binary.rows(batch, identity, 2, rows, 2, &out, &error);
    CHECK(rc != HR_OK && error.row == 1 && error.column == 1, "%d: row %d column %d", rc, (int)error.row, (int)error.column);
    CHECK(hr_copy_binary.rows(batch, identity, 2, rows, 2, &out, NULL) == rc);
    CHECK_BYTES(out, "before");
    hr_buffer_free(&out);
    hr_batch_free(batch);
}

/* Each allocation of rows() fails once: the buffer is as it was, and the call can be made again. */
static void test_write_faults(void)
{
    const hr_copy_format *const formats[] = {&hr_copy_binary, &hr_copy_text};
    const char *types[101] = {0}, *values[100];
    int32_t columns[100];

    for (int i = 0; i < 100; i++) {
        types[i] = i % 4 == 0 ? "integer" : i % 4 == 1 ? "text" : i % 4 == 2 ? "numeric" : "integer[]";
        values[i] = i % 4 == 0 ? "77" : i % 4 == 1 ? "some\ttext with \\escapes and more" : i % 4 == 2 ? "1234567.89" : "{1,2,3}";
        columns[i] = i;
    }
    hr_batch *batch = make_batch(types);
    for (int i = 0; i < 10; i++)
        add_row(batch, values);
    for (size_t f = 0; f < 2; f++) {
        hr_buffer want = {0};
        bool fired = true;
        CHECK(hr_copy_binary.header(&want, NULL) == HR_OK && formats[f]->rows(batch, columns, 100, rows, 10, &want, NULL) == HR_OK);
        for (long n = 1; fired; n++) {
            hr_buffer out = {0};
            hr_error error;
            CHECK(hr_copy_binary.header(&out, &error) == HR_OK);
            hr_fault_arm(n, false);
            int rc = formats[f]->rows(batch, columns, 100, rows, 10, &out, &error);
            fired = hr_fault_fired();
            hr_fault_arm(0, false);
            CHECK(rc == (fired ? HR_ENOMEM : HR_OK));
            CHECK(!fired || out.size == 19, "allocation %ld left %zu bytes", n, out.size);
            if (fired)
                CHECK(formats[f]->rows(batch, columns, 100, rows, 10, &out, &error) == HR_OK);
            CHECK(out.size == want.size && memcmp(out.data, want.data, want.size) == 0);
            hr_buffer_free(&out);
        }
        hr_buffer_free(&want);
    }
    hr_batch_free(batch);
}

/* ---- reading ---- */

static const char *const all_types[] = {"boolean", "smallint", "integer", "bigint", "real", "double precision", "text", "varchar(5)",
                                        "character(3)", "bytea", "date", "time", "timestamp", "timestamptz", "uuid", "json", "jsonb",
                                        "numeric(12,2)", "numeric", "interval", "integer[]", "text[]", NULL};

static hr_batch *all_batch(void)
{
    static const char *const first[] = {"t", "-2", "65536", "-1", "1.5", "-2.5", "h\xc3\xa9", "", "ab", "\\x00ff", "2000-01-02", "00:00:01",
                                        "2000-01-01 00:00:00.000002", "1999-12-31 23:59:59.999999+00",
                                            "00112233-4455-6677-8899-aabbccddeeff",
                                        "{\"a\": 1}", "[]", "-12345.60", "1e50", "1 mon -2 days", "{1,NULL}", "{}"};
    static const char *const nulls[sizeof(first) / sizeof(first[0])];
    static const char *const third[] = {"f", "32767", "-2147483648", "9223372036854775807", "NaN", "Infinity", "x", "\xe2\x82\xac", "abc",
                                        "",
                                        "infinity", "24:00:00", "-infinity", "0044-03-15 00:00:00+00 BC",
                                            "ffffffff-ffff-ffff-ffff-ffffffffffff",
                                        "null", "{}", "NaN", "-0.001", "-3 days 00:00:00.000001", "{}", "{\"a b\",\"\",NULL,\"NULL\"}"};
    hr_batch *batch = make_batch(all_types);

    add_row(batch, first);
    add_row(batch, nulls);
    add_row(batch, third);
    return batch;
}

/* Whether two batches of one schema hold the same, as their types print it. */
static bool same(const hr_batch *a, const hr_batch *b)
{
    hr_buffer left = {0}, right = {0};
    bool result = a->length == b->length && hr_copy_text.rows(a, identity, a->schema->count, rows, a->length, &left, NULL) == HR_OK &&
                  hr_copy_text.rows(b, identity, b->schema->count, rows, b->length, &right, NULL) == HR_OK && left.size == right.size &&
                  (left.size == 0 || memcmp(left.data, right.data, left.size) == 0);

    for (int32_t i = 0; i < b->schema->count; i++)
        result = result && b->columns[i].length == b->length && b->columns[i].null_count == a->columns[i].null_count;
    hr_buffer_free(&left);
    hr_buffer_free(&right);
    return result;
}

/* The stream in two pieces cut at every byte, and in pieces of every size. */
static void test_round_trip(void)
{
    hr_batch *batch = all_batch(), *back;
    hr_buffer stream = stream_of(batch);
    hr_copy_reader reader;
    hr_error error;

    CHECK(hr_batch_new(batch->schema, &back, &error) == HR_OK);
    for (size_t cut = 0; cut <= stream.size; cut++) {
        hr_batch_clear(back);
        hr_copy_reader_init(&reader, back);
        CHECK(hr_copy_reader_feed(&reader, stream.data, cut, &error) == HR_OK, "cut at %zu: %s", cut, error.message);
        if (cut < stream.size)
            CHECK(hr_copy_reader_end(&reader, &error) == HR_EDATA && error.message[0] != '\0', "cut at %zu", cut);
        CHECK(hr_copy_reader_feed(&reader, stream.data + cut, stream.size - cut, &error) == HR_OK, "cut at %zu: %s", cut, error.message);
        CHECK(hr_copy_reader_end(&reader, &error) == HR_OK && same(batch, back), "cut at %zu", cut);
        hr_copy_reader_free(&reader);
    }
    for (size_t piece = 1; piece < 40; piece++) {
        hr_batch_clear(back);
        hr_copy_reader_init(&reader, back);
        for (size_t at = 0; at < stream.size; at += piece)
            CHECK(hr_copy_reader_feed(&reader, stream.data + at, stream.size - at < piece ? stream.size - at : piece, &error) == HR_OK);
        CHECK(hr_copy_reader_end(&reader, &error) == HR_OK && same(batch, back), "pieces of %zu", piece);
        hr_copy_reader_free(&reader);
    }
    /* Two streams into one batch. */
    hr_copy_reader_init(&reader, back);
    CHECK(hr_copy_reader_feed(&reader, stream.data, stream.size, &error) == HR_OK && back->length == 6);
    hr_copy_reader_free(&reader);
    hr_buffer_free(&stream);
    hr_batch_free(batch);
    hr_batch_free(back);
}

/* Feed bytes at once into an empty batch of (integer, text NOT NULL); the batch must stay empty when it fails. */
static int feed(const char *bytes, size_t n, hr_error *error)
{
    hr_batch *batch = make_batch((const char *const[]){"integer", "text", NULL});
    hr_copy_reader reader;
    int rc;

    batch->schema->columns[1].not_null = true;
    hr_copy_reader_init(&reader, batch);
    rc = hr_copy_reader_feed(&reader, (const uint8_t *)bytes, n, error);
    CHECK(rc == HR_OK || (batch->length == 0 && batch->columns[0].length == 0 && batch->columns[1].length == 0 && !reader.finished &&
                          !reader.started && reader.pending.size == 0));
    if (rc == HR_OK)
        rc = hr_copy_reader_end(&reader, error);
    hr_copy_reader_free(&reader);
    hr_batch_free(batch);
    return rc;
}

#define HEADER "PGCOPY\n\xff\r\n\0" "\0\0\0\0" "\0\0\0\0"
#define FEED(bytes, error) feed((bytes), sizeof(bytes) - 1, (error))
#define ROW_OK "\0\2\0\0\0\4\0\0\0\7\0\0\0\1x"

static void test_bad_streams(void)
{
    hr_error error;

    CHECK(FEED(HEADER ROW_OK "\xff\xff", &error) == HR_OK);
    CHECK(FEED(HEADER "\xff\xff", &error) == HR_OK);
    CHECK(FEED("PGCOPY\n\xff\r\n\0" "\0\0\0\1" "\0\0\0\3abc" ROW_OK "\xff\xff", &error) == HR_OK); /* an extension is stepped over */
    CHECK(FEED("", &error) == HR_EDATA && strstr(error.message, "header") != NULL);
    CHECK(FEED("PGCOPX", &error) == HR_EDATA && error.reason == HR_REASON_MALFORMED && strstr(error.message, "FORMAT binary") != NULL);
    CHECK(FEED("1\tabc\n", &error) == HR_EDATA);
    CHECK(FEED("PGCOPY\r\n\xff\r\n", &error) == HR_EDATA);
    CHECK(FEED("PGCOPY\n\xff\r\n\0" "\0\1\0\0" "\0\0\0\0", &error) == HR_EDATA && strstr(error.message, "oid") != NULL);
    CHECK(FEED("PGCOPY\n\xff\r\n\0" "\x80\0\0\0" "\0\0\0\0", &error) == HR_EDATA && strstr(error.message, "80000000") != NULL);
    CHECK(FEED("PGCOPY\n\xff\r\n\0" "\0\0\0\0" "\xff\0\0\0", &error) == HR_EDATA);
    CHECK(FEED(HEADER ROW_OK "\0\3\0\0\0\0", &error) == HR_EDATA && strstr(error.message, "3 fields") != NULL && error.row == 1);
    CHECK(FEED(HEADER "\xff\xfe", &error) == HR_EDATA && error.row == 0);
    CHECK(FEED(HEADER "\0\2\xff\xff\xff\xfe", &error) == HR_EDATA && error.column == 0);
    CHECK(FEED(HEADER "\0\2\0\0\0\3\0\0\7\0\0\0\1x\xff\xff", &error) == HR_EDATA && error.column == 0 &&
          error.row == 0); /* 3 bytes of int4 */
    CHECK(FEED(HEADER "\0\2\0\0\0\4\0\0\0\7\0\0\0\1\xff\xff\xff", &error) == HR_EDATA && error.column == 1); /* not UTF-8 */
    CHECK(FEED(HEADER ROW_OK "\0\2\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", &error) == HR_EDATA);
    CHECK(error.reason == HR_REASON_NULL && error.row == 1 && error.column == 1 && strstr(error.message, "c1") != NULL, "%s",
          error.message);
    CHECK(FEED(HEADER ROW_OK "\xff\xff" "x", &error) == HR_EDATA && strstr(error.message, "trailer") != NULL);
    CHECK(FEED(HEADER ROW_OK, &error) == HR_EDATA && strstr(error.message, "without its trailer") != NULL && error.row == 1);
    CHECK(FEED(HEADER ROW_OK "\0\2\0", &error) == HR_EDATA && strstr(error.message, "inside a row") != NULL);
    CHECK(FEED(HEADER "x", NULL) == HR_EDATA && FEED("x", NULL) == HR_EDATA);
}

/* After an error the reader is where it was: the same bytes fail again, and nothing is read twice. */
static void test_feed_is_all_or_nothing(void)
{
    static const char good[] = HEADER ROW_OK "\0\2\0", bad[] = "\0\0\4\0\0\0\1\0\0\0\1y" ROW_OK "\0\5",
        right[] = "\0\0\4\0\0\0\1\0\0\0\1y\xff\xff";
    hr_batch *batch = make_batch((const char *const[]){"integer", "text", NULL});
    hr_copy_reader reader;
    hr_error error;

    hr_copy_reader_init(&reader, batch);
    CHECK(hr_copy_reader_feed(&reader, (const uint8_t *)good, sizeof(good) - 1, &error) == HR_OK && batch->length == 1);
    for (int i = 0; i < 3; i++) {
        CHECK(hr_copy_reader_feed(&reader, (const uint8_t *)bad, sizeof(bad) - 1, &error) == HR_EDATA && error.row == 3);
        CHECK(batch->length == 1 && batch->columns[0].length == 1 && batch->columns[1].length == 1);
    }
    CHECK(hr_copy_reader_feed(&reader, (const uint8_t *)right, sizeof(right) - 1, &error) == HR_OK && batch->length == 2);
    CHECK(hr_copy_reader_end(&reader, &error) == HR_OK);
    CHECK(hr_copy_reader_feed(&reader, NULL, 0, &error) == HR_OK);
    CHECK(hr_copy_reader_feed(&reader, (const uint8_t *)"x", 1, &error) == HR_EDATA);
    hr_copy_reader_free(&reader);
    hr_batch_free(batch);
}

/* A batch with defaults gets a word per row that says nothing was absent. */
static void test_reader_absent(void)
{
    hr_batch *batch = make_batch((const char *const[]){"integer", "text", NULL}), *with;
    hr_schema *schema;
    hr_type type;
    hr_copy_reader reader;
    hr_error error;

    CHECK(hr_schema_new(&schema, &error) == HR_OK);
    CHECK(hr_type_from_name("integer", &schema->arena, &type, &error) == HR_OK);
    CHECK(hr_schema_add(schema, "c0", &type, false, true, NULL, &error) == HR_OK);
    CHECK(hr_batch_new(schema, &with, &error) == HR_OK);
    hr_schema_release(schema);
    hr_copy_reader_init(&reader, with);
    CHECK(hr_copy_reader_feed(&reader, (const uint8_t *)HEADER, 19, &error) == HR_OK);
    for (int i = 0; i < 200; i++)
        CHECK(hr_copy_reader_feed(&reader, (const uint8_t *)"\0\1\0\0\0\4\0\0\0\7", 10, &error) == HR_OK);
    bool clear = with->length == 200 && with->absent != NULL;
    for (int64_t i = 0; i < with->length && clear; i++)
        clear = with->absent[i] == 0;
    CHECK(clear);
    hr_copy_reader_free(&reader);
    hr_batch_free(with);
    hr_batch_free(batch);
}

/* Every byte of a stream turned in several ways: an error or a batch whose columns are even, whatever the values are then. */
static void test_damaged_streams(void)
{
    static const uint8_t turns[] = {0x01, 0x80, 0xff, 0x10};
    hr_batch *batch = all_batch(), *back;
    hr_buffer stream = stream_of(batch), text = {0};
    hr_error error;
    int64_t refused = 0;

    CHECK(hr_batch_new(batch->schema, &back, &error) == HR_OK);
    for (size_t i = 0; i < stream.size; i++) {
        for (size_t t = 0; t < sizeof(turns); t++) {
            hr_copy_reader reader;
            stream.data[i] ^= turns[t];
            hr_batch_clear(back);
            hr_copy_reader_init(&reader, back);
            int rc = hr_copy_reader_feed(&reader, stream.data, stream.size, &error);
            bool even = true;
            for (int32_t c = 0; c < back->schema->count; c++)
                even = even && back->columns[c].length == back->length;
            CHECK(even && (rc == HR_OK || (rc == HR_EDATA && back->length == 0 && error.message[0] != '\0')), "byte %zu", i);
            if (rc == HR_OK)
                rc = hr_copy_reader_end(&reader, &error);
            CHECK(rc == HR_OK || rc == HR_EDATA);
            refused += rc != HR_OK;
            /* What was accepted can be written again; only jsonb's text is not looked into before. */
            text.size = 0;
            rc = hr_copy_text.rows(back, identity, back->schema->count, rows, back->length, &text, &error);
            CHECK(rc == HR_OK || (rc == HR_EDATA && strcmp(all_types[error.column], "jsonb") == 0 && text.size == 0), "byte %zu: %s", i,
                  error.message);
            text.size = 0;
            CHECK(hr_copy_binary.rows(back, identity, back->schema->count, rows, back->length, &text, &error) == HR_OK, "byte %zu: %s", i,
                  error.message);
            hr_copy_reader_free(&reader);
            stream.data[i] ^= turns[t];
        }
    }
    CHECK(refused > 1000, "%d", (int)refused);
    hr_buffer_free(&stream);
    hr_buffer_free(&text);
    hr_batch_free(batch);
    hr_batch_free(back);
}

/* Each allocation fails once: the batch is as before that call, and feeding the same bytes again completes it. */
static void test_read_faults(void)
{
    hr_batch *batch = all_batch();
    hr_buffer stream = stream_of(batch);

    for (size_t piece = 1; piece <= stream.size; piece += 1 + piece * 2) {
        bool fired = true;
        for (long n = 1; fired; n++) {
            hr_copy_reader reader;
            hr_batch *back;
            hr_error error;
            CHECK(hr_batch_new(batch->schema, &back, &error) == HR_OK);
            hr_copy_reader_init(&reader, back);
            hr_fault_arm(n, false);
            for (size_t at = 0; at < stream.size;) {
                size_t size = stream.size - at < piece ? stream.size - at : piece;
                int64_t before = back->length;
                int rc = hr_copy_reader_feed(&reader, stream.data + at, size, &error);
                CHECK(rc == HR_OK || (rc == HR_ENOMEM && back->length == before && back->columns[0].length == before), "%s", error.message);
                at += rc == HR_OK ? size : 0;
                if (rc != HR_OK && rc != HR_ENOMEM)
                    break;
            }
            fired = hr_fault_fired();
            hr_fault_arm(0, false);
            CHECK(hr_copy_reader_end(&reader, &error) == HR_OK && same(batch, back), "pieces of %zu, allocation %ld", piece, n);
            hr_copy_reader_free(&reader);
            hr_batch_free(back);
        }
    }
    hr_buffer_free(&stream);
    hr_batch_free(batch);
}

int main(void)
{
    test_binary_golden();
    test_binary_called();
    test_binary_wide();
    test_text();
    test_format_for();
    test_failures();
    test_write_faults();
    test_round_trip();
    test_bad_streams();
    test_feed_is_all_or_nothing();
    test_reader_absent();
    test_damaged_streams();
    test_read_faults();
    return CHECK_DONE();
}
