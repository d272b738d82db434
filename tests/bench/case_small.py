"""Twenty thousand bodies of 1 KB from nginx: submitted over the socket by penstockctl, downloaded, parsed, verdict in
the log, jobs in SQLite; beside what does the downloads alone (curl), a script with thread pools, and a shell."""
import pathlib
import shutil
import subprocess
import sys

from table import compare, figure, in_turn, measured

COUNT = 20000
AT_ONCE = 16
BODY = b"line\n" * 204 + b"end\n"
LINES = 205
PEER = pathlib.Path(__file__).with_name("aiohttp_peer.py")


def start(place, engine="sqlite"):
    web = place.nginx({"small": BODY})
    daemon = place.daemon({"fetch.host_connections": AT_ONCE, "store.engine": engine, "store.path": place.dir / "db"})
    count = place.size(COUNT, 200)
    source = place.dir / "urls"
    source.write_text(f"{web.url('small')}\n" * count)

    def side(meter):
        text, = meter.run(place.ctl(daemon, "submit", "--from", source, "--wait"))
        assert text.count(" done ") == count, text[-300:]

    return web.url("small"), daemon, count, measured([daemon.pid], side)


def logged(daemon, place, count):
    """Each job has its verdict in the log, the warm-up's too."""
    verdicts = sum(b'"event":"verdict"' in line for line in open(daemon.log, "rb"))
    assert verdicts == count * (place.pairs + 1), verdicts


def beside_curl(place):
    url, daemon, count, ours = start(place)
    files = place.dir / "files"
    config = place.dir / "curlrc"
    config.write_text("".join(f'url = "{url}"\noutput = "{files}/{i}"\n' for i in range(count)))

    def side(meter):
        meter.run(["curl", "-s", "--no-progress-meter", "-Z", "--parallel-max", AT_ONCE, "--fail", "-K", config])

    def peer():
        files.mkdir()
        cost = measured([], side)()
        assert sum(1 for f in files.iterdir()) == count
        shutil.rmtree(files)
        return cost

    yield from compare(place, f"{count:,} of 1 KB, beside curl -Z writing files", ours, peer, {"wall": 0.6})
    logged(daemon, place, count)


def python():
    """One that has aiohttp: this one or the system's."""
    for name in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([name, "-c", "import aiohttp"], capture_output=True, check=False).returncode == 0:
            return name
    raise AssertionError("no python3 has aiohttp: apt-get install python3-aiohttp")


def beside_aiohttp(place):
    url, daemon, count, ours = start(place)
    part = place.size(4, 1)  # a part, as it is slow
    command = [python(), PEER, count // part, AT_ONCE, url]

    def side(meter):
        assert meter.run(command)[0].split() == [str(count // part), str(LINES * count // part)]

    yield from compare(place, f"{count:,} of 1 KB, beside aiohttp + os.pipe + two executors", ours,
                       measured([], side, part), {"wall": 0.12})


def beside_xargs(place):
    url, daemon, count, ours = start(place)
    part = place.size(20, 1)

    def side(meter):
        text, = meter.run(f"yes '{url}' | head -n {count // part} | xargs -P{AT_ONCE} -I@ sh -c 'curl -sf @ | wc -l'")
        assert text.split() == [str(LINES)] * (count // part)

    yield from compare(place, f"{count:,} of 1 KB, beside xargs -P16 curl | wc -l", ours, measured([], side, part),
                       {"wall": 0.02})


def engines(place):
    """The same with the store in memory: what durability costs."""
    _, daemon, count, ours = start(place, "memory")
    costs = [cost for cost, in in_turn(place, ours)]
    yield figure(f"{count:,} of 1 KB, store in memory: jobs a second", count / sorted(c.wall for c in costs)[len(costs) // 2],
                 "1/s")
    yield figure("… CPU for one, penstockctl's included", sorted(c.cpu for c in costs)[len(costs) // 2] / count * 1e6, "us")


CASES = {"small": beside_curl, "small-py": beside_aiohttp, "small-xargs": beside_xargs, "small-mem": engines}
