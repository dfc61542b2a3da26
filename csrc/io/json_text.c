/* csrc/io/json_text.c: a JSON document as text. */
#include "json_text.h"

#include "core/arena.h"

typedef struct hr_json_text {
    hr_buffer bytes;
    bool failed;
} hr_json_text;

static int hr_json_text_add(const char *bytes, size_t n, void *arg)
{
    hr_json_text *text = arg;

    text->failed = text->failed || hr_buffer_append(&text->bytes, bytes, n, NULL) != HR_OK;
    return text->failed ? -1 : 0;
}

char *hr_json_text_of(const json_t *document, size_t flags)
{
    hr_json_text text = {{0}, false};

    if (document == NULL || json_dump_callback(document, hr_json_text_add, &text, flags) != 0 || hr_json_text_add("", 1, &text) != 0 ||
        text.failed) {
        hr_buffer_free(&text.bytes);
        return NULL;
    }
    return (char *)text.bytes.data;
}
