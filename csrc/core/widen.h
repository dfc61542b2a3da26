/* csrc/core/widen.h: a batch with one column more, without a copy of the others. */
#ifndef HR_CORE_WIDEN_H
#define HR_CORE_WIDEN_H

#include "batch.h"

/* A new batch with the rows of `batch` and one more column of this type, still empty: the last one, for the caller to fill. The other
 * columns are lent by `batch`, which must stay unchanged until the new one is freed. The new schema is its own, and its columns take their
 * values from keys of the same names. HR_EUSAGE when the batch has a column called name. */
int hr_batch_widen(const hr_batch *batch, const char *name, const hr_type *type, hr_batch **out, hr_error *error);

/* A copy of a type with all that it points to, in the arena. */
int hr_type_copy(const hr_type *from, hr_arena *arena, hr_type *to, hr_error *error);

#endif
