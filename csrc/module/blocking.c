/* csrc/module/blocking.c: a blocking C function in a thread of its own, while the calling Python thread stays alive to signals.
 *
 * Signals are blocked in the new thread, and so in all that it starts: they reach Python's threads only.
 */
#include "module/module.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

#define HR_PY_SLICE_MS 50
#define HR_PY_PROGRESS_SLICES 4 /* five times a second */

typedef struct hr_py_thread {
    hr_py_work *work;
    hr_error error;
    int rc;
    bool ended;     /* under the mutex */
    bool abandoned; /* under the mutex: nobody waits; the thread frees everything */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
} hr_py_thread;

static void hr_py_thread_free(hr_py_thread *thread)
{
    pthread_cond_destroy(&thread->changed);
    pthread_mutex_destroy(&thread->mutex);
    hr_free(thread);
}

static void *hr_py_thread_main(void *argument)
{
    hr_py_thread *thread = argument;
    bool abandoned;
    int rc = thread->work->run(thread->work, &thread->error);

    pthread_mutex_lock(&thread->mutex);
    thread->rc = rc;
    thread->ended = true;
    abandoned = thread->abandoned;
    pthread_cond_signal(&thread->changed);
    pthread_mutex_unlock(&thread->mutex);
    if (abandoned) {
        thread->work->abandon(thread->work);
        hr_py_thread_free(thread);
    }
    return NULL;
}

/* A thread that has not started. NULL when memory runs out. */
static hr_py_thread *hr_py_thread_new(hr_py_work *work)
{
    hr_py_thread *thread = hr_calloc(1, sizeof(*thread));
    pthread_condattr_t clock;
    int rc;

    if (thread == NULL)
        return NULL;
    thread->work = work;
    pthread_mutex_init(&thread->mutex, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    rc = pthread_cond_init(&thread->changed, &clock);
    pthread_condattr_destroy(&clock);
    if (rc == 0)
        return thread;
    pthread_mutex_destroy(&thread->mutex);
    hr_free(thread);
    return NULL;
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

/* Leave a thread to itself; false when it has ended already. */
static bool hr_py_thread_abandon(hr_py_thread *thread, pthread_t id)
{
    bool ended;

    pthread_detach(id);
    pthread_mutex_lock(&thread->mutex);
    ended = thread->ended;
    thread->abandoned = !ended;
    pthread_mutex_unlock(&thread->mutex);
    return !ended;
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

/* Look after a running thread until it has ended, or a signal handler has raised and the thread may be left alone. */
static bool hr_py_thread_attend(hr_py_thread *thread, bool *interrupted)
{
    PyObject *raised = NULL;
    hr_py_work *work = thread->work;
    bool ended = false, told = work->progress != NULL && work->callback != NULL && work->callback != Py_None;

    for (int slice = 1; !ended; slice++) {
        char *text;
        int rc;

        Py_BEGIN_ALLOW_THREADS
        ended = hr_py_thread_wait(thread);
        Py_END_ALLOW_THREADS
        /* Once more at the end, so that a bar comes to 100 %. */
        if (*interrupted || (ended && !told))
            continue;
        text = told && (ended || slice % HR_PY_PROGRESS_SLICES == 0) ? work->progress(work) : NULL;
        rc = hr_py_work_poll(work->callback, text);
        free(text);
        if (rc == 0)
            continue;
        *interrupted = true;
        if (work->abandon != NULL && !ended)
            return false;
        raised = hr_py_exception_take();
        if (work->cancel != NULL)
            atomic_store(work->cancel, true);
    }
    if (*interrupted)
        hr_py_exception_put(raised);
    return true;
}

int hr_py_work_do(hr_py_work *work, bool *interrupted, hr_error *error)
{
    hr_py_thread *thread = hr_py_thread_new(work);
    pthread_t id;
    int rc;

    *interrupted = false;
    if (thread == NULL)
        return hr_error_nomem(error);
    rc = hr_py_thread_start(thread, &id);
    if (rc != 0) {
        hr_py_thread_free(thread);
        return hr_error_set(error, HR_EIO, "a thread could not be started: %s", strerror(rc));
    }
    if (!hr_py_thread_attend(thread, interrupted)) {
        if (hr_py_thread_abandon(thread, id))
            return HR_ECANCELLED;
        /* It ended at the last moment, and was detached: nobody else will free these. */
        work->abandon(work);
        hr_py_thread_free(thread);
        return HR_ECANCELLED;
    }
    Py_BEGIN_ALLOW_THREADS
    pthread_join(id, NULL);
    Py_END_ALLOW_THREADS
    rc = thread->rc;
    *error = thread->error;
    hr_py_thread_free(thread);
    return rc;
}
