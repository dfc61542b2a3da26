/* csrc/core/hash/md5.c: MD5 of many messages of any lengths by a kernel's lanes, and which kernel to take. */
#include "md5.h"

static const uint32_t hr_md5_start[4] = {HR_MD5_A, HR_MD5_B, HR_MD5_C, HR_MD5_D};

/* The four words as bytes, least significant first; `stride` words lie between those of one lane. */
static inline void hr_md5_write(const uint32_t *state, int stride, uint8_t *out)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    for (int word = 0; word < 4; word++)
        memcpy(out + 4 * word, state + word * stride, 4);
#else
    for (int i = 0; i < HR_MD5_SIZE; i++)
        out[i] = (uint8_t)(state[i / 4 * stride] >> (8 * (i % 4)));
#endif
}

static void hr_md5_one_message(const uint8_t *data, size_t blocks, uint8_t *out)
{
    uint32_t state[4];

    memcpy(state, hr_md5_start, sizeof(state));
    hr_md5_scalar_blocks(state, data, blocks);
    hr_md5_write(state, 1, out);
}

void hr_md5(const void *data, size_t n, uint8_t out[HR_MD5_SIZE])
{
    const uint8_t *bytes = data;
    size_t whole = n / HR_DIGEST_BLOCK, rest = n % HR_DIGEST_BLOCK;
    uint8_t last[3 * HR_DIGEST_BLOCK];
    uint32_t state[4];

    memcpy(state, hr_md5_start, sizeof(state));
    if (whole > 0)
        hr_md5_scalar_blocks(state, bytes, whole);
    if (rest > 0)
        memcpy(last, bytes + whole * HR_DIGEST_BLOCK, rest);
    hr_message_pad(last, rest, hr_message_blocks(rest), HR_MD5);
    hr_message_length(last + hr_message_blocks(rest) * HR_DIGEST_BLOCK - 8, n, HR_MD5); /* that of the whole message */
    hr_md5_scalar_blocks(state, last, hr_message_blocks(rest));
    hr_md5_write(state, 1, out);
}

static void hr_md5_run_scalar(const hr_digest *digest, const uint8_t *base, const hr_message *messages, size_t n, uint8_t *out)
{
    (void)digest;
    for (size_t i = 0; i < n; i++)
        hr_md5_one_message(base + messages[i].start, messages[i].blocks, out + (size_t)messages[i].index * HR_MD5_SIZE);
}

static void hr_md5_singles_scalar(const hr_digest *digest, const uint8_t *base, size_t stride, size_t n, uint8_t *out)
{
    (void)digest;
    for (size_t i = 0; i < n; i++)
        hr_md5_one_message(base + i * stride, 1, out + i * HR_MD5_SIZE);
}

#define HR_MD5_FEW 2 /* messages that are hashed sooner one by one */

/* All lanes at once as often as they are full; what is left is copied to a place where the other lanes have something to read, too. */
static void hr_md5_singles_lanes(const hr_digest *digest, const uint8_t *base, size_t stride, size_t n, uint8_t *out)
{
    const hr_md5_kernel *kernel = digest->kernel;
    const size_t lanes = (size_t)kernel->lanes;
    uint8_t blocks[HR_MD5_MAX_LANES * HR_DIGEST_BLOCK], digests[HR_MD5_MAX_LANES * HR_MD5_SIZE];

    for (; n >= lanes; n -= lanes, base += lanes * stride, out += lanes * HR_MD5_SIZE)
        kernel->singles(base, stride, out);
    if (n <= HR_MD5_FEW) {
        hr_md5_singles_scalar(digest, base, stride, n, out);
        return;
    }
    for (size_t i = 0; i < lanes; i++)
        memcpy(blocks + i * HR_DIGEST_BLOCK, base + (i < n ? i : 0) * stride, HR_DIGEST_BLOCK);
    kernel->singles(blocks, HR_DIGEST_BLOCK, digests);
    memcpy(out, digests, n * HR_MD5_SIZE);
}

/* How many messages from the first on are of one block, start `stride` bytes apart and want their digests in a row: the usual keys. */
static size_t hr_md5_count_singles(const hr_message *messages, size_t n, size_t *stride)
{
    const size_t apart = n > 1 ? messages[1].start - messages[0].start : 0;
    size_t i = 0;

    while (i < n && messages[i].blocks == 1 && messages[i].start == messages[0].start + i * apart &&
           messages[i].index == messages[0].index + i)
        i++;
    *stride = apart;
    return i;
}

/* What one lane is busy with. */
typedef struct hr_md5_lane {
    const uint8_t *at;
    uint32_t left; /* blocks; 0 = idle */
    uint32_t index;
} hr_md5_lane;

/* The lanes of one run. state is [4][lanes]. */
typedef struct hr_md5_lanes {
    const hr_md5_kernel *kernel;
    int busy;
    hr_md5_lane lane[HR_MD5_MAX_LANES];
    uint32_t state[4 * HR_MD5_MAX_LANES];
} hr_md5_lanes;

static void hr_md5_take(hr_md5_lanes *lanes, int i, const uint8_t *base, const hr_message *message)
{
    lanes->lane[i] = (hr_md5_lane){base + message->start, message->blocks, message->index};
    for (int word = 0; word < 4; word++)
        lanes->state[word * lanes->kernel->lanes + i] = hr_md5_start[word];
    lanes->busy++;
}

/* As many blocks as the shortest message has left, in all lanes. An idle lane reads what a busy one reads. */
static void hr_md5_advance(hr_md5_lanes *lanes, uint8_t *out)
{
    const int count = lanes->kernel->lanes;
    const uint8_t *data[HR_MD5_MAX_LANES], *any = NULL;
    uint32_t blocks = UINT32_MAX;

    for (int i = 0; i < count; i++)
        if (lanes->lane[i].left > 0) {
            any = lanes->lane[i].at;
            if (lanes->lane[i].left < blocks)
                blocks = lanes->lane[i].left;
        }
    for (int i = 0; i < count; i++)
        data[i] = lanes->lane[i].left > 0 ? lanes->lane[i].at : any;
    lanes->kernel->blocks(lanes->state, data, blocks);
    for (int i = 0; i < count; i++) {
        hr_md5_lane *lane = &lanes->lane[i];

        if (lane->left == 0)
            continue;
        lane->at += (size_t)blocks * HR_DIGEST_BLOCK;
        lane->left -= blocks;
        if (lane->left > 0)
            continue;
        hr_md5_write(lanes->state + i, count, out + (size_t)lane->index * HR_MD5_SIZE);
        lanes->busy--;
    }
}

/* The last busy lane alone: lanes would not be faster. */
static void hr_md5_last(hr_md5_lanes *lanes, uint8_t *out)
{
    for (int i = 0; i < lanes->kernel->lanes; i++) {
        hr_md5_lane *lane = &lanes->lane[i];
        uint32_t state[4];

        if (lane->left == 0)
            continue;
        for (int word = 0; word < 4; word++)
            state[word] = lanes->state[word * lanes->kernel->lanes + i];
        hr_md5_scalar_blocks(state, lane->at, lane->left);
        hr_md5_write(state, 1, out + (size_t)lane->index * HR_MD5_SIZE);
        lane->left = 0;
        lanes->busy--;
    }
}

#define HR_MD5_LENGTHS 64

/* Long messages first, those of equal length together (from HR_MD5_LENGTHS - 1 blocks on in any order): lanes then end together, and the
 * last ones to end are short. One pass to count, one to place; `spare` has room for n. */
static void hr_md5_sort(const hr_message *messages, size_t n, hr_message *spare)
{
    size_t start[HR_MD5_LENGTHS + 1] = {0};

    for (size_t i = 0; i < n; i++)
        start[HR_MD5_LENGTHS - (messages[i].blocks < HR_MD5_LENGTHS ? messages[i].blocks : HR_MD5_LENGTHS - 1)]++;
    for (size_t sum = 0, i = 0; i <= HR_MD5_LENGTHS; i++) {
        size_t here = start[i];

        start[i] = sum;
        sum += here;
    }
    for (size_t i = 0; i < n; i++)
        spare[start[HR_MD5_LENGTHS - (messages[i].blocks < HR_MD5_LENGTHS ? messages[i].blocks : HR_MD5_LENGTHS - 1)]++] = messages[i];
}

#define HR_MD5_SORTED 512 /* messages that are sorted at a time */

/* Messages of several lengths. */
static void hr_md5_run_mixed(const hr_md5_kernel *kernel, const uint8_t *base, const hr_message *messages, size_t n, uint8_t *out)
{
    hr_message sorted[HR_MD5_SORTED];
    hr_md5_lanes lanes;
    size_t next = 0;

    lanes.kernel = kernel;
    lanes.busy = 0;
    memset(lanes.lane, 0, sizeof(lanes.lane));
    memset(lanes.state, 0, sizeof(lanes.state));
    hr_md5_sort(messages, n, sorted);
    while (next < n || lanes.busy > 0) {
        for (int i = 0; i < kernel->lanes && next < n; i++)
            if (lanes.lane[i].left == 0)
                hr_md5_take(&lanes, i, base, &sorted[next++]);
        if (lanes.busy == 1)
            hr_md5_last(&lanes, out);
        else
            hr_md5_advance(&lanes, out);
    }
}

static void hr_md5_run_lanes(const hr_digest *digest, const uint8_t *base, const hr_message *messages, size_t n, uint8_t *out)
{
    while (n > 0) {
        size_t stride, part = hr_md5_count_singles(messages, n, &stride);

        if (part == n || part >= HR_MD5_MAX_LANES) {
            hr_md5_singles_lanes(digest, base + messages[0].start, stride, part, out + (size_t)messages[0].index * HR_MD5_SIZE);
        } else {
            part = n < HR_MD5_SORTED ? n : HR_MD5_SORTED;
            if (part <= HR_MD5_FEW)
                hr_md5_run_scalar(digest, base, messages, part, out);
            else
                hr_md5_run_mixed(digest->kernel, base, messages, part, out);
        }
        messages += part;
        n -= part;
    }
}

static bool hr_md5_always(void)
{
    return true;
}

static const hr_digest hr_md5_by_scalar = {"scalar", HR_MD5, HR_MD5_SIZE, 1, hr_md5_always, hr_md5_run_scalar, hr_md5_singles_scalar, NULL};
static const hr_digest hr_md5_by_lanes4 = {"lanes4",      HR_MD5,           HR_MD5_SIZE,          8,
                                           hr_md5_always, hr_md5_run_lanes, hr_md5_singles_lanes, &hr_md5_lanes4};
#if defined(__x86_64__)
static bool hr_md5_has_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}

static bool hr_md5_has_avx512(void)
{
    return __builtin_cpu_supports("avx512f");
}

static const hr_digest hr_md5_by_avx2 = {"avx2",          HR_MD5,           HR_MD5_SIZE,          16,
                                         hr_md5_has_avx2, hr_md5_run_lanes, hr_md5_singles_lanes, &hr_md5_avx2};
static const hr_digest hr_md5_by_avx512 = {"avx512",          HR_MD5,           HR_MD5_SIZE,          32,
                                           hr_md5_has_avx512, hr_md5_run_lanes, hr_md5_singles_lanes, &hr_md5_avx512};
#endif

extern const hr_digest *const hr_md5_all[];
const hr_digest *const hr_md5_all[] = {
#if defined(__x86_64__)
    &hr_md5_by_avx512, &hr_md5_by_avx2,
#endif
    &hr_md5_by_lanes4, &hr_md5_by_scalar, NULL};
