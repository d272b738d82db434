"""The parsers on 200 MB each, made of real files' content, beside the tools that people use: wall time of
`penstockd --parse` and of the tool, both from a file in the page cache to /dev/null, in turn, medians."""
import gzip
import io
import json
import pathlib
import re
import shutil
import tarfile

import penstock_test
from table import compare, measured

SIZE, QUICK = 200_000_000, 1_000_000
SHARE = pathlib.Path("/usr/share")
OUI = SHARE / "ieee-data/oui.csv"
ISO = [SHARE / "iso-codes/json" / f"iso_{n}.json" for n in ("3166-2", "639-3", "3166-1", "15924")]
MIME = SHARE / "mime/packages/freedesktop.org.xml"


def repeat(place, name, piece, head=b"", tail=b""):
    path = place.dir / name
    with open(path, "wb") as out:
        out.write(head)
        for _ in range(place.size(SIZE, QUICK) // len(piece) + 1):
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
    return repeat(place, "data.ndjson", ndjson_lines())


def make_json(place):
    return repeat(place, "data.json", b",\n".join(ndjson_lines().splitlines()) + b",\n", b"[\n", b"null]\n")


def make_csv(place):
    head, _, rows = OUI.read_bytes().removeprefix(b"\xef\xbb\xbf").partition(b"\n")
    return repeat(place, "data.csv", rows, head + b"\n")


def make_letters(place, charset):
    """Rows as western Europe has them: a letter beyond ASCII in every second field."""
    rows = "".join(f'{n},"Café Zoë {n * 7}","Rue de l’Été {n % 977}",12.5,Señor Müller\n' for n in range(20000))
    return repeat(place, f"data-{charset}.csv", rows.encode(charset), b"id,name,street,price,who\n")


def make_xml(place):
    text = MIME.read_text()
    head = text[:text.index("<mime-type ")]
    kept = "".join(re.findall(r"<mime-type .*?</mime-type>\s*", text, re.S))
    return repeat(place, "data.xml", kept.encode(), head.encode(), b"</mime-info>\n")


def make_tar(place):
    path = place.dir / "data.tar"
    files = [OUI.read_bytes(), MIME.read_bytes(), *[p.read_bytes() for p in ISO]]
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        done = 0
        while done < place.size(SIZE, QUICK):
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


def piped(command):
    def side(meter):
        with open("/dev/null", "wb") as null:
            meter.run(command, stdout=null)

    return measured([], side)


def against(place, name, path, tool, times, keep=False):
    """`times`: as fast as the tool, or so many times as fast; or None."""
    ours = [penstock_test.BIN / "penstockd", "--parse", name, path]
    tool = [*tool, str(path)]
    if not shutil.which(tool[0]):
        raise AssertionError(f"there is no {tool[0]}")
    words = tool[2].replace(' "$1"', "") if tool[0] == "sh" else " ".join(tool[:-1])
    yield from compare(place, f"{name}, beside {words}", piped(ours), piped(tool), times and {"wall": 1 / times})
    if not keep:
        path.unlink()


def charsets(place):
    """Transcoding takes at most as long again as parsing."""
    utf8, latin = (make_letters(place, c) for c in ("utf-8", "windows-1252"))
    ours = [penstock_test.BIN / "penstockd", "--parse", "csv"]
    yield from compare(place, "csv in windows-1252, beside the same rows in UTF-8", piped([*ours, "--charset", "windows-1252", latin]),
                       piped([*ours, utf8]), {"wall": 2})
    for path in (utf8, latin):
        path.unlink()


def formats(place):
    yield from against(place, "ndjson", make_ndjson(place), ["jq", "-c", "."], 5)
    yield from against(place, "json", make_json(place), ["jq", "-c", ".[]"], None)
    yield from against(place, "csv", make_csv(place), ["mlr", "--icsv", "--ojson", "cat"], 3)
    yield from charsets(place)
    yield from against(place, "xml", make_xml(place), ["xmllint", "--stream", "--noout"], 1)
    tar = make_tar(place)
    # What tar writes to /dev/null goes nowhere; a parser is given what is in the members, as what is behind a pipe is.
    yield from against(place, "archive", tar, ["tar", "-xOf"], None, keep=True)
    yield from against(place, "archive", tar, ["sh", "-c", 'tar -xOf "$1" | cat', "sh"], 1 / 1.1, keep=True)
    # The same work: what is in the members has bytes, lines and words.
    yield from against(place, "archive", tar, ["sh", "-c", 'tar -xOf "$1" | wc', "sh"], 1 / 1.1)
    yield from against(place, "count", make_gzip(place), ["zcat"], 1 / 1.1)


CASES = {"formats": formats}
