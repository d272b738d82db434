"""config/quickstart.sh and config/fleet-demo.sh, run as a stranger would: from anywhere, with a clone's path of any kind, without a
terminal; it leaves nothing behind."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

import penstock_test
from penstock_test import until

SCRIPT = penstock_test.ROOT / "config" / "quickstart.sh"
FLEET = SCRIPT.with_name("fleet-demo.sh")


def processes(marker):
    """Pids whose command line or environment name the directory."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if marker.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


class Quickstart(penstock_test.Case):
    def setUp(self):
        super().setUp()
        if penstock_test.BIN != penstock_test.ROOT / "build" / "bin":
            self.skipTest("these are not the programs in build/")
        # Where nobody may look, a daemon that runs as nobody could not keep its socket.
        self.tmp = pathlib.Path(tempfile.mkdtemp(prefix="penstock test ."))
        self.addCleanup(shutil.rmtree, self.tmp, ignore_errors=True)
        os.chmod(self.tmp, 0o1777)
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("PENSTOCK")} | {"TMPDIR": str(self.tmp)}

    def quickstart(self, *arguments, status=0, script=SCRIPT, **kwargs):
        kwargs.setdefault("env", self.env)
        done = penstock_test.run(script, "--no-install", *arguments, cwd="/", seconds=600, **kwargs)
        self.assertEqual(done.returncode, status, done.stdout[-3000:] + done.stderr[-3000:])
        return done

    def assert_nothing_left(self):
        self.assertEqual(os.listdir(self.tmp), [])
        until(lambda: not processes(str(self.tmp)), "every process has ended")

    def test_by_itself(self):
        done = self.quickstart()
        out = done.stdout
        self.assertEqual(len(re.findall(r'^{"ts":"[^"]+","event":"record"', out, re.M)), 3, out)
        states = re.findall(r'^{"ts":.*"event":"verdict".*?"state":"(\w+)"', out, re.M)
        self.assertEqual(states, ["done", "failed"], out)
        self.assertIn('"kind":"truncated"', out)
        self.assertIn("$ penstockd ", out)
        self.assertIn("$ penstockctl submit", out)
        whole, half = re.search(r"\$ wc -l <.*\n(\d+)\n(?:.*\n)*?\$ curl .*\n(\d+)\n", out).groups()
        self.assertGreater(int(whole), int(half))
        self.assert_nothing_left()

    def test_with_a_url(self):
        web = self.origin()
        out = self.quickstart(web.url("/csv?n=5"), "csv").stdout
        self.assertIn("name 1", out)
        self.quickstart(web.url("/csv?n=5&status=404"), "csv", status=1)
        self.assert_nothing_left()

    def test_fleet(self):
        """One member is killed and one is stopped: each URL has one verdict, and all run."""
        if not (penstock_test.BIN.parent / "modules" / "penstock-postgresql.so").exists():
            self.skipTest("the module is not built")
        self.quickstart("--nonsense", status=2, script=FLEET)
        out = self.quickstart(script=FLEET).stdout
        urls = re.findall(r"^(http://h\d+\.localhost\S+)\tdone\t(\d+)\t([abc])$", out, re.M)
        self.assertEqual((len(urls), len({url for url, _, _ in urls})), (300, 300), out[-3000:])
        self.assertEqual({by for _, _, by in urls}, {"a", "b", "c"})
        self.assertGreater({attempt for _, attempt, _ in urls}, {"1"})
        peaks = dict(re.findall(r"^(\d+):((?: h\d+)+)$", out, re.M))
        self.assertEqual(sum(len(hosts.split()) for hosts in peaks.values()), 30)
        self.assertLessEqual(set(peaks), {"1", "2", "3", "4"})  # the limit, and as many of the one that was stopped
        self.assert_nothing_left()

    def test_usage(self):
        self.quickstart("--nonsense", status=2)
        self.quickstart("a", "b", "c", status=2)
        self.assertIn("usage:", self.quickstart("--help").stdout)

    def test_interrupted(self):
        web = self.origin()
        script = subprocess.Popen([SCRIPT, "--no-install", web.url("/silence")], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=self.env, start_new_session=True)
        until(lambda: web.counts("/silence").get("stalled") or script.poll() is not None, "it downloads", 280)
        os.killpg(script.pid, signal.SIGTERM)
        self.assertEqual(script.wait(60), 143)
        self.assert_nothing_left()

    def test_interrupted_while_it_builds(self):
        """What was built before stays."""
        clone, tools = self.tmp / "clone", self.tmp / "tools"
        shutil.copytree(SCRIPT.parent, clone / "config")
        kept = clone / "build" / "kept"
        kept.parent.mkdir()
        kept.touch()
        tools.mkdir()
        (tools / "cmake").write_text("#!/bin/sh\nkill -TERM $PPID\n")
        (tools / "cmake").chmod(0o755)
        self.env["PATH"] = f"{tools}:{self.env['PATH']}"
        self.quickstart(script=clone / "config" / "quickstart.sh", status=143)
        self.assertTrue(kept.exists())
        self.assertEqual(sorted(os.listdir(self.tmp)), ["clone", "tools"])

    def test_keep(self):
        out = self.quickstart("--keep").stdout
        self.assertTrue(processes(str(self.tmp)))
        talk = re.search(r"^    (export PENSTOCK_SOCKET=.*)$", out, re.M).group(1)
        stop = re.search(r"^    (kill .*)$", out, re.M).group(1)
        self.addCleanup(penstock_test.run, "bash", "-c", stop)  # whatever happens here
        penstock_test.run("bash", "-c", f"{talk}\npenstockctl ping", check=0)
        penstock_test.run("bash", "-c", stop, check=0)
        until(lambda: not os.listdir(self.tmp) and not processes(str(self.tmp)), "it has stopped")

    def lend_objects(self, clone):
        """What has been compiled here need not be compiled there again: it is configured as prepare.sh does it, and gets the
        objects, but for one folder's, so that something is compiled."""
        line = '. "$1/config/prepare.sh" && as_owner cmake -S "$root" -B "$root/build" "${cache_options[@]}"'
        penstock_test.run("bash", "-c", line, "-", clone, check=0, env=self.env, cwd="/", seconds=600)
        here, there = penstock_test.BIN.parent, clone / "build"
        for made in [o for d in ("CMakeFiles", "tests") for o in (here / d).rglob("*.o")]:
            copy = there / made.relative_to(here)
            if copy.parent.exists() and "penstock_base.dir" not in made.parts:
                shutil.copyfile(made, copy)
                shutil.chown(copy, "nobody", "nogroup")

    def test_as_another_user(self):
        """A clone of a user's, in a path with spaces: root's run leaves no file of root's in it."""
        if os.geteuid() != 0:
            self.skipTest("only root can try other users' clones")
        clone = self.tmp / "a clone"
        shutil.copytree(penstock_test.ROOT, clone, ignore=shutil.ignore_patterns("build*", ".git"), symlinks=True)
        subprocess.run(["chown", "-R", "nobody:nogroup", str(clone)], check=True)
        self.lend_objects(clone)
        self.quickstart(script=clone / "config" / "quickstart.sh")
        owners = {p.lstat().st_uid for p in clone.rglob("*")}
        self.assertEqual(owners, {clone.stat().st_uid})
        without = {k: v for k, v in self.env.items() if k != "HOME"}
        command = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", clone / "config" / "quickstart.sh", "--no-install"]
        penstock_test.run(*command, check=0, env=without, seconds=600, cwd="/")
        shutil.rmtree(clone)
        self.assert_nothing_left()


if __name__ == "__main__":
    penstock_test.main()
