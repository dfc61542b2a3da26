/* tests/io/test_json_text.c: settings as JSON: what jansson reads from them, and without its failures when memory runs out. */
#include "check.h"
#include "core/alloc.h"
#include "faults.h"
#include "io/json_text.h"

static bool failing_jansson; /* whether jansson's allocations are counted, and fail, with csrc's */

static void *jansson_malloc(size_t size)
{
    return failing_jansson ? hr_malloc(size) : malloc(size);
}

static void same_as_jansson(const char *text)
{
    json_t *want = json_loads(text, JSON_REJECT_DUPLICATES, NULL), *got;
    hr_error error;

    CHECK(want != NULL && hr_json_object_read(text, strlen(text), "it", &got, &error) == HR_OK, "%s: %s", text, error.message);
    CHECK(json_equal(got, want), "%s", text);
    json_decref(got);
    json_decref(want);
}

static void refused(const char *text, const char *words)
{
    json_t *got = NULL;
    hr_error error;

    CHECK(hr_json_object_read(text, strlen(text), "it", &got, &error) == HR_EUSAGE && got == NULL, "%s", text);
    CHECK(strncmp(error.message, "it: ", 4) == 0 && strstr(error.message, words) != NULL, "%s: \"%s\" is not in \"%s\"", text, words,
          error.message);
}

static const char mixed[] = "{\"a long name that does not fit at once\": [\"a long text that does not fit at once, either\", 1, 2.5e3, true, "
                            "false, null, {}], \"o\": {\"i\": 9223372036854775807, \"n\": -9223372036854775808, \"e\": \"\"}}";

static void test_read(void)
{
    same_as_jansson("{}");
    same_as_jansson(mixed);
    same_as_jansson(" {\"\\u00e9\\ud83d\\ude00\" : \"\xc3\xa9\\n\\\\\\\"\" } \n");
    same_as_jansson("{\"a\": 0.1, \"b\": -0.0, \"c\": 1e-300, \"d\": -1, \"e\": 1E5}");
}

static void test_refused(void)
{
    refused("", "not valid JSON");
    refused("{", "not valid JSON");
    refused("{\"a\": 1,}", "at byte 8: found }");
    refused("{\"a\": 01}", "not valid JSON");
    refused("{} {}", "not valid JSON");
    refused("{\"a\": \"\xff\"}", "UTF-8");
    refused("{\"a\": \"\\u0000\"}", "\\u0000");
    refused("[1]", "a JSON object is expected");
    refused("null", "a JSON object is expected");
    refused("{\"a\": {\"b\": 1, \"c\": 2, \"b\": 3}}", "the member \"b\" stands there twice");
    refused("{\"a\": 9223372036854775808}", "9223372036854775808 is out of range");
    refused("{\"a\": 1e999}", "1e999 is out of range");
}

static void test_without_memory(void)
{
    json_t *got;
    hr_error error;
    long n = 0;
    int rc;

    do {
        failing_jansson = true;
        hr_fault_arm(++n, false);
        rc = hr_json_object_read(mixed, sizeof(mixed) - 1, "it", &got, &error);
        CHECK(rc == (hr_fault_fired() ? HR_ENOMEM : HR_OK), "allocation %ld: %d", n, rc);
        failing_jansson = false;
        json_decref(got);
    } while (hr_fault_fired());
    hr_fault_arm(0, false);
    CHECK(n > 20, "%ld allocations", n);
}

int main(void)
{
    json_set_alloc_funcs(jansson_malloc, free);
    test_read();
    test_refused();
    test_without_memory();
    return CHECK_DONE();
}
