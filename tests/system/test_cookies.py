# label: sanitize
"""Cookies: set by a redirect, sent with the next requests of the same attempt to whom RFC 6265 and the list of public
suffixes allow, and to nobody else, ever."""
import os
import unittest

import penstock_test
from recorder import Recorder
from test_redirects import to
from test_requests import Certificates

NAMES = "a.site.test\nb.site.test\nsite.test\nother.test\na.co.uk\nb.co.uk\nlogin.test\n"


def jar(*cookies):
    """For all paths, unless they name one."""
    return {"Set-Cookie": [c if "Path=" in c else c + "; Path=/" for c in cookies]}


def sent(request):
    """Its cookies, each a string. There is one field at most."""
    fields = [v for k, v in request["headers"].items() if k.lower() == "cookie"]
    return sorted(c for f in fields for c in f.split("; "))


class Cookies(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.server = Recorder(self)

    def test_in_a_chain(self):
        daemon = self.daemon()
        url = to(self.server, to(self.server, "/ok", **jar("b=2; HttpOnly")), **jar("a=1", "x=y; Path=/else"))
        self.assert_verdict(daemon.job(url), "done")
        self.assertEqual([sent(r) for r in self.server.requests], [[], ["a=1"], ["a=1", "b=2"]])
        # Those of one attempt, or job, are not the next one's.
        self.server.requests.clear()
        daemon.job(self.server.url("/ok"))
        daemon.job(to(self.server, "/status/503", **jar("a=1")), max_attempts=2)
        self.assertEqual([sent(r) for r in self.server.requests], [[], [], ["a=1"], [], ["a=1"]])
        # Without redirects nobody would send them.
        self.assert_verdict(daemon.job(to(self.server, "/ok", **jar("a=1")), max_redirects=0), "failed", "redirects")

    def test_taken_away(self):
        daemon = self.daemon()
        for away in ("a=; Max-Age=0", "a=2; Expires=Thu, 01 Jan 2015 00:00:00 GMT", "a=2; Max-Age=-1"):
            self.server.requests.clear()
            daemon.job(to(self.server, to(self.server, "/ok", **jar(away)), **jar("a=1; Max-Age=100", "b=1")))
            self.assertEqual([sent(r) for r in self.server.requests], [[], ["a=1", "b=1"], ["b=1"]], away)
        self.server.requests.clear()
        daemon.job(to(self.server, to(self.server, "/ok", **jar("a=2")), **jar("a=1")))
        self.assertEqual(sent(self.server.last()), ["a=2"])

    def test_of_a_resume(self):
        self.server.body = b"0123456789\n" * 50_000
        daemon = self.daemon({"fetch.resume_delay": "1ms"})
        verdict = daemon.job(to(self.server, "/cut", **jar("a=1")), max_attempts=1)
        self.assert_verdict(verdict, "done")
        self.assertEqual((verdict["resumes"], verdict["bytes"]), (1, 550_000))
        self.assertEqual([sent(r) for r in self.server.requests], [[], ["a=1"], ["a=1"]])

    def test_beside_a_credential(self):
        """One field, as RFC 6265, 5.4 wants it; and the credential's part stays with its origin."""
        self.wrote("secret", "session=s3cret").chmod(0o600)
        config = self.wrote("c.conf", f'[credential "c"]\ntype = header\nheader = Cookie\nhosts = 127.0.0.1\n'
                                      f'secret_file = {self.dir}/secret\n')
        daemon = self.daemon(config=config)
        other = Recorder(self)
        away = to(self.server, other.url("/ok"), **jar("a=1"))
        self.assert_verdict(daemon.job(to(self.server, away, **jar("b=2")), credential="c"), "done")
        requests = self.server.requests + other.requests
        self.assertEqual([sent(r) for r in requests], [["session=s3cret"], ["b=2", "session=s3cret"], ["a=1", "b=2"]])
        self.assertEqual([len([k for k in r["headers"] if k.lower() == "cookie"]) for r in requests], [1, 1, 1])

    def test_a_flood(self):
        daemon = self.daemon({"fetch.max_header": "1M"})
        flood = [("Set-Cookie", f"c{i}={'x' * 4000}") for i in range(70)]
        self.server.status, self.server.extra_headers = 302, [("Location", "/ok"), *flood]
        verdict = daemon.job(self.server.url("/head"))
        self.assert_verdict(verdict, "failed", "limit_exceeded")
        self.assertIn("cookies", verdict["error"]["message"])
        self.assertEqual(len(self.server.requests), 1)


@unittest.skipIf(penstock_test.SANITIZED, "the sanitizers' runtime must be loaded first")
class Names(penstock_test.Case):
    def setUp(self):
        super().setUp()
        hosts = self.wrote("hosts", NAMES.replace("\n", " 127.0.0.1\n"))
        self.env = {**os.environ, "LD_PRELOAD": str(penstock_test.BIN / "test-resolver.so"), "TEST_HOSTS": str(hosts)}
        self.server = Recorder(self)

    def follow(self, daemon, cookie, first, second, path="/ok"):
        """What the second host gets of what the first one sets."""
        self.server.requests.clear()
        verdict = daemon.job(to(self.server, self.server.url(path, host=second), host=first, **jar(cookie)))
        self.assertEqual(len(self.server.requests), 2, verdict)
        return sent(self.server.last())

    def test_domains(self):
        daemon = self.daemon({"fetch.threads": "4"}, env=self.env)
        for cookie, first, second, gets in (
                ("a=1", "a.site.test", "a.site.test", True),
                ("a=1", "a.site.test", "A.site.test", True),
                ("a=1", "site.test", "a.site.test", False),
                ("a=1", "a.site.test", "other.test", False),
                ("a=1; Domain=site.test", "a.site.test", "b.site.test", True),
                ("a=1; Domain=.site.test", "a.site.test", "site.test", True),
                ("a=1; Domain=b.site.test", "a.site.test", "b.site.test", False),
                ("a=1; Domain=other.test", "a.site.test", "other.test", False),
                ("a=1; Domain=test", "a.site.test", "other.test", False),
                ("a=1; Domain=co.uk", "a.co.uk", "b.co.uk", False),
                ("a=1; Domain=a.co.uk", "a.co.uk", "b.co.uk", False),
                ("a=1; No-Path=", "a.site.test", "a.site.test", False),  # that of the directory of what set it
                ("a=1; Path=/redirect", "a.site.test", "a.site.test", False),
                ("a=1; Path=/o", "a.site.test", "a.site.test", False),
                ("a=1; Path=/ok", "a.site.test", "a.site.test", True),
                ("__Secure-a=1", "a.site.test", "a.site.test", False),
                ("__Host-a=1; Path=/", "a.site.test", "a.site.test", False)):
            self.assertEqual(self.follow(daemon, cookie, first, second), [cookie.split(";")[0]] if gets else [],
                             (cookie, first, second))

    def test_secure_ones(self):
        """Over TLS only, there and back."""
        certs = Certificates(self)
        certs.server = certs.sign("names", "subjectAltName=DNS:*.site.test,DNS:login.test")
        safe = Recorder(self, certs.context())
        daemon = self.daemon({"fetch.ca_file": certs.ca, "policy.allow_downgrade": "yes"}, env=self.env)
        cookies = jar("s=1; Secure; Path=/", "p=1; Path=/", "__Secure-x=1; Secure; Path=/", "__Host-y=1; Secure; Path=/",
                      "__Host-z=1; Secure; Path=/; Domain=login.test")
        daemon.job(to(safe, safe.url("/ok", host="login.test"), host="login.test", **cookies))
        self.assertEqual(sent(safe.last()), ["__Host-y=1", "__Secure-x=1", "p=1", "s=1"])
        daemon.job(to(safe, self.server.url("/ok", host="login.test"), host="login.test", **cookies))
        self.assertEqual(sent(self.server.last()), ["p=1"])
        # What came in the clear is no secure one.
        daemon.job(to(self.server, safe.url("/ok", host="login.test"), host="login.test", **cookies))
        self.assertEqual(sent(safe.last()), ["p=1"])


if __name__ == "__main__":
    penstock_test.main()
