/* csrc/core/vault/vault_gaps.c: values that events left out because they had not changed (large ones, that PostgreSQL keeps outside the
 * row). */
#include "core/take.h"
#include "vault_order.h"

/* Whether the event's list of unchanged columns names this one. */
static bool hr_vault_names(const hr_column *lists, int64_t row, const char *name)
{
    size_t length = strlen(name);

    if (hr_column_is_null(lists, row))
        return false;
    for (int32_t i = lists->offsets[row]; i < lists->offsets[row + 1]; i++) {
        const char *text;
        size_t n;

        if (hr_column_is_null(lists->child, i))
            continue;
        text = hr_column_get_bytes(lists->child, i, &n);
        if (n == length && memcmp(text, name, n) == 0)
            return true;
    }
    return false;
}

static char hr_vault_op_of(const hr_vault_splitter *splitter, int64_t at)
{
    return hr_column_get_bytes(&hr_vault_wide(splitter)->columns[splitter->plan->op], splitter->events[at].row, &(size_t){0})[0];
}

static int hr_vault_compare_ends(const void *a, const void *b)
{
    const hr_vault_end *left = a, *right = b;

    return (left->lsn > right->lsn) - (left->lsn < right->lsn);
}

/* Note the deletes of the range by their lsn. */
static int hr_vault_note_ends(hr_vault_splitter *splitter, hr_error *error)
{
    splitter->end_count = 0;
    if (splitter->event_count > splitter->end_capacity) {
        hr_vault_end *room = hr_realloc(splitter->ends, sizeof(*room) * (size_t)splitter->event_count);

        if (room == NULL)
            return hr_error_nomem(error);
        splitter->ends = room;
        splitter->end_capacity = splitter->event_count;
    }
    for (int64_t at = 0; at < splitter->event_count; at++)
        if (hr_vault_op_of(splitter, at) == 'd')
            splitter->ends[splitter->end_count++] = (hr_vault_end){splitter->events[at].lsn, at};
    if (splitter->end_count > 1)
        qsort(splitter->ends, (size_t)splitter->end_count, sizeof(*splitter->ends), hr_vault_compare_ends);
    return HR_OK;
}

/* The place of the delete that has this lsn, or -1. */
static int64_t hr_vault_end_at(const hr_vault_splitter *splitter, int64_t lsn)
{
    int64_t low = 0, high = splitter->end_count;

    while (low < high) {
        int64_t middle = low + (high - low) / 2;

        if (splitter->ends[middle].lsn < lsn)
            low = middle + 1;
        else
            high = middle;
    }
    return low < splitter->end_count && splitter->ends[low].lsn == lsn ? splitter->ends[low].at : -1;
}

/* Find the value that event `at` left out: in the event before it of the same row, or where that one has it from. A create with a gap goes
 * on before the delete of its old key. */
static void hr_vault_source(const hr_vault_splitter *splitter, const hr_column *lists, int64_t at, hr_vault_gap *gap)
{
    const hr_batch *wide = hr_vault_wide(splitter);
    const hr_column *identity = &wide->columns[splitter->column_count + 1 + splitter->plan->identity];

    gap->asked = splitter->events[at].row;
    gap->source = HR_VAULT_ELSEWHERE;
    for (;;) {
        int64_t before;

        if (hr_vault_op_of(splitter, at) == 'c') {
            int64_t end = hr_vault_end_at(splitter, splitter->events[at].lsn);

            if (end < 0) {
                gap->asked = splitter->events[at].row;
                gap->created = true;
                return;
            }
            at = end;
            gap->asked = splitter->events[at].row;
        }
        before = at - 1;
        if (before < 0 || !hr_vault_same(identity, splitter->events[before].row, splitter->events[at].row))
            return;
        if (hr_vault_op_of(splitter, before) == 'd') {
            gap->source = HR_VAULT_NOWHERE;
            return;
        }
        if (!hr_vault_names(lists, splitter->events[before].row, wide->schema->columns[gap->column].name)) {
            uint32_t row = splitter->events[before].row;

            gap->source = hr_column_is_null(&wide->columns[gap->column], row) ? HR_VAULT_NOWHERE : (int64_t)row;
            return;
        }
        at = before;
    }
}

/* The same, from the gaps [from, to) of the event before, when that left out the value as well: a row that is changed often would be walked
 * back to its first event again and again. */
static void hr_vault_source_after(const hr_vault_splitter *splitter, const hr_column *lists, int64_t at, int64_t from, int64_t to,
                                  hr_vault_gap *gap)
{
    const hr_column *identity = &hr_vault_wide(splitter)->columns[splitter->column_count + 1 + splitter->plan->identity];

    while (from < to && splitter->gaps[from].column != gap->column)
        from++;
    if (from == to || hr_vault_op_of(splitter, at) == 'c' ||
        !hr_vault_same(identity, splitter->events[at - 1].row, splitter->events[at].row)) {
        hr_vault_source(splitter, lists, at, gap);
        return;
    }
    const hr_vault_gap *before = &splitter->gaps[from];
    bool own = !before->created && before->asked == before->row; /* no create on the way back */

    gap->source = before->source;
    gap->created = before->created;
    gap->asked = own ? gap->row : before->asked;
}

int hr_vault_gaps(hr_vault_splitter *splitter, const int32_t *columns, int32_t column_count, const hr_vault_gap **gaps, int64_t *count,
                  hr_error *error)
{
    const hr_batch *wide = hr_vault_wide(splitter);
    const hr_column *lists;
    int64_t n = 0, first = 0, last = 0; /* the gaps of the event before */

    *gaps = NULL;
    *count = 0;
    if (splitter->plan->unchanged < 0)
        return HR_OK;
    lists = &wide->columns[splitter->plan->unchanged];
    if (lists->null_count == lists->length)
        return HR_OK;
    HR_RETURN_NOT_OK(hr_vault_note_ends(splitter, error));
    for (int64_t at = 0; at < splitter->event_count; at++) {
        uint32_t row = splitter->events[at].row;

        first = last;
        last = n;
        if (hr_column_is_null(lists, row) || hr_vault_op_of(splitter, at) == 'd')
            continue;
        for (int32_t i = 0; i < column_count; i++) {
            const char *name = wide->schema->columns[columns[i]].name;

            if (!hr_vault_names(lists, row, name))
                continue;
            if (n == splitter->gap_capacity) {
                int64_t room = n > 0 ? n * 2 : 64;
                hr_vault_gap *more = hr_realloc(splitter->gaps, sizeof(*more) * (size_t)room);

                if (more == NULL)
                    return hr_error_nomem(error);
                splitter->gaps = more;
                splitter->gap_capacity = room;
            }
            splitter->gaps[n] = (hr_vault_gap){.row = row, .column = columns[i]};
            hr_vault_source_after(splitter, lists, at, first, last, &splitter->gaps[n++]);
        }
    }
    *gaps = splitter->gaps;
    *count = n;
    return HR_OK;
}

/* The rows [lower, upper) of one column with their gaps filled. `places[row - lower]` is 0, or 1 + the gap's index. */
static int hr_vault_fill_column(const hr_column *column, int64_t lower, int64_t upper, const hr_column *found, const uint32_t *places,
                                const hr_vault_gap *gaps, const int64_t *found_rows, hr_column *out, hr_error *error)
{
    for (int64_t row = lower; row < upper; row++) {
        uint32_t place = places[row - lower];
        const hr_vault_gap *gap = place > 0 ? &gaps[place - 1] : NULL;

        if (gap == NULL)
            HR_RETURN_NOT_OK(hr_column_take(column, &(uint32_t){(uint32_t)row}, 1, out, error));
        else if (gap->source >= 0)
            HR_RETURN_NOT_OK(hr_column_take(column, &(uint32_t){(uint32_t)gap->source}, 1, out, error));
        else if (gap->source == HR_VAULT_ELSEWHERE && found != NULL && found_rows[place - 1] >= 0)
            HR_RETURN_NOT_OK(hr_column_take(found, &(uint32_t){(uint32_t)found_rows[place - 1]}, 1, out, error));
        else
            HR_RETURN_NOT_OK(hr_column_append_null(out, error));
    }
    return HR_OK;
}

int hr_vault_fill(const hr_batch *events, int64_t lower, int64_t upper, const hr_vault_gap *gaps, int64_t count, const hr_batch *found,
                  const int64_t *found_rows, const int32_t *found_columns, hr_batch **out, hr_error *error)
{
    uint32_t *places = hr_calloc((size_t)(upper - lower) + 1, sizeof(*places));
    hr_batch *filled = NULL;
    int rc = places != NULL ? hr_batch_new(events->schema, &filled, error) : hr_error_nomem(error);

    *out = NULL;
    for (int32_t i = 0; i < events->schema->count && rc == HR_OK; i++) {
        const hr_column *from = NULL;

        for (int32_t k = 0; found != NULL && k < found->schema->count; k++)
            if (found_columns[k] == i)
                from = &found->columns[k];
        memset(places, 0, (size_t)(upper - lower) * sizeof(*places));
        for (int64_t g = 0; g < count; g++)
            if (gaps[g].column == i && gaps[g].row >= lower && gaps[g].row < upper)
                places[gaps[g].row - lower] = (uint32_t)g + 1;
        rc = hr_vault_fill_column(&events->columns[i], lower, upper, from, places, gaps, found_rows, &filled->columns[i], error);
    }
    hr_free(places);
    if (rc != HR_OK) {
        hr_batch_free(filled);
        return rc;
    }
    filled->length = upper - lower;
    *out = filled;
    return HR_OK;
}
