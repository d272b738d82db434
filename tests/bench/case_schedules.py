"""Schedules: what a million of them cost at the start and in memory, and a run of one of them beside a job."""
import json
import signal
import sqlite3
import subprocess
import threading
import time

import penstock_test
from meter import cpu_seconds
from penstock_test import until
from table import figure

YEAR = 365 * 86400 * 10**6
BODY = b"line\n" * 204 + b"end\n"


def stop(daemon):
    daemon.signal(signal.SIGTERM)
    assert daemon.exit_status(60) == 0, daemon.errors()


def durable(place, name):
    return place.daemon({"store.engine": "sqlite", "store.path": place.dir / name, "fetch.host_connections": 16})


def fill(place, name, url, count, due):
    """A store with `count` schedules, of which those below `due` are due at once."""
    stop(durable(place, name))
    now = time.time_ns() // 1000
    with sqlite3.connect(place.dir / name) as db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(schedules)")]
        version = ",version" if "version" in columns else ""
        db.executemany(
            f"INSERT INTO schedules(name,spec,uid,gid,paused,revision,created,next_at{version})"
            f" VALUES(?1,?2,0,0,0,1,1,?3{',?4' if version else ''})",
            ((f"feed{i:07}", json.dumps({"every": "365d", "jitter": "none", "name": f"feed{i:07}", "parser": "count", "url": url},
                                        sort_keys=True, separators=(",", ":")),
              now if i < due else now + YEAR // 2 + i, *([i + 1] if version else ())) for i in range(count)))
        if version:
            db.execute("UPDATE counts SET jobs=? WHERE state IN (7,10)", (count,))
    db.close()


def verdicts(daemon):
    with open(daemon.log, "rb") as log:
        return sum(b'"event":"verdict"' in line for line in log)


def runs(place, web, count, due):
    """CPU for a run: of a daemon that starts with `due` of `count` schedules due, less that of one with none."""
    costs = []
    for some in (0, due):
        name = f"runs{some}.db"
        fill(place, name, web.url("small"), count, some)
        began = time.monotonic()
        daemon = durable(place, name)
        ready = time.monotonic() - began
        memory = penstock_test.memory_of(daemon.pid, "Rss") / 2**20
        if some:
            until(lambda: verdicts(daemon) >= some, "all have run", 170)
        costs.append(cpu_seconds(daemon.pid))
        stop(daemon)
        if not some:
            yield figure(f"start with {count:,} schedules, until it answers", ready, "s", ("<=", 2))
            yield figure("RSS then", memory, "MiB", ("<=", 64))
    yield figure("CPU for a run of one of them", (costs[1] - costs[0]) / due * 1e6, "us")
    place.run_cost = (costs[1] - costs[0]) / due


def jobs(place, web, due):
    """CPU for a job that is submitted."""
    daemon = durable(place, "jobs.db")
    source = place.dir / "urls"
    source.write_text(f"{web.url('small')}\n" * due)
    before = cpu_seconds(daemon.pid)
    subprocess.run(place.ctl(daemon, "submit", "--from", source, "--wait"), check=True, capture_output=True, timeout=170)
    cost = (cpu_seconds(daemon.pid) - before) / due
    stop(daemon)
    yield figure("CPU for a job", cost * 1e6, "us")
    yield figure("a run to a job", place.run_cost / cost, "", ("<=", 1.3))


class Pings(threading.Thread):
    """How long the loop lets others wait."""

    def __init__(self, daemon):
        super().__init__(daemon=True)
        self.daemon_, self.ended, self.longest = daemon, threading.Event(), 0

    def run(self):
        with self.daemon_.rpc() as rpc:
            while not self.ended.wait(0.002):
                began = time.monotonic()
                rpc.call("ping")
                self.longest = max(self.longest, time.monotonic() - began)


def apply(place, web, count):
    """A file of schedules: time, the client's memory, and the longest wait of somebody else."""
    daemon = durable(place, "apply.db")
    path = place.dir / "schedules"
    with open(path, "w", encoding="ascii") as out:
        for i in range(count):
            out.write(json.dumps({"name": f"feed{i:07}", "url": web.url("small"), "cron": "0 0 29 2 *"}) + "\n")
    pings = Pings(daemon)
    pings.start()
    command = ["/usr/bin/env", "python3", "-c", "import resource,subprocess,sys;"
               "subprocess.run(sys.argv[1:],check=True,stdout=subprocess.DEVNULL);"
               "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"]
    began = time.monotonic()
    done = subprocess.run([*command, *place.ctl(daemon, "schedule", "apply", path)], check=True, capture_output=True, text=True,
                          timeout=1700)
    wall = time.monotonic() - began
    pings.ended.set()
    pings.join()
    yield figure(f"schedule apply of {count:,} lines", wall, "s")
    yield figure("… a line", wall / count * 1e6, "us")
    yield figure("… RSS of the client", int(done.stdout) / 1024, "MiB")
    yield figure("… RSS of the daemon", penstock_test.memory_of(daemon.pid, "Rss") / 2**20, "MiB")
    yield figure("… the longest ping beside it", pings.longest * 1e3, "ms")
    began = time.monotonic()
    listed = subprocess.run(place.ctl(daemon, "--json", "schedule", "list"), check=True, capture_output=True, timeout=600)
    assert listed.stdout.count(b"\n") == count
    yield figure(f"schedule list of {count:,}", time.monotonic() - began, "s")
    stop(daemon)


def measure(place):
    web = place.nginx({"small": BODY})
    due = place.size(5000, 20)
    yield from runs(place, web, place.size(1_000_000, 200), due)
    yield from jobs(place, web, due)
    yield from apply(place, web, place.size(100_000, 30))


CASES = {"schedules": measure}
