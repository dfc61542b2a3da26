/* csrc/core/alloc.h: the door to the allocator.
 *
 * Everything in csrc/ allocates through these four names, so that a build with -DHR_FAULTS can make any allocation fail
 * (tests/core/faults.c defines the hr_fault_* functions and counts).
 */
#ifndef HR_CORE_ALLOC_H
#define HR_CORE_ALLOC_H

#include <stdlib.h>

#ifdef HR_FAULTS
void *hr_fault_malloc(size_t size);
void *hr_fault_calloc(size_t count, size_t size);
void *hr_fault_realloc(void *pointer, size_t size);
#define hr_malloc(size) hr_fault_malloc(size)
#define hr_calloc(count, size) hr_fault_calloc(count, size)
#define hr_realloc(pointer, size) hr_fault_realloc(pointer, size)
#else
#define hr_malloc(size) malloc(size)
#define hr_calloc(count, size) calloc(count, size)
#define hr_realloc(pointer, size) realloc(pointer, size)
#endif
#define hr_free(pointer) free(pointer)

#endif
