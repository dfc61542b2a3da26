/* csrc/io/window/window_round.c: rounds: what the shares of a bounded run tell each other, whatever process they are in. */
#include "window_round.h"

#include <time.h>

#include "io/kafka/kafka_admin.h"

#define HR_ROUND_LOOK_MS 10
#define HR_ROUND_ASK_MS 200    /* between two questions to the group */
#define HR_ROUND_ALIVE_MS 3000 /* a second stage that goes on for ever says so this often */
#define HR_ROUND_ENDS_MS 5000  /* without an answer it is asked again */

/* Milliseconds since 1970: names of rounds that were never used before, also when all that was known of earlier ones is gone. */
static int64_t hr_round_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool hr_window_round_alone(const hr_window_job *job)
{
    for (int32_t i = 0; i < job->lanes.count + job->merges; i++)
        if (atomic_load(&job->owned[i]) == 0)
            return false;
    return true;
}

/* ---- words ---- */

/* Whether the share has brought frames since the last round that is over. */
static bool hr_round_is_active(const hr_window_state *state)
{
    return state->frames_to > state->round_base;
}

void hr_flow_word(const hr_flow *flow, hr_window_word *out)
{
    const hr_window_state *state = &flow->state;
    bool forever = flow->job->config.forever;

    *out = (hr_window_word){.known = true, .offset = flow->next, .watermark = hr_flow_watermark(flow), .closed = state->closed_all};
    out->round = flow->merge ? state->over : state->round;
    out->round_at = flow->merge ? state->opened : state->round_at;
    out->idle = forever ? flow->idle : !flow->merge && state->round > 0 && !hr_round_is_active(state);
    out->alive = forever ? hr_round_clock() : 0;
}

/* Which round has to be over: the one that is open when we come, or else the next one. Call with the lock, when the brokers have told. */
static void hr_round_need(hr_window_job *job)
{
    const hr_window_word *merge = &job->words[job->lanes.count];

    if (job->need == 0)
        job->need = !merge->known ? 1 : merge->round_at > merge->round ? merge->round_at : merge->round + 1;
}

int hr_window_round_ask(hr_window_worker *worker, hr_error *error)
{
    hr_window_job *job = worker->job;

    HR_RETURN_NOT_OK(hr_group_words(&worker->group, worker->words, error));
    pthread_mutex_lock(&job->lock);
    for (int32_t i = 0; i < job->lanes.count + job->merges; i++)
        if (atomic_load(&job->owned[i]) == 0 || !job->words[i].known)
            job->words[i] = worker->words[i];
    job->words_ms = hr_kafka_now_ms();
    hr_round_need(job);
    pthread_mutex_unlock(&job->lock);
    return HR_OK;
}

int64_t hr_window_round_watermark(const hr_window_job *job, int64_t round)
{
    int64_t lowest = INT64_MAX, highest = HR_NO_WATERMARK;
    bool active = false;

    for (int32_t p = 0; p < job->lanes.count; p++) {
        const hr_window_word *word = &job->words[p];

        if (!word->known || word->round < round)
            return HR_NO_WATERMARK;
        if (word->closed)
            continue;
        highest = word->watermark > highest ? word->watermark : highest;
        if (word->idle)
            continue;
        active = true;
        lowest = word->watermark < lowest ? word->watermark : lowest;
    }
    return active ? lowest : highest;
}

/* ---- the second stage's part ---- */

/* Whether all that this run wants is published: call with the lock. Facts only: they hold whoever has found them out, and when. */
static bool hr_round_is_over(const hr_window_job *job)
{
    const hr_window_word *merge = &job->words[job->lanes.count];

    if (job->merges && (!merge->known || job->need == 0 || merge->round < job->need || (job->config.close_all && !merge->closed)))
        return false;
    for (int32_t p = 0; p < job->lanes.count; p++) {
        const hr_window_word *word = &job->words[p];

        if (!word->known || (job->config.close_all && !word->closed))
            return false;
        if (job->merges && (word->round > merge->round || word->round_at < job->lanes.lanes[p].end))
            return false;
        if (!job->merges && word->offset < job->lanes.lanes[p].end)
            return false;
    }
    return true;
}

/* Open a round when none is open, or when another process has opened it: its ends may not be ours. */
static void hr_round_open(hr_window_job *job, hr_flow *flow)
{
    hr_window_state *state = &flow->state;
    int64_t newest = state->opened > state->over ? state->opened : state->over;

    for (int32_t p = 0; p < job->lanes.count; p++) {
        if (!job->words[p].known)
            return;
        newest = job->words[p].round > newest ? job->words[p].round : newest;
    }
    state->opened = hr_round_clock();
    if (state->opened <= newest)
        state->opened = newest + 1;
    job->opened = job->round = state->opened;
    flow->dirty = flow->dirty || !hr_window_round_alone(job);
}

static void hr_round_lead(hr_window_worker *worker, hr_flow *flow)
{
    hr_window_job *job = worker->job;
    hr_window_state *state = &flow->state;
    bool all = true;

    if (hr_flow_replays(flow) || flow->fresh)
        return;
    if (job->config.forever) { /* others, whose runs have an end, need to know that they wait for nothing more from us */
        if (hr_kafka_now_ms() - flow->committed_ms >= HR_ROUND_ALIVE_MS && !hr_window_round_alone(job))
            flow->dirty = true;
        return;
    }
    pthread_mutex_lock(&job->lock);
    if (!hr_round_is_over(job) && job->need > 0 && (state->opened <= state->over || job->opened != state->opened))
        hr_round_open(job, flow);
    all = state->opened > state->over && job->opened == state->opened && hr_flow_is_whole(flow);
    for (int32_t i = 0; i < state->lane_count; i++)
        all = all && state->rounds[i] >= state->opened;
    if (all) {
        state->over = state->opened;
        flow->dirty = true;
    }
    pthread_mutex_unlock(&job->lock);
}

/* ---- the shares' part ---- */

/* Another process has opened a round: it wants what was there when it came. So we read up to what is there now. */
static int hr_round_follow(hr_window_worker *worker, hr_error *error)
{
    hr_window_job *job = worker->job;
    const hr_window_word *merge = &job->words[job->lanes.count];
    int32_t count = job->lanes.count, *partitions;
    int64_t round = 0, *ends;
    int rc;

    pthread_mutex_lock(&job->lock);
    if (!job->asking && merge->known && merge->round_at > merge->round && merge->round_at > job->round)
        round = merge->round_at;
    job->asking = job->asking || round > 0;
    pthread_mutex_unlock(&job->lock);
    if (round == 0)
        return HR_OK;
    partitions = hr_calloc((size_t)count, sizeof(*partitions));
    ends = hr_calloc((size_t)count, sizeof(*ends));
    for (int32_t p = 0; partitions != NULL && p < count; p++)
        partitions[p] = p;
    if (partitions == NULL || ends == NULL)
        rc = hr_error_nomem(error);
    else
        rc = hr_kafka_offsets(worker->admin, job->config.topic, partitions, count, HR_KAFKA_LATEST, HR_ROUND_ENDS_MS, ends, error);
    pthread_mutex_lock(&job->lock);
    for (int32_t p = 0; rc == HR_OK && p < count; p++) {
        if (ends[p] <= atomic_load(&job->ends[p]) && !job->config.forever)
            continue;
        atomic_store(&job->ends[p], ends[p]);
        atomic_fetch_add(&job->ends_version, 1);
    }
    if (rc == HR_OK)
        job->round = round;
    job->asking = false;
    pthread_mutex_unlock(&job->lock);
    hr_free(partitions);
    hr_free(ends);
    return rc == HR_EKAFKA && (error == NULL || !error->fatal) ? HR_OK : rc; /* no answer: next time */
}

/* The share has read all that this round asks of it: it says so, and what it brought. */
static void hr_round_answer(hr_flow *flow, int64_t round, int64_t over)
{
    hr_window_state *state = &flow->state;

    if (state->round > 0 && state->round <= over)
        state->round_base = state->round_at;
    state->round = round;
    state->round_at = flow->next;
    state->round_told = false;
    flow->last_word = flow->job->config.forever || state->closed_all || hr_round_is_active(state);
    flow->dirty = true;
}

/* Answer the round; then, when all have answered, let go of windows that others have no frames for any more. */
static int hr_round_share(hr_window_worker *worker, hr_flow *flow, hr_error *error)
{
    hr_window_job *job = worker->job;
    hr_window_state *state = &flow->state;
    int64_t round, over, watermark = HR_NO_WATERMARK;
    bool answered = true;

    if (hr_flow_replays(flow) || flow->fresh || flow->dirty || flow->unverified)
        return HR_OK;
    pthread_mutex_lock(&job->lock);
    round = job->round;
    over = job->words[job->lanes.count].round;
    for (int32_t p = 0; p < job->lanes.count; p++)
        answered = answered && job->words[p].known && job->words[p].round >= round;
    if (answered)
        watermark = hr_window_round_watermark(job, round);
    pthread_mutex_unlock(&job->lock);
    if (round <= over)
        return HR_OK;
    if (state->round < round) {
        if (flow->next >= atomic_load(&job->ends[flow->partition]) && (!job->config.close_all || state->closed_all))
            hr_round_answer(flow, round, over);
        return HR_OK;
    }
    if (state->round > round || state->round_told || !answered)
        return HR_OK;
    if (watermark != HR_NO_WATERMARK && watermark > hr_flow_watermark(flow) && !state->closed_all)
        HR_RETURN_NOT_OK(hr_windows_raise(flow->windows, flow->partition, watermark, error));
    flow->last_word = flow->dirty = true;
    return HR_OK;
}

/* ---- the end ---- */

/* A process that goes on for ever has the second stage, and opens no rounds. It lives, when its number grows; it has done all that we wait
 * for when it has read all partials that were there when the source was read to our ends. */
static int hr_round_beside(hr_window_worker *worker, bool *over, hr_error *error)
{
    hr_window_job *job = worker->job;
    int32_t merge = job->lanes.count, zero = 0;
    hr_window_word word;
    int64_t end = -1;
    bool ask = false, all = true;
    int rc;

    pthread_mutex_lock(&job->lock);
    word = job->words[merge];
    for (int32_t p = 0; p < merge; p++)
        all = all && job->words[p].known && job->words[p].offset >= job->lanes.lanes[p].end;
    if (atomic_load(&job->owned[merge]) != 0 || !word.known || word.alive == 0) {
        job->alive = 0;
    } else if (all && job->alive == 0) {
        job->alive = word.alive;
        job->alive_at = -1;
    } else if (all && word.alive != job->alive) {
        ask = job->alive_at < 0 && !job->asking;
        *over = job->alive_at >= 0 && word.offset >= job->alive_at;
    }
    job->asking = job->asking || ask;
    pthread_mutex_unlock(&job->lock);
    if (*over && job->config.close_all)
        return hr_error_set(error, HR_EUSAGE,
                            "job \"%s\" is worked on by a process that goes on for ever: nobody can say that its input is over; stop that "
                            "one first",
                            job->config.job);
    if (!ask)
        return HR_OK;
    rc = hr_window_worker_ends(worker, error);
    if (rc == HR_OK)
        rc = hr_kafka_offsets(worker->ends, job->config.partials, &zero, 1, HR_KAFKA_LATEST, HR_ROUND_ENDS_MS, &end, error);
    pthread_mutex_lock(&job->lock);
    job->alive_at = rc == HR_OK ? end : -1;
    job->asking = false;
    pthread_mutex_unlock(&job->lock);
    return rc == HR_EKAFKA && (error == NULL || !error->fatal) ? HR_OK : rc;
}

static int hr_round_end(hr_window_worker *worker, hr_error *error)
{
    hr_window_job *job = worker->job;
    bool over, stale = false;

    for (int32_t p = 0; p < job->lanes.count; p++)
        if (worker->flows[p] != NULL && worker->flows[p]->unverified)
            return HR_OK; /* nothing is known to be done yet */
    pthread_mutex_lock(&job->lock);
    over = hr_round_is_over(job);
    for (int32_t i = 0; i < job->lanes.count + job->merges; i++)
        stale = stale || job->reports[i].stale;
    pthread_mutex_unlock(&job->lock);
    if (!over && job->merges)
        HR_RETURN_NOT_OK(hr_round_beside(worker, &over, error));
    if (over && !stale)
        atomic_store(&job->stop, true);
    return HR_OK;
}

/* Shares that are not ours: what their processes have committed. */
static int hr_round_others(hr_window_worker *worker, int64_t now, hr_error *error)
{
    hr_window_job *job = worker->job;
    bool ask;
    int rc;

    if (hr_window_round_alone(job))
        return HR_OK;
    pthread_mutex_lock(&job->lock);
    ask = !job->asking && now - job->words_ms >= HR_ROUND_ASK_MS;
    job->asking = job->asking || ask;
    pthread_mutex_unlock(&job->lock);
    if (!ask)
        return HR_OK;
    rc = hr_window_round_ask(worker, error);
    pthread_mutex_lock(&job->lock);
    job->words_ms = hr_kafka_now_ms();
    job->asking = false;
    pthread_mutex_unlock(&job->lock);
    return rc == HR_EKAFKA && (error == NULL || !error->fatal) ? HR_OK : rc; /* no answer: next time */
}

int hr_window_round_look(hr_window_worker *worker, hr_error *error)
{
    hr_window_job *job = worker->job;
    int64_t now = hr_kafka_now_ms();

    if (now - worker->round_ms < HR_ROUND_LOOK_MS)
        return HR_OK;
    worker->round_ms = now;
    HR_RETURN_NOT_OK(hr_round_others(worker, now, error));
    if (job->merges) {
        if (worker->flows[job->lanes.count] != NULL)
            hr_round_lead(worker, worker->flows[job->lanes.count]);
        HR_RETURN_NOT_OK(hr_round_follow(worker, error));
        for (int32_t p = 0; p < job->lanes.count; p++)
            if (worker->flows[p] != NULL)
                HR_RETURN_NOT_OK(hr_round_share(worker, worker->flows[p], error));
        if (atomic_load(&job->ends_version) != worker->ends_version) {
            worker->ends_version = atomic_load(&job->ends_version);
            worker->reopen = worker->reopen || !job->config.forever;
        }
    }
    return job->config.forever ? HR_OK : hr_round_end(worker, error);
}
