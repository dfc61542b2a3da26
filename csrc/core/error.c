/* csrc/core/error.c: filling the error object. */
#include "error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void hr_error_clear(hr_error *error)
{
    if (error == NULL)
        return;
    error->code = HR_OK;
    error->retriable = false;
    error->fatal = false;
    error->reason = HR_REASON_NONE;
    error->row = -1;
    error->column = -1;
    error->offset = -1;
    error->value = NULL;
    error->value_len = 0;
    error->sqlstate[0] = '\0';
    error->message[0] = '\0';
}

/* What the layers above do with a code unless the caller says otherwise afterwards. */
static void hr_error_flags(hr_error *error)
{
    switch (error->code) {
    case HR_EIO:
    case HR_EKAFKA:
    case HR_ESERVER:
    case HR_ENOMEM: error->retriable = true; break;
    case HR_EUSAGE:
    case HR_ESCHEMA:
    case HR_EFENCED:
    case HR_EBALANCE: error->fatal = true; break;
    case HR_OK:
    case HR_EDATA:
    case HR_ECANCELLED: break;
    }
}

int hr_error_set(hr_error *error, hr_code code, const char *format, ...)
{
    va_list args;

    if (error == NULL)
        return code;
    hr_error_clear(error);
    error->code = code;
    hr_error_flags(error);
    va_start(args, format);
    vsnprintf(error->message, sizeof(error->message), format, args);
    va_end(args);
    return code;
}

int hr_error_data(hr_error *error, hr_reason reason, const char *value, size_t value_len, const char *format, ...)
{
    va_list args;

    if (error == NULL)
        return HR_EDATA;
    hr_error_clear(error);
    error->code = HR_EDATA;
    error->reason = reason;
    error->value = value;
    error->value_len = value_len;
    va_start(args, format);
    vsnprintf(error->message, sizeof(error->message), format, args);
    va_end(args);
    return HR_EDATA;
}

int hr_error_nomem(hr_error *error)
{
    return hr_error_set(error, HR_ENOMEM, "out of memory");
}

hr_code hr_code_of_file(int number)
{
    switch (number) {
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case EACCES:
    case EPERM:
    case EROFS:
    case ENAMETOOLONG:
    case ELOOP:
        return HR_EUSAGE;
    default:
        return HR_EIO;
    }
}

const char *hr_reason_name(hr_reason reason)
{
    static const char *const names[HR_REASON_COUNT] = {
        [HR_REASON_NONE] = "none",           [HR_REASON_MALFORMED] = "malformed", [HR_REASON_TYPE] = "type",
        [HR_REASON_RANGE] = "range",         [HR_REASON_NULL] = "null",           [HR_REASON_UNKNOWN_KEY] = "unknown_key",
        [HR_REASON_ENCODING] = "encoding",   [HR_REASON_DEPTH] = "depth",         [HR_REASON_CONSTRAINT] = "constraint",
        [HR_REASON_TOMBSTONE] = "tombstone", [HR_REASON_LATE] = "late",           [HR_REASON_OPERATION] = "operation",
    };
    return (unsigned)reason < HR_REASON_COUNT ? names[reason] : "none";
}

const char *hr_code_name(hr_code code)
{
    switch (code) {
    case HR_OK: return "ok";
    case HR_ENOMEM: return "out of memory";
    case HR_EUSAGE: return "usage";
    case HR_EDATA: return "data";
    case HR_ESCHEMA: return "schema";
    case HR_ESERVER: return "server";
    case HR_EKAFKA: return "kafka";
    case HR_EIO: return "io";
    case HR_EFENCED: return "fenced";
    case HR_EBALANCE: return "balance";
    case HR_ECANCELLED: return "cancelled";
    }
    return "unknown";
}
