"""The store's module by itself, on a cluster of the bench's own with fsync on: members that download nothing
(bench_member.c) claim and end jobs, in batches of 64."""
import os
import pathlib
import subprocess

import postgresql_server
from penstock_test import BIN, until
from table import figure

HOSTS = 1000
TICK = os.sysconf("SC_CLK_TCK")


def cpu_of(server):
    """Seconds of the server and of all the sessions that it had."""
    master = int((server.dir / "data" / "postmaster.pid").read_text().split()[0])
    ticks = 0
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(stat.parent.name) == master:
            ticks += sum(map(int, fields[11:15]))
        elif int(fields[1]) == master:
            ticks += sum(map(int, fields[11:13]))
    return ticks / TICK


class Queue:
    def __init__(self, place):
        self.place = place
        self.server = postgresql_server.Cluster(place)
        self.members = 0

    def program(self, *words, **kwargs):
        self.members += 1
        path = self.place.dir / f"member{self.members}"
        command = [BIN / "bench-queue", self.server.dsn, path, f"m{self.members}", *map(str, words)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **kwargs)

    def submit(self, count):
        """Seconds that it took."""
        with self.program("submit", count, HOSTS) as program:
            out = program.stdout.read().split()
        assert program.returncode == 0, "bench-queue failed"
        return float(out[-1])

    def shards(self):
        rows = self.server.ask("SELECT owner,count(*) FROM penstock.shards GROUP BY 1")
        return [int(count) for owner, count in rows if owner]

    def run(self, members):
        """Jobs, the seconds of the slowest, and the server's of CPU."""
        programs = [self.program("run", 64, HOSTS, stdin=subprocess.PIPE) for _ in range(members)]
        try:
            until(lambda: len(s := self.shards()) == members and sum(s) == 256, "all have hosts", 120)
            before = cpu_of(self.server)
            for program in programs:
                program.stdin.write("go\n")
                program.stdin.flush()
            answers = [next(line.split() for line in program.stdout if not line.startswith("ready"))
                       for program in programs]
            used = cpu_of(self.server) - before
        finally:
            for program in programs:
                program.stdin.close()
                program.wait(60)
                program.stdout.close()
        return sum(int(jobs) for jobs, _ in answers), max(float(seconds) for _, seconds in answers), used


def measure(place):
    queue = Queue(place)
    count = place.size(200_000, 2000)
    yield figure("durable submissions a second, batches of 1,000", count / queue.submit(count), "1/s", (">=", 60000))
    for members, goal in ((1, 15000), (3, 25000)):
        if members > 1:
            queue.submit(count)
        jobs, seconds, used = queue.run(members)
        assert jobs == count, f"{jobs} of {count} ended"
        yield figure(f"jobs a second claimed and ended, {members} member{'s' * (members > 1)}", jobs / seconds, "1/s",
                     (">=", goal))
        yield figure(f"the server's CPU a job, {members} member{'s' * (members > 1)}", used / jobs * 1e6, "us", ("<=", 70))


CASES = {"queue": measure}
