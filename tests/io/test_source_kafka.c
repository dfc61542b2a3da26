/* tests/io/test_source_kafka.c: the Kafka source on librdkafka's mock cluster: what a real broker cannot be made to do on demand.
 *
 * Errors in answers, a broker that is gone for a moment, memory that runs out. tests/real does the rest on real brokers.
 */
#include <librdkafka/rdkafka.h>
/* after it */
#include <librdkafka/rdkafka_mock.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
size_t __sanitizer_get_current_allocated_bytes(void); /* gcc comes without its header */
#else
#include <malloc.h>
#endif

#include "check.h"
#include "core/alloc.h"
#include "faults.h"
#include "io/kafka/kafka_producer.h"
#include "io/source/source.h"

#define FETCH 1 /* request numbers of Kafka's protocol */
#define LIST_OFFSETS 2
#define METADATA 3
#define TOPIC "mocked"
#define LONG_TOPIC "long"
#define LONG_RECORDS 3000
#define LONG_BYTES 1000
#define RECORDS 500

extern const hr_source_ops hr_source_kafka;

static rd_kafka_t *host;
static rd_kafka_mock_cluster_t *cluster;
static atomic_bool cancel;
static hr_error error;
static const char *topic = TOPIC; /* of what follows */

static void cluster_start(void)
{
    char reason[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    rd_kafka_conf_set(conf, "log_level", "3", reason, sizeof(reason));

    host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
    cluster = host != NULL ? rd_kafka_mock_cluster_new(host, 1) : NULL;
    if (cluster == NULL || rd_kafka_mock_topic_create(cluster, TOPIC, 2, 1) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        rd_kafka_mock_topic_create(cluster, LONG_TOPIC, 1, 1) != RD_KAFKA_RESP_ERR_NO_ERROR)
        abort();
}

static void cluster_stop(void)
{
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(host);
}

static json_t *settings(const char *more)
{
    char text[512];
    json_t *config;

    snprintf(text, sizeof(text), "{\"topic\": \"%s\", \"config\": {\"bootstrap.servers\": \"%s\"}%s}", topic,
             rd_kafka_mock_cluster_bootstraps(cluster), more);
    config = json_loads(text, 0, NULL);
    if (config == NULL)
        abort();
    return config;
}

/* The topic's records: digits, from that of the record's number on; the number is the key. */
static void fill(int records, size_t bytes)
{
    json_t *config = settings("");
    char text[LONG_BYTES + 10];
    hr_kafka_producer *producer;
    int rc = hr_kafka_producer_open(json_object_get(config, "config"), topic, NULL, &producer, &error);

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)('0' + i % 10);
    for (int i = 0; i < records && rc == HR_OK; i++) {
        char key[16];
        hr_kafka_message message = {.key = key, .value = text + i % 10, .len = bytes};

        message.key_len = (size_t)snprintf(key, sizeof(key), "%d", i);
        rc = hr_kafka_producer_send(producer, &message, &error);
    }
    if (rc == HR_OK)
        rc = hr_kafka_producer_flush(producer, 0, &error);
    CHECK(rc == HR_OK, "%s", error.message);
    hr_kafka_producer_close(producer);
    json_decref(config);
}

/* Plan and open; NULL when one of them fails. */
static hr_source *start(const char *more, int *rc)
{
    json_t *config = settings(more);
    hr_source *source = NULL;
    hr_lanes lanes;

    *rc = hr_source_kafka.plan(config, 1, &cancel, &lanes, &error);
    for (int32_t i = 0; i < lanes.count; i++)
        lanes.lanes[i].next = lanes.lanes[i].begin;
    if (*rc == HR_OK)
        *rc = hr_source_kafka.open(config, lanes.lanes, lanes.count, &cancel, &source, &error);
    CHECK((*rc == HR_OK) == (source != NULL));
    hr_lanes_free(&lanes);
    json_decref(config);
    return source;
}

/* Read to the end or to an error; the number of records. */
static int64_t read_all(hr_source *source, int *rc)
{
    int64_t count = 0;
    bool finished = false;

    for (int i = 0; i < 600 && !finished; i++) {
        hr_chunk chunk;

        *rc = hr_source_kafka.fetch(source, 100, 64, &chunk, &error);
        if (*rc != HR_OK)
            break;
        count += chunk.count;
        finished = chunk.finished;
        hr_source_kafka.release(source, &chunk);
    }
    return count;
}

static int64_t run(const char *more, int *rc)
{
    hr_source *source = start(more, rc);
    int64_t count = source != NULL ? read_all(source, rc) : -1;

    hr_source_kafka.close(source);
    return count;
}

/* Errors that pass by themselves: nothing is lost, nothing comes twice. */
static void test_passing(void)
{
    static const rd_kafka_resp_err_t passing[] = {
        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
        RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE,
        RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE, /* though it is in range: a leader that is not up to date */
        RD_KAFKA_RESP_ERR__TRANSPORT,
    };
    int rc;

    for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++) {
        rd_kafka_mock_push_request_errors(cluster, FETCH, 3, passing[i], passing[i], passing[i]);
        CHECK(run("", &rc) == RECORDS && rc == HR_OK, "%s: %s", rd_kafka_err2name(passing[i]), error.message);
        rd_kafka_mock_clear_request_errors(cluster, FETCH);
    }
    rd_kafka_mock_push_request_errors(cluster, LIST_OFFSETS, 2, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                                      RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE);
    CHECK(run("", &rc) == RECORDS && rc == HR_OK, "%s", error.message);
    rd_kafka_mock_clear_request_errors(cluster, LIST_OFFSETS);
}

/* After a failure on the way there is no going on: what was in hand is lost. */
static void test_broken(void)
{
    rd_kafka_resp_err_t many[100];
    hr_source *source;
    hr_chunk chunk;
    int rc;

    for (size_t k = 0; k < 100; k++)
        many[k] = RD_KAFKA_RESP_ERR_UNKNOWN;
    rd_kafka_mock_push_request_errors_array(cluster, FETCH, 100, many);
    source = start("", &rc);
    CHECK(rc == HR_OK && read_all(source, &rc) == 0 && rc == HR_EKAFKA);
    rd_kafka_mock_clear_request_errors(cluster, FETCH);
    CHECK(hr_source_kafka.fetch(source, 1000, 100, &chunk, &error) == HR_EKAFKA && error.retriable);
    CHECK(chunk.owner == NULL && strstr(error.message, "failed before") != NULL, "%s", error.message);
    hr_source_kafka.close(source);
}

/* Errors that end the run, and how. */
static void test_final(void)
{
    static const struct {
        rd_kafka_resp_err_t err;
        bool fatal;
        const char *part;
    } final[] = {
        {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, true, "authorization"},
        {RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE, false, "again and again"},
        {RD_KAFKA_RESP_ERR_UNKNOWN, false, "offset 0"},
    };
    rd_kafka_resp_err_t many[200];
    int rc;

    for (size_t i = 0; i < sizeof(final) / sizeof(final[0]); i++) {
        for (size_t k = 0; k < 200; k++)
            many[k] = final[i].err;
        rd_kafka_mock_push_request_errors_array(cluster, FETCH, 200, many);
        CHECK(run("", &rc) == 0 && rc == HR_EKAFKA);
        CHECK(error.fatal == final[i].fatal && error.retriable != error.fatal, "%s", error.message);
        CHECK(strstr(error.message, final[i].part) != NULL && strstr(error.message, TOPIC) != NULL, "%s", error.message);
        rd_kafka_mock_clear_request_errors(cluster, FETCH);
    }
}

/* Brokers answer, but this partition brings nothing: a run that has an end must not wait for ever. */
static void test_silence(void)
{
    rd_kafka_resp_err_t many[600];
    int rc;

    for (size_t k = 0; k < 600; k++)
        many[k] = RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION;
    rd_kafka_mock_push_request_errors_array(cluster, FETCH, 600, many);
    CHECK(run(", \"down_timeout_ms\": 1500", &rc) == 0 && rc == HR_EKAFKA && error.retriable);
    CHECK(strstr(error.message, "nothing came") != NULL, "%s", error.message);
    rd_kafka_mock_clear_request_errors(cluster, FETCH);
}

/* Down under way and up again; records that librdkafka has already are given out meanwhile. */
static void test_down_and_up(void)
{
    int rc;
    hr_source *source = start(", \"down_timeout_ms\": 60000", &rc);
    hr_chunk chunk;
    int64_t count = 0;

    CHECK(rc == HR_OK, "%s", error.message);
    rd_kafka_mock_broker_set_down(cluster, 1);
    for (int i = 0; i < 8; i++) {
        CHECK(hr_source_kafka.fetch(source, 250, 64, &chunk, &error) == HR_OK, "%s", error.message);
        count += chunk.count;
        hr_source_kafka.release(source, &chunk);
    }
    rd_kafka_mock_broker_set_up(cluster, 1);
    count += read_all(source, &rc);
    CHECK(rc == HR_OK && count == RECORDS, "%lld: %s", (long long)count, error.message);
    hr_source_kafka.close(source);
}

/* Every allocation of ours fails once, everywhere between plan and close; records already released do not come again. */
static void test_memory(void)
{
    bool done = false;
    int n = 0;

    while (!done && n < 200) {
        hr_source *source;
        int64_t count = 0;
        int rc;

        n++;
        hr_fault_arm(n, false);
        source = start(", \"group\": \"courtesy\"", &rc);
        if (source != NULL) {
            count = read_all(source, &rc);
            if (rc == HR_ENOMEM && n % 2 == 0) {
                hr_source_kafka.close(source); /* what it holds must go with it */
                source = NULL;
                continue;
            }
            if (rc == HR_ENOMEM)
                count += read_all(source, &rc); /* memory is back: nothing may be missing */
            CHECK(rc == HR_OK && count == RECORDS, "allocation %d: %lld, %s", n, (long long)count, error.message);
        } else {
            CHECK(rc == HR_ENOMEM && error.code == HR_ENOMEM, "allocation %d: %s", n, error.message);
        }
        done = !hr_fault_fired();
        hr_fault_arm(0, false);
        hr_source_kafka.close(source);
    }
    CHECK(done && n > 8, "%d", n);
}

/* Bytes that are allocated now. */
static size_t allocated(void)
{
#if defined(__SANITIZE_ADDRESS__)
    return __sanitizer_get_current_allocated_bytes();
#else
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
#endif
}

/* Records that trickle in come in chunks of one, and a batch may hold hundreds of those: each may take the memory that it needs and no
 * more, and all of it is given back. Chunks of many are kept for reuse; here there are none. */
static void test_a_trickle_takes_little_memory(void)
{
    static hr_chunk chunks[RECORDS];
    int64_t count = 0;
    int rc, held = 0;
    hr_source *source = start("", &rc);
    size_t before, with;

    CHECK(rc == HR_OK, "%s", error.message);
    before = allocated();
    for (int i = 0; i < 6000 && count < RECORDS && rc == HR_OK; i++) {
        rc = hr_source_kafka.fetch(source, 100, 1, &chunks[held], &error);
        if (rc != HR_OK)
            break;
        count += chunks[held].count;
        if (chunks[held].count > 0)
            held++;
        else
            hr_source_kafka.release(source, &chunks[held]);
    }
    CHECK(rc == HR_OK && count == RECORDS && held == RECORDS, "%d chunks", held);
    with = allocated();
    CHECK(with < before + ((size_t)8 << 20), "%d chunks of one record take %zu bytes", held, with - before);
    for (int i = 0; i < held; i++)
        hr_source_kafka.release(source, &chunks[i]);
    CHECK(allocated() < before + ((size_t)2 << 20), "%zu bytes are kept after them", allocated() - before);
    hr_source_kafka.close(source);
}

/* Whether the chunk has the long records from this number on. */
static bool is_right(const hr_chunk *chunk, int64_t from)
{
    bool right = true;

    for (int64_t i = 0; i < chunk->count && right; i++) {
        const hr_record *record = &chunk->records[i];
        char key[24];
        int n = snprintf(key, sizeof(key), "%lld", (long long)(from + i));

        right = record->offset == from + i && record->len == LONG_BYTES && record->key_len == (size_t)n &&
                memcmp(record->key, key, (size_t)n) == 0;
        for (size_t k = 0; k < record->len && right; k++)
            right = record->data[k] == (char)('0' + (size_t)(from + i + (int64_t)k) % 10);
    }
    return right;
}

/* Long records that have waited are lent rather than copied: they stay until their chunk is released, while others are read, also by
 * another chunk's release, and go with it. Allocations of ours fail once, everywhere. */
static void test_long_records_are_lent(void)
{
    bool done = false;
    int64_t most = 0;

    for (int n = 1; !done && n < 100; n++) {
        static hr_chunk chunks[LONG_RECORDS];
        int64_t from[LONG_RECORDS], count = 0;
        int held = 0, rc;
        hr_source *source;

        hr_fault_arm(n, false);
        source = start("", &rc);
        CHECK(rc == HR_OK || rc == HR_ENOMEM, "allocation %d: %s", n, error.message);
        for (int i = 0; i < 600 && source != NULL && count < LONG_RECORDS; i++) {
            usleep(count == 0 ? 100000 : 0); /* for them to come */
            rc = hr_source_kafka.fetch(source, 100, i == 0 ? 10 : INT64_MAX, &chunks[held], &error);
            if (rc == HR_ENOMEM)
                continue; /* memory is back: nothing may be missing */
            CHECK(rc == HR_OK, "allocation %d: %s", n, error.message);
            from[held] = count;
            count += chunks[held].count;
            most = chunks[held].count > most ? chunks[held].count : most;
            if (++held % 3 == 2)
                hr_source_kafka.release(source, &chunks[held - 1]);
        }
        done = !hr_fault_fired();
        hr_fault_arm(0, false);
        CHECK(source == NULL || count == LONG_RECORDS, "allocation %d: %lld records", n, (long long)count);
        for (int i = 0; i < held; i++)
            CHECK(is_right(&chunks[i], from[i]), "allocation %d: chunk %d", n, i);
        for (int i = held - 1; i >= 0; i--)
            hr_source_kafka.release(source, &chunks[i]);
        hr_source_kafka.close(source);
    }
    CHECK(done && most > 1024, "%lld", (long long)most);
}

int main(void)
{
    cluster_start();
    fill(RECORDS, 10);
    topic = LONG_TOPIC;
    fill(LONG_RECORDS, LONG_BYTES);
    test_long_records_are_lent();
    topic = TOPIC;
    test_a_trickle_takes_little_memory();
    test_passing();
    test_final();
    test_broken();
    test_silence();
    test_down_and_up();
    test_memory();
    cluster_stop();
    return CHECK_DONE();
}
