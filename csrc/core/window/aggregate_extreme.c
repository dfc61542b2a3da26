/* csrc/core/window/aggregate_extreme.c: min and max. NaN is above all other numbers, as in PostgreSQL. */
#include <math.h>

#include "aggregate.h"
#include "value.h"

typedef struct hr_extreme {
    bool any;
    union {
        int64_t number;
        double real;
        hr_decimal128 decimal;
    } in;
} hr_extreme;

static int hr_extreme_open(hr_aggregate *aggregate, char out[64], hr_error *error)
{
    out[0] = '\0';
    if (aggregate->type->kind == HR_DECIMAL || (aggregate->type->kind != HR_BOOL && hr_value_form_of(aggregate->type) == HR_VALUE_NUMBER))
        return HR_OK;
    return hr_aggregate_refuse(aggregate, "it needs numbers, dates or times", error);
}

static void hr_extreme_init(const hr_aggregate *aggregate, void *state)
{
    (void)aggregate;
    memset(state, 0, sizeof(hr_extreme));
}

/* -1, 0, 1; decimals: the reserved NaN is the lowest 128-bit number, but above all others here. */
static int hr_extreme_compare(hr_kind kind, const hr_extreme *a, const hr_extreme *b)
{
    if (kind == HR_FLOAT4 || kind == HR_FLOAT8) {
        if (isnan(a->in.real) || isnan(b->in.real))
            return (isnan(a->in.real) != 0) - (isnan(b->in.real) != 0);
        return (a->in.real > b->in.real) - (a->in.real < b->in.real);
    }
    if (kind == HR_DECIMAL) {
        bool a_nan = a->in.decimal.high == HR_DECIMAL_NAN_HIGH, b_nan = b->in.decimal.high == HR_DECIMAL_NAN_HIGH;

        if (a_nan || b_nan)
            return a_nan - b_nan;
        if (a->in.decimal.high != b->in.decimal.high)
            return a->in.decimal.high < b->in.decimal.high ? -1 : 1;
        return (a->in.decimal.low > b->in.decimal.low) - (a->in.decimal.low < b->in.decimal.low);
    }
    return (a->in.number > b->in.number) - (a->in.number < b->in.number);
}

static void hr_extreme_take(const hr_aggregate *aggregate, hr_extreme *state, const hr_extreme *value, int sign)
{
    if (value->any && (!state->any || hr_extreme_compare(aggregate->type->kind, value, state) * sign > 0))
        *state = *value;
}

static void hr_extreme_add(const hr_aggregate *aggregate, void *state, const hr_column *column, int64_t row, int sign)
{
    hr_extreme value = {.any = true};

    if (hr_column_is_null(column, row))
        return;
    switch (column->type->kind) {
    case HR_FLOAT4: value.in.real = (double)hr_column_get_float(column, row); break;
    case HR_FLOAT8: value.in.real = hr_column_get_double(column, row); break;
    case HR_DECIMAL: value.in.decimal = hr_column_get_decimal(column, row); break;
    default: value.in.number = (int64_t)hr_value_number(column, row); break;
    }
    if ((column->type->kind == HR_FLOAT4 || column->type->kind == HR_FLOAT8) && value.in.real == 0)
        value.in.real = 0; /* of 0.0 and -0.0 the first to come would stay */
    hr_extreme_take(aggregate, state, &value, sign);
}

static void hr_min_add(const hr_aggregate *aggregate, void *state, const hr_column *column, int64_t row)
{
    hr_extreme_add(aggregate, state, column, row, -1);
}

static void hr_max_add(const hr_aggregate *aggregate, void *state, const hr_column *column, int64_t row)
{
    hr_extreme_add(aggregate, state, column, row, 1);
}

static void hr_min_merge(const hr_aggregate *aggregate, void *state, const void *from)
{
    hr_extreme_take(aggregate, state, from, -1);
}

static void hr_max_merge(const hr_aggregate *aggregate, void *state, const void *from)
{
    hr_extreme_take(aggregate, state, from, 1);
}

static int hr_extreme_result(const hr_aggregate *aggregate, const void *state, hr_column *out, hr_error *error)
{
    const hr_extreme *extreme = state;

    if (!extreme->any)
        return hr_column_append_null(out, error);
    switch (aggregate->type->kind) {
    case HR_INT2: return hr_column_append_int16(out, (int16_t)extreme->in.number, error);
    case HR_INT4:
    case HR_DATE: return hr_column_append_int32(out, (int32_t)extreme->in.number, error);
    case HR_FLOAT4: return hr_column_append_float(out, (float)extreme->in.real, error);
    case HR_FLOAT8: return hr_column_append_double(out, extreme->in.real, error);
    case HR_DECIMAL: return hr_column_append_decimal(out, extreme->in.decimal, error);
    default: return hr_column_append_int64(out, extreme->in.number, error);
    }
}

static int hr_extreme_save(const hr_aggregate *aggregate, const void *state, const uint32_t *rank, hr_buffer *out, hr_error *error)
{
    const hr_extreme *extreme = state;
    uint64_t bits[2] = {0, 0};

    (void)rank;
    memcpy(bits, &extreme->in, aggregate->type->kind == HR_DECIMAL ? 16 : 8);
    HR_RETURN_NOT_OK(hr_wire_put_u8(out, extreme->any, error));
    HR_RETURN_NOT_OK(hr_wire_put_u64(out, bits[0], error));
    return aggregate->type->kind == HR_DECIMAL ? hr_wire_put_u64(out, bits[1], error) : HR_OK;
}

static int hr_extreme_load(const hr_aggregate *aggregate, void *state, hr_wire *in, hr_error *error)
{
    hr_extreme *extreme = state;
    uint64_t bits[2] = {0, 0};
    uint8_t any;
    int64_t limit = 0;

    if (!hr_wire_u8(in, &any) || any > 1 || !hr_wire_u64(in, &bits[0]) ||
        (aggregate->type->kind == HR_DECIMAL && !hr_wire_u64(in, &bits[1])))
        return hr_wire_damaged("a minimum or maximum", error);
    extreme->any = any != 0;
    memcpy(&extreme->in, bits, sizeof(extreme->in));
    if (aggregate->type->kind == HR_INT2)
        limit = INT16_MAX;
    if (aggregate->type->kind == HR_INT4 || aggregate->type->kind == HR_DATE)
        limit = INT32_MAX;
    if (limit > 0 && (extreme->in.number > limit || extreme->in.number < -limit - 1))
        return hr_wire_damaged("a minimum or maximum", error);
    return HR_OK;
}

extern const hr_aggregate_ops hr_aggregate_min, hr_aggregate_max;
#define HR_EXTREME(which)                                                                                                                  \
    const hr_aggregate_ops hr_aggregate_##which = {                                                                                        \
        .name = #which,                                                                                                                    \
        .size = sizeof(hr_extreme),                                                                                                        \
        .needs_column = true,                                                                                                              \
        .open = hr_extreme_open,                                                                                                           \
        .init = hr_extreme_init,                                                                                                           \
        .add = hr_##which##_add,                                                                                                           \
        .merge = hr_##which##_merge,                                                                                                       \
        .result = hr_extreme_result,                                                                                                       \
        .save = hr_extreme_save,                                                                                                           \
        .load = hr_extreme_load,                                                                                                           \
    }
HR_EXTREME(min);
HR_EXTREME(max);
