/* csrc/io/window/window_group.c: the consumer group of a window job. */
#include "window_group.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define HR_GROUP_WORDS_MS 2000 /* without an answer it is asked again */
#define HR_GROUP_POLLS 100
#define HR_GROUP_MENDED 0x02030000 /* this librdkafka can be closed before its first assignment */
#define HR_GROUP_BETWEEN_MS 10000

/* The share of a partition, or -1. */
static int32_t hr_group_share(const hr_window_job *job, const char *topic, int32_t partition)
{
    if (strcmp(topic, job->config.topic) == 0)
        return partition >= 0 && partition < job->lanes.count ? partition : -1;
    return job->merges && strcmp(topic, job->config.partials) == 0 && partition == 0 ? job->lanes.count : -1;
}

static void hr_group_pause(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *partitions)
{
    if (partitions->cnt > 0)
        rd_kafka_pause_partitions(rk, partitions);
}

static void hr_group_on_assign(hr_group *group, rd_kafka_t *rk, rd_kafka_topic_partition_list_t *partitions, bool cooperative)
{
    for (int i = 0; i < partitions->cnt; i++) {
        int32_t share = hr_group_share(group->job, partitions->elems[i].topic, partitions->elems[i].partition);

        partitions->elems[i].offset = 0; /* it is not read by this client; where it begins does not matter */
        if (share >= 0)
            group->assigned[share] = true;
    }
    if (cooperative)
        rd_kafka_error_destroy(rd_kafka_incremental_assign(rk, partitions));
    else
        rd_kafka_assign(rk, partitions);
    hr_group_pause(rk, partitions);
}

static void hr_group_on_revoke(hr_group *group, rd_kafka_t *rk, rd_kafka_topic_partition_list_t *partitions, bool cooperative)
{
    bool ours = !rd_kafka_assignment_lost(rk);

    for (int i = 0; i < partitions->cnt; i++) {
        int32_t share = hr_group_share(group->job, partitions->elems[i].topic, partitions->elems[i].partition);

        if (share < 0 || !group->assigned[share])
            continue;
        group->revoked(group->arg, share, ours);
        group->assigned[share] = false;
    }
    if (cooperative)
        rd_kafka_error_destroy(rd_kafka_incremental_unassign(rk, partitions));
    else
        rd_kafka_assign(rk, NULL);
}

static void hr_group_on_rebalance(hr_kafka_client *client, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *partitions)
{
    hr_group *group = client->rebalance_arg;
    const char *protocol = rd_kafka_rebalance_protocol(client->rk);
    bool cooperative = protocol != NULL && strcmp(protocol, "COOPERATIVE") == 0;

    group->changed = true;
    group->joined = group->joined || err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    if (err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
        hr_group_on_assign(group, client->rk, partitions, cooperative);
    else
        hr_group_on_revoke(group, client->rk, partitions, cooperative);
}

int hr_group_open(hr_window_job *job, int32_t index, void (*revoked)(void *, int32_t, bool), void *arg, hr_group *out, hr_error *error)
{
    char *instance = out->instance_name;
    const hr_kafka_setting forced[] = {
        {"group.id", job->config.group},        {"partition.assignment.strategy", "cooperative-sticky"},
        {"session.timeout.ms", "10000"},        {"heartbeat.interval.ms", "200"},
        {"queued.max.messages.kbytes", "64"},   {"queued.min.messages", "1"},
        {"max.partition.fetch.bytes", "65536"}, {"group.instance.id", instance},
    };
    rd_kafka_topic_partition_list_t *topics;
    rd_kafka_resp_err_t err;

    memset(out, 0, sizeof(*out));
    if (job->config.instance != NULL) {
        snprintf(out->instance_name, sizeof(out->instance_name), "%.200s-%d", job->config.instance, (int)index);
        out->instance = out->instance_name;
    }
    out->job = job;
    out->revoked = revoked;
    out->arg = arg;
    out->assigned = hr_calloc((size_t)job->lanes.count + 1, sizeof(*out->assigned));
    if (out->assigned == NULL)
        return hr_error_nomem(error);
    HR_RETURN_NOT_OK(
        hr_kafka_client_open(job->config.kafka, HR_KAFKA_MEMBER, forced, job->config.instance != NULL ? 8 : 7, NULL, &out->client, error));
    out->client->rebalance = hr_group_on_rebalance;
    out->client->rebalance_arg = out;
    out->client->cancel = &job->cancel;
    rd_kafka_poll_set_consumer(out->client->rk);
    topics = rd_kafka_topic_partition_list_new(2);
    rd_kafka_topic_partition_list_add(topics, job->config.topic, RD_KAFKA_PARTITION_UA);
    if (job->merges)
        rd_kafka_topic_partition_list_add(topics, job->config.partials, RD_KAFKA_PARTITION_UA);
    err = rd_kafka_subscribe(out->client->rk, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
        return hr_kafka_fail(out->client, err, error, "consumer group \"%s\" cannot be joined", job->config.group);
    return HR_OK;
}

/* What no waiting heals. */
static bool hr_group_is_hopeless(rd_kafka_resp_err_t err)
{
    switch (err) {
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL:
    case RD_KAFKA_RESP_ERR_INVALID_GROUP_ID:
    case RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT:
    case RD_KAFKA_RESP_ERR_GROUP_MAX_SIZE_REACHED:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION: return true;
    default: return false;
    }
}

/* What came though nothing should be read. */
static int hr_group_message(hr_group *group, const rd_kafka_message_t *message, hr_error *error)
{
    char words[256];
    rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(group->client->rk, words, sizeof(words));

    if (fatal != RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (fatal == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID)
            return hr_error_set(error, HR_EFENCED,
                                "another process works on job \"%s\" under the same --instance (%s); give each process its own",
                                group->job->config.job, group->job->config.instance != NULL ? group->job->config.instance : "");
        return hr_kafka_fail(group->client, fatal, error, "consumer group \"%s\": %s", group->job->config.group, words);
    }
    if (hr_group_is_hopeless(message->err)) {
        hr_kafka_fail(group->client, message->err, error, "consumer group \"%s\" cannot be joined (%s)%s", group->job->config.group,
                      rd_kafka_message_errstr(message),
                      message->err == RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL
                          ? ": it has members that are no window workers; give the job, or them, another group"
                          : "");
        if (error != NULL) {
            error->fatal = true;
            error->retriable = false;
        }
        return HR_EKAFKA;
    }
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR &&
        message->rkt != NULL) { /* it was fetched before the pause, or the pause was forgotten */
        rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

        rd_kafka_topic_partition_list_add(list, rd_kafka_topic_name(message->rkt), message->partition);
        rd_kafka_pause_partitions(group->client->rk, list);
        rd_kafka_topic_partition_list_destroy(list);
    }
    return HR_OK; /* others pass by themselves */
}

int hr_group_poll(hr_group *group, int timeout_ms, hr_error *error)
{
    int rc = HR_OK;

    for (int i = 0; rc == HR_OK && i < HR_GROUP_POLLS; i++) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(group->client->rk, i == 0 ? timeout_ms : 0);

        if (message == NULL)
            break;
        rc = hr_group_message(group, message, error);
        rd_kafka_message_destroy(message);
    }
    return rc;
}

int hr_group_word_write(const hr_window_word *word, char text[HR_GROUP_WORD])
{
    return snprintf(text, HR_GROUP_WORD, "w=%" PRId64 ";i=%d;c=%d;r=%" PRId64 ";a=%" PRId64 ";l=%" PRId64, word->watermark, word->idle,
                    word->closed, word->round, word->round_at, word->alive);
}

/* Words of earlier versions end after "c". */
static void hr_group_word_read(const rd_kafka_topic_partition_t *from, hr_window_word *out)
{
    char text[HR_GROUP_WORD] = "";
    int idle = 0, closed = 0;

    if (from->metadata != NULL && from->metadata_size < sizeof(text))
        memcpy(text, from->metadata, from->metadata_size);
    out->known = sscanf(text, "w=%" SCNd64 ";i=%d;c=%d;r=%" SCNd64 ";a=%" SCNd64 ";l=%" SCNd64, &out->watermark, &idle, &closed,
                        &out->round, &out->round_at, &out->alive) >= 3;
    out->idle = idle != 0;
    out->closed = closed != 0;
}

int hr_group_words(hr_group *group, hr_window_word *words, hr_error *error)
{
    const hr_window_job *job = group->job;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(job->lanes.count + 1);
    rd_kafka_resp_err_t err;

    for (int32_t p = 0; p < job->lanes.count; p++)
        rd_kafka_topic_partition_list_add(list, job->config.topic, p);
    if (job->merges)
        rd_kafka_topic_partition_list_add(list, job->config.partials, 0);
    err = rd_kafka_committed(group->client->rk, list, HR_GROUP_WORDS_MS);
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *each = &list->elems[i];
        int32_t share = hr_group_share(job, each->topic, each->partition);

        if (share < 0)
            continue;
        words[share] = (hr_window_word){.offset = each->offset, .watermark = HR_NO_WATERMARK};
        if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
            err = each->err;
        if (err == RD_KAFKA_RESP_ERR_NO_ERROR && each->offset >= 0)
            hr_group_word_read(each, &words[share]);
    }
    rd_kafka_topic_partition_list_destroy(list);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
        return hr_kafka_fail(group->client, err, error, "the offsets of consumer group \"%s\" cannot be asked for", job->config.group);
    return HR_OK;
}

/* Whether the member has a generation, but no assignment yet. librdkafka before 2.3 aborts the whole process when its client is destroyed
 * just then. */
static bool hr_group_is_between(const hr_group *group)
{
    rd_kafka_t *rk = group->client->rk;
    rd_kafka_consumer_group_metadata_t *now, *none;
    void *now_bytes = NULL, *none_bytes = NULL;
    size_t now_size = 0, none_size = 0;
    char *member;
    bool is;

    if (group->joined || rd_kafka_version() >= HR_GROUP_MENDED)
        return false;
    now = rd_kafka_consumer_group_metadata(rk);
    member = rd_kafka_memberid(rk);
    if (now == NULL || member == NULL) {
        if (now != NULL)
            rd_kafka_consumer_group_metadata_destroy(now);
        return false;
    }
    /* the generation cannot be asked for: compare with one that has none */
    none = rd_kafka_consumer_group_metadata_new_with_genid(group->job->config.group, -1, member, group->instance);
    rd_kafka_mem_free(rk, member);
    rd_kafka_error_destroy(rd_kafka_consumer_group_metadata_write(now, &now_bytes, &now_size));
    rd_kafka_error_destroy(rd_kafka_consumer_group_metadata_write(none, &none_bytes, &none_size));
    is = now_size != none_size || memcmp(now_bytes, none_bytes, now_size) != 0;
    rd_kafka_mem_free(rk, now_bytes);
    rd_kafka_mem_free(rk, none_bytes);
    rd_kafka_consumer_group_metadata_destroy(now);
    rd_kafka_consumer_group_metadata_destroy(none);
    return is;
}

/* False: it cannot be closed. */
static bool hr_group_await_assignment(hr_group *group)
{
    int64_t deadline = hr_kafka_now_ms() + HR_GROUP_BETWEEN_MS;

    while (hr_group_is_between(group) && hr_kafka_now_ms() < deadline) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(group->client->rk, 20);

        if (message != NULL)
            rd_kafka_message_destroy(message);
    }
    return !hr_group_is_between(group);
}

void hr_group_close(hr_group *group, int timeout_ms)
{
    if (group->client != NULL && !hr_group_await_assignment(group))
        group->client = NULL; /* better left behind than the process with it */
    if (group->client != NULL) {
        rd_kafka_t *rk = group->client->rk;
        rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(rk);
        int64_t deadline = hr_kafka_now_ms() + timeout_ms;

        if (queue != NULL) {
            rd_kafka_error_destroy(rd_kafka_consumer_close_queue(rk, queue));
            while (!rd_kafka_consumer_closed(rk) && hr_kafka_now_ms() < deadline) {
                rd_kafka_message_t *message = rd_kafka_consumer_poll(rk, 20);

                if (message != NULL)
                    rd_kafka_message_destroy(message);
            }
            rd_kafka_queue_destroy(queue);
        }
        hr_kafka_client_close(group->client);
    }
    hr_free(group->assigned);
    memset(group, 0, sizeof(*group));
}
