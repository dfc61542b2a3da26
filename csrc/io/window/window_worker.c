/* csrc/io/window/window_worker.c: the loop: what the group says, frames, partials, commits. */
#include "window_worker.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "io/kafka/kafka_admin.h"
#include "window_lost.h"
#include "window_round.h"

#define HR_WORKER_CHUNK 8192
#define HR_WORKER_WAIT_MS 50       /* for frames, when there is nothing else to do */
#define HR_WORKER_RETRY_MS 1000    /* before a share that was lost is taken again */
#define HR_WORKER_SOON_MS 100      /* between two commits at least, when all that is there has been read */
#define HR_WORKER_OUTBOX (8 << 20) /* bytes that may wait for their commit */
#define HR_WORKER_LEARN_MS 120000  /* how long brokers may be away while a share is taken over */
#define HR_WORKER_LEARN_PAUSE_MS 100
#define HR_WORKER_LOSSES 3
#define HR_WORKER_ADVICE 512
#define HR_WORKER_LEAVE_MS 3000
#define HR_WORKER_LEAVE_SOON_MS 500

/* ---- shares ---- */

/* Publish what a share has, and forget the share when it was lost. */
static int hr_window_worker_commit(hr_window_worker *worker, int32_t share, hr_error *error)
{
    hr_flow *flow = worker->flows[share];
    bool lost;

    HR_RETURN_NOT_OK(hr_flow_commit(flow, worker->group.client->rk, worker->table, &lost, error));
    if (!lost)
        return HR_OK;
    hr_flow_close(flow);
    worker->flows[share] = NULL;
    worker->retry_ms[share] = hr_kafka_now_ms() + HR_WORKER_RETRY_MS;
    worker->reopen = true;
    return HR_OK;
}

/* hr_group.revoked: the share goes to somebody else, who will go on from what was committed last. */
static void hr_window_worker_revoked(void *arg, int32_t share, bool ours)
{
    hr_window_worker *worker = arg;
    hr_error ignored;

    if (worker->flows[share] == NULL)
        return;
    if (ours && !atomic_load(&worker->job->cancel) &&
        (worker->flows[share]->dirty || worker->flows[share]->next > worker->flows[share]->state.position))
        (void)hr_window_worker_commit(worker, share, &ignored); /* what fails is done again by the next owner */
    hr_flow_close(worker->flows[share]);
    worker->flows[share] = NULL;
    worker->reopen = true;
}

/* What the group knows of shares that were just taken over: their last owners have no open transactions any more. */
static int hr_window_worker_learn(hr_window_worker *worker, hr_error *error)
{
    hr_window_job *job = worker->job;
    int64_t deadline = hr_kafka_now_ms() + HR_WORKER_LEARN_MS;
    int rc = hr_window_round_ask(worker, error);

    while (rc == HR_EKAFKA && !error->fatal && !atomic_load(&job->cancel) && hr_kafka_now_ms() < deadline) {
        nanosleep(&(struct timespec){.tv_nsec = HR_WORKER_LEARN_PAUSE_MS * 1000000L}, NULL);
        rc = hr_window_round_ask(worker, error);
    }
    HR_RETURN_NOT_OK(rc);
    HR_RETURN_NOT_OK(hr_window_lost_look(worker, error));
    for (int32_t i = 0; i <= job->lanes.count; i++) {
        hr_flow *flow = worker->flows[i];

        if (flow == NULL || flow->known)
            continue;
        flow->known = true;
        flow->dirty = flow->dirty || !worker->words[i].known; /* the group has forgotten it: the others wait for its word */
        pthread_mutex_lock(&job->lock);
        job->words[i] = worker->words[i];
        pthread_mutex_unlock(&job->lock);
    }
    return HR_OK;
}

/* Take over what the group gave us. */
static int hr_window_worker_take(hr_window_worker *worker, hr_error *error)
{
    int64_t now = hr_kafka_now_ms();
    bool any = false;

    for (int32_t i = 0; i <= worker->job->lanes.count; i++) {
        if (!worker->group.assigned[i] || worker->flows[i] != NULL || now < worker->retry_ms[i])
            continue;
        HR_RETURN_NOT_OK(hr_flow_open(worker->job, worker->admin, i, &worker->flows[i], error));
        any = worker->reopen = true;
    }
    if (!any)
        return HR_OK;
    HR_RETURN_NOT_OK(hr_window_worker_learn(worker, error));
    for (int32_t i = 0; i <= worker->job->lanes.count; i++)
        if (worker->flows[i] != NULL && worker->flows[i]->fresh) /* there is a mark before the first frame */
            HR_RETURN_NOT_OK(hr_window_worker_commit(worker, i, error));
    return HR_OK;
}

/* ---- sources ---- */

static void hr_window_worker_close_sources(hr_window_worker *worker)
{
    const hr_source_ops *ops = hr_source_find("kafka");

    ops->close(worker->frames);
    ops->close(worker->partials);
    worker->frames = worker->partials = NULL;
}

/* Read these shares from where each is. `again` says what a job does that begins anew, when records are gone: its offsets are not in a
 * database, from where others set theirs. */
static int hr_window_worker_open(hr_window_worker *worker, const char *topic, const hr_lane *lanes, int32_t count, const char *again,
                                 hr_source **out, hr_error *error)
{
    char advice[HR_WORKER_ADVICE];
    json_t *kafka, *config;
    int rc = hr_kafka_config_for_long(worker->job->config.kafka, &kafka, error);

    if (rc != HR_OK)
        return rc;
    snprintf(advice, sizeof(advice), "%s: headrace offsets forget %s", again, worker->job->config.job);
    config = json_pack("{s:s, s:s, s:s, s:o}", "kind", "kafka", "topic", topic, "advice", advice, "config", kafka);
    if (config == NULL)
        return hr_error_nomem(error);
    rc = hr_source_find("kafka")->open(config, lanes, count, &worker->job->cancel, out, error);
    json_decref(config);
    return rc;
}

static int hr_window_worker_reopen(hr_window_worker *worker, hr_error *error)
{
    const hr_lanes *all = &worker->job->lanes;
    hr_lane *lanes = hr_calloc((size_t)all->count + 1, sizeof(*lanes));
    int32_t count = 0;
    int rc = HR_OK;

    if (lanes == NULL)
        return hr_error_nomem(error);
    hr_window_worker_close_sources(worker);
    for (int32_t i = 0; i < all->count; i++) {
        const hr_flow *flow = worker->flows[i];

        if (flow == NULL || (!hr_flow_replays(flow) && !flow->unverified && flow->next >= hr_window_worker_limit(worker->job, i)))
            continue;
        lanes[count] = all->lanes[i];
        lanes[count].next = flow->next;
        if (flow->unverified && lanes[count].next >= flow->state.frames_to)
            lanes[count].next = flow->state.frames_to - 1;
        lanes[count].end = hr_window_worker_limit(worker->job, i);
        if (lanes[count].end < flow->state.position)
            lanes[count].end = flow->state.position;
        worker->frame_lanes[count++] = i;
    }
    if (count > 0)
        rc = hr_window_worker_open(worker, worker->job->config.topic, lanes, count, "to count all anew", &worker->frames, error);
    if (rc == HR_OK && worker->flows[all->count] != NULL) {
        lanes[0] = (hr_lane){.partition = 0, .next = worker->flows[all->count]->next, .end = INT64_MAX, .backlog_bytes = -1};
        rc = hr_window_worker_open(worker, worker->job->config.partials, lanes, 1,
                                   "these are the job's own partial results, which nobody else has; to count all anew from its source",
                                   &worker->partials, error);
    }
    hr_free(lanes);
    worker->reopen = rc != HR_OK;
    return rc;
}

/* Records of a chunk to the shares that they belong to. `lanes` NULL: all to the second stage. */
static int hr_window_worker_sort(hr_window_worker *worker, const hr_chunk *chunk, const int32_t *lanes, hr_error *error)
{
    int32_t merge = worker->job->lanes.count;
    int rc = HR_OK;

    for (int64_t i = 0; rc == HR_OK && i < chunk->count; i++) {
        hr_flow *flow = worker->flows[lanes != NULL ? lanes[chunk->records[i].lane] : merge];

        if (flow != NULL && HR_UNLIKELY(flow->unverified))
            rc = hr_window_lost_verify(worker, flow, &chunk->records[i], error);
        /* what was only looked at has been counted before; what comes behind frames that are others now is read anew */
        if (rc == HR_OK && flow != NULL && !flow->fresh && chunk->records[i].offset >= flow->next)
            rc = hr_flow_note(flow, &chunk->records[i], error);
    }
    for (int32_t i = 0; i <= merge; i++) {
        hr_flow *flow = worker->flows[i];

        if (flow == NULL)
            continue;
        if (rc == HR_OK)
            rc = hr_flow_take(flow, worker->decoder, error);
        flow->record_count = 0;
    }
    for (int32_t i = 0; rc == HR_OK && i < chunk->position_count; i++) {
        hr_flow *flow = worker->flows[lanes != NULL ? lanes[chunk->positions[i].lane] : merge];

        if (flow == NULL || flow->fresh)
            continue;
        rc = hr_flow_pass(flow, chunk->positions[i].next, error);
        flow->unverified = flow->unverified && chunk->positions[i].next < flow->state.frames_to;
    }
    for (int32_t i = 0; rc == HR_OK && i < merge; i++)
        if (worker->flows[i] != NULL && worker->flows[i]->fresh)
            rc = hr_window_worker_commit(worker, i, error);
    return rc;
}

/* How many of the chunk's records have not been read before this run. */
static int64_t hr_window_worker_new(const hr_window_worker *worker, const hr_chunk *chunk)
{
    int64_t count = 0;

    for (int64_t i = 0; i < chunk->count; i++) {
        const hr_flow *flow = worker->flows[worker->frame_lanes[chunk->records[i].lane]];

        count += flow != NULL && chunk->records[i].offset >= flow->state.position;
    }
    return count;
}

/* The source cannot go on: what is there is not what was to be read. Take the shares again, which finds out what is lost, and accepts it
 * when that is wanted. */
static int hr_window_worker_lost(hr_window_worker *worker, const hr_source *source, int rc, hr_error *error)
{
    if (rc != HR_EKAFKA || error == NULL || !error->fatal || source != worker->frames || ++worker->losses > HR_WORKER_LOSSES)
        return rc;
    for (int32_t i = 0; i < worker->job->lanes.count; i++) {
        hr_flow_close(worker->flows[i]);
        worker->flows[i] = NULL;
    }
    worker->reopen = true;
    hr_error_clear(error);
    return HR_OK;
}

/* One chunk of a source. *count: its records. */
static int hr_window_worker_fetch(hr_window_worker *worker, hr_source *source, const int32_t *lanes, int wait_ms, int64_t *count,
                                  hr_error *error)
{
    const hr_source_ops *ops = hr_source_find("kafka");
    int64_t most = HR_WORKER_CHUNK, granted = 0;
    hr_chunk chunk;
    int rc;

    *count = 0;
    if (source == NULL)
        return HR_OK;
    if (lanes != NULL && worker->job->config.max_records != INT64_MAX) {
        granted = atomic_fetch_sub(&worker->job->budget, HR_WORKER_CHUNK);
        most = granted <= 0 ? 0 : granted < HR_WORKER_CHUNK ? granted : HR_WORKER_CHUNK;
        if (most == 0) {
            atomic_fetch_add(&worker->job->budget, HR_WORKER_CHUNK);
            return HR_OK;
        }
    }
    rc = ops->fetch(source, wait_ms, most, &chunk, error);
    if (rc != HR_OK) {
        if (granted > 0)
            atomic_fetch_add(&worker->job->budget, HR_WORKER_CHUNK);
        return hr_window_worker_lost(worker, source, rc, error);
    }
    worker->losses = lanes != NULL && chunk.count > 0 ? 0 : worker->losses;
    if (granted > 0) {
        int64_t back = HR_WORKER_CHUNK - hr_window_worker_new(worker, &chunk);

        if (atomic_fetch_add(&worker->job->budget, back) + back <= 0)
            atomic_store(&worker->job->stop, true);
    }
    *count = chunk.count;
    rc = hr_window_worker_sort(worker, &chunk, lanes, error);
    ops->release(source, &chunk);
    return rc;
}

/* ---- commits ---- */

/* Whether it is time to publish what the share has. */
static bool hr_window_worker_is_due(const hr_window_worker *worker, const hr_flow *flow, bool caught_up)
{
    int64_t since = hr_kafka_now_ms() - flow->committed_ms;

    if (hr_flow_replays(flow))
        return false;
    if ((int64_t)flow->outbox.bytes.size > HR_WORKER_OUTBOX || hr_flow_is_stale(flow))
        return true;
    if (flow->dirty && caught_up && since >= HR_WORKER_SOON_MS)
        return true;
    return (flow->dirty || flow->next > flow->state.position) && since >= worker->job->config.commit_ms;
}

/* Whether all that the run asks of the share has been read, and has to be published. */
static int hr_window_worker_end(hr_window_worker *worker, hr_flow *flow, bool *now, hr_error *error)
{
    const hr_window_job *job = worker->job;
    bool all = true;

    *now = false;
    if (job->config.forever || hr_flow_replays(flow))
        return HR_OK;
    if (!flow->merge) {
        if (flow->next < hr_window_worker_limit(job, flow->partition))
            return HR_OK;
        if (job->config.close_all && !flow->state.closed_all)
            HR_RETURN_NOT_OK(hr_flow_emit(flow, true, error));
        *now = flow->dirty || flow->next > flow->state.position || (job->merges && flow->state.told < flow->next);
        return HR_OK;
    }
    for (int32_t i = 0; i < flow->state.lane_count; i++)
        all = all && flow->state.lanes[i] == INT64_MAX;
    if (all && job->config.close_all && !flow->state.closed_all && hr_flow_is_whole(flow)) {
        HR_RETURN_NOT_OK(hr_flow_emit(flow, true, error));
        *now = true;
    }
    all = true;
    for (int32_t i = 0; i < flow->state.lane_count; i++)
        all = all && flow->state.lanes[i] >= hr_window_worker_limit(job, i);
    *now = *now || (all && flow->next > flow->state.position) || flow->state.over > job->words[flow->partition].round;
    return HR_OK;
}

static int hr_window_worker_commits(hr_window_worker *worker, bool caught_up, bool all, hr_error *error)
{
    for (int32_t i = 0; i <= worker->job->lanes.count; i++) {
        hr_flow *flow = worker->flows[i];
        bool now = false;

        if (flow == NULL)
            continue;
        if (!all)
            HR_RETURN_NOT_OK(hr_window_worker_end(worker, flow, &now, error));
        /* results are known as soon as there is time to look for them */
        if (caught_up && !all && flow->next > flow->state.position && (flow->merge || !worker->job->merges) && hr_flow_is_whole(flow))
            HR_RETURN_NOT_OK(hr_flow_emit(flow, false, error));
        if (now || hr_window_worker_is_due(worker, flow, caught_up) || (all && (flow->next > flow->state.position || flow->dirty)))
            HR_RETURN_NOT_OK(hr_window_worker_commit(worker, i, error));
    }
    return HR_OK;
}

/* ---- the thread ---- */

static int hr_window_worker_prepare(hr_window_worker *worker, hr_error *error)
{
    hr_window_job *job = worker->job;
    size_t shares = (size_t)job->lanes.count + 1;
    hr_windows *windows;
    int rc;

    worker->flows = hr_calloc(shares, sizeof(hr_flow *));
    worker->retry_ms = hr_calloc(shares, sizeof(*worker->retry_ms));
    worker->frame_lanes = hr_calloc(shares, sizeof(*worker->frame_lanes));
    worker->words = hr_calloc(shares, sizeof(*worker->words));
    worker->asked = hr_calloc(shares, sizeof(*worker->asked));
    worker->latest = hr_calloc(shares, sizeof(*worker->latest));
    if (worker->flows == NULL || worker->retry_ms == NULL || worker->frame_lanes == NULL || worker->words == NULL ||
        worker->asked == NULL || worker->latest == NULL)
        return hr_error_nomem(error);
    HR_RETURN_NOT_OK(hr_decoder_new(hr_format_find("json"), job->config.schema, &(hr_decode_options){0}, &worker->decoder, error));
    HR_RETURN_NOT_OK(hr_kafka_client_open(job->config.kafka, HR_KAFKA_READER, NULL, 0, NULL, &worker->admin, error));
    worker->admin->cancel = &job->cancel;
    if (job->config.table != NULL) {
        HR_RETURN_NOT_OK(hr_window_config_windows(&job->config, false, &windows, error));
        rc = hr_window_table_open(&job->config, hr_windows_schema(windows), &job->cancel, &worker->table, error);
        hr_windows_free(windows);
        HR_RETURN_NOT_OK(rc);
    }
    return hr_group_open(job, worker->index, hr_window_worker_revoked, worker, &worker->group, error);
}

/* One round. *over: the run has come to its end. */
static int hr_window_worker_round(hr_window_worker *worker, bool *over, hr_error *error)
{
    hr_window_job *job = worker->job;
    int64_t frames, partials;
    bool work = worker->frames != NULL;

    HR_RETURN_NOT_OK(hr_group_poll(&worker->group, work || worker->partials != NULL ? 0 : HR_WORKER_WAIT_MS, error));
    HR_RETURN_NOT_OK(hr_window_worker_take(worker, error));
    if (worker->reopen)
        HR_RETURN_NOT_OK(hr_window_worker_reopen(worker, error));
    *over = atomic_load(&job->stop) || (job->deadline_ms > 0 && hr_kafka_now_ms() >= job->deadline_ms);
    if (*over)
        return hr_window_worker_commits(worker, true, true, error);
    HR_RETURN_NOT_OK(hr_window_worker_fetch(worker, worker->frames, worker->frame_lanes,
                                            worker->partials != NULL ? HR_WORKER_WAIT_MS / 10 : HR_WORKER_WAIT_MS, &frames, error));
    HR_RETURN_NOT_OK(hr_window_worker_fetch(worker, worker->partials, NULL, frames > 0 ? 0 : HR_WORKER_WAIT_MS / 10, &partials, error));
    HR_RETURN_NOT_OK(hr_window_worker_commits(worker, frames == 0 && partials == 0, false, error));
    if (frames == 0 && partials == 0 && worker->partials == NULL)
        HR_RETURN_NOT_OK(hr_group_poll(&worker->group, 5, error)); /* sources that have come to their end do not wait */
    return hr_window_worker_watch(worker, error);
}

static void *hr_window_worker_run(void *arg)
{
    hr_window_worker *worker = arg;
    hr_window_job *job = worker->job;
    bool over = false;
    int rc = hr_window_worker_prepare(worker, &worker->error);

    while (rc == HR_OK && !over && !atomic_load(&job->cancel))
        rc = hr_window_worker_round(worker, &over, &worker->error);
    if (rc == HR_OK)
        hr_error_clear(&worker->error);
    else
        atomic_store(&job->stop, true); /* the others commit what they have; this worker's shares are done again by the next run */
    for (int32_t i = 0; worker->flows != NULL && i <= job->lanes.count; i++) {
        hr_flow_close(worker->flows[i]);
        worker->flows[i] = NULL;
    }
    hr_window_worker_close_sources(worker);
    hr_group_close(&worker->group, atomic_load(&job->cancel) ? HR_WORKER_LEAVE_SOON_MS : HR_WORKER_LEAVE_MS);
    hr_kafka_client_close(worker->admin);
    hr_kafka_client_close(worker->ends);
    hr_decoder_free(worker->decoder);
    hr_window_table_close(worker->table);
    hr_free(worker->flows);
    hr_free(worker->retry_ms);
    hr_free(worker->frame_lanes);
    hr_free(worker->words);
    hr_free(worker->asked);
    hr_free(worker->latest);
    worker->flows = NULL;
    return NULL;
}

int hr_window_worker_start(hr_window_worker *worker, hr_window_job *job, int32_t index, hr_error *error)
{
    worker->job = job;
    worker->index = index;
    worker->now = (hr_window_now){.watermark = HR_NO_WATERMARK, .lag = -1};
    hr_error_clear(&worker->error);
    if (pthread_create(&worker->thread, NULL, hr_window_worker_run, worker) != 0)
        return hr_error_set(error, HR_ENOMEM, "a thread could not be started");
    worker->started = true;
    return HR_OK;
}

void hr_window_worker_join(hr_window_worker *worker)
{
    if (worker->started)
        pthread_join(worker->thread, NULL);
    worker->started = false;
}
