"""Where a case runs: a directory and programs of its own, as a system test has them (tests/system)."""
import contextlib
import pathlib
import shutil
import socket
import subprocess
import tempfile

import penstock_test

LINE = b"2026-11-22T04:00:00Z host-%06d GET /path/of/some/length 200 %08d\n"
SENDING = "keepalive_requests 10000000;"


class Place:
    """Stands in for a test case with penstock_test's programs. `pairs`: how often two sides are compared; `quick`:
    tiny sizes, which show that a case works and nothing else."""

    def __init__(self, pairs=7, quick=False, against="HEAD^"):
        self.pairs, self.quick, self.against = pairs, quick, against
        self.jobs = self.rounds = self.seed = None  # as the case has them

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="penstock-bench."))
        self.stack.callback(shutil.rmtree, self.dir, ignore_errors=True)
        self.daemons = []
        return self

    def __exit__(self, *unused):
        self.stack.close()

    def addCleanup(self, function, *arguments):  # noqa: N802, unittest's name
        self.stack.callback(function, *arguments)

    def size(self, full, quick):
        return quick if self.quick else full

    def origin(self, *options):
        return penstock_test.Origin(self, *options)

    def nginx(self, files=None, extra=""):
        """nginx that serves www: files is a dict of names and contents."""
        www = self.dir / "www"
        www.mkdir(exist_ok=True)
        for name, content in (files or {}).items():
            (www / name).write_bytes(content)
        return penstock_test.Nginx(self, www, SENDING + extra)

    def tls(self, hosts=("127.0.0.1",)):
        """What nginx needs for TLS on a port of its own: the port, the certificate, and config."""
        cert, key = self.dir / "cert.pem", self.dir / "key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "2", "-subj", "/CN=bench", "-addext", "subjectAltName=" + ",".join(f"IP:{host}" for host in hosts),
                        "-keyout", key, "-out", cert], check=True, capture_output=True)
        port = self.port(hosts)
        listens = " ".join(f"listen {host}:{port} ssl;" for host in hosts)
        return port, cert, f"{listens} ssl_certificate {cert}; ssl_certificate_key {key};"

    def port(self, hosts):
        """One that is free on all of them."""
        with contextlib.ExitStack() as stack:
            port = 0
            for host in hosts:
                probe = stack.enter_context(socket.socket())
                probe.bind((host, port))
                port = probe.getsockname()[1]
            return port

    def text(self, name, size):
        """A file of lines below www, for nginx: how many lines and bytes it has."""
        (self.dir / "www").mkdir(exist_ok=True)
        block = b"".join(LINE % (i, i * 7919 % 10**8) for i in range(16384))
        blocks = max(1, size // len(block))
        with open(self.dir / "www" / name, "wb") as out:
            for _ in range(blocks):
                out.write(block)
        return 16384 * blocks, len(block) * blocks

    def daemon(self, settings=None, **kwargs):
        return penstock_test.Daemon(self, settings, **kwargs)

    def ctl(self, daemon, *words):
        return [penstock_test.BIN / "penstockctl", "--socket", daemon.socket, *words]
