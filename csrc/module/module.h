/* csrc/module/module.h: what the files of the Python module share.
 *
 * csrc/module is the only place that includes Python.h. It converts arguments, lets go of the GIL around every piece of work, calls core
 * and io, and turns an hr_error into an exception (errors.c). All state is in hr_py_state, one per module object, so that several
 * interpreters can each have their own.
 */
#ifndef HR_MODULE_MODULE_H
#define HR_MODULE_MODULE_H

/* Python.h comes before every header of the system, as it sets what they show: so this one comes first in every file. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdatomic.h>

#include "core/batch.h"

/* The exception classes of headrace.errors. */
typedef enum hr_py_class {
    HR_PY_BASE = 0,
    HR_PY_RETRIABLE,
    HR_PY_FATAL,
    HR_PY_USAGE,
    HR_PY_FENCED,
    HR_PY_SCHEMA,
    HR_PY_BALANCE,
    HR_PY_DATA,
    HR_PY_CANCELLED,
    HR_PY_CLASS_COUNT
} hr_py_class;

typedef struct hr_py_state {
    PyObject *errors[HR_PY_CLASS_COUNT];
    PyTypeObject *schema_type;
    PyTypeObject *batch_type;
    PyTypeObject *connection_type;
} hr_py_state;

/* Methods get their own class handed in, functions their module. */
static inline hr_py_state *hr_py_state_of(PyObject *module)
{
    return PyModule_GetState(module);
}

static inline hr_py_state *hr_py_state_of_type(PyTypeObject *type)
{
    return PyType_GetModuleState(type);
}

/* errors.c: raise what *error says; `schema` (may be NULL) gives the column its name. Returns NULL for `return hr_py_raise(...)`. */
PyObject *hr_py_raise(const hr_py_state *state, const hr_error *error, const hr_schema *schema);
/* The same, with the receipt (or plan) of the failed run as JSON in the exception's `receipt`; may be NULL. */
PyObject *hr_py_raise_receipt(const hr_py_state *state, const hr_error *error, const char *receipt_json);
int hr_py_errors_load(hr_py_state *state);
/* Put the current exception aside while other calls are made, and set it again. What is taken is a new reference, NULL for none; it is
 * handed over when it is put back. */
PyObject *hr_py_exception_take(void);
void hr_py_exception_put(PyObject *exception);

/* text.c */
/* The UTF-8 of a str, without a NUL inside; ValueError or TypeError with `what` in the message. Borrowed from the str. */
const char *hr_py_utf8(PyObject *text, const char *what);
/* The bytes of a buffer, which PyBuffer_Release gives back. Those that may be written to are copied: another thread could change them
 * between a check and a use. -1 with an exception set. */
int hr_py_bytes(PyObject *object, Py_buffer *view);
/* Text from C that should be UTF-8; bytes that are not become U+FFFD. */
PyObject *hr_py_text(const char *text, Py_ssize_t n);

/* schema.c: both steal nothing. The Schema shares the hr_schema. */
typedef struct hr_py_schema {
    PyObject_HEAD
    hr_schema *schema;
} hr_py_schema;
extern PyType_Spec hr_py_schema_spec;
PyObject *hr_py_schema_wrap(const hr_py_state *state, hr_schema *schema);

/* A batch that is no longer changed, shared by Batch objects and by exported Arrow arrays. Counted in C, so that a consumer may let go of
 * an array from any thread, without the GIL, even after the interpreter has ended. */
typedef struct hr_py_shared {
    atomic_int refs;
    hr_batch *batch;
    struct hr_py_shared *lender; /* whose columns the batch has borrowed, retained; usually NULL */
} hr_py_shared;
void hr_py_shared_retain(hr_py_shared *shared);
void hr_py_shared_release(void *shared);

/* batch.c */
typedef struct hr_py_batch {
    PyObject_HEAD
    hr_py_shared *shared;
    PyObject *schema; /* the Schema of shared->batch->schema */
} hr_py_batch;
extern PyType_Spec hr_py_batch_spec;
/* A Batch that owns `batch`. `schema` may be NULL: then a new Schema is made. On failure the batch is freed and an exception set. */
PyObject *hr_py_batch_wrap(const hr_py_state *state, hr_batch *batch, PyObject *schema);
hr_schema *hr_py_schema_arg(const hr_py_state *state, PyObject *object);

/* arrow.c */
PyObject *hr_py_arrow_schema_capsule(const hr_py_state *state, const hr_schema *schema);
PyObject *hr_py_arrow_batch_array(const hr_py_state *state, hr_py_shared *shared);
PyObject *hr_py_arrow_batch_stream(const hr_py_state *state, hr_py_shared *shared);
/* From anything with __arrow_c_schema__, __arrow_c_stream__ or __arrow_c_array__. */
int hr_py_arrow_import_schema(const hr_py_state *state, PyObject *object, hr_schema **out);
int hr_py_arrow_import_batch(const hr_py_state *state, PyObject *object, hr_schema *schema, hr_batch **out);

/* blocking.c: run a blocking C function in a thread of its own while this thread answers signals. */
typedef struct hr_py_work {
    int (*run)(struct hr_py_work *work, hr_error *error); /* in the thread */
    atomic_bool *cancel; /* raised when `run` should stop, which it does within a moment; NULL when it cannot */
    /* Frees the work and all it holds. With it an interrupted caller does not wait: the thread goes on alone and frees the work itself
     * when it ends. For questions without a cancel, whose answer no longer matters. NULL: the work is the caller's. */
    void (*abandon)(struct hr_py_work *work);
    PyObject *callback; /* told of progress up to five times a second; borrowed; NULL or None: nobody is */
    char *(*progress)(struct hr_py_work *work); /* in the calling thread: JSON text for free(), or NULL; may be NULL */
    void *arg;
} hr_py_work;
/* Returns run's code and error. *interrupted is set when a signal handler or the callback raised: then that exception is set, and `run`
 * has ended after a cancel, or the work was abandoned (do not touch it any more). */
int hr_py_work_do(hr_py_work *work, bool *interrupted, hr_error *error);
/* One round of the calling thread: signals, then the callback with `text` unless NULL. -1 with an exception set when either raised. */
int hr_py_work_poll(PyObject *callback, const char *text);

/* job.c: a job with threads of its own, as hr_load and hr_window_topic are: each function is the job's of that name. */
typedef struct hr_py_job {
    int (*start)(const char *config, void **job, hr_error *error);
    bool (*wait)(void *job, int32_t timeout_ms);
    char *(*progress)(void *job);
    void (*cancel)(void *job);
    int (*finish)(void *job, char **json, hr_error *error);
} hr_py_job;
/* Start it, look after it until it has ended, and return the JSON of its finish as a str. `progress`: a callable that is given the JSON
 * of `progress` up to five times a second, or None. When it raises, or a signal handler does, the job is cancelled and waited for, and the
 * exception left set. An error of the job is raised with its receipt. */
PyObject *hr_py_job_run(PyObject *module, const hr_py_job *kind, const char *config, PyObject *progress);

/* The functions of each file, added to the module by module.c. */
extern PyMethodDef hr_py_decode_methods[];
extern PyMethodDef hr_py_partition_methods[];
extern PyMethodDef hr_py_hash_methods[];
extern PyMethodDef hr_py_load_methods[];
extern PyMethodDef hr_py_kafka_methods[];
extern PyMethodDef hr_py_generate_methods[];
extern PyMethodDef hr_py_produce_methods[];
extern PyMethodDef hr_py_messages_methods[];
extern PyMethodDef hr_py_window_methods[];
extern PyMethodDef hr_py_window_topic_methods[];
extern PyMethodDef hr_py_version_methods[];
extern PyMethodDef hr_py_compare_methods[];

/* database.c */
extern PyType_Spec hr_py_connection_spec;

#endif
