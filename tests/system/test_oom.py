"""Memory that ends for all processes of a daemon: whichever the kernel kills then, and in whatever order, no stage takes a cut
for an end, and the daemon, if it lives, says what happened."""
import os
import pathlib
import signal
import sys
import unittest

import penstock_test
from penstock_test import PATIENCE, SANITIZED, until
from test_exec import QUICK, processes_of

COUNT = 4  # pipelines that run meanwhile
HOG = """import sys
held = [bytearray(1 << 24) for line in sys.stdin]
"""


def stat_of(pid):
    """(parent, state)"""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[1]), fields[0]


def is_dead(pid):
    try:
        return stat_of(pid)[1] in "ZX"
    except OSError:
        return True


class Cgroup:
    """A cgroup with a limit on memory, below this process's own."""

    def __init__(self, test, size):
        self.place = self.make()
        test.addCleanup(self.remove)
        limit = "memory.max" if (self.place / "memory.max").exists() else "memory.limit_in_bytes"
        try:
            (self.place / limit).write_text(str(size))
            swap = self.place / "memory.swap.max"
            if swap.exists():
                swap.write_text("0")
        except OSError as e:
            self.remove()
            raise unittest.SkipTest(f"the cgroup takes no limit: {e}") from None

    @staticmethod
    def make():
        for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
            number, kinds, path = line.split(":", 2)
            root = "/sys/fs/cgroup" + ("/memory" if kinds == "memory" else "")
            place = pathlib.Path(root + path) / f"penstock-test.{os.getpid()}"
            if kinds not in ("", "memory"):
                continue
            try:
                place.mkdir()
            except OSError:
                continue
            if (place / "memory.max").exists() or (place / "memory.limit_in_bytes").exists():
                return place
            place.rmdir()
        raise unittest.SkipTest("no cgroup of memory can be made here")

    def enter(self):
        """In the child, before it becomes the daemon."""
        (self.place / "cgroup.procs").write_text("0")

    def remove(self):
        def gone():
            try:
                self.place.rmdir()
            except FileNotFoundError:
                pass
            except OSError:
                return False
            return True
        until(gone, "the cgroup is empty")


class Oom(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.web = self.origin()
        self.mark = f"PENSTOCK_URL={self.web.base}"

    def tearDown(self):
        super().tearDown()
        until(lambda: not processes_of(self.mark), "nothing is left behind")

    def start(self, **kwargs):
        """A parser that commits at its input's end, by a stage and by a child of one; and one that takes memory."""
        self.where = self.dir / "ends"
        self.where.mkdir(exist_ok=True)
        config = self.wrote("penstockd.conf", f"""[parser "total"]
type = exec
stage = cat
stage = sh -c 'cat >/dev/null && echo end >{self.where}/$PENSTOCK_JOB'
[parser "hog"]
type = exec
stage = {sys.executable} {self.wrote("hog.py", HOG)}
stage = sh -c 'cat >/dev/null && echo end >{self.where}/$PENSTOCK_JOB'
""")
        return self.daemon(QUICK, config=config, **kwargs)

    def run_some(self, daemon):
        jobs = [daemon.submit(self.web.url("/lines?n=50000&hold=on&hold_at=1000"), parser="total") for _ in range(COUNT)]
        until(lambda: sum(n == "cat" for n in processes_of(self.mark).values()) == 2 * COUNT, "their stages run", 60 * PATIENCE)
        return jobs

    def ends(self):
        return sorted(int(p.name) for p in self.where.iterdir())

    @unittest.skipIf(SANITIZED, "a sanitizer takes memory of its own")
    def test_the_kernel_chooses(self):
        """The stage that takes the memory goes, before all others of the cgroup."""
        cgroup = Cgroup(self, 256 << 20)
        daemon = self.start(preexec_fn=cgroup.enter)
        jobs = self.run_some(daemon)
        for _ in range(3):
            verdict = daemon.job(self.web.url("/lines?n=50000"), parser="hog")
            self.assert_verdict(verdict, "failed", "parser_crashed")
            self.assertIn("signal 9", verdict["error"]["message"])
        self.assertEqual(self.ends(), [])
        self.web.release("on")
        for job in jobs:
            self.assert_verdict(daemon.verdict(job), "done")
        self.assertEqual(self.ends(), jobs)

    def groups(self, daemon):
        """Pids by what they are: the first stages, the last ones, and what those have started."""
        all_of_them = processes_of(self.mark)
        hosts = [p for p, name in all_of_them.items() if name == "penstock-host"]
        stages = [p for p in all_of_them if stat_of(p)[0] in hosts]
        return {"daemon": [daemon.pid], "host": hosts, "first": [p for p in stages if all_of_them[p] == "cat"],
                "last": [p for p in stages if all_of_them[p] != "cat"],
                "below": [p for p in all_of_them if p not in hosts + stages]}

    def test_one_after_another(self):
        """The order in which it is done is by the memory that each has: a host is small, and last. It may be slow to act
        (stopped), when all are."""
        for order in ("first", "last", "below", "first below", "last first", "daemon", "daemon first", "daemon last",
                      "daemon below first", "first daemon", "last daemon", "first last below daemon host",
                      "daemon first last below host"):
            with self.subTest(order=order):
                daemon = self.start()
                jobs = self.run_some(daemon)
                groups = self.groups(daemon)
                for pid in groups["host"]:
                    os.kill(pid, signal.SIGSTOP)
                for name in order.split():
                    for pid in groups[name]:
                        os.kill(pid, signal.SIGKILL)
                    until(lambda: all(is_dead(p) for p in groups[name]), f"{name}: gone")
                for pid in groups["host"]:
                    if "host" not in order:
                        os.kill(pid, signal.SIGCONT)
                if "daemon" in order:
                    self.assertEqual(daemon.exit_status(), -signal.SIGKILL)
                else:
                    # A shell's exit of 137; beside a stage that was killed it may come too late to be the reason.
                    kinds = {"parser_failed"} if order == "below" else {"parser_crashed"}
                    if "below" in order:
                        kinds.add("parser_failed")
                    for job in jobs:
                        verdict = daemon.verdict(job)
                        self.assert_verdict(verdict, "failed", verdict.get("error", {}).get("kind"))
                        self.assertIn(verdict["error"]["kind"], kinds)
                until(lambda: not processes_of(self.mark), "all of them end")
                self.assertEqual(self.ends(), [])
                if daemon.alive():
                    daemon.stop()


if __name__ == "__main__":
    penstock_test.main()
