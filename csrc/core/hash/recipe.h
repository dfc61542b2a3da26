/* csrc/core/hash/recipe.h: how values become the text that is hashed. docs/hash-keys.md tells the same for people. */
#ifndef HR_CORE_RECIPE_H
#define HR_CORE_RECIPE_H

#include "digest.h"

typedef struct hr_recipe {
    const char *name;
    hr_digest_kind digest;
    bool trim;             /* TRIM(): spaces at both ends, nothing else */
    bool upper;            /* UPPER() */
    bool empty_is_null;    /* NULLIF(text, ''), after trimming */
    const char *null_text; /* what stands for a null among several columns; a text like it counts as null too when empty_is_null */
    const char *separator; /* between columns */
} hr_recipe;

/* The recipes, one line each; a name of NULL ends the table. The first one is the default. */
extern const hr_recipe hr_recipes[];

/* The recipe called name, or NULL. */
const hr_recipe *hr_recipe_named(const char *name);

#endif
