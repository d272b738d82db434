"""Real files of Debian packages from a real server: what the daemon finds agrees with wc, sha256sum and
python's own readers."""
import csv
import hashlib
import json
import pathlib
import re
import unittest

import penstock_test

FILES = {
    "oui.csv": "/usr/share/ieee-data/oui.csv",
    "iso_3166-2.json": "/usr/share/iso-codes/json/iso_3166-2.json",
    "iso_639-3.json": "/usr/share/iso-codes/json/iso_639-3.json",
    "freedesktop.org.xml": "/usr/share/mime/packages/freedesktop.org.xml",
    "UnicodeData.txt": "/usr/share/unicode/UnicodeData.txt",
}


class Real(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.www = self.dir / "www"
        self.www.mkdir()
        for name, path in FILES.items():
            if not pathlib.Path(path).exists():
                self.skipTest(f"there is no {path}")
            (self.www / name).symlink_to(path)
        self.server = penstock_test.Nginx(self, self.www)
        self.penstock = self.daemon()

    def content(self, name):
        return (self.www / name).read_bytes()

    def done(self, name, **job):
        verdict = self.penstock.job(self.server.url(name), **job)
        self.assert_verdict(verdict, "done", None, "length")
        self.assertEqual(verdict["bytes"], len(self.content(name)))
        self.assertEqual(verdict["status"], 200)
        records = self.penstock.records(verdict["job"])
        self.assertEqual(verdict["records"], len(records))
        seqs = [e["seq"] for e in self.penstock.events("record", verdict["job"])]
        self.assertEqual(seqs, list(range(1, len(records) + 1)))
        return verdict, records

    def test_count_agrees(self):
        """With `wc`, but for words: versions of `wc` do not agree on them."""
        for name in FILES:
            with self.subTest(name=name):
                _, records = self.done(name, parser="count")
                wc = penstock_test.run("wc", "-lc", self.www / name, check=0, env={"LC_ALL": "C"}).stdout.split()
                lines, size = map(int, wc[:2])
                words = len([word for word in self.content(name).split() if re.search(rb"[!-~]", word)])
                self.assertEqual(len(records), 1)
                self.assertEqual({k: records[0][k] for k in ("bytes", "lines", "words")},
                                 {"bytes": size, "lines": lines, "words": words})

    def test_csv_agrees_with_python(self):
        _, records = self.done("oui.csv", parser="csv")
        with open(self.www / "oui.csv", newline="", encoding="utf-8") as file:
            wanted = list(csv.DictReader(file))
        self.assertEqual(len(records), len(wanted))
        self.assertEqual(records, wanted)

    def test_lines_agree(self):
        for name in ("UnicodeData.txt", "freedesktop.org.xml"):
            with self.subTest(name=name):
                _, records = self.done(name, parser="lines")
                lines = self.content(name).decode().removesuffix("\n").split("\n")
                self.assertEqual(records, [{"line": i, "text": t} for i, t in enumerate(lines, 1)])

    def test_ndjson_agrees(self):
        values = json.loads(self.content("iso_3166-2.json"))["3166-2"]
        ours = self.www / "iso.ndjson"
        ours.write_text("".join(json.dumps(v, ensure_ascii=False) + "\n" for v in values))
        _, records = self.done("iso.ndjson", parser="ndjson")
        self.assertEqual(records, values)

    def test_json_is_not_ndjson(self):
        verdict = self.penstock.job(self.server.url("iso_639-3.json"), parser="ndjson", max_attempts=1)
        self.assert_verdict(verdict, "failed", "parser_failed")
        self.assertIn("line 1", json.dumps(verdict["error"]) + verdict["error"]["message"])

    def test_digest(self):
        for name in FILES:
            with self.subTest(name=name):
                verdict, _ = self.done(name, digest="sha256")
                self.assertEqual(verdict["sha256"], hashlib.sha256(self.content(name)).hexdigest())

    def test_demanded_digest(self):
        digest = hashlib.sha256(self.content("oui.csv")).hexdigest()
        verdict = self.penstock.job(self.server.url("oui.csv"), digest=f"sha256:{digest}")
        self.assert_verdict(verdict, "done")
        wrong = digest[:-1] + ("0" if digest[-1] != "0" else "1")
        verdict = self.penstock.job(self.server.url("oui.csv"), digest=f"sha256:{wrong}", max_attempts=1)
        self.assert_verdict(verdict, "failed", "digest_mismatch")

    def test_many_at_once(self):
        """All files, many times, at once: nobody gets another's bytes."""
        jobs = [(name, self.penstock.submit(self.server.url(name), digest="sha256"))
                for _ in range(20) for name in FILES]
        digests = {name: hashlib.sha256(self.content(name)).hexdigest() for name in FILES}
        for name, job in jobs:
            verdict = self.penstock.verdict(job)
            self.assert_verdict(verdict, "done")
            self.assertEqual(verdict["sha256"], digests[name])

    def test_missing_file(self):
        verdict = self.penstock.job(self.server.url("nothing"), max_attempts=1)
        self.assert_verdict(verdict, "failed", "http_status")
        self.assertEqual(verdict["status"], 404)
        self.assertIn("404", verdict["error"]["message"])

    def test_log_is_the_contract(self):
        verdict, _ = self.done("oui.csv", parser="csv", labels={"feed": "oui"})
        self.assertEqual(verdict["labels"], {"feed": "oui"})
        self.assertEqual(verdict["parser"], "csv")
        self.assertEqual(verdict["attempt"], 1)
        self.assertEqual(verdict["resumes"], 0)
        self.assertLessEqual({"total", "queued", "connect", "first_byte", "wait_origin", "wait_parser", "wait_sink"},
                             set(verdict["seconds"]))
        start = self.penstock.events("start")[0]
        self.assertEqual(start["ids"], "restarted")
        self.assertLessEqual({"ts", "instance", "version"}, set(start))
        for line in self.penstock.lines():
            self.assertRegex(line["ts"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")


if __name__ == "__main__":
    penstock_test.main()
