/* csrc/core/types/type_datetime.c: date, time, timestamp and timestamptz columns.
 *
 * The two forms that nearly all data has, 2026-11-21T10:00:00.123456Z and 2026-11-21 10:00:00+00, are read at fixed positions, eight
 * bytes at a time. Whatever is not exactly of these forms goes to datetime.c, which also finds the words for what is wrong.
 *
 * A timestamp's offset is checked and ignored, a timestamptz without one is UTC: as the server does in a session at UTC.
 */
#include "datetime.h"
#include "type_common.h"

/* The server's limits, in our counting from 1970. */
#define HR_DATE_LOWEST INT64_C(-2440588)   /* 4714-11-24 BC */
#define HR_DATE_BEYOND INT64_C(2145042906) /* 5874898-01-01 */
#define HR_TIMESTAMP_LOWEST (HR_DATE_LOWEST * HR_MICROS_PER_DAY)
#define HR_TIMESTAMP_HIGHEST (INT64_MAX - 1) /* 294247-01-10: the server goes on to 294276, 64 bits from 1970 do not */

static int hr_date_range(const hr_type *type, const char *s, size_t n, hr_error *error)
{
    char excerpt[HR_EXCERPT_SIZE];

    return hr_error_data(error, HR_REASON_RANGE, s, n, "%s out of range%s%s%s: it goes from 4713 BC to 5874897 AD", hr_type_label(type),
                         n ? " \"" : "", n ? hr_utf8_excerpt(excerpt, s, n) : "", n ? "\"" : "");
}

static int hr_timestamp_range(const hr_type *type, const char *s, size_t n, hr_error *error)
{
    char excerpt[HR_EXCERPT_SIZE];

    return hr_error_data(error, HR_REASON_RANGE, s, n,
                         "%s out of range%s%s%s: Headrace goes from 4713 BC to 294247-01-10 04:00:54 (64 bits of microseconds since 1970)",
                         hr_type_label(type), n ? " \"" : "", n ? hr_utf8_excerpt(excerpt, s, n) : "", n ? "\"" : "");
}

/* ---- the fast way in ---- */

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
static inline uint64_t hr_load_text8(const char *s)
{
    uint64_t word;

    memcpy(&word, s, sizeof(word));
    return word;
}
#else
static inline uint64_t hr_load_text8(const char *s)
{
    uint64_t word = 0;

    for (int i = 7; i >= 0; i--)
        word = word << 8 | (unsigned char)s[i];
    return word;
}
#endif

#define HR_EIGHT(a, b, c, d, e, f, g, h)                                                                                   \
    ((uint64_t)(a) | (uint64_t)(b) << 8 | (uint64_t)(c) << 16 | (uint64_t)(d) << 24 | (uint64_t)(e) << 32 | (uint64_t)(f) << 40 | \
     (uint64_t)(g) << 48 | (uint64_t)(h) << 56)
/* Added to a byte: the top bit tells that it is more than 9, or more than 0. */
#define HR_DIGIT 0x76
#define HR_EQUAL 0x7f

/* Eight bytes minus their pattern ('0' for a digit, the character itself where one must stand): digits become their values. Not zero
 * in *bad when one is not as it must be. */
static inline uint64_t hr_match8(uint64_t word, uint64_t pattern, uint64_t limits, uint64_t *bad)
{
    uint64_t values = word ^ pattern;

    *bad |= ((values + limits) | values) & UINT64_C(0x8080808080808080);
    return values;
}

/* In each byte ten times itself plus the next: where two digits stand, their number. */
static inline uint64_t hr_pairs8(uint64_t values)
{
    return values * 10 + (values >> 8);
}

static inline uint32_t hr_byte_of(uint64_t word, int i)
{
    return (uint32_t)(word >> (8 * i)) & 0xff;
}

/* YYYY-MM-DD at s: days since 1970, AD only. *bad becomes non-zero for anything else. */
static inline int64_t hr_fast_date(const char *s, uint64_t *bad)
{
    static const uint8_t days[16] = {0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 0, 0, 0};
    uint64_t pairs = hr_pairs8(hr_match8(hr_load_text8(s), HR_EIGHT('0', '0', '0', '0', '-', '0', '0', '-'),
                                         HR_EIGHT(HR_DIGIT, HR_DIGIT, HR_DIGIT, HR_DIGIT, HR_EQUAL, HR_DIGIT, HR_DIGIT, HR_EQUAL), bad));
    uint32_t year = hr_byte_of(pairs, 0) * 100 + hr_byte_of(pairs, 2), month = hr_byte_of(pairs, 5) & 15;
    uint32_t tens = (uint32_t)(unsigned char)s[8] - '0', ones = (uint32_t)(unsigned char)s[9] - '0', day = tens * 10 + ones;
    uint32_t before = year - 1; /* year 0 is bad anyway */

    bool leap = hr_civil_is_leap((int32_t)year);
    *bad |= (uint64_t)((tens > 3) | (ones > 9) | (hr_byte_of(pairs, 5) > 15) | (day - 1 >= days[month]) | (year == 0) |
                       ((month == 2) & (day == 29) & !leap));
    return (int64_t)(before * 365 + before / 4 - before / 100 + before / 400 + hr_civil_days_before[month <= 12 ? month : 0] +
                     ((month > 2) & leap) + day) -
           719163;
}

/* hh:mm:ss at s: microseconds of the day; 24:00:00 and :60 are left to the general way. */
static inline int64_t hr_fast_time(const char *s, uint64_t *bad)
{
    uint64_t pairs = hr_pairs8(hr_match8(hr_load_text8(s), HR_EIGHT('0', '0', ':', '0', '0', ':', '0', '0'),
                                         HR_EIGHT(HR_DIGIT, HR_DIGIT, HR_EQUAL, HR_DIGIT, HR_DIGIT, HR_EQUAL, HR_DIGIT, HR_DIGIT), bad));
    uint32_t hour = hr_byte_of(pairs, 0), minute = hr_byte_of(pairs, 3), second = hr_byte_of(pairs, 6);

    *bad |= (uint64_t)((hour > 23) | (minute > 59) | (second > 59));
    return (int64_t)(hour * 3600 + minute * 60 + second) * HR_MICROS_PER_SECOND;
}

/* ".123456" ends at s + 8: s is the byte before the point. */
static inline uint32_t hr_fast_six(const char *s, uint64_t *bad)
{
    uint64_t word = (hr_load_text8(s) & ~UINT64_C(0xff)) | '0';
    uint64_t pairs = hr_pairs8(hr_match8(word, HR_EIGHT('0', '.', '0', '0', '0', '0', '0', '0'),
                                         HR_EIGHT(HR_DIGIT, HR_EQUAL, HR_DIGIT, HR_DIGIT, HR_DIGIT, HR_DIGIT, HR_DIGIT, HR_DIGIT), bad));

    return hr_byte_of(pairs, 2) * 10000 + hr_byte_of(pairs, 4) * 100 + hr_byte_of(pairs, 6);
}

static inline uint32_t hr_fast_two(const char *s, uint64_t *bad)
{
    uint32_t tens = (uint32_t)(unsigned char)s[0] - '0', ones = (uint32_t)(unsigned char)s[1] - '0';

    *bad |= (uint64_t)((tens > 9) | (ones > 9));
    return tens * 10 + ones;
}

/* Microseconds of a fraction of 7 to 9 digits, the first six known; *digits says how many there are. As hr_fraction_micros does it: the
 * server's rounding goes through a double. 0x1p52 has no room for a fraction, so adding it rounds. */
static inline int64_t hr_fast_nine(const char *s, size_t n, int64_t six, size_t *digits)
{
    static const double powers[] = {1e7, 1e8, 1e9};
    int64_t value = six;
    volatile double scaled; /* volatile: no fused multiply-add, which would round once less */

    for (*digits = 6; *digits < 9 && *digits < n && hr_is_digit(s[*digits]); ++*digits)
        value = value * 10 + (s[*digits] - '0');
    scaled = (double)value / powers[*digits - 7] * 1000000.0;
    return (int64_t)(scaled + 0x1p52 - 0x1p52);
}

/* What follows hh:mm:ss: [.d to .ddddddddd][Z | +hh | +hhmm | +hh:mm]. False when it is anything else. */
static inline bool hr_fast_tail(const char *s, size_t n, int64_t *fraction, int32_t *offset)
{
    uint64_t bad = 0;
    uint32_t hours, minutes = 0;

    *fraction = 0;
    *offset = 0;
    if (n > 0 && s[0] == '.') {
        if (n >= 7 && hr_is_digit(s[4])) { /* six digits, or four or five */
            *fraction = hr_fast_six(s - 1, &bad);
            if (HR_UNLIKELY(bad != 0))
                return false;
            s += 7;
            n -= 7;
            if (n > 0 && hr_is_digit(*s)) { /* nanoseconds, as Java and Go write them */
                size_t digits;
                *fraction = hr_fast_nine(s - 6, n + 6, *fraction, &digits);
                s += digits - 6;
                n -= digits - 6;
            }
        } else {
            uint32_t value = 0, scale = 1000000;
            if (n == 1 || !hr_is_digit(s[1]))
                return false;
            for (s++, n--; n > 0 && hr_is_digit(*s) && scale > 1; s++, n--) {
                value = value * 10 + (uint32_t)(*s - '0');
                scale /= 10;
            }
            *fraction = (int64_t)value * scale;
        }
    }
    if (n == 0 || (n == 1 && (s[0] == 'Z' || s[0] == 'z')))
        return true;
    if ((s[0] != '+' && s[0] != '-') || (n != 3 && n != 5 && !(n == 6 && s[3] == ':')))
        return false;
    hours = hr_fast_two(s + 1, &bad);
    if (n > 3)
        minutes = hr_fast_two(s + n - 2, &bad);
    *offset = (int32_t)(hours * 3600 + minutes * 60);
    if (s[0] == '-')
        *offset = -*offset;
    return bad == 0 && hours <= 15 && minutes <= 59;
}

/* A whole timestamp of the plain forms. False says nothing about what it is instead. */
static inline bool hr_fast_timestamp(const char *s, size_t n, bool with_zone, int64_t *micros)
{
    uint64_t bad = 0;
    int64_t days, time, fraction;
    int32_t offset;

    if (n < 19)
        return false;
    days = hr_fast_date(s, &bad);
    time = hr_fast_time(s + 11, &bad);
    bad |= (uint64_t)((s[10] != ' ') & ((s[10] | 0x20) != 't'));
    if (HR_UNLIKELY(bad != 0) || HR_UNLIKELY(!hr_fast_tail(s + 19, n - 19, &fraction, &offset)))
        return false;
    *micros = days * HR_MICROS_PER_DAY + time + fraction - (with_zone ? offset * HR_MICROS_PER_SECOND : 0);
    return true;
}

/* ---- date ---- */

/* Days since 1970 of what was scanned; the caller checks the range. */
static int64_t hr_datetime_days(const hr_datetime *value)
{
    return value->kind == HR_DATETIME_EPOCH ? 0 : hr_civil_days(value->date.year, value->date.month, value->date.day);
}

static int hr_date_parse(const hr_type *type, hr_token token, const char *s, size_t n, hr_column *out, hr_error *error)
{
    hr_datetime value;
    int64_t days;
    uint64_t bad = 0;

    if (HR_UNLIKELY(hr_time_number_applies(type, token, s, n))) {
        HR_RETURN_NOT_OK(hr_time_number_read(type, token, s, n, &days, error));
        if (type->unit != HR_UNIT_DAYS)
            days = hr_floor_div(days, HR_MICROS_PER_DAY);
        if (hr_token_is_native(token))
            n = 0;
    } else {
        if (HR_LIKELY(n == 10)) {
            days = hr_fast_date(s, &bad);
            if (HR_LIKELY(bad == 0))
                return hr_column_append_int32(out, (int32_t)days, error);
        }
        HR_RETURN_NOT_OK(hr_datetime_scan(type, s, n, &value, error));
        if (value.kind == HR_DATETIME_INFINITY)
            return hr_column_append_int32(out, HR_DATE_INFINITY, error);
        if (value.kind == HR_DATETIME_MINUS_INFINITY)
            return hr_column_append_int32(out, HR_DATE_MINUS_INFINITY, error);
        days = hr_datetime_days(&value);
    }
    if (days < HR_DATE_LOWEST || days >= HR_DATE_BEYOND)
        return hr_date_range(type, n ? s : NULL, n, error);
    return hr_column_append_int32(out, (int32_t)days, error);
}

static int hr_date_write_binary(const hr_type *type, const hr_column *column, int64_t row, hr_buffer *out, hr_error *error)
{
    int32_t days = hr_column_get_int32(column, row);

    (void)type;
    if (HR_LIKELY(days != HR_DATE_INFINITY && days != HR_DATE_MINUS_INFINITY))
        days -= HR_DAYS_TO_2000;
    return hr_write_field_32(out, (uint32_t)days, error);
}

static int hr_date_read_binary(const hr_type *type, const uint8_t *bytes, int32_t n, hr_column *out, hr_error *error)
{
    int64_t days;

    if (n != 4)
        return hr_type_bad_field(type, n, error);
    days = (int32_t)hr_load_be32(bytes);
    if (days != HR_DATE_INFINITY && days != HR_DATE_MINUS_INFINITY) {
        days += HR_DAYS_TO_2000;
        if (days < HR_DATE_LOWEST || days >= HR_DATE_BEYOND)
            return hr_date_range(type, NULL, 0, error);
    }
    return hr_column_append_int32(out, (int32_t)days, error);
}

static int hr_date_write_text(const hr_type *type, const hr_column *column, int64_t row, hr_buffer *out, hr_error *error)
{
    int32_t days = hr_column_get_int32(column, row);
    char *to;

    (void)type;
    if (HR_UNLIKELY(days == HR_DATE_INFINITY))
        return hr_buffer_append(out, "infinity", 8, error);
    if (HR_UNLIKELY(days == HR_DATE_MINUS_INFINITY))
        return hr_buffer_append(out, "-infinity", 9, error);
    HR_RETURN_NOT_OK(hr_buffer_reserve(out, HR_DATETIME_TEXT, error));
    hr_civil date = hr_civil_from_days(days);
    to = (char *)out->data + out->size;
    size_t at = hr_print_date(to, date);
    out->size += at + hr_print_era(to + at, date);
    return HR_OK;
}

/* ---- time ---- */

static int hr_time_parse(const hr_type *type, hr_token token, const char *s, size_t n, hr_column *out, hr_error *error)
{
    hr_datetime value;
    int64_t time, fraction;
    uint64_t bad = 0;
    int32_t offset;

    if (HR_UNLIKELY(hr_time_number_applies(type, token, s, n))) {
        if (type->unit == HR_UNIT_DAYS)
            return hr_error_data(error, HR_REASON_TYPE, NULL, 0, "%s cannot be counted in days: map the column with unit s, ms, us or ns",
                                 hr_type_label(type));
        HR_RETURN_NOT_OK(hr_time_number_read(type, token, s, n, &time, error));
        if (time < 0 || time > HR_MICROS_PER_DAY)
            return hr_error_data(error, HR_REASON_RANGE, hr_token_is_native(token) ? NULL : s, hr_token_is_native(token) ? 0 : n,
                                 "%s out of range: a day has from 0 to 86400 seconds", hr_type_label(type));
        return hr_column_append_int64(out, hr_micros_round(time, type->scale), error);
    }
    if (n >= 8) {
        time = hr_fast_time(s, &bad);
        if (HR_LIKELY(bad == 0) && HR_LIKELY(hr_fast_tail(s + 8, n - 8, &fraction, &offset)))
            return hr_column_append_int64(out, hr_micros_round(time + fraction, type->scale), error);
    }
    HR_RETURN_NOT_OK(hr_datetime_scan(type, s, n, &value, error));
    return hr_column_append_int64(out, hr_micros_round(value.time, type->scale), error);
}

static int hr_time_write_binary(const hr_type *type, const hr_column *column, int64_t row, hr_buffer *out, hr_error *error)
{
    (void)type;
    return hr_write_field_64(out, (uint64_t)hr_column_get_int64(column, row), error);
}

static int hr_time_read_binary(const hr_type *type, const uint8_t *bytes, int32_t n, hr_column *out, hr_error *error)
{
    int64_t micros;

    if (n != 8)
        return hr_type_bad_field(type, n, error);
    micros = (int64_t)hr_load_be64(bytes);
    if (micros < 0 || micros > HR_MICROS_PER_DAY)
        return hr_error_data(error, HR_REASON_RANGE, NULL, 0, "%s out of range: it goes from 00:00:00 to 24:00:00", hr_type_label(type));
    return hr_column_append_int64(out, micros, error);
}

static int hr_time_write_text(const hr_type *type, const hr_column *column, int64_t row, hr_buffer *out, hr_error *error)
{
    (void)type;
    HR_RETURN_NOT_OK(hr_buffer_reserve(out, HR_DATETIME_TEXT, error));
    out->size += hr_print_time((char *)out->data + out->size, hr_column_get_int64(column, row));
    return HR_OK;
}

/* ---- timestamp, timestamptz ---- */

/* Append a finite timestamp after rounding it to the column's precision, which the server does counting from 2000. */
static int hr_timestamp_append(const hr_type *type, __int128 micros, const char *s, size_t n, hr_column *out, hr_error *error)
{
    if (micros < HR_TIMESTAMP_LOWEST || micros > HR_TIMESTAMP_HIGHEST)
        return hr_timestamp_range(type, s, n, error);
    if (type->scale >= 0 && type->scale < 6) {
        micros = (__int128)hr_micros_round((int64_t)(micros - HR_MICROS_TO_2000), type->scale) + HR_MICROS_TO_2000;
        if (micros > HR_TIMESTAMP_HIGHEST)
            return hr_timestamp_range(type, s, n, error);
    }
    return hr_column_append_int64(out, (int64_t)micros, error);
}

static int hr_timestamp_parse_slow(const hr_type *type, hr_token token, const char *s, size_t n, hr_column *out, hr_error *error)
{
    hr_datetime value;
    __int128 micros;
    int64_t number;

    if (hr_time_number_applies(type, token, s, n)) {
        HR_RETURN_NOT_OK(hr_time_number_read(type, token, s, n, &number, error));
        micros = type->unit == HR_UNIT_DAYS ? (__int128)number * HR_MICROS_PER_DAY : number;
        if (hr_token_is_native(token))
            n = 0;
        return hr_timestamp_append(type, micros, n ? s : NULL, n, out, error);
    }
    HR_RETURN_NOT_OK(hr_datetime_scan(type, s, n, &value, error));
    if (value.kind == HR_DATETIME_INFINITY)
        return hr_column_append_int64(out, HR_TIMESTAMP_INFINITY, error);
    if (value.kind == HR_DATETIME_MINUS_INFINITY)
        return hr_column_append_int64(out, HR_TIMESTAMP_MINUS_INFINITY, error);
    micros = (__int128)hr_datetime_days(&value) * HR_MICROS_PER_DAY + value.time;
    if (type->kind == HR_TIMESTAMPTZ)
        micros -= value.offset * HR_MICROS_PER_SECOND;
    return hr_timestamp_append(type, micros, s, n, out, error);
}

static int hr_timestamp_parse(const hr_type *type, hr_token token, const char *s, size_t n, hr_column *out, hr_error *error)
{
    int64_t micros;

    /* no number is as long as a timestamp and has its hyphens and colons; years 1 to 9999 are in range */
    if (HR_LIKELY(!hr_token_is_native(token)) && HR_LIKELY(hr_fast_timestamp(s, n, type->kind == HR_TIMESTAMPTZ, &micros))) {
        if (HR_LIKELY(type->scale < 0 || type->scale > 5))
            return hr_column_append_int64(out, micros, error);
        return hr_timestamp_append(type, micros, s, n, out, error);
    }
    return hr_timestamp_parse_slow(type, token, s, n, out, error);
}

static int hr_timestamp_write_binary(const hr_type *type, const hr_column *column, int64_t row, hr_buffer *out, hr_error *error)
{
    int64_t micros = hr_column_get_int64(column, row);

    (void)type;
    if (HR_LIKELY(micros != HR_TIMESTAMP_INFINITY && micros != HR_TIMESTAMP_MINUS_INFINITY))
        micros -= HR_MICROS_TO_2000;
    return hr_write_field_64(out, (uint64_t)micros, error);
}

static int hr_timestamp_read_binary(const hr_type *type, const uint8_t *bytes, int32_t n, hr_column *out, hr_error *error)
{
    int64_t micros;

    if (n != 8)
        return hr_type_bad_field(type, n, error);
    micros = (int64_t)hr_load_be64(bytes);
    if (micros == HR_TIMESTAMP_INFINITY || micros == HR_TIMESTAMP_MINUS_INFINITY)
        return hr_column_append_int64(out, micros, error);
    if (micros < HR_TIMESTAMP_LOWEST - HR_MICROS_TO_2000 || micros > HR_TIMESTAMP_HIGHEST - HR_MICROS_TO_2000)
        return hr_timestamp_range(type, NULL, 0, error);
    return hr_column_append_int64(out, micros + HR_MICROS_TO_2000, error);
}

static int hr_timestamp_write_text(const hr_type *type, const hr_column *column, int64_t row, hr_buffer *out, hr_error *error)
{
    int64_t micros = hr_column_get_int64(column, row), days;
    char *to;
    size_t at;

    if (HR_UNLIKELY(micros == HR_TIMESTAMP_INFINITY))
        return hr_buffer_append(out, "infinity", 8, error);
    if (HR_UNLIKELY(micros == HR_TIMESTAMP_MINUS_INFINITY))
        return hr_buffer_append(out, "-infinity", 9, error);
    HR_RETURN_NOT_OK(hr_buffer_reserve(out, HR_DATETIME_TEXT, error));
    to = (char *)out->data + out->size;
    days = hr_floor_div(micros, HR_MICROS_PER_DAY);
    hr_civil date = hr_civil_from_days(days);
    at = hr_print_date(to, date);
    to[at++] = ' ';
    at += hr_print_time(to + at, micros - days * HR_MICROS_PER_DAY);
    if (type->kind == HR_TIMESTAMPTZ) {
        memcpy(to + at, "+00", 3);
        at += 3;
    }
    out->size += at + hr_print_era(to + at, date);
    return HR_OK;
}

extern const hr_type_ops hr_type_date, hr_type_time, hr_type_timestamp, hr_type_timestamptz;

const hr_type_ops hr_type_date = {
    .kind = HR_DATE,
    .storage = HR_STORE_FIXED,
    .width = 4,
    .oid = 1082,
    .array_oid = 1182,
    .name = "date",
    .arrow_format = "tdD",
    .parse = hr_date_parse,
    .write_binary = hr_date_write_binary,
    .read_binary = hr_date_read_binary,
    .write_text = hr_date_write_text,
};

const hr_type_ops hr_type_time = {
    .kind = HR_TIME,
    .storage = HR_STORE_FIXED,
    .width = 8,
    .oid = 1083,
    .array_oid = 1183,
    .name = "time without time zone",
    .arrow_format = "ttu",
    .parse = hr_time_parse,
    .write_binary = hr_time_write_binary,
    .read_binary = hr_time_read_binary,
    .write_text = hr_time_write_text,
};

const hr_type_ops hr_type_timestamp = {
    .kind = HR_TIMESTAMP,
    .storage = HR_STORE_FIXED,
    .width = 8,
    .oid = 1114,
    .array_oid = 1115,
    .name = "timestamp without time zone",
    .arrow_format = "tsu:",
    .parse = hr_timestamp_parse,
    .write_binary = hr_timestamp_write_binary,
    .read_binary = hr_timestamp_read_binary,
    .write_text = hr_timestamp_write_text,
};

const hr_type_ops hr_type_timestamptz = {
    .kind = HR_TIMESTAMPTZ,
    .storage = HR_STORE_FIXED,
    .width = 8,
    .oid = 1184,
    .array_oid = 1185,
    .name = "timestamp with time zone",
    .arrow_format = "tsu:UTC",
    .parse = hr_timestamp_parse,
    .write_binary = hr_timestamp_write_binary,
    .read_binary = hr_timestamp_read_binary,
    .write_text = hr_timestamp_write_text,
};
