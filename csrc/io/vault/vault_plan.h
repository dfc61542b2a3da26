/* csrc/io/vault/vault_plan.h: the setting "vault" of a load, bound to the columns of its staging table.
 *
 *   recipe, diff_recipe: of keys and of hash diffs; the time zone is the job's
 *   op, lsn, unchanged: names of columns; key: names of the primary key's columns; identity: name of a hash
 *   hashes: [{"name", "columns": [...], "diff", "of_deletes", "whole"}]    core/vault/vault.h says what each means
 *   relations: [{"kind": "keys" | "events" | "history", "table": for people, "hash": name,
 *                "stage": a temporary table, "columns": [the stage's: of the events, a hash or "dv_seq"],
 *                "merge": the statement that moves the stage on, "slow": of history: the one for batches with late events}]
 *
 *                "direct": table and columns for a COPY of the same columns and dv_record_source: history and events have it, and keys that
 *                are new when the key of the source's row is
 *   source: text of dv_record_source
 *   known: {"stage": for key, lsn and seq of the first event of each key, "clear": empties it, "query": key, lsn, seq and the diffs (in
 *           the order of the relations of history) of the last event that the vault has of them, "direct": tells by one boolean whether the
 *           tables have the types of the stages, and keeps them from being altered until the transaction ends}
 *
 *   begin: the statements that make the stages
 *
 *   gaps: {"columns": [...], "stage", "query": of place and the columns' texts, "sizes": the same with lengths instead of texts} or
 *         null
 *
 *   late: {"last": notes the last event in the vault of each of the batch's keys, "find": notes those that are later than the batch's,
 *          "repair": [statements]}
 *
 * In the usual case, when no event of the vault is later than one of the batch, events and history go by COPY straight into their tables.
 * Otherwise these are run, in this order: all COPYs into stages, last, find when last has noted any, merges of events and of history, and
 * repairs when find has noted any. Merges of keys come at the end: another load that brings the same new keys waits for the rest of the
 * transaction, which is short then.
 */
#ifndef HR_IO_VAULT_PLAN_H
#define HR_IO_VAULT_PLAN_H

#include "core/vault/vault.h"
#include "io/load/load_config.h"

typedef struct hr_vault_step {
    hr_vault_relation relation;
    const char *table, *stage, *merge, *slow;
    const char *direct;     /* table and columns; NULL: by the stage only */
    const int32_t *columns; /* of the widened batch; behind the last of them that of dv_record_source */
    int32_t column_count;
} hr_vault_step;

typedef struct hr_vault_settings {
    hr_vault_plan plan;
    hr_arena arena;
    hr_vault_step *steps;
    int32_t step_count;
    const char *begin;
    const int32_t *gap_columns;
    int32_t gap_count;
    const char *gap_stage, *gap_query, *gap_sizes; /* NULL when there are no gaps to fill */
    const char *known_stage, *known_clear, *known_query, *direct_query;
    int32_t known_columns[3]; /* of the widened batch: key, lsn, seq */
    const char *last, *find;
    const char **repairs;
    int32_t repair_count;
} hr_vault_settings;

/* Bind the job's "vault" to the columns of `schema`; texts point into the config. HR_EUSAGE names what is wrong. *out must be freed with
 * hr_vault_settings_free, whatever is returned. */
int hr_vault_settings_read(const hr_load_config *config, const hr_schema *schema, hr_vault_settings *out, hr_error *error);
void hr_vault_settings_free(hr_vault_settings *settings);

#endif
