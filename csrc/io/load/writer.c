/* csrc/io/load/writer.c: the transaction of a batch. */
#include "writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "apply.h"
#include "dead_letters.h"
#include "io/vault/key_claims.h"

#define HR_WRITER_RETRIES 5
#define HR_WRITER_KEEP ((size_t)8 << 20) /* of the buffer that COPY is encoded into, between batches */

/* Connect. Unless the job wants every batch on the server's disk at once, a commit does not wait for it: should the server crash, it loses
 * the last batches together with their offsets (hr_ledger_resolve), and closing the receipt waits for all that went before. */
static int hr_writer_connect(hr_writer *writer, hr_error *error)
{
    const hr_load_config *config = writer->config;
    int rc = hr_pg_open(config->dsn, "headrace", writer->cancel, &writer->pg, error);

    /* A transaction may wait: for another worker's keys, or, when the run is one transaction, for the source. That is no forgotten session,
     * which the limit is for (pg_dump does the same). */
    if (rc == HR_OK)
        rc = hr_pg_exec(writer->pg, "SET idle_in_transaction_session_timeout = 0", NULL, error);
    if (rc == HR_OK && (config->durable_batches || config->commit_at_end))
        rc = hr_pg_commit_synchronously(writer->pg, error);
    else if (rc == HR_OK)
        rc = hr_pg_exec(writer->pg, "SET synchronous_commit = off", NULL, error);
    if (rc != HR_OK) {
        hr_pg_close(writer->pg);
        writer->pg = NULL;
    }
    return rc;
}

int hr_writer_open(const hr_load_config *config, int32_t worker, const atomic_bool *cancel, hr_target *target, hr_hold *holds,
                   int32_t lane_count, hr_writer **out, hr_error *error)
{
    hr_writer *writer = hr_calloc(1, sizeof(*writer));
    int rc;

    *out = NULL;
    if (writer == NULL)
        return hr_error_nomem(error);
    writer->config = config;
    writer->worker = worker;
    writer->cancel = cancel;
    writer->target = hr_target_retain(target);
    writer->holds = holds;
    writer->lane_count = lane_count;
    writer->stage_epoch = -1;
    hr_leaves_init(&writer->leaves, config);
    writer->end_from = hr_calloc((size_t)lane_count + 1, sizeof(int64_t));
    writer->end_next = hr_calloc((size_t)lane_count + 1, sizeof(int64_t));
    rc = writer->end_from != NULL && writer->end_next != NULL ? HR_OK : hr_error_nomem(error);
    if (rc == HR_OK)
        rc = hr_writer_connect(writer, error);
    if (rc == HR_OK)
        rc = hr_decoder_new(config->format, target->schema, &config->decode, &writer->decoder, error);
    if (rc == HR_OK && target->partition_column >= 0)
        rc = hr_leaves_read(&writer->leaves, writer->pg, target, error);
    if (rc != HR_OK) {
        hr_writer_close(writer);
        return rc;
    }
    *out = writer;
    return HR_OK;
}

void hr_writer_close(hr_writer *writer)
{
    if (writer == NULL)
        return;
    hr_apply_close(writer);
    hr_pg_close(writer->pg);
    hr_key_claims_release(writer->config->claims, writer->worker);
    hr_decoder_free(writer->decoder);
    hr_target_release(writer->target);
    hr_leaves_free(&writer->leaves);
    hr_streams_free(&writer->streams);
    hr_dedupe_free(&writer->dedupe);
    hr_buffer_free(&writer->bytes);
    hr_buffer_free(&writer->sql);
    hr_free(writer->columns);
    hr_free(writer->ways);
    hr_free(writer->gathered);
    hr_free(writer->gather_counts);
    hr_free(writer->counts);
    hr_free(writer->window_counts);
    hr_free(writer->relations);
    hr_free(writer->end_from);
    hr_free(writer->end_next);
    hr_free(writer);
}

/* Read the definition again and decode the batch for it. */
static int hr_writer_follow_change(hr_writer *writer, hr_error *error)
{
    hr_target *target;
    hr_decoder *decoder;
    int rc;

    HR_RETURN_NOT_OK(hr_target_describe(writer->pg, writer->config, writer->target->epoch + 1, &target, error));
    rc = hr_decoder_new(writer->config->format, target->schema, &writer->config->decode, &decoder, error);
    if (rc != HR_OK) {
        hr_target_release(target);
        return rc;
    }
    hr_decoder_free(writer->decoder);
    hr_target_release(writer->target);
    writer->decoder = decoder;
    writer->target = target;
    hr_leaves_forget(&writer->leaves);
    return HR_OK;
}

/* Dead letters of a vault come back beside loads that may have events of the same keys, in transactions that do not see each other: a
 * replay has the table for itself, until its batch is committed. Workers of one load have their own way (vault/key_claims.h). */
static const char *hr_writer_lock_mode(const hr_load_config *config)
{
    bool alone = config->mode == HR_MODE_VAULT && strcmp(config->source_ops->kind, "dead_letters") == 0;

    return alone ? "SHARE ROW EXCLUSIVE" : "ROW EXCLUSIVE";
}

/* Open the transaction under a lock that keeps the definition as it is, and look whether it still is what the batch was decoded for.
 * *changed: it is not, and the transaction is closed again. Partitions that came or went since they were read are read again, and the
 * batch is routed to them. */
static int hr_writer_begin(hr_writer *writer, const hr_work *work, bool *changed, hr_error *error)
{
    const hr_target *target = writer->target;
    PGresult *rows = NULL;
    int rc;

    *changed = false;
    writer->sql.size = 0;
    HR_RETURN_NOT_OK(
        hr_sql(&writer->sql, error, "BEGIN; LOCK TABLE ONLY %s IN %s MODE; ", target->quoted, hr_writer_lock_mode(writer->config)));
    if (writer->careful || writer->config->commit_at_end)
        HR_RETURN_NOT_OK(hr_sql(&writer->sql, error, "SET CONSTRAINTS ALL IMMEDIATE; "));
    HR_RETURN_NOT_OK(hr_target_fingerprint_sql(writer->pg, &writer->sql, target, error));
    rc = hr_pg_exec(writer->pg, (const char *)writer->sql.data, &rows, error);
    /* No fingerprint: the LOCK is on another table, which has taken the name. */
    if (rc == HR_OK && (PQgetisnull(rows, 0, 0) || strcmp(PQgetvalue(rows, 0, 0), target->fingerprint) != 0))
        *changed = true;
    if (rc == HR_OK && !*changed && target->partition_column >= 0 && strcmp(PQgetvalue(rows, 0, 1), writer->leaves.fingerprint) != 0) {
        rc = hr_leaves_read(&writer->leaves, writer->pg, target, error);
        if (rc == HR_OK)
            snprintf(writer->leaves.fingerprint, sizeof(writer->leaves.fingerprint), "%s", PQgetvalue(rows, 0, 1));
        if (rc == HR_OK && work->batch->length > 0)
            rc = hr_leaves_route(&writer->leaves, writer->pg, target, work->batch, error);
    }
    PQclear(rows);
    if (rc == HR_OK && *changed)
        rc = hr_pg_exec(writer->pg, "ROLLBACK", NULL, error);
    return rc;
}

/* The column that the server's last refusal was about, or -1. */
static int32_t hr_writer_blamed(const hr_writer *writer)
{
    const hr_schema *schema = writer->target->schema;
    const char *place = writer->pg->place;
    size_t n = strlen(place), longest = 0;
    int32_t found = -1;

    for (int32_t i = 0; i < schema->count; i++) {
        size_t length = strlen(schema->columns[i].name);
        if (length > longest && length < n && place[n - length - 1] == ' ' && strcmp(place + n - length, schema->columns[i].name) == 0) {
            longest = length;
            found = i;
        }
    }
    return found;
}

/* Send the batch in windows under savepoints; rows that are refused alone become rejects. */
static int hr_writer_apply_careful(hr_writer *writer, hr_work *work, hr_error *error)
{
    int64_t total = work->batch->length, at = 0, window = total > 1 ? total / 2 : 1;

    HR_RETURN_NOT_OK(hr_pg_exec(writer->pg, "SAVEPOINT headrace_window", NULL, error));
    while (at < total) {
        int64_t upper = at + window < total ? at + window : total;
        hr_error why;
        int rc = hr_apply_rows(writer, work, at, upper, &why);

        if (rc == HR_OK) {
            HR_RETURN_NOT_OK(hr_pg_exec(writer->pg, "RELEASE SAVEPOINT headrace_window; SAVEPOINT headrace_window", NULL, error));
            at = upper;
            window *= 2;
            continue;
        }
        if (!hr_pg_is_data_error(&why) || hr_pg_lost(writer->pg)) {
            if (error != NULL)
                *error = why;
            return rc;
        }
        HR_RETURN_NOT_OK(hr_pg_exec(writer->pg, "ROLLBACK TO SAVEPOINT headrace_window", NULL, error));
        if (upper - at == 1) {
            if (why.column < 0)
                why.column = hr_writer_blamed(writer);
            HR_RETURN_NOT_OK(hr_work_reject_row(work, at, &why, error));
            at = upper;
            window = 1;
        } else {
            window = (upper - at) / 2;
        }
    }
    return hr_pg_exec(writer->pg, "RELEASE SAVEPOINT headrace_window", NULL, error);
}

/* Everything of the transaction but its begin and its end. */
static int hr_writer_fill(hr_writer *writer, hr_work *work, hr_error *error)
{
    writer->relation_count = 0;
    if (work->batch->length > 0) {
        HR_RETURN_NOT_OK(hr_apply_prepare(writer, work, error));
        if (writer->careful)
            HR_RETURN_NOT_OK(hr_writer_apply_careful(writer, work, error));
        else
            HR_RETURN_NOT_OK(hr_apply_rows(writer, work, 0, work->batch->length, error));
    }
    if (strcmp(writer->config->source_ops->kind, "dead_letters") == 0)
        HR_RETURN_NOT_OK(hr_dead_letters_settle(writer->pg, writer->config, work, error));
    else
        HR_RETURN_NOT_OK(hr_dead_letters_write(writer->pg, writer->config, writer->target->display, work, error));
    hr_apply_relations(writer, work);
    return hr_ledger_advance(writer->pg, writer->config, writer->holds, work, writer->worker, writer->relations, writer->relation_count,
                             error);
}

/* One attempt at the batch in a transaction of its own. */
static int hr_writer_try(hr_writer *writer, hr_work *work, bool *changed, hr_error *error)
{
    HR_RETURN_NOT_OK(hr_apply_make_stage(writer, error));
    if (work->batch->length > 0 && writer->target->partition_column >= 0)
        HR_RETURN_NOT_OK(hr_leaves_route(&writer->leaves, writer->pg, writer->target, work->batch, error));
    HR_RETURN_NOT_OK(hr_writer_begin(writer, work, changed, error));
    if (*changed)
        return HR_OK;
    HR_RETURN_NOT_OK(hr_writer_fill(writer, work, error));
    return hr_pg_commit(writer->pg, error);
}

/* One attempt at the batch inside the run's one transaction, under a savepoint. The lock of the first batch keeps the definition. */
static int hr_writer_try_inside(hr_writer *writer, hr_work *work, bool *changed, hr_error *error)
{
    *changed = false;
    if (!writer->open) {
        HR_RETURN_NOT_OK(hr_writer_begin(writer, work, changed, error));
        if (*changed)
            return HR_OK;
        writer->open = true;
        for (int32_t i = 0; i < writer->lane_count; i++)
            writer->end_from[i] = writer->holds[i].next;
        HR_RETURN_NOT_OK(hr_apply_make_stage(writer, error));
        HR_RETURN_NOT_OK(hr_pg_exec(writer->pg, "SAVEPOINT headrace_batch", NULL, error));
    }
    if (work->batch->length > 0 && writer->target->partition_column >= 0)
        HR_RETURN_NOT_OK(hr_leaves_route(&writer->leaves, writer->pg, writer->target, work->batch, error));
    HR_RETURN_NOT_OK(hr_writer_fill(writer, work, error));
    return hr_pg_exec(writer->pg, "RELEASE SAVEPOINT headrace_batch; SAVEPOINT headrace_batch", NULL, error);
}

/* Sleep in slices that end at once when the caller cancels. */
static void hr_writer_pause(const hr_writer *writer, int ms)
{
    for (int slept = 0; slept < ms && !atomic_load(writer->cancel); slept += 50)
        nanosleep(&(struct timespec){.tv_nsec = 50 * 1000000L}, NULL);
}

/* A new connection after a lost one, trying for some seconds: servers restart, wires come back. */
static int hr_writer_reconnect(hr_writer *writer, hr_error *error)
{
    int rc = HR_ESERVER;

    hr_pg_close(writer->pg);
    writer->pg = NULL;
    writer->stage_epoch = -1;
    writer->leaves.fingerprint[0] = '\0';
    for (int attempt = 0; attempt < 10; attempt++) {
        rc = hr_writer_connect(writer, error);
        if (rc != HR_ESERVER || (error != NULL && !error->retriable))
            return rc;
        hr_writer_pause(writer, 200 << (attempt < 4 ? attempt : 4));
    }
    return rc;
}

/* After a lost connection: connect anew and ask whether the transaction that was to move the lanes to next[] has landed. The question may
 * be cut off as well; then it is asked again. */
static int hr_writer_resolve(hr_writer *writer, const int64_t *next, bool *landed, hr_error *error)
{
    for (;;) {
        int rc;

        HR_RETURN_NOT_OK(hr_writer_reconnect(writer, error));
        rc = hr_ledger_resolve(writer->pg, writer->config, writer->holds, next, writer->lane_count, landed, error);
        if (rc != HR_ESERVER || !hr_pg_lost(writer->pg) || writer->retries >= HR_WRITER_RETRIES)
            return rc;
        writer->retries++;
    }
}

/* What to do after a failed attempt, *error: HR_OK = try again, *done = the batch has landed after all; anything else is final. */
static int hr_writer_recover(hr_writer *writer, hr_work *work, int rc, bool *done, hr_error *error)
{
    bool lost = hr_pg_lost(writer->pg);
    bool again = !lost && !writer->careful && hr_pg_is_data_error(error);

    *done = false;
    if (atomic_load(writer->cancel))
        return rc;
    if (!lost && hr_pg_exec(writer->pg, writer->open ? "ROLLBACK TO SAVEPOINT headrace_batch" : "ROLLBACK", NULL, NULL) != HR_OK)
        lost = hr_pg_lost(writer->pg);
    hr_leaves_forget(&writer->leaves); /* partitions may have been made in what was rolled back */
    if (again) {
        writer->careful = true;
        return HR_OK;
    }
    if (rc != HR_ESERVER || writer->retries >= HR_WRITER_RETRIES)
        return rc;
    writer->retries++;
    /* A partition was renamed, or moved to another schema, in the moment before we took its lock. */
    if (!lost && writer->target->partition_column >= 0 && strcmp(error->sqlstate, "42P01") == 0)
        return HR_OK;
    if (!error->retriable || writer->open)
        return rc;
    if (lost)
        return hr_writer_resolve(writer, work->next, done, error);
    hr_writer_pause(writer, 100 << writer->retries); /* deadlock, serialization, lock time-out, disk full for a moment */
    return HR_OK;
}

int hr_writer_write(hr_writer *writer, hr_work *work, hr_error *error)
{
    hr_error local;
    hr_error *why = error != NULL ? error : &local;
    bool fresh = true;

    writer->careful = false;
    writer->retries = 0;
    for (;;) {
        bool changed = false, done = false;
        int rc = HR_OK;

        /* A batch of an older definition, or one that an earlier attempt took rows from, starts over from its records. */
        if (work->target != writer->target || !fresh)
            rc = hr_work_decode_again(work, writer->target, writer->decoder, why);
        fresh = false;
        if (rc == HR_OK)
            rc = writer->config->commit_at_end ? hr_writer_try_inside(writer, work, &changed, why)
                                               : hr_writer_try(writer, work, &changed, why);
        if (rc == HR_OK && !changed)
            break;
        if (rc == HR_OK)
            rc = hr_writer_follow_change(writer, why);
        if (rc != HR_OK) {
            HR_RETURN_NOT_OK(hr_writer_recover(writer, work, rc, &done, why));
            /* The next BEGIN may queue behind somebody who waits for a worker that waits for these keys. */
            if (!writer->open)
                hr_key_claims_release(writer->config->claims, writer->worker);
        }
        if (done)
            break;
    }
    if (!writer->open)
        hr_key_claims_release(writer->config->claims, writer->worker);
    for (int32_t i = 0; i < writer->lane_count; i++)
        if (work->next[i] != HR_OFFSET_UNKNOWN)
            writer->holds[i].next = work->next[i];
    if (writer->bytes.capacity > HR_WRITER_KEEP)
        hr_buffer_free(&writer->bytes);
    hr_decoder_trim(writer->decoder);
    return HR_OK;
}

/* The run may have been committed, and the next run cannot find out, because its offsets are its own: nobody may try again without having
 * looked. */
static int hr_writer_unknown(const hr_writer *writer, hr_error *error)
{
    char why[HR_ERROR_MESSAGE_SIZE];

    if (error == NULL)
        return HR_ESERVER;
    snprintf(why, sizeof(why), "%s", error->message);
    hr_error_set(error, HR_ESERVER,
                 "the connection to PostgreSQL was lost while committing, and the server could not be asked whether it has committed "
                 "(%.500s). Look before "
                 "you load again: everything was loaded if headrace.receipt_lanes has run_id %s, nothing if not",
                 why, writer->config->run_id);
    error->retriable = false;
    error->fatal = true;
    return HR_ESERVER;
}

int hr_writer_finish(hr_writer *writer, hr_error *error)
{
    bool landed = false;
    int rc;

    if (!writer->open)
        return HR_OK;
    writer->open = false;
    rc = hr_pg_commit(writer->pg, error);
    if (rc != HR_ESERVER || !hr_pg_lost(writer->pg))
        return rc;
    /* The answer to COMMIT was lost: the offsets know. */
    for (int32_t i = 0; i < writer->lane_count; i++) {
        writer->end_next[i] = writer->holds[i].next;
        writer->holds[i].next = writer->end_from[i];
    }
    writer->retries = 0;
    rc = hr_writer_resolve(writer, writer->end_next, &landed, error);
    if (rc == HR_ESERVER && writer->config->one_off)
        return hr_writer_unknown(writer, error);
    HR_RETURN_NOT_OK(rc);
    if (!landed) {
        hr_error_set(error, HR_ESERVER,
                     "the connection to PostgreSQL was lost while committing, and the server has rolled the run back: nothing was loaded");
        return HR_ESERVER;
    }
    return HR_OK;
}
