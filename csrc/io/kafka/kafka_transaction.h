/* csrc/io/kafka/kafka_transaction.h: messages to several topics, and a consumer group's offsets, all or none.
 *
 * An outbox collects messages in memory; hr_transaction_publish sends them in one Kafka transaction and, when the brokers abort it, once
 * more. So a transaction is open for some milliseconds only, and readers of the topics are not held up by what is still being computed.
 * One name (transactional.id) has one owner: opening takes the name from whoever had it before. What that one has not committed is
 * aborted when hr_transaction_open returns, and nothing more can come from it.
 */
#ifndef HR_IO_KAFKA_TRANSACTION_H
#define HR_IO_KAFKA_TRANSACTION_H

#include "core/arena.h"
#include "kafka_producer.h"

/* Messages that wait for their transaction. Topics are not copied: they outlive the outbox. */
typedef struct hr_outbox {
    hr_buffer bytes;
    int64_t count;
} hr_outbox;

/* Add a copy of a message; partition -1: by the key. On failure the outbox is as before. */
int hr_outbox_add(hr_outbox *outbox, const char *topic, int32_t partition, const hr_kafka_message *message, hr_error *error);
void hr_outbox_clear(hr_outbox *outbox); /* keeps the memory, unless it is large */
void hr_outbox_free(hr_outbox *outbox);

typedef struct hr_transaction hr_transaction;

/* Take the name over, whoever has it, and wait until its last transaction is over. `cancel` ends every wait. Messages to `topics` (NULL is
 * skipped) can be sent without a delay; to others too, later. The Kafka setting transaction.timeout.ms holds, and is 60 s otherwise.
 * batch_bytes: larger ones are not sent, unless of one message; 0: as the settings say. */
int hr_transaction_open(const json_t *config, const char *name, const char *const *topics, int32_t topic_count, int64_t batch_bytes,
                        const atomic_bool *cancel, hr_transaction **out, hr_error *error);

/* Send all of the outbox, with the offsets for the group of `member` (offsets NULL: none), and commit. *lost: another owner has the name,
 * or the member is no longer of its group, or its time was up: nothing was published, and nothing can be (HR_OK). HR_EKAFKA when the
 * brokers do not answer for too long: then nobody knows whether it was published but the next owner of the name. */
int hr_transaction_publish(hr_transaction *transaction, const hr_outbox *outbox, rd_kafka_t *member,
                           const rd_kafka_topic_partition_list_t *offsets, bool *lost, hr_error *error);

/* Whether the transaction that was lost was so because transaction.timeout.ms (*timeout_ms) was up, or nearly so. */
bool hr_transaction_expired(const hr_transaction *transaction, int64_t *timeout_ms);

/* NULL is fine. An open transaction is aborted, if that is quickly done; else the next owner does it. */
void hr_transaction_close(hr_transaction *transaction);

#endif
