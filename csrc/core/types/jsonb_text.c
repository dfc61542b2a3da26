/* csrc/core/types/jsonb_text.c: from any JSON text to jsonb's own.
 *
 * One pass makes a tree of nodes in a flat array (sorting needs all members of an object before the first is written); a second pass
 * writes it. Both recurse, at most HR_MAX_DEPTH deep, which hr_json_check makes sure of.
 */
#include "jsonb_text.h"

#include "core/bytes.h"
#include "core/json/json_scan.h"
#include "numeric_text.h"

#define HR_JSONB_GROWTH ((size_t)16 << 20) /* by which numbers written out may lengthen a value: 1e131071 is 8 bytes */
#define HR_NO_NODE UINT32_MAX

typedef struct hr_json_node {
    const char *text; /* as it stands in the source; containers: only the first byte counts */
    size_t length;
    size_t key; /* members of objects: where the key, without escapes, stands in hr_json_tree.keys */
    size_t key_length;
    uint32_t first; /* containers: the first child, or HR_NO_NODE */
    uint32_t next;  /* the next child of the same container, or HR_NO_NODE */
} hr_json_node;

typedef struct hr_json_tree {
    hr_json_node *nodes;
    uint32_t count, capacity;
    hr_buffer keys;
    hr_buffer string; /* a string without its escapes, before it gets the server's */
    size_t grown; /* bytes that numbers have become longer */
    hr_json_scan scan;
    hr_error *error;
} hr_json_tree;

static uint32_t hr_json_tree_add(hr_json_tree *tree)
{
    if (tree->count == tree->capacity) {
        uint32_t capacity = tree->capacity != 0 ? tree->capacity * 2 : 64;
        hr_json_node *nodes = NULL;

        if (capacity > tree->capacity)
            nodes = hr_realloc(tree->nodes, capacity * sizeof(*nodes));
        if (nodes == NULL) {
            hr_error_nomem(tree->error);
            return HR_NO_NODE;
        }
        tree->nodes = nodes;
        tree->capacity = capacity;
    }
    memset(&tree->nodes[tree->count], 0, sizeof(*tree->nodes));
    tree->nodes[tree->count].first = tree->nodes[tree->count].next = HR_NO_NODE;
    return tree->count++;
}

static const char *hr_json_read_value(hr_json_tree *tree, const char *p, int depth, uint32_t *node);

/* p is after the opening quote of a key. Keeps it without escapes; returns the first byte of its value, or NULL without memory. */
static const char *hr_json_read_key(hr_json_tree *tree, const char *p, size_t *key, size_t *key_length)
{
    bool escaped = false;
    const char *end = hr_json_skip_string(&tree->scan, p, &escaped);

    *key = tree->keys.size;
    if (hr_json_unescape(p, (size_t)(end - 1 - p), false, &tree->keys, tree->error) != HR_OK)
        return NULL;
    *key_length = tree->keys.size - *key;
    p = hr_json_skip_space(end, tree->scan.end) + 1; /* over the colon */
    return hr_json_skip_space(p, tree->scan.end);
}

/* p is at the value's first byte. Returns the byte after it, or NULL when memory runs out. */
static const char *hr_json_read_value(hr_json_tree *tree, const char *p, int depth, uint32_t *node)
{
    char close = *p == '{' ? '}' : ']';
    uint32_t last = HR_NO_NODE;

    *node = hr_json_tree_add(tree);
    if (*node == HR_NO_NODE)
        return NULL;
    tree->nodes[*node].text = p;
    if (*p != '{' && *p != '[') {
        hr_token token;
        bool escaped = false;
        const char *end = hr_json_skip_value(&tree->scan, p, depth, &token, &escaped);

        if (end != NULL)
            tree->nodes[*node].length = (size_t)(end - p);
        return end;
    }
    p = hr_json_skip_space(p + 1, tree->scan.end);
    while (*p != close) {
        size_t key = 0, key_length = 0;
        uint32_t child;

        if (close == '}') {
            p = hr_json_read_key(tree, p + 1, &key, &key_length);
            if (p == NULL)
                return NULL;
        }
        p = hr_json_read_value(tree, p, depth + 1, &child);
        if (p == NULL)
            return NULL;
        tree->nodes[child].key = key;
        tree->nodes[child].key_length = key_length;
        if (last == HR_NO_NODE)
            tree->nodes[*node].first = child;
        else
            tree->nodes[last].next = child;
        last = child;
        p = hr_json_skip_space(p, tree->scan.end);
        if (*p == ',')
            p = hr_json_skip_space(p + 1, tree->scan.end);
    }
    return p + 1;
}

/* jsonb's order: shorter keys first, then by bytes. */
static int hr_json_key_compare(const hr_json_tree *tree, uint32_t a, uint32_t b)
{
    const hr_json_node *x = &tree->nodes[a], *y = &tree->nodes[b];

    if (x->key_length != y->key_length)
        return x->key_length < y->key_length ? -1 : 1;
    return x->key_length == 0 ? 0 : memcmp(tree->keys.data + x->key, tree->keys.data + y->key, x->key_length);
}

/* Merge sort of a chain of `count` members, stable. Returns the new first. */
static uint32_t hr_json_sort(hr_json_tree *tree, uint32_t first, uint32_t count)
{
    uint32_t half = count / 2, a = first, b, middle = first, head = HR_NO_NODE, tail = HR_NO_NODE;

    if (count < 2)
        return first;
    for (uint32_t i = 1; i < half; i++)
        middle = tree->nodes[middle].next;
    b = tree->nodes[middle].next;
    tree->nodes[middle].next = HR_NO_NODE;
    a = hr_json_sort(tree, a, half);
    b = hr_json_sort(tree, b, count - half);
    while (a != HR_NO_NODE || b != HR_NO_NODE) {
        bool take_a = b == HR_NO_NODE || (a != HR_NO_NODE && hr_json_key_compare(tree, a, b) <= 0);
        uint32_t next = take_a ? a : b;

        if (take_a)
            a = tree->nodes[a].next;
        else
            b = tree->nodes[b].next;
        if (head == HR_NO_NODE)
            head = next;
        else
            tree->nodes[tail].next = next;
        tail = next;
    }
    tree->nodes[tail].next = HR_NO_NODE;
    return head;
}

static int hr_json_write_string(const uint8_t *s, size_t n, hr_buffer *out, hr_error *error)
{
    static const char hex[] = "0123456789abcdef";
    uint8_t *to;

    HR_RETURN_NOT_OK(hr_buffer_reserve(out, 6 * n + 2, error));
    to = out->data + out->size;
    *to++ = '"';
    for (size_t i = 0; i < n; i++) {
        char letter = '\0';

        switch (s[i]) {
        case '"':
        case '\\': letter = (char)s[i]; break;
        case '\b': letter = 'b'; break;
        case '\f': letter = 'f'; break;
        case '\n': letter = 'n'; break;
        case '\r': letter = 'r'; break;
        case '\t': letter = 't'; break;
        default: break;
        }
        if (letter != '\0') {
            *to++ = '\\';
            *to++ = (uint8_t)letter;
        } else if (s[i] < 0x20) {
            memcpy(to, "\\u00", 4);
            to[4] = (uint8_t)hex[s[i] >> 4];
            to[5] = (uint8_t)hex[s[i] & 15];
            to += 6;
        } else {
            *to++ = s[i];
        }
    }
    *to++ = '"';
    out->size = (size_t)(to - out->data);
    return HR_OK;
}

static int hr_json_write_number(hr_json_tree *tree, const hr_json_node *node, hr_buffer *out)
{
    hr_numeric_parts parts;
    size_t size;

    if (!hr_numeric_json_fits(node->text, node->length))
        return hr_error_data(tree->error, HR_REASON_RANGE, NULL, 0, "a number is out of range for jsonb");
    hr_numeric_scan(node->text, node->length, 0, &parts);
    size = hr_numeric_emit_size(&parts, parts.scale);
    tree->grown += size > node->length ? size - node->length : 0;
    if (tree->grown > HR_JSONB_GROWTH)
        return hr_error_data(tree->error, HR_REASON_RANGE, NULL, 0,
                             "a jsonb value becomes longer by more than %zu bytes when its numbers are written out", HR_JSONB_GROWTH);
    HR_RETURN_NOT_OK(hr_buffer_reserve(out, size, tree->error));
    out->size += hr_numeric_emit(&parts, parts.scale, 0, (char *)out->data + out->size);
    return HR_OK;
}

static int hr_json_write_node(hr_json_tree *tree, uint32_t index, hr_buffer *out)
{
    const hr_json_node *node = &tree->nodes[index];
    bool object = *node->text == '{', any = false;
    uint32_t count = 0, child;

    if (*node->text == '"') {
        if (memchr(node->text, '\\', node->length) == NULL)
            return hr_buffer_append(out, node->text, node->length, tree->error);
        tree->string.size = 0;
        HR_RETURN_NOT_OK(hr_json_unescape(node->text + 1, node->length - 2, false, &tree->string, tree->error));
        return hr_json_write_string(tree->string.data, tree->string.size, out, tree->error);
    }
    if (*node->text == '-' || hr_is_digit(*node->text))
        return hr_json_write_number(tree, node, out);
    if (!object && *node->text != '[') /* true, false, null */
        return hr_buffer_append(out, node->text, node->length, tree->error);

    child = node->first;
    if (object) {
        for (uint32_t i = child; i != HR_NO_NODE; i = tree->nodes[i].next)
            count++;
        child = hr_json_sort(tree, child, count);
    }
    HR_RETURN_NOT_OK(hr_buffer_append(out, object ? "{" : "[", 1, tree->error));
    for (; child != HR_NO_NODE; child = tree->nodes[child].next) {
        uint32_t next = tree->nodes[child].next;

        if (object && next != HR_NO_NODE && hr_json_key_compare(tree, child, next) == 0)
            continue; /* a later member has the same key */
        if (any)
            HR_RETURN_NOT_OK(hr_buffer_append(out, ", ", 2, tree->error));
        any = true;
        if (object) {
            HR_RETURN_NOT_OK(
                hr_json_write_string(tree->keys.data + tree->nodes[child].key, tree->nodes[child].key_length, out, tree->error));
            HR_RETURN_NOT_OK(hr_buffer_append(out, ": ", 2, tree->error));
        }
        HR_RETURN_NOT_OK(hr_json_write_node(tree, child, out));
    }
    return hr_buffer_append(out, object ? "}" : "]", 1, tree->error);
}

int hr_jsonb_canonical(const char *s, size_t n, hr_buffer *out, hr_error *error)
{
    hr_json_tree tree = {.scan = {.start = s, .end = s + n, .allow_nul_escape = false, .error = error}, .error = error};
    size_t start = out->size;
    uint32_t root = HR_NO_NODE;
    int rc;

    /* the rest trusts the text: columns can also be filled from outside (Arrow, COPY) */
    HR_RETURN_NOT_OK(hr_json_check(s, n, false, error));
    rc = HR_ENOMEM;
    /* a buffer that never got a byte has no address to point into */
    if (hr_buffer_reserve(&tree.keys, 1, error) == HR_OK &&
        hr_json_read_value(&tree, hr_json_skip_space(s, s + n), 0, &root) != NULL)
        rc = hr_json_write_node(&tree, root, out);
    if (rc != HR_OK)
        out->size = start;
    hr_free(tree.nodes);
    hr_buffer_free(&tree.keys);
    hr_buffer_free(&tree.string);
    return rc;
}
