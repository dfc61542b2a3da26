/* csrc/module/schema.c: the class Schema. Immutable: everything happens in __new__. */
#include "module/module.h"

hr_schema *hr_py_schema_arg(const hr_py_state *state, PyObject *object)
{
    if (!Py_IS_TYPE(object, state->schema_type)) {
        PyErr_Format(PyExc_TypeError, "schema must be a headrace.Schema, not %.100s", Py_TYPE(object)->tp_name);
        return NULL;
    }
    return ((hr_py_schema *)object)->schema;
}

PyObject *hr_py_schema_wrap(const hr_py_state *state, hr_schema *schema)
{
    hr_py_schema *self = PyObject_New(hr_py_schema, state->schema_type);

    if (self != NULL)
        self->schema = hr_schema_retain(schema);
    return (PyObject *)self;
}

static void hr_py_schema_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    hr_schema_release(((hr_py_schema *)object)->schema);
    PyObject_Free(object);
    Py_DECREF(type);
}

/* One column: (name, type[, not_null[, has_default]]). */
static int hr_py_schema_add(const hr_py_state *state, hr_schema *schema, PyObject *column)
{
    PyObject *tuple, *name_object, *type_object;
    const char *name, *type_name;
    int not_null = 0, has_default = 0;
    hr_type type;
    hr_error error;
    int rc = -1;

    if (PyUnicode_Check(column)) {
        PyErr_SetString(PyExc_TypeError, "a column is a tuple (name, type, not_null, has_default), not a str");
        return -1;
    }
    tuple = PySequence_Tuple(column);
    if (tuple == NULL)
        return -1;
    if (!PyArg_ParseTuple(tuple, "OO|pp;a column is a tuple (name, type, not_null, has_default)", &name_object, &type_object, &not_null,
                          &has_default))
        goto done;
    name = hr_py_utf8(name_object, "a column's name");
    type_name = name != NULL ? hr_py_utf8(type_object, "a column's type") : NULL;
    if (type_name == NULL)
        goto done;
    if (hr_type_from_name(type_name, &schema->arena, &type, &error) != HR_OK ||
        hr_schema_add(schema, name, &type, not_null != 0, has_default != 0, NULL, &error) != HR_OK) {
        hr_py_raise(state, &error, NULL);
        goto done;
    }
    rc = 0;
done:
    Py_DECREF(tuple);
    return rc;
}

static int hr_py_unit(const hr_py_state *state, const char *name, hr_time_unit *unit)
{
    static const struct {
        const char *name;
        hr_time_unit unit;
    } units[] = {{"s", HR_UNIT_S}, {"ms", HR_UNIT_MS}, {"us", HR_UNIT_US}, {"ns", HR_UNIT_NS}, {"days", HR_UNIT_DAYS}};
    hr_error error;

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(units[i].name, name) == 0) {
            *unit = units[i].unit;
            return 0;
        }
    }
    hr_error_set(&error, HR_EUSAGE, "\"%s\" is not a unit of time: use s, ms, us, ns or days", name);
    hr_py_raise(state, &error, NULL);
    return -1;
}

/* One entry of {"path": ..., "unit": ...}. */
static int hr_py_schema_map_setting(const hr_py_state *state, hr_schema *schema, int32_t column, PyObject *key, PyObject *value)
{
    const char *setting = hr_py_utf8(key, "a key of map");
    const char *text = setting != NULL ? hr_py_utf8(value, "a value of map") : NULL;
    hr_error error;

    if (text == NULL)
        return -1;
    if (strcmp(setting, "unit") == 0)
        return hr_py_unit(state, text, &schema->columns[column].type.unit);
    if (strcmp(setting, "path") != 0)
        hr_error_set(&error, HR_EUSAGE, "map of column \"%s\": \"%s\" is not a setting; there are path and unit",
                     schema->columns[column].name, setting);
    else if (hr_schema_map(schema, column, text, &error) == HR_OK)
        return 0;
    hr_py_raise(state, &error, NULL);
    return -1;
}

/* Where one column comes from: "path", None, or {"path": ..., "unit": ...}. */
static int hr_py_schema_map_one(const hr_py_state *state, hr_schema *schema, const char *name, PyObject *source)
{
    int32_t column = hr_schema_find(schema, name);
    const char *path;
    hr_error error;

    if (column < 0) {
        hr_error_set(&error, HR_EUSAGE, "map names the column \"%s\", which is not in the schema", name);
        hr_py_raise(state, &error, NULL);
        return -1;
    }
    if (source == Py_None) {
        schema->columns[column].from = HR_FROM_NOTHING;
        schema->columns[column].depth = 0;
        return 0;
    }
    if (PyDict_Check(source)) {
        /* A copy of our own: another thread may be changing the caller's. */
        PyObject *settings = PyDict_Copy(source), *key, *value;
        Py_ssize_t at = 0;
        int rc = settings != NULL ? 0 : -1;

        while (rc == 0 && PyDict_Next(settings, &at, &key, &value))
            rc = hr_py_schema_map_setting(state, schema, column, key, value);
        Py_XDECREF(settings);
        return rc;
    }
    path = hr_py_utf8(source, "a value of map");
    if (path == NULL)
        return -1;
    if (hr_schema_map(schema, column, path, &error) != HR_OK) {
        hr_py_raise(state, &error, NULL);
        return -1;
    }
    return 0;
}

static int hr_py_schema_map(const hr_py_state *state, hr_schema *schema, PyObject *map)
{
    PyObject *items = PyMapping_Items(map);
    int rc = 0;

    if (items == NULL)
        return -1;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items) && rc == 0; i++) {
        PyObject *pair = PyList_GET_ITEM(items, i);
        const char *name = NULL;

        if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2)
            PyErr_SetString(PyExc_TypeError, "map must be a mapping of column to source");
        else
            name = hr_py_utf8(PyTuple_GET_ITEM(pair, 0), "a column's name");
        rc = name != NULL ? hr_py_schema_map_one(state, schema, name, PyTuple_GET_ITEM(pair, 1)) : -1;
    }
    Py_DECREF(items);
    return rc;
}

static int hr_py_schema_fill(const hr_py_state *state, hr_schema *schema, PyObject *columns, PyObject *map)
{
    PyObject *iterator = PyObject_GetIter(columns);
    PyObject *column;

    if (iterator == NULL)
        return -1;
    while ((column = PyIter_Next(iterator)) != NULL) {
        int rc = hr_py_schema_add(state, schema, column);

        Py_DECREF(column);
        if (rc < 0)
            break;
    }
    Py_DECREF(iterator);
    if (PyErr_Occurred())
        return -1;
    return map == Py_None ? 0 : hr_py_schema_map(state, schema, map);
}

static PyObject *hr_py_schema_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"columns", "map", "unknown", NULL};
    const hr_py_state *state = hr_py_state_of_type(type);
    PyObject *columns, *map = Py_None, *self;
    const char *unknown = "ignore";
    hr_schema *schema;
    hr_error error;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|Os:Schema", names, &columns, &map, &unknown))
        return NULL;
    if (hr_schema_new(&schema, &error) != HR_OK)
        return hr_py_raise(state, &error, NULL);
    if (strcmp(unknown, "reject") == 0) {
        schema->unknown = HR_UNKNOWN_REJECT;
    } else if (strcmp(unknown, "ignore") != 0) {
        hr_schema_release(schema);
        hr_error_set(&error, HR_EUSAGE, "unknown=\"%s\": use ignore or reject", unknown);
        return hr_py_raise(state, &error, NULL);
    }
    self = hr_py_schema_fill(state, schema, columns, map) == 0 ? hr_py_schema_wrap(state, schema) : NULL;
    hr_schema_release(schema);
    return self;
}

static PyObject *hr_py_schema_from_arrow(PyObject *type, PyObject *object)
{
    const hr_py_state *state = hr_py_state_of_type((PyTypeObject *)type);
    hr_schema *schema;
    PyObject *self;

    if (hr_py_arrow_import_schema(state, object, &schema) < 0)
        return NULL;
    self = hr_py_schema_wrap(state, schema);
    hr_schema_release(schema);
    return self;
}

static PyObject *hr_py_schema_arrow(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    return hr_py_arrow_schema_capsule(hr_py_state_of_type(Py_TYPE(self)), ((hr_py_schema *)self)->schema);
}

/* A list with one text per column. */
static PyObject *hr_py_schema_list(const hr_schema *schema, bool types)
{
    PyObject *list = PyList_New(schema->count);

    for (int32_t i = 0; list != NULL && i < schema->count; i++) {
        const char *text = types ? schema->columns[i].type.name : schema->columns[i].name;
        PyObject *item = hr_py_text(text, (Py_ssize_t)strlen(text));

        if (item == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, i, item);
    }
    return list;
}

static PyObject *hr_py_schema_names(PyObject *self, void *closure)
{
    (void)closure;
    return hr_py_schema_list(((hr_py_schema *)self)->schema, false);
}

static PyObject *hr_py_schema_types(PyObject *self, void *closure)
{
    (void)closure;
    return hr_py_schema_list(((hr_py_schema *)self)->schema, true);
}

static PyObject *hr_py_schema_columns(PyObject *self, void *closure)
{
    const hr_schema *schema = ((hr_py_schema *)self)->schema;
    PyObject *list = PyList_New(schema->count);

    (void)closure;
    for (int32_t i = 0; list != NULL && i < schema->count; i++) {
        const hr_column_def *def = &schema->columns[i];
        PyObject *item = Py_BuildValue("(ssOO)", def->name, def->type.name, def->not_null ? Py_True : Py_False,
                                       def->has_default ? Py_True : Py_False);

        if (item == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, i, item);
    }
    return list;
}

static Py_ssize_t hr_py_schema_length(PyObject *self)
{
    return ((hr_py_schema *)self)->schema->count;
}

/* Schema([('id', 'bigint', True, False), ...]) */
static PyObject *hr_py_schema_repr(PyObject *self)
{
    PyObject *columns = hr_py_schema_columns(self, NULL);
    PyObject *text = columns != NULL ? PyUnicode_FromFormat("Schema(%R)", columns) : NULL;

    Py_XDECREF(columns);
    return text;
}

static PyMethodDef hr_py_schema_methods[] = {
    {"from_arrow", hr_py_schema_from_arrow, METH_O | METH_CLASS,
     PyDoc_STR("from_arrow($type, object, /)\n--\n\nThe schema of anything with __arrow_c_schema__ (pyarrow, polars, nanoarrow...).")},
    {"__arrow_c_schema__", hr_py_schema_arrow, METH_NOARGS,
     PyDoc_STR("__arrow_c_schema__($self)\n--\n\nThis schema as a PyCapsule of an ArrowSchema.")},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef hr_py_schema_getset[] = {
    {"names", hr_py_schema_names, NULL, PyDoc_STR("The columns' names, a list of str."), NULL},
    {"types", hr_py_schema_types, NULL, PyDoc_STR("The columns' SQL types, a list of str."), NULL},
    {"columns", hr_py_schema_columns, NULL, PyDoc_STR("A list of tuples (name, type, not_null, has_default)."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(hr_py_schema_doc,
             "Schema(columns, map=None, unknown='ignore')\n--\n\n"
             "The columns of a target and where each takes its value from. Immutable.\n\n"
             "columns: tuples (name, SQL type[, not_null[, has_default]]).\n"
             "map: column -> key or path ('customer.address.city'), '$rest', '$raw', '$key', '$topic', '$partition', '$offset',\n"
             "  '$timestamp', None (never loaded), or {'path': ..., 'unit': 's'|'ms'|'us'|'ns'|'days'} for numbers read as times.\n"
             "unknown: 'ignore' or 'reject' records with keys that no column names.\n"
             "Raises UsageError for a type or a path that cannot be.");

static PyType_Slot hr_py_schema_slots[] = {
    {Py_tp_doc, (void *)hr_py_schema_doc},
    {Py_tp_new, hr_py_schema_new},
    {Py_tp_dealloc, hr_py_schema_dealloc},
    {Py_tp_repr, hr_py_schema_repr},
    {Py_tp_methods, hr_py_schema_methods},
    {Py_tp_getset, hr_py_schema_getset},
    {Py_mp_length, hr_py_schema_length},
    {0, NULL},
};

PyType_Spec hr_py_schema_spec = {
    .name = "headrace._headrace.Schema",
    .basicsize = sizeof(hr_py_schema),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = hr_py_schema_slots,
};
