# label: sanitize
"""Proxies: what they fail at is told as theirs, what they want to know they get, and no password comes back."""
import base64
import contextlib
import os
import socket
import socketserver
import threading

import penstock_test
from recorder import Recorder
from test_requests import Certificates

SECRET = "hunter2-and-more"
BASIC = "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()


class Relay(socketserver.StreamRequestHandler):
    """One request: a tunnel, or an answer of its own."""

    def handle(self):
        proxy = self.server.proxy
        lines = []
        while (line := self.rfile.readline().decode().strip()):
            lines.append(line)
        if not lines:
            return
        proxy.requests.append(lines)
        method, target, _ = lines[0].split(" ")
        answer = proxy.answers.pop(0) if proxy.answers else proxy.answer
        if proxy.wants and f"proxy-authorization: {proxy.wants}".lower() not in [a.lower() for a in lines]:
            answer = 407
        if answer == 0:
            return
        if answer != 200:
            self.wfile.write(f"HTTP/1.1 {answer} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        elif method == "CONNECT":
            self.tunnel(*target.rsplit(":", 1))
        else:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nfine\n")

    def tunnel(self, host, port):
        with contextlib.suppress(OSError), socket.create_connection((host, int(port)), penstock_test.DEADLINE) as far:
            self.wfile.write(b"HTTP/1.1 200 Tunnel\r\n\r\n")
            back = threading.Thread(target=self.copy, args=(far, self.connection))
            back.start()
            self.copy(self.connection, far)
            back.join()

    @staticmethod
    def copy(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for s in (source, sink):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, *unused):
        pass


class Proxy:
    """`answers` to the next requests, then `answer` to all: a status, 0 for none; `wants` this to be said."""

    def __init__(self, test):
        self.requests, self.answers, self.answer, self.wants = [], [], 200, None
        self.server = Server(("127.0.0.1", 0), Relay)
        self.server.proxy = self
        self.port = self.server.server_address[1]
        self.name = f"the proxy 127.0.0.1 port {self.port}"
        thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        test.addCleanup(thread.join)
        test.addCleanup(self.server.server_close)
        test.addCleanup(self.server.shutdown)


class Proxies(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.certs = Certificates(self)
        self.proxy = Proxy(self)
        self.origin_ = Recorder(self, self.certs.context())
        self.url = self.origin_.url("/ok")

    def start(self, proxy=None, config="", **settings):
        settings = {"fetch.proxy": proxy or f"http://127.0.0.1:{self.proxy.port}", "policy.trust_proxy": "yes",
                    "fetch.ca_file": self.certs.ca, "fetch.retry_delay": "1ms", "fetch.resume_delay": "1ms", **settings}
        return self.daemon(settings, config=self.wrote("c.conf", config))

    def fails(self, verdict, name, *parts, attempts=1):
        self.assert_verdict(verdict, "failed", "proxy")
        self.assertEqual(verdict["attempt"], attempts, verdict)
        for part in (name, *parts):
            self.assertIn(part, verdict["error"]["message"])

    def test_no_tunnel(self):
        """What it refuses is not tried again; what it cannot do now is."""
        daemon = self.start()
        for answer in (400, 403, 404, 302):
            self.proxy.answer = answer
            self.fails(daemon.job(self.url, max_attempts=3), self.proxy.name, str(answer),
                       f"127.0.0.1 port {self.origin_.port}")
        for answer in (500, 502, 503, 504):
            self.proxy.answer = answer
            self.fails(daemon.job(self.url, max_attempts=2), self.proxy.name, str(answer), attempts=2)
        self.proxy.answers, self.proxy.answer = [503], 200
        verdict = daemon.job(self.url, max_attempts=2)
        self.assert_verdict(verdict, "done")
        self.assertEqual(verdict["attempt"], 2)

    def test_no_answer(self):
        self.proxy.answer = 0
        daemon = self.start()
        self.fails(daemon.job(self.url, max_attempts=2), self.proxy.name, attempts=2)

    def test_not_there(self):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            port = closed.getsockname()[1]
            for scheme in ("http", "https", "socks5", "socks5h", "socks4"):
                daemon = self.start(f"{scheme}://127.0.0.1:{port}")
                for url in (self.url, "http://127.0.0.1:1/"):
                    self.fails(daemon.job(url, max_attempts=2), f"the proxy 127.0.0.1 port {port}", attempts=2)
                daemon.stop()
        daemon = self.start("http://proxy.invalid:3128")
        self.fails(daemon.job(self.url, max_attempts=2), "the proxy proxy.invalid port 3128", attempts=2)

    def test_wrong_certificate(self):
        """Of the proxy: another try would show the same."""
        other = Recorder(self, self.certs.context())
        daemon = self.start(f"https://127.0.0.1:{other.port}", **{"fetch.ca_file": None})
        self.fails(daemon.job(self.url, max_attempts=3), f"the proxy 127.0.0.1 port {other.port}", "certificate")
        # Of the origin behind it.
        daemon = self.start(**{"fetch.ca_file": None})
        verdict = daemon.job(self.url, max_attempts=3)
        self.assert_verdict(verdict, "failed", "tls")
        self.assertIn(f"through {self.proxy.name}", verdict["error"]["message"])

    def test_not_the_hosts_fault(self):
        """No breaker of the host opens for it."""
        daemon = self.start(**{"fetch.breaker_failures": "1", "fetch.breaker_cooldown": "1h"})
        self.proxy.answers = [403, 503]
        for _ in range(2):
            self.fails(daemon.job(self.url, max_attempts=1), self.proxy.name)
        self.assert_verdict(daemon.job(self.url), "done")

    def test_resume(self):
        self.origin_.body = b"0123456789\n" * 50_000
        self.proxy.answers = [200, 503, 0, 200]
        verdict = self.start().job(self.origin_.url("/cut"), max_attempts=1)
        self.assert_verdict(verdict, "done")
        self.assertEqual((verdict["bytes"], len(self.proxy.requests)), (550_000, 4))
        self.proxy.answers, self.proxy.answer = [200], 403
        verdict = self.start().job(self.origin_.url("/cut"), max_attempts=1)
        self.assertEqual(verdict["state"], "failed")
        self.assertIn("403", verdict["error"]["message"])

    def credential(self, hosts="127.0.0.1", text=SECRET):
        self.wrote("secret", text + "\n").chmod(0o600)
        return f'[credential "squid"]\ntype = basic\nuser = me\nhosts = {hosts}\nsecret_file = {self.dir}/secret\n'

    def test_credential(self):
        """It goes to the proxy, to nobody behind it, and into no log."""
        plain = Recorder(self)
        self.proxy.wants = BASIC
        daemon = self.start(config=self.credential(), **{"fetch.proxy_credential": "squid", "daemon.log_level": "debug"})
        for url in (self.url, plain.url("/ok")):
            self.assert_verdict(daemon.job(url), "done")
        self.assertIn("hunter2", (self.dir / "secret").read_text())
        for request in self.origin_.requests + plain.requests:
            self.assertNotIn("proxy-authorization", [k.lower() for k in request["headers"]])
        # Read at each use.
        (self.dir / "secret").write_text("another")
        for url in (self.origin_.url("/ok", host="localhost"), plain.url("/ok")):
            self.fails(daemon.job(url, max_attempts=3), self.proxy.name, "407", "fetch.proxy_credential")
        text = daemon.log.read_text() + daemon.errors()
        for trace in (SECRET, BASIC[6:], "another"):
            self.assertNotIn(trace, text)
        (self.dir / "secret").unlink()
        verdict = daemon.job(self.url, max_attempts=1)
        self.assert_verdict(verdict, "failed", "resources")

    def test_wants_a_credential(self):
        self.proxy.wants = BASIC
        elsewhere = {"proxy": "env", "config": self.credential("elsewhere.test"), "fetch.proxy_credential": "squid"}
        os.environ["http_proxy"] = os.environ["https_proxy"] = f"http://127.0.0.1:{self.proxy.port}"
        self.addCleanup(lambda: (os.environ.pop("http_proxy"), os.environ.pop("https_proxy")))
        for settings in ({}, elsewhere):
            daemon = self.start(**settings)
            for url in (self.url, "http://name.example/"):
                self.fails(daemon.job(url, max_attempts=3), self.proxy.name, "407", "fetch.proxy_credential")
            self.assertNotIn("authorization", str(self.proxy.requests).lower())
        # Of an origin it means nothing here.
        daemon = self.daemon()
        self.assert_verdict(daemon.job(Recorder(self).url("/status/407"), max_attempts=1), "failed", "http_status")

    def test_of_the_environment(self):
        """A password there works, and is not told when it does not."""
        env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        for proxy, good in ((f"http://me:{SECRET}@127.0.0.1:{self.proxy.port}", True),
                            (f"me:{SECRET}@127.0.0.1:{self.proxy.port}", True),
                            (f"http://me:{SECRET}@127.0.0.1:1", False), (f"gopher://me:{SECRET}@127.0.0.1:1", False),
                            (f"http://me:{SECRET}@[::1", False), (f"//me:{SECRET}@x/", False), (f"http:me:{SECRET}@x", False)):
            self.proxy.wants = BASIC
            daemon = self.daemon(
                {"fetch.proxy": "env", "policy.trust_proxy": "yes", "fetch.ca_file": self.certs.ca},
                env={**env, "https_proxy": proxy})
            verdict = daemon.job(self.url, max_attempts=1)
            if good:
                self.assert_verdict(verdict, "done")
            else:
                self.assert_verdict(verdict, "failed", "proxy")
            self.assertNotIn("hunter2", daemon.log.read_text() + daemon.errors())


class Settings(penstock_test.Case):
    def check(self, *sets, config="/dev/null"):
        sets = [a for s in (*sets, "store.engine=memory", f"control.socket={self.dir}/s") for a in ("--set", s)]
        return penstock_test.run(penstock_test.BIN / "penstockd", "--config", config, *sets, "--check")

    def test_no_password_comes_back(self):
        for value in ("me:hunter2@p:3128", "//me:hunter2@p/", "http://me:hunter2@p/", "ftp://me:hunter2@p", "http:me:hunter2@p",
                      "http:/me:hunter2@p", "http:////me:hunter2@p", "socks9://me:hunter2@p", "http://me:hunter2", "hunter2"):
            done = self.check(f"fetch.proxy={value}", "policy.trust_proxy=yes")
            self.assertEqual(done.returncode, 1, value)
            self.assertIn("fetch.proxy", done.stderr)
            self.assertNotIn("hunter2", done.stdout + done.stderr)

    def test_no_password_of_a_url_comes_back(self):
        daemon = self.daemon()
        for url in ("//me:hunter2@x/", "me:hunter2@x/", "http:/me:hunter2@x/", "http:me:hunter2@x/", "http:////me:hunter2@x/",
                    "http:\\\\me:hunter2@x/", "ftp://me:hunter2@x/", "http://me:hunter2@x/", "http://a@me:hunter2@x/"):
            one = daemon.ctl("submit", url)
            many = daemon.ctl("submit", "--from", "-", input=url + "\n")
            command = daemon.ctl("run", url, "--", "true")
            schedule = daemon.ctl("schedule", "add", "name", url, "--every", "1h")
            for done in (one, many, command, schedule):
                self.assertNotEqual(done.returncode, 0, url)
                self.assertNotIn("hunter2", done.stdout + done.stderr, (url, done.args))
            with daemon.rpc() as rpc:
                self.assertNotIn("hunter2", str(rpc.answer("submit", {"url": url})))
        self.assertNotIn("hunter2", daemon.log.read_text() + daemon.errors())

    def test_credential(self):
        config = self.wrote("c.conf", '[credential "b"]\ntype = bearer\nhosts = *\n[credential "me"]\ntype = basic\nuser = me\n'
                                      'hosts = p.example\n')
        proxy = ("fetch.proxy=http://p.example:3128", "policy.trust_proxy=yes")
        for sets, why in ((("fetch.proxy_credential=me",), "there is no fetch.proxy"),
                          ((*proxy, "fetch.proxy_credential=x"), "there is no [credential"),
                          ((*proxy, "fetch.proxy_credential=b"), "not of type basic"),
                          (("fetch.proxy=http://q.example", proxy[1], "fetch.proxy_credential=me"), "none of its hosts")):
            done = self.check(*sets, config=config)
            self.assertEqual(done.returncode, 1)
            self.assertIn(why, done.stderr)
        for url in ("http://p.example:3128", "http://P.example", "socks5h://p.example:1", "env"):
            done = self.check(f"fetch.proxy={url}", proxy[1], "fetch.proxy_credential=me", config=config)
            self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    penstock_test.main()
