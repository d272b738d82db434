"""The service under a real systemd: installed into a machine that is booted for it, and run there."""
import atexit
import json
import pathlib
import re
import shutil
import tempfile

import penstock_test
from machine import Machine
from penstock_test import BIN, ROOT, until

UNIT = "penstockd.service"
DROP_INS = f"/run/systemd/system/{UNIT}.d"
SHARED = []  # the machine: one for all tests of this file


def booted():
    if not SHARED:
        directory = tempfile.mkdtemp(prefix="penstock-test.")
        atexit.register(shutil.rmtree, directory, ignore_errors=True)
        machine = Machine(directory).__enter__()
        atexit.register(machine.__exit__)
        machine.install(BIN.resolve().parent)
        SHARED.append(machine)
    return SHARED[0]


class Service(penstock_test.Case):
    """Each test begins with the units as they were installed, the socket listening, and no daemon."""

    CONFIG = "[policy]\nallow = 127.0.0.0/8\n[fetch]\nbreaker_failures = 0\n"

    def setUp(self):
        super().setUp()
        self.machine = booted()
        self.run("systemctl", "stop", "penstockd.socket", UNIT)
        self.run("rm", "-rf", DROP_INS, "/var/lib/penstock", "/var/log/penstock")
        self.configure(self.CONFIG)
        self.drop_in("test", "RestartSec=100ms")
        self.run("systemctl", "reset-failed")
        self.run("systemctl", "start", "penstockd.socket", check=0)

    def run(self, *command, **kwargs):
        if command and isinstance(command[0], str):
            return self.machine.run(*command, **kwargs)
        return super().run(*command, **kwargs)  # unittest's own

    def ctl(self, *arguments, **kwargs):
        return self.run("penstockctl", *arguments, **kwargs)

    def configure(self, text):
        self.machine.write(self.machine.etc / "penstockd.conf.d" / "test.conf", text)

    def drop_in(self, name, *directives):
        self.machine.write(f"{DROP_INS}/{name}.conf", "\n".join(["[Service]", *directives, ""]))
        self.run("systemctl", "daemon-reload", check=0)

    def show(self, name, unit=UNIT):
        return self.machine.out("systemctl", "show", "-P", name, unit)

    def pid(self):
        return int(self.show("MainPID"))

    def told(self):
        """What the unit has said in this start of the test, oldest first."""
        return self.machine.out("journalctl", "-o", "cat", "-u", UNIT, "--no-pager", "-n", "200")

    def origin(self):
        """The test origin, as a service of its own: its base URL."""
        if not hasattr(self.machine, "origin"):
            said = self.machine.share / "origin"
            self.run("systemd-run", "--unit=origin", "-p", f"StandardOutput=file:{said}", BIN.resolve() / "test-origin", check=0)
            until(lambda: said.exists() and said.read_text().endswith("\n"), "the origin listens")
            self.machine.origin = said.read_text().strip()
        return self.machine.origin

    def submit(self, path, *arguments):
        done = self.ctl("submit", self.origin() + path, *arguments, check=0)
        return int(done.stdout)


class Units(Service):
    def test_first_client_starts_it(self):
        self.assertEqual(self.show("ActiveState"), "inactive")
        inode = self.machine.out("stat", "-c", "%i %a %G", "/run/penstock/control.sock")
        self.ctl("ping", check=0)
        self.assertEqual(self.show("ActiveState"), "active")
        self.run("systemctl", "stop", UNIT, check=0)
        self.assertEqual(self.machine.out("stat", "-c", "%i %a %G", "/run/penstock/control.sock"), inode)
        self.assertRegex(inode, "^[0-9]+ 660 penstock$")
        self.ctl("ping", check=0)
        self.assertEqual(self.show("ActiveState"), "active")

    def test_both_are_enabled_and_it_runs_after_a_boot(self):
        self.run("systemctl", "enable", UNIT, check=0)
        for unit in (UNIT, "penstockd.socket"):
            self.assertEqual(self.machine.out("systemctl", "is-enabled", unit), "enabled")

    def test_status_has_the_figures(self):
        self.ctl("ping", check=0)
        self.drop_in("test", "RestartSec=100ms", "WatchdogSec=800ms")
        self.run("systemctl", "restart", UNIT, check=0)
        job = self.submit("/bytes?n=100&hold=status")
        until(lambda: "1 running, 0 waiting" in self.show("StatusText"), "the status tells of a running job")
        self.ctl("cancel", str(job), check=0)
        until(lambda: "0 running, 0 waiting; 0 done, 0 failed, 1 cancelled" in self.show("StatusText"), "and of its end")

    def test_watchdog_kills_a_stopped_daemon(self):
        self.drop_in("test", "RestartSec=100ms", "WatchdogSec=2s")
        self.run("systemctl", "start", UNIT, check=0)
        first = self.show("WatchdogTimestampMonotonic")
        until(lambda: self.show("WatchdogTimestampMonotonic") != first, "the watchdog is fed")
        pid = self.pid()
        self.run("kill", "-STOP", str(pid), check=0)
        until(lambda: self.show("NRestarts") == "1" and self.show("ActiveState") == "active", "it is started again")
        self.assertNotEqual(self.pid(), pid)
        self.assertIn("Watchdog timeout", self.told())
        self.ctl("ping", check=0)

    def test_reload_is_all_or_nothing(self):
        self.run("systemctl", "start", UNIT, check=0)
        pid = self.pid()
        self.configure(self.CONFIG + "[host \"127.0.0.1\"]\nconnections = 1\n")
        self.run("systemctl", "reload", UNIT, check=0)
        self.configure(self.CONFIG + "[host \"127.0.0.1\"]\nconnections = many\n")
        self.assertNotEqual(self.run("systemctl", "reload", UNIT).returncode, 0)
        self.assertRegex(self.told(), r"test\.conf.*connections")
        self.assertEqual((self.show("ActiveState"), self.pid()), ("active", pid))
        self.ctl("ping", check=0)

    def test_verify_finds_nothing(self):
        done = self.run("systemd-analyze", "verify", "--man=no", UNIT, "penstockd.socket", check=0)
        self.assertEqual((done.stdout, done.stderr), ("", ""))


class Security(penstock_test.Case):
    """What `systemd-analyze security` thinks of the unit. Its scores here are times ten."""

    def score(self, *drop_ins):
        """By the real tool, from files alone."""
        build = BIN.resolve().parent
        root = self.dir / "root"
        (root / "penstockd.service.d").mkdir(parents=True)
        shutil.copy(build / "systemd" / UNIT, root)
        unit = (root / UNIT).read_text()
        for drop_in in drop_ins:  # offline it reads no drop-ins: its lines go to the end of [Service]
            lines = (build / "systemd" / drop_in).read_text().split("[Service]\n")[1]
            unit = unit.replace("[Install]", lines + "[Install]")
        (root / UNIT).write_text(unit)
        done = penstock_test.run("systemd-analyze", "security", "--offline=true", "--no-pager", root / UNIT)
        found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
        self.assertTrue(found, done.stdout + done.stderr)
        return float(found.group(1))

    def test_unit_is_closed_as_far_as_stages_allow(self):
        self.assertLessEqual(self.score(), 1.5)

    def test_builtins_alone_need_less(self):
        self.assertLessEqual(self.score("builtins-only.conf"), 1.2)

    def test_what_is_open_has_its_reason(self):
        """Each directive that costs points is named in a comment of the unit."""
        build = BIN.resolve().parent
        done = penstock_test.run("systemd-analyze", "security", "--offline=true", "--no-pager", "--json=short",
                                 build / "systemd" / UNIT)
        reasons = (build / "systemd" / UNIT).read_text().split("# --- what is open")[1]
        for fault in json.loads(done.stdout):
            name = re.sub(r"[=_].*", "", fault["name"] or fault["json_field"])
            if fault["exposure"] and float(fault["exposure"]) > 0 and fault["set"] is False:
                self.assertTrue(re.search(rf"(?m)^# .*\b{name}=", reasons), f"no reason is given for {fault}")


if __name__ == "__main__":
    penstock_test.main()
