/* tests/core/arrow_rows.h: a batch of every type, for the tests of the Arrow interface. */
#ifndef HR_TESTS_ARROW_ROWS_H
#define HR_TESTS_ARROW_ROWS_H

#include "core/arrow/arrow.h"
#include "rows.h"

static const char *const all_types[] = {"boolean", "smallint", "integer", "bigint", "real", "double precision", "text",
                                        "character varying(5)",
                                        "character(3)", "bytea", "date", "time without time zone", "timestamp without time zone",
                                        "timestamp with time zone", "uuid", "json", "jsonb", "numeric(12,2)", "numeric", "interval",
                                        "integer[]", "text[]", "uuid[]", NULL};
static const char *const all_formats[] = {"b", "s", "i", "l", "f", "g", "u", "u", "u", "z", "tdD", "ttu", "tsu:", "tsu:UTC", "w:16", "u",
                                          "u",
                                          "d:12,2", "u", "tin", "+l", "+l", "+l"};
#define COLUMNS (sizeof(all_formats) / sizeof(all_formats[0]))

static inline hr_batch *all_batch(void)
{
    static const char *const first[] = {"t", "-2", "65536", "-1", "1.5", "-2.5", "h\xc3\xa9", "", "ab", "\\x00ff", "2000-01-02", "00:00:01",
                                        "2000-01-01 00:00:00.000002", "1999-12-31 23:59:59.999999+00",
                                            "00112233-4455-6677-8899-aabbccddeeff",
                                        "{\"a\": 1}", "[]", "-12345.60", "1e50", "1 mon -2 days 00:00:00.5", "{1,NULL}", "{}", "{}"};
    static const char *const nulls[COLUMNS];
    static const char *const third[] = {"f", "32767", "-2147483648", "9223372036854775807", "NaN", "Infinity", "x", "\xe2\x82\xac", "abc",
                                        "",
                                        "0044-03-15 BC", "24:00:00", "1969-12-31 23:59:59", "0044-03-15 00:00:00+00 BC",
                                        "ffffffff-ffff-ffff-ffff-ffffffffffff", "null", "{}", "9999999999.99", "-0.001",
                                        "-3 days -00:00:00.000001", "{}", "{\"a b\",\"\",NULL,\"NULL\"}",
                                        "{00112233-4455-6677-8899-aabbccddeeff,NULL}"};
    hr_batch *batch = make_batch(all_types);

    for (int i = 0; i < 4; i++) {
        add_row(batch, first);
        add_row(batch, nulls);
        add_row(batch, third);
    }
    return batch;
}

#endif
