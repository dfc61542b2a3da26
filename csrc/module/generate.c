/* csrc/module/generate.c: generate(config, progress): made-up data into a topic, a file or the standard output. */
#include "module/module.h"

#include "io/generate/generate.h"

#include <inttypes.h>
#include <stdio.h>

typedef struct hr_py_generation {
    const char *config;
    atomic_bool cancel;
    _Atomic int64_t done, total;
    char *result;
} hr_py_generation;

/* From the generating thread; the calling one looks when it likes. */
static void hr_py_generation_note(void *arg, int64_t done, int64_t total)
{
    hr_py_generation *generation = arg;

    atomic_store(&generation->total, total);
    atomic_store(&generation->done, done);
}

static int hr_py_generation_run(hr_py_work *work, hr_error *error)
{
    hr_py_generation *generation = work->arg;

    return hr_generate(generation->config, hr_py_generation_note, generation, &generation->cancel, &generation->result, error);
}

static char *hr_py_generation_progress(hr_py_work *work)
{
    hr_py_generation *generation = work->arg;
    char *text = hr_malloc(96);

    if (text != NULL)
        snprintf(text, 96, "{\"read\": %" PRId64 ", \"total_records\": %" PRId64 "}", (int64_t)atomic_load(&generation->done),
                 (int64_t)atomic_load(&generation->total));
    return text;
}

static PyObject *hr_py_generate(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"config", "progress", NULL};
    hr_py_generation generation = {.total = -1};
    hr_py_work work = {.run = hr_py_generation_run, .progress = hr_py_generation_progress, .cancel = &generation.cancel,
                       .arg = &generation};
    PyObject *progress = Py_None, *result = NULL;
    hr_error error;
    bool interrupted;
    int rc;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "s|O:generate", names, &generation.config, &progress))
        return NULL;
    work.callback = progress;
    rc = hr_py_work_do(&work, &interrupted, &error);
    if (!interrupted && rc == HR_OK)
        result = hr_py_text(generation.result, (Py_ssize_t)strlen(generation.result));
    else if (!interrupted)
        hr_py_raise(hr_py_state_of(module), &error, NULL);
    free(generation.result);
    return result;
}

PyMethodDef hr_py_generate_methods[] = {
    {"generate", (PyCFunction)(void (*)(void))hr_py_generate, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("generate(config, progress=None)\n--\n\nMake data as a JSON text says; returns what was made as JSON.")},
    {NULL, NULL, 0, NULL},
};
