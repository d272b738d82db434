# label: sanitize
"""The daemon's life: start, config, reload, drain, stop, and what it leaves behind."""
import contextlib
import json
import os
import pathlib
import re
import resource
import signal
import socket
import stat
import subprocess

import penstock_test
from penstock_test import until

DRAINING = -32003


class Start(penstock_test.Case):
    def check(self, text, status, *, sets=()):
        config = self.wrote("penstockd.conf", text)
        return penstock_test.run(penstock_test.BIN / "penstockd", "--config", config, "--check",
                                 *(a for s in sets for a in ("--set", s)), check=status)

    def test_version_and_help(self):
        version = penstock_test.run(penstock_test.BIN / "penstockd", "--version", check=0)
        lines = version.stdout.splitlines()
        self.assertRegex(lines[0], r"^penstockd \d+\.\d+\.\d+$")
        self.assertEqual([line.split()[0] for line in lines[1:]], ["libcurl", "libuv", "SQLite"])
        for line in lines[1:]:
            self.assertRegex(line, r"^\S+ \d+\.\d+\.\d+\S* \(tested with \d[\d., ]+\)$")
        usage = penstock_test.run(penstock_test.BIN / "penstockd", "--help", check=0)
        for word in ("--config", "--set", "--check", "--parse", "--version"):
            self.assertIn(word, usage.stdout)
        self.assertEqual(usage.stderr, "")

    def test_bad_option(self):
        done = penstock_test.run(penstock_test.BIN / "penstockd", "--no-such-option")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--no-such-option", done.stderr)

    def test_check_of_the_shipped_config(self):
        """Every key in it exists, and its commented default is a good value."""
        shipped = (penstock_test.ROOT / "config" / "penstockd.conf").read_text()
        self.check(shipped, 0)

    def test_check_good(self):
        done = self.check("[daemon]\ndrain = 5s\n[sink \"a\"]\ntype = file\npath = %s\nevents = record verdict\n"
                          "[host \"*.example.org\"]\nconnections = 2\n[parser \"semi\"]\ntype = csv\n" % (self.dir / "log"), 0)
        self.assertEqual(done.stderr, "")
        self.assertFalse((self.dir / "log").exists(), "--check must change nothing")

    def test_check_bad(self):
        for text, line, words in (
                ("[daemon]\ndrian = 5s\n", 2, ["drian", "drain"]),
                ("[deamon]\ndrain = 5s\n", 1, ["deamon"]),
                ("[daemon]\n\n# a comment\ndrain = soon\n", 4, ["drain", "soon"]),
                ("[parse]\nworkers = 0\n", 2, ["workers"]),
                ("[parse]\nworkers = -1\n", 2, ["workers"]),
                ("[policy]\nallow = 127.0.0.0/33\n", 2, ["127.0.0.0/33"]),
                ("[store]\nengine = punchcards\n", 2, ["engine", "punchcards"]),
                ("[sink \"x\"]\ntype = file\n", None, ["path"]),
                ("[sink \"x\"]\ntype = file\npath = /tmp/x\nevents = record verdikt\n", 4, ["verdikt"]),
                ("[parser \"x\"]\ntype = nothing\n", None, ["nothing"]),
                ("[defaults]\nmax_body = 1X\n", 2, ["max_body", "1X"]),
                ("[defaults]\nparser = nothing\n", 0, ["defaults", "parser", "nothing"]),
                ("drain = 5s\n", 1, ["drain"]),
                ("[daemon\ndrain = 5s\n", 1, []),
        ):
            with self.subTest(text=text):
                done = self.checked(text)
                if line != 0:
                    self.assertIn(f"penstockd.conf:{line or ''}", done.stderr)
                for word in words:
                    self.assertIn(word, done.stderr)
                self.assertLessEqual(len(done.stderr.splitlines()), 2, done.stderr)

    def checked(self, text):
        done = self.check(text, None)
        self.assertNotEqual(done.returncode, 0, "it was accepted")
        self.assertGreater(done.returncode, 0)
        return done

    def test_bad_set(self):
        for assignment in ("daemon.drian=1", "daemon=1", "drain=1", "daemon.drain", "=", "daemon.drain=x"):
            with self.subTest(assignment=assignment):
                done = penstock_test.run(penstock_test.BIN / "penstockd", "--check", "--config", "/dev/null",
                                         "--set", assignment)
                self.assertGreater(done.returncode, 0)
                self.assertTrue(done.stderr)

    def test_missing_config(self):
        done = penstock_test.run(penstock_test.BIN / "penstockd", "--check", "--config", self.dir / "none.conf")
        self.assertGreater(done.returncode, 0)
        self.assertIn("none.conf", done.stderr)

    def test_drop_ins(self):
        config = self.wrote("penstockd.conf", "[daemon]\ndrain = 5s\n")
        self.wrote("penstockd.conf.d/10-bad.conf", "[daemon]\nno_key = 1\n")
        done = penstock_test.run(penstock_test.BIN / "penstockd", "--check", "--config", config)
        self.assertGreater(done.returncode, 0)
        self.assertIn("10-bad.conf:2", done.stderr)

    def test_starts_without_a_config(self):
        """As any user, with nothing but a runtime directory; the socket is its owner's alone or its group's."""
        env = {**os.environ, "XDG_RUNTIME_DIR": str(self.dir), "RUNTIME_DIRECTORY": str(self.dir),
               "STATE_DIRECTORY": str(self.dir), "HOME": str(self.dir)}
        daemon = self.daemon({"control.socket": None, "policy.allow": None}, wait=False, env=env)
        path = self.dir / "control.sock"
        until(lambda: path.exists() or not daemon.alive(), "a socket in the runtime directory")
        daemon.socket = path
        until(daemon.ready, "the daemon answers")
        self.assertTrue(stat.S_ISSOCK(path.stat().st_mode))
        self.assertEqual(path.stat().st_mode & 0o007, 0)
        daemon.stop()
        self.assertFalse(path.exists(), "the socket is left behind")

    def test_socket_mode(self):
        daemon = self.daemon({"control.mode": "0600"})
        self.assertEqual(daemon.socket.stat().st_mode & 0o777, 0o600)

    def test_second_daemon_is_refused(self):
        first = self.daemon()
        second = self.daemon({"control.socket": first.socket}, wait=False)
        self.assertGreater(second.exit_status(), 0)
        self.assertIn(str(first.socket), second.errors())
        first.call("ping")

    def test_stale_socket_is_replaced(self):
        first = self.daemon()
        first.process.kill()
        first.process.wait()
        self.assertTrue(first.socket.exists())
        second = self.daemon({"control.socket": first.socket}, wait=False)
        second.socket = first.socket
        until(second.ready, "the second daemon answers")

    def test_a_file_in_the_sockets_place_is_kept(self):
        path = self.wrote("precious", "data")
        daemon = self.daemon({"control.socket": path}, wait=False)
        self.assertGreater(daemon.exit_status(), 0)
        self.assertIn(str(path), daemon.errors())
        self.assertEqual(path.read_text(), "data")

    def test_socket_path_too_long(self):
        path = self.dir / ("x" * 120)
        daemon = self.daemon({"control.socket": path}, wait=False)
        self.assertGreater(daemon.exit_status(), 0)
        self.assertIn("107", daemon.errors())

    def test_unwritable_log(self):
        daemon = self.daemon(config=self.wrote("c", '[sink "x"]\ntype = file\npath = /no/such/dir/log\n'), wait=False)
        self.assertGreater(daemon.exit_status(), 0)
        self.assertIn("/no/such/dir/log", daemon.errors())


class Stop(penstock_test.Case):
    def test_one_thread_takes_signals(self):
        """At its end that one takes none either; then a second SIGTERM, to any thread, would be the daemon's end."""
        daemon = self.daemon()
        taking = []
        for task in pathlib.Path("/proc", str(daemon.pid), "task").iterdir():
            blocked = int(re.search(r"SigBlk:\s*(\w+)", (task / "status").read_text())[1], 16)
            if not blocked >> (signal.SIGTERM - 1) & 1:
                taking.append(int(task.name))
        self.assertEqual(taking, [daemon.pid])

    def setUp(self):
        super().setUp()
        self.web = self.origin()

    def held(self, daemon, name="gate"):
        """A job that runs until the origin releases it."""
        job = daemon.submit(self.web.url(f"/bytes?n=1000&hold={name}&hold_at=500"))
        until(lambda: self.web.counts("/bytes").get("held", 0) > 0, "the origin holds the body")
        return job

    def test_drain_lets_running_jobs_end(self):
        daemon = self.daemon({"daemon.drain": "60s", "parse.workers": "1"})
        rpc = daemon.rpc()
        running = self.held(daemon)
        queued = daemon.submit(self.web.url("/bytes?n=10"))
        daemon.signal(signal.SIGTERM)
        until(lambda: "error" in rpc.answer("submit", {"url": self.web.url("/bytes?n=10")}), "nothing new is accepted")
        self.assertEqual(rpc.fail("submit", {"url": self.web.url("/bytes?n=10")})["code"], DRAINING)
        self.assertTrue(daemon.alive())
        self.web.release("gate")
        self.assert_verdict(daemon.verdict(running), "done")
        self.assertEqual(daemon.exit_status(), 0)
        self.assert_verdict(daemon.verdict(queued), "cancelled")
        self.assertEqual(daemon.events("stop")[-1], daemon.lines()[-1])

    def test_drain_has_an_end(self):
        daemon = self.daemon({"daemon.drain": "50ms"})
        job = self.held(daemon)
        daemon.stop()
        self.assertEqual(daemon.verdict(job)["state"], "cancelled")

    def test_second_sigterm_stops_at_once(self):
        daemon = self.daemon({"daemon.drain": "1h"})
        rpc = daemon.rpc()
        job = self.held(daemon)
        daemon.signal(signal.SIGTERM)
        until(lambda: "error" in rpc.answer("submit", {"url": self.web.url("/bytes?n=10")}), "it drains")
        daemon.signal(signal.SIGTERM)
        self.assertEqual(daemon.exit_status(), 0)
        self.assertEqual(daemon.verdict(job)["state"], "cancelled")

    def test_sigint_is_as_sigterm(self):
        daemon = self.daemon()
        daemon.signal(signal.SIGINT)
        self.assertEqual(daemon.exit_status(), 0)

    def test_every_job_has_one_verdict(self):
        daemon = self.daemon({"daemon.drain": "20ms", "parse.workers": "4"})
        with daemon.rpc() as rpc:
            jobs = [rpc.call("submit", {"url": self.web.url(f"/bytes?n=200000&drip=1,{s}")})["id"]
                    for _ in range(25) for s in (50000, 5000, 500, 50)]
        until(lambda: len(daemon.events("verdict")) >= 5, "some have ended")
        daemon.stop()
        self.assertEqual(sorted(v["job"] for v in daemon.events("verdict")), sorted(jobs))

    def test_stdout_gone(self):
        """Nobody reads the log any more: it drains, and ends with 1."""
        daemon = self.daemon(stdout=subprocess.PIPE)
        daemon.process.stdout.close()
        daemon.process.stdout = None
        with contextlib.suppress(AssertionError, OSError):  # it may have gone by then, if its first line was late
            daemon.submit(self.web.url("/bytes?n=10"))
        self.assertEqual(daemon.exit_status(), 1)
        self.assertTrue(daemon.errors())

    def test_nothing_is_left_behind(self):
        """After many jobs of every kind, descriptors and threads are as many as before."""
        daemon = self.daemon({"defaults.max_attempts": "1", "defaults.first_byte_timeout": "100ms",
                              "parse.workers": "8"})
        paths = ["/bytes?n=100000", "/bytes?n=100000&cut=500&etag=none&modified=0", "/silence", "/bytes?n=10&status=404",
                 "/lines?n=1000&framing=chunked", "/bytes?n=10&close=1", "/bytes?n=1&redirects=2"]

        def batch():
            with daemon.rpc() as rpc:
                ids = [rpc.call("submit", {"url": self.web.url(p)})["id"] for p in paths for _ in range(8)]
                rpc.call("wait", {"ids": ids})

        batch()
        # Idle connections come and go, up to fetch.host_connections; a leak would be one a job, at 56 a batch.
        fds = penstock_test.fds_of(daemon.pid) + 8
        for _ in range(6):
            batch()
        until(lambda: penstock_test.fds_of(daemon.pid) <= fds, f"at most {fds} descriptors are open")
        self.assertLessEqual(penstock_test.threads_of(daemon.pid), 8 + 12)
        before = set(os.listdir(self.dir))
        daemon.stop()
        gone = before - set(os.listdir(self.dir))
        self.assertIn(daemon.socket.name, gone)

    def test_descriptors_are_close_on_exec(self):
        daemon = self.daemon()
        job = self.held(daemon)
        # libcurl's own wake-up pairs are closed in children; sockets without a name are those.
        rows = [l.split() for l in pathlib.Path(f"/proc/{daemon.pid}/net/unix").read_text().splitlines()[1:]]
        library_sockets = {f"socket:[{r[6]}]" for r in rows if len(r) == 7}
        for fd in os.listdir(f"/proc/{daemon.pid}/fdinfo"):
            try:
                flags = pathlib.Path(f"/proc/{daemon.pid}/fdinfo/{fd}").read_text()
                target = os.readlink(f"/proc/{daemon.pid}/fd/{fd}")
            except FileNotFoundError:
                continue
            if int(fd) > 2 and target not in library_sockets:
                mode = int(next(l for l in flags.splitlines() if l.startswith("flags:")).split()[1], 8)
                self.assertTrue(mode & os.O_CLOEXEC, f"descriptor {fd} ({target}) is not close-on-exec")
        self.web.release("gate")
        daemon.verdict(job)


class Reload(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.web = self.origin()

    def test_sighup_reopens_files(self):
        log = self.dir / "records.jsonl"
        config = self.wrote("c", f'[sink "records"]\ntype = file\npath = {log}\n')
        daemon = self.daemon(config=config)
        first = daemon.submit(self.web.url("/bytes?n=1"))
        daemon.log = log
        daemon.verdict(first)
        old = log.rename(self.dir / "records.1")
        daemon.signal(signal.SIGHUP)
        until(log.exists, "the file is made anew")
        daemon.read_to, daemon.seen = 0, []
        second = daemon.submit(self.web.url("/bytes?n=2"))
        daemon.verdict(second)
        lines = [json.loads(l) for l in old.read_text().splitlines()]
        self.assertEqual([l["job"] for l in lines if l["event"] == "verdict"], [first])

    def test_a_bad_config_changes_nothing(self):
        config = self.wrote("c", "[daemon]\ndrain = 5s\n")
        daemon = self.daemon(config=config)
        self.wrote("c", "[daemon]\nno_such_key = 5s\n")
        daemon.signal(signal.SIGHUP)
        until(lambda: "no_such_key" in daemon.errors(), "the error is told")
        self.assert_verdict(daemon.job(self.web.url("/bytes?n=1")), "done")


class Sinks(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.web = self.origin()

    def test_a_failing_sink_drops_nothing(self):
        """A full disk (/dev/full): no new job starts, stats and stderr name it; once it is mended, all is there."""
        good, link = self.dir / "good.jsonl", self.dir / "link"
        link.symlink_to("/dev/full")
        daemon = self.daemon(config=self.wrote("c", f'[sink "records"]\ntype = file\npath = {link}\n'))
        trouble = until(lambda: [s for s in daemon.call("stats").get("sinks", []) if s.get("error")], "stats tell it")
        self.assertIn("records", json.dumps(trouble))
        until(lambda: "No space left" in daemon.errors(), "stderr tells it")
        job = daemon.submit(self.web.url("/lines?n=1000"), parser="lines")
        self.assertEqual(daemon.state(job), "queued")
        self.assertEqual(self.web.counts("/lines"), {})
        link.unlink()
        link.symlink_to(good)
        daemon.signal(signal.SIGHUP)
        until(good.exists, "it is opened anew")
        daemon.log = good
        self.assert_verdict(daemon.verdict(job), "done")
        self.assertEqual(len(daemon.records(job)), 1000)

    def test_a_stalled_log_does_not_keep_it_alive(self):
        """Nobody reads stdout, and the queue is full: a drain and a second SIGTERM still end it."""
        for second in (False, True):
            with self.subTest(second=second):
                daemon = self.daemon({"daemon.drain": "1h" if second else "200ms", "parse.abort_grace": "200ms"},
                                     stdout=subprocess.PIPE)
                job = daemon.submit(self.web.url("/lines?n=5000000"), parser="lines")
                until(lambda: daemon.call("stats")["sink_queued"] > 500000, "the queue is full")
                self.assertEqual(daemon.state(job), "running")
                daemon.signal(signal.SIGTERM)
                if second:
                    until(lambda: "SIGTERM" in daemon.errors(), "it drains")
                    daemon.signal(signal.SIGTERM)
                daemon.exit_status()
                self.assertIn("the log takes nothing", daemon.errors())

    def test_a_second_signal_does_not_wait_for_a_stalled_log(self):
        """With a long abort_grace: that is for parsers, and here nothing but the log is waited for."""
        daemon = self.daemon({"daemon.drain": "1h", "parse.abort_grace": "1h"}, stdout=subprocess.PIPE)
        daemon.submit(self.web.url("/lines?n=5000000"), parser="lines")
        until(lambda: daemon.call("stats")["sink_queued"] > 500000, "the queue is full")
        daemon.signal(signal.SIGTERM)
        until(lambda: "SIGTERM" in daemon.errors(), "it drains")
        daemon.signal(signal.SIGTERM)
        self.assertEqual(daemon.exit_status(), 1)
        self.assertIn("the log takes nothing", daemon.errors())

    def test_sinks_take_their_events(self):
        config = self.wrote("c", "".join(f'[sink "{n}"]\ntype = file\npath = {self.dir / n}\nevents = {e}\n' for n, e in (
            ("one", "record"), ("two", "verdict"), ("three", "record verdict"))))
        daemon = self.daemon(config=config)
        job = daemon.submit(self.web.url("/lines?n=3"), parser="lines")
        daemon.call("wait", {"ids": [job]})
        daemon.stop()
        found = {n: [json.loads(l)["event"] for l in (self.dir / n).read_text().splitlines()] for n in ("one", "two", "three")}
        self.assertEqual(found, {"one": ["record"] * 3, "two": ["verdict"], "three": ["record"] * 3 + ["verdict"]})


class Limits(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.web = self.origin()

    def test_few_descriptors(self):
        """More clients than descriptors: those that are in are served, the others wait, and all is well again."""
        daemon = self.daemon(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
        rpc = daemon.rpc()
        crowd = []
        for _ in range(100):
            client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            client.setblocking(False)
            client.connect_ex(str(daemon.socket))
            crowd.append(client)
        rpc.call("ping")
        for client in crowd:
            client.close()
        until(lambda: penstock_test.fds_of(daemon.pid) < 40, "the clients' descriptors are closed")
        self.assert_verdict(daemon.job(self.web.url("/bytes?n=1000")), "done")

    def test_one_of_everything(self):
        """One worker, one connection: nothing can wait in a circle, redirects included."""
        daemon = self.daemon({"parse.workers": "1", "fetch.host_connections": "1", "fetch.threads": "1"})
        with daemon.rpc() as rpc:
            ids = [rpc.call("submit", {"url": self.web.url(f"/lines?n=2000&redirects={i % 3}"), "parser": "lines"})["id"]
                   for i in range(30)]
            jobs = rpc.call("wait", {"ids": ids})["jobs"]
        self.assertEqual([j["state"] for j in jobs], ["done"] * 30)

    def test_memory_is_bounded(self):
        """A body of a gigabyte does not make the daemon grow."""
        size = 50 << 20 if penstock_test.SANITIZED else 1 << 30
        daemon = self.daemon()
        self.assert_verdict(daemon.job(self.web.url("/zeros?n=1000")), "done")
        before = penstock_test.memory_of(daemon.pid)
        job = daemon.submit(self.web.url(f"/zeros?n={size}"))
        seen = []

        def ended():
            seen.append(penstock_test.memory_of(daemon.pid))
            return daemon.events("verdict", job)

        until(ended, "the verdict", 10 * penstock_test.DEADLINE)
        self.assert_verdict(daemon.verdict(job), "done")
        self.assertEqual(daemon.records(job)[0]["bytes"], size)
        if not penstock_test.SANITIZED:
            self.assertLess(max(seen) - before, 1 << 20)

    def test_a_stalled_log_reader_is_backpressure(self):
        """Nobody reads stdout: the parser blocks in emit, the download pauses, the origin waits; the control
        socket answers all the same, and what was held up comes when the reader does."""
        daemon = self.daemon({"policy.allow": "127.0.0.0/8"}, stdout=subprocess.PIPE)
        lines = 2000000
        job = daemon.submit(self.web.url(f"/lines?n={lines}"), parser="lines")
        sent = []

        def settled():
            sent.append(self.web.counts("/lines").get("body_sent", 0))
            return len(sent) > 40 and sent[-1] == sent[-40] and sent[-1] > 0

        until(settled, "the origin has to wait")
        self.assertEqual(daemon.state(job), "running")
        records = 0
        for text in daemon.process.stdout:
            if b'"event":"record"' in text:
                records += 1
            elif b'"event":"verdict"' in text:
                break
        self.assert_verdict(json.loads(text), "done", None, "length")
        self.assertEqual(records, lines)
        self.assertLess(sent[-1], self.web.counts("/lines")["body_sent"])


if __name__ == "__main__":
    penstock_test.main()
