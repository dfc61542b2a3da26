/* csrc/io/kafka/kafka_config.c: settings, log and errors of Kafka clients. */
#include "kafka_config.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>
#include <time.h>

#include "core/alloc.h"

#define HR_KAFKA_REASON 512 /* librdkafka's explanations are cut here */
#define HR_KAFKA_FETCH_MAX "fetch.max.bytes"

/* What we set unless the user says otherwise. The first three bound a reader's memory, whatever the number of partitions: its queue
 * holds what makes it pass one of the two limits, plus one more response (compressed) of each broker. A larger message is still fetched,
 * alone: receive.message.max.bytes only guards against nonsense. Measured with 170-byte records on 1, 4 and 64 partitions: 20 MiB
 * above an idle client, as fast as the library's own limits, which take 80 MiB. */
static const hr_kafka_setting reader_defaults[] = {
    {"client.id", "headrace"},
    {"isolation.level", "read_committed"},
    {"queued.min.messages", "10000"},
    {"queued.max.messages.kbytes", "4096"},
    {HR_KAFKA_FETCH_MAX, "1048576"},
    {"receive.message.max.bytes", "1100000000"},
    {"fetch.wait.max.ms", "100"}, /* a partition that ends in control records is known to be at its end only by an empty fetch */
    {"fetch.error.backoff.ms", "100"},
    {"fetch.queue.backoff.ms", "2"}, /* since 2.2; before, see hr_kafka_nudge in source_kafka.c */
    {"reconnect.backoff.max.ms", "2000"},
    {"socket.keepalive.enable", "true"},
    {NULL, NULL},
};

/* The same for long records that are read by one thread alone: 16 MiB of queue, and as much again for the responses on their way. With
 * frames of 1.5 kB the small ones above cost a third of the reader's CPU and three times the broker's. */
static const hr_kafka_setting long_defaults[] = {
    {"queued.min.messages", "100000"},
    {"queued.max.messages.kbytes", "16384"},
    {HR_KAFKA_FETCH_MAX, "4194304"},
    {"max.partition.fetch.bytes", "2097152"},
    {NULL, NULL},
};

static const hr_kafka_setting writer_defaults[] = {
    {"client.id", "headrace"},
    {"compression.type", "lz4"},
    {"linger.ms", "20"},
    {"batch.size", "1000000"},
    {"batch.num.messages", "20000"},
    {"sticky.partitioning.linger.ms", "50"},
    {"partitioner", "murmur2_random"}, /* what Java clients do: the same key goes to the same partition whoever sends it */
    {"queue.buffering.max.messages", "200000"},
    {"queue.buffering.max.kbytes", "65536"},
    {"message.timeout.ms", "120000"},
    {"reconnect.backoff.max.ms", "2000"},
    {"socket.keepalive.enable", "true"},
    {NULL, NULL},
};

/* What must be so for our promises; set after the user's settings. */
static const hr_kafka_setting reader_forced[] = {
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
    {"auto.offset.reset", "error"},
    {"enable.partition.eof", "true"},
    {"log.queue", "false"},
    {"allow.auto.create.topics", "false"},
    {NULL, NULL},
};

static const hr_kafka_setting writer_forced[] = {
    {"enable.idempotence", "true"},
    {"acks", "all"},
    {"delivery.report.only.error", "true"}, /* what arrived is what was sent less what failed: a callback less per message */
    {"log.queue", "false"},
    {"allow.auto.create.topics", "false"},
    {NULL, NULL},
};

/* Settings that are ours: any value but `only` (NULL: every value) is refused. */
typedef struct hr_kafka_reserved {
    const char *name, *only, *also, *why;
} hr_kafka_reserved;

static const hr_kafka_reserved reader_reserved[] = {
    {"enable.auto.commit", "false", NULL, "offsets are kept in the target database, in the transaction of the rows"},
    {"auto.commit.enable", "false", NULL, "offsets are kept in the target database, in the transaction of the rows"},
    {"enable.auto.offset.store", "false", NULL, "offsets are kept in the target database, in the transaction of the rows"},
    {"auto.offset.reset", "error", NULL,
     "a jump must not happen silently; say start = earliest or latest for a new job, and lost_offsets = fail or earliest"},
    {"group.id", NULL, NULL,
     "partitions are assigned, not shared out by a consumer group; to show the job's progress to lag monitors, name a group with the "
     "source's own setting \"group\""},
    {"group.instance.id", NULL, NULL, "partitions are assigned, not shared out by a consumer group"},
    {"enable.partition.eof", "true", NULL, "it tells where a partition ends"},
    {"allow.auto.create.topics", "false", NULL, "a mistyped topic must be an error"},
    {NULL, NULL, NULL, NULL},
};

static const hr_kafka_reserved writer_reserved[] = {
    {"enable.idempotence", "true", NULL, "a retry must not write a message twice"},
    {"acks", "all", "-1", "a message counts as written only when every replica in sync has it"},
    {"request.required.acks", "all", "-1", "a message counts as written only when every replica in sync has it"},
    {"transactional.id", NULL, NULL, "Headrace names its transactions itself, where it uses any"},
    {"delivery.report.only.error", "true", NULL, "failed messages are counted"},
    {"allow.auto.create.topics", "false", NULL, "a mistyped topic must be an error"},
    {NULL, NULL, NULL, NULL},
};

static const hr_kafka_reserved common_reserved[] = {
    {"plugin.library.paths", NULL, NULL, "settings must not load code"},
    {"log.queue", "false", NULL, "the log is kept for error messages"},
    {NULL, NULL, NULL, NULL},
};

int64_t hr_kafka_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- log ---- */

static void hr_kafka_log_add(hr_kafka_log *log, int level, const char *facility, const char *text)
{
    pthread_mutex_lock(&log->lock);
    log->lines[log->count % HR_KAFKA_LOG_LINES].level = level;
    snprintf(log->lines[log->count % HR_KAFKA_LOG_LINES].text, HR_KAFKA_LOG_LINE, "%s%s%s", facility, facility[0] ? ": " : "", text);
    log->count++;
    pthread_mutex_unlock(&log->lock);
}

void hr_kafka_log_last(hr_kafka_log *log, int level, char *to, size_t size)
{
    to[0] = '\0';
    pthread_mutex_lock(&log->lock);
    for (uint64_t i = log->count; i > 0 && log->count - i < HR_KAFKA_LOG_LINES; i--) {
        if (log->lines[(i - 1) % HR_KAFKA_LOG_LINES].level <= level) {
            snprintf(to, size, "%s", log->lines[(i - 1) % HR_KAFKA_LOG_LINES].text);
            break;
        }
    }
    pthread_mutex_unlock(&log->lock);
}

/* librdkafka's log callback; called from its threads. */
static void hr_kafka_on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    hr_kafka_client *client = rk != NULL ? rd_kafka_opaque(rk) : NULL;

    if (client != NULL)
        hr_kafka_log_add(&client->log, level, facility, text);
}

/* librdkafka's error callback; called from whoever polls. These are news, not failures: it goes on trying by itself. */
static void hr_kafka_on_error(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
    hr_kafka_client *client = opaque;

    (void)rk;
    if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        atomic_store(&client->all_down, true);
        return; /* why each is down has been logged */
    }
    if (err == RD_KAFKA_RESP_ERR__AUTHENTICATION || err == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED)
        atomic_store(&client->unauthorized, true);
    if (err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
        err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION)
        atomic_store(&client->missing, true);
    hr_kafka_log_add(&client->log, LOG_ERR, "", reason);
}

/* librdkafka's rebalance callback; called from a member's own polls. */
static void hr_kafka_on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *partitions, void *opaque)
{
    hr_kafka_client *client = opaque;

    (void)rk;
    if (client->rebalance != NULL)
        client->rebalance(client, err, partitions);
    else
        rd_kafka_assign(rk, NULL); /* it is being closed */
}

void hr_kafka_client_serve(hr_kafka_client *client)
{
    for (int i = 0; i < 100 && rd_kafka_poll(client->rk, 0) > 0; i++)
        ;
}

/* ---- errors ---- */

static bool hr_kafka_is_final(rd_kafka_resp_err_t err)
{
    switch (err) {
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
    case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION:
    case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
    case RD_KAFKA_RESP_ERR__INVALID_ARG: return true;
    default: return false;
    }
}

int hr_kafka_fail(hr_kafka_client *client, rd_kafka_resp_err_t err, hr_error *error, const char *format, ...)
{
    char what[HR_KAFKA_REASON], last[HR_KAFKA_LOG_LINE];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    hr_kafka_log_last(&client->log, LOG_WARNING, last, sizeof(last));
    hr_error_set(error, HR_EKAFKA, "%s: %s%s%s", what, rd_kafka_err2str(err), last[0] ? "; the last line of librdkafka's log: " : "", last);
    if (error != NULL && (hr_kafka_is_final(err) || atomic_load(&client->unauthorized))) {
        error->fatal = true;
        error->retriable = false;
    }
    return HR_EKAFKA;
}

/* ---- settings ---- */

/* Names whose values are never repeated, whatever goes wrong with them. */
static bool hr_kafka_is_secret(const char *name)
{
    static const char *const parts[] = {"password", "secret", ".pem", "oauthbearer.config", "token", "private", "keystore", "jaas"};

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (strstr(name, parts[i]) != NULL)
            return true;
    return false;
}

/* Set one setting. An unknown name is fine when `optional` (a newer library's). HR_EUSAGE with the library's words otherwise; these
 * repeat the value, so that they are left out for secrets. */
static int hr_kafka_set(rd_kafka_conf_t *conf, const char *name, const char *value, bool optional, hr_error *error)
{
    char reason[HR_KAFKA_REASON];

    switch (rd_kafka_conf_set(conf, name, value, reason, sizeof(reason))) {
    case RD_KAFKA_CONF_OK: return HR_OK;
    case RD_KAFKA_CONF_UNKNOWN:
        if (optional)
            return HR_OK;
        return hr_error_set(error, HR_EUSAGE,
                            "Kafka setting \"%s\" is not known to librdkafka %s; see its CONFIGURATION page for the names", name,
                            rd_kafka_version_str());
    case RD_KAFKA_CONF_INVALID:
    default:
        if (hr_kafka_is_secret(name))
            return hr_error_set(error, HR_EUSAGE, "Kafka setting \"%s\": librdkafka refused the value (not shown, because it is secret)",
                                name);
        return hr_error_set(error, HR_EUSAGE, "Kafka setting \"%s\": %s", name, reason);
    }
}

static int hr_kafka_set_all(rd_kafka_conf_t *conf, const hr_kafka_setting *settings, hr_error *error)
{
    for (; settings->name != NULL; settings++)
        HR_RETURN_NOT_OK(hr_kafka_set(conf, settings->name, settings->value, false, error));
    return HR_OK;
}

/* Whether the user logs in by Kerberos: librdkafka's own choice for SASL when no mechanism is named. */
static bool hr_kafka_uses_kerberos(const json_t *config)
{
    const char *protocol = json_string_value(json_object_get(config, "security.protocol"));
    const char *mechanism = json_string_value(json_object_get(config, "sasl.mechanisms"));

    if (mechanism == NULL)
        mechanism = json_string_value(json_object_get(config, "sasl.mechanism"));
    return protocol != NULL && strncasecmp(protocol, "sasl", 4) == 0 && (mechanism == NULL || strcmp(mechanism, "GSSAPI") == 0);
}

/* Whether a default of ours must give way. librdkafka wants fetch.max.bytes not below message.max.bytes: a user who sets the latter gets
 * the library's own fetch size, which follows it. And where a full queue means a pause of a second (hr_kafka_nudge in source_kafka.c), a
 * long queue is the better one. */
static bool hr_kafka_gives_way(const char *name, const json_t *config)
{
    bool fetch = strcmp(name, HR_KAFKA_FETCH_MAX) == 0;

    if (fetch && json_object_get(config, "message.max.bytes") != NULL)
        return true;
    return rd_kafka_version() < HR_KAFKA_QUEUE_BACKOFF && hr_kafka_uses_kerberos(config) && (fetch || strncmp(name, "queued.", 7) == 0);
}

static int hr_kafka_set_defaults(rd_kafka_conf_t *conf, hr_kafka_role role, const json_t *config, hr_error *error)
{
    const hr_kafka_setting *settings = role != HR_KAFKA_WRITER ? reader_defaults : writer_defaults;

    for (; settings->name != NULL; settings++)
        if (!hr_kafka_gives_way(settings->name, config))
            HR_RETURN_NOT_OK(hr_kafka_set(conf, settings->name, settings->value, true, error));
    return HR_OK;
}

int hr_kafka_config_for_long(const json_t *config, json_t **out, hr_error *error)
{
    json_t *more = json_is_object(config) ? json_copy((json_t *)config) : json_object();

    *out = NULL;
    for (const hr_kafka_setting *each = long_defaults; more != NULL && each->name != NULL; each++) {
        bool part = strcmp(each->name, "max.partition.fetch.bytes") == 0, fetch = part || strcmp(each->name, HR_KAFKA_FETCH_MAX) == 0;

        if (json_object_get(config, each->name) != NULL || hr_kafka_gives_way(each->name, config) ||
            (part && json_object_get(config, "fetch.message.max.bytes") != NULL) ||
            (fetch && json_object_get(config, "receive.message.max.bytes") != NULL)) /* which must not be below */
            continue;
        if (json_object_set_new(more, each->name, json_string(each->value)) != 0) {
            json_decref(more);
            more = NULL;
        }
    }
    *out = more;
    return more != NULL ? HR_OK : hr_error_nomem(error);
}

/* The reserved row of a name, or NULL. */
static const hr_kafka_reserved *hr_kafka_find_reserved(const hr_kafka_reserved *rows, const char *name)
{
    for (; rows->name != NULL; rows++)
        if (strcmp(rows->name, name) == 0)
            return rows;
    return NULL;
}

static int hr_kafka_check_reserved(const hr_kafka_reserved *rows, const char *name, const char *value, hr_error *error)
{
    const hr_kafka_reserved *row = hr_kafka_find_reserved(rows, name);

    if (row == NULL || (row->only != NULL && strcmp(value, row->only) == 0) || (row->also != NULL && strcmp(value, row->also) == 0))
        return HR_OK;
    if (row->only == NULL)
        return hr_error_set(error, HR_EUSAGE, "Kafka setting \"%s\" cannot be used: %s", name, row->why);
    return hr_error_set(error, HR_EUSAGE, "Kafka setting \"%s\" can only be %s: %s", name, row->only, row->why);
}

/* The text of a JSON value as librdkafka wants it, in `number` when it has to be printed. NULL when it is no scalar. */
static const char *hr_kafka_value(const json_t *value, char *number, size_t size)
{
    if (json_is_string(value))
        return json_string_value(value);
    if (json_is_boolean(value))
        return json_is_true(value) ? "true" : "false";
    if (json_is_integer(value)) {
        snprintf(number, size, "%lld", (long long)json_integer_value(value));
        return number;
    }
    return NULL;
}

/* One setting of the user. Settings reserved for the other role are left out: one set of settings may serve readers and writers. */
static int hr_kafka_set_user(rd_kafka_conf_t *conf, hr_kafka_role role, const char *name, const json_t *json, hr_error *error)
{
    const hr_kafka_reserved *mine = role != HR_KAFKA_WRITER ? reader_reserved : writer_reserved;
    const hr_kafka_reserved *other = role != HR_KAFKA_WRITER ? writer_reserved : reader_reserved;
    char number[32];
    const char *value = hr_kafka_value(json, number, sizeof(number));

    if (value == NULL)
        return hr_error_set(error, HR_EUSAGE, "Kafka setting \"%s\" must be a string, a whole number, true or false", name);
    HR_RETURN_NOT_OK(hr_kafka_check_reserved(common_reserved, name, value, error));
    HR_RETURN_NOT_OK(hr_kafka_check_reserved(mine, name, value, error));
    if (hr_kafka_find_reserved(mine, name) == NULL && hr_kafka_find_reserved(other, name) != NULL)
        return HR_OK;
    return hr_kafka_set(conf, name, value, false, error);
}

/* Defaults, the user's settings, then ours, in this order. */
static int hr_kafka_fill(rd_kafka_conf_t *conf, const json_t *config, hr_kafka_role role, const hr_kafka_setting *forced, int forced_count,
                         hr_error *error)
{
    const char *name;
    json_t *value;
    bool bootstrap = false;

    if (config != NULL && !json_is_null(config) && !json_is_object(config))
        return hr_error_set(error, HR_EUSAGE, "the Kafka settings (\"config\") must be an object of librdkafka's names and values");
    HR_RETURN_NOT_OK(hr_kafka_set_defaults(conf, role, config, error));
    json_object_foreach((json_t *)config, name, value)
    {
        if (json_is_null(value))
            continue;
        HR_RETURN_NOT_OK(hr_kafka_set_user(conf, role, name, value, error));
        if (strcmp(name, "bootstrap.servers") == 0 || strcmp(name, "metadata.broker.list") == 0 ||
            strcmp(name, "test.mock.num.brokers") == 0)
            bootstrap = true;
    }
    if (!bootstrap)
        return hr_error_set(error, HR_EUSAGE, "Kafka setting \"bootstrap.servers\" is missing: say where a broker is, as host:port");
    HR_RETURN_NOT_OK(hr_kafka_set_all(conf, role != HR_KAFKA_WRITER ? reader_forced : writer_forced, error));
    for (int i = 0; i < forced_count; i++)
        HR_RETURN_NOT_OK(hr_kafka_set(conf, forced[i].name, forced[i].value, false, error));
    return HR_OK;
}

int hr_kafka_client_open(const json_t *config, hr_kafka_role role, const hr_kafka_setting *forced, int forced_count,
                         void (*delivery)(rd_kafka_t *, const rd_kafka_message_t *, void *), hr_kafka_client **out, hr_error *error)
{
    hr_kafka_client *client = hr_calloc(1, sizeof(*client));
    rd_kafka_conf_t *conf;
    char reason[HR_KAFKA_REASON], last[HR_KAFKA_LOG_LINE];
    int rc;

    *out = NULL;
    if (client == NULL)
        return hr_error_nomem(error);
    client->role = role;
    client->kerberos = hr_kafka_uses_kerberos(config);
    pthread_mutex_init(&client->log.lock, NULL);
    conf = rd_kafka_conf_new();
    rc = hr_kafka_fill(conf, config, role, forced, forced_count, error);
    if (rc == HR_OK) {
        rd_kafka_conf_set_opaque(conf, client);
        rd_kafka_conf_set_log_cb(conf, hr_kafka_on_log);
        rd_kafka_conf_set_error_cb(conf, hr_kafka_on_error);
        if (role == HR_KAFKA_WRITER && delivery != NULL)
            rd_kafka_conf_set_dr_msg_cb(conf, delivery);
        if (role == HR_KAFKA_MEMBER)
            rd_kafka_conf_set_rebalance_cb(conf, hr_kafka_on_rebalance);
        client->rk = rd_kafka_new(role != HR_KAFKA_WRITER ? RD_KAFKA_CONSUMER : RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
        if (client->rk == NULL) {
            hr_kafka_log_last(&client->log, LOG_WARNING, last, sizeof(last));
            rc = hr_error_set(error, HR_EUSAGE, "librdkafka cannot use the Kafka settings: %s%s%s", reason, last[0] ? "; " : "", last);
        }
    }
    if (rc != HR_OK) {
        if (client->rk == NULL)
            rd_kafka_conf_destroy(conf);
        hr_kafka_client_close(client);
        return rc;
    }
    *out = client;
    return HR_OK;
}

void hr_kafka_client_close(hr_kafka_client *client)
{
    if (client == NULL)
        return;
    if (client->rk != NULL)
        rd_kafka_destroy_flags(client->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    pthread_mutex_destroy(&client->log.lock);
    hr_free(client);
}

bool hr_kafka_client_cancelled(const hr_kafka_client *client)
{
    return client->cancel != NULL && atomic_load_explicit(client->cancel, memory_order_relaxed);
}

int64_t hr_kafka_client_number(const hr_kafka_client *client, const char *name, int64_t fallback)
{
    char value[64];
    size_t size = sizeof(value);
    char *end;
    long long number;

    if (rd_kafka_conf_get(rd_kafka_conf(client->rk), name, value, &size) != RD_KAFKA_CONF_OK)
        return fallback;
    number = strtoll(value, &end, 10);
    return end != value && *end == '\0' ? number : fallback;
}
