"""Jobs that not every member can run: they run where they can, whosever their host is, and none fails."""
import fleet_case
import penstock_test
from fleet_case import HOSTS, LIMIT
from penstock_test import until

OURS = '[parser "ours"]\ntype = lines\n'


class Park(fleet_case.Case):
    def able(self, name, **settings):
        """A member that has the parser."""
        self.config = self.wrote(f"{name}.conf", OURS)
        daemon = self.member(name, **settings)
        self.config = None
        return daemon

    def busy(self, name):
        """Another one, whose only worker has to do with an origin of its own, until that opens its gate."""
        daemon, slow = self.able(name, **{"parse.workers": "1"}), fleet_case.Server(self)
        slow.gate.clear()
        job = daemon.call("submit", {"url": slow.url(0, "slow"), "parser": "ours"})["id"]
        until(lambda: sum(slow.now.values()) == 1, "it is busy")
        return daemon, slow, job

    def settled(self, daemon, *names):
        until(lambda: sorted(self.shards(daemon)) == sorted(names) and min(self.shards(daemon).values()) > 0
              and sum(self.shards(daemon).values()) == 256, "all have hosts")

    def ours(self, daemon):
        """One job for each host, of the parser."""
        answers = daemon.call("submit", [{"url": self.web.url(i, "x"), "parser": "ours"} for i in range(HOSTS)])
        return sorted(answer["id"] for answer in answers)

    def parked(self, daemon):
        return {p["needs"]: p["jobs"] for p in daemon.call("fleet")["parked"]}

    def views(self, daemon, jobs):
        return [daemon.call("show", {"id": job}) for job in jobs]

    def all_wait(self, daemon, busy, jobs):
        """Each for the busy one's worker, or for anybody who can; and these are counted."""
        what = [view.get("waiting_for") for view in self.views(busy, jobs)]
        able = what.count("able_member")
        return able > 0 and able + what.count("worker") == len(jobs) and self.parked(daemon) == {"parser ours": able}

    def by(self, *daemons):
        verdicts, _ = self.lines(daemons)
        self.assertEqual({v["state"] for of in verdicts.values() for v in of.values()}, {"done"})
        return {job: max(of.values(), key=lambda v: v["attempt"])["by"] for job, of in verdicts.items()}

    def test_a_guest_runs_what_the_owner_cannot(self):
        lacks, able = self.member("a"), self.able("b")
        self.settled(able, "a", "b")
        self.submit(lacks, 2 * HOSTS)
        jobs = self.ours(able)
        self.all_ended(3 * HOSTS)
        by = self.by(lacks, able)
        self.assertEqual({by[job] for job in jobs}, {"b"})
        self.assertIn("a", by.values())
        self.assertLessEqual(max(self.web.peak.values()), LIMIT + 1)
        self.assertRegex(lacks.errors(), r"waits for a member with parser ours")
        until(lambda: self.parked(lacks) == {}, "none is parked any more")

    def test_a_parser_that_comes_by_a_reload(self):
        config = self.wrote("a.conf", "")
        self.config = config
        first = self.member("a")
        able, _, _ = self.busy("b")
        self.settled(able, "a", "b")
        jobs = self.ours(able)
        until(lambda: self.all_wait(first, able, jobs), "those of the first one's hosts are parked, and the other one is busy")
        waiting = [view for view in self.views(first, jobs) if view["waiting_for"] == "able_member"]
        parked = self.parked(first)["parser ours"]
        self.assertEqual({view["needs"] for view in waiting}, {"parser ours"})
        text = first.ctl("explain", str(waiting[0]["id"]), check=0).stdout
        self.assertIn("it waits for: able_member (a member of the fleet with parser ours)", text)
        told = f"{parked} jobs wait for a member with parser ours"
        until(lambda: told in able.ctl("fleet", check=0).stdout, "the other one knows as well")
        until(lambda: f"penstock_jobs_parked {parked}\n" in first.call("metrics", {"format": "prometheus"}), "the metric tells")
        able.kill()
        self.daemons.remove(able)
        config.write_text(OURS)
        first.call("reload")
        until(lambda: {view["id"] for view in waiting} <= {v["job"] for v in first.events("verdict")}, "its own hosts' are done")
        until(lambda: self.parked(first) == {}, "none is parked any more")

    def test_a_member_that_comes(self):
        first = self.member("a")
        able, slow, job = self.busy("b")
        self.settled(able, "a", "b")
        jobs = self.ours(able) + [job]
        until(lambda: self.parked(first), "some are parked")
        third = self.able("c")
        until(lambda: self.parked(first) == {} and third.events("verdict"), "it takes them")
        self.assertEqual(first.events("verdict") + able.events("verdict"), [])
        slow.gate.set()
        self.all_ended(HOSTS + 1)
        self.assertEqual(set(self.by(first, able, third)), set(jobs))


if __name__ == "__main__":
    penstock_test.main()
