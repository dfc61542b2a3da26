/* csrc/core/hash/key_text.c: the text of each type, as a cast to text or varchar gives it on the server.
 *
 * For most types the cast is the output function, and type_*.c have that. The others are here: boolean says true and false instead of t
 * and f, char(n) loses the spaces that fill it up, inet always has its netmask, and timestamptz is in the session's time zone.
 */
#include "key_text.h"

#include "core/bytes.h"
#include "core/types/datetime.h"

#define HR_OID_INET 869

/* ---- timestamptz in a zone ---- */

/* "+01", "+05:30", "-00:25:21", as the server prints offsets. Returns the length. */
static size_t hr_key_print_offset(char *to, int32_t seconds)
{
    uint32_t size = (uint32_t)(seconds < 0 ? -seconds : seconds);
    size_t at = 3;

    to[0] = seconds < 0 ? '-' : '+';
    hr_print_padded(to + 1, size / 3600, 2);
    if (size % 3600 != 0) {
        to[at] = ':';
        hr_print_padded(to + at + 1, size / 60 % 60, 2);
        at += 3;
    }
    if (size % 60 != 0) {
        to[at] = ':';
        hr_print_padded(to + at + 1, size % 60, 2);
        at += 3;
    }
    return at;
}

#define HR_KEY_TIMESTAMP_ROOM (2 * HR_DATETIME_TEXT)

/* The text of a timestamptz in the zone; returns the length. */
static size_t hr_key_print_timestamptz(const hr_timezone *zone, int64_t micros, char *to)
{
    int64_t local, days;
    hr_civil date;
    int32_t offset;
    size_t at;

    if (micros == HR_TIMESTAMP_INFINITY) {
        memcpy(to, "infinity", 8);
        return 8;
    }
    if (micros == HR_TIMESTAMP_MINUS_INFINITY) {
        memcpy(to, "-infinity", 9);
        return 9;
    }
    offset = hr_timezone_offset(zone, micros);
    days = hr_floor_div(micros, HR_MICROS_PER_DAY);
    local = micros - days * HR_MICROS_PER_DAY + (int64_t)offset * 1000000; /* apart from the days: their sum could overflow */
    days += hr_floor_div(local, HR_MICROS_PER_DAY);
    local -= hr_floor_div(local, HR_MICROS_PER_DAY) * HR_MICROS_PER_DAY;
    date = hr_civil_from_days(days);
    at = hr_print_date(to, date);
    to[at++] = ' ';
    at += hr_print_time(to + at, local);
    at += hr_key_print_offset(to + at, offset);
    return at + hr_print_era(to + at, date);
}

static int hr_key_timestamptz(hr_key_text *text, int64_t micros, hr_buffer *out, hr_error *error)
{
    char room[HR_KEY_TIMESTAMP_ROOM];

    return hr_key_put(text->recipe, room, hr_key_print_timestamptz(text->zone, micros, room), out, error);
}

/* An array of them. Every element but null and the infinities has a space in it, and is quoted for that. */
static int hr_key_timestamptz_array(hr_key_text *text, const hr_column *column, int64_t row, hr_error *error)
{
    hr_buffer *out = &text->scratch;
    int32_t from = column->offsets[row], to = column->offsets[row + 1];

    HR_RETURN_NOT_OK(hr_buffer_append(out, "{", 1, error));
    for (int32_t i = from; i < to; i++) {
        char room[HR_KEY_TIMESTAMP_ROOM + 2];
        size_t n = 0;

        if (hr_column_is_null(column->child, i)) {
            memcpy(room, "NULL", 4);
            n = 4;
        } else {
            n = hr_key_print_timestamptz(text->zone, hr_column_get_int64(column->child, i), room + 1);
            if (memchr(room + 1, ' ', n) != NULL) {
                room[0] = room[n + 1] = '"';
                n += 2;
            } else {
                memmove(room, room + 1, n);
            }
        }
        HR_RETURN_NOT_OK(hr_buffer_append(out, ",", i > from, error));
        HR_RETURN_NOT_OK(hr_buffer_append(out, room, n, error));
    }
    return hr_buffer_append(out, "}", 1, error);
}

/* ---- all types ---- */

/* The types whose text is made first and treated then. */
static int hr_key_by_output(hr_key_text *text, const hr_column *column, int64_t row, hr_buffer *out, hr_error *error)
{
    const hr_type *type = column->type;

    text->scratch.size = 0;
    if (type->kind == HR_ARRAY && type->element->kind == HR_TIMESTAMPTZ && text->zone != NULL)
        HR_RETURN_NOT_OK(hr_key_timestamptz_array(text, column, row, error));
    else
        HR_RETURN_NOT_OK(hr_type_ops_of(type)->write_text(type, column, row, &text->scratch, error));
    return hr_key_put(text->recipe, (const char *)text->scratch.data, text->scratch.size, out, error);
}

/* Only the server knows what is in a value of another type: its text is taken as it came. inet is the one of them that is common as a key
 * and whose cast differs from its output: it always has the netmask. */
static int hr_key_other(hr_key_text *text, const hr_type *type, const char *s, size_t n, hr_buffer *out, hr_error *error)
{
    if (type->oid != HR_OID_INET && (type->name == NULL || strcmp(type->name, "inet") != 0))
        return hr_key_put(text->recipe, s, n, out, error);
    text->scratch.size = 0;
    HR_RETURN_NOT_OK(hr_buffer_append(&text->scratch, s, n, error));
    if (memchr(s, '/', n) == NULL) {
        const char *mask = memchr(s, ':', n) != NULL ? "/128" : "/32";

        HR_RETURN_NOT_OK(hr_buffer_append(&text->scratch, mask, strlen(mask), error));
    }
    return hr_key_put(text->recipe, (const char *)text->scratch.data, text->scratch.size, out, error);
}

int hr_key_text_append(hr_key_text *text, const hr_column *column, int64_t row, hr_buffer *out, hr_error *error)
{
    const hr_type *type = column->type;
    const char *s;
    size_t n;

    switch (type->kind) {
    case HR_INT2: return hr_key_put_int(hr_column_get_int16(column, row), out, error);
    case HR_INT4: return hr_key_put_int(hr_column_get_int32(column, row), out, error);
    case HR_INT8: return hr_key_put_int(hr_column_get_int64(column, row), out, error);
    case HR_BOOL:
        return hr_column_get_bool(column, row) ? hr_key_put(text->recipe, "true", 4, out, error)
                                               : hr_key_put(text->recipe, "false", 5, out, error);
    case HR_NUMERIC:
    case HR_TEXT:
    case HR_VARCHAR:
    case HR_JSON:
    case HR_ENUM: s = hr_column_get_bytes(column, row, &n); return hr_key_put(text->recipe, s, n, out, error);
    case HR_BPCHAR:
        s = hr_column_get_bytes(column, row, &n);
        while (n > 0 && s[n - 1] == ' ')
            n--;
        return hr_key_put(text->recipe, s, n, out, error);
    case HR_OTHER: s = hr_column_get_bytes(column, row, &n); return hr_key_other(text, type, s, n, out, error);
    case HR_TIMESTAMPTZ:
        if (text->zone != NULL)
            return hr_key_timestamptz(text, hr_column_get_int64(column, row), out, error);
        return hr_key_by_output(text, column, row, out, error);
    default: return hr_key_by_output(text, column, row, out, error);
    }
}
