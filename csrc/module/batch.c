/* csrc/module/batch.c: the class Batch. Immutable; its rows may be shared with Arrow consumers. */
#include "module/module.h"

#include "core/copy/copy.h"

void hr_py_shared_retain(hr_py_shared *shared)
{
    atomic_fetch_add_explicit(&shared->refs, 1, memory_order_relaxed);
}

void hr_py_shared_release(void *owner)
{
    hr_py_shared *shared = owner;

    while (shared != NULL && atomic_fetch_sub_explicit(&shared->refs, 1, memory_order_acq_rel) == 1) {
        hr_py_shared *lender = shared->lender;

        hr_batch_free(shared->batch);
        hr_free(shared);
        shared = lender;
    }
}

PyObject *hr_py_batch_wrap(const hr_py_state *state, hr_batch *batch, PyObject *schema)
{
    hr_py_shared *shared = hr_malloc(sizeof(*shared));
    hr_py_batch *self;

    if (shared == NULL) {
        hr_batch_free(batch);
        return PyErr_NoMemory();
    }
    atomic_init(&shared->refs, 1);
    shared->batch = batch;
    shared->lender = NULL;
    schema = schema != NULL ? Py_NewRef(schema) : hr_py_schema_wrap(state, batch->schema);
    self = schema != NULL ? PyObject_New(hr_py_batch, state->batch_type) : NULL;
    if (self == NULL) {
        Py_XDECREF(schema);
        hr_py_shared_release(shared);
        return NULL;
    }
    self->shared = shared;
    self->schema = schema;
    return (PyObject *)self;
}

static void hr_py_batch_dealloc(PyObject *object)
{
    hr_py_batch *self = (hr_py_batch *)object;
    PyTypeObject *type = Py_TYPE(object);

    hr_py_shared_release(self->shared);
    Py_DECREF(self->schema);
    PyObject_Free(object);
    Py_DECREF(type);
}

static const hr_batch *hr_py_rows(PyObject *self)
{
    return ((hr_py_batch *)self)->shared->batch;
}

static PyObject *hr_py_batch_num_rows(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromLongLong(hr_py_rows(self)->length);
}

static PyObject *hr_py_batch_num_columns(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromLong(hr_py_rows(self)->schema->count);
}

static PyObject *hr_py_batch_schema(PyObject *self, void *closure)
{
    (void)closure;
    return Py_NewRef(((hr_py_batch *)self)->schema);
}

static PyObject *hr_py_batch_nbytes(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromSize_t(hr_batch_memory(hr_py_rows(self)));
}

static Py_ssize_t hr_py_batch_length(PyObject *self)
{
    return (Py_ssize_t)hr_py_rows(self)->length;
}

static PyObject *hr_py_batch_repr(PyObject *self)
{
    const hr_batch *batch = hr_py_rows(self);

    return PyUnicode_FromFormat("<headrace.Batch of %lld rows, %d columns>", (long long)batch->length, (int)batch->schema->count);
}

/* The HTML table is made in Python (headrace/display.py), where it is easy to change. */
static PyObject *hr_py_batch_html(PyObject *self, PyObject *ignored)
{
    PyObject *display = PyImport_ImportModule("headrace.display");
    PyObject *html;

    (void)ignored;
    if (display == NULL)
        return NULL;
    html = PyObject_CallMethod(display, "batch_html", "O", self);
    Py_DECREF(display);
    return html;
}

static PyObject *hr_py_batch_column_text(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    const hr_batch *batch = hr_py_rows(self);
    hr_buffer out = {0};
    hr_error error;
    PyObject *text;
    long long column, row;
    int rc;

    if (count != 2) {
        PyErr_Format(PyExc_TypeError, "column_text() takes a column and a row, %zd arguments given", count);
        return NULL;
    }
    column = PyLong_AsLongLong(args[0]);
    if (column == -1 && PyErr_Occurred())
        return NULL;
    row = PyLong_AsLongLong(args[1]);
    if (row == -1 && PyErr_Occurred())
        return NULL;
    if (column < 0 || column >= batch->schema->count || row < 0 || row >= batch->length) {
        PyErr_Format(PyExc_IndexError, "column %lld, row %lld is outside a batch of %d columns and %lld rows", column, row,
                     (int)batch->schema->count, (long long)batch->length);
        return NULL;
    }
    if (hr_column_is_null(&batch->columns[column], row))
        Py_RETURN_NONE;
    const hr_type *type = batch->columns[column].type;
    rc = hr_type_ops_of(type)->write_text(type, &batch->columns[column], row, &out, &error);
    text = rc == HR_OK ? hr_py_text((const char *)out.data, (Py_ssize_t)out.size)
                       : hr_py_raise(hr_py_state_of_type(Py_TYPE(self)), &error, batch->schema);
    hr_buffer_free(&out);
    return text;
}

/* All rows and columns of the batch as one COPY stream. */
static int hr_py_copy_all(const hr_copy_format *format, const hr_batch *batch, hr_buffer *out, hr_error *error)
{
    size_t rows = (size_t)batch->length, columns = (size_t)batch->schema->count;
    uint32_t *row = hr_malloc((rows + 1) * sizeof(*row));
    int32_t *column = hr_malloc((columns + 1) * sizeof(*column));
    int rc;

    if (row == NULL || column == NULL) {
        rc = hr_error_nomem(error);
    } else {
        for (size_t i = 0; i < rows; i++)
            row[i] = (uint32_t)i;
        for (size_t i = 0; i < columns; i++)
            column[i] = (int32_t)i;
        rc = format->header(out, error);
        if (rc == HR_OK)
            rc = format->rows(batch, column, (int32_t)columns, row, batch->length, out, error);
        if (rc == HR_OK)
            rc = format->trailer(out, error);
    }
    hr_free(row);
    hr_free(column);
    return rc;
}

static PyObject *hr_py_batch_to_copy(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"format", NULL};
    const hr_py_state *state = hr_py_state_of_type(Py_TYPE(self));
    const hr_batch *batch = hr_py_rows(self);
    const hr_copy_format *format;
    const char *name = "binary";
    hr_buffer out = {0};
    hr_error error;
    PyObject *bytes;
    int rc;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|s:to_copy", names, &name))
        return NULL;
    if (strcmp(name, hr_copy_binary.name) == 0) {
        format = &hr_copy_binary;
    } else if (strcmp(name, hr_copy_text.name) == 0) {
        format = &hr_copy_text;
    } else {
        hr_error_set(&error, HR_EUSAGE, "format=\"%s\": use binary or text", name);
        return hr_py_raise(state, &error, NULL);
    }
    if (format == &hr_copy_binary && hr_copy_format_for(batch->schema) != &hr_copy_binary) {
        hr_error_set(&error, HR_EUSAGE, "a column's type is known to the server only: use format=\"text\"");
        return hr_py_raise(state, &error, NULL);
    }
    Py_BEGIN_ALLOW_THREADS
    rc = hr_py_copy_all(format, batch, &out, &error);
    Py_END_ALLOW_THREADS
    bytes = rc == HR_OK ? PyBytes_FromStringAndSize((const char *)out.data, (Py_ssize_t)out.size)
                        : hr_py_raise(state, &error, batch->schema);
    hr_buffer_free(&out);
    return bytes;
}

static PyObject *hr_py_batch_from_copy(PyObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"data", "schema", NULL};
    const hr_py_state *state = hr_py_state_of_type((PyTypeObject *)type);
    hr_copy_reader reader;
    PyObject *data_object, *schema_object;
    hr_schema *schema;
    hr_batch *batch = NULL;
    Py_buffer data;
    hr_error error;
    int rc;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO:from_copy", names, &data_object, &schema_object))
        return NULL;
    schema = hr_py_schema_arg(state, schema_object);
    if (schema == NULL || hr_py_bytes(data_object, &data) < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    rc = hr_batch_new(schema, &batch, &error);
    if (rc == HR_OK) {
        hr_copy_reader_init(&reader, batch);
        rc = hr_copy_reader_feed(&reader, data.buf, (size_t)data.len, &error);
        if (rc == HR_OK)
            rc = hr_copy_reader_end(&reader, &error);
        hr_copy_reader_free(&reader);
    }
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&data);
    if (rc != HR_OK) {
        hr_batch_free(batch);
        return hr_py_raise(state, &error, schema);
    }
    return hr_py_batch_wrap(state, batch, schema_object);
}

static PyObject *hr_py_batch_from_arrow(PyObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"object", "schema", NULL};
    const hr_py_state *state = hr_py_state_of_type((PyTypeObject *)type);
    PyObject *object, *schema_object = Py_None;
    hr_schema *schema;
    hr_batch *batch;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:from_arrow", names, &object, &schema_object))
        return NULL;
    schema = schema_object != Py_None ? hr_py_schema_arg(state, schema_object) : NULL;
    if (schema_object != Py_None && schema == NULL)
        return NULL;
    if (hr_py_arrow_import_batch(state, object, schema, &batch) < 0)
        return NULL;
    return hr_py_batch_wrap(state, batch, schema != NULL ? schema_object : NULL);
}

/* A consumer may ask for another schema; the interface allows us to hand out our own, and casting is the consumer's trade. */
static int hr_py_requested(PyObject *args, PyObject *kwargs, const char *format)
{
    static char *names[] = {"requested_schema", NULL};
    PyObject *requested = Py_None;

    return PyArg_ParseTupleAndKeywords(args, kwargs, format, names, &requested) ? 0 : -1;
}

static PyObject *hr_py_batch_arrow_array(PyObject *self, PyObject *args, PyObject *kwargs)
{
    if (hr_py_requested(args, kwargs, "|O:__arrow_c_array__") < 0)
        return NULL;
    return hr_py_arrow_batch_array(hr_py_state_of_type(Py_TYPE(self)), ((hr_py_batch *)self)->shared);
}

static PyObject *hr_py_batch_arrow_stream(PyObject *self, PyObject *args, PyObject *kwargs)
{
    if (hr_py_requested(args, kwargs, "|O:__arrow_c_stream__") < 0)
        return NULL;
    return hr_py_arrow_batch_stream(hr_py_state_of_type(Py_TYPE(self)), ((hr_py_batch *)self)->shared);
}

static PyObject *hr_py_batch_arrow_schema(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    return hr_py_arrow_schema_capsule(hr_py_state_of_type(Py_TYPE(self)), hr_py_rows(self)->schema);
}

#define HR_PY_KEYWORDS(function) (PyCFunction)(void (*)(void))(function)
static PyMethodDef hr_py_batch_methods[] = {
    {"column_text", HR_PY_KEYWORDS(hr_py_batch_column_text), METH_FASTCALL,
     PyDoc_STR("column_text($self, column, row, /)\n--\n\nOne value as PostgreSQL prints it, or None for null. IndexError when outside.")},
    {"to_copy", HR_PY_KEYWORDS(hr_py_batch_to_copy), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("to_copy($self, format='binary')\n--\n\nThe batch as the bytes of COPY ... FROM STDIN; format 'binary' or 'text'.")},
    {"from_copy", HR_PY_KEYWORDS(hr_py_batch_from_copy), METH_VARARGS | METH_KEYWORDS | METH_CLASS,
     PyDoc_STR("from_copy($type, data, schema)\n--\n\n"
               "A batch from the bytes of COPY ... TO STDOUT (FORMAT binary). DataError when they are not.")},
    {"from_arrow", HR_PY_KEYWORDS(hr_py_batch_from_arrow), METH_VARARGS | METH_KEYWORDS | METH_CLASS,
     PyDoc_STR("from_arrow($type, object, schema=None)\n--\n\nThe rows of anything with __arrow_c_stream__ or __arrow_c_array__.")},
    {"__arrow_c_array__", HR_PY_KEYWORDS(hr_py_batch_arrow_array), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("__arrow_c_array__($self, requested_schema=None)\n--\n\nPyCapsules of an ArrowSchema and an ArrowArray, without a copy.")},
    {"__arrow_c_stream__", HR_PY_KEYWORDS(hr_py_batch_arrow_stream), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("__arrow_c_stream__($self, requested_schema=None)\n--\n\nA PyCapsule of an ArrowArrayStream of this one batch.")},
    {"__arrow_c_schema__", hr_py_batch_arrow_schema, METH_NOARGS,
     PyDoc_STR("__arrow_c_schema__($self)\n--\n\nA PyCapsule of the ArrowSchema.")},
    {"_repr_html_", hr_py_batch_html, METH_NOARGS, PyDoc_STR("_repr_html_($self)\n--\n\nThe first rows as an HTML table.")},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef hr_py_batch_getset[] = {
    {"num_rows", hr_py_batch_num_rows, NULL, PyDoc_STR("Number of rows."), NULL},
    {"num_columns", hr_py_batch_num_columns, NULL, PyDoc_STR("Number of columns."), NULL},
    {"schema", hr_py_batch_schema, NULL, PyDoc_STR("The Schema."), NULL},
    {"nbytes", hr_py_batch_nbytes, NULL, PyDoc_STR("Bytes of memory that the batch holds."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(hr_py_batch_doc, "Rows in Apache Arrow layout. Immutable; made by decode_json, decode_csv, from_arrow or from_copy.\n\n"
                              "pyarrow.record_batch(batch) and polars.DataFrame(batch) read it without a copy.");

static PyType_Slot hr_py_batch_slots[] = {
    {Py_tp_doc, (void *)hr_py_batch_doc},   {Py_tp_dealloc, hr_py_batch_dealloc}, {Py_tp_repr, hr_py_batch_repr},
    {Py_tp_methods, hr_py_batch_methods},   {Py_tp_getset, hr_py_batch_getset},   {Py_mp_length, hr_py_batch_length},
    {0, NULL},
};

PyType_Spec hr_py_batch_spec = {
    .name = "headrace._headrace.Batch",
    .basicsize = sizeof(hr_py_batch),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = hr_py_batch_slots,
};
