/* csrc/io/load/apply.c: append by COPY into the leaves; upsert and replace through a temporary stage. */
#include "apply.h"

#include <inttypes.h>

#define HR_SEND_BYTES 262144 /* handed to libpq at once */
#define HR_SEND_ROWS 512     /* encoded between looks at the size */
#define HR_STAGE "pg_temp.headrace_stage"

/* A COPY into a leaf saves the server the routing, but costs it about as much as routing 20,000 rows: PostgreSQL collects up to 1000 rows
 * for a table before it writes them, and in the first 1000 each new one costs more than the one before (every slot is entered into the same
 * chain of a hash table). So fewer rows go through the parent, where the 1000 are shared by all leaves. */
#define HR_DIRECT_ROWS 20000
/* PostgreSQL keeps the rows of so many leaves apart in one COPY; with more, it sets up and drops leaves all the time. */
#define HR_SERVER_LEAVES 32
/* Rows that PostgreSQL collects before it writes them. Among so many we put those of a leaf side by side: routing a row to the leaf of the
 * row before it is cheap, and what is written at once stays the same. */
#define HR_SERVER_ROWS 1000

/* Room for counts of `leaves` leaves and the parent. */
static int hr_apply_reserve(hr_writer *writer, int32_t leaves, int32_t columns, hr_error *error)
{
    size_t n = (size_t)leaves + 1;
    int32_t *column_list = hr_realloc(writer->columns, sizeof(*column_list) * ((size_t)columns + 1));

    if (column_list == NULL)
        return hr_error_nomem(error);
    writer->columns = column_list;
    if (writer->counts == NULL || leaves > writer->leaf_capacity) {
        int64_t *counts = hr_realloc(writer->counts, sizeof(*counts) * n);
        if (counts != NULL)
            writer->counts = counts;
        int64_t *window = hr_realloc(writer->window_counts, sizeof(*window) * n);
        if (window != NULL)
            writer->window_counts = window;
        int64_t *gather = hr_realloc(writer->gather_counts, sizeof(*gather) * n);
        if (gather != NULL)
            writer->gather_counts = gather;
        hr_relation_count *relations = hr_realloc(writer->relations, sizeof(*relations) * n);
        if (relations != NULL)
            writer->relations = relations;
        if (counts == NULL || window == NULL || gather == NULL || relations == NULL)
            return hr_error_nomem(error);
        writer->leaf_capacity = leaves;
    }
    memset(writer->counts, 0, sizeof(*writer->counts) * ((size_t)writer->leaf_capacity + 1));
    memset(writer->window_counts, 0, sizeof(*writer->window_counts) * ((size_t)writer->leaf_capacity + 1));
    return HR_OK;
}

/* The stage has the target's columns without its constraints, and empties itself at commit. */
static int hr_apply_stage(hr_writer *writer, hr_error *error)
{
    const hr_target *target = writer->target;

    if (writer->stage_epoch == target->epoch)
        return HR_OK;
    writer->sql.size = 0;
    HR_RETURN_NOT_OK(hr_sql(&writer->sql, error,
                            "DROP TABLE IF EXISTS " HR_STAGE "; CREATE TEMP TABLE headrace_stage ON COMMIT DELETE ROWS AS "
                            "SELECT * FROM %s WITH NO DATA",
                            target->quoted));
    HR_RETURN_NOT_OK(hr_pg_exec(writer->pg, (const char *)writer->sql.data, NULL, error));
    writer->stage_epoch = target->epoch;
    return HR_OK;
}

/* Where a row is counted: its leaf, or the parent. */
static inline int64_t *hr_apply_count_of(hr_writer *writer, int64_t *counts, int32_t id)
{
    return &counts[id >= 0 ? id : writer->leaf_capacity];
}

/* Choose for every row the COPY it goes by, in writer->ways: that of its leaf, by the leaf's id, or one of those through the parent, below
 * zero, each for at most HR_SERVER_LEAVES leaves. */
static int hr_apply_choose_ways(hr_writer *writer, const hr_batch *batch, hr_error *error)
{
    const hr_leaves *leaves = &writer->leaves;
    int64_t *counts = writer->window_counts;
    int32_t through_parent = 0;

    if (batch->length > writer->way_capacity) {
        int32_t *ways = hr_realloc(writer->ways, sizeof(*ways) * (size_t)batch->length);
        if (ways != NULL)
            writer->ways = ways;
        uint32_t *gathered = hr_realloc(writer->gathered, sizeof(*gathered) * (size_t)batch->length);
        if (gathered != NULL)
            writer->gathered = gathered;
        if (ways == NULL || gathered == NULL)
            return hr_error_nomem(error);
        writer->way_capacity = batch->length;
    }
    for (int64_t row = 0; row < batch->length; row++)
        (*hr_apply_count_of(writer, counts, leaves->ids[row]))++;
    for (int32_t id = 0; id < leaves->count; id++) {
        bool direct = leaves->tables[id].direct && counts[id] >= HR_DIRECT_ROWS;

        if (counts[id] > 0)
            counts[id] = direct ? id : -1 - through_parent++ / HR_SERVER_LEAVES;
    }
    counts[writer->leaf_capacity] = -1;
    for (int64_t row = 0; row < batch->length; row++)
        writer->ways[row] = (int32_t)*hr_apply_count_of(writer, counts, leaves->ids[row]);
    memset(counts, 0, sizeof(*counts) * ((size_t)writer->leaf_capacity + 1));
    return HR_OK;
}

static int hr_apply_prepare_staged(hr_writer *writer, hr_work *work, hr_error *error)
{
    (void)work;
    return hr_apply_reserve(writer, writer->leaves.count, writer->target->schema->count, error);
}

static int hr_apply_prepare_append(hr_writer *writer, hr_work *work, hr_error *error)
{
    const hr_target *target = writer->target;
    bool partitioned = target->partition_column >= 0;

    HR_RETURN_NOT_OK(hr_apply_reserve(writer, writer->leaves.count, target->schema->count, error));
    if (partitioned)
        HR_RETURN_NOT_OK(hr_apply_choose_ways(writer, work->batch, error));
    return hr_streams_build(&writer->streams, work->batch, partitioned ? writer->ways : NULL, error);
}

/* Which columns a row with this set of absent ones brings. Returns how many, in writer->columns. */
static int32_t hr_apply_columns(hr_writer *writer, uint64_t absent)
{
    const hr_schema *schema = writer->target->schema;
    int32_t count = 0, bit = 0;

    for (int32_t i = 0; i < schema->count; i++) {
        const hr_column_def *def = &schema->columns[i];
        bool missing = def->has_default && ((absent >> bit) & 1);

        bit += def->has_default;
        if (def->from != HR_FROM_NOTHING && !missing)
            writer->columns[count++] = i;
    }
    return count;
}

static int hr_apply_column_list(hr_writer *writer, const hr_schema *schema, const int32_t *columns, int32_t count, hr_error *error)
{
    for (int32_t i = 0; i < count; i++) {
        HR_RETURN_NOT_OK(hr_sql(&writer->sql, error, "%s", i ? ", " : ""));
        HR_RETURN_NOT_OK(hr_pg_quote_ident(&writer->sql, schema->columns[columns[i]].name, error));
    }
    return hr_sql(&writer->sql, error, "%s", "");
}

/* Send the COPY whose text is in writer->sql. */
static int hr_apply_send(hr_writer *writer, const hr_batch *batch, const hr_copy_format *format, const char *table, const int32_t *columns,
                         int32_t column_count, const uint32_t *rows, int64_t n, hr_error *error)
{
    hr_buffer *bytes = &writer->bytes;
    int64_t counted;
    int rc;

    HR_RETURN_NOT_OK(hr_pg_copy_begin(writer->pg, (const char *)writer->sql.data, error));
    bytes->size = 0;
    rc = format->header(bytes, error);
    for (int64_t at = 0; at < n && rc == HR_OK; at += HR_SEND_ROWS) {
        int64_t count = n - at < HR_SEND_ROWS ? n - at : HR_SEND_ROWS;

        rc = format->rows(batch, columns, column_count, rows + at, count, bytes, error);
        if (rc == HR_OK && bytes->size >= HR_SEND_BYTES) {
            rc = hr_pg_copy_put(writer->pg, bytes->data, bytes->size, error);
            bytes->size = 0;
        }
    }
    if (rc == HR_OK)
        rc = format->trailer(bytes, error);
    if (rc == HR_OK)
        rc = hr_pg_copy_put(writer->pg, bytes->data, bytes->size, error);
    if (rc != HR_OK && rc != HR_ESERVER && rc != HR_ECANCELLED)
        hr_pg_copy_abort(writer->pg, "headrace could not encode a row");
    HR_RETURN_NOT_OK(rc);
    HR_RETURN_NOT_OK(hr_pg_copy_end(writer->pg, &counted, error));
    if (counted != n)
        return hr_error_set(error, HR_EBALANCE,
                            "sent %" PRId64 " rows to %s, the server kept %" PRId64 ": a trigger or rule drops rows, so counts "
                            "cannot balance; the batch is rolled back",
                            n, table, counted);
    return HR_OK;
}

int hr_apply_copy(hr_writer *writer, const hr_batch *batch, const hr_copy_format *format, const char *table, const int32_t *columns,
                  int32_t column_count, const uint32_t *rows, int64_t n, hr_error *error)
{
    writer->sql.size = 0;
    HR_RETURN_NOT_OK(hr_sql(&writer->sql, error, "COPY %s (", table));
    HR_RETURN_NOT_OK(hr_apply_column_list(writer, batch->schema, columns, column_count, error));
    HR_RETURN_NOT_OK(hr_sql(&writer->sql, error, ") FROM STDIN (%s)", format->options));
    return hr_apply_send(writer, batch, format, table, columns, column_count, rows, n, error);
}

int hr_apply_copy_into(hr_writer *writer, const hr_batch *batch, const hr_copy_format *format, const char *into, const int32_t *columns,
                       int32_t column_count, const uint32_t *rows, int64_t n, hr_error *error)
{
    writer->sql.size = 0;
    HR_RETURN_NOT_OK(hr_sql(&writer->sql, error, "COPY %s FROM STDIN (%s)", into, format->options));
    return hr_apply_send(writer, batch, format, into, columns, column_count, rows, n, error);
}

/* The first of stream's rows that is >= row. */
static int64_t hr_apply_lower_bound(const hr_stream *stream, int64_t row)
{
    int64_t low = 0, high = stream->count;

    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if ((int64_t)stream->rows[middle] < row)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int hr_apply_append(hr_writer *writer, const hr_work *work, int64_t lower, int64_t upper, hr_error *error)
{
    bool partitioned = writer->target->partition_column >= 0;

    for (int32_t i = 0; i < writer->streams.count; i++) {
        const hr_stream *stream = &writer->streams.streams[i];
        int64_t from = hr_apply_lower_bound(stream, lower), to = hr_apply_lower_bound(stream, upper);
        const uint32_t *rows = stream->rows + from;

        if (from == to)
            continue;
        if (partitioned && stream->leaf < 0) {
            hr_route_gather(writer->leaves.ids, writer->leaf_capacity, rows, to - from, HR_SERVER_ROWS, writer->gather_counts,
                            writer->gathered);
            rows = writer->gathered;
        }
        int32_t column_count = hr_apply_columns(writer, stream->absent);
        HR_RETURN_NOT_OK(hr_apply_copy(writer, work->batch, writer->target->copy,
                                       hr_leaves_table(&writer->leaves, writer->target, partitioned ? stream->leaf : HR_LEAF_MISSING),
                                       writer->columns, column_count, rows, to - from, error));
        for (int64_t at = from; at < to; at++)
            (*hr_apply_count_of(writer, writer->window_counts, partitioned ? writer->leaves.ids[stream->rows[at]] : HR_LEAF_MISSING))++;
    }
    return HR_OK;
}

/* Move the stage into the target: INSERT ... ON CONFLICT, or DELETE and INSERT. */
static int hr_apply_merge(hr_writer *writer, int32_t column_count, int64_t expected, hr_error *error)
{
    const hr_target *target = writer->target;
    const hr_schema *schema = target->schema;
    bool upsert = writer->config->mode == HR_MODE_UPSERT;
    PGresult *result = NULL;
    int64_t inserted;
    int sets = 0;

    writer->sql.size = 0;
    if (!upsert) {
        HR_RETURN_NOT_OK(hr_sql(&writer->sql, error, "DELETE FROM %s t USING " HR_STAGE " s WHERE ", target->quoted));
        for (int32_t i = 0; i < target->key_count; i++) {
            HR_RETURN_NOT_OK(hr_sql(&writer->sql, error, "%st.", i ? " AND " : ""));
            HR_RETURN_NOT_OK(hr_pg_quote_ident(&writer->sql, schema->columns[target->key[i]].name, error));
            HR_RETURN_NOT_OK(hr_sql(&writer->sql, error, " = s."));
            HR_RETURN_NOT_OK(hr_pg_quote_ident(&writer->sql, schema->columns[target->key[i]].name, error));
        }
        HR_RETURN_NOT_OK(hr_sql(&writer->sql, error, "; "));
    }
    HR_RETURN_NOT_OK(hr_sql(&writer->sql, error, "INSERT INTO %s (", target->quoted));
    HR_RETURN_NOT_OK(hr_apply_column_list(writer, schema, writer->columns, column_count, error));
    HR_RETURN_NOT_OK(hr_sql(&writer->sql, error, ") OVERRIDING SYSTEM VALUE SELECT "));
    HR_RETURN_NOT_OK(hr_apply_column_list(writer, schema, writer->columns, column_count, error));
    HR_RETURN_NOT_OK(hr_sql(&writer->sql, error, " FROM " HR_STAGE));
    if (upsert) {
        HR_RETURN_NOT_OK(hr_sql(&writer->sql, error, " ON CONFLICT ("));
        for (int32_t i = 0; i < target->key_count; i++) {
            HR_RETURN_NOT_OK(hr_sql(&writer->sql, error, "%s", i ? ", " : ""));
            HR_RETURN_NOT_OK(hr_pg_quote_ident(&writer->sql, schema->columns[target->key[i]].name, error));
        }
        HR_RETURN_NOT_OK(hr_sql(&writer->sql, error, ") DO "));
        for (int32_t i = 0; i < column_count; i++) {
            const hr_column_def *def = &schema->columns[writer->columns[i]];
            if (def->in_key)
                continue;
            HR_RETURN_NOT_OK(hr_sql(&writer->sql, error, "%s", sets++ ? ", " : "UPDATE SET "));
            HR_RETURN_NOT_OK(hr_pg_quote_ident(&writer->sql, def->name, error));
            HR_RETURN_NOT_OK(hr_sql(&writer->sql, error, " = excluded."));
            HR_RETURN_NOT_OK(hr_pg_quote_ident(&writer->sql, def->name, error));
        }
        /* hr_sql ends the text with a NUL, which a quoted name does not */
        HR_RETURN_NOT_OK(hr_sql(&writer->sql, error, "%s", sets == 0 ? "NOTHING" : ""));
    }
    HR_RETURN_NOT_OK(hr_pg_exec(writer->pg, (const char *)writer->sql.data, &result, error));
    inserted = result != NULL ? strtoll(PQcmdTuples(result), NULL, 10) : 0;
    PQclear(result);
    if (inserted != expected && !(upsert && sets == 0))
        return hr_error_set(error, HR_EBALANCE,
                            "sent %" PRId64 " rows to %s, the server kept %" PRId64 ": a trigger or rule drops rows, so counts "
                            "cannot balance; the batch is rolled back",
                            expected, target->display, inserted);
    return HR_OK;
}

/* Move the rows kept by dedupe that lack the same columns as the first of them to the front. Returns how many. */
static int64_t hr_apply_take_group(hr_writer *writer, const hr_batch *batch, uint64_t *absent)
{
    hr_dedupe *dedupe = &writer->dedupe;
    uint32_t *rows = dedupe->rows;
    int64_t taken = 0;

    *absent = batch->absent != NULL ? batch->absent[rows[0]] : 0;
    if (batch->absent == NULL)
        return dedupe->count;
    /* Swapping changes the order of the rest, which does not matter: no two of these rows have the same key. */
    for (int64_t i = 0; i < dedupe->count; i++) {
        if (batch->absent[rows[i]] != *absent)
            continue;
        uint32_t row = rows[i];
        rows[i] = rows[taken];
        rows[taken++] = row;
    }
    return taken;
}

static int hr_apply_staged(hr_writer *writer, const hr_work *work, int64_t lower, int64_t upper, hr_error *error)
{
    const hr_target *target = writer->target;
    const hr_batch *batch = work->batch;
    hr_dedupe *dedupe = &writer->dedupe;
    bool first = true;

    HR_RETURN_NOT_OK(hr_dedupe_last(dedupe, batch, target->key, target->key_count, lower, upper, error));
    for (int64_t i = 0; i < dedupe->count; i++) {
        int32_t id = target->partition_column >= 0 ? writer->leaves.ids[dedupe->rows[i]] : HR_LEAF_MISSING;
        (*hr_apply_count_of(writer, writer->window_counts, id))++;
    }
    while (dedupe->count > 0) {
        uint64_t absent;
        int64_t n = hr_apply_take_group(writer, batch, &absent);
        int32_t column_count = hr_apply_columns(writer, absent);

        if (!first || writer->careful || writer->config->commit_at_end)
            HR_RETURN_NOT_OK(hr_pg_exec(writer->pg, "TRUNCATE " HR_STAGE, NULL, error));
        HR_RETURN_NOT_OK(hr_apply_copy(writer, batch, target->copy, HR_STAGE, writer->columns, column_count, dedupe->rows, n, error));
        HR_RETURN_NOT_OK(hr_apply_merge(writer, column_count, n, error));
        dedupe->count -= n;
        memmove(dedupe->rows, dedupe->rows + n, sizeof(*dedupe->rows) * (size_t)dedupe->count);
        first = false;
    }
    return HR_OK;
}

/* Add what a window has counted: it is in, so far as the batch's transaction is. */
static void hr_apply_count(hr_writer *writer)
{
    for (size_t i = 0; i <= (size_t)writer->leaf_capacity; i++)
        writer->counts[i] += writer->window_counts[i];
}

static int hr_apply_rows_append(hr_writer *writer, const hr_work *work, int64_t lower, int64_t upper, hr_error *error)
{
    memset(writer->window_counts, 0, sizeof(*writer->window_counts) * ((size_t)writer->leaf_capacity + 1));
    HR_RETURN_NOT_OK(hr_apply_append(writer, work, lower, upper, error));
    hr_apply_count(writer);
    return HR_OK;
}

static int hr_apply_rows_staged(hr_writer *writer, const hr_work *work, int64_t lower, int64_t upper, hr_error *error)
{
    memset(writer->window_counts, 0, sizeof(*writer->window_counts) * ((size_t)writer->leaf_capacity + 1));
    HR_RETURN_NOT_OK(hr_apply_staged(writer, work, lower, upper, error));
    hr_apply_count(writer);
    return HR_OK;
}

static void hr_apply_relations_leaves(hr_writer *writer, const hr_work *work)
{
    int32_t count = 0;

    if (work->batch->length > 0) {
        for (int32_t i = 0; i < writer->leaves.count; i++)
            if (writer->counts[i] > 0)
                writer->relations[count++] = (hr_relation_count){writer->leaves.tables[i].quoted, writer->counts[i]};
        if (writer->counts[writer->leaf_capacity] > 0)
            writer->relations[count++] = (hr_relation_count){writer->target->display, writer->counts[writer->leaf_capacity]};
    }
    writer->relation_count = count;
}

static const hr_applier hr_apply_append_rows = {"append", NULL, hr_apply_prepare_append, hr_apply_rows_append, hr_apply_relations_leaves,
                                                NULL};
static const hr_applier hr_apply_stage_rows = {
    "stage", hr_apply_stage, hr_apply_prepare_staged, hr_apply_rows_staged, hr_apply_relations_leaves, NULL};

/* Indexed by hr_mode. */
static const hr_applier *const hr_appliers[] = {&hr_apply_append_rows, &hr_apply_stage_rows, &hr_apply_stage_rows, &hr_apply_vault};

int hr_apply_make_stage(hr_writer *writer, hr_error *error)
{
    const hr_applier *applier = hr_appliers[writer->config->mode];

    return applier->make_stage != NULL ? applier->make_stage(writer, error) : HR_OK;
}

int hr_apply_prepare(hr_writer *writer, hr_work *work, hr_error *error)
{
    return hr_appliers[writer->config->mode]->prepare(writer, work, error);
}

int hr_apply_rows(hr_writer *writer, const hr_work *work, int64_t lower, int64_t upper, hr_error *error)
{
    return hr_appliers[writer->config->mode]->rows(writer, work, lower, upper, error);
}

void hr_apply_relations(hr_writer *writer, const hr_work *work)
{
    hr_appliers[writer->config->mode]->relations(writer, work);
}

void hr_apply_close(hr_writer *writer)
{
    if (hr_appliers[writer->config->mode]->close != NULL)
        hr_appliers[writer->config->mode]->close(writer);
}
