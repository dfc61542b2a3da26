/* csrc/core/window/aggregate_distinct.c: how many different values, exactly. */
#include "aggregate.h"
#include "value.h"
#include "value_set.h"

static int hr_distinct_open(hr_aggregate *aggregate, char out[64], hr_error *error)
{
    hr_value_form form = hr_value_form_of(aggregate->type);

    memcpy(out, "bigint", 7);
    aggregate->interns = form == HR_VALUE_BYTES;
    if (form == HR_VALUE_NONE)
        return hr_aggregate_refuse(aggregate, "its values cannot be told apart by their bytes; cast the column to text", error);
    return HR_OK;
}

static void hr_distinct_init(const hr_aggregate *aggregate, void *state)
{
    hr_value_set_init(state, !aggregate->interns);
}

static void hr_distinct_free(const hr_aggregate *aggregate, void *state)
{
    (void)aggregate;
    hr_value_set_free(state);
}

/* Numbers of the dictionary are below this. */
static uint64_t hr_distinct_universe(const hr_aggregate *aggregate)
{
    return aggregate->interns ? aggregate->dictionary.count : 0;
}

static int hr_distinct_reserve(const hr_aggregate *aggregate, void *state, const hr_column *column, int64_t row, hr_error *error)
{
    (void)column;
    (void)row;
    if (HR_LIKELY(hr_value_set_has_room(state, hr_distinct_universe(aggregate))))
        return HR_OK;
    return hr_value_set_reserve(state, 1, hr_distinct_universe(aggregate), aggregate->seed, error);
}

static void hr_distinct_add(const hr_aggregate *aggregate, void *state, const hr_column *column, int64_t row)
{
    if (!hr_column_is_null(column, row))
        hr_value_set_add(state, aggregate->values[row - aggregate->values_from], aggregate->seed);
}

static int hr_distinct_reserve_merge(const hr_aggregate *aggregate, void *state, const void *from, const hr_column *column, int64_t row,
                                     hr_error *error)
{
    uint32_t more = ((const hr_value_set *)from)->count + (column != NULL);

    (void)row;
    return hr_value_set_reserve(state, more, hr_distinct_universe(aggregate), aggregate->seed, error);
}

static void hr_distinct_merge(const hr_aggregate *aggregate, void *state, const void *from)
{
    hr_value_set_merge(state, from, aggregate->seed);
}

static int hr_distinct_result(const hr_aggregate *aggregate, const void *state, hr_column *out, hr_error *error)
{
    (void)aggregate;
    return hr_column_append_int64(out, ((const hr_value_set *)state)->count, error);
}

static int hr_distinct_save(const hr_aggregate *aggregate, const void *state, const uint32_t *rank, hr_buffer *out, hr_error *error)
{
    const hr_value_set *set = state;
    uint64_t at = 0, value;

    (void)aggregate;
    HR_RETURN_NOT_OK(hr_wire_put_varint(out, set->count, error));
    while (hr_value_set_next(set, &at, &value))
        HR_RETURN_NOT_OK(rank != NULL ? hr_wire_put_varint(out, rank[value], error) : hr_wire_put_u64(out, value, error));
    return HR_OK;
}

static int hr_distinct_load(const hr_aggregate *aggregate, void *state, hr_wire *in, hr_error *error)
{
    uint64_t count, value;

    if (!hr_wire_count(in, aggregate->interns ? 1 : 8, &count) || count > UINT32_MAX / 2)
        return hr_wire_damaged("a set of values", error);
    HR_RETURN_NOT_OK(hr_value_set_reserve(state, (uint32_t)count, hr_distinct_universe(aggregate), aggregate->seed, error));
    for (uint64_t i = 0; i < count; i++) {
        if (aggregate->interns ? !hr_wire_varint(in, &value) || value >= aggregate->map_count : !hr_wire_u64(in, &value))
            return hr_wire_damaged("a set of values", error);
        hr_value_set_add(state, aggregate->interns ? aggregate->map[value] : value, aggregate->seed);
    }
    return HR_OK;
}

static size_t hr_distinct_memory(const hr_aggregate *aggregate, const void *state)
{
    (void)aggregate;
    return hr_value_set_memory(state);
}

static void hr_distinct_mark(const hr_aggregate *aggregate, const void *state, uint64_t *bits)
{
    uint64_t at = 0, value;

    (void)aggregate;
    while (hr_value_set_next(state, &at, &value))
        bits[value >> 6] |= UINT64_C(1) << (value & 63);
}

static void hr_distinct_remap(const hr_aggregate *aggregate, void *state, const uint32_t *rank, uint64_t *scratch)
{
    hr_value_set_remap(state, rank, (uint32_t *)(void *)scratch, aggregate->seed);
}

extern const hr_aggregate_ops hr_aggregate_distinct;
const hr_aggregate_ops hr_aggregate_distinct = {
    .name = "distinct",
    .size = sizeof(hr_value_set),
    .needs_column = true,
    .open = hr_distinct_open,
    .init = hr_distinct_init,
    .free = hr_distinct_free,
    .prepare = hr_aggregate_prepare_values,
    .reserve = hr_distinct_reserve,
    .add = hr_distinct_add,
    .reserve_merge = hr_distinct_reserve_merge,
    .merge = hr_distinct_merge,
    .result = hr_distinct_result,
    .save = hr_distinct_save,
    .load = hr_distinct_load,
    .memory = hr_distinct_memory,
    .mark = hr_distinct_mark,
    .remap = hr_distinct_remap,
};
