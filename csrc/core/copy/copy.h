/* csrc/core/copy/copy.h: a batch as the bytes of COPY ... FROM STDIN, and back.
 *
 * Binary is the fast way; text carries the types that only the server's own input knows (HR_OTHER).
 * Source of the formats: PostgreSQL manual, COPY, "Text Format" and "Binary Format".
 */
#ifndef HR_CORE_COPY_H
#define HR_CORE_COPY_H

#include "core/batch.h"

typedef struct hr_copy_format {
    const char *name;    /* "binary", "text" */
    const char *options; /* for the COPY statement: "FORMAT binary" */
    int (*header)(hr_buffer *out, hr_error *error);
    /* The rows rows[0..n) of the batch (indices), with the columns columns[0..column_count) (indices). On failure out->size is
     * what it was, and error->row is the batch row. */
    int (*rows)(const hr_batch *batch, const int32_t *columns, int32_t column_count, const uint32_t *rows, int64_t n, hr_buffer *out,
                hr_error *error);
    int (*trailer)(hr_buffer *out, hr_error *error);
} hr_copy_format;

extern const hr_copy_format hr_copy_binary;
extern const hr_copy_format hr_copy_text;

/* hr_copy_binary unless a column is HR_OTHER (or an array of it). */
const hr_copy_format *hr_copy_format_for(const hr_schema *schema);

/* Decoding of a binary COPY stream: feed it the bytes in pieces of any size. */
typedef struct hr_copy_reader {
    hr_batch *batch; /* rows are appended here; not owned */
    hr_buffer pending;
    bool started, finished;
} hr_copy_reader;

void hr_copy_reader_init(hr_copy_reader *reader, hr_batch *batch);
/* Decode all whole rows in the bytes; keep the rest for the next call. HR_EDATA when the stream is not a COPY BINARY stream of this schema.
 */
int hr_copy_reader_feed(hr_copy_reader *reader, const uint8_t *bytes, size_t n, hr_error *error);
/* HR_EDATA when the stream ended inside a row or without its trailer. */
int hr_copy_reader_end(hr_copy_reader *reader, hr_error *error);
void hr_copy_reader_free(hr_copy_reader *reader);

#endif
