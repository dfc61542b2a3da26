/* tests/core/test_framer.c: files cut into records. The oracle is a plain loop over the whole text in memory. */
#include <pthread.h>
#include <unistd.h>
#include <zlib.h>

#include "check.h"
#include "faults.h"
#include "io/source/framer.h"

static char folder[] = "/tmp/hr_test_framer_XXXXXX";

static const char *path_of(const char *name)
{
    static char path[8][128];
    static int turn;
    char *to = path[turn++ % 8];

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

static const char *write_gzip(const char *name, const void *bytes, size_t n)
{
    const char *path = path_of(name);
    gzFile file = gzopen(path, "wb");

    if (file == NULL || (n > 0 && gzwrite(file, bytes, (unsigned)n) != (int)n) || gzclose(file) != Z_OK)
        abort();
    return path;
}

/* What is expected of one record. */
typedef struct want {
    int64_t offset, line;
    const char *data;
    size_t len;
} want;

/* The records of text by the plainest means: the format's frame over the whole rest. */
static int64_t frame_all(const hr_format *format, const char *text, size_t n, want *out)
{
    static const hr_decode_options none;
    int64_t count = 0, line = 1;

    for (size_t at = 0; at < n;) {
        size_t body = 0, bom = at == 0 && n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
        size_t length = format->frame(&none, text + at, n - at, true, &body);
        out[count++] = (want){(int64_t)at, line, text + at + bom, body - bom};
        for (size_t i = at; i < at + length; i++)
            line += text[i] == '\n';
        at += length;
    }
    return count;
}

/* Compare everything a framer yields from its begin on with the oracle's records from `first` on. */
static void check_run(const char *path, const hr_framer_options *options, int64_t max_records, const want *wanted, int64_t first,
                      int64_t last)
{
    hr_framer *framer = NULL;
    hr_frames frames;
    hr_error error;
    int64_t at = first, good = 0, next = options->begin;
    bool finished = false;

    CHECK(hr_framer_open(path, options, &framer, &error) == HR_OK, "%s", error.message);
    while (framer != NULL && !finished) {
        int rc = hr_framer_next(framer, -1, max_records, &frames, &error);
        if (rc != HR_OK) {
            CHECK(rc == HR_OK, "%s", error.message);
            break;
        }
        CHECK(frames.count <= max_records && (frames.count > 0 || frames.finished));
        for (int64_t i = 0; i < frames.count && at < last; i++, at++) {
            const hr_record *record = &frames.records[i];
            int64_t line = 0;
            good += record->offset == wanted[at].offset && record->len == wanted[at].len && record->data != NULL &&
                    memcmp(record->data, wanted[at].data, wanted[at].len) == 0 &&
                    record->line == wanted[at].line - wanted[first].line + 1 && record->partition == 7 && record->key == NULL &&
                    record->timestamp == HR_NO_TIMESTAMP && strcmp(record->topic, "topic") == 0;
            if (i == 0)
                CHECK(hr_framer_line(framer, record, &line, NULL, &error) == HR_OK && line == wanted[at].line, "line %d", (int)line);
            next = at + 1 < last ? wanted[at + 1].offset : frames.next;
        }
        CHECK(frames.next == next, "next %d, want %d", (int)frames.next, (int)next);
        finished = frames.finished;
        hr_frames_release(&frames);
    }
    CHECK(at == last && good == last - first, "%d of %d records, %d good", (int)(at - first), (int)(last - first), (int)good);
    hr_framer_close(framer);
}

static const char json_text[] = "\xef\xbb\xbf{\"a\": 1}\n{\"a\": 22}\r\n\n\r\n"
                                "{\"a\": \"long enough to need a larger block\"}\n \n{\"last\": 1}";
static const char csv_text[] = "a,b\r\n1,\"two\nlines\"\r\n\n2,\"x\"\"\n\"\"y\"\n3,bare\rend\n\"\",\n4,\"open\nend\n";

/* Every block size, every limit of records, plain and gzip, from every record on. */
static void test_small(void)
{
    static const struct {
        const char *format, *text;
        size_t size;
    } cases[] = {{"json", json_text, sizeof(json_text) - 1}, {"csv", csv_text, sizeof(csv_text) - 1}};

    for (size_t c = 0; c < 2; c++) {
        want wanted[64];
        hr_framer_options options = {.format = hr_format_find(cases[c].format), .topic = "topic", .partition = 7};
        int64_t count = frame_all(options.format, cases[c].text, cases[c].size, wanted);
        const char *plain = write_file("plain", cases[c].text, cases[c].size);
        const char *packed = write_gzip("packed", cases[c].text, cases[c].size);
        CHECK(count > 5);
        for (size_t block = 1; block < 80; block++) {
            options.block_size = block;
            options.begin = 0;
            for (int64_t max = 1; max < 5; max++) {
                options.end = INT64_MAX;
                check_run(plain, &options, max, wanted, 0, count);
                check_run(packed, &options, max, wanted, 0, count);
                options.end = (int64_t)cases[c].size;
                check_run(plain, &options, max, wanted, 0, count);
            }
            for (int64_t first = 1; first < count; first++) {
                options.begin = wanted[first].offset;
                options.end = INT64_MAX;
                check_run(plain, &options, 1000, wanted, first, count);
                check_run(packed, &options, 1000, wanted, first, count);
                options.begin = 0;
                options.end = wanted[first].offset;
                check_run(plain, &options, 1000, wanted, 0, first);
                check_run(packed, &options, 1000, wanted, 0, first);
            }
        }
    }
}

/* Nothing at all; only line breaks; nothing left to read. */
static void test_empty(void)
{
    hr_framer_options options = {.format = hr_format_find("json"), .end = INT64_MAX, .topic = "topic", .partition = 7};
    want wanted[8];

    check_run(write_file("empty", "", 0), &options, 10, wanted, 0, 0);
    check_run(write_gzip("empty.gz", "", 0), &options, 10, wanted, 0, 0);
    int64_t count = frame_all(options.format, "\n\n\r\n", 4, wanted);
    CHECK(count == 3 && wanted[2].len == 0);
    check_run(write_file("blank", "\n\n\r\n", 4), &options, 10, wanted, 0, count);
    options.begin = options.end = 4;
    check_run(path_of("blank"), &options, 10, wanted, 0, 0);
    options.end = INT64_MAX;
    check_run(path_of("blank"), &options, 10, wanted, 0, 0);
}

/* Many records in default blocks, in lanes; the lanes together are the whole. */
static void test_large(void)
{
    const size_t size = 5 << 20;
    char *text = malloc(size + 4096);
    want *wanted = malloc(sizeof(*wanted) * 100000);
    hr_framer_options options = {.format = hr_format_find("json"), .topic = "topic", .partition = 7};
    hr_file_range ranges[4];
    int64_t count, first = 0;
    size_t n = 0;
    int32_t lanes;
    hr_error error;

    if (text == NULL || wanted == NULL)
        abort();
    for (uint32_t i = 0; n < size; i++) {
        size_t len = i % 977 == 0 ? 3000 : i % 150;
        memset(text + n, 'a' + (int)(i % 26), len);
        n += len;
        text[n++] = '\n';
    }
    count = frame_all(options.format, text, n, wanted);
    CHECK(count > 50000 && count < 100000, "%d", (int)count);
    const char *path = write_file("large", text, n);
    CHECK(hr_file_lanes(path, options.format, NULL, 4, ranges, &lanes, NULL, &error) == HR_OK && lanes == 4);
    for (int32_t i = 0; i < lanes; i++) {
        int64_t last = first;
        while (last < count && wanted[last].offset < ranges[i].end)
            last++;
        options.begin = ranges[i].begin;
        options.end = ranges[i].end;
        check_run(path, &options, 10000, wanted, first, last);
        first = last;
    }
    CHECK(first == count);
    options.begin = 0;
    options.end = INT64_MAX;
    check_run(write_gzip("large.gz", text, n), &options, INT64_MAX, wanted, 0, count);
    options.begin = wanted[count / 2].offset;
    check_run(path_of("large.gz"), &options, 100, wanted, count / 2, count);
    free(text);
    free(wanted);
}

/* Records outlive the framer, in any order of release. */
static void test_lifetime(void)
{
    hr_framer_options options = {.format = hr_format_find("json"), .end = INT64_MAX, .block_size = 8};
    hr_frames frames[5];
    hr_framer *framer;
    hr_error error;

    const char *path = write_file("plain", "aa\nbb\ncc\ndddddddddddd\nee", 24);
    CHECK(hr_framer_open(path, &options, &framer, &error) == HR_OK);
    for (int i = 0; i < 5; i++)
        CHECK(hr_framer_next(framer, -1, 1, &frames[i], &error) == HR_OK && frames[i].count == 1);
    CHECK(frames[4].finished);
    hr_framer_close(framer);
    CHECK_TEXT(frames[3].records[0].data, frames[3].records[0].len, "dddddddddddd");
    CHECK_TEXT(frames[0].records[0].data, frames[0].records[0].len, "aa");
    hr_frames_release(&frames[3]);
    hr_frames_release(&frames[0]);
    CHECK_TEXT(frames[1].records[0].data, frames[1].records[0].len, "bb");
    hr_frames_release(&frames[1]);
    CHECK_TEXT(frames[2].records[0].data, frames[2].records[0].len, "cc");
    hr_frames_release(&frames[4]);
    hr_frames_release(&frames[2]);
    hr_frames_release(&frames[2]); /* again does nothing */
}

/* Too long a record is told once, with its beginning; the next one is found again. */
static void test_oversized(void)
{
    static const char text[] = "ok 1\n0123456789012345678901234567890123456789\nok 2\n"
                               "\"quote\nthat never closes, and on it goes\nfor ever\nok 3\n";
    hr_framer_options options = {.end = INT64_MAX, .record_limit = 30};
    hr_error error;

    const char *path = write_file("plain", text, sizeof(text) - 1);
    for (int kind = 0; kind < 2; kind++) {
        for (size_t block = 1; block < 200; block++) {
            hr_framer *framer;
            hr_frames frames;
            int64_t records = 0, refused = 0, line = 0, before = 0;
            bool finished = false;
            options.format = hr_format_find(kind == 0 ? "json" : "csv");
            options.block_size = block;
            CHECK(hr_framer_open(path, &options, &framer, &error) == HR_OK);
            while (!finished) {
                int rc = hr_framer_next(framer, -1, 2, &frames, &error);
                CHECK(rc == HR_OK || rc == HR_EDATA, "%s", error.message);
                if (rc == HR_EDATA) {
                    refused++;
                    CHECK(error.reason == HR_REASON_RANGE && frames.count == 0);
                    CHECK(before == (refused == 1 ? 5 : kind == 0 ? 58 : 51), "%d", (int)before);
                    CHECK(frames.line == (refused == 1 ? 2 : kind == 0 ? 5 : 4), "%d", (int)frames.line);
                    CHECK(frames.next > before + 30 && text[frames.next - 1] == '\n', "%d", (int)frames.next);
                    CHECK(error.value_len > 30 && memcmp(error.value, text + before, error.value_len) == 0);
                }
                for (int64_t i = 0; i < frames.count; i++, records++) {
                    const hr_record *record = &frames.records[i];
                    CHECK(memcmp(record->data, text + record->offset, record->len) == 0);
                    CHECK(hr_framer_line(framer, record, &line, NULL, &error) == HR_OK);
                    int64_t real = 1;
                    for (int64_t k = 0; k < record->offset; k++)
                        real += text[k] == '\n';
                    CHECK(line == real, "line %d is really %d", (int)line, (int)real);
                }
                finished = frames.finished;
                before = frames.next;
                hr_frames_release(&frames);
            }
            if (kind == 0)
                CHECK(refused == 2 && records == 5, "block %zu: %d refused, %d records", block, (int)refused, (int)records);
            else
                CHECK(refused == 2 && records >= 2, "block %zu: %d refused, %d records", block, (int)refused, (int)records);
            hr_framer_close(framer);
        }
    }
}

/* An oversized record in a pipe is told when it is over, not before; until then nothing counts as done. */
static void test_oversized_pipe(void)
{
    hr_framer_options options = {.format = hr_format_find("json"), .end = INT64_MAX, .record_limit = 10, .block_size = 8};
    hr_framer *framer;
    hr_frames frames;
    hr_error error;
    int ends[2], keep = dup(0);

    CHECK(pipe(ends) == 0 && dup2(ends[0], 0) == 0);
    close(ends[0]);
    CHECK(hr_framer_open("-", &options, &framer, &error) == HR_OK);
    CHECK(write(ends[1], "0123456789abcdef", 16) == 16);
    CHECK(hr_framer_next(framer, 20, 10, &frames, &error) == HR_OK && frames.count == 0 && frames.next == 0);
    CHECK(write(ends[1], "ghi", 3) == 3);
    CHECK(hr_framer_next(framer, 20, 10, &frames, &error) == HR_OK && frames.count == 0 && frames.next == 0);
    CHECK(write(ends[1], "j\nnext\n", 7) == 7);
    CHECK(hr_framer_next(framer, -1, 10, &frames, &error) == HR_EDATA && frames.next == 21 && frames.line == 1 && !frames.finished);
    CHECK(error.value_len >= 10 && memcmp(error.value, "0123456789", 10) == 0);
    CHECK(hr_framer_next(framer, -1, 10, &frames, &error) == HR_OK && frames.count == 1 && frames.records[0].line == 2 &&
          frames.next == 26);
    hr_frames_release(&frames);
    CHECK(write(ends[1], "0123456789abcdef", 16) == 16);
    close(ends[1]);
    CHECK(hr_framer_next(framer, -1, 10, &frames, &error) == HR_EDATA && frames.next == 42 && frames.finished);
    CHECK(hr_framer_next(framer, -1, 10, &frames, &error) == HR_OK && frames.count == 0 && frames.finished);
    hr_framer_close(framer);
    dup2(keep, 0);
    close(keep);
}

/* The file is not the one that was begun. */
static void test_wrong_file(void)
{
    hr_framer_options options = {.format = hr_format_find("json"), .begin = 20, .end = INT64_MAX};
    hr_framer *framer;
    hr_frames frames;
    hr_error error;

    const char *plain = write_file("plain", "aa\nbb\n", 6);
    const char *packed = write_gzip("packed", "aa\nbb\n", 6);
    CHECK(hr_framer_open(plain, &options, &framer, &error) == HR_EIO && error.fatal && !error.retriable && framer == NULL);
    CHECK(hr_framer_open(packed, &options, &framer, &error) == HR_OK);
    CHECK(hr_framer_next(framer, -1, 10, &frames, &error) == HR_EIO && error.fatal && frames.count == 0);
    CHECK(strstr(error.message, "byte 6") != NULL && strstr(error.message, "byte 20") != NULL, "%s", error.message);
    hr_framer_close(framer);
    options.begin = 0;
    options.end = 20;
    CHECK(hr_framer_open(plain, &options, &framer, &error) == HR_OK);
    CHECK(hr_framer_next(framer, -1, 10, &frames, &error) == HR_EIO && error.fatal && strstr(error.message, "up to byte 20") != NULL, "%s",
          error.message);
    hr_framer_close(framer);
    options.begin = 5;
    options.end = 4;
    CHECK(hr_framer_open(plain, &options, &framer, &error) == HR_EUSAGE);
    options.begin = -1;
    CHECK(hr_framer_open(plain, &options, &framer, &error) == HR_EUSAGE);
    CHECK(hr_framer_open(path_of("nowhere"), &(hr_framer_options){.format = options.format}, &framer, &error) == HR_EIO);
    hr_format messages = {.name = "messages"};
    CHECK(hr_framer_open(plain, &(hr_framer_options){.format = &messages}, &framer, &error) == HR_EUSAGE);
}

static void *wake_later(void *argument)
{
    usleep(20000);
    hr_framer_wake(argument);
    return NULL;
}

/* A pipe: whole lines come at once, halves wait, wake and timeouts hold, all share one block. */
static void test_pipe(void)
{
    hr_framer_options options = {.format = hr_format_find("json"), .begin = 3, .end = INT64_MAX};
    hr_framer *framer;
    hr_frames frames[3];
    hr_error error;
    pthread_t thread;
    int ends[2], keep = dup(0);

    CHECK(pipe(ends) == 0 && dup2(ends[0], 0) == 0);
    close(ends[0]);
    CHECK(hr_framer_open("-", &options, &framer, &error) == HR_OK);
    CHECK(hr_framer_next(framer, 5, 10, &frames[0], &error) == HR_OK && frames[0].count == 0 && !frames[0].finished);
    CHECK(write(ends[1], "a", 1) == 1);
    CHECK(hr_framer_next(framer, 5, 10, &frames[0], &error) == HR_OK && frames[0].count == 0 && frames[0].next == 3);
    CHECK(write(ends[1], "a\nbb\ncc\nd", 9) == 9);
    CHECK(hr_framer_next(framer, -1, 10, &frames[0], &error) == HR_OK && frames[0].count == 2 && frames[0].next == 9);
    CHECK_TEXT(frames[0].records[1].data, frames[0].records[1].len, "cc");
    CHECK(frames[0].records[0].line == 1);
    int64_t line = 0;
    CHECK(hr_framer_line(framer, &frames[0].records[0], &line, NULL, &error) == HR_OK && line == 2);
    CHECK(hr_framer_next(framer, 5, 10, &frames[1], &error) == HR_OK && frames[1].count == 0 && frames[1].next == 9);
    CHECK(pthread_create(&thread, NULL, wake_later, framer) == 0);
    CHECK(hr_framer_next(framer, -1, 10, &frames[1], &error) == HR_OK && frames[1].count == 0);
    pthread_join(thread, NULL);
    CHECK(write(ends[1], "d\n", 2) == 2);
    CHECK(hr_framer_next(framer, -1, 10, &frames[1], &error) == HR_OK && frames[1].count == 1 && frames[1].block == frames[0].block);
    CHECK_TEXT(frames[1].records[0].data, frames[1].records[0].len, "dd");
    CHECK(write(ends[1], "e", 1) == 1);
    close(ends[1]);
    CHECK(hr_framer_next(framer, -1, 10, &frames[2], &error) == HR_OK && frames[2].count == 1 && frames[2].finished);
    CHECK_TEXT(frames[2].records[0].data, frames[2].records[0].len, "e");
    CHECK_TEXT(frames[0].records[0].data, frames[0].records[0].len, "bb");
    for (int i = 0; i < 3; i++)
        hr_frames_release(&frames[i]);
    CHECK(hr_framer_next(framer, -1, 10, &frames[0], &error) == HR_OK && frames[0].count == 0 && frames[0].finished);
    hr_framer_close(framer);
    dup2(keep, 0);
    close(keep);
}

/* Wake and a timeout reach a framer that is still throwing bytes away. */
static void test_discard_is_interruptible(void)
{
    hr_framer_options options = {.format = hr_format_find("json"), .begin = 900, .end = INT64_MAX, .block_size = 10};
    hr_framer *framer;
    hr_frames frames;
    hr_error error;
    char text[1000];

    memset(text, '\n', sizeof(text));
    const char *path = write_gzip("packed", text, sizeof(text));
    CHECK(hr_framer_open(path, &options, &framer, &error) == HR_OK);
    CHECK(hr_framer_next(framer, 0, 10, &frames, &error) == HR_OK && frames.count == 0 && !frames.finished);
    hr_framer_wake(framer);
    CHECK(hr_framer_next(framer, -1, 10, &frames, &error) == HR_OK && frames.count == 0 && !frames.finished);
    CHECK(hr_framer_next(framer, -1, 10, &frames, &error) == HR_OK && frames.count == 10 && frames.records[0].offset == 900);
    hr_frames_release(&frames);
    hr_framer_close(framer);
}

/* Each allocation fails once: HR_ENOMEM, and calling again loses nothing. */
static void test_faults(void)
{
    want wanted[64];
    hr_framer_options options = {.format = hr_format_find("json"), .end = INT64_MAX, .block_size = 16, .topic = "topic", .partition = 7};
    int64_t count = frame_all(options.format, json_text, sizeof(json_text) - 1, wanted);
    const char *path = write_file("plain", json_text, sizeof(json_text) - 1);
    bool fired = true;

    for (long n = 1; fired; n++) {
        hr_framer *framer;
        hr_frames frames = {0};
        hr_error error;
        int64_t at = 0;
        hr_fault_arm(n, false);
        int rc = hr_framer_open(path, &options, &framer, &error);
        if (rc != HR_OK) {
            CHECK(rc == HR_ENOMEM && hr_fault_fired() && framer == NULL);
            continue;
        }
        while (!frames.finished) {
            rc = hr_framer_next(framer, -1, 3, &frames, &error);
            CHECK(rc == HR_OK || (rc == HR_ENOMEM && hr_fault_fired() && frames.count == 0 && frames.records == NULL));
            for (int64_t i = 0; i < frames.count; i++, at++)
                CHECK(at < count && frames.records[i].offset == wanted[at].offset && frames.records[i].len == wanted[at].len);
            bool finished = frames.finished;
            hr_frames_release(&frames);
            frames.finished = finished;
        }
        CHECK(at == count, "allocation %ld: %d of %d records", n, (int)at, (int)count);
        fired = hr_fault_fired();
        hr_fault_arm(0, false);
        hr_framer_close(framer);
    }
}

int main(void)
{
    static const char *const left[] = {"plain", "packed", "empty", "empty.gz", "blank", "large", "large.gz"};

    if (mkdtemp(folder) == NULL)
        return 1;
    test_small();
    test_empty();
    test_large();
    test_lifetime();
    test_oversized();
    test_oversized_pipe();
    test_wrong_file();
    test_pipe();
    test_discard_is_interruptible();
    test_faults();
    for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++)
        unlink(path_of(left[i]));
    CHECK(rmdir(folder) == 0);
    return CHECK_DONE();
}
