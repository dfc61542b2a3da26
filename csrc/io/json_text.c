/* csrc/io/json_text.c: a JSON document from text and as text. */
#include "json_text.h"

#include <errno.h>
#include <stdlib.h>

#include "core/arena.h"
#include "core/json/json_tree.h"
#include "core/types/float_text.h"

static int hr_json_grow(const hr_json_tree *tree, const char *what, json_t **out, hr_error *error);

static int hr_json_grow_number(const hr_json_tree *tree, const char *what, json_t **out, hr_error *error)
{
    double real;

    if (strpbrk(tree->text, ".eE") == NULL) {
        long long whole;

        errno = 0;
        whole = strtoll(tree->text, NULL, 10);
        if (errno == 0) {
            *out = json_integer(whole);
            return HR_OK;
        }
    } else if (hr_float8_parse(tree->text, tree->len, &real) == HR_FLOAT_OK) {
        *out = json_real(real);
        return HR_OK;
    }
    return hr_error_set(error, HR_EUSAGE, "%s: the number %.40s is out of range", what, tree->text);
}

static int hr_json_grow_children(const hr_json_tree *tree, const char *what, json_t *out, hr_error *error)
{
    for (const hr_json_tree *child = tree->first; child != NULL; child = child->next) {
        json_t *value;

        if (tree->token == HR_TOKEN_OBJECT && json_object_get(out, child->name) != NULL)
            return hr_error_set(error, HR_EUSAGE, "%s: the member \"%.60s\" stands there twice", what, child->name);
        HR_RETURN_NOT_OK(hr_json_grow(child, what, &value, error));
        if ((tree->token == HR_TOKEN_OBJECT ? json_object_set_new_nocheck(out, child->name, value) : json_array_append_new(out, value)) !=
            0)
            return hr_error_nomem(error);
    }
    return HR_OK;
}

/* The tree as jansson holds it. NULL in *out unless HR_OK. */
static int hr_json_grow(const hr_json_tree *tree, const char *what, json_t **out, hr_error *error)
{
    int rc = HR_OK;

    *out = NULL;
    switch (tree->token) {
    case HR_TOKEN_OBJECT: *out = json_object(); break;
    case HR_TOKEN_ARRAY: *out = json_array(); break;
    case HR_TOKEN_STRING: *out = json_stringn_nocheck(tree->text, tree->len); break;
    case HR_TOKEN_NUMBER: rc = hr_json_grow_number(tree, what, out, error); break;
    case HR_TOKEN_TRUE: *out = json_true(); break;
    case HR_TOKEN_FALSE: *out = json_false(); break;
    default: *out = json_null(); break;
    }
    if (rc == HR_OK && *out == NULL)
        rc = hr_error_nomem(error);
    if (rc == HR_OK)
        rc = hr_json_grow_children(tree, what, *out, error);
    if (rc != HR_OK) {
        json_decref(*out);
        *out = NULL;
    }
    return rc;
}

int hr_json_object_read(const char *s, size_t n, const char *what, json_t **out, hr_error *error)
{
    hr_arena arena;
    hr_json_tree *tree;
    hr_error wrong;
    int rc;

    *out = NULL;
    hr_error_clear(&wrong);
    hr_arena_init(&arena, 8192);
    rc = hr_json_tree_read(&arena, s, n, &tree, &wrong);
    if (rc == HR_ENOMEM)
        hr_error_nomem(error);
    else if (rc != HR_OK)
        rc = hr_error_set(error, HR_EUSAGE, "%s: not valid JSON: %s", what, wrong.message);
    else if (tree->token != HR_TOKEN_OBJECT)
        rc = hr_error_set(error, HR_EUSAGE, "%s: a JSON object is expected", what);
    else
        rc = hr_json_grow(tree, what, out, error);
    hr_arena_free(&arena);
    return rc;
}

typedef struct hr_json_text {
    hr_buffer bytes;
    bool failed;
} hr_json_text;

static int hr_json_text_add(const char *bytes, size_t n, void *arg)
{
    hr_json_text *text = arg;

    text->failed = text->failed || hr_buffer_append(&text->bytes, bytes, n, NULL) != HR_OK;
    return text->failed ? -1 : 0;
}

char *hr_json_text_of(const json_t *document, size_t flags)
{
    hr_json_text text = {{0}, false};

    if (document == NULL || json_dump_callback(document, hr_json_text_add, &text, flags) != 0 || hr_json_text_add("", 1, &text) != 0 ||
        text.failed) {
        hr_buffer_free(&text.bytes);
        return NULL;
    }
    return (char *)text.bytes.data;
}
