# label: sanitize
"""The fault matrix: every way in which a body can be cut and its resume go wrong, over every framing, with records
streamed and held back. Whatever is `done` has the right sha256 and exactly the right records; all else has failed
with the documented kind, and a second attempt sets it right where the fault was passing."""
import collections
import hashlib
import json

import penstock_test
from test_requests import Certificates

ROWS = 500
SPLICED_ROWS = 6000  # more than what curl reads with the head, also of half of it, compressed
CLOCKS = {
    "defaults.max_attempts": "1",
    "fetch.resume_delay": "1ms",
    "fetch.retry_delay": "1ms",
    "fetch.retry_delay_max": "5ms",
    "fetch.breaker_failures": "0",
    "fetch.host_connections": "64",
}
# Of the bodies that fall silent; to all others a busy machine may be slow.
SILENT = {"stall_timeout": "400ms" if not penstock_test.SANITIZED else "3s"}

# name: what the origin is asked for.
MEDIA = {
    "plain": "framing=length",
    "tls": "framing=length",
    "chunked": "framing=chunked&chunk=700",
    "tls chunked": "framing=chunked&chunk=700",
    "close-delimited": "framing=close",
    "gzip": "framing=length&gzip=1",
    "gzip chunked": "framing=chunked&chunk=700&gzip=1",
    "gzip close-delimited": "framing=close&gzip=1",
    "h2": "framing=length",
    "h2 chunked": "framing=chunked&chunk=700",  # h2 has no such thing: a body whose length is not told
}

DONE = "done"
# Faults of the first response: name, parameters, what comes of it where the end is known, and where a close is the end.
# {mid} and {last} are places in the body as it arrives. A cut that close-delimited bodies cannot show is `unverified_end`;
# with a checked encoding the decoder shows it, and it is `truncated`.
CUTS = [
    ("none", "", DONE, ("unverified_end",)),
    ("cut at 0", "cut=0", ("truncated",), ("unverified_end", "truncated")),
    ("cut at 1", "cut=1", DONE, ("unverified_end", "truncated")),
    ("cut in the first chunk", "cut=300", DONE, ("unverified_end", "truncated")),
    ("cut in the middle", "cut={mid}", DONE, ("unverified_end", "truncated")),
    ("cut at the last byte", "cut={last}", DONE, ("unverified_end", "truncated")),
    ("cut before the end's mark", "no_final_chunk=1", DONE, ("unverified_end", DONE)),
    ("cut in the head", "head_cut=60", ("truncated", "connect", "protocol"), ("truncated", "connect", "protocol")),
    # On a connection that was used before, libcurl tries again by itself.
    ("no head", "head_cut=0", ("connect", DONE), ("connect", DONE, "unverified_end")),
    ("reset at 1", "reset=1", (DONE, "truncated"), (DONE, "truncated")),  # the reset may overtake the byte
    ("reset in the middle", "reset={mid}", (DONE, "truncated"), (DONE, "truncated")),
    ("reset in the head", "head_reset=60", ("truncated", "connect", "protocol"), ("truncated", "connect", "protocol")),
    ("stall at 0", "stall=0", ("stalled",), ("stalled",)),
    ("stall at 1", "stall=1", DONE, DONE),
    ("stall in the middle", "stall={mid}", DONE, DONE),
]
# nginx holds a head back until it has some of the body, and tells of one that it cannot read in its own words. A stream that
# ends before its head, on a connection that was used before, is asked for once more.
HEADS_OF_H2 = {"cut at 0": ("truncated", "connect", DONE), "cut in the head": ("http_status",), "no head": ("http_status",),
               "reset in the head": ("http_status",), "stall at 0": None}
# What the answer to the resume may be, after a cut in the middle.
RESUMES = [
    ("a 206 that starts elsewhere", "range=shift", ("truncated",)),
    ("a 206 that is short", "range=short", ("truncated",)),
    ("a 206 of another total", "range=othertotal", ("truncated",)),
    ("a 206 of another ETag", "range=otheretag", ("truncated",)),
    ("a 206 without its range", "range=nocr", ("truncated",)),
    ("a 416", "range=416", ("truncated",)),
    ("a 200 of the same", "range=ignore", DONE),
    ("a 200 of another", "range=ignore&etag=change", ("truncated",)),
    ("If-Range does not hold", "etag=change", ("truncated",)),
    ("a weak validator", "etag=weak&modified=0", ("truncated",)),
    ("a date for a validator", "etag=none&header=Date:Wed,%2001%20Jan%202025%2000:01:00%20GMT", DONE),
    ("a date that is too young", "etag=none&header=Date:Wed,%2001%20Jan%202025%2000:00:00%20GMT", ("truncated",)),
    ("a date, and no Date", "etag=none", DONE),  # it is old by our own clock
    ("a young date, and no Date", "etag=none&modified=ago:1", ("truncated",)),
    ("no validator", "etag=none&modified=0", ("truncated",)),
]


class Matrix(penstock_test.Case):
    rows = ROWS
    media = list(MEDIA)
    job = {"digest": "sha256"}

    def setUp(self):
        super().setUp()
        ca = self.dir / "origin.pem"
        self.plain = self.origin()
        self.tls = self.origin("--tls=good", "--ca", ca)
        self.h2_port = self.front()
        (self.dir / "ca-both.pem").write_text(ca.read_text() + self.certs.ca.read_text())
        self.config = self.wrote("h2.conf", '[host "localhost"]\nhttp2 = yes\n')
        self.settings = {**CLOCKS, "fetch.splice_min": "0", "fetch.ca_file": self.dir / "ca-both.pem",
                         "flow.spool_dir": self.dir / "spool", "policy.allow": "127.0.0.0/8 ::1"}
        self.numbers = collections.Counter()
        self.bodies = {}

    def front(self):
        """nginx, which speaks h2 over TLS and passes on what the plain origin does, its faults as the stream's."""
        www = self.dir / "www"
        www.mkdir()
        self.certs = Certificates(self)
        cert, key = self.certs.server
        nginx = penstock_test.Nginx(self, www, f"""
        listen 127.0.0.1:SECOND ssl http2;
        ssl_certificate {cert};
        ssl_certificate_key {key};
        location / {{
            proxy_pass http://127.0.0.1:{self.plain.port};
            proxy_http_version 1.1;
            proxy_buffering off;
            proxy_next_upstream off;
            proxy_pass_header Date;
        }}""")
        return nginx.second

    def body(self, medium):
        """The whole body as it arrives, and what the parser makes of it."""
        if medium not in self.bodies:
            data = self.plain.get(f"/csv?n={self.rows}&id=whole" + ("&gzip=1" if "gzip" in medium else ""))
            self.bodies[medium] = (len(data), hashlib.sha256(data).hexdigest())
        return self.bodies[medium]

    def url(self, medium, how):
        self.numbers["id"] += 1
        size = self.body(medium)[0]
        how = how.format(mid=size // 2, last=size - 1)
        # first=1: what is no property of the resource befalls the first request alone.
        path = f"/csv?n={self.rows}&id={self.numbers['id']}&first=1&{MEDIA[medium]}&{how}"
        if medium.startswith("h2"):
            return f"https://localhost:{self.h2_port}{path}"
        return (self.tls if medium.startswith("tls") else self.plain).url(path)

    def cells(self):
        for medium in self.media:
            closes = "close" in medium
            for name, how, known, unknown in CUTS:
                if "no_final_chunk" in how and "chunked" not in medium:
                    continue
                outcome = unknown if closes else known
                if medium.startswith("h2"):
                    outcome = HEADS_OF_H2.get(name, outcome)
                if outcome:
                    yield medium, name, how, self.expected(medium, name, outcome)
            for name, how, expected in RESUMES:
                # A cut is not to be seen in a body that a close ends; silence is.
                if medium in ("gzip chunked", "gzip close-delimited") and how.startswith("range="):
                    expected = DONE if how != "range=ignore&etag=change" else expected  # no range is asked for
                yield medium, name, ("stall={mid}&" if closes else "cut={mid}&") + how, self.after_stall(medium, name, expected)

    @staticmethod
    def expected(medium, name, outcome):
        """A checked encoding vouches for the end that a close leaves open."""
        if medium == "gzip close-delimited" and name == "none":
            return (DONE,)
        return (outcome,) if isinstance(outcome, str) else outcome

    @staticmethod
    def after_stall(medium, name, outcome):
        """A 200 of the same that a close ends is whole if the encoding says so."""
        if outcome == DONE:
            return ("unverified_end",) if medium == "close-delimited" and name == "a 200 of the same" else (DONE,)
        return tuple(outcome) + (("stalled",) if "close" in medium else ())

    def read_log(self, daemon):
        """The verdicts by job, and the records' data by (job, attempt), in one pass."""
        verdicts, records = {}, collections.defaultdict(list)
        with open(daemon.log, "rb") as log:
            for line in log:
                event = json.loads(line)
                if event["event"] == "record":
                    found = records[event["job"], event["attempt"]]
                    found.append(event["data"])
                    self.assertEqual(event["seq"], len(found))
                elif event["event"] == "verdict":
                    self.assertNotIn(event["job"], verdicts)
                    verdicts[event["job"]] = event
        return verdicts, records

    def run_all(self, max_attempts):
        daemon = self.daemon(self.settings, config=self.config)
        jobs = []
        for medium, name, how, expected in self.cells():
            clocks = SILENT if "stall=" in how else {}
            for deliver in ("stream", "commit"):
                job = daemon.submit(self.url(medium, how), parser="csv", deliver=deliver, max_attempts=max_attempts, **clocks, **self.job)
                jobs.append((medium, name, expected, deliver, job))
        whole = daemon.submit(self.plain.url(f"/csv?n={self.rows}"), parser="csv")
        with daemon.rpc() as rpc:
            rpc.socket.settimeout(10 * penstock_test.DEADLINE)  # they are some hundred
            rpc.call("wait", {"ids": [whole] + [job for *_, job in jobs]})
        verdicts, records = self.read_log(daemon)
        self.assert_verdict(verdicts[whole], "done")
        self.assertEqual(len(records[whole, 1]), self.rows)
        self.check_way(daemon.call("stats")["fetch"], verdicts)
        return [(*cell, verdicts[cell[-1]], records) for cell in jobs], records[whole, 1]

    def check_way(self, fetch, verdicts):
        self.assertEqual(fetch["spliced"], 0)

    def check_done(self, medium, job, verdict, records, rows):
        size, digest = self.body(medium)
        self.assertEqual(verdict["bytes"], size, verdict)
        if "digest" in self.job:
            self.assertEqual(verdict["sha256"], digest, verdict)
        self.assertEqual(verdict["records"], self.rows)
        self.assertEqual(records[job, verdict["attempt"]], rows)
        self.assertNotEqual(verdict["verified_by"], "none")

    def test_one_attempt(self):
        cells, rows = self.run_all(1)
        for medium, name, expected, deliver, job, verdict, records in cells:
            with self.subTest(medium=medium, fault=name, deliver=deliver):
                kind = DONE if verdict["state"] == "done" else verdict["error"]["kind"]
                self.assertIn(kind, expected, verdict)
                if kind == DONE:
                    self.check_done(medium, job, verdict, records, rows)
                    if name not in ("none", "no head", "cut at 0"):
                        self.assertGreaterEqual(verdict["resumes"], 1, verdict)
                else:
                    got = records.get((job, 1), [])
                    self.assertEqual(got, rows[:len(got)])
                    if deliver == "commit":
                        self.assertEqual(got, [])

    def test_the_next_attempt_sets_it_right(self):
        """All but what no attempt can better: an end that nobody can tell."""
        cells, rows = self.run_all(4)
        lasting = ("unverified_end",)
        for medium, name, expected, deliver, job, verdict, records in cells:
            with self.subTest(medium=medium, fault=name, deliver=deliver):
                if verdict["state"] == "done":
                    self.check_done(medium, job, verdict, records, rows)
                else:
                    self.assertIn(verdict["error"]["kind"], lasting, verdict)
                    self.assertIn("close-delimited", medium)
                if deliver == "commit":
                    attempts = {a for j, a in records if j == job}
                    self.assertEqual(attempts, {verdict["attempt"]} if verdict["state"] == "done" else set())


class SplicedMatrix(Matrix):
    """The same where the kernel alone carries what curl has not read with the head."""
    rows = SPLICED_ROWS
    media = ["plain", "gzip"]
    job = {}

    def setUp(self):
        super().setUp()
        self.settings["fetch.splice_min"] = "1"

    def check_way(self, fetch, verdicts):
        # All but what is cut or silent before, and most resumes too.
        self.assertGreater(fetch["spliced"], len(verdicts) * 2 // 3)


if __name__ == "__main__":
    penstock_test.main()
