/* csrc/core/arena.h: memory that lives as long as a batch, and a growable byte buffer. */
#ifndef HR_CORE_ARENA_H
#define HR_CORE_ARENA_H

#include <string.h>

#include "alloc.h"
#include "error.h"

/* A bump allocator. All memory of an arena goes at once, by reset (chunks kept for reuse) or free. */
typedef struct hr_arena_chunk hr_arena_chunk;
typedef struct hr_arena {
    hr_arena_chunk *head;  /* the chunk being filled */
    hr_arena_chunk *spare; /* emptied chunks kept by reset */
    size_t used, size;     /* in head */
    size_t chunk_size;
} hr_arena;

/* Make an empty arena; allocates nothing. chunk_size 0 means 64 KiB. */
void hr_arena_init(hr_arena *arena, size_t chunk_size);
/* `size` bytes aligned to 16, or NULL when memory runs out (the arena stays usable). */
void *hr_arena_alloc(hr_arena *arena, size_t size);
/* A NUL-terminated copy of n bytes, or NULL. */
char *hr_arena_copy(hr_arena *arena, const char *bytes, size_t n);
/* Forget everything, keep standard-sized chunks for reuse; oversized ones go back to the system. */
void hr_arena_reset(hr_arena *arena);
void hr_arena_free(hr_arena *arena);

/* Bytes that grow by doubling. On failure nothing is changed: roll back by restoring `size`. */
typedef struct hr_buffer {
    uint8_t *data;
    size_t size, capacity;
} hr_buffer;

/* Make room for `more` bytes after size. */
int hr_buffer_grow(hr_buffer *buffer, size_t more, hr_error *error);
void hr_buffer_free(hr_buffer *buffer);

static inline int hr_buffer_reserve(hr_buffer *buffer, size_t more, hr_error *error)
{
    if (HR_LIKELY(buffer->capacity - buffer->size >= more))
        return HR_OK;
    return hr_buffer_grow(buffer, more, error);
}

static inline int hr_buffer_append(hr_buffer *buffer, const void *bytes, size_t n, hr_error *error)
{
    HR_RETURN_NOT_OK(hr_buffer_reserve(buffer, n, error));
    if (n > 0)
        memcpy(buffer->data + buffer->size, bytes, n);
    buffer->size += n;
    return HR_OK;
}

#endif
