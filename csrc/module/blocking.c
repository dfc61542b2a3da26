/* csrc/module/blocking.c: a blocking C function in a thread of its own, while the calling Python thread stays alive to signals.
 *
 * Signals are blocked in the new thread, and so in all that it starts: they reach Python's threads only.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "module/module.h"

#define HR_PY_SLICE_MS 50
#define HR_PY_PROGRESS_MS 200

typedef struct hr_py_thread {
    hr_py_work *work;
    hr_error *error;
    int rc;
    bool ended; /* under the mutex */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
} hr_py_thread;

static void *hr_py_thread_main(void *argument)
{
    hr_py_thread *thread = argument;
    int rc = thread->work->run(thread->work, thread->error);

    pthread_mutex_lock(&thread->mutex);
    thread->rc = rc;
    thread->ended = true;
    pthread_cond_signal(&thread->changed);
    pthread_mutex_unlock(&thread->mutex);
    return NULL;
}

/* Wait for the end, or a slice of time. */
static bool hr_py_thread_wait(hr_py_thread *thread)
{
    struct timespec until;
    bool ended;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += HR_PY_SLICE_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    pthread_mutex_lock(&thread->mutex);
    while (!thread->ended && pthread_cond_timedwait(&thread->changed, &thread->mutex, &until) == 0)
        continue;
    ended = thread->ended;
    pthread_mutex_unlock(&thread->mutex);
    return ended;
}

/* Start the thread with all signals blocked. */
static int hr_py_thread_start(hr_py_thread *thread, pthread_t *id)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(id, NULL, hr_py_thread_main, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

int hr_py_work_poll(PyObject *callback, const char *text)
{
    PyObject *json, *result;

    if (PyErr_CheckSignals() < 0)
        return -1;
    if (text == NULL || callback == NULL || callback == Py_None)
        return 0;
    json = hr_py_text(text, (Py_ssize_t)strlen(text));
    result = json != NULL ? PyObject_CallOneArg(callback, json) : NULL;
    Py_XDECREF(json);
    Py_XDECREF(result);
    return result != NULL ? 0 : -1;
}

/* Look after a running thread until it has ended. */
static void hr_py_thread_attend(hr_py_thread *thread, PyObject *callback, bool *interrupted)
{
    hr_py_work *work = thread->work;
    PyObject *type = NULL, *value = NULL, *traceback = NULL;
    int slices = 0;

    for (;;) {
        bool ended, show;
        char *text = NULL;

        show = callback != NULL && callback != Py_None && work->progress != NULL && ++slices % (HR_PY_PROGRESS_MS / HR_PY_SLICE_MS) == 0;
        Py_BEGIN_ALLOW_THREADS
        ended = hr_py_thread_wait(thread);
        if (show && !ended)
            text = work->progress(work);
        Py_END_ALLOW_THREADS
        if (ended) {
            free(text);
            break;
        }
        if (!*interrupted && hr_py_work_poll(callback, text) < 0) {
            *interrupted = true;
            PyErr_Fetch(&type, &value, &traceback);
            atomic_store(work->cancel, true);
        }
        free(text);
    }
    if (*interrupted)
        PyErr_Restore(type, value, traceback);
}

int hr_py_work_do(hr_py_work *work, PyObject *callback, bool *interrupted, hr_error *error)
{
    hr_py_thread thread = {.work = work, .error = error, .mutex = PTHREAD_MUTEX_INITIALIZER};
    pthread_condattr_t clock;
    pthread_t id;
    int rc;

    *interrupted = false;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    rc = pthread_cond_init(&thread.changed, &clock);
    pthread_condattr_destroy(&clock);
    if (rc != 0)
        return hr_error_nomem(error);
    rc = hr_py_thread_start(&thread, &id);
    if (rc != 0) {
        pthread_cond_destroy(&thread.changed);
        return hr_error_set(error, HR_EIO, "a thread could not be started: %s", strerror(rc));
    }
    hr_py_thread_attend(&thread, callback, interrupted);
    Py_BEGIN_ALLOW_THREADS
    pthread_join(id, NULL);
    Py_END_ALLOW_THREADS
    pthread_cond_destroy(&thread.changed);
    return thread.rc;
}
