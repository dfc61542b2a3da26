/* csrc/core/vault/vault.h: a batch of change events split into the rows of a Data Vault. Pure: no server, no clock.
 *
 * A batch holds the events of one source table: its columns, and beside them what was done (op: c, r, u, d or t), the log sequence number
 * and the columns that the event left out because they had not changed. hr_vault_split_begin adds the event's rank and the hash keys and
 * hash diffs; hr_vault_take then picks, for each table of the vault, the rows that go there. docs/vault.md tells the rules.
 */
#ifndef HR_CORE_VAULT_H
#define HR_CORE_VAULT_H

#include "core/hash/hash_keys.h"

#define HR_VAULT_RANK "dv_seq"             /* the column that the split adds: which of two events of one lsn comes first */
#define HR_VAULT_SOURCE "dv_record_source" /* the last column that the split adds, when the plan has one: the same text in every row */

typedef enum hr_vault_kind {
    HR_VAULT_KEYS = 0, /* hubs and links: each key once */
    HR_VAULT_EVENTS,   /* tracking satellites: every event once */
    HR_VAULT_HISTORY   /* satellites: events with a row, unless the hash diff is that of the event before */
} hr_vault_kind;

/* A column of hashes to add. */
typedef struct hr_vault_hash {
    const char *name;
    const int32_t *columns; /* of the events' schema, in the order they are hashed */
    int32_t count;
    bool diff;       /* a hash diff, otherwise a key */
    bool of_deletes; /* only of columns that deletes bring as well */
    bool whole;      /* null when any of its columns is: a foreign key that refers to nothing */
} hr_vault_hash;

typedef struct hr_vault_relation {
    hr_vault_kind kind;
    int32_t hash; /* KEYS: its key; HISTORY: its hash diff; EVENTS: not used */
} hr_vault_relation;

/* Immutable; everything belongs to the caller and outlives the splitter. */
typedef struct hr_vault_plan {
    const hr_recipe *recipe;      /* of keys */
    const hr_recipe *diff_recipe; /* of hash diffs: what it takes for the same is no change */
    const hr_timezone *zone;      /* of timestamptz in hashes; NULL = UTC */
    int32_t op, lsn;              /* columns: text, bigint */
    int32_t unchanged;            /* column: text[]; -1 none */
    const int32_t *key;           /* the source table's primary key */
    int32_t key_count;
    int32_t identity; /* the hash of exactly the key: what the events of one row have in common */
    const hr_vault_hash *hashes;
    int32_t hash_count;
    const char *source; /* text of HR_VAULT_SOURCE, behind the hashes; NULL: no such column */
} hr_vault_plan;

typedef struct hr_vault_splitter hr_vault_splitter;

/* A splitter of batches of this schema. Not thread-safe: one for each thread. HR_EUSAGE when a hash cannot be made. */
int hr_vault_splitter_new(const hr_vault_plan *plan, hr_schema *schema, hr_vault_splitter **out, hr_error *error);
void hr_vault_splitter_free(hr_vault_splitter *splitter); /* NULL is fine */

/* Whether row `row` of the events can be split: HR_OK, or HR_EDATA with the reason (an op nobody knows, a key that is null). */
int hr_vault_check(const hr_vault_plan *plan, const hr_batch *events, int64_t row, hr_error *error);

/* Add the rank and, when `all`, every hash, otherwise only the identity (the other columns stay null). Rows in `skip` (one byte a row,
 * non-zero: left out; NULL: none) get nulls. The widened batch borrows the columns of `events`, and belongs to the splitter until the next
 * begin: hr_vault_wide. */
int hr_vault_begin(hr_vault_splitter *splitter, const hr_batch *events, const uint8_t *skip, bool all, hr_error *error);
const hr_batch *hr_vault_wide(const hr_vault_splitter *splitter);

/* Put the events [lower, upper) in order, each once, for the takes that follow. */
int hr_vault_range(hr_vault_splitter *splitter, int64_t lower, int64_t upper, hr_error *error);
/* The rows of the range that go into a relation, in the order of its key (EVENTS and HISTORY: key, lsn, rank). *rows is the splitter's
 * until the next call. */
int hr_vault_take(hr_vault_splitter *splitter, const hr_vault_relation *relation, const uint32_t **rows, int64_t *count, hr_error *error);

/* The first event of the range for each identity, in the order of the identities; those about no row are left out. */
void hr_vault_firsts(hr_vault_splitter *splitter, const uint32_t **rows, int64_t *count);

/* The first eight bytes, as numbers, of the keys that the events of the range are of: ascending, each once. They go to *keys, which is the
 * splitter's until the next call. HR_ENOMEM. */
int hr_vault_range_keys(hr_vault_splitter *splitter, const uint64_t **keys, int64_t *count, hr_error *error);

/* A value that an event left out because it had not changed. */
typedef struct hr_vault_gap {
    uint32_t row;   /* of the events */
    int32_t column; /* the column without its value */
    int64_t source; /* the row of the events that has it; HR_VAULT_ELSEWHERE, HR_VAULT_NOWHERE */
    uint32_t asked; /* ELSEWHERE: the vault has it before this row of the events, under the key of this row */
    bool created;   /* ELSEWHERE: `asked` is a create, so it is under the key whose delete has the same lsn */
} hr_vault_gap;
#define HR_VAULT_ELSEWHERE (-1) /* no event of the batch has it: it is in the vault, or nowhere */
#define HR_VAULT_NOWHERE (-2)   /* the event before says that there is no value: the row was deleted, or the value is null */

/* List the gaps of the range, in the order of the events. A gap takes its value from the event before it of the same row. A create with a
 * gap is one half of a changed key: its values are those of the row that the delete of the same lsn ended. What was left out is large,
 * so it is never null. `columns` are those that satellites and links are made of: others need no value. *gaps is the splitter's until the
 * next call. */
int hr_vault_gaps(hr_vault_splitter *splitter, const int32_t *columns, int32_t column_count, const hr_vault_gap **gaps, int64_t *count,
                  hr_error *error);
/* A copy of the events [lower, upper) with their gaps filled: from `source` when that is a row; from the row found_rows[i] of `found`
 * (whose column k is the events' column found_columns[k]) when that is ELSEWHERE; NOWHERE stays null. Other gaps are passed over. */
int hr_vault_fill(const hr_batch *events, int64_t lower, int64_t upper, const hr_vault_gap *gaps, int64_t count, const hr_batch *found,
                  const int64_t *found_rows, const int32_t *found_columns, hr_batch **out, hr_error *error);

#endif
