/* csrc/core/generate/generate_shop.h: what customers, products and purchases have in common, and how their values are written.
 *
 * The three are linked: ids are 1..n in each, a purchase's amount is its product's price times the quantity, its currency that of its
 * customer's country. Both are worked out from the ids, so nothing is looked up.
 */
#ifndef HR_CORE_GENERATE_SHOP_H
#define HR_CORE_GENERATE_SHOP_H

#include "core/bytes.h"
#include "core/types/civil.h"
#include "generate.h"

/* Sorts of random numbers: each fact has its own. */
enum { HR_SHOP_CUSTOMER = 1, HR_SHOP_PRODUCT, HR_SHOP_PURCHASE, HR_SHOP_KIND };

typedef struct hr_shop_place {
    const char *city, *country, *currency;
} hr_shop_place;
#define HR_SHOP_PLACES 24
extern const hr_shop_place hr_shop_places[HR_SHOP_PLACES];

/* Where a customer lives. */
const hr_shop_place *hr_shop_place_of(int64_t seed, int64_t customer);

/* What a product costs, in hundredths. */
uint32_t hr_shop_price_of(int64_t seed, int64_t product);

/* A product, the first few of `count` much more often than the rest: as likely from each doubling of the rank. */
uint32_t hr_shop_popular(hr_random *random, uint32_t count);

/* ---- writers: each returns the end of what it wrote ---- */

static inline char *hr_put(char *to, const char *text, size_t n)
{
    memcpy(to, text, n);
    return to + n;
}
#define HR_PUT(to, literal) hr_put((to), "" literal, sizeof(literal) - 1)

static inline char *hr_put_text(char *to, const char *text)
{
    return hr_put(to, text, strlen(text));
}

static inline char *hr_put_int(char *to, int64_t value)
{
    return to + hr_print_int64(to, value);
}

/* Two decimals: 1250 is 12.50. */
static inline char *hr_put_hundredths(char *to, uint64_t value)
{
    to += hr_print_uint64(to, value / 100);
    *to++ = '.';
    hr_print_padded(to, (uint32_t)(value % 100), 2);
    return to + 2;
}

/* 2026-11-21T10:28:59.000123Z, of microseconds since 1970 in the years 0 to 9999. */
char *hr_put_time(char *to, int64_t micros);

#endif
