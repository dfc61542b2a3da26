/* tests/core/test_file.c: reading plain, gzip and zstd files and pipes, and the questions about whole files. */
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "check.h"
#include "faults.h"
#include "io/source/file.h"

static char folder[] = "/tmp/hr_test_file_XXXXXX";

static const char *path_of(const char *name)
{
    static char path[4][128];
    static int turn;
    char *to = path[turn++ % 4];

    snprintf(to, sizeof(path[0]), "%s/%s", folder, name);
    return to;
}

static const char *write_file(const char *name, const void *bytes, size_t n)
{
    const char *path = path_of(name);
    FILE *file = fopen(path, "wb");

    if (file == NULL || fwrite(bytes, 1, n, file) != n || fclose(file) != 0)
        abort();
    return path;
}

/* Append one gzip member. */
static void gzip(hr_buffer *out, const void *bytes, size_t n)
{
    z_stream stream = {0};

    if (deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        abort();
    if (hr_buffer_reserve(out, deflateBound(&stream, n) + 64, NULL) != HR_OK)
        abort();
    memcpy(&stream.next_in, &bytes, sizeof(bytes));
    stream.avail_in = (uInt)n;
    stream.next_out = out->data + out->size;
    stream.avail_out = (uInt)(out->capacity - out->size);
    if (deflate(&stream, Z_FINISH) != Z_STREAM_END)
        abort();
    out->size += stream.total_out;
    deflateEnd(&stream);
}

/* Append one zstd frame, with its checksum. */
static void zstd(hr_buffer *out, const void *bytes, size_t n)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    size_t size;

    if (context == NULL || hr_buffer_reserve(out, ZSTD_compressBound(n), NULL) != HR_OK)
        abort();
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    size = ZSTD_compress2(context, out->data + out->size, out->capacity - out->size, bytes, n);
    if (ZSTD_isError(size))
        abort();
    out->size += size;
    ZSTD_freeCCtx(context);
}

/* Read everything in pieces of `piece` bytes; returns the code. */
static int read_all(const char *path, size_t piece, hr_buffer *out, hr_error *error)
{
    hr_file *file;
    int rc = hr_file_open(path, &file, error);

    out->size = 0;
    if (rc != HR_OK)
        return rc;
    while (rc == HR_OK && !hr_file_at_end(file)) {
        size_t n = 0;
        if (hr_buffer_reserve(out, piece, NULL) != HR_OK)
            abort();
        rc = hr_file_read(file, out->data + out->size, piece, &n, error);
        out->size += n;
    }
    hr_file_close(file);
    return rc;
}

static bool same(const hr_buffer *got, const void *want, size_t n)
{
    return got->size == n && (n == 0 || memcmp(got->data, want, n) == 0);
}

/* Text that compresses, larger than the input buffer also when compressed. */
static hr_buffer make_text(size_t size)
{
    hr_buffer text = {0};
    uint32_t state = 12345;

    while (text.size < size) {
        char line[64];
        state = state * 1664525u + 1013904223u;
        int n = snprintf(line, sizeof(line), "{\"id\": %u, \"x\": \"%08x%08x\"}\n", state % 1000, state, state * 2654435761u);
        if (hr_buffer_append(&text, line, (size_t)n, NULL) != HR_OK)
            abort();
    }
    return text;
}

static void test_plain(void)
{
    static const char *const starts[] = {"",   "{",     "\x1f",         "\x1f\x8b", "\x28\xb5\x2f", "P",
                                         "PK", "hello", "\x50\x2a\x4d", "\x04\x22", "\xfd\x37zX"};
    hr_buffer out = {0};
    hr_error error;

    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        const char *path = write_file("plain", starts[i], strlen(starts[i]));
        for (size_t piece = 1; piece < 8; piece++) {
            CHECK(read_all(path, piece, &out, &error) == HR_OK, "start %zu: %s", i, error.message);
            CHECK(same(&out, starts[i], strlen(starts[i])), "start %zu, pieces of %zu", i, piece);
        }
    }
    hr_buffer text = make_text(3000000);
    const char *path = write_file("plain", text.data, text.size);
    CHECK(read_all(path, 100003, &out, &error) == HR_OK && same(&out, text.data, text.size));

    hr_file *file;
    char bytes[4];
    size_t n;
    CHECK(hr_file_open(path, &file, &error) == HR_OK);
    CHECK(hr_file_size(file) == (int64_t)text.size && hr_file_seekable(file) && hr_file_compression(file) == HR_PLAIN);
    for (int64_t at = (int64_t)text.size - 4; at > 0; at -= 700001) {
        CHECK(hr_file_seek(file, at, &error) == HR_OK);
        CHECK(hr_file_read(file, bytes, 4, &n, &error) == HR_OK && n == 4 && memcmp(bytes, text.data + at, 4) == 0);
    }
    CHECK(hr_file_seek(file, (int64_t)text.size, &error) == HR_OK);
    CHECK(hr_file_read(file, bytes, 4, &n, &error) == HR_OK && n == 0 && hr_file_at_end(file));
    CHECK(hr_file_seek(file, (int64_t)text.size + 1, &error) == HR_EIO && error.fatal && !error.retriable);
    hr_file_close(file);
    hr_buffer_free(&text);
    hr_buffer_free(&out);
}

static void test_refused(void)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *name;
    } cases[] = {{"\xfd\x37zXZ\0\0\4", 8, "xz"}, {"\x04\x22\x4d\x18@", 5, "lz4"}, {"PK\3\4....", 8, "zip"}};
    hr_error error;
    hr_file *file;

    for (size_t i = 0; i < 3; i++) {
        const char *path = write_file("refused", cases[i].bytes, cases[i].n);
        CHECK(hr_file_open(path, &file, &error) == HR_EUSAGE && file == NULL);
        CHECK(strstr(error.message, cases[i].name) != NULL && strstr(error.message, path) != NULL, "%s", error.message);
    }
    CHECK(hr_file_open(path_of("nowhere"), &file, &error) == HR_EIO && error.fatal && !error.retriable);
    CHECK(strstr(error.message, "nowhere") != NULL);
    CHECK(hr_file_open(folder, &file, &error) == HR_EIO && error.fatal && strstr(error.message, "directory") != NULL);
    CHECK(hr_file_open(path_of("nowhere"), &file, NULL) == HR_EIO);
}

/* One member or frame, several, empty ones among them; in pieces of any size. */
static void test_compressed(void)
{
    hr_buffer text = make_text(2000000), out = {0}, stored = {0};
    hr_error error;
    const uint8_t *parts = text.data;

    for (int kind = HR_GZIP; kind <= HR_ZSTD; kind++) {
        void (*compress)(hr_buffer *, const void *, size_t) = kind == HR_GZIP ? gzip : zstd;
        stored.size = 0;
        compress(&stored, parts, 1000);
        compress(&stored, parts, 0);
        compress(&stored, parts + 1000, text.size - 1001);
        compress(&stored, parts + text.size - 1, 1);
        const char *path = write_file("compressed", stored.data, stored.size);
        for (size_t piece = 7; piece < 3000000; piece = piece * 13 + 1) {
            CHECK(read_all(path, piece, &out, &error) == HR_OK, "%s", error.message);
            CHECK(same(&out, text.data, text.size), "kind %d, pieces of %zu", kind, piece);
        }
        hr_file *file;
        CHECK(hr_file_open(path, &file, &error) == HR_OK && (int)hr_file_compression(file) == kind && !hr_file_seekable(file));
        CHECK(hr_file_seek(file, 3, &error) == HR_EUSAGE);
        hr_file_close(file);
    }
    hr_buffer_free(&text);
    hr_buffer_free(&out);
    hr_buffer_free(&stored);
}

/* A file cut at every byte: the end of a member is an end, anything else is an error that may be retried. */
static void test_truncated(void)
{
    static const char first[] = "first record\nsecond record\n", second[] = "third record\n";
    hr_buffer out = {0};
    hr_error error;

    for (int kind = HR_GZIP; kind <= HR_ZSTD; kind++) {
        hr_buffer stored = {0};
        void (*compress)(hr_buffer *, const void *, size_t) = kind == HR_GZIP ? gzip : zstd;
        compress(&stored, first, sizeof(first) - 1);
        size_t border = stored.size;
        compress(&stored, second, sizeof(second) - 1);
        for (size_t n = 4; n <= stored.size; n++) {
            const char *path = write_file("truncated", stored.data, n);
            int rc = read_all(path, 5, &out, &error);
            if (n == border || n == stored.size) {
                CHECK(rc == HR_OK, "kind %d cut at %zu: %s", kind, n, error.message);
                CHECK(out.size == sizeof(first) - 1 + (n == border ? 0 : sizeof(second) - 1));
            } else {
                CHECK(rc == HR_EIO && error.retriable && !error.fatal, "kind %d cut at %zu: %d", kind, n, rc);
                CHECK(strstr(error.message, "too early") != NULL && strstr(error.message, "truncated") != NULL, "%s", error.message);
            }
        }
        hr_buffer_free(&stored);
    }
    hr_buffer_free(&out);
}

/* Every byte turned: never a crash; the checksums find what the formats do not. */
static void test_damaged(void)
{
    hr_buffer text = make_text(300), out = {0};
    hr_error error;

    for (int kind = HR_GZIP; kind <= HR_ZSTD; kind++) {
        hr_buffer stored = {0};
        int found = 0;
        if (kind == HR_GZIP)
            gzip(&stored, text.data, text.size);
        else
            zstd(&stored, text.data, text.size);
        for (size_t i = 4; i < stored.size; i++) {
            stored.data[i] ^= 0x55;
            int rc = read_all(write_file("damaged", stored.data, stored.size), 64, &out, &error);
            CHECK(rc == HR_EIO || (rc == HR_OK && same(&out, text.data, text.size)), "kind %d byte %zu went unseen", kind, i);
            found += rc == HR_EIO;
            stored.data[i] ^= 0x55;
        }
        CHECK(found > (int)stored.size / 2);
        /* Zeros may pad a gzip file; other bytes may not follow. */
        size_t size = stored.size;
        if (hr_buffer_append(&stored, "\0\0\0\0\0", 5, NULL) != HR_OK)
            abort();
        int rc = read_all(write_file("padded", stored.data, stored.size), 64, &out, &error);
        CHECK(kind == HR_GZIP ? rc == HR_OK && same(&out, text.data, text.size) : rc == HR_EIO);
        memcpy(stored.data + size, "junk!", 5);
        CHECK(read_all(write_file("padded", stored.data, stored.size), 64, &out, &error) == HR_EIO);
        CHECK(error.fatal && !error.retriable && strstr(error.message, "damaged") != NULL, "%s", error.message);
        hr_buffer_free(&stored);
    }
    hr_buffer_free(&text);
    hr_buffer_free(&out);
}

/* A skippable frame first, and a frame whose window is beyond what we hold in memory. */
static void test_zstd_frames(void)
{
    hr_buffer stored = {0}, out = {0};
    hr_error error;

    CHECK(hr_buffer_append(&stored, "\x5a\x2a\x4d\x18\x03\0\0\0abc", 11, &error) == HR_OK);
    zstd(&stored, "hello\n", 6);
    CHECK(read_all(write_file("skippable", stored.data, stored.size), 64, &out, &error) == HR_OK && same(&out, "hello\n", 6), "%s",
          error.message);

    /* Magic, a descriptor without content size, a window of 2^31 bytes. */
    CHECK(read_all(write_file("window", "\x28\xb5\x2f\xfd\x00\xa8\x00\x00\x00\x00", 10), 64, &out, &error) == HR_EIO);
    CHECK(error.fatal && strstr(error.message, "128 MiB") != NULL, "%s", error.message);
    hr_buffer_free(&stored);
    hr_buffer_free(&out);
}

static void *write_slowly(void *argument)
{
    int fd = *(int *)argument;
    const char *text = "hello\n";

    for (size_t i = 0; i < 6; i++) {
        usleep(2000);
        if (write(fd, text + i, 1) != 1)
            abort();
    }
    close(fd);
    return NULL;
}

static void *wake_later(void *argument)
{
    usleep(20000);
    hr_file_wake(argument);
    return NULL;
}

/* Standard input as a pipe: slow writers, timeouts, wake. */
static void test_pipe(void)
{
    hr_buffer out = {0};
    hr_error error;
    hr_file *file;
    pthread_t thread;
    char bytes[16];
    size_t n;
    int ends[2], keep = dup(0);

    CHECK(pipe(ends) == 0 && dup2(ends[0], 0) == 0);
    close(ends[0]);
    CHECK(pthread_create(&thread, NULL, write_slowly, &ends[1]) == 0);
    CHECK(read_all("-", 16, &out, &error) == HR_OK && same(&out, "hello\n", 6));
    pthread_join(thread, NULL);

    CHECK(pipe(ends) == 0 && dup2(ends[0], 0) == 0);
    close(ends[0]);
    CHECK(hr_file_open("-", &file, &error) == HR_OK && hr_file_size(file) == -1 && !hr_file_seekable(file));
    hr_file_wait(file, 5);
    CHECK(hr_file_read(file, bytes, sizeof(bytes), &n, &error) == HR_OK && n == 0 && !hr_file_at_end(file));
    CHECK(write(ends[1], "\x1f", 1) == 1); /* may become gzip: not told yet */
    CHECK(hr_file_read(file, bytes, sizeof(bytes), &n, &error) == HR_OK && n == 0 && !hr_file_at_end(file));
    CHECK(write(ends[1], "x", 1) == 1);
    CHECK(hr_file_read(file, bytes, sizeof(bytes), &n, &error) == HR_OK && n == 2 && memcmp(bytes, "\x1fx", 2) == 0);
    hr_file_wait(file, -1);
    CHECK(pthread_create(&thread, NULL, wake_later, file) == 0);
    CHECK(hr_file_read(file, bytes, sizeof(bytes), &n, &error) == HR_OK && n == 0 && !hr_file_at_end(file));
    pthread_join(thread, NULL);
    CHECK(hr_file_seek(file, 0, &error) == HR_EUSAGE && strstr(error.message, "standard input") != NULL);
    close(ends[1]);
    CHECK(hr_file_read(file, bytes, sizeof(bytes), &n, &error) == HR_OK && n == 0 && hr_file_at_end(file));
    hr_file_close(file);
    CHECK(fcntl(0, F_GETFD) >= 0); /* standard input stays open */

    /* Gzip through a pipe. */
    hr_buffer stored = {0};
    gzip(&stored, "packed\n", 7);
    CHECK(pipe(ends) == 0 && dup2(ends[0], 0) == 0);
    close(ends[0]);
    CHECK(write(ends[1], stored.data, stored.size) == (ssize_t)stored.size);
    close(ends[1]);
    CHECK(read_all("-", 3, &out, &error) == HR_OK && same(&out, "packed\n", 7));
    hr_buffer_free(&stored);
    dup2(keep, 0);
    close(keep);
    hr_buffer_free(&out);
}

static void test_fingerprint(void)
{
    char got[HR_FINGERPRINT_SIZE], other[HR_FINGERPRINT_SIZE];
    hr_buffer text = make_text(2500000), stored = {0};
    hr_error error;
    atomic_bool cancel = true;

    /* XXH3's own answer for no bytes. */
    CHECK(hr_file_fingerprint(write_file("empty", "", 0), got, NULL, &error) == HR_OK);
    CHECK_TEXT(got, strlen(got), "99aa06d3014798d86001c324468d497f");
    const char *path = write_file("print", text.data, text.size);
    CHECK(hr_file_fingerprint(path, got, NULL, &error) == HR_OK && strlen(got) == 32);
    text.data[text.size / 2] ^= 1;
    CHECK(hr_file_fingerprint(write_file("print2", text.data, text.size), other, NULL, &error) == HR_OK && strcmp(got, other) != 0);
    text.data[text.size / 2] ^= 1;
    gzip(&stored, text.data, text.size); /* as stored, not decompressed */
    CHECK(hr_file_fingerprint(write_file("print3", stored.data, stored.size), other, NULL, &error) == HR_OK && strcmp(got, other) != 0);
    CHECK(hr_file_fingerprint(write_file("print4", stored.data, 20), other, NULL, &error) == HR_OK); /* even when it is cut short */
    CHECK(hr_file_fingerprint("-", other, NULL, &error) == HR_EUSAGE);
    CHECK(hr_file_fingerprint(path_of("nowhere"), other, NULL, &error) == HR_EIO && error.fatal);
    CHECK(hr_file_fingerprint(path_of("print"), other, &cancel, &error) == HR_ECANCELLED);
    hr_buffer_free(&text);
    hr_buffer_free(&stored);

    /* a file of three pieces: each of its bytes counts, and so does their order */
    size_t piece = (size_t)8 << 20, size = 2 * piece + 1;
    hr_buffer large = make_text(size);
    CHECK(hr_file_fingerprint(write_file("large", large.data, size), got, NULL, &error) == HR_OK);
    for (int i = 0; i < 5; i++) {
        CHECK(hr_file_fingerprint(path_of("large"), other, NULL, &error) == HR_OK && strcmp(got, other) == 0); /* whichever thread it was */
        size_t at[] = {0, piece - 1, piece, 2 * piece - 1, 2 * piece};
        large.data[at[i]] ^= 1;
        CHECK(hr_file_fingerprint(write_file("large2", large.data, size), other, NULL, &error) == HR_OK && strcmp(got, other) != 0);
        large.data[at[i]] ^= 1;
    }
    CHECK(hr_file_fingerprint(write_file("large2", large.data, size - 1), other, NULL, &error) == HR_OK && strcmp(got, other) != 0);
    memmove(large.data + piece, large.data, piece); /* two equal pieces are not one */
    CHECK(hr_file_fingerprint(write_file("large2", large.data, 2 * piece), other, NULL, &error) == HR_OK);
    CHECK(hr_file_fingerprint(write_file("large2", large.data, piece), got, NULL, &error) == HR_OK && strcmp(got, other) != 0);
    hr_buffer_free(&large);
}

/* Ranges cover the file without gap, start at records, and are few for small files. */
static void check_ranges(const uint8_t *text, size_t size, const hr_file_range *ranges, int32_t n)
{
    int64_t at = 0;

    for (int32_t i = 0; i < n; i++) {
        CHECK(ranges[i].begin == at && ranges[i].end > at, "range %d", (int)i);
        CHECK(at == 0 || text[at - 1] == '\n', "range %d starts inside a record", (int)i);
        at = ranges[i].end;
    }
    CHECK(at == (int64_t)size);
}

static void test_lanes(void)
{
    const hr_format *json = hr_format_find("json"), *csv = hr_format_find("csv");
    hr_decode_options options = {.quote = '\''};
    hr_buffer text = make_text(5 << 20), stored = {0};
    hr_file_range ranges[16];
    int32_t n;
    atomic_bool cancel = true;
    hr_error error;

    const char *path = write_file("lanes", text.data, text.size);
    for (int32_t want = 1; want <= 16; want++) {
        CHECK(hr_file_lanes(path, json, NULL, want, ranges, &n, NULL, &error) == HR_OK && n == (want < 5 ? want : 5), "%d", (int)n);
        check_ranges(text.data, text.size, ranges, n);
    }
    CHECK(hr_file_lanes(path, csv, NULL, 4, ranges, &n, NULL, &error) == HR_OK && n == 1); /* it has quotes */
    check_ranges(text.data, text.size, ranges, n);
    CHECK(hr_file_lanes(path, csv, &options, 4, ranges, &n, NULL, &error) == HR_OK && n == 4); /* but not these */
    check_ranges(text.data, text.size, ranges, n);
    CHECK(hr_file_lanes(path, json, NULL, 4, ranges, &n, &cancel, &error) == HR_ECANCELLED);

    /* One line over several cuts: fewer ranges. */
    for (size_t i = 3 << 19; i < 4 << 20; i++)
        if (text.data[i] == '\n')
            text.data[i] = ' ';
    path = write_file("lanes", text.data, text.size);
    CHECK(hr_file_lanes(path, json, NULL, 5, ranges, &n, NULL, &error) == HR_OK && n == 3, "%d", (int)n);
    check_ranges(text.data, text.size, ranges, n);
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] == '\n')
            text.data[i] = ' ';
    path = write_file("lanes", text.data, text.size);
    CHECK(hr_file_lanes(path, json, NULL, 5, ranges, &n, NULL, &error) == HR_OK && n == 1);
    check_ranges(text.data, text.size, ranges, n);

    gzip(&stored, text.data, text.size);
    CHECK(hr_file_lanes(write_file("lanes.gz", stored.data, stored.size), json, NULL, 5, ranges, &n, NULL, &error) == HR_OK);
    CHECK(n == 1 && ranges[0].begin == 0 && ranges[0].end == INT64_MAX);
    CHECK(hr_file_lanes("-", json, NULL, 5, ranges, &n, NULL, &error) == HR_OK && n == 1 && ranges[0].end == INT64_MAX);
    CHECK(hr_file_lanes(write_file("empty", "", 0), json, NULL, 5, ranges, &n, NULL, &error) == HR_OK);
    CHECK(n == 1 && ranges[0].begin == 0 && ranges[0].end == 0);
    CHECK(hr_file_lanes(path_of("nowhere"), json, NULL, 5, ranges, &n, NULL, &error) == HR_EIO);
    hr_buffer_free(&text);
    hr_buffer_free(&stored);
}

static void test_lines_and_head(void)
{
    const hr_format *json = hr_format_find("json"), *csv = hr_format_find("csv");
    static const char text[] = "\xef\xbb\xbf"
                               "a,\"b\nc\",d\r\n1,2,3\n\n4,5,6";
    hr_buffer out = {0}, stored = {0};
    hr_error error;
    int64_t line;

    const char *path = write_file("lines", text, sizeof(text) - 1);
    gzip(&stored, text, sizeof(text) - 1);
    const char *packed = write_file("lines.gz", stored.data, stored.size);
    for (int64_t at = 0, want = 1; at < (int64_t)sizeof(text) - 1; want += text[at++] == '\n') {
        CHECK(hr_file_line_of(path, at, &line, NULL, &error) == HR_OK && line == want, "byte %d", (int)at);
        CHECK(hr_file_line_of(packed, at, &line, NULL, &error) == HR_OK && line == want, "byte %d", (int)at);
    }
    CHECK(hr_file_head(path, csv, NULL, &out, &error) == HR_OK);
    CHECK_TEXT(out.data, out.size, "a,\"b\nc\",d");
    out.size = 0;
    CHECK(hr_file_head(packed, json, NULL, &out, &error) == HR_OK);
    CHECK_TEXT(out.data, out.size, "a,\"b");
    out.size = 0;
    CHECK(hr_file_head(write_file("empty", "", 0), csv, NULL, &out, &error) == HR_OK && out.size == 0);
    CHECK(hr_file_head(write_file("blank", "\r\n\n", 3), csv, NULL, &out, &error) == HR_OK && out.size == 0);
    CHECK(hr_file_head(write_file("late", "\r\n\na,b\n", 7), csv, NULL, &out, &error) == HR_OK);
    CHECK(out.size == 3 && memcmp(out.data, "a,b", 3) == 0);
    out.size = 0;
    CHECK(hr_file_head(write_file("one", "a,b", 3), csv, NULL, &out, &error) == HR_OK);
    CHECK_TEXT(out.data, out.size, "a,b");
    hr_buffer_free(&stored);
    hr_buffer endless = make_text(18 << 20);
    for (size_t i = 0; i < endless.size; i++)
        if (endless.data[i] == '\n')
            endless.data[i] = ' ';
    CHECK(hr_file_head(write_file("endless", endless.data, endless.size), json, NULL, &out, &error) == HR_EDATA);
    hr_buffer_free(&endless);
    hr_buffer_free(&out);
}

/* Every allocation of an open and a read fails once: an error, no leak. */
static void test_faults(void)
{
    static const char *const names[] = {"plain", "gzip"};
    hr_buffer stored = {0}, out = {0};
    hr_error error;

    write_file("plain", "hello\n", 6);
    gzip(&stored, "hello\n", 6);
    write_file("gzip", stored.data, stored.size);
    hr_buffer_free(&stored);
    if (hr_buffer_reserve(&out, 4096, NULL) != HR_OK)
        abort();
    for (size_t i = 0; i < 2; i++) {
        const char *path = path_of(names[i]);
        for (long n = 1;; n++) {
            hr_fault_arm(n, false);
            int rc = read_all(path, 64, &out, &error);
            bool fired = hr_fault_fired();
            hr_fault_arm(0, false);
            CHECK(rc == (fired ? HR_ENOMEM : HR_OK), "%s, allocation %ld: %d %s", names[i], n, rc, error.message);
            if (!fired)
                break;
        }
    }
    hr_buffer_free(&out);
}

int main(void)
{
    if (mkdtemp(folder) == NULL)
        return 1;
    test_plain();
    test_refused();
    test_compressed();
    test_truncated();
    test_damaged();
    test_zstd_frames();
    test_pipe();
    test_fingerprint();
    test_lanes();
    test_lines_and_head();
    test_faults();
    static const char *const left[] = {"plain",    "refused", "compressed", "truncated", "damaged", "padded", "skippable", "window",
                                       "empty",    "print",   "print2",     "print3",    "print4",  "large",  "large2",    "lanes",
                                       "lanes.gz", "lines",   "lines.gz",   "one",       "endless", "gzip",   "blank",     "late"};
    for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++)
        unlink(path_of(left[i]));
    CHECK(rmdir(folder) == 0);
    return CHECK_DONE();
}
