/* csrc/core/hash/sha256_scalar.c: SHA-256 of one message on any processor (FIPS 180-4, 6.2): the oracle of the other kernels. */
#include "sha256.h"

/* The fractions of the cube roots of the first 64 primes. */
const uint32_t hr_sha256_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

#define HR_ROTATE(x, n) ((x) >> (n) | (x) << (32 - (n)))

static inline uint32_t hr_sha256_load(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

/* One round; the eight names turn instead of the eight values. */
#define HR_SHA256_ROUND(a, b, c, d, e, f, g, h, i)                                                                                         \
    do {                                                                                                                                   \
        uint32_t t_ =                                                                                                                      \
            h + (HR_ROTATE(e, 6) ^ HR_ROTATE(e, 11) ^ HR_ROTATE(e, 25)) + (g ^ (e & (f ^ g))) + hr_sha256_constants[i] + w[(i)&15];        \
                                                                                                                                           \
        d += t_;                                                                                                                           \
        h = t_ + (HR_ROTATE(a, 2) ^ HR_ROTATE(a, 13) ^ HR_ROTATE(a, 22)) + ((a & b) | (c & (a | b)));                                      \
    } while (0)

/* The words of the next 16 rounds in the place of the last ones. */
static inline void hr_sha256_schedule(uint32_t w[16])
{
    for (int i = 0; i < 16; i++) {
        uint32_t x = w[(i + 1) & 15], y = w[(i + 14) & 15];

        w[i] += (HR_ROTATE(x, 7) ^ HR_ROTATE(x, 18) ^ x >> 3) + w[(i + 9) & 15] + (HR_ROTATE(y, 17) ^ HR_ROTATE(y, 19) ^ y >> 10);
    }
}

void hr_sha256_scalar_blocks(uint32_t state[8], const uint8_t *data, size_t blocks)
{
    for (; blocks > 0; blocks--, data += HR_DIGEST_BLOCK) {
        uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
        uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
        uint32_t w[16];

        for (int i = 0; i < 16; i++)
            w[i] = hr_sha256_load(data + 4 * i);
        for (int i = 0; i < 64; i += 8) {
            if (i > 0 && (i & 15) == 0)
                hr_sha256_schedule(w);
            HR_SHA256_ROUND(a, b, c, d, e, f, g, h, i);
            HR_SHA256_ROUND(h, a, b, c, d, e, f, g, i + 1);
            HR_SHA256_ROUND(g, h, a, b, c, d, e, f, i + 2);
            HR_SHA256_ROUND(f, g, h, a, b, c, d, e, i + 3);
            HR_SHA256_ROUND(e, f, g, h, a, b, c, d, i + 4);
            HR_SHA256_ROUND(d, e, f, g, h, a, b, c, i + 5);
            HR_SHA256_ROUND(c, d, e, f, g, h, a, b, i + 6);
            HR_SHA256_ROUND(b, c, d, e, f, g, h, a, i + 7);
        }
        state[0] += a;
        state[1] += b;
        state[2] += c;
        state[3] += d;
        state[4] += e;
        state[5] += f;
        state[6] += g;
        state[7] += h;
    }
}
