# label: sanitize
"""`penstockctl run URL -- COMMAND`: no command takes a cut for an end."""
import os
import pathlib
import signal
import subprocess

import penstock_test
from penstock_test import DEADLINE, until

CTL = penstock_test.BIN / "penstockctl"

SAYS_END = "cat > /dev/null; echo SAW END"


def processes_with(text):
    """Those whose command line has it."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if text.encode() in (entry / "cmdline").read_bytes():
                    found.append(entry.name)
            except OSError:
                pass  # it has ended
    return found


def open_files(pid):
    found = []
    for entry in os.listdir(f"/proc/{pid}/fd"):
        try:
            found.append(os.readlink(f"/proc/{pid}/fd/{entry}"))
        except OSError:
            pass  # it was closed meanwhile
    return found


class Run(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.web = self.origin()
        self.penstock = self.daemon({"fetch.resume_delay": "5ms"})

    def command(self, url, *command, options=()):
        return [str(CTL), "--socket", str(self.penstock.socket), "run", url, *options, "--", *command]

    def run_it(self, path, *command, options=()):
        return subprocess.run(self.command(self.web.url(path), *command, options=options), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=DEADLINE)

    def start(self, path, *command):
        return subprocess.Popen(self.command(self.web.url(path), *command), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def test_whole(self):
        done = self.run_it("/lines?n=100000", "wc", "-l")
        self.assertEqual((done.returncode, done.stdout.strip(), done.stderr), (0, "100000", ""))
        verdict = self.penstock.verdict(1)
        self.assert_verdict(verdict, "done", None, "length")
        self.assertEqual(verdict["parser"], "run")

    def test_behind_many(self):
        """More jobs of its host wait than are kept in memory; a command's job is, as only the daemon has its pipe."""
        url = self.web.url("/lines?n=10&hold=busy")
        with self.penstock.rpc() as rpc:
            rpc.call("submit", [{"url": url}] * 500)
            client = self.start("/lines?n=10", "sh", "-c", SAYS_END)
            until(lambda: rpc.call("stats")["jobs"]["queued"] + rpc.call("stats")["jobs"]["running"] == 501, "it is queued")
            self.web.release("busy")
            out, _ = client.communicate(timeout=DEADLINE)
            self.assertEqual((client.returncode, out), (0, "SAW END\n"))
            until(lambda: rpc.call("stats")["jobs"]["done"] == 501, "all have ended")

        done = self.run_it("/bytes?n=0", "sh", "-c", SAYS_END)
        self.assertEqual((done.returncode, done.stdout), (0, "SAW END\n"))

    def test_large(self):
        done = self.run_it("/bytes?n=200M", "wc", "-c")
        self.assertEqual((done.returncode, done.stdout.strip()), (0, str(200 << 20)))

    def test_resumed(self):
        """The command does not notice that the connection died forty times."""
        done = self.run_it("/lines?n=100000&cut=30000&etag=strong", "wc", "-l")
        self.assertEqual((done.returncode, done.stdout.strip()), (0, "100000"), done.stderr)
        self.assertGreater(self.penstock.verdict(1)["resumes"], 20)

    def test_cut(self):
        for how in ("cut=5000&etag=weak", "framing=chunked&cut=5000&etag=none&modified=0", "reset=5000&etag=weak"):
            with self.subTest(how=how):
                done = self.run_it(f"/lines?n=100000&{how}", "sh", "-c", SAYS_END)
                self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
                self.assertIn("truncated", done.stderr)

    def test_unverified_end(self):
        done = self.run_it("/lines?n=10&framing=close", "sh", "-c", SAYS_END)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("unverified_end", done.stderr)
        done = self.run_it("/lines?n=10&framing=close", "sh", "-c", SAYS_END, options=["--unverified", "accept"])
        self.assertEqual((done.returncode, done.stdout), (0, "SAW END\n"))

    def test_never_started_without_a_body(self):
        done = self.run_it("/nothing", "sh", "-c", "echo STARTED; " + SAYS_END)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("http_status", done.stderr)

    def test_status_is_the_commands(self):
        for command, status in ((["sh", "-c", "cat > /dev/null; exit 7"], 7), (["sh", "-c", "exit 3"], 3),
                                (["sh", "-c", "kill -TERM $$"], 128 + signal.SIGTERM), (["no-such-command"], 127),
                                (["/etc/passwd"], 126)):
            with self.subTest(command=command):
                self.assertEqual(self.run_it("/lines?n=100", *command).returncode, status)

    def test_early_end_is_enough(self):
        done = self.run_it("/lines?endless=1", "head", "-n", "3")
        self.assertEqual((done.returncode, done.stdout), (0, "line 1\nline 2\nline 3\n"), done.stderr)
        self.assert_verdict(self.penstock.verdict(1), "done", None, "enough")

    def test_interrupted(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(signal=number):
                client = self.start("/lines?endless=1", "sh", "-c", "echo STARTED; " + SAYS_END)
                self.assertEqual(client.stdout.readline(), "STARTED\n")
                client.send_signal(number)
                out, _ = client.communicate(timeout=DEADLINE)
                self.assertEqual((client.returncode, out), (128 + number, ""))
        until(lambda: len(self.penstock.events("verdict")) == 3, "each job has its verdict")
        self.assertEqual({v["state"] for v in self.penstock.events("verdict")}, {"cancelled"})

    def test_cancelled(self):
        client = self.start("/lines?endless=1", "sh", "-c", "echo STARTED; " + SAYS_END)
        self.assertEqual(client.stdout.readline(), "STARTED\n")
        self.penstock.call("cancel", {"id": 1})
        out, err = client.communicate(timeout=DEADLINE)
        self.assertEqual((client.returncode, out), (1, ""))
        self.assertIn("cancelled", err)

    def test_the_daemon_is_killed(self):
        """Descendants that left the command's group and session do not see an end either."""
        script = "exec 3<&0; setsid sh -c '" + SAYS_END + "' <&3 & echo STARTED; wait; " + SAYS_END
        clients = [self.start("/lines?endless=1&drip=5,100", "sh", "-c", script) for _ in range(5)]
        for client in clients:
            self.assertEqual(client.stdout.readline(), "STARTED\n")
        self.penstock.kill()
        for client in clients:
            out, _ = client.communicate(timeout=DEADLINE)
            self.assertEqual((client.returncode, out), (1, ""))

    def workers(self, client):
        """The processes of the client's that run the command."""
        children = pathlib.Path(f"/proc/{client.pid}/task/{client.pid}/children").read_text().split()
        self.assertEqual([pathlib.Path(f"/proc/{p}/comm").read_text() for p in children], ["penstock-run\n"])
        return [int(p) for p in children]

    def test_the_client_is_killed(self):
        """Either of its processes, or the group that it was started in; nothing that COMMAND has started sees an end,
        and nothing of it is left. What has ended by itself before must not be in the way."""
        script = ("exec 3<&0; echo >>{0}.started; setsid sh -c 'echo >>{0}.started; cat >/dev/null; echo END >{0}.end' <&3 & "
                  "(cat >/dev/null; echo END >{0}.end) <&3 & (cat <&3; echo END >&4) 4>{0}.end | cat >{0}.data; wait; echo END >{0}.end")
        for name, kill in (("front", lambda c: os.kill(c.pid, signal.SIGKILL)), ("group", lambda c: os.killpg(c.pid, signal.SIGKILL)),
                           ("worker", lambda c: os.kill(self.workers(c)[0], signal.SIGKILL))):
            with self.subTest(killed=name):
                clients = []
                for n in range(5):
                    path = self.dir / f"{name}{n}"
                    command = self.command(self.web.url("/lines?endless=1&drip=5,100"), "sh", "-c", script.format(path))
                    clients.append((path, subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                                           stderr=subprocess.PIPE, text=True, start_new_session=True)))
                for path, client in clients:
                    started, data = pathlib.Path(f"{path}.started"), pathlib.Path(f"{path}.data")
                    until(lambda: started.exists() and started.stat().st_size == 2 and data.exists() and data.stat().st_size,
                          "the command reads")
                    kill(client)
                for path, client in clients:
                    _, err = client.communicate(timeout=DEADLINE)
                    self.assertEqual(client.returncode, 1 if name == "worker" else -signal.SIGKILL)
                    if name == "worker":
                        self.assertIn("was killed by signal 9", err)
                    until(lambda: not processes_with(f"{path}."), "nothing of it is left")
                    self.assertIn(os.stat(f"{path}.end").st_size, (0,))
        until(lambda: len(self.penstock.events("verdict")) == 15, "each job has its verdict")

    def test_signals_reach_the_command_once(self):
        """A terminal's group has only the process in front; the exit status is as ever."""
        client = self.start("/lines?endless=1", "sh", "-c", "echo STARTED; " + SAYS_END)
        self.assertEqual(client.stdout.readline(), "STARTED\n")
        self.assertNotEqual(os.getpgid(self.workers(client)[0]), os.getpgid(client.pid))
        client.send_signal(signal.SIGTERM)
        out, err = client.communicate(timeout=DEADLINE)
        self.assertEqual((client.returncode, out, err.count("interrupted")), (128 + signal.SIGTERM, "", 1))

    def test_the_client_goes_after_its_command(self):
        """`exited` was said, the verdict cannot be written, and the connection goes: one verdict, no harm."""
        link, good = self.dir / "link", self.dir / "good"
        link.symlink_to(good)
        config = self.dir / "c"
        config.write_text(f'[sink "r"]\ntype = file\npath = {link}\n')
        daemon = self.daemon(config=config)
        daemon.log = good
        read, write = os.pipe()
        with daemon.rpc() as rpc:
            rpc.pass_fd(write, {"jsonrpc": "2.0", "id": 9, "method": "run", "params": {"url": self.web.url("/lines?n=10")}})
            self.assertEqual(rpc.receive()["result"]["id"], 1)
            self.assertEqual(rpc.receive()["method"], "begin")
            self.assertEqual(rpc.receive()["method"], "complete")
            link.unlink()
            link.symlink_to("/dev/full")
            daemon.signal(signal.SIGHUP)
            until(lambda: "/dev/full" in open_files(daemon.process.pid), "the log is opened anew")
            rpc.send({"jsonrpc": "2.0", "id": 10, "method": "exited", "params": {"id": 1, "status": 0}})
            until(lambda: daemon.call("stats")["sinks"][0]["failing"], "the verdict waits for the log")
        os.close(read)
        os.close(write)
        until(lambda: daemon.call("stats")["control"]["clients"] == 1, "the client has gone")
        link.unlink()
        link.symlink_to(good)
        daemon.signal(signal.SIGHUP)
        self.assert_verdict(daemon.verdict(1), "done", None, "length")

    def test_a_pipe_is_wanted(self):
        with self.penstock.rpc() as rpc:
            error = rpc.fail("run", {"url": self.web.url("/lines?n=1")})
            self.assertIn("descriptor", error["message"])
            read, write = os.pipe()
            with open("/dev/null", "wb") as null:
                for fd in (read, null.fileno()):
                    rpc.pass_fd(fd, {"jsonrpc": "2.0", "id": 9, "method": "run", "params": {"url": self.web.url("/lines?n=1")}})
                    self.assertIn("write end of a pipe", rpc.receive()["error"]["message"])
            os.close(read)
            os.close(write)
        self.assertIn("run", self.daemon().rpc().fail("submit", {"url": "http://example.org/", "run": True})["message"])

    def test_an_unknown_member_is_named(self):
        """For the sanitizers: the name is the job's own, and outlives the refusal."""
        read, write = os.pipe()
        with self.penstock.rpc() as rpc:
            for name in ("urk", "x" * 200):
                rpc.pass_fd(write, {"jsonrpc": "2.0", "id": 9, "method": "run", "params": {"url": self.web.url("/lines?n=1"), name: 1}})
                error = rpc.receive()["error"]
                self.assertIn(error["data"]["field"], error["message"])
                self.assertTrue(name.startswith(error["data"]["field"]), error)
        os.close(read)
        os.close(write)

    def test_usage(self):
        for arguments in (["run", "http://x/", "wc"], ["run", "http://x/", "--"], ["run", "--", "wc"]):
            done = subprocess.run([str(CTL), "--socket", str(self.penstock.socket), *arguments], capture_output=True, text=True)
            self.assertEqual(done.returncode, 2, done.stderr)


if __name__ == "__main__":
    penstock_test.main()
