/* csrc/io/json_text.h: a JSON document from text and as text. jansson holds the document; its own reader and writer do not stand memory
 * running out: the reader overlooks that a token could not grow and then writes past its copy (akheron/jansson #362), the writer hands out
 * what is no JSON. */
#ifndef HR_IO_JSON_TEXT_H
#define HR_IO_JSON_TEXT_H

#include <jansson.h>

#include "core/error.h"

/* The object s[0..n) stands for, *out for json_decref; NULL when it fails: HR_EUSAGE, when the text is no JSON object, names a member
 * twice or holds a number that is out of range, with `what` as the subject of the message; HR_ENOMEM. */
int hr_json_object_read(const char *s, size_t n, const char *what, json_t **out, hr_error *error);

/* What json_dumps does, for hr_free. NULL when memory runs out, or `document` is NULL. */
char *hr_json_text_of(const json_t *document, size_t flags);

#endif
