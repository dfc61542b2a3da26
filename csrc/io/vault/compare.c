/* csrc/io/vault/compare.c: two COPY streams into a set of rows; what is left is read again, to be shown. */
#include "compare.h"

#include <stdio.h>
#include <xxhash.h>

#include "core/row_set.h"
#include "io/json_text.h"
#include "io/postgres.h"

#define HR_COMPARE_TURN 2000  /* rows from one side before the other is looked at */
#define HR_COMPARE_WAIT_MS 20 /* for rows, when neither side has any */
#define HR_COMPARE_VALUE 200  /* bytes of a value that an example shows */
#define HR_COMPARE_MOST 1000  /* examples of a kind */

enum { LEFT, RIGHT, SIDES };

typedef struct hr_example {
    hr_hash128 key;
    hr_row_state state;
    json_t *values[SIDES]; /* NULL: not seen */
} hr_example;

typedef struct hr_comparison {
    const json_t *sides[SIDES];
    hr_pg *pgs[SIDES];
    int32_t key_count;
    int64_t rows[SIDES];
    int64_t counts[HR_ROW_REPEATED + 1];
    int64_t passes;
    hr_row_set set;
    hr_example *examples;
    size_t keep, example_count, example_capacity;
    bool showing; /* the streams are read to fill the examples */
    bool counting;
} hr_comparison;

/* The end of the key in a line of COPY's text: tabs inside values are escaped, so the tabs there are stand between columns. */
static size_t hr_compare_key_end(const char *line, size_t n, int32_t columns)
{
    const char *at = line, *end = line + n;

    for (int32_t i = 0; i < columns; i++) {
        const char *tab = memchr(at, '\t', (size_t)(end - at));

        if (tab == NULL)
            return n;
        at = tab + 1;
    }
    return (size_t)(at - line) - 1;
}

static hr_hash128 hr_compare_hash(const char *bytes, size_t n)
{
    XXH128_hash_t hash = XXH3_128bits(bytes, n);

    return (hr_hash128){hash.low64, hash.high64};
}

/* One value of a line, unescaped and cut; null for \N. NULL when memory runs out. */
static json_t *hr_compare_value(const char *text, size_t n)
{
    char out[HR_COMPARE_VALUE + 4];
    size_t used = 0;
    json_t *value;

    if (n == 2 && text[0] == '\\' && text[1] == 'N')
        return json_null();
    for (size_t i = 0; i < n; i++) {
        char c = text[i];

        if (used == HR_COMPARE_VALUE) {
            /* never in the middle of a character */
            while (used > 0 && ((unsigned char)c & 0xC0) == 0x80)
                c = out[--used];
            memcpy(out + used, "...", 3);
            used += 3;
            break;
        }
        if (c == '\\' && i + 1 < n) {
            static const char escapes[] = "bfnrtv", meanings[] = "\b\f\n\r\t\v";
            const char *found = strchr(escapes, text[++i]);

            c = found != NULL && text[i] != '\0' ? meanings[found - escapes] : text[i];
        }
        out[used++] = c;
    }
    value = json_stringn(out, used);
    return value != NULL ? value : json_string("(not UTF-8)");
}

/* The values of a line as a list. */
static json_t *hr_compare_values(const char *line, size_t n)
{
    json_t *list = json_array();
    const char *at = line, *end = line + n;

    while (list != NULL) {
        const char *tab = memchr(at, '\t', (size_t)(end - at));
        const char *stop = tab != NULL ? tab : end;

        if (json_array_append_new(list, hr_compare_value(at, (size_t)(stop - at))) != 0) {
            json_decref(list);
            return NULL;
        }
        if (tab == NULL)
            break;
        at = tab + 1;
    }
    return list;
}

/* A row of a side: into the set, or, in the last pass, into the example it belongs to. */
static int hr_compare_row(hr_comparison *c, int side, const char *line, size_t n, hr_error *error)
{
    hr_hash128 key;

    if (n > 0 && line[n - 1] == '\n')
        n--;
    key = hr_compare_hash(line, hr_compare_key_end(line, n, c->key_count));
    if (!c->showing) {
        c->rows[side] += c->counting;
        return hr_row_set_put(&c->set, side == LEFT ? HR_ROW_LEFT : HR_ROW_RIGHT, key, hr_compare_hash(line, n), error);
    }
    for (size_t i = 0; i < c->example_count; i++) {
        hr_example *example = &c->examples[i];

        if (example->key.low != key.low || example->key.high != key.high || example->values[side] != NULL)
            continue;
        example->values[side] = hr_compare_values(line, n);
        if (example->values[side] == NULL)
            return hr_error_nomem(error);
    }
    return HR_OK;
}

/* Some rows of a side. *got: any came; *open: more may come. */
static int hr_compare_turn(hr_comparison *c, int side, int timeout_ms, bool *got, bool *open, hr_error *error)
{
    *got = false;
    PQconsumeInput(c->pgs[side]->conn); /* what is there already; a failure is seen below */
    for (int i = 0; i < HR_COMPARE_TURN; i++) {
        char *line;
        int n, rc;

        HR_RETURN_NOT_OK(hr_pg_copy_get(c->pgs[side], i == 0 ? timeout_ms : 0, &line, &n, error));
        if (n < 0)
            *open = false;
        if (n <= 0)
            return HR_OK;
        *got = true;
        rc = hr_compare_row(c, side, line, (size_t)n, error);
        PQfreemem(line);
        HR_RETURN_NOT_OK(rc);
    }
    return HR_OK;
}

/* One pass over both streams. */
static int hr_compare_pass(hr_comparison *c, hr_error *error)
{
    bool open[SIDES] = {true, true}, got[SIDES] = {true, true};

    for (int side = 0; side < SIDES; side++) {
        hr_buffer sql = {0};
        int rc = hr_sql(&sql, error, "COPY (%s) TO STDOUT", json_string_value(json_object_get(c->sides[side], "query")));

        if (rc == HR_OK)
            rc = hr_pg_copy_begin(c->pgs[side], (const char *)sql.data, error);
        hr_buffer_free(&sql);
        HR_RETURN_NOT_OK(rc);
    }
    while (open[LEFT] || open[RIGHT]) {
        bool idle = !got[LEFT] && !got[RIGHT];

        for (int side = 0; side < SIDES; side++) {
            got[side] = false;
            if (open[side])
                HR_RETURN_NOT_OK(hr_compare_turn(c, side, idle ? HR_COMPARE_WAIT_MS : 0, &got[side], &open[side], error));
        }
    }
    c->counting = false;
    return HR_OK;
}

/* Count what the pass has left, and note the first of each kind as examples. */
static int hr_compare_leftover(hr_comparison *c, hr_error *error)
{
    hr_row_state state;
    hr_hash128 key;
    size_t at = 0;

    c->passes++;
    while (hr_row_set_next(&c->set, &at, &state, &key)) {
        if (c->counts[state]++ >= (int64_t)c->keep)
            continue;
        if (c->example_count == c->example_capacity) {
            size_t room = c->example_capacity > 0 ? c->example_capacity * 2 : 16;
            hr_example *examples = hr_realloc(c->examples, room * sizeof(*examples));

            if (examples == NULL)
                return hr_error_nomem(error);
            c->examples = examples;
            c->example_capacity = room;
        }
        c->examples[c->example_count++] = (hr_example){.key = key, .state = state};
    }
    return HR_OK;
}

static int hr_compare_run(hr_comparison *c, hr_error *error)
{
    do {
        HR_RETURN_NOT_OK(hr_compare_pass(c, error));
        HR_RETURN_NOT_OK(hr_compare_leftover(c, error));
    } while (hr_row_set_again(&c->set));
    if (c->example_count == 0)
        return HR_OK;
    c->showing = true;
    return hr_compare_pass(c, error);
}

/* The answer as JSON text. */
static int hr_compare_answer(hr_comparison *c, char **result, hr_error *error)
{
    static const char *const kinds[] = {"", "missing", "extra", "different", "repeated"};
    json_t *examples = json_array();
    json_t *root;
    bool failed = examples == NULL;

    for (size_t i = 0; i < c->example_count && !failed; i++) {
        hr_example *example = &c->examples[i];

        failed = json_array_append_new(examples, json_pack("{s:s, s:O?, s:O?}", "kind", kinds[example->state], "left",
                                                           example->values[LEFT], "right", example->values[RIGHT])) != 0;
    }
    root = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "left", (json_int_t)c->rows[LEFT], "right", (json_int_t)c->rows[RIGHT],
                     "missing", (json_int_t)c->counts[HR_ROW_LEFT], "extra", (json_int_t)c->counts[HR_ROW_RIGHT], "different",
                     (json_int_t)c->counts[HR_ROW_DIFFERENT], "repeated", (json_int_t)c->counts[HR_ROW_REPEATED], "passes",
                     (json_int_t)c->passes, "examples", examples);
    *result = failed || root == NULL ? NULL : hr_json_text_of(root, JSON_COMPACT);
    json_decref(root);
    return *result != NULL ? HR_OK : hr_error_nomem(error);
}

/* Read the settings. HR_EUSAGE names what is missing. */
static int hr_compare_settings(const json_t *root, hr_comparison *c, hr_error *error)
{
    static const char *const names[] = {"left", "right"}, *const texts[] = {"dsn", "begin", "query"};
    json_int_t memory = json_integer_value(json_object_get(root, "memory")), keep = json_integer_value(json_object_get(root, "keep"));

    for (int side = 0; side < SIDES; side++) {
        c->sides[side] = json_object_get(root, names[side]);
        for (int i = 0; i < 3; i++)
            if (!json_is_string(json_object_get(c->sides[side], texts[i])))
                return hr_error_set(error, HR_EUSAGE, "compare: setting \"%s\" of \"%s\" must be a text", texts[i], names[side]);
    }
    c->key_count = (int32_t)json_integer_value(json_object_get(root, "key"));
    if (c->key_count < 1 || memory < 1 || keep < 0 || keep > HR_COMPARE_MOST)
        return hr_error_set(error, HR_EUSAGE, "compare: \"key\" and \"memory\" must be above 0, \"keep\" from 0 to %d", HR_COMPARE_MOST);
    c->keep = (size_t)keep;
    c->counting = true;
    hr_row_set_init(&c->set, (size_t)memory);
    return HR_OK;
}

static int hr_compare_connect(hr_comparison *c, const atomic_bool *cancel, hr_error *error)
{
    for (int side = 0; side < SIDES; side++) {
        HR_RETURN_NOT_OK(hr_pg_open(json_string_value(json_object_get(c->sides[side], "dsn")), "headrace", cancel, &c->pgs[side], error));
        HR_RETURN_NOT_OK(hr_pg_exec(c->pgs[side], json_string_value(json_object_get(c->sides[side], "begin")), NULL, error));
    }
    return HR_OK;
}

int hr_compare(const char *config_json, const atomic_bool *cancel, char **result, hr_error *error)
{
    hr_comparison c = {0};
    json_t *root;
    int rc;

    *result = NULL;
    HR_RETURN_NOT_OK(hr_json_object_read(config_json, strlen(config_json), "compare: the settings", &root, error));
    rc = hr_compare_settings(root, &c, error);
    if (rc == HR_OK)
        rc = hr_compare_connect(&c, cancel, error);
    if (rc == HR_OK)
        rc = hr_compare_run(&c, error);
    if (rc == HR_OK)
        rc = hr_compare_answer(&c, result, error);
    for (int side = 0; side < SIDES; side++)
        hr_pg_close(c.pgs[side]);
    for (size_t i = 0; i < c.example_count; i++)
        for (int side = 0; side < SIDES; side++)
            json_decref(c.examples[i].values[side]);
    hr_free(c.examples);
    hr_row_set_free(&c.set);
    json_decref(root);
    return rc;
}
