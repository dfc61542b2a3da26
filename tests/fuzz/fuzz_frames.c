/* tests/fuzz/fuzz_frames.c: the framer on a file of any bytes, in blocks of any size, against the format's frame function on all bytes.
 *
 * Byte 0: the format and where to start; byte 1: the block's size; byte 2: how many records at once; byte 3: the longest record. */
#include "fuzz.h"
#include "io/source/framer.h"

/* Where the record of the whole text at `at` ends. */
static size_t whole_record(const hr_format *format, const hr_decode_options *options, const char *text, size_t n, size_t at, size_t *body,
                           size_t *skip)
{
    size_t length = format->frame(options, text + at, n - at, true, body);

    *skip = at == 0 && n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0; /* a byte order mark is no part of the first record */
    if (*skip > *body)
        *skip = *body;
    return length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, data + size};
    unsigned kind = fuzz_byte(&in), block = fuzz_byte(&in), many = fuzz_byte(&in), limit = fuzz_byte(&in);
    const char *text = (const char *)in.at;
    size_t n = fuzz_left(&in), at = 0;
    hr_decode_options csv = {.delimiter = kind & 2 ? ';' : ',', .quote = kind & 4 ? '\'' : '"'};
    hr_framer_options options = {.format = hr_format_find(kind & 1 ? "csv" : "json"), .decode = &csv, .end = INT64_MAX, .topic = "x"};
    hr_framer *framer;
    hr_frames frames;
    hr_error error;
    int64_t line = 1;
    char path[64];
    int file;

    options.block_size = block < 200 ? 1 + block : 4096;
    options.record_limit = limit % 4 == 3 ? 1 + limit : 0;
    for (unsigned i = 0; i < (kind >> 3 & 7) && at < n; i++) { /* start behind so many records */
        size_t body = 0;
        at += options.format->frame(&csv, text + at, n - at, true, &body);
    }
    options.begin = (int64_t)at;
    file = fuzz_file(text, n, path);
    FUZZ_AGREE(hr_framer_open(path, &options, &framer, &error) == HR_OK, "%s", error.message);
    if (hr_file_compression(hr_framer_file(framer)) != HR_PLAIN)
        at = n; /* fuzz_file.c has these */
    while (at < n) {
        int rc;
        hr_error_clear(&error);
        rc = hr_framer_next(framer, -1, 1 + many % 9, &frames, &error);
        FUZZ_AGREE(rc == HR_OK || (rc == HR_EDATA && options.record_limit > 0), "%d %s", rc, error.message);
        if (rc == HR_EDATA) { /* passed over up to a line break: go on from there */
            FUZZ_REQUIRE((size_t)frames.next > at && (size_t)frames.next <= n && error.message[0] != '\0');
            FUZZ_REQUIRE((size_t)frames.next - at > options.record_limit);
            for (; at < (size_t)frames.next; at++)
                line += text[at] == '\n';
            continue;
        }
        for (int64_t i = 0; i < frames.count; i++) {
            const hr_record *record = &frames.records[i];
            size_t body = 0, skip = 0, length = whole_record(options.format, &csv, text, n, at, &body, &skip);
            FUZZ_AGREE(record->offset == (int64_t)(at + skip) || record->offset == (int64_t)at, "%lld, not %zu", (long long)record->offset,
                       at);
            FUZZ_AGREE(record->line == line, "line %lld, not %lld", (long long)record->line, (long long)line);
            FUZZ_REQUIRE(record->data != NULL && record->len == body - skip && memcmp(record->data, text + at + skip, record->len) == 0);
            for (size_t end = at + length; at < end; at++)
                line += text[at] == '\n';
        }
        FUZZ_AGREE(frames.next == (int64_t)at, "next %lld, not %zu", (long long)frames.next, at);
        FUZZ_REQUIRE(frames.count > 0 || frames.finished);
        if (frames.finished)
            FUZZ_REQUIRE(at == n);
        hr_frames_release(&frames);
    }
    if (hr_file_compression(hr_framer_file(framer)) == HR_PLAIN) {
        FUZZ_REQUIRE(hr_framer_next(framer, -1, 1, &frames, &error) == HR_OK && frames.count == 0 && frames.finished);
        hr_frames_release(&frames);
    }
    hr_framer_close(framer);
    close(file);
    return 0;
}
