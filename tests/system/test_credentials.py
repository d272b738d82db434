# label: sanitize
"""Credentials: what is sent, where, and that the secret is nowhere else."""
import base64
import os
import pathlib
import socket
import subprocess
import urllib.parse

import penstock_test
from recorder import Recorder

SECRET = "s3cret-Tr0ub4dor&3/%=x"
QUOTED = urllib.parse.quote(SECRET, safe="")
BASIC = base64.b64encode(f"me:{SECRET}".encode()).decode()
TRACES = (SECRET, QUOTED, BASIC, base64.b64encode(SECRET.encode()).decode().rstrip("="), SECRET[:12])


class Credentials(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.server = Recorder(self)

    def secret(self, text=SECRET + "\n", mode=0o600, name="secret"):
        path = self.wrote(name, text)
        path.chmod(mode)
        return path

    def config(self, *credentials, extra=""):
        """Each is (name, type, more lines)."""
        sections = [f'[credential "{name}"]\ntype = {kind}\nhosts = 127.0.0.1\nsecret_file = {self.dir}/secret\n{more}\n'
                    for name, kind, more in credentials]
        return self.wrote("penstockd.conf", "\n".join(sections) + extra)

    ALL = (("basic", "basic", "user = me"), ("bearer", "bearer", ""), ("header", "header", "header = X-Api-Key"),
           ("query", "query", "query = key"), ("netrc", "netrc", "secret_file = {dir}/netrc"))

    def all_types(self, **kwargs):
        self.secret()
        self.secret(f"# machines\nmachine other.test login a password b\nmachine 127.0.0.1\n  login me\n"
                    f"  password \"{SECRET}\"\ndefault login x password y\n", name="netrc")
        entries = [(n, t, m.format(dir=self.dir)) for n, t, m in self.ALL]
        return self.daemon(config=self.config(*entries, **kwargs), settings=self.settings())

    def settings(self):
        return {"store.engine": "sqlite", "store.path": self.dir / "penstock.db", "flow.spool_dir": self.dir / "spool",
                "daemon.log_level": "debug", "fetch.retry_delay": "1ms", "fetch.breaker_failures": "0"}

    def test_each_type_is_sent(self):
        daemon = self.all_types()
        wanted = {"basic": ("Authorization", f"Basic {BASIC}"), "bearer": ("Authorization", f"Bearer {SECRET}"),
                  "header": ("X-Api-Key", SECRET), "netrc": ("Authorization", f"Basic {BASIC}")}
        for name, (header, value) in wanted.items():
            self.assert_verdict(daemon.job(self.server.url("/ok"), credential=name), "done")
            self.assertEqual(self.server.header(header), value)
        for path, sent in (("/ok", f"/ok?key={QUOTED}"), ("/ok?a=1", f"/ok?a=1&key={QUOTED}")):
            verdict = daemon.job(self.server.url(path), credential="query")
            self.assert_verdict(verdict, "done")
            self.assertEqual(self.server.last()["path"], sent)
            self.assertEqual(verdict["url"], self.server.url(path))
        daemon.job(self.server.url("/ok"))
        self.assertIsNone(self.server.header("Authorization"))

    def test_given_by_sections(self):
        """Of [defaults] and [host] it goes where it may, and a job elsewhere goes without."""
        self.secret()
        config = self.config(("x", "bearer", ""), extra='[defaults]\ncredential = x\n')
        daemon = self.daemon(config=config, settings={"policy.allow": "127.0.0.0/8"})
        daemon.job(self.server.url("/ok"))
        self.assertEqual(self.server.header("Authorization"), f"Bearer {SECRET}")
        self.assert_verdict(daemon.job(self.server.url("/ok", host="localhost")), "done")
        self.assertIsNone(self.server.header("Authorization"))

    def test_refused_at_submission(self):
        self.secret()
        daemon = self.daemon(config=self.config(("x", "bearer", "")))
        for url, name, word in ((self.server.url("/ok", host="localhost"), "x", "localhost"),
                                ("http://evil.example/", "x", "evil.example"), (self.server.url("/ok"), "y", "y")):
            with penstock_test.Rpc(daemon.socket) as rpc:
                error = rpc.fail("submit", {"url": url, "credential": name})
            self.assertEqual(error["code"], -32602)
            self.assertEqual(error["data"]["field"], "credential")
            self.assertIn(word, error["message"])

    def test_redirects(self):
        """The same origin gets it again; another host, port or scheme does not, and it is gone for good."""
        daemon = self.all_types()
        other = Recorder(self)

        def hop(server, to, status=302):
            return server.url(f"/redirect/{status}?to=" + urllib.parse.quote(to, safe=""))

        for name in ("basic", "header", "query"):
            with self.subTest(name=name):
                def has(request):
                    text = request["path"] + str(request["headers"])
                    return BASIC in text or SECRET in text or QUOTED in text

                for server in (self.server, other):
                    server.requests.clear()
                daemon.job(hop(self.server, "/ok"), credential=name)
                self.assertEqual([has(r) for r in self.server.requests], [True, True])
                for target in (other.url("/ok"), self.server.url("/ok", host="localhost")):
                    self.server.requests.clear()
                    other.requests.clear()
                    verdict = daemon.job(hop(self.server, target), credential=name)
                    self.assert_verdict(verdict, "done")
                    self.assertEqual([has(r) for r in self.server.requests + other.requests], [True, False])
                self.server.requests.clear()
                other.requests.clear()
                there_and_back = hop(self.server, hop(other, self.server.url("/ok")))
                self.assert_verdict(daemon.job(there_and_back, credential=name), "done")
                self.assertEqual([has(r) for r in self.server.requests], [True, False])
                self.assertEqual([has(r) for r in other.requests], [False])

    def mirror(self, target, **more):
        return self.server.url("/mirror/?" + urllib.parse.urlencode({"to": target, **more}))

    def test_query_said_back(self):
        """An origin that redirects with the query that it was asked with: the secret goes nowhere by that."""
        self.secret()
        daemon = self.daemon(config=self.config(("q", "query", "query = key")))
        other = Recorder(self)
        verdict = daemon.job(self.mirror(self.server.url("/ok"), a="1"), credential="q")
        self.assert_verdict(verdict, "done")
        self.assertEqual(self.server.last()["path"], f"/ok?a=1&key={QUOTED}")
        self.assertEqual(verdict["final_url"], self.server.url("/ok?a=1"))
        for target in (other.url("/ok"), self.server.url("/ok", host="localhost")):
            verdict = daemon.job(self.mirror(target, a="1"), credential="q")
            self.assert_verdict(verdict, "done")
            self.assertEqual((other if ":" + str(other.port) in target else self.server).last()["path"], "/ok?a=1")
            self.assertEqual(verdict["final_url"], target + "?a=1")
        # In a parameter of another URL's: that could not be followed without it.
        other.requests.clear()
        for target in (other.url("/login"), self.server.url("/login")):
            verdict = daemon.job(self.mirror(target, wrap="1"), credential="q")
            self.assert_verdict(verdict, "failed", "redirects")
            self.assertIn("the secret of the credential q", verdict["error"]["message"])
        self.assertEqual(other.requests, [])

    def test_fields_said_back(self):
        """An origin whose answer's fields have its request in them: in no error, nor in the store, is the secret."""
        self.secret()
        daemon = self.daemon(config=self.config(("q", "query", "query = of")), settings={**self.settings(), "fetch.resume_delay": "1ms"})
        for field, kind, how in (("Content-Type", "unexpected", {"expect_type": "text/csv"}), ("Content-Encoding", "decode_error", {})):
            self.server.extra_headers = [(field, "x" + QUOTED)]
            verdict = daemon.job(self.server.url("/head"), credential="q", **how)
            self.assert_verdict(verdict, "failed", kind)
            self.assertIn("****", verdict["error"]["message"])
        self.server.body = b"x" * 20000
        for field in ("Content-Location", "Content-Type", "ETag"):
            for length in (0, 80, 95):  # what is long is shown in part: the secret, too
                tag = [] if field == "ETag" else [("ETag", '"1"')]
                self.server.cut_fields = [[*tag, (field, f'"{"x" * length}{QUOTED}"')], [*tag, (field, '"other"')]]
                verdict = daemon.job(self.server.url("/cut"), credential="q", max_attempts=1)
                self.assert_verdict(verdict, "failed", "truncated")
                self.assertIn(f"{field} was", verdict["error"]["message"])
        self.server.extra_headers = [("ETag", f'"{QUOTED}"')]
        daemon.call("schedule_add", {"name": "f", "url": self.server.url("/valid"), "credential": "q", "cron": "30 2 29 2 *",
                                     "timezone": "UTC"})
        self.assert_verdict(daemon.verdict(daemon.call("schedule_run", {"name": "f"})["id"]), "done")
        self.assertIn(f"of={QUOTED}", self.server.last()["path"])
        daemon.stop()
        for path in (daemon.log, *self.dir.glob("penstock.db*")):
            for trace in TRACES:
                self.assertNotIn(trace.encode(), path.read_bytes(), path)

    def test_query_of_a_schedule(self):
        """The database has no secret, whatever the origin made of the URL; and the conditions hold."""
        self.secret()
        daemon = self.daemon(config=self.config(("q", "query", "query = key")), settings=self.settings())
        self.server.extra_headers = [("ETag", '"1"'), ("Last-Modified", "Wed, 01 Jan 2025 00:00:00 GMT")]
        url = self.mirror(self.server.url("/valid"))
        daemon.call("schedule_add", {"name": "feed", "url": url, "credential": "q", "cron": "30 2 29 2 *", "timezone": "UTC"})

        def run():
            verdict = daemon.verdict(daemon.call("schedule_run", {"name": "feed"})["id"])
            penstock_test.until(lambda: "running" not in daemon.call("schedule_list")["schedules"][0], "it has ended")
            return verdict
        self.assertEqual(run()["status"], 200)
        self.assertTrue(daemon.call("schedule_list")["schedules"][0]["conditional"])
        self.assertEqual(run()["status"], 304)
        self.assertEqual(self.server.last()["path"], f"/valid?key={QUOTED}")
        for path in self.dir.glob("penstock.db*"):
            for trace in TRACES:
                self.assertNotIn(trace.encode(), path.read_bytes(), path)

    def test_read_at_each_use(self):
        path = self.secret()
        daemon = self.daemon(config=self.config(("x", "bearer", "")))
        daemon.job(self.server.url("/ok"), credential="x")
        path.write_text("rotated")
        daemon.job(self.server.url("/ok"), credential="x")
        self.assertEqual(self.server.header("Authorization"), "Bearer rotated")

    def test_files_that_will_not_do(self):
        """Each says which file and why, and never what is in it; a file that is mended is found by a retry."""
        path = self.secret()
        daemon = self.daemon(config=self.config(("x", "bearer", "")), settings={"fetch.retry_delay": "1ms"})
        for text, mode, why in ((SECRET, 0o644, "0644"), (SECRET, 0o606, "0606"), (SECRET, 0o660, "0660"), ("", 0o600, "empty"),
                                ("\n", 0o600, "empty"), (SECRET + "\nmore", 0o600, "line"), (SECRET + "\n\n", 0o600, "line"),
                                (SECRET + "\0", 0o600, "NUL"), (SECRET * 3000, 0o600, "bytes")):
            path.chmod(0o600)
            path.write_text(text)
            path.chmod(mode)
            verdict = daemon.job(self.server.url("/ok"), credential="x", max_attempts=2)
            self.assert_verdict(verdict, "failed", "resources")
            self.assertEqual(verdict["attempt"], 2)
            self.assertIn(str(path), verdict["error"]["message"])
            self.assertIn(why, verdict["error"]["message"])
        path.unlink()
        for make, why in ((lambda: None, "No such file"), (lambda: path.mkdir(), "regular"),
                          (lambda: (path.rmdir(), os.mkfifo(path, 0o600)), "regular")):
            make()
            verdict = daemon.job(self.server.url("/ok"), credential="x", max_attempts=1)
            self.assert_verdict(verdict, "failed", "resources")
            self.assertIn(why, verdict["error"]["message"])
        self.assertEqual(self.server.requests, [])
        path.unlink()
        job = daemon.submit(self.server.url("/ok"), credential="x", max_attempts=1000)
        penstock_test.until(lambda: daemon.events("attempt", job), "a first attempt")
        self.secret(mode=0o400)
        self.assert_verdict(daemon.verdict(job), "done")
        if os.geteuid() == 0:
            os.chown(path, 65534, 65534)
            verdict = daemon.job(self.server.url("/ok"), credential="x", max_attempts=1)
            self.assertIn("uid 65534", verdict["error"]["message"])

    def test_systemd_credentials(self):
        self.wrote("credentials/x", SECRET + "\n").chmod(0o400)
        config = self.wrote("penstockd.conf", '[credential "x"]\ntype = bearer\nhosts = 127.0.0.1\n')
        daemon = self.daemon(config=config, env={**os.environ, "CREDENTIALS_DIRECTORY": str(self.dir / "credentials")})
        self.assert_verdict(daemon.job(self.server.url("/ok"), credential="x"), "done")
        self.assertEqual(self.server.header("Authorization"), f"Bearer {SECRET}")
        daemon = self.daemon(config=config)
        verdict = daemon.job(self.server.url("/ok"), credential="x", max_attempts=1)
        self.assert_verdict(verdict, "failed", "resources")
        self.assertIn("CREDENTIALS_DIRECTORY", verdict["error"]["message"])

    def test_cancelled_while_it_is_read(self):
        """A storm of cancels around the reading: every job ends once, and nothing leaks."""
        self.secret()
        daemon = self.daemon(config=self.config(("x", "bearer", "")), settings={"parse.workers": "8"})
        jobs = []
        for _ in range(60):
            jobs.append(daemon.submit(self.server.url("/ok"), credential="x"))
            daemon.call("cancel", {"id": jobs[-1]})
        for job in jobs:
            self.assertIn(daemon.verdict(job)["state"], ("done", "cancelled"))

    def test_after_a_reload(self):
        """A queued job whose credential was taken away does not go without it."""
        self.secret()
        config = self.config(("x", "bearer", ""))
        daemon = self.daemon(config=config)
        daemon.call("pause")
        job = daemon.submit(self.server.url("/ok"), credential="x")
        config.write_text(config.read_text().replace("hosts = 127.0.0.1", "hosts = elsewhere.test"))
        self.assertEqual(daemon.call("reload"), {"reloaded": True, "restart": []})
        daemon.call("resume")
        self.assert_verdict(daemon.verdict(job), "failed", "policy")
        self.assertEqual(self.server.requests, [])

    def test_the_secret_is_nowhere(self):
        """In every output, the store, the spool, children's environments and command lines."""
        stage = self.wrote("stage", f"#!/bin/sh\ncat /proc/self/environ /proc/$PPID/environ /proc/[0-9]*/cmdline"
                                    f" >>{self.dir}/children 2>/dev/null\nenv >>{self.dir}/children\ncat\n")
        stage.chmod(0o755)
        daemon = self.all_types(extra=f'[parser "child"]\ntype = exec\nstage = {stage}\n')
        follower = subprocess.Popen([penstock_test.BIN / "penstockctl", "--socket", daemon.socket, "--json", "follow"],
                                    stdout=open(self.dir / "followed", "wb"), stderr=subprocess.STDOUT)
        self.addCleanup(follower.wait)
        self.addCleanup(follower.kill)
        closed = socket.socket()
        closed.bind(("127.0.0.1", 0))
        self.addCleanup(closed.close)
        jobs = []
        for name, *_ in self.ALL:
            for path in ("/ok", "/status/401", "/status/404", "/status/503"):
                jobs.append(daemon.submit(self.server.url(path), credential=name, max_attempts=2, labels={"a": "b"}))
            jobs.append(daemon.submit(self.server.url("/ok"), credential=name, parser="child"))
            jobs.append(daemon.submit(self.server.url("/ok"), credential=name, parser="ndjson", keep_body="failed"))
            jobs.append(daemon.submit(self.server.url("/redirect/302?to=ftp%3A//x/"), credential=name))
            jobs.append(daemon.submit(self.server.url("/redirect/302?to=http%3A//10.0.0.1/"), credential=name))
            jobs.append(daemon.submit(f"http://127.0.0.1:{closed.getsockname()[1]}/", credential=name, max_attempts=1))
        states = {daemon.verdict(j)["state"] for j in jobs}
        self.assertEqual(states, {"done", "failed"})
        text = "\n".join(str(r) for r in self.server.requests)
        for trace in (SECRET, QUOTED, BASIC):
            self.assertIn(trace, text)  # it was sent
        said = [v["error"]["message"] for v in map(daemon.verdict, jobs) if v.get("status") == 401]
        self.assertTrue(any("****" in m for m in said), said)  # and said back
        found = {"log": daemon.log.read_bytes(), "errors": daemon.errors().encode()}
        for command in (["list", "--limit", "1000"], ["stats"], ["parsers"], *(["show", j] for j in jobs)):
            done = penstock_test.run(penstock_test.BIN / "penstockctl", "--socket", daemon.socket, "--json", *command)
            found[str(command)] = (done.stdout + done.stderr).encode()
        for name in ("cmdline", "environ"):
            found[name] = pathlib.Path(f"/proc/{daemon.pid}/{name}").read_bytes()
        for path in self.dir.rglob("*"):
            if path.is_file() and path.name not in ("secret", "netrc"):
                found[str(path)] = path.read_bytes()
        self.assertTrue(any(k.endswith("children") for k in found))
        self.assertTrue(any(k.endswith("penstock.db") for k in found))
        daemon.stop()
        for path in self.dir.glob("penstock.db*"):
            found[f"{path} at the end"] = path.read_bytes()
        for where, data in found.items():
            for trace in TRACES:
                self.assertNotIn(trace.encode(), data, where)


if __name__ == "__main__":
    penstock_test.main()
