# label: sanitize
"""keep_body = failed: the body that broke a parser, for penstockd --parse."""
import gzip
import os
import stat

import penstock_test

SETTINGS = {
    "defaults.max_attempts": "2",
    "defaults.keep_body": "failed",
    "fetch.retry_delay": "1ms",
    "fetch.resume_delay": "1ms",
}


class Keep(penstock_test.Case):
    def setUp(self):
        super().setUp()
        www = self.dir / "www"
        www.mkdir()
        self.good = b'{"n":1}\n' * 5000
        self.bad = self.good + b"not json\n"
        (www / "bad.json").write_bytes(self.bad + self.good * 50)
        (www / "bad.json.gz").write_bytes(gzip.compress(self.bad, mtime=0))
        (www / "cut.json.gz").write_bytes(gzip.compress(self.bad, mtime=0)[:-30])
        self.web = self.origin("--root", www)
        self.spool = self.dir / "spool"
        self.settings = {**SETTINGS, "flow.spool_dir": self.spool}

    def kept(self):
        return sorted(p.name for p in self.spool.iterdir()) if self.spool.exists() else []

    def test_what_broke_a_parser_is_kept(self):
        daemon = self.daemon(self.settings)
        verdict = daemon.job(self.web.url("/file/bad.json"), parser="ndjson")
        self.assert_verdict(verdict, "failed", "parser_failed")
        self.assertEqual(verdict["kept"], str(self.spool / f"job-{verdict['job']}-attempt-1.body"))
        with open(verdict["kept"], "rb") as file:
            body = file.read()
            self.assertEqual(stat.S_IMODE(os.fstat(file.fileno()).st_mode), 0o600)
        self.assertTrue((self.bad + self.good * 50).startswith(body))
        self.assertGreaterEqual(len(body), len(self.bad))
        # And it breaks the parser again, in the same place.
        again = penstock_test.run(penstock_test.BIN / "penstockd", "--parse", "ndjson", verdict["kept"])
        self.assertNotEqual(again.returncode, 0)
        self.assertTrue(verdict["error"]["message"].startswith("line 5001: "), verdict)
        self.assertIn(f"{verdict['kept']}:5001: ", again.stderr)
        daemon.call("wait", {"ids": [verdict["job"]]})
        self.assertEqual(daemon.call("show", {"id": verdict["job"]})["verdict"]["kept"], verdict["kept"])

    def test_encoded_bodies_are_kept_as_they_came(self):
        daemon = self.daemon(self.settings)
        verdict = daemon.job(self.web.url("/file/bad.json.gz"), parser="ndjson")
        self.assert_verdict(verdict, "failed", "parser_failed")
        with open(verdict["kept"], "rb") as file:
            self.assertEqual(gzip.decompress(file.read()), self.bad)
        verdict = daemon.job(self.web.url("/file/cut.json.gz"), parser="lines")
        self.assert_verdict(verdict, "failed", "decode_error")
        with open(verdict["kept"], "rb") as file:
            self.assertEqual(file.read(), gzip.compress(self.bad, mtime=0)[:-30])

    def test_nothing_else_is(self):
        daemon = self.daemon(self.settings)
        jobs = [daemon.submit(self.web.url("/ndjson?n=5000"), parser="ndjson"),
                daemon.submit(self.web.url("/ndjson?n=5000&cut=50000&etag=none&modified=0"), parser="ndjson"),
                daemon.submit(self.web.url("/file/none"), parser="ndjson"),
                daemon.submit(self.web.url("/file/bad.json"), parser="ndjson", keep_body="never")]
        for job in jobs:
            self.assertNotIn("kept", daemon.verdict(job))
        self.assertEqual(self.kept(), [])

    def test_too_few_records_keep_the_body(self):
        daemon = self.daemon(self.settings)
        verdict = daemon.job(self.web.url("/ndjson?n=50"), parser="ndjson", min_records=51)
        self.assert_verdict(verdict, "failed", "unexpected")
        self.assertTrue(os.path.exists(verdict["kept"]))

    def test_the_oldest_go(self):
        daemon = self.daemon({**self.settings, "flow.spool_max": "150K"})
        (self.dir / "www" / "small").write_bytes(b"x" * 60000)
        self.spool.mkdir()
        (self.spool / "somebody-elses").write_bytes(b"y" * 200000)
        paths = [daemon.job(self.web.url("/file/small"), parser="ndjson")["kept"] for _ in range(5)]
        self.assertEqual([os.path.exists(p) for p in paths], [False, False, False, True, True])
        self.assertTrue((self.spool / "somebody-elses").exists())
        # One that is too long for all of it is none at all, and takes nothing from the others.
        (self.dir / "www" / "long").write_bytes(b"[" * 400000)
        verdict = daemon.job(self.web.url("/file/long"), parser="csv", min_records=1000)
        self.assert_verdict(verdict, "failed", "unexpected")
        self.assertNotIn("kept", verdict)
        self.assertEqual(len(self.kept()), 3)

    def test_a_place_that_others_have_made(self):
        """In a shared directory anybody could have been there first: a link, a directory that others write to or own."""
        link, wide, other = self.dir / "link", self.dir / "wide", self.dir / "other"
        (self.dir / "target").mkdir()
        link.symlink_to(self.dir / "target")
        wide.mkdir()
        wide.chmod(0o777)
        other.mkdir()
        places = [(link, "symbolic link"), (wide, "others may write")]
        if os.geteuid() == 0:
            os.chown(other, 65534, 65534)
            places.append((other, "another user"))
        for place, words in places:
            with self.subTest(place=place.name):
                daemon = self.daemon({**self.settings, "flow.spool_dir": place})
                verdict = daemon.job(self.web.url("/file/bad.json"), parser="ndjson")
                self.assert_verdict(verdict, "failed", "parser_failed")
                self.assertNotIn("kept", verdict)
                self.assertRegex(daemon.errors(), f"flow.spool_dir: .*{words}")
                held = daemon.job(self.web.url("/bytes?n=10"), parser="lines", deliver="commit")
                self.assertIn(words, held["error"]["message"])
                self.assertEqual(list(place.iterdir()), [])

    def test_no_place(self):
        (self.dir / "file").write_text("")
        daemon = self.daemon({**self.settings, "flow.spool_dir": self.dir / "file" / "x"})
        verdict = daemon.job(self.web.url("/file/bad.json"), parser="ndjson")
        self.assert_verdict(verdict, "failed", "parser_failed")
        self.assertNotIn("kept", verdict)
        self.assertIn("flow.spool_dir", daemon.errors())

    PROCESSES = ('[parser "first"]\ntype = exec\nstage = sh -c "head -c 100 >&2; exit 1"\n'
                 '[parser "reads"]\ntype = exec\nstage = sh -c "cat >/dev/null; exit 3"\n'
                 '[parser "copy"]\ntype = exec\nstage = cat\noutput = json\n'
                 '[parser "isolated"]\ntype = ndjson\nisolation = process\n')

    def test_what_broke_a_process_is_kept(self):
        daemon = self.daemon(self.settings, config=self.wrote("conf", self.PROCESSES))
        whole = self.bad + self.good * 50
        for parser, at_least in (("first", 100), ("reads", len(whole)), ("copy", len(self.bad)), ("isolated", len(self.bad))):
            with self.subTest(parser=parser):
                verdict = daemon.job(self.web.url("/file/bad.json"), parser=parser)
                self.assert_verdict(verdict, "failed", "parser_failed")
                self.assertNotIn("decoded_bytes", verdict)
                with open(verdict["kept"], "rb") as file:
                    body = file.read()
                self.assertTrue(whole.startswith(body))
                self.assertGreaterEqual(len(body), at_least)

    def test_encoded_bodies_of_processes(self):
        """A pipeline gets a file as it is; an isolated parser's is decoded, and kept as it came."""
        daemon = self.daemon(self.settings, config=self.wrote("conf", self.PROCESSES))
        packed = gzip.compress(self.bad, mtime=0)
        for parser, kind, name, decoded in (("isolated", "parser_failed", "bad.json.gz", True), ("reads", "parser_failed", "bad.json.gz", False),
                                            ("isolated", "decode_error", "cut.json.gz", True)):
            with self.subTest(parser=parser, name=name):
                verdict = daemon.job(self.web.url(f"/file/{name}"), parser=parser)
                self.assert_verdict(verdict, "failed", kind)
                self.assertEqual("decoded_bytes" in verdict, decoded)
                with open(verdict["kept"], "rb") as file:
                    self.assertEqual(file.read(), packed if name == "bad.json.gz" else packed[:-30])

    def test_processes_whose_body_is_kept_do_as_ever(self):
        """What is good is done, what is cut is truncated, and nothing is kept of either."""
        text = self.PROCESSES + '[parser "size"]\ntype = exec\nstage = wc -c\n[parser "line"]\ntype = exec\nstage = head -n 1\n'
        daemon = self.daemon(self.settings, config=self.wrote("conf", text))
        plain = self.daemon({**self.settings, "defaults.keep_body": "never"}, config=self.dir / "conf")
        for parser in ("size", "line", "isolated", "copy"):
            for path in ("/ndjson?n=5000", "/ndjson?n=5000&gzip=1", "/ndjson?n=5000&framing=close", "/ndjson?n=5000&gzip=1&framing=close",
                         "/ndjson?n=5000&cut=50000&etag=none&modified=0", "/bytes?n=0"):
                for more in ({}, {"digest": "sha256"})[:2 if parser == "line" else 1]:
                    if parser == "line" and "framing" in path:
                        continue  # whether the end or the parser's leaving comes first is a matter of time
                    with self.subTest(parser=parser, path=path, more=more):
                        found = []
                        for d in (daemon, plain):
                            verdict = d.job(self.web.url(path), parser=parser, **more)
                            told = [verdict.get(k) for k in ("state", "verified_by", "sha256")]
                            # How many records came before a failure is a matter of time.
                            found.append([*told, verdict.get("error", {}).get("kind"), d.records(verdict["job"])
                                          if verdict["state"] == "done" else None])
                            self.assertNotIn("kept", verdict)
                        if parser != "line":
                            self.assertEqual(found[0], found[1])
                        else:
                            self.assertEqual(found[0][-1], found[1][-1])
        self.assertEqual(self.kept(), [])


if __name__ == "__main__":
    penstock_test.main()
