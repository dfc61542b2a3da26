/* csrc/core/types/datetime.c: dates and times as text. */
#include "datetime.h"

#include <math.h>

#include "type_common.h"

#define HR_DATETIME_MAX_TEXT 128u /* the server's own limit is near */

/* ---- messages ---- */

static int hr_datetime_invalid(const hr_type *type, const char *s, size_t n, hr_error *error)
{
    char excerpt[HR_EXCERPT_SIZE];
    const char *example = type->kind == HR_DATE ? "2026-11-21" : type->kind == HR_TIME ? "10:00:00.5" : "2026-11-21T10:00:00Z";

    if (n == 0)
        return hr_error_data(error, HR_REASON_TYPE, s, n, "an empty string is not a valid %s", hr_type_label(type));
    return hr_error_data(error, HR_REASON_TYPE, s, n, "invalid %s \"%s\": write it like %s", hr_type_label(type),
                         hr_utf8_excerpt(excerpt, s, n), example);
}

static int hr_datetime_range(const hr_type *type, const char *s, size_t n, const char *why, hr_error *error)
{
    char excerpt[HR_EXCERPT_SIZE];

    return hr_error_data(error, HR_REASON_RANGE, s, n, "%s out of range \"%s\": %s", hr_type_label(type),
                         hr_utf8_excerpt(excerpt, s, n), why);
}

/* ---- numbers inside a text ---- */

/* Exact for up to 15 digits, where one correctly rounded division of two exact doubles does it; beyond, strtod on a text without a
 * decimal point, which no locale changes. */
double hr_decimal_double(const char *digits, size_t n, int scale)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    char text[HR_DECIMAL_DIGITS + 32];
    size_t at;

    if (n <= 15 && scale >= 0 && scale <= 22) {
        int64_t whole = 0;
        for (size_t i = 0; i < n; i++)
            whole = whole * 10 + (digits[i] - '0');
        return (double)whole / powers[scale];
    }
    if (n > HR_DECIMAL_DIGITS) {
        scale -= (int)(n - HR_DECIMAL_DIGITS);
        n = HR_DECIMAL_DIGITS;
    }
    memcpy(text, digits, n);
    at = n;
    text[at++] = 'e';
    at += hr_print_int64(text + at, -(int64_t)scale);
    text[at] = '\0';
    return strtod(text, NULL);
}

int64_t hr_fraction_micros(const char *digits, size_t n)
{
    int64_t micros = 0;

    if (n > 6)
        return (int64_t)rint(hr_decimal_double(digits, n, (int)n) * 1000000.0);
    for (size_t i = 0; i < 6; i++)
        micros = micros * 10 + (i < n ? digits[i] - '0' : 0);
    return micros;
}

int64_t hr_micros_round(int64_t micros, int precision)
{
    static const int64_t steps[] = {1000000, 100000, 10000, 1000, 100, 10};
    int64_t rest, step;

    if (precision < 0 || precision > 5)
        return micros;
    step = steps[precision];
    rest = micros % step;
    micros -= rest;
    if (rest >= step / 2)
        return micros + step;
    return rest <= -(step / 2) ? micros - step : micros;
}

/* ---- the scanner ---- */

typedef struct hr_datetime_text {
    const char *p, *end;
    const hr_type *type;
    const char *s; /* all of it, for messages */
    size_t n;
    hr_error *error;
} hr_datetime_text;

static bool hr_text_is(const hr_datetime_text *text, char c)
{
    return text->p < text->end && *text->p == c;
}

static size_t hr_text_digits(const hr_datetime_text *text)
{
    const char *p = text->p;

    while (p < text->end && hr_is_digit(*p))
        p++;
    return (size_t)(p - text->p);
}

static void hr_text_skip_spaces(hr_datetime_text *text)
{
    while (text->p < text->end && hr_is_space(*text->p))
        text->p++;
}

static int hr_text_invalid(const hr_datetime_text *text)
{
    return hr_datetime_invalid(text->type, text->s, text->n, text->error);
}

static int hr_text_range(const hr_datetime_text *text, const char *why)
{
    return hr_datetime_range(text->type, text->s, text->n, why, text->error);
}

/* Take exactly n digits; the caller has counted them. */
static int32_t hr_text_take(hr_datetime_text *text, size_t n)
{
    int32_t value = 0;

    for (size_t i = 0; i < n; i++)
        value = value * 10 + (*text->p++ - '0');
    return value;
}

/* One or two digits, as a field of a date, time or offset. */
static bool hr_text_field(hr_datetime_text *text, int32_t *value)
{
    size_t digits = hr_text_digits(text);

    if (digits < 1 || digits > 2)
        return false;
    *value = hr_text_take(text, digits);
    return true;
}

/* The same after a colon or hyphen. */
static bool hr_text_next_field(hr_datetime_text *text, char before, int32_t *value)
{
    if (!hr_text_is(text, before))
        return false;
    text->p++;
    return hr_text_field(text, value);
}

/* 2026-11-21 or 20261121; `digits` is how many stand at p. The fields are checked when the era is known. */
static int hr_scan_date(hr_datetime_text *text, size_t digits, hr_datetime *out)
{
    bool extended = text->p + digits < text->end && text->p[digits] == '-';
    size_t year_digits = extended ? digits : digits - 4;

    if (digits < (extended ? 4u : 8u))
        return hr_text_invalid(text);
    while (year_digits > 4 && *text->p == '0') {
        text->p++;
        year_digits--;
    }
    if (year_digits > 7)
        return hr_text_range(text, "the year has more than 7 digits");
    out->date.year = hr_text_take(text, year_digits);
    if (extended) {
        if (!hr_text_next_field(text, '-', &out->date.month) || !hr_text_next_field(text, '-', &out->date.day))
            return hr_text_invalid(text);
    } else {
        out->date.month = hr_text_take(text, 2);
        out->date.day = hr_text_take(text, 2);
    }
    out->has_date = true;
    return HR_OK;
}

/* 10:00[:00[.5]], 1000, 100000[.5]. *basic says that it came without colons. */
static int hr_scan_time(hr_datetime_text *text, hr_datetime *out, bool *basic)
{
    size_t digits = hr_text_digits(text);
    int32_t hour, minute, second = 0;
    int64_t fraction = 0;
    bool has_second = true;

    *basic = digits == 4 || digits == 6;
    if (*basic) {
        hour = hr_text_take(text, 2);
        minute = hr_text_take(text, 2);
        has_second = digits == 6;
        if (has_second)
            second = hr_text_take(text, 2);
    } else {
        if (!hr_text_field(text, &hour) || !hr_text_next_field(text, ':', &minute))
            return hr_text_invalid(text);
        has_second = hr_text_is(text, ':');
        if (has_second && !hr_text_next_field(text, ':', &second))
            return hr_text_invalid(text);
    }
    if (has_second && hr_text_is(text, '.')) {
        text->p++;
        digits = hr_text_digits(text);
        if (digits == 0)
            return hr_text_invalid(text);
        fraction = hr_fraction_micros(text->p, digits);
        text->p += digits;
    }
    if (hour > 24 || minute > 59 || second > 60)
        return hr_text_range(text, "hours go to 24:00:00, minutes to 59, seconds to 60");
    out->time = hour * HR_MICROS_PER_HOUR + minute * HR_MICROS_PER_MINUTE + second * HR_MICROS_PER_SECOND + fraction;
    if (out->time > HR_MICROS_PER_DAY)
        return hr_text_range(text, "the day ends at 24:00:00");
    out->has_time = true;
    return HR_OK;
}

typedef enum hr_hyphen { HR_HYPHEN_FINE, HR_HYPHEN_WITHOUT_COLON, HR_HYPHEN_BAD } hr_hyphen;

/* Z, UTC, or a sign and digits. Nothing at all is fine too. `hyphen` says whether a minus may follow without a space: the server takes
 * it for part of a date otherwise. */
static int hr_scan_zone(hr_datetime_text *text, hr_hyphen hyphen, hr_datetime *out)
{
    const char *start = text->p;
    int32_t hours, minutes = 0, seconds = 0;
    bool west;
    size_t digits;

    hr_text_skip_spaces(text);
    if (text->p != start)
        hyphen = HR_HYPHEN_FINE;
    if (text->p == text->end) {
        text->p = start;
        return HR_OK;
    }
    if (*text->p != '+' && *text->p != '-') {
        size_t letters = 0;
        while (text->p + letters < text->end && hr_to_lower(text->p[letters]) >= 'a' && hr_to_lower(text->p[letters]) <= 'z')
            letters++;
        if (hr_is_word(text->p, letters, "z") || hr_is_word(text->p, letters, "utc")) {
            text->p += letters;
            out->has_zone = true;
            return HR_OK;
        }
        if (letters == 0 || hr_is_word(text->p, letters, "bc") || hr_is_word(text->p, letters, "ad")) {
            text->p = start;
            return HR_OK;
        }
        if (hr_is_word(text->p, letters, "am") || hr_is_word(text->p, letters, "pm"))
            return hr_error_data(text->error, HR_REASON_TYPE, text->s, text->n,
                                 "times are read in 24 hours: write 22:00:00, not 10:00:00 PM");
        char excerpt[HR_EXCERPT_SIZE];
        return hr_error_data(text->error, HR_REASON_TYPE, text->s, text->n,
                             "names of time zones are not read in values: give an offset such as +01:00 instead of \"%s\"",
                             hr_utf8_excerpt(excerpt, text->p, (size_t)(text->end - text->p)));
    }
    west = *text->p++ == '-';
    if (west && hyphen == HR_HYPHEN_BAD)
        return hr_text_invalid(text);
    digits = hr_text_digits(text);
    if (digits == 4) {
        hours = hr_text_take(text, 2);
        minutes = hr_text_take(text, 2);
    } else {
        if (!hr_text_field(text, &hours))
            return hr_text_invalid(text);
        if (hr_text_is(text, ':')) {
            if ((west && hyphen == HR_HYPHEN_WITHOUT_COLON) || !hr_text_next_field(text, ':', &minutes))
                return hr_text_invalid(text);
            if (hr_text_is(text, ':') && !hr_text_next_field(text, ':', &seconds))
                return hr_text_invalid(text);
        }
    }
    if (hours > 15 || minutes > 59 || seconds > 59)
        return hr_text_range(text, "an offset goes to 15:59:59");
    out->offset = hours * 3600 + minutes * 60 + seconds;
    if (west)
        out->offset = -out->offset;
    out->has_zone = true;
    return HR_OK;
}

/* infinity and its like, or a word that is refused. *done is false when the text is not a word at all. */
static int hr_scan_word(hr_datetime_text *text, hr_datetime *out, bool *done)
{
    static const struct {
        const char *word;
        hr_datetime_kind kind;
    } words[] = {{"infinity", HR_DATETIME_INFINITY},
                 {"+infinity", HR_DATETIME_INFINITY},
                 {"-infinity", HR_DATETIME_MINUS_INFINITY},
                 {"epoch", HR_DATETIME_EPOCH}};
    static const char *const refused[] = {"now", "today", "tomorrow", "yesterday"};

    *done = true;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (hr_is_word(text->p, text->n, words[i].word) && text->type->kind != HR_TIME) {
            out->kind = words[i].kind;
            return HR_OK;
        }
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        if (hr_is_word(text->p, text->n, refused[i]))
            return hr_error_data(text->error, HR_REASON_TYPE, text->s, text->n,
                                 "\"%s\" means another moment each time it is read: write the date and time itself", refused[i]);
    *done = false;
    return HR_OK;
}

/* BC or AD at the end; then the date's fields can be checked. */
static int hr_scan_era(hr_datetime_text *text, hr_datetime *out)
{
    bool bc;

    hr_text_skip_spaces(text);
    bc = hr_is_word(text->p, (size_t)(text->end - text->p), "bc");
    if (text->p != text->end && !bc && !hr_is_word(text->p, (size_t)(text->end - text->p), "ad"))
        return hr_text_invalid(text);
    if (!out->has_date)
        return text->p == text->end ? HR_OK : hr_text_invalid(text);
    if (out->date.year == 0)
        return hr_text_range(text, "there is no year 0: the year before 1 AD is 0001 BC");
    if (bc)
        out->date.year = 1 - out->date.year;
    if (out->date.month < 1 || out->date.month > 12)
        return hr_text_range(text, "months go from 1 to 12");
    if (out->date.day < 1 || out->date.day > hr_civil_month_days(out->date.year, out->date.month))
        return hr_text_range(text, "that month has no such day");
    return HR_OK;
}

/* A time with a date before it: the server reads it into a time column only in the one form 2026-11-21 10:00. */
static bool hr_time_has_date(const hr_datetime_text *text)
{
    size_t digits = hr_text_digits(text);

    return digits >= 4 && text->n > digits + 5 && text->p[digits] == '-' && memchr(text->p, ' ', text->n) != NULL;
}

/* A date is to be read, then perhaps a time. *more tells that a time follows, and p is at it. */
static int hr_scan_date_and_join(hr_datetime_text *text, hr_datetime *out, bool *more)
{
    const char *before;

    HR_RETURN_NOT_OK(hr_scan_date(text, hr_text_digits(text), out));
    before = text->p;
    if (text->p < text->end && hr_to_lower(*text->p) == 't' && text->type->kind != HR_TIME)
        text->p++;
    else
        hr_text_skip_spaces(text);
    *more = text->p > before && text->p < text->end && hr_is_digit(*text->p);
    if (!*more)
        text->p = before;
    return HR_OK;
}

int hr_datetime_scan(const hr_type *type, const char *s, size_t n, hr_datetime *out, hr_error *error)
{
    hr_datetime_text text = {s, s + n, type, s, n, error};
    bool done, basic = false, more = true, marked = false;
    hr_hyphen hyphen = HR_HYPHEN_FINE;

    memset(out, 0, sizeof(*out));
    hr_trim(&text.p, &n);
    text.end = text.p + n;
    text.n = n;
    text.s = text.p;
    if (n == 0 || n > HR_DATETIME_MAX_TEXT)
        return hr_text_invalid(&text);
    HR_RETURN_NOT_OK(hr_scan_word(&text, out, &done));
    if (done)
        return HR_OK;
    if (type->kind == HR_TIME && hr_to_lower(*text.p) == 't') {
        marked = true;
        text.p++;
    } else if (type->kind != HR_TIME || hr_time_has_date(&text)) {
        HR_RETURN_NOT_OK(hr_scan_date_and_join(&text, out, &more));
        if (!more && type->kind == HR_TIME)
            return hr_text_invalid(&text);
    }
    if (more) {
        const char *start = text.p;
        HR_RETURN_NOT_OK(hr_scan_time(&text, out, &basic));
        if (basic && type->kind == HR_TIME && out->has_date)
            return hr_text_invalid(&text);
        if (basic && memchr(start, '.', (size_t)(text.p - start)) == NULL) /* a fraction keeps the hyphen apart */
            hyphen = marked ? HR_HYPHEN_BAD : HR_HYPHEN_WITHOUT_COLON;
    } else {
        hyphen = HR_HYPHEN_BAD;
    }
    HR_RETURN_NOT_OK(hr_scan_zone(&text, hyphen, out));
    return hr_scan_era(&text, out);
}

/* ---- printing ---- */

size_t hr_print_date(char *to, hr_civil date)
{
    uint32_t year = (uint32_t)(date.year > 0 ? date.year : 1 - date.year);
    size_t at = 4;

    if (year < 10000)
        hr_print_padded(to, year, 4);
    else
        at = hr_print_uint64(to, year);
    to[at] = '-';
    hr_print_padded(to + at + 1, (uint32_t)date.month, 2);
    to[at + 3] = '-';
    hr_print_padded(to + at + 4, (uint32_t)date.day, 2);
    return at + 6;
}

size_t hr_print_era(char *to, hr_civil date)
{
    if (date.year > 0)
        return 0;
    memcpy(to, " BC", 3);
    return 3;
}

size_t hr_print_fraction(char *to, uint32_t micros)
{
    int width = 6;

    if (micros == 0)
        return 0;
    while (micros % 10 == 0) {
        micros /= 10;
        width--;
    }
    to[0] = '.';
    hr_print_padded(to + 1, micros, width);
    return (size_t)width + 1;
}

size_t hr_print_time(char *to, int64_t micros)
{
    uint32_t seconds = (uint32_t)(micros / HR_MICROS_PER_SECOND);

    hr_print_padded(to, seconds / 3600, 2);
    to[2] = ':';
    hr_print_padded(to + 3, seconds / 60 % 60, 2);
    to[5] = ':';
    hr_print_padded(to + 6, seconds % 60, 2);
    return 8 + hr_print_fraction(to + 8, (uint32_t)(micros % HR_MICROS_PER_SECOND));
}
