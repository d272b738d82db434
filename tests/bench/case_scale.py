"""What one more host costs: jobs over 1, 100, 10,000 and 100,000 hosts (h0.localhost, h1.localhost, …), each asked
for by a connection of its own, as a host's first job is; and a million queued jobs over 100,000 hosts."""
import json
import pathlib
import re
import signal

import penstock_test
from case_durable import durable
from meter import Meter, cpu_seconds
from table import figure

BATCH = 1000
AHEAD = 4  # batches on their way
HOSTS = (1, 100, 10_000, 100_000)
JOBS = 100_000
QUEUED = 1_000_000
RUN = 50_000  # of the queued ones, while memory is looked at
RATIO, QUEUED_MIB, RUNNING_MIB = 1.3, 64, 100  # the goals


def rss(daemon, name="VmRSS"):
    """MiB; VmHWM: the most so far."""
    text = pathlib.Path(f"/proc/{daemon.pid}/status").read_text()
    return int(re.search(rf"^{name}:\s+(\d+)", text, re.M).group(1)) / 1024


def submit(daemon, port, hosts, count):
    """Jobs of all hosts in turn, in batches, a few of them on their way at once."""
    batch = min(BATCH, count)
    with daemon.rpc() as rpc:
        rpc.socket.settimeout(600)
        out = answered = 0
        while answered < count:
            while out < count and out - answered < AHEAD * batch:
                jobs = [{"url": f"http://h{i % hosts}.localhost:{port}/small"} for i in range(out, out + batch)]
                text = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "submit", "params": jobs})
                rpc.socket.sendall(text.encode() + b"\n")
                out += batch
            line = rpc.line()
            assert b'"error"' not in line, line[:300]
            answered += batch


def pending(daemon):
    states = daemon.call("stats")["jobs"]
    return sum(states[state] for state in ("queued", "running", "waiting"))


def wait_for(daemon, left):
    penstock_test.until(lambda: pending(daemon) <= left, f"at most {left} jobs are left", 1800)


def end(daemon):
    daemon.signal(signal.SIGTERM)
    daemon.process.wait(60)


def over_hosts(place, port, hosts, count):
    """Jobs a second, CPU seconds for one, MiB at most."""
    daemon = durable(place, f"hosts{hosts}")
    cpu = cpu_seconds(daemon.pid)

    def run(_):
        submit(daemon, port, hosts, count)
        wait_for(daemon, 0)

    cost = Meter().measure(run)
    cpu, peak = cpu_seconds(daemon.pid) - cpu, rss(daemon, "VmHWM")
    done = daemon.call("stats")["jobs"]["done"]
    assert done == count, f"{done} of {count} are done"
    end(daemon)
    return count / cost.wall, cpu / count, peak


def measure_hosts(place, port):
    count = place.size(JOBS, 500)
    first = None
    for hosts in sorted({min(hosts, count) for hosts in HOSTS}):
        rate, cpu, peak = over_hosts(place, port, hosts, count)
        first = first or cpu
        what = f"{count:,} jobs over {hosts:,} hosts"
        goal = ("<=", RATIO) if hosts == min(HOSTS[-1], count) else None
        yield figure(f"{what}: jobs a second", rate, "1/s")
        yield figure(f"{what}: CPU of the daemon for one job", cpu * 1e6, "us")
        yield figure(f"{what}: that, to what it is over one host", cpu / first, "", goal)
        yield figure(f"{what}: memory (RSS) at most", peak, "MiB")


def measure_queue(place, port):
    count, hosts = place.size(QUEUED, 500), place.size(HOSTS[-1], 50)
    daemon = durable(place, "queued")
    daemon.call("pause")
    submit(daemon, port, hosts, count)
    yield figure(f"{count:,} queued over {hosts:,} hosts: RSS", rss(daemon), "MiB", ("<=", QUEUED_MIB))
    end(daemon)
    daemon = durable(place, "queued", {"parse.workers": 1})
    penstock_test.until(lambda: daemon.call("top")["known_hosts"] >= 0.99 * hosts, "the hosts are known", 300)
    daemon.call("pause")
    yield figure("the same after a restart: RSS", rss(daemon), "MiB", ("<=", QUEUED_MIB))
    end(daemon)
    daemon = durable(place, "queued")
    wait_for(daemon, count - place.size(RUN, 500))
    yield figure("the same while they run: RSS at most", rss(daemon, "VmHWM"), "MiB", ("<=", RUNNING_MIB))
    end(daemon)


def measure(place):
    nginx = place.nginx({"small": b"x" * 1023 + b"\n"}, "keepalive_timeout 0;")
    yield from measure_hosts(place, nginx.port)
    yield from measure_queue(place, nginx.port)


CASES = {"scale": measure}
