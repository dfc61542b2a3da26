/* csrc/io/kafka/schema_registry.h: Avro schemas by number, from a schema registry over HTTP.
 *
 * The interface is Confluent's, GET <url>/schemas/ids/<number>, which Apicurio, Karapace and Redpanda speak as well. Schemas never change,
 * so each is asked for once and kept.
 */
#ifndef HR_IO_SCHEMA_REGISTRY_H
#define HR_IO_SCHEMA_REGISTRY_H

#include <stdatomic.h>

#include "core/decode/decode.h"

typedef struct hr_registry hr_registry;

/* Connects to nothing yet. HR_EUSAGE for a URL that is not http:// or https://, or holds a password. user and password may be NULL; they
 * are never printed. */
int hr_registry_open(const char *url, const char *user, const char *password, hr_registry **out, hr_error *error);
void hr_registry_free(hr_registry *registry); /* NULL is fine */
/* Let requests end soon when *cancel is set, which outlives the registry. Before the first find; NULL for the registry is fine. */
void hr_registry_watch(hr_registry *registry, const atomic_bool *cancel);

/* hr_avro_schemas.find; context is the registry; any thread: what is known is answered at once, also while another thread waits for the
 * registry. A failure is remembered for some seconds, in which it is everybody's answer. HR_EDATA: the registry has no such schema, or not
 * an Avro one that stands alone. HR_EUSAGE: it does not let us in. HR_EIO (retriable): it does not answer, after some attempts.
 * HR_ECANCELLED: nobody wants the answer any more. */
int hr_registry_find(void *context, int32_t id, const char **text, size_t *n, hr_error *error);

#endif
