/* The connection is cut behind the n-th message until all goes through: each change is told as it
 * is, and happens once. Of all n, every CUTS_STEP-th is tried; PENSTOCK_CUTS=1 tries each. A proxy
 * between the store and the server counts the messages of either direction; so commits are cut off
 * from their answers as well as from the server. */
#include "base/log.h"
#include "pg_spools.h"
#include "store/postgresql/pg_session.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>

#define CUTS_STEP 11

/* --- the proxy -------------------------------------------------------------------------------- */

static char proxy_dir[88], proxy_dsn[160], proxy_path[108];
static int proxy_fd = -1;
static atomic_int countdown; /* messages until the cut; 0: none is to come */
static pthread_mutex_t door = PTHREAD_MUTEX_INITIALIZER; /* held: new connections wait */
static bool cut_answers; /* messages of the server's are counted; else the client's */

struct flow {
    int from, to;
    bool counted, started; /* a client's first message has no type */
    unsigned char head[5];
    size_t have;   /* of the head */
    uint32_t left; /* of the body */
};

/* Behind the bytes that may pass: fewer than `len` if the cut is there. */
static size_t passes(struct flow *f, const unsigned char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        size_t head = f->started ? 5 : 4;
        if (f->have < head) {
            f->head[f->have++] = data[i];
            if (f->have < head)
                continue;
            uint32_t size;
            memcpy(&size, f->head + head - 4, 4);
            f->left = ntohl(size) - 4;
        } else {
            f->left--;
        }
        if (f->left > 0)
            continue;
        f->have = 0;
        f->started = true;
        if (f->counted && atomic_load(&countdown) > 0 && atomic_fetch_sub(&countdown, 1) == 1)
            return i + 1;
    }
    return len;
}

/* False: it has ended, or is cut. */
static bool pass(struct flow *f)
{
    unsigned char data[8192];
    ssize_t n = recv(f->from, data, sizeof data, 0);
    if (n <= 0)
        return false;
    size_t pass = passes(f, data, (size_t)n), sent = 0;
    while (sent < pass) {
        ssize_t w = send(f->to, data + sent, pass - sent, MSG_NOSIGNAL);
        if (w < 0)
            return false;
        sent += (size_t)w;
    }
    return pass == (size_t)n && (!f->counted || atomic_load(&countdown) >= 0);
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

static void *relay(void *arg)
{
    int client = (int)(intptr_t)arg;
    char path[108];
    snprintf(path, sizeof path, "%s/.s.PGSQL.5432", cluster);
    int server = connect_to(path);
    struct flow ask = {.from = client, .to = server, .counted = !cut_answers};
    struct flow answer = {.from = server, .to = client, .counted = cut_answers, .started = true};
    struct pollfd fds[2] = {{.fd = client, .events = POLLIN}, {.fd = server, .events = POLLIN}};
    bool more = server >= 0;
    while (more && poll(fds, 2, -1) > 0) {
        if (fds[0].revents)
            more = pass(&ask);
        if (more && fds[1].revents)
            more = pass(&answer);
    }
    close(client);
    if (server >= 0)
        close(server);
    return NULL;
}

static void *accept_all(void *arg)
{
    int fd;
    while ((fd = accept4(proxy_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        pthread_t thread;
        pthread_mutex_lock(&door);
        pthread_mutex_unlock(&door);
        if (pthread_create(&thread, NULL, relay, (void *)(intptr_t)fd) == 0)
            pthread_detach(thread);
    }
    return NULL;
}

static pthread_t proxy_thread;

static void proxy_start(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(proxy_dir, sizeof proxy_dir, "%s.proxy", cluster);
    assert_int_equal(mkdir(proxy_dir, 0700), 0);
    snprintf(proxy_path, sizeof proxy_path, "%s/.s.PGSQL.5432", proxy_dir);
    snprintf(proxy_dsn, sizeof proxy_dsn, "host=%s dbname=postgres user=penstock", proxy_dir);
    strcpy(address.sun_path, proxy_path);
    proxy_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(proxy_fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(proxy_fd, 16), 0);
    assert_int_equal(pthread_create(&proxy_thread, NULL, accept_all, NULL), 0);
    store_dsn = proxy_dsn;
}

static void proxy_stop(void)
{
    shutdown(proxy_fd, SHUT_RDWR);
    pthread_join(proxy_thread, NULL);
    close(proxy_fd);
    assert_int_equal(unlink(proxy_path), 0);
    assert_int_equal(rmdir(proxy_dir), 0);
}

/* --- what is done meanwhile ------------------------------------------------------------------- */

static void expect_count(const char *what, const char *sql, int expected, int n)
{
    int seen = atoi(ask(sql));
    if (seen != expected)
        fail_msg("cut at %d: %s: %d, and not %d", n, what, seen, expected);
}

/* Until the store takes it: an answer that it was refused must mean that nothing is there. */
static void submit_three(struct fixture *f, int n, struct store_job jobs[3], int before)
{
    struct store_submit_item items[3];
    struct store_submit call = {.items = items, .count = 3};
    int r;
    do {
        for (int i = 0; i < 3; i++) {
            jobs[i] = job_for("h");
            items[i] = (struct store_submit_item){.job = &jobs[i], .claim = i == 0};
        }
        jobs[1].key = (char *)(uintptr_t) "k";
        jobs[1].spec = (char *)(uintptr_t) "{\"key\":1}";
        r = CALL(f, submit, &call);
        if (r < 0)
            expect_count("refused jobs", "SELECT count(*) FROM %s.jobs", before, n);
    } while (r < 0);
    expect_count("jobs", "SELECT count(*) FROM %s.jobs", before + (before ? 2 : 3), n);
    assert_int_equal(items[1].existing, before > 0);
    assert_int_equal(items[0].job->attempt, 1);
}

static void claim_once(struct fixture *f, uint64_t id, uint32_t attempt)
{
    int r;
    do {
        struct store_claim call = {.id = id, .attempt = attempt - 1};
        r = CALL(f, claim, &call);
        assert_true(r == 0 || r == -EIO);
    } while (r < 0);
}

/* Records that come before their end, by a connection of their own: if they do not, the end brings
 * them. */
static void append_some(struct fixture *f, uint64_t id, uint32_t attempt, const struct spool *spool)
{
    for (int lines = 1; lines <= 2; lines++) {
        int r = append(f, id, attempt, spool, lines);
        assert_true(r == 0 || r == -EAGAIN);
    }
}

/* An attempt that comes to nothing, and leaves some behind. */
static void postpone_with_records(struct fixture *f, uint64_t id, uint32_t attempt)
{
    struct spool spool = spool_of(f->dir, id, attempt, 2, "{\"n\":%d}");
    append_some(f, id, attempt, &spool);
    assert_int_equal(postpone(f, id, attempt, 0), 0);
    spool_close(&spool);
}

/* An end that brings three records, by the other connection; some of them come before. */
static void finish_with_records(struct fixture *f, uint64_t id, uint32_t attempt)
{
    struct spool spool = spool_of(f->dir, id, attempt, 3, "{\"n\":%d}");
    append_some(f, id, attempt, &spool);
    struct store_finish end = end_with(id, attempt, &spool);
    assert_int_equal(CALL(f, finish, &end), 0);
    spool_close(&spool);
}

static void go_through(struct fixture *f, int n)
{
    struct store_job jobs[3], again[3];
    submit_three(f, n, jobs, 0);
    claim_once(f, jobs[1].id, 1);
    postpone_with_records(f, jobs[1].id, 1);
    claim_once(f, jobs[1].id, 2);
    submit_three(f, n, again, 3);
    assert_int_equal(again[1].id, jobs[1].id);
    finish_with_records(f, jobs[1].id, 2);
    assert_int_equal(finish(f, jobs[0].id, 1, JOB_FAILED), 0);
    assert_int_equal(finish(f, jobs[2].id, 0, JOB_CANCELLED), 0);
}

static void check_all(struct fixture *f, int n)
{
    static const int expected[JOB_STATE_COUNT_] = {
        [JOB_QUEUED] = 1, [JOB_RUNNING] = 1, [JOB_DONE] = 1, [JOB_FAILED] = 1, [JOB_CANCELLED] = 1};
    struct store_counts counts;
    expect_count("ends", "SELECT count(*) FROM %s.ended", 3, n);
    expect_count("records", "SELECT count(*)+count(DISTINCT (job,attempt,seq)) FROM %s.results", 6,
                 n);
    while (atoi(ask("SELECT count(*) FROM %s.batches")) > 0)
        usleep(1000);
    expect_count("records of nobody", "SELECT count(*) FROM %s.records", 3, n);
    expect_count("waiting or running", "SELECT count(*) FROM %s.jobs", 2, n);
    expect_count("the queued ones' count",
                 "SELECT sum(queued)-(SELECT count(*) FROM %s.jobs WHERE state=0) FROM %s.counts",
                 0, n);
    f->store->engine->counts(f->store, &counts);
    for (int i = 0; i < JOB_STATE_COUNT_; i++)
        if (counts.by_state[i] != (uint64_t)expected[i])
            fail_msg("cut at %d: %s: %llu, and not %d", n, job_state_name((enum job_state)i),
                     (unsigned long long)counts.by_state[i], expected[i]);
}

static void cut_everywhere(bool answers)
{
    const char *wanted = getenv("PENSTOCK_CUTS");
    int step = wanted ? atoi(wanted) : CUTS_STEP, n, tried = 0;
    bool cut = true;
    cut_answers = answers;
    assert_true(step > 0);
    for (n = 1; cut; n += step, tried++) {
        struct fixture f = {.open = n == 1 ? open_new : open_again};
        atomic_store(&countdown, 0);
        fixture_open(&f, &(struct store_config){.retry_ns = 2 * NS_PER_MS});
        atomic_store(&countdown, n);
        go_through(&f, n);
        cut = atomic_load(&countdown) <= 0;
        atomic_store(&countdown, 0);
        check_all(&f, n);
        fixture_close(&f);
        ask("SET search_path=%s; TRUNCATE jobs,ended,records,batches,keys,members,beats; DELETE "
            "FROM "
            "counts WHERE "
            "member<>0; UPDATE counts SET (queued,running,waiting,done,failed,cancelled,bytes)="
            "(0,0,0,0,0,0,0)");
    }
    print_message("%d cuts in up to %d messages\n", tried - 1, n - step);
    assert_true(n > 50);
}

static void an_answer_that_is_lost_is_asked_after(void **state)
{
    cut_everywhere(true);
}

static void what_the_server_never_got_is_said_again(void **state)
{
    cut_everywhere(false);
}

/* --- a question that is refused --------------------------------------------------------------- */

static sem_t fails;
static char trouble[512];

/* The store's thread. */
static void on_trouble(void *arg, const char *why)
{
    if (!why)
        return;
    snprintf(trouble, sizeof trouble, "%s", why);
    sem_post(&fails);
}

/* Cuts an end's answers off behind the n-th message. True if the end stands nevertheless, as was
 * seen before anything was asked again; then the server refuses the question for a while. */
static bool end_stands(struct fixture *f, int n)
{
    uint64_t id = submit_to(f, "h");
    claim(f, id);
    int before = atoi(ask("SELECT count(*) FROM %s.ended"));
    struct store_finish end = {
        .id = id, .attempt = 1, .running = true, .state = JOB_DONE, .verdict = "{}"};
    pthread_mutex_lock(&door);
    atomic_store(&countdown, n);
    expect_call(&end.call);
    f->store->engine->finish(f->store, &end);
    sem_wait(&fails);
    atomic_store(&countdown, 0);
    bool stands = atoi(ask("SELECT count(*) FROM %s.ended")) > before;
    if (stands)
        ask("ALTER TABLE %s.ended RENAME TO hidden");
    pthread_mutex_unlock(&door);
    if (stands) {
        sem_wait(&fails);
        assert_non_null(strstr(trouble, "42P01"));
        ask("ALTER TABLE %s.hidden RENAME TO ended");
    }
    wait_calls(f, 1);
    assert_int_equal(end.call.result, 0);
    while (sem_trywait(&fails) == 0)
        ;
    return stands;
}

static void a_question_that_is_refused_is_asked_again(void **state)
{
    struct fixture f = {.open = open_new};
    bool stands = false;
    cut_answers = true;
    atomic_store(&countdown, 0);
    sem_init(&fails, 0, 0);
    fixture_open(&f, &(struct store_config){.retry_ns = 2 * NS_PER_MS, .trouble = on_trouble});
    for (int n = 1; !stands; n++)
        stands = end_stands(&f, n);
    fixture_close(&f);
    sem_destroy(&fails);
}

/* --- a server that says nothing --------------------------------------------------------------- */

/* It takes the connection, and no more: that is given up in time, and the next one is as good as
 * any. */
static void silence_is_given_up(void **state)
{
    struct fixture f = {.open = open_new};
    struct error why = {""};
    atomic_store(&countdown, 0);
    fixture_open(&f,
                 &(struct store_config){.retry_ns = 2 * NS_PER_MS, .lease_ns = 600 * NS_PER_MS});
    pthread_mutex_lock(&door);
    ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE "
        "'penstock/%%'");
    while (!strstr(why.text, "no connection within")) {
        usleep(1000);
        if (store_failing(f.store))
            f.store->engine->trouble(f.store, &why);
    }
    pthread_mutex_unlock(&door);
    struct store_job job = job_for("h");
    struct store_submit_item item = {.job = &job};
    struct store_submit call = {.items = &item, .count = 1};
    while (CALL(&f, submit, &call) < 0)
        ;
    fixture_close(&f);
}

/* What a connection over TCP is told of patience, as the kernel has it: whether something of ours
 * is not acknowledged or an answer alone is missing, the loss is seen within half a lease. */
static void expect_patience(uint64_t lease_ms, int port)
{
    char text[160];
    struct target target;
    struct error err = {""};
    int fd, on, idle, interval, user;
    socklen_t size = sizeof on;
    snprintf(text, sizeof text, "hostaddr=127.0.0.1 port=%d dbname=d user=u sslmode=disable", port);
    struct store_config config = {.dsn = text, .lease_ns = lease_ms * NS_PER_MS};
    assert_int_equal(target_init(&target, &config, &err), 0);
    PGconn *conn = PQconnectStartParams(target.names, target.values, 0);
    fd = PQsocket(conn);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, &size), 0);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, &size), 0);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, &size), 0);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user, &size), 0);
    assert_true(on);
    assert_in_range(user, 1, lease_ms / 2);
    int seen = idle + interval; /* a probe must be out as well */
    while (seen * 1000 < user)
        seen += interval;
    assert_in_range(seen, 1, lease_ms / 2000);
    PQfinish(conn);
    target_deinit(&target);
}

static void a_silent_network_is_lost_within_half_a_lease(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    static const uint64_t leases[] = {5000, 60000, 600000};
    for (size_t i = 0; i < sizeof leases / sizeof leases[0]; i++)
        expect_patience(leases[i], ntohs(address.sin_port));
    close(fd);
}

/* It would be lost with the words of the config, so these are refused there. */
static void patience_is_not_the_configs(void **state)
{
    static const char *const words[] = {"keepalives=0", "keepalives_idle=7200",
                                        "keepalives_interval=75", "keepalives_count=9",
                                        "tcp_user_timeout=0"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        struct store_config config = {.dsn = words[i]};
        struct target target;
        struct error err = {""};
        assert_int_equal(target_init(&target, &config, &err), -EINVAL);
        assert_non_null(strstr(err.text, "is not a word for here"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_that_is_lost_is_asked_after),
        cmocka_unit_test(what_the_server_never_got_is_said_again),
        cmocka_unit_test(a_question_that_is_refused_is_asked_again),
        cmocka_unit_test(silence_is_given_up),
        cmocka_unit_test(a_silent_network_is_lost_within_half_a_lease),
        cmocka_unit_test(patience_is_not_the_configs),
    };
    log_set_level(LOG_LEVEL_ERROR);
    int r = pg_begin();
    if (r != 0)
        return r;
    proxy_start();
    int failed = cmocka_run_group_tests_name("postgresql, cut", tests, NULL, NULL);
    proxy_stop();
    pg_end();
    return failed;
}
