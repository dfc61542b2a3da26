/* tests/io/test_source_file.c: the source of files: what it refuses, headers for those who start in the middle, failing memory. */
#include <stdio.h>
#include <unistd.h>

#include "check.h"
#include "faults.h"
#include "io/source/file.h"
#include "io/source/source.h"

static char folder[] = "/tmp/headrace-source-XXXXXX";
static char path[64];

static void write_file(const char *bytes, size_t n)
{
    FILE *file = fopen(path, "wb");

    if (file == NULL || fwrite(bytes, 1, n, file) != n || fclose(file) != 0)
        abort();
}

static json_t *settings(const char *format)
{
    return json_pack("{s:[s], s:s, s:b}", "paths", path, "format", format, "identity", 1);
}

static void test_settings(const char *kind, const char *text, const char *message)
{
    const hr_source_ops *ops = hr_source_find(kind);
    json_t *config = json_loads(text, 0, NULL);
    hr_lanes lanes;
    hr_error error;

    CHECK(ops->plan(config, 4, NULL, &lanes, &error) == HR_EUSAGE && strstr(error.message, message) != NULL, "%s: %s", text, error.message);
    CHECK(lanes.lanes == NULL && lanes.count == 0);
    json_decref(config);
}

/* All records from byte `next` on, as "header>record|" each, in `out`; the first code that is not HR_OK. */
static int read_all(const char *format, int64_t next, char *out, size_t room, hr_error *error)
{
    const hr_source_ops *ops = hr_source_find("file");
    json_t *config = settings(format);
    hr_source *source = NULL;
    hr_lanes lanes;
    int rc = ops->plan(config, 1, NULL, &lanes, error);

    out[0] = '\0';
    if (rc == HR_OK) {
        lanes.lanes[0].next = next;
        rc = ops->open(config, lanes.lanes, lanes.count, NULL, &source, error);
        CHECK((rc == HR_OK) == (source != NULL));
    }
    for (bool finished = false; rc == HR_OK && !finished;) {
        hr_chunk chunk;

        rc = ops->fetch(source, 1000, 2, &chunk, error);
        for (int64_t i = 0; rc == HR_OK && i < chunk.count; i++)
            snprintf(out + strlen(out), room - strlen(out), "%s>%.*s|", chunk.records[i].header != NULL ? chunk.records[i].header : "-",
                     (int)chunk.records[i].len, chunk.records[i].data);
        finished = chunk.finished;
        ops->release(source, &chunk); /* of a failed fetch there is nothing to release */
    }
    if (source != NULL)
        ops->close(source);
    hr_lanes_free(&lanes);
    json_decref(config);
    return rc;
}

/* However a run starts, at the file's beginning or in its middle, its records have the same header. */
static void test_headers(const char *before, const char *header)
{
    char text[256], got[256], want[256];
    hr_error error;

    snprintf(text, sizeof(text), "%s%s\n1,2\n3,4\n", before, header);
    write_file(text, strlen(text));
    snprintf(want, sizeof(want), "%s>1,2|%s>3,4|", header, header);
    CHECK(read_all("csv", 0, got, sizeof(got), &error) == HR_OK, "%s", error.message);
    CHECK(strcmp(got, want) == 0, "got %s want %s", got, want);
    CHECK(read_all("csv", (int64_t)strlen(text) - 4, got, sizeof(got), &error) == HR_OK, "%s", error.message);
    snprintf(want, sizeof(want), "%s>3,4|", header);
    CHECK(strcmp(got, want) == 0, "got %s want %s", got, want);
    CHECK(read_all("csv", (int64_t)strlen(text), got, sizeof(got), &error) == HR_OK && got[0] == '\0', "%s", got);
}

static void test_odd_files(void)
{
    char got[256];
    hr_error error;

    write_file("a,\0b\n1,2\n3,4\n", 13);
    for (int64_t next = 0; next <= 9; next += 9)
        CHECK(read_all("csv", next, got, sizeof(got), &error) == HR_EUSAGE && strstr(error.message, "NUL") != NULL, "%s", got);
    write_file("\n\n\n\n\n", 5);
    CHECK(read_all("csv", 0, got, sizeof(got), &error) == HR_OK && got[0] == '\0', "%s", got);
    write_file("", 0);
    CHECK(read_all("csv", 0, got, sizeof(got), &error) == HR_OK && got[0] == '\0', "%s", got);
    write_file("{\"a\":1}\n", 8);
    CHECK(read_all("json", 0, got, sizeof(got), &error) == HR_OK && strcmp(got, "->{\"a\":1}|") == 0, "%s", got);
    unlink(path);
    CHECK(read_all("json", 0, got, sizeof(got), &error) == HR_EIO && error.fatal, "%s", error.message);
}

/* Every allocation fails once, at the beginning of the file and in its middle. */
static void test_memory(int64_t next)
{
    char got[256];
    bool done = false;
    long n = 0;

    write_file("a,b\n1,2\n3,4\n", 12);
    while (!done && n < 1000) {
        hr_error error;
        int rc;

        n++;
        hr_fault_arm(n, n % 2 == 0);
        rc = read_all("csv", next, got, sizeof(got), &error);
        done = !hr_fault_fired();
        hr_fault_arm(0, false);
        CHECK(done ? rc == HR_OK : rc == HR_ENOMEM && error.code == HR_ENOMEM, "allocation %ld: %d %s", n, rc, error.message);
    }
    CHECK(done && n > 5 && strstr(got, "a,b>3,4|") != NULL, "%ld %s", n, got);
    unlink(path);
}

int main(void)
{
    if (mkdtemp(folder) == NULL)
        abort();
    snprintf(path, sizeof(path), "%s/f", folder);
    test_settings("file", "{\"format\": \"csv\"}", "\"paths\" must be a list of files");
    test_settings("file", "{\"format\": \"csv\", \"paths\": []}", "\"paths\" must be a list of files");
    test_settings("file", "{\"format\": \"csv\", \"paths\": [3]}", "\"paths\" must be a list of files");
    test_settings("file", "{\"format\": \"avro\", \"paths\": [\"f\"]}", "does not come in files");
    test_settings("dead_letters", "{\"dsn\": \"\"}", "\"dsn\" and \"from_job\" must be given");
    test_settings("dead_letters", "{\"from_job\": \"j\"}", "\"dsn\" and \"from_job\" must be given");
    test_settings("postgres", "{\"table\": \"t\"}", "\"dsn\" is missing");
    test_settings("postgres", "{\"dsn\": \"\"}", "give either");
    test_settings("postgres", "{\"dsn\": \"\", \"table\": \"t\", \"query\": \"q\"}", "give either");
    test_headers("", "a,b");
    test_headers("\n\r\n", "a,b");
    test_headers("\xef\xbb\xbf", "a,b");
    test_headers("\xef\xbb\xbf\n", "a,b");
    test_headers("", "\"a\nx\",b");
    test_headers("\xef\xbb\xbf", "\"a\nx\",b");
    test_odd_files();
    test_memory(0);
    test_memory(8);
    CHECK(rmdir(folder) == 0);
    return CHECK_DONE();
}
