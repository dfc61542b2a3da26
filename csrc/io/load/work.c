/* csrc/io/load/work.c: records to rows and rejects, with the count that must balance. */
#include "work.h"

#include <stdio.h>

#define HR_REJECT_VALUE_MAX 1000 /* bytes of the offending value that are kept beside the raw record */
#define HR_WORK_KEEP ((size_t)16 << 20) /* an empty batch keeps so much memory, and four times what the job's batches are to hold */

int hr_work_new(const hr_load_config *config, int32_t lane_count, hr_work **out, hr_error *error)
{
    hr_work *work = hr_calloc(1, sizeof(*work));

    *out = NULL;
    if (work == NULL)
        return hr_error_nomem(error);
    work->config = config;
    work->lane_count = lane_count;
    hr_arena_init(&work->arena, 0);
    work->next = hr_calloc((size_t)lane_count + 1, sizeof(*work->next));
    work->tallies = hr_calloc((size_t)lane_count + 1, sizeof(*work->tallies));
    if (work->next == NULL || work->tallies == NULL) {
        hr_work_free(work);
        return hr_error_nomem(error);
    }
    for (int32_t i = 0; i < lane_count; i++)
        work->next[i] = HR_OFFSET_UNKNOWN;
    *out = work;
    return HR_OK;
}

void hr_work_free(hr_work *work)
{
    if (work == NULL)
        return;
    hr_batch_free(work->batch);
    hr_target_release(work->target);
    hr_arena_free(&work->arena);
    hr_free(work->chunks);
    hr_free(work->row_record);
    hr_free(work->rejects);
    hr_free(work->next);
    hr_free(work->tallies);
    hr_free(work);
}

/* Make the batch one of this target. */
static int hr_work_retarget(hr_work *work, hr_target *target, hr_error *error)
{
    hr_batch *batch;

    if (work->target == target) {
        hr_batch_clear(work->batch);
        return HR_OK;
    }
    HR_RETURN_NOT_OK(hr_batch_new(target->schema, &batch, error));
    hr_batch_free(work->batch);
    hr_target_release(work->target);
    work->batch = batch;
    work->target = hr_target_retain(target);
    return HR_OK;
}

/* A batch that a few huge records have stretched is let go, so that the memory is there for others while the load goes on. */
static void hr_work_trim(hr_work *work)
{
    if (work->batch == NULL || hr_batch_memory(work->batch) <= HR_WORK_KEEP + 4 * (size_t)work->config->batch_bytes)
        return;
    hr_batch_free(work->batch);
    hr_target_release(work->target);
    work->batch = NULL;
    work->target = NULL;
}

int hr_work_reset(hr_work *work, hr_target *target, hr_source *source, hr_error *error)
{
    for (int32_t i = 0; i < work->chunk_count; i++)
        work->config->source_ops->release(source, &work->chunks[i]);
    work->source = source;
    work->chunk_count = 0;
    work->records = work->bytes = 0;
    work->reject_count = 0;
    work->last = false;
    hr_arena_reset(&work->arena);
    memset(work->tallies, 0, sizeof(*work->tallies) * (size_t)work->lane_count);
    for (int32_t i = 0; i < work->lane_count; i++)
        work->next[i] = HR_OFFSET_UNKNOWN;
    hr_work_trim(work);
    return target != NULL ? hr_work_retarget(work, target, error) : HR_OK;
}

int hr_work_add(hr_work *work, const hr_chunk *chunk, hr_error *error)
{
    if (work->chunk_count == work->chunk_capacity) {
        int32_t capacity = work->chunk_capacity ? work->chunk_capacity * 2 : 16;
        hr_chunk *chunks = hr_realloc(work->chunks, sizeof(*chunks) * (size_t)capacity);
        if (chunks == NULL)
            return hr_error_nomem(error);
        work->chunks = chunks;
        work->chunk_capacity = capacity;
    }
    work->chunks[work->chunk_count++] = *chunk;
    for (int32_t i = 0; i < chunk->position_count; i++) {
        work->next[chunk->positions[i].lane] = chunk->positions[i].next;
        work->tallies[chunk->positions[i].lane].lost += chunk->positions[i].lost;
    }
    work->records += chunk->count;
    for (int64_t i = 0; i < chunk->count; i++)
        work->bytes += (int64_t)(chunk->records[i].len + chunk->records[i].key_len);
    return HR_OK;
}

static int hr_work_reserve_rows(hr_work *work, int64_t rows, hr_error *error)
{
    const hr_record **grown;
    int64_t capacity = work->row_capacity ? work->row_capacity : 1024;

    if (rows <= work->row_capacity)
        return HR_OK;
    while (capacity < rows)
        capacity *= 2;
    grown = hr_realloc(work->row_record, sizeof(*grown) * (size_t)capacity);
    if (grown == NULL)
        return hr_error_nomem(error);
    work->row_record = grown;
    work->row_capacity = capacity;
    return HR_OK;
}

/* Keep a reject: texts are copied, for the decoder's do not last. */
static int hr_work_keep_reject(hr_work *work, const hr_record *record, const hr_error *why, hr_reason reason, hr_error *error)
{
    hr_reject *reject;

    if (work->reject_count == work->reject_capacity) {
        int64_t capacity = work->reject_capacity ? work->reject_capacity * 2 : 64;
        hr_reject *rejects = hr_realloc(work->rejects, sizeof(*rejects) * (size_t)capacity);
        if (rejects == NULL)
            return hr_error_nomem(error);
        work->rejects = rejects;
        work->reject_capacity = capacity;
    }
    reject = &work->rejects[work->reject_count];
    memset(reject, 0, sizeof(*reject));
    reject->record = record;
    reject->reason = reason;
    reject->line = record->line;
    if (work->config->source_ops->line != NULL)
        HR_RETURN_NOT_OK(work->config->source_ops->line(work->source, record, &reject->line, error));
    if (why->column >= 0 && why->column < work->target->schema->count)
        reject->column = hr_arena_copy(&work->arena, work->target->schema->columns[why->column].name,
                                       strlen(work->target->schema->columns[why->column].name));
    if (why->value != NULL) {
        reject->value_len = why->value_len;
        if (reject->value_len > HR_REJECT_VALUE_MAX) {
            reject->value_len = HR_REJECT_VALUE_MAX;
            while (reject->value_len > 0 && (why->value[reject->value_len] & 0xc0) == 0x80) /* not in the middle of a character */
                reject->value_len--;
        }
        reject->value = hr_arena_copy(&work->arena, why->value, reject->value_len);
    }
    reject->message = hr_arena_copy(&work->arena, why->message, strlen(why->message));
    snprintf(reject->sqlstate, sizeof(reject->sqlstate), "%s", why->sqlstate);
    if (reject->message == NULL || (why->value != NULL && reject->value == NULL))
        return hr_error_nomem(error);
    work->reject_count++;
    return HR_OK;
}

/* Let the decoder know a file's header; when it does not fit, say which file it is. */
static int hr_work_header(hr_decoder *decoder, const char *header, const char *topic, hr_error *error)
{
    char why[HR_ERROR_MESSAGE_SIZE];
    int rc = hr_decoder_header(decoder, header, strlen(header), error);

    if (rc == HR_OK)
        decoder->header_of = header;
    if (rc == HR_EUSAGE && error != NULL) {
        memcpy(why, error->message, sizeof(why));
        return hr_error_set(error, HR_EUSAGE, "%s: %s", topic, why);
    }
    return rc;
}

/* One record: a row, a reject, or nothing (a tombstone, a blank line). */
static int hr_work_decode_record(hr_work *work, hr_decoder *decoder, const hr_record *record, hr_error *error)
{
    hr_tally *tally = &work->tallies[record->lane];
    hr_error why;
    int rc;

    tally->bytes += (int64_t)(record->len + record->key_len);
    if (HR_UNLIKELY(record->data == NULL) || HR_UNLIKELY(record->len == 0 && record->line > 0)) {
        if (record->data == NULL && work->config->reject_tombstones) {
            hr_error_data(&why, HR_REASON_TOMBSTONE, NULL, 0, "a message without a value (tombstone)");
            HR_RETURN_NOT_OK(hr_work_keep_reject(work, record, &why, HR_REASON_TOMBSTONE, error));
            tally->rejected++;
        } else {
            tally->skipped++;
        }
        tally->read++;
        return HR_OK;
    }
    if (HR_UNLIKELY(record->header != decoder->header_of))
        HR_RETURN_NOT_OK(hr_work_header(decoder, record->header, record->topic, error));
    if (HR_UNLIKELY(record->defect != NULL))
        rc = hr_error_data(&why, HR_REASON_MALFORMED, NULL, 0, "%s", record->defect);
    else
        rc = hr_decoder_decode(decoder, record, work->batch, &why);
    if (HR_LIKELY(rc == HR_OK)) {
        work->row_record[work->batch->length - 1] = record;
        tally->loaded++;
    } else if (rc == HR_EDATA && why.reason == HR_REASON_TOMBSTONE && !work->config->reject_tombstones) {
        tally->skipped++;
    } else if (rc == HR_EDATA) {
        HR_RETURN_NOT_OK(hr_work_keep_reject(work, record, &why, why.reason, error));
        tally->rejected++;
    } else {
        if (error != NULL)
            *error = why;
        return rc;
    }
    tally->read++;
    return HR_OK;
}

static int hr_work_decode_chunk(hr_work *work, hr_decoder *decoder, const hr_chunk *chunk, hr_error *error)
{
    HR_RETURN_NOT_OK(hr_work_reserve_rows(work, work->batch->length + chunk->count, error));
    if (chunk->header != NULL && chunk->count == 0)
        HR_RETURN_NOT_OK(hr_work_header(decoder, chunk->header, chunk->header_topic, error));
    for (int64_t i = 0; i < chunk->count; i++)
        HR_RETURN_NOT_OK(hr_work_decode_record(work, decoder, &chunk->records[i], error));
    return HR_OK;
}

int hr_work_decode(hr_work *work, hr_decoder *decoder, hr_error *error)
{
    return hr_work_decode_chunk(work, decoder, &work->chunks[work->chunk_count - 1], error);
}

int hr_work_decode_again(hr_work *work, hr_target *target, hr_decoder *decoder, hr_error *error)
{
    HR_RETURN_NOT_OK(hr_work_retarget(work, target, error));
    hr_arena_reset(&work->arena);
    work->reject_count = 0;
    for (int32_t i = 0; i < work->lane_count; i++)
        work->tallies[i] = (hr_tally){.lost = work->tallies[i].lost};
    for (int32_t i = 0; i < work->chunk_count; i++)
        HR_RETURN_NOT_OK(hr_work_decode_chunk(work, decoder, &work->chunks[i], error));
    return HR_OK;
}

int hr_work_reject_row(hr_work *work, int64_t row, const hr_error *why, hr_error *error)
{
    const hr_record *record = work->row_record[row];

    HR_RETURN_NOT_OK(hr_work_keep_reject(work, record, why, why->reason, error));
    work->row_record[row] = NULL;
    work->tallies[record->lane].loaded--;
    work->tallies[record->lane].rejected++;
    return HR_OK;
}
