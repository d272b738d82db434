# label: sanitize
"""daemon/control/PROTOCOL.md: its examples are replayed, and its lists are those of the code."""
import json
import os
import re
import time

import penstock_test
from penstock_test import until

DOCUMENT = penstock_test.ROOT / "daemon" / "control" / "PROTOCOL.md"
KINDS = penstock_test.ROOT / "daemon" / "record" / "kind.c"
FILES = "http://files.example/"
ANY = "…"


def blocks(kind):
    return re.findall(rf"^```{re.escape(kind)}\n(.*?)^```$", DOCUMENT.read_text(), re.M | re.S)


def fault(shown, got, where="the line"):
    """Why `got` is not what is shown; None if it is."""
    if shown == ANY:
        return None
    if type(shown) is not type(got):
        return f"{where} is {got!r}, not {shown!r}"
    if isinstance(shown, dict):
        for name, value in shown.items():
            if name not in got:
                return f"{where} has no {name}: {got!r}"
            why = fault(value, got[name], f"{where}.{name}")
            if why:
                return why
        return None
    if isinstance(shown, list):
        if shown and shown[-1] == ANY:
            shown = shown[:-1]
            got = got[:len(shown)]
        if len(shown) != len(got):
            return f"{where} has {len(got)} items, not {len(shown)}: {got!r}"
        return next(filter(None, (fault(s, g, f"{where}[{i}]") for i, (s, g) in enumerate(zip(shown, got)))), None)
    return None if shown == got else f"{where} is {got!r}, not {shown!r}"


def settled(stats):
    """A worker, and a connection that was closed, are counted for a moment longer."""
    return stats["workers"]["busy"] == 0 and stats["control"]["clients"] == 1


class Protocol(penstock_test.Case):
    def replay(self, rpc, block, base):
        skip = False
        for line in block.splitlines():
            arrow, text = line[:4], line[4:].replace(FILES, base)
            if arrow == "--> ":
                rpc.send(text)
            elif arrow == "<-- " and text == ANY:
                skip = True
            elif arrow == "<-- ":
                why = fault(json.loads(text), rpc.receive())
                while skip and why:
                    why = fault(json.loads(text), rpc.receive())
                skip = False
                self.assertIsNone(why, f"{line}\n{why}")
            else:
                self.fail(f"neither --> nor <--: {line}")

    def test_examples(self):
        root = self.dir / "files"
        root.mkdir()
        (root / "people.csv").write_text(blocks("people.csv")[0])
        os.utime(root / "people.csv", (time.time() - 3600,) * 2)  # a younger one leaves no validator
        base = self.origin("--root", root).url("/file/")
        daemon = self.daemon()
        examples = blocks("protocol")
        self.assertGreater(len(examples), 10)
        for block in examples:
            with daemon.rpc() as rpc:
                until(lambda: settled(rpc.call("stats")), "the daemon is done with the example before")
                self.replay(rpc, block, base)

    def test_every_method_has_an_example(self):
        with self.daemon().rpc() as rpc:
            message = rpc.fail("no_such_method")["message"]
        methods = message.rpartition("there are ")[2].split(", ")
        self.assertIn("ping", methods)
        text = "".join(blocks("protocol"))
        for method in methods:
            self.assertIn(f'"method":"{method}"', text)
            self.assertIn(f"\n### {method}\n", DOCUMENT.read_text())

    def test_lists(self):
        """Each name of the log's closed lists stands in the document as code."""
        source, text = KINDS.read_text(), DOCUMENT.read_text()
        names = re.findall(r'\[(?:KIND|VERIFIED|JOB)_\w+\] = "(\w+)"', source)
        self.assertGreater(len(names), 30)
        for name in names:
            self.assertIn(f"`{name}`", text, name)


if __name__ == "__main__":
    penstock_test.main()
