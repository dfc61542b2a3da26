/* csrc/io/load/work.h: one batch on its way from the fetching to the writing thread: the records, the rows they became, and the rejects. */
#ifndef HR_IO_WORK_H
#define HR_IO_WORK_H

#include "io/source/source.h"
#include "target.h"

typedef struct hr_reject {
    const hr_record *record;
    int64_t line; /* in the file, from 1; 0 when there is none */
    hr_reason reason;
    const char *column; /* NULL when not about one */
    const char *value;  /* the offending value, cut; NULL when there is none */
    size_t value_len;
    const char *message;
    char sqlstate[6];
} hr_reject;

/* What happened to the records of one lane. read = loaded + rejected + skipped; lost ones were deleted before they could be read. */
typedef struct hr_tally {
    int64_t read, loaded, rejected, skipped, bytes, lost;
} hr_tally;

typedef struct hr_work {
    const hr_load_config *config;
    hr_source *source; /* whose records these are */
    hr_chunk *chunks;
    int32_t chunk_count, chunk_capacity;
    int64_t records, bytes; /* in the chunks */
    hr_target *target;      /* what the batch was decoded for; retained */
    hr_batch *batch;
    const hr_record **row_record; /* the record of each row; NULL once the server has refused the row */
    int64_t row_capacity;
    hr_reject *rejects;
    int64_t reject_count, reject_capacity;
    hr_arena arena; /* texts of the rejects */
    int32_t lane_count;
    int64_t *next;     /* per lane: where it stands after this batch; HR_OFFSET_UNKNOWN when it did not move */
    hr_tally *tallies; /* per lane */
    bool last;         /* nothing comes after it */
} hr_work;

int hr_work_new(const hr_load_config *config, int32_t lane_count, hr_work **out, hr_error *error);
void hr_work_free(hr_work *work); /* the chunks must have been released */

/* Take over a chunk: its records count, its positions move the lanes. On failure the chunk stays the caller's. */
int hr_work_add(hr_work *work, const hr_chunk *chunk, hr_error *error);
/* Decode the last chunk added. A record that cannot be a row becomes a reject. */
int hr_work_decode(hr_work *work, hr_decoder *decoder, hr_error *error);
/* Start over with another target: forget rows and rejects, decode every chunk again. */
int hr_work_decode_again(hr_work *work, hr_target *target, hr_decoder *decoder, hr_error *error);
/* Reject a row that only the server could refuse. Its batch row stays, without a record. */
int hr_work_reject_row(hr_work *work, int64_t row, const hr_error *why, hr_error *error);
/* Make it empty for the next batch of this target; gives the chunks back to their source. */
int hr_work_reset(hr_work *work, hr_target *target, hr_source *source, hr_error *error);

#endif
