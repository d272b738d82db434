"""The client's help: a page for each command, which says the same as the man page and the configuration."""
import re

import penstock_test

CTL = penstock_test.BIN / "penstockctl"
PAGE = penstock_test.ROOT / "daemon" / "man" / "penstockctl.1"
CONFIG = penstock_test.ROOT / "config" / "penstockd.conf"
BEGIN, END = '.\\" The examples of the help, by tests/system/test_help.py --write.\n', '.\\" The end of those.\n'


def help_of(*words):
    return penstock_test.run(CTL, "help", *words, check=0).stdout


def commands():
    return re.findall(r"(?m)^  ([a-z]+)(?: |$)", help_of().partition("SELECT\n")[0])


def examples(command):
    return re.findall(r"(?m)^  (penstockctl .*)$", help_of(command).partition("\nExamples\n")[2])


def mdoc():
    """The examples as they stand in the man page."""
    text = ""
    for command in commands():
        text += f".Ss {command}\n" + "".join(".Dl $ " + e.replace("\\", "\\e").replace("-", "\\-") + "\n" for e in examples(command))
    return text


class Help(penstock_test.Case):
    def test_each_command_has_a_page(self):
        for command in commands():
            with self.subTest(command=command):
                page = help_of(command)
                self.assertEqual(page, penstock_test.run(CTL, command, "--help", check=0).stdout)
                self.assertTrue(page.startswith(f"usage: penstockctl {command}"), page)
                self.assertEqual(len(examples(command)), 2)
                self.assertLessEqual(max(map(len, page.splitlines())), 110)
                options = page.partition("\nEverywhere\n")[0]
                self.assertEqual("\nTIME: " in page, bool(re.search(r"(?m)^  --\S+ TIME", options)))
                self.assertEqual("\nSIZE: " in page, bool(re.search(r"(?m)^  --\S+ SIZE", options)))

    def test_examples_are_understood(self):
        """None of them is a fault of usage."""
        daemon = self.daemon({"policy.allow": None})
        for command in commands():
            for example in examples(command):
                words = example.split()[1:]
                if command in ("run", "follow", "top", "schedule", "metrics", "submit"):
                    words.append("--help")
                if "--" in words:
                    words.insert(1, "--help")
                with self.subTest(example=example):
                    done = daemon.ctl(*words)
                    self.assertIn(done.returncode, (0, 3), done.stderr)

    def test_the_man_page_has_them(self):
        self.assertEqual(PAGE.read_text().partition(BEGIN)[2].partition(END)[0], mdoc(), "tests/system/test_help.py --write")

    def test_defaults(self):
        """Those of a job are the configuration's."""
        config = dict(re.findall(r"(?m)^#([a-z_]+) = (.*)$", CONFIG.read_text().partition("[defaults]")[2].partition("[ceilings]")[0]))
        page = help_of("submit")
        told = {m[0].replace("-", "_"): m[1] for m in re.findall(r"(?m)^  --([a-z-]+)[^\n]*(?:\n {20,}[^\n]*)?\[([^\]]+)\]$", page)}
        self.assertGreater(len(told), 20)
        for name, value in told.items():
            if name != "method":
                self.assertEqual(value, config[name], name)
        for name, value in config.items():
            if value:
                self.assertIn(name, told)


def write():
    text = PAGE.read_text()
    head, _, rest = text.partition(BEGIN)
    PAGE.write_text(head + BEGIN + mdoc() + END + rest.partition(END)[2])


if __name__ == "__main__":
    import sys

    if sys.argv[1:] == ["--write"]:
        write()
    else:
        penstock_test.main()
