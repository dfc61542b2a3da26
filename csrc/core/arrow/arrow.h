/* csrc/core/arrow/arrow.h: the Arrow C data interface of a batch (https://arrow.apache.org, "The Arrow C data interface").
 *
 * The two structs are the interface's own ABI, guarded by its own macro.
 */
#ifndef HR_CORE_ARROW_H
#define HR_CORE_ARROW_H

#include "core/batch.h"

#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE
#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4
struct ArrowSchema {
    const char *format;
    const char *name;
    const char *metadata;
    int64_t flags;
    int64_t n_children;
    struct ArrowSchema **children;
    struct ArrowSchema *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};
struct ArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};
#endif
#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE
struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
    const char *(*get_last_error)(struct ArrowArrayStream *);
    void (*release)(struct ArrowArrayStream *);
    void *private_data;
};
#endif

/* A struct-typed ArrowSchema of the columns; the SQL type's name rides along as field metadata "headrace.type", and uuid, json and jsonb
 * as the canonical extensions arrow.uuid and arrow.json. */
int hr_arrow_export_schema(const hr_schema *schema, struct ArrowSchema *out, hr_error *error);

/* Hooks by which the exported array keeps the batch alive: called once when the array is released. */
typedef void (*hr_arrow_release)(void *owner);
/* A struct array over the batch's own buffers: no copy but intervals. `owner` keeps the batch alive and unchanged until release(owner).
 * HR_EDATA, with row and column, for values that Arrow cannot say (type.h); then release is not called. */
int hr_arrow_export_batch(const hr_batch *batch, hr_arrow_release release, void *owner, struct ArrowArray *out, hr_error *error);

/* A one-batch ArrowArrayStream of the same. */
int hr_arrow_export_stream(const hr_batch *batch, hr_arrow_release release, void *owner, struct ArrowArrayStream *out, hr_error *error);

/* A schema made of an ArrowSchema (struct): types by "headrace.type" metadata when present, else by format (int32 -> integer,
 * string views and large strings -> text, dictionary of strings -> text, timestamps of any unit -> timestamp[tz]...). */
int hr_arrow_import_schema(const struct ArrowSchema *in, hr_schema **out, hr_error *error);
/* Append the rows of an array of that schema to a batch (a copy; `in` stays the caller's). HR_EDATA with row and column for values that
 * do not fit the batch's types (nanoseconds that would be cut are cut as the server cuts, by rounding). */
int hr_arrow_import_batch(const struct ArrowSchema *schema, const struct ArrowArray *in, hr_batch *batch, hr_error *error);
/* The same into an empty batch, without a copy of the columns that are laid out as a batch has them. If there are any, the array moves into
 * the batch (in->release is NULL afterwards) and is released with it, from whatever thread frees it; otherwise it stays the caller's, as it
 * does on failure. */
int hr_arrow_adopt_batch(const struct ArrowSchema *schema, struct ArrowArray *in, hr_batch *batch, hr_error *error);

#endif
