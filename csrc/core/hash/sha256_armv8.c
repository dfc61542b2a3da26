/* csrc/core/hash/sha256_armv8.c: SHA-256 by the processor's own instructions, for arm64 with the SHA2 extension. */
#include "sha256.h"

#ifdef HR_SHA256_ARMV8
#if defined(__clang__)
#define HR_SHA2_TARGET __attribute__((target("sha2")))
#else
#define HR_SHA2_TARGET __attribute__((target("+crypto")))
#endif
#include <arm_neon.h>

HR_SHA2_TARGET void hr_sha256_armv8_blocks(uint32_t state[8], const uint8_t *data, size_t blocks)
{
    uint32x4_t abcd = vld1q_u32(state), efgh = vld1q_u32(state + 4);

    for (; blocks > 0; blocks--, data += HR_DIGEST_BLOCK) {
        const uint32x4_t abcd0 = abcd, efgh0 = efgh;
        uint32x4_t w[4];

        for (int i = 0; i < 4; i++)
            w[i] = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(data + 16 * i)));
        for (int i = 0; i < 16; i++) { /* four rounds each; w[i & 3] has their words */
            const uint32x4_t sum = vaddq_u32(w[i & 3], vld1q_u32(hr_sha256_constants + 4 * i)), before = abcd;

            if (i < 12) /* the words of the rounds 16 further on */
                w[i & 3] = vsha256su1q_u32(vsha256su0q_u32(w[i & 3], w[(i + 1) & 3]), w[(i + 2) & 3], w[(i + 3) & 3]);
            abcd = vsha256hq_u32(abcd, efgh, sum);
            efgh = vsha256h2q_u32(efgh, before, sum);
        }
        abcd = vaddq_u32(abcd, abcd0);
        efgh = vaddq_u32(efgh, efgh0);
    }
    vst1q_u32(state, abcd);
    vst1q_u32(state + 4, efgh);
}
#endif
