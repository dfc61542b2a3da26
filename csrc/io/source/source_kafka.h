/* csrc/io/source/source_kafka.h: what the two halves of the Kafka source share: its settings, and planning. Nobody else needs it. */
#ifndef HR_IO_SOURCE_KAFKA_H
#define HR_IO_SOURCE_KAFKA_H

#include "io/kafka/kafka_admin.h"
#include "source.h"

/* The job's "source" object; source_kafka.c says what each means. The pointers point into the JSON. */
typedef struct hr_kafka_settings {
    const char *topic, *group, *advice; /* the last two may be NULL */
    const json_t *config, *partitions;
    int64_t start; /* HR_KAFKA_EARLIEST, HR_KAFKA_LATEST, or milliseconds since 1970 */
    bool lost_earliest, forever;
    int timeout_ms;
    int64_t down_timeout_ms;
} hr_kafka_settings;

/* Read and check. HR_EUSAGE names the setting. */
int hr_kafka_settings_read(const json_t *config, hr_kafka_settings *out, hr_error *error);

/* hr_source_ops.plan */
int hr_kafka_plan(const json_t *config, int32_t want, const atomic_bool *cancel, hr_lanes *out, hr_error *error);

#endif
