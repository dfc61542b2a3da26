/* csrc/io/load/load_config.c: reading the settings of a load. */
#include "load_config.h"

#include <math.h>
#include <stdio.h>

#include "io/json_text.h"
#include "io/vault/key_claims.h"

#define HR_DEFAULT_BATCH_RECORDS 50000
#define HR_DEFAULT_BATCH_BYTES (8 * 1024 * 1024)
#define HR_DEFAULT_LINGER_MS 1000
#define HR_MOST_SECONDS 1e9 /* thirty years: more would not fit into milliseconds some day */
#define HR_DEFAULT_NEW_PARTITIONS 520 /* ten years of weeks */

static const char *const hr_mode_names[] = {"append", "upsert", "replace", "vault", NULL};

const char *hr_mode_name(hr_mode mode)
{
    return hr_mode_names[mode];
}

/* A string setting: `fallback` when missing or null; HR_EUSAGE when it is something else, or required (fallback NULL and must) and missing.
 */
static int hr_config_string(const json_t *object, const char *name, const char *fallback, bool must, const char **out, hr_error *error)
{
    const json_t *value = json_object_get(object, name);

    *out = fallback;
    if (value == NULL || json_is_null(value)) {
        if (must)
            return hr_error_set(error, HR_EUSAGE, "setting \"%s\" is missing", name);
        return HR_OK;
    }
    if (!json_is_string(value))
        return hr_error_set(error, HR_EUSAGE, "setting \"%s\" must be a string", name);
    *out = json_string_value(value);
    return HR_OK;
}

static int hr_config_bool(const json_t *object, const char *name, bool fallback, bool *out, hr_error *error)
{
    const json_t *value = json_object_get(object, name);

    *out = fallback;
    if (value == NULL || json_is_null(value))
        return HR_OK;
    if (!json_is_boolean(value))
        return hr_error_set(error, HR_EUSAGE, "setting \"%s\" must be true or false", name);
    *out = json_is_true(value);
    return HR_OK;
}

static int hr_config_int(const json_t *object, const char *name, int64_t fallback, int64_t low, int64_t high, int64_t *out, hr_error *error)
{
    const json_t *value = json_object_get(object, name);

    *out = fallback;
    if (value == NULL || json_is_null(value))
        return HR_OK;
    if (!json_is_integer(value) || json_integer_value(value) < low || json_integer_value(value) > high)
        return hr_error_set(error, HR_EUSAGE, "setting \"%s\" must be a whole number from %lld to %lld", name, (long long)low,
                            (long long)high);
    *out = json_integer_value(value);
    return HR_OK;
}

/* One of a list of words; *out is its index. */
static int hr_config_choice(const json_t *object, const char *name, const char *const *words, int fallback, int *out, hr_error *error)
{
    const char *text;
    char list[160] = "";
    size_t used = 0;

    HR_RETURN_NOT_OK(hr_config_string(object, name, words[fallback], false, &text, error));
    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], text) == 0) {
            *out = i;
            return HR_OK;
        }
        if (used < sizeof(list))
            used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "", words[i]);
    }
    return hr_error_set(error, HR_EUSAGE, "setting \"%s\" is \"%s\"; it must be one of: %s", name, text, list);
}

/* An object setting, or NULL when missing. */
static int hr_config_object(const json_t *object, const char *name, bool must, const json_t **out, hr_error *error)
{
    const json_t *value = json_object_get(object, name);

    *out = NULL;
    if (value == NULL || json_is_null(value)) {
        if (must)
            return hr_error_set(error, HR_EUSAGE, "setting \"%s\" is missing", name);
        return HR_OK;
    }
    if (!json_is_object(value))
        return hr_error_set(error, HR_EUSAGE, "setting \"%s\" must be an object", name);
    *out = value;
    return HR_OK;
}

static int hr_config_csv(const json_t *root, hr_load_config *config, hr_error *error)
{
    hr_decode_options *out = &config->decode;
    const json_t *csv;
    const char *delimiter, *quote;

    HR_RETURN_NOT_OK(hr_config_object(root, "csv", false, &csv, error));
    if (strcmp(config->source_ops->kind, "postgres") == 0)
        csv = NULL;
    HR_RETURN_NOT_OK(hr_config_string(csv, "delimiter", ",", false, &delimiter, error));
    HR_RETURN_NOT_OK(hr_config_string(csv, "quote", "\"", false, &quote, error));
    HR_RETURN_NOT_OK(hr_config_string(csv, "null", "", false, &out->null, error));
    HR_RETURN_NOT_OK(hr_config_bool(csv, "header", true, &out->has_header, error));
    if (strlen(delimiter) != 1 || strlen(quote) != 1 || delimiter[0] == quote[0])
        return hr_error_set(error, HR_EUSAGE, "csv: delimiter and quote must be one byte each, and different");
    out->delimiter = delimiter[0];
    out->quote = quote[0];
    return HR_OK;
}

/* How values stand in change events that bring no schema. */
static int hr_config_debezium(const json_t *root, hr_load_config *config, hr_error *error)
{
    static const char *const times[] = {"adaptive", "adaptive_time_microseconds", "millis", "micros", "nanos", NULL};
    static const char *const decimals[] = {"string", "base64", NULL};
    static const char *const binaries[] = {"base64", "hex", NULL};
    static const char *const names[] = {"time", "decimal", "binary", "unavailable", NULL};
    hr_decode_options *out = &config->decode;
    const json_t *debezium;
    const char *name;
    json_t *value;
    int choice;

    HR_RETURN_NOT_OK(hr_config_object(root, "debezium", false, &debezium, error));
    json_object_foreach((json_t *)debezium, name, value)
    {
        int known = 0;

        while (names[known] != NULL && strcmp(names[known], name) != 0)
            known++;
        if (names[known] == NULL)
            return hr_error_set(error, HR_EUSAGE, "debezium: \"%s\" is no setting; there are time, decimal, binary, unavailable", name);
    }
    HR_RETURN_NOT_OK(hr_config_choice(debezium, "time", times, 0, &choice, error));
    out->change_time = (hr_times_form)choice;
    HR_RETURN_NOT_OK(hr_config_choice(debezium, "decimal", decimals, 0, &choice, error));
    out->change_decimal = (hr_decimal_form)choice;
    HR_RETURN_NOT_OK(hr_config_choice(debezium, "binary", binaries, 0, &choice, error));
    out->change_binary = (hr_binary_form)choice;
    HR_RETURN_NOT_OK(hr_config_string(debezium, "unavailable", NULL, false, &out->change_marker, error));
    if (out->change_marker != NULL && out->change_marker[0] == '\0')
        return hr_error_set(error, HR_EUSAGE, "debezium: \"unavailable\" must not be empty: it is the text that stands for a value");
    if (debezium != NULL && json_object_size(debezium) > 0 && !config->format->changes)
        return hr_error_set(error, HR_EUSAGE, "the settings \"debezium\" are for change events; the format is \"%s\"",
                            config->format->name);
    return HR_OK;
}

/* Where Avro's schemas come from. User and password stand apart: the other settings are remembered in the receipt. */
static int hr_config_avro(const json_t *root, hr_load_config *config, hr_error *error)
{
    const bool avro_format = strcmp(config->format->name, "avro") == 0 || strcmp(config->format->name, "debezium-avro") == 0;
    const json_t *avro, *login;
    const char *registry, *user, *password;

    HR_RETURN_NOT_OK(hr_config_object(root, "avro", false, &avro, error));
    HR_RETURN_NOT_OK(hr_config_object(root, "registry_login", false, &login, error));
    HR_RETURN_NOT_OK(hr_config_string(avro, "registry", NULL, false, &registry, error));
    HR_RETURN_NOT_OK(hr_config_string(avro, "schema", NULL, false, &config->decode.avro_schema, error));
    HR_RETURN_NOT_OK(hr_config_string(login, "user", NULL, false, &user, error));
    HR_RETURN_NOT_OK(hr_config_string(login, "password", NULL, false, &password, error));
    if (!avro_format)
        return avro == NULL ? HR_OK
                            : hr_error_set(error, HR_EUSAGE, "the settings \"avro\" are for the formats avro and debezium-avro; this is %s",
                                           config->format->name);
    if ((registry == NULL) == (config->decode.avro_schema == NULL))
        return hr_error_set(error, HR_EUSAGE,
                            "avro: give either \"registry\", the schema registry's address, or \"schema\", the one schema of all messages");
    if (registry == NULL)
        return HR_OK;
    HR_RETURN_NOT_OK(hr_registry_open(registry, user, password, &config->registry, error));
    config->avro_schemas = (hr_avro_schemas){config->registry, hr_registry_find};
    config->decode.avro_schemas = &config->avro_schemas;
    return HR_OK;
}

static int hr_config_partition(const json_t *root, hr_load_config *out, hr_error *error)
{
    const json_t *partition;
    const char *unit, *zone, *directory;
    int64_t limit;

    HR_RETURN_NOT_OK(hr_config_object(root, "partition", false, &partition, error));
    HR_RETURN_NOT_OK(hr_config_string(partition, "column", NULL, false, &out->partition_column, error));
    HR_RETURN_NOT_OK(hr_config_bool(partition, "create", true, &out->create_partitions, error));
    HR_RETURN_NOT_OK(hr_config_int(partition, "max_new", HR_DEFAULT_NEW_PARTITIONS, 0, 100000, &limit, error));
    HR_RETURN_NOT_OK(hr_config_string(partition, "unit", "week", false, &unit, error));
    HR_RETURN_NOT_OK(hr_config_string(partition, "zone", "UTC", false, &zone, error));
    HR_RETURN_NOT_OK(hr_config_string(root, "zoneinfo", NULL, false, &directory, error));
    out->max_new_partitions = (int32_t)limit;
    HR_RETURN_NOT_OK(hr_period_unit_from_name(unit, &out->unit, error));
    return hr_timezone_load(zone, directory, &out->zone, error);
}

static int hr_config_source(const json_t *root, hr_load_config *out, hr_error *error)
{
    const char *kind, *format;

    HR_RETURN_NOT_OK(hr_config_object(root, "source", true, &out->source, error));
    HR_RETURN_NOT_OK(hr_config_string(out->source, "kind", NULL, true, &kind, error));
    HR_RETURN_NOT_OK(hr_config_string(out->source, "text", kind, false, &out->source_text, error));
    out->source_ops = hr_source_find(kind);
    if (out->source_ops == NULL)
        return hr_error_set(error, HR_EUSAGE, "source kind \"%s\" is not known: use kafka, file, stdin, postgres or dead_letters", kind);
    HR_RETURN_NOT_OK(hr_config_string(root, "format", "json", false, &format, error));
    /* Rows of another database come as COPY's own CSV: its text forms are the ones our types read. */
    if (strcmp(kind, "postgres") == 0) {
        format = "csv";
        if (json_object_set_new(out->root, "format", json_string(format)) != 0 || json_object_set_new(out->root, "csv", json_null()) != 0)
            return hr_error_nomem(error);
    }
    out->format = hr_format_find(format);
    if (out->format == NULL)
        return hr_error_set(error, HR_EUSAGE, "format \"%s\" is not known: use json, csv, avro, debezium or debezium-avro", format);
    return HR_OK;
}

static int hr_config_limits(const json_t *root, hr_load_config *out, hr_error *error)
{
    const json_t *limits, *seconds;
    int64_t workers, linger;

    HR_RETURN_NOT_OK(hr_config_object(root, "limits", false, &limits, error));
    HR_RETURN_NOT_OK(hr_config_int(limits, "max_records", INT64_MAX, 1, INT64_MAX, &out->max_records, error));
    seconds = json_object_get(limits, "max_seconds");
    if (seconds != NULL && !json_is_null(seconds)) {
        out->max_seconds = json_is_number(seconds) ? json_number_value(seconds) : 0;
        if (!(out->max_seconds > 0) || !isfinite(out->max_seconds))
            return hr_error_set(error, HR_EUSAGE, "setting \"max_seconds\" must be a number above 0");
        if (out->max_seconds > HR_MOST_SECONDS)
            out->max_seconds = HR_MOST_SECONDS;
    }
    HR_RETURN_NOT_OK(hr_config_int(root, "workers", 0, 0, 64, &workers, error));
    HR_RETURN_NOT_OK(hr_config_int(root, "batch_records", HR_DEFAULT_BATCH_RECORDS, 1, 10000000, &out->batch_records, error));
    HR_RETURN_NOT_OK(hr_config_int(root, "batch_bytes", HR_DEFAULT_BATCH_BYTES, 1024, INT64_C(1) << 30, &out->batch_bytes, error));
    HR_RETURN_NOT_OK(hr_config_int(root, "linger_ms", HR_DEFAULT_LINGER_MS, 1, 3600000, &linger, error));
    out->workers = (int32_t)workers;
    out->linger_ms = (int32_t)linger;
    return HR_OK;
}

static int hr_config_target(const json_t *root, hr_load_config *out, hr_error *error)
{
    static const char *const unknown[] = {"ignore", "reject", NULL};
    static const char *const tombstones[] = {"skip", "reject", NULL};
    static const char *const commit[] = {"batch", "end", NULL};
    static const char *const durable[] = {"run", "batch", NULL};
    const json_t *target;
    int choice;

    HR_RETURN_NOT_OK(hr_config_object(root, "target", true, &target, error));
    HR_RETURN_NOT_OK(hr_config_string(target, "dsn", "", false, &out->dsn, error));
    HR_RETURN_NOT_OK(hr_config_string(target, "table", NULL, true, &out->table, error));
    HR_RETURN_NOT_OK(hr_config_choice(root, "mode", hr_mode_names, HR_MODE_APPEND, &choice, error));
    out->mode = (hr_mode)choice;
    HR_RETURN_NOT_OK(hr_config_choice(root, "unknown", unknown, 0, &choice, error));
    out->unknown = (hr_unknown)choice;
    HR_RETURN_NOT_OK(hr_config_choice(root, "tombstones", tombstones, 0, &choice, error));
    out->reject_tombstones = choice == 1;
    HR_RETURN_NOT_OK(hr_config_choice(root, "commit", commit, 0, &choice, error));
    out->commit_at_end = choice == 1;
    HR_RETURN_NOT_OK(hr_config_choice(root, "durable", durable, 0, &choice, error));
    out->durable_batches = choice == 1;
    HR_RETURN_NOT_OK(hr_config_bool(root, "one_off", false, &out->one_off, error));
    HR_RETURN_NOT_OK(hr_config_object(root, "map", false, &out->map, error));
    HR_RETURN_NOT_OK(hr_config_object(root, "vault", out->mode == HR_MODE_VAULT, &out->vault, error));
    out->key = json_object_get(root, "key");
    if (out->key != NULL && json_is_null(out->key))
        out->key = NULL;
    if (out->key != NULL && (!json_is_array(out->key) || json_array_size(out->key) == 0))
        return hr_error_set(error, HR_EUSAGE, "setting \"key\" must be a list of column names");
    for (size_t i = 0; i < json_array_size(out->key); i++)
        if (!json_is_string(json_array_get(out->key, i)))
            return hr_error_set(error, HR_EUSAGE, "setting \"key\" must be a list of column names");
    return HR_OK;
}

int hr_load_config_parse(const char *text, hr_load_config *out, hr_error *error)
{
    memset(out, 0, sizeof(*out));
    HR_RETURN_NOT_OK(hr_json_object_read(text, strlen(text), "the load's settings", &out->root, error));
    HR_RETURN_NOT_OK(hr_config_string(out->root, "job", NULL, true, &out->job, error));
    HR_RETURN_NOT_OK(hr_config_string(out->root, "run_id", NULL, true, &out->run_id, error));
    if (out->job[0] == '\0' || strlen(out->job) > 200)
        return hr_error_set(error, HR_EUSAGE, "setting \"job\" must be a name of 1 to 200 bytes");
    HR_RETURN_NOT_OK(hr_config_source(out->root, out, error));
    HR_RETURN_NOT_OK(hr_config_csv(out->root, out, error));
    HR_RETURN_NOT_OK(hr_config_debezium(out->root, out, error));
    HR_RETURN_NOT_OK(hr_config_avro(out->root, out, error));
    HR_RETURN_NOT_OK(hr_config_target(out->root, out, error));
    HR_RETURN_NOT_OK(hr_config_limits(out->root, out, error));
    snprintf(out->offsets_key, sizeof(out->offsets_key), "%s%s%.40s", out->job, out->one_off ? "@" : "", out->one_off ? out->run_id : "");
    return hr_config_partition(out->root, out, error);
}

int hr_load_config_bind(hr_load_config *config, const hr_schema *schema, hr_error *error)
{
    json_t *source = json_object_get(config->root, "source");
    json_t *columns = json_array(), *csv = json_object_get(config->root, "csv");
    char group[256];
    int bad = columns == NULL;

    for (int32_t i = 0; i < schema->count && !bad; i++)
        if (schema->columns[i].from == HR_FROM_PATH)
            bad |= json_array_append_new(columns,
                                         json_pack("{s:s, s:s}", "name", schema->columns[i].name, "source", schema->columns[i].path[0]));
    bad |= json_object_set_new(source, "columns", columns);
    bad |= json_object_set_new(source, "format", json_string(config->format->name));
    bad |= json_object_set_new(source, "job", json_string(config->job));
    if (csv != NULL)
        bad |= json_object_set(source, "csv", csv);
    snprintf(group, sizeof(group), "headrace.%s", config->job);
    if (json_object_get(source, "group") == NULL)
        bad |= json_object_set_new(source, "group", json_string(group));
    return bad ? hr_error_nomem(error) : HR_OK;
}

void hr_load_config_free(hr_load_config *config)
{
    hr_registry_free(config->registry);
    hr_timezone_free(config->zone);
    hr_key_claims_free(config->claims);
    json_decref(config->root);
    memset(config, 0, sizeof(*config));
}
