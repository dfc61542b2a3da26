/* tests/fuzz/fuzz_kafka_config.c: any JSON object as Kafka settings: refused with words that hold no secret, or a client. Nothing is ever
 * connected or run: the broker is forced to a closed port of this machine, the login away, and settings that name commands, addresses or
 * files are left out. */
#include "fuzz.h"
#include "io/kafka/kafka_config.h"

#define SECRET "tOp-sEcReT"

static bool harmless(const char *name)
{
    static const char *const parts[] = {"kinit", "url",    "location", "file",      "path",    "plugin", "rack",  "address",
                                        "mock",  "keytab", "engine",   "providers", "threads", "size",   "store", "interceptor"};

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (strstr(name, parts[i]) != NULL)
            return false;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const hr_kafka_setting forced[] = {{"bootstrap.servers", "127.0.0.1:1"}, {"security.protocol", "plaintext"}, {"debug", ""}};
    json_t *config = json_loadb((const char *)data, size, JSON_DISABLE_EOF_CHECK, NULL);
    const char *name;
    json_t *value;
    void *next;

    if (json_is_object(config))
        json_object_foreach_safe(config, next, name, value)
        {
            if (!harmless(name))
                json_object_del(config, name);
            else if (strstr(name, "password") != NULL || strstr(name, ".pem") != NULL || strstr(name, "secret") != NULL)
                json_object_set_new(config, name, json_string(SECRET));
        }
    for (int role = HR_KAFKA_READER; role <= HR_KAFKA_WRITER; role++) {
        hr_kafka_client *client = NULL;
        hr_error error;
        hr_error_clear(&error);
        int rc = hr_kafka_client_open(config, (hr_kafka_role)role, forced, 3, NULL, &client, &error);
        FUZZ_REQUIRE((rc == HR_OK) == (client != NULL));
        FUZZ_AGREE(rc == HR_OK || (rc == HR_EUSAGE && error.message[0] != '\0'), "%d", rc);
        FUZZ_AGREE(rc == HR_OK || strstr(error.message, SECRET) == NULL, "%s", error.message);
        hr_kafka_client_close(client);
    }
    json_decref(config);
    return 0;
}
