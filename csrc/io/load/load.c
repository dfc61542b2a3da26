/* csrc/io/load/load.c: the coordinator of a load: describes, plans, takes the lanes, runs the workers, closes the receipt. */
#include "load.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "io/vault/key_claims.h"
#include "report.h"
#include "worker.h"

#define HR_MAX_DEFAULT_WORKERS 4
#define HR_LAST_WORDS_MS 3000 /* how long a cancelled load tries to close its receipt */

struct hr_load {
    hr_load_config config;
    hr_load_verb verb;
    hr_pg *pg; /* the coordinator's connection: takes the lanes, closes the receipt */
    hr_shared shared;
    pthread_t coordinator;
    pthread_mutex_t lock; /* guards done, workers (their coming and going) */
    pthread_cond_t changed;
    bool done;
    hr_lanes lanes; /* sorted by worker once shared out */
    hr_hold *holds;
    hr_worker *workers;
    int32_t worker_count; /* started */
    hr_target *target;
    int64_t started_ms;
    time_t started_at;
    bool began; /* the receipt is open */
    hr_error error;
    char *result;
};

/* Sum what the workers have done. Call with the lock held or after they ended. */
static void hr_load_total(hr_load *load, hr_tally *total)
{
    memset(total, 0, sizeof(*total));
    for (int32_t w = 0; w < load->worker_count; w++) {
        hr_worker *worker = &load->workers[w];

        pthread_mutex_lock(&worker->lock);
        for (int32_t i = 0; i < worker->lane_count; i++) {
            total->read += worker->tallies[i].read;
            total->loaded += worker->tallies[i].loaded;
            total->rejected += worker->tallies[i].rejected;
            total->skipped += worker->tallies[i].skipped;
            total->bytes += worker->tallies[i].bytes;
        }
        pthread_mutex_unlock(&worker->lock);
    }
}

static int32_t hr_load_worker_count(const hr_load *load)
{
    const hr_load_config *config = &load->config;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    int32_t count = config->workers;

    if (config->commit_at_end || load->lanes.count == 0)
        return load->lanes.count == 0 ? 0 : 1;
    if (count == 0)
        count = processors < 1 ? 1 : processors > HR_MAX_DEFAULT_WORKERS ? HR_MAX_DEFAULT_WORKERS : (int32_t)processors;
    return count < load->lanes.count ? count : load->lanes.count;
}

/* Order the lanes so that each worker's share is one stretch: worker w gets lanes w, w + n, w + 2n... of the plan. */
static int hr_load_share_out(hr_load *load, int32_t workers, hr_error *error)
{
    int32_t n = load->lanes.count, at = 0;
    hr_lane *lanes = hr_calloc((size_t)n + 1, sizeof(*lanes));

    if (lanes == NULL)
        return hr_error_nomem(error);
    for (int32_t w = 0; w < workers; w++)
        for (int32_t i = w; i < n; i += workers)
            lanes[at++] = load->lanes.lanes[i];
    hr_free(load->lanes.lanes);
    load->lanes.lanes = lanes;
    return HR_OK;
}

/* The first error of the workers that is not just the others' stopping; HR_OK when there is none. */
static int hr_load_worker_error(hr_load *load, hr_error *error)
{
    const hr_error *first = NULL;
    bool committed = load->config.commit_at_end;

    for (int32_t w = 0; w < load->worker_count; w++) {
        const hr_error *e = &load->workers[w].error;
        committed = committed && load->workers[w].committed;
        if (e->code != HR_OK && (first == NULL || first->code == HR_ECANCELLED || (e->fatal && !first->fatal)))
            first = e;
    }
    /* A cancel that comes after the run's one COMMIT has nothing to roll back: the run has succeeded. */
    if (first == NULL)
        return atomic_load(&load->shared.cancel) && !committed ? hr_error_set(error, HR_ECANCELLED, "stopped by the caller") : HR_OK;
    *error = *first;
    return error->code;
}

/* Start the workers, wait for them. */
static int hr_load_work(hr_load *load, hr_error *error)
{
    int32_t workers = hr_load_worker_count(load), at = 0;
    int32_t counts[64];
    int rc = HR_OK;

    if (workers <= 0)
        return HR_OK;
    if (workers > 1 && load->config.mode == HR_MODE_VAULT)
        HR_RETURN_NOT_OK(hr_key_claims_new(workers, &load->config.claims, error));
    /* The same stretches that hr_load_share_out made. */
    for (int32_t i = 0; i < workers; i++)
        counts[i] = load->lanes.count / workers + (i < load->lanes.count % workers);
    pthread_mutex_lock(&load->lock);
    load->workers = hr_calloc((size_t)workers, sizeof(*load->workers));
    for (int32_t w = 0; w < workers && rc == HR_OK && load->workers != NULL; w++) {
        load->worker_count++;
        rc = hr_worker_start(&load->workers[w], &load->shared, w, load->lanes.lanes + at, load->holds + at, counts[w], load->target, error);
        at += counts[w];
    }
    if (load->workers == NULL)
        rc = hr_error_nomem(error);
    pthread_mutex_unlock(&load->lock);
    for (int32_t w = 0; w < load->worker_count; w++)
        hr_worker_join(&load->workers[w]);
    return rc != HR_OK ? rc : hr_load_worker_error(load, error);
}

/* A run that commits at its end and failed has left nothing. */
static void hr_load_forget_rolled_back(hr_load *load)
{
    for (int32_t w = 0; w < load->worker_count; w++) {
        hr_worker *worker = &load->workers[w];

        pthread_mutex_lock(&worker->lock); /* the caller may be looking at the progress */
        memset(worker->reasons, 0, sizeof(worker->reasons));
        json_object_clear(worker->relations);
        for (int32_t i = 0; i < worker->lane_count; i++) { /* none when there was no memory for what follows */
            worker->tallies[i] = (hr_tally){0};
            worker->holds[i].next = worker->from[i];
        }
        pthread_mutex_unlock(&worker->lock);
    }
}

/* Connect. To take the lanes and to close the receipt wait for the disk also where commits usually do not: a success is final. */
static int hr_load_connect(hr_load *load, int grace_ms, hr_error *error)
{
    int rc = hr_pg_open_patient(load->config.dsn, "headrace", &load->shared.cancel, grace_ms, &load->pg, error);

    return rc == HR_OK ? hr_pg_commit_synchronously(load->pg, error) : rc;
}

/* Close the receipt in the database, on a new connection when that which took the lanes is lost. A cancel leaves this some time. */
static int hr_load_finish_receipt(hr_load *load, const hr_error *failure, hr_error *error)
{
    double seconds = (double)(hr_monotonic_ms() - load->started_ms) / 1000.0;
    hr_tally total;
    char *detail = NULL;
    int rc;

    hr_load_total(load, &total);
    rc = hr_report_detail(load->workers, load->worker_count, &detail, error);
    if (rc == HR_OK && load->pg != NULL) {
        load->pg->grace_ms = HR_LAST_WORDS_MS;
        rc = hr_ledger_finish(load->pg, &load->config, &total, seconds, failure, detail, error);
        if (rc == HR_OK || !hr_pg_lost(load->pg))
            goto done;
        hr_pg_close(load->pg); /* too long idle for a firewall, or the server was restarted */
        load->pg = NULL;
        rc = HR_OK;
    }
    if (rc == HR_OK)
        rc = hr_load_connect(load, HR_LAST_WORDS_MS, error);
    if (rc == HR_OK)
        rc = hr_ledger_finish(load->pg, &load->config, &total, seconds, failure, detail, error);
done:
    hr_free(detail);
    return rc;
}

/* The run, from connecting to the last commit. */
static int hr_load_run(hr_load *load, hr_error *error)
{
    const hr_load_config *config = &load->config;
    int rc = hr_load_connect(load, 0, error);
    hr_pg *pg = load->pg;

    if (rc == HR_OK)
        rc = hr_target_describe(pg, config, 0, &load->target, error);
    if (rc == HR_OK)
        rc = hr_load_config_bind(&load->config, load->target->schema, error);
    if (rc == HR_OK)
        rc = config->source_ops->plan(config->source, config->workers, &load->shared.cancel, &load->lanes, error);
    if (rc == HR_OK && load->verb == HR_LOAD_PLAN)
        rc = hr_report_plan(pg, config, load->target, &load->lanes, &load->result, error);
    if (rc == HR_OK && load->verb == HR_LOAD_RUN) {
        int32_t workers = hr_load_worker_count(load);

        load->holds = hr_calloc((size_t)load->lanes.count + 1, sizeof(*load->holds));
        rc = load->holds != NULL ? HR_OK : hr_error_nomem(error);
        if (rc == HR_OK && workers > 0)
            rc = hr_load_share_out(load, workers, error);
        if (rc == HR_OK)
            rc = hr_ledger_take(pg, config, load->target->display, &load->lanes, load->holds, error);
        load->began = rc == HR_OK;
    }
    if (rc == HR_OK && load->verb == HR_LOAD_RUN)
        rc = hr_load_work(load, error);
    return rc;
}

static void *hr_load_coordinate(void *arg)
{
    hr_load *load = arg;
    hr_error *error = &load->error;
    int rc = hr_load_run(load, error);

    if (rc == HR_OK)
        hr_error_clear(error);
    else if (load->config.commit_at_end)
        hr_load_forget_rolled_back(load);
    if (load->began) {
        hr_error later;
        int finish = hr_load_finish_receipt(load, rc == HR_OK ? NULL : error, &later);

        /* The rows and offsets are committed whatever becomes of this row: receipt_lanes has it all. Still it is an error. */
        if (rc == HR_OK && finish != HR_OK) {
            *error = later;
            rc = finish;
        }
        finish =
            hr_report_receipt(&load->config, load->target, load->workers, load->worker_count, load->started_at,
                              (double)(hr_monotonic_ms() - load->started_ms) / 1000.0, rc == HR_OK ? NULL : error, &load->result, &later);
        if (rc == HR_OK && finish != HR_OK)
            *error = later;
    }
    pthread_mutex_lock(&load->lock);
    load->done = true;
    pthread_cond_broadcast(&load->changed);
    pthread_mutex_unlock(&load->lock);
    return NULL;
}

/* Free everything but the result. The threads have ended. */
static void hr_load_free(hr_load *load)
{
    hr_pg_close(load->pg);
    for (int32_t w = 0; w < load->worker_count; w++)
        hr_worker_free(&load->workers[w]);
    hr_free(load->workers);
    hr_free(load->holds);
    hr_lanes_free(&load->lanes);
    hr_target_release(load->target);
    hr_load_config_free(&load->config);
    pthread_mutex_destroy(&load->lock);
    pthread_cond_destroy(&load->changed);
    hr_free(load);
}

int hr_load_start(const char *config_json, hr_load_verb verb, hr_load **out, hr_error *error)
{
    hr_load *load = hr_calloc(1, sizeof(*load));
    sigset_t all, before;
    int rc;

    *out = NULL;
    if (load == NULL)
        return hr_error_nomem(error);
    pthread_mutex_init(&load->lock, NULL);
    hr_condition_init(&load->changed);
    hr_error_clear(&load->error);
    load->verb = verb;
    load->started_ms = hr_monotonic_ms();
    load->started_at = time(NULL);
    load->shared.config = &load->config;
    rc = hr_load_config_parse(config_json, &load->config, error);
    if (rc == HR_OK) {
        hr_registry_watch(load->config.registry, &load->shared.cancel);
        atomic_store(&load->shared.budget, load->config.max_records);
        if (load->config.max_seconds > 0)
            load->shared.deadline_ms = load->started_ms + (int64_t)(load->config.max_seconds * 1000.0);
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        if (pthread_create(&load->coordinator, NULL, hr_load_coordinate, load) != 0)
            rc = hr_error_set(error, HR_ENOMEM, "a thread could not be started");
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    if (rc != HR_OK) {
        hr_load_free(load);
        return rc;
    }
    *out = load;
    return HR_OK;
}

bool hr_load_wait(hr_load *load, int timeout_ms)
{
    struct timespec until = hr_condition_until(timeout_ms);
    bool done;

    pthread_mutex_lock(&load->lock);
    while (!load->done && pthread_cond_timedwait(&load->changed, &load->lock, &until) == 0)
        ;
    done = load->done;
    pthread_mutex_unlock(&load->lock);
    return done;
}

char *hr_load_progress(hr_load *load)
{
    hr_tally total;
    int64_t bytes = 0;
    int64_t records = 0;
    bool kafka = load->config.source_ops != NULL && strcmp(load->config.source_ops->kind, "kafka") == 0;
    size_t size = 320;
    char *text = hr_malloc(size);

    if (text == NULL)
        return NULL;
    pthread_mutex_lock(&load->lock);
    hr_load_total(load, &total);
    for (int32_t i = 0; load->worker_count > 0 && i < load->lanes.count; i++) {
        const hr_lane *lane = &load->lanes.lanes[i];

        bytes = bytes < 0 || lane->backlog_bytes < 0 ? -1 : bytes + lane->backlog_bytes;
        records = records < 0 || !kafka || lane->end == INT64_MAX ? -1 : records + (lane->end > lane->next ? lane->end - lane->next : 0);
    }
    pthread_mutex_unlock(&load->lock);
    snprintf(text, size,
             "{\"read\": %" PRId64 ", \"loaded\": %" PRId64 ", \"rejected\": %" PRId64 ", \"skipped\": %" PRId64 ", \"bytes\": %" PRId64
             ", \"seconds\": %.3f, \"total_records\": %" PRId64 ", \"total_bytes\": %" PRId64 "}",
             total.read, total.loaded, total.rejected, total.skipped, total.bytes, (double)(hr_monotonic_ms() - load->started_ms) / 1000.0,
             load->worker_count > 0 ? records : -1, load->worker_count > 0 ? bytes : -1);
    return text;
}

void hr_load_cancel(hr_load *load)
{
    atomic_store(&load->shared.cancel, true);
    pthread_mutex_lock(&load->lock);
    for (int32_t w = 0; w < load->worker_count; w++)
        hr_worker_wake(&load->workers[w]);
    pthread_mutex_unlock(&load->lock);
}

int hr_load_finish(hr_load *load, char **result, hr_error *error)
{
    int rc;

    pthread_join(load->coordinator, NULL);
    *result = load->result;
    rc = load->error.code;
    if (error != NULL)
        *error = load->error;
    hr_load_free(load);
    return rc;
}
