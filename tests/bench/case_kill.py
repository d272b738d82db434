"""The long kill test: 10,000 jobs, the daemon killed with SIGKILL 100 times at random moments."""
import time

import kill_test
from table import figure


def measure(place):
    test = kill_test.KillTest(place, jobs=10000, kills=100)
    began = time.monotonic()
    test.run()
    yield figure("jobs that ended in exactly one verdict, and rightly", len(test.stored), "jobs", (">=", 10000))
    yield figure("kills", test.kills, "")
    yield figure("attempts that were interrupted", sum(j["verdict"]["attempt"] - 1 for j in test.stored), "")
    yield figure("submissions that were repeated, and found by their key", len(test.repeated), "")
    yield figure("start-up, the longest", max(test.starts), "s")
    yield figure("all of it", time.monotonic() - began, "s")


CASES = {"kill": measure}
