/* csrc/core/partition/route.h: which partition each row belongs to, and the rows that go together into one COPY. */
#ifndef HR_CORE_ROUTE_H
#define HR_CORE_ROUTE_H

#include "core/batch.h"
#include "core/types/civil.h"

/* The leaves of a RANGE-partitioned target on one time column: sorted, disjoint [lower, upper) with an id each. */
typedef struct hr_leaf {
    int64_t lower, upper; /* microseconds since 1970; INT64_MIN = MINVALUE, INT64_MAX = MAXVALUE */
    int32_t id;           /* the caller's */
} hr_leaf;

/* A date in microseconds, for bounds and values alike. Dates reach farther than int64 microseconds: what does not fit becomes INT64_MAX
 * (INT64_MIN), later (earlier) than every bound but MAXVALUE (MINVALUE), and so do the infinities, which are the ends of int32. */
static inline int64_t hr_micros_of_days(int32_t days)
{
    const int32_t most = (int32_t)(INT64_MAX / HR_MICROS_PER_DAY);

    if (HR_UNLIKELY(days > most))
        return INT64_MAX;
    return HR_UNLIKELY(days < -most) ? INT64_MIN : days * HR_MICROS_PER_DAY;
}

#define HR_LEAF_MISSING (-1) /* no leaf holds the value */
#define HR_LEAF_NULL (-2)    /* the value is null: the server decides (DEFAULT partition or error) */
/* Infinity goes to the leaf that ends at MAXVALUE, -infinity to the one that starts at MINVALUE, and to no other.
 * Write the leaf id of every row to ids[0..batch->length). `column` is date, timestamp or timestamptz. */
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
    int32_t *slots;  /* work space: hash table of 2 * capacity, index of a stream + 1 */
} hr_streams;

/* Group the rows by (ids[row], batch->absent[row]); ids NULL means leaf 0 for all. Streams come in order of leaf. Reuses its memory;
 * a stable counting sort, no comparison per row. *streams must be zeroed before the first call. */
int hr_streams_build(hr_streams *streams, const hr_batch *batch, const int32_t *ids, hr_error *error);
void hr_streams_free(hr_streams *streams);

/* Put rows of the same leaf side by side within every `stretch` rows, otherwise in their order. ids[row] is the leaf of a row, below
 * leaf_count or negative (all alike). out has room for n; counts for leaf_count + 1. */
void hr_route_gather(const int32_t *ids, int32_t leaf_count, const uint32_t *rows, int64_t n, int64_t stretch, int64_t *counts,
                     uint32_t *out);

#endif
