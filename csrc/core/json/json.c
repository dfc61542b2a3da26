/* csrc/core/json/json.c: the format "json": one object a record, read with the schema in hand (json_keys.h has the schema's side of it). */
#include "core/decode/decode_short.h"
#include "json_index.h"
#include "json_keys.h"
#include "json_scan.h"
#include "core/utf8.h"

typedef struct hr_json {
    hr_json_scan scan;
    hr_json_keys keys;
    hr_buffer name;               /* an unescaped key */
    hr_buffer *rest;              /* of the decoder, or NULL when no column wants it */
    const hr_json_looker *looker; /* NULL: this machine has none, or there was no memory for it */
    hr_json_index *index;         /* made when it is first wanted */
    bool looked;                  /* this record was */
    size_t skipped;               /* bytes in containers that nobody wanted, in this record */
    bool look;                    /* there were enough of them in the one before, so the next is looked over */
    hr_unknown unknown;
    int64_t rows; /* in the batch being filled */
    int rc;       /* what a NULL from the walk means */
} hr_json;

/* What happens to keys that no column names. */
typedef struct hr_json_mode {
    bool rest;   /* collected */
    bool reject; /* refused */
} hr_json_mode;

static void hr_json_close(hr_decoder *decoder)
{
    hr_json *json = decoder->state;

    if (json == NULL)
        return;
    hr_json_keys_free(&json->keys);
    hr_buffer_free(&json->name);
    hr_free(json->index);
    hr_free(json);
    decoder->state = NULL;
}

static int hr_json_open(hr_decoder *decoder, hr_error *error)
{
    hr_json *json = hr_calloc(1, sizeof(*json));
    int rc;

    if (json == NULL)
        return hr_error_nomem(error);
    decoder->state = json;
    json->unknown = decoder->schema->unknown;
    json->looker = decoder->options.look != NULL ? hr_json_looker_find(decoder->options.look) : hr_json_looker_best();
    json->scan.allow_nul_escape = true; /* whether a column can hold it is known later */
    rc = hr_json_keys_init(&json->keys, decoder->schema, decoder->steps, error);
    if (json->keys.rest)
        json->rest = &decoder->rest;
    if (rc != HR_OK)
        hr_json_close(decoder);
    return rc;
}

/* Give up a walk for want of memory. */
static const char *hr_json_nomem(hr_json *json)
{
    json->rc = hr_error_nomem(json->scan.error);
    return NULL;
}

/* A bit for each of the 16 bytes that are the same at a and b. */
static inline unsigned hr_json_same16(const char *a, const char *b)
{
#if defined(__SSE2__)
    return (unsigned)_mm_movemask_epi8(
        _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)a), _mm_loadu_si128((const __m128i *)(const void *)b)));
#elif HR_JSON_MASK16
    const uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f);
    uint64_t x = hr_json_load8(a) ^ hr_json_load8(b), y = hr_json_load8(a + 8) ^ hr_json_load8(b + 8);

    x = ~(((x & low) + low) | x | low) >> 7;
    y = ~(((y & low) + low) | y | low) >> 7;
    return (unsigned)(x * UINT64_C(0x0102040810204080) >> 56) | (unsigned)(y * UINT64_C(0x0102040810204080) >> 56) << 8;
#else
    unsigned same = 0;

    for (unsigned i = 0; i < 16; i++)
        same |= (unsigned)(a[i] == b[i]) << i;
    return same;
#endif
}

/* Whether the key, spelled as last time, stands at p: for spellings of up to 16 bytes, where 16 bytes can be read. */
static inline bool hr_json_key_is_short(const hr_json_key *key, const char *p)
{
    return (hr_json_same16(p, key->spelling) & key->spelling_bits) == key->spelling_bits;
}

/* The same for any spelling, anywhere. */
static bool hr_json_key_is(const hr_json_key *key, const char *p, const char *end)
{
    return key->spelling_len > 0 && end - p >= key->spelling_len && memcmp(p, key->spelling, key->spelling_len) == 0;
}

/* The key of an object's member by its name, from the opening quote at p on. *after is then the byte after its closing quote. NULL when
 * the walk must end. */
static hr_json_key *hr_json_find_key(hr_json *json, hr_json_node *node, hr_json_mode mode, const char *p, const char **after)
{
    const char *name = p + 1;
    size_t n;
    bool escaped = false;
    hr_json_key *key;

    if (p >= json->scan.end || *p != '"') {
        hr_json_fail(&json->scan, p, HR_REASON_MALFORMED, "a key in double quotes is expected");
        return NULL;
    }
    *after = hr_json_skip_string(&json->scan, name, &escaped);
    if (*after == NULL)
        return NULL;
    n = (size_t)(*after - 1 - name);
    if (escaped) {
        json->name.size = 0;
        json->rc = hr_json_unescape(name, n, true, &json->name, json->scan.error);
        if (json->rc != HR_OK)
            return NULL;
        json->rc = HR_EDATA;
        key = hr_json_keys_find(node, (const char *)json->name.data, json->name.size);
    } else {
        key = hr_json_keys_find(node, name, n);
    }
    if (mode.reject && (key == NULL || !key->known)) {
        hr_error_data(json->scan.error, HR_REASON_UNKNOWN_KEY, name, n, "the record has a key that no column takes, at byte %zu",
                      (size_t)(p - json->scan.start));
        if (json->scan.error != NULL)
            json->scan.error->offset = p - json->scan.start;
        return NULL;
    }
    if (key == NULL)
        key = escaped ? &node->other : hr_json_keys_learn(&json->keys, node, name, n);
    return key;
}

/* The way for a key that is not the short one expected. text is the byte after '{' or ','. Returns the first byte of the value, which is
 * not beyond the end, and the key. */
static const char *hr_json_read_key(hr_json *json, hr_json_node *node, hr_json_mode mode, hr_json_key *previous, const char *text,
                                    hr_json_key **out)
{
    const char *end = json->scan.end, *p;
    hr_json_key *key;

    for (int i = 0; i < 2; i++) {
        key = previous->next[i];
        if (hr_json_key_is(key, text, end) && end - text > key->spelling_len) {
            *out = key;
            return text + key->spelling_len;
        }
    }
    key = hr_json_find_key(json, node, mode, hr_json_skip_space(text, end), &p);
    if (key == NULL)
        return NULL;
    p = hr_json_skip_space(p, end);
    if (p >= end || *p != ':')
        return hr_json_fail(&json->scan, p, HR_REASON_MALFORMED, "a key must be followed by ':'");
    p = hr_json_skip_space(p + 1, end);
    if (p >= end)
        return hr_json_fail(&json->scan, p, HR_REASON_MALFORMED, "a value is expected");
    if (key != &node->other && p - text <= HR_JSON_SPELLING) {
        hr_json_key_spell(key, text, (size_t)(p - text));
        if (previous->next[0] != key) {
            previous->next[1] = previous->next[0];
            previous->next[0] = key;
        }
    }
    *out = key;
    return p;
}

/* The commonest numbers without a call: digits, at most a point and digits, 15 bytes in all. `digits` is after the sign of the number that
 * starts at p. Any other number is read from its start. */
static inline const char *hr_json_skip_number(const hr_json_scan *scan, const char *p, const char *digits, const char *end)
{
#if HR_JSON_MASK16
    if (HR_LIKELY(end - digits >= 16)) {
        unsigned others = hr_json_nondigits16(digits);
        unsigned n = (unsigned)__builtin_ctz(others | 0x10000u);

        if (HR_LIKELY(n - 1 < 15 && (*digits != '0' || n == 1))) {
            if (HR_LIKELY(digits[n] == ','))
                return digits + n;
            if (digits[n] == '.') {
                unsigned point = n;
                others &= others - 1;
                n = (unsigned)__builtin_ctz(others | 0x10000u);
                if (n == 16 || n == point + 1)
                    return hr_json_skip_number_slow(scan, p);
            }
            if (HR_LIKELY((digits[n] | 0x20) != 'e'))
                return digits + n;
        }
    }
#else
    (void)digits;
    (void)end;
#endif
    return hr_json_skip_number_slow(scan, p);
}

/* Add a member's text [member, end) to the object for $rest, whose last byte tells whether a comma is due. */
static bool hr_json_rest_append(hr_json *json, const char *member, const char *end)
{
    hr_buffer *rest = json->rest;
    size_t n;

    member = hr_json_skip_space(member, end);
    n = (size_t)(end - member);
    if (hr_buffer_reserve(rest, n + 1, NULL) != HR_OK)
        return false;
    if (rest->data[rest->size - 1] != '{')
        rest->data[rest->size++] = ',';
    memcpy(rest->data + rest->size, member, n);
    rest->size += n;
    return true;
}

static inline void hr_json_store(hr_field *field, const char *s, size_t n, hr_token token, bool escaped)
{
    field->data = s;
    field->len = (uint32_t)n;
    field->token = (uint8_t)token;
    field->flags = escaped ? HR_FIELD_ESCAPED : 0;
}

/* A value without escapes has been found: append it to its column at once, or leave it in its field for decode.c: when the column has a
 * value already (an equal key came before), when it does not fit (decode.c makes the error, if the rest of the record is sound), or when
 * the key is not plain. */
HR_ALWAYS_INLINE void hr_json_take(const hr_json *json, const hr_json_key *key, hr_field *fields, const char *s, size_t n, hr_token token,
                                   const char *end)
{
    hr_column *column = key->target;

    if (HR_LIKELY(column != NULL) && HR_LIKELY(column->length == json->rows)) {
        if (HR_LIKELY(hr_decode_plain(key->step, token, s, n, end, column, NULL) == HR_OK)) {
            fields[key->column].flags = HR_FIELD_DONE;
            return;
        }
        hr_column_truncate(column, json->rows);
    }
    hr_json_store(&fields[key->column], s, n, token, false);
}

/* The key's value is no object, or a new one under a key seen before: what the paths through it found is void. */
static void hr_json_void_below(const hr_json_node *node, hr_field *fields, hr_token token, const char *value, size_t n)
{
    for (int32_t i = 0; i < node->below_count; i++) {
        hr_field *field = &fields[node->below[i]];
        field->data = value;
        field->len = (uint32_t)n;
        field->token = (uint8_t)token;
        field->flags = 0;
    }
}

static const char *hr_json_walk(hr_json *json, hr_json_node *node, hr_json_mode mode, const char *p, hr_field *fields, int depth);

/* An object that paths lead through: p is at its '{', member at its key. Under `rest` it is kept with what remains of it. */
static const char *hr_json_walk_child(hr_json *json, const hr_json_key *key, hr_json_mode mode, const char *member, const char *p,
                                      hr_field *fields, int depth)
{
    if (key->taken) /* as a whole as well: nothing in it is unknown */
        mode = (hr_json_mode){false, false};
    if (mode.rest) {
        if (!hr_json_rest_append(json, member, p + 1))
            return hr_json_nomem(json);
    }
    hr_json_void_below(key->child, fields, HR_TOKEN_ABSENT, NULL, 0);
    p = hr_json_walk(json, key->child, mode, p, fields, depth);
    if (p != NULL && mode.rest && hr_buffer_append(json->rest, "}", 1, NULL) != HR_OK)
        return hr_json_nomem(json);
    return p;
}

/* The first quote of the next key of the outermost object from p on, in a record that was looked over; NULL when there is none. */
static const char *hr_json_next_key(const hr_json *json, const char *p)
{
    size_t at = (size_t)(p - json->scan.start), block = at >> 6;
    uint64_t left = json->index->keys[block] >> (at & 63) << (at & 63);

    while (left == 0 && ++block < json->index->blocks)
        left = json->index->keys[block];
    return left != 0 ? json->scan.start + (block << 6) + (size_t)__builtin_ctzll(left) : NULL;
}

/* The byte after the white space before p. There is another byte before. */
static const char *hr_json_back_space(const char *p)
{
    while (p[-1] == ' ' || p[-1] == '\n' || p[-1] == '\r' || p[-1] == '\t')
        p--;
    return p;
}

/* A container that nobody wants: when the record was looked over and this is one of those in its outermost object, it ends before the comma
 * before the next key, or the last brace; else it is read through. As hr_json_skip_container. */
static const char *hr_json_pass(hr_json *json, const char *value, int depth)
{
    const char *p;

    if (depth == 1 && json->looked) {
        p = hr_json_next_key(json, value);
        p = hr_json_back_space(hr_json_back_space(p != NULL ? p : json->scan.end) - 1);
    } else {
        p = hr_json_skip_container(&json->scan, value, depth);
    }
    if (p != NULL)
        json->skipped += (size_t)(p - value);
    return p;
}

/* A string that nobody wants, in a record that was looked over: the next byte that is neither in a string nor white space ends its member.
 * p is at the opening quote. */
static const char *hr_json_pass_string(const hr_json *json, const char *p)
{
    size_t at = (size_t)(p - json->scan.start) + 1, block = at >> 6;
    uint64_t left = json->index->kept[block] >> (at & 63) << (at & 63);

    while (left == 0)
        left = json->index->kept[++block];
    return json->scan.start + (block << 6) + (size_t)__builtin_ctzll(left);
}

/* A value that is no string or number right at p: an object, an array, a literal, or any value after more white space than last time. */
static const char *hr_json_walk_value(hr_json *json, const hr_json_key *key, hr_json_mode mode, const char *member, const char *p,
                                      hr_field *fields, int depth)
{
    const char *value = hr_json_skip_space(p, json->scan.end);
    hr_token token = HR_TOKEN_OBJECT;
    bool escaped = false, quotes;

    if (value < json->scan.end && *value == '{' && key->child != NULL) {
        p = hr_json_walk_child(json, key, mode, member, value, fields, depth + 1);
    } else if (value < json->scan.end && (*value == '{' || *value == '[')) {
        token = *value == '{' ? HR_TOKEN_OBJECT : HR_TOKEN_ARRAY;
        p = hr_json_pass(json, value, depth + 1);
    } else {
        p = hr_json_skip_value(&json->scan, value, depth + 1, &token, &escaped);
    }
    if (p == NULL)
        return NULL;
    quotes = token == HR_TOKEN_STRING;
    hr_json_store(&fields[key->column], value + quotes, (size_t)(p - value) - 2 * (size_t)quotes, token, escaped);
    return p;
}

/* What storing one field leaves to do for the member [member, p). False when memory ran out. */
static bool hr_json_finish_member(hr_json *json, const hr_json_key *key, hr_json_mode mode, const char *member, const char *p,
                                  hr_field *fields)
{
    const hr_field field = fields[key->column];

    if (key->twins)
        for (int32_t twin = json->keys.twin[key->column]; twin >= 0; twin = json->keys.twin[twin])
            fields[twin] = field;
    if (key->child != NULL && field.token != HR_TOKEN_OBJECT)
        hr_json_void_below(key->child, fields, field.token == HR_TOKEN_NULL ? HR_TOKEN_NULL : HR_TOKEN_ABSENT, field.data, field.len);
    if (mode.rest && !key->taken && (key->child == NULL || field.token != HR_TOKEN_OBJECT))
        return hr_json_rest_append(json, member, p);
    return true;
}

/* The value at p of the key. Returns the byte after it, or NULL. */
HR_ALWAYS_INLINE const char *hr_json_walk_member(hr_json *json, const hr_json_key *key, hr_json_mode mode, const char *member,
                                                 const char *p, hr_field *fields, int depth)
{
    const char *const end = json->scan.end, *value = p;

    if (*p == '"') {
        p = hr_json_find_special(json->scan.start, p + 1, end);
        if (HR_LIKELY(p < end && *p == '"')) {
            p++;
            hr_json_take(json, key, fields, value + 1, (size_t)(p - value) - 2, HR_TOKEN_STRING, end);
        } else {
            bool escaped = false;
            p = hr_json_skip_string_slow(&json->scan, p, &escaped);
            if (p != NULL)
                hr_json_store(&fields[key->column], value + 1, (size_t)(p - value) - 2, HR_TOKEN_STRING, escaped);
        }
    } else if ((unsigned char)(*p - '0') <= 9 || *p == '-') {
        p = hr_json_skip_number(&json->scan, p, p + (*p == '-'), end);
        if (HR_LIKELY(p != NULL))
            hr_json_take(json, key, fields, value, (size_t)(p - value), HR_TOKEN_NUMBER, end);
    } else {
        p = hr_json_walk_value(json, key, mode, member, p, fields, depth);
    }
    return p;
}

/* Read the object at p ('{') into the fields its node names. Recursion follows paths only, so it is never deeper than they are; all
 * else is skipped by a loop. `depth` counts the containers open around the object. */
static const char *hr_json_walk(hr_json *json, hr_json_node *node, hr_json_mode mode, const char *p, hr_field *fields, int depth)
{
    const char *const end = json->scan.end;
    const bool looked = json->looked;
    hr_json_key *previous = &node->start;
    const char *first = hr_json_skip_space(++p, end);

    if (first < end && *first == '}')
        return first + 1;
    for (;; p++) {
        const char *member = p;
        hr_json_key *key = previous->next[0];

        if (HR_LIKELY(end - p > 16) && HR_LIKELY(hr_json_key_is_short(key, p))) {
            p += key->spelling_len;
        } else {
            p = hr_json_read_key(json, node, mode, previous, p, &key);
            if (HR_UNLIKELY(p == NULL))
                return NULL;
        }
        previous = key;

        if (HR_UNLIKELY(looked) && *p == '"' && !key->taken && !key->odd) {
            p = hr_json_pass_string(json, p);
            if (*p == ',')
                continue;
            return p + 1; /* it is sound, so this is the brace */
        }
        p = hr_json_walk_member(json, key, mode, member, p, fields, depth);
        if (HR_UNLIKELY(p == NULL))
            return NULL;
        if (HR_UNLIKELY(key->odd) && !hr_json_finish_member(json, key, mode, member, p, fields))
            return hr_json_nomem(json);

        if (HR_LIKELY(p < end && *p == ','))
            continue;
        p = hr_json_skip_space(p, end);
        if (p < end && *p == ',')
            continue;
        if (p < end && *p == '}')
            return p + 1;
        return hr_json_fail(&json->scan, p, HR_REASON_MALFORMED, "',' or '}' is expected");
    }
}

/* The key of a member of the outermost object, whose first quote is at p, when somebody may want it; NULL when nobody does. *after is then
 * the byte after its last quote, or NULL when the walk must end. */
static hr_json_key *hr_json_want(hr_json *json, const char *p, const char **after)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t word, marks;

    *after = p; /* not NULL */
    if (HR_LIKELY(json->scan.end - p > 8)) {
        word = hr_json_load8(p + 1);
        for (int32_t i = 0; i < json->keys.wanted_count; i++) {
            const hr_json_wanted *wanted = &json->keys.wanted[i];

            if (HR_LIKELY(((word ^ wanted->bytes) & wanted->mask) != 0))
                continue;
            if (wanted->key == NULL)
                return hr_json_find_key(json, json->keys.root, (hr_json_mode){false, false}, p, after);
            *after = p + wanted->key->name_len + 2;
            return wanted->key;
        }
        marks = word ^ (ones * '\\'); /* a byte of zero is a backslash */
        if (HR_LIKELY(((marks - ones) & ~marks & (ones << 7)) == 0))
            return NULL;
    }
    return hr_json_find_key(json, json->keys.root, (hr_json_mode){false, false}, p, after);
}

/* As hr_json_walk for the outermost object of a record that was looked over: only the members that somebody wants are read. No column
 * collects the others, and they are allowed. */
static const char *hr_json_jump(hr_json *json, hr_field *fields)
{
    const char *const end = json->scan.end;
    const hr_json_index *index = json->index;
    size_t read = 0;

    for (uint32_t block = 0; block < index->blocks; block++) {
        for (uint64_t left = index->keys[block]; left != 0; left &= left - 1) {
            const char *member = json->scan.start + (size_t)block * 64 + (size_t)__builtin_ctzll(left), *p;
            const hr_json_key *key = hr_json_want(json, member, &p);

            if (HR_UNLIKELY(p == NULL))
                return NULL;
            if (HR_LIKELY(key == NULL) || (!key->taken && !key->odd))
                continue;
            p = hr_json_skip_space(hr_json_skip_space(p, end) + 1, end); /* it is sound: behind the colon */
            p = hr_json_walk_member(json, key, (hr_json_mode){false, false}, member, p, fields, 0);
            if (HR_UNLIKELY(p == NULL))
                return NULL;
            if (HR_UNLIKELY(key->odd) && !hr_json_finish_member(json, key, (hr_json_mode){false, false}, member, p, fields))
                return hr_json_nomem(json);
            read += (size_t)(p - member);
        }
    }
    json->skipped = (size_t)(end - json->scan.start) - read;
    return end;
}

/* Something stands where the record's '{' should be. */
static int hr_json_not_object(const hr_json_scan *scan, const char *p)
{
    const char *what = "a record must be one JSON object";

    if (scan->end == scan->start)
        what = "the record is empty; it must be one JSON object";
    else if (scan->end - scan->start >= 3 && memcmp(scan->start, "\xef\xbb\xbf", 3) == 0)
        what = "the record starts with a byte order mark; it must be one JSON object without it";
    hr_json_fail(scan, p, HR_REASON_MALFORMED, what);
    return HR_EDATA;
}

/* Look the record over when that is likely to pay: much of the record before was in containers that nobody wanted. True: it is sound. */
static bool hr_json_look(hr_json *json, size_t n)
{
    json->looked = false;
    if (HR_LIKELY(!json->look) || n < HR_JSON_INDEX_LEAST || n > HR_JSON_INDEX_MOST || json->looker == NULL)
        return false;
    if (json->index == NULL) {
        json->index = hr_malloc(sizeof(*json->index));
        if (json->index == NULL) {
            json->looker = NULL;
            return false;
        }
    }
    if (!json->looker->look(&json->scan, json->index))
        return false;
    json->looked = true;
    return true;
}

static int hr_json_fields(hr_decoder *decoder, const hr_record *record, hr_field *fields, hr_error *error)
{
    hr_json *json = decoder->state;
    hr_json_mode mode = {json->rest != NULL, json->unknown == HR_UNKNOWN_REJECT};
    hr_column *columns;
    size_t bad = 0;
    const char *p;

    json->scan.start = record->data;
    json->scan.end = record->data + record->len;
    json->scan.error = error;
    columns = decoder->batch != NULL ? decoder->batch->columns : NULL;
    if (HR_UNLIKELY(columns != json->keys.bound))
        hr_json_keys_bind(&json->keys, columns);
    json->rows = decoder->batch != NULL ? decoder->batch->length : 0;
    json->rc = HR_EDATA;
    if (!hr_json_look(json, record->len) && !hr_json_is_ascii(record->data, record->len) &&
        !hr_utf8_validate(record->data, record->len, &bad)) {
        hr_json_fail(&json->scan, record->data + bad, HR_REASON_ENCODING, "the record is not UTF-8");
        return HR_EDATA;
    }
    if (mode.rest) {
        json->rest->size = 0;
        HR_RETURN_NOT_OK(hr_buffer_append(json->rest, "{", 1, error));
    }
    p = hr_json_skip_space(json->scan.start, json->scan.end);
    if (p >= json->scan.end || *p != '{')
        return hr_json_not_object(&json->scan, p);
    json->skipped = 0;
    if (json->looked && json->keys.wanted_count > 0 && !mode.rest && !mode.reject)
        p = hr_json_jump(json, fields);
    else
        p = hr_json_walk(json, json->keys.root, mode, p, fields, 0);
    if (p == NULL)
        return json->rc;
    json->look = json->skipped > record->len / 4;
    p = hr_json_skip_space(p, json->scan.end);
    if (p < json->scan.end) {
        hr_json_fail(&json->scan, p, HR_REASON_MALFORMED, "more text follows the record's object");
        return HR_EDATA;
    }
    if (mode.rest) {
        HR_RETURN_NOT_OK(hr_buffer_append(json->rest, "}", 1, error));
        for (int32_t i = 0; i < decoder->schema->count; i++) {
            if (decoder->schema->columns[i].from == HR_FROM_REST)
                fields[i] = (hr_field){(const char *)json->rest->data, (uint32_t)json->rest->size, HR_TOKEN_OBJECT, 0};
        }
    }
    return HR_OK;
}

/* JSON lines: a record is a line. A line break inside a JSON string is always written \n, so this is exact. */
static size_t hr_json_frame(const hr_decode_options *options, const char *buf, size_t len, bool at_end, size_t *body)
{
    const char *newline = len > 0 ? memchr(buf, '\n', len) : NULL;
    size_t n;

    (void)options;
    if (newline == NULL && !at_end)
        return 0;
    n = newline != NULL ? (size_t)(newline - buf) : len;
    *body = n > 0 && buf[n - 1] == '\r' ? n - 1 : n;
    return newline != NULL ? n + 1 : len;
}

extern const hr_format hr_format_json;
const hr_format hr_format_json = {
    .name = "json",
    .open = hr_json_open,
    .close = hr_json_close,
    .fields = hr_json_fields,
    .frame = hr_json_frame,
};
