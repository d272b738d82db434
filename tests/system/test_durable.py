# label: sanitize
"""Nothing acknowledged is lost: the daemon is killed, its disk fills up, its database is somebody else's."""
import os
import resource
import sqlite3
import time

import kill_test
import penstock_test
from penstock_test import until

UNAVAILABLE = -32006
QUEUE_FULL = -32004
LATER = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 365 * 86400))


class Durable(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.web = self.origin()
        self.db = self.dir / "penstock.db"

    def durable(self, settings=None, **kwargs):
        return self.daemon({"store.engine": "sqlite", "store.path": self.db, **(settings or {})}, **kwargs)

    def refused(self, *words, settings=None):
        daemon = self.durable(settings, wait=False)
        self.assertEqual(daemon.exit_status(), 1)
        for word in words:
            self.assertIn(word, daemon.errors())
        self.daemons.remove(daemon)
        return daemon.errors()


class Kill(Durable):
    def test_short_kill_test(self):
        kill_test.KillTest(self, jobs=300, kills=5).run()

    def test_a_running_job_runs_again(self):
        """Its first attempt is closed as interrupted; the second has a verdict; the id stays."""
        daemon = self.durable()
        job = daemon.submit(self.web.url("/lines?n=100&hold=gate"), parser="lines", labels={"a": "b"})
        until(lambda: self.web.counts("/lines").get("requests"), "it runs")
        until(lambda: daemon.state(job) == "running", "the claim is known")
        daemon.kill()
        self.web.release("gate")
        daemon = self.durable()
        self.assert_verdict(daemon.verdict(job), "done")
        attempts = [(e["attempt"], e["outcome"]) for e in daemon.events("attempt", job)]
        self.assertEqual(attempts, [(1, "interrupted"), (2, "done")])
        self.assertEqual(daemon.verdict(job)["labels"], {"a": "b"})
        self.assertEqual(daemon.events("start")[0]["ids"], "kept")
        self.assertGreater(daemon.submit(self.web.url("/bytes?n=1")), job)

    def test_a_daemon_that_dies_is_no_attempt(self):
        """Nor is one that stops; but a job under which it dies again and again is given up."""
        settings = {"daemon.drain": "10ms", "fetch.retry_delay": "5ms", "fetch.retry_delay_max": "10ms"}
        daemon = self.durable(settings)
        path = "/lines?n=2000&hold=gate&id=job&cut=5000&etag=none&modified=0"
        job = daemon.submit(self.web.url(path), parser="lines", max_attempts=2)
        for number in range(3):
            until(lambda: (seen := daemon.call("show", {"id": job}))["state"] == "running" and
                  seen["attempt"] == number + 1, "it runs, anew")
            if number == 1:
                daemon.stop()
            else:
                daemon.kill()
            daemon = self.durable(settings)
        self.web.release("gate")
        self.assert_verdict(daemon.verdict(job), "failed", "truncated")
        self.assertEqual(daemon.verdict(job)["attempt"], 5, "three that were interrupted, and two that count")

        killer = daemon.submit(self.web.url("/lines?n=9&hold=never&id=killer"), parser="lines")
        until(lambda: daemon.state(killer) == "running", "it runs")
        daemon.kill()
        with sqlite3.connect(self.db) as db:
            db.execute("UPDATE jobs SET torn=19 WHERE id=?", (killer,))
        db.close()
        daemon = self.durable(settings)
        verdict = daemon.verdict(killer)
        self.assert_verdict(verdict, "failed", "internal")
        self.assertEqual(verdict["attempt"], 2)
        self.assertIn("20 times", verdict["error"]["message"])

    def test_a_drain_that_is_over_keeps_the_job(self):
        daemon = self.durable({"daemon.drain": "50ms"})
        job = daemon.submit(self.web.url("/lines?n=100&hold=gate"), parser="lines")
        until(lambda: daemon.state(job) == "running", "it runs")
        daemon.stop()
        self.assertEqual([e["outcome"] for e in daemon.events("attempt", job)], ["interrupted"])
        self.web.release("gate")
        daemon = self.durable()
        self.assert_verdict(daemon.verdict(job), "done")
        self.assertNotIn("not clean", daemon.errors())

    def test_stops_in_the_middle(self):
        """SIGTERM while jobs come and go, and some are claimed ahead: each ends once, none is lost, and nothing
        is closed as torn."""
        daemon = self.durable({"daemon.drain": "20ms"})
        with daemon.rpc() as rpc:
            ids = [a["id"] for a in rpc.call("submit", [{"url": self.web.url("/bytes?n=1000")}] * 1000)]
        verdicts = []
        for _ in range(4):
            until(lambda: len(daemon.events("verdict")) > min(50, 999 - len(verdicts)), "some have ended, or all")
            daemon.stop()
            verdicts += [e["job"] for e in daemon.events("verdict")]
            daemon = self.durable({"daemon.drain": "20ms"})
            self.assertNotIn("were running when the daemon ended", daemon.errors())
        with daemon.rpc() as rpc:
            jobs = rpc.call("wait", {"ids": ids})["jobs"]
        self.assertEqual({j["state"] for j in jobs}, {"done"})
        until(lambda: len(verdicts) + len(daemon.events("verdict")) >= 1000, "the log has them")
        verdicts += [e["job"] for e in daemon.events("verdict")]
        self.assertEqual(sorted(verdicts), sorted(ids), "one verdict each")

    def test_claimed_ahead_and_paused(self):
        """Jobs that come and go are claimed before their turn; those whose turn does not come are queued again, for
        a SELECT as well."""
        daemon = self.durable({"fetch.host_connections": 2})
        urls = [self.web.url("/bytes?n=10")] * 950 + [self.web.url("/bytes?n=10&hold=last")] * 50  # these wait for the pause
        with daemon.rpc() as rpc:
            ids = [a["id"] for a in rpc.call("submit", [{"url": url} for url in urls])]
            until(lambda: len(daemon.events("verdict")) > 100, "they come and go")
            rpc.call("pause", {"host": "127.0.0.1"})
            self.web.release("last")
            until(lambda: not rpc.call("list", {"state": "running"})["jobs"], "nothing is claimed")
            left = rpc.call("stats")["jobs"]["queued"]
            self.assertGreater(left, 0)
            cancelled = rpc.call("cancel", {"state": "queued"})["cancelled"]
            self.assertEqual(len(cancelled), left)
            rpc.call("resume", {"host": "127.0.0.1"})
            jobs = rpc.call("wait", {"ids": ids})["jobs"]
        self.assertEqual({j["state"] for j in jobs}, {"done", "cancelled"})
        until(lambda: len(daemon.events("verdict")) == 1000, "the log has them")
        self.assertEqual(sorted(e["job"] for e in daemon.events("verdict")), ids)

    def test_what_waits_survives(self):
        """not_before, keys, retries that wait, ends that are kept."""
        daemon = self.durable({"fetch.retry_delay": "1h", "fetch.retry_delay_max": "1h"})
        url = self.web.url("/bytes?n=10")
        later = daemon.submit(url, not_before=LATER)
        done = daemon.submit(url, key="the key")
        daemon.verdict(done)
        until(lambda: daemon.state(done) == "done", "it is stored")
        waiting = daemon.submit(self.web.url("/bytes?n=10&status=503"))
        until(lambda: daemon.state(waiting) == "waiting", "it failed once")
        daemon.kill()
        daemon = self.durable()
        self.assertEqual(daemon.call("submit", {"url": url, "key": "the key"}), {"id": done, "existing": True})
        self.assertEqual(daemon.state(later), "queued")
        self.assertEqual(daemon.state(waiting), "waiting")
        self.assertEqual(daemon.call("show", {"id": done})["verdict"]["bytes"], 10)
        self.assertEqual(daemon.call("cancel", {"state": "waiting"})["cancelled"], [waiting])
        self.assertEqual(daemon.call("cancel", {"ids": [later]})["cancelled"], [later])
        until(lambda: "it is whole" in daemon.errors(), "it was checked")

    def test_a_torn_last_line_goes(self):
        log = self.dir / "sink.jsonl"
        config = self.wrote("c", f'[sink "log"]\ntype = file\npath = {log}\n')
        whole = b'{"ts":"2026-11-21T22:30:00.123456Z","event":"stop"}\n'
        log.write_bytes(whole + b'{"ts":"2026-11-21T22:30:00.123456Z","event":"rec')
        daemon = self.durable(config=config)
        daemon.log = log
        self.assert_verdict(daemon.job(self.web.url("/bytes?n=1")), "done")
        self.assertTrue(log.read_bytes().startswith(whole + b'{"ts":'))


class Files(Durable):
    def test_it_is_its_users_own(self):
        self.durable()
        self.assertEqual(self.db.stat().st_mode & 0o777, 0o600)

    def test_the_default_place_is_made(self):
        env = {k: v for k, v in os.environ.items() if k not in ("STATE_DIRECTORY",)}
        env["STATE_DIRECTORY"] = str(self.dir / "a" / "b")
        self.daemon({"store.engine": None}, env=env)
        place = self.dir / "a" / "b"
        self.assertTrue((place / "penstock.db").exists())
        self.assertEqual(place.stat().st_mode & 0o777, 0o700)

    def test_two_daemons(self):
        self.durable()
        self.refused(str(self.db), "in use by another penstockd")

    def test_no_directory(self):
        self.refused("create its directory", settings={"store.path": self.dir / "none" / "db"})

    def test_something_else(self):
        self.db.write_text("To whom it may concern,\n" * 100)
        self.refused("is not a database", "store.path")
        self.assertTrue(self.db.read_text().startswith("To whom"))

    def test_somebody_elses_database(self):
        with sqlite3.connect(self.db) as db:
            db.execute("CREATE TABLE jobs(a)")
        db.close()
        before = self.db.read_bytes()
        self.refused("not penstock's")
        self.assertEqual(self.db.read_bytes(), before)

    def test_a_newer_schema(self):
        self.durable().stop()
        with sqlite3.connect(self.db) as db:
            db.execute("PRAGMA user_version=99")
            db.execute("UPDATE meta SET value='7.5.0' WHERE name='needs'")
        db.close()
        self.refused("99", "7.5.0")

    def test_damage_is_found(self):
        """After a stop that was not clean the file is read through; then nothing new is taken."""
        daemon = self.durable()
        with daemon.rpc() as rpc:
            for _ in range(10):
                answers = rpc.call("submit", [{"url": self.web.url("/bytes?n=1"), "not_before": LATER}] * 1000)
        self.assertEqual(answers[-1]["id"], 10000)
        daemon.stop()
        with sqlite3.connect(self.db) as db:
            db.execute("UPDATE meta SET value=0 WHERE name='clean'")
            page = db.execute("SELECT rootpage FROM sqlite_schema WHERE name='jobs_due'").fetchone()[0]
            db.execute("DELETE FROM jobs WHERE id=1")
        db.close()
        with open(self.db, "r+b") as file:
            file.seek((page - 1) * 4096 + 4)
            file.write(b"\xff" * 200)
        daemon = self.durable()
        until(lambda: "it is damaged" in daemon.errors(), "it is found, by the check or by the work")
        with daemon.rpc() as rpc:
            error = rpc.fail("submit", {"url": self.web.url("/bytes?n=1")})
        self.assertEqual(error["code"], UNAVAILABLE)
        self.assertIn("damaged", error["message"])

    def test_locked_by_another_program(self):
        """A second of patience, then refusals with the reason; when it lets go, all is well again."""
        daemon = self.durable()
        other = sqlite3.connect(self.db, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with daemon.rpc() as rpc:
            error = rpc.fail("submit", {"url": self.web.url("/bytes?n=1")})
            self.assertEqual(error["code"], UNAVAILABLE)
            self.assertIn("another program has it locked", error["message"])
            other.execute("ROLLBACK")
            other.close()
            until(lambda: "works again" in daemon.errors(), "it is told")
            self.assert_verdict(daemon.job(self.web.url("/bytes?n=1")), "done")


    def taken_away(self, name, replaced):
        """Nothing is acknowledged while a file of the store is not in its place; what is acknowledged is there again."""
        daemon = self.durable()
        kept = daemon.submit(self.web.url("/bytes?n=1"), not_before=LATER)
        path, away = self.dir / name, self.dir / "away"
        if replaced:  # at once: else it might be seen removed before
            (self.dir / "copy").write_bytes(path.read_bytes())
            away.hardlink_to(path)
            (self.dir / "copy").rename(path)
        else:
            path.rename(away)
        word = "replaced" if replaced else "removed"
        until(lambda: f"{name} was {word}" in daemon.errors(), "it is noticed, though nobody asks")
        error = daemon.rpc().fail("submit", {"url": self.web.url("/bytes?n=1")})
        self.assertEqual(error["code"], UNAVAILABLE)
        self.assertIn(word, error["message"])
        self.assertTrue(daemon.call("top")["store_failing"])
        self.assertIn(f"{name} was {word}", daemon.call("stats")["store"]["error"])
        away.rename(path)
        until(lambda: "store: works again" in daemon.errors(), "it is back")
        job = daemon.submit(self.web.url("/bytes?n=1"), not_before=LATER)
        daemon.kill()
        daemon = self.durable()
        self.assertEqual([daemon.state(j) for j in (kept, job)], ["queued"] * 2)
        daemon.stop()

    def test_a_file_is_taken_away(self):
        for name in ("penstock.db", "penstock.db-wal", "penstock.db-shm"):
            for replaced in (False, True):
                with self.subTest(name=name, replaced=replaced):
                    self.taken_away(name, replaced)

    def test_an_index_that_is_cut_short(self):
        """It is mapped into the daemon."""
        for size in (0, 4096, 8192):
            with self.subTest(size=size):
                daemon = self.durable()
                before = daemon.submit(self.web.url("/bytes?n=1"), not_before=LATER)
                os.truncate(self.dir / "penstock.db-shm", size)
                jobs = [daemon.submit(self.web.url("/bytes?n=1"), not_before=LATER) for _ in range(50)]
                self.assertEqual({daemon.state(j) for j in (before, *jobs)}, {"queued"})
                self.assertIn("cut short", daemon.errors())
                daemon.kill()
                daemon = self.durable()
                self.assertEqual({daemon.state(j) for j in (before, *jobs)}, {"queued"})
                daemon.stop()
                with sqlite3.connect(self.db) as db:
                    self.assertEqual(db.execute("PRAGMA integrity_check").fetchall(), [("ok",)])

    def test_an_empty_file(self):
        self.db.write_bytes(b"")
        daemon = self.durable()
        self.assertIn("penstock.db was empty", daemon.errors())
        daemon.submit(self.web.url("/bytes?n=1"), not_before=LATER)
        daemon.kill()
        os.truncate(self.db, 0)
        log = (self.dir / "penstock.db-wal").read_bytes()
        self.assertGreater(len(log), 0)
        self.refused("store.path", "is empty, but the log beside it is not")
        self.assertEqual((self.dir / "penstock.db-wal").read_bytes(), log)


class Full(Durable):
    def test_no_room(self):
        """Files may not grow: submissions are refused with the reason, what runs keeps its verdict until it can
        be stored, and once there is room everything goes on."""
        config = self.wrote("c", f'[sink "log"]\ntype = file\npath = {self.dir / "sink.jsonl"}\n')
        daemon = self.durable(config=config)
        daemon.log = self.dir / "sink.jsonl"
        held = daemon.submit(self.web.url("/lines?n=2&hold=gate"), parser="lines")
        until(lambda: daemon.state(held) == "running", "it runs")
        limit = 1 << 20
        resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        with daemon.rpc() as rpc:
            taken = []
            while True:
                answer = rpc.answer("submit", [{"url": self.web.url("/bytes?n=1"), "labels": {"x": "y" * 200},
                                                "not_before": LATER}] * 100)
                if "error" in answer:
                    break
                taken += [a["id"] for a in answer["result"]]
            self.assertEqual(answer["error"]["code"], UNAVAILABLE)
            self.assertIn(str(self.db), answer["error"]["message"])
            self.web.release("gate")
            daemon.verdict(held)
            self.assertNotEqual(daemon.state(held), "done", "its end cannot be stored yet")
            resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
            until(lambda: daemon.state(held) == "done", "it is stored when there is room")
            self.assertEqual(len(rpc.call("submit", [{"url": self.web.url("/bytes?n=1")}] * 3)), 3)
        daemon.kill()
        daemon = self.durable(config=config)
        with daemon.rpc() as rpc:
            listed = {j["id"] for j in kill_test.KillTest.list_all(rpc)}
        self.assertLessEqual(set(taken) | {held}, listed, "an acknowledged job is lost")

    def test_max_jobs(self):
        daemon = self.durable({"queue.max_jobs": "5"})
        job = {"url": self.web.url("/bytes?n=1"), "not_before": LATER}
        with daemon.rpc() as rpc:
            rpc.call("submit", [job] * 5)
            error = rpc.fail("submit", job)
        self.assertEqual(error["code"], QUEUE_FULL)
        self.assertIn("queue.max_jobs", error["message"])

    def test_ends_are_forgotten_by_count(self):
        daemon = self.durable({"store.keep_finished_count": "10"})
        with daemon.rpc() as rpc:
            ids = [a["id"] for a in rpc.call("submit", [{"url": self.web.url("/bytes?n=1")}] * 100)]
            until(lambda: rpc.call("list", {"limit": 1000})["jobs"][-1]["id"] > ids[50], "the oldest go")
            until(lambda: len(rpc.call("list", {"limit": 1000})["jobs"]) == 10, "ten stay")


if __name__ == "__main__":
    penstock_test.main()
