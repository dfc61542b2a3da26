/* csrc/core/debezium/debezium.h: what all forms of Debezium's change events share, whether they come as JSON or as Avro.
 *
 * A decoder finds the fields of the changed row and fills an hr_change; hr_change_finish then makes of it what decode.c reads:
 *   - values in Debezium's forms (base64 decimals, days since 1970, microseconds, ...) become text that the column's type reads;
 *   - unchanged TOAST markers become nulls, and their columns' names the value of "$unchanged";
 *   - columns with a reserved source ("$op", "$lsn", ...) get theirs.
 * What a value's form is follows, in this order, from the schema that comes with the message, from the column's type, and from the
 * options, which speak for what a message without a schema does not say. docs/formats.md has the table.
 */
#ifndef HR_CORE_DEBEZIUM_H
#define HR_CORE_DEBEZIUM_H

#include "core/decode/decode.h"

/* The form of a value, as far as it is known. */
typedef enum hr_change_form {
    HR_FORM_UNKNOWN = 0,      /* the message has no schema: the column's type and the options decide */
    HR_FORM_PLAIN,            /* as it stands */
    HR_FORM_DECIMAL,          /* big-endian two's complement, base64 in JSON; scale beside */
    HR_FORM_VARIABLE_DECIMAL, /* {"scale": s, "value": the same} */
    HR_FORM_BYTES,            /* base64 in JSON */
    HR_FORM_BITS,             /* bit 0 first; their number beside */
    HR_FORM_DAYS,
    HR_FORM_MILLIS,
    HR_FORM_MICROS,
    HR_FORM_NANOS,
    HR_FORM_POINT /* {"x": .., "y": .., ...} */
} hr_change_form;

/* What a schema says of a field. For an array it is said of the elements. */
typedef struct hr_change_field {
    uint8_t form; /* hr_change_form */
    bool array;
    int32_t number; /* HR_FORM_DECIMAL: scale; HR_FORM_BITS: how many, 0 when unknown */
} hr_change_field;

/* One change event, taken apart. Fields that the event lacks have the token HR_TOKEN_ABSENT. */
typedef struct hr_change {
    char op; /* c r u d t; 0: the event does not say */
    hr_field lsn, txid, ts_us, ts_ms, ts_ns, snapshot, schema, table;
} hr_change;

#define HR_CHANGE_SPELLINGS 7
#define HR_SCALE_UNKNOWN INT32_MIN

/* What is compiled for one Headrace schema, and kept from record to record. */
typedef struct hr_change_rules {
    hr_decoder *decoder;
    hr_type *types;            /* per column two: the type, with a unit of our own, and that of its elements */
    hr_change_field *defaults; /* per column: what holds without a schema */
    hr_change_field *current;  /* per column: what holds for the schema `applied` */
    const hr_change_field *applied;
    bool fresh; /* nothing has been applied yet */
    bool takes_op, takes_unchanged, has_key;
    bool plain;         /* records are no change events: nothing is a marker */
    const char *marker; /* of unchanged TOAST values */
    size_t marker_len;
    hr_buffer markers; /* its spellings in columns of other types, one after the other */
    size_t spelling_at[HR_CHANGE_SPELLINGS], spelling_len[HR_CHANGE_SPELLINGS];
    int32_t spelling_count;
    hr_buffer names; /* the array for "$unchanged" */
} hr_change_rules;

/* Compile. The decoder's steps are made to fit: JSON columns take their document from a string, times know their unit. On failure
 * hr_change_rules_free still works. */
int hr_change_rules_init(hr_change_rules *rules, hr_decoder *decoder, hr_error *error);
void hr_change_rules_free(hr_change_rules *rules);

/* Turn the row's fields, as the decoder found them in the event, into fields that decode.c reads, and fill those of reserved sources.
 * `forms`: what the message's schema says of each column, or NULL when there is none. HR_EDATA with reason, column and value. */
int hr_change_finish(hr_change_rules *rules, const hr_change *change, const hr_change_field *forms, hr_field *fields, hr_error *error);

/* Only the key can be trusted: every other column becomes null, NOT NULL or not. fields are those found in the key; when there was none
 * (`whole`), those of the row before, of which the columns of the table's key are kept, or all when it has none. */
void hr_change_keep_key(const hr_change_rules *rules, bool whole, hr_field *fields);

/* The one-letter operation, or HR_EDATA: what it is, is said in the message. An operation without a row of its own (t, and d as well) needs
 * a column that takes "$op". */
int hr_change_set_op(const hr_change_rules *rules, const char *s, size_t n, hr_change *change, hr_error *error);

/* What Kafka Connect's name of a type says ("io.debezium.time.MicroTimestamp"); `text`: the values are strings. False: nothing. */
bool hr_change_form_of(const char *name, size_t n, bool text, hr_change_field *out);

/* ---- values (debezium_value.c) ---- */

/* Base64, of the standard or the URL's alphabet, with or without padding: `to` has room for n * 3 / 4 + 3 bytes. False when it is none. */
bool hr_base64_decode(const char *s, size_t n, uint8_t *to, size_t *length);
/* Base64 of n bytes at `to`, which has room for n / 3 * 4 + 4; returns the length. */
size_t hr_base64_encode(const uint8_t *bytes, size_t n, char *to);
/* The digits of the big-endian two's complement number at bytes[0..n), with the point `scale` digits from the right, in the arena. HR_EDATA
 * (range) without a value for more digits than any numeric holds. */
int hr_change_decimal_text(hr_arena *arena, const uint8_t *bytes, size_t n, int32_t scale, const char **text, size_t *length,
                           hr_error *error);
/* Turn one value of that form into what its type reads; arrays element by element. HR_EDATA without a column. */
int hr_change_convert(const hr_change_rules *rules, const hr_type *type, hr_change_field form, hr_field *field, hr_error *error);

#endif
