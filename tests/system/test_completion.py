"""Completion offers just the commands and options that the client has, and what the daemon knows; tried in the shells."""
import re
import shutil
import unittest

import penstock_test
from penstock_test import until
from test_top import Terminal

CTL = penstock_test.BIN / "penstockctl"
SCRIPTS = penstock_test.ROOT / "config" / "completions"
GLOBAL = {"--socket", "--json", "--help", "--version"}


def help_of(*words):
    return penstock_test.run(CTL, *words, "--help", check=0).stdout


class Offers(penstock_test.Case):
    """What the client says to each of the shells."""

    def offered(self, *words, socket="/nonexistent"):
        lines = penstock_test.run(CTL, "__complete", *words, check=0, env={"PENSTOCK_SOCKET": str(socket)}).stdout.splitlines()
        self.directive = lines.pop()
        return [line.partition("\t")[0] for line in lines]

    def commands(self):
        found = set(re.findall(r"(?m)^  ([a-z-]+)(?: |$)", help_of().partition("SELECT\n")[0]))
        self.assertGreater(len(found), 15)
        return found

    def test_commands(self):
        self.assertEqual(set(self.offered("")), self.commands())
        self.assertEqual(set(self.offered("help", "")), self.commands())
        self.assertEqual(self.offered("expl"), ["explain"])

    def test_options_of_each_command(self):
        for command in sorted(self.commands()):
            with self.subTest(command=command):
                known = set(re.findall(r"(?m)^  (--[a-z][a-z-]*)", help_of(command)))
                self.assertEqual(set(self.offered(command, "--")), known)

    def test_values(self):
        for words, first, directive in (
                (["list", "--state", "f"], ["failed"], ":none"), (["list", "--state=f"], ["--state=failed"], ":none"),
                (["list", "--error", "trunc"], ["truncated"], ":none"), (["submit", "--deliver", ""], ["stream", "commit"], ":none"),
                (["follow", "--events", "record,ver"], ["record,verdict"], ":none"), (["submit", "--from", ""], [], ":files"),
                (["submit", "--from=x"], [], ":files"), (["schedule", "apply", ""], [], ":files"),
                (["schedule", "r"], ["run", "remove"], ":none"), (["pause", "h"], ["host"], ":none"),
                (["run", "http://x/", ""], ["--"], ":none"), (["run", "http://x/", "--", ""], [], ":command 3"),
                (["--socket", "/x", "run", "http://x/", "--grace", "5s", "--", "cat", "-"], [], ":command 7"),
                (["list", "--limit", ""], [], ":none"), (["list", "--no-such=x"], [], ":none"), ([], [], None)):
            with self.subTest(words=words):
                if directive:
                    self.assertEqual((self.offered(*words), self.directive), (first, directive))
                else:
                    self.assertIn("submit", self.offered(*words))

    def test_what_the_daemon_knows(self):
        daemon = self.daemon()
        web = self.origin()
        offered = lambda *words: self.offered(*words, socket=daemon.socket)
        failed = daemon.submit(web.url("/bytes?n=9&status=404"), max_attempts=1, labels={"run": "7"})
        until(lambda: daemon.state(failed) == "failed", "its end is stored")
        runs = daemon.submit(web.url("/silence"))
        daemon.call("schedule_add", {"name": "people", "url": web.url("/lines?n=1"), "every": "1h"})
        self.assertEqual(offered("show", ""), [str(runs), str(failed)])
        self.assertEqual((offered("cancel", ""), offered("retry", "")), ([str(runs)], [str(failed)]))
        self.assertEqual(offered("show", str(failed), ""), [])
        self.assertEqual(offered("list", "--host", ""), ["127.0.0.1"])
        self.assertEqual(offered("list", "--label", "r"), ["run=7"])
        self.assertEqual((offered("schedule", "run", "p"), offered("pause", "schedule", "")), (["people"], ["people"]))
        self.assertIn("csv", offered("submit", "--parser", "c"))
        self.assertIn("delimiter=", offered("submit", "--parser", "csv", "--option", "d"))
        self.assertIn("--option=delimiter=", offered("submit", "--parser=csv", "--option=d"))
        self.assertEqual(offered("submit", "--option", "d"), [])
        line = penstock_test.run(CTL, "--socket", daemon.socket, "__complete", check=2)
        self.assertIn("there is no command", line.stderr)
        lines = penstock_test.run(CTL, "__complete", "--socket", daemon.socket, "retry", "", check=0).stdout.splitlines()
        self.assertEqual(lines[0], f"{failed}\tfailed {web.url('/bytes?n=9&status=404')}")
        daemon.ctl("cancel", runs, check=0)


class Shells(penstock_test.Case):
    """In a terminal, with the Tab key."""

    def setUp(self):
        super().setUp()
        self.penstock = self.daemon()
        self.web = self.origin()
        self.jobs = [self.penstock.submit(self.web.url(f"/silence?id={i}")) for i in range(2)]

    def tearDown(self):
        for job in self.jobs:
            self.penstock.call("cancel", {"id": job})
        super().tearDown()

    def shell(self, name, start):
        if not shutil.which(name):
            raise unittest.SkipTest(f"there is no {name}")
        terminal = Terminal(self, 120, 30)
        terminal.start(f"export PATH={penstock_test.BIN}:$PATH PENSTOCK_SOCKET={self.penstock.socket}; clear; {start}")
        return terminal

    def press(self, terminal, line, expected, tabs=1):
        """Types a line, presses Tab, waits for the screen, and empties the line again."""
        terminal.type("-l", line)
        for _ in range(tabs):
            terminal.type("Tab")
        terminal.shows(expected)
        terminal.type("C-u")
        terminal.type("C-l")
        terminal.shows(r"\AP> *\n\s*\Z")

    def try_all(self, terminal):
        self.press(terminal, "penstockctl expl", r"^P> penstockctl explain")
        self.press(terminal, "penstockctl list --sta", r"^P> penstockctl list --state")
        self.press(terminal, "penstockctl list --error trunc", r"^P> penstockctl list --error truncated")
        self.press(terminal, "penstockctl list --error=trunc", r"^P> penstockctl list --error=truncated")
        self.press(terminal, "penstockctl submit x --parser cs", r"^P> penstockctl submit x --parser csv")
        self.press(terminal, "penstockctl submit x --parser csv --option delim",
                   r"^P> penstockctl submit x --parser csv --option delimiter=")
        self.press(terminal, "penstockctl submit --from onlyo", r"^P> penstockctl submit --from onlyone\.txt")
        self.press(terminal, "penstockctl submit --from=onlyo", r"^P> penstockctl submit --from=onlyone\.txt")
        self.press(terminal, "penstockctl run http://x/ -- sha256su", r"^P> penstockctl run http://x/ -- sha256sum")

    def test_bash(self):
        (self.dir / "onlyone.txt").touch()
        rc = self.wrote("bashrc", f"PS1='P> '; cd {self.dir}; . {SCRIPTS}/penstockctl.bash\n")
        terminal = self.shell("bash", f"exec bash --noprofile --rcfile {rc}")
        terminal.shows(r"^P> *$")
        self.try_all(terminal)
        self.press(terminal, "penstockctl cancel ", rf"^{self.jobs[1]} +{self.jobs[0]} *$", tabs=2)

    def test_zsh(self):
        (self.dir / "onlyone.txt").touch()
        place = self.dir / "zsh"
        self.wrote("zsh/.zshrc", f"PS1='P> '; cd {self.dir}; fpath=({SCRIPTS} $fpath); autoload -U compinit; compinit -u -D\n")
        terminal = self.shell("zsh", f"ZDOTDIR={place} exec zsh -i")
        terminal.shows(r"^P> *$")
        self.try_all(terminal)
        self.press(terminal, "penstockctl cancel ", rf"^{self.jobs[1]} +-- running http://127\.0\.0\.1")

    def test_fish(self):
        (self.dir / "onlyone.txt").touch()
        self.wrote("fish/fish/config.fish", f"function fish_prompt; echo -n 'P> '; end; set fish_greeting; cd {self.dir}; "
                   f"source {SCRIPTS}/penstockctl.fish\n")
        terminal = self.shell("fish", f"XDG_CONFIG_HOME={self.dir}/fish XDG_DATA_HOME={self.dir}/fish fish_features= exec fish -i")
        terminal.shows(r"^P> *$")
        self.try_all(terminal)
        self.press(terminal, "penstockctl cancel ", rf"{self.jobs[1]}  *\(running http://127\.0\.0\.1")


if __name__ == "__main__":
    penstock_test.main()
