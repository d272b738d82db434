"""Ten thousand jobs of 1 KB from nginx over the control socket: submitted, downloaded, parsed, verdict in
the log."""
import time

from penstock_test import until
from place import cpu_seconds

TITLE = "10,000 jobs of 1 KB"
COUNT = 10000
PART = 1000  # jobs in a request
ROUNDS = 5


def run_all(daemon, job):
    """Submits and waits for all, with several requests under way. The verdicts' states."""
    with daemon.rpc() as rpc:
        for _ in range(COUNT // PART):
            rpc.request("submit", [job] * PART)
        parts = [[item["id"] for item in rpc.receive()["result"]] for _ in range(COUNT // PART)]
        for ids in parts:
            rpc.request("wait", {"ids": ids})
        return [job["state"] for _ in parts for job in rpc.receive()["result"]["jobs"]]


def measure(place):
    web = place.nginx({"small": b"x" * 1023 + b"\n"})
    daemon = place.daemon({"fetch.host_connections": "16"})
    rates, costs = [], []
    for _ in range(ROUNDS + 1):
        began, cpu = time.monotonic(), cpu_seconds(daemon.pid)
        states = run_all(daemon, {"url": web.url("small")})
        rates.append(COUNT / (time.monotonic() - began))
        costs.append((cpu_seconds(daemon.pid) - cpu) / COUNT * 1e6)
        assert states == ["done"] * COUNT, "a job was not done"
    until(lambda: len(daemon.events("verdict")) == COUNT * (ROUNDS + 1), "the log has every verdict")
    rates, costs = sorted(rates[1:]), sorted(costs[1:])  # the first round warms up
    yield f"jobs a second, median of {ROUNDS} rounds", rates[ROUNDS // 2], "1/s", None
    yield "… slowest round", rates[0], "1/s", None
    yield "… fastest round", rates[-1], "1/s", None
    yield "CPU of the daemon for one job, median", costs[ROUNDS // 2], "us", None
