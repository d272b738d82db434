"""Where a case runs: a directory and programs of its own, as a system test has them (tests/system)."""
import contextlib
import pathlib
import shutil
import tempfile

import penstock_test


class Place:
    """Stands in for a test case with penstock_test's programs."""

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="penstock-bench."))
        self.stack.callback(shutil.rmtree, self.dir, ignore_errors=True)
        self.daemons = []
        return self

    def __exit__(self, *unused):
        self.stack.close()

    def addCleanup(self, function, *arguments):  # noqa: N802, unittest's name
        self.stack.callback(function, *arguments)

    def origin(self, *options):
        return penstock_test.Origin(self, *options)

    def nginx(self, files):
        """nginx that serves these files: a dict of names and contents."""
        www = self.dir / "www"
        www.mkdir()
        for name, content in files.items():
            (www / name).write_bytes(content)
        return penstock_test.Nginx(self, www)

    def daemon(self, settings=None, **kwargs):
        return penstock_test.Daemon(self, settings, **kwargs)


def cpu_seconds(pid):
    """User and system time of a process so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
