/* csrc/io/postgres.h: one PostgreSQL connection that answers a cancel within a moment.
 *
 * libpq is used without blocking; every wait looks at the caller's cancel flag ten times a second. The session is set so that text means
 * the same everywhere: UTF8, DateStyle ISO, IntervalStyle postgres, TimeZone UTC; and so that a transaction sees what others have committed
 * meanwhile (READ COMMITTED), whatever the role or database prefers: the protocol rests on it.
 */
#ifndef HR_IO_POSTGRES_H
#define HR_IO_POSTGRES_H

#include <libpq-fe.h>
#include <stdatomic.h>

#include "core/arena.h"

typedef struct hr_pg {
    PGconn *conn;
    const atomic_bool *cancel; /* NULL: cannot be cancelled */
    int grace_ms;           /* how long after it was seen a cancel is heard: 0 at once */
    int64_t cancel_seen_ms;    /* 0: not yet */
    int server_version;
    uint32_t prepared; /* bit n: statement n of hr_pg_prepare is known to this session */
    char place[256]; /* what the last refusal was about: ends in a space and the column's name; "" when the server does not tell */
} hr_pg;

/* Connect. `dsn` is a conninfo string or URI; what it leaves out comes from the environment, as in psql. Messages never repeat the dsn
 * (it may hold a password). Unreachable: HR_ESERVER, retriable; refused credentials or database: fatal. */
int hr_pg_open(const char *dsn, const char *application_name, const atomic_bool *cancel, hr_pg **out, hr_error *error);
/* The same for last words: a cancel, be it raised already, is heard only grace_ms after it was first seen. */
int hr_pg_open_patient(const char *dsn, const char *application_name, const atomic_bool *cancel, int grace_ms, hr_pg **out,
                       hr_error *error);
/* NULL is fine. An open transaction is rolled back by the server; what it is busy with is interrupted, so that no lock is kept. */
void hr_pg_close(hr_pg *pg);

/* Let every commit of this session wait for the server's disk, also where the server, the database or the user has that switched off. */
int hr_pg_commit_synchronously(hr_pg *pg, hr_error *error);

/* Run one or more statements without parameters; *out (may be NULL) receives the last result, to be freed with PQclear. */
int hr_pg_exec(hr_pg *pg, const char *sql, PGresult **out, hr_error *error);
/* Run one statement with text parameters (NULL = null). */
int hr_pg_query(hr_pg *pg, const char *sql, int count, const char *const *values, PGresult **out, hr_error *error);

/* A statement that is run for every batch: parsed and planned once a session. `number` is below 32 and goes with the name. */
typedef struct hr_pg_statement {
    unsigned number;
    const char *name;
    const char *sql;
} hr_pg_statement;
/* Make the statement known, when it is not; for EXECUTE in the text of hr_pg_exec, or hr_pg_execute. */
int hr_pg_prepare(hr_pg *pg, const hr_pg_statement *statement, hr_error *error);
/* hr_pg_query of a statement that is prepared when it is not. */
int hr_pg_execute(hr_pg *pg, const hr_pg_statement *statement, int count, const char *const *values, PGresult **out, hr_error *error);

/* COMMIT. A cancel raised before keeps it from being sent; afterwards the server's answer is waited for, some seconds if need be, so that
 * what is said to have been rolled back was. */
int hr_pg_commit(hr_pg *pg, hr_error *error);

/* COPY ... FROM STDIN: begin, put any number of times, end (which gives the server's row count). After a failure of any of them the
 * COPY is over and the transaction is aborted. */
int hr_pg_copy_begin(hr_pg *pg, const char *sql, hr_error *error);
int hr_pg_copy_put(hr_pg *pg, const void *bytes, size_t n, hr_error *error);
int hr_pg_copy_end(hr_pg *pg, int64_t *rows, hr_error *error);
/* Leave a COPY that we cannot finish, with a reason for the server's log. */
void hr_pg_copy_abort(hr_pg *pg, const char *why);

/* COPY ... TO STDOUT: begin with hr_pg_copy_begin; each get hands out one row's bytes to be freed with PQfreemem; *n = 0 when none came
 * within timeout_ms, -1 at the end. */
int hr_pg_copy_get(hr_pg *pg, int timeout_ms, char **bytes, int *n, hr_error *error);

/* Whether the connection is gone (as opposed to a refused statement). */
bool hr_pg_lost(const hr_pg *pg);
/* Whether the data of a row was refused, by the server or by our encoder: what a reject can heal. error->reason says why it was. */
bool hr_pg_is_data_error(const hr_error *error);

/* Append an identifier quoted by the server's rules. */
int hr_pg_quote_ident(hr_buffer *out, const char *name, hr_error *error);
/* Append "schema"."name". */
int hr_pg_quote_table(hr_buffer *out, const char *schema, const char *name, hr_error *error);
/* Append a string literal. */
int hr_pg_quote_literal(hr_buffer *out, const char *text, hr_error *error);
/* Append text. */
int hr_sql(hr_buffer *out, hr_error *error, const char *format, ...) HR_PRINTF(3, 4);

#endif
