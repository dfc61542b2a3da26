/* tests/core/test_type_interval.c: intervals: text, numbers, binary. The wanted texts are the server's. */
#include "value.h"

static void test_server_form(void)
{
    GIVES("interval", "1 year 2 mons 3 days -04:05:06.5", "1 year 2 mons 3 days -04:05:06.5");
    GIVES("interval", "00:00:00", "00:00:00");
    GIVES("interval", "-00:00:00.000001", "-00:00:00.000001");
    GIVES("interval", "-1 days", "-1 days");
    GIVES("interval", "1 day", "1 day");
    GIVES("interval", "-1 years -2 mons +3 days -04:05:06", "-1 years -2 mons +3 days -04:05:06");
    GIVES("interval", "-1 days +01:00:00", "-1 days +01:00:00");
    GIVES("interval", "1 mon -1 days +00:00:01", "1 mon -1 days +00:00:01");
    GIVES("interval", "-9223372036854775808 us", "-2562047788:00:54.775808");
    GIVES("interval", "-9223372036854775808 us 1 day 1 ms", "1 day -2562047788:00:54.774808");
    REJECTS("interval", "9223372036854775808 us", HR_REASON_RANGE, "");
    REJECTS("interval", "-9223372036854775809 us", HR_REASON_RANGE, "");
    REJECTS("interval", "-92233720368547758080 us", HR_REASON_RANGE, "");
    REJECTS("interval", "-9223372036854775808:00", HR_REASON_RANGE, "");
    REJECTS("interval", "-9223372036854775808-1", HR_REASON_RANGE, "");
    REJECTS("interval", "-9223372036854775808 us ago", HR_REASON_RANGE, "");
    GIVES("interval", "2562047788:00:54.775807", "2562047788:00:54.775807");
    GIVES("interval", "-2562047788:00:54.775807", "-2562047788:00:54.775807");
    GIVES("interval", "178956970 years 7 mons", "178956970 years 7 mons");
    GIVES("interval", "-178956970 years -8 mons", "-178956970 years -8 mons");
    GIVES("interval", "2147483647 days", "2147483647 days");
    GIVES("interval", "infinity", "infinity");
    GIVES("interval", " -Infinity ", "-infinity");
    GIVES("interval", "+infinity", "infinity");
}

static void test_units(void)
{
    GIVES("interval", "90 seconds", "00:01:30");
    GIVES("interval", "1.5 hours", "01:30:00");
    GIVES("interval", "1.5 months", "1 mon 15 days");
    GIVES("interval", "1.3 weeks", "9 days 02:24:00");
    GIVES("interval", "1.25 years", "1 year 3 mons");
    GIVES("interval", "1.04 years", "1 year");
    GIVES("interval", "0.5 days", "12:00:00");
    GIVES("interval", "2 decades 1 century 1 millennium", "1120 years");
    GIVES("interval", "3 MILLISECONDS 4 microseconds", "00:00:00.003004");
    GIVES("interval", "1d2h3m4s", "1 day 02:03:04");
    GIVES("interval", "@ 1 minute ago", "-00:01:00");
    GIVES("interval", "1 year -1 mon ago", "-11 mons");
    GIVES("interval", "-1 year 2 days ago", "1 year -2 days");
    GIVES("interval", "2 weeks", "14 days");
    GIVES("interval", "- 5 days", "-5 days");
    GIVES("interval", ".5 min", "00:00:30");
    GIVES("interval", "100 yrs 3 hrs 5 mins 7 secs", "100 years 03:05:07");
    GIVES("interval", "1 c 1 w 1 y", "101 years 7 days");
    GIVES("interval", "5", "00:00:05");
    GIVES("interval", "-1.5", "-00:00:01.5");
    GIVES("interval", "0.0000005 s", "00:00:00");
    GIVES("interval", "0.0000015 s", "00:00:00.000001"); /* halves go towards zero here */
    GIVES("interval", "0.00000151 s", "00:00:00.000002");
}

/* As long as an interval may be: every length of a fraction, in a time, a number and an ISO duration. */
static void test_long_fractions(void)
{
    char text[208];

    for (int digits = 1; digits <= 191; digits++) {
        int n = snprintf(text, sizeof(text), "0:00:00.5%0*d", digits - 1, 0);
        text[n - (digits == 1)] = '\0'; /* a width of 0 still prints one zero */
        GIVES("interval", text, "00:00:00.5");
        snprintf(text, sizeof(text), "1.5%0*d days", digits, 0);
        GIVES("interval", text, "1 day 12:00:00");
        snprintf(text, sizeof(text), "P1.5%0*dD", digits, 0);
        GIVES("interval", text, "1 day 12:00:00");
    }
    for (int digits = 1; digits <= 190; digits++) {
        snprintf(text, sizeof(text), "%0*d days", digits, 1);
        GIVES("interval", text, "1 day");
    }
    snprintf(text, sizeof(text), "0:00:00.%0193d", 0);
    REJECTS("interval", text, HR_REASON_TYPE, "invalid interval");
}

static void test_sql_form(void)
{
    GIVES("interval", "1-2 3 4:05:06", "1 year 2 mons 3 days 04:05:06");
    GIVES("interval", "-1-2", "-1 years -2 mons");
    GIVES("interval", "+1-2 -3 +4:05:06.789", "1 year 2 mons -3 days +04:05:06.789");
    GIVES("interval", "1 2:03", "1 day 02:03:00");
    GIVES("interval", "4:05.5", "00:04:05.5");
    GIVES("interval", "0:00:60", "00:01:00");
    GIVES("interval", "1:2:3.4", "01:02:03.4");
    REJECTS("interval", "1-12", HR_REASON_RANGE, "out of range");
    REJECTS("interval", "1:60:00", HR_REASON_RANGE, "out of range");
    REJECTS("interval", "1:00:61", HR_REASON_RANGE, "out of range");
}

static void test_iso(void)
{
    GIVES("interval", "P1Y2M3DT4H5M6.7S", "1 year 2 mons 3 days 04:05:06.7");
    GIVES("interval", "P0001-02-03T04:05:06", "1 year 2 mons 3 days 04:05:06");
    GIVES("interval", "P00010203T040506", "1 year 2 mons 3 days 04:05:06");
    GIVES("interval", "P1W", "7 days");
    GIVES("interval", "PT36H", "36:00:00");
    GIVES("interval", "P-1Y-2M3DT-4H-5M-6S", "-1 years -2 mons +3 days -04:05:06");
    GIVES("interval", "P.5Y", "6 mons");
    GIVES("interval", "P1.5M", "1 mon 15 days");
    GIVES("interval", "PT1.5S", "00:00:01.5");
    GIVES("interval", "PT0.000001S", "00:00:00.000001");
    GIVES("interval", "P1M1W", "1 mon 7 days");
    GIVES("interval", "PT", "00:00:00");
    GIVES("interval", "P2Y", "2 years");
    REJECTS("interval", "P", HR_REASON_TYPE, "write it like P1DT2H");
    REJECTS("interval", "p1d", HR_REASON_TYPE, "invalid interval");
    REJECTS("interval", "P1D ", HR_REASON_TYPE, "invalid interval");
    REJECTS("interval", "-P1D", HR_REASON_TYPE, "invalid interval");
    REJECTS("interval", "P1H", HR_REASON_TYPE, "invalid interval");
    REJECTS("interval", "PT1D", HR_REASON_TYPE, "invalid interval");
    REJECTS("interval", "P1S", HR_REASON_TYPE, "invalid interval");
    REJECTS("interval", "P--1D", HR_REASON_TYPE, "invalid interval");
    REJECTS("interval", "P1e3D", HR_REASON_TYPE, "invalid interval");
    REJECTS("interval", "P1000000000000001D", HR_REASON_RANGE, "out of range");
}

static void test_rejects(void)
{
    REJECTS("interval", "", HR_REASON_TYPE, "an empty string");
    REJECTS("interval", "  ", HR_REASON_TYPE, "an empty string");
    REJECTS("interval", "day", HR_REASON_TYPE, "invalid interval");
    REJECTS("interval", "1 day day", HR_REASON_TYPE, "invalid interval");
    REJECTS("interval", "1 day 2 days", HR_REASON_TYPE, "invalid interval");
    REJECTS("interval", "1 fortnight", HR_REASON_TYPE, "invalid interval");
    REJECTS("interval", "ago", HR_REASON_TYPE, "invalid interval");
    REJECTS("interval", "ago 1 day", HR_REASON_TYPE, "invalid interval");
    REJECTS("interval", "1 quarter", HR_REASON_TYPE, "invalid interval");
    REJECTS("interval", "1day2hours", HR_REASON_TYPE, "invalid interval");
    REJECTS("interval", "3 days-4", HR_REASON_TYPE, "invalid interval");
    REJECTS("interval", "infinity ago", HR_REASON_TYPE, "invalid interval");
    REJECTS("interval", "1 day infinity", HR_REASON_TYPE, "invalid interval");
    REJECTS("interval", "04:05:06 5 ms", HR_REASON_TYPE, "invalid interval");
    REJECTS("interval", "1,5 days", HR_REASON_TYPE, "invalid interval");
    REJECTS("interval", "true", HR_REASON_TYPE, "invalid interval");
    REJECTS("interval", "2147483648 days", HR_REASON_RANGE, "32-bit");
    REJECTS("interval", "-2147483649 days", HR_REASON_RANGE, "32-bit");
    REJECTS("interval", "178956970 years 8 mons", HR_REASON_RANGE, "32-bit");
    REJECTS("interval", "178956971 years", HR_REASON_RANGE, "32-bit");
    REJECTS("interval", "2147483648 years", HR_REASON_RANGE, "32-bit");
    REJECTS("interval", "1000000 millennia 2147483647 millennia", HR_REASON_RANGE, "32-bit");
    REJECTS("interval", "-2147483648 days ago", HR_REASON_RANGE, "32-bit");
    REJECTS("interval", "9223372036854775808 us", HR_REASON_RANGE, "64 bits");
    REJECTS("interval", "2562047789:00:00", HR_REASON_RANGE, "64 bits");
    REJECTS("interval", "99999999999999999999 days", HR_REASON_RANGE, "out of range");
    REJECTS("interval", "9223372036854775807 us 1 day 9223372036854775807 s", HR_REASON_RANGE, "out of range");
    REJECTS("interval", "2147483647 mons 2147483647 days 9223372036854775807 us", HR_REASON_RANGE, "keeps this value for infinity");
}

/* What a column's own modifiers do: fields and precision. */
static void test_modifiers(void)
{
    GIVES("interval(0)", "00:00:01.5", "00:00:02");
    GIVES("interval(0)", "-00:00:01.5", "-00:00:02");
    GIVES("interval(3)", "1 day 00:00:00.0005", "1 day 00:00:00.001");
    GIVES("interval(6)", "00:00:00.000001", "00:00:00.000001");
    GIVES("interval year", "5", "5 years");
    GIVES("interval year", "1-11", "1 year");
    GIVES("interval month", "5", "5 mons");
    GIVES("interval year to month", "1 year 2 mons 3 days 04:05:06", "1 year 2 mons");
    GIVES("interval day", "5", "5 days");
    GIVES("interval day", "1 mon 5 days 04:05:06", "1 mon 5 days");
    GIVES("interval hour", "5", "05:00:00");
    GIVES("interval day to hour", "1 04:05:06", "1 day 04:00:00");
    GIVES("interval minute", "5", "00:05:00");
    GIVES("interval hour to minute", "-04:05:06", "-04:05:00");
    GIVES("interval minute to second", "04:05", "00:04:05");
    GIVES("interval second(2)", "1.238", "00:00:01.24");
    GIVES("interval day to second(4)", "1 day 04:05:06.123456", "1 day 04:05:06.1235");
    REJECTS("interval(0)", "9223372036854775807 us", HR_REASON_RANGE, "cannot be rounded");
    REJECTS("interval(0)", "-9223372036854775807 us", HR_REASON_RANGE, "cannot be rounded");
}

static void number_gives(int line, hr_time_unit unit, const char *s, const char *want)
{
    value_column value;
    int rc;

    value_open(&value, "interval");
    value.type.unit = unit;
    rc = value_parse(&value, HR_TOKEN_NUMBER, s);
    if (want[0] == '!')
        CHECK(rc == HR_EDATA && strstr(value.error.message, want + 1) != NULL, "line %d: %d %s", line, rc, value.error.message);
    else
        CHECK(rc == HR_OK && strcmp(value_text(&value, 0), want) == 0, "line %d: %s", line,
              rc == HR_OK ? value_text(&value, 0) : "rejected");
    value_close(&value);
}

static void test_numbers_and_versions(void)
{
    value_column value;

    number_gives(__LINE__, HR_UNIT_US, "90000000", "00:01:30");
    number_gives(__LINE__, HR_UNIT_S, "-1.5", "-00:00:01.5");
    number_gives(__LINE__, HR_UNIT_DAYS, "3", "3 days");
    number_gives(__LINE__, HR_UNIT_DAYS, "2147483648", "!days are a 32-bit number");
    number_gives(__LINE__, HR_UNIT_NONE, "5", "!a number needs a unit");
    number_gives(__LINE__, HR_UNIT_S, "9223372036855", "!out of range");
    value_open(&value, "interval");
    value.type.server_version = 160004;
    CHECK(value_parse(&value, HR_TOKEN_TEXT, "infinity") == HR_EDATA && strstr(value.error.message, "PostgreSQL 17") != NULL);
    CHECK(value_parse(&value, HR_TOKEN_TEXT, "2147483647 mons 2147483647 days 9223372036854775807 us") == HR_OK, "%s", value.error.message);
    CHECK(strcmp(value_text(&value, 0), "178956970 years 7 mons 2147483647 days 2562047788:00:54.775807") == 0, "%s",
          value_text(&value, 0));
    value.type.server_version = 170000;
    CHECK(value_parse(&value, HR_TOKEN_TEXT, "-infinity") == HR_OK && strcmp(value_text(&value, 1), "-infinity") == 0);
    CHECK(hr_type_ops_of(&value.type)->read_binary(&value.type, (const uint8_t *)"12345678", 8, &value.column, &value.error) == HR_EDATA);
    CHECK(value.column.length == 2);
    value_close(&value);
}

/* Too many tokens, too long texts, and noise: no crash, and a reject or a value. */
static void test_noise(void)
{
    static const char alphabet[] = "0123456789-:.+ PTYMWDHSdhms@ago infty";
    value_column value;
    char text[600];
    long accepted = 0;

    value_open(&value, "interval");
    for (size_t n = 0; n < sizeof(text); n++) {
        memset(text, "1 9.:-"[n % 6], n);
        value_parse_n(&value, HR_TOKEN_TEXT, text, n);
    }
    text[0] = '\0';
    for (int i = 0; i < 26; i++)
        strncat(text, "1 ", sizeof(text) - strlen(text) - 1);
    CHECK(value_parse(&value, HR_TOKEN_TEXT, text) == HR_EDATA);
    srand(3);
    for (int i = 0; i < 200000; i++) {
        size_t n = (size_t)rand() % 24;
        for (size_t j = 0; j < n; j++)
            text[j] = alphabet[(size_t)rand() % (sizeof(alphabet) - 1)];
        if (i % 2)
            text[0] = 'P';
        accepted += value_parse_n(&value, HR_TOKEN_TEXT, text, n) == HR_OK;
        if (value.column.length > 1000)
            hr_column_truncate(&value.column, 0);
    }
    CHECK(accepted > 100, "%ld accepted", accepted);
    value_close(&value);
}

int main(void)
{
    test_server_form();
    test_units();
    test_long_fractions();
    test_sql_form();
    test_iso();
    test_rejects();
    test_modifiers();
    test_numbers_and_versions();
    test_noise();
    value_faults("interval", HR_TOKEN_TEXT, "1 year 2 mons 3 days -04:05:06.5");
    value_faults("interval", HR_TOKEN_TEXT, "P1DT2H");
    return CHECK_DONE();
}
