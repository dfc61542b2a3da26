/* tests/core/test_generate.c: made-up data is reproducible, linked, and exactly what it says it is. */
#include <inttypes.h>

#include "core/types/civil.h"
#include "core/generate/generate.h"
#include "decode_fixture.h"
#include "faults.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define RECORDS 60000

/* What the default settings make; any change of these lines changes everybody's data. */
#define PURCHASE_0 \
    "{\"purchase_id\":1,\"customer_id\":87969,\"product_id\":138,\"quantity\":1,\"amount\":40.79," \
    "\"currency\":\"EUR\",\"channel\":\"app\",\"purchased_at\":\"2025-12-11T13:10:53.191724Z\"}"
#define PURCHASE_0_KEY "87969"
#define PURCHASE_0_CSV "1,87969,138,1,40.79,EUR,app,2025-12-11T13:10:53.191724Z"
#define PURCHASE_5E9 \
    "{\"purchase_id\":5000000001,\"customer_id\":36320,\"product_id\":96,\"quantity\":2,\"amount\":104.02," \
    "\"currency\":\"EUR\",\"channel\":\"app\",\"purchased_at\":\"2025-11-16T11:41:03.813224Z\"}"
#define CUSTOMER_3 \
    "{\"customer_id\":4,\"name\":\"Rosa Nakamura\",\"email\":\"rosa.nakamura4@example.com\",\"city\":\"München\",\"country\":\"DE\"," \
    "\"segment\":\"private\",\"created_at\":\"2022-03-25T02:23:12.000000Z\"}"
#define PRODUCT_0 "1,Delta puzzle 848,toys,90.21"

static const fixture_column purchase_columns[] = {
    {"purchase_id", HR_INT8, NULL, true, false},  {"customer_id", HR_INT4, NULL, true, false},
    {"product_id", HR_INT4, NULL, true, false},   {"quantity", HR_INT4, NULL, true, false},
    {"amount", HR_DECIMAL, NULL, true, false},    {"currency", HR_TEXT, NULL, true, false},
    {"channel", HR_TEXT, NULL, true, false},      {"purchased_at", HR_TIMESTAMPTZ, NULL, true, false},
};
static const fixture_column product_columns[] = {
    {"product_id", HR_INT4, NULL, true, false},
    {"name", HR_TEXT, NULL, true, false},
    {"category", HR_TEXT, NULL, true, false},
    {"price", HR_DECIMAL, NULL, true, false},
};
static const fixture_column customer_columns[] = {
    {"customer_id", HR_INT4, NULL, true, false}, {"name", HR_TEXT, NULL, true, false},    {"email", HR_TEXT, NULL, true, false},
    {"city", HR_TEXT, NULL, true, false},        {"country", HR_TEXT, NULL, true, false}, {"segment", HR_TEXT, NULL, true, false},
    {"created_at", HR_TIMESTAMPTZ, NULL, true, false},
};

static void start(hr_generator *generator, const char *name, hr_generator_format format)
{
    hr_error error;

    if (hr_generator_init(generator, name, format, &error) != HR_OK)
        abort();
}

static void set(hr_generator *generator, const char *name, int64_t value)
{
    hr_error error;

    CHECK(hr_generator_set(generator, name, value, &error) == HR_OK, "%s: %s", name, error.message);
}

/* Record `index` as text, in one of a few buffers in turn. */
static const char *text_of(hr_generator *generator, int64_t index, hr_generated *about)
{
    static hr_buffer buffers[4];
    static int turn;
    hr_buffer *buffer = &buffers[turn++ & 3];
    hr_error error;

    buffer->size = 0;
    if (hr_generator_record(generator, index, buffer, about, &error) != HR_OK || hr_buffer_append(buffer, "", 1, &error) != HR_OK)
        abort();
    return (const char *)buffer->data;
}

/* These very bytes: the same on every machine and in every version, or demos and benchmarks cannot be compared. */
static void test_bytes(void)
{
    hr_generator g;
    hr_generated about;

    start(&g, "purchases", HR_GENERATE_JSON);
    CHECK_TEXT(text_of(&g, 0, &about), strlen(text_of(&g, 0, &about)), PURCHASE_0);
    CHECK_TEXT(about.key, about.key_len, PURCHASE_0_KEY);
    CHECK(strcmp(text_of(&g, INT64_C(5000000000), &about), PURCHASE_5E9) == 0, "%s", text_of(&g, INT64_C(5000000000), &about));
    start(&g, "purchases", HR_GENERATE_CSV);
    CHECK(strcmp(text_of(&g, 0, &about), PURCHASE_0_CSV) == 0, "%s", text_of(&g, 0, &about));
    start(&g, "customers", HR_GENERATE_JSON);
    CHECK(strcmp(text_of(&g, 3, &about), CUSTOMER_3) == 0, "%s", text_of(&g, 3, &about));
    start(&g, "products", HR_GENERATE_CSV);
    CHECK(strcmp(text_of(&g, 0, &about), PRODUCT_0) == 0, "%s", text_of(&g, 0, &about));
}

static void test_order(void)
{
    hr_generator a, b;
    hr_generated about_a, about_b;
    bool differs = false;

    start(&a, "purchases", HR_GENERATE_JSON);
    set(&a, "malformed", 100000);
    set(&a, "duplicate", 100000);
    b = a;
    for (int64_t i = 0; i < 2000; i++) {
        int64_t j = 1999 - i; /* the other way round: what was made before must not matter */
        char first[600];

        snprintf(first, sizeof(first), "%s", text_of(&a, j, &about_a));
        (void)text_of(&b, i, &about_b);
        CHECK(strcmp(first, text_of(&b, j, &about_b)) == 0);
        CHECK(about_a.kind == about_b.kind && about_a.key_len == about_b.key_len);
    }
    start(&a, "purchases", HR_GENERATE_JSON);
    start(&b, "purchases", HR_GENERATE_JSON);
    set(&b, "seed", 2);
    for (int64_t i = 0; i < 10; i++)
        differs = differs || strcmp(strchr(text_of(&a, i, &about_a), ','), strchr(text_of(&b, i, &about_b), ',')) != 0;
    CHECK(differs);
}

/* Every kind is what it says: the decoder of the intended table rejects it for the reason told, or loads it. */
static void test_kinds(void)
{
    static char *texts[RECORDS];
    hr_generator g;
    fixture f;
    int64_t made[HR_GENERATOR_KINDS] = {0}, late_before;
    const hr_generator_kind *kinds;

    start(&g, "purchases", HR_GENERATE_JSON);
    set(&g, "customers", 1000);
    set(&g, "products", 500);
    set(&g, "malformed", 80000);
    set(&g, "late", 20000);
    set(&g, "duplicate", 30000);
    set(&g, "unknown", 20000);
    set(&g, "extra", 10000);
    CHECK(hr_generator_check(&g, NULL) == HR_OK);
    kinds = g.ops->kinds;
    late_before = (g.ops->settings[3].fallback - 8 * 604800) * HR_MICROS_PER_SECOND;
    fixture_open(&f, "json", fixture_schema(purchase_columns, COUNT(purchase_columns)), NULL);
    for (int64_t i = 0; i < RECORDS; i++) {
        hr_generated about;
        const char *text = text_of(&g, i, &about), *kind = kinds[about.kind].name;
        int64_t row = f.batch->length, id = i + 1, customer, product, at;
        int rc = fixture_decode(&f, text);

        texts[i] = strdup(text);
        made[about.kind]++;
        if (kinds[about.kind].reason != HR_REASON_NONE) {
            CHECK(rc == HR_EDATA && f.error.reason == kinds[about.kind].reason, "%s: %s: %s", kind, text, f.error.message);
            continue;
        }
        CHECK(rc == HR_OK, "%s: %s", text, f.error.message);
        if (rc != HR_OK)
            break;
        id = strtoll(fixture_value(&f, "purchase_id", row), NULL, 10);
        customer = strtoll(fixture_value(&f, "customer_id", row), NULL, 10);
        product = strtoll(fixture_value(&f, "product_id", row), NULL, 10);
        memcpy(&at, f.batch->columns[7].values + 8 * row, 8);
        CHECK((customer > 1000) == (strcmp(kind, "unknown_customer") == 0) && customer >= 1, "%s", text);
        CHECK((product > 500) == (strcmp(kind, "unknown_product") == 0) && product >= 1, "%s", text);
        CHECK_TEXT(about.key, about.key_len, fixture_value(&f, "customer_id", row));
        CHECK((at < late_before) == (strcmp(kind, "late") == 0), "%s is %s", text, kind);
        CHECK(at < g.ops->settings[3].fallback * HR_MICROS_PER_SECOND);
        if (strcmp(kind, "duplicate") == 0)
            CHECK(id <= i && strcmp(texts[id - 1], text) == 0, "%s", text);
        else
            CHECK(id == i + 1);
    }
    for (int32_t k = 0; k < HR_GENERATOR_KINDS; k++) {
        CHECK(g.counts[k] == made[k], "kind %d: %" PRId64 " made, %" PRId64 " counted", (int)k, made[k], g.counts[k]);
        if (kinds[k].name == NULL)
            break;
        CHECK(made[k] > 0, "%s", kinds[k].name);
    }
    /* shares within five standard deviations */
    CHECK(made[1] > 1200 - 5 * 34 && made[1] < 1200 + 5 * 34, "late: %" PRId64, made[1]);
    CHECK(made[2] > 1800 - 5 * 42 && made[2] < 1800 + 5 * 42, "duplicate: %" PRId64, made[2]);
    CHECK(made[3] + made[4] > 1200 - 5 * 34 && made[3] + made[4] < 1200 + 5 * 34);
    for (int64_t i = 0; i < RECORDS; i++)
        free(texts[i]);
    fixture_close(&f);
}

/* A share of nothing makes nothing, a share of all makes all; a duplicate without an original is plain. */
static void test_shares(void)
{
    hr_generator g;
    hr_generated about;

    start(&g, "purchases", HR_GENERATE_JSON);
    for (int64_t i = 0; i < 20000; i++)
        (void)text_of(&g, i, &about);
    CHECK(g.counts[0] == 20000);
    start(&g, "purchases", HR_GENERATE_JSON);
    set(&g, "late", 1000000);
    for (int64_t i = 0; i < 2000; i++)
        (void)text_of(&g, i, &about);
    CHECK(g.counts[1] == 2000);
    start(&g, "purchases", HR_GENERATE_JSON);
    set(&g, "duplicate", 1000000);
    for (int64_t i = 0; i < 100; i++)
        (void)text_of(&g, i, &about);
    CHECK(g.counts[0] == 100);
}

/* A purchase's amount is the product's price times the quantity, and its currency that of the customer's country. */
static void test_links(void)
{
    hr_generator purchases, products, customers;
    hr_generated about;
    fixture f, p, c;
    int64_t popular = 0;

    start(&purchases, "purchases", HR_GENERATE_JSON);
    start(&products, "products", HR_GENERATE_JSON);
    start(&customers, "customers", HR_GENERATE_CSV);
    set(&purchases, "customers", 300);
    set(&purchases, "products", 1000);
    set(&purchases, "seed", -7);
    set(&products, "seed", -7);
    set(&customers, "seed", -7);
    fixture_open(&f, "json", fixture_schema(purchase_columns, COUNT(purchase_columns)), NULL);
    fixture_open(&p, "json", fixture_schema(product_columns, COUNT(product_columns)), NULL);
    fixture_open(&c, "csv", fixture_schema(customer_columns, COUNT(customer_columns)), NULL);
    for (int64_t i = 0; i < 1000; i++)
        CHECK(fixture_decode(&p, text_of(&products, i, &about)) == HR_OK, "%s", p.error.message);
    for (int64_t i = 0; i < 300; i++)
        CHECK(fixture_decode(&c, text_of(&customers, i, &about)) == HR_OK, "%s", c.error.message);
    CHECK(strcmp(fixture_value(&p, "product_id", 999), "1000") == 0);
    for (int64_t i = 0; i < 3000; i++) {
        const char *text = text_of(&purchases, i, &about), *country, *currency;
        double price, amount;
        int64_t customer, product;

        CHECK(fixture_decode(&f, text) == HR_OK, "%s", f.error.message);
        customer = strtoll(fixture_value(&f, "customer_id", i), NULL, 10);
        product = strtoll(fixture_value(&f, "product_id", i), NULL, 10);
        popular += product <= 100;
        price = strtod(fixture_value(&p, "price", product - 1), NULL);
        amount = price * strtod(fixture_value(&f, "quantity", i), NULL) - strtod(fixture_value(&f, "amount", i), NULL);
        CHECK(amount > -0.001 && amount < 0.001, "%s", text);
        country = fixture_value(&c, "country", customer - 1);
        currency = fixture_value(&f, "currency", i);
        if (strcmp(country, "US") == 0 || strcmp(currency, "USD") == 0)
            CHECK(strcmp(country, "US") == 0 && strcmp(currency, "USD") == 0, "%s in %s", text, country);
        CHECK(strlen(currency) == 3);
    }
    CHECK(popular > 1500, "a tenth of the products make %" PRId64 " of 3000 purchases", popular); /* evenly spread it were 300 */
    fixture_close(&f);
    fixture_close(&p);
    fixture_close(&c);
}

/* Records stay within the size they announce, whatever the settings. */
static void test_extremes(void)
{
    static const char *const names[] = {"customers", "products", "purchases"};
    hr_generated about;

    for (size_t n = 0; n < COUNT(names); n++) {
        for (int format = 0; format < 2; format++) {
            hr_generator g;

            start(&g, names[n], (hr_generator_format)format);
            for (size_t s = 0; g.ops->settings[s].name != NULL; s++)
                CHECK(g.ops->settings[s].fallback >= g.ops->settings[s].low && g.ops->settings[s].fallback <= g.ops->settings[s].high);
            CHECK(hr_generator_check(&g, NULL) == HR_OK);
            set(&g, "seed", INT64_MIN);
            if (n == 2) {
                set(&g, "customers", 2000000000);
                set(&g, "products", 2000000000);
                set(&g, "until", INT64_C(253402300800));
                set(&g, "weeks", 5000);
                set(&g, "late_weeks", 5000);
                set(&g, "extra", format == 0 ? 500000 : 0);
                set(&g, "late", 500000);
                CHECK(hr_generator_check(&g, NULL) == HR_OK);
            }
            for (int64_t i = 0; i < 3000; i++)
                CHECK(strlen(text_of(&g, INT64_MAX - 1 - i, &about)) < g.ops->record_size);
            set(&g, "seed", INT64_MAX);
            if (n == 2) {
                set(&g, "products", 1);
                set(&g, "customers", 1);
            }
            for (int64_t i = 0; i < 300; i++)
                CHECK(strlen(text_of(&g, i, &about)) < g.ops->record_size);
        }
    }
}

static void test_errors(void)
{
    hr_generator g;
    hr_error error;

    CHECK(hr_generator_init(&g, "visits", HR_GENERATE_JSON, &error) == HR_EUSAGE);
    CHECK(strstr(error.message, "visits") != NULL && strstr(error.message, "purchases") != NULL, "%s", error.message);
    start(&g, "purchases", HR_GENERATE_JSON);
    CHECK(hr_generator_set(&g, "colour", 1, &error) == HR_EUSAGE);
    CHECK(strstr(error.message, "colour") != NULL && strstr(error.message, "late_weeks") != NULL, "%s", error.message);
    CHECK(hr_generator_set(&g, "late", 1000001, &error) == HR_EUSAGE && strstr(error.message, "\"late\"") != NULL);
    CHECK(hr_generator_set(&g, "customers", 0, &error) == HR_EUSAGE);
    set(&g, "late", 600000);
    set(&g, "extra", 400001);
    CHECK(hr_generator_check(&g, &error) == HR_EUSAGE && strstr(error.message, "1000001") != NULL, "%s", error.message);
    set(&g, "extra", 400000);
    CHECK(hr_generator_check(&g, &error) == HR_OK);
    set(&g, "until", 604800);
    CHECK(hr_generator_check(&g, &error) == HR_EUSAGE && strstr(error.message, "1970") != NULL);
    start(&g, "purchases", HR_GENERATE_CSV);
    set(&g, "malformed", 1);
    CHECK(hr_generator_check(&g, &error) == HR_EUSAGE && strstr(error.message, "JSON") != NULL);
}

static void test_memory(void)
{
    hr_generator g;
    hr_generated about;
    hr_buffer out = {0};
    hr_error error;

    start(&g, "purchases", HR_GENERATE_JSON);
    hr_fault_arm(1, false);
    CHECK(hr_generator_record(&g, 0, &out, &about, &error) == HR_ENOMEM && error.retriable);
    CHECK(hr_fault_fired() && out.size == 0 && g.counts[0] == 0);
    hr_fault_arm(0, false);
    CHECK(hr_generator_record(&g, 0, &out, &about, &error) == HR_OK && g.counts[0] == 1);
    hr_buffer_free(&out);
}

int main(void)
{
    test_bytes();
    test_order();
    test_kinds();
    test_shares();
    test_links();
    test_extremes();
    test_errors();
    test_memory();
    return CHECK_DONE();
}
