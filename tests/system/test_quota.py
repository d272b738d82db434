# label: sanitize
"""[user "NAME"] and [group "NAME"]: how many jobs a user may have, and how urgent ones."""
import os
import pwd
import sqlite3
import subprocess
import time
import unittest

import penstock_test
from penstock_test import until

QUEUE_FULL = -32004
ME = pwd.getpwuid(os.geteuid()).pw_name
LATER = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 300 * 86400))


class Quota(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.web = self.origin()
        self.url = self.web.url("/lines?n=1")

    def start(self, config, engine="memory", **settings):
        self.config = self.wrote("penstock.conf", config)
        self.penstock = self.daemon({"store.engine": engine, "store.path": self.dir / "penstock.db", **settings}, config=self.config)
        return self.penstock

    def later(self, **job):
        return {"url": self.url, "not_before": LATER, **job}

    def test_jobs(self):
        """All or none; what has ended counts no more; who is known by his key is no further one."""
        for engine in ("memory", "sqlite"):
            with self.subTest(engine=engine):
                daemon = self.start(f'[user "{ME}"]\nmax_jobs = 3\n', engine)
                with daemon.rpc() as rpc:
                    first = rpc.call("submit", self.later(key="a"))["id"]
                    error = rpc.fail("submit", [self.later()] * 3)
                    self.assertEqual(error["code"], QUEUE_FULL)
                    self.assertEqual(error["message"],
                                     f'uid {os.geteuid()} has 3 jobs that wait or run, and max_jobs of [user "{ME}"] is 3; '
                                     "submit it again when some have ended, or have that raised")
                    self.assertEqual(daemon.call("stats")["jobs"]["queued"], 1)
                    told = rpc.call("submit", [self.later(key="b"), self.later(key="c"), self.later(key="a"), self.later(key="b")])
                    self.assertEqual([t.get("existing", False) for t in told], [False, False, True, True])
                    self.assertEqual(rpc.fail("submit", self.later())["code"], QUEUE_FULL)
                    rpc.call("cancel", {"id": first})
                    until(lambda: daemon.state(first) == "cancelled", "its end is stored")
                    rpc.call("pause")  # a copy has no not_before
                    copy = rpc.call("retry", {"id": first})["retried"][0]["id"]
                    self.assertEqual(rpc.fail("retry", {"id": first})["code"], QUEUE_FULL)
                    rpc.call("cancel", {"id": copy})
                    until(lambda: daemon.state(copy) == "cancelled", "its end is stored")
                    rpc.call("resume")
                for _ in range(5):
                    self.assert_verdict(daemon.job(self.url), "done")
                    until(lambda: daemon.call("stats")["jobs"]["running"] == 0, "its end is stored")
                done = daemon.ctl("run", self.url, "--", "cat", check=0)
                until(lambda: daemon.call("stats")["jobs"]["running"] == 0, "its end is stored")
                daemon.submit(self.url, not_before=LATER)
                done = daemon.ctl("run", self.url, "--", "cat", check=3)
                self.assertIn("max_jobs of [user", done.stderr)
                daemon.stop()

    def test_after_a_restart(self):
        """However it ended; and it is what the rows say."""
        daemon = self.start(f'[user "{os.geteuid()}"]\nmax_jobs = 5\n', "sqlite")
        daemon.job(self.url)
        daemon.call("submit", [self.later()] * 4)
        daemon.kill()
        daemon = self.start(f'[user "{os.geteuid()}"]\nmax_jobs = 5\n', "sqlite")
        last = daemon.call("submit", self.later())["id"]
        with daemon.rpc() as rpc:
            self.assertIn("has 5 jobs", rpc.fail("submit", self.later())["message"])
        daemon.call("cancel", {"id": last})
        until(lambda: daemon.state(last) == "cancelled", "its end is stored")
        daemon.stop()
        with sqlite3.connect(self.dir / "penstock.db") as db:
            self.assertEqual(db.execute("SELECT * FROM users").fetchall(), [(os.geteuid(), 4)])
            db.executescript("DROP TABLE users; PRAGMA user_version=7;")
        daemon = self.start(f'[user "{os.geteuid()}"]\nmax_jobs = 5\n', "sqlite")
        daemon.call("submit", self.later())
        with daemon.rpc() as rpc:
            self.assertIn("has 5 jobs", rpc.fail("submit", self.later())["message"])

    def test_a_reload(self):
        daemon = self.start(f'[user "{ME}"]\nmax_jobs = 1\n')
        daemon.call("submit", self.later())
        with daemon.rpc() as rpc:
            rpc.fail("submit", self.later())
            self.wrote("penstock.conf", f'[user "{ME}"]\nmax_jobs = 2\n')
            self.assertEqual(rpc.call("reload")["restart"], [])
            rpc.call("submit", self.later())
            self.assertIn("is 2;", rpc.fail("submit", self.later())["message"])
            self.wrote("penstock.conf", "")
            rpc.call("reload")
            rpc.call("submit", [self.later()] * 5)

    def test_a_schedule(self):
        """Its runs are its user's jobs: a time for which there is no room is told, and the next one is tried."""
        daemon = self.start(f'[user "{ME}"]\nmax_jobs = 1\n')
        wait = daemon.submit(self.url, not_before=LATER)
        daemon.call("schedule_add", {"name": "feed", "url": self.url, "every": "100ms"})

        def schedule():
            return daemon.call("schedule_list")["schedules"][0]

        told = until(lambda: schedule().get("problem"), "it finds no room")
        self.assertIn(f'max_jobs of [user "{ME}"]', told)
        after = schedule()["next"]
        until(lambda: schedule()["next"] != after, "its next time is tried")
        daemon.call("cancel", {"id": wait})
        until(lambda: schedule().get("last", {}).get("state") == "done", "it runs")
        self.assertNotIn("problem", schedule())

    def test_priority(self):
        daemon = self.start(f'[user "{ME}"]\nmax_priority = 10\n[defaults]\npriority = 50\n', "sqlite")
        with daemon.rpc() as rpc:
            error = rpc.fail("submit", self.later(priority=11))
            self.assertEqual(error["data"]["field"], "priority")
            self.assertEqual(error["message"], f'priority: 11 is more than max_priority of [user "{ME}"], which is 10; '
                                               "ask for less, or have that raised")
            job = rpc.call("submit", self.later(priority=10))["id"]
            lowered = rpc.call("submit", self.later())["id"]
            self.assertEqual(rpc.call("show", {"id": lowered}).get("priority"), 10)
            rpc.call("cancel", {"id": job})
            until(lambda: daemon.state(job) == "cancelled", "its end is stored")
            self.wrote("penstock.conf", f'[user "{ME}"]\nmax_priority = -5\n')
            rpc.call("reload")
            copy = rpc.call("retry", {"id": job})["retried"][0]["id"]
            self.assertEqual(rpc.call("show", {"id": copy})["priority"], -5)

    @unittest.skipUnless(os.geteuid() == 0, "only root can be somebody else")
    def test_each_of_a_group(self):
        """The limit is each user's; a user's own section goes before; those in none have none."""
        os.chmod(self.dir, 0o755)
        daemon = self.start('[group "61010"]\nmax_jobs = 1\n[user "61003"]\nmax_jobs = 2\n', **{"control.mode": "0666"})

        def submit(uid, gid):
            return daemon.ctl("submit", self.url, "--not-before", LATER, user=uid, group=gid, extra_groups=[])

        self.assertEqual([submit(61001, 61010).returncode for _ in range(2)], [0, 3])
        self.assertEqual([submit(61002, 61010).returncode for _ in range(2)], [0, 3])
        self.assertEqual([submit(61003, 61010).returncode for _ in range(3)], [0, 0, 3])
        self.assertEqual([submit(61004, 61004).returncode for _ in range(3)], [0, 0, 0])
        self.assertIn('max_jobs of [group "61010"] is 1', submit(61001, 61010).stderr)

    def test_a_bad_section(self):
        for text, words in (('[user "nobody-of-that-name"]\nmax_jobs = 1\n', "penstock.conf:1: [user \"nobody-of-that-name\"]: there is no user"),
                            ('[group "no-such-group"]\n', "there is no group no-such-group here"),
                            (f'[user "{ME}"]\n[user "{os.geteuid()}"]\n', "another section is for the same one"),
                            (f'[user "{ME}"]\nmax_jobs = 0\n', f'user "{ME}".max_jobs'),
                            (f'[user "{ME}"]\nmax_priority = 2000\n', "max_priority"),
                            (f'[user "{ME}"]\nmax_job = 1\n', "did you mean max_jobs?"),
                            ("[user]\nmax_jobs = 1\n", 'write [user "1000"]'),
                            (f'[user "{ME}"]\nmax_running = 0\n', f'user "{ME}".max_running'),
                            (f'[user "{ME}"]\nmax_running = 1\n[store]\nengine = postgresql\n', "max_running: store.engine = postgresql"),
                            (f'[user "{ME}"]\nmax_jobs = 1\n[store]\nengine = postgresql\n', "does not count the jobs of a user")):
            with self.subTest(text=text):
                done = subprocess.run([penstock_test.BIN / "penstockd", "--check", "--config", self.wrote("penstock.conf", text)],
                                      capture_output=True, text=True)
                self.assertEqual(done.returncode, 2 if done.returncode == 2 else 1, done.stderr)
                self.assertIn(words, done.stderr)


if __name__ == "__main__":
    penstock_test.main()
