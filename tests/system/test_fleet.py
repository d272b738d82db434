"""Three daemons, one queue in PostgreSQL: each job has one verdict that counts, whoever dies meanwhile."""
import signal

import fleet_case
import penstock_test
from fleet_case import HOSTS, LIMIT
from penstock_test import DEADLINE, until


class Fleet(fleet_case.Case):
    def test_members_share_the_work(self):
        a, b, c = self.members("a", "b", "c")
        jobs = self.submit(a, 300)
        self.all_ended(300)
        verdicts, revoked = self.lines((a, b, c))
        self.assertEqual((set(verdicts), revoked), (jobs, set()))
        self.assertEqual({v["state"] for by in verdicts.values() for v in by.values()}, {"done"})
        self.assertEqual({v["by"] for by in verdicts.values() for v in by.values()}, {"a", "b", "c"})
        self.assertEqual(set(self.web.seen.values()), {1})
        self.assertLessEqual(max(self.web.peak.values()), LIMIT)
        self.assertEqual(len(self.web.peak), HOSTS)
        text = b.ctl("fleet", check=0).stdout
        self.assertRegex(text, r"(?m)^a +\d+ +0 +32 ")
        self.assertRegex(text, r"(?m)^b .* this *$")

    def test_across_members(self):
        """Cancel, wait, follow and show, asked of one that has nothing to do with the job."""
        a, b = self.members("a", "b")
        jobs = sorted(self.held(a, HOSTS))
        until(lambda: [a.state(job) for job in jobs] == ["running"] * HOSTS, "all run")
        elsewhere = [job for job in jobs if not a.call("show", {"id": job}).get("running")]
        self.assertTrue(0 < len(elsewhere) < HOSTS)
        first, second, third = elsewhere[:3]
        self.assertEqual(a.call("cancel", {"id": first})["cancelled"], [first])
        self.assertEqual(a.call("wait", {"ids": [first]})["jobs"][0]["state"], "cancelled")
        rpc = a.rpc()
        rpc.send('{"jsonrpc":"2.0","id":1,"method":"wait","params":{"ids":[%d]}}\n' % second)
        follow = a.rpc()
        self.assertEqual(follow.call("follow", {"ids": [third]})["following"], True)
        self.web.gate.set()
        self.assertEqual(rpc.receive()["result"]["jobs"][0]["verdict"]["by"], "b")
        self.assertEqual(follow.receive(), {"jsonrpc": "2.0", "method": "elsewhere",
                                            "params": {"job": third, "member": "b"}})
        line = follow.receive()["params"]
        while line["event"] != "verdict":
            line = follow.receive()["params"]
        self.assertEqual((line["job"], line["by"]), (third, "b"))
        self.all_ended(HOSTS)

    def test_one_leaves(self):
        """What it has goes to others at once, and not when its lease is over."""
        self.common["daemon.drain"] = "1h"
        a, b = self.members("a", "b")
        self.held(a, 4 * HOSTS)
        b.signal(signal.SIGTERM)
        until(lambda: self.shards(a)["a"] == 256, "the other one has all")
        self.web.gate.set()
        self.assertEqual(b.exit_status(), 0)
        self.all_ended(4 * HOSTS)
        self.assertEqual(set(self.web.seen.values()), {1})
        self.assertLessEqual(max(self.web.peak.values()), LIMIT)

    def test_all_leave_at_once(self):
        """Hosts that one gives to another, which ends as well, begin nothing there any more."""
        for _ in range(3):
            daemons = self.members("a", "b", "c")
            for daemon in daemons:
                daemon.signal(signal.SIGTERM)
            for daemon in daemons:
                self.assertEqual(daemon.exit_status(), 0, daemon.errors()[-2000:])
                self.daemons.remove(daemon)

    def test_one_is_killed_and_one_is_stopped(self):
        self.config = self.wrote("db.conf", '[sink "db"]\ntype = postgresql\n')
        self.common["store.lease"] = "5s"
        a, b, c = self.members("a", "b", "c")
        jobs = self.submit(a, 300)
        until(lambda: self.ended() > 60, "some have ended")
        b.kill()
        with self.stopped(c):
            self.all_ended(300, 2 * DEADLINE)
        until(lambda: len(self.shards(a)) == 2 and self.shards(a).get("c", 0) > 0, "it is a member again")
        verdicts, _ = self.lines((a, b, c))
        self.assertEqual(set(verdicts), jobs)
        rows = {int(id): int(attempt) for id, attempt in self.server.ask("SELECT id,attempt FROM penstock.ended")}
        self.assertEqual(set(rows), jobs)
        self.assertEqual({job: max(by) for job, by in verdicts.items()}, rows)
        # Each has one record, of the attempt that counts and no other.
        records = self.server.ask("SELECT job,attempt,count(*) FROM penstock.records GROUP BY job,attempt")
        self.assertEqual({(int(job), int(n), int(count)) for job, n, count in records}, {(*row, 1) for row in rows.items()})
        void = {(job, n) for job, by in verdicts.items() for n in by if n != rows[job]}
        told = lambda: {line["job"] for line in c.events("verdict")}
        until(lambda: {v for v in void if v[0] in told()} <= self.lines((c,))[1], "what does not count is said")
        self.assertLessEqual(max(self.web.peak.values()), 2 * LIMIT)  # its own, and those of the one that was stopped

    def test_evicted(self):
        a, b = self.members("a", "b")
        with self.stopped(b):
            self.assertIn("no member", a.ctl("fleet", "evict", "b", check=0).stdout)
            until(lambda: self.shards(a) == {"a": 256}, "the other one has all")
        until(lambda: self.shards(a).get("b", 0) > 0, "it is a member again")
        self.assertEqual(a.ctl("fleet", "evict", "a").returncode, 3)
        self.assertEqual(a.ctl("fleet", "evict", "x").returncode, 3)

    def test_a_schedule_fires_once(self):
        daemons = self.members("a", "b", "c")
        daemons[0].call("schedule_add", {"name": "s", "url": self.web.url(0, "s"), "every": "1s", "jitter": "none"})
        until(lambda: self.ended() >= 3, "it has run")
        seen = self.web.seen["http://h0.localhost/s"]  # before that: it goes on
        runs = int(self.server.ask("SELECT runs FROM penstock.schedules")[0][0])
        self.assertTrue(3 <= seen <= runs, (seen, runs))


if __name__ == "__main__":
    penstock_test.main()
