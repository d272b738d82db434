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

    def test_no_place(self):
        (self.dir / "file").write_text("")
        daemon = self.daemon({**self.settings, "flow.spool_dir": self.dir / "file" / "x"})
        verdict = daemon.job(self.web.url("/file/bad.json"), parser="ndjson")
        self.assert_verdict(verdict, "failed", "parser_failed")
        self.assertNotIn("kept", verdict)
        self.assertIn("flow.spool_dir", daemon.errors())

    def test_processes_read_by_themselves(self):
        conf = self.wrote("conf", '[parser "cat"]\ntype = exec\nstage = /bin/false\n')
        daemon = self.daemon(self.settings, config=conf)
        with daemon.rpc() as rpc:
            error = rpc.fail("submit", {"url": self.web.url("/lines?n=1"), "parser": "cat", "keep_body": "failed"})
        self.assertEqual(error["data"]["field"], "keep_body")
        self.assert_verdict(daemon.job(self.web.url("/lines?n=1"), parser="cat"), "failed", "parser_failed")


if __name__ == "__main__":
    penstock_test.main()
