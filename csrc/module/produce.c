/* csrc/module/produce.c: produce(config, progress): the lines of a file into a topic. */
#include "module/module.h"

#include "io/kafka/produce.h"

#include <inttypes.h>
#include <stdio.h>

typedef struct hr_py_production {
    const char *config;
    atomic_bool cancel;
    hr_produce_progress progress;
    char *result;
} hr_py_production;

static int hr_py_production_run(hr_py_work *work, hr_error *error)
{
    hr_py_production *production = work->arg;

    return hr_produce(production->config, &production->progress, &production->cancel, &production->result, error);
}

static char *hr_py_production_progress(hr_py_work *work)
{
    hr_py_production *production = work->arg;
    char *text = hr_malloc(160);

    if (text != NULL)
        snprintf(text, 160, "{\"read\": %" PRId64 ", \"bytes\": %" PRId64 ", \"total_bytes\": %" PRId64 "}",
                 (int64_t)atomic_load(&production->progress.messages), (int64_t)atomic_load(&production->progress.consumed),
                 (int64_t)atomic_load(&production->progress.size));
    return text;
}

static PyObject *hr_py_produce(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"config", "progress", NULL};
    hr_py_production production = {.progress.size = -1};
    hr_py_work work = {
        .run = hr_py_production_run, .progress = hr_py_production_progress, .cancel = &production.cancel, .arg = &production};
    PyObject *progress = Py_None, *result = NULL;
    hr_error error;
    bool interrupted;
    int rc;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "s|O:produce", names, &production.config, &progress))
        return NULL;
    work.callback = progress;
    rc = hr_py_work_do(&work, &interrupted, &error);
    if (!interrupted && rc == HR_OK)
        result = hr_py_text(production.result, (Py_ssize_t)strlen(production.result));
    else if (!interrupted)
        hr_py_raise(hr_py_state_of(module), &error, NULL);
    hr_free(production.result);
    return result;
}

PyMethodDef hr_py_produce_methods[] = {
    {"produce", (PyCFunction)(void (*)(void))hr_py_produce, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("produce(config, progress=None)\n--\n\nSend a file's lines as a JSON text says; returns what was sent as JSON.")},
    {NULL, NULL, 0, NULL},
};
