/* csrc/io/window/window_state.h: what one partition's share of a window job needs to go on: its marks, in the state topic.
 *
 * The share of partition p has the partition p of the state topic (compacted; keys "state/<i>", and "snapshot/<i>" or "snapshot2/<i>" for
 * pieces of 0.9 MB), the second stage has the one after the last. Every transaction of the share replaces its state. A snapshot is written
 * beside the one before, whose pieces get tombstones when the state says that the new one holds: so it may take several transactions. Of
 * the marks those are kept from which reading again may have to start, thinned: an older mark only means that more is read again.
 */
#ifndef HR_IO_WINDOW_STATE_H
#define HR_IO_WINDOW_STATE_H

#include "core/decode/decode.h"
#include "io/kafka/kafka_transaction.h"

#define HR_STATE_PIECE 900000              /* bytes of a message, below the brokers' usual limit */
#define HR_WINDOW_MARKS 32                 /* kept at most */
#define HR_WINDOW_MARK_BYTES (1024 * 1024) /* of all of them: they go into every transaction */

/* What hr_windows_save has written, and where the share's input was then. */
typedef struct hr_window_mark {
    int64_t epoch, position;
    bool snapshot; /* with windows: its bytes are in the snapshot's own messages */
    hr_buffer bytes;
    int64_t made_ms; /* the clock's time; 0 unknown */
    int64_t read;    /* bytes that the share had read then, since it was taken over; not saved */
} hr_window_mark;

/* A frame whose fate is not known: its bytes, for the case that it becomes a dead letter. */
typedef struct hr_window_held_frame {
    int64_t offset;
    bool has_key, has_value;
    hr_buffer key, value;
} hr_window_held_frame;

typedef struct hr_window_state {
    uint64_t fingerprint; /* of the settings */
    int32_t partitions;   /* of the source topic */
    bool closed_all;      /* the input was over for good */
    int64_t position;     /* the next offset of the share's input */
    int64_t told;         /* the position that the second stage was told last; -1 never */
    hr_window_mark marks[HR_WINDOW_MARKS + 1];
    int32_t mark_count;     /* ascending; the last one is the newest */
    int64_t snapshot_epoch; /* of the snapshot that is in the topic; -1 none */
    int32_t slot;           /* 0 or 1: under which of the two names it is */
    hr_buffer snapshot;     /* its bytes; filled by reading */
    int32_t pieces;         /* of the state that are in the topic; not saved, as the next one */
    int32_t snapshot_pieces[2];
    hr_window_held_frame *held;
    int32_t held_count, held_capacity;
    int64_t *lanes;  /* second stage: the positions of the first stage's shares */
    int64_t *rounds; /* second stage: the rounds that they have said their last word on */
    int32_t lane_count;
    /* rounds: window_round.c. Of the first stage's shares: */
    int64_t round, round_at; /* the last one that the share has answered, and its position then */
    bool round_told;         /* and it has said its last word on it */
    int64_t round_base;      /* its position in the last round that is over */
    int64_t frames_to;       /* one past the last frame that it has brought */
    uint64_t frame_sum;      /* that frame's checksum: a topic that was made anew has another frame there */
    /* of the second stage: */
    int64_t opened, over;
} hr_window_state;

void hr_window_state_free(hr_window_state *state);

/* Read the share's state from its partition. *found false: there is none, *out is empty. Nobody else may be writing it. `admin` is a
 * reader. HR_EKAFKA when brokers do not answer, HR_EDATA (malformed) when it is damaged. */
int hr_window_state_read(const json_t *kafka, hr_kafka_client *admin, const char *topic, int32_t partition, const atomic_bool *cancel,
                         hr_window_state *out, bool *found, hr_error *error);
/* Add the state's messages to the outbox, and tombstones for pieces of earlier ones that it does without. */
int hr_window_state_write(hr_window_state *state, const char *topic, int32_t partition, hr_outbox *outbox, hr_error *error);
/* The same for a new snapshot: its pieces [*piece, ...) of `most` bytes, at least one. *piece is the next one, or -1 after the last: then
 * the snapshot is that of the state, and counts once the state is written. */
int hr_window_state_write_snapshot(hr_window_state *state, const hr_buffer *bytes, int64_t epoch, int32_t *piece, size_t most,
                                   const char *topic, int32_t partition, hr_outbox *outbox, hr_error *error);

/* Take the bytes of a new mark over (`bytes` is empty then), and drop those that are not needed: all before the last that is not after
 * `oldest`, and some between, so that they are HR_WINDOW_MARKS and HR_WINDOW_MARK_BYTES at most (but the first and the last stay). Returns
 * the epoch of the oldest one kept. */
int64_t hr_window_state_push(hr_window_state *state, int64_t epoch, int64_t position, bool snapshot, hr_buffer *bytes, int64_t oldest);
/* The bytes of all marks. */
size_t hr_window_state_mark_bytes(const hr_window_state *state);
/* Of the clock, for hr_window_mark.made_ms. */
int64_t hr_window_clock_ms(void);

/* Keep a frame's bytes, when they are not kept yet. */
int hr_window_state_hold(hr_window_state *state, int64_t offset, const char *key, size_t key_len, const char *value, size_t len,
                         hr_error *error);
/* The kept frame, or NULL. */
const hr_window_held_frame *hr_window_state_held(const hr_window_state *state, int64_t offset);
/* A checksum of a frame: its key, its bytes, its time. */
uint64_t hr_window_state_sum(const hr_record *record);
/* Forget the i-th kept frame. */
void hr_window_state_release(hr_window_state *state, int32_t i);

#endif
