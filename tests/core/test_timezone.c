/* tests/core/test_timezone.c: TZif files and POSIX rules against the C library, local times as PostgreSQL reads them, damaged files. */
#include "core/types/timezone.h"

#include <time.h>

#include "core/types/civil.h"
#include "faults.h"
#include "zone_file.h"

static char folder[64];

static int64_t utc(int year, int month, int day, int hour, int minute)
{
    return ((hr_civil_days(year, month, day) * 24 + hour) * 60 + minute) * HR_MICROS_PER_MINUTE;
}

static hr_timezone *load(const char *name)
{
    hr_timezone *zone = NULL;
    hr_error error;
    int rc;

    hr_error_clear(&error);
    rc = hr_timezone_load(name, folder, &zone, &error);
    CHECK(rc == HR_OK, "%s: %s", name, error.message);
    if (rc != HR_OK)
        exit(CHECK_DONE());
    return zone;
}

/* Compare offsets with localtime_r() under TZ=libc at random instants from year to year. */
static void compare_with_libc(const hr_timezone *zone, const char *libc, int from, int to, int rounds)
{
    int64_t low = hr_civil_days(from, 1, 1) * 86400, high = hr_civil_days(to, 1, 1) * 86400;

    setenv("TZ", libc, 1);
    tzset();
    for (int i = 0; i < rounds; i++) {
        time_t t = (time_t)(low + (int64_t)((double)rand() / RAND_MAX * (double)(high - low)));
        struct tm local;
        localtime_r(&t, &local);
        int32_t offset = hr_timezone_offset(zone, (int64_t)t * HR_MICROS_PER_SECOND + 999999);
        CHECK(offset == local.tm_gmtoff, "%s at %lld: %d, libc %ld", libc, (long long)t, offset, local.tm_gmtoff);
    }
}

static void test_rules(void)
{
    static const struct {
        const char *rule;
        int32_t standard;
    } rules[] = {
        {"CET-1CEST,M3.5.0,M10.5.0/3", 3600},      {"EST5EDT,M3.2.0,M11.1.0", -18000},        {"EET-2EEST,M3.5.0/0,M10.5.0/0", 7200},
        {"AEST-10AEDT,M10.1.0,M4.1.0/3", 36000},   {"<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", 37800}, {"IST-2IDT,M3.4.4/26,M10.5.0", 7200},
        {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", -7200}, {"<-03>3", -10800},                        {"NZST-12NZDT,M9.5.0,M4.1.0/3", 43200},
        {"AAA3BBB,J60/2,J300/2", -10800},          {"AAA3BBB,59,300", -10800},                {"IST-1GMT0,M10.5.0,M3.5.0/1", 3600},
        {"<+0330>-3:30:15", 12615},                {"AAA-5BBB,M12.5.6/23,M1.1.0/1", 18000},
    };
    static const char *const names[] = {"rule", NULL};
    hr_timezone *zone;

    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        zone_write_rule(folder, names[0], rules[i].standard, rules[i].rule);
        zone = load(names[0]);
        compare_with_libc(zone, rules[i].rule, 1971, 2450, 4000);
        hr_timezone_free(zone);
    }
    /* daylight time all year, as RFC 8536 spells it: always 4 hours west */
    zone_write_rule(folder, names[0], -14400, "XXX3EDT4,0/0,J365/23");
    zone = load(names[0]);
    for (int64_t day = hr_civil_days(2023, 12, 1); day < hr_civil_days(2025, 2, 1); day++)
        for (int hour = 0; hour < 24; hour++) {
            int64_t micros = day * HR_MICROS_PER_DAY + hour * HR_MICROS_PER_HOUR;
            CHECK(hr_timezone_offset(zone, micros) == -14400, "%lld", (long long)micros);
        }
    hr_timezone_free(zone);
}

static void test_transitions(void)
{
    static const zone_change warsaw[] = {{INT64_C(-2840145840), 5040}, {-1717032240, 3600}, {-1693706400, 7200}, {-1680483600, 3600},
                                         {-1663455600, 7200},          {-1650150000, 3600}, {-931734000, 7200},  {1130634000, 3600},
                                         {1143334800, 7200},           {1162083600, 3600}};
    zone_bytes bytes;
    char path[128];
    hr_timezone *zone;

    for (char version = '1'; version <= '4'; version++) {
        size_t skip = version == '1'; /* its first transition needs 64 bits */
        char name[] = "zone?";
        name[4] = version; /* the C library keeps what it read under a name */
        snprintf(path, sizeof(path), ":%s/%s", folder, name);
        zone_make(&bytes, version, 5040, warsaw + skip, sizeof(warsaw) / sizeof(warsaw[0]) - skip, "CET-1CEST,M3.5.0,M10.5.0/3");
        zone_write(folder, name, bytes.data, bytes.n);
        zone = load(name);
        CHECK(strcmp(hr_timezone_name(zone), name) == 0);
        CHECK(hr_timezone_offset(zone, utc(1850, 1, 1, 0, 0)) == 5040);
        CHECK(hr_timezone_offset(zone, INT64_MIN) == 5040);
        CHECK(hr_timezone_offset(zone, INT64_C(-1717032240) * 1000000 - 1) == 5040);
        CHECK(hr_timezone_offset(zone, INT64_C(-1717032240) * 1000000) == 3600);
        CHECK(hr_timezone_offset(zone, utc(2000, 7, 1, 0, 0)) == 7200);
        CHECK(hr_timezone_offset(zone, utc(2026, 7, 1, 0, 0)) == (version == '1' ? 3600 : 7200));
        CHECK(hr_timezone_offset(zone, INT64_MAX) == 3600);
        compare_with_libc(zone, path, 1901, 2006, 4000); /* without the rule */
        if (version > '1')
            compare_with_libc(zone, path, 2007, 2300, 4000);
        hr_timezone_free(zone);
    }
}

static void check_local(const char *rule, int32_t standard, int64_t local, int64_t want)
{
    hr_timezone *zone;

    zone_write_rule(folder, "rule", standard, rule);
    zone = load("rule");
    CHECK(hr_timezone_to_utc(zone, local) == want, "%s: %lld, want %lld", rule, (long long)hr_timezone_to_utc(zone, local),
          (long long)want);
    hr_timezone_free(zone);
}

/* The server's answers for the same zones. */
static void test_gaps_and_overlaps(void)
{
    static const char warsaw[] = "CET-1CEST,M3.5.0,M10.5.0/3", beirut[] = "EET-2EEST,M3.5.0/0,M10.5.0/0";
    static const char havana[] = "CST5CDT,M3.2.0/0,M11.1.0/1";
    static const zone_change sao_paulo[] = {{1541300400, -7200}, {1550368800, -10800}};
    static const zone_change apia[] = {{1325239200, 50400}};
    zone_bytes bytes;
    hr_timezone *zone;

    check_local(warsaw, 3600, utc(2026, 7, 1, 12, 0), utc(2026, 7, 1, 10, 0));
    check_local(warsaw, 3600, utc(2026, 1, 1, 0, 0), utc(2025, 12, 31, 23, 0));
    check_local(warsaw, 3600, utc(2026, 3, 29, 1, 59), utc(2026, 3, 29, 0, 59));
    check_local(warsaw, 3600, utc(2026, 3, 29, 2, 0), utc(2026, 3, 29, 1, 0));   /* the gap: by the offset before */
    check_local(warsaw, 3600, utc(2026, 3, 29, 2, 30), utc(2026, 3, 29, 1, 30));
    check_local(warsaw, 3600, utc(2026, 3, 29, 3, 0), utc(2026, 3, 29, 1, 0));
    check_local(warsaw, 3600, utc(2026, 10, 25, 1, 59), utc(2026, 10, 24, 23, 59));
    check_local(warsaw, 3600, utc(2026, 10, 25, 2, 0), utc(2026, 10, 25, 1, 0)); /* the overlap: by the offset after */
    check_local(warsaw, 3600, utc(2026, 10, 25, 2, 30), utc(2026, 10, 25, 1, 30));
    check_local(warsaw, 3600, utc(2026, 10, 25, 3, 0), utc(2026, 10, 25, 2, 0));
    check_local(beirut, 7200, utc(2026, 3, 29, 0, 0), utc(2026, 3, 28, 22, 0)); /* midnight does not exist */
    check_local(beirut, 7200, utc(2026, 10, 25, 0, 0), utc(2026, 10, 24, 22, 0));
    check_local(havana, -18000, utc(2026, 3, 8, 0, 0), utc(2026, 3, 8, 5, 0));
    check_local(havana, -18000, utc(2026, 11, 1, 0, 0), utc(2026, 11, 1, 5, 0)); /* midnight comes twice */
    zone_make(&bytes, '2', -10800, sao_paulo, 2, "<-03>3");
    zone_write(folder, "zone", bytes.data, bytes.n);
    zone = load("zone");
    CHECK(hr_timezone_to_utc(zone, utc(2018, 11, 4, 0, 0)) == utc(2018, 11, 4, 3, 0));
    CHECK(hr_timezone_to_utc(zone, utc(2018, 11, 4, 0, 30)) == utc(2018, 11, 4, 3, 30));
    CHECK(hr_timezone_to_utc(zone, utc(2019, 2, 16, 23, 30)) == utc(2019, 2, 17, 2, 30));
    CHECK(hr_timezone_to_utc(zone, utc(2019, 2, 17, 0, 0)) == utc(2019, 2, 17, 3, 0));
    hr_timezone_free(zone);
    zone_make(&bytes, '2', -36000, apia, 1, "<+14>-14");
    zone_write(folder, "zone", bytes.data, bytes.n);
    zone = load("zone");
    CHECK(hr_timezone_to_utc(zone, utc(2011, 12, 30, 0, 0)) == utc(2011, 12, 30, 10, 0)); /* a day that never was */
    CHECK(hr_timezone_to_utc(zone, utc(2011, 12, 31, 0, 0)) == utc(2011, 12, 30, 10, 0));
    CHECK(hr_timezone_to_utc(zone, INT64_MIN) == INT64_MIN + 36000 * HR_MICROS_PER_SECOND);
    CHECK(hr_timezone_to_utc(zone, INT64_MAX) == INT64_MAX - 50400 * HR_MICROS_PER_SECOND);
    hr_timezone_free(zone);
    zone_make(&bytes, '2', 3600, NULL, 0, "AAA-1");
    zone_write(folder, "zone", bytes.data, bytes.n);
    zone = load("zone");
    CHECK(hr_timezone_to_utc(zone, INT64_MIN) == INT64_MIN);
    hr_timezone_free(zone);
}

static void test_names(void)
{
    static const char *const bad[] = {"",      "../zone", "a/../../zone", "/etc/passwd", "no/such/zone", "zone/x", "a b", "zone\n", "..",
                                      "sub/..", "."};
    char long_name[400];
    hr_timezone *zone = (hr_timezone *)&zone;
    hr_error error;

    memset(long_name, 'a', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK(hr_timezone_load(bad[i], folder, &zone, &error) == HR_EUSAGE && zone == NULL, "'%s'", bad[i]);
        CHECK(error.fatal && error.message[0] != '\0');
    }
    CHECK(hr_timezone_load(long_name, folder, &zone, &error) == HR_EUSAGE);
    CHECK(hr_timezone_load("no/such/zone", NULL, &zone, &error) == HR_EUSAGE && strstr(error.message, "no/such/zone") != NULL, "%s",
          error.message);
    CHECK(hr_timezone_load("no/such/zone", NULL, &zone, NULL) == HR_EUSAGE);
    CHECK(hr_timezone_load("UTC", "/no/such/folder", &zone, &error) == HR_OK);
    CHECK(hr_timezone_offset(zone, 0) == 0 && hr_timezone_to_utc(zone, 12345) == 12345 && strcmp(hr_timezone_name(zone), "UTC") == 0);
    hr_timezone_free(zone);
    CHECK(hr_timezone_offset(NULL, 5) == 0 && hr_timezone_to_utc(NULL, 5) == 5 && strcmp(hr_timezone_name(NULL), "UTC") == 0);
    hr_timezone_free(NULL);
    zone_write_rule(folder, "rule", 3600, "AAA-1");
    setenv("TZDIR", folder, 1);
    CHECK(hr_timezone_load("rule", NULL, &zone, &error) == HR_OK, "%s", error.message);
    CHECK(hr_timezone_offset(zone, 0) == 3600);
    hr_timezone_free(zone);
    unsetenv("TZDIR");
}

/* Files cut anywhere and files with any byte changed: an error or a zone that answers, never more. */
static void test_damage(void)
{
    static const zone_change changes[] = {{-5000000000, 3600}, {0, 7200}, {1000000000, 3600}};
    static const char *const footers[] = {"A-1", "AAA3:00:99", "AAA3:99", "AAA", "AAA-1BBB", "AAA-1BBB,M3.5.0", "AAA-1BBB,M13.5.0,M10.5.0",
                                          "AAA-1BBB,M3.6.0,M10.5.0",
                                          "AAA-1BBB,M3.5.7,M10.5.0", "AAA-1BBB,J0,J1", "AAA-1BBB,366,1", "AAA-168", "AAA-1:60", "<AAA-1",
                                          "<>-1", "AAA-1BBB,M3.5.0,M10.5.0x", "AAA-1 ", "AAA-99999999999"};
    zone_bytes bytes;
    hr_timezone *zone;
    hr_error error;
    size_t whole;
    int loaded = 0;

    zone_make(&bytes, '2', 3600, changes, 3, "CET-1CEST,M3.5.0,M10.5.0/3");
    whole = bytes.n;
    for (size_t n = 0; n <= whole; n++) {
        zone_write(folder, "zone", bytes.data, n);
        int rc = hr_timezone_load("zone", folder, &zone, &error);
        CHECK(rc == HR_OK || (rc == HR_EUSAGE && zone == NULL), "%zu: %d", n, rc);
        CHECK(n < whole || rc == HR_OK);
        loaded += rc == HR_OK;
        hr_timezone_free(zone);
    }
    CHECK(loaded == 2, "%d", loaded); /* whole, and without the footer */
    srand(5);
    for (int i = 0; i < 4000; i++) {
        zone_bytes damaged = bytes;
        for (int k = rand() % 3; k >= 0; k--)
            damaged.data[(size_t)rand() % whole] = (uint8_t)(rand() % 4 ? rand() : rand() % 2 * 255);
        zone_write(folder, "zone", damaged.data, whole);
        if (hr_timezone_load("zone", folder, &zone, &error) == HR_OK)
            for (int k = 0; k < 20; k++) {
                int64_t micros = ((int64_t)rand() << 32 ^ rand()) * (k % 2 ? 1 : -1);
                int32_t offset = hr_timezone_offset(zone, micros);
                CHECK(offset > -700000 && offset < 700000);
                hr_timezone_to_utc(zone, micros);
            }
        hr_timezone_free(zone);
    }
    for (size_t i = 1; i < sizeof(footers) / sizeof(footers[0]); i++) {
        zone_write_rule(folder, "zone", 3600, footers[i]);
        CHECK(hr_timezone_load("zone", folder, &zone, &error) == HR_EUSAGE, "%s", footers[i]);
    }
    zone_make(&bytes, '2', 3600, changes, 3, "");
    zone_write(folder, "zone", bytes.data, bytes.n);
    zone = load("zone"); /* an empty footer is no rule */
    CHECK(hr_timezone_offset(zone, utc(2100, 7, 1, 0, 0)) == 3600);
    hr_timezone_free(zone);
    bytes.data[44 + 16 + 28 - 1] = 1; /* pretend a leap second in the second header's count, without room for it */
    zone_write(folder, "zone", bytes.data, bytes.n);
    CHECK(hr_timezone_load("zone", folder, &zone, &error) == HR_EUSAGE);
    CHECK(hr_timezone_load(".", folder, &zone, &error) == HR_EUSAGE && strstr(error.message, "Europe/Warsaw") != NULL, "%s", error.message);
}

static void test_faults(void)
{
    static const zone_change changes[] = {{0, 7200}, {1000000000, 3600}};
    zone_bytes bytes;
    bool done = false;

    zone_make(&bytes, '2', 3600, changes, 2, "CET-1CEST,M3.5.0,M10.5.0/3");
    zone_write(folder, "zone", bytes.data, bytes.n);
    for (int n = 1; !done && n < 20; n++) {
        hr_timezone *zone, *utc_zone;
        hr_error error;
        int rc;
        hr_fault_arm(n, false);
        rc = hr_timezone_load("zone", folder, &zone, &error);
        if (rc == HR_OK)
            rc = hr_timezone_load("UTC", NULL, &utc_zone, &error);
        else
            utc_zone = NULL;
        done = !hr_fault_fired();
        hr_fault_arm(0, false);
        CHECK(rc == (done ? HR_OK : HR_ENOMEM) && (rc == HR_OK || zone == NULL || utc_zone == NULL), "%d: %d", n, rc);
        hr_timezone_free(zone);
        hr_timezone_free(utc_zone);
    }
    CHECK(done);
}

int main(void)
{
    static const char *const files[] = {"rule", "zone", "zone1", "zone2", "zone3", "zone4", NULL};

    zone_folder(folder);
    test_rules();
    test_transitions();
    test_gaps_and_overlaps();
    test_names();
    test_damage();
    test_faults();
    zone_remove(folder, files);
    return CHECK_DONE();
}
