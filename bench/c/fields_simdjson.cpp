/* bench/c/fields_simdjson.cpp: uid and ts of frames by simdjson, one thread, one parser for all frames, room behind the text for its reads.
 *
 * fields_simdjson ondemand|dom FILE PASSES   {"seconds": ..., "records": ..., "sum": ...}: of uid and ts; reading the file is not timed
 * fields_simdjson ondemand|dom check         the names of the damaged frames that it takes, a line each
 */
#include <simdjson.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "damaged.h"

using namespace simdjson;

/* Both ways leave a frame's numbers in uid and ts; false when they refuse it. */
static bool ondemand_fields(ondemand::parser &parser, const char *line, size_t n, size_t room, uint64_t &uid, uint64_t &ts)
{
    ondemand::document document;

    return !parser.iterate(line, n, room).get(document) && !document["uid"].get(uid) && !document["ts"].get(ts);
}

static bool dom_fields(dom::parser &parser, const char *line, size_t n, uint64_t &uid, uint64_t &ts)
{
    dom::element document;

    return !parser.parse(line, n, false).get(document) && !document["uid"].get(uid) && !document["ts"].get(ts);
}

static int check(bool dom)
{
    ondemand::parser parser;
    dom::parser dom_parser;

    for (const auto &each : damaged) {
        padded_string text(each.text, std::strlen(each.text));
        uint64_t uid = 0, ts = 0;

        if (dom ? dom_fields(dom_parser, text.data(), text.size(), uid, ts)
                : ondemand_fields(parser, text.data(), text.size(), text.size() + SIMDJSON_PADDING, uid, ts))
            std::printf("%s\n", each.what);
    }
    return 0;
}

int main(int argc, char **argv)
{
    ondemand::parser parser;
    dom::parser dom_parser;
    padded_string text;
    long long records = 0;
    uint64_t sum = 0;

    if (argc < 3 || (std::strcmp(argv[1], "ondemand") != 0 && std::strcmp(argv[1], "dom") != 0)) {
        std::fprintf(stderr, "usage: fields_simdjson ondemand|dom FILE PASSES | check\n");
        return 2;
    }
    const bool dom = std::strcmp(argv[1], "dom") == 0;
    if (std::strcmp(argv[2], "check") == 0)
        return check(dom);
    if (argc != 4 || padded_string::load(argv[2]).get(text)) {
        std::fprintf(stderr, "fields_simdjson: %s cannot be read\n", argv[2]);
        return 1;
    }
    const char *data = text.data(), *end = data + text.size();
    const auto start = std::chrono::steady_clock::now();
    for (long pass = std::strtol(argv[3], nullptr, 10); pass > 0; pass--) {
        for (const char *line = data; line < end; records++) {
            const char *stop = static_cast<const char *>(std::memchr(line, '\n', static_cast<size_t>(end - line)));
            const size_t n = static_cast<size_t>(stop - line), room = static_cast<size_t>(end - line) + SIMDJSON_PADDING;
            uint64_t uid = 0, ts = 0;

            if (!(dom ? dom_fields(dom_parser, line, n, uid, ts) : ondemand_fields(parser, line, n, room, uid, ts))) {
                std::fprintf(stderr, "fields_simdjson: a frame was refused\n");
                return 1;
            }
            sum += uid + ts;
            line = stop + 1;
        }
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    std::printf("{\"seconds\": %.6f, \"records\": %lld, \"sum\": %llu}\n", seconds.count(), records, static_cast<unsigned long long>(sum));
    return 0;
}
