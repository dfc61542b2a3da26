/* csrc/io/kafka/kafka_producer.c: the idempotent producer. */
#include "kafka_producer.h"

#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "kafka_admin.h"

#define HR_KAFKA_SERVE_EVERY 1024 /* messages between two looks at what librdkafka has to say */
#define HR_KAFKA_FULL_MS 5        /* a wait for room in the queue looks up this often */
#define HR_KAFKA_FLUSH_MS 100

struct hr_kafka_producer {
    hr_kafka_client *client;
    rd_kafka_topic_t *rkt;
    int64_t sent, failed;
    int64_t failed_told;       /* of them told by a flush */
    rd_kafka_resp_err_t first; /* of the failed ones */
    char first_words[256];
};

/* librdkafka's delivery callback: of messages that were given up only; called from our own polls. */
static void hr_kafka_on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    hr_kafka_client *client = opaque;
    hr_kafka_producer *producer = client->delivery;

    (void)rk;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    if (producer->failed++ == producer->failed_told) {
        producer->first = message->err;
        snprintf(producer->first_words, sizeof(producer->first_words), "partition %d", (int)message->partition);
    }
}

int hr_kafka_producer_open(const json_t *config, const char *topic, const atomic_bool *cancel, hr_kafka_producer **out, hr_error *error)
{
    hr_kafka_producer *producer = hr_calloc(1, sizeof(*producer));
    hr_kafka_topic found;
    int rc;

    *out = NULL;
    if (producer == NULL)
        return hr_error_nomem(error);
    rc = hr_kafka_client_open(config, HR_KAFKA_WRITER, NULL, 0, hr_kafka_on_delivery, &producer->client, error);
    if (rc == HR_OK) {
        producer->client->delivery = producer;
        producer->client->cancel = cancel;
        rc = hr_kafka_topic_find(producer->client, topic, HR_KAFKA_TIMEOUT_MS, &found, error);
        hr_kafka_topic_free(&found);
    }
    if (rc == HR_OK) {
        producer->rkt = rd_kafka_topic_new(producer->client->rk, topic, NULL);
        if (producer->rkt == NULL)
            rc = hr_kafka_fail(producer->client, rd_kafka_last_error(), error, "Kafka topic \"%s\"", topic);
    }
    if (rc != HR_OK) {
        hr_kafka_producer_close(producer);
        return rc;
    }
    *out = producer;
    return HR_OK;
}

/* Tell the failures that no flush has told yet. */
static int hr_kafka_tell_failed(hr_kafka_producer *producer, hr_error *error)
{
    long long failed = (long long)(producer->failed - producer->failed_told);

    producer->failed_told = producer->failed;
    return hr_kafka_fail(producer->client, producer->first, error,
                         "%lld of %lld messages to Kafka topic \"%s\" were not delivered; the first (%s)", failed,
                         (long long)producer->sent, rd_kafka_topic_name(producer->rkt), producer->first_words);
}

/* Hand one message to librdkafka, with all its parts. rd_kafka_produce is the faster call, but knows no headers and no time. */
static rd_kafka_resp_err_t hr_kafka_enqueue(hr_kafka_producer *producer, const hr_kafka_message *message)
{
    rd_kafka_headers_t *headers = NULL;
    rd_kafka_resp_err_t err;

    if (message->header_count == 0 && message->timestamp_ms == 0) {
        if (rd_kafka_produce(producer->rkt, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, (void *)message->value, message->len, message->key,
                             message->key_len, NULL) == 0)
            return RD_KAFKA_RESP_ERR_NO_ERROR;
        return rd_kafka_last_error();
    }
    if (message->header_count > 0)
        headers = rd_kafka_headers_new((size_t)message->header_count);
    for (int32_t i = 0; i < message->header_count; i++)
        rd_kafka_header_add(headers, message->headers[i].name, -1, message->headers[i].value,
                            message->headers[i].value != NULL ? (ssize_t)message->headers[i].len : 0);
    err = headers != NULL
              ? rd_kafka_producev(producer->client->rk, RD_KAFKA_V_RKT(producer->rkt), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                  RD_KAFKA_V_VALUE((void *)message->value, message->len), RD_KAFKA_V_KEY(message->key, message->key_len),
                                  RD_KAFKA_V_TIMESTAMP(message->timestamp_ms), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END)
              : rd_kafka_producev(producer->client->rk, RD_KAFKA_V_RKT(producer->rkt), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                  RD_KAFKA_V_VALUE((void *)message->value, message->len), RD_KAFKA_V_KEY(message->key, message->key_len),
                                  RD_KAFKA_V_TIMESTAMP(message->timestamp_ms), RD_KAFKA_V_END);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR && headers != NULL)
        rd_kafka_headers_destroy(headers); /* librdkafka takes them over only on success */
    return err;
}

int hr_kafka_producer_send(hr_kafka_producer *producer, const hr_kafka_message *message, hr_error *error)
{
    char words[256];

    if (HR_UNLIKELY(producer->sent % HR_KAFKA_SERVE_EVERY == 0))
        rd_kafka_poll(producer->client->rk, 0);
    if (HR_UNLIKELY(producer->failed > producer->failed_told))
        return hr_kafka_tell_failed(producer, error);
    for (;;) {
        rd_kafka_resp_err_t err = hr_kafka_enqueue(producer, message);

        if (HR_LIKELY(err == RD_KAFKA_RESP_ERR_NO_ERROR)) {
            producer->sent++;
            return HR_OK;
        }
        switch (err) {
        case RD_KAFKA_RESP_ERR__QUEUE_FULL:
            if (hr_kafka_client_cancelled(producer->client))
                return hr_error_set(error, HR_ECANCELLED, "stopped by the caller");
            rd_kafka_poll(producer->client->rk, HR_KAFKA_FULL_MS);
            if (producer->failed > producer->failed_told)
                return hr_kafka_tell_failed(producer, error);
            break;
        case RD_KAFKA_RESP_ERR__FATAL:
            err = rd_kafka_fatal_error(producer->client->rk, words, sizeof(words));
            hr_kafka_fail(producer->client, err, error, "Kafka topic \"%s\" can no longer be written to by this producer (%s)",
                          rd_kafka_topic_name(producer->rkt), words);
            return HR_EKAFKA;
        case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
            return hr_kafka_fail(producer->client, err, error,
                                 "a message of %zu bytes cannot be sent to Kafka topic \"%s\"; the Kafka setting message.max.bytes is %lld",
                                 message->len + message->key_len, rd_kafka_topic_name(producer->rkt),
                                 (long long)hr_kafka_client_number(producer->client, "message.max.bytes", -1));
        default:
            return hr_kafka_fail(producer->client, err, error, "a message cannot be sent to Kafka topic \"%s\"",
                                 rd_kafka_topic_name(producer->rkt));
        }
    }
}

int hr_kafka_producer_flush(hr_kafka_producer *producer, int timeout_ms, hr_error *error)
{
    int64_t deadline = timeout_ms > 0 ? hr_kafka_now_ms() + timeout_ms : INT64_MAX;
    rd_kafka_resp_err_t err;

    while ((err = rd_kafka_flush(producer->client->rk, HR_KAFKA_FLUSH_MS)) == RD_KAFKA_RESP_ERR__TIMED_OUT) {
        if (hr_kafka_client_cancelled(producer->client))
            return hr_error_set(error, HR_ECANCELLED, "stopped by the caller");
        if (hr_kafka_now_ms() >= deadline)
            break;
    }
    if (producer->failed > producer->failed_told)
        return hr_kafka_tell_failed(producer, error);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
        return hr_kafka_fail(producer->client, err, error, "%d messages to Kafka topic \"%s\" are still on their way after %d s",
                             rd_kafka_outq_len(producer->client->rk), rd_kafka_topic_name(producer->rkt), timeout_ms / 1000);
    return HR_OK;
}

void hr_kafka_producer_counts(hr_kafka_producer *producer, int64_t *delivered, int64_t *failed)
{
    /* the queue's length counts the reports of failures that were not looked at yet, too */
    *delivered = producer->sent - producer->failed - rd_kafka_outq_len(producer->client->rk);
    *failed = producer->failed;
}

void hr_kafka_producer_close(hr_kafka_producer *producer)
{
    if (producer == NULL)
        return;
    if (producer->rkt != NULL)
        rd_kafka_topic_destroy(producer->rkt);
    if (producer->client != NULL)
        rd_kafka_purge(producer->client->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    hr_kafka_client_close(producer->client);
    hr_free(producer);
}
