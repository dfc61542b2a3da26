/* csrc/module/compare.c: compare_queries(settings): the rows of two databases, compared in C. */
#include "module/module.h"

#include "core/alloc.h"
#include "io/vault/compare.h"

typedef struct hr_py_comparison {
    const char *config;
    const atomic_bool *cancel;
    char *result;
} hr_py_comparison;

static int hr_py_run_comparison(hr_py_work *work, hr_error *error)
{
    hr_py_comparison *comparison = work->arg;

    return hr_compare(comparison->config, comparison->cancel, &comparison->result, error);
}

/* There is nothing to tell, but the callback may raise: that is how threads, which hear of no signal, are stopped. */
static char *hr_py_comparison_progress(hr_py_work *work)
{
    char *text = hr_malloc(3);

    (void)work;
    if (text != NULL)
        memcpy(text, "{}", 3);
    return text;
}

static PyObject *hr_py_compare_queries(PyObject *module, PyObject *arguments)
{
    const hr_py_state *state = hr_py_state_of(module);
    atomic_bool cancel = false;
    hr_py_comparison comparison = {.cancel = &cancel};
    hr_py_work work = {.run = hr_py_run_comparison, .cancel = &cancel, .progress = hr_py_comparison_progress, .arg = &comparison};
    PyObject *text = NULL, *settings;
    hr_error error;
    bool interrupted;
    int rc;

    if (!PyArg_ParseTuple(arguments, "O|O:compare_queries", &settings, &work.callback))
        return NULL;
    comparison.config = hr_py_utf8(settings, "the settings");
    if (comparison.config == NULL)
        return NULL;
    rc = hr_py_work_do(&work, &interrupted, &error);
    if (!interrupted)
        text = rc == HR_OK ? hr_py_text(comparison.result, (Py_ssize_t)strlen(comparison.result)) : hr_py_raise(state, &error, NULL);
    hr_free(comparison.result);
    return text;
}

PyMethodDef hr_py_compare_methods[] = {
    {"compare_queries", hr_py_compare_queries, METH_VARARGS,
     PyDoc_STR("compare_queries($module, settings, progress=None, /)\n--\n\n"
               "Compare the rows of two queries by key, from and to JSON texts (csrc/io/vault/compare.h). Memory is bounded; nothing is "
               "written. progress is called up to five times a second, and ends the comparison when it raises.")},
    {NULL, NULL, 0, NULL},
};
