"""README.md, typed as it stands: each command of its examples runs and prints what the page shows, but for numbers
that differ from machine to machine (ports, ids, times)."""
import os
import re
import subprocess

import penstock_test
from penstock_test import until

README = penstock_test.ROOT / "README.md"


def blocks(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```$", README.read_text(), re.M | re.S)


def steps():
    """(command, the lines that it is shown to print) of each `$ ` line, in the page's order."""
    found = []
    for line in "".join(blocks("console")).splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def cut(printed, shown):
    """Lines that the page shows the beginning of end there. What stands before the … counts as it is shown."""
    lines = printed.splitlines()
    for i, line in enumerate(shown[:len(lines)]):
        if line.endswith("…") and shape(lines[i]).startswith(shape(line)[:-1]):
            lines[i] = line
    return "".join(line + "\n" for line in lines)


def shape(text):
    """Without what differs: times of day, and numbers with a decimal point."""
    text = re.sub(r'"ts":"[^"]*"', '"ts":"…"', text)
    return re.sub(r"\b\d+\.\d+ s\b", "N s", text)


class Readme(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.web = self.origin()
        self.port = self.web.url("/").split(":")[2].strip("/")
        (self.dir / "include").symlink_to(penstock_test.ROOT / "include")
        (self.dir / "build").symlink_to(penstock_test.BIN.resolve().parent)
        self.env = dict(os.environ, PATH=f"{penstock_test.BIN}:{os.environ['PATH']}",
                        PENSTOCK_SOCKET=str(self.dir / "control.sock"), HOME=str(self.dir), LC_ALL="C.UTF-8",
                        STATE_DIRECTORY=str(self.dir))
        self.before = "true"

    def start_daemon(self, command):
        """The one that the page starts in the background; its socket is the test's own, and its config the page's:
        none."""
        words = command.removesuffix("&").replace("penstockd ", f"exec penstockd --config /dev/null --set control.socket={self.dir}/control.sock ", 1)
        daemon = subprocess.Popen(["sh", "-c", words], cwd=self.dir, env=self.env, stdin=subprocess.DEVNULL)
        self.addCleanup(daemon.wait)
        self.addCleanup(daemon.kill)

        def answers():
            self.assertIsNone(daemon.poll(), "the daemon has ended")
            return subprocess.run(["penstockctl", "ping"], env=self.env, capture_output=True).returncode == 0
        until(answers, "the daemon answers")

    def type(self, command):
        """The shell is a new one each time: what `$?` was is set again."""
        done = subprocess.run(["bash", "-c", f"{self.before}\n{command}"], cwd=self.dir, env=self.env, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        self.before = f"(exit {done.returncode})"
        return done.stdout

    def test_as_it_stands(self):
        for name, source in zip(("count.c", "report.c"), blocks("c"), strict=True):
            (self.dir / name).write_text(source)
        ran = 0
        for command, shown in steps():
            with self.subTest(command):
                if command.startswith("test-origin"):
                    self.assertEqual(command, "test-origin --port 8080 &")  # the test's own runs already
                elif command.startswith("penstockd") and command.endswith("&"):
                    self.start_daemon(command)
                else:
                    printed = self.type(command.replace(":8080", f":{self.port}"))
                    printed = printed.replace(f" {self.port} ", " 8080 ").replace(f":{self.port}", ":8080")
                    self.assertEqual(shape(cut(printed, shown)), shape("".join(line + "\n" for line in shown)))
                    ran += 1
        self.assertEqual(ran, len(steps()) - 2)
        (script,) = blocks("python")
        (self.dir / "try.py").write_text(script.replace(":8080", f":{self.port}"))
        self.env["PYTHONPATH"] = str(penstock_test.ROOT / "daemon" / "client" / "python")
        self.assertEqual(self.type("python3 try.py"), "1000\nb'100\\n'\n")

    def test_its_pages_exist(self):
        for name, section in re.findall(r"\b((?:lib)?penstock[a-z.-]*)\((\d)\)", README.read_text()):
            self.assertTrue((penstock_test.ROOT / "daemon" / "man" / f"{name}.{section}").exists(), name)

    def test_its_length(self):
        """One can read it in a few minutes."""
        lines = README.read_text().splitlines()
        self.assertLessEqual(len(lines), 150)
        self.assertEqual([line for line in lines if len(line) > 100], [])


if __name__ == "__main__":
    penstock_test.main()
