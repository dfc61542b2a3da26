/* tests/core/test_type_datetime.c: date, time, timestamp and timestamptz: text, numbers, binary. The wanted texts are the server's. */
#include <math.h>

#include "core/types/civil.h"
#include "core/types/datetime.h"
#include "value.h"

static void test_civil(void)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t day = hr_civil_days(-4800, 1, 1);
    long wrong = 0;

    for (int year = -4800; year < 12000; year++) {
        bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        for (int month = 1; month <= 12; month++) {
            int length = lengths[month - 1] + (month == 2 && leap);
            wrong += hr_civil_month_days(year, month) != length;
            for (int d = 1; d <= length; d++, day++) {
                hr_civil back = hr_civil_from_days(day);
                wrong += hr_civil_days(year, month, d) != day;
                wrong += back.year != year || back.month != month || back.day != d;
            }
        }
    }
    CHECK(wrong == 0, "%ld wrong days", wrong);
    CHECK(hr_civil_days(1970, 1, 1) == 0 && hr_civil_days(2000, 1, 1) == HR_DAYS_TO_2000);
    CHECK(hr_civil_weekday(0) == 3 && hr_civil_weekday(-1) == 2 && hr_civil_weekday(-4) == 6 && hr_civil_weekday(4) == 0);
    CHECK(hr_civil_days(-4713, 11, 24) == -2440588 && hr_civil_days(5874898, 1, 1) == 2145042906);
}

static void test_date(void)
{
    GIVES("date", "2026-11-21", "2026-11-21");
    GIVES("date", "20261121", "2026-11-21");
    GIVES("date", "  2026-11-21\t", "2026-11-21");
    GIVES("date", "2026-1-5", "2026-01-05");
    GIVES("date", "0001-01-01", "0001-01-01");
    GIVES("date", "0044-03-15 BC", "0044-03-15 BC");
    GIVES("date", "0044-03-15 ad", "0044-03-15");
    GIVES("date", "0001-12-31 BC", "0001-12-31 BC");
    GIVES("date", "0001-02-29 BC", "0001-02-29 BC"); /* the year 0 is a leap year */
    GIVES("date", "4714-11-24 BC", "4714-11-24 BC");
    GIVES("date", "5874897-12-31", "5874897-12-31");
    GIVES("date", "10000-01-01", "10000-01-01");
    GIVES("date", "120261121", "12026-11-21");
    GIVES("date", "02026-11-21", "2026-11-21");
    GIVES("date", "2024-02-29", "2024-02-29");
    GIVES("date", "2000-02-29", "2000-02-29");
    GIVES("date", "infinity", "infinity");
    GIVES("date", " Infinity ", "infinity");
    GIVES("date", "+infinity", "infinity");
    GIVES("date", "-infinity", "-infinity");
    GIVES("date", "epoch", "1970-01-01");
    GIVES("date", "2026-11-21T23:59:59Z", "2026-11-21");
    GIVES("date", "2026-11-21 23:59:59-12", "2026-11-21"); /* the date as written, whatever the offset */
    GIVES("date", "2026-11-21 24:00:00", "2026-11-21");
    GIVES("date", "2026-11-21Z", "2026-11-21");
    GIVES("date", "2026-11-21+01:00", "2026-11-21");
    REJECTS("date", "", HR_REASON_TYPE, "an empty string");
    REJECTS("date", "2026-02-29", HR_REASON_RANGE, "no such day");
    REJECTS("date", "1900-02-29", HR_REASON_RANGE, "no such day");
    REJECTS("date", "2026-04-31", HR_REASON_RANGE, "no such day");
    REJECTS("date", "2026-00-10", HR_REASON_RANGE, "months go");
    REJECTS("date", "2026-13-10", HR_REASON_RANGE, "months go");
    REJECTS("date", "2026-11-00", HR_REASON_RANGE, "no such day");
    REJECTS("date", "0000-01-01", HR_REASON_RANGE, "no year 0");
    REJECTS("date", "0000-01-01 BC", HR_REASON_RANGE, "no year 0");
    REJECTS("date", "4714-11-23 BC", HR_REASON_RANGE, "4713 BC to 5874897 AD");
    REJECTS("date", "5874898-01-01", HR_REASON_RANGE, "5874897");
    REJECTS("date", "9999999-01-01", HR_REASON_RANGE, "5874897");
    REJECTS("date", "99999999-01-01", HR_REASON_RANGE, "7 digits");
    REJECTS("date", "26-11-21", HR_REASON_TYPE, "write it like 2026-11-21");
    REJECTS("date", "261121", HR_REASON_TYPE, "invalid date");
    REJECTS("date", "2026/11/21", HR_REASON_TYPE, "invalid date");
    REJECTS("date", "21.11.2026", HR_REASON_TYPE, "invalid date");
    REJECTS("date", "Nov 21 2026", HR_REASON_TYPE, "invalid date");
    REJECTS("date", "2026-W47-6", HR_REASON_TYPE, "invalid date");
    REJECTS("date", "2026-11-21-05", HR_REASON_TYPE, "invalid date");
    REJECTS("date", "2026-11-21x", HR_REASON_TYPE, "names of time zones");
    REJECTS("date", "-2026-11-21", HR_REASON_TYPE, "invalid date");
    REJECTS("date", "now", HR_REASON_TYPE, "another moment each time");
    REJECTS("date", "Today", HR_REASON_TYPE, "another moment each time");
    REJECTS("date", "tomorrow", HR_REASON_TYPE, "another moment each time");
    REJECTS("date", "yesterday", HR_REASON_TYPE, "another moment each time");
    REJECTS("date", "inf", HR_REASON_TYPE, "invalid date");
}

static void test_time(void)
{
    GIVES("time", "10:00:00", "10:00:00");
    GIVES("time", "10:00", "10:00:00");
    GIVES("time", "1:2:3", "01:02:03");
    GIVES("time", "T10:00:00", "10:00:00");
    GIVES("time", "100000", "10:00:00");
    GIVES("time", "1000", "10:00:00");
    GIVES("time", "040506.789", "04:05:06.789");
    GIVES("time", "10:00:00.000001", "10:00:00.000001");
    GIVES("time", "10:00:00.5", "10:00:00.5");
    GIVES("time", "24:00:00", "24:00:00");
    GIVES("time", "23:59:60", "24:00:00");
    GIVES("time", "10:59:60", "11:00:00");
    GIVES("time", "23:59:59.9999999", "24:00:00");
    GIVES("time", "10:00:00+02", "10:00:00");
    GIVES("time", "10:00:00.25Z", "10:00:00.25");
    GIVES("time", "10:00:00 UTC", "10:00:00");
    GIVES("time", "2026-11-21 10:00:00", "10:00:00");
    GIVES("time(0)", "23:59:59.5", "24:00:00");
    GIVES("time(0)", "23:59:59.499999", "23:59:59");
    GIVES("time(3)", "10:00:00.1235", "10:00:00.124");
    GIVES("time(6)", "10:00:00.123456", "10:00:00.123456");
    REJECTS("time", "", HR_REASON_TYPE, "an empty string");
    REJECTS("time", "24:00:00.000001", HR_REASON_RANGE, "24:00:00");
    REJECTS("time", "24:00:01", HR_REASON_RANGE, "24:00:00");
    REJECTS("time", "25:00:00", HR_REASON_RANGE, "24:00:00");
    REJECTS("time", "10:60:00", HR_REASON_RANGE, "minutes to 59");
    REJECTS("time", "10:00:61", HR_REASON_RANGE, "seconds to 60");
    REJECTS("time", "10:00:00+16", HR_REASON_RANGE, "15:59:59");
    REJECTS("time", "10:00:00 PM", HR_REASON_TYPE, "24 hours");
    REJECTS("time", "10:00:00.", HR_REASON_TYPE, "invalid time");
    REJECTS("time", "10", HR_REASON_TYPE, "invalid time");
    REJECTS("time", "10:00:00 Europe/Warsaw", HR_REASON_TYPE, "give an offset such as +01:00");
    REJECTS("time", "2026-11-21T10:00:00", HR_REASON_TYPE, "invalid time");
    REJECTS("time", "infinity", HR_REASON_TYPE, "invalid time");
    REJECTS("time", "10:00:00 BC", HR_REASON_TYPE, "invalid time");
}

static void test_timestamp(void)
{
    GIVES("timestamp", "2026-11-21T10:00:00.123456", "2026-11-21 10:00:00.123456");
    GIVES("timestamp", "2026-11-21 10:00:00", "2026-11-21 10:00:00");
    GIVES("timestamp", "2026-11-21T10:00:00+05", "2026-11-21 10:00:00"); /* the server ignores the offset too */
    GIVES("timestamp", "2026-11-21 10:00:00-15:59:59", "2026-11-21 10:00:00");
    GIVES("timestamp", "2026-11-21", "2026-11-21 00:00:00");
    GIVES("timestamp", "20261121T100000", "2026-11-21 10:00:00");
    GIVES("timestamp", "20261121 1000", "2026-11-21 10:00:00");
    GIVES("timestamp", "2026-11-21t10:00", "2026-11-21 10:00:00");
    GIVES("timestamp", "2026-11-21  10:00:00", "2026-11-21 10:00:00");
    GIVES("timestamp", "2026-12-31 24:00:00", "2027-01-01 00:00:00");
    GIVES("timestamp", "2016-12-31 23:59:60", "2017-01-01 00:00:00");
    GIVES("timestamp", "2026-12-31 23:59:59.9999999", "2027-01-01 00:00:00");
    GIVES("timestamp", "0044-03-15 12:00:00 BC", "0044-03-15 12:00:00 BC");
    GIVES("timestamp", "4714-11-24 00:00:00 BC", "4714-11-24 00:00:00 BC");
    GIVES("timestamp", "294247-01-10 04:00:54.775806", "294247-01-10 04:00:54.775806");
    GIVES("timestamp", "infinity", "infinity");
    GIVES("timestamp", "-infinity", "-infinity");
    GIVES("timestamp", "epoch", "1970-01-01 00:00:00");
    GIVES("timestamp", "1969-12-31 23:59:59.999999", "1969-12-31 23:59:59.999999");
    REJECTS("timestamp", "4714-11-23 23:59:59 BC", HR_REASON_RANGE, "4713 BC");
    REJECTS("timestamp", "294247-01-10 04:00:54.775807", HR_REASON_RANGE, "294247-01-10 04:00:54");
    REJECTS("timestamp", "294276-12-31", HR_REASON_RANGE, "since 1970");
    REJECTS("timestamp", "5874897-12-31", HR_REASON_RANGE, "out of range");
    REJECTS("timestamp", "2026-02-30 00:00:00", HR_REASON_RANGE, "no such day");
    REJECTS("timestamp", "2026-11-21T10", HR_REASON_TYPE, "invalid timestamp");
    REJECTS("timestamp", "10:00:00", HR_REASON_TYPE, "invalid timestamp");
    REJECTS("timestamp", "2026-11-21T10:00:00,5", HR_REASON_TYPE, "invalid timestamp");
    REJECTS("timestamp", "2026-11-21T10:00:00ZZ", HR_REASON_TYPE, "names of time zones");
    REJECTS("timestamp", "tomorrow", HR_REASON_TYPE, "another moment");
    REJECTS("timestamp", "true", HR_REASON_TYPE, "invalid timestamp");
}

static void test_timestamptz(void)
{
    GIVES("timestamptz", "2026-11-21T10:00:00.123456Z", "2026-11-21 10:00:00.123456+00");
    GIVES("timestamptz", "2026-11-21T10:00:00Z", "2026-11-21 10:00:00+00");
    GIVES("timestamptz", "2026-11-21 10:00:00+00", "2026-11-21 10:00:00+00");
    GIVES("timestamptz", "2026-11-21 10:00:00.5+01", "2026-11-21 09:00:00.5+00");
    GIVES("timestamptz", "2026-11-21T10:00:00.123+01:30", "2026-11-21 08:30:00.123+00");
    GIVES("timestamptz", "2026-11-21T10:00:00-0330", "2026-11-21 13:30:00+00");
    GIVES("timestamptz", "2026-11-21T10:00:00+03:00:15", "2026-11-21 06:59:45+00");
    GIVES("timestamptz", "2026-11-21T10:00:00+3", "2026-11-21 07:00:00+00");
    GIVES("timestamptz", "2026-11-21T10:00:00 +03", "2026-11-21 07:00:00+00");
    GIVES("timestamptz", "2026-11-21 10:00:00 UTC", "2026-11-21 10:00:00+00"); /* as BigQuery writes it */
    GIVES("timestamptz", "2026-11-21 10:00:00", "2026-11-21 10:00:00+00");
    GIVES("timestamptz", "2026-11-21", "2026-11-21 00:00:00+00");
    GIVES("timestamptz", "2026-11-21+01", "2026-11-20 23:00:00+00");
    GIVES("timestamptz", "20261121T100000.5-05", "2026-11-21 15:00:00.5+00");
    GIVES("timestamptz", "20261121T100000-0530", "2026-11-21 15:30:00+00");
    GIVES("timestamptz", "20261121T100000.5-05:30", "2026-11-21 15:30:00.5+00"); /* after a fraction nothing is in doubt */
    GIVES("timestamptz", "2026-11-21 100000.5-05:30:07", "2026-11-21 15:30:07.5+00");
    GIVES("time", "T100000.25-0530", "10:00:00.25");
    REJECTS("time", "T100000-0530", HR_REASON_TYPE, "invalid time");
    GIVES("timestamptz", "0044-03-15 10:00:00+00 BC", "0044-03-15 10:00:00+00 BC");
    GIVES("timestamptz", "0001-01-01 00:00:00+01", "0001-12-31 23:00:00+00 BC");
    GIVES("timestamptz", "9999-12-31 23:59:59-15:59", "10000-01-01 15:58:59+00");
    GIVES("timestamptz", "4714-11-24 00:00:00+00 BC", "4714-11-24 00:00:00+00 BC");
    GIVES("timestamptz", "4714-11-23 23:00:00-01 BC", "4714-11-24 00:00:00+00 BC");
    REJECTS("timestamptz", "4714-11-24 00:00:00+01 BC", HR_REASON_RANGE, "4713 BC");
    REJECTS("timestamptz", "294247-01-10 04:00:54.775806-01", HR_REASON_RANGE, "294247");
    REJECTS("timestamptz", "2026-11-21 10:00:00 CET", HR_REASON_TYPE, "names of time zones");
    REJECTS("timestamptz", "2026-11-21 10:00:00 America/New_York", HR_REASON_TYPE, "names of time zones");
    REJECTS("timestamptz", "2026-11-21 10:00:00+24", HR_REASON_RANGE, "15:59:59");
    REJECTS("timestamptz", "2026-11-21 10:00:00+01:60", HR_REASON_RANGE, "15:59:59");
    REJECTS("timestamptz", "2026-11-21 10:00:00+", HR_REASON_TYPE, "invalid timestamp");
    REJECTS("timestamptz", "2026-11-21 10:00:00+010203", HR_REASON_TYPE, "invalid timestamp");
    REJECTS("timestamptz", "20261121T100000-08:00", HR_REASON_TYPE, "invalid timestamp");
}

/* Rounding of fractions as the server does it: through a double, then to a column's precision counting from 2000. */
static void test_rounding(void)
{
    GIVES("timestamp", "2026-11-21 10:00:00.1234564", "2026-11-21 10:00:00.123456");
    GIVES("timestamp", "2026-11-21 10:00:00.1234565", "2026-11-21 10:00:00.123456"); /* a tie in double, to even */
    GIVES("timestamp", "2026-11-21 10:00:00.1234575", "2026-11-21 10:00:00.123458");
    GIVES("timestamp", "2026-11-21 10:00:00.12345650000000000000000001", "2026-11-21 10:00:00.123456"); /* double sees the tie */
    GIVES("timestamp", "2026-11-21 10:00:00.123456500000001", "2026-11-21 10:00:00.123457");
    GIVES("timestamp", "2026-11-21 10:00:00.0000005", "2026-11-21 10:00:00");
    GIVES("timestamp", "2026-11-21 10:00:00.00000050001", "2026-11-21 10:00:00.000001");
    GIVES("timestamp", "2026-11-21 10:00:00.123456789", "2026-11-21 10:00:00.123457");
    GIVES("timestamp(0)", "2026-11-21 10:00:00.5", "2026-11-21 10:00:01");
    GIVES("timestamp(0)", "1999-12-31 23:59:59.5", "1999-12-31 23:59:59"); /* away from 2000 */
    GIVES("timestamp(0)", "1999-12-31 23:59:59.500001", "2000-01-01 00:00:00");
    GIVES("timestamp(3)", "2026-11-21 10:00:00.1235", "2026-11-21 10:00:00.124");
    GIVES("timestamptz(1)", "2026-11-21 10:00:00.05+00", "2026-11-21 10:00:00.1+00");
    GIVES("timestamptz(3)", "infinity", "infinity");
    REJECTS("timestamp(0)", "294247-01-10 04:00:54.5", HR_REASON_RANGE, "294247");
    CHECK(hr_fraction_micros("", 0) == 0 && hr_fraction_micros("9", 1) == 900000 && hr_fraction_micros("9999999", 7) == 1000000);
    CHECK(hr_decimal_double("15", 2, 1) == 1.5 && hr_decimal_double("12345678901234567890", 20, 20) == 0.1234567890123456789);
    for (int digits = 7; digits <= 40; digits++) /* against the C library, with its own decimal point */
        for (int i = 0; i < 200; i++) {
            char text[64] = "0.";
            for (int d = 0; d < digits; d++)
                text[2 + d] = (char)('0' + rand() % 10);
            text[2 + digits] = '\0';
            CHECK(hr_fraction_micros(text + 2, (size_t)digits) == (int64_t)rint(strtod(text, NULL) * 1000000.0), "%s", text);
        }
}

/* A column of the type with the unit given, a number in, the text out. */
static void number_gives(int line, const char *type_name, hr_time_unit unit, hr_token token, const void *s, size_t n, const char *want)
{
    value_column value;
    int rc;

    value_open(&value, type_name);
    value.type.unit = unit;
    rc = value_parse_n(&value, token, s, n);
    if (want == NULL || want[0] == '!') {
        CHECK(rc == HR_EDATA, "line %d: was accepted as %s", line, rc == HR_OK ? value_text(&value, 0) : "?");
        if (want != NULL)
            CHECK(strstr(value.error.message, want + 1) != NULL, "line %d: %s", line, value.error.message);
        CHECK(value.column.length == 0);
    } else {
        CHECK(rc == HR_OK, "line %d: %s", line, value.error.message);
        if (rc == HR_OK)
            CHECK(strcmp(value_text(&value, 0), want) == 0, "line %d: got %s want %s", line, value_text(&value, 0), want);
    }
    value_close(&value);
}
#define NUMBER(type_name, unit, s, want) number_gives(__LINE__, type_name, unit, HR_TOKEN_NUMBER, s, strlen(s), want)

static void test_numbers(void)
{
    const int64_t whole = 1795255200123, nanos[] = {1500, 2500, -1500, -2500, 1501}, lowest = INT64_MIN;
    const char *nanos_want[] = {"1970-01-01 00:00:00.000002", "1970-01-01 00:00:00.000002", "1969-12-31 23:59:59.999998",
                                "1969-12-31 23:59:59.999998", "1970-01-01 00:00:00.000002"};
    const double real = 1795255200.125, not_a_number = NAN, infinite = INFINITY;

    NUMBER("timestamptz", HR_UNIT_S, "1795255200", "2026-11-21 10:00:00+00");
    NUMBER("timestamptz", HR_UNIT_S, "1795255200.123456", "2026-11-21 10:00:00.123456+00");
    NUMBER("timestamptz", HR_UNIT_S, "1795255200.1234565", "2026-11-21 10:00:00.123456+00");
    NUMBER("timestamptz", HR_UNIT_S, "1795255200.12345650000000000000000000000000000001", "2026-11-21 10:00:00.123457+00");
    NUMBER("timestamptz", HR_UNIT_S, "1.7952552e9", "2026-11-21 10:00:00+00");
    NUMBER("timestamptz", HR_UNIT_S, "17952552000E-1", "2026-11-21 10:00:00+00");
    NUMBER("timestamptz", HR_UNIT_S, "-0.5", "1969-12-31 23:59:59.5+00");
    NUMBER("timestamptz", HR_UNIT_S, "0e999999999999", "1970-01-01 00:00:00+00");
    NUMBER("timestamptz", HR_UNIT_S, "1e-999999999999", "1970-01-01 00:00:00+00");
    NUMBER("timestamptz", HR_UNIT_MS, "1795255200123", "2026-11-21 10:00:00.123+00");
    NUMBER("timestamptz", HR_UNIT_MS, "1795255200123.456", "2026-11-21 10:00:00.123456+00");
    NUMBER("timestamptz", HR_UNIT_US, "1795255200123456", "2026-11-21 10:00:00.123456+00");
    NUMBER("timestamptz", HR_UNIT_NS, "1795255200123456789", "2026-11-21 10:00:00.123457+00");
    NUMBER("timestamptz", HR_UNIT_DAYS, "20778", "2026-11-21 00:00:00+00");
    NUMBER("timestamp(0)", HR_UNIT_MS, "1500", "1970-01-01 00:00:01"); /* half away from 2000 */
    NUMBER("timestamp(0)", HR_UNIT_MS, "1795255200500", "2026-11-21 10:00:01");
    NUMBER("timestamp", HR_UNIT_S, "9223372036854.775806", "294247-01-10 04:00:54.775806");
    NUMBER("timestamp", HR_UNIT_S, "9223372036854.775807", "!out of range");
    NUMBER("timestamp", HR_UNIT_S, "9223372036854775807", "!out of range");
    NUMBER("timestamp", HR_UNIT_S, "1e30", "!out of range");
    NUMBER("timestamp", HR_UNIT_S, "-210866803201", "!4713 BC");
    NUMBER("timestamp", HR_UNIT_DAYS, "99999999999999", "!out of range");
    NUMBER("timestamp", HR_UNIT_NONE, "1795255200", "!a number needs a unit: map the column with unit s, ms, us or ns");
    NUMBER("date", HR_UNIT_DAYS, "20778", "2026-11-21");
    NUMBER("date", HR_UNIT_DAYS, "20778.0", "2026-11-21");
    NUMBER("date", HR_UNIT_DAYS, "-1", "1969-12-31");
    NUMBER("date", HR_UNIT_DAYS, "2145042905", "5874897-12-31");
    NUMBER("date", HR_UNIT_DAYS, "2145042906", "!5874897");
    NUMBER("date", HR_UNIT_DAYS, "-2440588", "4714-11-24 BC");
    NUMBER("date", HR_UNIT_DAYS, "-2440589", "!4713 BC");
    NUMBER("date", HR_UNIT_DAYS, "1.5", "!whole number");
    NUMBER("date", HR_UNIT_MS, "1795255200123", "2026-11-21");
    NUMBER("date", HR_UNIT_MS, "-1", "1969-12-31");
    NUMBER("date", HR_UNIT_NONE, "20261121", "!a number needs a unit: map the column with unit days");
    NUMBER("time", HR_UNIT_MS, "36000500", "10:00:00.5");
    NUMBER("time", HR_UNIT_US, "86400000000", "24:00:00");
    NUMBER("time", HR_UNIT_US, "86400000001", "!from 0 to 86400 seconds");
    NUMBER("time", HR_UNIT_US, "-1", "!from 0 to 86400 seconds");
    NUMBER("time", HR_UNIT_DAYS, "0", "!cannot be counted in days");
    number_gives(__LINE__, "timestamptz", HR_UNIT_MS, HR_TOKEN_INT64, &whole, 8, "2026-11-21 10:00:00.123+00");
    number_gives(__LINE__, "timestamptz", HR_UNIT_S, HR_TOKEN_INT64, &lowest, 8, "!-9223372036854775808 seconds");
    number_gives(__LINE__, "timestamptz", HR_UNIT_NONE, HR_TOKEN_INT64, &whole, 8, "!needs a unit");
    number_gives(__LINE__, "timestamptz", HR_UNIT_S, HR_TOKEN_FLOAT64, &real, 8, "2026-11-21 10:00:00.125+00");
    number_gives(__LINE__, "timestamptz", HR_UNIT_S, HR_TOKEN_FLOAT64, &not_a_number, 8, "!out of range");
    number_gives(__LINE__, "date", HR_UNIT_DAYS, HR_TOKEN_FLOAT64, &infinite, 8, "!out of range");
    number_gives(__LINE__, "date", HR_UNIT_DAYS, HR_TOKEN_FLOAT64, &real, 8, "!whole number");
    for (size_t i = 0; i < sizeof(nanos) / sizeof(nanos[0]); i++)
        number_gives(__LINE__, "timestamp", HR_UNIT_NS, HR_TOKEN_INT64, &nanos[i], 8, nanos_want[i]);
    /* a CSV field or a string that is a number, in a column with a unit; without one it is a basic date */
    number_gives(__LINE__, "timestamptz", HR_UNIT_MS, HR_TOKEN_TEXT, " 1795255200123 ", 15, "2026-11-21 10:00:00.123+00");
    number_gives(__LINE__, "timestamptz", HR_UNIT_S, HR_TOKEN_STRING, "1795255200", 10, "2026-11-21 10:00:00+00");
    number_gives(__LINE__, "timestamptz", HR_UNIT_MS, HR_TOKEN_STRING, "2026-11-21T10:00:00Z", 20, "2026-11-21 10:00:00+00");
    number_gives(__LINE__, "date", HR_UNIT_NONE, HR_TOKEN_TEXT, "20261121", 8, "2026-11-21");
    number_gives(__LINE__, "timestamptz", HR_UNIT_MS, HR_TOKEN_TRUE, "true", 4, "!invalid");
    number_gives(__LINE__, "timestamptz", HR_UNIT_MS, HR_TOKEN_OBJECT, "{}", 2, "!invalid");
}

/* The fast way must say what the general way says, or leave the text to it. */
static void test_fast_equals_general(void)
{
    static const char *const kinds[] = {"date", "time", "timestamp", "timestamptz"};
    static const char noise[] = "0123456789-:.TZ+ tz/";
    static const char *const tails[] = {"", "Z", "+00", "-08", "+0530", "+05:30", "z", " Z", "+5", "-15:59", "+16", "+05:60",
                                        ".", ".1", ".12",
                                        ".123", ".1234", ".12345", ".123456", ".1234567", ".123456789", ".000001Z", ".123Z", ".123456+01",
                                        ".12-0130", ".1234+02:00", "ZZ", "+00:00:01", "UTC", " AD"};
    value_column columns[4];
    long fast = 0, accepted = 0;

    for (int k = 0; k < 4; k++)
        value_open(&columns[k], kinds[k]);
    srand(7);
    for (int round = 0; round < 60000; round++) {
        char text[80];
        int year = rand() % 8 ? 1900 + rand() % 300 : rand() % 10000;
        int n = snprintf(text, sizeof(text), "%04d-%02d-%02d%c%02d:%02d:%02d%s", year, rand() % 40 ? 1 + rand() % 12 : rand() % 16,
                         rand() % 20 ? 1 + rand() % 28 : rand() % 34, " T"[rand() % 2], rand() % 20 ? rand() % 24 : rand() % 27,
                         rand() % 20 ? rand() % 60 : rand() % 63, rand() % 20 ? rand() % 60 : rand() % 63,
                         tails[(size_t)rand() % (sizeof(tails) / sizeof(tails[0]))]);
        if (rand() % 4 == 0)
            text[rand() % n] = noise[(size_t)rand() % (sizeof(noise) - 1)];
        if (rand() % 16 == 0)
            n = rand() % (n + 1);
        for (int k = 0; k < 4; k++) {
            value_column *value = &columns[k];
            const char *s = k == 1 && n >= 11 ? text + 11 : text;
            size_t length = (size_t)(k == 0 && n > 10 ? 10 : k == 1 && n >= 11 ? n - 11 : n);
            hr_datetime general;
            int rc = value_parse_n(value, HR_TOKEN_STRING, s, length), want = hr_datetime_scan(&value->type, s, length, &general, NULL);
            CHECK(rc == want, "%s '%.*s': %d, general %d", kinds[k], (int)length, s, rc, want);
            if (rc != HR_OK || want != HR_OK)
                continue;
            int64_t days = general.has_date ? hr_civil_days(general.date.year, general.date.month, general.date.day) : 0;
            int64_t micros = days * HR_MICROS_PER_DAY + general.time - (k == 3 ? general.offset * HR_MICROS_PER_SECOND : 0);
            int64_t got = k == 0 ? hr_column_get_int32(&value->column, 0) : hr_column_get_int64(&value->column, 0);
            CHECK(got == (k == 0 ? days : k == 1 ? general.time : micros), "%s '%.*s': %lld", kinds[k], (int)length, s, (long long)got);
            accepted++;
            hr_column_truncate(&value->column, 0);
        }
        fast++;
    }
    CHECK(fast == 60000 && accepted > 60000, "only %ld accepted", accepted);
    for (int k = 0; k < 4; k++)
        value_close(&columns[k]);
}

/* Binary fields that no server sends. */
static void test_binary_rejects(void)
{
    static const struct {
        const char *type;
        uint8_t bytes[8];
        int32_t n;
    } cases[] = {
        {"date", {0, 0, 0}, 3},
        {"date", {0x7f, 0xff, 0xff, 0xfe}, 4},
        {"date", {0x80, 0, 0, 1}, 4},
        {"time", {0, 0, 0, 0}, 4},
        {"time", {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 8},
        {"time", {0, 0, 0, 0x14, 0x1d, 0xd7, 0x60, 0x01}, 8},
        {"timestamp", {0}, 7},
        {"timestamp", {0x80, 0, 0, 0, 0, 0, 0, 1}, 8},
        {"timestamptz", {0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe}, 8},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        value_column value;
        value_open(&value, cases[i].type);
        CHECK(hr_type_ops_of(&value.type)->read_binary(&value.type, cases[i].bytes, cases[i].n, &value.column, &value.error) == HR_EDATA,
              "case %zu", i);
        CHECK(value.column.length == 0 && value.error.message[0] != '\0');
        value_close(&value);
    }
}

int main(void)
{
    test_civil();
    test_date();
    test_time();
    test_timestamp();
    test_timestamptz();
    test_rounding();
    test_numbers();
    test_fast_equals_general();
    test_binary_rejects();
    value_faults("date", HR_TOKEN_TEXT, "2026-11-21");
    value_faults("time", HR_TOKEN_TEXT, "10:00:00.5");
    value_faults("timestamp", HR_TOKEN_TEXT, "2026-11-21 24:00:00");
    value_faults("timestamptz", HR_TOKEN_TEXT, "2026-11-21T10:00:00.123456Z");
    return CHECK_DONE();
}
