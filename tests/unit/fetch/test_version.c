/* What a status line says of its version is the server's word: only what was negotiated counts,
 * plain and in TLS. */
#include "unit/fetch/fetch_client.h"

static struct setup setup;

static int open_plain(void **state)
{
    setup_open(&setup, &(struct origin_config){0}, &(struct fetch_config){0});
    return 0;
}

static int open_tls(void **state)
{
    setup_open(&setup, &(struct origin_config){.tls = ORIGIN_TLS}, &(struct fetch_config){0});
    return 0;
}

static int close_all(void **state)
{
    setup_close(&setup);
    return 0;
}

/* A cut body would end with "the stream". */
static void test_a_version_that_was_not_negotiated(void **state)
{
    static const char *const lies[] = {"version=2&framing=close&cut=500", "version=2",
                                       "version=2&framing=chunked",       "version=2&framing=close",
                                       "version=3&framing=close&cut=500", "version=2.0"};
    for (size_t i = 0; i < 2 * sizeof lies / sizeof lies[0]; i++) {
        struct client *c = client_new(setup.policy);
        origin_url(setup.origin, c->url, sizeof c->url, "/bytes?n=1000&%s", lies[i / 2]);
        c->request.ca_file = origin_ca_file(setup.origin);
        c->request.http = i % 2 ? 20 : 11;
        client_start(c, setup.fetch);
        client_wait(c);
        if (c->result.kind != KIND_PROTOCOL)
            fail_msg("%s: %s", c->url, kind_name(c->result.kind));
        assert_int_equal(c->responses, 0);
        client_free(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_version_that_was_not_negotiated, open_plain,
                                        close_all),
        cmocka_unit_test_setup_teardown(test_a_version_that_was_not_negotiated, open_tls,
                                        close_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
