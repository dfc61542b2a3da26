/* csrc/core/error.h: the one error object of Headrace.
 *
 * Every function that can fail returns an int (HR_OK or an hr_code) and takes a caller-owned hr_error as its last
 * parameter. A caller that does not care passes NULL. The two flags decide what the layers above do: `retriable` becomes
 * an Airflow retry and exit code 3, `fatal` fails at once and becomes exit code 4. HR_EDATA is neither: it condemns one
 * record, which becomes a reject, and the load goes on.
 */
#ifndef HR_CORE_ERROR_H
#define HR_CORE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum hr_code {
    HR_OK = 0,
    HR_ENOMEM,    /* an allocation failed; nothing was changed */
    HR_EUSAGE,    /* the caller asked for something that cannot be (configuration, arguments) */
    HR_EDATA,     /* one record cannot become a row: reject it and go on */
    HR_ESCHEMA,   /* the target's definition cannot be used, or changed while we were loading */
    HR_ESERVER,   /* PostgreSQL refused; `sqlstate` says why */
    HR_EKAFKA,    /* librdkafka or a broker refused */
    HR_EIO,       /* a file or a socket failed */
    HR_EFENCED,   /* another worker took this job over */
    HR_EBALANCE,  /* read != loaded + rejected + skipped: a defect; the run is rolled back */
    HR_ECANCELLED /* the caller asked us to stop */
} hr_code;

/* Why a record was rejected. The name (hr_reason_name) is stored in headrace.dead_letters.reason and never changes. */
typedef enum hr_reason {
    HR_REASON_NONE = 0,
    HR_REASON_MALFORMED,   /* not a document of the format at all (broken JSON, unbalanced quote, truncated) */
    HR_REASON_TYPE,        /* a value is not of the column's type */
    HR_REASON_RANGE,       /* right type, but outside what the column can hold (int4, numeric(p,s), varchar(n), dates) */
    HR_REASON_NULL,        /* null or missing where the column is NOT NULL and has no default */
    HR_REASON_UNKNOWN_KEY, /* a key no column names, under unknown=reject */
    HR_REASON_ENCODING,    /* invalid UTF-8, NUL in text, a lone surrogate */
    HR_REASON_DEPTH,       /* nested deeper than HR_MAX_DEPTH */
    HR_REASON_CONSTRAINT,  /* the server refused the row: check, foreign key, unique, exclusion, domain, trigger */
    HR_REASON_TOMBSTONE,   /* a null message under tombstones=reject */
    HR_REASON_OPERATION,   /* a change event that can be no row of this load: a delete, a truncate, a message about something else */
    HR_REASON_LATE,        /* event time behind the watermark (windows) */
    HR_REASON_COUNT
} hr_reason;

#define HR_ERROR_MESSAGE_SIZE 1024

typedef struct hr_error {
    hr_code code;
    bool retriable;
    bool fatal;
    hr_reason reason; /* for HR_EDATA */
    int64_t row;      /* index in the batch or chunk, -1 when not about a row */
    int32_t column;   /* index in the schema, -1 when not about a column */
    int64_t offset;   /* byte offset inside the record where it went wrong, -1 when unknown */
    const char *value; /* HR_EDATA: the offending value, pointing into the record or the decoder's scratch;
                          valid until the decoder is called again */
    size_t value_len;
    char sqlstate[6]; /* for HR_ESERVER; "" otherwise */
    char message[HR_ERROR_MESSAGE_SIZE];
} hr_error;

#if defined(__GNUC__)
#define HR_PRINTF(fmt, args) __attribute__((format(printf, fmt, args), cold))
#define HR_LIKELY(x) __builtin_expect(!!(x), 1)
#define HR_UNLIKELY(x) __builtin_expect(!!(x), 0)
#else
#define HR_PRINTF(fmt, args)
#define HR_LIKELY(x) (x)
#define HR_UNLIKELY(x) (x)
#endif

/* Make *error mean "no error". */
void hr_error_clear(hr_error *error);

/* Fill *error (when not NULL) and return `code`, so that a failing function ends in `return hr_error_set(...)`.
 * Sets the default flags of the code: EIO, EKAFKA, ESERVER retriable; EUSAGE, ESCHEMA, EFENCED, EBALANCE fatal; ENOMEM retriable. */
int hr_error_set(hr_error *error, hr_code code, const char *format, ...) HR_PRINTF(3, 4);

/* The same for one record's data: code HR_EDATA with a reason and the offending value (may be NULL, 0).
 * The column is filled in by the caller that knows it (hr_decoder). */
int hr_error_data(hr_error *error, hr_reason reason, const char *value, size_t value_len, const char *format, ...)
    HR_PRINTF(5, 6);

/* "out of memory" without allocating. Returns HR_ENOMEM. */
int hr_error_nomem(hr_error *error);

/* What a file that cannot be made or written is, by errno: HR_EUSAGE when its name or its folder is wrong, so that trying again later
 * does not help; HR_EIO for all else (a full disk, too many open files). */
hr_code hr_code_of_file(int number);

const char *hr_reason_name(hr_reason reason); /* "malformed", "type", "range", "null", ... */
const char *hr_code_name(hr_code code);

#define HR_RETURN_NOT_OK(expr)                    \
    do {                                          \
        int hr_rc_ = (expr);                      \
        if (HR_UNLIKELY(hr_rc_ != HR_OK))         \
            return hr_rc_;                        \
    } while (0)

#endif
