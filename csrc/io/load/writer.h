/* csrc/io/load/writer.h: one batch into the target, with its rejects, its offsets and its part of the receipt, in one transaction.
 *
 * The fast way sends every row at once. When the server refuses data (a check, a foreign key, a trigger), the batch is rolled back and sent
 * again the careful way: in windows under savepoints that halve on a refusal and double on success, until the refused rows stand alone and
 * become rejects. When the connection is lost, the offsets decide what happened (ledger.h).
 */
#ifndef HR_IO_WRITER_H
#define HR_IO_WRITER_H

#include "core/dedupe.h"
#include "leaves.h"
#include "ledger.h"
#include "work.h"

typedef struct hr_writer {
    const hr_load_config *config;
    int32_t worker;
    const atomic_bool *cancel;
    hr_pg *pg;
    hr_target *target;   /* what the table is now; retained */
    hr_decoder *decoder; /* for decoding again after a change */
    hr_leaves leaves;
    hr_hold *holds; /* this worker's lanes; owned by the caller */
    int32_t lane_count;
    hr_streams streams;
    hr_dedupe dedupe;
    hr_buffer bytes, sql;
    int32_t *columns; /* of the COPY being sent */
    int32_t *ways;    /* by which COPY each row of the batch goes (apply.c) */
    int64_t way_capacity;
    uint32_t *gathered;     /* rows in the order they are sent through the parent */
    int64_t *gather_counts; /* for hr_route_gather */
    int64_t *counts;  /* rows per leaf id; [leaf_capacity] is the parent's */
    int64_t *window_counts;
    int32_t leaf_capacity;
    hr_relation_count *relations; /* what the last batch put where; texts live until the next batch */
    int32_t relation_count;
    int32_t stage_epoch;          /* of the target the stage table was made for; -1 none */
    bool open;                    /* commit_at_end: the run's transaction is open */
    bool careful;                 /* this batch is sent in windows under savepoints */
    int64_t *end_from, *end_next; /* commit_at_end: offsets before the run, and after what was written */
    int64_t retries;
    struct hr_vault_writer *vault; /* mode vault (apply_vault.c); NULL otherwise */
} hr_writer;

/* Connect and make ready for this target. holds are shared with the caller and updated by write. */
int hr_writer_open(const hr_load_config *config, int32_t worker, const atomic_bool *cancel, hr_target *target, hr_hold *holds,
                   int32_t lane_count, hr_writer **out, hr_error *error);
void hr_writer_close(hr_writer *writer); /* NULL is fine */
/* Write one batch and commit it (unless the run commits at its end). On success holds[].next are the batch's. The target may have changed:
 * writer->target is then the new one, and the batch was decoded again for it. */
int hr_writer_write(hr_writer *writer, hr_work *work, hr_error *error);
/* Commit the run's one transaction, when there is one. */
int hr_writer_finish(hr_writer *writer, hr_error *error);

#endif
