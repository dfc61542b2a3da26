/* csrc/io/vault/key_claims.h: the keys that the workers of one load have in their hands.
 *
 * Whether a satellite gets a row depends on the event before, and an event of a transaction that is still open is not seen. So no two
 * workers may have events of one key in open transactions. Usually none have: Kafka keeps a key in one partition, and a partition has one
 * worker. But partitions are added, and keys that differ may have one hash key. A worker names its batch's keys before it looks at the
 * vault, and waits while another that came before it has one of them; all others go on side by side.
 */
#ifndef HR_IO_KEY_CLAIMS_H
#define HR_IO_KEY_CLAIMS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"

typedef struct hr_key_claims hr_key_claims;

/* For so many workers. Thread-safe from here on. */
int hr_key_claims_new(int32_t workers, hr_key_claims **out, hr_error *error);
void hr_key_claims_free(hr_key_claims *claims); /* NULL is fine; nobody may hold or wait any more */

/* Claim keys[0..n), ascending (the first eight bytes of hash keys: two that meet there only wait for nothing), in place of what the worker
 * has claimed before; wait for those who claimed one of them before. The transaction must hold no rows of the vault yet. HR_ECANCELLED when
 * *cancel is set meanwhile, HR_ENOMEM: then nothing is claimed. */
int hr_key_claims_take(hr_key_claims *claims, int32_t worker, const uint64_t *keys, int64_t n, const atomic_bool *cancel, hr_error *error);
/* The transaction has ended. Without a claim nothing happens; `claims` may be NULL. */
void hr_key_claims_release(hr_key_claims *claims, int32_t worker);

#endif
