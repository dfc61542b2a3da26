/* csrc/io/vault/vault_fill.h: values that events left out as unchanged, filled in from the batch or from the vault.
 *
 * Such values are large, and an event without them is small: a batch of 8 MB may come to gigabytes when they are filled in. So the batch is
 * filled and loaded in segments, all in its one transaction. Most batches are one segment.
 */
#ifndef HR_IO_VAULT_FILL_H
#define HR_IO_VAULT_FILL_H

#include "io/load/apply.h"
#include "vault_plan.h"

#define HR_VAULT_FILL_BYTES (INT64_C(32) << 20) /* filled in at once; a single event may have more */

typedef struct hr_vault_filler {
    const hr_vault_settings *settings;
    hr_vault_splitter *splitter;
    hr_batch *filled;  /* the current segment; NULL when the batch has no gaps */
    int64_t *segments; /* where each begins; segments[count] is the batch's length */
    int64_t count, capacity;
    int64_t current; /* the segment that the splitter has; -1 none */
    bool gaps;
    uint8_t *judged; /* per row: left out before the gaps were judged */
    int64_t judged_capacity;
} hr_vault_filler;

/* Whether any event names unchanged columns. */
bool hr_vault_has_gaps(const hr_vault_settings *settings, const hr_batch *batch);
/* Look for the batch's gaps, reject the events whose gaps nobody can fill (skip[row] = 1), and cut the batch into segments. */
int hr_vault_fill_plan(hr_vault_filler *filler, hr_writer *writer, hr_work *work, uint8_t *skip, hr_error *error);
/* Fill a segment and give it to the splitter, with all hashes: its rows are the segment's. */
int hr_vault_fill_segment(hr_vault_filler *filler, hr_writer *writer, const hr_batch *batch, const uint8_t *skip, int64_t segment,
                          hr_error *error);
void hr_vault_fill_free(hr_vault_filler *filler);

#endif
