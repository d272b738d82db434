"""penstockctl top: on a terminal (tmux), whose screen is read back; and as plain text."""
import json
import os
import re
import shutil
import signal
import subprocess
import unittest

import penstock_test
from penstock_test import until

CTL = penstock_test.BIN / "penstockctl"


class Terminal:
    """A tmux server of the test's own, with one window."""

    count = 0

    def __init__(self, test, columns, lines, term="tmux-256color"):
        if not shutil.which("tmux"):
            raise unittest.SkipTest("there is no tmux")
        self.test = test
        Terminal.count += 1
        self.path = test.dir / f"tmux{Terminal.count}"  # a server that ends removes its socket late
        config = test.dir / "tmux.conf"
        config.write_text(f"set -g default-terminal {term}\nset -g remain-on-exit on\nset -g status off\nset -sg escape-time 0\n")
        self.env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TERM": "xterm-256color", "HOME": str(test.dir)}
        self.tmux("-f", config, "new-session", "-d", "-x", columns, "-y", lines, "bash --norc --noprofile")
        test.addCleanup(subprocess.run, ["tmux", "-S", self.path, "kill-server"], stderr=subprocess.DEVNULL)

    def tmux(self, *arguments):
        return penstock_test.run("tmux", "-u", "-S", self.path, *arguments, check=0, env=self.env).stdout

    def type(self, *keys):
        self.tmux("send-keys", *keys)

    def start(self, line):
        self.type("-l", f"PS1='READY> '; {line}")
        self.type("Enter")

    def screen(self):
        return self.tmux("capture-pane", "-p")

    def shows(self, pattern, what=None):
        """Waits until the screen matches, and gives it."""
        try:
            return until(lambda: (lambda s: s if re.search(pattern, s, re.M) else "")(self.screen()), what or pattern)
        except AssertionError as e:
            raise AssertionError(f"{e}\n{self.screen()}") from None

    def resize(self, columns, lines):
        self.tmux("resize-window", "-x", columns, "-y", lines)

    def restored(self):
        """The shell has its screen, its cursor and its line editing again."""
        self.shows(r"^READY>", "the shell's prompt")
        state = self.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag} #{keypad_cursor_flag}").strip()
        self.test.assertEqual(state, "0 1 0")
        self.type("-l", "stty -a | tr ';' '\\n' | grep -cE '(^| )(echo|icanon)( |$)'")
        self.type("Enter")
        self.shows(r"^[12]$", "the terminal echoes")


class Top(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.web = self.origin()
        self.penstock = self.daemon({"fetch.host_connections": "20", "daemon.drain": "100ms"})

    def load(self, count=3, rate="20,10000"):
        """Slow downloads, a stalled one, and a parser that waits for them."""
        for i in range(count):
            self.penstock.submit(self.web.url(f"/bytes?n=50000000&drip={rate}"))
        until(lambda: sum(job["running"]["bytes"] > 0 for job in self.penstock.call("list", {"state": "running"})["jobs"]
                          if "running" in job) == count, "their bodies come")

    def show(self, columns=120, lines=30, options=""):
        terminal = Terminal(self, columns, lines)
        terminal.start(f"{CTL} --socket {self.penstock.socket} top --interval 200ms {options}")
        terminal.shows(r"^penstockd ")
        return terminal

    def test_jobs_hosts_workers_rates(self):
        self.load()
        silent = self.penstock.submit(self.web.url("/silence"))
        until(lambda: self.penstock.call("show", {"id": silent}).get("waiting_for") == "origin", "one is silent")
        terminal = self.show()
        screen = terminal.shows(r"^ +1 +1 [█▏▎▍▌▋▊▉ ]{12} +[\d.]+ [KM]iB +[\d.]+ [KM]iB/s .* origin +127\.0\.0\.1")
        self.assertRegex(screen, rf"(?m)^ +{silent} +1 ·+ +0 B .* origin ")
        self.assertRegex(screen, r"(?m)^127\.0\.0\.1 +4 +\d+ +0 +0 ")
        self.assertRegex(screen, r"(?m)^jobs +4 running +0 queued ")
        self.assertRegex(screen, r"(?m)^workers  .* 4 of 64 taken")
        terminal.shows(r"^body +[\d.]+ [KM]iB/s +[▁▂▃▄▅▆▇█]+  peak", "a graph")
        terminal.type("q")
        terminal.restored()

    def test_it_is_renewed_and_sorted(self):
        self.load(2)
        terminal = self.show()
        terminal.shows(r"^ +1 .*\n +2 ")
        terminal.type("s")
        terminal.shows(r"s sort \(rate\)")
        first = terminal.shows(r"^ +1 +1 .*MiB")
        done = lambda text: re.search(r"^ +1 +1 \S* *([\d.]+ MiB)", text, re.M).group(1)
        terminal.shows(rf"^ +1 +1 (?!\S* *{re.escape(done(first))}).*MiB", "the picture is renewed")
        job = self.penstock.submit(self.web.url("/silence"))
        terminal.shows(rf"^ +{job} ")
        self.penstock.call("cancel", {"id": job})
        terminal.shows(r"1 cancelled")
        terminal.type("Space")
        terminal.shows(r"\[frozen\]")
        terminal.type("h")
        terminal.shows(r"space freezes")

    def test_resize(self):
        """No line is wider than the terminal, the keys stay at the foot, and a low one still has its jobs."""
        self.load(8)
        terminal = self.show(100, 24)
        for columns, lines in ((60, 12), (40, 8), (160, 50), (80, 24)):
            terminal.resize(columns, lines)
            terminal.shows(rf"\A(?:.*\n){{{lines - 1}}}q quit .*\n\Z", f"the foot in line {lines}")
            screen = terminal.shows(r"^ +1 ")
            self.assertLessEqual(max(map(len, screen.splitlines())), columns)
        self.assertEqual(len(re.findall(r"(?m)^ +\d+ +1 ", screen)), 8)

    def test_scrolling(self):
        self.load(9)
        terminal = self.show(80, 14)
        terminal.shows(r"^and \d+ more")
        terminal.type("NPage")
        screen = terminal.shows(r"^ +9 ")
        self.assertNotRegex(screen, r"(?m)^ +1 +1 ")
        terminal.type("Home")
        terminal.shows(r"^ +1 +1 ")

    def failed(self, count):
        for i in range(count):
            self.penstock.verdict(self.penstock.submit(self.web.url(f"/bytes?n=9&status=404&id={i}"), max_attempts=1))

    def test_cursor_explain_cancel_hold(self):
        self.load(3)
        terminal = self.show(80, 24)
        terminal.shows(r"^ +3 ")
        terminal.type("Down")
        terminal.type("c")
        terminal.shows(r"^Cancel job 2\? y cancels it: http://")
        terminal.type("n")
        terminal.shows(r"^q quit")
        self.assertEqual(self.penstock.state(2), "running")
        terminal.type("c", "y")
        until(lambda: self.penstock.state(2) == "cancelled", "job 2 is cancelled")
        terminal.type("Up", "Enter")
        terminal.shows(r"^Job 1: http://")
        terminal.shows(r"^  20.* submitted by uid")
        terminal.type("q")
        terminal.shows(r"^q quit")
        terminal.type("p")
        terminal.shows(r"^Start no more jobs of 127\.0\.0\.1\? y holds it")
        terminal.type("y")
        terminal.shows(r"^127\.0\.0\.1 .* paused")
        terminal.type("p", "y")
        terminal.shows(r"^127\.0\.0\.1 .* ready")
        terminal.type("q")
        terminal.restored()

    def test_tabs_and_filter(self):
        self.load(1)
        self.failed(3)
        self.penstock.call("schedule_add", {"name": "人々", "url": self.web.url("/lines?n=1"), "every": "1h"})
        self.penstock.call("schedule_add", {"name": "people", "url": self.web.url("/lines?n=2"), "every": "1h"})
        terminal = self.show(80, 24)
        terminal.shows(r"^\[running\]  hosts   failed lately   schedules")
        terminal.type("Tab")
        terminal.shows(r"^HOST .*\n127\.0\.0\.1 ")
        terminal.type("Tab")
        terminal.shows(r"^ +4 +\d+[sm] +1 http_status +127\.0\.0\.1:\d+/bytes\?n=9&status=404&id=2$")
        terminal.type("/")
        terminal.type("-l", "id=1")
        screen = terminal.shows(r"schedules +/id=1_$")
        self.assertEqual(len(re.findall("http_status", screen)), 1)
        terminal.type("Enter")
        terminal.type("Enter")
        terminal.shows(r"^Job 3: ")
        terminal.type("Escape")
        terminal.shows(r"^q quit")
        terminal.type("Escape")
        until(lambda: len(re.findall("http_status", terminal.screen())) == 3, "all are there again")
        terminal.type("Tab")
        screen = terminal.shows(r"^人々 ")
        # Wide characters take two columns: what stands behind them is aligned.
        rows = [line for line in screen.splitlines() if line.startswith(("人々", "people"))]
        people, wide = sorted(rows)
        self.assertEqual(wide.index("127") + 2, people.index("127"), rows)
        terminal.type("Tab")
        terminal.shows(r"^\[running\]")
        terminal.type("q")
        terminal.restored()

    def test_a_url_loses_its_scheme_and_its_middle(self):
        url = self.web.url("/silence?id=" + "x" * 60 + "1.csv")
        self.penstock.submit(url)
        until(lambda: self.penstock.state(1) == "running", "it runs")
        for columns in (80, 120, 200):
            screen = self.show(columns, 24).shows(r"^ +1 .*1\.csv$")
            line = [line for line in screen.splitlines() if "1.csv" in line][0]
            self.assertTrue(url in line if columns == 200 else "127.0.0.1" in line and "http://" not in line, line)
            self.assertLessEqual(len(line), columns)
        terminal = Terminal(self, 80, 24)
        terminal.start(f"{CTL} --socket {self.penstock.socket} list")
        terminal.shows(r"^ *1  running .*127\.0.*\.\..*1\.csv$")

    def test_colours(self):
        """By state; not with NO_COLOR, and not on a terminal that has none."""
        self.failed(1)
        for environment, term, coloured in (("", "tmux-256color", True), ("NO_COLOR=1", "tmux-256color", False),
                                            ("TERM=vt100", "tmux-256color", False)):
            with self.subTest(environment=environment):
                terminal = Terminal(self, 100, 24, term)
                terminal.start(f"clear; for command in 'list' 'explain 1'; do {environment} {CTL} --socket {self.penstock.socket} $command; done")
                terminal.shows(r"^Then: ")
                terminal.shows(r"READY> $|READY>$")
                text = terminal.tmux("capture-pane", "-p", "-e")
                self.assertEqual(bool(re.search(r"\x1b\[31m", text)), coloured, text)
                terminal.start(f"{environment} {CTL} --socket {self.penstock.socket} top --interval 200ms")
                terminal.shows(r"^q quit")
                terminal.type("Tab", "Tab")
                terminal.shows(r"http_status")
                text = terminal.tmux("capture-pane", "-p", "-e")
                self.assertEqual(bool(re.search(r"\x1b\[[0-9;]*31m", text)), coloured, text)
                terminal.type("q")
                terminal.restored()
        self.assertNotIn("\x1b", self.penstock.ctl("list", check=0).stdout)

    def test_the_daemon_is_started_anew(self):
        self.load(1)
        terminal = self.show()
        terminal.shows(r"^ +1 +1 ")
        self.penstock.kill()
        terminal.shows(r"trying again")
        again = self.daemon({"control.socket": self.penstock.socket, "daemon.drain": "100ms"}, wait=False)
        again.socket = self.penstock.socket
        until(again.ready, "the daemon answers")
        terminal.shows(r"nothing runs")
        job = again.submit(self.web.url("/silence"))
        terminal.shows(rf"^ +{job} +1 .* origin ")
        self.assertNotIn("trying again", terminal.screen())

    def test_a_daemon_that_does_not_answer(self):
        """Keys work all the same."""
        terminal = self.show()
        self.penstock.signal(signal.SIGSTOP)
        self.addCleanup(self.penstock.signal, signal.SIGCONT)
        terminal.shows(r"has not answered for ([3-9]|\d\d) s")
        terminal.type("h")
        terminal.shows(r"space freezes")
        self.penstock.signal(signal.SIGCONT)
        until(lambda: "not answered" not in terminal.screen(), "it answers again")

    def client(self):
        """The pid of top in the terminal."""
        out = penstock_test.run("pgrep", "-f", f"{self.penstock.socket} top").stdout.split()
        return [int(p) for p in out if (penstock_test.pathlib.Path(f"/proc/{p}/comm").read_text().strip() == "penstockctl")][0]

    def test_signals_restore_the_terminal(self):
        for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGQUIT, 131), (signal.SIGHUP, 129)):
            with self.subTest(signal=number.name):
                terminal = Terminal(self, 80, 24)
                terminal.start(f"{CTL} --socket {self.penstock.socket} top; echo status=$?")
                terminal.shows(r"q quit")
                os.kill(self.client(), number)
                terminal.shows(rf"^status={status}$")
                terminal.restored()
                terminal.tmux("kill-server")

    def test_ctrl_z_and_back(self):
        terminal = self.show(80, 24)
        terminal.shows(r"q quit")
        terminal.type("C-z")
        terminal.restored()
        terminal.resize(70, 20)
        terminal.type("fg", "Enter")
        terminal.shows(r"\A(?:.*\n){19}q quit .*\n\Z")
        terminal.type("q")
        terminal.restored()

    def test_plain_text(self):
        self.load(2)
        done = self.penstock.ctl("top", "--interval", "200ms", check=0)
        self.assertRegex(done.stdout, r"(?m)\Apenstockd \S+, up .*, at ")
        self.assertRegex(done.stdout, r"(?m)^ +1 +1 .*[KM]iB/s .* http://\S+drip=20,10000$")
        self.assertNotIn("\x1b", done.stdout)
        self.assertNotIn("q quit", done.stdout)
        ascii = self.penstock.ctl("top", "--interval", "200ms", check=0, env={**os.environ, "LC_ALL": "C"}).stdout
        self.assertTrue(ascii.isascii(), ascii)
        many = self.penstock.ctl("top", "--count", "3", "--interval", "100ms", check=0).stdout
        self.assertEqual(len(re.findall(r"(?m)^penstockd ", many)), 3)

    def test_dumb_terminal(self):
        terminal = Terminal(self, 100, 30)
        terminal.start(f"TERM=dumb {CTL} --socket {self.penstock.socket} top --interval 100ms; echo status=$?")
        screen = terminal.shows(r"^status=0$")
        self.assertIn("nothing runs", screen)

    def test_json(self):
        lines = self.penstock.ctl("--json", "top", "--count", "2", "--interval", "100ms", check=0).stdout.splitlines()
        self.assertEqual([json.loads(line)["running"] for line in lines], [[], []])

    def test_wrong_options(self):
        for options in (["--interval", "1ms"], ["--interval", "x"], ["--count", "0"]):
            self.assertEqual(self.penstock.ctl("top", *options).returncode, 2)

    def test_what_is_wrong_is_shown(self):
        self.penstock.call("pause")
        self.penstock.submit(self.web.url("/bytes?n=1"))
        screen = self.penstock.ctl("top", "--interval", "100ms", check=0).stdout
        self.assertIn("Paused: nothing starts", screen)
        self.assertRegex(screen, r"(?m)^jobs +0 running +1 queued")


class Page(penstock_test.Case):
    """The method: a page, whatever there is."""

    def test_many_jobs_and_hosts(self):
        web = self.origin()
        daemon = self.daemon({"parse.workers": "150", "daemon.drain": "100ms",
                              "fetch.host_connections": "3"})
        port = web.base.rpartition(":")[2]
        jobs = [{"url": f"http://127.0.0.{i}:{port}/silence?{i}"} for i in range(2, 122)]
        self.assertEqual(len(daemon.call("submit", jobs)), 120)
        until(lambda: daemon.call("top")["active"] == 120, "all run")
        page = daemon.call("top", {"limit": 10})
        self.assertEqual([job["id"] for job in page["running"]], list(range(1, 11)))
        self.assertEqual((len(page["hosts"]), page["known_hosts"], page["jobs"]["running"]), (10, 120, 120))
        self.assertEqual(len(daemon.call("top", {"limit": 500})["hosts"]), 64)
        daemon.call("pause", {"host": "127.0.0.100"})
        self.assertEqual(daemon.call("top", {"limit": 1})["hosts"][0], {**daemon.call("top", {"limit": 1})["hosts"][0],
                         "name": "127.0.0.100", "state": "paused", "running": 1})
        daemon.call("cancel", {"state": "running"})


if __name__ == "__main__":
    penstock_test.main()
