/* bench/c/write_frames.c: frames of a web site's visitors on standard output, made by the generator of csrc/core; or what is true of them.
 *
 * write_frames frames|truth COUNT NAME=NUMBER...   lines of JSON; or {"minute": users, ...} with minutes in seconds since 1970
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/generate/generate_frames.h"

#define FLUSH_BYTES (1 << 20)

static int fail(const hr_error *error)
{
    fprintf(stderr, "write_frames: %s\n", error->message);
    return 1;
}

static int write_frames(hr_generator *generator, long long count)
{
    hr_generated about;
    hr_buffer out = {0};
    hr_error error;

    for (long long i = 0; i < count; i++) {
        if (hr_generator_record(generator, i, &out, &about, &error) != HR_OK || hr_buffer_append(&out, "\n", 1, &error) != HR_OK)
            return fail(&error);
        if (out.size >= FLUSH_BYTES || i + 1 == count) {
            if (fwrite(out.data, 1, out.size, stdout) != out.size) {
                perror("write_frames");
                return 1;
            }
            out.size = 0;
        }
    }
    hr_buffer_free(&out);
    return 0;
}

static int write_truth(const hr_generator *generator, long long count)
{
    hr_frame_window *windows;
    int64_t found;
    hr_error error;

    if (hr_frames_truth(generator->settings, 0, count, 60, &windows, &found, &error) != HR_OK)
        return fail(&error);
    for (int64_t i = 0; i < found; i++)
        printf("%s\"%lld\": %lld", i == 0 ? "{" : ", ", (long long)windows[i].start, (long long)windows[i].users);
    printf("}\n");
    hr_free(windows);
    return 0;
}

int main(int argc, char **argv)
{
    hr_generator generator;
    hr_error error;
    long long count;
    int rc;

    if (argc < 3) {
        fprintf(stderr, "usage: write_frames frames|truth COUNT NAME=NUMBER...\n");
        return 2;
    }
    count = strtoll(argv[2], NULL, 10);
    if (hr_generator_init(&generator, "frames", HR_GENERATE_JSON, &error) != HR_OK)
        return fail(&error);
    for (int i = 3; i < argc; i++) {
        char *equals = strchr(argv[i], '=');

        if (equals == NULL) {
            fprintf(stderr, "write_frames: %s is not NAME=NUMBER\n", argv[i]);
            return 2;
        }
        *equals = '\0';
        if (hr_generator_set(&generator, argv[i], strtoll(equals + 1, NULL, 10), &error) != HR_OK)
            return fail(&error);
    }
    if (hr_generator_check(&generator, &error) != HR_OK)
        return fail(&error);
    rc = strcmp(argv[1], "truth") == 0 ? write_truth(&generator, count) : write_frames(&generator, count);
    return rc != 0 || fflush(stdout) != 0 ? 1 : 0;
}
