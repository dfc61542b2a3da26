/* csrc/io/generate/generate.c: a data set's records to where they are wanted. */
#include "generate.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "core/generate/generate.h"
#include "frames_truth.h"
#include "io/json_text.h"
#include "io/kafka/kafka_admin.h"
#include "io/kafka/kafka_producer.h"
#include "io/kafka/pace.h"

#define HR_GENERATE_BLOCK ((size_t)256 * 1024) /* bytes written at once */
#define HR_GENERATE_PROGRESS_MS 200

typedef struct generate {
    json_t *config;
    const json_t *to;
    hr_generator generator;
    int64_t first, count, bytes;
    double rate;       /* 0: no limit */
    const char *truth; /* where the truth goes; NULL: nowhere */
    int64_t truth_seconds, truth_windows;
    hr_generate_progress progress;
    void *arg;
    const atomic_bool *cancel;
    int64_t started_ms, next_progress_ms;
    hr_buffer buffer;
    /* one of these is open */
    hr_kafka_producer *producer;
    gzFile packed;
    int fd;
    char *path, *part; /* the file, and its name while it is written */
    bool plain;        /* a regular file: the two differ */
    bool waits;        /* a pipe or a terminal: it may not be read for ever */
} generate;

/* ---- settings ---- */

/* A whole number; `fallback` when missing or null. */
static int hr_generate_number(const json_t *object, const char *name, int64_t fallback, int64_t low, int64_t high, int64_t *out,
                              hr_error *error)
{
    const json_t *value = json_object_get(object, name);

    *out = fallback;
    if (value == NULL || json_is_null(value))
        return HR_OK;
    if (!json_is_integer(value) || json_integer_value(value) < low || json_integer_value(value) > high)
        return hr_error_set(error, HR_EUSAGE, "generate: \"%s\" must be a whole number from %lld to %lld", name, (long long)low,
                            (long long)high);
    *out = json_integer_value(value);
    return HR_OK;
}

/* The data set's own settings. `until` is now unless told: fresh data is what people expect. */
static int hr_generate_settings(generate *g, hr_error *error)
{
    const json_t *settings = json_object_get(g->config, "settings");
    const hr_generator_setting *known = g->generator.ops->settings;
    const char *name;
    json_t *value;

    for (size_t i = 0; known[i].name != NULL; i++)
        if (strcmp(known[i].name, "until") == 0)
            HR_RETURN_NOT_OK(hr_generator_set(&g->generator, "until", (int64_t)time(NULL), error));
    if (settings != NULL && !json_is_null(settings) && !json_is_object(settings))
        return hr_error_set(error, HR_EUSAGE, "generate: \"settings\" must be an object of whole numbers");
    json_object_foreach((json_t *)settings, name, value)
    {
        if (json_is_null(value))
            continue;
        if (!json_is_integer(value))
            return hr_error_set(error, HR_EUSAGE, "generate: setting \"%s\" must be a whole number", name);
        HR_RETURN_NOT_OK(hr_generator_set(&g->generator, name, json_integer_value(value), error));
    }
    return hr_generator_check(&g->generator, error);
}

/* Where the truth about the windows goes, if anywhere. */
static int hr_generate_truth(generate *g, hr_error *error)
{
    const json_t *truth = json_object_get(g->config, "truth");

    if (truth == NULL || json_is_null(truth))
        return HR_OK;
    g->truth = json_string_value(json_object_get(truth, "path"));
    if (g->truth == NULL || g->truth[0] == '\0')
        return hr_error_set(error, HR_EUSAGE, "generate: \"truth\" must have a path, the file to write it to");
    HR_RETURN_NOT_OK(hr_generate_number(truth, "seconds", 60, 1, INT64_MAX / 2, &g->truth_seconds, error));
    return hr_frames_truth_check(&g->generator, g->truth_seconds, error);
}

static int hr_generate_parse(generate *g, const char *text, hr_error *error)
{
    const char *name, *format;
    const json_t *rate;

    HR_RETURN_NOT_OK(hr_json_object_read(text, strlen(text), "generate: the settings", &g->config, error));
    name = json_string_value(json_object_get(g->config, "data"));
    if (name == NULL)
        return hr_error_set(error, HR_EUSAGE, "generate: \"data\" must name a data set, such as purchases");
    format = json_string_value(json_object_get(g->config, "format"));
    if (format != NULL && strcmp(format, "json") != 0 && strcmp(format, "csv") != 0)
        return hr_error_set(error, HR_EUSAGE, "generate: \"format\" is \"%s\"; it must be json or csv", format);
    HR_RETURN_NOT_OK(
        hr_generator_init(&g->generator, name, format != NULL && format[0] == 'c' ? HR_GENERATE_CSV : HR_GENERATE_JSON, error));
    HR_RETURN_NOT_OK(hr_generate_settings(g, error));
    HR_RETURN_NOT_OK(hr_generate_number(g->config, "first", 0, 0, INT64_MAX / 2, &g->first, error));
    HR_RETURN_NOT_OK(hr_generate_number(g->config, "count", -1, 0, INT64_MAX / 2, &g->count, error));
    if (g->count < 0)
        return hr_error_set(error, HR_EUSAGE, "generate: \"count\" is missing: say how many records to make");
    rate = json_object_get(g->config, "rate");
    g->rate = json_number_value(rate);
    if (rate != NULL && !json_is_null(rate) && !(json_is_number(rate) && g->rate > 0))
        return hr_error_set(error, HR_EUSAGE, "generate: \"rate\" must be records a second, above 0");
    g->to = json_object_get(g->config, "to");
    return hr_generate_truth(g, error);
}

/* ---- where it goes ---- */

static int hr_generate_open_kafka(generate *g, hr_error *error)
{
    const json_t *config = json_object_get(g->to, "config");
    const char *topic = json_string_value(json_object_get(g->to, "topic"));
    int64_t partitions, replication;

    if (topic == NULL)
        return hr_error_set(error, HR_EUSAGE, "generate: \"topic\" is missing: name the Kafka topic");
    HR_RETURN_NOT_OK(hr_generate_number(g->to, "partitions", 0, 1, 100000, &partitions, error));
    HR_RETURN_NOT_OK(hr_generate_number(g->to, "replication", -1, -1, 1000, &replication, error));
    if (partitions > 0)
        HR_RETURN_NOT_OK(hr_kafka_topic_ensure(config, topic, (int32_t)partitions, (int32_t)replication,
                                               json_object_get(g->to, "topic_config"), g->cancel, error));
    return hr_kafka_producer_open(config, topic, g->cancel, &g->producer, error);
}

static bool hr_generate_cancelled(const generate *g)
{
    return g->cancel != NULL && atomic_load_explicit(g->cancel, memory_order_relaxed);
}

static int hr_generate_stopped(hr_error *error)
{
    return hr_error_set(error, HR_ECANCELLED, "stopped by the caller while nobody took the records");
}

/* Open g->part for writing; a named pipe is waited for until somebody reads it. */
static int hr_generate_open_fd(generate *g, hr_error *error)
{
    int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;

    while ((g->fd = open(g->part, g->plain ? flags : flags | O_NONBLOCK, 0666)) < 0 && errno == ENXIO && !g->plain) {
        if (hr_generate_cancelled(g))
            return hr_generate_stopped(error);
        hr_pace_nap();
    }
    if (g->fd < 0) {
        g->plain = false; /* nothing of ours to remove */
        return hr_error_set(error, hr_code_of_file(errno), "%s cannot be written: %s", g->part, strerror(errno));
    }
    if (!g->plain && fcntl(g->fd, F_SETFL, fcntl(g->fd, F_GETFL) & ~O_NONBLOCK) != 0)
        return hr_error_set(error, hr_code_of_file(errno), "%s cannot be written: %s", g->part, strerror(errno));
    g->waits = !g->plain;
    return HR_OK;
}

static int hr_generate_open_file(generate *g, hr_error *error)
{
    const char *path = json_string_value(json_object_get(g->to, "path"));
    char real[PATH_MAX];
    struct stat there;
    size_t n;

    if (path == NULL || path[0] == '\0')
        return hr_error_set(error, HR_EUSAGE, "generate: \"path\" is missing: name the file to write");
    if (realpath(path, real) != NULL && stat(real, &there) == 0 && S_ISREG(there.st_mode))
        path = real; /* what a link leads to, not the link: /dev/stdout is one */
    n = strlen(path);
    g->path = hr_malloc(n + 1);
    g->part = hr_malloc(n + sizeof(".part"));
    if (g->path == NULL || g->part == NULL)
        return hr_error_nomem(error);
    memcpy(g->path, path, n + 1);
    memcpy(g->part, path, n + 1);
    /* a device or a pipe is written to as it is, and never renamed or removed */
    g->plain = stat(path, &there) != 0 || S_ISREG(there.st_mode);
    if (g->plain)
        memcpy(g->part + n, ".part", sizeof(".part"));
    HR_RETURN_NOT_OK(hr_generate_open_fd(g, error));
    if (n > 3 && strcmp(path + n - 3, ".gz") == 0) {
        g->packed = gzdopen(g->fd, "wb1");
        if (g->packed == NULL)
            return hr_error_nomem(error);
        g->fd = -1; /* the gzip stream's now */
    }
    return HR_OK;
}

/* Wait until a write of PIPE_BUF bytes does not block. */
static int hr_generate_room(const generate *g, hr_error *error)
{
    struct pollfd fd = {.fd = g->fd, .events = POLLOUT};

    while (poll(&fd, 1, HR_PACE_NAP_MS) <= 0)
        if (hr_generate_cancelled(g))
            return hr_generate_stopped(error);
    return HR_OK;
}

/* Write what the buffer holds. */
static int hr_generate_write(generate *g, hr_error *error)
{
    const char *name = g->part != NULL ? g->part : "the standard output";
    size_t done = 0;

    while (done < g->buffer.size) {
        size_t left = g->buffer.size - done;
        ssize_t n;

        if (g->waits && g->packed == NULL) {
            HR_RETURN_NOT_OK(hr_generate_room(g, error));
            left = left < PIPE_BUF ? left : PIPE_BUF;
        }
        if (g->packed != NULL)
            n = gzwrite(g->packed, g->buffer.data + done, (unsigned)left);
        else
            n = write(g->fd, g->buffer.data + done, left);
        if (n < 0 && errno == EINTR && g->packed == NULL)
            continue;
        if (n <= 0)
            return hr_error_set(error, HR_EIO, "%s cannot be written: %s", name, strerror(errno));
        done += (size_t)n;
    }
    g->buffer.size = 0;
    return HR_OK;
}

static void hr_generate_open_stdout(generate *g)
{
    struct stat there;

    g->fd = STDOUT_FILENO;
    g->waits = fstat(g->fd, &there) != 0 || !S_ISREG(there.st_mode);
}

static int hr_generate_open(generate *g, hr_error *error)
{
    const char *kind = json_string_value(json_object_get(g->to, "kind"));

    g->fd = -1;
    if (kind != NULL && strcmp(kind, "kafka") == 0)
        return hr_generate_open_kafka(g, error);
    if (kind != NULL && strcmp(kind, "file") == 0)
        HR_RETURN_NOT_OK(hr_generate_open_file(g, error));
    else if (kind != NULL && strcmp(kind, "stdout") == 0)
        hr_generate_open_stdout(g);
    else
        return hr_error_set(error, HR_EUSAGE, "generate: \"to\" must have the kind kafka, file or stdout");
    if (g->generator.format == HR_GENERATE_CSV) {
        HR_RETURN_NOT_OK(hr_buffer_append(&g->buffer, g->generator.ops->csv_header, strlen(g->generator.ops->csv_header), error));
        return hr_buffer_append(&g->buffer, "\n", 1, error);
    }
    return HR_OK;
}

/* The last bytes. */
static int hr_generate_finish(generate *g, hr_error *error)
{
    if (g->producer != NULL)
        return hr_kafka_producer_flush(g->producer, 0, error);
    HR_RETURN_NOT_OK(hr_generate_write(g, error));
    if (g->packed != NULL) {
        int rc = gzclose(g->packed);
        g->packed = NULL;
        if (rc != Z_OK)
            return hr_error_set(error, HR_EIO, "%s cannot be written: %s", g->part, rc == Z_ERRNO ? strerror(errno) : "out of memory");
    } else if (g->part != NULL) {
        int rc = close(g->fd);
        g->fd = -1;
        if (rc != 0)
            return hr_error_set(error, hr_code_of_file(errno), "%s cannot be written: %s", g->part, strerror(errno));
    }
    return HR_OK;
}

/* The file under its name: the last thing that can fail. */
static int hr_generate_publish(generate *g, hr_error *error)
{
    if (g->plain && rename(g->part, g->path) != 0)
        return hr_error_set(error, hr_code_of_file(errno), "%s cannot be renamed to %s: %s", g->part, g->path, strerror(errno));
    return HR_OK;
}

/* Free all; a file that is not complete goes. */
static void hr_generate_close(generate *g, bool complete)
{
    hr_kafka_producer_close(g->producer);
    if (g->packed != NULL)
        gzclose(g->packed);
    if (g->part != NULL && g->fd >= 0)
        close(g->fd);
    if (g->plain && !complete)
        unlink(g->part);
    hr_buffer_free(&g->buffer);
    hr_free(g->path);
    hr_free(g->part);
    json_decref(g->config);
}

/* ---- the run ---- */

/* Between records: cancel, progress, and the nap that keeps the rate. */
static int hr_generate_look(generate *g, int64_t done, hr_error *error)
{
    for (;;) {
        int64_t now = hr_kafka_now_ms();

        if (hr_generate_cancelled(g))
            return hr_error_set(error, HR_ECANCELLED, "stopped by the caller after %lld records", (long long)done);
        if (g->progress != NULL && now >= g->next_progress_ms) {
            g->next_progress_ms = now + HR_GENERATE_PROGRESS_MS;
            g->progress(g->arg, done, g->count);
        }
        if (hr_pace_due(g->rate, done, now - g->started_ms))
            return HR_OK;
        hr_pace_nap();
    }
}

static int hr_generate_records(generate *g, hr_error *error)
{
    int64_t stride = hr_pace_stride(g->rate);
    hr_generated about;

    for (int64_t i = 0; i < g->count; i++) {
        size_t before;

        if (i % stride == 0)
            HR_RETURN_NOT_OK(hr_generate_look(g, i, error));
        if (g->producer != NULL)
            g->buffer.size = 0;
        before = g->buffer.size;
        HR_RETURN_NOT_OK(hr_generator_record(&g->generator, g->first + i, &g->buffer, &about, error));
        g->bytes += (int64_t)(g->buffer.size - before);
        if (g->producer != NULL) {
            hr_kafka_message message = {.key = about.key, .key_len = about.key_len, .value = g->buffer.data, .len = g->buffer.size};
            HR_RETURN_NOT_OK(hr_kafka_producer_send(g->producer, &message, error));
        } else {
            HR_RETURN_NOT_OK(hr_buffer_append(&g->buffer, "\n", 1, error));
            if (g->buffer.size >= HR_GENERATE_BLOCK || g->rate > 0)
                HR_RETURN_NOT_OK(hr_generate_write(g, error));
        }
    }
    return HR_OK;
}

/* The truth about what was made. NULL when memory runs out. */
static char *hr_generate_result(const generate *g)
{
    const hr_generator_ops *ops = g->generator.ops;
    json_t *settings = json_object(), *kinds = json_object(), *reasons = json_object(), *result = NULL;
    int64_t by_reason[HR_REASON_COUNT] = {0}, rejected = 0;
    char *text = NULL;
    bool failed = settings == NULL || kinds == NULL || reasons == NULL;

    for (size_t i = 0; ops->settings[i].name != NULL; i++)
        failed |= json_object_set_new(settings, ops->settings[i].name, json_integer(g->generator.settings[i])) != 0;
    for (size_t i = 0; ops->kinds[i].name != NULL; i++) {
        failed |= json_object_set_new(kinds, ops->kinds[i].name, json_integer(g->generator.counts[i])) != 0;
        by_reason[ops->kinds[i].reason] += g->generator.counts[i];
    }
    for (int r = HR_REASON_NONE + 1; r < HR_REASON_COUNT; r++) {
        rejected += by_reason[r];
        if (by_reason[r] > 0)
            failed |= json_object_set_new(reasons, hr_reason_name((hr_reason)r), json_integer(by_reason[r])) != 0;
    }
    if (!failed)
        result = json_pack("{s:s, s:I, s:I, s:I, s:f, s:O, s:O, s:{s:I, s:I, s:O}}", "data", ops->name, "first", (json_int_t)g->first,
                           "records", (json_int_t)g->count, "bytes", (json_int_t)g->bytes, "seconds",
                           (double)(hr_kafka_now_ms() - g->started_ms) / 1000, "settings", settings, "kinds", kinds, "expected", "loaded",
                           (json_int_t)by_reason[HR_REASON_NONE], "rejected", (json_int_t)rejected, "reasons", reasons);
    if (result != NULL && g->truth != NULL)
        failed = json_object_set_new(result, "truth",
                                     json_pack("{s:s, s:I, s:I}", "path", g->truth, "seconds", (json_int_t)g->truth_seconds, "windows",
                                               (json_int_t)g->truth_windows)) != 0;
    if (result != NULL && !failed)
        text = hr_json_text_of(result, JSON_COMPACT | JSON_REAL_PRECISION(6));
    json_decref(result);
    json_decref(settings);
    json_decref(kinds);
    json_decref(reasons);
    return text;
}

int hr_generate(const char *config_json, hr_generate_progress progress, void *arg, const atomic_bool *cancel, char **result,
                hr_error *error)
{
    generate g;
    int rc;

    *result = NULL;
    memset(&g, 0, sizeof(g));
    g.fd = -1;
    g.progress = progress;
    g.arg = arg;
    g.cancel = cancel;
    g.started_ms = hr_kafka_now_ms();
    rc = hr_generate_parse(&g, config_json, error);
    if (rc == HR_OK)
        rc = hr_generate_open(&g, error);
    if (rc == HR_OK)
        rc = hr_generate_records(&g, error);
    if (rc == HR_OK)
        rc = hr_generate_finish(&g, error);
    if (rc == HR_OK && g.truth != NULL)
        rc = hr_frames_truth_write(&g.generator, g.first, g.count, g.truth_seconds, g.truth, cancel, &g.truth_windows, error);
    if (rc == HR_OK) {
        *result = hr_generate_result(&g);
        rc = *result != NULL ? hr_generate_publish(&g, error) : hr_error_nomem(error);
    }
    if (rc == HR_OK && progress != NULL)
        progress(arg, g.count, g.count);
    if (rc != HR_OK) {
        hr_free(*result);
        *result = NULL;
    }
    hr_generate_close(&g, rc == HR_OK);
    return rc;
}
