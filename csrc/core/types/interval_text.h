/* csrc/core/types/interval_text.h: intervals as text.
 *
 * Read are the server's own output (1 year 2 mons 3 days -04:05:06.5), ISO 8601 durations (P1Y2M3DT4H5M6.7S and the alternative forms
 * P0001-02-03T04:05:06, P00010203T040506), the SQL form (1-2 3 4:05:06), numbers with units (1.5 hours, 2 weeks ago, @ 1 minute) and
 * infinity. Values come out as the server computes them, its way with fractions included: 1.5 months is 1 mon 15 days.
 */
#ifndef HR_CORE_INTERVAL_TEXT_H
#define HR_CORE_INTERVAL_TEXT_H

#include "type.h"

/* Bits of the fields in an interval's typmod, as the server numbers them. */
#define HR_INTERVAL_MONTH (1 << 1)
#define HR_INTERVAL_YEAR (1 << 2)
#define HR_INTERVAL_DAY (1 << 3)
#define HR_INTERVAL_HOUR (1 << 10)
#define HR_INTERVAL_MINUTE (1 << 11)
#define HR_INTERVAL_SECOND (1 << 12)
#define HR_INTERVAL_ALL 0x7fff

/* Read s[0..n); `fields` are those of the column's type (HR_INTERVAL_ALL for most): they give a number without unit its unit.
 * *infinite is 0, or the sign of infinity, and then *out is not filled. HR_EDATA with reason type or range. */
int hr_interval_scan(const hr_type *type, int fields, const char *s, size_t n, hr_interval *out, int *infinite, hr_error *error);

#define HR_INTERVAL_TEXT 96
/* Print a finite interval in the server's form (IntervalStyle postgres) and return the length. */
size_t hr_interval_print(char *to, hr_interval value);

#endif
