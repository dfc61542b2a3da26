/* csrc/module/window_topic.c: run_window. */
#include "module/module.h"

#include "io/window/window_topic.h"

static int hr_py_window_start(const char *config, void **job, hr_error *error)
{
    hr_window_topic *topic = NULL;
    const int rc = hr_window_topic_start(config, &topic, error);

    *job = topic;
    return rc;
}

static bool hr_py_window_wait(void *job, int32_t timeout_ms)
{
    return hr_window_topic_wait(job, timeout_ms);
}

static char *hr_py_window_progress(void *job)
{
    return hr_window_topic_progress(job);
}

static void hr_py_window_cancel(void *job)
{
    hr_window_topic_cancel(job);
}

static int hr_py_window_finish(void *job, char **json, hr_error *error)
{
    return hr_window_topic_finish(job, json, error);
}

static const hr_py_job hr_py_job_window = {hr_py_window_start, hr_py_window_wait, hr_py_window_progress, hr_py_window_cancel,
                                           hr_py_window_finish};

static PyObject *hr_py_run_window(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"config", "progress", NULL};
    PyObject *progress = Py_None;
    const char *config;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "s|O:run_window", names, &config, &progress))
        return NULL;
    return hr_py_job_run(module, &hr_py_job_window, config, progress);
}

PyMethodDef hr_py_window_topic_methods[] = {
    {"run_window", (PyCFunction)(void (*)(void))hr_py_run_window, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("run_window(config, progress=None)\n--\n\n"
               "Run a window job described by a JSON text and return its receipt as JSON.\n\n"
               "progress is called with a JSON text up to five times a second. If it raises, or a signal handler does, the job is\n"
               "cancelled: what is not committed is left to the next run, and the exception comes out of here.")},
    {NULL, NULL, 0, NULL},
};
