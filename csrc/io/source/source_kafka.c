/* csrc/io/source/source_kafka.c: records of one Kafka topic.
 *
 * Settings (the job's "source" object): topic; config: librdkafka's settings; partitions: list of numbers, all when missing; start:
 * "earliest", "latest" or {"timestamp_ms": n}, for partitions the job has no offset of; lost_offsets: "fail" or "earliest", when the
 * records at the job's offset are gone; advice: what somebody can do then, for the message; until: "end" or "forever"; group: consumer
 * group that is told how far the job is; timeout_ms: how long to wait for the brokers' answer to a question; down_timeout_ms: how long to
 * wait when no broker is left or nothing comes.
 *
 * Partitions are read at explicit offsets: nobody subscribes, nothing is committed to Kafka but the courtesy group. librdkafka's partition
 * consumer (rd_kafka_consume_start_queue) is used rather than assign(), because that needs a group.id, and with it the right to that
 * group, for which we have no use. All partitions feed one queue. A chunk has copies of short messages: librdkafka's own take five times
 * the room of one, and are freed cheapest at once, by the thread that reads them. A chunk of many long ones has the messages themselves, as
 * copying takes more time than freeing, and the room is the same.
 *
 * Where a lane ends: a record at or after its end says so, and so does librdkafka's end-of-partition event, which carries the offset past
 * compacted records, aborted transactions and control records.
 */
#include "source_kafka.h"

#include <string.h>
#include <time.h>

#include "core/alloc.h"

#define HR_KAFKA_CHUNK 8192     /* records of a chunk at most: 0.8 MB beside their bytes */
#define HR_KAFKA_FEW 1024       /* a chunk of at most so many is made to measure, and does not go to the pool */
#define HR_KAFKA_LONG 512       /* bytes a message, on average, from which on a chunk of many keeps librdkafka's messages */
#define HR_KAFKA_KEEP (4 << 20) /* a chunk in the pool keeps room for so many bytes at most */
#define HR_KAFKA_WAIT_MS 100    /* a wait looks up this often */
#define HR_KAFKA_PROBE_MS 2000  /* while all brokers seem down, ask one this often */
#define HR_KAFKA_NUDGE_US 2000
#define HR_KAFKA_MISSES 20        /* refusals of an offset that is there, before it is an error */
#define HR_KAFKA_FAREWELL_MS 2000 /* how long close() waits for the courtesy group's last commit */
#define HR_KAFKA_COMMITS 16       /* commits without an answer, at most */
#define HR_KAFKA_MAX_MS (INT64_MAX / 1000)

typedef struct kafka_lane {
    int32_t partition;
    bool reading; /* librdkafka fetches it */
    bool moved;   /* since the last chunk */
    int misses;   /* times in a row that its offset was refused */
    int64_t next, end;
    int64_t lost; /* records that were gone, since the last chunk */
} kafka_lane;

/* What a chunk owns. The two arrays behind it are one allocation with it.
 *
 * Chunks of many records are used again: fresh memory for each would cost more than reading the records. Chunks of few are not. A load
 * that waits for its records to trickle in holds hundreds of them in one batch, and the room for HR_KAFKA_CHUNK records in each, once
 * touched, would stay for good: memory that grows for hours. */
typedef struct kafka_chunk {
    struct kafka_chunk *next; /* in the pool */
    hr_record *records;
    hr_position *positions;
    int64_t count;             /* records kept */
    size_t capacity;           /* of records: what it was made for */
    hr_buffer bytes;           /* of the records and their keys, when they are copies */
    rd_kafka_message_t **lent; /* the messages that the records point into, room for HR_KAFKA_CHUNK; NULL when there never were any */
    size_t lent_count;
} kafka_chunk;

struct hr_source {
    char *topic;
    hr_kafka_client *client;
    rd_kafka_topic_t *rkt;
    rd_kafka_queue_t *queue;
    kafka_lane *lanes;
    int32_t count, reading; /* lanes; of them still being read */
    int32_t *by_partition;  /* lane of a partition, -1 when it is not ours */
    int32_t partition_limit;
    bool bounded;              /* every lane has an end */
    bool lost_earliest;        /* lost_offsets = earliest */
    char *advice;              /* what to do when records are gone; NULL: as a load does */
    rd_kafka_queue_t *commits; /* answers to the courtesy group's commits; NULL without a group */
    atomic_int committing;     /* commits without an answer yet */
    int timeout_ms;
    int64_t down_timeout_ms;
    int64_t down_since; /* 0: brokers answer */
    int64_t next_probe;
    int64_t waited_ms; /* inside fetch() since the last sign of life */
    bool nudge;        /* this librdkafka must be woken, see hr_kafka_nudge */
    int64_t last_nudge;
    char *user, *password; /* for the nudge */
    const atomic_bool *cancel;
    pthread_mutex_t pool_lock;
    kafka_chunk *pool;                            /* released chunks, for reuse */
    rd_kafka_message_t *messages[HR_KAFKA_CHUNK]; /* work space of fetch() */
    ssize_t held;                                 /* of messages: taken from librdkafka, but there was no memory for their records */
    bool broken;                                  /* a fetch() has failed on the way: records may be lost, so that there can be no other */
};

/* ---- lanes ---- */

/* Let librdkafka read a lane from its `next`. */
static int hr_kafka_lane_start(hr_source *source, kafka_lane *lane, hr_error *error)
{
    if (rd_kafka_consume_start_queue(source->rkt, lane->partition, lane->next, source->queue) != 0)
        return hr_kafka_fail(source->client, rd_kafka_last_error(), error,
                             "reading Kafka topic \"%s\" partition %d at offset %lld cannot start", source->topic, (int)lane->partition,
                             (long long)lane->next);
    lane->reading = true;
    source->reading++;
    return HR_OK;
}

static void hr_kafka_lane_stop(hr_source *source, kafka_lane *lane)
{
    if (!lane->reading)
        return;
    rd_kafka_consume_stop(source->rkt, lane->partition); /* its prefetched records go; those in our hands stay valid */
    lane->reading = false;
    source->reading--;
}

/* The lane has nothing (more) before its end: everything before `next` was handed out or cannot come. */
static void hr_kafka_lane_advance(hr_source *source, kafka_lane *lane, int64_t next)
{
    if (next > lane->end)
        next = lane->end;
    if (next > lane->next) {
        lane->next = next;
        lane->moved = true;
    }
    if (lane->next >= lane->end)
        hr_kafka_lane_stop(source, lane);
}

/* Fatal: the records at the lane's offset are gone, and the job does not want to go on without them. */
static int hr_kafka_refuse_gap(const hr_source *source, const kafka_lane *lane, int64_t low, int64_t high, const char *why, hr_error *error)
{
    hr_error_set(
        error, HR_EKAFKA,
        "Kafka topic \"%s\" partition %d: the job is at offset %lld, but the records there are from %lld up to %lld. %s. Nothing was "
        "skipped; %s",
        source->topic, (int)lane->partition, (long long)lane->next, (long long)low, (long long)high, why,
        source->advice != NULL ? source->advice
                               : "to accept the gap set the job's offsets with: headrace offsets reset <job> --to earliest");
    if (error != NULL) {
        error->fatal = true;
        error->retriable = false;
    }
    return HR_EKAFKA;
}

/* The broker says that there is nothing at the lane's offset (`words`): fail, or go on at the earliest, as the job says. When there is
 * something after all, the broker was not up to date, as after a change of leaders: ask again. */
static int hr_kafka_lane_lost(hr_source *source, kafka_lane *lane, const char *words, hr_error *error)
{
    bool truncated = strstr(words, "truncat") != NULL; /* librdkafka 2.1 or newer compares epochs, and has no code for it in 2.0's header */
    int64_t low, high, from = lane->next;

    HR_RETURN_NOT_OK(
        hr_kafka_offsets(source->client, source->topic, &lane->partition, 1, HR_KAFKA_EARLIEST, source->timeout_ms, &low, error));
    HR_RETURN_NOT_OK(
        hr_kafka_offsets(source->client, source->topic, &lane->partition, 1, HR_KAFKA_LATEST, source->timeout_ms, &high, error));
    if (lane->next >= low && lane->next <= high && !truncated) {
        if (++lane->misses > HR_KAFKA_MISSES)
            return hr_kafka_fail(
                source->client, RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE, error,
                "Kafka topic \"%s\" partition %d: offset %lld is refused again and again, though the records there are from "
                "%lld up to %lld",
                source->topic, (int)lane->partition, (long long)lane->next, (long long)low, (long long)high);
    } else if (!source->lost_earliest) {
        return hr_kafka_refuse_gap(source, lane, low, high,
                                   truncated           ? "Brokers have lost records that were read before, and others took their offsets"
                                   : lane->next > high ? "The topic was deleted and made again, or lost records"
                                                       : "Older ones were deleted by the topic's retention",
                                   error);
    } else if (lane->next < low || lane->next > high) {
        from = low; /* backwards when the topic was made again: all its records are new */
    }
    hr_kafka_lane_stop(source, lane);
    if (from != lane->next) {
        from = from < lane->end ? from : lane->end;
        lane->lost += from > lane->next ? from - lane->next : 0; /* of a topic made again nobody knows how many it had */
        lane->next = from;
        lane->moved = true;
    }
    return lane->next < lane->end ? hr_kafka_lane_start(source, lane, error) : HR_OK;
}

/* A job may stand beyond the end of this run: the topic was made anew, or uncommitted records were read before and are not now. The
 * partition's true end, uncommitted records included, tells the two apart. */
static int hr_kafka_check_beyond(hr_source *source, const hr_kafka_settings *settings, hr_error *error)
{
    static const hr_kafka_setting uncommitted = {"isolation.level", "read_uncommitted"};
    hr_kafka_client *client = NULL;
    int rc = HR_OK;

    for (int32_t i = 0; i < source->count && rc == HR_OK; i++) {
        kafka_lane *lane = &source->lanes[i];
        int64_t high;

        if (lane->next <= lane->end)
            continue;
        if (client == NULL)
            rc = hr_kafka_client_open(settings->config, HR_KAFKA_READER, &uncommitted, 1, NULL, &client, error);
        if (rc == HR_OK)
            client->cancel = source->cancel;
        if (rc == HR_OK)
            rc = hr_kafka_offsets(client, source->topic, &lane->partition, 1, HR_KAFKA_LATEST, source->timeout_ms, &high, error);
        if (rc == HR_OK && lane->next > high)
            rc = hr_kafka_lane_lost(source, lane, "", error);
    }
    hr_kafka_client_close(client);
    return rc;
}

/* ---- open and close ---- */

/* Fill the lanes and the table that finds them by partition. */
static int hr_kafka_take_lanes(hr_source *source, const hr_lane *lanes, int32_t count, hr_error *error)
{
    int32_t limit = 0;

    for (int32_t i = 0; i < count; i++)
        limit = lanes[i].partition >= limit ? lanes[i].partition + 1 : limit;
    source->lanes = hr_calloc((size_t)count + 1, sizeof(*source->lanes));
    source->by_partition = hr_malloc(sizeof(*source->by_partition) * ((size_t)limit + 1));
    if (source->lanes == NULL || source->by_partition == NULL)
        return hr_error_nomem(error);
    for (int32_t i = 0; i < limit; i++)
        source->by_partition[i] = -1;
    source->partition_limit = limit;
    source->count = count;
    source->bounded = true;
    for (int32_t i = 0; i < count; i++) {
        kafka_lane *lane = &source->lanes[i];

        lane->partition = lanes[i].partition;
        lane->next = lanes[i].next != HR_OFFSET_UNKNOWN ? lanes[i].next : lanes[i].begin;
        lane->end = lanes[i].end;
        source->by_partition[lane->partition] = i;
        if (lane->end == INT64_MAX)
            source->bounded = false;
    }
    return HR_OK;
}

static char *hr_kafka_conf_copy(const rd_kafka_t *rk, const char *name)
{
    size_t size = 0;
    char *text;

    if (rd_kafka_conf_get(rd_kafka_conf((rd_kafka_t *)rk), name, NULL, &size) != RD_KAFKA_CONF_OK)
        size = 1;
    text = hr_calloc(1, size + 1);
    if (text != NULL && size > 1)
        (void)rd_kafka_conf_get(rd_kafka_conf((rd_kafka_t *)rk), name, text, &size);
    return text;
}

/* librdkafka before 2.2 looks up only once a second when its queue was full, however soon it is empty again: a reader faster than that
 * would stand still most of the time. The one call that wakes all its threads without touching any partition is that which sets SASL
 * credentials; given those in force it changes nothing else. Kerberos finds its user elsewhere; it is left alone and has a longer queue
 * instead. Newer versions have fetch.queue.backoff.ms, which is set in kafka_config.c. */
static int hr_kafka_nudge_prepare(hr_source *source, hr_error *error)
{
    if (rd_kafka_version() >= HR_KAFKA_QUEUE_BACKOFF || source->client->kerberos)
        return HR_OK;
    source->user = hr_kafka_conf_copy(source->client->rk, "sasl.username");
    source->password = hr_kafka_conf_copy(source->client->rk, "sasl.password");
    if (source->user == NULL || source->password == NULL)
        return hr_error_nomem(error);
    source->nudge = true;
    return HR_OK;
}

static int64_t hr_kafka_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void hr_kafka_nudge(hr_source *source)
{
    int64_t now = hr_kafka_now_us();

    if (now - source->last_nudge < HR_KAFKA_NUDGE_US)
        return;
    source->last_nudge = now;
    rd_kafka_error_destroy(rd_kafka_sasl_set_credentials(source->client->rk, source->user, source->password));
}

/* Take the answers to commits, waiting up to timeout_ms while some are missing. What they say does not matter. */
static void hr_kafka_take_commits(hr_source *source, int timeout_ms)
{
    int64_t deadline = hr_kafka_now_ms() + timeout_ms;
    rd_kafka_event_t *event;
    int64_t left;

    while (atomic_load(&source->committing) > 0) {
        left = deadline - hr_kafka_now_ms();
        event = rd_kafka_queue_poll(source->commits, left > 0 ? (int)left : 0);
        if (event == NULL)
            return;
        rd_kafka_event_destroy(event);
        atomic_fetch_sub(&source->committing, 1);
    }
}

static void hr_kafka_chunk_free(kafka_chunk *chunk)
{
    if (chunk == NULL)
        return;
    hr_buffer_free(&chunk->bytes);
    hr_free(chunk->lent);
    hr_free(chunk);
}

static void hr_kafka_close(hr_source *source)
{
    if (source == NULL)
        return;
    if (source->commits != NULL) {
        hr_kafka_take_commits(source, hr_kafka_client_cancelled(source->client) ? 0 : HR_KAFKA_FAREWELL_MS);
        rd_kafka_queue_destroy(source->commits);
    }
    for (ssize_t i = 0; i < source->held; i++)
        rd_kafka_message_destroy(source->messages[i]);
    for (int32_t i = 0; i < source->count; i++)
        hr_kafka_lane_stop(source, &source->lanes[i]);
    if (source->queue != NULL)
        rd_kafka_queue_destroy(source->queue);
    if (source->rkt != NULL)
        rd_kafka_topic_destroy(source->rkt);
    hr_kafka_client_close(source->client);
    while (source->pool != NULL) {
        kafka_chunk *chunk = source->pool;
        source->pool = chunk->next;
        hr_kafka_chunk_free(chunk);
    }
    pthread_mutex_destroy(&source->pool_lock);
    hr_free(source->lanes);
    hr_free(source->by_partition);
    hr_free(source->topic);
    hr_free(source->advice);
    hr_free(source->user);
    if (source->password != NULL)
        explicit_bzero(source->password, strlen(source->password));
    hr_free(source->password);
    hr_free(source);
}

/* The client, the topic and the queue all partitions feed; events of the client itself come through the same queue. */
static int hr_kafka_connect(hr_source *source, const hr_kafka_settings *settings, hr_error *error)
{
    hr_kafka_setting group = {"group.id", settings->group};
    rd_kafka_queue_t *main_queue;

    HR_RETURN_NOT_OK(
        hr_kafka_client_open(settings->config, HR_KAFKA_READER, &group, settings->group != NULL, NULL, &source->client, error));
    source->client->cancel = source->cancel;
    source->rkt = rd_kafka_topic_new(source->client->rk, source->topic, NULL);
    if (source->rkt == NULL)
        return hr_kafka_fail(source->client, rd_kafka_last_error(), error, "Kafka topic \"%s\"", source->topic);
    source->queue = rd_kafka_queue_new(source->client->rk);
    if (settings->group != NULL)
        source->commits = rd_kafka_queue_new(source->client->rk);
    main_queue = rd_kafka_queue_get_main(source->client->rk);
    rd_kafka_queue_forward(main_queue, source->queue);
    rd_kafka_queue_destroy(main_queue);
    return hr_kafka_nudge_prepare(source, error);
}

static int hr_kafka_copy_text(const char *text, char **out, hr_error *error)
{
    size_t n = strlen(text) + 1;

    *out = hr_malloc(n);
    if (*out == NULL)
        return hr_error_nomem(error);
    memcpy(*out, text, n);
    return HR_OK;
}

/* hr_source_ops.open. All lanes are of the topic that plan() named. */
static int hr_kafka_open(const json_t *config, const hr_lane *lanes, int32_t count, const atomic_bool *cancel, hr_source **out,
                         hr_error *error)
{
    hr_kafka_settings settings;
    hr_source *source;
    int rc;

    *out = NULL;
    HR_RETURN_NOT_OK(hr_kafka_settings_read(config, &settings, error));
    source = hr_calloc(1, sizeof(*source));
    if (source == NULL)
        return hr_error_nomem(error);
    source->cancel = cancel;
    pthread_mutex_init(&source->pool_lock, NULL);
    source->lost_earliest = settings.lost_earliest;
    source->timeout_ms = settings.timeout_ms;
    source->down_timeout_ms = settings.down_timeout_ms;
    rc = hr_kafka_copy_text(settings.topic, &source->topic, error);
    if (rc == HR_OK && settings.advice != NULL)
        rc = hr_kafka_copy_text(settings.advice, &source->advice, error);
    if (rc == HR_OK)
        rc = hr_kafka_take_lanes(source, lanes, count, error);
    if (rc == HR_OK)
        rc = hr_kafka_connect(source, &settings, error);
    if (rc == HR_OK)
        rc = hr_kafka_check_beyond(source, &settings, error);
    for (int32_t i = 0; i < count && rc == HR_OK; i++)
        if (!source->lanes[i].reading && source->lanes[i].next < source->lanes[i].end)
            rc = hr_kafka_lane_start(source, &source->lanes[i], error);
    if (rc != HR_OK) {
        hr_kafka_close(source);
        return rc;
    }
    *out = source;
    return HR_OK;
}

/* ---- chunks ---- */

/* A chunk with room for n records: a used one when they are many; NULL when memory runs out. */
static kafka_chunk *hr_kafka_chunk_get(hr_source *source, size_t n)
{
    kafka_chunk *chunk = NULL;
    size_t head = sizeof(*chunk), records, positions;

    if (n > HR_KAFKA_FEW) {
        n = HR_KAFKA_CHUNK;
        pthread_mutex_lock(&source->pool_lock);
        chunk = source->pool;
        if (chunk != NULL)
            source->pool = chunk->next;
        pthread_mutex_unlock(&source->pool_lock);
    }
    if (chunk == NULL) {
        records = sizeof(*chunk->records) * n;
        positions = sizeof(*chunk->positions) * (size_t)source->count;
        chunk = hr_malloc(head + records + positions); /* every part's size is a multiple of 8 */
        if (chunk == NULL)
            return NULL;
        chunk->records = (hr_record *)(void *)((char *)chunk + head);
        chunk->positions = (hr_position *)(void *)((char *)chunk + head + records);
        chunk->capacity = n;
        memset(&chunk->bytes, 0, sizeof(chunk->bytes));
        chunk->lent = NULL;
        chunk->lent_count = 0;
    }
    chunk->next = NULL;
    chunk->count = 0;
    chunk->bytes.size = 0;
    return chunk;
}

/* The messages of the chunk to librdkafka. Any thread. */
static void hr_kafka_give_back(kafka_chunk *chunk)
{
    for (size_t i = 0; i < chunk->lent_count; i++)
        rd_kafka_message_destroy(chunk->lent[i]);
    chunk->lent_count = 0;
}

/* Give the chunk (may be NULL) to the pool, or free it when it is of few records. Any thread. */
static void hr_kafka_chunk_put(hr_source *source, kafka_chunk *chunk)
{
    if (chunk != NULL && chunk->lent_count > 0)
        hr_kafka_give_back(chunk);
    if (chunk == NULL || chunk->capacity <= HR_KAFKA_FEW) {
        hr_kafka_chunk_free(chunk);
        return;
    }
    if (chunk->bytes.capacity > HR_KAFKA_KEEP)
        hr_buffer_free(&chunk->bytes);
    pthread_mutex_lock(&source->pool_lock);
    chunk->next = source->pool;
    source->pool = chunk;
    pthread_mutex_unlock(&source->pool_lock);
}

static void hr_kafka_release(hr_source *source, hr_chunk *chunk)
{
    if (chunk->owner != NULL)
        hr_kafka_chunk_put(source, chunk->owner);
    memset(chunk, 0, sizeof(*chunk));
}

/* ---- fetch ---- */

/* The lane of an event, or NULL when it is about none of ours that is still read. */
static kafka_lane *hr_kafka_lane_of(hr_source *source, const rd_kafka_message_t *message)
{
    int32_t lane;

    if (message->rkt == NULL || message->partition < 0 || message->partition >= source->partition_limit)
        return NULL;
    lane = source->by_partition[message->partition];
    return lane >= 0 && source->lanes[lane].reading ? &source->lanes[lane] : NULL;
}

/* An event that is no record: the end of a partition, lost offsets, an error. */
static int hr_kafka_event(hr_source *source, const rd_kafka_message_t *message, hr_error *error)
{
    kafka_lane *lane = hr_kafka_lane_of(source, message);

    if (lane == NULL)
        return HR_OK; /* of a lane that is done; or of the client: it goes on trying, and the wait below has its limit */
    switch (message->err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF: hr_kafka_lane_advance(source, lane, message->offset); return HR_OK;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE: return hr_kafka_lane_lost(source, lane, rd_kafka_message_errstr(message), error);
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE: return HR_OK; /* passing */
    default:
        return hr_kafka_fail(source->client, message->err, error, "reading Kafka topic \"%s\" partition %d at offset %lld failed (%s)",
                             source->topic, (int)lane->partition, (long long)lane->next, rd_kafka_message_errstr(message));
    }
}

/* n bytes of a message that is lent to the chunk; or a copy of them in the chunk, where there is room. */
static inline const char *hr_kafka_keep(kafka_chunk *chunk, bool lent, const void *bytes, size_t n)
{
    char *copy = (char *)chunk->bytes.data + chunk->bytes.size;

    if (lent)
        return bytes;
    memcpy(copy, bytes, n);
    chunk->bytes.size += n;
    return copy;
}

/* Make the next record of the chunk from a message, which is lent to it, or its bytes have room. */
static inline void hr_kafka_record(const hr_source *source, const rd_kafka_message_t *message, int32_t lane, bool lent, kafka_chunk *chunk)
{
    hr_record *record = &chunk->records[chunk->count++];
    rd_kafka_timestamp_type_t kind;
    int64_t ms = rd_kafka_message_timestamp(message, &kind);

    record->data = message->payload != NULL ? hr_kafka_keep(chunk, lent, message->payload, message->len) : NULL; /* NULL for a tombstone */
    record->len = message->len;
    record->offset = message->offset;
    /* a producer may write any number as the time */
    record->timestamp = kind == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE || ms < 0 || ms > HR_KAFKA_MAX_MS ? HR_NO_TIMESTAMP : ms * 1000;
    record->line = 0;
    record->key = message->key != NULL ? hr_kafka_keep(chunk, lent, message->key, message->key_len) : NULL;
    record->key_len = message->key_len;
    record->topic = source->topic;
    record->partition = message->partition;
    record->lane = lane;
    record->id = 0;
    record->header = NULL;
    record->defect = NULL;
}

/* Make a chunk with room for all these messages, and for their bytes, so that what points to them need not move, and one more: an empty
 * record's address. `*chunk` is one without records, or NULL; it is replaced when it is too small. *lent: the chunk shall have the messages
 * instead of their bytes. */
static int hr_kafka_reserve(hr_source *source, kafka_chunk **chunk, ssize_t got, bool *lent, hr_error *error)
{
    size_t bytes = 1;

    *lent = false;

    if (*chunk == NULL || (*chunk)->capacity < (size_t)got) {
        hr_kafka_chunk_put(source, *chunk);
        *chunk = hr_kafka_chunk_get(source, (size_t)got);
        if (*chunk == NULL)
            return hr_error_nomem(error);
    }

    for (ssize_t i = 0; i < got; i++)
        if (source->messages[i]->err == RD_KAFKA_RESP_ERR_NO_ERROR)
            bytes += source->messages[i]->len + source->messages[i]->key_len;
    if (got > HR_KAFKA_FEW && bytes > (size_t)got * HR_KAFKA_LONG) {
        if ((*chunk)->lent == NULL)
            (*chunk)->lent = hr_malloc(sizeof(*(*chunk)->lent) * HR_KAFKA_CHUNK);
        *lent = (*chunk)->lent != NULL;
        return *lent ? HR_OK : hr_error_nomem(error);
    }
    return hr_buffer_reserve(&(*chunk)->bytes, bytes, error);
}

/* Sort what librdkafka gave into records (copied or lent) and events (served), and give the rest back. Without memory for the copies it is
 * held for the next time; after any other failure the rest of it is lost, and with it the source. */
static int hr_kafka_sort(hr_source *source, kafka_chunk **chunk, ssize_t got, hr_error *error)
{
    bool lent;
    int rc = hr_kafka_reserve(source, chunk, got, &lent, error);

    if (rc != HR_OK) {
        source->held = source->held > got ? source->held : got;
        return rc;
    }
    for (ssize_t i = 0; i < got; i++) {
        rd_kafka_message_t *message = source->messages[i];
        kafka_lane *lane;
        bool kept = false;

        if (rc == HR_OK && HR_LIKELY(message->err == RD_KAFKA_RESP_ERR_NO_ERROR)) {
            lane = hr_kafka_lane_of(source, message);
            if (HR_LIKELY(lane != NULL && message->offset < lane->end && message->offset >= lane->next)) {
                hr_kafka_record(source, message, (int32_t)(lane - source->lanes), lent, *chunk);
                kept = lent;
                if (kept)
                    (*chunk)->lent[(*chunk)->lent_count++] = message;
                lane->next = message->offset + 1;
                lane->moved = true;
                lane->misses = 0;
                if (HR_UNLIKELY(lane->next >= lane->end))
                    hr_kafka_lane_stop(source, lane);
            } else if (lane != NULL) {
                hr_kafka_lane_advance(source, lane, message->offset); /* at or after the end: the lane is done */
            }
        } else if (rc == HR_OK) {
            rc = hr_kafka_event(source, message, error);
        }
        if (!kept)
            rd_kafka_message_destroy(message);
    }
    source->held = source->held > got ? source->held - got : 0;
    memmove(source->messages, source->messages + got, sizeof(source->messages[0]) * (size_t)source->held);
    source->broken = rc != HR_OK;
    return rc;
}

static bool hr_kafka_moved(const hr_source *source)
{
    for (int32_t i = 0; i < source->count; i++)
        if (source->lanes[i].moved)
            return true;
    return false;
}

/* Note the lanes that moved. */
static int32_t hr_kafka_positions(hr_source *source, hr_position *out)
{
    int32_t n = 0;

    for (int32_t i = 0; i < source->count; i++) {
        if (!source->lanes[i].moved)
            continue;
        source->lanes[i].moved = false;
        out[n++] = (hr_position){i, source->lanes[i].next, source->lanes[i].lost};
        source->lanes[i].lost = 0;
    }
    return n;
}

/* Whether some broker answers now. */
static bool hr_kafka_probe(hr_source *source)
{
    const struct rd_kafka_metadata *metadata;

    if (rd_kafka_metadata(source->client->rk, 0, source->rkt, &metadata, HR_KAFKA_WAIT_MS * 5) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return false;
    rd_kafka_metadata_destroy(metadata);
    return true;
}

/* librdkafka says that the topic, or a partition, is not there. It goes on asking for it silently; we look ourselves, and give up when it
 * is really gone. Retriable: it may be being made again; if not, the next plan says so. */
static int hr_kafka_check_missing(hr_source *source, hr_error *error)
{
    hr_kafka_topic topic;
    int rc;

    atomic_store(&source->client->missing, false);
    rc = hr_kafka_topic_find(source->client, source->topic, source->timeout_ms, &topic, error);
    if (rc == HR_EUSAGE)
        return hr_error_set(error, HR_EKAFKA, "Kafka topic \"%s\" was deleted while it was read", source->topic);
    for (int32_t i = 0; rc == HR_OK && i < source->count; i++)
        if (source->lanes[i].reading && !hr_kafka_topic_has(&topic, source->lanes[i].partition))
            rc = hr_error_set(error, HR_EKAFKA, "Kafka topic \"%s\" has lost its partition %d while it was read", source->topic,
                              (int)source->lanes[i].partition);
    hr_kafka_topic_free(&topic);
    return rc;
}

/* Nothing came in a wait: find out whether it is worth going on. librdkafka reconnects by itself, so only time decides. */
static int hr_kafka_patience(hr_source *source, int64_t waited, hr_error *error)
{
    int64_t now = hr_kafka_now_ms();

    source->waited_ms += waited;
    if (atomic_load(&source->client->missing))
        HR_RETURN_NOT_OK(hr_kafka_check_missing(source, error));
    if (source->down_since == 0 && atomic_load(&source->client->all_down)) {
        source->down_since = now;
        source->next_probe = now + (source->down_timeout_ms < HR_KAFKA_PROBE_MS ? source->down_timeout_ms : HR_KAFKA_PROBE_MS);
    }
    if (source->down_since != 0 && now >= source->next_probe) {
        if (hr_kafka_probe(source)) {
            source->down_since = 0;
            atomic_store(&source->client->all_down, false);
        } else if (now - source->down_since >= source->down_timeout_ms) {
            return hr_kafka_fail(source->client, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, error,
                                 "Kafka topic \"%s\": no broker has answered for %lld s", source->topic,
                                 (long long)((now - source->down_since) / 1000));
        } else {
            int64_t left = source->down_timeout_ms - (now - source->down_since);
            source->next_probe = now + (left < HR_KAFKA_PROBE_MS ? left : HR_KAFKA_PROBE_MS);
        }
    }
    /* brokers answer, but a lane that has records before its end brings none: its partition has no leader, or the like */
    if (source->bounded && source->down_since == 0 && source->waited_ms >= source->down_timeout_ms) {
        for (int32_t i = 0; i < source->count; i++) {
            const kafka_lane *lane = &source->lanes[i];
            if (lane->reading)
                return hr_kafka_fail(source->client, RD_KAFKA_RESP_ERR__TIMED_OUT, error,
                                     "Kafka topic \"%s\" partition %d: nothing came for %lld s at offset %lld, though it ends at %lld",
                                     source->topic, (int)lane->partition, (long long)(source->waited_ms / 1000), (long long)lane->next,
                                     (long long)lane->end);
        }
    }
    return HR_OK;
}

/* Take what is there; when nothing is, wait up to timeout_ms for the first, then take the rest. Number of messages, or -1. */
static ssize_t hr_kafka_take(hr_source *source, size_t most, int64_t timeout_ms)
{
    ssize_t got, more;

    if (source->held > 0)
        return source->held < (ssize_t)most ? source->held : (ssize_t)most;
    got = rd_kafka_consume_batch_queue(source->queue, 0, source->messages, most);
    if (got != 0 || timeout_ms <= 0)
        return got;
    if (source->nudge)
        hr_kafka_nudge(source);
    /* librdkafka waits until the array is full or time is up, so that only one is waited for */
    got = rd_kafka_consume_batch_queue(source->queue, (int)timeout_ms, source->messages, 1);
    if (got == 1 && most > 1) {
        more = rd_kafka_consume_batch_queue(source->queue, 0, source->messages + 1, most - 1);
        got += more > 0 ? more : 0;
    }
    return got;
}

/* hr_source_ops.fetch */
static int hr_kafka_fetch(hr_source *source, int32_t timeout_ms, int64_t max_records, hr_chunk *out, hr_error *error)
{
    int64_t started = hr_kafka_now_ms(), deadline = started + timeout_ms;
    size_t most = (size_t)(max_records < HR_KAFKA_CHUNK ? max_records : HR_KAFKA_CHUNK);
    kafka_chunk *chunk = NULL;
    int rc = HR_OK;

    memset(out, 0, sizeof(*out));
    if (source->broken)
        return hr_error_set(error, HR_EKAFKA, "Kafka topic \"%s\": reading has failed before and cannot go on", source->topic);
    if (max_records <= 0)
        return HR_OK;
    /* a lane that had to jump tells so before it brings records */
    while (source->reading > 0 && !hr_kafka_moved(source) && !hr_kafka_client_cancelled(source->client)) {
        int64_t left = deadline - started, now;
        ssize_t got = hr_kafka_take(source, most, left < HR_KAFKA_WAIT_MS ? left : HR_KAFKA_WAIT_MS);

        if (got < 0)
            rc = hr_kafka_fail(source->client, rd_kafka_last_error(), error, "reading Kafka topic \"%s\" failed", source->topic);
        else if (got > 0)
            rc = hr_kafka_sort(source, &chunk, got, error);
        now = hr_kafka_now_ms();
        if (rc == HR_OK && got == 0)
            rc = hr_kafka_patience(source, now - started, error);
        else if (rc == HR_OK)
            source->waited_ms = 0;
        if (chunk != NULL && chunk->count > 0)
            source->down_since = 0; /* all_down stays: these may have been fetched before it; a probe finds out */
        if (rc != HR_OK || (chunk != NULL && chunk->count > 0) || now >= deadline)
            break;
        started = now;
    }
    if (rc == HR_OK && chunk == NULL) { /* for the positions alone */
        chunk = hr_kafka_chunk_get(source, 0);
        rc = chunk != NULL ? HR_OK : hr_error_nomem(error);
    }
    if (rc != HR_OK) {
        hr_kafka_chunk_put(source, chunk);
        return rc;
    }
    out->position_count = hr_kafka_positions(source, chunk->positions);
    if (source->nudge && chunk->count > 0 && chunk->count < HR_KAFKA_CHUNK)
        hr_kafka_nudge(source); /* the queue is empty now: let the next records be fetched meanwhile */
    out->owner = chunk;
    out->records = chunk->records;
    out->count = chunk->count;
    out->positions = chunk->positions;
    out->finished = source->reading == 0;
    return HR_OK;
}

/* hr_source_ops.committed: without waiting, and whatever comes of it. Any thread, one at a time. */
static void hr_kafka_committed(hr_source *source, const hr_position *positions, int32_t count)
{
    rd_kafka_topic_partition_list_t *list;

    if (source->commits == NULL || count == 0)
        return;
    hr_kafka_take_commits(source, 0);
    if (atomic_load(&source->committing) >= HR_KAFKA_COMMITS)
        return; /* the group's coordinator does not answer: nothing may pile up */
    list = rd_kafka_topic_partition_list_new(count);
    for (int32_t i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(list, source->topic, source->lanes[positions[i].lane].partition)->offset = positions[i].next;
    atomic_fetch_add(&source->committing, 1);
    if (rd_kafka_commit_queue(source->client->rk, list, source->commits, NULL, NULL) != RD_KAFKA_RESP_ERR_NO_ERROR)
        atomic_fetch_sub(&source->committing, 1);
    rd_kafka_topic_partition_list_destroy(list);
}

const hr_source_ops hr_source_kafka = {
    .kind = "kafka",
    .plan = hr_kafka_plan,
    .open = hr_kafka_open,
    .fetch = hr_kafka_fetch,
    .release = hr_kafka_release,
    .committed = hr_kafka_committed,
    .close = hr_kafka_close,
};
