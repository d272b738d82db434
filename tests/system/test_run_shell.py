# label: sanitize
"""`penstockctl run` as a shell's citizen: terminals, job control, signals, background children, and --trailer."""
import os
import pathlib
import pty
import re
import select
import shlex
import signal
import subprocess
import termios
import time

import penstock_test
from penstock_test import DEADLINE, until

CTL = penstock_test.BIN / "penstockctl"
# By the shell itself: one that waits for a program that it has begun by vfork, and that is stopped before its exec, is not stopped.
COUNTS = "n=0; while read -r l; do n=$((n + 1)); done; echo $n; echo SAW END"


class Screen:
    """A program on a terminal of its own, its session's leader."""

    def __init__(self, test, *command):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(PS1="$ ", TERM="dumb", HISTFILE="/dev/null")
            os.execvp(command[0], command)
        self.text, self.status = "", None
        test.addCleanup(self.close)

    def close(self):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)

    def type(self, text):
        os.write(self.fd, text.encode())

    def look(self, wait=0.0):
        while select.select([self.fd], [], [], wait)[0]:
            try:
                piece = os.read(self.fd, 65536)
            except OSError:
                piece = b""
            if not piece:
                return False
            self.text += piece.decode(errors="replace")
        return True

    def expect(self, pattern):
        """What has come until it matched; what follows is for the next one."""
        end = time.monotonic() + DEADLINE
        while True:
            match = re.search(pattern, self.text)
            if match:
                self.text = self.text[match.end():]
                return match
            alive = self.look(0.05)
            if not re.search(pattern, self.text) and (not alive or time.monotonic() > end):
                raise AssertionError(f"{pattern!r} does not come, but {self.text!r}")

    def exit_status(self):
        def over():
            self.look(0.01)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            return pid and (status,)
        self.status = until(over, "it ends")[0]
        return os.waitstatus_to_exitcode(self.status)


def state_of(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


class RunShell(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.web = self.origin()
        self.penstock = self.daemon({"fetch.resume_delay": "5ms", "fetch.retry_delay": "5ms"})

    def command(self, path, script, *options):
        return [str(CTL), "--socket", str(self.penstock.socket), "run", self.web.url(path), *options, "--", "sh", "-c", script]

    def start(self, path, script, *options, **more):
        return subprocess.Popen(self.command(path, script, *options), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, **more)

    def run_it(self, path, script, *options):
        client = self.start(path, script, *options)
        out, err = client.communicate(timeout=DEADLINE)
        return client.returncode, out, err

    def line(self, path, script, *options):
        return shlex.join(self.command(path, script, *options))

    def shell(self):
        screen = Screen(self, "bash", "--norc", "--noprofile", "-i")
        screen.expect(r"\$ ")
        screen.type("set +o emacs; echo rea''dy\r")
        screen.expect("ready")
        return screen

    def written(self, name):
        path = self.dir / name
        until(lambda: path.exists() and path.read_text().endswith("\n"), f"{name} is written")
        return path.read_text().strip()

    # --- the terminal -----------------------------------------------------------------------------------

    READS = "read x </dev/tty; echo got:$x; wc -l; echo SAW END"

    def test_reads_the_terminal(self):
        """From a shell, from a script, as the session's leader, with standard input elsewhere, as one of a pipeline."""
        line = self.line("/lines?n=100", self.READS)
        script = self.dir / "script"
        script.write_text(f"{line}\necho status:$?\n")
        for typed in (f"{line}; echo status:$?", f"{line} </dev/null; echo status:$?", f"{line} | cat; echo status:${{PIPESTATUS[0]}}",
                      f"sh {script}"):
            with self.subTest(typed=typed[-60:]):
                screen = self.shell()
                screen.type(typed + "\r")
                screen.expect(r"\n")
                screen.type("hello\r")
                screen.expect(r"got:hello\s+100\s+SAW END\s+status:0")
        for options in ((), ("--foreground",)):
            screen = Screen(self, *self.command("/lines?n=100", self.READS, *options))
            screen.type("hello\r")
            screen.expect(r"got:hello\s+100\s+SAW END")
            self.assertEqual(screen.exit_status(), 0)

    def test_asks_for_a_password(self):
        """On /dev/tty, without an echo, as psql and ssh do."""
        asks = "python3 -c \"import getpass; print('secret', getpass.getpass('Password for x: ')[::-1])\"; wc -l"
        screen = self.shell()
        screen.type(self.line("/lines?n=100", asks) + "\r")
        screen.expect("\nPassword for x: ")
        screen.type("tooth\r")
        screen.expect(r"\s*secret htoot\s+100")

    def test_a_reader_of_keys_behind_it(self):
        """run … | less: the pager has the terminal, as it is of the job's own group."""
        screen = self.shell()
        pager = shlex.quote("cat >/dev/null; echo any key; stty -icanon -echo </dev/tty; dd bs=1 count=1 2>/dev/null </dev/tty | od -c; stty sane </dev/tty")
        screen.type(self.line("/lines?n=100", "cat") + f" | sh -c {pager}; echo status:$?\r")
        screen.expect(r"\nany key")
        screen.type("q")
        screen.expect(r"q(.|\s)*status:0")

    def test_in_the_background(self):
        """It is stopped as any job that wants the terminal there, and `fg` lets it go on."""
        screen = self.shell()
        screen.type(self.line("/lines?n=100", self.READS) + " &\r")
        until(lambda: screen.type("jobs\r") or screen.look(0.2) and "Stopped" in screen.text, "the job is stopped")
        screen.type("fg\r")
        screen.expect("fg")
        screen.type("hello\r")
        screen.expect(r"got:hello\s+100\s+SAW END")

    def stop_and_go(self, screen, before):
        screen.expect(r"\nSTARTED")
        pid = self.written("pid")
        before(screen)
        screen.type("\x1a")
        screen.expect(r"Stopped")
        until(lambda: state_of(pid) == "T", "the command is stopped")
        screen.type("stty -a\r")
        screen.expect(r" echo ")
        screen.type("fg; echo status:$?\r")
        until(lambda: state_of(pid) != "T", "it goes on")

    def test_stopped_and_continued(self):
        """Ctrl-Z and fg, before it has asked for the terminal and after."""
        for wants in (False, True):
            with self.subTest(wants=wants):
                (self.dir / "pid").unlink(missing_ok=True)
                ask = "read x </dev/tty; echo got:$x; stty -echo </dev/tty; echo SET;" if wants else ""
                script = f"echo $$ >{self.dir}/pid; echo STARTED; {ask} {COUNTS}"
                screen = self.shell()
                screen.type(self.line(f"/lines?n=1000&hold={wants}&hold_at=1000", script) + "\r")
                self.stop_and_go(screen, lambda s: wants and (s.type("one\r"), s.expect(r"got:one\s+SET")))
                self.web.release(str(wants))
                screen.expect(r"1000\s+SAW END\s+status:0")

    def test_stopped_before_it_begins(self):
        screen = self.shell()
        screen.type(self.line("/lines?n=10&hold=w", "wc -l; echo SAW END") + "\r")
        until(lambda: self.penstock.call("list")["jobs"], "the job is there")
        screen.type("\x1a")
        screen.expect(r"Stopped")
        self.web.release("w")
        screen.type("fg; echo status:$?\r")
        screen.expect(r"10\s+SAW END\s+status:0")

    def test_the_terminal_is_as_it_was(self):
        """Once a command that had set it up was killed."""
        screen = Screen(self, "bash", "--norc", "--noprofile", "-c",
                        self.line("/lines?n=10&hold=t&hold_at=20", "stty raw -echo </dev/tty; echo SET; sleep 1000") + "; echo status:$?; sleep 1000")
        screen.expect("SET")
        self.assertFalse(termios.tcgetattr(screen.fd)[3] & termios.ECHO)
        self.penstock.call("cancel", {"id": 1})
        screen.expect("status:1")
        self.assertTrue(termios.tcgetattr(screen.fd)[3] & termios.ECHO)
        self.assertTrue(termios.tcgetattr(screen.fd)[3] & termios.ICANON)
        self.assertEqual(os.tcgetpgrp(screen.fd), screen.pid)

    def test_foreground(self):
        """With --foreground it has the terminal at once, for programs that look whether they have it."""
        looks = "python3 -c \"import os; t = os.open('/dev/tty', os.O_RDWR); print('mine', os.tcgetpgrp(t) == os.getpgrp())\""
        for options, mine in ((("--foreground",), True), ((), False)):
            screen = self.shell()
            screen.type(self.line("/lines?n=10", looks, *options) + "\r")
            screen.expect(f"mine {mine}")
            screen.type("echo ba''ck\r")
            screen.expect("back")

    def test_ctrl_c(self):
        """Ends all at once: no part of the command sees the end of another."""
        for options in ((), ("--foreground",)):
            screen = self.shell()
            part = f"trap '' INT; (echo STARTED; cat >/dev/null; echo END >{self.dir}/end)" if not options else "echo STARTED; cat >/dev/null; echo END"
            screen.type(self.line("/lines?endless=1", f"cat | sh -c {shlex.quote(part)}; echo END", *options) + "; echo status:$?\r")
            screen.expect(r"\nSTARTED")
            screen.type("\x03")
            screen.expect(r"status:130")
            self.assertNotIn("END", screen.text)
            self.assertFalse((self.dir / "end").exists())

    def test_nobody_could_give_it_the_terminal(self):
        """In the background of a job whose shell has gone: it is ended, and does not hang."""
        script, go, gone, err = (self.dir / name for name in ("script", "go", "gone", "err"))
        wants = f"until test -e {go}; do sleep 0.05; done; read x </dev/tty"
        script.write_text(f"set -m; {self.line('/lines?n=10', wants)} 2>{err} &\n")
        screen = Screen(self, "bash", "--norc", "--noprofile", "-c", f"(bash {script}; echo >{gone}) & exec sleep 1000")
        until(lambda: gone.exists() and self.penstock.call("list")["jobs"], "its shell has gone")
        go.touch()
        until(lambda: "the command wants the terminal" in err.read_text(), "it has ended")
        self.assertIn(self.penstock.verdict(1)["state"], ("failed", "cancelled"))
        screen.look()

    def test_why_it_waits(self):
        screen = self.shell()
        screen.type(self.line("/lines?n=10&status=503&retry_after=3000", "wc -l") + "\r")
        screen.expect(r"attempt 1: http_status: .*503.*the next one in 3000")
        screen.type("\x03")
        screen.expect("was not started")

    # --- signals ------------------------------------------------------------------------------------------

    def test_ignored_stay_ignored(self):
        """As nohup has it, and a shell for what it starts in the background; in the command, too."""
        numbers = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)

        def ignore():
            for number in numbers:
                signal.signal(number, signal.SIG_IGN)
        client = self.start("/lines?n=100&hold=i&hold_at=100", "echo STARTED; grep SigIgn /proc/$$/status; wc -l; echo SAW END", preexec_fn=ignore)
        self.assertEqual(client.stdout.readline(), "STARTED\n")
        ignored = int(client.stdout.readline().split()[1], 16)
        for number in numbers:
            self.assertTrue(ignored >> (number - 1) & 1)
            client.send_signal(number)
        self.assertFalse(ignored >> (signal.SIGTERM - 1) & 1)
        self.web.release("i")
        out, err = client.communicate(timeout=DEADLINE)
        self.assertEqual((client.returncode, out.split()), (0, ["100", "SAW", "END"]), err)

    def test_term_when_it_has_the_whole_body(self):
        """Nothing can be taken for an end any more: the command ends by itself, and nobody says that it saw none."""
        go = self.dir / "go"
        client = self.start("/lines?n=100", f"wc -l; echo HAS ALL; until test -e {go}; do sleep 0.05; done; echo DONE")
        self.assertEqual([client.stdout.readline().strip() for _ in range(2)], ["100", "HAS ALL"])
        client.send_signal(signal.SIGTERM)
        go.touch()
        out, err = client.communicate(timeout=DEADLINE)
        self.assertEqual((client.returncode, out, err), (0, "DONE\n", ""))
        self.assertEqual(self.penstock.verdict(1)["state"], "done")

    def test_term_when_the_command_has_ended(self):
        """Only the verdict is missing, and it cannot say anything else than the command's own status has said."""
        for status in (0, 7):
            go = self.dir / f"go{status}"
            client = self.start("/lines?n=100", f"echo $$; wc -l; echo HAS ALL; until test -e {go}; do sleep 0.05; done; exit {status}")
            pid = int(client.stdout.readline())
            self.assertEqual([client.stdout.readline().strip() for _ in range(2)], ["100", "HAS ALL"])
            self.penstock.signal(signal.SIGSTOP)
            go.touch()
            until(lambda: not pathlib.Path(f"/proc/{pid}").exists(), "the command's end")
            client.send_signal(signal.SIGTERM)
            out, err = client.communicate(timeout=DEADLINE)
            self.penstock.signal(signal.SIGCONT)
            self.assertEqual((client.returncode, out, err), (status, "", ""))
        self.assertEqual(self.penstock.verdict(1)["state"], "done")

    def test_term_with_the_end_of_the_command(self):
        """The daemon is told how it ended, even if the signal that ends us comes before the next look at the connection."""
        if penstock_test.SANITIZED:
            self.skipTest("COMMAND would load it too, without the sanitizer's runtime")
        env = {**os.environ, "LD_PRELOAD": str(penstock_test.BIN / "test-reap-signal.so"), "TEST_REAP_IN": "penstock-run",
               "TEST_REAP_SIGNAL": str(int(signal.SIGTERM))}
        for number, (status, state) in enumerate(((0, "done"), (7, "failed")), 1):
            client = self.start("/lines?n=100", f"wc -l; exit {status}", env=env)
            out, err = client.communicate(timeout=DEADLINE)
            self.assertEqual((client.returncode, out.strip()), (status, "100"), err)
            self.assertEqual(self.penstock.verdict(number)["state"], state)

    def test_term_and_the_grace(self):
        for trap, grace, status, said in (("trap 'echo ASKED; exit 3' TERM", "8s", 3, "ASKED\n"), ("trap '' TERM", "400ms", 137, "")):
            client = self.start("/lines?n=100", f"{trap}; cat >/dev/null; echo HAS ALL; while :; do sleep 0.05; done", "--grace", grace)
            self.assertEqual(client.stdout.readline(), "HAS ALL\n")
            client.send_signal(signal.SIGTERM)
            out, err = client.communicate(timeout=DEADLINE)
            self.assertEqual((client.returncode, out), (status, said))
            self.assertNotIn("before it could see", err)

    def test_int_when_it_has_the_whole_body(self):
        """Is the command's own affair, as from a terminal."""
        client = self.start("/lines?n=100", "trap 'echo INT; exit 5' INT; cat >/dev/null; echo HAS ALL; while :; do sleep 0.05; done")
        self.assertEqual(client.stdout.readline(), "HAS ALL\n")
        client.send_signal(signal.SIGINT)
        out, _ = client.communicate(timeout=DEADLINE)
        self.assertEqual((client.returncode, out), (5, "INT\n"))

    def test_the_daemon_goes_when_it_has_the_whole_body(self):
        go = self.dir / "go"
        client = self.start("/lines?n=100", f"wc -l; echo HAS ALL; until test -e {go}; do sleep 0.05; done; echo DONE")
        self.assertEqual([client.stdout.readline().strip() for _ in range(2)], ["100", "HAS ALL"])
        self.penstock.kill()
        go.touch()
        out, err = client.communicate(timeout=DEADLINE)
        self.assertEqual((client.returncode, out), (0, "DONE\n"))
        self.assertIn("the daemon has gone", err)

    # --- what it leaves behind ----------------------------------------------------------------------------

    def test_background_children_live_on(self):
        go, fifo = self.dir / "go", self.dir / "late"
        child = f"(exec >/dev/null 2>&1; until test -e {go}; do sleep 0.05; done; echo alive >{fifo}) &"
        for n, (path, reads, status) in enumerate((("/lines?n=100", "cat >/dev/null", 0), ("/lines?endless=1", "head -n 1 >/dev/null", 0),
                                                   ("/lines?n=100", "cat >/dev/null; exit 3", 3))):
            with self.subTest(path=path, reads=reads):
                fifo.unlink(missing_ok=True)
                go.unlink(missing_ok=True)
                self.assertEqual(self.run_it(path, f"{child} {reads}")[0], status)
                go.touch()
                self.assertEqual(self.written("late"), "alive")

    def test_those_that_could_see_an_end_do_not(self):
        """The command is content, but what it has left behind still reads."""
        for path, status in (("/lines?endless=1", "exit 0"), ("/lines?n=100000&hold=h&hold_at=10000", "exit 0"), ("/lines?endless=1", "exit 3")):
            reads = self.dir / "reads"
            reads.unlink(missing_ok=True)
            got = self.run_it(path, f"exec 3<&0; (head -n 1 <&3 >{reads}; cat <&3; echo END >{self.dir}/end) >/dev/null 2>&1 & "
                              f"until test -s {reads}; do sleep 0.05; done; {status}")
            self.assertEqual(got[0], int(status[-1]), got)
        self.penstock.stop()
        self.assertFalse((self.dir / "end").exists())

    # --- the trailer -----------------------------------------------------------------------------------------

    def test_trailer(self):
        status, out, err = self.run_it("/lines?n=3", "cat", "--trailer", "the end")
        self.assertEqual((status, out, err), (0, "line 1\nline 2\nline 3\nthe end\n", ""))
        go, trailer = self.dir / "go", "x" * 120000  # more than the pipe has room for
        client = self.start("/lines?n=20000", f"until test -e {go}; do sleep 0.05; done; tail -n 2", "--trailer", trailer)
        until(lambda: any(j["state"] == "running" and j["running"]["bytes"] == j["running"]["length"] for j in
                          self.penstock.call("list")["jobs"]), "all of it is in the pipe")
        go.touch()
        out, err = client.communicate(timeout=DEADLINE)
        self.assertEqual((client.returncode, out), (0, f"line 20000\n{trailer}\n"), err)
        self.assertEqual(self.run_it("/lines?n=3", "head -n 1", "--trailer", "x")[:2], (0, "line 1\n"))
        self.assertEqual(self.run_it("/lines?n=0", "cat", "--trailer", "x")[:2], (0, "x\n"))
        self.assertEqual(self.run_it("/lines?n=3", "cat", "--trailer", "a\nb")[0], 2)
        self.assertEqual(self.run_it("/lines?n=3&gzip=1", "tail -n 1", "--trailer", "x")[:2], (0, "x\n"))

    def opened(self, wire):
        """For writing, and closed again: False if nobody reads."""
        try:
            os.close(os.open(wire, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            return False
        return True

    def test_trailer_by_a_relay(self):
        """A relay that is killed looks like an end to the far side, which is nobody's child here: it commits by the last line."""
        far = self.dir / "far"
        far.write_text(f"""token=$1
while IFS= read -r line; do test "$line" = "$token" && echo committed >{self.dir}/commit; done
echo over >{self.dir}/over
""")
        for path, whole in (("/lines?n=1000", True), ("/lines?n=100000&cut=500000&etag=none&modified=0", False),
                            ("/lines?n=100000&framing=close", False)):
            with self.subTest(path=path):
                wire = self.dir / "wire"
                for name in ("over", "commit", "wire"):
                    (self.dir / name).unlink(missing_ok=True)
                os.mkfifo(wire)
                server = subprocess.Popen(["sh", "-c", f"exec sh {far} 7c9e6679 <{wire}"])
                status, _, err = self.run_it(path, f"exec cat >{wire}", "--trailer", "7c9e6679")
                if status and not whole:  # should the relay not have come so far
                    until(lambda: server.poll() is not None or self.opened(wire), "the far side has its end")
                self.assertEqual(server.wait(DEADLINE), 0)
                self.assertEqual((status, (self.dir / "commit").exists()), (0 if whole else 1, whole), err)
                self.assertTrue((self.dir / "over").exists(), "the far side has seen an end in any case")


if __name__ == "__main__":
    penstock_test.main()
