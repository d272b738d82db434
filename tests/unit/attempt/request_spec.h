/* For tests of what an attempt judges: a job's spec, as it is read from its JSON. */
#ifndef PENSTOCK_TEST_REQUEST_SPEC_H
#define PENSTOCK_TEST_REQUEST_SPEC_H

#include "terms/spec.h"
#include "base/config_ini.h"
#include "base/config_tree.h"
#include "terms/settings_load.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct settings *settings;
static struct registry *registry;

static int request_spec_begin(const char *config_text)
{
    struct config config = {0};
    struct error err = {""};
    int r = config_parse(&config, config_text, strlen(config_text), "test.conf", &err);
    if (r == 0)
        r = settings_load(&config, &settings, &err);
    config_deinit(&config);
    registry = registry_new();
    return r < 0 || !registry;
}

static int request_spec_end(void **state)
{
    settings_free(settings);
    registry_unref(registry);
    return 0;
}

static struct spec *request_spec(const char *text)
{
    struct spec *spec = NULL;
    struct error err = {""};
    const char *field;
    json_t *job = json_loads(text, 0, NULL);
    if (spec_parse(job, settings, registry, &spec, &err, &field) != 0)
        fail_msg("%s: %s", text, err.text);
    json_decref(job);
    return spec;
}

#endif
