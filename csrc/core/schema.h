/* csrc/core/schema.h: the columns of a target, and where each takes its value from in a record. */
#ifndef HR_CORE_SCHEMA_H
#define HR_CORE_SCHEMA_H

#include "core/types/type.h"

/* Where a column's value comes from. */
typedef enum hr_from {
    HR_FROM_PATH = 0,  /* a key, or a path of keys, of the record */
    HR_FROM_REST,      /* "$rest": what no other column names, as one JSON object */
    HR_FROM_RAW,       /* "$raw": the record's bytes as they came */
    HR_FROM_KEY,       /* "$key": the Kafka message key */
    HR_FROM_TOPIC,     /* "$topic": topic, or the file's path */
    HR_FROM_PARTITION, /* "$partition" */
    HR_FROM_OFFSET,    /* "$offset": Kafka offset, or byte offset in the file */
    HR_FROM_TIMESTAMP, /* "$timestamp": the message's timestamp (microseconds since 1970) */
    HR_FROM_NOTHING,   /* never loaded: generated columns, or mapped to null by the user */
    /* of change events alone (debezium.h): */
    HR_FROM_OP,        /* "$op": c, r, u, d or t */
    HR_FROM_LSN,       /* "$lsn": a number */
    HR_FROM_TXID,      /* "$txid" */
    HR_FROM_SOURCE_TS, /* "$source_ts": when the change was made, microseconds since 1970 */
    HR_FROM_SNAPSHOT,  /* "$snapshot": whether the row was read rather than changed */
    HR_FROM_TABLE,     /* "$table": schema.table */
    HR_FROM_UNCHANGED  /* "$unchanged": the names of the columns whose value the event does not tell, for it did not change */
} hr_from;

typedef struct hr_column_def {
    const char *name;
    hr_type type;
    bool not_null;
    bool has_default; /* an absent key lets the server's default apply */
    bool in_key;      /* part of the primary key, or of the job's key */
    hr_from from;
    int32_t depth;            /* HR_FROM_PATH: keys in the path, >= 1 */
    const char *const *path;  /* depth keys */
    const size_t *path_len;
} hr_column_def;

typedef enum hr_unknown { HR_UNKNOWN_IGNORE = 0, HR_UNKNOWN_REJECT } hr_unknown; /* "keep" is a column with HR_FROM_REST */

/* Immutable once sealed; shared by reference count, from any thread. */
typedef struct hr_schema {
    int32_t refs; /* atomic */
    int32_t count;
    int32_t capacity;
    hr_column_def *columns;
    hr_unknown unknown;
    int32_t default_count; /* columns with has_default; their order gives the bits of hr_batch.absent, 64 at most */
    hr_arena arena;
} hr_schema;

/* A new, empty schema with one reference, or HR_ENOMEM. */
int hr_schema_new(hr_schema **out, hr_error *error);
/* Add a column taking its value from the key of the same name. `type` is copied shallowly: what it points to must live in
 * hr_schema_arena(). Returns HR_EUSAGE for a duplicate name. *index may be NULL. */
int hr_schema_add(hr_schema *schema, const char *name, const hr_type *type, bool not_null, bool has_default, int32_t *index,
                  hr_error *error);
/* Say where a column comes from: "a.b.c" (a backslash escapes a dot), "$rest", "$raw", "$key", "$topic", "$partition", "$offset",
 * "$timestamp", and for change events "$op", "$lsn", "$txid", "$source_ts", "$snapshot", "$table", "$unchanged". HR_EUSAGE when the
 * spelling cannot be, or the type does not fit ($rest needs json or jsonb). */
int hr_schema_map(hr_schema *schema, int32_t column, const char *source, hr_error *error);
/* The column called name, or -1. */
int32_t hr_schema_find(const hr_schema *schema, const char *name);
/* The bit of a column in hr_batch.absent, or -1 when it has no default. */
int hr_schema_default_bit(const hr_schema *schema, int32_t column);

hr_schema *hr_schema_retain(hr_schema *schema);
void hr_schema_release(hr_schema *schema); /* NULL is fine */

#endif
