/* csrc/core/json/json_index_avx2.c: hr_json_looker for x86-64 with AVX2 and carry-less multiplication (Haswell, Zen 1 and later).
 *
 * AVX2 cannot move chosen bytes together, so what stands outside strings is not copied as in json_index_avx512.c: the places of the
 * operators, which are { } [ ] : and commas, are written down. Between two operators is nothing, one string, or one number or literal; that
 * it is no more than one is seen in step 1, 64 bytes of text at a time. Which of the three it is the byte before the second operator tells.
 * So step 2 has two bytes for each operator, and looks at 64 operators at a time: which may follow which, and with what between them; then,
 * for one depth after another, whether brackets and commas are of one sort. Step 3 is for the numbers and literals, which are moved
 * together by then.
 *
 * No PEXT and no PDEP: on Zen 1 and 2 each takes up to hundreds of cycles.
 */
#include "json_index_parts.h"

#if defined(__x86_64__)
#include <immintrin.h>

#if !defined(__clang__)
/* GCC 12 puts places that were counted one by one into a vector, to write them together: a tenth more time for the whole look. */
#pragma GCC optimize("no-tree-slp-vectorize")
#endif

#define HR_PLACES_TARGET __attribute__((target("avx2,bmi,bmi2,pclmul,popcnt")))
/* Steps are kept apart: in one function the compilers run out of registers in the first. */
#define HR_PLACES_STEP HR_PLACES_TARGET static __attribute__((noinline))
#define HR_PLACES_INLINE HR_PLACES_TARGET static inline __attribute__((always_inline))

static bool hr_places_supported(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
           __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("popcnt");
}

/* 64 bytes. */
typedef struct hr_places_bytes {
    __m256i low, high;
} hr_places_bytes;

HR_PLACES_INLINE __m256i hr_places_load32(const void *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

HR_PLACES_INLINE hr_places_bytes hr_places_load(const void *p)
{
    return (hr_places_bytes){hr_places_load32(p), hr_places_load32((const char *)p + 32)};
}

/* The top bits of the bytes. */
HR_PLACES_INLINE uint64_t hr_places_mask(__m256i low, __m256i high)
{
    return (uint64_t)(uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;
}

HR_PLACES_INLINE uint64_t hr_places_equal(hr_places_bytes v, char c)
{
    __m256i all = _mm256_set1_epi8(c);

    return hr_places_mask(_mm256_cmpeq_epi8(v.low, all), _mm256_cmpeq_epi8(v.high, all));
}

/* Bytes from 0 to c. */
HR_PLACES_INLINE uint64_t hr_places_up_to(hr_places_bytes v, char c)
{
    __m256i all = _mm256_set1_epi8(c);

    return hr_places_mask(_mm256_cmpeq_epi8(_mm256_min_epu8(v.low, all), v.low), _mm256_cmpeq_epi8(_mm256_min_epu8(v.high, all), v.high));
}

HR_PLACES_INLINE hr_places_bytes hr_places_or(hr_places_bytes v, char c)
{
    __m256i all = _mm256_set1_epi8(c);

    return (hr_places_bytes){_mm256_or_si256(v.low, all), _mm256_or_si256(v.high, all)};
}

/* The bits from each set one up to the one before the next. */
HR_PLACES_INLINE uint64_t hr_places_odd_before(uint64_t bits)
{
    return (uint64_t)_mm_cvtsi128_si64(_mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)bits), _mm_set1_epi8((char)0xff), 0));
}

/* The operators: the low four bits choose the one that a byte can be; [ and ] differ from { and } in bit 5. Two control characters are
 * taken for operators as well; they stand nowhere in sound text. */
HR_PLACES_INLINE hr_places_bytes hr_places_are_operators(hr_places_bytes v)
{
    const __m256i by_nibble = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ':', '{', ',', '}', 0, 0));
    hr_places_bytes curly = hr_places_or(v, 0x20);

    return (hr_places_bytes){_mm256_cmpeq_epi8(_mm256_shuffle_epi8(by_nibble, v.low), curly.low),
                             _mm256_cmpeq_epi8(_mm256_shuffle_epi8(by_nibble, v.high), curly.high)};
}

HR_PLACES_INLINE uint64_t hr_places_operators(hr_places_bytes v)
{
    v = hr_places_are_operators(v);
    return hr_places_mask(v.low, v.high);
}

static inline uint64_t hr_places_valid(size_t left)
{
    return left >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << left) - 1;
}

/* ---- step 1: the text ---- */

/* What goes on from block to block. */
typedef struct hr_places_text {
    uint64_t in_string; /* all ones or zero */
    uint64_t behind;    /* bit 0: the last byte was an operator, or white space behind one: a value may begin */
    uint64_t scalar;    /* bit 0: the last byte belongs to a number or literal */
    uint64_t bad;
} hr_places_text;

/* The same for what is rare: backslashes, control characters and bytes above ASCII. Apart, so that the others stay in registers. */
typedef struct hr_places_odd {
    hr_json_escapes escapes;
    uint64_t high; /* the block before had bytes above ASCII in its last places */
    uint64_t bad;
} hr_places_odd;

/* What a block has of it. */
typedef struct hr_places_found {
    uint64_t escaped, space, high;
} hr_places_found;

/* A table of 16 bytes, for both halves of a vector. */
HR_PLACES_INLINE __m256i hr_places_table(const uint8_t table[16])
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)table));
}

/* Half of hr_places_utf8: p[-3] to p[31] are read. */
HR_PLACES_INLINE __m256i hr_places_utf8_half(const char *p)
{
    const __m256i high1 = hr_places_table(hr_utf8_high1), low1 = hr_places_table(hr_utf8_low1), high2 = hr_places_table(hr_utf8_high2);
    const __m256i nibble = _mm256_set1_epi8(0x0f);
    __m256i v = hr_places_load32(p), before = hr_places_load32(p - 1), before2 = hr_places_load32(p - 2), before3 = hr_places_load32(p - 3);
    __m256i first = _mm256_shuffle_epi8(high1, _mm256_and_si256(_mm256_srli_epi16(before, 4), nibble));
    __m256i second = _mm256_shuffle_epi8(low1, _mm256_and_si256(before, nibble));
    __m256i third = _mm256_shuffle_epi8(high2, _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble));
    __m256i wrong = _mm256_and_si256(_mm256_and_si256(first, second), third);
    /* the top bit is set from 0xe0 (0xf0) on */
    __m256i must =
        _mm256_or_si256(_mm256_subs_epu8(before2, _mm256_set1_epi8(0xe0 - 0x80)), _mm256_subs_epu8(before3, _mm256_set1_epi8(0xf0 - 0x80)));

    return _mm256_xor_si256(wrong, _mm256_and_si256(must, _mm256_set1_epi8((char)HR_UTF8_TWO)));
}

HR_PLACES_TARGET static bool hr_places_utf8(const hr_json_scan *scan, const char *block)
{
    char room[3 + 64];
    __m256i wrong;

    block = hr_json_index_edge(scan, block, room);
    wrong = _mm256_or_si256(hr_places_utf8_half(block), hr_places_utf8_half(block + 32));
    return _mm256_testz_si256(wrong, wrong) != 0;
}

/* Of the block at `block`, which is the bytes at `raw` without the first `shift`. */
HR_PLACES_INLINE hr_places_found hr_places_find(const hr_json_scan *scan, hr_places_bytes v, unsigned shift, const char *block,
                                                hr_places_odd *odd)
{
    uint64_t backslashes = hr_places_equal(v, '\\') >> shift, control = hr_places_up_to(v, 0x1f) >> shift;
    hr_places_found found = {0, 0, hr_places_mask(v.low, v.high) >> shift};

    if ((backslashes | odd->escapes.escaped) != 0)
        found.escaped = hr_json_index_escapes(scan, block, backslashes, &odd->escapes);
    if (control != 0) {
        found.space = (hr_places_equal(v, '\t') | hr_places_equal(v, '\n') | hr_places_equal(v, '\r')) >> shift;
        odd->bad |= control & ~found.space;
    }
    if ((found.high | odd->high) != 0 && !hr_places_utf8(scan, block))
        odd->bad = 1;
    odd->high = found.high >> 61;
    return found;
}

/* What stands where in a block; its operators are returned. */
HR_PLACES_INLINE uint64_t hr_places_block(hr_places_bytes v, unsigned shift, hr_places_found found, hr_places_text *state, uint64_t *kept)
{
    uint64_t quotes = hr_places_equal(v, '"') >> shift & ~found.escaped, operators, blank, inside, opening, scalar, behind;

    if (quotes == 0 && state->in_string != 0) { /* as all of a long text is */
        state->bad |= found.space;
        *kept = 0;
        return 0;
    }
    inside = hr_places_odd_before(quotes) ^ state->in_string; /* opening quotes and what follows, without the closing ones */
    state->in_string = (uint64_t)((int64_t)inside >> 63);
    state->bad |= (found.space & inside) | ((found.high | found.escaped) & ~inside);
    operators = hr_places_operators(v) >> shift & ~inside;
    blank = (hr_places_equal(v, ' ') >> shift | found.space) & ~inside;
    opening = quotes & inside;
    scalar = ~(inside | quotes | operators | blank) & (~UINT64_C(0) >> shift);
    behind = operators << 1 | state->behind;
    state->behind = operators >> 63;
    if (blank != 0) { /* the byte behind white space that is behind an operator */
        uint64_t sum;

        state->behind |= (uint64_t)__builtin_add_overflow(behind & blank, blank, &sum);
        behind |= sum & ~blank;
    }
    state->bad |= (opening | (scalar & ~(scalar << 1 | state->scalar))) & ~behind;
    state->scalar = scalar >> 63;
    *kept = operators | opening | scalar;
    return operators;
}

/* A block that has something rare, or follows one. */
HR_PLACES_STEP uint64_t hr_places_rare(const hr_json_scan *scan, const char *raw, unsigned shift, const char *block, hr_places_text *state,
                                       hr_places_odd *odd, uint64_t *kept)
{
    hr_places_bytes v = hr_places_load(raw);

    return hr_places_block(v, shift, hr_places_find(scan, v, shift, block, odd), state, kept);
}

/* Append the places of the set bits, `at` being that of the first. */
HR_PLACES_INLINE uint16_t *hr_places_write(uint64_t bits, uint32_t at, uint16_t *out)
{
    uint16_t *end = out + __builtin_popcountll(bits);

    /* Ten at a time, needed or not: a loop of their number would be guessed wrong in every other block. What is behind the last bit is
     * written over by the next block. */
    while (bits != 0) {
        for (int i = 0; i < 10; i++) {
            out[i] = (uint16_t)(at + (uint32_t)_tzcnt_u64(bits));
            bits &= bits - 1;
        }
        out += 10;
    }
    return end;
}

/* The places of the operators in the whole record: how many; 0 when it is not sound. */
HR_PLACES_STEP uint32_t hr_places_of_text(const hr_json_scan *scan, hr_json_index *index)
{
    const __m256i space = _mm256_set1_epi8(' '), backslash = _mm256_set1_epi8('\\');
    hr_places_text state = {0, 0, 0, 0};
    hr_places_odd odd = {{0, 0, scan->start}, 0, 0};
    const char *start = scan->start, *block = start;
    uint64_t bits, *kept = index->kept;
    uint16_t *out = index->places;
    char room[64];

    index->blocks = (uint32_t)((scan->end - start) / 64 + 1);
    memset(index->keys, 0, index->blocks * sizeof(index->keys[0]));
    kept[index->blocks - 1] = 0;
    for (; scan->end - block >= 64; block += 64) {
        hr_places_bytes v = hr_places_load(block);
        /* control characters and bytes above ASCII are less than a space when they have signs */
        __m256i any = _mm256_or_si256(_mm256_cmpgt_epi8(space, _mm256_min_epi8(v.low, v.high)),
                                      _mm256_or_si256(_mm256_cmpeq_epi8(v.low, backslash), _mm256_cmpeq_epi8(v.high, backslash)));

        if (HR_UNLIKELY(!_mm256_testz_si256(any, any) || (odd.escapes.escaped | odd.high) != 0)) {
            hr_places_text copy = state; /* the state itself stays in registers */

            bits = hr_places_rare(scan, block, 0, block, &copy, &odd, kept++);
            state = copy;
        } else {
            bits = hr_places_block(v, 0, (hr_places_found){0, 0, 0}, &state, kept++);
        }
        out = hr_places_write(bits, (uint32_t)(block - start), out);
    }
    if (block < scan->end) { /* nothing behind the end is read: the last 64 bytes again */
        size_t n = (size_t)(scan->end - start);
        const char *raw = room;

        if (n >= 64) {
            raw = scan->end - 64;
        } else {
            memset(room, 0, sizeof(room));
            memcpy(room + 64 - n, start, n);
        }
        bits = hr_places_rare(scan, raw, 64 - (unsigned)(scan->end - block), block, &state, &odd, kept);
        out = hr_places_write(bits, (uint32_t)(block - start), out);
    }
    return (state.bad | odd.bad | odd.escapes.bad | state.in_string) == 0 ? (uint32_t)(out - index->places) : 0;
}

/* ---- step 2: the operators ---- */

/* What goes on from one 64 operators to the next. */
typedef struct hr_places_state {
    __m256i codes;                /* the sorts of the last 32 operators */
    uint64_t comma, object_comma; /* bit 0: the operator before is one */
    uint64_t objects;             /* a bit for each depth at which an object is open */
    int depth;
    uint64_t bad;
    uint8_t *scalars; /* the end of the numbers and literals */
} hr_places_state;

/* Each operator but the first with the byte before it. */
static inline void hr_places_pair(const char *text, const uint16_t *places, uint16_t *pairs, uint32_t count)
{
    for (uint32_t i = 1; i < count; i += 4) { /* the last four, needed or not */
        memcpy(pairs + i, text + places[i] - 1, 2);
        memcpy(pairs + i + 1, text + places[i + 1] - 1, 2);
        memcpy(pairs + i + 2, text + places[i + 2] - 1, 2);
        memcpy(pairs + i + 3, text + places[i + 3] - 1, 2);
    }
}

/* Operators behind white space: the byte before that. */
static void hr_places_over_space(const hr_json_scan *scan, hr_json_index *index, uint32_t first, uint64_t spaces)
{
    for (; spaces != 0; spaces &= spaces - 1) {
        uint32_t i = first + (uint32_t)__builtin_ctzll(spaces);
        const char *p = scan->start + index->places[i] - 1;

        while (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')
            p--;
        index->pairs[i] = (uint16_t)((index->pairs[i] & 0xff00) | (unsigned char)*p);
    }
}

/* The low bytes of 16 bit numbers whose high bytes are zero. */
HR_PLACES_INLINE __m256i hr_places_pack(__m256i a, __m256i b)
{
    return _mm256_permute4x64_epi64(_mm256_packus_epi16(a, b), 0xd8);
}

HR_PLACES_INLINE void hr_places_unpair(const uint16_t *pairs, hr_places_bytes *operators, hr_places_bytes *before)
{
    const __m256i first = _mm256_set1_epi16(0xff);
    __m256i a = hr_places_load32(pairs), b = hr_places_load32(pairs + 16), c = hr_places_load32(pairs + 32),
            d = hr_places_load32(pairs + 48);

    before->low = hr_places_pack(_mm256_and_si256(a, first), _mm256_and_si256(b, first));
    before->high = hr_places_pack(_mm256_and_si256(c, first), _mm256_and_si256(d, first));
    operators->low = hr_places_pack(_mm256_srli_epi16(a, 8), _mm256_srli_epi16(b, 8));
    operators->high = hr_places_pack(_mm256_srli_epi16(c, 8), _mm256_srli_epi16(d, 8));
}

/* Of 32 operators those that must not stand behind the one before them, with what is between: nothing, a string, or a number or literal.
 * `codes` are the sorts of the 32 before, and then of these. Numbers and literals are followed by what strings are, but for colons. */
HR_PLACES_INLINE __m256i hr_places_wrong(__m256i v, __m256i is_string, __m256i is_none, __m256i *codes)
{
    enum { OPEN_OBJECT = 1, OPEN_ARRAY = 2, OPEN = OPEN_OBJECT | OPEN_ARRAY, END_OBJECT = 4, END_ARRAY = 8, COLON = 16, COMMA = 32 };
    /* the low four bits of v ^ v >> 2 are 5 for {, 13 for [, 2 for }, 10 for ], 4 for a colon and 7 for a comma */
    const __m256i is = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 0, END_OBJECT, 0, COLON, OPEN_OBJECT, 0, COMMA, 0, 0, END_ARRAY, 0, 0, OPEN_ARRAY, 0, 0));
    const __m256i sort = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 0, 4, 0, 2, 0, 0, 3, 0, 0, 4, 0, 0, 1, 0, 0));
    /* behind { [ : , and a closing one: with a string, and 8 further on with nothing */
    const __m256i then =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(COLON, COMMA | END_ARRAY, COMMA | END_OBJECT, COLON | COMMA | END_ARRAY, 0, 0, 0, 0,
                                                  END_OBJECT, OPEN | END_ARRAY, OPEN, OPEN, COMMA | END_OBJECT | END_ARRAY, 0, 0, 0));
    __m256i nibble = _mm256_and_si256(_mm256_xor_si256(v, _mm256_srli_epi16(v, 2)), _mm256_set1_epi8(0x0f));
    __m256i code = _mm256_shuffle_epi8(sort, nibble);
    __m256i before = _mm256_alignr_epi8(code, _mm256_permute2x128_si256(*codes, code, 0x21), 15);
    __m256i may = _mm256_shuffle_epi8(then, _mm256_or_si256(before, _mm256_and_si256(is_none, _mm256_set1_epi8(8))));

    *codes = code;
    may = _mm256_and_si256(may, _mm256_or_si256(is_string, _mm256_set1_epi8(~COLON)));
    return _mm256_cmpeq_epi8(_mm256_and_si256(may, _mm256_shuffle_epi8(is, nibble)), _mm256_setzero_si256());
}

/* Numbers and literals before these operators, each from behind the operator before, are appended to the scalars with the operator. */
HR_PLACES_INLINE void hr_places_gather(const hr_json_scan *scan, const hr_json_index *index, uint32_t first, uint64_t bits,
                                       hr_places_state *state)
{
    const char *text = scan->start, *last = scan->end - text >= 32 ? scan->end - 32 : text; /* where 32 bytes can be read */
    const uint16_t *places = index->places + first;
    uint8_t *out = state->scalars;

    for (; bits != 0; bits &= bits - 1) {
        uint32_t i = (uint32_t)_tzcnt_u64(bits);
        const char *from = text + places[(int32_t)i - 1] + 1;
        size_t length = (size_t)places[i] - places[(int32_t)i - 1];

        if (HR_UNLIKELY(length > 32 || from > last))
            memcpy(out, from, length);
        else
            _mm256_storeu_si256((__m256i *)(void *)out, hr_places_load32(from));
        out += length;
    }
    state->scalars = out;
}

/* The sums of the bytes up to each of 32, it included. */
HR_PLACES_INLINE __m256i hr_places_sums(__m256i v)
{
    __m256i low;

    v = _mm256_add_epi8(v, _mm256_slli_si256(v, 1));
    v = _mm256_add_epi8(v, _mm256_slli_si256(v, 2));
    v = _mm256_add_epi8(v, _mm256_slli_si256(v, 4));
    v = _mm256_add_epi8(v, _mm256_slli_si256(v, 8));
    low = _mm256_shuffle_epi8(_mm256_permute2x128_si256(v, v, 0x08), _mm256_set1_epi8(15)); /* the sum of the first 16, for the second */
    return _mm256_add_epi8(v, low);
}

/* Of the operators of one depth, which are the bits of `here`: those that stand in an object. There, brackets open and close by turns, so
 * that each must be closed by its own sort when the number of braces is even behind every closing one. */
HR_PLACES_INLINE uint64_t hr_places_level(uint64_t here, uint64_t braces, uint64_t closing, int level, hr_places_state *state)
{
    uint64_t in_object = hr_places_odd_before(braces & here) ^ -(state->objects >> level & 1);

    state->bad |= in_object & closing & here;
    state->objects = (state->objects & ~(UINT64_C(1) << level)) | (in_object >> 63) << level;
    return in_object & here;
}

/* 64 operators, from the one that is number `first` on: which may follow which, and with what between them; brackets; keys. Behind the last
 * are closing ones, which are right wherever an object may end. */
HR_PLACES_INLINE void hr_places_check(const hr_json_scan *scan, hr_json_index *index, uint32_t first, uint32_t count,
                                      hr_places_state *state)
{
    const __m256i open = _mm256_set1_epi8('{'), close = _mm256_set1_epi8('}'), space = _mm256_set1_epi8(' '), quote = _mm256_set1_epi8('"');
    uint64_t valid = hr_places_valid(count - first), opening, closing, braces, colon, comma, object, outermost, left, bad;
    __m256i opens_low, opens_high, closes_low, closes_high, wrong;
    hr_places_bytes v, before, curly, string, none, depth;
    int half;

    hr_places_unpair(index->pairs + first, &v, &before);
    curly.low = _mm256_min_epu8(before.low, before.high);
    curly.low = _mm256_cmpeq_epi8(_mm256_min_epu8(curly.low, space), curly.low);
    if (HR_UNLIKELY(!_mm256_testz_si256(curly.low, curly.low))) {
        hr_places_over_space(scan, index, first, hr_places_up_to(before, ' '));
        hr_places_unpair(index->pairs + first, &v, &before);
    }
    string = (hr_places_bytes){_mm256_cmpeq_epi8(before.low, quote), _mm256_cmpeq_epi8(before.high, quote)};
    none = hr_places_are_operators(before);
    wrong = hr_places_wrong(v.low, string.low, none.low, &state->codes);
    wrong = _mm256_or_si256(wrong, hr_places_wrong(v.high, string.high, none.high, &state->codes));
    if (!_mm256_testz_si256(wrong, wrong)) {
        state->bad = 1;
        return;
    }

    curly = hr_places_or(v, 0x20);
    opens_low = _mm256_cmpeq_epi8(curly.low, open);
    opens_high = _mm256_cmpeq_epi8(curly.high, open);
    closes_low = _mm256_cmpeq_epi8(curly.low, close);
    closes_high = _mm256_cmpeq_epi8(curly.high, close);
    opening = hr_places_mask(opens_low, opens_high);
    closing = hr_places_mask(closes_low, closes_high) & valid;
    braces = hr_places_mask(_mm256_slli_epi16(v.low, 2), _mm256_slli_epi16(v.high, 2)) & (opening | closing); /* { and } have bit 5 */
    colon = hr_places_equal(v, ':');
    comma = hr_places_equal(v, ',');
    /* brackets have the depth of their container */
    half = state->depth + __builtin_popcount((uint32_t)opening) - __builtin_popcount((uint32_t)closing);
    depth.low = _mm256_add_epi8(hr_places_sums(_mm256_sub_epi8(closes_low, opens_low)), _mm256_set1_epi8((char)state->depth));
    depth.high = _mm256_add_epi8(hr_places_sums(_mm256_sub_epi8(closes_high, opens_high)), _mm256_set1_epi8((char)half));
    depth.low = _mm256_sub_epi8(depth.low, closes_low);
    depth.high = _mm256_sub_epi8(depth.high, closes_high);
    state->depth = half + __builtin_popcountll(opening >> 32) - __builtin_popcountll(closing >> 32);

    outermost = hr_places_equal(depth, 1) & valid;
    object = hr_places_level(outermost, braces, closing, 1, state);
    left = valid & ~outermost;
    for (int level = 2; level < 5; level++) { /* most are not deeper */
        uint64_t here = hr_places_equal(depth, (char)level) & left;

        object |= hr_places_level(here, braces, closing, level, state);
        left &= ~here;
    }
    for (int level = 5; HR_UNLIKELY(left != 0); level++) {
        uint64_t here = hr_places_equal(depth, (char)level) & left;

        if (level == 63) { /* deeper, or outside the outermost container */
            state->bad = 1;
            return;
        }
        object |= hr_places_level(here, braces, closing, level, state);
        left &= ~here;
    }
    /* the outermost container ends once, at the end */
    bad = outermost & closing & ~(count - first <= 64 ? UINT64_C(1) << (count - first - 1) : 0);
    /* behind the comma of an object, and of no other, is a key */
    object &= comma;
    bad |= ((object << 1 | state->object_comma) ^ ((comma << 1 | state->comma) & colon)) & valid;
    state->comma = comma >> 63;
    state->object_comma = object >> 63;
    state->bad |= bad;
    if (state->bad != 0)
        return;
    for (uint64_t keys = colon & outermost; keys != 0; keys &= keys - 1) {
        uint32_t at = index->places[first + (uint32_t)_tzcnt_u64(keys) - 1] + UINT32_C(1);

        while (HR_UNLIKELY(scan->start[at] != '"')) /* white space */
            at++;
        index->keys[at >> 6] |= UINT64_C(1) << (at & 63);
    }
    hr_places_gather(scan, index, first, ~(hr_places_mask(string.low, string.high) | hr_places_mask(none.low, none.high)), state);
}

/* ---- step 3: numbers and literals ---- */

/* Digits that follow the bits in `from` at once, as one run: the bits behind these runs. */
static inline uint64_t hr_scalars_behind(uint64_t from, uint64_t digits)
{
    return (from + digits) & ~digits;
}

/* Where literals begin, of 32 bytes at p: true or null, false. */
HR_PLACES_INLINE void hr_scalars_literals(const uint8_t *p, __m256i *four, __m256i *five)
{
    __m256i v = hr_places_load32(p), v1 = hr_places_load32(p + 1), v2 = hr_places_load32(p + 2), v3 = hr_places_load32(p + 3);
    __m256i e = _mm256_set1_epi8('e'), u = _mm256_set1_epi8('u'), l = _mm256_set1_epi8('l');
    __m256i is_true =
        _mm256_and_si256(_mm256_and_si256(_mm256_cmpeq_epi8(v, _mm256_set1_epi8('t')), _mm256_cmpeq_epi8(v1, _mm256_set1_epi8('r'))),
                         _mm256_and_si256(_mm256_cmpeq_epi8(v2, u), _mm256_cmpeq_epi8(v3, e)));
    __m256i is_null = _mm256_and_si256(_mm256_and_si256(_mm256_cmpeq_epi8(v, _mm256_set1_epi8('n')), _mm256_cmpeq_epi8(v1, u)),
                                       _mm256_and_si256(_mm256_cmpeq_epi8(v2, l), _mm256_cmpeq_epi8(v3, l)));
    __m256i is_fals =
        _mm256_and_si256(_mm256_and_si256(_mm256_cmpeq_epi8(v, _mm256_set1_epi8('f')), _mm256_cmpeq_epi8(v1, _mm256_set1_epi8('a'))),
                         _mm256_and_si256(_mm256_cmpeq_epi8(v2, l), _mm256_cmpeq_epi8(v3, _mm256_set1_epi8('s'))));

    *four = _mm256_or_si256(is_true, is_null);
    *five = _mm256_and_si256(is_fals, _mm256_cmpeq_epi8(hr_places_load32(p + 4), e));
}

/* Numbers and literals at p, each with white space around it and the operator behind it: those that end within 64 bytes and before `end`.
 * How many bytes that are, or 0 when they are not sound or the first is longer. */
HR_PLACES_INLINE uint32_t hr_scalars_check(const uint8_t *p, const uint8_t *end)
{
    hr_places_bytes v = hr_places_load(p), curly = hr_places_or(v, 0x20);
    const __m256i zero = _mm256_set1_epi8('0'), nine = _mm256_set1_epi8(9);
    hr_places_bytes less = {_mm256_sub_epi8(v.low, zero), _mm256_sub_epi8(v.high, zero)};
    uint64_t digits = hr_places_mask(_mm256_cmpeq_epi8(_mm256_min_epu8(less.low, nine), less.low),
                                     _mm256_cmpeq_epi8(_mm256_min_epu8(less.high, nine), less.high));
    uint64_t zeros = hr_places_equal(v, '0'), points = hr_places_equal(v, '.'), minus = hr_places_equal(v, '-'),
             plus = hr_places_equal(v, '+'), exponents = hr_places_equal(curly, 'e');
    uint64_t ending =
        (hr_places_equal(v, ',') | hr_places_equal(curly, '}') | hr_places_up_to(v, ' ')) & hr_places_valid((size_t)(end - p));
    uint64_t begins = ending << 1 | 1, signs = minus | plus, four, five, inner, exponent_ends, fraction, power, bad;
    __m256i four_low, four_high, five_low, five_high;
    uint32_t length = ending != 0 ? 64 - (uint32_t)__builtin_clzll(ending) : 0;

    hr_scalars_literals(p, &four_low, &five_low);
    hr_scalars_literals(p + 32, &four_high, &five_high);
    four = hr_places_mask(four_low, four_high) & begins;
    five = hr_places_mask(five_low, five_high) & begins;
    inner = four | five;
    inner |= inner << 1;
    inner |= inner << 2 | five << 4;
    exponents &= ~inner;
    exponent_ends = exponents << 1;
    /* what may follow what */
    bad = ~(digits | points | signs | exponents | ending | inner) | ((four << 4 | five << 5) & ~ending) |
          ((points | exponents) & ~(digits << 1)) | ((points | signs) << 1 & ~digits) | (exponent_ends & ~(digits | signs)) |
          (minus & ~(begins | exponent_ends)) | (plus & ~exponent_ends);
    /* no needless zero */
    bad |= ((begins | (minus & begins) << 1) & zeros) << 1 & digits;
    /* one point, one exponent, in this order */
    fraction = hr_scalars_behind(points << 1, digits);
    power = hr_scalars_behind((exponent_ends & ~signs) | (exponent_ends & signs) << 1, digits);
    bad |= (fraction & points) | (power & (points | exponents));
    return (bad & hr_places_valid(length)) == 0 ? length : 0;
}

/* The same for one number of any length, with white space before or behind it. */
static size_t hr_scalars_check_long(const uint8_t *p, const uint8_t *end)
{
    hr_json_scan scan = {(const char *)p, (const char *)end, true, NULL};
    const char *from = hr_json_skip_space(scan.start, scan.end);

    from = hr_json_skip_number_slow(&scan, from);
    return from != NULL && from < scan.end && strchr(",}] \t\n\r", *from) != NULL && *from != 0 ? (size_t)(from - scan.start) : 0;
}

HR_PLACES_STEP bool hr_scalars_sound(const uint8_t *p, const uint8_t *end)
{
    while (p < end) {
        size_t length = hr_scalars_check(p, end);

        if (HR_UNLIKELY(length == 0))
            length = hr_scalars_check_long(p, end);
        if (length == 0)
            return false;
        p += length;
    }
    return true;
}

HR_PLACES_TARGET static bool hr_places_look(const hr_json_scan *text, hr_json_index *index)
{
    hr_json_scan scan = {text->start, text->end, text->allow_nul_escape, NULL};
    hr_places_state state = {_mm256_set1_epi8(2), 0, 0, 0, 0, 0, index->scalars + 16}; /* as behind a colon */
    const char *first = hr_json_skip_space(scan.start, scan.end), *last = scan.end;
    uint32_t count;

    if (first == scan.end || *first != '{')
        return false;
    while (last[-1] == ' ' || last[-1] == '\n' || last[-1] == '\r' || last[-1] == '\t')
        last--;
    count = hr_places_of_text(&scan, index);
    if (count < 2 || last - 1 != scan.start + index->places[count - 1])
        return false;
    for (uint32_t i = 0; i < 3; i++) /* the last are taken four at a time, needed or not */
        index->places[count + i] = index->places[count - 1];
    index->pairs[0] = (uint16_t)('{' << 8 | ':');
    hr_places_pair(scan.start, index->places, index->pairs, count);
    for (int i = 0; i < 4; i++)
        _mm256_storeu_si256((__m256i *)(void *)(index->pairs + count + i * 16), _mm256_set1_epi8('}'));
    for (uint32_t at = 0; at < count; at += 64) {
        hr_places_check(&scan, index, at, count, &state);
        if (state.bad != 0)
            return false;
    }
    if (state.depth != 0)
        return false;
    return hr_scalars_sound(index->scalars + 16, state.scalars);
}

const hr_json_looker hr_json_looker_avx2 = {"avx2", hr_places_supported, hr_places_look};
#endif
