/* csrc/io/source/source_file.c: files and standard input as lanes of byte ranges.
 *
 * Settings: "paths": [...], "identity": whether offsets belong to the file's bytes (topic "file:<path>#<fingerprint>", so that the same
 * bytes are loaded once and changed bytes anew) or to this run only; "format", "csv" (load_config.c puts them there).
 */
#include <pthread.h>
#include <stdio.h>

#include "framer.h"
#include "source.h"

#define HR_FILE_LANE_BYTES                                                                                                                 \
    (INT64_C(32) << 20) /* one more lane for every 32 MiB: a rule of the file's size alone, so that a resumed run cuts alike */
#define HR_FILE_MAX_LANES 16

/* What fetch hands out: frames, and what they need that the framer does not have. */
typedef struct hr_file_chunk {
    hr_frames frames;
    hr_position position;
    hr_record defect;
    char *defect_bytes;
} hr_file_chunk;

typedef struct hr_file_lane {
    const char *path;
    char *header; /* CSV: the header line; NULL when there is none */
    int64_t begin, end, next;
    int32_t partition;
    int64_t base; /* lines of the file before begin; -1 not counted yet */
    bool done;
} hr_file_lane;

struct hr_source {
    const hr_format *format;
    hr_decode_options decode;
    hr_file_lane *lanes;
    int32_t count, current;
    hr_framer *framer; /* of the current lane */
    const atomic_bool *cancel;
    pthread_mutex_t lock; /* guards lanes[].base */
};

/* The format and the CSV options as the settings say. */
static int hr_source_file_format(const json_t *config, const hr_format **format, hr_decode_options *decode, hr_error *error)
{
    const json_t *csv = json_object_get(config, "csv"), *header = json_object_get(csv, "header");
    const char *delimiter = json_string_value(json_object_get(csv, "delimiter")), *quote = json_string_value(json_object_get(csv, "quote"));

    memset(decode, 0, sizeof(*decode));
    *format = hr_format_find(json_string_value(json_object_get(config, "format")));
    if (*format == NULL || (*format)->frame == NULL)
        return hr_error_set(error, HR_EUSAGE, "this format does not come in files");
    decode->delimiter = delimiter != NULL ? delimiter[0] : ',';
    decode->quote = quote != NULL ? quote[0] : '"';
    decode->has_header = (*format)->header != NULL && (header == NULL || json_is_true(header));
    return HR_OK;
}

/* The lanes of one file appended to out. */
static int hr_source_file_plan_one(const char *path, bool identity, const hr_format *format, const hr_decode_options *decode,
                                   const atomic_bool *cancel, hr_lanes *out, hr_error *error)
{
    hr_file_range ranges[HR_FILE_MAX_LANES];
    char fingerprint[HR_FINGERPRINT_SIZE] = "";
    hr_file *file;
    int64_t size;
    int32_t want, n;
    hr_lane *lanes;

    HR_RETURN_NOT_OK(hr_file_open(path, &file, error));
    size = hr_file_size(file);
    hr_file_close(file);
    if (identity)
        HR_RETURN_NOT_OK(hr_file_fingerprint(path, fingerprint, cancel, error));
    want = size < HR_FILE_LANE_BYTES ? 1 : (int32_t)(size / HR_FILE_LANE_BYTES + 1);
    want = want < HR_FILE_MAX_LANES ? want : HR_FILE_MAX_LANES;
    HR_RETURN_NOT_OK(hr_file_lanes(path, format, decode, want, ranges, &n, cancel, error));
    lanes = hr_realloc(out->lanes, sizeof(*lanes) * (size_t)(out->count + n));
    if (lanes == NULL)
        return hr_error_nomem(error);
    out->lanes = lanes;
    for (int32_t i = 0; i < n; i++) {
        hr_lane *lane = &out->lanes[out->count];
        size_t room = strlen(path) + 48;

        memset(lane, 0, sizeof(*lane));
        lane->topic = hr_malloc(room);
        if (lane->topic == NULL)
            return hr_error_nomem(error);
        snprintf(lane->topic, room, "file:%s%s%s", path, identity ? "#" : "", fingerprint);
        lane->partition = i;
        lane->begin = lane->next = ranges[i].begin;
        lane->end = ranges[i].end;
        lane->backlog_bytes = ranges[i].end != INT64_MAX ? ranges[i].end - ranges[i].begin : -1;
        out->count++;
    }
    return HR_OK;
}

static int hr_source_file_plan(const json_t *config, int32_t want, const atomic_bool *cancel, hr_lanes *out, hr_error *error)
{
    const json_t *paths = json_object_get(config, "paths");
    hr_decode_options decode;
    const hr_format *format;
    int rc;

    (void)want;
    memset(out, 0, sizeof(*out));
    if (!json_is_array(paths) || json_array_size(paths) == 0)
        return hr_error_set(error, HR_EUSAGE, "setting \"paths\" must be a list of files");
    HR_RETURN_NOT_OK(hr_source_file_format(config, &format, &decode, error));
    rc = HR_OK;
    for (size_t i = 0; i < json_array_size(paths) && rc == HR_OK; i++) {
        const char *path = json_string_value(json_array_get(paths, i));
        if (path == NULL)
            rc = hr_error_set(error, HR_EUSAGE, "setting \"paths\" must be a list of files");
        else
            rc = hr_source_file_plan_one(path, json_is_true(json_object_get(config, "identity")), format, &decode, cancel, out, error);
    }
    if (rc != HR_OK)
        hr_lanes_free(out);
    return rc;
}

static int hr_source_stdin_plan(const json_t *config, int32_t want, const atomic_bool *cancel, hr_lanes *out, hr_error *error)
{
    (void)config;
    (void)want;
    (void)cancel;
    return hr_lanes_single("stdin", out, error);
}

static void hr_source_file_close(hr_source *source)
{
    hr_framer_close(source->framer);
    for (int32_t i = 0; i < source->count; i++)
        hr_free(source->lanes[i].header);
    pthread_mutex_destroy(&source->lock);
    hr_free(source->lanes);
    hr_free(source);
}

/* The path in a lane's topic: between "file:" and the fingerprint. Found among the settings, so that a '#' in a path does no harm. */
static const char *hr_source_file_path(const json_t *config, const char *topic)
{
    const json_t *paths = json_object_get(config, "paths");
    const char *best = NULL;

    if (paths == NULL)
        return "-";
    for (size_t i = 0; i < json_array_size(paths); i++) {
        const char *path = json_string_value(json_array_get(paths, i));
        size_t n = strlen(path);
        if (strncmp(topic + 5, path, n) == 0 && (topic[5 + n] == '\0' || topic[5 + n] == '#') && (best == NULL || n > strlen(best)))
            best = path;
    }
    return best;
}

static int hr_source_file_no_csv(const hr_file_lane *lane, hr_error *error)
{
    return hr_error_set(error, HR_EUSAGE, "%s: the header line holds a NUL byte: this is no CSV file", lane->path);
}

/* A lane that does not start at the file's beginning learns the header from there. */
static int hr_source_file_header(const hr_source *source, hr_file_lane *lane, hr_error *error)
{
    hr_buffer head = {0};
    int rc;

    if (!source->decode.has_header || lane->next == 0)
        return HR_OK;
    rc = hr_file_head(lane->path, source->format, &source->decode, &head, error);
    if (rc == HR_OK && head.size > 0 && memchr(head.data, '\0', head.size) != NULL)
        rc = hr_source_file_no_csv(lane, error);
    if (rc == HR_OK)
        rc = hr_buffer_append(&head, "", 1, error);
    if (rc != HR_OK) {
        hr_buffer_free(&head);
        return rc;
    }
    lane->header = (char *)head.data;
    return HR_OK;
}

static int hr_source_file_open(const json_t *config, const hr_lane *lanes, int32_t count, const atomic_bool *cancel, hr_source **out,
                               hr_error *error)
{
    hr_source *source = hr_calloc(1, sizeof(*source));
    int rc;

    *out = NULL;
    if (source == NULL)
        return hr_error_nomem(error);
    source->cancel = cancel;
    pthread_mutex_init(&source->lock, NULL);
    source->lanes = hr_calloc((size_t)count + 1, sizeof(*source->lanes));
    rc = source->lanes != NULL ? hr_source_file_format(config, &source->format, &source->decode, error) : hr_error_nomem(error);
    for (int32_t i = 0; i < count && rc == HR_OK; i++) {
        hr_file_lane *lane = &source->lanes[source->count++];

        lane->path = hr_source_file_path(config, lanes[i].topic);
        lane->partition = lanes[i].partition;
        lane->begin = lane->next = lanes[i].next;
        lane->end = lanes[i].end;
        lane->base = lane->begin == 0 ? 0 : -1;
        lane->done = lane->next >= lane->end;
        if (!lane->done)
            rc = hr_source_file_header(source, lane, error);
    }
    if (rc != HR_OK) {
        hr_source_file_close(source);
        return rc;
    }
    *out = source;
    return HR_OK;
}

/* Open a lane's file. Compressed data is tried out whole first: its check sum stands at its end, after rows of damaged bytes would have
 * been loaded, and what is half copied will be another file tomorrow. */
static int hr_source_file_start(hr_source *source, int32_t index, hr_error *error)
{
    hr_file_lane *lane = &source->lanes[index];
    hr_framer_options options = {.format = source->format,
                                 .decode = &source->decode,
                                 .begin = lane->next,
                                 .end = lane->end,
                                 .topic = lane->path,
                                 .partition = lane->partition};

    if (lane->next == 0 && strcmp(lane->path, "-") != 0)
        HR_RETURN_NOT_OK(hr_file_check(lane->path, source->cancel, error));
    return hr_framer_open(lane->path, &options, &source->framer, error);
}

/* The first record of a file that starts with its header: keep it, leave it out of the frames. Blank lines before it are left out too. */
static int hr_source_file_take_header(hr_source *source, hr_file_lane *lane, hr_frames *frames, int64_t *first, hr_error *error)
{
    const hr_record *head;

    *first = 0;
    if (!source->decode.has_header || lane->header != NULL)
        return HR_OK;
    while (*first < frames->count && frames->records[*first].len == 0)
        (*first)++;
    if (*first == frames->count)
        return HR_OK;
    head = &frames->records[(*first)++];
    lane->header = hr_malloc(head->len + 1);
    if (lane->header == NULL)
        return hr_error_nomem(error);
    memcpy(lane->header, head->data, head->len);
    lane->header[head->len] = '\0';
    if (strlen(lane->header) != head->len)
        return hr_source_file_no_csv(lane, error);
    return HR_OK;
}

/* A record beyond the limit: its beginning becomes the raw bytes of a reject. */
static int hr_source_file_defect(hr_source *source, hr_file_chunk *chunk, int64_t at, const hr_error *why, hr_error *error)
{
    const hr_file_lane *lane = &source->lanes[source->current];

    chunk->defect_bytes = hr_malloc(why->value_len + 1);
    if (chunk->defect_bytes == NULL)
        return hr_error_nomem(error);
    memcpy(chunk->defect_bytes, why->value, why->value_len);
    chunk->defect = (hr_record){.data = chunk->defect_bytes,
                                .len = why->value_len,
                                .offset = at,
                                .line = chunk->frames.line,
                                .timestamp = HR_NO_TIMESTAMP,
                                .topic = lane->path,
                                .partition = lane->partition,
                                .lane = source->current,
                                .header = lane->header,
                                .defect = "the record is longer than 1 GiB, PostgreSQL's limit for a value; only its beginning is kept"};
    return HR_OK;
}

static void hr_source_file_release(hr_source *source, hr_chunk *chunk)
{
    hr_file_chunk *own = chunk->owner;

    (void)source;
    if (own == NULL)
        return;
    if (own->frames.block != NULL || own->frames.records != NULL)
        hr_frames_release(&own->frames);
    hr_free(own->defect_bytes);
    hr_free(own);
    chunk->owner = NULL;
}

/* Read from the current lane; when it is at its end, the next call goes on with the next. */
static int hr_source_file_fetch(hr_source *source, int32_t timeout_ms, int64_t max_records, hr_chunk *out, hr_error *error)
{
    hr_file_chunk *own;
    hr_file_lane *lane;
    hr_error why;
    int64_t first = 0;
    int rc;

    memset(out, 0, sizeof(*out));
    while (source->current < source->count && source->lanes[source->current].done)
        source->current++;
    if (source->current == source->count) {
        out->finished = true;
        return HR_OK;
    }
    lane = &source->lanes[source->current];
    if (source->framer == NULL)
        HR_RETURN_NOT_OK(hr_source_file_start(source, source->current, error));
    own = hr_calloc(1, sizeof(*own));
    if (own == NULL)
        return hr_error_nomem(error);
    out->owner = own;
    rc = hr_framer_next(source->framer, timeout_ms, max_records, &own->frames, &why);
    if (rc == HR_EDATA) {
        rc = hr_source_file_defect(source, own, lane->next, &why, error);
        out->records = &own->defect;
        out->count = 1;
    } else if (rc != HR_OK) {
        if (error != NULL)
            *error = why;
    } else {
        rc = hr_source_file_take_header(source, lane, &own->frames, &first, error);
        out->header = first > 0 ? lane->header : NULL; /* still NULL when the lines so far are blank */
        out->header_topic = lane->path;
        out->records = own->frames.records + first;
        out->count = own->frames.count - first;
        for (int64_t i = 0; i < out->count; i++) {
            out->records[i].lane = source->current;
            out->records[i].header = lane->header;
        }
    }
    if (rc != HR_OK) {
        hr_source_file_release(source, out);
        return rc;
    }
    if (own->frames.next > lane->next || own->frames.finished) {
        lane->next = own->frames.next > lane->next ? own->frames.next : lane->next;
        own->position = (hr_position){source->current, lane->next, 0};
        out->positions = &own->position;
        out->position_count = 1;
    }
    if (own->frames.finished) {
        lane->done = true;
        hr_framer_close(source->framer);
        source->framer = NULL;
        out->finished = source->current + 1 == source->count;
    }
    return HR_OK;
}

static int hr_source_file_line(hr_source *source, const hr_record *record, int64_t *line, hr_error *error)
{
    hr_file_lane *lane = &source->lanes[record->lane];
    int rc = HR_OK;

    pthread_mutex_lock(&source->lock);
    if (lane->base < 0) {
        int64_t first = 1;
        rc = hr_file_line_of(lane->path, lane->begin, &first, source->cancel, error);
        lane->base = rc == HR_OK ? first - 1 : -1;
    }
    *line = record->line + lane->base;
    pthread_mutex_unlock(&source->lock);
    return rc;
}

const hr_source_ops hr_source_file = {
    .kind = "file",
    .plan = hr_source_file_plan,
    .open = hr_source_file_open,
    .fetch = hr_source_file_fetch,
    .line = hr_source_file_line,
    .release = hr_source_file_release,
    .close = hr_source_file_close,
};

const hr_source_ops hr_source_stdin = {
    .kind = "stdin",
    .plan = hr_source_stdin_plan,
    .open = hr_source_file_open,
    .fetch = hr_source_file_fetch,
    .line = hr_source_file_line,
    .release = hr_source_file_release,
    .close = hr_source_file_close,
};
