"""The parsers on 200 MB each, made of real files' content, beside the tools that people use: wall time of
`penstockd --parse` and of the tool, both from a file in the page cache to /dev/null, in turn, medians."""
import gzip
import io
import json
import pathlib
import re
import shutil
import statistics
import subprocess
import tarfile
import time

import penstock_test

TITLE = "200 MB of each format, against jq, mlr, xmllint, tar, zcat"
SIZE = 200_000_000
ROUNDS = 5
SHARE = pathlib.Path("/usr/share")
OUI = SHARE / "ieee-data/oui.csv"
ISO = [SHARE / "iso-codes/json" / f"iso_{n}.json" for n in ("3166-2", "639-3", "3166-1", "15924")]
MIME = SHARE / "mime/packages/freedesktop.org.xml"


def repeat(path, piece, head=b"", tail=b""):
    with open(path, "wb") as out:
        out.write(head)
        for _ in range(SIZE // len(piece) + 1):
            out.write(piece)
        out.write(tail)
    return path


def ndjson_lines():
    rows = []
    for path in ISO:
        for entries in json.loads(path.read_text()).values():
            rows += [json.dumps({"source": path.stem, "seq": n, "score": n * 1.25, "tags": ["iso", path.stem], "entry": e},
                                ensure_ascii=False) for n, e in enumerate(entries)]
    return ("\n".join(rows) + "\n").encode()


def make_ndjson(place):
    return repeat(place.dir / "data.ndjson", ndjson_lines())


def make_json(place):
    return repeat(place.dir / "data.json", b",\n".join(ndjson_lines().splitlines()) + b",\n", b"[\n", b"null]\n")


def make_csv(place):
    head, _, rows = OUI.read_bytes().removeprefix(b"\xef\xbb\xbf").partition(b"\n")
    return repeat(place.dir / "data.csv", rows, head + b"\n")


def make_xml(place):
    text = MIME.read_text()
    head = text[:text.index("<mime-type ")]
    kept = "".join(re.findall(r"<mime-type .*?</mime-type>\s*", text, re.S))
    return repeat(place.dir / "data.xml", kept.encode(), head.encode(), b"</mime-info>\n")


def make_tar(place):
    path = place.dir / "data.tar"
    files = [OUI.read_bytes(), MIME.read_bytes(), *[p.read_bytes() for p in ISO]]
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        done = 0
        while done < SIZE:
            data = files[len(tar.getmembers()) % len(files)]
            info = tarfile.TarInfo(f"dir/{done}.dat")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
            done += len(data)
    return path


def make_gzip(place):
    path = place.dir / "data.gz"
    with gzip.open(path, "wb", compresslevel=6) as out, open(make_ndjson(place), "rb") as data:
        shutil.copyfileobj(data, out, 1 << 20)
    return path


def seconds(command):
    began = time.monotonic()
    subprocess.run([str(c) for c in command], stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - began


def against(name, path, options, tool, goal, size=None, keep=False):
    ours = [penstock_test.BIN / "penstockd", "--parse", name, *options, path]
    tool = [*map(str, tool), str(path)]
    if not shutil.which(tool[0]):
        raise AssertionError(f"there is no {tool[0]}")
    times = {"ours": [], "tool": []}
    for _ in range(ROUNDS + 1):
        times["ours"].append(seconds(ours))
        times["tool"].append(seconds(tool))
    mine, theirs = (statistics.median(times[k][1:]) for k in ("ours", "tool"))  # the first round warms up
    size = (size or path.stat().st_size) / 1e6
    words = tool[2].replace(' "$1"', "") if tool[0] == "sh" else " ".join(tool[:-1])
    yield f"{name}: MB a second", size / mine, "MB/s", None
    yield f"{words}: MB a second", size / theirs, "MB/s", None
    yield f"{name}: times as fast as {words}", theirs / mine, "x", goal
    if not keep:
        path.unlink()


def measure(place):
    yield from against("ndjson", make_ndjson(place), [], ["jq", "-c", "."], (">=", 5))
    yield from against("json", make_json(place), [], ["jq", "-c", ".[]"], None)
    yield from against("csv", make_csv(place), [], ["mlr", "--icsv", "--ojson", "cat"], (">=", 3))
    yield from against("xml", make_xml(place), [], ["xmllint", "--stream", "--noout"], (">=", 1))
    tar = make_tar(place)
    # What tar writes to /dev/null goes nowhere; a parser is given what is in the members, as what is behind a pipe is.
    yield from against("archive", tar, [], ["tar", "-xOf"], None, keep=True)
    yield from against("archive", tar, [], ["sh", "-c", 'tar -xOf "$1" | cat', "sh"], (">=", 1 / 1.1), keep=True)
    # The same work: what is in the members has bytes, lines and words.
    yield from against("archive", tar, [], ["sh", "-c", 'tar -xOf "$1" | wc', "sh"], (">=", 1 / 1.1))
    packed = make_gzip(place)
    yield from against("count", packed, [], ["zcat"], (">=", 1 / 1.1), size=SIZE)
