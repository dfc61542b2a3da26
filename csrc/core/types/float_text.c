/* csrc/core/types/float_text.c: floats from and to text.
 *
 * Both directions have three roads: one in floating point where every step is known to be exact, one in 128-bit integers, and one in
 * big integers that is right for everything. No tables of powers, no strtod, no printf: those depend on locales.
 */
#include "float_text.h"

#include <string.h>

#include "big.h"
#include "core/bytes.h"

typedef unsigned __int128 hr_u128;

typedef struct hr_float_format {
    int bits;         /* of the significand, the hidden one included */
    int min_exponent; /* of the leading bit of the smallest normal number */
    int max_exponent; /* of the leading bit of the largest number */
} hr_float_format;

static const hr_float_format hr_format4 = {24, -126, 127};
static const hr_float_format hr_format8 = {53, -1022, 1023};

/* ---- reading ---- */

/* Round significand * 2^exponent, whose highest bit is bit 63, to the format; `sticky` says that a bit more hangs below. Gives the IEEE
 * bits without the sign. Overflow, and anything that becomes zero, is HR_FLOAT_RANGE. */
static hr_float_syntax hr_float_round(const hr_float_format *format, uint64_t significand, int64_t exponent, bool sticky, uint64_t *bits)
{
    int64_t top = exponent + 63;
    int64_t shift = 64 - format->bits;
    uint64_t kept, rest, half;

    if (top < format->min_exponent)
        shift += format->min_exponent - top;
    if (shift > 64)
        return HR_FLOAT_RANGE;
    kept = shift < 64 ? significand >> shift : 0;
    rest = shift < 64 ? significand & ((UINT64_C(1) << shift) - 1) : significand;
    half = UINT64_C(1) << (shift - 1);
    if (rest > half || (rest == half && (sticky || (kept & 1))))
        kept++;
    if (kept == 0)
        return HR_FLOAT_RANGE;
    if (top < format->min_exponent) {
        *bits = kept; /* subnormal, or rounded up to the smallest normal number: the same bits */
        return HR_FLOAT_OK;
    }
    if (kept >> format->bits != 0) {
        kept >>= 1;
        top++;
    }
    if (top > format->max_exponent)
        return HR_FLOAT_RANGE;
    *bits = (uint64_t)(top - format->min_exponent + 1) << (format->bits - 1) | (kept & ((UINT64_C(1) << (format->bits - 1)) - 1));
    return HR_FLOAT_OK;
}

/* The same for any 128-bit significand but zero. */
static hr_float_syntax hr_float_round128(const hr_float_format *format, hr_u128 significand, int64_t exponent, bool sticky, uint64_t *bits)
{
    uint64_t high = (uint64_t)(significand >> 64);
    uint64_t low = (uint64_t)significand;
    int shift;

    if (high == 0) {
        shift = __builtin_clzll(low);
        return hr_float_round(format, low << shift, exponent - shift, sticky, bits);
    }
    shift = __builtin_clzll(high);
    significand <<= shift;
    return hr_float_round(format, (uint64_t)(significand >> 64), exponent - shift + 64, sticky || (uint64_t)significand != 0, bits);
}

/* A decimal number taken apart: digits[0..count) without sign and leading zeros, some of them perhaps '.', and the power of ten of the
 * last digit. */
typedef struct hr_decimal_text {
    const char *digits;
    size_t length;       /* characters from the first significant digit to the last digit, the point included */
    size_t count;        /* digits among them */
    int64_t exponent;    /* of the last digit */
    uint64_t first;      /* the number made of the first min(count, 19) digits */
} hr_decimal_text;

/* Scan [digits][.digits][e[+-]digits], all of s[0..n). */
static bool hr_decimal_scan(const char *s, size_t n, hr_decimal_text *out)
{
    size_t i = 0, seen = 0, after_point = 0, digits_end;
    bool point = false;

    memset(out, 0, sizeof(*out));
    for (; i < n; i++) {
        unsigned digit = (unsigned char)(s[i] - '0');
        if (digit <= 9) {
            seen++;
            after_point += point;
            if (out->count == 0 && digit == 0)
                continue;
            if (out->count == 0)
                out->digits = s + i;
            if (out->count++ < 19)
                out->first = out->first * 10 + digit;
        } else if (s[i] == '.' && !point) {
            point = true;
        } else {
            break;
        }
    }
    if (seen == 0)
        return false;
    digits_end = i;
    out->exponent = -(int64_t)after_point;
    if (i < n && (s[i] == 'e' || s[i] == 'E')) {
        bool negative = false;
        int64_t exponent = 0;

        i++;
        if (i < n && (s[i] == '+' || s[i] == '-'))
            negative = s[i++] == '-';
        if (i == n)
            return false;
        for (; i < n && hr_is_digit(s[i]); i++)
            if (exponent < INT64_C(1000000000000)) /* far beyond any text that fits in memory */
                exponent = exponent * 10 + (s[i] - '0');
        out->exponent += negative ? -exponent : exponent;
    }
    out->length = out->count > 0 ? (size_t)(s + digits_end - out->digits) : 0;
    return i == n;
}

static const uint64_t hr_pow5_small[28] = {
    UINT64_C(1), UINT64_C(5), UINT64_C(25), UINT64_C(125), UINT64_C(625), UINT64_C(3125), UINT64_C(15625), UINT64_C(78125),
    UINT64_C(390625), UINT64_C(1953125), UINT64_C(9765625), UINT64_C(48828125), UINT64_C(244140625), UINT64_C(1220703125),
    UINT64_C(6103515625), UINT64_C(30517578125), UINT64_C(152587890625), UINT64_C(762939453125), UINT64_C(3814697265625),
    UINT64_C(19073486328125), UINT64_C(95367431640625), UINT64_C(476837158203125), UINT64_C(2384185791015625),
    UINT64_C(11920928955078125), UINT64_C(59604644775390625), UINT64_C(298023223876953125), UINT64_C(1490116119384765625),
    UINT64_C(7450580596923828125),
};

/* Digits that can decide a rounding: halfway points of float8 have at most 767. More than this many are replaced by one sticky 1. */
#define HR_FLOAT_DIGITS 790

/* Any decimal number but zero, by big integers: the first 64 bits of digits * 10^exponent and whether more follows. */
static hr_float_syntax hr_float_from_big(const hr_float_format *format, const hr_decimal_text *text, uint64_t *bits)
{
    hr_big a, b;
    size_t used = 0;
    int64_t exponent = text->exponent, binary;
    uint64_t significand;
    unsigned shift;
    int difference;

    /* the number is in [10^(count - 1 + exponent), 10^(count + exponent)): settle what is far outside any float */
    if ((int64_t)text->count + exponent > 310 || (int64_t)text->count + exponent < -325)
        return HR_FLOAT_RANGE;
    hr_big_set(&a, 0);
    for (size_t i = 0; i < text->length && used < HR_FLOAT_DIGITS; i++) {
        if (text->digits[i] == '.')
            continue;
        hr_big_multiply_add(&a, 10, (uint32_t)(text->digits[i] - '0'));
        used++;
    }
    exponent += (int64_t)(text->count - used);
    if (used < text->count) {
        /* whatever the rest is, zeros included, one digit more that is not zero keeps the comparison with every halfway point right:
         * none of those has this many digits. All zeros must stay exact, though. */
        bool any = false;
        size_t skip = 0;
        for (size_t i = 0; i < text->length && !any; i++) {
            if (text->digits[i] == '.')
                continue;
            any = skip++ >= used && text->digits[i] != '0';
        }
        if (any) {
            hr_big_multiply_add(&a, 10, 1);
            exponent--;
        }
    }
    /* a / b * 2^binary with a / b scaled into [1/2, 1) */
    hr_big_set(&b, 1);
    if (exponent >= 0)
        hr_big_multiply_pow5(&a, (unsigned)exponent);
    else
        hr_big_multiply_pow5(&b, (unsigned)-exponent);
    binary = exponent;
    difference = hr_big_bits(&a) - hr_big_bits(&b);
    if (difference > 0)
        hr_big_shift_left(&b, (unsigned)difference);
    else
        hr_big_shift_left(&a, (unsigned)-difference);
    binary += difference;
    if (hr_big_compare(&a, &b) >= 0) {
        hr_big_shift_left(&b, 1);
        binary++;
    }
    shift = hr_big_normalize_shift(&b);
    hr_big_shift_left(&b, shift);
    hr_big_shift_left(&a, shift);
    hr_big_shift_left(&a, 32);
    significand = (uint64_t)hr_big_divide(&a, &b) << 32;
    hr_big_shift_left(&a, 32);
    significand |= hr_big_divide(&a, &b);
    return hr_float_round(format, significand, binary - 64, a.count != 0, bits);
}

static hr_float_syntax hr_float_from_decimal(const hr_float_format *format, const hr_decimal_text *text, uint64_t *bits)
{
    if (text->count == 0) {
        *bits = 0;
        return HR_FLOAT_OK;
    }
    if (text->count <= 19 && text->exponent >= -27 && text->exponent <= 27) {
        if (text->exponent >= 0)
            return hr_float_round128(format, (hr_u128)text->first * hr_pow5_small[text->exponent], text->exponent, false, bits);
        /* shifted left as far as it goes, the quotient has more than 64 bits: enough for 53 and a halfway bit, the rest is sticky */
        int shift = 64 + __builtin_clzll(text->first);
        uint64_t divisor = hr_pow5_small[-text->exponent];
        hr_u128 dividend = (hr_u128)text->first << shift;
        hr_u128 quotient = dividend / divisor;
        return hr_float_round128(format, quotient, text->exponent - shift, quotient * divisor != dividend, bits);
    }
    return hr_float_from_big(format, text, bits);
}

/* The part after "0x": hexdigits[.hexdigits][p[+-]digits]. */
static hr_float_syntax hr_float_from_hex(const hr_float_format *format, const char *s, size_t n, uint64_t *bits)
{
    uint64_t significand = 0;
    int64_t exponent = 0;
    bool point = false, seen = false, sticky = false;
    size_t i = 0;
    int shift;

    for (; i < n; i++) {
        int digit = hr_hex_value(s[i]);
        if (digit >= 0) {
            seen = true;
            if (significand >> 60 == 0) {
                significand = significand << 4 | (unsigned)digit;
                exponent -= point ? 4 : 0;
            } else {
                sticky |= digit != 0;
                exponent += point ? 0 : 4;
            }
        } else if (s[i] == '.' && !point) {
            point = true;
        } else {
            break;
        }
    }
    if (!seen)
        return HR_FLOAT_INVALID;
    if (i < n && (s[i] == 'p' || s[i] == 'P')) {
        bool negative = false;
        int64_t power = 0;

        i++;
        if (i < n && (s[i] == '+' || s[i] == '-'))
            negative = s[i++] == '-';
        if (i == n)
            return HR_FLOAT_INVALID;
        for (; i < n && hr_is_digit(s[i]); i++)
            if (power < INT64_C(1000000000000))
                power = power * 10 + (s[i] - '0');
        exponent += negative ? -power : power;
    }
    if (i != n)
        return HR_FLOAT_INVALID;
    if (significand == 0) {
        *bits = 0;
        return HR_FLOAT_OK;
    }
    shift = __builtin_clzll(significand);
    return hr_float_round(format, significand << shift, exponent - shift, sticky, bits);
}

/* nan, or nan(letters, digits, underscores) as the C library under the server reads it. */
static bool hr_float_is_nan(const char *s, size_t n)
{
    if (n < 3 || !hr_is_word(s, 3, "nan"))
        return false;
    if (n == 3)
        return true;
    if (n < 5 || s[3] != '(' || s[n - 1] != ')')
        return false;
    for (size_t i = 4; i < n - 1; i++) {
        char c = hr_to_lower(s[i]);
        if (!hr_is_digit(c) && !(c >= 'a' && c <= 'z') && c != '_')
            return false;
    }
    return true;
}

/* Everything but white space and the short roads. The bits come with their sign at `sign_bit`. */
static hr_float_syntax hr_float_parse_bits(const hr_float_format *format, int sign_bit, const char *s, size_t n, uint64_t *bits)
{
    uint64_t infinity = (uint64_t)(format->max_exponent - format->min_exponent + 2) << (format->bits - 1);
    hr_float_syntax syntax = HR_FLOAT_OK;
    uint64_t sign = 0;

    if (n > 0 && (*s == '-' || *s == '+')) {
        sign = *s == '-' ? UINT64_C(1) << sign_bit : 0;
        s++;
        n--;
    }
    if (n > 0 && (hr_is_digit(*s) || *s == '.')) {
        hr_decimal_text text;

        if (n > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
            syntax = hr_float_from_hex(format, s + 2, n - 2, bits);
        else if (hr_decimal_scan(s, n, &text))
            syntax = hr_float_from_decimal(format, &text, bits);
        else
            return HR_FLOAT_INVALID;
    } else if (hr_is_word(s, n, "inf") || hr_is_word(s, n, "infinity")) {
        *bits = infinity;
    } else if (hr_float_is_nan(s, n)) {
        *bits = infinity | UINT64_C(1) << (format->bits - 2);
        sign = 0; /* a NaN has no sign on the server */
    } else {
        return HR_FLOAT_INVALID;
    }
    if (syntax == HR_FLOAT_OK)
        *bits |= sign;
    return syntax;
}

static const double hr_pow10_exact[23] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                          1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* The first road: -?digits[.digits] of at most 15 digits. Number and power of ten are exact as doubles, so their quotient is rounded
 * once. */
static bool hr_float8_plain(const char *s, size_t n, double *value)
{
    bool negative = n > 0 && *s == '-';
    uint64_t digits = 0;
    size_t i = negative, point = n;

    if (n - negative - 1 > 15 || !hr_is_digit(s[i]))
        return false;
    for (; i < n; i++) {
        unsigned digit = (unsigned char)(s[i] - '0');
        if (digit <= 9)
            digits = digits * 10 + digit;
        else if (s[i] == '.' && point == n)
            point = i;
        else
            return false;
    }
    if (digits > UINT64_C(1) << 53) /* 16 digits without a point */
        return false;
    *value = point == n ? (double)digits : (double)digits / hr_pow10_exact[n - point - 1];
    if (negative)
        *value = -*value;
    return true;
}

hr_float_syntax hr_float8_parse(const char *s, size_t n, double *value)
{
    hr_float_syntax syntax;
    uint64_t bits = 0;

    if (hr_float8_plain(s, n, value))
        return HR_FLOAT_OK;
    hr_trim(&s, &n);
    syntax = hr_float_parse_bits(&hr_format8, 63, s, n, &bits);
    if (syntax == HR_FLOAT_OK)
        memcpy(value, &bits, sizeof(bits));
    return syntax;
}

hr_float_syntax hr_float4_parse(const char *s, size_t n, float *value)
{
    hr_float_syntax syntax;
    uint64_t bits = 0;
    uint32_t bits4;

    hr_trim(&s, &n);
    syntax = hr_float_parse_bits(&hr_format4, 31, s, n, &bits);
    if (syntax == HR_FLOAT_OK) {
        bits4 = (uint32_t)bits;
        memcpy(value, &bits4, sizeof(bits4));
    }
    return syntax;
}

/* ---- writing ---- */

/* Put digits[0..count), whose first has the weight 10^exponent, into the server's form: plain from 10^-4 up to 10^digits_plain, else
 * with an exponent of at least two digits. */
static size_t hr_float_layout(char *to, const char *digits, int count, int exponent, int digits_plain)
{
    size_t at = 0;

    if (exponent < -4 || exponent >= digits_plain) {
        unsigned size = (unsigned)(exponent < 0 ? -exponent : exponent);
        to[at++] = digits[0];
        if (count > 1) {
            to[at++] = '.';
            memcpy(to + at, digits + 1, (size_t)count - 1);
            at += (size_t)count - 1;
        }
        to[at++] = 'e';
        to[at++] = exponent < 0 ? '-' : '+';
        hr_print_padded(to + at, size, size >= 100 ? 3 : 2);
        return at + (size >= 100 ? 3 : 2);
    }
    if (exponent < 0) {
        memcpy(to, "0.0000", 6);
        at = (size_t)(1 - exponent);
        memcpy(to + at, digits, (size_t)count);
        return at + (size_t)count;
    }
    for (int i = 0; i < count || i <= exponent; i++) {
        if (i == exponent + 1)
            to[at++] = '.';
        to[at++] = i < count ? digits[i] : '0';
    }
    return at;
}

/* Shortest digits by exact arithmetic: r / s is the number, m_low / s and m_high / s the distances to the halfway points below and above.
 * (Steele & White 1990, Burger & Dybvig 1996.) The halfway points themselves are not used, because another reader may round them the
 * other way: so does the server, which prints 1e23 as 9.999999999999999e+22. Returns the count; *exponent is the first digit's. */
static int hr_float_shortest(uint64_t significand, int binary, bool narrow_below, char *digits, int *exponent)
{
    hr_big r, s, m_low, m_high;
    int count = 0, k;
    unsigned shift;

    hr_big_set(&r, significand);
    hr_big_set(&s, 1);
    hr_big_set(&m_low, 1);
    hr_big_set(&m_high, narrow_below ? 2 : 1);
    /* everything doubled once (so that half a unit is whole), and twice where the unit below is half as large */
    hr_big_shift_left(&r, narrow_below ? 2 : 1);
    hr_big_shift_left(&s, narrow_below ? 2 : 1);
    if (binary >= 0) {
        hr_big_shift_left(&r, (unsigned)binary);
        hr_big_shift_left(&m_low, (unsigned)binary);
        hr_big_shift_left(&m_high, (unsigned)binary);
    } else {
        hr_big_shift_left(&s, (unsigned)-binary);
    }

    /* k = an estimate of ceil(log10(number)), never too high and at most one too low: floor((bits - 1) * log10(2)) */
    int top = binary + 63 - __builtin_clzll(significand);
    k = top >= 0 ? (int)((int64_t)top * 1262611 >> 22) : -(int)(((int64_t)-top * 1262611 >> 22) + 1);
    if (k >= 0) {
        hr_big_multiply_pow5(&s, (unsigned)k);
        hr_big_shift_left(&s, (unsigned)k);
    } else {
        hr_big_multiply_pow5(&r, (unsigned)-k);
        hr_big_multiply_pow5(&m_low, (unsigned)-k);
        hr_big_multiply_pow5(&m_high, (unsigned)-k);
        hr_big_shift_left(&r, (unsigned)-k);
        hr_big_shift_left(&m_low, (unsigned)-k);
        hr_big_shift_left(&m_high, (unsigned)-k);
    }
    while (hr_big_sum_exceeds(&r, &m_high, &s)) { /* the highest acceptable number is above 10^k */
        k++;
        hr_big_multiply_add(&s, 10, 0);
    }
    shift = hr_big_normalize_shift(&s);
    hr_big_shift_left(&s, shift);
    hr_big_shift_left(&r, shift);
    hr_big_shift_left(&m_low, shift);
    hr_big_shift_left(&m_high, shift);

    for (;;) {
        bool low, high;
        uint32_t digit;

        hr_big_multiply_add(&r, 10, 0);
        hr_big_multiply_add(&m_low, 10, 0);
        hr_big_multiply_add(&m_high, 10, 0);
        digit = hr_big_divide(&r, &s);
        low = hr_big_compare(&r, &m_low) < 0;
        high = hr_big_sum_exceeds(&r, &m_high, &s);
        if (low && high) { /* both neighbours will do: take the nearer, the even one of two equally near */
            hr_big_shift_left(&r, 1);
            int side = hr_big_compare(&r, &s);
            high = side > 0 || (side == 0 && (digit & 1));
            low = !high;
        }
        digits[count++] = (char)('0' + digit + high);
        if (low || high)
            break;
    }
    *exponent = k - 1;
    return count;
}

/* Digits of a whole number without its trailing zeros, and the exponent of the first. */
static int hr_float_whole_digits(uint64_t whole, char *digits, int *exponent)
{
    int count = (int)hr_print_uint64(digits, whole);

    *exponent = count - 1;
    while (count > 1 && digits[count - 1] == '0')
        count--;
    return count;
}

static size_t hr_float_special(char *to, bool nan, bool negative)
{
    if (nan) {
        memcpy(to, "NaN", 3);
        return 3;
    }
    memcpy(to, "-Infinity", 9);
    if (!negative)
        memmove(to, to + 1, 8);
    return negative ? 9 : 8;
}

/* The short road to the digits of `value` > 0: the first power of ten that makes it a whole number below 10^15 from which division gives
 * it back. Decimals of up to 15 digits differ as doubles, and none lies on a halfway point, so there is no shorter one. */
static int hr_float8_short(double value, char *digits, int *exponent)
{
    if (value >= 1e15 || value < 1e-5)
        return 0;
    for (int power = 0; power <= 20; power++) {
        double scaled = value * hr_pow10_exact[power];
        uint64_t whole;

        if (scaled >= 1e15)
            return 0;
        whole = (uint64_t)(scaled + 0.5);
        if ((double)whole / hr_pow10_exact[power] == value) {
            int count = hr_float_whole_digits(whole, digits, exponent);
            *exponent -= power;
            return count;
        }
    }
    return 0;
}

/* The same for float4: decimals of up to 6 digits, powers up to 10^10, all exact as floats. */
static int hr_float4_short(float value, char *digits, int *exponent)
{
    if (value >= 1e6f || value < 1e-4f)
        return 0;
    for (int power = 0; power <= 10; power++) {
        float scale = (float)hr_pow10_exact[power];
        float scaled = value * scale;
        uint32_t whole;

        if (scaled >= 1e6f)
            return 0;
        whole = (uint32_t)(scaled + 0.5f);
        if ((float)whole / scale == value) {
            int count = hr_float_whole_digits(whole, digits, exponent);
            *exponent -= power;
            return count;
        }
    }
    return 0;
}

/* Take IEEE bits (without sign, finite, not zero) apart and find their shortest digits. */
static int hr_float_digits(const hr_float_format *format, uint64_t bits, char *digits, int *exponent)
{
    uint64_t hidden = UINT64_C(1) << (format->bits - 1);
    uint64_t fraction = bits & (hidden - 1);
    int biased = (int)(bits >> (format->bits - 1));
    int binary = (biased > 0 ? biased : 1) - 1 + format->min_exponent - (format->bits - 1);

    return hr_float_shortest(biased > 0 ? fraction | hidden : fraction, binary, fraction == 0 && biased > 1, digits, exponent);
}

size_t hr_float8_print(char *to, double value)
{
    char digits[HR_INT64_TEXT];
    uint64_t bits;
    bool negative;
    int count, exponent = 0;

    memcpy(&bits, &value, sizeof(bits));
    negative = bits >> 63 != 0;
    bits &= INT64_MAX;
    if (bits >= UINT64_C(0x7ff) << 52)
        return hr_float_special(to, bits > UINT64_C(0x7ff) << 52, negative);
    to[0] = '-';
    to += negative;
    if (bits == 0) {
        to[0] = '0';
        return 1u + negative;
    }
    count = hr_float8_short(negative ? -value : value, digits, &exponent);
    if (count == 0)
        count = hr_float_digits(&hr_format8, bits, digits, &exponent);
    return hr_float_layout(to, digits, count, exponent, 15) + negative;
}

size_t hr_float4_print(char *to, float value)
{
    char digits[HR_INT64_TEXT];
    uint32_t bits;
    bool negative;
    int count, exponent = 0;

    memcpy(&bits, &value, sizeof(bits));
    negative = bits >> 31 != 0;
    bits &= INT32_MAX;
    if (bits >= 0xffu << 23)
        return hr_float_special(to, bits > 0xffu << 23, negative);
    to[0] = '-';
    to += negative;
    if (bits == 0) {
        to[0] = '0';
        return 1u + negative;
    }
    count = hr_float4_short(negative ? -value : value, digits, &exponent);
    if (count == 0)
        count = hr_float_digits(&hr_format4, bits, digits, &exponent);
    return hr_float_layout(to, digits, count, exponent, 6) + negative;
}
