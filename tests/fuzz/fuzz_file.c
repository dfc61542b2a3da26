/* tests/fuzz/fuzz_file.c: any bytes as a file, plain, gzip or zstd: the sizes of the reads do not matter, and damage is told.
 *
 * Byte 0: even, the rest is the file; odd, the rest is what a file of compressed parts holds, damaged as bytes 1 and 2 say. */
#include <zlib.h>
#include <zstd.h>

#include "fuzz.h"
#include "io/source/file.h"

#define MOST (4u << 20) /* bytes read of one file */

/* Read all in pieces of at most `piece` bytes. */
static int read_all(const char *path, size_t piece, hr_buffer *out, hr_error *error)
{
    hr_file *file;
    int rc;

    out->size = 0;
    hr_error_clear(error);
    HR_RETURN_NOT_OK(hr_file_open(path, &file, error));
    do {
        size_t n = 0;
        FUZZ_REQUIRE(hr_buffer_reserve(out, piece, NULL) == HR_OK);
        rc = hr_file_read(file, out->data + out->size, piece, &n, error);
        FUZZ_REQUIRE(n <= piece && (rc != HR_OK || n > 0 || hr_file_at_end(file)));
        if (rc == HR_OK)
            out->size += n;
    } while (rc == HR_OK && !hr_file_at_end(file) && out->size < MOST);
    FUZZ_REQUIRE(rc == HR_OK || (rc == HR_EIO && error->message[0] != '\0') || rc == HR_ENOMEM);
    FUZZ_REQUIRE(hr_file_consumed(file) <= hr_file_size(file));
    hr_file_close(file);
    return rc;
}

static size_t gzip(const uint8_t *bytes, size_t n, uint8_t *to, size_t room)
{
    z_stream stream = {.next_in = (uint8_t *)(uintptr_t)bytes, .avail_in = (unsigned)n, .next_out = to, .avail_out = (unsigned)room};

    FUZZ_REQUIRE(deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) == Z_OK);
    FUZZ_REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    deflateEnd(&stream);
    return stream.total_out;
}

/* A file of up to three members or frames that hold the bytes. */
static size_t compress_parts(fuzz_input *in, unsigned how, hr_buffer *plain, uint8_t *to, size_t room)
{
    size_t used = 0, part = 1 + fuzz_left(in) / (1 + (how >> 2 & 3));

    plain->size = 0;
    do {
        size_t n = part;
        const uint8_t *bytes = fuzz_bytes(in, &n);
        FUZZ_REQUIRE(hr_buffer_append(plain, bytes, n, NULL) == HR_OK);
        used += how & 2 ? ZSTD_compress(to + used, room - used, bytes, n, 1) : gzip(bytes, n, to + used, room - used);
    } while (fuzz_left(in) > 0);
    return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static hr_buffer once, twice, plain;
    fuzz_input in = {data, data + size};
    unsigned how = fuzz_byte(&in);
    hr_error error;
    char path[64];
    int file, rc;

    if ((how & 1) == 0) {
        file = fuzz_file(in.at, fuzz_left(&in), path);
        rc = read_all(path, 1u << 16, &once, &error);
        int again = read_all(path, 1 + (how >> 1), &twice, &error);
        if (once.size < MOST && twice.size < MOST)
            FUZZ_REQUIRE(rc == again || rc == HR_ENOMEM || again == HR_ENOMEM);
        size_t common = once.size < twice.size ? once.size : twice.size;
        FUZZ_REQUIRE(common == 0 || memcmp(once.data, twice.data, common) == 0);
        if (rc == HR_OK && again == HR_OK && once.size < MOST && twice.size < MOST)
            FUZZ_REQUIRE(once.size == twice.size);
        close(file);
        return 0;
    }
    unsigned damage = fuzz_byte(&in), where = fuzz_byte(&in);
    size_t room = fuzz_left(&in) * 2 + 4096, n;
    uint8_t *packed = malloc(room);
    FUZZ_REQUIRE(packed != NULL);
    n = compress_parts(&in, how, &plain, packed, room);
    if (damage % 3 == 1)
        n = n * where / 256; /* cut short */
    file = fuzz_file(packed, n, path);
    free(packed);
    rc = read_all(path, 1 + (how >> 4) * 37, &once, &error);
    if (damage % 3 != 1)
        FUZZ_AGREE(rc == HR_OK && fuzz_same(&once, &plain), "%d %s", rc, error.message);
    else if (n >= 4) /* told by its first bytes from then on: what came is the beginning; an end between two parts is an end */
        FUZZ_REQUIRE(once.size <= plain.size && (once.size == 0 || memcmp(once.data, plain.data, once.size) == 0));
    close(file);
    return 0;
}
