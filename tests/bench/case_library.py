"""libpenstock in a program of somebody's: a body of 512 MB through penstock_open, beside `penstockctl run URL -- wc -l`; and one
of 1 KB, from the call of penstock_open to the verdict, beside `curl -s URL | wc -l`."""
import os
import subprocess

import case_big
import case_latency
import penstock_test
from table import compare, measured


def program(place):
    """Built as its user would; and the environment that it runs in."""
    library = penstock_test.BIN.resolve().parent / "lib"
    made = place.dir / "library"
    subprocess.run(["cc", "-O2", f"-I{penstock_test.ROOT}/include", "-o", made, penstock_test.ROOT / "tests" / "bench" / "library.c",
                    f"-L{library}", "-lpenstock", f"-Wl,-rpath,{library}"], check=True)
    return made


def library(place):
    url, _, lines, daemon, _ = case_big.start(place, False)
    made = program(place)
    os.environ["PENSTOCK_SOCKET"] = str(daemon.socket)

    def side(*command):
        def run(meter):
            text, = meter.run(command)
            assert int(text) == lines, text
        return measured([daemon.pid], run)

    yield from compare(place, "one body by penstock_open, beside run URL -- wc -l", side(made, url),
                       side(*place.ctl(daemon, "run", url, "--", "wc", "-l")), {"wall": 1.10})


def opened(place):
    url = case_latency.start(place)
    daemon = place.daemon({"store.engine": "sqlite", "store.path": place.dir / "db"})
    made = program(place)
    os.environ["PENSTOCK_SOCKET"] = str(daemon.socket)

    def opens():
        text = subprocess.run([made, url, str(place.size(case_latency.JOBS, 20))], check=True, capture_output=True, timeout=60).stdout
        return [float(line) / 1e6 for line in text.split()]

    done = case_latency.rounds(place, opens, lambda: case_latency.curls(url, place.size(case_latency.CURLS, 5)))
    yield from case_latency.rows("1 KB by penstock_open, durable, beside curl | wc -l", done, {50: 0.3})


CASES = {"library": library, "library-open": opened}
