"""What an operator pauses in a fleet holds at all members, whoever was asked, until it is resumed at any of them."""
import signal

import fleet_case
import penstock_test
from fleet_case import HOSTS
from penstock_test import until


class Pause(fleet_case.Case):
    def waits(self, daemon, jobs):
        return {daemon.call("show", {"id": job}).get("waiting_for") for job in jobs}

    def knows(self, daemon, count):
        until(lambda: len(daemon.call("stats").get("pauses", [])) == count, "it has heard of it")

    def test_everything(self):
        """It holds for who hears of it, for who starts anew and for who comes, and all go on by one word to one of them."""
        a, b = self.members("a", "b")
        self.assertEqual(a.call("pause"), {"paused": True})
        self.knows(b, 1)
        jobs = self.submit(b, HOSTS)
        c = self.member("c")
        self.knows(c, 1)
        for daemon in (a, b):
            daemon.signal(signal.SIGTERM)
            self.assertEqual(daemon.exit_status(), 0)
            self.daemons.remove(daemon)
        a = self.member("a")
        until(lambda: sorted(self.shards(a)) == ["a", "c"] and min(self.shards(a).values()) > 0, "both have hosts")
        self.assertEqual((self.waits(a, jobs), self.waits(c, jobs)), ({"paused"}, {"paused"}))
        self.assertEqual(self.ended(), 0)
        told, = c.call("stats")["pauses"]
        self.assertEqual((told["all"], told["by"]), (True, "a"))
        text = c.ctl("explain", str(min(jobs)), check=0).stdout
        self.assertRegex(text, r"it waits for: paused \(uid \d+ has paused everything .* ago, at a: `penstockctl resume`\)")
        self.assertEqual(c.call("resume"), {"paused": False})
        self.all_ended(HOSTS)
        self.knows(a, 0)
        self.assertEqual(set(self.lines((a, c))[0]), jobs)

    def test_a_host_and_a_parser(self):
        a, b = self.members("a", "b")
        hosts = [f"h{i}.localhost" for i in range(HOSTS)]
        a.ctl("pause", "host", hosts[0], check=0)
        b.ctl("pause", "host", hosts[1], check=0)
        b.ctl("pause", "parser", "count", check=0)
        for daemon in (a, b):
            self.knows(daemon, 3)
        ours = sorted(self.submit(a, HOSTS))
        counts = [b.call("submit", {"url": self.web.url(i, "x"), "parser": "count"})["id"] for i in range(HOSTS)]
        self.all_ended(HOSTS - 2)
        for daemon in (a, b):
            self.assertEqual(self.waits(daemon, ours[:2] + counts), {"paused"})
        a.ctl("resume", "parser", "count", check=0)
        a.ctl("resume", "host", hosts[1], check=0)
        self.all_ended(2 * HOSTS - 2)
        self.assertEqual({self.waits(daemon, [ours[0], counts[0]]) == {"paused"} for daemon in (a, b)}, {True})
        b.ctl("resume", "host", hosts[0], check=0)
        self.all_ended(2 * HOSTS)


if __name__ == "__main__":
    penstock_test.main()
