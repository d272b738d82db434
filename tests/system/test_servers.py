"""Real servers and gateways: a body is cut in its middle, and by the time that the rest is asked for its file is another
one, or the gateway's origin is gone. Whatever is `done` is one whole version, byte for byte; and where nothing has
changed it is resumed, if the server lets it be."""
import contextlib
import hashlib
import itertools
import os
import threading

import penstock_test
import servers
from penstock_test import until

SIZE = 1_000_000
CUT = 400_000
LONG_AGO = 1735689600
CLOCKS = {
    "fetch.resume_delay": "20ms",
    "fetch.retry_delay": "5ms",
    "fetch.retry_delay_max": "20ms",
    "fetch.host_connections": "32",
}
NAME = "body.txt"


def content(version, size=SIZE):
    """Lines that differ from version to version, each in one place."""
    line = b"%07d version " + str(version).encode() + b" of this line, and nothing else on it differs at all\n"
    lines = b"".join(line % i for i in range(size // len(line % 0) + 1))
    return lines[:size]


def in_place(path, data, when):
    with open(path, "r+b") as file:
        file.write(data)
        file.truncate()
    if when:
        os.utime(path, (when, when))


def by_rename(path, data, when):
    new = path.with_suffix(".new")
    new.write_bytes(data)
    if when:
        os.utime(new, (when, when))
    os.replace(new, path)


# How the file changes: the way, the second version's size, and both versions' times (None: now).
CHANGES = {
    "by rename, of the same size": (by_rename, SIZE, LONG_AGO, LONG_AGO + 5),
    "by rename, longer": (by_rename, SIZE + 70_000, LONG_AGO, None),
    "by rename, shorter than what came": (by_rename, CUT // 2, LONG_AGO, None),
    "in place, of the same size": (in_place, SIZE, LONG_AGO, None),
    "in place, shorter": (in_place, SIZE - 70_000, LONG_AGO, LONG_AGO + 1),
}
# Within the second of the first answer: LONG_AGO is no such time. A time ahead stands for it, whatever the clock does.
YOUNG = {
    "by rename, within its second": (by_rename, SIZE),
    "in place, within its second": (in_place, SIZE),
}
SERVERS = {
    "nginx": (servers.Nginx, {}),
    "nginx, gzip": (servers.Nginx, {"extra": "gzip on; gzip_types text/plain; gzip_min_length 1;"}),
    "apache": (servers.Apache, {}),
    "apache, tags of the size": (servers.Apache, {"extra": "FileETag Size"}),
    "apache, tags of inode and size": (servers.Apache, {"extra": "FileETag INode Size"}),
    "apache, gzip": (servers.Apache, {"extra": "SetOutputFilter DEFLATE"}),
    "apache, brotli": (servers.Apache, {"extra": "SetOutputFilter BROTLI_COMPRESS"}),
    "lighttpd": (servers.Lighttpd, {}),
    "lighttpd, tags without the time": (servers.Lighttpd, {"extra": 'etag.use-mtime = "disable"'}),
    "lighttpd, no tags": (servers.Lighttpd, {"extra": 'static-file.etags = "disable"'}),
    "busybox": (servers.Busybox, {}),
    "python": (servers.Python, {}),
    "webrick": (servers.Webrick, {}),
}
# Of a file that stays as it is: in how many attempts, with how many resumes, if not in one with one. nginx's encoder makes
# tags weak; WEBrick's have no quotes; busybox says of a part that it is text/html, whatever it is.
UNCHANGED = {"nginx, gzip": (2, 0), "webrick": (2, 0), "busybox": (2, 0)}
GATEWAYS = {"nginx": servers.Nginx, "haproxy": servers.Haproxy, "varnish": servers.Varnish, "squid": servers.Squid}


class Servers(penstock_test.Case):
    numbers = itertools.count(1)

    def setUp(self):
        super().setUp()
        self.digests = {}
        self.daemons_of = {}

    def penstock(self, splice):
        """A daemon whose plain bodies go through the kernel, or do not."""
        if splice not in self.daemons_of:
            self.daemons_of[splice] = self.daemon({**CLOCKS, "fetch.splice_min": "1" if splice else "0"})
        return self.daemons_of[splice]

    def version(self, number, size=SIZE):
        data = content(number, size)
        self.digests.setdefault(hashlib.sha256(data).hexdigest(), (number, size))
        return data

    @contextlib.contextmanager
    def serving(self, kind, options, **more):
        place = self.dir / f"www{next(self.numbers)}"
        place.mkdir()
        os.chmod(self.dir, 0o755)
        server = kind(self, place, **options, **more)
        try:
            yield server, place / NAME
        finally:
            server.kill()

    def fetch(self, splice, port, on_cut, options, **relay):
        """The verdict and the version of a body whose first connection is cut."""
        between = servers.Relay(self, port, cut=2000 if "compress" in options else CUT, on_cut=on_cut, **relay)
        penstock = self.penstock(splice)
        job = penstock.submit(between.url(NAME), parser="digest", max_attempts=3, **options)
        verdict = penstock.verdict(job)
        found = [self.digests.get(r["sha256"]) for r in penstock.records(job)] or [None]
        between.close()
        if verdict["state"] == "done":
            self.assertIsNotNone(found[-1], f"no whole version: {verdict}")
        self.assertEqual(between.cuts, 0, "nothing was cut")
        return verdict, found[-1]

    def options(self, name):
        return {"compress": "yes", "decode": "auto"} if name.split(", ")[-1] in ("gzip", "brotli") else {}

    def each(self, check):
        for name, (kind, options) in SERVERS.items():
            with self.subTest(server=name):
                with self.serving(kind, options) as (server, path):
                    check(name, server, path)

    def test_a_file_that_stays(self):
        def check(name, server, path):
            for splice in (False, True):
                by_rename(path, self.version(1), LONG_AGO)
                verdict, found = self.fetch(splice, server.port, None, self.options(name))
                self.assert_verdict(verdict, "done")
                self.assertEqual((found, (verdict["attempt"], verdict["resumes"])), ((1, SIZE), UNCHANGED.get(name, (1, 1))), verdict)

        self.each(check)

    def test_a_file_that_changes(self):
        def check(name, server, path):
            for how, (change, size, first, second) in CHANGES.items():
                for splice in (False, True):
                    with self.subTest(how=how, splice=splice):
                        by_rename(path, self.version(1), first)
                        data = self.version(2, size)
                        verdict, found = self.fetch(splice, server.port, lambda: change(path, data, second), self.options(name))
                        self.assert_verdict(verdict, "done")
                        self.assertEqual(found, (2, size))

        self.each(check)

    def test_a_file_that_changes_within_its_second(self):
        def check(name, server, path):
            for how, (change, size) in YOUNG.items():
                for splice in (False, True):
                    with self.subTest(how=how, splice=splice):
                        soon = int(os.stat(self.dir).st_mtime) + 3600
                        by_rename(path, self.version(1), soon)
                        data = self.version(2, size)
                        verdict, found = self.fetch(splice, server.port, lambda: change(path, data, soon), self.options(name))
                        self.assert_verdict(verdict, "done")
                        self.assertEqual(found, (2, size))

        self.each(check)

    def test_gateways(self):
        """The origin behind the gateway goes in mid-body, and is there again after the gateway has said so."""
        (self.dir / "www0").mkdir()
        path = self.dir / "www0" / NAME
        for name, kind in GATEWAYS.items():
            for how in ("it stays", "it changes"):
                with self.subTest(gateway=name, how=how):
                    self.origin_goes(name, kind, how, path)

    def origin_goes(self, name, kind, how, path):
        by_rename(path, self.version(1), LONG_AGO)
        backend = servers.Nginx(self, path.parent)
        gateway = kind(self, backend=backend.port)
        once = threading.Lock()
        told = []

        def gone():
            backend.kill()
            if how == "it changes":
                by_rename(path, self.version(2), None)

        def on_status(status):
            if status >= 500 and once.acquire(blocking=False):
                told.append(status)
                backend.again()

        verdict, found = self.fetch(False, gateway.port, gone, {}, on_status=on_status)
        self.assert_verdict(verdict, "done")
        self.assertTrue(told, f"{name} told of nothing: {verdict}")
        if how == "it stays":
            self.assertEqual((found, verdict["attempt"]), ((1, SIZE), 1), verdict)
            self.assertGreaterEqual(verdict["resumes"], 2)
        else:
            self.assertEqual((found, verdict["attempt"]), ((2, SIZE), 2), verdict)
        gateway.kill()
        backend.kill()

    def test_chunks_through_gateways(self):
        """A body without a length, through each gateway: squid never ends a chunked 206."""
        web = self.origin()
        for name, kind in GATEWAYS.items():
            with self.subTest(gateway=name):
                gateway = kind(self, backend=web.port)
                path = f"lines?n=50000&framing=chunked&id={name}&cut_first=200000&etag=is:%22v1%22"
                penstock = self.penstock(False)
                verdict = penstock.job(gateway.url(path), parser="lines", digest="sha256", max_attempts=3)
                whole = hashlib.sha256(web.get("/lines?n=50000")).hexdigest()
                if verdict["state"] == "done":
                    self.assertEqual(verdict["sha256"], whole, verdict)
                self.assert_verdict(verdict, "done")
                gateway.kill()


if __name__ == "__main__":
    penstock_test.main()
