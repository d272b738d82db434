# label: sanitize
"""deliver = commit: a job's records appear together, directly before its verdict, and only if it is done."""
import json
import subprocess
import threading

import penstock_test

CLOCKS = {
    "defaults.max_attempts": "1",
    "fetch.retry_delay": "5ms",
    "fetch.resume_delay": "5ms",
    "fetch.host_connections": "64",
}
UNRESUMABLE = "&etag=none&modified=0"


class Commit(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.web = self.origin()
        self.spool = self.dir / "spool"
        self.settings = {**CLOCKS, "flow.spool_dir": self.spool}

    def assert_together(self, daemon, job, records):
        """Records 1, 2, 3 … then attempt, then verdict, with nothing between them."""
        lines = daemon.lines()
        places = [i for i, e in enumerate(lines) if e.get("job") == job]
        self.assertEqual(places, list(range(places[0], places[0] + records + 2)))
        own = lines[places[0]:places[-1] + 1]
        self.assertEqual([e["event"] for e in own], ["record"] * records + ["attempt", "verdict"])
        self.assertEqual([e["seq"] for e in own[:-2]], list(range(1, records + 1)))
        self.assertEqual((own[-2]["records"], own[-1]["records"]), (records, records))
        stamps = [e["ts"] for e in own]
        self.assertEqual(stamps, sorted(stamps))

    def test_all_or_nothing(self):
        daemon = self.daemon(self.settings)
        done = [daemon.submit(self.web.url(f"/ndjson?n={n}&id=d{n}"), parser="ndjson", deliver="commit") for n in (1, 3000, 70000)]
        cut = daemon.submit(self.web.url("/ndjson?n=20000&cut=300000" + UNRESUMABLE), parser="ndjson", deliver="commit")
        bad = daemon.submit(self.web.url("/lines?n=20"), parser="ndjson", deliver="commit")
        few = daemon.submit(self.web.url("/ndjson?n=20"), parser="ndjson", deliver="commit", min_records=21)
        stream = daemon.submit(self.web.url("/ndjson?n=20000&cut=300000" + UNRESUMABLE), parser="ndjson")
        for job, n in zip(done, (1, 3000, 70000)):
            self.assert_verdict(daemon.verdict(job), "done")
            self.assert_together(daemon, job, n)
        for job, kind in ((cut, "truncated"), (bad, "parser_failed"), (few, "unexpected")):
            verdict = daemon.verdict(job)
            self.assert_verdict(verdict, "failed", kind)
            self.assertEqual(verdict["records"], 0)
            self.assertEqual(daemon.events("record", job), [])
        self.assertGreater(daemon.verdict(stream)["records"], 0)
        self.assertEqual(list(self.spool.iterdir()), [])

    def test_an_empty_body_is_done_without_records(self):
        daemon = self.daemon(self.settings)
        job = daemon.submit(self.web.url("/ndjson?n=0"), parser="ndjson", deliver="commit")
        self.assert_verdict(daemon.verdict(job), "done")
        self.assert_together(daemon, job, 0)

    def test_others_are_not_held_up(self):
        """While one job's records are held back, those of others appear."""
        daemon = self.daemon(self.settings)
        held = daemon.submit(self.web.url("/ndjson?n=30000&hold=gate&hold_at=500000"), parser="ndjson", deliver="commit")
        penstock_test.until(lambda: daemon.call("show", {"id": held}).get("running", {}).get("records", 0) > 1000, "records are held")
        self.assert_verdict(daemon.job(self.web.url("/ndjson?n=5000"), parser="ndjson"), "done")
        self.assertEqual(len(daemon.events("record")), 5000)
        self.assertEqual(daemon.events("record", held), [])
        self.web.release("gate")
        self.assert_verdict(daemon.verdict(held), "done")
        self.assert_together(daemon, held, 30000)

    def test_together_among_others(self):
        """Many jobs of both kinds at once."""
        daemon = self.daemon(self.settings)
        jobs = [(daemon.submit(self.web.url("/ndjson?n=2000"), parser="ndjson", deliver=deliver), deliver)
                for deliver in ("commit", "stream") * 15]
        for job, deliver in jobs:
            self.assert_verdict(daemon.verdict(job), "done")
            if deliver == "commit":
                self.assert_together(daemon, job, 2000)

    def test_of_a_retried_job_only_the_last_attempt(self):
        daemon = self.daemon({**self.settings, "defaults.max_attempts": "3"})
        job = daemon.submit(self.web.url("/ndjson?n=20000&id=again&cut_first=300000" + UNRESUMABLE), parser="ndjson", deliver="commit")
        verdict = daemon.verdict(job)
        self.assert_verdict(verdict, "done")
        self.assertEqual((verdict["attempt"], verdict["records"]), (2, 20000))
        attempts = daemon.events("attempt", job)
        self.assertEqual([(a["outcome"], a["records"]) for a in attempts], [("retry", 0), ("done", 20000)])
        self.assertEqual({e["attempt"] for e in daemon.events("record", job)}, {2})

    def test_killed_while_they_come_out(self):
        """A delivery that a crash tears is a group without its verdict; the next start brings it whole."""
        settings = {**self.settings, "store.engine": "sqlite", "store.path": self.dir / "jobs.db"}
        daemon = self.daemon(settings, stdout=subprocess.PIPE)
        job = daemon.submit(self.web.url("/ndjson?n=60000"), parser="ndjson", deliver="commit")
        lines = [daemon.process.stdout.readline() for _ in range(100)]  # nobody reads the rest: it is stuck half-way
        daemon.process.kill()
        daemon.process.wait()
        lines += daemon.process.stdout.readlines()
        torn = [json.loads(line) for line in lines if line.endswith(b"\n")]
        self.assertEqual({e["event"] for e in torn}, {"start", "record"})
        self.assertTrue(99 <= len(torn) - 1 < 60000)
        daemon.check_reports()
        self.daemons.remove(daemon)
        daemon = self.daemon(settings)
        self.assert_verdict(daemon.verdict(job), "done")
        attempts = daemon.events("attempt", job)
        self.assertEqual([(a["attempt"], a["outcome"]) for a in attempts], [(1, "interrupted"), (2, "done")])
        records = daemon.events("record", job)
        self.assertEqual([(r["attempt"], r["seq"]) for r in records], [(2, seq) for seq in range(1, 60001)])
        self.assertEqual(list(self.spool.iterdir()), [])

    def test_limit(self):
        daemon = self.daemon(self.settings)
        url = self.web.url("/ndjson?n=20000")
        over = daemon.job(url, parser="ndjson", deliver="commit", commit_max="64K")
        self.assert_verdict(over, "failed", "limit_exceeded")
        self.assertIn("commit_max", over["error"]["message"])
        self.assertEqual(daemon.events("record", over["job"]), [])
        # It bounds what is held back, not what is streamed.
        self.assert_verdict(daemon.job(url, parser="ndjson", commit_max="64K"), "done")
        self.assert_verdict(daemon.job(url, parser="ndjson", deliver="commit", commit_max="64M"), "done")

    def test_no_place_to_hold_them(self):
        (self.dir / "file").write_text("")
        daemon = self.daemon({**self.settings, "flow.spool_dir": self.dir / "file" / "spool"})
        verdict = daemon.job(self.web.url("/ndjson?n=5"), parser="ndjson", deliver="commit")
        self.assert_verdict(verdict, "failed", "resources")
        self.assertIn("flow.spool_dir", verdict["error"]["message"])

    def test_followers_get_them(self):
        daemon = self.daemon(self.settings)
        got = []
        with daemon.rpc() as rpc:
            rpc.call("follow", {})
            job = daemon.submit(self.web.url("/ndjson?n=3000"), parser="ndjson", deliver="commit")
            while True:
                event = rpc.receive()["params"]
                if event.get("job") == job:
                    got.append(event)
                if event["event"] == "verdict":
                    break
        self.assertEqual([e["event"] for e in got], ["record"] * 3000 + ["attempt", "verdict"])

    def test_memory_is_bounded(self):
        """A hundred megabytes of records held back and delivered cost no more than the pieces."""
        if penstock_test.SANITIZED:
            self.skipTest("memory is not the program's own here")
        daemon = self.daemon(self.settings)
        self.assert_verdict(daemon.job(self.web.url("/ndjson?n=1000"), parser="ndjson", deliver="commit"), "done")
        before = penstock_test.memory_of(daemon.pid)
        peak = [0]
        stop = threading.Event()

        def watch():
            while not stop.wait(0.02):
                peak[0] = max(peak[0], penstock_test.memory_of(daemon.pid))

        thread = threading.Thread(target=watch)
        thread.start()
        try:  # a million records take a busy machine minutes
            job = daemon.submit(self.web.url("/ndjson?n=1000000"), parser="ndjson", deliver="commit")
            verdict = daemon.verdict(job, 10 * penstock_test.DEADLINE)
        finally:
            stop.set()
            thread.join()
        self.assert_verdict(verdict, "done")
        self.assertEqual(verdict["records"], 1000000)
        self.assertLess(peak[0] - before, 8 << 20)
        with open(daemon.log, "rb") as log:
            self.assertEqual(sum(1 for line in log if b'"event":"record"' in line), 1001000)


if __name__ == "__main__":
    penstock_test.main()
