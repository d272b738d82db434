#!/usr/bin/env python3
"""Each package that the build files name is in config/packages, which both commands install from."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def main():
    listed = {}
    for line in (ROOT / "config" / "packages").read_text().splitlines():
        words = line.partition("#")[0].split()
        if words:
            listed[words[1]] = words[0]
    named = set()
    for path in [ROOT / "CMakeLists.txt", *sorted((ROOT / "tests").rglob("CMakeLists.txt"))]:
        text = path.read_text()
        named |= set(re.findall(r"^\s*penstock_need\(.* ([a-z0-9.+-]+)\)", text, re.M))
        named |= set(re.findall(r"was not found: apt-get install ([a-z0-9.+-]+)", text))
    faults = [f"config/packages lacks {name}" for name in sorted(named - set(listed))]
    print("\n".join(faults) or f"{len(named)} packages")
    return 1 if faults or not named else 0


if __name__ == "__main__":
    sys.exit(main())
