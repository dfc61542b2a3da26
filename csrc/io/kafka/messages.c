/* csrc/io/kafka/messages.c: a topic's messages as JSON texts. */
#include "messages.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "core/alloc.h"
#include "core/types/civil.h"
#include "core/utf8.h"
#include "io/json_text.h"
#include "io/source/source.h"

#define HR_MESSAGES_ROOM ((size_t)4 << 20) /* bytes that may wait to be taken; a longer message is one piece */
#define HR_MESSAGES_WAIT_MS 100
#define HR_MESSAGES_NAP_MS 5
#define HR_MESSAGES_CHUNK 1000

int hr_messages_init(hr_messages *messages, hr_error *error)
{
    memset(messages, 0, sizeof(*messages));
    if (pthread_mutex_init(&messages->lock, NULL) != 0)
        return hr_error_nomem(error);
    return HR_OK;
}

void hr_messages_free(hr_messages *messages)
{
    hr_buffer_free(&messages->text);
    pthread_mutex_destroy(&messages->lock);
}

/* A text, null when there is none or it is no UTF-8. NULL when memory runs out. */
static json_t *hr_messages_text(const char *s, size_t n, bool *is_text)
{
    size_t bad;

    if (s == NULL)
        return json_null();
    if (!hr_utf8_validate(s, n, &bad)) {
        *is_text = false;
        return json_null();
    }
    return json_stringn_nocheck(s, n);
}

/* One message as JSON, for hr_free; NULL when memory runs out. */
static char *hr_messages_one(const hr_record *record)
{
    json_t *message = json_object(), *timestamp;
    bool is_text = true, failed = message == NULL;
    char *text = NULL;

    timestamp = record->timestamp == HR_NO_TIMESTAMP ? json_null() : json_integer(hr_floor_div(record->timestamp, 1000));
    failed |= json_object_set_new(message, "partition", json_integer(record->partition)) != 0;
    failed |= json_object_set_new(message, "offset", json_integer(record->offset)) != 0;
    failed |= json_object_set_new(message, "timestamp", timestamp) != 0;
    failed |= json_object_set_new(message, "key", hr_messages_text(record->key, record->key_len, &is_text)) != 0;
    failed |= json_object_set_new(message, "value", hr_messages_text(record->data, record->len, &is_text)) != 0;
    failed |= json_object_set_new(message, "text", json_boolean(is_text)) != 0;
    if (!failed)
        text = hr_json_text_of(message, JSON_COMPACT);
    json_decref(message);
    return text;
}

/* Wait until there is room, then add one message. */
static int hr_messages_add(hr_messages *messages, const hr_record *record, hr_error *error)
{
    struct timespec nap = {.tv_nsec = HR_MESSAGES_NAP_MS * 1000000L};
    char *text = hr_messages_one(record);
    size_t before;
    int rc;

    if (text == NULL)
        return hr_error_nomem(error);
    pthread_mutex_lock(&messages->lock);
    while (messages->text.size > HR_MESSAGES_ROOM && !atomic_load_explicit(&messages->cancel, memory_order_relaxed)) {
        pthread_mutex_unlock(&messages->lock);
        nanosleep(&nap, NULL);
        pthread_mutex_lock(&messages->lock);
    }
    before = messages->text.size;
    rc = hr_buffer_append(&messages->text, messages->count > 0 ? "," : "[", 1, error);
    if (rc == HR_OK)
        rc = hr_buffer_append(&messages->text, text, strlen(text), error);
    if (rc == HR_OK)
        messages->count++;
    else
        messages->text.size = before;
    pthread_mutex_unlock(&messages->lock);
    hr_free(text);
    return rc;
}

static int hr_messages_fetch(hr_messages *messages, const hr_source_ops *ops, hr_source *source, hr_error *error)
{
    bool finished = false;

    while (!finished) {
        hr_chunk chunk;
        int rc;

        if (atomic_load_explicit(&messages->cancel, memory_order_relaxed))
            return hr_error_set(error, HR_ECANCELLED, "stopped by the caller");
        HR_RETURN_NOT_OK(ops->fetch(source, HR_MESSAGES_WAIT_MS, HR_MESSAGES_CHUNK, &chunk, error));
        rc = HR_OK;
        for (int64_t i = 0; i < chunk.count && rc == HR_OK; i++)
            rc = hr_messages_add(messages, &chunk.records[i], error);
        finished = chunk.finished;
        ops->release(source, &chunk);
        HR_RETURN_NOT_OK(rc);
    }
    return HR_OK;
}

int hr_messages_read(hr_messages *messages, const char *source_json, hr_error *error)
{
    const hr_source_ops *ops = hr_source_find("kafka");
    hr_source *source = NULL;
    hr_lanes lanes = {0};
    json_t *config;
    int rc;

    HR_RETURN_NOT_OK(hr_json_object_read(source_json, strlen(source_json), "the source's settings", &config, error));
    rc = ops->plan(config, 1, &messages->cancel, &lanes, error);
    for (int32_t i = 0; rc == HR_OK && i < lanes.count; i++)
        lanes.lanes[i].next = lanes.lanes[i].begin;
    if (rc == HR_OK)
        rc = ops->open(config, lanes.lanes, lanes.count, &messages->cancel, &source, error);
    if (rc == HR_OK)
        rc = hr_messages_fetch(messages, ops, source, error);
    if (source != NULL)
        ops->close(source);
    hr_lanes_free(&lanes);
    json_decref(config);
    return rc;
}

char *hr_messages_take(hr_messages *messages)
{
    char *text = NULL;

    pthread_mutex_lock(&messages->lock);
    if (messages->count > 0 && hr_buffer_append(&messages->text, "]", 2, NULL) == HR_OK) {
        text = (char *)messages->text.data;
        memset(&messages->text, 0, sizeof(messages->text));
        messages->count = 0;
    }
    pthread_mutex_unlock(&messages->lock);
    return text;
}
