# label: sanitize
"""Encoded bodies and compressed files: the parser gets them decoded, the verdict tells of the body as it
arrived, and no end is taken for whole that nothing verifies."""
import bz2
import contextlib
import gzip
import hashlib
import lzma
import shutil
import socket
import threading
import unittest
import zlib

import penstock_test

TEXT = "".join(f"{i},value {i * i}\n" for i in range(20000)).encode()
BROTLI_HELLO = b"\x0b\x02\x80hello\x03"
SETTINGS = {"defaults.max_attempts": "1", "fetch.resume_delay": "5ms"}


def raw_deflate(data):
    squeezer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return squeezer.compress(data) + squeezer.flush()


def zstd(data, *options):
    if not shutil.which("zstd"):
        raise unittest.SkipTest("there is no zstd")
    import subprocess
    return subprocess.run(["zstd", "-q", "-c", *options], input=data, stdout=subprocess.PIPE, check=True).stdout


class Server:
    """Serves one body in one way per path, and remembers the requests' heads."""

    def __init__(self, test):
        self.paths = {}
        self.heads = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.base = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        test.addCleanup(self.close)

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(penstock_test.DEADLINE)

    def url(self, body, *headers, framing="length", cut=None):
        """The URL of a body; `cut`: that many bytes of it come, whatever the head says. A list of cuts: one
        for each request, the last one for all that follow."""
        name = f"/{len(self.paths)}"
        self.paths[name] = (body, headers, framing, cut if isinstance(cut, list) else [cut])
        return self.base + name

    def serve(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(client,), daemon=True).start()

    def talk(self, client):
        with client, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                piece = client.recv(65536)
                if not piece:
                    return
                head += piece
            head = head.decode("latin-1")
            self.heads.append(head)
            body, headers, framing, cuts = self.paths[head.split()[1]]
            cut = cuts.pop(0) if len(cuts) > 1 else cuts[0]
            start = 0
            status = "200 OK"
            lines = [*headers, "Connection: close"]
            for line in head.split("\r\n"):
                if line.lower().startswith("range: bytes="):
                    start = int(line[13:].rstrip("-"))
                    status = "206 Partial Content"
                    lines.append(f"Content-Range: bytes {start}-{len(body) - 1}/{len(body)}")
            if framing == "length":
                lines.append(f"Content-Length: {len(body) - start}")
            sent = body[start:cut]
            client.sendall("\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode() + sent)
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass


class Decoding(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.server = Server(self)
        self.penstock = self.daemon(SETTINGS)

    def count(self, url, **job):
        """The verdict, and what `count` saw."""
        verdict = self.penstock.job(url, **job)
        records = self.penstock.records(verdict["job"])
        return verdict, records[0]["bytes"] if records else None

    def check(self, url, state, kind, verified, decoded=None, body=None, **job):
        verdict, seen = self.count(url, **job)
        with self.subTest(url=url, verdict=verdict):
            self.assert_verdict(verdict, state, kind, verified)
            self.assertEqual(verdict.get("decoded_bytes") if state == "done" else None, decoded)
            if state == "done":
                self.assertEqual(seen, decoded if decoded is not None else len(body))
                self.assertEqual(verdict["bytes"], len(body))
            else:
                self.assertIsNone(seen, "a parser took a bad body for a good one")
        return verdict

    # What each coding's body is; does it carry a checksum?
    def codings(self):
        yield "gzip", gzip.compress(TEXT), TEXT, True
        yield "x-gzip", gzip.compress(TEXT), TEXT, True
        yield "deflate", zlib.compress(TEXT), TEXT, True
        yield "deflate", raw_deflate(TEXT), TEXT, False
        yield "br", BROTLI_HELLO, b"hello", False
        yield "gzip, br", b"", b"", False
        yield "deflate, gzip", gzip.compress(zlib.compress(TEXT)), TEXT, True
        with contextlib.suppress(unittest.SkipTest):
            yield "zstd", zstd(TEXT), TEXT, True
            yield "zstd", zstd(TEXT, "--no-check"), TEXT, False

    def files(self):
        yield "gzip", gzip.compress(TEXT)
        yield "bzip2", bz2.compress(TEXT)
        yield "xz", lzma.compress(TEXT)
        with contextlib.suppress(unittest.SkipTest):
            yield "zstd", zstd(TEXT)

    def test_content_codings(self):
        for name, body, text, checked in self.codings():
            header = f"Content-Encoding: {name}"
            self.check(self.server.url(body, header), "done", None, "length", len(text), body)
            url = self.server.url(body, header, framing="close")
            if checked:
                self.check(url, "done", None, "encoding", len(text), body)
            else:
                self.check(url, "failed", "unverified_end", None)
                self.check(url, "done", None, "none", len(text), body, unverified="accept")

    def test_files(self):
        for name, body in self.files():
            url = self.server.url(body)
            self.check(url, "done", None, "length", len(TEXT), body)
            self.check(url, "done", None, "length", len(TEXT), body, decode=name)
            self.check(url, "done", None, "length", None, body, decode="none")
            url = self.server.url(body, framing="close")
            self.check(url, "done", None, "encoding", len(TEXT), body)
            self.check(url, "failed", "unverified_end", None, decode="none")
        url = self.server.url(TEXT)
        self.check(url, "done", None, "length", None, TEXT)
        self.check(url, "failed", "decode_error", None, decode="gzip")

    def test_records_of_a_compressed_file(self):
        verdict = self.penstock.job(self.server.url(gzip.compress(b"a,b\n" + TEXT)), parser="csv")
        self.assert_verdict(verdict, "done", None, "length")
        records = self.penstock.records(verdict["job"])
        self.assertEqual(len(records), 20000)
        self.assertEqual(records[-1], {"a": "19999", "b": "value 399960001"})

    def test_digest_is_of_the_body_as_it_arrived(self):
        body = gzip.compress(TEXT)
        verdict = self.check(self.server.url(body, "Content-Encoding: gzip"), "done", None, "length", len(TEXT), body,
                             digest="sha256")
        self.assertEqual(verdict["sha256"], hashlib.sha256(body).hexdigest())
        self.check(self.server.url(body, "Content-Encoding: gzip", framing="close"), "done", None, "digest", len(TEXT),
                   body, digest="sha256:" + hashlib.sha256(body).hexdigest())

    def test_the_parser_digest_reads_what_was_published(self):
        """A file as it is, whatever it is called; what was asked for on the way is taken off."""
        body = gzip.compress(TEXT)
        coded = self.server.url(body, "Content-Encoding: gzip")
        plain = self.server.url(body)
        for url, job, wanted in ((plain, {}, body), (coded, {}, body), (coded, {"compress": "yes"}, TEXT), (plain, {"compress": "yes"}, body),
                                 (plain, {"decode": "auto"}, TEXT), (coded, {"decode": "auto"}, TEXT), (coded, {"decode": "none"}, body)):
            with self.subTest(url=url, job=job):
                verdict = self.penstock.job(url, parser="digest", **job)
                self.assert_verdict(verdict, "done")
                self.assertEqual(self.penstock.records(verdict["job"]),
                                 [{"bytes": len(wanted), "sha256": hashlib.sha256(wanted).hexdigest()}])

    def test_no_end_but_the_streams_own(self):
        """Cut anywhere, behind a length that agrees or at a connection's close."""
        small = b"id,name\n" + b"".join(b"%d,%x\n" % (i, i * i * 7919) for i in range(40))
        for name, body in (("gzip", gzip.compress(small)), ("deflate", zlib.compress(small))):
            for cut in [*range(1, len(body), 7), len(body) - 1]:
                header = f"Content-Encoding: {name}"
                self.check(self.server.url(body[:cut], header), "failed", "decode_error", None)
                self.check(self.server.url(body[:cut], header, framing="close"), "failed", "truncated", None)
                self.check(self.server.url(body, header, cut=cut), "failed", "truncated", None)
        for body in (bz2.compress(small), lzma.compress(small), gzip.compress(small)):
            for cut in (11, len(body) // 2, len(body) - 1):
                self.check(self.server.url(body[:cut], framing="close"), "failed", "truncated", None)

    def test_several_members(self):
        body = gzip.compress(TEXT) + gzip.compress(TEXT)
        self.check(self.server.url(body, "Content-Encoding: gzip"), "done", None, "length", 2 * len(TEXT), body)
        # A close in between would look the same, so it verifies nothing.
        self.check(self.server.url(body, "Content-Encoding: gzip", framing="close"), "failed", "unverified_end", None)

    def test_damaged(self):
        body = bytearray(gzip.compress(TEXT))
        body[-6] ^= 1
        verdict = self.check(self.server.url(bytes(body), "Content-Encoding: gzip"), "failed", "decode_error", None)
        self.assertIn("gzip", verdict["error"]["message"])
        body = gzip.compress(TEXT) + b"and more"
        verdict = self.check(self.server.url(body), "failed", "decode_error", None)
        self.assertIn("follows the end", verdict["error"]["message"])

    def test_unknown_coding(self):
        verdict = self.check(self.server.url(b"x", "Content-Encoding: compress"), "failed", "decode_error", None)
        self.assertIn("compress", verdict["error"]["message"])
        self.check(self.server.url(b"x", "Content-Encoding: gzip, sdch"), "failed", "decode_error", None)
        self.check(self.server.url(b"x", "Content-Encoding: identity"), "done", None, "length", None, b"x")
        body = gzip.compress(zlib.compress(TEXT))
        self.check(self.server.url(body, "Content-Encoding: deflate", "Content-Encoding: gzip"), "done", None, "length",
                   len(TEXT), body)

    def test_words_that_are_no_coding(self):
        """Skipped, as curl does, and counted; beside one that is, too. What may be a coding is not."""
        packed = gzip.compress(TEXT)
        for word in ("none", "None", "utf-8", "UTF8", "ISO-8859-1", "binary", "8bit", "aws-chunked", "text/html; charset=utf-8", "null",
                     "identity, identity", "chunked", "charset=utf-8", "*"):
            verdict = self.check(self.server.url(TEXT, f"Content-Encoding: {word}"), "done", None, "length", None, TEXT)
            self.assertGreaterEqual(verdict["skipped_codings"], 1)
            verdict = self.check(self.server.url(packed, f"Content-Encoding: {word}, gzip"), "done", None, "length", len(TEXT), packed)
            self.check(self.server.url(packed, "Content-Encoding: gzip", f"Content-Encoding: {word}"), "done", None, "length", len(TEXT), packed)
        for word in ("compress", "x-compress", "lzma", "base64", "exi", "dcb", "something", "gzipp", "x" * 200):
            verdict = self.check(self.server.url(TEXT, f"Content-Encoding: {word}"), "failed", "decode_error", None)
            self.assertIn("decode = none", verdict["error"]["message"])
            self.check(self.server.url(TEXT, f"Content-Encoding: {word}"), "done", None, "length", None, TEXT, decode="none")
        for name, data in self.files():
            if name in ("bzip2", "xz"):
                self.check(self.server.url(data, f"Content-Encoding: {name}"), "done", None, "length", len(TEXT), data)

    def test_decode_none(self):
        """What the remedy of a decode_error says: the body as it came."""
        url = self.server.url(TEXT, "Content-Encoding: gzip")
        verdict = self.check(url, "failed", "decode_error", None)
        self.check(url, "done", None, "length", None, TEXT, decode="none")
        self.assertIn("--decode none", self.penstock.ctl("explain", verdict["job"]).stdout.replace("\n", " "))
        with self.penstock.rpc() as rpc:
            error = rpc.fail("submit", {"url": url, "decode": "none", "compress": "yes"})
            self.assertEqual(error["data"]["field"], "compress")
        daemon = self.daemon({**SETTINGS, "defaults.compress": "yes"})
        daemon.job(url, decode="none")
        self.assertNotIn("Accept-Encoding", self.server.heads[-1])

    def test_empty_bodies(self):
        self.check(self.server.url(b"", "Content-Encoding: gzip"), "done", None, "length", 0, b"")
        self.check(self.server.url(b"", "Content-Encoding: gzip", framing="close"), "failed", "unverified_end", None)

    def test_bombs(self):
        """A hundred megabytes of zeros, and the same in a second coat."""
        bomb = gzip.compress(bytes(100 << 20))
        before = penstock_test.memory_of(self.penstock.pid)
        verdict = self.check(self.server.url(bomb, "Content-Encoding: gzip"), "failed", "limit_exceeded", None)
        self.assertIn("flow.decode_ratio", verdict["error"]["message"])
        verdict = self.check(self.server.url(gzip.compress(bomb), "Content-Encoding: gzip, gzip"), "failed",
                             "limit_exceeded", None)
        self.assertLessEqual(verdict["decoded_bytes"], 16 << 20)
        verdict = self.check(self.server.url(gzip.compress(TEXT)), "failed", "limit_exceeded", None, max_decoded="64K")
        self.assertIn("max_decoded", verdict["error"]["message"])
        if not penstock_test.SANITIZED:
            self.assertLess(penstock_test.memory_of(self.penstock.pid) - before, 4 << 20)

    def test_window(self):
        penstock = self.daemon({**SETTINGS, "flow.decode_window": "1M"})
        verdict = penstock.job(self.server.url(lzma.compress(TEXT, preset=6)))
        self.assert_verdict(verdict, "failed", "limit_exceeded", None)
        self.assertIn("flow.decode_window", verdict["error"]["message"])

    def test_compress_asks_for_it(self):
        body = gzip.compress(TEXT)
        url = self.server.url(body, "Content-Encoding: gzip")
        self.check(url, "done", None, "length", len(TEXT), body)
        self.assertNotIn("accept-encoding", self.server.heads[-1].lower())
        self.check(url, "done", None, "length", len(TEXT), body, compress="yes")
        self.assertIn("\r\naccept-encoding: gzip, zstd, br\r\n", self.server.heads[-1].lower())

    def test_resume_goes_on_in_the_encoded_body(self):
        body = gzip.compress(bytes(range(256)) * 4000 + TEXT)
        for headers, resumed in ((("Content-Encoding: gzip",), True), ((), True)):
            url = self.server.url(body, 'ETag: "one"', *headers, cut=[len(body) // 2, None])
            verdict = self.check(url, "done", None, "length", 1024000 + len(TEXT), body, compress="yes")
            self.assertEqual(verdict["resumes"], 1)
            self.assertIn("\r\naccept-encoding: gzip, zstd, br\r\n", self.server.heads[-1].lower())

    def test_enough_of_an_encoded_body(self):
        """A parser that returns in the middle is not asked for the end."""
        verdict = self.penstock.job(self.server.url(gzip.compress(b'{"a":1}\nnot json\n' + TEXT)), parser="ndjson")
        self.assert_verdict(verdict, "failed", "parser_failed", None)
        self.assertIn("line 2", verdict["error"]["message"])


if __name__ == "__main__":
    penstock_test.main()
