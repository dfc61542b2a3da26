/* csrc/core/types/type.h: what a column can hold, and the table of functions of each type.
 *
 * A type is one line of hr_type_table (type.c) and one hr_type_ops in a file type_<family>.c. Adding a type is adding those two.
 *
 * The layouts are Arrow's, so that a batch leaves C without a copy:
 *   HR_BOOL bit-packed; HR_INT2/4/8 and HR_FLOAT4/8 native;
 *   HR_DECIMAL numeric(p,s) with 1<=p<=38 and 0<=s<=p: Arrow decimal128(p,s), little-endian two's complement;
 *   HR_NUMERIC any other numeric: UTF-8, in the server's output form (its own digits, never through a double);
 *   HR_TEXT, HR_VARCHAR, HR_BPCHAR, HR_JSON, HR_JSONB, HR_ENUM, HR_OTHER: UTF-8 with int32 offsets; HR_BYTEA the same, binary;
 *   HR_DATE int32 days since 1970-01-01; HR_TIME int64 microseconds of the day;
 *   HR_TIMESTAMP, HR_TIMESTAMPTZ int64 microseconds since 1970-01-01 (UTC for timestamptz);
 *   HR_INTERVAL 16 bytes {int32 months, int32 days, int64 microseconds} (Arrow's month_day_nano wants nanoseconds: converted on export);
 *   HR_UUID 16 bytes; HR_ARRAY Arrow list: int32 offsets into one child column.
 * Values that PostgreSQL has and Arrow has not are kept as reserved values, load exactly, and are refused with a clear
 * error on Arrow export: HR_DECIMAL_NAN, HR_DATE_INFINITY, HR_TIMESTAMP_INFINITY and their negatives.
 */
#ifndef HR_CORE_TYPE_H
#define HR_CORE_TYPE_H

#include "core/arena.h"
#include "core/error.h"

typedef enum hr_kind {
    HR_BOOL = 0,
    HR_INT2,
    HR_INT4,
    HR_INT8,
    HR_FLOAT4,
    HR_FLOAT8,
    HR_DECIMAL,
    HR_NUMERIC,
    HR_TEXT,
    HR_VARCHAR,
    HR_BPCHAR,
    HR_BYTEA,
    HR_DATE,
    HR_TIME,
    HR_TIMESTAMP,
    HR_TIMESTAMPTZ,
    HR_INTERVAL,
    HR_UUID,
    HR_JSON,
    HR_JSONB,
    HR_ENUM,
    HR_ARRAY, /* one-dimensional, of any of the above */
    HR_OTHER, /* any other type: kept as text, loaded through the server's own text input */
    HR_KIND_COUNT
} hr_kind;

typedef enum hr_storage {
    HR_STORE_BITS,  /* values: bit-packed, LSB first */
    HR_STORE_FIXED, /* values: `width` bytes each */
    HR_STORE_BYTES, /* offsets: int32[length + 1], data */
    HR_STORE_LIST   /* offsets: int32[length + 1], child */
} hr_storage;

#define HR_DATE_INFINITY INT32_MAX
#define HR_DATE_MINUS_INFINITY INT32_MIN
#define HR_TIMESTAMP_INFINITY INT64_MAX
#define HR_TIMESTAMP_MINUS_INFINITY INT64_MIN
/* HR_DECIMAL's NaN: the lowest 128-bit number, far outside 38 digits. */
#define HR_DECIMAL_NAN_LOW UINT64_C(0)
#define HR_DECIMAL_NAN_HIGH INT64_MIN

typedef struct hr_decimal128 {
    uint64_t low;
    int64_t high;
} hr_decimal128;

typedef struct hr_interval {
    int32_t months;
    int32_t days;
    int64_t micros;
} hr_interval; /* infinity: all three at their maximum (minimum for -infinity); PostgreSQL 17 or newer */

/* How a JSON or CSV number is read into a date or timestamp column; HR_UNIT_NONE rejects it. */
typedef enum hr_time_unit { HR_UNIT_NONE = 0, HR_UNIT_S, HR_UNIT_MS, HR_UNIT_US, HR_UNIT_NS, HR_UNIT_DAYS } hr_time_unit;

typedef struct hr_type {
    hr_kind kind;
    uint32_t oid;      /* pg_type.oid in the target database (a domain's base type); without a server 0 but for built-in types */
    int32_t typmod;    /* pg_attribute.atttypmod, -1 for none */
    int16_t precision; /* numeric(p,s): p, 0 when unbounded */
    int16_t scale;     /* numeric(p,s): s, may be negative; time/timestamp/interval(p): p, -1 when none */
    int32_t max_chars; /* varchar(n), char(n): n characters, -1 when unbounded */
    hr_time_unit unit;
    int32_t server_version;      /* PQserverVersion of the target, 0 when unknown: some values depend on it */
    const char *name;            /* as format_type() prints it: "numeric(12,2)", "shop.status" */
    const struct hr_type *element; /* HR_ARRAY */
    char delimiter;              /* HR_ARRAY: between elements in the text form, ',' for nearly all */
    const char *const *labels;   /* HR_ENUM, sorted by strcmp */
    int32_t label_count;
} hr_type;

struct hr_column;

/* Where a value came from: decides how a format without types of its own is read. */
typedef enum hr_token {
    HR_TOKEN_ABSENT = 0, /* the record does not name the column */
    HR_TOKEN_NULL,
    HR_TOKEN_FALSE,
    HR_TOKEN_TRUE,
    HR_TOKEN_NUMBER, /* JSON number, its own digits */
    HR_TOKEN_STRING, /* JSON string, between the quotes; HR_FIELD_ESCAPED when it holds backslashes */
    HR_TOKEN_OBJECT, /* JSON text of an object, checked */
    HR_TOKEN_ARRAY,  /* JSON text of an array, checked */
    HR_TOKEN_TEXT,   /* text from outside JSON (a CSV field), unquoted */
    HR_TOKEN_INT64,  /* binary formats and record metadata: data points at an int64_t */
    HR_TOKEN_FLOAT64,
    HR_TOKEN_BYTES
} hr_token;

/* The functions of a type. None keeps state; all append or read exactly one value. */
typedef struct hr_type_ops {
    hr_kind kind;
    hr_storage storage;
    int32_t width;            /* HR_STORE_FIXED: bytes a value; else 0 */
    uint32_t oid, array_oid;  /* PostgreSQL's built-in oids; 0 for enum, array, other */
    const char *name;         /* the SQL name without modifiers */
    const char *arrow_format; /* Arrow C data interface format string; NULL where it depends on the type (decimal, list) */

    /* Append the value whose text is s[0..n), read as the type's own input function reads it, with one difference: only the
     * documented forms (ISO 8601 and the server's own output form) of dates, times and intervals. For HR_TOKEN_NUMBER, TRUE,
     * FALSE, OBJECT and ARRAY the text is the JSON text, as json_populate_record hands it to the input function; strings arrive
     * without quotes and escapes, and json/jsonb columns receive their JSON text whatever the token. Never called for NULL or ABSENT.
     * s need not be NUL-terminated. On HR_EDATA or HR_ENOMEM the column is unchanged. */
    int (*parse)(const hr_type *type, hr_token token, const char *s, size_t n, struct hr_column *out, hr_error *error);

    /* Append row's value (known not to be null) as a COPY BINARY field: int32 length in network order, then the bytes. */
    int (*write_binary)(const hr_type *type, const struct hr_column *column, int64_t row, hr_buffer *out, hr_error *error);

    /* Append one non-null value from its n COPY BINARY bytes (without the length). */
    int (*read_binary)(const hr_type *type, const uint8_t *bytes, int32_t n, struct hr_column *out, hr_error *error);

    /* Append row's value (not null) in the server's own output form under DateStyle ISO, IntervalStyle postgres,
     * TimeZone UTC, extra_float_digits 1, bytea_output hex. Unescaped. */
    int (*write_text)(const hr_type *type, const struct hr_column *column, int64_t row, hr_buffer *out, hr_error *error);
} hr_type_ops;

/* Indexed by hr_kind; each row is defined by the family's own file: hr_type_<kind>. */
extern const hr_type_ops *const hr_type_table[HR_KIND_COUNT];

static inline const hr_type_ops *hr_type_ops_of(const hr_type *type)
{
    return hr_type_table[type->kind];
}

/* Fill *type from a SQL type name without a server: "bigint", "numeric(12,2)", "varchar(40)", "timestamptz", "text[]", and their
 * aliases ("int8", "character varying(40)", "timestamp with time zone"). Names it does not know become HR_OTHER. Memory from
 * the arena. HR_EUSAGE for a name that cannot be (numeric(0), varchar(-1), unbalanced parentheses). */
int hr_type_from_name(const char *name, hr_arena *arena, hr_type *type, hr_error *error);

/* Fill *type from the catalog's numbers: built-in oid (base type of a domain) and typmod. Unknown oids become HR_OTHER;
 * enums and arrays are completed by the caller. `name` is copied into the arena. */
int hr_type_from_oid(uint32_t oid, int32_t typmod, const char *name, hr_arena *arena, hr_type *type, hr_error *error);

#endif
