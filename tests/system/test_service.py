"""The daemon and its service manager, played by the test: what it says, and that it waits for nobody."""
import ctypes
import os
import pathlib
import signal
import socket
import time

import penstock_test
from penstock_test import PATIENCE, until

SPAN = 2 * PATIENCE  # seconds of the watchdog
PTRACE_ATTACH, PTRACE_DETACH = 16, 17
WALL = 0x40000000  # waitpid: threads, too


class Manager:
    """A notification socket: what came, message by message."""

    def __init__(self, test):
        self.path = test.dir / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        test.addCleanup(self.socket.close)
        self.socket.bind(str(self.path))
        self.socket.setblocking(False)

    def environment(self):
        return {**os.environ, "NOTIFY_SOCKET": str(self.path), "WATCHDOG_USEC": str(SPAN * 1000000)}

    def read(self):
        said = []
        try:
            while True:
                said.append(self.socket.recv(4096).decode())
        except BlockingIOError:
            return said

    def hears(self, message):
        until(lambda: any(text.startswith(message) for text in self.read()), f"it says {message}")

    def stuff(self):
        """Until it takes no more."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.setblocking(False)
            try:
                while True:
                    s.sendto(b"X=1", str(self.path))
            except BlockingIOError:
                return


class Frozen:
    """One thread of a process stands still, the others run."""

    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]

    def __init__(self, test, pid, name):
        tasks = pathlib.Path(f"/proc/{pid}/task")
        self.thread = next(int(t.name) for t in tasks.iterdir() if (t / "comm").read_text().strip() == name)
        if self.libc.ptrace(PTRACE_ATTACH, self.thread, None, None) < 0:
            test.skipTest(f"threads cannot be stopped here: {os.strerror(ctypes.get_errno())}")

    def __enter__(self):
        os.waitpid(self.thread, WALL)
        return self

    def __exit__(self, *unused):
        self.libc.ptrace(PTRACE_DETACH, self.thread, None, None)


class Service(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.manager = Manager(self)
        self.store = {"store.engine": "sqlite", "store.path": self.dir / "penstock.db", "fetch.threads": 2}

    def watched(self):
        daemon = self.daemon(self.store, env=self.manager.environment())
        self.manager.hears("READY=1")
        self.manager.hears("WATCHDOG=1")
        return daemon

    def assert_starves(self, daemon, name, words):
        """The watchdog, not the control loop."""
        with Frozen(self, daemon.process.pid, name):
            until(lambda: words in daemon.errors(), "who does not answer is named")
            self.manager.read()
            end = time.monotonic() + SPAN  # by then the manager would have killed
            while time.monotonic() < end:
                daemon.call("ping")
                self.assertNotIn("WATCHDOG=1", self.manager.read())
        self.manager.hears("WATCHDOG=1")
        self.assertIn("all threads answer again", daemon.errors())

    def test_one_stuck_loop_starves_the_watchdog(self):
        daemon = self.watched()
        self.assert_starves(daemon, "fetch-1", "thread fetch-1 does not answer")
        self.assertNotIn("fetch-0 does not answer", daemon.errors())

    def test_a_stuck_store_starves_the_watchdog(self):
        self.assert_starves(self.watched(), "store", "the store's thread does not answer")

    def test_a_manager_that_does_not_read_is_not_waited_for(self):
        daemon = self.watched()
        self.manager.stuff()
        daemon.call("ping")
        daemon.call("reload")
        end = time.monotonic() + SPAN  # several rounds of the watchdog
        while time.monotonic() < end:
            daemon.call("ping")
        self.manager.stuff()
        daemon.signal(signal.SIGHUP)
        until(lambda: daemon.errors().count("reload: done") == 2, "it reloads")
        self.manager.read()
        self.manager.hears("READY=1")  # owed since
        self.manager.hears("WATCHDOG=1")

    def test_reload_and_end_are_told(self):
        daemon = self.watched()
        daemon.call("reload")
        said = self.manager.read()
        self.assertLess([i for i, text in enumerate(said) if text.startswith("RELOADING=1\nMONOTONIC_USEC=")][0],
                        said.index("READY=1"))
        daemon.stop()
        self.assertIn("STOPPING=1", self.manager.read())


if __name__ == "__main__":
    penstock_test.main()
