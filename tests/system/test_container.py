#!/usr/bin/env python3
"""config/Containerfile: each of its lines is one that holds of this tree and of its packages. (No builder is asked: it would fetch a base.)"""
import re
import shlex

import penstock_test
from penstock_test import BIN, ROOT

FILE = ROOT / "config" / "Containerfile"


def instructions():
    """[(WORD, rest)], comments left out, lines joined."""
    text = re.sub(r"(?m)^\s*#.*\n", "", FILE.read_text()).replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]


def stages():
    """[[(WORD, rest)…]…], one for each FROM."""
    found = []
    for word, rest in instructions():
        if word == "FROM":
            found.append([])
        if found:
            found[-1].append((word, rest))
    return found


class Containerfile(penstock_test.Case):
    def values(self, stage, word):
        return [rest for name, rest in stage if name == word]

    def test_each_command_can_be_read(self):
        known = {"ARG", "FROM", "COPY", "WORKDIR", "RUN", "ENV", "VOLUME", "USER", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT"}
        self.assertLessEqual({word for word, _ in instructions()}, known)
        for word, rest in instructions():
            if word == "RUN":
                penstock_test.run("sh", "-n", "-c", rest, check=0)
                if rest.startswith("bash -c "):
                    penstock_test.run("bash", "-n", "-c", shlex.split(rest)[2], check=0)

    def test_what_it_builds_with(self):
        """The packages are those that the tree names, and the way to them works."""
        (line,) = [rest for rest in self.values(stages()[0], "RUN") if "packages_of" in rest]
        command = shlex.split(line)[2].replace("apt_install", "echo")
        told = penstock_test.run("bash", "-c", command, check=0, cwd=ROOT).stdout.split()
        for name in ("cmake", "gcc", "libcurl4-openssl-dev", "libsqlite3-dev", "dpkg-dev"):
            self.assertIn(name, told)
        listed = re.findall(r"(?m)^build +(\S+)", (ROOT / "config" / "packages").read_text())
        self.assertLessEqual(set(listed), set(told))

    def test_it_makes_the_packages(self):
        """cmake's words are those of a build that cpack makes packages of, and the second stage takes them from there."""
        build, image = stages()
        words = " ".join(self.values(build, "RUN"))
        self.assertIn("-DCMAKE_INSTALL_PREFIX=/usr", words)
        config = BIN.resolve().parent / "CPackConfig.cmake"
        self.assertIn("DEB-DEFAULT", config.read_text())  # NAME_VERSION_ARCHITECTURE.deb
        (copied,) = self.values(image, "COPY")
        place = re.search(r"cpack -B (\S+)", words)[1]
        self.assertEqual(copied.split()[:2], ["--from=build", f"{place}/penstock_*.deb"])

    def test_how_it_runs(self):
        image = stages()[1]
        self.assertEqual(self.values(image, "USER"), ["penstock"])
        self.assertIn("u penstock ", (ROOT / "systemd" / "penstock.sysusers").read_text())
        environment = dict(item.split("=") for item in self.values(image, "ENV")[0].split())
        made = " ".join(self.values(image, "RUN"))
        for place in environment.values():
            self.assertIn(place, made)
        self.assertEqual(self.values(image, "VOLUME"), [environment["STATE_DIRECTORY"]])
        self.assertEqual(self.values(image, "ENTRYPOINT"), ['["/usr/sbin/penstockd"]'])

    def test_its_daemon_and_its_health(self):
        """What the image starts, with its environment, is what its health check finds well; and ill once it is gone."""
        (health,) = self.values(stages()[1], "HEALTHCHECK")
        check = [BIN / "penstockctl", *re.findall(r'"([^"]*)"', health)[1:]]
        self.assertEqual(re.search(r'CMD \["(\w+)"', health)[1], "penstockctl")
        run, state = self.dir / "run", self.dir / "state"
        run.mkdir()
        state.mkdir()
        daemon = self.daemon({"store.engine": "sqlite", "store.path": None, "control.socket": None, "flow.spool_dir": None}, wait=False,
                             env={"RUNTIME_DIRECTORY": str(run), "STATE_DIRECTORY": str(state), "PATH": "/usr/bin:/bin"})
        socket = {"PENSTOCK_SOCKET": str(run / "control.sock"), "PATH": "/usr/bin:/bin"}
        penstock_test.until(lambda: penstock_test.run(*check, env=socket).returncode == 0, "the health check to be content")
        self.assertTrue((state / "penstock.db").exists())
        daemon.stop()
        self.assertNotEqual(penstock_test.run(*check, env=socket).returncode, 0)


if __name__ == "__main__":
    penstock_test.main()
