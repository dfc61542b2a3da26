/* csrc/io/kafka/kafka_producer.h: messages into one Kafka topic.
 *
 * Idempotent, acknowledged by all replicas in sync, lz4, in order within a partition; messages of one key go to one partition, those
 * without go to one partition for a while and then to another. A message counts as delivered only after flush() said so. For use from one
 * thread.
 */
#ifndef HR_IO_KAFKA_PRODUCER_H
#define HR_IO_KAFKA_PRODUCER_H

#include "kafka_config.h"

typedef struct hr_kafka_header {
    const char *name;
    const void *value; /* NULL for null */
    size_t len;
} hr_kafka_header;

typedef struct hr_kafka_message {
    const void *key; /* NULL when none */
    size_t key_len;
    const void *value; /* NULL for a tombstone */
    size_t len;
    int64_t timestamp_ms; /* 0: now */
    const hr_kafka_header *headers;
    int32_t header_count;
} hr_kafka_message;

typedef struct hr_kafka_producer hr_kafka_producer;

/* Connect and check that the topic is there: HR_EUSAGE when not. `cancel` (may be NULL) ends every wait with HR_ECANCELLED. */
int hr_kafka_producer_open(const json_t *config, const char *topic, const atomic_bool *cancel, hr_kafka_producer **out, hr_error *error);

/* Hand over one message; it is copied. Waits while librdkafka's queue is full. HR_EKAFKA, fatal, when the message can never be sent; also
 * when an earlier message could not be delivered: it is time to stop. */
int hr_kafka_producer_send(hr_kafka_producer *producer, const hr_kafka_message *message, hr_error *error);

/* Wait until every message handed over is at the brokers. HR_EKAFKA with the number lost and why the first was; a second flush() then
 * starts afresh. timeout_ms 0: as long as the messages' own time-out (message.timeout.ms) lets it take. */
int hr_kafka_producer_flush(hr_kafka_producer *producer, int timeout_ms, hr_error *error);

/* Messages at the brokers so far, and failed ones. */
void hr_kafka_producer_counts(hr_kafka_producer *producer, int64_t *delivered, int64_t *failed);

/* Close and free; messages not flushed are dropped. NULL is fine. */
void hr_kafka_producer_close(hr_kafka_producer *producer);

#endif
