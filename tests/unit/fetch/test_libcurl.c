/* What the fetch layer relies on of libcurl beyond its documents, each by itself against the
 * library that is here: a version that behaves otherwise fails by the sentence that says what
 * broke. The names of the tests are the facts; where a fact is used is said beside it. Plus the
 * judgement of versions. */
#include "fetch/libcurl.h"

#include "unit/fetch/libcurl_run.h"

/* --- the facts -------------------------------------------------------------------------------- */

/* callbacks.c finds the connection's socket by it. */
static void test_libcurl_names_both_ends_of_the_connection_before_it_sends(void **state)
{
    struct run r;
    run_open(&r, "/bytes?n=1000");
    RUN_UNTIL(&r, r.done);
    assert_int_equal(r.code, CURLE_OK);
    if (r.prereqs != 1)
        fail_msg("libcurl called the PREREQFUNCTION %d times for one request", r.prereqs);
    if (r.read_base != 0)
        fail_msg("libcurl had read %lld bytes before it sent the request", (long long)r.read_base);
    if (r.ends.remote_port != (int)origin_port(origin) || strcmp(r.ends.remote, "127.0.0.1") != 0)
        fail_msg("libcurl names %s port %d for the origin", r.ends.remote, r.ends.remote_port);
    run_close(&r);
}

/* splice.c counts with it: what curl has read is what it has given, head and body, once a callback
 * has had its piece. */
static void test_libcurl_gives_a_read_in_one_piece(void **state)
{
    struct run r;
    run_open(&r, "/bytes?n=3M&hold=piece&hold_at=20000");
    RUN_UNTIL(&r, r.bytes > 0);
    if (r.largest > CURL_MAX_WRITE_SIZE)
        fail_msg("libcurl gave a piece of %zu bytes", r.largest);
    int64_t read = connection_bytes_read(r.opened);
    if (read != (int64_t)(r.head + r.bytes))
        fail_msg("libcurl has read %lld bytes and given %zu: it holds some back", (long long)read,
                 r.head + r.bytes);
    origin_release(origin, "piece");
    RUN_UNTIL(&r, r.done);
    assert_int_equal(r.bytes, 3 << 20);
    assert_false(r.wrong);
    run_close(&r);
}

/* delivery.c: told to pause while it reads, it holds that piece and gives no other. */
static void test_libcurl_gives_nothing_while_it_is_paused(void **state)
{
    struct run r;
    run_open(&r, "/bytes?n=1M");
    r.pause_at = 2;
    RUN_UNTIL(&r, r.calls == 2);
    size_t before = r.bytes;
    int wanted =
        r.wanted; /* delivery.c masks the socket: 8.5 still wants it, and says so no more */
    r.wanted = 0;
    for (int i = 0; i < 5; i++) {
        int running;
        curl_multi_socket_action(r.multi, CURL_SOCKET_TIMEOUT, 0, &running);
        take_message(&r);
    }
    if (r.calls != 2 || r.bytes != before)
        fail_msg("libcurl delivers while it is paused");
    if (r.done)
        fail_msg("libcurl ends a paused transfer whose socket nobody watches");
    r.inside = true;
    r.timer = -1;
    CURLcode code = curl_easy_pause(r.easy, CURLPAUSE_CONT);
    r.inside = false;
    if (r.timer != 0)
        fail_msg("libcurl does not ask to be called when it may go on");
    r.wanted = r.wanted ? r.wanted : wanted;
    assert_int_equal(code, CURLE_OK);
    if (r.inside_calls == 0)
        fail_msg("libcurl does not give what it held from within curl_easy_pause");
    RUN_UNTIL(&r, r.done);
    assert_int_equal(r.code, CURLE_OK);
    if (r.bytes != 1 << 20 || r.wrong)
        fail_msg("libcurl lost bytes over a pause: %zu of %d", r.bytes, 1 << 20);
    run_close(&r);
}

/* delivery.c: a piece that was held is not lost when the origin closes meanwhile. */
static void test_libcurl_keeps_what_it_holds_over_a_cut(void **state)
{
    struct run r;
    struct origin_counts counts;
    run_open(&r, "/bytes?n=100000&cut=60000&id=held");
    r.pause_at = 2;
    RUN_UNTIL(&r, r.calls == 2);
    int wanted = r.wanted;
    r.wanted = 0;
    TEST_WAIT(origin_counts(origin, "held", &counts) && counts.finished == 1, 10000);
    assert_int_equal(curl_easy_pause(r.easy, CURLPAUSE_CONT), CURLE_OK);
    r.wanted = r.wanted ? r.wanted : wanted;
    RUN_UNTIL(&r, r.done);
    assert_int_equal(r.code, CURLE_PARTIAL_FILE);
    if (r.bytes != 60000 || r.wrong)
        fail_msg("libcurl dropped what it held when the origin closed: %zu of 60000", r.bytes);
    run_close(&r);
}

/* splice.c: a handle that was refused is done, and has read no more than what it gave. */
static void test_libcurl_reads_nothing_after_a_refusal(void **state)
{
    struct run r;
    run_open(&r, "/bytes?n=3M");
    r.fail_at = 2;
    int fd = -1;
    while (!r.done) {
        turn(&r);
        if (fd < 0 && r.calls == 1)
            fd = dup(r.opened);
    }
    assert_int_equal(r.code, CURLE_WRITE_ERROR);
    if (r.calls != 2)
        fail_msg("libcurl calls back after a refusal");
    fd_close(&fd);
    run_close(&r);
}

/* transfer.c leaves curl at once then: from 8.12 on, a read of the socket and a second completion
 * would follow. */
static void test_libcurl_says_a_refusal_within_pause_by_its_return(void **state)
{
    struct run r;
    run_open(&r, "/bytes?n=3M");
    r.pause_at = 2;
    RUN_UNTIL(&r, r.calls == 2);
    r.fail_at = 3;
    CURLcode code = curl_easy_pause(r.easy, CURLPAUSE_CONT);
    if (code != CURLE_WRITE_ERROR)
        fail_msg("libcurl's curl_easy_pause says %d for a refused piece", (int)code);
    curl_multi_remove_handle(r.multi, r.easy);
    take_message(&r);
    if (r.calls != 3)
        fail_msg("libcurl calls back after a refusal within curl_easy_pause");
    run_close(&r);
}

/* callbacks.c: an address that the policy refuses fails alone. */
static void open_named(struct run *r)
{
    char url[sizeof r->url];
    snprintf(url, sizeof url, "http://names.test:%u/bytes?n=1000", origin_port(origin));
    run_open_url(r, url);
    r->refused = 1; /* 127.0.0.2 */
}

static void test_libcurl_goes_on_to_the_next_address(void **state)
{
    struct run r;
    open_named(&r);
    RUN_UNTIL(&r, r.done);
    if (r.code || r.opens != 2)
        fail_msg("libcurl does not go on to a name's next address when it got no socket: %s",
                 r.error);
    assert_string_equal(r.ends.remote, "127.0.0.1");
    run_close(&r);
}

/* lookup.c: a name is looked up anew after "-host:port" in CURLOPT_RESOLVE, and only then. */
static void test_libcurl_takes_a_name_out_of_its_cache(void **state)
{
    struct run r;
    char entry[64];
    open_named(&r);
    curl_easy_setopt(r.easy, CURLOPT_FRESH_CONNECT, 1L);
    RUN_UNTIL(&r, r.done);
    unsigned once = atomic_load(&asked);
    run_again(&r);
    RUN_UNTIL(&r, r.done);
    if (atomic_load(&asked) != once)
        fail_msg("libcurl does not keep a name that it has looked up");
    snprintf(entry, sizeof entry, "-names.test:%u", origin_port(origin));
    struct curl_slist *list = curl_slist_append(NULL, entry);
    assert_int_equal(curl_easy_setopt(r.easy, CURLOPT_RESOLVE, list), CURLE_OK);
    run_again(&r);
    RUN_UNTIL(&r, r.done);
    if (atomic_load(&asked) == once)
        fail_msg("libcurl goes on with an address that it was told to forget");
    assert_int_equal(r.code, CURLE_OK);
    run_close(&r);
    curl_slist_free_all(list);
}

/* setup.c: a loop never waits for a resolver. */
static void test_libcurl_leaves_a_look_up_behind(void **state)
{
    struct run r;
    sem_init(&look_up_begun, 0, 0);
    sem_init(&look_up_may_end, 0, 0);
    run_open_url(&r, "http://slow.test/");
    turn(&r);
    client_wait_for(&look_up_begun, "a look-up");
    curl_multi_remove_handle(r.multi, r.easy);
    curl_easy_cleanup(r.easy);
    bool waited = atomic_load(&look_up_was_waited_for);
    sem_post(&look_up_may_end);
    TEST_WAIT(atomic_load(&look_up_over), 10000);
    if (waited)
        fail_msg("libcurl waits for the resolver when a transfer is taken out in mid-look-up");
    curl_multi_cleanup(r.multi);
}

/* clocks.c: a handle that connects is looked at when it is kicked. */
static void test_libcurl_looks_at_a_handle_whose_pause_changes(void **state)
{
    struct run r;
    struct test_deaf deaf;
    char url[64];
    test_deaf_open(&deaf);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", deaf.port);
    run_open_url(&r, url);
    RUN_UNTIL(&r, r.opens > 0);
    r.timer = -1;
    assert_int_equal(curl_easy_pause(r.easy, CURLPAUSE_RECV), CURLE_OK);
    assert_int_equal(curl_easy_pause(r.easy, CURLPAUSE_CONT), CURLE_OK);
    if (r.timer != 0)
        fail_msg("libcurl does not look at a connecting handle whose pause has changed");
    run_close(&r);
    test_deaf_close(&deaf);
}

/* callbacks.c judges addresses and idle connections there; transfer.c then asks once more, on a
 * connection of its own. */
static void test_libcurl_sends_nothing_after_a_no(void **state)
{
    struct run r;
    struct origin_counts counts;
    run_open(&r, "/bytes?n=1000&id=prereq");
    RUN_UNTIL(&r, r.done);
    assert_int_equal(r.code, CURLE_OK);
    r.refuses = true;
    run_again(&r);
    RUN_UNTIL(&r, r.done);
    if (r.code != CURLE_ABORTED_BY_CALLBACK || r.prereqs != 1)
        fail_msg("libcurl ends with %d when the PREREQFUNCTION says no", (int)r.code);
    if (r.opens != 0)
        fail_msg("libcurl does not use an idle connection again");
    r.refuses = false;
    curl_easy_setopt(r.easy, CURLOPT_FRESH_CONNECT, 1L);
    run_again(&r);
    RUN_UNTIL(&r, r.done);
    assert_int_equal(r.code, CURLE_OK);
    if (r.opens != 1)
        fail_msg("libcurl takes an old connection where it was to make a new one");
    assert_true(origin_counts(origin, "prereq", &counts));
    if (counts.requests != 2)
        fail_msg("libcurl sent the request after the PREREQFUNCTION had said no");
    run_close(&r);
}

/* head.c. */
static void test_libcurl_gives_the_head_line_by_line(void **state)
{
    struct run r;
    run_open(&r, "/bytes?n=10&info=103,2&header=X-One:1&huge_header=20000&trailer=1");
    RUN_UNTIL(&r, r.done);
    assert_int_equal(r.code, CURLE_OK);
    if (r.cut_line)
        fail_msg("libcurl gives a piece of the head that is not one line");
    run_close(&r);
}

/* multi.c: what the kernel holds before an error is the body's. */
static void test_libcurl_reads_what_came_before_a_reset(void **state)
{
    struct run r;
    struct origin_counts counts;
    run_open(&r, "/bytes?n=100000&reset=60000&id=reset");
    RUN_UNTIL(&r, r.prereqs == 1);
    TEST_WAIT(origin_counts(origin, "reset", &counts) && counts.finished == 1, 10000);
    RUN_UNTIL(&r, r.done);
    if (r.bytes != 60000 || r.wrong)
        fail_msg("libcurl dropped what came before a reset: %zu of 60000", r.bytes);
    assert_int_equal(r.code, CURLE_RECV_ERROR);
    run_close(&r);
}

/* outcome.c tells one failure from another by these. */
static void ends_with(const char *path, CURLcode code, CURLcode other, const char *word)
{
    struct run r;
    run_open(&r, path);
    RUN_UNTIL(&r, r.done);
    if ((r.code != code || (word && !strstr(r.error, word))) && r.code != other)
        fail_msg("libcurl says %d, \"%s\", of %s", (int)r.code, r.error, path);
    run_close(&r);
}

static void test_libcurl_says_what_was_wrong(void **state)
{
    const CURLcode large = (CURLcode)CODE_TOO_LARGE;
    ends_with("/bytes?n=9000&framing=chunked&bad_chunk=5000", CURLE_RECV_ERROR, CURLE_RECV_ERROR,
              "chunk");
    ends_with("/bytes?n=9&header_flood=40000", CURLE_RECV_ERROR, large,
              "Too large response headers");
    ends_with("/bytes?n=9&huge_header=200K", CURLE_OUT_OF_MEMORY, large, NULL);
    ends_with("/bytes?n=9000&cut=5000", CURLE_PARTIAL_FILE, CURLE_PARTIAL_FILE, NULL);
    ends_with("/bytes?n=9000&framing=close&cut=5000", CURLE_OK, CURLE_OK, NULL);
    ends_with("/bytes?n=9&head_cut=0", CURLE_GOT_NOTHING, CURLE_GOT_NOTHING, NULL);
}

static void test_libcurl_says_that_an_origin_speaks_no_tls(void **state)
{
    static const char clear[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof in;
    struct run r;
    char url[64];
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&in, &len), 0);
    snprintf(url, sizeof url, "https://127.0.0.1:%u/", ntohs(in.sin_port));
    run_open_url(&r, url);
    RUN_UNTIL(&r, r.opens > 0);
    int fd = accept(listener, NULL, NULL);
    assert_int_equal(write(fd, clear, sizeof clear - 1), sizeof clear - 1);
    RUN_UNTIL(&r, r.done);
    assert_int_equal(r.code, CURLE_SSL_CONNECT_ERROR);
    if (!strstr(r.error, "wrong version number") && !strstr(r.error, "packet length too long") &&
        !strstr(r.error, "http request"))
        fail_msg("libcurl says \"%s\" of an answer in clear text", r.error);
    run_close(&r);
    fd_close(&fd);
    fd_close(&listener);
}

/* tls.c, connection.c: whether an idle connection is innocent, and how an answer ended. */
static void test_libcurl_shows_its_tls(void **state)
{
    struct run r;
    for (int told = 0; told < 2; told++) {
        char path[64];
        snprintf(path, sizeof path, "/bytes?n=1000&framing=close&notify=%d", told);
        unsigned before = atomic_load(&reads);
        run_open_tls(&r, path);
        RUN_UNTIL(&r, r.done);
        if (!r.shows_tls)
            fail_msg("libcurl does not show its TLS before it sends: %s", r.error);
        if (atomic_load(&reads) == before)
            fail_msg("libcurl does not read by SSL_read any more");
        if (tls_answer_cut(r.answer) != (told == 0))
            fail_msg("libcurl's TLS context does not tell of the peer's close");
        assert_int_equal(r.bytes, 1000);
        run_close(&r);
    }
}

/* trust.c: a bundle that has changed is another file to it, by another spelling. */
static void test_libcurl_uses_no_connection_of_another_bundle(void **state)
{
    struct run r;
    char spelt[512];
    run_open_tls(&r, "/bytes?n=1000");
    RUN_UNTIL(&r, r.done);
    assert_int_equal(r.code, CURLE_OK);
    run_again(&r);
    RUN_UNTIL(&r, r.done);
    if (r.opens != 0)
        fail_msg("libcurl does not use an idle TLS connection again");
    snprintf(spelt, sizeof spelt, "/%s", origin_ca_file(tls_origin));
    curl_easy_setopt(r.easy, CURLOPT_CAINFO, spelt);
    run_again(&r);
    RUN_UNTIL(&r, r.done);
    assert_int_equal(r.code, CURLE_OK);
    if (r.opens != 1)
        fail_msg("libcurl uses a connection again that another bundle has vouched for");
    run_close(&r);
}

/* multi.c: without it a handle that failed would be waited for for ever. */
static void test_libcurl_calls_the_timer_for_a_new_handle(void **state)
{
    struct run r;
    run_open(&r, "/bytes?n=1000");
    if (r.timer < 0)
        fail_msg("libcurl does not ask to be called for a new handle");
    RUN_UNTIL(&r, r.done);
    run_close(&r);
}

/* --- the judgement ---------------------------------------------------------------------------- */

static const char *tls = "OpenSSL/3.0.1";

static int judge(unsigned version, int features, struct error *err)
{
    curl_version_info_data info = {.age = CURLVERSION_NOW,
                                   .version = "9.8.7",
                                   .version_num = version,
                                   .features = features,
                                   .ssl_version = tls};
    *err = (struct error){{0}};
    return libcurl_judge(&info, err);
}

static void test_versions(void **state)
{
    const int good = CURL_VERSION_ASYNCHDNS | CURL_VERSION_SSL;
    struct error err;
    assert_int_equal(judge(0x075801, good, &err), 0);
    assert_int_equal(judge(0x081600, good, &err), 0);
    assert_int_equal(judge(0x075400, good, &err), -ENOSYS);
    assert_non_null(strstr(err.text, "7.85.0 or later"));
    assert_int_equal(judge(0x080b01, good, &err), -ENOSYS);
    assert_non_null(strstr(err.text, "install another version"));
    assert_int_equal(judge(0x080b00, good, &err), 0);
    assert_int_equal(judge(0x075801, CURL_VERSION_SSL, &err), -ENOSYS);
    assert_int_equal(judge(0x075801, CURL_VERSION_ASYNCHDNS, &err), -ENOSYS);
    tls = "GnuTLS/3.7.9";
    assert_int_equal(judge(0x075801, good, &err), -ENOSYS);
    assert_non_null(strstr(err.text, "the one with OpenSSL"));
    tls = "OpenSSL/3.0.1";
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_libcurl_names_both_ends_of_the_connection_before_it_sends),
        cmocka_unit_test(test_libcurl_gives_a_read_in_one_piece),
        cmocka_unit_test(test_libcurl_gives_nothing_while_it_is_paused),
        cmocka_unit_test(test_libcurl_keeps_what_it_holds_over_a_cut),
        cmocka_unit_test(test_libcurl_reads_nothing_after_a_refusal),
        cmocka_unit_test(test_libcurl_says_a_refusal_within_pause_by_its_return),
        cmocka_unit_test(test_libcurl_goes_on_to_the_next_address),
        cmocka_unit_test(test_libcurl_takes_a_name_out_of_its_cache),
        cmocka_unit_test(test_libcurl_leaves_a_look_up_behind),
        cmocka_unit_test(test_libcurl_looks_at_a_handle_whose_pause_changes),
        cmocka_unit_test(test_libcurl_sends_nothing_after_a_no),
        cmocka_unit_test(test_libcurl_gives_the_head_line_by_line),
        cmocka_unit_test(test_libcurl_reads_what_came_before_a_reset),
        cmocka_unit_test(test_libcurl_says_what_was_wrong),
        cmocka_unit_test(test_libcurl_says_that_an_origin_speaks_no_tls),
        cmocka_unit_test(test_libcurl_shows_its_tls),
        cmocka_unit_test(test_libcurl_uses_no_connection_of_another_bundle),
        cmocka_unit_test(test_libcurl_calls_the_timer_for_a_new_handle),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
