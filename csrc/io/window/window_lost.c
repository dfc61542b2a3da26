/* csrc/io/window/window_lost.c: frames, topics and states that are gone. */
#include "window_lost.h"

#include "io/kafka/kafka_admin.h"

#define HR_LOST_ASK_MS 15000

/* ---- states ---- */

/* HR_EKAFKA, fatal: what the share's state says is not what was committed with it. */
static int hr_lost_check_state(const hr_flow *flow, const hr_window_word *word, hr_error *error)
{
    const hr_window_config *config = &flow->job->config;
    bool older = flow->state.position < word->offset;

    /* what others have committed has no words with it */
    if (word->offset < 0 || (!flow->fresh && word->offset == flow->state.position))
        return HR_OK;
    if (flow->fresh)
        hr_error_set(
            error, HR_EKAFKA,
            "job \"%s\": its consumer group \"%s\" has read Kafka topic \"%s\" partition %d up to offset %lld, but topic \"%s\" has no "
            "state of it (partition %d): was it deleted, or does it have cleanup.policy=delete? Going on would publish results a "
            "second time. Put the topic back, or begin anew: headrace offsets forget %s",
            config->job, config->group, flow->topic, (int)flow->source_partition, (long long)word->offset, config->state,
            (int)flow->partition, config->job);
    else
        hr_error_set(error, HR_EKAFKA,
                     "job \"%s\": its state in topic \"%s\" (partition %d) is at offset %lld of Kafka topic \"%s\" partition %d, but its "
                     "consumer group \"%s\" at %lld: %s. Nothing was read. To begin anew: headrace offsets forget %s",
                     config->job, config->state, (int)flow->partition, (long long)flow->state.position, flow->topic,
                     (int)flow->source_partition, config->group, (long long)word->offset,
                     older ? "the state is older than what was published (was it restored, or did brokers lose it?)"
                           : "somebody has changed the group's offsets, which does not move a window job",
                     config->job);
    if (error != NULL) {
        error->fatal = true;
        error->retriable = false;
    }
    return HR_EKAFKA;
}

/* ---- partials ---- */

/* The second stage's input was made anew: its offsets begin again. Whoever takes a share over looks before publishing anything: with what
 * is published the topic would grow to where the second stage is, which would then go on there, without what lies before. */
static int hr_lost_check_partials(hr_window_worker *worker, hr_error *error)
{
    const hr_window_config *config = &worker->job->config;
    int32_t merge = worker->job->lanes.count, zero = 0;
    const hr_flow *flow = worker->flows[merge];
    int64_t at = worker->words[merge].offset, end;

    if (flow != NULL && flow->state.position > at) /* the group may have forgotten it */
        at = flow->state.position;
    if (!worker->job->merges || at <= 0)
        return HR_OK;
    HR_RETURN_NOT_OK(hr_window_worker_ends(worker, error));
    HR_RETURN_NOT_OK(hr_kafka_offsets(worker->ends, config->partials, &zero, 1, HR_KAFKA_LATEST, HR_LOST_ASK_MS, &end, error));
    if (at <= end)
        return HR_OK;
    hr_error_set(
        error, HR_EKAFKA,
        "job \"%s\": its own topic \"%s\", with the partial results of all partitions, was read up to offset %lld before, but ends at "
        "%lld now: it was deleted and made again, or its brokers have lost records. Nothing was published. To count all anew: "
        "headrace offsets forget %s",
        config->job, config->partials, (long long)at, (long long)end, config->job);
    if (error != NULL) {
        error->fatal = true;
        error->retriable = false;
    }
    return HR_EKAFKA;
}

/* ---- frames ---- */

/* Note it for the receipt. */
static void hr_lost_report(hr_flow *flow, int64_t from, int64_t to, const char *why)
{
    hr_window_report *report = &flow->job->reports[flow->partition];

    pthread_mutex_lock(&flow->job->lock);
    if (report->lost_why == NULL)
        report->lost_from = from;
    report->lost_to = to;
    report->lost += to > from ? to - from : 0;
    report->lost_why = why;
    report->stale = true; /* until that is committed */
    pthread_mutex_unlock(&flow->job->lock);
}

static int hr_lost_fail(const hr_flow *flow, int64_t from, int64_t to, const char *why, hr_error *error)
{
    hr_error_set(error, HR_EKAFKA,
                 "Kafka topic \"%s\" partition %d: frames are lost, from offset %lld to %lld: %s. Nothing was published. To go on without "
                 "them say lost_offsets = earliest (--lost-offsets earliest); to count all anew: headrace offsets forget %s",
                 flow->topic, (int)flow->partition, (long long)from, (long long)to, why, flow->job->config.job);
    if (error != NULL) {
        error->fatal = true;
        error->retriable = false;
    }
    return HR_EKAFKA;
}

/* The topic has other frames now than those that were read: fail, or begin with its first one. */
static int hr_lost_remade(hr_window_worker *worker, hr_flow *flow, int64_t low, const char *why, hr_error *error)
{
    int64_t position = flow->state.position;

    if (!flow->job->config.lost_accept)
        return hr_lost_fail(flow, low, position, why, error);
    HR_RETURN_NOT_OK(hr_flow_begin_anew(flow, low, error));
    hr_lost_report(flow, position, low, why);
    worker->reopen = true;
    return HR_OK;
}

int hr_window_lost_verify(hr_window_worker *worker, hr_flow *flow, const hr_record *record, hr_error *error)
{
    int64_t low;

    if (record->offset + 1 < flow->state.frames_to)
        return HR_OK;
    flow->unverified = false;
    if (record->offset + 1 > flow->state.frames_to || hr_window_state_sum(record) == flow->state.frame_sum)
        return HR_OK; /* it is the same; or it is gone, from a topic that keeps the last frame of each key */
    HR_RETURN_NOT_OK(hr_kafka_offsets(worker->admin, flow->topic, &flow->partition, 1, HR_KAFKA_EARLIEST, HR_LOST_ASK_MS, &low, error));
    return hr_lost_remade(worker, flow, low, "the topic was deleted and made again, other frames have these offsets now", error);
}

/* One share: `low` and `high` are what its partition has now. */
static int hr_lost_check_frames(hr_window_worker *worker, hr_flow *flow, int64_t low, int64_t high, hr_error *error)
{
    static const char *const expired = "they were deleted, by the topic's retention or by hand";
    int64_t from = flow->next;

    if (flow->state.position > high) { /* of what is committed, which may seem to shrink: is it there at all? */
        HR_RETURN_NOT_OK(hr_window_worker_ends(worker, error));
        HR_RETURN_NOT_OK(hr_kafka_offsets(worker->ends, flow->topic, &flow->partition, 1, HR_KAFKA_LATEST, HR_LOST_ASK_MS, &high, error));
    }
    if (flow->state.position > high)
        return hr_lost_remade(worker, flow, low, "the topic was deleted and made again, or its brokers have lost what was read before",
                              error);
    if (low > from) {
        if (!flow->job->config.lost_accept)
            return hr_lost_fail(flow, from, low, expired, error);
        hr_lost_report(flow, from, low, expired);
        flow->gap = true;
        HR_RETURN_NOT_OK(hr_flow_pass(flow, low, error));
    }
    flow->unverified = flow->state.frames_to > low;
    worker->reopen = worker->reopen || flow->unverified;
    return HR_OK;
}

/* worker->asked and worker->latest are work space. */
static int hr_lost_look_frames(hr_window_worker *worker, int32_t count, int64_t *low, hr_error *error)
{
    hr_window_job *job = worker->job;

    HR_RETURN_NOT_OK(
        hr_kafka_offsets(worker->admin, job->config.topic, worker->asked, count, HR_KAFKA_EARLIEST, HR_LOST_ASK_MS, low, error));
    HR_RETURN_NOT_OK(
        hr_kafka_offsets(worker->admin, job->config.topic, worker->asked, count, HR_KAFKA_LATEST, HR_LOST_ASK_MS, worker->latest, error));
    for (int32_t i = 0; i < count; i++)
        HR_RETURN_NOT_OK(hr_lost_check_frames(worker, worker->flows[worker->asked[i]], low[i], worker->latest[i], error));
    return HR_OK;
}

int hr_window_lost_look(hr_window_worker *worker, hr_error *error)
{
    hr_window_job *job = worker->job;
    int32_t count = 0;
    bool any = false;
    int64_t *low;
    int rc;

    for (int32_t i = 0; i <= job->lanes.count; i++) {
        const hr_flow *flow = worker->flows[i];

        if (flow == NULL || flow->known)
            continue;
        HR_RETURN_NOT_OK(hr_lost_check_state(flow, &worker->words[i], error));
        any = true;
        if (!flow->merge && !flow->fresh)
            worker->asked[count++] = i;
    }
    if (any)
        HR_RETURN_NOT_OK(hr_lost_check_partials(worker, error));
    if (count == 0)
        return HR_OK;
    low = hr_calloc((size_t)count, sizeof(*low));
    if (low == NULL)
        return hr_error_nomem(error);
    rc = hr_lost_look_frames(worker, count, low, error);
    hr_free(low);
    return rc;
}
