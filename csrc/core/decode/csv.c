/* csrc/core/decode/csv.c: the format "csv": RFC 4180, read as COPY ... (FORMAT csv) of PostgreSQL reads it, but strict about quotes.
 *
 * A quote opens a quoted field only as its first byte, and only the delimiter or the record's end may follow the closing quote;
 * COPY would glue such pieces together, which hides broken files. An unquoted field equal to the null string is null; "" is the
 * empty string. Lines end in LF, CRLF or CR. A byte order mark at the start of a file is skipped.
 */
#include <stdio.h>

#include "core/json/json_scan.h"
#include "core/utf8.h"

#define HR_CSV_MAX_NAMES 10000 /* of a header line; a table has 1600 columns at most */

/* Which field of a record goes where. */
typedef struct hr_csv_map {
    hr_arena arena;
    int32_t count;        /* fields of a record */
    int32_t *first;       /* per field: the first column that takes it, or -1 */
    int32_t *twin;        /* per column: the next column that takes the same field, or -1 */
    const char **names;   /* per field, or NULL when fields come in the schema's order */
} hr_csv_map;

typedef struct hr_csv {
    hr_csv_map map;
    bool ready;           /* the map stands: no header is awaited */
    bool rest;            /* a column takes what no other names */
    char delimiter, quote;
    const char *null;
    size_t null_len;
} hr_csv;

static char hr_csv_delimiter(const hr_decode_options *options)
{
    return options->delimiter != 0 ? options->delimiter : ',';
}

static char hr_csv_quote(const hr_decode_options *options)
{
    return options->quote != 0 ? options->quote : '"';
}

/* The first byte from p on that is a, b or a line break; or end. At least the bytes from start on may be read. */
static inline const char *hr_csv_find(const char *start, const char *p, const char *end, char a, char b)
{
#if defined(__SSE2__)
    const __m128i va = _mm_set1_epi8(a), vb = _mm_set1_epi8(b), vn = _mm_set1_epi8('\n'), vr = _mm_set1_epi8('\r');
    __m128i v, m;

    while (end - p >= 16) {
        v = _mm_loadu_si128((const __m128i *)(const void *)p);
        m = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, va), _mm_cmpeq_epi8(v, vb)),
                         _mm_or_si128(_mm_cmpeq_epi8(v, vn), _mm_cmpeq_epi8(v, vr)));
        unsigned mask = (unsigned)_mm_movemask_epi8(m);
        if (mask != 0)
            return p + __builtin_ctz(mask);
        p += 16;
    }
    if (end - start >= 16 && p < end) {
        v = _mm_loadu_si128((const __m128i *)(const void *)(end - 16));
        m = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, va), _mm_cmpeq_epi8(v, vb)),
                         _mm_or_si128(_mm_cmpeq_epi8(v, vn), _mm_cmpeq_epi8(v, vr)));
        unsigned mask = (unsigned)_mm_movemask_epi8(m) >> (16 - (end - p));
        return mask != 0 ? p + __builtin_ctz(mask) : end;
    }
#elif defined(__ARM_NEON)
    while (end - p >= 16) {
        uint8x16_t v = vld1q_u8((const uint8_t *)p);
        uint8x16_t m = vorrq_u8(vorrq_u8(vceqq_u8(v, vdupq_n_u8((uint8_t)a)), vceqq_u8(v, vdupq_n_u8((uint8_t)b))),
                                vorrq_u8(vceqq_u8(v, vdupq_n_u8('\n')), vceqq_u8(v, vdupq_n_u8('\r'))));
        uint64_t mask = vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(m), 4)), 0);
        if (mask != 0)
            return p + (__builtin_ctzll(mask) >> 2);
        p += 16;
    }
    (void)start;
#else
    (void)start;
#endif
    while (p < end && *p != a && *p != b && *p != '\n' && *p != '\r')
        p++;
    return p;
}

static int hr_csv_fail(const char *start, const char *p, hr_error *error, hr_reason reason, const char *what)
{
    hr_error_data(error, reason, NULL, 0, "%s, at byte %zu", what, (size_t)(p - start));
    if (error != NULL)
        error->offset = p - start;
    return HR_EDATA;
}

/* Read the quoted field at p. Returns the byte after its closing quote: the delimiter or end. NULL after filling *error. */
static const char *hr_csv_quoted(const hr_csv *csv, const char *start, const char *p, const char *end, hr_field *field, hr_error *error)
{
    const char *q = p + 1;

    field->data = q;
    field->token = HR_TOKEN_TEXT;
    field->flags = 0;
    for (;; q += 2) {
        q = q < end ? memchr(q, csv->quote, (size_t)(end - q)) : NULL;
        if (q == NULL) {
            hr_csv_fail(start, p, error, HR_REASON_MALFORMED, "a quoted field does not end");
            return NULL;
        }
        if (q + 1 >= end || q[1] != csv->quote)
            break;
        field->flags = HR_FIELD_ESCAPED;
    }
    field->len = (uint32_t)(q - field->data);
    if (q + 1 < end && q[1] != csv->delimiter) {
        hr_csv_fail(start, q + 1, error, HR_REASON_MALFORMED,
                    "text follows a closing quote; a quote inside a quoted field is written twice");
        return NULL;
    }
    return q + 1;
}

/* Read the field at p. Returns the byte after it: the delimiter or end. NULL after filling *error. */
static inline const char *hr_csv_next(const hr_csv *csv, const char *start, const char *p, const char *end, hr_field *field,
                                      hr_error *error)
{
    const char *q;

    if (p < end && *p == csv->quote)
        return hr_csv_quoted(csv, start, p, end, field, error);
    q = hr_csv_find(start, p, end, csv->delimiter, csv->quote);
    if (HR_UNLIKELY(q < end && *q != csv->delimiter)) {
        hr_csv_fail(start, q, error, HR_REASON_MALFORMED,
                    *q == csv->quote ? "a quote stands inside an unquoted field; quote the whole field"
                                     : "a line break stands outside quotes; a record is one line");
        return NULL;
    }
    field->data = p;
    field->len = (uint32_t)(q - p);
    field->flags = 0;
    field->token = HR_TOKEN_TEXT;
    if (HR_UNLIKELY((size_t)(q - p) == csv->null_len) && memcmp(p, csv->null, csv->null_len) == 0)
        field->token = HR_TOKEN_NULL;
    return q;
}

/* Cut a record's bytes to what fields are made of: no byte order mark, no line break at the end. */
static void hr_csv_trim(const char **p, const char **end, bool file_start)
{
    if (file_start && *end - *p >= 3 && memcmp(*p, "\xef\xbb\xbf", 3) == 0)
        *p += 3;
    if (*end > *p && (*end)[-1] == '\n')
        (*end)--;
    if (*end > *p && (*end)[-1] == '\r')
        (*end)--;
}

/* Make an empty map for `count` fields: no field goes anywhere. On failure nothing is left behind. */
static int hr_csv_map_init(hr_csv_map *map, int32_t count, int32_t columns, hr_error *error)
{
    memset(map, 0, sizeof(*map));
    hr_arena_init(&map->arena, 4096);
    map->count = count;
    map->first = hr_arena_alloc(&map->arena, sizeof(*map->first) * ((size_t)count + 1));
    map->twin = hr_arena_alloc(&map->arena, sizeof(*map->twin) * ((size_t)columns + 1));
    if (map->first == NULL || map->twin == NULL) {
        hr_arena_free(&map->arena);
        return hr_error_nomem(error);
    }
    for (int32_t i = 0; i < count; i++)
        map->first[i] = -1;
    for (int32_t i = 0; i < columns; i++)
        map->twin[i] = -1;
    return HR_OK;
}

/* Whether a column's path, its keys joined by dots, is the name. */
static bool hr_csv_path_is(const hr_column_def *def, const char *name)
{
    for (int32_t i = 0; i < def->depth; i++) {
        if (i > 0 && *name++ != '.')
            return false;
        if (strncmp(name, def->path[i], def->path_len[i]) != 0)
            return false;
        name += def->path_len[i];
    }
    return *name == '\0';
}

/* Fill the map by names. HR_EUSAGE when they do not fit the schema. */
static int hr_csv_map_names(hr_csv_map *map, const hr_schema *schema, hr_error *error)
{
    char shown[HR_EXCERPT_SIZE];
    bool wanted = false;
    bool taken = false; /* by a column of its own, or by one that takes what is left */

    for (int32_t i = 0; i < map->count; i++) {
        const char *name = map->names[i];

        for (int32_t j = 0; j < i; j++)
            if (strcmp(map->names[j], name) == 0)
                return hr_error_set(error, HR_EUSAGE, "the header names \"%s\" twice", hr_utf8_excerpt(shown, name, strlen(name)));
        for (int32_t c = schema->count - 1; c >= 0; c--) {
            if (schema->columns[c].from != HR_FROM_PATH || !hr_csv_path_is(&schema->columns[c], name))
                continue;
            map->twin[c] = map->first[i];
            map->first[i] = c;
            taken = true;
        }
        if (map->first[i] < 0 && schema->unknown == HR_UNKNOWN_REJECT)
            return hr_error_set(error, HR_EUSAGE, "the header names \"%s\", which no column takes, and unknown keys are to be rejected",
                                hr_utf8_excerpt(shown, name, strlen(name)));
    }
    for (int32_t c = 0; c < schema->count; c++) {
        const hr_column_def *def = &schema->columns[c];
        bool found = false;

        wanted = wanted || def->from == HR_FROM_PATH;
        taken = taken || def->from == HR_FROM_REST || def->from == HR_FROM_RAW;
        if (def->from != HR_FROM_PATH || !def->not_null || def->has_default)
            continue;
        for (int32_t i = 0; i < map->count && !found; i++)
            found = hr_csv_path_is(def, map->names[i]);
        if (!found)
            return hr_error_set(error, HR_EUSAGE, "the header does not name column \"%s\", which is NOT NULL and has no default",
                                def->name);
    }
    /* else every record would be a row of nulls: another delimiter, names in another case, or no header at all */
    if (wanted && !taken && map->count > 0)
        return hr_error_set(error, HR_EUSAGE,
                            "the header names no column of the table, its first name is \"%s\": check the delimiter, "
                            "upper and lower case, and whether there is a header",
                            hr_utf8_excerpt(shown, map->names[0], strlen(map->names[0])));
    return HR_OK;
}

static void hr_csv_install(hr_csv *csv, const hr_csv_map *map)
{
    hr_arena_free(&csv->map.arena);
    csv->map = *map;
    csv->ready = true;
}

/* A map from the names given by the caller. */
static int hr_csv_use_names(hr_csv *csv, const hr_decoder *decoder, hr_error *error)
{
    hr_csv_map map;
    int rc;

    HR_RETURN_NOT_OK(hr_csv_map_init(&map, decoder->options.header_count, decoder->schema->count, error));
    map.names = hr_arena_alloc(&map.arena, sizeof(*map.names) * ((size_t)map.count + 1));
    rc = map.names == NULL ? hr_error_nomem(error) : HR_OK;
    if (rc == HR_OK && map.count > 0)
        memcpy(map.names, decoder->options.header, sizeof(*map.names) * (size_t)map.count);
    if (rc == HR_OK)
        rc = hr_csv_map_names(&map, decoder->schema, error);
    if (rc != HR_OK)
        hr_arena_free(&map.arena);
    else
        hr_csv_install(csv, &map);
    return rc;
}

/* A map of fields that come as the schema's columns do. */
static int hr_csv_use_order(hr_csv *csv, const hr_schema *schema, hr_error *error)
{
    hr_csv_map map;
    int32_t count = 0;

    for (int32_t i = 0; i < schema->count; i++)
        count += schema->columns[i].from == HR_FROM_PATH;
    HR_RETURN_NOT_OK(hr_csv_map_init(&map, count, schema->count, error));
    count = 0;
    for (int32_t i = 0; i < schema->count; i++)
        if (schema->columns[i].from == HR_FROM_PATH)
            map.first[count++] = i;
    hr_csv_install(csv, &map);
    return HR_OK;
}

/* The same limits as COPY's: bytes that would make a record ambiguous. */
static int hr_csv_check_options(const hr_csv *csv, hr_error *error)
{
    char special[3] = {csv->delimiter, csv->quote, '\0'};

    if ((csv->delimiter & 0x80) != 0 || (csv->quote & 0x80) != 0)
        return hr_error_set(error, HR_EUSAGE, "CSV: the delimiter and the quote must be ASCII characters");
    if (csv->delimiter == csv->quote)
        return hr_error_set(error, HR_EUSAGE, "CSV: the delimiter and the quote must differ");
    if (strpbrk(special, "\r\n") != NULL)
        return hr_error_set(error, HR_EUSAGE, "CSV: the delimiter and the quote cannot be line breaks");
    if (strpbrk(csv->null, "\r\n") != NULL || strpbrk(csv->null, special) != NULL)
        return hr_error_set(error, HR_EUSAGE, "CSV: the null string cannot hold the delimiter, the quote or a line break");
    return HR_OK;
}

static void hr_csv_close(hr_decoder *decoder)
{
    hr_csv *csv = decoder->state;

    if (csv == NULL)
        return;
    hr_arena_free(&csv->map.arena);
    hr_free(csv);
    decoder->state = NULL;
}

static int hr_csv_open(hr_decoder *decoder, hr_error *error)
{
    hr_csv *csv = hr_calloc(1, sizeof(*csv));
    const hr_decode_options *options = &decoder->options;
    int rc;

    if (csv == NULL)
        return hr_error_nomem(error);
    decoder->state = csv;
    csv->delimiter = hr_csv_delimiter(options);
    csv->quote = hr_csv_quote(options);
    csv->null = options->null != NULL ? options->null : "";
    csv->null_len = strlen(csv->null);
    for (int32_t i = 0; i < decoder->schema->count; i++)
        csv->rest = csv->rest || decoder->schema->columns[i].from == HR_FROM_REST;
    rc = hr_csv_check_options(csv, error);
    if (rc == HR_OK && options->header != NULL)
        rc = hr_csv_use_names(csv, decoder, error);
    else if (rc == HR_OK && !options->has_header)
        rc = hr_csv_use_order(csv, decoder->schema, error);
    if (rc != HR_OK)
        hr_csv_close(decoder);
    return rc;
}

/* The text of a field with doubled quotes made single, in the arena; NULL when memory runs out. */
static const char *hr_csv_copy_name(hr_arena *arena, const hr_field *field, char quote)
{
    char *copy = hr_arena_copy(arena, field->data, field->len);
    size_t n = 0;

    if (copy == NULL || (field->flags & HR_FIELD_ESCAPED) == 0)
        return copy;
    for (size_t i = 0; i < field->len; i++) {
        copy[n++] = field->data[i];
        if (field->data[i] == quote)
            i++;
    }
    copy[n] = '\0';
    return copy;
}

/* Bytes that no field may hold: broken UTF-8, NUL. */
static int hr_csv_check_text(const char *s, size_t n, hr_error *error)
{
    size_t bad = 0;
    const char *nul;

    if (!hr_json_is_ascii(s, n) && !hr_utf8_validate(s, n, &bad))
        return hr_csv_fail(s, s + bad, error, HR_REASON_ENCODING, "the record is not UTF-8");
    nul = n > 0 ? memchr(s, '\0', n) : NULL;
    if (nul != NULL)
        return hr_csv_fail(s, nul, error, HR_REASON_ENCODING, "the record holds a NUL byte");
    return HR_OK;
}

/* Learn the names from a header record. On failure the names learned before stay. */
static int hr_csv_header(hr_decoder *decoder, const char *line, size_t n, hr_error *error)
{
    hr_csv *csv = decoder->state;
    const char *p = line, *end = line + n, *q;
    int32_t count = 0;
    hr_csv_map map;
    hr_field field;
    int rc = hr_csv_check_text(line, n, error);

    hr_csv_trim(&p, &end, true);
    for (q = p; rc == HR_OK; q++) {
        q = hr_csv_next(csv, line, q, end, &field, error);
        if (q == NULL)
            rc = HR_EDATA;
        if (q == NULL || ++count > HR_CSV_MAX_NAMES || q >= end)
            break;
    }
    if (rc == HR_EDATA) {
        char why[256] = "";
        if (error != NULL)
            snprintf(why, sizeof(why), "%.255s", error->message);
        return hr_error_set(error, HR_EUSAGE, "the header line cannot be read: %s", why);
    }
    HR_RETURN_NOT_OK(rc);
    if (count > HR_CSV_MAX_NAMES)
        return hr_error_set(error, HR_EUSAGE, "the header line has more than %d names", HR_CSV_MAX_NAMES);
    HR_RETURN_NOT_OK(hr_csv_map_init(&map, count, decoder->schema->count, error));
    map.names = hr_arena_alloc(&map.arena, sizeof(*map.names) * (size_t)count);
    rc = map.names == NULL ? hr_error_nomem(error) : HR_OK;
    for (int32_t i = 0; i < count && rc == HR_OK; i++) {
        p = hr_csv_next(csv, line, p, end, &field, error); /* went well a moment ago */
        map.names[i] = hr_csv_copy_name(&map.arena, &field, csv->quote);
        if (map.names[i] == NULL)
            rc = hr_error_nomem(error);
        if (p < end)
            p++;
    }
    if (rc == HR_OK)
        rc = hr_csv_map_names(&map, decoder->schema, error);
    if (rc != HR_OK)
        hr_arena_free(&map.arena);
    else
        hr_csv_install(csv, &map);
    return rc;
}

/* Append s[0..n) as a JSON string; `quote` is the CSV quote that stands doubled in it, or -1. */
static int hr_csv_put_json(hr_buffer *out, const char *s, size_t n, int quote, hr_error *error)
{
    static const char hex[] = "0123456789abcdef";

    HR_RETURN_NOT_OK(hr_buffer_reserve(out, 6 * n + 2, error));
    out->data[out->size++] = '"';
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c == '"' || c == '\\') {
            out->data[out->size++] = '\\';
            out->data[out->size++] = c;
        } else if (c < 0x20) {
            memcpy(out->data + out->size, "\\u00", 4);
            out->data[out->size + 4] = (uint8_t)hex[c >> 4];
            out->data[out->size + 5] = (uint8_t)hex[c & 15];
            out->size += 6;
        } else {
            out->data[out->size++] = c;
        }
        if (s[i] == quote)
            i++;
    }
    out->data[out->size++] = '"';
    return HR_OK;
}

/* Add a field that no column names to the object for $rest. */
static int hr_csv_keep(const hr_csv *csv, hr_buffer *rest, const char *name, const hr_field *field, hr_error *error)
{
    if (rest->size > 1)
        HR_RETURN_NOT_OK(hr_buffer_append(rest, ",", 1, error));
    HR_RETURN_NOT_OK(hr_csv_put_json(rest, name, strlen(name), -1, error));
    HR_RETURN_NOT_OK(hr_buffer_append(rest, ":", 1, error));
    if (field->token == HR_TOKEN_NULL)
        return hr_buffer_append(rest, "null", 4, error);
    return hr_csv_put_json(rest, field->data, field->len, (field->flags & HR_FIELD_ESCAPED) ? csv->quote : -1, error);
}

static int hr_csv_wrong_count(const hr_csv *csv, const char *start, const char *p, int32_t found, hr_error *error)
{
    if (found < csv->map.count)
        hr_error_data(error, HR_REASON_MALFORMED, NULL, 0, "the record has too few fields: %d, where %d are expected", (int)found,
                      (int)csv->map.count);
    else
        hr_error_data(error, HR_REASON_MALFORMED, NULL, 0, "the record has too many fields: more than the %d expected, from byte %zu on",
                      (int)csv->map.count, (size_t)(p - start));
    if (error != NULL)
        error->offset = p - start;
    return HR_EDATA;
}

static int hr_csv_finish_rest(hr_decoder *decoder, hr_field *fields, hr_error *error)
{
    hr_buffer *rest = &decoder->rest;

    HR_RETURN_NOT_OK(hr_buffer_append(rest, "}", 1, error));
    if (rest->size > HR_MAX_RECORD)
        return hr_error_data(error, HR_REASON_RANGE, NULL, 0, "the record's unnamed fields make %zu bytes of JSON; 1 GiB can be stored",
                             rest->size);
    for (int32_t i = 0; i < decoder->schema->count; i++)
        if (decoder->schema->columns[i].from == HR_FROM_REST)
            fields[i] = (hr_field){(const char *)rest->data, (uint32_t)rest->size, HR_TOKEN_OBJECT, 0};
    return HR_OK;
}

static int hr_csv_fields(hr_decoder *decoder, const hr_record *record, hr_field *fields, hr_error *error)
{
    const hr_csv *csv = decoder->state;
    const char *start = record->data, *p = start, *end = start + record->len;
    const int32_t count = csv->map.count;
    int32_t i = 0;

    if (!csv->ready)
        return hr_error_set(error, HR_EUSAGE, "the header line has not been read yet");
    HR_RETURN_NOT_OK(hr_csv_check_text(start, record->len, error));
    hr_csv_trim(&p, &end, record->offset == 0 && record->line == 1);
    if (csv->rest) {
        decoder->rest.size = 0;
        HR_RETURN_NOT_OK(hr_buffer_append(&decoder->rest, "{", 1, error));
    }
    for (;; p++) {
        if (HR_UNLIKELY(i == count))
            return hr_csv_wrong_count(csv, start, p, i + 1, error);
        const int32_t column = csv->map.first[i];
        hr_field *field = &fields[column >= 0 ? column : decoder->schema->count]; /* or the spare one */

        p = hr_csv_next(csv, start, p, end, field, error);
        if (HR_UNLIKELY(p == NULL))
            return HR_EDATA;
        if (column >= 0) {
            for (int32_t twin = csv->map.twin[column]; HR_UNLIKELY(twin >= 0); twin = csv->map.twin[twin])
                fields[twin] = *field;
        } else if (csv->rest) {
            HR_RETURN_NOT_OK(hr_csv_keep(csv, &decoder->rest, csv->map.names[i], field, error));
        }
        i++;
        if (p >= end)
            break;
    }
    if (HR_UNLIKELY(i < count))
        return hr_csv_wrong_count(csv, start, end, i, error);
    return csv->rest ? hr_csv_finish_rest(decoder, fields, error) : HR_OK;
}

/* A line break inside quotes does not end a record. After a stray quote the line's end does, so that one broken record does not
 * swallow its neighbours; a quote that never closes takes all that follows. */
static size_t hr_csv_frame(const hr_decode_options *options, const char *buf, size_t len, bool at_end, size_t *body)
{
    const char delimiter = hr_csv_delimiter(options), quote = hr_csv_quote(options);
    const char *p = buf, *end = buf + len;

    if (len >= 3 && memcmp(buf, "\xef\xbb\xbf", 3) == 0)
        p += 3;
    for (;; p++) {
        if (p < end && *p == quote) {
            do {
                p = p + 1 < end ? memchr(p + 1, quote, (size_t)(end - p - 1)) : NULL;
                if (p == NULL)
                    goto unfinished;
                p++;
            } while (p < end && *p == quote);
        }
        p = hr_csv_find(buf, p, end, delimiter, delimiter);
        if (p >= end)
            goto unfinished;
        if (*p == delimiter)
            continue;
        if (*p == '\r' && p + 1 >= end && !at_end)
            return 0; /* the LF of a CRLF may still come */
        *body = (size_t)(p - buf);
        return *body + (*p == '\r' && p + 1 < end && p[1] == '\n' ? 2 : 1);
    }
unfinished:
    if (!at_end)
        return 0;
    *body = len;
    return len;
}

extern const hr_format hr_format_csv;
const hr_format hr_format_csv = {
    .name = "csv",
    .open = hr_csv_open,
    .close = hr_csv_close,
    .fields = hr_csv_fields,
    .frame = hr_csv_frame,
    .multiline = true,
    .header = hr_csv_header,
};
