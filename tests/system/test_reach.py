"""How the client finds its daemon, and what it says of one that does not answer."""
import os
import pathlib
import pty
import random
import shutil
import socket
import subprocess
import unittest

import penstock_test
from penstock_test import BIN, until
from test_top import Terminal

CTL = BIN / "penstockctl"


class Silent(penstock_test.Case):
    def test_a_daemon_that_cannot_start(self):
        """Its socket is there (systemd holds it), and takes connections that nobody answers."""
        path = self.dir / "silent"
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(str(path))
        listener.listen(16)
        for command in (["list"], ["wait", "1"]):
            client = penstock_test.Program(self, [CTL, "--socket", path, *command], command[0])
            told = until(lambda: client.errors().endswith("\n") and client.errors(), "it is told")
            self.assertIn(f"{path}: the daemon has not answered for 2 s", told)
            self.assertIn("its standard error tells", told)
            client.kill()
            done = penstock_test.run(CTL, "--socket", path, *command, "--timeout", "100ms", check=3)
            self.assertIn("has not answered within --timeout", done.stderr.splitlines()[-1])

    def test_a_daemon_that_waits_for_a_job_is_not_silent(self):
        daemon = self.daemon()
        job = daemon.submit(self.origin().url("/silence"))
        done = daemon.ctl("wait", job, "--timeout", "2500ms", check=3)
        self.assertEqual(done.stderr, f"penstockctl: job {job} has not ended within --timeout, and goes on\n")
        daemon.ctl("cancel", job, check=0)

    def test_timeout_is_a_time(self):
        done = self.daemon().ctl("ping", "--timeout", "5m", check=2)
        self.assertIn("--timeout: '5m' is not a duration; did you mean 5min?", done.stderr)


@unittest.skipUnless(os.geteuid() == 0, "only root can be somebody else")
class OwnPlace(penstock_test.Case):
    """Somebody without XDG_RUNTIME_DIR: in a container, under cron, after su."""

    def setUp(self):
        super().setUp()
        self.uid = random.randrange(100000, 2000000000)
        self.place = pathlib.Path(f"/tmp/penstock-{self.uid}")
        self.addCleanup(shutil.rmtree, self.place, ignore_errors=True)
        os.chmod(self.dir, 0o777)
        self.env = {"PATH": os.environ["PATH"], "HOME": str(self.dir)}

    def somebody(self, *command):
        return ["setpriv", "--reuid", str(self.uid), "--regid", str(self.uid), "--clear-groups", *map(str, command)]

    def ctl(self, *arguments, check=0, **env):
        return penstock_test.run(*self.somebody(CTL, *arguments), check=check, env={**self.env, **env})

    def start(self):
        return penstock_test.Program(self, self.somebody(BIN / "penstockd", "--config", "/dev/null", "--set",
                                                         "store.engine=memory"), "penstockd", env=self.env)

    def test_daemon_and_client_agree(self):
        daemon = self.start()
        until(lambda: "answers" in self.ctl("ping", check=None).stdout or not daemon.alive(), "it answers")
        self.assertIn(f"answers at {self.place}/control.sock", self.ctl("ping").stdout)
        self.assertEqual(self.place.stat().st_mode & 0o777, 0o700)
        # A session's own directory comes first, and does not hide it. All that were looked at are named.
        self.assertIn(f"answers at {self.place}/control.sock", self.ctl("ping", XDG_RUNTIME_DIR=str(self.dir)).stdout)
        os.chmod(self.place, 0o770)
        self.assertIn(f"{self.place} is open to others (mode 0770): chmod 700", self.ctl("ping", check=3).stderr)
        os.chmod(self.place, 0o700)
        daemon.signal(15)
        self.assertEqual(daemon.exit_status(), 0, daemon.errors())
        told = self.ctl("ping", check=3, XDG_RUNTIME_DIR=str(self.dir)).stderr
        for path in (self.dir / "penstock/control.sock", self.place / "control.sock", "/run/penstock/control.sock"):
            self.assertIn(str(path), told)

    def test_a_place_of_somebody_else(self):
        self.place.mkdir()
        daemon = self.start()
        self.assertNotEqual(daemon.exit_status(), 0)
        self.assertIn(f"{self.place} belongs to another user (uid 0)", daemon.errors())
        self.assertIn("belongs to another user", self.ctl("ping", check=3).stderr)
        self.place.rmdir()
        self.place.symlink_to(self.dir)
        daemon = self.start()
        self.assertNotEqual(daemon.exit_status(), 0)
        self.assertIn(f"{self.place} is no directory", daemon.errors())
        self.place.unlink()


class WayOn(penstock_test.Case):
    """Every failure on a terminal ends with the way on."""

    def on_terminal(self, *command):
        """What is written to a terminal."""
        leader, follower = pty.openpty()
        process = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=follower, stderr=follower,
                                   env={**os.environ, "TERM": "dumb"})
        os.close(follower)
        text = b""
        try:
            while piece := os.read(leader, 65536):
                text += piece
        except OSError:  # the terminal has gone with the last who had it
            pass
        os.close(leader)
        process.wait(penstock_test.DEADLINE)
        return text.decode()

    def test_each_command(self):
        daemon = self.daemon({"defaults.max_attempts": "1"})
        url = self.origin().url("/bytes?n=9&status=404")
        ctl = [CTL, "--socket", daemon.socket]
        for number, command in enumerate((["submit", url, "--wait"], ["submit", url, "--follow", "--data"],
                                          ["run", url, "--", "cat"]), 1):
            with self.subTest(command=command[0]):
                self.assertIn(f"(penstockctl explain {number})", self.on_terminal(*ctl, *command))
        self.assertIn("(penstockctl explain 1)", self.on_terminal(*ctl, "wait", "1"))
        self.assertNotIn("explain", daemon.ctl("wait", "1", check=1).stdout)

    def test_a_host_that_is_broken(self):
        """Whoever waits at a terminal is told why, and for how long."""
        daemon = self.daemon({"fetch.breaker_failures": "1", "fetch.breaker_cooldown": "1h", "fetch.retry_delay": "1ms"})
        url = "http://127.0.0.1:9/"  # where nobody listens
        daemon.job(url, max_attempts=1)
        job = daemon.submit(url)
        until(lambda: daemon.call("show", {"id": job}).get("host_retry_in"), "the host rests")
        self.assertRegex(daemon.ctl("explain", job, check=0).stdout, r"waits for: host, which is broken and tried again in \d+ s")
        for command in (f"wait {job}", f"run {url} -- cat"):
            with self.subTest(command=command):
                terminal = Terminal(self, 100, 10)
                terminal.start(f"clear; {CTL} --socket {daemon.socket} {command}")
                terminal.shows(r"host broken, tried again in [\d]+ s")
                terminal.type("C-c")
                terminal.shows(r"interrupted")
                terminal.tmux("kill-server")
        daemon.ctl("cancel", job, check=0)


if __name__ == "__main__":
    penstock_test.main()
