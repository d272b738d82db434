"""What the tests of a fleet share: a PostgreSQL cluster, an origin of many hosts that counts, and the members."""
import collections
import contextlib
import http.server
import signal
import socketserver
import threading
import time
import unittest

import penstock_test
import postgresql_server
from penstock_test import BIN, DEADLINE, PATIENCE, until

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
class Case(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.server = postgresql_server.Cluster(self, "fsync=off")
        self.web = Server(self)
        self.config = None
        self.common = {"store.engine": "postgresql", "store.dsn": self.server.dsn,
                       "store.lease": f"{20 * PATIENCE}s",  # that no member is late for want of a CPU
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

    def all_ended(self, count, seconds=DEADLINE):
        until(lambda: self.ended() == count, "all have ended", seconds)

    def held(self, daemon, count):
        """Submits so many jobs, and the origin keeps them until its gate is opened; as many as may are running."""
        self.web.gate.clear()
        jobs = self.submit(daemon, count)
        until(lambda: sum(self.web.now.values()) == min(count, LIMIT * HOSTS), "as many run as may")
        return jobs

    @contextlib.contextmanager
    def stopped(self, daemon):
        """A member that does nothing meanwhile, its lease neither."""
        daemon.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            daemon.signal(signal.SIGCONT)

    def lines(self, daemons):
        """Of each job: its verdicts in all logs, by attempt; and what was revoked."""
        verdicts, revoked = collections.defaultdict(dict), set()
        for daemon in daemons:
            for line in daemon.events("verdict"):
                verdicts[line["job"]][line["attempt"]] = line
            revoked |= {(line["job"], line["attempt"]) for line in daemon.events("revoke")}
        return verdicts, revoked
