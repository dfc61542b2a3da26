/* csrc/module/kafka.c: what is asked of a Kafka cluster besides loading: offsets, topics. Questions and answers are JSON texts.
 *
 * A question waits for the brokers in a thread of its own; Ctrl-C leaves it alone there, and it frees itself when it has ended.
 */
#include "module/module.h"

#include "io/json_text.h"
#include "io/kafka/kafka_admin.h"

typedef struct hr_py_question {
    hr_py_work work;
    int (*ask)(struct hr_py_question *question, hr_kafka_client *client, hr_error *error);
    json_t *config; /* the whole question */
    json_t *answer;
} hr_py_question;

static void hr_py_question_free(hr_py_work *work)
{
    hr_py_question *question = work->arg;

    json_decref(question->config);
    json_decref(question->answer);
    hr_free(question);
}

static int hr_py_question_run(hr_py_work *work, hr_error *error)
{
    hr_py_question *question = work->arg;
    hr_kafka_client *client = NULL;
    int rc = hr_kafka_client_open(json_object_get(question->config, "config"), HR_KAFKA_READER, NULL, 0, NULL, &client, error);

    if (rc == HR_OK)
        rc = question->ask(question, client, error);
    hr_kafka_client_close(client);
    if (rc == HR_OK && question->answer == NULL)
        rc = hr_error_nomem(error);
    return rc;
}

/* A string of the question that must be there. */
static int hr_py_question_topic(const hr_py_question *question, const char **topic, hr_error *error)
{
    *topic = json_string_value(json_object_get(question->config, "topic"));
    return *topic != NULL ? HR_OK : hr_error_set(error, HR_EUSAGE, "\"topic\" must name a topic");
}

/* Keep only the partitions that were asked for. HR_EUSAGE for one that the topic does not have. */
static int hr_py_choose_partitions(const json_t *wanted, hr_kafka_topic *topic, hr_error *error)
{
    int32_t kept = 0;

    if (!json_is_array(wanted))
        return HR_OK;
    for (size_t i = 0; i < json_array_size(wanted); i++) {
        json_int_t number = json_integer_value(json_array_get(wanted, i));
        bool there = false;

        for (int32_t k = 0; k < topic->count; k++)
            there = there || topic->partitions[k] == number;
        if (!there)
            return hr_error_set(error, HR_EUSAGE, "topic %s has no partition %lld", topic->name, (long long)number);
    }
    for (int32_t k = 0; k < topic->count; k++) {
        for (size_t i = 0; i < json_array_size(wanted); i++) {
            if (json_integer_value(json_array_get(wanted, i)) != topic->partitions[k])
                continue;
            topic->partitions[kept++] = topic->partitions[k];
            break;
        }
    }
    topic->count = kept;
    return HR_OK;
}

/* The three rows of numbers that an answer is made of: begin, end, and at when a time was asked for. */
static int hr_py_read_offsets(hr_kafka_client *client, const hr_kafka_topic *topic, const json_t *when, int64_t *numbers, hr_error *error)
{
    size_t n = (size_t)topic->count;

    HR_RETURN_NOT_OK(hr_kafka_offsets(client, topic->name, topic->partitions, topic->count, HR_KAFKA_EARLIEST, HR_KAFKA_TIMEOUT_MS, numbers,
                                      error));
    HR_RETURN_NOT_OK(hr_kafka_offsets(client, topic->name, topic->partitions, topic->count, HR_KAFKA_LATEST, HR_KAFKA_TIMEOUT_MS,
                                      numbers + n, error));
    if (!json_is_integer(when))
        return HR_OK;
    return hr_kafka_offsets(client, topic->name, topic->partitions, topic->count, json_integer_value(when), HR_KAFKA_TIMEOUT_MS,
                            numbers + 2 * n, error);
}

static int hr_py_ask_offsets(hr_py_question *question, hr_kafka_client *client, hr_error *error)
{
    const json_t *when = json_object_get(question->config, "timestamp_ms");
    hr_kafka_topic topic = {0};
    int64_t *numbers = NULL;
    const char *name;
    size_t n;
    int rc;

    HR_RETURN_NOT_OK(hr_py_question_topic(question, &name, error));
    rc = hr_kafka_topic_find(client, name, HR_KAFKA_TIMEOUT_MS, &topic, error);
    if (rc == HR_OK)
        rc = hr_py_choose_partitions(json_object_get(question->config, "partitions"), &topic, error);
    n = (size_t)topic.count;
    if (rc == HR_OK) {
        numbers = hr_calloc(3 * n + 1, sizeof(*numbers));
        rc = numbers != NULL ? hr_py_read_offsets(client, &topic, when, numbers, error) : hr_error_nomem(error);
    }
    if (rc == HR_OK)
        question->answer = json_array();
    for (size_t i = 0; rc == HR_OK && i < n; i++) {
        json_t *at = json_is_integer(when) ? json_integer(numbers[2 * n + i]) : json_null();

        if (json_array_append_new(question->answer, json_pack("{s:i,s:I,s:I,s:o}", "partition", (int)topic.partitions[i], "begin",
                                                              (json_int_t)numbers[i], "end", (json_int_t)numbers[n + i], "at", at)) != 0)
            rc = hr_error_nomem(error);
    }
    hr_free(numbers);
    hr_kafka_topic_free(&topic);
    return rc;
}

static int hr_py_ask_topics(hr_py_question *question, hr_kafka_client *client, hr_error *error)
{
    hr_kafka_topics topics = {0};
    int rc = hr_kafka_topics_list(client, false, HR_KAFKA_TIMEOUT_MS, &topics, error);

    if (rc == HR_OK)
        question->answer = json_array();
    for (int32_t i = 0; rc == HR_OK && i < topics.count; i++)
        if (json_array_append_new(question->answer,
                                  json_pack("{s:s,s:i}", "topic", topics.topics[i].name, "partitions", (int)topics.topics[i].count)) != 0)
            rc = hr_error_nomem(error);
    hr_kafka_topics_free(&topics);
    return rc;
}

static int hr_py_ask_create(hr_py_question *question, hr_kafka_client *client, hr_error *error)
{
    const json_t *settings = json_object_get(question->config, "settings");
    json_int_t partitions = json_integer_value(json_object_get(question->config, "partitions"));
    json_int_t replication = json_integer_value(json_object_get(question->config, "replication"));
    bool made = false;
    const char *name;

    HR_RETURN_NOT_OK(hr_py_question_topic(question, &name, error));
    if (partitions < 1 || partitions > INT32_MAX)
        return hr_error_set(error, HR_EUSAGE, "a topic cannot have %" JSON_INTEGER_FORMAT " partitions", partitions);
    if (replication < -1 || replication == 0 || replication > INT16_MAX)
        return hr_error_set(error, HR_EUSAGE,
                            "the replication of a topic is -1 (the brokers' default) or 1 to %d, not %" JSON_INTEGER_FORMAT, INT16_MAX,
                            replication);
    HR_RETURN_NOT_OK(hr_kafka_topic_create(client, name, (int32_t)partitions, (int32_t)replication,
                                           json_object_size(settings) > 0 ? settings : NULL, HR_KAFKA_TIMEOUT_MS, &made, error));
    question->answer = json_pack("{s:b}", "created", (int)made);
    return HR_OK;
}

static int hr_py_ask_delete(hr_py_question *question, hr_kafka_client *client, hr_error *error)
{
    const char *name;

    HR_RETURN_NOT_OK(hr_py_question_topic(question, &name, error));
    HR_RETURN_NOT_OK(hr_kafka_topic_delete(client, name, json_is_true(json_object_get(question->config, "missing_ok")), HR_KAFKA_TIMEOUT_MS,
                                           error));
    question->answer = json_object();
    return HR_OK;
}

static int hr_py_ask_delete_group(hr_py_question *question, hr_kafka_client *client, hr_error *error)
{
    const char *group = json_string_value(json_object_get(question->config, "group"));
    bool was;

    if (group == NULL)
        return hr_error_set(error, HR_EUSAGE, "\"group\" must name a consumer group");
    HR_RETURN_NOT_OK(hr_kafka_group_delete(client, group, 4 * HR_KAFKA_TIMEOUT_MS, &was, error));
    question->answer = json_pack("{s:b}", "deleted", (int)was);
    return HR_OK;
}

/* Ask, and hand out the answer's JSON. */
static PyObject *hr_py_ask(PyObject *module, PyObject *text,
                           int (*ask)(hr_py_question *question, hr_kafka_client *client, hr_error *error))
{
    const char *json = hr_py_utf8(text, "the question");
    hr_py_question *question;
    PyObject *result = NULL;
    hr_error error;
    bool interrupted;
    int rc;

    if (json == NULL)
        return NULL;
    question = hr_calloc(1, sizeof(*question));
    if (question == NULL)
        return PyErr_NoMemory();
    question->work = (hr_py_work){.run = hr_py_question_run, .abandon = hr_py_question_free, .arg = question};
    question->ask = ask;
    rc = hr_json_object_read(json, strlen(json), "the question", &question->config, &error);
    if (rc != HR_OK) {
        hr_py_question_free(&question->work);
        return hr_py_raise(hr_py_state_of(module), &error, NULL);
    }
    rc = hr_py_work_do(&question->work, &interrupted, &error);
    if (interrupted)
        return NULL; /* the question has freed itself, or will */
    if (rc == HR_OK) {
        char *answer = hr_json_text_of(question->answer, JSON_COMPACT);

        result = answer != NULL ? hr_py_text(answer, (Py_ssize_t)strlen(answer)) : PyErr_NoMemory();
        free(answer);
    } else {
        hr_py_raise(hr_py_state_of(module), &error, NULL);
    }
    hr_py_question_free(&question->work);
    return result;
}

static PyObject *hr_py_kafka_offsets(PyObject *module, PyObject *text)
{
    return hr_py_ask(module, text, hr_py_ask_offsets);
}

static PyObject *hr_py_kafka_topics(PyObject *module, PyObject *text)
{
    return hr_py_ask(module, text, hr_py_ask_topics);
}

static PyObject *hr_py_kafka_create_topic(PyObject *module, PyObject *text)
{
    return hr_py_ask(module, text, hr_py_ask_create);
}

static PyObject *hr_py_kafka_delete_topic(PyObject *module, PyObject *text)
{
    return hr_py_ask(module, text, hr_py_ask_delete);
}

static PyObject *hr_py_kafka_delete_group(PyObject *module, PyObject *text)
{
    return hr_py_ask(module, text, hr_py_ask_delete_group);
}

PyMethodDef hr_py_kafka_methods[] = {
    {"kafka_offsets", hr_py_kafka_offsets, METH_O,
     PyDoc_STR("kafka_offsets(question, /)\n--\n\n"
               "{config, topic, partitions, timestamp_ms} -> [{partition, begin, end, at}], JSON texts.")},
    {"kafka_topics", hr_py_kafka_topics, METH_O,
     PyDoc_STR("kafka_topics(question, /)\n--\n\n{config} -> [{topic, partitions}], JSON texts.")},
    {"kafka_create_topic", hr_py_kafka_create_topic, METH_O,
     PyDoc_STR("kafka_create_topic(question, /)\n--\n\n{config, topic, partitions, replication, settings} -> {created}, JSON texts.")},
    {"kafka_delete_topic", hr_py_kafka_delete_topic, METH_O,
     PyDoc_STR("kafka_delete_topic(question, /)\n--\n\n{config, topic, missing_ok} -> {}, JSON texts.")},
    {"kafka_delete_group", hr_py_kafka_delete_group, METH_O,
     PyDoc_STR("kafka_delete_group(question, /)\n--\n\n{config, group} -> {deleted}, JSON texts.")},
    {NULL, NULL, 0, NULL},
};
