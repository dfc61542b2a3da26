/* csrc/core/vault/vault_order.h: what the halves of the splitter share: events in their order. Nobody else needs it. */
#ifndef HR_CORE_VAULT_ORDER_H
#define HR_CORE_VAULT_ORDER_H

#include "core/bytes.h"
#include "vault.h"

#define HR_VAULT_SKIPPED 255 /* among ranks: the row is left out */

typedef struct hr_vault_event {
    uint64_t prefix; /* the first bytes of the identity */
    int64_t lsn;
    uint32_t row;
    uint8_t rank;
} hr_vault_event;

/* A delete of the range, and its place among the events. */
typedef struct hr_vault_end {
    int64_t lsn, at;
} hr_vault_end;

struct hr_vault_splitter {
    const hr_vault_plan *plan;
    hr_hasher **hashers; /* one for each hash */
    hr_batch **wides;    /* each with one column more than the one before: the rank, then the hashes */
    int32_t wide_count;
    int32_t column_count; /* of the events */
    uint8_t *ranks;       /* per row */
    int64_t rank_capacity;
    hr_vault_event *events; /* of the range, by identity, lsn and rank */
    int64_t event_count, event_capacity;
    int64_t lower, upper; /* of the range; upper -1: none yet */
    uint64_t *keys;       /* of hr_vault_range_keys; room for key_capacity */
    int64_t key_capacity;
    uint32_t *rows; /* the answer of the last take; room for event_capacity */
    uint32_t *slots;
    size_t slot_count;
    hr_vault_gap *gaps;
    int64_t gap_capacity;
    hr_vault_end *ends; /* by lsn; room for end_capacity */
    int64_t end_count, end_capacity;
};

/* The first eight bytes of a hash as a number that sorts alike; shorter ones count as padded with zeros. */
static inline uint64_t hr_vault_prefix(const char *key, size_t n)
{
    uint8_t bytes[8] = {0};

    memcpy(bytes, key, n < 8 ? n : 8);
    return hr_load_be64(bytes);
}

/* Whether two rows have the same bytes; nulls are alike. */
static inline bool hr_vault_same(const hr_column *column, uint32_t a, uint32_t b)
{
    size_t na = 0, nb = 0;
    const char *left = hr_column_is_null(column, a) ? "" : hr_column_get_bytes(column, a, &na);
    const char *right = hr_column_is_null(column, b) ? "" : hr_column_get_bytes(column, b, &nb);

    return na == nb && memcmp(left, right, na) == 0;
}

/* Sort by identity, lsn, rank, row. */
int hr_vault_sort_events(const hr_column *identity, hr_vault_event *events, int64_t n, hr_error *error);
/* Keep the first of the events that are the same one. Returns how many are left. */
int64_t hr_vault_unique_events(const hr_column *identity, hr_vault_event *events, int64_t n);
/* Sort rows by the bytes of a column without nulls. */
int hr_vault_sort_rows(const hr_column *keys, uint32_t *rows, int64_t n, hr_error *error);

#endif
