/* csrc/core/generate/generate_shop.c: customers and products, and what purchases need of them. */
#include "generate_shop.h"

const hr_shop_place hr_shop_places[HR_SHOP_PLACES] = {
    {"Berlin", "DE", "EUR"},    {"München", "DE", "EUR"}, {"Köln", "DE", "EUR"},     {"Paris", "FR", "EUR"},     {"Lyon", "FR", "EUR"},
    {"Madrid", "ES", "EUR"},    {"Sevilla", "ES", "EUR"}, {"Milano", "IT", "EUR"},   {"Lisboa", "PT", "EUR"},    {"Dublin", "IE", "EUR"},
    {"London", "GB", "GBP"},    {"Leeds", "GB", "GBP"},   {"Zürich", "CH", "CHF"},   {"Kraków", "PL", "PLN"},    {"Łódź", "PL", "PLN"},
    {"Praha", "CZ", "CZK"},     {"Malmö", "SE", "SEK"},   {"New York", "US", "USD"}, {"Boston", "US", "USD"},    {"San José", "US", "USD"},
    {"São Paulo", "BR", "BRL"}, {"Αθήνα", "GR", "EUR"},   {"東京", "JP", "JPY"},     {"Reykjavík", "IS", "ISK"},
};

static const char *const first_names[] = {
    "Anna",  "Ben",   "Carla", "David", "Elif",  "Fatima", "Georg", "Hana", "Igor",  "Jana",   "Karim",
    "Léa",   "Marek", "Nina",  "Olga",  "Pedro", "Quinn",  "Rosa",  "Sven", "Tomás", "Ursula", "Vera",
    "Wanda", "Xenia", "Yusuf", "Zoë",   "Åsa",   "Łukasz", "Ines",  "Noah", "Mia",   "Emil",
};
static const char *const name_starts[] = {"Mar", "Ber", "Hol", "Kow", "Fer", "San", "Lind", "Roth",
                                          "Vas", "Tan", "Ols", "Gar", "Pet", "Dub", "Nak",  "Wein"};
static const char *const name_ends[] = {"tin",  "ger", "ström", "alski", "nandez", "tos", "berg",  "mann",
                                        "quez", "aka", "son",   "cía",   "rov",    "ois", "amura", "o'Hara"};
static const char *const segments[] = {"private", "private", "private", "business", "business", "school", "public"};

static const char *const makers[] = {"Alder", "Birk", "Corvo",   "Delta", "Esker", "Fjord",  "Gale", "Harbor",
                                     "Isar",  "Juno", "Kestrel", "Lumen", "Moss",  "Nordic", "Onyx", "Pine"};
static const char *const things[][2] = {
    {"kettle", "kitchen"}, {"pan", "kitchen"},     {"knife", "kitchen"},    {"lamp", "home"},          {"chair", "home"},
    {"blanket", "home"},   {"tent", "outdoor"},    {"backpack", "outdoor"}, {"boots", "outdoor"},      {"headphones", "audio"},
    {"speaker", "audio"},  {"turntable", "audio"}, {"novel", "books"},      {"atlas", "books"},        {"puzzle", "toys"},
    {"kite", "toys"},      {"drill", "tools"},     {"saw", "tools"},        {"bicycle pump", "sport"}, {"racket", "sport"},
    {"soap", "care"},      {"brush", "care"},      {"seeds", "garden"},     {"spade", "garden"},
};

#define HR_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HR_SHOP_EPOCH (INT64_C(1577836800) * HR_MICROS_PER_SECOND) /* 2020-01-01, when the shop opened */

const hr_shop_place *hr_shop_place_of(int64_t seed, int64_t customer)
{
    hr_random random = hr_random_of(seed, HR_SHOP_CUSTOMER, customer);

    return &hr_shop_places[hr_random_below(&random, HR_SHOP_PLACES)];
}

uint32_t hr_shop_price_of(int64_t seed, int64_t product)
{
    hr_random random = hr_random_of(seed, HR_SHOP_PRODUCT, product);
    uint32_t size = hr_random_below(&random, 4); /* from a few coins to a few hundred, as likely in each size */
    static const uint32_t lowest[] = {99, 500, 2500, 10000}, width[] = {400, 2000, 7500, 40000};

    return lowest[size] + hr_random_below(&random, width[size]);
}

uint32_t hr_shop_popular(hr_random *random, uint32_t count)
{
    uint32_t doublings = 0, rank, low;

    while (doublings < 31 && (count >> (doublings + 1)) > 0)
        doublings++;
    low = UINT32_C(1) << hr_random_below(random, doublings + 1);
    rank = low + hr_random_below(random, low); /* low <= rank < 2 * low, and low <= count */
    if (rank > count)
        rank = 1 + hr_random_below(random, count);
    return rank;
}

char *hr_put_time(char *to, int64_t micros)
{
    int64_t days = hr_floor_div(micros, HR_MICROS_PER_DAY), rest = micros - days * HR_MICROS_PER_DAY;
    uint32_t seconds = (uint32_t)(rest / HR_MICROS_PER_SECOND);
    hr_civil date = hr_civil_from_days(days);

    memcpy(to, "0000-00-00T00:00:00.000000Z", 27);
    hr_print_padded(to, (uint32_t)date.year, 4);
    hr_print_padded(to + 5, (uint32_t)date.month, 2);
    hr_print_padded(to + 8, (uint32_t)date.day, 2);
    hr_print_padded(to + 11, seconds / 3600, 2);
    hr_print_padded(to + 14, seconds / 60 % 60, 2);
    hr_print_padded(to + 17, seconds % 60, 2);
    hr_print_padded(to + 20, (uint32_t)(rest % HR_MICROS_PER_SECOND), 6);
    return to + 27;
}

/* ---- customers ---- */

static const hr_generator_setting customer_settings[] = {
    {"seed", 1, INT64_MIN, INT64_MAX, "the same seed makes the same data, linked across data sets"},
    {NULL, 0, 0, 0, NULL},
};

static const hr_generator_kind plain_only[] = {{"plain", HR_REASON_NONE}, {NULL, HR_REASON_NONE}};

/* ASCII letters of a name, in lower case; others are left out. */
static char *hr_put_address_part(char *to, const char *name)
{
    for (; *name != '\0'; name++) {
        char c = hr_to_lower(*name);
        if (c >= 'a' && c <= 'z')
            *to++ = c;
    }
    return to;
}

static char *hr_customers_record(const int64_t *settings, int64_t index, hr_generator_format format, char *to, hr_generated *about)
{
    int64_t id = index + 1, seed = settings[0];
    hr_random random = hr_random_of(seed, HR_SHOP_CUSTOMER, id);
    const hr_shop_place *place = &hr_shop_places[hr_random_below(&random, HR_SHOP_PLACES)]; /* the first draw: as hr_shop_place_of */
    const char *first = first_names[hr_random_below(&random, HR_COUNT(first_names))];
    const char *start = name_starts[hr_random_below(&random, HR_COUNT(name_starts))];
    const char *end = name_ends[hr_random_below(&random, HR_COUNT(name_ends))];
    const char *segment = segments[hr_random_below(&random, HR_COUNT(segments))];
    int64_t since = HR_SHOP_EPOCH + (int64_t)hr_random_below(&random, 5 * 365 * 86400) * HR_MICROS_PER_SECOND;
    bool json = format == HR_GENERATE_JSON;

    about->kind = 0;
    about->key_len = hr_print_int64(about->key, id);
    to = json ? HR_PUT(to, "{\"customer_id\":") : to;
    to = hr_put_int(to, id);
    to = json ? HR_PUT(to, ",\"name\":\"") : HR_PUT(to, ",");
    to = hr_put_text(to, first);
    *to++ = ' ';
    to = hr_put_text(hr_put_text(to, start), end);
    to = json ? HR_PUT(to, "\",\"email\":\"") : HR_PUT(to, ",");
    to = hr_put_address_part(to, first);
    *to++ = '.';
    to = hr_put_address_part(hr_put_address_part(to, start), end);
    to = hr_put_int(to, id);
    to = HR_PUT(to, "@example.com");
    to = json ? HR_PUT(to, "\",\"city\":\"") : HR_PUT(to, ",");
    to = hr_put_text(to, place->city);
    to = json ? HR_PUT(to, "\",\"country\":\"") : HR_PUT(to, ",");
    to = hr_put_text(to, place->country);
    to = json ? HR_PUT(to, "\",\"segment\":\"") : HR_PUT(to, ",");
    to = hr_put_text(to, segment);
    to = json ? HR_PUT(to, "\",\"created_at\":\"") : HR_PUT(to, ",");
    to = hr_put_time(to, since);
    return json ? HR_PUT(to, "\"}") : to;
}

const hr_generator_ops hr_generator_customers = {
    .name = "customers",
    .help = "a dictionary of customers: customer_id, name, email, city, country, segment, created_at",
    .settings = customer_settings,
    .kinds = plain_only,
    .csv_header = "customer_id,name,email,city,country,segment,created_at",
    .record_size = 512,
    .record = hr_customers_record,
};

/* ---- products ---- */

static char *hr_products_record(const int64_t *settings, int64_t index, hr_generator_format format, char *to, hr_generated *about)
{
    int64_t id = index + 1, seed = settings[0];
    hr_random random = hr_random_of(seed, HR_SHOP_PRODUCT, ~id); /* other numbers than the price */
    const char *maker = makers[hr_random_below(&random, HR_COUNT(makers))];
    const char *const *thing = things[hr_random_below(&random, HR_COUNT(things))];
    bool json = format == HR_GENERATE_JSON;

    about->kind = 0;
    about->key_len = hr_print_int64(about->key, id);
    to = json ? HR_PUT(to, "{\"product_id\":") : to;
    to = hr_put_int(to, id);
    to = json ? HR_PUT(to, ",\"name\":\"") : HR_PUT(to, ",");
    to = hr_put_text(to, maker);
    *to++ = ' ';
    to = hr_put_text(to, thing[0]);
    *to++ = ' ';
    to = hr_put_int(to, 100 + (int64_t)hr_random_below(&random, 900));
    to = json ? HR_PUT(to, "\",\"category\":\"") : HR_PUT(to, ",");
    to = hr_put_text(to, thing[1]);
    to = json ? HR_PUT(to, "\",\"price\":") : HR_PUT(to, ",");
    to = hr_put_hundredths(to, hr_shop_price_of(seed, id));
    return json ? HR_PUT(to, "}") : to;
}

const hr_generator_ops hr_generator_products = {
    .name = "products",
    .help = "a dictionary of products: product_id, name, category, price",
    .settings = customer_settings,
    .kinds = plain_only,
    .csv_header = "product_id,name,category,price",
    .record_size = 256,
    .record = hr_products_record,
};
