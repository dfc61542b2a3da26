/* csrc/io/kafka/schema_registry.c: asking a schema registry, by libcurl. */
#include "schema_registry.h"

#include <curl/curl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "io/json_text.h"

#define HR_REGISTRY_TIMEOUT_MS 10000L
#define HR_REGISTRY_CONNECT_MS 5000L
#define HR_REGISTRY_ATTEMPTS 4
#define HR_REGISTRY_MISSING_S 10 /* for so long a number that is not known is not asked for again */
#define HR_REGISTRY_FAILED_S 5   /* for so long nobody is asked again after a failure: what it said holds for all numbers */
#define HR_REGISTRY_MISSES 256   /* numbers without a schema that are remembered; with more the oldest is forgotten */
#define HR_REGISTRY_ANSWER ((size_t)16 << 20)

/* A number that is known: its schema, or why there is none that could be used. */
typedef struct hr_registry_entry {
    int32_t id;
    char *text; /* NULL: there is none */
    size_t len;
    time_t asked;  /* when there was none; 0: no entry */
    char why[200]; /* what the message about it says */
    struct hr_registry_entry *next;
} hr_registry_entry;

struct hr_registry {
    char *url; /* without a slash at its end */
    char *user, *password;
    const atomic_bool *cancel; /* NULL: nobody cancels */
    pthread_mutex_t lock;      /* guards the four below; never held while the registry is waited for */
    hr_registry_entry *entries;
    hr_registry_entry misses[HR_REGISTRY_MISSES];
    int32_t next_miss;
    hr_error failure; /* the last one, when `failed` is not 0 */
    time_t failed;
    pthread_mutex_t wire; /* guards what follows: one request at a time */
    CURL *curl;
    hr_buffer answer;
};

static pthread_once_t hr_registry_once = PTHREAD_ONCE_INIT;

static void hr_registry_init_library(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static char *hr_registry_copy(const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = hr_malloc(n);

    if (copy != NULL)
        memcpy(copy, text, n);
    return copy;
}

int hr_registry_open(const char *url, const char *user, const char *password, hr_registry **out, hr_error *error)
{
    hr_registry *registry;
    size_t n = strlen(url);

    *out = NULL;
    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
        return hr_error_set(error, HR_EUSAGE, "the schema registry's address must begin with http:// or https://");
    if (strchr(url, '@') != NULL)
        return hr_error_set(error, HR_EUSAGE,
                            "the schema registry's address must not hold a user and password: give them as settings of their own");
    pthread_once(&hr_registry_once, hr_registry_init_library);
    registry = hr_calloc(1, sizeof(*registry));
    if (registry == NULL)
        return hr_error_nomem(error);
    pthread_mutex_init(&registry->lock, NULL);
    pthread_mutex_init(&registry->wire, NULL);
    registry->url = hr_registry_copy(url);
    registry->user = user != NULL ? hr_registry_copy(user) : NULL;
    registry->password = password != NULL ? hr_registry_copy(password) : NULL;
    registry->curl = curl_easy_init();
    if (registry->url == NULL || (user != NULL && registry->user == NULL) || (password != NULL && registry->password == NULL) ||
        registry->curl == NULL) {
        hr_registry_free(registry);
        return hr_error_nomem(error);
    }
    while (n > 0 && registry->url[n - 1] == '/')
        registry->url[--n] = '\0';
    *out = registry;
    return HR_OK;
}

void hr_registry_free(hr_registry *registry)
{
    if (registry == NULL)
        return;
    while (registry->entries != NULL) {
        hr_registry_entry *entry = registry->entries;

        registry->entries = entry->next;
        hr_free(entry->text);
        hr_free(entry);
    }
    if (registry->curl != NULL)
        curl_easy_cleanup(registry->curl);
    hr_buffer_free(&registry->answer);
    hr_free(registry->url);
    hr_free(registry->user);
    hr_free(registry->password);
    pthread_mutex_destroy(&registry->lock);
    pthread_mutex_destroy(&registry->wire);
    hr_free(registry);
}

void hr_registry_watch(hr_registry *registry, const atomic_bool *cancel)
{
    if (registry != NULL)
        registry->cancel = cancel;
}

static bool hr_registry_cancelled(const hr_registry *registry)
{
    return registry->cancel != NULL && atomic_load(registry->cancel);
}

/* libcurl asks, at least once a second, whether to go on: anything but 0 ends the transfer. */
static int hr_registry_go_on(void *context, curl_off_t total, curl_off_t now, curl_off_t total_up, curl_off_t now_up)
{
    (void)total, (void)now, (void)total_up, (void)now_up;
    return hr_registry_cancelled(context);
}

/* libcurl hands over a piece of the answer. Less than all of it taken ends the transfer. */
static size_t hr_registry_receive(char *bytes, size_t size, size_t count, void *context)
{
    hr_buffer *answer = context;
    size_t n = size * count;

    if (n > HR_REGISTRY_ANSWER || answer->size + n > HR_REGISTRY_ANSWER || hr_buffer_append(answer, bytes, n, NULL) != HR_OK)
        return 0;
    return n;
}

/* One request; *status is HTTP's. HR_EIO when there was no answer, HR_ECANCELLED when none is wanted. */
static int hr_registry_request(hr_registry *registry, const char *url, long *status, hr_error *error)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Accept: application/vnd.schemaregistry.v1+json, application/json");
    CURLcode rc;

    if (headers == NULL)
        return hr_error_nomem(error);
    registry->answer.size = 0;
    curl_easy_reset(registry->curl); /* connections stay open */
    curl_easy_setopt(registry->curl, CURLOPT_URL, url);
    curl_easy_setopt(registry->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(registry->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(registry->curl, CURLOPT_TIMEOUT_MS, HR_REGISTRY_TIMEOUT_MS);
    curl_easy_setopt(registry->curl, CURLOPT_CONNECTTIMEOUT_MS, HR_REGISTRY_CONNECT_MS);
    curl_easy_setopt(registry->curl, CURLOPT_WRITEFUNCTION, hr_registry_receive);
    curl_easy_setopt(registry->curl, CURLOPT_WRITEDATA, &registry->answer);
    curl_easy_setopt(registry->curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(registry->curl, CURLOPT_XFERINFOFUNCTION, hr_registry_go_on);
    curl_easy_setopt(registry->curl, CURLOPT_XFERINFODATA, registry);
    if (registry->user != NULL) {
        curl_easy_setopt(registry->curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
        curl_easy_setopt(registry->curl, CURLOPT_USERNAME, registry->user);
        curl_easy_setopt(registry->curl, CURLOPT_PASSWORD, registry->password != NULL ? registry->password : "");
    }
    rc = hr_registry_cancelled(registry) ? CURLE_ABORTED_BY_CALLBACK : curl_easy_perform(registry->curl);
    *status = 0;
    if (rc == CURLE_OK)
        curl_easy_getinfo(registry->curl, CURLINFO_RESPONSE_CODE, status);
    curl_slist_free_all(headers);
    if (rc == CURLE_OUT_OF_MEMORY)
        return hr_error_nomem(error);
    if (rc == CURLE_ABORTED_BY_CALLBACK)
        return hr_error_set(error, HR_ECANCELLED, "stopped by the caller");
    if (rc != CURLE_OK)
        return hr_error_set(error, HR_EIO, "the schema registry at %s does not answer: %s", registry->url, curl_easy_strerror(rc));
    return HR_OK;
}

/* Requests until there is an answer that is no failure of the server's. */
static int hr_registry_ask(hr_registry *registry, int32_t id, long *status, hr_error *error)
{
    char *url = hr_malloc(strlen(registry->url) + 40);
    int rc = HR_EIO;

    if (url == NULL)
        return hr_error_nomem(error);
    snprintf(url, strlen(registry->url) + 40, "%s/schemas/ids/%d", registry->url, (int)id);
    for (int attempt = 0; attempt < HR_REGISTRY_ATTEMPTS; attempt++) {
        if (attempt > 0)
            nanosleep(&(struct timespec){.tv_nsec = 100L * 1000000L << attempt}, NULL);
        rc = hr_registry_request(registry, url, status, error);
        if (rc == HR_OK && (*status >= 500 || *status == 429))
            rc = hr_error_set(error, HR_EIO, "the schema registry at %s answers with HTTP status %ld for schema %d", registry->url, *status,
                              (int)id);
        if (rc != HR_EIO)
            break;
    }
    hr_free(url);
    return rc;
}

/* Take the schema out of the answer {"schema": "...", "schemaType": "AVRO"} into the entry; without one, entry->why says why. */
static int hr_registry_read(const hr_registry *registry, int32_t id, hr_registry_entry *entry, hr_error *error)
{
    const json_t *schema, *type;
    json_t *root;
    hr_error wrong;
    int rc = hr_json_object_read((const char *)registry->answer.data, registry->answer.size, "the answer", &root, &wrong);

    if (rc == HR_ENOMEM)
        return hr_error_nomem(error);
    rc = HR_OK;
    schema = json_object_get(root, "schema");
    type = json_object_get(root, "schemaType");
    if (!json_is_string(schema)) {
        rc = hr_error_set(error, HR_EIO, "the schema registry at %s does not answer with a schema for number %d; is its address right?",
                          registry->url, (int)id);
    } else if (json_is_string(type) && strcmp(json_string_value(type), "AVRO") != 0) {
        snprintf(entry->why, sizeof(entry->why), "schema %d of the registry is not Avro but %.40s", (int)id, json_string_value(type));
    } else if (json_array_size(json_object_get(root, "references")) > 0) {
        snprintf(entry->why, sizeof(entry->why),
                 "schema %d of the registry refers to other schemas: only such that stand alone can be used", (int)id);
    } else {
        entry->text = hr_registry_copy(json_string_value(schema));
        entry->len = json_string_length(schema);
        if (entry->text == NULL)
            rc = hr_error_nomem(error);
    }
    json_decref(root);
    return rc;
}

/* Fill the entry: with the schema, or with why there is none. Other codes: nothing is known. */
static int hr_registry_learn(hr_registry *registry, int32_t id, hr_registry_entry *entry, hr_error *error)
{
    long status;

    HR_RETURN_NOT_OK(hr_registry_ask(registry, id, &status, error));
    entry->asked = time(NULL);
    if (status == 401 || status == 403)
        return hr_error_set(error, HR_EUSAGE, "the schema registry at %s does not let us in (HTTP status %ld): check user and password",
                            registry->url, status);
    if (status == 404) {
        snprintf(entry->why, sizeof(entry->why), "the schema registry has no schema with number %d", (int)id);
        return HR_OK;
    }
    if (status != 200)
        return hr_error_set(error, HR_EUSAGE, "the schema registry at %s answers with HTTP status %ld for schema %d", registry->url, status,
                            (int)id);
    return hr_registry_read(registry, id, entry, error);
}

/* What is known of the number without asking. false: nothing is. Under the lock. */
static bool hr_registry_remembers(hr_registry *registry, int32_t id, const char **text, size_t *n, int *rc, hr_error *error)
{
    time_t now = time(NULL);

    for (const hr_registry_entry *entry = registry->entries; entry != NULL; entry = entry->next) {
        if (entry->id != id)
            continue;
        *text = entry->text;
        *n = entry->len;
        *rc = HR_OK;
        return true;
    }
    for (int32_t i = 0; i < HR_REGISTRY_MISSES; i++) {
        const hr_registry_entry *miss = &registry->misses[i];

        if (miss->asked == 0 || miss->id != id || now - miss->asked >= HR_REGISTRY_MISSING_S)
            continue;
        *rc = hr_error_data(error, HR_REASON_MALFORMED, NULL, 0, "%s", miss->why);
        return true;
    }
    if (registry->failed == 0 || now - registry->failed >= HR_REGISTRY_FAILED_S)
        return false;
    *rc = registry->failure.code;
    if (error != NULL)
        *error = registry->failure;
    return true;
}

/* Remember what the registry said, or that it did not. Takes the entry when it has a schema. Under the lock. */
static void hr_registry_remember(hr_registry *registry, hr_registry_entry *entry, int rc, const hr_error *said)
{
    registry->failed = 0;
    if (rc == HR_OK && entry->text != NULL) {
        entry->next = registry->entries;
        registry->entries = entry;
    } else if (rc == HR_OK) {
        registry->misses[registry->next_miss] = *entry;
        registry->next_miss = (registry->next_miss + 1) % HR_REGISTRY_MISSES;
    } else if (rc != HR_ENOMEM && rc != HR_ECANCELLED) {
        registry->failed = time(NULL);
        registry->failure = *said;
    }
}

/* Ask for a number, unless another thread just did. Under the lock of the wire. */
static int hr_registry_ask_new(hr_registry *registry, int32_t id, const char **text, size_t *n, hr_error *error)
{
    hr_registry_entry *entry;
    bool known, taken;
    int rc = HR_OK;

    pthread_mutex_lock(&registry->lock);
    known = hr_registry_remembers(registry, id, text, n, &rc, error);
    pthread_mutex_unlock(&registry->lock);
    if (known)
        return rc;
    entry = hr_calloc(1, sizeof(*entry));
    if (entry == NULL)
        return hr_error_nomem(error);
    entry->id = id;
    rc = hr_registry_learn(registry, id, entry, error);
    taken = rc == HR_OK && entry->text != NULL;
    pthread_mutex_lock(&registry->lock);
    hr_registry_remember(registry, entry, rc, error);
    pthread_mutex_unlock(&registry->lock);
    if (taken) {
        *text = entry->text;
        *n = entry->len;
        return HR_OK;
    }
    if (rc == HR_OK)
        rc = hr_error_data(error, HR_REASON_MALFORMED, NULL, 0, "%s", entry->why);
    hr_free(entry);
    return rc;
}

int hr_registry_find(void *context, int32_t id, const char **text, size_t *n, hr_error *error)
{
    hr_registry *registry = context;
    hr_error local;
    hr_error *said = error != NULL ? error : &local;
    bool known;
    int rc = HR_OK;

    pthread_mutex_lock(&registry->lock);
    known = hr_registry_remembers(registry, id, text, n, &rc, said);
    pthread_mutex_unlock(&registry->lock);
    if (known)
        return rc;
    pthread_mutex_lock(&registry->wire);
    rc = hr_registry_ask_new(registry, id, text, n, said);
    pthread_mutex_unlock(&registry->wire);
    return rc;
}
