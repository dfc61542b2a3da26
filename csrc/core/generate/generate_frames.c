/* csrc/core/generate/generate_frames.c: frames of a web site's visitors: a user id, a Unix time and some dozens of other fields, nested.
 *
 *     {"type": ..., "uid": 4711, "page": {...}, "ts": 1767225600, "device": {...}, ...}
 *
 * Times go up with the frame's number, `rate` frames a second; shares of frames are disordered, late, from the far future or damaged. A
 * late frame is behind everything around it by more than the lateness, so whoever partitions the frames by user, and counts by windows of
 * minutes, must find every one of them late.
 */
#include "generate_frames.h"

#include <stdlib.h>

#include "generate_shop.h"

enum { SEED, USERS, START, RATE, LATENESS, DISORDER, DISORDER_SECONDS, LATE, FUTURE, MALFORMED, FIELDS, SIZE, UID_TEXT };
enum { HR_FRAMES_KIND = 101, HR_FRAMES_FACTS, HR_FRAMES_TEXT };

#define HR_MILLION 1000000
#define HR_FRAME_SIZE 6144
#define HR_FRAME_YEAR_9999 INT64_C(253370764800)

static const hr_generator_setting frame_settings[] = {
    [SEED] = {"seed", 1, INT64_MIN, INT64_MAX, "the same seed makes the same frames"},
    [USERS] = {"users", 100000, 1, 2000000000, "users that visit"},
    [START] = {"start", 1767225600, 0, INT64_C(100000000000), "the time of the first frame, in seconds since 1970"},
    [RATE] = {"rate", 1000, 1, 100000000, "frames in a second of their own time"},
    [LATENESS] = {"lateness", 3600, 0, 100000000, "seconds that a frame may be behind without being late"},
    [DISORDER] = {"disorder", 100000, 0, HR_MILLION, "frames in a million that come after later ones, but in time"},
    [DISORDER_SECONDS] = {"disorder_seconds", 120, 1, 100000000, "seconds that these are behind at most"},
    [LATE] = {"late", 0, 0, HR_MILLION, "late frames in a million"},
    [FUTURE] = {"future", 0, 0, HR_MILLION, "frames in a million from the year 9999"},
    [MALFORMED] = {"malformed", 0, 0, HR_MILLION, "damaged frames in a million, of several kinds"},
    [FIELDS] = {"fields", 40, 20, 60, "fields of a frame, nested ones counted singly"},
    [SIZE] = {"size", 1500, 500, 3000, "bytes of a frame, about; the fields alone may take more"},
    [UID_TEXT] = {"uid_text", 0, 0, 1, "1: user ids are texts, 0: numbers"},
    {NULL, 0, 0, 0, NULL},
};

static const hr_generator_kind frame_kinds[] = {
    [HR_FRAME_PLAIN] = {"plain", HR_REASON_NONE},
    [HR_FRAME_DISORDERED] = {"disordered", HR_REASON_NONE},
    [HR_FRAME_LATE] = {"late", HR_REASON_NONE},
    [HR_FRAME_FUTURE] = {"future", HR_REASON_NONE},
    [HR_FRAME_TRUNCATED] = {"truncated", HR_REASON_MALFORMED},
    [HR_FRAME_NOT_JSON] = {"not_json", HR_REASON_MALFORMED},
    [HR_FRAME_DEEP] = {"broken_inside", HR_REASON_MALFORMED},
    [HR_FRAME_ENCODING] = {"invalid_utf8", HR_REASON_ENCODING},
    [HR_FRAME_NO_TIME] = {"no_time", HR_REASON_NULL},
    [HR_FRAME_BAD_TIME] = {"bad_time", HR_REASON_TYPE},
    {NULL, HR_REASON_NONE},
};

static int hr_frames_check(const int64_t *settings, hr_generator_format format, hr_error *error)
{
    int64_t shares = settings[DISORDER] + settings[LATE] + settings[FUTURE] + settings[MALFORMED];

    if (format != HR_GENERATE_JSON)
        return hr_error_set(error, HR_EUSAGE, "generating frames: they are nested, and can only be made as JSON");
    if (shares > HR_MILLION)
        return hr_error_set(error, HR_EUSAGE, "generating frames: disorder, late, future and malformed make %lld in a million",
                            (long long)shares);
    if (settings[DISORDER] > 0 && settings[DISORDER_SECONDS] > settings[LATENESS] && settings[LATENESS] > 0)
        return hr_error_set(error, HR_EUSAGE, "generating frames: disorder_seconds above the lateness would make late frames");
    return HR_OK;
}

/* When frame `index` is due. */
static int64_t hr_frame_due(const int64_t *settings, int64_t index)
{
    return settings[START] + index / settings[RATE];
}

/* By the shares. In the first minute no frame is disordered or late, for there is nothing to be behind of. */
static hr_frame_kind hr_frame_kind_of(const int64_t *settings, int64_t index)
{
    hr_random random = hr_random_of(settings[SEED], HR_FRAMES_KIND, index);
    int64_t at = hr_random_below(&random, HR_MILLION);
    bool early = hr_frame_due(settings, index) < settings[START] + 60;

    if ((at -= settings[MALFORMED]) < 0)
        return (hr_frame_kind)(HR_FRAME_TRUNCATED + hr_random_below(&random, HR_FRAME_KINDS - HR_FRAME_TRUNCATED));
    if ((at -= settings[FUTURE]) < 0)
        return HR_FRAME_FUTURE;
    if ((at -= settings[LATE]) < 0)
        return early ? HR_FRAME_PLAIN : HR_FRAME_LATE;
    if ((at -= settings[DISORDER]) < 0)
        return early || settings[LATENESS] == 0 ? HR_FRAME_PLAIN : HR_FRAME_DISORDERED;
    return HR_FRAME_PLAIN;
}

void hr_frame_fact_of(const int64_t *settings, int64_t index, hr_frame_fact *out)
{
    hr_random random = hr_random_of(settings[SEED], HR_FRAMES_FACTS, index);

    out->kind = hr_frame_kind_of(settings, index);
    out->user = 1 + (int64_t)hr_random_below(&random, (uint32_t)settings[USERS]);
    out->time = hr_frame_due(settings, index);
    if (out->kind == HR_FRAME_DISORDERED) {
        int64_t reach = settings[DISORDER_SECONDS] < settings[LATENESS] ? settings[DISORDER_SECONDS] : settings[LATENESS];

        out->time -= (int64_t)hr_random_below(&random, (uint32_t)reach + 1);
    }
    if (out->kind == HR_FRAME_LATE)
        out->time -= settings[LATENESS] + 2 * HR_FRAME_MARGIN + (int64_t)hr_random_below(&random, 3600);
    if (out->kind == HR_FRAME_FUTURE)
        out->time = HR_FRAME_YEAR_9999 + (int64_t)hr_random_below(&random, 86400);
}

/* ---- the text ---- */

static const char *const words[] = {"autumn",  "basket", "camera",  "delta",  "engine",  "forest", "garden",
                                    "harbour", "island", "jacket",  "kettle", "lantern", "market", "night",
                                    "orange",  "paper",  "quarter", "river",  "summer",  "table",  "umbrella"};
static const char *const odd[] = {"\"Caf\xc3\xa9 \\\"Zwei\\\"\"", "\"\xc5\x81\xc3\xb3\x64\xc5\xba\"", "\"a\\/b\\n\"", "\"\\u00e4ther\"",
                                  "\"\xe6\x9d\xb1\xe4\xba\xac\""};
static const char *const names[] = {"page",    "device",  "geo",    "session", "campaign", "cart",     "user_agent", "screen",
                                    "network", "consent", "search", "video",   "product",  "referrer", "timing",     "experiment"};
static const char *const leaves[] = {"id",     "name",  "title", "path",   "code",  "width", "height", "score",
                                     "status", "count", "label", "source", "value", "ratio", "flags",  "since"};
#define HR_OF(list, random) ((list)[hr_random_below((random), sizeof(list) / sizeof((list)[0]))])

/* A value. Its kind belongs to the field, as with most writers of JSON; now and then it is null. */
static char *hr_frame_value(char *to, hr_random *random, uint32_t field)
{
    if (hr_random_below(random, 32) == 0)
        return HR_PUT(to, "null");
    switch (hr_mix64(field) % 16) {
    case 0: return HR_PUT(to, "true");
    case 1: return HR_PUT(to, "null");
    case 2:
    case 3: return hr_put_int(to, (int64_t)hr_random_below(random, 1000000) - 1000);
    case 4: to = hr_put_hundredths(to, hr_random_below(random, 10000000)); return to;
    case 5: to = hr_put_hundredths(to, hr_random_below(random, 1000)); return HR_PUT(to, "e-7");
    case 6:
        to = HR_PUT(to, "[");
        to = hr_put_int(to, hr_random_below(random, 100));
        to = HR_PUT(to, ",");
        to = hr_put_int(to, hr_random_below(random, 100000));
        return HR_PUT(to, ",[]]");
    case 7: return hr_put_text(to, HR_OF(odd, random));
    default:
        *to++ = '"';
        for (uint32_t i = 0, n = 1 + hr_random_below(random, 4); i < n; i++) {
            if (i > 0)
                *to++ = ' ';
            to = hr_put_text(to, HR_OF(words, random));
        }
        *to++ = '"';
        return to;
    }
}

/* A key; a number makes it different from the others of its object. */
static char *hr_frame_key(char *to, const char *name, uint32_t number)
{
    *to++ = '"';
    to = hr_put_text(to, name);
    if (number > 0) {
        *to++ = '_';
        to = hr_put_int(to, number);
    }
    return HR_PUT(to, "\":");
}

/* An object of `count` fields, every fourth of which is in an object of its own. */
static char *hr_frame_object(char *to, hr_random *random, uint32_t block, uint32_t count)
{
    *to++ = '{';
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0)
            *to++ = ',';
        to = hr_frame_key(to, leaves[i % 16], i / 16);
        if (i % 4 == 3) {
            to = HR_PUT(to, "{\"of\":");
            to = hr_frame_value(to, random, block * 64 + i);
            *to++ = '}';
        } else {
            to = hr_frame_value(to, random, block * 64 + i);
        }
    }
    *to++ = '}';
    return to;
}

static char *hr_frame_uid(char *to, const int64_t *settings, int64_t user)
{
    if (!settings[UID_TEXT])
        return hr_put_int(to, user);
    to = HR_PUT(to, "\"u");
    hr_print_padded(to, (uint32_t)(hr_mix64((uint64_t)user) % 100000), 5);
    to += 5;
    *to++ = '-';
    to = hr_put_int(to, user);
    *to++ = '"';
    return to;
}

static char *hr_frame_time(char *to, const hr_frame_fact *fact)
{
    if (fact->kind == HR_FRAME_NO_TIME)
        return HR_PUT(to, "null");
    if (fact->kind == HR_FRAME_BAD_TIME)
        return HR_PUT(to, "\"yesterday\"");
    return hr_put_int(to, fact->time);
}

static char *hr_frames_record(const int64_t *settings, int64_t index, hr_generator_format format, char *to, hr_generated *about)
{
    hr_random random = hr_random_of(settings[SEED], HR_FRAMES_TEXT, index);
    uint32_t fields = (uint32_t)settings[FIELDS] - 3, block = 0;
    hr_frame_fact fact;
    char *start = to, *end;

    (void)format;
    hr_frame_fact_of(settings, index, &fact);
    about->kind = (int32_t)fact.kind;
    about->key_len = hr_print_int64(about->key, fact.user);
    if (fact.kind == HR_FRAME_NOT_JSON)
        return hr_put_int(HR_PUT(to, "frame "), index);
    to = HR_PUT(to, "{\"type\":\"view\",\"uid\":");
    to = hr_frame_uid(to, settings, fact.user);
    while (fields > 0) {
        uint32_t count = 3 + (block * 5) % 7;

        count = count < fields ? count : fields;
        *to++ = ',';
        if (block == 2) {
            to = HR_PUT(to, "\"ts\":");
            to = hr_frame_time(to, &fact);
            *to++ = ',';
        }
        to = hr_frame_key(to, names[block % 16], block / 16);
        to = hr_frame_object(to, &random, block, count);
        fields -= count;
        block++;
    }
    if (fact.kind == HR_FRAME_DEEP)
        to = HR_PUT(to, ",\"trace\":{\"spans\":[1,2,{\"a\":}]}");
    to = HR_PUT(to, ",\"note\":\"");
    if (fact.kind == HR_FRAME_ENCODING)
        to = HR_PUT(to, "\xc3(");
    while (to - start + 16 < settings[SIZE]) {
        to = hr_put_text(to, HR_OF(words, &random));
        *to++ = ' ';
    }
    end = HR_PUT(to, "\"}");
    return fact.kind == HR_FRAME_TRUNCATED ? start + (end - start) * 2 / 3 : end;
}

/* ---- the truth ---- */

typedef struct hr_frame_visit {
    int64_t window, user;
} hr_frame_visit;

static int hr_frame_visit_compare(const void *a, const void *b)
{
    const hr_frame_visit *x = a, *y = b;

    if (x->window != y->window)
        return x->window < y->window ? -1 : 1;
    return (x->user > y->user) - (x->user < y->user);
}

/* By sorting: slow and simple, as it is what others are measured against. */
int hr_frames_truth(const int64_t *settings, int64_t first, int64_t count, int64_t seconds, hr_frame_window **windows,
                    int64_t *window_count, hr_error *error)
{
    hr_frame_visit *visits;
    size_t kept = 0;
    int64_t found = 0;

    *windows = NULL;
    *window_count = 0;
    if (seconds < 1 || seconds > HR_FRAME_MARGIN || first < 0 || count < 0)
        return hr_error_set(error, HR_EUSAGE, "the truth about frames is known for windows of 1 to %d seconds", HR_FRAME_MARGIN);
    visits = hr_malloc(((size_t)count + 1) * sizeof(*visits));
    if (visits == NULL)
        return hr_error_nomem(error);
    for (int64_t i = first; i < first + count; i++) {
        hr_frame_fact fact;

        hr_frame_fact_of(settings, i, &fact);
        if (fact.kind == HR_FRAME_PLAIN || fact.kind == HR_FRAME_DISORDERED)
            visits[kept++] = (hr_frame_visit){hr_floor_div(fact.time, seconds) * seconds, fact.user};
    }
    qsort(visits, kept, sizeof(*visits), hr_frame_visit_compare);
    for (size_t i = 0; i < kept; i++)
        found += i == 0 || visits[i].window != visits[i - 1].window;
    *windows = hr_calloc((size_t)found + 1, sizeof(**windows));
    if (*windows == NULL) {
        hr_free(visits);
        return hr_error_nomem(error);
    }
    for (size_t i = 0; i < kept; i++) {
        hr_frame_window *window;

        if (i == 0 || visits[i].window != visits[i - 1].window)
            (*windows)[(*window_count)++].start = visits[i].window;
        window = &(*windows)[*window_count - 1];
        window->frames++;
        window->users += i == 0 || visits[i].window != visits[i - 1].window || visits[i].user != visits[i - 1].user;
    }
    hr_free(visits);
    return HR_OK;
}

extern const hr_generator_ops hr_generator_frames;
const hr_generator_ops hr_generator_frames = {
    .name = "frames",
    .help = "frames of a web site's visitors (uid, ts and dozens of nested fields), keyed by user, with shares of disordered, late and "
            "damaged ones",
    .settings = frame_settings,
    .kinds = frame_kinds,
    .csv_header = "",
    .record_size = HR_FRAME_SIZE,
    .check = hr_frames_check,
    .record = hr_frames_record,
};
