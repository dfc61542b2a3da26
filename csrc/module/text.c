/* csrc/module/text.c: text between Python and C. */
#include "module/module.h"

const char *hr_py_utf8(PyObject *text, const char *what)
{
    Py_ssize_t n;
    const char *utf8;

    if (!PyUnicode_Check(text)) {
        PyErr_Format(PyExc_TypeError, "%s must be a str, not %.100s", what, Py_TYPE(text)->tp_name);
        return NULL;
    }
    utf8 = PyUnicode_AsUTF8AndSize(text, &n);
    if (utf8 != NULL && strlen(utf8) != (size_t)n) {
        PyErr_Format(PyExc_ValueError, "%s holds a NUL character", what);
        return NULL;
    }
    return utf8;
}

int hr_py_bytes(PyObject *object, Py_buffer *view)
{
    PyObject *copy;
    int rc;

    if (PyObject_GetBuffer(object, view, PyBUF_SIMPLE) < 0)
        return -1;
    if (view->readonly)
        return 0;
    copy = PyBytes_FromStringAndSize(view->buf, view->len);
    PyBuffer_Release(view);
    if (copy == NULL)
        return -1;
    rc = PyObject_GetBuffer(copy, view, PyBUF_SIMPLE); /* which keeps the copy alive */
    Py_DECREF(copy);
    return rc;
}

PyObject *hr_py_text(const char *text, Py_ssize_t n)
{
    return PyUnicode_DecodeUTF8(text, n, "replace");
}
