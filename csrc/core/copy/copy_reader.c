/* csrc/core/copy/copy_reader.c: COPY ... TO STDOUT (FORMAT binary) back into a batch, in pieces of any size.
 *
 * A row is decoded only when all of it is there: its field lengths are walked first. What is left over waits in reader->pending.
 */
#include "core/bytes.h"
#include "copy.h"

#define HR_COPY_SIGNATURE_SIZE 11u
#define HR_COPY_CRITICAL_FLAGS UINT32_C(0xffff0000) /* a reader that does not know one of these must give up */
#define HR_COPY_OID_FLAG UINT32_C(0x00010000)

void hr_copy_reader_init(hr_copy_reader *reader, hr_batch *batch)
{
    memset(reader, 0, sizeof(*reader));
    reader->batch = batch;
}

void hr_copy_reader_free(hr_copy_reader *reader)
{
    hr_buffer_free(&reader->pending);
}

/* Read the header at the front of bytes. *used is its length, 0 when it is not all there yet. */
static int hr_copy_read_header(const uint8_t *bytes, size_t n, size_t *used, hr_error *error)
{
    static const uint8_t signature[HR_COPY_SIGNATURE_SIZE] = {'P', 'G', 'C', 'O', 'P', 'Y', '\n', 0xff, '\r', '\n', 0};
    size_t look = n < sizeof(signature) ? n : sizeof(signature);
    uint32_t flags, extension;

    *used = 0;
    if (memcmp(bytes, signature, look) != 0)
        return hr_error_data(error, HR_REASON_MALFORMED, (const char *)bytes, look,
                             "this is not a binary COPY stream: it does not start with PGCOPY; use COPY ... WITH (FORMAT binary)");
    if (n < sizeof(signature) + 8)
        return HR_OK;
    flags = hr_load_be32(bytes + sizeof(signature));
    extension = hr_load_be32(bytes + sizeof(signature) + 4);
    if (flags & HR_COPY_OID_FLAG)
        return hr_error_data(error, HR_REASON_MALFORMED, NULL, 0,
                             "the COPY stream carries row oids, as servers before PostgreSQL 12 could send: copy without oids");
    if (flags & HR_COPY_CRITICAL_FLAGS)
        return hr_error_data(error, HR_REASON_MALFORMED, NULL, 0, "the COPY stream's header has unknown critical flags %08x",
                             (unsigned)flags);
    if (extension > INT32_MAX)
        return hr_error_data(error, HR_REASON_MALFORMED, NULL, 0, "the COPY stream's header extension has a negative length");
    if (n - sizeof(signature) - 8 < extension)
        return HR_OK;
    *used = sizeof(signature) + 8 + extension;
    return HR_OK;
}

/* The length of the row or trailer at the front of bytes, 0 when it is not all there yet. Checks the field count and the lengths. */
static int hr_copy_measure(const hr_schema *schema, const uint8_t *bytes, size_t n, size_t *length, hr_error *error)
{
    size_t at = 2;
    int16_t count;

    *length = 0;
    if (n < 2)
        return HR_OK;
    count = (int16_t)hr_load_be16(bytes);
    if (count == -1) {
        *length = 2;
        return HR_OK;
    }
    if (count != schema->count)
        return hr_error_data(error, HR_REASON_MALFORMED, NULL, 0,
                             "the COPY stream has a row of %d fields, the schema has %d columns: was the table altered?", (int)count,
                             (int)schema->count);
    for (int32_t i = 0; i < count; i++) {
        if (n - at < 4)
            return HR_OK;
        int32_t field = (int32_t)hr_load_be32(bytes + at);
        at += 4;
        if (field == -1)
            continue;
        if (field < 0) {
            hr_error_data(error, HR_REASON_MALFORMED, NULL, 0, "the COPY stream has a field of length %d: it is damaged", (int)field);
            if (error != NULL)
                error->column = i;
            return HR_EDATA;
        }
        if (n - at < (size_t)field)
            return HR_OK;
        at += (size_t)field;
    }
    *length = at;
    return HR_OK;
}

/* Append the one whole row at bytes. On failure columns may be uneven: the caller truncates the batch. */
static int hr_copy_read_row(hr_batch *batch, const uint8_t *bytes, hr_error *error)
{
    const hr_schema *schema = batch->schema;
    int rc = HR_OK;

    if (schema->default_count > 0) {
        HR_RETURN_NOT_OK(hr_batch_reserve_absent(batch, error));
        batch->absent[batch->length] = 0;
    }
    bytes += 2;
    for (int32_t i = 0; i < schema->count; i++) {
        hr_column *column = &batch->columns[i];
        int32_t field = (int32_t)hr_load_be32(bytes);
        bytes += 4;
        if (field >= 0) {
            rc = hr_type_ops_of(column->type)->read_binary(column->type, bytes, field, column, error);
            bytes += field;
        } else if (schema->columns[i].not_null) {
            rc = hr_error_data(error, HR_REASON_NULL, NULL, 0, "column \"%s\" is NOT NULL, but the COPY stream has a null for it",
                               schema->columns[i].name);
        } else {
            rc = hr_column_append_null(column, error);
        }
        if (HR_UNLIKELY(rc != HR_OK)) {
            if (error != NULL)
                error->column = i;
            return rc;
        }
    }
    batch->length++;
    return HR_OK;
}

/* Decode what is whole in bytes; *used says how much that was. */
static int hr_copy_read_all(hr_copy_reader *reader, const uint8_t *bytes, size_t n, size_t *used, hr_error *error)
{
    size_t at = 0, length;

    *used = 0;
    if (!reader->started) {
        HR_RETURN_NOT_OK(hr_copy_read_header(bytes, n, &at, error));
        if (at == 0)
            return HR_OK;
        reader->started = true;
    }
    while (at < n && !reader->finished) {
        HR_RETURN_NOT_OK(hr_copy_measure(reader->batch->schema, bytes + at, n - at, &length, error));
        if (length == 0)
            break;
        if (hr_load_be16(bytes + at) == UINT16_MAX)
            reader->finished = true;
        else
            HR_RETURN_NOT_OK(hr_copy_read_row(reader->batch, bytes + at, error));
        at += length;
    }
    if (reader->finished && at < n)
        return hr_error_data(error, HR_REASON_MALFORMED, NULL, 0, "the COPY stream goes on after its trailer: it is damaged");
    *used = at;
    return HR_OK;
}

/* On any failure batch and reader are as before the call; error->row is where in the batch the bad row would have been.
 * The offending value, if any, points into the caller's bytes or the reader's, and is valid until the next call. */
int hr_copy_reader_feed(hr_copy_reader *reader, const uint8_t *bytes, size_t n, hr_error *error)
{
    const bool started = reader->started, finished = reader->finished;
    const int64_t rows = reader->batch->length;
    const size_t waiting = reader->pending.size;
    const uint8_t *from = bytes;
    size_t size = n, used = 0;
    int rc = HR_OK;

    if (n == 0)
        return HR_OK;
    if (waiting > 0) {
        HR_RETURN_NOT_OK(hr_buffer_append(&reader->pending, bytes, n, error));
        from = reader->pending.data;
        size = reader->pending.size;
    }
    rc = hr_copy_read_all(reader, from, size, &used, error);
    if (rc == HR_OK && waiting == 0)
        rc = hr_buffer_append(&reader->pending, from + used, size - used, error);
    if (rc != HR_OK) {
        if (error != NULL && rc == HR_EDATA)
            error->row = reader->batch->length;
        hr_batch_truncate(reader->batch, rows);
        reader->pending.size = waiting;
        reader->started = started;
        reader->finished = finished;
        return rc;
    }
    if (waiting > 0 && used > 0) {
        memmove(reader->pending.data, reader->pending.data + used, size - used);
        reader->pending.size = size - used;
    }
    return HR_OK;
}

int hr_copy_reader_end(hr_copy_reader *reader, hr_error *error)
{
    if (!reader->started)
        return hr_error_data(error, HR_REASON_MALFORMED, NULL, 0, "the COPY stream ended before its header was complete");
    if (!reader->finished) {
        hr_error_data(error, HR_REASON_MALFORMED, NULL, 0, "the COPY stream ended %s: it was cut short",
                      reader->pending.size > 0 ? "inside a row" : "without its trailer");
        if (error != NULL)
            error->row = reader->batch->length;
        return HR_EDATA;
    }
    return HR_OK;
}
