/* csrc/core/hash/digest.h: MD5 and SHA-256 of many messages at once.
 *
 * MD5 is one long chain of dependent additions: a core that hashes one message at a time waits for most of its units. So the kernels hash
 * 4, 8 or 16 messages side by side in the lanes of a vector register (and two such sets at once); a lane whose message ends takes the next
 * one. MD5 is used here as Data Vault uses it: to make keys, never to protect anything.
 *
 * A message lies padded in memory: whole 64-byte blocks, with the 0x80, the zeros and the length that the standards (RFC 1321, FIPS 180-4)
 * put behind it. hr_message_blocks and hr_message_pad do that.
 */
#ifndef HR_CORE_DIGEST_H
#define HR_CORE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HR_DIGEST_BLOCK 64
#define HR_DIGEST_MAX 32 /* bytes of the longest digest */
#define HR_MD5_SIZE 16
#define HR_SHA256_SIZE 32

typedef enum hr_digest_kind { HR_MD5 = 0, HR_SHA256 } hr_digest_kind;

typedef struct hr_message {
    size_t start;   /* of its first block, in bytes from the base */
    uint32_t index; /* its digest goes to out + index * size */
    uint32_t blocks;
} hr_message;

/* One way to compute one digest. Constant; the tables of them are in md5.c and sha256.c, fastest first, the scalar one last. */
typedef struct hr_digest {
    const char *name; /* "scalar", "avx2" ... */
    hr_digest_kind kind;
    size_t size;             /* bytes of a digest */
    int lanes;               /* messages side by side */
    bool (*supported)(void); /* by this processor */
    /* The digests of n messages, each to out + index * size. */
    void (*run)(const struct hr_digest *digest, const uint8_t *base, const hr_message *messages, size_t n, uint8_t *out);
    /* The same for n messages of one block each, which start `stride` bytes apart: their digests, one behind the other. */
    void (*singles)(const struct hr_digest *digest, const uint8_t *base, size_t stride, size_t n, uint8_t *out);
    const void *kernel; /* the family's own */
} hr_digest;

/* The fastest way that this processor has. */
const hr_digest *hr_digest_best(hr_digest_kind kind);
/* The one of this name, or NULL when there is none or the processor cannot run it. */
const hr_digest *hr_digest_named(hr_digest_kind kind, const char *name);
/* All ways compiled in, for tests and measurements; NULL behind the last. */
const hr_digest *const *hr_digest_all(hr_digest_kind kind);

/* One message as it lies, of any length, scalar. */
void hr_md5(const void *data, size_t n, uint8_t out[HR_MD5_SIZE]);
void hr_sha256(const void *data, size_t n, uint8_t out[HR_SHA256_SIZE]);

/* Blocks of a message of n bytes once it is padded. */
static inline size_t hr_message_blocks(size_t n)
{
    return (n + 8) / HR_DIGEST_BLOCK + 1;
}

/* The length of a message, as it stands in its last eight bytes. */
static inline void hr_message_length(uint8_t *to, size_t n, hr_digest_kind kind)
{
    uint64_t bits = (uint64_t)n << 3;

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (kind != HR_MD5)
        bits = __builtin_bswap64(bits);
    memcpy(to, &bits, 8);
#else
    for (int i = 0; i < 8; i++)
        to[i] = (uint8_t)(bits >> (kind == HR_MD5 ? 8 * i : 56 - 8 * i));
#endif
}

/* Pad the message of n bytes at `at`. Zeros are written up to HR_DIGEST_BLOCK bytes beyond its n bytes, which may be beyond its last
 * block: the caller has room there. */
static inline void hr_message_pad(uint8_t *at, size_t n, size_t blocks, hr_digest_kind kind)
{
    memset(at + n, 0, HR_DIGEST_BLOCK);
    at[n] = 0x80;
    hr_message_length(at + blocks * HR_DIGEST_BLOCK - 8, n, kind);
}

#endif
