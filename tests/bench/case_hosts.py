"""A thousand hosts (addresses of the loopback network) with a hundred jobs each; one of them is stalled, one
fails, one has a rate. What that costs the others, and whether the rate held."""
import collections
import pathlib
import socket
import time

import penstock_test
from meter import cpu_seconds
from table import figure

HOSTS = 1000
JOBS = 100
PART = 1000
RATE = 5
STALLED, FAILING, RATED = 0, 1, 2


def address(i):
    return f"127.0.{1 + i // 250}.{1 + i % 250}"


def free_port():
    with socket.socket() as probe:
        probe.bind(("0.0.0.0", 0))
        return probe.getsockname()[1]


def start_nginx(place, deaf):
    www = place.dir / "www"
    www.mkdir()
    (www / "small").write_bytes(b"x" * 1023 + b"\n")
    port = free_port()
    extra = f"""listen 0.0.0.0:{port} backlog=4096;
        keepalive_requests 100000;
        location = /stall {{ proxy_pass http://127.0.0.1:{deaf}; proxy_read_timeout 600s; }}
        location = /fail {{ return 503; }}
        location = /rated {{ access_log {place.dir}/rated msec; return 200 "x"; }}"""

    class Listening(penstock_test.Nginx):
        def config(self, *args):
            return super().config(*args).replace("access_log off;", "access_log off; log_format msec $msec;")

    Listening(place, www, extra)
    return port


def path_of(host, bad):
    if host == RATED:
        return "rated"
    return {STALLED: "stall", FAILING: "fail"}.get(host, "small") if bad else "small"


def run_all(daemon, port, bad, rounds=JOBS):
    """Seconds until the jobs of the well hosts have their verdicts, and how many of them are done. The host with a
    rate gets all of its jobs at once, the others theirs in turn."""
    hosts = [h for h in range(HOSTS) if h != RATED and (bad or h not in (STALLED, FAILING))]
    hosts = [RATED] * rounds + hosts * rounds
    jobs = [(h, {"url": f"http://{address(h)}:{port}/{path_of(h, bad)}"}) for h in hosts]
    began = time.monotonic()
    with daemon.rpc() as rpc:
        rpc.socket.settimeout(600)
        parts = [jobs[i:i + PART] for i in range(0, len(jobs), PART)]
        well = []
        for part in parts:
            rpc.request("submit", [job for _, job in part])
            answer = rpc.receive()["result"]
            well.append([item["id"] for (h, _), item in zip(part, answer) if h not in (STALLED, FAILING, RATED)])
        states = collections.Counter(job["state"] for ids in well for job in rpc.call("wait", {"ids": ids})["jobs"])
        seconds = time.monotonic() - began
        rpc.call("cancel", {"host": address(STALLED)})
        rpc.call("cancel", {"host": address(FAILING)})
    penstock_test.until(lambda: not sum(daemon.call("stats")["jobs"][s] for s in ("queued", "running", "waiting")),
                        "every job has ended", 300)
    return seconds, states


def measure(place):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(256)
        port = start_nginx(place, deaf.getsockname()[1])
        conf = place.dir / "hosts.conf"
        conf.write_text(f'[host "{address(RATED)}"]\nrequests_per_second = {RATE}\n')
        daemon = place.daemon({"fetch.retry_delay": "100ms", "defaults.first_byte_timeout": "600s"}, config=conf)
        run_all(daemon, port, False, JOBS // 10)  # warms up
        (place.dir / "rated").write_text("")
        for bad in (False, True):
            cpu = cpu_seconds(daemon.pid)
            seconds, states = run_all(daemon, port, bad)
            cpu = cpu_seconds(daemon.pid) - cpu
            what = "one stalled, one failing" if bad else "without those two"
            yield figure(f"{what}: seconds until the others were done", seconds, "s")
            yield figure(f"{what}: jobs a second", sum(states.values()) / seconds, "1/s")
            yield figure(f"{what}: CPU of the daemon for one job", cpu / sum(states.values()) * 1e6, "us")
            yield figure(f"{what}: others that were not done", sum(states.values()) - states["done"], "", ("<=", 0))
        times = sorted(float(line) for line in pathlib.Path(place.dir, "rated").read_text().split())
        for run in (times[:JOBS], times[JOBS:]):
            window = max(sum(1 for t in run if a <= t < a + 1) for a in run)
            # A bucket of one second's worth: it may begin with a burst of as many.
            after = (len(run) - RATE - 1) / (run[-1] - run[RATE])
            yield figure(f"rate {RATE}/s: requests a second after the first burst", after, "1/s", ("<=", RATE * 1.05))
            yield figure(f"rate {RATE}/s: most in any one second", window, "", ("<=", 2 * RATE))


CASES = {"hosts": measure}
