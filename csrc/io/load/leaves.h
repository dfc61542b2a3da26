/* csrc/io/load/leaves.h: the partitions of a RANGE target, and making the missing ones.
 *
 * Each writer has its own hr_leaves and reads it again when the catalog's fingerprint changes.
 */
#ifndef HR_IO_LEAVES_H
#define HR_IO_LEAVES_H

#include "target.h"

typedef struct hr_leaf_table {
    const char *schema_name, *name;
    const char *quoted;
    bool direct; /* we may COPY into it; otherwise through the parent */
} hr_leaf_table;

typedef struct hr_leaves {
    const hr_load_config *config;
    hr_arena arena;
    hr_leaf *ranges; /* sorted; id = index in tables */
    hr_leaf_table *tables;
    int32_t count;
    int32_t made;       /* partitions made by this writer in this run */
    hr_period *blocked; /* where none can be made in this run: rows of these periods go through the parent, and the server decides */
    int32_t blocked_count, blocked_capacity;
    bool stale;   /* what was read may have been rolled back since, or belongs to another connection: read again before use */
    int32_t *ids; /* of the batch last routed */
    int64_t id_capacity;
    char fingerprint[HR_DEFINITION_SIZE];
} hr_leaves;

void hr_leaves_init(hr_leaves *leaves, const hr_load_config *config);
void hr_leaves_free(hr_leaves *leaves);
/* Read the partitions of the target from the catalog. */
int hr_leaves_read(hr_leaves *leaves, hr_pg *pg, const hr_target *target, hr_error *error);
/* A transaction in which they may have been read or made was rolled back: the next route reads them again. */
void hr_leaves_forget(hr_leaves *leaves);
/* Find the partition of every row of the batch (leaves->ids), making missing partitions, in transactions of their own unless one is open
 * already. Rows without a partition keep HR_LEAF_MISSING and go through the parent: a DEFAULT partition takes them, or the server refuses
 * them, and they become rejects. */
int hr_leaves_route(hr_leaves *leaves, hr_pg *pg, const hr_target *target, const hr_batch *batch, hr_error *error);
/* The quoted table to COPY rows of this id into. */
const char *hr_leaves_table(const hr_leaves *leaves, const hr_target *target, int32_t id);

#endif
