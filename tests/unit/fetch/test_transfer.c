/* How responses end: each framing, each way to break it, each kind. */
#include "unit/fetch/fetch_client.h"

static struct setup setup;

static int open_all(void **state)
{
    (void)test_closed_port(); /* the descriptor that it keeps is none of the loops' */
    setup_open(&setup, &(struct origin_config){0}, &(struct fetch_config){0});
    return 0;
}

static int close_all(void **state)
{
    setup_close(&setup);
    return 0;
}

/* What a path gives. status 0: on_response was not called. bytes -1: any number. */
struct expectation {
    const char *path;
    enum error_kind kind;
    enum verified_by verified;
    int status;
    int64_t bytes;
};

static void check(const struct expectation *e)
{
    struct client *c = setup_get(&setup, e->path);
    if (c->result.kind != e->kind || c->result.verified != e->verified || c->status != e->status ||
        (e->bytes >= 0 && (int64_t)c->result.bytes != e->bytes))
        fail_msg("%s: %s (%s) by %s, status %d, %llu bytes", e->path, kind_name(c->result.kind),
                 c->result.message, verified_name(c->result.verified), c->status,
                 (unsigned long long)c->result.bytes);
    assert_int_equal(c->ends, 1);
    assert_int_equal(c->responses, e->status != 0);
    assert_int_equal(c->result.got_response, e->status != 0);
    assert_int_equal(c->result.bytes, c->bytes);
    assert_int_equal(c->result.stopped, false);
    assert_int_equal(c->result.message[0] == '\0', e->kind == KIND_NONE);
    assert_null(strchr(c->result.message, '\n'));
    /* No path and no query in a message: they may carry secrets. */
    assert_null(strstr(c->result.message, "secret"));
    if (e->status) {
        assert_string_equal(c->result.address, "127.0.0.1");
        assert_true(c->result.connect_ns > 0);
        assert_true(c->result.first_byte_ns >= c->result.connect_ns);
    }
    client_free(c);
}

static void check_all(const struct expectation *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check(&list[i]);
}

static void test_whole(void **state)
{
    static const struct expectation list[] = {
        {"/bytes?n=100000", KIND_NONE, VERIFIED_LENGTH, 200, 100000},
        {"/bytes?n=0", KIND_NONE, VERIFIED_LENGTH, 200, 0},
        {"/bytes?n=1", KIND_NONE, VERIFIED_LENGTH, 200, 1},
        {"/bytes?n=100000&framing=chunked", KIND_NONE, VERIFIED_CHUNKED, 200, 100000},
        {"/bytes?n=0&framing=chunked", KIND_NONE, VERIFIED_CHUNKED, 200, 0},
        {"/bytes?n=100000&framing=chunked&chunk=1", KIND_NONE, VERIFIED_CHUNKED, 200, 100000},
        {"/bytes?n=100000&framing=chunked&trailer=1", KIND_NONE, VERIFIED_CHUNKED, 200, 100000},
        {"/bytes?n=100000&framing=close", KIND_NONE, VERIFIED_NONE, 200, 100000},
        {"/bytes?n=0&framing=close", KIND_NONE, VERIFIED_NONE, 200, 0},
        {"/bytes?n=100000&http10=1", KIND_NONE, VERIFIED_LENGTH, 200, 100000},
        {"/bytes?n=5000&close=1", KIND_NONE, VERIFIED_LENGTH, 200, 5000},
        {"/bytes?n=5000&status=204", KIND_NONE, VERIFIED_LENGTH, 204, 0},
        {"/bytes?n=5000&status=304", KIND_NONE, VERIFIED_LENGTH, 304, 0},
        {"/bytes?n=5000&status=404", KIND_NONE, VERIFIED_LENGTH, 404, 5000},
        {"/bytes?n=5000&status=503", KIND_NONE, VERIFIED_LENGTH, 503, 5000},
        {"/bytes?n=5000&info=103,3", KIND_NONE, VERIFIED_LENGTH, 200, 5000},
        {"/bytes?n=5000&info=100", KIND_NONE, VERIFIED_LENGTH, 200, 5000},
        {"/bytes?n=5000&dup_length=same", KIND_NONE, VERIFIED_LENGTH, 200, 5000},
        {"/bytes?n=50000&drip=1,9000", KIND_NONE, VERIFIED_LENGTH, 200, 50000},
        {"/bytes?n=500&head_drip=1", KIND_NONE, VERIFIED_LENGTH, 200, 500},
        /* The length is what HTTP goes by, so what follows isn't of this body. */
        {"/bytes?n=5000&length=-10", KIND_NONE, VERIFIED_LENGTH, 200, 4990},
    };
    check_all(list, sizeof list / sizeof list[0]);
}

static void test_cut(void **state)
{
    static const struct expectation list[] = {
        {"/bytes?n=100000&cut=50000&id=secret", KIND_TRUNCATED, VERIFIED_NONE, 200, 50000},
        {"/bytes?n=100000&cut=0", KIND_TRUNCATED, VERIFIED_NONE, 200, 0},
        {"/bytes?n=100000&cut=99999", KIND_TRUNCATED, VERIFIED_NONE, 200, 99999},
        {"/bytes?n=100000&cut=50000&framing=chunked", KIND_TRUNCATED, VERIFIED_NONE, 200, -1},
        {"/bytes?n=5000&framing=chunked&no_final_chunk=1", KIND_TRUNCATED, VERIFIED_NONE, 200,
         5000},
        {"/bytes?n=5000&framing=chunked&no_final_crlf=1", KIND_TRUNCATED, VERIFIED_NONE, 200, 5000},
        {"/bytes?n=100000&reset=50000&id=secret", KIND_TRUNCATED, VERIFIED_NONE, 200, -1},
        {"/bytes?n=100000&reset=50000&framing=chunked", KIND_TRUNCATED, VERIFIED_NONE, 200, -1},
        {"/bytes?n=100000&reset=50000&framing=close", KIND_TRUNCATED, VERIFIED_NONE, 200, -1},
        {"/bytes?n=5000&length=+10", KIND_TRUNCATED, VERIFIED_NONE, 200, 5000},
        {"/bytes?n=5000&head_cut=40", KIND_TRUNCATED, VERIFIED_NONE, 0, 0},
        /* Nobody can tell, and so it says. */
        {"/bytes?n=100000&framing=close&cut=50000", KIND_NONE, VERIFIED_NONE, 200, 50000},
    };
    check_all(list, sizeof list / sizeof list[0]);
}

static void test_broken(void **state)
{
    static const struct expectation list[] = {
        {"/bytes?n=5000&framing=chunked&bad_chunk=100", KIND_PROTOCOL, VERIFIED_NONE, 200, -1},
        {"/bytes?n=5000&dup_length=other", KIND_PROTOCOL, VERIFIED_NONE, 0, 0},
        {"/bytes?n=5000&te_cl=1", KIND_PROTOCOL, VERIFIED_NONE, 0, 0},
        {"/bytes?n=5000&framing=chunked&http10=1", KIND_PROTOCOL, VERIFIED_NONE, 0, 0},
        {"/bytes?n=5000&no_status_line=1&id=secret", KIND_PROTOCOL, VERIFIED_NONE, 0, 0},
        {"/bytes?n=5000&bad_status=1", KIND_PROTOCOL, VERIFIED_NONE, 0, 0},
        {"/bytes?n=5000&http09=1", KIND_PROTOCOL, VERIFIED_NONE, 0, 0},
        {"/bytes?n=5000&garbage=1", KIND_PROTOCOL, VERIFIED_NONE, 0, 0},
        {"/bytes?n=5000&info=101", KIND_PROTOCOL, VERIFIED_NONE, 0, 0},
        {"/bytes?n=5000&header=Transfer-Encoding:gzip", KIND_PROTOCOL, VERIFIED_NONE, 0, 0},
        {"/bytes?n=5000&head_cut=0&id=secret", KIND_CONNECT, VERIFIED_NONE, 0, 0},
        {"/bytes?n=5000&head_reset=0", KIND_CONNECT, VERIFIED_NONE, 0, 0},
        {"/bytes?n=5000&head_reset=40", KIND_TRUNCATED, VERIFIED_NONE, 0, 0},
    };
    check_all(list, sizeof list / sizeof list[0]);
}

/* The handle of the transfer before is used again: nothing of its response is (this is for ASan to
 * see). */
static void test_nothing_to_fold(void **state)
{
    static const struct expectation list[] = {
        {"/bytes?n=5&huge_header=1000", KIND_NONE, VERIFIED_LENGTH, 200, 5},
        {"/bytes?n=5&folded=1", KIND_PROTOCOL, VERIFIED_NONE, 0, 0},
        {"/bytes?n=5&folded=1", KIND_PROTOCOL, VERIFIED_NONE, 0, 0},
        {"/bytes?n=5", KIND_NONE, VERIFIED_LENGTH, 200, 5},
    };
    check_all(list, sizeof list / sizeof list[0]);
}

static void test_too_much_head(void **state)
{
    static const struct expectation list[] = {
        {"/bytes?n=5&header_flood=20000", KIND_LIMIT_EXCEEDED, VERIFIED_NONE, 0, 0},
        {"/bytes?n=5&huge_header=80K", KIND_NONE, VERIFIED_LENGTH, 200, 5},
        {"/bytes?n=5&huge_header=1M", KIND_LIMIT_EXCEEDED, VERIFIED_NONE, 0, 0},
        {"/bytes?n=5&endless_head=1", KIND_LIMIT_EXCEEDED, VERIFIED_NONE, 0, 0},
        {"/bytes?n=5&info=100,20000", KIND_LIMIT_EXCEEDED, VERIFIED_NONE, 0, 0},
    };
    check_all(list, sizeof list / sizeof list[0]);
}

static void test_head_limit_is_exact(void **state)
{
    struct client *c = client_new(setup.policy);
    origin_url(setup.origin, c->url, sizeof c->url, "/bytes?n=5&huge_header=3000");
    c->request.max_header_bytes = 2000;
    client_start(c, setup.fetch);
    client_wait(c);
    assert_int_equal(c->result.kind, KIND_LIMIT_EXCEEDED);
    assert_non_null(strstr(c->result.message, "2000"));
    c->request.max_header_bytes = 10000;
    client_start(c, setup.fetch);
    client_wait(c);
    assert_int_equal(c->result.kind, KIND_NONE);
    client_free(c);
}

static void test_response(void **state)
{
    struct client *c =
        setup_get(&setup, "/bytes?n=77&header=X-One:%20%20a%20b%20%20&type=text/x-y&info=103");
    assert_int_equal(c->version, 11);
    assert_int_equal(c->content_length, 77);
    assert_int_equal(c->chunked, false);
    assert_int_equal(c->has_location, false);
    assert_non_null(strstr(c->headers, "X-One=a b\n"));
    assert_non_null(strcasestr(c->headers, "content-type=text/x-y\n"));
    client_free(c);
    c = setup_get(&setup, "/bytes?n=77&framing=chunked&http10=0");
    assert_int_equal(c->content_length, -1);
    assert_int_equal(c->chunked, true);
    client_free(c);
}

static void test_location(void **state)
{
    char base[64], url[256];
    snprintf(base, sizeof base, "http://127.0.0.1:%u", origin_port(setup.origin));
    static const struct {
        const char *target, *resolved; /* behind the base where it begins with a slash */
    } list[] = {
        {"/next", "/next"},
        {"next", "/a/next"},
        {"../up", "/up"},
        {"%3Fq=1", "/a/b?q=1"},
        {"//other.example/x", "http://other.example/x"},
        {"https://example.org", "https://example.org/"},
        {"ftp://example.org/f", "ftp://example.org/f"},
        {"/with%20space", "/with%20space"},
    };
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        char path[256];
        snprintf(path, sizeof path, "/data/a?status=302&header=Location:%s", list[i].target);
        assert_int_equal(origin_put(setup.origin, "a", "", 0), 0);
        struct client *c = setup_get(&setup, path);
        /* The request's path is /data/a. */
        const char *want = list[i].resolved;
        if (strcmp(want, "/a/next") == 0)
            want = "/data/next";
        if (strcmp(want, "/a/b?q=1") == 0)
            want = "/data/a?q=1";
        snprintf(url, sizeof url, "%s%s", *want == '/' ? base : "", want);
        assert_int_equal(c->status, 302);
        assert_string_equal(c->location, url);
        client_free(c);
    }
}

static void test_location_that_cannot_be_parsed(void **state)
{
    struct client *c = setup_get(&setup, "/bytes?n=1&status=302&header=Location:http://[::1/");
    assert_int_equal(c->result.kind, KIND_NONE);
    assert_int_equal(c->has_location, false);
    client_free(c);
    c = setup_get(&setup, "/bytes?n=1&header=Location:/here");
    assert_int_equal(c->has_location, false); /* of a 200 it means something else */
    client_free(c);
}

static void test_no_redirect_is_followed(void **state)
{
    struct client *c = setup_get(&setup, "/bytes?n=10&redirects=3&id=hops");
    struct origin_counts counts;
    assert_int_equal(c->status, 302);
    assert_true(origin_counts(setup.origin, "hops", &counts));
    assert_int_equal(counts.requests, 1);
    client_free(c);
}

static void check_url(const char *url, enum error_kind kind, const char *part)
{
    struct client *c = client_new(setup.policy);
    snprintf(c->url, sizeof c->url, "%s", url);
    client_start(c, setup.fetch);
    client_wait(c);
    if (c->result.kind != kind || !strstr(c->result.message, part))
        fail_msg("%s: %s: %s", url, kind_name(c->result.kind), c->result.message);
    assert_int_equal(c->result.got_response, false);
    client_free(c);
}

static void test_no_connection(void **state)
{
    char url[128];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/secret", test_closed_port());
    check_url(url, KIND_CONNECT, "refused");
    check_url("http://does-not-exist.invalid/secret", KIND_DNS, "does-not-exist.invalid");
    check_url("ftp://127.0.0.1/secret", KIND_POLICY, "neither http nor https");
    check_url("file:///etc/passwd", KIND_POLICY, "neither http nor https");
    check_url("gopher://127.0.0.1:80/_x", KIND_POLICY, "neither http nor https");
    check_url("http://user:secret@127.0.0.1/", KIND_POLICY, "credential");
    check_url("http://", KIND_PROTOCOL, "URL");
    check_url("http://127.0.0.1:99999/", KIND_PROTOCOL, "URL");
    check_url("http://127.0.0.1/a b", KIND_PROTOCOL, "URL");
}

static const char *const sent_headers[] = {"X-Given: yes", "X-Empty:", "Accept: text/csv"};

static void test_request(void **state)
{
    struct client *c = client_new(setup.policy);
    origin_url(setup.origin, c->url, sizeof c->url, "/request?id=%%20y#fragment");
    c->request.headers = sent_headers;
    c->request.header_count = 3;
    c->request.user_agent = "agent/1";
    c->request.range_from = UINT64_C(12345678901234);
    c->request.if_range = "\"tag\"";
    c->keep = true;
    client_start(c, setup.fetch);
    client_wait(c);
    assert_int_equal(c->result.kind, KIND_NONE);
    const char *head = c->body.data;
    assert_non_null(head);
    assert_non_null(strstr(head, "GET /request?id=%20y HTTP/1.1\r\n"));
    assert_non_null(strstr(head, "\r\nX-Given: yes\r\n"));
    assert_non_null(strstr(head, "\r\nX-Empty:\r\n"));
    assert_non_null(strstr(head, "\r\nAccept: text/csv\r\n"));
    assert_null(strstr(head, "*/*"));
    assert_non_null(strstr(head, "\r\nUser-Agent: agent/1\r\n"));
    assert_non_null(strstr(head, "\r\nRange: bytes=12345678901234-\r\n"));
    assert_non_null(strstr(head, "\r\nIf-Range: \"tag\"\r\n"));
    assert_null(strcasestr(head, "\r\nAccept-Encoding:"));
    assert_null(strcasestr(head, "\r\nExpect:"));
    client_free(c);
}

static void test_range_is_asked_for(void **state)
{
    struct client *c = client_new(setup.policy);
    struct origin_counts counts;
    origin_url(setup.origin, c->url, sizeof c->url, "/bytes?n=100000&etag=strong&id=range");
    c->request.range_from = 40000;
    c->check_pattern = true;
    c->pattern_from = 40000;
    client_start(c, setup.fetch);
    client_wait(c);
    assert_int_equal(c->status, 206);
    assert_int_equal(c->result.bytes, 60000);
    assert_int_equal(c->result.verified, VERIFIED_LENGTH);
    assert_true(origin_counts(setup.origin, "range", &counts));
    assert_string_equal(counts.last_range, "bytes=40000-");
    c->request.if_range = "\"other\"";
    c->pattern_from = 0;
    client_start(c, setup.fetch);
    client_wait(c);
    assert_int_equal(c->status, 200); /* the validator is not its own: the whole body */
    assert_true(origin_counts(setup.origin, "range", &counts));
    assert_string_equal(counts.last_if_range, "\"other\"");
    client_free(c);
}

/* What libcurl's own range option calls success. */
static void test_unsatisfiable_range_is_a_416(void **state)
{
    struct client *c = client_new(setup.policy);
    origin_url(setup.origin, c->url, sizeof c->url, "/bytes?n=1000&range=416");
    c->request.range_from = 1000;
    client_start(c, setup.fetch);
    client_wait(c);
    assert_int_equal(c->status, 416);
    client_free(c);
}

static void test_line_breaks_are_not_sent(void **state)
{
    static const char *const bad[] = {"X: a\r\nEvil: b"};
    struct client *c = client_new(setup.policy);
    origin_url(setup.origin, c->url, sizeof c->url, "/bytes?n=5&id=breaks");
    c->request.headers = bad;
    c->request.header_count = 1;
    client_start(c, setup.fetch);
    client_wait(c);
    assert_int_equal(c->result.kind, KIND_INTERNAL);
    assert_int_equal(c->result.stopped, false);
    c->request.header_count = 0;
    c->request.user_agent = "a\nEvil: b";
    client_start(c, setup.fetch);
    client_wait(c);
    assert_int_equal(c->result.kind, KIND_INTERNAL);
    c->request.user_agent = NULL;
    c->request.range_from = 1;
    c->request.if_range = "\"a\"\r\nEvil: b";
    client_start(c, setup.fetch);
    client_wait(c);
    assert_int_equal(c->result.kind, KIND_INTERNAL);
    struct origin_counts counts;
    assert_false(origin_counts(setup.origin, "breaks", &counts));
    client_free(c);
}

static void test_post(void **state)
{
    size_t len = 100000;
    char *body = malloc(len);
    assert_non_null(body);
    for (size_t i = 0; i < len; i++)
        body[i] = (char)origin_pattern(i);
    struct client *c = client_new(setup.policy);
    origin_url(setup.origin, c->url, sizeof c->url, "/echo");
    c->request.method = "POST";
    c->request.body = body;
    c->request.body_len = len;
    c->check_pattern = true;
    client_start(c, setup.fetch);
    client_wait(c);
    assert_int_equal(c->result.kind, KIND_NONE);
    assert_int_equal(c->result.bytes, len);
    c->request.body = NULL; /* and without anything */
    c->request.body_len = 0;
    client_start(c, setup.fetch);
    client_wait(c);
    assert_int_equal(c->result.kind, KIND_NONE);
    assert_int_equal(c->result.bytes, 0);
    client_free(c);
    free(body);
}

static void test_consumer_stops(void **state)
{
    struct client *c = client_new(setup.policy);
    origin_url(setup.origin, c->url, sizeof c->url, "/bytes?endless=1");
    c->check_pattern = true;
    c->stop_after = 100000;
    client_start(c, setup.fetch);
    client_wait(c);
    assert_int_equal(c->result.stopped, true);
    assert_int_equal(c->result.kind, KIND_INTERNAL);
    assert_true(c->bytes >= 100000 && c->bytes < 100000 + 16384);
    c->stop_after = 0;
    c->stop_at_response = true;
    client_start(c, setup.fetch);
    client_wait(c);
    assert_int_equal(c->result.stopped, true);
    assert_int_equal(c->bytes, 0);
    client_free(c);
}

static void test_environment_is_not_asked(void **state)
{
    char proxy[64];
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", test_closed_port());
    setenv("http_proxy", proxy, 1);
    setenv("all_proxy", proxy, 1);
    struct client *c = setup_get(&setup, "/bytes?n=5");
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    assert_int_equal(c->result.kind, KIND_NONE);
    client_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_nothing_to_fold),
        cmocka_unit_test(test_too_much_head),
        cmocka_unit_test(test_head_limit_is_exact),
        cmocka_unit_test(test_response),
        cmocka_unit_test(test_location),
        cmocka_unit_test(test_location_that_cannot_be_parsed),
        cmocka_unit_test(test_no_redirect_is_followed),
        cmocka_unit_test(test_no_connection),
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_range_is_asked_for),
        cmocka_unit_test(test_unsatisfiable_range_is_a_416),
        cmocka_unit_test(test_line_breaks_are_not_sent),
        cmocka_unit_test(test_post),
        cmocka_unit_test(test_consumer_stops),
        cmocka_unit_test(test_environment_is_not_asked),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
