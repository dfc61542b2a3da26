/* csrc/io/window/window_group.h: a worker's membership in its job's consumer group: which shares it has, and what the others have
 * committed.
 *
 * The member reads nothing: its partitions are paused, and read by clients of their own (source_kafka.c). It says who has what, and its
 * generation goes into every transaction.
 */
#ifndef HR_IO_WINDOW_GROUP_H
#define HR_IO_WINDOW_GROUP_H

#include "io/kafka/kafka_config.h"
#include "window_job.h"

#define HR_GROUP_WORD 192 /* room for a word as text */

typedef struct hr_group {
    char instance_name[256];
    const char *instance; /* NULL: it has no name of its own */
    hr_window_job *job;
    hr_kafka_client *client;
    bool *assigned; /* of each partition, and of the second stage */
    bool changed;   /* assignments have come or gone since it was cleared */
    bool joined;    /* it has been given its first assignment */
    /* A share goes away now; `ours`: it may still be committed. */
    void (*revoked)(void *arg, int32_t share, bool ours);
    void *arg;
} hr_group;

/* Join, as the `index`-th worker of this process. */
int hr_group_open(hr_window_job *job, int32_t index, void (*revoked)(void *, int32_t, bool), void *arg, hr_group *out, hr_error *error);
/* Serve what the group says, waiting up to timeout_ms for it. HR_EFENCED: another process has joined under the same instance. */
int hr_group_poll(hr_group *group, int timeout_ms, hr_error *error);
/* words[i] of each partition, and of the second stage. Waits for open transactions on these offsets. */
int hr_group_words(hr_group *group, hr_window_word *words, hr_error *error);
/* A word as the metadata of an offset; returns its length. */
int hr_group_word_write(const hr_window_word *word, char text[HR_GROUP_WORD]);
/* Leave, within about timeout_ms. Shares must be closed. */
void hr_group_close(hr_group *group, int timeout_ms);

#endif
