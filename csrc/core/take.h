/* csrc/core/take.h: some rows of a batch as a new batch. */
#ifndef HR_CORE_TAKE_H
#define HR_CORE_TAKE_H

#include "batch.h"

/* The rows rows[0..n) of a batch, in that order (a row may come twice), as a batch of the same schema. Every index must be below
 * batch->length. On failure *out is NULL and nothing is kept. */
int hr_batch_take(const hr_batch *batch, const uint32_t *rows, int64_t n, hr_batch **out, hr_error *error);

/* Append the rows rows[0..n) of one column to another of the same type. On failure `out` holds some of them. */
int hr_column_take(const hr_column *column, const uint32_t *rows, int64_t n, hr_column *out, hr_error *error);

#endif
