# label: sanitize
"""Text in all charsets, through every parser of text, and what becomes of bytes that are none."""
import bz2
import codecs
import gzip
import hashlib
import lzma
import shutil
import subprocess
import unittest

import penstock_test
import text_table
from text_table import Row

BAD = "\ufffd"
ZOE = [{"a": "Zoë", "b": "1"}]


def csv_of(charset, text="a,b\nZoë,1", mark=b""):
    return mark + text.encode(charset)


def line(text, number=1):
    return {"line": number, "text": text}


# The rule: a mark, Content-Type, the document itself, the option, UTF-8; the option with a ! before all.
RULE = [
    Row("nobody says", "csv", csv_of("utf-8"), ZOE),
    Row("a mark", "csv", csv_of("utf-8-sig"), ZOE),
    Row("a mark over Content-Type", "csv", csv_of("utf-8-sig"), ZOE, type="text/csv; charset=iso-8859-1"),
    Row("Content-Type", "csv", csv_of("latin-1"), ZOE, type="text/csv; charset=iso-8859-1", charset="windows-1252"),
    Row("Content-Type in quotes", "csv", csv_of("latin-1"), ZOE, type='text/csv;header=present; Charset="ISO-8859-1"',
        charset="windows-1252"),
    Row("Content-Type over the option", "csv", csv_of("utf-8"), ZOE, type="text/csv; charset=utf8", job={"charset": "koi8-r"}),
    Row("the option", "csv", csv_of("latin-1"), ZOE, job={"charset": "latin1"}, charset="windows-1252"),
    Row("the option over all", "csv", csv_of("latin-1"), ZOE, type="text/csv; charset=utf-8", job={"charset": "cp1252!"},
        charset="windows-1252"),
    Row("the option over a mark", "lines", b"\xef\xbb\xbfx", [line("ï»¿x")], job={"charset": "windows-1252!"},
        charset="windows-1252"),
    Row("an option that is overruled", "csv", csv_of("utf-8-sig"), ZOE, job={"charset": "windows-1252"}),
    Row("us-ascii, which utf-8 contains", "csv", csv_of("utf-8"), ZOE, type="text/csv; charset=us-ascii"),
    Row("a charset that nobody knows", "csv", csv_of("utf-8"), [], type="text/csv; charset=x-klingon",
        error=("decode_error", "'x-klingon', which is not known here; the option charset = NAME!")),
    Row("and its remedy", "csv", csv_of("utf-8"), ZOE, type="text/csv; charset=x-klingon", job={"charset": "utf-8!"}),
    Row("an empty body", "lines", b"", [], type="text/plain; charset=utf-16", charset="utf-16le"),
    Row("a mark alone", "lines", b"\xff\xfe", [], charset="utf-16le"),
]

# Excel's, and others'.
UNICODE = [
    Row("UTF-16LE with a mark", "csv", csv_of("utf-16-le", mark=codecs.BOM_UTF16_LE), ZOE, charset="utf-16le"),
    Row("UTF-16BE with a mark", "csv", csv_of("utf-16-be", mark=codecs.BOM_UTF16_BE), ZOE, charset="utf-16be"),
    Row("UTF-32LE with a mark", "csv", csv_of("utf-32-le", mark=codecs.BOM_UTF32_LE), ZOE, charset="utf-32le"),
    Row("UTF-32BE with a mark", "csv", csv_of("utf-32-be", mark=codecs.BOM_UTF32_BE), ZOE, charset="utf-32be"),
    Row("UTF-16LE without", "csv", csv_of("utf-16-le"), ZOE, type="text/csv; charset=utf-16", charset="utf-16le"),
    Row("UTF-16BE without", "csv", csv_of("utf-16-be"), ZOE, type="text/csv; charset=utf-16", charset="utf-16be"),
    Row("UTF-16BE by name", "lines", "日本".encode("utf-16-be"), [line("日本")], job={"charset": "utf-16be"}, charset="utf-16be"),
    Row("zeros tell", "csv", csv_of("utf-16-le"), ZOE, charset="utf-16le"),
    Row("UTF-32 without", "ndjson", '["😀"]\n'.encode("utf-32-be"), [["😀"]], charset="utf-32be"),
    Row("JSON in UTF-16", "json", '["😀", 1]'.encode("utf-16"), ["😀", 1], charset="utf-16le"),
    Row("an odd byte at the end", "lines", "ab\ncd".encode("utf-16-le") + b"e", [line("ab")],
        error=("decode_error", "byte 0x65 at offset 10 is no text in utf-16le, and the body ends"), charset="utf-16le"),
    Row("an odd byte at the end, replaced", "lines", "ab".encode("utf-16-le") + b"e", [line("ab" + BAD)],
        job={"charset_errors": "replace"}, charset="utf-16le", replaced=1),
    Row("a surrogate alone", "lines", b"a\0\n\0" + b"\x3d\xd8" + b"b\0", [line("a")],
        error=("decode_error", "bytes 0x3d 0xd8 at offset 4 are no text"), charset="utf-16le"),
    Row("surrogates alone, replaced", "lines", b"\x00\xdea\0\x3d\xd8", [line(BAD + "a" + BAD)],
        job={"charset": "utf-16le", "charset_errors": "replace"}, charset="utf-16le", replaced=2),
]

TEXTS = {
    "windows-1250": "Příliš žluťoučký", "windows-1251": "Привет", "windows-1252": "Zoë “€”", "windows-1253": "Ωμέγα",
    "windows-1254": "İğne", "windows-1255": "שָׁלוֹם", "windows-1256": "سلام", "windows-1257": "ąčę", "windows-1258": "Vi\u00ea\u0323t",
    "iso-8859-2": "Łódź", "iso-8859-5": "Привет", "iso-8859-7": "Ωμέγα", "iso-8859-8": "שלום", "iso-8859-9": "İğne",
    "iso-8859-15": "œ€", "koi8-r": "Привет", "koi8-u": "Київ", "tis-620": "สวัสดี", "macintosh": "Zoë",
    "ibm866": "Привет", "cp850": "Zoë", "shift_jis": "日本語ｶﾅ表", "euc-jp": "日本語", "iso-2022-jp": "日本語abc",
    "euc-kr": "한국어", "gb2312": "你好", "gbk": "你好丂", "gb18030": "你好😀", "big5": "你好許功蓋",
}
PYTHON = {"macintosh": "mac-roman"}
SHOWN = {"iso-8859-9": "windows-1254", "cp850": "ibm850", "gb2312": "gb18030", "gbk": "gb18030"}


def encoded(name, text):
    return text.encode(PYTHON.get(name, name))


CHARSETS = [
    row for name, text in TEXTS.items() for row in (
        Row(f"csv in {name}", "csv", encoded(name, f'a,"b"\n{text},"{text}"\n'), [{"a": text, "b": text}],
            type=f"text/csv; charset={name}", charset=SHOWN.get(name, name)),
        Row(f"json in {name}", "json", encoded(name, f'["{text}"]'), [text], job={"charset": name}, charset=SHOWN.get(name, name)),
        # No newline at the end: what a converter holds back comes out.
        Row(f"lines in {name}", "lines", encoded(name, f"{text}\n{text}"), [line(text), line(text, 2)], job={"charset": name + "!"},
            charset=SHOWN.get(name, name)))
]

WRONG = [
    Row("a letter of another charset", "csv", csv_of("latin-1"), [],
        error=("decode_error", "byte 0xeb at offset 6 is no text in utf-8; charset = NAME says what else it is in, charset_errors =")),
    Row("what came before it", "lines", b"one\ntwo\xff\n", [line("one")], error=("decode_error", "byte 0xff at offset 7")),
    Row("replaced", "csv", csv_of("latin-1"), [{"a": "Zo" + BAD, "b": "1"}], job={"charset_errors": "replace"}, replaced=1),
    Row("ill-formed in parts", "lines", b"\xf0\x9f\x98.\xc0\xaf", [line(BAD + "." + BAD * 2)], job={"charset_errors": "replace"},
        replaced=3),
    Row("a character that the end cuts", "ndjson", b'1\n"\xe2\x82', [1], error=("decode_error", "0xe2 0x82 at offset 3 are no text")),
    Row("an unassigned byte", "lines", b"a\x81", [], type="text/plain; charset=windows-1252",
        error=("decode_error", "byte 0x81 at offset 1 is no text in windows-1252; charset_errors"), charset="windows-1252"),
    Row("half a pair", "lines", b"\x93\xfa\x93 x", [line("日" + BAD + " x")], job={"charset": "shift_jis", "charset_errors": "replace"},
        charset="shift_jis", replaced=1),
    Row("an escape of nobody's", "lines", b"a\n\x1b(X0!\n", [line("a")], job={"charset": "iso-2022-jp"}, charset="iso-2022-jp",
        error=("decode_error", "byte 0x1b at offset 2 is no text in iso-2022-jp")),
    Row("an escape to katakana", "lines", b"\x1b(I6E\x1b(B\n", [line("ｶﾅ")], job={"charset": "iso-2022-jp"}, charset="iso-2022-jp"),
    Row("in a JSON string", "json", b'[1,"\xff"]', [1], error=("decode_error", "offset 4")),
    Row("after decoding", "csv", gzip.compress(csv_of("latin-1")), [], error=("decode_error", "byte 0xeb at offset 6"), decoded_bytes=9),
    Row("and in its charset", "csv", gzip.compress(csv_of("latin-1")), ZOE, job={"charset": "latin1"}, decoded_bytes=9,
        charset="windows-1252"),
]

# Filters look at the text that is emitted.
LOG = b"2024 GET /caf\xe9 200\n2024 GET /x 404\n"
FILTERS = [
    Row("match", "lines", LOG, [line("2024 GET /café 200")], job={"charset": "latin1"}, options={"match": "GET .* 200"},
        charset="windows-1252"),
    Row("match, replaced", "lines", LOG, [line(f"2024 GET /caf{BAD} 200")], job={"charset_errors": "replace"},
        options={"match": "GET .* 200"}, replaced=1),
    Row("match, and fails", "lines", LOG, [], options={"match": "GET .* 404"}, error=("decode_error", "byte 0xe9 at offset 13")),
    Row("exclude, replaced", "lines", LOG, [line("2024 GET /x 404", 2)], job={"charset_errors": "replace"},
        options={"exclude": "GET .* 200"}, replaced=1),
    Row("letters", "lines", "Привет\nмир\n".encode("koi8-r"), [line("Привет")], job={"charset": "koi8-r"},
        options={"match": r"^\p{Lu}"}, charset="koi8-r"),
]


def rows_of(*rows):
    return [dict(zip("ab", row)) for row in rows]


TABLES = [
    Row("csv, comments", "csv", b"#x\na,b\r\n# 1,2\n1,#2\n", rows_of(["1", "#2"]), options={"comment": "#"}),
    Row("csv, lines before the header", "csv", b"Report\r\n\r\na,b\r\n1,2\r\n", rows_of("12"), options={"skip_lines": "2"}),
    Row("csv, lax quotes", "csv", b'a,b\n"1"x,"2"\n', rows_of(["1x", "2"]), repaired=1),
    Row("csv, strict quotes", "csv", b'a,b\n1,2\n"1"x,2\n', rows_of("12"), options={"quotes": "strict"},
        error=("parser_failed", "text follows a closing quote")),
    Row("csv, a quote within a field", "csv", b'a,b\n5" disk,2\n', rows_of(['5" disk', "2"])),
    Row("the same, strict", "csv", b'a,b\n5" disk,2\n', [], options={"quotes": "strict"},
        error=("parser_failed", "a quote stands in a field")),
    Row("fixed", "fixed", "1Zoë  x\r\n2日本  \n".encode(), [{"a": "1", "b": "Zoë", "_extra": "x"}, {"a": "2", "b": "日本"}],
        options={"columns": "a:1 b:5"}),
    Row("fixed, in a charset", "fixed", "1Zoë".encode("cp037"), rows_of(["1", "Zoë"]), options={"columns": "a:1 b:3", "ragged": "fail"},
        job={"charset": "ibm037"}, charset="ibm037"),
    Row("fixed, too short", "fixed", b"12\n1\n", rows_of("12"), options={"columns": "a:1,b:1", "ragged": "fail"},
        error=("parser_failed", "ends before its last column")),
    Row("fixed, all of it", "fixed", b"# no\n\n1 2 \n", [{"b": "2 "}], options={"columns": "-:2 b:*", "trim": "no", "comment": "#"}),
]

PLAIN = b"a,b\n1,2\n"
PLAIN_RECORDS = [{"a": "1", "b": "2"}]


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


def digest_of(data):
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def compressed():
    packed = gzip.compress(PLAIN)
    # As pzstd writes: in front of each frame one that holds no data but the frame's size.
    skippable = b"\x50\x2a\x4d\x18\x04\0\0\0\x12\0\0\0"
    halves = PLAIN[:5], PLAIN[5:]
    rows = [Row(f"csv in {name}", "csv", body, PLAIN_RECORDS, decoded_bytes=8) for name, body in (
        ("gzip", packed), ("gzip, two members", b"".join(map(gzip.compress, halves))), ("gzip, padded", packed + bytes(512)),
        ("bzip2, two streams", b"".join(map(bz2.compress, halves))),
        ("xz, two streams and padding", lzma.compress(halves[0]) + bytes(8) + lzma.compress(halves[1])),
        ("zstd, two frames", b"".join(map(zstd, halves))), ("zstd, as pzstd does", skippable + zstd(halves[0]) + skippable + zstd(halves[1])),
        ("zstd, with one behind", zstd(PLAIN) + b"\x5f\x2a\x4d\x18\0\0\0\0"))]
    rows += [
        Row("cut in a skippable frame", "csv", skippable[:10], [], error=("decode_error", "is cut")),
        Row("something else behind", "csv", packed + b"x", PLAIN_RECORDS, error=("decode_error", ""), members=["decoded_bytes"]),
        Row("not decoded", "csv", packed, [], job={"decode": "none"}, error=("decode_error", "byte 0x8b at offset 1 is no text")),
        Row("demanded", "csv", PLAIN, [], job={"decode": "zstd"}, error=("decode_error", "zstd"), members=["decoded_bytes"]),
        Row("digest, as published", "digest", packed, [digest_of(packed)]),
        Row("digest, decoded if asked", "digest", packed, [digest_of(PLAIN)], job={"decode": "auto"}, decoded_bytes=8),
        Row("digest, decoded if demanded", "digest", packed, [digest_of(PLAIN)], job={"decode": "gzip"}, decoded_bytes=8),
    ]
    return rows


class Text(text_table.Case):
    @unittest.skipUnless(shutil.which("zstd"), "there is no zstd")
    def test_compressed(self):
        self.check_rows(compressed())

    def test_tables(self):
        self.check_rows(TABLES)

    def test_parse_goes_by_the_config(self):
        """Whatever its messages name can be set."""
        zeros = self.wrote("zeros.gz", gzip.compress(bytes(8 << 20)))
        bomb = self.wrote("bomb.gz", gzip.compress(bytes(40 << 20)))
        long = self.wrote("long", b"x" * 5000 + b"\n")
        for file, parser, setting, less, more in (
                (zeros, "count", "defaults.max_decoded", "1M", "64M"), (bomb, "count", "flow.decode_ratio", "10", "100000"),
                (long, "lines", "parse.max_record", "4K", "8K")):
            done = penstock_test.run(text_table.PENSTOCKD, "--config", "/dev/null", "--set", f"{setting}={less}", "--parse", parser, file,
                                     check=1)
            self.assertIn(setting.removeprefix("defaults."), done.stderr)
            penstock_test.run(text_table.PENSTOCKD, "--config", "/dev/null", "--set", f"{setting}={more}", "--parse", parser, file, check=0)
        config = self.wrote("parse.conf", '[parser "greek"]\ntype = lines\ncharset = windows-1253\ncharset_errors = replace\n')
        done = penstock_test.run(text_table.PENSTOCKD, "--config", config, "--parse", "greek", self.wrote("input", b"\xe1\xff"), check=0)
        self.assertIn('"text":"α\ufffd"', done.stdout)
        for option in ("--charset=klingon", "--charset-errors=ignore", "--decode=rar"):
            done = penstock_test.run(text_table.PENSTOCKD, "--config", config, "--parse", "greek", option, long, check=2)
            self.assertIn(option.split("=", maxsplit=1)[0], done.stderr)
        penstock_test.run(text_table.PENSTOCKD, "--charset", "utf-8", check=2)

    def test_rule(self):
        self.check_rows(RULE)

    def test_unicode(self):
        self.check_rows(UNICODE)

    def test_charsets(self):
        self.check_rows(CHARSETS)

    def test_wrong_bytes(self):
        self.check_rows(WRONG)

    def test_filters(self):
        self.check_rows(FILTERS)

    def test_nearest_wins(self):
        """A job's own, its parser's section, its host's, [defaults]."""
        rows = [Row("", "lines", "é".encode("cp1252"), [])]
        server = text_table.Server(self, rows)
        config = self.wrote("near.conf", '[defaults]\ncharset = ibm437\n[host "127.0.0.1"]\ncharset = koi8-r\n'
                                         '[parser "greek"]\ntype = lines\ncharset = windows-1253\n')
        daemon = self.daemon(config=config)
        for parser, job, found in (("greek", {"charset": "latin1"}, "windows-1252"), ("greek", {}, "windows-1253"),
                                   ("lines", {}, "koi8-r")):
            self.assertEqual(daemon.job(server.base + "/0", parser=parser, **job)["charset"], found)
        self.assertEqual(daemon.job(server.base.replace("127.0.0.1", "localhost") + "/0", parser="lines")["charset"], "ibm437")

    def test_refused(self):
        """A charset that nobody knows, at submission and in the config."""
        daemon = self.daemon()
        error = daemon.rpc().fail("submit", {"url": "http://127.0.0.1:9/", "charset": "klingon"})
        self.assertIn("charset: 'klingon' is no charset that is known here; write utf-8", error["message"])
        done = daemon.ctl("submit", "http://127.0.0.1:9/", "--charset-errors", "ignore", check=2)
        self.assertIn("--charset-errors: 'ignore' is not fail or replace", done.stderr)
        done = penstock_test.run(text_table.PENSTOCKD, "--set", "defaults.charset=utf-8//IGNORE", "--check", check=1)
        self.assertIn("defaults.charset", done.stderr)


if __name__ == "__main__":
    penstock_test.main()
