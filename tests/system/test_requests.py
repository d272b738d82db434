# label: sanitize
"""Requests as they leave: POST over redirects, headers, TLS with a CA and a client's certificate, HTTP/2, proxies, the
version of IP; and digests that responses name."""
import base64
import hashlib
import os
import shutil
import subprocess
import ssl
import unittest
import urllib.parse

import penstock_test
from recorder import Recorder


def quote(url):
    return urllib.parse.quote(url, safe="")


class Certificates:
    """A CA, a server's certificate for localhost and 127.0.0.1, and a client's."""

    def __init__(self, test):
        self.test = test
        self.ca = test.dir / "ca.pem"
        self.ca_key = test.dir / "ca.key"
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-keyout",
                     self.ca_key, "-out", self.ca, "-subj", "/CN=CA of this test")
        self.server = self.sign("server", "subjectAltName=DNS:localhost,DNS:*.site.test,IP:127.0.0.1")
        self.client = self.sign("client", "extendedKeyUsage=clientAuth")

    def openssl(self, *args):
        penstock_test.run("openssl", *args, check=0)

    def sign(self, name, extension, kind="ec"):
        key, request, cert = (self.test.dir / f"{name}.{s}" for s in ("key", "csr", "pem"))
        extensions = self.test.wrote(f"{name}.ext", extension + "\n")
        curve = ("-pkeyopt", "ec_paramgen_curve:P-256") if kind == "ec" else ()
        self.openssl("req", "-newkey", kind, *curve, "-nodes", "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        self.openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.ca_key, "-CAcreateserial", "-days", "2",
                     "-out", cert, "-extfile", extensions)
        for path in (key, cert):
            path.chmod(0o600)
        return cert, key

    def context(self, clients=False):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.server)
        if clients:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.ca)
        return context


class Requests(penstock_test.Case):
    def test_post(self):
        server = Recorder(self)
        daemon = self.daemon()
        body = "a=1&b=\u00e4\n" * 1000
        verdict = daemon.job(server.url("/ok"), method="POST", body=body, headers={"Content-Type": "text/plain"})
        self.assert_verdict(verdict, "done")
        self.assertEqual((server.last()["method"], server.last()["body"].decode()), ("POST", body))
        self.assertEqual(server.header("Content-Type"), "text/plain")
        self.assertIsNone(server.header("Expect"))

    def test_post_over_redirects(self):
        """307 and 308 keep method and body, the others make it a GET (RFC 9110, 15.4)."""
        server = Recorder(self)
        daemon = self.daemon()
        for status, method in ((307, "POST"), (308, "POST"), (301, "GET"), (302, "GET"), (303, "GET")):
            server.requests.clear()
            verdict = daemon.job(server.url(f"/redirect/{status}?to=/ok"), method="POST", body="the body")
            self.assert_verdict(verdict, "done")
            self.assertEqual([(r["method"], r["body"]) for r in server.requests],
                             [("POST", b"the body"), (method, b"the body" if method == "POST" else b"")])

    def test_headers(self):
        server = Recorder(self)
        other = Recorder(self)
        daemon = self.daemon()
        daemon.job(server.url("/redirect/302?to=" + quote(other.url("/ok"))), headers=["X-A: 1", "X-Empty:"], user_agent="me/1")
        self.assertEqual(server.header("X-A"), "1")
        self.assertEqual(server.header("X-Empty"), "")
        self.assertEqual(other.header("User-Agent"), "me/1")
        self.assertIsNone(other.header("X-A"))  # another origin
        for headers in ({"X": "a\r\nY: b"}, {"X": "a\nb"}, {"X Y": "a"}, {"": "a"}, ["no colon"], {"Host": "x"},
                        {"Connection": "close"}, {"Transfer-Encoding": "chunked"}, {"Content-Length": "1"}, {"Cookie": "a=b"},
                        {"authorization": "x"}, {"TE": "trailers"}, {"Range": "bytes=0-"}):
            with penstock_test.Rpc(daemon.socket) as rpc:
                error = rpc.fail("submit", {"url": server.url("/ok"), "headers": headers})
            self.assertEqual((error["code"], error["data"]["field"]), (-32602, "headers"), headers)

    def test_ca_file(self):
        certs = Certificates(self)
        server = Recorder(self, certs.context())
        trusting = self.daemon({"fetch.ca_file": certs.ca})
        self.assert_verdict(trusting.job(server.url("/ok", host="localhost")), "done")
        verdict = self.daemon().job(server.url("/ok", host="localhost"), max_attempts=1)
        self.assert_verdict(verdict, "failed", "tls")

    def test_client_certificate(self):
        """Shown to the hosts of its section alone, and read at each use."""
        certs = Certificates(self)
        server = Recorder(self, certs.context(clients=True))
        cert, key = certs.client
        config = self.wrote("c.conf", f'[host "localhost"]\nclient_cert = {cert}\nclient_key = {key}\n')
        daemon = self.daemon({"fetch.ca_file": certs.ca, "fetch.retry_delay": "1ms"}, config=config)
        self.assert_verdict(daemon.job(server.url("/ok", host="localhost")), "done")
        verdict = daemon.job(server.url("/ok"), max_attempts=1)
        self.assertEqual(verdict["state"], "failed")
        both = self.wrote("both.pem", cert.read_text() + key.read_text())
        both.chmod(0o600)
        one = self.wrote("d.conf", f'[host "localhost"]\nclient_cert = {both}\n')
        self.assert_verdict(self.daemon({"fetch.ca_file": certs.ca}, config=one).job(server.url("/ok", host="localhost")), "done")
        key.chmod(0o644)
        verdict = daemon.job(server.url("/ok", host="localhost"), max_attempts=2)
        self.assert_verdict(verdict, "failed", "resources")
        self.assertIn("client_key", verdict["error"]["message"])
        self.assertIn("0644", verdict["error"]["message"])

    def test_proxy(self):
        """The proxy's own address is exempt; literals, patterns and names for loopback are judged."""
        proxy = Recorder(self)
        settings = {"fetch.proxy": proxy.url(""), "policy.trust_proxy": "yes", "policy.allow": None,
                    "policy.deny": "*.forbidden.example", "fetch.breaker_failures": "0"}
        daemon = self.daemon(settings)
        self.assert_verdict(daemon.job("http://name.example/ok"), "done")
        self.assertEqual(proxy.last()["path"], "http://name.example/ok")
        for url in ("http://10.0.0.1/", "http://127.0.0.1/", "http://[::1]/", "http://localhost/", "http://x.forbidden.example/",
                    "http://name.example/redirect/302?to=http%3A//169.254.169.254/"):
            verdict = daemon.job(url, max_attempts=1)
            if "redirect" not in url:
                self.assert_verdict(verdict, "failed", "policy")
        self.assertFalse([r for r in proxy.requests if "name.example" not in r["path"]])

    def test_proxy_needs_trust(self):
        done = penstock_test.run(penstock_test.BIN / "penstockd", "--config", "/dev/null", "--set", "fetch.proxy=http://p:3128",
                                 "--set", "store.engine=memory", "--set", f"control.socket={self.dir}/s", "--check")
        self.assertEqual(done.returncode, 1)
        self.assertIn("trust_proxy = yes", done.stderr)

    def test_proxy_of_the_environment(self):
        proxy, other, origin = Recorder(self), Recorder(self), Recorder(self)
        env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        env |= {"http_proxy": proxy.url(""), "HTTP_PROXY": other.url(""), "no_proxy": "direct.example, 127.0.0.1"}
        daemon = self.daemon({"fetch.proxy": "env", "policy.trust_proxy": "yes"}, env=env)
        self.assert_verdict(daemon.job("http://name.example/ok"), "done")
        self.assert_verdict(daemon.job(origin.url("/ok")), "done")
        self.assertEqual((len(proxy.requests), len(other.requests), len(origin.requests)), (1, 0, 1))
        without = self.daemon({"fetch.proxy": None}, env=env)
        self.assert_verdict(without.job("http://name.invalid/ok", max_attempts=1), "failed", "dns")
        self.assertEqual(len(proxy.requests), 1)

    def test_version_of_ip(self):
        server = Recorder(self)
        daemon = self.daemon({"policy.allow": "127.0.0.0/8 ::1", "fetch.breaker_failures": "0"})
        url = server.url("/ok", host="localhost")
        self.assert_verdict(daemon.job(url, ip="4"), "done")
        verdict = daemon.job(url, ip="6", max_attempts=1)
        self.assertEqual(verdict["state"], "failed")
        self.assertIn(verdict["error"]["kind"], ("connect", "dns"))

    def test_digests_of_the_response(self):
        server = Recorder(self)
        daemon = self.daemon()
        server.body = os.urandom(300_000)

        def b64(algorithm, data=server.body):
            return base64.b64encode(hashlib.new(algorithm, data).digest()).decode()

        good = [("Repr-Digest", f"sha-256=:{b64('sha256')}:"), ("Content-Digest", f"sha-512=:{b64('sha512')}:"),
                ("Digest", f"SHA-256={b64('sha256')},sha-512={b64('sha512')}")]
        bad = [("Repr-Digest", f"sha-256=:{b64('sha256', b'x')}:"), ("Content-Digest", f"md5=:AAAA:, sha-512=:{b64('sha512', b'x')}:"),
               ("Digest", f"sha-256={b64('sha256', b'x')}")]
        for header in good + [("Repr-Digest", "sha-256=:AAAA:"), ("Digest", "unixsum=1"), ("Content-Digest", "rubbish,,=")]:
            server.extra_headers = [header]
            verdict = daemon.job(server.url("/head"))
            self.assert_verdict(verdict, "done", None, "length")
            self.assertNotIn("sha256", verdict)
        for header in bad:
            server.extra_headers = [good[0], header] if header[0] != "Repr-Digest" else [header]
            verdict = daemon.job(server.url("/head"), max_attempts=1)
            self.assert_verdict(verdict, "failed", "digest_mismatch")
            self.assertIn(header[0], verdict["error"]["message"])
            self.assert_verdict(daemon.job(server.url("/head"), digest_headers="ignore"), "done")
        server.open_end = True
        for header in good:
            server.extra_headers = [header]
            self.assert_verdict(daemon.job(server.url("/head")), "done", None, "digest")
            verdict = daemon.job(server.url("/head"), digest_headers="ignore", max_attempts=1)
            self.assert_verdict(verdict, "failed", "unverified_end")
        server.extra_headers = bad[:1]
        self.assert_verdict(daemon.job(server.url("/head"), max_attempts=1), "failed", "digest_mismatch")
        self.assert_verdict(daemon.job(server.url("/head"), max_attempts=1, unverified="accept"), "failed", "digest_mismatch")

    def test_digests_of_a_resumed_body(self):
        origin = self.origin()
        daemon = self.daemon({"fetch.resume_delay": "1ms"})
        verdict = daemon.job(origin.url("/bytes?n=500000&cut_first=200000&digest=sha256"), digest="sha256")
        self.assert_verdict(verdict, "done", None, "length")
        self.assertEqual(verdict["resumes"], 1)
        verdict = daemon.job(origin.url("/bytes?n=500000&cut_first=200000&digest=wrong&id=w"), max_attempts=1)
        self.assert_verdict(verdict, "failed", "digest_mismatch")
        verdict = daemon.job(origin.url("/lines?n=5000&gzip=1&framing=close&digest=sha256"), parser="lines")
        self.assert_verdict(verdict, "done", None, "digest")
        self.assertEqual(verdict["records"], 5000)


class Http2(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.www = self.dir / "www"
        self.www.mkdir()
        self.certs = Certificates(self)
        self.data = b"".join(b"line %d\n" % i for i in range(200_000))
        (self.www / "lines").write_bytes(self.data)
        self.www.chmod(0o755)
        cert, key = self.certs.server
        self.nginx = penstock_test.Nginx(self, self.www, f"""
        listen 127.0.0.1:SECOND ssl http2;
        ssl_certificate {cert};
        ssl_certificate_key {key};
        location /open {{ alias {self.www}/lines; gzip on; gzip_types *; gzip_min_length 1; }}
""")
        self.port = self.nginx.second

    def url(self, path):
        return f"https://127.0.0.1:{self.port}/{path}"

    def test_opt_in(self):
        config = self.wrote("h2.conf", '[host "127.0.0.1"]\nhttp2 = yes\nconnections = 4\n')
        both = {"fetch.ca_file": self.certs.ca}
        for http2, daemon in ((True, self.daemon(both, config=config)), (False, self.daemon(both))):
            jobs = [daemon.submit(self.url("lines"), digest="sha256") for _ in range(6)]
            for job in jobs:
                verdict = daemon.verdict(job)
                self.assert_verdict(verdict, "done", None, "length")
                self.assertEqual(verdict["sha256"], hashlib.sha256(self.data).hexdigest())
            # Without a length it is the stream's end that tells.
            verdict = daemon.job(self.url("open"), compress="yes")
            self.assert_verdict(verdict, "done", None, "http2" if http2 else "chunked")
            connections = daemon.call("stats")["fetch"]["connections"]
            self.assertLessEqual(connections, 6)
            daemon.stop()

    @unittest.skipIf(penstock_test.SANITIZED, "the sanitizers' runtime must be loaded first")
    def test_no_coalescing(self):
        """A certificate for two names (RFC 9113, 9.1.1) sends nobody to the other's address unjudged."""
        hosts = self.wrote("hosts", "a.site.test 127.0.0.1\nb.site.test 127.0.0.2\n")
        env = {**os.environ, "LD_PRELOAD": str(penstock_test.BIN / "test-resolver.so"), "TEST_HOSTS": str(hosts)}
        daemon = self.daemon({"fetch.ca_file": self.certs.ca, "policy.allow": "127.0.0.1"}, env=env,
                             config=self.wrote("h2.conf", '[host "*"]\nhttp2 = yes\n'))
        self.assert_verdict(daemon.job(f"https://a.site.test:{self.port}/lines"), "done")
        verdict = daemon.job(f"https://b.site.test:{self.port}/lines", max_attempts=1)
        self.assert_verdict(verdict, "failed", "policy")
        self.assertIn("127.0.0.2/32", verdict["error"]["message"])
        self.assertEqual(daemon.call("stats")["fetch"]["connections"], 1)

    def test_slow_parser(self):
        """A paused stream keeps nobody waiting: each has a connection of its own."""
        config = self.wrote("h2.conf", '[host "127.0.0.1"]\nhttp2 = yes\n')
        stage = self.wrote("slow", f"#!/bin/sh\nread -r line\nwhile [ ! -e {self.dir}/go ]; do sleep 0.05; done\nwc -l\n")
        stage.chmod(0o755)
        self.wrote("h2.conf", config.read_text() + f'[parser "slow"]\ntype = exec\nstage = {stage}\n')
        daemon = self.daemon({"fetch.ca_file": self.certs.ca}, config=config)
        slow = daemon.submit(self.url("lines"), parser="slow")
        penstock_test.until(lambda: daemon.call("show", {"id": slow}).get("waiting_for") == "parser", "the slow one is paused")
        self.assert_verdict(daemon.job(self.url("lines")), "done")
        self.assertEqual(daemon.state(slow), "running")
        (self.dir / "go").touch()
        self.assert_verdict(daemon.verdict(slow), "done")

    def test_called_http2(self):
        """A status line that says HTTP/2 on a connection of HTTP/1 ends nothing: neither a job nor a command."""
        web = self.origin()
        daemon = self.daemon({"defaults.max_attempts": "1", "fetch.splice_min": "0"})
        for fault in ("framing=close&cut=500", "framing=close", "framing=chunked"):
            url = web.url(f"/bytes?n=1000&version=2&{fault}")
            self.assert_verdict(daemon.job(url, unverified="accept"), "failed", "protocol")
            done = subprocess.run([penstock_test.BIN / "penstockctl", "--socket", daemon.socket, "run", url, "--", "wc", "-c"],
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)


class Http3(penstock_test.Case):
    def test_where_it_is_had(self):
        """Spoken where both sides can; where this libcurl cannot, the key is refused with what to do."""
        certs = Certificates(self)
        config = self.wrote("h3.conf", '[host "127.0.0.1"]\nhttp = 3\n')
        checked = penstock_test.run(penstock_test.BIN / "penstockd", "--config", config, "--check")
        if checked.returncode != 0:
            self.assertIn(f"{config}:2: host \"127.0.0.1\".http: ", checked.stderr)
            self.assertIn("does not speak HTTP/3: use 1.1 or 2", checked.stderr)
            return
        www = self.dir / "www"
        www.mkdir()
        data = b"".join(b"line %d\n" % i for i in range(200_000))
        (www / "lines").write_bytes(data)
        www.chmod(0o755)
        cert, key = certs.server
        quic = "--with-http_v3_module" in penstock_test.run(penstock_test.find_server("nginx")[0], "-V").stderr
        # Where it speaks QUIC it speaks nothing else: who is the quicker of two would be spoken to.
        text = f"""
        listen 127.0.0.1:SECOND {"quic; http3 on" if quic else "ssl"};
        ssl_certificate {cert};
        ssl_certificate_key {key};
        location /open {{ alias {www}/lines; gzip on; gzip_types *; gzip_min_length 1; }}
"""
        nginx = penstock_test.Nginx(self, www, text)
        port = nginx.second
        daemon = self.daemon({"fetch.ca_file": certs.ca}, config=config)
        verdict = daemon.job(f"https://127.0.0.1:{port}/lines", digest="sha256")
        self.assert_verdict(verdict, "done", None, "length")
        self.assertEqual(verdict["sha256"], hashlib.sha256(data).hexdigest())
        verdict = daemon.job(f"https://127.0.0.1:{port}/open", compress="yes")
        self.assert_verdict(verdict, "done", None, "http3" if quic else "chunked")
        # A server that is started again knows nothing of the idle connection, and QUIC tells nobody so.
        nginx.kill()
        shutil.rmtree(self.dir / "nginx")
        nginx = penstock_test.Nginx(self, www, text, second=port)
        verdict = daemon.job(f"https://127.0.0.1:{port}/open", compress="yes")
        self.assert_verdict(verdict, "done", None, "http3" if quic else "chunked")
        self.assertEqual(verdict["attempt"], 1)
        self.assertTrue(nginx.alive())


if __name__ == "__main__":
    penstock_test.main()
