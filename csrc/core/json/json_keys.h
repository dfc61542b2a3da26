/* csrc/core/json/json_keys.h: the keys that a schema takes from a JSON object, and what is remembered of them from record to record.
 *
 * The schema's paths become a tree of nodes, one a (partly) named object, holding the keys that matter there. Records of one source
 * repeat their key order, so each key remembers how it was spelled and which two keys followed it last: the next key is recognised by
 * comparing 16 bytes (json.c). Anything else (another order, escapes in a key) goes through a small hash table. Keys that no column
 * names are remembered too, up to HR_JSON_LEARNED a node, so that they are skipped at the same speed. A prediction that does not come
 * true costs time, nothing else.
 */
#ifndef HR_CORE_JSON_KEYS_H
#define HR_CORE_JSON_KEYS_H

#include "core/batch.h"

struct hr_decode_step;

#define HR_JSON_LEARNED 64     /* unknown keys remembered, per node */
#define HR_JSON_NEVER 0x10000u /* spelling_bits that no 16 bytes can have */
#define HR_JSON_WANTED 8       /* keys of the outermost object that are looked for at once; with more it is read from key to key */
#define HR_JSON_SPELLING 96    /* bytes of a key with the white space around it; longer ones are always looked up */

typedef struct hr_json_node hr_json_node;
typedef struct hr_json_key hr_json_key;

struct hr_json_key {
    /* How the last record spelled it: all bytes from the one after '{' or ',' to the first one of the value, such as ` "city": `. */
    char spelling[HR_JSON_SPELLING];
    uint32_t spelling_len;
    uint32_t spelling_bits; /* a bit for each of its bytes; HR_JSON_NEVER when they are more than 16, or not known yet */
    hr_json_key *next[2];   /* what followed last, and before that */
    hr_column *target;      /* of a plain key: where its value can go at once; NULL when that cannot be */
    const struct hr_decode_step *step;
    int32_t column; /* the first column that takes the value as a whole, or the spare field */
    bool taken;     /* there is such a column */
    bool odd;       /* there is more to do than storing the field: twins, a child, $rest */
    bool twins;     /* more columns take it: hr_json_keys.twin */
    bool known;     /* a column or a path names it */
    uint32_t hash;
    hr_json_node *child;  /* paths lead through it, or NULL */
    hr_json_key *sibling; /* the node's next key in the order of the schema */
    const char *name;     /* unescaped */
    size_t name_len;
};

struct hr_json_node {
    hr_json_key start; /* not a key: its `next` is the first key of an object */
    hr_json_key other; /* stands for unknown keys that are not remembered; as a prediction it never comes true */
    hr_json_key *first, *last;
    int32_t count;       /* keys in the list */
    int32_t learned;     /* unknown keys remembered */
    hr_json_key **slots; /* open addressing */
    uint32_t slot_mask;
    int32_t *below; /* the columns whose path leads through this node */
    int32_t below_count;
};

/* A key that is looked for: the eight bytes behind its first quote are `bytes` where `mask` has ones. */
typedef struct hr_json_wanted {
    uint64_t mask, bytes;
    hr_json_key *key; /* NULL: it may also be another, as its name is longer */
} hr_json_wanted;

/* The keys of one schema. */
typedef struct hr_json_keys {
    hr_arena arena; /* nodes and keys */
    hr_json_node *root;
    hr_json_wanted wanted[HR_JSON_WANTED]; /* of the root, */
    int32_t wanted_count;                  /* or 0 when it has more */
    int32_t *twin;                         /* per column: the next column with the same path, or -1 */
    int32_t spare;                         /* the field that takes what no column does: fields[schema->count] */
    bool rest;                             /* some column collects what no other takes */
    hr_json_key **plain;                   /* the keys that can have a target */
    int32_t plain_count;
    hr_column *bound; /* the columns that the targets are among, or NULL */
} hr_json_keys;

/* Compile the schema's paths. On failure nothing is left but what hr_json_keys_free takes away. `steps` must outlive the keys. */
int hr_json_keys_init(hr_json_keys *keys, const hr_schema *schema, const struct hr_decode_step *steps, hr_error *error);
void hr_json_keys_free(hr_json_keys *keys);

/* Let the plain keys aim at these columns (an array in the order of the schema), or at nothing when NULL. */
void hr_json_keys_bind(hr_json_keys *keys, hr_column *columns);

/* The key of that unescaped name, or NULL. */
hr_json_key *hr_json_keys_find(const hr_json_node *node, const char *name, size_t n);
/* Remember an unknown key, so that it is skipped faster next time. Without room, or without memory, it is the node's `other`. */
hr_json_key *hr_json_keys_learn(hr_json_keys *keys, hr_json_node *node, const char *name, size_t n);
/* Remember how the key is written: text[0..n), n <= HR_JSON_SPELLING. */
void hr_json_key_spell(hr_json_key *key, const char *text, size_t n);

#endif
