"""Sweeps: a scenario is played again and again, and each time another allocation of the program fails (or another new
thread, descriptor or file write: tests/support/preload/failing.c). Whatever fails, the program may refuse, but it must
not crash, hang or lie: each acknowledged job has exactly one verdict, what is `done` has the very URL that was
submitted and the very records that its origin gave, and the next client is served as if nothing had been.

One daemon lives through all the runs of a sweep; it is started anew when one of them ended it.

PENSTOCK_SWEEP=few plays fewer of a sample, for tests/run. By hand: PENSTOCK_SWEEP_AT=N plays run N of each sweep alone and tells on standard error where its calls failed."""
import json
import mmap
import os
import signal
import struct
import subprocess
import time
import unittest

import penstock_test

MEMORY, THREADS, DESCRIPTORS, WRITES = 1, 2, 4, 8
PATIENT = penstock_test.DEADLINE  # seconds until a run counts as one that hangs
FAULTS = 20  # with so many a sweep is broken off
FEW = os.environ.get("PENSTOCK_SWEEP") == "few"
AT = int(os.environ.get("PENSTOCK_SWEEP_AT") or 0)


class Hang(Exception):
    """What should have come did not come in time."""


class Wrong(Exception):
    """What came is not right."""


class Refused(Exception):
    """The program said no, or closed the connection: it may."""


class Failing:
    """The file by which the library that fails is armed, and the environment that makes a program obey it."""

    def __init__(self, path, program="penstockd"):
        library = penstock_test.BIN / "test-failing.so"
        if penstock_test.SANITIZED:
            raise unittest.SkipTest("a sanitizer has an allocator of its own")
        path.write_bytes(bytes(48))
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 48)
        self.env = {**os.environ, "LD_PRELOAD": str(library), "TEST_FAILING": str(path), "TEST_FAILING_IN": program}

    def put(self, index, value):
        struct.pack_into("=Q", self.map, 8 * index, value)

    def get(self, index):
        return struct.unpack_from("=Q", self.map, 8 * index)[0]

    def arm(self, first, span=1, kinds=MEMORY):
        """The first-th counted call from now on fails, and the span - 1 after it; first 0: counts and fails nothing."""
        self.put(0, 0)
        self.put(1, first + span - 1)
        self.put(2, kinds)
        self.put(3, 0)
        self.put(4, 0)
        self.put(5, 1 if AT else 0)
        self.put(0, first)

    def disarm(self):
        """Nothing fails any more; how many calls were counted, and how many failed."""
        self.put(0, 0)
        self.put(2, 0)
        return self.get(3), self.get(4)


class Log:
    """What a daemon has written so far, by job, each line looked at once."""

    def __init__(self, path):
        self.file = open(path, "rb")
        self.rest = b""
        self.verdicts, self.records, self.attempts = {}, {}, []

    def read(self):
        """The verdicts that are new."""
        self.rest += self.file.read()
        *lines, self.rest = self.rest.split(b"\n")
        fresh = []
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                raise Wrong(f"a torn line: {line[:300]!r}") from None
            if event["event"] == "record":
                self.records.setdefault((event["job"], event["attempt"]), []).append(event["data"])
            elif event["event"] == "attempt":
                self.attempts.append(event)
            elif event["event"] == "verdict":
                self.verdicts.setdefault(event["job"], []).append(event)
                fresh.append(event)
        return fresh


def members(value, path=""):
    """The paths of all that is in a JSON value; of a list of strings the strings themselves."""
    if isinstance(value, dict):
        return {path}.union(*(members(v, f"{path}.{k}") for k, v in value.items()))
    if isinstance(value, list):
        return {path}.union(*(members(v, f"{path}[]") for v in value))
    return {f"{path}={value}" if path == "[]" else path}


class Run:
    """One play of a scenario: what it may do, and what it was promised."""

    def __init__(self, sweep, number):
        self.sweep, self.number, self.daemon, self.origin = sweep, number, sweep.daemon, sweep.origin
        self.asked = 0
        self.promised, self.afterwards = [], []
        self.patience = PATIENT

    def url(self, path="/request?n=100"):
        """One that nobody had before. The body of /request is the request itself, so its first record tells what was asked for."""
        self.asked += 1
        target = f"{path}&id={self.sweep.plays}x{self.asked}"
        url = self.origin.url(target)
        self.sweep.asked[url] = target
        return url

    def rpc(self):
        rpc = penstock_test.Rpc(self.daemon.socket)
        rpc.socket.settimeout(PATIENT)
        self.sweep.open.append(rpc)
        return rpc

    def call(self, rpc, method, params=None):
        message = rpc.answer(method, params)
        if "error" in message:
            raise Refused(str(message["error"]))
        return message["result"]

    def job(self, **members):
        return {"url": self.url(), "parser": "lines", **members}

    def submit(self, rpc, **members):
        """The id of a job that has been acknowledged."""
        return self.acknowledged(self.call(rpc, "submit", self.job(**members))["id"])

    def acknowledged(self, job):
        self.promised.append(job)
        return job

    def later(self, function):
        """Is called when nothing fails any more, before it is judged what has become of the jobs."""
        self.afterwards.append(function)

    def whole(self, what, answer):
        """An answer has the members that it has with nothing failing, whatever their values."""
        if self.number == 0:
            self.sweep.members.setdefault(what, []).append(members(answer))
        elif not any(members(answer) >= known for known in self.sweep.members[what]):
            lost = self.sweep.members[what][0] - members(answer)
            raise Wrong(f"an answer to {what} is without {sorted(lost)}")

    def ended(self, job):
        """Waits for its verdict in the log."""
        return self.sweep.verdict(job)


class Sweep:
    """The plays of one scenario, a function of a Run. `runs`, `struck` (something failed), `crashes`, `hangs`, `wrong` count; `faults` tells."""

    def __init__(self, test, name, scenario, settings=None, kinds=MEMORY, span=1, origin=None, config=None):
        self.test, self.name, self.scenario, self.kinds, self.span = test, name, scenario, kinds, span
        self.settings = {"fetch.retry_delay": "1ms", "fetch.retry_delay_max": "5ms", "fetch.resume_delay": "1ms",
                         "defaults.max_attempts": "50", "metrics.listen": test.dir / f"metrics.{name}", **(settings or {})}
        self.failing = Failing(test.dir / f"failing.{name}")
        self.origin = origin or test.origin()
        self.config = config
        self.runs = self.struck = self.crashes = self.hangs = self.wrong = self.plays = 0
        self.faults, self.asked, self.open, self.members = [], {}, [], {}
        self.daemon = self.head = None

    def start(self):
        self.daemon = penstock_test.Daemon(self.test, self.settings, self.config, env=self.failing.env)
        self.log = Log(self.daemon.log)
        self.jobs = set()

    def verdict(self, job):
        end = time.monotonic() + PATIENT
        while job not in self.log.verdicts:
            self.look()
            if time.monotonic() > end:
                raise Hang(f"no verdict of job {job}")
            if not self.daemon.alive():
                raise Refused("the daemon ended")
            time.sleep(0.001)
        return self.log.verdicts[job][0]

    def look(self):
        """Judges the verdicts that are new."""
        for verdict in self.log.read():
            job = verdict["job"]
            if len(self.log.verdicts[job]) > 1:
                raise Wrong(f"job {job} has {len(self.log.verdicts[job])} verdicts")
            if verdict.get("url") not in self.asked:
                raise Wrong(f"nobody submitted the URL of {verdict}")
            if verdict["state"] == "failed" and verdict["error"]["kind"] != "resources":
                raise Wrong(f"not {verdict['error']['kind']}: {verdict}")
            if verdict["state"] == "done" and verdict["parser"] == "lines":
                self.judge_records(verdict)

    def judge_records(self, verdict):
        """What the origin was asked for is what the first one was asked for with nothing failing, but for the target."""
        records = self.log.records.get((verdict["job"], verdict["attempt"]), [])
        target = self.asked[verdict["url"]]
        if len(records) != verdict["records"]:
            raise Wrong(f"{len(records)} records in the log: {verdict}")
        if target.startswith("/request?"):
            head = [record["text"].replace(f" {target} ", " TARGET ") for record in records]
            self.head = self.head or head
            if head != self.head or head[0] != "GET TARGET HTTP/1.1":
                raise Wrong(f"for {target} the origin was asked by {head}, not by {self.head}")

    def begin(self, first):
        """From now on calls are counted."""
        self.failing.arm(first, self.span, self.kinds)

    def play(self, first):
        """One run. What it was promised must be kept, and the next client must be served, when nothing fails any more."""
        self.plays += 1
        run = Run(self, first)
        self.begin(first)
        try:
            self.scenario(run)
        except TimeoutError as error:
            raise Hang(f"no answer: {error}") from None
        except (Refused, OSError, AssertionError) as error:
            if first == 0:
                raise AssertionError(f"{self.name} fails with nothing failing: {error}") from error
        finally:
            seen, failed = self.failing.disarm()
            for rpc in self.open:
                rpc.close()
            self.open.clear()
        self.settle(run)
        return seen, failed

    def settle(self, run):
        after = Run(self, 0)
        try:
            for function in run.afterwards:
                try:
                    function()
                except Refused:
                    pass
            job = after.submit(after.rpc())
            for promised in (*run.promised, job):
                verdict = self.verdict(promised)
            if verdict["state"] != "done":
                raise Wrong(f"the next job is not done: {verdict}")
        except TimeoutError as error:
            raise Hang(f"the next client has no answer: {error}") from None
        except (Refused, OSError, AssertionError) as error:
            if self.daemon.alive():
                raise Wrong(f"the next client is refused: {error}") from None
        finally:
            for rpc in self.open:
                rpc.close()
            self.open.clear()

    def fault(self, kind, number, why):
        setattr(self, kind, getattr(self, kind) + 1)
        self.faults.append(f"{self.name} {number}: {kind}: {why}")

    def crashed(self):
        try:
            self.daemon.process.wait(0.05)
        except subprocess.TimeoutExpired:
            return False
        return True

    def run(self, number):
        """Plays it once and counts what comes of it."""
        if not self.daemon or not self.daemon.alive():
            self.start()
        seen = failed = 0
        try:
            seen, failed = self.play(number)
        except (Hang, Wrong) as error:
            if self.daemon.alive():
                self.fault("hangs" if isinstance(error, Hang) else "wrong", number, error)
                self.daemon.kill()
        if not self.daemon.alive() and self.daemon.process.returncode != -9:
            self.fault("crashes", number, f"{self.daemon.process.returncode}: {self.daemon.errors()[-400:]}")
        self.runs += 1
        self.struck += failed > 0
        return seen

    def sweep(self, most=None):
        """Plays it once with nothing failing, then with each counted call failing in turn; at most `most` of them, evenly spread."""
        for _ in range(3):  # the first ones build what stays
            count = self.run(0)
        if self.faults:
            return self
        self.runs = self.struck = 0
        numbers = range(1, count + 1)
        if most and 1 < most < count:
            numbers = sorted({1 + i * (count - 1) // (most - 1) for i in range(most)})
        for number in [AT] if AT else numbers:
            if len(self.faults) < FAULTS:
                self.run(number)
        if AT:
            print(self.daemon.errors())
        if self.daemon.alive():
            self.daemon.signal(signal.SIGTERM)
            try:
                self.daemon.process.wait(PATIENT)
            except subprocess.TimeoutExpired:
                self.fault("hangs", "end", "it does not end")
        if self.daemon in self.test.daemons:
            self.test.daemons.remove(self.daemon)
        return self
