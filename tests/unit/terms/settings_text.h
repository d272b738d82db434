/* Settings from a text, in a known environment. */
#ifndef PENSTOCK_TESTS_SETTINGS_TEXT_H
#define PENSTOCK_TESTS_SETTINGS_TEXT_H

#include "terms/settings.h"
#include "base/config_ini.h"
#include "base/config_tree.h"
#include "terms/settings_load.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static inline int load_text(const char *text, struct settings **ret, struct error *err)
{
    struct config config = {0};
    int r = config_parse(&config, text, strlen(text), "f.conf", err);
    if (r == 0)
        r = settings_load(&config, ret, err);
    config_deinit(&config);
    return r;
}

static inline struct settings *load(const char *text)
{
    struct settings *s = NULL;
    struct error err = {""};
    if (load_text(text, &s, &err) != 0)
        fail_msg("%s", err.text);
    return s;
}

/* Every test has a known environment. */
static inline int begin(void **state)
{
    unsetenv("RUNTIME_DIRECTORY");
    unsetenv("STATE_DIRECTORY");
    unsetenv("XDG_STATE_HOME");
    setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
    setenv("HOME", "/home/u", 1);
    return 0;
}

#endif
