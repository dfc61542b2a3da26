/* csrc/core/json/json_keys.c: compiling a schema's paths into a tree of keys, and remembering keys. */
#include "json_keys.h"

#include "core/decode/decode_short.h"
#include "json_scan.h"

static uint32_t hr_json_hash(const char *s, size_t n)
{
    uint64_t hash = n * UINT64_C(0x9e3779b97f4a7c15);

    for (; n >= 8; n -= 8, s += 8) {
        hash = (hash ^ hr_json_load8(s)) * UINT64_C(0xff51afd7ed558ccd);
        hash ^= hash >> 32;
    }
    for (; n > 0; n--, s++)
        hash = (hash ^ (unsigned char)*s) * UINT64_C(0xff51afd7ed558ccd);
    return (uint32_t)(hash ^ (hash >> 32));
}

void hr_json_key_spell(hr_json_key *key, const char *text, size_t n)
{
    memcpy(key->spelling, text, n);
    key->spelling_len = (uint32_t)n;
    key->spelling_bits = n > 16 ? HR_JSON_NEVER : (1u << n) - 1;
}

/* Fill in a key called name[0..n) (copied into the arena), not spelled yet: it is recognised by its name only. */
static int hr_json_key_init(hr_json_keys *keys, hr_json_node *node, hr_json_key *key, const char *name, size_t n, hr_error *error)
{
    memset(key, 0, sizeof(*key));
    key->name = hr_arena_copy(&keys->arena, name, n);
    if (key->name == NULL)
        return hr_error_nomem(error);
    key->name_len = n;
    key->column = keys->spare;
    key->odd = keys->rest;
    key->hash = hr_json_hash(name, n);
    key->spelling_bits = HR_JSON_NEVER;
    key->next[0] = key->next[1] = &node->other;
    return HR_OK;
}

static hr_json_node *hr_json_node_new(hr_json_keys *keys)
{
    hr_json_node *node = hr_arena_alloc(&keys->arena, sizeof(*node));

    if (node == NULL)
        return NULL;
    memset(node, 0, sizeof(*node));
    node->start.column = node->other.column = keys->spare;
    node->other.odd = keys->rest;
    node->other.spelling_bits = HR_JSON_NEVER;
    node->start.next[0] = node->start.next[1] = node->other.next[0] = node->other.next[1] = &node->other;
    return node;
}

/* The key of that name in the node, made when it is not there yet; NULL when memory runs out. Used while compiling only. */
static hr_json_key *hr_json_node_key(hr_json_keys *keys, hr_json_node *node, const char *name, size_t n)
{
    hr_json_key *key;

    for (key = node->first; key != NULL; key = key->sibling)
        if (key->name_len == n && memcmp(key->name, name, n) == 0)
            return key;
    key = hr_arena_alloc(&keys->arena, sizeof(*key));
    if (key == NULL || hr_json_key_init(keys, node, key, name, n, NULL) != HR_OK)
        return NULL;
    key->known = true;
    if (node->last != NULL)
        node->last->sibling = key;
    else
        node->first = key;
    node->last = key;
    node->count++;
    return key;
}

/* Hang the column into the tree. */
static int hr_json_add_column(hr_json_keys *keys, const hr_column_def *def, const hr_decode_step *step, int32_t column, hr_error *error)
{
    hr_json_node *node = keys->root;
    hr_json_key *key = NULL;

    for (int32_t i = 0; i < def->depth; i++) {
        key = hr_json_node_key(keys, node, def->path[i], def->path_len[i]);
        if (key == NULL)
            return hr_error_nomem(error);
        if (i == def->depth - 1)
            break;
        if (key->child == NULL)
            key->child = hr_json_node_new(keys);
        key->odd = true;
        if (key->child == NULL)
            return hr_error_nomem(error);
        node = key->child;
    }
    if (key == NULL)
        return HR_OK;
    key->twins = key->taken;
    keys->twin[column] = key->taken ? key->column : -1;
    key->odd = key->twins || key->child != NULL;
    key->taken = true;
    key->column = column;
    key->step = step;
    return HR_OK;
}

static void hr_json_insert(hr_json_node *node, hr_json_key *key)
{
    uint32_t slot = key->hash & node->slot_mask;

    while (node->slots[slot] != NULL)
        slot = (slot + 1) & node->slot_mask;
    node->slots[slot] = key;
}

static int32_t hr_json_count_below(const hr_json_keys *keys, const hr_json_node *node)
{
    int32_t count = 0;

    for (const hr_json_key *key = node->first; key != NULL; key = key->sibling) {
        for (int32_t column = key->taken ? key->column : -1; column >= 0; column = keys->twin[column])
            count++;
        if (key->child != NULL)
            count += hr_json_count_below(keys, key->child);
    }
    return count;
}

static void hr_json_list_below(const hr_json_keys *keys, const hr_json_node *node, int32_t *list, int32_t *count)
{
    for (const hr_json_key *key = node->first; key != NULL; key = key->sibling) {
        for (int32_t column = key->taken ? key->column : -1; column >= 0; column = keys->twin[column])
            list[(*count)++] = column;
        if (key->child != NULL)
            hr_json_list_below(keys, key->child, list, count);
    }
}

/* Expect the key as most writers spell it. False when it is too long, or needs escapes. */
static bool hr_json_spell_compact(hr_json_key *key)
{
    char text[HR_JSON_SPELLING];
    size_t n = key->name_len;

    if (n + 3 > sizeof(text) || hr_json_find_special(key->name, key->name, key->name + n) != key->name + n)
        return false;
    text[0] = '"';
    memcpy(text + 1, key->name, n);
    text[n + 1] = '"';
    text[n + 2] = ':';
    hr_json_key_spell(key, text, n + 3);
    return true;
}

/* Once the tree stands: tables, first predictions (the schema's order) and lists of columns. As deep as a path: 32 at most. */
static int hr_json_finish_node(hr_json_keys *keys, hr_json_node *node, hr_error *error)
{
    uint32_t size = 128;
    hr_json_key *previous = &node->start;

    while (size < 2 * ((uint32_t)node->count + HR_JSON_LEARNED))
        size *= 2;
    node->slots = hr_arena_alloc(&keys->arena, size * sizeof(hr_json_key *));
    node->below_count = hr_json_count_below(keys, node);
    node->below = hr_arena_alloc(&keys->arena, ((size_t)node->below_count + 1) * sizeof(*node->below));
    if (node->slots == NULL || node->below == NULL)
        return hr_error_nomem(error);
    memset(node->slots, 0, size * sizeof(hr_json_key *));
    node->slot_mask = size - 1;
    node->below_count = 0;
    hr_json_list_below(keys, node, node->below, &node->below_count);
    for (hr_json_key *key = node->first; key != NULL; key = key->sibling) {
        hr_json_insert(node, key);
        if (key->taken && !key->odd)
            keys->plain[keys->plain_count++] = key;
        if (hr_json_spell_compact(key)) {
            previous->next[0] = key;
            previous = key;
        }
        if (key->child != NULL)
            HR_RETURN_NOT_OK(hr_json_finish_node(keys, key->child, error));
    }
    return HR_OK;
}

/* The root's keys as they are looked for. A key that is written with escapes has a backslash in its first eight bytes, or is found by
 * those. */
static void hr_json_list_wanted(hr_json_keys *keys)
{
    if (keys->root->count > HR_JSON_WANTED)
        return;
    for (hr_json_key *key = keys->root->first; key != NULL; key = key->sibling) {
        hr_json_wanted *wanted = &keys->wanted[keys->wanted_count++];
        char bytes[8] = {0}, mask[8] = {0};

        for (size_t i = 0; i < sizeof(bytes) && i <= key->name_len; i++) {
            bytes[i] = i < key->name_len ? key->name[i] : '"';
            mask[i] = (char)0xff;
        }
        memcpy(&wanted->bytes, bytes, sizeof(bytes));
        memcpy(&wanted->mask, mask, sizeof(mask));
        /* a name with a quote or a backslash is always written with escapes: these bytes of a text are something else */
        if (key->name_len < sizeof(bytes) && memchr(key->name, '"', key->name_len) == NULL &&
            memchr(key->name, '\\', key->name_len) == NULL)
            wanted->key = key;
    }
}

/* Build the tree. On failure what stands so far is left to hr_json_keys_free. */
static int hr_json_keys_build(hr_json_keys *keys, const hr_schema *schema, const hr_decode_step *steps, hr_error *error)
{
    size_t count = (size_t)schema->count + 1; /* never an empty array */

    keys->root = hr_json_node_new(keys);
    keys->twin = hr_arena_alloc(&keys->arena, count * sizeof(*keys->twin));
    keys->plain = hr_arena_alloc(&keys->arena, count * sizeof(hr_json_key *));
    if (keys->root == NULL || keys->twin == NULL || keys->plain == NULL)
        return hr_error_nomem(error);
    for (int32_t i = 0; i < schema->count; i++)
        if (schema->columns[i].from == HR_FROM_PATH)
            HR_RETURN_NOT_OK(hr_json_add_column(keys, &schema->columns[i], &steps[i], i, error));
    hr_json_list_wanted(keys);
    return hr_json_finish_node(keys, keys->root, error);
}

int hr_json_keys_init(hr_json_keys *keys, const hr_schema *schema, const struct hr_decode_step *steps, hr_error *error)
{
    memset(keys, 0, sizeof(*keys));
    hr_arena_init(&keys->arena, 16384);
    keys->spare = schema->count;
    for (int32_t i = 0; i < schema->count; i++)
        keys->rest = keys->rest || schema->columns[i].from == HR_FROM_REST;
    return hr_json_keys_build(keys, schema, steps, error);
}

void hr_json_keys_free(hr_json_keys *keys)
{
    hr_arena_free(&keys->arena);
}

void hr_json_keys_bind(hr_json_keys *keys, hr_column *columns)
{
    for (int32_t i = 0; i < keys->plain_count; i++)
        keys->plain[i]->target = columns != NULL ? &columns[keys->plain[i]->column] : NULL;
    keys->bound = columns;
}

hr_json_key *hr_json_keys_find(const hr_json_node *node, const char *name, size_t n)
{
    uint32_t hash = hr_json_hash(name, n);

    for (uint32_t slot = hash & node->slot_mask; node->slots[slot] != NULL; slot = (slot + 1) & node->slot_mask) {
        hr_json_key *key = node->slots[slot];
        if (key->hash == hash && key->name_len == n && memcmp(key->name, name, n) == 0)
            return key;
    }
    return NULL;
}

hr_json_key *hr_json_keys_learn(hr_json_keys *keys, hr_json_node *node, const char *name, size_t n)
{
    hr_json_key *key;

    if (node->learned == HR_JSON_LEARNED || n > HR_JSON_SPELLING)
        return &node->other;
    key = hr_arena_alloc(&keys->arena, sizeof(*key));
    if (key == NULL || hr_json_key_init(keys, node, key, name, n, NULL) != HR_OK)
        return &node->other;
    hr_json_insert(node, key);
    node->learned++;
    return key;
}
