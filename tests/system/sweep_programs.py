"""Sweeps of whole programs, from their start to their end: the daemon that starts, the client with its commands, the host
of a pipeline. A program that had no memory ends with an error's status and a word on standard error, or does all that it
should: what it printed and returned 0 for is what it prints when nothing fails."""
import json
import os
import shutil
import signal
import subprocess
import time

import penstock_test
import sweep
from sweep import PATIENT, Hang, Wrong


class Programs:
    """What the plays of one program come to: the same counts as a Sweep's."""

    def __init__(self, test, name, span=1):
        self.test, self.name, self.span = test, name, span
        self.runs = self.struck = self.crashes = self.hangs = self.wrong = 0
        self.faults = []
        self.whole = 0  # calls with nothing failing, once that was played
        self.origin = test.origin()

    def failing(self, program):
        return sweep.Failing(self.test.dir / f"failing.{self.name}", program)

    def program(self, *command, seconds=PATIENT):
        """Runs it to its end: the status, and what it wrote."""
        try:
            return subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=seconds, env=self.armed.env,
                                  stdin=subprocess.DEVNULL, check=False)
        except subprocess.TimeoutExpired as error:
            raise Hang(f"{command[0]} does not end: {error.stderr or ''}") from None

    def play(self, number):
        self.armed.arm(number, self.span)
        kind, why = None, None
        self.counted = 0  # by those that end before their program does
        try:
            self.once(number)
        except (Hang, Wrong) as error:
            kind, why = ("hangs" if isinstance(error, Hang) else "wrong"), error
        seen, failed = self.armed.disarm()
        seen = self.counted or seen
        if isinstance(why, Wrong) and "signal" in str(why):
            kind = "crashes"
        if kind:
            setattr(self, kind, getattr(self, kind) + 1)
            self.faults.append(f"{self.name} {number}: {kind}: {why}")
        self.runs += 1
        self.struck += failed > 0
        return seen

    def sweep(self, most=None):
        self.whole = count = self.play(0)
        self.runs = self.struck = 0
        numbers = range(1, count + 1) if not self.faults else []
        if most and 1 < most < count:
            numbers = sorted({1 + i * (count - 1) // (most - 1) for i in range(most)})
        for number in [sweep.AT] if sweep.AT else numbers:
            if len(self.faults) < sweep.FAULTS:
                self.play(number)
        return self

    def judge_end(self, number, done):
        """True if all went well; what went wrong was told."""
        if done.returncode < 0:
            raise Wrong(f"ended by signal {-done.returncode}: {done.stderr[-300:]}")
        if done.returncode != 0 and not done.stderr.strip():
            raise Wrong(f"ended with {done.returncode} and no word")
        if number == 0 and done.returncode != 0:
            raise Wrong(f"failed with nothing failing: {done.stderr}")
        return done.returncode == 0


class Start(Programs):
    """The daemon's start; what has started serves."""

    def __init__(self, test, name, engine, **kwargs):
        super().__init__(test, name, **kwargs)
        self.engine = engine
        self.armed = self.failing("penstockd")

    def once(self, number):
        daemon = penstock_test.Daemon(self.test, {"store.engine": self.engine, "store.path": self.test.dir / "start.db"},
                                      wait=False, env=self.armed.env)
        try:
            self.follow(number, daemon)
        finally:
            self.armed.disarm()
            daemon.kill()
            self.test.daemons.clear()

    def warmed(self, end):
        """The threads that download read their certificates beside the rest: until the one call has failed, or none comes any
        more. On a busy machine they may do nothing for a while: most of the calls are waited for, whose number is known."""
        seen, still = -1, 0
        while not self.armed.get(4) and (still < 50 or seen < self.whole * 9 // 10):
            if time.monotonic() > end:
                raise Hang("its start has no end")
            time.sleep(0.002)
            now = self.armed.get(3)
            seen, still = now, still + 1 if now == seen else 0

    def follow(self, number, daemon):
        end = time.monotonic() + PATIENT
        while daemon.alive():
            try:
                if daemon.ready():
                    break
            except AssertionError:
                continue  # it has ended, or closed the connection
            except OSError:
                pass
            if time.monotonic() > end:
                raise Hang(f"neither ready nor ended: {daemon.errors()[-300:]}")
            time.sleep(0.002)
        if not daemon.alive():
            if number == 0:
                raise Wrong(f"does not start with nothing failing: {daemon.errors()}")
            status = daemon.process.returncode
            if status == -signal.SIGABRT and not daemon.errors().strip():
                return  # libuv, whose threads could not be started: nothing was acknowledged, and nobody listened
            if status < 0:
                raise Wrong(f"ended by signal {-status}: {daemon.errors()[-300:]}")
            if status == 0 or not daemon.errors().strip():
                raise Wrong(f"ended with {status} and said {daemon.errors()!r}")
            return
        self.warmed(end)
        self.counted, _ = self.armed.get(3), self.armed.put(0, 0)  # from here on it has memory
        try:
            verdict = daemon.verdict(daemon.submit(self.origin.url("/lines?n=3"), parser="lines"), PATIENT)
        except (OSError, AssertionError) as error:
            raise Wrong(f"it started, and does not serve: {error}; {daemon.errors()[-300:]}") from None
        if verdict["state"] != "done":
            raise Wrong(f"it started, and then: {verdict}")
        daemon.signal(signal.SIGTERM)
        try:
            status = daemon.process.wait(PATIENT)
        except subprocess.TimeoutExpired:
            raise Hang("it does not end") from None
        if status != 0:
            raise Wrong(f"it ended by signal or with an error: {status}, {daemon.errors()[-300:]}")


class Client(Programs):
    """A command of penstockctl; the daemon has all the memory that it wants."""

    def __init__(self, test, name, **kwargs):
        super().__init__(test, name, **kwargs)
        self.daemon = penstock_test.Daemon(test)
        self.armed = self.failing("penstockctl")
        self.told = self.daemon.job(self.origin.url("/lines?n=3&id=told"), parser="lines", labels={"a": "b"})
        self.plays = 0
        self.output = None

    def ctl(self, *words):
        return self.program(penstock_test.BIN / "penstockctl", "--socket", self.daemon.socket, *words)

    def once(self, number):
        self.plays += 1
        getattr(self, self.name.removeprefix("ctl-"))(number)

    def same(self, number, *words):
        """It prints what it prints with nothing failing, or says that it could not."""
        done = self.ctl(*words)
        if number == 0:
            self.output = done.stdout
        if self.judge_end(number, done) and done.stdout != self.output:
            raise Wrong(f"{words} printed {done.stdout!r}, not {self.output!r}")

    def list(self, number):
        self.same(number, "list", "--json", "--label", "a=b")

    def show(self, number):
        self.same(number, "show", "--json", self.told["job"])

    def wait(self, number):
        self.same(number, "wait", self.told["job"])

    def submit(self, number):
        url = self.origin.url(f"/request?n=100&id=ctl{self.plays}")
        done = self.ctl("submit", url, "--parser", "lines", "--label", f"play={self.plays}")
        if self.judge_end(number, done):
            verdict = self.daemon.verdict(int(done.stdout), PATIENT)
            if (verdict["url"], verdict["labels"]) != (url, {"play": str(self.plays)}):
                raise Wrong(f"{url} was submitted as {verdict}")
            first = self.daemon.records(verdict["job"])[0]["text"]
            if first != f"GET {url.removeprefix(self.origin.base)} HTTP/1.1":
                raise Wrong(f"for {url} the origin was asked {first}")

    def submit_wait(self, number):
        url = self.origin.url(f"/lines?n=3&id=ctl{self.plays}")
        done = self.ctl("submit", "--wait", "--json", url, "--parser", "lines")
        if self.judge_end(number, done):
            verdict = json.loads(done.stdout.splitlines()[-1])
            if (verdict.get("state"), verdict.get("url")) != ("done", url):
                raise Wrong(f"{url} was told as {verdict}")

    def run(self, number):
        done = self.ctl("run", self.origin.url("/lines?n=2000"), "--", "cat")
        if self.judge_end(number, done) and done.stdout != "".join(f"line {n + 1}\n" for n in range(2000)):
            raise Wrong(f"the command read {len(done.stdout)} bytes")

    def apply(self, number):
        path = self.test.dir / "schedules.json"
        path.write_text(json.dumps({"name": "s", "url": self.origin.url(f"/lines?n=3&id={self.plays}"), "every": "7d"}))
        done = self.ctl("schedule", "apply", path)
        if self.judge_end(number, done):
            stored = self.daemon.call("schedule_list")["schedules"]
            if [one["url"] for one in stored] != [self.origin.url(f"/lines?n=3&id={self.plays}")]:
                raise Wrong(f"what was applied is {stored}")


class Host(Programs):
    """penstock-host, of a pipeline, started by a daemon that has all the memory that it wants."""

    def __init__(self, test, name, **kwargs):
        super().__init__(test, name, **kwargs)
        self.armed = self.failing("penstock-host")
        place = test.dir / "host"
        place.mkdir()
        shutil.copy(penstock_test.BIN / "penstockd", place)
        text = "#!/bin/sh\n" + "".join(f"export {name}='{self.armed.env[name]}'\n" for name in ("LD_PRELOAD", "TEST_FAILING", "TEST_FAILING_IN"))
        wrapper = place / "penstock-host"
        wrapper.write_text(text + f'exec {penstock_test.BIN}/penstock-host "$@"\n')
        wrapper.chmod(0o755)
        config = test.dir / "host.conf"
        config.write_text('[parser "sorted"]\ntype = exec\nstage = cat\nstage = sort -r\nsandbox = off\n')
        settings = {"fetch.retry_delay": "1ms", "fetch.retry_delay_max": "5ms", "defaults.max_attempts": "2"}
        self.daemon = penstock_test.Daemon(test, settings, config, executable=place / "penstockd")

    def once(self, number):
        verdict = self.daemon.job(self.origin.url("/lines?n=3"), parser="sorted")
        records = [e["data"] for e in self.daemon.events("record", verdict["job"]) if e["attempt"] == verdict["attempt"]]
        if verdict["state"] == "done" and records != ["line 3", "line 2", "line 1"]:
            raise Wrong(f"{records}: {verdict}")
        if verdict["state"] != "done" and verdict["error"]["kind"] not in ("resources", "exec_failed"):
            raise Wrong(f"not {verdict['error']}")


COMMANDS = ("list", "show", "wait", "submit", "submit_wait", "run", "apply")
PROGRAMS = {
    "start": lambda test, name, **more: Start(test, name, "memory", **more),
    "start-sqlite": lambda test, name, **more: Start(test, name, "sqlite", **more),
    **{f"ctl-{command}": Client for command in COMMANDS},
    "host": Host,
}
