# label: sanitize
"""Origins that abuse TLS: messages of the handshake without end, groups and chains that are too large, handshakes that drip,
names that are not theirs. Each has its kind, and a fetch loop serves its others meanwhile."""
import contextlib
import socket
import ssl
import subprocess
import threading
import time

import penstock_test
from penstock_test import Program, until
from recorder import Recorder
from test_requests import Certificates


class Hostile(Program):
    """tests/support's TLS server that means ill: see hostile_tls_main.c."""

    count = 0

    def __init__(self, test, cert, mode, *more):
        Hostile.count += 1
        super().__init__(test, [penstock_test.BIN / "test-hostile_tls", *cert, mode, *more], f"hostile{Hostile.count}",
                         stdout=subprocess.PIPE)
        self.port = int(self.process.stdout.readline())

    def url(self):
        return f"https://127.0.0.1:{self.port}/"


class Raw:
    """Takes one connection at a time and hands it to a function."""

    def __init__(self, test, serve):
        self.serve = serve
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        thread = threading.Thread(target=self.run, daemon=True)
        thread.start()
        test.addCleanup(thread.join, penstock_test.DEADLINE)
        test.addCleanup(self.listener.shutdown, socket.SHUT_RDWR)

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                with connection, contextlib.suppress(OSError):
                    self.serve(connection)

    def url(self):
        return f"https://127.0.0.1:{self.port}/"


class Tls(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.certs = Certificates(self)

    def start(self, **settings):
        return self.daemon({"fetch.ca_file": self.certs.ca, "fetch.threads": "1", "defaults.max_attempts": "1",
                            "defaults.stall_timeout": "30s", "fetch.host_connections": "16", **settings})

    def assert_told(self, daemon, url, text, kind="tls"):
        verdict = daemon.job(url)
        self.assert_verdict(verdict, "failed", kind)
        self.assertIn(text, verdict["error"]["message"])

    def test_messages_without_end(self):
        """One call into OpenSSL lasts as long as there are such messages: a byte of the body now and then keeps the stall's clock
        away, and no other job of the loop would go on."""
        server, daemon = Recorder(self), self.start()
        for mode in ("key-updates", "key-updates-asked", "tickets", "hello-requests"):
            with self.subTest(mode=mode):
                hostile = Hostile(self, self.certs.server, mode, 100)
                self.assert_told(daemon, hostile.url(), "sent more than 500 handshake messages on one connection")
                self.assert_verdict(daemon.job(server.url("/ok")), "done")
                hostile.kill()

    def test_messages_before_the_hello(self):
        """They are not even encrypted."""
        flood = (b"\x16\x03\x03\x40\x00" + bytes(16384)) * 16  # requests for a new handshake

        def serve(connection):
            while True:
                connection.sendall(flood)
        server, daemon = Raw(self, serve), self.start()
        self.assert_told(daemon, server.url(), "sent more than 500 handshake messages on one connection")

    def test_a_few_are_no_fault(self):
        server = Hostile(self, self.certs.server, "few")
        verdict = self.start().job(server.url())
        self.assert_verdict(verdict, "done", verified_by="length")

    def test_a_group_that_is_too_large(self):
        cert = self.certs.sign("rsa", "subjectAltName=IP:127.0.0.1", "rsa:2048")
        hostile, daemon = Hostile(self, cert, "huge-group"), self.start()
        self.assert_told(daemon, hostile.url(), "more than 4096 bits in the Diffie-Hellman group")

    def test_a_handshake_that_drips(self):
        """A byte at a time, from a server that is right otherwise: the connect's clock goes on."""
        server = Recorder(self, self.certs.context())

        def drip(connection):
            with socket.create_connection(("127.0.0.1", server.port)) as to:
                to.sendall(connection.recv(65536))
                while byte := to.recv(1):
                    connection.sendall(byte)
                    time.sleep(0.02)  # what drips
        slow, plain = Raw(self, drip), Recorder(self)
        daemon = self.start()
        job = daemon.submit(slow.url(), connect_timeout="5s")
        self.assert_verdict(daemon.job(plain.url("/ok")), "done")
        self.assertEqual(daemon.events("verdict", job), [])
        self.assert_verdict(daemon.verdict(job), "failed", "connect_timeout")
        self.assertEqual(server.requests, [])

    def test_an_end_without_close_notify(self):
        """Is a cut, though the connection ended in order, also for those who take an end that nobody verifies."""
        hostile, daemon = Hostile(self, self.certs.server, "cut"), self.start()
        for unverified in ("fail", "accept"):
            verdict = daemon.job(hostile.url(), unverified=unverified)
            self.assert_verdict(verdict, "failed", "truncated")
        server = Recorder(self, self.certs.context())
        server.open_end = True  # and TLS's close_notify
        self.assert_verdict(daemon.job(server.url("/head"), unverified="accept"), "done", verified_by="none")
        self.assert_verdict(daemon.job(server.url("/head")), "failed", "unverified_end")

    # --- certificates ------------------------------------------------------------------------------

    def valid(self, days):
        """OpenSSL 3.5 takes no days before today, and 3.0 no dates."""
        if days > 0:
            return "-days", days
        known = "-not_after" in penstock_test.run("openssl", "x509", "-help").stderr
        return ("-not_before", "20200101000000Z", "-not_after", "20200102000000Z") if known else ("-days", days)

    def chain(self, name, extensions, days=2, leaf_days=2, leaf="subjectAltName=IP:127.0.0.1", count=1):
        """A leaf below so many intermediates with those extensions; PEM of all of them, and the leaf's key."""
        issuer, key, pems = self.certs.ca, self.certs.ca_key, []
        for n in range(count + 1):
            last = n == count
            cert, request = self.dir / f"{name}{n}.pem", self.dir / f"{name}{n}.csr"
            ext = self.wrote(f"{name}{n}.ext", leaf if last else extensions)
            if n == 0:
                own = self.dir / f"{name}.key"  # one key for all
                self.certs.openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", own)
            self.certs.openssl("req", "-new", "-key", own, "-subj", f"/CN={name} {n}", "-out", request)
            self.certs.openssl("x509", "-req", "-in", request, "-CA", issuer, "-CAkey", key, "-set_serial", n + 1,
                               *self.valid(leaf_days if last else days), "-extfile", ext, "-out", cert)
            issuer, key = cert, own
            pems.insert(0, cert.read_text())
        whole = self.wrote(f"{name}.pem", "".join(pems))
        return whole, own

    def serve(self, cert, path="/ok", host="127.0.0.1"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*cert)
        return Recorder(self, context).url(path, host=host)

    def test_chains(self):
        daemon = self.start(**{"policy.allow": "127.0.0.0/8, ::1"})
        ca = "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n"
        name = "subjectAltName=IP:127.0.0.1\n"
        wide = ca + "nsComment=" + "x" * 150_000
        table = [
            ("good", {"extensions": ca}, None),
            ("ten", {"extensions": ca, "count": 10}, None),
            ("expired", {"extensions": ca, "days": -1}, "expired"),
            ("leaf expired", {"extensions": ca, "leaf_days": -1}, "expired"),
            ("no CA", {"extensions": "basicConstraints=critical,CA:FALSE\n"}, "CA"),
            ("signs nothing", {"extensions": "basicConstraints=critical,CA:TRUE\nkeyUsage=digitalSignature\n"}, "cert"),
            ("too long a path", {"extensions": ca.replace("TRUE", "TRUE,pathlen:0"), "count": 2}, "path length"),
            ("of another name", {"extensions": ca + "nameConstraints=critical,permitted;IP:10.0.0.0/255.0.0.0"}, "subtree"),
            ("of clients", {"extensions": ca, "leaf": name + "extendedKeyUsage=clientAuth"}, "purpose"),
            ("150 KB", {"extensions": wide}, "message size"),
            ("150 KB leaf", {"extensions": ca, "leaf": name + "nsComment=" + "x" * 150_000}, "message size"),
        ]
        for what, how, text in table:
            with self.subTest(what=what):
                url = self.serve(self.chain(what.replace(" ", "-"), **how))
                if text:
                    self.assert_told(daemon, url, text)
                else:
                    self.assert_verdict(daemon.job(url), "done")

    def test_certificates_beside_the_chain(self):
        """A hundred that nobody asked for, all of one name: the search for a chain among them is short."""
        ca = "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n"
        daemon, plain = self.start(), Recorder(self)
        cert, key = self.chain("crowd", ca)
        leaf, middle = (p + "-----END CERTIFICATE-----\n" for p in cert.read_text().split("-----END CERTIFICATE-----\n")[:2])
        for what, text, kind in (("right", leaf + middle * 120, None), ("wrong", leaf + leaf * 120, "tls")):
            url = self.serve((self.wrote(f"{what}.pem", text), key))
            job = daemon.submit(url)
            began = penstock_test.cpu_of(daemon.pid)
            self.assert_verdict(daemon.job(plain.url("/ok")), "done")
            self.assert_verdict(daemon.verdict(job), "failed" if kind else "done", kind)
            self.assertLess(penstock_test.cpu_of(daemon.pid) - began, 5 * penstock_test.PATIENCE)

    def test_names(self):
        """Names of certificates that look like the host's to somebody who reads carelessly."""
        daemon = self.start(**{"policy.allow": "127.0.0.0/8, ::1"})

        def der(*names):  # subjectAltName by hand: (tag, bytes)
            inner = b"".join(bytes([tag, len(data)]) + data for tag, data in names)
            return "2.5.29.17=DER:" + (bytes([0x30, len(inner)]) + inner).hex()
        table = [
            ("127.0.0.1", "subjectAltName=IP:127.0.0.1", True),
            ("127.0.0.1", "subjectAltName=IP:127.0.0.2", False),
            ("127.0.0.1", "subjectAltName=DNS:127.0.0.1", False),
            ("127.0.0.1", "subjectAltName=DNS:*.0.0.1", False),
            ("127.0.0.1", der((0x87, b"\x7f\0\0\1\0")), False),
            ("127.0.0.1", der((0x87, b"127.0.0.1")), False),
            ("127.0.0.1", "subjectAltName=URI:https://127.0.0.1/", False),
            ("a.localhost", "subjectAltName=DNS:a.localhost", True),
            ("A.LOCALHOST", "subjectAltName=DNS:a.localhost", True),
            ("a.localhost", "subjectAltName=DNS:A.LocalHost", True),
            ("a.b.localhost", "subjectAltName=DNS:*.b.localhost", True),
            ("b.localhost", "subjectAltName=DNS:*.b.localhost", False),
            ("a.c.b.localhost", "subjectAltName=DNS:*.b.localhost", False),
            ("a.localhost", "subjectAltName=DNS:*.localhost", False),
            ("a.localhost", "subjectAltName=DNS:*", False),
            ("a.b.localhost", "subjectAltName=DNS:*.*.localhost", False),
            ("ab.b.localhost", "subjectAltName=DNS:a*.b.localhost", False),
            ("a.b.localhost", "subjectAltName=DNS:a.*.localhost", False),
            ("a.localhost", der((0x82, b"a.localhost\0.evil.test")), False),
            ("a.localhost", der((0x82, b"a.localhost\0")), False),
            ("a.localhost", der((0x82, b"")), False),
            ("a.localhost", der((0x82, b"evil.test"), (0x82, b"a.localhost")), True),
            ("xn--bcher-kva.localhost", "subjectAltName=DNS:xn--bcher-kva.localhost", True),
            ("xn--bcher-kva.b.localhost", "subjectAltName=DNS:xn--*.b.localhost", False),
            ("xn--bcher-kva.localhost", der((0x82, "b\u00fccher.localhost".encode())), False),
        ]
        for n, (host, names, good) in enumerate(table):
            with self.subTest(host=host, names=names):
                verdict = daemon.job(self.serve(self.certs.sign(f"n{n}", names), host=host))
                self.assert_verdict(verdict, "done" if good else "failed", None if good else "tls")

    def test_a_name_in_the_subject_alone(self):
        """Counts for a host's name, as in curl, unless there is a NUL in it; and never beside a subjectAltName."""
        daemon = self.start(**{"policy.allow": "127.0.0.0/8, ::1"})
        cert = self.certs.sign("elsewhere.localhost", "subjectAltName=DNS:other.localhost")
        self.assert_verdict(daemon.job(self.serve(cert, host="elsewhere.localhost")), "failed", "tls")


if __name__ == "__main__":
    penstock_test.main()
