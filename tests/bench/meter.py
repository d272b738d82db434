"""What one side of a comparison costs: wall time, CPU time of all of its processes, and peak memory.

CPU is user and system time: of programs that are started from what wait4 tells of them and of the children that
they waited for, of daemons from their process's CPU clock, before and after. Memory is the proportional set size
(PSS) of all of them together, sampled; what lives shorter than a sample is not seen."""
import contextlib
import os
import pathlib
import re
import signal
import subprocess
import threading
import time

SAMPLE = 0.04  # seconds between looks at the memory
LIMIT = 170  # seconds until whatever a side started is killed


class Cost:
    def __init__(self, wall, cpu, memory):
        self.wall, self.cpu, self.memory = wall, cpu, memory

    def times(self, factor):
        """What a part costs, taken for the whole."""
        return Cost(self.wall * factor, self.cpu * factor, self.memory)


def cpu_seconds(pid):
    """User and system time of a process so far, its ended threads included."""
    return time.clock_gettime((~pid << 3) | 2)  # as clock_getcpuclockid(3) makes the clock's id


def pss(pid):
    with contextlib.suppress(OSError):
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        return 1024 * int(re.search(r"^Pss:\s+(\d+)", text, re.M).group(1))
    return 0


def processes_of(sessions):
    for entry in os.listdir("/proc") if sessions else ():
        if entry.isdigit():
            with contextlib.suppress(OSError):
                if os.getsid(int(entry)) in sessions:
                    yield int(entry)


class Meter:
    """One run of one side. `daemons` are pids that lived before and go on."""

    def __init__(self, daemons=()):
        self.daemons, self.sessions = list(daemons), set()
        self.cpu, self.peak = 0.0, 0
        self.ended = threading.Event()

    def run(self, *commands, stdout=subprocess.PIPE):
        """Starts the commands (a list of words, or a line of shell) at once and waits for all. Their output, unless it goes elsewhere."""
        started = []
        try:
            for command in commands:
                words = ["sh", "-c", command] if isinstance(command, str) else [str(w) for w in command]
                started.append(subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=stdout,
                                                start_new_session=True))
                self.sessions.add(started[-1].pid)
            watch = threading.Timer(LIMIT, self.kill)
            watch.start()
            try:
                return [self.reap(process) for process in started]
            finally:
                watch.cancel()
        except BaseException:
            self.kill()
            raise

    def reap(self, process):
        text = ""
        if process.stdout:
            with process.stdout as out:
                text = out.read().decode()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.cpu += usage.ru_utime + usage.ru_stime
        assert process.returncode == 0, f"{process.args}: exit {process.returncode}\n{text[-500:]}"
        return text

    def kill(self):
        for session in self.sessions:
            with contextlib.suppress(OSError):
                os.killpg(session, signal.SIGKILL)

    def look(self):
        pids = self.daemons + list(processes_of(frozenset(self.sessions)))
        self.peak = max(self.peak, sum(map(pss, pids)))

    def sample(self):
        while not self.ended.wait(SAMPLE):
            self.look()

    def measure(self, side):
        """What side(self) costs."""
        sampler = threading.Thread(target=self.sample, daemon=True)
        before = sum(map(cpu_seconds, self.daemons))
        sampler.start()
        began = time.monotonic()
        try:
            side(self)
        finally:
            wall = time.monotonic() - began
            self.ended.set()
            sampler.join()
            self.look()
        return Cost(wall, self.cpu + sum(map(cpu_seconds, self.daemons)) - before, self.peak)
