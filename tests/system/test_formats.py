# label: sanitize
"""The parsers of formats on files of Debian packages and archives made of them, against python's own readers:
json, xml.etree, tarfile, zipfile, hashlib, re, email.utils."""
import bz2
import datetime
import email.utils
import gzip
import hashlib
import io
import json
import lzma
import pathlib
import random
import re
import tarfile
import unittest
import xml.etree.ElementTree
import zipfile

import penstock_test

PENSTOCKD = penstock_test.BIN / "penstockd"
SHARE = pathlib.Path("/usr/share")
ISO = sorted((SHARE / "iso-codes/json").glob("iso_*.json"))
MIME = SHARE / "mime/packages/freedesktop.org.xml"
OUI = SHARE / "ieee-data/oui.csv"
UNICODE = SHARE / "unicode/UnicodeData.txt"


def need(*paths):
    for path in paths:
        if not path.exists():
            raise unittest.SkipTest(f"there is no {path}")


class Formats(penstock_test.Case):
    def parse(self, name, source, *options, status=0, **chosen):
        """The records; `source` is a path or bytes."""
        path = source if isinstance(source, pathlib.Path) else self.wrote("input", source)
        options += tuple(o for k, v in chosen.items() for o in ("--option", f"{k}={v}"))
        done = penstock_test.run(PENSTOCKD, "--parse", name, *options, path)
        self.assertEqual(done.returncode, status, done.stdout[-500:] + done.stderr[-500:])
        # Not splitlines, which also splits at U+2028 and the like.
        lines = [json.loads(line) for line in done.stdout.split("\n") if line]
        self.verdict = lines[-1]
        return [e["data"] for e in lines if e["event"] == "record"]

    def same(self, found, wanted):
        """As assertEqual for long lists, without a difference that takes minutes."""
        for n, (a, b) in enumerate(zip(found, wanted)):
            if a != b:
                self.fail(f"record {n}: {json.dumps(a)[:500]} != {json.dumps(b)[:500]}")
        self.assertEqual(len(found), len(wanted))

    def test_json_against_python(self):
        need(*ISO)
        self.assertGreater(len(ISO), 5)
        for path in ISO:
            for name, entries in json.loads(path.read_text()).items():
                with self.subTest(path=path):
                    self.same(self.parse("json", path, pointer="/" + name), entries)
                    if len(entries) < 300:
                        self.same(self.parse("json", path, each="member"), [{"name": name, "value": entries}])

    def test_json_documents_of_all_shapes(self):
        """Random values, compact and indented, one document or several."""
        chance = random.Random(5)

        def value(depth):
            kind = chance.randrange(9 if depth < 5 else 6)
            if kind < 6:
                return [None, True, chance.randrange(-10**20, 10**20), chance.random() * 1e30,
                        "".join(chance.choices('ab"\\/\n\té\u2028😀{}[]:,', k=chance.randrange(12))), ""][kind]
            if kind == 6:
                return {str(chance.random()): value(depth + 1) for _ in range(chance.randrange(4))}
            return [value(depth + 1) for _ in range(chance.randrange(5))]

        for indent in (None, 1, "\t"):
            values = [value(0) for _ in range(2000)]
            text = json.dumps(values, indent=indent, ensure_ascii=chance.random() < 0.5)
            self.same(self.parse("json", text.encode()), values)
            many = "\n".join(json.dumps(v, indent=indent) for v in values)
            self.same(self.parse("json", many.encode(), each="value"), values)

    def test_json_far_larger_than_memory_would_be(self):
        """100 MB in one array; the process stays small."""
        if penstock_test.SANITIZED:
            self.skipTest("a sanitizer's memory is not the daemon's")
        row = json.dumps({"id": 12345, "text": "x" * 80, "list": list(range(10))})
        path = self.dir / "large.json"
        with open(path, "w", encoding="ascii") as out:
            out.write("[" + row)
            for _ in range(100_000_000 // len(row)):
                out.write(",\n" + row)
            out.write("]")
        script = "ulimit -v 200000; exec \"$@\" > /dev/null"
        penstock_test.run("bash", "-c", script, "bash", PENSTOCKD, "--parse", "json", path, check=0, seconds=120)

    def element(self, e):
        made = {"name": e.tag}
        if e.attrib:
            made["attributes"] = dict(e.attrib)
        if len(e):
            made["children"] = [self.element(c) for c in e]
        text = ((e.text or "") + "".join(c.tail or "" for c in e)).strip(" \t\r\n")
        if text:
            made["text"] = text
        return made

    def test_xml_against_python(self):
        need(MIME)
        # Namespaces as written are not python's way.
        text = re.sub(r"\bxmlns(?=[ =])", "was", MIME.read_text()).replace("xml:lang", "lang")
        root = xml.etree.ElementTree.fromstring(text)
        found = self.parse("xml", text.encode())
        self.assertGreater(len(found), 800)
        self.same(found, [self.element(e) for e in root])
        self.same(self.parse("xml", text.encode(), path="/mime-info/mime-type/glob"),
                         [self.element(e) for e in root.findall("mime-type/glob")])
        self.same(self.parse("xml", text.replace('encoding="UTF-8"', 'encoding="UTF-16"', 1).encode("utf-16"), path="comment"),
                         [self.element(e) for e in root.iter("comment")])

    def test_feeds(self):
        """A thousand entries in RSS and in Atom; dates as email.utils and datetime read them."""
        chance = random.Random(3)
        items, entries, wanted = [], [], []
        for n in range(1000):
            zone = datetime.timezone(datetime.timedelta(minutes=chance.randrange(-720, 720)))
            when = datetime.datetime.fromtimestamp(chance.randrange(0, 4 * 10**9), zone)
            title = f"Title <{n}> & \"more\""
            safe = title.replace("&", "&amp;").replace("<", "&lt;")
            utc = when.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
            items.append(f"<item><title>{safe}</title><link>http://a.example/{n}</link><guid>http://a.example/{n}</guid>"
                         f"<pubDate>{email.utils.format_datetime(when)}</pubDate></item>")
            entries.append(f"<entry><id>http://a.example/{n}</id><title>{safe}</title><link href='http://a.example/{n}'/>"
                           f"<published>{when.isoformat()}</published></entry>")
            wanted.append({"id": f"http://a.example/{n}", "title": title, "title_type": "text",
                           "link": f"http://a.example/{n}", "published": utc, "feed": {"title": "F"}})
        rss = f"<rss version='2.0'><channel><title>F</title>{''.join(items)}</channel></rss>"
        atom = f"<feed xmlns='http://www.w3.org/2005/Atom'><title>F</title>{''.join(entries)}</feed>"
        self.same(self.parse("feed", rss.encode()), wanted)
        self.same(self.parse("feed", atom.encode()), wanted)

    def test_digest_against_hashlib(self):
        need(OUI)
        names = ["md5", "sha1", "sha256", "sha512", "sha3-256", "blake2b512"]
        found = self.parse("digest", OUI, algorithms=" ".join(names))
        data = OUI.read_bytes()
        wanted = {n: hashlib.new({"sha3-256": "sha3_256", "blake2b512": "blake2b"}.get(n, n), data).hexdigest()
                  for n in names}
        self.assertEqual(found, [{"bytes": len(data), **wanted}])

    def test_lines_against_re(self):
        need(UNICODE)
        pattern = r"^(?P<code>[0-9A-F]+);(?P<name>[A-Z ]*LETTER[^;]*);(?P<kind>L[ul]);"
        lines = UNICODE.read_text().splitlines()
        wanted = [{"line": n, "text": t, "groups": m.groupdict()} for n, t in enumerate(lines, 1)
                  if (m := re.search(pattern, t)) and not re.search("GREEK|CYRILLIC", t)]
        self.assertGreater(len(wanted), 1000)
        self.same(self.parse("lines", UNICODE, match=pattern, exclude="GREEK|CYRILLIC"), wanted)

    def archives(self, files):
        for kind in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
            out = io.BytesIO()
            with tarfile.open(fileobj=out, mode="w", format=kind) as tar:
                for name, data in files.items():
                    info = tarfile.TarInfo(name)
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
            yield out.getvalue()
        for kind in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
            out = io.BytesIO()
            with zipfile.ZipFile(out, "w", kind) as made:
                for name, data in files.items():
                    made.writestr(name, data)
            yield out.getvalue()

    def test_archives_of_real_files(self):
        need(MIME, *ISO)
        files = {f"data/{p.name}": p.read_bytes() for p in ISO}
        files["data/ünïcode.xml"] = MIME.read_bytes()
        files["data/packed.json.gz"] = gzip.compress(ISO[0].read_bytes())
        for data in self.archives(files):
            found = self.parse("archive", data, parser="digest", decode="none")
            self.same(found, [{"member": n, "data": {"bytes": len(d), "sha256": hashlib.sha256(d).hexdigest()}}
                                     for n, d in files.items()])
            name = ISO[0].stem.removeprefix("iso_")
            found = self.parse("archive", data, parser="json", json_pointer="/" + name, member="*packed*")
            self.same([f["data"] for f in found], json.loads(ISO[0].read_text())[name])
        for pack in (gzip.compress, bz2.compress, lzma.compress):
            found = self.parse("archive", pack(data), parser="digest", decode="none")
            self.assertEqual(len(found), len(files))
            self.assertEqual(self.verdict["decoded_bytes"], len(data))

    def test_a_cut_is_never_a_success(self):
        """--cut breaks the body off: each format, at many places."""
        samples = {"json": b'[1,{"a":[2,3]},"x"]', "xml": b"<a><b>x</b><c/></a>", "digest": b"some text",
                   "feed": b"<rss><channel><item><title>t</title></item></channel></rss>"}
        for name, data in samples.items():
            for cut in range(len(data) + 1):
                self.parse(name, data, "--cut", str(cut), status=1)
                self.assertEqual(self.verdict["error"]["kind"], "truncated", (name, cut, self.verdict))
            self.parse(name, data)


if __name__ == "__main__":
    penstock_test.main()
