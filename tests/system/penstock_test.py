"""What the system tests share: the daemon, its client, the origin and nginx as programs in a temporary
directory, and waiting for a state instead of for a time.

A test file ends with `penstock_test.main()`, which prints "ok NAME", "skip NAME: why" or "FAIL NAME" for
each case and exits with 77 if every one was skipped.
"""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("PENSTOCK_BIN") or ROOT / "build" / "bin")
SANITIZED = os.environ.get("PENSTOCK_SANITIZED", "")
PATIENCE = 6 if SANITIZED else 1  # slow builds must not fail for slowness
DEADLINE = 120 if SANITIZED else 60  # seconds until a wait is given up: only what hangs meets it, whatever the machine's load
REPORTS = re.compile(r"(ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|LeakSanitizer)")
FINAL = ("done", "failed", "cancelled")
if SANITIZED == "thread":
    os.environ.setdefault("TSAN_OPTIONS", f"suppressions={ROOT}/tests/support/tsan.supp")


def until(condition, what, seconds=DEADLINE):
    """Looks every few milliseconds until condition() is true, and gives its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not so after {seconds:.0f} s")
        time.sleep(0.005)


def lines_of(path):
    """What the whole lines of a log say so far. Its writer may be in the middle of the last one. A line that is not JSON
    fails the test."""
    data = path.read_bytes()
    return list(map(said, data[:data.rfind(b"\n") + 1].split(b"\n")[:-1]))


def said(line):
    try:
        return json.loads(line)
    except ValueError as error:
        raise AssertionError(f"a line that is no JSON: {error}: {line!r}") from None


def cpu_of(pid, thread=None):
    """Seconds of a processor that it has had; one thread of it, if that is named."""
    task = f"task/{thread}/" if thread else ""
    fields = pathlib.Path(f"/proc/{pid}/{task}stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def run(*command, check=None, seconds=DEADLINE, **kwargs):
    """Runs a program to its end, without a terminal; text in and out."""
    kwargs.setdefault("stdin", subprocess.DEVNULL if "input" not in kwargs else None)
    if kwargs["stdin"] is None:
        del kwargs["stdin"]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=seconds, **kwargs)
    if check is not None and done.returncode != check:
        raise AssertionError(f"{command}: exit {done.returncode}, not {check}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done


def gone(pid):
    """Has that process ended, be it waited for or not?"""
    try:
        return " Z " in pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def fds_of(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def threads_of(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def memory_of(pid, *fields):
    """Bytes of /proc/PID/smaps_rollup's fields; its own memory if none are named. (Private_Clean would be
    pages of libraries, which are private or shared as other processes come and go.)"""
    fields = fields or ("Private_Dirty",)
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return 1024 * sum(int(v) for f, v in re.findall(r"^(\w+):\s+(\d+) kB", text, re.M) if f in fields)


class Rpc:
    """A connection to the control socket. Answers and notifications come as dicts."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(DEADLINE)
        self.socket.connect(str(path))
        self.buffer = b""
        self.next_id = 0

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        """Bytes as they are, a string as a line, anything else as JSON on a line."""
        if not isinstance(data, bytes):
            data = (data if isinstance(data, str) else json.dumps(data)).encode() + b"\n"
        self.socket.sendall(data)

    def pass_fd(self, fd, data):
        """A request with a descriptor (SCM_RIGHTS)."""
        socket.send_fds(self.socket, [json.dumps(data).encode() + b"\n"], [fd])

    def line(self):
        """The next line without its newline; None at the end."""
        while b"\n" not in self.buffer:
            data = self.socket.recv(65536)
            if not data:
                return None
            self.buffer += data
        text, self.buffer = self.buffer.split(b"\n", 1)
        return text

    def receive(self):
        text = self.line()
        return None if text is None else json.loads(text)

    def request(self, method, params=None):
        self.next_id += 1
        message = {"jsonrpc": "2.0", "id": self.next_id, "method": method}
        if params is not None:
            message["params"] = params
        self.send(message)
        return self.next_id

    def answer(self, method, params=None):
        """The whole answer, be it a result or an error; notifications in between are left out."""
        wanted = self.request(method, params)
        while True:
            message = self.receive()
            if message is None:
                raise AssertionError(f"{method}: the daemon closed the connection")
            if message.get("id") == wanted:
                return message

    def call(self, method, params=None):
        message = self.answer(method, params)
        if "error" in message:
            raise AssertionError(f"{method}: {message['error']}")
        return message["result"]

    def fail(self, method, params=None):
        """The error's object."""
        message = self.answer(method, params)
        if "error" not in message:
            raise AssertionError(f"{method}: no error but {message}")
        return message["error"]


class Program:
    """A program that runs beside the test, its stderr in a file; ended with the test."""

    def __init__(self, test, command, name, stdout=subprocess.DEVNULL, **kwargs):
        self.test = test
        self.name = name
        self.err = test.dir / f"{name}.err"
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        with open(self.err, "ab") as err:
            self.process = subprocess.Popen([str(c) for c in command], stdout=stdout, stderr=err, **kwargs)
        self.pid = self.process.pid
        test.addCleanup(self.kill)

    def errors(self):
        return self.err.read_text(errors="replace")

    def alive(self):
        return self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def exit_status(self, seconds=DEADLINE):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end within {seconds} s:\n{self.errors()[-3000:]}") from None

    def kill(self):
        if self.alive():
            self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


class Origin(Program):
    """tests/support's origin that misbehaves on purpose: see test-origin --help."""

    count = 0

    def __init__(self, test, *options):
        Origin.count += 1
        super().__init__(test, [BIN / "test-origin", *options], f"origin{Origin.count}", stdout=subprocess.PIPE)
        self.base = self.process.stdout.readline().decode().strip()
        match = re.fullmatch(r"https?://127\.0\.0\.1:(\d+)", self.base)
        if not match:
            raise AssertionError(f"test-origin said {self.base!r}\n{self.errors()}")
        self.port = int(match.group(1))

    def url(self, path):
        return self.base + path

    def get(self, path):
        """What a GET of the path gives, past curl and penstock."""
        with socket.create_connection(("127.0.0.1", self.port), DEADLINE) as s:
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: origin\r\nConnection: close\r\n\r\n".encode())
            data = b""
            while piece := s.recv(65536):
                data += piece
        return data.partition(b"\r\n\r\n")[2]

    def stats(self):
        return json.loads(self.get("/_stats"))

    def counts(self, key):
        """The counters of one path or id; empty if it was never asked for."""
        return self.stats()["keys"].get(key, {})

    def release(self, name):
        self.get(f"/_release?name={name}")


def find_server(name):
    """A server's program and the environment that it needs: the installed one, or one that find_server of
    config/prepare.sh has unpacked from its package."""
    place = ROOT / "build" / "servers" / name
    found = [os.environ.get("PENSTOCK_" + name.upper()), shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin"),
             *(str(p) for p in (place / "usr" / "sbin" / name, place / "usr" / "bin" / name) if p.exists())]
    found = next((p for p in found if p), None)
    if not found:
        raise unittest.SkipTest(f"there is no {name}")
    env = dict(os.environ)
    place = pathlib.Path(found).parents[2]
    if (place / "unpacked").exists():
        env["LD_LIBRARY_PATH"] = ":".join(sorted({str(p.parent) for p in place.rglob("*.so*")}))
    return found, env


def free_ports(count):
    """So many that nobody has now. Somebody may take one before its server does, which is to be asked for others then."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


class Nginx(Program):
    """nginx on a free port of 127.0.0.1, serving a directory; its workers are its own processes."""

    def __init__(self, test, root, extra="", second=None):
        """SECOND in `extra` stands for another port, which is free as well, or is the one that is told."""
        self.binary, env = find_server("nginx")
        place = test.dir / "nginx"
        place.mkdir(exist_ok=True)
        if os.geteuid() == 0:
            os.chmod(test.dir, 0o755)  # the workers are nobody's
        for attempt in range(20):
            self.port, free = free_ports(2)
            self.second = second or free
            config = place / "nginx.conf"
            config.write_text(self.config(place, root, extra.replace("SECOND", str(self.second))))
            super().__init__(test, [self.binary, "-p", place, "-e", place / "error.log", "-c", config], f"nginx{attempt}",
                             env=env)
            with contextlib.suppress(AssertionError):
                until(lambda: self.answers() or not self.alive(), "nginx listens")
                if self.alive():
                    return
        raise AssertionError("nginx does not start:\n" + self.errors())

    def config(self, place, root, extra):
        temps = "\n".join(f"    {kind}_temp_path {place}/{kind};" for kind in
                          ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = "user nobody nogroup;\n" if os.geteuid() == 0 else ""
        return f"""{user}daemon off;
worker_processes 1;
pid {place}/pid;
error_log {place}/error.log;
events {{ worker_connections 4096; }}
http {{
{temps}
    access_log off;
    default_type application/octet-stream;
    server {{
        listen 127.0.0.1:{self.port};
        root "{root}";
        {extra}
    }}
}}
"""

    def answers(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def url(self, path):
        return f"http://127.0.0.1:{self.port}/{path}"

    def kill(self):
        if self.alive():
            self.process.terminate()  # the master ends its workers
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
        super().kill()


class Daemon(Program):
    """penstockd with a socket and a log of its own. By default loopback is allowed, jobs are in memory,
    and what would be seconds are milliseconds."""

    SETTINGS = {
        "store.engine": "memory",
        "fetch.breaker_failures": "0",
        "policy.allow": "127.0.0.0/8",
        "daemon.drain": "5s",
    }
    count = 0

    def __init__(self, test, settings=None, config=None, stdout=None, wait=True, command=(), **kwargs):
        Daemon.count += 1
        self.socket = test.dir / f"socket{Daemon.count}"
        self.log = test.dir / f"log{Daemon.count}.jsonl"
        # dicts keep the last of a key; None leaves a default setting out.
        self.settings = {**self.SETTINGS, "control.socket": self.socket, "flow.spool_dir": test.dir / "spool", **(settings or {})}
        sets = [a for k, v in self.settings.items() if v is not None for a in ("--set", f"{k}={v}")]
        self.command = [*command, BIN / "penstockd", "--config", config or "/dev/null", *sets]
        self.read_to = 0
        self.seen = []
        if stdout is not None:
            super().__init__(test, self.command, f"penstockd{Daemon.count}", stdout=stdout, **kwargs)
        else:
            with open(self.log, "wb") as out:
                super().__init__(test, self.command, f"penstockd{Daemon.count}", stdout=out, **kwargs)
        test.daemons.append(self)
        if wait:
            until(self.ready, "the daemon answers")

    def ready(self):
        if not self.alive():
            raise AssertionError(f"penstockd ended with {self.process.returncode}:\n{self.errors()[-3000:]}")
        with contextlib.suppress(OSError), self.rpc() as rpc:
            rpc.call("ping")
            return True
        return False

    def rpc(self):
        return Rpc(self.socket)

    def call(self, method, params=None):
        with self.rpc() as rpc:
            return rpc.call(method, params)

    def ctl(self, *arguments, check=None, seconds=DEADLINE, **kwargs):
        return run(BIN / "penstockctl", "--socket", self.socket, *arguments, check=check, seconds=seconds, **kwargs)

    def lines(self):
        """Every whole line of the log so far. A line that is not JSON fails the test."""
        with open(self.log, "rb") as log:
            log.seek(self.read_to)
            data = log.read()
        whole = data[:data.rfind(b"\n") + 1]
        self.read_to += len(whole)
        self.seen += map(said, whole.splitlines())
        return self.seen

    def events(self, event, job=None):
        return [e for e in self.lines() if e["event"] == event and job in (None, e.get("job"))]

    def verdict(self, job, seconds=DEADLINE):
        return until(lambda: self.events("verdict", job), f"a verdict of job {job}", seconds)[0]

    def records(self, job):
        return [e["data"] for e in self.events("record", job)]

    def submit(self, url, **job):
        return self.call("submit", {"url": url, **job})["id"]

    def job(self, url, **job):
        """Submits and gives the verdict's line."""
        return self.verdict(self.submit(url, **job))

    def state(self, job):
        return self.call("show", {"id": job})["state"]

    def stop(self, status=0, seconds=DEADLINE):
        """SIGTERM, the exit status, and no sanitizer's report."""
        if self.alive():
            self.signal(signal.SIGTERM)
        self.test.assertEqual(self.exit_status(seconds), status, self.errors()[-3000:])
        self.check_reports()

    def check_reports(self):
        text = self.errors()
        match = REPORTS.search(text)
        if match:
            raise AssertionError(text[max(0, match.start() - 200):][:6000])


class Case(unittest.TestCase):
    """A test with a directory of its own, removed afterwards; its daemons are stopped and must end well."""

    maxDiff = None

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="penstock-test."))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.daemons = []
        self.addCleanup(self.stop_daemons)

    def stop_daemons(self):
        """Runs before the programs' own clean-up would kill them only when a test failed in the middle."""
        for daemon in self.daemons:
            daemon.check_reports()

    def tearDown(self):
        for daemon in self.daemons:
            if daemon.alive():
                daemon.stop()

    def daemon(self, settings=None, **kwargs):
        return Daemon(self, settings, **kwargs)

    def origin(self, *options):
        return Origin(self, *options)

    def wrote(self, name, text):
        path = self.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def assert_verdict(self, verdict, state, kind=None, verified_by=None):
        self.assertEqual(verdict["state"], state, verdict)
        self.assertEqual((verdict.get("error") or {}).get("kind"), kind, verdict)
        if verified_by is not None:
            self.assertEqual(verdict.get("verified_by"), verified_by, verdict)


def told(error):
    """An exception with the frames of the tests alone."""
    whole = traceback.TracebackException(*error)
    whole.stack = traceback.StackSummary.from_list([f for f in whole.stack if "unittest" not in f.filename])
    return "".join(whole.format())


class Result(unittest.TestResult):
    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()

    def say(self, word, test, why=""):
        name = ".".join(test.id().split(".")[1:])
        took = time.monotonic() - getattr(self, "began", time.monotonic())
        print(f"{word} {name}{why}", f"({took:.2f} s)" if word != "skip" else "", flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.say("ok", test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.say("skip", test, f": {reason}")

    def fault(self, test, error):
        print(told(error), flush=True)
        for daemon in getattr(test, "daemons", []):
            print(f"--- {daemon.name}'s stderr\n{daemon.errors()[-3000:]}", flush=True)
        self.say("FAIL", test)

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self.fault(test, error)

    def addError(self, test, error):
        super().addError(test, error)
        self.fault(test, error)

    def addSubTest(self, test, subtest, error):
        super().addSubTest(test, subtest, error)
        if error:
            print(told(error) + f"FAIL {subtest.id().split('.', 1)[1]}", flush=True)


def main():
    """Runs the cases of the calling file whose names contain one of the arguments; all without."""
    suite = unittest.defaultTestLoader.loadTestsFromName("__main__")
    cases = [c for group in suite for c in group]
    wanted = [c for c in cases if not sys.argv[1:] or any(a in c.id() for a in sys.argv[1:])]
    result = Result()
    for case in wanted:
        case(result)
    if not result.wasSuccessful() or not wanted:
        sys.exit(1)
    sys.exit(77 if len(result.skipped) == len(wanted) else 0)
