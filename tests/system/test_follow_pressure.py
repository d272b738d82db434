#!/usr/bin/env python3
# label: sanitize
"""`submit --follow`: whoever reads the lines of his own jobs slowly slows these jobs, and no others; he misses nothing."""
import contextlib
import json
import signal
import subprocess

import penstock_test
from penstock_test import BIN, memory_of, until

WELL, FAILED, USAGE, REFUSED = range(4)
INVALID_PARAMS = -32602
MANY = 200000 if not penstock_test.SANITIZED else 40000
STOPS = 5  # so often a slow reader rests until its job does
MIB = 1 << 20


class Pressure(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.web = self.origin()
        self.penstock = self.daemon({"parse.workers": "4", "fetch.host_connections": "16", "daemon.drain": "1s"})
        self.url = self.web.url(f"/lines?n={MANY}")

    @contextlib.contextmanager
    def follower(self, *arguments):
        command = [BIN / "penstockctl", "--socket", self.penstock.socket, "submit", *arguments, "--parser", "lines", "--follow"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            process.stderr.close()

    def pressed(self, job):
        """The job stands still because of its reader: it has no more records in ten looks. Returns how many it has."""
        seen = []

        def stands():
            told = self.penstock.call("show", {"id": job})
            seen.append(told["running"]["records"] if told.get("waiting_for") == "reader" else len(seen) - MANY)
            return len(set(seen[-10:])) == 1 and len(seen) >= 10
        until(stands, f"job {job} to wait for its reader")
        return seen[-1]

    def rest(self, process, status):
        lines = [json.loads(line) for line in process.stdout]
        errors = process.stderr.read()
        self.assertEqual(process.wait(), status, errors)
        self.assertNotIn("missed", errors)
        return lines

    def assert_whole(self, lines, count=MANY):
        self.assertEqual([line["event"] for line in lines[-2:]], ["attempt", "verdict"])
        self.assertEqual([line["seq"] for line in lines[:-2]], list(range(1, count + 1)))

    def test_a_slow_reader(self):
        """It slows its job; another job of the daemon runs; the daemon holds little of what is not read."""
        self.penstock.job(self.web.url("/lines?n=20000"), parser="lines")
        before = memory_of(self.penstock.pid)
        with self.follower(self.url) as process:
            lines, records = [], 0
            for stop in range(1, STOPS + 1):
                while len(lines) < 1 + (stop - 1) * MANY // (STOPS + 1):
                    lines.append(json.loads(process.stdout.readline()))
                more = self.pressed(2)
                self.assertGreater(more, records)
                self.assertLess(more, len(lines) + 20000)
                records = more
                if stop == 1:
                    self.assert_verdict(self.penstock.job(self.web.url("/lines?n=20000"), parser="lines"), "done")
            if not penstock_test.SANITIZED:
                self.assertLess(memory_of(self.penstock.pid) - before, 8 * MIB)
            self.assert_whole(lines + self.rest(process, WELL))
        self.assertGreater(self.penstock.verdict(2)["seconds"]["wait_sink"], 0)

    def test_a_reader_that_is_killed(self):
        """Its job goes on, and the log has all."""
        with self.follower(self.url) as process:
            process.stdout.readline()
            self.assertLess(self.pressed(1), MANY)
            process.send_signal(signal.SIGKILL)
            self.assert_verdict(self.penstock.verdict(1), "done")
        self.assertEqual(len(self.penstock.records(1)), MANY)

    def test_a_reader_that_stops_for_good(self):
        """Cancelled, its job ends, and so does one whose time is up; both are told once somebody reads."""
        with self.follower(self.url) as process:
            process.stdout.readline()
            self.pressed(1)
            self.assertIn("the client that follows it reads too slowly", self.penstock.ctl("explain", 1, check=WELL).stdout)
            self.penstock.call("cancel", {"id": 1})
            self.assert_verdict(self.penstock.verdict(1), "cancelled")
            self.assertEqual(self.rest(process, FAILED)[-1]["state"], "cancelled")
        with self.follower(self.url, "--timeout", "1s", "--max-attempts", "1") as process:
            process.stdout.readline()
            self.assert_verdict(self.penstock.verdict(2), "failed", "job_timeout")
            self.assertEqual(self.rest(process, FAILED)[-1]["error"]["kind"], "job_timeout")
        until(lambda: self.penstock.call("stats")["workers"]["busy"] == 0, "the workers to be free")

    def test_the_daemon_stops(self):
        with self.follower(self.url) as process:
            process.stdout.readline()
            self.pressed(1)
            self.penstock.stop()
            self.rest_of_stopped(process)

    def rest_of_stopped(self, process):
        """All that was said until the end, in order."""
        seqs = [line["seq"] for line in map(json.loads, process.stdout) if line["event"] == "record"]
        self.assertEqual(seqs, list(range(2, len(seqs) + 2)))
        self.assertNotEqual(process.wait(), WELL)

    def test_many_jobs_of_one_reader(self):
        """They share what may be on its way to him."""
        jobs, count = 16, MANY // 10
        before = memory_of(self.penstock.pid)
        with self.follower(*[self.web.url(f"/lines?n={count}")] * jobs) as process:
            first = json.loads(process.stdout.readline())
            self.pressed(first["job"])
            if not penstock_test.SANITIZED:
                self.assertLess(memory_of(self.penstock.pid) - before, 16 * MIB)
            lines = [first] + self.rest(process, WELL)
        for job in range(1, jobs + 1):
            self.assert_whole([line for line in lines if line["job"] == job], count)

    def test_another_attempt(self):
        """Every attempt's records are there, in order, and its line behind them."""
        with self.follower(self.web.url(f"/lines?n={MANY}&id=again&cut_first={MANY}&etag=none&modified=0")) as process:
            lines = [json.loads(process.stdout.readline())]
            self.pressed(1)
            lines += self.rest(process, WELL)
        # None at all, if the cut was known before the parser had begun.
        first = [line for line in lines if line["attempt"] == 1]
        self.assertEqual(first[-1]["event"], "attempt")
        self.assertEqual([line["seq"] for line in first[:-1]], list(range(1, len(first))))
        self.assert_whole(lines[len(first):])

    def test_held_back(self):
        """Records that come all at once, when the job is done: the job waits for nobody, and nothing is missed."""
        with self.follower(self.url, "--deliver", "commit") as process:
            self.assert_verdict(self.penstock.verdict(1), "done")
            lines = self.rest(process, WELL)
        self.assertEqual([line["event"] for line in lines], ["attempt"] + ["record"] * MANY + ["verdict"])
        self.assertEqual([line["seq"] for line in lines[1:-1]], list(range(1, MANY + 1)))
        with self.follower(self.url, "--deliver", "commit", "--events", "verdict") as process:
            self.assertEqual([line["event"] for line in self.rest(process, WELL)], ["verdict"])

    def test_others_do_not_press(self):
        """Who follows another's job, or does not ask for it, misses lines and is told."""
        with self.penstock.rpc() as other, self.penstock.rpc() as own:
            other.call("follow", {"events": ["record", "verdict"]})
            own.request("submit", {"url": self.url, "parser": "lines", "follow": True})
            self.assert_verdict(self.penstock.verdict(own.receive()["result"]["id"]), "done")
            for rpc in other, own:
                came = missed = 0
                while True:
                    message = rpc.receive()
                    if message["method"] == "missed":
                        missed += message["params"]["lines"]
                        continue
                    came += 1
                    if message["params"]["event"] == "verdict":
                        break
                self.assertGreater(missed, 0)
                self.assertEqual(came + missed, MANY + (1 if rpc is other else 2))

    def test_what_is_refused(self):
        with self.penstock.rpc() as rpc:
            for params in {"url": self.url, "backpressure": True}, {"url": self.url, "follow": True, "backpressure": 1}:
                error = rpc.fail("submit", params)
                self.assertEqual((error["code"], error["data"]["field"]), (INVALID_PARAMS, "backpressure"))
            rpc.call("submit", {"url": self.web.url("/lines?n=1"), "parser": "lines", "backpressure": False})


if __name__ == "__main__":
    penstock_test.main()
