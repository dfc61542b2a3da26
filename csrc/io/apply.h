/* csrc/io/apply.h: the rows of a batch into the target, by the mode of the job. Inside the batch's transaction. */
#ifndef HR_IO_APPLY_H
#define HR_IO_APPLY_H

#include "io/writer.h"

/* Once per attempt at a batch: group its rows, make the work space. */
int hr_apply_prepare(hr_writer *writer, const hr_work *work, hr_error *error);
/* Send the rows [lower, upper). On failure the transaction (or savepoint) must be rolled back; then nothing was counted. */
int hr_apply_rows(hr_writer *writer, const hr_work *work, int64_t lower, int64_t upper, hr_error *error);
/* The rows that went into each relation, for the receipt: writer->relations[0..relation_count). */
void hr_apply_relations(hr_writer *writer, const hr_work *work);
/* Upsert and replace: the temporary table that rows pass through, made once for a definition of the target. */
int hr_apply_make_stage(hr_writer *writer, hr_error *error);

#endif
