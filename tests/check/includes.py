#!/usr/bin/env python3
"""Includes name the layer and point down only:

    main -> app -> control -> api -> schedule -> job -> attempt -> terms -> {fetch, parse, store} -> record -> flow -> base
    host -> {parse, flow, base}    ctl -> {client, flow's pipeline, base}    client -> base

so fetch, parse and store never include each other, and only attempt and job (and terms, for what a job may ask of them)
know fetch and parse. And no two modules have one base name, so that "host.c" in a comment, in a debugger or in a log of
the compiler is one file.
"""
import collections
import pathlib
import re
import sys

ORDER = ["base", "flow", "record", ("fetch", "parse", "store"), "terms", "attempt", "job", "schedule", "api", "control",
         "app", "main"]
RANK = {}
for rank, entry in enumerate(ORDER):
    for layer in (entry,) if isinstance(entry, str) else entry:
        RANK[layer] = rank
ALLOWED = {layer: {low for low in RANK if RANK[low] < RANK[layer]} | {layer} for layer in RANK}
ALLOWED["control"] -= {"attempt", "fetch", "parse"}
ALLOWED["host"] = {"host", "parse", "flow", "base"}
ALLOWED["client"] = {"client", "base"}
ALLOWED["ctl"] = {"ctl", "client", "base"}
PIPELINE = "flow/pipeline.h"
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def layer_of(path, daemon):
    parts = path.relative_to(daemon).parts
    return parts[0] if len(parts) > 1 else "main" if path.stem == "main" else "app"


def faults_in(path, daemon):
    layer = layer_of(path, daemon)
    if layer not in ALLOWED:
        yield 1, f"is in no known layer ({layer})"
        return
    for number, text in enumerate(path.read_text().splitlines(), 1):
        match = INCLUDE.match(text)
        if not match:
            continue
        target = match.group(1)
        if target == "penstock/parser.h" or layer == "client" and target == "penstock/client.h" or layer in ("app", "main") and (daemon / target).parent == daemon:
            continue
        if layer == "ctl" and target == PIPELINE:
            continue
        to = target.split("/")[0] if "/" in target else None
        if to is None:
            yield number, f'"{target}" does not name its layer'
        elif to not in ALLOWED[layer]:
            yield number, f'{layer} must not include "{target}"'
        elif not (daemon / target).exists():
            yield number, f'"{target}" does not exist'


def same_names(files):
    """Modules (a .c, a .h or both of one folder) that share their base name with another."""
    places = collections.defaultdict(set)
    for path in files:
        places[path.stem].add(path.with_suffix(""))
    for modules in places.values():
        if len(modules) > 1:
            yield " ".join(str(m) for m in sorted(modules))


def main():
    planted = [pathlib.Path(p) for p in ("a/x.c", "a/x.h", "b/y.c", "c/y.h")]
    if list(same_names(planted)) != ["b/y c/y"]:
        print("this check does not find two modules of one name")
        return 1
    daemon = pathlib.Path(__file__).resolve().parents[2] / "daemon"
    files = sorted(p for p in daemon.rglob("*") if p.suffix in (".c", ".h"))
    faults = [f"{p.relative_to(daemon.parent)}:{n}: {why}" for p in files for n, why in faults_in(p, daemon)]
    faults += [f"one base name: {names}" for names in same_names([p.relative_to(daemon.parent) for p in files])]
    print("\n".join(faults) or f"{len(files)} files")
    return 1 if faults or not files else 0


if __name__ == "__main__":
    sys.exit(main())
