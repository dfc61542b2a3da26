/* tests/core/faults.c: the allocator of the C tests. Any thread may allocate; one thread arms. */
#include "faults.h"

#include <stdatomic.h>
#include <stdlib.h>

static atomic_long remaining, count;
static atomic_bool after_too, fired;

void hr_fault_arm(long n, bool forever)
{
    atomic_store(&remaining, 0);
    atomic_store(&fired, false);
    atomic_store(&after_too, forever);
    atomic_store(&count, 0);
    atomic_store(&remaining, n);
}

bool hr_fault_fired(void)
{
    return atomic_load(&fired);
}

long hr_fault_count(void)
{
    return atomic_load(&count);
}

static bool fault_now(void)
{
    atomic_fetch_add(&count, 1);
    if (atomic_load(&fired) && atomic_load(&after_too))
        return true;
    if (atomic_load(&remaining) > 0 && atomic_fetch_sub(&remaining, 1) == 1) {
        atomic_store(&fired, true);
        return true;
    }
    return false;
}

void *hr_fault_malloc(size_t size);
void *hr_fault_calloc(size_t count_of, size_t size);
void *hr_fault_realloc(void *pointer, size_t size);

void *hr_fault_malloc(size_t size)
{
    return fault_now() ? NULL : malloc(size);
}

void *hr_fault_calloc(size_t count_of, size_t size)
{
    return fault_now() ? NULL : calloc(count_of, size);
}

void *hr_fault_realloc(void *pointer, size_t size)
{
    return fault_now() ? NULL : realloc(pointer, size);
}
