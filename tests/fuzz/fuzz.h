/* tests/fuzz/fuzz.h: what the targets share. A target is one fuzz_*.c with LLVMFuzzerTestOneInput; whatever does not hold ends it. */
#ifndef HR_TESTS_FUZZ_H
#define HR_TESTS_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/batch.h"
#include "core/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_REQUIRE(condition)                                                                                                            \
    do {                                                                                                                                   \
        if (!(condition)) {                                                                                                                \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);                                                  \
            abort();                                                                                                                       \
        }                                                                                                                                  \
    } while (0)

/* The same, with words (a printf format and its values) for whoever has to find out why. */
#define FUZZ_AGREE(condition, ...)                                                                                                         \
    do {                                                                                                                                   \
        if (!(condition)) {                                                                                                                \
            fprintf(stderr, "%s:%d: %s does not hold: ", __FILE__, __LINE__, #condition);                                                  \
            fprintf(stderr, __VA_ARGS__);                                                                                                  \
            fprintf(stderr, "\n");                                                                                                         \
            abort();                                                                                                                       \
        }                                                                                                                                  \
    } while (0)

/* An input read from its front. Past its end there are zeros. */
typedef struct fuzz_input {
    const uint8_t *at, *end;
} fuzz_input;

static inline size_t fuzz_left(const fuzz_input *in)
{
    return (size_t)(in->end - in->at);
}

static inline unsigned fuzz_byte(fuzz_input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

static inline uint64_t fuzz_number(fuzz_input *in, int bytes)
{
    uint64_t value = 0;

    for (int i = 0; i < bytes; i++)
        value = value << 8 | fuzz_byte(in);
    return value;
}

/* The next n bytes, or what is left. */
static inline const uint8_t *fuzz_bytes(fuzz_input *in, size_t *n)
{
    const uint8_t *at = in->at;

    *n = *n < fuzz_left(in) ? *n : fuzz_left(in);
    in->at += *n;
    return at;
}

/* A copy in a block of just that size, so that a byte read too many is seen. The caller frees it. */
static inline char *fuzz_exact(const void *bytes, size_t n)
{
    char *copy = malloc(n > 0 ? n : 1);

    FUZZ_REQUIRE(copy != NULL);
    if (n > 0)
        memcpy(copy, bytes, n);
    return copy;
}

static inline bool fuzz_same(const hr_buffer *a, const hr_buffer *b)
{
    return a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

/* A small stream of numbers, for choices that the input need not spell out. */
static inline uint32_t fuzz_next(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

/* A file in memory with these bytes. *path is its name as long as the descriptor, which the caller closes, is open. */
static inline int fuzz_file(const void *bytes, size_t n, char path[64])
{
    int file = memfd_create("fuzz", MFD_CLOEXEC);

    FUZZ_REQUIRE(file >= 0);
    FUZZ_REQUIRE(n == 0 || write(file, bytes, n) == (ssize_t)n);
    snprintf(path, 64, "/proc/self/fd/%d", file);
    return file;
}

#endif
