# label: sanitize
"""An origin that misbehaves: each fault has its state, kind and way of verification. No truncated body
may ever end `done`."""
import contextlib
import hashlib
import socket

import penstock_test

CLOCKS = {
    "defaults.max_attempts": "1",
    "defaults.timeout": "60s",
    "fetch.retry_delay": "5ms",
    "fetch.resume_delay": "5ms",
    "fetch.host_connections": "16",
}
# Without these a body that was cut is resumed.
NO_VALIDATOR = "&etag=none&modified=0"
# Of the jobs that are to meet a clock; to all others a busy machine may be slow.
SOON = "500ms" if not penstock_test.SANITIZED else "2500ms"

# path, state, error.kind, verified_by; the origin gives no validators, so nothing can be resumed.
TABLE = [
    ("/bytes?n=100000", "done", None, "length"),
    ("/bytes?n=0", "done", None, "length"),
    ("/bytes?n=1", "done", None, "length"),
    ("/bytes?n=100000&framing=chunked", "done", None, "chunked"),
    ("/bytes?n=0&framing=chunked", "done", None, "chunked"),
    ("/bytes?n=100000&framing=chunked&trailer=1", "done", None, "chunked"),
    ("/bytes?n=100000&close=1", "done", None, "length"),
    ("/bytes?n=100000&framing=chunked&chunk=7", "done", None, "chunked"),
    ("/bytes?n=20000&drip=5,4000", "done", None, "length"),
    ("/bytes?n=1000&slow_head=50", "done", None, "length"),
    ("/bytes?n=1000&info=103,3", "done", None, "length"),
    ("/bytes?n=1000&info=100", "done", None, "length"),
    ("/bytes?n=1000&status=203", "done", None, "length"),
    ("/bytes?n=0&status=204", "done", None, None),
    ("/bytes?n=1000&redirects=3", "done", None, "length"),
    ("/bytes?n=1000&header_flood=100", "done", None, "length"),
    ("/bytes?n=1000&dup_length=same", "done", None, "length"),
    # Cut with a length, with chunks, by a reset: always known.
    ("/bytes?n=100000&cut=0", "failed", "truncated", None),
    ("/bytes?n=100000&cut=1", "failed", "truncated", None),
    ("/bytes?n=100000&cut=50000", "failed", "truncated", None),
    ("/bytes?n=100000&cut=99999", "failed", "truncated", None),
    ("/bytes?n=100000&reset=50000", "failed", "truncated", None),
    ("/bytes?n=100000&framing=chunked&cut=0", "failed", "truncated", None),
    ("/bytes?n=100000&framing=chunked&cut=1", "failed", "truncated", None),
    ("/bytes?n=100000&framing=chunked&cut=50000", "failed", "truncated", None),
    ("/bytes?n=100000&framing=chunked&cut=99999", "failed", "truncated", None),
    ("/bytes?n=100000&framing=chunked&reset=50000", "failed", "truncated", None),
    ("/bytes?n=100000&framing=chunked&no_final_chunk=1", "failed", "truncated", None),
    ("/bytes?n=100000&framing=chunked&no_final_crlf=1", "failed", "truncated", None),
    ("/bytes?n=100000&framing=length&header=X:y&cut=4096", "failed", "truncated", None),
    # A Content-Length that is wrong: too long is a cut; too short leaves bytes that are not the body's.
    ("/bytes?n=100000&framing=length&length=%2B1", "failed", "truncated", None),
    ("/bytes?n=100000&framing=length&length=%2B5000", "failed", "truncated", None),
    # Closed by the peer without a length: nobody can tell.
    ("/bytes?n=100000&framing=close", "failed", "unverified_end", None),
    ("/bytes?n=100000&framing=close&cut=50000", "failed", "unverified_end", None),
    ("/bytes?n=100000&http10=1&framing=close", "failed", "unverified_end", None),
    ("/bytes?n=0&framing=close", "failed", "unverified_end", None),
    ("/bytes?n=100000&framing=close&reset=50000", "failed", "truncated", None),
    # What is no HTTP.
    ("/bytes?n=100000&framing=chunked&bad_chunk=50000", "failed", "protocol", None),
    ("/bytes?n=1000&no_status_line=1", "failed", "protocol", None),
    ("/bytes?n=1000&bad_status=1", "failed", "protocol", None),
    ("/bytes?n=1000&http09=1", "failed", "protocol", None),
    ("/bytes?n=1000&garbage=1", "failed", "protocol", None),
    ("/bytes?n=1000&dup_length=other", "failed", "protocol", None),
    ("/bytes?n=1000&head_cut=0", "failed", "connect", None),
    ("/bytes?n=1000&head_cut=20", "failed", ("protocol", "truncated"), None),
    ("/bytes?n=1000&head_reset=20", "failed", ("protocol", "truncated"), None),
    # Heads without end.
    ("/bytes?n=1000&endless_head=1", "failed", ("limit_exceeded", "protocol"), None),
    ("/bytes?n=1000&huge_header=1M", "failed", ("limit_exceeded", "protocol"), None),
    ("/bytes?n=1000&header_flood=100000", "failed", ("limit_exceeded", "protocol"), None),
    # Silence, and slowness.
    ("/silence", "failed", "first_byte_timeout", None),
    ("/bytes?n=1000&slow_head=60000", "failed", "first_byte_timeout", None),
    ("/bytes?n=100000&stall=0", "failed", "stalled", None),
    ("/bytes?n=100000&stall=1", "failed", "stalled", None),
    ("/bytes?n=100000&stall=50000", "failed", "stalled", None),
    ("/bytes?n=100000&framing=chunked&stall=50000", "failed", "stalled", None),
    ("/bytes?n=100000&framing=close&stall=50000", "failed", "stalled", None),
    # Status.
    ("/bytes?n=1000&status=304", "failed", "http_status", None),
    ("/bytes?n=1000&status=404", "failed", "http_status", None),
    ("/bytes?n=1000&status=500", "failed", "http_status", None),
    ("/bytes?n=1000&status=503&retry_after=1", "failed", "http_status", None),
    ("/bytes?n=1000&status=206", "failed", ("http_status", "protocol"), None),
    ("/bytes?n=1000&status=201", "failed", "http_status", None),
    ("/bytes?n=1000&loop=1", "failed", "redirects", None),
    ("/bytes?n=1000&redirects=100", "failed", "redirects", None),
    ("/bytes?n=1000&redirect=file:///etc/passwd", "failed", ("policy", "redirects", "protocol"), None),
    ("/bytes?n=1000&redirect=http://10.1.2.3/", "failed", "policy", None),
    ("/bytes?n=1000&redirect=http://[::ffff:169.254.169.254]/", "failed", "policy", None),
    ("/bytes?n=1000&status=302", "failed", ("redirects", "http_status", "protocol"), None),
]


class Faults(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.web = self.origin()

    @staticmethod
    def clocks(kinds):
        return {f"{name}_timeout": SOON for name, kind in (("stall", "stalled"), ("first_byte", "first_byte_timeout")) if kinds == kind}

    @staticmethod
    def unresumable(path):
        return path + NO_VALIDATOR if "?" in path else path

    def test_table(self):
        self.check_table(self.daemon({**CLOCKS, "fetch.splice_min": "0"}))

    def test_table_spliced(self):
        daemon = self.daemon({**CLOCKS, "fetch.splice_min": "1"})
        self.check_table(daemon)
        self.assertGreater(daemon.call("stats")["fetch"]["spliced"], 5)

    def check_table(self, daemon):
        jobs = [(row, daemon.submit(self.web.url(self.unresumable(row[0])), **self.clocks(row[2]))) for row in TABLE]
        for (path, state, kinds, verified), job in jobs:
            with self.subTest(path=path):
                verdict = daemon.verdict(job)
                kind = (verdict.get("error") or {}).get("kind")
                self.assertEqual((verdict["state"], kind in kinds if isinstance(kinds, tuple) else kind),
                                 (state, True if isinstance(kinds, tuple) else kinds), verdict)
                if verified:
                    self.assertEqual(verdict["verified_by"], verified)
                if state == "failed":
                    self.assertTrue(verdict["error"]["message"], verdict)
                    self.assertNotIn("\n", verdict["error"]["message"])
        self.assertEqual(len(daemon.events("verdict")), len(TABLE))

    def test_no_cut_is_ever_done(self):
        """Every way to cut, at every place that is special to some layer, into every built-in parser."""
        for splice_min in ("0", "1"):
            self.check_cuts(self.daemon({**CLOCKS, "defaults.unverified": "fail", "fetch.splice_min": splice_min}))

    def check_cuts(self, daemon):
        size = 70000
        places = [0, 1, 2, 4095, 4096, 4097, 16383, 16384, 16385, 65535, 65536, 65537, size - 1]
        jobs = []
        for framing in ("length", "chunked", "close"):
            for how in ("cut", "reset"):
                for place in places:
                    path = self.unresumable(f"/bytes?n={size}&framing={framing}&{how}={place}")
                    jobs.append((path, daemon.submit(self.web.url(path), parser="count")))
        for path, parser in (("/lines?n=20000&cut=100000", "lines"), ("/csv?n=4000&cut=65536", "csv"),
                             ("/ndjson?n=4000&cut=65536", "ndjson")):
            for framing in ("length", "chunked", "close"):
                full = self.unresumable(f"{path}&framing={framing}")
                jobs.append((full, daemon.submit(self.web.url(full), parser=parser)))
        for path, job in jobs:
            verdict = daemon.verdict(job)
            self.assertEqual(verdict["state"], "failed", f"{path}: {verdict}")
            self.assertIn(verdict["error"]["kind"], ("truncated", "unverified_end", "protocol"), f"{path}: {verdict}")

    def test_what_is_resumed_is_whole(self):
        """Cut again and again, with validators: `done` only with every byte in its place."""
        daemon = self.daemon(CLOCKS)
        size = 300000
        whole = hashlib.sha256(self.web.get(f"/bytes?n={size}")).hexdigest()
        done = 0
        for how in ("cut=100000", "reset=100000", "cut_first=1", "cut=150000&range=ignore&first=1", "cut=99999&range=shift",
                    "cut=99999&range=short", "cut=99999&range=othertotal", "cut=99999&range=otheretag", "cut=99999&range=nocr",
                    "cut=99999&range=416", "cut=99999&etag=change", "cut=99999&etag=weak&modified=0"):
            with self.subTest(how=how):
                name = "".join(c if c.isalnum() else "-" for c in how)
                verdict = daemon.job(self.web.url(f"/bytes?n={size}&id={name}&{how}"), digest="sha256")
                if verdict["state"] == "done":
                    done += 1
                    self.assertEqual((verdict["sha256"], verdict["bytes"]), (whole, size), verdict)
                else:
                    self.assertIn(verdict["error"]["kind"], ("truncated", "protocol"), verdict)
        self.assertGreaterEqual(done, 3)

    def test_a_cut_gives_count_no_record(self):
        """The parser that counts must not have counted a part."""
        daemon = self.daemon(CLOCKS)
        for framing in ("length", "chunked", "close"):
            path = self.unresumable(f"/bytes?n=100000&framing={framing}&reset=50000")
            job = daemon.submit(self.web.url(path), parser="count")
            self.assertEqual(daemon.verdict(job)["state"], "failed")
            self.assertEqual(daemon.records(job), [])

    def test_accepting_what_nobody_can_verify(self):
        daemon = self.daemon(CLOCKS)
        verdict = daemon.job(self.web.url("/bytes?n=100000&framing=close"), unverified="accept")
        self.assert_verdict(verdict, "done", None, "none")
        verdict = daemon.job(self.web.url(self.unresumable("/bytes?n=100000&cut=5")), unverified="accept")
        self.assert_verdict(verdict, "failed", "truncated")

    def test_statuses_that_are_asked_for(self):
        daemon = self.daemon(CLOCKS)
        verdict = daemon.job(self.web.url("/bytes?n=1000&status=404"), accept_status=["404"])
        self.assert_verdict(verdict, "done", None, "length")
        self.assertEqual(verdict["bytes"], 1000)

    def test_an_error_page_is_quoted(self):
        daemon = self.daemon(CLOCKS)
        verdict = daemon.job(self.web.url("/text?text=the%20feed%20has%20moved&status=410"))
        self.assert_verdict(verdict, "failed", "http_status")
        self.assertIn("the feed has moved", verdict["error"]["message"])
        long = daemon.job(self.web.url("/lines?n=100000&status=500"))
        self.assert_verdict(long, "failed", "http_status")
        self.assertLess(len(long["error"]["message"]), 1024)

    def test_an_error_page_that_quotes_a_secret(self):
        daemon = self.daemon(CLOCKS)
        verdict = daemon.job(self.web.url("/text?status=404&text=GET%20/x%3Ftoken%3Dhunter2%26a%3D1"))
        self.assert_verdict(verdict, "failed", "http_status")
        self.assertIn("token=***&a=1", verdict["error"]["message"])
        self.assertNotIn("hunter2", verdict["error"]["message"])

    def test_nobody_listens(self):
        daemon = self.daemon(CLOCKS)
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))  # and kept, that nobody else listens there
            self.assert_verdict(daemon.job(f"http://127.0.0.1:{closed.getsockname()[1]}/"), "failed", "connect")

    def test_no_such_name(self):
        daemon = self.daemon(CLOCKS)
        self.assert_verdict(daemon.job("http://no-such-name.invalid/"), "failed", "dns")

    def test_connect_timeout(self):
        """A listener whose queue is full answers no SYN."""
        daemon = self.daemon({**CLOCKS, "defaults.connect_timeout": "100ms"})
        with contextlib.ExitStack() as stack:
            deaf = stack.enter_context(socket.socket())
            deaf.bind(("127.0.0.1", 0))
            deaf.listen(0)
            for _ in range(4):
                filler = stack.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex(deaf.getsockname())
            url = f"http://127.0.0.1:{deaf.getsockname()[1]}/"
            self.assert_verdict(daemon.job(url), "failed", "connect_timeout")

    def test_tls(self):
        ca = self.dir / "ca.pem"
        good = self.origin("--tls=good", "--ca", ca)
        daemon = self.daemon({**CLOCKS, "fetch.ca_file": ca})
        self.assert_verdict(daemon.job(good.url("/bytes?n=100000")), "done", None, "length")
        for path in ("/bytes?n=100000&cut=50000", "/bytes?n=100000&framing=chunked&cut=50000",
                     "/bytes?n=100000&cut=50000&notify=1"):
            self.assert_verdict(daemon.job(good.url(self.unresumable(path))), "failed", "truncated")
        for path in ("/bytes?n=100000&framing=close&cut=50000", "/bytes?n=100000&framing=close&cut=50000&notify=1"):
            verdict = daemon.job(good.url(self.unresumable(path)))
            self.assertEqual(verdict["state"], "failed", verdict)
            self.assertIn(verdict["error"]["kind"], ("unverified_end", "truncated"))
        for kind in ("wrong-name", "expired", "self-signed"):
            with self.subTest(kind=kind):
                origin = self.origin(f"--tls={kind}", "--ca", self.dir / f"{kind}.pem")
                sets = {**CLOCKS, "fetch.ca_file": self.dir / f"{kind}.pem" if kind != "self-signed" else ca}
                other = self.daemon(sets)
                self.assert_verdict(other.job(origin.url("/bytes?n=10")), "failed", "tls")

    def test_tls_silence(self):
        origin = self.origin("--tls=silent", "--ca", self.dir / "ca.pem")
        daemon = self.daemon({**CLOCKS, "defaults.connect_timeout": "150ms"})
        verdict = daemon.job(origin.url("/bytes?n=10"))
        self.assertIn((verdict["state"], verdict["error"]["kind"]),
                      [("failed", "connect_timeout"), ("failed", "tls")], verdict)

    def test_policy_refuses_loopback(self):
        daemon = self.daemon({**CLOCKS, "policy.allow": None})
        for url in (self.web.url("/bytes?n=10"), f"http://localhost:{self.web.port}/", f"http://2130706433:{self.web.port}/",
                    f"http://0x7f.1:{self.web.port}/", "http://169.254.169.254/latest/meta-data/", "http://[::1]/",
                    "http://10.0.0.1/", "http://192.168.1.1/"):
            with self.subTest(url=url):
                verdict = daemon.job(url)
                self.assert_verdict(verdict, "failed", "policy")
                self.assertIn("allow", verdict["error"]["message"])
        self.assertEqual(self.web.stats()["requests"], 1)  # this look itself

    def test_retries_until_it_comes(self):
        """The first request fails, the second does not: one verdict, attempt 2."""
        daemon = self.daemon({**CLOCKS, "defaults.max_attempts": "3"})
        verdict = daemon.job(self.web.url(self.unresumable("/bytes?n=100000&id=once&cut_first=5000")), parser="count")
        self.assert_verdict(verdict, "done", None, "length")
        self.assertEqual(verdict["attempt"], 2)
        attempts = daemon.events("attempt", verdict["job"])
        self.assertEqual((attempts[0]["outcome"], attempts[0]["error"]["kind"]), ("retry", "truncated"))
        self.assertEqual(len(daemon.records(verdict["job"])), 1)

    def test_connections_are_reused(self):
        daemon = self.daemon(CLOCKS)
        for _ in range(10):
            self.assert_verdict(daemon.job(self.web.url("/bytes?n=1000")), "done")
        self.assertLessEqual(self.web.stats()["connections"], 3)


if __name__ == "__main__":
    penstock_test.main()
