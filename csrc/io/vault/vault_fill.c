/* csrc/io/vault/vault_fill.c: looking for values that events left out, and filling them in. */
#include "vault_fill.h"

#include <stdio.h>

bool hr_vault_has_gaps(const hr_vault_settings *settings, const hr_batch *batch)
{
    const hr_column *lists = &batch->columns[settings->plan.unchanged];

    return settings->gap_query != NULL && lists->child->length > 0;
}

void hr_vault_fill_free(hr_vault_filler *filler)
{
    hr_batch_free(filler->filled);
    hr_free(filler->segments);
    hr_free(filler->judged);
    memset(filler, 0, sizeof(*filler));
}

/* Whether only the vault can fill the gap, and none of those before it of the same event: one look serves all of them. */
static bool hr_vault_is_first_look(const hr_vault_gap *gaps, int64_t i)
{
    if (gaps[i].source != HR_VAULT_ELSEWHERE)
        return false;
    for (int64_t k = i; k-- > 0 && gaps[k].row == gaps[i].row;)
        if (gaps[k].source == HR_VAULT_ELSEWHERE)
            return false;
    return true;
}

/* Put the keys of the gaps that only the vault can fill into their stage: place, identity, lsn, rank, created. */
static int hr_vault_send_gaps(hr_vault_filler *filler, hr_writer *writer, const hr_vault_gap *gaps, int64_t count, hr_error *error)
{
    const hr_vault_plan *plan = &filler->settings->plan;
    const hr_batch *wide = hr_vault_wide(filler->splitter);
    const hr_column *identity = &wide->columns[writer->target->schema->count + 1 + plan->identity];
    const hr_column *ranks = &wide->columns[writer->target->schema->count];
    hr_buffer *bytes = &writer->bytes;
    int rc;

    writer->sql.size = 0;
    HR_RETURN_NOT_OK(hr_sql(&writer->sql, error, "TRUNCATE %s", filler->settings->gap_stage));
    HR_RETURN_NOT_OK(hr_pg_exec(writer->pg, (const char *)writer->sql.data, NULL, error));
    writer->sql.size = 0;
    HR_RETURN_NOT_OK(hr_sql(&writer->sql, error, "COPY %s FROM STDIN", filler->settings->gap_stage));
    HR_RETURN_NOT_OK(hr_pg_copy_begin(writer->pg, (const char *)writer->sql.data, error));
    bytes->size = 0;
    rc = HR_OK;
    for (int64_t i = 0; i < count && rc == HR_OK; i++) {
        char line[160];
        size_t size = 0, used;
        const char *key;

        if (!hr_vault_is_first_look(gaps, i))
            continue;
        key = hr_column_is_null(identity, gaps[i].asked) ? "" : hr_column_get_bytes(identity, gaps[i].asked, &size);
        used = (size_t)snprintf(line, sizeof(line), "%u\t\\\\x", (unsigned)gaps[i].row);
        for (size_t k = 0; k < size && used < sizeof(line) - 40; k++)
            used += (size_t)snprintf(line + used, sizeof(line) - used, "%02x", (unsigned)(uint8_t)key[k]);
        used += (size_t)snprintf(line + used, sizeof(line) - used, "\t%lld\t%d\t%c\n",
                                 (long long)hr_column_get_int64(&wide->columns[plan->lsn], gaps[i].asked),
                                 (int)hr_column_get_int16(ranks, gaps[i].asked), gaps[i].created ? 't' : 'f');
        rc = hr_buffer_append(bytes, line, used, error);
    }
    if (rc == HR_OK)
        rc = hr_pg_copy_put(writer->pg, bytes->data, bytes->size, error);
    else
        hr_pg_copy_abort(writer->pg, "headrace is out of memory");
    return rc == HR_OK ? hr_pg_copy_end(writer->pg, &(int64_t){0}, error) : rc;
}

/* Read the answer: a batch of the gap columns, and for every event's row its row in that batch, or -1. */
static int hr_vault_read_found(const hr_vault_settings *settings, hr_writer *writer, hr_batch *found, int64_t *found_of_row, int64_t rows,
                               hr_error *error)
{
    PGresult *result = NULL;
    int rc;

    for (int64_t i = 0; i < rows; i++)
        found_of_row[i] = -1;
    rc = hr_pg_exec(writer->pg, settings->gap_query, &result, error);
    for (int i = 0; rc == HR_OK && i < PQntuples(result); i++) {
        int64_t place = strtoll(PQgetvalue(result, i, 0), NULL, 10);

        for (int32_t k = 0; k < settings->gap_count && rc == HR_OK; k++) {
            hr_column *column = &found->columns[k];

            if (PQgetisnull(result, i, k + 1))
                rc = hr_column_append_null(column, error);
            else
                rc = hr_type_ops_of(column->type)
                         ->parse(column->type, HR_TOKEN_TEXT, PQgetvalue(result, i, k + 1), (size_t)PQgetlength(result, i, k + 1), column,
                                 error);
        }
        if (rc == HR_OK && place >= 0 && place < rows)
            found_of_row[place] = found->length++;
    }
    PQclear(result);
    return rc;
}

/* A batch of the columns that may have gaps, with the types they have in the events. */
static int hr_vault_found_batch(const hr_vault_settings *settings, const hr_writer *writer, hr_batch **out, hr_error *error)
{
    hr_schema *schema;
    int rc = hr_schema_new(&schema, error);

    *out = NULL;
    for (int32_t k = 0; k < settings->gap_count && rc == HR_OK; k++) {
        const hr_column_def *def = &writer->target->schema->columns[settings->gap_columns[k]];

        rc = hr_schema_add(schema, def->name, &def->type, false, false, NULL, error); /* the target, which owns the type, lives longer */
    }
    if (rc == HR_OK)
        rc = hr_batch_new(schema, out, error);
    hr_schema_release(schema);
    return rc;
}

/* Which of the gap columns that is. */
static int32_t hr_vault_gap_column(const hr_vault_settings *settings, int32_t column)
{
    int32_t k = 0;

    while (k < settings->gap_count - 1 && settings->gap_columns[k] != column)
        k++;
    return k;
}

/* For each gap the row of `found` that has its value, or -1. What was left out is large: a null in the vault is a value that it never saw.
 */
static void hr_vault_known(const hr_vault_settings *settings, const hr_vault_gap *gaps, int64_t count, const hr_batch *found,
                           const int64_t *found_of_row, int64_t *found_rows)
{
    for (int64_t i = 0; i < count; i++) {
        int32_t k = hr_vault_gap_column(settings, gaps[i].column);

        found_rows[i] = found_of_row[gaps[i].row];
        if (found_rows[i] >= 0 && hr_column_is_null(&found->columns[k], found_rows[i]))
            found_rows[i] = -1;
    }
}

/* The gaps of the batch, in the order of the events. */
static int hr_vault_find_gaps(hr_vault_filler *filler, const hr_batch *batch, const uint8_t *skip, const hr_vault_gap **gaps,
                              int64_t *count, hr_error *error)
{
    const hr_vault_settings *settings = filler->settings;

    HR_RETURN_NOT_OK(hr_vault_begin(filler->splitter, batch, skip, false, error));
    HR_RETURN_NOT_OK(hr_vault_range(filler->splitter, 0, batch->length, error));
    return hr_vault_gaps(filler->splitter, settings->gap_columns, settings->gap_count, gaps, count, error);
}

/* Ask the vault for the lengths of what the events left out. known[row] is NULL, or for each gap column its length, or -1 where the vault
 * has none: what was left out is large, so a null there is a value that the vault never saw. The lengths are in the arena. */
static int hr_vault_ask_sizes(const hr_vault_settings *settings, hr_writer *writer, int64_t rows, hr_arena *arena, int64_t **known,
                              hr_error *error)
{
    PGresult *result = NULL;
    int rc = hr_pg_exec(writer->pg, settings->gap_sizes, &result, error);

    for (int i = 0; rc == HR_OK && i < PQntuples(result); i++) {
        int64_t place = strtoll(PQgetvalue(result, i, 0), NULL, 10);
        int64_t *sizes = hr_arena_alloc(arena, sizeof(*sizes) * (size_t)settings->gap_count);

        if (sizes == NULL)
            rc = hr_error_nomem(error);
        for (int32_t k = 0; k < settings->gap_count && rc == HR_OK; k++)
            sizes[k] = PQgetisnull(result, i, k + 1) ? -1 : strtoll(PQgetvalue(result, i, k + 1), NULL, 10);
        if (rc == HR_OK && place >= 0 && place < rows)
            known[place] = sizes;
    }
    PQclear(result);
    return rc;
}

/* Reject the event whose gap nobody can fill. */
static int hr_vault_reject_gap(hr_work *work, const hr_vault_gap *gap, uint8_t *skip, hr_error *error)
{
    hr_error why;

    if (skip[gap->row])
        return HR_OK;
    hr_error_data(
        &why, HR_REASON_NULL, NULL, 0,
        "the event leaves column \"%s\" out as unchanged, and no earlier event of this row is in the vault: load the topic from its "
        "beginning or from a new snapshot, then replay this dead letter",
        work->batch->schema->columns[gap->column].name);
    why.column = gap->column;
    HR_RETURN_NOT_OK(hr_work_reject_row(work, gap->row, &why, error));
    skip[gap->row] = 1;
    return HR_OK;
}

/* How many bytes a value has that a row of the batch brings. */
static int64_t hr_vault_size_of(const hr_batch *batch, int32_t column, int64_t row)
{
    size_t n = 0;

    if (batch->columns[column].offsets == NULL || batch->columns[column].child != NULL || hr_column_is_null(&batch->columns[column], row))
        return 0;
    hr_column_get_bytes(&batch->columns[column], row, &n);
    return (int64_t)n;
}

/* Judge every gap: the bytes it will take are added to costs[row]. An answer of the vault has all gap columns, whichever are wanted. */
static int hr_vault_judge_gaps(const hr_vault_settings *settings, hr_work *work, const hr_vault_gap *gaps, int64_t count, int64_t **known,
                               int64_t *costs, uint8_t *skip, hr_error *error)
{
    for (int64_t i = 0; i < count; i++) {
        const hr_vault_gap *gap = &gaps[i];
        int64_t *sizes = known[gap->row];

        if (gap->source >= 0) {
            costs[gap->row] += hr_vault_size_of(work->batch, gap->column, gap->source);
            continue;
        }
        if (gap->source != HR_VAULT_ELSEWHERE || sizes == NULL || sizes[hr_vault_gap_column(settings, gap->column)] < 0) {
            HR_RETURN_NOT_OK(hr_vault_reject_gap(work, gap, skip, error));
            continue;
        }
        for (int32_t k = 0; k < settings->gap_count && hr_vault_is_first_look(gaps, i); k++)
            costs[gap->row] += sizes[k] > 0 ? sizes[k] : 0;
    }
    return HR_OK;
}

static int hr_vault_add_segment(hr_vault_filler *filler, int64_t begin, hr_error *error)
{
    if (filler->count + 2 > filler->capacity) {
        int64_t room = filler->capacity > 0 ? 2 * filler->capacity : 16;
        int64_t *segments = hr_realloc(filler->segments, sizeof(*segments) * (size_t)room);

        if (segments == NULL)
            return hr_error_nomem(error);
        filler->segments = segments;
        filler->capacity = room;
    }
    filler->segments[filler->count++] = begin;
    return HR_OK;
}

/* Cut the batch where what is to be filled in becomes too much. costs may be NULL: one segment. */
static int hr_vault_cut(hr_vault_filler *filler, int64_t rows, const int64_t *costs, hr_error *error)
{
    int64_t bytes = 0;

    filler->count = 0;
    HR_RETURN_NOT_OK(hr_vault_add_segment(filler, 0, error));
    for (int64_t row = 0; costs != NULL && row < rows; row++) {
        if (bytes > 0 && bytes + costs[row] > HR_VAULT_FILL_BYTES) {
            HR_RETURN_NOT_OK(hr_vault_add_segment(filler, row, error));
            bytes = 0;
        }
        bytes += costs[row];
    }
    filler->segments[filler->count] = rows;
    return HR_OK;
}

/* Remember which rows were left out before gaps were judged: a row that is refused for one gap may still have the value of another. */
static int hr_vault_keep_skip(hr_vault_filler *filler, const uint8_t *skip, int64_t rows, hr_error *error)
{
    if (rows > filler->judged_capacity) {
        uint8_t *judged = hr_realloc(filler->judged, (size_t)rows);

        if (judged == NULL)
            return hr_error_nomem(error);
        filler->judged = judged;
        filler->judged_capacity = rows;
    }
    memcpy(filler->judged, skip, (size_t)rows);
    return HR_OK;
}

/* The gaps of a batch that has some. */
static int hr_vault_plan_gaps(hr_vault_filler *filler, hr_writer *writer, hr_work *work, uint8_t *skip, hr_error *error)
{
    int64_t rows = work->batch->length, count, **known = NULL, *costs = NULL;
    const hr_vault_gap *gaps;
    bool elsewhere = false;
    hr_arena arena;
    int rc;

    HR_RETURN_NOT_OK(hr_vault_keep_skip(filler, skip, rows, error));
    HR_RETURN_NOT_OK(hr_vault_find_gaps(filler, work->batch, skip, &gaps, &count, error));
    filler->gaps = count > 0;
    for (int64_t i = 0; i < count; i++)
        elsewhere |= gaps[i].source == HR_VAULT_ELSEWHERE;
    hr_arena_init(&arena, 8192);
    known = hr_calloc((size_t)rows + 1, sizeof(*known));
    costs = hr_calloc((size_t)rows + 1, sizeof(*costs));
    rc = known != NULL && costs != NULL ? HR_OK : hr_error_nomem(error);
    if (rc == HR_OK && elsewhere)
        rc = hr_vault_send_gaps(filler, writer, gaps, count, error);
    if (rc == HR_OK && elsewhere)
        rc = hr_vault_ask_sizes(filler->settings, writer, rows, &arena, known, error);
    if (rc == HR_OK)
        rc = hr_vault_judge_gaps(filler->settings, work, gaps, count, known, costs, skip, error);
    if (rc == HR_OK)
        rc = hr_vault_cut(filler, rows, costs, error);
    hr_arena_free(&arena);
    hr_free(known);
    hr_free(costs);
    return rc;
}

int hr_vault_fill_plan(hr_vault_filler *filler, hr_writer *writer, hr_work *work, uint8_t *skip, hr_error *error)
{
    filler->current = -1;
    filler->gaps = false;
    if (hr_vault_has_gaps(filler->settings, work->batch))
        return hr_vault_plan_gaps(filler, writer, work, skip, error);
    return hr_vault_cut(filler, work->batch->length, NULL, error);
}

/* The gaps of one segment, listed anew: the splitter has had another segment since. */
static int hr_vault_fill_rows(hr_vault_filler *filler, hr_writer *writer, const hr_batch *batch, const uint8_t *skip, int64_t lower,
                              int64_t upper, hr_error *error)
{
    const hr_vault_settings *settings = filler->settings;
    const hr_vault_gap *gaps;
    hr_vault_gap *mine = NULL;
    hr_batch *found = NULL;
    int64_t all, count = 0, *found_of_row = NULL, *found_rows = NULL;
    bool elsewhere = false;
    int rc;

    HR_RETURN_NOT_OK(hr_vault_find_gaps(filler, batch, filler->judged, &gaps, &all, error));
    mine = hr_malloc(sizeof(*mine) * ((size_t)all + 1));
    found_of_row = hr_malloc(sizeof(*found_of_row) * (size_t)batch->length);
    found_rows = hr_malloc(sizeof(*found_rows) * ((size_t)all + 1));
    rc = mine != NULL && found_of_row != NULL && found_rows != NULL ? hr_vault_found_batch(settings, writer, &found, error)
                                                                    : hr_error_nomem(error);
    for (int64_t i = 0; i < all && rc == HR_OK; i++) {
        if (gaps[i].row < lower || gaps[i].row >= upper || skip[gaps[i].row])
            continue;
        mine[count] = gaps[i];
        found_rows[count++] = -1;
        elsewhere |= gaps[i].source == HR_VAULT_ELSEWHERE;
    }
    if (rc == HR_OK && elsewhere)
        rc = hr_vault_send_gaps(filler, writer, mine, count, error);
    if (rc == HR_OK && elsewhere)
        rc = hr_vault_read_found(settings, writer, found, found_of_row, batch->length, error);
    if (rc == HR_OK && elsewhere)
        hr_vault_known(settings, mine, count, found, found_of_row, found_rows);
    for (int64_t i = 0; i < count && rc == HR_OK; i++)
        if (mine[i].source == HR_VAULT_ELSEWHERE && found_rows[i] < 0)
            rc = hr_error_set(error, HR_EBALANCE,
                              "a value of column \"%s\" that an event left out as unchanged has gone from the vault while the batch was "
                              "loaded: does somebody delete rows there? The batch is rolled back",
                              batch->schema->columns[mine[i].column].name);
    if (rc == HR_OK)
        rc = hr_vault_fill(batch, lower, upper, mine, count, found, found_rows, settings->gap_columns, &filler->filled, error);
    hr_batch_free(found);
    hr_free(mine);
    hr_free(found_of_row);
    hr_free(found_rows);
    return rc;
}

int hr_vault_fill_segment(hr_vault_filler *filler, hr_writer *writer, const hr_batch *batch, const uint8_t *skip, int64_t segment,
                          hr_error *error)
{
    int64_t lower = filler->segments[segment];

    if (filler->current == segment)
        return HR_OK;
    filler->current = -1;
    hr_batch_free(filler->filled);
    filler->filled = NULL;
    if (filler->gaps)
        HR_RETURN_NOT_OK(hr_vault_fill_rows(filler, writer, batch, skip, lower, filler->segments[segment + 1], error));
    HR_RETURN_NOT_OK(hr_vault_begin(filler->splitter, filler->filled != NULL ? filler->filled : batch, skip + lower, true, error));
    filler->current = segment;
    return HR_OK;
}
