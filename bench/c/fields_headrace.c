/* bench/c/fields_headrace.c: uid and ts of frames into two columns, one thread; everything else is skipped, and checked.
 *
 * fields_headrace json FILE PASSES   {"seconds": ..., "records": ..., "sum": ...}: of uid and ts; reading the file is not timed
 * fields_headrace json check         the names of the damaged frames that it takes, a line each
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/decode/decode.h"
#include "damaged.h"

#define BATCH_ROWS 4096

typedef struct reader {
    hr_decoder *decoder;
    hr_batch *batch;
    hr_error error;
    long long records;
    unsigned long long sum;
} reader;

static int open_reader(reader *r)
{
    static const char *const names[] = {"uid", "ts"};
    hr_schema *schema;

    memset(r, 0, sizeof(*r));
    if (hr_schema_new(&schema, &r->error) != HR_OK)
        return 1;
    for (int i = 0; i < 2; i++) {
        hr_type type;

        if (hr_type_from_name("bigint", &schema->arena, &type, &r->error) != HR_OK ||
            hr_schema_add(schema, names[i], &type, true, false, NULL, &r->error) != HR_OK)
            return 1;
    }
    return hr_decoder_new(hr_format_find("json"), schema, NULL, &r->decoder, &r->error) != HR_OK ||
           hr_batch_new(schema, &r->batch, &r->error) != HR_OK;
}

static int read_line(reader *r, const char *line, size_t n)
{
    hr_record record = {.data = line, .len = n, .timestamp = HR_NO_TIMESTAMP, .topic = ""};

    return hr_decoder_decode(r->decoder, &record, r->batch, &r->error);
}

static void add_up(reader *r)
{
    r->records += r->batch->length;
    for (int64_t i = 0; i < r->batch->length; i++)
        r->sum += (unsigned long long)(hr_column_get_int64(&r->batch->columns[0], i) + hr_column_get_int64(&r->batch->columns[1], i));
    hr_batch_clear(r->batch);
}

/* Each twice, as a decoder may look at a frame otherwise when it knows the one before. */
static int check(reader *r)
{
    for (size_t i = 0; i < 2 * DAMAGED_COUNT; i++)
        if (read_line(r, damaged[i / 2].text, strlen(damaged[i / 2].text)) == HR_OK)
            printf("%s\n", damaged[i / 2].what);
    return 0;
}

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

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    size_t size = 0;
    double start;
    char *data;
    reader r;

    if (open_reader(&r) != 0) {
        fprintf(stderr, "fields_headrace: %s\n", r.error.message);
        return 1;
    }
    if (argc == 3 && strcmp(argv[2], "check") == 0)
        return check(&r);
    if (argc != 4) {
        fprintf(stderr, "usage: fields_headrace json FILE PASSES | json check\n");
        return 2;
    }
    data = read_file(argv[2], &size);
    if (data == NULL) {
        perror(argv[2]);
        return 1;
    }
    start = now();
    for (long pass = strtol(argv[3], NULL, 10); pass > 0; pass--) {
        for (const char *line = data, *end = data + size; line < end;) {
            const char *stop = memchr(line, '\n', (size_t)(end - line));

            if (read_line(&r, line, (size_t)(stop - line)) != HR_OK) {
                fprintf(stderr, "fields_headrace: %s\n", r.error.message);
                return 1;
            }
            if (r.batch->length == BATCH_ROWS)
                add_up(&r);
            line = stop + 1;
        }
        add_up(&r);
    }
    printf("{\"seconds\": %.6f, \"records\": %lld, \"sum\": %llu}\n", now() - start, r.records, r.sum);
    hr_decoder_free(r.decoder);
    hr_batch_free(r.batch);
    free(data);
    return 0;
}
