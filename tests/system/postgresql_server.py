"""A PostgreSQL cluster of a test's own (tests/support/pg_cluster.sh)."""
import os
import pathlib
import subprocess
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[1] / "support" / "pg_cluster.sh"


class Cluster:
    """On a unix socket in a directory of its own; removed with the test, or its process. Its user is penstock. `of`: it
    is the standby of another one. `command`: what the server is run by."""

    def __init__(self, test, *settings, of=None, command=()):
        self.settings, self.command = settings, command
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="penstock-pg."))
        test.addCleanup(self.do, "remove")
        if of:
            self.do("copy", of.dir)
        if self.do("start", *settings) == 77:
            raise unittest.SkipTest("there is no PostgreSQL server here")
        self.watch()
        self.dsn = f"host={self.dir} dbname=postgres user=penstock"

    def do(self, what, *arguments):
        done = subprocess.run([*self.command, SCRIPT, what, self.dir, *arguments], stderr=subprocess.PIPE, text=True, timeout=300,
                              check=False)
        assert done.returncode in (0, 77), done.stderr
        return done.returncode

    def watch(self):
        """Removed with this process, whoever ends that."""
        self.do("watch", str(os.getpid()))

    def stop(self, mode="immediate"):
        self.do("stop", mode)

    def start(self):
        self.do("start", *self.settings)

    def promote(self):
        self.do("promote")

    def ask(self, sql):
        """The rows, as lists of texts."""
        done = subprocess.run([SCRIPT, "ask", self.dir, sql], capture_output=True, text=True, timeout=60, check=True)
        return [line.split("\t") for line in done.stdout.splitlines()]
