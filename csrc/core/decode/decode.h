/* csrc/core/decode/decode.h: from records to rows.
 *
 * A format is one row of hr_formats (decode.c) and one file. A format of fields (JSON, CSV) only finds, for each column of the
 * schema, the bytes that belong to it; decode.c turns these fields into values through the type table, so that every format
 * reads every type alike. A format with types of its own (Avro, COPY BINARY) may fill the batch itself.
 */
#ifndef HR_CORE_DECODE_H
#define HR_CORE_DECODE_H

#include "core/batch.h"

#define HR_MAX_DEPTH 1000 /* JSON nesting; deeper is a reject, not a stack overflow */
#define HR_MAX_RECORD ((size_t)1 << 30) /* bytes of a record; PostgreSQL holds no value above 1 GiB */

/* One message, line or row as it arrived. */
typedef struct hr_record {
    const char *data; /* NULL for a tombstone */
    size_t len;
    int64_t offset;    /* Kafka offset, or byte offset in the file */
    int64_t timestamp; /* microseconds since 1970, HR_NO_TIMESTAMP when unknown */
    int64_t line;      /* files: 1-based line of the first byte; else 0 */
    const char *key;   /* NULL when none */
    size_t key_len;
    const char *topic; /* topic or file path; lives as long as the source */
    int32_t partition;
    int32_t lane;      /* index of the source's lane the record came from (io/source/source.h) */
    int64_t id;        /* of the dead letter that is replayed; else 0 */
    const char *header; /* the header line that names the record's fields (CSV), NUL-terminated; NULL when the format needs none. Lives as
                           long as the source; records of one file share one pointer */
    const char *defect; /* not NULL: the source itself knows why this can be no row (longer than the limit) */
} hr_record;
#define HR_NO_TIMESTAMP INT64_MIN

#define HR_FIELD_ESCAPED 1u /* STRING: backslash escapes inside; TEXT: the CSV quote doubled inside */
#define HR_FIELD_DONE 2u    /* the value is in its column already: see decode_short.h */
#define HR_FIELD_EXEMPT 4u  /* NULL: also where the column is NOT NULL (what a change event does not tell) */
#define HR_FIELD_OUTSIDE 8u /* data is not within the record: no short way may read beyond its end */
typedef struct hr_field {
    const char *data;
    uint32_t len;
    uint8_t token; /* hr_token */
    uint8_t flags;
} hr_field;

/* How values stand in change events whose schema does not come with them (debezium.h). */
typedef enum hr_times_form {
    HR_TIMES_ADAPTIVE = 0, /* milliseconds for columns of precision 3 and less, else microseconds */
    HR_TIMES_ADAPTIVE_TIMESTAMPS, /* the same, but times of day always in microseconds */
    HR_TIMES_MILLIS,
    HR_TIMES_MICROS,
    HR_TIMES_NANOS
} hr_times_form;
typedef enum hr_decimal_form { HR_DECIMAL_AS_STRING = 0, HR_DECIMAL_AS_BASE64 } hr_decimal_form;
typedef enum hr_binary_form { HR_BINARY_BASE64 = 0, HR_BINARY_HEX } hr_binary_form;

/* Where Avro's schemas are found by the numbers that messages carry. */
typedef struct hr_avro_schemas {
    void *context;
    /* The schema's text, which lives as long as the context; called from any thread. HR_EDATA when there is no such schema (the record is
     * rejected); other codes end the load. */
    int (*find)(void *context, int32_t id, const char **text, size_t *n, hr_error *error);
} hr_avro_schemas;

typedef struct hr_decode_options {
    /* JSON */
    const char *look; /* how long records are looked over (json_index.h), for tests; NULL: as this processor does it fastest */
    /* CSV */
    char delimiter;   /* ',' when 0 */
    char quote;       /* '"' when 0 */
    bool has_header;  /* the first record of every file names the columns */
    const char *null; /* the unquoted field that means null; "" when NULL */
    const char *const *header; /* names when there is no header line; NULL: the schema's order */
    int32_t header_count;
    /* Change events */
    hr_times_form change_time;      /* of times and timestamps as numbers */
    hr_decimal_form change_decimal;
    hr_binary_form change_binary;   /* of bytea */
    const char *change_marker;      /* stands for an unchanged TOAST value; Debezium's own when NULL */
    /* Avro: one of the two */
    const char *avro_schema;        /* messages are bodies of this schema, without its number */
    const hr_avro_schemas *avro_schemas; /* lives longer than the decoder */
} hr_decode_options;

typedef struct hr_decoder hr_decoder;

typedef struct hr_format {
    const char *name; /* "json", "csv", "debezium" */

    /* Compile the schema into a decoder of this format. The state is hung on decoder->state. */
    int (*open)(hr_decoder *decoder, hr_error *error);
    void (*close)(hr_decoder *decoder);

    /* Find the fields: fields[i] belongs to schema column i; the caller has set all to HR_TOKEN_ABSENT. One more follows, for the
     * format to use as it likes. Checks the whole record. The bytes stay valid until the next call. Exactly one of fields and decode
     * is set. */
    int (*fields)(hr_decoder *decoder, const hr_record *record, hr_field *fields, hr_error *error);
    int (*decode)(hr_decoder *decoder, const hr_record *record, hr_batch *batch, hr_error *error);

    /* Cut a byte stream into records: the length of the record that starts at buf, its terminator included, or 0 when it does not
     * end within len (the caller brings more bytes; at_end says there are none, and then the rest is the record). *body is its length
     * without terminator. NULL for formats that only come as messages. Never fails: broken quoting is the decoder's to report. */
    size_t (*frame)(const hr_decode_options *options, const char *buf, size_t len, bool at_end, size_t *body);
    bool multiline; /* a record may hold line breaks */
    bool changes;   /* records are change events: they have what "$op" and its like name */

    /* Learn the names from a header record; NULL for formats that have none. See hr_decoder_header. */
    int (*header)(hr_decoder *decoder, const char *line, size_t n, hr_error *error);
} hr_format;

/* NULL-terminated. */
extern const hr_format *const hr_formats[];
/* The format called name, or NULL. */
const hr_format *hr_format_find(const char *name);

struct hr_decoder {
    const hr_format *format;
    hr_schema *schema; /* retained */
    hr_decode_options options;
    hr_arena options_arena; /* what options points to */
    hr_arena scratch;  /* reset before every record */
    hr_field *fields;  /* schema->count, and a spare one that a format may use as it likes */
    hr_batch *batch;   /* being filled, while the format looks for fields; NULL when only fields are wanted */
    struct hr_decode_step *steps; /* schema->count: how decode.c treats each column */
    hr_buffer text;    /* unescaped strings */
    hr_buffer rest;    /* the object for HR_FROM_REST */
    const char *header_of; /* the caller's: the hr_record.header that was learned last */
    void *state;       /* the format's own */
};

/* Options are copied deeply. */
int hr_decoder_new(const hr_format *format, hr_schema *schema, const hr_decode_options *options, hr_decoder **out, hr_error *error);
void hr_decoder_free(hr_decoder *decoder); /* NULL is fine */
/* Between batches: give back the room that a record far larger than usual has left behind. */
void hr_decoder_trim(hr_decoder *decoder);

/* Append one record as one row. HR_EDATA: the batch is as it was, and *error says reason, column, value, offset in the record.
 * HR_ENOMEM: the batch is as it was. A record with data == NULL is not passed here: tombstones are the caller's. */
int hr_decoder_decode(hr_decoder *decoder, const hr_record *record, hr_batch *batch, hr_error *error);

/* CSV with a header: learn the names from the header record (hr_decode_options.has_header). HR_EUSAGE when a NOT NULL column without
 * default is not among them, or a name comes twice. Other formats: HR_EUSAGE. */
int hr_decoder_header(hr_decoder *decoder, const char *line, size_t n, hr_error *error);

#endif
