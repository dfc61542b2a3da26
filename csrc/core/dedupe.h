/* csrc/core/dedupe.h: the last row of each key. */
#ifndef HR_CORE_DEDUPE_H
#define HR_CORE_DEDUPE_H

#include "batch.h"

/* Work space, reused from batch to batch. Zero it before the first call. */
typedef struct hr_dedupe {
    uint32_t *slots; /* row + 1 */
    size_t slot_count;
    uint32_t *rows; /* the answer */
    int64_t row_capacity;
    int64_t count;
} hr_dedupe;

/* Among the rows [lower, upper), keep the last of each key (columns[0..count), equal when their bytes are equal), in order: dedupe->rows,
 * dedupe->count. A row with a null in its key equals no other. What SQL calls equal though its bytes differ (collations, numeric scale)
 * stays apart. */
int hr_dedupe_last(hr_dedupe *dedupe, const hr_batch *batch, const int32_t *columns, int32_t count, int64_t lower, int64_t upper,
                   hr_error *error);
void hr_dedupe_free(hr_dedupe *dedupe);

#endif
