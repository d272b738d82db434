"""The kill test: jobs are submitted while the daemon is killed with SIGKILL again and again; afterwards the
store and the log are compared with what was acknowledged. tests/system/test_durable.py runs a short one,
tests/bench/case_kill.py a long one."""
import collections
import contextlib
import hashlib
import json
import pathlib
import random
import threading
import time

import penstock_test
from penstock_test import until

BATCH = 20
PATHS = 7


class KillTest:
    def __init__(self, place, jobs, kills, seed=None):
        self.place, self.jobs, self.kills = place, jobs, kills
        self.random = random.Random(seed)
        self.web = place.origin()
        self.log = place.dir / "kill.jsonl"
        self.config = place.dir / "kill.conf"
        self.config.write_text(f'[sink "log"]\ntype = file\npath = {self.log}\n')
        self.acknowledged = {}  # key -> id
        self.repeated = []
        self.killed = 0
        self.over = threading.Event()
        self.starts = []
        self.paths = [f"/lines?n={self.random.randrange(1, 60)}&id={i}" for i in range(PATHS)]
        self.digests = {self.web.url(p): hashlib.sha256(self.body(p)).hexdigest() for p in self.paths}

    def body(self, path):
        """As curl has it."""
        return penstock_test.run("curl", "-s", self.web.url(path), check=0).stdout.encode()

    def start(self):
        began = time.monotonic()
        daemon = penstock_test.Daemon(self.place, {
            "store.engine": "sqlite", "store.path": self.place.dir / "kill.db",
            "fetch.host_connections": "16"}, config=self.config)
        self.starts.append(time.monotonic() - began)
        return daemon

    def job(self, number):
        return {"url": self.web.url(self.paths[number % PATHS]), "parser": "lines", "digest": "sha256",
                "key": f"k{number}"}

    def submitter(self):
        """Submits every job until it is acknowledged. An answer that never came may have been one: the key
        finds the job again."""
        numbers = list(range(self.jobs))
        while numbers and not self.over.is_set():
            batch = numbers[:BATCH]
            if batch[0] > self.jobs * (self.killed + 1) / (self.kills + 1):
                time.sleep(0.005)  # spread over all kills
                continue
            time.sleep(random.uniform(0, 0.05))  # so that kills meet submissions, too
            try:
                with penstock_test.Rpc(self.daemon.socket) as rpc:
                    answers = rpc.answer("submit", [self.job(n) for n in batch])["result"]
            except (OSError, AssertionError, KeyError):
                time.sleep(0.01)
                continue
            for number, answer in zip(batch, answers):
                self.acknowledged[f"k{number}"] = answer["id"]
                if answer.get("existing"):
                    self.repeated.append(answer["id"])
            numbers = numbers[BATCH:]

    def run(self):
        self.daemon = self.start()
        thread = threading.Thread(target=self.submitter)
        thread.start()
        try:
            for _ in range(self.kills):
                time.sleep(self.random.uniform(0.02, 0.3))
                self.daemon.kill()
                self.daemon = self.start()
                self.killed += 1
            until(lambda: not thread.is_alive(), "everything is acknowledged", 300 * penstock_test.PATIENCE)
            ids = list(self.acknowledged.values())
            with self.daemon.rpc() as rpc:
                rpc.socket.settimeout(300 * penstock_test.PATIENCE)
                self.stored = [j for i in range(0, len(ids), 1000)
                               for j in rpc.call("wait", {"ids": ids[i:i + 1000]})["jobs"]]
                self.listed = self.list_all(rpc)
        finally:
            self.over.set()
            thread.join()
        self.check()

    @staticmethod
    def list_all(rpc):
        jobs, before = [], None
        while True:
            page = rpc.call("list", {"limit": 1000, **({"before": before} if before else {})})
            jobs += page["jobs"]
            before = page["next"]
            if not before:
                return jobs

    def check(self):
        ids = list(self.acknowledged.values())
        assert len(ids) == self.jobs and len(set(ids)) == self.jobs, "an id was given twice"
        assert sorted(j["id"] for j in self.listed) == sorted(ids), "the store has jobs that nobody submitted"
        groups = self.groups()
        for job in self.stored:
            self.check_job(job, groups[job["id"]])

    def groups(self):
        """(job, attempt) -> its lines in their order."""
        groups = collections.defaultdict(lambda: collections.defaultdict(list))
        for text in self.log.read_bytes().splitlines():
            line = json.loads(text)
            if "job" in line:
                groups[line["job"]][line["attempt"]].append(line)
        return groups

    def check_job(self, job, attempts):
        assert job["state"] == "done", f"job {job['id']} is {job['state']}: {job}"
        verdict = job["verdict"]
        last = verdict["attempt"]
        assert verdict["sha256"] == self.digests[verdict["url"]], f"a wrong digest: {verdict}"
        for number in range(1, last):
            outcomes = [l["outcome"] for l in attempts[number] if l["event"] == "attempt"]
            assert "interrupted" in outcomes, f"attempt {number} of job {job['id']} is not closed: {outcomes}"
        assert max(attempts) == last, f"job {job['id']} went on after its verdict"
        lines = attempts[last]
        assert [l["event"] for l in lines].count("verdict") == 1, f"verdicts of job {job['id']}: {lines}"
        assert lines[-1]["event"] == "verdict" and lines[-1]["state"] == "done", f"{lines[-1]}"
        seqs = [l["seq"] for l in lines if l["event"] == "record"]
        assert seqs == list(range(1, verdict["records"] + 1)), f"records of job {job['id']}: {seqs}"
