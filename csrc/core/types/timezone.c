/* csrc/core/types/timezone.c: reading TZif files (RFC 8536, versions 1 to 4) and answering from them.
 *
 * A zone is a sorted list of transitions, each with the offset from then on, and after the last one a rule in POSIX form (the
 * file's footer), from which the transitions of any later year are computed.
 *
 * Local times inside a gap or an overlap are read as PostgreSQL reads them: take the first transition later than the local time
 * (as if it were UTC) minus a day. If the local time means the same side of it under the offset before and the offset after, that side
 * it is. In a gap (the clock jumped forward) the offset before counts, in an overlap (the clock went back) the offset after.
 */
#include "timezone.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/bytes.h"
#include "civil.h"

#define HR_TZ_MAX_FILE (1024u * 1024u)
#define HR_TZ_NAME_SIZE 256u
#define HR_TZ_HEADER 44u
#define HR_TZ_MAX_OFFSET 93599 /* seconds: just under 26 hours, RFC 8536's limit */

typedef enum hr_tz_day { HR_TZ_JULIAN, HR_TZ_DAY_OF_YEAR, HR_TZ_WEEKDAY } hr_tz_day;

/* When in a year the clock is changed, as the footer says it. */
typedef struct hr_tz_change {
    hr_tz_day kind;
    int32_t day;              /* Jn: 1..365 without leap days; n: 0..365; Mm.w.d: the weekday, 0 = Sunday */
    int32_t month, week;      /* Mm.w.d */
    int32_t seconds;          /* after local midnight, may be negative or more than a day */
} hr_tz_change;

struct hr_timezone {
    char name[HR_TZ_NAME_SIZE];
    int32_t count;    /* transitions */
    int64_t *at;      /* seconds since 1970 UTC, ascending; owned */
    int32_t *offset;  /* count + 1: offset[0] before the first transition, offset[i + 1] from at[i] on; owned */
    bool has_rule;    /* the footer rule holds from the last transition on */
    bool has_dst;     /* ... and changes the clock each year */
    int32_t standard, daylight; /* seconds east of UTC */
    hr_tz_change to_daylight, to_standard;
};

/* ---- the footer: "EST5EDT,M3.2.0,M11.1.0" ---- */

typedef struct hr_tz_text {
    const char *p, *end;
} hr_tz_text;

static bool hr_tz_take(hr_tz_text *text, char c)
{
    if (text->p == text->end || *text->p != c)
        return false;
    text->p++;
    return true;
}

/* A zone's abbreviation, letters or anything in <>; its text is not kept. */
static bool hr_tz_skip_name(hr_tz_text *text)
{
    const char *start = text->p;

    if (hr_tz_take(text, '<')) {
        while (text->p < text->end && *text->p != '>')
            text->p++;
        return text->p - start > 1 && hr_tz_take(text, '>');
    }
    while (text->p < text->end && ((*text->p >= 'A' && *text->p <= 'Z') || (*text->p >= 'a' && *text->p <= 'z')))
        text->p++;
    return text->p > start;
}

static bool hr_tz_number(hr_tz_text *text, int32_t low, int32_t high, int32_t *value)
{
    int32_t total = 0;
    const char *start = text->p;

    while (text->p < text->end && hr_is_digit(*text->p) && total <= 100000)
        total = total * 10 + (*text->p++ - '0');
    *value = total;
    return text->p > start && total >= low && total <= high;
}

/* [+-]hh[:mm[:ss]], up to 167 hours, in seconds. */
static bool hr_tz_hms(hr_tz_text *text, int32_t *seconds)
{
    bool negative = false;
    int32_t hours, minutes = 0, rest = 0;

    if (hr_tz_take(text, '-'))
        negative = true;
    else
        hr_tz_take(text, '+');
    if (!hr_tz_number(text, 0, 167, &hours))
        return false;
    if (hr_tz_take(text, ':')) {
        if (!hr_tz_number(text, 0, 59, &minutes))
            return false;
        if (hr_tz_take(text, ':') && !hr_tz_number(text, 0, 59, &rest))
            return false;
    }
    *seconds = hours * 3600 + minutes * 60 + rest;
    if (negative)
        *seconds = -*seconds;
    return true;
}

/* ",M3.2.0/2", ",J60", ",59/-1" */
static bool hr_tz_parse_change(hr_tz_text *text, hr_tz_change *change)
{
    change->seconds = 7200;
    if (!hr_tz_take(text, ','))
        return false;
    if (hr_tz_take(text, 'M')) {
        change->kind = HR_TZ_WEEKDAY;
        if (!hr_tz_number(text, 1, 12, &change->month) || !hr_tz_take(text, '.') || !hr_tz_number(text, 1, 5, &change->week) ||
            !hr_tz_take(text, '.') || !hr_tz_number(text, 0, 6, &change->day))
            return false;
    } else if (hr_tz_take(text, 'J')) {
        change->kind = HR_TZ_JULIAN;
        if (!hr_tz_number(text, 1, 365, &change->day))
            return false;
    } else {
        change->kind = HR_TZ_DAY_OF_YEAR;
        if (!hr_tz_number(text, 0, 365, &change->day))
            return false;
    }
    return !hr_tz_take(text, '/') || hr_tz_hms(text, &change->seconds);
}

/* Fill the zone's rule from the footer without its newlines. POSIX counts offsets west of UTC. */
static bool hr_tz_parse_rule(hr_timezone *zone, const char *footer, size_t n)
{
    hr_tz_text text = {footer, footer + n};

    if (!hr_tz_skip_name(&text) || !hr_tz_hms(&text, &zone->standard))
        return false;
    zone->standard = -zone->standard;
    zone->has_rule = true;
    if (text.p == text.end)
        return true;
    if (!hr_tz_skip_name(&text))
        return false;
    zone->daylight = zone->standard + 3600;
    if (text.p < text.end && *text.p != ',') {
        if (!hr_tz_hms(&text, &zone->daylight))
            return false;
        zone->daylight = -zone->daylight;
    }
    if (!hr_tz_parse_change(&text, &zone->to_daylight) || !hr_tz_parse_change(&text, &zone->to_standard))
        return false;
    zone->has_dst = true;
    return text.p == text.end;
}

/* ---- transitions computed from the rule ---- */

/* The instant of a change in a year, in seconds since 1970 UTC; `before` is the offset that counts until then. */
static int64_t hr_tz_change_at(const hr_tz_change *change, int32_t year, int32_t before)
{
    int64_t first = hr_civil_days(year, 1, 1), day = first;

    switch (change->kind) {
    case HR_TZ_JULIAN: /* 29 February is never counted */
        day = first + change->day - 1 + (change->day >= 60 && hr_civil_is_leap(year));
        break;
    case HR_TZ_DAY_OF_YEAR:
        day = first + change->day;
        break;
    case HR_TZ_WEEKDAY: {
        int32_t length = hr_civil_month_days(year, change->month);
        int64_t month = hr_civil_days(year, change->month, 1);
        int32_t weekday = (hr_civil_weekday(month) + 1) % 7; /* 0 = Sunday */
        int32_t shift = (change->day - weekday + 7) % 7 + (change->week - 1) * 7;
        if (shift >= length)
            shift -= 7;
        day = month + shift;
        break;
    }
    }
    return day * HR_SECONDS_PER_DAY + change->seconds - before;
}

#define HR_TZ_RULE_YEARS 3

/* The rule's transitions in the years around an instant, in order of time, with the offset from each on. Where the end of one
 * year's daylight time meets the next one's start, the start comes last and so wins: the zone has daylight time all year. */
static void hr_tz_rule_around(const hr_timezone *zone, int64_t seconds, int64_t at[2 * HR_TZ_RULE_YEARS],
                              int32_t offset[2 * HR_TZ_RULE_YEARS])
{
    int32_t year = hr_civil_from_days(hr_floor_div(seconds, HR_SECONDS_PER_DAY)).year - 1;

    for (int i = 0; i < 2 * HR_TZ_RULE_YEARS; i += 2, year++) {
        int64_t start = hr_tz_change_at(&zone->to_daylight, year, zone->standard);
        int64_t stop = hr_tz_change_at(&zone->to_standard, year, zone->daylight);
        bool northern = start < stop;
        at[i] = northern ? start : stop;
        offset[i] = northern ? zone->daylight : zone->standard;
        at[i + 1] = northern ? stop : start;
        offset[i + 1] = northern ? zone->standard : zone->daylight;
    }
}

/* ---- looking up ---- */

/* How many transitions of the list are not later than `seconds`. */
static int32_t hr_tz_count_until(const hr_timezone *zone, int64_t seconds)
{
    int32_t low = 0, high = zone->count;

    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (zone->at[middle] <= seconds)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The offset at an instant; when `next` is not NULL also the first transition after it and the offset from then on: *next is INT64_MAX
 * when there is none. */
static int32_t hr_tz_offset_at(const hr_timezone *zone, int64_t seconds, int64_t *next, int32_t *next_offset)
{
    int32_t until = hr_tz_count_until(zone, seconds), offset = zone->offset[until];

    if (next != NULL) {
        *next = until < zone->count ? zone->at[until] : INT64_MAX;
        *next_offset = until < zone->count ? zone->offset[until + 1] : offset;
    }
    if (until < zone->count || !zone->has_rule)
        return offset;
    if (!zone->has_dst)
        return zone->standard;
    int64_t at[2 * HR_TZ_RULE_YEARS];
    int32_t offsets[2 * HR_TZ_RULE_YEARS];
    int i = 0;
    hr_tz_rule_around(zone, seconds, at, offsets);
    while (i < 2 * HR_TZ_RULE_YEARS && at[i] <= seconds) {
        if (zone->count == 0 || at[i] >= zone->at[zone->count - 1]) /* the rule says nothing about the time before the last transition */
            offset = offsets[i];
        i++;
    }
    if (zone->count == 0 && i == 0)
        offset = zone->standard;
    if (next != NULL && i < 2 * HR_TZ_RULE_YEARS) {
        *next = at[i];
        *next_offset = offsets[i];
    }
    return offset;
}

int32_t hr_timezone_offset(const hr_timezone *zone, int64_t micros)
{
    if (zone == NULL)
        return 0;
    return hr_tz_offset_at(zone, hr_floor_div(micros, HR_MICROS_PER_SECOND), NULL, NULL);
}

/* Subtract an offset in seconds; at the ends of int64 the result stays there. */
static int64_t hr_tz_minus(int64_t micros, int32_t offset)
{
    int64_t result;

    if (__builtin_sub_overflow(micros, (int64_t)offset * HR_MICROS_PER_SECOND, &result))
        return offset > 0 ? INT64_MIN : INT64_MAX;
    return result;
}

int64_t hr_timezone_to_utc(const hr_timezone *zone, int64_t local_micros)
{
    int64_t local, next, by_before, by_after;
    int32_t before, after;

    if (zone == NULL)
        return local_micros;
    local = hr_floor_div(local_micros, HR_MICROS_PER_SECOND);
    before = hr_tz_offset_at(zone, local - HR_SECONDS_PER_DAY, &next, &after);
    by_before = local - before;
    by_after = local - after;
    if (by_before < next && by_after < next)
        return hr_tz_minus(local_micros, before);
    if (by_before > next && by_after >= next)
        return hr_tz_minus(local_micros, after);
    return hr_tz_minus(local_micros, by_before > by_after ? before : after);
}

const char *hr_timezone_name(const hr_timezone *zone)
{
    return zone == NULL ? "UTC" : zone->name;
}

/* ---- reading a file ---- */

/* The counts of a TZif header, in the order of the file. */
typedef struct hr_tz_header {
    uint8_t version;
    uint32_t utc_flags, standard_flags, leaps, transitions, types, characters;
} hr_tz_header;

/* Read a header at data[at..n) and say how long its data block is; times take `width` bytes. False when it is damaged or cut. */
static bool hr_tz_read_header(const uint8_t *data, size_t n, size_t at, size_t width, hr_tz_header *header, size_t *block)
{
    if (n < HR_TZ_HEADER || at > n - HR_TZ_HEADER || memcmp(data + at, "TZif", 4) != 0)
        return false;
    header->version = data[at + 4];
    header->utc_flags = hr_load_be32(data + at + 20);
    header->standard_flags = hr_load_be32(data + at + 24);
    header->leaps = hr_load_be32(data + at + 28);
    header->transitions = hr_load_be32(data + at + 32);
    header->types = hr_load_be32(data + at + 36);
    header->characters = hr_load_be32(data + at + 40);
    if (header->transitions > n || header->types > 256 || header->types == 0 || header->characters > n || header->leaps > n ||
        header->standard_flags > n || header->utc_flags > n)
        return false;
    *block = header->transitions * (width + 1) + header->types * 6u + header->characters + header->leaps * (width + 4) +
             header->standard_flags + header->utc_flags;
    return *block <= n - at - HR_TZ_HEADER;
}

/* Fill the zone from a file's bytes. HR_EUSAGE when they are not a sound TZif file, HR_ENOMEM; the zone is freed by the caller. */
static int hr_tz_decode(hr_timezone *zone, const uint8_t *data, size_t n, const char *path, hr_error *error)
{
    hr_tz_header header;
    size_t width = 4, block, at = 0;
    const uint8_t *times, *indices, *types;

    if (!hr_tz_read_header(data, n, 0, width, &header, &block))
        return hr_error_set(error, HR_EUSAGE, "the time zone file %s is damaged or not a TZif file", path);
    if (header.version >= '2') { /* the same again with 64-bit times, then the footer */
        at = HR_TZ_HEADER + block;
        width = 8;
        if (!hr_tz_read_header(data, n, at, width, &header, &block))
            return hr_error_set(error, HR_EUSAGE, "the time zone file %s is damaged: its 64-bit part cannot be read", path);
    }
    if (header.leaps > 0)
        return hr_error_set(error, HR_EUSAGE,
                            "the time zone file %s counts leap seconds, as PostgreSQL does not: use the zone from outside \"right/\"",
                            path);
    times = data + at + HR_TZ_HEADER;
    indices = times + header.transitions * width;
    types = indices + header.transitions;
    zone->at = hr_malloc((header.transitions + 1) * sizeof(*zone->at));
    zone->offset = hr_malloc((header.transitions + 1) * sizeof(*zone->offset));
    if (zone->at == NULL || zone->offset == NULL)
        return hr_error_nomem(error);
    for (uint32_t i = 0; i < header.types; i++) {
        int32_t offset = (int32_t)hr_load_be32(types + i * 6u);
        if (offset < -HR_TZ_MAX_OFFSET || offset > HR_TZ_MAX_OFFSET)
            return hr_error_set(error, HR_EUSAGE, "the time zone file %s is damaged: an offset of %d seconds", path, (int)offset);
    }
    zone->offset[0] = (int32_t)hr_load_be32(types);
    for (uint32_t i = 0; i < header.transitions; i++) {
        zone->at[i] = width == 8 ? (int64_t)hr_load_be64(times + i * 8u) : (int64_t)(int32_t)hr_load_be32(times + i * 4u);
        if ((i > 0 && zone->at[i] <= zone->at[i - 1]) || indices[i] >= header.types)
            return hr_error_set(error, HR_EUSAGE, "the time zone file %s is damaged at transition %u", path, (unsigned)i);
        zone->offset[i + 1] = (int32_t)hr_load_be32(types + indices[i] * 6u);
    }
    zone->count = (int32_t)header.transitions;
    at += HR_TZ_HEADER + block;
    if (width == 8 && at < n && data[at] == '\n') {
        const uint8_t *stop = memchr(data + at + 1, '\n', n - at - 1);
        if (stop == NULL || (stop > data + at + 1 && !hr_tz_parse_rule(zone, (const char *)data + at + 1, (size_t)(stop - data) - at - 1)))
            return hr_error_set(error, HR_EUSAGE, "the time zone file %s is damaged: its last line is not a POSIX rule", path);
    }
    return HR_OK;
}

/* Read a whole file of at most HR_TZ_MAX_FILE bytes into *out, which the caller frees. *found is false when there is no such file. */
static int hr_tz_read_file(const char *path, uint8_t **out, size_t *n, bool *found, hr_error *error)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data;

    *out = NULL;
    *found = file != NULL;
    if (file == NULL) {
        if (errno == ENOENT || errno == ENOTDIR)
            return HR_OK;
        return hr_error_set(error, HR_EUSAGE, "the time zone file %s cannot be opened: errno %d", path, errno);
    }
    data = hr_malloc(HR_TZ_MAX_FILE);
    if (data == NULL) {
        fclose(file);
        return hr_error_nomem(error);
    }
    *n = fread(data, 1, HR_TZ_MAX_FILE, file);
    if (ferror(file)) { /* a folder, for one */
        fclose(file);
        hr_free(data);
        return hr_error_set(error, HR_EUSAGE, "the time zone file %s cannot be read: name a zone such as Europe/Warsaw", path);
    }
    fclose(file);
    *out = data;
    return HR_OK;
}

/* Names are made of the characters that zone names are made of; no step leads out of the folder. */
static bool hr_tz_name_is_safe(const char *name)
{
    size_t n = strlen(name);

    if (n == 0 || n >= HR_TZ_NAME_SIZE || name[0] == '/' || strstr(name, "..") != NULL)
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = hr_to_lower(name[i]);
        if (!(c >= 'a' && c <= 'z') && !hr_is_digit(c) && strchr("/_+-.", c) == NULL)
            return false;
    }
    return true;
}

/* Look in one folder. *found tells whether the file was there. */
static int hr_tz_load_from(hr_timezone *zone, const char *directory, bool *found, hr_error *error)
{
    char path[4096];
    uint8_t *data;
    size_t n = 0;
    int length = snprintf(path, sizeof(path), "%s/%s", directory, zone->name), rc;

    *found = false;
    if (length < 0 || (size_t)length >= sizeof(path))
        return hr_error_set(error, HR_EUSAGE, "the path of the time zone folder is too long");
    HR_RETURN_NOT_OK(hr_tz_read_file(path, &data, &n, found, error));
    if (!*found)
        return HR_OK;
    rc = hr_tz_decode(zone, data, n, path, error);
    hr_free(data);
    return rc;
}

int hr_timezone_load(const char *name, const char *directory, hr_timezone **out, hr_error *error)
{
    const char *folders[3] = {directory, getenv("TZDIR"), "/usr/share/zoneinfo"};
    hr_timezone *zone;
    bool found = false;
    int rc = HR_OK;

    *out = NULL;
    if (!hr_tz_name_is_safe(name))
        return hr_error_set(error, HR_EUSAGE, "\"%.80s\" cannot be the name of a time zone: give one such as Europe/Warsaw or UTC", name);
    zone = hr_calloc(1, sizeof(*zone));
    if (zone == NULL)
        return hr_error_nomem(error);
    memcpy(zone->name, name, strlen(name) + 1);
    if (strcmp(name, "UTC") == 0) { /* needs no file: one offset, no transition */
        zone->offset = hr_calloc(1, sizeof(*zone->offset));
        rc = zone->offset == NULL ? hr_error_nomem(error) : HR_OK;
        found = true;
    }
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]) && !found && rc == HR_OK; i++)
        if (folders[i] != NULL && folders[i][0] != '\0')
            rc = hr_tz_load_from(zone, folders[i], &found, error);
    if (rc == HR_OK && !found)
        rc = hr_error_set(error, HR_EUSAGE, "there is no time zone \"%s\" in %s: check the spelling (upper and lower case count)%s", name,
                          directory != NULL ? directory : "/usr/share/zoneinfo",
                          directory != NULL ? "" : ", or install the tzdata package");
    if (rc != HR_OK) {
        hr_timezone_free(zone);
        return rc;
    }
    *out = zone;
    return HR_OK;
}

void hr_timezone_free(hr_timezone *zone)
{
    if (zone == NULL)
        return;
    hr_free(zone->at);
    hr_free(zone->offset);
    hr_free(zone);
}
