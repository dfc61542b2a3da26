/* csrc/io/kafka/kafka_config.h: a Kafka client made from the user's librdkafka settings.
 *
 * The settings are a JSON object whose names and values are librdkafka's own, so everything it can do (SASL, SSL, timeouts) can be
 * said. Headrace adds defaults that bound memory, and refuses the few settings that would break its promises. What librdkafka logs
 * goes into a short ring instead of stderr; error messages quote its last line. Passwords and private keys are never repeated.
 */
#ifndef HR_IO_KAFKA_CONFIG_H
#define HR_IO_KAFKA_CONFIG_H

#include <jansson.h>
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>

#include "core/error.h"

#define HR_KAFKA_LOG_LINES 32
#define HR_KAFKA_LOG_LINE 256
#define HR_KAFKA_QUEUE_BACKOFF 0x02020000 /* the first version whose pause after a full queue can be set */
#define HR_KAFKA_TIMEOUT_MS 15000 /* how long a question to the brokers may take */

/* The last lines that librdkafka logged, of any thread. */
typedef struct hr_kafka_log {
    pthread_mutex_t lock;
    uint64_t count; /* lines so far; line i is at i % HR_KAFKA_LOG_LINES */
    struct {
        int level; /* syslog's: 3 error, 4 warning, 6 info */
        char text[HR_KAFKA_LOG_LINE];
    } lines[HR_KAFKA_LOG_LINES];
} hr_kafka_log;

typedef enum hr_kafka_role {
    HR_KAFKA_READER, /* reads partitions at offsets it is given, and asks for metadata and offsets */
    HR_KAFKA_WRITER, /* an idempotent producer */
    HR_KAFKA_MEMBER  /* a reader that is a member of a consumer group: group.id comes with the forced settings */
} hr_kafka_role;

typedef struct hr_kafka_client {
    rd_kafka_t *rk;
    hr_kafka_role role;
    hr_kafka_log log;
    atomic_bool all_down;     /* set when librdkafka says that no broker is left; cleared by whoever sees one answer */
    atomic_bool unauthorized; /* credentials were refused */
    atomic_bool missing;      /* a topic or partition that is used was not there; cleared by whoever looks into it */
    bool kerberos;            /* credentials are a ticket */
    void *delivery;           /* the producer's, for its delivery callback */
    /* a member's: called by its own polls when partitions come (RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) or go */
    void (*rebalance)(struct hr_kafka_client *client, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *partitions);
    void *rebalance_arg;
    const atomic_bool *cancel; /* set by whoever wants questions to end with HR_ECANCELLED when it rises; NULL at first */
} hr_kafka_client;

typedef struct hr_kafka_setting {
    const char *name, *value;
} hr_kafka_setting;

/* Make a client. `config` may be NULL (then bootstrap.servers is missing, which is said). `forced` (may be NULL) are `forced_count`
 * settings applied last, over the user's. `delivery` is called for each message that a writer had to give up, may be NULL.
 * HR_EUSAGE names the setting and says what librdkafka says. Nothing has been connected when this returns. */
int hr_kafka_client_open(const json_t *config, hr_kafka_role role, const hr_kafka_setting *forced, int forced_count,
                         void (*delivery)(rd_kafka_t *, const rd_kafka_message_t *, void *), hr_kafka_client **out, hr_error *error);
/* Settings for a reader of long records: the user's, and a longer queue and larger fetches where these say nothing. `config` may be NULL.
 * json_decref *out. */
int hr_kafka_config_for_long(const json_t *config, json_t **out, hr_error *error);
/* Close and free; queues, topics and messages of the client must be gone. NULL is fine. */
void hr_kafka_client_close(hr_kafka_client *client);

/* The value in force of a setting as a number, or `fallback` when this librdkafka does not know it. */
int64_t hr_kafka_client_number(const hr_kafka_client *client, const char *name, int64_t fallback);

/* Copy the newest line of at least this importance (level at most `level`) to `to`; "" when there is none. */
void hr_kafka_log_last(hr_kafka_log *log, int level, char *to, size_t size);

/* Fill *error with HR_EKAFKA: what we did (format), librdkafka's words for err, and its last warning. Errors that trying again cannot heal
 * (refused credentials, missing permission, a message too large) are fatal, all others retriable. Returns HR_EKAFKA. */
int hr_kafka_fail(hr_kafka_client *client, rd_kafka_resp_err_t err, hr_error *error, const char *format, ...) HR_PRINTF(4, 5);

/* Serve the client's error callbacks without waiting: what only a poll brings to light (all_down, unauthorized). */
void hr_kafka_client_serve(hr_kafka_client *client);

/* Whether the client's cancel flag is up. */
bool hr_kafka_client_cancelled(const hr_kafka_client *client);

/* Monotonic milliseconds. */
int64_t hr_kafka_now_ms(void);

#endif
