/* tests/io/test_kafka_config.c: settings of Kafka clients, without a broker. */
#include "check.h"
#include "faults.h"
#include "io/kafka/kafka_config.h"

#define NOWHERE "\"bootstrap.servers\": \"127.0.0.1:1\""

static json_t *parse(const char *text)
{
    json_t *config = json_loads(text, 0, NULL);

    if (config == NULL)
        abort();
    return config;
}

/* Open with the settings; the code, and the message in *error. */
static int try_open(const char *text, hr_kafka_role role, hr_error *error)
{
    json_t *config = parse(text);
    hr_kafka_client *client;
    int rc = hr_kafka_client_open(config, role, NULL, 0, NULL, &client, error);

    CHECK((rc == HR_OK) == (client != NULL), "%s", text);
    hr_kafka_client_close(client);
    json_decref(config);
    return rc;
}

static void refused(const char *text, hr_kafka_role role, const char *part)
{
    hr_error error;

    CHECK(try_open(text, role, &error) == HR_EUSAGE && error.code == HR_EUSAGE && error.fatal, "%s", text);
    CHECK(strstr(error.message, part) != NULL, "%s: \"%s\" is not in \"%s\"", text, part, error.message);
}

static void accepted(const char *text, hr_kafka_role role)
{
    hr_error error;

    CHECK(try_open(text, role, &error) == HR_OK, "%s: %s", text, error.message);
}

static void test_refused(void)
{
    refused("{}", HR_KAFKA_READER, "bootstrap.servers");
    refused("[]", HR_KAFKA_READER, "object");
    refused("{" NOWHERE ", \"no.such.thing\": \"1\"}", HR_KAFKA_READER, "\"no.such.thing\"");
    refused("{" NOWHERE ", \"isolation.level\": \"some\"}", HR_KAFKA_READER, "some");
    refused("{" NOWHERE ", \"client.id\": {\"a\": 1}}", HR_KAFKA_READER, "\"client.id\" must be");
    refused("{" NOWHERE ", \"client.id\": 1.5}", HR_KAFKA_READER, "\"client.id\" must be");
    /* what would break the promises */
    refused("{" NOWHERE ", \"enable.auto.commit\": true}", HR_KAFKA_READER, "can only be false");
    refused("{" NOWHERE ", \"enable.auto.commit\": \"true\"}", HR_KAFKA_READER, "target database");
    refused("{" NOWHERE ", \"auto.commit.enable\": 1}", HR_KAFKA_READER, "auto.commit.enable");
    refused("{" NOWHERE ", \"enable.auto.offset.store\": true}", HR_KAFKA_READER, "enable.auto.offset.store");
    refused("{" NOWHERE ", \"auto.offset.reset\": \"earliest\"}", HR_KAFKA_READER, "lost_offsets");
    refused("{" NOWHERE ", \"group.id\": \"mine\"}", HR_KAFKA_READER, "\"group\"");
    refused("{" NOWHERE ", \"group.instance.id\": \"mine\"}", HR_KAFKA_READER, "group.instance.id");
    refused("{" NOWHERE ", \"enable.partition.eof\": false}", HR_KAFKA_READER, "enable.partition.eof");
    refused("{" NOWHERE ", \"allow.auto.create.topics\": true}", HR_KAFKA_READER, "allow.auto.create.topics");
    refused("{" NOWHERE ", \"allow.auto.create.topics\": true}", HR_KAFKA_WRITER, "allow.auto.create.topics");
    refused("{" NOWHERE ", \"plugin.library.paths\": \"evil\"}", HR_KAFKA_READER, "load code");
    refused("{" NOWHERE ", \"plugin.library.paths\": \"evil\"}", HR_KAFKA_WRITER, "load code");
    refused("{" NOWHERE ", \"log.queue\": true}", HR_KAFKA_READER, "log.queue");
    refused("{" NOWHERE ", \"enable.idempotence\": false}", HR_KAFKA_WRITER, "enable.idempotence");
    refused("{" NOWHERE ", \"acks\": 1}", HR_KAFKA_WRITER, "acks");
    refused("{" NOWHERE ", \"request.required.acks\": 0}", HR_KAFKA_WRITER, "request.required.acks");
    refused("{" NOWHERE ", \"transactional.id\": \"t\"}", HR_KAFKA_WRITER, "transactional.id");
}

static void test_accepted(void)
{
    accepted("{" NOWHERE "}", HR_KAFKA_READER);
    accepted("{" NOWHERE "}", HR_KAFKA_WRITER);
    accepted("{\"metadata.broker.list\": \"127.0.0.1:1\"}", HR_KAFKA_READER);
    accepted("{" NOWHERE ", \"enable.auto.commit\": false, \"auto.offset.reset\": \"error\", \"client.id\": null}", HR_KAFKA_READER);
    accepted("{" NOWHERE ", \"acks\": -1, \"enable.idempotence\": true}", HR_KAFKA_WRITER);
    accepted("{" NOWHERE ", \"acks\": \"all\"}", HR_KAFKA_WRITER);
    /* one set of settings for both: what is reserved for one does not trouble the other */
    accepted("{" NOWHERE ", \"group.id\": \"g\", \"enable.auto.commit\": true, \"auto.offset.reset\": \"earliest\"}", HR_KAFKA_WRITER);
    accepted("{" NOWHERE ", \"acks\": 1, \"transactional.id\": \"t\"}", HR_KAFKA_READER);
    /* sizes that librdkafka wants to fit together */
    accepted("{" NOWHERE ", \"message.max.bytes\": 50000000}", HR_KAFKA_READER);
    accepted("{" NOWHERE ", \"message.max.bytes\": 50000000}", HR_KAFKA_WRITER);
    accepted("{" NOWHERE ", \"fetch.max.bytes\": \"20000000\", \"queued.max.messages.kbytes\": 100}", HR_KAFKA_READER);
}

/* No message repeats a secret, whatever goes wrong with it. */
static void test_secrets(void)
{
    static const char *const names[] = {"sasl.password",          "ssl.key.password",           "ssl.keystore.password", "ssl.key.pem",
                                        "ssl.certificate.pem",    "sasl.oauthbearer.config",    "ssl.ca.pem",
                                        "sasl.oauthbearer.client.secret"};
    hr_error error;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        for (int shape = 0; shape < 3; shape++) {
            json_t *config = parse("{" NOWHERE "}"), *secret = json_string("hunter2");
            hr_kafka_client *client;

            if (shape == 1)
                secret = json_pack("[o]", secret); /* not even a text */
            json_object_set_new(config, names[i], secret);
            if (shape == 2) {
                json_object_set_new(config, "security.protocol", json_string("sasl_ssl"));
                json_object_set_new(config, "sasl.mechanisms", json_string("PLAIN"));
            }
            hr_error_clear(&error);
            (void)hr_kafka_client_open(config, HR_KAFKA_READER, NULL, 0, NULL, &client, &error);
            CHECK(strstr(error.message, "hunter2") == NULL, "%s", error.message);
            hr_kafka_client_close(client);
            json_decref(config);
        }
    }
}

static void expect_number(const hr_kafka_client *client, const char *name, int64_t want)
{
    int64_t got = hr_kafka_client_number(client, name, -99);

    CHECK(got == want, "%s is %lld", name, (long long)got);
}

static void expect_text(const hr_kafka_client *client, const char *name, const char *want)
{
    char value[64] = "";
    size_t size = sizeof(value);

    CHECK(rd_kafka_conf_get(rd_kafka_conf(client->rk), name, value, &size) == RD_KAFKA_CONF_OK, "%s", name);
    CHECK(strcmp(value, want) == 0, "%s is \"%s\"", name, value);
}

/* Ours by default, the user's over them, the indispensable over all. */
static void test_order(void)
{
    static const hr_kafka_setting forced[] = {{"isolation.level", "read_uncommitted"}};
    json_t *plain = parse("{" NOWHERE "}");
    json_t *large = parse("{" NOWHERE ", \"message.max.bytes\": 50000000}");
    json_t *ticket = parse("{" NOWHERE ", \"security.protocol\": \"SASL_PLAINTEXT\", \"sasl.kerberos.kinit.cmd\": \"true\"}");
    json_t *own = parse("{" NOWHERE ", \"isolation.level\": \"read_committed\", \"queued.min.messages\": 7}");
    hr_kafka_client *client;
    hr_error error;

    CHECK(hr_kafka_client_open(plain, HR_KAFKA_READER, NULL, 0, NULL, &client, &error) == HR_OK);
    expect_text(client, "isolation.level", "read_committed");
    expect_text(client, "enable.auto.commit", "false");
    expect_text(client, "enable.auto.offset.store", "false");
    expect_text(client, "enable.partition.eof", "true");
    expect_text(client, "client.id", "headrace");
    expect_number(client, "queued.min.messages", 10000);
    expect_number(client, "fetch.max.bytes", 1048576);
    expect_number(client, "no.such.thing", -99);
    hr_kafka_client_close(client);
    CHECK(hr_kafka_client_open(own, HR_KAFKA_READER, forced, 1, NULL, &client, &error) == HR_OK);
    expect_text(client, "isolation.level", "read_uncommitted");
    expect_number(client, "queued.min.messages", 7);
    hr_kafka_client_close(client);
    /* the library's own sizes where ours would not fit */
    CHECK(hr_kafka_client_open(large, HR_KAFKA_READER, NULL, 0, NULL, &client, &error) == HR_OK);
    CHECK(hr_kafka_client_number(client, "fetch.max.bytes", 0) >= 50000000);
    CHECK(!client->kerberos);
    hr_kafka_client_close(client);
    if (hr_kafka_client_open(ticket, HR_KAFKA_READER, NULL, 0, NULL, &client, &error) == HR_OK) {
        CHECK(client->kerberos);
        expect_number(client, "queued.min.messages", rd_kafka_version() < HR_KAFKA_QUEUE_BACKOFF ? 100000 : 10000);
    } else { /* a librdkafka built without Kerberos */
        CHECK(strstr(error.message, "GSSAPI") != NULL, "%s", error.message);
    }
    hr_kafka_client_close(client);
    CHECK(hr_kafka_client_open(plain, HR_KAFKA_WRITER, NULL, 0, NULL, &client, &error) == HR_OK);
    expect_text(client, "enable.idempotence", "true");
    expect_text(client, "compression.codec", "lz4");
    hr_kafka_client_close(client);
    json_decref(plain);
    json_decref(large);
    json_decref(ticket);
    json_decref(own);
}

static uint64_t logged(hr_kafka_client *client)
{
    uint64_t count;

    pthread_mutex_lock(&client->log.lock);
    count = client->log.count;
    pthread_mutex_unlock(&client->log.lock);
    return count;
}

/* librdkafka's own words go to the ring, the newest important one into messages; a long one is cut. */
static void test_log(void)
{
    json_t *config = parse("{" NOWHERE ", \"debug\": \"broker\", \"log_level\": 7}");
    char line[HR_KAFKA_LOG_LINE];
    hr_kafka_client *client;
    const struct rd_kafka_metadata *metadata;
    hr_error error;

    CHECK(hr_kafka_client_open(config, HR_KAFKA_READER, NULL, 0, NULL, &client, &error) == HR_OK);
    for (int i = 0; i < 600 && !(atomic_load(&client->all_down) && logged(client) > HR_KAFKA_LOG_LINES); i++) {
        if (rd_kafka_metadata(client->rk, 1, NULL, &metadata, 50) == RD_KAFKA_RESP_ERR_NO_ERROR)
            rd_kafka_metadata_destroy(metadata);
        hr_kafka_client_serve(client);
    }
    CHECK(atomic_load(&client->all_down));
    CHECK(logged(client) > HR_KAFKA_LOG_LINES); /* debug lines have gone round the ring */
    CHECK(hr_kafka_fail(client, RD_KAFKA_RESP_ERR__TRANSPORT, &error, "reading %d", 7) == HR_EKAFKA);
    CHECK(error.retriable && !error.fatal && strncmp(error.message, "reading 7: ", 11) == 0, "%s", error.message);
    CHECK(hr_kafka_fail(client, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, &error, "reading") == HR_EKAFKA);
    CHECK(error.fatal && !error.retriable);
    hr_kafka_log_last(&client->log, 7, line, sizeof(line));
    CHECK(line[0] != '\0');
    hr_kafka_log_last(&client->log, -1, line, sizeof(line));
    CHECK(line[0] == '\0');
    hr_kafka_log_last(&client->log, 7, line, 5);
    CHECK(strlen(line) == 4);
    atomic_store(&client->unauthorized, true);
    CHECK(hr_kafka_fail(client, RD_KAFKA_RESP_ERR__TRANSPORT, &error, "reading") == HR_EKAFKA && error.fatal);
    hr_kafka_client_close(client);
    json_decref(config);
}

static void test_memory(void)
{
    json_t *config = parse("{" NOWHERE "}");
    hr_kafka_client *client;
    hr_error error;
    bool done = false;

    for (int n = 1; !done; n++) {
        int rc;

        hr_fault_arm(n, false);
        rc = hr_kafka_client_open(config, HR_KAFKA_READER, NULL, 0, NULL, &client, &error);
        done = !hr_fault_fired();
        hr_fault_arm(0, false);
        CHECK(done ? rc == HR_OK : rc == HR_ENOMEM && client == NULL, "allocation %d", n);
        hr_kafka_client_close(client);
    }
    hr_kafka_client_close(NULL);
    json_decref(config);
}

/* What a reader with these settings has in force, when they are filled up for long records. */
static int64_t for_long(const char *text, const char *name)
{
    json_t *config = parse(text), *more;
    hr_kafka_client *client = NULL;
    int64_t number = -1;
    hr_error error;

    CHECK(hr_kafka_config_for_long(config, &more, &error) == HR_OK && !json_equal(config, more));
    CHECK(hr_kafka_client_open(more, HR_KAFKA_READER, NULL, 0, NULL, &client, &error) == HR_OK, "%s: %s", text, error.message);
    if (client != NULL)
        number = hr_kafka_client_number(client, name, -1);
    hr_kafka_client_close(client);
    json_decref(config);
    json_decref(more);
    return number;
}

static void test_for_long(void)
{
    json_t *more;

    CHECK(for_long("{" NOWHERE "}", "queued.max.messages.kbytes") == 16384);
    CHECK(for_long("{" NOWHERE "}", "fetch.max.bytes") == 4194304);
    /* the user's own stay, under either name, and what depends on them gives way */
    CHECK(for_long("{" NOWHERE ", \"queued.max.messages.kbytes\": 4096}", "queued.max.messages.kbytes") == 4096);
    CHECK(for_long("{" NOWHERE ", \"fetch.message.max.bytes\": 100000}", "max.partition.fetch.bytes") == 100000);
    CHECK(for_long("{" NOWHERE ", \"max.partition.fetch.bytes\": 100000}", "max.partition.fetch.bytes") == 100000);
    CHECK(for_long("{" NOWHERE ", \"message.max.bytes\": 9000000}", "message.max.bytes") == 9000000);
    CHECK(for_long("{" NOWHERE ", \"receive.message.max.bytes\": 2000000}", "receive.message.max.bytes") == 2000000);
    CHECK(hr_kafka_config_for_long(NULL, &more, NULL) == HR_OK && json_object_size(more) == 4);
    json_decref(more);
}

int main(void)
{
    test_refused();
    test_accepted();
    test_for_long();
    test_secrets();
    test_order();
    test_log();
    test_memory();
    return CHECK_DONE();
}
