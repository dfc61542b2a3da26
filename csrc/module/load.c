/* csrc/module/load.c: run_load and plan_load. */
#include "module/module.h"

#include "io/load/load.h"

static int hr_py_load_run(const char *config, void **job, hr_error *error)
{
    hr_load *load = NULL;
    const int rc = hr_load_start(config, HR_LOAD_RUN, &load, error);

    *job = load;
    return rc;
}

static int hr_py_load_plan(const char *config, void **job, hr_error *error)
{
    hr_load *load = NULL;
    const int rc = hr_load_start(config, HR_LOAD_PLAN, &load, error);

    *job = load;
    return rc;
}

static bool hr_py_load_wait(void *job, int32_t timeout_ms)
{
    return hr_load_wait(job, timeout_ms);
}

static char *hr_py_load_progress(void *job)
{
    return hr_load_progress(job);
}

static void hr_py_load_cancel(void *job)
{
    hr_load_cancel(job);
}

static int hr_py_load_finish(void *job, char **json, hr_error *error)
{
    return hr_load_finish(job, json, error);
}

static const hr_py_job hr_py_job_load = {hr_py_load_run, hr_py_load_wait, hr_py_load_progress, hr_py_load_cancel, hr_py_load_finish};
static const hr_py_job hr_py_job_plan = {hr_py_load_plan, hr_py_load_wait, hr_py_load_progress, hr_py_load_cancel, hr_py_load_finish};

static PyObject *hr_py_run_load(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"config", "progress", NULL};
    PyObject *progress = Py_None;
    const char *config;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "s|O:run_load", names, &config, &progress))
        return NULL;
    return hr_py_job_run(module, &hr_py_job_load, config, progress);
}

static PyObject *hr_py_plan_load(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"config", NULL};
    const char *config;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "s:plan_load", names, &config))
        return NULL;
    return hr_py_job_run(module, &hr_py_job_plan, config, Py_None);
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
