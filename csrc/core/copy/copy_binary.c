/* csrc/core/copy/copy_binary.c: rows of a batch as COPY ... (FORMAT binary).
 *
 * The walk is row by row over columns, because COPY wants rows. Each column is compiled once per call into an op code, so that the kinds
 * most tables are made of are written inline; the rest (numeric, interval, arrays...) go through their type's write_binary.
 */
#include "core/bytes.h"
#include "copy.h"

#define HR_COPY_STACK_COLUMNS 64
#define HR_COPY_EPOCH_DAYS 10957                          /* from 1970-01-01 to 2000-01-01 */
#define HR_COPY_EPOCH_MICROS INT64_C(946684800000000)     /* the same in microseconds */

/* How a column's value is written. */
typedef enum hr_copy_code {
    HR_COPY_BITS,
    HR_COPY_16,        /* native integers or floats, byte order turned */
    HR_COPY_32,
    HR_COPY_64,
    HR_COPY_DAYS,      /* days since 1970, to be counted from 2000 */
    HR_COPY_MICROS,    /* microseconds since 1970, to be counted from 2000 */
    HR_COPY_RAW_16,    /* 16 bytes as they are */
    HR_COPY_BYTES,
    HR_COPY_VERSIONED, /* bytes after a version byte 1 (jsonb) */
    HR_COPY_CALL       /* ask the type */
} hr_copy_code;

typedef struct hr_copy_op {
    hr_copy_code code;
    int32_t index; /* in the schema */
    const uint8_t *validity;
    const uint8_t *values;
    const int32_t *offsets;
    const uint8_t *data;
    const hr_column *column;
    const hr_type_ops *ops;
} hr_copy_op;

static inline uint8_t *hr_copy_put16(uint8_t *p, uint16_t value)
{
    hr_store_be16(p, value);
    return p + sizeof(value);
}

static inline uint8_t *hr_copy_put32(uint8_t *p, uint32_t value)
{
    hr_store_be32(p, value);
    return p + sizeof(value);
}

static inline uint8_t *hr_copy_put64(uint8_t *p, uint64_t value)
{
    hr_store_be64(p, value);
    return p + sizeof(value);
}

static hr_copy_code hr_copy_code_of(hr_kind kind)
{
    switch (kind) {
    case HR_BOOL: return HR_COPY_BITS;
    case HR_INT2: return HR_COPY_16;
    case HR_INT4:
    case HR_FLOAT4: return HR_COPY_32;
    case HR_INT8:
    case HR_FLOAT8:
    case HR_TIME: return HR_COPY_64;
    case HR_DATE: return HR_COPY_DAYS;
    case HR_TIMESTAMP:
    case HR_TIMESTAMPTZ: return HR_COPY_MICROS;
    case HR_UUID: return HR_COPY_RAW_16;
    case HR_TEXT:
    case HR_VARCHAR:
    case HR_BPCHAR:
    case HR_BYTEA:
    case HR_JSON:
    case HR_ENUM: return HR_COPY_BYTES;
    case HR_JSONB: return HR_COPY_VERSIONED;
    case HR_DECIMAL:
    case HR_NUMERIC:
    case HR_INTERVAL:
    case HR_ARRAY:
    case HR_OTHER:
    case HR_KIND_COUNT: break;
    }
    return HR_COPY_CALL;
}

static void hr_copy_compile(const hr_batch *batch, int32_t index, hr_copy_op *op)
{
    const hr_column *column = &batch->columns[index];

    op->code = hr_copy_code_of(column->type->kind);
    op->index = index;
    op->validity = column->null_count > 0 ? column->validity : NULL;
    op->values = column->values;
    op->offsets = column->offsets;
    op->data = column->bytes.data;
    op->column = column;
    op->ops = hr_type_ops_of(column->type);
}

static inline uint8_t *hr_copy_days(uint8_t *p, const uint8_t *from)
{
    int32_t days;

    memcpy(&days, from, sizeof(days));
    if (HR_LIKELY(days != HR_DATE_INFINITY && days != HR_DATE_MINUS_INFINITY))
        days = (int32_t)((uint32_t)days - HR_COPY_EPOCH_DAYS);
    return hr_copy_put32(p, (uint32_t)days);
}

static inline uint8_t *hr_copy_micros(uint8_t *p, const uint8_t *from)
{
    int64_t micros;

    memcpy(&micros, from, sizeof(micros));
    if (HR_LIKELY(micros != HR_TIMESTAMP_INFINITY && micros != HR_TIMESTAMP_MINUS_INFINITY))
        micros = (int64_t)((uint64_t)micros - (uint64_t)HR_COPY_EPOCH_MICROS);
    return hr_copy_put64(p, (uint64_t)micros);
}

/* A value of fixed width with its length, at p, where there is room. */
static inline uint8_t *hr_copy_fixed(uint8_t *p, const hr_copy_op *op, size_t row)
{
    uint16_t v16;
    uint32_t v32;
    uint64_t v64;

    switch (op->code) {
    case HR_COPY_BITS:
        p = hr_copy_put32(p, 1);
        *p = (op->values[row >> 3] >> (row & 7)) & 1;
        return p + 1;
    case HR_COPY_16:
        memcpy(&v16, op->values + row * 2, sizeof(v16));
        return hr_copy_put16(hr_copy_put32(p, 2), v16);
    case HR_COPY_32:
        memcpy(&v32, op->values + row * 4, sizeof(v32));
        return hr_copy_put32(hr_copy_put32(p, 4), v32);
    case HR_COPY_64:
        memcpy(&v64, op->values + row * 8, sizeof(v64));
        return hr_copy_put64(hr_copy_put32(p, 8), v64);
    case HR_COPY_DAYS:
        return hr_copy_days(hr_copy_put32(p, 4), op->values + row * 4);
    case HR_COPY_MICROS:
        return hr_copy_micros(hr_copy_put32(p, 8), op->values + row * 8);
    case HR_COPY_RAW_16:
        p = hr_copy_put32(p, 16);
        memcpy(p, op->values + row * 16, 16);
        return p + 16;
    case HR_COPY_BYTES:
    case HR_COPY_VERSIONED:
    case HR_COPY_CALL:
        break;
    }
    return p;
}

/* Room for `room` more bytes at *p, which stands for out->size. On HR_ENOMEM *p is still good. */
static inline int hr_copy_room(hr_buffer *out, uint8_t **p, size_t room, hr_error *error)
{
    out->size = (size_t)(*p - out->data);
    HR_RETURN_NOT_OK(hr_buffer_reserve(out, room, error));
    *p = out->data + out->size;
    return HR_OK;
}

/* The widest a column's inline part can be: length, version byte or a 16-byte value. */
#define HR_COPY_FIELD_MAX 20u

/* All columns of one row. `room` is what the inline parts of a whole row need at most: it is reserved at its start and again after
 * anything of variable length, so that the inline kinds write without asking. *at is where out ends. */
static inline int hr_copy_row(const hr_copy_op *ops, int32_t count, size_t row, size_t room, hr_buffer *out, uint8_t **at,
                              int32_t *failed, hr_error *error)
{
    uint8_t *p = *at;

    if (HR_UNLIKELY((size_t)(out->data + out->capacity - p) < room))
        HR_RETURN_NOT_OK(hr_copy_room(out, &p, room, error));
    p = hr_copy_put16(p, (uint16_t)count);
    for (int32_t i = 0; i < count; i++) {
        const hr_copy_op *op = &ops[i];

        if (op->validity != NULL && !((op->validity[row >> 3] >> (row & 7)) & 1)) {
            p = hr_copy_put32(p, UINT32_MAX);
            continue;
        }
        if (op->code < HR_COPY_BYTES) {
            p = hr_copy_fixed(p, op, row);
            continue;
        }
        if (op->code == HR_COPY_CALL) {
            int rc;
            *failed = op->index;
            out->size = (size_t)(p - out->data);
            rc = op->ops->write_binary(op->column->type, op->column, (int64_t)row, out, error);
            if (HR_UNLIKELY(rc != HR_OK))
                return rc;
            p = out->data + out->size;
            if (HR_UNLIKELY(out->capacity - out->size < room))
                HR_RETURN_NOT_OK(hr_copy_room(out, &p, room, error));
            continue;
        }
        int32_t start = op->offsets[row];
        size_t n = (size_t)(op->offsets[row + 1] - start);
        uint32_t version = op->code == HR_COPY_VERSIONED;
        p = hr_copy_put32(p, (uint32_t)n + version);
        if (version)
            *p++ = 1;
        if (HR_UNLIKELY((size_t)(out->data + out->capacity - p) < n + room)) {
            *failed = op->index;
            HR_RETURN_NOT_OK(hr_copy_room(out, &p, n + room, error));
        }
        if (n > 0)
            memcpy(p, op->data + start, n);
        p += n;
    }
    *at = p;
    return HR_OK;
}

/* copy.h's rows(). The op codes live on the stack, on the heap for wide tables. On failure out->size is back where it was. */
static int hr_copy_binary_rows(const hr_batch *batch, const int32_t *columns, int32_t column_count, const uint32_t *rows, int64_t n,
                               hr_buffer *out, hr_error *error)
{
    hr_copy_op stack[HR_COPY_STACK_COLUMNS];
    hr_copy_op *ops = stack;
    size_t start = out->size;
    size_t room = 2 + (size_t)column_count * HR_COPY_FIELD_MAX;
    int32_t failed = -1;
    int rc = HR_OK;

    if (column_count > INT16_MAX)
        return hr_error_set(error, HR_EUSAGE, "COPY cannot take %d columns; %d are the limit", (int)column_count, INT16_MAX);
    if (n <= 0)
        return HR_OK;
    if (column_count > HR_COPY_STACK_COLUMNS) {
        ops = hr_malloc(sizeof(*ops) * (size_t)column_count);
        if (ops == NULL)
            return hr_error_nomem(error);
    }
    for (int32_t i = 0; i < column_count; i++)
        hr_copy_compile(batch, columns[i], &ops[i]);

    rc = hr_buffer_reserve(out, room, error);
    if (rc == HR_OK) {
        uint8_t *p = out->data + out->size;
        for (int64_t i = 0; i < n; i++) {
            failed = -1;
            rc = hr_copy_row(ops, column_count, rows[i], room, out, &p, &failed, error);
            if (HR_UNLIKELY(rc != HR_OK)) {
                if (error != NULL) {
                    error->row = rows[i];
                    error->column = failed;
                }
                break;
            }
        }
        out->size = rc == HR_OK ? (size_t)(p - out->data) : start;
    }
    if (ops != stack)
        hr_free(ops);
    return rc;
}

/* The signature, no flags, no header extension. */
static int hr_copy_binary_header(hr_buffer *out, hr_error *error)
{
    static const uint8_t header[19] = {'P', 'G', 'C', 'O', 'P', 'Y', '\n', 0xff, '\r', '\n', 0, 0, 0, 0, 0, 0, 0, 0, 0};

    return hr_buffer_append(out, header, sizeof(header), error);
}

/* A field count of -1 ends the stream. */
static int hr_copy_binary_trailer(hr_buffer *out, hr_error *error)
{
    static const uint8_t trailer[2] = {0xff, 0xff};

    return hr_buffer_append(out, trailer, sizeof(trailer), error);
}

const hr_copy_format hr_copy_binary = {
    .name = "binary",
    .options = "FORMAT binary",
    .header = hr_copy_binary_header,
    .rows = hr_copy_binary_rows,
    .trailer = hr_copy_binary_trailer,
};
