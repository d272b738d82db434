"""One body of 1 KB: from the submission on a connection that is open to the verdict, beside `curl -s URL | wc -l`;
and what a hundred stalled downloads do to that."""
import subprocess
import time

from table import figure, ratio_row
from penstock_test import until

JOBS = 300
CURLS = 100
STALLED = 100


def percentile(times, p):
    return sorted(times)[min(len(times) - 1, int(len(times) * p / 100))] * 1e3


def submit_one(rpc, url):
    """Seconds until the verdict has come."""
    began = time.perf_counter()
    rpc.request("submit", {"url": url, "follow": True})
    state = None
    while (message := rpc.receive()).get("method") != "end":
        if message.get("params", {}).get("event") == "verdict":
            took, state = time.perf_counter() - began, message["params"]["state"]
    assert state == "done", state
    return took


def jobs(daemon, url, count):
    with daemon.rpc() as rpc:
        submit_one(rpc, url)
        return [submit_one(rpc, url) for _ in range(count)]


def curls(url, count):
    times = []
    for _ in range(count):
        began = time.perf_counter()
        text = subprocess.run(["sh", "-c", f"curl -sf {url} | wc -l"], capture_output=True, check=True, timeout=60).stdout
        times.append(time.perf_counter() - began)
        assert int(text) == 16, text
    return times


def start(place):
    return place.nginx({"small": (b"x" * 63 + b"\n") * 16}).url("small")


def rounds(place, ours, peer):
    for _ in range(place.pairs + 1):
        yield ours(), peer()


def rows(title, done, goals):
    done = list(done)[1:]  # the first round warms up
    for p in (50, 99):
        pairs = [(percentile(a, p), percentile(b, p)) for a, b in done]
        goal = goals.get(p)
        yield ratio_row(f"{title}: p{p}", "ms", pairs, goal and ("<=", goal))


def latency(place):
    url = start(place)
    daemon = place.daemon({"store.engine": "sqlite", "store.path": place.dir / "db"})
    done = rounds(place, lambda: jobs(daemon, url, place.size(JOBS, 20)), lambda: curls(url, place.size(CURLS, 5)))
    yield from rows("1 KB, submit to verdict, durable, beside curl | wc -l", done, {50: 0.25})


def stalled_daemon(place, count):
    web = place.origin()
    daemon = place.daemon({"parse.workers": STALLED * 2, "fetch.host_connections": STALLED * 2, "defaults.stall_timeout": "1h"})
    if count:
        daemon.call("submit", [{"url": web.url("/lines?n=100000&stall=200000&id=stalled")}] * count)
        until(lambda: web.counts("stalled").get("stalled", 0) == count, "all have stalled")
    return daemon


def beside(place):
    url = start(place)
    count = place.size(STALLED, 10)
    busy, idle = stalled_daemon(place, count), stalled_daemon(place, 0)
    n = place.size(JOBS * 2, 20)
    done = rounds(place, lambda: jobs(busy, url, n), lambda: jobs(idle, url, n))
    yield from rows(f"1 KB beside {count} stalled ones, and without them", done, {99: 1.2})
    yield figure("… stalled all the while", busy.call("stats")["jobs"]["running"], "jobs", (">=", count))
    busy.call("cancel", {"state": "running"})


CASES = {"latency": latency, "beside": beside}
