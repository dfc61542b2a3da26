/* csrc/io/load/apply.h: the rows of a batch into the target, by the mode of the job. Inside the batch's transaction. */
#ifndef HR_IO_APPLY_H
#define HR_IO_APPLY_H

#include "writer.h"

/* A way for rows into the target: one for each mode, in hr_appliers (apply.c). */
typedef struct hr_applier {
    const char *name;
    int (*make_stage)(hr_writer *writer, hr_error *error); /* NULL: none is needed */
    int (*prepare)(hr_writer *writer, hr_work *work, hr_error *error);
    int (*rows)(hr_writer *writer, const hr_work *work, int64_t lower, int64_t upper, hr_error *error);
    void (*relations)(hr_writer *writer, const hr_work *work);
    void (*close)(hr_writer *writer); /* NULL: nothing to give back */
} hr_applier;
extern const hr_applier hr_apply_vault; /* apply_vault.c */

/* Once per attempt at a batch: group its rows, make the work space. May reject rows that the mode cannot use. */
int hr_apply_prepare(hr_writer *writer, hr_work *work, hr_error *error);
/* Send the rows [lower, upper). On failure the transaction (or savepoint) must be rolled back; then nothing was counted. */
int hr_apply_rows(hr_writer *writer, const hr_work *work, int64_t lower, int64_t upper, hr_error *error);
/* The rows that went into each relation, for the receipt: writer->relations[0..relation_count). */
void hr_apply_relations(hr_writer *writer, const hr_work *work);
/* Upsert and replace: the temporary table that rows pass through, made once for a definition of the target. */
int hr_apply_make_stage(hr_writer *writer, hr_error *error);
/* Give back what the mode has kept in the writer. */
void hr_apply_close(hr_writer *writer);

/* For appliers: COPY rows[0..n) of a batch, with the columns of its schema listed in `columns`, into `table`. HR_EBALANCE when the server
 * counts fewer. */
int hr_apply_copy(hr_writer *writer, const hr_batch *batch, const hr_copy_format *format, const char *table, const int32_t *columns,
                  int32_t column_count, const uint32_t *rows, int64_t n, hr_error *error);
/* The same, where the table names its columns otherwise: `into` is the table and their list, as SQL. */
int hr_apply_copy_into(hr_writer *writer, const hr_batch *batch, const hr_copy_format *format, const char *into, const int32_t *columns,
                       int32_t column_count, const uint32_t *rows, int64_t n, hr_error *error);

#endif
