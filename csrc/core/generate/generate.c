/* csrc/core/generate/generate.c: the table of data sets, and their settings. */
#include "generate.h"

#include <stdio.h>

extern const hr_generator_ops hr_generator_customers, hr_generator_products, hr_generator_purchases, hr_generator_frames;

const hr_generator_ops *const hr_generators[] = {
    &hr_generator_customers,
    &hr_generator_products,
    &hr_generator_purchases,
    &hr_generator_frames,
    NULL,
};

const hr_generator_ops *hr_generator_find(const char *name)
{
    for (size_t i = 0; hr_generators[i] != NULL; i++)
        if (strcmp(hr_generators[i]->name, name) == 0)
            return hr_generators[i];
    return NULL;
}

int hr_generator_init(hr_generator *generator, const char *name, hr_generator_format format, hr_error *error)
{
    char names[256] = "";
    size_t used = 0;

    memset(generator, 0, sizeof(*generator));
    generator->ops = hr_generator_find(name);
    generator->format = format;
    if (generator->ops == NULL) {
        for (size_t i = 0; hr_generators[i] != NULL && used < sizeof(names); i++)
            used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", i > 0 ? ", " : "", hr_generators[i]->name);
        return hr_error_set(error, HR_EUSAGE, "there is no data set \"%s\" to generate; there are: %s", name, names);
    }
    for (size_t i = 0; generator->ops->settings[i].name != NULL; i++)
        generator->settings[i] = generator->ops->settings[i].fallback;
    return HR_OK;
}

int hr_generator_set(hr_generator *generator, const char *name, int64_t value, hr_error *error)
{
    const hr_generator_setting *settings = generator->ops->settings;
    char names[512] = "";
    size_t used = 0;

    for (size_t i = 0; settings[i].name != NULL; i++) {
        if (strcmp(settings[i].name, name) != 0)
            continue;
        if (value < settings[i].low || value > settings[i].high)
            return hr_error_set(error, HR_EUSAGE, "generating %s: \"%s\" must be from %lld to %lld, not %lld (%s)", generator->ops->name,
                                name, (long long)settings[i].low, (long long)settings[i].high, (long long)value, settings[i].help);
        generator->settings[i] = value;
        return HR_OK;
    }
    for (size_t i = 0; settings[i].name != NULL && used < sizeof(names); i++)
        used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", i > 0 ? ", " : "", settings[i].name);
    return hr_error_set(error, HR_EUSAGE, "generating %s: there is no setting \"%s\"; there are: %s", generator->ops->name, name, names);
}

int hr_generator_check(const hr_generator *generator, hr_error *error)
{
    return generator->ops->check != NULL ? generator->ops->check(generator->settings, generator->format, error) : HR_OK;
}
