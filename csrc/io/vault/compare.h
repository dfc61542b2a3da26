/* csrc/io/vault/compare.h: the rows of two queries, in two databases, compared by key.
 *
 * Settings, one JSON object:
 *   left, right: {"dsn", "begin": statements before (isolation level, snapshot), "query": what to compare, its key columns first}
 *   key: how many columns the key has; memory: bytes for rows that wait for their like; keep: examples of each kind
 * Both queries run as COPY ... TO STDOUT in text format: values are equal when the servers print them alike.
 */
#ifndef HR_IO_COMPARE_H
#define HR_IO_COMPARE_H

#include <stdatomic.h>

#include "core/error.h"

/* Compare. On success *result is JSON text for hr_free: {"left": rows, "right": rows, "missing": only the left has them, "extra": only the
 * right, "different", "repeated", "passes", "examples": [{"kind", "left": [values] | null, "right": [values] | null}]}. */
int hr_compare(const char *config_json, const atomic_bool *cancel, char **result, hr_error *error);

#endif
