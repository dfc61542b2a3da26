/* csrc/io/source/framer.h: the bytes of a file as records.
 *
 * A framer reads one range of a file in blocks and hands out arrays of hr_record that point into them. The bytes of the records stay
 * where they are until the array is released, which may be later, in any order, from another thread, and even after the framer was closed.
 */
#ifndef HR_IO_FRAMER_H
#define HR_IO_FRAMER_H

#include "file.h"

typedef struct hr_framer_options {
    const hr_format *format;         /* with a frame function */
    const hr_decode_options *decode; /* NULL: the format's defaults. What it points to outlives the framer */
    int64_t begin, end;   /* bytes of the (decompressed) file; begin is a record's start; end INT64_MAX: to the file's end */
    size_t block_size;    /* 0: 256 KiB */
    size_t record_limit;  /* 0: HR_MAX_RECORD */
    const char *topic;    /* put on every record; outlives the records */
    int32_t partition;
} hr_framer_options;

typedef struct hr_framer hr_framer;
typedef struct hr_block hr_block;

typedef struct hr_frames {
    hr_record *records; /* offset: of the record's first byte; line: 1-based, counted from the range's begin (hr_framer_line);
                           data is never NULL, len 0 for a blank line; no timestamp, no key */
    int64_t count;
    int64_t next;       /* everything before this offset has been handed out, or refused */
    int64_t line;       /* after HR_EDATA: the line of the refused record, as in hr_record */
    bool finished;      /* the range is at its end */
    hr_block *block;
} hr_frames;

/* Open the file at begin. Plain regular files are sought; others are read and thrown away up to it, inside hr_framer_next. */
int hr_framer_open(const char *path, const hr_framer_options *options, hr_framer **out, hr_error *error);
/* Hand out at most max_records records (> 0). HR_OK with count 0 when the range is at its end, or when a pipe brought no whole record
 * within timeout_ms (-1: wait for ever) or hr_framer_wake was called. A byte order mark at the file's start is no part of the first
 * record.
 *
 * HR_EDATA: the record that starts where the frames before ended is longer than record_limit; it has been passed over up to the next
 * line break (out->next is behind it). error->value has its beginning until the next call, out->line its line.
 * HR_EIO as hr_file_read, and fatal when the file ends before `end` or `begin`. HR_ENOMEM: nothing is lost, call again. */
int hr_framer_next(hr_framer *framer, int timeout_ms, int64_t max_records, hr_frames *out, hr_error *error);
/* Give back what hr_framer_next handed out. */
void hr_frames_release(hr_frames *frames);
/* Make a waiting hr_framer_next return soon. Any thread. */
void hr_framer_wake(hr_framer *framer);
/* The line in the file of a record of this framer. Counts the lines before `begin` the first time it is asked. Any thread. */
int hr_framer_line(hr_framer *framer, const hr_record *record, int64_t *line, const atomic_bool *cancel, hr_error *error);
/* The file behind it, for its compression, size and bytes consumed. */
const hr_file *hr_framer_file(const hr_framer *framer);
void hr_framer_close(hr_framer *framer); /* NULL is fine */

#endif
