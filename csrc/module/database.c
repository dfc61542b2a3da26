/* csrc/module/database.c: the class Connection: a few small statements for the Python around the loads.
 *
 * Values go in as text parameters and come back as text: str, or None for null. Not for bulk: that is what loads are for.
 */
#include "module/module.h"

#include "io/postgres.h"

typedef struct hr_py_connection {
    PyObject_HEAD
    hr_pg *pg;          /* NULL once closed; only the thread that set busy may look */
    atomic_int version; /* of the server, 0 once closed: any thread may ask */
    atomic_bool busy;   /* one thread at a time; a second one is told so */
    atomic_bool cancel; /* pg looks at it all its life */
} hr_py_connection;

typedef struct hr_py_statement {
    hr_pg *pg;
    const atomic_bool *cancel;
    const char *dsn;     /* to open */
    const char *sql;     /* to run */
    bool script;         /* several statements, no parameters */
    int count;
    const char **values; /* borrowed from the parameters' str objects */
    PGresult *result;
    bool copying; /* the connection is of no use any more */
} hr_py_statement;

static int hr_py_run_open(hr_py_work *work, hr_error *error)
{
    hr_py_statement *statement = work->arg;

    return hr_pg_open(statement->dsn, "headrace", statement->cancel, &statement->pg, error);
}

static int hr_py_run_statement(hr_py_work *work, hr_error *error)
{
    hr_py_statement *statement = work->arg;
    int rc = statement->script
                 ? hr_pg_exec(statement->pg, statement->sql, &statement->result, error)
                 : hr_pg_query(statement->pg, statement->sql, statement->count, statement->values, &statement->result, error);
    ExecStatusType status = rc == HR_OK ? PQresultStatus(statement->result) : PGRES_EMPTY_QUERY;

    /* The connection is in the middle of the COPY, and there is no way on from there. */
    statement->copying = status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH;
    return statement->copying ? hr_error_set(error, HR_EUSAGE,
                                             "a Connection cannot COPY from or to its client, and is closed now: headrace.load() brings "
                                             "rows into a table, psql's \\copy brings them out")
                              : rc;
}

/* Close what the connection holds. The caller has set busy. */
static void hr_py_forget(hr_py_connection *self)
{
    hr_pg *pg = self->pg;

    self->pg = NULL;
    atomic_store(&self->version, 0);
    Py_BEGIN_ALLOW_THREADS
    hr_pg_close(pg);
    Py_END_ALLOW_THREADS
}

static PyObject *hr_py_connection_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"dsn", NULL};
    const hr_py_state *state = hr_py_state_of_type(type);
    hr_py_statement statement = {0};
    hr_py_work work = {.run = hr_py_run_open, .arg = &statement};
    hr_py_connection *self;
    hr_error error;
    bool interrupted;
    int rc;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|z:Connection", names, &statement.dsn))
        return NULL;
    self = PyObject_New(hr_py_connection, type);
    if (self == NULL)
        return NULL;
    self->pg = NULL;
    atomic_init(&self->version, 0);
    atomic_init(&self->busy, false);
    atomic_init(&self->cancel, false);
    work.cancel = &self->cancel;
    statement.cancel = &self->cancel;
    rc = hr_py_work_do(&work, &interrupted, &error);
    self->pg = statement.pg;
    if (self->pg != NULL)
        atomic_store(&self->version, self->pg->server_version);
    if (rc == HR_OK && !interrupted)
        return (PyObject *)self;
    if (!interrupted)
        hr_py_raise(state, &error, NULL);
    Py_DECREF(self);
    return NULL;
}

static void hr_py_connection_dealloc(PyObject *object)
{
    hr_py_connection *self = (hr_py_connection *)object;
    PyTypeObject *type = Py_TYPE(object);

    /* The GIL stays held: a deallocation may happen in the middle of anything. PQfinish only writes a goodbye to the socket. */
    hr_pg_close(self->pg);
    PyObject_Free(object);
    Py_DECREF(type);
}

/* Rows of text. */
static PyObject *hr_py_result_rows(const PGresult *result)
{
    int rows = result != NULL ? PQntuples(result) : 0, columns = result != NULL ? PQnfields(result) : 0;
    PyObject *list = PyList_New(rows);

    for (int row = 0; list != NULL && row < rows; row++) {
        PyObject *tuple = PyTuple_New(columns);

        for (int column = 0; tuple != NULL && column < columns; column++) {
            PyObject *value = PQgetisnull(result, row, column)
                                  ? Py_NewRef(Py_None)
                                  : hr_py_text(PQgetvalue(result, row, column), PQgetlength(result, row, column));

            if (value == NULL)
                Py_CLEAR(tuple);
            else
                PyTuple_SET_ITEM(tuple, column, value);
        }
        if (tuple == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, row, tuple);
    }
    return list;
}

/* Run one statement, or a script, in a thread of its own. An interrupted connection is closed: it is in the middle of something. */
static PyObject *hr_py_connection_run(hr_py_connection *self, hr_py_statement *statement)
{
    const hr_py_state *state = hr_py_state_of_type(Py_TYPE(self));
    hr_py_work work = {.run = hr_py_run_statement, .cancel = &self->cancel, .arg = statement};
    PyObject *rows = NULL;
    hr_error error;
    bool interrupted;
    int rc;

    if (atomic_exchange(&self->busy, true)) {
        hr_error_set(&error, HR_EUSAGE, "this connection is in use by another thread: open one for each");
        return hr_py_raise(state, &error, NULL);
    }
    if (self->pg == NULL) {
        atomic_store(&self->busy, false);
        hr_error_set(&error, HR_EUSAGE, "this connection is closed");
        return hr_py_raise(state, &error, NULL);
    }
    statement->pg = self->pg;
    rc = hr_py_work_do(&work, &interrupted, &error);
    if (interrupted || statement->copying || (rc != HR_OK && hr_pg_lost(self->pg))) {
        PyObject *raised = hr_py_exception_take();

        hr_py_forget(self);
        hr_py_exception_put(raised);
    }
    atomic_store(&self->busy, false);
    if (!interrupted)
        rows = rc == HR_OK ? hr_py_result_rows(statement->result) : hr_py_raise(state, &error, NULL);
    PQclear(statement->result);
    return rows;
}

/* The parameters as text: str, bytes are not allowed, None is null, anything else by str(). Keeps the texts alive in *keep. */
static const char **hr_py_parameters(PyObject *parameters, PyObject **keep, int *count)
{
    PyObject *list = PySequence_List(parameters);
    const char **values;

    *keep = list;
    if (list == NULL)
        return NULL;
    if (PyList_GET_SIZE(list) > 65535) {
        PyErr_SetString(PyExc_ValueError, "a statement takes 65535 parameters at most");
        return NULL;
    }
    *count = (int)PyList_GET_SIZE(list);
    values = hr_calloc((size_t)*count + 1, sizeof(*values));
    if (values == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    for (int i = 0; i < *count; i++) {
        PyObject *item = PyList_GET_ITEM(list, i);

        if (item == Py_None)
            continue;
        if (!PyUnicode_Check(item)) {
            PyObject *text = PyBytes_Check(item) ? NULL : PyObject_Str(item);

            if (text == NULL) {
                if (!PyErr_Occurred())
                    PyErr_SetString(PyExc_TypeError, "a parameter must be text: write bytes as '\\\\x' and hexadecimal digits");
                hr_free(values);
                return NULL;
            }
            PyList_SetItem(list, i, text); /* steals text, lets go of item */
            item = text;
        }
        values[i] = hr_py_utf8(item, "a parameter");
        if (values[i] == NULL) {
            hr_free(values);
            return NULL;
        }
    }
    return values;
}

static PyObject *hr_py_connection_query(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"sql", "parameters", NULL};
    PyObject *parameters = NULL, *keep = NULL, *rows = NULL;
    hr_py_statement statement = {0};

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "s|O:query", names, &statement.sql, &parameters))
        return NULL;
    if (parameters == NULL || parameters == Py_None)
        return hr_py_connection_run((hr_py_connection *)self, &statement);
    statement.values = hr_py_parameters(parameters, &keep, &statement.count);
    if (statement.values != NULL)
        rows = hr_py_connection_run((hr_py_connection *)self, &statement);
    hr_free(statement.values);
    Py_XDECREF(keep);
    return rows;
}

static PyObject *hr_py_connection_script(PyObject *self, PyObject *sql)
{
    hr_py_statement statement = {.script = true};

    statement.sql = hr_py_utf8(sql, "the script");
    if (statement.sql == NULL)
        return NULL;
    return hr_py_connection_run((hr_py_connection *)self, &statement);
}

static PyObject *hr_py_connection_close(PyObject *object, PyObject *ignored)
{
    hr_py_connection *self = (hr_py_connection *)object;
    hr_error error;

    (void)ignored;
    if (atomic_exchange(&self->busy, true)) {
        hr_error_set(&error, HR_EUSAGE, "this connection is in use by another thread: it cannot be closed now");
        return hr_py_raise(hr_py_state_of_type(Py_TYPE(self)), &error, NULL);
    }
    hr_py_forget(self);
    atomic_store(&self->busy, false);
    Py_RETURN_NONE;
}

static PyObject *hr_py_connection_enter(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    return Py_NewRef(self);
}

static PyObject *hr_py_connection_exit(PyObject *self, PyObject *args)
{
    (void)args;
    return hr_py_connection_close(self, NULL);
}

static PyObject *hr_py_connection_version(PyObject *object, void *closure)
{
    hr_py_connection *self = (hr_py_connection *)object;

    (void)closure;
    return PyLong_FromLong(atomic_load(&self->version));
}

#define HR_PY_KEYWORDS(function) (PyCFunction)(void (*)(void))(function)
static PyMethodDef hr_py_connection_methods[] = {
    {"query", HR_PY_KEYWORDS(hr_py_connection_query), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("query($self, sql, parameters=())\n--\n\n"
               "Run one statement with $1, $2... as text; returns a list of tuples of str or None.")},
    {"script", hr_py_connection_script, METH_O,
     PyDoc_STR("script($self, sql, /)\n--\n\n"
               "Run several statements, as one transaction unless they say otherwise; returns the rows of the last.")},
    {"close", hr_py_connection_close, METH_NOARGS, PyDoc_STR("close($self)\n--\n\nClose it; an open transaction is rolled back.")},
    {"__enter__", hr_py_connection_enter, METH_NOARGS, PyDoc_STR("__enter__($self)\n--\n\nThe connection itself.")},
    {"__exit__", hr_py_connection_exit, METH_VARARGS, PyDoc_STR("__exit__($self, kind, error, trace, /)\n--\n\nClose it.")},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef hr_py_connection_getset[] = {
    {"server_version", hr_py_connection_version, NULL,
     PyDoc_STR("The server's version as a number (180006 is 18.6), 0 when closed."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(hr_py_connection_doc,
             "Connection(dsn=None)\n--\n\n"
             "A connection to PostgreSQL for small statements; a context manager. What the dsn leaves out comes from PG* variables,\n"
             "the service file and ~/.pgpass, as in psql. Messages never repeat the dsn.\n"
             "Raises RetriableError when the server cannot be reached, FatalError when it refuses.");

static PyType_Slot hr_py_connection_slots[] = {
    {Py_tp_doc, (void *)hr_py_connection_doc},
    {Py_tp_new, hr_py_connection_new},
    {Py_tp_dealloc, hr_py_connection_dealloc},
    {Py_tp_methods, hr_py_connection_methods},
    {Py_tp_getset, hr_py_connection_getset},
    {0, NULL},
};

PyType_Spec hr_py_connection_spec = {
    .name = "headrace._headrace.Connection",
    .basicsize = sizeof(hr_py_connection),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = hr_py_connection_slots,
};
