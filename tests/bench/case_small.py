"""Ten thousand jobs of 1 KB over the control socket: submitted, downloaded, parsed, verdict in the log."""
import time

from penstock_test import until
from place import cpu_seconds

TITLE = "10,000 jobs of 1 KB"
COUNT = 10000
ROUNDS = 5


def measure(place):
    web = place.origin()
    daemon = place.daemon()
    job = {"url": web.url("/bytes?n=1000")}
    rates, costs = [], []
    for _ in range(ROUNDS + 1):
        with daemon.rpc() as rpc:
            began, cpu = time.monotonic(), cpu_seconds(daemon.pid)
            ids = []
            for _ in range(COUNT // 1000):
                ids += [a["id"] for a in rpc.call("submit", [job] * 1000)]
            ended = rpc.call("wait", {"ids": ids})["jobs"]
            rates.append(COUNT / (time.monotonic() - began))
            costs.append((cpu_seconds(daemon.pid) - cpu) / COUNT * 1e6)
        assert all(j["state"] == "done" for j in ended), "a job was not done"
    until(lambda: len(daemon.events("verdict")) == COUNT * (ROUNDS + 1), "the log has every verdict")
    rates, costs = sorted(rates[1:]), sorted(costs[1:])  # the first round warms up
    yield f"jobs a second, median of {ROUNDS} rounds", rates[ROUNDS // 2], "1/s", None
    yield "… slowest round", rates[0], "1/s", None
    yield "… fastest round", rates[-1], "1/s", None
    yield "CPU of the daemon for one job, median", costs[ROUNDS // 2], "us", None
