/* tests/io/test_generate_run.c: generating into files while memory runs out; what servers are needed for is in tests/real. */
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "faults.h"
#include "io/generate/generate.h"

static bool exists(const char *path)
{
    struct stat there;

    return stat(path, &there) == 0;
}

static char folder[] = "/tmp/headrace-generate-XXXXXX";

/* Every allocation of ours fails once: HR_ENOMEM, no result, no file; then it works. */
static void test_memory(const char *name, const char *format)
{
    char path[128], part[160], config[512];
    bool done = false;
    int n = 0;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    snprintf(part, sizeof(part), "%s.part", path);
    snprintf(config, sizeof(config),
             "{\"data\": \"products\", \"count\": 20000, \"format\": \"%s\", \"settings\": {\"seed\": 5},"
             " \"to\": {\"kind\": \"file\", \"path\": \"%s\"}}",
             format, path);
    while (!done && n < 1000) {
        char *result;
        hr_error error;
        int rc;

        n++;
        hr_fault_arm(n, n % 2 == 0);
        rc = hr_generate(config, NULL, NULL, NULL, &result, &error);
        done = !hr_fault_fired();
        hr_fault_arm(0, false);
        CHECK(done ? rc == HR_OK : rc == HR_ENOMEM && error.code == HR_ENOMEM && error.retriable, "allocation %d: %d", n, rc);
        CHECK((result != NULL) == done);
        CHECK(exists(path) == done && !exists(part), "allocation %d", n);
        free(result);
    }
    CHECK(done && n > 3, "%d", n);
    unlink(path);
}

/* A run that cannot begin leaves what was there before, and a complete one replaces it. */
static void test_replaces(void)
{
    char path[128], config[512], *result;
    struct stat there;
    hr_error error;
    FILE *file;

    snprintf(path, sizeof(path), "%s/old.jsonl", folder);
    file = fopen(path, "w");
    if (file == NULL || fputs("old\n", file) < 0 || fclose(file) != 0)
        abort();
    snprintf(config, sizeof(config), "{\"data\": \"products\", \"to\": {\"kind\": \"file\", \"path\": \"%s\"}}", path);
    CHECK(hr_generate(config, NULL, NULL, NULL, &result, &error) == HR_EUSAGE && result == NULL);
    CHECK(stat(path, &there) == 0 && there.st_size == 4);
    snprintf(config, sizeof(config), "{\"data\": \"products\", \"count\": 2, \"to\": {\"kind\": \"file\", \"path\": \"%s\"}}", path);
    CHECK(hr_generate(config, NULL, NULL, NULL, &result, &error) == HR_OK, "%s", error.message);
    CHECK(stat(path, &there) == 0 && there.st_size > 40);
    CHECK(result != NULL && strstr(result, "\"records\":2") != NULL, "%s", result);
    free(result);
    unlink(path);
    CHECK(hr_generate("[", NULL, NULL, NULL, &result, &error) == HR_EUSAGE);
    CHECK(hr_generate("[]", NULL, NULL, NULL, &result, &error) == HR_EUSAGE);
    CHECK(hr_generate("{\"data\": \"products\", \"data\": \"customers\"}", NULL, NULL, NULL, &result, &error) == HR_EUSAGE);
}

/* The same with a truth file beside the frames: whatever fails, neither is left half made. */
static void test_truth_memory(void)
{
    char path[128], truth[128], config[512];
    bool done = false;
    int n = 0;

    snprintf(path, sizeof(path), "%s/f.jsonl", folder);
    snprintf(truth, sizeof(truth), "%s/t.jsonl", folder);
    snprintf(config, sizeof(config),
             "{\"data\": \"frames\", \"count\": 200, \"settings\": {\"rate\": 1}, \"truth\": {\"path\": \"%s\", \"seconds\": 10},"
             " \"to\": {\"kind\": \"file\", \"path\": \"%s\"}}",
             truth, path);
    while (!done && n < 1000) {
        char *result;
        hr_error error;
        int rc;

        n++;
        unlink(truth);
        hr_fault_arm(n, n % 2 == 0);
        rc = hr_generate(config, NULL, NULL, NULL, &result, &error);
        done = !hr_fault_fired();
        hr_fault_arm(0, false);
        CHECK(done ? rc == HR_OK : rc == HR_ENOMEM && error.code == HR_ENOMEM, "allocation %d: %d", n, rc);
        CHECK(exists(path) == done, "allocation %d", n);
        CHECK(!done || strstr(result, "\"truth\":{") != NULL, "%s", result);
        free(result);
    }
    CHECK(done && exists(truth));
    unlink(path);
    unlink(truth);
}

int main(void)
{
    if (mkdtemp(folder) == NULL)
        abort();
    test_memory("p.jsonl", "json");
    test_memory("p.csv", "csv");
    test_memory("p.jsonl.gz", "json");
    test_replaces();
    test_truth_memory();
    CHECK(rmdir(folder) == 0); /* nothing is left */
    return CHECK_DONE();
}
