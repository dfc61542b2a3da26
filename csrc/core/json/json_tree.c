/* csrc/core/json/json_tree.c: reading a small JSON document into a tree. */
#include "json_tree.h"

#include "core/bytes.h"
#include "json_scan.h"
#include "core/utf8.h"

typedef struct hr_json_planter {
    hr_json_scan scan;
    hr_arena *arena;
    int rc; /* what a NULL means */
} hr_json_planter;

static const char *hr_json_plant(hr_json_planter *planter, const char *p, int depth, hr_json_tree **out);

static void *hr_json_plant_room(hr_json_planter *planter, size_t n)
{
    void *room = hr_arena_alloc(planter->arena, n);

    if (room == NULL)
        planter->rc = hr_error_nomem(planter->scan.error);
    return room;
}

/* The string after whose opening quote p stands, unescaped. The byte after it, or NULL. */
static const char *hr_json_plant_string(hr_json_planter *planter, const char *p, const char **text, size_t *len)
{
    bool escaped = false;
    const char *end = hr_json_skip_string(&planter->scan, p, &escaped);
    hr_buffer out = {0};

    if (end == NULL)
        return NULL;
    out.capacity = (size_t)(end - p) + 1; /* an escape is longer than what it stands for: it never grows */
    out.data = hr_json_plant_room(planter, out.capacity);
    if (out.data == NULL)
        return NULL;
    planter->rc = hr_json_unescape(p, (size_t)(end - 1 - p), false, &out, planter->scan.error);
    if (planter->rc != HR_OK)
        return NULL;
    planter->rc = HR_EDATA;
    out.data[out.size] = '\0';
    *text = (const char *)out.data;
    *len = out.size;
    return end;
}

/* The members or elements of the container at p. */
static const char *hr_json_plant_children(hr_json_planter *planter, const char *p, int depth, hr_json_tree *tree)
{
    const hr_json_scan *scan = &planter->scan;
    const char close = tree->token == HR_TOKEN_OBJECT ? '}' : ']';
    hr_json_tree **link = &tree->first;

    if (depth >= HR_JSON_TREE_DEPTH)
        return hr_json_fail(scan, p, HR_REASON_DEPTH, "the document is nested too deep");
    p = hr_json_skip_space(p + 1, scan->end);
    if (p < scan->end && *p == close)
        return p + 1;
    for (;;) {
        const char *name = "";
        size_t len = 0;

        if (tree->token == HR_TOKEN_OBJECT) {
            if (p >= scan->end || *p != '"')
                return hr_json_fail(scan, p, HR_REASON_MALFORMED, "a key in double quotes is expected");
            p = hr_json_plant_string(planter, p + 1, &name, &len);
            if (p == NULL)
                return NULL;
            p = hr_json_skip_space(p, scan->end);
            if (p >= scan->end || *p != ':')
                return hr_json_fail(scan, p, HR_REASON_MALFORMED, "a key must be followed by ':'");
            p = hr_json_skip_space(p + 1, scan->end);
        }
        p = hr_json_plant(planter, p, depth + 1, link);
        if (p == NULL)
            return NULL;
        (*link)->name = name;
        link = &(*link)->next;
        tree->count++;
        p = hr_json_skip_space(p, scan->end);
        if (p < scan->end && *p == close)
            return p + 1;
        if (p >= scan->end || *p != ',')
            return hr_json_fail(scan, p, HR_REASON_MALFORMED, "a comma or the end of the container is expected");
        p = hr_json_skip_space(p + 1, scan->end);
    }
}

/* The value at p. */
static const char *hr_json_plant(hr_json_planter *planter, const char *p, int depth, hr_json_tree **out)
{
    hr_json_tree *tree = hr_json_plant_room(planter, sizeof(*tree));
    const char *end;
    bool escaped;

    if (tree == NULL)
        return NULL;
    memset(tree, 0, sizeof(*tree));
    *out = tree;
    if (p < planter->scan.end && (*p == '{' || *p == '[')) {
        tree->token = *p == '{' ? HR_TOKEN_OBJECT : HR_TOKEN_ARRAY;
        return hr_json_plant_children(planter, p, depth, tree);
    }
    if (p < planter->scan.end && *p == '"') {
        tree->token = HR_TOKEN_STRING;
        return hr_json_plant_string(planter, p + 1, &tree->text, &tree->len);
    }
    end = hr_json_skip_value(&planter->scan, p, depth, &tree->token, &escaped);
    if (end != NULL && tree->token == HR_TOKEN_NUMBER) {
        char *digits = hr_json_plant_room(planter, (size_t)(end - p) + 1);

        if (digits == NULL)
            return NULL;
        tree->len = (size_t)(end - p);
        memcpy(digits, p, tree->len);
        digits[tree->len] = '\0';
        tree->text = digits;
    }
    return end;
}

int hr_json_tree_read(hr_arena *arena, const char *s, size_t n, hr_json_tree **out, hr_error *error)
{
    hr_json_planter planter = {{s, s + n, false, error}, arena, HR_EDATA};
    const char *p;
    size_t bad = 0;

    *out = NULL;
    if (!hr_utf8_validate(s, n, &bad)) {
        hr_json_fail(&planter.scan, s + bad, HR_REASON_ENCODING, "the document is not UTF-8");
        return HR_EDATA;
    }
    p = hr_json_plant(&planter, hr_json_skip_space(s, planter.scan.end), 0, out);
    if (p == NULL)
        return planter.rc;
    p = hr_json_skip_space(p, planter.scan.end);
    if (p == planter.scan.end)
        return HR_OK;
    hr_json_fail(&planter.scan, p, HR_REASON_MALFORMED, "more text follows the document");
    return HR_EDATA;
}

const hr_json_tree *hr_json_tree_get(const hr_json_tree *tree, const char *name)
{
    if (tree == NULL || tree->token != HR_TOKEN_OBJECT)
        return NULL;
    for (const hr_json_tree *child = tree->first; child != NULL; child = child->next)
        if (strcmp(child->name, name) == 0)
            return child;
    return NULL;
}

const char *hr_json_tree_text(const hr_json_tree *tree, const char *name)
{
    const hr_json_tree *child = hr_json_tree_get(tree, name);

    return child != NULL && child->token == HR_TOKEN_STRING ? child->text : "";
}

bool hr_json_tree_number(const hr_json_tree *tree, const char *name, int64_t low, int64_t high, int64_t *out)
{
    const hr_json_tree *child = hr_json_tree_get(tree, name);

    return child != NULL && (child->token == HR_TOKEN_NUMBER || child->token == HR_TOKEN_STRING) &&
           hr_parse_plain_int64(child->text, child->len, out) && *out >= low && *out <= high;
}
