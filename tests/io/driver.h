/* tests/io/driver.h: a program that does what it is told: one JSON object a line on stdin, one answer a line on stdout.
 *
 * The commands are a table of names and functions. An answer is what the function put into `answer`, or {"error": {...}} when it failed.
 * With "fail": n in the order, the n-th allocation of csrc/ fails while the function runs (with "forever": true all after it too; 0: none);
 * the answer then has "allocations", how many there were, and "fired", whether one failed.
 */
#ifndef HR_TESTS_DRIVER_H
#define HR_TESTS_DRIVER_H

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#ifdef HR_FAULTS
#include "faults.h"
#endif

typedef struct driver_command {
    const char *name;
    int (*run)(const json_t *order, json_t *answer, hr_error *error);
} driver_command;

/* What cannot go wrong in a sound program ends it, with the place. */
#define DRIVER_MUST(condition)                                                        \
    do {                                                                              \
        if (!(condition)) {                                                           \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);   \
            abort();                                                                  \
        }                                                                             \
    } while (0)

static inline const char *driver_string(const json_t *order, const char *name)
{
    const char *text = json_string_value(json_object_get(order, name));

    DRIVER_MUST(text != NULL);
    return text;
}

static inline int64_t driver_int(const json_t *order, const char *name, int64_t fallback)
{
    const json_t *value = json_object_get(order, name);

    return json_is_integer(value) ? json_integer_value(value) : fallback;
}

static inline void driver_put(json_t *answer, const char *name, json_t *value)
{
    DRIVER_MUST(json_object_set_new(answer, name, value) == 0);
}

/* Run the command, with allocations failing as the order says. */
static inline int driver_run(const driver_command *command, const json_t *order, json_t *answer, hr_error *error)
{
    int rc;

#ifdef HR_FAULTS
    hr_fault_arm((long)driver_int(order, "fail", 0), json_is_true(json_object_get(order, "forever")));
#endif
    rc = command->run(order, answer, error);
#ifdef HR_FAULTS
    long count = hr_fault_count();
    bool fired = hr_fault_fired();

    hr_fault_arm(0, false);
    if (json_object_get(order, "fail") != NULL) {
        driver_put(answer, "allocations", json_integer(count));
        driver_put(answer, "fired", json_boolean(fired));
    }
#endif
    return rc;
}

static inline int driver_main(const driver_command *commands)
{
    static char line[1 << 20];

    while (fgets(line, sizeof(line), stdin) != NULL) {
        json_t *order = json_loads(line, 0, NULL), *answer = json_object();
        const char *name = driver_string(order, "do");
        const driver_command *command = commands;
        hr_error error;
        char *text;
        int rc;

        while (command->name != NULL && strcmp(command->name, name) != 0)
            command++;
        DRIVER_MUST(command->name != NULL);
        hr_error_clear(&error);
        rc = driver_run(command, order, answer, &error);
        DRIVER_MUST(rc == (int)error.code);
        if (rc != HR_OK)
            driver_put(answer, "error", json_pack("{s:s, s:s, s:b, s:b}", "code", hr_code_name(error.code), "message", error.message,
                                                  "retriable", error.retriable, "fatal", error.fatal));
        text = json_dumps(answer, JSON_COMPACT | JSON_ENSURE_ASCII);
        printf("%s\n", text);
        fflush(stdout);
        free(text);
        json_decref(answer);
        json_decref(order);
    }
    return 0;
}

#endif
