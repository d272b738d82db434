# label: sanitize
"""A `run` whose client gives a socket in place of a pipe: its reader sees an end only if the body is whole, and an error
in all other cases, also if everybody who could have said so was killed."""
import contextlib
import gzip
import os
import signal
import socket
import subprocess

import penstock_test
import test_decoding
from penstock_test import DEADLINE, until


class RunSocket(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.used = ()
        self.web = self.origin()
        self.penstock = self.daemon({"fetch.resume_delay": "5ms", "fetch.retry_delay": "5ms"})

    def give(self, url, token=b"-", daemon=None, **params):
        """The reader's end, and the connection. That of the job before is closed: a job whose client says nothing of
        its end keeps its place."""
        for used in self.used:
            used.close()
        reader, given = socket.socketpair()
        reader.settimeout(DEADLINE)
        reader.send(token) if token else None
        rpc = (daemon or self.penstock).rpc()
        self.used = (reader, rpc)
        with given:
            rpc.pass_fd(given.fileno(), {"jsonrpc": "2.0", "id": 1, "method": "run", "params": {"url": url, **params}})
        return reader, rpc

    def tearDown(self):
        for used in self.used:
            used.close()
        super().tearDown()

    def read_all(self, reader):
        """(the bytes, whether they ended well)"""
        data = b""
        while True:
            try:
                piece = reader.recv(65536)
            except ConnectionResetError:
                return data, False
            if not piece:
                return data, True
            data += piece

    def told(self, rpc, method):
        while True:
            message = rpc.receive()
            self.assertIsNotNone(message, f"no {method}")
            params = message.get("params")
            if message.get("method") == method or method == "verdict" and params and params.get("event") == "verdict":
                return params

    def test_whole(self):
        for query in ("/bytes?n=3000000", "/bytes?n=3000000&framing=chunked", "/bytes?n=0", "/bytes?n=3000000&cut_first=1M"):
            with self.subTest(query):
                reader, rpc = self.give(self.web.url(query))
                data, whole = self.read_all(reader)
                self.assertEqual((len(data), whole), (0 if "n=0" in query else 3000000, True))
                rpc.request("exited", {"id": self.told(rpc, "complete")["id"], "status": 0})
                self.assertEqual(self.told(rpc, "verdict")["state"], "done")

    def test_decoded(self):
        server = test_decoding.Server(self)
        text = test_decoding.TEXT
        body = gzip.compress(text)
        reader, _ = self.give(server.url(body, "Content-Encoding: gzip"))
        data, whole = self.read_all(reader)
        self.assertEqual((data == text, whole), (True, True))
        reader, _ = self.give(server.url(body[:-4], "Content-Encoding: gzip"))
        self.assertFalse(self.read_all(reader)[1])

    def test_not_whole(self):
        for query in ("/bytes?n=3000000&cut=1M&etag=none&modified=0", "/bytes?n=3000000&framing=close",
                      "/bytes?n=3000000&framing=chunked&no_final_chunk=1&etag=none&modified=0", "/bytes?n=10&status=404"):
            with self.subTest(query):
                reader, rpc = self.give(self.web.url(query), max_attempts=1)
                self.assertFalse(self.read_all(reader)[1])
                self.told(rpc, "abort")

    def test_killed(self):
        """The daemon, in the middle of a body, of which the reader had a part."""
        for _ in range(10):
            daemon = self.daemon()
            reader, rpc = self.give(self.web.url("/bytes?n=3000000&hold=never&hold_at=1M"), daemon=daemon)
            self.assertEqual(len(reader.recv(1000, socket.MSG_WAITALL)), 1000)
            daemon.signal(signal.SIGKILL)
            self.assertFalse(self.read_all(reader)[1])
            rpc.close()

    def test_cancelled(self):
        reader, rpc = self.give(self.web.url("/bytes?n=3000000&hold=never&hold_at=1M"))
        self.told(rpc, "begin")
        rpc.close()  # the client has gone
        self.assertFalse(self.read_all(reader)[1])

    def test_programs(self):
        """What a program says that reads such a socket as its standard input."""
        for command in (["wc", "-c"], ["sort"], ["cat"], ["gzip", "-c"], ["tail", "-n", "1"], ["grep", "-c", "x"], ["tee"]):
            for query, status in (("/lines?n=100000", True), ("/lines?n=100000&cut=300000&etag=none&modified=0", False)):
                with self.subTest(command=command, query=query):
                    reader, _ = self.give(self.web.url(query), max_attempts=1)
                    reader.settimeout(None)  # else the program would have it non-blocking
                    done = subprocess.run(command, stdin=reader.fileno(), capture_output=True, timeout=DEADLINE)
                    ended_well = done.returncode == 0 or command[0] == "grep" and done.returncode == 1 and not done.stderr
                    self.assertEqual(ended_well, status, done.stderr)

    def test_reader_leaves(self):
        reader, rpc = self.give(self.web.url("/bytes?endless=1"))
        self.assertTrue(reader.recv(1000))
        reader.close()
        rpc.request("exited", {"id": self.told(rpc, "begin")["id"], "status": 0})
        verdict = self.told(rpc, "verdict")
        self.assertEqual((verdict["state"], verdict["verified_by"]), ("done", "enough"))

    def test_reader_and_client_leave(self):
        """Before the first byte: that is no fault of the daemon's."""
        reader, rpc = self.give(self.web.url("/bytes?endless=1"))
        reader.close()
        self.told(rpc, "begin")
        rpc.close()
        until(lambda: self.penstock.events("verdict"), "a verdict")
        self.assertEqual(self.penstock.events("verdict")[0]["state"], "cancelled")

    def test_a_flag_that_the_client_clears(self):
        """Its worker never waits in the kernel: the job can be cancelled while nobody reads."""
        reader, given = socket.socketpair()
        reader.send(b"-")
        given.setblocking(True)
        rpc = self.penstock.rpc()
        self.addCleanup(rpc.close)
        rpc.pass_fd(given.fileno(), {"jsonrpc": "2.0", "id": 1, "method": "run", "params": {"url": self.web.url("/bytes?endless=1")}})
        job = self.told(rpc, "begin")["id"]
        with self.penstock.rpc() as other:
            other.call("cancel", {"ids": [job]})
        self.told(rpc, "abort")
        until(lambda: self.penstock.events("verdict"), "a verdict")
        given.close()
        self.assertFalse(self.read_all(reader)[1])
        reader.close()

    # --- penstockctl run --stdin socket ---------------------------------------------------------------

    def run_it(self, url, *command, options=()):
        return penstock_test.run(penstock_test.BIN / "penstockctl", "--socket", self.penstock.socket, "run", url, "--stdin", "socket", *options,
                                 "--", *command)

    def test_by_the_client(self):
        done = self.run_it(self.web.url("/lines?n=100000"), "wc", "-l")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "100000\n", ""))
        done = self.run_it(self.web.url("/lines?n=10"), "tail", "-n", "1", options=("--trailer", "END"))
        self.assertEqual((done.returncode, done.stdout), (0, "END\n"))
        done = self.run_it(self.web.url("/bytes?endless=1"), "head", "-c", "10")
        self.assertEqual((done.returncode, len(done.stdout.encode("utf-8", "replace")) > 0), (0, True))
        done = self.run_it(self.web.url("/lines?n=100000&cut=300000&etag=none&modified=0"), "sh", "-c", "cat >/dev/null; echo END", options=("--max-attempts", "1"))
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        done = self.run_it(self.web.url("/lines?n=9"), "cat", options=("--stdin", "fifo"))
        self.assertEqual((done.returncode, done.stderr), (2, "penstockctl: --stdin: 'fifo' is neither pipe nor socket\n"))

    def test_everybody_is_killed(self):
        """Both processes of `run`, and the daemon: nobody is left but the command, which meets an error."""
        for _ in range(5):
            daemon = self.daemon()
            begun, seen = self.dir / "begun", self.dir / "seen"
            begun.unlink(missing_ok=True)
            client = subprocess.Popen([penstock_test.BIN / "penstockctl", "--socket", daemon.socket, "run", "--stdin", "socket",
                                       self.web.url("/lines?n=1000000&hold=never&hold_at=1M"), "--", "sh", "-c",
                                       f"head -c 1000 >/dev/null; echo $$ >{begun}; cat >/dev/null && echo END >{seen}"],
                                      start_new_session=True, stderr=subprocess.DEVNULL)
            until(lambda: begun.exists() and begun.read_text().strip(), "the command reads")
            pid = int(begun.read_text())
            worker = int(open(f"/proc/{client.pid}/task/{client.pid}/children").read().split()[0])
            # First the one that would hand the stop on to its command.
            for process in (worker, client.pid, daemon.pid):
                os.kill(process, signal.SIGSTOP)
            for process in (worker, client.pid, daemon.pid):
                os.kill(process, signal.SIGKILL)
            client.wait()
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
            until(lambda: penstock_test.gone(pid), "the command has ended")
            self.assertFalse(seen.exists())

    def refused(self, fd):
        with self.penstock.rpc() as rpc:
            rpc.pass_fd(fd, {"jsonrpc": "2.0", "id": 1, "method": "run", "params": {"url": self.web.url("/bytes?n=9")}})
            return rpc.receive()["error"]["message"]

    def test_what_is_refused(self):
        ours, given = socket.socketpair()
        self.assertIn("write a byte", self.refused(given.fileno()))
        ours.send(b"-")
        for kind in (socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
            a, b = socket.socketpair(socket.AF_UNIX, kind)
            a.send(b"-")
            self.assertIn("unix stream", self.refused(b.fileno()))
            a.close(), b.close()
        with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as listening:
            self.assertIn("unix stream", self.refused(tcp.fileno()))
            listening.bind(str(self.dir / "l"))
            listening.listen()
            self.assertIn("unix stream", self.refused(listening.fileno()))
        null = os.open("/dev/null", os.O_WRONLY)
        self.assertIn("neither", self.refused(null))
        os.close(null), ours.close(), given.close()


if __name__ == "__main__":
    penstock_test.main()
