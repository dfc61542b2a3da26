/* csrc/core/window/aggregate_sum.c: sums, of the types that PostgreSQL's sum() has. Exact, in any order. */
#include <math.h>
#include <stdio.h>

#include "aggregate.h"
#include "float_sum.h"
#include "value.h"

typedef struct hr_sum {
    union {
        hr_wide number;
        hr_float_sum real;
    } in;
    bool any, nan; /* of numbers */
} hr_sum;

static bool hr_sum_is_real(const hr_aggregate *aggregate)
{
    return aggregate->type->kind == HR_FLOAT4 || aggregate->type->kind == HR_FLOAT8;
}

static int hr_sum_open(hr_aggregate *aggregate, char out[64], hr_error *error)
{
    switch (aggregate->type->kind) {
    case HR_INT2:
    case HR_INT4: snprintf(out, 64, "bigint"); return HR_OK;
    case HR_INT8: snprintf(out, 64, "numeric(38,0)"); return HR_OK;
    case HR_DECIMAL: snprintf(out, 64, "numeric(38,%d)", (int)aggregate->type->scale); return HR_OK;
    case HR_FLOAT4:
    case HR_FLOAT8: snprintf(out, 64, "double precision"); return HR_OK;
    default: return hr_aggregate_refuse(aggregate, "it needs integers, numeric with a precision, or floats", error);
    }
}

static void hr_sum_init(const hr_aggregate *aggregate, void *state)
{
    (void)aggregate;
    memset(state, 0, sizeof(hr_sum));
}

static void hr_sum_free(const hr_aggregate *aggregate, void *state)
{
    if (hr_sum_is_real(aggregate))
        hr_float_sum_free(&((hr_sum *)state)->in.real);
}

static double hr_sum_double(const hr_column *column, int64_t row)
{
    return column->type->kind == HR_FLOAT4 ? (double)hr_column_get_float(column, row) : hr_column_get_double(column, row);
}

static int hr_sum_reserve(const hr_aggregate *aggregate, void *state, const hr_column *column, int64_t row, hr_error *error)
{
    if (!hr_sum_is_real(aggregate) || hr_column_is_null(column, row))
        return HR_OK;
    return hr_float_sum_reserve(&((hr_sum *)state)->in.real, hr_sum_double(column, row), error);
}

static void hr_sum_add(const hr_aggregate *aggregate, void *state, const hr_column *column, int64_t row)
{
    hr_sum *sum = state;

    if (hr_column_is_null(column, row))
        return;
    if (hr_sum_is_real(aggregate)) {
        hr_float_sum_add(&sum->in.real, hr_sum_double(column, row));
        return;
    }
    sum->any = true;
    if (aggregate->type->kind == HR_DECIMAL) {
        hr_decimal128 value = hr_column_get_decimal(column, row);

        if (value.low == HR_DECIMAL_NAN_LOW && value.high == HR_DECIMAL_NAN_HIGH)
            sum->nan = true;
        else
            hr_wide_add(&sum->in.number, value.low, (uint64_t)value.high, value.high < 0 ? -1 : 0);
    } else {
        int64_t value = (int64_t)hr_value_number(column, row);

        hr_wide_add(&sum->in.number, (uint64_t)value, value < 0 ? UINT64_MAX : 0, value < 0 ? -1 : 0);
    }
}

static int hr_sum_reserve_merge(const hr_aggregate *aggregate, void *state, const void *from, const hr_column *column, int64_t row,
                                hr_error *error)
{
    if (!hr_sum_is_real(aggregate))
        return HR_OK;
    HR_RETURN_NOT_OK(hr_float_sum_reserve_merge(&((hr_sum *)state)->in.real, &((const hr_sum *)from)->in.real, error));
    return column != NULL ? hr_sum_reserve(aggregate, state, column, row, error) : HR_OK;
}

static void hr_sum_merge(const hr_aggregate *aggregate, void *state, const void *from)
{
    hr_sum *sum = state;
    const hr_sum *other = from;

    if (hr_sum_is_real(aggregate)) {
        hr_float_sum_merge(&sum->in.real, &other->in.real);
        return;
    }
    sum->any = sum->any || other->any;
    sum->nan = sum->nan || other->nan;
    hr_wide_add(&sum->in.number, other->in.number.low, other->in.number.middle, other->in.number.high);
}

/* Whether the number lies strictly between -10^38 and 10^38. */
static bool hr_sum_fits_38(const hr_wide *sum)
{
    const unsigned __int128 limit = (unsigned __int128)UINT64_C(10000000000000000000) * UINT64_C(10000000000000000000);
    unsigned __int128 low = (unsigned __int128)sum->middle << 64 | sum->low;

    if (sum->high == 0)
        return low < limit;
    return sum->high == -1 && low > -limit;
}

static int hr_sum_result(const hr_aggregate *aggregate, const void *state, hr_column *out, hr_error *error)
{
    const hr_sum *sum = state;
    bool small = aggregate->type->kind == HR_INT2 || aggregate->type->kind == HR_INT4;

    if (hr_sum_is_real(aggregate))
        return sum->in.real.any ? hr_column_append_double(out, hr_float_sum_value(&sum->in.real), error)
                                : hr_column_append_null(out, error);
    if (!sum->any)
        return hr_column_append_null(out, error);
    if (sum->nan)
        return hr_column_append_decimal(out, (hr_decimal128){HR_DECIMAL_NAN_LOW, HR_DECIMAL_NAN_HIGH}, error);
    if (small) {
        uint64_t sign = (int64_t)sum->in.number.low < 0 ? UINT64_MAX : 0;

        if (sum->in.number.middle == sign && sum->in.number.high == (int64_t)sign)
            return hr_column_append_int64(out, (int64_t)sum->in.number.low, error);
    } else if (hr_sum_fits_38(&sum->in.number)) {
        return hr_column_append_decimal(out, (hr_decimal128){sum->in.number.low, (int64_t)sum->in.number.middle}, error);
    }
    return hr_error_data(error, HR_REASON_RANGE, NULL, 0, "a window's sum fits no %s: make the windows smaller",
                         small ? "bigint" : "numeric(38)");
}

static int hr_sum_save(const hr_aggregate *aggregate, const void *state, const uint32_t *rank, hr_buffer *out, hr_error *error)
{
    const hr_sum *sum = state;

    (void)rank;
    if (hr_sum_is_real(aggregate))
        return hr_float_sum_save(&sum->in.real, out, error);
    HR_RETURN_NOT_OK(hr_wire_put_u8(out, (uint8_t)(sum->any + 2 * sum->nan), error));
    HR_RETURN_NOT_OK(hr_wire_put_u64(out, sum->in.number.low, error));
    HR_RETURN_NOT_OK(hr_wire_put_u64(out, sum->in.number.middle, error));
    return hr_wire_put_i64(out, sum->in.number.high, error);
}

static int hr_sum_load(const hr_aggregate *aggregate, void *state, hr_wire *in, hr_error *error)
{
    hr_sum *sum = state;
    uint8_t flags;

    if (hr_sum_is_real(aggregate))
        return hr_float_sum_load(&sum->in.real, in, error);
    if (!hr_wire_u8(in, &flags) || flags > 3 || !hr_wire_u64(in, &sum->in.number.low) || !hr_wire_u64(in, &sum->in.number.middle) ||
        !hr_wire_i64(in, &sum->in.number.high))
        return hr_wire_damaged("a sum", error);
    sum->any = (flags & 1) != 0;
    sum->nan = (flags & 2) != 0;
    return aggregate->type->kind != HR_DECIMAL && sum->nan ? hr_wire_damaged("a sum", error) : HR_OK;
}

static size_t hr_sum_memory(const hr_aggregate *aggregate, const void *state)
{
    return hr_sum_is_real(aggregate) ? hr_float_sum_memory(&((const hr_sum *)state)->in.real) : 0;
}

extern const hr_aggregate_ops hr_aggregate_sum;
const hr_aggregate_ops hr_aggregate_sum = {
    .name = "sum",
    .size = sizeof(hr_sum),
    .needs_column = true,
    .open = hr_sum_open,
    .init = hr_sum_init,
    .free = hr_sum_free,
    .reserve = hr_sum_reserve,
    .add = hr_sum_add,
    .reserve_merge = hr_sum_reserve_merge,
    .merge = hr_sum_merge,
    .result = hr_sum_result,
    .save = hr_sum_save,
    .load = hr_sum_load,
    .memory = hr_sum_memory,
};
