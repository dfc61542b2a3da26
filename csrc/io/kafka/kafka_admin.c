/* csrc/io/kafka/kafka_admin.c: topics and offsets, asked of the brokers. */
#include "kafka_admin.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/alloc.h"

#define HR_KAFKA_SLICE_MS 400         /* the first try of a question takes so long; each further one twice as long as the one before */
#define HR_KAFKA_PAUSE_MS 100         /* between tries */
#define HR_KAFKA_UNKNOWN_MS 1000      /* a topic just made may be unknown to a broker for this long */
#define HR_KAFKA_UNAUTHORIZED_MS 1500 /* refused credentials are believed when they stay refused for this long */

static void hr_kafka_sleep(int ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

    nanosleep(&time, NULL);
}

/* What is left until the deadline, at least 1 and at most `most`. */
static int hr_kafka_left(int64_t deadline, int most)
{
    int64_t left = deadline - hr_kafka_now_ms();

    return left < 1 ? 1 : left > most ? most : (int)left;
}

static int hr_kafka_cancel(hr_error *error)
{
    return hr_error_set(error, HR_ECANCELLED, "stopped by the caller while Kafka was asked");
}

/* librdkafka cannot be interrupted in a question, so questions are put in slices, for a cancel to be seen. */
static int hr_kafka_longer(int slice)
{
    return slice < 8000 ? slice * 2 : slice;
}

/* Metadata of one topic, or of all when rkt is NULL; tried again while the brokers cannot be reached. The caller destroys *out. */
static int hr_kafka_metadata(hr_kafka_client *client, rd_kafka_topic_t *rkt, const char *what, int64_t deadline,
                             const struct rd_kafka_metadata **out, hr_error *error)
{
    int64_t refused_since = 0;
    int slice = HR_KAFKA_SLICE_MS;
    rd_kafka_resp_err_t err;

    for (;; slice = hr_kafka_longer(slice)) {
        int64_t started = hr_kafka_now_ms(), now;

        if (hr_kafka_client_cancelled(client))
            return hr_kafka_cancel(error);
        err = rd_kafka_metadata(client->rk, rkt == NULL, rkt, out, hr_kafka_left(deadline, slice));
        if (err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            atomic_store(&client->unauthorized, false);
            atomic_store(&client->all_down, false);
            return HR_OK;
        }
        hr_kafka_client_serve(client);
        now = hr_kafka_now_ms();
        if (refused_since == 0 && atomic_load(&client->unauthorized))
            refused_since = now;
        if (now >= deadline || (refused_since != 0 && now - refused_since >= HR_KAFKA_UNAUTHORIZED_MS))
            return hr_kafka_fail(client, err, error, "%s (asked for %s%s)",
                                 refused_since != 0 ? "Kafka refuses our credentials"
                                                    : "no Kafka broker answers; is bootstrap.servers right?",
                                 rkt != NULL ? "topic " : "the ", what);
        if (now - started < HR_KAFKA_PAUSE_MS)
            hr_kafka_sleep(HR_KAFKA_PAUSE_MS);
    }
}

static int hr_kafka_compare_int32(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

    return (x > y) - (x < y);
}

static int hr_kafka_compare_topics(const void *a, const void *b)
{
    return strcmp(((const hr_kafka_topic *)a)->name, ((const hr_kafka_topic *)b)->name);
}

void hr_kafka_topic_free(hr_kafka_topic *topic)
{
    hr_free(topic->name);
    hr_free(topic->partitions);
    memset(topic, 0, sizeof(*topic));
}

bool hr_kafka_topic_has(const hr_kafka_topic *topic, int64_t partition)
{
    for (int32_t i = 0; i < topic->count; i++)
        if (topic->partitions[i] == partition)
            return true;
    return false;
}

void hr_kafka_topics_free(hr_kafka_topics *topics)
{
    for (int32_t i = 0; i < topics->count; i++)
        hr_kafka_topic_free(&topics->topics[i]);
    hr_free(topics->topics);
    memset(topics, 0, sizeof(*topics));
}

/* Copy librdkafka's description of a topic. */
static int hr_kafka_topic_copy(const struct rd_kafka_metadata_topic *from, hr_kafka_topic *out, hr_error *error)
{
    size_t n = strlen(from->topic);

    memset(out, 0, sizeof(*out));
    out->name = hr_malloc(n + 1);
    out->partitions = hr_malloc(sizeof(*out->partitions) * (size_t)(from->partition_cnt + 1));
    if (out->name == NULL || out->partitions == NULL) {
        hr_kafka_topic_free(out);
        return hr_error_nomem(error);
    }
    memcpy(out->name, from->topic, n + 1);
    for (int i = 0; i < from->partition_cnt; i++)
        out->partitions[i] = from->partitions[i].id;
    out->count = from->partition_cnt;
    qsort(out->partitions, (size_t)out->count, sizeof(*out->partitions), hr_kafka_compare_int32);
    return HR_OK;
}

static int hr_kafka_topic_ask(hr_kafka_client *client, const char *name, int timeout_ms, int unknown_ms, hr_kafka_topic *out,
                              hr_error *error)
{
    int64_t now = hr_kafka_now_ms(), deadline = now + timeout_ms, unknown_until = now + unknown_ms;
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(client->rk, name, NULL);
    int rc = HR_OK;

    memset(out, 0, sizeof(*out));
    if (rkt == NULL)
        return hr_error_set(error, HR_EUSAGE, "\"%s\" cannot be the name of a Kafka topic", name);
    for (;;) {
        const struct rd_kafka_metadata *metadata;
        const struct rd_kafka_metadata_topic *topic;
        bool again = false;

        rc = hr_kafka_metadata(client, rkt, name, deadline, &metadata, error);
        if (rc != HR_OK)
            break;
        topic = metadata->topic_cnt == 1 ? &metadata->topics[0] : NULL;
        if (topic == NULL || topic->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || (topic->err == 0 && topic->partition_cnt == 0)) {
            again = hr_kafka_now_ms() < unknown_until;
            rc =
                hr_error_set(error, HR_EUSAGE, "there is no Kafka topic \"%s\" at these brokers: check the name, or create it first", name);
        } else if (topic->err == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION) {
            rc = hr_error_set(error, HR_EUSAGE, "\"%s\" cannot be the name of a Kafka topic", name);
        } else if (topic->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            again = topic->err == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE && hr_kafka_now_ms() < deadline;
            rc = hr_kafka_fail(client, topic->err, error, "Kafka topic \"%s\"", name);
        } else {
            hr_error_clear(error); /* of earlier tries */
            rc = hr_kafka_topic_copy(topic, out, error);
        }
        rd_kafka_metadata_destroy(metadata);
        if (!again)
            break;
        hr_kafka_sleep(HR_KAFKA_PAUSE_MS);
    }
    rd_kafka_topic_destroy(rkt);
    return rc;
}

int hr_kafka_topic_find(hr_kafka_client *client, const char *name, int timeout_ms, hr_kafka_topic *out, hr_error *error)
{
    return hr_kafka_topic_ask(client, name, timeout_ms, HR_KAFKA_UNKNOWN_MS, out, error);
}

int hr_kafka_topic_look(hr_kafka_client *client, const char *name, int timeout_ms, hr_kafka_topic *out, hr_error *error)
{
    return hr_kafka_topic_ask(client, name, timeout_ms, 0, out, error);
}

int hr_kafka_topics_list(hr_kafka_client *client, bool internal, int timeout_ms, hr_kafka_topics *out, hr_error *error)
{
    const struct rd_kafka_metadata *metadata;
    int rc = HR_OK;

    memset(out, 0, sizeof(*out));
    HR_RETURN_NOT_OK(hr_kafka_metadata(client, NULL, "list of topics", hr_kafka_now_ms() + timeout_ms, &metadata, error));
    out->topics = hr_calloc((size_t)metadata->topic_cnt + 1, sizeof(*out->topics));
    if (out->topics == NULL)
        rc = hr_error_nomem(error);
    for (int i = 0; rc == HR_OK && i < metadata->topic_cnt; i++) {
        if (!internal && strncmp(metadata->topics[i].topic, "__", 2) == 0)
            continue;
        rc = hr_kafka_topic_copy(&metadata->topics[i], &out->topics[out->count], error);
        if (rc == HR_OK)
            out->count++;
    }
    rd_kafka_metadata_destroy(metadata);
    if (rc != HR_OK) {
        hr_kafka_topics_free(out);
        return rc;
    }
    qsort(out->topics, (size_t)out->count, sizeof(*out->topics), hr_kafka_compare_topics);
    return HR_OK;
}

/* A librdkafka list of partitions of one topic, all with the same offset. librdkafka aborts when it has no memory for one. */
static rd_kafka_topic_partition_list_t *hr_kafka_partition_list(const char *topic, const int32_t *partitions, int32_t count, int64_t offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(count);

    for (int32_t i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(list, topic, partitions[i])->offset = offset;
    return list;
}

/* Whether a failed question about offsets may be put again: the leader moved, or is being chosen. */
static bool hr_kafka_is_passing(rd_kafka_resp_err_t err)
{
    switch (err) {
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH:
    case RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH:
    case RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__WAIT_COORD: return true;
    default: return false;
    }
}

int hr_kafka_offsets(hr_kafka_client *client, const char *topic, const int32_t *partitions, int32_t count, int64_t when, int timeout_ms,
                     int64_t *out, hr_error *error)
{
    int64_t deadline = hr_kafka_now_ms() + timeout_ms;
    int slice = HR_KAFKA_SLICE_MS;

    if (count == 0)
        return HR_OK;
    for (;; slice = hr_kafka_longer(slice)) {
        rd_kafka_topic_partition_list_t *list;
        rd_kafka_resp_err_t err;
        int32_t bad = partitions[0];

        if (hr_kafka_client_cancelled(client))
            return hr_kafka_cancel(error);
        list = hr_kafka_partition_list(topic, partitions, count, when);
        err = rd_kafka_offsets_for_times(client->rk, list, hr_kafka_left(deadline, slice));

        for (int32_t i = 0; i < count && err == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
            rd_kafka_topic_partition_t *one = rd_kafka_topic_partition_list_find(list, topic, partitions[i]);
            bad = partitions[i];
            err = one != NULL ? one->err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
            /* librdkafka answers a time beyond the last record with the name of the end (-1), never with another negative */
            out[i] = one != NULL && one->offset >= 0 ? one->offset : -1;
        }
        rd_kafka_topic_partition_list_destroy(list);
        if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
            return HR_OK;
        hr_kafka_client_serve(client);
        if (err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION || err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC)
            return hr_error_set(error, HR_EUSAGE, "Kafka topic \"%s\" has no partition %d", topic, (int)bad);
        if (!hr_kafka_is_passing(err) || hr_kafka_now_ms() >= deadline)
            return hr_kafka_fail(client, err, error, "the offsets of Kafka topic \"%s\" (partition %d of %d asked for) cannot be had",
                                 topic, (int)bad, (int)count);
        hr_kafka_sleep(HR_KAFKA_PAUSE_MS);
    }
}

/* ---- requests of the admin interface: one queue, one event ---- */

/* Wait for the answer of a request: the event, for the caller to destroy. */
static int hr_kafka_answer(hr_kafka_client *client, rd_kafka_queue_t *queue, int timeout_ms, const char *what, rd_kafka_event_t **out,
                           hr_error *error)
{
    /* librdkafka itself gives up after the request's time-out; the second on top lets it tell why */
    int64_t deadline = hr_kafka_now_ms() + timeout_ms + 1000;
    rd_kafka_event_t *event = NULL;
    rd_kafka_resp_err_t err;

    while (event == NULL && hr_kafka_now_ms() < deadline) {
        if (hr_kafka_client_cancelled(client))
            return hr_kafka_cancel(error);
        event = rd_kafka_queue_poll(queue, hr_kafka_left(deadline, HR_KAFKA_PAUSE_MS));
    }
    err = event != NULL ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        *out = event;
        return HR_OK;
    }
    hr_kafka_client_serve(client);
    hr_kafka_fail(client, err, error, "%s", what);
    if (event != NULL)
        rd_kafka_event_destroy(event);
    return HR_EKAFKA;
}

static rd_kafka_AdminOptions_t *hr_kafka_options(hr_kafka_client *client, rd_kafka_admin_op_t op, int timeout_ms, bool wait)
{
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(client->rk, op);
    char reason[128];

    rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, reason, sizeof(reason));
    if (wait)
        rd_kafka_AdminOptions_set_operation_timeout(options, timeout_ms, reason, sizeof(reason));
    return options;
}

/* The admin interface has a call for this, which crashes librdkafka 2.0 when the brokers have not made their groups' topic yet. */
int hr_kafka_group_offsets(const json_t *config, const char *group, const char *topic, const int32_t *partitions, int32_t count,
                           int timeout_ms, const atomic_bool *cancel, int64_t *out, hr_error *error)
{
    int64_t deadline = hr_kafka_now_ms() + timeout_ms;
    hr_kafka_setting setting = {"group.id", group};
    int slice = HR_KAFKA_SLICE_MS, rc = HR_EKAFKA;
    hr_kafka_client *client;

    HR_RETURN_NOT_OK(hr_kafka_client_open(config, HR_KAFKA_READER, &setting, 1, NULL, &client, error));
    client->cancel = cancel;
    for (;; slice = hr_kafka_longer(slice)) {
        rd_kafka_topic_partition_list_t *list = hr_kafka_partition_list(topic, partitions, count, RD_KAFKA_OFFSET_INVALID);
        rd_kafka_resp_err_t err = rd_kafka_committed(client->rk, list, hr_kafka_left(deadline, slice));

        for (int32_t i = 0; i < count && err == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
            const rd_kafka_topic_partition_t *one = rd_kafka_topic_partition_list_find(list, topic, partitions[i]);
            out[i] = one != NULL && one->err == RD_KAFKA_RESP_ERR_NO_ERROR && one->offset >= 0 ? one->offset : -1;
        }
        rd_kafka_topic_partition_list_destroy(list);
        if (err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            rc = HR_OK;
            break;
        }
        hr_kafka_client_serve(client);
        if (hr_kafka_client_cancelled(client)) {
            rc = hr_kafka_cancel(error);
            break;
        }
        if (!hr_kafka_is_passing(err) || hr_kafka_now_ms() >= deadline) {
            rc = hr_kafka_fail(client, err, error, "the offsets of consumer group \"%s\" cannot be had", group);
            break;
        }
        hr_kafka_sleep(HR_KAFKA_PAUSE_MS);
    }
    hr_kafka_client_close(client);
    return rc;
}

/* Put the topic's settings on the request. HR_EUSAGE for a value that is no scalar. */
static int hr_kafka_topic_settings(rd_kafka_NewTopic_t *topic, const json_t *config, hr_error *error)
{
    const char *name;
    json_t *value;

    if (config == NULL || json_is_null(config))
        return HR_OK;
    if (!json_is_object(config))
        return hr_error_set(error, HR_EUSAGE, "the settings of a topic must be an object of Kafka's names and values");
    json_object_foreach((json_t *)config, name, value)
    {
        char text[32];

        if (json_is_integer(value))
            snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(value));
        else if (json_is_boolean(value))
            snprintf(text, sizeof(text), "%s", json_is_true(value) ? "true" : "false");
        else if (!json_is_string(value))
            return hr_error_set(error, HR_EUSAGE, "topic setting \"%s\" must be a string, a whole number, true or false", name);
        if (rd_kafka_NewTopic_set_config(topic, name, json_is_string(value) ? json_string_value(value) : text) !=
            RD_KAFKA_RESP_ERR_NO_ERROR)
            return hr_error_set(error, HR_EUSAGE, "topic setting \"%s\" cannot be set", name);
    }
    return HR_OK;
}

/* Compare a topic that exists already with what was asked for. */
static int hr_kafka_topic_compare(hr_kafka_client *client, const char *name, int32_t partitions, int64_t deadline, hr_error *error)
{
    hr_kafka_topic found;
    int32_t count;

    HR_RETURN_NOT_OK(hr_kafka_topic_find(client, name, hr_kafka_left(deadline, INT32_MAX), &found, error));
    count = found.count;
    hr_kafka_topic_free(&found);
    if (count != partitions)
        return hr_error_set(error, HR_EUSAGE, "Kafka topic \"%s\" exists already with %d partitions, not %d; delete it or ask for as many",
                            name, (int)count, (int)partitions);
    return HR_OK;
}

/* Wait until the brokers' metadata show the topic with all its partitions led. */
static int hr_kafka_topic_await(hr_kafka_client *client, const char *name, int32_t partitions, int64_t deadline, hr_error *error)
{
    int64_t *low = hr_malloc(sizeof(*low) * (size_t)partitions);
    int rc = HR_OK;

    if (low == NULL)
        return hr_error_nomem(error);
    for (;;) {
        hr_kafka_topic found;

        rc = hr_kafka_topic_find(client, name, hr_kafka_left(deadline, INT32_MAX), &found, error);
        if (rc == HR_OK && found.count == partitions)
            rc = hr_kafka_offsets(client, name, found.partitions, partitions, HR_KAFKA_EARLIEST, hr_kafka_left(deadline, INT32_MAX), low,
                                  error);
        else if (rc == HR_OK)
            rc = hr_error_set(error, HR_EKAFKA, "Kafka topic \"%s\" was made, but only %d of its %d partitions are there", name,
                              (int)found.count, (int)partitions);
        hr_kafka_topic_free(&found);
        if (rc == HR_OK)
            hr_error_clear(error); /* of earlier tries */
        if (rc == HR_OK || rc == HR_ENOMEM || rc == HR_ECANCELLED || hr_kafka_now_ms() >= deadline)
            break;
        hr_kafka_sleep(HR_KAFKA_PAUSE_MS);
    }
    hr_free(low);
    return rc;
}

int hr_kafka_topic_create(hr_kafka_client *client, const char *name, int32_t partitions, int32_t replication, const json_t *config,
                          int timeout_ms, bool *made, hr_error *error)
{
    int64_t deadline = hr_kafka_now_ms() + timeout_ms;
    char reason[256], what[320];
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(name, partitions, replication, reason, sizeof(reason));
    rd_kafka_AdminOptions_t *options;
    rd_kafka_queue_t *queue;
    rd_kafka_event_t *event;
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;
    int rc;

    *made = false;
    if (topic == NULL)
        return hr_error_set(error, HR_EUSAGE, "Kafka topic \"%s\" cannot be made: %s", name, reason);
    rc = hr_kafka_topic_settings(topic, config, error);
    if (rc != HR_OK) {
        rd_kafka_NewTopic_destroy(topic);
        return rc;
    }
    options = hr_kafka_options(client, RD_KAFKA_ADMIN_OP_CREATETOPICS, timeout_ms, true);
    queue = rd_kafka_queue_new(client->rk);
    snprintf(what, sizeof(what), "Kafka topic \"%.200s\" cannot be made", name);
    rd_kafka_CreateTopics(client->rk, &topic, 1, options, queue);
    rc = hr_kafka_answer(client, queue, timeout_ms, what, &event, error);
    if (rc == HR_OK) {
        size_t count;
        const rd_kafka_topic_result_t **results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);

        err = count == 1 ? rd_kafka_topic_result_error(results[0]) : RD_KAFKA_RESP_ERR__BAD_MSG;
        if (err != RD_KAFKA_RESP_ERR_NO_ERROR && err != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
            const char *words = count == 1 ? rd_kafka_topic_result_error_string(results[0]) : NULL;

            rc = hr_kafka_fail(client, err, error, "%s (%s)", what, words != NULL ? words : "no reason given");
        }
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewTopic_destroy(topic);
    if (rc != HR_OK)
        return rc;
    if (err == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        return hr_kafka_topic_compare(client, name, partitions, deadline, error);
    *made = true;
    return hr_kafka_topic_await(client, name, partitions, deadline, error);
}

/* The setting's value in the answer for one topic, or NULL. */
static const char *hr_kafka_setting_of(const rd_kafka_ConfigResource_t *resource, const char *name)
{
    size_t count;
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &count);

    for (size_t i = 0; i < count; i++)
        if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), name) == 0)
            return rd_kafka_ConfigEntry_value(entries[i]);
    return NULL;
}

int hr_kafka_topic_setting(hr_kafka_client *client, const char *topic, const char *name, int timeout_ms, char *out, size_t size,
                           hr_error *error)
{
    rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    rd_kafka_AdminOptions_t *options = hr_kafka_options(client, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, timeout_ms, false);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client->rk);
    char what[320];
    rd_kafka_event_t *event;
    int rc;

    out[0] = '\0';
    snprintf(what, sizeof(what), "the settings of Kafka topic \"%.200s\" cannot be had", topic);
    rd_kafka_DescribeConfigs(client->rk, &resource, 1, options, queue);
    rc = hr_kafka_answer(client, queue, timeout_ms, what, &event, error);
    if (rc == HR_OK) {
        size_t count;
        const rd_kafka_ConfigResource_t **found =
            rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &count);
        const char *value = count == 1 && rd_kafka_ConfigResource_error(found[0]) == 0 ? hr_kafka_setting_of(found[0], name) : NULL;

        snprintf(out, size, "%s", value != NULL ? value : "");
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_ConfigResource_destroy(resource);
    return rc;
}

int hr_kafka_topic_ensure(const json_t *config, const char *name, int32_t partitions, int32_t replication, const json_t *topic_config,
                          const atomic_bool *cancel, hr_error *error)
{
    hr_kafka_client *client;
    hr_kafka_topic found;
    bool made;
    int rc;

    HR_RETURN_NOT_OK(hr_kafka_client_open(config, HR_KAFKA_READER, NULL, 0, NULL, &client, error));
    client->cancel = cancel;
    rc = hr_kafka_topic_find(client, name, HR_KAFKA_TIMEOUT_MS, &found, error);
    hr_kafka_topic_free(&found);
    if (rc == HR_EUSAGE) { /* there is none */
        if (error != NULL)
            hr_error_clear(error);
        rc = hr_kafka_topic_create(client, name, partitions, replication, topic_config, HR_KAFKA_TIMEOUT_MS, &made, error);
    }
    hr_kafka_client_close(client);
    return rc;
}

/* Wait until the brokers have heard that a topic is gone: who makes it anew, or looks whether it is there, would take the old one for it.
 * What is not heard in time is left at that. */
static int hr_kafka_topic_await_gone(hr_kafka_client *client, const char *name, int64_t deadline, hr_error *error)
{
    for (;;) {
        hr_kafka_topics topics;
        bool there = false;
        int rc = hr_kafka_topics_list(client, true, hr_kafka_left(deadline, INT32_MAX), &topics, error);

        for (int32_t i = 0; rc == HR_OK && i < topics.count; i++)
            there = there || strcmp(topics.topics[i].name, name) == 0;
        hr_kafka_topics_free(&topics);
        if (rc != HR_OK || !there || hr_kafka_now_ms() >= deadline)
            return rc;
        hr_kafka_sleep(HR_KAFKA_PAUSE_MS);
    }
}

int hr_kafka_topic_delete(hr_kafka_client *client, const char *name, bool missing_ok, int timeout_ms, hr_error *error)
{
    int64_t deadline = hr_kafka_now_ms() + timeout_ms;
    rd_kafka_DeleteTopic_t *topic = rd_kafka_DeleteTopic_new(name);
    rd_kafka_AdminOptions_t *options;
    rd_kafka_queue_t *queue;
    rd_kafka_event_t *event;
    char what[320];
    int rc;

    options = hr_kafka_options(client, RD_KAFKA_ADMIN_OP_DELETETOPICS, timeout_ms, true);
    queue = rd_kafka_queue_new(client->rk);
    snprintf(what, sizeof(what), "Kafka topic \"%.200s\" cannot be deleted", name);
    rd_kafka_DeleteTopics(client->rk, &topic, 1, options, queue);
    rc = hr_kafka_answer(client, queue, timeout_ms, what, &event, error);
    if (rc == HR_OK) {
        size_t count;
        const rd_kafka_topic_result_t **results = rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &count);
        rd_kafka_resp_err_t err = count == 1 ? rd_kafka_topic_result_error(results[0]) : RD_KAFKA_RESP_ERR__BAD_MSG;

        if (err == RD_KAFKA_RESP_ERR_NO_ERROR || (err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART && missing_ok))
            rc = HR_OK;
        else if (err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
            rc = hr_error_set(error, HR_EUSAGE, "%s: there is no such topic", what);
        else
            rc = hr_kafka_fail(client, err, error, "%s", what);
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_DeleteTopic_destroy(topic);
    return rc == HR_OK ? hr_kafka_topic_await_gone(client, name, deadline, error) : rc;
}

/* Ask once; *err is what the group's coordinator said. */
static int hr_kafka_group_delete_once(hr_kafka_client *client, const char *group, const char *what, int timeout_ms,
                                      rd_kafka_resp_err_t *err, hr_error *error)
{
    rd_kafka_DeleteGroup_t *one = rd_kafka_DeleteGroup_new(group);
    rd_kafka_AdminOptions_t *options = hr_kafka_options(client, RD_KAFKA_ADMIN_OP_DELETEGROUPS, timeout_ms, false);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client->rk);
    rd_kafka_event_t *event;
    int rc;

    rd_kafka_DeleteGroups(client->rk, &one, 1, options, queue);
    rc = hr_kafka_answer(client, queue, timeout_ms, what, &event, error);
    if (rc == HR_OK) {
        size_t count;
        const rd_kafka_group_result_t **results = rd_kafka_DeleteGroups_result_groups(rd_kafka_event_DeleteGroups_result(event), &count);
        const rd_kafka_error_t *failed = count == 1 ? rd_kafka_group_result_error(results[0]) : NULL;

        *err = RD_KAFKA_RESP_ERR_NO_ERROR;
        if (count != 1)
            *err = RD_KAFKA_RESP_ERR__BAD_MSG;
        else if (failed != NULL)
            *err = rd_kafka_error_code(failed);
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_DeleteGroup_destroy(one);
    return rc;
}

/* Whether the cluster has ever had a group: its offsets have a topic then, which the first one who asks for a coordinator makes. */
static int hr_kafka_group_any(hr_kafka_client *client, int timeout_ms, bool *any, hr_error *error)
{
    hr_kafka_topics topics;
    int rc = hr_kafka_topics_list(client, true, timeout_ms, &topics, error);

    *any = false;
    for (int32_t i = 0; rc == HR_OK && i < topics.count; i++)
        *any = *any || strcmp(topics.topics[i].name, "__consumer_offsets") == 0;
    hr_kafka_topics_free(&topics);
    return rc;
}

/* In a cluster that has just started the coordinators come up when they are asked for: ask again then. */
int hr_kafka_group_delete(hr_kafka_client *client, const char *group, int timeout_ms, bool *was, hr_error *error)
{
    int64_t deadline = hr_kafka_now_ms() + timeout_ms;
    rd_kafka_resp_err_t err;
    char what[320];
    bool any;

    if (was != NULL)
        *was = false;
    HR_RETURN_NOT_OK(hr_kafka_group_any(client, timeout_ms, &any, error));
    if (!any)
        return HR_OK;
    snprintf(what, sizeof(what), "the consumer group \"%.200s\" cannot be deleted", group);
    for (;;) {
        HR_RETURN_NOT_OK(hr_kafka_group_delete_once(client, group, what, hr_kafka_left(deadline, timeout_ms), &err, error));
        if ((err != RD_KAFKA_RESP_ERR_NOT_COORDINATOR && err != RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE &&
             err != RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS) ||
            hr_kafka_now_ms() >= deadline || hr_kafka_client_cancelled(client))
            break;
        hr_kafka_sleep(HR_KAFKA_PAUSE_MS);
    }
    if (err == RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP)
        return hr_error_set(error, HR_EUSAGE, "%s: it has members, so the job is running; stop it first", what);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR && err != RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND)
        return hr_kafka_fail(client, err, error, "%s", what);
    if (was != NULL)
        *was = err == RD_KAFKA_RESP_ERR_NO_ERROR;
    return HR_OK;
}
