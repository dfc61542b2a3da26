/* csrc/io/window/window_config.h: the settings of a window job, from the JSON object that headrace/_window_topic.py makes.
 *
 *     {"job", "run_id", "source": {"kind": "kafka", "topic", "config": {...}, "start", "until"}, "to", "late": topic or null,
 *      "group", "instance", "columns": [{"name", "type", "path", "unit", "not_null"}], "time", "by": [...],
 *      "aggregates": [{"name", "function", "column", "precision"}],
 *      "windows": [{"name", "kind", "unit", "size", "every", "gap", "origin"}], "zone", "zoneinfo", "lateness_us", "jump_us", "early_us",
 *      "keyed", "close_all", "idle_ms", "commit_ms", "snapshot_bytes", "snapshot_ms", "transaction_bytes", "workers", "max_records",
 *      "max_seconds", "lost_offsets": "fail" or "earliest", "table": null or {"name", "dsn", "create", "bytes"}}
 */
#ifndef HR_IO_WINDOW_CONFIG_H
#define HR_IO_WINDOW_CONFIG_H

#include <jansson.h>

#include "core/window/window.h"

typedef struct hr_window_config {
    json_t *root; /* what the texts below point into */
    const char *job, *run_id, *topic, *to, *late, *instance, *table, *table_dsn;
    const json_t *source, *kafka;
    hr_buffer names; /* of the topics and the group: */
    const char *state, *partials, *group;
    hr_schema *schema; /* of the columns that are decoded */
    hr_timezone *zone;
    hr_window_spec specs[HR_WINDOW_SPECS];
    hr_window_aggregate *aggregates, *merged; /* merged: as the second stage has them */
    int32_t *by;
    hr_window_options options;
    uint64_t fingerprint; /* of what a state depends on */
    bool keyed, close_all, forever, table_create, lost_accept;
    int64_t early_ms, idle_ms, commit_ms, snapshot_bytes, snapshot_ms, transaction_bytes, table_bytes, max_records;
    double max_seconds;
    int32_t workers;
} hr_window_config;

/* Read and check. HR_EUSAGE names the setting. Free with hr_window_config_free, whatever is returned. */
int hr_window_config_parse(const char *text, hr_window_config *out, hr_error *error);
void hr_window_config_free(hr_window_config *config);

/* Windows of this job: of the first stage, or of the second one (`merge`), which absorbs. */
int hr_window_config_windows(const hr_window_config *config, bool merge, hr_windows **out, hr_error *error);

#endif
