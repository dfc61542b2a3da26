/* csrc/module/window_topic.c: run_window. The threads are the job's; this one waits, answers signals and shows progress. */
#include "module/module.h"

#include "io/window/window_topic.h"

#include <signal.h>

#define HR_PY_SLICE_MS 50
#define HR_PY_PROGRESS_SLICES 4 /* five times a second */

/* Start with all signals blocked, so that the job's threads leave them to Python. */
static int hr_py_window_start(const char *config, hr_window_topic **topic, hr_error *error)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = hr_window_topic_start(config, topic, error);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

/* Wait for the end of the job. When a signal handler or the callback raises, the job is cancelled, waited for, and the exception left
 * set: returns false then. */
static bool hr_py_window_attend(hr_window_topic *topic, PyObject *progress)
{
    PyObject *raised = NULL;
    bool interrupted = false, ended = false;

    for (int slice = 1; !ended; slice++) {
        char *text = NULL;
        bool show;

        Py_BEGIN_ALLOW_THREADS ended = hr_window_topic_wait(topic, HR_PY_SLICE_MS);
        Py_END_ALLOW_THREADS show = progress != Py_None && !interrupted && (ended || slice % HR_PY_PROGRESS_SLICES == 0);
        if (show) {
            text = hr_window_topic_progress(topic);
            if (text == NULL)
                PyErr_NoMemory();
        }
        if (!interrupted && ((show && text == NULL) || hr_py_work_poll(progress, text) < 0)) {
            interrupted = true;
            raised = hr_py_exception_take();
            hr_window_topic_cancel(topic);
        }
        free(text);
    }
    if (interrupted)
        hr_py_exception_put(raised);
    return !interrupted;
}

static PyObject *hr_py_run_window(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"config", "progress", NULL};
    const hr_py_state *state = hr_py_state_of(module);
    PyObject *progress = Py_None, *result;
    hr_window_topic *topic;
    const char *config;
    char *json = NULL;
    hr_error error;
    bool undisturbed;
    int rc;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "s|O:run_window", names, &config, &progress))
        return NULL;
    if (progress != Py_None && !PyCallable_Check(progress)) {
        PyErr_Format(PyExc_TypeError, "progress must be callable or None, not %.100s", Py_TYPE(progress)->tp_name);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS rc = hr_py_window_start(config, &topic, &error);
    Py_END_ALLOW_THREADS if (rc != HR_OK) return hr_py_raise(state, &error, NULL);
    undisturbed = hr_py_window_attend(topic, progress);
    Py_BEGIN_ALLOW_THREADS rc = hr_window_topic_finish(topic, &json, &error);
    Py_END_ALLOW_THREADS if (!undisturbed)
    {
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

PyMethodDef hr_py_window_topic_methods[] = {
    {"run_window", (PyCFunction)(void (*)(void))hr_py_run_window, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("run_window(config, progress=None)\n--\n\n"
               "Run a window job described by a JSON text and return its receipt as JSON.\n\n"
               "progress is called with a JSON text up to five times a second. If it raises, or a signal handler does, the job is\n"
               "cancelled: what is not committed is left to the next run, and the exception comes out of here.")},
    {NULL, NULL, 0, NULL},
};
