# label: sanitize
"""What `penstockctl run` feeds to its command: decoded as a parser gets it, whole or not at all, and once; and a client
that misuses the pipe it shares with the daemon harms nobody else."""
import bz2
import gzip
import json
import lzma
import os
import random
import signal
import subprocess
import zlib

import penstock_test
import test_decoding
from penstock_test import until

CTL = penstock_test.BIN / "penstockctl"
TEXT = test_decoding.TEXT
SAYS_END = "cat > /dev/null; echo SAW END"
NOISE = random.Random(7).randbytes(1 << 20)  # so large that much of it is read before its end


class RunBody(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.web = self.origin()
        self.server = test_decoding.Server(self)
        self.penstock = self.daemon({"fetch.resume_delay": "5ms", "fetch.retry_delay": "5ms", "fetch.threads": "1"})

    def run_it(self, url, *command, options=(), daemon=None):
        daemon = daemon or self.penstock
        return subprocess.run([str(CTL), "--socket", str(daemon.socket), "run", url, *options, "--", *command],
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=penstock_test.DEADLINE)

    def verdict(self):
        until(lambda: self.penstock.events("verdict"), "a verdict")
        return self.penstock.events("verdict")[-1]

    # --- decoding -----------------------------------------------------------------------------------

    def test_content_codings(self):
        for name, body in (("gzip", gzip.compress(TEXT)), ("x-gzip", gzip.compress(TEXT)), ("deflate", zlib.compress(TEXT)),
                           ("deflate", test_decoding.raw_deflate(TEXT)), ("deflate, gzip", gzip.compress(zlib.compress(TEXT)))):
            with self.subTest(coding=name):
                done = self.run_it(self.server.url(body, f"Content-Encoding: {name}"), "cat")
                self.assertEqual((done.returncode, done.stdout == TEXT, done.stderr), (0, True, b""))
                self.assertEqual((self.verdict()["decoded_bytes"], self.verdict()["bytes"]), (len(TEXT), len(body)))
        done = self.run_it(self.server.url(test_decoding.BROTLI_HELLO, "Content-Encoding: br"), "cat")
        self.assertEqual((done.returncode, done.stdout), (0, b"hello"))
        done = self.run_it(self.server.url(gzip.compress(b""), "Content-Encoding: gzip"), "sh", "-c", SAYS_END)
        self.assertEqual((done.returncode, done.stdout), (0, b"SAW END\n"))

    def test_zstd(self):
        done = self.run_it(self.server.url(test_decoding.zstd(TEXT), "Content-Encoding: zstd"), "cat")
        self.assertEqual((done.returncode, done.stdout == TEXT), (0, True))

    def test_compress(self):
        """Asked for by an option or by the config, and then decoded, too."""
        url = self.server.url(gzip.compress(TEXT), "Content-Encoding: gzip")
        daemon = self.daemon({"defaults.compress": "yes"})
        for options, penstock in ((["--compress", "yes"], self.penstock), ([], daemon)):
            done = self.run_it(url, "wc", "-l", options=options, daemon=penstock)
            self.assertEqual((done.returncode, done.stdout.strip()), (0, b"20000"))
            self.assertIn("Accept-Encoding: gzip, zstd, br", self.server.heads[-1])

    def test_files(self):
        """As they are, unless their format is named: the command may be zcat."""
        for name, body in (("gzip", gzip.compress(TEXT)), ("bzip2", bz2.compress(TEXT)), ("xz", lzma.compress(TEXT))):
            with self.subTest(file=name):
                done = self.run_it(self.server.url(body), "cat")
                self.assertEqual((done.returncode, done.stdout == body), (0, True))
                done = self.run_it(self.server.url(body), "cat", options=["--decode", name])
                self.assertEqual((done.returncode, done.stdout == TEXT), (0, True))
                done = self.run_it(self.server.url(body, framing="close"), "cat", options=["--decode", name])
                self.assertEqual((done.returncode, done.stdout == TEXT, self.verdict()["verified_by"]), (0, True, "encoding"))
        done = self.run_it(self.server.url(TEXT), "sh", "-c", SAYS_END, options=["--decode", "gzip"])
        self.assertEqual((done.returncode, done.stdout), (1, b""))
        self.assertIn(b"decode_error", done.stderr)

    def test_damaged_late(self):
        """Much of it was read by then: the command is dead before its input ends."""
        body = gzip.compress(NOISE)
        for bad in (body[:-8] + b"12345678", body[:-6], body + b"more", body[:600000] + b"x" * 20 + body[600020:]):
            for framing in ("length", "close"):
                with self.subTest(length=len(bad), framing=framing):
                    done = self.run_it(self.server.url(bad, "Content-Encoding: gzip", framing=framing), "sh", "-c",
                                       "head -c 100000 | wc -c; " + SAYS_END)
                    self.assertEqual((done.returncode, done.stdout), (1, b"100000\n"), done.stderr)
                    cut = framing == "close" and bad == body[:-6]
                    self.assertEqual(self.verdict()["error"]["kind"], "truncated" if cut else "decode_error")

    def test_limits(self):
        text = TEXT * 60
        body = gzip.compress(text)
        url = self.server.url(body, "Content-Encoding: gzip")
        done = self.run_it(url, "sh", "-c", SAYS_END, options=["--max-decoded", str(len(text) - 1)])
        self.assertEqual((done.returncode, done.stdout), (1, b""))
        self.assertIn("max_decoded", self.verdict()["error"]["message"])
        tight = self.daemon({"flow.decode_ratio": "2"})
        done = self.run_it(url, "sh", "-c", SAYS_END, daemon=tight)
        self.assertEqual((done.returncode, done.stdout), (1, b""))
        self.assertIn(b"flow.decode_ratio", done.stderr)
        done = self.run_it(url, "wc", "-c", options=["--max-decoded", str(len(text))])
        self.assertEqual((done.returncode, done.stdout.strip()), (0, str(len(text)).encode()))

    def test_enough_of_an_encoded_body(self):
        done = self.run_it(self.server.url(gzip.compress(NOISE), "Content-Encoding: gzip"), "head", "-c", "10")
        self.assertEqual((done.returncode, done.stdout), (0, NOISE[:10]), done.stderr)
        self.assertIn(self.verdict()["verified_by"], ("enough", "length"))  # it may have come whole before
        done = self.run_it(self.web.url("/bytes?n=200M&etag=none"), "head", "-c", "10", options=["--digest", "sha256:" + 64 * "0"])
        self.assertEqual(done.returncode, 1)
        self.assertEqual(self.verdict()["error"]["kind"], "digest_mismatch")

    # --- before it begins ------------------------------------------------------------------------------

    def test_tried_again(self):
        """A command that was not started yet loses nothing: the job is tried again as any other, and the bytes come once."""
        for fault in ("flaky=3&flaky_status=503", "head_cut=0&first=3", "reset=0&first=2", "head_reset=10&first=1"):
            with self.subTest(fault=fault):
                done = self.run_it(self.web.url(f"/lines?n=1000&{fault}&id={fault[:8]}"), "sh", "-c", "wc -l; echo SAW END")
                self.assertEqual((done.returncode, done.stdout.split()), (0, [b"1000", b"SAW", b"END"]), done.stderr)
        self.assertGreater(len(self.penstock.events("attempt")), 4)
        done = self.run_it(self.web.url("/lines?n=10&flaky=3&id=last"), "echo", options=["--max-attempts", "3"])
        self.assertEqual((done.returncode, done.stdout), (1, b""))
        self.assertEqual(self.verdict()["attempt"], 3)
        done = self.run_it(self.web.url("/nothing?status=404"), "echo")
        self.assertEqual((done.returncode, self.verdict()["attempt"]), (1, 1))

    def test_never_twice(self):
        """Once a byte was in the pipe there is one attempt; where the body was cut before, the next one's comes alone."""
        for fault in ("cut=1", "cut=5000", "reset=100000", "stall=5000"):
            with self.subTest(fault=fault):
                url = self.web.url(f"/lines?n=100000&first=1&{fault}&etag=none&modified=0&id={fault}")
                clock = ["--stall-timeout", "500ms"] if "stall" in fault else []
                done = self.run_it(url, "sh", "-c", "wc -l; echo SAW END", options=clock)
                verdict = self.verdict()
                self.assertIn((done.returncode, done.stdout.split(), verdict["attempt"]),
                              ((1, [], 1), (0, [b"100000", b"SAW", b"END"], 2)), done.stderr)
        self.assertEqual(verdict["attempt"], 1)  # it stalled with the first bytes in the pipe
        for n in range(30):  # the cut and the first byte come together: now one is seen first, now the other
            done = self.run_it(self.web.url(f"/lines?n=100&first=1&cut=1&etag=none&modified=0&id={n}"), "wc", "-l")
            self.assertIn((done.returncode, done.stdout.split()), ((1, []), (0, [b"100"])), done.stderr)

    def test_ended_while_it_waits(self):
        """By the client's departure, or by `cancel`, between two attempts."""
        daemon = self.daemon({"fetch.retry_delay": "5ms"})
        def begin():
            client = subprocess.Popen([str(CTL), "--socket", str(daemon.socket), "run", self.web.url("/lines?n=1&status=503&retry_after=3000"),
                                       "--", "echo"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            until(lambda: daemon.call("list", {"state": "waiting"})["jobs"], "it waits")
            return client
        client = begin()
        daemon.call("cancel", {"id": 1})
        out, err = client.communicate(timeout=penstock_test.DEADLINE)
        self.assertEqual((client.returncode, out), (1, b""))
        client = begin()
        client.kill()
        client.communicate(timeout=penstock_test.DEADLINE)
        self.assertEqual([daemon.verdict(n)["state"] for n in (1, 2)], ["cancelled"] * 2)

    def test_on_a_store_that_keeps(self):
        """The row of a job that waits stands there; whoever reads it leaves it to the process that has the pipe, or ends it
        if that one is gone."""
        settings = {"store.engine": "sqlite", "store.path": self.dir / "db", "fetch.retry_delay": "5ms", "fetch.threads": "1"}
        daemon = self.daemon(settings)
        done = self.run_it(self.web.url("/lines?n=1000&flaky=3&id=kept"), "wc", "-l", daemon=daemon)
        self.assertEqual((done.returncode, done.stdout.strip()), (0, b"1000"), done.stderr)
        self.assertEqual(daemon.verdict(1)["attempt"], 4)
        for number, end in ((2, daemon.kill), (3, daemon.stop)):
            if number == 3:
                daemon = self.daemon(settings)
                end = daemon.stop
                self.assertEqual(daemon.verdict(2)["state"], "cancelled")
            client = subprocess.Popen([str(CTL), "--socket", str(daemon.socket), "run", self.web.url("/lines?n=1&status=503&retry_after=3000"),
                                       "--", "echo"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            until(lambda: daemon.call("list", {"state": "waiting"})["jobs"], "it waits")
            end()
            out, _ = client.communicate(timeout=penstock_test.DEADLINE)
            self.assertEqual((client.returncode, out), (1, b""))
        self.assertIn("the daemon stops", daemon.verdict(3)["reason"])
        daemon = self.daemon(settings)
        until(lambda: daemon.state(3) == "cancelled", "it has ended")

    def test_the_daemon_stops_while_one_is_queued(self):
        """Its verdict is told and stored before the store closes, whichever store it is."""
        for engine in ("memory", "sqlite"):
            daemon = self.daemon({"store.engine": engine, "store.path": self.dir / engine, "fetch.host_connections": "1"})
            running = daemon.submit(self.web.url(f"/lines?n=10&hold={engine}"))
            until(lambda: daemon.state(running) == "running", "the host's only connection is in use")
            client = subprocess.Popen([str(CTL), "--socket", str(daemon.socket), "run", self.web.url("/lines?n=1"), "--", "echo"],
                                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            until(lambda: len(daemon.call("list")["jobs"]) == 2, "it is queued")
            daemon.signal(signal.SIGTERM)
            self.assertEqual(daemon.verdict(2)["state"], "cancelled")
            self.web.release(engine)
            self.assertEqual(client.communicate(timeout=penstock_test.DEADLINE)[0], b"")
            self.assertEqual(client.returncode, 1)
            daemon.stop()

    def test_not_before(self):
        done = self.run_it(self.web.url("/lines?n=1"), "cat", options=["--not-before", "1s"])
        self.assertEqual((done.returncode, done.stdout), (0, b"line 1\n"))
        self.penstock.verdict(1)
        self.assertEqual(self.web.counts("/lines")["requests"], 1)
        client = subprocess.Popen([str(CTL), "--socket", str(self.penstock.socket), "run", self.web.url("/lines?n=2&id=late"), "--not-before", "1h",
                                   "--", "cat"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        until(lambda: any(j.get("waiting_for") == "not_before" for j in self.penstock.call("list")["jobs"]), "it waits for its time")
        self.penstock.call("cancel", {"id": 2})
        self.assertEqual(client.communicate(timeout=penstock_test.DEADLINE)[0], b"")
        self.assertEqual(self.web.counts("late"), {})

    def notifications(self, rpc):
        while True:
            message = rpc.receive()
            yield message["params"]["event"] if message.get("method") == "event" else message.get("method")

    def request(self, rpc, path, fd, **more):
        rpc.pass_fd(fd, {"jsonrpc": "2.0", "id": 9, "method": "run", "params": {"url": self.web.url(path), **more}})
        return rpc.receive()

    def test_abort_is_always_told(self):
        """Of a body that never begins, too: a client that waits for begin, complete or abort does not wait for ever."""
        read, write = os.pipe()
        for path in ("/nothing?status=404", "/lines?n=10&framing=close", "/x?redirect=ftp://x/", "/x?loop=1"):
            with self.subTest(path=path), self.penstock.rpc() as rpc:
                self.assertIn("result", self.request(rpc, path, write))
                told = self.notifications(rpc)
                self.assertIn("abort", [next(told) for _ in range(2)])
        os.close(read)
        os.close(write)

    def test_keys_and_statuses(self):
        read, write = os.pipe()
        with self.penstock.rpc() as rpc:
            job = self.request(rpc, "/lines?n=1", write, key="k")["result"]["id"]
            self.assertEqual(rpc.receive()["method"], "begin")
            for status in (-1, -2, 256, 1 << 40):
                self.assertEqual(rpc.fail("exited", {"id": job, "status": status})["data"]["field"], "status")
            with self.penstock.rpc() as other:
                error = self.request(other, "/lines?n=1", write, key="k")["error"]
                self.assertEqual(error["data"]["field"], "key")
            rpc.call("exited", {"id": job, "status": 0})
        self.assertEqual(self.penstock.verdict(job)["state"], "done")
        with self.penstock.rpc() as rpc:
            job = self.request(rpc, "/silence", write)["result"]["id"]
            self.assertEqual(rpc.fail("exited", {"id": job, "status": 0})["code"], -32001)
        os.close(read)
        os.close(write)

    def test_what_only_a_parser_could_do_is_refused(self):
        read, write = os.pipe()
        with self.penstock.rpc() as rpc:
            for name, value in (("parser", "csv"), ("min_records", 1), ("deliver", "commit"), ("commit_max", "1M"), ("keep_body", "failed"),
                                ("charset", "utf-8"), ("charset_errors", "replace"), ("options", {"delimiter": ";"})):
                self.assertEqual(self.request(rpc, "/lines?n=1", write, **{name: value})["error"]["data"]["field"], name)
        os.close(read)
        os.close(write)

    def test_defaults_of_parsers(self):
        """What the config says of records is nothing that a command could have."""
        daemon = self.daemon({"defaults.min_records": "5", "defaults.deliver": "commit", "defaults.keep_body": "failed"})
        done = self.run_it(self.web.url("/lines?n=10"), "wc", "-l", daemon=daemon)
        self.assertEqual((done.returncode, done.stdout.strip()), (0, b"10"), done.stderr)
        done = self.run_it(self.web.url("/lines?n=1000000"), "sh", "-c", "sleep 100", options=["--parse-timeout", "100ms"])
        self.assertEqual((done.returncode, self.verdict()["error"]["kind"]), (1, "parser_timeout"))

    # --- the pipe is shared ------------------------------------------------------------------------------

    def test_a_client_makes_the_pipe_block(self):
        """O_NONBLOCK belongs to the description that client and daemon share: it is cleared, and the pipe emptied by
        a little at a time, so that a writer would find room for less than it has. No other job waits for that."""
        for headers in ("", "&gzip=1"):
            read, write = os.pipe()
            with self.subTest(headers=headers), self.penstock.rpc() as rpc:
                job = self.request(rpc, "/bytes?n=100M" + headers, write)["result"]["id"]
                self.assertEqual(rpc.receive()["method"], "begin")
                for _ in range(50):
                    os.set_blocking(write, True)
                    os.read(read, 4096)
                    done = self.penstock.job(self.web.url("/lines?n=100"))
                    self.assertEqual(done["state"], "done")
                self.penstock.call("cancel", {"id": job})
                self.assertEqual(rpc.receive()["method"], "abort")
            self.assertEqual(self.penstock.verdict(job)["state"], "cancelled")
            os.close(read)
            os.close(write)


if __name__ == "__main__":
    penstock_test.main()
