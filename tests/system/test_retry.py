# label: sanitize
"""Another attempt: after what, how often, how long it waits, and what the log says of it."""
import email.utils
import socket
import threading
import time

import penstock_test

CLOCKS = {
    "defaults.max_attempts": "4",
    "fetch.retry_delay": "5ms",
    "fetch.retry_delay_max": "10ms",
    "fetch.resume_delay": "5ms",
    "fetch.breaker_failures": "0",
    "fetch.host_connections": "32",
}
# Of the jobs that are to meet a clock, and then to be served in time; to all others a busy machine may be slow.
SOON = {"first_byte_timeout": "2s", "stall_timeout": "2s"}
UNRESUMABLE = "&etag=none&modified=0"

# What goes wrong with the first two requests, and what the attempts are told to have failed of.
AGAIN = [
    ("flaky=2", "http_status"),
    ("flaky=2&flaky_status=500", "http_status"),
    ("flaky=2&flaky_status=502", "http_status"),
    ("flaky=2&flaky_status=408", "http_status"),
    ("flaky=2&flaky_status=425", "http_status"),
    ("flaky=2&flaky_status=429", "http_status"),
    ("flaky=2&flaky_status=600", "http_status"),
    ("flaky=2&flaky_status=999", "http_status"),
    ("first=2&cut=5000", "truncated"),
    ("first=2&reset=5000", "truncated"),
    ("first=2&stall=5000", "stalled"),
    ("first=2&slow_head=60000", "first_byte_timeout"),
    ("first=2&garbage=1", "protocol"),
    ("first=2&framing=chunked&no_final_chunk=1", "truncated"),
]
# What is not tried again.
NEVER = [
    ("flaky=2&flaky_status=404", "http_status"),
    ("flaky=2&flaky_status=403", "http_status"),
    ("flaky=2&flaky_status=410", "http_status"),
    ("flaky=2&flaky_status=501", "http_status"),
    ("flaky=2&flaky_status=505", "http_status"),
    ("framing=close", "unverified_end"),
    ("redirect=http://10.1.2.3/", "policy"),
    ("loop=1", "redirects"),
    ("first=2&huge_header=1M", "limit_exceeded"),
]


class Retry(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.web = self.origin()

    def url(self, how, i=0):
        return self.web.url(f"/bytes?n=20000&id=i{i}-{how.replace('&', '-').replace('=', '-').replace('/', '').replace(':', '')}&{how}{UNRESUMABLE}")

    def test_what_is_tried_again(self):
        daemon = self.daemon(CLOCKS)
        clocked = ("stalled", "first_byte_timeout")
        jobs = [(how, kind, daemon.submit(self.url(how), **(SOON if kind in clocked else {}))) for how, kind in AGAIN]
        for how, kind, job in jobs:
            with self.subTest(how=how):
                verdict = daemon.verdict(job)
                self.assert_verdict(verdict, "done")
                self.assertEqual((verdict["attempt"], verdict["bytes"]), (3, 20000))
                attempts = daemon.events("attempt", job)
                self.assertEqual([(a["attempt"], a["outcome"], (a.get("error") or {}).get("kind")) for a in attempts],
                                 [(1, "retry", kind), (2, "retry", kind), (3, "done", None)])
                for a in attempts[:2]:
                    self.assertTrue(0 <= a["retry_in"] <= 0.010, a)
                self.assertNotIn("retry_in", attempts[2])

    def test_a_connection_without_an_answer(self):
        """On one that was used before, libcurl tries again by itself; on fresh ones it is our turn."""
        daemon = self.daemon(CLOCKS)
        verdict = daemon.job(self.url("first=2&head_cut=0"))
        self.assert_verdict(verdict, "done")
        self.assertEqual(verdict["attempt"], 3)
        self.assertEqual(daemon.events("attempt")[0]["error"]["kind"], "connect")

    def test_what_is_not(self):
        daemon = self.daemon(CLOCKS)
        jobs = [(how, kind, daemon.submit(self.url(how))) for how, kind in NEVER]
        jobs.append(("parser", "parser_failed", daemon.submit(self.web.url("/lines?n=10"), parser="ndjson")))
        jobs.append(("limit", "limit_exceeded", daemon.submit(self.web.url("/bytes?n=1000"), max_body=999)))
        jobs.append(("few", "unexpected", daemon.submit(self.web.url("/lines?n=5"), parser="lines", min_records=6)))
        jobs.append(("type", "unexpected", daemon.submit(self.web.url("/lines?n=5"), expect_type="text/csv")))
        for how, kind, job in jobs:
            with self.subTest(how=how):
                verdict = daemon.verdict(job)
                self.assert_verdict(verdict, "failed", kind)
                self.assertEqual(verdict["attempt"], 1)
                self.assertEqual([a["outcome"] for a in daemon.events("attempt", job)], ["failed"])

    def test_a_byte_for_each_connection(self):
        """Progress, but no download: an attempt ends after some of those, and there are only so many attempts."""
        daemon = self.daemon({**CLOCKS, "fetch.resume_delay": "1ms"})
        verdict = daemon.job(self.web.url("/bytes?n=20000&id=drops&cut=1"), max_attempts=2)
        self.assert_verdict(verdict, "failed", "truncated")
        self.assertEqual((verdict["attempt"], verdict["resumes"]), (2, 64))
        self.assertEqual(self.web.counts("drops")["requests"], 130)
        verdict = daemon.job(self.web.url("/bytes?n=800000&id=sips&cut=5000"))
        self.assert_verdict(verdict, "done")
        self.assertTrue(159 <= verdict["resumes"] <= 320, verdict)  # part of each is only compared

    def test_what_failed_names_host_and_port(self):
        daemon = self.daemon({**CLOCKS, "defaults.max_attempts": "1", "defaults.first_byte_timeout": "300ms", "defaults.stall_timeout": "300ms"})
        unused = socket.socket()
        self.addCleanup(unused.close)
        unused.bind(("127.0.0.1", 0))  # and kept, that nobody else listens there
        port = unused.getsockname()[1]
        cases = [(how, self.web.port, self.url(how, 7)) for how, _ in AGAIN[:-1]] + [
            ("nobody there", port, f"http://127.0.0.1:{port}/"), ("status", self.web.port, self.url("status=404", 8)),
            ("huge", self.web.port, self.url("header_flood=20000", 8)), ("rubbish", self.web.port, self.url("dup_length=other", 8)),
            ("not the same", self.web.port, self.web.url("/bytes?n=20000&id=other&cut_first=9000&2.etag=is:%22x%22&range=always")),
            ("silence", self.web.port, self.web.url("/silence"))]
        for name, port, url in cases:
            with self.subTest(name=name):
                verdict = daemon.job(url)
                self.assertEqual(verdict["state"], "failed", verdict)
                self.assertIn(f"127.0.0.1 port {port}", verdict["error"]["message"])

    def test_attempts_are_counted(self):
        daemon = self.daemon(CLOCKS)
        verdict = daemon.job(self.url("flaky=100"), max_attempts=3)
        self.assert_verdict(verdict, "failed", "http_status")
        self.assertEqual((verdict["attempt"], verdict["status"]), (3, 503))
        self.assertEqual([a["outcome"] for a in daemon.events("attempt", verdict["job"])], ["retry", "retry", "failed"])
        self.assertEqual(daemon.job(self.url("flaky=100", 2), max_attempts=1)["attempt"], 1)

    def test_records_of_a_retried_attempt_are_told_apart(self):
        daemon = self.daemon(CLOCKS)
        job = daemon.submit(self.web.url("/lines?n=20000&id=apart&first=1&cut=150000" + UNRESUMABLE), parser="lines")
        self.assert_verdict(daemon.verdict(job), "done")
        records = daemon.events("record", job)
        self.assertEqual([r["seq"] for r in records if r["attempt"] == 2], list(range(1, 20001)))
        first = [r["seq"] for r in records if r["attempt"] == 1]
        self.assertEqual(first, list(range(1, len(first) + 1)))
        self.assertEqual(daemon.events("attempt", job)[0]["records"], len(first))

    def test_retry_after(self):
        """Seconds, and a date: nothing is sent before."""
        daemon = self.daemon(CLOCKS)
        when = int(time.time()) + 3
        date = email.utils.formatdate(when, usegmt=True).replace(" ", "%20")
        began = time.monotonic()
        jobs = [daemon.submit(self.url("flaky=1&retry_after=1")), daemon.submit(self.url(f"flaky=1&retry_after={date}", 2)),
                daemon.submit(self.url("flaky=1&retry_after=nonsense", 3))]
        self.assert_verdict(daemon.verdict(jobs[2]), "done")
        self.assert_verdict(daemon.verdict(jobs[0]), "done")
        self.assertGreaterEqual(time.monotonic() - began, 1)
        self.assert_verdict(daemon.verdict(jobs[1]), "done")
        self.assertGreaterEqual(time.time(), when)
        waits = [daemon.events("attempt", job)[0]["retry_in"] for job in jobs]
        self.assertEqual(waits[0], 1)
        self.assertTrue(0 <= waits[1] <= 3, waits)  # 0: its answer was read no sooner than then
        self.assertLess(waits[2], 0.011)

    def test_retry_after_is_capped(self):
        daemon = self.daemon(CLOCKS)
        job = daemon.submit(self.url("flaky=1&retry_after=86400"))
        attempt = penstock_test.until(lambda: daemon.events("attempt", job), "an attempt")[0]
        self.assertEqual(attempt["retry_in"], 3600)
        penstock_test.until(lambda: daemon.state(job) == "waiting", "that is stored")
        self.assertEqual(daemon.call("show", {"id": job})["waiting_for"], "retry")
        daemon.call("cancel", {"ids": [job]})
        self.assert_verdict(daemon.verdict(job), "cancelled")

    def test_a_connection_cut_in_the_handshake(self):
        """It is no matter of certificates: tried again."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()

            def hang_up():
                for how in (False, True, False):
                    peer, _ = listener.accept()
                    with peer:
                        peer.recv(4096)
                        if how:
                            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

            thread = threading.Thread(target=hang_up)
            thread.start()
            daemon = self.daemon(CLOCKS)
            verdict = daemon.job(f"https://127.0.0.1:{listener.getsockname()[1]}/", max_attempts=3)
            thread.join()
        self.assert_verdict(verdict, "failed", "connect")
        self.assertEqual(verdict["attempt"], 3)
        self.assertIn("handshake", verdict["error"]["message"])


if __name__ == "__main__":
    penstock_test.main()
