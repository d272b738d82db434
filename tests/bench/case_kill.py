"""The long kill test: 10,000 jobs, the daemon killed with SIGKILL 100 times at random moments."""
import time

import kill_test

TITLE = "10,000 jobs, 100 kills"


def measure(place):
    test = kill_test.KillTest(place, jobs=10000, kills=100)
    began = time.monotonic()
    test.run()
    yield "jobs that ended in exactly one verdict, and rightly", len(test.stored), "jobs", (">=", 10000)
    yield "kills", test.kills, "", None
    yield "attempts that were interrupted", sum(j["verdict"]["attempt"] - 1 for j in test.stored), "", None
    yield "submissions that were repeated, and found by their key", len(test.repeated), "", None
    yield "start-up, the longest", max(test.starts), "s", None
    yield "all of it", time.monotonic() - began, "s", None
