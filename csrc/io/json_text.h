/* csrc/io/json_text.h: a JSON document as text. */
#ifndef HR_IO_JSON_TEXT_H
#define HR_IO_JSON_TEXT_H

#include <jansson.h>

/* What json_dumps does, for hr_free. NULL when memory runs out, or `document` is NULL: json_dumps itself does not look whether there was
 * room for an object's keys, and hands out what is no JSON then. */
char *hr_json_text_of(const json_t *document, size_t flags);

#endif
