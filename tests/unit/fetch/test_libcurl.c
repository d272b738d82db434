/* What the fetch layer relies on of libcurl beyond its documents, each by itself against the
 * library that is here: a version that behaves otherwise fails by the sentence that says what
 * broke. The names of the tests are the facts; where a fact is used is said beside it. Plus the
 * judgement of versions. */
#include "fetch/libcurl.h"

#include "fetch/connection.h"
#include "unit/fetch/client.h"

#include "base/fd.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static struct origin *origin;

static int open_all(void **state)
{
    struct error err = {{0}};
    if (libcurl_start(&err) < 0)
        fail_msg("%s", err.text);
    origin = origin_new(&(struct origin_config){0});
    assert_non_null(origin);
    return 0;
}

static int close_all(void **state)
{
    origin_free(origin);
    return 0;
}

/* --- one transfer, driven by hand, as multi.c drives it --------------------------------------- */

struct run {
    CURLM *multi;
    CURL *easy;
    char url[256];
    curl_socket_t opened; /* the last socket */
    int wanted;           /* what curl wants of it, CURL_POLL_…; 0: nothing */
    long timer;           /* ms; -1: none */
    unsigned calls;       /* of the write callback */
    size_t bytes, head, largest;
    unsigned pause_at; /* the call that is told to pause; 0: none */
    unsigned fail_at;  /* the call that is refused */
    bool inside;       /* within curl_easy_pause */
    unsigned inside_calls;
    int prereqs;
    int64_t read_base;
    struct connection_ends ends;
    CURLMsg *done;
    CURLcode code;
    bool wrong;
};

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *addr)
{
    struct run *r = arg;
    r->opened = socket(addr->family, addr->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, addr->protocol);
    return r->opened;
}

static int on_prereq(void *arg, char *remote, char *local, int remote_port, int local_port)
{
    struct run *r = arg;
    r->prereqs++;
    r->ends.remote_port = remote_port;
    r->ends.local_port = local_port;
    snprintf(r->ends.remote, sizeof r->ends.remote, "%s", remote);
    snprintf(r->ends.local, sizeof r->ends.local, "%s", local);
    r->read_base = connection_bytes_read(r->opened);
    return CURL_PREREQFUNC_OK;
}

static size_t on_head(char *line, size_t size, size_t count, void *arg)
{
    ((struct run *)arg)->head += size * count;
    return size * count;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct run *r = arg;
    size_t len = size * count;
    r->calls++;
    r->inside_calls += r->inside;
    if (r->calls == r->pause_at)
        return CURL_WRITEFUNC_PAUSE;
    if (r->calls == r->fail_at)
        return 0;
    if (len > r->largest)
        r->largest = len;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)data[i] != origin_pattern(r->bytes + i))
            r->wrong = true;
    r->bytes += len;
    return len;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct run *r = arg;
    if (fd == r->opened)
        r->wanted = what == CURL_POLL_REMOVE ? 0 : what;
    return 0;
}

static int on_timer(CURLM *multi, long ms, void *arg)
{
    ((struct run *)arg)->timer = ms;
    return 0;
}

static void run_open(struct run *r, const char *path)
{
    *r = (struct run){.opened = CURL_SOCKET_BAD, .timer = -1};
    origin_url(origin, r->url, sizeof r->url, "%s", path);
    r->multi = curl_multi_init();
    r->easy = curl_easy_init();
    assert_true(r->multi && r->easy);
    curl_multi_setopt(r->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(r->multi, CURLMOPT_SOCKETDATA, r);
    curl_multi_setopt(r->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(r->multi, CURLMOPT_TIMERDATA, r);
    curl_easy_setopt(r->easy, CURLOPT_URL, r->url);
    curl_easy_setopt(r->easy, CURLOPT_PROXY, "");
    curl_easy_setopt(r->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(r->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(r->easy, CURLOPT_BUFFERSIZE, (long)CURL_MAX_WRITE_SIZE);
    curl_easy_setopt(r->easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl_easy_setopt(r->easy, CURLOPT_OPENSOCKETDATA, r);
    curl_easy_setopt(r->easy, CURLOPT_PREREQFUNCTION, on_prereq);
    curl_easy_setopt(r->easy, CURLOPT_PREREQDATA, r);
    curl_easy_setopt(r->easy, CURLOPT_HEADERFUNCTION, on_head);
    curl_easy_setopt(r->easy, CURLOPT_HEADERDATA, r);
    curl_easy_setopt(r->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(r->easy, CURLOPT_WRITEDATA, r);
    assert_int_equal(curl_multi_add_handle(r->multi, r->easy), CURLM_OK);
}

static void run_close(struct run *r)
{
    curl_multi_remove_handle(r->multi, r->easy);
    curl_easy_cleanup(r->easy);
    curl_multi_cleanup(r->multi);
}

static void take_message(struct run *r)
{
    int left;
    CURLMsg *msg;
    while ((msg = curl_multi_info_read(r->multi, &left))) {
        r->done = msg;
        r->code = msg->data.result;
    }
}

/* One turn: waits for what curl wants, 100 ms at most, and gives it. */
static void turn(struct run *r)
{
    struct pollfd pfd = {.fd = r->wanted ? r->opened : -1,
                         .events = (short)((r->wanted & CURL_POLL_IN ? POLLIN : 0) |
                                           (r->wanted & CURL_POLL_OUT ? POLLOUT : 0))};
    int running, flags = 0;
    int ms = r->timer >= 0 && r->timer < 100 ? (int)r->timer : 100;
    if (poll(&pfd, 1, ms) == 1)
        flags = (pfd.revents & (POLLIN | POLLHUP | POLLERR) ? CURL_CSELECT_IN : 0) |
                (pfd.revents & POLLOUT ? CURL_CSELECT_OUT : 0);
    r->timer = flags ? r->timer : -1;
    curl_multi_socket_action(r->multi, flags ? pfd.fd : CURL_SOCKET_TIMEOUT, flags, &running);
    take_message(r);
}

#define RUN_UNTIL(r, condition)                                   \
    do {                                                          \
        for (int turns = 0; !(condition) && turns < 600; turns++) \
            turn(r);                                              \
        if (!(condition))                                         \
            fail_msg("libcurl never came to: %s", #condition);    \
    } while (0)

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
    CURLcode code = curl_easy_pause(r.easy, CURLPAUSE_CONT);
    r.inside = false;
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

/* lookup.c. */
static void test_libcurl_takes_a_name_out_of_its_cache(void **state)
{
    CURL *easy = curl_easy_init();
    struct curl_slist *list = curl_slist_append(NULL, "-example.org:80");
    assert_int_equal(curl_easy_setopt(easy, CURLOPT_RESOLVE, list), CURLE_OK);
    curl_easy_cleanup(easy);
    curl_slist_free_all(list);
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
        cmocka_unit_test(test_libcurl_takes_a_name_out_of_its_cache),
        cmocka_unit_test(test_libcurl_calls_the_timer_for_a_new_handle),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
