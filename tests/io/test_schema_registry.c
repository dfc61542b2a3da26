/* tests/io/test_schema_registry.c: a registry that is slow, that fails, and that knows few numbers, in a thread of this process. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "io/kafka/schema_registry.h"

/* Numbers below 100 have a schema, 100 to 9999 have none, 10000 is answered when the test lets it, above all fails, but for
 * those from 20000 on, which are answered as ODD says. */
enum { MISSING = 100, HELD = 10000, FAILS, ODD = 20000, BUSY = 30000, HUGE_ANSWER, LOGIN };

static const struct {
    int status;
    const char *body, *message; /* NULL: a schema after all */
    int code;
} odd[] = {
    {200, "{\"schema\": \"\\\"int\\\"\", \"schemaType\": \"AVRO\", \"references\": []}", NULL, HR_OK},
    {200, "{\"schema\": \"{}\", \"schemaType\": \"PROTOBUF\"}", "is not Avro but PROTOBUF", HR_EDATA},
    {200, "{\"schema\": \"{}\", \"references\": [{\"name\": \"a\"}]}", "refers to other schemas", HR_EDATA},
    {200, "{\"schema\": 3}", "is its address right?", HR_EIO},
    {200, "<html>", "is its address right?", HR_EIO},
    {200, "", "is its address right?", HR_EIO},
    {418, "{}", "HTTP status 418 for schema", HR_EUSAGE},
    {401, "{}", "does not let us in", HR_EUSAGE},
};

static struct {
    int listener, port;
    atomic_int asked;
    atomic_int busy; /* so many more requests fail */
    atomic_bool held, release;
} server;

static void answer(int fd, int status, const char *body)
{
    char text[512];
    int n = snprintf(text, sizeof(text), "HTTP/1.1 %d x\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", status, strlen(body), body);

    if (write(fd, text, (size_t)n) != n)
        abort();
}

/* More than any schema has, until the other side has heard enough. */
static void answer_without_end(int fd)
{
    static const char head[] = "HTTP/1.1 200 x\r\n\r\n", blanks[65536] = {0};

    if (send(fd, head, sizeof(head) - 1, MSG_NOSIGNAL) < 0)
        abort();
    while (send(fd, blanks, sizeof(blanks), MSG_NOSIGNAL) > 0)
        ;
}

static void *serve(void *nothing)
{
    for (;;) {
        char request[2048];
        int fd = accept(server.listener, NULL, NULL), id = 0;
        ssize_t n;

        if (fd < 0)
            return nothing;
        n = read(fd, request, sizeof(request) - 1);
        request[n > 0 ? n : 0] = '\0';
        if (sscanf(request, "GET /schemas/ids/%d ", &id) == 1) {
            atomic_fetch_add(&server.asked, 1);
            if (id == HELD) {
                atomic_store(&server.held, true);
                while (!atomic_load(&server.release))
                    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
            }
            if (id == BUSY && atomic_load(&server.busy) > 0) {
                atomic_fetch_sub(&server.busy, 1);
                answer(fd, id % 2 == atomic_load(&server.busy) % 2 ? 503 : 429, "{}");
            } else if (id == HUGE_ANSWER) {
                answer_without_end(fd);
            } else if (id == LOGIN) {
                bool known = strstr(request, "Authorization: Basic bWU6c2VjcmV0\r\n") != NULL;
                answer(fd, known ? 200 : 401, known ? odd[0].body : "{}");
            } else if (id >= ODD && id < BUSY)
                answer(fd, odd[id - ODD].status, odd[id - ODD].body);
            else if (id < MISSING || id == HELD || id == BUSY)
                answer(fd, 200, "{\"schema\": \"\\\"int\\\"\"}");
            else if (id < HELD)
                answer(fd, 404, "{}");
            else
                answer(fd, 403, "{}");
        }
        close(fd);
    }
}

static void start(pthread_t *thread)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);

    server.listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(server.listener, (struct sockaddr *)&address, size) != 0 || listen(server.listener, 16) != 0 ||
        getsockname(server.listener, (struct sockaddr *)&address, &size) != 0 || pthread_create(thread, NULL, serve, NULL) != 0)
        abort();
    server.port = ntohs(address.sin_port);
}

static hr_registry *open_as(const char *user, const char *password)
{
    char url[64];
    hr_registry *registry;
    hr_error error;

    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", server.port);
    if (hr_registry_open(url, user, password, &registry, &error) != HR_OK)
        abort();
    return registry;
}

static hr_registry *open_registry(void)
{
    return open_as(NULL, NULL);
}

static int find(hr_registry *registry, int32_t id, hr_error *error)
{
    const char *text = NULL;
    size_t n = 0;
    int rc = hr_registry_find(registry, id, &text, &n, error);

    CHECK(rc != HR_OK || (n == 5 && memcmp(text, "\"int\"", n) == 0), "schema %d is %s", (int)id, text);
    return rc;
}

static void test_each_is_asked_for_once(void)
{
    hr_registry *registry = open_registry();
    hr_error error;
    int before = atomic_load(&server.asked);

    for (int round = 0; round < 3; round++) {
        for (int32_t id = 1; id < 20; id++)
            CHECK(find(registry, id, &error) == HR_OK, "%s", error.message);
        for (int32_t id = MISSING; id < MISSING + 50; id++)
            CHECK(find(registry, id, &error) == HR_EDATA && error.reason == HR_REASON_MALFORMED, "%s", error.message);
    }
    CHECK(atomic_load(&server.asked) - before == 19 + 50, "asked %d times", atomic_load(&server.asked) - before);
    hr_registry_free(registry);
}

/* What has no schema is forgotten when there is too much of it; what has one never is. */
static void test_many_misses(void)
{
    hr_registry *registry = open_registry();
    hr_error error;
    int before;

    CHECK(find(registry, 1, &error) == HR_OK);
    for (int32_t id = MISSING; id < MISSING + 600; id++)
        CHECK(find(registry, id, &error) == HR_EDATA, "%s", error.message);
    before = atomic_load(&server.asked);
    CHECK(find(registry, 1, &error) == HR_OK && find(registry, MISSING + 599, &error) == HR_EDATA);
    CHECK(atomic_load(&server.asked) == before, "asked again");
    CHECK(find(registry, MISSING, &error) == HR_EDATA && atomic_load(&server.asked) == before + 1, "it was kept");
    hr_registry_free(registry);
}

/* A failure is everybody's answer for some time; what was known before still is. */
static void test_a_failure_is_remembered(void)
{
    hr_registry *registry = open_registry();
    hr_error error;
    int before;

    CHECK(find(registry, 1, &error) == HR_OK);
    CHECK(find(registry, FAILS, &error) == HR_EUSAGE && strstr(error.message, "does not let us in") != NULL, "%s", error.message);
    before = atomic_load(&server.asked);
    for (int32_t id = 1; id < 5; id++) {
        hr_error_clear(&error);
        CHECK(find(registry, FAILS + id, &error) == HR_EUSAGE && strstr(error.message, "does not let us in") != NULL, "%s", error.message);
        CHECK(find(registry, 1, &error) == HR_OK);
    }
    CHECK(atomic_load(&server.asked) == before, "asked %d times", atomic_load(&server.asked) - before);
    hr_registry_free(registry);
}

static void await_held(void)
{
    while (!atomic_load(&server.held))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

/* Whether the thread has not ended after some seconds: how long a hang is waited for. */
static bool is_late(pthread_t thread)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 5;
    return pthread_timedjoin_np(thread, NULL, &until) != 0;
}

static void *find_cancelled(void *registry)
{
    hr_error error;

    CHECK(find(registry, HELD, &error) == HR_ECANCELLED, "%s", error.message);
    return NULL;
}

/* A wait ends when the caller does not want the answer any more, and that is no failure of the registry. */
static void test_a_wait_is_cancelled(void)
{
    hr_registry *registry = open_registry();
    atomic_bool cancel = false;
    pthread_t waits;
    hr_error error;
    bool late;

    hr_registry_watch(registry, &cancel);
    if (pthread_create(&waits, NULL, find_cancelled, registry) != 0)
        abort();
    await_held();
    atomic_store(&cancel, true);
    late = is_late(waits);
    CHECK(!late, "it waited for the registry");
    CHECK(late || find(registry, 1, &error) == HR_ECANCELLED, "it asked");
    atomic_store(&server.release, true);
    if (late)
        pthread_join(waits, NULL);
    atomic_store(&cancel, false);
    CHECK(find(registry, 1, &error) == HR_OK, "%s", error.message);
    hr_registry_free(registry);
    atomic_store(&server.held, false);
    atomic_store(&server.release, false);
}

static void *find_held(void *registry)
{
    hr_error error;

    CHECK(find(registry, HELD, &error) == HR_OK, "%s", error.message);
    return NULL;
}

static void *find_known(void *registry)
{
    hr_error error;

    CHECK(find(registry, 1, &error) == HR_OK, "%s", error.message);
    return NULL;
}

/* One thread waits for the registry; another gets what is known. */
static void test_what_is_known_does_not_wait(void)
{
    hr_registry *registry = open_registry();
    pthread_t waits, asks;
    hr_error error;
    bool late;

    CHECK(find(registry, 1, &error) == HR_OK);
    if (pthread_create(&waits, NULL, find_held, registry) != 0)
        abort();
    await_held();
    if (pthread_create(&asks, NULL, find_known, registry) != 0)
        abort();
    late = is_late(asks);
    CHECK(!late, "it waited for the registry");
    atomic_store(&server.release, true);
    if (late)
        pthread_join(asks, NULL);
    pthread_join(waits, NULL);
    hr_registry_free(registry);
}

/* Answers that are no schema, or none that can be used: the message says which. */
static void test_odd_answers(void)
{
    for (int i = 0; i < (int)(sizeof(odd) / sizeof(odd[0])); i++) {
        hr_registry *registry = open_registry();
        hr_error error;
        int rc = find(registry, ODD + i, &error);

        CHECK(rc == odd[i].code, "answer %d: %d %s", i, rc, error.message);
        CHECK(odd[i].message == NULL || strstr(error.message, odd[i].message) != NULL, "answer %d: %s", i, error.message);
        hr_registry_free(registry);
    }
}

/* A registry that is overloaded is asked again, but not for ever. */
static void test_a_busy_registry(void)
{
    hr_registry *registry = open_registry();
    hr_error error;
    int before = atomic_load(&server.asked);

    atomic_store(&server.busy, 2);
    CHECK(find(registry, BUSY, &error) == HR_OK, "%s", error.message);
    CHECK(atomic_load(&server.asked) == before + 3, "asked %d times", atomic_load(&server.asked) - before);
    hr_registry_free(registry);
    registry = open_registry();
    atomic_store(&server.busy, 1000);
    CHECK(find(registry, BUSY, &error) == HR_EIO && strstr(error.message, "HTTP status") != NULL, "%s", error.message);
    CHECK(atomic_load(&server.busy) == 1000 - 4, "asked %d times", 1000 - atomic_load(&server.busy));
    hr_registry_free(registry);
}

/* An answer beyond all measure is not read to its end. */
static void test_an_answer_without_end(void)
{
    hr_registry *registry = open_registry();
    hr_error error;

    CHECK(find(registry, HUGE_ANSWER, &error) == HR_EIO && strstr(error.message, "does not answer") != NULL, "%s", error.message);
    hr_registry_free(registry);
}

static void test_user_and_password(void)
{
    hr_registry *registry = open_as("me", "secret");
    hr_error error;

    CHECK(find(registry, LOGIN, &error) == HR_OK, "%s", error.message);
    hr_registry_free(registry);
    registry = open_as("me", NULL);
    CHECK(find(registry, LOGIN, &error) == HR_EUSAGE && strstr(error.message, "check user and password") != NULL, "%s", error.message);
    hr_registry_free(registry);
}

static void test_addresses(void)
{
    hr_registry *registry;
    hr_error error;

    CHECK(hr_registry_open("127.0.0.1:8081", NULL, NULL, &registry, &error) == HR_EUSAGE && registry == NULL);
    CHECK(hr_registry_open("http://me:secret@host", NULL, NULL, &registry, &error) == HR_EUSAGE && registry == NULL);
    CHECK(strstr(error.message, "secret") == NULL, "%s", error.message);
    hr_registry_free(NULL);
}

int main(void)
{
    pthread_t thread;

    start(&thread);
    test_each_is_asked_for_once();
    test_many_misses();
    test_a_failure_is_remembered();
    test_a_wait_is_cancelled();
    test_what_is_known_does_not_wait();
    test_odd_answers();
    test_a_busy_registry();
    test_an_answer_without_end();
    test_user_and_password();
    test_addresses();
    shutdown(server.listener, SHUT_RDWR);
    pthread_join(thread, NULL);
    close(server.listener);
    return CHECK_DONE();
}
