# label: sanitize
"""max_running of [user "NAME"] and [group "NAME"]: how many jobs of a user run at once, and what the others are told."""
import os
import pwd
import subprocess
import unittest

import penstock_test
from penstock_test import until

ME = pwd.getpwuid(os.geteuid()).pw_name
SECTION = f'[user "{ME}"]'


class MaxRunning(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.web = self.origin()

    def start(self, most, engine="memory", **settings):
        self.limit(most)
        self.penstock = self.daemon({"store.engine": engine, "store.path": self.dir / "penstock.db", "policy.allow": "127.0.0.0/8 ::1",
                                     "fetch.host_connections": 8, **settings}, config=self.config)
        return self.penstock

    def limit(self, most):
        self.config = self.wrote("penstock.conf", f"{SECTION}\nmax_running = {most}\n")

    def held(self, gate, host="127.0.0.1"):
        """A job that runs until the gate is opened; its origin counts it by that name."""
        return self.penstock.submit(f"http://{host}:{self.web.port}/lines?n=1&hold={gate}&id={gate}")

    def asked(self, gate):
        return self.web.counts(gate).get("requests", 0)

    def show(self, job):
        return self.penstock.call("show", {"id": job})

    def test_who_waits_is_told(self):
        for engine in ("memory", "sqlite"):
            with self.subTest(engine=engine):
                daemon = self.start(2, engine)
                a, b, c = self.held(engine), self.held(engine, "localhost"), self.held(engine)
                until(lambda: self.asked(engine) == 2, "two run")
                row = self.show(c)
                self.assertEqual((row["state"], row["waiting_for"]), ("queued", "user"))
                self.assertEqual((row["user_running"], row["max_running"], row["max_running_of"]), (2, 2, SECTION))
                self.assertIn(f"(uid {os.geteuid()} has 2 running: max_running of {SECTION} is 2)", daemon.ctl("explain", c, check=0).stdout)
                told = daemon.ctl("check-url", self.web.url("/")).stdout
                self.assertRegex(told, r"(?m)^max_running +2 .*" + SECTION.replace("[", r"\[").replace("]", r"\]"))
                self.assertIn("of yours run: it would wait", told)
                self.assertIn("penstock_users_at_limit 1\n", daemon.call("metrics"))
                self.web.release(engine)
                for job in (a, b, c):
                    self.assert_verdict(daemon.verdict(job), "done")
                self.assertIn("penstock_users_at_limit 0\n", daemon.call("metrics"))
                self.assertNotIn("max_running_of", self.show(c))
                daemon.stop()

    def test_a_command_waits(self):
        """`run` as well, with its pipe; and who leaves while he waits holds up nobody."""
        daemon = self.start(1)
        first = self.held("first")
        until(lambda: self.asked("first") == 1, "one runs")
        command = [penstock_test.BIN / "penstockctl", "--socket", daemon.socket, "run", self.web.url("/lines?n=3&id=run"), "--", "wc", "-l"]
        leaves, stays = (subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) for _ in range(2))
        self.addCleanup(stays.stdout.close)
        self.addCleanup(leaves.stdout.close)
        until(lambda: daemon.call("stats")["jobs"]["queued"] == 2, "both wait")
        self.assertEqual(self.asked("run"), 0)
        leaves.kill()
        leaves.wait()
        until(lambda: daemon.call("stats")["jobs"]["queued"] == 1, "one has left")
        last = self.held("last")
        self.web.release("first")
        self.assert_verdict(daemon.verdict(first), "done")
        self.assertEqual(stays.communicate(timeout=penstock_test.DEADLINE)[0].split(), ["3"])
        until(lambda: self.asked("last") == 1, "the last one runs")
        self.web.release("last")
        self.assert_verdict(daemon.verdict(last), "done")

    def test_after_a_crash(self):
        """What ran when the daemon died is no more in the way than what waited."""
        daemon = self.start(2, "sqlite")
        jobs = [self.held("gate", ("127.0.0.1", "localhost")[i % 2]) for i in range(7)]
        until(lambda: self.asked("gate") == 2, "two run")
        daemon.kill()
        daemon = self.start(2, "sqlite")
        until(lambda: self.asked("gate") == 4, "two run again")
        until(lambda: daemon.call("stats")["jobs"]["running"] == 2, "they are known as that")
        self.assertEqual(self.asked("gate"), 4)
        self.web.release("gate")
        for job in jobs:
            self.assert_verdict(daemon.verdict(job), "done")

    def test_a_reload(self):
        daemon = self.start(1)
        jobs = [self.held("one"), self.held("one"), self.held("one"), self.held("two")]
        until(lambda: self.asked("one") == 1, "one runs")
        self.limit(3)
        daemon.call("reload")
        until(lambda: self.asked("one") == 3, "three run")
        self.limit(1)
        daemon.call("reload")
        self.assertEqual((self.show(jobs[3])["user_running"], self.show(jobs[3])["max_running"]), (3, 1))
        self.wrote("penstock.conf", "")
        daemon.call("reload")
        until(lambda: self.asked("two") == 1, "there is no limit any more")
        for gate in ("one", "two"):
            self.web.release(gate)
        for job in jobs:
            self.assert_verdict(daemon.verdict(job), "done")

    def test_a_schedule(self):
        """Its run is its owner's: it waits, and others wait for it."""
        daemon = self.start(1)
        first = self.held("first")
        until(lambda: self.asked("first") == 1, "one runs")
        daemon.call("schedule_add", {"name": "feed", "url": self.web.url("/lines?n=1&hold=run&id=run"), "every": "1h"})
        run = daemon.call("schedule_run", {"name": "feed"})["id"]
        until(lambda: self.show(run).get("waiting_for") == "user", "it waits")
        self.web.release("first")
        until(lambda: self.asked("run") == 1, "it runs")
        self.assert_verdict(daemon.verdict(first), "done")
        self.assertEqual(self.show(self.held("last"))["waiting_for"], "user")
        self.web.release("run")
        until(lambda: self.asked("last") == 1, "the next one runs")
        self.web.release("last")

    @unittest.skipUnless(os.geteuid() == 0, "only root can be somebody else")
    def test_each_of_a_group(self):
        """The limit is each user's; those in no section have none."""
        os.chmod(self.dir, 0o755)
        self.config = self.wrote("penstock.conf", '[group "61010"]\nmax_running = 1\n')
        daemon = self.penstock = self.daemon({"control.mode": "0666"}, config=self.config)
        for uid, gid in ((61001, 61010), (61001, 61010), (61002, 61010), (61003, 61003), (61003, 61003)):
            daemon.ctl("submit", self.web.url(f"/lines?n=1&hold=gate&id={uid}"), user=uid, group=gid, extra_groups=[], check=0)
        until(lambda: [self.asked(str(uid)) for uid in (61001, 61002, 61003)] == [1, 1, 2], "one of each runs, and both of the third")
        self.web.release("gate")
        until(lambda: self.asked("61001") == 2, "the second one runs")


if __name__ == "__main__":
    penstock_test.main()
