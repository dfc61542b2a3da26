/* csrc/core/window/aggregate.h: what is computed of the rows of a window and key: a table of functions per aggregate.
 *
 * An aggregate is one file aggregate_<name>.c and one line of hr_aggregates (aggregate.c). A state is `size` bytes in a group's block,
 * moved by memcpy, zeroed before init. Adding is in two steps, so that a row counts everywhere or nowhere: `reserve` may fail and changes
 * no result; `add` cannot fail.
 */
#ifndef HR_CORE_AGGREGATE_H
#define HR_CORE_AGGREGATE_H

#include "core/batch.h"
#include "dictionary.h"
#include "wire.h"

typedef struct hr_aggregate_ops hr_aggregate_ops;

typedef struct hr_aggregate {
    const hr_aggregate_ops *ops;
    int32_t column;      /* in the rows; -1 for none */
    const hr_type *type; /* of that column; NULL for none */
    hr_type out;         /* of the result; what it points to lives in the result's schema */
    int32_t precision;
    size_t offset; /* of its state in a group's block */
    uint64_t seed;
    hr_dictionary dictionary; /* distinct values longer than 8 bytes */
    bool interns;             /* states hold numbers of the dictionary */
    uint32_t collect_at;      /* strings in the dictionary that are worth a look for unused ones */
    uint64_t *values;         /* of rows [values_from, ...): what prepare made of them; owned */
    int64_t values_from, value_capacity;
    uint32_t *map; /* while a state is loaded: from saved numbers to the dictionary's; owned by the loader */
    uint64_t map_count;
} hr_aggregate;

struct hr_aggregate_ops {
    const char *name;
    size_t size; /* of a state */
    bool needs_column;
    /* Check the type, set `interns`; write the name of the result's type to `out`, or leave it empty for the column's own. HR_EUSAGE. */
    int (*open)(hr_aggregate *aggregate, char out[64], hr_error *error);
    void (*init)(const hr_aggregate *aggregate, void *state);
    void (*free)(const hr_aggregate *aggregate, void *state); /* NULL: owns nothing */
    /* Once for rows [lower, upper), before they are added: fill `values`. NULL: nothing to do. */
    int (*prepare)(hr_aggregate *aggregate, const hr_column *column, int64_t lower, int64_t upper, hr_error *error);
    int (*reserve)(const hr_aggregate *aggregate, void *state, const hr_column *column, int64_t row, hr_error *error); /* NULL: no need */
    void (*add)(const hr_aggregate *aggregate, void *state, const hr_column *column, int64_t row); /* column NULL when it needs none */
    /* Room for all of `from`, and after that for a row (column NULL: for none). NULL: no need. */
    int (*reserve_merge)(const hr_aggregate *aggregate, void *state, const void *from, const hr_column *column, int64_t row,
                         hr_error *error);
    void (*merge)(const hr_aggregate *aggregate, void *state, const void *from);
    int (*result)(const hr_aggregate *aggregate, const void *state, hr_column *out, hr_error *error);
    /* `rank` maps the dictionary's numbers to those of the saved one; NULL for aggregates that do not intern. */
    int (*save)(const hr_aggregate *aggregate, const void *state, const uint32_t *rank, hr_buffer *out, hr_error *error);
    int (*load)(const hr_aggregate *aggregate, void *state, hr_wire *in, hr_error *error);
    size_t (*memory)(const hr_aggregate *aggregate, const void *state); /* beside the block; NULL: none */
    /* Of aggregates that intern: mark the numbers in use; replace them by their rank (which is never higher), with `scratch` of at least
     * hr_aggregate_ops.memory bytes. */
    void (*mark)(const hr_aggregate *aggregate, const void *state, uint64_t *bits);
    void (*remap)(const hr_aggregate *aggregate, void *state, const uint32_t *rank, uint64_t *scratch);
};

/* NULL-terminated. */
extern const hr_aggregate_ops *const hr_aggregates[];
const hr_aggregate_ops *hr_aggregate_find(const char *name);

/* Whether it counts different values. */
static inline bool hr_aggregate_is_set(const hr_aggregate *aggregate)
{
    return strncmp(aggregate->ops->name, "distinct", 8) == 0;
}
/* Room for the values of rows [lower, upper). */
int hr_aggregate_values(hr_aggregate *aggregate, int64_t lower, int64_t upper, hr_error *error);
/* Values that are numbers as they are, others by their number in the dictionary; nulls as 0. For prepare. */
int hr_aggregate_prepare_values(hr_aggregate *aggregate, const hr_column *column, int64_t lower, int64_t upper, hr_error *error);
/* HR_EUSAGE: the aggregate cannot be made of this type. */
int hr_aggregate_refuse(const hr_aggregate *aggregate, const char *what, hr_error *error);
void hr_aggregate_close(hr_aggregate *aggregate);

#endif
