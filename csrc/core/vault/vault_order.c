/* csrc/core/vault/vault_order.c: sorting events and keys. Hashes nearly always differ in their first eight bytes: those are compared as a
 * number, and the rest is only looked at when they are alike. Merge sort, so that the worst case is the usual one. */
#include "vault_order.h"

/* By the bytes of a column; nulls first. */
static int hr_vault_compare_bytes(const hr_column *column, uint32_t a, uint32_t b)
{
    size_t na = 0, nb = 0;
    const char *left = hr_column_is_null(column, a) ? "" : hr_column_get_bytes(column, a, &na);
    const char *right = hr_column_is_null(column, b) ? "" : hr_column_get_bytes(column, b, &nb);
    int order = memcmp(left, right, na < nb ? na : nb);

    return order != 0 ? order : (na > nb) - (na < nb);
}

static inline int hr_vault_compare(const hr_column *column, const hr_vault_event *a, const hr_vault_event *b)
{
    int order;

    if (a->prefix != b->prefix)
        return a->prefix < b->prefix ? -1 : 1;
    order = hr_vault_compare_bytes(column, a->row, b->row);
    if (order != 0)
        return order;
    if (a->lsn != b->lsn)
        return a->lsn < b->lsn ? -1 : 1;
    return (a->rank > b->rank) - (a->rank < b->rank);
}

int hr_vault_sort_events(const hr_column *identity, hr_vault_event *events, int64_t n, hr_error *error)
{
    hr_vault_event *room, *from = events, *to;

    if (n < 2)
        return HR_OK;
    room = hr_malloc((size_t)n * sizeof(*room));
    if (room == NULL)
        return hr_error_nomem(error);
    to = room;
    for (int64_t width = 1; width < n; width *= 2) {
        hr_vault_event *other = from;

        for (int64_t low = 0; low < n; low += 2 * width) {
            int64_t middle = low + width < n ? low + width : n, high = low + 2 * width < n ? low + 2 * width : n;
            int64_t left = low, right = middle;

            for (int64_t at = low; at < high; at++) {
                bool take_left = left < middle && (right == high || hr_vault_compare(identity, &from[left], &from[right]) <= 0);

                to[at] = take_left ? from[left++] : from[right++];
            }
        }
        from = to;
        to = other;
    }
    if (from != events)
        memcpy(events, from, (size_t)n * sizeof(*events));
    hr_free(room);
    return HR_OK;
}

int64_t hr_vault_unique_events(const hr_column *identity, hr_vault_event *events, int64_t n)
{
    int64_t kept = 0;

    for (int64_t i = 0; i < n; i++)
        if (kept == 0 || hr_vault_compare(identity, &events[kept - 1], &events[i]) != 0)
            events[kept++] = events[i];
    return kept;
}

int hr_vault_sort_rows(const hr_column *keys, uint32_t *rows, int64_t n, hr_error *error)
{
    hr_vault_event *events;
    int rc;

    if (n < 2)
        return HR_OK;
    events = hr_malloc((size_t)n * sizeof(*events));
    if (events == NULL)
        return hr_error_nomem(error);
    for (int64_t i = 0; i < n; i++) {
        size_t size;
        const char *key = hr_column_get_bytes(keys, rows[i], &size);

        events[i] = (hr_vault_event){.prefix = hr_vault_prefix(key, size), .row = rows[i]};
    }
    rc = hr_vault_sort_events(keys, events, n, error);
    for (int64_t i = 0; i < n && rc == HR_OK; i++)
        rows[i] = events[i].row;
    hr_free(events);
    return rc;
}
