/* csrc/core/hash/md5_scalar.c: MD5 of one message: the oracle of the other kernels, and what a batch of one row uses. */
#include "md5.h"

static inline uint32_t hr_md5_load(const uint8_t *from)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint32_t word;

    memcpy(&word, from, sizeof(word));
    return word;
#else
    return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
#endif
}

/* Each function adds to `sum` what the step's function gives. The order of the operations matters: b is the value that the step before
 * has just made, so as little as possible waits for it. */
#define HR_MD5_ADD_F(sum, b, c, d) (sum) += (d) ^ ((b) & ((c) ^ (d)))
#define HR_MD5_ADD_G(sum, b, c, d) (sum) += (c) & ~(d), (sum) += (b) & (d)
#define HR_MD5_ADD_H(sum, b, c, d) (sum) += ((c) ^ (d)) ^ (b)
#define HR_MD5_ADD_I(sum, b, c, d) (sum) += (c) ^ ((b) | ~(d))

#define HR_MD5_SCALAR_STEP(function, a, b, c, d, word, rotation, constant)                                                                 \
    a += (uint32_t)(constant) + hr_md5_load(data + 4 * (word));                                                                            \
    HR_MD5_ADD_##function(a, b, c, d);                                                                                                     \
    a = ((a << (rotation)) | (a >> (32 - (rotation)))) + b;

void hr_md5_scalar_blocks(uint32_t state[4], const uint8_t *data, size_t blocks)
{
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];

    for (; blocks > 0; blocks--, data += HR_DIGEST_BLOCK) {
        uint32_t a0 = a, b0 = b, c0 = c, d0 = d;

        HR_MD5_STEPS(HR_MD5_SCALAR_STEP)
        a += a0;
        b += b0;
        c += c0;
        d += d0;
    }
    state[0] = a;
    state[1] = b;
    state[2] = c;
    state[3] = d;
}
