"""The durable queue: submissions a second, and a million queued jobs."""
import json
import signal
import socket
import threading
import time

import penstock_test
from penstock_test import until
from table import figure

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


def measure(place):
    web = place.origin()
    million = place.size(1_000_000, 5000)
    later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 365 * 86400))
    daemon = durable(place, "singly.db")
    rate = singly(daemon, {"url": web.url("/bytes?n=1"), "not_before": later}, SINGLY, place.size(100, 2))
    yield figure(f"durable submissions a second, {SINGLY} clients singly", rate, "1/s")
    stop(daemon)

    # The origin never answers: they wait, all for one host, behind the six that run.
    daemon = durable(place, "million.db")
    job = {"url": web.url("/silence"), "parser": "count", "labels": {"team": "data"}}
    rate = bulk(daemon, job, million)
    yield figure("durable submissions a second, one client in bulk", rate, "1/s", (">=", 20000))
    yield figure(f"RSS with {million:,} queued", penstock_test.memory_of(daemon.pid, "Rss") / 2**20, "MiB", ("<=", 64))
    yield figure("… of it its own", penstock_test.memory_of(daemon.pid) / 2**20, "MiB")
    yield figure("the database", (place.dir / "million.db").stat().st_size / 2**20, "MiB")
    queued = daemon.call("stats")["jobs"]["queued"]
    assert queued > 0.99 * million, queued
    requests = web.counts("/silence").get("requests", 0)
    daemon.kill()
    began = time.monotonic()
    daemon = durable(place, "million.db")
    yield figure(f"start-up with {million:,} queued, until it answers", time.monotonic() - began, "s", ("<=", 2))
    until(lambda: web.counts("/silence").get("requests", 0) > requests, "a job runs", 60)
    yield figure("… until a job runs", time.monotonic() - began, "s")
    until(lambda: "it is whole" in daemon.errors(), "it is checked", 120)
    yield figure("… until the file is checked, in the background", time.monotonic() - began, "s")
    yield figure("RSS then", penstock_test.memory_of(daemon.pid, "Rss") / 2**20, "MiB", ("<=", 64))
    daemon.kill()


CASES = {"durable": measure}
