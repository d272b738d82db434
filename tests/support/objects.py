"""What the compiled objects of a build know of the tree: which file defines a name, and which file uses it.

For the checks of calls and prototypes. nm reads the objects' symbol tables, so that macros, inline functions and
sanitizers need no care: what counts is what the linker sees.
"""
import collections
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
NM = os.environ.get("PENSTOCK_NM") or "nm"
DEFINED = set("TDBRVWCiuGS")


def build():
    """The build that ctest runs for."""
    return pathlib.Path(os.environ.get("PENSTOCK_BIN", ROOT / "build" / "bin")).parent


class Objects:
    """defined and used: file -> names. Files are named as "daemon/fetch/loop.c"."""

    def __init__(self, where, root=ROOT):
        self.defined = collections.defaultdict(set)
        self.used = collections.defaultdict(set)
        objects = {}
        others = {cache.parent for cache in where.glob("*/CMakeCache.txt")}  # builds within this one, of another time
        for path in where.rglob("*.c.o"):
            parts = path.parts
            if "daemon" not in parts or others & set(path.parents):
                continue
            last = len(parts) - 1 - parts[::-1].index("daemon")
            source = "/".join(parts[last:])[: -len(".o")]
            if (root / source).exists():  # an object outlives the source that it was made from
                objects[str(path)] = source
        self._read(objects)
        self.definers = collections.defaultdict(set)
        for source, names in self.defined.items():
            for name in names:
                self.definers[name].add(source)

    def _read(self, objects):
        paths = list(objects)
        for i in range(0, len(paths), 200):
            text = subprocess.run([NM, "-A", "-g", "--format=posix", *paths[i : i + 200]], check=True,
                                  capture_output=True, text=True).stdout
            for line in text.splitlines():
                path, _, symbol = line.rpartition(".o: ")
                name, kind = symbol.split()[:2]
                source = objects[path + ".o"]
                if kind in DEFINED:
                    self.defined[source].add(name)
                elif kind in "Uwv":
                    self.used[source].add(name)

    def calls(self):
        """file -> the files whose functions or tables it uses. A name that several programs define, each for itself,
        is the one of the same folder."""
        calls = collections.defaultdict(set)
        for source, names in self.used.items():
            for name in names:
                definers = self.definers.get(name, set())
                near = {d for d in definers if folder(d) == folder(source)}
                if near or len(definers) == 1:
                    calls[source] |= (near or definers) - {source}
        return calls


def folder(source):
    """The layer: "fetch" of daemon/fetch/loop.c and of what lies deeper; "" of daemon/app.c."""
    parts = source.split("/")
    return parts[1] if len(parts) > 2 else ""


def known(path):
    """The exceptions that a check lets pass: one a line, # begins a comment. No file: there are none."""
    if not path.exists():
        return set()
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    return {line for line in lines if line}


def judge(found, exceptions, listed_in):
    """Lines to print. found: exception -> the fault it would excuse. The list may only shrink: what is not found any
    more has to leave it."""
    faults = [fault for exception, fault in sorted(found.items()) if exception not in exceptions]
    faults += [f"{listed_in}: take out {e!r}, which needs no exception any more" for e in sorted(exceptions - set(found))]
    return faults


def shrink(path, found):
    """Takes out of the list what needs no exception any more."""
    if path.exists():
        keep = [line for line in path.read_text().splitlines(True)
                if not line.split("#")[0].strip() or line.split("#")[0].strip() in found]
        if any(line.split("#")[0].strip() for line in keep):
            path.write_text("".join(keep))
        else:
            path.unlink()


def compile_planted(directory, files):
    """For the self-tests: writes files (name -> text) and compiles the .c ones as a build would."""
    directory = pathlib.Path(directory)
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if name.endswith(".c"):
            to = directory / "build" / "x.dir" / f"{name}.o"
            to.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run([os.environ.get("PENSTOCK_CC") or "cc", f"-I{directory / 'daemon'}", "-c", path, "-o", to],
                           check=True)
    return Objects(directory / "build", directory)
