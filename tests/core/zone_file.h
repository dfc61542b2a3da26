/* tests/core/zone_file.h: TZif files made by the tests, so that they need no time zone package. */
#ifndef HR_TESTS_ZONE_FILE_H
#define HR_TESTS_ZONE_FILE_H

#include <stdint.h>
#include <unistd.h>

#include "check.h"

/* A zone: its offset before the first transition, then the transitions (seconds since 1970, offset from then on), then the footer. */
typedef struct zone_change {
    int64_t at;
    int32_t offset;
} zone_change;

typedef struct zone_bytes {
    uint8_t data[4096];
    size_t n;
} zone_bytes;

static inline void zone_put(zone_bytes *out, uint64_t value, int width)
{
    for (int i = width - 1; i >= 0; i--)
        out->data[out->n++] = (uint8_t)(value >> (8 * i));
}

/* One header and data block with times of `width` bytes. Every transition has a type of its own, after that of the time before. */
static inline void zone_put_block(zone_bytes *out, char version, int width, int32_t first, const zone_change *changes, size_t count)
{
    const uint32_t counts[6] = {0, 0, 0, (uint32_t)count, (uint32_t)count + 1, 4};

    memcpy(out->data + out->n, "TZif", 4);
    out->n += 4;
    zone_put(out, (uint8_t)version, 1);
    for (int i = 0; i < 15; i++)
        zone_put(out, 0, 1);
    for (int i = 0; i < 6; i++)
        zone_put(out, counts[i], 4);
    for (size_t i = 0; i < count; i++)
        zone_put(out, (uint64_t)changes[i].at, width);
    for (size_t i = 0; i < count; i++)
        zone_put(out, i + 1, 1);
    for (size_t i = 0; i < count + 1; i++) {
        zone_put(out, (uint32_t)(i == 0 ? first : changes[i - 1].offset), 4);
        zone_put(out, 0, 2);
    }
    memcpy(out->data + out->n, "ZZZ", 4);
    out->n += 4;
}

/* A whole file of version '1' (times in 32 bits, no footer) or newer. */
static inline void zone_make(zone_bytes *out, char version, int32_t first, const zone_change *changes, size_t count, const char *footer)
{
    out->n = 0;
    if (version == '1') {
        zone_put_block(out, '\0', 4, first, changes, count);
        return;
    }
    zone_put_block(out, version, 4, 0, NULL, 0);
    zone_put_block(out, version, 8, first, changes, count);
    out->n += (size_t)snprintf((char *)out->data + out->n, sizeof(out->data) - out->n, "\n%s\n", footer);
}

/* Write the bytes to folder/name. */
static inline void zone_write(const char *folder, const char *name, const uint8_t *data, size_t n)
{
    char path[512];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "wb");
    if (file == NULL || fwrite(data, 1, n, file) != n || fclose(file) != 0) {
        fprintf(stderr, "cannot write %s\n", path);
        exit(2);
    }
}

/* A zone that is a footer and nothing else. */
static inline void zone_write_rule(const char *folder, const char *name, int32_t standard, const char *footer)
{
    zone_bytes bytes;

    zone_make(&bytes, '2', standard, NULL, 0, footer);
    zone_write(folder, name, bytes.data, bytes.n);
}

/* A new empty folder in the system's temporary one; zone_remove takes it away with the files named. */
static inline void zone_folder(char folder[64])
{
    snprintf(folder, 64, "/tmp/headrace-zones-XXXXXX");
    if (mkdtemp(folder) == NULL) {
        fprintf(stderr, "cannot make a folder in /tmp\n");
        exit(2);
    }
}

static inline void zone_remove(const char *folder, const char *const *names)
{
    char path[512];

    for (; *names != NULL; names++) {
        snprintf(path, sizeof(path), "%s/%s", folder, *names);
        unlink(path);
    }
    rmdir(folder);
}

#endif
