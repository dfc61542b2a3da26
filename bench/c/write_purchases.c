/* bench/c/write_purchases.c: purchases as JSON lines or CSV (without a header) on standard output, made by the generator of csrc/core.
 *
 * write_purchases json|csv COUNT SEED WEEKS
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/generate/generate.h"

#define FLUSH_BYTES (1 << 20)

static int fail(const hr_error *error)
{
    fprintf(stderr, "write_purchases: %s\n", error->message);
    return 1;
}

int main(int argc, char **argv)
{
    hr_generator generator;
    hr_generated about;
    hr_buffer out = {0};
    hr_error error;
    long long count;

    if (argc != 5) {
        fprintf(stderr, "usage: write_purchases json|csv COUNT SEED WEEKS\n");
        return 2;
    }
    count = strtoll(argv[2], NULL, 10);
    if (hr_generator_init(&generator, "purchases", strcmp(argv[1], "csv") == 0 ? HR_GENERATE_CSV : HR_GENERATE_JSON, &error) != HR_OK ||
        hr_generator_set(&generator, "seed", strtoll(argv[3], NULL, 10), &error) != HR_OK ||
        hr_generator_set(&generator, "weeks", strtoll(argv[4], NULL, 10), &error) != HR_OK ||
        hr_generator_check(&generator, &error) != HR_OK)
        return fail(&error);
    for (long long i = 0; i < count; i++) {
        if (hr_generator_record(&generator, i, &out, &about, &error) != HR_OK || hr_buffer_append(&out, "\n", 1, &error) != HR_OK)
            return fail(&error);
        if (out.size >= FLUSH_BYTES || i + 1 == count) {
            if (fwrite(out.data, 1, out.size, stdout) != out.size) {
                perror("write_purchases");
                return 1;
            }
            out.size = 0;
        }
    }
    hr_buffer_free(&out);
    return fflush(stdout) == 0 ? 0 : 1;
}
