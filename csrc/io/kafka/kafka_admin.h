/* csrc/io/kafka/kafka_admin.h: questions to the brokers about topics and offsets, and making and dropping topics.
 *
 * Every call waits for at most timeout_ms (and a moment). Clients are of the role HR_KAFKA_READER: asking about a topic never makes one.
 */
#ifndef HR_IO_KAFKA_ADMIN_H
#define HR_IO_KAFKA_ADMIN_H

#include "kafka_config.h"

#define HR_KAFKA_EARLIEST (-2) /* of hr_kafka_offsets: the first offset there is */
#define HR_KAFKA_LATEST (-1)   /* one past the last: of what is committed under read_committed */

typedef struct hr_kafka_topic {
    char *name;
    int32_t count;
    int32_t *partitions; /* ascending */
} hr_kafka_topic;

typedef struct hr_kafka_topics {
    hr_kafka_topic *topics;
    int32_t count;
} hr_kafka_topics;

/* One topic and its partitions. HR_EUSAGE when there is no such topic; HR_EKAFKA when no broker answers, at once and fatal when they
 * refuse our credentials. Free with hr_kafka_topic_free, whatever is returned. */
int hr_kafka_topic_find(hr_kafka_client *client, const char *name, int timeout_ms, hr_kafka_topic *out, hr_error *error);
/* The same for who will make the topic when it is not there: one that was made a moment ago may be missed. */
int hr_kafka_topic_look(hr_kafka_client *client, const char *name, int timeout_ms, hr_kafka_topic *out, hr_error *error);
void hr_kafka_topic_free(hr_kafka_topic *topic);
bool hr_kafka_topic_has(const hr_kafka_topic *topic, int64_t partition);

/* All topics, sorted by name; Kafka's own (names beginning with "__") only when `internal`. Free with hr_kafka_topics_free. */
int hr_kafka_topics_list(hr_kafka_client *client, bool internal, int timeout_ms, hr_kafka_topics *out, hr_error *error);
void hr_kafka_topics_free(hr_kafka_topics *topics);

/* For each of the partitions the offset at `when`: HR_KAFKA_EARLIEST, HR_KAFKA_LATEST, or the first offset whose timestamp is at or after
 * `when` milliseconds since 1970; -1 when there is none. One request a broker. */
int hr_kafka_offsets(hr_kafka_client *client, const char *topic, const int32_t *partitions, int32_t count, int64_t when, int timeout_ms,
                     int64_t *out, hr_error *error);

/* The offsets a consumer group has committed; -1 where none. Takes settings, not a client: a client can ask for its own group only.
 * `cancel` may be NULL. */
int hr_kafka_group_offsets(const json_t *config, const char *group, const char *topic, const int32_t *partitions, int32_t count,
                           int timeout_ms, const atomic_bool *cancel, int64_t *out, hr_error *error);

/* Make a topic and wait until the brokers know it. `config` (may be NULL) is an object of topic settings. Existing already with the same
 * number of partitions is fine (*made false); with another number it is HR_EUSAGE. replication -1: the brokers' default. */
int hr_kafka_topic_create(hr_kafka_client *client, const char *name, int32_t partitions, int32_t replication, const json_t *config,
                          int timeout_ms, bool *made, hr_error *error);

/* The value in force of one of a topic's settings; "" when we may not ask, or the brokers do not know it. */
int hr_kafka_topic_setting(hr_kafka_client *client, const char *topic, const char *name, int timeout_ms, char *out, size_t size,
                           hr_error *error);

/* Make a topic unless it is there already; one that is there is taken as it is, with however many partitions. Takes settings, not a
 * client. `topic_config` and `cancel` may be NULL. */
int hr_kafka_topic_ensure(const json_t *config, const char *name, int32_t partitions, int32_t replication, const json_t *topic_config,
                          const atomic_bool *cancel, hr_error *error);

/* Delete a topic with all its records. HR_EUSAGE when there is none, unless missing_ok. */
int hr_kafka_topic_delete(hr_kafka_client *client, const char *name, bool missing_ok, int timeout_ms, hr_error *error);

/* Delete a consumer group with the offsets it has committed; *was (may be NULL) says whether there was one. HR_EUSAGE when it has members:
 * somebody works in it. */
int hr_kafka_group_delete(hr_kafka_client *client, const char *group, int timeout_ms, bool *was, hr_error *error);

#endif
