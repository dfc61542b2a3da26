/* csrc/core/window/value.c: equality and order of a column's values. */
#include "value.h"

#include <math.h>

hr_value_form hr_value_form_of(const hr_type *type)
{
    switch (type->kind) {
    case HR_BOOL:
    case HR_INT2:
    case HR_INT4:
    case HR_INT8:
    case HR_FLOAT4:
    case HR_FLOAT8:
    case HR_DATE:
    case HR_TIME:
    case HR_TIMESTAMP:
    case HR_TIMESTAMPTZ: return HR_VALUE_NUMBER;
    case HR_DECIMAL:
    case HR_NUMERIC:
    case HR_TEXT:
    case HR_VARCHAR:
    case HR_BPCHAR:
    case HR_BYTEA:
    case HR_UUID:
    case HR_ENUM: return HR_VALUE_BYTES;
    default: return HR_VALUE_NONE;
    }
}

static uint64_t hr_value_of_double(double value)
{
    uint64_t bits;

    if (value == 0)
        value = 0; /* -0.0 as well */
    if (isnan(value))
        return UINT64_C(0x7ff8000000000000);
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

uint64_t hr_value_number(const hr_column *column, int64_t row)
{
    switch (column->type->kind) {
    case HR_BOOL: return hr_column_get_bool(column, row);
    case HR_INT2: return (uint64_t)(int64_t)hr_column_get_int16(column, row);
    case HR_INT4:
    case HR_DATE: return (uint64_t)(int64_t)hr_column_get_int32(column, row);
    case HR_FLOAT4: return hr_value_of_double((double)hr_column_get_float(column, row));
    case HR_FLOAT8: return hr_value_of_double(hr_column_get_double(column, row));
    default: return (uint64_t)hr_column_get_int64(column, row);
    }
}

const void *hr_value_bytes(const hr_column *column, int64_t row, size_t *n)
{
    const char *bytes;

    if (hr_type_ops_of(column->type)->storage == HR_STORE_FIXED) {
        *n = (size_t)hr_type_ops_of(column->type)->width;
        return column->values + (size_t)row * *n;
    }
    bytes = hr_column_get_bytes(column, row, n);
    if (column->type->kind == HR_BPCHAR)
        while (*n > 0 && bytes[*n - 1] == ' ')
            --*n;
    if (column->type->kind == HR_NUMERIC && memchr(bytes, '.', *n) != NULL) {
        while (bytes[*n - 1] == '0')
            --*n;
        *n -= bytes[*n - 1] == '.';
    }
    return bytes;
}

static int hr_value_compare_double(double a, double b)
{
    if (isnan(a) || isnan(b)) /* NaN is above all, as the server has it */
        return (isnan(a) != 0) - (isnan(b) != 0);
    return (a > b) - (a < b);
}

int hr_value_compare(const hr_column *column, int64_t a, int64_t b)
{
    bool a_null = hr_column_is_null(column, a), b_null = hr_column_is_null(column, b);
    size_t n, m;
    const void *x, *y;
    int order;

    if (a_null || b_null)
        return a_null - b_null;
    switch (column->type->kind) {
    case HR_FLOAT4: return hr_value_compare_double((double)hr_column_get_float(column, a), (double)hr_column_get_float(column, b));
    case HR_FLOAT8: return hr_value_compare_double(hr_column_get_double(column, a), hr_column_get_double(column, b));
    case HR_DECIMAL: {
        hr_decimal128 left = hr_column_get_decimal(column, a), right = hr_column_get_decimal(column, b);
        bool left_nan = left.high == HR_DECIMAL_NAN_HIGH, right_nan = right.high == HR_DECIMAL_NAN_HIGH;

        if (left_nan || right_nan) /* the lowest number of 128 bits stands for it, but it is above all */
            return left_nan - right_nan;
        if (left.high != right.high)
            return left.high < right.high ? -1 : 1;
        return (left.low > right.low) - (left.low < right.low);
    }
    default: break;
    }
    if (hr_value_form_of(column->type) == HR_VALUE_NUMBER) {
        int64_t left = (int64_t)hr_value_number(column, a), right = (int64_t)hr_value_number(column, b);

        return (left > right) - (left < right);
    }
    x = hr_value_bytes(column, a, &n);
    y = hr_value_bytes(column, b, &m);
    order = memcmp(x, y, n < m ? n : m);
    return order != 0 ? order : (n > m) - (n < m);
}
