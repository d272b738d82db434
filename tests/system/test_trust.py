# label: sanitize
"""A CA bundle that changes on disk: what was added is trusted, what was withdrawn is not, by idle connections and kept TLS
sessions either."""
import ssl

import penstock_test
from penstock_test import until
from recorder import Recorder
from test_requests import Certificates


class Other:
    """A second test's directory, for certificates of the same names."""

    def __init__(self, test):
        self.dir = test.dir / "other"
        self.dir.mkdir()

    def wrote(self, name, text):
        (self.dir / name).write_text(text)
        return self.dir / name


class Trust(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.mine, self.others = Certificates(self), Certificates(Other(self))
        self.bundle = self.dir / "bundle.pem"
        self.trust(self.mine)

    def trust(self, *authorities):
        new = self.wrote("new", "".join(a.ca.read_text() for a in authorities))
        new.rename(self.bundle)

    def server(self, close=False, version=None):
        context = self.mine.context()
        if version:
            context.maximum_version = version
        server = Recorder(self, context)
        server.closes = close  # which leaves a session alone
        return server

    def start(self, **settings):
        return self.daemon({"fetch.ca_file": self.bundle, **settings})

    def get(self, daemon, server):
        return daemon.job(server.url("/head"), max_attempts=1)

    def connections(self, daemon):
        return daemon.call("stats")["fetch"]["connections"]

    def test_withdrawn(self):
        """A reload, and the next job has neither the connection nor the session of the one before."""
        for close, version in ((False, None), (True, ssl.TLSVersion.TLSv1_3), (True, ssl.TLSVersion.TLSv1_2)):
            self.trust(self.mine)
            server, daemon = self.server(close, version), self.start(**{"fetch.threads": "2"})
            for _ in range(2):
                self.assert_verdict(self.get(daemon, server), "done")
            self.assertEqual(self.connections(daemon), 2 if close else 1)
            self.trust(self.others)
            daemon.call("reload")
            for _ in range(2):
                self.assert_verdict(self.get(daemon, server), "failed", "tls")
            self.trust(self.others, self.mine)
            daemon.call("reload")
            for _ in range(2):
                self.assert_verdict(self.get(daemon, server), "done")

    def test_noticed(self):
        """Without a reload, soon: there, another one, not there, and there again."""
        server, closing, daemon = self.server(), self.server(close=True), self.start()

        def both(state):
            return all(self.get(daemon, s)["state"] == state for s in (server, closing))
        self.assertTrue(both("done"))
        self.trust(self.others)
        until(lambda: both("failed"), "the old bundle is not trusted any more")
        self.trust(self.mine, self.others)
        until(lambda: both("done"), "the new one is")
        self.bundle.unlink()
        until(lambda: both("failed"), "none is there")
        self.trust(self.mine)
        until(lambda: both("done"), "it is there again")
        self.assertIn("has changed", daemon.errors())

    def test_unchanged(self):
        """One that stays as it is costs nobody his connection."""
        server, daemon = self.server(), self.start()
        for _ in range(3):
            self.assert_verdict(self.get(daemon, server), "done")
        self.assertEqual(self.connections(daemon), 1)


if __name__ == "__main__":
    penstock_test.main()
