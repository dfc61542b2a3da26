/* csrc/core/types/interval_text.c: intervals as text.
 *
 * A text is cut into tokens from left to right and read from right to left, because a unit comes after its number, and a number before
 * a time is one of days. Sums are kept in years, months, days and microseconds with every overflow caught.
 */
#include "interval_text.h"

#include <math.h>

#include "datetime.h"
#include "type_common.h"

#define HR_INTERVAL_TOKENS 25     /* the server's limit */
#define HR_INTERVAL_MAX_TEXT 200u /* the server's own limit is near */

/* ---- units ---- */

typedef enum hr_interval_unit {
    HR_UNIT_OF_NOTHING = 0,
    HR_UNIT_MICROSECOND,
    HR_UNIT_MILLISECOND,
    HR_UNIT_SECOND,
    HR_UNIT_MINUTE,
    HR_UNIT_HOUR,
    HR_UNIT_DAY,
    HR_UNIT_WEEK,
    HR_UNIT_MONTH,
    HR_UNIT_YEAR,
    HR_UNIT_DECADE,
    HR_UNIT_CENTURY,
    HR_UNIT_MILLENNIUM
} hr_interval_unit;

#define HR_UNIT_BIT(unit) (1u << (unit))
#define HR_UNITS_BELOW_SECOND (HR_UNIT_BIT(HR_UNIT_MILLISECOND) | HR_UNIT_BIT(HR_UNIT_MICROSECOND))
#define HR_UNITS_OF_TIME (HR_UNIT_BIT(HR_UNIT_HOUR) | HR_UNIT_BIT(HR_UNIT_MINUTE) | HR_UNIT_BIT(HR_UNIT_SECOND) | HR_UNITS_BELOW_SECOND)

/* Names as the server knows them; it looks at the first ten letters only. */
#define HR_UNIT_LETTERS 10u
static const struct {
    char name[HR_UNIT_LETTERS + 1];
    hr_interval_unit unit;
} hr_interval_units[] = {
    {"us", HR_UNIT_MICROSECOND},
    {"usec", HR_UNIT_MICROSECOND},
    {"usecs", HR_UNIT_MICROSECOND},
    {"usecond", HR_UNIT_MICROSECOND},
    {"useconds", HR_UNIT_MICROSECOND},
    {"microsecon", HR_UNIT_MICROSECOND},
    {"ms", HR_UNIT_MILLISECOND},
    {"msec", HR_UNIT_MILLISECOND},
    {"msecs", HR_UNIT_MILLISECOND},
    {"msecond", HR_UNIT_MILLISECOND},
    {"mseconds", HR_UNIT_MILLISECOND},
    {"millisecon", HR_UNIT_MILLISECOND},
    {"s", HR_UNIT_SECOND},
    {"sec", HR_UNIT_SECOND},
    {"secs", HR_UNIT_SECOND},
    {"second", HR_UNIT_SECOND},
    {"seconds", HR_UNIT_SECOND},
    {"m", HR_UNIT_MINUTE},
    {"min", HR_UNIT_MINUTE},
    {"mins", HR_UNIT_MINUTE},
    {"minute", HR_UNIT_MINUTE},
    {"minutes", HR_UNIT_MINUTE},
    {"h", HR_UNIT_HOUR},
    {"hr", HR_UNIT_HOUR},
    {"hrs", HR_UNIT_HOUR},
    {"hour", HR_UNIT_HOUR},
    {"hours", HR_UNIT_HOUR},
    {"d", HR_UNIT_DAY},
    {"day", HR_UNIT_DAY},
    {"days", HR_UNIT_DAY},
    {"w", HR_UNIT_WEEK},
    {"week", HR_UNIT_WEEK},
    {"weeks", HR_UNIT_WEEK},
    {"mon", HR_UNIT_MONTH},
    {"mons", HR_UNIT_MONTH},
    {"month", HR_UNIT_MONTH},
    {"months", HR_UNIT_MONTH},
    {"y", HR_UNIT_YEAR},
    {"yr", HR_UNIT_YEAR},
    {"yrs", HR_UNIT_YEAR},
    {"year", HR_UNIT_YEAR},
    {"years", HR_UNIT_YEAR},
    {"dec", HR_UNIT_DECADE},
    {"decs", HR_UNIT_DECADE},
    {"decade", HR_UNIT_DECADE},
    {"decades", HR_UNIT_DECADE},
    {"c", HR_UNIT_CENTURY},
    {"cent", HR_UNIT_CENTURY},
    {"century", HR_UNIT_CENTURY},
    {"centuries", HR_UNIT_CENTURY},
    {"mil", HR_UNIT_MILLENNIUM},
    {"mils", HR_UNIT_MILLENNIUM},
    {"millennia", HR_UNIT_MILLENNIUM},
    {"millennium", HR_UNIT_MILLENNIUM},
};

static hr_interval_unit hr_interval_unit_of(const char *s, size_t n)
{
    size_t letters = n < HR_UNIT_LETTERS ? n : HR_UNIT_LETTERS;

    for (size_t i = 0; i < sizeof(hr_interval_units) / sizeof(hr_interval_units[0]); i++)
        if (hr_is_word(s, letters, hr_interval_units[i].name))
            return hr_interval_units[i].unit;
    return HR_UNIT_OF_NOTHING;
}

/* The unit of a last number that has none. */
static hr_interval_unit hr_interval_unit_of_fields(int fields)
{
    if (fields == HR_INTERVAL_ALL || (fields & HR_INTERVAL_SECOND))
        return HR_UNIT_SECOND;
    if (fields & HR_INTERVAL_MINUTE)
        return HR_UNIT_MINUTE;
    if (fields & HR_INTERVAL_HOUR)
        return HR_UNIT_HOUR;
    if (fields & HR_INTERVAL_DAY)
        return HR_UNIT_DAY;
    if (fields & HR_INTERVAL_MONTH)
        return HR_UNIT_MONTH;
    return fields & HR_INTERVAL_YEAR ? HR_UNIT_YEAR : HR_UNIT_SECOND;
}

/* ---- sums ---- */

typedef struct hr_interval_sum {
    int32_t years, months, days;
    int64_t micros;
} hr_interval_sum;

static bool hr_sum_int32(int32_t *sum, int64_t value, int32_t scale)
{
    int32_t scaled;

    if (value < INT32_MIN || value > INT32_MAX || __builtin_mul_overflow((int32_t)value, scale, &scaled))
        return false;
    return !__builtin_add_overflow(*sum, scaled, sum);
}

static bool hr_sum_micros(hr_interval_sum *sum, int64_t value, int64_t scale)
{
    int64_t scaled;

    return !__builtin_mul_overflow(value, scale, &scaled) && !__builtin_add_overflow(sum->micros, scaled, &sum->micros);
}

/* A fraction (less than 1 either way) of `scale` microseconds: to the nearest, exact halves towards zero. */
static bool hr_sum_micros_part(hr_interval_sum *sum, double part, int64_t scale)
{
    volatile double scaled = part * (double)scale; /* volatile: no fused multiply-add, which would round once less */
    int64_t micros = (int64_t)scaled;
    double rest = scaled - (double)micros;

    micros += (rest > 0.5) - (rest < -0.5);
    return !__builtin_add_overflow(sum->micros, micros, &sum->micros);
}

/* A fraction of `scale` days: whole days, and microseconds for what remains. */
static bool hr_sum_days_part(hr_interval_sum *sum, double part, int32_t scale)
{
    volatile double scaled = part * scale;
    int32_t days = (int32_t)scaled;

    if (__builtin_add_overflow(sum->days, days, &sum->days))
        return false;
    return hr_sum_micros_part(sum, scaled - days, HR_MICROS_PER_DAY);
}

/* A fraction of `scale` years: the nearest number of months. */
static bool hr_sum_years_part(hr_interval_sum *sum, double part, int32_t scale)
{
    return !__builtin_add_overflow(sum->months, (int32_t)rint(part * scale * 12), &sum->months);
}

/* Add (whole + part) units. False when a sum leaves its range. */
static bool hr_sum_add(hr_interval_sum *sum, hr_interval_unit unit, int64_t whole, double part)
{
    static const int64_t micros[] = {
        [HR_UNIT_MICROSECOND] = 1,
        [HR_UNIT_MILLISECOND] = 1000,
        [HR_UNIT_SECOND] = HR_MICROS_PER_SECOND,
        [HR_UNIT_MINUTE] = HR_MICROS_PER_MINUTE,
        [HR_UNIT_HOUR] = HR_MICROS_PER_HOUR,
    };
    int32_t years = unit == HR_UNIT_MILLENNIUM ? 1000 : unit == HR_UNIT_CENTURY ? 100 : unit == HR_UNIT_DECADE ? 10 : 1;

    switch (unit) {
    case HR_UNIT_OF_NOTHING: return false;
    case HR_UNIT_MICROSECOND:
    case HR_UNIT_MILLISECOND:
    case HR_UNIT_SECOND:
    case HR_UNIT_MINUTE:
    case HR_UNIT_HOUR: return hr_sum_micros(sum, whole, micros[unit]) && hr_sum_micros_part(sum, part, micros[unit]);
    case HR_UNIT_DAY: return hr_sum_int32(&sum->days, whole, 1) && hr_sum_micros_part(sum, part, HR_MICROS_PER_DAY);
    case HR_UNIT_WEEK: return hr_sum_int32(&sum->days, whole, 7) && hr_sum_days_part(sum, part, 7);
    case HR_UNIT_MONTH: return hr_sum_int32(&sum->months, whole, 1) && hr_sum_days_part(sum, part, 30);
    case HR_UNIT_YEAR:
    case HR_UNIT_DECADE:
    case HR_UNIT_CENTURY:
    case HR_UNIT_MILLENNIUM: return hr_sum_int32(&sum->years, whole, years) && hr_sum_years_part(sum, part, years);
    }
    return false;
}

/* ---- tokens ---- */

typedef enum hr_interval_token_kind { HR_IN_NUMBER, HR_IN_YEAR_MONTH, HR_IN_TIME, HR_IN_WORD } hr_interval_token_kind;

typedef struct hr_interval_token {
    hr_interval_token_kind kind;
    bool negative, is_signed;
    int64_t whole; /* NUMBER; YEAR_MONTH: months; TIME: microseconds. Without the sign, but for a NUMBER that is INT64_MIN */
    double part;   /* NUMBER: the fraction, with the sign */
    const char *word;
    size_t letters;
} hr_interval_token;

/* What a step of reading found. */
typedef enum hr_interval_outcome { HR_IN_OK, HR_IN_BAD, HR_IN_RANGE } hr_interval_outcome;

typedef struct hr_interval_text {
    const char *p, *end;
} hr_interval_text;

/* Take the digits at p as a negative number: there is one more of these than of positive ones. */
static hr_interval_outcome hr_take_negative(hr_interval_text *text, int64_t *value)
{
    bool over = false;
    const char *start = text->p;

    *value = 0;
    for (; text->p < text->end && hr_is_digit(*text->p); text->p++)
        over |= __builtin_mul_overflow(*value, (int64_t)10, value) || __builtin_sub_overflow(*value, (int64_t)(*text->p - '0'), value);
    if (text->p == start)
        return HR_IN_BAD;
    return over ? HR_IN_RANGE : HR_IN_OK;
}

/* Take the digits at p as a number up to `limit`. */
static hr_interval_outcome hr_take_digits(hr_interval_text *text, int64_t limit, int64_t *value)
{
    hr_interval_outcome outcome = hr_take_negative(text, value);

    if (outcome != HR_IN_OK)
        return outcome;
    if (*value < -limit)
        return HR_IN_RANGE;
    *value = -*value;
    return HR_IN_OK;
}

static bool hr_interval_at(const hr_interval_text *text, char c)
{
    return text->p < text->end && *text->p == c;
}

/* The digits after a point at p, as a slice. */
static size_t hr_take_fraction(hr_interval_text *text, const char **digits)
{
    *digits = ++text->p;
    while (text->p < text->end && hr_is_digit(*text->p))
        text->p++;
    return (size_t)(text->p - *digits);
}

/* h:mm, h:mm:ss, h:mm:ss.f, mm:ss.f; p is at the first colon and the first number is known. Two numbers are minutes and seconds when a
 * fraction follows or the column holds just these. */
static hr_interval_outcome hr_take_time(hr_interval_text *text, int fields, int64_t first, hr_interval_token *token)
{
    int64_t hour = first, minute, second = 0, fraction = 0;
    hr_interval_sum sum = {0, 0, 0, 0};
    hr_interval_outcome outcome;
    const char *digits;
    bool three;

    text->p++;
    outcome = hr_take_digits(text, INT32_MAX, &minute);
    if (outcome != HR_IN_OK)
        return outcome;
    three = hr_interval_at(text, ':');
    if (three) {
        text->p++;
        outcome = hr_take_digits(text, INT32_MAX, &second);
        if (outcome != HR_IN_OK)
            return outcome;
    }
    bool point = hr_interval_at(text, '.');
    if (point) {
        size_t n = hr_take_fraction(text, &digits);
        fraction = hr_fraction_micros(digits, n);
    }
    if (!three && (point || fields == (HR_INTERVAL_MINUTE | HR_INTERVAL_SECOND))) {
        if (hour > INT32_MAX)
            return HR_IN_RANGE;
        second = minute;
        minute = hour;
        hour = 0;
    }
    if (minute > 59 || second > 60)
        return HR_IN_RANGE;
    sum.micros = fraction;
    if (!hr_sum_micros(&sum, hour, HR_MICROS_PER_HOUR) || !hr_sum_micros(&sum, minute, HR_MICROS_PER_MINUTE) ||
        !hr_sum_micros(&sum, second, HR_MICROS_PER_SECOND))
        return HR_IN_RANGE;
    token->kind = HR_IN_TIME;
    token->whole = sum.micros;
    if (hr_interval_at(text, ':') || hr_interval_at(text, '.') || (token->is_signed && hr_interval_at(text, '-')))
        return HR_IN_BAD;
    return HR_IN_OK;
}

/* One token that starts with a sign, a digit or a point. */
static hr_interval_outcome hr_take_quantity(hr_interval_text *text, int fields, hr_interval_token *token)
{
    hr_interval_outcome outcome;
    const char *digits;
    int64_t months;

    token->kind = HR_IN_NUMBER;
    if (*text->p == '+' || *text->p == '-') {
        token->is_signed = true;
        token->negative = *text->p++ == '-';
        while (text->p < text->end && hr_is_space(*text->p))
            text->p++;
        if (text->p == text->end || !hr_is_digit(*text->p)) /* the server wants a digit before the point here */
            return HR_IN_BAD;
    }
    if (!hr_interval_at(text, '.')) {
        outcome = hr_take_negative(text, &token->whole);
        if (outcome != HR_IN_OK)
            return outcome;
        if (token->whole != INT64_MIN)
            token->whole = -token->whole;
        else if (!token->negative || hr_interval_at(text, ':') || hr_interval_at(text, '-'))
            return HR_IN_RANGE;
        if (hr_interval_at(text, ':'))
            return hr_take_time(text, fields, token->whole, token);
        if (hr_interval_at(text, '-')) {
            text->p++;
            outcome = hr_take_digits(text, 11, &months);
            if (outcome != HR_IN_OK)
                return outcome;
            token->kind = HR_IN_YEAR_MONTH;
            if (__builtin_mul_overflow(token->whole, (int64_t)12, &token->whole) ||
                __builtin_add_overflow(token->whole, months, &token->whole))
                return HR_IN_RANGE;
            return hr_interval_at(text, '-') || hr_interval_at(text, '.') || hr_interval_at(text, ':') ? HR_IN_BAD : HR_IN_OK;
        }
    }
    if (hr_interval_at(text, '.')) {
        size_t n = hr_take_fraction(text, &digits);
        if (n == 0)
            return HR_IN_BAD;
        token->part = hr_decimal_double(digits, n, (int)n);
        if (token->negative)
            token->part = -token->part;
    }
    return hr_interval_at(text, '.') || hr_interval_at(text, ':') || hr_interval_at(text, '-') ? HR_IN_BAD : HR_IN_OK;
}

static bool hr_is_letter(char c)
{
    c = hr_to_lower(c);
    return c >= 'a' && c <= 'z';
}

/* Letters that a number may follow without a space. */
static bool hr_interval_may_be_joined(char c)
{
    c = hr_to_lower(c);
    return c == 'd' || c == 'h' || c == 'm' || c == 's' || c == 'y';
}

/* Cut the whole text. */
static hr_interval_outcome hr_interval_cut(hr_interval_text *text, int fields, hr_interval_token tokens[HR_INTERVAL_TOKENS], int *count)
{
    *count = 0;
    for (;;) {
        hr_interval_token *token = &tokens[*count];
        hr_interval_outcome outcome;
        while (text->p < text->end && (hr_is_space(*text->p) || *text->p == '@'))
            text->p++;
        if (text->p == text->end)
            return HR_IN_OK;
        if (*count == HR_INTERVAL_TOKENS)
            return HR_IN_BAD;
        memset(token, 0, sizeof(*token));
        if (hr_is_letter(*text->p)) {
            token->kind = HR_IN_WORD;
            token->word = text->p;
            while (text->p < text->end && hr_is_letter(*text->p))
                text->p++;
            token->letters = (size_t)(text->p - token->word);
            /* the server takes "day2" and "days-4" for names of zones, but not "d2" */
            if (text->p < text->end && !hr_is_space(*text->p) &&
                (token->letters > 1 || !hr_interval_may_be_joined(*token->word) || !(hr_is_digit(*text->p) || *text->p == '+')))
                return HR_IN_BAD;
        } else {
            outcome = hr_take_quantity(text, fields, token);
            if (outcome != HR_IN_OK)
                return outcome;
        }
        (*count)++;
    }
}

/* ---- the traditional and the SQL form ---- */

/* Add one quantity; *unit is the unit to its right and becomes the one for a number to its left. `used` has a bit for each unit seen. */
static hr_interval_outcome hr_interval_add(const hr_interval_token *token, hr_interval_unit *unit, unsigned *used, hr_interval_sum *sum)
{
    int64_t whole = token->negative && token->whole != INT64_MIN ? -token->whole : token->whole;
    unsigned bits;

    if (token->kind == HR_IN_TIME) {
        sum->micros = whole; /* nothing stood to the right that a time may have beside it */
        *unit = HR_UNIT_DAY;
        bits = HR_UNITS_OF_TIME;
    } else {
        if (token->kind == HR_IN_YEAR_MONTH)
            *unit = HR_UNIT_MONTH;
        if (*unit == HR_UNIT_OF_NOTHING)
            return HR_IN_BAD;
        if (!hr_sum_add(sum, *unit, whole, token->part))
            return HR_IN_RANGE;
        bits = HR_UNIT_BIT(*unit);
        if (*unit == HR_UNIT_SECOND && token->part != 0)
            bits |= HR_UNITS_BELOW_SECOND;
        if (*unit == HR_UNIT_HOUR)
            *unit = HR_UNIT_DAY;
    }
    if (*used & bits)
        return HR_IN_BAD;
    *used |= bits;
    return HR_IN_OK;
}

static hr_interval_outcome hr_interval_plain(hr_interval_text text, int fields, hr_interval_sum *sum)
{
    hr_interval_token tokens[HR_INTERVAL_TOKENS];
    hr_interval_unit unit = hr_interval_unit_of_fields(fields);
    hr_interval_outcome outcome;
    unsigned used = 0;
    bool ago = false, waiting = false; /* a unit waits for its number */
    int count;

    outcome = hr_interval_cut(&text, fields, tokens, &count);
    if (outcome != HR_IN_OK)
        return outcome;
    for (int i = count - 1; i >= 0; i--) {
        if (tokens[i].kind == HR_IN_WORD) {
            if (i == count - 1 && hr_is_word(tokens[i].word, tokens[i].letters, "ago")) {
                ago = true;
                unit = HR_UNIT_OF_NOTHING;
                continue;
            }
            unit = hr_interval_unit_of(tokens[i].word, tokens[i].letters);
            if (waiting || unit == HR_UNIT_OF_NOTHING)
                return HR_IN_BAD;
            waiting = true;
            continue;
        }
        outcome = hr_interval_add(&tokens[i], &unit, &used, sum);
        if (outcome != HR_IN_OK)
            return outcome;
        waiting = false;
    }
    if (used == 0 || waiting)
        return HR_IN_BAD;
    if (ago && (__builtin_sub_overflow(0, sum->years, &sum->years) || __builtin_sub_overflow(0, sum->months, &sum->months) ||
                __builtin_sub_overflow(0, sum->days, &sum->days) || __builtin_sub_overflow((int64_t)0, sum->micros, &sum->micros)))
        return HR_IN_RANGE;
    return HR_IN_OK;
}

/* ---- ISO 8601 ---- */

typedef struct hr_iso_number {
    int64_t whole;
    double part;
    int width; /* digits before the point */
} hr_iso_number;

/* A number as it stands after P: [-]digits[.digits]. Read through a double, as the server does. */
static hr_interval_outcome hr_iso_take(hr_interval_text *text, hr_iso_number *number)
{
    char digits[HR_INTERVAL_MAX_TEXT];
    size_t n = 0;
    int scale = 0;
    double value;
    bool negative = hr_interval_at(text, '-');

    if (negative)
        text->p++;
    for (; text->p < text->end && hr_is_digit(*text->p); text->p++)
        digits[n++] = *text->p;
    number->width = (int)n;
    if (hr_interval_at(text, '.'))
        for (text->p++; text->p < text->end && hr_is_digit(*text->p); text->p++, scale++)
            digits[n++] = *text->p;
    if (n == 0)
        return HR_IN_BAD;
    value = hr_decimal_double(digits, n, scale);
    if (value > 1e15)
        return HR_IN_RANGE;
    if (negative)
        value = -value;
    number->whole = (int64_t)value;
    number->part = value - (double)number->whole;
    return HR_IN_OK;
}

/* The alternative forms in three parts: years-months-days or hours:minutes:seconds. The first number is known and p is after it; `between`
 * separates them. The rest ends at the end of the text or, for dates, at T. */
static hr_interval_outcome hr_iso_parts(hr_interval_text *text, char between, const hr_interval_unit units[3], hr_iso_number number,
                                        hr_interval_sum *sum)
{
    for (int i = 0;; i++) {
        hr_interval_outcome outcome;
        if (!hr_sum_add(sum, units[i], number.whole, number.part))
            return HR_IN_RANGE;
        if (text->p == text->end || (between == '-' && *text->p == 'T'))
            return HR_IN_OK;
        if (i == 2 || *text->p++ != between)
            return HR_IN_BAD;
        outcome = hr_iso_take(text, &number);
        if (outcome != HR_IN_OK)
            return outcome;
    }
}

/* Eight digits yyyymmdd or six hhmmss in one number. */
static bool hr_iso_joined(hr_iso_number number, const hr_interval_unit units[3], int64_t scale_of_part, hr_interval_sum *sum)
{
    return hr_sum_add(sum, units[0], number.whole / 10000, 0) && hr_sum_add(sum, units[1], number.whole / 100 % 100, 0) &&
           hr_sum_add(sum, units[2], number.whole % 100, 0) && hr_sum_micros_part(sum, number.part, scale_of_part);
}

static hr_interval_outcome hr_interval_iso(hr_interval_text text, hr_interval_sum *sum)
{
    static const hr_interval_unit date_units[3] = {HR_UNIT_YEAR, HR_UNIT_MONTH, HR_UNIT_DAY};
    static const hr_interval_unit time_units[3] = {HR_UNIT_HOUR, HR_UNIT_MINUTE, HR_UNIT_SECOND};
    bool in_date = true, first = true;

    if (text.end - text.p < 2 || *text.p++ != 'P')
        return HR_IN_BAD;
    while (text.p < text.end) {
        hr_iso_number number;
        hr_interval_outcome outcome;
        hr_interval_unit unit = HR_UNIT_OF_NOTHING;
        char letter;
        if (*text.p == 'T') {
            in_date = false;
            first = true;
            text.p++;
            continue;
        }
        outcome = hr_iso_take(&text, &number);
        if (outcome != HR_IN_OK)
            return outcome;
        letter = text.p < text.end ? *text.p : '\0';
        switch (letter) {
        case 'Y': unit = in_date ? HR_UNIT_YEAR : unit; break;
        case 'M': unit = in_date ? HR_UNIT_MONTH : HR_UNIT_MINUTE; break;
        case 'W': unit = in_date ? HR_UNIT_WEEK : unit; break;
        case 'D': unit = in_date ? HR_UNIT_DAY : unit; break;
        case 'H': unit = in_date ? unit : HR_UNIT_HOUR; break;
        case 'S': unit = in_date ? unit : HR_UNIT_SECOND; break;
        default: break;
        }
        if (unit != HR_UNIT_OF_NOTHING) {
            text.p++;
            if (!hr_sum_add(sum, unit, number.whole, number.part))
                return HR_IN_RANGE;
            first = false;
            continue;
        }
        if (!first || (letter != '\0' && letter != (in_date ? '-' : ':') && !(in_date && letter == 'T')))
            return HR_IN_BAD;
        if (number.width == (in_date ? 8 : 6) && letter != (in_date ? '-' : ':')) {
            if (!hr_iso_joined(number, in_date ? date_units : time_units, in_date ? HR_MICROS_PER_DAY : 1, sum))
                return HR_IN_RANGE;
        } else {
            outcome = hr_iso_parts(&text, in_date ? '-' : ':', in_date ? date_units : time_units, number, sum);
            if (outcome != HR_IN_OK)
                return outcome;
        }
    }
    return HR_IN_OK;
}

/* ---- all together ---- */

int hr_interval_scan(const hr_type *type, int fields, const char *s, size_t n, hr_interval *out, int *infinite, hr_error *error)
{
    hr_interval_sum sum = {0, 0, 0, 0};
    hr_interval_outcome outcome = HR_IN_BAD;
    char excerpt[HR_EXCERPT_SIZE];
    const char *trimmed = s;
    size_t length = n;
    int64_t months;

    *infinite = 0;
    hr_trim(&trimmed, &length);
    if (hr_is_word(trimmed, length, "infinity") || hr_is_word(trimmed, length, "+infinity"))
        *infinite = 1;
    else if (hr_is_word(trimmed, length, "-infinity"))
        *infinite = -1;
    if (*infinite != 0)
        return HR_OK;
    if (n <= HR_INTERVAL_MAX_TEXT) {
        outcome = hr_interval_plain((hr_interval_text){s, s + n}, fields, &sum);
        if (outcome == HR_IN_BAD) {
            memset(&sum, 0, sizeof(sum));
            outcome = hr_interval_iso((hr_interval_text){s, s + n}, &sum);
        }
    }
    if (length == 0)
        return hr_type_invalid(hr_type_label(type), s, 0, error);
    if (outcome == HR_IN_BAD)
        return hr_error_data(error, HR_REASON_TYPE, s, n, "invalid %s \"%s\": write it like P1DT2H, 1 day 02:00:00 or 90 seconds",
                             hr_type_label(type), hr_utf8_excerpt(excerpt, s, n));
    months = (int64_t)sum.years * 12 + sum.months;
    if (outcome == HR_IN_RANGE || months < INT32_MIN || months > INT32_MAX)
        return hr_error_data(error, HR_REASON_RANGE, s, n,
                             "%s out of range \"%s\": months and days are 32-bit numbers, the time 64 bits of microseconds",
                             hr_type_label(type), hr_utf8_excerpt(excerpt, s, n));
    out->months = (int32_t)months;
    out->days = sum.days;
    out->micros = sum.micros;
    return HR_OK;
}

/* ---- printing ---- */

/* "-3 days", unless it is 0. A positive number after a negative one gets a plus. */
static size_t hr_print_part(char *to, size_t at, int32_t value, const char *unit, bool *minus)
{
    if (value == 0)
        return at;
    if (at > 0)
        to[at++] = ' ';
    if (*minus && value > 0)
        to[at++] = '+';
    at += hr_print_int64(to + at, value);
    to[at++] = ' ';
    memcpy(to + at, unit, strlen(unit));
    at += strlen(unit);
    if (value != 1)
        to[at++] = 's';
    *minus = value < 0;
    return at;
}

size_t hr_interval_print(char *to, hr_interval value)
{
    uint64_t micros = value.micros < 0 ? 0 - (uint64_t)value.micros : (uint64_t)value.micros, hours;
    uint32_t rest;
    bool minus = false;
    size_t at = 0;

    at = hr_print_part(to, at, value.months / 12, "year", &minus);
    at = hr_print_part(to, at, value.months % 12, "mon", &minus);
    at = hr_print_part(to, at, value.days, "day", &minus);
    if (value.micros == 0 && at > 0)
        return at;
    if (at > 0)
        to[at++] = ' ';
    if (value.micros < 0)
        to[at++] = '-';
    else if (minus)
        to[at++] = '+';
    hours = micros / (uint64_t)HR_MICROS_PER_HOUR;
    if (hours < 10)
        to[at++] = '0';
    at += hr_print_uint64(to + at, hours);
    micros %= (uint64_t)HR_MICROS_PER_HOUR;
    rest = (uint32_t)(micros / (uint64_t)HR_MICROS_PER_SECOND);
    to[at] = ':';
    hr_print_padded(to + at + 1, rest / 60, 2);
    to[at + 3] = ':';
    hr_print_padded(to + at + 4, rest % 60, 2);
    at += 6;
    return at + hr_print_fraction(to + at, (uint32_t)(micros % (uint64_t)HR_MICROS_PER_SECOND));
}
