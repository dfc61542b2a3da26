/* csrc/core/json/json_index.h: a look over a whole record with wide instructions, before it is read field by field.
 *
 * It proves that the record is one well-formed JSON object in UTF-8, and notes where the keys of that object stand, so that only the
 * members which somebody wants are read. When it cannot prove the record sound it says no more than that: the scalar reader (json.c,
 * json_scan.c) decides, and words the error. So the scalar reader is always there, and always the judge.
 *
 * Two steps, both without a branch for each token (json_index_avx512.c; json_index_avx2.c describes its own):
 * 1. 64 bytes of text at a time: where strings begin and end (the exclusive or of all quotes before, by carry-less multiplication), control
 *    characters, escapes, UTF-8. What stands outside strings, one quote for each string and no white space, is moved together: the bones.
 *    Of 1.5 KB of text some 300 bytes remain.
 * 2. 64 bones at a time: which byte may follow which (two table look-ups and an AND) and where keys are; numbers and literals are moved
 *    together once more, and checked with shifted masks and carries. Then from bracket to bracket with a stack of bits.
 */
#ifndef HR_CORE_JSON_INDEX_H
#define HR_CORE_JSON_INDEX_H

#include "json_scan.h"

#define HR_JSON_INDEX_LEAST 256  /* bytes; shorter records are read as fast without */
#define HR_JSON_INDEX_MOST 32768 /* longer ones are rare, and would need more room */
#define HR_JSON_INDEX_BLOCKS (HR_JSON_INDEX_MOST / 64 + 1)

typedef struct hr_json_index {
    uint32_t blocks;                     /* of 64 bytes of the text */
    uint64_t kept[HR_JSON_INDEX_BLOCKS]; /* a bit for a string's first quote, and for each byte outside strings that is no white space (that
                                            behind a number or a literal may have one all the same) */
    uint64_t keys[HR_JSON_INDEX_BLOCKS]; /* a bit for the first quote of each key of the outermost object */
    /* the room of a look, from here on: bones of the blocks before each, */
    uint16_t before[HR_JSON_INDEX_BLOCKS];
    uint8_t bones[16 + HR_JSON_INDEX_MOST + 144]; /* and the bones, from the 16th byte on; */
    uint16_t joints_before[HR_JSON_INDEX_BLOCKS]; /* the same once more for those bones that are brackets and commas; */
    uint64_t joints_kept[HR_JSON_INDEX_BLOCKS];
    uint8_t joints[HR_JSON_INDEX_MOST + 144];
    uint8_t scalars[16 + HR_JSON_INDEX_MOST + 144]; /* numbers and literals with the byte behind each, from the 16th byte on; */
    uint64_t members[HR_JSON_INDEX_BLOCKS + 1];     /* a bit for each joint, then for each bone, before (at) such a key */
    uint64_t member_bones[HR_JSON_INDEX_BLOCKS + 1];
    uint16_t places[HR_JSON_INDEX_MOST + 128]; /* without bones, joints and members: where brackets, colons and commas stand, */
    uint16_t pairs[HR_JSON_INDEX_MOST + 128];  /* and each with the byte before it */
} hr_json_index;

/* One way to look. */
typedef struct hr_json_looker {
    const char *name;
    bool (*supported)(void); /* by this processor */
    /* The text is scan->start to scan->end, HR_JSON_INDEX_MOST bytes at most. True: it is one well-formed object in UTF-8, and the
     * index is its. False: nothing is known. scan->error is left alone. */
    bool (*look)(const hr_json_scan *scan, hr_json_index *index);
} hr_json_looker;

/* The fastest that this processor has; NULL when it has none. */
const hr_json_looker *hr_json_looker_best(void);
/* The one of this name, for tests and measurements; NULL when this processor has it not. */
const hr_json_looker *hr_json_looker_find(const char *name);
/* All that are compiled in, for tests; NULL behind the last. */
const hr_json_looker *const *hr_json_looker_all(void);

#endif
