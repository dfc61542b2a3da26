/* tests/core/test_hash_digest.c: MD5 and SHA-256 by every kernel that this processor has: the standards' own vectors, every width from 0 to
 * 4096 bytes, every number of messages up to twice the lanes and more, mixed widths; all equal to the scalar kernel, which is compared with
 * hashlib in tests/python/test_hash.py.
 */
#include "check.h"
#include "core/hash/digest.h"

#define WIDEST 4096

typedef struct vector {
    const char *text, *md5, *sha256;
} vector;

/* RFC 1321, A.5, and their SHA-256 (the second, third and fifth are in FIPS 180-4 and NIST's examples or follow from them). */
static const vector vectors[] = {
    {"", "d41d8cd98f00b204e9800998ecf8427e", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"a", "0cc175b9c0f1b6a831c399e269772661", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"},
    {"abc", "900150983cd24fb0d6963f7d28e17f72", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"message digest", "f96b697d7cb7938d525a2f31aaf161d0", "f7846f55cf23e14eebeab5b4e1550cad5b509e3348fbc4efa3a1413d393cb650"},
    {"abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b", "71c480df93d6ae2f1efad1447c66c9525e316218cf51fc8d9ed832f2daf18b73"},
    {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "d174ab98d277d9f5a5611c2c9f419d9f",
     "db4bfcbd4da0cd85a60c3c37d3fbd8805c77f15fc6b1fdfe614ee0a7c8fdb4c0"},
    {"12345678901234567890123456789012345678901234567890123456789012345678901234567890", "57edf4a22be3c955ac49da2e2107b67a",
     "f371bc4a311f2b009eef952dd83ca80e2b60026c8e935592d0f9c308453c813e"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "8215ef0796a20bcaaae116d3876c664a",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};
#define VECTORS (sizeof(vectors) / sizeof(vectors[0]))

static void one(hr_digest_kind kind, const void *data, size_t n, uint8_t *out)
{
    if (kind == HR_MD5)
        hr_md5(data, n, out);
    else
        hr_sha256(data, n, out);
}

static size_t size_of(hr_digest_kind kind)
{
    return kind == HR_MD5 ? HR_MD5_SIZE : HR_SHA256_SIZE;
}

static bool is_hex(const uint8_t *digest, size_t n, const char *hex)
{
    char text[2 * HR_DIGEST_MAX + 1];

    for (size_t i = 0; i < n; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    return strlen(hex) == 2 * n && strcmp(text, hex) == 0;
}

/* Messages laid out as hashers lay them out, in a block of exactly the room that padding needs: the sanitizer sees one byte too many. */
typedef struct layout {
    uint8_t *bytes;
    size_t used, room;
    hr_message *messages;
    size_t count;
} layout;

static layout layout_new(const size_t *widths, size_t count, hr_digest_kind kind, uint32_t seed)
{
    layout l = {.count = count};

    for (size_t i = 0; i < count; i++)
        l.room += hr_message_blocks(widths[i]) * HR_DIGEST_BLOCK;
    l.bytes = malloc(l.room + HR_DIGEST_BLOCK);
    l.messages = malloc((count + 1) * sizeof(*l.messages));
    if (l.bytes == NULL || l.messages == NULL)
        exit(2);
    for (size_t i = 0; i < count; i++) {
        size_t blocks = hr_message_blocks(widths[i]);

        for (size_t k = 0; k < widths[i]; k++) {
            seed = seed * 1664525u + 1013904223u;
            l.bytes[l.used + k] = (uint8_t)(seed >> 24);
        }
        hr_message_pad(l.bytes + l.used, widths[i], blocks, kind);
        l.messages[i] = (hr_message){l.used, (uint32_t)i, (uint32_t)blocks};
        l.used += blocks * HR_DIGEST_BLOCK;
    }
    return l;
}

static void layout_free(layout *l)
{
    free(l->bytes);
    free(l->messages);
}

/* All messages by this kernel and each by itself. */
static void check_layout(const hr_digest *digest, const layout *l, const size_t *widths, const char *what)
{
    uint8_t *out = malloc(l->count * digest->size + 1), want[HR_DIGEST_MAX];
    size_t wrong = 0;

    if (out == NULL)
        exit(2);
    digest->run(digest, l->bytes, l->messages, l->count, out);
    for (size_t i = 0; i < l->count; i++) {
        one(digest->kind, l->bytes + l->messages[i].start, widths[i], want);
        wrong += memcmp(out + l->messages[i].index * digest->size, want, digest->size) != 0;
    }
    CHECK(wrong == 0, "%s: %s, %zu messages of %zu... bytes: %zu wrong", digest->name, what, l->count, widths[0], wrong);
    free(out);
}

static void test_vectors(void)
{
    for (size_t i = 0; i < VECTORS; i++) {
        uint8_t out[HR_DIGEST_MAX];

        one(HR_MD5, vectors[i].text, strlen(vectors[i].text), out);
        CHECK(is_hex(out, HR_MD5_SIZE, vectors[i].md5), "md5 of \"%s\"", vectors[i].text);
        one(HR_SHA256, vectors[i].text, strlen(vectors[i].text), out);
        CHECK(is_hex(out, HR_SHA256_SIZE, vectors[i].sha256), "sha256 of \"%s\"", vectors[i].text);
    }
}

/* A million times "a": NIST's and RFC 1321's longest. */
static void test_a_million(void)
{
    uint8_t *data = malloc(1000000 + 1), out[HR_DIGEST_MAX];

    if (data == NULL)
        exit(2);
    memset(data, 'a', 1000000);
    hr_md5(data, 1000000, out);
    CHECK(is_hex(out, HR_MD5_SIZE, "7707d6ae4e027c70eea2a935c2296f21"));
    hr_sha256(data, 1000000, out);
    CHECK(is_hex(out, HR_SHA256_SIZE, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"));
    free(data);
}

/* Every width, so many side by side that all lanes are busy with that width at once. */
static void test_every_width(const hr_digest *digest)
{
    size_t widths[33];

    for (size_t width = 0; width <= WIDEST; width += width < 400 ? 1 : 67) {
        layout l;

        for (size_t i = 0; i < 33; i++)
            widths[i] = width;
        l = layout_new(widths, 33, digest->kind, (uint32_t)width);
        check_layout(digest, &l, widths, "one width");
        layout_free(&l);
    }
}

/* The widths 0..WIDEST all in one run: lanes with different numbers of blocks, and messages coming after those that ended. */
static void test_all_widths_at_once(const hr_digest *digest)
{
    size_t *widths = malloc((WIDEST + 1) * sizeof(*widths));
    layout l;

    if (widths == NULL)
        exit(2);
    for (size_t i = 0; i <= WIDEST; i++)
        widths[i] = i * 2731 % (WIDEST + 1); /* each once, in no order */
    l = layout_new(widths, WIDEST + 1, digest->kind, 5);
    check_layout(digest, &l, widths, "all widths");
    layout_free(&l);
    free(widths);
}

/* Every number of messages up to more than twice the lanes; of one block, of several, and mixed with one giant. */
static void test_every_count(const hr_digest *digest)
{
    size_t widths[80];

    for (size_t count = 0; count <= 80; count++) {
        for (int shape = 0; shape < 4; shape++) {
            layout l;

            for (size_t i = 0; i < 80; i++)
                widths[i] = shape == 0 ? 20 : shape == 1 ? 130 : shape == 2 ? i * 37 % 300 : i == 40 ? 20000 : i % 56;
            l = layout_new(widths, count, digest->kind, (uint32_t)count);
            check_layout(digest, &l, widths, "counts");
            layout_free(&l);
        }
    }
}

/* Digests go where the index says, whatever the order of the messages, and places with gaps between them. */
static void test_order_and_gaps(const hr_digest *digest)
{
    size_t widths[100];
    layout l;

    for (size_t i = 0; i < 100; i++)
        widths[i] = 100; /* two blocks; as messages of one block they have a gap */
    l = layout_new(widths, 100, digest->kind, 3);
    for (size_t i = 0; i < 100; i++) {
        widths[i] = 30;
        hr_message_pad(l.bytes + l.messages[i].start, 30, 1, digest->kind);
        l.messages[i].blocks = 1;
    }
    check_layout(digest, &l, widths, "gaps");
    for (size_t i = 0; i < 100; i++)
        l.messages[i].index = (uint32_t)(99 - i);
    check_layout(digest, &l, widths, "backwards");
    for (size_t i = 0; i < 50; i++) {
        hr_message other = l.messages[i];

        l.messages[i] = l.messages[99 - i];
        l.messages[99 - i] = other;
    }
    check_layout(digest, &l, widths, "last first");
    layout_free(&l);
}

static void test_names(void)
{
    for (int kind = HR_MD5; kind <= HR_SHA256; kind++) {
        const hr_digest *best = hr_digest_best((hr_digest_kind)kind);

        CHECK(best->supported() && best->size == size_of((hr_digest_kind)kind) && best->kind == (hr_digest_kind)kind);
        CHECK(hr_digest_named((hr_digest_kind)kind, best->name) == best);
        CHECK(hr_digest_named((hr_digest_kind)kind, "scalar") != NULL);
        CHECK(hr_digest_named((hr_digest_kind)kind, "none") == NULL);
    }
}

int main(void)
{
    test_vectors();
    test_a_million();
    test_names();
    for (int kind = HR_MD5; kind <= HR_SHA256; kind++)
        for (const hr_digest *const *at = hr_digest_all((hr_digest_kind)kind); *at != NULL; at++) {
            if (!(*at)->supported())
                continue;
            printf("kernel %s\n", (*at)->name);
            test_every_width(*at);
            test_all_widths_at_once(*at);
            test_every_count(*at);
            test_order_and_gaps(*at);
        }
    return CHECK_DONE();
}
