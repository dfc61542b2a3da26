/* tests/core/window_fixture.h: windows over rows (at timestamptz, id bigint, name text, key text, number int, real float8, exact numeric).
 */
#ifndef HR_TESTS_WINDOW_FIXTURE_H
#define HR_TESTS_WINDOW_FIXTURE_H

#include <inttypes.h>
#include <stdarg.h>

#include "check.h"
#include "core/window/window.h"

#define S INT64_C(1000000)

typedef struct window_settings {
    hr_window_kind kind;
    hr_window_unit unit;
    int64_t size, every, gap, origin;
    int64_t lateness, jump;
    const hr_timezone *zone;
    const char *aggregate; /* "distinct" when NULL */
    const char *of;        /* "id" when NULL */
    const char *by;        /* no key when NULL */
    int32_t votes;
    bool early;
    const hr_window_spec *specs; /* instead of kind ... origin */
    int32_t spec_count;
    uint64_t seed;
} window_settings;

typedef struct window_fixture {
    hr_schema *schema;
    hr_windows *windows;
    hr_batch *rows, *results;
    hr_error error;
    window_settings settings;
} window_fixture;

static inline hr_schema *window_schema(void)
{
    static const char *const columns[][2] = {
        {"at", "timestamptz"},        {"id", "bigint"},           {"name", "text"}, {"key", "text"}, {"number", "integer"},
        {"real", "double precision"}, {"exact", "numeric(12,2)"}, {"day", "date"}};
    hr_schema *schema;
    hr_error error;

    if (hr_schema_new(&schema, &error) != HR_OK)
        abort();
    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
        hr_type type;

        if (hr_type_from_name(columns[i][1], &schema->arena, &type, &error) != HR_OK ||
            hr_schema_add(schema, columns[i][0], &type, false, false, NULL, &error) != HR_OK)
            abort();
    }
    return schema;
}

/* New windows of the fixture's settings. */
static inline int window_make(window_fixture *f, hr_windows **out)
{
    const window_settings *s = &f->settings;
    hr_window_spec spec = {"w", s->kind, s->unit, s->size != 0 ? s->size : 1, s->every, s->gap, s->origin};
    hr_window_aggregate aggregate = {"result", s->aggregate != NULL ? s->aggregate : "distinct",
                                     s->of != NULL && s->of[0] == '*' ? -1 : hr_schema_find(f->schema, s->of != NULL ? s->of : "id"), 0};
    int32_t by = s->by != NULL ? hr_schema_find(f->schema, s->by) : 0;
    hr_window_options options = {.specs = s->specs != NULL ? s->specs : &spec,
                                 .spec_count = s->specs != NULL ? s->spec_count : 1,
                                 .zone = s->zone,
                                 .time = 0,
                                 .by = &by,
                                 .by_count = s->by != NULL,
                                 .aggregates = &aggregate,
                                 .aggregate_count = 1,
                                 .lateness = s->lateness,
                                 .jump = s->jump,
                                 .votes = s->votes,
                                 .early = s->early,
                                 .name_windows = s->specs != NULL,
                                 .seed = s->seed};

    return hr_windows_new(f->schema, &options, out, &f->error);
}

static inline void window_open(window_fixture *f, window_settings settings)
{
    memset(f, 0, sizeof(*f));
    f->settings = settings;
    f->schema = window_schema();
    if (window_make(f, &f->windows) != HR_OK) {
        fprintf(stderr, "hr_windows_new: %s\n", f->error.message);
        abort();
    }
    if (hr_batch_new(f->schema, &f->rows, &f->error) != HR_OK ||
        hr_batch_new(hr_windows_schema(f->windows), &f->results, &f->error) != HR_OK)
        abort();
}

static inline void window_close(window_fixture *f)
{
    hr_batch_free(f->rows);
    hr_batch_free(f->results);
    hr_windows_free(f->windows);
    hr_schema_release(f->schema);
}

/* Put one row into f->rows. `at` in seconds; id as given, the other columns made of id and key. */
static inline void window_make_row(window_fixture *f, int64_t at, int64_t id, int64_t key)
{
    hr_column *c = f->rows->columns;
    char text[32];

    if (at == INT64_MIN ? hr_column_append_null(&c[0], NULL) != HR_OK
                        : hr_column_append_int64(&c[0], at == INT64_MAX ? at : at * S, NULL) != HR_OK)
        abort();
    if (hr_column_append_int64(&c[1], id, NULL) != HR_OK)
        abort();
    snprintf(text, sizeof(text), "user%" PRId64, id);
    if (hr_column_append_bytes(&c[2], text, strlen(text), NULL) != HR_OK)
        abort();
    snprintf(text, sizeof(text), "key%" PRId64, key);
    if (hr_column_append_bytes(&c[3], text, strlen(text), NULL) != HR_OK || hr_column_append_int32(&c[4], (int32_t)id, NULL) != HR_OK ||
        hr_column_append_double(&c[5], (double)id * 0.1, NULL) != HR_OK ||
        hr_column_append_decimal(&c[6], (hr_decimal128){(uint64_t)id, id < 0 ? -1 : 0}, NULL) != HR_OK ||
        hr_column_append_int32(&c[7], (int32_t)id, NULL) != HR_OK)
        abort();
    f->rows->length++;
}

/* Add one row to a lane, at the lane's next offset. */
static inline int window_row(window_fixture *f, int32_t lane, int64_t at, int64_t id, int64_t key)
{
    int64_t done;
    int rc;

    hr_batch_clear(f->rows);
    window_make_row(f, at, id, key);
    rc = hr_windows_add(f->windows, lane, f->rows, 0, 1, NULL, &done, &f->error);
    CHECK(rc != HR_OK || done == 1);
    return rc;
}

/* The results as text: "0-60:2 60-120:3 ", in seconds; "key@" before the colon's value when there is a key; "?" when not final. */
static inline void window_text(const window_fixture *f, char *out, size_t size)
{
    const hr_batch *r = f->results;
    int32_t at = f->settings.specs != NULL;
    size_t used = 0;

    out[0] = '\0';
    for (int64_t row = 0; row < r->length && used < size; row++) {
        int32_t value = at + 2 + (f->settings.by != NULL);
        hr_buffer text = {0};
        size_t n;

        if (at) {
            const char *name = hr_column_get_bytes(&r->columns[0], row, &n);
            used += (size_t)snprintf(out + used, size - used, "%.*s/", (int)n, name);
        }
        used += (size_t)snprintf(out + used, size - used, "%" PRId64 "-%" PRId64 ":", hr_column_get_int64(&r->columns[at], row) / S,
                                 hr_column_get_int64(&r->columns[at + 1], row) / S);
        if (f->settings.by != NULL) {
            const char *key = hr_column_get_bytes(&r->columns[at + 2], row, &n);
            used += (size_t)snprintf(out + used, size - used, "%.*s@", (int)n, key);
        }
        if (hr_column_is_null(&r->columns[value], row)) {
            used += (size_t)snprintf(out + used, size - used, "null");
        } else {
            const hr_type *type = r->columns[value].type;
            if (hr_type_ops_of(type)->write_text(type, &r->columns[value], row, &text, NULL) != HR_OK)
                abort();
            used += (size_t)snprintf(out + used, size - used, "%.*s", (int)text.size, (const char *)text.data);
            hr_buffer_free(&text);
        }
        if (f->settings.early && !hr_column_get_bool(&r->columns[value + 1], row))
            used += (size_t)snprintf(out + used, size - used, "?");
        used += (size_t)snprintf(out + used, size - used, " ");
    }
}

/* What closes now is this. */
static inline void window_expect(window_fixture *f, bool all, const char *want)
{
    char got[4096];

    hr_batch_clear(f->results);
    CHECK(hr_windows_close(f->windows, all, f->results, &f->error) == HR_OK, "%s", f->error.message);
    window_text(f, got, sizeof(got));
    CHECK(strcmp(got, want) == 0, "got \"%s\" want \"%s\"", got, want);
}

/* The verdicts since the last call, as "offset:verdict " of each (lane before it when not 0); 0 when they are what is wanted. */
static inline int window_verdicts(window_fixture *f, const char *want)
{
    static const char *const names[] = {"counted", "held", "late", "future", "untimed", "nowindow"};
    const hr_window_settled *settled;
    char got[4096];
    size_t count, used = 0;

    got[0] = '\0';
    settled = hr_windows_settled(f->windows, &count);
    for (size_t i = 0; i < count && used < sizeof(got); i++) {
        if (settled[i].lane != 0)
            used += (size_t)snprintf(got + used, sizeof(got) - used, "%d/", (int)settled[i].lane);
        used += (size_t)snprintf(got + used, sizeof(got) - used, "%" PRId64 ":%s%s ", settled[i].offset, names[settled[i].verdict],
                                 settled[i].replayed ? "(again)" : "");
    }
    hr_windows_settled_clear(f->windows);
    if (strcmp(got, want) != 0)
        fprintf(stderr, "verdicts: got \"%s\" want \"%s\"\n", got, want);
    return strcmp(got, want);
}

#endif
