/* csrc/core/json/json_index.h: a look over a whole record with wide instructions, before it is read field by field.
 *
 * It proves that the record is one well-formed JSON object in UTF-8, and notes where the containers inside that object end, so that those
 * which nobody wants are skipped in one step. When it cannot prove the record sound it says no more than that: the scalar reader (json.c,
 * json_scan.c) decides, and words the error. So the scalar reader is always there, and always the judge.
 *
 * Two steps, both without a branch for each token:
 * 1. 64 bytes of text at a time: where strings begin and end (the exclusive or of all quotes before, by carry-less multiplication), control
 *    characters, escapes, UTF-8. What stands outside strings, one quote for each string and no white space, is moved together: the bones.
 *    Of 1.5 KB of text some 300 bytes remain.
 * 2. 64 bones at a time: which byte may follow which (two table look-ups and an AND), keys, numbers and literals with shifted masks and
 *    carries; then from bracket to bracket with a stack of bits.
 */
#ifndef HR_CORE_JSON_INDEX_H
#define HR_CORE_JSON_INDEX_H

#include "json_scan.h"

#define HR_JSON_INDEX_LEAST 256  /* bytes; shorter records are read as fast without */
#define HR_JSON_INDEX_MOST 32768 /* longer ones are rare, and would need more room */
#define HR_JSON_INDEX_BLOCKS (HR_JSON_INDEX_MOST / 64 + 1)
#define HR_JSON_INDEX_ENDS 1024 /* containers inside the outermost; records with more are read without */

typedef struct hr_json_index {
    uint32_t count;                      /* of the ends */
    uint16_t ends[HR_JSON_INDEX_ENDS];   /* offsets in the record: the byte after each container inside the outermost, in order */
    uint32_t blocks;                     /* the room of a look, from here on: blocks of the text, */
    uint64_t kept[HR_JSON_INDEX_BLOCKS]; /* a bit for each byte outside strings that is no white space, and for a string's first quote */
    /* the room of a look: bones of the blocks before each, */
    uint16_t before[HR_JSON_INDEX_BLOCKS + 32];
    uint8_t bones[16 + HR_JSON_INDEX_MOST + 144];      /* and the bones, from the 16th byte on; */
    uint16_t joints_before[HR_JSON_INDEX_BLOCKS + 32]; /* the same once more for those bones that are brackets and commas */
    uint64_t joints_kept[HR_JSON_INDEX_BLOCKS];
    uint8_t joints[HR_JSON_INDEX_MOST + 144];
} hr_json_index;

/* One way to look. */
typedef struct hr_json_looker {
    const char *name;
    bool (*supported)(void); /* by this processor */
    /* The text is scan->start to scan->end, HR_JSON_INDEX_MOST bytes at most. True: it is one well-formed object in UTF-8, and index->ends
     * are its. False: nothing is known. scan->error is left alone. */
    bool (*look)(const hr_json_scan *scan, hr_json_index *index);
} hr_json_looker;

/* The fastest that this processor has; NULL when it has none. */
const hr_json_looker *hr_json_looker_best(void);
/* All that are compiled in, for tests; NULL behind the last. */
const hr_json_looker *const *hr_json_looker_all(void);

#endif
