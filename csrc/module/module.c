/* csrc/module/module.c: making headrace._headrace, in several phases (PEP 489), with all state in the module object. */
#include "module/module.h"

#ifndef HR_VERSION
#define HR_VERSION "unknown"
#endif

static int hr_py_add_type(PyObject *module, PyType_Spec *spec, PyTypeObject **slot)
{
    *slot = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    if (*slot == NULL)
        return -1;
    return PyModule_AddType(module, *slot);
}

static int hr_py_exec(PyObject *module)
{
    hr_py_state *state = hr_py_state_of(module);
    PyMethodDef *const tables[] = {hr_py_decode_methods, hr_py_partition_methods,    hr_py_hash_methods,    hr_py_load_methods,
                                   hr_py_kafka_methods,  hr_py_generate_methods,     hr_py_produce_methods, hr_py_messages_methods,
                                   hr_py_window_methods, hr_py_window_topic_methods, hr_py_version_methods,
                                   hr_py_compare_methods};

    if (hr_py_errors_load(state) < 0)
        return -1;
    if (hr_py_add_type(module, &hr_py_schema_spec, &state->schema_type) < 0 ||
        hr_py_add_type(module, &hr_py_batch_spec, &state->batch_type) < 0 ||
        hr_py_add_type(module, &hr_py_connection_spec, &state->connection_type) < 0)
        return -1;
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        if (PyModule_AddFunctions(module, tables[i]) < 0)
            return -1;
    return PyModule_AddStringConstant(module, "__version__", HR_VERSION);
}

static int hr_py_traverse(PyObject *module, visitproc visit, void *arg)
{
    hr_py_state *state = hr_py_state_of(module);

    if (state == NULL)
        return 0;
    for (int i = 0; i < HR_PY_CLASS_COUNT; i++)
        Py_VISIT(state->errors[i]);
    Py_VISIT(state->schema_type);
    Py_VISIT(state->batch_type);
    Py_VISIT(state->connection_type);
    return 0;
}

static int hr_py_clear(PyObject *module)
{
    hr_py_state *state = hr_py_state_of(module);

    if (state == NULL)
        return 0;
    for (int i = 0; i < HR_PY_CLASS_COUNT; i++)
        Py_CLEAR(state->errors[i]);
    Py_CLEAR(state->schema_type);
    Py_CLEAR(state->batch_type);
    Py_CLEAR(state->connection_type);
    return 0;
}

static void hr_py_free(void *module)
{
    hr_py_clear(module);
}

static PyModuleDef_Slot hr_py_slots[] = {
    {Py_mod_exec, hr_py_exec},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#if PY_VERSION_HEX >= 0x030D0000
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static PyModuleDef hr_py_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_headrace",
    .m_doc = PyDoc_STR("The C workers of Headrace. Use the package headrace, which wraps them."),
    .m_size = sizeof(hr_py_state),
    .m_slots = hr_py_slots,
    .m_traverse = hr_py_traverse,
    .m_clear = hr_py_clear,
    .m_free = hr_py_free,
};

PyMODINIT_FUNC PyInit__headrace(void)
{
    return PyModuleDef_Init(&hr_py_module);
}
