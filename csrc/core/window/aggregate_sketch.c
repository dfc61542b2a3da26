/* csrc/core/window/aggregate_sketch.c: about how many different values, in bounded memory. */
#include "aggregate.h"
#include "hll.h"
#include "value.h"

static int hr_sketch_open(hr_aggregate *aggregate, char out[64], hr_error *error)
{
    memcpy(out, "bigint", 7);
    if (aggregate->precision == 0)
        aggregate->precision = 14;
    if (aggregate->precision < HR_HLL_MIN_PRECISION || aggregate->precision > HR_HLL_MAX_PRECISION)
        return hr_error_set(error, HR_EUSAGE, "distinct_hll: the precision must be from %d to %d, not %d", HR_HLL_MIN_PRECISION,
                            HR_HLL_MAX_PRECISION, (int)aggregate->precision);
    if (hr_value_form_of(aggregate->type) == HR_VALUE_NONE)
        return hr_aggregate_refuse(aggregate, "its values cannot be told apart by their bytes; cast the column to text", error);
    return HR_OK;
}

static void hr_sketch_init(const hr_aggregate *aggregate, void *state)
{
    hr_hll_init(state, aggregate->precision);
}

static void hr_sketch_free(const hr_aggregate *aggregate, void *state)
{
    (void)aggregate;
    hr_hll_free(state);
}

/* All hashes at once. */
static int hr_sketch_prepare(hr_aggregate *aggregate, const hr_column *column, int64_t lower, int64_t upper, hr_error *error)
{
    bool bytes = hr_value_form_of(aggregate->type) == HR_VALUE_BYTES;

    HR_RETURN_NOT_OK(hr_aggregate_values(aggregate, lower, upper, error));
    for (int64_t row = lower; row < upper; row++) {
        uint64_t hash = 0;
        size_t n;

        if (!hr_column_is_null(column, row)) {
            if (bytes) {
                const void *value = hr_value_bytes(column, row, &n);

                hash = hr_hll_hash_bytes(value, n);
            } else {
                hash = hr_hll_hash_number(hr_value_number(column, row));
            }
        }
        aggregate->values[row - lower] = hash;
    }
    return HR_OK;
}

static int hr_sketch_reserve(const hr_aggregate *aggregate, void *state, const hr_column *column, int64_t row, hr_error *error)
{
    if (hr_column_is_null(column, row))
        return HR_OK;
    return hr_hll_reserve(state, aggregate->values[row - aggregate->values_from], error);
}

static void hr_sketch_add(const hr_aggregate *aggregate, void *state, const hr_column *column, int64_t row)
{
    if (!hr_column_is_null(column, row))
        hr_hll_add(state, aggregate->values[row - aggregate->values_from]);
}

static int hr_sketch_reserve_merge(const hr_aggregate *aggregate, void *state, const void *from, const hr_column *column, int64_t row,
                                   hr_error *error)
{
    bool more = column != NULL && !hr_column_is_null(column, row);
    uint64_t hash = more ? aggregate->values[row - aggregate->values_from] : 0;

    return hr_hll_reserve_merge(state, from, more ? &hash : NULL, error);
}

static void hr_sketch_merge(const hr_aggregate *aggregate, void *state, const void *from)
{
    (void)aggregate;
    hr_hll_merge(state, from);
}

static int hr_sketch_result(const hr_aggregate *aggregate, const void *state, hr_column *out, hr_error *error)
{
    (void)aggregate;
    return hr_column_append_int64(out, hr_hll_estimate(state), error);
}

static int hr_sketch_save(const hr_aggregate *aggregate, const void *state, const uint32_t *rank, hr_buffer *out, hr_error *error)
{
    const hr_hll *sketch = state;
    uint64_t at = 0, token;

    (void)aggregate;
    (void)rank;
    HR_RETURN_NOT_OK(hr_wire_put_u8(out, sketch->dense, error));
    if (sketch->dense)
        return hr_buffer_append(out, sketch->in.registers, (size_t)1 << sketch->precision, error);
    HR_RETURN_NOT_OK(hr_wire_put_varint(out, sketch->in.tokens.count, error));
    while (hr_value_set_next(&sketch->in.tokens, &at, &token))
        HR_RETURN_NOT_OK(hr_wire_put_varint(out, token, error));
    return HR_OK;
}

static int hr_sketch_load(const hr_aggregate *aggregate, void *state, hr_wire *in, hr_error *error)
{
    hr_hll *sketch = state;
    size_t size = (size_t)1 << aggregate->precision;
    uint64_t count, token;
    uint8_t dense;

    if (!hr_wire_u8(in, &dense) || dense > 1)
        return hr_wire_damaged("a sketch", error);
    if (dense) {
        if ((size_t)(in->end - in->p) < size)
            return hr_wire_damaged("a sketch", error);
        HR_RETURN_NOT_OK(hr_hll_make_dense(sketch, error));
        memcpy(sketch->in.registers, in->p, size);
        in->p += size;
        for (size_t i = 0; i < size; i++)
            if (sketch->in.registers[i] > hr_hll_highest(aggregate->precision))
                return hr_wire_damaged("a sketch", error);
        return HR_OK;
    }
    if (!hr_wire_count(in, 1, &count) || count > size / 8)
        return hr_wire_damaged("a sketch", error);
    HR_RETURN_NOT_OK(hr_value_set_reserve(&sketch->in.tokens, (uint32_t)count, 0, 0, error));
    for (uint64_t i = 0; i < count; i++) {
        if (!hr_wire_varint(in, &token) || token > UINT32_MAX || !hr_hll_token_is_sound((uint32_t)token))
            return hr_wire_damaged("a sketch", error);
        hr_value_set_add(&sketch->in.tokens, token, 0);
    }
    return HR_OK;
}

static size_t hr_sketch_memory(const hr_aggregate *aggregate, const void *state)
{
    (void)aggregate;
    return hr_hll_memory(state);
}

extern const hr_aggregate_ops hr_aggregate_distinct_hll;
const hr_aggregate_ops hr_aggregate_distinct_hll = {
    .name = "distinct_hll",
    .size = sizeof(hr_hll),
    .needs_column = true,
    .open = hr_sketch_open,
    .init = hr_sketch_init,
    .free = hr_sketch_free,
    .prepare = hr_sketch_prepare,
    .reserve = hr_sketch_reserve,
    .add = hr_sketch_add,
    .reserve_merge = hr_sketch_reserve_merge,
    .merge = hr_sketch_merge,
    .result = hr_sketch_result,
    .save = hr_sketch_save,
    .load = hr_sketch_load,
    .memory = hr_sketch_memory,
};
