/* csrc/io/load/ledger.h: headrace.offsets and headrace.receipts: who holds which lane, how far it is, and what a run did.
 *
 * The protocol: take() raises the generation of every lane; each batch's transaction ends with advance(), which moves next_offset only
 * where generation and old offset are still ours; after a COMMIT whose answer was lost, resolve() asks the offsets row whether it landed.
 */
#ifndef HR_IO_LEDGER_H
#define HR_IO_LEDGER_H

#include "work.h"

/* A lane as the ledger knows it; shares its index with the worker's lanes. */
typedef struct hr_hold {
    const char *topic;
    int32_t partition;
    int64_t generation;
    int64_t next; /* committed */
} hr_hold;

/* Rows put into one relation by a batch. */
typedef struct hr_relation_count {
    const char *relation;
    int64_t rows;
} hr_relation_count;

/* In one transaction: open the receipt (state running) and take all lanes over for the run. New lanes start at lane->begin; lane->next
 * becomes where each continues. Runs that held them and never finished are marked interrupted. */
int hr_ledger_take(hr_pg *pg, const hr_load_config *config, const char *target, hr_lanes *lanes, hr_hold *holds, hr_error *error);
/* Inside the batch's transaction: move the lanes that work moved, and add its tallies and relation counts to the receipt.
 * HR_EFENCED when a lane is no longer ours. */
int hr_ledger_advance(hr_pg *pg, const hr_load_config *config, const hr_hold *holds, const hr_work *work, int32_t worker,
                      const hr_relation_count *relations, int32_t relation_count, hr_error *error);
/* After a lost connection, on a new one: whether the transaction that was to move the lanes from holds[].next to next[] (HR_OFFSET_UNKNOWN:
 * not moved by it) has landed. Raises the generation once more, which waits for the lost session's end, so that the answer is final; then
 * holds[] is what the table says. HR_EFENCED when another run took a lane over; HR_ESERVER, retriable, when the server has crashed and
 * lost commits that it had confirmed. */
int hr_ledger_resolve(hr_pg *pg, const hr_load_config *config, hr_hold *holds, const int64_t *next, int32_t count, bool *landed,
                      hr_error *error);
/* Close the receipt, with the counts of its lanes. `failure` NULL: succeeded, if they are `total`; otherwise the server has crashed and
 * lost commits, the receipt says failed, and so does HR_ESERVER (retriable). `detail` is JSON text. Offsets of a one-off run are
 * forgotten when it succeeded. */
int hr_ledger_finish(hr_pg *pg, const hr_load_config *config, const hr_tally *total, double seconds, const hr_error *failure,
                     const char *detail, hr_error *error);

#endif
