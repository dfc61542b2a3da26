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

PyObject *hr_py_text(const char *text, Py_ssize_t n)
{
    return PyUnicode_DecodeUTF8(text, n, "replace");
}
