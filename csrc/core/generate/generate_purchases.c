/* csrc/core/generate/generate_purchases.c: purchases by customers of products, with shares of trouble.
 *
 * Meant for the table
 *     purchase_id bigint, customer_id int, product_id int, quantity int, amount numeric(12,2), currency char(3), channel text,
 *     purchased_at timestamptz, all NOT NULL, partitioned by week of purchased_at.
 */
#include "generate_shop.h"

enum {
    SEED,
    CUSTOMERS,
    PRODUCTS,
    UNTIL,
    WEEKS,
    LATE_WEEKS,
    MALFORMED,
    LATE,
    DUPLICATE,
    UNKNOWN,
    EXTRA,
};

#define HR_SECONDS_PER_WEEK INT64_C(604800)
#define HR_MILLION 1000000
#define HR_DUPLICATE_REACH 1000 /* a duplicate repeats one of so many records before it */

static const hr_generator_setting purchase_settings[] = {
    [SEED] = {"seed", 1, INT64_MIN, INT64_MAX, "the same seed makes the same data, linked across data sets"},
    [CUSTOMERS] = {"customers", 100000, 1, 2000000000, "customers that buy"},
    [PRODUCTS] = {"products", 5000, 1, 2000000000, "products that are bought"},
    [UNTIL] = {"until", 1767225600, 0, INT64_C(253402300800), "the purchases lie before this time, in seconds since 1970"},
    [WEEKS] = {"weeks", 8, 1, 5000, "weeks before until that the purchases are spread over"},
    [LATE_WEEKS] = {"late_weeks", 12, 1, 5000, "late purchases lie in so many weeks before those"},
    [MALFORMED] = {"malformed", 0, 0, HR_MILLION, "damaged records in a million, of several kinds"},
    [LATE] = {"late", 0, 0, HR_MILLION, "late records in a million"},
    [DUPLICATE] = {"duplicate", 0, 0, HR_MILLION, "records in a million that repeat an earlier one exactly"},
    [UNKNOWN] = {"unknown", 0, 0, HR_MILLION, "records in a million whose customer or product is in no dictionary"},
    [EXTRA] = {"extra", 0, 0, HR_MILLION, "records in a million with more keys than the table has columns"},
    {NULL, 0, 0, 0, NULL},
};

enum {
    KIND_PLAIN,
    KIND_LATE,
    KIND_DUPLICATE,
    KIND_UNKNOWN_CUSTOMER,
    KIND_UNKNOWN_PRODUCT,
    KIND_EXTRA,
    KIND_TRUNCATED, /* the first of the damaged ones */
    KIND_NOT_JSON,
    KIND_TYPE,
    KIND_RANGE,
    KIND_NULL,
    KIND_MISSING,
    KIND_ENCODING,
    KIND_BAD_TIME,
    KIND_COUNT
};

static const hr_generator_kind purchase_kinds[] = {
    [KIND_PLAIN] = {"plain", HR_REASON_NONE},
    [KIND_LATE] = {"late", HR_REASON_NONE},
    [KIND_DUPLICATE] = {"duplicate", HR_REASON_NONE},
    [KIND_UNKNOWN_CUSTOMER] = {"unknown_customer", HR_REASON_NONE},
    [KIND_UNKNOWN_PRODUCT] = {"unknown_product", HR_REASON_NONE},
    [KIND_EXTRA] = {"extra", HR_REASON_NONE},
    [KIND_TRUNCATED] = {"truncated", HR_REASON_MALFORMED},
    [KIND_NOT_JSON] = {"not_json", HR_REASON_MALFORMED},
    [KIND_TYPE] = {"wrong_type", HR_REASON_TYPE},
    [KIND_RANGE] = {"out_of_range", HR_REASON_RANGE},
    [KIND_NULL] = {"null", HR_REASON_NULL},
    [KIND_MISSING] = {"missing", HR_REASON_NULL},
    [KIND_ENCODING] = {"invalid_utf8", HR_REASON_ENCODING},
    [KIND_BAD_TIME] = {"bad_time", HR_REASON_RANGE},
    {NULL, HR_REASON_NONE},
};

static int hr_purchases_check(const int64_t *settings, hr_generator_format format, hr_error *error)
{
    int64_t shares = settings[MALFORMED] + settings[LATE] + settings[DUPLICATE] + settings[UNKNOWN] + settings[EXTRA];

    if (shares > HR_MILLION)
        return hr_error_set(error, HR_EUSAGE, "generating purchases: malformed, late, duplicate, unknown and extra make %lld in a million",
                            (long long)shares);
    if (format == HR_GENERATE_CSV && settings[MALFORMED] + settings[EXTRA] > 0)
        return hr_error_set(error, HR_EUSAGE, "generating purchases: malformed and extra records can only be made as JSON");
    if (settings[UNTIL] < (settings[WEEKS] + settings[LATE_WEEKS]) * HR_SECONDS_PER_WEEK)
        return hr_error_set(error, HR_EUSAGE, "generating purchases: weeks and late_weeks before until reach back before 1970");
    return HR_OK;
}

/* What record `index` is, by the shares. Its own random numbers, so that shares do not change what the records say. */
static int32_t hr_purchases_kind(const int64_t *settings, int64_t index)
{
    hr_random random = hr_random_of(settings[SEED], HR_SHOP_KIND, index);
    int64_t at = hr_random_below(&random, HR_MILLION);

    if ((at -= settings[MALFORMED]) < 0)
        return KIND_TRUNCATED + (int32_t)hr_random_below(&random, KIND_COUNT - KIND_TRUNCATED);
    if ((at -= settings[LATE]) < 0)
        return KIND_LATE;
    if ((at -= settings[DUPLICATE]) < 0)
        return KIND_DUPLICATE;
    if ((at -= settings[UNKNOWN]) < 0)
        return hr_random_below(&random, 2) == 0 ? KIND_UNKNOWN_CUSTOMER : KIND_UNKNOWN_PRODUCT;
    if ((at -= settings[EXTRA]) < 0)
        return KIND_EXTRA;
    return KIND_PLAIN;
}

/* The record that duplicate `index` repeats: the nearest plain one at or before a random one; -1 when there is none. */
static int64_t hr_purchases_original(const int64_t *settings, int64_t index)
{
    hr_random random = hr_random_of(settings[SEED], HR_SHOP_KIND, ~index);
    uint32_t reach = index < HR_DUPLICATE_REACH ? (uint32_t)index : HR_DUPLICATE_REACH;
    int64_t original = index;

    if (reach == 0)
        return -1;
    original -= 1 + (int64_t)hr_random_below(&random, reach);
    for (int i = 0; original >= 0 && i < HR_DUPLICATE_REACH; i++, original--)
        if (hr_purchases_kind(settings, original) == KIND_PLAIN)
            return original;
    return -1;
}

typedef struct purchase {
    int64_t id, customer, product, at;
    uint32_t quantity;
    uint64_t amount; /* hundredths */
    const char *currency, *channel;
    bool has_customer;
} purchase;

/* The facts of purchase `index`, before any damage. */
static void hr_purchases_facts(const int64_t *settings, int64_t index, int32_t kind, purchase *out)
{
    static const char *const channels[] = {"web", "web", "web", "app", "app", "app", "store", "phone"};
    hr_random random = hr_random_of(settings[SEED], HR_SHOP_PURCHASE, index);
    uint32_t weeks = (uint32_t)settings[kind == KIND_LATE ? LATE_WEEKS : WEEKS];
    int64_t until = settings[UNTIL] - (kind == KIND_LATE ? settings[WEEKS] * HR_SECONDS_PER_WEEK : 0);
    uint32_t quantity = hr_random_below(&random, 16);

    out->id = index + 1;
    out->customer = 1 + (int64_t)hr_random_below(&random, (uint32_t)settings[CUSTOMERS]);
    out->product = (int64_t)hr_shop_popular(&random, (uint32_t)settings[PRODUCTS]);
    if (kind == KIND_UNKNOWN_CUSTOMER)
        out->customer = settings[CUSTOMERS] + 1 + (int64_t)hr_random_below(&random, 1000);
    if (kind == KIND_UNKNOWN_PRODUCT)
        out->product = settings[PRODUCTS] + 1 + (int64_t)hr_random_below(&random, 1000);
    out->quantity = quantity < 10 ? 1 : quantity < 14 ? 2 : quantity - 10; /* mostly one, at most five */
    out->amount = (uint64_t)hr_shop_price_of(settings[SEED], out->product) * out->quantity;
    out->currency = hr_shop_place_of(settings[SEED], out->customer)->currency;
    out->channel = channels[hr_random_below(&random, sizeof(channels) / sizeof(channels[0]))];
    /* before `until`, in whole seconds back and microseconds forward */
    out->at = (until - 1 - (int64_t)hr_random_below(&random, weeks * (uint32_t)HR_SECONDS_PER_WEEK)) * HR_MICROS_PER_SECOND +
              (int64_t)hr_random_below(&random, HR_MILLION);
    out->has_customer = kind != KIND_MISSING;
}

static char *hr_purchases_csv(const purchase *facts, char *to)
{
    to = hr_put_int(to, facts->id);
    *to++ = ',';
    to = hr_put_int(to, facts->customer);
    *to++ = ',';
    to = hr_put_int(to, facts->product);
    *to++ = ',';
    to = hr_put_int(to, facts->quantity);
    *to++ = ',';
    to = hr_put_hundredths(to, facts->amount);
    *to++ = ',';
    to = hr_put(to, facts->currency, 3);
    *to++ = ',';
    to = hr_put_text(to, facts->channel);
    *to++ = ',';
    return hr_put_time(to, facts->at);
}

static char *hr_purchases_json(const purchase *facts, int32_t kind, char *to)
{
    to = HR_PUT(to, "{\"purchase_id\":");
    to = hr_put_int(to, facts->id);
    if (facts->has_customer) {
        to = HR_PUT(to, ",\"customer_id\":");
        to = kind == KIND_NULL ? HR_PUT(to, "null") : hr_put_int(to, facts->customer);
    }
    to = HR_PUT(to, ",\"product_id\":");
    to = hr_put_int(to, kind == KIND_RANGE ? facts->product + INT64_C(4000000000) : facts->product);
    to = HR_PUT(to, ",\"quantity\":");
    to = kind == KIND_TYPE ? HR_PUT(to, "\"many\"") : hr_put_int(to, facts->quantity);
    to = HR_PUT(to, ",\"amount\":");
    to = hr_put_hundredths(to, facts->amount);
    to = HR_PUT(to, ",\"currency\":\"");
    to = hr_put(to, facts->currency, 3);
    to = HR_PUT(to, "\",\"channel\":\"");
    to = hr_put_text(to, facts->channel);
    to = kind == KIND_ENCODING ? HR_PUT(to, "\xc3(") : to;
    to = HR_PUT(to, "\",\"purchased_at\":\"");
    to = hr_put_time(to, facts->at);
    if (kind == KIND_BAD_TIME)
        memcpy(to - 22, "13-45", 5); /* month and day of 2026-11-21T10:28:59.000123Z */
    if (kind == KIND_EXTRA)
        to = HR_PUT(to, "\",\"campaign\":\"autumn\",\"device\":{\"os\":\"linux\",\"screens\":[1,2]}}");
    else
        to = HR_PUT(to, "\"}");
    return to;
}

static char *hr_purchases_record(const int64_t *settings, int64_t index, hr_generator_format format, char *to, hr_generated *about)
{
    int32_t kind = hr_purchases_kind(settings, index);
    int64_t original;
    purchase facts;
    char *end;

    about->kind = kind;
    if (kind == KIND_DUPLICATE) {
        original = hr_purchases_original(settings, index);
        kind = KIND_PLAIN;
        if (original < 0)
            about->kind = KIND_PLAIN;
        else
            index = original;
    }
    hr_purchases_facts(settings, index, kind, &facts);
    about->key_len = hr_print_int64(about->key, facts.customer);
    if (format == HR_GENERATE_CSV)
        return hr_purchases_csv(&facts, to);
    if (kind == KIND_NOT_JSON)
        return hr_put_int(HR_PUT(to, "purchase "), facts.id);
    end = hr_purchases_json(&facts, kind, to);
    return kind == KIND_TRUNCATED ? to + (end - to) / 2 : end;
}

const hr_generator_ops hr_generator_purchases = {
    .name = "purchases",
    .help = "events of customers buying products, keyed by customer, with shares of late, duplicate and damaged ones",
    .settings = purchase_settings,
    .kinds = purchase_kinds,
    .csv_header = "purchase_id,customer_id,product_id,quantity,amount,currency,channel,purchased_at",
    .record_size = 512,
    .check = hr_purchases_check,
    .record = hr_purchases_record,
};
