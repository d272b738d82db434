# label: sanitize
"""Cron expressions and time zones by the thousand, of those that come once in forty years and of those that are none: each is
taken or refused with a sentence, and the control loop answers others meanwhile."""
import pathlib
import random
import threading
import time

import penstock_test
from penstock_test import PATIENCE

SEED = 1
ZONES = pathlib.Path("/usr/share/zoneinfo")
RARE = ("0 0 29 2 mon", "59 23 29 feb sun", "0 0 31 1,3,5 tue", "30 2 29 2 *", "0 0 29 2 0", "0 0 29-31 2 1")
NO_ZONES = ("/etc/passwd", "../../../etc/passwd", "/dev/zero", "/dev/tty", "../zoneinfo/UTC", "Europe/../UTC", "Europe", ".",
            "..", "", "/", "a" * 100_000, "Europe/Berlin/", "europe/berlin\n", "\u00e4", "zone.tab", "tzdata.zi", "leapseconds",
            "UTC0UTC", ":UTC", "posixrules/x", "%s%s%n", "~root")


class Times(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.penstock = self.daemon()
        self.count = 0

    def ask(self, schedules):
        """The answers to so many schedules, fifty of them asked for at once."""
        answers = []
        with self.penstock.rpc() as rpc:
            for first in range(0, len(schedules), 50):
                wanted = []
                for members in schedules[first:first + 50]:
                    self.count += 1
                    schedule = {"name": f"s{self.count}", "url": "http://127.0.0.1:1/", **members}
                    wanted.append(rpc.request("schedule_add", schedule))
                answers += [rpc.receive() for _ in wanted]
        return answers

    def check(self, schedules):
        """Taken, or refused by a word on the member, while another client's ping is answered soon: by the processor's time that
        the control loop takes before."""
        answers, slowest = [], 0
        thread = threading.Thread(target=lambda: answers.extend(self.ask(schedules)))
        thread.start()
        with self.penstock.rpc() as rpc:
            while thread.is_alive():
                began = penstock_test.cpu_of(self.penstock.pid, self.penstock.pid)
                rpc.call("ping")
                slowest = max(slowest, penstock_test.cpu_of(self.penstock.pid, self.penstock.pid) - began)
                time.sleep(0.001)
        thread.join()
        self.assertLess(slowest, 1 * PATIENCE)
        self.assertEqual(len(answers), len(schedules))
        return answers

    @staticmethod
    def field(random_):
        number = random_.choice((0, 1, 7, 23, 29, 31, 59, 60, 99, -1, 4294967296, 18446744073709551616))
        return random_.choice((
            "*", "*", "*", "*/2", "1-5", f"*/{number}", str(number), f"{number}-{number}", f"{number}-59/{number}", "0-59," * 500,
            ",".join(str(random_.randrange(60)) for _ in range(random_.randrange(200))), str(random_.randrange(12)),
            random_.choice(("jan", "MON", "fe", "sunday", "L", "W", "#", "?", "@")),
            "".join(chr(random_.randrange(33, 127)) for _ in range(5))))

    def test_expressions(self):
        random_ = random.Random(SEED)
        lengths = (5, 5, 5, 5, 4, 6)
        texts = [" ".join(self.field(random_) for _ in range(random_.choice(lengths))) for _ in range(1500)]
        texts += ["*" * 100_000, "0 " * 50_000, "1," * 100_000 + " * * * *", "@", "@never", "@reboot", "", " ", "* * * *", "* * * * *\n", "0 0 30 2 *",
                  "0 0 31 4,6,9,11 *", "*/0 * * * *", "5-1 * * * *", "* * * * * *", "\u0661 * * * *", "0\t0\t1\t1\t*"]
        taken = 0
        for text, answer in zip(texts, self.check([{"cron": t} for t in texts])):
            if "error" in answer:
                self.assertEqual(answer["error"]["data"]["field"], "cron", (text[:100], answer))
                self.assertLess(len(answer["error"]["message"]), 2000)
            else:
                taken += 1
        self.assertGreater(taken, 20)

    def test_rare_times(self):
        """What comes once in decades is looked for on the control loop."""
        zones = [str(p.relative_to(ZONES)) for p in sorted(ZONES.glob("[A-Z]*/*")) if p.is_file()][:400] or ["UTC"]
        schedules = [{"cron": RARE[i % len(RARE)], "timezone": zones[i % len(zones)]} for i in range(1200)]
        for schedule, answer in zip(schedules, self.check(schedules)):
            self.assertIn("result", answer, schedule)

    def test_zones(self):
        names = [str(p.relative_to(ZONES)) for p in sorted(ZONES.rglob("*")) if p.is_file()][:2000]
        for name, answer in zip(names, self.check([{"cron": "0 0 * * *", "timezone": n} for n in names])):
            if "error" in answer:
                self.assertEqual(answer["error"]["data"]["field"], "timezone", (name, answer))
        for name, answer in zip(NO_ZONES, self.check([{"cron": "0 0 * * *", "timezone": n} for n in NO_ZONES])):
            self.assertEqual(answer.get("error", {}).get("data", {}).get("field"), "timezone", (name[:100], answer))
            self.assertLess(len(answer["error"]["message"]), 2000)


if __name__ == "__main__":
    penstock_test.main()
