/* csrc/core/hash/digest.c: the ways to compute each digest, and the best of them on this processor. */
#include "digest.h"

extern const hr_digest *const hr_md5_all[], *const hr_sha256_all[];

const hr_digest *const *hr_digest_all(hr_digest_kind kind)
{
    return kind == HR_MD5 ? hr_md5_all : hr_sha256_all;
}

const hr_digest *hr_digest_best(hr_digest_kind kind)
{
    const hr_digest *const *at = hr_digest_all(kind);

    while (!(*at)->supported()) /* the scalar one, at the end, always is */
        at++;
    return *at;
}

const hr_digest *hr_digest_named(hr_digest_kind kind, const char *name)
{
    for (const hr_digest *const *at = hr_digest_all(kind); *at != NULL; at++)
        if (strcmp((*at)->name, name) == 0)
            return (*at)->supported() ? *at : NULL;
    return NULL;
}
