/* csrc/core/hash/md5_lanes.h: MD5 in the lanes of vector registers; each instruction set's file includes it once.
 *
 * The file defines before: HR_LANE_TARGET (the attribute of its functions), HR_LANE_VECTOR (a vector of HR_LANE_COUNT uint32_t),
 * HR_LANE_ADD(x, y), HR_LANE_SET(x), HR_LANE_ROTATE(x, n), HR_LANE_F/G/H/I(b, c, d), and the functions
 *   HR_LANE_KEEP(x)                   stops the compiler from adding up in another order: the sum that does not need b must be ready first
 *   hr_lane_words(data, words)        the 16 words of one block of each lane: words[i] has word i of all lanes
 *   hr_lane_load/hr_lane_store        HR_LANE_COUNT words in memory, at any address
 *   hr_lane_digests(a, b, c, d, out)  the lanes' digests, one behind the other
 * Two sets of lanes go through the steps together: while one waits for its last addition, the other one uses the units.
 */
#ifndef HR_CORE_MD5_LANES_H
#define HR_CORE_MD5_LANES_H

#include "md5.h"

#define HR_LANE_SETS 2

#define HR_LANE_HALF(function, a, b, c, d, word, rotation, constant)                                                                       \
    do {                                                                                                                                   \
        HR_LANE_VECTOR sum_ = HR_LANE_ADD(HR_LANE_ADD(a, word), HR_LANE_SET(constant));                                                    \
                                                                                                                                           \
        HR_LANE_KEEP(sum_);                                                                                                                \
        sum_ = HR_LANE_ADD(sum_, HR_LANE_##function(b, c, d));                                                                             \
        a = HR_LANE_ADD(HR_LANE_ROTATE(sum_, rotation), b);                                                                                \
    } while (0);
#define HR_LANE_STEP(function, a, b, c, d, word, rotation, constant)                                                                       \
    HR_LANE_HALF(function, a##0, b##0, c##0, d##0, words[0][word], rotation, constant)                                                     \
    HR_LANE_HALF(function, a##1, b##1, c##1, d##1, words[1][word], rotation, constant)

/* One block of each lane. state is [4][HR_LANE_SETS]. */
HR_LANE_TARGET static inline __attribute__((always_inline)) void hr_lane_block(HR_LANE_VECTOR state[4][HR_LANE_SETS],
                                                                               HR_LANE_VECTOR words[HR_LANE_SETS][16])
{
    HR_LANE_VECTOR a0 = state[0][0], b0 = state[1][0], c0 = state[2][0], d0 = state[3][0];
    HR_LANE_VECTOR a1 = state[0][1], b1 = state[1][1], c1 = state[2][1], d1 = state[3][1];

    HR_MD5_STEPS(HR_LANE_STEP)
    state[0][0] = HR_LANE_ADD(state[0][0], a0);
    state[1][0] = HR_LANE_ADD(state[1][0], b0);
    state[2][0] = HR_LANE_ADD(state[2][0], c0);
    state[3][0] = HR_LANE_ADD(state[3][0], d0);
    state[0][1] = HR_LANE_ADD(state[0][1], a1);
    state[1][1] = HR_LANE_ADD(state[1][1], b1);
    state[2][1] = HR_LANE_ADD(state[2][1], c1);
    state[3][1] = HR_LANE_ADD(state[3][1], d1);
}

HR_LANE_TARGET static void hr_lane_blocks(uint32_t *memory, const uint8_t *const *data, size_t blocks)
{
    const uint8_t *at[HR_LANE_SETS * HR_LANE_COUNT];
    HR_LANE_VECTOR state[4][HR_LANE_SETS], words[HR_LANE_SETS][16];

    for (int i = 0; i < HR_LANE_SETS * HR_LANE_COUNT; i++)
        at[i] = data[i];
    for (int i = 0; i < 4 * HR_LANE_SETS; i++)
        state[i / HR_LANE_SETS][i % HR_LANE_SETS] = hr_lane_load(memory + i * HR_LANE_COUNT);
    for (; blocks > 0; blocks--) {
        for (int set = 0; set < HR_LANE_SETS; set++)
            hr_lane_words(at + set * HR_LANE_COUNT, words[set]);
        hr_lane_block(state, words);
        for (int i = 0; i < HR_LANE_SETS * HR_LANE_COUNT; i++)
            at[i] += HR_DIGEST_BLOCK;
    }
    for (int i = 0; i < 4 * HR_LANE_SETS; i++)
        hr_lane_store(memory + i * HR_LANE_COUNT, state[i / HR_LANE_SETS][i % HR_LANE_SETS]);
}

HR_LANE_TARGET static void hr_lane_singles(const uint8_t *data, size_t stride, uint8_t *digests)
{
    HR_LANE_VECTOR state[4][HR_LANE_SETS], words[HR_LANE_SETS][16];
    const uint8_t *at[HR_LANE_COUNT];

    for (int set = 0; set < HR_LANE_SETS; set++) {
        for (int i = 0; i < HR_LANE_COUNT; i++)
            at[i] = data + (size_t)(set * HR_LANE_COUNT + i) * stride;
        hr_lane_words(at, words[set]);
        state[0][set] = HR_LANE_SET(HR_MD5_A);
        state[1][set] = HR_LANE_SET(HR_MD5_B);
        state[2][set] = HR_LANE_SET(HR_MD5_C);
        state[3][set] = HR_LANE_SET(HR_MD5_D);
    }
    hr_lane_block(state, words);
    for (int set = 0; set < HR_LANE_SETS; set++)
        hr_lane_digests(state[0][set], state[1][set], state[2][set], state[3][set], digests + set * HR_LANE_COUNT * HR_MD5_SIZE);
}

#define HR_LANE_KERNEL                                                                                                                     \
    {                                                                                                                                      \
        HR_LANE_SETS *HR_LANE_COUNT, hr_lane_blocks, hr_lane_singles                                                                       \
    }

#endif
