/* csrc/io/load/report.h: what a load tells: the receipt of a run, the plan of a dry one. JSON by jansson; all texts are freed with free().
 */
#ifndef HR_IO_REPORT_H
#define HR_IO_REPORT_H

#include <time.h>

#include "worker.h"

/* {"tables": {...}, "rejects": {...}}, for headrace.receipts.detail. */
int hr_report_detail(hr_worker *workers, int32_t count, char **out, hr_error *error);
/* The receipt. failure NULL: succeeded. HR_EBALANCE when read != loaded + rejected + skipped. */
int hr_report_receipt(const hr_load_config *config, const hr_target *target, hr_worker *workers, int32_t count, time_t started_at,
                      double seconds, const hr_error *failure, char **out, hr_error *error);
/* The plan: target with its columns and where each comes from, lanes with stored offsets and lag, warnings. */
int hr_report_plan(hr_pg *pg, const hr_load_config *config, const hr_target *target, const hr_lanes *lanes, char **out, hr_error *error);

#endif
