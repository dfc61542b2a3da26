/* csrc/io/window/window_watch.c: what a worker looks after once in a while. */
#include "window_worker.h"

#include "io/kafka/kafka_admin.h"

#define HR_WATCH_MS 200       /* progress, and the end of a bounded run */
#define HR_WATCH_LOOK_MS 1000 /* questions to the brokers */
#define HR_WATCH_ASK_MS 5000
#define HR_WATCH_UNOWNED_MS 4000 /* nobody here has the second stage for so long: another process has it */

/* ---- the end of a bounded run ---- */

bool hr_window_worker_is_done(const hr_window_worker *worker, const hr_flow *flow)
{
    const hr_window_job *job = worker->job;

    if (job->config.forever)
        return false;
    if (flow->merge) {
        bool all = true;

        for (int32_t i = 0; i < flow->state.lane_count; i++)
            all = all && flow->state.lanes[i] >= job->lanes.lanes[i].end && (!job->config.close_all || flow->state.lanes[i] == INT64_MAX);
        return all && flow->next == flow->state.position && !flow->dirty && (!job->config.close_all || flow->state.closed_all);
    }
    if (flow->state.position < job->lanes.lanes[flow->partition].end || flow->dirty || (job->config.close_all && !flow->state.closed_all))
        return false;
    if (job->merges && flow->state.told < flow->state.position)
        return false;
    return !job->merges || job->config.close_all || flow->brought || flow->idle;
}

/* Note which shares are done; all of them: the run has come to its end. */
static void hr_watch_done(hr_window_worker *worker)
{
    hr_window_job *job = worker->job;
    int32_t merge = job->lanes.count;
    bool all = true, lanes;

    for (int32_t i = 0; i <= merge; i++) {
        const hr_flow *flow = worker->flows[i];

        if (flow != NULL && !flow->idle && hr_window_worker_is_done(worker, flow))
            atomic_store(&job->done[i], 1);
    }
    for (int32_t i = 0; i < merge; i++)
        all = all && atomic_load(&job->done[i]) != 0;
    lanes = all;
    if (job->merges)
        all = all && atomic_load(&job->done[merge]) != 0;
    if (lanes && !all) { /* has it perhaps been taken by another process? */
        if (worker->group.assigned[merge])
            worker->unowned_ms = 0;
        else if (worker->unowned_ms == 0)
            worker->unowned_ms = hr_kafka_now_ms();
    }
    if (all)
        atomic_store(&job->stop, true);
}

/* ---- other partitions ---- */

/* What idle partitions may be raised to: the lowest watermark of those that are not idle; the highest of all when all are.
 * HR_NO_WATERMARK: not known yet. */
static int64_t hr_watch_watermark(const hr_window_worker *worker)
{
    int64_t lowest = INT64_MAX, highest = HR_NO_WATERMARK;
    bool active = false;

    for (int32_t p = 0; p < worker->job->lanes.count; p++) {
        const hr_group_word *word = &worker->words[p];

        if (!word->known)
            return HR_NO_WATERMARK;
        highest = word->watermark > highest ? word->watermark : highest;
        if (word->idle)
            continue;
        active = true;
        lowest = word->watermark < lowest ? word->watermark : lowest;
    }
    return active ? lowest : highest;
}

/* Whether nothing is to be waited for from this partition. In a bounded run: it has brought nothing since the run began. */
static bool hr_watch_is_idle(const hr_window_worker *worker, const hr_flow *flow, int64_t now)
{
    const hr_window_job *job = worker->job;

    if (!job->merges || flow->merge || hr_flow_replays(flow) || flow->fresh || job->config.close_all)
        return false;
    if (!job->config.forever)
        return !flow->brought && flow->next >= job->lanes.lanes[flow->partition].end;
    return flow->latest >= 0 && flow->next >= flow->latest && now - flow->moved_ms >= job->config.idle_ms;
}

/* In a bounded run an idle partition waits until the others have come to their ends: then their watermarks are final. */
static bool hr_watch_others_done(const hr_window_worker *worker)
{
    for (int32_t p = 0; p < worker->job->lanes.count; p++)
        if (atomic_load(&worker->job->done[p]) == 0 && !worker->words[p].idle)
            return false;
    return true;
}

static int hr_watch_idle(hr_window_worker *worker, int64_t now, hr_error *error)
{
    bool any = false, others;
    int64_t watermark;

    for (int32_t p = 0; p < worker->job->lanes.count; p++) {
        hr_flow *flow = worker->flows[p];

        if (flow == NULL || !hr_watch_is_idle(worker, flow, now))
            continue;
        any = true;
        if (!flow->idle)
            flow->idle = flow->dirty = true; /* tell the others first */
    }
    if (!any)
        return HR_OK;
    others = worker->job->config.forever || hr_watch_others_done(worker);
    watermark = hr_watch_watermark(worker);
    for (int32_t p = 0; p < worker->job->lanes.count; p++) {
        hr_flow *flow = worker->flows[p];

        if (flow == NULL || !flow->idle || flow->dirty || !others)
            continue;
        if (watermark != HR_NO_WATERMARK && watermark > hr_flow_watermark(flow)) {
            HR_RETURN_NOT_OK(hr_windows_raise(flow->windows, p, watermark, error));
            flow->dirty = true;
        } else if (hr_window_worker_is_done(worker, flow)) {
            atomic_store(&worker->job->done[p], 1);
        }
    }
    return HR_OK;
}

/* What others have committed: partitions of other processes that have come to their end. */
static void hr_watch_foreign(hr_window_worker *worker)
{
    hr_window_job *job = worker->job;
    bool taken;

    pthread_mutex_lock(&job->lock);
    taken = job->reports[job->lanes.count].taken;
    pthread_mutex_unlock(&job->lock);
    for (int32_t p = 0; p < job->lanes.count && !job->config.forever; p++) {
        const hr_group_word *word = &worker->words[p];

        if (worker->flows[p] == NULL && word->known && !word->idle && word->offset >= job->lanes.lanes[p].end &&
            (!job->config.close_all || word->closed))
            atomic_store(&job->done[p], 1);
    }
    if (job->merges && worker->unowned_ms > 0 && hr_kafka_now_ms() - worker->unowned_ms > HR_WATCH_UNOWNED_MS && !taken)
        atomic_store(&job->done[job->lanes.count], 1);
}

/* Where our partitions end now. Brokers that do not answer are the sources' business. */
static void hr_watch_latest(hr_window_worker *worker)
{
    for (int32_t p = 0; p < worker->job->lanes.count; p++) {
        hr_flow *flow = worker->flows[p];
        hr_error ignored;

        if (flow == NULL)
            continue;
        if (!worker->job->config.forever)
            flow->latest = worker->job->lanes.lanes[p].end;
        else
            (void)hr_kafka_offsets(worker->admin, worker->job->config.topic, &p, 1, HR_KAFKA_LATEST, HR_WATCH_ASK_MS, &flow->latest,
                                   &ignored);
    }
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

int hr_window_worker_watch(hr_window_worker *worker, hr_error *error)
{
    hr_window_job *job = worker->job;
    int64_t now = hr_kafka_now_ms();

    if (now - worker->told_ms < HR_WATCH_MS)
        return HR_OK;
    worker->told_ms = now;
    hr_watch_tell(worker);
    if (now - worker->looked_ms >= (job->config.forever ? HR_WATCH_LOOK_MS : HR_WATCH_MS)) {
        bool ask = job->merges && (!job->config.close_all || worker->index == 0), asked = false;

        hr_watch_latest(worker);
        /* only who needs it asks what the others have done */
        if (ask || (!job->config.forever && worker->index == 0))
            asked = hr_group_words(&worker->group, worker->words, error) == HR_OK; /* no answer: next time */
        if (ask && asked)
            HR_RETURN_NOT_OK(hr_watch_idle(worker, now, error));
        hr_watch_foreign(worker);
        worker->looked_ms = hr_kafka_now_ms();
    }
    if (!job->config.forever)
        hr_watch_done(worker);
    return HR_OK;
}
