/* csrc/core/json/json_member.h: an object's members one by one, for readers that are not led by a schema. */
#ifndef HR_CORE_JSON_MEMBER_H
#define HR_CORE_JSON_MEMBER_H

#include "json_scan.h"

typedef struct hr_json_member {
    const char *start, *end; /* the whole member, without the comma */
    const char *name;        /* between its quotes, as spelled */
    size_t name_len;
    hr_field value; /* of a string what is between its quotes */
} hr_json_member;

/* Walks over an object's members; zero it but for scan, depth and at. */
typedef struct hr_json_members {
    const hr_json_scan *scan;
    int depth;      /* containers open around the members, the object itself included */
    const char *at; /* at first the object's '{'; in the end the byte after its '}' */
    bool begun;
} hr_json_members;

/* The next member: 1; 0 when there is none any more; -1 when the text is broken, and then scan->error says how. */
int hr_json_members_next(hr_json_members *members, hr_json_member *out);

static inline bool hr_json_member_is(const hr_json_member *member, const char *name, size_t n)
{
    return member->name_len == n && memcmp(member->name, name, n) == 0;
}
#define HR_MEMBER_IS(member, literal) hr_json_member_is((member), "" literal, sizeof(literal) - 1)

#endif
