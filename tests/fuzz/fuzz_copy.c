/* tests/fuzz/fuzz_copy.c: a COPY BINARY stream in pieces of any size: the pieces do not matter, and what was read can be sent again.
 *
 * Byte 0 chooses the pieces. Byte 1: even, the rest is the stream; odd, the rest are rows without header and counts, each field a length
 * byte (above 60: null) and its bytes, so that mutations stay inside the frame. */
#include "core/bytes.h"
#include "core/copy/copy.h"
#include "fuzz.h"

static const char *const types[] = {"bigint", "text", "boolean", "numeric(12,2)", "timestamptz", "integer[]", "jsonb", "numeric"};
#define COLUMNS ((int32_t)(sizeof(types) / sizeof(types[0])))

static hr_schema *make_schema(void)
{
    hr_schema *schema;
    hr_type type;
    char name[8];

    FUZZ_REQUIRE(hr_schema_new(&schema, NULL) == HR_OK);
    for (int i = 0; i < COLUMNS; i++) {
        snprintf(name, sizeof(name), "c%d", i);
        FUZZ_REQUIRE(hr_type_from_name(types[i], &schema->arena, &type, NULL) == HR_OK);
        FUZZ_REQUIRE(hr_schema_add(schema, name, &type, i == 2, i == 3, NULL, NULL) == HR_OK);
    }
    return schema;
}

static void make_stream(fuzz_input *in, hr_buffer *out)
{
    FUZZ_REQUIRE(hr_copy_binary.header(out, NULL) == HR_OK);
    while (fuzz_left(in) > 0) {
        FUZZ_REQUIRE(hr_buffer_reserve(out, 2, NULL) == HR_OK);
        hr_store_be16(out->data + out->size, (uint16_t)COLUMNS);
        out->size += 2;
        for (int i = 0; i < COLUMNS; i++) {
            size_t n = fuzz_byte(in);
            const uint8_t *bytes = NULL;
            if (n <= 60)
                bytes = fuzz_bytes(in, &n);
            FUZZ_REQUIRE((bytes != NULL ? hr_write_field_bytes(out, bytes, (int32_t)n, NULL) : hr_write_field_header(out, -1, NULL)) ==
                         HR_OK);
        }
    }
    FUZZ_REQUIRE(hr_copy_binary.trailer(out, NULL) == HR_OK);
}

/* Feed the stream in pieces: of random sizes from the seed, or whole for 0. */
static int feed(hr_batch *batch, const uint8_t *bytes, size_t n, uint64_t seed)
{
    hr_copy_reader reader;
    hr_error error;
    int rc = HR_OK;

    hr_copy_reader_init(&reader, batch);
    for (size_t at = 0; at < n && rc == HR_OK;) {
        size_t piece = seed != 0 ? 1 + fuzz_next(&seed) % (seed & 64 ? 300 : 7) : n;
        piece = piece < n - at ? piece : n - at;
        char *exact = fuzz_exact(bytes + at, piece);
        int64_t rows = batch->length;
        rc = hr_copy_reader_feed(&reader, (const uint8_t *)exact, piece, &error);
        FUZZ_REQUIRE(rc == HR_OK || (rc == HR_EDATA && batch->length == rows && error.message[0] != '\0'));
        for (int32_t i = 0; i < batch->schema->count; i++)
            FUZZ_REQUIRE(batch->columns[i].length == batch->length);
        free(exact);
        at += piece;
    }
    if (rc == HR_OK)
        rc = hr_copy_reader_end(&reader, &error);
    hr_copy_reader_free(&reader);
    return rc;
}

static void send(const hr_batch *batch, hr_buffer *out)
{
    static const int32_t columns[] = {0, 1, 2, 3, 4, 5, 6, 7};
    hr_error error;

    out->size = 0;
    for (int64_t i = 0; i < batch->length; i++) {
        uint32_t row = (uint32_t)i;
        FUZZ_AGREE(hr_copy_binary.rows(batch, columns, COLUMNS, &row, 1, out, &error) == HR_OK, "%s", error.message);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static hr_batch *whole, *pieces;
    static hr_buffer stream, once, twice;
    fuzz_input in = {data, data + size};
    uint64_t seed = 1 + fuzz_byte(&in);
    bool framed = fuzz_byte(&in) & 1;
    int rc;

    if (whole == NULL) {
        hr_schema *schema = make_schema();
        FUZZ_REQUIRE(hr_batch_new(schema, &whole, NULL) == HR_OK && hr_batch_new(schema, &pieces, NULL) == HR_OK);
        hr_schema_release(schema);
    }
    hr_batch_clear(whole);
    hr_batch_clear(pieces);
    stream.size = 0;
    if (framed)
        make_stream(&in, &stream);
    else
        FUZZ_REQUIRE(hr_buffer_append(&stream, in.at, fuzz_left(&in), NULL) == HR_OK);
    rc = feed(whole, stream.data, stream.size, 0);
    FUZZ_REQUIRE(feed(pieces, stream.data, stream.size, seed) == rc);
    if (rc == HR_OK) {
        send(whole, &once);
        send(pieces, &twice);
        FUZZ_REQUIRE(whole->length == pieces->length && fuzz_same(&once, &twice));
        stream.size = 0; /* and again */
        FUZZ_REQUIRE(hr_copy_binary.header(&stream, NULL) == HR_OK && hr_buffer_append(&stream, once.data, once.size, NULL) == HR_OK &&
                     hr_copy_binary.trailer(&stream, NULL) == HR_OK);
        hr_batch_clear(pieces);
        FUZZ_REQUIRE(feed(pieces, stream.data, stream.size, seed + 1) == HR_OK && pieces->length == whole->length);
        send(pieces, &twice);
        FUZZ_REQUIRE(fuzz_same(&once, &twice));
    }
    return 0;
}
