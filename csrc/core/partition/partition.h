/* csrc/core/partition/partition.h: periods of time that partitions are made of: their bounds and names. Routing rows to them is in route.h.
 */
#ifndef HR_CORE_PARTITION_H
#define HR_CORE_PARTITION_H

#include "route.h" /* for those who route to the periods named here */
#include "core/types/timezone.h"

typedef enum hr_period_unit { HR_PERIOD_WEEK = 0, HR_PERIOD_DAY, HR_PERIOD_MONTH } hr_period_unit; /* week = ISO 8601 week */

/* A period [lower, upper) in microseconds since 1970-01-01 UTC (for date and timestamp columns: of the local calendar). */
typedef struct hr_period {
    int64_t lower, upper;
} hr_period;

/* "week", "day", "month"; HR_EUSAGE otherwise. */
int hr_period_unit_from_name(const char *name, hr_period_unit *unit, hr_error *error);
/* The period that holds `micros`, by the calendar of the zone (NULL: UTC). HR_EDATA (range) when it would leave int64. */
int hr_period_of(hr_period_unit unit, const hr_timezone *zone, int64_t micros, hr_period *out, hr_error *error);

#define HR_PERIOD_NAME_SIZE 24
/* The suffix of a partition table: "2026w47", "20261121", "2026m11"; "bc0044w11" before 1 AD. */
void hr_period_suffix(hr_period_unit unit, const hr_timezone *zone, const hr_period *period, char out[HR_PERIOD_NAME_SIZE]);
/* The value in a Hive-style path: "2026-W47", "2026-11-21", "2026-11"; "bc0044-03-15" before 1 AD. */
void hr_period_value(hr_period_unit unit, const hr_timezone *zone, const hr_period *period, char out[HR_PERIOD_NAME_SIZE]);

#endif
