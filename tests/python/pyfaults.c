/* tests/python/pyfaults.c: Python's own allocations failing in turn, for tests of csrc/module.
 *
 * call(n, forever, function, args, kwargs) calls a function while the n-th allocation of Python's object and memory allocators fails (with
 * `forever` all after it too) in this thread, and returns (result or exception, whether one failed). Whoever else allocates is left alone.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>

static PyMemAllocatorEx before[2];
static const PyMemAllocatorDomain domains[2] = {PYMEM_DOMAIN_MEM, PYMEM_DOMAIN_OBJ};
static _Thread_local long remaining;
static _Thread_local bool after_too, fired;

static bool fault_now(void)
{
    if (fired && after_too)
        return true;
    if (remaining > 0 && --remaining == 0) {
        fired = true;
        return true;
    }
    return false;
}

static void *fault_malloc(void *context, size_t size)
{
    PyMemAllocatorEx *own = context;

    return fault_now() ? NULL : own->malloc(own->ctx, size);
}

static void *fault_calloc(void *context, size_t count, size_t size)
{
    PyMemAllocatorEx *own = context;

    return fault_now() ? NULL : own->calloc(own->ctx, count, size);
}

static void *fault_realloc(void *context, void *pointer, size_t size)
{
    PyMemAllocatorEx *own = context;

    return fault_now() ? NULL : own->realloc(own->ctx, pointer, size);
}

static void fault_free(void *context, void *pointer)
{
    PyMemAllocatorEx *own = context;

    own->free(own->ctx, pointer);
}

static PyObject *fault_call(PyObject *module, PyObject *args)
{
    PyObject *function, *arguments, *keywords, *result;
    PyObject *type, *value, *traceback;
    long n;
    int forever;

    (void)module;
    if (!PyArg_ParseTuple(args, "lpOO!O!", &n, &forever, &function, &PyTuple_Type, &arguments, &PyDict_Type, &keywords))
        return NULL;
    fired = false;
    after_too = forever;
    remaining = n;
    result = PyObject_Call(function, arguments, keywords);
    remaining = 0;
    after_too = false;
    if (result == NULL) {
        PyErr_Fetch(&type, &value, &traceback);
        PyErr_NormalizeException(&type, &value, &traceback);
        Py_XDECREF(type);
        Py_XDECREF(traceback);
        result = value;
    }
    return Py_BuildValue("(NO)", result, fired ? Py_True : Py_False);
}

static PyMethodDef methods[] = {{"call", fault_call, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "pyfaults", .m_size = -1, .m_methods = methods};

PyMODINIT_FUNC PyInit_pyfaults(void)
{
    for (int i = 0; i < 2; i++) {
        PyMemAllocatorEx own = {&before[i], fault_malloc, fault_calloc, fault_realloc, fault_free};

        PyMem_GetAllocator(domains[i], &before[i]);
        PyMem_SetAllocator(domains[i], &own);
    }
    return PyModule_Create(&definition);
}
