/* csrc/io/vault/vault_known.h: what the vault has of the keys of a batch already: the last event of each.
 *
 * With that, rows that go into a tracking satellite or a satellite can be chosen before they are sent, and sent straight into the table.
 */
#ifndef HR_IO_VAULT_KNOWN_H
#define HR_IO_VAULT_KNOWN_H

#include "io/load/apply.h"
#include "vault_plan.h"

#define HR_VAULT_KNOWN_DIFFS 3 /* the first hash diff in the answer: key, lsn and seq come before */

typedef struct hr_vault_knowledge {
    PGresult *answer; /* a row for each key that the vault knows */
    int32_t *places;  /* per row of the batch: 1 + its row in the answer; 0: not the first event of its key, or nothing is known */
    uint8_t *fresh;   /* per row of the batch: the vault knows nothing of its key */
    int64_t capacity;
} hr_vault_knowledge;

/* Ask for the keys of the splitter's range. `emptied`: the stage has no rows of an earlier range. *late: the vault has an event that is not
 * before the batch's first one of that key. On failure the transaction is aborted, or memory has run out. */
int hr_vault_known_ask(hr_vault_knowledge *known, hr_writer *writer, const hr_vault_settings *settings, hr_vault_splitter *splitter,
                       bool emptied, bool *late, hr_error *error);
/* Whether the event is the first of its key here, and the last one in the vault has the same hash diff (number `diff` of the answer's). */
bool hr_vault_known_repeats(const hr_vault_knowledge *known, int diff, const hr_column *diffs, uint32_t row);
void hr_vault_known_free(hr_vault_knowledge *known);

#endif
