/* tests/fuzz/fuzz_window.c: windows that get rows, and states that somebody altered: saved, with bytes changed as the input says and the
 * checksum made right again, then loaded, resumed or absorbed by fresh windows. Whatever a state says, it is refused, or the windows made
 * of it work.
 *
 * Byte 0: the settings. Then steps of a byte each with what they need: rows, close, save and go on, alter a state. */
#include <xxhash.h>

#include "core/window/window.h"
#include "fuzz.h"
#include "window_fixture.h"

static const hr_window_spec many[] = {{"minute", HR_WINDOW_TUMBLING, HR_WINDOW_MINUTE, 1, 0, 0, 0},
                                      {"day", HR_WINDOW_TUMBLING, HR_WINDOW_DAY, 1, 0, 0, 0},
                                      {"session", HR_WINDOW_SESSION, HR_WINDOW_FIXED, 0, 0, 30 * S, 0}};
static const window_settings kinds[] = {
    {.kind = HR_WINDOW_TUMBLING, .size = 60 * S, .lateness = 120 * S, .jump = 600 * S},
    {.kind = HR_WINDOW_SLIDING, .size = 60 * S, .every = 20 * S, .lateness = 30 * S, .jump = 600 * S, .of = "name", .by = "key"},
    {.kind = HR_WINDOW_SESSION, .gap = 20 * S, .lateness = 60 * S, .jump = HR_WINDOW_JUMP_OFF, .by = "key"},
    {.specs = many, .spec_count = 3, .lateness = 60 * S, .jump = 3600 * S, .aggregate = "sum", .of = "real", .votes = 3},
    {.kind = HR_WINDOW_TUMBLING,
     .unit = HR_WINDOW_WEEK,
     .lateness = 0,
     .jump = HR_WINDOW_JUMP_OFF,
     .aggregate = "distinct_hll",
     .of = "name"},
    {.kind = HR_WINDOW_SESSION,
     .gap = 5 * S,
     .lateness = 0,
     .jump = 60 * S,
     .aggregate = "max",
     .of = "exact",
     .by = "number",
     .early = true},
    {.kind = HR_WINDOW_SLIDING,
     .size = 7 * S,
     .every = 3 * S,
     .lateness = HR_WINDOW_ALL,
     .jump = HR_WINDOW_JUMP_OFF,
     .aggregate = "count",
     .of = "*"},
    {.kind = HR_WINDOW_TUMBLING, .size = 10 * S, .lateness = 5 * S, .jump = 50 * S, .aggregate = "sum", .of = "exact", .by = "id"},
};
static const unsigned kind_count = sizeof(kinds) / sizeof(kinds[0]);

static void need_right(int rc)
{
    FUZZ_AGREE(rc == HR_OK || rc == HR_EDATA || rc == HR_EUSAGE || rc == HR_ENOMEM, "%d", rc);
}

static void feed(window_fixture *f, fuzz_input *in)
{
    unsigned lane = fuzz_byte(in) % 4, rows = 1 + fuzz_byte(in) % 16;
    int64_t done, at = (int64_t)(fuzz_byte(in)) * 10;

    hr_batch_clear(f->rows);
    for (unsigned i = 0; i < rows; i++) {
        unsigned step = fuzz_byte(in), who = fuzz_byte(in);

        at += step < 250 ? (int64_t)step / 4 - 10 : step == 250 ? 1000000 : step == 251 ? -100000 : 0;
        window_make_row(f, step == 255 ? INT64_MIN : step == 254 ? INT64_MAX : at, (int64_t)who - 100, who % 7);
    }
    need_right(hr_windows_add(f->windows, (int32_t)lane, f->rows, 0, rows, NULL, &done, &f->error));
    FUZZ_REQUIRE(done == rows);
}

static void give(window_fixture *f, hr_windows *windows, bool all)
{
    hr_batch *out;

    FUZZ_REQUIRE(hr_batch_new(hr_windows_schema(windows), &out, NULL) == HR_OK);
    need_right(hr_windows_close(windows, all, out, &f->error));
    for (int32_t i = 0; i < out->schema->count; i++)
        FUZZ_REQUIRE(out->columns[i].length == out->length);
    hr_batch_free(out);
}

/* Bytes changed, cut off or added where the input says, and a checksum that fits. */
static uint8_t *alter(const hr_buffer *state, fuzz_input *in, size_t *n)
{
    unsigned edits = fuzz_byte(in) % 8;
    uint8_t *bytes;
    uint64_t sum;

    *n = state->size;
    if (fuzz_byte(in) % 4 == 0 && *n > 16)
        *n = 16 + fuzz_number(in, 2) % (*n - 15);
    bytes = (uint8_t *)fuzz_exact(state->data, *n);
    for (unsigned i = 0; i<edits && * n> 8; i++)
        bytes[fuzz_number(in, 2) % (*n - 8)] = (uint8_t)fuzz_byte(in);
    if (*n >= 8) {
        sum = XXH3_64bits(bytes, *n - 8);
        for (int i = 0; i < 8; i++)
            bytes[*n - 8 + (size_t)i] = (uint8_t)(sum >> (8 * i));
    }
    return bytes;
}

static void foreign(window_fixture *f, fuzz_input *in)
{
    unsigned how = fuzz_byte(in);
    hr_buffer state = {0};
    hr_window_stats stats;
    hr_windows *fresh;
    int64_t epoch, done;
    uint8_t *bytes;
    size_t n;
    int rc;

    FUZZ_REQUIRE(window_make(f, &fresh) == HR_OK);
    rc = how & 1 ? hr_windows_close_partial(f->windows, (how & 2) != 0, &state, &f->error)
                 : hr_windows_save(f->windows, (how & 2) != 0, &state, &epoch, &f->error);
    need_right(rc);
    bytes = alter(&state, in, &n);
    rc = how & 1 ? hr_windows_absorb(fresh, bytes, n, &f->error) : hr_windows_load(fresh, bytes, n, &f->error);
    need_right(rc);
    if (rc == HR_OK && !(how & 1) && (how & 4)) {
        rc = hr_windows_resume(fresh, bytes, n, &f->error);
        need_right(rc);
    }
    if (rc == HR_OK) {
        hr_windows_stats(fresh, &stats);
        FUZZ_REQUIRE(stats.open_windows >= 0 && stats.lanes >= 0);
        for (int32_t i = 0; i < stats.lanes; i++) {
            hr_window_lane_stats lane;
            hr_windows_lane_stats(fresh, i, &lane);
        }
        give(f, fresh, false);
        hr_batch_clear(f->rows);
        window_make_row(f, 100, 1, 1);
        need_right(hr_windows_add(fresh, 0, f->rows, 0, 1, NULL, &done, &f->error));
        need_right(hr_windows_settle(fresh, -1, &f->error));
        give(f, fresh, true);
        state.size = 0;
        need_right(hr_windows_save(fresh, true, &state, &epoch, &f->error));
    }
    hr_windows_free(fresh);
    hr_buffer_free(&state);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, data + size};
    window_fixture f;

    window_open(&f, kinds[fuzz_byte(&in) % kind_count]);
    while (fuzz_left(&in) > 0) {
        switch (fuzz_byte(&in) % 8) {
        case 0:
        case 1:
        case 2: feed(&f, &in); break;
        case 3: give(&f, f.windows, false); break;
        case 4: need_right(hr_windows_idle(f.windows, (int32_t)fuzz_byte(&in) % 4, &f.error)); break;
        case 5: hr_windows_drop_lane(f.windows, (int32_t)fuzz_byte(&in) % 4); break;
        default: foreign(&f, &in); break;
        }
    }
    hr_windows_settled_clear(f.windows);
    give(&f, f.windows, true);
    window_close(&f);
    FUZZ_REQUIRE(check_failed == 0);
    return 0;
}
