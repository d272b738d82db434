# label: sanitize
"""The examples of penstock-formats(7): each body, as the page has it, gives the records and the end that it shows.

An example is a comment, a literal block behind it, and in that a line with an arrow between body and records:

    .\\" try [CHARSET] [escapes]: PARSER [OPTION...]

CHARSET is what the body is written in, UTF-8 unless told; with `escapes`, what the page shows as \\r and \\n stands
for those bytes. Behind the records there may be `fails: KIND`, or `verdict: MEMBER VALUE`; "..." is any string."""
import json
import pathlib
import re

import penstock_test

PAGE = pathlib.Path(__file__).resolve().parents[2] / "daemon/man/penstock-formats.7"
EXAMPLE = re.compile(r'^\.\\" try(?P<how>[^:]*): (?P<command>.*)\n\.Bd [^\n]*\n(?P<body>(?:.*\n)*?)\\\(->\n(?P<out>(?:.*\n)*?)\.Ed\n', re.M)
PENSTOCKD = penstock_test.BIN / "penstockd"


def shown(text):
    """What a reader of the page sees."""
    text = re.sub(r"\\\[u([0-9A-F]{4,6})\]", lambda m: chr(int(m[1], 16)), text)
    return text.replace("\\&", "").replace("\\(dq", '"').replace("\\e", "\\")


def pattern(record):
    """The record as it must be written, where "..." may be any string."""
    return re.compile(re.escape(record).replace(re.escape('"..."'), r'"[^"]+"'))


class Page(penstock_test.Case):
    def test_examples(self):
        page = PAGE.read_text()
        examples = list(EXAMPLE.finditer(page))
        self.assertEqual(len(examples), page.count('\n.\\" try'))
        self.assertGreater(len(examples), 20)
        for example in examples:
            with self.subTest(example=example["command"], body=example["body"]):
                self.check(example)

    def check(self, example):
        how = example["how"].split()
        body = shown(example["body"])
        if "escapes" in how:
            how.remove("escapes")
            body = body.removesuffix("\n").replace("\\r", "\r").replace("\\n", "\n")
        out = shown(example["out"]).splitlines()
        fails = [line[len("fails: "):] for line in out if line.startswith("fails: ")]
        members = dict(line.split()[1:] for line in out if line.startswith("verdict: "))
        records = [line for line in out if not line.startswith(("fails: ", "verdict: "))]
        done = penstock_test.run(PENSTOCKD, "--config", "/dev/null", "--parse", *shown(example["command"]).split(),
                                 self.wrote("body", body.encode(*how)), check=1 if fails else 0)
        lines = [line for line in done.stdout.split("\n") if line]
        found = [re.search(r'"seq":\d+,"data":(.*)\}$', line)[1] for line in lines[:-1]]
        self.assertEqual(len(found), len(records), found)
        for one, wanted in zip(found, records):
            json.loads(one)
            self.assertRegex(one, pattern(wanted))
        verdict = json.loads(lines[-1])
        self.assertEqual([verdict["error"]["kind"]] if fails else [], fails, verdict)
        told = {k: str(v) for k, v in verdict.items() if k in ("charset", "replaced", "repaired", "skipped")}
        self.assertEqual(told, members)

    def test_every_parser_has_its_section(self):
        page = PAGE.read_text()
        parsers = [parser["name"] for parser in self.daemon().call("parsers")["parsers"]]
        self.assertIn("fixed", parsers)
        for name in parsers:
            self.assertIn(f"\n.Ss {name}\n", page)


if __name__ == "__main__":
    penstock_test.main()
