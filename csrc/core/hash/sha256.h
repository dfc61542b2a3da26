/* csrc/core/hash/sha256.h: what the SHA-256 kernels share: the constants, and what a kernel is. */
#ifndef HR_CORE_SHA256_H
#define HR_CORE_SHA256_H

#include "digest.h"

/* The next `blocks` blocks of a message; state is a, b, ... h. */
typedef void (*hr_sha256_blocks)(uint32_t state[8], const uint8_t *data, size_t blocks);

extern const uint32_t hr_sha256_constants[64];

void hr_sha256_scalar_blocks(uint32_t state[8], const uint8_t *data, size_t blocks);
#if defined(__x86_64__)
void hr_sha256_ni_blocks(uint32_t state[8], const uint8_t *data, size_t blocks);
#elif defined(__aarch64__) && (!defined(__clang__) || __clang_major__ >= 16)
/* Before 16, clang's arm_neon.h has these instructions only where all code may use them. */
#define HR_SHA256_ARMV8
void hr_sha256_armv8_blocks(uint32_t state[8], const uint8_t *data, size_t blocks);
#endif

#endif
