/* csrc/module/load.c: run_load and plan_load. The threads are the load's; this one waits, answers signals and shows progress. */
#include "module/module.h"

#include "io/load/load.h"

#include <signal.h>

#define HR_PY_SLICE_MS 50
#define HR_PY_PROGRESS_SLICES 4 /* five times a second */

/* Start with all signals blocked, so that the load's threads leave them to Python. */
static int hr_py_load_start(const char *config, hr_load_verb verb, hr_load **load, hr_error *error)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = hr_load_start(config, verb, load, error);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

/* Wait for the end of the load. When a signal handler or the callback raises, the load is cancelled, waited for, and the exception
 * left set: returns false then. */
static bool hr_py_load_attend(hr_load *load, PyObject *progress)
{
    PyObject *raised = NULL;
    bool interrupted = false, ended = false;

    for (int slice = 1; !ended; slice++) {
        char *text = NULL;
        bool show;

        Py_BEGIN_ALLOW_THREADS
        ended = hr_load_wait(load, HR_PY_SLICE_MS);
        Py_END_ALLOW_THREADS
        /* Once more at the end, so that a bar comes to 100 %. */
        show = progress != Py_None && !interrupted && (ended || slice % HR_PY_PROGRESS_SLICES == 0);
        if (show) {
            text = hr_load_progress(load);
            if (text == NULL)
                PyErr_NoMemory();
        }
        if (!interrupted && ((show && text == NULL) || hr_py_work_poll(progress, text) < 0)) {
            interrupted = true;
            raised = hr_py_exception_take();
            hr_load_cancel(load);
        }
        free(text);
    }
    if (interrupted)
        hr_py_exception_put(raised);
    return !interrupted;
}

/* Run either verb; returns the JSON as a str. */
static PyObject *hr_py_load_do(PyObject *module, const char *config, hr_load_verb verb, PyObject *progress)
{
    const hr_py_state *state = hr_py_state_of(module);
    char *json = NULL;
    PyObject *result;
    hr_load *load;
    hr_error error;
    bool undisturbed;
    int rc;

    if (progress != Py_None && !PyCallable_Check(progress)) {
        PyErr_Format(PyExc_TypeError, "progress must be callable or None, not %.100s", Py_TYPE(progress)->tp_name);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    rc = hr_py_load_start(config, verb, &load, &error);
    Py_END_ALLOW_THREADS
    if (rc != HR_OK)
        return hr_py_raise(state, &error, NULL);
    undisturbed = hr_py_load_attend(load, progress);
    Py_BEGIN_ALLOW_THREADS
    rc = hr_load_finish(load, &json, &error);
    Py_END_ALLOW_THREADS
    if (!undisturbed) {
        free(json);
        return NULL;
    }
    if (rc != HR_OK) {
        hr_py_raise_receipt(state, &error, json);
        free(json);
        return NULL;
    }
    result = json != NULL ? hr_py_text(json, (Py_ssize_t)strlen(json)) : PyErr_NoMemory();
    free(json);
    return result;
}

static PyObject *hr_py_run_load(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"config", "progress", NULL};
    PyObject *progress = Py_None;
    const char *config;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "s|O:run_load", names, &config, &progress))
        return NULL;
    return hr_py_load_do(module, config, HR_LOAD_RUN, progress);
}

static PyObject *hr_py_plan_load(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"config", NULL};
    const char *config;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "s:plan_load", names, &config))
        return NULL;
    return hr_py_load_do(module, config, HR_LOAD_PLAN, Py_None);
}

#define HR_PY_KEYWORDS(function) (PyCFunction)(void (*)(void))(function)
PyMethodDef hr_py_load_methods[] = {
    {"run_load", HR_PY_KEYWORDS(hr_py_run_load), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("run_load(config, progress=None)\n--\n\n"
               "Run a load described by a JSON text and return its receipt as JSON.\n\n"
               "progress is called with a JSON text up to five times a second. If it raises, or a signal handler does, the load is\n"
               "cancelled: open transactions are rolled back, and the exception comes out of here.")},
    {"plan_load", HR_PY_KEYWORDS(hr_py_plan_load), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("plan_load(config)\n--\n\nConnect, check, and return what run_load would do as JSON. Writes nothing.")},
    {NULL, NULL, 0, NULL},
};
