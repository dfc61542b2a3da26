/* csrc/core/arrow/arrow_export.c: a batch as an Arrow struct array, without a copy (intervals excepted).
 *
 * A consumer may move a child out of its parent and release it last, from another thread. So every exported array holds one
 * reference to a hub, one block that owns all the structs and pointers, and the last one gives the batch back to its owner.
 */
#include "arrow.h"

#include <errno.h>
#include <stdio.h>

#define HR_ARROW_MAX_BUFFERS 3

/* What an empty buffer points at: consumers want offsets even of nothing, and some want every pointer set. */
static const uint64_t hr_arrow_nothing[8];

/* One column's part of the hub. */
typedef struct hr_arrow_node {
    const void *buffers[HR_ARROW_MAX_BUFFERS];
    struct ArrowArray child;      /* of a list */
    struct ArrowArray *child_ptr;
} hr_arrow_node;

/* Arrow's month_day_nano. */
typedef struct hr_arrow_interval {
    int32_t months;
    int32_t days;
    int64_t nanos;
} hr_arrow_interval;

typedef struct hr_arrow_hub {
    int64_t refs; /* atomic: one for each array not yet released */
    hr_arrow_release release;
    void *owner;
    void **converted; /* buffers made for the export */
    size_t converted_count;
    hr_arrow_node *nodes;
    size_t node_count;
    struct ArrowArray *children;      /* of the struct array */
    struct ArrowArray **children_ptr;
} hr_arrow_hub;

static void hr_arrow_hub_free(hr_arrow_hub *hub)
{
    for (size_t i = 0; i < hub->converted_count; i++)
        hr_free(hub->converted[i]);
    hr_free(hub->converted);
    hr_free(hub->nodes);
    hr_free(hub->children);
    hr_free(hub->children_ptr);
    hr_free(hub);
}

/* ArrowArray.release of every exported array. Children that were moved out have no release any more and live on. */
static void hr_arrow_array_release(struct ArrowArray *array)
{
    hr_arrow_hub *hub = array->private_data;

    for (int64_t i = 0; i < array->n_children; i++)
        if (array->children[i]->release != NULL)
            array->children[i]->release(array->children[i]);
    array->release = NULL;
    if (__atomic_sub_fetch(&hub->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    if (hub->release != NULL)
        hub->release(hub->owner);
    hr_arrow_hub_free(hub);
}

/* A hub with room for the columns of this batch and their children, or HR_ENOMEM. */
static int hr_arrow_hub_new(const hr_batch *batch, hr_arrow_hub **out, hr_error *error)
{
    size_t count = (size_t)batch->schema->count, nodes = 0;
    hr_arrow_hub *hub = hr_calloc(1, sizeof(*hub));

    if (hub == NULL)
        return hr_error_nomem(error);
    for (size_t i = 0; i < count; i++)
        for (const hr_column *column = &batch->columns[i]; column != NULL; column = column->child)
            nodes++;
    hub->nodes = hr_calloc(nodes + 1, sizeof(*hub->nodes));
    hub->converted = hr_calloc(nodes + 1, sizeof(*hub->converted));
    hub->children = hr_calloc(count + 1, sizeof(*hub->children));
    hub->children_ptr = hr_calloc(count + 1, sizeof(struct ArrowArray *));
    if (hub->nodes == NULL || hub->converted == NULL || hub->children == NULL || hub->children_ptr == NULL) {
        hr_arrow_hub_free(hub);
        return hr_error_nomem(error);
    }
    *out = hub;
    return HR_OK;
}

/* The first row of a column that Arrow cannot say, or -1; *what says what it is. */
static int64_t hr_arrow_unsayable(const hr_column *column, const char **what)
{
    switch (column->type->kind) {
    case HR_DATE:
        *what = "an infinite date";
        for (int64_t i = 0; i < column->length; i++) {
            int32_t value = hr_column_get_int32(column, i);
            if ((value == HR_DATE_INFINITY || value == HR_DATE_MINUS_INFINITY) && !hr_column_is_null(column, i))
                return i;
        }
        return -1;
    case HR_TIMESTAMP:
    case HR_TIMESTAMPTZ:
        *what = "an infinite timestamp";
        for (int64_t i = 0; i < column->length; i++) {
            int64_t value = hr_column_get_int64(column, i);
            if ((value == HR_TIMESTAMP_INFINITY || value == HR_TIMESTAMP_MINUS_INFINITY) && !hr_column_is_null(column, i))
                return i;
        }
        return -1;
    case HR_DECIMAL:
        *what = "a numeric NaN";
        for (int64_t i = 0; i < column->length; i++) {
            hr_decimal128 value = hr_column_get_decimal(column, i);
            if (value.high == HR_DECIMAL_NAN_HIGH && value.low == HR_DECIMAL_NAN_LOW && !hr_column_is_null(column, i))
                return i;
        }
        return -1;
    default:
        return -1;
    }
}

/* Convert the intervals into a buffer the hub owns. Returns HR_ENOMEM, or HR_EDATA with *bad set to the row. */
static int hr_arrow_intervals(hr_arrow_hub *hub, const hr_column *column, const void **buffer, int64_t *bad, hr_error *error)
{
    hr_arrow_interval *to;

    if (column->length == 0) {
        *buffer = hr_arrow_nothing;
        return HR_OK;
    }
    to = hr_malloc((size_t)column->length * sizeof(*to));
    if (to == NULL)
        return hr_error_nomem(error);
    hub->converted[hub->converted_count++] = to;
    for (int64_t i = 0; i < column->length; i++) {
        hr_interval from = hr_column_get_interval(column, i);
        to[i].months = from.months;
        to[i].days = from.days;
        if (HR_UNLIKELY(__builtin_mul_overflow(from.micros, INT64_C(1000), &to[i].nanos))) {
            *bad = i;
            return HR_EDATA;
        }
    }
    *buffer = to;
    return HR_OK;
}

/* Fill *out (and its child) from a column; *bad is the row in this column that could not be said. Takes no reference: the caller
 * counts the hub's arrays when all went well. */
static int hr_arrow_fill(hr_arrow_hub *hub, const hr_column *column, struct ArrowArray *out, int64_t *bad, const char **what,
                         hr_error *error)
{
    hr_arrow_node *node = &hub->nodes[hub->node_count++];

    *bad = hr_arrow_unsayable(column, what);
    if (*bad >= 0)
        return HR_EDATA;
    memset(out, 0, sizeof(*out));
    out->length = column->length;
    out->null_count = column->null_count;
    out->buffers = node->buffers;
    out->private_data = hub;
    out->release = hr_arrow_array_release;
    out->n_buffers = 2;
    node->buffers[0] = column->null_count > 0 ? column->validity : NULL;
    switch (hr_type_ops_of(column->type)->storage) {
    case HR_STORE_BITS:
    case HR_STORE_FIXED:
        if (column->type->kind == HR_INTERVAL) {
            *what = "an interval beyond 292 years of microseconds, or infinite,";
            return hr_arrow_intervals(hub, column, &node->buffers[1], bad, error);
        }
        node->buffers[1] = column->values != NULL ? (const void *)column->values : hr_arrow_nothing;
        return HR_OK;
    case HR_STORE_BYTES:
        out->n_buffers = 3;
        node->buffers[1] = column->offsets != NULL ? (const void *)column->offsets : hr_arrow_nothing;
        node->buffers[2] = column->bytes.data != NULL ? (const void *)column->bytes.data : hr_arrow_nothing;
        return HR_OK;
    case HR_STORE_LIST:
        break;
    }
    node->buffers[1] = column->offsets != NULL ? (const void *)column->offsets : hr_arrow_nothing;
    node->child_ptr = &node->child;
    out->n_children = 1;
    out->children = &node->child_ptr;
    int rc = hr_arrow_fill(hub, column->child, &node->child, bad, what, error);
    if (rc == HR_EDATA) { /* from the element to its row */
        int64_t row = 0;
        while (row < column->length && column->offsets[row + 1] <= *bad)
            row++;
        *bad = row;
    }
    return rc;
}

int hr_arrow_export_batch(const hr_batch *batch, hr_arrow_release release, void *owner, struct ArrowArray *out, hr_error *error)
{
    static const void *const no_validity[1] = {NULL};
    const hr_schema *schema = batch->schema;
    hr_arrow_hub *hub = NULL;

    out->release = NULL;
    HR_RETURN_NOT_OK(hr_arrow_hub_new(batch, &hub, error));
    hub->release = release;
    hub->owner = owner;
    for (int32_t i = 0; i < schema->count; i++) {
        int64_t bad = -1;
        const char *what = "";
        int rc = hr_arrow_fill(hub, &batch->columns[i], &hub->children[i], &bad, &what, error);
        hub->children_ptr[i] = &hub->children[i];
        if (rc == HR_OK)
            continue;
        if (rc == HR_EDATA) {
            hr_error_data(error, HR_REASON_RANGE, NULL, 0,
                          "column \"%s\", row %lld: %s cannot be said in Arrow; filter such rows out, or read the column as text",
                          schema->columns[i].name, (long long)bad, what);
            if (error != NULL) {
                error->row = bad;
                error->column = i;
            }
        }
        hr_arrow_hub_free(hub);
        return rc;
    }
    hub->refs = (int64_t)hub->node_count + 1;
    memset(out, 0, sizeof(*out));
    out->length = batch->length;
    out->n_buffers = 1;
    /* The interface wants void ** of const void *; the one validity pointer is never written. */
    memcpy(&out->buffers, &(const void *const *){no_validity}, sizeof(out->buffers));
    out->n_children = schema->count;
    out->children = hub->children_ptr;
    out->release = hr_arrow_array_release;
    out->private_data = hub;
    return HR_OK;
}

/* A stream of one batch: the array waits in `array` until it is fetched. */
typedef struct hr_arrow_stream {
    hr_schema *schema; /* retained */
    struct ArrowArray array;
    hr_error error;
} hr_arrow_stream;

static int hr_arrow_stream_schema(struct ArrowArrayStream *self, struct ArrowSchema *out)
{
    hr_arrow_stream *stream = self->private_data;

    hr_error_clear(&stream->error);
    switch (hr_arrow_export_schema(stream->schema, out, &stream->error)) {
    case HR_OK: return 0;
    case HR_ENOMEM: return ENOMEM;
    default: return EINVAL;
    }
}

/* The batch the first time, then a released array, which means the end. */
static int hr_arrow_stream_next(struct ArrowArrayStream *self, struct ArrowArray *out)
{
    hr_arrow_stream *stream = self->private_data;

    *out = stream->array;
    stream->array.release = NULL;
    if (out->release == NULL)
        memset(out, 0, sizeof(*out));
    return 0;
}

static const char *hr_arrow_stream_error(struct ArrowArrayStream *self)
{
    hr_arrow_stream *stream = self->private_data;

    return stream->error.message[0] != '\0' ? stream->error.message : NULL;
}

static void hr_arrow_stream_release(struct ArrowArrayStream *self)
{
    hr_arrow_stream *stream = self->private_data;

    if (stream->array.release != NULL)
        stream->array.release(&stream->array);
    hr_schema_release(stream->schema);
    hr_free(stream);
    self->release = NULL;
}

int hr_arrow_export_stream(const hr_batch *batch, hr_arrow_release release, void *owner, struct ArrowArrayStream *out, hr_error *error)
{
    hr_arrow_stream *stream = hr_calloc(1, sizeof(*stream));
    int rc;

    out->release = NULL;
    if (stream == NULL)
        return hr_error_nomem(error);
    rc = hr_arrow_export_batch(batch, release, owner, &stream->array, error);
    if (rc != HR_OK) {
        hr_free(stream);
        return rc;
    }
    stream->schema = hr_schema_retain(batch->schema);
    out->get_schema = hr_arrow_stream_schema;
    out->get_next = hr_arrow_stream_next;
    out->get_last_error = hr_arrow_stream_error;
    out->release = hr_arrow_stream_release;
    out->private_data = stream;
    return HR_OK;
}
