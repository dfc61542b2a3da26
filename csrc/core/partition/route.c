/* csrc/core/partition/route.c: which partition each row belongs to, and the rows that go together into one COPY. */
#include <string.h>

#include "core/alloc.h"
#include "route.h"

/* ---- routing ---- */

/* The index of the leaf that holds the value, or -1. The leaves are sorted and disjoint. The steps do not depend on what is found, so that
 * values in random order cost no mispredicted branch each. */
static int32_t hr_route_find(const hr_leaf *leaves, int32_t count, int64_t value)
{
    const hr_leaf *leaf = leaves;

    if (count == 0)
        return -1;
    while (count > 1) {
        int32_t half = count / 2;
        leaf += leaf[half].lower <= value ? half : 0;
        count -= half;
    }
    return value >= leaf->lower && (value < leaf->upper || leaf->upper == INT64_MAX) ? (int32_t)(leaf - leaves) : -1;
}

/* Rows mostly come in order of time: the leaf of the row before is tried first. */
typedef struct hr_route_memory {
    int64_t lower, upper; /* the span of values that `id` is known for; empty at first */
    int32_t id;
} hr_route_memory;

static inline int32_t hr_route_one(const hr_leaf *leaves, int32_t count, int64_t value, hr_route_memory *memory)
{
    int32_t found;

    if (HR_LIKELY(value >= memory->lower && value < memory->upper))
        return memory->id;
    found = hr_route_find(leaves, count, value);
    if (found < 0)
        return HR_LEAF_MISSING;
    memory->lower = leaves[found].lower;
    memory->upper = leaves[found].upper;
    memory->id = leaves[found].id;
    return memory->id;
}

void hr_route(const hr_batch *batch, int32_t column, const hr_leaf *leaves, int32_t leaf_count, int32_t *ids)
{
    const hr_column *values = &batch->columns[column];
    hr_route_memory memory = {1, 0, HR_LEAF_MISSING};

    if (values->type->kind == HR_DATE)
        for (int64_t row = 0; row < batch->length; row++)
            ids[row] = hr_route_one(leaves, leaf_count, hr_micros_of_days(hr_column_get_int32(values, row)), &memory);
    else
        for (int64_t row = 0; row < batch->length; row++)
            ids[row] = hr_route_one(leaves, leaf_count, hr_column_get_int64(values, row), &memory);
    if (values->null_count > 0)
        for (int64_t row = 0; row < batch->length; row++)
            if (hr_column_is_null(values, row))
                ids[row] = HR_LEAF_NULL;
}

/* ---- streams ---- */

static inline uint32_t hr_streams_hash(int32_t leaf, uint64_t absent)
{
    uint64_t mixed = ((uint64_t)(uint32_t)leaf + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ absent * UINT64_C(0xc2b2ae3d27d4eb4f);

    return (uint32_t)(mixed >> 32);
}

/* Grow one block of workspace. On failure it is unchanged. */
static int hr_streams_grow(void **block, size_t count, size_t size, hr_error *error)
{
    void *grown = hr_realloc(*block, count * size);

    if (grown == NULL)
        return hr_error_nomem(error);
    *block = grown;
    return HR_OK;
}

/* Put a stream's index into the hash table of twice the capacity. */
static void hr_streams_place(hr_streams *streams, int32_t index)
{
    uint32_t mask = (uint32_t)streams->capacity * 2 - 1;
    uint32_t at = hr_streams_hash(streams->streams[index].leaf, streams->streams[index].absent) & mask;

    while (streams->slots[at] != 0)
        at = (at + 1) & mask;
    streams->slots[at] = index + 1;
}

/* Make room for twice as many streams, and a new table. On failure the old ones stay as they are. */
static int hr_streams_more(hr_streams *streams, hr_error *error)
{
    int32_t capacity = streams->capacity ? streams->capacity * 2 : 64;
    int32_t *slots;

    HR_RETURN_NOT_OK(hr_streams_grow((void **)&streams->streams, (size_t)capacity, sizeof(*streams->streams), error));
    slots = hr_calloc((size_t)capacity * 2, sizeof(*slots));
    if (slots == NULL)
        return hr_error_nomem(error);
    hr_free(streams->slots);
    streams->slots = slots;
    streams->capacity = capacity;
    for (int32_t i = 0; i < streams->count; i++)
        hr_streams_place(streams, i);
    return HR_OK;
}

/* The stream of this leaf and this set, a new one at first sight. *index is filled. */
static int hr_streams_of(hr_streams *streams, int32_t leaf, uint64_t absent, int32_t *index, hr_error *error)
{
    if (streams->capacity > 0) {
        uint32_t mask = (uint32_t)streams->capacity * 2 - 1;
        for (uint32_t at = hr_streams_hash(leaf, absent) & mask; streams->slots[at] != 0; at = (at + 1) & mask) {
            const hr_stream *stream = &streams->streams[streams->slots[at] - 1];
            if (stream->leaf == leaf && stream->absent == absent) {
                *index = streams->slots[at] - 1;
                return HR_OK;
            }
        }
    }
    if (streams->count == streams->capacity)
        HR_RETURN_NOT_OK(hr_streams_more(streams, error));
    *index = streams->count++;
    streams->streams[*index] = (hr_stream){.leaf = leaf, .absent = absent, .rows = NULL, .count = 0};
    hr_streams_place(streams, *index);
    return HR_OK;
}

static int hr_streams_compare(const void *left, const void *right)
{
    const hr_stream *a = left, *b = right;

    if (a->leaf != b->leaf)
        return a->leaf < b->leaf ? -1 : 1;
    return a->absent < b->absent ? -1 : a->absent > b->absent;
}

/* Find each row's stream and count. */
static int hr_streams_count(hr_streams *streams, const hr_batch *batch, const int32_t *ids, hr_error *error)
{
    int32_t last = -1;

    for (int64_t row = 0; row < batch->length; row++) {
        int32_t leaf = ids != NULL ? ids[row] : 0;
        uint64_t absent = batch->absent != NULL ? batch->absent[row] : 0;
        if (last < 0 || streams->streams[last].leaf != leaf || streams->streams[last].absent != absent)
            HR_RETURN_NOT_OK(hr_streams_of(streams, leaf, absent, &last, error));
        streams->of_row[row] = last;
        streams->streams[last].count++;
    }
    return HR_OK;
}

/* Streams are found in order of first appearance, their rows laid out in that order, and only the list of streams is sorted at the end. */
int hr_streams_build(hr_streams *streams, const hr_batch *batch, const int32_t *ids, hr_error *error)
{
    uint32_t *next;
    bool sorted = true;
    int rc;

    streams->count = 0;
    if (batch->length > streams->row_capacity) {
        int64_t capacity = batch->length + batch->length / 2;
        HR_RETURN_NOT_OK(hr_streams_grow((void **)&streams->rows, (size_t)capacity, sizeof(*streams->rows), error));
        HR_RETURN_NOT_OK(hr_streams_grow((void **)&streams->of_row, (size_t)capacity, sizeof(*streams->of_row), error));
        streams->row_capacity = capacity;
    }
    if (streams->capacity > 0)
        memset(streams->slots, 0, (size_t)streams->capacity * 2 * sizeof(*streams->slots));
    rc = hr_streams_count(streams, batch, ids, error);
    if (rc != HR_OK) {
        streams->count = 0;
        return rc;
    }
    next = streams->rows;
    for (int32_t i = 0; i < streams->count; i++) {
        streams->streams[i].rows = next;
        next += streams->streams[i].count;
        sorted = sorted && (i == 0 || hr_streams_compare(&streams->streams[i - 1], &streams->streams[i]) < 0);
    }
    for (int64_t row = 0; row < batch->length; row++)
        *streams->streams[streams->of_row[row]].rows++ = (uint32_t)row;
    for (int32_t i = 0; i < streams->count; i++)
        streams->streams[i].rows -= streams->streams[i].count;
    if (!sorted)
        qsort(streams->streams, (size_t)streams->count, sizeof(*streams->streams), hr_streams_compare);
    return HR_OK;
}

void hr_route_gather(const int32_t *ids, int32_t leaf_count, const uint32_t *rows, int64_t n, int64_t stretch, int64_t *counts,
                     uint32_t *out)
{
    for (int64_t from = 0; from < n; from += stretch) {
        int64_t to = n - from < stretch ? n : from + stretch, at = from;

        memset(counts, 0, sizeof(*counts) * ((size_t)leaf_count + 1));
        for (int64_t i = from; i < to; i++)
            counts[ids[rows[i]] >= 0 ? ids[rows[i]] : leaf_count]++;
        for (int32_t leaf = 0; leaf <= leaf_count; leaf++) {
            int64_t count = counts[leaf];
            counts[leaf] = at;
            at += count;
        }
        for (int64_t i = from; i < to; i++)
            out[counts[ids[rows[i]] >= 0 ? ids[rows[i]] : leaf_count]++] = rows[i];
    }
}

void hr_streams_free(hr_streams *streams)
{
    hr_free(streams->streams);
    hr_free(streams->rows);
    hr_free(streams->of_row);
    hr_free(streams->slots);
    memset(streams, 0, sizeof(*streams));
}
