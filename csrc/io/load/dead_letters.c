/* csrc/io/load/dead_letters.c: writing rejects by COPY BINARY, and settling a replay. */
#include "dead_letters.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/bytes.h"
#include "core/utf8.h"

#define HR_PG_EPOCH_MICROS INT64_C(946684800000000) /* 2000-01-01 in microseconds since 1970 */
#define HR_RAW_MAX (256u * 1024u * 1024u)           /* of one raw record; PostgreSQL's own limit for a value is 1 GB */

static const char HR_SQL_DEAD_LETTERS[] = "COPY headrace.dead_letters (job, run_id, target, topic, partition, \"offset\", line, reason, "
                                          "column_name, value, message, sqlstate, raw, key,"
                                          " header, record_timestamp) FROM STDIN (FORMAT binary)";

static const uint8_t HR_COPY_SIGNATURE[19] = {'P', 'G', 'C', 'O', 'P', 'Y', '\n', 0xff, '\r', '\n', 0, 0, 0, 0, 0, 0, 0, 0, 0};

static int hr_field_bytes(hr_buffer *out, const void *bytes, size_t n, hr_error *error)
{
    uint8_t header[4];

    hr_store_be32(header, bytes != NULL ? (uint32_t)n : UINT32_MAX);
    HR_RETURN_NOT_OK(hr_buffer_append(out, header, 4, error));
    return bytes != NULL ? hr_buffer_append(out, bytes, n, error) : HR_OK;
}

static int hr_field_string(hr_buffer *out, const char *text, hr_error *error)
{
    return hr_field_bytes(out, text, text != NULL ? strlen(text) : 0, error);
}

static int hr_field_int64(hr_buffer *out, int64_t value, bool null, hr_error *error)
{
    uint8_t bytes[8];

    hr_store_be64(bytes, (uint64_t)value);
    return hr_field_bytes(out, null ? NULL : bytes, 8, error);
}

/* A value for a text column: what is not valid UTF-8, and NUL, is shown as \xNN. */
static int hr_field_safe_text(hr_buffer *out, const char *value, size_t n, hr_error *error)
{
    static const char hex[] = "0123456789abcdef";
    size_t start = out->size;

    if (value == NULL)
        return hr_field_bytes(out, NULL, 0, error);
    if (hr_utf8_validate(value, n, NULL) && memchr(value, 0, n) == NULL)
        return hr_field_bytes(out, value, n, error);
    HR_RETURN_NOT_OK(hr_buffer_reserve(out, 4 + 4 * n, error));
    out->size += 4;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = (uint8_t)value[i];
        if (c > 0 && c < 0x80) {
            out->data[out->size++] = c;
        } else { /* snprintf would want a byte more, for its NUL */
            const uint8_t shown[4] = {'\\', 'x', (uint8_t)hex[c >> 4], (uint8_t)hex[c & 15]};
            memcpy(out->data + out->size, shown, sizeof(shown));
            out->size += sizeof(shown);
        }
    }
    hr_store_be32(out->data + start, (uint32_t)(out->size - start - 4));
    return HR_OK;
}

/* "xxxxxxxx-xxxx-..." as 16 bytes. HR_EUSAGE when it is not one. */
static int hr_uuid_bytes(const char *text, uint8_t out[16], hr_error *error)
{
    int digits = 0;

    for (; *text != '\0'; text++) {
        int v = *text >= '0' && *text <= '9'   ? *text - '0'
                : *text >= 'a' && *text <= 'f' ? *text - 'a' + 10
                : *text >= 'A' && *text <= 'F' ? *text - 'A' + 10
                                               : -1;
        if (*text == '-')
            continue;
        if (v < 0 || digits == 32)
            break;
        out[digits / 2] = (uint8_t)(digits % 2 ? out[digits / 2] | v : v << 4);
        digits++;
    }
    return digits == 32 && *text == '\0' ? HR_OK : hr_error_set(error, HR_EUSAGE, "setting \"run_id\" must be a uuid");
}

/* One row of HR_SQL_DEAD_LETTERS. */
static int hr_dead_letter_row(const hr_load_config *config, const char *target, const uint8_t run_id[16], const hr_reject *reject,
                              hr_buffer *out, hr_error *error)
{
    const hr_record *record = reject->record;
    size_t raw = record->len < HR_RAW_MAX ? record->len : HR_RAW_MAX;
    uint8_t head[2], partition[4];

    hr_store_be16(head, 16);
    hr_store_be32(partition, (uint32_t)record->partition);
    HR_RETURN_NOT_OK(hr_buffer_append(out, head, 2, error));
    HR_RETURN_NOT_OK(hr_field_string(out, config->job, error));
    HR_RETURN_NOT_OK(hr_field_bytes(out, run_id, 16, error));
    HR_RETURN_NOT_OK(hr_field_string(out, target, error));
    HR_RETURN_NOT_OK(hr_field_string(out, record->topic, error));
    HR_RETURN_NOT_OK(hr_field_bytes(out, partition, 4, error));
    HR_RETURN_NOT_OK(hr_field_int64(out, record->offset, false, error));
    HR_RETURN_NOT_OK(hr_field_int64(out, reject->line, reject->line <= 0, error));
    HR_RETURN_NOT_OK(hr_field_string(out, hr_reason_name(reject->reason), error));
    HR_RETURN_NOT_OK(hr_field_string(out, reject->column, error));
    HR_RETURN_NOT_OK(hr_field_safe_text(out, reject->value, reject->value_len, error));
    HR_RETURN_NOT_OK(hr_field_safe_text(out, reject->message, strlen(reject->message), error));
    HR_RETURN_NOT_OK(hr_field_string(out, reject->sqlstate[0] != '\0' ? reject->sqlstate : NULL, error));
    HR_RETURN_NOT_OK(hr_field_bytes(out, record->data, raw, error));
    HR_RETURN_NOT_OK(hr_field_bytes(out, record->key, record->key_len, error));
    HR_RETURN_NOT_OK(hr_field_safe_text(out, record->header, record->header != NULL ? strlen(record->header) : 0, error));
    if (record->timestamp == HR_NO_TIMESTAMP)
        return hr_field_int64(out, 0, true, error);
    return hr_field_int64(out, record->timestamp - HR_PG_EPOCH_MICROS, false, error);
}

int hr_dead_letters_write(hr_pg *pg, const hr_load_config *config, const char *target, const hr_work *work, hr_error *error)
{
    hr_buffer out = {0};
    uint8_t run_id[16] = {0};
    int64_t written = 0;
    int rc;

    if (work->reject_count == 0)
        return HR_OK;
    HR_RETURN_NOT_OK(hr_uuid_bytes(config->run_id, run_id, error));
    HR_RETURN_NOT_OK(hr_pg_copy_begin(pg, HR_SQL_DEAD_LETTERS, error));
    rc = hr_buffer_append(&out, HR_COPY_SIGNATURE, sizeof(HR_COPY_SIGNATURE), error);
    for (int64_t i = 0; i < work->reject_count && rc == HR_OK; i++) {
        rc = hr_dead_letter_row(config, target, run_id, &work->rejects[i], &out, error);
        if (rc == HR_OK && out.size >= 262144) {
            rc = hr_pg_copy_put(pg, out.data, out.size, error);
            out.size = 0;
        }
    }
    if (rc == HR_OK)
        rc = hr_buffer_append(&out, "\xff\xff", 2, error);
    if (rc == HR_OK)
        rc = hr_pg_copy_put(pg, out.data, out.size, error);
    hr_buffer_free(&out);
    if (rc == HR_ENOMEM)
        hr_pg_copy_abort(pg, "out of memory");
    HR_RETURN_NOT_OK(rc);
    HR_RETURN_NOT_OK(hr_pg_copy_end(pg, &written, error));
    if (written != work->reject_count)
        return hr_error_set(error, HR_EBALANCE,
                            "%" PRId64 " rejects were sent to headrace.dead_letters, the server counted %" PRId64
                            ": the batch is rolled back. Is a trigger on that table?",
                            work->reject_count, written);
    return HR_OK;
}

/* "{1,2,3}" of the ids of the records that became rows and stayed. */
static int hr_dead_letters_ids(const hr_work *work, hr_buffer *out, int64_t *count, hr_error *error)
{
    *count = 0;
    HR_RETURN_NOT_OK(hr_buffer_append(out, "{", 1, error));
    for (int64_t row = 0; row < work->batch->length; row++) {
        if (work->row_record[row] == NULL)
            continue;
        HR_RETURN_NOT_OK(hr_sql(out, error, "%s%" PRId64, *count ? "," : "", work->row_record[row]->id));
        (*count)++;
    }
    return hr_buffer_append(out, "}", 2, error);
}

int hr_dead_letters_settle(hr_pg *pg, const hr_load_config *config, const hr_work *work, hr_error *error)
{
    static const char again[] =
        "UPDATE headrace.dead_letters SET attempts = attempts + 1, reason = $2, column_name = $3, message = $4, sqlstate = $5 "
        "WHERE id = $1::bigint AND replayed_at IS NULL";
    hr_buffer ids = {0}, text = {0};
    PGresult *result = NULL;
    int64_t count = 0;
    int rc = hr_dead_letters_ids(work, &ids, &count, error);

    if (rc == HR_OK) {
        const char *values[] = {config->run_id, (const char *)ids.data};
        rc = hr_pg_query(pg,
                         "UPDATE headrace.dead_letters SET replayed_at = now(), replayed_run = $1::uuid WHERE id = ANY ($2::bigint[])"
                         " AND replayed_at IS NULL",
                         2, values, &result, error);
    }
    if (rc == HR_OK && strtoll(PQcmdTuples(result), NULL, 10) != count)
        rc = hr_error_set(error, HR_EFENCED,
                          "some of these dead letters were replayed by somebody else meanwhile; this replay is rolled back");
    PQclear(result);
    for (int64_t i = 0; i < work->reject_count && rc == HR_OK; i++) {
        const hr_reject *reject = &work->rejects[i];
        char id[24];

        snprintf(id, sizeof(id), "%" PRId64, reject->record->id);
        text.size = 0;
        rc = hr_field_safe_text(&text, reject->message, strlen(reject->message), error);
        if (rc == HR_OK)
            rc = hr_buffer_append(&text, "", 1, error);
        if (rc != HR_OK)
            break;
        const char *values[] = {id, hr_reason_name(reject->reason), reject->column, (const char *)text.data + 4,
                                reject->sqlstate[0] != '\0' ? reject->sqlstate : NULL};
        rc = hr_pg_query(pg, again, 5, values, NULL, error);
    }
    hr_buffer_free(&ids);
    hr_buffer_free(&text);
    return rc;
}
