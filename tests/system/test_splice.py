# label: sanitize
"""Bodies that the kernel alone carries from the socket into the pipe (fetch.splice_min): that they are carried so, and
that nobody can tell. What is cut is in test_matrix.py and test_faults.py."""
import hashlib
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import penstock_test
from penstock_test import until

CTL = penstock_test.BIN / "penstockctl"
SIZE = 8 << 20
CLOCKS = {"defaults.max_attempts": "1", "fetch.resume_delay": "1ms", "fetch.splice_min": "64K"}


class Splice(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.web = self.origin()

    def spliced(self, daemon):
        return daemon.call("stats")["fetch"]["spliced"]

    def test_taken_or_not(self):
        """Of what is asked for, only what nobody here has to look at."""
        whole = hashlib.sha256(self.web.get(f"/bytes?n={SIZE}")).hexdigest()
        daemon = self.daemon(CLOCKS)
        for path, job, expected in ((f"/bytes?n={SIZE}", {}, 1),
                                    (f"/bytes?n={SIZE}&redirects=2", {}, 1),
                                    (f"/bytes?n={SIZE}&framing=chunked", {}, 0),
                                    (f"/bytes?n={SIZE}&framing=close", {"unverified": "accept"}, 0),
                                    (f"/bytes?n={SIZE}", {"digest": "sha256"}, 0),
                                    (f"/bytes?n={SIZE}", {"digest": f"sha256:{whole}"}, 0),
                                    (f"/bytes?n={SIZE}", {"max_body": SIZE}, 1),
                                    ("/bytes?n=30K", {}, 0),
                                    (f"/bytes?n={SIZE}&gzip=1", {}, 1)):
            with self.subTest(path=path, **job):
                before = self.spliced(daemon)
                verdict = daemon.job(self.web.url(path), parser="count", **job)
                self.assert_verdict(verdict, "done")
                self.assertEqual(self.spliced(daemon) - before, expected)
                self.assertEqual(daemon.records(verdict["job"])[0]["bytes"], SIZE if "30K" not in path else 30 << 10)
        off = self.daemon({**CLOCKS, "fetch.splice_min": "0"})
        self.assert_verdict(off.job(self.web.url(f"/bytes?n={SIZE}")), "done", None, "length")
        self.assertEqual(self.spliced(off), 0)

    def test_every_byte(self):
        """Into a parser's FILE, a pipeline and a client's command."""
        config = self.wrote("spliced.conf", '[parser "sum"]\ntype = exec\nstage = sha256sum\n')
        daemon = self.daemon(CLOCKS, config=config)
        lines = self.web.get("/lines?n=200000")
        verdict = daemon.job(self.web.url("/lines?n=200000"), parser="lines")
        self.assertEqual((verdict["bytes"], verdict["records"]), (len(lines), 200000))
        self.assertEqual(daemon.records(verdict["job"])[-1]["text"], "line 200000")
        verdict = daemon.job(self.web.url("/lines?n=200000"), parser="sum")
        self.assert_verdict(verdict, "done", None, "length")
        whole = hashlib.sha256(lines).hexdigest()
        self.assertIn(whole, str(daemon.records(verdict["job"])))
        done = self.run_it(daemon, "/lines?n=200000", "sha256sum")
        self.assertEqual((done.returncode, done.stdout.split()[0]), (0, whole), done.stderr)
        self.assertEqual(self.spliced(daemon), 3)

    def run_it(self, daemon, path, *command, options=()):
        return subprocess.run([CTL, "--socket", daemon.socket, "run", self.web.url(path), *options, "--", *command],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)

    def waited(self, daemon, since):
        """Seconds in which job 1's body has not grown."""
        with daemon.rpc() as rpc:
            state = rpc.answer("show", {"id": 1}).get("result", {}).get("running")
        if not state or not state["bytes"]:
            return 0
        return state["seconds"] - since.setdefault(state["bytes"], state["seconds"])

    def test_a_reader_that_waits(self):
        """A full pipe is no stall, and what came before the connection's end is read."""
        daemon = self.daemon({**CLOCKS, "defaults.stall_timeout": "2s"})
        os.mkfifo(self.dir / "gate")
        since = {}  # the daemon's clock when so many bytes were seen first
        with open(self.dir / "gate", "r+b", buffering=0) as gate, ThreadPoolExecutor(1) as pool:
            job = pool.submit(self.run_it, daemon, f"/bytes?n={SIZE}", "sh", "-c", f"read go <{gate.name}; wc -c")
            try:
                until(lambda: self.waited(daemon, since) > 3, "the pipe is full for longer than the clock")
            finally:
                gate.write(b"go\n")
            done = job.result()
        self.assertEqual((done.returncode, done.stdout.strip()), (0, str(SIZE)), done.stderr)
        self.assertEqual(daemon.verdict(1)["resumes"], 0)
        self.assertEqual(self.spliced(daemon), 1)

    def test_stopped_on_the_way(self):
        """By the reader, by a cancel, by the clock; each gives its descriptors back."""
        daemon = self.daemon(CLOCKS)
        before = penstock_test.fds_of(daemon.pid)
        verdict = daemon.job(self.web.url(f"/bytes?n={SIZE}&stall=1M&etag=none&modified=0"), parser="count", stall_timeout="400ms")
        self.assert_verdict(verdict, "failed", "stalled")
        done = self.run_it(daemon, "/lines?n=2000000", "head", "-n", "1")
        self.assertEqual((done.returncode, done.stdout), (0, "line 1\n"))
        long = self.daemon(CLOCKS)
        job = long.submit(self.web.url(f"/bytes?n={SIZE}&stall=1M"), parser="count")
        until(lambda: (long.call("show", {"id": job}).get("running") or {}).get("bytes") == 1 << 20, "all that comes is counted")
        long.call("cancel", {"id": job})
        self.assertEqual(long.verdict(job)["state"], "cancelled")
        self.assertEqual((self.spliced(daemon), self.spliced(long)), (2, 1))
        until(lambda: penstock_test.fds_of(daemon.pid) <= before + 1, "the descriptors are back")

    def test_the_connection_is_another(self):
        """It is not used again, and those that carried no such body are."""
        daemon = self.daemon(CLOCKS)
        for _ in range(3):
            self.assert_verdict(daemon.job(self.web.url("/bytes?n=1000")), "done")
            self.assert_verdict(daemon.job(self.web.url(f"/bytes?n={SIZE}")), "done")
        fetch = daemon.call("stats")["fetch"]
        self.assertEqual((fetch["spliced"], fetch["connections"]), (3, 3))


if __name__ == "__main__":
    penstock_test.main()
