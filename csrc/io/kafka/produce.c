/* csrc/io/kafka/produce.c: a file's lines into a topic: framer -> key -> librdkafka. */
#include "produce.h"

#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "io/source/framer.h"
#include "io/json_text.h"
#include "kafka_admin.h"
#include "kafka_producer.h"
#include "pace.h"

#define HR_PRODUCE_WAIT_MS 100 /* for a pipe to bring something, between two looks at cancel */
#define HR_PRODUCE_FRAMES 4096

typedef struct produce {
    json_t *config;
    const char *path, *topic, *key;
    double rate, max_seconds; /* 0: no limit */
    int64_t rounds, max_records;
    hr_decoder *decoder; /* of one text column, the key; NULL without one */
    hr_batch *keys;      /* at most one row */
    hr_kafka_producer *producer;
    hr_framer *framer;
    hr_produce_progress *progress;
    const atomic_bool *cancel;
    int64_t started_ms;
    int64_t messages, bytes, keyless, blank, done_rounds;
    bool enough; /* a limit was reached */
} produce;

/* ---- settings ---- */

/* A number that is not below `low`; 0 when missing or null. */
static int hr_produce_number(const json_t *config, const char *name, double low, double *out, hr_error *error)
{
    const json_t *value = json_object_get(config, name);

    *out = 0;
    if (value == NULL || json_is_null(value))
        return HR_OK;
    if (!json_is_number(value) || !(json_number_value(value) >= low) || json_number_value(value) > 9e18)
        return hr_error_set(error, HR_EUSAGE, "produce: \"%s\" must be a number above 0", name);
    *out = json_number_value(value);
    return HR_OK;
}

static int hr_produce_parse(produce *p, const char *text, hr_error *error)
{
    const json_t *rounds;
    double records;

    HR_RETURN_NOT_OK(hr_json_object_read(text, strlen(text), "produce: the settings", &p->config, error));
    p->path = json_string_value(json_object_get(p->config, "path"));
    if (p->path == NULL || p->path[0] == '\0')
        return hr_error_set(error, HR_EUSAGE, "produce: \"path\" is missing: name the file to send, or - for standard input");
    p->topic = json_string_value(json_object_get(p->config, "topic"));
    if (p->topic == NULL || p->topic[0] == '\0')
        return hr_error_set(error, HR_EUSAGE, "produce: \"topic\" is missing: name the Kafka topic");
    p->key = json_string_value(json_object_get(p->config, "key"));
    HR_RETURN_NOT_OK(hr_produce_number(p->config, "rate", 1e-6, &p->rate, error));
    HR_RETURN_NOT_OK(hr_produce_number(p->config, "max_records", 1, &records, error));
    HR_RETURN_NOT_OK(hr_produce_number(p->config, "max_seconds", 1e-3, &p->max_seconds, error));
    p->max_records = records > 0 ? (int64_t)records : INT64_MAX;
    rounds = json_object_get(p->config, "rounds");
    p->rounds = rounds == NULL || json_is_null(rounds) ? 1 : json_integer_value(rounds);
    if (p->rounds < 0 || (p->rounds == 0 && !json_is_integer(rounds)))
        return hr_error_set(error, HR_EUSAGE, "produce: \"rounds\" must be a whole number, 0 for again and again");
    if (p->rounds != 1 && strcmp(p->path, "-") == 0)
        return hr_error_set(error, HR_EUSAGE, "produce: standard input can be read once only; name a file to send it again and again");
    return HR_OK;
}

/* A decoder that reads the key's field alone, and checks that the rest is JSON. */
static int hr_produce_open_key(produce *p, hr_error *error)
{
    hr_schema *schema = NULL;
    hr_type type;
    int rc;

    if (p->key == NULL)
        return HR_OK;
    if (p->key[0] == '\0' || p->key[0] == '$')
        return hr_error_set(error, HR_EUSAGE, "produce: \"key\" must name a field of the frames, such as uid or user.id");
    HR_RETURN_NOT_OK(hr_schema_new(&schema, error));
    rc = hr_type_from_name("text", &schema->arena, &type, error);
    if (rc == HR_OK)
        rc = hr_schema_add(schema, "key", &type, false, false, NULL, error);
    if (rc == HR_OK)
        rc = hr_schema_map(schema, 0, p->key, error);
    if (rc == HR_OK)
        rc = hr_decoder_new(hr_format_find("json"), schema, NULL, &p->decoder, error);
    if (rc == HR_OK)
        rc = hr_batch_new(schema, &p->keys, error);
    hr_schema_release(schema);
    return rc;
}

static int hr_produce_open_topic(produce *p, hr_error *error)
{
    const json_t *config = json_object_get(p->config, "config");
    int64_t partitions = json_integer_value(json_object_get(p->config, "partitions"));
    const json_t *replication = json_object_get(p->config, "replication");

    if (partitions > 0)
        HR_RETURN_NOT_OK(hr_kafka_topic_ensure(config, p->topic, (int32_t)(partitions < 100000 ? partitions : 100000),
                                               json_is_integer(replication) ? (int32_t)json_integer_value(replication) : -1,
                                               json_object_get(p->config, "topic_config"), p->cancel, error));
    return hr_kafka_producer_open(config, p->topic, p->cancel, &p->producer, error);
}

/* ---- a line ---- */

static const char *hr_produce_source(const produce *p)
{
    return strcmp(p->path, "-") == 0 ? "standard input" : p->path;
}

/* The key of a line: NULL when it has none. It stays valid until the next call. */
static int hr_produce_key(produce *p, const hr_record *record, const char **key, size_t *len, hr_error *error)
{
    int rc;

    *key = NULL;
    *len = 0;
    if (p->decoder == NULL)
        return HR_OK;
    hr_batch_clear(p->keys);
    rc = hr_decoder_decode(p->decoder, record, p->keys, error);
    if (rc == HR_EDATA) {
        hr_error_clear(error);
        p->keyless++;
        return HR_OK;
    }
    if (rc == HR_OK && hr_column_is_null(&p->keys->columns[0], 0))
        p->keyless++;
    else if (rc == HR_OK)
        *key = hr_column_get_bytes(&p->keys->columns[0], 0, len);
    return rc;
}

/* Say in an error where in the file, and how much had been sent. */
static int hr_produce_where(const produce *p, const hr_record *record, int rc, hr_error *error)
{
    char words[HR_ERROR_MESSAGE_SIZE];
    int64_t line = 0;

    if (error == NULL || rc == HR_ENOMEM || rc == HR_ECANCELLED)
        return rc;
    memcpy(words, error->message, sizeof(words));
    words[sizeof(words) - 1] = '\0';
    if (record != NULL && hr_framer_line(p->framer, record, &line, p->cancel, NULL) == HR_OK)
        snprintf(error->message, sizeof(error->message), "%.300s, line %lld: %.600s (%lld messages had been sent before)",
                 hr_produce_source(p), (long long)line, words, (long long)p->messages);
    else
        snprintf(error->message, sizeof(error->message), "%.950s (%lld messages had been sent before)", words, (long long)p->messages);
    return rc;
}

/* Between lines: cancel, limits, progress, and the nap that keeps the rate. */
static int hr_produce_look(produce *p, hr_error *error)
{
    for (;;) {
        int64_t elapsed = hr_kafka_now_ms() - p->started_ms;

        if (p->cancel != NULL && atomic_load_explicit(p->cancel, memory_order_relaxed))
            return hr_error_set(error, HR_ECANCELLED, "stopped by the caller after %lld messages", (long long)p->messages);
        if (p->progress != NULL) {
            const hr_file *file = hr_framer_file(p->framer);

            atomic_store_explicit(&p->progress->messages, p->messages, memory_order_relaxed);
            atomic_store_explicit(&p->progress->bytes, p->bytes, memory_order_relaxed);
            atomic_store_explicit(&p->progress->consumed, hr_file_consumed(file), memory_order_relaxed);
            atomic_store_explicit(&p->progress->size, hr_file_size(file), memory_order_relaxed);
        }
        p->enough = p->messages >= p->max_records || (p->max_seconds > 0 && (double)elapsed >= p->max_seconds * 1000);
        if (p->enough || hr_pace_due(p->rate, p->messages, elapsed))
            return HR_OK;
        hr_pace_nap();
    }
}

static int hr_produce_line(produce *p, const hr_record *record, hr_error *error)
{
    hr_kafka_message message = {.value = record->data, .len = record->len};
    const char *key;
    int rc;

    if (record->len == 0) {
        p->blank++;
        return HR_OK;
    }
    HR_RETURN_NOT_OK(hr_produce_key(p, record, &key, &message.key_len, error));
    message.key = key;
    rc = hr_kafka_producer_send(p->producer, &message, error);
    if (rc != HR_OK)
        return hr_produce_where(p, record, rc, error);
    p->messages++;
    p->bytes += (int64_t)record->len;
    return HR_OK;
}

/* ---- the run ---- */

/* The file once, from its beginning. */
static int hr_produce_round(produce *p, hr_error *error)
{
    hr_framer_options options = {.format = hr_format_find("json"), .end = INT64_MAX, .topic = p->path};
    int64_t stride = hr_pace_stride(p->rate), since = stride;
    bool finished = false;

    HR_RETURN_NOT_OK(hr_framer_open(p->path, &options, &p->framer, error));
    while (!finished && !p->enough) {
        hr_frames frames = {0};
        int rc = hr_framer_next(p->framer, HR_PRODUCE_WAIT_MS, HR_PRODUCE_FRAMES, &frames, error);

        if (rc != HR_OK)
            rc = hr_produce_where(p, NULL, rc, error);
        if (frames.count == 0)
            since = stride; /* a pipe that brings nothing must not keep us from looking */
        for (int64_t i = 0; i < frames.count && rc == HR_OK; i++) {
            if (since >= stride) {
                since = 0;
                rc = hr_produce_look(p, error);
            }
            if (rc == HR_OK && p->messages >= p->max_records)
                p->enough = true;
            if (rc != HR_OK || p->enough)
                break;
            rc = hr_produce_line(p, &frames.records[i], error);
            since++;
        }
        if (rc == HR_OK && frames.count == 0)
            rc = hr_produce_look(p, error);
        finished = frames.finished;
        if (frames.block != NULL || frames.records != NULL)
            hr_frames_release(&frames);
        HR_RETURN_NOT_OK(rc);
    }
    hr_framer_close(p->framer);
    p->framer = NULL;
    p->done_rounds++;
    return HR_OK;
}

static int hr_produce_all(produce *p, hr_error *error)
{
    int64_t before = -1;

    /* a file without a line would go round for ever */
    while (!p->enough && p->messages > before && (p->rounds == 0 || p->done_rounds < p->rounds)) {
        before = p->messages;
        HR_RETURN_NOT_OK(hr_produce_round(p, error));
    }
    return hr_kafka_producer_flush(p->producer, 0, error);
}

static int hr_produce_result(const produce *p, char **result, hr_error *error)
{
    json_t *told =
        json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:f}", "source", p->path, "topic", p->topic, "messages", (json_int_t)p->messages,
                  "bytes", (json_int_t)p->bytes, "keyless", (json_int_t)p->keyless, "blank", (json_int_t)p->blank, "rounds",
                  (json_int_t)p->done_rounds, "seconds", (double)(hr_kafka_now_ms() - p->started_ms) / 1000);

    *result = hr_json_text_of(told, JSON_COMPACT | JSON_REAL_PRECISION(6));
    json_decref(told);
    return *result != NULL ? HR_OK : hr_error_nomem(error);
}

int hr_produce(const char *config_json, hr_produce_progress *progress, const atomic_bool *cancel, char **result, hr_error *error)
{
    produce p = {.progress = progress, .cancel = cancel, .started_ms = hr_kafka_now_ms()};
    hr_error why; /* a place for errors that callers may not want, but that are added to here */
    int rc;

    *result = NULL;
    rc = hr_produce_parse(&p, config_json, &why);
    if (rc == HR_OK)
        rc = hr_produce_open_key(&p, &why);
    if (rc == HR_OK)
        rc = hr_produce_open_topic(&p, &why);
    if (rc == HR_OK)
        rc = hr_produce_all(&p, &why);
    if (rc == HR_OK)
        rc = hr_produce_result(&p, result, &why);
    if (rc != HR_OK && error != NULL)
        *error = why;
    hr_framer_close(p.framer);
    hr_kafka_producer_close(p.producer);
    hr_batch_free(p.keys);
    hr_decoder_free(p.decoder);
    json_decref(p.config);
    return rc;
}
