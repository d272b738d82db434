# label: sanitize
"""Records by a job's id: `records ID`, and --follow --data, a pipe whose exit status says whether anything is missing."""
import concurrent.futures
import json
import os
import random
import signal
import subprocess

import penstock_test
from penstock_test import BIN

WELL, FAILED, USAGE, REFUSED = range(4)
RUNS = int(os.environ.get("PENSTOCK_RUNS", "24"))
UNRESUMABLE = "&etag=none&modified=0"
SETTINGS = {
    "defaults.max_attempts": "3",
    "fetch.retry_delay": "5ms",
    "fetch.resume_delay": "5ms",
    "fetch.host_connections": "64",
}


class Records(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.web = self.origin()
        self.state = self.dir / "state"
        self.state.mkdir()
        self.settings = {**SETTINGS, "store.engine": "sqlite", "store.path": self.state / "jobs.db"}

    def rows(self, text):
        return [json.loads(line)["id"] for line in text.splitlines()]

    def kept(self, daemon, n=100, query="", **job):
        """A job that keeps its n records, and has ended: its verdict is in the log before that is known."""
        job = daemon.submit(self.web.url(f"/ndjson?n={n}{query}"), parser="ndjson", keep_records="yes", **job)
        daemon.verdict(job)
        daemon.call("wait", {"ids": [job]})
        return job

    def pages(self, daemon, job):
        """The lines of all pages, and how many pages there are."""
        lines, page, count = [], 0, 0
        while page is not None:
            answer = daemon.call("records", {"id": job, "page": page})
            lines += [json.loads(line) for line in answer["lines"].splitlines()]
            page = answer["next"]
            count += 1
        self.assertEqual(len(lines), answer["records"])
        return lines, count

    def test_what_is_kept_is_what_the_log_has(self):
        daemon = self.daemon(self.settings)
        for deliver in ("stream", "commit"):
            for n in (0, 1, 20000):
                with self.subTest(deliver=deliver, n=n):
                    job = self.kept(daemon, n, deliver=deliver)
                    verdict = daemon.verdict(job)
                    self.assert_verdict(verdict, "done")
                    self.assertIs(verdict["records_kept"], True)
                    done = daemon.ctl("records", job, check=WELL)
                    self.assertEqual(len(done.stdout.splitlines()), n)
                    logged = daemon.events("record", job)
                    self.assertEqual([json.loads(line) for line in done.stdout.splitlines()], [e["data"] for e in logged])
                    lines, pages = self.pages(daemon, job)
                    self.assertEqual([(e["job"], e["attempt"], e["seq"], e["data"]) for e in lines],
                                     [(e["job"], e["attempt"], e["seq"], e["data"]) for e in logged])
                    self.assertEqual(pages > 5, n == 20000)
        whole = daemon.ctl("--json", "records", job, check=WELL)
        self.assertEqual([json.loads(line)["seq"] for line in whole.stdout.splitlines()], list(range(1, 20001)))

    def test_the_good_attempt_alone(self):
        daemon = self.daemon(self.settings)
        for deliver in ("stream", "commit"):
            job = self.kept(daemon, 20000, f"&id=again-{deliver}&cut_first=300000" + UNRESUMABLE, deliver=deliver)
            self.assertEqual(daemon.verdict(job)["attempt"], 2)
            lines, _ = self.pages(daemon, job)
            self.assertEqual([(e["attempt"], e["seq"]) for e in lines], [(2, seq) for seq in range(1, 20001)])
            daemon.ctl("records", job, "--attempt", "2", check=WELL)
            one = daemon.ctl("records", job, "--attempt", "1", check=REFUSED)
            self.assertIn(f"attempt 1 of job {job} came to nothing", one.stderr)
            self.assertEqual(one.stdout, "")
            self.assertIn("was never made", daemon.ctl("records", job, "--attempt", "3", check=REFUSED).stderr)

    def test_why_there_are_none(self):
        daemon = self.daemon({**self.settings, "results.max_size": "200K", "flow.spool_dir": self.dir / "spool"})
        plain = daemon.submit(self.web.url("/ndjson?n=10"), parser="ndjson")
        daemon.verdict(plain)
        failed = self.kept(daemon, 20000, "&cut=300000" + UNRESUMABLE)
        large = self.kept(daemon, 20000)
        over = self.kept(daemon, 20000, commit_max="64K")
        runs = daemon.submit(self.web.url("/ndjson?n=10&hold=gate"), parser="ndjson", keep_records="yes")
        self.assert_verdict(daemon.verdict(large), "done")  # its log is what counts
        self.assertIs(daemon.verdict(large)["records_kept"], False)
        self.assertIn("results.max_size", daemon.verdict(large)["records_lost"])
        for job, why in ((plain, "without keep_records"), (failed, "has failed"), (large, "over results.max_size"), (over, "over commit_max"),
                         (runs, "has not ended"), (4711, "there is no job 4711")):
            with self.subTest(why=why):
                done = daemon.ctl("records", job, check=REFUSED)
                self.assertIn(why, done.stderr)
                self.assertEqual(done.stdout, "")
        self.web.release("gate")
        daemon.ctl("records", "1", "--attempt", "x", check=USAGE)
        daemon.rpc().fail("records", {"id": 1, "page": -1})

    def test_the_oldest_go(self):
        daemon = self.daemon({**self.settings, "results.max_size": "200K"})
        jobs = [self.kept(daemon, 1000) for _ in range(6)]
        penstock_test.until(lambda: daemon.ctl("records", jobs[0]).returncode == REFUSED, "the first has gone")
        self.assertIn("have been removed since", daemon.ctl("records", jobs[0], check=REFUSED).stderr)
        self.assertEqual(len(daemon.ctl("records", jobs[-1], check=WELL).stdout.splitlines()), 1000)

    def test_they_grow_old(self):
        daemon = self.daemon({**self.settings, "results.keep": "1s"})
        job = self.kept(daemon, 10)
        penstock_test.until(lambda: daemon.ctl("records", job).returncode == REFUSED, "it is too old")

    def test_over_a_restart_and_a_kill(self):
        daemon = self.daemon(self.settings)
        job = self.kept(daemon, 20000)
        before = daemon.ctl("records", job, check=WELL).stdout
        jobs = [daemon.submit(self.web.url("/ndjson?n=20000"), parser="ndjson", keep_records="yes", deliver="commit") for _ in range(8)]
        daemon.process.kill()
        daemon.process.wait()
        daemon.check_reports()
        self.daemons.remove(daemon)
        daemon = self.daemon(self.settings)
        self.assertEqual(daemon.ctl("records", job, check=WELL).stdout, before)
        for other in jobs:
            self.assertEqual(daemon.ctl("wait", other, check=WELL).returncode, WELL)
            self.assertEqual(daemon.ctl("records", other, check=WELL).stdout, before)

    def test_the_memory_store_forgets(self):
        """Its ids begin anew: nothing of an earlier daemon is there."""
        settings = {**SETTINGS, "store.engine": "memory"}
        daemon = self.daemon(settings)
        job = self.kept(daemon, 10)
        self.assertEqual(self.rows(daemon.ctl("records", job, check=WELL).stdout), list(range(1, 11)))
        daemon.stop()
        daemon = self.daemon(settings)
        self.assertEqual(self.kept(daemon, 20), job)
        self.assertEqual(self.rows(daemon.ctl("records", job, check=WELL).stdout), list(range(1, 21)))

    def test_a_damaged_database_costs_no_job(self):
        (self.state / "results.db").write_bytes(b"this is none" * 1000)
        daemon = self.daemon(self.settings)
        verdict = daemon.verdict(self.kept(daemon, 10))
        self.assert_verdict(verdict, "done")
        self.assertIs(verdict["records_kept"], False)
        self.assertIn("results.db", verdict["records_lost"])
        self.assertIn("results.db", daemon.ctl("records", "1", check=REFUSED).stderr)

    # --- --follow --data ------------------------------------------------------------------------

    def test_a_retried_body_comes_once(self):
        daemon = self.daemon(self.settings)
        done = daemon.ctl("submit", self.web.url("/ndjson?n=20000&id=once&cut_first=300000" + UNRESUMABLE), "--parser", "ndjson", "--follow", "--data",
                          check=WELL)
        self.assertEqual(self.rows(done.stdout), list(range(1, 20001)))

    def test_a_failed_body_gives_nothing_and_is_named(self):
        daemon = self.daemon(self.settings)
        done = daemon.ctl("submit", self.web.url("/ndjson?n=20000&cut=300000" + UNRESUMABLE), "--parser", "ndjson", "--follow", "--data", check=FAILED)
        self.assertEqual(done.stdout, "")
        self.assertIn("job 1 failed truncated", done.stderr)
        self.assertIn("(attempt 3)", done.stderr)

    def test_late(self):
        daemon = self.daemon(self.settings)
        job, plain = self.kept(daemon, 3000), daemon.submit(self.web.url("/ndjson?n=10"), parser="ndjson")
        daemon.verdict(plain)
        self.assertEqual(self.rows(daemon.ctl("follow", job, "--data", check=WELL).stdout), list(range(1, 3001)))
        late = daemon.ctl("follow", plain, "--data", check=REFUSED)
        self.assertIn("without keep_records", late.stderr)
        self.assertEqual(late.stdout, "")

    def test_a_follower_that_hangs_holds_nothing_up(self):
        """Neither its own job, nor another one, nor the daemon's end."""
        daemon = self.daemon(self.settings)
        url = self.web.url("/ndjson?n=100000")
        follower = subprocess.Popen([BIN / "penstockctl", "--socket", daemon.socket, "submit", url, "--parser", "ndjson", "--follow", "--data"],
                                    stdout=subprocess.PIPE)
        try:
            self.assertEqual(json.loads(follower.stdout.readline())["id"], 1)  # and reads no more
            self.assert_verdict(daemon.verdict(1), "done")
            self.assert_verdict(daemon.job(url, parser="ndjson"), "done")
            rest = follower.stdout.read()
            self.assertEqual(self.rows(rest), list(range(2, 100001)))
            self.assertEqual(follower.wait(), WELL)
        finally:
            follower.kill()
            follower.wait()
            follower.stdout.close()

    def test_one_whose_daemon_dies_is_told(self):
        daemon = self.daemon(self.settings)
        url = self.web.url("/ndjson?n=100000")
        follower = subprocess.Popen([BIN / "penstockctl", "--socket", daemon.socket, "submit", url, "--parser", "ndjson", "--follow", "--data"],
                                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            follower.stdout.readline()
            daemon.process.send_signal(signal.SIGKILL)
            daemon.process.wait()
            self.daemons.remove(daemon)
            follower.stdout.read()
            self.assertEqual(follower.wait(), REFUSED)
        finally:
            follower.kill()
            follower.wait()
            follower.stdout.close()

    def one_run(self, daemon, number):
        """Rows, cuts and readers at random, but the same for a number. Returns what is wrong, or None."""
        dice = random.Random(number)
        n = dice.choice((0, 1, 50, 3000, 20000))
        query, good = "", True
        fate = dice.random()
        if n >= 3000 and fate < 0.5:
            query = f"&id=run{number}&cut_first={dice.randrange(1000, n * 5)}"
        elif n >= 3000 and fate < 0.65:
            query, good = f"&cut={dice.randrange(1000, n * 5)}", False
        if dice.random() < 0.5:
            query += UNRESUMABLE
        elif not good:
            query += UNRESUMABLE
        command = [BIN / "penstockctl", "--socket", daemon.socket, "submit", self.web.url(f"/ndjson?n={n}{query}"), "--parser", "ndjson", "--follow",
                   "--data", "--deliver", dice.choice(("commit", "commit", "stream"))]
        slow = dice.random() < 0.3  # by a pipe of one page and crumbs of it
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, pipesize=4096 if slow else -1) as process:
            text = b"".join(iter(lambda: os.read(process.stdout.fileno(), 50 if slow else 1 << 20), b"")).decode()
            errors = process.stderr.read().decode()
            status = process.wait()
        rows = self.rows(text)
        if good and (status, rows) == (WELL, list(range(1, n + 1))):
            return None
        if not good and status == FAILED and rows == [] and "truncated" in errors:
            return None
        return f"run {number}: n={n} {query} good={good} status={status} rows={len(rows)} different={len(set(rows))} {errors}"

    def test_many_runs_under_retries_and_load(self):
        """Never a row twice, never one missing, never exit status 0 when incomplete. PENSTOCK_RUNS=1000 for a long one."""
        daemon = self.daemon(self.settings)
        for _ in range(4):  # others' lines, for the log to be busy with
            daemon.submit(self.web.url("/ndjson?n=200000"), parser="ndjson")
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            wrong = [w for w in pool.map(lambda number: self.one_run(daemon, number), range(RUNS)) if w]
        self.assertEqual(wrong, [], "\n".join(wrong))


if __name__ == "__main__":
    penstock_test.main()
