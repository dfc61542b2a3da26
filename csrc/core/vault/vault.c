/* csrc/core/vault/vault.c: hashes beside the events, and the rows that each table of the vault takes. */
#include "vault.h"

#include <stdio.h>

#include "vault_order.h"
#include "core/widen.h"

/* The first of two events of one lsn: what a snapshot read, then the end of a row, then its beginning (an update that only changes the
 * case of a key is both, under one hash key), then the end of all. */
enum { HR_RANK_READ = 0, HR_RANK_DELETE, HR_RANK_ROW, HR_RANK_TRUNCATE };

static const hr_type hr_vault_rank_type = {.kind = HR_INT2, .oid = 21, .typmod = -1, .scale = -1, .max_chars = -1, .name = "smallint"};
static const hr_type hr_vault_source_type = {.kind = HR_TEXT, .oid = 25, .typmod = -1, .scale = -1, .max_chars = -1, .name = "text"};
static const hr_type hr_vault_hash_type = {.kind = HR_BYTEA, .oid = 17, .typmod = -1, .scale = -1, .max_chars = -1, .name = "bytea"};

static int hr_vault_hashers(hr_vault_splitter *splitter, const hr_schema *schema, hr_error *error)
{
    const hr_vault_plan *plan = splitter->plan;

    for (int32_t i = 0; i < plan->hash_count; i++) {
        const hr_vault_hash *hash = &plan->hashes[i];
        const hr_hash_options options = {.recipe = hash->diff ? plan->diff_recipe : plan->recipe,
                                         .use = hash->diff ? HR_HASH_DIFF : HR_HASH_KEY,
                                         .alone = !hash->diff && hash->count == 1,
                                         .zone = plan->zone};

        HR_RETURN_NOT_OK(hr_hasher_new(schema, hash->columns, hash->count, &options, &splitter->hashers[i], error));
    }
    return HR_OK;
}

int hr_vault_splitter_new(const hr_vault_plan *plan, hr_schema *schema, hr_vault_splitter **out, hr_error *error)
{
    hr_vault_splitter *splitter = hr_calloc(1, sizeof(*splitter));
    size_t room = (size_t)plan->hash_count + 3;
    int rc;

    *out = NULL;
    if (splitter == NULL)
        return hr_error_nomem(error);
    splitter->plan = plan;
    splitter->hashers = hr_calloc(room, sizeof(*splitter->hashers));
    splitter->wides = hr_calloc(room, sizeof(*splitter->wides));
    rc = splitter->hashers != NULL && splitter->wides != NULL ? HR_OK : hr_error_nomem(error);
    if (rc == HR_OK)
        rc = hr_vault_hashers(splitter, schema, error);
    if (rc != HR_OK) {
        hr_vault_splitter_free(splitter);
        return rc;
    }
    *out = splitter;
    return HR_OK;
}

/* Let the widened batches go: each borrows from the one before it. */
static void hr_vault_forget(hr_vault_splitter *splitter)
{
    for (int32_t i = splitter->wide_count; i-- > 0;)
        hr_batch_free(splitter->wides[i]);
    splitter->wide_count = 0;
    splitter->event_count = 0;
    splitter->upper = -1;
}

void hr_vault_splitter_free(hr_vault_splitter *splitter)
{
    if (splitter == NULL)
        return;
    if (splitter->wides != NULL)
        hr_vault_forget(splitter);
    for (int32_t i = 0; splitter->hashers != NULL && i < splitter->plan->hash_count; i++)
        hr_hasher_free(splitter->hashers[i]);
    hr_free(splitter->hashers);
    hr_free(splitter->wides);
    hr_free(splitter->ranks);
    hr_free(splitter->events);
    hr_free(splitter->rows);
    hr_free(splitter->slots);
    hr_free(splitter->gaps);
    hr_free(splitter->ends);
    hr_free(splitter->keys);
    hr_free(splitter);
}

/* 'c' 'r' 'u' 'd' 't', or 0 for anything else. */
static char hr_vault_op(const hr_vault_plan *plan, const hr_batch *events, int64_t row)
{
    const hr_column *column = &events->columns[plan->op];
    const char *op;
    size_t n;

    if (hr_column_is_null(column, row))
        return 0;
    op = hr_column_get_bytes(column, row, &n);
    return n == 1 && strchr("crudt", op[0]) != NULL ? op[0] : 0;
}

int hr_vault_check(const hr_vault_plan *plan, const hr_batch *events, int64_t row, hr_error *error)
{
    char op = hr_vault_op(plan, events, row);
    int32_t column = -1;

    if (op == 0) {
        hr_error_data(error, HR_REASON_TYPE, NULL, 0, "the event's op is none of c, r, u, d and t");
        column = plan->op;
    } else if (hr_column_is_null(&events->columns[plan->lsn], row)) {
        hr_error_data(error, HR_REASON_NULL, NULL, 0, "the event has no lsn, so its place in the history is not known");
        column = plan->lsn;
    }
    for (int32_t i = 0; i < plan->key_count && op != 't' && column < 0; i++) {
        if (!hr_column_is_null(&events->columns[plan->key[i]], row))
            continue;
        hr_error_data(error, HR_REASON_NULL, NULL, 0, "column \"%s\" of the key is null or missing",
                      events->schema->columns[plan->key[i]].name);
        column = plan->key[i];
    }
    if (column < 0)
        return HR_OK;
    if (error != NULL)
        error->column = column;
    return HR_EDATA;
}

/* Make the value null; its bytes stay. */
static int hr_vault_clear(hr_column *column, int64_t row, hr_error *error)
{
    if (column->validity == NULL)
        HR_RETURN_NOT_OK(hr_column_make_validity(column, error));
    if (hr_column_is_null(column, row))
        return HR_OK;
    column->validity[row >> 3] &= (uint8_t) ~(1u << (row & 7));
    column->null_count++;
    return HR_OK;
}

/* One more column on top of the last batch. */
static int hr_vault_widen(hr_vault_splitter *splitter, const hr_batch *events, const char *name, const hr_type *type, hr_column **column,
                          hr_error *error)
{
    const hr_batch *below = splitter->wide_count > 0 ? splitter->wides[splitter->wide_count - 1] : events;
    hr_batch *wide;

    HR_RETURN_NOT_OK(hr_batch_widen(below, name, type, &wide, error));
    splitter->wides[splitter->wide_count++] = wide;
    *column = &wide->columns[wide->schema->count - 1];
    return HR_OK;
}

/* The rank of every row, in the column and in splitter->ranks, where HR_VAULT_SKIPPED stands for rows left out. */
static int hr_vault_rank(hr_vault_splitter *splitter, const hr_batch *events, const uint8_t *skip, hr_error *error)
{
    hr_column *column;

    if (events->length > splitter->rank_capacity) {
        uint8_t *ranks = hr_realloc(splitter->ranks, (size_t)events->length);

        if (ranks == NULL)
            return hr_error_nomem(error);
        splitter->ranks = ranks;
        splitter->rank_capacity = events->length;
    }
    HR_RETURN_NOT_OK(hr_vault_widen(splitter, events, HR_VAULT_RANK, &hr_vault_rank_type, &column, error));
    for (int64_t row = 0; row < events->length; row++) {
        char op = skip != NULL && skip[row] ? 0 : hr_vault_op(splitter->plan, events, row);
        uint8_t rank = op == 'r' ? HR_RANK_READ : op == 'd' ? HR_RANK_DELETE : op == 't' ? HR_RANK_TRUNCATE : HR_RANK_ROW;

        splitter->ranks[row] = op != 0 ? rank : HR_VAULT_SKIPPED;
        HR_RETURN_NOT_OK(op != 0 ? hr_column_append_int16(column, rank, error) : hr_column_append_null(column, error));
    }
    return HR_OK;
}

/* Whether this hash of this row is null by rule. */
static bool hr_vault_is_void(const hr_vault_splitter *splitter, const hr_vault_hash *hash, const hr_batch *events, int64_t row)
{
    uint8_t rank = splitter->ranks[row];

    if (rank == HR_VAULT_SKIPPED || rank == HR_RANK_TRUNCATE || (rank == HR_RANK_DELETE && !hash->of_deletes))
        return true;
    for (int32_t i = 0; hash->whole && i < hash->count; i++)
        if (hr_column_is_null(&events->columns[hash->columns[i]], row))
            return true;
    return false;
}

static int hr_vault_hash_rows(hr_vault_splitter *splitter, const hr_batch *events, int32_t index, bool wanted, hr_error *error)
{
    const hr_vault_hash *hash = &splitter->plan->hashes[index];
    hr_column *column;

    HR_RETURN_NOT_OK(hr_vault_widen(splitter, events, hash->name, &hr_vault_hash_type, &column, error));
    if (wanted) {
        HR_RETURN_NOT_OK(hr_hasher_reserve(splitter->hashers[index], events->length, column, error));
        HR_RETURN_NOT_OK(hr_hasher_run(splitter->hashers[index], events, 0, events->length, column, error));
    }
    for (int64_t row = 0; row < events->length; row++) {
        if (!wanted)
            HR_RETURN_NOT_OK(hr_column_append_null(column, error));
        else if (hr_vault_is_void(splitter, hash, events, row))
            HR_RETURN_NOT_OK(hr_vault_clear(column, row, error));
    }
    return HR_OK;
}

/* The text that is the same in every row. */
static int hr_vault_add_source(hr_vault_splitter *splitter, const hr_batch *events, hr_error *error)
{
    const char *source = splitter->plan->source;
    size_t size = strlen(source);
    hr_column *column;

    HR_RETURN_NOT_OK(hr_vault_widen(splitter, events, HR_VAULT_SOURCE, &hr_vault_source_type, &column, error));
    HR_RETURN_NOT_OK(hr_column_reserve(column, events->length, error));
    HR_RETURN_NOT_OK(hr_buffer_reserve(&column->bytes, size * (size_t)events->length, error));
    for (int64_t row = 0; row < events->length; row++)
        HR_RETURN_NOT_OK(hr_column_append_bytes(column, source, size, error));
    return HR_OK;
}

int hr_vault_begin(hr_vault_splitter *splitter, const hr_batch *events, const uint8_t *skip, bool all, hr_error *error)
{
    int rc;

    hr_vault_forget(splitter);
    rc = hr_vault_rank(splitter, events, skip, error);
    for (int32_t i = 0; i < splitter->plan->hash_count && rc == HR_OK; i++)
        rc = hr_vault_hash_rows(splitter, events, i, all || i == splitter->plan->identity, error);
    if (rc == HR_OK && all && splitter->plan->source != NULL)
        rc = hr_vault_add_source(splitter, events, error);
    if (rc != HR_OK) {
        hr_vault_forget(splitter);
        return rc;
    }
    splitter->column_count = events->schema->count;
    return HR_OK;
}

const hr_batch *hr_vault_wide(const hr_vault_splitter *splitter)
{
    return splitter->wide_count > 0 ? splitter->wides[splitter->wide_count - 1] : NULL;
}

/* The rows of the range whose key is not null, each key once: the first row that has it. A hash is evenly spread, so its first bytes are
 * the place in the table. */
static int hr_vault_distinct(hr_vault_splitter *splitter, const hr_column *keys, int64_t *count, hr_error *error)
{
    size_t slots = 64, mask;
    int64_t n = 0;

    while (slots < (size_t)splitter->event_count * 2)
        slots *= 2;
    if (slots > splitter->slot_count) {
        uint32_t *room = hr_realloc(splitter->slots, slots * sizeof(*room));

        if (room == NULL)
            return hr_error_nomem(error);
        splitter->slots = room;
        splitter->slot_count = slots;
    }
    mask = slots - 1;
    memset(splitter->slots, 0, slots * sizeof(*splitter->slots));
    for (int64_t i = 0; i < splitter->event_count; i++) {
        uint32_t row = splitter->events[i].row;
        const char *key;
        size_t size, at;

        if (hr_column_is_null(keys, row))
            continue;
        key = hr_column_get_bytes(keys, row, &size);
        for (at = (size_t)hr_vault_prefix(key, size) & mask; splitter->slots[at] != 0; at = (at + 1) & mask)
            if (hr_vault_same(keys, row, splitter->slots[at] - 1))
                break;
        if (splitter->slots[at] != 0)
            continue;
        splitter->slots[at] = row + 1;
        splitter->rows[n++] = row;
    }
    *count = n;
    return hr_vault_sort_rows(keys, splitter->rows, n, error);
}

/* Events that bring a row, without those that repeat the hash diff of the event before. */
static int64_t hr_vault_history(hr_vault_splitter *splitter, const hr_column *identity, const hr_column *diffs)
{
    int64_t n = 0;

    for (int64_t i = 0; i < splitter->event_count; i++) {
        uint32_t row = splitter->events[i].row;

        if (hr_column_is_null(diffs, row))
            continue;
        if (i > 0) {
            uint32_t before = splitter->events[i - 1].row;

            if (!hr_column_is_null(diffs, before) && hr_vault_same(identity, row, before) && hr_vault_same(diffs, row, before))
                continue;
        }
        splitter->rows[n++] = row;
    }
    return n;
}

int hr_vault_range(hr_vault_splitter *splitter, int64_t lower, int64_t upper, hr_error *error)
{
    const hr_vault_plan *plan = splitter->plan;
    const hr_batch *wide = hr_vault_wide(splitter);
    const hr_column *identity = &wide->columns[splitter->column_count + 1 + plan->identity];

    if (splitter->lower == lower && splitter->upper == upper)
        return HR_OK;
    splitter->upper = -1;
    if (upper - lower > splitter->event_capacity) {
        size_t room = (size_t)(upper - lower);
        hr_vault_event *events = hr_realloc(splitter->events, room * sizeof(*events));
        if (events != NULL)
            splitter->events = events;
        uint32_t *rows = hr_realloc(splitter->rows, room * sizeof(*rows));
        if (rows != NULL)
            splitter->rows = rows;
        if (events == NULL || rows == NULL)
            return hr_error_nomem(error);
        splitter->event_capacity = upper - lower;
    }
    splitter->event_count = 0;
    for (int64_t row = lower; row < upper; row++) {
        hr_vault_event *event = &splitter->events[splitter->event_count];
        const char *key = "";
        size_t size = 0;

        if (splitter->ranks[row] == HR_VAULT_SKIPPED)
            continue;
        if (!hr_column_is_null(identity, row))
            key = hr_column_get_bytes(identity, row, &size);
        *event = (hr_vault_event){.prefix = hr_vault_prefix(key, size),
                                  .lsn = hr_column_get_int64(&wide->columns[plan->lsn], row),
                                  .row = (uint32_t)row,
                                  .rank = splitter->ranks[row]};
        splitter->event_count++;
    }
    HR_RETURN_NOT_OK(hr_vault_sort_events(identity, splitter->events, splitter->event_count, error));
    splitter->event_count = hr_vault_unique_events(identity, splitter->events, splitter->event_count);
    splitter->lower = lower;
    splitter->upper = upper;
    return HR_OK;
}

int hr_vault_range_keys(hr_vault_splitter *splitter, const uint64_t **keys, int64_t *count, hr_error *error)
{
    int64_t n = 0;

    *keys = NULL;
    *count = 0;
    if (splitter->event_count > splitter->key_capacity) {
        uint64_t *room = hr_realloc(splitter->keys, sizeof(*room) * (size_t)splitter->event_count);

        if (room == NULL)
            return hr_error_nomem(error);
        splitter->keys = room;
        splitter->key_capacity = splitter->event_count;
    }
    for (int64_t i = 0; i < splitter->event_count; i++)
        if (n == 0 || splitter->keys[n - 1] != splitter->events[i].prefix)
            splitter->keys[n++] = splitter->events[i].prefix;
    *keys = splitter->keys;
    *count = n;
    return HR_OK;
}

int hr_vault_take(hr_vault_splitter *splitter, const hr_vault_relation *relation, const uint32_t **rows, int64_t *count, hr_error *error)
{
    const hr_vault_plan *plan = splitter->plan;
    const hr_column *hashes = &hr_vault_wide(splitter)->columns[splitter->column_count + 1];

    *rows = splitter->rows;
    *count = 0;
    switch (relation->kind) {
    case HR_VAULT_KEYS: return hr_vault_distinct(splitter, &hashes[relation->hash], count, error);
    case HR_VAULT_HISTORY: *count = hr_vault_history(splitter, &hashes[plan->identity], &hashes[relation->hash]); break;
    case HR_VAULT_EVENTS:
        for (int64_t i = 0; i < splitter->event_count; i++)
            splitter->rows[i] = splitter->events[i].row;
        *count = splitter->event_count;
        break;
    }
    return HR_OK;
}

void hr_vault_firsts(hr_vault_splitter *splitter, const uint32_t **rows, int64_t *count)
{
    const hr_column *identity = &hr_vault_wide(splitter)->columns[splitter->column_count + 1 + splitter->plan->identity];
    int64_t n = 0;

    for (int64_t i = 0; i < splitter->event_count; i++) {
        uint32_t row = splitter->events[i].row;

        if (hr_column_is_null(identity, row) || (i > 0 && hr_vault_same(identity, row, splitter->events[i - 1].row)))
            continue;
        splitter->rows[n++] = row;
    }
    *rows = splitter->rows;
    *count = n;
}
