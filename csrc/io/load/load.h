/* csrc/io/load/load.h: a load, from its configuration to its receipt.
 *
 *     hr_load_start -> hr_load_wait (until true; the caller looks at signals and progress in between) -> hr_load_finish
 *
 * The configuration is one JSON object (load_config.h has every setting). All work runs in threads of the load; none of these functions
 * but hr_load_wait and hr_load_finish waits for anything.
 */
#ifndef HR_IO_LOAD_H
#define HR_IO_LOAD_H

#include "core/error.h"

typedef struct hr_load hr_load;

typedef enum hr_load_verb {
    HR_LOAD_RUN = 0, /* load, and finish with a receipt */
    HR_LOAD_PLAN     /* connect, check, and finish with a plan: nothing is written */
} hr_load_verb;

/* Check the configuration and start the threads. HR_EUSAGE for settings that cannot be; nothing has been connected yet then. */
int hr_load_start(const char *config_json, hr_load_verb verb, hr_load **out, hr_error *error);
/* Wait up to timeout_ms; true when the load has ended, well or not. */
bool hr_load_wait(hr_load *load, int timeout_ms);
/* What has been done so far as JSON: {"read", "loaded", "rejected", "skipped", "bytes", "seconds", "total_records", "total_bytes"}
 * (totals -1 when unknown). The caller frees it with free(); NULL when memory runs out. */
char *hr_load_progress(hr_load *load);
/* Ask the load to stop: open transactions are rolled back within a second; committed batches stay. */
void hr_load_cancel(hr_load *load);
/* Wait for the end, free the load, and give the receipt (or plan) as JSON in *result, to be freed with free(); NULL when there is none.
 * A failed or cancelled load returns its error AND, when it got as far as a run, its receipt. */
int hr_load_finish(hr_load *load, char **result, hr_error *error);

#endif
