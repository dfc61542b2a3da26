/* csrc/core/hash/sha256.c: SHA-256 of many messages, one after the other, and which kernel to take.
 *
 * The kernels are our own, and not libcrypto's: its quick calls are deprecated, and its lasting interface (EVP) takes longer to set up than
 * a key of twenty bytes takes to hash.
 */
#include "sha256.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(HR_SHA256_ARMV8) && defined(__linux__)
#include <sys/auxv.h>
#ifndef HWCAP_SHA2
#define HWCAP_SHA2 (1 << 6)
#endif
#endif

/* The fractions of the square roots of the first 8 primes. */
static const uint32_t hr_sha256_start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

static void hr_sha256_write(const uint32_t state[8], uint8_t *out)
{
    for (int i = 0; i < HR_SHA256_SIZE; i++)
        out[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
}

typedef struct hr_sha256_kernel {
    hr_sha256_blocks blocks;
} hr_sha256_kernel;

static void hr_sha256_run(const hr_digest *digest, const uint8_t *base, const hr_message *messages, size_t n, uint8_t *out)
{
    const hr_sha256_kernel *kernel = digest->kernel;

    for (size_t i = 0; i < n; i++) {
        uint32_t state[8];

        memcpy(state, hr_sha256_start, sizeof(state));
        kernel->blocks(state, base + messages[i].start, messages[i].blocks);
        hr_sha256_write(state, out + (size_t)messages[i].index * HR_SHA256_SIZE);
    }
}

static void hr_sha256_singles(const hr_digest *digest, const uint8_t *base, size_t stride, size_t n, uint8_t *out)
{
    for (size_t i = 0; i < n; i++) {
        const hr_message message = {i * stride, (uint32_t)i, 1};

        hr_sha256_run(digest, base, &message, 1, out);
    }
}

void hr_sha256(const void *data, size_t n, uint8_t out[HR_SHA256_SIZE])
{
    const uint8_t *bytes = data;
    size_t whole = n / HR_DIGEST_BLOCK, rest = n % HR_DIGEST_BLOCK;
    uint8_t last[3 * HR_DIGEST_BLOCK];
    uint32_t state[8];

    memcpy(state, hr_sha256_start, sizeof(state));
    if (whole > 0)
        hr_sha256_scalar_blocks(state, bytes, whole);
    if (rest > 0)
        memcpy(last, bytes + whole * HR_DIGEST_BLOCK, rest);
    hr_message_pad(last, rest, hr_message_blocks(rest), HR_SHA256);
    hr_message_length(last + hr_message_blocks(rest) * HR_DIGEST_BLOCK - 8, n, HR_SHA256); /* that of the whole message */
    hr_sha256_scalar_blocks(state, last, hr_message_blocks(rest));
    hr_sha256_write(state, out);
}

static bool hr_sha256_always(void)
{
    return true;
}

static const hr_sha256_kernel hr_sha256_scalar_kernel = {hr_sha256_scalar_blocks};
static const hr_digest hr_sha256_by_scalar = {"scalar",         HR_SHA256,     HR_SHA256_SIZE,    1,
                                              hr_sha256_always, hr_sha256_run, hr_sha256_singles, &hr_sha256_scalar_kernel};
#if defined(__x86_64__)
/* Not every compiler that we build with knows __builtin_cpu_supports("sha"): leaf 7 says it, in bit 29 of EBX. */
static bool hr_sha256_has_ni(void)
{
    unsigned a, b, c, d;

    return __builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("ssse3") && __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 &&
           (b >> 29 & 1) != 0;
}

static const hr_sha256_kernel hr_sha256_ni_kernel = {hr_sha256_ni_blocks};
static const hr_digest hr_sha256_by_ni = {"sha-ni",         HR_SHA256,     HR_SHA256_SIZE,    1,
                                          hr_sha256_has_ni, hr_sha256_run, hr_sha256_singles, &hr_sha256_ni_kernel};
#elif defined(HR_SHA256_ARMV8)
static bool hr_sha256_has_armv8(void)
{
#if defined(__linux__)
    return (getauxval(AT_HWCAP) & HWCAP_SHA2) != 0;
#else
    return false;
#endif
}

static const hr_sha256_kernel hr_sha256_armv8_kernel = {hr_sha256_armv8_blocks};
static const hr_digest hr_sha256_by_armv8 = {"armv8",       HR_SHA256,         HR_SHA256_SIZE,         1, hr_sha256_has_armv8,
                                             hr_sha256_run, hr_sha256_singles, &hr_sha256_armv8_kernel};
#endif

extern const hr_digest *const hr_sha256_all[];
const hr_digest *const hr_sha256_all[] = {
#if defined(__x86_64__)
    &hr_sha256_by_ni,
#elif defined(HR_SHA256_ARMV8)
    &hr_sha256_by_armv8,
#endif
    &hr_sha256_by_scalar, NULL};
