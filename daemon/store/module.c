#include "store/module.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Where it was built; false: nothing is there. */
static bool find_beside(const char *name, char *ret_path, size_t size)
{
    char path[PATH_MAX - 64];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0)
        return false;
    path[n] = '\0';
    snprintf(ret_path, size, "%s/../modules/penstock-%s.so", dirname(path), name);
    return access(ret_path, F_OK) == 0;
}

int store_module_load(const char *name, const struct store_module **ret_module, struct error *err)
{
    char path[PATH_MAX];
    if (!find_beside(name, path, sizeof path))
        snprintf(path, sizeof path, "%s/penstock-%s.so", PENSTOCK_MODULEDIR, name);
    if (access(path, F_OK) < 0)
        return error_set(err, -ENOENT,
                         "store.engine: %s is a module of its own, and there is no %s: install "
                         "the package penstock-%s",
                         name, path, name);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return error_set(err, -ENOEXEC, "store.engine: the module cannot be loaded: %s", dlerror());
    const struct store_module *module = dlsym(library, STORE_MODULE_SYMBOL);
    if (module && strcmp(module->version, PENSTOCK_VERSION) == 0) {
        *ret_module = module;
        return 0;
    }
    int r = error_set(err, -ENOEXEC,
                      "store.engine: %s is of penstock %s, and this is %s: install the same "
                      "version of both",
                      path, module ? module->version : "?", PENSTOCK_VERSION);
    dlclose(library);
    return r;
}
