# label: sanitize
"""Two daemons in one place: of a socket, of a store, of what a manager hands over, exactly one daemon is the owner, and the
others say why they are not."""
import json
import os
import socket
import sys

import penstock_test
from penstock_test import until

# Puts what is open as `fd` at the place of the first descriptor that is handed over, and says so.
HAND_OVER = """import os, sys
os.dup2(int(sys.argv[1]), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=sys.argv[2])
os.execv(sys.argv[3], sys.argv[3:])
"""


class Two(penstock_test.Case):
    def racers(self, count, settings):
        place = {"control.socket": self.dir / "socket", **settings}
        daemons = [self.daemon(place, wait=False) for _ in range(count)]
        for daemon in daemons:
            daemon.socket = self.dir / "socket"
        return daemons

    def one_of(self, daemons, text):
        """Waits until all but one have ended, and gives that one."""
        until(lambda: sum(d.alive() for d in daemons) <= 1, "one is left")
        alive = [d for d in daemons if d.alive()]
        self.assertEqual(len(alive), 1, [d.errors() for d in daemons])
        for daemon in daemons:
            if daemon not in alive:
                self.assertEqual(daemon.exit_status(), 1, daemon.errors())
                self.assertRegex(daemon.errors(), text)
        until(alive[0].ready, "it answers")
        return alive[0]

    def test_a_race_for_the_socket(self):
        for stale in (False, True, True):
            daemons = self.racers(6, {})
            owner = self.one_of(daemons, f"{self.dir / 'socket'}.* is in use by a running penstockd")
            self.assertEqual(owner.call("stats")["jobs"]["queued"], 0)
            if stale:
                owner.kill()  # and its socket and lock are left
            else:
                owner.stop()
                self.assertFalse((self.dir / "socket").exists())

    def test_a_race_for_the_store(self):
        store = {"store.engine": "sqlite", "store.path": self.dir / "penstock.db"}
        daemons = [self.daemon(store, wait=False) for _ in range(5)]
        owner = self.one_of(daemons, "in use by another penstockd")
        origin = self.origin()
        self.assert_verdict(owner.job(origin.url("/bytes?n=10")), "done")

    def test_the_socket_is_replaced(self):
        """By something else, or by nothing: at its end the daemon removes what is its own."""
        path = self.dir / "socket"
        for what in ("nothing", "file", "socket"):
            daemon = self.racers(1, {})[0]
            until(daemon.ready, "it answers")
            path.unlink()
            if what == "file":
                path.write_text("precious")
            elif what == "socket":
                other = socket.socket(socket.AF_UNIX)
                other.bind(str(path))
                self.addCleanup(other.close)
            second = self.racers(1, {})[0]
            self.assertEqual(second.exit_status(), 1)
            self.assertIn("in use by a running penstockd, pid", second.errors())
            daemon.stop()
            self.assertEqual(path.exists(), what != "nothing", what)
            if path.exists():
                path.unlink()

    def handed_over(self, fd, count="1"):
        """A daemon that is told of so many descriptors, the first of them this."""
        return self.daemon({"control.socket": self.dir / "named"}, wait=False, pass_fds=(fd,) if fd > 2 else (),
                           command=(sys.executable, "-c", HAND_OVER, str(fd), count))

    def test_what_is_handed_over(self):
        """One listening stream socket; anything else is refused."""
        path = self.dir / "given"
        good = socket.socket(socket.AF_UNIX)
        good.bind(str(path))
        good.listen()
        pair = socket.socketpair()
        datagrams = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        datagrams.bind(str(self.dir / "datagrams"))
        idle = socket.socket(socket.AF_UNIX)
        tcp = socket.create_server(("127.0.0.1", 0))
        file = os.open(self.wrote("file", "x"), os.O_RDWR)
        ends = os.pipe()
        for s in (good, *pair, datagrams, idle, tcp):
            self.addCleanup(s.close)
        for fd in (file, *ends):
            self.addCleanup(os.close, fd)
        for fd, count in ((pair[0].fileno(), "1"), (datagrams.fileno(), "1"), (idle.fileno(), "1"), (file, "1"), (ends[0], "1"),
                          (tcp.fileno(), "1"), (good.fileno(), "2"), (good.fileno(), "1000")):
            with self.subTest(fd=os.readlink(f"/proc/self/fd/{fd}"), count=count):
                daemon = self.handed_over(fd, count)
                self.assertEqual(daemon.exit_status(), 1, daemon.errors())
                self.assertRegex(daemon.errors(), "descriptor 3 is not a listening unix|gave 2 sockets|LISTEN_FDS=1000 .*: Bad file")
        daemon = self.handed_over(good.fileno())
        daemon.socket = path
        until(daemon.ready, "it answers on what it was given")
        second = self.handed_over(good.fileno())  # the same once more
        self.assertEqual(second.exit_status(), 1)
        self.assertIn(f"{path} is in use by a running penstockd, pid {daemon.pid}", second.errors())
        self.assertFalse((self.dir / "named").exists())
        daemon.stop()
        self.assertTrue(path.exists())

    def test_numbers_that_are_none(self):
        """Of descriptors that nobody handed over: the daemon says so, or makes its own socket."""
        for pid, count in (("self", "abc"), ("self", "-1"), ("self", "99999999999999999999"), ("self", ""), ("1", "1"), ("abc", "1"),
                           ("self", "0"), ("self", "1")):
            with self.subTest(pid=pid, count=count):
                script = (f"import os, sys\nos.environ.update(LISTEN_PID={'str(os.getpid())' if pid == 'self' else repr(pid)}, "
                          f"LISTEN_FDS={count!r})\nos.execv(sys.argv[1], sys.argv[1:])")
                daemon = self.daemon(wait=False, command=(sys.executable, "-c", script))
                until(lambda: not daemon.alive() or daemon.socket.exists(), "it has decided")
                if pid == "1":  # another process's
                    until(daemon.ready, "it answers")
                    daemon.stop()
                else:
                    self.assertEqual(daemon.exit_status(), 1)
                    self.assertRegex(daemon.errors(), f"LISTEN_FDS={count} and LISTEN_PID|descriptor 3 is not a listening")

    def test_one_log(self):
        """Two daemons may write to one file: no line is torn."""
        log = self.dir / "log"
        config = self.wrote("p.conf", f'[sink "all"]\ntype = file\npath = {log}\nevents = all\n')
        origin = self.origin()
        daemons = [self.daemon(config=config) for _ in range(2)]
        jobs = [(d, d.submit(origin.url("/lines?n=300"), parser="lines")) for d in daemons for _ in range(10)]
        for daemon, job in jobs:
            until(lambda: daemon.call("show", {"id": job})["state"] == "done", "it is done")
        for daemon in daemons:
            daemon.stop()
        lines = [json.loads(line) for line in log.read_bytes().splitlines()]
        self.assertEqual(sum(e["event"] == "verdict" for e in lines), 20)
        self.assertEqual(sum(e["event"] == "record" for e in lines), 6000)


if __name__ == "__main__":
    penstock_test.main()
