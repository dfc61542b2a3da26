/* csrc/io/source/file_scan.c: questions about a whole file: whether it is whole, where it may be cut, its lines, its first record. */
#include <unistd.h>

#include "file.h"

#define HR_SCAN_BLOCK ((size_t)256 << 10) /* what is read is looked at while it is still in the processor's cache */
#define HR_SCAN_HEAD_LIMIT ((size_t)16 << 20)
#define HR_SCAN_SHORTEST ((int64_t)1 << 20) /* a range is worth a connection of its own from here on */

static bool hr_scan_cancelled(const atomic_bool *cancel)
{
    return cancel != NULL && atomic_load_explicit(cancel, memory_order_relaxed);
}

/* A file being read from front to back, a block at a time. */
typedef struct hr_scan {
    hr_file *file;
    uint8_t *block;
    size_t n; /* bytes in block; 0 at the end */
    const atomic_bool *cancel;
} hr_scan;

static int hr_scan_open(hr_scan *scan, const char *path, const atomic_bool *cancel, hr_error *error)
{
    memset(scan, 0, sizeof(*scan));
    scan->cancel = cancel;
    HR_RETURN_NOT_OK(hr_file_open(path, &scan->file, error));
    scan->block = hr_malloc(HR_SCAN_BLOCK);
    if (scan->block == NULL) {
        hr_file_close(scan->file);
        return hr_error_nomem(error);
    }
    return HR_OK;
}

static void hr_scan_close(hr_scan *scan)
{
    hr_file_close(scan->file);
    hr_free(scan->block);
}

/* Read the next block. */
static int hr_scan_next(hr_scan *scan, hr_error *error)
{
    if (hr_scan_cancelled(scan->cancel))
        return hr_error_set(error, HR_ECANCELLED, "cancelled");
    do
        HR_RETURN_NOT_OK(hr_file_read(scan->file, scan->block, HR_SCAN_BLOCK, &scan->n, error));
    while (scan->n == 0 && !hr_file_at_end(scan->file));
    return HR_OK;
}

int hr_file_check(const char *path, const atomic_bool *cancel, hr_error *error)
{
    hr_scan scan;
    int rc;

    HR_RETURN_NOT_OK(hr_scan_open(&scan, path, cancel, error));
    do
        rc = hr_file_compression(scan.file) != HR_PLAIN ? hr_scan_next(&scan, error) : HR_OK;
    while (rc == HR_OK && scan.n > 0);
    hr_scan_close(&scan);
    return rc;
}

static int64_t hr_scan_count_newlines(const uint8_t *bytes, size_t n)
{
    int64_t count = 0;

    for (size_t i = 0; i < n; i++)
        count += bytes[i] == '\n';
    return count;
}

int hr_file_line_of(const char *path, int64_t offset, int64_t *line, const atomic_bool *cancel, hr_error *error)
{
    int64_t at = 0, count = 1;
    hr_scan scan;
    int rc;

    *line = 0;
    HR_RETURN_NOT_OK(hr_scan_open(&scan, path, cancel, error));
    while ((rc = hr_scan_next(&scan, error)) == HR_OK && scan.n > 0 && at < offset) {
        int64_t left = offset - at;
        count += hr_scan_count_newlines(scan.block, (int64_t)scan.n < left ? scan.n : (size_t)left);
        at += (int64_t)scan.n;
    }
    hr_scan_close(&scan);
    HR_RETURN_NOT_OK(rc);
    *line = count;
    return HR_OK;
}

/* Whether `byte` occurs in the file. */
static int hr_scan_find(hr_scan *scan, char byte, bool *found, hr_error *error)
{
    int rc;

    *found = false;
    while ((rc = hr_scan_next(scan, error)) == HR_OK && scan->n > 0 && !*found)
        *found = memchr(scan->block, byte, scan->n) != NULL;
    return rc;
}

/* The first record start at or after `target` (> 0): just after a line break. The file's size when there is none. */
static int hr_scan_cut(hr_scan *scan, int64_t target, int64_t *cut, hr_error *error)
{
    int64_t at = target - 1;

    HR_RETURN_NOT_OK(hr_file_seek(scan->file, at, error));
    for (;;) {
        const uint8_t *newline;
        HR_RETURN_NOT_OK(hr_scan_next(scan, error));
        newline = scan->n > 0 ? memchr(scan->block, '\n', scan->n) : NULL;
        if (newline != NULL) {
            *cut = at + (newline - scan->block) + 1;
            return HR_OK;
        }
        if (scan->n == 0) {
            *cut = hr_file_size(scan->file);
            return HR_OK;
        }
        at += (int64_t)scan->n;
    }
}

/* Cut the open plain file. */
static int hr_scan_lanes(hr_scan *scan, int32_t want, hr_file_range *ranges, int32_t *n, hr_error *error)
{
    int64_t size = hr_file_size(scan->file), begin = 0, cut;

    if (want > size / HR_SCAN_SHORTEST)
        want = (int32_t)(size / HR_SCAN_SHORTEST);
    for (int32_t i = 1; i < want; i++) {
        int64_t target = size / want * i;
        if (target <= begin)
            continue;
        HR_RETURN_NOT_OK(hr_scan_cut(scan, target, &cut, error));
        if (cut <= begin || cut >= size)
            continue;
        ranges[*n] = (hr_file_range){begin, cut};
        (*n)++;
        begin = cut;
    }
    ranges[*n] = (hr_file_range){begin, size};
    (*n)++;
    return HR_OK;
}

int hr_file_lanes(const char *path, const hr_format *format, const hr_decode_options *options, int32_t want, hr_file_range *ranges,
                  int32_t *n, const atomic_bool *cancel, hr_error *error)
{
    bool quoted = false;
    hr_scan scan;
    int rc = HR_OK;

    ranges[0] = (hr_file_range){0, INT64_MAX};
    *n = 1;
    if (strcmp(path, "-") == 0)
        return HR_OK;
    HR_RETURN_NOT_OK(hr_scan_open(&scan, path, cancel, error));
    if (hr_file_seekable(scan.file)) {
        if (want > 1 && strcmp(format->name, "json") != 0)
            rc = hr_scan_find(&scan, options != NULL && options->quote != '\0' ? options->quote : '"', &quoted, error);
        *n = 0;
        if (rc == HR_OK)
            rc = hr_scan_lanes(&scan, quoted ? 1 : want, ranges, n, error);
    }
    hr_scan_close(&scan);
    return rc;
}

/* Frame the first record that is not blank. *at is where the look starts, and stays for more bytes when there is none yet. */
static size_t hr_scan_first(const hr_format *format, const hr_decode_options *options, const hr_buffer *bytes, bool ended, size_t *at,
                            size_t *body)
{
    while (*at < bytes->size) {
        size_t length = format->frame(options, (const char *)bytes->data + *at, bytes->size - *at, ended, body);

        if (length == 0 || *body > 0)
            return length;
        *at += length;
    }
    return 0;
}

int hr_file_head(const char *path, const hr_format *format, const hr_decode_options *options, hr_buffer *out, hr_error *error)
{
    static const hr_decode_options none;
    hr_buffer bytes = {0};
    size_t body = 0, length = 0, at = 0;
    hr_scan scan;
    int rc;

    HR_RETURN_NOT_OK(hr_scan_open(&scan, path, NULL, error));
    while ((rc = hr_scan_next(&scan, error)) == HR_OK) {
        rc = hr_buffer_append(&bytes, scan.block, scan.n, error);
        if (rc != HR_OK || bytes.size == 0)
            break;
        if (at == 0 && bytes.size >= 3 && memcmp(bytes.data, "\xef\xbb\xbf", 3) == 0)
            at = 3; /* not part of the first line, which may be blank */
        length = hr_scan_first(format, options != NULL ? options : &none, &bytes, scan.n == 0, &at, &body);
        if (length > 0 || scan.n == 0)
            break;
        if (bytes.size > HR_SCAN_HEAD_LIMIT) {
            rc = hr_error_data(error, HR_REASON_RANGE, NULL, 0,
                               "%s: the first record has no end within %zu bytes: is this the right format?",
                               path, bytes.size);
            break;
        }
    }
    if (rc == HR_OK && length > 0)
        rc = hr_buffer_append(out, bytes.data + at, body, error);
    hr_scan_close(&scan);
    hr_buffer_free(&bytes);
    return rc;
}
