/* csrc/module/job.c: running a job that has threads of its own; this one waits, answers signals and shows progress. */
#include "module/module.h"

#include <signal.h>

#define HR_PY_SLICE_MS 50
#define HR_PY_PROGRESS_SLICES 4 /* five times a second */

/* Start with all signals blocked, so that the job's threads leave them to Python. */
static int hr_py_job_start(const hr_py_job *kind, const char *config, void **job, hr_error *error)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = kind->start(config, job, error);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

/* Wait for the end of the job. When a signal handler or the callback raises, the job is cancelled, waited for, and the exception left
 * set: returns false then. */
static bool hr_py_job_attend(const hr_py_job *kind, void *job, PyObject *progress)
{
    PyObject *raised = NULL;
    bool interrupted = false, ended = false;

    for (int slice = 1; !ended; slice++) {
        char *text = NULL;
        bool show;

        Py_BEGIN_ALLOW_THREADS
        ended = kind->wait(job, HR_PY_SLICE_MS);
        Py_END_ALLOW_THREADS
        /* Once more at the end, so that a bar comes to 100 %. */
        show = progress != Py_None && !interrupted && (ended || slice % HR_PY_PROGRESS_SLICES == 0);
        if (show) {
            text = kind->progress(job);
            if (text == NULL)
                PyErr_NoMemory();
        }
        if (!interrupted && ((show && text == NULL) || hr_py_work_poll(progress, text) < 0)) {
            interrupted = true;
            raised = hr_py_exception_take();
            kind->cancel(job);
        }
        free(text);
    }
    if (interrupted)
        hr_py_exception_put(raised);
    return !interrupted;
}

PyObject *hr_py_job_run(PyObject *module, const hr_py_job *kind, const char *config, PyObject *progress)
{
    const hr_py_state *state = hr_py_state_of(module);
    PyObject *result = NULL;
    char *json = NULL;
    hr_error error;
    bool undisturbed;
    void *job;
    int rc;

    if (progress != Py_None && !PyCallable_Check(progress)) {
        PyErr_Format(PyExc_TypeError, "progress must be callable or None, not %.100s", Py_TYPE(progress)->tp_name);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    rc = hr_py_job_start(kind, config, &job, &error);
    Py_END_ALLOW_THREADS
    if (rc != HR_OK)
        return hr_py_raise(state, &error, NULL);
    undisturbed = hr_py_job_attend(kind, job, progress);
    Py_BEGIN_ALLOW_THREADS
    rc = kind->finish(job, &json, &error);
    Py_END_ALLOW_THREADS
    if (undisturbed && rc != HR_OK)
        hr_py_raise_receipt(state, &error, json);
    else if (undisturbed)
        result = json != NULL ? hr_py_text(json, (Py_ssize_t)strlen(json)) : PyErr_NoMemory();
    free(json);
    return result;
}
