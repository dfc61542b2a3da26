/* csrc/io/generate/generate.h: made-up data into a Kafka topic, a file or the standard output.
 *
 * Settings, one JSON object:
 *   data: name of the data set (core/generate/generate.h); settings: its numbers, {"seed": 1, "late": 1000, ...}; until, when missing, is
 * now first, count: which records; format: "json" or "csv" (lines); rate: records a second at most, null for as fast as it goes to:
 * {"kind": "kafka", "topic", "config": librdkafka's settings, "partitions": make the topic with as many when it is not there,
 *        "replication", "topic_config"}
 *     | {"kind": "file", "path"}     a name ending in .gz is compressed; the file appears when it is complete
 *     | {"kind": "stdout"}
 *   truth: of frames: {"path", "seconds": of a window, 60} also writes what windows must hold (frames_truth.h)
 */
#ifndef HR_IO_GENERATE_H
#define HR_IO_GENERATE_H

#include <stdatomic.h>

#include "core/error.h"

/* Called some times a second from the generating thread. */
typedef void (*hr_generate_progress)(void *arg, int64_t done, int64_t total);

/* Generate, in the calling thread. On success *result is a JSON text, to be freed with free(): {"data", "first", "records", "bytes",
 * "seconds", "settings": all that were in force, "kinds": records of each kind, "expected": {"loaded", "rejected", "reasons": {...}},
 * "truth" when asked for: {"path", "seconds", "windows"}}.
 * `progress` and `cancel` may be NULL. After a failure Kafka may hold a part of the records, a file nothing. */
int hr_generate(const char *config_json, hr_generate_progress progress, void *arg, const atomic_bool *cancel, char **result,
                hr_error *error);

#endif
