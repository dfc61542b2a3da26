/* csrc/io/window/window_frames.c: frames into windows; those that count nowhere, or not everywhere, become dead letters. */
#include <stdio.h>

#include "window_flow.h"

#define HR_DEAD_OVERHEAD 256 /* bytes of a message, of the batch that it is sent in, and of the header that says it was cut */
#define HR_DEAD_HEADER 16    /* of a header, beside its name and value */

/* A frame as it came, with why it is here and where it was. `value` NULL: it is not known any more. */
typedef struct hr_dead_frame {
    int64_t offset;
    const void *key, *value;
    size_t key_len, len;
    const char *reason, *message;
    uint32_t missed;
} hr_dead_frame;

/* The kinds of windows of these bits, with commas between. */
static void hr_flow_kinds(const hr_window_config *config, uint32_t missed, char *to, size_t size)
{
    size_t n = 0;

    to[0] = '\0';
    for (int32_t i = 0; i < config->options.spec_count; i++)
        if (missed >> i & 1 && n < size)
            n += (size_t)snprintf(to + n, size - n, "%s%s", n > 0 ? "," : "", config->specs[i].name);
}

/* A letter that is too large for a message keeps the first bytes: of the value, and of the key when it takes more than half of the room.
 * *told says what was cut, and how long it was: "value=1200000". False when nothing was. The frame itself stays where it was. */
static bool hr_flow_cut(const hr_flow *flow, hr_kafka_message *message, char *told, size_t size)
{
    size_t most = (size_t)flow->job->letter_bytes, used = HR_DEAD_OVERHEAD, room, key_room;
    size_t key_len = message->key_len, len = message->len;
    int n = 0;

    for (int32_t i = 0; i < message->header_count; i++)
        used += strlen(message->headers[i].name) + message->headers[i].len + HR_DEAD_HEADER;
    room = most > used ? most - used : 0;
    if (HR_LIKELY(key_len + len <= room))
        return false;
    key_room = len < room / 2 ? room - len : room / 2;
    message->key_len = key_len < key_room ? key_len : key_room;
    message->len = len < room - message->key_len ? len : room - message->key_len;
    if (message->key_len < key_len)
        n = snprintf(told, size, "key=%zu%s", key_len, message->len < len ? "," : "");
    if (message->len < len)
        snprintf(told + n, size - (size_t)n, "value=%zu", len);
    return true;
}

/* Into the outbox, when the job wants dead letters. */
static int hr_flow_bury(hr_flow *flow, const hr_dead_frame *frame, hr_error *error)
{
    const hr_window_config *config = &flow->job->config;
    char kinds[HR_WINDOW_SPECS * 32], partition[16], offset[24], cut[64];
    hr_kafka_header headers[] = {
        {"headrace.reason", frame->reason, strlen(frame->reason)},
        {"headrace.job", config->job, strlen(config->job)},
        {"headrace.topic", config->topic, strlen(config->topic)},
        {"headrace.partition", partition, 0},
        {"headrace.offset", offset, 0},
        {"headrace.windows", kinds, 0},
        {NULL, NULL, 0},
        {NULL, NULL, 0},
    };
    hr_kafka_message message = {.key = frame->key, .key_len = frame->key_len, .value = frame->value, .len = frame->len, .headers = headers};

    if (config->late == NULL)
        return HR_OK;
    headers[3].len = (size_t)snprintf(partition, sizeof(partition), "%d", (int)flow->partition);
    headers[4].len = (size_t)snprintf(offset, sizeof(offset), "%lld", (long long)frame->offset);
    hr_flow_kinds(config, frame->missed, kinds, sizeof(kinds));
    headers[5].len = strlen(kinds);
    message.header_count = 6;
    if (frame->message != NULL)
        headers[message.header_count++] = (hr_kafka_header){"headrace.message", frame->message, strlen(frame->message)};
    if (hr_flow_cut(flow, &message, cut, sizeof(cut)))
        headers[message.header_count++] = (hr_kafka_header){"headrace.cut", cut, strlen(cut)};
    return hr_outbox_add(&flow->outbox, config->late, -1, &message, error);
}

/* The noted record of this offset, or NULL. */
static const hr_record *hr_flow_record(const hr_flow *flow, int64_t offset)
{
    int64_t low = 0, high = flow->record_count;

    while (low < high) {
        int64_t middle = low + (high - low) / 2;

        if (flow->records[middle]->offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low < flow->record_count && flow->records[low]->offset == offset ? flow->records[low] : NULL;
}

/* A verdict: count it, and keep or bury the frame. */
static int hr_flow_settle(hr_flow *flow, const hr_window_settled *settled, hr_error *error)
{
    const hr_record *record = hr_flow_record(flow, settled->offset);
    const hr_window_held_frame *held = record == NULL ? hr_window_state_held(&flow->state, settled->offset) : NULL;
    hr_dead_frame dead = {.offset = settled->offset, .missed = settled->missed};

    if (record != NULL) {
        dead.key = record->key;
        dead.key_len = record->key_len;
        dead.value = record->data;
        dead.len = record->len;
    } else if (held != NULL) {
        dead.key = held->has_key ? held->key.data : NULL;
        dead.key_len = held->key.size;
        dead.value = held->has_value ? held->value.data : NULL;
        dead.len = held->value.size;
    }
    if (settled->verdict == HR_VERDICT_HELD)
        return record == NULL
                   ? HR_OK
                   : hr_window_state_hold(&flow->state, settled->offset, record->key, record->key_len, record->data, record->len, error);
    if (settled->replayed)
        return HR_OK;
    switch ((hr_window_verdict)settled->verdict) {
    case HR_VERDICT_LATE:
        dead.reason = "late";
        flow->pending.late++;
        break;
    case HR_VERDICT_FUTURE:
        dead.reason = "future";
        flow->pending.future++;
        break;
    case HR_VERDICT_NO_TIME:
        dead.reason = "null";
        flow->pending.malformed++;
        break;
    case HR_VERDICT_NO_WINDOW:
        dead.reason = "range";
        flow->pending.malformed++;
        break;
    default: return HR_OK;
    }
    return hr_flow_bury(flow, &dead, error);
}

/* Let go of kept frames that are held no more. */
static void hr_flow_release(hr_flow *flow)
{
    for (int32_t i = flow->state.held_count - 1; i >= 0; i--) {
        bool is = false;

        for (int32_t k = 0; !is; k++) {
            int64_t offset = hr_windows_held(flow->windows, flow->partition, k);

            if (offset == INT64_MIN)
                break;
            is = offset == flow->state.held[i].offset;
        }
        if (!is && flow->state.held[i].offset < flow->next)
            hr_window_state_release(&flow->state, i);
    }
}

int hr_flow_settle_all(hr_flow *flow, hr_error *error)
{
    size_t count;
    const hr_window_settled *settled = hr_windows_settled(flow->windows, &count);

    for (size_t i = 0; i < count; i++)
        HR_RETURN_NOT_OK(hr_flow_settle(flow, &settled[i], error));
    hr_windows_settled_clear(flow->windows);
    hr_flow_release(flow);
    return HR_OK;
}

int hr_flow_match_held(hr_flow *flow, hr_error *error)
{
    HR_RETURN_NOT_OK(hr_flow_settle_all(flow, error));
    for (int32_t k = 0;; k++) {
        int64_t offset = hr_windows_held(flow->windows, flow->partition, k);

        if (offset == INT64_MIN)
            return HR_OK;
        HR_RETURN_NOT_OK(hr_window_state_hold(&flow->state, offset, NULL, 0, NULL, 0, error));
    }
}

/* Decode one frame into flow->rows; a bad one is counted and buried. */
static int hr_flow_decode(hr_flow *flow, hr_decoder *decoder, const hr_record *record, hr_error *error)
{
    bool again = record->offset < flow->state.position;
    hr_dead_frame dead = {
        .offset = record->offset, .key = record->key, .key_len = record->key_len, .value = record->data, .len = record->len};
    int rc;

    flow->read += (int64_t)record->len;
    flow->pending.replayed += again;
    flow->pending.frames += !again;
    flow->pending.bytes += again ? 0 : (int64_t)record->len;
    if (HR_UNLIKELY(record->data == NULL)) {
        flow->pending.tombstones += !again;
        return HR_OK;
    }
    rc = hr_decoder_decode(decoder, record, flow->rows, error);
    if (HR_LIKELY(rc == HR_OK)) {
        flow->offsets[flow->rows->length - 1] = record->offset;
        return HR_OK;
    }
    if (rc != HR_EDATA || again)
        return rc == HR_EDATA ? HR_OK : rc;
    flow->pending.malformed++;
    dead.reason = hr_reason_name(error->reason);
    dead.message = error->message;
    dead.missed = (uint32_t)((UINT64_C(1) << flow->job->config.options.spec_count) - 1);
    return hr_flow_bury(flow, &dead, error);
}

int hr_flow_take_frames(hr_flow *flow, hr_decoder *decoder, hr_error *error)
{
    int64_t done;

    hr_batch_clear(flow->rows);
    for (int64_t i = 0; i < flow->record_count; i++)
        HR_RETURN_NOT_OK(hr_flow_decode(flow, decoder, flow->records[i], error));
    HR_RETURN_NOT_OK(hr_windows_add(flow->windows, flow->partition, flow->rows, 0, flow->rows->length, flow->offsets, &done, error));
    flow->next = flow->records[flow->record_count - 1]->offset + 1;
    hr_decoder_trim(decoder);
    return hr_flow_settle_all(flow, error);
}
