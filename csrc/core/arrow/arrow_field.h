/* csrc/core/arrow/arrow_field.h: what a field of an ArrowSchema is, told once, for those who import (internal to arrow_*.c). */
#ifndef HR_CORE_ARROW_FIELD_H
#define HR_CORE_ARROW_FIELD_H

#include "arrow.h"

/* The physical layouts. */
typedef enum hr_arrow_code {
    HR_ARROW_NULL,
    HR_ARROW_BOOL,
    HR_ARROW_INT8,
    HR_ARROW_UINT8,
    HR_ARROW_INT16,
    HR_ARROW_UINT16,
    HR_ARROW_INT32,
    HR_ARROW_UINT32,
    HR_ARROW_INT64,
    HR_ARROW_UINT64,
    HR_ARROW_FLOAT,
    HR_ARROW_DOUBLE,
    HR_ARROW_DECIMAL,      /* `width` bytes, little-endian two's complement, `scale` digits after the point */
    HR_ARROW_BYTES,        /* int32 offsets */
    HR_ARROW_LARGE_BYTES,  /* int64 offsets */
    HR_ARROW_VIEWS,        /* 16-byte views into several buffers */
    HR_ARROW_FIXED_BYTES,  /* `width` bytes each */
    HR_ARROW_DATE_DAYS,
    HR_ARROW_DATE_MILLIS,
    HR_ARROW_TIME_32,      /* of `unit` */
    HR_ARROW_TIME_64,
    HR_ARROW_TIMESTAMP,
    HR_ARROW_DURATION,
    HR_ARROW_MONTHS,
    HR_ARROW_DAYS_MILLIS,
    HR_ARROW_MONTHS_DAYS_NANOS,
    HR_ARROW_LIST,
    HR_ARROW_LARGE_LIST,
    HR_ARROW_FIXED_LIST    /* `width` elements each */
} hr_arrow_code;

/* One field, and the fields below it. */
typedef struct hr_arrow_field {
    hr_arrow_code code;
    bool text;          /* BYTES, LARGE_BYTES, VIEWS: UTF-8 */
    int32_t width;
    int32_t precision, scale;
    hr_time_unit unit;
    hr_type type;       /* the SQL type that holds all its values */
    struct hr_arrow_field *item;       /* of a list */
    struct hr_arrow_field *dictionary; /* the values, when this field is their index */
    hr_column scratch;  /* of `type`, one row: for values on their way through text */
    bool scratch_ready;
} hr_arrow_field;

/* Read what `schema` is; memory comes from the arena. HR_EUSAGE, naming the column `name`, for what PostgreSQL has no column for. */
int hr_arrow_field_open(const struct ArrowSchema *schema, const char *name, hr_arena *arena, hr_arrow_field *out, hr_error *error);
/* Give back the scratch columns; the field itself goes with its arena. */
void hr_arrow_field_close(hr_arrow_field *field);

/* The value of one metadata key, not NUL-terminated, or NULL. */
const char *hr_arrow_metadata_find(const char *metadata, const char *key, size_t *n);

/* Check that `array` has the buffers and children that the field promises. HR_EUSAGE otherwise. */
int hr_arrow_field_check(const hr_arrow_field *field, const struct ArrowArray *array, const char *name, hr_error *error);

/* Whether a column of type `to` takes the field's times just as they are: its kind, and no precision that would round them. */
bool hr_arrow_same_time(const hr_arrow_field *field, const hr_type *to);
/* Whether the values of [from, from + n), nulls apart, lie within a type of the same layout. */
bool hr_arrow_values_fit(const hr_arrow_field *field, const struct ArrowArray *array, int64_t from, int64_t n, const hr_type *to);
/* Point an empty column at the array's rows [from, from + n). False, and nothing is changed, when they must be copied. */
bool hr_arrow_lend_column(hr_arrow_field *field, const struct ArrowArray *array, int64_t from, int64_t n, bool not_null, hr_column *out);
/* hr_arrow_import_batch; when any_lent is not NULL, columns are lent where that can be, and *any_lent says whether there is one. */
int hr_arrow_import_rows(const struct ArrowSchema *schema, const struct ArrowArray *in, hr_batch *batch, bool *any_lent, hr_error *error);

/* Append the array's logical element i (its own offset not yet added) to a column of any type that can take it. Nulls become nulls.
 * `text` is scratch. On failure the column is as it was. */
int hr_arrow_field_append(hr_arrow_field *field, const struct ArrowArray *array, int64_t i, hr_column *out, hr_buffer *text,
                          hr_error *error);
/* Whether that element is null, or leads to a null of a dictionary. HR_EUSAGE for an index outside the dictionary. */
int hr_arrow_field_is_null(const hr_arrow_field *field, const struct ArrowArray *array, int64_t i, bool *is_null, hr_error *error);

#endif
