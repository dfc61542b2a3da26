/* csrc/io/vault/vault_known.c: asking what the vault has of a batch's keys. */
#include "vault_known.h"

#include "core/bytes.h"

void hr_vault_known_free(hr_vault_knowledge *known)
{
    PQclear(known->answer);
    hr_free(known->places);
    hr_free(known->fresh);
    memset(known, 0, sizeof(*known));
}

/* Compare bytes with the server's text of a bytea (\x and two digits a byte): below, at or above 0, as memcmp. */
static int hr_vault_known_compare(const char *bytes, size_t n, const char *hex)
{
    size_t length = strlen(hex);

    length = length >= 2 ? (length - 2) / 2 : 0;
    for (size_t i = 0; i < n && i < length; i++) {
        int byte = hr_hex_value(hex[2 + 2 * i]) << 4 | hr_hex_value(hex[3 + 2 * i]);

        if ((uint8_t)bytes[i] != byte)
            return (uint8_t)bytes[i] < byte ? -1 : 1;
    }
    return (n > length) - (n < length);
}

/* The row among firsts, which are in the order of their keys, with that key; -1 none. */
static int64_t hr_vault_known_find(const hr_column *keys, const uint32_t *firsts, int64_t count, const char *hex)
{
    int64_t low = 0, high = count;

    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        size_t n;
        const char *key = hr_column_get_bytes(keys, firsts[middle], &n);
        int order = hr_vault_known_compare(key, n, hex);

        if (order == 0)
            return firsts[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

static int hr_vault_known_reserve(hr_vault_knowledge *known, int64_t rows, hr_error *error)
{
    if (rows > known->capacity) {
        int32_t *places = hr_realloc(known->places, sizeof(*places) * (size_t)rows);
        if (places != NULL)
            known->places = places;
        uint8_t *fresh = hr_realloc(known->fresh, (size_t)rows);
        if (fresh != NULL)
            known->fresh = fresh;
        if (places == NULL || fresh == NULL)
            return hr_error_nomem(error);
        known->capacity = rows;
    }
    memset(known->places, 0, sizeof(*known->places) * (size_t)rows);
    return HR_OK;
}

/* Whether two rows of a column have the same bytes; neither is null. */
static bool hr_vault_known_same(const hr_column *column, uint32_t a, uint32_t b)
{
    size_t na, nb;
    const char *left = hr_column_get_bytes(column, a, &na), *right = hr_column_get_bytes(column, b, &nb);

    return na == nb && memcmp(left, right, na) == 0;
}

/* Every event is as new as the first one of its key. */
static int hr_vault_known_note_fresh(hr_vault_knowledge *known, hr_vault_splitter *splitter, const hr_column *keys, hr_error *error)
{
    const hr_vault_relation every = {.kind = HR_VAULT_EVENTS};
    const uint32_t *rows;
    int64_t count;

    HR_RETURN_NOT_OK(hr_vault_take(splitter, &every, &rows, &count, error));
    for (int64_t i = 0; i < count; i++) {
        uint32_t row = rows[i];
        bool same = i > 0 && hr_vault_known_same(keys, row, rows[i - 1]);

        known->fresh[row] = same ? known->fresh[rows[i - 1]] : known->places[row] == 0;
    }
    return HR_OK;
}

int hr_vault_known_ask(hr_vault_knowledge *known, hr_writer *writer, const hr_vault_settings *settings, hr_vault_splitter *splitter,
                       bool emptied, bool *late, hr_error *error)
{
    const hr_batch *wide = hr_vault_wide(splitter);
    const int32_t *columns = settings->known_columns;
    const uint32_t *firsts;
    int64_t count;

    *late = false;
    PQclear(known->answer);
    known->answer = NULL;
    HR_RETURN_NOT_OK(hr_vault_known_reserve(known, wide->length, error));
    hr_vault_firsts(splitter, &firsts, &count);
    if (count == 0)
        return HR_OK;
    if (!emptied)
        HR_RETURN_NOT_OK(hr_pg_exec(writer->pg, settings->known_clear, NULL, error));
    HR_RETURN_NOT_OK(hr_apply_copy_into(writer, wide, writer->target->copy, settings->known_stage, columns, 3, firsts, count, error));
    HR_RETURN_NOT_OK(hr_pg_exec(writer->pg, settings->known_query, &known->answer, error));
    for (int i = 0; i < PQntuples(known->answer); i++) {
        int64_t row = hr_vault_known_find(&wide->columns[columns[0]], firsts, count, PQgetvalue(known->answer, i, 0));
        int64_t lsn = strtoll(PQgetvalue(known->answer, i, 1), NULL, 10), first;
        long seq = strtol(PQgetvalue(known->answer, i, 2), NULL, 10);

        if (row < 0)
            continue;
        first = hr_column_get_int64(&wide->columns[columns[1]], row);
        *late |= lsn > first || (lsn == first && seq >= hr_column_get_int16(&wide->columns[columns[2]], row));
        known->places[row] = i + 1;
    }
    return hr_vault_known_note_fresh(known, splitter, &wide->columns[columns[0]], error);
}

bool hr_vault_known_repeats(const hr_vault_knowledge *known, int diff, const hr_column *diffs, uint32_t row)
{
    int place = known->places[row] - 1, field = HR_VAULT_KNOWN_DIFFS + diff;
    const char *bytes;
    size_t n;

    if (place < 0 || field >= PQnfields(known->answer) || PQgetisnull(known->answer, place, field))
        return false;
    bytes = hr_column_get_bytes(diffs, row, &n);
    return hr_vault_known_compare(bytes, n, PQgetvalue(known->answer, place, field)) == 0;
}
