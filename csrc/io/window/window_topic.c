/* csrc/io/window/window_topic.c: the coordinator of a window job: plans, makes topics, runs the workers, writes the receipt. */
#include "window_topic.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "io/json_text.h"
#include "io/kafka/kafka_admin.h"
#include "window_worker.h"
#include "io/load/worker.h"

#define HR_TOPIC_PARTIALS_MS "7776000000" /* 90 days: a job may pause so long */
#define HR_TOPIC_VISIBLE_MS 5000          /* how long the end of the last transactions is waited for */
#define HR_TOPIC_LOOK_MS 20               /* between two looks at whether they are visible */
#define HR_TOPIC_MESSAGE 1000000          /* bytes of a message, as librdkafka has it when nobody says anything */

struct hr_window_topic {
    hr_window_job job;
    hr_window_worker *workers;
    int32_t worker_count;
    pthread_t coordinator;
    pthread_mutex_t lock; /* guards done */
    pthread_cond_t changed;
    bool done;
    int64_t started_ms;
    time_t started_at;
    hr_error error;
    char *result;
};

/* ---- topics ---- */

/* States are needed for ever, but only the newest; partials until the windows that they belong to are closed, some time may pass
 * between two runs; of the others the brokers' defaults decide. */
typedef enum hr_topic_kind { HR_TOPIC_PLAIN, HR_TOPIC_STATE, HR_TOPIC_PARTIALS } hr_topic_kind;

static int hr_window_topic_make(hr_kafka_client *admin, const char *name, int32_t partitions, hr_topic_kind kind, hr_error *error)
{
    json_t *config = NULL;
    bool made;
    int rc;

    if (kind == HR_TOPIC_STATE)
        config = json_pack("{s:s, s:s, s:s, s:s}", "cleanup.policy", "compact", "segment.bytes", "16777216", "min.cleanable.dirty.ratio",
                           "0.2", "segment.ms", "600000");
    else if (kind == HR_TOPIC_PARTIALS)
        config = json_pack("{s:s, s:s}", "cleanup.policy", "delete", "retention.ms", HR_TOPIC_PARTIALS_MS);
    if (kind != HR_TOPIC_PLAIN && config == NULL)
        return hr_error_nomem(error);
    rc = hr_kafka_topic_create(admin, name, partitions, -1, config, HR_KAFKA_TIMEOUT_MS, &made, error);
    json_decref(config);
    return rc;
}

/* The topic that results or dead letters go to: made when it is not there, with any number of partitions when it is. */
static int hr_window_topic_need(hr_kafka_client *admin, const char *name, int32_t partitions, hr_error *error)
{
    hr_kafka_topic found;
    int rc = hr_kafka_topic_look(admin, name, HR_KAFKA_TIMEOUT_MS, &found, error);

    hr_kafka_topic_free(&found);
    if (rc != HR_EUSAGE)
        return rc;
    rc = hr_window_topic_make(admin, name, partitions, HR_TOPIC_PLAIN, error);
    if (rc == HR_EUSAGE) { /* somebody else has made it meanwhile, with other partitions; or it cannot be made */
        rc = hr_kafka_topic_find(admin, name, HR_KAFKA_TIMEOUT_MS, &found, error);
        hr_kafka_topic_free(&found);
    }
    return rc;
}

/* A topic of the job's own that is there already: HR_EUSAGE when it has not the partitions, or would forget what is needed. */
static int hr_window_topic_check(hr_kafka_client *admin, const hr_window_job *job, const hr_kafka_topic *found, hr_topic_kind kind,
                                 hr_error *error)
{
    const hr_window_config *config = &job->config;
    int32_t wanted = kind == HR_TOPIC_STATE ? job->lanes.count + 1 : 1;
    const char *wrong = NULL;
    char policy[64];

    if (kind == HR_TOPIC_STATE && found->count != wanted)
        return hr_window_job_grown(job, found->count - 1, job->lanes.count, error);
    if (found->count != wanted)
        return hr_error_set(error, HR_EUSAGE,
                            "topic \"%s\" is job \"%s\"'s own, and has %d partitions in place of %d: delete it when it is not", found->name,
                            config->job, (int)found->count, (int)wanted);
    HR_RETURN_NOT_OK(hr_kafka_topic_setting(admin, found->name, "cleanup.policy", HR_KAFKA_TIMEOUT_MS, policy, sizeof(policy), error));
    if (kind == HR_TOPIC_STATE && policy[0] != '\0' && strcmp(policy, "compact") != 0)
        wrong = "the state of a pause, or of a partition that brings nothing, would be deleted; set it to compact";
    else if (kind == HR_TOPIC_PARTIALS && strstr(policy, "compact") != NULL)
        wrong = "its messages have no keys; set it to delete";
    if (wrong != NULL)
        return hr_error_set(error, HR_EUSAGE, "topic \"%s\" of job \"%s\": its cleanup.policy is \"%s\": %s", found->name, config->job,
                            policy, wrong);
    return HR_OK;
}

/* A topic of the job's own: made when it is not there, which needs a permission that nothing else does. */
static int hr_window_topic_own(hr_kafka_client *admin, const hr_window_job *job, hr_topic_kind kind, hr_error *error)
{
    const char *name = kind == HR_TOPIC_STATE ? job->config.state : job->config.partials;
    hr_kafka_topic found;
    int rc = hr_kafka_topic_look(admin, name, HR_KAFKA_TIMEOUT_MS, &found, error);

    if (rc == HR_EUSAGE)
        rc = hr_window_topic_make(admin, name, kind == HR_TOPIC_STATE ? job->lanes.count + 1 : 1, kind, error);
    else if (rc == HR_OK)
        rc = hr_window_topic_check(admin, job, &found, kind, error);
    hr_kafka_topic_free(&found);
    return rc;
}

/* *least becomes what the topic takes, when that is less. What the brokers do not tell is found out when a message is refused. */
static int hr_window_topic_limit(hr_kafka_client *admin, const char *topic, int64_t *least, hr_error *error)
{
    char text[32];
    int64_t most;

    HR_RETURN_NOT_OK(hr_kafka_topic_setting(admin, topic, "max.message.bytes", HR_KAFKA_TIMEOUT_MS, text, sizeof(text), error));
    most = strtoll(text, NULL, 10);
    if (most > 0 && most < *least)
        *least = most;
    return HR_OK;
}

/* How large messages may be, and batches of them, which brokers look at: librdkafka would put small ones together to more than a topic
 * with a low limit takes. */
static int hr_window_topic_limits(hr_kafka_client *admin, hr_window_job *job, hr_error *error)
{
    int64_t batch = hr_kafka_client_number(admin, "batch.size", HR_TOPIC_MESSAGE), least = batch;

    job->message_bytes = job->letter_bytes = hr_kafka_client_number(admin, "message.max.bytes", HR_TOPIC_MESSAGE);
    HR_RETURN_NOT_OK(hr_window_topic_limit(admin, job->config.to, &least, error));
    if (job->config.late != NULL)
        HR_RETURN_NOT_OK(hr_window_topic_limit(admin, job->config.late, &job->letter_bytes, error));
    least = job->letter_bytes < least ? job->letter_bytes : least;
    if (least < batch && json_object_get(job->config.kafka, "batch.size") == NULL)
        job->batch_bytes = least;
    return HR_OK;
}

static int hr_window_topic_prepare(hr_window_topic *topic, hr_error *error)
{
    hr_window_job *job = &topic->job;
    const hr_window_config *config = &job->config;
    hr_kafka_client *admin;
    int32_t n;
    int rc;

    HR_RETURN_NOT_OK(hr_source_find("kafka")->plan(config->source, 0, &job->cancel, &job->lanes, error));
    n = job->lanes.count;
    job->merges = n > 1;
    if (job->merges && config->early_ms > 0)
        return hr_error_set(
            error, HR_EUSAGE,
            "early results need a topic of one partition, and \"%s\" has %d: nobody sees all frames of a window before it is "
            "closed",
            config->topic, (int)n);
    pthread_mutex_lock(&job->lock); /* the caller may be looking at the progress */
    job->ends = hr_calloc((size_t)n + 1, sizeof(*job->ends));
    job->owned = hr_calloc((size_t)n + 1, sizeof(*job->owned));
    job->reports = hr_calloc((size_t)n + 1, sizeof(*job->reports));
    job->words = hr_calloc((size_t)n + 1, sizeof(*job->words));
    for (int32_t i = 0; job->ends != NULL && i < n; i++)
        atomic_store(&job->ends[i], job->lanes.lanes[i].end);
    pthread_mutex_unlock(&job->lock);
    if (job->ends == NULL || job->owned == NULL || job->reports == NULL || job->words == NULL)
        return hr_error_nomem(error);
    HR_RETURN_NOT_OK(hr_kafka_client_open(config->kafka, HR_KAFKA_READER, NULL, 0, NULL, &admin, error));
    admin->cancel = &job->cancel;
    rc = hr_window_topic_need(admin, config->to, 1, error);
    if (rc == HR_OK && config->late != NULL)
        rc = hr_window_topic_need(admin, config->late, n, error);
    if (rc == HR_OK)
        rc = hr_window_topic_own(admin, job, HR_TOPIC_STATE, error);
    if (rc == HR_OK && job->merges)
        rc = hr_window_topic_own(admin, job, HR_TOPIC_PARTIALS, error);
    if (rc == HR_OK)
        rc = hr_window_topic_limits(admin, job, error);
    hr_kafka_client_close(admin);
    return rc;
}

/* ---- the run ---- */

/* The first error of the workers; HR_OK when there is none. */
static int hr_window_topic_worker_error(hr_window_topic *topic, hr_error *error)
{
    const hr_error *first = NULL;

    for (int32_t i = 0; i < topic->worker_count; i++) {
        const hr_error *each = &topic->workers[i].error;

        if (each->code != HR_OK && (first == NULL || first->code == HR_ECANCELLED || (each->fatal && !first->fatal)))
            first = each;
    }
    if (first == NULL)
        return atomic_load(&topic->job.cancel) ? hr_error_set(error, HR_ECANCELLED, "stopped by the caller") : HR_OK;
    *error = *first;
    return error->code;
}

static int hr_window_topic_work(hr_window_topic *topic, hr_error *error)
{
    int32_t workers = topic->job.config.workers;
    int rc = HR_OK;

    pthread_mutex_lock(&topic->job.lock);
    topic->workers = hr_calloc((size_t)workers, sizeof(*topic->workers));
    for (int32_t i = 0; rc == HR_OK && topic->workers != NULL && i < workers; i++) {
        rc = hr_window_worker_start(&topic->workers[i], &topic->job, i, error);
        topic->worker_count += rc == HR_OK;
    }
    pthread_mutex_unlock(&topic->job.lock);
    if (topic->workers == NULL)
        return hr_error_nomem(error);
    if (rc != HR_OK)
        atomic_store(&topic->job.cancel, true);
    for (int32_t i = 0; i < topic->worker_count; i++)
        hr_window_worker_join(&topic->workers[i]);
    return rc != HR_OK ? rc : hr_window_topic_worker_error(topic, error);
}

/* A transaction is committed before every partition has heard of it. Who reads the results after the run has returned shall find them:
 * wait until the end of what is committed is the end of what is there. Other processes' transactions may be open: not for ever. */
static void hr_window_topic_wait_visible(hr_window_topic *topic)
{
    static const hr_kafka_setting uncommitted = {"isolation.level", "read_uncommitted"};
    const hr_window_config *config = &topic->job.config;
    int64_t deadline = hr_kafka_now_ms() + HR_TOPIC_VISIBLE_MS;
    hr_kafka_client *committed = NULL, *all = NULL;
    hr_kafka_topic found = {0};
    hr_error ignored;
    int rc = hr_kafka_client_open(config->kafka, HR_KAFKA_READER, NULL, 0, NULL, &committed, &ignored);

    if (rc == HR_OK)
        rc = hr_kafka_client_open(config->kafka, HR_KAFKA_READER, &uncommitted, 1, NULL, &all, &ignored);
    if (rc == HR_OK) {
        committed->cancel = all->cancel = &topic->job.cancel;
        rc = hr_kafka_topic_find(all, config->to, HR_KAFKA_TIMEOUT_MS, &found, &ignored);
    }
    for (int32_t i = 0; rc == HR_OK && i < found.count; i++) {
        int64_t here = 0, there = 0;

        do {
            rc = hr_kafka_offsets(all, config->to, &found.partitions[i], 1, HR_KAFKA_LATEST, HR_KAFKA_TIMEOUT_MS, &there, &ignored);
            if (rc == HR_OK)
                rc =
                    hr_kafka_offsets(committed, config->to, &found.partitions[i], 1, HR_KAFKA_LATEST, HR_KAFKA_TIMEOUT_MS, &here, &ignored);
            if (rc == HR_OK && here < there)
                nanosleep(&(struct timespec){.tv_nsec = HR_TOPIC_LOOK_MS * 1000000L}, NULL);
        } while (rc == HR_OK && here < there && hr_kafka_now_ms() < deadline);
    }
    hr_kafka_topic_free(&found);
    hr_kafka_client_close(committed);
    hr_kafka_client_close(all);
}

/* ---- receipts ---- */

static json_t *hr_window_counts_json(const hr_window_counts *counts)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "frames", (json_int_t)counts->frames, "counted",
                     (json_int_t)counts->counted, "late", (json_int_t)counts->late, "malformed", (json_int_t)counts->malformed, "future",
                     (json_int_t)counts->future, "tombstones", (json_int_t)counts->tombstones, "replayed", (json_int_t)counts->replayed,
                     "bytes", (json_int_t)counts->bytes);
}

/* A time as ISO 8601 text, or null for none; also for those that no calendar has. */
static json_t *hr_window_time_json(int64_t micros)
{
    time_t seconds = (time_t)(micros / 1000000 - (micros % 1000000 < 0));
    struct tm tm;
    char text[64];

    if (micros == HR_NO_WATERMARK || micros == INT64_MAX || gmtime_r(&seconds, &tm) == NULL || tm.tm_year > 8099 || tm.tm_year < -1899 ||
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        return json_null();
    return json_string(text);
}

static json_t *hr_window_now_json(const hr_window_topic *topic)
{
    hr_window_now sum = {.watermark = INT64_MAX, .lag = 0};

    for (int32_t i = 0; topic->workers != NULL && i < topic->worker_count; i++) {
        const hr_window_now *now = &topic->workers[i].now;

        sum.watermark = now->watermark != HR_NO_WATERMARK && now->watermark < sum.watermark ? now->watermark : sum.watermark;
        sum.lag += now->lag > 0 ? now->lag : 0;
        sum.open_windows += now->open_windows;
        sum.groups += now->groups;
        sum.memory += now->memory;
        sum.replaying += now->replaying;
        sum.shares += now->shares;
    }
    return json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:I}", "watermark", hr_window_time_json(sum.watermark), "lag", (json_int_t)sum.lag,
                     "open_windows", (json_int_t)sum.open_windows, "groups", (json_int_t)sum.groups, "memory", (json_int_t)sum.memory,
                     "replaying", (json_int_t)sum.replaying, "shares", (json_int_t)sum.shares);
}

/* Totals with what the partitions hold; call with the job's lock. */
static json_t *hr_window_totals_json(const hr_window_topic *topic)
{
    const hr_window_job *job = &topic->job;
    const hr_window_counts *counts = &job->counts;
    json_t *out = hr_window_counts_json(counts), *more;
    int64_t held = 0, before = 0;
    double seconds = (double)(hr_kafka_now_ms() - topic->started_ms) / 1000.0;

    for (int32_t i = 0; job->reports != NULL && i < job->lanes.count; i++) {
        held += job->reports[i].held;
        before += job->reports[i].held_before;
    }
    more = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:f}", "held", (json_int_t)held, "held_before", (json_int_t)before, "results",
                     (json_int_t)counts->results, "early", (json_int_t)counts->early, "windows", (json_int_t)counts->windows, "commits",
                     (json_int_t)counts->commits, "seconds", seconds);
    if (out == NULL || more == NULL || json_object_update(out, more) != 0) {
        json_decref(out);
        out = NULL;
    }
    json_decref(more);
    return out;
}

/* What was accepted as lost, if anything. */
static int hr_window_lost_json(const hr_window_report *report, json_t *to)
{
    if (report->lost_why == NULL)
        return 0;
    return json_object_set_new(to, "lost",
                               json_pack("{s:I, s:I, s:I, s:s}", "count", (json_int_t)report->lost, "from", (json_int_t)report->lost_from,
                                         "to", (json_int_t)report->lost_to, "why", report->lost_why));
}

static json_t *hr_window_partitions_json(const hr_window_job *job)
{
    json_t *list = json_array();

    for (int32_t i = 0; job->reports != NULL && i < job->lanes.count; i++) {
        const hr_window_report *report = &job->reports[i];
        json_t *each;

        if (!report->taken)
            continue;
        each = hr_window_counts_json(&report->counts);
        if (each == NULL || json_object_set_new(each, "topic", json_string(job->config.topic)) != 0 ||
            json_object_set_new(each, "partition", json_integer(i)) != 0 ||
            json_object_set_new(each, "from", json_integer(report->from)) != 0 ||
            json_object_set_new(each, "to", json_integer(report->to)) != 0 ||
            json_object_set_new(each, "held", json_integer(report->held)) != 0 || hr_window_lost_json(report, each) != 0 ||
            json_array_append(list, each) != 0) {
            json_decref(each);
            json_decref(list);
            return NULL;
        }
        json_decref(each);
    }
    return list;
}

/* HR_EBALANCE when the totals do not add up. */
static int hr_window_topic_receipt(hr_window_topic *topic, const hr_error *failure, hr_error *error)
{
    const hr_window_config *config = &topic->job.config;
    const hr_window_counts *counts = &topic->job.counts;
    json_t *root, *totals, *partitions;
    int64_t held = 0;
    int bad = 0;

    for (int32_t i = 0; topic->job.reports != NULL && i < topic->job.lanes.count; i++)
        held += topic->job.reports[i].held - topic->job.reports[i].held_before;
    root = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s?, s:s?, s:b, s:i, s:o}", "job", config->job, "run_id", config->run_id, "state",
                     failure == NULL ? "succeeded" : "failed", "source", config->topic, "to", config->to, "late_topic", config->late,
                     "table", config->table, "keyed", config->keyed, "workers", (int)config->workers, "started_at",
                     hr_window_time_json((int64_t)topic->started_at * 1000000));
    totals = hr_window_totals_json(topic);
    partitions = hr_window_partitions_json(&topic->job);
    bad = root == NULL || totals == NULL || partitions == NULL || json_object_update(root, totals) != 0 ||
          json_object_set(root, "partitions", partitions) != 0;
    if (!bad && failure != NULL)
        bad = json_object_set_new(root, "error",
                                  json_pack("{s:s, s:s, s:b, s:b}", "code", hr_code_name(failure->code), "message", failure->message,
                                            "retriable", failure->retriable, "fatal", failure->fatal)) != 0;
    if (!bad)
        topic->result = hr_json_text_of(root, JSON_COMPACT);
    json_decref(root);
    json_decref(totals);
    json_decref(partitions);
    if (topic->result == NULL)
        return hr_error_nomem(error);
    if (counts->frames != counts->counted + counts->late + counts->malformed + counts->future + counts->tombstones + held)
        return hr_error_set(error, HR_EBALANCE, "%lld frames are not %lld counted + %lld late + %lld malformed + %lld future + %lld held",
                            (long long)counts->frames, (long long)counts->counted, (long long)counts->late, (long long)counts->malformed,
                            (long long)counts->future, (long long)held);
    return HR_OK;
}

static void *hr_window_topic_coordinate(void *arg)
{
    hr_window_topic *topic = arg;
    hr_error later;
    int rc = hr_window_topic_prepare(topic, &topic->error);

    if (rc == HR_OK)
        rc = hr_window_topic_work(topic, &topic->error);
    if (rc == HR_OK)
        hr_error_clear(&topic->error);
    if (topic->workers != NULL) {
        if (rc == HR_OK && !atomic_load(&topic->job.cancel))
            hr_window_topic_wait_visible(topic);
        if (hr_window_topic_receipt(topic, rc == HR_OK ? NULL : &topic->error, &later) != HR_OK && rc == HR_OK)
            topic->error = later;
    }
    pthread_mutex_lock(&topic->lock);
    topic->done = true;
    pthread_cond_broadcast(&topic->changed);
    pthread_mutex_unlock(&topic->lock);
    return NULL;
}

/* ---- the caller's side ---- */

/* Everything but the result. The threads have ended. */
static void hr_window_topic_free(hr_window_topic *topic)
{
    hr_free(topic->workers);
    hr_free(topic->job.ends);
    hr_free(topic->job.owned);
    hr_free(topic->job.words);
    hr_free(topic->job.reports);
    hr_lanes_free(&topic->job.lanes);
    hr_window_config_free(&topic->job.config);
    pthread_mutex_destroy(&topic->job.lock);
    pthread_mutex_destroy(&topic->lock);
    pthread_cond_destroy(&topic->changed);
    hr_free(topic);
}

int hr_window_topic_start(const char *config_json, hr_window_topic **out, hr_error *error)
{
    hr_window_topic *topic = hr_calloc(1, sizeof(*topic));
    hr_windows *windows = NULL;
    sigset_t all, before;
    int rc;

    *out = NULL;
    if (topic == NULL)
        return hr_error_nomem(error);
    pthread_mutex_init(&topic->lock, NULL);
    pthread_mutex_init(&topic->job.lock, NULL);
    hr_condition_init(&topic->changed);
    hr_error_clear(&topic->error);
    topic->started_ms = hr_kafka_now_ms();
    topic->started_at = time(NULL);
    rc = hr_window_config_parse(config_json, &topic->job.config, error);
    if (rc == HR_OK) {
        rc = hr_window_config_windows(&topic->job.config, false, &windows, error); /* says what cannot be before anything is connected */
        hr_windows_free(windows);
    }
    if (rc == HR_OK) {
        atomic_store(&topic->job.budget, topic->job.config.max_records);
        atomic_store(&topic->job.transaction_bytes, topic->job.config.transaction_bytes);
        if (topic->job.config.max_seconds > 0)
            topic->job.deadline_ms = topic->started_ms + (int64_t)(topic->job.config.max_seconds * 1000.0);
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        if (pthread_create(&topic->coordinator, NULL, hr_window_topic_coordinate, topic) != 0)
            rc = hr_error_set(error, HR_ENOMEM, "a thread could not be started");
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    if (rc != HR_OK) {
        hr_window_topic_free(topic);
        return rc;
    }
    *out = topic;
    return HR_OK;
}

bool hr_window_topic_wait(hr_window_topic *topic, int timeout_ms)
{
    struct timespec until = hr_condition_until(timeout_ms);
    bool done;

    pthread_mutex_lock(&topic->lock);
    while (!topic->done && pthread_cond_timedwait(&topic->changed, &topic->lock, &until) == 0)
        ;
    done = topic->done;
    pthread_mutex_unlock(&topic->lock);
    return done;
}

char *hr_window_topic_progress(hr_window_topic *topic)
{
    json_t *out, *now;
    char *text = NULL;

    pthread_mutex_lock(&topic->job.lock);
    out = hr_window_totals_json(topic);
    now = hr_window_now_json(topic);
    pthread_mutex_unlock(&topic->job.lock);
    if (out != NULL && now != NULL && json_object_update(out, now) == 0)
        text = hr_json_text_of(out, JSON_COMPACT);
    json_decref(out);
    json_decref(now);
    return text;
}

void hr_window_topic_cancel(hr_window_topic *topic)
{
    atomic_store(&topic->job.cancel, true);
}

void hr_window_topic_stop(hr_window_topic *topic)
{
    atomic_store(&topic->job.stop, true);
}

int hr_window_topic_finish(hr_window_topic *topic, char **result, hr_error *error)
{
    int rc;

    pthread_join(topic->coordinator, NULL);
    *result = topic->result;
    rc = topic->error.code;
    if (error != NULL)
        *error = topic->error;
    hr_window_topic_free(topic);
    return rc;
}
