/* csrc/io/source/file.h: bytes of files and of standard input, plain or compressed.
 *
 * Gzip (several members too) and zstd (several frames too) are told by their first bytes, never by the name. Memory is bounded by the
 * compressed format's own window (zstd: at most 128 MiB). Offsets are always those of the decompressed bytes.
 */
#ifndef HR_IO_FILE_H
#define HR_IO_FILE_H

#include <stdatomic.h>

#include "core/decode/decode.h"

typedef enum hr_compression { HR_PLAIN = 0, HR_GZIP, HR_ZSTD } hr_compression;

typedef struct hr_file hr_file;

/* Open a file, or standard input for "-" (which is left open by close). HR_EIO, fatal, when it cannot be read. */
int hr_file_open(const char *path, hr_file **out, hr_error *error);
void hr_file_close(hr_file *file); /* NULL is fine */
/* The next bytes, decompressed: at least one, unless the file is at its end (hr_file_at_end) or nothing came in time (hr_file_wait).
 * HR_EIO: cut short (retriable: it may still be growing) or damaged (fatal). */
int hr_file_read(hr_file *file, void *buffer, size_t capacity, size_t *n, hr_error *error);
/* Whether the last read found the end. */
bool hr_file_at_end(const hr_file *file);
/* How long a read of a pipe waits: -1 (as at first) until something comes. Regular files never wait. */
void hr_file_wait(hr_file *file, int timeout_ms);
/* Make a waiting read, or the next one that would wait, return soon with n = 0. Any thread. */
void hr_file_wake(hr_file *file);
/* Go on at this byte. Only for plain regular files (hr_file_seekable). HR_EIO, fatal, beyond the end. */
int hr_file_seek(hr_file *file, int64_t offset, hr_error *error);
bool hr_file_seekable(const hr_file *file);
/* Do not decompress: hand out the bytes as they are stored, from the start. Only for regular files, before the first read. */
int hr_file_as_stored(hr_file *file, hr_error *error);
/* What it is; of a pipe only known after the first read. */
hr_compression hr_file_compression(const hr_file *file);
int64_t hr_file_size(const hr_file *file);     /* bytes as stored when it was opened; -1 for pipes */
int64_t hr_file_consumed(const hr_file *file); /* bytes as stored that were read so far, for progress */

/* Questions about a whole file. They read it, so `cancel` (may be NULL) is looked at every MiB: non-zero ends them with HR_ECANCELLED. */

#define HR_FINGERPRINT_SIZE 33
/* A hash of the bytes as stored, as 32 hex digits and NUL: XXH3 (128 bit), of files beyond 8 MiB that of the hashes of their pieces of 8
 * MiB. Not for "-". */
int hr_file_fingerprint(const char *path, char out[HR_FINGERPRINT_SIZE], const atomic_bool *cancel, hr_error *error);
/* Whether a compressed file is whole: read it to its end, where its check sum stands. HR_EIO when it is not. Plain files are not read. */
int hr_file_check(const char *path, const atomic_bool *cancel, hr_error *error);

typedef struct hr_file_range {
    int64_t begin, end; /* record starts; the last end is the file's size, INT64_MAX where that is not known */
} hr_file_range;
/* Cut a file into at most `want` ranges (there is room for them in `ranges`) that are read independently. The rule is: only plain regular
 * files are cut, only after line breaks, and none shorter than 1 MiB. In JSON lines every line break ends a record; in CSV it does when
 * the file has no quote character at all, otherwise there is one range. The same file and the same `want` give the same ranges: who stores
 * offsets by range must keep `want` as well. */
int hr_file_lanes(const char *path, const hr_format *format, const hr_decode_options *options, int32_t want, hr_file_range *ranges,
                  int32_t *n, const atomic_bool *cancel, hr_error *error);

/* The 1-based line of the (decompressed) byte at offset, by counting the line feeds before it. */
int hr_file_line_of(const char *path, int64_t offset, int64_t *line, const atomic_bool *cancel, hr_error *error);

/* Append the file's first record to `out`, without byte order mark and line end: the header of a CSV file for those who start in its
 * middle. Nothing for an empty file. HR_EDATA when it is longer than 16 MiB. */
int hr_file_head(const char *path, const hr_format *format, const hr_decode_options *options, hr_buffer *out, hr_error *error);

#endif
