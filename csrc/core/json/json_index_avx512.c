/* csrc/core/json/json_index_avx512.c: hr_json_looker for x86-64 with AVX-512 VBMI2 (Ice Lake, Zen 4 and later). */
#include "json_index_parts.h"

#if defined(__x86_64__)
#include <immintrin.h>

#if !defined(__clang__)
/* GCC 12 carries so much from block to block with these that a tenth of the time goes into moving it to memory and back. */
#pragma GCC optimize("no-tree-pre", "no-gcse")
#endif

#define HR_BONES_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,bmi,bmi2,pclmul,popcnt,lzcnt")))
#define HR_BONES_INLINE HR_BONES_TARGET static inline __attribute__((always_inline))

/* What a byte of the bones is (`is`), and which of these may follow it (`then`). */
enum {
    VALUE = 1, /* the first byte of a value that is no digit */
    DIGIT = 2,
    IN_NUMBER = 4, /* the point, the letter of the exponent */
    SIGN = 8,      /* of an exponent */
    BRACE = 16,    /* } */
    BRACKET = 32,  /* ] */
    NEXT = 64,     /* the comma; white space after a number or literal */
    COLON = 128,
    END = BRACE | BRACKET | NEXT,
    KEY_COMMA = ' ' /* among brackets and commas: a comma before a key. It has bit 5, as braces have; other commas become 0 */
};

#define DIGITS(x)                                                                                                                          \
    ['0'] = (x), ['1'] = (x), ['2'] = (x), ['3'] = (x), ['4'] = (x), ['5'] = (x), ['6'] = (x), ['7'] = (x), ['8'] = (x), ['9'] = (x)
/* Bytes not named are none of these. The letters inside true, false and null are found otherwise. */
static const uint8_t is[128] = {
    ['"'] = VALUE, ['{'] = VALUE, ['['] = VALUE,     ['t'] = VALUE,     ['f'] = VALUE,     ['n'] = VALUE, ['-'] = VALUE | SIGN,
    ['+'] = SIGN,  DIGITS(DIGIT), ['.'] = IN_NUMBER, ['e'] = IN_NUMBER, ['E'] = IN_NUMBER, ['}'] = BRACE, [']'] = BRACKET,
    [':'] = COLON, [','] = NEXT,  [' '] = NEXT,      ['\t'] = NEXT,     ['\n'] = NEXT,     ['\r'] = NEXT,
};
static const uint8_t then[128] = {
    ['"'] = END | COLON,
    ['{'] = VALUE | BRACE,
    ['['] = VALUE | DIGIT | BRACKET,
    [','] = VALUE | DIGIT,
    [':'] = VALUE | DIGIT,
    ['}'] = END,
    [']'] = END,
    [' '] = END,
    ['\t'] = END,
    ['\n'] = END,
    ['\r'] = END,
    DIGITS(DIGIT | IN_NUMBER | END),
    ['.'] = DIGIT,
    ['-'] = DIGIT,
    ['+'] = DIGIT,
    ['E'] = DIGIT | SIGN,
    ['e'] = DIGIT | SIGN | END /* of true and false */,
    ['l'] = END,
};

/* The same for numbers and literals alone, each with the byte behind it: anything may begin behind that. */
static const uint8_t scalar_then[128] = {
    [','] = VALUE | DIGIT,
    ['}'] = VALUE | DIGIT,
    [']'] = VALUE | DIGIT,
    [' '] = VALUE | DIGIT,
    ['\t'] = VALUE | DIGIT,
    ['\n'] = VALUE | DIGIT,
    ['\r'] = VALUE | DIGIT,
    DIGITS(DIGIT | IN_NUMBER | END),
    ['.'] = DIGIT,
    ['-'] = DIGIT,
    ['+'] = DIGIT,
    ['E'] = DIGIT | SIGN,
    ['e'] = DIGIT | SIGN | END /* of true and false */,
    ['l'] = END,
};

static bool hr_bones_supported(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2") &&
           __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("pclmul") &&
           __builtin_cpu_supports("popcnt");
}

HR_BONES_INLINE __m512i hr_bones_load(const void *p)
{
    return _mm512_loadu_si512(p);
}

/* ---- step 1: the text ---- */

/* What goes on from block to block. */
typedef struct hr_text_state {
    uint64_t in_string; /* all ones or zero */
    uint64_t bad;
    uint64_t high; /* the block before had bytes above ASCII in its last places */
    hr_json_escapes escapes;
} hr_text_state;

/* The bits from each set one up to the one before the next. */
HR_BONES_INLINE uint64_t hr_bones_between(uint64_t quotes)
{
    return (uint64_t)_mm_cvtsi128_si64(_mm_clmulepi64_si128(_mm_set_epi64x(0, (int64_t)quotes), _mm_set1_epi8((char)0xff), 0));
}

HR_BONES_INLINE __m512i hr_bones_table(const uint8_t table[16])
{
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)table));
}

/* UTF-8 (json_index_parts.h): bytes that are not. p[-3] to p[63] are read. */
HR_BONES_TARGET static __attribute__((noinline)) uint64_t hr_bones_utf8(const char *p)
{
    const __m512i high1 = hr_bones_table(hr_utf8_high1), low1 = hr_bones_table(hr_utf8_low1), high2 = hr_bones_table(hr_utf8_high2);
    const __m512i nibble = _mm512_set1_epi8(0x0f);
    __m512i v = hr_bones_load(p), before = hr_bones_load(p - 1), before2 = hr_bones_load(p - 2), before3 = hr_bones_load(p - 3);
    __m512i first = _mm512_shuffle_epi8(high1, _mm512_and_si512(_mm512_srli_epi16(before, 4), nibble));
    __m512i second = _mm512_shuffle_epi8(low1, _mm512_and_si512(before, nibble));
    __m512i third = _mm512_shuffle_epi8(high2, _mm512_and_si512(_mm512_srli_epi16(v, 4), nibble));
    __m512i wrong = _mm512_and_si512(_mm512_and_si512(first, second), third);
    uint64_t must =
        _mm512_cmpge_epu8_mask(before2, _mm512_set1_epi8((char)0xe0)) | _mm512_cmpge_epu8_mask(before3, _mm512_set1_epi8((char)0xf0));
    __m512i must_be_two = _mm512_maskz_mov_epi8(must, _mm512_set1_epi8((char)HR_UTF8_TWO));

    return _mm512_test_epi8_mask(_mm512_xor_si512(wrong, must_be_two), _mm512_xor_si512(wrong, must_be_two));
}

/* White space outside strings that does not become bones: all but what ends a number or literal. `blank` has other bytes among it, which
 * stay, and are found later. */
HR_BONES_TARGET static __attribute__((noinline)) uint64_t hr_bones_blank(__m512i v, uint64_t outside, uint64_t blank, bool primitive_before)
{
    const __m512i spaces = _mm512_broadcast_i32x4(_mm_setr_epi8(' ', 0, 0, 0, 0, 0, 0, 0, 0, '\t', '\n', 0, 0, '\r', 0, 0));
    __m512i curly = _mm512_or_si512(v, _mm512_set1_epi8(0x20));
    uint64_t space = blank & _mm512_cmpeq_epi8_mask(_mm512_shuffle_epi8(spaces, v), v);
    uint64_t operators = _mm512_cmpeq_epi8_mask(curly, _mm512_set1_epi8('{')) | _mm512_cmpeq_epi8_mask(curly, _mm512_set1_epi8('}')) |
                         _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(':')) | _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(','));
    uint64_t primitive = outside & ~space & ~operators;

    return space & ~(primitive << 1 | (uint64_t)primitive_before);
}

static inline bool hr_bones_is_primitive(char c)
{
    return (unsigned char)c > ' ' && c != '"' && c != ',' && c != ':' && (c | 0x20) != '{' && (c | 0x20) != '}';
}

/* UTF-8 of a block, which may be the first or last. */
HR_BONES_TARGET static __attribute__((noinline)) uint64_t hr_bones_encoding(const hr_json_scan *scan, const char *block)
{
    char room[3 + 64];

    return hr_bones_utf8(hr_json_index_edge(scan, block, room));
}

/* One block of 64 bytes v, which stand at `block` in the record; those that are not `valid` are behind its end. Appends its bones at `out`,
 * returns their end. */
HR_BONES_INLINE uint8_t *hr_bones_block(const hr_json_scan *scan, __m512i v, const char *block, uint64_t valid, hr_text_state *state,
                                        uint64_t *kept, uint8_t *out)
{
    uint64_t quotes = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('"'));
    uint64_t backslashes = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\\'));
    uint64_t blank = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(' ')), high = 0;
    /* what is rare: control characters, and bytes above ASCII */
    uint64_t odd = _mm512_cmpge_epu8_mask(_mm512_sub_epi8(v, _mm512_set1_epi8(' ')), _mm512_set1_epi8(0x60)) & valid;
    uint64_t before = state->in_string, inside, outside, keep;

    if (HR_UNLIKELY((backslashes | state->escapes.escaped) != 0))
        quotes &= ~hr_json_index_escapes(scan, block, backslashes, &state->escapes);
    inside = hr_bones_between(quotes) ^ before; /* opening quotes and what follows, without the closing ones */
    state->in_string = (uint64_t)((int64_t)inside >> 63);
    outside = valid & ~(inside | quotes);
    if (HR_UNLIKELY((odd | state->high) != 0)) {
        uint64_t control = odd & ~(uint64_t)_mm512_movepi8_mask(v);

        high = odd & ~control;
        blank |= control;
        state->bad |= (control & inside) | (high & ~inside);
        if ((high | state->high) != 0)
            state->bad |= hr_bones_encoding(scan, block);
        state->high = high >> 61;
    }
    keep = outside | (quotes & inside);
    blank &= outside;
    if (blank != 0)
        keep &= ~hr_bones_blank(v, outside, blank, before == 0 && block > scan->start && hr_bones_is_primitive(block[-1]));
    *kept = keep;
    _mm512_storeu_si512(out, _mm512_maskz_compress_epi8(keep, v));
    return out + __builtin_popcountll(keep);
}

/* The bones of the whole record: how many. */
HR_BONES_TARGET static size_t hr_bones_of_text(const hr_json_scan *scan, hr_json_index *index, uint64_t *bad)
{
    hr_text_state state = {0, 0, 0, {0, 0, scan->start}};
    uint8_t *first = index->bones + 16, *out = first;
    const char *p = scan->start;
    size_t block = 0;
    uint64_t valid;

    for (; scan->end - p >= 64; p += 64, block++) {
        index->before[block] = (uint16_t)(out - first);
        out = hr_bones_block(scan, hr_bones_load(p), p, ~UINT64_C(0), &state, &index->kept[block], out);
    }
    valid = (UINT64_C(1) << (scan->end - p)) - 1;
    index->before[block] = (uint16_t)(out - first);
    out = hr_bones_block(scan, _mm512_maskz_loadu_epi8(valid, p), p, valid, &state, &index->kept[block], out);
    index->blocks = (uint32_t)block + 1;
    *bad = state.bad | state.escapes.bad | state.in_string;
    return (size_t)(out - first);
}

/* ---- step 2: the bones ---- */

/* What goes on from one 64 bones to the next. The uint64_t are bits to be shifted in. */
typedef struct hr_bones_state {
    uint64_t scalar; /* the byte before belongs to a number or literal */
    uint64_t brace;  /* it is a brace that no key follows */
    uint64_t bad;
} hr_bones_state;

/* What hr_bones_check appends, and how much. */
typedef struct hr_bones_out {
    uint8_t *joints, *scalars;
} hr_bones_out;

/* 64 bones at p. Brackets and commas are appended to the joints, numbers and literals, each with the byte behind it, to the scalars; the
 * bits of the joints are returned. */
HR_BONES_INLINE uint64_t hr_bones_check(const uint8_t *p, uint64_t valid, hr_bones_state *state, hr_bones_out *out)
{
    const __m512i is0 = hr_bones_load(is), is1 = hr_bones_load(is + 64), then0 = hr_bones_load(then), then1 = hr_bones_load(then + 64);
    __m512i v = hr_bones_load(p), curly = _mm512_or_si512(v, _mm512_set1_epi8(0x20));
    __m512i kind = _mm512_permutex2var_epi8(is0, v, is1), may = _mm512_permutex2var_epi8(then0, hr_bones_load(p - 1), then1);
    uint64_t fits = _mm512_test_epi8_mask(kind, may);
    uint64_t signs = _mm512_test_epi8_mask(kind, _mm512_set1_epi8((char)(END | COLON)));
    uint64_t closing = _mm512_test_epi8_mask(kind, _mm512_set1_epi8(BRACE)), quotes = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('"'));
    uint64_t commas = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(',')), brace = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('{'));
    uint64_t brackets = _mm512_cmpeq_epi8_mask(curly, _mm512_set1_epi8('{')) | _mm512_cmpeq_epi8_mask(curly, _mm512_set1_epi8('}'));
    /* a colon stands behind strings only, so that a key is before it */
    uint64_t key = _mm512_cmpeq_epi8_mask(hr_bones_load(p + 2), _mm512_set1_epi8(':'));
    uint64_t scalar = ~(signs | quotes | brackets) & valid, after = scalar << 1 | state->scalar, lone = brace & ~key;
    uint64_t bad = ~fits & ~(scalar & after); /* inside numbers and literals it is seen to later */
    uint64_t keep = brackets | commas;        /* nothing behind the end is any of these */
    uint64_t with_end = (scalar | after) & valid;

    /* keys: in objects only, and always; which of the two a comma is in, its successor tells */
    bad |= (key & ~(brace | commas)) | ((lone << 1 | state->brace) & ~closing);
    state->bad |= bad & valid;
    state->brace = lone >> 63;
    state->scalar = scalar >> 63;
    _mm512_storeu_si512(out->scalars, _mm512_maskz_compress_epi8(with_end, v));
    out->scalars += __builtin_popcountll(with_end);
    v = _mm512_mask_mov_epi8(_mm512_maskz_mov_epi8(~commas, v), commas & key, _mm512_set1_epi8(KEY_COMMA));
    _mm512_storeu_si512(out->joints, _mm512_maskz_compress_epi8(keep, v));
    out->joints += __builtin_popcountll(keep);
    return keep;
}

/* What goes on from one 64 scalars to the next. The uint64_t are bits to be shifted in. */
typedef struct hr_scalars_state {
    uint64_t literal;          /* the first bytes belong to a literal that began before */
    uint64_t literal_end;      /* the first byte follows a literal */
    uint64_t minus, zero;      /* the byte before is the minus, the leading zero of a number */
    uint64_t point, point_run; /* the byte before is a point; a run of digits after a point goes on */
    uint64_t exponent, exponent_sign, exponent_run;
    uint64_t bad;
} hr_scalars_state;

/* Digits that follow the bits in `from` at once, as one run: the bits behind these runs. */
static inline uint64_t hr_scalars_behind(uint64_t from, uint64_t digits, uint64_t *carry)
{
    uint64_t sum;

    *carry = __builtin_add_overflow(from, digits, &sum);
    return sum & ~digits;
}

/* 64 bytes of numbers and literals at p. */
HR_BONES_INLINE void hr_scalars_check(const uint8_t *p, uint64_t valid, hr_scalars_state *state)
{
    const __m512i is0 = hr_bones_load(is), is1 = hr_bones_load(is + 64);
    const __m512i then0 = hr_bones_load(scalar_then), then1 = hr_bones_load(scalar_then + 64);
    __m512i v = hr_bones_load(p), v1 = hr_bones_load(p + 1), v2 = hr_bones_load(p + 2), v3 = hr_bones_load(p + 3),
            v4 = hr_bones_load(p + 4);
    __m512i kind = _mm512_permutex2var_epi8(is0, v, is1), may = _mm512_permutex2var_epi8(then0, hr_bones_load(p - 1), then1);
    __m512i curly = _mm512_or_si512(v, _mm512_set1_epi8(0x20));
    uint64_t fits = _mm512_test_epi8_mask(kind, may), ending = _mm512_test_epi8_mask(kind, _mm512_set1_epi8((char)END));
    uint64_t value = _mm512_test_epi8_mask(may, _mm512_set1_epi8(VALUE)), digits = _mm512_test_epi8_mask(kind, _mm512_set1_epi8(DIGIT));
    uint64_t signs = _mm512_test_epi8_mask(kind, _mm512_set1_epi8(SIGN)), minus = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('-'));
    uint64_t points = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('.')), zeros = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('0'));
    __m512i last_e = _mm512_xor_si512(v3, _mm512_set1_epi8('e'));
    __m512i not_true =
        _mm512_or_si512(_mm512_ternarylogic_epi64(_mm512_xor_si512(v, _mm512_set1_epi8('t')), v1, _mm512_set1_epi8('r'), 0xf6),
                        _mm512_ternarylogic_epi64(last_e, v2, _mm512_set1_epi8('u'), 0xf6));
    __m512i last_l = _mm512_xor_si512(v3, _mm512_set1_epi8('l'));
    __m512i not_null =
        _mm512_or_si512(_mm512_ternarylogic_epi64(_mm512_xor_si512(v, _mm512_set1_epi8('n')), v1, _mm512_set1_epi8('u'), 0xf6),
                        _mm512_ternarylogic_epi64(last_l, v2, _mm512_set1_epi8('l'), 0xf6));
    __m512i not_false =
        _mm512_or_si512(_mm512_ternarylogic_epi64(_mm512_xor_si512(v, _mm512_set1_epi8('f')), v1, _mm512_set1_epi8('a'), 0xf6),
                        _mm512_ternarylogic_epi64(_mm512_xor_si512(v2, _mm512_set1_epi8('l')), v3, _mm512_set1_epi8('s'), 0xf6));
    uint64_t four = _mm512_testn_epi8_mask(not_true, not_true) | _mm512_testn_epi8_mask(not_null, not_null);
    uint64_t five = _mm512_mask_cmpeq_epi8_mask(_mm512_testn_epi8_mask(not_false, not_false), v4, _mm512_set1_epi8('e')), any = four | five;
    uint64_t inner = any << 1 | any << 2 | any << 3 | five << 4 | state->literal;
    uint64_t after = four << 4 | five << 5 | state->literal_end;
    uint64_t exponents = _mm512_cmpeq_epi8_mask(curly, _mm512_set1_epi8('e')) & ~inner;
    uint64_t after_exponent = exponents << 1 | state->exponent, first, signed_first, bad;

    state->literal = any >> 63 | any >> 62 | any >> 61 | five >> 60;
    state->literal_end = four >> 60 | five >> 59;
    bad = ~(fits | inner) | (after & ~ending) | (after_exponent & ~(digits | signs));
    /* no needless zero */
    first = (value | (value & minus) << 1 | state->minus) & zeros;
    state->minus = (value & minus) >> 63;
    bad |= (first << 1 | state->zero) & digits;
    state->zero = first >> 63;
    /* one point, one exponent, in this order */
    bad |= hr_scalars_behind(points << 1 | state->point | state->point_run, digits, &state->point_run) & points;
    state->point = points >> 63;
    state->exponent = exponents >> 63;
    signed_first = after_exponent & signs;
    bad |= hr_scalars_behind((after_exponent & ~signs) | signed_first << 1 | state->exponent_sign | state->exponent_run, digits,
                             &state->exponent_run) &
           (points | exponents);
    state->exponent_sign = signed_first >> 63;
    state->bad |= bad & valid;
}

/* ---- step 3: brackets and commas ---- */

/* What goes on from one 64 joints to the next. */
typedef struct hr_joints_state {
    uint64_t last_object; /* of the container of each depth that is open, or was last: whether it is an object */
    int depth;
    uint32_t outermost; /* how often the outermost container has ended */
    uint64_t bad;
} hr_joints_state;

/* The sums of the bytes up to each, it included. */
HR_BONES_INLINE __m512i hr_joints_sums(__m512i v)
{
    __m512i all;

    v = _mm512_add_epi8(v, _mm512_bslli_epi128(v, 1));
    v = _mm512_add_epi8(v, _mm512_bslli_epi128(v, 2));
    v = _mm512_add_epi8(v, _mm512_bslli_epi128(v, 4));
    v = _mm512_add_epi8(v, _mm512_bslli_epi128(v, 8));
    all = _mm512_shuffle_epi8(v, _mm512_set1_epi8(15)); /* the sum of each 16, to be added to the 16s behind it */
    v = _mm512_add_epi8(v, _mm512_maskz_shuffle_i64x2(0xfc, all, all, 0x90));
    return _mm512_add_epi8(
        v, _mm512_add_epi8(_mm512_maskz_shuffle_i64x2(0xf0, all, all, 0x40), _mm512_maskz_shuffle_i64x2(0xc0, all, all, 0x00)));
}

/* The joints of one depth, which are the bits of `here`: each closing bracket and each comma is of the sort of the bracket before it that
 * opened the container. */
HR_BONES_INLINE void hr_joints_level(uint64_t here, uint64_t object, uint64_t opening, int level, hr_joints_state *state)
{
    uint64_t objects = _pext_u64(object, here), opens = _pext_u64(opening, here), before = state->last_object >> level & 1;
    unsigned count = (unsigned)__builtin_popcountll(here);
    uint64_t last = count == 64 ? objects >> 63 : ((objects << 1 | before) >> count) & 1; /* `before` again when there are none */

    state->bad |= ((objects << 1 | before) ^ objects) & ~opens & _bzhi_u64(~UINT64_C(0), count);
    state->last_object = (state->last_object & ~(UINT64_C(1) << level)) | last << level;
}

/* 64 joints at p. Returns which of them begin a member of the outermost object: its bracket and its commas. */
HR_BONES_INLINE uint64_t hr_joints_check(const uint8_t *p, uint64_t valid, hr_joints_state *state)
{
    const __m512i one = _mm512_set1_epi8(1);
    __m512i v = hr_bones_load(p), curly = _mm512_or_si512(v, _mm512_set1_epi8(0x20)), depth;
    uint64_t opening = _mm512_cmpeq_epi8_mask(curly, _mm512_set1_epi8('{')) & valid;
    uint64_t closing = _mm512_cmpeq_epi8_mask(curly, _mm512_set1_epi8('}')) & valid;
    uint64_t object = _mm512_test_epi8_mask(v, _mm512_set1_epi8(0x20)); /* bit 5 is what { } and KEY_COMMA have */
    uint64_t levels[5], left = valid;

    depth = _mm512_sub_epi8(_mm512_maskz_mov_epi8(opening, one), _mm512_maskz_mov_epi8(closing, one));
    depth = _mm512_add_epi8(hr_joints_sums(depth), _mm512_set1_epi8((char)state->depth));
    state->depth += (int)__builtin_popcountll(opening) - (int)__builtin_popcountll(closing);
    depth = _mm512_mask_add_epi8(depth, closing, depth, one);
    for (int level = 1; level < 5; level++) { /* most are not deeper */
        levels[level] = _mm512_cmpeq_epi8_mask(depth, _mm512_set1_epi8((char)level)) & valid;
        left &= ~levels[level];
        hr_joints_level(levels[level], object, opening, level, state);
    }
    for (int level = 5; HR_UNLIKELY(left != 0); level++) {
        uint64_t here = _mm512_cmpeq_epi8_mask(depth, _mm512_set1_epi8((char)level)) & valid;

        if (level == 63) { /* deeper, or outside the outermost container */
            state->bad = 1;
            return 0;
        }
        left &= ~here;
        hr_joints_level(here, object, opening, level, state);
    }
    state->outermost += (uint32_t)__builtin_popcountll(levels[1] & closing);
    return levels[1] & ~closing;
}

/* 64 bits from this one on; there is a word behind. */
static inline uint64_t hr_bones_bits(const uint64_t *words, uint32_t from)
{
    return words[from >> 6] >> (from & 63) | words[(from >> 6) + 1] << 1 << (63 - (from & 63));
}

/* From the joints that begin members to the bones behind them, which are the first quotes of keys, and on to where these stand. */
HR_BONES_TARGET static inline void hr_bones_keys(hr_json_index *index, uint32_t groups, uint32_t joint_groups)
{
    uint64_t carry = 0;

    index->members[joint_groups] = 0;
    for (uint32_t i = 0; i < groups; i++) {
        uint64_t here = _pdep_u64(hr_bones_bits(index->members, index->joints_before[i]), index->joints_kept[i]);

        index->member_bones[i] = here << 1 | carry;
        carry = here >> 63;
    }
    index->member_bones[groups] = 0;
    if (index->bones[16 + 1] != '"') /* the object is empty */
        index->member_bones[0] = 0;
    for (uint32_t i = 0; i < index->blocks; i++)
        index->keys[i] = _pdep_u64(hr_bones_bits(index->member_bones, index->before[i]), index->kept[i]);
}

static inline uint64_t hr_bones_valid(size_t left)
{
    return left >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << left) - 1;
}

HR_BONES_TARGET static bool hr_bones_look(const hr_json_scan *text, hr_json_index *index)
{
    hr_json_scan scan = {text->start, text->end, text->allow_nul_escape, NULL};
    uint8_t *bones = index->bones + 16, *scalars = index->scalars + 16;
    hr_bones_state state = {0, 0, 0};
    hr_bones_out out = {index->joints, scalars};
    hr_scalars_state scalar_state;
    hr_joints_state joints = {0, 0, 0, 0};
    uint32_t groups = 0, joint_groups = 0;
    size_t n, joined, count;

    n = hr_bones_of_text(&scan, index, &state.bad);
    if (state.bad != 0 || n < 2 || bones[0] != '{' || bones[n - 1] != '}')
        return false;
    bones[-1] = ':'; /* a value follows */
    _mm512_storeu_si512(bones + n, _mm512_setzero_si512());
    for (size_t at = 0; at < n; at += 64) {
        index->joints_before[groups] = (uint16_t)(out.joints - index->joints);
        index->joints_kept[groups++] = hr_bones_check(bones + at, hr_bones_valid(n - at), &state, &out);
    }
    if (state.bad != 0)
        return false;
    joined = (size_t)(out.joints - index->joints);
    count = (size_t)(out.scalars - scalars);
    memset(&scalar_state, 0, sizeof(scalar_state));
    scalars[-1] = ','; /* a value follows */
    _mm512_storeu_si512(scalars + count, _mm512_setzero_si512());
    for (size_t at = 0; at < count; at += 64)
        hr_scalars_check(scalars + at, hr_bones_valid(count - at), &scalar_state);
    if (scalar_state.bad != 0)
        return false;
    for (size_t at = 0; at < joined; at += 64)
        index->members[joint_groups++] = hr_joints_check(index->joints + at, hr_bones_valid(joined - at), &joints);
    if (joints.bad != 0 || joints.depth != 0 || joints.outermost != 1)
        return false;
    hr_bones_keys(index, groups, joint_groups);
    return true;
}

const hr_json_looker hr_json_looker_avx512 = {"avx512", hr_bones_supported, hr_bones_look};
#endif
