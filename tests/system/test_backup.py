# label: sanitize
"""`backup`: a copy of the store while the daemon runs, and a daemon on that copy."""
import os
import resource
import signal
import socket
import sqlite3
import stat
import subprocess
import threading
import time
import unittest

import penstock_test
from penstock_test import until

FAR = {"every": "7d"}
LATER = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 300 * 86400))


class Backup(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.web = self.origin()
        self.file = self.dir / "copy.db"

    def durable(self, name="penstock.db", **settings):
        return self.daemon({"store.engine": "sqlite", "store.path": self.dir / name, **settings})

    def rows(self, path, sql):
        db = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()

    def check_whole(self, path):
        """The copy is consistent in itself: SQLite's own check, and what is counted beside the rows."""
        self.assertEqual(self.rows(path, "PRAGMA integrity_check"), [("ok",)])
        counted = dict(self.rows(path, "SELECT state, count(*) FROM jobs GROUP BY state"))
        told = dict(self.rows(path, "SELECT state, jobs FROM counts WHERE state < 6 AND jobs > 0"))
        self.assertEqual(counted, told)

    def left_over(self):
        return [p.name for p in self.dir.iterdir() if p.name.startswith(".copy.db")]

    def test_a_daemon_on_the_copy(self):
        daemon = self.durable()
        done = daemon.submit(self.web.url("/lines?n=3"), parser="lines", key="first")
        daemon.verdict(done)
        until(lambda: daemon.state(done) == "done", "its end is stored")
        daemon.call("schedule_add", {"name": "feed", "url": self.web.url("/lines?n=1"), **FAR})
        daemon.call("pause")
        queued = daemon.submit(self.web.url("/lines?n=4"), parser="lines", key="second")
        said = daemon.ctl("backup", self.file, check=0).stdout
        self.assertEqual(said, f"{self.file}: {self.file.stat().st_size} bytes\n")
        after = daemon.submit(self.web.url("/lines?n=5"))
        self.check_whole(self.file)
        daemon.stop()
        other = self.durable(self.file.name)
        self.assert_verdict(other.verdict(queued), "done")
        self.assertEqual(other.state(done), "done")
        self.assertEqual(other.call("submit", {"url": self.web.url("/lines?n=3"), "parser": "lines", "key": "first"}),
                         {"id": done, "existing": True})
        self.assertEqual(other.submit(self.web.url("/lines?n=1")), after, "what came after the copy is not in it")
        self.assertEqual([s["name"] for s in other.call("schedule_list")["schedules"]], ["feed"])
        job = other.call("schedule_run", {"name": "feed"})["id"]
        self.assert_verdict(other.verdict(job), "done")
        self.assertIn("it is whole", until(lambda: "whole" in other.errors() and other.errors(), "it is checked"))

    def test_the_records_that_are_kept(self):
        """Their database is copied by SQLite's own means, while the daemon has it open."""
        daemon = self.durable(**{"results.path": self.dir / "results.db"})
        job = daemon.job(self.web.url("/lines?n=3"), parser="lines", keep_records="yes")["job"]
        until(lambda: daemon.state(job) == "done", "its end is stored")
        records = daemon.ctl("records", job, check=0).stdout
        self.assertEqual(len(records.splitlines()), 3)
        daemon.ctl("backup", self.file, check=0)
        source, copy = sqlite3.connect(self.dir / "results.db"), sqlite3.connect(self.dir / "copied.db")
        source.backup(copy)
        source.close()
        copy.close()
        daemon.stop()
        other = self.durable(self.file.name, **{"results.path": self.dir / "copied.db"})
        self.assertEqual(other.ctl("records", job, check=0).stdout, records)
        other.stop()
        bare = self.durable(self.file.name, **{"results.path": self.dir / "none.db"})
        self.assertIn("have been removed since", bare.ctl("records", job, check=3).stderr)

    def test_while_jobs_come_and_go(self):
        """Each copy is one moment: whole, and as large as the one after it or smaller."""
        daemon = self.durable()
        over = threading.Event()

        def load():
            with daemon.rpc() as rpc:
                while not over.is_set():
                    rpc.call("submit", [{"url": self.web.url("/lines?n=1")}] * 20)

        thread = threading.Thread(target=load)
        thread.start()
        jobs = [0]
        try:
            for i in range(5):
                until(lambda: (now := daemon.call("stats")["jobs"])["done"] >= 40 * (i + 1) and sum(now.values()) > jobs[-1], "jobs come and end")
                daemon.ctl("backup", "--force", self.file, check=0)
                self.check_whole(self.file)
                jobs.append(self.rows(self.file, "SELECT count(*) FROM jobs")[0][0])
        finally:
            over.set()
            thread.join()
        self.assertEqual(jobs, sorted(set(jobs)))

    def test_the_file_is_the_callers(self):
        daemon = self.durable()
        daemon.ctl("backup", self.file, check=0, umask=0)
        self.assertEqual(stat.S_IMODE(self.file.stat().st_mode), 0o600)
        first = self.file.stat().st_ino
        done = daemon.ctl("backup", self.file, check=3)
        self.assertEqual(done.stderr, f"penstockctl: {self.file} exists; --force replaces it\n")
        self.assertEqual(self.file.stat().st_ino, first)
        daemon.ctl("--json", "backup", "--force", self.file, check=0)
        self.assertNotEqual(self.file.stat().st_ino, first)
        link, pipe = self.dir / "link", self.dir / "pipe"
        link.symlink_to(self.file)
        os.mkfifo(pipe)
        for other in link, pipe:
            before = other.lstat()
            done = daemon.ctl("backup", "--force", other, check=3)
            self.assertIn(f"{other} is no regular file, and is not replaced", done.stderr)
            self.assertEqual(other.lstat().st_ino, before.st_ino)
        done = daemon.ctl("backup", self.dir / "nowhere" / "copy", check=3)
        self.assertIn("No such file or directory", done.stderr)
        with open(self.dir / "piped.db", "wb") as out:
            subprocess.run([penstock_test.BIN / "penstockctl", "--socket", daemon.socket, "backup", "-"], stdout=out, check=True)
        self.check_whole(self.dir / "piped.db")

    def test_a_disk_that_is_full(self):
        """No file, and the one that was there stays as it was."""
        daemon = self.durable()
        self.file.write_text("before")

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))

        done = daemon.ctl("backup", "--force", self.file, check=3, preexec_fn=limit)
        self.assertIn("cannot be written: File too large", done.stderr)
        self.assertEqual(self.file.read_text(), "before")
        self.assertEqual(self.left_over(), [])
        daemon.ctl("backup", "--force", self.file, check=0)
        self.check_whole(self.file)

    def test_what_cannot_be_copied(self):
        daemon = self.daemon()
        done = daemon.ctl("backup", self.file, check=3)
        self.assertIn("store.engine is memory", done.stderr)
        self.assertIn("schedule export", done.stderr)
        self.assertFalse(self.file.exists())
        with daemon.rpc() as rpc:
            self.assertIn("no descriptor came", self.durable().rpc().fail("backup")["message"])
            self.assertIn("takes none", rpc.fail("backup", {"file": "/tmp/x"})["message"])

    @unittest.skipUnless(os.geteuid() == 0, "only root can be somebody else")
    def test_who_may(self):
        """Whoever may see everybody's jobs: with no administrators named, root and the daemon's user alone."""
        os.chmod(self.dir, 0o755)
        daemon = self.durable(**{"control.mode": "0666"})
        done = daemon.ctl("backup", "-", check=3, user=61001, group=61001, extra_groups=[])
        self.assertIn("uid 61001 may not do that here: a backup has everybody's jobs", done.stderr)
        self.assertIn("admin_users", done.stderr)
        named = self.durable("named.db", **{"control.mode": "0666", "control.admin_users": "61001"})
        mine = self.dir / "mine"
        mine.mkdir()
        os.chown(mine, 61001, 61001)
        named.ctl("backup", mine / "copy.db", check=0, user=61001, group=61001, extra_groups=[])
        self.assertEqual((mine / "copy.db").stat().st_uid, 61001)
        self.check_whole(mine / "copy.db")

    def fill(self, daemon, times):
        """So often 250 jobs of 3 KB that wait."""
        with daemon.rpc() as rpc:
            for _ in range(times):
                told = rpc.call("submit", [{"url": self.web.url("/lines?n=1"), "method": "POST", "body": "x" * 3000,
                                            "not_before": LATER}] * 250)
                self.assertTrue(all("id" in t for t in told), told[0])

    def stuck(self, daemon):
        """A copy that nobody reads. The store has more than a socket takes."""
        self.fill(daemon, 4)
        rpc = daemon.rpc()
        self.addCleanup(rpc.close)
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        ours.sendall(b"\0")
        rpc.pass_fd(theirs.fileno(), {"jsonrpc": "2.0", "id": 1, "method": "backup"})
        theirs.close()
        until(lambda: ours.recv(16, socket.MSG_PEEK).startswith(b"SQLite format 3"), "it begins")
        return ours, rpc

    def test_a_client_that_does_not_read(self):
        """It holds nobody up, and no stop; another copy has to wait."""
        daemon = self.durable(**{"daemon.drain": "1h"})
        ours, rpc = self.stuck(daemon)
        for _ in range(5):
            self.assert_verdict(daemon.job(self.web.url("/lines?n=2"), parser="lines"), "done")
        done = daemon.ctl("backup", self.file, check=3)
        self.assertIn("a backup is under way", done.stderr)
        daemon.stop()
        self.assertIn("the daemon is stopping", rpc.receive()["error"]["message"])
        with self.assertRaises(ConnectionResetError):
            while ours.recv(65536):
                pass

    def test_while_the_daemon_stops(self):
        """Nothing would end such a copy, and the stop would wait for its reader."""
        daemon = self.durable()
        daemon.submit(self.web.url("/lines?n=2&hold=it"), parser="lines")
        until(lambda: daemon.call("stats")["jobs"]["running"] == 1, "it runs")
        self.fill(daemon, 4)
        with daemon.rpc() as rpc:
            daemon.signal(signal.SIGTERM)
            until(lambda: rpc.call("stats")["draining"], "it drains")
            ours, theirs = socket.socketpair()
            self.addCleanup(ours.close)
            ours.sendall(b"\0")
            rpc.pass_fd(theirs.fileno(), {"jsonrpc": "2.0", "id": "copy", "method": "backup"})
            theirs.close()
            self.assertRaises(ConnectionResetError, ours.recv, 16)
            self.assertEqual(rpc.receive()["error"]["data"]["kind"], "draining")
        self.web.release("it")
        self.assertEqual(daemon.exit_status(), 0, daemon.errors())

    def test_a_client_that_goes(self):
        daemon = self.durable()
        ours, rpc = self.stuck(daemon)
        ours.close()
        self.assertIn("the client has gone", rpc.receive()["error"]["message"])
        daemon.ctl("backup", self.file, check=0)
        self.check_whole(self.file)

    def test_a_copy_that_is_read_late_is_as_it_was(self):
        """What is written meanwhile is not in it, though it is more than SQLite's log has otherwise (32 MiB)."""
        daemon = self.durable(**{"policy.allow": "127.0.0.0/8", "queue.max_jobs": "1000000"})
        ours, rpc = self.stuck(daemon)
        data = b""
        for _ in range(10):
            self.fill(daemon, 5)
            data += ours.recv(1 << 16)  # one that takes nothing for a minute is given up
        daemon.job(self.web.url("/lines?n=2"), parser="lines")
        while piece := ours.recv(1 << 20):
            data += piece
        self.assertEqual(rpc.receive()["result"], {"bytes": len(data)})
        self.file.write_bytes(data)
        self.check_whole(self.file)
        self.assertEqual(self.rows(self.file, "SELECT count(*) FROM jobs"), [(1000,)])
        log = self.dir / "penstock.db-wal"
        self.assertGreater(log.stat().st_size, 32 << 20)

    def test_a_daemon_that_is_killed(self):
        """A copy that was cut is no file."""
        daemon = self.durable()
        ours, rpc = self.stuck(daemon)
        ours.close()
        rpc.receive()
        client = penstock_test.Program(self, [penstock_test.BIN / "penstockctl", "--socket", daemon.socket, "backup", self.file],
                                       "backup")
        client.signal(signal.SIGSTOP)
        daemon.kill()
        client.signal(signal.SIGCONT)
        status = client.exit_status()
        self.assertEqual(self.file.exists(), status == 0)
        self.assertIn(status, (0, 3))
        self.assertEqual(self.left_over(), [])


if __name__ == "__main__":
    penstock_test.main()
