/* csrc/module/arrow.c: the Arrow PyCapsule interface of Schema and Batch.
 *
 * A capsule owns its struct: its destructor releases what no consumer has taken over (then `release` is NULL) and frees the struct.
 */
#include "module/module.h"

#include "core/arrow/arrow.h"

#include <errno.h>

#define HR_PY_ARROW_SCHEMA "arrow_schema"
#define HR_PY_ARROW_ARRAY "arrow_array"
#define HR_PY_ARROW_STREAM "arrow_array_stream"

#define HR_PY_CAPSULE_DESTRUCTOR(function, type, name)                \
    static void function(PyObject *capsule)                           \
    {                                                                 \
        type *held = PyCapsule_GetPointer(capsule, name);             \
                                                                      \
        if (held == NULL) {                                           \
            PyErr_WriteUnraisable(capsule);                           \
            return;                                                   \
        }                                                             \
        if (held->release != NULL)                                    \
            held->release(held);                                      \
        hr_free(held);                                                \
    }
HR_PY_CAPSULE_DESTRUCTOR(hr_py_free_schema, struct ArrowSchema, HR_PY_ARROW_SCHEMA)
HR_PY_CAPSULE_DESTRUCTOR(hr_py_free_array, struct ArrowArray, HR_PY_ARROW_ARRAY)
HR_PY_CAPSULE_DESTRUCTOR(hr_py_free_stream, struct ArrowArrayStream, HR_PY_ARROW_STREAM)
#undef HR_PY_CAPSULE_DESTRUCTOR

PyObject *hr_py_arrow_schema_capsule(const hr_py_state *state, const hr_schema *schema)
{
    struct ArrowSchema *out = hr_calloc(1, sizeof(*out));
    PyObject *capsule;
    hr_error error;

    if (out == NULL)
        return PyErr_NoMemory();
    if (hr_arrow_export_schema(schema, out, &error) != HR_OK) {
        hr_free(out);
        return hr_py_raise(state, &error, schema);
    }
    capsule = PyCapsule_New(out, HR_PY_ARROW_SCHEMA, hr_py_free_schema);
    if (capsule == NULL) {
        out->release(out);
        hr_free(out);
    }
    return capsule;
}

PyObject *hr_py_arrow_batch_array(const hr_py_state *state, hr_py_shared *shared)
{
    PyObject *schema_capsule = hr_py_arrow_schema_capsule(state, shared->batch->schema);
    struct ArrowArray *out = schema_capsule != NULL ? hr_calloc(1, sizeof(*out)) : NULL;
    PyObject *capsule;
    hr_error error;
    int rc;

    if (out == NULL) {
        if (schema_capsule != NULL)
            PyErr_NoMemory();
        Py_XDECREF(schema_capsule);
        return NULL;
    }
    hr_py_shared_retain(shared);
    Py_BEGIN_ALLOW_THREADS
    rc = hr_arrow_export_batch(shared->batch, hr_py_shared_release, shared, out, &error);
    Py_END_ALLOW_THREADS
    if (rc != HR_OK) {
        hr_py_raise(state, &error, shared->batch->schema);
        hr_py_shared_release(shared);
        hr_free(out);
        Py_DECREF(schema_capsule);
        return NULL;
    }
    capsule = PyCapsule_New(out, HR_PY_ARROW_ARRAY, hr_py_free_array);
    if (capsule == NULL) {
        out->release(out);
        hr_free(out);
        Py_DECREF(schema_capsule);
        return NULL;
    }
    return Py_BuildValue("(NN)", schema_capsule, capsule);
}

PyObject *hr_py_arrow_batch_stream(const hr_py_state *state, hr_py_shared *shared)
{
    struct ArrowArrayStream *out = hr_calloc(1, sizeof(*out));
    PyObject *capsule;
    hr_error error;
    int rc;

    if (out == NULL)
        return PyErr_NoMemory();
    hr_py_shared_retain(shared);
    Py_BEGIN_ALLOW_THREADS
    rc = hr_arrow_export_stream(shared->batch, hr_py_shared_release, shared, out, &error);
    Py_END_ALLOW_THREADS
    if (rc != HR_OK) {
        hr_py_raise(state, &error, shared->batch->schema);
        hr_py_shared_release(shared);
        hr_free(out);
        return NULL;
    }
    capsule = PyCapsule_New(out, HR_PY_ARROW_STREAM, hr_py_free_stream);
    if (capsule == NULL) {
        out->release(out);
        hr_free(out);
    }
    return capsule;
}

/* Call object.<method>(); NULL without an exception when there is no such method. */
static PyObject *hr_py_call_if_there(PyObject *object, const char *method)
{
    PyObject *bound = PyObject_GetAttrString(object, method);
    PyObject *result;

    if (bound == NULL) {
        if (PyErr_ExceptionMatches(PyExc_AttributeError))
            PyErr_Clear();
        return NULL;
    }
    result = PyObject_CallNoArgs(bound);
    Py_DECREF(bound);
    return result;
}

static int hr_py_no_arrow(PyObject *object, const char *wanted)
{
    if (!PyErr_Occurred())
        PyErr_Format(PyExc_TypeError, "%.100s has no %s: give a pyarrow, polars or other Arrow object", Py_TYPE(object)->tp_name, wanted);
    return -1;
}

int hr_py_arrow_import_schema(const hr_py_state *state, PyObject *object, hr_schema **out)
{
    PyObject *capsule = hr_py_call_if_there(object, "__arrow_c_schema__");
    struct ArrowSchema *schema;
    hr_error error;

    *out = NULL;
    if (capsule == NULL)
        return hr_py_no_arrow(object, "__arrow_c_schema__");
    schema = PyCapsule_GetPointer(capsule, HR_PY_ARROW_SCHEMA);
    if (schema != NULL && hr_arrow_import_schema(schema, out, &error) != HR_OK)
        hr_py_raise(state, &error, NULL);
    Py_DECREF(capsule);
    return *out != NULL ? 0 : -1;
}

/* What a stream's function that returned `code` has to say. */
static int hr_py_stream_failed(struct ArrowArrayStream *stream, int code, const char *what, hr_error *error)
{
    const char *why = stream->get_last_error(stream);

    if (code == ENOMEM)
        return hr_error_nomem(error);
    return hr_error_set(error, HR_EUSAGE, "%s: %s", what, why != NULL ? why : "no reason given");
}

/* Read all arrays of a stream into one batch. No Python in here: called without the GIL, though the stream may take it. */
static int hr_py_read_stream(struct ArrowArrayStream *stream, hr_schema *given, hr_batch **out, hr_error *error)
{
    struct ArrowSchema arrow = {0};
    struct ArrowArray array = {0}, first = {0}; /* the first one with rows is kept: if no other comes, it need not be copied */
    hr_schema *schema = given;
    int rc = HR_OK, code;

    *out = NULL;
    code = stream->get_schema(stream, &arrow);
    if (code != 0)
        return hr_py_stream_failed(stream, code, "the Arrow stream has no schema", error);
    if (given == NULL)
        rc = hr_arrow_import_schema(&arrow, &schema, error);
    if (rc == HR_OK)
        rc = hr_batch_new(schema, out, error);
    while (rc == HR_OK) {
        code = stream->get_next(stream, &array);
        if (code != 0) {
            rc = hr_py_stream_failed(stream, code, "the Arrow stream failed", error);
            break;
        }
        if (array.release == NULL)
            break;
        if (array.length > 0 && first.release == NULL && (*out)->length == 0) {
            first = array;
        } else {
            if (array.length > 0 && first.release != NULL) {
                rc = hr_arrow_import_batch(&arrow, &first, *out, error);
                first.release(&first);
                memset(&first, 0, sizeof(first));
            }
            if (rc == HR_OK)
                rc = hr_arrow_import_batch(&arrow, &array, *out, error);
            array.release(&array);
        }
        memset(&array, 0, sizeof(array));
    }
    if (rc == HR_OK && first.release != NULL)
        rc = hr_arrow_adopt_batch(&arrow, &first, *out, error);
    if (first.release != NULL)
        first.release(&first);
    if (arrow.release != NULL)
        arrow.release(&arrow);
    if (given == NULL)
        hr_schema_release(schema);
    if (rc != HR_OK) {
        hr_batch_free(*out);
        *out = NULL;
    }
    return rc;
}

/* One array as a batch, which takes it over where it need not be copied. */
static int hr_py_read_array(const struct ArrowSchema *arrow, struct ArrowArray *array, hr_schema *given, hr_batch **out, hr_error *error)
{
    hr_schema *schema = given;
    int rc = given == NULL ? hr_arrow_import_schema(arrow, &schema, error) : HR_OK;

    *out = NULL;
    if (rc == HR_OK)
        rc = hr_batch_new(schema, out, error);
    if (rc == HR_OK)
        rc = hr_arrow_adopt_batch(arrow, array, *out, error);
    if (given == NULL)
        hr_schema_release(schema);
    if (rc != HR_OK) {
        hr_batch_free(*out);
        *out = NULL;
    }
    return rc;
}

/* The stream's, or failing that the array's, rows. -1 with an exception set. */
static int hr_py_import_stream(PyObject *capsule, hr_schema *schema, hr_batch **out, hr_error *error)
{
    struct ArrowArrayStream *stream = PyCapsule_GetPointer(capsule, HR_PY_ARROW_STREAM);
    int rc;

    if (stream == NULL)
        return -1;
    if (stream->release == NULL) {
        PyErr_SetString(PyExc_ValueError, "the Arrow stream was read before");
        return -1;
    }
    Py_BEGIN_ALLOW_THREADS
    rc = hr_py_read_stream(stream, schema, out, error);
    Py_END_ALLOW_THREADS
    return rc;
}

static int hr_py_import_array(PyObject *pair, hr_schema *schema, hr_batch **out, hr_error *error)
{
    struct ArrowSchema *arrow;
    struct ArrowArray *array;
    int rc;

    if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2) {
        PyErr_SetString(PyExc_TypeError, "__arrow_c_array__ must return two capsules");
        return -1;
    }
    arrow = PyCapsule_GetPointer(PyTuple_GET_ITEM(pair, 0), HR_PY_ARROW_SCHEMA);
    array = arrow != NULL ? PyCapsule_GetPointer(PyTuple_GET_ITEM(pair, 1), HR_PY_ARROW_ARRAY) : NULL;
    if (array == NULL)
        return -1;
    if (arrow->release == NULL || array->release == NULL) {
        PyErr_SetString(PyExc_ValueError, "the Arrow array was taken before");
        return -1;
    }
    Py_BEGIN_ALLOW_THREADS
    rc = hr_py_read_array(arrow, array, schema, out, error);
    Py_END_ALLOW_THREADS
    return rc;
}

int hr_py_arrow_import_batch(const hr_py_state *state, PyObject *object, hr_schema *schema, hr_batch **out)
{
    PyObject *source = hr_py_call_if_there(object, "__arrow_c_array__");
    bool is_array = source != NULL;
    hr_error error;
    int rc;

    *out = NULL;
    if (source == NULL && !PyErr_Occurred())
        source = hr_py_call_if_there(object, "__arrow_c_stream__");
    if (source == NULL)
        return hr_py_no_arrow(object, "__arrow_c_stream__ or __arrow_c_array__");
    rc = is_array ? hr_py_import_array(source, schema, out, &error) : hr_py_import_stream(source, schema, out, &error);
    Py_DECREF(source);
    if (rc > 0)
        hr_py_raise(state, &error, schema);
    return rc == 0 ? 0 : -1;
}
