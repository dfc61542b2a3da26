/* csrc/io/source/framer.c: cutting blocks of bytes into records.
 *
 * Bytes never move once a record that points at them was handed out. When a block is full, its unfinished last record is copied to the
 * start of the next block, which is made large enough to let it double. A pipe's block goes on being filled while earlier
 * records of it are in use, so that a trickle of lines does not cost a block each.
 */
#include "framer.h"

#include <time.h>

#define HR_FRAMER_BLOCK ((size_t)256 << 10) /* what is read is decoded while it is still in the processor's cache */
#define HR_FRAMER_FIRST_RECORDS 256
#define HR_FRAMER_PATIENCE ((size_t)64 << 10) /* an unfinished record longer than this is looked at again only when it grew by half */
#define HR_FRAMER_VALUE 1024                  /* bytes of an oversized record shown in the error */

struct hr_block {
    int32_t refs; /* atomic: the framer, and each hr_frames */
    size_t capacity;
    char data[];
};

struct hr_framer {
    hr_framer_options options;
    char *path;
    hr_file *file;
    hr_block *block;    /* being filled, or NULL */
    size_t pos, len;    /* in block: the first byte not handed out, the first not filled */
    size_t try_at;      /* bytes of an unfinished record before it is worth looking for its end again */
    int64_t offset;     /* of pos */
    int64_t discard;    /* bytes still to be thrown away up to begin */
    int64_t skipped_lines; /* line breaks thrown away with them */
    int64_t line;       /* of pos, from begin */
    int64_t first_line; /* atomic: the file's line at begin, 0 while unknown */
    bool ended;         /* no more bytes come after len */
    bool resync;        /* inside an oversized record: find the next line break */
    int64_t large_offset, large_line; /* where that record starts */
    size_t large_len;   /* its beginning, for the error */
    char large[HR_FRAMER_VALUE];
    int32_t woken;      /* atomic: hr_framer_wake was called while bytes were being thrown away */
    int64_t guess;      /* records in the last array */
};

static void hr_block_release(hr_block *block)
{
    if (block != NULL && __atomic_sub_fetch(&block->refs, 1, __ATOMIC_ACQ_REL) == 0)
        hr_free(block);
}

void hr_frames_release(hr_frames *frames)
{
    hr_block_release(frames->block);
    hr_free(frames->records);
    memset(frames, 0, sizeof(*frames));
}

int hr_framer_open(const char *path, const hr_framer_options *options, hr_framer **out, hr_error *error)
{
    static const hr_decode_options none;
    hr_framer *framer;
    int rc;

    *out = NULL;
    if (options->format->frame == NULL)
        return hr_error_set(error, HR_EUSAGE, "files cannot be read as %s: its records come only as messages", options->format->name);
    if (options->begin < 0 || options->end < options->begin)
        return hr_error_set(error, HR_EUSAGE, "%s: there are no bytes %lld to %lld", path, (long long)options->begin,
                            (long long)options->end);
    framer = hr_calloc(1, sizeof(*framer));
    if (framer == NULL)
        return hr_error_nomem(error);
    framer->options = *options;
    if (framer->options.decode == NULL)
        framer->options.decode = &none;
    if (framer->options.block_size == 0)
        framer->options.block_size = HR_FRAMER_BLOCK;
    if (framer->options.record_limit == 0 || framer->options.record_limit > HR_MAX_RECORD)
        framer->options.record_limit = HR_MAX_RECORD;
    framer->offset = options->begin;
    framer->line = 1;
    framer->first_line = options->begin == 0;
    framer->guess = HR_FRAMER_FIRST_RECORDS;
    framer->path = hr_malloc(strlen(path) + 1);
    if (framer->path == NULL) {
        hr_framer_close(framer);
        return hr_error_nomem(error);
    }
    memcpy(framer->path, path, strlen(path) + 1);
    rc = hr_file_open(path, &framer->file, error);
    if (rc == HR_OK && options->begin > 0) {
        if (hr_file_seekable(framer->file))
            rc = hr_file_seek(framer->file, options->begin, error);
        else
            framer->discard = options->begin;
    }
    if (rc != HR_OK) {
        hr_framer_close(framer);
        return rc;
    }
    *out = framer;
    return HR_OK;
}

void hr_framer_close(hr_framer *framer)
{
    if (framer == NULL)
        return;
    hr_file_close(framer->file);
    hr_block_release(framer->block);
    hr_free(framer->path);
    hr_free(framer);
}

void hr_framer_wake(hr_framer *framer)
{
    __atomic_store_n(&framer->woken, 1, __ATOMIC_RELAXED);
    hr_file_wake(framer->file);
}

const hr_file *hr_framer_file(const hr_framer *framer)
{
    return framer->file;
}

static int64_t hr_framer_newlines(const char *bytes, size_t n)
{
    int64_t count = 0;

    for (size_t i = 0; i < n; i++)
        count += bytes[i] == '\n';
    return count;
}

/* The file ends before a byte that must be there. */
static int hr_framer_too_short(const hr_framer *framer, int64_t at, int64_t wanted, hr_error *error)
{
    hr_error_set(error, HR_EIO, "%s ends at byte %lld, but was to be read %s byte %lld: it is not the file that was begun, or it was cut",
                 framer->path, (long long)at, wanted == framer->options.begin ? "from" : "up to", (long long)wanted);
    if (error != NULL) {
        error->retriable = false;
        error->fatal = true;
    }
    return HR_EIO;
}

/* Make sure there is room to read into: a first block, or a new one when this is full. The unfinished record moves along.
 * On HR_ENOMEM nothing has changed. */
static int hr_framer_room(hr_framer *framer, hr_error *error)
{
    size_t tail = framer->len - framer->pos, capacity = framer->options.block_size;
    hr_block *block;

    if (framer->block != NULL && framer->len < framer->block->capacity)
        return HR_OK;
    if (capacity < tail * 2)
        capacity = tail * 2;
    if (capacity > framer->options.record_limit + framer->options.block_size)
        capacity = framer->options.record_limit + framer->options.block_size;
    block = hr_malloc(sizeof(*block) + capacity);
    if (block == NULL)
        return hr_error_nomem(error);
    block->refs = 1;
    block->capacity = capacity;
    if (tail > 0)
        memcpy(block->data, framer->block->data + framer->pos, tail);
    hr_block_release(framer->block);
    framer->block = block;
    framer->pos = 0;
    framer->len = tail;
    return HR_OK;
}

/* Read more bytes behind len. *more is false when none came (the end, or no time left). */
static int hr_framer_read(hr_framer *framer, bool *more, hr_error *error)
{
    int64_t at = framer->offset + (int64_t)(framer->len - framer->pos);
    int64_t left = framer->options.end - at;
    size_t room, n = 0;

    *more = false;
    if (left <= 0) {
        framer->ended = true;
        return HR_OK;
    }
    HR_RETURN_NOT_OK(hr_framer_room(framer, error));
    room = framer->block->capacity - framer->len;
    if ((int64_t)room > left)
        room = (size_t)left;
    HR_RETURN_NOT_OK(hr_file_read(framer->file, framer->block->data + framer->len, room, &n, error));
    framer->len += n;
    *more = n > 0;
    if (n > 0 || !hr_file_at_end(framer->file))
        return HR_OK;
    if (framer->options.end != INT64_MAX)
        return hr_framer_too_short(framer, at, framer->options.end, error);
    framer->ended = true;
    return HR_OK;
}

/* Throw away what comes before begin, a block at a time. *more is false when nothing came in time. */
static int hr_framer_discard(hr_framer *framer, bool *more, hr_error *error)
{
    size_t room, n = 0;

    HR_RETURN_NOT_OK(hr_framer_room(framer, error));
    room = framer->block->capacity;
    if ((int64_t)room > framer->discard)
        room = (size_t)framer->discard;
    HR_RETURN_NOT_OK(hr_file_read(framer->file, framer->block->data, room, &n, error));
    *more = n > 0;
    if (n == 0 && hr_file_at_end(framer->file))
        return hr_framer_too_short(framer, framer->options.begin - framer->discard, framer->options.begin, error);
    framer->discard -= (int64_t)n;
    framer->skipped_lines += hr_framer_newlines(framer->block->data, n);
    if (framer->discard == 0)
        __atomic_store_n(&framer->first_line, framer->skipped_lines + 1, __ATOMIC_RELAXED);
    return HR_OK;
}

/* Start to pass over the oversized record at pos: keep its beginning, drop the `length` bytes of it that are here. */
static void hr_framer_drop(hr_framer *framer, size_t length)
{
    const char *data = framer->block->data + framer->pos;

    framer->large_offset = framer->offset;
    framer->large_line = framer->line;
    framer->large_len = length < HR_FRAMER_VALUE ? length : HR_FRAMER_VALUE;
    memcpy(framer->large, data, framer->large_len);
    framer->line += hr_framer_newlines(data, length);
    framer->offset += (int64_t)length;
    framer->pos += length;
    framer->try_at = 0;
}

/* Inside an oversized record: drop bytes up to and with the next line break. Leaves resync set when it has not come yet. */
static void hr_framer_resync(hr_framer *framer)
{
    size_t have = framer->len - framer->pos, n = have;

    if (have > 0) { /* else there may be no block yet */
        const char *start = framer->block->data + framer->pos, *newline = memchr(start, '\n', have);
        if (newline != NULL) {
            n = (size_t)(newline - start) + 1;
            framer->line++;
            framer->resync = false;
        }
        framer->pos += n;
        framer->offset += (int64_t)n;
    }
    if (framer->ended)
        framer->resync = false;
}

/* Tell of the oversized record, now that it has been passed over. */
static int hr_framer_refuse(const hr_framer *framer, hr_frames *out, hr_error *error)
{
    out->next = framer->offset;
    out->line = framer->large_line;
    out->finished = framer->ended && framer->pos == framer->len;
    return hr_error_data(error, HR_REASON_RANGE, framer->large, framer->large_len,
                         "%s: the record at byte %lld is longer than %zu bytes (a quote that never closes, or the wrong format?)",
                             framer->path,
                         (long long)framer->large_offset, framer->options.record_limit);
}

/* Cut the record at pos, whose whole length is known. */
static void hr_framer_take(hr_framer *framer, size_t length, size_t body, hr_record *record)
{
    const char *data = framer->block->data + framer->pos;

    *record = (hr_record){
        .data = data,
        .len = body,
        .offset = framer->offset,
        .timestamp = HR_NO_TIMESTAMP,
        .line = framer->line,
        .topic = framer->options.topic,
        .partition = framer->options.partition,
    };
    if (framer->offset == 0 && body >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0) {
        record->data += 3;
        record->len -= 3;
    }
    /* A line is what ends with LF, here and in hr_file_line_of. Those inside the record are in quoted fields. */
    framer->line += hr_framer_newlines(data + body, length - body);
    if (framer->options.format->multiline && memchr(data, '\n', body) != NULL)
        framer->line += hr_framer_newlines(data, body);
    framer->pos += length;
    framer->offset += (int64_t)length;
}

/* Cut whole records off the block into a new array. On HR_ENOMEM nothing was cut. HR_EDATA, after all before it was handed out, for
 * an oversized record. */
static int hr_framer_cut(hr_framer *framer, int64_t max_records, hr_frames *out, hr_error *error)
{
    const hr_format *format = framer->options.format;
    const size_t pos = framer->pos;
    const int64_t offset = framer->offset, line = framer->line;
    int64_t capacity = framer->guess < max_records ? framer->guess : max_records;
    size_t length = 0, body = 0;

    while (out->count < max_records && framer->pos < framer->len) {
        size_t have = framer->len - framer->pos;
        length = format->frame(framer->options.decode, framer->block->data + framer->pos, have, framer->ended, &body);
        if (length == 0) {
            framer->try_at = have < HR_FRAMER_PATIENCE ? have + 1 : have + have / 2;
            break;
        }
        if (HR_UNLIKELY(body > framer->options.record_limit)) {
            if (out->count > 0)
                break; /* its turn comes in the next call */
            hr_framer_drop(framer, length);
            return hr_framer_refuse(framer, out, error);
        }
        if (out->records == NULL || out->count == capacity) {
            hr_record *records;
            if (out->records != NULL)
                capacity = capacity * 2 < max_records ? capacity * 2 : max_records;
            records = hr_realloc(out->records, sizeof(*records) * (size_t)capacity);
            if (records == NULL) {
                framer->pos = pos;
                framer->offset = offset;
                framer->line = line;
                hr_free(out->records);
                out->records = NULL;
                out->count = 0;
                return hr_error_nomem(error);
            }
            out->records = records;
        }
        hr_framer_take(framer, length, body, &out->records[out->count++]);
        framer->try_at = 0;
    }
    if (out->count > 0) {
        framer->guess = out->count + out->count / 8 + 16;
        out->block = framer->block;
        __atomic_add_fetch(&framer->block->refs, 1, __ATOMIC_RELAXED);
    }
    return HR_OK;
}

static int64_t hr_framer_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Read until there is something to cut: a regular file fills its block, a pipe gives what it has. *waiting is set when time ran out. */
static int hr_framer_fill(hr_framer *framer, int64_t deadline, bool *waiting, hr_error *error)
{
    bool regular = hr_file_size(framer->file) >= 0, more = true, got = false;

    *waiting = false;
    while (more && !framer->ended) {
        if (!regular) {
            int64_t left = deadline < 0 ? -1 : deadline - hr_framer_now_ms();
            hr_file_wait(framer->file, got ? 0 : deadline < 0 ? -1 : left > 0 ? (int)left : 0);
        }
        if (framer->discard > 0) {
            HR_RETURN_NOT_OK(hr_framer_discard(framer, &more, error));
            if (__atomic_exchange_n(&framer->woken, 0, __ATOMIC_RELAXED) != 0 || (deadline >= 0 && hr_framer_now_ms() >= deadline))
                more = false; /* a large file takes long, but wake and timeout hold */
            continue;
        }
        HR_RETURN_NOT_OK(hr_framer_read(framer, &more, error));
        got = got || more;
        if (framer->block != NULL && framer->len == framer->block->capacity)
            return HR_OK;
    }
    *waiting = !got && !framer->ended;
    return HR_OK;
}

int hr_framer_next(hr_framer *framer, int timeout_ms, int64_t max_records, hr_frames *out, hr_error *error)
{
    int64_t deadline = timeout_ms < 0 ? -1 : hr_framer_now_ms() + timeout_ms;
    bool waiting = false;
    int rc = HR_OK;

    memset(out, 0, sizeof(*out));
    for (;;) {
        size_t have;
        if (framer->resync) {
            hr_framer_resync(framer);
            if (!framer->resync)
                return hr_framer_refuse(framer, out, error);
        }
        have = framer->len - framer->pos;
        if (!framer->resync && have > 0 &&
            (have >= framer->try_at || have > framer->options.record_limit || framer->ended || waiting)) {
            rc = hr_framer_cut(framer, max_records, out, error);
            if (rc == HR_EDATA)
                return rc;
            if (rc != HR_OK || out->count > 0)
                break;
            have = framer->len - framer->pos;
            if (have > framer->options.record_limit) {
                hr_framer_drop(framer, have);
                framer->resync = true;
                continue;
            }
        }
        if (waiting || framer->ended)
            break;
        rc = hr_framer_fill(framer, deadline, &waiting, error);
        if (rc != HR_OK)
            break;
    }
    out->next = framer->resync ? framer->large_offset : framer->offset;
    out->finished = framer->ended && framer->pos == framer->len;
    return rc;
}

int hr_framer_line(hr_framer *framer, const hr_record *record, int64_t *line, const atomic_bool *cancel, hr_error *error)
{
    int64_t first = __atomic_load_n(&framer->first_line, __ATOMIC_RELAXED);

    if (first == 0) {
        HR_RETURN_NOT_OK(hr_file_line_of(framer->path, framer->options.begin, &first, cancel, error));
        __atomic_store_n(&framer->first_line, first, __ATOMIC_RELAXED);
    }
    *line = first - 1 + record->line;
    return HR_OK;
}
