/* csrc/core/generate/generate.h: made-up data, reproducible to the byte.
 *
 * A data set is one row of hr_generators (generate.c) and one file, generate_<what>.c. Record i depends only on the settings and on i, so
 * any stretch can be made anywhere, in parallel, again. Every record is of one of the data set's kinds (plain, late, a kind of damage...),
 * which are counted as they are made: the truth that a load's receipt can be held against.
 */
#ifndef HR_CORE_GENERATE_H
#define HR_CORE_GENERATE_H

#include "core/arena.h"

#define HR_GENERATOR_SETTINGS 16 /* settings and kinds a data set has at most */
#define HR_GENERATOR_KINDS 24
#define HR_GENERATOR_KEY 24

/* All settings are whole numbers; shares are records in a million. */
typedef struct hr_generator_setting {
    const char *name;
    int64_t fallback, low, high;
    const char *help;
} hr_generator_setting;

typedef struct hr_generator_kind {
    const char *name;
    hr_reason reason; /* why a load into the intended table rejects it; HR_REASON_NONE when it is loaded */
} hr_generator_kind;

typedef struct hr_generated {
    int32_t kind;               /* index in the data set's kinds */
    char key[HR_GENERATOR_KEY]; /* the message key */
    size_t key_len;
} hr_generated;

typedef enum hr_generator_format { HR_GENERATE_JSON = 0, HR_GENERATE_CSV } hr_generator_format;

typedef struct hr_generator_ops {
    const char *name;
    const char *help;
    const hr_generator_setting *settings; /* up to one without a name */
    const hr_generator_kind *kinds;       /* up to one without a name */
    const char *csv_header;               /* the line without its end */
    size_t record_size;                   /* bytes of a record at most */
    /* Check what the ranges cannot say. NULL when they say all. */
    int (*check)(const int64_t *settings, hr_generator_format format, hr_error *error);
    /* Write record `index` (>= 0) at `to`, without a line end; returns its end. */
    char *(*record)(const int64_t *settings, int64_t index, hr_generator_format format, char *to, hr_generated *about);
} hr_generator_ops;

typedef struct hr_generator {
    const hr_generator_ops *ops;
    hr_generator_format format;
    int64_t settings[HR_GENERATOR_SETTINGS];
    int64_t counts[HR_GENERATOR_KINDS]; /* records made so far of each kind */
} hr_generator;

/* NULL-terminated. */
extern const hr_generator_ops *const hr_generators[];
const hr_generator_ops *hr_generator_find(const char *name);

/* Start with all settings at their defaults. HR_EUSAGE for a name that is not known. */
int hr_generator_init(hr_generator *generator, const char *name, hr_generator_format format, hr_error *error);
/* Change a setting. HR_EUSAGE, naming it, for one that does not exist or a value out of its range. */
int hr_generator_set(hr_generator *generator, const char *name, int64_t value, hr_error *error);
/* Whether the settings go together. To be called once before the first record. */
int hr_generator_check(const hr_generator *generator, hr_error *error);

/* Append record `index` to out (no line end) and count it. */
static inline int hr_generator_record(hr_generator *generator, int64_t index, hr_buffer *out, hr_generated *about, hr_error *error)
{
    const hr_generator_ops *ops = generator->ops;
    char *start, *end;

    HR_RETURN_NOT_OK(hr_buffer_reserve(out, ops->record_size, error));
    start = (char *)out->data + out->size;
    end = ops->record(generator->settings, index, generator->format, start, about);
    out->size += (size_t)(end - start);
    generator->counts[about->kind]++;
    return HR_OK;
}

/* ---- for the data sets: random numbers that depend on nothing but their arguments ---- */

/* The finish of splitmix64: every bit of the result depends on every bit of x. */
static inline uint64_t hr_mix64(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* A stream of random numbers for thing `index` of sort `sort` under a seed. */
typedef struct hr_random {
    uint64_t state;
} hr_random;

static inline hr_random hr_random_of(int64_t seed, uint64_t sort, int64_t index)
{
    hr_random random = {hr_mix64((uint64_t)seed * UINT64_C(0x9e3779b97f4a7c15) + sort) ^
                        hr_mix64((uint64_t)index + UINT64_C(0x632be59bd9b4e019))};

    return random;
}

static inline uint64_t hr_random_next(hr_random *random)
{
    random->state += UINT64_C(0x9e3779b97f4a7c15);
    return hr_mix64(random->state);
}

/* 0 .. n - 1, n below 2^32: evenly but for a part in 2^32 / n. */
static inline uint32_t hr_random_below(hr_random *random, uint32_t n)
{
    return (uint32_t)((hr_random_next(random) >> 32) * n >> 32);
}

#endif
