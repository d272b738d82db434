"""Downloads whose origin fell silent in mid-body: what each of a thousand costs while it waits, beside `curl | wc -l`;
and as many as the limit of descriptors lets one daemon have (three each), up to ten thousand: what they cost, and what
a small job costs beside them."""
import os
import resource
import signal
import subprocess

import penstock_test
from case_latency import jobs, percentile, start
from meter import cpu_seconds, processes_of
from penstock_test import until
from table import figure, ratio_row

COUNT = 1000
PEERS = 100
PATH = "/lines?n=100000&stall=200000&id="
BIG = "/lines?n=10000000&stall=200000&id="  # so much is left that it is spliced
MANY = 10_000
PORTION = 250
FILES, FILES_LEFT = 3, 500  # descriptors of a download, and those of the daemon itself
SMALL = 500


def settled(sample):
    """The value once it has been the same ten times in a row."""
    seen = []

    def look():
        seen.append(sample())
        return len(seen) >= 10 and len(set(seen[-10:])) == 1

    until(look, "memory settles", 60)
    return seen[-1]


def pairs_of_curl(place, web, count):
    """Private memory of one `curl | wc -l` that is stalled."""
    started = []
    try:
        for _ in range(count):
            started.append(subprocess.Popen(["sh", "-c", f"curl -s '{web.url(PATH + 'peer')}' | wc -l"], stdin=subprocess.DEVNULL,
                                            stdout=subprocess.DEVNULL, start_new_session=True))
        until(lambda: web.counts("peer").get("stalled", 0) == count, "all have stalled", 120)
        sessions = frozenset(p.pid for p in started)
        # The shell between them is not counted: an interactive one is there anyway.
        pids = [p for p in processes_of(sessions) if p not in sessions]
        assert len(pids) == 2 * count, (len(pids), count)
        return settled(lambda: sum(map(penstock_test.memory_of, pids))) / count
    finally:
        for process in started:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def stalled(place):
    count, peers = place.size(COUNT, 20), place.size(PEERS, 3)
    web = place.origin()
    daemon = place.daemon({"parse.workers": count, "fetch.host_connections": count, "defaults.stall_timeout": "1h"})
    daemon.verdict(daemon.submit(web.url("/lines?n=100000")))
    before = settled(lambda: penstock_test.memory_of(daemon.pid))
    rss = penstock_test.memory_of(daemon.pid, "Rss")
    daemon.call("submit", [{"url": web.url(PATH + "stalled")}] * count)
    until(lambda: web.counts("stalled").get("stalled", 0) == count, "all have stalled", 120)
    after = settled(lambda: penstock_test.memory_of(daemon.pid))
    mine, theirs = (after - before) / count / 1024, pairs_of_curl(place, web, peers) / 1024
    yield figure("private memory of one stalled download", mine, "KiB", ("<=", 128))
    yield ratio_row(f"private memory of one, beside {peers} curl | wc -l", "KiB", [(mine, theirs)], ("<=", 0.09))
    yield figure(f"RSS of the daemon with {count:,} of them", penstock_test.memory_of(daemon.pid, "Rss") / 2**20, "MiB")
    yield figure("RSS of the idle daemon", rss / 2**20, "MiB")
    yield figure("threads", penstock_test.threads_of(daemon.pid), "")
    daemon.call("cancel", {"state": "running"})


def stall(daemon, web, path, count):
    """In portions, which the origin's queue of new connections holds."""
    for begun in range(0, count, PORTION):
        upto = min(begun + PORTION, count)
        daemon.call("submit", [{"url": web.url(path)}] * (upto - begun))
        until(lambda: daemon.call("stats")["jobs"]["running"] == upto, "all run", 120)
        until(lambda: web.counts("stalled").get("stalled", 0) == upto, "all have stalled", 120)


def small_jobs(daemon, url, count):
    """CPU seconds of the daemon for one, and seconds until each one's verdict."""
    before = cpu_seconds(daemon.pid)
    times = jobs(daemon, url, count)
    return (cpu_seconds(daemon.pid) - before) / count, times


def beside_many(place, url, path, what):
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    count = place.size(min(MANY, (files - FILES_LEFT) // FILES), 20)
    web = place.origin()
    settings = {"parse.workers": count + 16, "fetch.host_connections": count + 16, "defaults.stall_timeout": "1h"}
    idle, busy = place.daemon(settings), place.daemon(settings)
    jobs(busy, url, 10)
    before = settled(lambda: penstock_test.memory_of(busy.pid))
    stall(busy, web, path, count)
    after = settled(lambda: penstock_test.memory_of(busy.pid))
    yield figure(f"private memory of one of {count:,} stalled downloads, {what}", (after - before) / count / 1024, "KiB", ("<=", 96))
    n = place.size(SMALL, 20)
    pairs = [(small_jobs(busy, url, n), small_jobs(idle, url, n)) for _ in range(place.pairs + 1)][1:]
    yield ratio_row("… CPU for a job of 1 KB beside them, and without", "us", [(a[0] * 1e6, b[0] * 1e6) for a, b in pairs], ("<=", 1.2))
    yield ratio_row("… its submit to verdict: p99", "ms", [(percentile(a[1], 99), percentile(b[1], 99)) for a, b in pairs], ("<=", 1.2))
    assert busy.call("stats")["jobs"]["running"] == count
    busy.call("cancel", {"state": "running"})


def many(place):
    url = start(place)
    yield from beside_many(place, url, PATH + "stalled", "read by libcurl")
    yield from beside_many(place, url, BIG + "stalled", "spliced")


CASES = {"stalled": stalled, "stalled-many": many}
