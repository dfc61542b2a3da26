/* csrc/module/errors.c: the one place where an hr_error becomes an exception. */
#include "module/module.h"

static const char *const hr_py_class_names[HR_PY_CLASS_COUNT] = {
    [HR_PY_BASE] = "HeadraceError",    [HR_PY_RETRIABLE] = "RetriableError", [HR_PY_FATAL] = "FatalError",
    [HR_PY_USAGE] = "UsageError",      [HR_PY_FENCED] = "FencedError",       [HR_PY_SCHEMA] = "SchemaError",
    [HR_PY_BALANCE] = "BalanceError",  [HR_PY_DATA] = "DataError",           [HR_PY_CANCELLED] = "CancelledError",
};

int hr_py_errors_load(hr_py_state *state)
{
    PyObject *errors = PyImport_ImportModule("headrace.errors");

    if (errors == NULL)
        return -1;
    for (int i = 0; i < HR_PY_CLASS_COUNT; i++) {
        state->errors[i] = PyObject_GetAttrString(errors, hr_py_class_names[i]);
        if (state->errors[i] == NULL) {
            Py_DECREF(errors);
            return -1;
        }
    }
    Py_DECREF(errors);
    return 0;
}

/* The class of an error. The flags have the last word: a fatal class is not used for what may be tried again. */
static hr_py_class hr_py_class_of(const hr_error *error)
{
    switch (error->code) {
    case HR_EUSAGE: return HR_PY_USAGE;
    case HR_EDATA: return HR_PY_DATA;
    case HR_ECANCELLED: return HR_PY_CANCELLED;
    case HR_ESCHEMA: return error->retriable ? HR_PY_RETRIABLE : HR_PY_SCHEMA;
    case HR_EFENCED: return error->retriable ? HR_PY_RETRIABLE : HR_PY_FENCED;
    case HR_EBALANCE: return HR_PY_BALANCE;
    case HR_OK:
    case HR_ENOMEM:
    case HR_ESERVER:
    case HR_EKAFKA:
    case HR_EIO: break;
    }
    if (error->retriable)
        return HR_PY_RETRIABLE;
    return error->fatal ? HR_PY_FATAL : HR_PY_BASE;
}

/* The column's name, or None. */
static PyObject *hr_py_column_name(const hr_error *error, const hr_schema *schema)
{
    if (schema == NULL || error->column < 0 || error->column >= schema->count)
        Py_RETURN_NONE;
    return hr_py_text(schema->columns[error->column].name, (Py_ssize_t)strlen(schema->columns[error->column].name));
}

static PyObject *hr_py_position(int64_t number)
{
    if (number < 0)
        Py_RETURN_NONE;
    return PyLong_FromLongLong(number);
}

static PyObject *hr_py_optional_text(const char *text)
{
    if (text == NULL || text[0] == '\0')
        Py_RETURN_NONE;
    return hr_py_text(text, (Py_ssize_t)strlen(text));
}

static PyObject *hr_py_raise_full(const hr_py_state *state, const hr_error *error, const hr_schema *schema, const char *receipt_json)
{
    PyObject *class = state->errors[hr_py_class_of(error)];
    PyObject *message, *arguments, *keywords, *exception = NULL;

    if (error->code == HR_ENOMEM)
        return PyErr_NoMemory();
    message = hr_py_text(error->message, (Py_ssize_t)strlen(error->message));
    /* "N" hands each new object over; a NULL among them makes the whole call fail with that exception. */
    arguments = message != NULL ? Py_BuildValue("(N)", message) : NULL;
    keywords = arguments != NULL
                   ? Py_BuildValue("{s:s,s:O,s:O,s:N,s:N,s:N,s:N,s:N,s:N}", "code", hr_code_name(error->code), "retriable",
                                   error->retriable ? Py_True : Py_False, "fatal", error->fatal ? Py_True : Py_False, "sqlstate",
                                   hr_py_optional_text(error->sqlstate), "reason",
                                   hr_py_optional_text(error->reason != HR_REASON_NONE ? hr_reason_name(error->reason) : NULL), "row",
                                   hr_py_position(error->row), "column", hr_py_column_name(error, schema), "offset",
                                   hr_py_position(error->offset), "receipt", hr_py_optional_text(receipt_json))
                   : NULL;
    if (keywords != NULL)
        exception = PyObject_Call(class, arguments, keywords);
    if (exception != NULL)
        PyErr_SetObject(class, exception);
    Py_XDECREF(exception);
    Py_XDECREF(keywords);
    Py_XDECREF(arguments);
    return NULL;
}

PyObject *hr_py_raise(const hr_py_state *state, const hr_error *error, const hr_schema *schema)
{
    return hr_py_raise_full(state, error, schema, NULL);
}

PyObject *hr_py_raise_receipt(const hr_py_state *state, const hr_error *error, const char *receipt_json)
{
    return hr_py_raise_full(state, error, NULL, receipt_json);
}

#if PY_VERSION_HEX >= 0x030C0000
PyObject *hr_py_exception_take(void)
{
    return PyErr_GetRaisedException();
}

void hr_py_exception_put(PyObject *exception)
{
    PyErr_SetRaisedException(exception);
}
#else
PyObject *hr_py_exception_take(void)
{
    PyObject *type, *value, *traceback;

    PyErr_Fetch(&type, &value, &traceback);
    if (type == NULL)
        return NULL;
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL)
        PyException_SetTraceback(value, traceback);
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return value;
}

void hr_py_exception_put(PyObject *exception)
{
    if (exception == NULL)
        return;
    PyErr_Restore(Py_NewRef((PyObject *)Py_TYPE(exception)), exception, PyException_GetTraceback(exception));
}
#endif
