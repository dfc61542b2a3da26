/* csrc/io/postgres.c: connecting, waiting, running statements and COPY on libpq. */
#include "postgres.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#define HR_PG_SLICE_MS 50
#define HR_PG_CONNECT_SECONDS 30
#define HR_PG_INTERRUPT_MS 1000 /* how long we wait for an interruption to be on its way */
#define HR_PG_COMMIT_MS 1500    /* how long a cancel leaves a COMMIT alone, and then how long it may take to give up */

static int64_t hr_pg_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Whether the caller wants us to stop, and what should come to its end first has had its time. */
static bool hr_pg_cancelled(hr_pg *pg)
{
    int64_t now;

    if (pg->cancel == NULL || !atomic_load_explicit(pg->cancel, memory_order_relaxed))
        return false;
    if (pg->grace_ms == 0)
        return true;
    now = hr_pg_now_ms();
    if (pg->cancel_seen_ms == 0)
        pg->cancel_seen_ms = now;
    return now - pg->cancel_seen_ms >= pg->grace_ms;
}

bool hr_pg_lost(const hr_pg *pg)
{
    return pg->conn == NULL || PQstatus(pg->conn) == CONNECTION_BAD;
}

bool hr_pg_is_data_error(const hr_error *error)
{
    return error->code == HR_EDATA || (error->code == HR_ESERVER && error->reason != HR_REASON_NONE);
}

/* Why a row was refused, by the server's state; NONE when no row is to blame. `field`: it was one field of a COPY. */
static hr_reason hr_pg_reason(const char *state, bool field)
{
    static const struct {
        const char *state;
        hr_reason reason;
    } known[] = {
        {"22001", HR_REASON_RANGE},      /* string too long */
        {"22003", HR_REASON_RANGE},      /* number out of range */
        {"22008", HR_REASON_RANGE},      /* date or time field out of range */
        {"22015", HR_REASON_RANGE},      /* interval field out of range */
        {"22021", HR_REASON_ENCODING},   /* not a character of the encoding */
        {"22026", HR_REASON_RANGE},      /* bit string of another length */
        {"22P05", HR_REASON_ENCODING},   /* \u0000 */
        {"23502", HR_REASON_NULL},
        {"44000", HR_REASON_CONSTRAINT}, /* WITH CHECK OPTION */
        {"54000", HR_REASON_RANGE},      /* an index row too large */
        {"21000", HR_REASON_CONSTRAINT}, /* two rows of one key in one upsert: healed by taking them one after the other */
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(state, known[i].state) == 0)
            return known[i].reason;
    if (strncmp(state, "23", 2) == 0) /* integrity: check, unique, foreign key, exclusion */
        return HR_REASON_CONSTRAINT;
    if (strncmp(state, "P0", 2) == 0) /* RAISE, ASSERT and the like in a trigger */
        return HR_REASON_CONSTRAINT;
    /* RAISE ... USING ERRCODE: the standard leaves classes from 5 to 9 and from I to Z to others, of which PostgreSQL keeps the missing
     * ones for itself */
    if (strchr("6789IJKLMNOPQRSTUVWYZ", state[0]) != NULL)
        return HR_REASON_CONSTRAINT;
    if (strncmp(state, "22", 2) == 0) /* data exception: what only the type's input or a generated column sees */
        return field ? HR_REASON_TYPE : HR_REASON_CONSTRAINT;
    /* tsvector, tsquery and jsonpath call a bad value a syntax error, regclass and its kin an undefined object */
    return field && strncmp(state, "42", 2) == 0 && strcmp(state, "42501") != 0 ? HR_REASON_TYPE : HR_REASON_NONE;
}

/* Fill pg->place. For a COPY only the error's context tells it, in the server's language, but always as the last word before a colon or
 * the line's end: "COPY t, line 1, column c: ...". Returns whether it is one field of a COPY. */
static bool hr_pg_note_place(hr_pg *pg, const char *column, const char *context)
{
    const char *copy = context != NULL ? strstr(context, "COPY ") : NULL;
    size_t n = copy != NULL ? strcspn(copy, ":\n") : 0, word;

    pg->place[0] = '\0';
    if (column != NULL) {
        snprintf(pg->place, sizeof(pg->place), " %s", column);
        return false;
    }
    while (n > 0 && copy[n - 1] == ' ')
        n--;
    for (word = n; word > 0 && copy[word - 1] >= '0' && copy[word - 1] <= '9'; word--)
        ;
    if (n == 0 || n >= sizeof(pg->place) || copy[word - 1] == ' ') /* the last word is the line's number */
        return false;
    memcpy(pg->place, copy, n);
    pg->place[n] = '\0';
    return true;
}

/* Server states after which trying again later may help. */
static bool hr_pg_retriable(const char *state)
{
    return strncmp(state, "08", 2) == 0 || strncmp(state, "53", 2) == 0 || strncmp(state, "57P", 3) == 0 || strncmp(state, "58", 2) == 0 ||
           strncmp(state, "40", 2) == 0 || strcmp(state, "55P03") == 0 || strcmp(state, "55006") == 0 || strcmp(state, "57014") == 0 ||
           strcmp(state, "25P03") == 0 || strcmp(state, "25P04") == 0 || strcmp(state, "25006") == 0; /* a standby may be made primary */
}

/* The message of libpq without its trailing newline. */
static void hr_pg_trim(char *message)
{
    size_t n = strlen(message);

    while (n > 0 && (message[n - 1] == '\n' || message[n - 1] == ' '))
        message[--n] = '\0';
}

/* Turn a failed result, or the connection's own message when result is NULL, into *error. Returns its code. */
static int hr_pg_fail(hr_pg *pg, const PGresult *result, hr_error *error)
{
    const char *state = result != NULL ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    const char *primary = result != NULL ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    const char *detail = result != NULL ? PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL) : NULL;
    const char *context = result != NULL ? PQresultErrorField(result, PG_DIAG_CONTEXT) : NULL;
    const char *column = result != NULL ? PQresultErrorField(result, PG_DIAG_COLUMN_NAME) : NULL;
    const char *hint = result != NULL ? PQresultErrorField(result, PG_DIAG_MESSAGE_HINT) : NULL;
    const char *where = result != NULL ? PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION) : NULL;

    if (hr_pg_cancelled(pg))
        return hr_error_set(error, HR_ECANCELLED, "stopped by the caller; the open transaction was rolled back");
    if (hr_pg_lost(pg) || primary == NULL) {
        hr_error_set(error, HR_ESERVER, "the connection to PostgreSQL was lost: %s", primary != NULL ? primary : PQerrorMessage(pg->conn));
        if (error != NULL) {
            hr_pg_trim(error->message);
            snprintf(error->sqlstate, sizeof(error->sqlstate), "%s", state != NULL ? state : "08006");
        }
        return HR_ESERVER;
    }
    if (state != NULL && strcmp(state, "25006") == 0 && hint == NULL)
        hint = "this server is a standby, or default_transaction_read_only is on; target_session_attrs=read-write in the connection string "
               "finds the primary among several hosts";
    hr_error_set(error, HR_ESERVER, "PostgreSQL: %s%s%s%s%s%s%s%s", primary, detail ? " (" : "", detail ? detail : "", detail ? ")" : "",
                 hint ? "; hint: " : "", hint ? hint : "", context ? "; in " : "", context ? context : "");
    if (error != NULL) {
        snprintf(error->sqlstate, sizeof(error->sqlstate), "%s", state != NULL ? state : "XX000");
        error->retriable = hr_pg_retriable(error->sqlstate);
        error->fatal = !error->retriable;
        error->reason = hr_pg_reason(error->sqlstate, hr_pg_note_place(pg, column, context));
        /* a row that a policy of row security forbids has the state of a missing privilege, which is no row's fault */
        if (strcmp(error->sqlstate, "42501") == 0 && where != NULL && strcmp(where, "ExecWithCheckOptions") == 0)
            error->reason = HR_REASON_CONSTRAINT;
    }
    return HR_ESERVER;
}

/* Wait until the socket is readable (or writable when asked), the cancel flag rises, or the deadline (ms, 0 = none) passes.
 * Returns HR_OK on activity, HR_ECANCELLED, or HR_EIO at the deadline. */
static int hr_pg_poll(hr_pg *pg, short events, int64_t deadline, hr_error *error)
{
    struct pollfd fd = {.fd = PQsocket(pg->conn), .events = events, .revents = 0};

    if (fd.fd < 0)
        return hr_pg_fail(pg, NULL, error);
    for (;;) {
        int rc;

        if (hr_pg_cancelled(pg))
            return hr_error_set(error, HR_ECANCELLED, "stopped by the caller; the open transaction was rolled back");
        rc = poll(&fd, 1, HR_PG_SLICE_MS);
        if (rc > 0)
            return HR_OK;
        if (rc < 0 && errno != EINTR)
            return hr_error_set(error, HR_EIO, "waiting for PostgreSQL failed: %s", strerror(errno));
        if (deadline != 0 && hr_pg_now_ms() > deadline)
            return hr_error_set(error, HR_EIO, "time-out");
    }
}

/* An interruption on its way, shared by the thread that sends it and the one that waits for it. */
typedef struct hr_pg_interruption {
    PGcancel *cancel;
    atomic_int refs;
    atomic_bool sent;
} hr_pg_interruption;

static void hr_pg_interruption_release(hr_pg_interruption *interruption)
{
    if (atomic_fetch_sub(&interruption->refs, 1) > 1)
        return;
    PQfreeCancel(interruption->cancel);
    hr_free(interruption);
}

static void *hr_pg_interruption_send(void *arg)
{
    hr_pg_interruption *interruption = arg;
    char message[256];

    PQcancel(interruption->cancel, message, sizeof(message));
    atomic_store(&interruption->sent, true);
    hr_pg_interruption_release(interruption);
    return NULL;
}

/* Tell the server to give up what it is doing. PQcancel makes a connection of its own and waits until the server hangs up, however long
 * that takes on a wire that is dead; so a thread does it, which is left to itself after a moment. Without memory it is left out: then the
 * server finds out by itself. */
static void hr_pg_interrupt(hr_pg *pg)
{
    PGcancel *cancel = PQgetCancel(pg->conn);
    hr_pg_interruption *interruption = cancel != NULL ? hr_calloc(1, sizeof(*interruption)) : NULL;
    sigset_t all, before;
    pthread_t thread;
    int rc;

    if (interruption == NULL) {
        PQfreeCancel(cancel);
        return;
    }
    interruption->cancel = cancel;
    atomic_init(&interruption->refs, 2);
    sigfillset(&all); /* signals are for the caller's threads */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&thread, NULL, hr_pg_interruption_send, interruption);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc == 0) {
        pthread_detach(thread);
        for (int waited = 0; waited < HR_PG_INTERRUPT_MS && !atomic_load(&interruption->sent); waited += 2)
            nanosleep(&(struct timespec){.tv_nsec = 2 * 1000000L}, NULL);
    } else {
        hr_pg_interruption_release(interruption);
    }
    hr_pg_interruption_release(interruption);
}

/* Send what libpq holds back. */
static int hr_pg_flush(hr_pg *pg, hr_error *error)
{
    for (;;) {
        int rc = PQflush(pg->conn);

        if (rc == 0)
            return HR_OK;
        if (rc < 0)
            return hr_pg_fail(pg, NULL, error);
        /* Read as well: a server that blocks on sending to us would never read what we send. */
        HR_RETURN_NOT_OK(hr_pg_poll(pg, POLLIN | POLLOUT, 0, error));
        if (PQconsumeInput(pg->conn) == 0)
            return hr_pg_fail(pg, NULL, error);
    }
}

/* The next result of the running statements, NULL at the end. */
static int hr_pg_next(hr_pg *pg, PGresult **out, hr_error *error)
{
    *out = NULL;
    while (PQisBusy(pg->conn)) {
        HR_RETURN_NOT_OK(hr_pg_poll(pg, POLLIN, 0, error));
        if (PQconsumeInput(pg->conn) == 0)
            return hr_pg_fail(pg, NULL, error);
    }
    *out = PQgetResult(pg->conn);
    return HR_OK;
}

/* Read all results; keep the last good one in *out; the first error wins. Stops at a COPY state, which it leaves open. */
static int hr_pg_drain(hr_pg *pg, PGresult **out, hr_error *error)
{
    PGresult *last = NULL;
    int rc = HR_OK;

    for (;;) {
        PGresult *result;
        int step = hr_pg_next(pg, &result, rc == HR_OK ? error : NULL);

        if (step != HR_OK) {
            rc = rc == HR_OK ? step : rc;
            break;
        }
        if (result == NULL)
            break;
        switch (PQresultStatus(result)) {
        case PGRES_COMMAND_OK:
        case PGRES_TUPLES_OK:
        case PGRES_EMPTY_QUERY:
            PQclear(last);
            last = result;
            continue;
        case PGRES_COPY_IN:
        case PGRES_COPY_OUT:
            PQclear(last);
            last = result;
            if (out != NULL)
                *out = last;
            else
                PQclear(last);
            return rc;
        default:
            if (rc == HR_OK)
                rc = hr_pg_fail(pg, result, error);
            PQclear(result);
            if (hr_pg_lost(pg))
                break;
            continue;
        }
        break;
    }
    if (rc == HR_OK && out != NULL)
        *out = last;
    else
        PQclear(last);
    return rc;
}

int hr_pg_exec(hr_pg *pg, const char *sql, PGresult **out, hr_error *error)
{
    if (out != NULL)
        *out = NULL;
    if (!PQsendQuery(pg->conn, sql))
        return hr_pg_fail(pg, NULL, error);
    HR_RETURN_NOT_OK(hr_pg_flush(pg, error));
    return hr_pg_drain(pg, out, error);
}

int hr_pg_query(hr_pg *pg, const char *sql, int count, const char *const *values, PGresult **out, hr_error *error)
{
    if (out != NULL)
        *out = NULL;
    if (!PQsendQueryParams(pg->conn, sql, count, NULL, values, NULL, NULL, 0))
        return hr_pg_fail(pg, NULL, error);
    HR_RETURN_NOT_OK(hr_pg_flush(pg, error));
    return hr_pg_drain(pg, out, error);
}

int hr_pg_prepare(hr_pg *pg, const hr_pg_statement *statement, hr_error *error)
{
    uint32_t bit = UINT32_C(1) << statement->number;

    if (pg->prepared & bit)
        return HR_OK;
    if (!PQsendPrepare(pg->conn, statement->name, statement->sql, 0, NULL))
        return hr_pg_fail(pg, NULL, error);
    HR_RETURN_NOT_OK(hr_pg_flush(pg, error));
    HR_RETURN_NOT_OK(hr_pg_drain(pg, NULL, error));
    pg->prepared |= bit;
    return HR_OK;
}

int hr_pg_execute(hr_pg *pg, const hr_pg_statement *statement, int count, const char *const *values, PGresult **out, hr_error *error)
{
    if (out != NULL)
        *out = NULL;
    HR_RETURN_NOT_OK(hr_pg_prepare(pg, statement, error));
    if (!PQsendQueryPrepared(pg->conn, statement->name, count, values, NULL, NULL, 0))
        return hr_pg_fail(pg, NULL, error);
    HR_RETURN_NOT_OK(hr_pg_flush(pg, error));
    return hr_pg_drain(pg, out, error);
}

int hr_pg_commit(hr_pg *pg, hr_error *error)
{
    int rc;

    if (hr_pg_cancelled(pg))
        return hr_error_set(error, HR_ECANCELLED, "stopped by the caller; the open transaction was rolled back");
    pg->grace_ms = HR_PG_COMMIT_MS;
    pg->cancel_seen_ms = 0;
    rc = hr_pg_exec(pg, "COMMIT", NULL, error);
    if (rc == HR_ECANCELLED && !hr_pg_lost(pg)) {
        hr_pg_interrupt(pg);
        pg->cancel_seen_ms = 0;
        rc = hr_pg_drain(pg, NULL, NULL);
        if (rc == HR_OK)
            hr_error_clear(error);
        else
            rc = HR_ECANCELLED; /* *error says so already */
    }
    pg->grace_ms = 0;
    return rc;
}

int hr_pg_copy_begin(hr_pg *pg, const char *sql, hr_error *error)
{
    PGresult *result = NULL;
    ExecStatusType status;

    HR_RETURN_NOT_OK(hr_pg_exec(pg, sql, &result, error));
    status = result != NULL ? PQresultStatus(result) : PGRES_FATAL_ERROR;
    PQclear(result);
    if (status != PGRES_COPY_IN && status != PGRES_COPY_OUT)
        return hr_error_set(error, HR_ESERVER, "PostgreSQL did not start the COPY");
    return HR_OK;
}

int hr_pg_copy_put(hr_pg *pg, const void *bytes, size_t n, hr_error *error)
{
    const char *at = bytes;

    /* Pieces, so that libpq's own buffer stays small whatever we are handed. */
    while (n > 0) {
        int piece = n > 131072 ? 131072 : (int)n;
        int rc = PQputCopyData(pg->conn, at, piece);

        if (rc < 0)
            return hr_pg_fail(pg, NULL, error);
        HR_RETURN_NOT_OK(hr_pg_flush(pg, error));
        if (rc == 0)
            continue; /* libpq had no room; it has now */
        at += piece;
        n -= (size_t)piece;
    }
    return HR_OK;
}

int hr_pg_copy_end(hr_pg *pg, int64_t *rows, hr_error *error)
{
    PGresult *result = NULL;
    int rc;

    *rows = 0;
    while ((rc = PQputCopyEnd(pg->conn, NULL)) == 0)
        HR_RETURN_NOT_OK(hr_pg_flush(pg, error));
    if (rc < 0)
        return hr_pg_fail(pg, NULL, error);
    HR_RETURN_NOT_OK(hr_pg_flush(pg, error));
    HR_RETURN_NOT_OK(hr_pg_drain(pg, &result, error));
    if (result != NULL) {
        const char *tuples = PQcmdTuples(result);
        *rows = tuples[0] != '\0' ? strtoll(tuples, NULL, 10) : 0;
        PQclear(result);
    }
    return HR_OK;
}

void hr_pg_copy_abort(hr_pg *pg, const char *why)
{
    if (hr_pg_lost(pg))
        return;
    if (PQputCopyEnd(pg->conn, why) == 1 && hr_pg_flush(pg, NULL) == HR_OK)
        hr_pg_drain(pg, NULL, NULL); /* the error it reports is our own */
}

int hr_pg_copy_get(hr_pg *pg, int timeout_ms, char **bytes, int *n, hr_error *error)
{
    int64_t deadline = hr_pg_now_ms() + timeout_ms;

    for (;;) {
        int rc = PQgetCopyData(pg->conn, bytes, 1);

        if (rc > 0) {
            *n = rc;
            return HR_OK;
        }
        *bytes = NULL;
        *n = -1;
        if (rc == -2)
            return hr_pg_fail(pg, NULL, error);
        if (rc == -1)
            return hr_pg_drain(pg, NULL, error);
        if (hr_pg_now_ms() >= deadline) {
            *n = 0;
            return HR_OK;
        }
        rc = hr_pg_poll(pg, POLLIN, deadline, error);
        if (rc == HR_EIO && hr_pg_now_ms() >= deadline)
            continue;
        HR_RETURN_NOT_OK(rc);
        if (PQconsumeInput(pg->conn) == 0)
            return hr_pg_fail(pg, NULL, error);
    }
}

/* Cut the server's state out of libpq's verbose words about a failed connection, "FATAL:  57P03: the database...", and the lines that only
 * say where in the server's source that is. The state in *state; "" when no server has answered. With several hosts the last one's. */
static void hr_pg_cut_state(char *message, char state[6])
{
    char *from = message, *to = message;

    state[0] = '\0';
    while (*from != '\0') {
        size_t line = strcspn(from, "\n");
        char *colon = memmem(from, line, ":  ", 3);
        bool found = false;

        line += from[line] == '\n';
        while (colon != NULL && !found) {
            size_t left = line - (size_t)(colon - from);
            found = left > 10 && strspn(colon + 3, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5 && colon[8] == ':' && colon[9] == ' ';
            if (!found)
                colon = memmem(colon + 3, left - 3, ":  ", 3);
        }
        if (found) {
            size_t head = (size_t)(colon + 3 - from), tail = line - head - 7;
            memcpy(state, colon + 3, 5);
            state[5] = '\0';
            memmove(to, from, head);
            memmove(to + head, from + head + 7, tail);
            to += head + tail;
        } else if (state[0] == '\0' || to == message || memmem(from, line, ".c:", 3) == NULL) {
            memmove(to, from, line);
            to += line;
        }
        from += line;
    }
    *to = '\0';
}

/* What went wrong while connecting, without repeating the dsn. A server that answers with a refusal is fatal, unless it is one of those
 * that pass by; silence is not. */
static int hr_pg_connect_error(hr_pg *pg, hr_error *error)
{
    char message[1024], state[6];

    snprintf(message, sizeof(message), "%s", PQerrorMessage(pg->conn));
    hr_pg_cut_state(message, state);
    hr_pg_trim(message);
    hr_error_set(error, HR_ESERVER, "cannot connect to PostgreSQL: %s", message);
    if (error == NULL)
        return HR_ESERVER;
    snprintf(error->sqlstate, sizeof(error->sqlstate), "%s", state[0] != '\0' ? state : "08001");
    error->retriable = hr_pg_retriable(error->sqlstate);
    error->fatal = !error->retriable;
    return HR_ESERVER;
}

/* Drive the non-blocking connect to its end. */
static int hr_pg_connect(hr_pg *pg, hr_error *error)
{
    int64_t deadline = hr_pg_now_ms() + HR_PG_CONNECT_SECONDS * 1000;
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;

    while (state != PGRES_POLLING_OK) {
        int rc;

        if (state == PGRES_POLLING_FAILED || PQstatus(pg->conn) == CONNECTION_BAD)
            return hr_pg_connect_error(pg, error);
        rc = hr_pg_poll(pg, state == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline, error);
        if (rc == HR_EIO)
            return hr_error_set(error, HR_ESERVER, "cannot connect to PostgreSQL: no answer from \"%s\" within %d seconds",
                                PQhost(pg->conn) != NULL ? PQhost(pg->conn) : "", HR_PG_CONNECT_SECONDS);
        HR_RETURN_NOT_OK(rc);
        state = PQconnectPoll(pg->conn);
    }
    return HR_OK;
}

/* NOTICEs (a trigger's RAISE NOTICE, "table does not exist, skipping") are not for stderr of a task. */
static void hr_pg_no_notice(void *arg, const PGresult *result)
{
    (void)arg;
    (void)result;
}

/* Whether these can be names of hosts, with commas between. Neither a name nor an address has an @ in it, but a folder of sockets may, and
 * what begins with an @ is a socket without a file. */
static bool hr_pg_hosts(const char *hosts)
{
    for (const char *at = strchr(hosts, '@'); at != NULL; at = strchr(at + 1, '@')) {
        const char *start = at;

        while (start > hosts && start[-1] != ',')
            start--;
        if (start != at && start[0] != '/' && start[0] != '@')
            return false;
    }
    return true;
}

/* Whether libpq can read the connection string. Neither it nor libpq's own words about it are repeated: they may hold a password. So may a
 * "port" that is no number, or a "host" with an @: postgresql://user:pass/word@host and postgresql://user:pass@word@host have them in the
 * eyes of libpq. */
static int hr_pg_check_dsn(const char *dsn, hr_error *error)
{
    PQconninfoOption *parsed = NULL;
    char *ignored = NULL;
    bool readable;

    if (dsn[0] == '\0')
        return HR_OK;
    if (strchr(dsn, '=') != NULL || strstr(dsn, "://") != NULL)
        parsed = PQconninfoParse(dsn, &ignored);
    PQfreemem(ignored);
    readable = parsed != NULL;
    for (PQconninfoOption *option = parsed; readable && option->keyword != NULL; option++) {
        if (option->val == NULL)
            continue;
        if (strcmp(option->keyword, "port") == 0)
            readable = option->val[strspn(option->val, "0123456789, ")] == '\0';
        else if (strcmp(option->keyword, "host") == 0)
            readable = hr_pg_hosts(option->val);
    }
    PQconninfoFree(parsed);
    return readable ? HR_OK
                    : hr_error_set(error, HR_EUSAGE,
                                   "the PostgreSQL connection string cannot be read (it is not shown because it may hold a password); "
                                   "write host=... port=... dbname=... user=..., with 'quotes' around values that hold blanks, or "
                                   "postgresql://user@host:port/dbname, with / ? # @ : in a name or password as %%2F %%3F %%23 %%40 %%3A");
}

int hr_pg_open(const char *dsn, const char *application_name, const atomic_bool *cancel, hr_pg **out, hr_error *error)
{
    return hr_pg_open_patient(dsn, application_name, cancel, 0, out, error);
}

int hr_pg_open_patient(const char *dsn, const char *application_name, const atomic_bool *cancel, int grace_ms, hr_pg **out, hr_error *error)
{
    /* What stands before the dsn can be overruled by it. A wire that is silently gone is noticed after a minute and a half, at both ends:
     * the server would keep the locks of a lost session for two hours. */
    const char *const keys[] = {
        "keepalives_idle", "keepalives_interval", "keepalives_count", "dbname", "fallback_application_name", "client_encoding", NULL};
    const char *const values[] = {"30", "10", "6", dsn != NULL ? dsn : "", application_name, "UTF8", NULL};
    hr_pg *pg;
    int rc;

    *out = NULL;
    HR_RETURN_NOT_OK(hr_pg_check_dsn(dsn != NULL ? dsn : "", error));
    pg = hr_calloc(1, sizeof(*pg));
    if (pg == NULL)
        return hr_error_nomem(error);
    pg->cancel = cancel;
    pg->grace_ms = grace_ms;
    pg->conn = PQconnectStartParams(keys, values, 1);
    if (pg->conn == NULL) {
        hr_free(pg);
        return hr_error_nomem(error);
    }
    PQsetNoticeReceiver(pg->conn, hr_pg_no_notice, NULL);
    PQsetErrorVerbosity(pg->conn, PQERRORS_VERBOSE); /* libpq keeps no state of a failed connection, but writes it down */
    rc = hr_pg_connect(pg, error);
    PQsetErrorVerbosity(pg->conn, PQERRORS_DEFAULT);
    if (rc == HR_OK && PQsetnonblocking(pg->conn, 1) != 0)
        rc = hr_pg_fail(pg, NULL, error);
    if (rc == HR_OK)
        rc = hr_pg_exec(pg,
                        "SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres'; SET timezone = 'UTC'; SET extra_float_digits = 1; "
                        "SET bytea_output = 'hex'; SET standard_conforming_strings = on; SET xmloption = 'content'; "
                        "SET default_transaction_isolation = 'read committed'; "
                        "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 6",
                        NULL, error);
    if (rc != HR_OK) {
        hr_pg_close(pg);
        return rc;
    }
    pg->server_version = PQserverVersion(pg->conn);
    *out = pg;
    return HR_OK;
}

int hr_pg_commit_synchronously(hr_pg *pg, hr_error *error)
{
    /* Only what is off: remote_apply and the like say more than on. */
    return hr_pg_exec(pg,
                      "SELECT pg_catalog.set_config('synchronous_commit', 'on', false) "
                      "WHERE pg_catalog.current_setting('synchronous_commit') = 'off'",
                      NULL, error);
}

void hr_pg_close(hr_pg *pg)
{
    if (pg == NULL)
        return;
    if (PQstatus(pg->conn) == CONNECTION_OK && PQtransactionStatus(pg->conn) == PQTRANS_ACTIVE)
        hr_pg_interrupt(pg);
    PQfinish(pg->conn);
    hr_free(pg);
}

/* Append text between quotes, with those inside doubled. */
static int hr_pg_quote(hr_buffer *out, char quote, const char *text, hr_error *error)
{
    HR_RETURN_NOT_OK(hr_buffer_reserve(out, 2 * strlen(text) + 2, error));
    out->data[out->size++] = (uint8_t)quote;
    for (; *text != '\0'; text++) {
        if (*text == quote)
            out->data[out->size++] = (uint8_t)quote;
        out->data[out->size++] = (uint8_t)*text;
    }
    out->data[out->size++] = (uint8_t)quote;
    return HR_OK;
}

int hr_pg_quote_ident(hr_buffer *out, const char *name, hr_error *error)
{
    return hr_pg_quote(out, '"', name, error);
}

/* standard_conforming_strings is on: a backslash is a character like any other. */
int hr_pg_quote_literal(hr_buffer *out, const char *text, hr_error *error)
{
    return hr_pg_quote(out, '\'', text, error);
}

int hr_pg_quote_table(hr_buffer *out, const char *schema, const char *name, hr_error *error)
{
    HR_RETURN_NOT_OK(hr_pg_quote_ident(out, schema, error));
    HR_RETURN_NOT_OK(hr_buffer_append(out, ".", 1, error));
    return hr_pg_quote_ident(out, name, error);
}

int hr_sql(hr_buffer *out, hr_error *error, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0)
        return hr_error_set(error, HR_EUSAGE, "a statement could not be written");
    HR_RETURN_NOT_OK(hr_buffer_reserve(out, (size_t)n + 1, error));
    va_start(args, format);
    vsnprintf((char *)out->data + out->size, (size_t)n + 1, format, args);
    va_end(args);
    out->size += (size_t)n;
    return HR_OK;
}
