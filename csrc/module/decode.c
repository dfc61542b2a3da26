/* csrc/module/decode.c: decode_json and decode_csv: bytes to a Batch and a list of rejects.
 *
 * The input is one stretch of bytes, cut into lines here, or many records (an iterable). Decoding runs without the GIL in pieces of a
 * few megabytes; between them signals are answered. Rejects are collected in C and become dicts at the end.
 */
#include "module/module.h"

#include "core/decode/decode.h"

#define HR_PY_PIECE_RECORDS 65536
#define HR_PY_PIECE_BYTES ((size_t)4 << 20)

typedef struct hr_py_reject {
    int64_t index;  /* of the record in the input */
    int64_t line, offset;
    int64_t position; /* inside the record, -1 unknown */
    hr_reason reason;
    int32_t column;
    const char *raw; /* into the input; NULL for a tombstone */
    size_t raw_len;
    const char *value; /* a copy in the arena, or NULL */
    size_t value_len;
    const char *message; /* a copy in the arena */
} hr_py_reject;

typedef struct hr_py_input {
    const char *data; /* the bytes to cut */
    size_t size, at;
    PyObject *records; /* or a tuple of bytes, str and None */
    PyObject *keys;    /* a tuple of the messages' keys, as long as records; NULL when they have none */
    Py_ssize_t next;
} hr_py_input;

typedef struct hr_py_decode {
    hr_decoder *decoder;
    hr_batch *batch;
    hr_py_reject *rejects;
    size_t reject_count, reject_capacity;
    hr_arena arena;
    int64_t index;
    int64_t line;        /* of the byte at line_at */
    const char *line_at; /* lines are counted up to here: rejects want them, and few records are rejects */
    bool want_header;
    bool skip_blank_text; /* JSON: a line of white space is no record */
} hr_py_decode;

/* The line of a stretch of bytes that the record starts on, 0 for records that came one by one. Asked for records in their order. */
static int64_t hr_py_line_of(hr_py_decode *work, const hr_record *record)
{
    if (work->line_at == NULL)
        return 0;
    while (work->line_at < record->data) {
        const char *newline = memchr(work->line_at, '\n', (size_t)(record->data - work->line_at));

        work->line += newline != NULL;
        work->line_at = newline != NULL ? newline + 1 : record->data;
    }
    return work->line;
}

/* Keep what is known about a condemned record. HR_ENOMEM leaves the list as it was. */
static int hr_py_reject_keep(hr_py_decode *work, const hr_record *record, const hr_error *why, hr_error *error)
{
    hr_py_reject reject = {.index = work->index, .line = hr_py_line_of(work, record), .offset = record->offset, .position = why->offset,
                           .reason = why->reason, .column = why->column, .raw = record->data, .raw_len = record->len};

    if (work->reject_count == work->reject_capacity) {
        size_t capacity = work->reject_capacity ? work->reject_capacity * 2 : 16;
        hr_py_reject *grown = hr_realloc(work->rejects, capacity * sizeof(*grown));

        if (grown == NULL)
            return hr_error_nomem(error);
        work->rejects = grown;
        work->reject_capacity = capacity;
    }
    reject.message = hr_arena_copy(&work->arena, why->message, strlen(why->message));
    if (reject.message == NULL)
        return hr_error_nomem(error);
    if (why->value != NULL) {
        reject.value = hr_arena_copy(&work->arena, why->value, why->value_len);
        if (reject.value == NULL)
            return hr_error_nomem(error);
        reject.value_len = why->value_len;
    }
    work->rejects[work->reject_count++] = reject;
    return HR_OK;
}

/* Decode one record into the batch or the rejects. */
static int hr_py_decode_one(hr_py_decode *work, const hr_record *record, hr_error *error)
{
    hr_error why;
    int rc;

    if (record->data == NULL) {
        hr_error_data(&why, HR_REASON_TOMBSTONE, NULL, 0, "the record is empty (a tombstone)");
        rc = HR_EDATA;
    } else {
        rc = hr_decoder_decode(work->decoder, record, work->batch, &why);
    }
    if (rc == HR_EDATA)
        rc = hr_py_reject_keep(work, record, &why, error);
    else if (rc != HR_OK)
        *error = why;
    work->index++;
    return rc;
}

static bool hr_py_blank(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r' && text[i] != '\n')
            return false;
    return true;
}

#define HR_PY_SAMPLE 32           /* records that tell how long the others are */
#define HR_PY_RESERVE_MAX 262144u /* rows: beyond, columns grow as they fill */

/* Make room for the rows to come, as many as there will be when the rest is like the first HR_PY_SAMPLE records, so that columns need not
 * move while they grow. */
static int hr_py_reserve(hr_batch *batch, const hr_py_input *input, hr_error *error)
{
    size_t more = (input->size - input->at) / (input->at / HR_PY_SAMPLE + 1);

    more += more / 16;
    if (more > HR_PY_RESERVE_MAX)
        more = HR_PY_RESERVE_MAX;
    for (int32_t i = 0; i < batch->schema->count; i++)
        HR_RETURN_NOT_OK(hr_column_reserve(&batch->columns[i], (int64_t)more, error));
    return HR_OK;
}

/* Cut the next record, which may be a blank line, off a stretch of bytes that is not at its end. A byte order mark at the start is no
 * part of the first record. */
static void hr_py_cut(const hr_format *format, const hr_decode_options *options, hr_py_input *input, hr_record *record)
{
    size_t whole;

    if (input->at == 0 && input->size >= 3 && memcmp(input->data, "\xef\xbb\xbf", 3) == 0)
        input->at = 3;
    *record = (hr_record){.data = input->data + input->at, .offset = (int64_t)input->at, .timestamp = HR_NO_TIMESTAMP, .topic = ""};
    if (input->at == input->size)
        return;
    whole = format->frame(options, record->data, input->size - input->at, true, &record->len);
    if (whole == 0)
        whole = record->len = input->size - input->at;
    input->at += whole;
}

/* A piece of a stretch of bytes. */
static int hr_py_decode_bytes(hr_py_decode *work, hr_py_input *input, hr_error *error)
{
    const hr_format *format = work->decoder->format;
    size_t stop = input->at + HR_PY_PIECE_BYTES;

    for (int count = 0; input->at < input->size && input->at < stop && count < HR_PY_PIECE_RECORDS; count++) {
        hr_record record;

        hr_py_cut(format, &work->decoder->options, input, &record);
        if (record.len == 0 || (work->skip_blank_text && hr_py_blank(record.data, record.len)))
            continue;
        if (work->want_header) {
            work->want_header = false;
            HR_RETURN_NOT_OK(hr_decoder_header(work->decoder, record.data, record.len, error));
            continue;
        }
        HR_RETURN_NOT_OK(hr_py_decode_one(work, &record, error));
        if (HR_UNLIKELY(work->index == HR_PY_SAMPLE))
            HR_RETURN_NOT_OK(hr_py_reserve(work->batch, input, error));
    }
    return HR_OK;
}

/* A piece of a tuple of records. The tuple is ours and its items are immutable, so they may be read without the GIL. */
static int hr_py_decode_records(hr_py_decode *work, hr_py_input *input, hr_error *error)
{
    Py_ssize_t total = PyTuple_GET_SIZE(input->records);
    size_t bytes = 0;

    for (int count = 0; input->next < total && bytes < HR_PY_PIECE_BYTES && count < HR_PY_PIECE_RECORDS; count++) {
        PyObject *item = PyTuple_GET_ITEM(input->records, input->next);
        hr_record record = {.offset = input->next, .timestamp = HR_NO_TIMESTAMP, .line = 0, .topic = ""};

        if (PyBytes_Check(item)) {
            record.data = PyBytes_AS_STRING(item);
            record.len = (size_t)PyBytes_GET_SIZE(item);
        }
        if (input->keys != NULL && PyBytes_Check(PyTuple_GET_ITEM(input->keys, input->next))) {
            record.key = PyBytes_AS_STRING(PyTuple_GET_ITEM(input->keys, input->next));
            record.key_len = (size_t)PyBytes_GET_SIZE(PyTuple_GET_ITEM(input->keys, input->next));
        }
        input->next++;
        bytes += record.len;
        HR_RETURN_NOT_OK(hr_py_decode_one(work, &record, error));
    }
    return HR_OK;
}

/* All pieces. -1 with an exception set. */
static int hr_py_decode_all(const hr_py_state *state, hr_py_decode *work, hr_py_input *input)
{
    hr_error error;

    for (;;) {
        bool more;
        int rc;

        Py_BEGIN_ALLOW_THREADS
        rc = input->records != NULL ? hr_py_decode_records(work, input, &error) : hr_py_decode_bytes(work, input, &error);
        Py_END_ALLOW_THREADS
        if (rc != HR_OK) {
            hr_py_raise(state, &error, work->decoder->schema);
            return -1;
        }
        more = input->records != NULL ? input->next < PyTuple_GET_SIZE(input->records) : input->at < input->size;
        if (!more)
            return 0;
        if (PyErr_CheckSignals() < 0)
            return -1;
    }
}

static PyObject *hr_py_number_or_none(int64_t number)
{
    if (number < 0)
        Py_RETURN_NONE;
    return PyLong_FromLongLong(number);
}

static PyObject *hr_py_reject_dict(const hr_schema *schema, const hr_py_reject *reject)
{
    const char *column = reject->column >= 0 && reject->column < schema->count ? schema->columns[reject->column].name : NULL;
    PyObject *value = reject->value != NULL ? hr_py_text(reject->value, (Py_ssize_t)reject->value_len) : Py_NewRef(Py_None);
    PyObject *message = hr_py_text(reject->message, (Py_ssize_t)strlen(reject->message));

    /* "N" with NULL (memory ran out) makes Py_BuildValue fail with that error, and it lets go of the others. */
    return Py_BuildValue("{s:L,s:N,s:L,s:s,s:z,s:N,s:N,s:N,s:y#}", "index", (long long)reject->index, "line",
                         hr_py_number_or_none(reject->line > 0 ? reject->line : -1), "offset", (long long)reject->offset, "reason",
                         hr_reason_name(reject->reason), "column", column, "value", value, "position",
                         hr_py_number_or_none(reject->position), "message", message, "raw", reject->raw, (Py_ssize_t)reject->raw_len);
}

/* (Batch, [reject, ...]); takes the batch over. */
static PyObject *hr_py_decode_result(const hr_py_state *state, hr_py_decode *work, PyObject *schema)
{
    PyObject *rejects = PyList_New((Py_ssize_t)work->reject_count);
    PyObject *batch;

    for (size_t i = 0; rejects != NULL && i < work->reject_count; i++) {
        PyObject *dict = hr_py_reject_dict(work->decoder->schema, &work->rejects[i]);

        if (dict == NULL)
            Py_CLEAR(rejects);
        else
            PyList_SET_ITEM(rejects, (Py_ssize_t)i, dict);
    }
    if (rejects == NULL)
        return NULL;
    batch = hr_py_batch_wrap(state, work->batch, schema);
    work->batch = NULL;
    if (batch == NULL) {
        Py_DECREF(rejects);
        return NULL;
    }
    return Py_BuildValue("(NN)", batch, rejects);
}

static PyObject *hr_py_decode_input(const hr_py_state *state, const hr_format *format, const hr_decode_options *options, bool header,
                                    PyObject *schema_object, hr_py_input *input)
{
    hr_schema *schema = hr_py_schema_arg(state, schema_object);
    hr_py_decode work = {.line = 1, .line_at = input->data, .want_header = header, .skip_blank_text = !format->multiline};
    PyObject *result = NULL;
    hr_error error;

    if (schema == NULL)
        return NULL;
    hr_arena_init(&work.arena, 0);
    if (hr_decoder_new(format, schema, options, &work.decoder, &error) != HR_OK ||
        hr_batch_new(schema, &work.batch, &error) != HR_OK)
        hr_py_raise(state, &error, schema);
    else if (hr_py_decode_all(state, &work, input) == 0)
        result = hr_py_decode_result(state, &work, schema_object);
    hr_batch_free(work.batch);
    hr_decoder_free(work.decoder);
    hr_free(work.rejects);
    hr_arena_free(&work.arena);
    return result;
}

/* A tuple of bytes and None from any iterable; str items become UTF-8. */
static PyObject *hr_py_records(PyObject *iterable)
{
    PyObject *list = PySequence_List(iterable);
    PyObject *tuple;

    for (Py_ssize_t i = 0; list != NULL && i < PyList_GET_SIZE(list); i++) {
        PyObject *item = PyList_GET_ITEM(list, i);
        PyObject *bytes;

        if (PyBytes_Check(item) || item == Py_None)
            continue;
        if (PyUnicode_Check(item)) {
            bytes = PyUnicode_AsUTF8String(item);
        } else if (PyObject_CheckBuffer(item)) {
            bytes = PyBytes_FromObject(item);
        } else {
            PyErr_Format(PyExc_TypeError, "record %zd must be bytes, str or None, not %.100s", i, Py_TYPE(item)->tp_name);
            bytes = NULL;
        }
        if (bytes == NULL)
            Py_CLEAR(list);
        else if (PyList_SetItem(list, i, bytes) < 0)
            Py_CLEAR(list);
    }
    if (list == NULL)
        return NULL;
    tuple = PyList_AsTuple(list);
    Py_DECREF(list);
    return tuple;
}

/* Decode whatever was given as data. */
static PyObject *hr_py_decode_any(const hr_py_state *state, const hr_format *format, const hr_decode_options *options, bool header,
                                  PyObject *data, PyObject *schema)
{
    hr_py_input input = {0};
    PyObject *result;

    if (PyUnicode_Check(data)) {
        Py_ssize_t n;

        input.data = PyUnicode_AsUTF8AndSize(data, &n);
        if (input.data == NULL)
            return NULL;
        input.size = (size_t)n;
        return hr_py_decode_input(state, format, options, header, schema, &input);
    }
    if (PyObject_CheckBuffer(data)) {
        Py_buffer view;

        if (hr_py_bytes(data, &view) < 0)
            return NULL;
        input.data = view.buf;
        input.size = (size_t)view.len;
        result = hr_py_decode_input(state, format, options, header, schema, &input);
        PyBuffer_Release(&view);
        return result;
    }
    input.records = hr_py_records(data);
    if (input.records == NULL)
        return NULL;
    result = hr_py_decode_input(state, format, options, header, schema, &input);
    Py_DECREF(input.records);
    return result;
}

static PyObject *hr_py_decode_json(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"data", "schema", NULL};
    PyObject *data, *schema;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO:decode_json", names, &data, &schema))
        return NULL;
    return hr_py_decode_any(hr_py_state_of(module), hr_format_find("json"), NULL, false, data, schema);
}

/* One ASCII character. */
static int hr_py_character(PyObject *text, const char *what, char *out)
{
    const char *utf8 = hr_py_utf8(text, what);

    if (utf8 == NULL)
        return -1;
    if (utf8[0] == '\0' || utf8[1] != '\0' || (unsigned char)utf8[0] >= 128) {
        PyErr_Format(PyExc_ValueError, "%s must be one ASCII character, not %R", what, text);
        return -1;
    }
    *out = utf8[0];
    return 0;
}

static PyObject *hr_py_decode_csv(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"data", "schema", "delimiter", "quote", "header", "null", NULL};
    PyObject *data, *schema, *delimiter = NULL, *quote = NULL, *null = NULL;
    hr_decode_options options = {0};
    int header = 1;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|OOpO:decode_csv", names, &data, &schema, &delimiter, &quote, &header, &null))
        return NULL;
    if (delimiter != NULL && hr_py_character(delimiter, "delimiter", &options.delimiter) < 0)
        return NULL;
    if (quote != NULL && hr_py_character(quote, "quote", &options.quote) < 0)
        return NULL;
    if (null != NULL) {
        options.null = hr_py_utf8(null, "null");
        if (options.null == NULL)
            return NULL;
    }
    options.has_header = header != 0;
    return hr_py_decode_any(hr_py_state_of(module), hr_format_find("csv"), &options, header != 0, data, schema);
}

static PyObject *hr_py_csv_header(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"data", "delimiter", NULL};
    PyObject *data, *delimiter = NULL, *result;
    hr_decode_options options = {0};
    hr_py_input input = {0};
    hr_record record = {0};
    Py_buffer view;

    (void)module;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:csv_header", names, &data, &delimiter))
        return NULL;
    if (delimiter != NULL && hr_py_character(delimiter, "delimiter", &options.delimiter) < 0)
        return NULL;
    if (hr_py_bytes(data, &view) < 0)
        return NULL;
    input.data = view.buf;
    input.size = (size_t)view.len;
    while (record.len == 0 && input.at < input.size)
        hr_py_cut(hr_format_find("csv"), &options, &input, &record);
    result = PyBytes_FromStringAndSize(record.data, (Py_ssize_t)record.len);
    PyBuffer_Release(&view);
    return result;
}

/* Records with their keys, in a format whose options are complete. */
static PyObject *hr_py_decode_keyed(const hr_py_state *state, const hr_format *format, const hr_decode_options *options, PyObject *data,
                                    PyObject *schema, PyObject *keys)
{
    PyObject *result = NULL;
    hr_py_input input = {.records = hr_py_records(data)};

    if (input.records != NULL && keys != Py_None)
        input.keys = hr_py_records(keys);
    if (input.keys != NULL && PyTuple_GET_SIZE(input.keys) != PyTuple_GET_SIZE(input.records))
        PyErr_Format(PyExc_ValueError, "there are %zd records and %zd keys", PyTuple_GET_SIZE(input.records), PyTuple_GET_SIZE(input.keys));
    else if (input.records != NULL && (input.keys != NULL || keys == Py_None))
        result = hr_py_decode_input(state, format, options, false, schema, &input);
    Py_XDECREF(input.records);
    Py_XDECREF(input.keys);
    return result;
}

/* What decode_debezium may be told, as decode options. -1 with an exception set. */
static int hr_py_change_options(const char *time, const char *decimal, const char *binary, hr_decode_options *options)
{
    static const char *const times[] = {"adaptive", "adaptive_time_microseconds", "millis", "micros", "nanos"};
    size_t choice = 0;

    while (choice < sizeof(times) / sizeof(times[0]) && strcmp(times[choice], time) != 0)
        choice++;
    if (choice == sizeof(times) / sizeof(times[0]))
        return PyErr_Format(PyExc_ValueError, "time must be adaptive, adaptive_time_microseconds, millis, micros or nanos, not %s", time),
               -1;
    options->change_time = (hr_times_form)choice;
    if (strcmp(decimal, "string") != 0 && strcmp(decimal, "base64") != 0)
        return PyErr_Format(PyExc_ValueError, "decimal must be string or base64, not %s", decimal), -1;
    if (strcmp(binary, "base64") != 0 && strcmp(binary, "hex") != 0)
        return PyErr_Format(PyExc_ValueError, "binary must be base64 or hex, not %s", binary), -1;
    options->change_decimal = strcmp(decimal, "base64") == 0 ? HR_DECIMAL_AS_BASE64 : HR_DECIMAL_AS_STRING;
    options->change_binary = strcmp(binary, "hex") == 0 ? HR_BINARY_HEX : HR_BINARY_BASE64;
    return 0;
}

static PyObject *hr_py_decode_debezium(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"data", "schema", "keys", "time", "decimal", "binary", "unavailable", NULL};
    const hr_format *format = hr_format_find("debezium");
    const char *time = "adaptive", *decimal = "string", *binary = "base64", *unavailable = NULL;
    PyObject *data, *schema, *keys = Py_None;
    hr_decode_options options = {0};

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|Osssz:decode_debezium", names, &data, &schema, &keys, &time, &decimal, &binary,
                                     &unavailable))
        return NULL;
    if (hr_py_change_options(time, decimal, binary, &options) < 0)
        return NULL;
    options.change_marker = unavailable;
    if (keys == Py_None)
        return hr_py_decode_any(hr_py_state_of(module), format, &options, false, data, schema);
    if (PyUnicode_Check(data) || PyObject_CheckBuffer(data)) {
        PyErr_SetString(PyExc_TypeError, "keys go with an iterable of records, one for each");
        return NULL;
    }
    return hr_py_decode_keyed(hr_py_state_of(module), format, &options, data, schema, keys);
}

/* Avro schemas by number, copied out of a mapping so that they can be read without the GIL. */
typedef struct hr_py_schemas {
    Py_ssize_t count;
    int32_t *ids;
    const char **texts; /* of str objects in `owners` */
    PyObject *owners;   /* a list */
} hr_py_schemas;

static int hr_py_schemas_find(void *context, int32_t id, const char **text, size_t *n, hr_error *error)
{
    const hr_py_schemas *schemas = context;

    for (Py_ssize_t i = 0; i < schemas->count; i++) {
        if (schemas->ids[i] == id) {
            *text = schemas->texts[i];
            *n = strlen(schemas->texts[i]);
            return HR_OK;
        }
    }
    return hr_error_data(error, HR_REASON_MALFORMED, NULL, 0, "there is no Avro schema with number %d", (int)id);
}

static void hr_py_schemas_free(hr_py_schemas *schemas)
{
    hr_free(schemas->ids);
    hr_free(schemas->texts);
    Py_CLEAR(schemas->owners);
}

/* Fill schemas from a dict of int to str. -1 with an exception set; hr_py_schemas_free is owed in any case. */
static int hr_py_schemas_from(PyObject *mapping, hr_py_schemas *schemas)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;

    if (!PyDict_Check(mapping)) {
        PyErr_SetString(PyExc_TypeError, "avro must be a schema (str) or a dict of numbers and schemas");
        return -1;
    }
    schemas->ids = hr_calloc((size_t)PyDict_Size(mapping) + 1, sizeof(*schemas->ids));
    schemas->texts = hr_calloc((size_t)PyDict_Size(mapping) + 1, sizeof(*schemas->texts));
    schemas->owners = PyList_New(0);
    if (schemas->ids == NULL || schemas->texts == NULL || schemas->owners == NULL)
        return PyErr_NoMemory(), -1;
    while (PyDict_Next(mapping, &at, &key, &value)) {
        long id = PyLong_Check(key) ? PyLong_AsLong(key) : -1;
        const char *text = PyUnicode_Check(value) ? PyUnicode_AsUTF8(value) : NULL;

        if (PyErr_Occurred())
            return -1;
        if (id < 0 || id > INT32_MAX || text == NULL) {
            PyErr_SetString(PyExc_TypeError, "avro must be a schema (str) or a dict of numbers and schemas");
            return -1;
        }
        if (PyList_Append(schemas->owners, value) < 0)
            return -1;
        schemas->ids[schemas->count] = (int32_t)id;
        schemas->texts[schemas->count++] = text;
    }
    return 0;
}

static PyObject *hr_py_decode_avro(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"records", "schema", "avro", "keys", "changes", "unavailable", NULL};
    const char *unavailable = NULL;
    PyObject *data, *schema, *avro, *keys = Py_None, *result = NULL;
    hr_py_schemas schemas = {0};
    const hr_avro_schemas finder = {&schemas, hr_py_schemas_find};
    hr_decode_options options = {0};
    int changes = 0;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOO|O$pz:decode_avro", names, &data, &schema, &avro, &keys, &changes, &unavailable))
        return NULL;
    options.change_marker = unavailable;
    if (PyUnicode_Check(avro)) {
        options.avro_schema = hr_py_utf8(avro, "avro");
        if (options.avro_schema == NULL)
            return NULL;
    } else if (hr_py_schemas_from(avro, &schemas) == 0) {
        options.avro_schemas = &finder;
    }
    if (options.avro_schema != NULL || options.avro_schemas != NULL)
        result = hr_py_decode_keyed(hr_py_state_of(module), hr_format_find(changes ? "debezium-avro" : "avro"), &options, data, schema,
                                    keys);
    hr_py_schemas_free(&schemas);
    return result;
}

#define HR_PY_KEYWORDS(function) (PyCFunction)(void (*)(void))(function)
PyMethodDef hr_py_decode_methods[] = {
    {"decode_json", HR_PY_KEYWORDS(hr_py_decode_json), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("decode_json(data, schema)\n--\n\n"
               "JSON lines, or an iterable of JSON documents, as (Batch, rejects).\n\n"
               "A reject is a dict: index, line, offset, reason, column, value, position, message, raw.")},
    {"decode_csv", HR_PY_KEYWORDS(hr_py_decode_csv), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("decode_csv(data, schema, delimiter=',', quote='\"', header=True, null='')\n--\n\n"
               "CSV as (Batch, rejects). With header the first record names the columns, otherwise they are the schema's.")},
    {"csv_header", HR_PY_KEYWORDS(hr_py_csv_header), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("csv_header(data, delimiter=',')\n--\n\n"
               "The record of CSV that decode_csv takes for the header, without its line's end; empty when there is none.")},
    {"decode_debezium", HR_PY_KEYWORDS(hr_py_decode_debezium), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("decode_debezium(data, schema, keys=None, time='adaptive', decimal='string', binary='base64', unavailable=None)\n--\n\n"
               "Debezium's change events in JSON as (Batch, rejects). keys: the messages' keys, which tell the row of a delete.")},
    {"decode_avro", HR_PY_KEYWORDS(hr_py_decode_avro), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("decode_avro(records, schema, avro, keys=None, *, changes=False, unavailable=None)\n--\n\n"
               "Avro messages as (Batch, rejects). avro: a dict of schemas by number, for messages in Confluent's wire format, or the one\n"
               "schema of bare bodies. changes: they are Debezium's change events; keys then tell the row of a delete.")},
    {NULL, NULL, 0, NULL},
};
