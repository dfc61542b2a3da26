/* csrc/module/versions.c: what the module was built from and runs with. */
#include "module/module.h"

#include <jansson.h>
#include <libpq-fe.h>
#include <librdkafka/rdkafka.h>
#include <zlib.h>
#include <zstd.h>

static PyObject *hr_py_versions(PyObject *module, PyObject *ignored)
{
    int pq = PQlibVersion();

    (void)module;
    (void)ignored;
    return Py_BuildValue("{s:N,s:s,s:s,s:s,s:s}", "libpq", PyUnicode_FromFormat("%d.%d", pq / 10000, pq % 10000), "librdkafka",
                         rd_kafka_version_str(), "jansson", JANSSON_VERSION, "zlib", zlibVersion(), "zstd", ZSTD_versionString());
}

PyMethodDef hr_py_version_methods[] = {
    {"versions", hr_py_versions, METH_NOARGS,
     PyDoc_STR("versions()\n--\n\nThe versions of the C libraries in use, by name.")},
    {NULL, NULL, 0, NULL},
};
