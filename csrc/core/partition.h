/* csrc/core/partition.h: periods of time, their names, and which rows belong to which partition. */
#ifndef HR_CORE_PARTITION_H
#define HR_CORE_PARTITION_H

#include "batch.h"
#include "timezone.h"

typedef enum hr_period_unit { HR_PERIOD_WEEK = 0, HR_PERIOD_DAY, HR_PERIOD_MONTH } hr_period_unit; /* week = ISO 8601 week */

/* A period [lower, upper) in microseconds since 1970-01-01 UTC (for date and timestamp columns: of the local calendar). */
typedef struct hr_period {
    int64_t lower, upper;
} hr_period;

/* "week", "day", "month"; HR_EUSAGE otherwise. */
int hr_period_unit_from_name(const char *name, hr_period_unit *unit, hr_error *error);
/* The period that holds `micros`, by the calendar of the zone (NULL: UTC). HR_EDATA (range) when it would leave int64. */
int hr_period_of(hr_period_unit unit, const hr_timezone *zone, int64_t micros, hr_period *out, hr_error *error);

#define HR_PERIOD_NAME_SIZE 24
/* The suffix of a partition table: "2026w47", "20261121", "2026m11". */
void hr_period_suffix(hr_period_unit unit, const hr_timezone *zone, const hr_period *period, char out[HR_PERIOD_NAME_SIZE]);
/* The value in a Hive-style path: "2026-W47", "2026-11-21", "2026-11". */
void hr_period_value(hr_period_unit unit, const hr_timezone *zone, const hr_period *period, char out[HR_PERIOD_NAME_SIZE]);

/* The leaves of a RANGE-partitioned target on one time column: sorted, disjoint [lower, upper) with an id each. */
typedef struct hr_leaf {
    int64_t lower, upper; /* microseconds since 1970; INT64_MIN = MINVALUE, INT64_MAX = MAXVALUE */
    int32_t id;           /* the caller's */
} hr_leaf;

#define HR_LEAF_MISSING (-1) /* no leaf holds the value */
#define HR_LEAF_NULL (-2)    /* the value is null: the server decides (DEFAULT partition or error) */
/* Write the leaf id of every row to ids[0..batch->length). `column` is date, timestamp or timestamptz. */
void hr_route(const hr_batch *batch, int32_t column, const hr_leaf *leaves, int32_t leaf_count, int32_t *ids);

/* Rows that go into one COPY: the same leaf and the same set of absent columns, in record order. */
typedef struct hr_stream {
    int32_t leaf;
    uint64_t absent;
    uint32_t *rows; /* into hr_streams.rows */
    int64_t count;
} hr_stream;

typedef struct hr_streams {
    hr_stream *streams;
    int32_t count, capacity;
    uint32_t *rows; /* a permutation of the batch's rows */
    int64_t row_capacity;
    int32_t *of_row; /* work space: stream of each row */
} hr_streams;

/* Group the rows by (ids[row], batch->absent[row]); ids NULL means leaf 0 for all. Streams come in order of leaf. Reuses its memory;
 * a stable counting sort, no comparison per row. *streams must be zeroed before the first call. */
int hr_streams_build(hr_streams *streams, const hr_batch *batch, const int32_t *ids, hr_error *error);
void hr_streams_free(hr_streams *streams);

#endif
