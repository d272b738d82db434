#!/usr/bin/env python3
"""No line of C, code or comment, has more than 100 columns; what clang-format is told to leave alone may."""
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
COLUMNS = 100


def faults_in(text):
    """Line numbers."""
    protected = False
    for number, line in enumerate(text.splitlines(), 1):
        protected = (protected or "clang-format off" in line) and "clang-format on" not in line
        if len(line) > COLUMNS and not protected:
            yield number


def main():
    long = "x" * (COLUMNS + 1)
    if list(faults_in(f"{long}\n/* clang-format off */\n{long}\n/* clang-format on */\n{long}\n")) != [1, 5]:
        print("this check finds no long line")
        return 1
    files = [p for folder in ("daemon", "include", "tests") for p in (ROOT / folder).rglob("*.[ch]")]
    faults = [f"{p.relative_to(ROOT)}:{n}: over {COLUMNS} columns" for p in files for n in faults_in(p.read_text())]
    print("\n".join(faults) or f"{len(files)} files")
    return 1 if faults or not files else 0


if __name__ == "__main__":
    sys.exit(main())
