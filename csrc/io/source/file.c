/* csrc/io/source/file.c: reading and decompressing. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define HR_FILE_INPUT (256u * 1024u) /* compressed bytes read at once */
#define HR_FILE_STEP (1u << 30)      /* most bytes handed to zlib and read() at once */

struct hr_file {
    char *path;
    int fd;
    bool owned, regular;
    bool known;         /* `compression` has been told */
    bool at_end;        /* the last byte was handed out */
    bool input_end;     /* the last byte was read */
    bool inside;        /* in the middle of a gzip member or zstd frame */
    bool unflushed;     /* zstd holds output that did not fit */
    bool inflating;     /* `gzip` is set up */
    int timeout_ms;
    int wake[2];        /* a pipe; -1 for regular files */
    hr_compression compression;
    int64_t size, consumed;
    uint8_t *input;     /* HR_FILE_INPUT bytes */
    size_t input_pos, input_len;
    z_stream gzip;
    ZSTD_DStream *zstd;
};

static const char *hr_file_name(const hr_file *file)
{
    return strcmp(file->path, "-") == 0 ? "standard input" : file->path;
}

/* HR_EIO that no retry will mend. */
static int hr_file_hopeless(hr_error *error)
{
    if (error != NULL) {
        error->retriable = false;
        error->fatal = true;
    }
    return HR_EIO;
}

static int hr_file_damaged(const hr_file *file, const char *format, const char *why, hr_error *error)
{
    hr_error_set(error, HR_EIO, "%s: the %s data is damaged near stored byte %lld (%s): fetch the file again", hr_file_name(file), format,
                 (long long)(file->consumed - (int64_t)(file->input_len - file->input_pos)), why);
    return hr_file_hopeless(error);
}

static int hr_file_cut_short(const hr_file *file, const char *format, hr_error *error)
{
    return hr_error_set(error, HR_EIO,
                        "%s: the %s data ends too early, after %lld stored bytes: is the file still being written or copied?",
                        hr_file_name(file), format, (long long)file->consumed);
}

/* Wait until the descriptor of a pipe has something. False when it took too long or somebody called hr_file_wake. */
static bool hr_file_ready(hr_file *file)
{
    struct pollfd fds[2] = {{.fd = file->fd, .events = POLLIN}, {.fd = file->wake[0], .events = POLLIN}};
    char drain[16];

    for (;;) {
        int rc = poll(fds, 2, file->timeout_ms);
        if (rc < 0 && errno == EINTR)
            continue;
        if (rc > 0 && fds[1].revents != 0) {
            while (read(file->wake[0], drain, sizeof(drain)) > 0)
                ;
            return false;
        }
        return rc != 0; /* an error shows again in read() */
    }
}

/* Stored bytes straight from the descriptor. *n = 0 means input_end, or that nothing came in time. */
static int hr_file_raw(hr_file *file, void *buffer, size_t capacity, size_t *n, hr_error *error)
{
    ssize_t got;

    *n = 0;
    if (file->input_end || capacity == 0 || (!file->regular && !hr_file_ready(file)))
        return HR_OK;
    do
        got = read(file->fd, buffer, capacity < HR_FILE_STEP ? capacity : HR_FILE_STEP);
    while (got < 0 && errno == EINTR);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return HR_OK; /* nothing after all */
    if (got < 0) {
        int failed = errno;
        hr_error_set(error, HR_EIO, "%s: cannot read: %s", hr_file_name(file), strerror(failed));
        return failed == EISDIR ? hr_file_hopeless(error) : HR_EIO;
    }
    *n = (size_t)got;
    file->input_end = got == 0;
    file->consumed += got;
    return HR_OK;
}

/* Bring more stored bytes behind those in `input`. */
static int hr_file_fill(hr_file *file, hr_error *error)
{
    size_t n;

    if (file->input_pos == file->input_len)
        file->input_pos = file->input_len = 0;
    HR_RETURN_NOT_OK(hr_file_raw(file, file->input + file->input_len, HR_FILE_INPUT - file->input_len, &n, error));
    file->input_len += n;
    return HR_OK;
}

/* First bytes. A `mask` byte of 0xf0 lets the low half vary (zstd's skippable frames). */
static const struct {
    uint8_t bytes[8];
    uint8_t size, first_mask;
    hr_compression compression;
    const char *refused;
} hr_file_magics[] = {
    {{0x1f, 0x8b, 0x08}, 3, 0xff, HR_GZIP, NULL},
    {{0x28, 0xb5, 0x2f, 0xfd}, 4, 0xff, HR_ZSTD, NULL},
    {{0x50, 0x2a, 0x4d, 0x18}, 4, 0xf0, HR_ZSTD, NULL},
    {{0xfd, '7', 'z', 'X', 'Z', 0x00}, 6, 0xff, HR_PLAIN, "xz"},
    {{0x04, 0x22, 0x4d, 0x18}, 4, 0xff, HR_PLAIN, "lz4"},
    {{'P', 'K', 0x03, 0x04}, 4, 0xff, HR_PLAIN, "zip"},
};

/* Tell what the file is by its first bytes, reading as few as possible: a pipe may have no more yet. Leaves file->known false then. */
static int hr_file_detect(hr_file *file, hr_error *error)
{
    while (!file->known) {
        bool undecided = false;
        size_t have = file->input_len;
        for (size_t i = 0; i < sizeof(hr_file_magics) / sizeof(hr_file_magics[0]); i++) {
            size_t size = hr_file_magics[i].size, look = have < size ? have : size;
            if (look > 0 && ((file->input[0] & hr_file_magics[i].first_mask) != hr_file_magics[i].bytes[0] ||
                             memcmp(file->input + 1, hr_file_magics[i].bytes + 1, look - 1) != 0))
                continue;
            if (look < size) {
                undecided = true;
                continue;
            }
            if (hr_file_magics[i].refused != NULL) {
                hr_error_set(error, HR_EUSAGE, "%s is compressed by %s; plain, gzip and zstd files are read: recompress it",
                             hr_file_name(file), hr_file_magics[i].refused);
                return HR_EUSAGE;
            }
            file->compression = hr_file_magics[i].compression;
            file->known = true;
        }
        if (undecided && !file->known && !file->input_end) {
            HR_RETURN_NOT_OK(hr_file_fill(file, error));
            if (file->input_len == have && !file->input_end)
                return HR_OK; /* nothing came in time */
            continue;
        }
        file->known = true;
    }
    return HR_OK;
}

int hr_file_open(const char *path, hr_file **out, hr_error *error)
{
    hr_file *file = hr_calloc(1, sizeof(*file));
    struct stat info;
    int rc;

    *out = NULL;
    if (file == NULL)
        return hr_error_nomem(error);
    file->fd = file->wake[0] = file->wake[1] = -1;
    file->timeout_ms = -1;
    file->path = hr_malloc(strlen(path) + 1);
    file->input = hr_malloc(HR_FILE_INPUT);
    if (file->path == NULL || file->input == NULL) {
        hr_file_close(file);
        return hr_error_nomem(error);
    }
    memcpy(file->path, path, strlen(path) + 1);
    file->owned = strcmp(path, "-") != 0;
    /* O_NONBLOCK: a named pipe without a writer would hold us here, where no cancel is heard */
    file->fd = file->owned ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : STDIN_FILENO;
    if (file->fd < 0 || fstat(file->fd, &info) != 0) {
        rc = hr_error_set(error, HR_EIO, "%s: cannot open: %s", hr_file_name(file), strerror(errno));
        hr_file_hopeless(error);
        hr_file_close(file);
        return rc;
    }
    file->regular = S_ISREG(info.st_mode);
    file->size = file->regular ? info.st_size : -1;
    rc = HR_OK;
    if (S_ISDIR(info.st_mode)) {
        rc = hr_error_set(error, HR_EIO, "%s is a directory: name the files in it", hr_file_name(file));
        hr_file_hopeless(error);
    } else if (file->regular) {
#if defined(POSIX_FADV_SEQUENTIAL)
        (void)posix_fadvise(file->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
#endif
        rc = hr_file_detect(file, error);
    } else if (pipe2(file->wake, O_CLOEXEC | O_NONBLOCK) != 0) {
        rc = hr_error_set(error, HR_EIO, "cannot make a pipe: %s", strerror(errno));
    }
    if (rc != HR_OK) {
        hr_file_close(file);
        return rc;
    }
    *out = file;
    return HR_OK;
}

void hr_file_close(hr_file *file)
{
    if (file == NULL)
        return;
    if (file->inflating)
        inflateEnd(&file->gzip);
    ZSTD_freeDStream(file->zstd);
    if (file->owned && file->fd >= 0)
        close(file->fd);
    for (int i = 0; i < 2; i++)
        if (file->wake[i] >= 0)
            close(file->wake[i]);
    hr_free(file->input);
    hr_free(file->path);
    hr_free(file);
}

/* zlib's allocations go through our door. */
static voidpf hr_file_zalloc(voidpf opaque, uInt count, uInt size)
{
    (void)opaque;
    return hr_calloc(count, size);
}

static void hr_file_zfree(voidpf opaque, voidpf pointer)
{
    (void)opaque;
    hr_free(pointer);
}

static int hr_file_start_gzip(hr_file *file, hr_error *error)
{
    if (file->inflating)
        return HR_OK;
    file->gzip.zalloc = hr_file_zalloc;
    file->gzip.zfree = hr_file_zfree;
    if (inflateInit2(&file->gzip, 15 + 16) != Z_OK)
        return hr_error_nomem(error);
    file->inflating = true;
    return HR_OK;
}

/* Between two gzip members: step over the padding of zeros that tapes and block devices leave. True when a member may follow. */
static bool hr_file_next_member(hr_file *file)
{
    while (file->input_pos < file->input_len && file->input[file->input_pos] == 0)
        file->input_pos++;
    return file->input_pos < file->input_len;
}

static int hr_file_read_gzip(hr_file *file, void *buffer, size_t capacity, size_t *n, hr_error *error)
{
    uInt room = (uInt)(capacity < HR_FILE_STEP ? capacity : HR_FILE_STEP);

    HR_RETURN_NOT_OK(hr_file_start_gzip(file, error));
    file->gzip.next_out = buffer;
    file->gzip.avail_out = room;
    while (file->gzip.avail_out == room) {
        int rc;
        if (file->input_pos == file->input_len) {
            HR_RETURN_NOT_OK(hr_file_fill(file, error));
            if (file->input_pos == file->input_len) {
                if (file->input_end && file->inside)
                    return hr_file_cut_short(file, "gzip", error);
                file->at_end = file->input_end;
                return HR_OK;
            }
        }
        if (!file->inside) {
            if (!hr_file_next_member(file))
                continue;
            if (file->input[file->input_pos] != 0x1f)
                return hr_file_damaged(file, "gzip", "something else follows the last member", error);
            inflateReset(&file->gzip);
            file->inside = true;
        }
        file->gzip.next_in = file->input + file->input_pos;
        file->gzip.avail_in = (uInt)(file->input_len - file->input_pos);
        rc = inflate(&file->gzip, Z_NO_FLUSH);
        file->input_pos = file->input_len - file->gzip.avail_in;
        if (rc == Z_STREAM_END)
            file->inside = false;
        else if (rc == Z_MEM_ERROR)
            return hr_error_nomem(error);
        else if (rc != Z_OK && rc != Z_BUF_ERROR)
            return hr_file_damaged(file, "gzip", file->gzip.msg != NULL ? file->gzip.msg : "a preset dictionary is asked for", error);
    }
    *n = room - file->gzip.avail_out;
    return HR_OK;
}

static int hr_file_read_zstd(hr_file *file, void *buffer, size_t capacity, size_t *n, hr_error *error)
{
    ZSTD_outBuffer out = {buffer, capacity, 0};

    if (file->zstd == NULL) {
        file->zstd = ZSTD_createDStream();
        if (file->zstd == NULL)
            return hr_error_nomem(error);
    }
    while (out.pos == 0) {
        ZSTD_inBuffer in;
        size_t rc;
        if (file->input_pos == file->input_len && !file->unflushed) {
            HR_RETURN_NOT_OK(hr_file_fill(file, error));
            if (file->input_pos == file->input_len) {
                if (file->input_end && file->inside)
                    return hr_file_cut_short(file, "zstd", error);
                file->at_end = file->input_end;
                return HR_OK;
            }
        }
        in = (ZSTD_inBuffer){file->input, file->input_len, file->input_pos};
        rc = ZSTD_decompressStream(file->zstd, &out, &in);
        file->input_pos = in.pos;
        if (ZSTD_isError(rc)) {
            if (ZSTD_getErrorCode(rc) == ZSTD_error_memory_allocation)
                return hr_error_nomem(error);
            if (ZSTD_getErrorCode(rc) == ZSTD_error_frameParameter_windowTooLarge) {
                hr_error_set(error, HR_EIO, "%s: the zstd window is larger than 128 MiB: recompress it without --long or --ultra",
                             hr_file_name(file));
                return hr_file_hopeless(error);
            }
            return hr_file_damaged(file, "zstd", ZSTD_getErrorName(rc), error);
        }
        file->inside = rc != 0;
        file->unflushed = file->inside && out.pos == out.size;
    }
    *n = out.pos;
    return HR_OK;
}

/* The bytes read to tell the format first, then straight into the caller's buffer. */
static int hr_file_read_plain(hr_file *file, void *buffer, size_t capacity, size_t *n, hr_error *error)
{
    size_t have = file->input_len - file->input_pos;

    if (have > 0) {
        *n = have < capacity ? have : capacity;
        memcpy(buffer, file->input + file->input_pos, *n);
        file->input_pos += *n;
        return HR_OK;
    }
    HR_RETURN_NOT_OK(hr_file_raw(file, buffer, capacity, n, error));
    file->at_end = file->input_end;
    return HR_OK;
}

int hr_file_read(hr_file *file, void *buffer, size_t capacity, size_t *n, hr_error *error)
{
    *n = 0;
    if (file->at_end || capacity == 0)
        return HR_OK;
    if (!file->known) {
        HR_RETURN_NOT_OK(hr_file_detect(file, error));
        if (!file->known)
            return HR_OK;
    }
    switch (file->compression) {
    case HR_GZIP: return hr_file_read_gzip(file, buffer, capacity, n, error);
    case HR_ZSTD: return hr_file_read_zstd(file, buffer, capacity, n, error);
    case HR_PLAIN: break;
    }
    return hr_file_read_plain(file, buffer, capacity, n, error);
}

bool hr_file_at_end(const hr_file *file)
{
    return file->at_end;
}

void hr_file_wait(hr_file *file, int timeout_ms)
{
    file->timeout_ms = timeout_ms;
}

void hr_file_wake(hr_file *file)
{
    if (file->wake[1] < 0)
        return;
    while (write(file->wake[1], "", 1) < 0 && errno == EINTR)
        ; /* a full pipe is as good as a byte */
}

bool hr_file_seekable(const hr_file *file)
{
    return file->regular && file->known && file->compression == HR_PLAIN;
}

int hr_file_as_stored(hr_file *file, hr_error *error)
{
    if (!file->regular)
        return hr_error_set(error, HR_EUSAGE, "%s: only a regular file can be read as it is stored", hr_file_name(file));
    file->compression = HR_PLAIN;
    return HR_OK;
}

int hr_file_seek(hr_file *file, int64_t offset, hr_error *error)
{
    if (!hr_file_seekable(file) || offset < 0)
        return hr_error_set(error, HR_EUSAGE, "%s: cannot go to byte %lld", hr_file_name(file), (long long)offset);
    if (offset > file->size) {
        hr_error_set(error, HR_EIO, "%s has %lld bytes, but byte %lld is where to go on: this is not the file that was begun",
                     hr_file_name(file), (long long)file->size, (long long)offset);
        return hr_file_hopeless(error);
    }
    if (lseek(file->fd, offset, SEEK_SET) < 0)
        return hr_error_set(error, HR_EIO, "%s: cannot seek: %s", hr_file_name(file), strerror(errno));
    file->input_pos = file->input_len = 0;
    file->input_end = file->at_end = false;
    file->consumed = offset;
    return HR_OK;
}

hr_compression hr_file_compression(const hr_file *file)
{
    return file->compression;
}

int64_t hr_file_size(const hr_file *file)
{
    return file->size;
}

int64_t hr_file_consumed(const hr_file *file)
{
    return file->consumed;
}
