"""The durable queue: submissions a second, a million queued jobs, and 1 KB jobs beside the store in memory."""
import json
import signal
import socket
import threading
import time

import penstock_test
from penstock_test import until
from place import cpu_seconds

TITLE = "the durable queue"
MILLION = 1000000
BATCH = 1000
SINGLY = 100


def durable(place, name, settings=None):
    return place.daemon({"store.engine": "sqlite", "store.path": place.dir / name,
                         "queue.max_jobs": "2000000", **(settings or {})})


def stop(daemon):
    daemon.signal(signal.SIGTERM)
    assert daemon.exit_status() == 0, daemon.errors()


def bulk(daemon, job, count):
    """One connection, batches of a thousand, a few on their way at once: jobs a second."""
    text = (json.dumps({"jsonrpc": "2.0", "id": 1, "method": "submit", "params": [job] * BATCH}) + "\n").encode()
    with daemon.rpc() as rpc:
        rpc.socket.settimeout(120)
        began = time.monotonic()
        out, answered = 0, 0
        while answered < count // BATCH:
            while out < count // BATCH and out - answered < 4:
                rpc.socket.sendall(text)
                out += 1
            line = rpc.line()
            assert b'"error"' not in line, line[:300]
            answered += 1
        return count / (time.monotonic() - began)


def singly(daemon, job, clients, each):
    """Many connections, one job at a time on each."""
    text = (json.dumps({"jsonrpc": "2.0", "id": 1, "method": "submit", "params": job}) + "\n").encode()

    def client():
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.connect(str(daemon.socket))
            for _ in range(each):
                s.sendall(text)
                answer = b""
                while not answer.endswith(b"\n"):
                    answer += s.recv(65536)
                assert b'"result"' in answer, answer

    threads = [threading.Thread(target=client) for _ in range(clients)]
    began = time.monotonic()
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return clients * each / (time.monotonic() - began)


def rounds(daemon, job, count=10000, n=3):
    rates, costs = [], []
    for _ in range(n + 1):
        with daemon.rpc() as rpc:
            rpc.socket.settimeout(120)
            began, cpu = time.monotonic(), cpu_seconds(daemon.pid)
            ids = [a["id"] for _ in range(count // BATCH) for a in rpc.call("submit", [job] * BATCH)]
            ended = [j for i in range(0, count, BATCH) for j in rpc.call("wait", {"ids": ids[i:i + BATCH]})["jobs"]]
            rates.append(count / (time.monotonic() - began))
            costs.append((cpu_seconds(daemon.pid) - cpu) / count * 1e6)
        assert all(j["state"] == "done" for j in ended), "a job was not done"
    return sorted(rates[1:])[n // 2], sorted(costs[1:])[n // 2]


def measure(place):
    web = place.origin()
    later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 365 * 86400))
    daemon = durable(place, "singly.db")
    rate = singly(daemon, {"url": web.url("/bytes?n=1"), "not_before": later}, SINGLY, 100)
    yield f"durable submissions a second, {SINGLY} clients singly", rate, "1/s", None
    stop(daemon)

    # The origin never answers: they wait, all for one host, behind the six that run.
    daemon = durable(place, "million.db")
    job = {"url": web.url("/silence"), "parser": "count", "labels": {"team": "data"}}
    rate = bulk(daemon, job, MILLION)
    yield "durable submissions a second, one client in bulk", rate, "1/s", (">=", 20000)
    yield "RSS with a million queued", penstock_test.memory_of(daemon.pid, "Rss") / 2**20, "MiB", ("<=", 64)
    yield "… of it its own", penstock_test.memory_of(daemon.pid) / 2**20, "MiB", None
    yield "the database", (place.dir / "million.db").stat().st_size / 2**20, "MiB", None
    queued = daemon.call("stats")["jobs"]["queued"]
    assert queued > 0.99 * MILLION, queued
    requests = web.counts("/silence").get("requests", 0)
    daemon.kill()
    began = time.monotonic()
    daemon = durable(place, "million.db")
    yield "start-up with a million queued, until it answers", time.monotonic() - began, "s", ("<=", 2)
    until(lambda: web.counts("/silence")["requests"] > requests, "a job runs", 60)
    yield "… until a job runs", time.monotonic() - began, "s", None
    until(lambda: "it is whole" in daemon.errors(), "it is checked", 120)
    yield "… until the file is checked, in the background", time.monotonic() - began, "s", None
    yield "RSS then", penstock_test.memory_of(daemon.pid, "Rss") / 2**20, "MiB", ("<=", 64)
    daemon.kill()

    small = {"url": web.url("/bytes?n=1000")}
    for engine in ("memory", "sqlite"):
        daemon = durable(place, "small.db", {"store.engine": engine})
        rate, cost = rounds(daemon, small)
        yield f"1 KB jobs a second, store in {engine}", rate, "1/s", None
        yield "… CPU of the daemon for one", cost, "us", None
        stop(daemon)
