/* csrc/core/types/type_common.h: what the type_*.c files share: messages, values that arrive in binary, text written in place. */
#ifndef HR_CORE_TYPE_COMMON_H
#define HR_CORE_TYPE_COMMON_H

#include "core/batch.h"
#include "core/bytes.h"
#include "core/utf8.h"

typedef int (*hr_parse_function)(const hr_type *type, hr_token token, const char *s, size_t n, hr_column *out, hr_error *error);

/* The type's name for a message: as the target calls it, else the SQL name of its kind. */
const char *hr_type_label(const hr_type *type);

/* HR_EDATA, reason type: `invalid <what> "<value>"`. */
int hr_type_invalid(const char *what, const char *s, size_t n, hr_error *error);

/* HR_EDATA, reason type, for a COPY BINARY field that cannot be a value of this type. */
int hr_type_bad_field(const hr_type *type, int32_t n, hr_error *error);

/* Text from outside: HR_EDATA, reason encoding, unless s[0..n) is UTF-8 without NUL. Tokens of the JSON decoder have been checked for
 * UTF-8 already, and are only looked through for NUL (which an escape can bring in). */
int hr_type_check_text(const hr_type *type, hr_token token, const char *s, size_t n, hr_error *error);

/* HR_TOKEN_INT64 and HR_TOKEN_FLOAT64 for a type that has no shorter way: print the number as the server would and parse that. */
int hr_type_parse_number_token(hr_parse_function parse, const hr_type *type, hr_token token, const char *s, hr_column *out,
                               hr_error *error);

static inline bool hr_token_is_native(hr_token token)
{
    return token == HR_TOKEN_INT64 || token == HR_TOKEN_FLOAT64;
}

static inline int64_t hr_token_int64(const char *s)
{
    int64_t value;

    memcpy(&value, s, sizeof(value));
    return value;
}

static inline double hr_token_float64(const char *s)
{
    double value;

    memcpy(&value, s, sizeof(value));
    return value;
}

/* Room for one value of up to n bytes in a HR_STORE_BYTES column, to be written in place; NULL when memory runs out. Nothing has
 * changed until hr_column_commit_bytes says how many bytes it came to. */
static inline char *hr_column_begin_bytes(hr_column *column, size_t n, hr_error *error)
{
    if (hr_column_reserve(column, 1, error) != HR_OK)
        return NULL;
    if (HR_UNLIKELY(n > (size_t)INT32_MAX - column->bytes.size)) {
        hr_error_nomem(error);
        return NULL;
    }
    if (hr_buffer_reserve(&column->bytes, n + 1, error) != HR_OK) /* + 1: never a NULL pointer, not even for n == 0 */
        return NULL;
    return (char *)column->bytes.data + column->bytes.size;
}

static inline void hr_column_commit_bytes(hr_column *column, size_t n)
{
    column->bytes.size += n;
    column->offsets[column->length + 1] = (int32_t)column->bytes.size;
    hr_column_finish(column);
}

/* write_binary and write_text of the kinds whose stored bytes are already what is wanted. */
int hr_type_write_stored_field(const hr_type *type, const hr_column *column, int64_t row, hr_buffer *out, hr_error *error);
int hr_type_write_stored_text(const hr_type *type, const hr_column *column, int64_t row, hr_buffer *out, hr_error *error);

#endif
