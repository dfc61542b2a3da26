/* csrc/io/window/window_merge.c: partial states from the first stage to the second.
 *
 * A partial may be larger than a message: it goes in pieces {lane, position, piece, last, closed_all, bytes}. The pieces of one transaction
 * lie in their order in the one partition of the topic, with those of other lanes between them. A last word on a round has the same head,
 * with HR_PARTIAL_ROUND for the piece, and the round in place of the bytes.
 */
#include "core/window/wire.h"
#include "window_flow.h"

#define HR_PARTIAL_PIECE 900000
#define HR_PARTIAL_ROUND (-1)

int hr_flow_send_partial(hr_flow *flow, const hr_buffer *bytes, bool closed_all, hr_error *error)
{
    /* when more follows, the second stage has not heard all up to there */
    int64_t position = flow->more ? flow->state.told : closed_all ? INT64_MAX : flow->next;
    size_t at = 0;

    for (int32_t piece = 0; piece == 0 || at < bytes->size; piece++) {
        size_t n = bytes->size - at < HR_PARTIAL_PIECE ? bytes->size - at : HR_PARTIAL_PIECE;
        hr_buffer *out = &flow->scratch;
        hr_kafka_message message = {0};

        out->size = 0;
        HR_RETURN_NOT_OK(hr_wire_put_i64(out, flow->partition, error));
        HR_RETURN_NOT_OK(hr_wire_put_i64(out, position, error));
        HR_RETURN_NOT_OK(hr_wire_put_i64(out, piece, error));
        HR_RETURN_NOT_OK(hr_wire_put_u8(out, at + n == bytes->size, error));
        if (n > 0)
            HR_RETURN_NOT_OK(hr_buffer_append(out, bytes->data + at, n, error));
        message.value = out->data;
        message.len = out->size;
        HR_RETURN_NOT_OK(hr_outbox_add(&flow->outbox, flow->job->config.partials, 0, &message, error));
        at += n;
    }
    flow->state.told = position;
    return HR_OK;
}

int hr_flow_send_last_word(hr_flow *flow, hr_error *error)
{
    hr_buffer *out = &flow->scratch;
    hr_kafka_message message = {0};

    out->size = 0;
    HR_RETURN_NOT_OK(hr_wire_put_i64(out, flow->partition, error));
    HR_RETURN_NOT_OK(hr_wire_put_i64(out, flow->state.closed_all ? INT64_MAX : flow->next, error));
    HR_RETURN_NOT_OK(hr_wire_put_i64(out, HR_PARTIAL_ROUND, error));
    HR_RETURN_NOT_OK(hr_wire_put_u8(out, 1, error));
    HR_RETURN_NOT_OK(hr_wire_put_i64(out, flow->state.round, error));
    message.value = out->data;
    message.len = out->size;
    HR_RETURN_NOT_OK(hr_outbox_add(&flow->outbox, flow->job->config.partials, 0, &message, error));
    flow->state.round_told = true;
    return HR_OK;
}

/* The lane has said its last word on a round. */
static int hr_flow_take_last_word(hr_flow *flow, int64_t lane, hr_wire *in, hr_error *error)
{
    int64_t round;

    if (!hr_wire_i64(in, &round))
        return hr_wire_damaged("a partial", error);
    if (round > flow->state.rounds[lane])
        flow->state.rounds[lane] = round;
    return HR_OK;
}

static int hr_flow_take_partial(hr_flow *flow, const hr_record *record, hr_error *error)
{
    hr_wire in = {(const uint8_t *)record->data, (const uint8_t *)record->data + record->len};
    int64_t lane, position, piece;
    uint8_t last;
    hr_flow_parts *parts;

    if (record->data == NULL || !hr_wire_i64(&in, &lane) || lane < 0 || lane >= flow->job->lanes.count || !hr_wire_i64(&in, &position) ||
        !hr_wire_i64(&in, &piece) || !hr_wire_u8(&in, &last))
        return hr_wire_damaged("a partial", error);
    if (piece == HR_PARTIAL_ROUND)
        return hr_flow_take_last_word(flow, lane, &in, error);
    parts = &flow->parts[lane];
    if (piece == 0)
        parts->next = 0;
    if (piece != parts->next)
        return hr_wire_damaged("a piece of a partial is missing", error);
    if (piece == 0)
        parts->bytes.size = 0;
    HR_RETURN_NOT_OK(hr_buffer_append(&parts->bytes, in.p, (size_t)(in.end - in.p), error));
    parts->next++;
    if (!last)
        return HR_OK;
    parts->next = 0;
    if (parts->bytes.size > 0)
        HR_RETURN_NOT_OK(hr_windows_absorb(flow->windows, parts->bytes.data, parts->bytes.size, error));
    if (parts->bytes.capacity > 4 * HR_PARTIAL_PIECE)
        hr_buffer_free(&parts->bytes);
    parts->bytes.size = 0;
    if (position > flow->state.lanes[lane])
        flow->state.lanes[lane] = position;
    return HR_OK;
}

int hr_flow_take_partials(hr_flow *flow, hr_error *error)
{
    for (int64_t i = 0; i < flow->record_count; i++) {
        int rc = hr_flow_take_partial(flow, flow->records[i], error);

        if (rc == HR_EDATA) { /* not a frame's fault: it cannot become a dead letter */
            error->fatal = true;
            error->code = HR_EBALANCE;
            return HR_EBALANCE;
        }
        HR_RETURN_NOT_OK(rc);
        flow->read += (int64_t)flow->records[i]->len;
        flow->next = flow->records[i]->offset + 1;
    }
    return HR_OK;
}

bool hr_flow_is_whole(const hr_flow *flow)
{
    for (int32_t i = 0; flow->merge && i < flow->job->lanes.count; i++)
        if (flow->parts[i].next > 0)
            return false;
    return true;
}
