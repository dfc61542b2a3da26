/* csrc/core/json/json_scan.h: reading JSON text (RFC 8259) byte by byte, strictly and in bounded stack.
 *
 * hr_json_check says whether a text is JSON. The skip functions below it are the pieces it and the decoder (json.c) are made of;
 * the array type walks JSON arrays with them. None of them checks UTF-8: the decoder does that once for the whole record.
 */
#ifndef HR_CORE_JSON_SCAN_H
#define HR_CORE_JSON_SCAN_H

#include <string.h>

#include "core/arena.h"
#include "core/decode/decode.h"
#include "core/error.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

/* HR_OK when s[0..n) is exactly one JSON value (of any kind, white space around it) nested at most HR_MAX_DEPTH deep.
 * Else HR_EDATA with reason malformed, encoding (lone surrogate; \u0000 unless allow_nul_escape) or depth, and error->offset in s.
 * allow_nul_escape: true for json, which keeps the text; false for jsonb, which cannot hold the character. Allocates nothing. */
int hr_json_check(const char *s, size_t n, bool allow_nul_escape, hr_error *error);

/* Append what the inside of a JSON string, s[0..n) between its quotes, stands for. The string must have been checked by a skip function.
 * HR_EDATA (encoding) for \u0000 unless allow_nul; HR_ENOMEM; in both cases out->size is what it was. */
int hr_json_unescape(const char *s, size_t n, bool allow_nul, hr_buffer *out, hr_error *error);

/* A text being read. Offsets in errors are counted from start. */
typedef struct hr_json_scan {
    const char *start;
    const char *end;
    bool allow_nul_escape;
    hr_error *error; /* filled when a function below returns NULL; may be NULL */
} hr_json_scan;

/* All skip functions return the byte after what they skipped, or NULL after filling scan->error; they never read at or past scan->end. */

/* p is at the first byte of a value. `depth` counts the containers already open around it. *token becomes the value's kind; for a string
 * *escaped says whether it holds a backslash. The string's text is then p + 1 to result - 1. */
const char *hr_json_skip_value(const hr_json_scan *scan, const char *p, int depth, hr_token *token, bool *escaped);
/* p is at '{' or '['. */
const char *hr_json_skip_container(const hr_json_scan *scan, const char *p, int depth);
/* p is after the opening quote; the result is after the closing one. */
const char *hr_json_skip_string_slow(const hr_json_scan *scan, const char *p, bool *escaped);
/* Check one escape; p is at the backslash. The result is after it (after both halves of a surrogate pair). */
const char *hr_json_skip_escape(const hr_json_scan *scan, const char *p);
/* p is at '-' or a digit (anything else is an error). */
const char *hr_json_skip_number_slow(const hr_json_scan *scan, const char *p);

/* Fill scan->error: `what` was expected or is wrong, and what stands at p instead. Returns NULL, so that callers return it. */
const char *hr_json_fail(const hr_json_scan *scan, const char *p, hr_reason reason, const char *what);

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define HR_JSON_SWAR 1
#else
#define HR_JSON_SWAR 0
#endif

static inline uint64_t hr_json_load8(const char *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof(word));
    return word;
}

#if HR_JSON_SWAR || defined(__SSE2__)
#define HR_JSON_MASK16 1
/* Which of the 16 bytes at p are no decimal digits: bit i for byte i. */
static inline unsigned hr_json_nondigits16(const char *p)
{
#if defined(__SSE2__)
    __m128i digits = _mm_sub_epi8(_mm_loadu_si128((const __m128i *)(const void *)p), _mm_set1_epi8('0'));

    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(digits, _mm_set1_epi8(9)), digits)) ^ 0xffffu;
#else
    const uint64_t zeros = UINT64_C(0x3030303030303030), low = UINT64_C(0x7f7f7f7f7f7f7f7f), over = UINT64_C(0x7676767676767676);
    uint64_t a = hr_json_load8(p) ^ zeros, b = hr_json_load8(p + 8) ^ zeros;

    /* the top bit of a byte is set when it is above 9; the product gathers the eight of them in its top byte */
    a = ((((a & low) + over) | a) & ~low) >> 7;
    b = ((((b & low) + over) | b) & ~low) >> 7;
    return (unsigned)(a * UINT64_C(0x0102040810204080) >> 56) | (unsigned)(b * UINT64_C(0x0102040810204080) >> 56) << 8;
#endif
}
#else
#define HR_JSON_MASK16 0
#endif

/* The first byte from p on that cannot stand as it is inside a JSON string: a quote, a backslash, a control character; or end. */
static inline const char *hr_json_find_special(const char *start, const char *p, const char *end)
{
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), control = _mm_set1_epi8(0x1f);

    while (end - p >= 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i m = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash)),
                                 _mm_cmpeq_epi8(_mm_min_epu8(v, control), v));
        unsigned mask = (unsigned)_mm_movemask_epi8(m);
        if (HR_LIKELY(mask != 0))
            return p + __builtin_ctz(mask);
        p += 16;
    }
    if (end - start >= 16 && p < end) { /* the last 16 bytes again, without those before p */
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(end - 16));
        __m128i m = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash)),
                                 _mm_cmpeq_epi8(_mm_min_epu8(v, control), v));
        unsigned mask = (unsigned)_mm_movemask_epi8(m) >> (16 - (end - p));
        return mask != 0 ? p + __builtin_ctz(mask) : end;
    }
#elif defined(__ARM_NEON)
    while (end - p >= 16) {
        uint8x16_t v = vld1q_u8((const uint8_t *)p);
        uint8x16_t m = vorrq_u8(vorrq_u8(vceqq_u8(v, vdupq_n_u8('"')), vceqq_u8(v, vdupq_n_u8('\\'))), vcltq_u8(v, vdupq_n_u8(0x20)));
        uint64_t mask = vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(m), 4)), 0);
        if (HR_LIKELY(mask != 0))
            return p + (__builtin_ctzll(mask) >> 2);
        p += 16;
    }
    (void)start;
#else
    (void)start;
#if HR_JSON_SWAR
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = UINT64_C(0x8080808080808080);

    while (end - p >= 8) {
        uint64_t word = hr_json_load8(p);
        uint64_t quote = word ^ (ones * '"'), backslash = word ^ (ones * '\\');
        uint64_t marks = ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) | ((word - ones * 0x20) & ~word);
        if ((marks & tops) != 0)
            return p + (__builtin_ctzll(marks & tops) >> 3);
        p += 8;
    }
#endif
#endif
    while (p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20)
        p++;
    return p;
}

/* Whether s[0..n) is ASCII, as most records are. */
static inline bool hr_json_is_ascii(const char *s, size_t n)
{
    size_t i = 0;

#if defined(__SSE2__)
    __m128i any = _mm_setzero_si128();

    if (n >= 16) {
        for (; i + 16 <= n; i += 16)
            any = _mm_or_si128(any, _mm_loadu_si128((const __m128i *)(const void *)(s + i)));
        return _mm_movemask_epi8(_mm_or_si128(any, _mm_loadu_si128((const __m128i *)(const void *)(s + n - 16)))) == 0;
    }
#else
    uint64_t any = 0;

    if (n >= 8) {
        for (; i + 8 <= n; i += 8)
            any |= hr_json_load8(s + i);
        return ((any | hr_json_load8(s + n - 8)) & UINT64_C(0x8080808080808080)) == 0;
    }
#endif
    for (; i < n; i++)
        if ((unsigned char)s[i] >= 0x80)
            return false;
    return true;
}

static inline const char *hr_json_skip_string(const hr_json_scan *scan, const char *p, bool *escaped)
{
    p = hr_json_find_special(scan->start, p, scan->end);
    if (HR_LIKELY(p < scan->end && *p == '"'))
        return p + 1;
    return hr_json_skip_string_slow(scan, p, escaped);
}

static inline const char *hr_json_skip_space(const char *p, const char *end)
{
    while (p < end && (unsigned char)*p <= ' ' && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

#endif
