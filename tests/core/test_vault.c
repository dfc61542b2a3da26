/* tests/core/test_vault.c: events split into the rows of hubs, links and satellites; values left out; and that no failing allocation hurts.
 */
#include "core/vault/vault.h"
#include "faults.h"
#include "rows.h"

/* c0 key, c1 a foreign key, c2 what a satellite keeps, c3 op, c4 lsn, c5 unchanged */
static const char *const types[] = {"int", "int", "text", "text", "bigint", "text[]", NULL};
enum { KEY, REFERENCE, TEXT, OP, LSN, UNCHANGED };
enum { KEY_HK, REFERENCE_HK, LINK_HK, TEXT_HD, HASHES };

static const int32_t of_key[] = {KEY}, of_reference[] = {REFERENCE}, of_link[] = {KEY, REFERENCE}, of_text[] = {TEXT};
static const hr_vault_hash hashes[] = {
    {.name = "key_hk", .columns = of_key, .count = 1, .of_deletes = true, .whole = true},
    {.name = "reference_hk", .columns = of_reference, .count = 1, .whole = true},
    {.name = "link_hk", .columns = of_link, .count = 2},
    {.name = "text_hd", .columns = of_text, .count = 1, .diff = true},
};
static const hr_vault_relation hub = {HR_VAULT_KEYS, KEY_HK}, other_hub = {HR_VAULT_KEYS, REFERENCE_HK},
                               link_rows = {HR_VAULT_KEYS, LINK_HK};
static const hr_vault_relation events_of = {HR_VAULT_EVENTS, KEY_HK}, history = {HR_VAULT_HISTORY, TEXT_HD};

static hr_vault_plan plan_of(void)
{
    return (hr_vault_plan){.recipe = hr_recipe_named("automate_dv"),
                           .diff_recipe = hr_recipe_named("exact"),
                           .op = OP,
                           .lsn = LSN,
                           .unchanged = UNCHANGED,
                           .key = of_key,
                           .key_count = 1,
                           .identity = KEY_HK,
                           .hashes = hashes,
                           .hash_count = HASHES};
}

static void add(hr_batch *batch, const char *key, const char *reference, const char *text, const char *op, const char *lsn)
{
    const char *row[] = {key, reference, text, op, lsn, NULL};

    add_row(batch, row);
}

/* Which rows of the range a relation takes, sorted: takes come in the order of hashes, which nobody can read. */
static uint64_t taken(hr_vault_splitter *splitter, const hr_vault_relation *relation, int64_t *count)
{
    const uint32_t *rows;
    uint64_t set = 0;

    if (hr_vault_take(splitter, relation, &rows, count, NULL) != HR_OK)
        abort();
    for (int64_t i = 0; i < *count; i++)
        set |= UINT64_C(1) << rows[i];
    return set;
}

#define CHECK_TAKEN(relation, want)                                                                                                        \
    do {                                                                                                                                   \
        int64_t n_;                                                                                                                        \
        uint64_t set_ = taken(splitter, &(relation), &n_);                                                                                 \
        CHECK(set_ == (want) && n_ == __builtin_popcountll(want), "got %llx, %d rows", (unsigned long long)set_, (int)n_);                 \
    } while (0)
#define ROW(i) (UINT64_C(1) << (i))

static hr_vault_splitter *begin(const hr_vault_plan *plan, const hr_batch *batch, const uint8_t *skip)
{
    hr_vault_splitter *splitter;

    if (hr_vault_splitter_new(plan, batch->schema, &splitter, NULL) != HR_OK ||
        hr_vault_begin(splitter, batch, skip, true, NULL) != HR_OK || hr_vault_range(splitter, 0, batch->length, NULL) != HR_OK)
        abort();
    return splitter;
}

static void test_source(void)
{
    hr_vault_plan plan = plan_of();
    hr_batch *batch = make_batch(types);
    hr_vault_splitter *splitter;
    const hr_batch *wide;

    plan.source = "topic.of.it";
    add(batch, "1", "7", "a", "r", "10");
    add(batch, "2", "7", "b", "d", "20");
    splitter = begin(&plan, batch, NULL);
    wide = hr_vault_wide(splitter);
    CHECK(wide->schema->count == UNCHANGED + 1 + 1 + HASHES + 1);
    for (int64_t row = 0; row < 2; row++) {
        const hr_column *column = &wide->columns[wide->schema->count - 1];
        size_t n;
        const char *text = hr_column_get_bytes(column, row, &n);

        CHECK(column->length == 2 && n == strlen(plan.source) && memcmp(text, plan.source, n) == 0);
    }
    hr_vault_splitter_free(splitter);
    hr_batch_free(batch);
}

static void test_split(void)
{
    const hr_vault_plan plan = plan_of();
    hr_batch *batch = make_batch(types);
    hr_vault_splitter *splitter;
    const hr_batch *wide;
    const uint32_t *rows;
    uint8_t skip[16] = {0};
    int64_t count;

    add(batch, "1", "7", "a", "r", "10");       /* 0 */
    add(batch, "2", NULL, "b", "c", "20");      /* 1: refers to nothing */
    add(batch, "1", "7", "A", "u", "30");       /* 2: another case is another text */
    add(batch, "1", "7", "A", "u", "40");       /* 3: the same again: no row in the satellite */
    add(batch, "1", NULL, NULL, "d", "50");     /* 4 */
    add(batch, "1", "7", "A", "c", "50");       /* 5: of the same lsn, after the delete; opens again */
    add(batch, "1", "7", "A", "u", "40");       /* 6: the event of row 3 once more */
    add(batch, NULL, NULL, NULL, "t", "60");    /* 7 */
    add(batch, "1", "8", NULL, "u", "35");      /* 8: late within the batch, between 2 and 3 */
    add(batch, "9", "9", "left out", "c", "1"); /* 9: skipped */
    skip[9] = 1;
    splitter = begin(&plan, batch, skip);
    CHECK_TAKEN(hub, ROW(0) | ROW(1));
    CHECK_TAKEN(other_hub, ROW(0) | ROW(8));
    CHECK_TAKEN(link_rows, ROW(0) | ROW(1) | ROW(8));
    CHECK_TAKEN(events_of, ROW(0) | ROW(1) | ROW(2) | ROW(3) | ROW(4) | ROW(5) | ROW(7) | ROW(8));
    CHECK_TAKEN(history, ROW(0) | ROW(1) | ROW(2) | ROW(8) | ROW(3) | ROW(5));
    CHECK(hr_vault_take(splitter, &events_of, &rows, &count, NULL) == HR_OK && rows[0] == 7, "the truncation's key is null: first");
    hr_vault_firsts(splitter, &rows, &count);
    CHECK(count == 2 && (1u << rows[0] | 1u << rows[1]) == (ROW(0) | ROW(1)), "the first event of each key");
    wide = hr_vault_wide(splitter);
    CHECK(wide->schema->count == 6 + 1 + HASHES && wide->length == 10);
    for (int64_t i = 1; i + 1 < count; i++) {
        bool same = memcmp(hr_column_get_bytes(&wide->columns[7], rows[i], &(size_t){0}),
                           hr_column_get_bytes(&wide->columns[7], rows[i + 1], &(size_t){0}), 16) == 0;

        if (same)
            CHECK(hr_column_get_int64(&wide->columns[LSN], rows[i]) <= hr_column_get_int64(&wide->columns[LSN], rows[i + 1]));
    }
    CHECK(hr_column_get_int16(&wide->columns[6], 0) == 0 && hr_column_get_int16(&wide->columns[6], 4) == 1 &&
          hr_column_get_int16(&wide->columns[6], 5) == 2 && hr_column_get_int16(&wide->columns[6], 7) == 3);
    CHECK(hr_column_is_null(&wide->columns[7 + TEXT_HD], 4) && hr_column_is_null(&wide->columns[7 + LINK_HK], 4) &&
              !hr_column_is_null(&wide->columns[7 + KEY_HK], 4),
          "a delete only brings its key");
    CHECK(hr_column_is_null(&wide->columns[7 + KEY_HK], 9) && hr_column_is_null(&wide->columns[7 + REFERENCE_HK], 1));
    CHECK(hr_vault_range(splitter, 1, 3, NULL) == HR_OK);
    CHECK_TAKEN(events_of, ROW(1) | ROW(2));
    CHECK(hr_vault_range(splitter, 3, 3, NULL) == HR_OK);
    CHECK_TAKEN(hub, UINT64_C(0));
    hr_vault_splitter_free(splitter);
    hr_batch_free(batch);
}

static void test_checks(void)
{
    const hr_vault_plan plan = plan_of();
    hr_batch *batch = make_batch(types);
    hr_error error;

    add(batch, "1", NULL, NULL, "c", "1");
    add(batch, "1", NULL, NULL, "m", "1");
    add(batch, "1", NULL, NULL, NULL, "1");
    add(batch, "1", NULL, NULL, "c", NULL);
    add(batch, NULL, NULL, NULL, "u", "1");
    add(batch, NULL, NULL, NULL, "t", "1");
    CHECK(hr_vault_check(&plan, batch, 0, &error) == HR_OK);
    CHECK(hr_vault_check(&plan, batch, 1, &error) == HR_EDATA && error.reason == HR_REASON_TYPE && error.column == OP);
    CHECK(hr_vault_check(&plan, batch, 2, &error) == HR_EDATA && error.column == OP);
    CHECK(hr_vault_check(&plan, batch, 3, &error) == HR_EDATA && error.reason == HR_REASON_NULL && error.column == LSN);
    CHECK(hr_vault_check(&plan, batch, 4, &error) == HR_EDATA && error.reason == HR_REASON_NULL && error.column == KEY);
    CHECK(hr_vault_check(&plan, batch, 5, &error) == HR_OK);
    hr_batch_free(batch);
}

/* Rows of the gap tests; row 6 is what a look into the vault brings for row 5. */
static hr_batch *gappy(void)
{
    static const char *const rows[][6] = {
        {"1", NULL, "kept", "c", "10", NULL},    /* 0 */
        {"1", NULL, NULL, "u", "20", "{c2}"},    /* 1: from 0 */
        {"1", NULL, NULL, "u", "30", "{c2,c9}"}, /* 2: from 0 as well */
        {"1", NULL, NULL, "d", "40", "{c2}"},    /* 3: a delete has no gaps */
        {"1", NULL, NULL, "u", "50", "{c2}"},    /* 4: nowhere */
        {"2", NULL, NULL, "u", "10", "{c2}"},    /* 5: in the vault, perhaps */
        {"3", NULL, NULL, "u", "10", "{}"},      /* 6: null is null */
    };
    hr_batch *batch = make_batch(types);

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        add_row(batch, rows[i]);
    return batch;
}

static void test_gaps(void)
{
    static const char *const found_types[] = {"text", NULL};
    static const int32_t columns[] = {TEXT};
    const hr_vault_plan plan = plan_of();
    hr_batch *batch = gappy(), *found = make_batch(found_types), *filled = NULL;
    const hr_vault_gap *gaps;
    const char *value[] = {"from the vault"};
    int64_t count, found_rows[8];
    hr_vault_splitter *splitter = begin(&plan, batch, NULL);

    add_row(found, value);
    CHECK(hr_vault_gaps(splitter, columns, 1, &gaps, &count, NULL) == HR_OK && count == 4);
    for (int64_t i = 0; i < count; i++) {
        static const int64_t sources[] = {0, 0, 0, 0, HR_VAULT_NOWHERE, HR_VAULT_ELSEWHERE};

        CHECK(gaps[i].column == TEXT && gaps[i].source == sources[gaps[i].row], "row %d: %d", (int)gaps[i].row, (int)gaps[i].source);
        found_rows[i] = gaps[i].row == 5 ? 0 : -1;
    }
    CHECK(hr_vault_fill(batch, 0, batch->length, gaps, count, found, found_rows, columns, &filled, NULL) == HR_OK);
    if (filled != NULL) {
        static const char *const want[] = {"kept", "kept", "kept", NULL, NULL, "from the vault", NULL};

        CHECK(filled->length == batch->length);
        for (int64_t row = 0; row < filled->length; row++) {
            size_t n = 0;
            const char *got = hr_column_is_null(&filled->columns[TEXT], row) ? NULL : hr_column_get_bytes(&filled->columns[TEXT], row, &n);

            CHECK((got == NULL) == (want[row] == NULL), "row %d", (int)row);
            if (got != NULL && want[row] != NULL)
                CHECK_TEXT(got, n, want[row]);
        }
        CHECK(strcmp(text_of(filled, 0, 1), text_of(batch, 0, 1)) == 0);
    }
    hr_batch_free(filled);
    CHECK(hr_vault_fill(batch, 2, 6, gaps, count, found, found_rows, columns, &filled, NULL) == HR_OK);
    if (filled != NULL) { /* rows 2 to 5: the value of the first is in a row outside */
        const hr_column *column = &filled->columns[TEXT];
        size_t n, m;
        const char *first = hr_column_get_bytes(column, 0, &n), *last = hr_column_get_bytes(column, 3, &m);

        CHECK(filled->length == 4 && hr_column_is_null(column, 1) && hr_column_is_null(column, 2));
        CHECK_TEXT(first, n, "kept");
        CHECK_TEXT(last, m, "from the vault");
    }
    hr_batch_free(filled);
    hr_batch_free(found);
    hr_vault_splitter_free(splitter);
    hr_batch_free(batch);
}

/* A changed key is a delete and a create of one lsn: what the create leaves out is under the old key. */
static void test_gaps_of_changed_keys(void)
{
    static const char *const rows[][6] = {
        {"1", NULL, "kept", "c", "10", NULL}, /* 0 */
        {"1", NULL, NULL, "d", "20", NULL},   /* 1 */
        {"2", NULL, NULL, "c", "20", "{c2}"}, /* 2: from 0 */
        {"2", NULL, NULL, "d", "30", NULL},   /* 3 */
        {"3", NULL, NULL, "c", "30", "{c2}"}, /* 4: from 0, over 2 */
        {"3", NULL, NULL, "u", "40", "{c2}"}, /* 5: from 0, over 4 and 2 */
        {"4", NULL, NULL, "d", "50", NULL},   /* 6 */
        {"5", NULL, NULL, "c", "50", "{c2}"}, /* 7: in the vault, before row 6 */
        {"6", NULL, NULL, "c", "60", "{c2}"}, /* 8: in the vault, under a key that only the vault knows */
        {"6", NULL, NULL, "u", "70", "{c2}"}, /* 9: the same */
        {"7", NULL, NULL, "c", "80", NULL},   /* 10 */
        {"7", NULL, NULL, "u", "90", "{c2}"}, /* 11: a null is not left out, so something is missing here */
        {"5", NULL, NULL, "u", "91", "{c2}"}, /* 12: as 7 */
        {"5", NULL, NULL, "u", "92", "{c2}"}, /* 13: as 12 */
        {"8", NULL, NULL, "u", "93", "{c2}"}, /* 14: in the vault, before itself: its key may have later events there than those here */
        {"8", NULL, NULL, "u", "94", "{c2}"}, /* 15: before itself as well */
        {"8", NULL, "new", "u", "95", NULL},  /* 16 */
        {"8", NULL, NULL, "u", "96", "{c2}"}, /* 17: from 16 */
        {"8", NULL, NULL, "u", "97", "{c2}"}, /* 18: from 16, over 17 */
    };
    static const struct {
        uint32_t row, asked;
        int64_t source;
        bool created;
    } want[] = {{2, 0, 0, false},
                {4, 0, 0, false},
                {5, 0, 0, false},
                {7, 6, HR_VAULT_ELSEWHERE, false},
                {8, 8, HR_VAULT_ELSEWHERE, true},
                {9, 8, HR_VAULT_ELSEWHERE, true},
                {11, 0, HR_VAULT_NOWHERE, false},
                {12, 6, HR_VAULT_ELSEWHERE, false},
                {13, 6, HR_VAULT_ELSEWHERE, false},
                {14, 14, HR_VAULT_ELSEWHERE, false},
                {15, 15, HR_VAULT_ELSEWHERE, false},
                {17, 0, 16, false},
                {18, 0, 16, false}};
    static const int32_t columns[] = {TEXT};
    const hr_vault_plan plan = plan_of();
    hr_batch *batch = make_batch(types);
    const hr_vault_gap *gaps;
    int64_t count;
    hr_vault_splitter *splitter;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        add_row(batch, rows[i]);
    splitter = begin(&plan, batch, NULL);
    CHECK(hr_vault_gaps(splitter, columns, 1, &gaps, &count, NULL) == HR_OK && count == 13, "%d gaps", (int)count);
    for (int64_t i = 0; i < count; i++)
        for (size_t k = 0; k < sizeof(want) / sizeof(want[0]); k++) {
            if (gaps[i].row != want[k].row)
                continue;
            CHECK(gaps[i].source == want[k].source, "row %u: %d", gaps[i].row, (int)gaps[i].source);
            if (want[k].source == HR_VAULT_ELSEWHERE)
                CHECK(gaps[i].asked == want[k].asked && gaps[i].created == want[k].created, "row %u: %u", gaps[i].row, gaps[i].asked);
        }
    hr_vault_splitter_free(splitter);
    hr_batch_free(batch);
}

/* Many rows, few keys, in random order: the split agrees with a slow look at every pair. */
static void test_random(void)
{
    const hr_vault_plan plan = plan_of();
    hr_batch *batch = make_batch(types);
    hr_vault_splitter *splitter;
    const uint32_t *rows;
    const uint64_t *keys;
    int64_t count, distinct = 0, changes = 0;
    unsigned state = 12345;
    char key[8], lsn[16], text[2] = "";

    for (int i = 0; i < 3000; i++) {
        state = state * 1664525 + 1013904223;
        snprintf(key, sizeof(key), "%u", (state >> 8) % 37);
        snprintf(lsn, sizeof(lsn), "%u", (state >> 4) % 100000);
        text[0] = (char)('a' + (state >> 20) % 3);
        add(batch, key, "1", text, (state >> 16) % 9 == 0 ? "d" : "u", lsn);
    }
    splitter = begin(&plan, batch, NULL);
    CHECK(hr_vault_take(splitter, &events_of, &rows, &count, NULL) == HR_OK);
    for (int64_t i = 0; i < count; i++) {
        bool deleted = hr_column_get_bytes(&batch->columns[OP], rows[i], &(size_t){0})[0] == 'd';
        bool first = i == 0 || hr_column_get_int32(&batch->columns[KEY], rows[i - 1]) != hr_column_get_int32(&batch->columns[KEY], rows[i]);
        bool after_delete = !first && hr_column_get_bytes(&batch->columns[OP], rows[i - 1], &(size_t){0})[0] == 'd';

        distinct += first;
        changes += !deleted && (first || after_delete ||
                                hr_column_get_bytes(&batch->columns[TEXT], rows[i - 1], &(size_t){0})[0] !=
                                    hr_column_get_bytes(&batch->columns[TEXT], rows[i], &(size_t){0})[0]);
        CHECK(first || hr_column_get_int64(&batch->columns[LSN], rows[i - 1]) <= hr_column_get_int64(&batch->columns[LSN], rows[i]));
    }
    CHECK(distinct == 37, "%d runs of keys", (int)distinct);
    CHECK(hr_vault_range_keys(splitter, &keys, &count, NULL) == HR_OK && count == 37);
    for (int64_t i = 1; i < count; i++)
        CHECK(keys[i - 1] < keys[i]);
    CHECK(hr_vault_take(splitter, &history, &rows, &count, NULL) == HR_OK && count == changes, "%d of %d", (int)count, (int)changes);
    CHECK(hr_vault_take(splitter, &hub, &rows, &count, NULL) == HR_OK && count == 37);
    hr_vault_splitter_free(splitter);
    hr_batch_free(batch);
}

/* Everything once, under failing allocations. Returns HR_ENOMEM or HR_OK. */
static int whole_way(const hr_vault_plan *plan, const hr_batch *batch)
{
    static const int32_t columns[] = {TEXT};
    const hr_vault_relation *const relations[] = {&hub, &link_rows, &events_of, &history};
    hr_vault_splitter *splitter;
    const hr_vault_gap *gaps;
    const uint32_t *rows;
    const uint64_t *keys;
    hr_batch *filled = NULL;
    int64_t count, found_rows[8] = {-1, -1, -1, -1, -1, -1, -1, -1};
    hr_error error;
    int rc = hr_vault_splitter_new(plan, batch->schema, &splitter, &error);

    if (rc != HR_OK) {
        CHECK(splitter == NULL);
        return rc;
    }
    rc = hr_vault_begin(splitter, batch, NULL, false, &error);
    if (rc == HR_OK)
        rc = hr_vault_range(splitter, 0, batch->length, &error);
    if (rc == HR_OK)
        rc = hr_vault_gaps(splitter, columns, 1, &gaps, &count, &error);
    if (rc == HR_OK)
        rc = hr_vault_fill(batch, 0, batch->length, gaps, count, NULL, found_rows, NULL, &filled, &error);
    if (rc == HR_OK)
        rc = hr_vault_begin(splitter, filled, NULL, true, &error);
    if (rc == HR_OK)
        rc = hr_vault_range(splitter, 0, filled->length, &error);
    if (rc == HR_OK)
        rc = hr_vault_range_keys(splitter, &keys, &count, &error);
    for (int i = 0; i < 4 && rc == HR_OK; i++)
        rc = hr_vault_take(splitter, relations[i], &rows, &count, &error);
    hr_vault_splitter_free(splitter);
    hr_batch_free(filled);
    return rc;
}

static void test_faults(void)
{
    const hr_vault_plan plan = plan_of();
    hr_batch *batch = gappy();
    bool fired = true;

    for (long n = 1; fired; n++) {
        int rc;

        hr_fault_arm(n, false);
        rc = whole_way(&plan, batch);
        fired = hr_fault_fired();
        hr_fault_arm(0, false);
        CHECK(rc == (fired ? HR_ENOMEM : HR_OK), "allocation %ld: %d", n, rc);
    }
    hr_batch_free(batch);
}

int main(void)
{
    test_source();
    test_split();
    test_checks();
    test_gaps();
    test_gaps_of_changed_keys();
    test_random();
    test_faults();
    return CHECK_DONE();
}
