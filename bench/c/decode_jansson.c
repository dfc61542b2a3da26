/* bench/c/decode_jansson.c: JSON lines decoded by jansson, one thread, each document freed before the next.
 *
 * decode_jansson FILE PASSES   prints {"seconds": ..., "records": ...}; reading the file is not timed.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* The whole file in memory. NULL when it cannot be read. */
static char *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    char *data = NULL;
    long length;

    if (file == NULL)
        return NULL;
    if (fseek(file, 0, SEEK_END) == 0 && (length = ftell(file)) >= 0 && fseek(file, 0, SEEK_SET) == 0) {
        *size = (size_t)length;
        data = malloc(*size + 1);
        if (data != NULL && fread(data, 1, *size, file) != *size) {
            free(data);
            data = NULL;
        }
    }
    fclose(file);
    return data;
}

int main(int argc, char **argv)
{
    long long records = 0;
    size_t size = 0;
    char *data;
    double start;

    if (argc != 3) {
        fprintf(stderr, "usage: decode_jansson FILE PASSES\n");
        return 2;
    }
    data = read_file(argv[1], &size);
    if (data == NULL) {
        perror(argv[1]);
        return 1;
    }
    start = now();
    for (long pass = strtol(argv[2], NULL, 10); pass > 0; pass--) {
        for (const char *line = data, *end = data + size; line < end; records++) {
            const char *stop = memchr(line, '\n', (size_t)(end - line));
            size_t n = stop != NULL ? (size_t)(stop - line) : (size_t)(end - line);
            json_error_t error;
            json_t *document = json_loadb(line, n, 0, &error);

            if (document == NULL) {
                fprintf(stderr, "decode_jansson: %s\n", error.text);
                return 1;
            }
            json_decref(document);
            line += n + 1;
        }
    }
    printf("{\"seconds\": %.6f, \"records\": %lld}\n", now() - start, records);
    free(data);
    return 0;
}
