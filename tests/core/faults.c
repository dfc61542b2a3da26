/* tests/core/faults.c: the allocator of the C tests. */
#include "faults.h"

#include <stdlib.h>

static long remaining;
static bool after_too, fired;

void hr_fault_arm(long n, bool forever)
{
    remaining = n;
    after_too = forever;
    fired = false;
}

bool hr_fault_fired(void)
{
    return fired;
}

static bool fault_now(void)
{
    if (fired && after_too)
        return true;
    if (remaining > 0 && --remaining == 0) {
        fired = true;
        return true;
    }
    return false;
}

void *hr_fault_malloc(size_t size);
void *hr_fault_calloc(size_t count, size_t size);
void *hr_fault_realloc(void *pointer, size_t size);

void *hr_fault_malloc(size_t size)
{
    return fault_now() ? NULL : malloc(size);
}

void *hr_fault_calloc(size_t count, size_t size)
{
    return fault_now() ? NULL : calloc(count, size);
}

void *hr_fault_realloc(void *pointer, size_t size)
{
    return fault_now() ? NULL : realloc(pointer, size);
}
