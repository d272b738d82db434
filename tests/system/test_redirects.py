# label: sanitize
"""Redirects: where they lead and where they don't, what goes along, and what the verdict says of it."""
import os
import unittest
import urllib.parse

import penstock_test
from recorder import Recorder
from test_requests import Certificates


def to(server, target, status=302, host="127.0.0.1", **headers):
    """The URL of a redirect to `target`."""
    query = [("to", target)] + [("header", f"{name}:{value}") for name, values in headers.items() for value in values]
    return server.url(f"/redirect/{status}?" + urllib.parse.urlencode(query), host=host)


class Locations(penstock_test.Case):
    def test_no_other_page(self):
        """An empty or fragment-only Location is no way to anywhere, and least of all to the parent directory."""
        server = Recorder(self)
        daemon = self.daemon()
        for location in ("", "#", "#top"):
            server.requests.clear()
            verdict = daemon.job(to(server, location))
            self.assert_verdict(verdict, "failed", "redirects")
            self.assertEqual(verdict["attempt"], 1)
            self.assertIn(f"'{location}' names no other page", verdict["error"]["message"])
            self.assertEqual(len(server.requests), 1)
            self.assertNotIn("final_url", verdict)

    def test_useless(self):
        server = Recorder(self)
        daemon = self.daemon()
        for location, part in (("http://[::1/", "http://[::1/"), ("http://h:70000/x", "http://h:70000/x"), ("tel:+49-1", "'tel:+49-1'"),
                               ("http://h:0/x", "http://h:0/x"), ("http://a..b/", "http://a..b/"),
                               ("//me:pa55@[x/?token=t0pS3cret", "'***@[x/?token=***'")):
            verdict = daemon.job(to(server, location, 301))
            self.assert_verdict(verdict, "failed", "redirects")
            self.assertIn(part, verdict["error"]["message"])
            self.assertNotIn("pa55", verdict["error"]["message"])
            self.assertNotIn("t0pS3cret", verdict["error"]["message"])

    def test_name_in_no_known_letters(self):
        server = Recorder(self)
        server.status, server.extra_headers = 302, [("Location", "http://b\u00fccher.test/")]  # Latin-1
        verdict = self.daemon().job(server.url("/head"))
        self.assert_verdict(verdict, "failed", "redirects")
        self.assertIn("encod", verdict["error"]["message"])

    @unittest.skipIf(penstock_test.SANITIZED, "the sanitizers' runtime must be loaded first")
    def test_international_names(self):
        """Written in UTF-8, percent-encoded or not: the same name, which the resolver knows in ASCII."""
        server = Recorder(self)
        hosts = self.wrote("hosts", "xn--bcher-kva.test 127.0.0.1\n")
        env = {**os.environ, "LD_PRELOAD": str(penstock_test.BIN / "test-resolver.so"), "TEST_HOSTS": str(hosts)}
        daemon = self.daemon(env=env)
        for name in ("b\u00fccher.test", "B\u00dcCHER.test", "b%C3%BCcher.test", "xn--bcher-kva.test"):
            verdict = daemon.job(to(server, f"http://{name}:{server.port}/ok"))
            self.assert_verdict(verdict, "done")
            self.assertEqual(verdict["final_url"], f"http://xn--bcher-kva.test:{server.port}/ok")
            self.assertEqual(server.header("Host"), f"xn--bcher-kva.test:{server.port}")

    def test_final_url(self):
        """Wherever a redirect was followed, whatever became of it, without what looks like a secret."""
        server = Recorder(self)
        daemon = self.daemon()
        end = server.url("/ok?a=1&token=t0pS3cret#there")
        shown = server.url("/ok?a=1&token=***")
        verdict = daemon.job(to(server, end))
        self.assert_verdict(verdict, "done")
        self.assertEqual((verdict["final_url"], verdict["redirects"]), (shown, 1))
        daemon.call("wait", {"ids": [verdict["job"]]})
        self.assertEqual(daemon.call("show", {"id": verdict["job"]})["verdict"]["final_url"], shown)
        self.assertIn(f", to {shown};", daemon.ctl("explain", verdict["job"], check=0).stdout)
        self.assertNotIn("final_url", daemon.job(server.url("/ok")))
        verdict = daemon.job(to(server, to(server, "/status/404?token=t0pS3cret")))
        self.assert_verdict(verdict, "failed", "http_status")
        self.assertEqual(verdict["final_url"], server.url("/status/404?token=***"))
        verdict = daemon.job(to(server, to(server, "")))
        self.assert_verdict(verdict, "failed", "redirects")
        self.assertEqual(verdict["final_url"], to(server, ""))


    def test_what_the_parser_is_told(self):
        """Where the body came from in the end."""
        stage = self.wrote("stage", '#!/bin/sh\ncat >/dev/null\necho "$PENSTOCK_URL"\n')
        stage.chmod(0o755)
        server = Recorder(self)
        daemon = self.daemon(config=self.wrote("c.conf", f'[parser "where"]\ntype = exec\nstage = {stage}\n'))
        for url, shown in ((to(server, "/ok?token=t0pS3cret"), server.url("/ok?token=***")), (server.url("/ok"), server.url("/ok"))):
            verdict = daemon.job(url, parser="where")
            self.assert_verdict(verdict, "done")
            self.assertEqual(daemon.records(verdict["job"]), [shown])


class Downgrades(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.certs = Certificates(self)
        self.safe = Recorder(self, self.certs.context())
        self.plain = Recorder(self)
        self.url = to(self.safe, self.plain.url("/ok"))

    def start(self, **settings):
        config = settings.pop("config", "")
        return self.daemon({"fetch.ca_file": self.certs.ca, **settings}, config=self.wrote("c.conf", config))

    def refused(self, verdict):
        self.assert_verdict(verdict, "failed", "policy")
        self.assertEqual(verdict["attempt"], 1)
        self.assertIn("allow_downgrade = yes", verdict["error"]["message"])
        self.assertEqual(self.plain.requests, [])

    def test_refused(self):
        daemon = self.start()
        self.refused(daemon.job(self.url))
        self.refused(daemon.job(to(self.safe, self.url)))
        self.refused(daemon.job(self.url, allow_downgrade="no"))
        # There and back: it is each hop that counts.
        up = to(self.plain, self.url)
        verdict = daemon.job(up)
        self.assert_verdict(verdict, "failed", "policy")
        self.assertEqual(len(self.plain.requests), 1)
        self.assert_verdict(daemon.job(to(self.plain, self.safe.url("/ok"))), "done")

    def test_allowed(self):
        """By a job, its host's section, [defaults], the policy; the nearest wins."""
        self.assert_verdict(self.start().job(self.url, allow_downgrade="yes"), "done")
        for settings in ({"policy.allow_downgrade": "yes"}, {"defaults.allow_downgrade": "yes"},
                         {"config": '[host "127.0.0.1"]\nallow_downgrade = yes\n'}):
            daemon = self.start(**settings)
            self.plain.requests.clear()
            self.refused(daemon.job(self.url, allow_downgrade="no"))
            self.assert_verdict(daemon.job(self.url), "done")
        daemon = self.start(**{"policy.allow_downgrade": "yes", "config": '[host "127.0.0.1"]\nallow_downgrade = no\n'})
        self.plain.requests.clear()
        self.refused(daemon.job(self.url))

    def test_schedules_and_run(self):
        daemon = self.start()
        far = {"cron": "30 2 29 2 *", "timezone": "UTC"}
        daemon.call("schedule_add", {"name": "no", "url": self.url, **far})
        self.refused(daemon.verdict(daemon.call("schedule_run", {"name": "no"})["id"]))
        daemon.call("schedule_add", {"name": "yes", "url": self.url, "allow_downgrade": "yes", **far})
        self.assert_verdict(daemon.verdict(daemon.call("schedule_run", {"name": "yes"})["id"]), "done")
        self.plain.requests.clear()
        done = daemon.ctl("run", self.url, "--", "cat", check=None)
        self.assertEqual((done.returncode, done.stdout, self.plain.requests), (1, "", []))
        self.assertIn("allow_downgrade", done.stderr)
        self.assertEqual(daemon.ctl("run", self.url, "--allow-downgrade", "yes", "--", "cat", check=0).stdout, "fine\n")


class Along(penstock_test.Case):
    """What goes along with a redirect."""

    def test_headers_of_the_body(self):
        """They stay with the body, to any origin, and go when it goes."""
        server, other = Recorder(self), Recorder(self)
        daemon = self.daemon()
        headers = {"Content-Type": "text/csv", "Content-Language": "la", "X-Mine": "1"}
        for status in (301, 302, 303, 307, 308):
            for target in (server, other):
                daemon.job(to(server, target.url("/ok"), status), method="POST", body="a,b\n", headers=headers)
                kept = status in (307, 308)
                self.assertEqual(target.last()["method"], "POST" if kept else "GET")
                self.assertEqual(target.last()["body"], b"a,b\n" if kept else b"")
                self.assertEqual(target.header("Content-Type"), "text/csv" if kept else None)
                self.assertEqual(target.header("Content-Language"), "la" if kept else None)
                self.assertEqual(target.header("X-Mine"), "1" if target is server else None)
                self.assertEqual(target.header("Content-Length"), "4" if kept else None)

    @unittest.skipIf(penstock_test.SANITIZED, "the sanitizers' runtime must be loaded first")
    def test_one_origin_by_two_names(self):
        """A name with the dot of a full one, or in capitals, is the same; headers stay."""
        server = Recorder(self)
        hosts = self.wrote("hosts", "h.test 127.0.0.1\n")
        env = {**os.environ, "LD_PRELOAD": str(penstock_test.BIN / "test-resolver.so"), "TEST_HOSTS": str(hosts)}
        daemon = self.daemon(env=env)
        for name in ("h.test.", "H.TEST", "H.test."):
            daemon.job(to(server, server.url("/ok", host=name), host="h.test"), headers={"X-Mine": "1"})
            self.assertEqual(server.last()["path"], "/ok")
            self.assertEqual(server.header("X-Mine"), "1", name)
        daemon.job(to(server, server.url("/ok"), host="h.test"), headers={"X-Mine": "1"})
        self.assertEqual(server.last()["path"], "/ok")
        self.assertIsNone(server.header("X-Mine"))


if __name__ == "__main__":
    penstock_test.main()
