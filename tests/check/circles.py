#!/usr/bin/env python3
"""No circle of calls is closed among the files of a folder, and none between two folders.

Files that stand in a circle today are listed in circles.known. That list may only shrink: `circles.py --shrink` takes
out what needs no exception any more.
"""
import collections
import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import objects  # noqa: E402

KNOWN = HERE / "circles.known"


def circles(calls):
    """The strongly connected parts of a graph that have more than one member (Tarjan), each sorted."""
    index, low, stack, on_stack, found = {}, {}, [], set(), []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        on_stack.add(node)
        for other in sorted(calls.get(node, ())):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in on_stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            part = []
            while not part or part[-1] != node:
                part.append(stack.pop())
                on_stack.discard(part[-1])
            if len(part) > 1:
                found.append(sorted(part))

    for node in sorted(calls):
        if node not in index:
            visit(node)
    return found


def faults_of(tree):
    """exception -> fault"""
    calls = tree.calls()
    inside, between = collections.defaultdict(set), collections.defaultdict(set)
    for source, targets in calls.items():
        for target in targets:
            here, there = objects.folder(source), objects.folder(target)
            if here == there:
                inside[source].add(target)
            else:
                between[here].add(there)
    found = {}
    for circle in circles(inside):
        for source in circle:
            others = ", ".join(sorted(inside[source] & set(circle)))
            found[source] = f"{source}: closes a circle of {len(circle)} files: it calls {others}"
    for circle in circles(between):
        for name in circle:
            found[f"{name}/"] = f"daemon/{name}/: closes a circle of folders: {' '.join(circle)}"
    return found


def self_test():
    """The check sees a planted circle, and an exception that nobody needs."""
    with tempfile.TemporaryDirectory() as directory:
        plant = {"daemon/x/a.c": "void b(void); void a(void) { b(); }",
                 "daemon/x/b.c": "void c(void); void d(void); void b(void) { c(); d(); }",
                 "daemon/x/c.c": "void a(void); void c(void) { a(); }",
                 "daemon/x/d.c": "void d(void) { }",
                 "daemon/y/e.c": "void f(void); void e(void) { f(); }",
                 "daemon/z/f.c": "void e(void); void f(void) { e(); }"}
        found = faults_of(objects.compile_planted(directory, plant))
    expected = ["daemon/x/a.c", "daemon/x/b.c", "daemon/x/c.c", "y/", "z/"]
    assert sorted(found) == expected, found
    assert objects.judge(found, set(expected), "list") == []
    assert len(objects.judge(found, set(expected[1:]), "list")) == 1
    assert len(objects.judge({}, {"daemon/x/d.c"}, "list")) == 1


def main():
    self_test()
    tree = objects.Objects(objects.build())
    if not tree.defined:
        print("skipped: the build has no objects that nm can read")
        return 77
    found = faults_of(tree)
    if "--shrink" in sys.argv[1:]:
        objects.shrink(KNOWN, found)
    if "--list" in sys.argv[1:]:
        print("\n".join(sorted(found)))
        return 0
    faults = objects.judge(found, objects.known(KNOWN), KNOWN.name)
    print("\n".join(faults) or f"{len(tree.defined)} files, {len(found)} of them excepted")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
