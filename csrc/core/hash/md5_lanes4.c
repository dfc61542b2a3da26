/* csrc/core/hash/md5_lanes4.c: MD5 in 4 lanes by the compilers' vector extension: SSE2 on x86-64, NEON on arm64, plain words elsewhere. */
#include "md5.h"

#define HR_LANE_COUNT 4
#define HR_LANE_TARGET
typedef uint32_t hr_lane_vector __attribute__((vector_size(16)));
#define HR_LANE_VECTOR hr_lane_vector
#define HR_LANE_ADD(x, y) ((x) + (y))
#define HR_LANE_SET(x) ((hr_lane_vector){(x), (x), (x), (x)})
#define HR_LANE_ROTATE(x, n) ((x) << (n) | (x) >> (32 - (n)))
#if defined(__x86_64__)
#define HR_LANE_KEEP(x) __asm__("" : "+x"(x))
#elif defined(__aarch64__)
#define HR_LANE_KEEP(x) __asm__("" : "+w"(x))
#else
#define HR_LANE_KEEP(x) (void)(x)
#endif
#define HR_LANE_F(b, c, d) ((d) ^ ((b) & ((c) ^ (d))))
#define HR_LANE_G(b, c, d) ((c) ^ ((d) & ((b) ^ (c))))
#define HR_LANE_H(b, c, d) (((c) ^ (d)) ^ (b))
#define HR_LANE_I(b, c, d) ((c) ^ ((b) | ~(d)))

static inline hr_lane_vector hr_lane_load(const uint32_t *from)
{
    hr_lane_vector x;

    memcpy(&x, from, sizeof(x));
    return x;
}

static inline void hr_lane_store(uint32_t *to, hr_lane_vector x)
{
    memcpy(to, &x, sizeof(x));
}

static inline uint32_t hr_lane_word(const uint8_t *from)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint32_t word;

    memcpy(&word, from, sizeof(word));
    return word;
#else
    return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
#endif
}

static inline void hr_lane_words(const uint8_t *const *data, hr_lane_vector words[16])
{
    for (int i = 0; i < 16; i++)
        words[i] = (hr_lane_vector){hr_lane_word(data[0] + 4 * i), hr_lane_word(data[1] + 4 * i), hr_lane_word(data[2] + 4 * i),
                                    hr_lane_word(data[3] + 4 * i)};
}

static inline void hr_lane_digests(hr_lane_vector a, hr_lane_vector b, hr_lane_vector c, hr_lane_vector d, uint8_t *out)
{
    for (int lane = 0; lane < HR_LANE_COUNT; lane++) {
        const uint32_t words[4] = {a[lane], b[lane], c[lane], d[lane]};

        for (int i = 0; i < HR_MD5_SIZE; i++)
            out[lane * HR_MD5_SIZE + i] = (uint8_t)(words[i / 4] >> (8 * (i % 4)));
    }
}

#include "md5_lanes.h"

const hr_md5_kernel hr_md5_lanes4 = HR_LANE_KERNEL;
