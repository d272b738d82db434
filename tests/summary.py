#!/usr/bin/env python3
"""Adds up what the builds' ctest runs wrote: single cases, not programs.

    summary.py [--require-all] DIRECTORY

The directory has, by the name of a build: NAME.xml (ctest's --output-junit), NAME.broken (a line for each thing that
failed and is no test) and, of a release, NAME.about (a row for a table of releases). The last line is "N passed, N failed,
N skipped"; the exit status is 0 if nothing failed.
"""
import argparse
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

# A case's line, as cmocka and as tests/support's python runner write it.
PASSED = re.compile(r"^(?:\[       OK \]|ok) (\S+)", re.M)
SKIPPED = re.compile(r"^(?:\[  SKIPPED \] (\S+)$|skip (\S+.*))", re.M)
FAILED = re.compile(r"^(?:\[  FAILED  \] (\w\S+)$|FAIL (\S+))", re.M)


def cases_of(test):
    """The names of what passed, failed and was skipped in one ctest test."""
    text = test.findtext("system-out") or ""
    passed = PASSED.findall(text)
    skipped = [a or b for a, b in SKIPPED.findall(text)]
    failed = sorted({a or b for a, b in FAILED.findall(text)})
    if test.find("skipped") is not None and test.get("status") != "fail":
        if not skipped:
            skipped = [""]
    elif test.get("status") == "fail" or test.find("failure") is not None:
        if not failed:
            failed = [""]
    elif not passed and not skipped:
        passed = [""]
    return passed, failed, skipped


def print_table(directory, counts):
    """What was tested with what: a row for each NAME.about."""
    rows = [("release", "libcurl", "libuv", "systemd", "compiler", "passed/failed/skipped")]
    for path in sorted(directory.glob("*.about"), key=lambda path: path.stat().st_mtime):
        rows.append((*path.read_text().strip().split("\t"), "/".join(map(str, counts.get(path.stem, (0, 1, 0))))))
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows if len(rows) > 1 else ():
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--require-all", action="store_true")
    parser.add_argument("directory", type=pathlib.Path)
    args = parser.parse_args()

    passed, failed, skipped = set(), [], {}
    broken = [line for path in sorted(args.directory.glob("*.broken")) for line in path.read_text().splitlines()]
    for path in sorted(args.directory.glob("*.xml")):
        for test in ElementTree.parse(path).getroot().iter("testcase"):
            good, bad, left = cases_of(test)
            passed |= {(path.stem, test.get("name"), case) for case in good}
            failed += [f"{path.stem}: {test.get('name')} {case}".rstrip() for case in bad]
            skipped |= {(path.stem, test.get("name"), case.split(": ")[0]): case for case in left}
    builds = {path.stem for path in args.directory.glob("*.xml")}
    counts = {build: (sum(key[0] == build for key in passed), sum(case.startswith(build + ": ") for case in failed),
                      sum(key[0] == build for key in skipped)) for build in builds}
    # What one build cannot do and another has done was not left out.
    done = {key[1:] for key in passed}
    skipped = [f"{build}: {test} {skipped[build, test, case]}".rstrip()
               for build, test, case in sorted(skipped) if (test, case) not in done]
    passed, failed = len(passed), broken + failed
    for case in skipped:
        print("skipped:", case)
    for case in failed:
        print("FAILED:", case)
    if args.require_all and skipped:
        print("A skipped test is a failure here (--require-all).")
        failed += skipped
        skipped = []
    status = 1 if failed else 0
    if not passed and not failed and not skipped:
        print("No test was run.")
        status = 1
    print_table(args.directory, counts)
    print(f"{passed} passed, {len(failed)} failed, {len(skipped)} skipped")
    return status


if __name__ == "__main__":
    sys.exit(main())
