/* csrc/io/source/source.c: the table of sources. */
#include "source.h"

extern const hr_source_ops hr_source_kafka, hr_source_file, hr_source_stdin, hr_source_postgres, hr_source_dead_letters;

const hr_source_ops *const hr_sources[] = {
    &hr_source_kafka, &hr_source_file, &hr_source_stdin, &hr_source_postgres, &hr_source_dead_letters, NULL,
};

const hr_source_ops *hr_source_find(const char *kind)
{
    for (size_t i = 0; hr_sources[i] != NULL; i++)
        if (strcmp(hr_sources[i]->kind, kind) == 0)
            return hr_sources[i];
    return NULL;
}

void hr_lanes_free(hr_lanes *lanes)
{
    for (int32_t i = 0; i < lanes->count; i++)
        hr_free(lanes->lanes[i].topic);
    hr_free(lanes->lanes);
    lanes->lanes = NULL;
    lanes->count = 0;
}

int hr_lanes_single(const char *topic, hr_lanes *out, hr_error *error)
{
    const size_t size = strlen(topic) + 1;

    memset(out, 0, sizeof(*out));
    out->lanes = hr_calloc(1, sizeof(*out->lanes));
    if (out->lanes == NULL)
        return hr_error_nomem(error);
    out->count = 1;
    out->lanes[0].topic = hr_malloc(size);
    if (out->lanes[0].topic == NULL) {
        hr_lanes_free(out);
        return hr_error_nomem(error);
    }
    memcpy(out->lanes[0].topic, topic, size);
    out->lanes[0].end = INT64_MAX;
    out->lanes[0].backlog_bytes = -1;
    return HR_OK;
}
