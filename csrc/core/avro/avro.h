/* csrc/core/avro/avro.h: Avro's binary form, read by the schema it was written with.
 *
 * A message says by a number which schema that is (Confluent's wire format: a zero byte, the number in 4 bytes, the body); whoever opens
 * the decoder brings a way to find schemas by number, for core has no network. A job may name one schema instead; then messages are bodies
 * alone. Each writer's schema is read once (avro_schema.c) and compiled once against the columns (avro_plan.c): the plan says for each
 * field which columns take it, and all others are skipped without being looked at.
 */
#ifndef HR_CORE_AVRO_H
#define HR_CORE_AVRO_H

#include "core/debezium/debezium.h"

#define HR_AVRO_DEPTH 200 /* of values in values: recursive schemas would overflow the stack otherwise */

/* ---- schemas (avro_schema.c) ---- */

typedef enum hr_avro_kind {
    HR_AVRO_NULL = 0,
    HR_AVRO_BOOLEAN,
    HR_AVRO_INT,
    HR_AVRO_LONG,
    HR_AVRO_FLOAT,
    HR_AVRO_DOUBLE,
    HR_AVRO_BYTES,
    HR_AVRO_STRING,
    HR_AVRO_FIXED,
    HR_AVRO_ENUM,
    HR_AVRO_ARRAY, /* children[0]: the items */
    HR_AVRO_MAP,   /* children[0]: the values */
    HR_AVRO_UNION, /* children: the branches */
    HR_AVRO_RECORD /* children: the fields, names beside */
} hr_avro_kind;

typedef struct hr_avro_type {
    hr_avro_kind kind;
    hr_change_field form; /* by the logical type, or by Connect's name */
    bool duration;        /* FIXED of 12 bytes: months, days, milliseconds */
    const char *name;     /* of named types, in full */
    int32_t size;         /* FIXED */
    int32_t count;
    const char **names; /* RECORD: fields; ENUM: symbols */
    struct hr_avro_type **children;
    struct hr_avro_type *next; /* named types in the order of their definition */
} hr_avro_type;

/* Read an Avro schema (JSON); everything lies in the arena. HR_EDATA (malformed) when it is none, with a message that says where. */
int hr_avro_schema_read(hr_arena *arena, const char *text, size_t n, hr_avro_type **out, hr_error *error);

/* ---- values (avro_read.c) ---- */

typedef struct hr_avro_reader {
    const char *at, *end;
    size_t steps;    /* values that may still be looked at: a schema may have values of no bytes, nested and multiplied */
    size_t json;     /* bytes of JSON that may still be written: names of fields and symbols are in the schema, and no part of the body */
    hr_error *error; /* filled when a function below fails */
    int rc;          /* HR_EDATA, or HR_ENOMEM */
} hr_avro_reader;

/* All return false after filling error and rc. */
bool hr_avro_fail(hr_avro_reader *reader, hr_reason reason, const char *what);
bool hr_avro_long(hr_avro_reader *reader, int64_t *value);
bool hr_avro_int(hr_avro_reader *reader, int64_t *value);
/* The length of a string or bytes, checked against what is left; the reader then stands at the first byte. */
bool hr_avro_length(hr_avro_reader *reader, size_t *n);
/* n bytes; the reader moves behind them. */
bool hr_avro_take(hr_avro_reader *reader, size_t n, const char **bytes);
bool hr_avro_string(hr_avro_reader *reader, const char **s, size_t *n);
bool hr_avro_double(hr_avro_reader *reader, double *value);
bool hr_avro_float(hr_avro_reader *reader, float *value);
bool hr_avro_boolean(hr_avro_reader *reader, bool *value);
/* The branch of a union, or the symbol of an enum: 0 <= *index < count. */
bool hr_avro_index(hr_avro_reader *reader, int32_t count, const char *what, int32_t *index);

/* Pass over a value. Allocates nothing. */
bool hr_avro_skip(hr_avro_reader *reader, const hr_avro_type *type, int depth);
/* Append a value as JSON. Bytes are base64; decimals are numbers, or base64 as well when `raw`. */
bool hr_avro_json(hr_avro_reader *reader, const hr_avro_type *type, bool raw, int depth, hr_arena *arena, hr_buffer *out);

/* ---- plans (avro_plan.c) ---- */

/* What an event has beside the row. */
typedef enum hr_avro_meta {
    HR_META_OP = 0,
    HR_META_LSN,
    HR_META_TXID,
    HR_META_TS_US,
    HR_META_TS_MS,
    HR_META_TS_NS,
    HR_META_SNAPSHOT,
    HR_META_SCHEMA,
    HR_META_TABLE,
    HR_META_DELETED,
    HR_META_AFTER, /* present when "after" is no null */
    HR_META_BEFORE,
    HR_META_COUNT
} hr_avro_meta;

/* What becomes of a value. A field without a plan is skipped. */
typedef struct hr_avro_plan {
    const hr_avro_type *type;
    bool before;  /* columns below are those of the row before the change */
    int32_t meta; /* hr_avro_meta, or -1 */
    int32_t taker_count, below_count;
    int32_t *takers;             /* columns that take the value as a whole */
    int32_t *below;              /* columns whose path leads through it */
    bool inner;                  /* RECORD: some fields have plans; UNION: some branches */
    bool rest;                   /* RECORD: fields without a plan go into $rest */
    struct hr_avro_plan **parts; /* RECORD: per field, UNION: per branch; NULL: skipped */
} hr_avro_plan;

typedef enum hr_avro_role {
    HR_AVRO_PLAIN, /* the record's fields are the row's */
    HR_AVRO_EVENT, /* a change event: an envelope, or a flat row */
    HR_AVRO_KEY    /* the key of a change event */
} hr_avro_role;

typedef struct hr_avro_program {
    hr_avro_plan *root;
    bool envelope;
    hr_change_field *forms; /* per column */
    const char *unknown;    /* a field of the row that no column takes, or NULL */
} hr_avro_program;

/* Compile a writer's schema against the columns; everything lies in the arena. HR_EDATA (malformed) when it is no record. */
int hr_avro_compile(hr_arena *arena, const hr_schema *schema, const hr_avro_type *type, hr_avro_role role, hr_avro_program *out,
                    hr_error *error);

#endif
