/* csrc/core/hash/md5_avx512.c: MD5 in 16 lanes, for x86-64 with AVX-512. It has what MD5 wants: rotations, and any function of three. */
#include "md5.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define HR_LANE_COUNT 16
#define HR_LANE_TARGET __attribute__((target("avx512f")))
#define HR_LANE_VECTOR __m512i
#define HR_LANE_ADD(x, y) _mm512_add_epi32((x), (y))
#define HR_LANE_SET(x) _mm512_set1_epi32((int)(x))
#define HR_LANE_ROTATE(x, n) _mm512_rol_epi32((x), (n))
#define HR_LANE_KEEP(x) __asm__("" : "+v"(x))
/* The last number is the function's truth table: bit 4b + 2c + d. */
#define HR_LANE_F(b, c, d) _mm512_ternarylogic_epi32((b), (c), (d), 0xca)
#define HR_LANE_G(b, c, d) _mm512_ternarylogic_epi32((b), (c), (d), 0xe4)
#define HR_LANE_H(b, c, d) _mm512_ternarylogic_epi32((b), (c), (d), 0x96)
#define HR_LANE_I(b, c, d) _mm512_ternarylogic_epi32((b), (c), (d), 0x39)

HR_LANE_TARGET static inline __m512i hr_lane_load(const uint32_t *from)
{
    return _mm512_loadu_si512(from);
}

HR_LANE_TARGET static inline void hr_lane_store(uint32_t *to, __m512i x)
{
    _mm512_storeu_si512(to, x);
}

/* 16 rows of 16 words, turned: pairs of words, fours, then whole 128-bit parts. */
HR_LANE_TARGET static inline void hr_lane_words(const uint8_t *const *data, __m512i words[16])
{
    __m512i x[16], y[16];

    for (int i = 0; i < 16; i++)
        x[i] = _mm512_loadu_si512(data[i]);
    for (int i = 0; i < 16; i += 2) {
        y[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
        y[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) { /* x[i + k] has the words k, 4 + k, 8 + k, 12 + k of the lanes i..i + 3 */
        x[i] = _mm512_unpacklo_epi64(y[i], y[i + 2]);
        x[i + 1] = _mm512_unpackhi_epi64(y[i], y[i + 2]);
        x[i + 2] = _mm512_unpacklo_epi64(y[i + 1], y[i + 3]);
        x[i + 3] = _mm512_unpackhi_epi64(y[i + 1], y[i + 3]);
    }
    for (int k = 0; k < 4; k++) {
        __m512i low0 = _mm512_shuffle_i32x4(x[k], x[4 + k], 0x44), high0 = _mm512_shuffle_i32x4(x[k], x[4 + k], 0xee);
        __m512i low1 = _mm512_shuffle_i32x4(x[8 + k], x[12 + k], 0x44), high1 = _mm512_shuffle_i32x4(x[8 + k], x[12 + k], 0xee);

        words[k] = _mm512_shuffle_i32x4(low0, low1, 0x88);
        words[4 + k] = _mm512_shuffle_i32x4(low0, low1, 0xdd);
        words[8 + k] = _mm512_shuffle_i32x4(high0, high1, 0x88);
        words[12 + k] = _mm512_shuffle_i32x4(high0, high1, 0xdd);
    }
}

HR_LANE_TARGET static inline void hr_lane_digests(__m512i a, __m512i b, __m512i c, __m512i d, uint8_t *out)
{
    __m512i ab0 = _mm512_unpacklo_epi32(a, b), ab1 = _mm512_unpackhi_epi32(a, b);
    __m512i cd0 = _mm512_unpacklo_epi32(c, d), cd1 = _mm512_unpackhi_epi32(c, d);
    const __m512i lanes[4] = {_mm512_unpacklo_epi64(ab0, cd0), _mm512_unpackhi_epi64(ab0, cd0), _mm512_unpacklo_epi64(ab1, cd1),
                              _mm512_unpackhi_epi64(ab1, cd1)}; /* lanes[k] has the digests of the lanes k, 4 + k, 8 + k, 12 + k */
    __m512i low0 = _mm512_shuffle_i32x4(lanes[0], lanes[1], 0x44), high0 = _mm512_shuffle_i32x4(lanes[0], lanes[1], 0xee);
    __m512i low1 = _mm512_shuffle_i32x4(lanes[2], lanes[3], 0x44), high1 = _mm512_shuffle_i32x4(lanes[2], lanes[3], 0xee);

    _mm512_storeu_si512(out, _mm512_shuffle_i32x4(low0, low1, 0x88));
    _mm512_storeu_si512(out + 64, _mm512_shuffle_i32x4(low0, low1, 0xdd));
    _mm512_storeu_si512(out + 128, _mm512_shuffle_i32x4(high0, high1, 0x88));
    _mm512_storeu_si512(out + 192, _mm512_shuffle_i32x4(high0, high1, 0xdd));
}

#include "md5_lanes.h"

const hr_md5_kernel hr_md5_avx512 = HR_LANE_KERNEL;
#endif
