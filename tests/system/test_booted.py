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
        self.drop_in("test", "RestartSec=100ms", "WatchdogSec=8s")
        self.run("systemctl", "restart", UNIT, check=0)
        job = self.submit("/bytes?n=100&hold=status")
        until(lambda: "1 running, 0 waiting" in self.show("StatusText"), "the status tells of a running job")
        self.ctl("cancel", str(job), check=0)
        until(lambda: "0 running, 0 waiting; 0 done, 0 failed, 1 cancelled" in self.show("StatusText"), "and of its end")

    def test_watchdog_kills_a_stopped_daemon(self):
        self.drop_in("test", "RestartSec=100ms", "WatchdogSec=5s")
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


class Journal(Service):
    def life(self):
        """What the daemon of this test has said; ids begin anew with each test."""
        return f"_SYSTEMD_INVOCATION_ID={self.show('InvocationID')}"

    def fields(self, *matches):
        """The entries that match, as the journal has them."""
        text = self.machine.out("journalctl", "-o", "json", "--all", "--no-pager", self.life(), *matches)
        return [json.loads(line) for line in text.splitlines()]

    def test_fields_can_be_asked_for(self):
        done = self.submit("/lines?n=3", "--parser", "lines", "--label", "feed-id=rates")
        entries = until(lambda: self.fields(f"PENSTOCK_JOB={done}", "PENSTOCK_EVENT=verdict"), "the verdict is there")
        entry = entries[-1]
        self.assertRegex(entry["MESSAGE"], rf"^job {done} done: \d+ bytes, 3 records, [\d.]+ s \(http://.*/lines\?n=3\)$")
        line = json.loads(entry["PENSTOCK_JSON"])
        self.assertEqual((line["event"], line["job"], line["state"], line["records"]), ("verdict", done, "done", 3))
        self.assertEqual((entry["PENSTOCK_STATE"], entry["PENSTOCK_ATTEMPT"], entry["PENSTOCK_LABEL_FEED_ID"]), ("done", "1", "rates"))
        self.assertEqual((entry["PRIORITY"], entry["SYSLOG_IDENTIFIER"], entry["_SYSTEMD_UNIT"]), ("6", "penstockd", UNIT))
        said = self.machine.out("journalctl", "-x", "-n", "1", self.life(), f"PENSTOCK_JOB={done}", "PENSTOCK_EVENT=verdict", "--no-pager")
        self.assertIn(f"Subject: Job {done} has ended: done", said)
        # Records went to the file, and there alone.
        records = [json.loads(line) for line in self.machine.read("/var/log/penstock/records.jsonl").splitlines()]
        self.assertEqual([r["data"] for r in records if r["event"] == "record" and r["job"] == done],
                         [{"line": n, "text": f"line {n}"} for n in (1, 2, 3)])
        self.assertEqual(self.fields(f"PENSTOCK_JOB={done}", "PENSTOCK_EVENT=record"), [])

    def test_failure_is_an_error_with_its_kind(self):
        job = self.submit("/bytes?n=10&status=404")
        entry = until(lambda: self.fields(f"PENSTOCK_JOB={job}", "PENSTOCK_EVENT=verdict"), "the verdict is there")[-1]
        self.assertEqual((entry["PRIORITY"], entry["PENSTOCK_STATE"], entry["PENSTOCK_ERROR"]), ("3", "failed", "http_status"))

    def test_a_stalled_journald_stalls_nothing_else(self):
        """While journald takes nothing, the control loop answers, the watchdog is fed, and a job whose lines nobody has
        taken has no verdict; afterwards no line is missing."""
        self.configure(self.CONFIG + '[sink "journal"]\ntype = journal\nevents = record verdict\n')
        self.drop_in("test", "RestartSec=100ms", "WatchdogSec=10s")
        self.ctl("ping", check=0)
        daemon, journald = self.pid(), self.show("MainPID", "systemd-journald.service")
        self.run("kill", "-STOP", journald, check=0)
        try:
            job = self.submit("/lines?n=4000", "--parser", "lines")
            until(lambda: self.stats()["sink_queued"] > 0, "lines wait for journald")
            small = [self.submit("/bytes?n=10") for _ in range(3)]
            for _ in range(2):
                fed = self.show("WatchdogTimestampMonotonic")
                until(lambda: self.show("WatchdogTimestampMonotonic") != fed, "the watchdog is fed")
            self.assertGreater(self.stats()["sink_queued"], 0)
            for one in (job, *small):
                self.assertNotIn(json.loads(self.ctl("--json", "show", str(one), check=0).stdout)["state"], ("done", "failed"))
        finally:
            self.run("kill", "-CONT", journald, check=0)
        for one in (job, *small):
            until(lambda: self.fields(f"PENSTOCK_JOB={one}", "PENSTOCK_EVENT=verdict"), "the verdict comes")
        self.assertEqual(len(self.fields(f"PENSTOCK_JOB={job}", "PENSTOCK_EVENT=record")), 4000)
        self.assertEqual((self.pid(), self.show("NRestarts")), (daemon, "0"))

    def stats(self):
        return json.loads(self.ctl("--json", "stats", check=0).stdout)

    def restart_journald(self, *units):
        """In mid-stream of a job that has no end but a cancel: how many records it had, and the numbers of those that are there."""
        job = self.submit("/lines?endless=1&drip=10,150", "--parser", "lines")
        pid = self.show("MainPID", "systemd-journald.service")
        until(lambda: self.fields(f"PENSTOCK_JOB={job}", "-n", "1"), "lines come")
        self.assertEqual(self.fields(f"PENSTOCK_JOB={job}", "-n", "1")[-1]["PENSTOCK_EVENT"], "record")
        self.run("systemctl", "restart", *units, check=0)
        self.assertNotEqual(self.show("MainPID", "systemd-journald.service"), pid)
        seen = self.running(job)["records"]
        until(lambda: self.running(job)["records"] > seen + 1000, "it goes on")
        self.ctl("cancel", str(job), check=0)
        verdict = until(lambda: self.fields(f"PENSTOCK_JOB={job}", "PENSTOCK_EVENT=verdict"), "the verdict is there")[-1]
        records = [json.loads(e["PENSTOCK_JSON"])["seq"] for e in self.fields(f"PENSTOCK_JOB={job}", "PENSTOCK_EVENT=record")]
        return json.loads(verdict["PENSTOCK_JSON"])["records"], records

    def running(self, job):
        return json.loads(self.ctl("--json", "show", str(job), check=0).stdout)["running"]

    def test_a_journald_that_restarts_loses_nothing(self):
        self.configure(self.CONFIG + '[sink "journal"]\ntype = journal\nevents = record verdict\n')
        count, records = self.restart_journald("systemd-journald.service")
        self.assertEqual(sorted(set(records)), list(range(1, count + 1)))

    def test_a_journal_socket_made_anew_is_found(self):
        """What the old socket held when it was closed is the kernel's to drop; all that comes later arrives."""
        self.configure(self.CONFIG + '[sink "journal"]\ntype = journal\nevents = record verdict\n')
        count, records = self.restart_journald("systemd-journald.socket", "systemd-journald.service")
        missing = set(range(1, count + 1)) - set(records)
        self.assertIn(count, records)
        self.assertLess(len(missing), 1000)
        if missing:  # one gap
            self.assertEqual(len(missing), max(missing) - min(missing) + 1)

    def test_log_is_rotated_between_two_lines(self):
        """While lines flow: each is in exactly one of the files, and whole."""
        log = "/var/log/penstock/records.jsonl"
        job = self.submit("/lines?endless=1&drip=10,4K", "--parser", "lines")
        rule = self.machine.etc.parent / "logrotate.d" / "penstock"
        for _ in range(3):
            until(lambda: self.run("test", "-s", log).returncode == 0, "it is written to")
            self.run("logrotate", "--force", rule, check=0)
        self.ctl("cancel", str(job), check=0)
        until(lambda: f'"verdict","job":{job},' in self.machine.read(log), "the verdict is in the newest")
        text = self.machine.out("sh", "-c", f"zcat {log}.3.gz {log}.2.gz && cat {log}.1 {log}")
        lines = [line for line in map(json.loads, text.splitlines()) if line.get("job") == job]
        records = [line["seq"] for line in lines if line["event"] == "record"]
        self.assertEqual(records, list(range(1, lines[-1]["records"] + 1)))


READER = """import os, socket, sys
for line in sys.stdin: pass
kind, path = sys.argv[1:]
if kind == "socket":
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        print(s.recv(100).decode())
else:
    print(open(path, "w").write("x") if kind == "write" else open(path).read())
"""


class Sandbox(Service):
    """What stages can reach is tried by stages."""

    def setUp(self):
        super().setUp()
        self.machine.write("/usr/local/bin/reader.py", READER)

    def stages(self, **commands):
        self.configure(self.CONFIG + "[defaults]\nmax_attempts = 1\n" + "".join(
            f'[parser "{name}"]\ntype = exec\nstage = {command}\n' for name, command in commands.items()))

    def reads(self, name):
        """The verdict of a job with that stage."""
        job = self.submit("/bytes?n=10", "--parser", name)
        shown = until(lambda: json.loads(self.ctl("--json", "show", str(job), check=0).stdout).get("verdict"), "the verdict")
        return shown if isinstance(shown, dict) else json.loads(shown)

    def test_stages_reach_what_is_granted_and_nothing_else(self):
        server = ("import socket; s = socket.socket(socket.AF_UNIX); s.bind('/run/answers'); s.listen();"
                  "import os; os.chmod('/run/answers', 0o666)\n"
                  "while True: s.accept()[0].sendall(b'hello')")
        self.machine.write("/usr/local/bin/server.py", server)
        self.run("systemctl", "stop", "answers.service")
        self.run("rm", "-f", "/run/answers")
        self.run("systemd-run", "--unit=answers", "/usr/bin/python3", "/usr/local/bin/server.py", check=0)
        until(lambda: self.run("test", "-S", "/run/answers").returncode == 0, "the server listens")
        self.machine.write("/home/etl/granted", "granted")
        self.machine.write("/home/other/hidden", "hidden")
        self.machine.write("/srv/secret", "secret", 0o600)
        read = "/usr/bin/python3 /usr/local/bin/reader.py"
        self.stages(asks=f"{read} socket /run/answers", granted=f"{read} file /home/etl/granted",
                    hidden=f"{read} file /home/other/hidden", secret=f"{read} file /srv/secret",
                    writes=f"{read} write /usr/local/bin/new", missing="/usr/local/bin/nothing", denied="/srv/secret")
        self.drop_in("stages", "ProtectHome=tmpfs", "BindReadOnlyPaths=/home/etl")
        for name in ("asks", "granted"):
            self.assertEqual(self.reads(name)["state"], "done", name)
        for name, path, why in (("hidden", "/home/other/hidden", None), ("secret", "/srv/secret", 13),
                                ("writes", "/usr/local/bin/new", 30), ("missing", "/usr/local/bin/nothing", None),
                                ("denied", "/srv/secret", None)):
            verdict = self.reads(name)
            with self.subTest(name):
                message = verdict["error"]["message"]
                self.assertIn(path, message)
                if name != "hidden":  # its directory is not there at all
                    self.assertEqual(verdict["error"]["kind"], "exec_failed", message)
                    self.assertIn("stages.conf", message)
                if why:
                    self.assertIn(f"errno {why}", message)

    def test_credentials_are_read_by_the_manager(self):
        self.machine.write("/root/secret", "s3cret", 0o600)
        self.drop_in("stages", "LoadCredential=token:/root/secret")
        self.configure(self.CONFIG + '[credential "token"]\ntype = bearer\nhosts = 127.0.0.1\n')
        job = int(self.ctl("submit", self.origin() + "/request", "--parser", "lines", "--credential", "token", check=0).stdout)
        log = "/var/log/penstock/records.jsonl"
        until(lambda: f'"verdict","job":{job},' in self.machine.read(log), "the verdict")
        self.assertIn("Authorization: Bearer s3cret", self.machine.read(log))


class Builtins(Service):
    """The drop-in for a daemon that runs built-in parsers only."""

    def setUp(self):
        super().setUp()
        ready = self.machine.out("sh", "-c", "ls -d /usr/share/penstock /usr/local/share/penstock || true") + "/systemd/builtins-only.conf"
        self.run("cp", ready, f"{DROP_INS}/builtins-only.conf", check=0)
        self.run("systemctl", "daemon-reload", check=0)

    def test_they_run_in_it_and_stages_are_refused(self):
        self.machine.write("/usr/local/bin/stage.sh", "#!/bin/sh\nexec cat\n", 0o755)
        self.configure(self.CONFIG + "[defaults]\nmax_attempts = 1\n"
                       '[parser "cat"]\ntype = exec\nstage = cat\n[parser "own"]\ntype = exec\nstage = /usr/local/bin/stage.sh\n'
                       '[parser "alone"]\ntype = lines\nisolation = process\n')
        for parser, *options in (["count"], ["csv"], ["lines", "--option", "match=^line"], ["alone"]):
            done = self.ctl("submit", self.origin() + "/lines?n=3", "--parser", parser, *options, "--wait")
            self.assertEqual(done.returncode, 0, (parser, done.stdout, done.stderr))
        for parser, path in (("cat", "cat"), ("own", "/usr/local/bin/stage.sh")):
            done = self.ctl("submit", self.origin() + "/lines?n=3", "--parser", parser, "--wait")
            self.assertEqual(done.returncode, 1, (parser, done.stdout, done.stderr))
            self.assertIn(f"exec_failed: {path} cannot be executed: Permission denied", done.stdout)
            self.assertIn("builtins-only.conf", done.stdout)
        self.run("systemctl", "reload", UNIT, check=0)  # penstockctl can be run in it
        self.run("systemctl", "restart", UNIT, check=0)
        self.ctl("ping", check=0)


class Ends(Service):
    COMMIT = ("import os, sys\nsys.stdin.buffer.read()\n"
              "with open('/var/lib/penstock/ends', 'a') as f: f.write(os.environ['PENSTOCK_JOB'] + '\\n')\n")

    def start(self, hold):
        """Jobs in mid-body, with stages that write down an end: their ids."""
        self.machine.write("/usr/local/bin/commit.py", self.COMMIT)
        self.configure(self.CONFIG + "retry_delay = 10ms\n[defaults]\nmax_attempts = 50\n"
                       '[parser "commit"]\ntype = exec\nstage = cat\nstage = /usr/bin/python3 /usr/local/bin/commit.py\n')
        self.run("systemctl", "start", UNIT, check=0)
        return [self.submit(f"/bytes?n=100K&hold_at=1000&hold={hold}", "--parser", "commit") for _ in range(4)]

    def wait_for_stages(self):
        until(lambda: self.run("pgrep", "-c", "-f", "python3 /usr/local/bin/commit.py").stdout.strip() == "4", "all stages run")

    def assert_no_end(self):
        self.assertNotEqual(self.run("test", "-e", "/var/lib/penstock/ends").returncode, 0, "a stage saw an end")

    def kill(self):
        restarts = int(self.show("NRestarts"))
        self.run("systemctl", "kill", "--kill-who=main", "--signal=KILL", UNIT, check=0)
        return restarts + 1

    def test_jobs_survive_and_no_stage_takes_the_kill_for_an_end(self):
        jobs = [*self.start("ends"), self.submit("/bytes?n=100K&hold_at=1000&hold=ends")]
        for _ in range(3):
            self.wait_for_stages()
            restarts = self.kill()
            until(lambda: self.show("NRestarts") == str(restarts), "it is started again")
        self.wait_for_stages()
        self.run("systemctl", "restart", "--no-block", UNIT, check=0)
        pid = self.pid()
        until(lambda: "have up to" in self.told(), "it drains")
        self.run("systemctl", "kill", "--kill-who=main", "--signal=TERM", UNIT, check=0)  # the second: at once
        until(lambda: self.show("ActiveState") == "active" and self.pid() != pid, "it is started again")
        self.assert_no_end()
        release = f"import urllib.request as u; u.urlopen('{self.origin()}/_release?name=ends').read()"
        self.run("python3", "-c", release, check=0)
        for job in jobs:
            until(lambda: json.loads(self.ctl("--json", "show", str(job), check=0).stdout)["state"] == "done", f"job {job} is done")
        self.assertEqual(sorted(self.machine.read("/var/lib/penstock/ends").split()), sorted(str(j) for j in jobs[:4]))

    def test_hosts_that_are_slow_to_notice_are_waited_for(self):
        """As on a machine so busy that hosts do not run: the manager must not kill them before their stages."""
        jobs = self.start("slow")
        self.wait_for_stages()
        self.run("pkill", "-STOP", "-x", "penstock-host", check=0)
        restarts = self.kill()
        until(lambda: self.show("SubState") == "stop-post", "what is left is waited for")
        self.assertGreaterEqual(int(self.run("pgrep", "-c", "-x", "penstock-host").stdout), len(jobs))
        self.assert_no_end()
        self.run("pkill", "-CONT", "-x", "penstock-host", check=0)
        until(lambda: self.show("NRestarts") == str(restarts), "it is started again")
        self.assert_no_end()
        for job in jobs:
            self.ctl("cancel", str(job))


class Access(Service):
    def test_who_is_not_in_the_group_is_told_what_to_do(self):
        self.run("useradd", "visitor")
        done = self.run("penstockctl", "ping", user="visitor")
        self.assertEqual(done.returncode, 3)
        self.assertIn("adduser visitor penstock", done.stderr)
        self.run("usermod", "-aG", "penstock", "visitor", check=0)
        self.run("penstockctl", "ping", user="visitor", check=0)


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
