/* csrc/io/vault/apply_vault.c: change events into a Data Vault.
 *
 * C hashes and splits the batch (core/vault/vault.h). Events and satellites' rows go by COPY straight into their tables when what the vault
 * has of the batch's keys shows that all of them are new (vault_known.h). Otherwise, and always for hubs and links, each table's share goes
 * by COPY into a temporary stage, and from there by one statement into the table. All of it is part of the batch's transaction, like the
 * offsets.
 */
#include "io/load/apply.h"

#include <stdio.h>

#include "key_claims.h"
#include "vault_known.h"

#define HR_VAULT_PAUSES 10 /* keys that were there although they looked new: 2, 4, 8 ... 1024 batches go the safe way */

typedef struct hr_vault_writer {
    hr_vault_settings settings;
    hr_vault_splitter *splitter;
    int32_t epoch;    /* of the target that both were made for */
    hr_batch *filled; /* the batch with its gaps filled; NULL when it had none */
    uint8_t *skip;    /* per row: rejected */
    int64_t skip_capacity;
    int64_t *counts; /* per step: rows that were new, in this attempt */
    int64_t *window_counts;
    bool staged; /* the stages hold rows of this transaction */
    hr_vault_knowledge known;
    uint32_t *kept; /* rows of a satellite, without those that repeat what the vault has; rows of a hub, new ones first */
    int64_t kept_capacity;
    int32_t *pause;    /* per step of keys: so many batches are not tried straight, for keys were there that looked new */
    int32_t *failures; /* per step of keys: how often that was so */
} hr_vault_writer;

static void hr_vault_close(hr_writer *writer)
{
    hr_vault_writer *vault = writer->vault;

    if (vault == NULL)
        return;
    hr_vault_splitter_free(vault->splitter);
    hr_vault_settings_free(&vault->settings);
    hr_batch_free(vault->filled);
    hr_free(vault->skip);
    hr_free(vault->counts);
    hr_free(vault->window_counts);
    hr_vault_known_free(&vault->known);
    hr_free(vault->kept);
    hr_free(vault->pause);
    hr_free(vault->failures);
    hr_free(vault);
    writer->vault = NULL;
}

/* Bind the settings to the target's columns, once for each definition of it. */
static int hr_vault_bind(hr_writer *writer, hr_error *error)
{
    hr_vault_writer *vault = writer->vault;
    hr_relation_count *relations;

    if (vault != NULL && vault->epoch == writer->target->epoch)
        return HR_OK;
    hr_vault_close(writer);
    vault = writer->vault = hr_calloc(1, sizeof(*vault));
    if (vault == NULL)
        return hr_error_nomem(error);
    vault->epoch = -1;
    HR_RETURN_NOT_OK(hr_vault_settings_read(writer->config, writer->target->schema, &vault->settings, error));
    HR_RETURN_NOT_OK(hr_vault_splitter_new(&vault->settings.plan, writer->target->schema, &vault->splitter, error));
    vault->counts = hr_calloc((size_t)vault->settings.step_count + 1, sizeof(*vault->counts));
    vault->window_counts = hr_calloc((size_t)vault->settings.step_count + 1, sizeof(*vault->window_counts));
    vault->pause = hr_calloc((size_t)vault->settings.step_count + 1, sizeof(*vault->pause));
    vault->failures = hr_calloc((size_t)vault->settings.step_count + 1, sizeof(*vault->failures));
    relations = hr_realloc(writer->relations, sizeof(*relations) * ((size_t)vault->settings.step_count + 1));
    if (relations != NULL)
        writer->relations = relations;
    if (vault->counts == NULL || vault->window_counts == NULL || vault->pause == NULL || vault->failures == NULL || relations == NULL)
        return hr_error_nomem(error);
    vault->epoch = writer->target->epoch;
    return HR_OK;
}

static int hr_vault_make_stage(hr_writer *writer, hr_error *error)
{
    HR_RETURN_NOT_OK(hr_vault_bind(writer, error));
    if (writer->stage_epoch == writer->target->epoch)
        return HR_OK;
    HR_RETURN_NOT_OK(hr_pg_exec(writer->pg, writer->vault->settings.begin, NULL, error));
    writer->stage_epoch = writer->target->epoch;
    return HR_OK;
}

/* Events that have no place in a vault become rejects. */
static int hr_vault_check_rows(hr_writer *writer, hr_work *work, hr_error *error)
{
    hr_vault_writer *vault = writer->vault;
    const hr_batch *batch = work->batch;
    hr_error why;

    if (batch->length > vault->skip_capacity) {
        uint8_t *skip = hr_realloc(vault->skip, (size_t)batch->length);

        if (skip == NULL)
            return hr_error_nomem(error);
        vault->skip = skip;
        vault->skip_capacity = batch->length;
    }
    memset(vault->skip, 0, (size_t)batch->length);
    for (int64_t row = 0; row < batch->length; row++) {
        if (hr_vault_check(&vault->settings.plan, batch, row, &why) == HR_OK)
            continue;
        HR_RETURN_NOT_OK(hr_work_reject_row(work, row, &why, error));
        vault->skip[row] = 1;
    }
    return HR_OK;
}

/* Put the keys of the gaps that only the vault can fill into their stage: place, identity, lsn, rank, created. */
static int hr_vault_send_gaps(hr_writer *writer, const hr_vault_gap *gaps, int64_t count, hr_error *error)
{
    hr_vault_writer *vault = writer->vault;
    const hr_vault_plan *plan = &vault->settings.plan;
    const hr_batch *wide = hr_vault_wide(vault->splitter);
    const hr_column *identity = &wide->columns[writer->target->schema->count + 1 + plan->identity];
    const hr_column *ranks = &wide->columns[writer->target->schema->count];
    hr_buffer *bytes = &writer->bytes;
    int rc;

    writer->sql.size = 0;
    HR_RETURN_NOT_OK(hr_sql(&writer->sql, error, "TRUNCATE %s", vault->settings.gap_stage));
    HR_RETURN_NOT_OK(hr_pg_exec(writer->pg, (const char *)writer->sql.data, NULL, error));
    writer->sql.size = 0;
    HR_RETURN_NOT_OK(hr_sql(&writer->sql, error, "COPY %s FROM STDIN", vault->settings.gap_stage));
    HR_RETURN_NOT_OK(hr_pg_copy_begin(writer->pg, (const char *)writer->sql.data, error));
    bytes->size = 0;
    rc = HR_OK;
    for (int64_t i = 0; i < count && rc == HR_OK; i++) {
        char line[160];
        size_t size = 0, used;
        const char *key;

        if (gaps[i].source != HR_VAULT_ELSEWHERE || (i > 0 && gaps[i - 1].row == gaps[i].row && gaps[i - 1].source == HR_VAULT_ELSEWHERE))
            continue; /* one look for all gaps of an event */
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
static int hr_vault_read_found(hr_writer *writer, hr_batch *found, int64_t *found_of_row, int64_t rows, hr_error *error)
{
    const hr_vault_settings *settings = &writer->vault->settings;
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
static int hr_vault_found_batch(const hr_writer *writer, hr_batch **out, hr_error *error)
{
    const hr_vault_settings *settings = &writer->vault->settings;
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

/* For each gap the row of `found` that has its value, or -1. What was left out is large: a null in the vault is a value that it never saw.
 */
static void hr_vault_known(const hr_vault_settings *settings, const hr_vault_gap *gaps, int64_t count, const hr_batch *found,
                           const int64_t *found_of_row, int64_t *found_rows)
{
    for (int64_t i = 0; i < count; i++) {
        int32_t k = 0;

        found_rows[i] = found_of_row[gaps[i].row];
        while (k < settings->gap_count - 1 && settings->gap_columns[k] != gaps[i].column)
            k++;
        if (found_rows[i] >= 0 && hr_column_is_null(&found->columns[k], found_rows[i]))
            found_rows[i] = -1;
    }
}

/* Reject the events whose gaps nobody could fill. */
static int hr_vault_reject_open(hr_writer *writer, hr_work *work, const hr_vault_gap *gaps, int64_t count, const int64_t *found_rows,
                                hr_error *error)
{
    hr_vault_writer *vault = writer->vault;
    hr_error why;

    for (int64_t i = 0; i < count; i++) {
        if (gaps[i].source >= 0 || (gaps[i].source == HR_VAULT_ELSEWHERE && found_rows[i] >= 0) || vault->skip[gaps[i].row])
            continue;
        hr_error_data(&why, HR_REASON_NULL, NULL, 0,
                      "the event leaves column \"%s\" out as unchanged, and no earlier event of this row is in the vault: load the topic "
                      "from its beginning or from a new snapshot, then replay this dead letter",
                      work->batch->schema->columns[gaps[i].column].name);
        why.column = gaps[i].column;
        HR_RETURN_NOT_OK(hr_work_reject_row(work, gaps[i].row, &why, error));
        vault->skip[gaps[i].row] = 1;
    }
    return HR_OK;
}

/* Let no other worker have events of these keys in an open transaction (key_claims.h). */
static int hr_vault_claim(hr_writer *writer, const hr_work *work, hr_error *error)
{
    hr_vault_splitter *splitter = writer->vault->splitter;
    const uint64_t *keys;
    int64_t count;

    if (writer->config->claims == NULL)
        return HR_OK;
    HR_RETURN_NOT_OK(hr_vault_range(splitter, 0, work->batch->length, error));
    HR_RETURN_NOT_OK(hr_vault_range_keys(splitter, &keys, &count, error));
    return hr_key_claims_take(writer->config->claims, writer->worker, keys, count, writer->cancel, error);
}

/* Fill what events left out as unchanged: from the event before in the batch, or from the vault. */
static int hr_vault_fill_gaps(hr_writer *writer, hr_work *work, hr_error *error)
{
    hr_vault_writer *vault = writer->vault;
    const hr_vault_gap *gaps;
    hr_batch *found = NULL;
    int64_t count, *found_of_row = NULL, *found_rows = NULL;
    bool elsewhere = false;
    int rc;

    HR_RETURN_NOT_OK(hr_vault_begin(vault->splitter, work->batch, vault->skip, false, error));
    HR_RETURN_NOT_OK(hr_vault_range(vault->splitter, 0, work->batch->length, error));
    HR_RETURN_NOT_OK(hr_vault_claim(writer, work, error));
    HR_RETURN_NOT_OK(hr_vault_gaps(vault->splitter, vault->settings.gap_columns, vault->settings.gap_count, &gaps, &count, error));
    if (count == 0)
        return HR_OK;
    for (int64_t i = 0; i < count; i++)
        elsewhere |= gaps[i].source == HR_VAULT_ELSEWHERE;
    found_of_row = hr_malloc(sizeof(*found_of_row) * (size_t)work->batch->length);
    found_rows = hr_malloc(sizeof(*found_rows) * (size_t)count);
    rc = found_of_row != NULL && found_rows != NULL ? hr_vault_found_batch(writer, &found, error) : hr_error_nomem(error);
    if (rc == HR_OK && elsewhere)
        rc = hr_vault_send_gaps(writer, gaps, count, error);
    if (rc == HR_OK && elsewhere)
        rc = hr_vault_read_found(writer, found, found_of_row, work->batch->length, error);
    if (rc == HR_OK && elsewhere)
        hr_vault_known(&vault->settings, gaps, count, found, found_of_row, found_rows);
    if (rc == HR_OK)
        rc = hr_vault_reject_open(writer, work, gaps, count, found_rows, error);
    if (rc == HR_OK)
        rc = hr_vault_fill(work->batch, gaps, count, found, found_rows, vault->settings.gap_columns, &vault->filled, error);
    hr_batch_free(found);
    hr_free(found_of_row);
    hr_free(found_rows);
    return rc;
}

/* Whether any event names unchanged columns. */
static bool hr_vault_has_gaps(const hr_vault_settings *settings, const hr_batch *batch)
{
    const hr_column *lists = &batch->columns[settings->plan.unchanged];

    return settings->gap_query != NULL && lists->child->length > 0;
}

static int hr_vault_prepare(hr_writer *writer, hr_work *work, hr_error *error)
{
    hr_vault_writer *vault;
    bool gaps;

    HR_RETURN_NOT_OK(hr_vault_bind(writer, error));
    vault = writer->vault;
    hr_batch_free(vault->filled);
    vault->filled = NULL;
    memset(vault->counts, 0, sizeof(*vault->counts) * (size_t)vault->settings.step_count);
    HR_RETURN_NOT_OK(hr_vault_check_rows(writer, work, error));
    gaps = hr_vault_has_gaps(&vault->settings, work->batch);
    if (gaps)
        HR_RETURN_NOT_OK(hr_vault_fill_gaps(writer, work, error));
    vault->staged = writer->config->commit_at_end;
    HR_RETURN_NOT_OK(hr_vault_begin(vault->splitter, vault->filled != NULL ? vault->filled : work->batch, vault->skip, true, error));
    return gaps ? HR_OK : hr_vault_claim(writer, work, error);
}

/* Run a statement; *rows is how many it has touched. */
static int hr_vault_run(hr_writer *writer, const char *sql, int64_t *rows, hr_error *error)
{
    PGresult *result = NULL;

    HR_RETURN_NOT_OK(hr_pg_exec(writer->pg, sql, &result, error));
    *rows = result != NULL ? strtoll(PQcmdTuples(result), NULL, 10) : 0;
    PQclear(result);
    return HR_OK;
}

/* Move the stages of a kind on. */
static int hr_vault_merge(hr_writer *writer, hr_vault_kind kind, const int64_t *sent, bool late, hr_error *error)
{
    const hr_vault_settings *settings = &writer->vault->settings;

    for (int32_t i = 0; i < settings->step_count; i++)
        if (settings->steps[i].relation.kind == kind && sent[i] > 0)
            HR_RETURN_NOT_OK(
                hr_vault_run(writer, late ? settings->steps[i].slow : settings->steps[i].merge, &writer->vault->window_counts[i], error));
    return HR_OK;
}

/* Put rows into a step's stage. */
static int hr_vault_stage(hr_writer *writer, const hr_vault_step *step, const uint32_t *rows, int64_t count, hr_error *error)
{
    hr_vault_writer *vault = writer->vault;

    if (vault->staged) {
        writer->sql.size = 0;
        HR_RETURN_NOT_OK(hr_sql(&writer->sql, error, "TRUNCATE %s", step->stage));
        HR_RETURN_NOT_OK(hr_pg_exec(writer->pg, (const char *)writer->sql.data, NULL, error));
    }
    if (count == 0)
        return HR_OK;
    return hr_apply_copy(writer, hr_vault_wide(vault->splitter), writer->target->copy, step->stage, step->columns, step->column_count, rows,
                         count, error);
}

/* Put rows straight into a step's table. */
static int hr_vault_send(hr_writer *writer, const hr_vault_step *step, const uint32_t *rows, int64_t count, hr_error *error)
{
    if (count == 0)
        return HR_OK;
    return hr_apply_copy_into(writer, hr_vault_wide(writer->vault->splitter), writer->target->copy, step->direct, step->columns,
                              step->column_count + 1, rows, count, error);
}

static int hr_vault_reserve_kept(hr_vault_writer *vault, int64_t count, hr_error *error)
{
    if (count > vault->kept_capacity) {
        uint32_t *kept = hr_realloc(vault->kept, sizeof(*kept) * (size_t)count);

        if (kept == NULL)
            return hr_error_nomem(error);
        vault->kept = kept;
        vault->kept_capacity = count;
    }
    return HR_OK;
}

/* Drop the rows of a satellite that repeat what the vault has. *rows is then the writer's. */
static int hr_vault_drop_repeated(hr_vault_writer *vault, const hr_vault_step *step, int diff, const uint32_t **rows, int64_t *count,
                                  hr_error *error)
{
    const hr_batch *wide = hr_vault_wide(vault->splitter);
    const hr_column *diffs = &wide->columns[vault->settings.known_columns[2] + 1 + step->relation.hash];
    int64_t n = 0;

    HR_RETURN_NOT_OK(hr_vault_reserve_kept(vault, *count, error));
    for (int64_t i = 0; i < *count; i++)
        if (!hr_vault_known_repeats(&vault->known, diff, diffs, (*rows)[i]))
            vault->kept[n++] = (*rows)[i];
    *rows = vault->kept;
    *count = n;
    return HR_OK;
}

/* Events and history straight into their tables. */
static int hr_vault_send_direct(hr_writer *writer, hr_error *error)
{
    hr_vault_writer *vault = writer->vault;
    int diff = 0;

    for (int32_t i = 0; i < vault->settings.step_count; i++) {
        const hr_vault_step *step = &vault->settings.steps[i];
        const uint32_t *rows;
        int64_t count;

        if (step->relation.kind == HR_VAULT_KEYS)
            continue;
        HR_RETURN_NOT_OK(hr_vault_take(vault->splitter, &step->relation, &rows, &count, error));
        if (step->relation.kind == HR_VAULT_HISTORY)
            HR_RETURN_NOT_OK(hr_vault_drop_repeated(vault, step, diff++, &rows, &count, error));
        HR_RETURN_NOT_OK(hr_vault_send(writer, step, rows, count, error));
        vault->window_counts[i] = count;
    }
    return HR_OK;
}

/* Events and history through their stages, some of which the vault may have. */
static int hr_vault_send_staged(hr_writer *writer, int64_t *sent, hr_error *error)
{
    hr_vault_writer *vault = writer->vault;
    const hr_vault_settings *settings = &vault->settings;
    int64_t known = 0, late = 0, repaired;

    for (int32_t i = 0; i < settings->step_count; i++) {
        const uint32_t *rows;

        if (settings->steps[i].relation.kind == HR_VAULT_KEYS)
            continue;
        HR_RETURN_NOT_OK(hr_vault_take(vault->splitter, &settings->steps[i].relation, &rows, &sent[i], error));
        HR_RETURN_NOT_OK(hr_vault_stage(writer, &settings->steps[i], rows, sent[i], error));
    }
    HR_RETURN_NOT_OK(hr_vault_run(writer, settings->last, &known, error));
    if (known > 0)
        HR_RETURN_NOT_OK(hr_vault_run(writer, settings->find, &late, error));
    HR_RETURN_NOT_OK(hr_vault_merge(writer, HR_VAULT_EVENTS, sent, false, error));
    HR_RETURN_NOT_OK(hr_vault_merge(writer, HR_VAULT_HISTORY, sent, late > 0, error));
    for (int32_t i = 0; i < settings->repair_count && late > 0; i++)
        HR_RETURN_NOT_OK(hr_vault_run(writer, settings->repairs[i], &repaired, error));
    return HR_OK;
}

/* Whether the batch may go straight into the tables: no event of it is in the vault, none of the vault's is later, none is about a whole
 * table (its key is made by the statement), and the tables have the types of the stages. */
static int hr_vault_may_go_direct(hr_writer *writer, bool *direct, hr_error *error)
{
    hr_vault_writer *vault = writer->vault;
    const hr_vault_settings *settings = &vault->settings;
    const hr_column *identity = &hr_vault_wide(vault->splitter)->columns[settings->known_columns[0]];
    const hr_vault_relation every = {.kind = HR_VAULT_EVENTS};
    const uint32_t *rows;
    PGresult *same = NULL;
    int64_t count;
    bool late;

    *direct = false;
    if (writer->careful)
        return HR_OK;
    HR_RETURN_NOT_OK(hr_vault_take(vault->splitter, &every, &rows, &count, error));
    for (int64_t i = 0; i < count; i++)
        if (hr_column_is_null(identity, rows[i]))
            return HR_OK;
    HR_RETURN_NOT_OK(hr_vault_known_ask(&vault->known, writer, settings, vault->splitter, !vault->staged, &late, error));
    if (late)
        return HR_OK;
    HR_RETURN_NOT_OK(hr_pg_exec(writer->pg, settings->direct_query, &same, error));
    *direct = PQntuples(same) == 1 && strcmp(PQgetvalue(same, 0, 0), "t") == 0;
    PQclear(same);
    return HR_OK;
}

/* Put the keys that come with new rows of the source straight into their table. *left is how many are left over, at the front of
 * vault->kept. */
static int hr_vault_send_fresh(hr_writer *writer, int32_t index, const uint32_t *rows, int64_t count, int64_t *left, hr_error *error)
{
    hr_vault_writer *vault = writer->vault;
    int64_t fresh = 0;
    int rc;

    *left = 0;
    HR_RETURN_NOT_OK(hr_vault_reserve_kept(vault, 2 * count, error));
    for (int64_t i = 0; i < count; i++)
        if (vault->known.fresh[rows[i]])
            vault->kept[count + fresh++] = rows[i];
        else
            vault->kept[(*left)++] = rows[i];
    rc = hr_vault_send(writer, &vault->settings.steps[index], vault->kept + count, fresh, error);
    vault->window_counts[index] = fresh;
    if (rc == HR_ESERVER && error != NULL && strcmp(error->sqlstate, "23505") == 0) {
        vault->failures[index] += vault->failures[index] < HR_VAULT_PAUSES;
        vault->pause[index] = 1 << vault->failures[index];
    }
    return rc;
}

/* A relation of keys: what is new for certain straight into the table, if the batch may, and the others by the stage. */
static int hr_vault_send_keys(hr_writer *writer, int32_t index, bool direct, hr_error *error)
{
    hr_vault_writer *vault = writer->vault;
    const hr_vault_step *step = &vault->settings.steps[index];
    int64_t count, merged = 0;
    const uint32_t *rows;

    HR_RETURN_NOT_OK(hr_vault_take(vault->splitter, &step->relation, &rows, &count, error));
    if (direct && step->direct != NULL && vault->pause[index] > 0)
        vault->pause[index]--;
    else if (direct && step->direct != NULL) {
        HR_RETURN_NOT_OK(hr_vault_send_fresh(writer, index, rows, count, &count, error));
        rows = vault->kept;
        if (count == 0)
            return HR_OK;
    }
    HR_RETURN_NOT_OK(hr_vault_stage(writer, step, rows, count, error));
    if (step->merge[0] != '\0') /* stages of one hub share a statement, which stands with the last of them */
        HR_RETURN_NOT_OK(hr_vault_run(writer, step->merge, &merged, error));
    vault->window_counts[index] += merged;
    return HR_OK;
}

/* Keys come last, in an order that is the same for all workers, and sorted: two loads that bring the same new keys wait for each other,
 * never in a circle, and not for long. */
static int hr_vault_rows(hr_writer *writer, const hr_work *work, int64_t lower, int64_t upper, hr_error *error)
{
    hr_vault_writer *vault = writer->vault;
    const hr_vault_settings *settings = &vault->settings;
    int64_t *sent = hr_calloc((size_t)settings->step_count + 1, sizeof(*sent));
    int rc = sent != NULL ? HR_OK : hr_error_nomem(error);
    bool direct = false;

    (void)work;
    memset(vault->window_counts, 0, sizeof(*vault->window_counts) * (size_t)settings->step_count);
    if (rc == HR_OK)
        rc = hr_vault_range(vault->splitter, lower, upper, error);
    if (rc == HR_OK)
        rc = hr_vault_may_go_direct(writer, &direct, error);
    if (rc == HR_OK)
        rc = direct ? hr_vault_send_direct(writer, error) : hr_vault_send_staged(writer, sent, error);
    for (int32_t i = 0; i < settings->step_count && rc == HR_OK; i++)
        if (settings->steps[i].relation.kind == HR_VAULT_KEYS)
            rc = hr_vault_send_keys(writer, i, direct, error);
    vault->staged = true;
    for (int32_t i = 0; i < settings->step_count && rc == HR_OK; i++)
        vault->counts[i] += vault->window_counts[i];
    hr_free(sent);
    return rc;
}

static void hr_vault_relations(hr_writer *writer, const hr_work *work)
{
    const hr_vault_writer *vault = writer->vault;
    int32_t count = 0;

    for (int32_t i = 0; vault != NULL && work->batch->length > 0 && i < vault->settings.step_count; i++)
        if (vault->counts[i] > 0)
            writer->relations[count++] = (hr_relation_count){vault->settings.steps[i].table, vault->counts[i]};
    writer->relation_count = count;
}

const hr_applier hr_apply_vault = {"vault", hr_vault_make_stage, hr_vault_prepare, hr_vault_rows, hr_vault_relations, hr_vault_close};
