/* csrc/module/hash.c: hash_rows(batch, columns, ...): the batch with a column of hashes; and what hashing needs besides. */
#include "module/module.h"

#include "core/hash/hash_keys.h"
#include "core/hash/upper_case.h"
#include "core/widen.h"

#define HR_PY_HASH_SLICE 16384 /* rows between two looks at signals */

/* The indexes of the columns called so, in memory for hr_free(); NULL with an exception set. */
static int32_t *hr_py_hash_columns(const hr_py_state *state, const hr_schema *schema, PyObject *names, int32_t *count)
{
    PyObject *list = PySequence_Fast(names, "columns must be a sequence of names");
    int32_t *columns;
    hr_error error;

    if (list == NULL)
        return NULL;
    *count = (int32_t)PySequence_Fast_GET_SIZE(list);
    columns = hr_malloc(((size_t)*count + 1) * sizeof(*columns));
    if (columns == NULL)
        PyErr_NoMemory();
    for (int32_t i = 0; columns != NULL && i < *count; i++) {
        const char *name = hr_py_utf8(PySequence_Fast_GET_ITEM(list, i), "a column's name");

        columns[i] = name != NULL ? hr_schema_find(schema, name) : -1;
        if (columns[i] >= 0)
            continue;
        if (name != NULL) {
            hr_error_set(&error, HR_EUSAGE, "there is no column \"%s\" in the batch", name);
            hr_py_raise(state, &error, NULL);
        }
        hr_free(columns);
        columns = NULL;
    }
    Py_DECREF(list);
    return columns;
}

/* Hash all rows of `batch` into the last column of `wide`. -1 with an exception set. */
static int hr_py_hash_all(const hr_py_state *state, hr_hasher *hasher, const hr_batch *batch, hr_batch *wide)
{
    hr_column *out = &wide->columns[wide->schema->count - 1];
    hr_error error;
    int rc = HR_OK;

    Py_BEGIN_ALLOW_THREADS
    rc = hr_hasher_reserve(hasher, batch->length, out, &error);
    Py_END_ALLOW_THREADS
    for (int64_t row = 0; rc == HR_OK && row < batch->length; row += HR_PY_HASH_SLICE) {
        int64_t to = row + HR_PY_HASH_SLICE < batch->length ? row + HR_PY_HASH_SLICE : batch->length;

        Py_BEGIN_ALLOW_THREADS
        rc = hr_hasher_run(hasher, batch, row, to, out, &error);
        Py_END_ALLOW_THREADS
        if (PyErr_CheckSignals() < 0)
            return -1;
    }
    if (rc != HR_OK) {
        hr_py_raise(state, &error, batch->schema);
        return -1;
    }
    return 0;
}

/* The widened batch with its hashes, or NULL with an exception set. */
static PyObject *hr_py_hash_batch(const hr_py_state *state, hr_py_batch *batch, PyObject *names, const char *name, hr_hash_options *options)
{
    const hr_batch *rows = batch->shared->batch;
    const hr_type type = {.kind = options->hex ? HR_TEXT : HR_BYTEA,
                          .oid = options->hex ? 25 : 17,
                          .typmod = -1,
                          .scale = -1,
                          .max_chars = -1,
                          .name = options->hex ? "text" : "bytea"};
    hr_hasher *hasher = NULL;
    hr_batch *wide = NULL;
    PyObject *result = NULL;
    int32_t count, *columns = hr_py_hash_columns(state, rows->schema, names, &count);
    hr_error error;
    int rc;

    if (columns == NULL)
        return NULL;
    rc = hr_hasher_new(rows->schema, columns, count, options, &hasher, &error);
    if (rc == HR_OK)
        rc = hr_batch_widen(rows, name, &type, &wide, &error);
    hr_free(columns);
    if (rc != HR_OK) {
        hr_py_raise(state, &error, rows->schema);
    } else if (hr_py_hash_all(state, hasher, rows, wide) == 0) {
        result = hr_py_batch_wrap(state, wide, NULL);
        wide = NULL;
        if (result != NULL) {
            hr_py_shared_retain(batch->shared);
            ((hr_py_batch *)result)->shared->lender = batch->shared;
        }
    }
    hr_hasher_free(hasher);
    hr_batch_free(wide);
    return result;
}

/* Fill the options from their names. */
static int hr_py_hash_options(const char *recipe, const char *kernel, hr_hash_options *options, hr_error *error)
{
    options->recipe = hr_recipe_named(recipe);
    if (options->recipe == NULL) {
        char known[256] = "";
        size_t used = 0;

        for (const hr_recipe *one = hr_recipes; one->name != NULL && used < sizeof(known); one++)
            used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", one == hr_recipes ? "" : ", ", one->name);
        return hr_error_set(error, HR_EUSAGE, "there is no recipe \"%s\": use one of %s", recipe, known);
    }
    if (kernel == NULL)
        return HR_OK;
    options->digest = hr_digest_named(options->recipe->digest, kernel);
    if (options->digest == NULL)
        return hr_error_set(error, HR_EUSAGE, "this processor has no kernel \"%s\" for the recipe %s", kernel, recipe);
    return HR_OK;
}

static PyObject *hr_py_hash_rows(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"batch", "columns", "name", "recipe", "diff", "alone", "hex", "zone", "zoneinfo", "kernel", NULL};
    const hr_py_state *state = hr_py_state_of(module);
    const char *name, *recipe = "automate_dv", *zone_name = "UTC", *directory = NULL, *kernel = NULL;
    hr_hash_options options = {0};
    hr_timezone *zone = NULL;
    PyObject *batch, *columns, *result;
    int diff = 0, alone = 0, hex = 0;
    hr_error error;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!Os|spppszz:hash_rows", names, state->batch_type, &batch, &columns, &name, &recipe,
                                     &diff, &alone, &hex, &zone_name, &directory, &kernel))
        return NULL;
    options.use = diff ? HR_HASH_DIFF : HR_HASH_KEY;
    options.alone = alone != 0;
    options.hex = hex != 0;
    if (hr_py_hash_options(recipe, kernel, &options, &error) != HR_OK)
        return hr_py_raise(state, &error, NULL);
    if (strcmp(zone_name, "UTC") != 0 && hr_timezone_load(zone_name, directory, &zone, &error) != HR_OK)
        return hr_py_raise(state, &error, NULL);
    options.zone = zone;
    result = hr_py_hash_batch(state, (hr_py_batch *)batch, columns, name, &options);
    hr_timezone_free(zone);
    return result;
}

static PyObject *hr_py_upper_case(PyObject *module, PyObject *argument)
{
    Py_ssize_t n;
    const char *s;
    PyObject *result;
    char *room;

    (void)module;
    if (!PyUnicode_Check(argument)) {
        PyErr_Format(PyExc_TypeError, "upper_case() takes a str, not %.100s", Py_TYPE(argument)->tp_name);
        return NULL;
    }
    s = PyUnicode_AsUTF8AndSize(argument, &n);
    if (s == NULL)
        return NULL;
    room = hr_malloc(HR_UPPER_ROOM((size_t)n));
    if (room == NULL)
        return PyErr_NoMemory();
    result = PyUnicode_DecodeUTF8(room, (Py_ssize_t)hr_upper_case(room, s, (size_t)n), NULL);
    hr_free(room);
    return result;
}

/* {"md5": [...], "sha256": [...]}: the kernels that this processor can run, fastest first. */
static PyObject *hr_py_hash_kernels(PyObject *module, PyObject *ignored)
{
    static const char *const kinds[] = {"md5", "sha256"};
    PyObject *all = PyDict_New();

    (void)module;
    (void)ignored;
    for (int kind = HR_MD5; all != NULL && kind <= HR_SHA256; kind++) {
        PyObject *list = PyList_New(0);

        for (const hr_digest *const *at = hr_digest_all((hr_digest_kind)kind); list != NULL && *at != NULL; at++) {
            PyObject *name = (*at)->supported() ? PyUnicode_FromString((*at)->name) : NULL;

            if (name != NULL ? PyList_Append(list, name) < 0 : PyErr_Occurred() != NULL)
                Py_CLEAR(list);
            Py_XDECREF(name);
        }
        if (list == NULL || PyDict_SetItemString(all, kinds[kind], list) < 0)
            Py_CLEAR(all);
        Py_XDECREF(list);
    }
    return all;
}

PyMethodDef hr_py_hash_methods[] = {
    {"hash_rows", (PyCFunction)(void (*)(void))hr_py_hash_rows, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("hash_rows(batch, columns, name, recipe='automate_dv', diff=False, alone=False, hex=False, zone='UTC', zoneinfo=None,\n"
               "          kernel=None)\n--\n\n"
               "The batch with one more column: the hash of these columns of each row. See headrace.hash_keys and headrace.hash_diff.")},
    {"upper_case", hr_py_upper_case, METH_O,
     PyDoc_STR("upper_case(text, /)\n--\n\nUPPER(text) as hash keys have it: Unicode simple case mapping.")},
    {"hash_kernels", hr_py_hash_kernels, METH_NOARGS,
     PyDoc_STR("hash_kernels()\n--\n\nThe ways to compute 'md5' and 'sha256' that this processor has, fastest first.")},
    {NULL, NULL, 0, NULL},
};
