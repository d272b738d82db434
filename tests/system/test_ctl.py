# label: sanitize
"""penstockctl: what it prints and how it exits."""
import contextlib
import json
import os
import pathlib
import pty
import signal
import socket
import subprocess

import penstock_test
from penstock_test import until

CTL = penstock_test.BIN / "penstockctl"
WELL, FAILED, USAGE, REFUSED, INTERRUPTED = 0, 1, 2, 3, 130


class Alone(penstock_test.Case):
    """Without a daemon."""

    def test_help(self):
        whole = penstock_test.run(CTL, "--help", check=WELL).stdout
        for command in ("submit", "list", "show", "wait", "follow", "cancel", "retry", "ping", "stats", "parsers"):
            with self.subTest(command=command):
                self.assertIn(command, whole)
                own = penstock_test.run(CTL, command, "--help", check=WELL)
                self.assertTrue(own.stdout.startswith(f"usage: penstockctl {command}"), own.stdout)
        penstock_test.run(CTL, "--version", check=WELL)

    def test_a_daemon_that_is_being_started(self):
        """On a terminal it is waited for a moment: who pastes several lines starts it with one and asks it with the next."""
        for attempt in range(10):  # the moment may have passed on a machine that has much to do
            path = self.dir / f"late{attempt}"
            main, side = pty.openpty()
            client = subprocess.Popen([CTL, "--socket", path, "ping"], stdin=side, stdout=subprocess.PIPE, stderr=side)
            os.close(side)
            until(lambda: client.poll() is not None or "poll" in pathlib.Path(f"/proc/{client.pid}/wchan").read_text(), "it waits")
            server = socket.socket(socket.AF_UNIX)
            server.bind(str(path))
            server.listen()
            server.settimeout(0.1)
            connection = None
            while connection is None and client.poll() is None:
                with contextlib.suppress(TimeoutError):
                    connection = server.accept()[0]
            server.close()
            os.close(main)
            client.stdout.close()
            client.kill()
            client.wait()
            if connection:
                connection.close()
                return
        self.fail("it never asks again")

    def test_usage_errors(self):
        for arguments in ([], ["nonsense"], ["submit"], ["show"], ["show", "x"], ["wait"], ["submit", "http://x/", "--nonsense"],
                          ["submit", "http://x/", "--parser"], ["submit", "http://x/", "--label", "k"]):
            with self.subTest(arguments=arguments):
                done = penstock_test.run(CTL, "--socket", self.dir / "none", *arguments)
                self.assertEqual(done.returncode, USAGE, done.stderr)
                self.assertTrue(done.stderr)
                self.assertEqual(done.stdout, "")

    def test_unreachable(self):
        for arguments in (["ping"], ["submit", "http://example.org/"], ["list"], ["stats"], ["follow"]):
            with self.subTest(arguments=arguments):
                done = penstock_test.run(CTL, "--socket", self.dir / "none", *arguments)
                self.assertEqual(done.returncode, REFUSED, done.stderr)
                self.assertIn(str(self.dir / "none"), done.stderr)


class Client(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.web = self.origin()
        self.penstock = self.daemon({"defaults.max_attempts": "1"})
        self.ctl = self.penstock.ctl
        self.good = self.web.url("/lines?n=100")
        self.bad = self.web.url("/lines?n=100&cut=50&etag=none&modified=0")

    def test_submit_prints_ids(self):
        done = self.ctl("submit", self.good, self.good, check=WELL)
        self.assertEqual(done.stdout, "1\n2\n")
        self.assertEqual(done.stderr, "")

    def test_options_stand_anywhere(self):
        for i, arguments in enumerate((["--parser", "lines", "submit", self.good], ["submit", "--parser", "lines", self.good],
                                       ["submit", self.good, "--parser", "lines"], ["submit", self.good, "--parser=lines"]), 1):
            self.ctl(*arguments, check=WELL)
            self.assertEqual(self.penstock.verdict(i)["parser"], "lines")

    def test_wait_tells_the_verdict(self):
        self.ctl("submit", self.good, "--wait", check=WELL)
        failed = self.ctl("submit", self.bad, "--wait", check=FAILED)
        self.assertIn("truncated", failed.stdout + failed.stderr)
        self.ctl("submit", self.good, self.bad, "--wait", check=FAILED)
        self.ctl("wait", "1", check=WELL)
        self.ctl("wait", "1", "2", check=FAILED)
        self.assertEqual(self.ctl("wait", "4711").returncode, REFUSED)

    def test_follow(self):
        done = self.ctl("submit", self.good, "--parser", "lines", "--follow", check=WELL)
        lines = [json.loads(l) for l in done.stdout.splitlines() if l.startswith("{")]
        self.assertEqual([e["data"] for e in lines if e["event"] == "record"], [{"line": i, "text": f"line {i}"} for i in range(1, 101)])
        self.assertEqual(lines[-1]["event"], "verdict")
        self.ctl("submit", self.bad, "--follow", check=FAILED)
        again = self.ctl("follow", "1", check=WELL)
        self.assertIn('"verdict"', again.stdout)

    def test_data(self):
        done = self.ctl("submit", self.good, "--parser", "lines", "--follow", "--data", check=WELL)
        self.assertEqual([json.loads(l)["text"] for l in done.stdout.splitlines()], [f"line {i}" for i in range(1, 101)])

    def test_json(self):
        """One object a line, everywhere."""
        self.ctl("submit", self.good, "--wait", check=WELL)
        for arguments in (["submit", self.good], ["submit", self.good, "--wait"], ["list"], ["show", "1"], ["wait", "1"], ["ping"],
                          ["stats"], ["parsers"], ["cancel", "1"], ["retry", "1"], ["submit", self.good, "--follow"]):
            with self.subTest(arguments=arguments):
                done = self.ctl("--json", *arguments, check=WELL)
                self.assertTrue(done.stdout)
                for line in done.stdout.splitlines():
                    self.assertIsInstance(json.loads(line), dict, line)

    def test_from_file(self):
        text = f'{self.good}\n{{"url": "{self.good}", "parser": "lines"}}\n'
        done = self.ctl("submit", "--from", self.wrote("list", text), check=WELL)
        self.assertEqual(done.stdout, "1\n2\n")
        self.assertEqual(self.penstock.verdict(2)["parser"], "lines")
        done = self.ctl("submit", "--from", "-", "--parser", "count", input=text)
        self.assertEqual(done.stdout, "3\n4\n")

    def test_from_file_with_errors(self):
        """A bad line is told with its number and stops no other."""
        path = self.wrote("list", f"{self.good}\nftp://example.org/\n{{\n{self.good}\n")
        done = self.ctl("submit", "--from", path)
        self.assertNotEqual(done.returncode, WELL)
        self.assertEqual(done.stdout.splitlines(), ["1", "2"])
        self.assertIn("2", done.stderr)
        self.assertIn("3", done.stderr)

    def test_many_from_file(self):
        path = self.wrote("list", f"{self.web.url('/bytes?n=1')}\n" * 5000)
        done = self.ctl("submit", "--from", path, check=WELL)
        self.assertEqual(done.stdout.split(), [str(i) for i in range(1, 5001)])

    def test_refusal_names_the_field(self):
        done = self.ctl("submit", "http://user:pw@example.org/")
        self.assertIn(done.returncode, (USAGE, REFUSED))
        self.assertIn("credential", done.stderr)
        done = self.ctl("submit", self.good, "--parser", "nothing")
        self.assertIn(done.returncode, (USAGE, REFUSED))
        self.assertIn("nothing", done.stderr)

    def test_show_list_cancel_retry(self):
        self.ctl("submit", self.good, "--wait", check=WELL)
        self.assertIn("done", self.ctl("show", "1", check=WELL).stdout)
        self.assertEqual(self.ctl("show", "99").returncode, REFUSED)
        self.assertIn("1", self.ctl("list", check=WELL).stdout)
        held = self.ctl("submit", self.web.url("/silence"), check=WELL).stdout.strip()
        self.ctl("cancel", held, check=WELL)
        self.assert_verdict(self.penstock.verdict(int(held)), "cancelled")
        self.assertEqual(self.ctl("wait", held).returncode, FAILED)
        self.assertIn("3", self.ctl("retry", "1", check=WELL).stdout)

    def test_socket_from_the_environment(self):
        done = penstock_test.run(CTL, "ping", check=WELL, env={**os.environ, "PENSTOCK_SOCKET": str(self.penstock.socket)})
        self.assertEqual(done.stderr, "")

    def test_ctrl_c_leaves_the_job_running(self):
        client = subprocess.Popen([CTL, "--socket", self.penstock.socket, "submit", self.web.url("/bytes?n=10&hold=gate&hold_at=5"),
                                   "--wait"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        until(lambda: self.web.counts("/bytes").get("held"), "the job runs")
        until(lambda: self.penstock.call("list", {"state": "running"})["jobs"], "it is told so")
        client.send_signal(signal.SIGINT)
        out, err = client.communicate(timeout=penstock_test.DEADLINE)
        self.assertEqual(client.returncode, INTERRUPTED, err)
        self.assertIn("1", out + err)
        self.assertEqual(self.penstock.state(1), "running")
        self.web.release("gate")
        self.assert_verdict(self.penstock.verdict(1), "done")

    def test_output_closed(self):
        """penstockctl … | head -1 ends."""
        job = f"{CTL} --socket {self.penstock.socket} submit '{self.web.url('/lines?n=100000')}' --parser lines --follow | head -n 1"
        done = penstock_test.run("bash", "-c", job, check=0)
        self.assertEqual(len(done.stdout.splitlines()), 1)

    def test_progress_on_a_terminal(self):
        """A terminal gets a progress line, a pipe does not."""
        main, side = pty.openpty()
        self.addCleanup(os.close, main)
        url = self.web.url("/bytes?n=1000000&drip=25,20000")
        client = subprocess.Popen([CTL, "--socket", self.penstock.socket, "submit", url, "--wait"], stdin=side, stdout=side, stderr=side,
                                  env={**os.environ, "TERM": "xterm"})
        os.close(side)
        data = b""
        while True:
            try:
                piece = os.read(main, 65536)
            except OSError:
                break
            if not piece:
                break
            data += piece
        self.assertEqual(client.wait(penstock_test.DEADLINE), WELL)
        self.assertIn(b"\r", data.replace(b"\r\n", b"\n"))
        done = self.ctl("submit", self.good, "--wait", check=WELL)
        self.assertNotIn("\r", done.stdout + done.stderr)

    def test_the_daemon_dies(self):
        client = subprocess.Popen([CTL, "--socket", self.penstock.socket, "submit", self.web.url("/silence"), "--wait"],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        until(lambda: self.web.counts("/silence").get("stalled"), "the job runs")
        self.penstock.kill()
        out, err = client.communicate(timeout=penstock_test.DEADLINE)
        self.assertEqual(client.returncode, REFUSED, out + err)
        self.assertTrue(err)


if __name__ == "__main__":
    penstock_test.main()
