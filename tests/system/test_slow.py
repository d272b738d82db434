# label: sanitize
"""Slow parsers and slow readers of the log: what they do to their origin's connection, and to the parser's clock."""
import hashlib
import os
import json
import subprocess

import penstock_test

CLOCKS = {
    "defaults.max_attempts": "1",
    "defaults.stall_timeout": "20s",
    "defaults.first_byte_timeout": "20s",
    "fetch.retry_delay": "1ms",
    "fetch.resume_delay": "1ms",
    "parse.abort_grace": "2s",
}


class Slow(penstock_test.Case):
    def blocked(self, settings=None):
        """A daemon whose standard output nobody reads yet."""
        return self.daemon({**CLOCKS, **(settings or {})}, stdout=subprocess.PIPE)

    def until_waiting(self, daemon, job, what):
        penstock_test.until(lambda: daemon.call("show", {"id": job}).get("waiting_for") == what, f"job {job} waits for its {what}")

    @staticmethod
    def read_to_verdict(daemon, job):
        """Everything that stands in the log up to the job's verdict."""
        events = []
        for line in daemon.process.stdout:
            events.append(json.loads(line))
            if events[-1]["event"] == "verdict" and events[-1]["job"] == job:
                return events

    def check_lines(self, events, count):
        self.assertEqual([e["seq"] for e in events if e["event"] == "record"], list(range(1, count + 1)))

    def test_nginx_gives_up_a_paused_connection(self):
        """A log that is not read pauses the download; nginx's send_timeout ends it; it is resumed where it was."""
        www = self.dir / "www"
        www.mkdir()
        count = 300000
        body = b"".join(b"%099d\n" % i for i in range(count))
        (www / "body").write_bytes(body)
        os.utime(www / "body", (1735689600, 1735689600))  # within its own second nobody could tell it from its next version
        access = self.dir / "access"
        nginx = penstock_test.Nginx(self, www, f"send_timeout 1s; access_log {access};")
        daemon = self.blocked()
        job = daemon.submit(nginx.url("body"), parser="lines", digest="sha256")
        self.until_waiting(daemon, job, "sink")
        # The request's line is written when nginx is through with it, and it cannot have sent all of it.
        penstock_test.until(lambda: access.exists() and access.stat().st_size > 0, "nginx has given up")
        self.assertLess(int(access.read_text().split()[9]), len(body))
        self.assertEqual(daemon.state(job), "running")
        events = self.read_to_verdict(daemon, job)
        verdict = events[-1]
        self.assert_verdict(verdict, "done", None, "length")
        self.assertGreaterEqual(verdict["resumes"], 1)
        self.assertEqual((verdict["bytes"], verdict["sha256"]), (len(body), hashlib.sha256(body).hexdigest()))
        self.check_lines(events, count)

    def test_a_paused_connection_is_reset(self):
        web = self.origin()
        daemon = self.blocked()
        job = daemon.submit(web.url("/lines?n=100000&first=1&reset=400000"), parser="lines", digest="sha256")
        self.until_waiting(daemon, job, "sink")
        events = self.read_to_verdict(daemon, job)
        self.assert_verdict(events[-1], "done", None, "length")
        self.assertEqual(events[-1]["resumes"], 1)
        self.assertEqual(events[-1]["sha256"], hashlib.sha256(web.get("/lines?n=100000")).hexdigest())
        self.check_lines(events, 100000)

    def test_the_parsers_clock_waits_for_the_origin(self):
        web = self.origin()
        daemon = self.daemon({**CLOCKS, "defaults.parse_timeout": "2s"})
        for parser, sets in (("lines", {}), ("cat", {})):
            if parser == "cat":
                conf = self.wrote("conf", '[parser "cat"]\ntype = exec\nstage = /bin/cat\n')
                daemon = self.daemon({**CLOCKS, "defaults.parse_timeout": "2s", **sets}, config=conf)
            with self.subTest(parser=parser):
                job = daemon.submit(web.url(f"/lines?n=2000&id={parser}&hold={parser}&hold_at=5000"), parser=parser)
                penstock_test.until(lambda: daemon.call("show", {"id": job}).get("running", {}).get("seconds", 0) > 4.5, "more than twice its time")
                self.assertEqual(daemon.state(job), "running")
                web.release(parser)
                self.assert_verdict(daemon.verdict(job), "done")

    def test_the_parsers_clock_waits_for_the_log(self):
        web = self.origin()
        daemon = self.blocked({"defaults.parse_timeout": "1s" if not penstock_test.SANITIZED else "3s"})
        job = daemon.submit(web.url("/lines?n=30000"), parser="lines")
        self.until_waiting(daemon, job, "sink")
        penstock_test.until(lambda: daemon.call("show", {"id": job})["running"]["seconds"] > 4, "more than its time")
        self.assertEqual(daemon.state(job), "running")
        events = self.read_to_verdict(daemon, job)
        self.assert_verdict(events[-1], "done")
        self.check_lines(events, 30000)
        self.assertGreater(events[-1]["seconds"]["wait_sink"], 0.5)

    def test_a_parser_that_is_busy_is_stopped(self):
        """One that computes, and one that sleeps: with data there, both are its own time."""
        web = self.origin()
        conf = self.wrote("conf", '[parser "busy"]\ntype = exec\nstage = /bin/sh -c "while :; do :; done"\n'
                          '[parser "asleep"]\ntype = exec\nstage = /bin/sleep 1000\n')
        daemon = self.daemon({**CLOCKS, "defaults.parse_timeout": "300ms"}, config=conf)
        jobs = [daemon.submit(web.url("/bytes?n=1M"), parser=parser) for parser in ("busy", "asleep")]
        for job in jobs:
            verdict = daemon.verdict(job)
            self.assert_verdict(verdict, "failed", "parser_timeout")
            self.assertGreater(verdict["seconds"]["total"], 0.3)
        # Its time is not another's: the daemon goes on.
        self.assert_verdict(daemon.job(web.url("/lines?n=10"), parser="lines"), "done")


if __name__ == "__main__":
    penstock_test.main()
