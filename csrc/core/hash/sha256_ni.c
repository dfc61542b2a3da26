/* csrc/core/hash/sha256_ni.c: SHA-256 by the processor's own instructions, for x86-64 with SHA extensions. */
#include "sha256.h"

#if defined(__x86_64__)
#include <immintrin.h>

/* The instructions keep the state as two vectors: a, b, e, f and c, d, g, h, each with its first in the highest word. */
__attribute__((target("sha,sse4.1,ssse3"))) void hr_sha256_ni_blocks(uint32_t state[8], const uint8_t *data, size_t blocks)
{
    const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i low = _mm_loadu_si128((const __m128i *)state), high = _mm_loadu_si128((const __m128i *)(state + 4));
    __m128i abef, cdgh;

    low = _mm_shuffle_epi32(low, 0x1b); /* lowest word first: d c b a */
    high = _mm_shuffle_epi32(high, 0x1b);
    abef = _mm_unpackhi_epi64(high, low);
    cdgh = _mm_unpacklo_epi64(high, low);
    for (; blocks > 0; blocks--, data += HR_DIGEST_BLOCK) {
        const __m128i abef0 = abef, cdgh0 = cdgh;
        __m128i w[4];

        for (int i = 0; i < 4; i++)
            w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(data + 16 * i)), big_endian);
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) { /* four rounds each; w[i & 3] has their words */
            __m128i sum = _mm_add_epi32(w[i & 3], _mm_loadu_si128((const __m128i *)(hr_sha256_constants + 4 * i)));

            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
            if (i < 12) { /* the words of the rounds 16 further on */
                __m128i next = _mm_sha256msg1_epu32(w[i & 3], w[(i + 1) & 3]);

                next = _mm_add_epi32(next, _mm_alignr_epi8(w[(i + 3) & 3], w[(i + 2) & 3], 4));
                w[i & 3] = _mm_sha256msg2_epu32(next, w[(i + 3) & 3]);
            }
        }
        abef = _mm_add_epi32(abef, abef0);
        cdgh = _mm_add_epi32(cdgh, cdgh0);
    }
    low = _mm_unpackhi_epi64(cdgh, abef);  /* d c b a */
    high = _mm_unpacklo_epi64(cdgh, abef); /* h g f e */
    _mm_storeu_si128((__m128i *)state, _mm_shuffle_epi32(low, 0x1b));
    _mm_storeu_si128((__m128i *)(state + 4), _mm_shuffle_epi32(high, 0x1b));
}
#endif
