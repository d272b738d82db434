"""Instructions that the daemon executes for a job and for a MiB, counted by valgrind's callgrind: the same on a busy
machine as on an idle one, within a percent or two. Beside another commit (--against, the previous one by default)
that is built for it, where there is a git."""
import os
import pathlib
import re
import signal
import subprocess

import penstock_test
from table import figure, ratio_row

ROOT = penstock_test.ROOT
LIMIT = 160


def build(place):
    """bin/ of the other commit, or None."""
    source, out = place.dir / "other", place.dir / "other-build"
    source.mkdir()
    archive = subprocess.run(["git", "-C", ROOT, "archive", place.against], capture_output=True, check=False, timeout=60)
    if archive.returncode:
        return None
    subprocess.run(["tar", "-x", "-C", source], input=archive.stdout, check=True, timeout=60)
    for command in (["cmake", "-S", source, "-B", out, "-DPENSTOCK_TESTS=OFF", "-DCMAKE_BUILD_TYPE=RelWithDebInfo"],
                    ["cmake", "--build", out, "-j", str(os.cpu_count()), "--target", "penstockd"]):
        subprocess.run(command, check=True, capture_output=True, timeout=600)
    return out / "bin"


class Counted:
    """A daemon below callgrind, with a warm-up that stands for its start."""

    def __init__(self, place, binaries, settings):
        self.place, self.binaries, self.settings = place, binaries, settings

    def instructions(self, url, count):
        out = self.place.dir / "callgrind.out"
        was, penstock_test.BIN = penstock_test.BIN, self.binaries
        try:
            daemon = self.place.daemon(self.settings, command=["valgrind", "--tool=callgrind", "-q",
                                                               f"--callgrind-out-file={out}"])
        finally:
            penstock_test.BIN = was
        with daemon.rpc() as rpc:
            rpc.socket.settimeout(LIMIT)
            ids = [job["id"] for job in rpc.call("submit", [{"url": url}] * count)]
            states = {job["state"] for job in rpc.call("wait", {"ids": ids})["jobs"]}
        assert states == {"done"}, states
        daemon.signal(signal.SIGTERM)
        assert daemon.exit_status(LIMIT) == 0, daemon.errors()
        return int(re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.M).group(1))

    def each(self, url, few, many):
        return (self.instructions(url, many) - self.instructions(url, few)) / (many - few)


def rows(place, binaries, url, what, scale, unit, few, many, settings):
    ours = Counted(place, penstock_test.BIN, settings(place, "ours")).each(url, few, many) / scale
    if not binaries:
        return figure(what, ours, unit)
    other = Counted(place, binaries, settings(place, "other")).each(url, few, many) / scale
    return ratio_row(f"{what}, beside {place.against}", unit, [(ours, other)])


def memory(place, name):
    return {"fetch.host_connections": 16}


def sqlite(place, name):
    return {"fetch.host_connections": 16, "store.engine": "sqlite", "store.path": place.dir / f"{name}.db"}


def instructions(place):
    web = place.nginx({"small": b"line\n" * 200})
    _, size = place.text("body", place.size(64_000_000, 1_500_000))
    binaries = None if place.quick else build(place)
    few, many = place.size(100, 5), place.size(900, 15)
    yield rows(place, binaries, web.url("small"), "for a job of 1 KB, store in memory", 1e3, "k", few, many, memory)
    if place.quick:  # a daemon takes seconds to start there
        return
    yield rows(place, binaries, web.url("small"), "for a job of 1 KB, durable", 1e3, "k", few, many, sqlite)
    yield rows(place, binaries, web.url("body"), "for a MiB into count", size / 2**20 * 1e3, "k", 1, 3, memory)


CASES = {"instructions": instructions}
