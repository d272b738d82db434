# label: sanitize
"""The event `audit`: who has done what, in the sinks that ask for it."""
import os
import signal

import penstock_test
from penstock_test import until

CONFIG = """
[sink "out"]
type = stdout
[sink "audit"]
type = file
path = {path}
events = audit
"""


class Audit(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.web = self.origin()
        self.path = self.dir / "audit.jsonl"

    def start(self, config=CONFIG, **settings):
        self.penstock = self.daemon(settings, config=self.wrote("penstock.conf", config.format(path=self.path)))
        return self.penstock

    def audit(self, action, count=1):
        """The last line of this action, of so many."""
        def find():
            found = [e for e in penstock_test.lines_of(self.path) if e["action"] == action]
            return found if len(found) >= count else None
        found = until(find, f"{count} lines of {action}")
        self.assertEqual(len(found), count, found)
        self.assertEqual(found[-1].pop("event"), "audit")
        self.assertRegex(found[-1].pop("ts"), r"^20\d\d-.*Z$")
        return found[-1]

    def who(self, rpc=None):
        return {"uid": os.geteuid(), "gid": os.getegid(), "pid": os.getpid()}

    def test_jobs(self):
        daemon = self.start()
        url = self.web.url("/lines?n=1")
        with daemon.rpc() as rpc:
            rpc.call("pause")
            self.assertEqual(self.audit("pause"), {"action": "pause", **self.who(), "all": True})
            first = rpc.call("submit", {"url": url})["id"]
            self.assertEqual(self.audit("submit"), {"action": "submit", **self.who(), "jobs": 1, "first": first})
            told = rpc.call("submit", [{"url": url, "key": "k"}, {"url": "ftp://x/"}, {"url": url}, {"url": url, "key": "k"}])
            self.assertEqual(self.audit("submit", 2), {"action": "submit", **self.who(), "jobs": 2, "first": told[0]["id"], "existing": 1})
            rpc.fail("submit", {"url": "ftp://x/"})
            rpc.call("cancel", {"ids": [first, told[0]["id"], 4711]})
            self.assertEqual(self.audit("cancel"), {"action": "cancel", **self.who(), "jobs": 2, "first": first})
            rpc.call("cancel", {"ids": [first]})
            until(lambda: daemon.state(first) == "cancelled", "its end is known")
            copy = rpc.call("retry", {"id": first})["retried"][0]["id"]
            self.assertEqual(self.audit("retry"), {"action": "retry", **self.who(), "jobs": 1, "first": copy, "retry_of": first})
            rpc.call("resume", {"host": "x"})
            self.assertEqual(self.audit("resume"), {"action": "resume", **self.who(), "host": "x"})
        done = daemon.ctl("resume", check=0)
        self.assertEqual(done.stderr, "")
        self.assertNotEqual(self.audit("resume", 2)["pid"], os.getpid())
        done = daemon.ctl("run", url, "--", "cat", check=0)
        self.assertEqual(self.audit("run")["jobs"], 1)
        self.assertEqual(len(self.path.read_text().splitlines()), 8, "what was refused, or did nothing, is no line")

    def test_a_part(self):
        """Copies are told though there is no room for all: by the answer, by penstockctl, and here."""
        config = f'[user "{os.geteuid()}"]\nmax_jobs = 1\n' + CONFIG
        daemon = self.start(config)
        for _ in range(2):
            self.assert_verdict(daemon.job(self.web.url("/lines?n=1&status=404"), max_attempts=1), "failed", "http_status")
        until(lambda: daemon.call("stats")["jobs"]["failed"] == 2, "their ends are stored")
        daemon.call("pause")
        done = daemon.ctl("retry", "--state", "failed", check=3)
        copy = int(done.stdout.split()[0])
        self.assertRegex(done.stdout, r"^\d+ retries \d+\n$")
        why = f'uid {os.geteuid()} has 1 jobs that wait or run, and max_jobs of [user "{os.geteuid()}"] is 1'
        self.assertIn(f"not all of them, as something stood in the way: {why}", done.stderr)
        line = self.audit("retry")
        self.assertEqual([line["jobs"], line["first"], line["more"]], [1, copy, True])
        self.assertIn(why, line["error"])
        done = daemon.ctl("retry", "--state", "failed", check=3)
        self.assertEqual(done.stdout, "")
        self.assertIn(why, done.stderr)
        self.assertEqual(self.audit("retry")["first"], copy, "with nothing done it is refused, and no line")

    def test_schedules_and_the_operator(self):
        daemon = self.start()
        one = {"name": "feed", "url": self.web.url("/lines?n=1"), "every": "7d"}
        daemon.call("schedule_apply", {"schedules": [one], "dry_run": True})
        daemon.call("schedule_add", one)
        self.assertEqual(self.audit("schedule_add"), {"action": "schedule_add", **self.who(), "created": 1, "schedule": "feed"})
        daemon.call("schedule_apply", {"schedules": [one]})
        daemon.call("schedule_apply", {"schedules": [{**one, "name": "new"}, {**one, "every": "6d"}]})
        self.assertEqual(self.audit("schedule_apply"),
                         {"action": "schedule_apply", **self.who(), "created": 1, "updated": 1, "schedule": "new"})
        job = daemon.call("schedule_run", {"name": "feed"})["id"]
        self.assertEqual(self.audit("schedule_run"), {"action": "schedule_run", **self.who(), "schedule": "feed", "jobs": 1, "first": job})
        daemon.call("pause", {"schedule": "feed"})
        self.assertEqual(self.audit("pause"), {"action": "pause", **self.who(), "schedule": "feed"})
        daemon.call("schedule_remove", {"name": "new"})
        self.assertEqual(self.audit("schedule_remove"), {"action": "schedule_remove", **self.who(), "schedule": "new"})
        daemon.call("reload", {"dry_run": True})
        daemon.call("reload")
        self.assertEqual(self.audit("reload"), {"action": "reload", **self.who()})
        daemon.signal(signal.SIGHUP)
        self.assertEqual(self.audit("reload", 2), {"action": "reload", "signal": "SIGHUP"})
        self.wrote("penstock.conf", "[nonsense]\n")
        with daemon.rpc() as rpc:
            rpc.fail("reload")
        self.assertIn("nothing has changed", self.audit("reload", 3)["error"])

    def test_nobody_else_gets_it(self):
        """Neither the log as it was, nor a sink with `all`, nor a follower; and `all audit` is both."""
        daemon = self.start()
        follower = daemon.rpc()
        self.addCleanup(follower.close)
        self.assertIn("one of start, record", follower.fail("follow", {"events": ["audit"]})["message"])
        follower.call("follow", {})
        job = daemon.submit(self.web.url("/lines?n=1"), parser="lines")
        self.assertEqual(self.audit("submit")["first"], job)
        daemon.verdict(job)
        self.assertEqual({e["event"] for e in daemon.lines()}, {"start", "record", "attempt", "verdict"})
        seen = [follower.receive()["params"]["event"]]
        while seen[-1] != "verdict":
            seen.append(follower.receive()["params"]["event"])
        self.assertEqual([e for e in seen if e != "start"], ["record", "attempt", "verdict"])
        self.assertIn("events = audit", penstock_test.run(*[a for a in daemon.command if a != "--dump"], "--dump", check=0).stdout)
        daemon.stop()
        self.assertEqual(len(self.path.read_text().splitlines()), 1)
        self.path.unlink()
        both = self.start('[sink "both"]\ntype = file\npath = {path}\nevents = all audit\n')
        both.submit(self.web.url("/lines?n=1"), parser="lines")
        events = until(lambda: (e := [line["event"] for line in penstock_test.lines_of(self.path)])[-1:] == ["verdict"] and e,
                       "a verdict")
        self.assertEqual(sorted(events), ["attempt", "audit", "record", "start", "verdict"])


if __name__ == "__main__":
    penstock_test.main()
