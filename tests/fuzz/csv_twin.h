/* tests/fuzz/csv_twin.h: CSV read byte by byte, by the words of csv.c's header and nothing else: what fast code is compared with. */
#ifndef HR_TESTS_CSV_TWIN_H
#define HR_TESTS_CSV_TWIN_H

#include "fuzz.h"

#define CSV_TWIN_FIELDS 64

typedef struct csv_twin_field {
    char *text;
    size_t n;
    bool quoted;
} csv_twin_field;

typedef struct csv_twin {
    csv_twin_field fields[CSV_TWIN_FIELDS];
    int count; /* more than CSV_TWIN_FIELDS are counted, not kept */
} csv_twin;

static inline void csv_twin_free(csv_twin *twin)
{
    for (int i = 0; i < twin->count && i < CSV_TWIN_FIELDS; i++)
        free(twin->fields[i].text);
}

/* The length of the record at text, its line end included; *body without. The last record may lack its end. */
static inline size_t csv_twin_frame(char delimiter, char quote, const char *text, size_t n, size_t *body)
{
    bool inside = false, start = true;
    size_t i = n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

    for (; i < n; i++) {
        char c = text[i];
        if (inside) {
            if (c == quote && i + 1 < n && text[i + 1] == quote)
                i++;
            else if (c == quote)
                inside = false;
        } else if (c == quote && start) {
            inside = true;
            start = false;
        } else if (c == '\n' || c == '\r') {
            *body = i;
            return c == '\r' && i + 1 < n && text[i + 1] == '\n' ? i + 2 : i + 1;
        } else {
            start = c == delimiter;
        }
    }
    *body = n;
    return n;
}

/* Whether the record, which may still have its line end, is well-formed; its fields then. The caller frees in either case. */
static inline bool csv_twin_read(csv_twin *twin, char delimiter, char quote, const char *text, size_t n)
{
    size_t i = 0;

    twin->count = 0;
    if (n > 0 && text[n - 1] == '\n')
        n--;
    if (n > 0 && text[n - 1] == '\r')
        n--;
    for (;;) {
        csv_twin_field field = {.text = malloc(n + 1)};
        bool closed = true;
        FUZZ_REQUIRE(field.text != NULL);
        if (i < n && text[i] == quote) {
            field.quoted = true;
            closed = false;
            for (i++; i < n && !closed; i++) {
                if (text[i] != quote)
                    field.text[field.n++] = text[i];
                else if (i + 1 < n && text[i + 1] == quote)
                    field.text[field.n++] = text[i++];
                else
                    closed = true;
            }
        }
        while (!field.quoted && i < n && text[i] != delimiter && text[i] != quote && text[i] != '\n' && text[i] != '\r')
            field.text[field.n++] = text[i++];
        twin->count++;
        if (twin->count <= CSV_TWIN_FIELDS)
            twin->fields[twin->count - 1] = field;
        else
            free(field.text);
        if (!closed || (i < n && text[i] != delimiter))
            return false;
        if (i >= n)
            return true;
        i++;
    }
}

#endif
