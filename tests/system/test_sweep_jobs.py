"""cancel and retry of a selection that is larger than one request takes."""
import collections
import json

import penstock_test
from penstock_test import until

WELL, USAGE = 0, 2
PART, MOVING = 10050, 100  # of a host that is held, more than one answer of the protocol has; of one that is not


class Sweep(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.web = self.origin()
        self.penstock = self.daemon({"policy.allow": "127.0.0.0/8 ::1", "daemon.log_level": "error"})
        self.penstock.call("pause", {"host": "localhost"})

    def submit(self, host, count):
        url = self.web.url("/bytes?n=1").replace("127.0.0.1", host)
        with self.penstock.rpc() as rpc:
            for start in range(0, count, 500):
                batch = [{"jsonrpc": "2.0", "id": i, "method": "submit", "params": {"url": url, "labels": {"batch": "a"}}}
                         for i in range(start, min(start + 500, count))]
                rpc.send(json.dumps(batch).encode() + b"\n")
                self.assertTrue(all("result" in answer for answer in rpc.receive()))

    def ctl(self, *arguments):
        """As long as it takes: there are many."""
        return self.penstock.ctl(*arguments, check=WELL, seconds=10 * penstock_test.DEADLINE)

    def listed(self, *selection):
        lines = self.ctl("--json", "list", *selection, "--limit", "100000").stdout.splitlines()
        return [json.loads(line) for line in lines]

    def test_cancel_and_retry_of_them_all(self):
        self.submit("localhost", PART)
        self.submit("127.0.0.1", MOVING)  # they end while the others are cancelled, before it or after it
        done = self.ctl("cancel", "--label", "batch=a")
        words = collections.Counter(line.split(" ", 1)[1] for line in done.stdout.splitlines())
        self.assertGreaterEqual(words["cancelled"], PART)
        self.assertEqual(done.stderr, "")
        until(lambda: not self.listed("--state", "queued") and not self.listed("--state", "running"), "all have ended",
              10 * penstock_test.DEADLINE)
        states = collections.Counter(job["state"] for job in self.listed("--label", "batch=a"))
        self.assertEqual((states["cancelled"], states["cancelled"] + states["done"]), (words["cancelled"], PART + MOVING))
        again = self.ctl("cancel", "--state", "queued")
        self.assertEqual((again.stdout, again.stderr), ("", ""))

        self.penstock.call("pause")
        old = [job["id"] for job in self.listed("--state", "cancelled")]
        middle = sorted(old)[100]
        first = self.ctl("retry", "--state", "cancelled", "--before", str(middle))
        self.assertEqual((len(first.stdout.splitlines()), first.stderr), (100, ""))
        self.ctl("cancel", "--state", "queued")
        every = self.ctl("--json", "retry", "--host", "localhost", "--before", str(max(old) + 1))
        copied = [one["retry_of"] for line in every.stdout.splitlines() for one in json.loads(line)["retried"]]
        self.assertEqual(sorted(copied), list(range(1, PART + 1)))
        self.assertEqual(len(self.listed("--state", "queued")), PART)

    def test_usage(self):
        for arguments in (["retry", "1", "--before", "3"], ["cancel", "--before", "3"], ["cancel", "--state", "queued", "--before", "0"]):
            with self.subTest(arguments=arguments):
                self.assertEqual(self.penstock.ctl(*arguments).returncode, USAGE)


if __name__ == "__main__":
    penstock_test.main()
