/* csrc/core/window/aggregate_count.c: count of rows, or of values that are not null. */
#include "aggregate.h"

static int hr_count_open(hr_aggregate *aggregate, char out[64], hr_error *error)
{
    (void)aggregate;
    (void)error;
    memcpy(out, "bigint", 7);
    return HR_OK;
}

static void hr_count_init(const hr_aggregate *aggregate, void *state)
{
    (void)aggregate;
    memset(state, 0, sizeof(int64_t));
}

static void hr_count_add(const hr_aggregate *aggregate, void *state, const hr_column *column, int64_t row)
{
    int64_t *count = state;

    (void)aggregate;
    *count += column == NULL || !hr_column_is_null(column, row);
}

static void hr_count_merge(const hr_aggregate *aggregate, void *state, const void *from)
{
    int64_t *count = state;

    (void)aggregate;
    if (__builtin_add_overflow(*count, *(const int64_t *)from, count))
        *count = INT64_MAX; /* made up: nobody has seen so many rows */
}

static int hr_count_result(const hr_aggregate *aggregate, const void *state, hr_column *out, hr_error *error)
{
    (void)aggregate;
    return hr_column_append_int64(out, *(const int64_t *)state, error);
}

static int hr_count_save(const hr_aggregate *aggregate, const void *state, const uint32_t *rank, hr_buffer *out, hr_error *error)
{
    (void)aggregate;
    (void)rank;
    return hr_wire_put_i64(out, *(const int64_t *)state, error);
}

static int hr_count_load(const hr_aggregate *aggregate, void *state, hr_wire *in, hr_error *error)
{
    int64_t *count = state;

    (void)aggregate;
    if (!hr_wire_i64(in, count) || *count < 0)
        return hr_wire_damaged("a count", error);
    return HR_OK;
}

extern const hr_aggregate_ops hr_aggregate_count;
const hr_aggregate_ops hr_aggregate_count = {
    .name = "count",
    .size = sizeof(int64_t),
    .open = hr_count_open,
    .init = hr_count_init,
    .add = hr_count_add,
    .merge = hr_count_merge,
    .result = hr_count_result,
    .save = hr_count_save,
    .load = hr_count_load,
};
