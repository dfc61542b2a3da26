/* csrc/core/hash/recipe.c: the table of recipes. */
#include "recipe.h"

/* The automate_dv recipes give what the macro `hash` of automate_dv 0.11.5 gives on PostgreSQL, with its defaults (concat_string '||',
 * null_placeholder_string '^^'): with hash: md5, with hash: sha, and with hash_content_casing: disabled. The exact recipes have a separator
 * and a null text that are no UTF-8, so that no two different rows become the same bytes. */
/* clang-format off */
const hr_recipe hr_recipes[] = {
    /* name                digest     trim   upper  empty  null  separator */
    {"automate_dv",        HR_MD5,    true,  true,  true,  "^^", "||"},
    {"automate_dv_sha256", HR_SHA256, true,  true,  true,  "^^", "||"},
    {"automate_dv_cased",  HR_MD5,    true,  false, true,  "^^", "||"},
    {"plain",              HR_MD5,    false, false, false, "",   "||"},
    {"plain_sha256",       HR_SHA256, false, false, false, "",   "||"},
    {"exact",              HR_MD5,    false, false, false, "\xfe", "\xff"},
    {"exact_sha256",       HR_SHA256, false, false, false, "\xfe", "\xff"},
    {NULL,                 HR_MD5,    false, false, false, "",   ""},
};
/* clang-format on */

const hr_recipe *hr_recipe_named(const char *name)
{
    for (const hr_recipe *recipe = hr_recipes; recipe->name != NULL; recipe++)
        if (strcmp(recipe->name, name) == 0)
            return recipe;
    return NULL;
}
