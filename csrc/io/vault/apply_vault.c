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
#include "vault_fill.h"
#include "vault_known.h"

#define HR_VAULT_PAUSES 10 /* keys that were there although they looked new: 2, 4, 8 ... 1024 batches go the safe way */

typedef struct hr_vault_writer {
    hr_vault_settings settings;
    hr_vault_splitter *splitter;
    int32_t epoch; /* of the target that both were made for */
    hr_vault_filler filler;
    uint8_t *skip; /* per row: rejected */
    int64_t skip_capacity;
    int64_t *counts;        /* per step: rows that were new, in this attempt */
    int64_t *all_counts;    /* the same, in this window */
    int64_t *window_counts; /* the same, in this segment of it */
    int64_t *sent;          /* per step: rows put into its stage */
    bool staged;            /* the stages hold rows of this transaction */
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
    hr_vault_fill_free(&vault->filler);
    hr_free(vault->skip);
    hr_free(vault->counts);
    hr_free(vault->window_counts);
    hr_free(vault->all_counts);
    hr_free(vault->sent);
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
    vault->filler = (hr_vault_filler){.settings = &vault->settings, .splitter = vault->splitter, .current = -1};
    vault->counts = hr_calloc((size_t)vault->settings.step_count + 1, sizeof(*vault->counts));
    vault->window_counts = hr_calloc((size_t)vault->settings.step_count + 1, sizeof(*vault->window_counts));
    vault->all_counts = hr_calloc((size_t)vault->settings.step_count + 1, sizeof(*vault->all_counts));
    vault->sent = hr_calloc((size_t)vault->settings.step_count + 1, sizeof(*vault->sent));
    vault->pause = hr_calloc((size_t)vault->settings.step_count + 1, sizeof(*vault->pause));
    vault->failures = hr_calloc((size_t)vault->settings.step_count + 1, sizeof(*vault->failures));
    relations = hr_realloc(writer->relations, sizeof(*relations) * ((size_t)vault->settings.step_count + 1));
    if (relations != NULL)
        writer->relations = relations;
    if (vault->counts == NULL || vault->window_counts == NULL || vault->all_counts == NULL || vault->sent == NULL || vault->pause == NULL ||
        vault->failures == NULL || relations == NULL)
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

static int hr_vault_prepare(hr_writer *writer, hr_work *work, hr_error *error)
{
    hr_vault_writer *vault;

    HR_RETURN_NOT_OK(hr_vault_bind(writer, error));
    vault = writer->vault;
    memset(vault->counts, 0, sizeof(*vault->counts) * (size_t)vault->settings.step_count);
    HR_RETURN_NOT_OK(hr_vault_check_rows(writer, work, error));
    vault->staged = writer->config->commit_at_end;
    if (hr_vault_has_gaps(&vault->settings, work->batch)) { /* keys are claimed before the vault is asked */
        HR_RETURN_NOT_OK(hr_vault_begin(vault->splitter, work->batch, vault->skip, false, error));
        HR_RETURN_NOT_OK(hr_vault_claim(writer, work, error));
        return hr_vault_fill_plan(&vault->filler, writer, work, vault->skip, error);
    }
    HR_RETURN_NOT_OK(hr_vault_fill_plan(&vault->filler, writer, work, vault->skip, error));
    HR_RETURN_NOT_OK(hr_vault_fill_segment(&vault->filler, writer, work->batch, vault->skip, 0, error));
    return hr_vault_claim(writer, work, error);
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

/* The rows [lower, upper) of the splitter's segment. Keys come last, in an order that is the same for all workers, and sorted: two loads
 * that bring the same new keys wait for each other, never in a circle, and not for long. */
static int hr_vault_segment(hr_writer *writer, int64_t lower, int64_t upper, hr_error *error)
{
    hr_vault_writer *vault = writer->vault;
    const hr_vault_settings *settings = &vault->settings;
    bool direct = false;
    int rc;

    memset(vault->sent, 0, sizeof(*vault->sent) * (size_t)settings->step_count);
    memset(vault->window_counts, 0, sizeof(*vault->window_counts) * (size_t)settings->step_count);
    HR_RETURN_NOT_OK(hr_vault_range(vault->splitter, lower, upper, error));
    HR_RETURN_NOT_OK(hr_vault_may_go_direct(writer, &direct, error));
    rc = direct ? hr_vault_send_direct(writer, error) : hr_vault_send_staged(writer, vault->sent, error);
    for (int32_t i = 0; i < settings->step_count && rc == HR_OK; i++)
        if (settings->steps[i].relation.kind == HR_VAULT_KEYS)
            rc = hr_vault_send_keys(writer, i, direct, error);
    vault->staged = true;
    for (int32_t i = 0; i < settings->step_count && rc == HR_OK; i++)
        vault->all_counts[i] += vault->window_counts[i];
    return rc;
}

static int hr_vault_rows(hr_writer *writer, const hr_work *work, int64_t lower, int64_t upper, hr_error *error)
{
    hr_vault_writer *vault = writer->vault;
    hr_vault_filler *filler = &vault->filler;

    memset(vault->all_counts, 0, sizeof(*vault->all_counts) * (size_t)vault->settings.step_count);
    for (int64_t i = 0; i < filler->count; i++) {
        int64_t begin = filler->segments[i], end = filler->segments[i + 1];
        int64_t from = lower > begin ? lower : begin, to = upper < end ? upper : end;

        if (from >= to)
            continue;
        HR_RETURN_NOT_OK(hr_vault_fill_segment(filler, writer, work->batch, vault->skip, i, error));
        HR_RETURN_NOT_OK(hr_vault_segment(writer, from - begin, to - begin, error));
    }
    for (int32_t i = 0; i < vault->settings.step_count; i++)
        vault->counts[i] += vault->all_counts[i];
    return HR_OK;
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
