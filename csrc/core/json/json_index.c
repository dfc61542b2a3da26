/* csrc/core/json/json_index.c: the ways to look over a record, and the best of them on this processor. */
#include "json_index.h"

#include <string.h>

#if defined(__x86_64__)
extern const hr_json_looker hr_json_looker_avx512;
extern const hr_json_looker hr_json_looker_avx2;
#endif

static const hr_json_looker *const hr_json_lookers[] = {
#if defined(__x86_64__)
    &hr_json_looker_avx512,
    &hr_json_looker_avx2,
#endif
    NULL,
};

const hr_json_looker *const *hr_json_looker_all(void)
{
    return hr_json_lookers;
}

const hr_json_looker *hr_json_looker_best(void)
{
    for (const hr_json_looker *const *at = hr_json_lookers; *at != NULL; at++)
        if ((*at)->supported())
            return *at;
    return NULL;
}

const hr_json_looker *hr_json_looker_find(const char *name)
{
    for (const hr_json_looker *const *at = hr_json_lookers; *at != NULL; at++)
        if ((*at)->supported() && strcmp((*at)->name, name) == 0)
            return *at;
    return NULL;
}
