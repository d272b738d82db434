#include "parse/options.h"

#include "base/config.h"
#include "base/error.h"
#include "base/units.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *get_of_run(void *arg, const char *name)
{
    struct penstock_run *run = arg;
    return run->option(run, name);
}

int options_check(const char *(*get)(void *arg, const char *name), void *arg, char *message,
                  size_t size, options_reader *read, void *scratch)
{
    struct options o = {.get = get, .arg = arg, .message = message, .size = size};
    read(&o, scratch);
    return o.wrong;
}

bool options_of_run(struct penstock_run *run, options_reader *read, void *ret_settings)
{
    return options_check(get_of_run, run, NULL, 0, read, ret_settings) != 0;
}

void option_fault(struct options *o, const char *fmt, ...)
{
    if (o->wrong)
        return;
    o->wrong = true;
    if (!o->message)
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(o->message, o->size, fmt, ap);
    va_end(ap);
}

static const char *text_of(struct options *o, const char *name)
{
    const char *text = o->get(o->arg, name);
    return text ? text : "";
}

size_t option_bytes(struct options *o, const char *name, size_t min, size_t max)
{
    struct error err;
    uint64_t value;
    if (parse_size(text_of(o, name), false, &value, &err) < 0) {
        option_fault(o, "option \"%s\": %s", name, err.text);
        return max;
    }
    if (value < min || value > max) {
        option_fault(o, "option \"%s\": %llu is not between %zu and %zu", name,
                     (unsigned long long)value, min, max);
        return max;
    }
    return (size_t)value;
}

int option_choice(struct options *o, const char *name, const char *const *choices)
{
    const char *text = text_of(o, name);
    char list[128] = "";
    for (int i = 0; choices[i]; i++) {
        if (strcmp(text, choices[i]) == 0)
            return i;
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", used > 0 ? ", " : "", choices[i]);
    }
    option_fault(o, "option \"%s\": \"%.64s\" is none of: %s", name, text, list);
    return 0;
}

bool option_yes(struct options *o, const char *name)
{
    static const char *const choices[] = {"no", "yes", "false", "true", "0", "1", NULL};
    return option_choice(o, name, choices) % 2 == 1;
}
