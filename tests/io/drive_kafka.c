/* tests/io/drive_kafka.c: topics, offsets, the producer and the generator, driven by tests/real. */
#include <pthread.h>
#include <unistd.h>

#include "core/alloc.h"
#include "driver.h"
#include "io/generate/generate.h"
#include "io/kafka/kafka_admin.h"
#include "io/kafka/kafka_producer.h"

#define MOST_PARTITIONS 1024
#define TIMEOUT_MS 15000

static int timeout_of(const json_t *order)
{
    return (int)driver_int(order, "timeout_ms", TIMEOUT_MS);
}

static int open_client(const json_t *order, hr_kafka_client **out, hr_error *error)
{
    return hr_kafka_client_open(json_object_get(order, "config"), HR_KAFKA_READER, NULL, 0, NULL, out, error);
}

static json_t *tell_topic(const hr_kafka_topic *topic)
{
    json_t *partitions = json_array();

    for (int32_t i = 0; i < topic->count; i++)
        json_array_append_new(partitions, json_integer(topic->partitions[i]));
    return json_pack("{s:s, s:o}", "name", topic->name, "partitions", partitions);
}

static int do_topics(const json_t *order, json_t *answer, hr_error *error)
{
    json_t *list = json_array();
    hr_kafka_client *client;
    hr_kafka_topics topics;
    int rc;

    driver_put(answer, "topics", list);
    HR_RETURN_NOT_OK(open_client(order, &client, error));
    rc = hr_kafka_topics_list(client, json_is_true(json_object_get(order, "internal")), timeout_of(order), &topics, error);
    for (int32_t i = 0; rc == HR_OK && i < topics.count; i++)
        json_array_append_new(list, tell_topic(&topics.topics[i]));
    hr_kafka_topics_free(&topics);
    hr_kafka_client_close(client);
    return rc;
}

static int do_topic(const json_t *order, json_t *answer, hr_error *error)
{
    hr_kafka_client *client;
    hr_kafka_topic topic;
    int rc;

    HR_RETURN_NOT_OK(open_client(order, &client, error));
    rc = hr_kafka_topic_find(client, driver_string(order, "topic"), timeout_of(order), &topic, error);
    if (rc == HR_OK)
        driver_put(answer, "topic", tell_topic(&topic));
    hr_kafka_topic_free(&topic);
    hr_kafka_client_close(client);
    return rc;
}

/* Offsets of the partitions at "when", or of "group". */
static int do_offsets(const json_t *order, json_t *answer, hr_error *error)
{
    const json_t *partitions = json_object_get(order, "partitions");
    const char *group = json_string_value(json_object_get(order, "group")), *topic = driver_string(order, "topic");
    static int32_t numbers[MOST_PARTITIONS];
    static int64_t offsets[MOST_PARTITIONS];
    int32_t n = (int32_t)json_array_size(partitions);
    hr_kafka_client *client;
    int rc;

    DRIVER_MUST(n <= MOST_PARTITIONS);
    for (int32_t i = 0; i < n; i++)
        numbers[i] = (int32_t)json_integer_value(json_array_get(partitions, (size_t)i));
    if (group != NULL) {
        rc = hr_kafka_group_offsets(json_object_get(order, "config"), group, topic, numbers, n, timeout_of(order), NULL, offsets, error);
    } else {
        HR_RETURN_NOT_OK(open_client(order, &client, error));
        rc = hr_kafka_offsets(client, topic, numbers, n, driver_int(order, "when", HR_KAFKA_LATEST), timeout_of(order), offsets, error);
        hr_kafka_client_close(client);
    }
    if (rc == HR_OK) {
        json_t *list = json_array();

        for (int32_t i = 0; i < n; i++)
            json_array_append_new(list, json_integer(offsets[i]));
        driver_put(answer, "offsets", list);
    }
    return rc;
}

static int do_create(const json_t *order, json_t *answer, hr_error *error)
{
    hr_kafka_client *client;
    bool made;
    int rc;

    HR_RETURN_NOT_OK(open_client(order, &client, error));
    rc = hr_kafka_topic_create(client, driver_string(order, "topic"), (int32_t)driver_int(order, "partitions", 1),
                               (int32_t)driver_int(order, "replication", -1), json_object_get(order, "settings"), timeout_of(order), &made,
                               error);
    if (rc == HR_OK)
        driver_put(answer, "made", json_boolean(made));
    hr_kafka_client_close(client);
    return rc;
}

static int do_delete(const json_t *order, json_t *answer, hr_error *error)
{
    hr_kafka_client *client;
    int rc;

    (void)answer;
    HR_RETURN_NOT_OK(open_client(order, &client, error));
    rc = hr_kafka_topic_delete(client, driver_string(order, "topic"), json_is_true(json_object_get(order, "missing_ok")), timeout_of(order),
                               error);
    hr_kafka_client_close(client);
    return rc;
}

/* ---- producing ---- */

static atomic_bool cancel;

static void *cancel_main(void *argument)
{
    usleep(*(useconds_t *)argument);
    atomic_store(&cancel, true);
    return NULL;
}

/* Run with the cancel flag rising after "cancel_ms", if that is given. */
static int with_cancel(const json_t *order, json_t *answer, hr_error *error, int (*run)(const json_t *, json_t *, hr_error *))
{
    useconds_t after = (useconds_t)driver_int(order, "cancel_ms", 0) * 1000;
    pthread_t thread;
    int rc;

    atomic_store(&cancel, false);
    if (after > 0)
        DRIVER_MUST(pthread_create(&thread, NULL, cancel_main, &after) == 0);
    rc = run(order, answer, error);
    if (after > 0)
        pthread_join(thread, NULL);
    return rc;
}

/* "count" messages with key "key" (null: none), value "value" (null: tombstone) or "size" bytes, "headers" (name -> text or null). */
static int send_all(hr_kafka_producer *producer, const json_t *order, hr_error *error)
{
    const json_t *headers = json_object_get(order, "headers");
    hr_kafka_header made[8];
    hr_kafka_message message = {.timestamp_ms = driver_int(order, "timestamp_ms", 0), .headers = made};
    size_t size = (size_t)driver_int(order, "size", 0);
    char *large = calloc(size + 1, 1);
    const char *name;
    json_t *value;
    int rc = HR_OK;

    json_object_foreach((json_t *)headers, name, value)
    {
        DRIVER_MUST(message.header_count < 8);
        made[message.header_count++] = (hr_kafka_header){name, json_string_value(value), json_string_length(value)};
    }
    message.key = json_string_value(json_object_get(order, "key"));
    message.key_len = json_string_length(json_object_get(order, "key"));
    message.value = size > 0 ? large : json_string_value(json_object_get(order, "value"));
    message.len = size > 0 ? size : json_string_length(json_object_get(order, "value"));
    for (int64_t i = 0; i < driver_int(order, "count", 1) && rc == HR_OK; i++)
        rc = hr_kafka_producer_send(producer, &message, error);
    free(large); /* messages are copied */
    return rc;
}

static int produce(const json_t *order, json_t *answer, hr_error *error)
{
    hr_kafka_producer *producer;
    int64_t delivered, failed;
    int rc;

    HR_RETURN_NOT_OK(hr_kafka_producer_open(json_object_get(order, "config"), driver_string(order, "topic"), &cancel, &producer, error));
    rc = send_all(producer, order, error);
    if (rc == HR_OK)
        rc = hr_kafka_producer_flush(producer, (int)driver_int(order, "timeout_ms", 0), error);
    hr_kafka_producer_counts(producer, &delivered, &failed);
    driver_put(answer, "delivered", json_integer(delivered));
    driver_put(answer, "failed", json_integer(failed));
    hr_kafka_producer_close(producer);
    return rc;
}

static int do_produce(const json_t *order, json_t *answer, hr_error *error)
{
    return with_cancel(order, answer, error, produce);
}

static void count_progress(void *arg, int64_t done, int64_t total)
{
    int64_t *seen = arg;

    DRIVER_MUST(done >= seen[1] && done <= total);
    seen[0]++;
    seen[1] = done;
}

static int generate(const json_t *order, json_t *answer, hr_error *error)
{
    char *config = json_dumps(json_object_get(order, "generate"), 0), *result;
    int64_t seen[2] = {0, 0};
    int rc = hr_generate(config, count_progress, seen, &cancel, &result, error);

    DRIVER_MUST((rc == HR_OK) == (result != NULL));
    if (result != NULL)
        driver_put(answer, "result", json_loads(result, 0, NULL));
    driver_put(answer, "progress", json_integer(seen[0]));
    driver_put(answer, "seen", json_integer(seen[1]));
    free(result);
    free(config);
    return rc;
}

static int do_generate(const json_t *order, json_t *answer, hr_error *error)
{
    return with_cancel(order, answer, error, generate);
}

int main(void)
{
    static const driver_command commands[] = {
        {"topics", do_topics}, {"topic", do_topic},   {"offsets", do_offsets},   {"create", do_create},
        {"delete", do_delete}, {"produce", do_produce}, {"generate", do_generate}, {NULL, NULL},
    };

    return driver_main(commands);
}
