/* csrc/core/json/json_tree.h: a small JSON document as a tree, for schemas that come with data. Records are never read this way. */
#ifndef HR_CORE_JSON_TREE_H
#define HR_CORE_JSON_TREE_H

#include "core/arena.h"
#include "core/types/type.h"

#define HR_JSON_TREE_DEPTH 200 /* nested deeper is refused: the readers of trees recurse */

typedef struct hr_json_tree {
    hr_token token;   /* NULL, FALSE, TRUE, NUMBER, STRING, OBJECT or ARRAY */
    const char *name; /* of an object's member, NUL-terminated */
    const char *text; /* STRING: what it stands for, NUL-terminated (a NUL inside is refused); NUMBER: its digits, NUL-terminated */
    size_t len;
    int32_t count; /* of children */
    struct hr_json_tree *first, *next;
} hr_json_tree;

/* Read s[0..n), one JSON value; everything lies in the arena. HR_EDATA (malformed) with error->offset, HR_ENOMEM. */
int hr_json_tree_read(hr_arena *arena, const char *s, size_t n, hr_json_tree **out, hr_error *error);

/* The member of that name (the first of equal ones), or NULL; tree may be NULL or anything. */
const hr_json_tree *hr_json_tree_get(const hr_json_tree *tree, const char *name);
/* The text of the string member of that name, or "". */
const char *hr_json_tree_text(const hr_json_tree *tree, const char *name);
/* A whole number, in a number or (as Connect writes parameters) in a string, from low to high. */
bool hr_json_tree_number(const hr_json_tree *tree, const char *name, int64_t low, int64_t high, int64_t *out);

#endif
