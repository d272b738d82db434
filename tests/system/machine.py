"""A machine that a test boots: a real systemd as PID 1 over a throw-away copy of this machine's own files, in a
container without a network, in half a second. Needs root and systemd-nspawn; what it changes is gone with it.

    with Machine(test.dir) as machine:
        machine.run("systemctl", "is-active", "basic.target", check=0)

The files are an overlay over `/`, so what is installed here is there; changes go to memory. `machine.share` is a
directory that both sides see under the same path, and the source tree is there, too, read-only. Commands run as root in
the machine, by an agent (this file again, as a service) that listens on a socket in `share`.
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
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BOOT = 60  # seconds that booting may take, on a busy machine
NAME = "penstock-test-"

# In a mount and a PID namespace of its own: an overlay over `/`, and nspawn in it. $1: a directory, $2: a name.
STAGE = r"""
set -eu
space=$1/space
mkdir "$space"
mount -t tmpfs -o mode=755 tmpfs "$space"
mkdir "$space/upper" "$space/work" "$space/root"
cp -a "$1/files/." "$space/upper"
mount -t overlay -o "lowerdir=/,upperdir=$space/upper,workdir=$space/work" overlay "$space/root"
mkdir -p /run/systemd/nspawn
mount -t tmpfs tmpfs /run/systemd/nspawn
exec systemd-nspawn -q -D "$space/root" -M "$2" --register=no --keep-unit --private-network --link-journal=no \
    --resolv-conf=off --timezone=off --console=pipe --bind="$1/share" --bind-ro="$3" /penstock-init \
    systemd.unit=penstock-test.target systemd.show_status=false
"""

# nspawn mounts the hierarchies of cgroup v1 read-only; without these two systemd ignores MemoryMax= and TasksMax=.
INIT = """#!/bin/sh
for kind in memory pids; do
    mount -o remount,bind,rw "/sys/fs/cgroup/$kind" 2>/dev/null || :
done
exec /lib/systemd/systemd "$@"
"""

# Not the default target, which would start every service that is installed here.
TARGET = """[Unit]
Requires=basic.target
After=basic.target
Wants=penstock-agent.service
"""

AGENT = """[Unit]
After=basic.target
[Service]
Type=notify
ExecStart={python} {file} --agent {socket}
Environment=PYTHONDONTWRITEBYTECODE=1
"""

JOURNALD = """[Journal]
Storage=volatile
RateLimitIntervalSec=0
"""


def why_not():
    """Why no machine can be booted here; None if one can."""
    if os.geteuid() != 0:
        return "a machine is booted by root only"
    if not shutil.which("systemd-nspawn"):
        return "there is no systemd-nspawn (apt-get install systemd-container)"
    said = subprocess.run(["systemd-nspawn", "--version"], capture_output=True, text=True, check=True).stdout
    version = int(re.search(r"systemd (\d+)", said)[1])
    kind = subprocess.run(["stat", "-f", "-c", "%T", "/sys/fs/cgroup"], capture_output=True, text=True, check=False).stdout.strip()
    if version >= 258 and kind != "cgroup2fs":
        return f"systemd {version} wants the unified hierarchy of control groups, and the kernel was started with others"
    return None


def remove_tree(cgroup):
    """True if it is gone."""
    with contextlib.suppress(OSError):
        for below in sorted((p for p in cgroup.rglob("*") if p.is_dir()), reverse=True):
            below.rmdir()
        cgroup.rmdir()
    return not cgroup.exists()


class Cgroups:
    """Children of this process's own control groups, for the machine to live in."""

    WANTED = {"", "name=systemd", "memory", "pids"}

    def __init__(self, name):
        self.made = []
        mounts = [line.split() for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
        for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, own = line.split(":", 2)
            if controllers not in self.WANTED:
                continue
            for _, place, kind, options, *_ in mounts:
                if kind == ("cgroup" if controllers else "cgroup2") and (not controllers or controllers in options.split(",")):
                    self.make(pathlib.Path(place), own, name)

    def make(self, place, own, name):
        parent = place / own.lstrip("/")
        parent = parent if parent.is_dir() else place
        for left in parent.glob(NAME + "*"):  # by a test that was killed
            if not pathlib.Path("/proc", left.name.split("-")[2]).exists():
                remove_tree(left)
        with contextlib.suppress(OSError):  # a hierarchy that is read-only here is done without
            (parent / name).mkdir()
            self.made.append(parent / name)

    def enter(self):
        for child in self.made:
            (child / "cgroup.procs").write_text("0")

    def remove(self):
        """The kernel lets go of the processes one after the other."""
        end = time.monotonic() + 10
        while self.made and time.monotonic() < end:
            self.made = [child for child in self.made if not remove_tree(child)]
            time.sleep(0.01)


class Machine:
    """Boots on entering, ends on leaving. `directory` must be the caller's own, and is not removed."""

    def __init__(self, directory):
        self.why = why_not()
        if self.why:
            raise unittest.SkipTest(self.why)
        self.place = pathlib.Path(directory).resolve() / "machine"
        self.share = self.place / "share"
        self.socket = self.share / "agent"
        self.console = self.place / "console"
        self.name = f"{NAME}{os.getpid()}-{time.monotonic_ns() % 1000000}"
        self.process = None

    def __enter__(self):
        self.write_files()
        self.cgroups = Cgroups(self.name)
        try:
            self.boot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *unused):
        if self.process and self.process.poll() is None:
            self.process.kill()  # unshare, and by --kill-child all that it started
            self.process.wait()
        self.cgroups.remove()

    def put(self, path, text, mode=0o644):
        target = self.place / "files" / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)

    def write_files(self):
        self.share.mkdir(parents=True)
        self.place.chmod(0o755)
        agent = AGENT.format(python=sys.executable, file=pathlib.Path(__file__).resolve(), socket=self.socket)
        self.put("/penstock-init", INIT, 0o755)
        self.put("/etc/systemd/system/penstock-test.target", TARGET)
        self.put("/etc/systemd/system/penstock-agent.service", agent)
        self.put("/etc/systemd/journald.conf.d/penstock-test.conf", JOURNALD)

    def boot(self):
        command = ["setpriv", "--pdeathsig", "KILL", "unshare", "-m", "-p", "-f", "--kill-child", "--mount-proc",
                   "sh", "-c", STAGE, "sh", str(self.place), self.name, str(ROOT)]
        with open(self.console, "wb") as console:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT,
                                            preexec_fn=self.cgroups.enter)
        end = time.monotonic() + BOOT
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"the machine does not boot:\n{self.said()}")
            time.sleep(0.01)

    def said(self):
        return self.console.read_text(errors="replace")[-4000:]

    def answers(self):
        with contextlib.suppress(OSError):
            return self.ask({"argv": ["true"]}, 5)["code"] == 0
        return False

    def ask(self, request, seconds):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.settimeout(seconds)
            s.connect(str(self.socket))
            s.sendall(json.dumps(request).encode())
            s.shutdown(socket.SHUT_WR)
            data = b""
            while piece := s.recv(65536):
                data += piece
        return json.loads(data)

    def run(self, *command, check=None, seconds=60, input="", user=None):
        """Runs a command in the machine to its end: a CompletedProcess with text. user: as that one, with its groups."""
        if user:
            command = ["setpriv", f"--reuid={user}", "--init-groups", f"--regid={user}", *command]
        argv = [str(c) for c in command]
        answer = self.ask({"argv": argv, "input": input, "seconds": seconds}, seconds + 30)
        done = subprocess.CompletedProcess(argv, answer["code"], answer["out"], answer["err"])
        if check is not None and done.returncode != check:
            raise AssertionError(f"{argv}: exit {done.returncode}, not {check}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done

    def out(self, *command, **kwargs):
        """What a command that must succeed prints."""
        return self.run(*command, check=0, **kwargs).stdout.strip()

    def write(self, path, text, mode=0o644):
        """A file in the machine, and the directories that it is in."""
        self.run("sh", "-c", 'mkdir -p "$(dirname "$1")" && cat >"$1" && chmod "$2" "$1"', "sh", path, f"{mode:o}",
                 input=text, check=0)

    def read(self, path):
        return self.run("cat", path, check=0).stdout

    def install(self, build):
        """What `cmake --install` installs, and what a package's scripts do after it. `etc`: where the config is."""
        stage = self.share / "stage"
        subprocess.run(["cmake", "--install", str(build)], check=True, env={**os.environ, "DESTDIR": str(stage)},
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        if (stage / "usr" / "etc").is_dir():  # for the prefix /usr it is /etc
            shutil.copytree(stage / "usr" / "etc", stage / "etc", dirs_exist_ok=True)
            shutil.rmtree(stage / "usr" / "etc")
        self.etc = pathlib.Path("/", next(stage.rglob("penstockd.conf")).parent.relative_to(stage))
        self.run("cp", "-a", "--no-preserve=ownership", f"{stage}/.", "/", check=0)
        shutil.rmtree(stage)
        self.run("systemd-sysusers", check=0)
        self.run("systemd-tmpfiles", "--create", "--prefix=/var/log/penstock", check=0)
        self.run("journalctl", "--update-catalog", check=0)
        self.run("systemctl", "daemon-reload", check=0)


# --- the agent, in the machine ----------------------------------------------------------------------


def carry_out(request):
    try:
        done = subprocess.run(request["argv"], input=request.get("input", "").encode(), capture_output=True,
                              timeout=request.get("seconds", 60), cwd="/", start_new_session=True)
        code, out, err = done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired as e:
        code, out, err = -signal.SIGALRM, e.stdout or b"", (e.stderr or b"") + b"\n(it took too long)"
    except OSError as e:
        code, out, err = 127, b"", str(e).encode()
    return {"code": code, "out": out.decode(errors="replace"), "err": err.decode(errors="replace")}


def serve(client):
    with client:
        data = b""
        while piece := client.recv(65536):
            data += piece
        with contextlib.suppress(OSError):
            client.sendall(json.dumps(carry_out(json.loads(data))).encode())


def agent(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen(16)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
        while True:
            client, _ = listener.accept()
            threading.Thread(target=serve, args=(client,), daemon=True).start()


if __name__ == "__main__" and sys.argv[1:2] == ["--agent"]:
    agent(sys.argv[2])
