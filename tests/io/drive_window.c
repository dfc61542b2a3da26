/* tests/io/drive_window.c: whole window jobs without Python, driven by tests/real. Built under ASan and UBSan, and under TSan. */
#include "driver.h"
#include "io/window/window_topic.h"

/* "config": the settings of a window job; "stop_ms", "cancel_ms": stop, or cancel, so long after the start. */
static int do_run(const json_t *order, json_t *answer, hr_error *error)
{
    int64_t stop_ms = driver_int(order, "stop_ms", -1), cancel_ms = driver_int(order, "cancel_ms", -1);
    char *text = json_dumps(json_object_get(order, "config"), JSON_COMPACT), *result = NULL;
    hr_window_topic *topic;
    int rc;

    DRIVER_MUST(text != NULL);
    rc = hr_window_topic_start(text, &topic, error);
    free(text);
    if (rc != HR_OK)
        return rc;
    for (int64_t ms = 0; !hr_window_topic_wait(topic, 10); ms += 10) {
        free(hr_window_topic_progress(topic));
        if (stop_ms >= 0 && ms >= stop_ms)
            hr_window_topic_stop(topic);
        if (cancel_ms >= 0 && ms >= cancel_ms)
            hr_window_topic_cancel(topic);
    }
    rc = hr_window_topic_finish(topic, &result, error);
    driver_put(answer, "receipt", result != NULL ? json_loads(result, 0, NULL) : json_null());
    free(result);
    return rc;
}

int main(void)
{
    static const driver_command commands[] = {{"run", do_run}, {NULL, NULL}};

    return driver_main(commands);
}
