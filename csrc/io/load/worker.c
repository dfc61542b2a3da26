/* csrc/io/load/worker.c: the fetching and the writing thread of a worker. */
#include "worker.h"

#include <signal.h>
#include <time.h>

#define HR_FETCH_WAIT_MS 100
#define HR_FETCH_RECORDS 10000 /* at most in one chunk: small enough to look at limits often */

int64_t hr_monotonic_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void hr_condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

struct timespec hr_condition_until(int timeout_ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    return until;
}

/* Keep the worker's first error and let everybody see it. */
static void hr_worker_fail(hr_worker *worker, const hr_error *error)
{
    pthread_mutex_lock(&worker->lock);
    if (worker->error.code == HR_OK)
        worker->error = *error;
    pthread_cond_broadcast(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
    atomic_store(&worker->shared->stop, true);
}

static bool hr_worker_cancelled(const hr_worker *worker)
{
    return atomic_load_explicit(&worker->shared->cancel, memory_order_relaxed);
}

static bool hr_worker_failed(hr_worker *worker)
{
    bool failed;

    pthread_mutex_lock(&worker->lock);
    failed = worker->error.code != HR_OK;
    pthread_mutex_unlock(&worker->lock);
    return failed;
}

/* Wait on the condition for at most 100 ms: flags of other workers have no signal of their own. */
static void hr_worker_wait(hr_worker *worker)
{
    struct timespec until = hr_condition_until(100);

    pthread_cond_timedwait(&worker->changed, &worker->lock, &until);
}

/* An empty work and the newest target (retained), or NULL when the writer has ended or the load was cancelled. */
static hr_work *hr_worker_take_free(hr_worker *worker, hr_target **target)
{
    hr_work *work = NULL;

    pthread_mutex_lock(&worker->lock);
    while (worker->free_count == 0 && !worker->write_done && !hr_worker_cancelled(worker))
        hr_worker_wait(worker);
    if (worker->free_count > 0 && !worker->write_done && !hr_worker_cancelled(worker)) {
        work = worker->free_works[--worker->free_count];
        *target = hr_target_retain(worker->target);
    }
    pthread_mutex_unlock(&worker->lock);
    return work;
}

static void hr_worker_put_free(hr_worker *worker, hr_work *work)
{
    pthread_mutex_lock(&worker->lock);
    worker->free_works[worker->free_count++] = work;
    pthread_cond_broadcast(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
}

static void hr_worker_push(hr_worker *worker, hr_work *work)
{
    pthread_mutex_lock(&worker->lock);
    worker->queue[worker->queue_count++] = work;
    pthread_cond_broadcast(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
}

/* The next work to write, or NULL when there will be none. */
static hr_work *hr_worker_pop(hr_worker *worker)
{
    hr_work *work = NULL;

    pthread_mutex_lock(&worker->lock);
    while (worker->queue_count == 0 && !worker->fetch_done && !hr_worker_cancelled(worker))
        hr_worker_wait(worker);
    if (worker->queue_count > 0 && !hr_worker_cancelled(worker)) {
        work = worker->queue[0];
        worker->queue_count--;
        memmove(worker->queue, worker->queue + 1, sizeof(worker->queue[0]) * (size_t)worker->queue_count);
    }
    pthread_mutex_unlock(&worker->lock);
    return work;
}

/* Take up to `want` records from the load's budget; the rest is given back after the fetch. */
static int64_t hr_shared_reserve(hr_shared *shared, int64_t want)
{
    long long left = atomic_load(&shared->budget);

    for (;;) {
        long long take = left < want ? left : want;
        if (take <= 0)
            return 0;
        atomic_fetch_add(&shared->in_flight, take);
        if (atomic_compare_exchange_weak(&shared->budget, &left, left - take))
            return take;
        atomic_fetch_sub(&shared->in_flight, take);
    }
}

/* The fetch is over and brought `used` of the `taken` records. */
static void hr_shared_return(hr_shared *shared, int64_t taken, int64_t used)
{
    atomic_fetch_add(&shared->budget, taken - used);
    atomic_fetch_sub(&shared->in_flight, taken);
}

/* Whether the load has had all the records it may have. A fetch under way may still give some back: look at it first. */
static bool hr_shared_exhausted(hr_shared *shared)
{
    return atomic_load(&shared->in_flight) == 0 && atomic_load(&shared->budget) == 0;
}

/* Fetch and decode until the batch is full, its time is up, or there is no more (work->last). */
static int hr_worker_fill(hr_worker *worker, hr_work *work, hr_decoder *decoder, hr_error *error)
{
    hr_shared *shared = worker->shared;
    const hr_load_config *config = shared->config;
    const hr_source_ops *ops = config->source_ops;
    int64_t first_ms = 0;

    while (!hr_worker_cancelled(worker)) {
        int64_t room = config->batch_records - work->records;
        int64_t want = hr_shared_reserve(shared, room < HR_FETCH_RECORDS ? room : HR_FETCH_RECORDS);
        hr_chunk chunk = {0};
        bool finished;
        int rc;

        if ((want == 0 && hr_shared_exhausted(shared)) || atomic_load(&shared->stop) ||
            (shared->deadline_ms != 0 && hr_monotonic_ms() >= shared->deadline_ms)) {
            hr_shared_return(shared, want, 0);
            work->last = true;
            return HR_OK;
        }
        if (want == 0) {
            nanosleep(&(struct timespec){.tv_nsec = 5 * 1000000L}, NULL);
            continue;
        }
        rc = ops->fetch(worker->source, HR_FETCH_WAIT_MS, want, &chunk, error);
        hr_shared_return(shared, want, rc == HR_OK ? chunk.count : 0);
        HR_RETURN_NOT_OK(rc);
        finished = chunk.finished;
        if (chunk.count > 0 || chunk.position_count > 0) {
            rc = hr_work_add(work, &chunk, error);
            if (rc != HR_OK) {
                ops->release(worker->source, &chunk);
                return rc;
            }
            HR_RETURN_NOT_OK(hr_work_decode(work, decoder, error));
            if (first_ms == 0)
                first_ms = hr_monotonic_ms();
        } else {
            ops->release(worker->source, &chunk);
        }
        if (finished) {
            work->last = true;
            return HR_OK;
        }
        if (work->records >= config->batch_records || work->bytes >= config->batch_bytes ||
            (first_ms != 0 && hr_monotonic_ms() - first_ms >= config->linger_ms))
            return HR_OK;
    }
    work->last = true;
    return HR_OK;
}

/* The fetching thread. After a failure what was fetched completely is still written. */
static void *hr_worker_fetch(void *arg)
{
    hr_worker *worker = arg;
    const hr_load_config *config = worker->shared->config;
    hr_decoder *decoder = NULL;
    hr_target *decoder_target = NULL;
    hr_error error;
    bool last = false;
    int rc = config->source_ops->open(config->source, worker->lanes, worker->lane_count, &worker->shared->cancel, &worker->source, &error);

    while (rc == HR_OK && !last) {
        hr_target *target;
        hr_work *work = hr_worker_take_free(worker, &target);

        if (work == NULL)
            break;
        if (decoder_target != target) {
            hr_decoder_free(decoder);
            decoder = NULL;
            hr_target_release(decoder_target);
            decoder_target = hr_target_retain(target);
            rc = hr_decoder_new(config->format, target->schema, &config->decode, &decoder, &error);
        }
        if (rc == HR_OK) {
            hr_decoder_trim(decoder);
            rc = hr_work_reset(work, target, worker->source, &error);
        }
        hr_target_release(target);
        if (rc == HR_OK)
            rc = hr_worker_fill(worker, work, decoder, &error);
        last = work->last;
        if (rc == HR_OK)
            hr_worker_push(worker, work);
    }
    if (rc != HR_OK)
        hr_worker_fail(worker, &error);
    pthread_mutex_lock(&worker->lock);
    worker->fetch_done = true;
    pthread_cond_broadcast(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
    hr_decoder_free(decoder);
    hr_target_release(decoder_target);
    return NULL;
}

/* Add a written batch to the worker's totals; follow a changed definition. */
static int hr_worker_account(hr_worker *worker, const hr_writer *writer, const hr_work *work, hr_error *error)
{
    int rc = HR_OK;

    pthread_mutex_lock(&worker->lock);
    for (int32_t i = 0; i < worker->lane_count; i++) {
        worker->tallies[i].read += work->tallies[i].read;
        worker->tallies[i].loaded += work->tallies[i].loaded;
        worker->tallies[i].rejected += work->tallies[i].rejected;
        worker->tallies[i].skipped += work->tallies[i].skipped;
        worker->tallies[i].bytes += work->tallies[i].bytes;
        worker->tallies[i].lost += work->tallies[i].lost;
    }
    for (int64_t i = 0; i < work->reject_count; i++)
        worker->reasons[work->rejects[i].reason]++;
    for (int32_t i = 0; i < writer->relation_count && rc == HR_OK; i++) {
        json_int_t before = json_integer_value(json_object_get(worker->relations, writer->relations[i].relation));
        if (json_object_set_new(worker->relations, writer->relations[i].relation, json_integer(before + writer->relations[i].rows)) != 0)
            rc = hr_error_nomem(error);
    }
    if (writer->target != worker->target) {
        hr_target_release(worker->target);
        worker->target = hr_target_retain(writer->target);
    }
    pthread_mutex_unlock(&worker->lock);
    return rc;
}

/* Tell the source how far we are, for those who watch it. */
static void hr_worker_announce(hr_worker *worker, const hr_work *work)
{
    const hr_source_ops *ops = worker->shared->config->source_ops;

    if (ops->committed == NULL || worker->shared->config->commit_at_end)
        return;
    for (int32_t i = 0; i < worker->lane_count; i++) {
        hr_position position = {i, work->next[i], 0};
        if (work->next[i] != HR_OFFSET_UNKNOWN)
            ops->committed(worker->source, &position, 1);
    }
}

/* The writing thread. */
static void *hr_worker_write(void *arg)
{
    hr_worker *worker = arg;
    const hr_load_config *config = worker->shared->config;
    hr_writer *writer = NULL;
    hr_error error;
    int rc =
        hr_writer_open(config, worker->index, &worker->shared->cancel, worker->target, worker->holds, worker->lane_count, &writer, &error);

    while (rc == HR_OK) {
        hr_work *work = hr_worker_pop(worker);

        if (work == NULL)
            break;
        rc = hr_writer_write(writer, work, &error);
        if (rc == HR_OK)
            rc = hr_worker_account(worker, writer, work, &error);
        if (rc == HR_OK) {
            hr_worker_announce(worker, work);
            rc = hr_work_reset(work, NULL, worker->source, &error);
        }
        if (rc == HR_OK)
            hr_worker_put_free(worker, work);
    }
    /* One transaction for the whole run: only when nobody has failed. */
    if (rc == HR_OK && config->commit_at_end && !hr_worker_failed(worker) && !hr_worker_cancelled(worker)) {
        rc = hr_writer_finish(writer, &error);
        worker->committed = rc == HR_OK;
    }
    if (rc != HR_OK)
        hr_worker_fail(worker, &error);
    hr_writer_close(writer);
    pthread_mutex_lock(&worker->lock);
    worker->write_done = true;
    pthread_cond_broadcast(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
    return NULL;
}

/* Start a thread that leaves signals to the caller's threads: Python's handlers must run in Python's main thread. */
static int hr_worker_thread(pthread_t *thread, void *(*run)(void *), hr_worker *worker, hr_error *error)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(thread, NULL, run, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc == 0 ? HR_OK : hr_error_set(error, HR_ENOMEM, "a thread could not be started: %s", strerror(rc));
}

int hr_worker_start(hr_worker *worker, hr_shared *shared, int32_t index, hr_lane *lanes, hr_hold *holds, int32_t lane_count,
                    hr_target *target, hr_error *error)
{
    int rc = HR_OK;

    memset(worker, 0, sizeof(*worker));
    worker->shared = shared;
    worker->index = index;
    worker->lanes = lanes;
    worker->holds = holds;
    worker->lane_count = lane_count;
    hr_error_clear(&worker->error);
    pthread_mutex_init(&worker->lock, NULL);
    hr_condition_init(&worker->changed);
    worker->target = hr_target_retain(target);
    worker->tallies = hr_calloc((size_t)lane_count + 1, sizeof(*worker->tallies));
    worker->from = hr_calloc((size_t)lane_count + 1, sizeof(*worker->from));
    worker->relations = json_object();
    if (worker->tallies == NULL || worker->from == NULL || worker->relations == NULL) {
        rc = hr_error_nomem(error);
        worker->lane_count = 0; /* the receipt has nothing to tell of it */
    }
    for (int32_t i = 0; i < lane_count && rc == HR_OK; i++)
        worker->from[i] = holds[i].next;
    for (int i = 0; i < HR_WORKER_WORKS && rc == HR_OK; i++) {
        rc = hr_work_new(shared->config, lane_count, &worker->works[i], error);
        if (rc == HR_OK)
            worker->free_works[worker->free_count++] = worker->works[i];
    }
    if (rc == HR_OK)
        rc = hr_worker_thread(&worker->fetcher, hr_worker_fetch, worker, error);
    worker->fetcher_started = rc == HR_OK;
    if (rc == HR_OK)
        rc = hr_worker_thread(&worker->writer, hr_worker_write, worker, error);
    worker->writer_started = rc == HR_OK;
    if (rc != HR_OK) {
        pthread_mutex_lock(&worker->lock);
        worker->write_done = true; /* the fetcher sees it and ends */
        pthread_mutex_unlock(&worker->lock);
        atomic_store(&shared->stop, true);
    }
    return rc;
}

void hr_worker_wake(hr_worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    pthread_cond_broadcast(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
}

void hr_worker_join(hr_worker *worker)
{
    if (worker->fetcher_started)
        pthread_join(worker->fetcher, NULL);
    if (worker->writer_started)
        pthread_join(worker->writer, NULL);
    worker->fetcher_started = worker->writer_started = false;
}

void hr_worker_free(hr_worker *worker)
{
    const hr_source_ops *ops = worker->shared->config->source_ops;

    for (int i = 0; i < HR_WORKER_WORKS; i++) {
        if (worker->works[i] != NULL && worker->source != NULL)
            hr_work_reset(worker->works[i], NULL, worker->source, NULL);
        hr_work_free(worker->works[i]);
    }
    if (worker->source != NULL)
        ops->close(worker->source);
    hr_target_release(worker->target);
    json_decref(worker->relations);
    hr_free(worker->tallies);
    hr_free(worker->from);
    pthread_mutex_destroy(&worker->lock);
    pthread_cond_destroy(&worker->changed);
}
