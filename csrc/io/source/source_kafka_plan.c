/* csrc/io/source/source_kafka_plan.c: the Kafka source's settings, and where its lanes begin and end. */
#include "source_kafka.h"

#include <string.h>

#include "core/alloc.h"

#define HR_KAFKA_DOWN_MS 60000

static bool hr_kafka_given(const json_t *value)
{
    return value != NULL && !json_is_null(value);
}

/* A setting that is one of two words; *second tells which. */
static int hr_kafka_word(const json_t *config, const char *name, const char *a, const char *b, bool *second, hr_error *error)
{
    const json_t *value = json_object_get(config, name);
    const char *text = json_string_value(value);

    *second = false;
    if (!hr_kafka_given(value) || (text != NULL && strcmp(text, a) == 0))
        return HR_OK;
    if (text == NULL || strcmp(text, b) != 0)
        return hr_error_set(error, HR_EUSAGE, "source setting \"%s\" must be \"%s\" or \"%s\"", name, a, b);
    *second = true;
    return HR_OK;
}

static int hr_kafka_ms(const json_t *config, const char *name, int64_t fallback, int64_t *out, hr_error *error)
{
    const json_t *value = json_object_get(config, name);

    *out = fallback;
    if (!hr_kafka_given(value))
        return HR_OK;
    if (!json_is_integer(value) || json_integer_value(value) < 100 || json_integer_value(value) > 86400000)
        return hr_error_set(error, HR_EUSAGE, "source setting \"%s\" must be milliseconds, from 100 to 86400000", name);
    *out = json_integer_value(value);
    return HR_OK;
}

static int hr_kafka_start_setting(const json_t *config, int64_t *out, hr_error *error)
{
    const json_t *start = json_object_get(config, "start"), *at = json_object_get(start, "timestamp_ms");
    bool latest;

    if (json_is_object(start)) {
        if (!json_is_integer(at) || json_integer_value(at) < 0)
            return hr_error_set(error, HR_EUSAGE, "source setting \"start\": timestamp_ms must be milliseconds since 1970");
        *out = json_integer_value(at);
        return HR_OK;
    }
    if (hr_kafka_word(config, "start", "earliest", "latest", &latest, error) != HR_OK)
        return hr_error_set(error, HR_EUSAGE, "source setting \"start\" must be \"earliest\", \"latest\" or {\"timestamp_ms\": ...}");
    *out = latest ? HR_KAFKA_LATEST : HR_KAFKA_EARLIEST;
    return HR_OK;
}

int hr_kafka_settings_read(const json_t *config, hr_kafka_settings *out, hr_error *error)
{
    const json_t *group = json_object_get(config, "group");
    int64_t timeout;

    memset(out, 0, sizeof(*out));
    out->topic = json_string_value(json_object_get(config, "topic"));
    if (out->topic == NULL || out->topic[0] == '\0')
        return hr_error_set(error, HR_EUSAGE, "source setting \"topic\" is missing: name the Kafka topic");
    if (hr_kafka_given(group) && (!json_is_string(group) || json_string_length(group) == 0))
        return hr_error_set(error, HR_EUSAGE, "source setting \"group\" must be the name of a consumer group");
    out->group = json_string_value(group);
    out->advice = json_string_value(json_object_get(config, "advice"));
    out->config = json_object_get(config, "config");
    out->partitions = json_object_get(config, "partitions");
    HR_RETURN_NOT_OK(hr_kafka_start_setting(config, &out->start, error));
    HR_RETURN_NOT_OK(hr_kafka_word(config, "lost_offsets", "fail", "earliest", &out->lost_earliest, error));
    HR_RETURN_NOT_OK(hr_kafka_word(config, "until", "end", "forever", &out->forever, error));
    HR_RETURN_NOT_OK(hr_kafka_ms(config, "timeout_ms", HR_KAFKA_TIMEOUT_MS, &timeout, error));
    out->timeout_ms = (int)timeout;
    return hr_kafka_ms(config, "down_timeout_ms", HR_KAFKA_DOWN_MS, &out->down_timeout_ms, error);
}

/* ---- plan ---- */

/* Keep of topic->partitions those the user named, in their order. HR_EUSAGE for one that is not there or comes twice. */
static int hr_kafka_choose(const json_t *wanted, hr_kafka_topic *topic, hr_error *error)
{
    size_t n = json_array_size(wanted);
    int32_t *chosen;

    if (!hr_kafka_given(wanted))
        return HR_OK;
    if (!json_is_array(wanted) || n == 0)
        return hr_error_set(error, HR_EUSAGE, "source setting \"partitions\" must be a list of partition numbers");
    chosen = hr_malloc(sizeof(*chosen) * n);
    if (chosen == NULL)
        return hr_error_nomem(error);
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_array_get(wanted, i);
        int64_t partition = json_is_integer(one) ? json_integer_value(one) : -1;
        int rc = HR_OK;

        if (!json_is_integer(one))
            rc = hr_error_set(error, HR_EUSAGE, "source setting \"partitions\" must be a list of partition numbers");
        else if (!hr_kafka_topic_has(topic, partition))
            rc = hr_error_set(error, HR_EUSAGE, "Kafka topic \"%s\" has no partition %lld; it has %d, from 0 to %d", topic->name,
                              (long long)partition, (int)topic->count, (int)topic->partitions[topic->count - 1]);
        for (size_t j = 0; j < i && rc == HR_OK; j++)
            if (chosen[j] == partition)
                rc = hr_error_set(error, HR_EUSAGE, "source setting \"partitions\" names partition %lld twice", (long long)partition);
        if (rc != HR_OK) {
            hr_free(chosen);
            return rc;
        }
        chosen[i] = (int32_t)partition;
    }
    hr_free(topic->partitions);
    topic->partitions = chosen;
    topic->count = (int32_t)n;
    return HR_OK;
}

/* Fill the lanes of the partitions: where they begin and end. `offsets` has room for three numbers a partition. */
static int hr_kafka_plan_lanes(hr_kafka_client *client, const hr_kafka_settings *settings, const hr_kafka_topic *topic, int64_t *offsets,
                               hr_lanes *out, hr_error *error)
{
    int32_t n = topic->count;
    int64_t *low = offsets, *high = offsets + n, *at = offsets + 2 * (size_t)n;
    const int32_t *p = topic->partitions;

    HR_RETURN_NOT_OK(hr_kafka_offsets(client, topic->name, p, n, HR_KAFKA_EARLIEST, settings->timeout_ms, low, error));
    HR_RETURN_NOT_OK(hr_kafka_offsets(client, topic->name, p, n, HR_KAFKA_LATEST, settings->timeout_ms, high, error));
    if (settings->start >= 0)
        HR_RETURN_NOT_OK(hr_kafka_offsets(client, topic->name, p, n, settings->start, settings->timeout_ms, at, error));
    out->lanes = hr_calloc((size_t)n, sizeof(*out->lanes));
    if (out->lanes == NULL)
        return hr_error_nomem(error);
    for (int32_t i = 0; i < n; i++) {
        hr_lane *lane = &out->lanes[i];
        int64_t begin = low[i];

        if (settings->start == HR_KAFKA_LATEST || (settings->start >= 0 && (at[i] < 0 || at[i] > high[i])))
            begin = high[i];
        else if (settings->start >= 0)
            begin = at[i];
        lane->topic = hr_malloc(strlen(topic->name) + 1);
        if (lane->topic == NULL)
            return hr_error_nomem(error);
        out->count++;
        memcpy(lane->topic, topic->name, strlen(topic->name) + 1);
        lane->partition = p[i];
        lane->begin = begin;
        lane->end = settings->forever ? INT64_MAX : high[i];
        lane->next = HR_OFFSET_UNKNOWN;
        lane->backlog_bytes = -1;
    }
    return HR_OK;
}

/* Under read_committed the end is the last stable offset: records of open transactions belong to a later run. */
int hr_kafka_plan(const json_t *config, int32_t want, const atomic_bool *cancel, hr_lanes *out, hr_error *error)
{
    hr_kafka_settings settings;
    hr_kafka_client *client;
    hr_kafka_topic topic;
    int64_t *offsets = NULL;
    int rc;

    (void)want; /* Kafka's partitions are what they are */
    memset(out, 0, sizeof(*out));
    HR_RETURN_NOT_OK(hr_kafka_settings_read(config, &settings, error));
    HR_RETURN_NOT_OK(hr_kafka_client_open(settings.config, HR_KAFKA_READER, NULL, 0, NULL, &client, error));
    client->cancel = cancel;
    rc = hr_kafka_topic_find(client, settings.topic, settings.timeout_ms, &topic, error);
    if (rc == HR_OK)
        rc = hr_kafka_choose(settings.partitions, &topic, error);
    if (rc == HR_OK && (offsets = hr_malloc(sizeof(*offsets) * 3 * (size_t)topic.count)) == NULL)
        rc = hr_error_nomem(error);
    if (rc == HR_OK)
        rc = hr_kafka_plan_lanes(client, &settings, &topic, offsets, out, error);
    if (rc != HR_OK)
        hr_lanes_free(out);
    hr_free(offsets);
    hr_kafka_topic_free(&topic);
    hr_kafka_client_close(client);
    return rc;
}
