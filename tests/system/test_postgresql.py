"""A daemon whose queue is in PostgreSQL: jobs come to verdicts, whatever dies meanwhile."""
import json
import unittest

import penstock_test
import postgresql_server
from penstock_test import BIN, until

MODULE = BIN.parent / "modules" / "penstock-postgresql.so"


@unittest.skipUnless(MODULE.exists(), "the module is not built")
class PostgreSQL(penstock_test.Case):
    def setUp(self):
        super().setUp()
        self.server = postgresql_server.Cluster(self, "fsync=off")
        self.web = self.origin()
        self.settings = {"store.engine": "postgresql", "store.dsn": self.server.dsn, "store.path": self.dir / "queue",
                         "fleet.name": "one"}

    def migrate(self, check=0):
        sets = [a for k, v in self.settings.items() for a in ("--set", f"{k}={v}")]
        return penstock_test.run(BIN / "penstockd", "--config", "/dev/null", *sets, "--migrate", check=check)

    def fleet(self, settings=None, **kwargs):
        return self.daemon({**self.settings, **(settings or {})}, **kwargs)

    def verdicts(self, daemons, jobs):
        """The verdict that counts of each job: that of the highest attempt."""
        last = {}
        for daemon in daemons:
            for event in daemon.events("verdict"):
                if event["job"] in jobs and event["attempt"] >= last.get(event["job"], event)["attempt"]:
                    last[event["job"]] = event
        return last

    def test_jobs_come_to_verdicts(self):
        daemon = self.fleet(wait=False)
        self.assertEqual(daemon.exit_status(), 1)
        self.assertIn("penstockd --migrate", daemon.errors())
        self.daemons.remove(daemon)
        self.migrate()
        self.migrate()  # and again, to no effect
        daemon = self.fleet()
        until(lambda: daemon.events("start"), "it has said how it began")
        self.assertEqual(daemon.events("start")[0]["ids"], "kept")
        verdict = daemon.job(self.web.url("/lines?n=5"), parser="lines", labels={"a": "b\\\"{},'"})
        self.assert_verdict(verdict, "done")
        self.assertEqual(verdict["labels"], {"a": "b\\\"{},'"})
        self.assert_verdict(daemon.job(self.web.url("/status/404")), "failed", "http_status")
        until(lambda: daemon.call("show", {"id": verdict["job"]})["state"] == "done", "it has ended")
        ended = [[str(verdict["job"]), "3"]]
        until(lambda: self.server.ask("SELECT id,state FROM penstock.ended WHERE state=3") == ended, "its end is stored")
        first = daemon.submit(self.web.url("/bytes?n=1"), key="k")
        self.assertEqual(daemon.submit(self.web.url("/bytes?n=1"), key="k"), first)

    def test_the_daemon_is_killed(self):
        """Each job that was acknowledged has a verdict in the end; what ran is closed as interrupted."""
        self.migrate()
        daemon = self.fleet()
        held = daemon.submit(self.web.url("/lines?n=100&hold=gate"), parser="lines")
        until(lambda: daemon.state(held) == "running", "it runs")
        jobs = {daemon.submit(self.web.url(f"/bytes?n={i}&id={i}")) for i in range(1, 101)} | {held}
        daemon.kill()
        self.web.release("gate")
        again = self.fleet()
        until(lambda: len(self.verdicts([daemon, again], jobs)) == len(jobs), "all have verdicts")
        attempts = [(e["attempt"], e["outcome"]) for e in again.events("attempt", held)]
        self.assertEqual(attempts, [(1, "interrupted"), (2, "done")])
        until(lambda: again.call("stats")["jobs"]["done"] == len(jobs), "all are counted")
        self.assertEqual(self.server.ask("SELECT count(*),count(DISTINCT id) FROM penstock.ended"),
                         [[str(len(jobs))] * 2])
        self.assertEqual(self.server.ask("SELECT count(*) FROM penstock.jobs"), [["0"]])

    def test_the_server_is_restarted(self):
        """Ends that it did not take, or did not answer, are said again; nothing is lost or done twice."""
        self.migrate()
        daemon = self.fleet()
        held = [daemon.submit(self.web.url(f"/lines?n=100&hold=gate&id={i}"), parser="lines") for i in range(3)]
        until(lambda: all(daemon.state(job) == "running" for job in held), "they run")
        self.server.stop("immediate")
        self.web.release("gate")
        until(lambda: len(daemon.events("verdict")) == 3, "they have ended")
        refused = daemon.ctl("submit", self.web.url("/bytes?n=1"))
        self.assertEqual(refused.returncode, 3)
        self.assertIn("PostgreSQL", refused.stderr)
        self.server.start()
        until(lambda: self.server.ask("SELECT count(*) FROM penstock.ended") == [["3"]], "they are stored")
        self.assert_verdict(daemon.job(self.web.url("/bytes?n=1")), "done")
        self.assertEqual(len(daemon.events("verdict")), 4)
        self.assertNotIn("password", daemon.errors())

    def records(self):
        """A daemon's arguments: records go into the database, and the log has them as well."""
        self.migrate()
        return {"config": self.wrote("db.conf", '[sink "db"]\ntype = postgresql\n')}

    def test_records_stand_with_their_verdict(self):
        daemon = self.fleet(**self.records())
        for deliver in ("stream", "commit"):
            verdict = daemon.job(self.web.url("/lines?n=1000"), parser="lines", deliver=deliver)
            self.assert_verdict(verdict, "done")
            job = verdict["job"]
            logged = [(e["seq"], e["data"]) for e in daemon.events("record", job)]
            self.assertEqual(len(logged), 1000)
            # A verdict is stored once its line is in the log.
            until(lambda j=job: self.server.ask(f"SELECT count(*) FROM penstock.ended WHERE id={j}") == [["1"]], "it is stored")
            rows = self.server.ask(f"SELECT attempt,seq,data FROM penstock.records WHERE job={job} ORDER BY seq")
            self.assertEqual([(int(seq), json.loads(data)) for _, seq, data in rows], logged)
            self.assertEqual({attempt for attempt, _, _ in rows}, {"1"})
            self.assertEqual(self.server.ask(f"SELECT count(*),min(host),min(parser) FROM penstock.results WHERE job={job}"),
                             [["1000", "127.0.0.1", "lines"]])

    def test_records_of_what_failed_are_not_stored(self):
        daemon = self.fleet({"defaults.max_attempts": "1"}, **self.records())
        for query, more, kind in (("n=20000&cut=300000&etag=none&modified=0", {}, "truncated"),
                                  ("n=1000", {"commit_max": 20000}, "limit_exceeded")):
            verdict = daemon.job(self.web.url(f"/ndjson?{query}"), parser="ndjson", **more)
            self.assert_verdict(verdict, "failed", kind)
            self.assertTrue(daemon.events("record", verdict["job"]))
        until(lambda: self.server.ask("SELECT count(*) FROM penstock.ended") == [["2"]], "both ends are stored")
        self.assertEqual(self.count("penstock.results"), 0)
        until(lambda: self.count("penstock.records") == 0, "what came before they failed is gone again")

    def test_records_before_the_end(self):
        """Those of a stream come as they are found, and are not shown; of an attempt that dies, they are taken away."""
        daemon = self.fleet(**self.records())
        url = self.web.url("/ndjson?n=40000&hold=gate&hold_at=600000")
        held = daemon.submit(url, parser="ndjson", deliver="stream")
        until(lambda: self.count("penstock.records") > 0, "some are there before the end")
        self.assertEqual(daemon.state(held), "running")
        self.assertEqual(self.count("penstock.results"), 0)
        daemon.kill()
        again = self.fleet(config=self.dir / "db.conf")
        until(lambda: [e["outcome"] for e in again.events("attempt", held)] == ["interrupted"], "its attempt is closed")
        until(lambda: self.server.ask("SELECT count(*) FROM penstock.records WHERE attempt=1") == [["0"]], "its records go")
        until(lambda: self.server.ask("SELECT count(*)>0 FROM penstock.records WHERE attempt=2") == [["t"]], "others come")
        self.web.release("gate")
        until(lambda: self.count("penstock.results") == 40000, "all are shown, once the job is done")
        self.assertEqual(self.server.ask("SELECT count(*),count(DISTINCT seq),min(attempt) FROM penstock.records"),
                         [["40000", "40000", "2"]])
        self.assertEqual(self.count("penstock.batches"), 0)

    def test_a_record_that_is_refused(self):
        """The job fails, once, and the table's words are told."""
        daemon = self.fleet({"defaults.max_attempts": "1"}, **self.records())
        self.server.ask("ALTER TABLE penstock.records ADD CONSTRAINT few CHECK (seq<10)")
        verdict = daemon.job(self.web.url("/ndjson?n=40000&hold=gate&hold_at=600000"), parser="ndjson", deliver="stream")
        self.assert_verdict(verdict, "failed", "unexpected")
        self.assertIn('"few"', verdict["error"]["message"])
        until(lambda: self.count("penstock.records") == 0, "nothing of it stays")

    def test_a_record_that_is_refused_at_the_end(self):
        """The log has it as done by then: that is revoked, and the job fails all the same, with nothing in the table."""
        daemon = self.fleet({"defaults.max_attempts": "1"}, **self.records())
        self.server.ask("ALTER TABLE penstock.records ADD CONSTRAINT few CHECK (seq<1)")
        for deliver in ("stream", "commit"):
            job = daemon.submit(self.web.url("/lines?n=1"), parser="lines", deliver=deliver)
            until(lambda j=job: self.server.ask(f"SELECT state FROM penstock.ended WHERE id={j}") == [["4"]], "it has failed")
            self.assertEqual([e["state"] for e in daemon.events("verdict", job)], ["done", "failed"])
            last = daemon.events("verdict", job)[-1]
            self.assertEqual(last["error"]["kind"], "unexpected")
            self.assertIn('"few"', last["error"]["message"])
            self.assertEqual([e["attempt"] for e in daemon.events("revoke", job)], [1])
        self.assertEqual(self.count("penstock.records"), 0)

    def test_records_whatever_dies(self):
        """Daemon and server die again and again while ends are stored: each record is there once."""
        daemon = self.fleet(**self.records())
        jobs = [daemon.submit(self.web.url(f"/lines?n=300&id={i}"), parser="lines") for i in range(200)]
        daemons = [daemon]
        for step, stored in enumerate((20, 50, 80, 110, 140, 170)):
            until(lambda n=stored: int(self.server.ask("SELECT count(*) FROM penstock.ended")[0][0]) >= n, "some are stored")
            if step % 2:
                self.server.stop("immediate")
                self.server.start()
            else:
                daemons[-1].kill()
                daemons.append(self.fleet(config=self.dir / "db.conf"))
        until(lambda: self.server.ask("SELECT count(*) FROM penstock.jobs") == [["0"]], "all have ended", 120)
        self.assertEqual(self.server.ask("SELECT count(*),count(DISTINCT id) FROM penstock.ended WHERE state=3"), [["200", "200"]])
        self.assertEqual(self.server.ask("SELECT count(*),count(DISTINCT(job,seq)),count(DISTINCT job) FROM penstock.records"),
                         [["60000", "60000", "200"]])
        self.assertEqual(self.server.ask("SELECT count(*) FROM penstock.results"), [["60000"]])
        verdicts = self.verdicts(daemons, set(jobs))
        self.assertEqual({v["state"] for v in verdicts.values()}, {"done"})

    def test_a_database_without_the_table(self):
        """What the database does not take is held, told, and taken once it does."""
        daemon = self.fleet(**self.records())
        self.server.ask("ALTER TABLE penstock.records RENAME TO hidden")
        job = daemon.submit(self.web.url("/lines?n=5"), parser="lines")
        until(lambda: "42P01" in daemon.errors(), "it is told")
        self.assertEqual(daemon.state(job), "running")
        self.server.ask("ALTER TABLE penstock.hidden RENAME TO records")
        until(lambda: self.server.ask("SELECT count(*) FROM penstock.records") == [["5"]], "they are stored")
        until(lambda: not daemon.call("stats")["store"]["failing"], "the daemon knows it")
        self.assert_verdict(daemon.job(self.web.url("/bytes?n=1")), "done")

    def count(self, table):
        return int(self.server.ask(f"SELECT count(*) FROM {table}")[0][0])

    def test_a_table_of_ones_own(self):
        """It is made by --migrate, refused as long as it is not right, and another one is taken by a reload."""
        self.migrate()
        sink = '[sink "db"]\ntype = postgresql\ntable = {}\n'
        config = self.wrote("db.conf", sink.format('feeds."It""ems"'))
        refused = self.fleet(config=config, wait=False)
        self.assertEqual(refused.exit_status(), 1)
        self.assertIn('sink.table: there is no table "feeds"."It""ems" in the database; make it by `penstockd --migrate`',
                      refused.errors())
        self.daemons.remove(refused)
        self.assertEqual(self.server.ask("SELECT count(*) FROM penstock.members"), [["0"]])  # it has not joined
        sets = [a for k, v in self.settings.items() for a in ("--set", f"{k}={v}")]
        migrate = [BIN / "penstockd", "--config", config, *sets, "--migrate"]
        done = penstock_test.run(*migrate)
        self.assertEqual(done.returncode, 1)
        self.assertIn("3F000", done.stderr)
        self.server.ask("CREATE SCHEMA feeds")
        penstock_test.run(*migrate, check=0)

        daemon = self.fleet(config=config)
        self.assert_verdict(daemon.job(self.web.url("/lines?n=7"), parser="lines"), "done")
        until(lambda: self.count('feeds."It""ems"') == 7, "its records are there")

        config.write_text(sink.format("feeds.next"), encoding="utf-8")
        with daemon.rpc() as rpc:
            self.assertIn('sink.table: there is no table "feeds"."next"', rpc.fail("reload")["message"])
        self.assert_verdict(daemon.job(self.web.url("/lines?n=5"), parser="lines"), "done")
        until(lambda: self.count('feeds."It""ems"') == 12, "where records go has not changed")
        self.server.ask("CREATE TABLE feeds.next(job bigint, attempt int, seq bigint, data text)")
        self.assertEqual(daemon.call("reload"), {"reloaded": True, "restart": []})
        self.assert_verdict(daemon.job(self.web.url("/lines?n=3"), parser="lines"), "done")
        until(lambda: self.count("feeds.next") == 3, "they go there now")
        self.assertEqual((self.count('feeds."It""ems"'), self.count("penstock.records")), (12, 0))

    def test_a_sink_for_another_store(self):
        config = self.wrote("db.conf", '[sink "db"]\ntype = postgresql\n')
        done = penstock_test.run(BIN / "penstockd", "--config", config, "--set", "store.engine=memory", "--check")
        self.assertEqual(done.returncode, 1)
        self.assertIn("store.engine = postgresql", done.stderr)

    def test_the_module_is_missing(self):
        copy = self.dir / "bin"
        copy.mkdir()
        daemon = copy / "penstockd"
        daemon.write_bytes((BIN / "penstockd").read_bytes())
        daemon.chmod(0o755)
        done = penstock_test.run(daemon, "--config", "/dev/null", "--set", "store.engine=postgresql", "--migrate")
        self.assertEqual(done.returncode, 1)
        self.assertIn("install the package penstock-postgresql", done.stderr)


if __name__ == "__main__":
    penstock_test.main()
