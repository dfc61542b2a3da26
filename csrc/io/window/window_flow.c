/* csrc/io/window/window_flow.c: taking a share over, and publishing what it gives. */
#include "window_flow.h"

#include <stdio.h>

#include "io/kafka/kafka_admin.h"
#include "window_group.h"

#define HR_FLOW_NAME 320
#define HR_FLOW_COMMITS 256                 /* before a snapshot is made because marks are large */
#define HR_FLOW_LOSSES 5                    /* of a share in a row: then something is wrong that does not pass */
#define HR_FLOW_MESSAGE 60                  /* bytes of a message beside its key and value, at most */
#define HR_FLOW_TRANSACTION_LEAST (1 << 20) /* transactions are not made smaller than that because they take long */

/* ---- taking over ---- */

static int hr_flow_allocate(hr_flow *flow, hr_error *error)
{
    const hr_window_config *config = &flow->job->config;

    HR_RETURN_NOT_OK(hr_window_config_windows(config, flow->merge, &flow->windows, error));
    HR_RETURN_NOT_OK(hr_batch_new(config->schema, &flow->rows, error));
    HR_RETURN_NOT_OK(hr_batch_new(hr_windows_schema(flow->windows), &flow->results, error));
    if (!flow->merge)
        return HR_OK;
    flow->parts = hr_calloc((size_t)flow->job->lanes.count, sizeof(*flow->parts));
    return flow->parts != NULL ? HR_OK : hr_error_nomem(error);
}

/* HR_EUSAGE: the state is of another job, or of this one with other settings. */
static int hr_flow_check_state(const hr_flow *flow, hr_error *error)
{
    const hr_window_config *config = &flow->job->config;

    if (flow->state.fingerprint != config->fingerprint)
        return hr_error_set(
            error, HR_EUSAGE,
            "job \"%s\" has a state (topic \"%s\") of other settings (topic, columns, windows, zone, lateness, jump, keyed): go "
            "on with those, or give the job another name",
            config->job, config->state);
    if (flow->state.partitions != flow->job->lanes.count)
        return hr_window_job_grown(flow->job, flow->state.partitions, flow->job->lanes.count, error);
    return HR_OK;
}

/* Become what the state says. */
static int hr_flow_restore(hr_flow *flow, hr_error *error)
{
    const hr_window_mark *base = &flow->state.marks[0], *last = &flow->state.marks[flow->state.mark_count - 1];
    const hr_buffer *bytes = base->snapshot ? &flow->state.snapshot : &base->bytes;
    int rc = hr_windows_load(flow->windows, bytes->data, bytes->size, error);

    if (rc == HR_OK && flow->state.mark_count > 1)
        rc = hr_windows_resume(flow->windows, last->bytes.data, last->bytes.size, error);
    if (rc == HR_EDATA && error != NULL) {
        error->code = rc = HR_EBALANCE;
        error->fatal = true;
    }
    hr_buffer_free(&flow->state.snapshot);
    flow->next = base->position;
    return rc;
}

/* A share that nobody has had before. */
static int hr_flow_begin(hr_flow *flow, hr_error *error)
{
    int32_t lanes = flow->job->lanes.count;

    flow->fresh = flow->dirty = true;
    flow->state.fingerprint = flow->job->config.fingerprint;
    flow->state.partitions = lanes;
    flow->state.told = flow->state.snapshot_epoch = -1;
    flow->next = flow->merge ? 0 : flow->job->lanes.lanes[flow->partition].begin;
    flow->state.position = flow->state.round_base = flow->next;
    flow->state.frames_to = -1;
    if (!flow->merge)
        return hr_windows_lane(flow->windows, flow->partition, error);
    flow->state.lanes = hr_calloc((size_t)lanes, sizeof(*flow->state.lanes));
    flow->state.rounds = hr_calloc((size_t)lanes, sizeof(*flow->state.rounds));
    if (flow->state.lanes == NULL || flow->state.rounds == NULL)
        return hr_error_nomem(error);
    flow->state.lane_count = lanes;
    for (int32_t i = 0; i < lanes; i++) {
        flow->state.lanes[i] = -1;
        HR_RETURN_NOT_OK(hr_windows_lane(flow->windows, i, error)); /* none may close a window before all have been heard */
    }
    return HR_OK;
}

static void hr_flow_remember(hr_flow *flow);

/* The lane's watermark at the last mark; the windows are as hr_flow_restore has left them, or further. */
static int hr_flow_marked(const hr_flow *flow, int64_t *watermark, hr_error *error)
{
    const hr_window_mark *last = &flow->state.marks[flow->state.mark_count - 1];
    hr_window_lane_stats lane = {.watermark = HR_NO_WATERMARK};
    hr_windows *windows;
    int rc;

    if (flow->state.mark_count == 1) {
        *watermark = hr_flow_watermark(flow);
        return HR_OK;
    }
    HR_RETURN_NOT_OK(hr_window_config_windows(&flow->job->config, false, &windows, error));
    rc = hr_windows_load(windows, last->bytes.data, last->bytes.size, error);
    if (rc == HR_OK)
        hr_windows_lane_stats(windows, 0, &lane);
    *watermark = lane.watermark;
    hr_windows_free(windows);
    return rc;
}

int hr_flow_begin_anew(hr_flow *flow, int64_t begin, hr_error *error)
{
    hr_window_report *report = &flow->job->reports[flow->partition];
    bool closed_all = flow->state.closed_all;
    hr_windows *windows;
    hr_batch *results;
    int64_t watermark;
    int rc;

    HR_RETURN_NOT_OK(hr_flow_marked(flow, &watermark, error));
    HR_RETURN_NOT_OK(hr_window_config_windows(&flow->job->config, false, &windows, error));
    rc = hr_batch_new(hr_windows_schema(windows), &results, error);
    if (rc != HR_OK) {
        hr_windows_free(windows);
        return rc;
    }
    hr_batch_free(flow->results);
    hr_windows_free(flow->windows);
    flow->results = results;
    flow->windows = windows;
    hr_window_state_free(&flow->state);
    HR_RETURN_NOT_OK(hr_flow_begin(flow, error));
    flow->next = flow->state.position = flow->state.round_base = begin;
    flow->state.closed_all = closed_all;
    if (closed_all)
        flow->state.told = INT64_MAX;
    flow->unverified = false;
    flow->record_count = 0;
    memset(&flow->pending, 0, sizeof(flow->pending));
    hr_outbox_clear(&flow->outbox);
    rc = closed_all                     ? hr_windows_raise(windows, flow->partition, INT64_MAX, error)
         : watermark != HR_NO_WATERMARK ? hr_windows_raise(windows, flow->partition, watermark, error)
                                        : HR_OK;
    hr_flow_remember(flow);
    pthread_mutex_lock(&flow->job->lock);
    report->from = report->to = begin;
    report->held_before -= report->held;
    report->held = 0;
    pthread_mutex_unlock(&flow->job->lock);
    return rc;
}

/* What the lane has counted so far. */
static void hr_flow_lane_stats(const hr_flow *flow, hr_window_lane_stats *out)
{
    memset(out, 0, sizeof(*out));
    out->watermark = HR_NO_WATERMARK;
    (void)hr_windows_lane_find(flow->windows, flow->partition, out); /* none yet: zeros */
}

static void hr_flow_remember(hr_flow *flow)
{
    hr_window_lane_stats lane;

    hr_flow_lane_stats(flow, &lane);
    flow->rows_before = lane.rows;
    flow->late_before = lane.late;
    flow->future_before = lane.future;
    flow->untimed_before = lane.untimed;
    flow->held_before = lane.held;
}

/* The report of the partition: where this run began. What another process has made of held frames meanwhile is not this run's. */
static void hr_flow_report_taken(hr_flow *flow)
{
    hr_window_report *report = &flow->job->reports[flow->partition];

    pthread_mutex_lock(&flow->job->lock);
    if (!report->taken) {
        report->taken = true;
        report->from = report->to = flow->state.position;
        report->held_before = report->held = flow->state.held_count;
    } else {
        report->held_before += flow->state.held_count - report->held;
        report->held = flow->state.held_count;
    }
    report->stale = hr_flow_is_stale(flow);
    pthread_mutex_unlock(&flow->job->lock);
}

/* All that was to be read again has come, or is gone. */
static int hr_flow_replayed(hr_flow *flow, hr_error *error)
{
    if (!flow->merge) {
        HR_RETURN_NOT_OK(hr_windows_reach(flow->windows, flow->partition, error));
        HR_RETURN_NOT_OK(hr_flow_match_held(flow, error));
        hr_flow_report_taken(flow);
    }
    hr_flow_remember(flow);
    return HR_OK;
}

int hr_flow_open(hr_window_job *job, hr_kafka_client *admin, int32_t partition, hr_flow **out, hr_error *error)
{
    const hr_window_config *config = &job->config;
    hr_flow *flow = hr_calloc(1, sizeof(*flow));
    const char *const topics[] = {config->to, config->late, config->state,
                                  job->merges && partition < job->lanes.count ? config->partials : NULL};
    char name[HR_FLOW_NAME];
    bool found = false;
    int rc;

    *out = NULL;
    if (flow == NULL)
        return hr_error_nomem(error);
    flow->job = job;
    flow->partition = partition;
    flow->merge = partition == job->lanes.count;
    flow->topic = flow->merge ? config->partials : config->topic;
    flow->source_partition = flow->merge ? 0 : partition;
    flow->latest = -1;
    if (flow->merge)
        snprintf(name, sizeof(name), "headrace.window.%s.merge", config->job);
    else
        snprintf(name, sizeof(name), "headrace.window.%s.%d", config->job, (int)partition);
    rc = hr_flow_allocate(flow, error);
    if (rc == HR_OK)
        rc = hr_transaction_open(config->kafka, name, topics, 4, job->batch_bytes, &job->cancel, &flow->transaction, error);
    if (rc == HR_OK)
        rc = hr_window_state_read(config->kafka, admin, config->state, partition, &job->cancel, &flow->state, &found, error);
    if (rc == HR_OK && found)
        rc = hr_flow_check_state(flow, error);
    if (rc == HR_OK)
        rc = found ? hr_flow_restore(flow, error) : hr_flow_begin(flow, error);
    if (rc == HR_OK && !hr_flow_replays(flow))
        rc = hr_flow_replayed(flow, error);
    if (rc != HR_OK) {
        hr_flow_close(flow);
        return rc;
    }
    flow->committed_ms = flow->moved_ms = flow->early_ms = hr_kafka_now_ms();
    hr_flow_report_taken(flow);
    atomic_fetch_add(&job->owned[partition], 1);
    flow->owned = true;
    *out = flow;
    return HR_OK;
}

void hr_flow_close(hr_flow *flow)
{
    if (flow == NULL)
        return;
    if (flow->owned)
        atomic_fetch_sub(&flow->job->owned[flow->partition], 1);
    pthread_mutex_lock(&flow->job->lock);
    flow->job->reports[flow->partition].stale = false; /* the next owner sees to it */
    pthread_mutex_unlock(&flow->job->lock);
    hr_transaction_close(flow->transaction);
    hr_windows_free(flow->windows);
    hr_window_state_free(&flow->state);
    hr_outbox_free(&flow->outbox);
    hr_batch_free(flow->rows);
    hr_batch_free(flow->results);
    hr_free(flow->offsets);
    hr_free(flow->records);
    hr_window_writer_free(&flow->writer);
    hr_buffer_free(&flow->table_early);
    hr_buffer_free(&flow->table_final);
    hr_buffer_free(&flow->scratch);
    for (int32_t i = 0; flow->parts != NULL && i < flow->job->lanes.count; i++)
        hr_buffer_free(&flow->parts[i].bytes);
    hr_free(flow->parts);
    hr_free(flow);
}

/* ---- records ---- */

int hr_flow_note(hr_flow *flow, const hr_record *record, hr_error *error)
{
    if (HR_UNLIKELY(flow->record_count == flow->record_capacity)) {
        int64_t capacity = flow->record_capacity > 0 ? flow->record_capacity * 2 : 1024;
        const hr_record **records = hr_realloc(flow->records, (size_t)capacity * sizeof(*records));
        int64_t *offsets;

        if (records == NULL)
            return hr_error_nomem(error);
        flow->records = records;
        offsets = hr_realloc(flow->offsets, (size_t)capacity * sizeof(*offsets));
        if (offsets == NULL)
            return hr_error_nomem(error);
        flow->offsets = offsets;
        flow->record_capacity = capacity;
    }
    flow->records[flow->record_count++] = record;
    return HR_OK;
}

/* The first `count` of the noted records. */
static int hr_flow_take_some(hr_flow *flow, hr_decoder *decoder, int64_t count, hr_error *error)
{
    int64_t all = flow->record_count;
    int rc;

    if (count == 0)
        return HR_OK;
    flow->record_count = count;
    rc = flow->merge ? hr_flow_take_partials(flow, error) : hr_flow_take_frames(flow, decoder, error);
    flow->record_count = all - count;
    memmove(flow->records, flow->records + count, (size_t)flow->record_count * sizeof(*flow->records));
    return rc;
}

int hr_flow_pass(hr_flow *flow, int64_t next, hr_error *error)
{
    bool replayed = hr_flow_replays(flow);

    if (next > flow->next)
        flow->next = next;
    return replayed && !hr_flow_replays(flow) ? hr_flow_replayed(flow, error) : HR_OK;
}

/* Where the share's frames end, and what the last one is. */
static void hr_flow_note_last(hr_flow *flow)
{
    const hr_record *last = flow->records[flow->record_count - 1];

    flow->state.frames_to = last->offset + 1;
    flow->state.frame_sum = hr_window_state_sum(last);
}

/* What is read again ends within a chunk, where the counts begin anew. */
int hr_flow_take(hr_flow *flow, hr_decoder *decoder, hr_error *error)
{
    int64_t again = 0;

    if (flow->record_count == 0)
        return HR_OK;
    if (hr_flow_replays(flow)) {
        while (again < flow->record_count && flow->records[again]->offset < flow->state.position)
            again++;
        HR_RETURN_NOT_OK(hr_flow_take_some(flow, decoder, again, error));
        if (flow->record_count > 0)
            flow->next = flow->state.position;
        if (hr_flow_replays(flow))
            return HR_OK;
        HR_RETURN_NOT_OK(hr_flow_replayed(flow, error));
    }
    if (flow->record_count == 0)
        return HR_OK;
    flow->moved_ms = hr_kafka_now_ms();
    flow->idle = false;
    if (!flow->merge)
        hr_flow_note_last(flow);
    return hr_flow_take_some(flow, decoder, flow->record_count, error);
}

/* ---- results ---- */

/* HR_EKAFKA, fatal: a row is no message that can be sent. That is the key columns' doing, whose values came with some frame. */
static int hr_flow_check_size(const hr_flow *flow, const hr_window_result *result, hr_error *error)
{
    const hr_window_config *config = &flow->job->config;
    size_t size = result->key_len + result->len + HR_FLOW_MESSAGE;
    const uint8_t *slash = memchr(result->key, '/', result->key_len);
    char from[64] = "";

    if (HR_LIKELY((int64_t)size <= flow->job->message_bytes))
        return HR_OK;
    if (!flow->merge)
        snprintf(from, sizeof(from), " partition %d before offset %lld", (int)flow->source_partition, (long long)flow->next);
    hr_error_set(
        error, HR_EKAFKA,
        "job \"%s\": a result for Kafka topic \"%s\" would be a message of %zu bytes, and message.max.bytes is %lld: window %.*s, with "
        "key columns of %zu bytes, of frames of topic \"%s\"%s. Nothing of it was published. Raise message.max.bytes in the job's Kafka "
        "settings, and max.message.bytes of the topic",
        config->job, config->to, size, (long long)flow->job->message_bytes, (int)(slash != NULL ? slash - (const uint8_t *)result->key : 0),
        (const char *)result->key, result->key_len, config->topic, from);
    if (error != NULL) {
        error->fatal = true;
        error->retriable = false;
    }
    return HR_EKAFKA;
}

/* Rows [from, ...) of flow->results to the outbox, and to the table's rows. */
static int hr_flow_send_results(hr_flow *flow, hr_error *error)
{
    const hr_window_config *config = &flow->job->config;

    for (int64_t row = 0; row < flow->results->length; row++) {
        bool final = hr_window_result_is_final(flow->results, row);
        hr_buffer *table = final ? &flow->table_final : &flow->table_early;
        hr_window_result result;
        hr_kafka_message message;

        HR_RETURN_NOT_OK(hr_window_result_make(&flow->writer, flow->results, row, config->options.by_count, config->options.spec_count > 1,
                                               &result, error));
        HR_RETURN_NOT_OK(hr_flow_check_size(flow, &result, error));
        message = (hr_kafka_message){.key = result.key, .key_len = result.key_len, .value = result.value, .len = result.len};
        HR_RETURN_NOT_OK(hr_outbox_add(&flow->outbox, config->to, -1, &message, error));
        if (config->table != NULL) {
            if (table->size > 0)
                HR_RETURN_NOT_OK(hr_buffer_append(table, ",\n", 2, error));
            HR_RETURN_NOT_OK(hr_buffer_append(table, result.value, result.len, error));
        }
        if (final) {
            flow->pending.results++;
            flow->pending.windows += hr_window_result_is_next(flow->results, row);
        } else {
            flow->pending.early++;
        }
    }
    return HR_OK;
}

/* Close windows, as the share's stage does it. */
int hr_flow_emit(hr_flow *flow, bool all, hr_error *error)
{
    hr_buffer partial = {0};
    size_t most;
    int rc;

    if (hr_flow_replays(flow) || flow->state.closed_all)
        return HR_OK;
    all = flow->ending = flow->ending || all; /* what was begun goes on */
    most = (size_t)atomic_load(&flow->job->transaction_bytes);
    flow->more = flow->outbox.bytes.size >= most;
    if (flow->more)
        return HR_OK;
    most -= flow->outbox.bytes.size;
    if (all && !flow->merge) {
        HR_RETURN_NOT_OK(hr_windows_settle(flow->windows, -1, error));
        HR_RETURN_NOT_OK(hr_flow_settle_all(flow, error));
    }
    if (flow->merge || !flow->job->merges) {
        hr_batch_clear(flow->results);
        HR_RETURN_NOT_OK(hr_windows_close_some(flow->windows, all, most, &flow->more, flow->results, error));
        flow->dirty = flow->dirty || flow->results->length > 0;
        rc = hr_flow_send_results(flow, error);
    } else {
        rc = hr_windows_close_partial_some(flow->windows, all, most, &flow->more, &partial, error);
        if (rc == HR_OK && (partial.size > 0 || flow->state.told < flow->next))
            rc = hr_flow_send_partial(flow, &partial, all, error);
        hr_buffer_free(&partial);
    }
    flow->dirty = flow->dirty || flow->more;
    if (rc == HR_OK && all && !flow->more)
        flow->state.closed_all = flow->dirty = true;
    return rc;
}

/* Rows of open windows, when it is time. */
static int hr_flow_emit_early(hr_flow *flow, hr_error *error)
{
    int64_t now = hr_kafka_now_ms();

    if (flow->job->config.early_ms == 0 || flow->job->merges || now - flow->early_ms < flow->job->config.early_ms || flow->state.closed_all)
        return HR_OK;
    flow->early_ms = now;
    hr_batch_clear(flow->results);
    HR_RETURN_NOT_OK(hr_windows_early(flow->windows, flow->results, error));
    return hr_flow_send_results(flow, error);
}

/* ---- publishing ---- */

/* Every frame since the last commit has become something, by our count and by that of the windows. */
static int hr_flow_balance(hr_flow *flow, hr_window_lane_stats *lane, hr_error *error)
{
    hr_window_counts *pending = &flow->pending;
    int64_t rows, late, future, untimed, held;

    hr_flow_lane_stats(flow, lane);
    rows = lane->rows - flow->rows_before;
    late = lane->late - flow->late_before;
    future = lane->future - flow->future_before;
    untimed = lane->untimed - flow->untimed_before;
    held = lane->held - flow->held_before;
    pending->counted = rows - late - future - untimed - held;
    if (late != pending->late || future != pending->future || pending->counted < 0 || lane->held != flow->state.held_count ||
        pending->frames != pending->counted + pending->late + pending->malformed + pending->future + pending->tombstones + held)
        return hr_error_set(error, HR_EBALANCE,
                            "partition %d of topic \"%s\": %lld frames are not %lld counted + %lld late + %lld malformed + %lld future + "
                            "%lld without a value + %lld held",
                            (int)flow->partition, flow->topic, (long long)pending->frames, (long long)pending->counted,
                            (long long)pending->late, (long long)pending->malformed, (long long)pending->future,
                            (long long)pending->tombstones, (long long)held);
    return HR_OK;
}

bool hr_flow_is_stale(const hr_flow *flow)
{
    const hr_window_state *state = &flow->state;
    int64_t age;

    if (flow->gap)
        return true;
    if (state->mark_count == 0 || state->marks[0].position >= state->position)
        return false;
    age = hr_window_clock_ms() - state->marks[0].made_ms;
    return age >= flow->job->config.snapshot_ms || age < -flow->job->config.snapshot_ms; /* the clock was set back */
}

/* A snapshot is due when reading again from the oldest mark would cost much more than writing one, when that mark has become old, as the
 * topic does not keep its frames for ever, and when the marks have become large. */
static bool hr_flow_wants_snapshot(const hr_flow *flow)
{
    const hr_window_state *state = &flow->state;
    int64_t since = flow->read - (state->mark_count > 0 ? state->marks[0].read : 0);
    hr_window_stats stats;

    if (state->mark_count == 0)
        return false;
    if (hr_flow_is_stale(flow) || (state->marks[state->mark_count - 1].epoch - state->marks[0].epoch > HR_FLOW_COMMITS &&
                                   2 * hr_window_state_mark_bytes(state) > HR_WINDOW_MARK_BYTES))
        return true;
    if (since <= flow->job->config.snapshot_bytes)
        return false;
    hr_windows_stats(flow->windows, &stats);
    return since > flow->job->config.snapshot_bytes + 8 * (int64_t)stats.memory && stats.open_windows > 0;
}

/* All windows into the state topic. What does not fit into the transaction goes before, in others: it counts when the state names it. */
static int hr_flow_save_snapshot(hr_flow *flow, const hr_buffer *bytes, int64_t epoch, bool *lost, hr_error *error)
{
    size_t most = (size_t)atomic_load(&flow->job->transaction_bytes);
    hr_outbox before = {0};
    int32_t piece = 0;
    int rc = HR_OK;

    while (rc == HR_OK && piece >= 0 && !*lost) {
        bool fits = (size_t)piece * HR_STATE_PIECE + most + HR_STATE_PIECE > bytes->size;

        rc = hr_window_state_write_snapshot(&flow->state, bytes, epoch, &piece, fits ? SIZE_MAX : most, flow->job->config.state,
                                            flow->partition, fits ? &flow->outbox : &before, error);
        if (rc == HR_OK && !fits)
            rc = hr_transaction_publish(flow->transaction, &before, NULL, NULL, lost, error);
        hr_outbox_clear(&before);
    }
    hr_outbox_free(&before);
    return rc;
}

/* A mark, or a snapshot. */
static int hr_flow_save(hr_flow *flow, bool *lost, hr_error *error)
{
    hr_window_state *state = &flow->state;
    hr_buffer bytes = {0};
    int64_t epoch, oldest;
    bool snapshot = hr_flow_wants_snapshot(flow);
    int rc = hr_windows_save(flow->windows, snapshot, &bytes, &epoch, error);

    if (rc == HR_OK && snapshot) {
        rc = hr_flow_save_snapshot(flow, &bytes, epoch, lost, error);
        hr_buffer_free(&bytes);
    }
    if (rc != HR_OK || *lost) {
        hr_buffer_free(&bytes);
        return rc;
    }
    flow->gap = flow->gap && !snapshot;
    state->position = flow->next;
    oldest = hr_windows_oldest_epoch(flow->windows);
    hr_windows_forget(flow->windows, hr_window_state_push(state, epoch, flow->next, snapshot, &bytes, oldest));
    if (!state->marks[0].snapshot && oldest < state->marks[0].epoch)
        return hr_error_set(error, HR_EBALANCE, "share %d of job \"%s\": a window is older than all marks", (int)flow->partition,
                            flow->job->config.job);
    state->marks[state->mark_count - 1].read = flow->read;
    return hr_window_state_write(state, flow->job->config.state, flow->partition, &flow->outbox, error);
}

int64_t hr_flow_watermark(const hr_flow *flow)
{
    hr_window_lane_stats lane;

    if (flow->merge)
        return hr_windows_reached(flow->windows);
    hr_flow_lane_stats(flow, &lane);
    return lane.watermark;
}

/* The offset, with what the other workers need to know of this partition: its watermark, and whether to wait for it. */
static int hr_flow_offsets(const hr_flow *flow, const hr_window_word *word, rd_kafka_topic_partition_list_t **out, hr_error *error)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *each = rd_kafka_topic_partition_list_add(list, flow->topic, flow->source_partition);
    char text[HR_GROUP_WORD];
    int n = hr_group_word_write(word, text);

    *out = list;
    each->offset = flow->next;
    each->metadata = hr_malloc((size_t)n + 1); /* librdkafka's to free */
    if (each->metadata == NULL)
        return hr_error_nomem(error);
    memcpy(each->metadata, text, (size_t)n + 1);
    each->metadata_size = (size_t)n;
    return HR_OK;
}

/* The transaction has committed: what it did is done. */
static void hr_flow_committed(hr_flow *flow, const hr_window_word *word, int32_t held)
{
    hr_window_job *job = flow->job;
    hr_window_report *report = &job->reports[flow->partition];

    flow->pending.commits++;
    pthread_mutex_lock(&job->lock);
    report->to = flow->state.position;
    report->held = held;
    job->words[flow->partition] = *word;
    report->losses = 0;
    report->stale = hr_flow_is_stale(flow);
    hr_window_counts_add(&report->counts, &flow->pending);
    hr_window_counts_add(&job->counts, &flow->pending);
    pthread_mutex_unlock(&job->lock);
    memset(&flow->pending, 0, sizeof(flow->pending));
    hr_outbox_clear(&flow->outbox);
    flow->table_early.size = flow->table_final.size = 0;
    flow->fresh = flow->dirty = false;
    flow->last_word = flow->last_word && flow->more; /* it was not sent yet */
    flow->committed_ms = hr_kafka_now_ms();
    hr_flow_remember(flow);
}

/* The share was lost. That is as it should be when it has gone to somebody else, but not when it comes back and is lost again for ever. */
static int hr_flow_lost(hr_flow *flow, hr_error *error)
{
    hr_window_job *job = flow->job;
    int64_t timeout_ms, most = atomic_load(&job->transaction_bytes);
    bool expired = hr_transaction_expired(flow->transaction, &timeout_ms);
    int32_t losses;

    pthread_mutex_lock(&job->lock);
    losses = ++job->reports[flow->partition].losses;
    pthread_mutex_unlock(&job->lock);
    if (expired && most > HR_FLOW_TRANSACTION_LEAST) /* in smaller pieces it may get there */
        atomic_store(&job->transaction_bytes, most / 4 > HR_FLOW_TRANSACTION_LEAST ? most / 4 : HR_FLOW_TRANSACTION_LEAST);
    if (losses < HR_FLOW_LOSSES)
        return HR_OK;
    if (expired)
        hr_error_set(error, HR_EKAFKA,
                     "share %d of window job \"%s\" could not commit %d times in a row: a transaction of %lld messages (%lld bytes) took "
                     "longer than %lld ms; raise the Kafka setting transaction.timeout.ms (and the brokers' transaction.max.timeout.ms)",
                     (int)flow->partition, job->config.job, (int)losses, (long long)flow->outbox.count, (long long)flow->outbox.bytes.size,
                     (long long)timeout_ms);
    else
        hr_error_set(error, HR_EKAFKA,
                     "share %d of window job \"%s\" was taken away before it could commit, %d times in a row: is there another process "
                     "that uses the job's name, outside of its group?",
                     (int)flow->partition, job->config.job, (int)losses);
    if (error != NULL)
        error->retriable = true;
    return HR_EKAFKA;
}

/* While windows of the second stage are still to come, its round is not over. Returns what it will be then. */
static int64_t hr_flow_hold_round(hr_flow *flow)
{
    int64_t over = flow->state.over;

    if (!flow->merge || !flow->more)
        return over;
    pthread_mutex_lock(&flow->job->lock);
    if (flow->job->words[flow->partition].known && flow->job->words[flow->partition].round < over)
        flow->state.over = flow->job->words[flow->partition].round;
    pthread_mutex_unlock(&flow->job->lock);
    return over;
}

/* One transaction. */
static int hr_flow_publish(hr_flow *flow, rd_kafka_t *member, hr_window_table *table, bool *lost, hr_error *error)
{
    rd_kafka_topic_partition_list_t *offsets = NULL;
    hr_window_lane_stats lane = {0};
    hr_window_word word;
    int64_t over;
    int rc;

    HR_RETURN_NOT_OK(hr_flow_emit(flow, false, error));
    HR_RETURN_NOT_OK(hr_flow_emit_early(flow, error));
    over = hr_flow_hold_round(flow);
    if (!flow->merge)
        HR_RETURN_NOT_OK(hr_flow_balance(flow, &lane, error));
    if (flow->last_word && !flow->more)
        HR_RETURN_NOT_OK(hr_flow_send_last_word(flow, error));
    HR_RETURN_NOT_OK(hr_flow_save(flow, lost, error));
    if (*lost)
        return HR_OK;
    if (table != NULL) {
        HR_RETURN_NOT_OK(hr_window_table_write(table, &flow->table_early, error));
        HR_RETURN_NOT_OK(hr_window_table_write(table, &flow->table_final, error));
    }
    hr_flow_word(flow, &word);
    rc = hr_flow_offsets(flow, &word, &offsets, error);
    if (rc == HR_OK)
        rc = hr_transaction_publish(flow->transaction, &flow->outbox, member, offsets, lost, error);
    rd_kafka_topic_partition_list_destroy(offsets);
    if (rc == HR_OK && !*lost)
        hr_flow_committed(flow, &word, lane.held);
    flow->state.over = over;
    return rc;
}

int hr_flow_commit(hr_flow *flow, rd_kafka_t *member, hr_window_table *table, bool *lost, hr_error *error)
{
    *lost = false;
    if (hr_flow_replays(flow) || !hr_flow_is_whole(flow))
        return HR_OK;
    do
        HR_RETURN_NOT_OK(hr_flow_publish(flow, member, table, lost, error));
    while (flow->more && !*lost && !atomic_load(&flow->job->cancel));
    return *lost ? hr_flow_lost(flow, error) : HR_OK;
}

int hr_window_job_grown(const hr_window_job *job, int32_t had, int32_t has, hr_error *error)
{
    return hr_error_set(error, HR_EUSAGE,
                        "topic \"%s\" had %d partitions when job \"%s\" began, and has %d now: windows that are open cannot be shared out "
                        "anew. Start another job on it; or let this one begin anew: headrace offsets forget %s",
                        job->config.topic, (int)had, job->config.job, (int)has, job->config.job);
}

void hr_window_counts_add(hr_window_counts *to, const hr_window_counts *more)
{
    to->frames += more->frames;
    to->counted += more->counted;
    to->late += more->late;
    to->malformed += more->malformed;
    to->future += more->future;
    to->tombstones += more->tombstones;
    to->replayed += more->replayed;
    to->bytes += more->bytes;
    to->results += more->results;
    to->early += more->early;
    to->windows += more->windows;
    to->commits += more->commits;
}
