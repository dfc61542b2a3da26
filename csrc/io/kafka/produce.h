/* csrc/io/kafka/produce.h: the lines of a file, as messages into a Kafka topic.
 *
 * Every line is sent as it stands, valid or not: judging it is the reader's business, who must see what a site really sends. Blank lines
 * are left out. Run twice, it sends twice; within a run nothing is lost or doubled (an idempotent producer).
 *
 * Settings, one JSON object:
 *   path: a file of JSON lines, also gzip or zstd, or "-"
 *   topic, config: librdkafka's settings; partitions, replication, topic_config: make the topic with as many when it is not there
 *   key: the field (or path of fields, a.b) whose text becomes the message's key, null for none. Keys go to partitions as with Java's
 *        clients (murmur2), so that one user's frames are in one partition. A line without such a field, or that is no JSON, has no key
 *   rate: messages a second at most, null for as fast as it goes
 *   rounds: how often the file is sent, 1; 0: again and again until it is stopped
 *   max_records, max_seconds: stop after as many, null for no limit
 */
#ifndef HR_IO_PRODUCE_H
#define HR_IO_PRODUCE_H

#include <stdatomic.h>

#include "core/error.h"

typedef struct hr_produce_progress {
    _Atomic int64_t messages, bytes; /* handed over so far */
    _Atomic int64_t consumed, size;  /* bytes of the file as stored, of this round; size -1: unknown */
} hr_produce_progress;

/* Send, in the calling thread. On success *result is a JSON text, for hr_free: {"source", "topic", "messages", "bytes", "keyless",
 * "blank", "rounds", "seconds"}; every message is at the brokers then. `progress` and `cancel` may be NULL. After a failure the topic
 * holds a part of the lines; the message says about how many. */
int hr_produce(const char *config_json, hr_produce_progress *progress, const atomic_bool *cancel, char **result, hr_error *error);

#endif
