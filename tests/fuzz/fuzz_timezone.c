/* tests/fuzz/fuzz_timezone.c: any bytes as a TZif file: refused, or a zone that answers for every instant. The last 8 bytes are one. */
#include "core/types/civil.h"
#include "core/types/timezone.h"
#include "fuzz.h"

#define LIMIT (200 * 3600) /* of an offset, in seconds: the rule's own limit is 167 hours */

static void ask(const hr_timezone *zone, int64_t instant)
{
    int32_t offset = hr_timezone_offset(zone, instant);
    int64_t utc;

    FUZZ_AGREE(offset >= -LIMIT && offset <= LIMIT, "%d", (int)offset);
    utc = hr_timezone_to_utc(zone, instant);
    FUZZ_AGREE(utc - instant >= -LIMIT * HR_MICROS_PER_SECOND && utc - instant <= LIMIT * HR_MICROS_PER_SECOND, "%lld %lld",
               (long long)instant, (long long)utc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char folder[64], path[96];
    const int64_t far = INT64_C(9223371331200000000); /* the last timestamp of the types, and somewhat more than the first */
    uint64_t state = 1;
    hr_timezone *zone;
    hr_error error;
    FILE *file;

    if (folder[0] == '\0') {
        snprintf(folder, sizeof(folder), "%s/headrace-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        FUZZ_REQUIRE(mkdtemp(folder) != NULL);
        snprintf(path, sizeof(path), "%s/Zone", folder);
    }
    file = fopen(path, "wb");
    FUZZ_REQUIRE(file != NULL && fwrite(data, 1, size, file) == size && fclose(file) == 0);
    hr_error_clear(&error);
    int rc = hr_timezone_load("Zone", folder, &zone, &error);
    unlink(path);
    FUZZ_REQUIRE(rc == HR_OK || (rc == HR_EUSAGE && error.message[0] != '\0'));
    if (rc != HR_OK)
        return 0;
    if (size >= 8) {
        int64_t instant;
        memcpy(&instant, data + size - 8, 8);
        if (instant > -far && instant < far)
            ask(zone, instant);
    }
    for (int year = -4712; year <= 12000; year += year >= 1890 && year < 2110 ? 1 : 211) {
        int64_t start = hr_civil_days(year, 1, 1) * HR_MICROS_PER_DAY;
        for (int i = 0; i < 4; i++)
            ask(zone, start + (int64_t)(fuzz_next(&state) % (366u * 86400u)) * HR_MICROS_PER_SECOND);
    }
    ask(zone, far);
    ask(zone, -INT64_C(210866803200000000));
    hr_timezone_free(zone);
    return 0;
}
