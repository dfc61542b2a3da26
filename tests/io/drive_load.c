/* tests/io/drive_load.c: whole loads without Python, driven by tests/real: at once ("run"), or step by step ("start", "wait", "cancel",
 * "finish"), one at a time. Built under ASan and UBSan, and under TSan.
 */
#include <time.h>

#include "core/alloc.h"
#include "driver.h"
#include "io/load/load.h"

static hr_load *load;

/* ---- jansson's memory, which may fail as well ---- */

#ifdef HR_FAULTS
static bool json_too; /* set while no thread of a load runs */

static void *json_malloc(size_t size)
{
    return json_too ? hr_malloc(size) : malloc(size);
}
#endif

/* With "jansson": true in the order, jansson's allocations are among those that fail. */
static void json_faults(bool on, const json_t *order)
{
#ifdef HR_FAULTS
    json_too = on && json_is_true(json_object_get(order, "jansson"));
#else
    (void)on;
    (void)order;
#endif
}

/* ---- commands ---- */

static hr_load_verb verb_of(const json_t *order)
{
    const char *verb = json_string_value(json_object_get(order, "verb"));

    return verb != NULL && strcmp(verb, "plan") == 0 ? HR_LOAD_PLAN : HR_LOAD_RUN;
}

/* The settings are text to hr_load_start: "config" of the order, printed, or the text of the file "config_file". */
static char *settings_of(const json_t *order)
{
    const char *path = json_string_value(json_object_get(order, "config_file"));
    json_t *config = path != NULL ? json_load_file(path, 0, NULL) : json_incref(json_object_get(order, "config"));
    char *text = json_dumps(config, JSON_COMPACT);

    DRIVER_MUST(text != NULL);
    json_decref(config);
    return text;
}

/* Look at the progress like a caller that shows it. What has been counted never goes back, unless all is rolled back. */
static void look(int64_t *last)
{
    char *text = hr_load_progress(load);
    json_t *progress = text != NULL ? json_loads(text, 0, NULL) : NULL;
    int64_t read;

    free(text);
    if (progress == NULL)
        return; /* there was no memory for it */
    read = json_integer_value(json_object_get(progress, "read"));
    DRIVER_MUST(read >= *last || read == 0); /* a run of one transaction that failed has read nothing */
    *last = read;
    json_decref(progress);
}

/* End the load and tell its receipt. */
static int finish(const json_t *order, json_t *answer, hr_error *error)
{
    char *result = NULL;
    json_t *receipt;
    int rc = hr_load_finish(load, &result, error);

    json_faults(false, order);
    load = NULL;
    receipt = result != NULL ? json_loads(result, 0, NULL) : json_null();
    if (receipt == NULL)
        fprintf(stderr, "this is no JSON: %s\n", result);
    driver_put(answer, "receipt", receipt);
    free(result);
    return rc;
}

/* "config" or "config_file", "verb": run (default) or plan; "cancel_ms": cancel so long after the start. */
static int do_run(const json_t *order, json_t *answer, hr_error *error)
{
    char *text = settings_of(order);
    int64_t cancel_ms = driver_int(order, "cancel_ms", -1), last = 0;
    int rc;

    DRIVER_MUST(load == NULL);
    json_faults(true, order);
    rc = hr_load_start(text, verb_of(order), &load, error);
    free(text);
    if (rc != HR_OK) {
        json_faults(false, order);
        return rc;
    }
    if (cancel_ms >= 0) {
        hr_load_wait(load, (int)cancel_ms);
        hr_load_cancel(load);
    }
    while (!hr_load_wait(load, 5))
        if (cancel_ms < 0 && !json_is_true(json_object_get(order, "jansson")))
            look(&last);
    return finish(order, answer, error);
}

static int do_start(const json_t *order, json_t *answer, hr_error *error)
{
    char *text = settings_of(order);
    int rc;

    (void)answer;
    DRIVER_MUST(load == NULL);
    rc = hr_load_start(text, verb_of(order), &load, error);
    free(text);
    return rc;
}

/* Up to "ms"; answers whether the load has ended. */
static int do_wait(const json_t *order, json_t *answer, hr_error *error)
{
    char *text = hr_load_progress(load);

    (void)error;
    DRIVER_MUST(text != NULL);
    driver_put(answer, "progress", json_loads(text, 0, NULL));
    free(text);
    driver_put(answer, "ended", json_boolean(hr_load_wait(load, (int)driver_int(order, "ms", 0))));
    return HR_OK;
}

static int do_cancel(const json_t *order, json_t *answer, hr_error *error)
{
    (void)order, (void)answer, (void)error;
    hr_load_cancel(load);
    return HR_OK;
}

static int do_finish(const json_t *order, json_t *answer, hr_error *error)
{
    return finish(order, answer, error);
}

int main(void)
{
    static const driver_command commands[] = {
        {"run", do_run}, {"start", do_start}, {"wait", do_wait}, {"cancel", do_cancel}, {"finish", do_finish}, {NULL, NULL},
    };

#ifdef HR_FAULTS
    json_set_alloc_funcs(json_malloc, free);
#endif
    return driver_main(commands);
}
