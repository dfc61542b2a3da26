/* csrc/core/debezium/debezium_schema.h: the schemas that Kafka Connect's JSON converter puts into every message. */
#ifndef HR_CORE_DEBEZIUM_SCHEMA_H
#define HR_CORE_DEBEZIUM_SCHEMA_H

#include "debezium.h"

/* What the Connect schema text[0..n) (JSON, checked) says of each column of the Headrace schema: `out` has schema->count fields. The
 * columns are looked for in the struct "after" of an envelope, else among the struct's own fields. HR_EDATA (malformed) when it is none;
 * HR_ENOMEM. */
int hr_connect_schema_forms(const hr_schema *schema, const char *text, size_t n, hr_change_field *out, hr_error *error);

#endif
