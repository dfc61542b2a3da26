/* csrc/io/load/load_config.h: the settings of a load, read from one JSON object and checked before anything is connected. */
#ifndef HR_IO_LOAD_CONFIG_H
#define HR_IO_LOAD_CONFIG_H

#include "core/copy/copy.h"
#include "core/partition/partition.h"
#include "io/kafka/schema_registry.h"
#include "io/source/source.h"

typedef enum hr_mode { HR_MODE_APPEND = 0, HR_MODE_UPSERT, HR_MODE_REPLACE, HR_MODE_VAULT } hr_mode;

typedef struct hr_load_config {
    json_t *root;         /* owns every string below */
    const char *job;      /* the name that offsets belong to */
    const char *run_id;   /* a uuid */
    const json_t *source; /* the "source" object */
    const hr_source_ops *source_ops;
    const char *source_text; /* what receipts and dead letters call the source; holds no secret */
    const hr_format *format;
    hr_decode_options decode;
    hr_registry *registry;        /* of Avro's schemas, or NULL */
    hr_avro_schemas avro_schemas; /* the way to it, for decode */
    const char *dsn;   /* of the target database; may hold a password: never print it */
    const char *table; /* as the user wrote it; the server's to_regclass reads it */
    hr_mode mode;
    const json_t *key; /* array of column names, or NULL: the primary key */
    const json_t *map; /* object column -> source, or NULL */
    const json_t *vault; /* mode vault: how rows are split (vault_plan.h); NULL otherwise */
    struct hr_key_claims *claims; /* mode vault with several workers (vault/key_claims.h); NULL otherwise */
    hr_unknown unknown;
    bool reject_tombstones;       /* else skipped and counted */
    const char *partition_column; /* NULL: read from the catalog */
    bool create_partitions;
    int32_t max_new_partitions; /* a run makes no more than this: a wrong date must not litter the database */
    hr_period_unit unit;
    hr_timezone *zone; /* NULL: UTC */
    int32_t workers;   /* 0: as many as lanes and processors suggest */
    int64_t batch_records, batch_bytes;
    int32_t linger_ms;     /* an open-ended load commits what it has after this long */
    bool commit_at_end;    /* one transaction for the whole run */
    bool durable_batches;  /* each commit waits for the server's disk, not only the run's last */
    bool one_off;          /* the run's offsets are its own, not the job's, and are forgotten when it succeeds */
    char offsets_key[256]; /* headrace.offsets.job: the job, or job@run_id for a one-off */
    int64_t max_records;   /* INT64_MAX: no limit */
    double max_seconds;    /* 0: no limit */
} hr_load_config;

/* Parse and check. HR_EUSAGE names the setting. *out must be freed with hr_load_config_free, whatever is returned. */
int hr_load_config_parse(const char *text, hr_load_config *out, hr_error *error);
/* Tell the source what it needs to know of the rest: "format", "csv", "job", "group" (when the user set none), and the columns of a schema
 * as "columns": [{"name", "source"}] for sources that ask a database for them. */
int hr_load_config_bind(hr_load_config *config, const hr_schema *schema, hr_error *error);
void hr_load_config_free(hr_load_config *config);
const char *hr_mode_name(hr_mode mode);

#endif
