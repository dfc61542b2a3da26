/* csrc/module/window.c: window(batch, ...): the rows of a batch counted in event-time windows. headrace/_window.py has the keywords. */
#include "module/module.h"

#include "core/window/window.h"

#define HR_PY_WINDOW_PIECE 65536

/* What the call asks for, in C. */
typedef struct hr_py_windowing {
    hr_window_spec specs[HR_WINDOW_SPECS];
    int32_t *by;
    hr_window_aggregate *aggregates;
    hr_window_options options;
    hr_timezone *zone;
    hr_windows *windows;
    hr_batch *results;
} hr_py_windowing;

static void hr_py_window_free(hr_py_windowing *work)
{
    hr_windows_free(work->windows);
    hr_batch_free(work->results);
    hr_timezone_free(work->zone);
    hr_free(work->by);
    hr_free(work->aggregates);
}

/* The column's number; UsageError when there is none. -1 with an exception set. */
static int32_t hr_py_window_column(const hr_py_state *state, const hr_schema *schema, const char *name)
{
    int32_t column = hr_schema_find(schema, name);
    hr_error error;

    if (column < 0) {
        hr_error_set(&error, HR_EUSAGE, "there is no column \"%s\" in the batch", name);
        hr_py_raise(state, &error, NULL);
    }
    return column;
}

/* (name, kind, unit, size, every, gap, origin), each a tuple. */
static int hr_py_window_specs(const hr_py_state *state, hr_py_windowing *work, PyObject *list)
{
    static const char *const kinds[] = {"tumbling", "sliding", "session"};
    Py_ssize_t count = PyTuple_GET_SIZE(list);

    if (count > HR_WINDOW_SPECS) {
        PyErr_Format(PyExc_ValueError, "at most %d kinds of windows at once, not %zd", HR_WINDOW_SPECS, count);
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        hr_window_spec *spec = &work->specs[i];
        const char *kind, *unit;
        long long size, every, gap, origin;
        hr_error error;

        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(list, i), "sszLLLL;a window is (name, kind, unit, size, every, gap, origin)", &spec->name,
                              &kind, &unit, &size, &every, &gap, &origin))
            return -1;
        spec->kind = HR_WINDOW_TUMBLING;
        for (int k = 0; k < 3; k++)
            if (strcmp(kind, kinds[k]) == 0)
                spec->kind = (hr_window_kind)k;
        spec->unit = HR_WINDOW_FIXED;
        if (unit != NULL && hr_window_unit_from_name(unit, &spec->unit, &error) != HR_OK) {
            hr_py_raise(state, &error, NULL);
            return -1;
        }
        spec->size = size;
        spec->every = every;
        spec->gap = gap;
        spec->origin = origin;
    }
    work->options.specs = work->specs;
    work->options.spec_count = (int32_t)count;
    return 0;
}

static int hr_py_window_keys(const hr_py_state *state, hr_py_windowing *work, const hr_schema *schema, PyObject *by)
{
    Py_ssize_t count = PyTuple_GET_SIZE(by);

    work->by = hr_malloc(((size_t)count + 1) * sizeof(*work->by));
    if (work->by == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        const char *name = hr_py_utf8(PyTuple_GET_ITEM(by, i), "a key column");

        work->by[i] = name != NULL ? hr_py_window_column(state, schema, name) : -1;
        if (work->by[i] < 0)
            return -1;
    }
    work->options.by = work->by;
    work->options.by_count = (int32_t)count;
    return 0;
}

/* (name, function, column or None, precision), each a tuple. */
static int hr_py_window_aggregates(const hr_py_state *state, hr_py_windowing *work, const hr_schema *schema, PyObject *list)
{
    Py_ssize_t count = PyTuple_GET_SIZE(list);

    work->aggregates = hr_calloc((size_t)count + 1, sizeof(*work->aggregates));
    if (work->aggregates == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        hr_window_aggregate *aggregate = &work->aggregates[i];
        const char *column;
        int precision;

        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(list, i), "sszi;an aggregate is (name, function, column, precision)", &aggregate->name,
                              &aggregate->function, &column, &precision))
            return -1;
        aggregate->precision = precision;
        aggregate->column = column != NULL ? hr_py_window_column(state, schema, column) : -1;
        if (column != NULL && aggregate->column < 0)
            return -1;
    }
    work->options.aggregates = work->aggregates;
    work->options.aggregate_count = (int32_t)count;
    return 0;
}

/* All rows, without the GIL, in pieces between which signals are answered. -1 with an exception set. */
static int hr_py_window_run(const hr_py_state *state, hr_py_windowing *work, const hr_batch *batch)
{
    bool ends = work->options.lateness != HR_WINDOW_ALL;
    int64_t row = 0;
    hr_error error;
    int rc;

    do {
        int64_t until = batch->length - row > HR_PY_WINDOW_PIECE ? row + HR_PY_WINDOW_PIECE : batch->length;

        Py_BEGIN_ALLOW_THREADS
        rc = hr_windows_add(work->windows, 0, batch, row, until, NULL, &row, &error);
        if (rc == HR_OK && row == batch->length)
            rc = hr_windows_settle(work->windows, -1, &error);
        if (rc == HR_OK && (ends || row == batch->length))
            rc = hr_windows_close(work->windows, row == batch->length, work->results, &error);
        Py_END_ALLOW_THREADS
        if (rc != HR_OK) {
            hr_py_raise(state, &error, NULL);
            return -1;
        }
        if (PyErr_CheckSignals() < 0)
            return -1;
    } while (row < batch->length);
    return 0;
}

/* [(row, reason, missed), ...] of the rows that count nowhere, or not everywhere, in the order in which that was known. */
static PyObject *hr_py_window_rejects(const hr_windows *windows)
{
    size_t count;
    const hr_window_settled *settled = hr_windows_settled(windows, &count);
    PyObject *list = PyList_New(0);

    for (size_t i = 0; list != NULL && i < count; i++) {
        const char *reason;
        PyObject *tuple;

        switch ((hr_window_verdict)settled[i].verdict) {
        case HR_VERDICT_LATE: reason = "late"; break;
        case HR_VERDICT_FUTURE: reason = "future"; break;
        case HR_VERDICT_NO_TIME: reason = "null"; break;
        case HR_VERDICT_NO_WINDOW: reason = "range"; break;
        default: continue;
        }
        tuple = Py_BuildValue("(LsI)", (long long)settled[i].offset, reason, (unsigned)settled[i].missed);
        if (tuple == NULL || PyList_Append(list, tuple) < 0)
            Py_CLEAR(list);
        Py_XDECREF(tuple);
    }
    return list;
}

static PyObject *hr_py_window_result(const hr_py_state *state, hr_py_windowing *work)
{
    PyObject *rejects = hr_py_window_rejects(work->windows), *batch;

    if (rejects == NULL)
        return NULL;
    batch = hr_py_batch_wrap(state, work->results, NULL);
    work->results = NULL;
    if (batch == NULL) {
        Py_DECREF(rejects);
        return NULL;
    }
    return Py_BuildValue("(NN)", batch, rejects);
}

static PyObject *hr_py_window(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"batch", "specs", "time", "by", "aggregates", "lateness", "jump", "votes", "zone", "zoneinfo", "named", NULL};
    const hr_py_state *state = hr_py_state_of(module);
    const char *time, *zone = "UTC", *zoneinfo = NULL;
    PyObject *batch_object, *specs, *by, *aggregates, *result = NULL;
    long long lateness = -1, jump = -1;
    int votes = 0, named = 0;
    hr_py_windowing work = {0};
    const hr_batch *batch;
    hr_error error;
    int rc;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!O!sO!O!|LLizzp:window", names, state->batch_type, &batch_object, &PyTuple_Type,
                                     &specs, &time, &PyTuple_Type, &by, &PyTuple_Type, &aggregates, &lateness, &jump, &votes, &zone,
                                     &zoneinfo, &named))
        return NULL;
    batch = ((hr_py_batch *)batch_object)->shared->batch;
    work.options.lateness = lateness < 0 ? HR_WINDOW_ALL : lateness;
    work.options.jump = jump < 0 ? HR_WINDOW_JUMP_OFF : jump;
    work.options.votes = votes;
    work.options.name_windows = named != 0;
    work.options.seed = (uint64_t)(uintptr_t)batch ^ (uint64_t)(uintptr_t)&work;
    work.options.time = hr_py_window_column(state, batch->schema, time);
    if (work.options.time < 0 || hr_py_window_specs(state, &work, specs) < 0 || hr_py_window_keys(state, &work, batch->schema, by) < 0 ||
        hr_py_window_aggregates(state, &work, batch->schema, aggregates) < 0) {
        hr_py_window_free(&work);
        return NULL;
    }
    rc = hr_timezone_load(zone != NULL ? zone : "UTC", zoneinfo, &work.zone, &error);
    work.options.zone = work.zone;
    if (rc == HR_OK)
        rc = hr_windows_new(batch->schema, &work.options, &work.windows, &error);
    if (rc == HR_OK)
        rc = hr_batch_new(hr_windows_schema(work.windows), &work.results, &error);
    if (rc != HR_OK)
        hr_py_raise(state, &error, batch->schema);
    else if (hr_py_window_run(state, &work, batch) == 0)
        result = hr_py_window_result(state, &work);
    hr_py_window_free(&work);
    return result;
}

PyMethodDef hr_py_window_methods[] = {
    {"window", (PyCFunction)(void (*)(void))hr_py_window, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("window(batch, specs, time, by, aggregates, lateness=-1, jump=-1, votes=0, zone='UTC', zoneinfo=None, named=False)\n--\n\n"
               "(Batch of results, [(row, reason, missed), ...]). Durations are microseconds; -1: no lateness, no bound on jumps.\n\n"
               "specs: tuples (name, kind, unit, size, every, gap, origin); aggregates: tuples (name, function, column, precision).")},
    {NULL, NULL, 0, NULL},
};
