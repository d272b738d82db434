"""One and four bodies of 512 MB from nginx into `count`, beside `curl -s URL | wc -l`, over HTTP and TLS; and beside
the floors: bare sockets that are spliced into the same reader, or read by OpenSSL and written to it."""
import functools
import json

import penstock_test
from table import compare, measured

SIZE = 512_000_000
GOALS = {"big-1": {"wall": 0.40, "cpu": 0.35}, "big-4": {"wall": 0.80, "cpu": 0.75},
         "tls-1": {"wall": 0.90}, "tls-4": {"wall": 0.90}, "floor-1": {"wall": 1.10, "cpu": 1.15},
         "floor-4": {"wall": 1.10, "cpu": 1.15}, "floor-tls-1": {"wall": 1.10}, "floor-tls-4": {"wall": 1.10}}


def start(place, tls):
    """The URL, the lines of its body, a daemon, and what curl must be told."""
    lines, _ = place.text("body", place.size(SIZE, 2_000_000))
    if not tls:
        web = place.nginx()
        return web.url("body"), web.port, lines, place.daemon(), ""
    port, cert, extra = place.tls()
    place.nginx(extra=extra)
    return f"https://127.0.0.1:{port}/body", port, lines, place.daemon({"fetch.ca_file": cert}), f"--cacert {cert} "


def ours(place, daemon, url, count):
    words = ("submit", *[url] * count, "--wait")

    def side(meter):
        text, = meter.run(place.ctl(daemon, *words))
        assert text.count(" done ") == count, text

    return measured([daemon.pid], side)


def curl(url, options, count, lines):
    def side(meter):
        counted = meter.run(*[f"curl -sf {options}{url} | wc -l"] * count)
        assert [int(c) for c in counted] == [lines] * count, counted

    return measured([], side)


def bodies(place, case, count, tls):
    url, _, lines, daemon, options = start(place, tls)
    what = "four bodies at once" if count > 1 else "one body"
    yield from compare(place, f"{what}, beside curl | wc -l", ours(place, daemon, url, count),
                       curl(url, options, count, lines), GOALS[case])


def floor(place, case, count, tls):
    url, port, lines, daemon, _ = start(place, tls)
    command = [penstock_test.BIN / "bench-floor", *["--tls"] * tls, port, "body", count]

    def side(meter):
        text, = meter.run(command)
        assert [json.loads(line)["lines"] for line in text.splitlines()] == [lines] * count, text

    what = "four bodies at once" if count > 1 else "one body"
    how = "OpenSSL + write + count" if tls else "socket + splice + count"
    yield from compare(place, f"{what}, beside {how}", ours(place, daemon, url, count), measured([], side), GOALS[case])


def cases(function, names):
    return {case: functools.partial(function, case=case, count=int(case[-1]), tls="tls" in case) for case in names}


CASES = (cases(bodies, ("big-1", "big-4", "tls-1", "tls-4"))
         | cases(floor, ("floor-1", "floor-4", "floor-tls-1", "floor-tls-4")))
