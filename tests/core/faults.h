/* tests/core/faults.h: allocations that fail on demand (csrc/core/alloc.h under -DHR_FAULTS). */
#ifndef HR_TESTS_FAULTS_H
#define HR_TESTS_FAULTS_H

#include <stdbool.h>

/* Let the n-th allocation from now on fail (1 = the next); 0 = never. With `forever` all after it fail too. */
void hr_fault_arm(long n, bool forever);
/* Whether an allocation failed since hr_fault_arm: a loop over n ends when none did. */
bool hr_fault_fired(void);
/* How many allocations there were since hr_fault_arm, those that failed among them. */
long hr_fault_count(void);

#endif
