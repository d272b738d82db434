# label: sanitize
"""`check-url --head`: a host is asked by a job, as a download would ask it."""
import json
import signal
import socket
import subprocess
import threading

import penstock_test
from recorder import Recorder
from test_requests import Certificates


class Chatty:
    """Answers each request on a connection, a HEAD with a body as well, as no server should; or never."""

    def __init__(self, test, answers=True):
        self.requests = []
        self.answers = answers
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.clients = []
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()
        test.addCleanup(self.close)

    def accept(self):
        try:
            while True:
                client, _ = self.listener.accept()
                self.clients.append(client)
                threading.Thread(target=self.serve, args=(client, len(self.clients)), daemon=True).start()
        except OSError:
            pass

    def serve(self, client, number):
        try:
            with client.makefile("rb") as reader:
                while (line := reader.readline().decode().strip()):
                    while reader.readline().strip():
                        pass
                    self.requests.append((number, line))
                    if self.answers:
                        text = b"false\n" if line.startswith("HEAD") else b"right\n"
                        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n" + text)
        except OSError:
            pass

    def close(self):
        for it in (self.listener, *self.clients):
            it.close()

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"


class CheckHead(penstock_test.Case):
    def head(self, daemon, *arguments, status=0):
        """The job that asked, which has ended."""
        done = daemon.ctl("check-url", "--head", *arguments, "--json", check=status)
        return json.loads(done.stdout.splitlines()[1])

    def test_what_a_server_says(self):
        penstock = self.daemon()
        server = self.origin()
        job = self.head(penstock, server.url("/bytes?n=12345"))
        head = job["verdict"]["head"]
        self.assertEqual((job["state"], job["verdict"]["status"], job["verdict"]["bytes"]), ("done", 200, 0))
        self.assertEqual((head["length"], head["http"], head["address"]), (12345, "1.1", "127.0.0.1"))
        self.assertTrue(head["resumable"])
        self.assertEqual(server.counts("/bytes")["body_sent"], 0)
        text = penstock.ctl("check-url", "--head", server.url("/bytes?n=7&status=501"), check=1).stdout
        self.assertRegex(text, r"error +http_status .*answered 501 to HEAD.* a GET may work")

    def test_a_body_to_a_head_is_nobodys(self):
        """Neither does the client get it, nor the next download from there."""
        penstock = self.daemon({"fetch.threads": "1"})
        server = Chatty(self)
        self.assertEqual(self.head(penstock, server.url("/x"))["verdict"]["head"]["length"], 6)
        verdict = penstock.job(server.url("/x"), parser="lines")
        self.assertEqual(verdict["state"], "done")
        self.assertEqual([r["text"] for r in penstock.records(verdict["job"])], ["right"])
        self.assertEqual([(1, "HEAD /x HTTP/1.1"), (2, "GET /x HTTP/1.1")], server.requests)

    def test_no_answer(self):
        penstock = self.daemon()
        job = self.head(penstock, Chatty(self, answers=False).url("/"), "--first-byte-timeout", "200ms", status=1)
        self.assertEqual((job["verdict"]["error"]["kind"], job["attempt"]), ("first_byte_timeout", 1))
        job = self.head(penstock, "http://nowhere.invalid/", status=1)
        self.assertEqual(job["verdict"]["error"]["kind"], "dns")

    def test_redirects(self):
        penstock = self.daemon()
        server = Recorder(self)
        job = self.head(penstock, server.url("/redirect/303?to=/ok"))
        self.assertTrue(job["verdict"]["final_url"].endswith("/ok"))
        self.assertEqual([r["method"] for r in server.requests], ["HEAD", "HEAD"])
        for target in ("http://10.1.2.3/", "file:///etc/passwd", "ftp://127.0.0.1/"):
            with self.subTest(target=target):
                job = self.head(penstock, server.url(f"/redirect/302?to={target}"), status=1)
                self.assertEqual(job["verdict"]["error"]["kind"], "policy")

    def test_tls(self):
        certs = Certificates(self)
        penstock = self.daemon({"fetch.ca_file": certs.ca})
        server = Recorder(self, certs.context())
        head = self.head(penstock, server.url("/ok"))["verdict"]["head"]
        self.assertRegex(head["tls"], r"^TLSv1\.[23]$")
        self.assertIn("handshake", head)

    def test_through_a_proxy(self):
        proxy = Chatty(self)
        penstock = self.daemon({"fetch.proxy": proxy.url(""), "policy.trust_proxy": "yes"})
        head = self.head(penstock, "http://files.example/x")["verdict"]["head"]
        self.assertEqual((head["proxied"], head["address"]), (True, "127.0.0.1"))
        self.assertEqual(proxy.requests, [(1, "HEAD http://files.example/x HTTP/1.1")])

    def test_it_goes_with_its_client(self):
        penstock = self.daemon()
        penstock.call("pause", {"host": "127.0.0.1"})
        server = Chatty(self)
        for number in (signal.SIGINT, signal.SIGKILL):
            client = subprocess.Popen([penstock_test.BIN / "penstockctl", "--socket", penstock.socket, "check-url", "--head",
                                       server.url("/")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.addCleanup(client.kill)
            penstock_test.until(lambda: penstock.call("list", {"state": "queued"})["jobs"], "it is queued")
            job = penstock.call("list")["jobs"][0]
            self.assertEqual(job["waiting_for"], "paused")
            client.send_signal(number)
            client.wait(penstock_test.DEADLINE)
            verdict = penstock.verdict(job["id"])
            self.assertEqual((verdict["state"], verdict["reason"]), ("cancelled", "the client that asked has gone"))
        self.assertEqual(server.requests, [])

    def test_nobody_comes_back_for_it(self):
        """Of a daemon that was killed, and one that was stopped."""
        settings = {"store.engine": "sqlite", "store.path": self.dir / "store.db"}
        penstock = self.daemon(settings)
        penstock.call("pause")
        with penstock.rpc() as rpc:
            job = rpc.call("head", {"url": "http://127.0.0.1:9/"})["id"]
            penstock.kill()
        penstock = self.daemon(settings)
        self.assertEqual(penstock.verdict(job)["state"], "cancelled")


if __name__ == "__main__":
    penstock_test.main()
