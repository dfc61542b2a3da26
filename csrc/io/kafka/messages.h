/* csrc/io/kafka/messages.h: the messages of a topic as JSON texts, a piece at a time: for those who look at few of them, as at results.
 *
 * Not for loads: a message becomes a JSON text here, and that an object of whoever reads it. Memory stays bounded, however long the topic
 * is: the reading thread waits until a piece has been taken.
 */
#ifndef HR_IO_MESSAGES_H
#define HR_IO_MESSAGES_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/arena.h"

typedef struct hr_messages {
    pthread_mutex_t lock;
    hr_buffer text;     /* messages that nobody has taken yet, as the inside of a JSON array */
    int64_t count;      /* of them */
    atomic_bool cancel; /* raised by whoever wants hr_messages_read to end */
} hr_messages;

int hr_messages_init(hr_messages *messages, hr_error *error);
void hr_messages_free(hr_messages *messages);

/* Read from the source's start to the end that it has now, or for ever ("until": "forever"), in the calling thread. source_json is the
 * "source" object of a load from Kafka (source_kafka.c); only what is committed is seen. Another thread takes the messages. */
int hr_messages_read(hr_messages *messages, const char *source_json, hr_error *error);

/* What has come since the last call, a JSON array for hr_free, of {"partition", "offset", "timestamp": ms since 1970 or null, "key": text
 * or null, "value": text or null, "text": false when key or value is no UTF-8, and null therefore}. NULL when nothing has, or memory runs
 * out: then nothing is lost. */
char *hr_messages_take(hr_messages *messages);

#endif
