/* bench/c/window_memory.c: what exact counting takes: minutes of so many users each, all different, all open.
 *
 * window_memory USERS MINUTES   {"seconds": ..., "records": ..., "bytes": ...}: by the process's own pages, for each user and window
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "core/window/window.h"

#define ROWS 8192

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Bytes of memory that the process has. */
static long long resident(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    long long size = 0, pages = 0;

    if (file != NULL) {
        if (fscanf(file, "%lld %lld", &size, &pages) != 2)
            pages = 0;
        fclose(file);
    }
    return pages * (long long)sysconf(_SC_PAGESIZE);
}

static hr_schema *rows_schema(hr_error *error)
{
    static const char *const columns[][2] = {{"ts", "timestamptz"}, {"uid", "bigint"}};
    hr_schema *schema;

    if (hr_schema_new(&schema, error) != HR_OK)
        return NULL;
    for (int i = 0; i < 2; i++) {
        hr_type type;

        if (hr_type_from_name(columns[i][1], &schema->arena, &type, error) != HR_OK ||
            hr_schema_add(schema, columns[i][0], &type, true, false, NULL, error) != HR_OK)
            return NULL;
    }
    return schema;
}

int main(int argc, char **argv)
{
    hr_window_spec spec = {.name = "minute", .kind = HR_WINDOW_TUMBLING, .unit = HR_WINDOW_MINUTE, .size = 1};
    hr_window_aggregate aggregate = {"users", "distinct", 1, 0};
    hr_window_options options = {.specs = &spec,
                                 .spec_count = 1,
                                 .aggregates = &aggregate,
                                 .aggregate_count = 1,
                                 .lateness = HR_WINDOW_ALL,
                                 .jump = HR_WINDOW_JUMP_OFF};
    long long users, minutes, before;
    hr_windows *windows;
    hr_window_stats stats;
    hr_schema *schema;
    hr_batch *rows;
    hr_error error;
    double start;

    if (argc != 3) {
        fprintf(stderr, "usage: window_memory USERS MINUTES\n");
        return 2;
    }
    users = strtoll(argv[1], NULL, 10);
    minutes = strtoll(argv[2], NULL, 10);
    schema = rows_schema(&error);
    if (schema == NULL || hr_batch_new(schema, &rows, &error) != HR_OK || hr_windows_new(schema, &options, &windows, &error) != HR_OK) {
        fprintf(stderr, "window_memory: %s\n", error.message);
        return 1;
    }
    before = resident();
    start = now();
    for (long long i = 0; i < users * minutes; i++) {
        int64_t uid = (int64_t)((uint64_t)(i / minutes) * UINT64_C(0x9e3779b97f4a7c15)); /* all different, in no order */
        int64_t done;

        if (hr_column_append_int64(&rows->columns[0], i % minutes * 60 * 1000000, &error) != HR_OK ||
            hr_column_append_int64(&rows->columns[1], uid, &error) != HR_OK)
            return 1;
        if (++rows->length < ROWS && i + 1 < users * minutes)
            continue;
        if (hr_windows_add(windows, 0, rows, 0, rows->length, NULL, &done, &error) != HR_OK) {
            fprintf(stderr, "window_memory: %s\n", error.message);
            return 1;
        }
        hr_batch_clear(rows);
    }
    hr_windows_stats(windows, &stats);
    printf("{\"seconds\": %.6f, \"records\": %lld, \"bytes\": %.2f, \"told\": %.2f}\n", now() - start, users * minutes,
           (double)(resident() - before) / (double)(users * minutes), (double)stats.memory / (double)(users * minutes));
    hr_windows_free(windows);
    hr_batch_free(rows);
    hr_schema_release(schema);
    return stats.open_windows == minutes ? 0 : 1;
}
