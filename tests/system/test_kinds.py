# label: sanitize
"""Kinds of real files, each once in a thread, once in a process of its own, and once by --parse: the same records and the
same end everywhere."""
import base64
import contextlib
import gzip
import hashlib
import http.server
import io
import json
import resource
import struct
import tarfile
import threading
import zipfile

import penstock_test

PENSTOCKD = penstock_test.BIN / "penstockd"
NAMES = ("archive", "feed", "json", "ndjson", "warc", "xml")
DTD = b"<!DOCTYPE a SYSTEM 'no.dtd'>"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body, content_type = self.server.bodies[int(self.path[1:])]
        self.send_response(200)
        self.send_header("Content-Type", content_type or "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def log_message(self, *unused):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, test):
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies = []
        thread = threading.Thread(target=self.serve_forever, daemon=True)
        thread.start()
        test.addCleanup(lambda: (self.shutdown(), thread.join(), self.server_close()))

    def url(self, body, content_type):
        self.bodies.append((body, content_type))
        return f"http://127.0.0.1:{self.server_port}/{len(self.bodies) - 1}"


def tar(*members, **kwargs):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", **kwargs) as made:
        for name, data in members:
            info = tarfile.TarInfo(name)
            if data is None:
                info.type, info.linkname = tarfile.SYMTYPE, "x"
            info.size = len(data or b"")
            made.addfile(info, io.BytesIO(data or b""))
    return out.getvalue()


def zipped(*members, how=zipfile.ZIP_DEFLATED):
    """A member whose data are None is a symbolic link, as Info-ZIP makes it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", how) as made:
        for name, data in members:
            info = zipfile.ZipInfo(name)
            info.create_system = 3
            info.compress_type = how
            info.external_attr = (0o120777 if data is None else 0o100644) << 16
            made.writestr(info, "target" if data is None else data)
    return out.getvalue()


def renamed(data, old, new):
    """The zip's directory has another name than the member itself."""
    at = data.rindex(b"PK\1\2")
    at = data.index(old, at)
    return data[:at] + new + data[at + len(old):]


def old_name(data, name):
    """A zip whose names are not said to be UTF-8."""
    for mark, flags, place in ((b"PK\3\4", 6, 30), (b"PK\1\2", 8, 46)):
        at = data.index(mark)
        data = data[:at + flags] + b"\0\0" + data[at + flags + 2:at + place] + name + data[at + place + len(name):]
    return data


def gnu_sparse(name, size, end):
    """A tar with a file that is a hole but for its end, as GNU tar writes it."""
    def number(n):
        return b"\x80" + n.to_bytes(11, "big")

    head = bytearray(512)
    for at, field in ((0, name), (100, b"0000644\0"), (108, b"0000000\0"), (116, b"0000000\0"), (124, b"%011o\0" % len(end)),
                      (136, b"00000000000\0"), (148, b" " * 8), (156, b"S"), (257, b"ustar  \0"),
                      (386, number(size - len(end)) + b"%011o\0" % len(end)), (483, number(size))):
        head[at:at + len(field)] = field
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head) + end.ljust(512, b"\0") + bytes(1024)


def warc(kind, uri, content, block, *fields):
    digest = base64.b32encode(hashlib.sha1(block).digest())
    head = [b"WARC/1.0", b"WARC-Type: " + kind, b"WARC-Target-URI: " + uri, b"WARC-Date: 2024", b"WARC-Record-ID: <i>",
            b"Content-Type: " + content, b"WARC-Block-Digest: sha1:" + digest, *fields, b"Content-Length: %d" % len(block)]
    return b"\r\n".join(head) + b"\r\n\r\n" + block + b"\r\n\r\n"


HTTP = b"application/http; msgtype=response"
PAGE = warc(b"response", b"http://a/", HTTP, b"HTTP/1.1 200 OK\r\nContent-Type: text/x; charset=koi8-r\r\n\r\n\"\xd1\"\n")
PAGE_RECORD = {"warc": {"type": "response", "uri": "http://a/", "date": "2024", "id": "<i>"},
               "http": {"status": 200, "type": "text/x; charset=koi8-r"}, "data": "я"}


def rss(items):
    return b"<rss version='2.0'><channel>" + items + b"</channel></rss>"


def title(text):
    return {"title": text, "title_type": "text"}


def el(text):
    return {"name": "b", "text": text}


LOCAL_A = {"member": "a", "data": 1}
LOCAL_B = {"member": "b", "data": 2}
INNER = {"parser": "ndjson"}

# name, parser, options, body, records, kind of the failure or None, what else the verdict has, Content-Type
CASES = [
    ("json: no array", "json", {}, b'{"error":"rate limited"}', [], "parser_failed", {}, None),
    ("json: nothing between values", "json", {}, b"[][]", [], "parser_failed", {}, None),
    ("json: a name twice on the way", "json", {"pointer": "/a"}, b'{"a":[1],"a":[2]}', [1], "parser_failed", {}, None),
    ("json: deeper than plug-ins may", "json", {"max_depth": "1024"}, b"[" * 300 + b"]" * 300,
     [json.loads("[" * 299 + "]" * 299)], None, {}, None),
    ("ndjson: depth", "ndjson", {"max_depth": "2"}, b"[[[]]]\n", [], "limit_exceeded", {}, None),
    ("ndjson: nothing valid", "ndjson", {"on_error": "skip"}, b"<html>\n</html>\n", [], "parser_failed", {}, None),

    ("xml: entities of a DTD outside", "xml", {}, DTD + b"<a><b x='&uuml;'>J&uuml;rgen&nbsp;&euro;</b></a>",
     [{"name": "b", "attributes": {"x": "ü"}, "text": "Jürgen\u00a0€"}], None, {}, None),
    ("xml: its own entities win", "xml", {}, b"<!DOCTYPE a SYSTEM 'x' [<!ENTITY uuml 'mine'>]><a><b>&uuml;</b></a>", [el("mine")],
     None, {}, None),
    ("xml: an entity of nobody's", "xml", {}, DTD + b"<a><b>&none;</b></a>", [], "parser_failed", {}, None),
    ("xml: the same in an attribute", "xml", {}, DTD + b"<a><b x='&none;'/></a>", [], "parser_failed", {}, None),
    ("xml: an entity outside", "xml", {}, b"<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><a><b>&e;</b></a>", [],
     "parser_failed", {}, None),
    ("xml: no DOCTYPE", "xml", {}, b"<a>&uuml;</a>", [], "parser_failed", {}, None),

    ("feed: RSS in a namespace", "feed", {},
     b"<rss xmlns='http://blogs.law.harvard.edu/tech/rss'><channel><item><title>t</title></item></channel></rss>", [title("t")],
     None, {}, None),
    ("feed: mended", "feed", {}, b"\n<?xml version='1.0'?>" + rss(b"<item><title>a & b\x01&nbsp;</title></item>") + b"\0",
     [title("a & b\u00a0")], None, {"repaired": 4}, None),
    ("feed: warnings around it", "feed", {}, b"<br />\n<b>Warning</b>: x\n<?xml version=1.0?>" +
     rss(b"<items><item><title a=b>t</title></item></items>") + b"<script>x && y</script>", [title("t")], None, {"repaired": 4}, None),
    ("feed: a DTD elsewhere, and standalone", "feed", {}, b"<?xml version='1.0' standalone='yes'?>" + DTD.replace(b"DOCTYPE a", b"DOCTYPE rss") +
     rss(b"<item><title>J&uuml;rgen</title></item>"), [title("Jürgen")], None, {}, None),
    ("feed: last tags are missing", "feed", {}, b"<rss><channel><item><title>t</title>", [title("t")], None, {"repaired": 3}, None),
    ("feed: strict", "feed", {"strict": "yes"}, rss(b"<item><title>a & b</title></item>"), [], "parser_failed", {}, None),
    ("feed: JSON Feed", "feed", {}, b'{"version":"https://jsonfeed.org/version/1.1","items":[{"id":"1","content_text":"1 < 2"}]}',
     [{"id": "1", "content": "1 < 2", "content_type": "text"}], None, {}, None),
    ("feed: header before declaration", "feed", {}, b"<?xml version='1.0' encoding='iso-8859-1'?>" +
     rss(b"<item><title>\xff</title></item>"), [title("я")], None, {"charset": "windows-1251"}, "text/xml; charset=windows-1251"),

    ("archive: names that are not ASCII", "archive", {**INNER, "member": "*.nd"}, zipped(("日本.nd", b"1\n")),
     [{"member": "日本.nd", "data": 1}], None, {}, None),
    ("archive: the same in tar", "archive", {**INNER, "member": "é*"}, tar(("é", b"1\n"), ("x", b"2\n")), [{"member": "é", "data": 1}],
     None, {}, None),
    ("archive: names in a charset", "archive", {**INNER, "names": "cp437"}, old_name(zipped(("Zo_", b"1\n")), b"Zo\x89"),
     [{"member": "Zoë", "data": 1}], None, {}, None),
    ("archive: names that are no text", "archive", INNER, tar(("\udce9", b"1\n"), ("\udce8", b"2\n"), format=tarfile.USTAR_FORMAT),
     [{"member": "%E9", "escaped": True, "data": 1}, {"member": "%E8", "escaped": True, "data": 2}], None, {}, None),
    ("archive: the directory has another name", "archive", INNER, renamed(zipped(("a", b"1\n"), ("b", b"2\n")), b"b", b"c"),
     [LOCAL_A, LOCAL_B], "decode_error", {}, None),
    ("archive: the directory is cut", "archive", INNER, zipped(("a", b"1\n"), ("b", b"2\n"))[:-30], [LOCAL_A, LOCAL_B],
     "decode_error", {}, None),
    ("archive: a link in a zip", "archive", INNER, zipped(("l", None), ("a", b"1\n")), [LOCAL_A], None, {"skipped": 1}, None),
    ("archive: a link in a tar", "archive", INNER, tar(("l", None), ("a", b"1\n")), [LOCAL_A], None, {"skipped": 1}, None),
    ("archive: two tars", "archive", INNER, tar(("a", b"1\n")) + tar(("b", b"2\n")), [LOCAL_A, LOCAL_B], None, {}, None),
    ("archive: two .tar.gz", "archive", INNER, gzip.compress(tar(("a", b"1\n"))) + gzip.compress(tar(("b", b"2\n"))),
     [LOCAL_A, LOCAL_B], None, {}, None),
    ("archive: zeros and something behind", "archive", INNER, tar(("a", b"1\n")) + b"x", [LOCAL_A], "parser_failed", {}, None),
    ("archive: a tar without its zeros", "archive", INNER, tar(("a", b"1\n"))[:1024], [LOCAL_A], "parser_failed", {}, None),
    ("archive: members in charsets", "archive", {"parser": "xml"},
     tar(("a", b"<?xml version='1.0' encoding='shift_jis'?><a><b>\x93\xfa</b></a>"), ("b", "<a><b>é</b></a>".encode("utf-16"))),
     [{"member": "a", "data": el("日")}, {"member": "b", "data": el("é")}], None, {}, None),
    ("archive: a skipped line of a member", "archive", {**INNER, "ndjson_on_error": "skip"}, tar(("a", b"1\nx\n")),
     [LOCAL_A, {"member": "a", "data": {"skipped": 1, "line": 2, "reason": "no JSON value"}}], None, {}, None),

    ("warc", "warc", INNER, PAGE, [PAGE_RECORD], None, {}, None),
    ("warc: many gzip members", "warc", INNER, gzip.compress(PAGE) + gzip.compress(PAGE), [PAGE_RECORD] * 2, None, {}, None),
    ("warc: cut", "warc", INNER, PAGE[:-2], [PAGE_RECORD], "parser_failed", {}, None),
    ("warc: damaged", "warc", INNER, PAGE.replace(b"200 OK", b"200 ok"), [PAGE_RECORD], "digest_mismatch", {}, None),
]

XML_CHARSETS = {"windows-1251": "я", "koi8-r": "я", "iso-8859-2": "ł", "iso-8859-15": "€", "windows-1252": "€", "tis-620": "ก",
                "windows-1255": "ש", "windows-1258": "ư", "shift_jis": "日", "euc-jp": "日", "iso-2022-jp": "日", "euc-kr": "한",
                "gb2312": "中", "gbk": "中", "gb18030": "中", "big5": "中", "cp037": "é", "cp500": "é",
                "cp273": "é", "cp1140": "€", "csISO2022JP": "日", "cp950": "中", "utf-16": "é", "utf-8": "é", "us-ascii": "e"}


def python(charset):
    return {"csISO2022JP": "iso-2022-jp"}.get(charset, charset)


for charset, letter in XML_CHARSETS.items():
    declared = f"<?xml version='1.0' encoding='{charset}'?>"
    told = {} if charset in ("utf-8", "us-ascii") else {"charset": ...}
    CASES += [(f"xml in {charset}", "xml", {}, f"{declared}<a><b>{letter}</b></a>".encode(python(charset)), [el(letter)], None, told, None),
              (f"feed in {charset}", "feed", {},
               (declared + rss(b"<item><title>_</title></item>").decode().replace("_", letter)).encode(python(charset)), [title(letter)],
               None, told, None)]


class Kinds(penstock_test.Case):
    def judge(self, case, records, verdict):
        name, _, _, _, wanted, kind, members, _ = case
        with self.subTest(case=name):
            self.assertEqual(records, wanted, verdict)
            self.assert_verdict(verdict, "failed" if kind else "done", kind)
            told = {k: v for k, v in verdict.items() if k in ("charset", "replaced", "repaired", "skipped")}
            if not kind:
                self.assertEqual(told, {k: told.get(k) if v is ... else v for k, v in members.items()})
                self.assertEqual(set(told), set(members))

    def jobs(self, prefix, config):
        server = Server(self)
        daemon = self.daemon({"defaults.max_attempts": "1"}, config=config and self.wrote("kinds.conf", config))
        jobs = [(case, daemon.submit(server.url(case[3], case[7]), parser=prefix + case[1], options=case[2])) for case in CASES]
        for case, job in jobs:
            verdict = daemon.verdict(job)
            self.judge(case, daemon.records(job), verdict)

    def test_in_a_thread(self):
        self.jobs("", None)

    def test_in_a_process(self):
        self.jobs("my-", "".join(f'[parser "my-{name}"]\ntype = {name}\nisolation = process\n' for name in NAMES))

    def test_by_hand(self):
        for case in CASES:
            options = [o for k, v in case[2].items() for o in ("--option", f"{k}={v}")]
            if case[7]:
                options += ["--content-type", case[7]]
            done = penstock_test.run(PENSTOCKD, "--parse", case[1], *options, self.wrote("body", case[3]))
            lines = [json.loads(line) for line in done.stdout.split("\n") if line]
            self.judge(case, [e["data"] for e in lines if e["event"] == "record"], lines[-1])

    def test_what_counts_for_min_records(self):
        server = Server(self)
        daemon = self.daemon({"defaults.max_attempts": "1"}, config=self.wrote("my.conf", '[parser "my"]\ntype = ndjson\nisolation = process\n'))
        for parser in ("ndjson", "my"):
            url = server.url(b"1\nx\n", None)
            verdict = daemon.job(url, parser=parser, options={"on_error": "skip"}, min_records=2)
            self.assert_verdict(verdict, "failed", "unexpected")
            self.assertEqual(verdict["records"], 2)
            self.assert_verdict(daemon.job(url, parser=parser, options={"on_error": "skip"}, min_records=1), "done")

    def test_a_hundred_gigabytes_of_nothing(self):
        """A tar that says that of a hundred gigabytes only the last bytes are there. The limit on CPU time is a hundred times
        what it takes."""
        size = 100 * 10**9
        sparse = self.wrote("sparse.tar", gnu_sparse(b"hole", size, b"end"))
        for limits in ((), ("--set", "defaults.max_decoded=1G")):
            done = penstock_test.run(PENSTOCKD, *limits, "--parse", "archive", "--option", "max_bytes=1T", sparse,
                                     check=1, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (20, 20)))
            self.assert_verdict(json.loads(done.stdout.splitlines()[-1]), "failed", "limit_exceeded")

    def test_zip64(self):
        """A directory whose numbers do not fit, as of files beyond 4 GiB: python writes them when told to."""
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as made:
            for name, data in (("a", b"1\n"), ("b", b"2\n")):
                with made.open(name, "w", force_zip64=True) as member:
                    member.write(data)
        data = bytearray(out.getvalue())
        at = data.index(b"PK\1\2")
        place = at + 46 + 1
        extra = struct.pack("<HHQQ", 1, 16, 2, 2)
        data[at + 20:at + 28] = b"\xff" * 8
        self.assertEqual(struct.unpack_from("<H", data, at + 30)[0], 0)
        struct.pack_into("<H", data, at + 30, len(extra))
        data[place:place] = extra
        end = data.index(b"PK\5\6")
        struct.pack_into("<I", data, end + 12, struct.unpack_from("<I", data, end + 12)[0] + len(extra))
        done = penstock_test.run(PENSTOCKD, "--parse", "archive", "--option", "parser=ndjson", self.wrote("z.zip", bytes(data)), check=0)
        found = [json.loads(line).get("data") for line in done.stdout.splitlines()]
        self.assertEqual(found[:-1], [LOCAL_A, LOCAL_B])


if __name__ == "__main__":
    penstock_test.main()
