"""A thousand downloads whose origin fell silent in mid-body: what each costs while it waits, beside `curl | wc -l`."""
import os
import signal
import subprocess

import penstock_test
from meter import processes_of
from penstock_test import until
from table import figure, ratio_row

COUNT = 1000
PEERS = 100
PATH = "/lines?n=100000&stall=200000&id="


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


CASES = {"stalled": stalled}
