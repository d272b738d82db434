"""What hostile clients of the control socket do to everybody else's: `ping`, by p50, p99 and the longest, beside each
attack. The pings are of a process of their own, one every two milliseconds; the attackers have as many processes as
there are CPUs to spare."""
import json
import multiprocessing
import os
import socket
import time

from case_latency import percentile
from table import figure

PINGS = 500
PACE = 0.002
PATIENCE = 10  # s for all of them
GOAL = 50  # ms, p99
LINE = 1 << 20
RANGES = "(?i)[" + "\u0080-\U0010ffff" * 500 + "]"
EXPRESSIONS = ("\\w*\\d*\\pL*" * 400)[:4000]


def connect(path):
    s = socket.socket(socket.AF_UNIX)
    s.connect(str(path))
    return s


def line(method, params, ident=1):
    message = {"jsonrpc": "2.0", "method": method, "params": params}
    if ident is not None:
        message["id"] = ident
    return json.dumps(message, ensure_ascii=False).encode() + b"\n"


class Crowd:
    """Some connections in one thread, which write and (if they read at all) throw away what comes, without ever waiting for
    one of them."""

    def __init__(self, path, count, text, reads=True, again=True):
        self.path, self.text, self.reads, self.again = path, text, reads, again
        self.left = {}
        for _ in range(count):
            self.join()

    def join(self):
        try:
            s = connect(self.path)
        except OSError:
            return
        s.setblocking(False)
        self.left[s] = memoryview(self.text)

    def turn(self):
        for s in list(self.left):
            try:
                if self.left[s]:
                    self.left[s] = self.left[s][s.send(self.left[s]):]
                elif self.again:
                    self.left[s] = memoryview(self.text)
            except BlockingIOError:
                pass
            except OSError:
                self.left.pop(s).release()
                s.close()
                self.join()
                continue
            try:
                if self.reads and not s.recv(65536):
                    raise OSError
            except BlockingIOError:
                pass
            except OSError:
                self.left.pop(s).release()
                s.close()
                self.join()


def attack(path, crowds, begun, ended):
    there = [Crowd(path, *crowd) for crowd in crowds]
    for crowd in there:
        crowd.turn()
    begun.set()
    while not ended.is_set():
        for crowd in there:
            crowd.turn()
        time.sleep(0.001)


def ping(path, count):
    """Seconds of each; fewer, where they take that long."""
    times, end = [], time.perf_counter() + PATIENCE
    with connect(path) as s, s.makefile("rb") as f:
        for i in range(count):
            if time.perf_counter() > end:
                break
            began = time.perf_counter()
            s.sendall(line("ping", {}, i))
            assert b'"pong":true' in f.readline()
            times.append(time.perf_counter() - began)
            time.sleep(PACE)
    return times


def jobs(count, **options):
    return [{"url": "http://127.0.0.1:9/", "not_before": "+1h", **options} for _ in range(count)]


def padded(text):
    return text.ljust(LINE - 1)[:LINE - 1] + b"\n"


def attacks(place):
    """Names, and what is sent by whom: (connections, text, do they read, do they go on), …"""
    many, few = place.size(900, 20), place.size(80, 8)
    big = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "show", "params": {"id": list(range(90000))}}).encode()
    body = "x" * 1000000
    yield "nothing", []
    yield "wide ranges without case in 80 jobs a line", [(4, line("submit", jobs(80, parser="lines", options={"match": RANGES})))]
    yield "long patterns in 200 jobs a line", [(4, line("submit", jobs(200, parser="lines", options={"match": EXPRESSIONS})))]
    yield "lines of 1 MiB that are 90,000 numbers", [(many, padded(big))]
    yield "lines of 1 MiB that are 1,000 jobs", [(few, line("submit", jobs(1000, labels={"pad": "x" * 900})))]
    yield "lines of 1,000 small jobs", [(few, line("submit", jobs(1000)))]
    yield "lines of 1 MiB without an end", [(many, b"[" + b" " * (LINE - 2), True, False)]
    yield "arrays of 1,000 requests", [(few, b"[" + b",".join([line("stats", {}).strip()] * 1000) + b"]\n")]
    yield "bodies of 1 MB", [(few, line("submit", jobs(1, method="POST", body=body)))]
    yield "lists of 1,000 that nobody reads", [(place.size(300, 10), line("list", {"limit": 1000}) * 100, False)]
    yield "followers who read nothing, and 1,000 jobs a line", [
        (many, line("follow", {}), False, False), (1, line("submit", [{"url": "http://127.0.0.1:9/", "max_attempts": 1}] * 1000))]
    cron = {"url": "http://127.0.0.1:9/", "cron": "0 0 29 2 *", "zone": "Europe/Berlin"}
    yield "1,000 schedules a line that are due in years", [
        (4, line("schedule_apply", {"schedules": [{"name": f"s{i}", **cron} for i in range(1000)], "dry_run": True}))]
    yield "SELECTs that find nothing", [(few, line("cancel", {"label": {"none": "none"}}))]
    yield "connections that come and go", [(few, b"\n" * 10, True, False), (many, b"{", True, False)]


def beside(place, daemon, crowds):
    begun, ended = multiprocessing.Event(), multiprocessing.Event()
    attacker = multiprocessing.Process(target=attack, args=(daemon.socket, crowds, begun, ended), daemon=True)
    attacker.start()
    try:
        assert begun.wait(60), "the attack does not begin"
        return ping(daemon.socket, place.size(PINGS, 20))
    finally:
        ended.set()
        attacker.join(60)
        attacker.kill()


def run(place):
    for name, crowds in attacks(place):
        daemon = place.daemon({"store.engine": "sqlite", "store.path": place.dir / "db", "control.max_clients": 2000,
                               "queue.max_jobs": 200000})
        times = beside(place, daemon, crowds)
        for p in (50, 99):
            yield figure(f"{name}: p{p}", percentile(times, p), "ms", ("<=", GOAL) if p == 99 else None)
        yield figure(f"{name}: the longest", max(times) * 1e3, "ms")
        daemon.kill()
        for file in place.dir.glob("db*"):
            os.remove(file)


CASES = {"attacks": run}
