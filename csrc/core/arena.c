/* csrc/core/arena.c: bump allocation in chunks, and buffer growth. */
#include "arena.h"

#define HR_ARENA_ALIGN 16u
#define HR_ARENA_DEFAULT (64u * 1024u)

struct hr_arena_chunk {
    hr_arena_chunk *next;
    size_t size;
};

/* The header's size rounded up, so that the first byte handed out is aligned. */
#define HR_ARENA_HEADER ((sizeof(hr_arena_chunk) + HR_ARENA_ALIGN - 1) / HR_ARENA_ALIGN * HR_ARENA_ALIGN)

void hr_arena_init(hr_arena *arena, size_t chunk_size)
{
    memset(arena, 0, sizeof(*arena));
    arena->chunk_size = chunk_size ? chunk_size : HR_ARENA_DEFAULT;
}

/* Put a chunk of at least `size` usable bytes at the head. Returns false when memory runs out; the arena is unchanged. */
static bool hr_arena_add(hr_arena *arena, size_t size)
{
    hr_arena_chunk *chunk;

    if (size <= arena->chunk_size && arena->spare != NULL) {
        chunk = arena->spare;
        arena->spare = chunk->next;
    } else {
        size_t usable = size > arena->chunk_size ? size : arena->chunk_size;
        if (usable > SIZE_MAX - HR_ARENA_HEADER)
            return false;
        chunk = hr_malloc(HR_ARENA_HEADER + usable);
        if (chunk == NULL)
            return false;
        chunk->size = usable;
    }
    chunk->next = arena->head;
    arena->head = chunk;
    arena->size = chunk->size;
    arena->used = 0;
    return true;
}

void *hr_arena_alloc(hr_arena *arena, size_t size)
{
    void *result;

    if (size > SIZE_MAX - HR_ARENA_ALIGN)
        return NULL;
    size = (size + HR_ARENA_ALIGN - 1) / HR_ARENA_ALIGN * HR_ARENA_ALIGN;
    if (arena->size - arena->used < size && !hr_arena_add(arena, size))
        return NULL;
    if (arena->head == NULL && !hr_arena_add(arena, size)) /* size 0 in an empty arena */
        return NULL;
    result = (uint8_t *)arena->head + HR_ARENA_HEADER + arena->used;
    arena->used += size;
    return result;
}

char *hr_arena_copy(hr_arena *arena, const char *bytes, size_t n)
{
    char *copy;

    if (n == SIZE_MAX)
        return NULL;
    copy = hr_arena_alloc(arena, n + 1);
    if (copy == NULL)
        return NULL;
    if (n > 0)
        memcpy(copy, bytes, n);
    copy[n] = '\0';
    return copy;
}

void hr_arena_reset(hr_arena *arena)
{
    hr_arena_chunk *chunk = arena->head;

    while (chunk != NULL) {
        hr_arena_chunk *next = chunk->next;
        if (chunk->size == arena->chunk_size) {
            chunk->next = arena->spare;
            arena->spare = chunk;
        } else {
            hr_free(chunk);
        }
        chunk = next;
    }
    arena->head = NULL;
    arena->used = arena->size = 0;
}

static void hr_arena_free_list(hr_arena_chunk *chunk)
{
    while (chunk != NULL) {
        hr_arena_chunk *next = chunk->next;
        hr_free(chunk);
        chunk = next;
    }
}

void hr_arena_free(hr_arena *arena)
{
    hr_arena_free_list(arena->head);
    hr_arena_free_list(arena->spare);
    hr_arena_init(arena, arena->chunk_size);
}

int hr_buffer_grow(hr_buffer *buffer, size_t more, hr_error *error)
{
    size_t capacity = buffer->capacity ? buffer->capacity : 256;
    uint8_t *data;

    if (more > SIZE_MAX / 2 - buffer->size)
        return hr_error_nomem(error);
    while (capacity - buffer->size < more)
        capacity *= 2;
    data = hr_realloc(buffer->data, capacity);
    if (data == NULL)
        return hr_error_nomem(error);
    buffer->data = data;
    buffer->capacity = capacity;
    return HR_OK;
}

void hr_buffer_free(hr_buffer *buffer)
{
    hr_free(buffer->data);
    buffer->data = NULL;
    buffer->size = buffer->capacity = 0;
}
