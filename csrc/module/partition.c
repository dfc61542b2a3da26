/* csrc/module/partition.c: partition(batch, column, unit, zone): the rows of each period as a Batch of its own. */
#include "module/module.h"

#include "core/partition/partition.h"
#include "core/take.h"

#define HR_PY_MICROS_PER_DAY INT64_C(86400000000)

typedef struct hr_py_part {
    hr_period period;
    bool none; /* the rows whose time lies in no period: null, infinity, beyond the calendar */
    int64_t count;
    hr_batch *batch;
} hr_py_part;

typedef struct hr_py_split {
    const hr_batch *batch;
    int32_t column;
    hr_period_unit unit;
    const hr_timezone *zone;
    hr_py_part *parts; /* in order of first appearance, sorted at the end */
    int32_t count, capacity;
    int32_t *slots; /* a hash table of 2 * capacity: part + 1 by the period's lower end, 0 = free */
    int32_t none;   /* the part without a period, or -1 */
} hr_py_split;

/* The row's time in microseconds since 1970, or false when it has none. */
static bool hr_py_row_time(const hr_column *column, int64_t row, int64_t *micros)
{
    if (hr_column_is_null(column, row))
        return false;
    if (column->type->kind == HR_DATE) {
        int32_t days = hr_column_get_int32(column, row);

        if (days > INT64_MAX / HR_PY_MICROS_PER_DAY || days < INT64_MIN / HR_PY_MICROS_PER_DAY)
            return false;
        *micros = days * HR_PY_MICROS_PER_DAY;
        return true;
    }
    *micros = hr_column_get_int64(column, row);
    return *micros != HR_TIMESTAMP_INFINITY && *micros != HR_TIMESTAMP_MINUS_INFINITY;
}

/* The slot where the period starting at `lower` is, or would be. */
static int32_t *hr_py_slot(const hr_py_split *split, int64_t lower)
{
    uint64_t mask = (uint64_t)split->capacity * 2 - 1;
    uint64_t at = ((uint64_t)lower * UINT64_C(0x9e3779b97f4a7c15)) >> 32;

    for (;; at++) {
        int32_t *slot = &split->slots[at & mask];

        if (*slot == 0 || (!split->parts[*slot - 1].none && split->parts[*slot - 1].period.lower == lower))
            return slot;
    }
}

/* Twice the room, a power of two. On failure nothing is lost. */
static int hr_py_split_grow(hr_py_split *split, hr_error *error)
{
    int32_t capacity = split->capacity ? split->capacity * 2 : 16;
    hr_py_part *parts = hr_realloc(split->parts, (size_t)capacity * sizeof(*parts));
    int32_t *slots;

    if (parts == NULL)
        return hr_error_nomem(error);
    split->parts = parts;
    slots = hr_calloc((size_t)capacity * 2, sizeof(*slots));
    if (slots == NULL)
        return hr_error_nomem(error);
    hr_free(split->slots);
    split->slots = slots;
    split->capacity = capacity;
    for (int32_t i = 0; i < split->count; i++)
        if (!parts[i].none)
            *hr_py_slot(split, parts[i].period.lower) = i + 1;
    return HR_OK;
}

/* The part of a period, made when it is new. */
static int hr_py_part_of(hr_py_split *split, const hr_period *period, bool none, int32_t *index, hr_error *error)
{
    int32_t *slot = NULL;

    if (split->count == split->capacity)
        HR_RETURN_NOT_OK(hr_py_split_grow(split, error));
    if (none) {
        *index = split->none;
    } else {
        slot = hr_py_slot(split, period->lower);
        *index = *slot - 1;
    }
    if (*index >= 0)
        return HR_OK;
    *index = split->count++;
    split->parts[*index] = (hr_py_part){.none = none};
    if (none) {
        split->none = *index;
    } else {
        split->parts[*index].period = *period;
        *slot = *index + 1;
    }
    return HR_OK;
}

/* Say for every row which part it belongs to, and count. */
static int hr_py_split_rows(hr_py_split *split, int32_t *of_row, hr_error *error)
{
    const hr_column *column = &split->batch->columns[split->column];
    hr_period last = {0, 0};
    int32_t last_index = -1;

    for (int64_t row = 0; row < split->batch->length; row++) {
        int64_t micros = 0;
        bool none = !hr_py_row_time(column, row, &micros);

        if (none || last_index < 0 || micros < last.lower || micros >= last.upper) {
            hr_period period = {0, 0};
            int32_t index;

            none = none || hr_period_of(split->unit, split->zone, micros, &period, error) != HR_OK;
            HR_RETURN_NOT_OK(hr_py_part_of(split, &period, none, &index, error));
            of_row[row] = index;
            if (!none) {
                last = period;
                last_index = index;
            }
        } else {
            of_row[row] = last_index;
        }
        split->parts[of_row[row]].count++;
    }
    return HR_OK;
}

/* Take each part's rows. */
static int hr_py_split_take(hr_py_split *split, const int32_t *of_row, hr_error *error)
{
    size_t rows = (size_t)split->batch->length;
    uint32_t *order = hr_malloc((rows + 1) * sizeof(*order));
    int64_t *start = hr_malloc(((size_t)split->count + 1) * sizeof(*start));
    int64_t *fill = hr_malloc(((size_t)split->count + 1) * sizeof(*fill));
    int rc = order != NULL && start != NULL && fill != NULL ? HR_OK : hr_error_nomem(error);

    if (rc == HR_OK) {
        int64_t at = 0;

        for (int32_t i = 0; i < split->count; i++) {
            start[i] = fill[i] = at;
            at += split->parts[i].count;
        }
        for (size_t row = 0; row < rows; row++)
            order[fill[of_row[row]]++] = (uint32_t)row;
    }
    for (int32_t i = 0; rc == HR_OK && i < split->count; i++)
        rc = hr_batch_take(split->batch, order + start[i], split->parts[i].count, &split->parts[i].batch, error);
    hr_free(order);
    hr_free(start);
    hr_free(fill);
    return rc;
}

static int hr_py_part_compare(const void *a, const void *b)
{
    const hr_py_part *left = a, *right = b;

    if (left->none != right->none)
        return left->none ? 1 : -1;
    return (left->period.lower > right->period.lower) - (left->period.lower < right->period.lower);
}

static int hr_py_split_all(hr_py_split *split, hr_error *error)
{
    int32_t *of_row = hr_malloc(((size_t)split->batch->length + 1) * sizeof(*of_row));
    int rc;

    if (of_row == NULL)
        return hr_error_nomem(error);
    rc = hr_py_split_rows(split, of_row, error);
    if (rc == HR_OK)
        rc = hr_py_split_take(split, of_row, error);
    if (rc == HR_OK && split->count > 1)
        qsort(split->parts, (size_t)split->count, sizeof(*split->parts), hr_py_part_compare);
    hr_free(of_row);
    return rc;
}

/* (suffix, value, lower, upper, Batch); takes the part's batch over. */
static PyObject *hr_py_part_tuple(const hr_py_state *state, const hr_py_split *split, hr_py_part *part, PyObject *schema)
{
    char suffix[HR_PERIOD_NAME_SIZE], value[HR_PERIOD_NAME_SIZE];
    PyObject *batch = hr_py_batch_wrap(state, part->batch, schema);

    part->batch = NULL;
    if (batch == NULL)
        return NULL;
    if (part->none)
        return Py_BuildValue("(OOOON)", Py_None, Py_None, Py_None, Py_None, batch);
    hr_period_suffix(split->unit, split->zone, &part->period, suffix);
    hr_period_value(split->unit, split->zone, &part->period, value);
    return Py_BuildValue("(ssLLN)", suffix, value, (long long)part->period.lower, (long long)part->period.upper, batch);
}

static PyObject *hr_py_split_list(const hr_py_state *state, const hr_py_split *split, PyObject *schema)
{
    PyObject *list = PyList_New(split->count);

    for (int32_t i = 0; list != NULL && i < split->count; i++) {
        PyObject *tuple = hr_py_part_tuple(state, split, &split->parts[i], schema);

        if (tuple == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, i, tuple);
    }
    return list;
}

/* The column called name; it must hold times. */
static int hr_py_time_column(const hr_py_state *state, const hr_schema *schema, const char *name, int32_t *column)
{
    hr_error error;
    hr_kind kind;

    *column = hr_schema_find(schema, name);
    if (*column < 0) {
        hr_error_set(&error, HR_EUSAGE, "there is no column \"%s\" in the batch", name);
        hr_py_raise(state, &error, NULL);
        return -1;
    }
    kind = schema->columns[*column].type.kind;
    if (kind == HR_DATE || kind == HR_TIMESTAMP || kind == HR_TIMESTAMPTZ)
        return 0;
    hr_error_set(&error, HR_EUSAGE, "column \"%s\" is %s: a date, timestamp or timestamptz column is needed to partition by time", name,
                 schema->columns[*column].type.name);
    hr_py_raise(state, &error, NULL);
    return -1;
}

static PyObject *hr_py_partition(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"batch", "column", "unit", "zone", "zoneinfo", NULL};
    const hr_py_state *state = hr_py_state_of(module);
    const char *column, *unit = "week", *zone_name = "UTC", *directory = NULL;
    hr_timezone *zone = NULL;
    hr_py_split split = {.none = -1};
    PyObject *batch_object, *list = NULL;
    hr_py_batch *batch;
    hr_error error;
    int rc;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!s|ssz:partition", names, state->batch_type, &batch_object, &column, &unit,
                                     &zone_name, &directory))
        return NULL;
    batch = (hr_py_batch *)batch_object;
    split.batch = batch->shared->batch;
    if (hr_py_time_column(state, split.batch->schema, column, &split.column) < 0)
        return NULL;
    if (hr_period_unit_from_name(unit, &split.unit, &error) != HR_OK ||
        hr_timezone_load(zone_name, directory, &zone, &error) != HR_OK)
        return hr_py_raise(state, &error, NULL);
    /* The times of date and timestamp columns are local already. */
    split.zone = split.batch->schema->columns[split.column].type.kind == HR_TIMESTAMPTZ ? zone : NULL;
    Py_BEGIN_ALLOW_THREADS
    rc = hr_py_split_all(&split, &error);
    Py_END_ALLOW_THREADS
    if (rc == HR_OK)
        list = hr_py_split_list(state, &split, batch->schema);
    else
        hr_py_raise(state, &error, split.batch->schema);
    for (int32_t i = 0; i < split.count; i++)
        hr_batch_free(split.parts[i].batch);
    hr_free(split.parts);
    hr_free(split.slots);
    hr_timezone_free(zone);
    return list;
}

PyMethodDef hr_py_partition_methods[] = {
    {"partition", (PyCFunction)(void (*)(void))hr_py_partition, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("partition(batch, column, unit='week', zone='UTC', zoneinfo=None)\n--\n\n"
               "The rows of each period: a list of (suffix, value, lower, upper, Batch), times in microseconds since 1970.\n\n"
               "Rows whose time lies in no period (null, infinity) come last, as (None, None, None, None, Batch).")},
    {NULL, NULL, 0, NULL},
};
