/* csrc/core/types/jsonb_text.h: JSON text in the form in which the server prints jsonb. */
#ifndef HR_CORE_JSONB_TEXT_H
#define HR_CORE_JSONB_TEXT_H

#include "core/arena.h"

/* Append the JSON text s[0..n) as jsonb_out prints it: keys sorted by length, then by bytes, the last of equal keys kept, ": " and ", "
 * between, numbers without exponents, strings with the fewest escapes.
 * HR_ENOMEM; HR_EDATA when it is no JSON that jsonb can hold, or when numbers like 1e100000 would lengthen it by more than 16 MB
 * (range). In all cases of failure out->size is what it was. */
int hr_jsonb_canonical(const char *s, size_t n, hr_buffer *out, hr_error *error);

#endif
