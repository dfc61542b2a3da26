/* csrc/io/window/window_state.c: a share's state as messages, and back. */
#include "window_state.h"

#include <stdio.h>
#include <time.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/window/wire.h"
#include "io/kafka/kafka_admin.h"
#include "io/source/source.h"

#define HR_STATE_MAGIC "HRSHARE3"
#define HR_STATE_MAGIC_1 "HRSHARE1" /* without rounds */
#define HR_STATE_MAGIC_2 "HRSHARE2" /* without the times of marks, and a second snapshot */
#define HR_STATE_PIECES 100000
#define HR_STATE_FETCH_MS 1000

static const char *const hr_state_slots[2] = {"snapshot", "snapshot2"};

/* ---- memory ---- */

static void hr_window_held_free(hr_window_held_frame *held)
{
    hr_buffer_free(&held->key);
    hr_buffer_free(&held->value);
}

void hr_window_state_free(hr_window_state *state)
{
    for (int32_t i = 0; i < state->mark_count; i++)
        hr_buffer_free(&state->marks[i].bytes);
    for (int32_t i = 0; i < state->held_count; i++)
        hr_window_held_free(&state->held[i]);
    hr_free(state->held);
    hr_free(state->lanes);
    hr_free(state->rounds);
    hr_buffer_free(&state->snapshot);
    memset(state, 0, sizeof(*state));
}

/* ---- marks ---- */

static void hr_window_mark_drop(hr_window_state *state, int32_t i)
{
    hr_buffer_free(&state->marks[i].bytes);
    state->mark_count--;
    memmove(&state->marks[i], &state->marks[i + 1], (size_t)(state->mark_count - i) * sizeof(state->marks[0]));
    memset(&state->marks[state->mark_count], 0, sizeof(state->marks[0]));
}

/* The mark that is missed least: where the neighbours are nearest to each other, as seen from the newest. The ends are kept. */
static int32_t hr_window_mark_least(const hr_window_state *state)
{
    int64_t newest = state->marks[state->mark_count - 1].epoch;
    int32_t least = 1;
    double lowest = 0;

    for (int32_t i = 1; i < state->mark_count - 1; i++) {
        double gap = (double)(state->marks[i + 1].epoch - state->marks[i - 1].epoch);
        double cost = gap / (double)(newest - state->marks[i - 1].epoch);

        if (i == 1 || cost < lowest) {
            lowest = cost;
            least = i;
        }
    }
    return least;
}

size_t hr_window_state_mark_bytes(const hr_window_state *state)
{
    size_t bytes = 0;

    for (int32_t i = 0; i < state->mark_count; i++)
        bytes += state->marks[i].bytes.size;
    return bytes;
}

int64_t hr_window_clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t hr_window_state_push(hr_window_state *state, int64_t epoch, int64_t position, bool snapshot, hr_buffer *bytes, int64_t oldest)
{
    hr_window_mark *mark = &state->marks[state->mark_count++];

    *mark = (hr_window_mark){.epoch = epoch, .position = position, .snapshot = snapshot, .bytes = *bytes, .made_ms = hr_window_clock_ms()};
    memset(bytes, 0, sizeof(*bytes));
    if (snapshot)
        oldest = epoch; /* it has all windows */
    while (state->mark_count > 1 && state->marks[1].epoch <= oldest)
        hr_window_mark_drop(state, 0);
    while (state->mark_count > HR_WINDOW_MARKS || (state->mark_count > 2 && hr_window_state_mark_bytes(state) > HR_WINDOW_MARK_BYTES))
        hr_window_mark_drop(state, hr_window_mark_least(state));
    return state->marks[0].epoch;
}

/* ---- held frames ---- */

const hr_window_held_frame *hr_window_state_held(const hr_window_state *state, int64_t offset)
{
    for (int32_t i = 0; i < state->held_count; i++)
        if (state->held[i].offset == offset)
            return &state->held[i];
    return NULL;
}

int hr_window_state_hold(hr_window_state *state, int64_t offset, const char *key, size_t key_len, const char *value, size_t len,
                         hr_error *error)
{
    hr_window_held_frame *held;
    int rc;

    if (hr_window_state_held(state, offset) != NULL)
        return HR_OK;
    if (state->held_count == state->held_capacity) {
        int32_t capacity = state->held_capacity > 0 ? state->held_capacity * 2 : 16;

        held = hr_realloc(state->held, (size_t)capacity * sizeof(*held));
        if (held == NULL)
            return hr_error_nomem(error);
        state->held = held;
        state->held_capacity = capacity;
    }
    held = &state->held[state->held_count];
    *held = (hr_window_held_frame){.offset = offset, .has_key = key != NULL, .has_value = value != NULL};
    rc = key != NULL ? hr_buffer_append(&held->key, key, key_len, error) : HR_OK;
    if (rc == HR_OK && value != NULL)
        rc = hr_buffer_append(&held->value, value, len, error);
    if (rc != HR_OK) {
        hr_window_held_free(held);
        return rc;
    }
    state->held_count++;
    return HR_OK;
}

void hr_window_state_release(hr_window_state *state, int32_t i)
{
    hr_window_held_free(&state->held[i]);
    state->held_count--;
    memmove(&state->held[i], &state->held[i + 1], (size_t)(state->held_count - i) * sizeof(*state->held));
}

uint64_t hr_window_state_sum(const hr_record *record)
{
    uint64_t sum = XXH3_64bits_withSeed(record->key, record->key != NULL ? record->key_len : 0, (uint64_t)record->timestamp);

    return XXH3_64bits_withSeed(record->data, record->data != NULL ? record->len : 0, sum + (record->key != NULL));
}

/* ---- to bytes ---- */

static int hr_window_state_put_held(const hr_window_held_frame *held, hr_buffer *out, hr_error *error)
{
    HR_RETURN_NOT_OK(hr_wire_put_i64(out, held->offset, error));
    HR_RETURN_NOT_OK(hr_wire_put_u8(out, (uint8_t)((held->has_key ? 1 : 0) | (held->has_value ? 2 : 0)), error));
    HR_RETURN_NOT_OK(hr_wire_put_bytes(out, held->key.data, held->key.size, error));
    return hr_wire_put_bytes(out, held->value.data, held->value.size, error);
}

static int hr_window_state_put(const hr_window_state *state, hr_buffer *out, hr_error *error)
{
    HR_RETURN_NOT_OK(hr_buffer_append(out, HR_STATE_MAGIC, 8, error));
    HR_RETURN_NOT_OK(hr_wire_put_u64(out, state->fingerprint, error));
    HR_RETURN_NOT_OK(hr_wire_put_i64(out, state->partitions, error));
    HR_RETURN_NOT_OK(hr_wire_put_i64(out, state->position, error));
    HR_RETURN_NOT_OK(hr_wire_put_i64(out, state->told, error));
    HR_RETURN_NOT_OK(hr_wire_put_i64(out, state->snapshot_epoch, error));
    HR_RETURN_NOT_OK(hr_wire_put_u8(out, state->closed_all, error));
    HR_RETURN_NOT_OK(hr_wire_put_u8(out, (uint8_t)state->slot, error));
    HR_RETURN_NOT_OK(hr_wire_put_varint(out, (uint64_t)state->mark_count, error));
    for (int32_t i = 0; i < state->mark_count; i++) {
        const hr_window_mark *mark = &state->marks[i];

        HR_RETURN_NOT_OK(hr_wire_put_i64(out, mark->epoch, error));
        HR_RETURN_NOT_OK(hr_wire_put_i64(out, mark->position, error));
        HR_RETURN_NOT_OK(hr_wire_put_u8(out, mark->snapshot, error));
        HR_RETURN_NOT_OK(hr_wire_put_i64(out, mark->made_ms, error));
        HR_RETURN_NOT_OK(hr_wire_put_bytes(out, mark->bytes.data, mark->bytes.size, error));
    }
    HR_RETURN_NOT_OK(hr_wire_put_varint(out, (uint64_t)state->held_count, error));
    for (int32_t i = 0; i < state->held_count; i++)
        HR_RETURN_NOT_OK(hr_window_state_put_held(&state->held[i], out, error));
    HR_RETURN_NOT_OK(hr_wire_put_varint(out, (uint64_t)state->lane_count, error));
    for (int32_t i = 0; i < state->lane_count; i++)
        HR_RETURN_NOT_OK(hr_wire_put_i64(out, state->lanes[i], error));
    for (int32_t i = 0; i < state->lane_count; i++)
        HR_RETURN_NOT_OK(hr_wire_put_i64(out, state->rounds[i], error));
    HR_RETURN_NOT_OK(hr_wire_put_i64(out, state->round, error));
    HR_RETURN_NOT_OK(hr_wire_put_i64(out, state->round_at, error));
    HR_RETURN_NOT_OK(hr_wire_put_u8(out, state->round_told, error));
    HR_RETURN_NOT_OK(hr_wire_put_i64(out, state->round_base, error));
    HR_RETURN_NOT_OK(hr_wire_put_i64(out, state->frames_to, error));
    HR_RETURN_NOT_OK(hr_wire_put_u64(out, state->frame_sum, error));
    HR_RETURN_NOT_OK(hr_wire_put_i64(out, state->opened, error));
    return hr_wire_put_i64(out, state->over, error);
}

/* Pieces [from, until) under "<name>/<i>", each headed by the number of the whole, its length, and its checksum. */
static int hr_window_state_put_pieces(const char *name, int64_t number, const hr_buffer *bytes, int32_t from, int32_t until,
                                      const char *topic, int32_t partition, hr_outbox *outbox, hr_error *error)
{
    uint64_t sum = XXH3_64bits(bytes->data, bytes->size);
    hr_buffer piece = {0};
    int rc = HR_OK;

    for (int32_t i = from; rc == HR_OK && i < until; i++) {
        size_t at = (size_t)i * HR_STATE_PIECE, n = bytes->size - at < HR_STATE_PIECE ? bytes->size - at : HR_STATE_PIECE;
        char key[32];
        hr_kafka_message message = {.key = key, .key_len = (size_t)snprintf(key, sizeof(key), "%s/%d", name, (int)i)};

        piece.size = 0;
        rc = hr_wire_put_i64(&piece, number, error);
        if (rc == HR_OK)
            rc = hr_wire_put_u64(&piece, bytes->size, error);
        if (rc == HR_OK)
            rc = hr_wire_put_u64(&piece, sum, error);
        if (rc == HR_OK)
            rc = hr_buffer_append(&piece, bytes->data + at, n, error);
        message.value = piece.data;
        message.len = piece.size;
        if (rc == HR_OK)
            rc = hr_outbox_add(outbox, topic, partition, &message, error);
    }
    hr_buffer_free(&piece);
    return rc;
}

static int32_t hr_window_state_count(const hr_buffer *bytes)
{
    return bytes->size == 0 ? 1 : (int32_t)((bytes->size + HR_STATE_PIECE - 1) / HR_STATE_PIECE);
}

/* The topic keeps `kept` of *count pieces: a tombstone for each of the others, so that compaction takes them away. */
static int hr_window_state_bury(const char *name, int32_t kept, int32_t *count, const char *topic, int32_t partition, hr_outbox *outbox,
                                hr_error *error)
{
    for (int32_t i = kept; i < *count; i++) {
        char key[32];
        hr_kafka_message message = {.key = key, .key_len = (size_t)snprintf(key, sizeof(key), "%s/%d", name, (int)i)};

        HR_RETURN_NOT_OK(hr_outbox_add(outbox, topic, partition, &message, error));
    }
    *count = kept;
    return HR_OK;
}

int hr_window_state_write(hr_window_state *state, const char *topic, int32_t partition, hr_outbox *outbox, hr_error *error)
{
    hr_buffer bytes = {0};
    int rc = hr_window_state_put(state, &bytes, error);
    int32_t count = hr_window_state_count(&bytes);

    if (rc == HR_OK)
        rc = hr_window_state_put_pieces("state", state->marks[state->mark_count - 1].epoch, &bytes, 0, count, topic, partition, outbox,
                                        error);
    hr_buffer_free(&bytes);
    if (rc == HR_OK && state->pieces < count)
        state->pieces = count;
    if (rc == HR_OK)
        rc = hr_window_state_bury("state", count, &state->pieces, topic, partition, outbox, error);
    for (int i = 0; rc == HR_OK && i < 2; i++)
        if (i != state->slot || !state->marks[0].snapshot)
            rc = hr_window_state_bury(hr_state_slots[i], 0, &state->snapshot_pieces[i], topic, partition, outbox, error);
    return rc;
}

int hr_window_state_write_snapshot(hr_window_state *state, const hr_buffer *bytes, int64_t epoch, int32_t *piece, size_t most,
                                   const char *topic, int32_t partition, hr_outbox *outbox, hr_error *error)
{
    int32_t slot = 1 - state->slot, count = hr_window_state_count(bytes), until = count;

    if (most / HR_STATE_PIECE < (size_t)(count - *piece))
        until = *piece + (most < HR_STATE_PIECE ? 1 : (int32_t)(most / HR_STATE_PIECE));
    HR_RETURN_NOT_OK(hr_window_state_put_pieces(hr_state_slots[slot], epoch, bytes, *piece, until, topic, partition, outbox, error));
    if (state->snapshot_pieces[slot] < until)
        state->snapshot_pieces[slot] = until;
    *piece = until;
    if (until < count)
        return HR_OK;
    HR_RETURN_NOT_OK(hr_window_state_bury(hr_state_slots[slot], count, &state->snapshot_pieces[slot], topic, partition, outbox, error));
    *piece = -1;
    state->slot = slot;
    state->snapshot_epoch = epoch;
    return HR_OK;
}

/* ---- from bytes ---- */

static bool hr_window_state_get_buffer(hr_wire *in, hr_buffer *out, bool *nomem)
{
    const uint8_t *bytes;
    size_t n;

    if (!hr_wire_bytes(in, &bytes, &n))
        return false;
    *nomem = hr_buffer_append(out, bytes, n, NULL) != HR_OK;
    return !*nomem;
}

static bool hr_window_state_get_marks(hr_wire *in, hr_window_state *state, bool times, bool *nomem)
{
    uint64_t count;

    if (!hr_wire_count(in, 18, &count) || count < 1 || count > HR_WINDOW_MARKS)
        return false;
    for (uint64_t i = 0; i < count; i++) {
        hr_window_mark *mark = &state->marks[state->mark_count++];
        uint8_t snapshot;

        if (!hr_wire_i64(in, &mark->epoch) || !hr_wire_i64(in, &mark->position) || !hr_wire_u8(in, &snapshot) ||
            (times && !hr_wire_i64(in, &mark->made_ms)) || !hr_window_state_get_buffer(in, &mark->bytes, nomem))
            return false;
        mark->snapshot = snapshot != 0;
        if (i > 0 && mark->epoch <= mark[-1].epoch)
            return false;
    }
    return true;
}

static bool hr_window_state_get_held(hr_wire *in, hr_window_state *state, bool *nomem)
{
    uint64_t count;

    if (!hr_wire_count(in, 11, &count) || count > INT32_MAX)
        return false;
    state->held = hr_calloc((size_t)count + 1, sizeof(*state->held));
    *nomem = state->held == NULL;
    if (*nomem)
        return false;
    state->held_capacity = (int32_t)count + 1;
    for (uint64_t i = 0; i < count; i++) {
        hr_window_held_frame *held = &state->held[state->held_count++];
        uint8_t has;

        if (!hr_wire_i64(in, &held->offset) || !hr_wire_u8(in, &has) || !hr_window_state_get_buffer(in, &held->key, nomem) ||
            !hr_window_state_get_buffer(in, &held->value, nomem))
            return false;
        held->has_key = (has & 1) != 0;
        held->has_value = (has & 2) != 0;
    }
    return true;
}

static bool hr_window_state_get_lanes(hr_wire *in, hr_window_state *state, bool rounds, bool *nomem)
{
    uint64_t count;

    if (!hr_wire_count(in, 8, &count) || count > INT32_MAX)
        return false;
    state->lanes = hr_calloc((size_t)count + 1, sizeof(*state->lanes));
    state->rounds = hr_calloc((size_t)count + 1, sizeof(*state->rounds));
    *nomem = state->lanes == NULL || state->rounds == NULL;
    if (*nomem)
        return false;
    state->lane_count = (int32_t)count;
    for (uint64_t i = 0; i < count; i++)
        if (!hr_wire_i64(in, &state->lanes[i]))
            return false;
    for (uint64_t i = 0; rounds && i < count; i++)
        if (!hr_wire_i64(in, &state->rounds[i]))
            return false;
    return true;
}

static bool hr_window_state_get_rounds(hr_wire *in, hr_window_state *state)
{
    uint8_t told = 0;
    bool is = hr_wire_i64(in, &state->round) && hr_wire_i64(in, &state->round_at) && hr_wire_u8(in, &told) &&
              hr_wire_i64(in, &state->round_base) && hr_wire_i64(in, &state->frames_to) && hr_wire_u64(in, &state->frame_sum) &&
              hr_wire_i64(in, &state->opened) && hr_wire_i64(in, &state->over);

    state->round_told = told != 0;
    return is;
}

static bool hr_window_state_get(hr_wire *in, hr_window_state *state, bool *nomem)
{
    const uint8_t *magic = in->p;
    int64_t partitions;
    uint8_t closed_all, slot = 0;
    bool first, second;

    if (in->end - in->p < 8)
        return false;
    first = memcmp(magic, HR_STATE_MAGIC_1, 8) == 0;
    second = memcmp(magic, HR_STATE_MAGIC_2, 8) == 0;
    if (!first && !second && memcmp(magic, HR_STATE_MAGIC, 8) != 0)
        return false;
    in->p += 8;
    if (!hr_wire_u64(in, &state->fingerprint) || !hr_wire_i64(in, &partitions) || partitions < 0 || partitions > INT32_MAX ||
        !hr_wire_i64(in, &state->position) || !hr_wire_i64(in, &state->told) || !hr_wire_i64(in, &state->snapshot_epoch) ||
        !hr_wire_u8(in, &closed_all) || (!first && !second && !hr_wire_u8(in, &slot)) || slot > 1)
        return false;
    state->slot = slot;
    state->partitions = (int32_t)partitions;
    state->closed_all = closed_all != 0;
    state->round_base = state->position;
    state->frames_to = -1;
    return hr_window_state_get_marks(in, state, !first && !second, nomem) && hr_window_state_get_held(in, state, nomem) &&
           hr_window_state_get_lanes(in, state, !first, nomem) && (first || hr_window_state_get_rounds(in, state)) && in->p == in->end;
}

/* ---- reading ---- */

/* The pieces of one whole: the newest that was seen under each key. */
typedef struct hr_state_pieces {
    hr_buffer *pieces;
    int32_t count;
} hr_state_pieces;

static void hr_state_pieces_free(hr_state_pieces *pieces)
{
    for (int32_t i = 0; i < pieces->count; i++)
        hr_buffer_free(&pieces->pieces[i]);
    hr_free(pieces->pieces);
}

static int hr_state_pieces_take(hr_state_pieces *pieces, int32_t i, const hr_record *record, hr_error *error)
{
    if (i >= pieces->count) {
        hr_buffer *grown = hr_realloc(pieces->pieces, ((size_t)i + 1) * sizeof(*grown));

        if (grown == NULL)
            return hr_error_nomem(error);
        memset(grown + pieces->count, 0, (size_t)(i + 1 - pieces->count) * sizeof(*grown));
        pieces->pieces = grown;
        pieces->count = i + 1;
    }
    pieces->pieces[i].size = 0;
    return record->data != NULL ? hr_buffer_append(&pieces->pieces[i], record->data, record->len, error) : HR_OK;
}

/* Up to the last one that has no tombstone. */
static int32_t hr_state_pieces_count(const hr_state_pieces *pieces)
{
    int32_t count = pieces->count;

    while (count > 0 && pieces->pieces[count - 1].size == 0)
        count--;
    return count;
}

/* Put the pieces of whole `number` (-1: of the one that the first piece belongs to) together. */
static int hr_state_pieces_join(const hr_state_pieces *pieces, int64_t number, hr_buffer *out, hr_error *error)
{
    uint64_t length = 0, sum = 0;

    for (int32_t i = 0; i < pieces->count && (i == 0 || out->size < length); i++) {
        hr_wire in = {pieces->pieces[i].data, pieces->pieces[i].data + pieces->pieces[i].size};
        int64_t mine;
        uint64_t its_length, its_sum;

        if (!hr_wire_i64(&in, &mine) || !hr_wire_u64(&in, &its_length) || !hr_wire_u64(&in, &its_sum))
            return hr_wire_damaged("a piece is too short", error);
        if (i == 0) {
            length = its_length;
            sum = its_sum;
            number = number < 0 ? mine : number;
        }
        if (mine != number || its_length != length || its_sum != sum)
            return hr_wire_damaged("a piece is missing", error);
        HR_RETURN_NOT_OK(hr_buffer_append(out, in.p, (size_t)(in.end - in.p), error));
    }
    if (out->size != length || XXH3_64bits(out->data, out->size) != sum)
        return hr_wire_damaged("its checksum differs", error);
    return HR_OK;
}

/* "state/3" is 3 of `name` "state"; -1 for another key. */
static int32_t hr_state_piece_of(const hr_record *record, const char *name)
{
    size_t n = strlen(name);
    int32_t i = 0;

    if (record->key == NULL || record->key_len < n + 2 || memcmp(record->key, name, n) != 0 || record->key[n] != '/')
        return -1;
    for (size_t at = n + 1; at < record->key_len; at++) {
        if (record->key[at] < '0' || record->key[at] > '9' || i > HR_STATE_PIECES)
            return -1;
        i = i * 10 + (record->key[at] - '0');
    }
    return i <= HR_STATE_PIECES ? i : -1;
}

static int hr_window_state_fetch(const hr_source_ops *ops, hr_source *source, hr_state_pieces *states, hr_state_pieces *snapshots,
                                 const atomic_bool *cancel, hr_error *error)
{
    bool finished = false;
    int rc = HR_OK;

    while (rc == HR_OK && !finished) {
        hr_chunk chunk;

        if (atomic_load(cancel))
            return hr_error_set(error, HR_ECANCELLED, "stopped by the caller");
        HR_RETURN_NOT_OK(ops->fetch(source, HR_STATE_FETCH_MS, INT64_MAX, &chunk, error));
        for (int64_t i = 0; rc == HR_OK && i < chunk.count; i++) {
            int32_t state = hr_state_piece_of(&chunk.records[i], "state");

            if (state >= 0)
                rc = hr_state_pieces_take(states, state, &chunk.records[i], error);
            for (int slot = 0; rc == HR_OK && state < 0 && slot < 2; slot++) {
                int32_t snapshot = hr_state_piece_of(&chunk.records[i], hr_state_slots[slot]);

                if (snapshot >= 0)
                    rc = hr_state_pieces_take(&snapshots[slot], snapshot, &chunk.records[i], error);
            }
        }
        finished = chunk.finished;
        ops->release(source, &chunk);
    }
    return rc;
}

static int hr_window_state_pieces(const json_t *kafka, hr_kafka_client *admin, const char *topic, int32_t partition,
                                  const atomic_bool *cancel, hr_state_pieces *states, hr_state_pieces *snapshots, hr_error *error)
{
    const hr_source_ops *ops = hr_source_find("kafka");
    hr_lane lane = {.topic = (char *)(uintptr_t)topic, .partition = partition, .backlog_bytes = -1};
    hr_source *source;
    json_t *config;
    int rc;

    HR_RETURN_NOT_OK(hr_kafka_offsets(admin, topic, &partition, 1, HR_KAFKA_EARLIEST, HR_KAFKA_TIMEOUT_MS, &lane.begin, error));
    HR_RETURN_NOT_OK(hr_kafka_offsets(admin, topic, &partition, 1, HR_KAFKA_LATEST, HR_KAFKA_TIMEOUT_MS, &lane.end, error));
    lane.next = lane.begin;
    if (lane.begin >= lane.end)
        return HR_OK;
    config = json_pack("{s:s, s:s, s:O, s:s}", "kind", "kafka", "topic", topic, "config", kafka, "lost_offsets", "earliest");
    if (config == NULL)
        return hr_error_nomem(error);
    rc = ops->open(config, &lane, 1, cancel, &source, error);
    if (rc == HR_OK) {
        rc = hr_window_state_fetch(ops, source, states, snapshots, cancel, error);
        ops->close(source);
    }
    json_decref(config);
    return rc;
}

int hr_window_state_read(const json_t *kafka, hr_kafka_client *admin, const char *topic, int32_t partition, const atomic_bool *cancel,
                         hr_window_state *out, bool *found, hr_error *error)
{
    hr_state_pieces states = {0}, snapshots[2] = {{0}, {0}};
    hr_buffer bytes = {0};
    bool nomem = false;
    int rc;

    memset(out, 0, sizeof(*out));
    out->told = out->snapshot_epoch = -1;
    rc = hr_window_state_pieces(kafka, admin, topic, partition, cancel, &states, snapshots, error);
    *found = states.count > 0;
    if (rc == HR_OK && *found)
        rc = hr_state_pieces_join(&states, -1, &bytes, error);
    if (rc == HR_OK && *found && !hr_window_state_get(&(hr_wire){bytes.data, bytes.data + bytes.size}, out, &nomem))
        rc = nomem ? hr_error_nomem(error) : hr_wire_damaged("it is cut off, or of another version", error);
    if (rc == HR_OK && *found && out->marks[0].snapshot)
        rc = hr_state_pieces_join(&snapshots[out->slot], out->snapshot_epoch, &out->snapshot, error);
    out->pieces = hr_state_pieces_count(&states);
    hr_buffer_free(&bytes);
    hr_state_pieces_free(&states);
    for (int i = 0; i < 2; i++) {
        out->snapshot_pieces[i] = hr_state_pieces_count(&snapshots[i]);
        hr_state_pieces_free(&snapshots[i]);
    }
    if (rc != HR_OK)
        hr_window_state_free(out);
    return rc;
}
