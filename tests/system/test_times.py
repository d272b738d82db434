# label: sanitize
"""A job's times: from its submission to its verdict, over attempts and restarts. Held against each other and the lines' own stamps, not against a clock."""
import datetime

import penstock_test

SETTINGS = {"defaults.max_attempts": "3", "fetch.retry_delay": "50ms", "fetch.resume_delay": "5ms"}
UNRESUMABLE = "&etag=none&modified=0"
NEAR = 0.002  # each is told to the millisecond


def seconds_between(before, after):
    return (datetime.datetime.fromisoformat(after) - datetime.datetime.fromisoformat(before)).total_seconds()


class Times(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.web = self.origin()
        self.settings = {**SETTINGS, "store.engine": "sqlite", "store.path": self.dir / "jobs.db"}

    def assert_times(self, daemon, job, attempts):
        """What belongs together in the lines of its attempts (all that the log has) and its verdict."""
        verdict = daemon.verdict(job)
        lines = daemon.events("attempt", job)
        self.assertEqual(len(lines), attempts)
        total, queued, running = (verdict["seconds"][name] for name in ("total", "queued", "running"))
        self.assertAlmostEqual(total, queued + running, delta=NEAR)
        self.assertAlmostEqual(total, seconds_between(verdict["created"], verdict["ts"]), delta=0.5 * penstock_test.PATIENCE)
        self.assertAlmostEqual(running, sum(line["seconds"]["attempt"] for line in lines), delta=NEAR * attempts)
        for before, after in zip(lines, lines[1:]):
            for name in ("total", "queued", "running"):
                self.assertLessEqual(before["seconds"][name], after["seconds"][name])
            self.assertGreaterEqual(after["seconds"]["queued"], before["seconds"]["queued"] + before["retry_in"] - NEAR)
        return verdict

    def test_of_attempts(self):
        daemon = self.daemon(self.settings)
        one, many = daemon.submit(self.web.url("/bytes?n=10")), daemon.submit(self.web.url("/bytes?n=90000&cut=5000" + UNRESUMABLE))
        self.assert_verdict(self.assert_times(daemon, one, 1), "done")
        self.assert_verdict(self.assert_times(daemon, many, 3), "failed", "truncated")
        told = daemon.ctl("explain", many, check=0).stdout
        self.assertIn("attempt 3 began, after ", told)
        self.assertIn(" of waiting in all", told)

    def test_of_the_queue(self):
        """The second waits for the first."""
        daemon = self.daemon({**self.settings, "parse.workers": "1"})
        first = daemon.submit(self.web.url("/bytes?n=10&hold=gate"))
        second = daemon.submit(self.web.url("/bytes?n=10"))
        penstock_test.until(lambda: daemon.state(first) == "running", "the first runs")
        self.web.release("gate")
        end = self.assert_times(daemon, first, 1)
        verdict = self.assert_times(daemon, second, 1)
        self.assertGreaterEqual(verdict["seconds"]["queued"], seconds_between(verdict["created"], end["ts"]) - NEAR)

    def test_over_a_restart(self):
        settings = {**self.settings, "fetch.retry_delay": "1h"}
        daemon = self.daemon(settings)
        job = daemon.submit(self.web.url("/bytes?n=90000&id=late&cut_first=5000" + UNRESUMABLE))
        first = penstock_test.until(lambda: daemon.events("attempt", job), "its first attempt fails")[0]
        penstock_test.until(lambda: daemon.state(job) == "waiting", "it waits")
        daemon.stop()
        daemon = self.daemon(settings)
        shown = daemon.call("show", {"id": job})
        daemon.call("cancel", {"id": job})
        verdict = daemon.verdict(job)
        self.assertEqual(verdict["created"], first["created"])
        self.assertEqual(shown["created"], first["created"])
        self.assertAlmostEqual(verdict["seconds"]["running"], first["seconds"]["attempt"], delta=NEAR)
        self.assertGreaterEqual(verdict["seconds"]["total"], seconds_between(first["created"], first["ts"]))
        self.assertAlmostEqual(verdict["seconds"]["total"], verdict["seconds"]["queued"] + verdict["seconds"]["running"], delta=NEAR)

    def test_whose_and_what(self):
        daemon = self.daemon(self.settings)
        job = daemon.submit(self.web.url("/bytes?n=10&token=secret"))
        verdict = daemon.verdict(job)
        attempt = daemon.events("attempt", job)[0]
        shown = daemon.call("show", {"id": job})
        for line in (verdict, attempt):
            self.assertEqual({name: line[name] for name in ("host", "uid", "created", "url")},
                             {name: shown[name] for name in ("host", "uid", "created", "url")})
            self.assertNotIn("secret", line["url"])


if __name__ == "__main__":
    penstock_test.main()
