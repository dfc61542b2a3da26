/* csrc/io/window/window_watch.c: what a worker looks after once in a while. */
#include "window_worker.h"

#include "io/kafka/kafka_admin.h"
#include "window_round.h"

#define HR_WATCH_MS 200         /* progress */
#define HR_WATCH_LOOK_MS 1000   /* questions to the brokers, and partitions that fall idle */
#define HR_WATCH_GROWN_MS 10000 /* whether the topic has more partitions now */
#define HR_WATCH_ASK_MS 2000    /* without an answer it is asked again */

/* ---- idle partitions ---- */

int hr_window_worker_ends(hr_window_worker *worker, hr_error *error)
{
    static const hr_kafka_setting uncommitted = {"isolation.level", "read_uncommitted"};

    if (worker->ends != NULL)
        return HR_OK;
    HR_RETURN_NOT_OK(hr_kafka_client_open(worker->job->config.kafka, HR_KAFKA_READER, &uncommitted, 1, NULL, &worker->ends, error));
    worker->ends->cancel = &worker->job->cancel;
    return HR_OK;
}

/* Where our partitions end now, with what is not committed yet: it may come. Brokers that do not answer are the sources' business: nothing
 * is known then. */
static int hr_watch_latest(hr_window_worker *worker, hr_error *error)
{
    hr_window_job *job = worker->job;
    int32_t count = 0;
    hr_error ignored;
    int rc = HR_OK;

    for (int32_t p = 0; p < job->lanes.count; p++) {
        if (worker->flows[p] == NULL)
            continue;
        worker->flows[p]->latest = job->config.forever ? -1 : atomic_load(&job->ends[p]);
        worker->asked[count++] = p;
    }
    if (!job->config.forever || count == 0)
        return HR_OK;
    HR_RETURN_NOT_OK(hr_window_worker_ends(worker, error));
    rc =
        hr_kafka_offsets(worker->ends, job->config.topic, worker->asked, count, HR_KAFKA_LATEST, HR_WATCH_ASK_MS, worker->latest, &ignored);
    for (int32_t i = 0; rc == HR_OK && i < count; i++)
        worker->flows[worker->asked[i]]->latest = worker->latest[i];
    return HR_OK;
}

/* Whether nothing is to be waited for from this partition of a job that goes on for ever. */
static bool hr_watch_is_idle(const hr_window_worker *worker, const hr_flow *flow, int64_t now)
{
    return !hr_flow_replays(flow) && !flow->fresh && flow->latest >= 0 && flow->next >= flow->latest &&
           now - flow->moved_ms >= worker->job->config.idle_ms;
}

static int hr_watch_idle(hr_window_worker *worker, int64_t now, hr_error *error)
{
    hr_window_job *job = worker->job;
    bool any = false;
    int64_t watermark;

    for (int32_t p = 0; p < job->lanes.count; p++) {
        hr_flow *flow = worker->flows[p];

        if (flow == NULL || !hr_watch_is_idle(worker, flow, now))
            continue;
        any = true;
        if (!flow->idle)
            flow->idle = flow->dirty = true; /* tell the others first */
    }
    if (!any)
        return HR_OK;
    pthread_mutex_lock(&job->lock);
    watermark = hr_window_round_watermark(job, 0);
    pthread_mutex_unlock(&job->lock);
    for (int32_t p = 0; p < job->lanes.count; p++) {
        hr_flow *flow = worker->flows[p];

        if (flow == NULL || !flow->idle || flow->dirty || watermark == HR_NO_WATERMARK || watermark <= hr_flow_watermark(flow))
            continue;
        HR_RETURN_NOT_OK(hr_windows_raise(flow->windows, p, watermark, error));
        flow->dirty = true;
    }
    return HR_OK;
}

/* ---- progress ---- */

static void hr_watch_tell(hr_window_worker *worker)
{
    hr_window_now now = {.watermark = INT64_MAX, .lag = 0};

    for (int32_t i = 0; i <= worker->job->lanes.count; i++) {
        const hr_flow *flow = worker->flows[i];
        hr_window_stats stats;
        int64_t watermark;

        if (flow == NULL)
            continue;
        hr_windows_stats(flow->windows, &stats);
        watermark = hr_flow_watermark(flow);
        now.shares++;
        now.replaying += hr_flow_replays(flow);
        now.watermark = watermark < now.watermark ? watermark : now.watermark;
        now.open_windows += stats.open_windows;
        now.groups += stats.groups;
        now.memory += (int64_t)stats.memory;
        now.held += flow->state.held_count;
        if (!flow->merge && flow->latest > flow->next)
            now.lag += flow->latest - flow->next;
    }
    if (now.shares == 0)
        now.watermark = HR_NO_WATERMARK;
    pthread_mutex_lock(&worker->job->lock);
    worker->now = now;
    pthread_mutex_unlock(&worker->job->lock);
}

/* A job that goes on for ever would never look at partitions that were added: it ends, and says so. */
static int hr_watch_grown(hr_window_worker *worker, int64_t now, hr_error *error)
{
    const hr_window_job *job = worker->job;
    hr_kafka_topic found;
    hr_error ignored;
    int32_t count;

    if (!job->config.forever || worker->index != 0 || now - worker->grown_ms < HR_WATCH_GROWN_MS)
        return HR_OK;
    worker->grown_ms = now;
    count = hr_kafka_topic_look(worker->admin, job->config.topic, HR_WATCH_ASK_MS, &found, &ignored) == HR_OK ? found.count : 0;
    hr_kafka_topic_free(&found);
    return count > job->lanes.count ? hr_window_job_grown(job, job->lanes.count, count, error) : HR_OK;
}

int hr_window_worker_watch(hr_window_worker *worker, hr_error *error)
{
    hr_window_job *job = worker->job;
    int64_t now = hr_kafka_now_ms();

    HR_RETURN_NOT_OK(hr_watch_grown(worker, now, error));

    if (now - worker->looked_ms >= HR_WATCH_LOOK_MS) {
        HR_RETURN_NOT_OK(hr_watch_latest(worker, error));
        now = hr_kafka_now_ms();
        worker->looked_ms = now;
        if (job->merges && job->config.forever)
            HR_RETURN_NOT_OK(hr_watch_idle(worker, now, error));
    }
    if (now - worker->told_ms >= HR_WATCH_MS) {
        worker->told_ms = now;
        hr_watch_tell(worker);
    }
    return hr_window_round_look(worker, error);
}
