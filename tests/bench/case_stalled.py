"""A thousand downloads whose origin fell silent in mid-body: what each costs while it waits."""
import penstock_test
from penstock_test import until

TITLE = "1,000 concurrent stalled downloads"
COUNT = 1000


def settled(sample):
    """The value once it has been the same ten times in a row."""
    seen = []

    def look():
        seen.append(sample())
        return len(seen) >= 10 and len(set(seen[-10:])) == 1

    until(look, "memory settles", 60)
    return seen[-1]


def measure(place):
    web = place.origin()
    daemon = place.daemon({"parse.workers": COUNT, "fetch.host_connections": COUNT, "defaults.stall_timeout": "1h"})
    warm = daemon.submit(web.url("/lines?n=100000"))
    daemon.verdict(warm)
    before = settled(lambda: penstock_test.memory_of(daemon.pid))
    rss = penstock_test.memory_of(daemon.pid, "Rss")
    with daemon.rpc() as rpc:
        job = {"url": web.url("/lines?n=100000&stall=200000&id=stalled")}
        rpc.call("submit", [job] * COUNT)
    until(lambda: web.counts("stalled").get("stalled", 0) == COUNT, "all have stalled", 120)
    after = settled(lambda: penstock_test.memory_of(daemon.pid))
    yield "private memory of one stalled download", (after - before) / COUNT / 1024, "KiB", ("<=", 128)
    yield "RSS of the daemon with all of them", penstock_test.memory_of(daemon.pid, "Rss") / 2**20, "MiB", None
    yield "RSS of the idle daemon", rss / 2**20, "MiB", None
    yield "threads", penstock_test.threads_of(daemon.pid), "", None
    daemon.call("cancel", {"state": "running"})
