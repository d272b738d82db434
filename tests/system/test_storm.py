# label: sanitize
"""Everything at once, at random: submits, cancels, retries, waits, follows, reloads, sinks that fail, clients
that vanish or send rubbish, against an origin with all its faults; then a stop at a random moment. Whatever
happened, each job that was acknowledged has exactly one verdict, its records are numbered without a gap, no
truncated body ended `done`, nothing leaked and the daemon ended well.

PENSTOCK_STORM_SEED repeats a run (as far as threads allow), PENSTOCK_STORM_SECONDS makes each case longer."""
import collections
import contextlib
import json
import os
import random
import signal
import socket
import threading
import time

import penstock_test
from penstock_test import until

SEED = int(os.environ.get("PENSTOCK_STORM_SEED") or random.SystemRandom().randrange(1 << 32))
SECONDS = float(os.environ.get("PENSTOCK_STORM_SECONDS") or 3)
JOBS = int(600 * SECONDS / 3)  # in one storm, about
GONE = (OSError, AssertionError, json.JSONDecodeError)  # of a client whose daemon has stopped

# Each with what may end `done`: 1 yes, 0 never (the body is cut or wrong on every request).
PATHS = [
    (1, "/lines?n=20"), (1, "/csv?n=300"), (1, "/ndjson?n=100&framing=chunked"), (1, "/bytes?n=200K"),
    (1, "/zeros?n=0"), (1, "/lines?n=50&drip=2,64"), (1, "/lines?n=2000&cut_first=5000&etag=strong"),
    (1, "/bytes?n=100K&reset=30K&first=1&etag=strong&range=ignore"), (1, "/lines?n=10&flaky=1"),
    (1, "/lines?n=10&slow_head=20"), (1, "/lines?n=10&redirects=2"), (1, "/lines?n=10&info=103,3"),
    (1, "/lines?status=204"), (1, "/lines?n=5&close=1"), (1, "/bytes?n=300K&cut=10K&first=3&etag=weak&modified=1"),
    (0, "/bytes?n=100K&cut=50K&etag=none&modified=0"), (0, "/bytes?n=100K&reset=50K&etag=none&modified=0"),
    (0, "/lines?n=1000&framing=chunked&no_final_chunk=1&etag=none&modified=0"), (0, "/lines?n=1000&framing=close"),
    (0, "/bytes?n=100K&bad_chunk=10K&framing=chunked&etag=none&modified=0"), (0, "/lines?n=10&length=%2B5&etag=none&modified=0"),
    (0, "/bytes?n=100K&stall=20K&etag=none&modified=0"), (0, "/lines?n=10&loop=1"), (0, "/lines?n=1&status=404"),
    (0, "/lines?n=1&status=500"), (0, "/silence"), (0, "/lines?garbage=1"), (0, "/lines?n=9&head_cut=20"),
    (0, "/lines?n=9&head_reset=0"), (0, "/lines?n=9&bad_status=1"), (0, "/lines?n=9&endless_head=1"),
    (0, "/lines?endless=1&drip=1,2000"), (0, "/bytes?endless=1&drip=1,1000"), (1, "/bytes?n=50K&gzip=1"), (0, "/bytes?n=50K&gzip=crc"),
    (0, "/bytes?n=100K&cut=50K&etag=strong&range=shift"), (0, "/bytes?n=100K&cut=50K&etag=change&range=ok"),
    (0, "/bytes?n=100K&cut=50K&etag=strong&range=416"), (0, "/bytes?n=100K&cut=50K&etag=strong&range=short"),
]
HOSTS = ["127.0.0.1", "localhost", "a.localhost", "b.localhost"]
RUBBISH = [b"\n", b"{}\n", b"[]\n", b"[[[[[[\n", b"\xff\xfe\n", b'{"jsonrpc":"2.0","id":1,"method":"nothing"}\n',
           b'{"jsonrpc":"2.0","id":{},"method":"ping"}\n', b"x" * 3_000_000, b'{"jsonrpc":"2.0","id":1,"method":"wait"',
           b'{"jsonrpc":"2.0","id":9,"method":"wait","params":{"ids":[99999999]}}\n', b"\0\0\0\n",
           b'{"jsonrpc":"2.0","id":1,"method":"follow","params":{"events":["no"]}}\n',
           b'{"jsonrpc":"2.0","id":1,"method":"list","params":{"limit":0}}\n',
           b'[' + b'{"jsonrpc":"2.0","id":1,"method":"ping"},' * 999 + b'{"jsonrpc":"2.0","id":1,"method":"stats"}]\n']


class Storm:
    """The actors, each a thread with a random stream of its own, and what was acknowledged to them."""

    def __init__(self, case, daemon, origin, name, jobs=JOBS, **weights):
        self.case = case
        self.daemon = daemon
        self.origin = origin
        self.name = name
        self.lock = threading.Lock()
        self.ids = []
        self.honest = {}  # id: may it end `done`?
        self.errors = []
        self.over = threading.Event()
        self.number = 0
        self.jobs = jobs
        self.weights = weights

    def url(self, rng):
        done, path = rng.choice(PATHS)
        with self.lock:
            self.number += 1
            number = self.number
        join = "&" if "?" in path else "?"
        port = self.origin.port
        url = f"http://{rng.choice(HOSTS)}:{port}{path}{join}id={number}"
        for _ in range(rng.choice([0, 0, 1, 2])):
            target = url.replace("%", "%25").replace("&", "%26").replace("?", "%3F").replace("+", "%2B")
            url = f"http://{rng.choice(HOSTS)}:{port}/text?text=x&redirect={target}"
        return done, url

    def job(self, rng):
        done, url = self.url(rng)
        job = {"url": url, "parser": rng.choice(["count", "lines", "csv", "ndjson"]), "max_attempts": rng.choice([1, 2, 3])}
        for name, value in (("timeout", rng.choice(["30ms", "300ms", "1s"])), ("parse_timeout", "200ms"),
                            ("digest", "sha256"), ("max_body", 5000), ("min_records", 3),
                            ("priority", rng.randrange(-5, 5)), ("labels", {"n": str(rng.randrange(9))}),
                            ("not_before", "50ms"), ("max_redirects", 1)):
            if rng.random() < 0.15:
                job[name] = value
        job.setdefault("timeout", "1s")
        return done, job

    def note(self, answer, honest):
        with self.lock:
            if "id" in answer and not answer.get("existing"):
                self.ids.append(answer["id"])
                self.honest[answer["id"]] = honest

    def some(self, rng):
        with self.lock:
            recent = self.ids[-200:] or [1]
        return [rng.choice(recent) for _ in range(rng.choice([1, 1, 3, 20]))]

    def submit(self, rng, rpc):
        if len(self.ids) > self.jobs:
            time.sleep(0.01)
            return
        if rng.random() < 0.5:
            done, job = self.job(rng)
            answer = rpc.answer("submit", job)
            if "result" in answer:
                self.note(answer["result"], done)
        else:
            jobs = [self.job(rng) for _ in range(rng.choice([2, 10, 60]))]
            answer = rpc.answer("submit", [job for _, job in jobs])
            for (done, _), one in zip(jobs, answer.get("result", [])):
                self.note(one, done)

    def cancel(self, rng, rpc):
        what = {"ids": self.some(rng)}
        if rng.random() < 0.1:
            what = rng.choice([{"state": "queued"}, {"state": "waiting"}, {"state": "running"}, {"label": {"n": "3"}}])
        rpc.answer("cancel", what)

    def retry(self, rng, rpc):
        ids = self.some(rng)
        for one in rpc.answer("retry", {"ids": ids}).get("result", {}).get("retried", []):
            with self.lock:
                honest = self.honest.get(one["retry_of"], 1)
            self.note(one, honest)

    def look(self, rng, rpc):
        method, params = rng.choice([("show", {"id": self.some(rng)[0]}), ("list", {}), ("list", {"state": "failed"}),
                                     ("stats", None), ("parsers", None), ("ping", None), ("list", {"limit": 500})])
        rpc.answer(method, params)

    def pause(self, rng, rpc):
        what = rng.choice([None, {"host": rng.choice(HOSTS)}, {"parser": "lines"}])
        rpc.answer("pause", what)
        time.sleep(rng.random() * 0.05)
        rpc.answer("resume", what)

    def watch(self, rng, rpc):
        """Follows or waits for a while, on a connection that it then drops."""
        with self.daemon.rpc() as other:
            if rng.random() < 0.3:
                other.request("wait", {"ids": self.some(rng)})
            elif rng.random() < 0.3:
                other.request("submit", {**self.job(rng)[1], "follow": True, "key": f"{rng.random()}"})
                first = other.receive()
                if first and "result" in first:
                    self.note(first["result"], 1)
            else:
                other.request("follow", rng.choice([{}, {"ids": self.some(rng)}, {"events": ["verdict"]}]))
            other.socket.settimeout(0.3)
            with contextlib.suppress(TimeoutError):
                for _ in range(rng.randrange(60)):
                    if other.receive() is None:
                        break

    def rubbish(self, rng, rpc):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(0.5)
            s.connect(str(self.daemon.socket))
            with contextlib.suppress(OSError):
                for _ in range(rng.randrange(1, 6)):
                    s.sendall(rng.choice(RUBBISH))
                if rng.random() < 0.5:
                    s.recv(100)

    def hup(self, rng, rpc):
        with contextlib.suppress(ProcessLookupError):
            self.daemon.signal(signal.SIGHUP)
        time.sleep(0.01)

    ACTIONS = {"submit": 30, "cancel": 15, "retry": 5, "look": 10, "pause": 2, "watch": 8, "rubbish": 4, "hup": 0}

    def actor(self, number):
        rng = random.Random(f"{SEED} {self.name} {number}")
        actions = {**self.ACTIONS, **self.weights}
        try:
            with self.daemon.rpc() as rpc:
                while not self.over.is_set():
                    action = rng.choices(list(actions), list(actions.values()))[0]
                    getattr(self, action)(rng, rpc)
        except GONE as error:
            if not self.over.is_set() and self.daemon.alive():
                self.errors.append(f"actor {number}: {error!r}")

    def blow(self, actors, seconds=SECONDS):
        print(f"storm {self.name}: seed {SEED}", flush=True)
        threads = [threading.Thread(target=self.actor, args=(n,), daemon=True) for n in range(actors)]
        for thread in threads:
            thread.start()
        self.over.wait(seconds)
        return threads

    def calm(self, threads):
        self.over.set()
        for thread in threads:
            thread.join(penstock_test.DEADLINE)
            self.case.assertFalse(thread.is_alive(), "an actor hangs")
        self.case.assertEqual(self.errors, [])

    def check(self, *logs, kept=False):
        """The lines of one log after the other are the whole story."""
        verdicts = collections.Counter()
        numbers, ended, closed = collections.defaultdict(int), set(), set()
        for log in logs:
            for line in log:
                job, key = line.get("job"), (line.get("job"), line.get("attempt"))
                if line["event"] == "record":
                    self.case.assertEqual(line["seq"], numbers[key] + 1, line)
                    numbers[key] = line["seq"]
                    self.case.assertNotIn(job, ended, line)
                elif line["event"] == "verdict":
                    verdicts[job] += 1
                    if kept:
                        self.case.assertFalse(line.get("reason", "").startswith("the daemon"), line)
                    ended.add(job)
                    if key not in closed:  # cancelled between two attempts: of neither
                        self.case.assertEqual(line["records"], numbers[key], line)
                    if line["state"] == "done" and line.get("verified_by") != "enough":
                        self.case.assertTrue(self.honest.get(job, 1), line)
                elif line["event"] == "attempt":
                    self.case.assertNotIn(job, ended, line)
                    if line["outcome"] in ("retry", "interrupted"):
                        closed.add(key)
        wrong = {i: verdicts[i] for i in self.ids if verdicts[i] != 1}
        self.case.assertFalse(wrong, f"verdicts of acknowledged jobs (of {len(self.ids)}), seed {SEED}")
        twice = {i: n for i, n in verdicts.items() if n > 1}
        self.case.assertFalse(twice, f"seed {SEED}")
        print(f"storm {self.name}: {len(self.ids)} jobs", flush=True)


QUICK = {
    "fetch.retry_delay": "10ms", "fetch.retry_delay_max": "50ms", "fetch.resume_delay": "5ms", "parse.abort_grace": "2s",
    "fetch.breaker_failures": "5", "fetch.breaker_cooldown": "20ms", "policy.allow": "127.0.0.0/8 ::1",
    "defaults.first_byte_timeout": "200ms", "defaults.stall_timeout": "150ms", "defaults.connect_timeout": "2s",
    "daemon.log_level": "error",
}


def idle(daemon):
    """All that was submitted has ended."""
    jobs = daemon.call("stats")["jobs"]
    return jobs["running"] + jobs["queued"] + jobs["waiting"] == 0


class Storms(penstock_test.Case):
    def storm(self, name, settings=None, actors=6, **weights):
        origin = self.origin()
        daemon = self.daemon({**QUICK, **(settings or {})})
        return daemon, Storm(self, daemon, origin, name, **weights)

    def test_one_of_each(self):
        """One worker, one connection a host, and redirects from host to host: nothing waits in a circle."""
        daemon, storm = self.storm("one of each", {"parse.workers": 1, "fetch.host_connections": 1})
        threads = storm.blow(4, SECONDS / 2)
        storm.calm(threads)
        daemon.call("resume")
        daemon.call("cancel", {"state": "queued"})
        until(lambda: idle(daemon), "all jobs end")
        daemon.stop()
        storm.check(daemon.lines())

    def test_calm_after(self):
        """Many hosts with one slot each; when all is over, descriptors are back where they were."""
        daemon, storm = self.storm("calm after", {"parse.workers": 8, "fetch.host_connections": 1, "fetch.threads": 2})
        storm.daemon.job(storm.origin.url("/lines?n=3"))
        before = penstock_test.fds_of(daemon.pid)
        storm.calm(storm.blow(6))
        for what in (None, {"parser": "lines"}, *({"host": h} for h in HOSTS)):
            daemon.call("resume", what)
        daemon.call("cancel", {"state": "queued"})
        until(lambda: idle(daemon), "all jobs end")
        storm.origin.kill()  # and with it curl's spare connections
        until(lambda: penstock_test.fds_of(daemon.pid) <= before + 8, "descriptors are given back")
        daemon.stop()
        storm.check(daemon.lines())

    def test_stopped(self):
        """SIGTERM, once or twice, at a random moment."""
        rng = random.Random(f"{SEED} stopped")
        for turn in range(3):
            daemon, storm = self.storm(f"stopped {turn}", {"parse.workers": 4, "fetch.host_connections": 2,
                                                            "daemon.drain": "1s"})
            threads = storm.blow(5, SECONDS * rng.uniform(0.05, 0.3))
            storm.over.set()
            daemon.signal(signal.SIGTERM)
            if rng.random() < 0.5:
                time.sleep(rng.random() * 0.05)
                daemon.signal(signal.SIGTERM)
            daemon.stop()
            storm.calm(threads)
            storm.check(daemon.lines())

    def test_reloads(self):
        """SIGHUP after SIGHUP, with a config that is right, wrong, or other; and a sink whose disk is full now and then."""
        log = self.dir / "records.jsonl"
        good = f'[sink "a"]\ntype = file\npath = {log}\n'
        rng = random.Random(f"{SEED} reloads")
        configs = [good, good + "[parse]\nworkers = 3\n", good + "[parse]\nworkers = what\n", "[]",
                   good + '[parser "lines"]\ntype = lines\n', good + '[host "localhost"]\nconnections = 1\n',
                   good + '[host "*"]\nrequests_per_second = 400\n', good + "[defaults]\nmax_body = 1M\n"]
        config, draft = self.wrote("penstockd.conf", good), self.dir / "draft"
        origin = self.origin()
        daemon = self.daemon({**QUICK, "parse.workers": 6}, config=config)
        storm = Storm(self, daemon, origin, "reloads", hup=10, rubbish=0)
        threads = storm.blow(4, 0)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            draft.write_text(rng.choice(configs))
            draft.rename(config)  # half a file would be another config: one without sinks, say
            time.sleep(rng.random() * 0.05)
        storm.calm(threads)
        config.write_text(good)
        daemon.signal(signal.SIGHUP)
        daemon.call("resume")
        daemon.call("cancel", {"state": "queued"})
        until(lambda: idle(daemon), "all jobs end")
        daemon.stop()
        self.assertEqual(daemon.lines(), [])
        storm.check([json.loads(line) for line in log.read_text().splitlines()])

    def test_kept(self):
        """Stopped and started again over one store: what was interrupted runs again, and ends once."""
        rng = random.Random(f"{SEED} kept")
        settings = {"store.engine": "sqlite", "store.path": self.dir / "db", "parse.workers": 4, "daemon.drain": "300ms"}
        origin = self.origin()
        logs, ids, storm = [], [], None
        for turn in range(3):
            if turn == 2:
                settings["parse.workers"] = 64
            daemon = self.daemon({**QUICK, **settings, "fetch.host_connections": 32})
            storm, old = Storm(self, daemon, origin, f"kept {turn}", jobs=JOBS // 2 * (turn + 1)), storm
            if old:
                storm.ids, storm.honest, storm.number = old.ids, old.honest, old.number
            if turn < 2:
                threads = storm.blow(4, SECONDS * rng.uniform(0.1, 0.3))
                storm.over.set()
                daemon.signal(signal.SIGTERM)
                if rng.random() < 0.7:
                    time.sleep(rng.random() * 0.05)
                    daemon.signal(signal.SIGTERM)
            else:
                threads = []
                until(lambda: idle(daemon), "all jobs end")
            daemon.stop()
            storm.calm(threads)
            logs.append(daemon.lines())
        storm.check(*logs, kept=True)


if __name__ == "__main__":
    penstock_test.main()
