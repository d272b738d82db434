"""Three daemons, one queue in PostgreSQL: each job has one verdict that counts, whoever dies meanwhile."""
import collections
import http.server
import signal
import socketserver
import threading
import time
import unittest

import penstock_test
import postgresql_server
from penstock_test import BIN, DEADLINE, until

MODULE = BIN.parent / "modules" / "penstock-postgresql.so"
HOSTS = 30
LIMIT = 2


class Counter(http.server.BaseHTTPRequestHandler):
    """Takes a moment for each request, and knows how many of one host it has at once."""
    protocol_version = "HTTP/1.1"
    lock = threading.Lock()

    def do_GET(self):
        server, host = self.server, self.headers["Host"].rsplit(":", 1)[0]
        with self.lock:
            server.now[host] += 1
            server.peak[host] = max(server.peak[host], server.now[host])
            server.seen[f"http://{host}{self.path}"] += 1
        try:
            server.gate.wait(DEADLINE)
            time.sleep(server.takes)
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            with self.lock:
                server.now[host] -= 1
            self.wfile.write(b"line\n")
        except OSError:
            self.close_connection = True

    def log_message(self, *unused):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, test):
        super().__init__(("127.0.0.1", 0), Counter)
        self.now, self.peak, self.seen = (collections.Counter() for _ in range(3))
        self.takes = 0.02
        self.gate = threading.Event()
        self.gate.set()
        threading.Thread(target=self.serve_forever, daemon=True).start()
        test.addCleanup(self.server_close)
        test.addCleanup(self.shutdown)
        test.addCleanup(self.gate.set)

    def url(self, host, path):
        return f"http://h{host}.localhost:{self.server_address[1]}/{path}"

    def handle_error(self, *unused):
        pass


@unittest.skipUnless(MODULE.exists(), "the module is not built")
class Fleet(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.server = postgresql_server.Cluster(self, "fsync=off")
        self.web = Server(self)
        self.config = None
        self.common = {"store.engine": "postgresql", "store.dsn": self.server.dsn, "store.lease": "5s",
                       "fetch.host_connections": str(LIMIT), "parse.workers": "32"}
        sets = [a for k, v in self.common.items() for a in ("--set", f"{k}={v}")]
        penstock_test.run(BIN / "penstockd", "--config", "/dev/null", "--set", f"store.path={self.dir / 'm'}", *sets,
                          "--migrate", check=0)

    def member(self, name, **settings):
        return self.daemon({**self.common, "store.path": self.dir / f"queue-{name}", "fleet.name": name, **settings},
                           config=self.config)

    def shards(self, daemon):
        return {m["name"]: m["shards"] for m in daemon.call("fleet")["members"]}

    def members(self, *names):
        """Each of them has its share."""
        daemons = [self.member(name) for name in names]
        until(lambda: sorted(self.shards(daemons[0])) == sorted(names) and min(self.shards(daemons[0]).values()) > 0
              and sum(self.shards(daemons[0]).values()) == 256, "all have hosts")
        return daemons

    def submit(self, daemon, count):
        """So many URLs over all hosts, by one call."""
        urls = [{"url": self.web.url(i % HOSTS, str(i)), "parser": "lines", "max_attempts": 3} for i in range(count)]
        answers = daemon.call("submit", urls)
        return {answer["id"] for answer in answers}

    def ended(self):
        return int(self.server.ask("SELECT count(*) FROM penstock.ended")[0][0])

    def lines(self, daemons):
        """Of each job: its verdicts in all logs, by attempt; and what was revoked."""
        verdicts, revoked = collections.defaultdict(dict), set()
        for daemon in daemons:
            for line in daemon.events("verdict"):
                verdicts[line["job"]][line["attempt"]] = line
            revoked |= {(line["job"], line["attempt"]) for line in daemon.events("revoke")}
        return verdicts, revoked

    def test_members_share_the_work(self):
        a, b, c = self.members("a", "b", "c")
        jobs = self.submit(a, 300)
        until(lambda: self.ended() == 300, "all have ended")
        verdicts, revoked = self.lines((a, b, c))
        self.assertEqual((set(verdicts), revoked), (jobs, set()))
        self.assertEqual({v["state"] for by in verdicts.values() for v in by.values()}, {"done"})
        self.assertEqual({v["by"] for by in verdicts.values() for v in by.values()}, {"a", "b", "c"})
        self.assertEqual(set(self.web.seen.values()), {1})
        self.assertLessEqual(max(self.web.peak.values()), LIMIT)
        self.assertEqual(len(self.web.peak), HOSTS)
        text = b.ctl("fleet", check=0).stdout
        self.assertRegex(text, r"(?m)^a +\d+ +0 +32 ")
        self.assertRegex(text, r"(?m)^b .* this *$")

    def test_across_members(self):
        """Cancel, wait, follow and show, asked of one that has nothing to do with the job."""
        a, b = self.members("a", "b")
        self.web.gate.clear()
        jobs = sorted(self.submit(a, HOSTS))
        states = lambda: [a.state(job) for job in jobs]
        until(lambda: states() == ["running"] * HOSTS, "all run")
        elsewhere = [job for job in jobs if not a.call("show", {"id": job}).get("running")]
        self.assertTrue(0 < len(elsewhere) < HOSTS)
        first, second, third = elsewhere[:3]
        self.assertEqual(a.call("cancel", {"id": first})["cancelled"], [first])
        self.assertEqual(a.call("wait", {"ids": [first]})["jobs"][0]["state"], "cancelled")
        rpc = a.rpc()
        rpc.send('{"jsonrpc":"2.0","id":1,"method":"wait","params":{"ids":[%d]}}\n' % second)
        follow = a.rpc()
        self.assertEqual(follow.call("follow", {"ids": [third]})["following"], True)
        self.web.gate.set()
        self.assertEqual(rpc.receive()["result"]["jobs"][0]["verdict"]["by"], "b")
        self.assertEqual(follow.receive(), {"jsonrpc": "2.0", "method": "elsewhere",
                                            "params": {"job": third, "member": "b"}})
        line = follow.receive()["params"]
        while line["event"] != "verdict":
            line = follow.receive()["params"]
        self.assertEqual((line["job"], line["by"]), (third, "b"))
        until(lambda: self.ended() == HOSTS, "all have ended")

    def test_one_leaves(self):
        """What it has goes to others at once, and not when its lease is over."""
        a, b = self.members("a", "b")
        self.web.gate.clear()
        self.submit(a, 4 * HOSTS)
        until(lambda: sum(self.web.now.values()) == LIMIT * HOSTS, "as many run as may")
        b.signal(signal.SIGTERM)
        until(lambda: self.shards(a)["a"] == 256, "the other one has all")
        self.web.gate.set()
        self.assertEqual(b.exit_status(), 0)
        until(lambda: self.ended() == 4 * HOSTS, "all have ended")
        self.assertEqual(set(self.web.seen.values()), {1})
        self.assertLessEqual(max(self.web.peak.values()), LIMIT)

    def test_all_leave_at_once(self):
        """Hosts that one gives to another, which ends as well, begin nothing there any more."""
        for _ in range(3):
            daemons = self.members("a", "b", "c")
            for daemon in daemons:
                daemon.signal(signal.SIGTERM)
            for daemon in daemons:
                self.assertEqual(daemon.exit_status(), 0, daemon.errors()[-2000:])
                self.daemons.remove(daemon)

    def test_one_is_killed_and_one_is_stopped(self):
        self.config = self.wrote("db.conf", '[sink "db"]\ntype = postgresql\n')
        a, b, c = self.members("a", "b", "c")
        jobs = self.submit(a, 300)
        until(lambda: self.ended() > 60, "some have ended")
        b.kill()
        c.signal(signal.SIGSTOP)
        try:
            until(lambda: self.ended() == 300, "all have ended", 2 * DEADLINE)
        finally:
            c.signal(signal.SIGCONT)
        until(lambda: len(self.shards(a)) == 2 and self.shards(a).get("c", 0) > 0, "it is a member again")
        verdicts, _ = self.lines((a, b, c))
        self.assertEqual(set(verdicts), jobs)
        rows = {int(id): int(attempt) for id, attempt in self.server.ask("SELECT id,attempt FROM penstock.ended")}
        self.assertEqual(set(rows), jobs)
        self.assertEqual({job: max(by) for job, by in verdicts.items()}, rows)
        # Each has one record, of the attempt that counts and no other.
        records = self.server.ask("SELECT job,attempt,count(*) FROM penstock.records GROUP BY job,attempt")
        self.assertEqual({(int(job), int(n), int(count)) for job, n, count in records}, {(*row, 1) for row in rows.items()})
        void = {(job, n) for job, by in verdicts.items() for n in by if n != rows[job]}
        until(lambda: {v for v in void if v[0] in self.of(c)} <= self.lines((c,))[1], "what does not count is said")
        self.assertLessEqual(max(self.web.peak.values()), 2 * LIMIT)  # its own, and those of the one that was stopped

    @staticmethod
    def of(daemon):
        return {line["job"] for line in daemon.events("verdict")}

    def test_evicted(self):
        a, b = self.members("a", "b")
        b.signal(signal.SIGSTOP)
        try:
            self.assertIn("no member", a.ctl("fleet", "evict", "b", check=0).stdout)
            until(lambda: self.shards(a) == {"a": 256}, "the other one has all")
        finally:
            b.signal(signal.SIGCONT)
        until(lambda: self.shards(a).get("b", 0) > 0, "it is a member again")
        self.assertEqual(a.ctl("fleet", "evict", "a").returncode, 3)
        self.assertEqual(a.ctl("fleet", "evict", "x").returncode, 3)

    def test_a_schedule_fires_once(self):
        daemons = self.members("a", "b", "c")
        daemons[0].call("schedule_add", {"name": "s", "url": self.web.url(0, "s"), "every": "1s", "jitter": "none"})
        until(lambda: self.ended() >= 3, "it has run")
        runs = int(self.server.ask("SELECT runs FROM penstock.schedules")[0][0])
        self.assertLessEqual(self.web.seen[f"http://h0.localhost/s"], runs)

    def test_a_parser_that_one_lacks(self):
        """Its jobs wait there, and are not failed."""
        config = self.wrote("parser.conf", '[parser "mine"]\ntype = lines\n')
        a = self.member("a")
        b = self.daemon({**self.common, "store.path": self.dir / "queue-b", "fleet.name": "b"}, config=config)
        until(lambda: min(self.shards(a).get(n, 0) for n in "ab") > 0, "both have hosts")
        jobs = [b.submit(self.web.url(i, "x"), parser="mine") for i in range(HOSTS)]
        until(lambda: {b.state(j) for j in jobs} == {"done", "queued"} and
              all(a.call("show", {"id": j}).get("waiting_for") in (None, "parser") for j in jobs), "half have run")
        a.signal(signal.SIGTERM)
        until(lambda: {b.state(j) for j in jobs} == {"done"}, "the other one can run them")


if __name__ == "__main__":
    penstock_test.main()
