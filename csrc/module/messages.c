/* csrc/module/messages.c: read_messages(source, callback): the messages of a topic, for those who look at few of them. */
#include "module/module.h"

#include "io/kafka/messages.h"

typedef struct hr_py_reading {
    const char *source;
    hr_messages messages;
} hr_py_reading;

static int hr_py_reading_run(hr_py_work *work, hr_error *error)
{
    hr_py_reading *reading = work->arg;

    return hr_messages_read(&reading->messages, reading->source, error);
}

static char *hr_py_reading_take(hr_py_work *work)
{
    hr_py_reading *reading = work->arg;

    return hr_messages_take(&reading->messages);
}

static PyObject *hr_py_read_messages(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"source", "callback", NULL};
    hr_py_reading reading = {0};
    hr_py_work work = {.run = hr_py_reading_run, .progress = hr_py_reading_take, .cancel = &reading.messages.cancel, .arg = &reading};
    PyObject *callback, *result = NULL;
    hr_error error;
    bool interrupted;
    char *rest;
    int rc;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "sO:read_messages", names, &reading.source, &callback))
        return NULL;
    if (!PyCallable_Check(callback))
        return PyErr_Format(PyExc_TypeError, "callback must be callable, not %.100s", Py_TYPE(callback)->tp_name);
    if (hr_messages_init(&reading.messages, &error) != HR_OK)
        return hr_py_raise(hr_py_state_of(module), &error, NULL);
    work.callback = callback;
    rc = hr_py_work_do(&work, &interrupted, &error);
    rest = !interrupted && rc == HR_OK ? hr_messages_take(&reading.messages) : NULL;
    if (!interrupted && rc != HR_OK)
        hr_py_raise(hr_py_state_of(module), &error, NULL);
    else if (!interrupted && reading.messages.count > 0)
        PyErr_NoMemory(); /* there is a rest, and no room to hand it out */
    else if (!interrupted && (rest == NULL || hr_py_work_poll(callback, rest) == 0))
        result = Py_NewRef(Py_None);
    hr_free(rest);
    hr_messages_free(&reading.messages);
    return result;
}

PyMethodDef hr_py_messages_methods[] = {
    {"read_messages", (PyCFunction)(void (*)(void))hr_py_read_messages, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("read_messages(source, callback)\n--\n\n"
               "Read a topic as a load's \"source\" (a JSON text) says; callback gets JSON arrays of messages.")},
    {NULL, NULL, 0, NULL},
};
