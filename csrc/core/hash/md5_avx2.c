/* csrc/core/hash/md5_avx2.c: MD5 in 8 lanes, for x86-64 with AVX2. */
#include "md5.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define HR_LANE_COUNT 8
#define HR_LANE_TARGET __attribute__((target("avx2")))
#define HR_LANE_VECTOR __m256i
#define HR_LANE_ADD(x, y) _mm256_add_epi32((x), (y))
#define HR_LANE_SET(x) _mm256_set1_epi32((int)(x))
#define HR_LANE_ROTATE(x, n) _mm256_or_si256(_mm256_slli_epi32((x), (n)), _mm256_srli_epi32((x), 32 - (n)))
#define HR_LANE_KEEP(x) __asm__("" : "+x"(x))
#define HR_LANE_F(b, c, d) _mm256_xor_si256((d), _mm256_and_si256((b), _mm256_xor_si256((c), (d))))
#define HR_LANE_G(b, c, d) _mm256_or_si256(_mm256_andnot_si256((d), (c)), _mm256_and_si256((b), (d)))
#define HR_LANE_H(b, c, d) _mm256_xor_si256(_mm256_xor_si256((c), (d)), (b))
#define HR_LANE_I(b, c, d) _mm256_xor_si256((c), _mm256_or_si256((b), _mm256_xor_si256((d), _mm256_set1_epi32(-1))))

HR_LANE_TARGET static inline __m256i hr_lane_load(const uint32_t *from)
{
    return _mm256_loadu_si256((const __m256i *)from);
}

HR_LANE_TARGET static inline void hr_lane_store(uint32_t *to, __m256i x)
{
    _mm256_storeu_si256((__m256i *)to, x);
}

/* 8 rows of 8 words, turned. Every load takes the same half of two blocks, so that no instruction but the last ones crosses halves. */
HR_LANE_TARGET static inline void hr_lane_turn(const uint8_t *const *data, size_t offset, __m256i words[8])
{
    __m256i x[8], y[8];

    for (int i = 0; i < 4; i++) {
        const uint8_t *low = data[i] + offset, *high = data[i + 4] + offset;

        x[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)low)),
                                       _mm_loadu_si128((const __m128i *)high), 1);
        x[i + 4] = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(low + 16))),
                                           _mm_loadu_si128((const __m128i *)(high + 16)), 1);
    }
    for (int half = 0; half < 8; half += 4) {
        y[half] = _mm256_unpacklo_epi32(x[half], x[half + 1]);
        y[half + 1] = _mm256_unpackhi_epi32(x[half], x[half + 1]);
        y[half + 2] = _mm256_unpacklo_epi32(x[half + 2], x[half + 3]);
        y[half + 3] = _mm256_unpackhi_epi32(x[half + 2], x[half + 3]);
        words[half] = _mm256_unpacklo_epi64(y[half], y[half + 2]);
        words[half + 1] = _mm256_unpackhi_epi64(y[half], y[half + 2]);
        words[half + 2] = _mm256_unpacklo_epi64(y[half + 1], y[half + 3]);
        words[half + 3] = _mm256_unpackhi_epi64(y[half + 1], y[half + 3]);
    }
}

HR_LANE_TARGET static inline void hr_lane_words(const uint8_t *const *data, __m256i words[16])
{
    hr_lane_turn(data, 0, words);
    hr_lane_turn(data, 32, words + 8);
}

HR_LANE_TARGET static inline void hr_lane_digests(__m256i a, __m256i b, __m256i c, __m256i d, uint8_t *out)
{
    __m256i ab0 = _mm256_unpacklo_epi32(a, b), ab1 = _mm256_unpackhi_epi32(a, b);
    __m256i cd0 = _mm256_unpacklo_epi32(c, d), cd1 = _mm256_unpackhi_epi32(c, d);
    const __m256i pairs[4] = {_mm256_unpacklo_epi64(ab0, cd0), _mm256_unpackhi_epi64(ab0, cd0), _mm256_unpacklo_epi64(ab1, cd1),
                              _mm256_unpackhi_epi64(ab1, cd1)};

    for (int i = 0; i < 4; i++) {
        _mm_storeu_si128((__m128i *)(out + i * HR_MD5_SIZE), _mm256_castsi256_si128(pairs[i]));
        _mm_storeu_si128((__m128i *)(out + (i + 4) * HR_MD5_SIZE), _mm256_extracti128_si256(pairs[i], 1));
    }
}

#include "md5_lanes.h"

const hr_md5_kernel hr_md5_avx2 = HR_LANE_KERNEL;
#endif
