/* tests/core/test_generate_frames.c: frames are what they say they are, and their truth is what a reader finds in them. */
#include <inttypes.h>

#include "core/generate/generate_frames.h"
#include "decode_fixture.h"
#include "faults.h"

#define FRAMES 30000

static const fixture_column columns[] = {
    {"uid", HR_INT8, NULL, true, false},
    {"ts", HR_INT8, NULL, true, false},
};

static void start(hr_generator *g)
{
    hr_error error;

    if (hr_generator_init(g, "frames", HR_GENERATE_JSON, &error) != HR_OK)
        abort();
}

static void set(hr_generator *g, const char *name, int64_t value)
{
    hr_error error;

    CHECK(hr_generator_set(g, name, value, &error) == HR_OK, "%s", error.message);
}

/* Decode every frame: its kind, its user, its time, its size; and add up what the windows must hold. */
static void test_kinds_and_truth(void)
{
    static const int64_t sizes[] = {500, 1500, 3000};

    for (size_t round = 0; round < 3; round++) {
        static int64_t users[100][200]; /* frames of a user in a minute */
        hr_generator g;
        hr_buffer out = {0};
        hr_generated about;
        hr_frame_window *truth;
        int64_t truth_count, bytes = 0;
        hr_error error;
        fixture f;

        memset(users, 0, sizeof(users));
        start(&g);
        set(&g, "users", 199);
        set(&g, "rate", 10);
        set(&g, "malformed", 100000);
        set(&g, "late", 50000);
        set(&g, "future", 10000);
        set(&g, "disorder", 200000);
        set(&g, "fields", 20 + 20 * (int64_t)round);
        set(&g, "size", sizes[round]);
        CHECK(hr_generator_check(&g, &error) == HR_OK, "%s", error.message);
        fixture_open(&f, "json", fixture_schema(columns, 2), NULL);
        for (int64_t i = 0; i < FRAMES / 6; i++) {
            hr_frame_fact fact;
            int64_t row = f.batch->length;
            int rc;

            out.size = 0;
            CHECK(hr_generator_record(&g, i, &out, &about, &error) == HR_OK);
            CHECK(out.size <= g.ops->record_size);
            bytes += (int64_t)out.size;
            hr_frame_fact_of(g.settings, i, &fact);
            CHECK((int32_t)fact.kind == about.kind);
            rc = fixture_decode_n(&f, (const char *)out.data, out.size);
            if (g.ops->kinds[about.kind].reason != HR_REASON_NONE) {
                CHECK(rc == HR_EDATA && f.error.reason == g.ops->kinds[about.kind].reason, "%s: %s", g.ops->kinds[about.kind].name,
                      f.error.message);
                continue;
            }
            CHECK(rc == HR_OK, "%s", f.error.message);
            CHECK(hr_column_get_int64(&f.batch->columns[0], row) == fact.user);
            CHECK(hr_column_get_int64(&f.batch->columns[1], row) == fact.time);
            if (fact.kind <= HR_FRAME_DISORDERED)
                users[(fact.time - g.settings[2] + 600) / 60][fact.user]++;
            if (fact.kind == HR_FRAME_LATE)
                CHECK(fact.time + 3600 + 1200 <= g.settings[2] + i / 10);
        }
        CHECK(bytes / (FRAMES / 6) > sizes[round] / 2 && bytes / (FRAMES / 6) < sizes[round] * 2, "%" PRId64, bytes / (FRAMES / 6));
        for (int32_t k = 0; g.ops->kinds[k].name != NULL; k++)
            CHECK(g.counts[k] > 0, "%s", g.ops->kinds[k].name);
        CHECK(hr_frames_truth(g.settings, 0, FRAMES / 6, 60, &truth, &truth_count, &error) == HR_OK);
        CHECK(truth_count >= 8 && truth_count <= 11, "%" PRId64, truth_count);
        for (int64_t w = 0; w < truth_count; w++) {
            int64_t distinct = 0, frames = 0, minute = (truth[w].start - g.settings[2] + 600) / 60;

            for (int u = 0; u < 200; u++) {
                distinct += users[minute][u] > 0;
                frames += users[minute][u];
            }
            CHECK(truth[w].users == distinct && truth[w].frames == frames);
        }
        hr_free(truth);
        hr_buffer_free(&out);
        fixture_close(&f);
    }
}

/* The same settings make the same bytes. */
static void test_bytes(void)
{
    hr_generator g;
    hr_buffer a = {0}, b = {0};
    hr_generated about;
    hr_error error;

    start(&g);
    for (int64_t i = 0; i < 50; i++)
        CHECK(hr_generator_record(&g, 49 - i + INT64_C(5000000000), &a, &about, &error) == HR_OK);
    for (int64_t i = 49; i >= 0; i--)
        CHECK(hr_generator_record(&g, i + INT64_C(5000000000), &b, &about, &error) == HR_OK);
    CHECK(a.size == b.size && memcmp(a.data, b.data, a.size) == 0);
    hr_buffer_free(&a);
    hr_buffer_free(&b);
}

static void test_errors(void)
{
    hr_generator g;
    hr_error error;
    hr_frame_window *truth;
    int64_t count;

    start(&g);
    set(&g, "late", 600000);
    set(&g, "disorder", 400001);
    CHECK(hr_generator_check(&g, &error) == HR_EUSAGE && strstr(error.message, "1000001") != NULL, "%s", error.message);
    start(&g);
    set(&g, "disorder_seconds", 3601);
    CHECK(hr_generator_check(&g, &error) == HR_EUSAGE && strstr(error.message, "disorder_seconds") != NULL);
    g.format = HR_GENERATE_CSV;
    CHECK(hr_generator_check(&g, &error) == HR_EUSAGE && strstr(error.message, "JSON") != NULL);
    CHECK(hr_frames_truth(g.settings, 0, 10, HR_FRAME_MARGIN + 1, &truth, &count, &error) == HR_EUSAGE);
    for (int n = 1; n <= 2; n++) {
        hr_fault_arm(n, false);
        CHECK(hr_frames_truth(g.settings, 0, 100, 60, &truth, &count, &error) == HR_ENOMEM && truth == NULL);
    }
    hr_fault_arm(0, false);
}

/* Ids as texts: the number behind a part of its own, the same for the same user; more fields than there are names. */
static void test_text_ids(void)
{
    static const fixture_column texts[] = {{"uid", HR_TEXT, NULL, true, false}};
    hr_generator g;
    hr_buffer out = {0};
    hr_generated about;
    hr_error error;
    fixture f;

    start(&g);
    set(&g, "users", 20);
    set(&g, "uid_text", 1);
    set(&g, "fields", 60);
    set(&g, "size", 3000);
    CHECK(hr_generator_check(&g, &error) == HR_OK, "%s", error.message);
    fixture_open(&f, "json", fixture_schema(texts, 1), NULL);
    for (int64_t i = 0; i < 200; i++) {
        int64_t row = f.batch->length;
        const char *uid;

        out.size = 0;
        CHECK(hr_generator_record(&g, i, &out, &about, NULL) == HR_OK);
        if (about.kind == HR_FRAME_NOT_JSON)
            continue;
        CHECK(fixture_decode_n(&f, (char *)out.data, out.size) == HR_OK, "%s", f.error.message);
        uid = fixture_value(&f, "uid", row);
        CHECK(uid[0] == 'u' && strspn(uid + 1, "0123456789") == 5 && uid[6] == '-', "%s", uid);
        CHECK(strlen(uid + 7) == about.key_len && memcmp(uid + 7, about.key, about.key_len) == 0, "%s", uid);
    }
    hr_buffer_free(&out);
    fixture_close(&f);
}

int main(void)
{
    test_text_ids();
    test_kinds_and_truth();
    test_bytes();
    test_errors();
    return CHECK_DONE();
}
