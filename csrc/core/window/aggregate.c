/* csrc/core/window/aggregate.c: the table of aggregates, and what several of them share. */
#include "aggregate.h"

#include "value.h"

extern const hr_aggregate_ops hr_aggregate_count, hr_aggregate_distinct, hr_aggregate_distinct_hll, hr_aggregate_sum, hr_aggregate_min,
    hr_aggregate_max;

const hr_aggregate_ops *const hr_aggregates[] = {
    &hr_aggregate_count, &hr_aggregate_distinct, &hr_aggregate_distinct_hll, &hr_aggregate_sum, &hr_aggregate_min, &hr_aggregate_max, NULL,
};

const hr_aggregate_ops *hr_aggregate_find(const char *name)
{
    for (size_t i = 0; hr_aggregates[i] != NULL; i++)
        if (strcmp(hr_aggregates[i]->name, name) == 0)
            return hr_aggregates[i];
    return NULL;
}

int hr_aggregate_values(hr_aggregate *aggregate, int64_t lower, int64_t upper, hr_error *error)
{
    if (upper - lower > aggregate->value_capacity) {
        uint64_t *values = hr_realloc(aggregate->values, (size_t)(upper - lower) * sizeof(*values));

        if (values == NULL)
            return hr_error_nomem(error);
        aggregate->values = values;
        aggregate->value_capacity = upper - lower;
    }
    aggregate->values_from = lower;
    return HR_OK;
}

int hr_aggregate_prepare_values(hr_aggregate *aggregate, const hr_column *column, int64_t lower, int64_t upper, hr_error *error)
{
    uint64_t *values;

    HR_RETURN_NOT_OK(hr_aggregate_values(aggregate, lower, upper, error));
    values = aggregate->values;
    for (int64_t row = lower; row < upper; row++) {
        uint32_t number = 0;
        const void *bytes;
        size_t n;

        if (hr_column_is_null(column, row)) {
            values[row - lower] = 0;
        } else if (aggregate->interns) {
            bytes = hr_value_bytes(column, row, &n);
            HR_RETURN_NOT_OK(hr_dictionary_intern(&aggregate->dictionary, bytes, n, &number, error));
            values[row - lower] = number;
        } else {
            values[row - lower] = hr_value_number(column, row);
        }
    }
    return HR_OK;
}

int hr_aggregate_refuse(const hr_aggregate *aggregate, const char *what, hr_error *error)
{
    return hr_error_set(error, HR_EUSAGE, "%s cannot be computed of a column of type %s: %s", aggregate->ops->name, aggregate->type->name,
                        what);
}

void hr_aggregate_close(hr_aggregate *aggregate)
{
    hr_dictionary_free(&aggregate->dictionary);
    hr_free(aggregate->values);
    aggregate->values = NULL;
}
