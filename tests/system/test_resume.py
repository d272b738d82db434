# label: sanitize
"""Two versions never become one body: what the answer to a resume may say, field by field, and what comes of it. Each
case is an origin whose first answer is cut, and whose later ones differ from it as the case says; a `done` is one whole
version, byte for byte."""
import hashlib
import http.server
import itertools
import threading
import time
import urllib.parse

import penstock_test
from penstock_test import until

SIZE = 200_000
CUT = 100_000
CLOCKS = {
    "fetch.resume_delay": "1ms",
    "fetch.retry_delay": "1ms",
    "fetch.retry_delay_max": "5ms",
    "fetch.splice_min": "0",
    "fetch.host_connections": "64",
}
# Of those that fall silent; to all others a busy machine may be slow.
SILENT = {"stall_timeout": "400ms" if not penstock_test.SANITIZED else "3s"}
TAG = "etag=is:%22v1%22"
OTHER_TAG = "2.etag=is:%22v2%22"
OLD = "modified=is:Wed,%2001%20Jan%202025%2000:00:00%20GMT"
OTHER_DATE = "2.modified=is:Wed,%2001%20Jan%202025%2000:00:01%20GMT"
NO_TAG = "etag=none"
ALL = "range=always"  # a server to which If-Range says nothing

# The version changes behind the first answer, and something, or nothing, says so: never one body, and a second attempt
# has the second version whole.
CHANGED = {
    "a strong tag differs": f"{TAG}&{OTHER_TAG}&{ALL}",
    "a weak tag differs, the date is the same": f"etag=is:W/%22v1%22&2.etag=is:W/%22v2%22&{OLD}&{ALL}",
    "a weak tag is the same": f"etag=is:W/%22v1%22&{OLD}&{ALL}",
    "the second tag is weak": f"{TAG}&2.etag=is:W/%22v1%22&{ALL}",
    "tags without quotes differ": f"etag=is:v1&2.etag=is:v2&{OLD}&{ALL}",
    "a tag without quotes is the same": f"etag=is:v1&{OLD}&{ALL}",
    "a tag with half its quotes": f"etag=is:%22v1&{OLD}&{ALL}",
    "a tag with a blank": f"etag=is:%22v%201%22&{OLD}&{ALL}",
    "two tags": f"{NO_TAG}&header=ETag:%22a%22&header=ETag:%22b%22&{OLD}&{ALL}",
    "a tag of nothing": f"etag=is:%22%22&modified=0&{ALL}",
    "two dates": f"{NO_TAG}&header=Last-Modified:Wed,%2001%20Jan%202025%2000:00:00%20GMT&header=Last-Modified:Wed,%2001%20Jan%202025%2000:00:01%20GMT&{ALL}",
    "an empty tag's date": f"etag=is:%22%22&{OLD}&{OTHER_DATE}&{ALL}",
    "WEBrick: no date in the 206, and another tag": f"etag=is:1-2-3&2.etag=is:4-5-6&{OLD}&2.modified=0&{ALL}",
    "the tag is of the size alone, and the date differs": f"{TAG}&{OLD}&{OTHER_DATE}&{ALL}",
    "the 206 has no validator": f"{TAG}&{OLD}&2.etag=none&2.modified=0&{ALL}",
    "the date differs": f"{NO_TAG}&{OLD}&{OTHER_DATE}&{ALL}",
    "the 206 by date has no date": f"{NO_TAG}&{OLD}&2.modified=0&{ALL}",
    "the date is as young as the answer": f"{NO_TAG}&modified=ago:0&date=1&{ALL}",
    "the date is in the future": f"{NO_TAG}&modified=ago:-10&date=1&{ALL}",
    "the date is young by our clock": f"{NO_TAG}&modified=ago:1&{ALL}",
    "the date is none": f"{NO_TAG}&modified=is:yesterday&{ALL}",
    "a tag of a file within its second": f"{TAG}&modified=is:Wed,%2001%20Jan%202025%2000:00:00%20GMT&date=is:Wed,%2001%20Jan%202025%2000:00:00%20GMT&{ALL}",
    "a tag of a file that is new by our clock": f"{TAG}&modified=ago:0&{ALL}",
    "the total differs": f"{TAG}&range=othertotal",
    "the type differs": f"{TAG}&type=text/csv&2.type=text/html&{ALL}",
    "the charset differs": f"{TAG}&type=text/csv&2.type=text/csv;charset=x&{ALL}",
    "several parts": f"{TAG}&2.type=multipart/byteranges;boundary=x&{ALL}",
    "several parts of no type": f"{TAG}&2.header=Content-Type:multipart/byteranges;boundary=x&{ALL}",
    "the location differs": f"{TAG}&header=Content-Location:/a&2.header=Content-Location:/b&{ALL}",
    "the encoding goes": f"{TAG}&header=Content-Encoding:identity&2.header=Content-Encoding:br&3.header=X:y&{ALL}",
    "nothing but the bytes differs": f"{TAG}&{OLD}&{ALL}",
    "nothing but the bytes differs, by date": f"{NO_TAG}&{OLD}&{ALL}",
    "nothing but the bytes differs, and the origin has no ranges": f"{TAG}&{OLD}&range=ignore",
    "the tag differs, and the origin has no ranges": f"{TAG}&{OTHER_TAG}&range=ignore",
    "the date differs, and the origin has no ranges": f"{NO_TAG}&{OLD}&{OTHER_DATE}&range=ignore",
    "a range of 2^64": f"{TAG}&2.content_range=bytes%20-18446744073709551616-199999/200000&{ALL}",
    "a range that wraps to the byte": f"{TAG}&2.content_range=bytes%2018446744073709647520-199999/200000&{ALL}",
    "a range with a sign": f"{TAG}&2.content_range=bytes%20%2B95904-199999/200000&{ALL}",
    "two ranges": f"{TAG}&2.header=Content-Range:bytes%2095904-199999/200000&3.header=X:y&{ALL}",
    "no range": f"{TAG}&range=nocr",
    "a total that wraps": f"{TAG}&2.content_range=bytes%2095904-199999/18446744073709751616&{ALL}",
    "chunked": f"framing=chunked&{TAG}&{OLD}&{ALL}",
    "chunked, and the tag differs": f"framing=chunked&{TAG}&{OTHER_TAG}&{ALL}",
}

# The version stays: these are resumed, and are whole at the first attempt.
SAME = {
    "a strong tag": f"{TAG}",
    "a strong tag, and no date at all": f"{TAG}&modified=0",
    "a strong tag, and If-Range says nothing": f"{TAG}&{ALL}",
    "a tag, and the date comes back alone": f"{TAG}&{OLD}&2.etag=none&{ALL}",
    "a date that is older than Date": f"{NO_TAG}&modified=is:Wed,%2001%20Jan%202025%2000:00:00%20GMT&date=is:Wed,%2001%20Jan%202025%2000:00:01%20GMT",
    "a date without a Date": f"{NO_TAG}&{OLD}",
    "a date, and no ranges": f"{NO_TAG}&{OLD}&range=ignore",
    "a tag, and no ranges": f"{TAG}&range=ignore",
    "chunked": f"{TAG}&framing=chunked",
    "a chunked 206": f"{TAG}&2.framing=chunked",
    "a chunked 206 without an end": f"{TAG}&2.framing=chunked&2.no_final_chunk=1",
    "a chunked 206 that falls silent at its end": f"{TAG}&2.framing=chunked&2.stall={SIZE - CUT + 4096}",
    "a 206 that a close ends": f"{TAG}&2.framing=close",
    "the same type": f"{TAG}&type=text/csv",
    "less is said in the 206": f"{TAG}&type=text/csv&header=Content-Location:/a&2.header=X:y",
    "a total that is not told": f"{TAG}&2.content_range=bytes%20{CUT - 4096}-{SIZE - 1}/*",
}

# Who answers the resume in the origin's place, for a moment.
GATEWAYS = [408, 425, 429, 500, 502, 503, 504, 520, 599]


def pattern(version, size=SIZE):
    return bytes((o + (o >> 8) * 31 + (o >> 16) * 57 + version) & 255 for o in range(size))


class Resume(penstock_test.Case):
    numbers = itertools.count(1)

    def setUp(self):
        super().setUp()
        self.web = self.origin()
        self.penstock = self.daemon(CLOCKS)
        self.digests = [hashlib.sha256(pattern(v)).hexdigest() for v in (0, 1)]

    def url(self, how, n=SIZE, cut=CUT):
        self.key = f"r{next(self.numbers)}"
        return self.web.url(f"/bytes?n={n}&id={self.key}&cut_first={cut}&{how}")

    def test_another_version(self):
        jobs = [(name, self.penstock.submit(self.url(how + "&2.body=1"), digest="sha256", max_attempts=1),
                 self.penstock.submit(self.url(how + "&2.body=1"), digest="sha256", max_attempts=2))
                for name, how in CHANGED.items()]
        for name, once, twice in jobs:
            with self.subTest(name=name):
                verdict = self.penstock.verdict(once)
                self.assert_verdict(verdict, "failed", "truncated")
                verdict = self.penstock.verdict(twice)
                self.assert_verdict(verdict, "done")
                self.assertEqual((verdict["attempt"], verdict["bytes"], verdict["sha256"]), (2, SIZE, self.digests[1]))

    def test_the_same_version(self):
        jobs = [(name, self.penstock.submit(self.url(how), digest="sha256", max_attempts=1, **(SILENT if "stall=" in how else {})))
                for name, how in SAME.items()]
        for name, job in jobs:
            with self.subTest(name=name):
                verdict = self.penstock.verdict(job)
                self.assert_verdict(verdict, "done")
                self.assertEqual((verdict["bytes"], verdict["sha256"], verdict["resumes"]), (SIZE, self.digests[0], 1))

    def test_what_is_asked_for(self):
        """The tail once more; and nothing, where nothing is missing."""
        for how, n, cut, asked in (("", SIZE, CUT, f"bytes={CUT - 4096}-"), ("", SIZE, 300, "bytes=0-"), ("", SIZE, 1, "bytes=0-"),
                                   ("&framing=chunked", SIZE, SIZE, f"bytes={SIZE - 4096}-"), ("&framing=chunked", 1, 1, "bytes=0-"),
                                   ("&framing=chunked&gzip=1", SIZE, 500, "")):
            with self.subTest(how=how, n=n, cut=cut):
                self.assert_verdict(self.penstock.job(self.url(TAG + how, n, cut), max_attempts=1), "done")
                counts = self.web.counts(self.key)
                self.assertEqual((counts["requests"], counts["last_range"], counts["last_if_range"]),
                                 (2, asked, '"v1"' if asked else ""))

    def test_a_part_that_is_called_the_whole(self):
        """200, and a Content-Range that says otherwise; one that says the same, or nothing, is in nobody's way."""
        for told, whole in (("0-999/2000", False), ("1000-1999/2000", False), ("0-999/1000", True), ("0-999/*", True), ("x", True)):
            with self.subTest(told=told):
                url = self.web.url(f"/bytes?n=1000&header=Content-Range:bytes%20{told}")
                verdict = self.penstock.job(url, max_attempts=1)
                self.assert_verdict(verdict, "done" if whole else "failed", None if whole else "truncated")
                done = self.penstock.ctl("run", url, "--max-attempts", "1", "--", "wc", "-c")
                self.assertEqual((done.returncode, done.stdout.strip()), (0, "1000") if whole else (1, ""))

    def test_all_is_there(self):
        """A chunked body whose total a 206 has told is not asked for again: there would be no such range."""
        verdict = self.penstock.job(self.url(f"{TAG}&framing=chunked&2.framing=chunked&2.cut={SIZE - CUT + 4096}"), digest="sha256",
                                    max_attempts=1)
        self.assert_verdict(verdict, "done", None, "length")
        self.assertEqual((verdict["sha256"], self.web.counts(self.key)["requests"]), (self.digests[0], 2))

    def test_more_than_all(self):
        """A chunked 206 does not say how much it brings."""
        url = self.url(f"{TAG}&2.framing=chunked&2.n={SIZE + 1}&{ALL}&2.content_range=bytes%20{CUT - 4096}-{SIZE - 1}/{SIZE}")
        self.assert_verdict(self.penstock.job(url, max_attempts=1), "failed", "truncated")

    def test_gateways(self):
        """An origin that is away for a moment is as bad as a connection that is refused, and no worse."""
        jobs = [(s, self.penstock.submit(self.url(f"{TAG}&2.status={s}&4.status=200"), digest="sha256", max_attempts=1)) for s in GATEWAYS]
        for status, job in jobs:
            with self.subTest(status=status):
                verdict = self.penstock.verdict(job)
                self.assert_verdict(verdict, "done")
                self.assertEqual((verdict["sha256"], verdict["resumes"], verdict["status"]), (self.digests[0], 3, 200))

    def test_a_gateway_for_good(self):
        """The budget is that of any fruitless try, and the words say what it was."""
        for status in (502, 404, 403, 416, 501):
            with self.subTest(status=status):
                job = self.penstock.submit(self.url(f"{TAG}&2.status={status}"), max_attempts=1)
                verdict = self.penstock.verdict(job)
                self.assert_verdict(verdict, "failed", "truncated")
                self.assertIn(str(status), verdict["error"]["message"])
                life = self.penstock.ctl("explain", job, check=0).stdout
                self.assertIn(str(status), life)
                self.assertNotIn("gives no ETag", life)
                self.assertEqual(verdict["resumes"], 7 if status == 502 else 1)

    def test_a_cut_that_the_decoder_sees_first(self):
        """A close may be an end; in the middle of a stream it is a cut, which another attempt mends."""
        packed = len(self.web.get("/bytes?n=20000&gzip=1"))
        for cut in (1, 5, 12, packed // 2, packed - 1):
            with self.subTest(cut=cut):
                job = self.penstock.submit(self.url("gzip=1&framing=close", 20000, cut), max_attempts=2)
                verdict = self.penstock.verdict(job)
                self.assert_verdict(verdict, "done", None, "encoding")
                self.assertEqual((verdict["attempt"], verdict["bytes"], verdict["decoded_bytes"]), (2, packed, 20000))
                self.assertEqual(self.penstock.events("attempt", job)[0]["error"]["kind"], "truncated")

    def test_a_resumed_body_that_does_not_decode(self):
        """Perhaps of two halves that no field told apart: from the start it is right."""
        job = self.penstock.submit(self.url("gzip=1&2.gzip=crc&3.gzip=1&etag=is:%22v1%22&range=always", 400000, 1000), max_attempts=2)
        verdict = self.penstock.verdict(job)
        self.assert_verdict(verdict, "done")
        first = self.penstock.events("attempt", job)[0]
        self.assertEqual((verdict["attempt"], first["error"]["kind"]), (2, "decode_error"))

    def test_retry_after_in_a_body(self):
        url = self.url(f"{TAG}&2.status=503&2.retry_after=1&3.status=200")
        began = time.monotonic()
        verdict = self.penstock.job(url, max_attempts=1)
        self.assert_verdict(verdict, "done")
        self.assertGreaterEqual(time.monotonic() - began, 1)

    def test_too_long_a_wait_is_the_next_attempts(self):
        job = self.penstock.submit(self.url(f"{TAG}&2.status=503&2.retry_after=86400&3.status=200"), max_attempts=2)
        attempt = until(lambda: self.penstock.events("attempt", job), "an attempt")[0]
        self.assertEqual((attempt["outcome"], attempt["error"]["kind"], attempt["retry_in"]), ("retry", "truncated", 3600))
        self.penstock.call("cancel", {"ids": [job]})

    def test_why_it_is_not_resumed(self):
        for how, why in ((f"{NO_TAG}&modified=0", "neither ETag nor Last-Modified"), ("etag=weak&modified=0", "not a strong one"),
                         (f"{NO_TAG}&modified=ago:0&date=1", "so young"), (f"{TAG}&header=Accept-Ranges:none", "no ranges"),
                         (f"{NO_TAG}&modified=is:today", "no date")):
            with self.subTest(how=how):
                verdict = self.penstock.job(self.url(how), max_attempts=1)
                self.assert_verdict(verdict, "failed", "truncated")
                self.assertIn(why, verdict["error"]["message"])
                self.assertIn(f"127.0.0.1 port {self.web.port}", verdict["error"]["message"])
                self.assertEqual(verdict["resumes"], 0)


class Elsewhere(penstock_test.Case):
    """A body that the job was led to: its URL may have expired by the time that the rest is asked for."""
    numbers = itertools.count(1)

    def setUp(self):
        super().setUp()
        self.front, self.back = self.origin(), self.origin()
        self.digest = hashlib.sha256(pattern(0)).hexdigest()

    def start(self, **settings):
        (self.dir / "secret").write_text("sesame")
        (self.dir / "secret").chmod(0o600)
        config = self.wrote("conf", f"""[host "localhost"]
connections = 1
[parser "first"]
type = exec
stage = head -n 1
[credential "front"]
type = header
header = X-Key
hosts = 127.0.0.1
secret_file = {self.dir}/secret
""")
        return self.daemon({**CLOCKS, "policy.allow": "127.0.0.0/8 ::1", "fetch.threads": "3", **settings}, config=config)

    def led(self, *places, n=SIZE, more=""):
        """A URL of the front's that leads to each of these places of the back's in turn. A place is parameters, of which
        {next} is where the next place is."""
        self.keys = [f"e{next(self.numbers)}" for _ in places]
        urls = []
        for key, how in reversed(list(zip(self.keys, places))):
            how = how.replace("{next}", urllib.parse.quote(urls[0], safe="") if urls else "")
            urls.insert(0, f"http://localhost:{self.back.port}/bytes?n={n}&id={key}&{TAG}&{how}")
        leads = [f"{i}.redirect={urllib.parse.quote(url, safe='')}" for i, url in enumerate(urls, 1)]
        self.key = f"e{next(self.numbers)}"
        return self.front.url(f"/bytes?n=1&id={self.key}&{'&'.join(leads)}{more}")

    def test_expired(self):
        penstock = self.start()
        for status in (400, 401, 403, 404, 410):
            with self.subTest(status=status):
                verdict = penstock.job(self.led(f"cut_first={CUT}&2.status={status}", "body=0"), digest="sha256", max_attempts=1)
                self.assert_verdict(verdict, "done")
                self.assertEqual((verdict["sha256"], verdict["attempt"], verdict["redirects"]), (self.digest, 1, 1), verdict)
                self.assertEqual(self.front.counts(self.key)["requests"], 2)
                self.assertEqual(self.back.counts(self.keys[1])["last_range"], f"bytes={CUT - 4096}-")

    def test_the_credential_is_for_whom_it_was(self):
        """The job's own URL gets it when it is asked again, as it did first; those that it leads to do not."""
        self.led(f"cut_first={CUT}&2.status=403", "body=0")
        places = [f"http://localhost:{self.back.port}/bytes?n={SIZE}&id={key}&{TAG}&{how}"
                  for key, how in zip(self.keys, (f"cut_first={CUT}&2.status=403", "body=0"))]
        seen = []

        class Front(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # noqa: N802, http.server's name
                seen.append(self.headers.get("X-Key"))
                self.send_response(302)
                self.send_header("Location", places[len(seen) - 1])
                self.end_headers()

            def log_message(self, *unused):
                pass

        web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Front)
        threading.Thread(target=web.serve_forever, daemon=True).start()
        self.addCleanup(web.server_close)
        self.addCleanup(web.shutdown)
        penstock = self.start()
        verdict = penstock.job(f"http://127.0.0.1:{web.server_port}/", credential="front", digest="sha256", max_attempts=1)
        self.assert_verdict(verdict, "done")
        self.assertEqual((verdict["sha256"], seen), (self.digest, ["sesame", "sesame"]))

    def test_expired_again_and_again(self):
        """As long as each brings something."""
        penstock = self.start()
        url = self.led("cut_first=50000&2.status=403", "cut=60000&2.status=404", "cut=70000&2.status=410", "body=0")
        verdict = penstock.job(url, digest="sha256", max_attempts=1)
        self.assert_verdict(verdict, "done")
        self.assertEqual((verdict["sha256"], self.front.counts(self.key)["requests"]), (self.digest, 4))

    def test_expired_for_good(self):
        penstock = self.start()
        verdict = penstock.job(self.led(f"cut_first={CUT}&2.status=403"), max_attempts=1)
        self.assert_verdict(verdict, "failed", "truncated")
        self.assertIn("403", verdict["error"]["message"])
        self.assertEqual(self.front.counts(self.key)["requests"], 2)

    def test_another_version_elsewhere(self):
        penstock = self.start()
        for other in ("body=1", "body=1&etag=is:%22v2%22"):
            verdict = penstock.job(self.led(f"cut_first={CUT}&2.status=403", other), max_attempts=1)
            self.assert_verdict(verdict, "failed", "truncated")

    def test_moved_in_mid_body(self):
        """The place itself leads on."""
        penstock = self.start()
        verdict = penstock.job(self.led(f"cut_first={CUT}&2.redirect={{next}}", "body=0"), digest="sha256", max_attempts=1)
        self.assert_verdict(verdict, "done")
        self.assertEqual((verdict["sha256"], self.front.counts(self.key)["requests"], verdict["resumes"]), (self.digest, 1, 1))
        verdict = penstock.job(self.led(f"cut_first={CUT}&2.redirect=http://10.1.2.3/"), max_attempts=1)
        self.assert_verdict(verdict, "failed", "policy")

    def test_a_command_does_not_notice(self):
        penstock = self.start()
        done = penstock.ctl("run", self.led(f"cut_first={CUT}&2.status=403", "body=0"), "--", "sha256sum")
        self.assertEqual((done.returncode, done.stdout.split()[:1]), (0, [self.digest]), done.stderr)

    def waiting(self, penstock, **job):
        """A job that in mid-body waits for a slot of the host that it is led to."""
        stalled = penstock.submit(f"http://localhost:{self.back.port}/silence")
        until(lambda: penstock.call("show", {"id": stalled})["state"] == "running", "it has the only slot")
        url = self.front.url(f"/lines?n=20000&id=w{next(self.numbers)}&cut_first=100000&{TAG}&2.redirect="
                             + urllib.parse.quote(f"http://localhost:{self.back.port}/lines?n=20000&{TAG}", safe=""))
        id = penstock.submit(url, max_attempts=1, **job)
        return stalled, id

    def test_what_ends_it_while_it_waits(self):
        penstock = self.start(**{"defaults.first_byte_timeout": "60s"})
        for job, ends, expected in (({}, "cancel", ("cancelled", None)), ({"timeout": 1}, "", ("failed", "job_timeout")),
                                    ({"parser": "first"}, "", ("done", None)), ({}, "free", ("done", None))):
            with self.subTest(job=job, ends=ends):
                stalled, waiting = self.waiting(penstock, **job)
                if not job:
                    until(lambda: penstock.call("show", {"id": waiting}).get("waiting_for") == "host", "it waits")
                if ends:
                    penstock.call("cancel", {"ids": [waiting if ends == "cancel" else stalled]})
                self.assert_verdict(penstock.verdict(waiting), *expected)
                if ends != "free":
                    penstock.call("cancel", {"ids": [stalled]})
                penstock.verdict(stalled)


if __name__ == "__main__":
    penstock_test.main()
