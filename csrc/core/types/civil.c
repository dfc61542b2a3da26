/* csrc/core/types/civil.c: from day numbers to dates and ISO weeks. */
#include "civil.h"

const uint16_t hr_civil_days_before[13] = {0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};

/* Counts in years that start on 1 March, so that the leap day is the last of its year, its 4 years, its century and its 400 years. */
hr_civil hr_civil_from_days(int64_t days)
{
    /* since 1 March of the year HR_CIVIL_MIN_YEAR - 400: never negative */
    uint64_t since = (uint64_t)(days + HR_CIVIL_EPOCH + 366 + 146097 - 60);
    uint64_t eras = since / 146097;
    uint32_t rest = (uint32_t)(since % 146097), part;
    hr_civil date;

    date.year = HR_CIVIL_MIN_YEAR - 400 + (int32_t)(eras * 400);
    part = rest / 36524;
    part -= part == 4; /* the 29 February that ends the 400 years */
    date.year += (int32_t)part * 100;
    rest -= part * 36524;
    part = rest / 1461;
    date.year += (int32_t)part * 4;
    rest -= part * 1461;
    part = rest / 365;
    part -= part == 4;
    date.year += (int32_t)part;
    rest -= part * 365;
    part = (rest * 5 + 2) / 153; /* months since March: 153 days make five of them */
    date.day = (int32_t)(rest - (part * 153 + 2) / 5) + 1;
    date.month = (int32_t)(part < 10 ? part + 3 : part - 9);
    date.year += date.month <= 2;
    return date;
}

/* A week belongs to the year that holds its Thursday. */
void hr_civil_iso_week(int64_t days, int32_t *year, int32_t *week)
{
    int64_t thursday = days - hr_civil_weekday(days) + 3;

    *year = hr_civil_from_days(thursday).year;
    *week = (int32_t)((thursday - hr_civil_days(*year, 1, 1)) / 7) + 1;
}
