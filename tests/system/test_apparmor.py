#!/usr/bin/env python3
"""The AppArmor profile: its parser takes it, and it allows all that the daemon and its stages do in a run that is watched."""
import functools
import os
import pathlib
import re
import shutil
import unittest

import penstock_test
from penstock_test import BIN, until

BUILD = BIN.resolve().parent
PROFILE = BUILD / "systemd" / "usr.sbin.penstockd"
INCLUDES = pathlib.Path("/etc/apparmor.d")
# As tunables/ has them; a process's numbers are not looked at here.
VARIABLES = {"PROC": "/proc", "run": "{/run,/var/run}", "sys": "/sys", "HOME": "/home/*", "etc_ro": "{/etc,/usr/etc}", "etc_rw": "/etc"}
CALL = re.compile(r'^(open|openat|execve|connect|unlinkat?|rename\w*|mkdir(?:at)?|link(?:at)?|truncate)\((.*)\) += (-?\d+)')
PATH = re.compile(r'"((?:[^"\\]|\\.)*)"')


def to_regex(glob):
    """A path of AppArmor's as a regular expression."""
    out, depth, i = "", 0, 0
    while i < len(glob):
        c = glob[i]
        if glob.startswith("**", i):
            out, i = out + ".*", i + 1
        elif c in "*?":
            out += "[^/]" + c.replace("?", "")
        elif c in "{}":
            depth += 1 if c == "{" else -1
            out += "(?:" if c == "{" else ")"
        elif c == "," and depth:
            out += "|"
        elif c == "[":
            end = glob.index("]", i)
            out, i = out + glob[i:end + 1], end
        else:
            out += re.escape(c)
        i += 1
    return re.compile(out)


@functools.cache
def rules(file):
    """[(regex, letters)] of a profile and what it includes."""
    found = []
    for line in file.read_text().splitlines():
        line = line.split("#")[0].strip() if not line.startswith("#include") else line[1:]
        include = re.match(r"include (?:if exists )?<(.*)>", line)
        if include:
            place = INCLUDES / include[1]
            for part in sorted(place.iterdir()) if place.is_dir() else [place] if place.exists() else []:
                found += rules(part)
            continue
        rule = re.match(r"(?:owner )?([/@]\S*) +([a-zA-Z]+),$", line)
        if rule:
            path = re.sub(r"@\{(\w+)\}", lambda name: VARIABLES.get(name[1], "*"), rule[1])
            found.append((to_regex(path.replace("//", "/")), rule[2]))
    return found


def may(path, letter):
    return any(letter in letters and regex.fullmatch(path) for regex, letters in rules(PROFILE))


def wanted(call, args, result):
    """[(path, letter)] that a system call needs."""
    paths = [path for path in PATH.findall(args)]
    if call == "connect":
        return [(path, "w") for path in paths if "sun_path=\"" in args and path.startswith("/")]
    if call == "execve":
        return [(paths[0], "x")]
    if call in ("open", "openat"):
        letters = ("w" if re.search(r"O_WRONLY|O_RDWR|O_CREAT", args) else "") + ("" if "O_WRONLY" in args or "O_PATH" in args else "r")
        return [(paths[0], letter) for letter in letters]
    return [(path, "w") for path in paths]


class AppArmor(penstock_test.Case):
    def setUp(self):
        super().setUp()
        if not PROFILE.exists():
            raise unittest.SkipTest("the build's prefix is not /usr (cmake -DCMAKE_INSTALL_PREFIX=/usr)")

    def needs(self, program):
        if not shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            raise unittest.SkipTest(f"{program} is not installed")

    def test_the_parser_takes_it(self):
        self.needs("apparmor_parser")
        path = os.environ["PATH"] + ":/usr/sbin:/sbin"
        env = {**os.environ, "PATH": path}
        penstock_test.run("apparmor_parser", "--skip-kernel-load", "--skip-cache", PROFILE, check=0, env=env)
        names = penstock_test.run("apparmor_parser", "--names", PROFILE, check=0, env=env).stdout
        self.assertEqual(names.split(), ["penstockd"])
        broken = self.wrote("broken", PROFILE.read_text().replace("network netlink raw,", "network of all,"))
        self.assertNotEqual(penstock_test.run("apparmor_parser", "--skip-kernel-load", "--skip-cache", broken, env=env).returncode, 0)

    def test_what_it_closes(self):
        for path, letter in (("/root/.ssh/id_rsa", "r"), ("/home/me/notes", "r"), ("/boot/vmlinuz", "r"), ("/etc/passwd", "w"), ("/usr/bin/ls", "w"),
                             ("/srv/feed", "w"), ("/dev/sda", "r"), ("/dev/mem", "r"), ("/tmp/program", "x"), ("/var/lib/penstock/program", "x"),
                             ("/run/dbus/system_bus_socket", "w"), ("/run/docker.sock", "w"), ("/proc/sys/kernel/core_pattern", "w")):
            self.assertFalse(may(path, letter), (path, letter))

    def as_installed(self, path):
        """Where this would be once the package is installed, and systemd had started it."""
        known = {BUILD / "bin" / "penstockd": "/usr/sbin/penstockd", BUILD / "bin" / "penstock-host": "/usr/libexec/penstock/penstock-host"}
        if pathlib.Path(path) in known:
            return known[pathlib.Path(path)]
        for place in BUILD, penstock_test.ROOT:
            if path.startswith(f"{place}/"):
                return f"/usr/lib/x86_64-linux-gnu/penstock/{path.removeprefix(str(place) + '/')}"
        return path.replace(str(self.dir), "/var/lib/penstock", 1) if path.startswith(str(self.dir)) else path

    def traces(self):
        return [file.read_text(errors="replace") for file in self.dir.glob("trace.*")]

    def refused(self):
        """What the calls of the traces want and would not get."""
        missing, seen = set(), 0
        for line in "".join(self.traces()).splitlines():
            call = CALL.match(line)
            if not call or int(call[3]) < 0 and "EINPROGRESS" not in line:
                continue
            for path, letter in wanted(*call.groups()):
                if not path.startswith("/") or re.fullmatch(r"/proc/self/fd/\d+", path):
                    continue  # the file behind a descriptor has been looked at by its own name
                if letter == "r" and os.path.isdir(path):
                    path = path.rstrip("/") + "/"  # as AppArmor names directories
                seen += 1
                path = self.as_installed(path)
                if not may(path, letter):
                    missing.add((path, letter))
        self.assertGreater(seen, 150)
        return missing

    def test_it_allows_what_is_done(self):
        self.needs("strace")
        web = self.origin()
        calls = "trace=open,openat,execve,connect,unlink,unlinkat,rename,renameat,renameat2,mkdir,mkdirat,link,linkat,truncate"
        config = self.wrote("penstockd.conf", f"[parser \"stages\"]\ntype = exec\nstage = sh -c 'sort | uniq -c'\nstage = python3 -c 'import sys; print(len(sys.stdin.read()))'\n"
                            f"[sink \"out\"]\ntype = stdout\n[sink \"file\"]\ntype = file\npath = {self.dir}/records.jsonl\n")
        (self.dir / "state").mkdir()
        settings = {"store.engine": "sqlite", "store.path": self.dir / "state" / "jobs.db"}
        daemon = self.daemon(settings, config=config, command=("strace", "-D", "-ff", "-s", "300", "-e", calls, "-o", self.dir / "trace"))
        self.assert_verdict(daemon.job(web.url("/lines?n=1000"), parser="lines"), "done")
        self.assert_verdict(daemon.job(web.url("/lines?n=1000"), parser="stages"), "done")
        self.assert_verdict(daemon.job(web.url("/lines?n=1000"), parser="lines", deliver="commit", keep_records="yes"), "done")
        self.assert_verdict(daemon.job(web.url("/lines?n=1000"), parser="xml", keep_body="failed"), "failed", "parser_failed")
        daemon.job("http://localhost:1/", parser="count", max_attempts=1)
        daemon.ctl("schedule", "add", "s", web.url("/lines?n=3"), "--cron", "@hourly", "--timezone", "Europe/Berlin", check=0)
        daemon.ctl("stats", check=0)
        daemon.stop()
        until(lambda: all(text.endswith("+++\n") for text in self.traces()), "strace to have written all")
        self.assertEqual(self.refused(), set())


if __name__ == "__main__":
    penstock_test.main()
