"""What a backup does to others: a durable submission's answer while a large store is being copied, beside the same
without a copy; and how fast the copy is."""
import os
import subprocess
import threading
import time

from case_latency import percentile
from table import figure, ratio_row
import penstock_test

LATER = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 300 * 86400))
JOB = {"url": "http://127.0.0.1/", "method": "POST", "body": "x" * 3500, "not_before": LATER}
BATCH = 250
CALLS = 1000  # 1 GiB


def fill(daemon, calls):
    with daemon.rpc() as rpc:
        for _ in range(calls):
            rpc.call("submit", [JOB] * BATCH)


def answers(daemon, over):
    """Seconds for each answer, until it is over."""
    times = []
    with daemon.rpc() as rpc:
        while not over() or not times:
            began = time.perf_counter()
            rpc.call("submit", {"url": JOB["url"], "not_before": LATER})
            times.append(time.perf_counter() - began)
    return times


def copy(daemon, path):
    subprocess.run([penstock_test.BIN / "penstockctl", "--socket", daemon.socket, "backup", "--force", path], check=True,
                   capture_output=True)


def beside_a_copy(daemon, path):
    thread = threading.Thread(target=copy, args=(daemon, path))
    began = time.perf_counter()
    thread.start()
    times = answers(daemon, lambda: not thread.is_alive())
    thread.join()
    return times, time.perf_counter() - began


def backup(place):
    daemon = place.daemon({"store.engine": "sqlite", "store.path": place.dir / "db", "queue.max_jobs": "10000000",
                           "queue.max_bytes": "8G"})
    fill(daemon, place.size(CALLS, 4))
    path = place.dir / "copy"
    pairs, rates = [], []
    for _ in range(place.pairs + 1):
        times, took = beside_a_copy(daemon, path)
        end = time.perf_counter() + took
        pairs.append((times, answers(daemon, lambda until=end: time.perf_counter() > until)))
        rates.append(os.path.getsize(path) / took / 2**20)
    for p in (50, 99):
        yield ratio_row(f"submit, durable, while a store is copied, beside without: p{p}", "ms",
                        [(percentile(a, p), percentile(b, p)) for a, b in pairs[1:]])
    yield figure(f"copy of a store of {os.path.getsize(path) >> 20} MiB", sorted(rates)[len(rates) // 2], "MiB/s")


CASES = {"backup": backup}
