"""bash's completion offers just the commands and options that the client has."""
import re

import penstock_test

CTL = penstock_test.BIN / "penstockctl"
SCRIPT = penstock_test.ROOT / "config" / "completions" / "penstockctl.bash"


def offered(*words):
    """What is offered for the last of these words."""
    line = f'. "{SCRIPT}"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _penstockctl; printf "%s\\n" "${{COMPREPLY[@]}}"'
    return set(penstock_test.run("bash", "--norc", "-c", line, "bash", "penstockctl", *words, check=0).stdout.split())


def help_of(*words):
    return penstock_test.run(CTL, *words, "--help", check=0).stdout


class Completion(penstock_test.Case):
    def commands(self):
        found = set(re.findall(r"(?m)^  ([a-z]+)(?: |$)", help_of().partition("SELECT\n")[0]))
        self.assertGreater(len(found), 15)
        return found

    def test_commands(self):
        self.assertEqual({word for word in offered("") if not word.startswith("-")}, self.commands())

    def test_options_of_each_command(self):
        for command in sorted(self.commands() - {"schedule"}):
            with self.subTest(command=command):
                known = set(re.findall(r"(?m)^  (--[a-z][a-z-]*)", help_of(command)))
                self.assertEqual(offered(command, "--") - {"--"}, known)

    def test_schedule(self):
        known = set(re.findall(r"(?m)^  (--[a-z][a-z-]*)", help_of("schedule")))
        self.assertEqual(offered("schedule", "add", "x", "--"), known)
        self.assertEqual({w for w in offered("schedule", "") if w[0] != "-"}, {"apply", "add", "list", "run", "remove"})


if __name__ == "__main__":
    penstock_test.main()
