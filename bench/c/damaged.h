/* bench/c/damaged.h: frames that are not JSON, each for one reason. All have uid and ts in front. For those who say what they check. */
#ifndef BENCH_DAMAGED_H
#define BENCH_DAMAGED_H

static const struct {
    const char *what, *text;
} damaged[] = {
    {"a number that is none", "{\"uid\":1,\"ts\":2,\"a\":{\"b\":1.2.3,\"c\":[1,2,3]},\"z\":\"the end\"}"},
    {"a needless zero", "{\"uid\":1,\"ts\":2,\"a\":{\"b\":007,\"c\":[1,2,3]},\"z\":\"the end\"}"},
    {"a literal that is none", "{\"uid\":1,\"ts\":2,\"a\":{\"b\":treu,\"c\":[1,2,3]},\"z\":\"the end\"}"},
    {"a missing value", "{\"uid\":1,\"ts\":2,\"a\":{\"b\":,\"c\":[1,2,3]},\"z\":\"the end\"}"},
    {"a missing comma", "{\"uid\":1,\"ts\":2,\"a\":{\"b\":1 \"c\":[1,2,3]},\"z\":\"the end\"}"},
    {"a comma too many", "{\"uid\":1,\"ts\":2,\"a\":{\"b\":1,\"c\":[1,2,3,]},\"z\":\"the end\"}"},
    {"a missing colon", "{\"uid\":1,\"ts\":2,\"a\":{\"b\" 1,\"c\":[1,2,3]},\"z\":\"the end\"}"},
    {"a wrong bracket", "{\"uid\":1,\"ts\":2,\"a\":{\"b\":1,\"c\":[1,2,3}},\"z\":\"the end\"}"},
    {"a key without quotes", "{\"uid\":1,\"ts\":2,\"a\":{b:1,\"c\":[1,2,3]},\"z\":\"the end\"}"},
    {"an unknown escape", "{\"uid\":1,\"ts\":2,\"a\":{\"b\":\"\\q\",\"c\":[1,2,3]},\"z\":\"the end\"}"},
    {"half a surrogate pair", "{\"uid\":1,\"ts\":2,\"a\":{\"b\":\"\\ud800\",\"c\":[1,2,3]},\"z\":\"the end\"}"},
    {"a control character in a string", "{\"uid\":1,\"ts\":2,\"a\":{\"b\":\"x\ny\",\"c\":[1,2,3]},\"z\":\"the end\"}"},
    {"a string without an end", "{\"uid\":1,\"ts\":2,\"a\":{\"b\":1,\"c\":[1,2,3]},\"z\":\"the end}"},
    {"no UTF-8", "{\"uid\":1,\"ts\":2,\"a\":{\"b\":\"\xc3(\",\"c\":[1,2,3]},\"z\":\"the end\"}"},
    {"text behind the end", "{\"uid\":1,\"ts\":2,\"a\":{\"b\":1,\"c\":[1,2,3]},\"z\":\"the end\"}}"},
};
#define DAMAGED_COUNT (sizeof(damaged) / sizeof(damaged[0]))

#endif
