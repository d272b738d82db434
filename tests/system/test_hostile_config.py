"""Configs that are no configs: of other people, without an end, without sense. Each is refused with a sentence, soon, and at
a reload by a daemon that goes on as before."""
import os
import resource
import socket
import subprocess
import sys
import unittest

import penstock_test
from penstock_test import PATIENCE

PENSTOCKD = penstock_test.BIN / "penstockd"
MEMORY = 400 << 20  # address space of --check with the largest of them, without a sanitizer's
NOBODY = 65534


class Config(penstock_test.Case):
    def check(self, path, **kwargs):
        began = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        done = penstock_test.run(PENSTOCKD, "--check", "--config", path, **kwargs)
        self.assertLess(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - began, 15 * PATIENCE)
        return done

    def assert_refused(self, path, text, **kwargs):
        done = self.check(path, **kwargs)
        self.assertEqual(done.returncode, 1, done)
        self.assertIn(text, done.stderr)
        self.assertLess(len(done.stderr), 2000)
        self.assertNotIn("\x1b", done.stderr)

    def test_what_is_no_file(self):
        """A FIFO would be waited for, a device never ends."""
        good = self.wrote("good.conf", "[daemon]\n")
        os.mkfifo(self.dir / "fifo")
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(str(self.dir / "socket"))
        (self.dir / "folder").mkdir()
        (self.dir / "loop").symlink_to("loop")
        (self.dir / "zero").symlink_to("/dev/zero")
        drop_ins = self.dir / "good.conf.d"
        drop_ins.mkdir()
        for name, text in (("fifo", "is no regular file"), ("socket", "No such device"), ("folder", "Is a directory"),
                           ("loop", "Too many levels"), ("zero", "is no regular file")):
            with self.subTest(name=name):
                self.assert_refused(self.dir / name, text)
                drop_in = drop_ins / "x.conf"
                drop_in.symlink_to(self.dir / name)
                self.assert_refused(good, text)
                drop_in.unlink()
        (drop_ins / "x.conf").symlink_to("/dev/null")  # as people mask one
        self.assertEqual(self.check(good).returncode, 0)

    def test_from_a_pipe(self):
        """Which is no file either, but somebody's wish."""
        done = penstock_test.run(PENSTOCKD, "--check", "--config", "/dev/stdin", input="[daemon]\ndrian = 1\n")
        self.assertIn("/dev/stdin:2: daemon.drian", done.stderr)
        done = penstock_test.run("bash", "-c", f"{PENSTOCKD} --check --config <(sleep 0.1; echo '[daemon]')")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        with open("/dev/zero", "rb") as zero:
            self.assert_refused("/dev/stdin", "is no regular file", stdin=zero)
        with subprocess.Popen([sys.executable, "-c", "while True: print('[daemon]' * 1000)"], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL) as endless:
            self.assert_refused("/dev/stdin", "over 16 MiB", stdin=endless.stdout)
            endless.stdout.close()
            endless.wait(penstock_test.DEADLINE)

    def test_of_others(self):
        """Whoever can write it can have commands run."""
        config = self.wrote("p.conf", "[daemon]\n")
        drop_in = self.wrote("p.conf.d/x.conf", "[daemon]\n")
        self.assertEqual(self.check(config).returncode, 0)
        for path in (config, drop_in, drop_in.parent):
            before = path.stat().st_mode & 0o777
            path.chmod(before | 0o002)
            self.assert_refused(config, f"{path} may be written by everybody (mode 0{before | 2:o}): chmod o-w")
            path.chmod(before | 0o020)  # a group is somebody's choice
            self.assertEqual(self.check(config).returncode, 0)
            path.chmod(before)
            if os.geteuid() == 0:
                os.chown(path, 12345, -1)
                self.assert_refused(config, f"{path} belongs to user 12345: it must belong to root or to the daemon's user")
                os.chown(path, 0, -1)

    @unittest.skipIf(os.geteuid() != 0, "only root can be somebody else")
    def test_as_another_user(self):
        """Root's and its own, and nobody else's."""
        self.dir.chmod(0o755)
        config = self.wrote("p.conf", "[daemon]\n")
        done = penstock_test.run("setpriv", "--reuid", NOBODY, "--clear-groups", "true")
        if done.returncode:
            self.skipTest("setpriv does not work here")
        for owner, good in ((0, True), (NOBODY, True), (12345, False)):
            os.chown(config, owner, -1)
            done = penstock_test.run("setpriv", "--reuid", NOBODY, "--clear-groups", PENSTOCKD, "--check", "--config", config)
            self.assertEqual(done.returncode == 0, good, done)

    def test_other_files_of_others(self):
        """A secret and a plug-in: the same question at another place."""
        secret = self.wrote("secret", "word\n")
        os.mkfifo(self.dir / "fifo", 0o600)
        (self.dir / "zero").symlink_to("/dev/zero")
        (self.dir / "folder").mkdir()
        text = '[credential "c"]\ntype = bearer\nhosts = a.test\nsecret_file = %s\n'
        secret.chmod(0o600)
        self.assertEqual(self.check(self.wrote("p.conf", text % secret)).stderr, "")
        secret.chmod(0o666)
        for path, why in ((secret, "has mode 0666"), (self.dir / "fifo", "is not a regular file"),
                          (self.dir / "zero", "is not a regular file"), (self.dir / "folder", "is not a regular file")):
            with self.subTest(path=path):
                done = self.check(self.wrote("p.conf", text % path))
                self.assertIn(why, done.stderr)
                self.assertNotIn("word", done.stderr)
        plugins = self.dir / "plugins"
        plugins.mkdir()
        os.mkfifo(plugins / "a.so")
        (plugins / "b.so").symlink_to("/dev/zero")
        (plugins / "c.so").mkdir()
        done = self.check(self.wrote("p.conf", f"[parse]\nplugin_dir = {plugins}\n"))
        self.assertEqual(done.stderr.count("it is no regular file"), 3, done)

    @staticmethod
    def limits():
        if not penstock_test.SANITIZED:
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    def test_without_measure(self):
        many = "up to 10000 sections"
        table = [
            ("a line", "[policy]\nallow = " + "a" * (15 << 20), "allow"),
            ("a gigabyte", None, "over 16 MiB"),
            ("sections", "".join(f"[s{i}]\n" for i in range(100_000)), many),
            ("hosts", "".join(f'[host "h{i}"]\n' for i in range(100_000)), many),
            ("parsers", "".join(f'[parser "p{i}"]\ntype = csv\n' for i in range(100_000)), many),
            ("keys", "[daemon]\n" + "".join(f"k{i} = 1\n" for i in range(100_000)), "1000 different keys"),
            ("values", "[policy]\n" + "allow = 10.0.0.1\n" * 200_000 + "x = 1\n", "policy.x"),
            ("one section again", "[daemon]\n" * 300_000 + "x = 1\n", "daemon.x"),
            ("stages", '[parser "p"]\ntype = exec\n' + "stage = cat\n" * 100_000, "up to 32 stages"),
            ("brackets", "[" * (10 << 20), "ends with ]"),
            ("quotes", '[host "' + '"' * (10 << 20) + "]", "printable ASCII"),
            ("NUL", "[daemon]\ndrain = 5s\n\0", "p.conf:3: there is a NUL byte"),
            ("NULs", "\0" * (10 << 20), "p.conf:1: there is a NUL byte"),
            ("newlines", "\n" * (10 << 20) + "x", "p.conf:10485761: the line has no ="),
            ("no UTF-8", b"[daemon]\n# \xff\n", "p.conf:2: the text is not UTF-8"),
            ("escapes", "[daemon]\ndrain = \x1b]0;hello\x07\n", "daemon.drain"),
        ]
        for what, text, why in table:
            with self.subTest(what=what):
                config = self.wrote("p.conf", text or "")
                if text is None:
                    os.truncate(config, 1 << 30)
                self.assert_refused(config, why, preexec_fn=self.limits)

    def test_many_drop_ins(self):
        """Their sizes count together."""
        config = self.wrote("p.conf", "[daemon]\n")
        for i in range(5):
            self.wrote(f"p.conf.d/{i}.conf", "#" * (4 << 20) + "\n")
        self.assert_refused(config, "over 16 MiB")

    def test_at_a_reload(self):
        """The daemon answers meanwhile, goes on as it was, and can be stopped."""
        config = self.wrote("p.conf", "[parse]\nworkers = 5\n")
        daemon = self.daemon(config=config)
        other = self.dir / "other"
        os.mkfifo(other)
        for what, why in ((lambda: config.write_text("".join(f"[s{i}]\n" for i in range(100_000))), "up to 10000 sections"),
                          (lambda: config.chmod(0o666), "written by everybody"),
                          (lambda: (config.unlink(), other.rename(config)), "is no regular file")):
            what()
            with daemon.rpc() as rpc, daemon.rpc() as second:
                rpc.request("reload")
                second.call("ping")
                self.assertIn(why, rpc.receive()["error"]["message"])
            self.assertEqual(daemon.call("stats")["workers"]["limit"], 5)


if __name__ == "__main__":
    penstock_test.main()
