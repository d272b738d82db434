# label: sanitize
"""[sink] max_size and keep: a file that is large enough makes room, between two lines, and none is lost."""
import json
import os
import pathlib

import penstock_test


class Rotation(penstock_test.Case):
    def start(self, size="64K", keep=1000):
        self.log = self.dir / "out" / "log.jsonl"
        self.log.parent.mkdir(exist_ok=True)
        text = f'[sink "file"]\ntype = file\npath = {self.log}\nmax_size = {size}\nkeep = {keep}\n'
        return self.daemon({"store.engine": "sqlite", "store.path": self.dir / "jobs.db"}, config=self.wrote("conf", text))

    def files(self):
        """Oldest first."""
        old = sorted((p for p in self.log.parent.glob("log.jsonl.*")), key=lambda p: -int(p.suffix[1:]))
        return [*old, self.log]

    def lines(self):
        whole = b"".join(path.read_bytes() for path in self.files())
        self.assertTrue(whole.endswith(b"\n"))
        for path in self.files():
            self.assertIn(path.read_bytes()[-1:], (b"\n", b""))
        return [json.loads(line) for line in whole.splitlines()]

    def run_jobs(self, daemon, count, **job):
        url = self.web.url("/ndjson?n=3000")
        jobs = [daemon.submit(url, parser="ndjson", **job) for _ in range(count)]
        for one in jobs:
            daemon.ctl("wait", one, check=0)
        return jobs

    def setUp(self):
        super().setUp()
        self.web = self.origin()

    def assert_whole(self, jobs):
        lines = self.lines()
        for job in jobs:
            own = [e for e in lines if e.get("job") == job]
            self.assertEqual([e["event"] for e in own], ["record"] * 3000 + ["attempt", "verdict"])
            self.assertEqual([e["seq"] for e in own[:-2]], list(range(1, 3001)))

    def test_nothing_is_lost(self):
        daemon = self.start()
        jobs = self.run_jobs(daemon, 6)
        daemon.stop()  # files change their names behind the last line, too
        self.assertGreaterEqual(len(self.files()), 3)
        self.assert_whole(jobs)
        daemon = self.start()  # goes on in the same file
        jobs += self.run_jobs(daemon, 2)
        daemon.stop()
        self.assert_whole(jobs)

    def test_so_many_stay(self):
        daemon = self.start(keep=2)
        for _ in range(6):
            last = self.run_jobs(daemon, 1)
        daemon.stop()
        self.assertEqual([p.name for p in self.files()], ["log.jsonl.2", "log.jsonl.1", "log.jsonl"])
        self.assertIn(last[0], [e.get("job") for e in self.lines()])

    def test_held_back_records_stay_with_their_verdict(self):
        daemon = self.start()
        jobs = self.run_jobs(daemon, 6, deliver="commit")
        daemon.stop()  # files change their names behind the last line, too
        self.assertGreaterEqual(len(self.files()), 3)
        places = {}
        for path in self.files():
            for line in path.read_bytes().splitlines():
                event = json.loads(line)
                if event.get("job"):
                    places.setdefault(event["job"], set()).add(path.name)
        self.assertEqual({job: len(places[job]) for job in jobs}, dict.fromkeys(jobs, 1))

    def test_another_program_moves_it(self):
        """As logrotate does, without a word to the daemon, then with one."""
        daemon = self.start(size="1M")
        jobs = self.run_jobs(daemon, 1)
        moved = pathlib.Path(f"{self.log}.1")
        os.rename(self.log, moved)
        jobs += self.run_jobs(daemon, 5)  # it grows there, until the daemon opens the path anew
        daemon.signal(1)
        penstock_test.until(self.log.exists, "the path is opened anew")
        jobs += self.run_jobs(daemon, 1)
        self.assert_whole(jobs)

    def test_one_that_cannot_be_moved_grows_on(self):
        daemon = self.start(keep=1)
        os.mkdir(f"{self.log}.1")
        job = self.run_jobs(daemon, 2)[-1]
        penstock_test.until(lambda: "cannot be rotated" in daemon.errors(), "the daemon tells")
        lines = [json.loads(line) for line in self.log.read_bytes().splitlines()]
        self.assertEqual([e["event"] for e in lines if e.get("job") == job], ["record"] * 3000 + ["attempt", "verdict"])

    def test_a_link_is_not_moved(self):
        aim = self.dir / "out" / "elsewhere"
        aim.parent.mkdir()
        os.symlink(aim, aim.parent / "log.jsonl")
        daemon = self.start()
        jobs = self.run_jobs(daemon, 2)
        penstock_test.until(lambda: "cannot be rotated" in daemon.errors(), "the daemon tells")
        self.assertEqual(self.files(), [self.log])
        self.assertTrue(self.log.is_symlink())
        self.assert_whole(jobs)


if __name__ == "__main__":
    penstock_test.main()
