/* csrc/core/json/json_member.c: an object's members one by one. */
#include "json_member.h"

int hr_json_members_next(hr_json_members *members, hr_json_member *out)
{
    const hr_json_scan *scan = members->scan;
    const char *const end = scan->end;
    const char *p = hr_json_skip_space(members->at, end), *value;
    hr_token token = HR_TOKEN_NULL;
    bool escaped = false, quoted;

    if (members->begun) {
        if (p < end && *p == '}') {
            members->at = p + 1;
            return 0;
        }
        if (p >= end || *p != ',') {
            hr_json_fail(scan, p, HR_REASON_MALFORMED, "',' or '}' is expected");
            return -1;
        }
        p = hr_json_skip_space(p + 1, end);
    } else {
        p = hr_json_skip_space(p + 1, end);
        if (p < end && *p == '}') {
            members->at = p + 1;
            return 0;
        }
        members->begun = true;
    }
    if (p >= end || *p != '"') {
        hr_json_fail(scan, p, HR_REASON_MALFORMED, "a key in double quotes is expected");
        return -1;
    }
    out->start = p;
    out->name = p + 1;
    p = hr_json_skip_string(scan, p + 1, &escaped);
    if (p == NULL)
        return -1;
    out->name_len = (size_t)(p - 1 - out->name);
    p = hr_json_skip_space(p, end);
    if (p >= end || *p != ':') {
        hr_json_fail(scan, p, HR_REASON_MALFORMED, "a key must be followed by ':'");
        return -1;
    }
    value = hr_json_skip_space(p + 1, end);
    escaped = false;
    p = hr_json_skip_value(scan, value, members->depth, &token, &escaped);
    if (p == NULL)
        return -1;
    quoted = token == HR_TOKEN_STRING;
    out->value = (hr_field){.data = value + quoted, .len = (uint32_t)((size_t)(p - value) - 2 * (size_t)quoted), .token = (uint8_t)token};
    out->value.flags = escaped ? HR_FIELD_ESCAPED : 0;
    out->end = members->at = p;
    return 1;
}
