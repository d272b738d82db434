#!/usr/bin/env python3
"""What README.md and PROTOCOL.md name exists: files, the client's commands and options, config keys."""
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("PENSTOCK_BIN", ROOT / "build" / "bin"))
TOP = ("config/", "daemon/", "include/", "tests/", "systemd/", ".ci/")


def help_of(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout


def paths(text):
    """Links and code spans that look like files of this tree."""
    for span in re.findall(r"\]\(([^)#\s]+)\)|`([^`\s]+)", text):
        name = (span[0] or span[1]).rstrip(",.;:")
        if name.startswith(TOP) and not any(c in name for c in "*<>{}["):
            yield name
        elif span[0] and "://" not in name:
            yield name


def main():
    faults = []
    readme = (ROOT / "README.md").read_text()
    head = "\n".join(readme.splitlines()[:60])
    for command in ("config/quickstart.sh", "tests/run"):
        if command not in head:
            faults.append(f"README.md: {command} is not named near its top")
    for document in [ROOT / "README.md", *sorted((ROOT / "daemon").rglob("*.md"))]:
        for name in sorted(set(paths(document.read_text()))):
            if not (document.parent / name).exists() and not (ROOT / name).exists():
                faults.append(f"{document.relative_to(ROOT)}: there is no {name}")
    known = help_of(BIN / "penstockctl", "--help")
    for command, rest in re.findall(r"\bpenstockctl ((?:--\w[\w-]* )*\w+)([^`\n]*)", readme):
        word = command.split()[-1]
        if not re.search(rf"\b{word}\b", known):
            faults.append(f"README.md: penstockctl --help knows no {word}")
        detail = known
        for option in re.findall(r"(?<!\S)--[a-z][\w-]*", rest):
            if option not in detail:
                detail += help_of(BIN / "penstockctl", word, "--help")
            if option not in detail:
                faults.append(f"README.md: penstockctl {word} knows no {option}")
    print("\n".join(faults) or "fine")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
