/* bench/c/consume.c: librdkafka reading a topic from its start and throwing every message away: the least that anyone who reads it must do.
 *
 * consume BROKERS TOPIC PARTITIONS MESSAGES   {"seconds": ..., "records": ..., "bytes": ...}; connecting is timed
 */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BATCH 10000

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char error[256];

    if (rd_kafka_conf_set(conf, name, value, error, sizeof(error)) != RD_KAFKA_CONF_OK) {
        fprintf(stderr, "consume: %s\n", error);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    static rd_kafka_message_t *messages[BATCH];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_topic_partition_list_t *parts = rd_kafka_topic_partition_list_new(1);
    rd_kafka_queue_t *queue;
    rd_kafka_t *consumer;
    long long records = 0, bytes = 0, wanted;
    double start;
    char error[256];

    if (argc != 5) {
        fprintf(stderr, "usage: consume BROKERS TOPIC PARTITIONS MESSAGES\n");
        return 2;
    }
    wanted = strtoll(argv[4], NULL, 10);
    set(conf, "bootstrap.servers", argv[1]);
    set(conf, "group.id", "bench-consume");
    set(conf, "enable.auto.commit", "false");
    set(conf, "auto.offset.reset", "earliest");
    set(conf, "queued.min.messages", "100000");
    set(conf, "queued.max.messages.kbytes", "65536");
    set(conf, "fetch.message.max.bytes", "8388608");
    set(conf, "check.crcs", "false");
    start = now();
    consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof(error));
    if (consumer == NULL) {
        fprintf(stderr, "consume: %s\n", error);
        return 1;
    }
    rd_kafka_poll_set_consumer(consumer);
    for (int32_t i = 0; i < (int32_t)strtol(argv[3], NULL, 10); i++)
        rd_kafka_topic_partition_list_add(parts, argv[2], i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    if (rd_kafka_assign(consumer, parts) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return 1;
    queue = rd_kafka_queue_get_consumer(consumer);
    while (records < wanted) {
        ssize_t n = rd_kafka_consume_batch_queue(queue, 1000, messages, BATCH);

        for (ssize_t i = 0; i < n; i++) {
            if (messages[i]->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
                records++;
                bytes += (long long)messages[i]->len;
            }
            rd_kafka_message_destroy(messages[i]);
        }
        if (n < 0)
            return 1;
    }
    printf("{\"seconds\": %.6f, \"records\": %lld, \"bytes\": %lld}\n", now() - start, records, bytes);
    rd_kafka_topic_partition_list_destroy(parts);
    rd_kafka_queue_destroy(queue);
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    return 0;
}
