/* tests/core/window_player.c: plays a script of rows, closes, saves and crashes on windows and tells what came out. No test by itself:
 * tests/python/test_window_twin.py writes the script and knows what must come out.
 *
 *     zone NAME                                    of the calendar; UTC unless said
 *     spec NAME KIND UNIT SIZE EVERY GAP ORIGIN    a kind of windows (numbers of window.h)
 *     open BY LATENESS JUMP VOTES LANES STAGES     -1: no lateness, no jump; STAGES 2: each lane has windows of its own, others merge them
 *     row LANE AT ID KEY                           AT in microseconds or "null"; KEY "-": null
 *     raise LANE WATERMARK                         the lane has brought nothing, and others went on
 *     close | mark | snapshot | crash | end
 *
 * A mark or snapshot publishes the results and verdicts since the one before, as a worker's transaction does. A crash loses what was not
 * published, goes on from what was saved, and reads the rows again from where hr_windows_position says. Output, published only:
 *     result STEP SPEC START END KEY COUNT IDS NAMES SUM MIN MAX     STEP: the line of the script at which it came out
 *     verdict LANE OFFSET VERDICT MISSED
 */
#include "window_fixture.h"

#define LANES 8
#define MARKS 1024

typedef struct player_row {
    int64_t at, id; /* at: INT64_MIN for null */
    char key[16];
} player_row;

typedef struct player {
    hr_schema *schema;
    hr_window_spec specs[HR_WINDOW_SPECS];
    char names[HR_WINDOW_SPECS][32];
    hr_window_options options;
    int32_t by, lanes;
    bool two_stages;
    hr_windows *windows, *firsts[LANES];
    player_row *rows[LANES];
    int64_t counts[LANES];
    hr_batch *batch;
    hr_buffer pending; /* lines to be published */
    hr_buffer snapshot, marks[MARKS];
    int64_t epochs[MARKS], oldest;
    int mark_count;
    bool has_snapshot;
    int step;
    hr_error error;
} player;

static void must(int rc, const player *p, const char *what)
{
    if (rc != HR_OK) {
        fprintf(stderr, "line %d: %s: %s\n", p->step, what, p->error.message);
        exit(1);
    }
}

static void say(player *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(player *p, const char *format, ...)
{
    char text[512];
    va_list list;
    int n;

    va_start(list, format);
    n = vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    must(hr_buffer_append(&p->pending, text, (size_t)n, &p->error), p, "output");
}

static hr_windows *fresh(player *p)
{
    static const char *const functions[][3] = {{"rows", "count", NULL}, {"ids", "distinct", "id"}, {"names", "distinct", "name"},
                                               {"sum", "sum", "id"},    {"low", "min", "id"},      {"high", "max", "id"}};
    hr_window_aggregate aggregates[6];
    hr_windows *windows;

    for (int i = 0; i < 6; i++)
        aggregates[i] = (hr_window_aggregate){functions[i][0], functions[i][1],
                                              functions[i][2] != NULL ? hr_schema_find(p->schema, functions[i][2]) : -1, 0};
    p->options.specs = p->specs;
    p->options.aggregates = aggregates;
    p->options.aggregate_count = 6;
    p->options.by = &p->by;
    p->options.seed++;
    must(hr_windows_new(p->schema, &p->options, &windows, &p->error), p, "windows");
    for (int32_t lane = 0; lane < p->lanes; lane++)
        must(hr_windows_lane(windows, lane, &p->error), p, "lane");
    return windows;
}

static void open_windows(player *p, const char *line)
{
    long long by, lateness, jump, votes, lanes, stages;

    if (sscanf(line, "open %lld %lld %lld %lld %lld %lld", &by, &lateness, &jump, &votes, &lanes, &stages) != 6 || lanes > LANES)
        exit(2);
    p->schema = window_schema();
    p->by = hr_schema_find(p->schema, "key");
    p->options.by_count = by != 0;
    p->options.lateness = lateness < 0 ? HR_WINDOW_ALL : lateness;
    p->options.jump = jump < 0 ? HR_WINDOW_JUMP_OFF : jump;
    p->options.votes = (int32_t)votes;
    p->options.name_windows = true;
    p->lanes = (int32_t)lanes;
    p->two_stages = stages == 2;
    must(hr_batch_new(p->schema, &p->batch, &p->error), p, "batch");
    p->windows = fresh(p);
    for (int32_t lane = 0; lane < p->lanes && p->two_stages; lane++) {
        p->lanes = 0; /* it has but this one */
        p->firsts[lane] = fresh(p);
        p->lanes = (int32_t)lanes;
        must(hr_windows_lane(p->firsts[lane], lane, &p->error), p, "lane");
    }
}

static void tell_verdicts(player *p, hr_windows *windows)
{
    size_t count;
    const hr_window_settled *settled = hr_windows_settled(windows, &count);

    for (size_t i = 0; i < count; i++)
        if (!settled[i].replayed && settled[i].verdict != HR_VERDICT_HELD)
            say(p, "verdict %d %" PRId64 " %d %u\n", (int)settled[i].lane, settled[i].offset, (int)settled[i].verdict,
                settled[i].verdict == HR_VERDICT_LATE ? settled[i].missed : 0);
    hr_windows_settled_clear(windows);
}

static void add_row(player *p, int32_t lane, int64_t offset)
{
    const player_row *row = &p->rows[lane][offset];
    hr_windows *windows = p->two_stages ? p->firsts[lane] : p->windows;
    hr_column *c = p->batch->columns;
    char name[32];
    int64_t done;
    int rc;

    hr_batch_clear(p->batch);
    rc = row->at == INT64_MIN ? hr_column_append_null(&c[0], &p->error) : hr_column_append_int64(&c[0], row->at, &p->error);
    must(rc, p, "row");
    must(hr_column_append_int64(&c[1], row->id, &p->error), p, "row");
    snprintf(name, sizeof(name), "user %" PRId64 " of some length", row->id);
    must(hr_column_append_bytes(&c[2], name, strlen(name), &p->error), p, "row");
    rc = strcmp(row->key, "-") == 0 ? hr_column_append_null(&c[3], &p->error)
                                    : hr_column_append_bytes(&c[3], row->key, strlen(row->key), &p->error);
    must(rc, p, "row");
    for (int i = 4; i < p->schema->count; i++)
        must(hr_column_append_null(&c[i], &p->error), p, "row");
    p->batch->length = 1;
    must(hr_windows_add(windows, lane, p->batch, 0, 1, &offset, &done, &p->error), p, "add");
    tell_verdicts(p, windows);
}

static void put_value(player *p, const hr_column *column, int64_t row)
{
    hr_buffer text = {0};

    if (hr_column_is_null(column, row)) {
        say(p, "\t-");
        return;
    }
    must(hr_type_ops_of(column->type)->write_text(column->type, column, row, &text, &p->error), p, "value");
    say(p, "\t%.*s", (int)text.size, (const char *)text.data);
    hr_buffer_free(&text);
}

static void close_windows(player *p, bool all)
{
    int32_t key = p->options.by_count > 0 ? 3 : -1;
    hr_batch *out;

    for (int32_t lane = 0; lane < p->lanes && p->two_stages; lane++) {
        hr_buffer partial = {0};

        must(hr_windows_close_partial(p->firsts[lane], all, &partial, &p->error), p, "partial");
        if (partial.size > 0)
            must(hr_windows_absorb(p->windows, partial.data, partial.size, &p->error), p, "absorb");
        hr_buffer_free(&partial);
    }
    must(hr_batch_new(hr_windows_schema(p->windows), &out, &p->error), p, "batch");
    must(hr_windows_close(p->windows, all, out, &p->error), p, "close");
    for (int64_t row = 0; row < out->length; row++) {
        say(p, "result\t%d", p->step);
        put_value(p, &out->columns[0], row);
        say(p, "\t%" PRId64 "\t%" PRId64, hr_column_get_int64(&out->columns[1], row), hr_column_get_int64(&out->columns[2], row));
        if (key >= 0)
            put_value(p, &out->columns[key], row);
        else
            say(p, "\t-");
        for (int32_t i = key >= 0 ? 4 : 3; i < out->schema->count; i++)
            put_value(p, &out->columns[i], row);
        say(p, "\n");
    }
    hr_batch_free(out);
}

static void publish(player *p)
{
    if (p->pending.size > 0)
        fwrite(p->pending.data, 1, p->pending.size, stdout);
    p->pending.size = 0;
}

static void save(player *p, bool snapshot)
{
    int64_t epoch;

    if (snapshot) {
        p->snapshot.size = 0;
        must(hr_windows_save(p->windows, true, &p->snapshot, &epoch, &p->error), p, "snapshot");
        p->has_snapshot = true;
    }
    if (p->mark_count == MARKS)
        exit(2);
    must(hr_windows_save(p->windows, false, &p->marks[p->mark_count], &p->epochs[p->mark_count], &p->error), p, "mark");
    p->mark_count++;
    p->oldest = hr_windows_oldest_epoch(p->windows);
    publish(p);
}

static void crash(player *p)
{
    hr_windows_free(p->windows);
    p->pending.size = 0;
    p->windows = fresh(p);
    if (p->mark_count > 0) {
        const hr_buffer *last = &p->marks[p->mark_count - 1], *base = p->has_snapshot ? &p->snapshot : NULL;

        for (int i = 0; i < p->mark_count && !p->has_snapshot; i++)
            if (p->epochs[i] == p->oldest)
                base = &p->marks[i];
        if (base != NULL) {
            hr_windows_free(p->windows);
            p->lanes = -p->lanes; /* a load wants windows that know no lane */
            p->windows = fresh(p);
            p->lanes = -p->lanes;
            must(hr_windows_load(p->windows, base->data, base->size, &p->error), p, "load");
        }
        must(hr_windows_resume(p->windows, last->data, last->size, &p->error), p, "resume");
    }
    for (int32_t lane = 0; lane < p->lanes; lane++) {
        int64_t position = hr_windows_position(p->windows, lane);

        for (int64_t i = position == INT64_MIN ? 0 : position; i < p->counts[lane]; i++)
            add_row(p, lane, i);
    }
}

static void take_row(player *p, const char *line)
{
    player_row row = {0, 0, ""};
    char at[32];
    int lane;

    if (sscanf(line, "row %d %31s %" SCNd64 " %15s", &lane, at, &row.id, row.key) != 4 || lane < 0 || lane >= p->lanes)
        exit(2);
    row.at = strcmp(at, "null") == 0 ? INT64_MIN : strtoll(at, NULL, 10);
    p->rows[lane] = realloc(p->rows[lane], (size_t)(p->counts[lane] + 1) * sizeof(row));
    p->rows[lane][p->counts[lane]++] = row;
    add_row(p, lane, p->counts[lane] - 1);
}

static void raise_lane(player *p, const char *line)
{
    int64_t watermark;
    int lane;

    if (sscanf(line, "raise %d %" SCNd64, &lane, &watermark) != 2 || lane < 0 || lane >= p->lanes)
        exit(2);
    must(hr_windows_raise(p->two_stages ? p->firsts[lane] : p->windows, lane, watermark, &p->error), p, "raise");
}

static void finish(player *p)
{
    for (int32_t lane = 0; lane < p->lanes && p->two_stages; lane++) {
        must(hr_windows_settle(p->firsts[lane], -1, &p->error), p, "settle");
        tell_verdicts(p, p->firsts[lane]);
    }
    must(hr_windows_settle(p->windows, -1, &p->error), p, "settle");
    tell_verdicts(p, p->windows);
    close_windows(p, true);
    publish(p);
    for (int32_t lane = 0; lane < LANES; lane++) {
        hr_windows_free(p->firsts[lane]);
        free(p->rows[lane]);
    }
    for (int i = 0; i < p->mark_count; i++)
        hr_buffer_free(&p->marks[i]);
    hr_buffer_free(&p->snapshot);
    hr_buffer_free(&p->pending);
    hr_windows_free(p->windows);
    hr_batch_free(p->batch);
    hr_schema_release(p->schema);
    hr_timezone_free((hr_timezone *)(uintptr_t)p->options.zone);
}

int main(void)
{
    static player p;
    char line[256], word[32];

    while (fgets(line, sizeof(line), stdin) != NULL && sscanf(line, "%31s", word) == 1) {
        p.step++;
        if (strcmp(word, "zone") == 0) {
            char name[64];
            hr_timezone *zone;

            if (sscanf(line, "zone %63s", name) != 1)
                return 2;
            must(hr_timezone_load(name, NULL, &zone, &p.error), &p, "zone");
            p.options.zone = zone;
        } else if (strcmp(word, "spec") == 0) {
            hr_window_spec *spec = &p.specs[p.options.spec_count];
            int kind, unit;

            spec->name = p.names[p.options.spec_count++];
            if (sscanf(line, "spec %31s %d %d %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64, p.names[p.options.spec_count - 1], &kind,
                       &unit, &spec->size, &spec->every, &spec->gap, &spec->origin) != 7)
                return 2;
            spec->kind = (hr_window_kind)kind;
            spec->unit = (hr_window_unit)unit;
        } else if (strcmp(word, "open") == 0) {
            open_windows(&p, line);
        } else if (strcmp(word, "row") == 0) {
            take_row(&p, line);
        } else if (strcmp(word, "raise") == 0) {
            raise_lane(&p, line);
        } else if (strcmp(word, "close") == 0) {
            close_windows(&p, false);
        } else if (strcmp(word, "mark") == 0 || strcmp(word, "snapshot") == 0) {
            save(&p, word[0] == 's');
        } else if (strcmp(word, "crash") == 0) {
            crash(&p);
        } else if (strcmp(word, "end") == 0) {
            finish(&p);
            return check_failed > 0;
        } else {
            return 2;
        }
    }
    return 2;
}
