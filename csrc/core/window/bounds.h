/* csrc/core/window/bounds.h: which windows a time lies in. */
#ifndef HR_CORE_BOUNDS_H
#define HR_CORE_BOUNDS_H

#include "window.h"

/* The windows that hold exactly the times [lower, upper): neighbours in time mostly have the same. In order of start, the latest first. */
typedef struct hr_window_slot {
    int64_t lower, upper;
    int32_t count;
    int64_t *starts, *ends; /* room for hr_window_overlap() of them; the caller's */
} hr_window_slot;

/* HR_EUSAGE, naming the setting, for what cannot be. */
int hr_window_spec_check(const hr_window_spec *spec, hr_error *error);
/* The most windows of a tumbling or sliding spec that hold one time. */
int32_t hr_window_overlap(const hr_window_spec *spec);
/* Find the slot of a time. False for an infinite one, and when a window would leave 64 bits of microseconds. */
bool hr_window_slot_of(const hr_window_spec *spec, const hr_timezone *zone, int64_t time, hr_window_slot *slot);

#endif
