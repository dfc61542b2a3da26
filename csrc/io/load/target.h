/* csrc/io/load/target.h: the target table as the catalog describes it. Its definition is the contract. */
#ifndef HR_IO_TARGET_H
#define HR_IO_TARGET_H

#include "load_config.h"
#include "io/postgres.h"

#define HR_DEFINITION_SIZE 33

/* Immutable; shared by reference count between the decoding and the writing thread. */
typedef struct hr_target {
    int32_t refs;  /* atomic */
    int32_t epoch; /* how many descriptions came before this one in the run */
    hr_arena arena;
    uint32_t oid;
    const char *schema_name, *table_name;
    const char *display; /* schema.table, for people */
    const char *quoted;  /* "schema"."table" */
    hr_schema *schema;   /* the columns, mapped to their sources */
    const int32_t *key;  /* the columns of the key (upsert, replace) */
    int32_t key_count;
    int32_t partition_column; /* RANGE by this one date or timestamp column, whose leaves we know and make; -1 otherwise */
    bool through_parent;      /* the leaves may not be fed past the parent */
    bool partitioned;
    const hr_copy_format *copy;
    char fingerprint[HR_DEFINITION_SIZE]; /* of the columns: changes when the table is altered */
} hr_target;

/* Read the table's definition and apply the job's mapping. HR_ESCHEMA when the table is missing, no table, or cannot serve the mode;
 * HR_EUSAGE when the mapping names columns it does not have. */
int hr_target_describe(hr_pg *pg, const hr_load_config *config, int32_t epoch, hr_target **out, hr_error *error);
hr_target *hr_target_retain(hr_target *target);
void hr_target_release(hr_target *target); /* NULL is fine */

/* Append the statement, prepared in pg's session, that returns two text values for one target: the fingerprint of its columns, null when
 * its name now means another table, and that of its partitions, as they are now. */
int hr_target_fingerprint_sql(hr_pg *pg, hr_buffer *sql, const hr_target *target, hr_error *error);

#endif
