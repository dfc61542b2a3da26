/* csrc/module/compare.c: compare_queries(settings): the rows of two databases, compared in C. */
#include "module/module.h"

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

static PyObject *hr_py_compare_queries(PyObject *module, PyObject *argument)
{
    const hr_py_state *state = hr_py_state_of(module);
    atomic_bool cancel = false;
    hr_py_comparison comparison = {.cancel = &cancel};
    hr_py_work work = {.run = hr_py_run_comparison, .cancel = &cancel, .arg = &comparison};
    PyObject *text = NULL;
    hr_error error;
    bool interrupted;
    int rc;

    comparison.config = hr_py_utf8(argument, "the settings");
    if (comparison.config == NULL)
        return NULL;
    rc = hr_py_work_do(&work, &interrupted, &error);
    if (!interrupted)
        text = rc == HR_OK ? hr_py_text(comparison.result, (Py_ssize_t)strlen(comparison.result)) : hr_py_raise(state, &error, NULL);
    hr_free(comparison.result);
    return text;
}

PyMethodDef hr_py_compare_methods[] = {
    {"compare_queries", hr_py_compare_queries, METH_O,
     PyDoc_STR("compare_queries($module, settings, /)\n--\n\n"
               "Compare the rows of two queries by key, from and to JSON texts (csrc/io/vault/compare.h). Memory is bounded; nothing is "
               "written.")},
    {NULL, NULL, 0, NULL},
};
