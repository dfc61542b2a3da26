/* tests/core/test_dedupe.c: the last row of each key, over every kind of storage, against a slow search. */
#include "core/dedupe.h"

#include "faults.h"
#include "rows.h"

#define ROWS 400

static const char *const types[] = {"boolean", "integer", "text", "uuid", "integer[]", NULL};

static hr_batch *some_rows(void)
{
    static const char *const texts[] = {"a", "b", "", "a ", NULL};
    static const char *const ids[] = {"00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"};
    hr_batch *batch = make_batch(types);

    for (int i = 0; i < ROWS; i++) {
        char number[16];
        const char *const values[] = {i % 3 == 0 ? "t" : "f", number, texts[i * 7 % 23 % 5], ids[i % 2], "{1}"};

        snprintf(number, sizeof(number), "%d", i * 31 % 17);
        add_row(batch, values);
    }
    return batch;
}

/* Whether a later row up to `upper` has the same key, as COPY text of its columns; nulls and lists are equal to nothing. */
static bool is_last(const hr_batch *batch, const int32_t *columns, int32_t count, int64_t row, int64_t upper)
{
    for (int64_t later = row + 1; later < upper; later++) {
        bool equal = true;

        for (int32_t i = 0; i < count && equal; i++) {
            const hr_column *column = &batch->columns[columns[i]];
            hr_buffer a = {0}, b = {0};

            if (hr_column_is_null(column, row) || hr_column_is_null(column, later) || column->child != NULL) {
                equal = false;
                break;
            }
            if (hr_type_ops_of(column->type)->write_text(column->type, column, row, &a, NULL) != HR_OK ||
                hr_type_ops_of(column->type)->write_text(column->type, column, later, &b, NULL) != HR_OK)
                abort();
            equal = a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
            hr_buffer_free(&a);
            hr_buffer_free(&b);
        }
        if (equal)
            return false;
    }
    return true;
}

static void check_key(const hr_batch *batch, const int32_t *columns, int32_t count, int64_t lower, int64_t upper)
{
    hr_dedupe dedupe = {0};
    int64_t at = 0;
    int rc = HR_ENOMEM;

    for (long n = 1; rc != HR_OK; n++) {
        hr_fault_arm(n, false);
        rc = hr_dedupe_last(&dedupe, batch, columns, count, lower, upper, NULL);
        hr_fault_arm(0, false);
        CHECK(rc == HR_OK || (rc == HR_ENOMEM && dedupe.count == 0));
    }
    for (int64_t row = lower; row < upper; row++)
        if (is_last(batch, columns, count, row, upper)) {
            CHECK(at < dedupe.count && dedupe.rows[at] == row, "row %d", (int)row);
            at++;
        }
    CHECK(at == dedupe.count, "%d of %d", (int)at, (int)dedupe.count);
    hr_dedupe_free(&dedupe);
}

int main(void)
{
    static const int32_t flag[] = {0}, number[] = {1}, text[] = {2}, both[] = {1, 2}, all[] = {0, 1, 2, 3}, list[] = {3, 4};
    hr_batch *batch = some_rows();

    check_key(batch, flag, 1, 0, ROWS);
    check_key(batch, number, 1, 0, ROWS);
    check_key(batch, number, 1, 13, 70);
    check_key(batch, text, 1, 0, ROWS);
    check_key(batch, both, 2, 0, ROWS);
    check_key(batch, all, 4, 5, ROWS);
    check_key(batch, list, 2, 0, 50);
    check_key(batch, flag, 1, 7, 7);
    hr_batch_free(batch);
    return CHECK_DONE();
}
