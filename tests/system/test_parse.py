# label: sanitize
"""penstockd --parse: one parser on a file, without a daemon."""
import csv
import io
import json
import os
import random

import penstock_test

PENSTOCKD = penstock_test.BIN / "penstockd"


class Parse(penstock_test.Case):
    def parse(self, name, data, *options, status=0):
        data = data if isinstance(data, bytes) else data.encode()
        done = penstock_test.run(PENSTOCKD, "--parse", name, *options, self.wrote("input", data))
        self.assertEqual(done.returncode, status, done.stdout[-500:] + done.stderr[-500:])
        lines = [json.loads(l) for l in done.stdout.splitlines()]
        return [e.get("data", e) if isinstance(e, dict) and e.get("event") == "record" else e for e in lines
                if not (isinstance(e, dict) and e.get("event") in ("verdict", "start", "stop", "attempt"))], done

    def records(self, name, data, *options, status=0):
        return self.parse(name, data, *options, status=status)[0]

    def test_lines(self):
        found = self.records("lines", "a\nb\r\n\nc")
        self.assertEqual(found, [{"line": i, "text": t} for i, t in enumerate(["a", "b", "", "c"], 1)])
        self.assertEqual(self.records("lines", ""), [])

    def test_count(self):
        self.assertEqual(self.records("count", "one two\nthree\n"), [{"bytes": 14, "lines": 2, "words": 3}])

    def test_csv_against_python(self):
        """Ten thousand odd rows, as python's csv module reads them."""
        chance = random.Random(1)
        cells = ["", "a", "b c", 'q"q', "comma,comma", "new\nline", "cr\r\nlf", "ümläut", " space ", '"', '""']
        rows = [[chance.choice(cells) for _ in range(4)] for _ in range(10000)]
        out = io.StringIO()
        csv.writer(out).writerows([["w", "x", "y", "z"], *rows])
        text = out.getvalue()
        wanted = list(csv.DictReader(io.StringIO(text, newline="")))
        self.assertEqual(self.records("csv", text), wanted)

    def test_csv_unclosed_quote(self):
        _, done = self.parse("csv", 'a,b\n1,"two\n', status=1)
        self.assertTrue(done.stderr)

    def test_ndjson(self):
        self.assertEqual(self.records("ndjson", '{"a":1}\n[2]\n\n"three"\n4.50e1\n'), [{"a": 1}, [2], "three", 45.0])
        _, done = self.parse("ndjson", '{"a":1}\n{"a":\n', status=1)
        self.assertIn("2", done.stderr)

    def test_numbers_keep_their_text(self):
        _, done = self.parse("ndjson", '{"n":12345678901234567890.00}\n')
        self.assertIn("12345678901234567890.00", done.stdout)

    def test_standard_input(self):
        done = penstock_test.run(PENSTOCKD, "--parse", "lines", "-", input="a\nb\n", check=0)
        self.assertEqual(sum(json.loads(l)["event"] == "record" for l in done.stdout.splitlines()), 2, done.stdout)

    def test_where_no_daemon_could_live(self):
        """Without a place for socket and store: a parser runs, the config is checked, a daemon says what to write."""
        env = {**os.environ, "RUNTIME_DIRECTORY": "", "STATE_DIRECTORY": ""}
        config = self.wrote("empty.conf", b"")
        done = penstock_test.run(PENSTOCKD, "--config", config, "--parse", "lines", self.wrote("input", b"a\n"), env=env, check=0)
        self.assertEqual([json.loads(l)["event"] for l in done.stdout.splitlines()], ["record", "verdict"])
        penstock_test.run(PENSTOCKD, "--config", config, "--check", env=env, check=0)
        done = penstock_test.run(PENSTOCKD, "--config", config, env=env, check=1)
        self.assertIn("control.socket: ", done.stderr)

    def test_cut(self):
        """An aborted body is a failure of every parser, wherever it is cut."""
        bodies = {"count": "one two\nthree\n", "lines": "a\nb\n", "csv": "a,b\n1,2\n", "ndjson": "1\n2\n"}
        for name, body in bodies.items():
            for cut in range(len(body) + 1):
                with self.subTest(name=name, cut=cut):
                    records, _ = self.parse(name, body, "--cut", str(cut), status=1)
                    if name == "count":
                        self.assertEqual(records, [])

    def test_bad_arguments(self):
        for arguments in (["--parse"], ["--parse", "nothing", "/dev/null"], ["--parse", "csv", "--option", "x=y", "/dev/null"],
                          ["--parse", "csv", "--option", "x", "/dev/null"], ["--parse", "csv", self.dir / "none"]):
            with self.subTest(arguments=arguments):
                done = penstock_test.run(PENSTOCKD, *arguments)
                self.assertGreater(done.returncode, 0)
                self.assertTrue(done.stderr)

    def test_a_closed_output(self):
        path = self.wrote("big", "x\n" * 200000)
        done = penstock_test.run("bash", "-c", f"'{PENSTOCKD}' --parse lines '{path}' | head -n 1", check=0)
        self.assertEqual(len(done.stdout.splitlines()), 1)


if __name__ == "__main__":
    penstock_test.main()
