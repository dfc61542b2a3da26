/* csrc/core/types/timezone.h: civil time of a named zone, from the TZif files of the system (RFC 8536). */
#ifndef HR_CORE_TIMEZONE_H
#define HR_CORE_TIMEZONE_H

#include "core/error.h"

typedef struct hr_timezone hr_timezone;

/* Load "Europe/Warsaw" and the like from $TZDIR, /usr/share/zoneinfo or `directory` (may be NULL). "UTC" needs no file.
 * HR_EUSAGE for a name that does not exist or would leave the folder ("../x"). The result is immutable: share it. */
int hr_timezone_load(const char *name, const char *directory, hr_timezone **out, hr_error *error);
void hr_timezone_free(hr_timezone *zone);
const char *hr_timezone_name(const hr_timezone *zone); /* "UTC" for NULL */
/* Seconds east of UTC at this instant (microseconds since 1970, UTC). NULL zone = UTC = 0. */
int32_t hr_timezone_offset(const hr_timezone *zone, int64_t micros);
/* The instant of a local civil time (microseconds since 1970 as if the local clock were UTC). Inside a gap or an overlap the answer is
 * the server's own: timezone.c states the rule and the tests compare it with PostgreSQL. */
int64_t hr_timezone_to_utc(const hr_timezone *zone, int64_t local_micros);

#endif
