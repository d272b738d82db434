/* Config, settings and specification without memory: allocation 1, 2, 3 … fails until all goes
 * well. Nothing crashes, nothing leaks, the answer is -ENOMEM. */
#include "support/exhaust.h"
#include "base/config_ini.h"
#include "base/config_tree.h"
#include "terms/settings_load.h"

#include "terms/spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static const char config_text[] =
    "[control]\nsocket = /s\n[store]\npath = /p\n[policy]\nallow = 10.0.0.0/8 ::1\n"
    "[sink \"r\"]\ntype = file\npath = /r\nevents = record verdict\n[sink \"o\"]\ntype = stdout\n"
    "[host \"*.example.org\"]\nconnections = 2\nuser_agent = x\naccept_status = 404 5xx\n"
    "[control]\nadmin_users = 1 2\nsubmit_groups = 3\n"
    "[credential \"c\"]\ntype = basic\nuser = u\nhosts = a b\n"
    "[parser \"t\"]\ntype = csv\noption.delimiter = ;\ndigest = sha256\n"
    "[parser \"p\"]\ntype = exec\nstage = a\nstage = b\n";

static const char job_text[] =
    "{\"url\":\"http://www.example.org/x?key=1\",\"method\":\"POST\",\"body\":\"b\",\"key\":\"k\","
    "\"headers\":{\"X-A\":\"1\",\"X-B\":\"2\"},\"labels\":{\"a\":\"1\",\"b\":\"2\"},\"parser\":"
    "\"csv\","
    "\"options\":{\"delimiter\":\";\",\"header\":true},\"accept_status\":[404,410],\"timeout\":5}";

static struct config config;
static struct settings *settings;
static struct registry *registry;
static json_t *job;

static int begin(void **state)
{
    struct error err;
    job = json_loads(job_text, 0, NULL);
    registry = registry_new();
    return config_parse(&config, config_text, sizeof config_text - 1, "f", &err) ||
           settings_load(&config, &settings, &err) || !job || !registry;
}

static int end(void **state)
{
    json_decref(job);
    registry_unref(registry);
    settings_free(settings);
    config_deinit(&config);
    return 0;
}

/* `once` returns 0 or -ENOMEM, and leaves nothing behind. */
static void exhaust(int (*once)(void))
{
    if (!exhaust_counts)
        skip();
    bool all = false;
    long n = 0;
    assert_int_equal(once(), 0); /* what libraries keep for good is made now */
    while (!all) {
        long before = atomic_load(&exhaust_live);
        atomic_store(&exhaust_at, ++n);
        int r = once();
        all = atomic_exchange(&exhaust_at, 0) > 0; /* it makes fewer than n */
        if (atomic_load(&exhaust_live) != before)
            fail_msg("allocation %ld failed: %ld blocks were left", n,
                     atomic_load(&exhaust_live) - before);
        if (r != (all ? 0 : -ENOMEM))
            fail_msg("allocation %ld failed: the result was %d", n, r);
        assert_true(n < 10000);
    }
    assert_true(n > 10); /* it did allocate */
}

/* As at the start and at each reload: a file and a drop-in. */
static int read_once(void)
{
    static const char drop_in[] = "[sink \"r\"]\npath =\npath = /s\n[policy]\nallow = ::1\n";
    struct config c = {0};
    struct error err;
    int r = config_parse(&c, config_text, sizeof config_text - 1, "f", &err);
    if (r == 0)
        r = config_parse(&c, drop_in, sizeof drop_in - 1, "g", &err);
    config_deinit(&c);
    return r;
}

static int load_once(void)
{
    struct settings *s = NULL;
    struct error err;
    int r = settings_load(&config, &s, &err);
    settings_free(s);
    return r;
}

static int parse_once(void)
{
    struct spec *spec = NULL;
    struct error err;
    const char *field;
    int r = spec_parse(job, settings, registry, &spec, &err, &field);
    spec_free(spec);
    return r;
}

static int set_once(void)
{
    struct config c = {0};
    int r = config_set(&c, "host \"a\".connections=1", NULL);
    for (int i = 0; i < 4 && r == 0; i++)
        r = config_set(&c, "policy.allow=::1", NULL);
    config_deinit(&c);
    return r;
}

static void test_config(void **state)
{
    exhaust(read_once);
}

static void test_settings(void **state)
{
    exhaust(load_once);
}

static void test_spec(void **state)
{
    exhaust(parse_once);
}

static void test_set(void **state)
{
    exhaust(set_once);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_spec),
        cmocka_unit_test(test_set),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
