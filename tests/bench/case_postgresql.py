"""The queue in PostgreSQL, on a cluster of the bench's own with fsync on: submissions, and whole jobs."""
import subprocess
import time

import penstock_test
import postgresql_server
from case_durable import bulk, stop
from penstock_test import BIN, until
from table import figure


def open_daemon(place, server, settings=None, **kwargs):
    sets = {"store.engine": "postgresql", "store.dsn": server.dsn, "store.path": place.dir / "pg",
            "queue.max_jobs": "2000000", "fetch.host_connections": "64", **(settings or {})}
    arguments = [a for k, v in sets.items() for a in ("--set", f"{k}={v}")]
    subprocess.run([BIN / "penstockd", "--config", "/dev/null", *arguments, "--migrate"], check=True, capture_output=True)
    return place.daemon(sets, **kwargs)


def commits(daemon):
    """How many commits there were, and the seconds of all."""
    lines = dict(line.rsplit(" ", 1) for line in daemon.ctl("metrics").stdout.splitlines() if line and line[0] != "#")
    return (float(lines.get("penstock_store_commit_seconds_count", 0)), float(lines.get("penstock_store_commit_seconds_sum", 0)))


def records(place, server, url, lines, jobs):
    """Records a second that come into the table with their verdicts."""
    config = place.dir / "db.conf"
    config.write_text('[sink "db"]\ntype = postgresql\n[sink "log"]\ntype = stdout\nevents = verdict\n')
    daemon = open_daemon(place, server, config=config)
    server.ask("TRUNCATE penstock.records, penstock.ended")
    began = time.monotonic()
    job = {"url": url, "parser": "lines", "deliver": "commit"}
    with daemon.rpc() as rpc:
        for first in range(0, jobs, 1000):
            rpc.call("submit", [job] * min(1000, jobs - first))
    until(lambda: daemon.call("stats")["jobs"]["done"] >= jobs, "all have ended", 600)
    took = time.monotonic() - began
    assert server.ask("SELECT count(*), count(DISTINCT job) FROM penstock.results") == [[str(jobs * lines), str(jobs)]]
    stop(daemon)
    return jobs * lines / took


def measure_records(place):
    server = postgresql_server.Cluster(place)
    line = b"2026-11-30 12:00:00 a line of a feed, as long as most are, with a number: %d\n"
    cases = ((100_000, place.size(50, 3), (">=", 200000)), (10, place.size(20_000, 300), None))
    web = place.nginx({str(lines): b"".join(line % i for i in range(lines)) for lines, _, _ in cases})
    for lines, jobs, goal in cases:
        rate = records(place, server, web.url(f"/{lines}"), lines, jobs)
        yield figure(f"records a second into the database, {lines:,} a job", rate, "1/s", *([goal] if goal else []))


def measure(place):
    server = postgresql_server.Cluster(place)
    web = place.nginx({"small": b"x" * 1000})
    daemon = open_daemon(place, server)
    count = place.size(100_000, 2000)
    later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 365 * 86400))
    rate = bulk(daemon, {"url": web.url("/small"), "not_before": later}, count)
    yield figure("durable submissions a second, one client in bulk", rate, "1/s", (">=", 60000))
    daemon.call("cancel", {"host": "127.0.0.1"})
    stop(daemon)

    server.ask("TRUNCATE penstock.jobs, penstock.ended, penstock.counts, penstock.members")
    server.ask("INSERT INTO penstock.counts(member) VALUES(0)")
    daemon = open_daemon(place, server)
    jobs = place.size(30_000, 1000)
    began = time.monotonic()
    bulk(daemon, {"url": web.url("/small")}, jobs)
    until(lambda: daemon.call("stats")["jobs"]["done"] >= jobs, "all have ended", 600)
    yield figure("1 KB jobs a second from submission to verdict", jobs / (time.monotonic() - began), "1/s")
    number, seconds = commits(daemon)
    if number:
        yield figure("changes a commit", 2 * jobs / number, "")
        yield figure("a commit", seconds / number * 1000, "ms")
    assert penstock_test.memory_of(daemon.pid)
    stop(daemon)


CASES = {"postgresql": measure, "postgresql-records": measure_records}
