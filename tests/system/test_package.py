"""The Debian packages that cpack makes of this build: what is in them, and their life in a booted machine."""
import atexit
import os
import pathlib
import re
import shutil
import tempfile
import unittest

import penstock_test
from machine import Machine
from penstock_test import BIN, until

MADE = {}


def cache():
    """What cmake found."""
    return (BIN.resolve().parent / "CMakeCache.txt").read_text()


def units():
    """Where Debian keeps units; from systemd 255 on in /usr."""
    systemd = re.search(r"(?m)^SYSTEMD_VERSION:INTERNAL=(\d+)", cache())[1]
    return "/usr/lib/systemd/system" if int(systemd) >= 255 else "/lib/systemd/system"


def packages():
    """Makes them, once: by name."""
    if MADE:
        return MADE
    if not re.search(r"(?m)^CMAKE_INSTALL_PREFIX:PATH=/usr$", cache()):
        raise unittest.SkipTest("the build's prefix is not /usr (cmake -DCMAKE_INSTALL_PREFIX=/usr)")
    where = pathlib.Path(tempfile.mkdtemp(prefix="penstock-packages."))
    atexit.register(shutil.rmtree, where, ignore_errors=True)
    penstock_test.run("cpack", "--config", BIN.resolve().parent / "CPackConfig.cmake", "-B", where, check=0, seconds=10 * penstock_test.DEADLINE,
                      cwd=BIN.resolve().parent)
    MADE.update({file.name.split("_")[0]: file for file in where.glob("*.deb")})
    return MADE


class Install(penstock_test.Case):
    def install(self, *args):
        """Into self.dir, as if that were /."""
        penstock_test.run("cmake", "--install", BIN.resolve().parent, "--component", "penstock", *args, check=0,
                          env={**os.environ, "DESTDIR": str(self.dir)})

    def test_config_is_where_the_daemon_looks(self):
        told = re.search(r"else (/\S+/penstock)/penstockd\.conf", penstock_test.run(BIN / "penstockd", "--help").stdout)[1]
        self.assertEqual(told, "/etc/penstock")
        self.install()
        etc = pathlib.Path(f"{self.dir}{told}")
        self.assertTrue((etc / "penstockd.conf.d" / "10-log.conf").exists())
        self.assertEqual((etc / "credentials").stat().st_mode & 0o777, 0o700)

    def test_what_was_edited_stays(self):
        for _ in range(2):
            self.install("--prefix", "/prefix")
            config = self.dir / "prefix" / "etc" / "penstock" / "penstockd.conf"
            with config.open("a") as file:
                file.write("# mine\n")
        self.assertEqual(config.read_text().count("# mine\n"), 2)


class Content(penstock_test.Case):
    def files(self, name):
        out = penstock_test.run("dpkg-deb", "-c", packages()[name], check=0).stdout
        return {line.split()[5].removeprefix("."): line.split()[0] for line in out.splitlines() if not line.startswith("d")}

    def field(self, name, field):
        return penstock_test.run("dpkg-deb", "-f", packages()[name], field, check=0).stdout.strip()

    def test_lintian_finds_no_error(self):
        done = penstock_test.run("lintian", "--allow-root", "--fail-on", "none", *packages().values(), seconds=600)
        self.assertEqual([line for line in done.stdout.splitlines() if line.startswith("E:")], [], done.stderr)

    def test_what_is_where(self):
        self.assertEqual(sorted(packages()),
                         ["libpenstock0", "penstock", "penstock-dev", "penstock-postgresql", "python3-penstock"])
        files = self.files("penstock")
        for path in ("/usr/sbin/penstockd", "/usr/bin/penstockctl", "/usr/libexec/penstock/penstock-host",
                     *(f"{units()}/penstockd.{kind}" for kind in ("service", "socket")), "/usr/lib/sysusers.d/penstock.conf",
                     "/etc/apparmor.d/usr.sbin.penstockd",
                     "/usr/share/bash-completion/completions/penstockctl", "/usr/share/zsh/vendor-completions/_penstockctl",
                     *(f"/usr/share/man/man{page[-1]}/{page}.gz" for page in
                       ("penstockctl.1", "penstockd.conf.5", "penstock.7", "penstock-fleet.7", "penstock-formats.7", "penstock-operations.7",
                        "penstock-protocol.7", "penstockd.8"))):
            self.assertIn(path, files)
        self.assertIn("/usr/lib/python3/dist-packages/penstock/__init__.py", self.files("python3-penstock"))
        self.assertFalse([path for path in self.files("python3-penstock") if "__pycache__" in path])
        dev = self.files("penstock-dev")
        self.assertIn("/usr/include/penstock/parser.h", dev)
        self.assertIn("/usr/include/penstock/client.h", dev)
        self.assertTrue([path for path in dev if path.endswith("/libpenstock.so")])
        self.assertTrue([path for path in self.files("penstock-postgresql")
                         if path.endswith("/penstock/modules/penstock-postgresql.so")])
        self.assertTrue([path for path in self.files("libpenstock0") if path.endswith("/libpenstock.so.0")])
        self.assertIn("/usr/share/man/man3/penstock-parser.3.gz", dev)
        self.assertIn("/usr/share/man/man3/libpenstock.3.gz", dev)
        self.assertTrue([path for path in dev if path.endswith("/pkgconfig/penstock.pc")])
        self.assertTrue([path for path in dev if path.endswith("/cmake/penstock/penstock-config.cmake")])
        self.assertEqual(set(files) & set(dev), set())

    def test_files_of_the_administrator(self):
        """All of /etc, so that an upgrade keeps what was changed there."""
        conffiles = penstock_test.run("dpkg-deb", "-I", packages()["penstock"], "conffiles", check=0).stdout.split()
        self.assertEqual(sorted(conffiles), sorted(path for path in self.files("penstock") if path.startswith("/etc/")))
        self.assertIn("/etc/penstock/penstockd.conf", conffiles)
        self.assertIn("/etc/logrotate.d/penstock", conffiles)

    def test_dependencies(self):
        for library in ("libcurl4", "libuv1", "libsqlite3-0", "libncursesw6", "libsystemd0"):
            self.assertIn(library, self.field("penstock", "Depends"))
        self.assertNotIn("libpq5", self.field("penstock", "Depends"))
        self.assertIn("libpq5", self.field("penstock-postgresql", "Depends"))


class Life(penstock_test.Case):
    """Install, use, upgrade with a running job, remove, purge: one machine, in this order."""

    def sh(self, line, check=0):
        return self.machine.run("sh", "-c", line, check=check, seconds=10 * penstock_test.DEADLINE).stdout.strip()

    def state(self, unit):
        return self.machine.run("systemctl", "is-active", unit).stdout.strip()

    def newer(self):
        """The same package, of the next version."""
        place = self.machine.share / "newer"
        penstock_test.run("dpkg-deb", "-R", packages()["penstock"], place, check=0)
        control = place / "DEBIAN" / "control"
        control.write_text(re.sub(r"(?m)^(Version: .*)$", r"\g<1>+1", control.read_text()))
        penstock_test.run("dpkg-deb", "--root-owner-group", "-b", place, self.machine.share / "newer.deb", check=0)
        return self.machine.share / "newer.deb"

    def origin(self):
        said = self.machine.share / "origin"
        self.machine.run("systemd-run", "--unit=origin", "-p", f"StandardOutput=file:{said}", BIN.resolve() / "test-origin", check=0)
        until(lambda: said.exists() and said.read_text().endswith("\n"), "the origin listens")
        return said.read_text().strip()

    def test_life(self):
        first = packages()["penstock"]
        with Machine(self.dir) as self.machine:
            shutil.copy(first, self.machine.share / "first.deb")
            self.installed(self.machine.share / "first.deb")
            base = self.origin()
            self.upgraded(base)
            self.removed()

    def installed(self, deb):
        self.sh("rm -rf /etc/penstock /var/lib/penstock /var/log/penstock /usr/sbin/policy-rc.d")  # a container's starts nothing
        self.sh(f"dpkg -i {deb}")
        for unit in ("penstockd.socket", "penstockd.service"):
            self.assertEqual(self.state(unit), "active", unit)
            self.assertEqual(self.sh(f"systemctl is-enabled {unit}"), "enabled")
        self.assertIn("answers at /run/penstock/control.sock", self.sh("penstockctl ping"))
        self.assertEqual(self.sh("stat -c '%U %G %a' /var/lib/penstock"), "penstock penstock 750")
        self.assertEqual(self.sh("systemctl show -P MainPID penstockd | xargs -I{} stat -c %U /proc/{}"), "penstock")

    def upgraded(self, base):
        """A job that runs goes on with the new daemon, what the administrator wrote stays, and no client is refused."""
        self.machine.write("/etc/penstock/penstockd.conf.d/own.conf",
                           "[policy]\nallow = 127.0.0.0/8\n[daemon]\ndrain = 100ms\n[fetch]\nbreaker_failures = 0\n")
        self.sh("echo '# mine' >>/etc/penstock/penstockd.conf; systemctl restart penstockd")
        job = self.sh(f"penstockctl submit '{base}/lines?n=100&hold=upgrade' --parser lines --first-byte-timeout 1h --stall-timeout 1h")
        until(lambda: '"running"' in self.sh(f"penstockctl --json show {job}"), "it runs")
        before = self.sh("systemctl show -P MainPID penstockd")
        socket = self.sh("stat -c %i /run/penstock/control.sock")
        self.sh(f"dpkg -i --force-confold {self.newer()}")
        self.assertNotEqual(self.sh("systemctl show -P MainPID penstockd"), before)
        self.assertEqual(self.sh("stat -c %i /run/penstock/control.sock"), socket)
        self.assertIn("# mine", self.machine.read("/etc/penstock/penstockd.conf"))
        until(lambda: "attempt 2 is running" in self.sh(f"penstockctl explain {job}"), "it runs again")
        self.sh(f"curl -s '{base}/_release?name=upgrade'")
        self.assertIn("100 records", self.sh(f"penstockctl wait {job}"))
        self.sh("systemctl disable --now penstockd.service penstockd.socket")
        self.sh(f"dpkg -i --force-confold {self.machine.share / 'first.deb'}")  # as dpkg sees it, another upgrade
        self.assertEqual([self.state(unit) for unit in ("penstockd.socket", "penstockd.service")], ["inactive"] * 2)
        self.assertEqual(self.machine.run("systemctl", "is-enabled", "penstockd.service").stdout.strip(), "disabled")
        self.sh("systemctl enable --now penstockd.socket penstockd.service")

    def removed(self):
        self.sh("dpkg -r penstock")
        self.assertEqual(self.state("penstockd.service"), "inactive")
        self.sh("test -e /var/lib/penstock/penstock.db && test -e /etc/penstock/penstockd.conf")
        self.sh("dpkg -P penstock")
        left = self.sh("find /etc /usr /var /run -xdev -name '*penstock*' | grep -v -e ^/var/tmp/ -e penstock-test -e penstock-agent || true")
        self.assertEqual(left, "")
        self.assertNotEqual(self.machine.run("dpkg", "-s", "penstock").returncode, 0)


if __name__ == "__main__":
    penstock_test.main()
