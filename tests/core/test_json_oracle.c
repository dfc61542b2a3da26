/* tests/core/test_json_oracle.c: the decoder against jansson: the same verdicts, the same values, on documents made and broken at
 * random from fixed seeds. */
#include "json_cases.h"
#include "json_oracle.h"

static uint64_t random_state = 20260101;

static unsigned random_below(unsigned n)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(random_state >> 33) % n;
}

static void test_cases(void)
{
    for (size_t i = 0; i < JSON_CASE_COUNT; i++)
        compare_verdicts(json_cases[i].text, json_cases[i].len);
    for (size_t i = 0; i < JSON_UTF8_CASE_COUNT; i++)
        compare_verdicts(json_utf8_cases[i].text, json_utf8_cases[i].len);
}

/* ---- documents made at random ---- */

static const char *const known_keys[] = {"id", "name", "a_key_longer_than_sixteen_bytes", "customer", "address", "city", "n", "odd\\u0041"};
static const char *const strings[] = {"", "x", "plain text", "a text that is longer than sixteen bytes", "\\n\\\"\\\\\\/", "\\u0041\\u00e9",
                                      "\\ud83d\\ude00", "\xc5\xbc\xc3\xb3\xc5\x82w", "\xf0\x9f\x98\x80", "0123456789abcde\\t", "{[,:]}"};
static const char *const numbers[] = {"0", "-0", "1", "12345678", "123456789012", "-9223372036854775808", "0.5", "-1.25", "1e5", "1.5E-3",
                                      "1234567.12345678", "100000000000000.25"};
static const char *const gaps[] = {"", "", "", " ", "\n  ", "\t", "                 "};

static void put(hr_buffer *out, const char *text)
{
    if (hr_buffer_append(out, text, strlen(text), NULL) != HR_OK)
        abort();
}

static void put_gap(hr_buffer *out, unsigned style)
{
    put(out, style < 3 ? gaps[style * 3] : gaps[random_below(COUNT(gaps))]);
}

static void put_value(hr_buffer *out, int depth, unsigned style);

static void put_object(hr_buffer *out, int depth, unsigned style)
{
    unsigned members = random_below(7);

    put(out, "{");
    for (unsigned i = 0; i < members; i++) {
        char other[32];
        put(out, i > 0 ? "," : "");
        put_gap(out, style);
        put(out, "\"");
        if (random_below(3) > 0) {
            put(out, known_keys[random_below(COUNT(known_keys))]);
        } else if (random_below(8) == 0) {
            put(out, random_below(2) ? "\\u0069d" : "cit\\u0079");
        } else {
            snprintf(other, sizeof(other), "unknown%u", random_below(200));
            put(out, other);
        }
        put(out, "\"");
        put_gap(out, style == 1 ? 0 : style);
        put(out, ":");
        put_gap(out, style);
        put_value(out, depth + 1, style);
    }
    put_gap(out, style);
    put(out, "}");
}

static void put_value(hr_buffer *out, int depth, unsigned style)
{
    unsigned kind = random_below(depth < 5 ? 9 : 6);

    if (kind <= 1) {
        put(out, "\"");
        put(out, strings[random_below(COUNT(strings))]);
        put(out, "\"");
    } else if (kind <= 3) {
        put(out, numbers[random_below(COUNT(numbers))]);
    } else if (kind <= 5) {
        static const char *const literals[] = {"null", "true", "false"};
        put(out, literals[random_below(3)]);
    } else if (kind == 6) {
        unsigned members = random_below(4);
        put(out, "[");
        for (unsigned i = 0; i < members; i++) {
            put(out, i > 0 ? "," : "");
            put_gap(out, style);
            put_value(out, depth + 1, style);
        }
        put(out, "]");
    } else {
        put_object(out, depth, style);
    }
}

static void test_documents(void)
{
    hr_buffer text = {0};
    fixture f;

    fixture_open(&f, "json", fixture_schema(columns, COUNT(columns)), NULL);
    for (int round = 0; round < 20000; round++) {
        unsigned style = random_below(4);
        text.size = 0;
        put_gap(&text, style);
        put_object(&text, 0, style);
        put_gap(&text, style);
        char *exact = malloc(text.size);
        memcpy(exact, text.data, text.size);
        compare_verdicts(exact, text.size);
        compare_record(&f, exact, text.size);
        free(exact);
    }
    fixture_close(&f);
    hr_buffer_free(&text);
}

/* ---- documents broken at random ---- */

static size_t damage(char *text, size_t n, size_t room)
{
    static const char *const pieces[] = {"\"", "\\", "{", "}", "[", "]", ",", ":", "0", "-", ".", "e", "1e9", "null", "true", "\n", " ",
                                         "a", "\\u00", "\\ud800", "\\ud83d\\ude00", "\\u0000", "\x01", "\x7f", "\x80", "\xc3",
                                         "\xed\xa0\x80", "\xf4\x90\x80\x80"};
    size_t at = n > 0 ? random_below((unsigned)n) : 0, length;
    const char *piece;

    switch (random_below(6)) {
    case 0: /* one byte becomes another */
        if (n > 0)
            text[at] = (char)random_below(256);
        return n;
    case 1: /* some bytes go */
        length = 1 + random_below(3);
        length = length < n - at ? length : n - at;
        memmove(text + at, text + at + length, n - at - length);
        return n - length;
    case 2: /* the end goes */
        return at;
    case 3: /* a part comes twice */
        length = random_below(12);
        length = length < n - at ? length : n - at;
        if (n + length > room)
            return n;
        memmove(text + at + length, text + at, n - at);
        return n + length;
    default: /* something comes in */
        piece = pieces[random_below(COUNT(pieces))];
        length = strlen(piece);
        if (n + length > room)
            return n;
        memmove(text + at + length, text + at, n - at);
        memcpy(text + at, piece, length);
        return n + length;
    }
}

static void test_damaged(void)
{
    hr_buffer text = {0};
    char broken[8192];
    fixture f;

    fixture_open(&f, "json", fixture_schema(columns, COUNT(columns)), NULL);
    for (int round = 0; round < 60000; round++) {
        unsigned style = random_below(4), times = 1 + random_below(3);
        size_t n;

        text.size = 0;
        if (random_below(4) == 0) {
            const json_case *c = &json_cases[random_below(JSON_CASE_COUNT)];
            if (hr_buffer_append(&text, c->text, c->len, NULL) != HR_OK)
                abort();
        } else {
            put_object(&text, 2, style);
        }
        if (text.size > sizeof(broken) - 256)
            continue;
        n = text.size;
        if (n > 0)
            memcpy(broken, text.data, n);
        for (unsigned i = 0; i < times; i++)
            n = damage(broken, n, sizeof(broken));
        char *exact = malloc(n ? n : 1);
        memcpy(exact, broken, n);
        compare_verdicts(exact, n);
        compare_record(&f, exact, n);

        hr_record record = {.data = exact, .len = n, .timestamp = HR_NO_TIMESTAMP};
        int64_t rows = f.batch->length;
        int rc = hr_decoder_decode(f.decoder, &record, f.batch, &f.error);
        CHECK((rc == HR_OK || rc == HR_EDATA) && f.batch->length == rows + (rc == HR_OK), "%d", rc);
        if (round % 512 == 0) {
            CHECK(fixture_consistent(f.batch));
            hr_batch_clear(f.batch);
        }
        free(exact);
    }
    fixture_close(&f);
    hr_buffer_free(&text);
}

int main(void)
{
    test_cases();
    test_documents();
    test_damaged();
    printf("agreed on %d documents, %d left to jansson's own limits\n", agreed, undecided);
    CHECK(agreed > 50000 && undecided < agreed / 10);
    return CHECK_DONE();
}
