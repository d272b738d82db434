#!/usr/bin/env python3
"""A header declares what the .c of the same name defines, and nobody else's; a .c declares nobody else's at all.

Headers that do otherwise today are listed in prototypes.known, by the names that they declare. That list may only shrink:
`prototypes.py --shrink` takes out what needs no exception any more.
"""
import pathlib
import re
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import objects  # noqa: E402

KNOWN = HERE / "prototypes.known"
NOISE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'|^[ \t]*#(?:\\\n|[^\n])*', re.S | re.M)
ATTRIBUTE = re.compile(r"__attribute__\s*\(\((?:[^()]|\([^()]*\))*\)\)")
NAME = re.compile(r"\w+")


def statements(text):
    """What stands outside of all braces, cut at semicolons and after a function's body: (text, has a body)."""
    text = ATTRIBUTE.sub(" ", NOISE.sub(" ", text))
    start, depth, body = 0, 0, False
    outside = []
    for i, char in enumerate(text):
        if char == "{":
            if depth == 0:
                outside.append(text[start:i])
                body = True
            depth += 1
        elif char == "}":
            depth -= 1
            start = i + 1
            # A function's body ends a statement; that of a struct, an enum or an initializer does not.
            if depth == 0 and re.search(r"\)\s*$", outside[-1]):
                yield "".join(outside), True
                outside, body = [], False
        elif char == ";" and depth == 0:
            outside.append(text[start:i])
            yield "".join(outside), body
            outside, body, start = [], False, i + 1


def declared(text):
    """The functions and objects that a file declares and does not define."""
    for statement, body in statements(text):
        words = NAME.findall(statement)
        if not words or words[0] in ("typedef", "static", "_Static_assert") or "static" in words[:3]:
            continue
        pointer = re.match(r"^[^()]*\(\s*\*", statement)  # a pointer to a function
        function = re.match(r"^[^()=]*?(\w+)\s*\(", statement)
        if function and not body and not pointer:
            yield function.group(1)
        elif words[0] == "extern" and "," not in statement:  # a list is a table of one object a file
            yield re.search(r"(\w+)\s*(?:\[[^\]]*\]\s*)*$", statement).group(1)


def faults_of(tree, root):
    """exception -> fault"""
    found = {}
    for path in sorted((root / "daemon").rglob("*.[ch]")):
        file = str(path.relative_to(root))
        own = file[: -len(".h")] + ".c"
        for name in declared(path.read_text()):
            definers = tree.definers.get(name, set())
            if own in definers:
                continue
            near = {d for d in definers if objects.folder(d) == objects.folder(file)} or definers
            where = f"{' and '.join(sorted(near))} defines it" if near else "nothing defines it"
            found[name] = f"{file}: declares {name}, but {where}"
    return found


def self_test():
    """The check sees prototypes at the wrong place, and an exception that nobody needs."""
    with tempfile.TemporaryDirectory() as directory:
        plant = {"daemon/x/a.h": """#define A(x) \\
                                        void macro(int x);
                                    struct s { int (*member)(void); int n; };
                                    typedef int (*pointer)(int);
                                    /* void comment(void); */
                                    int a(int (*callback)(void), const char *format, ...) __attribute__((format(printf, 2, 3)));
                                    static inline int one(void) { return 1; }
                                    struct s *b(void); extern const int far[3]; extern const int e, f;
                                    int nowhere(void);""",
                 "daemon/x/a.c": '#include "x/a.h"\nint c(void);\nconst int table[2];'
                                 "int a(int (*callback)(void), const char *format, ...) { return c(); }",
                 "daemon/x/b.c": '#include "x/a.h"\nstruct s *b(void) { return 0; } int c(void) { return 0; } const int far[3];'}
        found = faults_of(objects.compile_planted(directory, plant), pathlib.Path(directory))
    expected = ["b", "c", "far", "nowhere"]
    assert sorted(found) == expected, found
    assert objects.judge(found, set(expected), "list") == []
    assert len(objects.judge(found, set(expected[1:]), "list")) == 1
    assert len(objects.judge({}, {"a"}, "list")) == 1


def main():
    self_test()
    tree = objects.Objects(objects.build())
    if not tree.defined:
        print("skipped: the build has no objects that nm can read")
        return 77
    found = faults_of(tree, objects.ROOT)
    if "--shrink" in sys.argv[1:]:
        objects.shrink(KNOWN, found)
    if "--list" in sys.argv[1:]:
        print("\n".join(sorted(found)))
        return 0
    faults = objects.judge(found, objects.known(KNOWN), KNOWN.name)
    print("\n".join(faults) or f"{len(tree.defined)} files, {len(found)} prototypes excepted")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
