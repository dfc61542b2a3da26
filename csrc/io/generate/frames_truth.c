/* csrc/io/generate/frames_truth.c: the truth about generated frames, a stretch of windows at a time.
 *
 * A frame's time is its due time, or at most the disorder behind it. So the frames that can count in the windows of [from, to) are those
 * due in [from, to + disorder]: they are looked at, and no others.
 */
#include "frames_truth.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/types/civil.h"
#include "core/generate/generate_frames.h"

#define HR_TRUTH_STRETCH (INT64_C(1) << 20) /* frames in a stretch of windows, about */
#define HR_TRUTH_LOOK 65536                 /* frames between two looks at cancel */

typedef struct truth {
    const hr_generator *generator;
    int64_t first, count, seconds;
    int64_t start, rate, reach; /* of the data set's settings; reach: seconds that a frame may be behind */
    const atomic_bool *cancel;
    uint64_t *visits; /* window of the stretch in the upper half, user in the lower */
    size_t visit_count, visit_room;
    FILE *file;
    const char *path;
    int64_t windows;
} truth;

/* A setting by its name. */
static int64_t hr_truth_setting(const hr_generator *generator, const char *name)
{
    const hr_generator_setting *known = generator->ops->settings;

    for (size_t i = 0; known[i].name != NULL; i++)
        if (strcmp(known[i].name, name) == 0)
            return generator->settings[i];
    return 0;
}

int hr_frames_truth_check(const hr_generator *generator, int64_t seconds, hr_error *error)
{
    if (strcmp(generator->ops->name, "frames") != 0)
        return hr_error_set(error, HR_EUSAGE, "generating %s: a truth file is made of frames only", generator->ops->name);
    if (seconds < 1 || seconds > HR_FRAME_MARGIN)
        return hr_error_set(error, HR_EUSAGE,
                            "generating frames: their truth is known for windows of 1 to %d seconds (in longer ones a late frame may still "
                            "be in time)",
                            HR_FRAME_MARGIN);
    return HR_OK;
}

static int hr_truth_failed(const truth *t, hr_error *error)
{
    return hr_error_set(error, hr_code_of_file(errno), "%s cannot be written: %s", t->path, strerror(errno));
}

/* The number of the first frame due at `time` or later, within the frames asked for. */
static int64_t hr_truth_index(const truth *t, int64_t time)
{
    int64_t end = t->first + t->count;

    if (time <= t->start)
        return t->first;
    if ((time - t->start) > end / t->rate + 1) /* so the product cannot overflow */
        return end;
    time = (time - t->start) * t->rate;
    return time < t->first ? t->first : time > end ? end : time;
}

static int hr_truth_add(truth *t, uint64_t visit, hr_error *error)
{
    if (t->visit_count == t->visit_room) {
        size_t room = t->visit_room > 0 ? t->visit_room * 2 : (size_t)1 << 16;
        uint64_t *more = hr_realloc(t->visits, room * sizeof(*more));

        if (more == NULL)
            return hr_error_nomem(error);
        t->visits = more;
        t->visit_room = room;
    }
    t->visits[t->visit_count++] = visit;
    return HR_OK;
}

static int hr_truth_compare(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static void hr_truth_moment(int64_t seconds, char *to, size_t size)
{
    int64_t day = hr_floor_div(seconds, HR_SECONDS_PER_DAY), rest = seconds - day * HR_SECONDS_PER_DAY;
    hr_civil date = hr_civil_from_days(day);

    snprintf(to, size, "%04d-%02d-%02dT%02d:%02d:%02dZ", (int)date.year, (int)date.month, (int)date.day, (int)(rest / 3600),
             (int)(rest / 60 % 60), (int)(rest % 60));
}

/* The windows that the visits make, as lines. */
static int hr_truth_lines(truth *t, int64_t from, hr_error *error)
{
    if (t->visit_count == 0)
        return HR_OK;
    qsort(t->visits, t->visit_count, sizeof(*t->visits), hr_truth_compare);
    for (size_t i = 0, next; i < t->visit_count; i = next) {
        int64_t window = (int64_t)(t->visits[i] >> 32), users = 0;
        char start[64], end[64];

        for (next = i; next < t->visit_count && (int64_t)(t->visits[next] >> 32) == window; next++)
            users += next == i || t->visits[next] != t->visits[next - 1];
        hr_truth_moment(from + window * t->seconds, start, sizeof(start));
        hr_truth_moment(from + (window + 1) * t->seconds, end, sizeof(end));
        if (fprintf(t->file, "{\"window_start\": \"%s\", \"window_end\": \"%s\", \"frames\": %zu, \"users\": %" PRId64 "}\n", start, end,
                    next - i, users) < 0)
            return hr_truth_failed(t, error);
        t->windows++;
    }
    return HR_OK;
}

/* The windows of [from, to). */
static int hr_truth_stretch(truth *t, int64_t from, int64_t to, hr_error *error)
{
    int64_t end = hr_truth_index(t, to + t->reach + 1);

    t->visit_count = 0;
    for (int64_t i = hr_truth_index(t, from); i < end; i++) {
        hr_frame_fact fact;

        if (i % HR_TRUTH_LOOK == 0 && t->cancel != NULL && atomic_load_explicit(t->cancel, memory_order_relaxed))
            return hr_error_set(error, HR_ECANCELLED, "stopped by the caller while the truth about the frames was made");
        hr_frame_fact_of(t->generator->settings, i, &fact);
        if (fact.kind > HR_FRAME_DISORDERED || fact.time < from || fact.time >= to)
            continue;
        HR_RETURN_NOT_OK(hr_truth_add(t, (uint64_t)((fact.time - from) / t->seconds) << 32 | (uint64_t)fact.user, error));
    }
    return hr_truth_lines(t, from, error);
}

static int hr_truth_all(truth *t, hr_error *error)
{
    int64_t last = t->start + (t->first + t->count) / t->rate;
    int64_t from = hr_floor_div(t->start + t->first / t->rate - t->reach, t->seconds) * t->seconds;
    int64_t step = HR_TRUTH_STRETCH / t->rate / t->seconds;

    step = (step > 0 ? step : 1) * t->seconds;
    for (; t->count > 0 && from <= last; from += step)
        HR_RETURN_NOT_OK(hr_truth_stretch(t, from, from + step, error));
    return HR_OK;
}

int hr_frames_truth_write(const hr_generator *generator, int64_t first, int64_t count, int64_t seconds, const char *path,
                          const atomic_bool *cancel, int64_t *windows, hr_error *error)
{
    truth t = {.generator = generator, .first = first, .count = count, .seconds = seconds, .cancel = cancel, .path = path};
    int64_t lateness = hr_truth_setting(generator, "lateness");
    char real[PATH_MAX];
    struct stat there;
    bool plain = stat(path, &there) != 0 || S_ISREG(there.st_mode); /* a device or a pipe is never renamed */
    size_t n;
    char *part;
    int rc;

    *windows = 0;
    if (plain && realpath(path, real) != NULL)
        path = real; /* what a link leads to, not the link */
    n = strlen(path);
    HR_RETURN_NOT_OK(hr_frames_truth_check(generator, seconds, error));
    t.start = hr_truth_setting(generator, "start");
    t.rate = hr_truth_setting(generator, "rate");
    t.reach = hr_truth_setting(generator, "disorder_seconds");
    t.reach = t.reach < lateness ? t.reach : lateness;
    part = hr_malloc(n + sizeof(".part"));
    if (part == NULL)
        return hr_error_nomem(error);
    memcpy(part, path, n + 1);
    if (plain)
        memcpy(part + n, ".part", sizeof(".part"));
    t.file = fopen(part, "we");
    rc = t.file != NULL ? hr_truth_all(&t, error) : hr_truth_failed(&t, error);
    if (t.file != NULL && fclose(t.file) != 0 && rc == HR_OK)
        rc = hr_truth_failed(&t, error);
    if (rc == HR_OK && plain && rename(part, path) != 0)
        rc = hr_truth_failed(&t, error);
    if (rc != HR_OK && plain && t.file != NULL)
        unlink(part);
    *windows = t.windows;
    hr_free(t.visits);
    hr_free(part);
    return rc;
}
