/* tests/io/drive_source.c: a source, driven by tests/real: plan, open, read, committed, close.
 *
 * Chunks are released by a thread of their own, the newest first, as a load's writers might; what every source promises is checked
 * here for every record. Not more than one source is open at a time.
 */
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "core/alloc.h"
#include "driver.h"
#include "io/source/source.h"

#define MOST_LANES 4096
#define MOST_HELD 64

static const hr_source_ops *ops;
static hr_source *source;
static hr_lane lanes[MOST_LANES];
static int64_t next[MOST_LANES]; /* as far as positions told */
static int32_t lane_count;
static atomic_bool cancel;

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- cancelling ---- */

/* Let the cancel flag rise after "cancel_ms" of the order, if that is given; cancel_end puts it down again. */
static pthread_t canceller;
static useconds_t cancel_after;

static void *cancel_main(void *nothing)
{
    (void)nothing;
    usleep(cancel_after);
    atomic_store(&cancel, true);
    return NULL;
}

static void cancel_begin(const json_t *order)
{
    cancel_after = (useconds_t)driver_int(order, "cancel_ms", 0) * 1000;
    if (cancel_after > 0)
        DRIVER_MUST(pthread_create(&canceller, NULL, cancel_main, NULL) == 0);
}

static void cancel_end(void)
{
    if (cancel_after > 0)
        pthread_join(canceller, NULL);
    atomic_store(&cancel, false);
}

/* ---- releasing elsewhere ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static hr_chunk held[MOST_HELD];
static int held_count;
static bool releasing;

static void *release_main(void *nothing)
{
    (void)nothing;
    pthread_mutex_lock(&lock);
    for (;;) {
        hr_chunk chunk;

        while (held_count == 0 && releasing)
            pthread_cond_wait(&changed, &lock);
        if (held_count == 0)
            break;
        chunk = held[--held_count];
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&lock);
        ops->release(source, &chunk);
        pthread_mutex_lock(&lock);
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

static void release_later(const hr_chunk *chunk)
{
    pthread_mutex_lock(&lock);
    while (held_count == MOST_HELD)
        pthread_cond_wait(&changed, &lock);
    held[held_count++] = *chunk;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

/* ---- commands ---- */

static json_t *tell_lane(const hr_lane *lane)
{
    return json_pack("{s:s, s:i, s:I, s:I}", "topic", lane->topic, "partition", (int)lane->partition, "begin", (json_int_t)lane->begin,
                     "end", (json_int_t)lane->end);
}

static int do_plan(const json_t *order, json_t *answer, hr_error *error)
{
    hr_lanes found;
    json_t *list;
    int rc;

    ops = hr_source_find(driver_string(json_object_get(order, "source"), "kind"));
    DRIVER_MUST(ops != NULL);
    cancel_begin(order);
    rc = ops->plan(json_object_get(order, "source"), 2, &cancel, &found, error);
    cancel_end();
    if (rc != HR_OK)
        return rc;
    list = json_array();
    for (int32_t i = 0; i < found.count; i++)
        json_array_append_new(list, tell_lane(&found.lanes[i]));
    hr_lanes_free(&found);
    driver_put(answer, "lanes", list);
    return HR_OK;
}

/* "lanes" as plan() gave them, each with "next" where it starts elsewhere than at its beginning. */
static int do_open(const json_t *order, json_t *answer, hr_error *error)
{
    const json_t *list = json_object_get(order, "lanes"), *config = json_object_get(order, "source");

    (void)answer;
    DRIVER_MUST(source == NULL && json_array_size(list) <= MOST_LANES);
    ops = hr_source_find(driver_string(config, "kind"));
    lane_count = (int32_t)json_array_size(list);
    for (int32_t i = 0; i < lane_count; i++) {
        const json_t *one = json_array_get(list, (size_t)i);

        lanes[i] = (hr_lane){.topic = (char *)driver_string(one, "topic"),
                             .partition = (int32_t)driver_int(one, "partition", -1),
                             .begin = driver_int(one, "begin", -1),
                             .end = driver_int(one, "end", -1),
                             .next = driver_int(one, "next", driver_int(one, "begin", -1))};
        next[i] = lanes[i].next;
    }
    HR_RETURN_NOT_OK(ops->open(config, lanes, lane_count, &cancel, &source, error));
    for (int32_t i = 0; i < lane_count; i++)
        lanes[i].topic = NULL; /* the source must have its own */
    return HR_OK;
}

/* What the interface promises of a record. Its bytes are read to the end: the sanitizer watches. */
static void check_record(const hr_record *record, int64_t *last, uint64_t *sum)
{
    DRIVER_MUST(record->lane >= 0 && record->lane < lane_count);
    DRIVER_MUST(record->partition == lanes[record->lane].partition);
    DRIVER_MUST(record->offset >= last[record->lane] && record->offset < lanes[record->lane].end);
    DRIVER_MUST(record->data != NULL || record->len == 0);
    DRIVER_MUST(record->topic != NULL && strlen(record->topic) > 0);
    last[record->lane] = record->offset + 1;
    for (size_t i = 0; i < record->len; i++)
        *sum = *sum * 31 + (unsigned char)record->data[i];
    for (size_t i = 0; i < record->key_len; i++)
        *sum = *sum * 31 + (unsigned char)record->key[i];
}

static json_t *tell_record(const hr_record *record)
{
    return json_pack("{s:i, s:I, s:o, s:o, s:o}", "partition", (int)record->partition, "offset", (json_int_t)record->offset, "value",
                     record->data != NULL ? json_stringn_nocheck(record->data, record->len < 200 ? record->len : 200) : json_null(), "key",
                     record->key != NULL ? json_stringn_nocheck(record->key, record->key_len) : json_null(), "timestamp",
                     record->timestamp != HR_NO_TIMESTAMP ? json_integer(record->timestamp) : json_null());
}

/* Read until everything is read, "records" have come (at least), "seconds" are over, or (with "once") one fetch has returned.
 * "fetch": at most so many records a fetch; "wait_ms": its time-out; "list": tell the records themselves. Stops when cancelled. */
static int do_read(const json_t *order, json_t *answer, hr_error *error)
{
    int64_t want = driver_int(order, "records", INT64_MAX), most = driver_int(order, "fetch", 50000), count = 0, bytes = 0, tombstones = 0;
    int32_t wait_ms = (int32_t)driver_int(order, "wait_ms", 1000);
    double started = seconds_now(), deadline = started + (double)driver_int(order, "seconds", 60), first = -1;
    json_t *list = json_is_true(json_object_get(order, "list")) ? json_array() : NULL, *positions = json_object();
    static int64_t last[MOST_LANES];
    bool finished = false, once = json_is_true(json_object_get(order, "once"));
    pthread_t releaser;
    uint64_t sum = 0;
    int64_t chunks = 0;
    int rc = HR_OK;

    memcpy(last, next, sizeof(last));
    releasing = true;
    DRIVER_MUST(pthread_create(&releaser, NULL, release_main, NULL) == 0);
    cancel_begin(order);
    while (!finished && !atomic_load(&cancel) && count < want && seconds_now() < deadline) {
        hr_chunk chunk;

        rc = ops->fetch(source, wait_ms, most < want - count ? most : want - count, &chunk, error);
        if (rc != HR_OK)
            break;
        DRIVER_MUST(chunk.count <= most && chunk.count <= want - count);
        if (chunk.count > 0 && first < 0)
            first = seconds_now() - started;
        for (int64_t i = 0; i < chunk.count; i++) {
            check_record(&chunk.records[i], last, &sum);
            bytes += (int64_t)chunk.records[i].len;
            tombstones += chunk.records[i].data == NULL;
            if (list != NULL)
                json_array_append_new(list, tell_record(&chunk.records[i]));
        }
        for (int32_t i = 0; i < chunk.position_count; i++) {
            int32_t lane = chunk.positions[i].lane;

            DRIVER_MUST(lane >= 0 && lane < lane_count);
            DRIVER_MUST(chunk.positions[i].next >= last[lane] || chunk.positions[i].next < next[lane]);
            next[lane] = last[lane] = chunk.positions[i].next;
        }
        for (int32_t i = 0; i < lane_count; i++)
            DRIVER_MUST(last[i] == next[i]); /* a lane that gave records has told its position */
        count += chunk.count;
        finished = chunk.finished;
        chunks++;
        release_later(&chunk);
        if (once)
            break;
    }
    cancel_end();
    pthread_mutex_lock(&lock);
    releasing = false;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    pthread_join(releaser, NULL);
    for (int32_t i = 0; i < lane_count; i++) {
        char name[16];

        snprintf(name, sizeof(name), "%d", (int)lanes[i].partition);
        driver_put(positions, name, json_integer(next[i]));
    }
    driver_put(answer, "records", json_integer(count));
    driver_put(answer, "bytes", json_integer(bytes));
    driver_put(answer, "tombstones", json_integer(tombstones));
    driver_put(answer, "chunks", json_integer(chunks));
    driver_put(answer, "finished", json_boolean(finished));
    driver_put(answer, "positions", positions);
    driver_put(answer, "seconds", json_real(seconds_now() - started));
    driver_put(answer, "first_after", json_real(first));
    driver_put(answer, "sum", json_integer((json_int_t)(sum >> 1)));
    if (list != NULL)
        driver_put(answer, "list", list);
    return rc;
}

/* Tell the outside world the positions. */
static int do_committed(const json_t *order, json_t *answer, hr_error *error)
{
    hr_position positions[16];

    (void)order, (void)answer, (void)error;
    DRIVER_MUST(ops->committed != NULL && lane_count <= 16);
    for (int32_t i = 0; i < lane_count; i++)
        positions[i] = (hr_position){i, next[i], 0};
    ops->committed(source, positions, lane_count);
    return HR_OK;
}

static int do_close(const json_t *order, json_t *answer, hr_error *error)
{
    double started = seconds_now();

    (void)order, (void)error;
    ops->close(source);
    source = NULL;
    driver_put(answer, "seconds", json_real(seconds_now() - started));
    return HR_OK;
}

int main(void)
{
    static const driver_command commands[] = {
        {"plan", do_plan}, {"open", do_open}, {"read", do_read}, {"committed", do_committed}, {"close", do_close}, {NULL, NULL},
    };

    return driver_main(commands);
}
