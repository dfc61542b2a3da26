/* bench/c/hash_openssl.c: MD5 of many short keys, one core: OpenSSL's MD5() once a key, our scalar kernel, our kernels with batches of one.
 *
 *   hash_openssl openssl|scalar|single KEYS PASSES     prints {"seconds", "records"}
 *
 * Our ways copy every key to where it is padded, and that is timed.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/md5.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/hash/digest.h"

#define KEY 24
#define CHUNK 512

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void by_openssl(const uint8_t *keys, size_t count, uint8_t *out)
{
    for (size_t i = 0; i < count; i++)
        MD5(keys + i * KEY, KEY, out + i * HR_MD5_SIZE);
}

/* `size` keys a call of the kernel. */
static void by_kernel(const hr_digest *digest, size_t size, const uint8_t *keys, size_t count, uint8_t *out)
{
    static uint8_t bytes[(CHUNK + 1) * HR_DIGEST_BLOCK];
    static hr_message messages[CHUNK];

    for (size_t from = 0; from < count; from += size) {
        size_t n = count - from < size ? count - from : size;

        for (size_t i = 0; i < n; i++) {
            memcpy(bytes + i * HR_DIGEST_BLOCK, keys + (from + i) * KEY, KEY);
            hr_message_pad(bytes + i * HR_DIGEST_BLOCK, KEY, 1, HR_MD5);
            messages[i] = (hr_message){i * HR_DIGEST_BLOCK, (uint32_t)i, 1};
        }
        digest->run(digest, bytes, messages, n, out + from * HR_MD5_SIZE);
    }
}

int main(int argc, char **argv)
{
    size_t count = argc == 4 ? strtoul(argv[2], NULL, 10) : 0, passes = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
    uint8_t *keys = malloc(count * KEY + 1), *out = malloc(count * HR_MD5_SIZE + 1), *want = malloc(count * HR_MD5_SIZE + 1);
    double start, seconds;

    if (count == 0 || passes == 0 || keys == NULL || out == NULL || want == NULL) {
        fprintf(stderr, "usage: hash_openssl openssl|scalar|single KEYS PASSES\n");
        return 2;
    }
    for (size_t i = 0; i < count * KEY; i++)
        keys[i] = (uint8_t)('a' + (i * 2654435761u >> 16) % 26);
    by_openssl(keys, count, want);
    start = seconds_now();
    for (size_t pass = 0; pass < passes; pass++) {
        if (strcmp(argv[1], "openssl") == 0)
            by_openssl(keys, count, out);
        else if (strcmp(argv[1], "scalar") == 0)
            by_kernel(hr_digest_named(HR_MD5, "scalar"), CHUNK, keys, count, out);
        else
            by_kernel(hr_digest_best(HR_MD5), 1, keys, count, out);
    }
    seconds = seconds_now() - start;
    if (memcmp(out, want, count * HR_MD5_SIZE) != 0) {
        fprintf(stderr, "hash_openssl: the digests differ\n");
        return 1;
    }
    printf("{\"seconds\": %.6f, \"records\": %zu}\n", seconds, count * passes);
    return 0;
}
