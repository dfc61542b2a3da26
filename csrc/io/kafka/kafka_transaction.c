/* csrc/io/kafka/kafka_transaction.c: the transactional producer. */
#include "kafka_transaction.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/window/wire.h"

#define HR_TRANSACTION_SLICE_MS 200   /* a wait looks this often whether it was cancelled */
#define HR_TRANSACTION_DOWN_MS 120000 /* how long the brokers may be away */
#define HR_TRANSACTION_PAUSE_MS 100   /* between an aborted transaction and the next try */
#define HR_TRANSACTION_FAREWELL_MS 500
#define HR_TRANSACTION_TOPICS 4
#define HR_TRANSACTION_WHAT 300
#define HR_TRANSACTION_LIMIT "60000" /* transaction.timeout.ms, unless the user says otherwise */
#define HR_OUTBOX_KEEP (4 << 20)

struct hr_transaction {
    hr_kafka_client *client;
    rd_kafka_topic_t *topics[HR_TRANSACTION_TOPICS];
    int64_t timeout_ms; /* after which the brokers abort a transaction */
    int64_t begun_ms;
    bool begun;
    bool expired;                           /* its time was up */
    rd_kafka_resp_err_t refused;            /* why the last message of this transaction was not delivered */
    size_t refused_size;                    /* of the largest one, */
    char refused_what[HR_TRANSACTION_WHAT]; /* and which that is */
};

/* Whether there is hardly time left to commit. */
static bool hr_transaction_is_late(const hr_transaction *transaction)
{
    return hr_kafka_now_ms() - transaction->begun_ms >= transaction->timeout_ms - transaction->timeout_ms / 4;
}

/* Which message that is, for people: its topic, and where what it tells of came from, when its headers say so. */
static void hr_transaction_name(const rd_kafka_message_t *message, char *out, size_t size)
{
    static const char *const names[] = {"headrace.topic", "headrace.partition", "headrace.offset"};
    static const char *const words[] = {", about topic", " partition", " offset"};
    rd_kafka_headers_t *headers = NULL;
    int n = snprintf(out, size, "Kafka topic \"%.249s\"", message->rkt != NULL ? rd_kafka_topic_name(message->rkt) : "");

    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    for (int i = 0; i < 3 && n > 0 && (size_t)n < size; i++) {
        const void *value;
        size_t len;

        if (rd_kafka_header_get_last(headers, names[i], &value, &len) == RD_KAFKA_RESP_ERR_NO_ERROR && len < HR_TRANSACTION_WHAT)
            n += snprintf(out + n, size - (size_t)n, "%s %.*s", words[i], (int)len, (const char *)value);
    }
}

/* librdkafka's delivery callback; called from our own polls, and while a transaction is committed. */
static void hr_transaction_on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    hr_kafka_client *client = opaque;
    hr_transaction *transaction = client->delivery;

    (void)rk;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR || message->err == RD_KAFKA_RESP_ERR__PURGE_QUEUE ||
        message->err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
        return;
    transaction->refused = message->err;
    if (transaction->refused_what[0] != '\0' && message->len + message->key_len <= transaction->refused_size)
        return;
    transaction->refused_size = message->len + message->key_len;
    hr_transaction_name(message, transaction->refused_what, sizeof(transaction->refused_what));
}

/* ---- outbox ---- */

/* A message lies there as: its topic's address, partition, time, key, value (each with a byte that says whether there is one), headers. */
static int hr_outbox_put_bytes(hr_buffer *out, const void *bytes, size_t n, hr_error *error)
{
    HR_RETURN_NOT_OK(hr_wire_put_u8(out, bytes != NULL, error));
    return bytes != NULL ? hr_wire_put_bytes(out, bytes, n, error) : HR_OK;
}

static int hr_outbox_put(hr_buffer *out, const char *topic, int32_t partition, const hr_kafka_message *message, hr_error *error)
{
    HR_RETURN_NOT_OK(hr_buffer_append(out, &topic, sizeof(topic), error));
    HR_RETURN_NOT_OK(hr_wire_put_i64(out, partition, error));
    HR_RETURN_NOT_OK(hr_wire_put_i64(out, message->timestamp_ms, error));
    HR_RETURN_NOT_OK(hr_outbox_put_bytes(out, message->key, message->key_len, error));
    HR_RETURN_NOT_OK(hr_outbox_put_bytes(out, message->value, message->len, error));
    HR_RETURN_NOT_OK(hr_wire_put_varint(out, (uint64_t)message->header_count, error));
    for (int32_t i = 0; i < message->header_count; i++) {
        HR_RETURN_NOT_OK(hr_wire_put_bytes(out, message->headers[i].name, strlen(message->headers[i].name) + 1, error));
        HR_RETURN_NOT_OK(hr_outbox_put_bytes(out, message->headers[i].value, message->headers[i].len, error));
    }
    return HR_OK;
}

int hr_outbox_add(hr_outbox *outbox, const char *topic, int32_t partition, const hr_kafka_message *message, hr_error *error)
{
    size_t before = outbox->bytes.size;
    int rc = hr_outbox_put(&outbox->bytes, topic, partition, message, error);

    if (rc != HR_OK)
        outbox->bytes.size = before;
    else
        outbox->count++;
    return rc;
}

void hr_outbox_clear(hr_outbox *outbox)
{
    if (outbox->bytes.capacity > HR_OUTBOX_KEEP)
        hr_buffer_free(&outbox->bytes);
    outbox->bytes.size = 0;
    outbox->count = 0;
}

void hr_outbox_free(hr_outbox *outbox)
{
    hr_buffer_free(&outbox->bytes);
    outbox->bytes.size = 0;
    outbox->count = 0;
}

/* The bytes were written by hr_outbox_put, so that reading them cannot fail. */
static void hr_outbox_get_bytes(hr_wire *in, const void **bytes, size_t *n)
{
    const uint8_t *found = NULL;
    uint8_t is = 0;

    *n = 0;
    if (hr_wire_u8(in, &is) && is)
        hr_wire_bytes(in, &found, n);
    *bytes = found;
}

/* ---- errors ---- */

/* Another owner has the name. */
static bool hr_transaction_is_fenced(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR__FENCED || err == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
           err == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH || err == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING ||
           err == RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID;
}

/* The member has lost its partitions, or is about to hear of others. */
static bool hr_transaction_is_expelled(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION || err == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID ||
           err == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID || err == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS;
}

/* Trying the same again gives the same. */
static bool hr_transaction_is_hopeless(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
           err == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED || err == RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED ||
           err == RD_KAFKA_RESP_ERR_INVALID_RECORD || err == RD_KAFKA_RESP_ERR_POLICY_VIOLATION ||
           err == RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE;
}

static void hr_transaction_sleep(int ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
}

/* A step that librdkafka can go on with after its time is up. NULL when it is done; else the error, for the caller to destroy. */
typedef rd_kafka_error_t *(*hr_transaction_step)(rd_kafka_t *rk, int timeout_ms);

static rd_kafka_error_t *hr_transaction_do(hr_transaction *transaction, hr_transaction_step step)
{
    int64_t deadline = hr_kafka_now_ms() + HR_TRANSACTION_DOWN_MS;

    for (;;) {
        rd_kafka_error_t *failed = step(transaction->client->rk, HR_TRANSACTION_SLICE_MS);

        if (failed == NULL || !rd_kafka_error_is_retriable(failed) || hr_kafka_client_cancelled(transaction->client) ||
            hr_kafka_now_ms() >= deadline)
            return failed;
        if (rd_kafka_error_code(failed) != RD_KAFKA_RESP_ERR__TIMED_OUT)
            hr_transaction_sleep(HR_TRANSACTION_PAUSE_MS); /* it came back at once */
        rd_kafka_error_destroy(failed);
    }
}

/* Make an hr_error of librdkafka's, and destroy that. */
static int hr_transaction_fail(hr_transaction *transaction, rd_kafka_error_t *failed, const char *what, hr_error *error)
{
    rd_kafka_resp_err_t err = rd_kafka_error_code(failed);
    bool fatal = rd_kafka_error_is_fatal(failed) != 0;
    int rc;

    if (hr_kafka_client_cancelled(transaction->client))
        rc = hr_error_set(error, HR_ECANCELLED, "stopped by the caller");
    else
        rc = hr_kafka_fail(transaction->client, err, error, "Kafka transaction: %s (%s)", what, rd_kafka_error_string(failed));
    if (fatal && rc == HR_EKAFKA && error != NULL && err == RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED) {
        error->fatal = true;
        error->retriable = false;
    }
    rd_kafka_error_destroy(failed);
    return rc;
}

/* The brokers did not take a message. */
static int hr_transaction_tell_refused(hr_transaction *transaction, hr_error *error)
{
    if (transaction->refused == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
        return hr_kafka_fail(
            transaction->client, transaction->refused, error,
            "the brokers have refused a message of %zu bytes to %s: it, or the batch that it was sent in, is larger than the "
            "topic's max.message.bytes, which has to be raised (or the Kafka setting batch.size, %lld, be lowered)",
            transaction->refused_size, transaction->refused_what, (long long)hr_kafka_client_number(transaction->client, "batch.size", -1));
    return hr_kafka_fail(transaction->client, transaction->refused, error, "the brokers have refused a message of %zu bytes to %s",
                         transaction->refused_size, transaction->refused_what);
}

/* ---- life ---- */

/* Have librdkafka ask for these topics now, not when the first message waits for them: then it would look once a second. */
static void hr_transaction_expect(hr_transaction *transaction, const char *const *topics, int32_t count)
{
    for (int32_t i = 0; i < count && i < HR_TRANSACTION_TOPICS; i++)
        if (topics[i] != NULL)
            transaction->topics[i] = rd_kafka_topic_new(transaction->client->rk, topics[i], NULL);
}

int hr_transaction_open(const json_t *config, const char *name, const char *const *topics, int32_t topic_count, int64_t batch_bytes,
                        const atomic_bool *cancel, hr_transaction **out, hr_error *error)
{
    const json_t *wanted = json_object_get(config, "transaction.timeout.ms");
    char limit[32] = HR_TRANSACTION_LIMIT, batch[32];
    /* a message may not outlive its transaction; what is sent is sent at once, as its transaction ends with it */
    const hr_kafka_setting forced[] = {{"transactional.id", name},
                                       {"transaction.timeout.ms", limit},
                                       {"message.timeout.ms", limit},
                                       {"linger.ms", "2"},
                                       {"batch.size", batch}};
    hr_transaction *transaction = hr_calloc(1, sizeof(*transaction));
    rd_kafka_error_t *failed;
    int rc;

    *out = NULL;
    if (transaction == NULL)
        return hr_error_nomem(error);
    if (json_is_integer(wanted))
        snprintf(limit, sizeof(limit), "%lld", (long long)json_integer_value(wanted));
    else if (json_is_string(wanted))
        snprintf(limit, sizeof(limit), "%s", json_string_value(wanted));
    snprintf(batch, sizeof(batch), "%lld", (long long)batch_bytes);
    rc = hr_kafka_client_open(config, HR_KAFKA_WRITER, forced, batch_bytes > 0 ? 5 : 4, hr_transaction_on_delivery, &transaction->client,
                              error);
    if (rc == HR_OK) {
        transaction->client->cancel = cancel;
        transaction->client->delivery = transaction;
        transaction->timeout_ms = hr_kafka_client_number(transaction->client, "transaction.timeout.ms", 60000);
        hr_transaction_expect(transaction, topics, topic_count);
        failed = hr_transaction_do(transaction, rd_kafka_init_transactions);
        if (failed != NULL)
            rc = hr_transaction_fail(transaction, failed, "the brokers do not let it begin", error);
    }
    if (rc != HR_OK) {
        hr_transaction_close(transaction);
        return rc;
    }
    *out = transaction;
    return HR_OK;
}

void hr_transaction_close(hr_transaction *transaction)
{
    if (transaction == NULL)
        return;
    if (transaction->begun) {
        rd_kafka_purge(transaction->client->rk, RD_KAFKA_PURGE_F_QUEUE);
        rd_kafka_error_destroy(rd_kafka_abort_transaction(transaction->client->rk, HR_TRANSACTION_FAREWELL_MS));
    }
    if (transaction->client != NULL)
        rd_kafka_purge(transaction->client->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    for (int i = 0; i < HR_TRANSACTION_TOPICS; i++)
        if (transaction->topics[i] != NULL)
            rd_kafka_topic_destroy(transaction->topics[i]);
    hr_kafka_client_close(transaction->client);
    hr_free(transaction);
}

/* ---- publishing ---- */

/* Hand one message to librdkafka, waiting while its queue is full. */
static int hr_transaction_send(hr_transaction *transaction, const char *topic, int32_t partition, const hr_kafka_message *message,
                               hr_wire *headers, uint64_t header_count, rd_kafka_resp_err_t *err, hr_error *error)
{
    rd_kafka_t *rk = transaction->client->rk;
    rd_kafka_headers_t *list = header_count > 0 ? rd_kafka_headers_new((size_t)header_count) : NULL;

    for (uint64_t i = 0; i < header_count; i++) {
        const uint8_t *name = NULL;
        const void *value;
        size_t n = 0, len;

        hr_wire_bytes(headers, &name, &n);
        hr_outbox_get_bytes(headers, &value, &len);
        rd_kafka_header_add(list, (const char *)name, -1, value, (ssize_t)len);
    }
    for (;;) {
        rd_kafka_headers_t *copy = list != NULL ? rd_kafka_headers_copy(list) : NULL; /* librdkafka takes them over on success */

        if (copy != NULL)
            *err = rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                     RD_KAFKA_V_VALUE((void *)(uintptr_t)message->value, message->len),
                                     RD_KAFKA_V_KEY(message->key, message->key_len), RD_KAFKA_V_TIMESTAMP(message->timestamp_ms),
                                     RD_KAFKA_V_HEADERS(copy), RD_KAFKA_V_END);
        else
            *err = rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                     RD_KAFKA_V_VALUE((void *)(uintptr_t)message->value, message->len),
                                     RD_KAFKA_V_KEY(message->key, message->key_len), RD_KAFKA_V_TIMESTAMP(message->timestamp_ms),
                                     RD_KAFKA_V_END);
        if (*err != RD_KAFKA_RESP_ERR_NO_ERROR && copy != NULL)
            rd_kafka_headers_destroy(copy);
        if (*err != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            break;
        if (hr_kafka_client_cancelled(transaction->client)) {
            if (list != NULL)
                rd_kafka_headers_destroy(list);
            return hr_error_set(error, HR_ECANCELLED, "stopped by the caller");
        }
        if (hr_transaction_is_late(transaction)) {
            *err = RD_KAFKA_RESP_ERR__MSG_TIMED_OUT;
            break;
        }
        rd_kafka_poll(rk, 5);
    }
    if (list != NULL)
        rd_kafka_headers_destroy(list);
    if (*err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
        return hr_kafka_fail(
            transaction->client, *err, error,
            "a message of %zu bytes cannot be sent to Kafka topic \"%s\"; raise the Kafka setting message.max.bytes (%lld), "
            "and the topic's max.message.bytes",
            message->len + message->key_len, topic, (long long)hr_kafka_client_number(transaction->client, "message.max.bytes", -1));
    return HR_OK;
}

/* All messages of the outbox. *err says what librdkafka refused: then the transaction has to be aborted. */
static int hr_transaction_send_all(hr_transaction *transaction, const hr_outbox *outbox, rd_kafka_resp_err_t *err, hr_error *error)
{
    hr_wire in = {outbox->bytes.data, outbox->bytes.data + outbox->bytes.size};

    *err = RD_KAFKA_RESP_ERR_NO_ERROR;
    for (int64_t i = 0; i < outbox->count && *err == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        hr_kafka_message message = {0};
        const char *topic;
        int64_t partition = -1;
        uint64_t headers = 0;
        hr_wire list;

        memcpy(&topic, in.p, sizeof(topic));
        in.p += sizeof(topic);
        hr_wire_i64(&in, &partition);
        hr_wire_i64(&in, &message.timestamp_ms);
        hr_outbox_get_bytes(&in, &message.key, &message.key_len);
        hr_outbox_get_bytes(&in, &message.value, &message.len);
        hr_wire_varint(&in, &headers);
        list = in;
        for (uint64_t h = 0; h < headers; h++) {
            const uint8_t *name;
            const void *value;
            size_t n;

            hr_wire_bytes(&in, &name, &n);
            hr_outbox_get_bytes(&in, &value, &n);
        }
        HR_RETURN_NOT_OK(hr_transaction_send(transaction, topic, (int32_t)partition, &message, &list, headers, err, error));
        if ((i & 1023) == 1023)
            rd_kafka_poll(transaction->client->rk, 0);
    }
    return HR_OK;
}

static rd_kafka_error_t *hr_transaction_send_offsets(hr_transaction *transaction, rd_kafka_t *member,
                                                     const rd_kafka_topic_partition_list_t *offsets)
{
    int64_t deadline = hr_kafka_now_ms() + HR_TRANSACTION_DOWN_MS;
    rd_kafka_consumer_group_metadata_t *group = rd_kafka_consumer_group_metadata(member);
    rd_kafka_error_t *failed;

    if (group == NULL)
        return rd_kafka_error_new(RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, "the consumer is no member of its group");
    for (;;) {
        failed = rd_kafka_send_offsets_to_transaction(transaction->client->rk, offsets, group, HR_TRANSACTION_SLICE_MS * 5);
        if (failed == NULL || !rd_kafka_error_is_retriable(failed) || hr_kafka_client_cancelled(transaction->client) ||
            hr_kafka_now_ms() >= deadline)
            break;
        rd_kafka_error_destroy(failed);
    }
    rd_kafka_consumer_group_metadata_destroy(group);
    return failed;
}

/* One try. NULL: published. Otherwise the error, for the caller to destroy; *rc is not HR_OK when trying again is of no use. */
static rd_kafka_error_t *hr_transaction_try(hr_transaction *transaction, const hr_outbox *outbox, rd_kafka_t *member,
                                            const rd_kafka_topic_partition_list_t *offsets, int *rc, hr_error *error)
{
    rd_kafka_error_t *failed;
    rd_kafka_resp_err_t err;

    *rc = HR_OK;
    transaction->begun_ms = hr_kafka_now_ms(); /* a transaction that cannot begin has not taken too long */
    failed = rd_kafka_begin_transaction(transaction->client->rk);
    if (failed != NULL)
        return failed;
    transaction->begun = true;
    transaction->refused = RD_KAFKA_RESP_ERR_NO_ERROR;
    transaction->refused_what[0] = '\0';
    *rc = hr_transaction_send_all(transaction, outbox, &err, error);
    if (*rc != HR_OK)
        return NULL;
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
        return rd_kafka_error_new(err, "a message was not taken: %s", rd_kafka_err2str(err));
    if (offsets != NULL && offsets->cnt > 0)
        failed = hr_transaction_send_offsets(transaction, member, offsets);
    if (failed == NULL)
        failed = hr_transaction_do(transaction, rd_kafka_commit_transaction);
    if (failed == NULL)
        transaction->begun = false;
    return failed;
}

bool hr_transaction_expired(const hr_transaction *transaction, int64_t *timeout_ms)
{
    *timeout_ms = transaction->timeout_ms;
    return transaction->expired;
}

int hr_transaction_publish(hr_transaction *transaction, const hr_outbox *outbox, rd_kafka_t *member,
                           const rd_kafka_topic_partition_list_t *offsets, bool *lost, hr_error *error)
{
    int64_t deadline = hr_kafka_now_ms() + HR_TRANSACTION_DOWN_MS;

    *lost = false;
    for (;;) {
        int rc;
        rd_kafka_error_t *failed = hr_transaction_try(transaction, outbox, member, offsets, &rc, error), *aborted;
        rd_kafka_resp_err_t err;

        if (failed == NULL)
            return rc;
        err = rd_kafka_error_code(failed);
        transaction->expired = hr_transaction_is_late(transaction);
        if (hr_transaction_is_fenced(err) || hr_transaction_is_fenced(rd_kafka_fatal_error(transaction->client->rk, NULL, 0))) {
            rd_kafka_error_destroy(failed);
            transaction->begun = false;
            *lost = true;
            return HR_OK;
        }
        /* what is fatal, or was not answered, leaves nothing to abort: the next owner of the name finds out what became of it */
        if (rd_kafka_error_is_fatal(failed) || (rd_kafka_error_is_retriable(failed) && !rd_kafka_error_txn_requires_abort(failed))) {
            transaction->begun = false;
            return hr_transaction_fail(transaction, failed, "it was not committed", error);
        }
        aborted = hr_transaction_do(transaction, rd_kafka_abort_transaction);
        if (aborted == NULL)
            transaction->begun = false;
        if (aborted == NULL && (hr_transaction_is_expelled(err) || transaction->expired)) {
            rd_kafka_error_destroy(failed);
            *lost = true;
            return HR_OK;
        }
        if (aborted != NULL || hr_transaction_is_hopeless(err) || hr_transaction_is_hopeless(transaction->refused) ||
            hr_kafka_client_cancelled(transaction->client) || hr_kafka_now_ms() >= deadline) {
            bool fenced = aborted != NULL && hr_transaction_is_fenced(rd_kafka_error_code(aborted));

            if (aborted != NULL)
                rd_kafka_error_destroy(aborted);
            transaction->begun = false;
            *lost = fenced;
            if (!fenced && transaction->refused != RD_KAFKA_RESP_ERR_NO_ERROR) {
                rd_kafka_error_destroy(failed);
                return hr_transaction_tell_refused(transaction, error);
            }
            if (!fenced)
                return hr_transaction_fail(transaction, failed, "it was aborted", error);
            rd_kafka_error_destroy(failed);
            return HR_OK;
        }
        rd_kafka_error_destroy(failed);
        hr_transaction_sleep(HR_TRANSACTION_PAUSE_MS);
    }
}
