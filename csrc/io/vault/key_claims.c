/* csrc/io/vault/key_claims.c: claims in the order they came; a claim waits only for older ones, so never in a circle. */
#include "key_claims.h"

#include <pthread.h>
#include <string.h>

#include "core/alloc.h"
#include "io/load/worker.h"

#define HR_CLAIM_WAIT_MS 100 /* between looks at the flag of a cancel, which has no signal of its own */

typedef struct hr_claim {
    uint64_t *keys;
    int64_t count, capacity;
    uint64_t number; /* 0: none */
} hr_claim;

struct hr_key_claims {
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    uint64_t last;
    int32_t count;
    hr_claim claims[]; /* by worker */
};

int hr_key_claims_new(int32_t workers, hr_key_claims **out, hr_error *error)
{
    hr_key_claims *claims = hr_calloc(1, sizeof(*claims) + sizeof(claims->claims[0]) * (size_t)workers);

    *out = claims;
    if (claims == NULL)
        return hr_error_nomem(error);
    claims->count = workers;
    pthread_mutex_init(&claims->lock, NULL);
    hr_condition_init(&claims->changed);
    return HR_OK;
}

void hr_key_claims_free(hr_key_claims *claims)
{
    if (claims == NULL)
        return;
    for (int32_t i = 0; i < claims->count; i++)
        hr_free(claims->claims[i].keys);
    pthread_mutex_destroy(&claims->lock);
    pthread_cond_destroy(&claims->changed);
    hr_free(claims);
}

/* Whether two ascending lists have a key in common. */
static bool hr_claims_meet(const hr_claim *a, const hr_claim *b)
{
    int64_t i = 0, k = 0;

    while (i < a->count && k < b->count) {
        if (a->keys[i] == b->keys[k])
            return true;
        if (a->keys[i] < b->keys[k])
            i++;
        else
            k++;
    }
    return false;
}

static bool hr_claims_must_wait(const hr_key_claims *claims, const hr_claim *own)
{
    for (int32_t i = 0; i < claims->count; i++) {
        const hr_claim *other = &claims->claims[i];

        if (other != own && other->number != 0 && other->number < own->number && hr_claims_meet(own, other))
            return true;
    }
    return false;
}

int hr_key_claims_take(hr_key_claims *claims, int32_t worker, const uint64_t *keys, int64_t n, const atomic_bool *cancel, hr_error *error)
{
    hr_claim *own = &claims->claims[worker];
    int rc = HR_OK;

    pthread_mutex_lock(&claims->lock);
    own->number = 0;
    if (n > own->capacity) {
        uint64_t *room = hr_realloc(own->keys, sizeof(*room) * (size_t)n);

        if (room != NULL) {
            own->keys = room;
            own->capacity = n;
        } else {
            rc = hr_error_nomem(error);
        }
    }
    if (rc == HR_OK && n > 0) {
        memcpy(own->keys, keys, sizeof(*keys) * (size_t)n);
        own->count = n;
        own->number = ++claims->last;
    }
    while (rc == HR_OK && n > 0 && hr_claims_must_wait(claims, own)) {
        struct timespec until = hr_condition_until(HR_CLAIM_WAIT_MS);

        pthread_cond_timedwait(&claims->changed, &claims->lock, &until);
        if (atomic_load(cancel))
            rc = hr_error_set(error, HR_ECANCELLED, "stopped by the caller");
    }
    if (rc != HR_OK)
        own->number = 0;
    pthread_cond_broadcast(&claims->changed); /* what was claimed before is free */
    pthread_mutex_unlock(&claims->lock);
    return rc;
}

void hr_key_claims_release(hr_key_claims *claims, int32_t worker)
{
    if (claims == NULL)
        return;
    pthread_mutex_lock(&claims->lock);
    claims->claims[worker].number = 0;
    pthread_cond_broadcast(&claims->changed);
    pthread_mutex_unlock(&claims->lock);
}
